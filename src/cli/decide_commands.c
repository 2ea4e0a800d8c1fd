/* SPDX-License-Identifier: Apache-2.0 */
/* The commands `decide` and `why-not`: what to do for a customer, and what stopped the rest. */
#include <math.h>

#include "cli/budget_lines.h"
#include "cli/contact_list.h"
#include "cli/deciding.h"
#include "cli/job.h"
#include "cli/out_file.h"
#include "engine/answer/replay_decision.h"

/* ---- one customer ---- */

/* Prints a rank. A weight or lever of 1 is left out. */
static void print_rank(struct engine *engine, const struct decision *decision, uint32_t rank) {
    const struct playbook *playbook = engine_playbook(engine);
    const struct treatment_trace ranked = decision_ranked(decision, rank), *trace = &ranked;
    struct text placement = decision_placement(decision, rank);
    char weight[48] = "", lever[48] = "", value[48], cost[48], priority[48];
    char charge[48], budgets[80] = "";
    struct buffer line;
    if (fabs(trace->weight - 1) > 1e-9)
        snprintf(weight, sizeof weight, " × weight %.4g", trace->weight);
    if (fabs(trace->lever - 1) > 1e-9) snprintf(lever, sizeof lever, " × lever %.4g", trace->lever);
    amount_words(playbook, trace->value, value);
    amount_words(playbook, trace->cost, cost);
    amount_words(playbook, trace->priority, priority);
    buffer_init(&line);
    enum status status = buffer_format(&line, "  %u. ", rank + 1);
    if (status == STATUS_OK) treatment_words(engine_customer_data(engine), trace->treatment, &line);
    if (status == STATUS_OK && placement.length > 0)
        status = buffer_format(&line, " at %.*s", TEXT_ARG(placement));
    if (fabs(trace->budget_price) > 1e-9) {
        amount_words(playbook, fabs(trace->budget_price), charge);
        snprintf(budgets, sizeof budgets, " %s budgets %s", trace->budget_price > 0 ? "−" : "+",
                 charge);
    }
    if (status == STATUS_OK)
        status = buffer_format(&line, ": propensity %.3f × value %s%s%s − cost %s%s = priority %s",
                               trace->propensity, value, weight, lever, cost, budgets, priority);
    if (status == STATUS_OK && trace->send_after_ms != 0)
        status = buffer_format(&line, "; to be sent from %s on",
                               cli_when(playbook, trace->send_after_ms));
    if (status == STATUS_OK && decision_draw_of(decision, rank) != NULL)
        status = buffer_format(&line,
                               "; drawn, with probability %.3g; propensity between %.3f and %.3f "
                               "by %s",
                               decision->probability[rank], trace->propensity_low,
                               trace->propensity_high,
                               cli_counted(trace->past_treatments, "past treatment"));
    if (status == STATUS_OK) cli_wrap(stdout, buffer_text(&line), 5);
    buffer_release(&line);
}

/* Where ranks stand, and where nothing may be said. */
static void print_placements(const struct engine_view *view) {
    const struct decision *decision = view->decision;
    const struct placement_rule *placements = view->data->playbook->placements;
    for (uint32_t i = 0; i < decision->placement_count; i++) {
        const struct placement_rule *rule = &placements[decision->placements[i]];
        uint32_t count = 0;
        for (uint32_t rank = 0; rank < decision->ranked_count; rank++)
            count += decision->ranked_at[rank] == i;
        cli_wrap_format(2, "At %.*s: %s%s", TEXT_ARG(rule->name), cli_counted(count, "treatment"),
                        !decision_falls_back(decision, i) ? ""
                        : rule->fallback_count > 0        ? "; its fallback is shown"
                                                          : "; it has no fallback");
    }
}

static void print_decision(const struct engine_view *view) {
    struct engine *engine = view->engine;
    const struct decision *decision = view->decision;
    uint32_t stopped[STAGE_COUNT] = {0}, shown = decision_shown_count(decision);
    char name[CUSTOMER_NAME_BYTES], stages[400] = "", reason[DECISION_REASON_BYTES_MAX];
    engine_view_reason(view, reason);
    size_t at = 0;
    customer_name(engine, decision->customer, name);
    cli_wrap_format(2, "%s (C%u) at %s", name, decision->customer.value,
                    cli_when(engine_playbook(engine), decision->t_ms));
    cli_wrap(stdout, text_from(reason), 0);
    for (uint32_t rank = 0; rank < decision->ranked_count; rank++)
        print_rank(engine, decision, rank);
    print_placements(view);
    for (uint32_t i = 0; i < shown; i++) stopped[decision_shown(decision, i).stopped_at]++;
    for (uint32_t stage = 0; stage < STAGE_OFFERED; stage++) {
        if (stopped[stage] > 0)
            at += (size_t)snprintf(stages + at, sizeof stages - at, ", %u stopped at \"%s\"",
                                   stopped[stage], stage_name((enum stage)stage));
    }
    cli_wrap_format(2, "Of %s%s, %u offered", cli_counted(shown, "treatment"), stages,
                    stopped[STAGE_OFFERED]);
    if (decision->truncated)
        cli_wrap_format(2,
                        "More than %d treatments are available: those beyond, in the order of the "
                        "playbook, were not considered",
                        DECISION_TREATMENTS_MAX);
    if (decision->limited && !decision->truncated)
        cli_wrap_format(2, "A limit was reached by what was asked (attune traits says by which "
                           "traits); what it left unknown counts as no");
}

/* Tells how many decisions were recorded before: the same run again records nothing. */
static void tell_known(uint64_t known) {
    if (known > 0)
        fprintf(stderr,
                "attune: %s recorded before, for the same time, by the same playbook, models and "
                "tables: not recorded again\n",
                cli_counted(known, "decision"));
}

/* By which receipts name it, and it can be made again. */
static void print_id(const struct decision *decision) {
    char id[DECISION_ID_BYTES];
    decision_id_text(decision->id, id);
    cli_wrap_format(2, "Decision %s", id);
}

static enum status decide_one(struct cli *cli, struct engine_view *view, struct error *error) {
    enum status status = engine_view_decide(view, cli->words[0], error);
    bool known = false;
    if (status == STATUS_OK && !cli->dry_run) status = engine_view_record(view, &known, error);
    if (status != STATUS_OK) return status;
    tell_known(known);
    if (cli->json)
        return cli_json_answer(view, answer_decision) == EXIT_OK ? STATUS_OK : STATUS_NO_MEMORY;
    print_decision(view);
    if (!cli->dry_run) print_id(view->decision);
    return STATUS_OK;
}

/* ---- a decision of before ---- */

static enum status print_replayed(struct cli *cli, struct engine_view *view,
                                  const struct replayed_decision *replayed) {
    struct buffer words;
    struct cli_json json;
    if (cli->json) {
        buffer_init(&json.out);
        json_writer_init(&json.writer, &json.out, true);
        answer_replayed(view, text_from(cli->replay), replayed, &json.writer);
        if (json.writer.status == STATUS_OK) printf("%.*s\n", (int)json.out.length, json.out.at);
        buffer_release(&json.out);
        return json.writer.status;
    }
    if (replayed_is_made(replayed)) print_decision(view);
    buffer_init(&words);
    replayed_words(replayed, &words);
    cli_wrap(stdout, buffer_text(&words), 0);
    buffer_release(&words);
    return STATUS_OK;
}

/* Equal is success; all else is not. */
static enum status replay_one(struct cli *cli, struct engine_view *view, bool *equal,
                              struct error *error) {
    struct decision_record record;
    struct replayed_decision replayed;
    struct buffer packed;
    buffer_init(&packed);
    enum status status = decision_record_find(view, cli->word_count > 0 ? cli->words[0] : NULL,
                                              text_from(cli->replay), &packed, &record, error);
    if (status == STATUS_OK) status = decision_replay(view, &record, &replayed, error);
    if (status == STATUS_OK) status = print_replayed(cli, view, &replayed);
    *equal = status == STATUS_OK && replayed.verdict == REPLAY_EQUAL;
    buffer_release(&packed);
    return status;
}

static int replay_command(struct cli *cli) {
    struct error error = {0};
    struct engine_view view = {0};
    bool equal = false;
    struct engine *engine = cli_open(cli, false, true);
    if (engine == NULL) return EXIT_FAILED;
    enum status status = engine_view_open(&view, engine, TIME_NEVER, &error);
    if (status == STATUS_OK) status = replay_one(cli, &view, &equal, &error);
    engine_view_close(&view);
    cli_close(engine);
    if (status != STATUS_OK) return cli_fail(&error);
    return equal ? EXIT_OK : EXIT_FAILED;
}

/* ---- everybody ---- */

/* One line a decision: CSV, or with --json an object. */
static void write_decision(const struct cli *cli, const struct engine_view *view, FILE *file) {
    struct buffer out;
    struct json_writer writer;
    if (!cli->json) {
        decision_csv_line(file, view);
        return;
    }
    buffer_init(&out);
    json_writer_init(&writer, &out, false);
    answer_decision(view, &writer);
    if (writer.status == STATUS_OK) fprintf(file, "%.*s\n", (int)out.length, out.at);
    buffer_release(&out);
}

/* What `decide --all` fills. */
struct everybody {
    struct cli_out out;
    struct funnel funnel;
    struct decision_recorder *recorder; /* NULL with --dry-run */
    struct contact_list list;           /* with --list, as is list_out */
    struct cli_out list_out;
    struct budget_version budgets; /* where the playbook has budgets */
};

struct deciding {
    struct cli *cli;
    struct engine_view *view;
    struct everybody *all;
};

/* Decides for one customer after the other: one timeline, one decision and one batch of events are
 * in memory, whatever the number of customers. */
static enum status decide_each(void *context, struct work *work, struct error *error) {
    struct deciding *deciding = context;
    struct cli *cli = deciding->cli;
    struct engine_view *view = deciding->view;
    struct everybody *all = deciding->all;
    enum status status = STATUS_OK;
    if (view->data->playbook->budget_count > 0)
        status = budgets_allocate(view, work, &all->budgets, error);
    view->work = work;
    if (status == STATUS_OK) status = engine_view_walk(view, error);
    while (status == STATUS_OK && (status = engine_view_next(view, error)) == STATUS_OK) {
        write_decision(cli, view, all->out.file);
        funnel_add(&all->funnel, view->decision);
        if (all->funnel.customers == 1)
            work_step(work, "customers decided", 0); /* rates are there */
        status = cli_out_check(&all->out, error);
        if (status == STATUS_OK && cli->list != NULL)
            status = contact_list_add(&all->list, view, all->list_out.file);
        if (status == STATUS_OK && cli->list != NULL) status = cli_out_check(&all->list_out, error);
        if (status == STATUS_OK && all->recorder != NULL)
            status = decision_recorder_add(all->recorder, view->decider, view->decision, error);
        work_add(work, 1);
        if (status == STATUS_OK) status = work_check(work, error);
    }
    view->work = NULL;
    return status == STATUS_END ? STATUS_OK : status;
}

static enum status tell_all(const struct cli *cli, const struct engine_view *view,
                            const struct everybody *all) {
    if (cli->json) {
        struct cli_json json;
        struct json_writer *writer = cli_json_begin(&json, true);
        json_member_string(writer, "out", cli->out);
        json_member_time(writer, "at", view->t_ms);
        json_write_key(writer, "funnel");
        funnel_write_json(&all->funnel, view->t_ms, writer);
        json_member_count(writer, "recorded",
                          all->recorder ? decision_recorder_recorded(all->recorder) : 0);
        json_member_count(writer, "recorded_before",
                          all->recorder ? decision_recorder_known(all->recorder) : 0);
        if (cli->list != NULL) contact_list_write_json(&all->list, cli->list, writer);
        if (all->budgets.count > 0)
            budget_lines_write_json(view->data->playbook, view->t_ms, view->budgets.used,
                                    &all->budgets, writer);
        return cli_json_end(&json, stdout) == EXIT_OK ? STATUS_OK : STATUS_NO_MEMORY;
    }
    printf("Wrote %s. Customers with a treatment left after each stage:\n", cli->out);
    funnel_print(&all->funnel);
    if (cli->list != NULL) contact_list_print(&all->list, cli->list);
    if (all->budgets.count > 0)
        budget_lines_print(view->data->playbook, view->t_ms, view->budgets.used, &all->budgets);
    if (all->recorder != NULL)
        printf("Recorded as events: %s\n",
               cli_counted(decision_recorder_recorded(all->recorder), "decision"));
    return STATUS_OK;
}

/* The output is whole. Where only the first decisions get into the log, it is given to the user all
 * the same: it alone tells which. */
static enum status record_all(struct decision_recorder *recorder, struct cli_out *out,
                              const struct funnel *funnel, struct error *error) {
    struct error why = {0}, ignored;
    enum status status = decision_recorder_flush(recorder, &why);
    uint64_t recorded = decision_recorder_recorded(recorder);
    if (status == STATUS_OK) return STATUS_OK;
    if (recorded == 0)
        return error_set(error, status, "no decision was recorded: %s",
                         why.text[0] != '\0' ? why.text : status_name(status));
    (void)!cli_out_place(out, &ignored);
    return error_set(error, status,
                     "only the first %llu of %llu decisions were recorded as events; %s has all of "
                     "them. The same command again records the rest. %s",
                     (unsigned long long)recorded, (unsigned long long)funnel->customers, out->name,
                     why.text[0] != '\0' ? why.text : status_name(status));
}

static enum status open_all(struct cli *cli, struct engine_view *view, struct everybody *all,
                            struct error *error) {
    enum status status = STATUS_OK;
    if (cli->list != NULL) status = contact_list_init(&all->list, view->engine, error);
    if (status == STATUS_OK) status = cli_out_open(&all->out, cli->out, error);
    if (status == STATUS_OK && cli->list != NULL)
        status = cli_out_open(&all->list_out, cli->list, error);
    if (status == STATUS_OK && !cli->dry_run)
        status = decision_recorder_create(&all->recorder, view->in_force);
    if (status == STATUS_OK && !cli->json) decision_csv_heading(all->out.file);
    if (status == STATUS_OK && cli->list != NULL)
        contact_list_heading(&all->list, all->list_out.file);
    return status;
}

static enum status decide_all(struct cli *cli, struct engine_view *view, struct error *error) {
    struct everybody all = {0};
    enum status status = open_all(cli, view, &all, error);
    struct deciding deciding = {cli, view, &all};
    if (status == STATUS_OK) status = cli_job(cli, "deciding", decide_each, &deciding, error);
    if (status == STATUS_OK) status = cli_out_whole(&all.out, error);
    if (status == STATUS_OK && cli->list != NULL) status = cli_out_whole(&all.list_out, error);
    if (status == STATUS_OK && all.recorder != NULL && all.budgets.count > 0)
        status = budgets_keep(view->engine, &all.budgets, error);
    if (status == STATUS_OK && all.recorder != NULL)
        status = record_all(all.recorder, &all.out, &all.funnel, error);
    status = cli_out_finish(&all.out, status, error);
    if (cli->list != NULL) status = cli_out_finish(&all.list_out, status, error);
    cli_progress_end();
    if (status == STATUS_OK && all.recorder != NULL)
        tell_known(decision_recorder_known(all.recorder));
    if (status == STATUS_OK && cli->out != NULL) status = tell_all(cli, view, &all);
    decision_recorder_destroy(all.recorder);
    contact_list_release(&all.list);
    return status;
}

static struct text text_of(const char *word) {
    return word != NULL ? text_from(word) : (struct text){0};
}

/* A decision that is made again takes all of it from its record. */
static bool replays_alone(const struct cli *cli) {
    return !cli->all && cli->at == NULL && cli->out == NULL && cli->list == NULL &&
           cli->placement == NULL && cli->context == NULL && cli->count == NULL &&
           cli->word_count <= 1;
}

/* What is left out of the context is told once. */
static enum status ask(const struct cli *cli, struct engine_view *view, struct error *error) {
    struct decision_ask asked = {.placement = text_of(cli->placement),
                                 .context = text_of(cli->context)};
    double count = 0;
    bool reads = cli->count == NULL || text_to_double(text_from(cli->count), &count) == STATUS_OK;
    asked.count = reads && count >= 1 && count <= PLACEMENT_SLOTS_MAX ? (uint32_t)count : 0;
    if (cli->count != NULL && (asked.count == 0 || (double)asked.count != count))
        return error_set(error, STATUS_INVALID,
                         "--count is \"%s\": write a whole number from 1 to %d", cli->count,
                         PLACEMENT_SLOTS_MAX);
    enum status status = engine_view_ask(view, &asked, error);
    if (status == STATUS_OK && view->left_out.length > 0)
        fprintf(stderr, "attune: %.*s\n", (int)view->left_out.length, view->left_out.at);
    return status;
}

int command_decide(struct cli *cli) {
    struct error error = {0};
    struct engine_view view = {0};
    int64_t t_ms;
    if (cli->replay != NULL && replays_alone(cli)) return replay_command(cli);
    if (cli->replay != NULL) {
        fprintf(stderr, "attune: --replay ID goes with a CUSTOMER, --json and nothing else; see "
                        "attune decide --help\n");
        return EXIT_USAGE;
    }
    if (cli->all == (cli->word_count > 0)) {
        fprintf(stderr, "attune: say either a CUSTOMER or --all; see attune decide --help\n");
        return EXIT_USAGE;
    }
    if (cli->list != NULL && !cli->all) {
        fprintf(stderr, "attune: --list goes with --all; see attune decide --help\n");
        return EXIT_USAGE;
    }
    struct engine *engine = cli_open(cli, false, cli->dry_run);
    if (engine == NULL) return EXIT_FAILED;
    bool ok = cli_at(cli, engine, &t_ms);
    enum status status = STATUS_OK;
    if (ok) warn_of_hindsight(engine, t_ms);
    if (ok) warn_of_later_lookup(cli, engine, t_ms);
    if (ok) status = engine_view_open(&view, engine, t_ms, &error);
    if (ok && status == STATUS_OK) status = ask(cli, &view, &error);
    if (ok && status == STATUS_OK)
        status = cli->all ? decide_all(cli, &view, &error) : decide_one(cli, &view, &error);
    engine_view_close(&view);
    cli_close(engine);
    if (status != STATUS_OK) return cli_fail(&error);
    return ok ? EXIT_OK : EXIT_FAILED;
}

/* ---- why not ---- */

static void print_why(void *context, const struct why_not *why) {
    (void)context;
    cli_wrap(stdout, why->words, 2);
}

static enum status why_not(struct cli *cli, struct engine_view *view, struct error *error) {
    struct text action = text_from(cli->words[1]);
    struct cli_json json;
    enum status status = engine_view_decide(view, cli->words[0], error);
    if (status != STATUS_OK) return status;
    if (!cli->json)
        return decision_why_not(view->decider, &view->timeline, view->decision, action, print_why,
                                NULL, error);
    buffer_init(&json.out);
    json_writer_init(&json.writer, &json.out, true);
    status = answer_why_not(view, action, &json.writer, error);
    if (status == STATUS_OK) status = json.writer.status;
    if (status == STATUS_OK) printf("%.*s\n", (int)json.out.length, json.out.at);
    buffer_release(&json.out);
    return status;
}

int command_why_not(struct cli *cli) {
    struct error error = {0};
    struct engine_view view = {0};
    int64_t t_ms;
    struct engine *engine = cli_open(cli, false, true);
    if (engine == NULL) return EXIT_FAILED;
    bool ok = cli_at(cli, engine, &t_ms);
    enum status status = STATUS_OK;
    if (ok) warn_of_hindsight(engine, t_ms);
    if (ok) warn_of_later_lookup(cli, engine, t_ms);
    if (ok) status = engine_view_open(&view, engine, t_ms, &error);
    if (ok && status == STATUS_OK) status = ask(cli, &view, &error);
    if (ok && status == STATUS_OK) status = why_not(cli, &view, &error);
    engine_view_close(&view);
    cli_close(engine);
    if (status != STATUS_OK) return cli_fail(&error);
    return ok ? EXIT_OK : EXIT_FAILED;
}
