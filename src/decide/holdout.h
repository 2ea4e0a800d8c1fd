/* SPDX-License-Identifier: Apache-2.0 */
/* decide/holdout.h -- is this customer in the holdout, who gets no marketing so that lift can be
 * measured?
 *
 * Drawn by a salted hash of the customer's id, and recorded with the first decision (Decision Made:
 * `holdout` in or out, `salt`). From then on the first record on the timeline counts: an id may
 * change where two customers turn out to be one, and whoever has been contacted once is no holdout
 * customer any more. Where such a merge brings both records together the customer has *crossed*: it
 * stays what it was first and is counted, and lift is told with and without it. Records under
 * another salt were another experiment. */
#ifndef DECIDE_HOLDOUT_H
#define DECIDE_HOLDOUT_H

#include "profile/profile.h"

struct holdout {
    bool in;
    bool recorded; /* by an earlier decision; else drawn now */
    bool crossed;  /* records of both kinds are on the timeline */
};
/* The names of its properties on a Decision Made. */
struct holdout_symbols {
    uint32_t holdout, salt;
};
enum status holdout_symbols_add(struct symbols *symbols, struct holdout_symbols *out) MUST_USE;

/* As known at t. All of it no where the playbook has no holdout. The timeline needs
 * TIMELINE_PACKED. Where the customer has never been merged with another one (no Customer Merged),
 * the first record is all that is read. */
struct holdout holdout_at(const struct playbook *playbook, const struct holdout_symbols *symbols,
                          const struct timeline *timeline, int64_t t_ms);
/* What the hash says of an id. */
bool holdout_draws(const struct playbook *playbook, struct customer_id customer);

#endif
