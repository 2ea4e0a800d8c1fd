/* SPDX-License-Identifier: Apache-2.0 */
/* event/timeline.h -- a customer's events, in order, as flat columns.
 *
 * This is what every question is asked of. Rows are sorted by (time, position): ties in order of
 * arrival. The columns point straight into a mapped run where the customer has one slice, or into
 * the reader's scratch where slices were merged; nobody above can tell the difference. A timeline
 * is borrowed from its reader until the reader's next call.
 *
 * Cells of a typed column (one a property that somebody asked for in the request):
 *   number            double; a NaN is unknown
 *   time, duration    int64_t; CELL_UNKNOWN is unknown
 *   money             int64_t; minor units * 32768 + currency (value.h); CELL_UNKNOWN is unknown
 *   yes/no            uint8_t; 0 no, 1 yes, 2 unknown
 *   text, list        uint64_t; offset << 16 | length, from the column's `heap`; CELL_NO_TEXT is
 *                     unknown
 * A property whose value in an event has another type than the column is unknown there. */
#ifndef EVENT_TIMELINE_H
#define EVENT_TIMELINE_H

#include <math.h>
#include "event/ids.h"
#include "event/packed.h"
#include "event/value.h"

#define CELL_UNKNOWN         INT64_MIN
#define CELL_NO_TEXT         UINT64_MAX
#define MONEY_CELL_SHIFT     15
#define TIMELINE_COLUMNS_MAX 256

/* The columns that the playbook uses, which runs therefore keep apart. A column's index here is its
 * index everywhere. */
struct column {
    uint32_t property; /* SYMBOL_PROPERTY */
    enum value_type type;
};
struct column_set {
    struct column columns[TIMELINE_COLUMNS_MAX];
    uint32_t count;
};

struct timeline_column {
    const void *cells;   /* NULL where it was not asked for, or no event here has it: all unknown */
    const uint8_t *heap; /* text and list; may be NULL with absolute offsets */
};

struct timeline;
struct timeline_ops {
    /* Gives all properties of a row, packed; borrowed until the reader's next call or the next
     * `packed` (copy them to keep them). A caller need not pass a failure on: timeline_source_check
     * tells of it. */
    enum status (*packed)(const struct timeline *timeline, uint32_t row, struct text *packed);
};

struct timeline {
    struct customer_id customer;
    uint32_t count;
    const int64_t *time_ms;
    const uint16_t *type;   /* SYMBOL_EVENT */
    const uint8_t *channel; /* SYMBOL_CHANNEL; NULL where not asked for */
    /* NULL: every row was known when it happened, or was known by the request's t. */
    const int64_t *known_ms;
    /* Since when a newer version has replaced the row, or it was retracted; INT64_MAX: neither.
     * Only where TIMELINE_KNOWN was asked for; NULL: it is true of no row here. */
    const int64_t *superseded_ms;
    const uint64_t *position; /* NULL where not asked for */
    const uint32_t *persona;  /* persona_id.value a row; NULL where not asked for */
    const uint16_t *source;   /* SYMBOL_SOURCE; NULL where not asked for */
    /* By column index of the set in force; column_count of them. */
    const struct timeline_column *columns;
    uint32_t column_count;
    bool truncated; /* events_max was reached: the oldest rows are missing */
    const struct timeline_ops *ops;
    void *reader;
};

/* Returns the first row with time > t: all rows before it happened by t. Binary search. */
uint32_t timeline_upper_bound(const struct timeline *timeline, int64_t t_ms);
/* Was this version of the row the one that counted at t: known by then, and not superseded? */
static inline bool timeline_known(const struct timeline *timeline, uint32_t row, int64_t t_ms) {
    if (timeline->known_ms != NULL && timeline->known_ms[row] > t_ms) return false;
    return timeline->superseded_ms == NULL || timeline->superseded_ms[row] > t_ms ||
           timeline->superseded_ms[row] == INT64_MAX;
}

static inline double column_number(const struct timeline_column *column, uint32_t row) {
    return column->cells ? ((const double *)column->cells)[row] : NAN;
}
static inline bool column_text(const struct timeline_column *column, uint32_t row,
                               struct text *text) {
    if (column->cells == NULL) return false;
    uint64_t cell = ((const uint64_t *)column->cells)[row];
    if (cell == CELL_NO_TEXT) return false;
    text->at = (const char *)((uintptr_t)column->heap + (uintptr_t)(cell >> 16));
    text->length = (uint32_t)(cell & 0xffff);
    return true;
}
/* Returns the cell of any type as a value; the currency of money is in the cell. */
struct value column_value(const struct timeline_column *column, enum value_type type, uint32_t row);
/* Writes the cell of a value, for code that builds columns; cell_bytes says how many bytes a cell
 * has (1 or 8). Text and lists must lie behind `heap` (NULL: the cell holds the address itself). A
 * value of another type, or an unknown one, sets unknown. */
size_t cell_bytes(enum value_type type);
void cell_set(void *cells, enum value_type type, size_t row, struct value value,
              const uint8_t *heap);

#endif
