/* SPDX-License-Identifier: Apache-2.0 */
/* evaluate --policy: another playbook, judged by the recorded decisions. */
#include "cli/job.h"
#include "cli/off_policy.h"
#include "engine/answer/policy_judge.h"

struct judging {
    struct engine *engine;
    struct policy_judge_options options;
    struct policy_judgement out;
    struct model_entry hindsight; /* version 0: no model knows what came after */
};

static enum status judge(void *context, struct work *work, struct error *error) {
    struct judging *judging = context;
    struct engine_view view;
    enum status status = engine_view_open(&view, judging->engine, judging->options.now_ms, error);
    if (status != STATUS_OK) return status;
    view.work = work;
    (void)engine_hindsight(judging->engine, judging->options.from_ms, &judging->hindsight);
    status = policy_judge(&view, &judging->options, work, &judging->out, error);
    engine_view_close(&view);
    return status;
}

/* ---- the screen ---- */

static void print_counts(const struct judging *judging) {
    const struct policy_judgement *out = &judging->out;
    for (int cause = 0; cause < POLICY_OUT_CAUSES; cause++) {
        if (out->left_out[cause] > 0)
            cli_wrap_format(0, "Left out: %s, which %s.",
                            cli_counted(out->left_out[cause], "decision"),
                            policy_left_out_text((enum policy_left_out)cause));
    }
}

static void print_parts(const struct policy_judgement *out) {
    struct cli_table table;
    if (out->part_count == 0) return;
    cli_table_init(&table, "part" CLI_OFF_POLICY_HEADINGS);
    for (uint32_t i = 0; i < out->part_count; i++) {
        const struct policy_part *part = &out->parts[i];
        cli_table_cell(&table, "%s %.*s", part->column, TEXT_ARG(part->value));
        cli_off_policy_row(&table, &part->result, part->drawn);
    }
    cli_table_print(&table);
}

static void print_judgement(const struct cli *cli, const struct judging *judging) {
    const struct policy_judgement *out = &judging->out;
    const struct playbook *playbook = engine_playbook(judging->engine);
    cli_wrap_format(0, "%s, judged by the first slot of %s", cli->policy,
                    cli_counted(out->recorded, "recorded decision"));
    print_counts(judging);
    if (!out->is_judged) {
        cli_wrap_format(0, "No decision is left, so that nothing can be judged.");
        return;
    }
    const struct off_policy_result *result = &out->result;
    char currency[4];
    currency_to_text(playbook->currency, currency);
    cli_wrap_format(0,
                    "They earned %.4g %s a decision (%.4g to %.4g), cost taken off; %s of %s were "
                    "drawn by chance. In %s the other playbook's likeliest choice is the same.",
                    result->mean_reward, currency, result->mean_reward_low,
                    result->mean_reward_high, cli_count(out->drawn), cli_count(result->rows),
                    cli_percent((double)out->same / (double)result->rows, 0));
    cli_off_policy_print(result, out->drawn);
    enum off_policy_support support = off_policy_support(result, out->drawn);
    if (off_policy_answers(support)) print_parts(out);
    if (judging->hindsight.version > 0)
        cli_wrap_format(0,
                        "Model %.*s@%u has learnt until %s, so it knows what came of some of these "
                        "decisions: the estimates are too kind. Judge by a model that was trained "
                        "before them (attune train --until), or later decisions (--from).",
                        TEXT_ARG(judging->hindsight.name), judging->hindsight.version,
                        cli_when(playbook, judging->hindsight.until_ms));
    cli_wrap_format(0, "%s", cli_off_policy_caveat());
}

/* ---- JSON ---- */

static void write_left_out(struct json_writer *writer, const struct policy_judgement *out) {
    json_write_key(writer, "left_out");
    json_write_array_begin(writer);
    for (int cause = 0; cause < POLICY_OUT_CAUSES; cause++) {
        json_write_object_begin(writer);
        json_member_string(writer, "cause", policy_left_out_text((enum policy_left_out)cause));
        json_member_count(writer, "decisions", out->left_out[cause]);
        json_write_object_end(writer);
    }
    json_write_array_end(writer);
}

static int write_judgement(const struct cli *cli, const struct judging *judging) {
    const struct policy_judgement *out = &judging->out;
    struct cli_json json;
    struct json_writer *writer = cli_json_begin(&json, true);
    json_member_string(writer, "policy", cli->policy);
    json_member_time(writer, "at", judging->options.now_ms);
    json_member_count(writer, "recorded", out->recorded);
    write_left_out(writer, out);
    json_member_count(writer, "drawn", out->drawn);
    json_member_count(writer, "same", out->same);
    json_write_key(writer, "judged");
    json_write_array_begin(writer);
    if (out->is_judged) {
        json_write_object_begin(writer);
        cli_off_policy_write(writer, &out->result, out->drawn);
        json_write_object_end(writer);
    }
    json_write_array_end(writer);
    json_write_key(writer, "parts");
    json_write_array_begin(writer);
    for (uint32_t i = 0; i < out->part_count; i++) {
        json_write_object_begin(writer);
        json_member_string(writer, "column", out->parts[i].column);
        json_member_text(writer, "value", out->parts[i].value);
        cli_off_policy_write(writer, &out->parts[i].result, out->parts[i].drawn);
        json_write_object_end(writer);
    }
    json_write_array_end(writer);
    if (judging->hindsight.version > 0)
        json_member_text(writer, "hindsight", judging->hindsight.name);
    else
        json_member_null(writer, "hindsight");
    json_member_string(writer, "assumes", cli_off_policy_caveat());
    return cli_json_end(&json, stdout);
}

int cli_evaluate_policy(struct cli *cli) {
    struct error error = {0};
    struct judging judging = {0};
    if (cli->word_count > 0 || cli->against != NULL || cli->out != NULL || cli->log != NULL ||
        cli->playbook != NULL)
        return cli_fail_text("--policy names the playbook that is judged: it takes neither a model "
                             "nor --playbook, --log, --against or --out");
    cli->playbook = cli->policy;
    struct engine *engine = cli_open(cli, false, true);
    if (engine == NULL) return EXIT_FAILED;
    judging.engine = engine;
    bool ok = cli_at(cli, engine, &judging.options.now_ms) &&
              cli_time(engine, "from", cli->from, TIME_ALWAYS, &judging.options.from_ms) &&
              cli_time(engine, "until", cli->until, TIME_NEVER, &judging.options.until_ms);
    enum status status = STATUS_OK;
    if (ok) status = cli_job(cli, "judging a playbook", judge, &judging, &error);
    int code = ok ? EXIT_OK : EXIT_FAILED;
    if (ok && status == STATUS_OK && cli->json)
        code = write_judgement(cli, &judging);
    else if (ok && status == STATUS_OK)
        print_judgement(cli, &judging);
    if (ok) policy_judgement_release(&judging.out);
    cli_close(engine);
    return status == STATUS_OK ? code : cli_fail(&error);
}
