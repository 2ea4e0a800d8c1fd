/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/off_policy.h"

#include <ctype.h>
#include <math.h>

#include "cli/job.h"
#include "engine/answer/decision_log.h"

/* The headline first. */
static const enum off_policy_estimator order[OFF_POLICY_ESTIMATORS] = {
    OFF_POLICY_DROS, OFF_POLICY_SNIPS, OFF_POLICY_DR, OFF_POLICY_SWITCH_DR, OFF_POLICY_IPS};

const char *cli_off_policy_caveat(void) {
    return "Each decision is changed by itself, and the later history held fixed: what one "
           "decision "
           "does to the next ones is not in these figures.";
}

/* ---- the screen ---- */

static const char *short_support(enum off_policy_support support) {
    static const char *const texts[] = {"supports it", "has none of it", "was not drawn",
                                        "supports it weakly", "lacks much of it"};
    return texts[support];
}

static void value_cell(struct cli_table *table, double value) {
    if (isnan(value))
        cli_table_cell(table, "unknown");
    else
        cli_table_cell(table, "%.4g", value);
}

static void interval_cell(struct cli_table *table, double low, double high) {
    if (isnan(low) || isnan(high))
        cli_table_cell(table, "unknown");
    else
        cli_table_cell(table, "%.4g to %.4g", low, high);
}

void cli_off_policy_row(struct cli_table *table, const struct off_policy_result *result,
                        uint64_t drawn) {
    enum off_policy_support support = off_policy_support(result, drawn);
    bool answers = off_policy_answers(support);
    cli_table_cell(table, "%s", cli_count(result->rows));
    cli_table_cell(table, "%s", cli_count((uint64_t)result->effective_rows));
    for (int i = 0; i < 2; i++) {
        const struct interval *interval = &result->estimates[order[i]].bootstrap;
        value_cell(table, answers ? interval->value : (double)NAN);
        interval_cell(table, answers ? interval->low : (double)NAN, interval->high);
    }
    cli_table_cell(table, "%s", short_support(support));
}

void cli_off_policy_print(const struct off_policy_result *result, uint64_t drawn) {
    enum off_policy_support support = off_policy_support(result, drawn);
    struct cli_table table;
    const char *says = off_policy_support_text(support);
    cli_wrap_format(2, "%c%s.", toupper((unsigned char)says[0]), says + 1);
    cli_wrap_format(2, "%s of %s, effective %s, largest weight %.4g, mean weight %.3f.",
                    cli_counted(result->rows, "decision"), cli_counted(result->groups, "customer"),
                    cli_count((uint64_t)result->effective_rows), result->max_weight,
                    result->mean_weight);
    if (!off_policy_answers(support)) return;
    cli_table_init(&table,
                   "estimate|>a decision|(95 % by customer)|(half of them)|(Bernstein 95 %)");
    for (int i = 0; i < OFF_POLICY_ESTIMATORS; i++) {
        const struct off_policy_estimate *estimate = &result->estimates[order[i]];
        const struct interval *interval = &estimate->bootstrap;
        cli_table_cell(&table, "%s", off_policy_name(order[i]));
        value_cell(&table, interval->value);
        interval_cell(&table, interval->low, interval->high);
        interval_cell(&table, interval->low50, interval->high50);
        interval_cell(&table, estimate->bernstein_low, estimate->bernstein_high);
    }
    cli_table_print(&table);
}

static void print_refused(const struct decision_log *log) {
    for (int cause = 0; cause < REFUSED_ROWS; cause++) {
        const struct refused_rows *refused = &log->refused[cause];
        char lines[160] = "";
        size_t used = 0;
        for (uint64_t i = 0; i < refused->count && i < DECISION_LOG_LINES_SHOWN; i++)
            used += (size_t)snprintf(lines + used, sizeof lines - used, "%s%llu", i > 0 ? ", " : "",
                                     (unsigned long long)refused->lines[i]);
        if (refused->count > 0)
            cli_wrap_format(0, "%s refused, %s: line %s%s", cli_counted(refused->count, "row"),
                            refused_row_text((enum refused_row)cause), lines,
                            refused->count > DECISION_LOG_LINES_SHOWN ? ", ..." : "");
    }
}

static void print_policies(const struct decision_log *log) {
    struct cli_table table;
    cli_table_init(&table, "always" CLI_OFF_POLICY_HEADINGS);
    for (uint32_t i = 0; i < log->policy_count; i++) {
        cli_table_cell(&table, "%.*s", TEXT_ARG(log->policies[i].name));
        cli_off_policy_row(&table, &log->policies[i].result, log->drawn);
    }
    cli_table_print(&table);
    if (log->actions_left_out > 0)
        cli_wrap_format(0, "%s further, of fewer decisions, left out.",
                        cli_counted(log->actions_left_out, "action"));
    if (log->policy_count > 1)
        cli_wrap_format(0, "The best of several is likely not as good as it looks.");
}

static void print_parts(const struct decision_log *log) {
    struct cli_table table;
    if (log->part_count == 0) return;
    cli_table_init(&table, "part" CLI_OFF_POLICY_HEADINGS);
    for (uint32_t i = 0; i < log->part_count; i++) {
        cli_table_cell(&table, "%s %.*s", log->parts[i].column, TEXT_ARG(log->parts[i].value));
        cli_off_policy_row(&table, &log->parts[i].result, log->parts[i].drawn);
    }
    cli_table_print(&table);
    if (log->parts_left_out > 0)
        cli_wrap_format(0, "%s further, of fewer decisions, left out.",
                        cli_counted(log->parts_left_out, "part"));
}

static void print_log(const char *path, const struct decision_log *log) {
    const struct off_policy_result *first = &log->policies[0].result;
    cli_wrap_format(0, "%s: %s%s%s, %s; the logged policy earned %.4g a decision (%.4g to %.4g)",
                    path, cli_counted(log->rows, "decision"), log->names_customers ? " of " : "",
                    log->names_customers ? cli_counted(log->customers, "customer") : "",
                    cli_counted(log->actions, "action"), first->mean_reward, first->mean_reward_low,
                    first->mean_reward_high);
    print_refused(log);
    bool is_own = log->policy_count == 1 && log->parts != NULL;
    if (is_own) {
        printf("The other policy, by %.*s\n", TEXT_ARG(log->policies[0].name));
        cli_off_policy_print(first, log->drawn);
        print_parts(log);
    } else {
        print_policies(log);
    }
    cli_wrap_format(0, "%s", cli_off_policy_caveat());
}

/* ---- JSON ---- */

static const char *support_name(enum off_policy_support support) {
    static const char *const names[] = {"good", "none", "deterministic", "weak", "part"};
    return names[support];
}

static void write_estimate(struct json_writer *writer, enum off_policy_estimator estimator,
                           const struct off_policy_result *result, bool answers) {
    const struct off_policy_estimate *estimate = &result->estimates[estimator];
    const struct interval *interval = &estimate->bootstrap;
    double unknown = (double)NAN;
    json_write_object_begin(writer);
    json_member_string(writer, "name", off_policy_name(estimator));
    json_member_number(writer, "value", answers ? interval->value : unknown);
    json_member_number(writer, "low", answers ? interval->low : unknown);
    json_member_number(writer, "high", answers ? interval->high : unknown);
    json_member_number(writer, "low_50", answers ? interval->low50 : unknown);
    json_member_number(writer, "high_50", answers ? interval->high50 : unknown);
    json_member_number(writer, "bernstein_low", answers ? estimate->bernstein_low : unknown);
    json_member_number(writer, "bernstein_high", answers ? estimate->bernstein_high : unknown);
    json_member_count(writer, "n", result->rows);
    json_member_string(writer, "of", "decisions");
    json_member_string(writer, "unit", "reward a decision");
    json_member_string(writer, "question", "What would the other policy have earned a decision?");
    json_write_object_end(writer);
}

void cli_off_policy_write(struct json_writer *writer, const struct off_policy_result *result,
                          uint64_t drawn) {
    enum off_policy_support support = off_policy_support(result, drawn);
    json_member_count(writer, "decisions", result->rows);
    json_member_count(writer, "customers", result->groups);
    json_member_count(writer, "supported", result->supported);
    json_member_number(writer, "effective", result->effective_rows);
    json_member_number(writer, "mean_weight", result->mean_weight);
    json_member_number(writer, "largest_weight", result->max_weight);
    json_member_number(writer, "shrinkage",
                       isinf(result->shrinkage) ? (double)NAN : result->shrinkage);
    json_member_number(writer, "switch_at",
                       isinf(result->switch_max) ? (double)NAN : result->switch_max);
    json_member_string(writer, "support", support_name(support));
    json_member_string(writer, "says", off_policy_support_text(support));
    json_member_number(writer, "logged", result->mean_reward);
    json_member_number(writer, "logged_low", result->mean_reward_low);
    json_member_number(writer, "logged_high", result->mean_reward_high);
    json_write_key(writer, "estimates");
    json_write_array_begin(writer);
    for (int i = 0; i < OFF_POLICY_ESTIMATORS; i++)
        write_estimate(writer, order[i], result, off_policy_answers(support));
    json_write_array_end(writer);
}

static void write_refused(struct json_writer *writer, const struct decision_log *log) {
    json_write_key(writer, "refused");
    json_write_array_begin(writer);
    for (int cause = 0; cause < REFUSED_ROWS; cause++) {
        const struct refused_rows *refused = &log->refused[cause];
        if (refused->count == 0) continue;
        json_write_object_begin(writer);
        json_member_string(writer, "cause", refused_row_text((enum refused_row)cause));
        json_member_count(writer, "rows", refused->count);
        json_write_key(writer, "lines");
        json_write_array_begin(writer);
        for (uint64_t i = 0; i < refused->count && i < DECISION_LOG_LINES_SHOWN; i++)
            json_write_integer(writer, (int64_t)refused->lines[i]);
        json_write_array_end(writer);
        json_write_object_end(writer);
    }
    json_write_array_end(writer);
}

static int write_log(const char *path, const struct decision_log *log) {
    struct cli_json json;
    struct json_writer *writer = cli_json_begin(&json, true);
    json_member_string(writer, "log", path);
    json_member_count(writer, "decisions", log->rows);
    if (log->names_customers)
        json_member_count(writer, "customers", log->customers);
    else
        json_member_null(writer, "customers");
    json_member_count(writer, "actions", log->actions);
    json_member_count(writer, "actions_left_out", log->actions_left_out);
    json_member_count(writer, "parts_left_out", log->parts_left_out);
    json_member_count(writer, "drawn", log->drawn);
    write_refused(writer, log);
    json_write_key(writer, "policies");
    json_write_array_begin(writer);
    for (uint32_t i = 0; i < log->policy_count; i++) {
        json_write_object_begin(writer);
        json_member_text(writer, "policy", log->policies[i].name);
        cli_off_policy_write(writer, &log->policies[i].result, log->drawn);
        json_write_object_end(writer);
    }
    json_write_array_end(writer);
    json_write_key(writer, "parts");
    json_write_array_begin(writer);
    for (uint32_t i = 0; i < log->part_count; i++) {
        json_write_object_begin(writer);
        json_member_string(writer, "column", log->parts[i].column);
        json_member_text(writer, "value", log->parts[i].value);
        cli_off_policy_write(writer, &log->parts[i].result, log->parts[i].drawn);
        json_write_object_end(writer);
    }
    json_write_array_end(writer);
    json_member_string(writer, "assumes", cli_off_policy_caveat());
    return cli_json_end(&json, stdout);
}

/* ---- the command ---- */

struct judging {
    const struct cli *cli;
    struct decision_log log;
};

static enum status judge(void *context, struct work *work, struct error *error) {
    struct judging *judging = context;
    return decision_log_judge(&judging->log, judging->cli->log, judging->cli->columns, work, error);
}

int cli_evaluate_log(struct cli *cli) {
    static struct judging judging;
    struct error error = {0};
    if (cli->word_count > 0 || cli->against != NULL || cli->out != NULL || cli->from != NULL ||
        cli->until != NULL)
        return cli_fail_text("--log judges a file of decisions: it takes neither a model nor "
                             "--from, --until, --against or --out");
    judging.cli = cli;
    enum status status = cli_job(cli, "judging decisions", judge, &judging, &error);
    int code = EXIT_OK;
    if (status != STATUS_OK) {
        print_refused(&judging.log);
        code = cli_fail(&error);
    } else if (cli->json) {
        code = write_log(cli->log, &judging.log);
    } else {
        print_log(cli->log, &judging.log);
    }
    decision_log_release(&judging.log);
    return code;
}
