/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/map/plan.h"

#include <stdio.h>

#include "base/hash.h"
#include "base/memory.h"
#include "base/word.h"
#include "ingest/map/mapper.h"
#include "ingest/map/plan_internal.h"

#define LISTED_COLUMNS_BYTES 360 /* of the names told in an error */

static void list_columns(const struct text *columns, uint32_t count,
                         char out[LISTED_COLUMNS_BYTES + 8]) {
    size_t at = 0;
    out[0] = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (at + columns[i].length + 2 > LISTED_COLUMNS_BYTES) {
            memcpy(out + at, ", …", sizeof ", …");
            return;
        }
        if (i > 0) {
            out[at++] = ',';
            out[at++] = ' ';
        }
        memcpy(out + at, columns[i].at, columns[i].length);
        at += columns[i].length;
        out[at] = 0;
    }
}

enum status plan_column_find(const char *file, const struct text *columns, uint32_t column_count,
                             struct text name, const char *role, uint32_t *column,
                             struct error *error) {
    *column = COLUMN_NONE;
    for (uint32_t i = 0; i < column_count; i++) {
        if (!text_equal(columns[i], name)) continue;
        if (*column != COLUMN_NONE) {
            return error_set(error, STATUS_INVALID,
                             "%s:1: the column %.*s, mapped as %s, stands there twice", file,
                             TEXT_ARG(name), role);
        }
        *column = i;
    }
    if (*column != COLUMN_NONE) return STATUS_OK;
    char listed[LISTED_COLUMNS_BYTES + 8];
    list_columns(columns, column_count, listed);
    struct text nearest = text_nearest(name, columns, column_count);
    if (nearest.length > 0) {
        return error_set(
            error, STATUS_INVALID,
            "%s:1: there is no column %.*s, mapped as %s; did you mean %.*s? Columns: %s", file,
            TEXT_ARG(name), role, TEXT_ARG(nearest), listed);
    }
    return error_set(error, STATUS_INVALID,
                     "%s:1: there is no column %.*s, mapped as %s. Columns: %s%s", file,
                     TEXT_ARG(name), role, listed,
                     column_count == 1 && !text_equal(columns[0], name)
                         ? " (where a title or comments stand before the header, skip_lines: in "
                           "the source says how many)"
                         : "");
}

/* A column's number: of a CSV file by its header, of NDJSON as the path is first asked for. */
enum status plan_column_add(struct plan_builder *builder, struct text name, bool property,
                            const char *role, uint32_t *column) {
    struct plan *plan = builder->plan;
    if (plan->source->format == SOURCE_NDJSON)
        return plan_path_add(builder, name, property, column);
    enum status status = plan_column_find(plan->file.at, plan->columns, plan->column_count, name,
                                          role, column, builder->error);
    if (*column + 1 == plan->column_count) plan->reads_last_column = true;
    return status;
}

static enum status find_column(struct plan_builder *builder, struct text name, bool property,
                               const char *role, uint32_t *column) {
    enum status status = plan_column_add(builder, name, property, role, column);
    if (status == STATUS_OK) builder->plan->rows.used[*column] = true;
    return status;
}

static enum status out_of_memory(struct plan_builder *builder) {
    return error_set(builder->error, STATUS_NO_MEMORY, "no memory for the mapping of source %.*s",
                     TEXT_ARG(builder->plan->source->name));
}

/* "mail/{campaign_id}" as pieces of text, each followed by a column. */
static enum status build_template(struct plan_builder *builder, const struct field_source *from,
                                  const char *role, struct plan_field *field) {
    struct text rest = from->text;
    uint32_t most = 1;
    for (uint32_t i = 0; i < rest.length; i++) most += rest.at[i] == '{';
    struct plan_part *parts = arena_calloc(&builder->plan->arena, most, sizeof *parts);
    if (parts == NULL) return out_of_memory(builder);
    field->parts = parts;
    while (rest.length > 0) {
        struct plan_part *part = &parts[field->part_count++];
        const char *open = memchr(rest.at, '{', rest.length);
        const char *close = open ? memchr(open, '}', (size_t)(rest.at + rest.length - open)) : NULL;
        part->column = COLUMN_NONE;
        part->before = rest;
        if (close == NULL) break;
        part->before.length = (uint32_t)(open - rest.at);
        struct text name = text_trim((struct text){open + 1, (uint32_t)(close - open - 1)});
        enum status status =
            find_column(builder, name, builder->in_properties, role, &part->column);
        if (status) return status;
        rest.length -= (uint32_t)(close + 1 - rest.at);
        rest.at = close + 1;
    }
    return STATUS_OK;
}

struct notation source_notation(const struct source *source, struct text column) {
    /* "properties.price" and "price" are one property. */
    struct text prefix = source->properties_path;
    for (uint32_t i = 0; i < source->column_notation_count; i++) {
        struct text name = source->column_notations[i].column;
        if (text_equal(name, column)) return source->column_notations[i].notation;
        if (prefix.length == 0 || name.length <= prefix.length + 1 ||
            !text_starts_with(name, prefix))
            continue;
        struct text rest = {name.at + prefix.length + 1, name.length - prefix.length - 1};
        if (name.at[prefix.length] == '.' && text_equal(rest, column))
            return source->column_notations[i].notation;
    }
    return source->notation;
}

static bool says_notation(const struct source *source) {
    return source->notation.dates || source->notation.decimal || source->column_notation_count > 0;
}

static enum status build_notations(struct plan_builder *builder) {
    struct plan *plan = builder->plan;
    const struct source *source = plan->source;
    if (!says_notation(source)) return STATUS_OK;
    struct notation *notations =
        arena_calloc(&plan->arena, plan->column_count + 1, sizeof *notations);
    if (notations == NULL) return out_of_memory(builder);
    for (uint32_t i = 0; i < plan->column_count; i++)
        notations[i] = source_notation(source, plan->columns[i]);
    plan->notations = notations;
    return STATUS_OK;
}

static enum status build_lookup(struct plan_builder *builder, const struct field_source *from,
                                const char *role, struct plan_field *field) {
    const struct lookup_rule *rule = &builder->settings->playbook->lookups[from->lookup];
    const struct lookup_table *const *tables = builder->settings->lookups;
    field->table = tables ? tables[from->lookup] : NULL;
    bool checks_only = builder->settings->checks_only;
    if (field->table == NULL && !checks_only) {
        return error_set(
            builder->error, STATUS_NOT_FOUND,
            "source %.*s needs the lookup %.*s, which has not been loaded: load its file first",
            TEXT_ARG(builder->plan->source->name), TEXT_ARG(rule->name));
    }
    if (field->table != NULL)
        field->table_field = lookup_field_find(field->table, from->lookup_field);
    if (field->table_field == UINT32_MAX) {
        return error_set(builder->error, STATUS_INVALID,
                         "the lookup %.*s has no field %.*s, which source %.*s maps as %s",
                         TEXT_ARG(rule->name), TEXT_ARG(from->lookup_field),
                         TEXT_ARG(builder->plan->source->name), role);
    }
    field->key_count = rule->key_count;
    field->notation =
        source_notation(&builder->settings->playbook->sources[rule->source], from->lookup_field);
    enum status status = STATUS_OK;
    for (uint32_t i = 0; status == STATUS_OK && i < rule->key_count; i++) {
        status = find_column(builder, rule->keys[i], builder->in_properties, role,
                             &field->key_columns[i]);
    }
    return status;
}

static enum status build_list(struct plan_builder *builder, const struct field_source *from,
                              const char *role, struct text name, struct plan_field *field) {
    struct plan *plan = builder->plan;
    uint32_t *columns = arena_calloc(&plan->arena, from->column_count, sizeof *columns);
    if (columns == NULL) return out_of_memory(builder);
    field->columns = columns;
    field->list = plan->list_count++;
    field->column = COLUMN_NONE;
    if (plan->source->format == SOURCE_NDJSON && plan->source->one_event_per.length == 0) {
        return find_column(builder, from->column.length ? from->column : name, true, role,
                           &field->column);
    }
    enum status status = STATUS_OK;
    for (uint32_t i = 0; status == STATUS_OK && i < from->column_count; i++) {
        status = find_column(builder, from->columns[i], true, role, &columns[i]);
    }
    return status;
}

/* `role` says in messages what the field is for: "time", "property revenue". */
static enum status build_field(struct plan_builder *builder, const struct field_source *from,
                               const char *role, struct text name, struct plan_field *field) {
    *field = (struct plan_field){.kind = from->kind,
                                 .type = from->type,
                                 .aggregate = from->aggregate,
                                 .column = COLUMN_NONE,
                                 .from = from,
                                 .name = from->column};
    switch (from->kind) {
    case FIELD_CONSTANT:
        field->constant = value_text(from->text);
        if (from->type == VALUE_TEXT || from->type == VALUE_UNKNOWN) return STATUS_OK;
        if (value_parse(from->text, from->type, builder->plan->currency, builder->plan->zone,
                        &field->constant)) {
            return error_set(builder->error, STATUS_INVALID, "source %.*s: '%.*s' is no %s, as %s",
                             TEXT_ARG(builder->plan->source->name), TEXT_ARG(from->text),
                             value_type_name(from->type), role);
        }
        return STATUS_OK;
    case FIELD_AGGREGATE:
        /* count(): of rows. */
        if (from->aggregate == '#' && from->column.length == 0) return STATUS_OK;
        return find_column(builder, from->column, builder->in_properties, role, &field->column);
    case FIELD_COLUMN:
        return find_column(builder, from->column, builder->in_properties, role, &field->column);
    case FIELD_TEMPLATE:
        field->name = from->text;
        field->notation = builder->plan->source->notation;
        return build_template(builder, from, role, field);
    case FIELD_LOOKUP:
        field->name = from->lookup_field;
        return build_lookup(builder, from, role, field);
    case FIELD_LIST: return build_list(builder, from, role, name, field);
    }
    return STATUS_OK;
}

static enum status build_properties(struct plan_builder *builder) {
    struct plan *plan = builder->plan;
    const struct source *source = plan->source;
    plan->properties =
        arena_calloc(&plan->arena, source->property_count + 1, sizeof *plan->properties);
    if (plan->properties == NULL) return out_of_memory(builder);
    if (source->property_count > PACKED_PROPERTIES_MAX) {
        return error_set(builder->error, STATUS_LIMIT,
                         "source %.*s maps %u properties, the limit is %d", TEXT_ARG(source->name),
                         source->property_count, PACKED_PROPERTIES_MAX);
    }
    builder->in_properties = true;
    for (uint32_t i = 0; i < source->property_count; i++) {
        const struct property_map *map = &source->properties[i];
        char role[128];
        struct plan_property property = {.symbol = map->symbol};
        snprintf(role, sizeof role, "property %.*s",
                 (int)(map->name.length < 96 ? map->name.length : 96), map->name.at);
        enum status status = build_field(builder, &map->from, role, map->name, &property.field);
        if (status) return status;
        uint32_t at = plan->property_count++; /* by symbol: as packed properties want them */
        for (; at > 0 && plan->properties[at - 1].symbol > property.symbol; at--)
            plan->properties[at] = plan->properties[at - 1];
        plan->properties[at] = property;
    }
    builder->in_properties = false;
    return STATUS_OK;
}

/* Finds the property that names the currency: only a plain field does. */
static void find_currency(struct plan *plan) {
    plan->currency_symbol = symbol_find(plan->symbols, SYMBOL_PROPERTY, TEXT("currency"));
    for (uint32_t i = 0; i < plan->property_count; i++) {
        const struct plan_property *property = &plan->properties[i];
        bool plain = property->field.kind != FIELD_LIST && property->field.kind != FIELD_AGGREGATE;
        if (property->symbol == plan->currency_symbol && plain)
            plan->currency_field = &property->field;
    }
}

static enum status build_identifiers(struct plan_builder *builder) {
    struct plan *plan = builder->plan;
    const struct source *source = plan->source;
    plan->identifiers =
        arena_calloc(&plan->arena, source->identifier_count + 1, sizeof *plan->identifiers);
    if (plan->identifiers == NULL) return out_of_memory(builder);
    for (uint32_t i = 0; i < source->identifier_count; i++) {
        const struct identifier_map *map = &source->identifiers[i];
        const struct identifier_rule *rule = &builder->settings->playbook->identifiers[map->rule];
        char role[128];
        snprintf(role, sizeof role, "key %.*s",
                 (int)(rule->name.length < 96 ? rule->name.length : 96), rule->name.at);
        struct plan_identifier *identifier = &plan->identifiers[plan->identifier_count++];
        *identifier =
            (struct plan_identifier){.symbol = rule->symbol, .lower_case = rule->lower_case};
        enum status status = build_field(builder, &map->from, role, rule->name, &identifier->field);
        if (status) return status;
    }
    return STATUS_OK;
}

struct channel_names {
    struct text *at;
    size_t count;
    const struct symbols *symbols;
};

static void add_channel(struct channel_names *names, uint32_t channel) {
    if (channel >= CHANNEL_UNDECLARED) return;
    struct text name = symbol_text(names->symbols, SYMBOL_CHANNEL, channel);
    for (size_t i = 0; i < names->count; i++) {
        if (text_equal(names->at[i], name)) return;
    }
    if (name.length > 0 && names->count < CHANNEL_UNDECLARED) names->at[names->count++] = name;
}

/* Gathers the channels that the playbook names anywhere, then those that most businesses have, so
 * that an opt-out of an unused channel is understood. "mail" is not among them: many write it for
 * e-mail, so such a row waits, in doubt. */
static enum status build_channels(struct plan *plan) {
    static const struct text usual[] = {
        {"email", 5}, {"sms", 3},   {"push", 4},     {"phone", 5},  {"call_center", 11},
        {"post", 4},  {"call", 4},  {"whatsapp", 8}, {"fax", 3},    {"web", 3},
        {"app", 3},   {"store", 5}, {"print", 5},    {"social", 6}, {"partner", 7},
        {"kiosk", 5}, {"chat", 4}};
    const struct playbook *playbook = plan->playbook;
    struct channel_names names = {.symbols = plan->symbols};
    names.at = arena_calloc(&plan->arena, CHANNEL_UNDECLARED + sizeof usual / sizeof *usual,
                            sizeof *names.at);
    if (names.at == NULL) return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < playbook->action_count; i++) {
        for (uint32_t k = 0; k < playbook->actions[i].channel_count; k++)
            add_channel(&names, playbook->actions[i].channels[k].channel);
    }
    for (uint32_t i = 0; i < playbook->messaging_count; i++)
        add_channel(&names, playbook->messaging[i].channel);
    for (uint32_t i = 0; i < playbook->policy_count; i++)
        add_channel(&names, playbook->policies[i].channel);
    for (uint32_t i = 0; i < playbook->source_count; i++)
        add_channel(&names, playbook->sources[i].channel);
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++) {
        size_t near;
        if (word_find(usual[i], names.at, names.count, &near) == WORD_STRANGE)
            names.at[names.count++] = usual[i];
    }
    plan->channels = (struct plan_words){names.at, names.count};
    return STATUS_OK;
}

static enum status build_words(struct plan *plan) {
    const struct playbook *playbook = plan->playbook;
    struct text *actions = arena_calloc(&plan->arena, playbook->action_count + 1, sizeof *actions);
    if (actions == NULL) return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < playbook->action_count; i++) actions[i] = playbook->actions[i].name;
    plan->actions = (struct plan_words){actions, playbook->action_count};
    struct text *programmes =
        arena_calloc(&plan->arena, playbook->action_count + 1, sizeof *programmes);
    if (programmes == NULL) return STATUS_NO_MEMORY;
    plan->programmes.at = programmes;
    for (uint32_t i = 0; i < playbook->action_count; i++) {
        if (playbook->actions[i].programme.length > 0)
            programmes[plan->programmes.count++] = playbook->actions[i].programme;
    }
    plan->programme_symbol = symbol_find(plan->symbols, SYMBOL_PROPERTY, TEXT("programme"));
    plan->purposes = (struct plan_words){playbook->purposes, playbook->purpose_count};
    plan->relations = (struct plan_words){playbook->relations, playbook->relation_count};
    return build_channels(plan);
}

/* Has the state of a consent read by its words, and not as a yes or no of a table. */
static void open_states(struct plan *plan) {
    uint32_t type = plan->source->event_type;
    for (uint32_t i = 0; i < plan->property_count; i++) {
        struct plan_property *property = &plan->properties[i];
        bool is_state = property->symbol == PROPERTY_STATE &&
                        (type == SYMBOL_NONE || mapper_is_state(type, PROPERTY_STATE));
        if (!is_state || property->field.type != VALUE_YES_NO) continue;
        property->state_type = property->field.type;
        property->field.type = VALUE_UNKNOWN;
        plan->has_open_state = true;
    }
}

static enum status build_group(struct plan_builder *builder) {
    struct plan *plan = builder->plan;
    plan->group_column = COLUMN_NONE;
    if (plan->source->one_event_per.length == 0) return STATUS_OK;
    return find_column(builder, plan->source->one_event_per, false, "one_event_per",
                       &plan->group_column);
}

static uint32_t rule_slot(uint32_t event_type, uint32_t symbol) {
    return (uint32_t)hash_u64((uint64_t)event_type << 32 | symbol);
}

static enum status build_rules(struct plan_builder *builder) {
    struct plan *plan = builder->plan;
    const struct playbook *playbook = plan->playbook;
    if (playbook->property_rule_count == 0) return STATUS_OK;
    uint32_t slots = 4;
    while (slots < 2 * playbook->property_rule_count) slots *= 2;
    plan->rules = arena_calloc(&plan->arena, slots, sizeof(struct property_rule *));
    if (plan->rules == NULL) return out_of_memory(builder);
    plan->rule_mask = slots - 1;
    for (uint32_t i = 0; i < playbook->property_rule_count; i++) {
        const struct property_rule *rule = &playbook->properties[i];
        uint32_t at = rule_slot(rule->event_type, rule->symbol) & plan->rule_mask;
        while (plan->rules[at] != NULL) at = (at + 1) & plan->rule_mask;
        plan->rules[at] = rule;
    }
    return STATUS_OK;
}

const struct property_rule *plan_rule_find(const struct plan *plan, uint32_t event_type,
                                           uint32_t symbol) {
    if (plan->rule_mask == 0) return NULL;
    uint32_t at = rule_slot(event_type, symbol) & plan->rule_mask;
    for (; plan->rules[at] != NULL; at = (at + 1) & plan->rule_mask) {
        if (plan->rules[at]->event_type == event_type && plan->rules[at]->symbol == symbol)
            return plan->rules[at];
    }
    return event_type == SYMBOL_NONE ? NULL : plan_rule_find(plan, SYMBOL_NONE, symbol);
}

/* A field that was never declared. */
static bool says_nothing(const struct field_source *from) {
    return from->column.length == 0 && from->text.length == 0 && from->lookup_field.length == 0;
}

static enum status build(struct plan_builder *builder) {
    struct plan *plan = builder->plan;
    const struct source *source = plan->source;
    enum status status = STATUS_OK;
    if (source->format == SOURCE_NDJSON) status = plan_paths_begin(builder);
    if (status == STATUS_OK) status = plan_rows_begin(builder);
    if (status == STATUS_OK) status = build_rules(builder);
    if (status == STATUS_OK) status = build_group(builder);
    if (status == STATUS_OK && source->event_type == SYMBOL_NONE) {
        status = build_field(builder, &source->event, "event", TEXT("event"), &plan->event);
    }
    plan->channel_from_field = !says_nothing(&source->channel_from);
    if (status == STATUS_OK && plan->channel_from_field) {
        status =
            build_field(builder, &source->channel_from, "channel", TEXT("channel"), &plan->channel);
    }
    plan->usual_time = source->segment && source->time.kind == FIELD_COLUMN &&
                       text_equal(source->time.column, TEXT("timestamp"));
    plan->has_time = !source->time_always && !says_nothing(&source->time);
    if (status == STATUS_OK && plan->has_time) {
        status = build_field(builder, &source->time, "time", TEXT("time"), &plan->time);
        plan->time.type = VALUE_TIME;
    }
    for (uint32_t i = 0; status == STATUS_OK && i < source->row_key_count; i++) {
        status = build_field(builder, &source->row_keys[i], "row_key", TEXT("row_key"),
                             &plan->row_keys[plan->row_key_count++]);
    }
    if (status == STATUS_OK) status = build_identifiers(builder);
    if (status == STATUS_OK) status = build_properties(builder);
    if (status == STATUS_OK) find_currency(plan);
    if (status == STATUS_OK) open_states(plan);
    if (status == STATUS_OK) status = build_words(plan);
    if (status == STATUS_OK) status = plan_rows_end(builder);
    if (status == STATUS_OK && source->format == SOURCE_NDJSON) status = plan_paths_end(builder);
    return status == STATUS_OK ? build_notations(builder) : status;
}

static enum status copy_names(struct plan *plan, const char *file, struct text header) {
    plan->file = arena_text(&plan->arena, text_from(file));
    plan->header = arena_text(&plan->arena, header);
    return plan->file.at && plan->header.at ? STATUS_OK : STATUS_NO_MEMORY;
}

enum status plan_create(struct plan **out, const struct ingest_settings *settings,
                        const struct source *source, const char *file, struct text header,
                        const struct text *columns, uint32_t column_count, char delimiter,
                        struct error *error) {
    struct plan *plan = memory_calloc(1, sizeof *plan);
    if (plan == NULL)
        return error_set(error, STATUS_NO_MEMORY, "no memory for the mapping of %s", file);
    arena_init(&plan->arena, PLAN_BYTES_MAX);
    plan->source = source;
    plan->playbook = settings->playbook;
    plan->symbols = settings->symbols;
    plan->zone = source->zone;
    plan->currency = settings->playbook->currency;
    plan->minor_digits = currency_minor_digits(plan->currency);
    plan->usable = settings->usable;
    plan->usable_context = settings->usable_context;
    plan->token_secret = settings->token_secret;
    plan->delimiter = delimiter;
    plan->columns = columns;
    plan->column_count = column_count;
    plan->key_seed = hash_text(source->name, 0);
    plan->copies_text = source->format == SOURCE_NDJSON && source->one_event_per.length > 0;
    struct plan_builder builder = {.plan = plan, .settings = settings, .error = error};
    enum status status = copy_names(plan, file, header);
    if (status) error_set(error, status, "no memory for the mapping of %s", file);
    if (status == STATUS_OK) status = build(&builder);
    if (status) {
        plan_destroy(plan);
        return status;
    }
    *out = plan;
    return STATUS_OK;
}

void plan_destroy(struct plan *plan) {
    if (plan == NULL) return;
    arena_release(&plan->arena);
    memory_free(plan);
}
