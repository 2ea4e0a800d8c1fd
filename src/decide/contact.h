/* SPDX-License-Identifier: Apache-2.0 */
/* decide/contact.h -- may this customer be contacted now?
 *
 * A contact is one outbound message to one customer, whatever tells of it (docs/playbook.md,
 * Contacts and channels). What counts is read from the customer's own timeline, so there is no
 * counter to drift, to expire wrongly or to lose: delete an event and the answer changes with it.
 *
 *   Decision Made      ──► pending ───────────── lapses after `expires`, where receipts come
 *     (id, treatment)         │  Delivered, Shown, Clicked, Accepted, Rejected: the first counts
 *                             ▼
 *   receipt without    ──► contact ──► Failed takes it back
 *     a decision id
 *
 * A receipt belongs to the message of its (decision id, treatment). Without an id it belongs to the
 * message of its (treatment, channel, local day); where there is none yet, to the oldest decision
 * for that treatment and channel that has no receipt; else it is a message of its own. A decision
 * for a holdout customer is a ghost: it counts as if it had been sent. What is met in an inbound
 * channel is an impression, which a policy counts only where it says so.
 *
 * If nothing else happens, a policy that blocks frees up at one moment and stays free, so one time
 * tells all. Reading costs n log n, where n is the number of treatment events and decisions of a
 * timeline; judging walks back no further than a policy's window. Where the timeline was cut, what
 * is missing is taken for a contact, so that no limit opens a policy. */
#ifndef DECIDE_CONTACT_H
#define DECIDE_CONTACT_H

#include "decide/where.h"

#define CHANNELS_MAX 256

/* Symbols of properties of Decision Made that are not reserved: its messages and their send_after,
 * its set of treatments, what spoke for its first rank, and what it was made from. */
struct message_symbols { /* nothing but symbols: others look through all of them */
    uint32_t messages, send_after, treatment_set, because, trait, with;
    uint32_t basis, in_force, position, rates, rates_at, rates_position, context, count, held;
    uint32_t proposed, visitor, choice;
    uint32_t budget_prices, budget, price, left;
};
enum status message_symbols_add(struct symbols *symbols, struct message_symbols *out) MUST_USE;

struct contact {
    int64_t time_ms;
    int64_t until_ms;            /* when a pending contact lapses; TIME_NEVER for all others */
    uint64_t key_hash;           /* of the treatment's key, which outlives its row in a table */
    const struct action *action; /* NULL where the playbook no longer knows it */
    uint32_t older;              /* index of the next older one of this treatment, or UINT32_MAX */
    uint32_t channel;
    uint16_t type;   /* of an event that a policy waits after */
    bool names_none; /* the event names no treatment: an order, a complaint */
    bool impression; /* in an inbound channel */
    bool pending;    /* it was decided, and no receipt has come yet */
    bool withheld;   /* by the holdout: it counts, and was not sent */
};
/* A bit a hash of a treatment's key; a treatment whose bit is clear is in no series. */
#define CONTACT_BITS 1024u

struct contact_series { /* oldest first */
    struct contact *items;
    size_t count, capacity;
    /* By hash of the treatment's key: the newest one's index, or UINT32_MAX. */
    uint32_t *newest;
    uint32_t newest_bits;
};

/* Why a policy blocks, and until when. */
struct contact_standing {
    int64_t free_at_ms;       /* the first moment at which it no longer blocks; TIME_NEVER: never */
    uint32_t counted;         /* contacts, or events, that count now */
    uint32_t pending;         /* how many of these are still pending */
    int64_t pending_since_ms; /* when the oldest of the pending ones was decided */
    bool cut;                 /* the timeline was cut, and missing rows are taken for contacts */
};

struct standing_cache;
struct contact_route;
struct contact_message;
struct contact_slot;
struct contact_history { /* belongs to one thread */
    const struct customer_data *data;
    struct where where; /* found before the history is read */
    struct message_symbols symbols;
    struct messaging messaging[CHANNELS_MAX];
    struct contact_series messages; /* contacts and impressions */
    struct contact_series events;   /* what policies wait after */
    struct standing_cache *cache;
    /* A route is an action in a channel: what is the same for all its treatments is kept once. Its
     * index is route_first[action] + channel. */
    struct contact_route *routes;
    uint32_t *route_first;
    uint32_t *own_policies; /* by route: policies that count each treatment by itself */
    uint64_t gone_out[CONTACT_BITS / 64]; /* of the treatments in both series */
    bool *waited;     /* by event type: does a policy wait after such an event? */
    int64_t *moments; /* scratch of one judgement */
    size_t moment_capacity;
    struct contact_message *gathered; /* scratch of one reading (contact_history.c) */
    struct contact_slot *slots;
    size_t gathered_capacity;
    uint32_t slot_bits;
    uint64_t *left_out; /* hashes of the ids of decisions that were left out */
    size_t left_out_count, left_out_capacity;
    bool for_budgets; /* read all messages, whether or not a policy counts them */
    bool cut;         /* rows at and before cut_ms are missing */
    int64_t cut_ms;
};
enum status contact_history_init(struct contact_history *history,
                                 const struct customer_data *data) MUST_USE;
void contact_history_release(struct contact_history *history);
/* Gathers the contacts that had happened and were known by t. Without `same_moment`, decisions made
 * at this very t are left out and listed in `left_out`, since one of them may be the decision that
 * is now made again. */
enum status contact_history_read(struct contact_history *history, const struct timeline *timeline,
                                 int64_t t_ms, bool same_moment) MUST_USE;
/* Adds a pending contact for this treatment, so that later ranks of the same decision see it. */
enum status contact_history_add(struct contact_history *history, const struct treatment *treatment,
                                int64_t now_ms) MUST_USE;

struct contact_verdict {
    const struct policy *blocking;    /* NULL where nothing blocks. Borrowed from the playbook. */
    struct contact_standing standing; /* of `blocking` */
    /* The first moment at which no policy blocks any more, if nothing else happens. */
    int64_t free_at_ms;
    int64_t send_after_ms; /* the end of quiet times; now_ms where it may go out at once */
};
/* How many routes there are, and the treatment's: its action in its channel. */
uint32_t contact_route_count(const struct contact_history *history);
uint32_t contact_route(const struct contact_history *history, const struct treatment *treatment);
/* Judges one treatment at now_ms, not before the history's t. The first policy in playbook order
 * that blocks is the one reported: explanations stay stable. */
enum status contact_check(struct contact_history *history, const struct treatment *treatment,
                          int64_t now_ms, struct contact_verdict *out) MUST_USE;
/* What is the same for all treatments of its route: all but the policies that count one treatment
 * by itself. Borrowed until the history changes or is asked about another time. */
enum status contact_shared(struct contact_history *history, const struct treatment *treatment,
                           int64_t now_ms, const struct contact_verdict **out) MUST_USE;
/* Have the policies that count this treatment by itself nothing to count? Then contact_shared is
 * its verdict. False may also be said where they have nothing. */
static inline uint32_t contact_bit(uint64_t key_hash) {
    return (uint32_t)key_hash % CONTACT_BITS;
}
static inline bool contact_has_gone_out(const struct contact_history *history, uint32_t bit) {
    return history->gone_out[bit / 64] >> (bit % 64) & 1;
}
bool contact_route_counts_none(const struct contact_history *history, uint32_t route);
static inline bool contact_never(const struct contact_history *history, uint32_t route,
                                 const struct treatment *treatment) {
    return !contact_has_gone_out(history, contact_bit(treatment->key_hash)) &&
           contact_route_counts_none(history, route);
}

/* decide/quiet.c: the first moment from now_ms on at which no quiet time that speaks of the
 * treatment holds, TIME_NEVER where there is none within a week. *policy: the first that holds at
 * now_ms, or NULL. */
int64_t quiet_send_after(const struct where *where, const struct treatment *treatment,
                         int64_t now_ms, const struct policy **policy);
/* Does the policy speak of this treatment? */
bool policy_applies(const struct policy *policy, const struct treatment *treatment);
/* The day in the zone, counted from 1970, and the moment at which the next one begins. */
int64_t local_day(const struct time_zone *zone, int64_t t_ms);
int64_t local_day_end(const struct time_zone *zone, int64_t t_ms);

#endif
