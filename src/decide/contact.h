/* SPDX-License-Identifier: Apache-2.0 */
/* decide/contact.h -- may this customer be contacted now?
 *
 * A policy is a limit over a sliding window, or a wait after an outcome. What counts is read from
 * the customer's own timeline, so there is no counter to drift, to expire wrongly or to lose:
 * delete an event and the answer changes with it. A contact is a Treatment Shown or Treatment
 * Delivered event; windows are half-open, (now − window, now]. An event that names no treatment,
 * which a policy may wait after, has no group or action: there `group` and `action` say which
 * treatments wait. */
#ifndef DECIDE_CONTACT_H
#define DECIDE_CONTACT_H

#include "profile/profile.h"

/* Newest treatment events that are looked at; policies see no further back. */
#define CONTACTS_MAX 4096

struct contact {
    int64_t time_ms;
    uint16_t type;   /* EVENT_TREATMENT_… or another event that a policy names */
    bool names_none; /* no treatment is named: an order, a complaint */
    uint32_t channel;
    /* Of the treatment's key, so that an offer's row is known when it has gone since. */
    uint64_t key_hash;
    const struct action *action; /* NULL where the playbook no longer knows it */
};
struct contact_history {
    struct contact contacts[CONTACTS_MAX]; /* newest first */
    uint32_t count;
};
/* Gathers the treatment events, and those that policies wait after, as of t. */
void contact_history_read(struct contact_history *history, const struct world *world,
                          const struct timeline *timeline, int64_t t_ms);

struct contact_verdict {
    const struct policy *blocking; /* NULL where nothing blocks. Borrowed from the playbook. */
    int64_t free_at_ms;            /* the first moment at which `blocking` no longer holds */
};
/* Judges one treatment at now_ms. The first policy in playbook order that blocks is the one
 * reported: explanations stay stable. */
struct contact_verdict contact_check(const struct playbook *playbook,
                                     const struct contact_history *history,
                                     const struct treatment *treatment, int64_t now_ms);
/* The first moment from now_ms on at which no policy blocks, if nothing else happens; TIME_NEVER
 * where there is none. */
int64_t contact_free_at(const struct playbook *playbook, const struct contact_history *history,
                        const struct treatment *treatment, int64_t now_ms);

#endif
