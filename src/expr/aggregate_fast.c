/* SPDX-License-Identifier: Apache-2.0 */
/* The commonest questions as tight loops over flat columns: one event type, a plain column or none,
 * no `where` or a simple one. aggregate.c answers every other question, and would give the same
 * answers to these. The loops have no branches on the type: the processor can't guess which type
 * comes next, so a loop that skips other events is slower. */
#include "expr/aggregate.h"

static struct value count_type(const struct timeline *timeline, struct window window,
                               uint16_t type) {
    uint32_t count = 0;
    for (uint32_t row = window.low; row < window.high; row++) count += timeline->type[row] == type;
    return value_number(count);
}

/* Money cells are minor << 15 | currency. The sum is over the minor units; the currencies agree
 * where the OR of the cells' currencies equals their AND. 64 bits hold a sum of 65,536 amounts of
 * 48 bits. */
#define MONEY_ROWS_MAX 65536u

static bool sum_money(struct eval *eval, const int64_t *cells, struct window window, uint16_t type,
                      bool averages, struct value *out) {
    const uint16_t *types = eval->timeline->type;
    const int64_t currency_bits = (1 << MONEY_CELL_SHIFT) - 1;
    int64_t sum = 0, any = 0, all = -1, count = 0;
    if (window.high - window.low > MONEY_ROWS_MAX) return false;
    for (uint32_t row = window.low; row < window.high; row++) {
        int64_t cell = cells[row],
                taken = -(int64_t)((types[row] == type) & (cell != CELL_UNKNOWN));
        sum += (cell >> MONEY_CELL_SHIFT) & taken;
        any |= cell & taken;
        all &= cell | ~taken;
        count -= taken;
    }
    if (count == 0) {
        *out = averages ? value_unknown() : value_money(0, eval->program->currency);
    } else if ((any & currency_bits) != (all & currency_bits)) {
        *out = eval_limit(eval);
    } else {
        *out = value_money(averages ? aggregate_divided(sum, (uint64_t)count) : sum,
                           (uint16_t)(any & currency_bits));
    }
    return true;
}

static struct value sum_number(const struct timeline *timeline, const double *cells,
                               struct window window, uint16_t type, bool averages) {
    double sum = 0;
    uint32_t count = 0;
    for (uint32_t row = window.low; row < window.high; row++) {
        bool taken = (timeline->type[row] == type) & !isnan(cells[row]);
        sum += taken ? cells[row] : 0.0;
        count += taken;
    }
    if (averages && count == 0) return value_unknown();
    if (averages) sum /= (double)count;
    return isfinite(sum) ? value_number(sum) : value_unknown();
}

/* The least or greatest number; of money, the cells compare like their amounts where all have one
 * currency. */
static struct value best_number(const struct timeline *timeline, const double *cells,
                                struct window window, uint16_t type, bool greatest) {
    double best = NAN;
    for (uint32_t row = window.low; row < window.high; row++) {
        double cell = cells[row];
        if (timeline->type[row] != type || isnan(cell)) continue;
        if (isnan(best) || (greatest ? cell > best : cell < best)) best = cell;
    }
    return isnan(best) ? value_unknown() : value_number(best);
}

static struct value best_money(struct eval *eval, const int64_t *cells, struct window window,
                               uint16_t type, bool greatest) {
    const uint16_t *types = eval->timeline->type;
    const int64_t currency_bits = (1 << MONEY_CELL_SHIFT) - 1;
    int64_t best = CELL_UNKNOWN, differs = 0;
    for (uint32_t row = window.low; row < window.high; row++) {
        int64_t cell = cells[row];
        if (types[row] != type || cell == CELL_UNKNOWN) continue;
        if (best == CELL_UNKNOWN) best = cell;
        differs |= (cell ^ best) & currency_bits;
        if (greatest ? cell > best : cell < best) best = cell;
    }
    if (best == CELL_UNKNOWN) return value_unknown();
    return differs != 0 ? eval_limit(eval)
                        : value_money(best >> MONEY_CELL_SHIFT, (uint16_t)(best & currency_bits));
}

static bool best_of(struct eval *eval, const struct aggregate *aggregate, struct window window,
                    struct value *out) {
    const void *cells = eval_column(eval, aggregate->column)->cells;
    bool greatest = aggregate->kind == AGGREGATE_MAX;
    uint16_t type = aggregate->rows.types[0];
    if (!aggregate->has_column || cells == NULL) return false;
    if (aggregate->value_type == VALUE_MONEY)
        *out = best_money(eval, cells, window, type, greatest);
    else if (aggregate->value_type == VALUE_NUMBER)
        *out = best_number(eval->timeline, cells, window, type, greatest);
    else
        return false;
    return true;
}

/* Returns the newest row of the type before `high`; UINT32_MAX where there is none. */
static uint32_t newest(const uint16_t *types, uint32_t low, uint32_t high, uint16_t type) {
    while (high-- > low) {
        if (types[high] == type) return high;
    }
    return UINT32_MAX;
}

static struct value count_where(struct eval *eval, const struct aggregate *aggregate,
                                struct window window) {
    const uint16_t *types = eval->timeline->type;
    uint32_t count = 0;
    uint16_t type = aggregate->rows.types[0];
    for (uint32_t row = window.low; row < window.high; row++) {
        if (types[row] == type) count += aggregate_simple_holds(eval, &aggregate->where, row);
    }
    return value_number(count);
}

/* For exists, since and last: finds the newest row for which `where` holds and whose column is
 * known. */
static struct value find_newest(struct eval *eval, const struct aggregate *aggregate,
                                struct window window) {
    const struct timeline *timeline = eval->timeline;
    uint32_t row = window.high;
    while ((row = newest(timeline->type, window.low, row, aggregate->rows.types[0])) !=
           UINT32_MAX) {
        struct value value = value_unknown();
        if (aggregate->has_column) {
            value = column_value(eval_column(eval, aggregate->column), aggregate->column_type, row);
            if (!value_is_known(value)) continue;
        }
        if (aggregate->where.kind != SIMPLE_NONE &&
            !aggregate_simple_holds(eval, &aggregate->where, row))
            continue;
        return aggregate_of_row(eval, aggregate, row, value);
    }
    return aggregate->kind == AGGREGATE_EXISTS ? value_yes_no(false) : value_unknown();
}

bool aggregate_fast(struct eval *eval, const struct aggregate *aggregate, struct window window,
                    struct value *out) {
    const struct timeline *timeline = eval->timeline;
    if (!aggregate->may_be_fast || timeline->known_ms) return false;
    bool filtered = aggregate->where.kind != SIMPLE_NONE;
    uint16_t type = aggregate->rows.types[0];
    switch (aggregate->kind) {
    case AGGREGATE_COUNT:
        if (aggregate->has_column) return false;
        *out = filtered ? count_where(eval, aggregate, window) : count_type(timeline, window, type);
        return true;
    case AGGREGATE_SUM:
    case AGGREGATE_AVG: {
        const void *cells = eval_column(eval, aggregate->column)->cells;
        bool averages = aggregate->kind == AGGREGATE_AVG;
        if (filtered || !cells) return false;
        if (aggregate->value_type == VALUE_MONEY)
            return sum_money(eval, cells, window, type, averages, out);
        if (aggregate->value_type != VALUE_NUMBER) return false;
        *out = sum_number(timeline, cells, window, type, averages);
        return true;
    }
    case AGGREGATE_MIN:
    case AGGREGATE_MAX: return !filtered && best_of(eval, aggregate, window, out);
    case AGGREGATE_EXISTS:
    case AGGREGATE_SINCE:
    case AGGREGATE_LAST: *out = find_newest(eval, aggregate, window); return true;
    default: return false;
    }
}
