/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/evaluation.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

#define SEED 20171001u /* of the bootstrap: the same rows give the same interval */

/* ---- scoring what was not seen ---- */

static enum status reserve(struct evaluation *out, size_t count) {
    out->propensity = memory_calloc(count + 1, sizeof *out->propensity);
    out->yes = memory_calloc(count + 1, sizeof *out->yes);
    return out->propensity != NULL && out->yes != NULL ? STATUS_OK : STATUS_NO_MEMORY;
}

static enum status groups_of(const struct evaluation *evaluation, uint32_t **out) {
    *out = memory_calloc(evaluation->count + 1, sizeof **out);
    if (*out == NULL) return STATUS_NO_MEMORY;
    for (size_t i = 0; i < evaluation->count; i++) (*out)[i] = evaluation->ids[i].customer.value;
    return STATUS_OK;
}

/* Returns by how much sooner a label counted as known. A row's horizon_ms has the delay of its
 * sources, as they are declared now. A model that was trained with a shorter one may have learnt
 * from the row so much sooner. */
static int64_t known_sooner_ms(const struct playbook *playbook, uint32_t rule,
                               const struct model *model) {
    int64_t now_ms = playbook->goals[playbook->models[rule].goal].arrives_ms,
            then_ms = model_facts(model)->label_delay_ms;
    return then_ms >= 0 && then_ms < now_ms ? now_ms - then_ms : 0;
}

static enum status keep_unseen(const struct customer_data *data,
                               const struct evaluation_options *options,
                               const struct training_set *set, struct evaluation *out,
                               struct error *error) {
    size_t rows = training_set_count(set);
    int64_t sooner_ms = known_sooner_ms(data->playbook, options->rule, options->model);
    enum status status = reserve(out, rows);
    work_step(options->work, "treatments scored", rows);
    for (size_t i = 0; i < rows && status == STATUS_OK; i++) {
        struct value values[LEARN_FEATURES_MAX];
        struct training_row row;
        training_set_row(set, i, values, &row);
        work_add(options->work, 1);
        status = work_check(options->work, error);
        if (trainer_had_learnt(&row, options->learnt_until_ms, sooner_ms)) {
            out->learnt_count++;
            continue;
        }
        out->ids[out->count] = out->ids[i];
        out->propensity[out->count] = model_score(options->model, row.values);
        out->yes[out->count++] = row.yes;
    }
    return status;
}

static enum status score(const struct customer_data *data, const struct evaluation_options *options,
                         struct evaluation *out, struct error *error) {
    struct trainer_options rows = {.from_ms = options->from_ms,
                                   .until_ms = options->until_ms,
                                   .matured_by_ms = options->until_ms,
                                   .threads = options->threads,
                                   .model = options->model,
                                   .work = options->work};
    struct training_set *set = NULL;
    enum status status = trainer_collect(data, &data->playbook->models[options->rule], &rows, &set,
                                         &out->ids, &out->counts, error);
    if (status == STATUS_OK) status = keep_unseen(data, options, set, out, error);
    training_set_destroy(set);
    return status;
}

/* ---- against another's predictions ---- */

/* A row is looked for under each name of its customer. */
struct wanted_row {
    const struct predictions *predictions;
    struct text treatment;
    int64_t time_ms;
    double chance;
    bool found;
};

static void try_name(void *context, struct text value) {
    struct wanted_row *row = context;
    row->found |=
        predictions_find(row->predictions, row->treatment, value, row->time_ms, &row->chance);
}

/* The rows that both have, side by side. */
struct shared_rows {
    double *ours, *theirs;
    bool *yes;
    uint32_t *group;
    size_t count;
};

static void release_shared(struct shared_rows *rows) {
    memory_free(rows->ours);
    memory_free(rows->theirs);
    memory_free(rows->yes);
    memory_free(rows->group);
}

static enum status find_shared(const struct evaluation_options *options,
                               const struct evaluation *evaluation, struct shared_rows *rows) {
    size_t room = evaluation->count + 1;
    *rows = (struct shared_rows){
        memory_calloc(room, sizeof *rows->ours), memory_calloc(room, sizeof *rows->theirs),
        memory_calloc(room, sizeof *rows->yes), memory_calloc(room, sizeof *rows->group), 0};
    bool whole = rows->ours != NULL && rows->theirs != NULL && rows->yes != NULL;
    enum status status = whole && rows->group != NULL ? STATUS_OK : STATUS_NO_MEMORY;
    for (size_t i = 0; i < evaluation->count && status == STATUS_OK; i++) {
        /* A row's features are those of the millisecond before its treatment. */
        struct wanted_row row = {.predictions = options->against,
                                 .treatment = evaluation->ids[i].treatment->key,
                                 .time_ms = evaluation->ids[i].t_ms + 1};
        status = options->namer.visit(options->namer.context, evaluation->ids[i].customer, try_name,
                                      &row);
        if (!row.found) continue;
        rows->ours[rows->count] = evaluation->propensity[i];
        rows->theirs[rows->count] = row.chance;
        rows->yes[rows->count] = evaluation->yes[i];
        rows->group[rows->count++] = evaluation->ids[i].customer.value;
    }
    return status;
}

static enum status compare(const struct evaluation_options *options, struct evaluation *out,
                           struct error *error) {
    struct shared_rows rows;
    enum status status = find_shared(options, out, &rows);
    out->compared_count = rows.count;
    out->compared = status == STATUS_OK && rows.count > 0;
    snprintf(out->against_name, sizeof out->against_name, "%s", predictions_name(options->against));
    if (out->compared)
        status = metrics_of(rows.theirs, rows.yes, rows.group, rows.count, SEED, &out->against);
    if (status == STATUS_OK && out->compared)
        status = metrics_of(rows.ours, rows.yes, rows.group, rows.count, SEED, &out->ours_there);
    if (status == STATUS_OK && out->compared)
        status = metrics_auc_difference(rows.ours, rows.theirs, rows.yes, rows.group, rows.count,
                                        SEED, &out->auc_difference);
    release_shared(&rows);
    if (status == STATUS_OK && !out->compared) {
        return error_set(error, STATUS_INVALID,
                         "%s has none of the %zu rows; its treatments must be written as in the "
                         "playbook, such as %.*s, its customers as C123 or by an identifier; a "
                         "column time, if there is "
                         "one, holds the treatment's time",
                         out->against_name, out->count, TEXT_ARG(out->ids[0].treatment->key));
    }
    return status;
}

/* ---- calibration ---- */

struct judged_row {
    double propensity;
    uint32_t customer;
    bool yes;
};

static int compare_propensities(const void *left, const void *right) {
    const struct judged_row *a = left, *b = right;
    if (a->propensity != b->propensity) return a->propensity < b->propensity ? -1 : 1;
    return a->customer < b->customer ? -1 : a->customer > b->customer;
}

static int compare_customers(const void *left, const void *right) {
    const struct judged_row *a = left, *b = right;
    return a->customer < b->customer ? -1 : a->customer > b->customer;
}

/* Customers are what is independent: each one's push on the share is the sum of its rows'. Where
 * all or none reached the goal the pushes say nothing, and as many rows as there are customers give
 * the interval. */
static void judge_bin(struct judged_row *rows, size_t count, struct figure *rate) {
    uint64_t yes = 0, customers = 0;
    double variance = 0, push = 0;
    for (size_t i = 0; i < count; i++) yes += rows[i].yes;
    double share = (double)yes / (double)count;
    qsort(rows, count, sizeof *rows, compare_customers);
    for (size_t i = 0; i < count; i++) {
        push += ((double)rows[i].yes - share) / (double)count;
        if (i + 1 < count && rows[i + 1].customer == rows[i].customer) continue;
        variance += push * push;
        push = 0;
        customers++;
    }
    if (yes == 0 || yes == count) {
        figure_share(rate, yes == 0 ? 0 : customers, customers);
    } else {
        rate->value = share;
        figure_clustered_share(rate, variance, customers);
    }
    rate->n = count;
}

static enum status make_bins(struct evaluation *out) {
    struct judged_row *rows = memory_calloc(out->count + 1, sizeof *rows);
    if (rows == NULL) return STATUS_NO_MEMORY;
    for (size_t i = 0; i < out->count; i++)
        rows[i] = (struct judged_row){out->propensity[i], out->ids[i].customer.value, out->yes[i]};
    qsort(rows, out->count, sizeof *rows, compare_propensities);
    for (size_t b = 0; b < EVALUATION_BINS; b++) {
        size_t from = out->count * b / EVALUATION_BINS, to = out->count * (b + 1) / EVALUATION_BINS;
        if (from == to) continue;
        struct calibration_bin *bin = &out->bins[out->bin_count++];
        double predicted = 0;
        for (size_t i = from; i < to; i++) predicted += rows[i].propensity;
        bin->predicted = predicted / (double)(to - from);
        bin->rate = (struct figure){
            .name = "rate",
            .question = "what share of the treatments with such a propensity reached the goal",
            .of = COUNTED_ROWS,
            .unit = FIGURE_SHARE,
            .as_of_ms = out->as_of_ms};
        judge_bin(rows + from, to - from, &bin->rate);
    }
    memory_free(rows);
    return STATUS_OK;
}

/* ---- the whole ---- */

static enum status nothing_to_judge(const struct customer_data *data,
                                    const struct evaluation_options *options,
                                    const struct evaluation *evaluation, struct error *error) {
    struct buffer why;
    if (evaluation->learnt_count > 0)
        return error_set(error, STATUS_INVALID,
                         "all %zu treatments of that time are those that the model has learnt "
                         "from; say a later --until, or train with an earlier one",
                         evaluation->learnt_count);
    buffer_init(&why);
    enum status status = trainer_left_out_words(data, &data->playbook->models[options->rule],
                                                &evaluation->counts, &why);
    if (status == STATUS_OK) {
        status = error_set(error, STATUS_INVALID,
                           "no treatment delivered in that time has a matured goal; widen --from "
                           "and --until. Of %llu in that time:%.*s%s",
                           (unsigned long long)evaluation->counts.events,
                           TEXT_ARG(buffer_text(&why)), why.length == 0 ? " none" : "");
    }
    buffer_release(&why);
    return status;
}

enum status evaluation_make(const struct customer_data *data,
                            const struct evaluation_options *options, struct evaluation *out,
                            struct error *error) {
    *out = (struct evaluation){.as_of_ms = options->until_ms};
    uint32_t *group = NULL;
    enum status status = score(data, options, out, error);
    if (status == STATUS_OK && out->count == 0)
        status = nothing_to_judge(data, options, out, error);
    if (status == STATUS_OK) status = work_check(options->work, error);
    work_step(options->work, "intervals", 0);
    if (status == STATUS_OK) status = groups_of(out, &group);
    if (status == STATUS_OK)
        status = metrics_of(out->propensity, out->yes, group, out->count, SEED, &out->metrics);
    if (status == STATUS_OK) status = make_bins(out);
    if (status == STATUS_OK) status = work_check(options->work, error);
    if (status == STATUS_OK && options->against != NULL) status = compare(options, out, error);
    memory_free(group);
    return status;
}

void evaluation_release(struct evaluation *evaluation) {
    memory_free(evaluation->ids);
    memory_free(evaluation->propensity);
    memory_free(evaluation->yes);
    *evaluation = (struct evaluation){0};
}

/* ---- figures ---- */

void metrics_figures(const struct model_metrics *metrics, int64_t as_of_ms,
                     struct figure out[METRICS_FIGURES]) {
    static const struct {
        const char *name, *question;
        enum figure_unit unit;
    } words[METRICS_FIGURES] = {
        {"auc", "how often does one that reaches the goal score above one that does not",
         FIGURE_CHANCE},
        {"log_loss", "how much information do the chances leave unsaid, a treatment", FIGURE_NATS},
        {"calibration_error",
         "how far are predicted and observed shares apart, on average over tenths", FIGURE_SHARE},
        {"top_tenth_gain",
         "how many times as often as the average does the best tenth reach the goal", FIGURE_TIMES},
        {"base_rate", "what share of the treatments reached the goal", FIGURE_SHARE},
    };
    const struct interval *intervals[METRICS_FIGURES] = {
        &metrics->auc, &metrics->log_loss, &metrics->calibration_error, &metrics->top_tenth_gain,
        &metrics->base_rate};
    for (int i = 0; i < METRICS_FIGURES; i++) {
        out[i] = (struct figure){.name = words[i].name,
                                 .question = words[i].question,
                                 .unit = words[i].unit,
                                 .n = metrics->rows,
                                 .of = COUNTED_ROWS,
                                 .as_of_ms = as_of_ms};
        figure_take(&out[i], intervals[i]);
    }
}

struct figure evaluation_auc_difference(const struct evaluation *evaluation) {
    struct figure figure = {.name = "auc_difference",
                            .question = "by how much is the AUC above that of the other's "
                                        "predictions, on the rows that both have",
                            .unit = FIGURE_CHANCE,
                            .n = evaluation->compared_count,
                            .of = COUNTED_ROWS,
                            .as_of_ms = evaluation->as_of_ms};
    figure_take(&figure, &evaluation->auc_difference);
    return figure;
}
