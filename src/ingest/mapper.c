/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/mapper.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/canonical.h"
#include "base/hash.h"
#include "base/memory.h"
#include "ingest/csv.h"
#include "ingest/notation.h"
#include "ingest/scan.h"
#include "ingest/segment.h"

static enum status alloc_parts(struct mapper *mapper) {
    const struct plan *plan = mapper->plan;
    uint32_t columns = plan->column_count ? plan->column_count : 1;
    mapper->cells = memory_calloc(columns, sizeof *mapper->cells);
    mapper->filled = memory_calloc(columns, 1);
    mapper->values = memory_calloc(plan->property_count + 1, sizeof *mapper->values);
    mapper->lists = memory_calloc(plan->list_count + 1, sizeof *mapper->lists);
    if (!mapper->cells || !mapper->filled || !mapper->values || !mapper->lists)
        return STATUS_NO_MEMORY;
    if (plan->source->format != SOURCE_NDJSON) return STATUS_OK;
    mapper->follow = memory_calloc(2 * (size_t)plan->path_count, sizeof *mapper->follow);
    if (mapper->follow == NULL) return STATUS_NO_MEMORY;
    return json_parser_create(&mapper->json, INGEST_ROW_BYTES_MAX);
}

enum status mapper_create(struct mapper **out, const struct plan *plan) {
    struct mapper *mapper = memory_calloc(1, sizeof *mapper);
    if (mapper == NULL) return STATUS_NO_MEMORY;
    mapper->plan = plan;
    arena_init(&mapper->scratch, MAPPER_SCRATCH_MAX);
    packed_writer_init(&mapper->writer);
    packed_list_init(&mapper->items);
    buffer_init(&mapper->text);
    buffer_init(&mapper->left);
    zone_days_init(&mapper->reader.days, plan->zone);
    mapper->reader.currency = plan->currency;
    mapper->reader.minor_digits = plan->minor_digits;
    mapper->reader.scratch = &mapper->scratch;
    if (alloc_parts(mapper)) {
        mapper_destroy(mapper);
        return STATUS_NO_MEMORY;
    }
    *out = mapper;
    return STATUS_OK;
}

void mapper_destroy(struct mapper *mapper) {
    if (mapper == NULL) return;
    for (uint32_t i = 0; mapper->lists && i < mapper->plan->list_count; i++)
        packed_list_release(&mapper->lists[i]);
    packed_list_release(&mapper->items);
    packed_writer_release(&mapper->writer);
    buffer_release(&mapper->text);
    buffer_release(&mapper->left);
    arena_release(&mapper->scratch);
    json_parser_destroy(mapper->json);
    memory_free(mapper->cells);
    memory_free(mapper->filled);
    memory_free((void *)mapper->follow);
    memory_free(mapper->values);
    memory_free(mapper->lists);
    memory_free(mapper->consent_seen);
    memory_free(mapper);
}

enum status mapper_bad(struct mapper *mapper, uint32_t column, const char *format, ...) {
    va_list arguments;
    bool csv = mapper->plan->source->format == SOURCE_CSV;
    mapper->reason.column = csv && column != COLUMN_NONE ? column + 1 : 0;
    mapper->reason.line = mapper->line;
    va_start(arguments, format);
    vsnprintf(mapper->reason.text, sizeof mapper->reason.text, format, arguments);
    va_end(arguments);
    return STATUS_INVALID;
}

char *mapper_show(struct text text, char out[MAPPER_SHOWN_BYTES + 8]) {
    uint32_t length = text.length;
    if (length > MAPPER_SHOWN_BYTES) {
        length = MAPPER_SHOWN_BYTES;
        while (length > 0 && ((unsigned char)text.at[length] & 0xC0) == 0x80) length--;
    }
    for (uint32_t i = 0; i < length; i++)
        out[i] = (unsigned char)text.at[i] < 0x20 || text.at[i] == 0x7f ? '?' : text.at[i];
    memcpy(out + length, length < text.length ? "…" : "", length < text.length ? sizeof "…" : 1);
    return out;
}

enum status mapper_bad_value(struct mapper *mapper, uint32_t column, enum value_type type) {
    const struct cell *cell = &mapper->cells[column];
    char shown[MAPPER_SHOWN_BYTES + 8] = "", advice[NOTATION_ADVICE_BYTES] = "";
    struct text name = mapper->plan->columns[column], text = {0};
    if (name.length > 128) name.length = 128;
    if (cell->kind == CELL_NODE) {
        return mapper_bad(mapper, column, "column %.*s holds %s where a %s belongs", TEXT_ARG(name),
                          json_type(cell->node) == JSON_ARRAY ? "a list" : "an object",
                          value_type_name(type));
    }
    if (cell_text(&mapper->reader, cell, &text) == STATUS_OK) {
        mapper_show(text, shown);
        notation_advice(text, type, plan_notation(mapper->plan, column), advice);
    }
    return mapper_bad(mapper, column, "'%s' is no %s in column %.*s%s", shown,
                      value_type_name(type), TEXT_ARG(name), advice);
}

enum status mapper_symbol(struct mapper *mapper, enum symbol_kind kind, struct text name,
                          uint32_t *id) {
    static const char *const what[] = {
        [SYMBOL_EVENT] = "event", [SYMBOL_PROPERTY] = "property", [SYMBOL_CHANNEL] = "channel"};
    char shown[MAPPER_SHOWN_BYTES + 8];
    uint32_t slot = 0;
    bool cached = kind == SYMBOL_EVENT || kind == SYMBOL_PROPERTY;
    if (cached && name.length > 0) {
        slot = (name.length * 37 + (unsigned char)name.at[0] * 5 +
                (unsigned char)name.at[name.length - 1] * 11 +
                (unsigned char)name.at[name.length / 2] * 23) %
               MAPPER_NAMES;
        if (text_equal(mapper->names[kind][slot].name, name)) {
            *id = mapper->names[kind][slot].id;
            return STATUS_OK;
        }
    }
    *id = symbol_find(mapper->plan->symbols, kind, name);
    enum status status =
        *id == SYMBOL_NONE ? symbol_add(mapper->plan->symbols, kind, name, id) : STATUS_OK;
    if (status == STATUS_INVALID) {
        return mapper_bad(mapper, COLUMN_NONE, "'%s' can't be the name of a %s: 1 to %d bytes",
                          mapper_show(name, shown), what[kind], SYMBOL_BYTES_MAX);
    }
    if (status == STATUS_LIMIT) {
        return mapper_bad(mapper, COLUMN_NONE, "'%s' would be one %s name too many",
                          mapper_show(name, shown), what[kind]);
    }
    if (status == STATUS_OK && cached) {
        mapper->names[kind][slot].name = symbol_text(mapper->plan->symbols, kind, *id);
        mapper->names[kind][slot].id = *id;
    }
    return status;
}

/* ---- a row to cells ---- */

static enum status check_text(struct mapper *mapper) {
    if (memchr(mapper->row.at, 0, mapper->row.length))
        return mapper_bad(mapper, COLUMN_NONE, "the row holds a NUL byte");
    if (!text_is_utf8(mapper->row)) return mapper_bad(mapper, COLUMN_NONE, "the row is not UTF-8");
    return STATUS_OK;
}

static enum status check_readable(struct mapper *mapper, const struct row *row) {
    if (row->flags & ROW_TOO_LONG)
        return mapper_bad(mapper, COLUMN_NONE, "the row is longer than %u bytes",
                          INGEST_ROW_BYTES_MAX);
    if ((row->flags & ROW_OPEN_QUOTE) && (row->flags & ROW_FILE_ENDS)) {
        return mapper_bad(mapper, COLUMN_NONE, "the file ends inside quotes");
    }
    if (row->flags & ROW_OPEN_QUOTE)
        return mapper_bad(mapper, COLUMN_NONE, "a quote opens in this row and never closes");
    if (row->flags & ROW_BAD_QUOTE)
        return mapper_bad(mapper, COLUMN_NONE, "text stands behind a closing quote");
    if (row->flags & ROW_FILE_ENDS)
        return mapper_bad(mapper, COLUMN_NONE, "the file ends in the middle of this row");
    if (row->flags & ROW_GROUP_GONE) {
        return mapper_bad(
            mapper, mapper->plan->group_column,
            "the other rows of its %.*s stood too far before it: sort the file by %.*s",
            TEXT_ARG(mapper->plan->source->one_event_per),
            TEXT_ARG(mapper->plan->source->one_event_per));
    }
    return STATUS_OK;
}

static enum status read_csv(struct mapper *mapper, struct job *job, const struct row *row) {
    const struct plan *plan = mapper->plan;
    uint32_t count = csv_split(mapper->row, plan->delimiter, row->flags & ROW_QUOTED,
                               &mapper->scratch, mapper->cells, plan->column_count);
    if (count == plan->column_count) return STATUS_OK;
    if (count == CSV_NO_MEMORY) return STATUS_NO_MEMORY;
    if (count == CSV_TOO_MANY) {
        return mapper_bad(mapper, plan->column_count, "the row has more than the file's %u columns",
                          plan->column_count);
    }
    if (row->flags & ROW_UNTERMINATED) {
        snprintf(job->truncation, sizeof job->truncation,
                 "%s:%llu: the file ends in the middle of a row", plan->file.at,
                 (unsigned long long)row->line);
        return mapper_bad(mapper, count, "the file ends in the middle of this row");
    }
    return mapper_bad(mapper, count,
                      "the row has %u field%s, the file has %u columns: %.*s is missing", count,
                      count == 1 ? "" : "s", plan->column_count,
                      (int)(plan->columns[count].length < 128 ? plan->columns[count].length : 128),
                      plan->columns[count].at);
}

enum status mapper_read_row(struct mapper *mapper, struct job *job, const struct row *row,
                            bool plain) {
    mapper->row = mapper->line_text = (struct text){job->bytes.at + row->offset, row->length};
    mapper->line = row->line;
    enum status status = row->flags & ROW_UNREADABLE ? check_readable(mapper, row) : STATUS_OK;
    if (status == STATUS_OK && !plain) status = check_text(mapper);
    if (status) return status;
    if (mapper->plan->source->format == SOURCE_CSV) return read_csv(mapper, job, row);
    status = mapper_read_json(mapper);
    if (status == STATUS_INVALID && (row->flags & ROW_UNTERMINATED)) {
        snprintf(job->truncation, sizeof job->truncation,
                 "%s:%llu: the file ends in the middle of a line", mapper->plan->file.at,
                 (unsigned long long)row->line);
    }
    return status;
}

/* ---- the event's own fields ---- */

static enum status take_type(struct mapper *mapper, uint32_t *type) {
    const struct plan *plan = mapper->plan;
    struct text name;
    *type = plan->source->event_type;
    if (*type != SYMBOL_NONE) return STATUS_OK;
    if (segment_is_message(mapper)) return segment_event_type(mapper, type);
    enum status status = mapper_field_text(mapper, &plan->event, &name);
    if (status) return status;
    name = text_trim(name);
    if (name.length == 0)
        return mapper_bad(mapper, plan->event.column, "no event: column %.*s is empty",
                          TEXT_ARG(plan->event.name));
    return mapper_symbol(mapper, SYMBOL_EVENT, name, type);
}

static enum status take_channel(struct mapper *mapper, uint8_t *channel) {
    const struct plan *plan = mapper->plan;
    struct text name = {0};
    uint32_t id = plan->source->channel;
    enum status status =
        plan->channel_from_field ? mapper_field_text(mapper, &plan->channel, &name) : STATUS_OK;
    name = text_trim(name);
    if (status == STATUS_OK && name.length > 0)
        status = mapper_symbol(mapper, SYMBOL_CHANNEL, name, &id);
    *channel = (uint8_t)id;
    return status;
}

static enum status no_time(struct mapper *mapper) {
    const struct plan_field *time = &mapper->plan->time;
    if (time->kind == FIELD_LOOKUP) {
        return mapper_bad(mapper, time->key_columns[0],
                          "no time: the lookup has no %.*s for this row", TEXT_ARG(time->name));
    }
    if (time->kind == FIELD_COLUMN || time->kind == FIELD_AGGREGATE) {
        return mapper_bad(mapper, time->column, "no time: column %.*s is empty",
                          TEXT_ARG(time->name));
    }
    return mapper_bad(mapper, COLUMN_NONE, "no time");
}

/* Known: when we could have known it. Never before it happened. */
static void set_known(const struct plan *plan, struct event *event) {
    event->known_ms = event->time_ms;
    if (event->time_ms == TIME_ALWAYS) return;
    if (!plan->source->known_on_arrival)
        event->known_ms += plan->source->arrives_ms;
    else if (plan->now_ms > event->time_ms)
        event->known_ms = plan->now_ms;
}

static enum status take_time(struct mapper *mapper, struct event *event) {
    const struct plan *plan = mapper->plan;
    struct value value = value_time(TIME_ALWAYS);
    if (segment_is_message(mapper) && plan->usual_time) return segment_time(mapper, event);
    if (plan->has_time) {
        enum status status = mapper_field_value(mapper, &plan->time, &value);
        if (status) return status;
        if (value.type != VALUE_TIME) return no_time(mapper);
    } else if (!plan->source->time_always) {
        if (!plan->source->known_on_arrival)
            return mapper_bad(mapper, COLUMN_NONE, "no time: the source names no column for it");
        value.time_ms = plan->now_ms;
    }
    event->time_ms = value.time_ms;
    set_known(plan, event);
    return STATUS_OK;
}

/* Of several columns each one's hash is the seed of the next: "a", "bc" and "ab", "c" are two keys.
 */
static struct row_key add_to_key(struct row_key key, uint64_t *high, struct text text) {
    *high = hash_text(text, ~*high);
    return (struct row_key){hash_text(text, key.low), (uint32_t)(*high >> 32)};
}

/* Words of people may be a part of a key of several columns ("none" of a coupon), and say nothing
 * alone. */
static bool is_no_key(const struct plan *plan, struct text text) {
    enum filler filler = canonical_filler(text);
    return filler == FILLER_OF_PEOPLE ? plan->row_key_count == 1 : filler != FILLER_NONE;
}

/* A row whose key is a filler has none: under one "#REF!" all rows but the first would be repeats.
 * Of a JSON line that has no key one is made. */
static enum status take_key(struct mapper *mapper, struct event *event) {
    const struct plan *plan = mapper->plan;
    const struct row_key start = {plan->key_seed, 0};
    struct row_key key = start;
    uint64_t high = plan->key_seed;
    for (uint32_t i = 0; i < plan->row_key_count; i++) {
        const struct plan_field *field = &plan->row_keys[i];
        struct text text;
        enum status status = mapper_field_text(mapper, field, &text);
        if (status == STATUS_OK)
            status = canonical_text(text, CANONICAL_AS_WRITTEN, &mapper->scratch, &text);
        if (status) return status;
        bool filler = is_no_key(plan, text);
        mapper->no_keys += filler;
        if (text.length > 0 && !filler) {
            key = add_to_key(key, &high, text);
            continue;
        }
        if (plan->source->format != SOURCE_NDJSON && filler) return STATUS_OK;
        if (plan->source->format != SOURCE_NDJSON) {
            return mapper_bad(mapper, field->column, "the row key %.*s is empty",
                              TEXT_ARG(field->name));
        }
        high = plan->key_seed;
        key = add_to_key(start, &high, mapper->row);
        break;
    }
    if (plan->row_key_count > 0) event->key = key;
    if (plan->row_key_count > 0 && key.low == 0) event->key.low = 1;
    return STATUS_OK;
}

enum status mapper_add_identifier(struct mapper *mapper, uint32_t type, bool lower_case,
                                  uint32_t column, struct text text) {
    enum status status = canonical_text(text, lower_case ? CANONICAL_SMALL : CANONICAL_AS_WRITTEN,
                                        &mapper->scratch, &text);
    if (status || text.length == 0) return status;
    if (text.length > IDENTIFIER_BYTES_MAX)
        return mapper_bad(mapper, column, "an identifier of %u bytes, the limit is %d", text.length,
                          IDENTIFIER_BYTES_MAX);
    status = event_batch_add_identifier(mapper->batch, type, text);
    return status == STATUS_LIMIT
               ? mapper_bad(mapper, COLUMN_NONE, "more than %d identifiers", EVENT_IDENTIFIERS_MAX)
               : status;
}

static enum status add_identifier(struct mapper *mapper, const struct plan_identifier *identifier) {
    struct text text;
    enum status status = mapper_field_text(mapper, &identifier->field, &text);
    return status ? status
                  : mapper_add_identifier(mapper, identifier->symbol, identifier->lower_case,
                                          identifier->field.column, text);
}

static const struct identifier_rule *rule_of(const struct plan *plan, uint32_t symbol,
                                             uint32_t *index) {
    for (*index = 0; *index < plan->playbook->identifier_count; (*index)++) {
        if (plan->playbook->identifiers[*index].symbol == symbol)
            return &plan->playbook->identifiers[*index];
    }
    return NULL;
}

static bool has_usable(const struct mapper *mapper, const struct event *event) {
    const struct plan *plan = mapper->plan;
    for (uint32_t i = 0; i < event->identifier_count; i++) {
        const struct event_identifier *given = &mapper->batch->identifiers[event->identifier + i];
        uint32_t rule;
        if (rule_of(plan, given->type, &rule) == NULL) return true;
        if (plan->usable(plan->usable_context, rule,
                         event_batch_text(mapper->batch, given->offset, given->length)))
            return true;
    }
    return false;
}

/* "nobody: 'null' of loyalty, 'n/a' of email can't stand for a person" */
static enum status nobody_usable(struct mapper *mapper, const struct event *event) {
    const struct plan *plan = mapper->plan;
    char list[MAPPER_REASON_BYTES / 2];
    size_t length = 0;
    bool lost = false;
    for (uint32_t i = 0; i < event->identifier_count; i++) {
        const struct event_identifier *given = &mapper->batch->identifiers[event->identifier + i];
        char shown[MAPPER_SHOWN_BYTES + 8];
        uint32_t index;
        struct text name = rule_of(plan, given->type, &index)->name;
        if (name.length > MAPPER_SHOWN_BYTES) name.length = MAPPER_SHOWN_BYTES;
        struct text value = event_batch_text(mapper->batch, given->offset, given->length);
        mapper_show(value, shown);
        lost = lost || canonical_filler(value) == FILLER_LOST_DIGITS;
        int more = snprintf(list + length, sizeof list - length, "%s'%s' of %.*s",
                            i > 0 ? ", " : "", shown, TEXT_ARG(name));
        if (more < 0 || (size_t)more >= sizeof list - length) {
            list[length] = '\0'; /* the ones that fit say enough */
            break;
        }
        length += (size_t)more;
    }
    return mapper_bad(mapper,
                      plan->identifier_count > 0 ? plan->identifiers[0].field.column : COLUMN_NONE,
                      "nobody: %s can't stand for a person%s", list,
                      lost ? ": a spreadsheet has shortened the number, so export its column as "
                             "text"
                           : "");
}

static enum status take_identifiers(struct mapper *mapper, size_t index) {
    const struct plan *plan = mapper->plan;
    enum status status = STATUS_OK;
    for (uint32_t i = 0; status == STATUS_OK && i < plan->identifier_count; i++) {
        status = add_identifier(mapper, &plan->identifiers[i]);
    }
    if (status == STATUS_OK && segment_is_message(mapper)) status = segment_identifiers(mapper);
    if (status) return status;
    const struct event *event = &mapper->batch->events[index];
    if (event->identifier_count > 0)
        return plan->usable == NULL || has_usable(mapper, event) ? STATUS_OK
                                                                 : nobody_usable(mapper, event);
    const struct plan_field *first =
        plan->identifier_count > 0 ? &plan->identifiers[0].field : NULL;
    return mapper_bad(mapper, first ? first->column : COLUMN_NONE, "nobody: %.*s%s is empty",
                      first ? (int)first->name.length : 0, first ? first->name.at : "",
                      plan->identifier_count > 1 ? " (and every other identifier)" : "");
}

static enum status check_group(struct mapper *mapper) {
    uint32_t column = mapper->plan->group_column;
    struct text text, name = mapper->plan->source->one_event_per;
    if (column == COLUMN_NONE) return STATUS_OK;
    enum status status = cell_text(&mapper->reader, &mapper->cells[column], &text);
    if (status) return status == STATUS_INVALID ? STATUS_OK : status;
    if (canonical_trim(text).length == 0)
        return mapper_bad(mapper, column,
                          "column %.*s is empty, which says what event the row belongs to",
                          TEXT_ARG(name));
    char shown[MAPPER_SHOWN_BYTES + 8];
    enum filler filler = canonical_filler(text);
    if (filler != FILLER_OF_PROGRAMS && filler != FILLER_LOST_DIGITS) return STATUS_OK;
    return mapper_bad(mapper, column,
                      "column %.*s is '%s', which says of no row what event it belongs to",
                      TEXT_ARG(name), mapper_show(text, shown));
}

/* A store takes so many at once; a line may hold any number of messages. */
struct event *mapper_add_event(struct mapper *mapper, enum status *status) {
    if (mapper->batch->event_count >= BATCH_EVENTS_MAX) {
        *status = mapper_bad(mapper, COLUMN_NONE,
                             "more than %d events were read at once: replay the quarantine",
                             BATCH_EVENTS_MAX);
        return NULL;
    }
    struct event *event = event_batch_add(mapper->batch);
    *status = event != NULL ? STATUS_OK : STATUS_NO_MEMORY;
    return event;
}

enum status mapper_note_identifiers(struct mapper *mapper) {
    enum status status;
    if (mapper_add_event(mapper, &status) == NULL) return status;
    for (uint32_t i = 0; i < mapper->plan->identifier_count; i++) {
        status = add_identifier(mapper, &mapper->plan->identifiers[i]);
        if (status != STATUS_OK && status != STATUS_INVALID) return status;
    }
    if (segment_is_message(mapper)) status = segment_identifiers(mapper);
    return status == STATUS_INVALID ? STATUS_OK : status;
}

static enum status take_first(struct mapper *mapper) {
    enum status status;
    struct event *event = mapper_add_event(mapper, &status);
    size_t index = mapper->batch->event_count - 1;
    uint32_t type;
    if (event == NULL) return status;
    event->source = (uint16_t)mapper->plan->source->symbol;
    status = check_group(mapper);
    if (status == STATUS_OK) status = take_type(mapper, &type);
    if (status) return status;
    event->type = (uint16_t)type;
    status = take_channel(mapper, &event->channel);
    if (status == STATUS_OK) status = take_time(mapper, event);
    if (status == STATUS_OK) status = take_key(mapper, event);
    return status == STATUS_OK ? take_identifiers(mapper, index) : status;
}

/* Do the row's own fields say what the event's first row said? Its time counts where it is earlier.
 */
static enum status compare_row(struct mapper *mapper, struct event *event, bool *differs) {
    struct event_batch *batch = mapper->batch;
    struct event own = {0};
    uint32_t type;
    enum status status = take_type(mapper, &type);
    if (status == STATUS_OK) status = take_channel(mapper, &own.channel);
    if (status == STATUS_OK) status = take_time(mapper, &own);
    if (status) return status;
    if (own.time_ms < event->time_ms) {
        event->time_ms = own.time_ms;
        event->known_ms = own.known_ms;
    }
    *differs = type != event->type || own.channel != event->channel;
    for (uint32_t i = 0; i < mapper->plan->identifier_count; i++) {
        const struct plan_identifier *identifier = &mapper->plan->identifiers[i];
        struct text text;
        bool found = false;
        status = mapper_field_text(mapper, &identifier->field, &text);
        if (status) return status;
        enum canonical_case letters =
            identifier->lower_case ? CANONICAL_SMALL : CANONICAL_AS_WRITTEN;
        status = canonical_text(text, letters, &mapper->scratch, &text);
        if (status) return status;
        for (uint32_t k = 0; k < event->identifier_count; k++) {
            const struct event_identifier *given = &batch->identifiers[event->identifier + k];
            if (given->type != identifier->symbol) continue;
            found =
                found || text_equal(event_batch_text(batch, given->offset, given->length), text);
        }
        *differs = *differs || (text.length > 0 && !found);
    }
    return STATUS_OK;
}

/* ---- rows to an event, or to the quarantine ---- */

static enum status finish_event(struct mapper *mapper, size_t index) {
    struct event *event = &mapper->batch->events[index];
    enum status status = mapper_pack(mapper, event->type, event);
    return status == STATUS_OK && segment_is_message(mapper) ? segment_consent(mapper, index)
                                                             : status;
}

struct mark { /* how full a batch was */
    size_t events, identifiers, bytes;
};

static struct mark mark_of(const struct event_batch *batch) {
    return (struct mark){batch->event_count, batch->identifier_count, batch->bytes.length};
}

static void roll_back(struct event_batch *batch, struct mark mark) {
    batch->event_count = mark.events;
    batch->identifier_count = mark.identifiers;
    batch->bytes.length = mark.bytes;
}

static enum status map_message(struct mapper *mapper, const struct segment_batch *walk) {
    size_t index = mapper->batch->event_count;
    if (mapper->scratch.block) arena_clear(&mapper->scratch);
    mapper->row = walk->text;
    /* Each message takes what its line says of all. */
    if (mapper->batch->bytes.length >= MAPPER_BATCH_BYTES_MAX) {
        return mapper_bad(mapper, COLUMN_NONE,
                          "more than %zu MB were read at once: replay the quarantine",
                          MAPPER_BATCH_BYTES_MAX >> 20);
    }
    enum status status = mapper_read_message(mapper, walk->node);
    if (status == STATUS_OK) status = take_first(mapper);
    if (status == STATUS_OK) status = mapper_take_properties(mapper, true);
    return status == STATUS_OK ? finish_event(mapper, index) : status;
}

/* One bad message does not harm the others: what is left of the line is quarantined with its
 * reason. */
static enum status map_batch(struct mapper *mapper, struct job *job) {
    const struct plan *plan = mapper->plan;
    struct segment_batch walk;
    segment_batch_begin(&walk, mapper);
    while (segment_batch_next(&walk)) {
        struct mark mark = mark_of(mapper->batch);
        enum status status = map_message(mapper, &walk);
        if (status == STATUS_INVALID) {
            roll_back(mapper->batch, mark);
            status = segment_batch_leave(&walk, mapper);
        }
        if (status) return status;
    }
    if (walk.left_count == 0) return STATUS_OK;
    enum status status = segment_batch_end(&walk, mapper);
    if (status) return status;
    job->quarantined_rows++;
    return event_batch_add_row(mapper->batch, (uint16_t)plan->source->symbol, plan->file,
                               mapper->line, 0, text_from(mapper->reason.text),
                               buffer_text(&mapper->left));
}

static enum status map_rows(struct mapper *mapper, struct job *job, size_t from, size_t to,
                            bool plain) {
    size_t index = mapper->batch->event_count;
    enum status status = STATUS_OK;
    if (to - from > INGEST_GROUP_ROWS_MAX) {
        mapper->line = job->rows[from].line;
        return mapper_bad(mapper, mapper->plan->group_column, "more than %d rows of one event",
                          INGEST_GROUP_ROWS_MAX);
    }
    for (size_t i = from; status == STATUS_OK && i < to; i++) {
        bool differs = false;
        status = mapper_read_row(mapper, job, &job->rows[i], plain);
        if (status == STATUS_OK && mapper->plan->is_segment && segment_is_batch(mapper))
            return map_batch(mapper, job);
        if (status == STATUS_OK && i == from)
            status = take_first(mapper);
        else if (status == STATUS_OK)
            status = compare_row(mapper, &mapper->batch->events[index], &differs);
        if (status == STATUS_OK) status = mapper_take_properties(mapper, i == from);
        job->disagreeing_rows += differs;
    }
    return status == STATUS_OK ? finish_event(mapper, index) : status;
}

static enum status append_raw(struct mapper *mapper, struct text text) {
    size_t room = INGEST_RAW_BYTES_MAX - mapper->text.length;
    return buffer_append(&mapper->text, text.at, text.length < room ? text.length : room);
}

/* Header and rows, as they came. */
static enum status build_raw(struct mapper *mapper, const struct job *job, size_t from, size_t to) {
    struct text header = mapper->plan->header;
    enum status status = STATUS_OK;
    size_t whole = header.length;
    buffer_clear(&mapper->text);
    if (header.length > 0) status = append_raw(mapper, header);
    for (size_t i = from; status == STATUS_OK && i < to; i++) {
        const struct row *row = &job->rows[i];
        whole += row->length + 1;
        if (header.length > 0 || i > from) status = append_raw(mapper, TEXT("\n"));
        if (status == STATUS_OK)
            status = append_raw(mapper, (struct text){job->bytes.at + row->offset, row->length});
    }
    if (whole > INGEST_RAW_BYTES_MAX) {
        size_t at = strlen(mapper->reason.text);
        snprintf(mapper->reason.text + at, sizeof mapper->reason.text - at,
                 " (kept: the first %u bytes; it can't be replayed)", INGEST_RAW_BYTES_MAX);
    }
    return status;
}

static enum status quarantine(struct mapper *mapper, struct job *job, size_t from, size_t to) {
    const struct plan *plan = mapper->plan;
    enum status status = build_raw(mapper, job, from, to);
    if (status) return status;
    job->quarantined_rows += to - from;
    return event_batch_add_row(mapper->batch, (uint16_t)plan->source->symbol, plan->file,
                               mapper->reason.line, mapper->reason.column,
                               text_from(mapper->reason.text), buffer_text(&mapper->text));
}

enum status mapper_run(struct mapper *mapper, struct job *job, struct event_batch *batch) {
    bool plain = scan_is_plain(job->bytes.at, job->bytes.length);
    mapper->batch = batch;
    mapper->consent_count = 0;
    mapper->no_keys = 0;
    for (size_t from = 0, to; from < job->row_count; from = to) {
        for (to = from + 1; to < job->row_count && !(job->rows[to].flags & ROW_FIRST);) to++;
        struct mark mark = mark_of(batch);
        uint64_t no_keys = mapper->no_keys;
        if (mapper->scratch.block) arena_clear(&mapper->scratch);
        enum status status = map_rows(mapper, job, from, to, plain);
        if (status == STATUS_INVALID) {
            roll_back(batch, mark);
            mapper->no_keys = no_keys;
            status = quarantine(mapper, job, from, to);
        }
        if (status) return status;
    }
    job->no_keys += mapper->no_keys;
    return STATUS_OK;
}
