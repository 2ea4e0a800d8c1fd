/* SPDX-License-Identifier: Apache-2.0 */
/* measure/segment_count.h -- how many customers are in a segment at a time.
 *
 * One walk over everybody that evaluates the segment and the traits that it reads, and no others.
 * Nobody is sampled, so the figure is exact: its bounds are its value. A customer of whom nobody
 * can tell (the segment is unknown) is counted beside it and not in it. Any thread. */
#ifndef MEASURE_SEGMENT_COUNT_H
#define MEASURE_SEGMENT_COUNT_H

#include "measure/figure.h"
#include "profile/walk.h"

struct segment_count {
    struct figure in; /* of n customers, who have at least one event */
    uint64_t unknown; /* of whom nobody can tell */
    uint64_t limited; /* of these: since a named limit was reached */
};
struct segment_count_options {
    uint32_t trait; /* index in the playbook; a yes/no trait, not of a treatment */
    struct as_of as_of;
    uint32_t threads;  /* 0 counts as 1 */
    struct work *work; /* may be NULL; counts customers */
};
enum status segment_count_measure(const struct customer_data *data,
                                  const struct segment_count_options *options,
                                  struct segment_count *out, struct error *error) MUST_USE;

#endif
