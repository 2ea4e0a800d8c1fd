/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "cli/job.h"
#include "cli/lifetimes.h"
#include "engine/lifetimes.h"

#define FITS_SHOWN    12   /* the newest; JSON has all */
#define HARDLY_LEAVES .001 /* the mean chance to leave after an order below which nobody does */

static const char *const parameter_names[LIFETIME_PARAMETERS] = {"r", "alpha", "a", "b"};
static const char *const spend_names[SPEND_PARAMETERS] = {"p", "q", "gamma"};

uint32_t cli_lifetime_find(const struct playbook *playbook, const char *name) {
    for (uint32_t i = 0; i < playbook->lifetime_count; i++) {
        if (text_equal(playbook->lifetimes[i].name, text_from(name))) return i;
    }
    return UINT32_MAX;
}

/* ---- on the screen ---- */

static double mean_value(const struct dated_lifetime *fit) {
    return fit->has_spend ? spend_expected(&fit->spend.spend, 0, 0) : (double)NAN;
}

static void number_cell(struct cli_table *table, double value, int digits) {
    if (isnan(value))
        cli_table_cell(table, "unknown");
    else
        cli_table_cell(table, "%.*f", digits, value);
}

static void print_fit(const struct playbook *playbook, const struct dated_lifetime *fit,
                      struct cli_table *table) {
    static const struct lifetime_history newcomer = {0, 0, 0, 1};
    cli_table_cell(table, "%.10s", cli_when(playbook, fit->as_of_ms));
    cli_table_cell(table, "%s", cli_count((uint64_t)fit->orders.customers));
    cli_table_cell(table, "%s", cli_count((uint64_t)fit->orders.repeaters));
    for (int p = 0; p < LIFETIME_PARAMETERS; p++) {
        if (fit->orders.fitted[p].is_extreme)
            cli_table_cell(table, "extreme");
        else
            number_cell(table, fit->orders.fitted[p].value, p == LIFETIME_ALPHA ? 2 : 4);
    }
    number_cell(table, lifetime_expected(&fit->orders.lifetime, &newcomer, 365), 2);
    number_cell(table, mean_value(fit), 2);
}

static const char *whole(double number) {
    return isnan(number) ? "unknown" : cli_count((uint64_t)llround(number));
}

/* Where the orders tell nothing of leaving, alive is the same for everybody: said, since a
 * condition such as alive(shop) < 0.5 then never holds. */
static void print_leaving(const struct dated_lifetime *fit) {
    const double *parameters = fit->orders.lifetime.parameters;
    double a = parameters[LIFETIME_A], b = parameters[LIFETIME_B];
    if (a / (a + b) < HARDLY_LEAVES)
        cli_wrap_format(2, "By this fit hardly anybody leaves for good: alive is about 1 for "
                           "everybody, also for those without an order for long. What has become "
                           "rarer shows in expected_orders alone.");
}

static void print_intervals(const struct dated_lifetime *fit) {
    printf("Newest fit (95 %% intervals by customer)\n");
    for (int p = 0; p < LIFETIME_PARAMETERS + SPEND_PARAMETERS; p++) {
        bool is_spend = p >= LIFETIME_PARAMETERS;
        if (is_spend && !fit->has_spend) return;
        const struct fitted *fitted =
            is_spend ? &fit->spend.fitted[p - LIFETIME_PARAMETERS] : &fit->orders.fitted[p];
        const char *name = is_spend ? spend_names[p - LIFETIME_PARAMETERS] : parameter_names[p];
        if (fitted->is_extreme)
            printf("  %-8s at its extreme: the orders don't tell it from there\n", name);
        else
            printf("  %-8s %.4f  (%.4f to %.4f)\n", name, fitted->value, fitted->low, fitted->high);
    }
}

static void print_trained(struct engine *engine, uint32_t rule, const struct lifetime_entry *entry,
                          const struct lifetime_check *check) {
    const struct playbook *playbook = engine_playbook(engine);
    const struct lifetime_series *series = entry->series;
    const struct dated_lifetime *newest = &series->fits[series->count - 1];
    struct cli_table table;
    printf("Trained %.*s@%u: fitted at %s up to %s\n", TEXT_ARG(entry->name), entry->version,
           cli_counted(series->count, "date"), cli_when(playbook, entry->until_ms));
    cli_table_init(&table, "as of|>customers|>ordered again|>r|>alpha|>a|>b|>orders in a first "
                           "year|>mean value");
    uint32_t first = series->count > FITS_SHOWN ? series->count - FITS_SHOWN : 0;
    for (uint32_t i = first; i < series->count; i++) print_fit(playbook, &series->fits[i], &table);
    cli_table_print(&table);
    print_intervals(newest);
    print_leaving(newest);
    if (check->is_made)
        cli_wrap_format(0,
                        "Checked on what followed: from %.10s to %.10s the fit of then expected %s "
                        "days with an order (%s to %s) of %s, and %s happened.",
                        cli_when(playbook, check->from_ms), cli_when(playbook, entry->until_ms),
                        whole(check->expected), whole(check->low), whole(check->high),
                        cli_counted(check->customers, "customer"), cli_count(check->happened));
    if (playbook->lifetimes[rule].value.length > 0 && !newest->has_spend)
        cli_wrap_format(2, "Too few customers have a value of their repeat orders, so that "
                           "expected_value is unknown.");
    if (newest->other_currency > 0)
        cli_wrap_format(2,
                        "%s paid for repeat orders in another currency, too: their orders count, "
                        "the value of these is unknown.",
                        cli_counted(newest->other_currency, "customer"));
    cli_wrap_format(0, "Each fit saw what was known at its date; a trait at a time t reads the "
                       "newest fit that is not later than t. alpha is in days.");
}

void cli_lifetime_status(struct engine *engine, uint32_t rule) {
    const struct playbook *playbook = engine_playbook(engine);
    struct lifetime_entry entry = engine_lifetime(engine, rule);
    if (entry.series != NULL)
        cli_wrap_format(20, "lifetime model      %.*s@%u, fitted at %s up to %s",
                        TEXT_ARG(entry.name), entry.version,
                        cli_counted(entry.series->count, "date"),
                        cli_when(playbook, entry.until_ms));
    else if (entry.version > 0)
        cli_wrap_format(20, "lifetime model      %.*s@%u: left out, it no longer fits the playbook",
                        TEXT_ARG(entry.name), entry.version);
    else
        printf("lifetime model      %.*s: not trained yet\n", TEXT_ARG(entry.name));
}

/* ---- JSON ---- */

static void write_fitted(struct json_writer *writer, const char *name,
                         const struct fitted *fitted) {
    json_write_object_begin(writer);
    json_member_string(writer, "name", name);
    json_member_number(writer, "value", fitted->value);
    json_member_number(writer, "low", fitted->low);
    json_member_number(writer, "high", fitted->high);
    json_write_key(writer, "extreme");
    json_write_yes_no(writer, fitted->is_extreme);
    json_write_object_end(writer);
}

static void write_fit(struct json_writer *writer, const struct dated_lifetime *fit) {
    json_write_object_begin(writer);
    json_member_time(writer, "as_of", fit->as_of_ms);
    json_member_count(writer, "customers", (uint64_t)fit->orders.customers);
    json_member_count(writer, "ordered_again", (uint64_t)fit->orders.repeaters);
    json_member_number(writer, "log_likelihood", fit->orders.log_likelihood);
    json_member_count(writer, "valued", fit->has_spend ? (uint64_t)fit->spend.customers : 0);
    json_member_count(writer, "other_currency", fit->other_currency);
    json_member_number(writer, "mean_value", mean_value(fit));
    json_write_key(writer, "parameters");
    json_write_array_begin(writer);
    for (int p = 0; p < LIFETIME_PARAMETERS; p++)
        write_fitted(writer, parameter_names[p], &fit->orders.fitted[p]);
    for (int p = 0; p < SPEND_PARAMETERS && fit->has_spend; p++)
        write_fitted(writer, spend_names[p], &fit->spend.fitted[p]);
    json_write_array_end(writer);
    json_write_object_end(writer);
}

static void write_check(struct json_writer *writer, const struct lifetime_check *check) {
    json_write_key(writer, "check");
    json_write_array_begin(writer);
    if (check->is_made) {
        json_write_object_begin(writer);
        json_member_time(writer, "from", check->from_ms);
        json_member_count(writer, "customers", check->customers);
        json_member_number(writer, "expected", check->expected);
        json_member_number(writer, "low", check->low);
        json_member_number(writer, "high", check->high);
        json_member_count(writer, "happened", check->happened);
        json_write_object_end(writer);
    }
    json_write_array_end(writer);
}

static void write_trained(struct json_writer *writer, const struct lifetime_entry *entry,
                          const struct lifetime_check *check) {
    json_write_object_begin(writer);
    json_member_text(writer, "lifetime", entry->name);
    json_member_count(writer, "version", entry->version);
    json_member_time(writer, "learnt_until", entry->until_ms);
    json_write_key(writer, "fits");
    json_write_array_begin(writer);
    for (uint32_t i = 0; i < entry->series->count; i++) write_fit(writer, &entry->series->fits[i]);
    json_write_array_end(writer);
    write_check(writer, check);
    json_write_object_end(writer);
}

void cli_lifetime_write_status(struct engine *engine, uint32_t rule, struct json_writer *writer) {
    struct lifetime_entry entry = engine_lifetime(engine, rule);
    bool is_fitted = entry.series != NULL;
    json_write_object_begin(writer);
    json_member_text(writer, "lifetime", entry.name);
    if (is_fitted)
        json_member_count(writer, "version", entry.version);
    else
        json_member_null(writer, "version");
    if (is_fitted)
        json_member_time(writer, "learnt_until", entry.until_ms);
    else
        json_member_null(writer, "learnt_until");
    json_member_count(writer, "fits", is_fitted ? entry.series->count : 0);
    json_write_key(writer, "left_out");
    json_write_yes_no(writer, !is_fitted && entry.version > 0);
    json_write_object_end(writer);
}

/* ---- training ---- */

struct fitting {
    struct engine *engine;
    uint32_t rule;
    int64_t until_ms;
    struct lifetime_entry entry;
    struct lifetime_check check;
};

static enum status fit(void *context, struct work *work, struct error *error) {
    struct fitting *fitting = context;
    return engine_train_lifetime(fitting->engine, fitting->rule, fitting->until_ms, work,
                                 &fitting->entry, &fitting->check, error);
}

int cli_lifetime_train(const struct cli *cli, struct engine *engine, uint32_t rule,
                       int64_t until_ms, struct json_writer *writer) {
    struct error error = {0};
    char name[96];
    struct fitting fitting = {.engine = engine, .rule = rule, .until_ms = until_ms};
    snprintf(name, sizeof name, "training %.*s",
             TEXT_ARG(engine_playbook(engine)->lifetimes[rule].name));
    enum status status = cli_job(cli, name, fit, &fitting, &error);
    if (status != STATUS_OK) return cli_fail(&error);
    if (fitting.entry.series == NULL)
        return cli_fail_text("another playbook came meanwhile: the lifetime model is left out");
    if (writer != NULL)
        write_trained(writer, &fitting.entry, &fitting.check);
    else
        print_trained(engine, rule, &fitting.entry, &fitting.check);
    return EXIT_OK;
}
