/* SPDX-License-Identifier: Apache-2.0 */
#include "world.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/time.h"
#include "event/packed.h"

#define MUST(call)                                                                                 \
    do {                                                                                           \
        enum status must = (call);                                                                 \
        if (must != STATUS_OK) {                                                                   \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, status_name(must));                 \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static const struct {
    const char *event, *property;
    enum value_type type;
} properties[] = {
    {"Order Completed", "order_id", VALUE_TEXT}, {"Order Completed", "revenue", VALUE_MONEY},
    {"Order Completed", "store", VALUE_TEXT},    {"Order Completed", "gift", VALUE_YES_NO},
    {"Order Completed", "tags", VALUE_LIST},     {"Order Completed", "products", VALUE_LIST},
    {"Order Completed", "weight", VALUE_NUMBER}, {"Order Completed", "due", VALUE_TIME},
    {"Clicked", "button", VALUE_TEXT},           {"Page Viewed", "path", VALUE_TEXT},
    {"Page Viewed", "spent", VALUE_DURATION},    {"Customer Record", "city", VALUE_TEXT},
    {"Customer Record", "income", VALUE_NUMBER}, {"Customer Record", "born", VALUE_TIME},
    {"Customer Record", "member", VALUE_YES_NO}, {"Coupon Redeemed", "campaign_id", VALUE_TEXT},
    {"Coupon Redeemed", "revenue", VALUE_MONEY}, {"Ticket Bought", "city", VALUE_TEXT},
    {"Refund Made", "revenue", VALUE_NUMBER},
};
#define PROPERTY_COUNT (sizeof properties / sizeof properties[0])
static const char *const reserved[] = {"Treatment Shown"};
static const struct {
    const char *name;
    enum value_type type;
} fields[] = {{"product_id", VALUE_TEXT}, {"quantity", VALUE_NUMBER}, {"sales_value", VALUE_MONEY}};
static const struct lookup_field product_fields[] = {{{"product_id", 10}, VALUE_TEXT},
                                                     {{"department", 10}, VALUE_TEXT},
                                                     {{"price", 5}, VALUE_MONEY}};
static const struct lookup_field campaign_fields[] = {{{"campaign_id", 11}, VALUE_TEXT},
                                                      {{"campaign_type", 13}, VALUE_TEXT},
                                                      {{"end_date", 8}, VALUE_TIME}};
static const struct {
    const char *name;
    enum value_type type;
} attributes[] = {{"products", VALUE_LIST},   {"name", VALUE_TEXT},
                  {"discount", VALUE_NUMBER}, {"campaign_id", VALUE_TEXT},
                  {"start_date", VALUE_TIME}, {"end_date", VALUE_TIME}};

static const struct {
    const char *name;
    enum value_type type;
} said[] = {{"page_category", VALUE_TEXT}, {"cart_value", VALUE_MONEY}, {"items", VALUE_NUMBER}};
#define SAID_COUNT (sizeof said / sizeof said[0])

/* ---- the schema ---- */

uint32_t world_event_type(struct expr_world *world, const char *name) {
    uint32_t id = 0;
    MUST(symbol_add(world->symbols, SYMBOL_EVENT, text_from(name), &id));
    return id;
}
uint32_t world_property(struct expr_world *world, const char *name) {
    uint32_t id = 0;
    MUST(symbol_add(world->symbols, SYMBOL_PROPERTY, text_from(name), &id));
    return id;
}

static enum status find_event(void *context, struct text name, uint32_t *type) {
    struct expr_world *world = context;
    *type = symbol_find(world->symbols, SYMBOL_EVENT, name);
    return *type == SYMBOL_NONE ? STATUS_NOT_FOUND : STATUS_OK;
}

static enum status find_property(void *context, uint32_t event_type, struct text name,
                                 struct expr_name *out) {
    struct expr_world *world = context;
    for (size_t i = 0; i < PROPERTY_COUNT; i++) {
        if (!text_equal(name, text_from(properties[i].property))) continue;
        if (event_type != SYMBOL_NONE && event_type != world_event_type(world, properties[i].event))
            continue;
        *out =
            (struct expr_name){properties[i].type, world_property(world, properties[i].property)};
        return STATUS_OK;
    }
    return STATUS_NOT_FOUND;
}

static enum status find_list_field(void *context, uint32_t event_type, uint32_t property,
                                   struct text name, struct expr_name *out) {
    struct expr_world *world = context;
    (void)event_type;
    if (property != world_property(world, "products")) return STATUS_NOT_FOUND;
    for (size_t i = 0; i < 3; i++) {
        if (!text_equal(name, text_from(fields[i].name))) continue;
        *out = (struct expr_name){fields[i].type, world_property(world, fields[i].name)};
        return STATUS_OK;
    }
    return STATUS_NOT_FOUND;
}

static enum status find_trait(void *context, struct text name, struct expr_name *out,
                              struct expr_trait *reads) {
    struct expr_world *world = context;
    for (uint32_t i = 0; i < world->trait_count; i++) {
        if (!text_equal(name, text_from(world->trait[i].name))) continue;
        *out = (struct expr_name){world->trait[i].type, i};
        *reads = (struct expr_trait){world->trait[i].of_treatment,
                                     expr_uses_context(world->trait[i].program)};
        return STATUS_OK;
    }
    return STATUS_NOT_FOUND;
}

static enum status find_attribute(void *context, struct text name, struct expr_name *out) {
    (void)context;
    for (uint32_t i = 0; i < 6; i++) {
        if (!text_equal(name, text_from(attributes[i].name))) continue;
        *out = (struct expr_name){attributes[i].type, i};
        return STATUS_OK;
    }
    return STATUS_NOT_FOUND;
}

static enum status find_lookup(void *context, struct text lookup, struct text field,
                               const struct text *available, uint32_t available_count,
                               uint32_t *lookup_index, struct text *key, struct expr_name *out) {
    static const char *const names[] = {"product", "campaign"};
    (void)context;
    for (uint32_t l = 0; l < 2; l++) {
        const struct lookup_field *all = l == 0 ? product_fields : campaign_fields;
        if (lookup.length && !text_equal(lookup, text_from(names[l]))) continue;
        for (uint32_t f = 1; f < 3; f++) {
            if (!text_equal(field, all[f].name)) continue;
            for (uint32_t i = 0; i < available_count; i++) {
                if (!text_equal(available[i], all[0].name)) continue;
                *lookup_index = l;
                *key = all[0].name;
                *out = (struct expr_name){all[f].type, f};
                return STATUS_OK;
            }
        }
    }
    return STATUS_NOT_FOUND;
}

static enum status find_context(void *context, struct text name, struct expr_name *out) {
    (void)context;
    for (uint32_t i = 0; i < SAID_COUNT; i++) {
        if (!text_equal(name, text_from(said[i].name))) continue;
        *out = (struct expr_name){said[i].type, i};
        return STATUS_OK;
    }
    return STATUS_NOT_FOUND;
}

static enum status find_relation(void *context, struct text kind, uint32_t *index) {
    (void)context;
    *index = 0;
    return text_equal(kind, TEXT("friend")) ? STATUS_OK : STATUS_NOT_FOUND;
}

static size_t names(void *context, char kind, uint32_t event_type, struct text *out, size_t max) {
    struct expr_world *world = context;
    size_t count = 0;
    for (size_t i = 0; kind == 'e' && i < PROPERTY_COUNT && count < max; i++)
        out[count++] = text_from(properties[i].event);
    for (size_t i = 0; kind == 'p' && i < PROPERTY_COUNT && count < max; i++) {
        bool fits =
            event_type == SYMBOL_NONE || event_type == world_event_type(world, properties[i].event);
        if (fits) out[count++] = text_from(properties[i].property);
    }
    for (size_t i = 0; kind == 'f' && i < 3 && count < max; i++)
        out[count++] = text_from(fields[i].name);
    for (size_t i = 0; kind == 't' && i < world->trait_count && count < max; i++)
        out[count++] = text_from(world->trait[i].name);
    for (size_t i = 0; kind == 'a' && i < 6 && count < max; i++)
        out[count++] = text_from(attributes[i].name);
    for (size_t i = 0; kind == 'c' && i < SAID_COUNT && count < max; i++)
        out[count++] = text_from(said[i].name);
    if (kind == 'r' && max > 0) out[count++] = TEXT("friend");
    if (kind == 'l' && max > 1) {
        out[count++] = TEXT("product");
        out[count++] = TEXT("campaign");
    }
    return count;
}

static bool is_visit(void *context, uint32_t event_type) {
    struct expr_world *world = context;
    return event_type == world_event_type(world, "Page Viewed") ||
           event_type == world_event_type(world, "Clicked");
}

/* ---- the environment ---- */

static const struct lookup_table *lookup(void *context, uint32_t index, int64_t t_ms) {
    struct expr_world *world = context;
    world->lookup_calls++;
    if (t_ms < world->lookup_known_ms) return NULL;
    return index == 0 ? world->product : world->campaign;
}

static enum status related(void *context, uint32_t relation, int64_t t_ms, uint64_t *cursor,
                           struct timeline *out) {
    struct expr_world *world = context;
    (void)relation;
    (void)t_ms;
    if (*cursor >= world->friend_count) return STATUS_END;
    *out = *world->friends[(*cursor)++];
    return STATUS_OK;
}

static struct value related_trait(void *context, uint32_t index, const struct timeline *timeline,
                                  int64_t t_ms) {
    struct expr_env env;
    world_env(context, timeline, t_ms, &env);
    return env.traits[index];
}

void world_env(struct expr_world *world, const struct timeline *timeline, int64_t t_ms,
               struct expr_env *env) {
    struct value *traits = arena_calloc(&world->arena, WORLD_TRAITS_MAX, sizeof(*traits));
    *env = (struct expr_env){.timeline = timeline,
                             .t_ms = t_ms,
                             .traits = traits,
                             .attributes = world->attributes,
                             .context_values = world->said,
                             .context = world,
                             .lookup = lookup,
                             .related = related,
                             .related_trait = related_trait,
                             .scratch = &world->arena};
    for (uint32_t i = 0; i < world->trait_count; i++)
        traits[i] = expr_eval(world->trait[i].program, env);
}

static struct value time_of(const char *text) {
    struct value value = value_time(0);
    MUST(time_parse(text_from(text), NULL, &value.time_ms));
    return value;
}

static void fill_lookups(struct expr_world *world) {
    static const char *const rows[][3] = {{"A1", "GROCERY", "2.50"},
                                          {"A2", "DELI", "4.00"},
                                          {"A3", "GROCERY", "1.25"},
                                          {"A4", "", "9"}};
    uint32_t key = 0;
    uint16_t usd = world->schema.currency;
    MUST(lookup_create(&world->product, product_fields, 3, &key, 1, false));
    for (size_t i = 0; i < 4; i++) {
        struct value cells[3] = {value_text(text_from(rows[i][0])), value_unknown(),
                                 value_money(0, usd)};
        if (rows[i][1][0]) cells[1] = value_text(text_from(rows[i][1]));
        MUST(money_parse(text_from(rows[i][2]), usd, &cells[2].minor));
        MUST(lookup_add(world->product, cells));
    }
    MUST(lookup_finish(world->product));
    MUST(lookup_create(&world->campaign, campaign_fields, 3, &key, 1, false));
    struct value spring[3] = {value_text(TEXT("8")), value_text(TEXT("TypeA")),
                              time_of("2017-09-30")};
    struct value autumn[3] = {value_text(TEXT("13")), value_text(TEXT("TypeB")),
                              time_of("2017-10-31")};
    MUST(lookup_add(world->campaign, spring));
    MUST(lookup_add(world->campaign, autumn));
    MUST(lookup_finish(world->campaign));
}

void world_init(struct expr_world *world) {
    *world = (struct expr_world){.lookup_known_ms = INT64_MIN};
    arena_init(&world->arena, (size_t)1 << 30);
    MUST(symbols_create(&world->symbols));
    for (size_t i = 0; i < PROPERTY_COUNT; i++) (void)world_event_type(world, properties[i].event);
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
        (void)world_event_type(world, reserved[i]);
    uint16_t usd = 0;
    MUST(currency_from_text(TEXT("USD"), &usd));
    world->schema = (struct expr_schema){.symbols = world->symbols,
                                         .columns = &world->columns,
                                         .currency = usd,
                                         .visit_gap_ms = 30 * TIME_MINUTE_MS,
                                         .context = world,
                                         .event = find_event,
                                         .property = find_property,
                                         .list_field = find_list_field,
                                         .trait = find_trait,
                                         .attribute = find_attribute,
                                         .lookup = find_lookup,
                                         .relation = find_relation,
                                         .context_property = find_context,
                                         .names = names,
                                         .is_visit = is_visit};
    fill_lookups(world);
    MUST(value_set_create(&world->action_products));
    MUST(value_set_add(world->action_products, value_text(TEXT("A1"))));
    MUST(value_set_add(world->action_products, value_text(TEXT("A2"))));
    world->said[0] = value_text(TEXT("shoes"));
    world->said[1] = value_money(8000, usd);
    world->attributes[0] = (struct expr_attribute){.set = world->action_products};
    world->attributes[1].value = value_text(TEXT("Autumn coupons"));
    world->attributes[2].value = value_number(0.2);
    world->attributes[3].value = value_text(TEXT("13"));
    world->attributes[4].value = time_of("2017-09-15");
    world->attributes[5].value = time_of("2017-10-31");
}

void world_release(struct expr_world *world) {
    value_set_destroy(world->action_products);
    lookup_destroy(world->product);
    lookup_destroy(world->campaign);
    symbols_destroy(world->symbols);
    arena_release(&world->arena);
}

/* ---- timelines ---- */

void world_set(struct expr_world *world, struct world_event *event, const char *property,
               struct value value) {
    if (event->count == WORLD_PROPERTIES_MAX) abort();
    event->property[event->count].symbol = world_property(world, property);
    event->property[event->count++].value = value;
}

struct value world_list(struct expr_world *world, const char *const *field_names,
                        const struct value *values, uint32_t field_count, uint32_t items) {
    struct packed_list list;
    struct value result;
    uint32_t symbols[8];
    packed_list_init(&list);
    packed_list_begin(&list);
    for (uint32_t i = 0; field_names && i < field_count; i++)
        symbols[i] = world_property(world, field_names[i]);
    for (uint32_t i = 0; i < items; i++) {
        if (field_names) {
            MUST(packed_list_add_record(&list, symbols, values + i * field_count, field_count));
        } else {
            MUST(packed_list_add(&list, values[i]));
        }
    }
    MUST(packed_list_end(&list, &result));
    result.text = arena_text(&world->arena, result.text);
    packed_list_release(&list);
    return result;
}

void world_timeline(struct expr_world *world, struct world_event *events, uint32_t count,
                    bool with_known, struct timeline *out) {
    size_t rows = count + 1;
    int64_t *time_ms = arena_alloc(&world->arena, rows * 8),
            *known_ms = arena_alloc(&world->arena, rows * 8);
    uint16_t *type = arena_alloc(&world->arena, rows * 2);
    uint8_t *channel = arena_alloc(&world->arena, rows);
    struct timeline_column *columns =
        arena_calloc(&world->arena, TIMELINE_COLUMNS_MAX, sizeof(*columns));
    for (uint32_t i = 1; i < count; i++) {
        for (uint32_t j = i; j > 0 && events[j - 1].time_ms > events[j].time_ms; j--) {
            struct world_event swap = events[j];
            events[j] = events[j - 1];
            events[j - 1] = swap;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        time_ms[i] = events[i].time_ms;
        known_ms[i] = events[i].known_ms;
        type[i] = (uint16_t)events[i].type;
        channel[i] = events[i].channel;
    }
    for (uint32_t c = 0; c < world->columns.count; c++) {
        void *cells = arena_alloc(&world->arena, rows * 8);
        for (uint32_t i = 0; i < count; i++) {
            struct value value = value_unknown();
            for (uint32_t p = 0; p < events[i].count; p++) {
                if (events[i].property[p].symbol == world->columns.columns[c].property)
                    value = events[i].property[p].value;
            }
            cell_set(cells, world->columns.columns[c].type, i, value, NULL);
        }
        columns[c].cells = cells;
    }
    *out = (struct timeline){.count = count,
                             .time_ms = time_ms,
                             .type = type,
                             .channel = channel,
                             .known_ms = with_known ? known_ms : NULL,
                             .columns = columns,
                             .column_count = world->columns.count};
}

/* ---- compiling and evaluating ---- */

struct expr_program *world_compile(struct expr_world *world, const char *source,
                                   struct expr_error *error) {
    struct expr_program *program = NULL;
    enum status status =
        expr_compile(&world->arena, &world->schema, text_from(source), &program, error);
    return status == STATUS_OK ? program : NULL;
}

void world_trait(struct expr_world *world, const char *name, const char *source) {
    struct expr_error error = {0};
    struct expr_program *program = world_compile(world, source, &error);
    if (!program || world->trait_count == WORLD_TRAITS_MAX) {
        fprintf(stderr, "trait %s: %u: %s\n", name, error.column, error.error.text);
        abort();
    }
    uint32_t i = world->trait_count++;
    snprintf(world->trait[i].name, sizeof world->trait[i].name, "%s", name);
    world->trait[i].program = program;
    world->trait[i].type = expr_type(program);
    world->trait[i].of_treatment = expr_uses_treatment(program);
}

struct value world_eval(struct expr_world *world, const char *source,
                        const struct timeline *timeline, int64_t t_ms) {
    struct expr_error error = {0};
    struct expr_program *program = world_compile(world, source, &error);
    if (!program) {
        fprintf(stderr, "%s\n%u: %s\n", source, error.column, error.error.text);
        abort();
    }
    struct expr_env env;
    world_env(world, timeline, t_ms, &env);
    return expr_eval(program, &env);
}

const char *world_print(struct expr_world *world, struct value value) {
    struct buffer buffer;
    buffer_init(&buffer);
    MUST(value_print(value, &buffer));
    const char *text = arena_text(&world->arena, buffer_text(&buffer)).at;
    buffer_release(&buffer);
    return text;
}
