/* SPDX-License-Identifier: Apache-2.0 */
/* Decides which cells make a row's content, under the present reading and under older ones. */
#include <stdlib.h>

#include "base/hash.h"
#include "ingest/cell/content.h"
#include "ingest/file/lines.h"
#include "ingest/map/plan_internal.h"

static enum status no_memory(struct plan_builder *builder) {
    return error_set(builder->error, STATUS_NO_MEMORY, "no memory for the mapping of source %.*s",
                     TEXT_ARG(builder->plan->source->name));
}

enum status plan_rows_begin(struct plan_builder *builder) {
    struct plan *plan = builder->plan;
    struct plan_rows *rows = &plan->rows;
    size_t columns = plan->source->format == SOURCE_NDJSON ? PLAN_PATHS_MAX : plan->column_count;
    rows->used = arena_calloc(&plan->arena, columns + 1, sizeof *rows->used);
    rows->event_seed = hash_text(plan->source->name, 1);
    rows->version_column = COLUMN_NONE;
    return rows->used != NULL ? STATUS_OK : no_memory(builder);
}

/* ---- the names of a reading's columns ---- */

struct named_column {
    struct text name;
    uint32_t column;
};

static int by_name(const void *a, const void *b) {
    return text_compare(((const struct named_column *)a)->name,
                        ((const struct named_column *)b)->name);
}

static int compare_texts(const void *a, const void *b) {
    return text_compare(*(const struct text *)a, *(const struct text *)b);
}

static bool is_property(const struct plan *plan, uint32_t column) {
    return plan->path_is_property != NULL && plan->path_is_property[column];
}

/* A property of NDJSON is named with the object that it stands in. */
static struct text full_name(struct plan *plan, uint32_t column) {
    struct text name = plan->columns[column], prefix = plan->source->properties_path;
    if (!is_property(plan, column) || prefix.length == 0) return name;
    char *at = arena_alloc(&plan->arena, prefix.length + 1 + name.length);
    if (at == NULL) return (struct text){0};
    memcpy(at, prefix.at, prefix.length);
    at[prefix.length] = '.';
    memcpy(at + prefix.length + 1, name.at, name.length);
    return (struct text){at, prefix.length + 1 + name.length};
}

/* The columns for which `wanted` is set, by name; NULL without memory. */
static struct named_column *named_columns(struct plan *plan, const bool *wanted, uint32_t *count) {
    struct named_column *named = arena_calloc(&plan->arena, plan->column_count + 2, sizeof *named);
    *count = 0;
    for (uint32_t i = 0; named != NULL && i < plan->column_count; i++) {
        if (!wanted[i]) continue;
        struct named_column one = {full_name(plan, i), i};
        if (one.name.at == NULL) return NULL;
        named[(*count)++] = one;
    }
    if (named != NULL) qsort(named, *count, sizeof *named, by_name);
    return named;
}

/* ---- who a row may stand for ---- */

static uint64_t hash_rule(const struct identifier_rule *rule, uint64_t hash) {
    hash = hash_text(rule->name, hash_u64(hash + rule->lower_case));
    for (uint32_t i = 0; i < rule->blocked_count; i++) hash = hash_text(rule->blocked[i], hash);
    return hash_u64(hash);
}

static uint64_t identifiers_hash(const struct plan *plan) {
    const struct source *source = plan->source;
    uint64_t hash = hash_u64(source->identifier_count);
    for (uint32_t i = 0; i < source->identifier_count; i++) {
        const struct identifier_map *map = &source->identifiers[i];
        hash = hash_rule(&plan->playbook->identifiers[map->rule], hash);
        hash = hash_text(map->from.column, hash_u64(hash + (uint64_t)map->from.kind));
        hash = hash_text(map->from.lookup_field, hash_text(map->from.text, hash));
    }
    /* A message may name identifiers of any type (context.externalIds). */
    for (uint32_t i = 0; source->segment && i < plan->playbook->identifier_count; i++)
        hash = hash_rule(&plan->playbook->identifiers[i], hash);
    return hash;
}

/* Does a lookup decide who a row is about? That may change with the lookup while no cell of the row
 * does. */
static bool joins_identifiers(const struct source *source) {
    for (uint32_t i = 0; i < source->identifier_count; i++) {
        if (source->identifiers[i].from.kind == FIELD_LOOKUP) return true;
    }
    return false;
}

/* ---- readings ---- */

static enum status current_reading(struct plan_builder *builder, struct ingest_reading *out) {
    struct plan *plan = builder->plan;
    uint32_t count;
    struct named_column *named = named_columns(plan, plan->rows.used, &count);
    struct text *columns = arena_calloc(&plan->arena, count + 2, sizeof *columns);
    if (named == NULL || columns == NULL) return no_memory(builder);
    if (plan->source->properties_open) columns[out->column_count++] = INGEST_READING_ANY;
    for (uint32_t i = 0; i < count; i++) columns[out->column_count++] = named[i].name;
    qsort(columns, out->column_count, sizeof *columns, compare_texts);
    out->columns = columns;
    out->identifiers = identifiers_hash(plan);
    return STATUS_OK;
}

static bool reading_has(const struct ingest_reading *reading, struct text name) {
    uint32_t low = 0, high = reading->column_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = text_compare(reading->columns[middle], name);
        if (order == 0) return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static bool column_at(const struct plan *plan, struct text name, uint32_t *column) {
    for (*column = 0; *column < plan->column_count; (*column)++) {
        if (text_equal(plan->columns[*column], name)) return true;
    }
    return false;
}

/* Marks the columns that only an older reading has. False: they can't be told from this file. */
static enum status find_older(struct plan_builder *builder, const struct ingest_reading *reading,
                              bool *wanted, bool *comparable) {
    struct plan *plan = builder->plan;
    bool open = plan->source->properties_open, was_open = reading_has(reading, INGEST_READING_ANY);
    *comparable = open == was_open;
    for (uint32_t i = 0; *comparable && i < reading->column_count; i++) {
        struct text name = reading->columns[i], path = name;
        uint32_t column;
        if (text_equal(name, INGEST_READING_ANY)) continue;
        if (plan->source->format == SOURCE_CSV) {
            *comparable = column_at(plan, name, &column);
            if (*comparable) wanted[column] = true;
            continue;
        }
        struct text prefix = plan->source->properties_path;
        bool of_properties = prefix.length > 0 && path.length > prefix.length + 1 &&
                             text_starts_with(path, prefix) && path.at[prefix.length] == '.';
        /* Of an open source it is an undeclared property now, and told as such. */
        if (open && (of_properties || prefix.length == 0)) continue;
        enum status status = plan_path_add(builder, name, false, &column);
        if (status != STATUS_OK) return status;
        wanted[column] = true;
    }
    return STATUS_OK;
}

static enum status make_cells(struct plan_builder *builder, const bool *wanted,
                              const struct ingest_reading *readings) {
    struct plan *plan = builder->plan;
    struct plan_rows *rows = &plan->rows;
    uint32_t count;
    struct named_column *named = named_columns(plan, wanted, &count);
    struct plan_cell *cells = arena_calloc(&plan->arena, count + 1, sizeof *cells);
    if (named == NULL || cells == NULL) return no_memory(builder);
    for (uint32_t i = 0; i < count; i++) {
        struct plan_cell *cell = &cells[i];
        uint32_t column = named[i].column;
        cell->column = column;
        cell->seed = content_seed(plan->columns[column], is_property(plan, column));
        cell->readings = plan->rows.used[column];
        for (uint32_t r = 1; r < rows->reading_count; r++) {
            bool covered = (rows->open & 1u << r) != 0 &&
                           (is_property(plan, column) || plan->source->properties_path.length == 0);
            if (covered || reading_has(&readings[r], named[i].name)) cell->readings |= 1u << r;
        }
    }
    rows->cells = cells;
    rows->cell_count = count;
    return STATUS_OK;
}

static enum status build_readings(struct plan_builder *builder) {
    struct plan *plan = builder->plan;
    struct plan_rows *rows = &plan->rows;
    const struct ingest_settings *settings = builder->settings;
    struct ingest_reading current = {0};
    const struct ingest_reading *readings = &current;
    rows->reading_count = 1;
    enum status status = current_reading(builder, &current);
    if (status == STATUS_OK && settings->readings != NULL)
        status = settings->readings(settings->readings_context, plan->source, &current, &readings,
                                    &rows->reading_count, builder->error);
    size_t columns = plan->source->format == SOURCE_NDJSON ? PLAN_PATHS_MAX : plan->column_count;
    bool *wanted = arena_calloc(&plan->arena, columns + 1, sizeof *wanted);
    if (status == STATUS_OK && wanted == NULL) status = no_memory(builder);
    if (status != STATUS_OK) return status;
    memcpy(wanted, rows->used, columns);
    rows->reading = readings[0].id;
    rows->comparable = 1;
    rows->open = plan->source->properties_open;
    for (uint32_t r = 1; status == STATUS_OK && r < rows->reading_count; r++) {
        bool comparable;
        status = find_older(builder, &readings[r], wanted, &comparable);
        if (status == STATUS_OK && comparable) rows->comparable |= 1u << r;
        if (reading_has(&readings[r], INGEST_READING_ANY)) rows->open |= 1u << r;
    }
    return status == STATUS_OK ? make_cells(builder, wanted, readings) : status;
}

/* ---- version and retraction ---- */

static enum status build_rules_of_rows(struct plan_builder *builder) {
    struct plan *plan = builder->plan;
    const struct row_rules *rules = &plan->source->rows;
    struct plan_rows *rows = &plan->rows;
    enum status status = STATUS_OK;
    if (rules->version_column.length > 0)
        status = plan_column_add(builder, rules->version_column, false, "row_version",
                                 &rows->version_column);
    struct plan_retraction *retractions =
        arena_calloc(&plan->arena, rules->retraction_count + 1, sizeof *retractions);
    if (retractions == NULL) return no_memory(builder);
    for (uint32_t i = 0; status == STATUS_OK && i < rules->retraction_count; i++) {
        retractions[i].rule = &rules->retractions[i];
        status = plan_column_add(builder, rules->retractions[i].column, false, "retract_when",
                                 &retractions[i].column);
    }
    rows->retractions = retractions;
    rows->retraction_count = rules->retraction_count;
    return status;
}

/* ---- what is kept of the rows of an event ---- */

static enum status build_kept(struct plan_builder *builder) {
    struct plan *plan = builder->plan;
    struct plan_rows *rows = &plan->rows;
    uint32_t count;
    if (!builder->settings->keeps_rows || plan->group_column == COLUMN_NONE) return STATUS_OK;
    rows->keeps_rows = true;
    rows->takes_parts = builder->settings->takes_parts;
    enum status status =
        symbol_add(plan->symbols, SYMBOL_PROPERTY, INGEST_ROWS_PROPERTY, &rows->rows_symbol);
    if (status != STATUS_OK || plan->source->format == SOURCE_NDJSON) return status;
    bool *wanted = arena_calloc(&plan->arena, plan->column_count + 1, sizeof *wanted);
    if (wanted == NULL) return no_memory(builder);
    memcpy(wanted, rows->used, plan->column_count);
    if (rows->version_column != COLUMN_NONE) wanted[rows->version_column] = true;
    for (uint32_t i = 0; i < rows->retraction_count; i++)
        wanted[rows->retractions[i].column] = true;
    struct named_column *named = named_columns(plan, wanted, &count);
    uint32_t *columns = arena_calloc(&plan->arena, count + 1, sizeof *columns);
    struct buffer header;
    buffer_init(&header);
    status = named != NULL && columns != NULL ? STATUS_OK : STATUS_NO_MEMORY;
    for (uint32_t i = 0; status == STATUS_OK && i < count; i++) {
        columns[i] = named[i].column;
        status = lines_put_field(&header, named[i].name, i == 0);
    }
    rows->kept_columns = columns;
    rows->kept_count = count;
    if (status == STATUS_OK) rows->kept_header = arena_text(&plan->arena, buffer_text(&header));
    buffer_release(&header);
    return status == STATUS_OK && rows->kept_header.at != NULL ? STATUS_OK : no_memory(builder);
}

/* The key that NDJSON has where the playbook says none. */
static bool is_message_id(const struct source *source) {
    return source->format == SOURCE_NDJSON && source->row_key_count == 1 &&
           source->row_keys[0].kind == FIELD_COLUMN &&
           text_equal(source->row_keys[0].column, TEXT("messageId"));
}

enum status plan_rows_end(struct plan_builder *builder) {
    struct plan *plan = builder->plan;
    const struct ingest_settings *settings = builder->settings;
    struct plan_rows *rows = &plan->rows;
    if (plan->source->row_key_count == 0) return STATUS_OK;
    rows->key_names =
        plan->source->key_names != KEY_NAMES_OPEN ? plan->source->key_names : settings->key_names;
    rows->asks_keys = plan->group_column != COLUMN_NONE &&
                      (plan->row_key_count > 1 || plan->row_keys[0].kind != FIELD_COLUMN ||
                       plan->row_keys[0].column != plan->group_column);
    enum status status = build_readings(builder);
    if (status == STATUS_OK) status = build_rules_of_rows(builder);
    if (status == STATUS_OK) status = build_kept(builder);
    rows->first_stands = is_message_id(plan->source);
    rows->is_known = settings->is_known;
    rows->is_known_context = settings->is_known_context;
    rows->may_skip = rows->is_known != NULL && !joins_identifiers(plan->source);
    return status;
}
