/* SPDX-License-Identifier: Apache-2.0 */
/* engine/live/live_decision.h -- a decision that is answered at once, and holds.
 *
 *   caller's thread                        applier                            syncer
 *   take a view, decide, render  ──► has anything moved since? ──► log ──► written ──► durable
 *                                     no:  as proposed                       │           │
 *                                     yes: decide again, render again        ▼           ▼
 *                                                                        answered    answered
 *                                                                       (as a rule)  (otherwise)
 *
 * Answered once written. A decision is answered when it stands in the log, before the disk has it;
 * the sync begins APPLIER_LINGER_MS later at most. Should the machine lose power in between, the
 * token that was answered beside the id restores the decision with the first outcome that is told
 * by it (live_outcome.h). Where a token could not do so (the customer was not durable, or the
 * decision is larger than a token), the answer waits for the sync, which then begins at once.
 *
 * Who applies. Where nobody applies and nothing is queued, the caller's thread does what stands
 * under `applier` itself (change.is_short), so that `answered` comes before live_decide returns.
 * A decision that begins a customer is left to the applier's thread.
 *
 * Limits hold. The caller's thread decides by what was written when it looked. The applier looks
 * again: where another decision, a contact, a withdrawal, a merge or anything else reached the
 * customer's timeline meanwhile, where a row went into quarantine that may hold somebody, or where
 * something else is in force, it decides again by its own view, later, and that decision counts.
 * What was proposed before stands beside it in the record (`proposed`), where it differs. So of two
 * threads that decide for one customer the second always counts the contact of the first.
 *
 * Sticky. At a placement that is sticky for a visit, a customer who was decided for in this visit
 * gets that decision again, under its id; nothing is recorded, and no contact is added. Placements
 * that are asked for together are one decision: asked for again, all or some of them, they give
 * their part of it again where one of those asked for is sticky. It is read from the timeline. What
 * is no longer allowed is left out of it: an offer that is over, what the customer has withdrawn
 * the consent to, and what the customer has rejected. Where nothing is left of it, a new decision
 * is made.
 *
 * Customers that nobody knows. Where `customer` is empty and nobody has any of the identifiers, the
 * customer begins here: recording makes a persona of the identifiers given, with an event Customer
 * Asked For (engine's own), and the decision is made by the applier. Where nothing is recorded the
 * decision is made for an empty timeline, and its token holds the identifiers: the first outcome
 * that is told by it makes the customer and records the decision.
 *
 * Threads: any thread asks. */
#ifndef ENGINE_LIVE_LIVE_DECISION_H
#define ENGINE_LIVE_LIVE_DECISION_H

#include "engine/answer/answer.h"

/* A token is a text of at most so many bytes, its end included: base64url, sealed with a key that
 * is made from the directory's own secret, so that nobody else can read or make one. */
#define LIVE_TOKEN_BYTES 1100
/* From the decision on; a later token restores nothing. Its id still names the decision. */
#define LIVE_TOKEN_VALID_MS (7 * TIME_DAY_MS)

/* The event of which the persona of a new customer is made. */
#define LIVE_ASKED_FOR TEXT("Customer Asked For")

struct live_identifier {
    struct text type, value; /* "cookie", "k1": a type of the playbook */
};

/* One offered treatment. */
struct live_slot {
    struct text key;                   /* of the treatment, "offer/18" */
    const struct treatment *treatment; /* NULL: the playbook no longer knows it (sticky) */
    struct text channel;
    uint32_t placement;          /* which of those that were asked for: 0 is the first */
    double probability;          /* with which it was selected */
    double propensity, priority; /* NAN: not known */
    int64_t send_after_ms;       /* not to be sent before; 0: at once */
    bool withheld;               /* of a holdout customer: log it, do not act on it */
};

/* What is answered. All that it points to is valid during `render`. */
struct live_answer {
    /* view->decision is the whole decision, for answer_decision and the like. Where `is_again`, it
     * is what would be decided now, and only the slots below are what was decided. */
    const struct engine_view *view;
    struct customer_id customer; /* ID_NONE: nobody, and nothing is recorded */
    char id[DECISION_ID_BYTES];
    int64_t t_ms;        /* as of when */
    uint32_t slot_count; /* best first */
    struct live_slot slots[DECISION_RANKS_MAX];
    uint32_t refused_count; /* slots of a sticky decision that are no longer allowed */
    bool is_recorded;       /* false: a dry run, of nobody, or late */
    bool is_late;           /* the time was over: nothing is ranked, the fallbacks are shown */
    bool is_again;          /* sticky: it was made before, at t_ms */
    bool is_new_customer;
    struct text token; /* empty: none is needed, since the decision is durable */
};

struct live_ask {
    /* ---- who: "C12", "email:a@b.example" or a bare value; or, empty, these identifiers, of which
     * the first that somebody has says who ---- */
    struct text customer;
    const struct live_identifier *identifiers;
    uint32_t identifier_count; /* at most EVENT_IDENTIFIERS_MAX */

    /* ---- what ---- */
    /* Of the playbook, with commas between several ("home_banner,side_bar"); or empty. */
    struct text placement;
    struct text context; /* a JSON object as it was sent, or empty; what the playbook declares of it
                          * is kept (decision_context_keep) */
    uint32_t count;      /* rank at most so many at each placement; 0: all its slots */
    /* Is the time over in which it must be answered? Asked by the deciding thread between two parts
     * of the work; a late decision ranks nothing and is not recorded. A placement may have a
     * shorter time of its own in the playbook. NULL: the request names none. It may be called until
     * `answered`. */
    bool (*is_late)(void *caller);
    int64_t t_ms; /* 0: now, as a service asks */
    /* False: a dry run. Nothing is recorded, counted or reserved until an outcome is told by
     * the token, which then records the decision first. */
    bool records;
    bool waits_until_durable; /* answer once it is durable, whatever a token could do */

    /* ---- the answer ---- */
    /* Writes the answer into the caller's own memory. It is called once in the asking thread; where
     * the applier decides again, once more in the applier's, and the last call counts. Never two at
     * one time. It must be short and wait for nothing. A failure is the answer's. */
    enum status (*render)(void *caller, const struct live_answer *answer);
    /* Called once where live_decide returned STATUS_OK, perhaps before it returns: what was
     * rendered may be sent. A status other than OK says why there is none. By the asking thread,
     * the applier's or the syncer's; short, and waits for nothing. */
    void (*answered)(void *caller, enum status status, const struct error *error);
    void *caller; /* handed to the three functions above */
};

/* Texts of the ask are copied. Where it returns anything but STATUS_OK `answered` is not called:
 *   STATUS_BUSY       the queue is full: the same again, in a moment. `answered` may say it, too:
 *                     another playbook was put in force meanwhile
 *   STATUS_NOT_FOUND  nobody is known by `customer`
 *   STATUS_INVALID    an identifier's type is not one of the playbook, a text is not UTF-8
 *   STATUS_LIMIT      the context, the placement or the list of identifiers is too long
 *   STATUS_READ_ONLY  a sync failed, or the directory is open for reading */
enum status live_decide(struct engine *engine, const struct live_ask *ask,
                        struct error *error) MUST_USE;
/* The same, and waits for `answered`; ask->answered is not called. */
enum status live_decide_and_wait(struct engine *engine, const struct live_ask *ask,
                                 struct error *error) MUST_USE;

/* For metrics. Any thread. */
struct live_stats {
    uint64_t decisions;          /* answered and recorded */
    uint64_t dry_runs;           /* answered and not recorded */
    uint64_t again;              /* sticky ones that were given again */
    uint64_t decided_twice;      /* by the applier, since something had moved */
    uint64_t changed;            /* of these, the ones that came out otherwise */
    uint64_t waited;             /* answered only once durable, since no token could restore them */
    uint64_t outcomes, restored; /* told, but for repeats; decisions that came back by a token */
};
void live_stats(const struct engine *engine, struct live_stats *out);

#endif
