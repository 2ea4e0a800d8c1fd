/* SPDX-License-Identifier: Apache-2.0 */
#include "learn/training_set.h"

#include <math.h>

#include "base/memory.h"
#include "base/time.h"

#define SET_BYTES_MAX ((size_t)64 << 20)
#define WEIGHT_MAX    1e6

double value_as_number(struct value value) {
    static const double unit[] = {1, 10, 100, 1000, 10000};
    switch (value.type) {
    /* Adding 0 makes -0 into 0, so that both are one distinct value. */
    case VALUE_NUMBER: return isfinite(value.number) ? value.number + 0.0 : (double)NAN;
    case VALUE_YES_NO: return value.yes ? 1 : 0;
    case VALUE_TIME: return (double)value.time_ms / (double)TIME_DAY_MS;
    case VALUE_DURATION: return (double)value.duration_ms / (double)TIME_DAY_MS;
    case VALUE_MONEY: return (double)value.minor / unit[currency_minor_digits(value.currency)];
    default: return (double)NAN;
    }
}

static enum status copy_features(struct training_set *set, const struct feature *features,
                                 uint32_t count) {
    set->features = arena_calloc(&set->arena, count + 1, sizeof *set->features);
    set->columns = arena_calloc(&set->arena, count + 1, sizeof *set->columns);
    if (set->features == NULL || set->columns == NULL) return STATUS_NO_MEMORY;
    set->feature_count = count;
    for (uint32_t f = 0; f < count; f++) {
        if (features[f].name.length > LEARN_NAME_BYTES_MAX) return STATUS_LIMIT;
        set->features[f] = (struct feature){arena_text(&set->arena, features[f].name),
                                            features[f].kind, features[f].is_split};
        if (set->features[f].name.at == NULL) return STATUS_NO_MEMORY;
        if (features[f].kind != FEATURE_TEXT) continue;
        enum status status = interner_create(&set->columns[f].dictionary, TEXT_IDS_MAX);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

enum status training_set_create(struct training_set **out, const struct feature *features,
                                uint32_t count) {
    *out = NULL;
    if (count > LEARN_FEATURES_MAX) return STATUS_LIMIT;
    struct training_set *set = memory_calloc(1, sizeof *set);
    if (set == NULL) return STATUS_NO_MEMORY;
    arena_init(&set->arena, SET_BYTES_MAX);
    enum status status = copy_features(set, features, count);
    if (status != STATUS_OK) {
        training_set_destroy(set);
        return status;
    }
    *out = set;
    return STATUS_OK;
}

void training_set_destroy(struct training_set *set) {
    if (set == NULL) return;
    for (uint32_t f = 0; f < set->feature_count; f++) {
        memory_free(set->columns[f].numbers);
        memory_free(set->columns[f].ids);
        interner_destroy(set->columns[f].dictionary);
    }
    memory_free(set->rows);
    arena_release(&set->arena);
    memory_free(set);
}

static enum status text_id(struct interner *dictionary, struct value value, uint32_t *id) {
    *id = TEXT_ID_MISSING;
    if (value.type != VALUE_TEXT) return STATUS_OK;
    *id = TEXT_ID_OTHER;
    if (value.text.length > LEARN_TEXT_BYTES_MAX) return STATUS_OK;
    bool is_new;
    uint32_t found;
    enum status status = interner_add(dictionary, value.text, &found, &is_new);
    if (status == STATUS_OK) *id = found;
    return status == STATUS_LIMIT ? STATUS_OK : status;
}

static enum status add_value(struct set_column *column, enum feature_kind kind, size_t row,
                             struct value value) {
    enum status status;
    if (kind == FEATURE_TEXT) {
        status =
            memory_grow((void **)&column->ids, &column->id_capacity, row + 1, sizeof *column->ids);
        return status != STATUS_OK ? status : text_id(column->dictionary, value, &column->ids[row]);
    }
    status = memory_grow((void **)&column->numbers, &column->number_capacity, row + 1,
                         sizeof *column->numbers);
    if (status == STATUS_OK) column->numbers[row] = value_as_number(value);
    return status;
}

enum status training_set_add(struct training_set *set, const struct training_row *row) {
    if (!(row->weight >= 0 && row->weight <= WEIGHT_MAX)) return STATUS_INVALID;
    if (set->count >= LEARN_ROWS_MAX) return STATUS_LIMIT;
    enum status status =
        memory_grow((void **)&set->rows, &set->row_capacity, set->count + 1, sizeof *set->rows);
    for (uint32_t f = 0; f < set->feature_count && status == STATUS_OK; f++) {
        status = add_value(&set->columns[f], set->features[f].kind, set->count, row->values[f]);
    }
    if (status != STATUS_OK) return status;
    set->rows[set->count++] = (struct row_facts){.time_ms = row->time_ms,
                                                 .horizon_ms = row->horizon_ms,
                                                 .weight = row->weight,
                                                 .group = row->group,
                                                 .yes = row->yes};
    return STATUS_OK;
}

size_t training_set_count(const struct training_set *set) {
    return set->count;
}

static struct value kept_value(const struct set_column *column, enum feature_kind kind,
                               size_t row) {
    if (kind == FEATURE_NUMBER)
        return isnan(column->numbers[row]) ? value_unknown() : value_number(column->numbers[row]);
    uint32_t id = column->ids[row];
    if (id == TEXT_ID_MISSING) return value_unknown();
    return value_text(id == TEXT_ID_OTHER ? TEXT("") : interner_text(column->dictionary, id));
}

void training_set_row(const struct training_set *set, size_t row, struct value *values,
                      struct training_row *out) {
    const struct row_facts *facts = &set->rows[row];
    for (uint32_t f = 0; f < set->feature_count; f++) {
        values[f] = kept_value(&set->columns[f], set->features[f].kind, row);
    }
    *out = (struct training_row){.values = values,
                                 .yes = facts->yes,
                                 .weight = facts->weight,
                                 .time_ms = facts->time_ms,
                                 .horizon_ms = facts->horizon_ms,
                                 .group = facts->group};
}
