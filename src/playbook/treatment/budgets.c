/* SPDX-License-Identifier: Apache-2.0 */
/* Reads budgets: what treatments of all customers together may take, and must have. */
#include "playbook/treatment/budgets.h"

#include <math.h>

#include "playbook/playbook_internal.h"

#define AMOUNT_MAX 1e15
#define EACH_MAX   TIME_DAY_MS

static const struct text period_names[] = {{"total", 5}, {"day", 3}, {"week", 4}, {"month", 5}};

struct text budget_period_name(enum budget_period period) {
    return period_names[period];
}

struct text budget_unit(const struct budget_rule *budget) {
    static const struct text units[] = {
        [BUDGET_COST] = {"", 0},
        [BUDGET_CONTACTS] = {"contacts", 8},
        [BUDGET_HOURS] = {"hours", 5},
        [BUDGET_STOCK] = {"pieces", 6},
        [BUDGET_AT_LEAST] = {"treatments", 10},
    };
    return units[budget->kind];
}

/* ---- reading ---- */

static void read_cost(struct reader *reader, const struct yaml_node *node,
                      struct budget_rule *budget) {
    struct value cost;
    if (!reader_money(reader, node, "cost", &cost)) return;
    budget->amount = cost.type == VALUE_MONEY ? (double)cost.minor : cost.number;
    for (uint32_t i = 0; cost.type == VALUE_MONEY && i < currency_minor_digits(cost.currency); i++)
        budget->amount /= 10;
    if (budget->amount < 0 || budget->amount > AMOUNT_MAX)
        reader_error(reader, node_place(node), "cost is below 0, or too large to be spent");
}

static void read_amount(struct reader *reader, const struct yaml_node *const *values,
                        struct budget_rule *budget) {
    static const struct {
        enum budget_key key;
        enum budget_kind kind;
        const char *name;
    } kinds[] = {{BUDGET_KEY_COST, BUDGET_COST, "cost"},
                 {BUDGET_KEY_CONTACTS, BUDGET_CONTACTS, "contacts"},
                 {BUDGET_KEY_HOURS, BUDGET_HOURS, "hours"},
                 {BUDGET_KEY_STOCK, BUDGET_STOCK, "stock"},
                 {BUDGET_KEY_AT_LEAST, BUDGET_AT_LEAST, "at_least"}};
    uint32_t found = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const struct yaml_node *node = values[kinds[i].key];
        if (node == NULL) continue;
        found++;
        budget->kind = kinds[i].kind;
        if (kinds[i].kind == BUDGET_COST)
            read_cost(reader, node, budget);
        else
            (void)reader_number(reader, node, kinds[i].name, 0, AMOUNT_MAX, &budget->amount);
    }
    if (found != 1)
        reader_error(reader, budget->place,
                     "budget %.*s has %s of cost, contacts, hours, stock and at_least: write "
                     "exactly one",
                     TEXT_ARG(budget->name), found == 0 ? "none" : "more than one");
}

static void read_each(struct reader *reader, const struct yaml_node *node,
                      struct budget_rule *budget) {
    if (node == NULL && budget->kind == BUDGET_HOURS) {
        reader_error(reader, budget->place,
                     "budget %.*s counts hours, and does not say how long a treatment takes: write "
                     "each: 12m",
                     TEXT_ARG(budget->name));
    } else if (node != NULL && budget->kind != BUDGET_HOURS) {
        reader_error(reader, node_place(node),
                     "each: has no place in a budget that counts no hours: leave it out");
    } else if (node != NULL && reader_duration(reader, node, "each", &budget->each_ms) &&
               (budget->each_ms < 1 || budget->each_ms > EACH_MAX)) {
        reader_error(reader, node_place(node),
                     "each is more than a day: write how long one treatment takes, such as 12m");
    }
}

static void read_budget(struct reader *reader, const struct yaml_node *key,
                        const struct yaml_node *value, struct budget_rule *budget) {
    const struct yaml_node *values[KEYS_MAX];
    uint32_t period;
    *budget = (struct budget_rule){.name = key->text, .place = node_place(key)};
    if (!reader_name(reader, key, "a budget's name", &budget->name) ||
        !reader_keys(reader, value, &budget_keys, values))
        return;
    read_amount(reader, values, budget);
    read_each(reader, values[BUDGET_KEY_EACH], budget);
    const struct yaml_node *per = values[BUDGET_KEY_PER];
    if (per && reader_name_of(reader, per, "value of per:", period_names, 4, &period))
        budget->period = (enum budget_period)period;
    if (values[BUDGET_KEY_CHANNELS])
        channel_list_read(reader, values[BUDGET_KEY_CHANNELS], &budget->channels,
                          &budget->channel_count);
    if (values[BUDGET_KEY_ACTIONS] || values[BUDGET_KEY_GROUPS])
        action_lists_read(reader, values[BUDGET_KEY_ACTIONS], values[BUDGET_KEY_GROUPS],
                          &budget->actions, &budget->action_count);
}

/* ---- as a person reads it ---- */

static struct text join_channels(struct reader *reader, const struct budget_rule *budget) {
    struct text out = {"", 0};
    for (uint32_t i = 0; i < budget->channel_count; i++)
        out = reader_format(
            reader, "%.*s%s%.*s", TEXT_ARG(out), i == 0 ? " on " : " or ",
            TEXT_ARG(symbol_text(reader->symbols, SYMBOL_CHANNEL, budget->channels[i])));
    return out;
}

static struct text join_actions(struct reader *reader, const struct budget_rule *budget) {
    struct text out = {"", 0};
    for (uint32_t i = 0; i < budget->action_count; i++)
        out = reader_format(reader, "%.*s%s%.*s", TEXT_ARG(out), i == 0 ? " of " : " or ",
                            TEXT_ARG(reader->playbook->actions[budget->actions[i]].name));
    return out;
}

static void describe(struct reader *reader, struct budget_rule *budget) {
    static const char *const periods[] = {" in all", " a day", " a week", " a month"};
    struct text unit = budget_unit(budget), channels = join_channels(reader, budget),
                actions = join_actions(reader, budget);
    char currency[4];
    currency_to_text(reader->playbook->currency, currency);
    if (budget->kind == BUDGET_COST) unit = text_from(currency);
    budget->text = reader_format(reader, "at %s %.*g %.*s%s%.*s%.*s",
                                 budget->kind == BUDGET_AT_LEAST ? "least" : "most", 15,
                                 budget->amount, TEXT_ARG(unit), periods[budget->period],
                                 TEXT_ARG(actions), TEXT_ARG(channels));
}

static bool takes_any(const struct playbook *playbook, const struct budget_rule *budget) {
    for (uint32_t i = 0; i < playbook->action_count; i++) {
        const struct action *action = &playbook->actions[i];
        for (uint32_t k = 0; k < action->channel_count; k++) {
            if (budget_is_about(playbook, budget, action, action->channels[k].channel)) return true;
        }
    }
    return false;
}

void budgets_read(struct reader *reader, const struct yaml_node *node) {
    struct playbook *playbook = reader->playbook;
    if (node == NULL || !reader_is_map(reader, node, "budgets")) return;
    if (node->count > BUDGETS_MAX) {
        reader_error(reader, node_place(node),
                     "more than %d budgets: a playbook may have so many and no more", BUDGETS_MAX);
        return;
    }
    struct budget_rule *budgets = reader_alloc(reader, node->count, sizeof *budgets);
    if (budgets == NULL) return;
    playbook->budgets = budgets;
    playbook->budget_count = node->count;
    for (uint32_t i = 0; i < node->count && reader->status == STATUS_OK; i++) {
        struct budget_rule *budget = &budgets[i];
        read_budget(reader, node->keys[i], node->items[i], budget);
        if (reader->errors->count > 0) continue;
        describe(reader, budget);
        if (!takes_any(playbook, budget))
            reader_error(reader, budget->place,
                         "budget %.*s is about no treatment: none of these actions is offered in "
                         "these channels",
                         TEXT_ARG(budget->name));
    }
}

/* ---- what a treatment takes ---- */

static bool has_index(const uint32_t *indexes, uint32_t count, uint32_t wanted) {
    for (uint32_t i = 0; i < count; i++) {
        if (indexes[i] == wanted) return true;
    }
    return count == 0;
}

bool budget_is_about(const struct playbook *playbook, const struct budget_rule *budget,
                     const struct action *action, uint32_t channel) {
    return has_index(budget->channels, budget->channel_count, channel) &&
           has_index(budget->actions, budget->action_count, (uint32_t)(action - playbook->actions));
}

static double cost_of(const struct playbook *playbook, const struct action *action,
                      uint32_t channel) {
    for (uint32_t k = 0; k < action->channel_count; k++) {
        if (action->channels[k].channel == channel && action->channels[k].has_cost)
            return action->channels[k].cost;
    }
    struct value cost = action->cost;
    if (cost.type == VALUE_NUMBER) return cost.number;
    if (cost.type != VALUE_MONEY || cost.currency != playbook->currency) return 0;
    double amount = (double)cost.minor;
    for (uint32_t i = 0; i < currency_minor_digits(cost.currency); i++) amount /= 10;
    return amount;
}

double budget_use(const struct playbook *playbook, const struct budget_rule *budget,
                  const struct action *action, uint32_t channel) {
    if (!budget_is_about(playbook, budget, action, channel)) return 0;
    switch (budget->kind) {
    case BUDGET_COST: return cost_of(playbook, action, channel);
    case BUDGET_HOURS: return (double)budget->each_ms / (double)TIME_HOUR_MS;
    default: return 1;
    }
}

/* ---- periods ---- */

static int64_t local_midnight(struct civil date, const struct time_zone *zone) {
    date.hour = date.minute = date.second = date.millisecond = 0;
    return time_from_local(&date, zone);
}

/* The date so many days later, or before. */
static struct civil moved(struct civil date, int64_t days) {
    struct civil out;
    date.hour = 12;
    time_to_civil(time_from_civil(&date) + days * TIME_DAY_MS, &out);
    return out;
}

/* 0 is Monday. 1970 began on a Thursday. */
static int64_t weekday(const struct civil *date) {
    struct civil midnight = *date;
    midnight.hour = midnight.minute = midnight.second = midnight.millisecond = 0;
    int64_t day = time_from_civil(&midnight) / TIME_DAY_MS;
    return ((day + 3) % 7 + 7) % 7;
}

struct budget_span budget_span_at(const struct playbook *playbook, const struct budget_rule *budget,
                                  int64_t t_ms) {
    struct civil first, next;
    time_to_civil(t_ms + time_zone_offset_s(playbook->zone, t_ms) * TIME_SECOND_MS, &first);
    switch (budget->period) {
    case BUDGET_PER_DAY: next = moved(first, 1); break;
    case BUDGET_PER_WEEK:
        first = moved(first, -weekday(&first));
        next = moved(first, 7);
        break;
    case BUDGET_PER_MONTH:
        first.day = 1;
        next = moved(first, 31);
        next.day = 1;
        break;
    default: return (struct budget_span){TIME_ALWAYS, TIME_NEVER};
    }
    return (struct budget_span){local_midnight(first, playbook->zone),
                                local_midnight(next, playbook->zone)};
}
