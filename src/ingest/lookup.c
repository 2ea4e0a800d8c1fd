/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdio.h>

#include "base/canonical.h"
#include "base/memory.h"
#include "ingest/cell/cell.h"
#include "ingest/file/csv.h"
#include "ingest/cell/currency.h"
#include "ingest/file/head.h"
#include "ingest/ingest.h"
#include "ingest/map/mapper.h"
#include "ingest/cell/notation.h"
#include "ingest/map/plan.h"

#define LOOKUP_TEXT_BYTES_MAX 64000u
static_assert(LOOKUP_TEXT_BYTES_MAX + LOOKUP_FIELDS_MAX * 20 < PACKED_BYTES_MAX,
              "with a tag and a length each");

struct loading {
    const struct source *source;
    const struct lookup_rule *rule;
    const char *path;
    struct cutter cutter;
    struct work *work; /* borrowed */
    struct head head;
    struct arena arena, scratch; /* of the file; of the row */
    struct lookup_field fields[LOOKUP_FIELDS_MAX];
    struct notation notations[LOOKUP_FIELDS_MAX];
    uint32_t columns[LOOKUP_FIELDS_MAX]; /* CSV: of the file */
    uint32_t field_count, keys[LOOKUP_KEY_FIELDS_MAX];
    uint16_t currency;  /* the playbook's */
    struct cell *cells; /* CSV */
    struct json_parser *json;
    struct cell_reader reader;
    struct lookup_table *table;
    struct event_batch *batch;
    struct error *error;
};

static enum status no_memory(struct loading *loading) {
    return error_set(loading->error, STATUS_NO_MEMORY, "no memory to load %s", loading->path);
}

static bool is_declared(const struct loading *loading, struct text name) {
    for (uint32_t i = 0; i < loading->rule->field_count; i++) {
        if (text_equal(loading->rule->fields[i].name, name)) return true;
    }
    return false;
}

/* Columns that nobody declared, behind those that somebody did. */
static enum status add_open_columns(struct loading *loading) {
    for (uint32_t i = 0; i < loading->head.column_count; i++) {
        struct text name = loading->head.columns[i];
        if (name.length == 0 || is_declared(loading, name)) continue;
        if (loading->field_count == LOOKUP_FIELDS_MAX) {
            return error_set(
                loading->error, STATUS_LIMIT,
                "%s:1: more than %d columns for a lookup; declare those that are needed",
                loading->path, LOOKUP_FIELDS_MAX);
        }
        loading->fields[loading->field_count] = (struct lookup_field){name, VALUE_TEXT};
        loading->columns[loading->field_count++] = i;
    }
    return STATUS_OK;
}

static enum status find_columns(struct loading *loading) {
    const struct lookup_rule *rule = loading->rule;
    bool csv = loading->source->format == SOURCE_CSV;
    enum status status = STATUS_OK;
    if (rule->field_count > LOOKUP_FIELDS_MAX || rule->key_count > LOOKUP_KEY_FIELDS_MAX)
        return error_set(loading->error, STATUS_LIMIT,
                         "lookup %.*s has more than %d fields or %d keys", TEXT_ARG(rule->name),
                         LOOKUP_FIELDS_MAX, LOOKUP_KEY_FIELDS_MAX);
    for (uint32_t i = 0; status == STATUS_OK && i < rule->field_count; i++) {
        char role[128];
        loading->fields[i] = rule->fields[i];
        loading->notations[i] = source_notation(loading->source, rule->fields[i].name);
        snprintf(role, sizeof role, "a field of lookup %.*s",
                 (int)(rule->name.length < 96 ? rule->name.length : 96), rule->name.at);
        if (csv)
            status =
                plan_column_find(loading->path, loading->head.columns, loading->head.column_count,
                                 rule->fields[i].name, role, &loading->columns[i], loading->error);
    }
    loading->field_count = rule->field_count;
    if (status == STATUS_OK && csv && (rule->fields_open || rule->field_count == 0))
        status = add_open_columns(loading);
    for (uint32_t k = 0; status == STATUS_OK && k < rule->key_count; k++) {
        uint32_t i = 0;
        while (i < loading->field_count && !text_equal(loading->fields[i].name, rule->keys[k])) i++;
        loading->keys[k] = i;
        if (i < loading->field_count) continue;
        status =
            csv ? plan_column_find(loading->path, loading->head.columns, loading->head.column_count,
                                   rule->keys[k], "the lookup's key", &i, loading->error)
                : error_set(loading->error, STATUS_INVALID,
                            "lookup %.*s declares no field %.*s, its key", TEXT_ARG(rule->name),
                            TEXT_ARG(rule->keys[k]));
    }
    return status;
}

static enum status quarantine(struct loading *loading, const struct cut *cut, uint32_t column,
                              const char *reason) {
    struct text row = {cut->at, (uint32_t)cut->length}, header = loading->head.header;
    char *raw = arena_alloc(&loading->scratch, (size_t)header.length + 1 + row.length);
    if (raw == NULL) return STATUS_NO_MEMORY;
    uint32_t length = 0;
    if (header.length > 0) {
        memcpy(raw, header.at, header.length);
        raw[header.length] = '\n';
        length = header.length + 1;
    }
    memcpy(raw + length, row.at, row.length);
    length += row.length;
    if (length > INGEST_RAW_BYTES_MAX) length = INGEST_RAW_BYTES_MAX;
    return event_batch_add_row(loading->batch, (uint16_t)loading->source->symbol,
                               text_from(loading->path), cut->line, column, text_from(reason),
                               (struct text){raw, length});
}

/* ---- a row to cells ---- */

/* NULL, or why the row can't be read. */
static const char *unreadable(const struct cut *cut) {
    if (cut->flags & ROW_TOO_LONG) return "the row is too long";
    if (cut->flags & ROW_OPEN_QUOTE) return "a quote opens in this row and never closes";
    if (cut->flags & ROW_BAD_QUOTE) return "text stands behind a closing quote";
    if (cut->flags & ROW_FILE_ENDS) return "the file ends in the middle of this row";
    if (memchr(cut->at, 0, cut->length)) return "the row holds a NUL byte";
    if (!text_is_utf8((struct text){cut->at, (uint32_t)cut->length}))
        return "the row is not UTF-8; convert the file (iconv -f WINDOWS-1252 -t UTF-8)";
    return NULL;
}

/* Two stray quotes swallow the rows between them. *reason: NULL where they don't. */
static enum status check_quoted(struct loading *loading, const struct cut *cut,
                                const char **reason) {
    struct text row = {cut->at, (uint32_t)cut->length};
    if (loading->source->quote != QUOTE_BY_DELIMITER || !(cut->flags & ROW_QUOTED))
        return STATUS_OK;
    uint32_t lines = csv_swallowed_lines(row, loading->head.delimiter, loading->head.column_count);
    if (lines == 0) return STATUS_OK;
    *reason = arena_format(&loading->scratch, CSV_SWALLOWED_REASON, lines - 1, lines);
    return *reason != NULL ? STATUS_OK : STATUS_NO_MEMORY;
}

static enum status read_csv(struct loading *loading, const struct cut *cut, const char **reason) {
    uint32_t count = csv_split((struct text){cut->at, (uint32_t)cut->length},
                               loading->head.delimiter, cut->flags & ROW_QUOTED, &loading->scratch,
                               loading->cells, loading->head.column_count);
    if (count == CSV_NO_MEMORY) return STATUS_NO_MEMORY;
    if (count != loading->head.column_count) {
        *reason = count == CSV_TOO_MANY ? "the row has more fields than the file has columns"
                                        : "the row has fewer fields than the file has columns";
        return STATUS_OK;
    }
    return check_quoted(loading, cut, reason);
}

static enum status read_json(struct loading *loading, const struct cut *cut, const char **reason) {
    struct json_node root, node;
    enum status status =
        json_parse(loading->json, (struct text){cut->at, (uint32_t)cut->length}, &root, NULL);
    if (status == STATUS_NO_MEMORY) return status;
    if (status || json_type(root) != JSON_OBJECT) {
        *reason = "the line is no JSON object";
        return STATUS_OK;
    }
    for (uint32_t i = 0; i < loading->field_count; i++) {
        bool found = json_get_path(root, loading->fields[i].name, &node);
        loading->cells[i] = found ? cell_from_json(node) : (struct cell){.kind = CELL_TEXT};
    }
    return STATUS_OK;
}

static const struct cell *cell_at(const struct loading *loading, uint32_t field) {
    return &loading->cells[loading->source->format == SOURCE_CSV ? loading->columns[field] : field];
}

/* NULL, or why the key names no row. */
static const char *bad_key(const struct loading *loading, const struct value *values) {
    for (uint32_t k = 0; k < loading->rule->key_count; k++) {
        const struct value *value = &values[loading->keys[k]];
        struct text text = value->type == VALUE_TEXT ? canonical_trim(value->text) : TEXT("1");
        if (!value_is_known(*value) || text.length == 0) return "the key is empty";
        enum filler filler = canonical_filler(text);
        if (filler == FILLER_LOST_DIGITS)
            return "the key is a number that a spreadsheet has shortened: export its column as "
                   "text";
        if (filler == FILLER_OF_PROGRAMS)
            return "the key is a word that programs write where nothing is known";
    }
    return NULL;
}

/* NULL: no memory. */
static const char *bad_value(struct loading *loading, uint32_t field, struct text text) {
    enum value_type type = loading->fields[field].type;
    const struct cell *cell = cell_at(loading, field);
    char advice[NOTATION_ADVICE_BYTES];
    if (cell->kind == CELL_NODE)
        return arena_format(&loading->scratch, "column %.*s holds %s where a %s belongs",
                            TEXT_ARG(loading->fields[field].name),
                            json_type(cell->node) == JSON_ARRAY ? "a list" : "an object",
                            type == VALUE_UNKNOWN ? "plain value" : value_type_name(type));
    notation_advice(text, type, loading->notations[field], advice);
    return arena_format(&loading->scratch, "'%.*s' is no %s in column %.*s%s",
                        (int)(text.length < 48 ? text.length : 48), text.at, value_type_name(type),
                        TEXT_ARG(loading->fields[field].name), advice);
}

/* The table's file keeps a row as packed properties. */
static bool is_too_long(const struct loading *loading, const struct value *values) {
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < loading->field_count; i++)
        bytes += values[i].type == VALUE_TEXT || values[i].type == VALUE_LIST
                     ? values[i].text.length
                     : 0;
    return bytes > LOOKUP_TEXT_BYTES_MAX;
}

/* A row may say which currency its amounts stand in. NULL, or why it can't be told. */
static enum status take_currency(struct loading *loading, const char **reason) {
    uint16_t currency = loading->currency;
    struct text text = {0};
    *reason = NULL;
    for (uint32_t i = 0; i < loading->field_count; i++) {
        if (!text_equal(loading->fields[i].name, TEXT("currency"))) continue;
        enum status status = cell_text(&loading->reader, cell_at(loading, i), &text);
        if (status == STATUS_NO_MEMORY) return status;
        bool known =
            status == STATUS_OK && (canonical_trim(text).length == 0 ||
                                    currency_read(text, loading->currency, &currency) == STATUS_OK);
        if (!known)
            *reason = arena_format(
                &loading->scratch, "'%.*s' is no currency: write three letters such as EUR",
                (int)(text.length < 48 ? text.length : 48), text.length > 0 ? text.at : "");
        if (!known && *reason == NULL) return STATUS_NO_MEMORY;
    }
    loading->reader.currency = currency;
    loading->reader.minor_digits = currency_minor_digits(currency);
    return STATUS_OK;
}

static enum status add_cells(struct loading *loading, const struct cut *cut) {
    struct value values[LOOKUP_FIELDS_MAX];
    const char *reason;
    enum status status = take_currency(loading, &reason);
    if (status != STATUS_OK) return status;
    if (reason != NULL) return quarantine(loading, cut, 0, reason);
    for (uint32_t i = 0; i < loading->field_count; i++) {
        struct text text = {0};
        status = cell_value(&loading->reader, cell_at(loading, i), loading->fields[i].type,
                            loading->notations[i], &values[i]);
        if (status == STATUS_OK) continue;
        if (status != STATUS_INVALID) return status;
        if (cell_text(&loading->reader, cell_at(loading, i), &text) == STATUS_NO_MEMORY)
            return STATUS_NO_MEMORY;
        reason = bad_value(loading, i, text);
        uint32_t column = loading->source->format == SOURCE_CSV ? loading->columns[i] + 1 : 0;
        return reason ? quarantine(loading, cut, column, reason) : STATUS_NO_MEMORY;
    }
    if (is_too_long(loading, values))
        return quarantine(loading, cut, 0, "the texts of the row have more than 64000 bytes");
    reason = bad_key(loading, values);
    if (reason != NULL) return quarantine(loading, cut, 0, reason);
    status = lookup_add(loading->table, values);
    if (status == STATUS_EXISTS)
        return quarantine(loading, cut, 0,
                          "a second row of this key; write many: yes where several belong to one");
    return status;
}

static enum status add_row(struct loading *loading, const struct cut *cut) {
    const char *reason = unreadable(cut);
    enum status status = STATUS_OK;
    arena_clear(&loading->scratch);
    if (reason == NULL) {
        status = loading->source->format == SOURCE_CSV ? read_csv(loading, cut, &reason)
                                                       : read_json(loading, cut, &reason);
    }
    if (status) return status;
    return reason ? quarantine(loading, cut, 0, reason) : add_cells(loading, cut);
}

static enum status add_rows(struct loading *loading) {
    struct cut cut = {0};
    enum status status;
    while ((status = cutter_row(&loading->cutter, &cut, loading->error)) == STATUS_OK) {
        if (cut.length > INGEST_ROW_BYTES_MAX) cut.length = INGEST_ROW_BYTES_MAX;
        status = add_row(loading, &cut);
        if (status == STATUS_LIMIT)
            return error_set(loading->error, status,
                             "%s:%llu: the lookup is full (at most %u rows)", loading->path,
                             (unsigned long long)cut.line, LOOKUP_ROWS_MAX);
        if (status) return no_memory(loading);
    }
    if (status != STATUS_END) return status;
    if (cut.flags & ROW_MAYBE_CUT)
        (void)error_set(loading->error, STATUS_OK,
                        "%s:%llu: the file ends without a line end: if it was cut off there, load "
                        "it again whole",
                        loading->path, (unsigned long long)cut.line);
    if (loading->cutter.truncation[0])
        return error_set(loading->error, STATUS_CORRUPT, "%s", loading->cutter.truncation);
    return lookup_finish(loading->table) ? no_memory(loading) : STATUS_OK;
}

/* The file, its header and its columns. */
static enum status open_table(struct loading *loading) {
    enum status status = cutter_open(&loading->cutter, loading->path, loading->path,
                                     (struct text){0}, loading->work, loading->error);
    if (status == STATUS_OK)
        status = head_read(&loading->head, &loading->cutter, loading->source, &loading->arena,
                           loading->error);
    if (status == STATUS_OK && loading->head.empty && loading->cutter.truncation[0])
        return error_set(loading->error, STATUS_CORRUPT, "%s", loading->cutter.truncation);
    if (status == STATUS_OK && loading->head.empty)
        return error_set(loading->error, STATUS_END, "%s is empty: the lookup %.*s stays as it was",
                         loading->path, TEXT_ARG(loading->rule->name));
    return status == STATUS_OK ? find_columns(loading) : status;
}

static enum status load(struct loading *loading) {
    const struct source *source = loading->source;
    enum status status = open_table(loading);
    if (status) return status;
    uint32_t cells = source->format == SOURCE_CSV ? loading->head.column_count : LOOKUP_FIELDS_MAX;
    loading->cells = memory_calloc(cells + 1, sizeof *loading->cells);
    if (loading->cells == NULL) return no_memory(loading);
    if (source->format == SOURCE_NDJSON && json_parser_create(&loading->json, INGEST_ROW_BYTES_MAX))
        return no_memory(loading);
    if (lookup_create(&loading->table, loading->fields, loading->field_count, loading->keys,
                      loading->rule->key_count, loading->rule->many)) {
        return no_memory(loading);
    }
    return add_rows(loading);
}

static struct loading *loading_create(const struct ingest_settings *settings,
                                      const struct source *source, const struct lookup_rule *rule,
                                      const char *path, struct error *error) {
    struct loading *loading = memory_calloc(1, sizeof *loading);
    if (loading == NULL) {
        (void)error_set(error, STATUS_NO_MEMORY, "no memory to load %s", path);
        return NULL;
    }
    loading->source = source;
    loading->rule = rule;
    loading->path = path;
    loading->error = error;
    arena_init(&loading->arena, PLAN_BYTES_MAX);
    arena_init(&loading->scratch, 4 * INGEST_ROW_BYTES_MAX);
    loading->reader.scratch = &loading->scratch;
    loading->work = settings->work;
    loading->reader.currency = loading->currency = settings->playbook->currency;
    loading->reader.minor_digits = currency_minor_digits(settings->playbook->currency);
    zone_days_init(&loading->reader.days, source->zone);
    return loading;
}

static void loading_destroy(struct loading *loading) {
    cutter_close(&loading->cutter);
    json_parser_destroy(loading->json);
    memory_free(loading->cells);
    arena_release(&loading->scratch);
    arena_release(&loading->arena);
    memory_free(loading);
}

enum status ingest_lookup(const struct ingest_settings *settings, const struct source *source,
                          const struct lookup_rule *rule, const char *path,
                          struct lookup_table **out, struct event_batch *batch,
                          struct error *error) {
    *out = NULL;
    struct loading *loading = loading_create(settings, source, rule, path, error);
    if (loading == NULL) return STATUS_NO_MEMORY;
    loading->batch = batch;
    enum status status = load(loading);
    if (status == STATUS_OK)
        *out = loading->table;
    else
        lookup_destroy(loading->table);
    loading_destroy(loading);
    return status;
}

enum status ingest_lookup_check(const struct ingest_settings *settings, const struct source *source,
                                const char *path, struct error *error) {
    const struct lookup_rule *rule = &settings->playbook->lookups[source->lookup];
    struct loading *loading = loading_create(settings, source, rule, path, error);
    if (loading == NULL) return STATUS_NO_MEMORY;
    enum status status = open_table(loading);
    loading_destroy(loading);
    return status == STATUS_END ? STATUS_OK : status;
}
