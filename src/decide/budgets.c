/* SPDX-License-Identifier: Apache-2.0 */
#include "decide/budgets.h"

#include <math.h>

#include "base/hash.h"
#include "base/memory.h"
#include "decide/allocate.h"
#include "decide/facts.h"

#define KINDS_MAX 65535u
#define SPREAD    1e-3

/* ---- what a route takes ---- */

/* A message on a page is counted as a contact only where the budget names that channel. */
static double use_of(const struct contact_history *history, const struct budget_rule *budget,
                     const struct action *action, uint32_t channel) {
    bool counts = budget->kind != BUDGET_CONTACTS || budget->channel_count > 0 ||
                  channel >= CHANNELS_MAX || !history->messaging[channel].inbound;
    return counts ? budget_use(history->data->playbook, budget, action, channel) : 0;
}

/* Calls back for each action in each of its channels, in the order of the routes. */
static void each_route(const struct playbook *playbook,
                       void (*visit)(void *context, uint32_t route, const struct action *action,
                                     uint32_t channel),
                       void *context) {
    uint32_t route = 0;
    for (uint32_t i = 0; i < playbook->action_count; i++) {
        const struct action *action = &playbook->actions[i];
        for (uint32_t k = 0; k < action->channel_count; k++)
            visit(context, route++, action, action->channels[k].channel);
    }
}

struct route_use {
    uint32_t route, budget;
    double use;
};
struct budget_uses {
    const struct contact_history *history;
    struct route_use *items; /* ascending by route, then budget; those above 0 alone */
    uint32_t count;
};

static void list_uses(void *context, uint32_t route, const struct action *action,
                      uint32_t channel) {
    struct budget_uses *uses = context;
    const struct playbook *playbook = uses->history->data->playbook;
    for (uint32_t k = 0; k < playbook->budget_count; k++) {
        double use = use_of(uses->history, &playbook->budgets[k], action, channel);
        if (use > 0) uses->items[uses->count++] = (struct route_use){route, k, use};
    }
}

static enum status make_uses(struct decider *decider) {
    const struct playbook *playbook = decider->data->playbook;
    size_t most = (size_t)contact_route_count(&decider->history) * playbook->budget_count;
    struct budget_uses *uses = memory_calloc(1, sizeof *uses);
    decider->budget_uses = uses;
    if (uses == NULL) return STATUS_NO_MEMORY;
    uses->history = &decider->history;
    uses->items = memory_calloc(most + 1, sizeof *uses->items);
    if (uses->items == NULL) return STATUS_NO_MEMORY;
    each_route(playbook, list_uses, uses);
    return STATUS_OK;
}

enum status budgets_begin(struct decider *decider) {
    budget_prices_clear(&decider->budget_prices);
    return decider->data->playbook->budget_count > 0 ? make_uses(decider) : STATUS_OK;
}

void budgets_end(struct decider *decider) {
    if (decider->budget_uses == NULL) return;
    memory_free(decider->budget_uses->items);
    memory_free(decider->budget_uses);
}

/* ---- prices ---- */

double budget_scale(struct customer_id customer) {
    uint64_t hash = hash_u64(customer.value ^ UINT64_C(0x6275646765747331));
    return 1 + SPREAD * ((double)(hash >> 11) * 0x1p-52 - 1);
}

double budget_paced_price(const struct playbook *playbook, const struct budget_rule *budget,
                          const struct budget_start *start, double used, int64_t t_ms) {
    struct budget_span span = budget_span_at(playbook, budget, t_ms);
    bool is_minimum = budget->kind == BUDGET_AT_LEAST, is_new = start->at_ms < span.from_ms;
    int64_t from_ms = is_new ? span.from_ms : start->at_ms;
    double before = is_new ? 0 : start->used, left = budget->amount - before;
    if (budget->period == BUDGET_PER_TOTAL || !(left > 0) || t_ms <= from_ms) return start->price;
    double part = (double)(t_ms - from_ms) / (double)(span.until_ms - from_ms);
    double steepness = fabs(start->price) > 0 ? 2 * fabs(start->price) : .2 * start->worth;
    double price = start->price + steepness / left * (used - before - part * left);
    bool wrong_sign = is_minimum ? price > 0 : price < 0;
    return wrong_sign ? 0 : price;
}

void budget_prices_clear(struct budget_prices *prices) {
    for (uint32_t k = 0; k < BUDGETS_MAX; k++) {
        prices->price[k] = 0;
        prices->left[k] = INFINITY;
    }
}

void decider_use_prices(struct decider *decider, const struct budget_prices *prices) {
    const struct playbook *playbook = decider->data->playbook;
    const struct budget_uses *uses = decider->budget_uses;
    if (uses == NULL) return;
    decider->budget_prices = *prices;
    for (uint32_t i = 0; i < uses->count;) {
        uint32_t route = uses->items[i].route;
        const struct budget_rule *spent = NULL;
        double charge = 0;
        for (; i < uses->count && uses->items[i].route == route; i++) {
            const struct route_use *use = &uses->items[i];
            const struct budget_rule *budget = &playbook->budgets[use->budget];
            double left = prices->left[use->budget];
            charge += prices->price[use->budget] * use->use;
            bool short_of = use->use > left + 1e-12 * budget->amount;
            if (short_of && budget->kind != BUDGET_AT_LEAST && spent == NULL) spent = budget;
        }
        facts_charge(decider->facts, route, charge, spent);
    }
}

enum status budget_prices_pack(struct decider *decider, struct packed_writer *writer) {
    const struct playbook *playbook = decider->data->playbook;
    const struct budget_prices *prices = &decider->budget_prices;
    const struct message_symbols *added = &decider->history.symbols;
    const uint32_t symbols[] = {added->budget, added->price, added->left};
    struct packed_list *list = &decider->list;
    struct value value;
    enum status status = STATUS_OK;
    packed_list_begin(list);
    for (uint32_t k = 0; k < playbook->budget_count && status == STATUS_OK; k++) {
        const struct value values[] = {
            value_text(playbook->budgets[k].name), value_number(prices->price[k]),
            isinf(prices->left[k]) ? value_unknown() : value_number(prices->left[k])};
        status = packed_list_add_record(list, symbols, values, 3);
    }
    if (status == STATUS_OK) status = packed_list_end(list, &value);
    return status == STATUS_OK ? packed_add(writer, added->budget_prices, value) : status;
}

static uint32_t budget_named(const struct playbook *playbook, struct value name) {
    for (uint32_t k = 0; k < playbook->budget_count && name.type == VALUE_TEXT; k++) {
        if (text_equal(playbook->budgets[k].name, name.text)) return k;
    }
    return UINT32_MAX;
}

void budget_prices_read(const struct customer_data *data, struct text packed,
                        struct budget_prices *out) {
    struct message_symbols symbols;
    struct list_reader reader;
    struct value ignored;
    budget_prices_clear(out);
    if (message_symbols_add(data->symbols, &symbols) != STATUS_OK ||
        list_reader_init(&reader, packed_find(packed, symbols.budget_prices)) != STATUS_OK)
        return;
    while (list_next(&reader, &ignored) == STATUS_OK) {
        uint32_t k = budget_named(data->playbook, list_field(&reader, symbols.budget));
        struct value price = list_field(&reader, symbols.price),
                     left = list_field(&reader, symbols.left);
        if (k == UINT32_MAX) continue;
        if (price.type == VALUE_NUMBER) out->price[k] = price.number;
        if (left.type == VALUE_NUMBER) out->left[k] = left.number;
    }
}

/* ---- what is used ---- */

/* Of a message whose action the playbook no longer has, only its channel is known. */
static double use_of_contact(const struct contact_history *history,
                             const struct budget_rule *budget, const struct contact *contact) {
    if (contact->action != NULL) return use_of(history, budget, contact->action, contact->channel);
    bool is_about = budget->action_count == 0 && budget->channel_count == 0;
    for (uint32_t i = 0; i < budget->channel_count && budget->action_count == 0; i++)
        is_about |= budget->channels[i] == contact->channel;
    if (!is_about || budget->kind == BUDGET_COST) return 0;
    if (budget->kind == BUDGET_CONTACTS && budget->channel_count == 0 && contact->impression)
        return 0;
    return budget->kind == BUDGET_HOURS ? (double)budget->each_ms / (double)TIME_HOUR_MS : 1;
}

enum status decider_count_budgets(struct decider *decider, const struct timeline *timeline,
                                  int64_t t_ms, bool same_moment, double used[BUDGETS_MAX]) {
    const struct playbook *playbook = decider->data->playbook;
    struct contact_history *history = &decider->history;
    if (playbook->budget_count == 0) return STATUS_OK;
    profile_at_for(decider->profile, timeline, t_ms, decider->wanted);
    where_find(&history->where, decider->profile);
    history->for_budgets = true;
    enum status status = contact_history_read(history, timeline, t_ms, same_moment);
    history->for_budgets = false;
    for (uint32_t k = 0; k < playbook->budget_count && status == STATUS_OK; k++) {
        const struct budget_rule *budget = &playbook->budgets[k];
        int64_t from_ms = budget_span_at(playbook, budget, t_ms).from_ms;
        for (size_t i = 0; i < history->messages.count; i++) {
            const struct contact *contact = &history->messages.items[i];
            if (contact->time_ms < from_ms || contact->withheld) continue;
            used[k] += use_of_contact(history, budget, contact);
        }
    }
    return status;
}

void budgets_add_decision(const struct decision *decision, double used[BUDGETS_MAX]) {
    const struct decider *decider = decision->decider;
    const struct playbook *playbook = decider->data->playbook;
    for (uint32_t rank = 0; rank < decision->ranked_count; rank++) {
        const struct treatment *treatment = decision_treatment(decision, decision->ranked[rank]);
        if (decision_withholds(decision, rank)) continue;
        for (uint32_t k = 0; k < playbook->budget_count; k++)
            used[k] += use_of(&decider->history, &playbook->budgets[k], treatment->action,
                              treatment->channel);
    }
}

/* ---- what customers could be offered ---- */

struct budget_offers {
    const struct decider *decider;
    uint32_t limit_count, kind_count, customer_count;
    double *fixed;     /* by kind and budget */
    uint16_t *kind_of; /* by route */
    bool *serves;      /* by kind: it takes of a minimum */
    uint32_t *customers;
    size_t customers_capacity;
    uint64_t *first; /* by customer, and the end */
    size_t first_capacity;
    uint16_t *kind;
    float *value;
    size_t kind_capacity, value_capacity;
    uint64_t count;
    float *best; /* by kind, of the customer at hand; NAN: none */
};

/* The kind of what takes this of every budget: an old one, or one more. */
static uint32_t kind_like(struct budget_offers *offers, const double *uses) {
    uint32_t limits = offers->limit_count, kind = 0;
    for (; kind < offers->kind_count; kind++) {
        if (memcmp(offers->fixed + (size_t)kind * limits, uses, limits * sizeof *uses) == 0)
            return kind;
    }
    memcpy(offers->fixed + (size_t)kind * limits, uses, limits * sizeof *uses);
    offers->kind_count++;
    return kind;
}

static void sort_route(void *context, uint32_t route, const struct action *action,
                       uint32_t channel) {
    struct budget_offers *offers = context;
    const struct playbook *playbook = offers->decider->data->playbook;
    double uses[BUDGETS_MAX];
    for (uint32_t k = 0; k < offers->limit_count; k++)
        uses[k] = use_of(&offers->decider->history, &playbook->budgets[k], action, channel);
    uint32_t kind = kind_like(offers, uses);
    offers->kind_of[route] = (uint16_t)kind;
    for (uint32_t k = 0; k < offers->limit_count; k++)
        offers->serves[kind] |= playbook->budgets[k].kind == BUDGET_AT_LEAST && uses[k] > 0;
}

enum status budget_offers_create(struct budget_offers **out, const struct decider *decider) {
    struct budget_offers *offers = memory_calloc(1, sizeof *offers);
    uint32_t routes = contact_route_count(&decider->history);
    *out = offers;
    if (offers == NULL) return STATUS_NO_MEMORY;
    if (routes > KINDS_MAX) return STATUS_LIMIT;
    offers->decider = decider;
    offers->limit_count = decider->data->playbook->budget_count;
    offers->fixed =
        memory_calloc(((size_t)routes + 1) * (offers->limit_count + 1), sizeof *offers->fixed);
    offers->kind_of = memory_calloc((size_t)routes + 1, sizeof *offers->kind_of);
    offers->serves = memory_calloc((size_t)routes + 1, sizeof *offers->serves);
    offers->best = memory_calloc((size_t)routes + 1, sizeof *offers->best);
    enum status status =
        memory_grow((void **)&offers->first, &offers->first_capacity, 1, sizeof *offers->first);
    if (status != STATUS_OK || offers->fixed == NULL || offers->kind_of == NULL ||
        offers->serves == NULL || offers->best == NULL)
        return STATUS_NO_MEMORY;
    offers->first[0] = 0;
    each_route(decider->data->playbook, sort_route, offers);
    return STATUS_OK;
}

void budget_offers_destroy(struct budget_offers *offers) {
    if (offers == NULL) return;
    memory_free(offers->fixed);
    memory_free(offers->kind_of);
    memory_free(offers->serves);
    memory_free(offers->best);
    memory_free(offers->first);
    memory_free(offers->customers);
    memory_free(offers->kind);
    memory_free(offers->value);
    memory_free(offers);
}

/* The best offer of each kind. What the holdout withholds takes nothing, and so is no offer. */
static void find_best(struct budget_offers *offers, const struct decision *decision) {
    const struct decision_trace *trace = &decision->trace;
    for (uint32_t kind = 0; kind < offers->kind_count; kind++) offers->best[kind] = NAN;
    for (uint32_t i = 0; i < trace->count; i++) {
        const struct treatment *treatment = decision_treatment(decision, i);
        double priority = trace->priority[i];
        if (trace->verdict[i] != NULL || isnan(priority) || isinf(priority)) continue;
        if (decision->holdout.in && !treatment->action->service) continue;
        uint16_t kind = offers->kind_of[contact_route(&offers->decider->history, treatment)];
        float *best = &offers->best[kind], value = (float)priority;
        if (isinf(value) || (priority <= 0 && !offers->serves[kind])) continue;
        if (isnan(*best) || value > *best) *best = value;
    }
}

enum status budget_offers_add(struct budget_offers *offers, const struct decision *decision,
                              struct error *error) {
    find_best(offers, decision);
    if (offers->count + offers->kind_count > BUDGET_OFFERS_MAX)
        return error_set(error, STATUS_LIMIT,
                         "budgets can't be allocated: the customers have more than %llu offers "
                         "together; let fewer actions take different amounts of budgets",
                         (unsigned long long)BUDGET_OFFERS_MAX);
    size_t needed = (size_t)offers->count + offers->kind_count;
    enum status status =
        memory_grow((void **)&offers->kind, &offers->kind_capacity, needed, sizeof *offers->kind);
    if (status == STATUS_OK)
        status = memory_grow((void **)&offers->value, &offers->value_capacity, needed,
                             sizeof *offers->value);
    if (status == STATUS_OK)
        status = memory_grow((void **)&offers->first, &offers->first_capacity,
                             (size_t)offers->customer_count + 2, sizeof *offers->first);
    if (status == STATUS_OK)
        status = memory_grow((void **)&offers->customers, &offers->customers_capacity,
                             (size_t)offers->customer_count + 1, sizeof *offers->customers);
    if (status != STATUS_OK) return error_set(error, status, "no memory to allocate budgets");
    offers->customers[offers->customer_count] = decision->customer.value;
    for (uint32_t kind = 0; kind < offers->kind_count; kind++) {
        if (isnan(offers->best[kind])) continue;
        offers->kind[offers->count] = (uint16_t)kind;
        offers->value[offers->count++] = offers->best[kind];
    }
    offers->first[++offers->customer_count] = offers->count;
    return STATUS_OK;
}

/* Prices times the factor of a customer are what they are where the values are divided by it. */
static float *scaled_values(const struct budget_offers *offers) {
    float *out = memory_alloc(((size_t)offers->count + 1) * sizeof *out);
    for (uint32_t i = 0; out != NULL && i < offers->customer_count; i++) {
        double scale = budget_scale((struct customer_id){offers->customers[i]});
        for (uint64_t at = offers->first[i]; at < offers->first[i + 1]; at++)
            out[at] = (float)((double)offers->value[at] / scale);
    }
    return out;
}

/* Value and bound of the offers as they are. */
static void value_as_is(const struct budget_offers *offers, const struct allocate_limit *limits,
                        struct allocation *out) {
    double value = 0, bound = 0;
    for (uint32_t i = 0; i < offers->customer_count; i++) {
        double best = 0;
        for (uint64_t at = offers->first[i]; at < offers->first[i + 1]; at++) {
            const double *use = offers->fixed + (size_t)offers->kind[at] * offers->limit_count;
            double worth = (double)offers->value[at];
            for (uint32_t k = 0; k < offers->limit_count; k++) worth -= out->price[k] * use[k];
            best = worth > best ? worth : best;
        }
        bound += best;
        if (out->choice[i] != ALLOCATE_NOTHING) value += (double)offers->value[out->choice[i]];
    }
    /* A minimum that can't be met is taken as what can be. */
    for (uint32_t k = 0; k < offers->limit_count; k++)
        bound += out->price[k] * (limits[k].amount - out->short_by[k]);
    out->value = value;
    out->bound = bound;
    out->gap = bound > 0 || bound < 0 ? (bound - value) / fabs(bound) : 0;
}

enum status budget_offers_allocate(const struct budget_offers *offers,
                                   const double used[BUDGETS_MAX], struct work *work,
                                   struct allocation *out, struct error *error) {
    const struct playbook *playbook = offers->decider->data->playbook;
    struct allocate_limit limits[BUDGETS_MAX];
    float *values = scaled_values(offers);
    if (values == NULL) return error_set(error, STATUS_NO_MEMORY, "no memory to allocate budgets");
    for (uint32_t k = 0; k < offers->limit_count; k++) {
        double left = playbook->budgets[k].amount - used[k];
        limits[k] = (struct allocate_limit){left < ALLOCATE_SMALLEST ? 0 : left,
                                            playbook->budgets[k].kind == BUDGET_AT_LEAST};
    }
    struct allocate_problem problem = {.limit_count = offers->limit_count,
                                       .limits = limits,
                                       .kind_count = offers->kind_count,
                                       .fixed = offers->fixed,
                                       .customer_count = offers->customer_count,
                                       .first = offers->first,
                                       .kind = offers->kind,
                                       .value = values,
                                       .for_prices = true};
    enum status status = allocate(&problem, 0, work, out, error);
    if (status == STATUS_OK) value_as_is(offers, limits, out);
    memory_free(values);
    return status;
}
