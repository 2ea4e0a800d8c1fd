/* SPDX-License-Identifier: Apache-2.0 */
/* decide/live.h -- which treatments of a set are not over at t.
 *
 *   offers   ├── 1 ──┤        ├──── 3 ────┤
 *                 ├───── 2 ─────┤
 *   list     {1}  {1,2} {2}   {2,3}  {3}       one list holds until an offer begins or ends
 *
 * An offer table keeps what ended years ago. `available` of most offers only compares now with two
 * times, so the list of those that are not over stays the same for a while, and a decision looks at
 * no other. One thread's. */
#ifndef DECIDE_LIVE_H
#define DECIDE_LIVE_H

#include "decide/contact.h"

/* Neighbours in the list of one route, with or without a span of time that tells whether they are
 * over: what is asked of one of them is asked of all. */
struct live_run {
    uint32_t first, count; /* places in the list */
    uint32_t route;        /* contact_route */
    bool has_span;
};

struct live {
    uint64_t serial;           /* of the set that the list is of; 0: of none */
    int64_t from_ms, until_ms; /* it holds while from <= t < until */
    uint32_t count, capacity;
    uint32_t *index; /* in the set, ascending */
    uint32_t *route; /* of each: contact_route */
    uint16_t *bit;   /* of each: contact_bit of its key */
    struct live_run *runs;
    uint32_t run_count;
    /* Some of them have an `available` that must be asked, since it does more than compare now with
     * two times. */
    bool asks;
};
void live_release(struct live *live);
/* Makes the list for t; nothing is done where it holds already. STATUS_NO_MEMORY. */
enum status live_at(struct live *live, const struct contact_history *history,
                    const struct treatment_set *treatments, int64_t t_ms) MUST_USE;

#endif
