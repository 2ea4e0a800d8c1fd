/* SPDX-License-Identifier: Apache-2.0 */
/* What a playbook becomes: structs, types, order, treatments; and what is left when memory runs
 * out. */
#include "playbook_trial.h"

static const char *const examples[] = {
    "examples/grocer/playbook.yaml", "examples/auto/playbook.yaml",
    "examples/concert/playbook.yaml", "examples/fashion/playbook.yaml"};

static void test_examples_load(void **state) {
    (void)state;
    struct buffer bytes;
    buffer_init(&bytes);
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        read_source_file(examples[i], &bytes);
        struct symbols *symbols = new_symbols();
        struct playbook *playbook = load(buffer_text(&bytes), symbols);
        assert_true(playbook->trait_count > 0 && playbook->scenario_count > 0 &&
                    playbook->action_count > 0);
        playbook_destroy(playbook);
        symbols_destroy(symbols);
    }
    buffer_release(&bytes);
}

static void test_starter_loads(void **state) {
    (void)state;
    struct symbols *symbols = new_symbols();
    struct playbook *playbook = load(playbook_starter(), symbols);
    assert_true(playbook->source_count > 1 && playbook->trait_count > 2 &&
                playbook->action_count > 0);
    playbook_destroy(playbook);
    symbols_destroy(symbols);
}

/* Service messages, sensitive topics and what is named are not left to chance. */
static void test_exploration(void **state) {
    (void)state;
    static struct playbook_errors warnings;
    for (int says_when = 0; says_when < 2; says_when++) {
        struct buffer bytes;
        buffer_init(&bytes);
        assert_int_equal(
            buffer_format(&bytes,
                          "attune: 1\nevents: { E: { n: number } }\n"
                          "goals: { g: { event: E, within: 3d } }\nactions:\n"
                          "  a: { goal: g, group: one, channels: [web, email] }\n"
                          "  b: { goal: g, group: two, channels: [web] }\n"
                          "  c: { goal: g, service: yes, channels: [web] }\n"
                          "  d: { goal: g, topic: health, channels: [web] }\n"
                          "  e: { goal: g, channels: [web] }\n"
                          "explore: { share: 2%%, off: { channels: [email], groups: [two]%s } }\n",
                          says_when ? ", actions: [e], when: 'count(\"E\") > 3'" : ""),
            STATUS_OK);
        struct symbols *symbols = new_symbols();
        struct playbook *playbook = load(buffer_text(&bytes), symbols);
        const struct action *actions = playbook->actions;
        assert_true(playbook->explore.on && playbook->explore.share == .02);
        assert_true(playbook->explore.gamma == 1000 && playbook->explore.candidates == 10);
        assert_true(actions[0].channels[0].explored && !actions[0].channels[1].explored);
        for (int i = 1; i < 4; i++) assert_false(actions[i].channels[0].explored);
        assert_true(actions[4].channels[0].explored == !says_when);
        assert_true((playbook->explore.off_when != NULL) == says_when);
        playbook_warnings(playbook, &warnings);
        assert_int_equal(warnings.count, !says_when);
        if (!says_when) assert_non_null(strstr(warnings.item[0].text, "an open complaint"));
        playbook_destroy(playbook);
        symbols_destroy(symbols);
        buffer_release(&bytes);
    }
}

/* What is warned of is gone once the line is written that the warning tells. */
static void test_warnings(void **state) {
    (void)state;
    static const char begin[] =
        "attune: 1\ncustomer: { identifiers: { email: {}, card: {} } }\nsources:\n"
        "  clicks: { file: \"c*.ndjson\", key: { email: email } }\n"
        "  offer: { file: \"o*.csv\", lookup: offer_id }\n"
        "  mail: { file: \"m*.csv\", event: Mailed, time: at, key: { email: address, card: card }";
    static const char *const more[] = {" }\n", ", row_key: [address, card, at] }\n",
                                       ", one_event_per: order }\n"};
    static const char *const lines[] = {"row_key: [address, card, at] ", NULL, "row_key: order "};
    static struct playbook_errors warnings;
    for (size_t i = 0; i < 3; i++) {
        struct buffer bytes;
        buffer_init(&bytes);
        assert_int_equal(buffer_format(&bytes, "%s%s", begin, more[i]), STATUS_OK);
        struct symbols *symbols = new_symbols();
        struct playbook *playbook = load(buffer_text(&bytes), symbols);
        playbook_warnings(playbook, &warnings);
        assert_int_equal(warnings.count, lines[i] != NULL);
        if (lines[i] != NULL) {
            assert_non_null(strstr(warnings.item[0].text, lines[i]));
            assert_int_equal(warnings.item[0].place.line, 6);
        }
        playbook_destroy(playbook);
        symbols_destroy(symbols);
        buffer_release(&bytes);
    }
}

/* The yaml blocks of the reference, one after the other. */
static void append_blocks(struct text page, struct buffer *out) {
    static const char open[] = "```yaml\n", close[] = "```";
    while (page.length > 0) {
        const char *from = memmem(page.at, page.length, open, sizeof open - 1);
        if (from == NULL) return;
        from += sizeof open - 1;
        const char *to =
            memmem(from, (size_t)(page.at + page.length - from), close, sizeof close - 1);
        assert_non_null(to);
        assert_int_equal(buffer_append(out, from, (size_t)(to - from)), STATUS_OK);
        page.length -= (uint32_t)(to - page.at);
        page.at = to;
    }
}

static void test_reference_loads(void **state) {
    (void)state;
    struct buffer page, blocks;
    buffer_init(&page);
    buffer_init(&blocks);
    read_source_file("docs/playbook.md", &page);
    append_blocks(buffer_text(&page), &blocks);
    struct symbols *symbols = new_symbols();
    struct playbook *playbook = load(buffer_text(&blocks), symbols);
    assert_true(playbook->policy_count > 5 && playbook->action_count == 3);
    const struct action *advice =
        &playbook->actions[playbook_action_find(playbook, TEXT("advice"))];
    assert_true(advice->sensitive);
    playbook_destroy(playbook);
    symbols_destroy(symbols);
    buffer_release(&blocks);
    buffer_release(&page);
}

static void test_least(void **state) {
    (void)state;
    struct symbols *symbols = new_symbols();
    struct playbook *playbook = load(TEXT("attune: 1\ngoals:\npolicies:\n"), symbols);
    assert_text(playbook->name, "playbook");
    assert_text(playbook->zone_name, "UTC");
    assert_text(playbook->holdout_salt, "playbook");
    assert_int_equal(playbook->visit_gap_ms, 30 * TIME_MINUTE_MS);
    assert_int_equal(playbook->slots_per_decision, 1);
    assert_int_equal(playbook->landmarks.every_ms, 30 * TIME_DAY_MS);
    assert_int_equal(playbook->purpose_count, 5);
    assert_true(playbook->holdout_share == 0);
    assert_int_equal(playbook->trait_count, 0);
    playbook_destroy(playbook);
    symbols_destroy(symbols);
}

/* ---- sources ---- */

static const char shop[] =
    "attune: 1\n"
    "currency: EUR\n"
    "zone: Europe/Berlin\n"
    "customer:\n"
    "  identifiers:\n"
    "    user_id:\n"
    "    email: { per_customer: 2, expires: 395d, blocked: [shop@example.org], events_per_day: 20 "
    "}\n"
    "    anonymous_id:\n"
    "events:\n"
    "  Order Completed: { revenue: money, products: { price: money } }\n"
    "sources:\n"
    "  product: { lookup: sku, columns: [sku, brand, weight], types: { weight: number } }\n"
    "  shop: { lookup: shop_id, types: { city: text, opened: time } }\n"
    "  stock: { lookup: shop_id, many: yes }\n"
    "  orders:\n"
    "    file: \"orders*.csv.gz\"\n"
    "    event: Order Completed\n"
    "    channel: store\n"
    "    one_event_per: order\n"
    "    time: at\n"
    "    arrives: 1d\n"
    "    zone: Europe/Paris\n"
    "    delimiter: tab\n"
    "    key: { email: mail }\n"
    "    row_key: \"{order}/{at}\"\n"
    "    types: { quantity: number }\n"
    "    properties:\n"
    "      revenue: sum(amount)\n"
    "      lines: count()\n"
    "      kind: 'order'\n"
    "      label: \"no {order}\"\n"
    "      city: shop.city\n"
    "      shop: shop_id\n"
    "      products: [sku, { quantity: quantity }, price]\n"
    "  web: { file: \"web*.ndjson.gz\", format: segment, arrives: live }\n"
    "  app:\n"
    "    file: app.jsonl\n"
    "    event: \"{name}\"\n"
    "    time: at\n"
    "    key: { user_id: user.id }\n"
    "    properties_at: data\n"
    "    properties: { button: text, screen: ui.screen, depth: number, items: { sku: text, price: "
    "money } }\n"
    "traits:\n"
    "  z: y + 1\n"
    "  y: count(\"Order Completed\") in 90d\n"
    "  seen: exists(\"Product Viewed\" where price > 10 EUR) in 7d\n"
    "  heavy: count(\"Order Completed\".products where weight > 3)\n"
    "  local: count(\"Order Completed\" where city == action.city)\n"
    "  sells: count(\"Order Completed\".products where sku in action.stock)\n"
    "  often: local > z\n"
    "goals:\n"
    "  order: { event: Order Completed, within: 30d, value: revenue * 0.2, where: shop == "
    "action.shop_id, undone_by: Order Refunded }\n"
    "models: { m: { goal: order, attributes: [city, tone] } }\n"
    "levers: { groups: { visits: 10% }, issues: { growth: -5% } }\n"
    "actions:\n"
    "  come:\n"
    "    for_each: shop\n"
    "    title: \"Visit us in {city} ({tone})\"\n"
    "    group: visits\n"
    "    issue: growth\n"
    "    lever: 20%\n"
    "    attributes: { tone: warm, stock: stock.sku, sizes: [38, 39], limit: 20 EUR, owner: "
    "shop.manager }\n"
    "    available: action.opened < now\n"
    "    eligible: often\n"
    "    goal: order\n"
    "    cost: 1.50 EUR\n"
    "    channels: { email: { placement: letter }, web: , phone: { cost: 2.5 EUR, script: call.md "
    "} }\n"
    "  thank: { goal: order, service: yes, cost: 0.5, channels: [email] }\n"
    "policies:\n"
    "  - { channel: email, group: visits, at_most: 2, in: 7d }\n"
    "  - { after: Rejected, times: 2, of: same action, wait: 30d }\n"
    "  - { never_without: consent to location, action: come }\n"
    "  - { quiet: \"21:30-8:00\", channel: phone }\n"
    "  - { at_most: 1, in: 1d, of: same treatment }\n"
    "  - { at_most: 1, in: 1d, of: any action, channel: web }\n";

struct playbook_world {
    struct symbols *symbols;
    struct playbook *playbook;
};

static int set_up(void **state) {
    static struct playbook_world world;
    world.symbols = new_symbols();
    world.playbook = load(TEXT(shop), world.symbols);
    *state = &world;
    return 0;
}

static int tear_down(void **state) {
    struct playbook_world *world = *state;
    playbook_destroy(world->playbook);
    symbols_destroy(world->symbols);
    return 0;
}

static const struct property_rule *rule_of(const struct playbook_world *world, const char *event,
                                           const char *property) {
    uint32_t type =
        event == NULL ? SYMBOL_NONE : symbol_find(world->symbols, SYMBOL_EVENT, text_from(event));
    for (uint32_t i = 0; i < world->playbook->property_rule_count; i++) {
        const struct property_rule *rule = &world->playbook->properties[i];
        if (rule->event_type == type && text_equal(rule->name, text_from(property))) return rule;
    }
    return NULL;
}

/* The copy in force has another file name: the holdout is drawn by the name. */
static void test_a_name_is_not_the_files(void **state) {
    (void)state;
    static const char *const files[] = {"shop.yaml", "data/playbooks/519b05402d4f43c3.yaml"};
    static struct playbook_errors mistakes;
    for (size_t i = 0; i < 2; i++) {
        struct symbols *symbols = new_symbols();
        struct playbook *playbook;
        assert_int_equal(playbook_load(&playbook, files[i],
                                       TEXT("attune: 1\nholdout: { share: 5% }\n"), symbols,
                                       &mistakes),
                         STATUS_OK);
        assert_text(playbook->name, "playbook");
        assert_text(playbook->holdout_salt, "playbook");
        playbook_destroy(playbook);
        symbols_destroy(symbols);
    }
}

static void test_identifiers(void **state) {
    const struct playbook_world *world = *state;
    const struct identifier_rule *rules = world->playbook->identifiers;
    assert_int_equal(world->playbook->identifier_count, 3);
    assert_true(rules[0].unique && rules[0].per_customer == 1 && rules[0].priority == 0);
    assert_true(rules[1].lower_case && rules[1].per_customer == 2 &&
                rules[1].events_per_day_max == 20);
    assert_int_equal(rules[1].expires_ms, 395 * TIME_DAY_MS);
    assert_int_equal(rules[1].blocked_count, 1);
    assert_text(rules[1].blocked[0], "shop@example.org");
    assert_int_equal(rules[2].per_customer, 50);
}

static void test_csv_source(void **state) {
    const struct playbook_world *world = *state;
    const struct source *source =
        &world->playbook->sources[playbook_source_find(world->playbook, TEXT("orders"))];
    assert_true(source->format == SOURCE_CSV && source->delimiter == '\t' && source->has_header &&
                !source->is_lookup);
    assert_int_equal(source->arrives_ms, TIME_DAY_MS);
    assert_text(source->one_event_per, "order");
    assert_true(source->row_key_count == 1 && source->row_keys[0].kind == FIELD_TEMPLATE);
    assert_int_equal(source->identifiers[0].rule, 1);
    assert_text(source->identifiers[0].from.column, "mail");
    assert_true(source->zone != NULL && source->zone != world->playbook->zone);
    assert_int_equal(source->event_type,
                     symbol_find(world->symbols, SYMBOL_EVENT, TEXT("Order Completed")));
    assert_int_equal(source->channel, symbol_find(world->symbols, SYMBOL_CHANNEL, TEXT("store")));
    const struct property_map *map = source->properties;
    assert_int_equal(source->property_count, 7);
    assert_true(map[0].from.kind == FIELD_AGGREGATE && map[0].from.aggregate == '+' &&
                map[0].from.type == VALUE_MONEY);
    assert_true(map[1].from.aggregate == '#' && map[1].from.type == VALUE_NUMBER);
    assert_true(map[2].from.kind == FIELD_CONSTANT);
    assert_text(map[2].from.text, "order");
    assert_true(map[3].from.kind == FIELD_TEMPLATE);
    assert_true(map[4].from.kind == FIELD_LOOKUP &&
                map[4].from.lookup == playbook_lookup_find(world->playbook, TEXT("shop")));
    assert_text(map[4].from.lookup_field, "city");
    assert_true(map[5].from.kind == FIELD_COLUMN && map[5].from.type == VALUE_TEXT);
    assert_true(map[6].from.kind == FIELD_LIST && map[6].from.column_count == 3);
    assert_int_equal(map[6].from.column_types[0], VALUE_TEXT);
    assert_int_equal(map[6].from.column_types[1], VALUE_NUMBER);
    assert_int_equal(map[6].from.column_types[2], VALUE_MONEY); /* as the event has it */
}

static void test_json_sources(void **state) {
    const struct playbook_world *world = *state;
    const struct source *web =
        &world->playbook->sources[playbook_source_find(world->playbook, TEXT("web"))];
    const struct source *app =
        &world->playbook->sources[playbook_source_find(world->playbook, TEXT("app"))];
    assert_true(web->format == SOURCE_NDJSON && web->segment && web->properties_open &&
                web->known_on_arrival);
    assert_text(web->event.column, "event");
    assert_text(web->time.column, "timestamp");
    assert_text(web->row_keys[0].column, "messageId");
    assert_text(web->properties_path, "properties");
    assert_int_equal(web->identifier_count, 2);
    assert_text(web->identifiers[0].from.column, "userId");
    assert_text(web->identifiers[1].from.column, "anonymousId");
    assert_true(app->format == SOURCE_NDJSON && !app->segment && !app->properties_open);
    assert_true(app->event.kind == FIELD_COLUMN && app->event_type == SYMBOL_NONE);
    assert_text(app->event.column, "name");
    assert_text(app->properties[0].from.column, "data.button");
    assert_text(app->properties[1].from.column, "ui.screen");
    assert_int_equal(app->properties[2].from.type, VALUE_NUMBER);
    assert_true(app->properties[3].from.kind == FIELD_LIST);
    assert_text(app->properties[3].from.column, "data.items");
    assert_text(app->properties[3].from.columns[1], "price");
    assert_int_equal(app->properties[3].from.column_types[1], VALUE_MONEY);
}

static void test_lookups(void **state) {
    const struct playbook_world *world = *state;
    const struct lookup_rule *lookups = world->playbook->lookups;
    assert_int_equal(world->playbook->lookup_count, 3);
    assert_false(lookups[0].fields_open);
    assert_int_equal(lookups[0].field_count, 3);
    assert_int_equal(lookups[0].fields[1].type,
                     VALUE_NUMBER); /* the key, then what has a type, then the rest */
    assert_true(lookups[1].fields_open);
    assert_int_equal(lookups[1].field_count, 4); /* the key, two declared, manager by its use */
    assert_text(lookups[1].fields[3].name, "manager");
    assert_int_equal(lookups[1].fields[3].type, VALUE_TEXT);
    assert_true(lookups[2].many);
    assert_int_equal(lookups[2].source, playbook_source_find(world->playbook, TEXT("stock")));
}

static void test_property_types(void **state) {
    const struct playbook_world *world = *state;
    assert_int_equal(rule_of(world, "Order Completed", "revenue")->type, VALUE_MONEY);
    assert_int_equal(rule_of(world, "Order Completed", "lines")->type, VALUE_NUMBER);
    assert_int_equal(rule_of(world, "Order Completed", "tax")->type,
                     VALUE_MONEY); /* the Segment spec's */
    assert_int_equal(rule_of(world, "Product Viewed", "price")->type, VALUE_MONEY);
    assert_int_equal(rule_of(world, NULL, "depth")->type, VALUE_NUMBER);
    assert_int_equal(rule_of(world, "Consent Changed", "state")->type, VALUE_YES_NO);
    const struct property_rule *products = rule_of(world, "Order Completed", "products");
    assert_int_equal(products->type, VALUE_LIST);
    bool found = false;
    for (uint32_t i = 0; i < products->field_count; i++) {
        struct text name = symbol_text(world->symbols, SYMBOL_PROPERTY, products->field_symbols[i]);
        assert_true(text_equal(name, products->fields[i].name));
        found = found ||
                (text_equal(name, TEXT("quantity")) && products->fields[i].type == VALUE_NUMBER);
    }
    assert_true(found);
}

static void test_traits_in_order(void **state) {
    const struct playbook_world *world = *state;
    const struct playbook *playbook = world->playbook;
    assert_int_equal(playbook->trait_count, 7);
    for (uint32_t i = 0; i < playbook->trait_count; i++) {
        uint32_t read[16], count = expr_traits(playbook->traits[i].program, read, 16);
        for (uint32_t k = 0; k < count; k++) assert_true(read[k] < i);
    }
    const struct trait *often = &playbook->traits[playbook_trait_find(playbook, TEXT("often"))];
    assert_true(often->is_segment &&
                often->of_treatment); /* it reads `local`, which reads action.city */
    assert_false(playbook->traits[playbook_trait_find(playbook, TEXT("z"))].of_treatment);
    assert_int_equal(playbook_trait_find(playbook, TEXT("none")), UINT32_MAX);
}

static void test_goal_and_model(void **state) {
    const struct playbook_world *world = *state;
    const struct goal *goal =
        &world->playbook->goals[playbook_goal_find(world->playbook, TEXT("order"))];
    assert_int_equal(goal->within_ms, 30 * TIME_DAY_MS);
    assert_int_equal(goal->arrives_ms, TIME_DAY_MS);
    assert_true(goal->where != NULL && expr_uses_treatment(goal->where));
    assert_int_equal(expr_type(goal->value), VALUE_MONEY);
    assert_int_equal(goal->undone_by,
                     symbol_find(world->symbols, SYMBOL_EVENT, TEXT("Order Refunded")));
    const struct model_rule *model = &world->playbook->models[0];
    assert_int_equal(model->event_type, EVENT_TREATMENT_DELIVERED);
    assert_int_equal(model->feature_count, world->playbook->trait_count);
    assert_int_equal(model->attribute_count, 2);
}

static void test_actions_and_policies(void **state) {
    const struct playbook_world *world = *state;
    const struct action *come = &world->playbook->actions[0], *thank = &world->playbook->actions[1];
    assert_true(come->model == 0 && come->goal == 0 && thank->model == 0);
    assert_true(come->lever_percent > 24.99 && come->lever_percent < 25.01); /* 20 + 10 - 5 */
    assert_true(come->cost.type == VALUE_MONEY && come->cost.minor == 150);
    assert_int_equal(come->channel_count, 3);
    assert_text(come->channels[0].placement, "letter");
    assert_true(come->channels[2].has_cost && come->channels[2].cost == 2.5 &&
                !come->channels[0].has_cost);
    assert_true(thank->service && thank->cost.type == VALUE_NUMBER &&
                thank->for_each == UINT32_MAX);
    assert_text(come->available_source, "action.opened < now");
    const struct policy *policies = world->playbook->policies;
    assert_int_equal(world->playbook->policy_count, 6);
    assert_true(policies[0].scope == SCOPE_GROUP && policies[0].channel != SYMBOL_NONE &&
                policies[0].max_count == 2);
    assert_text(policies[0].text, "at most 2 in 7d of group visits on email");
    assert_true(policies[1].scope == SCOPE_SAME_ACTION &&
                policies[1].after_event == EVENT_TREATMENT_REJECTED);
    assert_text(policies[1].text, "wait 30d after 2 times Treatment Rejected of the same action");
    assert_true(policies[2].scope == SCOPE_ACTION && !policies[2].needs_opt_in);
    assert_text(policies[2].purpose, "location");
    assert_int_equal(policies[3].quiet_from_minute, 21 * 60 + 30);
    assert_int_equal(policies[3].quiet_to_minute, 8 * 60);
    assert_text(policies[3].text, "quiet from 21:30 to 08:00 local time on phone");
    assert_int_equal(policies[4].scope, SCOPE_SAME_TREATMENT);
    assert_text(policies[4].text, "at most 1 in 1d of the same treatment");
    assert_int_equal(policies[5].scope, SCOPE_CHANNEL);
}

/* A later expression compiles against the playbook, and adds no columns to its lookups. */
static void test_later_expressions(void **state) {
    const struct playbook_world *world = *state;
    struct expr_program *program;
    struct expr_error error;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    assert_int_equal(expr_compile(&arena, &world->playbook->schema, TEXT("z > 3 and not often"),
                                  &program, &error),
                     STATUS_OK);
    assert_int_equal(expr_compile(&arena, &world->playbook->schema, TEXT("action.unheard == \"x\""),
                                  &program, &error),
                     STATUS_INVALID);
    arena_release(&arena);
}

/* The playbook's zone, Berlin, is the zone of its expressions. */
static void test_zone_of_expressions(void **state) {
    const struct playbook_world *world = *state;
    struct expr_program *program;
    struct expr_error error;
    struct arena arena;
    struct timeline timeline = {0};
    struct expr_env env = {.timeline = &timeline, .t_ms = INT64_C(1506859200000)};
    arena_init(&arena, 1 << 20);
    struct text source =
        TEXT("hour(now) == 14 and time \"2017-10-01\" == time \"2017-09-30 22:00Z\"");
    assert_int_equal(expr_compile(&arena, &world->playbook->schema, source, &program, &error),
                     STATUS_OK);
    struct value value = expr_eval(program, &env);
    assert_true(value.type == VALUE_YES_NO && value.yes);
    arena_release(&arena);
}

/* ---- treatments ---- */

static struct lookup_table *shops(void) {
    static const struct lookup_field fields[] = {{{"shop_id", 7}, VALUE_TEXT},
                                                 {{"city", 4}, VALUE_TEXT},
                                                 {{"opened", 6}, VALUE_TIME},
                                                 {{"manager", 7}, VALUE_TEXT}};
    static const uint32_t key = 0;
    struct lookup_table *table;
    assert_int_equal(lookup_create(&table, fields, 4, &key, 1, false), STATUS_OK);
    struct value tampa[] = {value_text(TEXT("s1")), value_text(TEXT("Tampa")), value_time(1000),
                            value_text(TEXT("Ann"))};
    struct value naples[] = {value_text(TEXT("s2 \t")), value_text(TEXT("Naples")), value_unknown(),
                             value_unknown()};
    assert_int_equal(lookup_add(table, tampa), STATUS_OK);
    assert_int_equal(lookup_add(table, naples), STATUS_OK);
    assert_int_equal(lookup_finish(table), STATUS_OK);
    return table;
}

static struct lookup_table *stock(void) {
    static const struct lookup_field fields[] = {{{"shop_id", 7}, VALUE_TEXT},
                                                 {{"sku", 3}, VALUE_TEXT}};
    static const uint32_t key = 0;
    struct lookup_table *table;
    assert_int_equal(lookup_create(&table, fields, 2, &key, 1, true), STATUS_OK);
    for (uint32_t i = 0; i < 3; i++) {
        static const char *const skus[] = {"a", "b", "c"};
        struct value row[] = {value_text(TEXT("s1")), value_text(text_from(skus[i]))};
        assert_int_equal(lookup_add(table, row), STATUS_OK);
    }
    assert_int_equal(lookup_finish(table), STATUS_OK);
    return table;
}

static const struct expr_attribute *attribute_of(const struct playbook_world *world,
                                                 const struct treatment *treatment,
                                                 const char *name) {
    for (uint32_t i = 0; i < world->playbook->attribute_count; i++) {
        if (text_equal(world->playbook->attributes[i].name, text_from(name)))
            return &treatment->attributes[i];
    }
    return NULL;
}

static void test_treatments(void **state) {
    const struct playbook_world *world = *state;
    struct lookup_table *shop_table = shops(), *stock_table = stock();
    const struct lookup_table *lookups[] = {NULL, shop_table, stock_table};
    struct treatment_set *set;
    struct error error;
    assert_int_equal(treatment_set_create(&set, world->playbook, lookups, &error), STATUS_OK);
    lookup_destroy(shop_table); /* nothing is borrowed */
    lookup_destroy(stock_table);
    assert_int_equal(set->count, 2 * 3 + 1);
    const struct treatment *tampa = treatment_find(set, TEXT("come/s1"), SYMBOL_NONE);
    assert_non_null(tampa);
    assert_text(tampa->title, "Visit us in Tampa (warm)");
    assert_text(attribute_of(world, tampa, "city")->value.text, "Tampa");
    assert_text(attribute_of(world, tampa, "owner")->value.text, "Ann");
    assert_int_equal(attribute_of(world, tampa, "opened")->value.time_ms, 1000);
    assert_int_equal(attribute_of(world, tampa, "limit")->value.minor, 2000);
    assert_int_equal(value_set_count(attribute_of(world, tampa, "stock")->set), 3);
    assert_true(value_set_contains(attribute_of(world, tampa, "sizes")->set, value_number(39)));
    uint32_t phone = symbol_find(world->symbols, SYMBOL_CHANNEL, TEXT("phone"));
    const struct treatment *naples = treatment_find(set, TEXT("come/s2"), phone);
    assert_true(naples != NULL && naples->channel == phone && naples->channel_rule->has_cost);
    assert_int_equal(value_set_count(attribute_of(world, naples, "stock")->set), 0);
    assert_int_equal(attribute_of(world, naples, "owner")->value.type, VALUE_UNKNOWN);
    assert_null(treatment_find(set, TEXT("thank"), phone));
    assert_non_null(treatment_find(set, TEXT("thank"), SYMBOL_NONE));
    assert_null(treatment_find(set, TEXT("come/s3"), SYMBOL_NONE));
    for (uint32_t i = 0; i < set->count; i++) assert_int_equal(set->treatments[i].index, i);
    treatment_set_destroy(set);
}

static void test_treatments_without_lookups(void **state) {
    const struct playbook_world *world = *state;
    const struct lookup_table *lookups[3] = {NULL};
    struct treatment_set *set;
    struct error error;
    assert_int_equal(treatment_set_create(&set, world->playbook, lookups, &error), STATUS_OK);
    assert_int_equal(set->count, 1);
    assert_text(set->treatments[0].key, "thank");
    assert_text(set->treatments[0].title, "thank");
    treatment_set_destroy(set);
}

/* ---- memory ---- */

static void test_failing_allocations(void **state) {
    (void)state;
    enum status status = STATUS_NO_MEMORY;
    uint64_t nth = 0;
    while (status != STATUS_OK) {
        struct symbols *symbols = new_symbols();
        struct playbook *playbook = NULL;
        memory_fail_at(++nth);
        status = playbook_load(&playbook, "playbook.yaml", TEXT(shop), symbols, &errors);
        memory_fail_at(0);
        assert_true(status == STATUS_OK || status == STATUS_NO_MEMORY);
        assert_int_equal(errors.count, 0);
        assert_true((status == STATUS_OK) == (playbook != NULL));
        playbook_destroy(playbook);
        symbols_destroy(symbols);
    }
    assert_true(nth > 10);
}

static void test_failing_allocations_of_treatments(void **state) {
    const struct playbook_world *world = *state;
    struct lookup_table *shop_table = shops(), *stock_table = stock();
    const struct lookup_table *lookups[] = {NULL, shop_table, stock_table};
    enum status status = STATUS_NO_MEMORY;
    uint64_t nth = 0;
    while (status != STATUS_OK) {
        struct treatment_set *set = NULL;
        struct error error = {0};
        memory_fail_at(++nth);
        status = treatment_set_create(&set, world->playbook, lookups, &error);
        memory_fail_at(0);
        assert_true(status == STATUS_OK ||
                    (status == STATUS_NO_MEMORY && error.text[0] != 0 && set == NULL));
        treatment_set_destroy(set);
    }
    assert_true(nth > 5);
    lookup_destroy(shop_table);
    lookup_destroy(stock_table);
}

static void test_a_model_that_no_action_uses(void **state) {
    (void)state;
    static struct playbook_errors warnings;
    static const char text[] = "attune: 1\n"
                               "customer: { identifiers: { email: } }\n"
                               "events: { E: { n: number } }\n"
                               "goals: { g: { event: E, within: 3d } }\n"
                               "models: { used: { goal: g }, idle: { goal: g } }\n"
                               "actions: { a: { goal: g, channels: [web] } }\n";
    struct symbols *symbols;
    struct playbook *playbook;
    assert_int_equal(symbols_create(&symbols), STATUS_OK);
    assert_int_equal(playbook_load(&playbook, "p.yaml", text_from(text), symbols, &errors),
                     STATUS_OK);
    playbook_warnings(playbook, &warnings);
    assert_int_equal(warnings.count, 1);
    assert_non_null(strstr(warnings.item[0].text, "model idle is used by no action"));
    assert_int_equal(warnings.item[0].place.line, 5);
    playbook_destroy(playbook);
    symbols_destroy(symbols);
}

/* What a policy will not do, although it reads as if it did. */
static void test_policies_that_do_less_than_they_say(void **state) {
    (void)state;
    static struct playbook_errors warnings;
    static const char text[] =
        "attune: 1\n"
        "customer: { identifiers: { email: } }\n"
        "events: { E: { n: number }, Complained: { about: text } }\n"
        "goals: { g: { event: E, within: 3d } }\n"
        "actions: { a: { goal: g, channels: [web, kiosk, email] } }\n"
        "channels: { kiosk: { direction: outbound, receipts: yes, expires: 1d } }\n"
        "policies:\n"
        "  - { after: Complained, of: same action, wait: 3d }\n"
        "  - { after: Rejected, of: same action, wait: 3d }\n"
        "  - { quiet: \"21:00-08:00\", channel: web }\n"
        "  - { quiet: \"21:00-08:00\", channel: kiosk }\n"
        "  - { at_most: 1, per: day }\n";
    struct symbols *symbols;
    struct playbook *playbook;
    assert_int_equal(symbols_create(&symbols), STATUS_OK);
    assert_int_equal(playbook_load(&playbook, "p.yaml", text_from(text), symbols, &errors),
                     STATUS_OK);
    playbook_warnings(playbook, &warnings);
    assert_int_equal(warnings.count, 2);
    assert_non_null(strstr(warnings.item[0].text, "names no treatment"));
    assert_int_equal(warnings.item[0].place.line, 8);
    assert_non_null(strstr(warnings.item[1].text, "quiet defers nothing"));
    assert_int_equal(warnings.item[1].place.line, 10);
    assert_true(playbook->policies[4].per_day);
    uint32_t kiosk = symbol_find(symbols, SYMBOL_CHANNEL, TEXT("kiosk"));
    struct messaging messaging = playbook_messaging(playbook, symbols, kiosk);
    assert_false(messaging.inbound);
    assert_true(messaging.receipts);
    assert_int_equal(messaging.expires_ms, TIME_DAY_MS);
    uint32_t email = symbol_find(symbols, SYMBOL_CHANNEL, TEXT("email"));
    assert_int_equal(playbook_messaging(playbook, symbols, email).address, 0);
    playbook_destroy(playbook);
    symbols_destroy(symbols);
}

/* Words that would have no effect, although they read as if they had. */
static void test_sources_that_nobody_hears(void **state) {
    (void)state;
    static struct playbook_errors warnings;
    static const char text[] =
        "attune: 1\n"
        "customer: { identifiers: { card: } }\n"
        "sources:\n"
        "  one: { file: a.csv, event: Consent Given, time: at, key: { card: card }, row_key: id, "
        "properties: { purpose: p, state: s } }\n"
        "  two: { file: b.csv, event: Unsubscribed, time: at, key: { card: card }, row_key: id, "
        "properties: { channel: c, state: s } }\n"
        "  three: { file: c.csv, event: consent_changed, time: at, key: { card: card }, row_key: "
        "id, properties: { purpose: p, state: s } }\n"
        "  four: { file: d.csv, event: Treatment Delivered, channel: ch, time: at, key: { card: "
        "card }, row_key: id, properties: { treatment: t } }\n"
        "  five: { file: e.csv, event: treatment delivered, channel: sms, time: at, key: { card: "
        "card }, row_key: id, properties: { treatment: t } }\n"
        "events: { E: { n: number } }\n"
        "goals: { g: { event: E, within: 3d } }\n"
        "actions: { a: { goal: g, channels: [sms, email] } }\n";
    struct symbols *symbols = new_symbols();
    struct playbook *playbook = load(text_from(text), symbols);
    playbook_warnings(playbook, &warnings);
    assert_int_equal(warnings.count, 3);
    assert_non_null(strstr(warnings.item[0].text, "write event: Consent Changed"));
    assert_int_equal(warnings.item[0].place.line, 4);
    assert_non_null(strstr(warnings.item[1].text, "write event: Opt In Changed"));
    assert_non_null(strstr(warnings.item[2].text, "write channel: \"{ch}\""));
    assert_int_equal(warnings.item[2].place.line, 7);
    assert_int_equal(playbook->sources[2].event_type, EVENT_CONSENT_CHANGED);
    assert_int_equal(playbook->sources[4].event_type, EVENT_TREATMENT_SHOWN + 1);
    playbook_destroy(playbook);
    static const char slip[] = "attune: 1\ncustomer: { identifiers: { card: } }\nsources:\n"
                               "  one: { file: a.csv, event: Consent Change, time: at, key: { "
                               "card: card }, row_key: id }\n";
    assert_int_equal(playbook_load(&playbook, "p.yaml", text_from(slip), symbols, &errors),
                     STATUS_INVALID);
    assert_non_null(strstr(errors.item[0].text, "did you mean \"Consent Changed\"?"));
    symbols_destroy(symbols);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples_load),
        cmocka_unit_test(test_starter_loads),
        cmocka_unit_test(test_reference_loads),
        cmocka_unit_test(test_a_model_that_no_action_uses),
        cmocka_unit_test(test_policies_that_do_less_than_they_say),
        cmocka_unit_test(test_sources_that_nobody_hears),
        cmocka_unit_test(test_warnings),
        cmocka_unit_test(test_exploration),
        cmocka_unit_test(test_least),
        cmocka_unit_test(test_failing_allocations),
        cmocka_unit_test(test_a_name_is_not_the_files),
        cmocka_unit_test_setup_teardown(test_identifiers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_csv_source, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_json_sources, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_lookups, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_property_types, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_traits_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_goal_and_model, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_actions_and_policies, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_later_expressions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_zone_of_expressions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_treatments, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_treatments_without_lookups, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failing_allocations_of_treatments, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
