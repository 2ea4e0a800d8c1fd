/* SPDX-License-Identifier: Apache-2.0 */
#include "event/timeline.h"

uint32_t timeline_upper_bound(const struct timeline *timeline, int64_t t_ms) {
    uint32_t low = 0, count = timeline->count;
    while (count > 0) {
        uint32_t half = count / 2;
        if (timeline->time_ms[low + half] <= t_ms) {
            low += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return low;
}

size_t cell_bytes(enum value_type type) {
    return type == VALUE_YES_NO ? 1 : 8;
}

static struct value text_value(const struct timeline_column *column, enum value_type type,
                               uint32_t row) {
    struct value value = {.type = (uint8_t)type};
    return column_text(column, row, &value.text) ? value : value_unknown();
}

static struct value integer_value(int64_t cell, enum value_type type) {
    if (cell == CELL_UNKNOWN) return value_unknown();
    if (type == VALUE_TIME) return value_time(cell);
    if (type == VALUE_DURATION) return value_duration(cell);
    return value_money(cell >> MONEY_CELL_SHIFT, (uint16_t)(cell & ((1 << MONEY_CELL_SHIFT) - 1)));
}

struct value column_value(const struct timeline_column *column, enum value_type type,
                          uint32_t row) {
    if (column->cells == NULL) return value_unknown();
    switch (type) {
    case VALUE_NUMBER: {
        double number = ((const double *)column->cells)[row];
        return isnan(number) ? value_unknown() : value_number(number);
    }
    case VALUE_TEXT:
    case VALUE_LIST: return text_value(column, type, row);
    case VALUE_TIME:
    case VALUE_DURATION:
    case VALUE_MONEY: return integer_value(((const int64_t *)column->cells)[row], type);
    case VALUE_YES_NO: {
        uint8_t cell = ((const uint8_t *)column->cells)[row];
        return cell > 1 ? value_unknown() : value_yes_no(cell == 1);
    }
    case VALUE_UNKNOWN:
    case VALUE_TYPE_COUNT: break;
    }
    return value_unknown();
}

static int64_t money_cell(struct value value) {
    int64_t limit = INT64_MAX >> MONEY_CELL_SHIFT;
    if (value.minor > limit || value.minor < -limit) return CELL_UNKNOWN;
    return value.minor * (1 << MONEY_CELL_SHIFT) + value.currency;
}

void cell_set(void *cells, enum value_type type, size_t row, struct value value,
              const uint8_t *heap) {
    bool known = value.type == type;
    switch (type) {
    case VALUE_NUMBER: ((double *)cells)[row] = known ? value.number : (double)NAN; break;
    case VALUE_TEXT:
    case VALUE_LIST: {
        uint64_t offset = (uint64_t)((uintptr_t)value.text.at - (uintptr_t)heap);
        ((uint64_t *)cells)[row] = known ? offset << 16 | value.text.length : CELL_NO_TEXT;
        break;
    }
    case VALUE_TIME: ((int64_t *)cells)[row] = known ? value.time_ms : CELL_UNKNOWN; break;
    case VALUE_DURATION: ((int64_t *)cells)[row] = known ? value.duration_ms : CELL_UNKNOWN; break;
    case VALUE_MONEY: ((int64_t *)cells)[row] = known ? money_cell(value) : CELL_UNKNOWN; break;
    case VALUE_YES_NO: ((uint8_t *)cells)[row] = known ? value.yes : 2; break;
    case VALUE_UNKNOWN:
    case VALUE_TYPE_COUNT: break;
    }
}
