/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/file/gather.h"

#include <stdlib.h>

#include "base/canonical.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/memory.h"
#include "ingest/file/csv.h"

#define NO_ROW   UINT32_MAX
#define ROWS_MAX (UINT32_MAX - 1)

struct kept_row {
    const char *at;
    uint32_t length, flags;
    uint64_t line;
    uint32_t next; /* of the same group, or NO_ROW */
};

struct group {
    uint64_t hash;
    struct text key; /* at NULL: a row that has no group */
    uint64_t last_line;
    uint32_t first, last; /* rows */
    uint64_t row_keys;    /* a hash of its first row's key */
    bool differ;          /* another row has another key */
    bool leaves;
};

/* All that is held at one time. Compacting makes a new one of what stays. */
struct held {
    struct arena arena;
    struct kept_row *rows;
    struct group *groups; /* by first row */
    uint32_t *slots;      /* group + 1, by hash */
    size_t row_count, row_capacity, group_count, group_capacity, slot_count;
    uint64_t bytes;
};

struct gather {
    struct cutter *cutter;
    const struct plan *plan;
    uint64_t bytes_max;
    struct held held;
    uint64_t *gone; /* hashes of groups let go: open addressing, 0 = free */
    size_t gone_count, gone_capacity;
    struct cell *cells;
    struct json_parser *json;
    struct arena scratch;
    struct cell_reader reader;
    uint32_t last_group; /* of the last row that had one */
    size_t next;         /* group to hand on */
    bool leaving, ended;
    bool asks_keys; /* nobody says what row_key names */
    uint32_t cell_count;
    size_t differing, sharing; /* groups of several rows, with several row keys or with one */
};

static void held_init(struct held *held) {
    *held = (struct held){0};
    arena_init(&held->arena, SIZE_MAX / 4);
}

static void held_release(struct held *held) {
    arena_release(&held->arena);
    memory_free(held->rows);
    memory_free(held->groups);
    memory_free(held->slots);
}

/* Calls `visit` for each column of the row keys. */
static void visit_key_columns(const struct plan *plan,
                              void (*visit)(void *context, uint32_t column), void *context) {
    for (uint32_t i = 0; i < plan->row_key_count; i++) {
        const struct plan_field *field = &plan->row_keys[i];
        if (field->kind == FIELD_COLUMN) visit(context, field->column);
        for (uint32_t j = 0; field->kind == FIELD_TEMPLATE && j < field->part_count; j++) {
            if (field->parts[j].column != COLUMN_NONE) visit(context, field->parts[j].column);
        }
    }
}

static void raise(void *context, uint32_t column) {
    uint32_t *count = context;
    if (column >= *count) *count = column + 1;
}

/* The cells of a row that must be split off: up to its group and, where asked for, its key. */
static uint32_t cells_needed(const struct plan *plan, bool with_keys) {
    uint32_t count = plan->group_column + 1;
    if (with_keys) visit_key_columns(plan, raise, &count);
    return count;
}

enum status gather_create(struct gather **out, struct cutter *cutter, const struct plan *plan,
                          uint64_t bytes_max) {
    struct gather *gather = memory_calloc(1, sizeof *gather);
    if (gather == NULL) return STATUS_NO_MEMORY;
    gather->cutter = cutter;
    gather->plan = plan;
    gather->bytes_max = bytes_max;
    gather->last_group = NO_ROW;
    held_init(&gather->held);
    arena_init(&gather->scratch, 16u << 20);
    gather->reader.scratch = &gather->scratch;
    gather->asks_keys = plan->row_key_count > 0 && plan->rows.key_names == KEY_NAMES_OPEN;
    gather->cell_count = cells_needed(plan, gather->asks_keys);
    gather->cells = memory_calloc(gather->cell_count, sizeof *gather->cells);
    bool json = plan->source->format == SOURCE_NDJSON;
    if (gather->cells == NULL ||
        (json && json_parser_create(&gather->json, INGEST_ROW_BYTES_MAX))) {
        gather_destroy(gather);
        return STATUS_NO_MEMORY;
    }
    *out = gather;
    return STATUS_OK;
}

void gather_destroy(struct gather *gather) {
    if (gather == NULL) return;
    held_release(&gather->held);
    arena_release(&gather->scratch);
    json_parser_destroy(gather->json);
    memory_free(gather->cells);
    memory_free(gather->gone);
    memory_free(gather);
}

/* ---- the key of a row ---- */

static struct cell json_cell(const struct plan *plan, struct json_node root, uint32_t column) {
    struct json_node node;
    struct text path = plan->columns[column];
    bool found = false;
    if (json_get_path(root, plan->source->properties_path, &node))
        found = json_get_path(node, path, &node);
    if (!found) found = json_get_path(root, path, &node);
    return found ? cell_from_json(node) : (struct cell){.kind = CELL_TEXT};
}

/* The hash of a row's key cells so far. */
struct cells_hash {
    struct gather *gather;
    const struct json_node *root; /* NULL: CSV */
    uint64_t hash;
    enum status status;
};

static void hash_key_cell(void *context, uint32_t column) {
    struct cells_hash *key = context;
    struct gather *gather = key->gather;
    struct text text = {0};
    if (key->status != STATUS_OK) return;
    if (key->root != NULL) gather->cells[column] = json_cell(gather->plan, *key->root, column);
    key->status = cell_text(&gather->reader, &gather->cells[column], &text);
    if (key->status == STATUS_OK)
        key->status = canonical_text(text, CANONICAL_AS_WRITTEN, &gather->scratch, &text);
    if (key->status == STATUS_OK) key->hash = hash_text(text, key->hash);
}

/* 0: the row's key can't be told here. */
static enum status row_keys_hash(struct gather *gather, const struct json_node *root,
                                 uint64_t *out) {
    struct cells_hash key = {.gather = gather, .root = root, .hash = 1};
    *out = 0;
    if (!gather->asks_keys) return STATUS_OK;
    visit_key_columns(gather->plan, hash_key_cell, &key);
    if (key.status == STATUS_OK) *out = key.hash | 1;
    return key.status == STATUS_INVALID ? STATUS_OK : key.status;
}

static enum status json_key(struct gather *gather, struct text row, struct cell *cell,
                            uint64_t *row_keys) {
    struct json_node root;
    enum status status = json_parse(gather->json, row, &root, NULL);
    *cell = (struct cell){.kind = CELL_TEXT};
    if (status == STATUS_NO_MEMORY) return status;
    if (status || json_type(root) != JSON_OBJECT) return STATUS_OK;
    status = row_keys_hash(gather, &root, row_keys);
    *cell = json_cell(gather->plan, root, gather->plan->group_column);
    return status;
}

/* One filler in many rows is no event of many rows. */
static enum status canonical_key(struct gather *gather, struct text *key) {
    enum status status = canonical_text(*key, CANONICAL_AS_WRITTEN, &gather->scratch, key);
    enum filler filler = status == STATUS_OK ? canonical_filler(*key) : FILLER_NONE;
    if (status == STATUS_INVALID || filler == FILLER_OF_PROGRAMS || filler == FILLER_LOST_DIGITS)
        *key = (struct text){0};
    return status;
}

/* Empty where there is none: such a row stands alone, and the mapper says why it can't. */
static enum status row_key(struct gather *gather, const struct cut *cut, struct text *key,
                           uint64_t *row_keys) {
    const struct plan *plan = gather->plan;
    struct text row = {cut->at, (uint32_t)cut->length};
    *key = (struct text){0};
    *row_keys = 0;
    if (cut->flags & ROW_UNREADABLE) return STATUS_OK;
    arena_clear(&gather->scratch);
    struct cell *cell = &gather->cells[plan->group_column];
    if (plan->source->format == SOURCE_NDJSON) {
        enum status status = json_key(gather, row, cell, row_keys);
        if (status == STATUS_OK) status = cell_text(&gather->reader, cell, key);
        if (status == STATUS_OK) status = canonical_key(gather, key);
        return status == STATUS_INVALID ? STATUS_OK : status;
    }
    uint32_t count = csv_split(row, plan->delimiter, cut->flags & ROW_QUOTED, &gather->scratch,
                               gather->cells, gather->cell_count);
    if (count == CSV_NO_MEMORY) return STATUS_NO_MEMORY;
    if (count <= plan->group_column) return STATUS_OK;
    *key = cell->text;
    enum status status =
        count >= gather->cell_count ? row_keys_hash(gather, NULL, row_keys) : STATUS_OK;
    if (status == STATUS_OK) status = canonical_key(gather, key);
    return status == STATUS_INVALID ? STATUS_OK : status;
}

/* ---- groups ---- */

static enum status grow_slots(struct held *held) {
    if (2 * (held->group_count + 1) <= held->slot_count) return STATUS_OK;
    size_t count = held->slot_count ? 2 * held->slot_count : 1024;
    uint32_t *slots = memory_calloc(count, sizeof *slots);
    if (slots == NULL) return STATUS_NO_MEMORY;
    for (size_t i = 0; i < held->group_count; i++) {
        if (held->groups[i].key.at == NULL) continue;
        size_t at = held->groups[i].hash & (count - 1);
        while (slots[at] != 0) at = (at + 1) & (count - 1);
        slots[at] = (uint32_t)i + 1;
    }
    memory_free(held->slots);
    held->slots = slots;
    held->slot_count = count;
    return STATUS_OK;
}

static enum status add_group(struct held *held, struct text key, uint64_t hash, uint32_t *index) {
    enum status status = grow_slots(held);
    if (status) return status;
    status = memory_grow((void **)&held->groups, &held->group_capacity, held->group_count + 1,
                         sizeof *held->groups);
    if (status) return status;
    struct group group = {.hash = hash, .first = NO_ROW, .last = NO_ROW};
    if (key.length > 0) {
        group.key = arena_text(&held->arena, key);
        if (group.key.at == NULL) return STATUS_NO_MEMORY;
        size_t at = hash & (held->slot_count - 1);
        while (held->slots[at] != 0) at = (at + 1) & (held->slot_count - 1);
        held->slots[at] = (uint32_t)held->group_count + 1;
    }
    held->bytes += sizeof group + key.length;
    *index = (uint32_t)held->group_count++;
    held->groups[*index] = group;
    return STATUS_OK;
}

static enum status find_group(struct held *held, struct text key, uint64_t hash, uint32_t *index) {
    size_t at = hash & (held->slot_count - 1);
    for (; key.length > 0 && held->slot_count > 0 && held->slots[at] != 0;
         at = (at + 1) & (held->slot_count - 1)) {
        const struct group *group = &held->groups[held->slots[at] - 1];
        if (group->hash != hash || !text_equal(group->key, key)) continue;
        *index = held->slots[at] - 1;
        return STATUS_OK;
    }
    return add_group(held, key, hash, index);
}

static enum status add_row(struct held *held, uint32_t index, const struct kept_row *row) {
    if (held->row_count >= ROWS_MAX) return STATUS_LIMIT;
    enum status status = memory_grow((void **)&held->rows, &held->row_capacity, held->row_count + 1,
                                     sizeof *held->rows);
    struct text copy = status == STATUS_OK
                           ? arena_text(&held->arena, (struct text){row->at, row->length})
                           : (struct text){0};
    if (copy.at == NULL) return STATUS_NO_MEMORY;
    struct group *group = &held->groups[index];
    uint32_t at = (uint32_t)held->row_count++;
    held->rows[at] = (struct kept_row){copy.at, row->length, row->flags, row->line, NO_ROW};
    if (group->last == NO_ROW)
        group->first = at;
    else
        held->rows[group->last].next = at;
    group->last = at;
    group->last_line = row->line;
    held->bytes += row->length + sizeof *row;
    return STATUS_OK;
}

/* ---- groups that were let go before the file's end ---- */

static bool is_gone(const struct gather *gather, uint64_t hash) {
    if (gather->gone_capacity == 0) return false;
    size_t mask = gather->gone_capacity - 1;
    for (size_t at = hash & mask; gather->gone[at] != 0; at = (at + 1) & mask) {
        if (gather->gone[at] == hash) return true;
    }
    return false;
}

static enum status remember_gone(struct gather *gather, uint64_t hash) {
    if (2 * (gather->gone_count + 1) > gather->gone_capacity) {
        size_t capacity = gather->gone_capacity ? 2 * gather->gone_capacity : 1024;
        uint64_t *gone = memory_calloc(capacity, sizeof *gone);
        if (gone == NULL) return STATUS_NO_MEMORY;
        for (size_t i = 0; i < gather->gone_capacity; i++) {
            size_t at = gather->gone[i] & (capacity - 1);
            while (gone[at] != 0) at = (at + 1) & (capacity - 1);
            gone[at] = gather->gone[i];
        }
        memory_free(gather->gone);
        gather->gone = gone;
        gather->gone_capacity = capacity;
    }
    size_t at = hash & (gather->gone_capacity - 1);
    while (gather->gone[at] != 0) at = (at + 1) & (gather->gone_capacity - 1);
    gather->gone[at] = hash;
    gather->gone_count++;
    return STATUS_OK;
}

static int compare_lines(const void *a, const void *b) {
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

static void note_row_keys(struct group *group, uint64_t row_keys) {
    if (group->row_keys == 0) group->row_keys = row_keys;
    group->differ |= group->row_keys != row_keys;
}

/* What the groups that are handed on tell of the row keys. */
static void count_row_keys(struct gather *gather) {
    const struct held *held = &gather->held;
    for (size_t i = 0; gather->asks_keys && i < held->group_count; i++) {
        const struct group *group = &held->groups[i];
        if (!group->leaves || group->first == group->last || group->row_keys == 0) continue;
        gather->differing += group->differ;
        gather->sharing += !group->differ;
    }
}

/* Marks the half of the groups whose last rows are oldest. */
static enum status let_half_go(struct gather *gather) {
    struct held *held = &gather->held;
    uint64_t *lines = memory_alloc(held->group_count * sizeof *lines);
    if (lines == NULL) return STATUS_NO_MEMORY;
    for (size_t i = 0; i < held->group_count; i++) lines[i] = held->groups[i].last_line;
    qsort(lines, held->group_count, sizeof *lines, compare_lines);
    uint64_t middle = lines[held->group_count / 2];
    memory_free(lines);
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < held->group_count; i++) {
        struct group *group = &held->groups[i];
        group->leaves = group->last_line <= middle;
        if (group->leaves && group->key.at) status = remember_gone(gather, group->hash);
    }
    count_row_keys(gather);
    gather->leaving = true;
    gather->next = 0;
    return status;
}

/* What stays, moved to new memory, so that the old can be freed. */
static enum status compact(struct gather *gather) {
    struct held *old = &gather->held, held;
    enum status status = STATUS_OK;
    held_init(&held);
    for (size_t i = 0; status == STATUS_OK && i < old->group_count; i++) {
        uint32_t index;
        if (old->groups[i].leaves) continue;
        status = add_group(&held, old->groups[i].key, old->groups[i].hash, &index);
        if (status == STATUS_OK) held.groups[index].row_keys = old->groups[i].row_keys;
        if (status == STATUS_OK) held.groups[index].differ = old->groups[i].differ;
        for (uint32_t row = old->groups[i].first; status == STATUS_OK && row != NO_ROW;
             row = old->rows[row].next) {
            status = add_row(&held, index, &old->rows[row]);
        }
    }
    if (status) {
        held_release(&held);
        return status;
    }
    held_release(old);
    gather->held = held;
    gather->leaving = false;
    gather->last_group = NO_ROW;
    return STATUS_OK;
}

/* ---- reading and handing on ---- */

/* The last row may be half a row. Where it has nothing but its key, the key may be cut, too: then
 * the row could belong to the group before it, which is not whole. */
static void doubt_group_before(struct gather *gather, const struct cut *cut, struct text key) {
    struct held *held = &gather->held;
    bool key_is_last = key.length == 0 || key.at + key.length == cut->at + cut->length;
    if (!(cut->flags & ROW_MAYBE_CUT) || !key_is_last || gather->last_group == NO_ROW) return;
    held->rows[held->groups[gather->last_group].first].flags |= ROW_FILE_ENDS;
}

static enum status keep_row(struct gather *gather, const struct cut *cut) {
    struct text key;
    uint64_t row_keys;
    uint32_t index;
    struct kept_row row = {cut->at, (uint32_t)cut->length, cut->flags, cut->line, NO_ROW};
    if (cut->length > INGEST_ROW_BYTES_MAX) row.length = INGEST_ROW_BYTES_MAX;
    enum status status = row_key(gather, cut, &key, &row_keys);
    if (status) return status;
    doubt_group_before(gather, cut, key);
    uint64_t hash = hash_text(key, 0);
    if (hash == 0) hash = 1;
    if (key.length > 0 && is_gone(gather, hash)) {
        row.flags |= ROW_GROUP_GONE;
        key.length = 0;
    }
    status = find_group(&gather->held, key, hash, &index);
    if (status == STATUS_OK) status = add_row(&gather->held, index, &row);
    if (status == STATUS_OK && row_keys != 0) note_row_keys(&gather->held.groups[index], row_keys);
    if (key.length > 0) gather->last_group = index;
    return status;
}

/* A file that ends in the middle may end in the middle of its last row's group. */
static void end_reading(struct gather *gather) {
    struct held *held = &gather->held;
    gather->ended = gather->leaving = true;
    gather->next = 0;
    for (size_t i = 0; i < held->group_count; i++) held->groups[i].leaves = true;
    count_row_keys(gather);
    if (!gather->cutter->truncation[0] || gather->last_group == NO_ROW) return;
    held->rows[held->groups[gather->last_group].first].flags |= ROW_FILE_ENDS;
}

static enum status read_rows(struct gather *gather, struct error *error) {
    struct cut cut;
    enum status status = STATUS_OK;
    while (status == STATUS_OK && gather->held.bytes < gather->bytes_max) {
        status = cutter_row(gather->cutter, &cut, error);
        if (status == STATUS_END) {
            end_reading(gather);
            return STATUS_OK;
        }
        if (status) return status;
        status = keep_row(gather, &cut);
    }
    if (status == STATUS_OK) status = let_half_go(gather);
    if (status == STATUS_LIMIT)
        return error_set(
            error, status, "%s has more rows than can be gathered (%u): sort it by %.*s and cut it",
            gather->cutter->name, ROWS_MAX, TEXT_ARG(gather->plan->source->one_event_per));
    return status == STATUS_OK ? status
                               : error_set(error, status, "no memory to gather the rows of %s",
                                           gather->cutter->name);
}

static enum status hand_on(struct gather *gather, struct job *job, uint32_t events_max) {
    struct held *held = &gather->held;
    for (uint32_t events = 0; gather->next < held->group_count; gather->next++) {
        const struct group *group = &held->groups[gather->next];
        if (!group->leaves) continue;
        if (events++ == events_max || job->bytes.length >= INGEST_BATCH_BYTES) return STATUS_OK;
        uint32_t flags = ROW_FIRST;
        for (uint32_t at = group->first; at != NO_ROW; at = held->rows[at].next, flags = 0) {
            const struct kept_row *row = &held->rows[at];
            enum status status = job_add(job, row->at, row->length, row->line, row->flags | flags);
            if (status) return status;
        }
    }
    return STATUS_OK;
}

enum status gather_job(struct gather *gather, struct job *job, uint32_t events_max,
                       struct error *error) {
    enum status status = STATUS_OK;
    while (status == STATUS_OK && job->row_count == 0) {
        if (!gather->leaving) status = read_rows(gather, error);
        if (status == STATUS_OK) status = hand_on(gather, job, events_max);
        bool drained = gather->next == gather->held.group_count;
        if (status == STATUS_OK && drained && gather->ended && job->row_count == 0)
            status = STATUS_END;
        if (status == STATUS_OK && drained && !gather->ended) status = compact(gather);
        if (status == STATUS_NO_MEMORY)
            error_set(error, status, "no memory to gather the rows of %s", gather->cutter->name);
    }
    memcpy(job->truncation, gather->cutter->truncation, sizeof job->truncation);
    job->keys_name_rows = gather->differing > gather->sharing;
    return status;
}
