/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/comparison.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"

#define SEED 20171001u /* of the bootstrap: the same rows give the same interval */

/* The rows as one model sees them. */
struct seen {
    const struct compared_model *of;
    struct training_set *set;
    struct trainer_row_id *ids;
    int64_t sooner_ms; /* by which its labels were taken to be known sooner than today */
};

static enum status collect(const struct customer_data *data,
                           const struct comparison_options *options,
                           const struct compared_model *of, struct seen *out,
                           struct trainer_counts *counts, struct error *error) {
    const struct model_rule *rule = &data->playbook->models[options->rule];
    struct trainer_options rows = {.from_ms = options->from_ms,
                                   .until_ms = options->until_ms,
                                   .matured_by_ms = options->until_ms,
                                   .threads = options->threads,
                                   .model = of->model,
                                   .work = options->work};
    int64_t now_ms = data->playbook->goals[rule->goal].arrives_ms,
            then_ms = model_facts(of->model)->label_delay_ms;
    *out = (struct seen){.of = of,
                         .sooner_ms = then_ms >= 0 && then_ms < now_ms ? now_ms - then_ms : 0};
    return trainer_collect(data, rule, &rows, &out->set, &out->ids, counts, error);
}

static void seen_release(struct seen *seen) {
    training_set_destroy(seen->set);
    memory_free(seen->ids);
}

/* Rows stand in order of (time, customer, treatment). */
static int compare_ids(const struct trainer_row_id *a, const struct trainer_row_id *b) {
    if (a->t_ms != b->t_ms) return a->t_ms < b->t_ms ? -1 : 1;
    if (a->customer.value != b->customer.value)
        return a->customer.value < b->customer.value ? -1 : 1;
    return text_compare(a->treatment->key, b->treatment->key);
}

/* Rows that both models can be judged on, side by side. */
struct judged {
    double *challenger, *champion;
    bool *yes;
    uint32_t *group;
    size_t count, learnt_count, yes_count;
};

static enum status judged_init(struct judged *judged, size_t room) {
    *judged = (struct judged){.challenger = memory_alloc((room + 1) * sizeof(double)),
                              .champion = memory_alloc((room + 1) * sizeof(double)),
                              .yes = memory_alloc((room + 1) * sizeof(bool)),
                              .group = memory_alloc((room + 1) * sizeof(uint32_t))};
    bool whole = judged->challenger && judged->champion && judged->yes && judged->group;
    return whole ? STATUS_OK : STATUS_NO_MEMORY;
}

static void judged_release(struct judged *judged) {
    memory_free(judged->challenger);
    memory_free(judged->champion);
    memory_free(judged->yes);
    memory_free(judged->group);
}

static bool had_learnt(const struct seen *seen, const struct training_row *row) {
    return trainer_had_learnt(row, seen->of->learnt_until_ms, seen->sooner_ms);
}

static void judge_row(struct judged *judged, const struct seen *challenger, size_t a,
                      const struct seen *champion, size_t b) {
    struct value values[LEARN_FEATURES_MAX], others[LEARN_FEATURES_MAX];
    struct training_row row, other;
    training_set_row(challenger->set, a, values, &row);
    training_set_row(champion->set, b, others, &other);
    if (had_learnt(challenger, &row) || had_learnt(champion, &other)) {
        judged->learnt_count++;
        return;
    }
    size_t k = judged->count++;
    judged->challenger[k] = model_score(challenger->of->model, row.values);
    judged->champion[k] = model_score(champion->of->model, other.values);
    judged->yes[k] = row.yes;
    judged->yes_count += row.yes;
    judged->group[k] = challenger->ids[a].customer.value;
}

/* Each set was made by a walk of its own, between which data may have come: only rows that stand in
 * both are judged. */
static enum status judge_rows(struct judged *judged, const struct seen *challenger,
                              const struct seen *champion, struct work *work, struct error *error) {
    size_t rows = training_set_count(challenger->set), others = training_set_count(champion->set);
    enum status status = judged_init(judged, rows < others ? rows : others);
    work_step(work, "treatments scored", rows);
    for (size_t a = 0, b = 0; a < rows && b < others && status == STATUS_OK;) {
        int order = compare_ids(&challenger->ids[a], &champion->ids[b]);
        if (order == 0) judge_row(judged, challenger, a, champion, b);
        a += order <= 0;
        b += order >= 0;
        work_add(work, order <= 0);
        status = work_check(work, error);
    }
    return status;
}

static enum status measure(const struct judged *judged, struct comparison *out) {
    const struct judged *all = judged;
    enum status status =
        metrics_of(all->challenger, all->yes, all->group, all->count, SEED, &out->challenger);
    if (status == STATUS_OK)
        status = metrics_of(all->champion, all->yes, all->group, all->count, SEED, &out->champion);
    if (status == STATUS_OK)
        status = metrics_auc_difference(all->challenger, all->champion, all->yes, all->group,
                                        all->count, SEED, &out->auc_difference);
    if (status == STATUS_OK)
        status = metrics_log_loss_difference(all->challenger, all->champion, all->yes, all->group,
                                             all->count, SEED, &out->log_loss_difference);
    return status;
}

static enum comparison_verdict verdict_of(const struct comparison *comparison,
                                          const struct judged *judged) {
    const struct interval *auc = &comparison->auc_difference,
                          *loss = &comparison->log_loss_difference;
    bool enough = judged->count >= COMPARISON_ROWS_MIN &&
                  judged->yes_count >= COMPARISON_CLASS_MIN &&
                  judged->count - judged->yes_count >= COMPARISON_CLASS_MIN;
    bool better = auc->low > 0 || loss->high < 0, worse = auc->high < 0 || loss->low > 0;
    if (!enough || better == worse) return COMPARISON_UNDECIDED;
    return better ? COMPARISON_BETTER : COMPARISON_WORSE;
}

const char *comparison_verdict_text(enum comparison_verdict verdict) {
    switch (verdict) {
    case COMPARISON_BETTER: return "better";
    case COMPARISON_WORSE: return "worse";
    default: return "undecided";
    }
}

static struct interval unknown(void) {
    double nan = (double)NAN;
    return (struct interval){nan, nan, nan, nan, nan};
}

static struct model_metrics unknown_metrics(void) {
    return (struct model_metrics){.auc = unknown(),
                                  .log_loss = unknown(),
                                  .calibration_error = unknown(),
                                  .top_tenth_gain = unknown(),
                                  .base_rate = unknown()};
}

enum status comparison_make(const struct customer_data *data,
                            const struct comparison_options *options, struct comparison *out,
                            struct error *error) {
    struct seen challenger = {0}, champion = {0};
    struct judged judged = {0};
    *out = (struct comparison){.challenger = unknown_metrics(),
                               .champion = unknown_metrics(),
                               .auc_difference = unknown(),
                               .log_loss_difference = unknown(),
                               .as_of_ms = options->until_ms};
    enum status status =
        collect(data, options, &options->challenger, &challenger, &out->counts, error);
    if (status == STATUS_OK)
        status = collect(data, options, &options->champion, &champion, NULL, error);
    if (status == STATUS_OK)
        status = judge_rows(&judged, &challenger, &champion, options->work, error);
    work_step(options->work, "intervals", 0);
    if (status == STATUS_OK && judged.count > 0) status = measure(&judged, out);
    out->count = judged.count;
    out->learnt_count = judged.learnt_count;
    if (status == STATUS_OK) out->verdict = verdict_of(out, &judged);
    judged_release(&judged);
    seen_release(&challenger);
    seen_release(&champion);
    if (status == STATUS_NO_MEMORY)
        return error_set(error, status, "no memory to compare two models");
    return status;
}

void comparison_figures(const struct comparison *comparison,
                        struct figure out[COMPARISON_FIGURES]) {
    out[0] = (struct figure){.name = "auc_difference",
                             .question = "by how much is the AUC above that of the model in force, "
                                         "on treatments that neither had seen",
                             .unit = FIGURE_CHANCE};
    out[1] = (struct figure){.name = "log_loss_difference",
                             .question = "by how much is the log loss above that of the model in "
                                         "force, on treatments that neither had seen",
                             .unit = FIGURE_NATS};
    const struct interval *intervals[] = {&comparison->auc_difference,
                                          &comparison->log_loss_difference};
    for (int i = 0; i < COMPARISON_FIGURES; i++) {
        out[i].n = comparison->count;
        out[i].of = COUNTED_ROWS;
        out[i].as_of_ms = comparison->as_of_ms;
        figure_take(&out[i], intervals[i]);
    }
}
