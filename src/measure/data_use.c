/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/data_use.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/memory.h"
#include "measure/dark_names.h"

#define REPORT_BYTES_MAX (64u << 20)
#define USED_BY_MAX      (1u << 20) /* bytes; 2000 traits fit */

struct field_count {
    uint32_t source, event, property;
    uint64_t count, bytes;
    uint8_t type;
};

struct counting {
    struct field_count *fields; /* open addressing by (source, event, property) */
    size_t capacity, count;
    uint64_t events, bytes, customers;
    struct dark_names dark;
    uint64_t dark_bytes; /* of all properties of undeclared names */
    struct symbols *symbols;
};

static size_t slot_of(const struct counting *counting, uint32_t source, uint32_t event,
                      uint32_t property) {
    size_t slot = hash_u64((uint64_t)source << 48 ^ (uint64_t)event << 32 ^ property) &
                  (counting->capacity - 1);
    while (counting->fields[slot].count > 0) {
        const struct field_count *field = &counting->fields[slot];
        if (field->source == source && field->event == event && field->property == property) break;
        slot = (slot + 1) & (counting->capacity - 1);
    }
    return slot;
}

static enum status grow(struct counting *counting) {
    struct counting bigger = *counting;
    bigger.capacity = counting->capacity == 0 ? 1024 : counting->capacity * 2;
    bigger.fields = memory_calloc(bigger.capacity, sizeof *bigger.fields);
    if (bigger.fields == NULL) return STATUS_NO_MEMORY;
    for (size_t i = 0; i < counting->capacity; i++) {
        const struct field_count *field = &counting->fields[i];
        if (field->count > 0)
            bigger.fields[slot_of(&bigger, field->source, field->event, field->property)] = *field;
    }
    memory_free(counting->fields);
    *counting = bigger;
    return STATUS_OK;
}

static enum status count_field(struct counting *counting, uint32_t source, uint32_t event,
                               uint32_t property, uint64_t bytes, uint8_t type) {
    if (counting->count * 2 >= counting->capacity) {
        enum status status = grow(counting);
        if (status != STATUS_OK) return status;
    }
    struct field_count *field = &counting->fields[slot_of(counting, source, event, property)];
    if (field->count == 0) counting->count++;
    *field =
        (struct field_count){source, event, property, field->count + 1, field->bytes + bytes, type};
    return STATUS_OK;
}

/* Counts the event's own name, where nobody declared it, and its dark properties. A property that
 * has been declared since counts like any other. */
static enum status count_dark(struct counting *counting, uint32_t source, uint32_t event,
                              struct text packed) {
    struct dark_reader reader;
    struct dark_name name = {.source = source, .event = event, .count = 1};
    enum dark_kind kind;
    struct value value;
    enum status status = STATUS_OK;
    if (event == EVENT_UNDECLARED) {
        name.own_event = dark_event_name(packed);
        name.bytes = packed.length;
        status = dark_names_add(&counting->dark, &name);
    }
    if (!dark_reader_init(&reader, packed)) return status;
    for (const uint8_t *before = reader.list.at;
         status == STATUS_OK && dark_next(&reader, &kind, &name.field, &value);
         before = reader.list.at) {
        if (kind != DARK_PROPERTY && kind != DARK_ARRAY) continue;
        uint32_t symbol = symbol_find(counting->symbols, SYMBOL_PROPERTY, name.field);
        name.bytes = (uint64_t)(reader.list.at - before);
        name.type = kind == DARK_ARRAY ? VALUE_LIST : value.type;
        if (symbol != SYMBOL_NONE) {
            status = count_field(counting, source, event, symbol, name.bytes, name.type);
            continue;
        }
        counting->dark_bytes += name.bytes;
        status = dark_names_add(&counting->dark, &name);
    }
    return status;
}

static enum status count_row(struct counting *counting, const struct timeline *timeline,
                             uint32_t row) {
    struct text packed;
    struct packed_reader reader;
    uint32_t source = timeline->source[row], event = timeline->type[row], symbol;
    struct value value;
    enum status status = timeline->ops->packed(timeline, row, &packed);
    if (status == STATUS_OK)
        status = count_field(counting, source, event, SYMBOL_NONE, packed.length, VALUE_UNKNOWN);
    if (status == STATUS_OK && packed.length > 0) status = packed_reader_init(&reader, packed);
    counting->events++;
    counting->bytes += packed.length;
    while (status == STATUS_OK && packed.length > 0) {
        const uint8_t *before = reader.at;
        status = packed_next(&reader, &symbol, &value);
        if (status == STATUS_OK && symbol == PROPERTY_UNDECLARED)
            status = count_dark(counting, source, event, packed);
        else if (status == STATUS_OK)
            status = count_field(counting, source, event, symbol, (uint64_t)(reader.at - before),
                                 value.type);
    }
    return status == STATUS_END ? STATUS_OK : status;
}

static enum status count_all(struct timeline_source *source, struct work *work,
                             struct counting *counting, struct error *error) {
    struct timeline_reader *reader;
    struct timeline_request request = {.as_of = {INT64_MAX, POSITION_NOW},
                                       .needs = TIMELINE_PACKED | TIMELINE_SOURCE};
    struct timeline timeline;
    enum status status = source->ops->reader_open(source, &reader, error);
    if (status != STATUS_OK) return status;
    status = source->ops->walk(reader, &request, 0, 1, error);
    while (status == STATUS_OK) {
        status = source->ops->next(reader, &timeline, error);
        if (status != STATUS_OK) break;
        counting->customers++;
        work_add(work, 1);
        status = work_check(work, error);
        for (uint32_t row = 0; row < timeline.count && status == STATUS_OK; row++)
            status = count_row(counting, &timeline, row);
    }
    source->ops->reader_close(reader);
    if (status == STATUS_END) return STATUS_OK;
    if (status == STATUS_CANCELLED) return status;
    /* The check names the file, where a damaged one is the cause. */
    enum status damage = timeline_source_check(source, error);
    return damage != STATUS_OK ? damage : status;
}

/* ---- who uses a field ---- */

static bool program_uses(const struct expr_program *program, const struct field_count *field) {
    struct expr_use uses[64];
    if (program == NULL) return false;
    uint32_t count = expr_uses(program, uses, 64);
    for (uint32_t i = 0; i < count && i < 64; i++) {
        bool event = uses[i].event_type == SYMBOL_NONE || uses[i].event_type == field->event;
        if (event && (field->property == SYMBOL_NONE || uses[i].property == field->property))
            return true;
    }
    return false;
}

static enum status name_use(struct buffer *out, const char *kind, struct text name,
                            uint32_t *told) {
    enum status status =
        buffer_format(out, "%s%s %.*s", *told > 0 ? ", " : "", kind, TEXT_ARG(name));
    (*told)++;
    return status;
}

/* The engine itself reads some properties: treatments for contact limits, consent and relations for
 * the funnel. */
static bool is_read_by_funnel(const struct field_count *field) {
    if (event_is_treatment(field->event)) {
        return field->property == SYMBOL_NONE || field->property == PROPERTY_TREATMENT;
    }
    return event_is_permission(field->event) || field->event == EVENT_RELATED;
}

/* The rows of which an event was made: rows that come later are put together with them. */
static bool is_kept_rows(const struct customer_data *data, const struct field_count *field) {
    return field->property != SYMBOL_NONE &&
           text_equal(symbol_text(data->symbols, SYMBOL_PROPERTY, field->property),
                      SYMBOL_KEPT_ROWS);
}

static enum status uses_of(const struct customer_data *data, const struct field_count *field,
                           struct buffer *out) {
    const struct playbook *playbook = data->playbook;
    uint32_t told = 0;
    enum status status = STATUS_OK;
    for (uint32_t i = 0;
         i < playbook->trait_count && status == STATUS_OK && out->length < USED_BY_MAX; i++) {
        if (program_uses(playbook->traits[i].program, field))
            status = name_use(out, "trait", playbook->traits[i].name, &told);
    }
    for (uint32_t i = 0;
         i < playbook->goal_count && status == STATUS_OK && out->length < USED_BY_MAX; i++) {
        const struct goal *goal = &playbook->goals[i];
        bool is_goal = field->property == SYMBOL_NONE &&
                       (goal->event_type == field->event || goal->undone_by == field->event);
        if (is_goal || (goal->event_type == field->event &&
                        (program_uses(goal->where, field) || program_uses(goal->value, field)))) {
            status = name_use(out, "goal", goal->name, &told);
        }
    }
    for (uint32_t i = 0;
         i < playbook->scenario_count && status == STATUS_OK && out->length < USED_BY_MAX; i++) {
        if (program_uses(playbook->scenarios[i].when, field))
            status = name_use(out, "scenario", playbook->scenarios[i].name, &told);
    }
    if (status == STATUS_OK && is_read_by_funnel(field))
        status = name_use(out, "contact", TEXT("policies"), &told);
    if (status == STATUS_OK && is_kept_rows(data, field))
        status = name_use(out, "later", TEXT("rows"), &told);
    return status;
}

/* ---- the report ---- */

static int compare_usages(const void *left, const void *right) {
    const struct field_usage *a = left, *b = right;
    int order = a->order != b->order ? (a->order < b->order ? -1 : 1) : 0;
    if (order == 0) order = text_compare(a->event, b->event);
    if (order == 0 && a->place != b->place) order = a->place < b->place ? -1 : 1;
    return order != 0 ? order : text_compare(a->field, b->field);
}

static enum status write_field(const struct customer_data *data, const struct field_count *from,
                               struct data_report *out, struct field_usage *to) {
    struct buffer uses;
    buffer_init(&uses);
    enum status status = data->playbook != NULL ? uses_of(data, from, &uses) : STATUS_OK;
    *to = (struct field_usage){
        .order = (uint64_t)from->source << 32 | from->event,
        .place = from->property + 1, /* the event itself first: SYMBOL_NONE + 1 = 0 */
        .source = symbol_text(data->symbols, SYMBOL_SOURCE, from->source),
        .event = symbol_text(data->symbols, SYMBOL_EVENT, from->event),
        .field = from->property == SYMBOL_NONE
                     ? (struct text){0}
                     : symbol_text(data->symbols, SYMBOL_PROPERTY, from->property),
        .count = from->count,
        .bytes = from->bytes,
        .type = (enum value_type)from->type,
        .used_by =
            status == STATUS_OK ? arena_text(&out->arena, buffer_text(&uses)) : (struct text){0},
    };
    if (status == STATUS_OK && to->used_by.at == NULL) status = STATUS_NO_MEMORY;
    if (from->property != SYMBOL_NONE && to->used_by.length == 0) {
        out->dark_fields++;
        out->dark_bytes += from->bytes;
    }
    buffer_release(&uses);
    return status;
}

/* Writes what nobody declared, and so nothing uses. */
static enum status write_dark(const struct customer_data *data, const struct dark_name *from,
                              struct data_report *out, struct field_usage *to) {
    *to = (struct field_usage){
        .order = (uint64_t)from->source << 32 | from->event,
        .place = from->field.length == 0 ? 0 : PROPERTY_UNDECLARED + 1,
        .source = symbol_text(data->symbols, SYMBOL_SOURCE, from->source),
        .event = from->event == EVENT_UNDECLARED
                     ? arena_text(&out->arena, from->own_event)
                     : symbol_text(data->symbols, SYMBOL_EVENT, from->event),
        .field = arena_text(&out->arena, from->field),
        .count = from->count,
        .bytes = from->bytes,
        .type = (enum value_type)from->type,
        .used_by = {"", 0},
    };
    out->dark_fields += from->field.length > 0;
    return to->event.at != NULL && to->field.at != NULL ? STATUS_OK : STATUS_NO_MEMORY;
}

/* Takes the events of undeclared names, one line for each name; those without a name of their own
 * share one line. */
static void take_told(struct field_usage *fields, size_t count, const struct field_usage *named) {
    for (size_t i = 0; named->field.length == 0 && i < count; i++) {
        if (fields[i].order != named->order || fields[i].place != 0) continue;
        fields[i].count -= named->count < fields[i].count ? named->count : fields[i].count;
        fields[i].bytes -= named->bytes < fields[i].bytes ? named->bytes : fields[i].bytes;
        return;
    }
}

static size_t without_empty(struct field_usage *fields, size_t count) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (fields[i].count > 0) fields[kept++] = fields[i];
    }
    return kept;
}

static enum status write_report(const struct customer_data *data, struct counting *counting,
                                struct data_report *out) {
    size_t kept = 0, dark = dark_names_list(&counting->dark);
    for (size_t i = 0; i < counting->capacity; i++) {
        if (counting->fields[i].count > 0) counting->fields[kept++] = counting->fields[i];
    }
    struct field_usage *fields = arena_calloc(&out->arena, kept + dark + 1, sizeof *fields);
    if (fields == NULL) return STATUS_NO_MEMORY;
    enum status status = STATUS_OK;
    for (size_t i = 0; i < kept && status == STATUS_OK; i++)
        status = write_field(data, &counting->fields[i], out, &fields[i]);
    for (size_t i = 0; i < dark && status == STATUS_OK; i++) {
        status = write_dark(data, &counting->dark.names[i], out, &fields[kept + i]);
        if (counting->dark.names[i].event == EVENT_UNDECLARED)
            take_told(fields, kept, &fields[kept + i]);
    }
    out->dark_bytes += counting->dark_bytes;
    out->fields = fields;
    out->field_count = without_empty(fields, kept + dark);
    if (out->field_count > 0) qsort(fields, out->field_count, sizeof *fields, compare_usages);
    return status;
}

/* ---- lookups: sources join them, actions are made of them, traits look into them ---- */

static bool source_joins(const struct source *source, uint32_t lookup) {
    bool joins = source->time.kind == FIELD_LOOKUP && source->time.lookup == lookup;
    for (uint32_t i = 0; i < source->property_count; i++) {
        const struct field_source *from = &source->properties[i].from;
        joins |= from->kind == FIELD_LOOKUP && from->lookup == lookup;
    }
    return joins;
}

static bool action_uses(const struct action *action, uint32_t lookup) {
    bool uses = action->for_each == lookup;
    for (uint32_t i = 0; i < action->attribute_count; i++)
        uses |= action->attributes[i].lookup == lookup;
    return uses;
}

static enum status lookup_uses_of(const struct playbook *playbook, uint32_t lookup,
                                  struct buffer *out) {
    uint32_t told = 0;
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < playbook->source_count && status == STATUS_OK; i++) {
        const struct source *source = &playbook->sources[i];
        if (!source->is_lookup && source_joins(source, lookup))
            status = name_use(out, "source", source->name, &told);
    }
    for (uint32_t i = 0;
         i < playbook->action_count && status == STATUS_OK && out->length < USED_BY_MAX; i++) {
        if (action_uses(&playbook->actions[i], lookup))
            status = name_use(out, "action", playbook->actions[i].name, &told);
    }
    for (uint32_t i = 0;
         i < playbook->trait_count && status == STATUS_OK && out->length < USED_BY_MAX; i++) {
        if (expr_uses_lookup(playbook->traits[i].program, lookup))
            status = name_use(out, "trait", playbook->traits[i].name, &told);
    }
    return status;
}

static enum status write_lookup(const struct customer_data *data, uint32_t index,
                                struct data_report *out, struct lookup_usage *to) {
    const struct lookup_rule *rule = &data->playbook->lookups[index];
    const struct lookup_table *table = data->lookup(data->context, index, TIME_NEVER);
    struct buffer uses;
    buffer_init(&uses);
    enum status status = lookup_uses_of(data->playbook, index, &uses);
    *to = (struct lookup_usage){.name = rule->name,
                                .used_by = arena_text(&out->arena, buffer_text(&uses))};
    if (status == STATUS_OK && to->used_by.at == NULL) status = STATUS_NO_MEMORY;
    if (table != NULL) {
        to->rows = lookup_row_count(table);
        to->bytes = lookup_bytes(table);
    }
    buffer_release(&uses);
    return status;
}

static enum status write_lookups(const struct customer_data *data, struct data_report *out) {
    if (data->playbook == NULL) return STATUS_OK;
    struct lookup_usage *lookups =
        arena_calloc(&out->arena, data->playbook->lookup_count + 1, sizeof *lookups);
    if (lookups == NULL) return STATUS_NO_MEMORY;
    out->lookups = lookups;
    out->lookup_count = data->playbook->lookup_count;
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < out->lookup_count && status == STATUS_OK; i++)
        status = write_lookup(data, i, out, &lookups[i]);
    return status;
}

enum status data_use_measure(const struct customer_data *data, struct work *work,
                             struct data_report *out, struct error *error) {
    struct counting counting = {.symbols = data->symbols};
    *out = (struct data_report){0};
    arena_init(&out->arena, REPORT_BYTES_MAX);
    dark_names_init(&counting.dark);
    work_step(work, "customers counted by field", 0);
    enum status status = count_all(data->source, work, &counting, error);
    if (status == STATUS_OK) status = write_report(data, &counting, out);
    if (status == STATUS_OK) status = write_lookups(data, out);
    out->event_count = counting.events;
    out->clean_bytes = counting.bytes;
    out->customer_count = counting.customers;
    memory_free(counting.fields);
    dark_names_release(&counting.dark);
    return status;
}

void data_report_release(struct data_report *report) {
    arena_release(&report->arena);
}
