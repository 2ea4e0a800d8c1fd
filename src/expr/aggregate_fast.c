/* SPDX-License-Identifier: Apache-2.0 */
/* The commonest questions as tight loops over flat columns: one event type, a plain column or none,
 * no `where` or a simple one. aggregate.c answers every other question, and would give the same
 * answers to these. */
#include "expr/aggregate.h"

static struct value count_rows(const struct type_rows_walk *rows) {
    uint32_t count = bits_count(rows->rows), more;
    for (uint32_t low = rows->low; low < rows->high; low += more) {
        more = type_rows_count(low, rows->high);
        count += bits_count(type_rows(rows->types + low, more, rows->type));
    }
    return value_number(count);
}

/* Money cells are minor << 15 | currency. The sum is over the minor units; the currencies agree
 * where the OR of the cells' currencies equals their AND. 64 bits hold a sum of 65,536 amounts of
 * 48 bits. */
#define MONEY_ROWS_MAX 65536u

static struct value sum_money(struct eval *eval, const int64_t *cells, struct type_rows_walk *rows,
                              bool averages) {
    const int64_t currency_bits = (1 << MONEY_CELL_SHIFT) - 1;
    int64_t sum = 0, any = 0, all = -1, count = 0;
    uint32_t row;
    while (type_rows_next(rows, &row)) {
        int64_t cell = cells[row], taken = -(int64_t)(cell != CELL_UNKNOWN);
        sum += (cell >> MONEY_CELL_SHIFT) & taken;
        any |= cell & taken;
        all &= cell | ~taken;
        count -= taken;
    }
    if (count == 0) return averages ? value_unknown() : value_money(0, eval->program->currency);
    if ((any & currency_bits) != (all & currency_bits)) return eval_limit(eval);
    return value_money(averages ? aggregate_divided(sum, (uint64_t)count) : sum,
                       (uint16_t)(any & currency_bits));
}

static struct value sum_number(const double *cells, struct type_rows_walk *rows, bool averages) {
    double sum = 0;
    uint32_t count = 0, row;
    while (type_rows_next(rows, &row)) {
        bool taken = !isnan(cells[row]);
        sum += taken ? cells[row] : 0.0;
        count += taken;
    }
    if (averages && count == 0) return value_unknown();
    if (averages) sum /= (double)count;
    return isfinite(sum) ? value_number(sum) : value_unknown();
}

/* The least or greatest number; of money, the cells compare like their amounts where all have one
 * currency. */
static struct value best_number(const double *cells, struct type_rows_walk *rows, bool greatest) {
    double best = NAN;
    uint32_t row;
    while (type_rows_next(rows, &row)) {
        double cell = cells[row];
        if (isnan(cell)) continue;
        if (isnan(best) || (greatest ? cell > best : cell < best)) best = cell;
    }
    return isnan(best) ? value_unknown() : value_number(best);
}

static struct value best_money(struct eval *eval, const int64_t *cells, struct type_rows_walk *rows,
                               bool greatest) {
    const int64_t currency_bits = (1 << MONEY_CELL_SHIFT) - 1;
    int64_t best = CELL_UNKNOWN, differs = 0;
    uint32_t row;
    while (type_rows_next(rows, &row)) {
        int64_t cell = cells[row];
        if (cell == CELL_UNKNOWN) continue;
        if (best == CELL_UNKNOWN) best = cell;
        differs |= (cell ^ best) & currency_bits;
        if (greatest ? cell > best : cell < best) best = cell;
    }
    if (best == CELL_UNKNOWN) return value_unknown();
    return differs != 0 ? eval_limit(eval)
                        : value_money(best >> MONEY_CELL_SHIFT, (uint16_t)(best & currency_bits));
}

static bool best_of(struct eval *eval, const struct aggregate *aggregate,
                    struct type_rows_walk *rows, struct value *out) {
    const void *cells = eval_column(eval, aggregate->column)->cells;
    bool greatest = aggregate->kind == AGGREGATE_MAX;
    if (!aggregate->has_column || cells == NULL) return false;
    if (aggregate->value_type == VALUE_MONEY)
        *out = best_money(eval, cells, rows, greatest);
    else if (aggregate->value_type == VALUE_NUMBER)
        *out = best_number(cells, rows, greatest);
    else
        return false;
    return true;
}

static bool sum_of(struct eval *eval, const struct aggregate *aggregate, struct window window,
                   struct type_rows_walk *rows, struct value *out) {
    const void *cells = eval_column(eval, aggregate->column)->cells;
    bool averages = aggregate->kind == AGGREGATE_AVG;
    if (cells == NULL) return false;
    if (aggregate->value_type == VALUE_MONEY && window.high - window.low <= MONEY_ROWS_MAX)
        *out = sum_money(eval, cells, rows, averages);
    else if (aggregate->value_type == VALUE_NUMBER)
        *out = sum_number(cells, rows, averages);
    else
        return false;
    return true;
}

static struct value count_where(struct eval *eval, const struct aggregate *aggregate,
                                struct type_rows_walk *rows) {
    uint32_t count = 0, row;
    while (type_rows_next(rows, &row))
        count += aggregate_simple_holds(eval, &aggregate->where, row);
    return value_number(count);
}

/* For exists, since and last: finds the newest row for which `where` holds and whose column is
 * known. */
static struct value find_newest(struct eval *eval, const struct aggregate *aggregate,
                                struct type_rows_walk *rows) {
    uint32_t row;
    while (type_rows_previous(rows, &row)) {
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

bool aggregate_of_rows(struct eval *eval, const struct aggregate *aggregate,
                       struct type_rows_walk *rows, struct window window, struct value *out) {
    bool filtered = aggregate->where.kind != SIMPLE_NONE;
    switch (aggregate->kind) {
    case AGGREGATE_COUNT:
        if (aggregate->has_column) return false;
        *out = filtered ? count_where(eval, aggregate, rows) : count_rows(rows);
        return true;
    case AGGREGATE_SUM:
    case AGGREGATE_AVG: return !filtered && sum_of(eval, aggregate, window, rows, out);
    case AGGREGATE_MIN:
    case AGGREGATE_MAX: return !filtered && best_of(eval, aggregate, rows, out);
    case AGGREGATE_EXISTS:
    case AGGREGATE_SINCE:
    case AGGREGATE_LAST: *out = find_newest(eval, aggregate, rows); return true;
    default: return false;
    }
}

bool aggregate_fast(struct eval *eval, const struct aggregate *aggregate, struct window window,
                    struct value *out) {
    const struct timeline *timeline = eval->timeline;
    if (!aggregate->may_be_fast || timeline->known_ms || timeline->superseded_ms) return false;
    struct type_rows_walk rows =
        type_rows_begin(timeline->type, window.low, window.high, aggregate->rows.types[0]);
    return aggregate_of_rows(eval, aggregate, &rows, window, out);
}
