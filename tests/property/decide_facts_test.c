/* SPDX-License-Identifier: Apache-2.0 */
/* A decision asks much once a customer, and the traits of all treatments in one pass. Here random
 * playbooks, tables, timelines and models are decided for, and every treatment is judged again the
 * plain way: profile_with, stage by stage, the whole score. The traces are equal to the bit.
 *
 *   decide_facts_test [SEED [TRIALS]] */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "decide/decide_internal.h"
#include "decide/trainer.h"
#include "learn/model.h"
#include "learn/trees/model_trees.h"
#include "support/boosted.h"
#include "support/scene.h"

#define CUSTOMERS   3
#define MOMENTS     3
#define EVENTS_MAX  40
#define OFFERS_MAX  12
#define BASES_MAX   64
#define ROWS        240
#define LAST_DAY    100
#define COUNT(list) (sizeof(list) / sizeof *(list))

static struct random random_state;
static uint32_t below(size_t bound) {
    return (uint32_t)random_below(&random_state, bound);
}
static void must(bool good, const char *what) {
    if (good) return;
    printf("%s\n", what);
    exit(1);
}

/* ---- a random playbook ---- */

static const char head[] =
    "customer: { identifiers: { email: {} } }\n"
    "context: { category: text, brand: text, size: number, due: time, fee: money }\n"
    "sources:\n"
    "  offer: { file: offer.csv, lookup: offer_id, header: no, columns: [offer_id, starts, ends, "
    "price, fee, store, due, gift, category, brand], types: { starts: time, ends: time, price: "
    "number, fee: money, store: number, due: time, gift: yes/no } }\n"
    "  offer_item: { file: item.csv, lookup: offer_id, header: no, many: yes, columns: [offer_id, "
    "item] }\n"
    "  product: { file: product.csv, lookup: product_id, header: no, columns: [product_id, "
    "department] }\n"
    "events:\n"
    "  Order Completed: { revenue: money, size: number, category: text, brand: text, item: text, "
    "store: number, due: time, gift: yes/no, products: { product_id: text, quantity: number } }\n"
    "  Product Viewed: { seconds: number, category: text, brand: text, item: text }\n"
    "goals:\n"
    "  order: { event: Order Completed, within: 10d, value: 12 USD }\n"
    "  view: { event: Product Viewed, within: 10d }\n"
    "  spend: { event: Order Completed, within: 10d, value: revenue }\n";

static const char *const customer_traits[] = {
    "count(\"Order Completed\") in 30d",
    "sum(\"Order Completed\".revenue) in 60d",
    "avg(\"Order Completed\".size)",
    "since(\"Product Viewed\")",
    "last(\"Product Viewed\".category)",
    "exists(\"Order Completed\" where revenue > 20 USD) in 50d",
    "max(\"Order Completed\".revenue)",
    "distinct(\"Order Completed\".item) in 90d",
    "count(visits) in 20d",
    "context.size",
    "count(\"Order Completed\" where category == context.category) in 40d",
};
static const char *const treatment_traits[] = {
    "count(\"Order Completed\" where category == action.category) in 30d",
    "count(\"Product Viewed\" where action.brand == brand) in 60d",
    "count(\"Product Viewed\" where brand == action.brand and category == \"c1\") in 90d",
    "count(\"Order Completed\" where category == action.category and revenue > 20 USD)",
    "count(\"Order Completed\" where size > 1 and item in action.items)",
    "exists(\"Order Completed\" where item in action.items) in 20d",
    "since(\"Product Viewed\" where category == action.category)",
    "last(\"Order Completed\".brand where store == action.store)",
    "first(\"Order Completed\".revenue where item in action.items)",
    "last(\"Order Completed\" where item in action.items)",
    "sum(\"Order Completed\".revenue where action.items contains item)",
    "sum(\"Order Completed\".size where category == action.category) in 60d ending 5d ago",
    "max(\"Order Completed\".revenue where brand == action.brand) in 50d",
    "min(\"Order Completed\".size where category == action.category)",
    "avg(\"Order Completed\".revenue where item in action.items) in 90d",
    "avg(\"Order Completed\".size where store == action.store)",
    "share(\"Order Completed\" where category == action.category)",
    "share(\"Order Completed\".revenue where item in action.items)",
    "count(\"Order Completed\".products where product_id in action.items) in 60d",
    "sum(\"Order Completed\".products.quantity where product_id in action.items)",
    "share(\"Order Completed\".products.quantity where action.items contains product_id)",
    "share(\"Order Completed\".products where product_id in action.items)",
    "since(\"Order Completed\".products where product_id in action.items)",
    "last(\"Order Completed\".products.quantity where product_id in action.items)",
    "first(\"Order Completed\".products.quantity where product_id in action.items)",
    "max(\"Order Completed\".products.quantity where department == action.category)",
    "count(\"Order Completed\" where due == action.due)",
    "count(\"Order Completed\" where gift == action.gift) in 90d",
    "count(\"Order Completed\" where revenue == action.fee)",
    "count(\"Order Completed\" where store == action.store) in last 2 visits",
    "count(visits where category == action.category) in 90d",
    "distinct(\"Order Completed\".item where category == action.category)",
    "overdue(\"Order Completed\" where category == action.category)",
    "count(\"Order Completed\" where category != action.category)",
    "count([\"Order Completed\", \"Product Viewed\"] where item in action.items) in 40d",
    "count(any event where item in action.items) in 40d",
    "count(\"Order Completed\" where category == action.category and brand == action.brand)",
    "count(\"Order Completed\" where category == action.category or brand == \"b1\")",
    "count(\"Order Completed\" where category == action.category) - "
    "count(\"Order Completed\" where item in action.items)",
    "sum(\"Order Completed\".size where item in action.items) / count(\"Order Completed\")",
    "exists(\"Order Completed\" where item in action.items) or exists(\"Product Viewed\" where "
    "category == action.category) in 9d",
    "length(action.items)",
    "count(\"Order Completed\" where category in [\"c1\", action.category])",
    "count(\"Order Completed\" where not (item in action.items))",
    "count(\"Product Viewed\" where category == action.category and seconds is known)",
    "count(\"Product Viewed\" where category == action.category and brand == context.brand)",
    "count(\"Order Completed\" where item in action.items and size > context.size)",
    "context.category == action.category",
    "last(\"Order Completed\" where category == context.category and item in action.items)",
};
static const char *const available[] = {
    "action.starts <= now and now < action.ends",
    "now < action.ends",
    "now >= action.starts and action.ends >= now and action.due < now",
    "action.price < 8",
    "t0 >= 0",
    "action.starts <= now and action.price > 1",
    "now == action.starts or now < action.ends",
    "action.fee > 2 EUR or now > action.starts",
};
static const char *const conditions[] = {
    "t0 >= 1",
    "t1 > 5 USD or t0 < 2",
    "t5",
    "t3 > 20d",
    "t8 < 3",
    "t7 >= 0",
    "context.size > 1 or t0 >= 2",
    "context.category == \"c1\" or context.brand is unknown",
    "t9 > 0 or t10 > 0",
    "action.price < 7",
    "action.fee < 9 USD",
    "of0 is known",
    "of1 is unknown or t0 >= 0",
    "t4 == action.brand",
    "context.category == action.category",
    "context.fee < action.fee or context.due > action.due",
};
static const char *const policies[] = {
    "at_most: 1, in: 7d, channel: email",
    "at_most: 2, in: 20d",
    "at_most: 1, in: 30d, of: same treatment",
    "at_most: 2, in: 9d, of: same action",
    "at_most: 0, in: 1d, action: call",
    "at_most: 1, per: day",
    "after: Rejected, of: same treatment, wait: 40d",
    "after: Rejected, of: same action, wait: 20d",
    "after: Clicked, times: 2, in: 10d, wait: 15d",
    "never_without: opt_in, channel: email",
    "never_without: consent to research, action: letter",
    "quiet: \"21:00-08:00\", channel: email",
    "quiet: \"03:00-03:30\"",
};

static void put_list(struct buffer *out, const char *name, uint32_t count,
                     const char *const *templates, size_t template_count) {
    for (uint32_t i = 0; i < count; i++)
        must(buffer_format(out, "  %s%u: '%s'\n", name, i, templates[below(template_count)]) ==
                 STATUS_OK,
             "no memory");
}

static void put(struct buffer *out, const char *text) {
    must(buffer_append_text(out, text_from(text)) == STATUS_OK, "no memory");
}

/* The last ones are of a treatment. */
#define CUSTOMER_CONDITIONS 9
static void put_condition(struct buffer *out, const char *stage, bool for_each) {
    size_t count = for_each ? COUNT(conditions) : CUSTOMER_CONDITIONS;
    if (below(3) == 0)
        must(buffer_format(out, ", %s: '%s'", stage, conditions[below(count)]) == STATUS_OK,
             "no memory");
}

static void put_action(struct buffer *out, const char *name, bool for_each) {
    static const char *const goals[] = {"order", "view", "spend"};
    static const char *const channels[] = {"[email, web]", "[email]", "[web, call, email]",
                                           "{ email: { cost: 0.50 }, web: {} }"};
    must(buffer_format(out, "  %s: { goal: %s, channels: %s", name, goals[below(3)],
                       channels[below(4)]) == STATUS_OK,
         "no memory");
    if (for_each) put(out, ", for_each: offer, attributes: { items: offer_item.item }");
    if (for_each && below(4) > 0)
        must(buffer_format(out, ", available: '%s'", available[below(COUNT(available))]) ==
                 STATUS_OK,
             "no memory");
    put_condition(out, "eligible", for_each);
    put_condition(out, "applicable", for_each);
    put_condition(out, "suitable", for_each);
    if (below(2) == 0) put(out, ", model: buy");
    if (below(3) == 0) put(out, ", purpose: research");
    if (below(4) == 0) put(out, ", cost: 0.30 USD");
    if (below(4) == 0) put(out, ", starting_propensity: 30%");
    if (below(3) == 0) put(out, below(2) ? ", weight: 't0 + context.size - 1'" : ", weight: 1.5");
    if (below(6) == 0) put(out, ", service: yes");
    put(out, " }\n");
}

static void write_playbook(struct buffer *out) {
    put(out, head);
    put(out, below(2) ? "consent: { required: yes, purposes: [research] }\n"
                      : "consent: { purposes: [research] }\n");
    must(buffer_format(out, "decide: { slots: %u }\ntraits:\n", 1 + below(4)) == STATUS_OK,
         "no memory");
    for (uint32_t i = 0; i < COUNT(customer_traits); i++)
        must(buffer_format(out, "  t%u: '%s'\n", i, customer_traits[i]) == STATUS_OK, "no memory");
    put_list(out, "of", 6, treatment_traits, COUNT(treatment_traits));
    put(out, "  late: 'count(\"Order Completed\") in 10d'\n"
             "models: { buy: { goal: order, attributes: [price, category] } }\nactions:\n");
    put_action(out, "letter", true);
    put_action(out, "banner", true);
    put_action(out, "call", false);
    put(out, "policies:\n");
    for (uint32_t i = 0; i < COUNT(policies); i++) {
        if (below(3) == 0 || i == 0)
            must(buffer_format(out, "  - { %s }\n", policies[i]) == STATUS_OK, "no memory");
    }
}

/* ---- random tables and timelines ---- */

static void write_offers(struct scene *scene, int64_t known_ms) {
    struct buffer offers, items;
    uint32_t count = 1 + below(OFFERS_MAX);
    buffer_init(&offers);
    buffer_init(&items);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t from = below(LAST_DAY), days = below(LAST_DAY);
        char starts[32], ends[32];
        time_format(DAY(from), starts);
        time_format(DAY(from + days), ends);
        must(buffer_format(&offers, "%u|%s|%s|%u|%u.50|%u|%s|%s|c%u|b%u\n", i,
                           below(8) ? starts : "", below(8) ? ends : "", below(10), below(9),
                           below(4), below(4) ? starts : "", below(2) ? "yes" : "no", below(4),
                           below(4)) == STATUS_OK,
             "no memory");
        for (uint32_t k = below(6); k > 0; k--)
            must(buffer_format(&items, "%u|%s%u\n", i, below(5) ? "p" : "", below(9)) == STATUS_OK,
                 "no memory");
    }
    must(buffer_append(&offers, "", 1) == STATUS_OK && buffer_append(&items, "", 1) == STATUS_OK,
         "no memory");
    scene_lookup_known(scene, "offer_item", known_ms, items.at);
    scene_lookup_known(scene, "offer", known_ms, offers.at);
    buffer_release(&offers);
    buffer_release(&items);
}

static void put_order(char *out, size_t room) {
    int at = snprintf(out, room, "size=%u", below(4));
    if (below(6))
        at += snprintf(out + at, room - (size_t)at, " revenue=%u.25%s", below(40),
                       below(7) ? "USD" : "EUR");
    if (below(5)) at += snprintf(out + at, room - (size_t)at, " category='c%u'", below(4));
    if (below(5)) at += snprintf(out + at, room - (size_t)at, " brand='b%u'", below(4));
    if (below(5)) at += snprintf(out + at, room - (size_t)at, " item='p%u'", below(9));
    if (below(5)) at += snprintf(out + at, room - (size_t)at, " store=%u", below(4));
    if (below(3)) at += snprintf(out + at, room - (size_t)at, " gift=%s", below(2) ? "yes" : "no");
    if (below(2) == 0) return;
    at += snprintf(out + at, room - (size_t)at, " products=[");
    for (uint32_t i = 0, items = below(5); i < items; i++)
        at += snprintf(out + at, room - (size_t)at, "%sp%u:%u", i > 0 ? "," : "", below(9),
                       1 + below(5));
    snprintf(out + at, room - (size_t)at, "]");
}

static const char *random_event(char *properties, size_t room) {
    static const char *const receipts[] = {"email:Treatment Delivered", "web:Treatment Shown",
                                           "email:Treatment Clicked", "email:Treatment Rejected"};
    uint32_t draw = below(12);
    if (draw < 5) {
        put_order(properties, room);
        return "Order Completed";
    }
    if (draw < 8) {
        snprintf(properties, room, "seconds=%u category='c%u' brand='b%u' item='p%u'", below(99),
                 below(4), below(4), below(9));
        return "Product Viewed";
    }
    if (draw < 10) {
        if (below(4))
            snprintf(properties, room, "treatment='%s/%u'", below(2) ? "letter" : "banner",
                     below(OFFERS_MAX));
        else
            snprintf(properties, room, "treatment='call'");
        return receipts[below(4)];
    }
    if (draw == 10) {
        snprintf(properties, room, "channel='email' state=%s", below(4) ? "yes" : "no");
        return "Opt In Changed";
    }
    snprintf(properties, room, "purpose='%s' state=%s", below(2) ? "personalise" : "research",
             below(4) ? "yes" : "no");
    return "Consent Changed";
}

static void write_events(struct scene *scene, bool with_known) {
    char properties[400];
    for (uint32_t c = 1; c <= CUSTOMERS; c++) {
        scene_event(scene, c, "Product Viewed", DAY(0), "seconds=1");
        scene_event(scene, c, "email:Opt In Changed", DAY(1), "channel='email' state=yes");
        scene_event(scene, c, "Consent Changed", DAY(1), "purpose='personalise' state=yes");
        scene_event(scene, c, "Consent Changed", DAY(1), "purpose='research' state=yes");
        for (uint32_t e = below(EVENTS_MAX); e > 0; e--) {
            const char *event = random_event(properties, sizeof properties);
            int64_t t_ms = DAY(below(LAST_DAY)) + below(TIME_DAY_MS);
            int64_t known_ms = with_known && below(3) == 0 ? t_ms + below(9 * TIME_DAY_MS) : t_ms;
            uint64_t number = scene->event_count;
            scene_event_known(scene, c, event, t_ms, known_ms, properties);
            if (!with_known || below(8) > 0) continue;
            const char *again = random_event(properties, sizeof properties);
            scene_correct(scene, number, c, again, t_ms, known_ms + below(9 * TIME_DAY_MS),
                          properties);
        }
    }
}

/* ---- a random model of the rule ---- */

/* Makes a model of trees of it, as XGBoost might have grown them. */
static void add_trees(struct model *model) {
    static struct boosted boosted;
    struct buffer json;
    struct model_trees *part = arena_calloc(&model->arena, 1, sizeof *part);
    boosted_draw(&random_state, &boosted, model->feature_count);
    buffer_init(&json);
    boosted_write(&json, &boosted);
    must(part != NULL, "no memory");
    must(trees_read_json(&part->trees, buffer_text(&json), NULL) == STATUS_OK, "no trees");
    buffer_release(&json);
    part->codes = arena_calloc(&model->arena, model->feature_count + 1u, sizeof *part->codes);
    must(part->codes != NULL, "no memory");
    for (uint32_t f = 0; f < model->feature_count; f++) {
        if (model->features[f].kind != FEATURE_TEXT) continue;
        uint32_t count = model->features[f].known + 1;
        uint16_t *codes = arena_calloc(&model->arena, count, sizeof *codes);
        must(codes != NULL, "no memory");
        for (uint32_t c = 0; c < count; c++) codes[c] = (uint16_t)c;
        part->codes[f] = codes;
    }
    part->slope = .8;
    part->base = -.1;
    part->mean = trees_mean(part->trees);
    model->facts.kind = MODEL_TREES;
    model->trees = part;
}

static uint8_t *random_parts(struct model *model, uint32_t feature, uint32_t *parts) {
    uint32_t cells = model_feature_cells(&model->features[feature]);
    uint8_t *part = arena_calloc(&model->arena, cells, 1);
    must(part != NULL, "no memory");
    *parts = 1 + below(4);
    for (uint32_t c = 0; c < cells; c++) part[c] = (uint8_t)below(*parts);
    return part;
}

/* Rows of noise teach no pairs: these come by hand, in order of their features. */
static void give_pairs(struct model *model) {
    uint32_t chance = 1 + below(6);
    model->pairs = arena_calloc(&model->arena, LEARN_PAIRS_MAX, sizeof *model->pairs);
    must(model->pairs != NULL, "no memory");
    model->base = model_effect_rounded(model->base);
    for (uint32_t f = 0; f < model->feature_count; f++) {
        struct model_feature *feature = &model->features[f];
        for (uint32_t c = 0; c < model_feature_cells(feature); c++)
            feature->effects[c] = model_effect_rounded(feature->effects[c]);
    }
    for (uint32_t left = 0; left < model->feature_count; left++) {
        for (uint32_t right = left + 1; right < model->feature_count; right++) {
            if (below(chance) > 0 || model->pair_count == LEARN_PAIRS_MAX) continue;
            struct model_pair *pair = &model->pairs[model->pair_count++];
            *pair = (struct model_pair){.left = left, .right = right};
            pair->left_part = random_parts(model, left, &pair->left_parts);
            pair->right_part = random_parts(model, right, &pair->right_parts);
            uint32_t cells = pair->left_parts * pair->right_parts;
            pair->effects = arena_calloc(&model->arena, cells, sizeof *pair->effects);
            must(pair->effects != NULL, "no memory");
            for (uint32_t c = 0; c < cells; c++)
                pair->effects[c] = model_effect_rounded(random_normal(&random_state));
        }
    }
}

static struct model *random_model(const struct playbook *playbook) {
    const struct model_rule *rule = &playbook->models[0];
    uint32_t count = trainer_rule_width(rule), own = below(3);
    struct feature features[LEARN_FEATURES_MAX];
    struct value values[LEARN_FEATURES_MAX];
    static const char *const names[] = {"", "action", "action by channel"}, *const texts[] = {
                                                                                "c0", "c1", "b1",
                                                                                "letter",
                                                                                "banner by email"};
    struct training_set *set;
    struct model *model;
    for (uint32_t i = 0; i < count; i++) {
        enum value_type type =
            i < rule->feature_count
                ? playbook->traits[rule->features[i]].type
                : playbook->attributes[rule->attributes[i - rule->feature_count]].type;
        features[i] = (struct feature){.name = TEXT("x"),
                                       .kind = type == VALUE_TEXT ? FEATURE_TEXT : FEATURE_NUMBER};
    }
    if (own > 0) features[count++] = (struct feature){text_from(names[own]), FEATURE_TEXT, true};
    must(training_set_create(&set, features, count) == STATUS_OK, "no memory");
    for (uint32_t row = 0; row < ROWS; row++) {
        for (uint32_t i = 0; i < count; i++)
            values[i] = below(7) == 0                      ? value_unknown()
                        : features[i].kind == FEATURE_TEXT ? value_text(text_from(texts[below(5)]))
                                                           : value_number(below(40) / 4.0);
        struct training_row added = {values, below(3) == 0, 1, DAY(row), DAY(row + 1), row};
        must(training_set_add(set, &added) == STATUS_OK, "no memory");
    }
    struct learn_options options = {.seed = 5};
    must(model_train(&model, set, &options, NULL) == STATUS_OK, "no model");
    training_set_destroy(set);
    if (below(3) > 0) give_pairs(model);
    if (below(3) == 0) add_trees(model);
    return model;
}

/* ---- the plain way ---- */

struct plain {
    struct profile *profile;
    struct decider *decider;
    bool limited;
};

static void plain_price(struct plain *plain, struct treatment_trace *trace) {
    const struct playbook *playbook = plain->decider->data->playbook;
    const struct action *action = trace->treatment->action;
    const struct goal *goal = &playbook->goals[action->goal];
    trace->propensity = treatment_propensity(plain->decider, trace->treatment);
    trace->value = goal->value != NULL ? plain->decider->bases[action->goal].value
                   : value_is_known(goal->value_constant)
                       ? amount_of(playbook, goal->value_constant)
                       : 1;
    trace->weight = action->weight;
    if (action->weight_program != NULL) {
        struct value is = profile_eval(plain->profile, action->weight_program);
        trace->weight = is.type != VALUE_NUMBER || is.number < 0 ? 1
                        : is.number > 1000                       ? 1000
                                                                 : is.number;
    }
    trace->lever = 1 + action->lever_percent / 100;
    trace->cost = value_is_known(action->cost) ? amount_of(playbook, action->cost) : 0;
    if (trace->treatment->channel_rule->has_cost)
        trace->cost = trace->treatment->channel_rule->cost;
    trace->priority = trace->propensity * trace->weight * trace->value * trace->lever - trace->cost;
}

static struct treatment_trace plain_judge(struct plain *plain, const struct timeline *timeline,
                                          int64_t t_ms, const struct treatment *treatment) {
    struct treatment_trace trace = {.treatment = treatment,
                                    .propensity = NAN,
                                    .value = NAN,
                                    .weight = NAN,
                                    .lever = NAN,
                                    .cost = NAN,
                                    .priority = NAN};
    const struct expr_program *when = treatment->action->available;
    if (when != NULL && expr_is_constant(when)) {
        struct value is = profile_eval_for(plain->profile, when, timeline, treatment, t_ms);
        trace.unknown = !value_is_known(is);
        if (!(is.type == VALUE_YES_NO && is.yes)) return trace;
    }
    profile_with(plain->profile, treatment);
    for (enum stage stage = STAGE_AVAILABLE; stage <= STAGE_CONTACT_POLICY; stage++) {
        struct verdict verdict;
        must(stage_judge(plain->decider, timeline, t_ms, treatment, stage, &verdict) == STATUS_OK,
             "no memory");
        trace.send_after_ms = verdict.passes ? verdict.send_after_ms : 0;
        if (verdict.passes) continue;
        trace_stop(&trace, stage, &verdict);
        plain->limited |= trace.limited;
        return trace;
    }
    plain_price(plain, &trace);
    trace.unknown = isnan(trace.priority);
    trace.stopped_at = isnan(trace.priority) || isnan(trace.propensity) ? STAGE_PROPENSITY
                       : trace.priority <= 0                            ? STAGE_ARBITRATION
                                                                        : STAGE_OFFERED;
    return trace;
}

/* ---- comparing ---- */

static bool same_bits(double a, double b) {
    return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}

static bool same_trace(const struct treatment_trace *a, const struct treatment_trace *b) {
    bool figures = same_bits(a->propensity, b->propensity) && same_bits(a->value, b->value) &&
                   same_bits(a->weight, b->weight) && same_bits(a->lever, b->lever) &&
                   same_bits(a->cost, b->cost) && same_bits(a->priority, b->priority);
    /* What was offered may have lost its place, or to a cap, once better ones were ranked. */
    if (b->stopped_at == STAGE_OFFERED)
        return figures && (a->stopped_at == STAGE_OFFERED || a->stopped_at == STAGE_PLACEMENT ||
                           a->stopped_at == STAGE_CONTACT_POLICY);
    return figures && a->treatment == b->treatment && a->stopped_at == b->stopped_at &&
           a->policy == b->policy && text_equal(a->purpose, b->purpose) &&
           a->free_at_ms == b->free_at_ms && a->standing.free_at_ms == b->standing.free_at_ms &&
           a->standing.counted == b->standing.counted &&
           a->standing.pending == b->standing.pending && a->standing.cut == b->standing.cut &&
           a->send_after_ms == b->send_after_ms && a->unknown == b->unknown && a->held == b->held &&
           a->limited == b->limited;
}

static uint64_t compared, offered;

static bool compare(struct plain *plain, const struct timeline *timeline,
                    const struct decision *decision, const struct treatment_set *treatments) {
    int64_t t_ms = decision->t_ms;
    must(contact_history_read(&plain->decider->history, timeline, t_ms, false) == STATUS_OK,
         "no memory");
    plain->decider->permit_count = 0;
    plain->limited = timeline->truncated;
    profile_at_for(plain->profile, timeline, t_ms, plain->decider->wanted);
    plain->limited |= profile_limited(plain->profile);
    bool good = decision_shown_count(decision) == treatments->count;
    for (uint32_t i = 0; i < treatments->count && good; i++) {
        struct treatment_trace wanted =
            plain_judge(plain, timeline, t_ms, &treatments->treatments[i]);
        const struct treatment_trace shown = decision_shown(decision, i);
        good = same_trace(&shown, &wanted);
        compared++;
        offered += wanted.stopped_at == STAGE_OFFERED;
        if (!good)
            printf("%.*s: %s, the plain way %s; %.17g against %.17g\n",
                   TEXT_ARG(wanted.treatment->key), stage_name(shown.stopped_at),
                   stage_name(wanted.stopped_at), shown.propensity, wanted.propensity);
    }
    /* What stopped a treatment and the customer's traits must tell of a limit. Traits of a
     * treatment may, where the decision reads them. */
    bool may_be_limited = plain->limited || profile_limited(plain->profile);
    if (good && (decision->limited ? !may_be_limited : plain->limited)) {
        printf("a limit: %d, the plain way %d, %d\n", decision->limited, plain->limited,
               may_be_limited);
        return false;
    }
    return good;
}

static bool is_ranked(const struct decision *decision, uint32_t place) {
    for (uint32_t rank = 0; rank < decision->ranked_count; rank++) {
        if (text_equal(decision_treatment(decision, decision->ranked[rank])->key,
                       decision_treatment(decision, place)->key))
            return true;
    }
    return false;
}

/* Nothing that found no place is better than what has one; and of equals the first has it. */
static bool best_are_placed(const struct decision *decision) {
    const struct decision_trace *trace = &decision->trace;
    bool good = true;
    for (uint32_t rank = 0; rank < decision->ranked_count && !decision->holdout.in; rank++) {
        uint32_t taken = decision->ranked[rank];
        good &= trace->stage[taken] == STAGE_OFFERED;
        for (uint32_t i = 0; i < trace->count; i++) {
            if (trace->stage[i] != STAGE_PLACEMENT || is_ranked(decision, i)) continue;
            good &= trace->priority[i] < trace->priority[taken] ||
                    (same_bits(trace->priority[i], trace->priority[taken]) && i > taken);
        }
    }
    for (uint32_t i = 0; i < trace->count; i++)
        good &= trace->stage[i] != STAGE_OFFERED || is_ranked(decision, i);
    if (!good) printf("another treatment should have the place\n");
    return good;
}

/* What is packed of the trace tells the stage of every treatment of the set. */
static bool packed_trace_tells(struct decider *decider, const struct decision *decision) {
    struct packed_writer writer;
    struct buffer packed;
    bool good = true;
    packed_writer_init(&writer);
    buffer_init(&packed);
    must(decision_pack(decider, decision, &writer, &packed) == STATUS_OK, "no memory");
    struct value trace = packed_find(buffer_text(&packed), PROPERTY_TRACE);
    for (uint32_t i = 0; i < decision_shown_count(decision) && good; i++) {
        enum stage stage;
        good = decision_trace_stage(trace.text, i, &stage) &&
               stage == decision_shown(decision, i).stopped_at;
    }
    if (!good) printf("the trace %.*s tells something else\n", TEXT_ARG(trace.text));
    packed_writer_release(&writer);
    buffer_release(&packed);
    return good;
}

/* The reasons of the first rank are those of its whole score that the rule's features have. */
static bool reasons_are_the_models(struct decider *decider, const struct decision *decision) {
    struct model_reason told[REASONS_MAX], all[LEARN_FEATURES_MAX];
    if (decision->ranked_count == 0) return true;
    const struct treatment *first = decision_treatment(decision, decision->ranked[0]);
    const struct model *model = model_of_action(decider, first->action);
    if (model == NULL) return true;
    uint32_t width = trainer_rule_width(&decider->data->playbook->models[first->action->model]);
    uint32_t count = reasons_of(decider, first, told), at = 0;
    uint32_t found = model_reasons(model, decider->features, all, LEARN_FEATURES_MAX);
    bool good = true;
    for (uint32_t i = 0; i < found && at < REASONS_MAX; i++) {
        if (all[i].log_odds < 0 || all[i].feature >= width) continue;
        good &= at < count && same_bits(told[at].log_odds, all[i].log_odds);
        at++;
    }
    if (!good || at != count) printf("the model has other reasons\n");
    return good && at == count;
}

struct trial {
    struct scene scene;
    struct profile *profile;
    struct decider *decider;
    struct plain plain;
    struct decision decision;
    struct goal_base bases[BASES_MAX];
    bool with_known;
};

/* What is said changes from decision to decision, and often nothing is. */
static void say(struct trial *trial) {
    static const char *const said[] = {
        "",
        "{\"category\":\"c1\",\"size\":2}",
        "{\"category\":\"c2\",\"brand\":\"b1\",\"fee\":\"3.50\",\"due\":\"2017-02-10T00:00:00Z\"}",
        "{\"size\":0,\"fee\":\"9 EUR\",\"brand\":\"b2\"}",
        "{\"size\":3}",
    };
    const struct decision_basis basis = {.context = text_from(said[below(COUNT(said))])};
    must(decider_name_basis(trial->decider, &basis, NULL) == STATUS_OK &&
             decider_name_basis(trial->plain.decider, &basis, NULL) == STATUS_OK,
         "nothing can be said");
}

static bool decide_at(struct trial *trial, uint32_t customer, int64_t t_ms) {
    struct timeline_source *source = trial->scene.data.source;
    struct timeline_reader *reader;
    struct timeline timeline;
    struct as_of as_of = {t_ms, POSITION_NOW};
    (void)profile_request(trial->plain.profile, as_of, trial->with_known);
    struct timeline_request request = profile_request(trial->profile, as_of, trial->with_known);
    must(source->ops->reader_open(source, &reader, NULL) == STATUS_OK, "no reader");
    must(source->ops->read(reader, (struct customer_id){customer}, &request, &timeline, NULL) ==
             STATUS_OK,
         "no timeline");
    timeline.truncated = below(8) == 0;
    say(trial);
    must(decide_customer(trial->decider, &timeline, t_ms, &trial->decision, NULL) == STATUS_OK,
         "no decision");
    bool good = compare(&trial->plain, &timeline, &trial->decision,
                        scene_treatments_at(&trial->scene, t_ms)) &&
                packed_trace_tells(trial->decider, &trial->decision) &&
                reasons_are_the_models(trial->decider, &trial->decision) &&
                best_are_placed(&trial->decision);
    source->ops->reader_close(reader);
    return good;
}

static void create_decider(struct trial *trial, const struct model *const *models,
                           struct profile **profile, struct decider **decider) {
    must(profile_create(profile, &trial->scene.data) == STATUS_OK &&
             decider_create(decider, &trial->scene.data, *profile, models, trial->bases) ==
                 STATUS_OK,
         "no memory");
}

static bool run(uint64_t seed) {
    static struct trial trial;
    struct buffer text;
    bool good = true;
    random_init(&random_state, seed);
    buffer_init(&text);
    write_playbook(&text);
    must(buffer_append(&text, "", 1) == STATUS_OK, "no memory");
    memset(&trial, 0, sizeof trial);
    scene_init(&trial.scene, text.at);
    scene_lookup(&trial.scene, "product", "p1|c1\np2|c2\np3|c1\n");
    write_offers(&trial.scene, TIME_ALWAYS);
    if (below(2)) write_offers(&trial.scene, DAY(50));
    trial.with_known = below(2);
    write_events(&trial.scene, trial.with_known);
    for (uint32_t i = 0; i < BASES_MAX; i++)
        trial.bases[i] = (struct goal_base){.rate = below(9) / 10.0,
                                            .value = below(5) ? below(20) : (double)NAN,
                                            .treated_rows = below(2) * below(30),
                                            .treated_rate = below(9) / 9.0};
    struct model *model = below(4) ? random_model(trial.scene.playbook) : NULL;
    const struct model *models[] = {model};
    create_decider(&trial, models, &trial.profile, &trial.decider);
    create_decider(&trial, models, &trial.plain.profile, &trial.plain.decider);
    for (uint32_t i = 0; i < CUSTOMERS * MOMENTS && good; i++)
        good = decide_at(&trial, 1 + i % CUSTOMERS,
                         DAY(1 + below(LAST_DAY + 20)) + below(TIME_DAY_MS));
    if (!good) printf("seed %" PRIu64 ":\n%s", seed, text.at);
    decider_destroy(trial.decider);
    profile_destroy(trial.profile);
    decider_destroy(trial.plain.decider);
    profile_destroy(trial.plain.profile);
    model_destroy(model);
    scene_release(&trial.scene);
    buffer_release(&text);
    return good;
}

int main(int argc, char **argv) {
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1,
             trials = argc > 2 ? strtoull(argv[2], NULL, 10) : 200, failed = 0;
    for (uint64_t i = 0; i < trials && failed == 0; i++) failed += !run(seed + i);
    printf("%" PRIu64 " treatments compared from seed %" PRIu64 ", %" PRIu64 " offered\n", compared,
           seed, offered);
    return failed > 0 || offered == 0;
}
