/* SPDX-License-Identifier: Apache-2.0 */
/* bench/data.h -- a made-up shop: 50 M events of 3.1 M customers in sessions, 1 % of them late, 5 %
 * of the customers merged after their events were folded. Built once under $ATTUNE_BENCH_DATA
 * (default: $TMPDIR or /tmp, attune-bench) and kept: eight runs and a tail, and the same merged
 * into one run. The same seed gives the same bytes. */
#ifndef BENCH_DATA_H
#define BENCH_DATA_H

#include "store/view/view.h"

#define DATA_RUNS 8

enum data_event {
    DATA_VIEW,
    DATA_CART,
    DATA_CHECKOUT,
    DATA_ORDER,
    DATA_SEARCH,
    DATA_MAIL,
    DATA_CALL,
    DATA_OTHER,
    DATA_EVENTS
};
enum data_column { DATA_REVENUE, DATA_STORE, DATA_PAGE, DATA_SCORE, DATA_COLUMNS };

struct data;
/* events in all, spread over the runs and (a fiftieth) the tail. Fails the program where it can't.
 */
struct data *data_open(uint64_t event_count, uint32_t customer_count);
void data_close(struct data *data);
/* one: everything in one run and an empty tail; otherwise eight runs and the tail. */
struct timeline_source *data_source(struct data *data, bool one);
const struct column_set *data_columns(void);
uint32_t data_persona_count(const struct data *data);
uint32_t data_customer_of(const struct data *data, uint32_t persona);
int64_t data_end_ms(void); /* the time of the last event, about */
const char *data_directory(void);
/* Writes customer (u32), time (i64), type (u16) and position (u64) of every event, each to its own
 * file, for a peer. */
void data_export(struct data *data, const char *prefix);

#endif
