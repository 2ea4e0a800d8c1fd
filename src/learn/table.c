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

static void sort_texts(struct table_column *column, const struct interner *dictionary,
                       struct text_entry *entries, uint32_t *rank_of_id) {
    for (uint32_t id = 0; id < column->distinct; id++) {
        entries[id] = (struct text_entry){interner_text(dictionary, id), id};
    }
    qsort(entries, column->distinct, sizeof *entries, compare_texts);
    for (uint32_t rank = 0; rank < column->distinct; rank++) {
        column->texts[rank] = entries[rank].text;
        rank_of_id[entries[rank].id] = rank;
    }
}

static enum status rank_texts(struct table_column *column, const struct set_column *from,
                              size_t count) {
    column->distinct = interner_count(from->dictionary);
    size_t room = (size_t)column->distinct + 1;
    struct text_entry *entries = memory_alloc(room * sizeof *entries);
    uint32_t *rank_of_id = memory_alloc(room * sizeof *rank_of_id);
    column->texts = memory_alloc(room * sizeof *column->texts);
    enum status status = STATUS_NO_MEMORY;
    if (entries != NULL && rank_of_id != NULL && column->texts != NULL) {
        sort_texts(column, from->dictionary, entries, rank_of_id);
        for (size_t i = 0; i < count; i++) {
            uint32_t id = from->ids[i];
            column->ranks[i] = id == TEXT_ID_MISSING ? RANK_MISSING
                               : id == TEXT_ID_OTHER ? RANK_OTHER
                                                     : rank_of_id[id];
        }
        status = STATUS_OK;
    }
    memory_free(rank_of_id);
    memory_free(entries);
    return status;
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
                                 ? rank_texts(column, &set->columns[f], set->count)
                                 : rank_numbers(column, set->columns[f].numbers, set->count);
        if (status != STATUS_OK) return status;
        if (column->distinct > table->distinct_max) table->distinct_max = column->distinct;
    }
    return STATUS_OK;
}

void table_release(struct table *table) {
    for (uint32_t f = 0; f < table->column_count; f++) {
        memory_free(table->columns[f].numbers);
        memory_free(table->columns[f].texts);
        memory_free(table->columns[f].ranks);
    }
    memory_free(table->columns);
    *table = (struct table){0};
}
