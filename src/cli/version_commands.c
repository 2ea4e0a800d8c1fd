/* SPDX-License-Identifier: Apache-2.0 */
/* The commands `models` and `promote`. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "cli/job.h"
#include "cli/models.h"
#include "engine/answer/report_json.h"
#include "engine/model_versions.h"
#include "learn/learner.h"
#include "learn/online_model.h"

/* ---- models ---- */

static const char *standing_of(const struct listed_version *listed) {
    if (listed->version->model == NULL) return "cannot be read";
    if (!listed->fits) return "no longer fits the playbook";
    if (listed->in_force) return "in force";
    return listed->was_in_force ? "was in force" : "stands by";
}

/* Those of its training, and those that it has learnt since. */
static void rows_cell(struct cli_table *table, const struct model *model) {
    const struct model_online_facts *since = model != NULL ? model_online_facts(model) : NULL;
    if (model == NULL)
        cli_table_cell(table, "%s", "");
    else if (since == NULL)
        cli_table_cell(table, "%s", cli_count(model_facts(model)->rows));
    else
        cli_table_cell(table, "%s + %s", cli_count(model_facts(model)->rows),
                       cli_count(since->rows));
}

static void print_versions(const struct playbook *playbook, const struct listed_version *versions,
                           size_t count) {
    struct cli_table table;
    cli_table_init(&table, "version|learner|learnt until|>treatments|>AUC|>log loss|standing");
    for (size_t i = 0; i < count; i++) {
        const struct model_version *version = versions[i].version;
        const struct model *model = version->model;
        cli_table_cell(&table, "%s@%u", version->name, version->version);
        cli_table_cell(&table, "%s",
                       model != NULL ? learner_of(model_facts(model)->kind)->name : "");
        cli_table_cell(&table, "%s", cli_when(playbook, version->until_ms));
        rows_cell(&table, model);
        double figures[] = {NAN, NAN};
        if (model != NULL) {
            figures[0] = model_rolling_metrics(model)->auc.value;
            figures[1] = model_rolling_metrics(model)->log_loss.value;
        }
        for (int k = 0; k < 2; k++) {
            if (isnan(figures[k]))
                cli_table_cell(&table, "unknown");
            else
                cli_table_cell(&table, "%.3f", figures[k]);
        }
        cli_table_cell(&table, "%s", standing_of(&versions[i]));
    }
    cli_table_print(&table);
}

static void write_version(struct json_writer *writer, const struct listed_version *listed) {
    const struct model_version *version = listed->version;
    const struct model *model = version->model;
    json_write_object_begin(writer);
    json_member_count(writer, "version", version->version);
    json_member_string(writer, "standing", standing_of(listed));
    json_member_yes_no(writer, "in_force", listed->in_force);
    json_member_time(writer, "trained", version->trained_ms);
    json_member_time(writer, "learnt_until", version->until_ms);
    if (model == NULL) {
        json_member_null(writer, "learner");
        json_member_null(writer, "figures");
    } else {
        const struct model_facts *facts = model_facts(model);
        json_member_string(writer, "learner", learner_of(facts->kind)->name);
        json_write_key(writer, "figures");
        json_write_object_begin(writer);
        json_member_count(writer, "learnt_rows", facts->rows);
        const struct model_online_facts *since = model_online_facts(model);
        json_member_count(writer, "learnt_since", since != NULL ? since->rows : 0);
        json_member_number(writer, "log_loss_since", since != NULL ? since->log_loss : (double)NAN);
        json_member_count(writer, "trees", facts->tree_count);
        json_member_string(writer, "from", model_figures_text(facts->basis));
        json_member_number(writer, "auc", model_rolling_metrics(model)->auc.value);
        json_member_number(writer, "log_loss", model_rolling_metrics(model)->log_loss.value);
        json_write_object_end(writer);
    }
    json_write_object_end(writer);
}

static enum status tell_versions(struct engine *engine, uint32_t rule, struct json_writer *writer,
                                 struct error *error) {
    const struct playbook *playbook = engine_playbook(engine);
    struct text name = playbook->models[rule].name;
    struct listed_version *versions;
    size_t count;
    enum status status = model_versions_list(engine, rule, &versions, &count, error);
    if (status != STATUS_OK) return status;
    if (writer == NULL && count == 0)
        cli_wrap_format(0, "Model %.*s is not trained yet; attune train %.*s", TEXT_ARG(name),
                        TEXT_ARG(name));
    else if (writer == NULL)
        print_versions(playbook, versions, count);
    if (writer != NULL) {
        json_write_object_begin(writer);
        json_member_text(writer, "model", name);
        json_write_key(writer, "versions");
        json_write_array_begin(writer);
        for (size_t i = 0; i < count; i++) write_version(writer, &versions[i]);
        json_write_array_end(writer);
        json_write_object_end(writer);
    }
    model_versions_release(versions, count);
    return STATUS_OK;
}

int command_models(struct cli *cli) {
    struct error error = {0};
    struct cli_json json;
    struct engine *engine = cli_open(cli, false, true);
    if (engine == NULL) return EXIT_FAILED;
    const struct playbook *playbook = engine_playbook(engine);
    uint32_t first = 0, end = playbook->model_count;
    if (cli->word_count > 0) {
        first = cli_find_model(playbook, cli->words[0]);
        end = first == UINT32_MAX ? 0 : first + 1;
    }
    bool known = first != UINT32_MAX;
    enum status status = STATUS_OK;
    struct json_writer *writer = cli_json_begin(&json, true);
    json_write_key(writer, "models");
    json_write_array_begin(writer);
    for (uint32_t rule = first; rule < end && status == STATUS_OK; rule++)
        status = tell_versions(engine, rule, cli->json ? writer : NULL, &error);
    json_write_array_end(writer);
    (void)cli_json_conclude(cli, &json, status == STATUS_OK && known ? EXIT_OK : EXIT_FAILED);
    if (!cli->json && known && status == STATUS_OK && end == 0)
        printf("The playbook has no models.\n");
    cli_close(engine);
    if (status != STATUS_OK) return cli_fail(&error);
    return known ? EXIT_OK : EXIT_FAILED;
}

/* ---- promote ---- */

/* NAME@VERSION; false after printing what is wrong. */
static bool read_version(const char *word, char name[SYMBOL_BYTES_MAX + 1], uint32_t *version) {
    const char *at = strrchr(word, '@');
    int64_t number = 0;
    bool good = at != NULL && at > word && (size_t)(at - word) <= SYMBOL_BYTES_MAX &&
                text_to_int64(text_from(at + 1), &number) == STATUS_OK && number > 0 &&
                number <= UINT32_MAX;
    if (!good) {
        cli_fail_text("\"%s\" names no version of a model; write MODEL@VERSION, such as redeem@2 "
                      "(attune models lists them)",
                      word);
        return false;
    }
    memcpy(name, word, (size_t)(at - word));
    name[at - word] = '\0';
    *version = (uint32_t)number;
    return true;
}

struct promoting {
    struct engine *engine;
    struct promote_options options;
    struct promotion out;
};

static enum status promote(void *context, struct work *work, struct error *error) {
    struct promoting *promoting = context;
    promoting->options.work = work;
    return engine_promote(promoting->engine, &promoting->options, &promoting->out, error);
}

static void print_side(const char *name, const struct interval *challenger,
                       const struct interval *champion) {
    if (isnan(challenger->value) || isnan(champion->value))
        printf("  %-20s unknown\n", name);
    else
        printf("  %-20s %.4f, the one in force %.4f\n", name, challenger->value, champion->value);
}

static void print_evidence(const struct promotion *promotion) {
    const struct comparison *comparison = &promotion->comparison;
    const struct model_version *version = promotion->version;
    if (!promotion->has_evidence) {
        cli_wrap_format(0, "No version of %s is in force that it could be compared with.",
                        version->name);
        return;
    }
    printf("%s@%u against %s@%u, on treatments that neither has learnt from\n", version->name,
           version->version, version->name, promotion->before);
    printf("  %-20s %s of %s, of which %s reached the goal\n", "treatments",
           cli_count(comparison->count), cli_counted(comparison->challenger.groups, "customer"),
           cli_count(comparison->challenger.yes));
    if (comparison->learnt_count > 0)
        printf("  left out, since a version has learnt from them: %s\n",
               cli_counted(comparison->learnt_count, "treatment"));
    print_side("AUC", &comparison->challenger.auc, &comparison->champion.auc);
    cli_print_interval("AUC difference", &comparison->auc_difference, "4");
    print_side("log loss", &comparison->challenger.log_loss, &comparison->champion.log_loss);
    cli_print_interval("log loss difference", &comparison->log_loss_difference, "4");
}

static void write_side(struct json_writer *writer, const char *key,
                       const struct model_metrics *metrics) {
    json_write_key(writer, key);
    json_write_object_begin(writer);
    json_member_number(writer, "auc", metrics->auc.value);
    json_member_number(writer, "log_loss", metrics->log_loss.value);
    json_write_object_end(writer);
}

static void write_evidence(struct json_writer *writer, const struct comparison *comparison) {
    struct figure figures[COMPARISON_FIGURES];
    json_write_object_begin(writer);
    json_member_string(writer, "verdict", comparison_verdict_text(comparison->verdict));
    json_member_count(writer, "rows", comparison->count);
    json_member_count(writer, "customers", comparison->challenger.groups);
    json_member_count(writer, "reached", comparison->challenger.yes);
    json_member_count(writer, "rows_left_out", comparison->learnt_count);
    write_side(writer, "version", &comparison->challenger);
    write_side(writer, "in_force", &comparison->champion);
    comparison_figures(comparison, figures);
    figures_write_member(figures, COMPARISON_FIGURES, writer);
    json_write_object_end(writer);
}

static void write_promotion(const struct promotion *promotion) {
    struct cli_json json;
    const struct model_version *version = promotion->version;
    struct json_writer *writer = cli_json_begin(&json, true);
    json_member_string(writer, "model", version->name);
    json_member_count(writer, "version", version->version);
    json_member_string(writer, "learner", learner_of(model_facts(version->model)->kind)->name);
    if (promotion->before > 0)
        json_member_count(writer, "in_force_before", promotion->before);
    else
        json_member_null(writer, "in_force_before");
    json_member_yes_no(writer, "was_in_force", promotion->is_back);
    json_member_yes_no(writer, "promoted", promotion->promoted);
    json_write_key(writer, "evidence");
    if (promotion->has_evidence)
        write_evidence(writer, &promotion->comparison);
    else
        json_write_null(writer);
    (void)cli_json_end(&json, stdout);
}

/* Says why it was not promoted, and what to do. */
static int refuse(const struct promotion *promotion) {
    const struct comparison *comparison = &promotion->comparison;
    const struct model_version *version = promotion->version;
    if (comparison->count < COMPARISON_ROWS_MIN)
        return cli_fail_text(
            "%s@%u was not promoted: %zu treatments have matured that neither version has learnt "
            "from, and %d are needed; wait, say a later --until, train both with an earlier "
            "--until, or promote it with --anyway",
            version->name, version->version, comparison->count, COMPARISON_ROWS_MIN);
    return cli_fail_text("%s@%u was not promoted: it %s %s@%u; --anyway promotes it all the same",
                         version->name, version->version,
                         comparison->verdict == COMPARISON_WORSE ? "is worse than"
                                                                 : "is not shown to be better than",
                         version->name, promotion->before);
}

static int tell_promotion(const struct cli *cli, const struct promotion *promotion) {
    const struct model_version *version = promotion->version;
    if (cli->json)
        write_promotion(promotion);
    else
        print_evidence(promotion);
    if (!promotion->promoted) return refuse(promotion);
    char did[SYMBOL_BYTES_MAX + 64];
    snprintf(did, sizeof did, "promoted %s@%u", version->name, version->version);
    cli_audit(cli, did, (struct customer_id){ID_NONE});
    if (cli->json) return EXIT_OK;
    if (promotion->before == 0)
        printf("%s@%u is in force\n", version->name, version->version);
    else
        printf("%s@%u is in force, instead of %s@%u\n", version->name, version->version,
               version->name, promotion->before);
    return EXIT_OK;
}

int command_promote(struct cli *cli) {
    struct error error = {0};
    struct promoting promoting = {.options = {.anyway = cli->anyway}};
    char name[SYMBOL_BYTES_MAX + 1];
    if (!read_version(cli->words[0], name, &promoting.options.version)) return EXIT_FAILED;
    struct engine *engine = promoting.engine = cli_open(cli, false, false);
    if (engine == NULL) return EXIT_FAILED;
    struct promote_options *options = &promoting.options;
    options->rule = cli_find_model(engine_playbook(engine), name);
    bool ok = options->rule != UINT32_MAX &&
              cli_time(engine, "from", cli->from, TIME_ALWAYS, &options->from_ms);
    if (ok) ok = cli_until(cli, engine, &options->until_ms);
    int code = EXIT_FAILED;
    if (ok && cli_job(cli, "promoting", promote, &promoting, &error) != STATUS_OK)
        code = cli_fail(&error);
    else if (ok)
        code = tell_promotion(cli, &promoting.out);
    promotion_release(&promoting.out);
    cli_close(engine);
    return code;
}
