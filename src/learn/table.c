/* SPDX-License-Identifier: Apache-2.0 */
#include "learn/table.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"

static int compare_numbers(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

static uint32_t rank_of_number(const struct table_column *column, double number) {
    uint32_t low = 0, high = column->distinct;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (column->numbers[middle] < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static enum status rank_numbers(struct table_column *column, const double *numbers, size_t count) {
    column->numbers = memory_alloc((count + 1) * sizeof *column->numbers);
    if (column->numbers == NULL) return STATUS_NO_MEMORY;
    size_t known = 0;
    for (size_t i = 0; i < count; i++) {
        if (!isnan(numbers[i])) column->numbers[known++] = numbers[i];
    }
    qsort(column->numbers, known, sizeof *column->numbers, compare_numbers);
    for (size_t i = 0; i < known; i++) {
        if (i > 0 && column->numbers[i] == column->numbers[column->distinct - 1]) continue;
        column->numbers[column->distinct++] = column->numbers[i];
    }
    for (size_t i = 0; i < count; i++) {
        column->ranks[i] = isnan(numbers[i]) ? RANK_MISSING : rank_of_number(column, numbers[i]);
    }
    return STATUS_OK;
}

struct text_entry {
    struct text text;
    uint32_t id;
};

static int compare_texts(const void *left, const void *right) {
    return text_compare(((const struct text_entry *)left)->text,
                        ((const struct text_entry *)right)->text);
}

/* The groups that have a text, as long as they must be counted. */
struct text_groups {
    uint32_t rows, count;
    uint32_t *groups; /* LEARN_TEXT_GROUPS_MIN at most; NULL: it stands in too few rows */
};

static void count_group(struct text_groups *seen, uint32_t group) {
    if (seen->groups == NULL || seen->count == LEARN_TEXT_GROUPS_MIN) return;
    for (uint32_t i = 0; i < seen->count; i++) {
        if (seen->groups[i] == group) return;
    }
    seen->groups[seen->count++] = group;
}

static enum status count_groups(struct text_groups *seen, struct arena *arena,
                                const struct training_set *set, const uint32_t *ids,
                                uint32_t id_count) {
    for (size_t i = 0; i < set->count; i++) {
        if (ids[i] < id_count) seen[ids[i]].rows++;
    }
    for (uint32_t id = 0; id < id_count; id++) {
        if (seen[id].rows < LEARN_TEXT_GROUPS_MIN) continue;
        seen[id].groups = arena_alloc(arena, LEARN_TEXT_GROUPS_MIN * sizeof *seen->groups);
        if (seen[id].groups == NULL) return STATUS_NO_MEMORY;
    }
    for (size_t i = 0; i < set->count; i++) {
        if (ids[i] < id_count) count_group(&seen[ids[i]], set->rows[i].group);
    }
    return STATUS_OK;
}

/* Sorts the texts that enough groups have, ascending, and sets their ranks by id. */
static void sort_texts(struct table_column *column, const struct interner *dictionary,
                       const struct text_groups *seen, struct text_entry *entries,
                       uint32_t *rank_of_id) {
    uint32_t kept = 0, id_count = interner_count(dictionary);
    for (uint32_t id = 0; id < id_count; id++) {
        rank_of_id[id] = RANK_OTHER;
        if (column->is_split || seen[id].count == LEARN_TEXT_GROUPS_MIN)
            entries[kept++] = (struct text_entry){interner_text(dictionary, id), id};
    }
    if (kept > 0) qsort(entries, kept, sizeof *entries, compare_texts);
    for (uint32_t rank = 0; rank < kept; rank++) {
        column->texts[rank] = entries[rank].text;
        rank_of_id[entries[rank].id] = rank;
    }
    column->distinct = kept;
}

static enum status rank_texts(struct table_column *column, const struct training_set *set,
                              const struct set_column *from) {
    uint32_t id_count = interner_count(from->dictionary);
    size_t room = (size_t)id_count + 1;
    struct text_entry *entries = memory_alloc(room * sizeof *entries);
    uint32_t *rank_of_id = memory_alloc(room * sizeof *rank_of_id);
    struct text_groups *seen = memory_calloc(room, sizeof *seen);
    struct arena groups;
    arena_init(&groups, SIZE_MAX / 2);
    column->texts = memory_alloc(room * sizeof *column->texts);
    enum status status = STATUS_NO_MEMORY;
    if (entries != NULL && rank_of_id != NULL && seen != NULL && column->texts != NULL)
        status = count_groups(seen, &groups, set, from->ids, id_count);
    if (status == STATUS_OK) {
        sort_texts(column, from->dictionary, seen, entries, rank_of_id);
        for (size_t i = 0; i < set->count; i++) {
            uint32_t id = from->ids[i];
            column->ranks[i] = id == TEXT_ID_MISSING ? RANK_MISSING
                               : id == TEXT_ID_OTHER ? RANK_OTHER
                                                     : rank_of_id[id];
        }
    }
    arena_release(&groups);
    memory_free(seen);
    memory_free(rank_of_id);
    memory_free(entries);
    return status;
}

struct grouped_row {
    uint32_t group, row;
};

static int compare_grouped(const void *left, const void *right) {
    const struct grouped_row *a = left, *b = right;
    if (a->group != b->group) return a->group < b->group ? -1 : 1;
    return a->row < b->row ? -1 : a->row > b->row;
}

static enum status list_by_group(struct table *table) {
    struct grouped_row *order = memory_alloc((table->row_count + 1) * sizeof *order);
    table->by_group = memory_alloc((table->row_count + 1) * sizeof *table->by_group);
    if (order != NULL && table->by_group != NULL) {
        for (uint32_t i = 0; i < table->row_count; i++)
            order[i] = (struct grouped_row){table->rows[i].group, i};
        if (table->row_count > 0) qsort(order, table->row_count, sizeof *order, compare_grouped);
        for (size_t i = 0; i < table->row_count; i++) table->by_group[i] = order[i].row;
    }
    bool all = order != NULL && table->by_group != NULL;
    memory_free(order);
    return all ? STATUS_OK : STATUS_NO_MEMORY;
}

enum status table_init(struct table *table, const struct training_set *set) {
    *table = (struct table){.set = set, .rows = set->rows, .row_count = set->count};
    table->columns = memory_calloc(set->feature_count + 1, sizeof *table->columns);
    if (table->columns == NULL) return STATUS_NO_MEMORY;
    table->column_count = set->feature_count;
    for (uint32_t f = 0; f < set->feature_count; f++) {
        struct table_column *column = &table->columns[f];
        column->kind = set->features[f].kind;
        column->is_split = set->features[f].is_split;
        column->ranks = memory_alloc((set->count + 1) * sizeof *column->ranks);
        if (column->ranks == NULL) return STATUS_NO_MEMORY;
        enum status status = column->kind == FEATURE_TEXT
                                 ? rank_texts(column, set, &set->columns[f])
                                 : rank_numbers(column, set->columns[f].numbers, set->count);
        if (status != STATUS_OK) return status;
        if (column->distinct > table->distinct_max) table->distinct_max = column->distinct;
    }
    return list_by_group(table);
}

void table_release(struct table *table) {
    for (uint32_t f = 0; f < table->column_count; f++) {
        memory_free(table->columns[f].numbers);
        memory_free(table->columns[f].texts);
        memory_free(table->columns[f].ranks);
    }
    memory_free(table->columns);
    memory_free(table->by_group);
    *table = (struct table){0};
}
