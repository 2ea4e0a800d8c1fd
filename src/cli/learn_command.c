/* SPDX-License-Identifier: Apache-2.0 */
/* The command `learn`: models in force learn on. */
#include <math.h>

#include "cli/cli.h"
#include "cli/job.h"
#include "cli/models.h"
#include "engine/answer/report_json.h"
#include "engine/learn_on.h"

struct learn_job {
    struct engine *engine;
    uint32_t rule;
    int64_t until_ms;
    struct learnt_on learnt;
};

static enum status learn_on(void *context, struct work *work, struct error *error) {
    struct learn_job *job = context;
    return engine_learn_on(job->engine, job->rule, job->until_ms, work, &job->learnt, error);
}

static void print_late(const struct learnt_on *learnt) {
    if (learnt->came_late > 0)
        cli_wrap_format(2,
                        "About %s came later than arrives: of their source says and are not "
                        "learnt; attune train %s learns them.",
                        cli_counted(learnt->came_late, "treatment"), learnt->before->name);
}

static void print_learnt(struct engine *engine, const struct learnt_on *learnt) {
    const struct playbook *playbook = engine_playbook(engine);
    const struct model_version *before = learnt->before, *after = learnt->after;
    print_late(learnt);
    if (after == NULL) {
        cli_wrap_format(2, "Nothing new has matured for %s@%u, which has learnt until %s",
                        before->name, before->version, cli_when(playbook, before->until_ms));
        return;
    }
    printf("%s@%u learnt on from %s: %s, %s of which reached the goal\n", before->name,
           before->version, cli_when(playbook, before->until_ms),
           cli_counted(learnt->rows, "treatment"), cli_count(learnt->yes));
    if (learnt->changed > 0)
        cli_wrap_format(2, "%s learnt before, whose answer has changed since.",
                        cli_counted(learnt->changed, "treatment"));
    printf("  %s@%u is in force, learnt until %s\n", after->name, after->version,
           cli_when(playbook, after->until_ms));
    const struct model_online_facts *facts = model_online_facts(after->model);
    if (facts == NULL || !(facts->rows > 0)) return;
    cli_wrap_format(2,
                    "Since its training it has learnt %s. Each was predicted before it was learnt: "
                    "with a log loss of %.4f, and %.4f by the model as it was trained.",
                    cli_counted(facts->rows, "treatment"), facts->log_loss,
                    facts->trained_log_loss);
}

static void write_learnt(struct json_writer *writer, const struct learnt_on *learnt) {
    const struct model_version *now = learnt->after != NULL ? learnt->after : learnt->before;
    const struct model_online_facts *facts = model_online_facts(now->model);
    json_write_object_begin(writer);
    json_member_string(writer, "model", now->name);
    json_member_count(writer, "version_before", learnt->before->version);
    json_member_count(writer, "version", now->version);
    json_member_time(writer, "learnt_until", now->until_ms);
    json_member_count(writer, "rows", learnt->rows);
    json_member_count(writer, "reached", learnt->yes);
    json_member_count(writer, "changed", learnt->changed);
    json_member_count(writer, "came_late", learnt->came_late);
    json_write_key(writer, "learnt_from");
    counts_write_json(&learnt->counts, writer);
    json_member_count(writer, "rows_since_training", facts != NULL ? facts->rows : 0);
    json_member_number(writer, "log_loss", facts != NULL ? facts->log_loss : (double)NAN);
    json_member_number(writer, "log_loss_as_trained",
                       facts != NULL ? facts->trained_log_loss : (double)NAN);
    json_write_object_end(writer);
}

/* `writer`: NULL for the screen. */
static int learn_one(const struct cli *cli, struct engine *engine, uint32_t rule, int64_t until_ms,
                     struct json_writer *writer) {
    struct error error = {0};
    char name[96];
    struct learn_job job = {.engine = engine, .rule = rule, .until_ms = until_ms};
    snprintf(name, sizeof name, "learning on %.*s",
             TEXT_ARG(engine_playbook(engine)->models[rule].name));
    int code = EXIT_OK;
    if (cli_job(cli, name, learn_on, &job, &error) != STATUS_OK)
        code = cli_fail(&error);
    else if (writer != NULL)
        write_learnt(writer, &job.learnt);
    else
        print_learnt(engine, &job.learnt);
    learnt_on_release(&job.learnt);
    return code;
}

/* Is the model in force one that can learn on? */
static bool can_learn(struct engine *engine, uint32_t rule) {
    const struct model *model = engine_model(engine, rule, NULL);
    return model != NULL && model_learns_on(model);
}

/* Without a name: all models that are in force and can learn on. */
static int learn_all(const struct cli *cli, struct engine *engine, int64_t until_ms,
                     struct json_writer *writer) {
    const struct playbook *playbook = engine_playbook(engine);
    int code = EXIT_OK;
    uint32_t learnt = 0;
    for (uint32_t i = 0; i < playbook->model_count && code == EXIT_OK; i++) {
        if (!can_learn(engine, i)) continue;
        code = learn_one(cli, engine, i, until_ms, writer);
        learnt++;
    }
    if (learnt == 0 && code == EXIT_OK)
        return cli_fail_text("no model is in force that could learn on: train one first (attune "
                             "train); boosted trees, and models that only have a base rate, do "
                             "not learn on");
    return code;
}

/* Models that are in force and do not learn on; `writer` NULL for the screen. */
static void tell_passed_over(struct engine *engine, struct json_writer *writer) {
    const struct playbook *playbook = engine_playbook(engine);
    if (writer != NULL) {
        json_write_key(writer, "passed_over");
        json_write_array_begin(writer);
    }
    for (uint32_t i = 0; i < playbook->model_count; i++) {
        if (engine_model(engine, i, NULL) == NULL || can_learn(engine, i)) continue;
        if (writer != NULL)
            json_write_text(writer, playbook->models[i].name);
        else
            printf("%.*s is passed over: its model in force does not learn on\n",
                   TEXT_ARG(playbook->models[i].name));
    }
    if (writer != NULL) json_write_array_end(writer);
}

static int learn(const struct cli *cli, struct engine *engine, int64_t until_ms,
                 struct json_writer *writer) {
    if (cli->word_count == 0) return learn_all(cli, engine, until_ms, writer);
    uint32_t rule = cli_find_model(engine_playbook(engine), cli->words[0]);
    return rule != UINT32_MAX ? learn_one(cli, engine, rule, until_ms, writer) : EXIT_FAILED;
}

int command_learn(struct cli *cli) {
    int64_t until_ms = 0;
    struct cli_json json;
    struct engine *engine = cli_open(cli, false, false);
    if (engine == NULL) return EXIT_FAILED;
    int code = EXIT_FAILED;
    struct json_writer *writer = cli_json_begin(&json, true);
    bool ok = cli_until(cli, engine, &until_ms);
    if (ok) {
        json_write_key(writer, "models");
        json_write_array_begin(writer);
        code = learn(cli, engine, until_ms, cli->json ? writer : NULL);
        json_write_array_end(writer);
        if (code == EXIT_OK && cli->word_count == 0)
            tell_passed_over(engine, cli->json ? writer : NULL);
    }
    code = cli_json_conclude(cli, &json, code);
    cli_close(engine);
    return code;
}
