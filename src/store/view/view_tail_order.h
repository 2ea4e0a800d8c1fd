/* SPDX-License-Identifier: Apache-2.0 */
/* store/view/view_tail_order.h -- the tail's rows by customer, made once for all threads that walk
 * a version as of one moment.
 *
 *   starts:  customer 0 │ 1 │ 2 │ …          references of rows, in order of position
 *            0           2   2   3 …    ──►  [r7 r9] [] [r1] …
 *
 * The tail stands in order of arrival, and a walk wants it by customer. What is kept for that are
 * four bytes a row, four a customer and four a persona, however many threads share the walk. Each
 * of them reads the rows of a few customers at a time from the tail itself. It is made by counting,
 * in three passes over the tail, without anything to sort.
 *
 * The first thread that walks makes it while the others wait. It stays with the version, since a
 * report walks many times as of one moment, until somebody walks as of another or the version ends.
 * Whoever walks as of another moment meanwhile makes his own. Any thread. */
#ifndef STORE_VIEW_VIEW_TAIL_ORDER_H
#define STORE_VIEW_VIEW_TAIL_ORDER_H

#include "store/version.h"

struct view_tail_part {
    const struct tail *tail;
    uint32_t *starts; /* customer_bound + 1; NULL: it has no row */
    uint32_t *references;
};
struct view_tail_order {
    struct as_of as_of;
    uint32_t holders;   /* under the version's lock */
    uint32_t *customer; /* of each persona, as of then; NULL without a directory */
    uint32_t persona_count;
    uint32_t customer_bound; /* rows are of customers below it */
    uint32_t part_count;
    struct view_tail_part parts[2]; /* older rows first */
};
/* STATUS_NO_MEMORY. The version is pinned by the caller as long as he holds the order. */
enum status view_tail_order_hold(struct view_tail_order **out, struct version *version,
                                 struct as_of as_of) MUST_USE;
void view_tail_order_drop(struct version *version, struct view_tail_order *order); /* NULL: none */
/* Of a version that nobody pins any more. */
void view_tail_order_destroy(struct view_tail_order *order); /* NULL: none */

/* How many rows customers [from, to) have, to <= customer_bound. */
static inline uint32_t view_tail_rows_of(const struct view_tail_order *order, uint32_t from,
                                         uint32_t to) {
    uint32_t count = 0;
    for (uint32_t p = 0; p < order->part_count; p++)
        count += order->parts[p].starts[to] - order->parts[p].starts[from];
    return count;
}

#endif
