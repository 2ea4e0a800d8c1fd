/* SPDX-License-Identifier: Apache-2.0 */
/* The command `budgets`: what is used and left of them, their prices, and how good they are. */
#include <math.h>

#include "cli/budget_lines.h"
#include "cli/job.h"
#include "engine/answer/answer.h"

/* ---- lines ---- */

static const struct budget_line *line_of(const struct budget_version *version, struct text name) {
    for (uint32_t i = 0; version != NULL && i < version->count; i++) {
        if (text_equal(name, text_from(version->lines[i].name))) return &version->lines[i];
    }
    return NULL;
}

static double left_of(const struct budget_rule *budget, double used) {
    return used < budget->amount ? budget->amount - used : 0;
}

/* "500.00 USD", "12.5 hours", "3 contacts". */
static void quantity(const struct playbook *playbook, const struct budget_rule *budget,
                     double amount, char out[64]) {
    if (budget->kind == BUDGET_COST) {
        amount_words(playbook, amount, out);
        return;
    }
    snprintf(out, 64, "%.7g %.*s", amount, TEXT_ARG(budget_unit(budget)));
}

static void print_short(const struct playbook *playbook, const struct budget_version *version) {
    char missing[64];
    for (uint32_t k = 0; k < playbook->budget_count; k++) {
        const struct budget_rule *budget = &playbook->budgets[k];
        const struct budget_line *line = line_of(version, budget->name);
        if (line == NULL || !(line->short_by > 0)) continue;
        quantity(playbook, budget, line->short_by, missing);
        cli_wrap_format(2,
                        "%.*s can't be met: it is short by %s, by what customers may have and what "
                        "the other budgets leave for it",
                        TEXT_ARG(budget->name), missing);
    }
}

static void print_version(const struct playbook *playbook, const struct budget_version *version) {
    char value[48], bound[48];
    if (version == NULL) {
        cli_wrap_format(2, "Nothing was allocated yet, so budgets have no price and whoever is "
                           "decided for first takes what there is: attune budgets allocate");
        return;
    }
    amount_words(playbook, version->value, value);
    amount_words(playbook, version->bound, bound);
    cli_wrap_format(2,
                    "Allocated at %s: %s of %s get something, worth %s by what is expected; no use "
                    "of what was left could be worth more than %s, which is %.3f %% more",
                    cli_when(playbook, version->at_ms), cli_count(version->served),
                    cli_counted(version->customers, "customer"), value, bound, 100 * version->gap);
    print_short(playbook, version);
}

void budget_lines_print(const struct playbook *playbook, int64_t t_ms,
                        const double used[BUDGETS_MAX], const struct budget_version *version) {
    struct cli_table table;
    char amount[64], taken[64], left[64], price[64];
    cli_table_init(&table, "budget|limit|>amount|>used|>left|>price");
    for (uint32_t k = 0; k < playbook->budget_count; k++) {
        const struct budget_rule *budget = &playbook->budgets[k];
        const struct budget_line *line = line_of(version, budget->name);
        quantity(playbook, budget, budget->amount, amount);
        quantity(playbook, budget, used[k], taken);
        quantity(playbook, budget, left_of(budget, used[k]), left);
        snprintf(price, sizeof price, "%.4g", line != NULL ? line->price + 0.0 : 0.0);
        cli_table_cell(&table, "%.*s", TEXT_ARG(budget->name));
        cli_table_cell(&table, "%.*s", TEXT_ARG(budget->text));
        cli_table_cell(&table, "%s", amount);
        cli_table_cell(&table, "%s", taken);
        cli_table_cell(&table, "%s", left);
        cli_table_cell(&table, "%s", line != NULL ? price : "none");
    }
    cli_wrap_format(2, "Budgets at %s", cli_when(playbook, t_ms));
    cli_table_print(&table);
    if (version != NULL)
        cli_wrap_format(2,
                        "A price is what one unit more would bring: a unit of currency, a contact, "
                        "an hour, a piece; below 0, what a treatment of a minimum is given.");
    print_version(playbook, version);
}

/* ---- JSON ---- */

static void write_budget(const struct playbook *playbook, const struct budget_rule *budget,
                         int64_t t_ms, double used, const struct budget_line *line,
                         struct json_writer *writer) {
    static const char *const kinds[] = {"cost", "contacts", "hours", "stock", "at_least"};
    struct budget_span span = budget_span_at(playbook, budget, t_ms);
    char currency[4];
    currency_to_text(playbook->currency, currency);
    bool is_money = budget->kind == BUDGET_COST;
    json_write_object_begin(writer);
    json_member_text(writer, "budget", budget->name);
    json_member_text(writer, "limit", budget->text);
    json_member_string(writer, "kind", kinds[budget->kind]);
    json_member_text(writer, "unit", is_money ? text_from(currency) : budget_unit(budget));
    json_member_text(writer, "period", budget_period_name(budget->period));
    json_member_time_or_null(writer, "from", budget->period == BUDGET_PER_TOTAL ? 0 : span.from_ms);
    json_member_time_or_null(writer, "until",
                             budget->period == BUDGET_PER_TOTAL ? 0 : span.until_ms);
    json_member_number(writer, "amount", budget->amount);
    json_member_number(writer, "used", used);
    json_member_number(writer, "left", left_of(budget, used));
    json_member_number(writer, "price", line != NULL ? line->price : NAN);
    json_member_number(writer, "spent", line != NULL ? line->spent : NAN);
    json_member_number(writer, "short_by", line != NULL ? line->short_by : NAN);
    json_write_object_end(writer);
}

void budget_lines_write_json(const struct playbook *playbook, int64_t t_ms,
                             const double used[BUDGETS_MAX], const struct budget_version *version,
                             struct json_writer *writer) {
    json_write_key(writer, "budgets");
    json_write_array_begin(writer);
    for (uint32_t k = 0; k < playbook->budget_count; k++) {
        const struct budget_rule *budget = &playbook->budgets[k];
        write_budget(playbook, budget, t_ms, used[k], line_of(version, budget->name), writer);
    }
    json_write_array_end(writer);
    json_write_key(writer, "allocation");
    if (version == NULL) {
        json_write_null(writer);
        return;
    }
    json_write_object_begin(writer);
    json_member_time(writer, "allocated_at", version->at_ms);
    json_member_number(writer, "value", version->value);
    json_member_number(writer, "bound", version->bound);
    json_member_number(writer, "gap", version->gap);
    json_member_count(writer, "customers", version->customers);
    json_member_count(writer, "served", version->served);
    json_write_object_end(writer);
}

/* ---- the command ---- */

struct looking {
    struct engine_view *view;
    bool allocates;
    struct budget_version version;
};

static enum status look(void *context, struct work *work, struct error *error) {
    struct looking *looking = context;
    struct engine_view *view = looking->view;
    if (looking->allocates) {
        enum status found = budgets_allocate(view, work, &looking->version, error);
        return found == STATUS_OK ? budgets_keep(view->engine, &looking->version, error) : found;
    }
    view->work = work;
    enum status status = budgets_count(view, error);
    view->work = NULL;
    return status;
}

static int tell(const struct cli *cli, const struct engine_view *view,
                const struct budget_version *version) {
    const struct playbook *playbook = view->data->playbook;
    if (!cli->json) {
        budget_lines_print(playbook, view->t_ms, view->budgets.used, version);
        return EXIT_OK;
    }
    struct cli_json json;
    struct json_writer *writer = cli_json_begin(&json, true);
    json_member_time(writer, "at", view->t_ms);
    budget_lines_write_json(playbook, view->t_ms, view->budgets.used, version, writer);
    return cli_json_end(&json, stdout);
}

int command_budgets(struct cli *cli) {
    struct error error = {0};
    struct engine_view view = {0};
    struct looking looking = {.view = &view, .allocates = cli->word_count > 0};
    int64_t t_ms;
    if (looking.allocates && strcmp(cli->words[0], "allocate") != 0)
        return cli_fail_text("budgets has no \"%s\": did you mean \"allocate\"?", cli->words[0]);
    struct engine *engine = cli_open(cli, false, !looking.allocates);
    if (engine == NULL) return EXIT_FAILED;
    int code = EXIT_FAILED;
    bool ok = cli_at(cli, engine, &t_ms);
    enum status status = ok ? engine_view_open(&view, engine, t_ms, &error) : STATUS_OK;
    if (ok && status == STATUS_OK && view.data->playbook->budget_count == 0)
        status = error_set(&error, STATUS_INVALID,
                           "the playbook has no budgets: write budgets: { letters: { contacts: "
                           "500, per: day } } (docs/playbook.md)");
    if (ok && status == STATUS_OK) status = cli_job(cli, "budgets", look, &looking, &error);
    if (ok && status == STATUS_OK) {
        bool has = looking.allocates || budgets_version_at(engine, t_ms, &looking.version);
        code = tell(cli, &view, has ? &looking.version : NULL);
    }
    engine_view_close(&view);
    cli_close(engine);
    return status != STATUS_OK ? cli_fail(&error) : code;
}
