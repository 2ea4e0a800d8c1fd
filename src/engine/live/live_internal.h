/* SPDX-License-Identifier: Apache-2.0 */
/* engine/live/live_internal.h -- what the sources of live decisions share. */
#ifndef ENGINE_LIVE_LIVE_INTERNAL_H
#define ENGINE_LIVE_LIVE_INTERNAL_H

#include <stdatomic.h>

#include "engine/budgets.h"
#include "engine/engine_internal.h"
#include "engine/live/live_decision.h"
#include "engine/live/live_outcome.h"

#define LIVE_KEY_BYTES 32

struct live {                                                    /* an engine has one */
    uint8_t seal_key[LIVE_KEY_BYTES], nonce_key[LIVE_KEY_BYTES]; /* token.c */
    uint32_t source, channel, asked_for; /* symbols: decide, system, Customer Asked For */
    pthread_mutex_t lock;                /* of who prepares */
    pthread_mutex_t kept_lock;           /* of the two that follow */
    struct live_pending *kept;           /* to be used again, with their memory: live_pending.c */
    uint32_t kept_count;
    _Atomic bool is_prepared;
    _Atomic int64_t newest_ms; /* the latest t that was given to a decision of now */
    _Atomic uint64_t decisions, dry_runs, again, decided_twice, changed, waited, outcomes, restored;
};
/* Names that decisions use are declared and durable on return: otherwise a token could name what
 * nobody knows after a loss of power. Writes a frame at the first call. */
enum status live_prepare(struct engine *engine, struct error *error) MUST_USE;
/* Now, and never before what was given out before, whatever the clock does. */
int64_t live_now_ms(struct engine *engine);

/* ---- live_decision.c, live_pending.c, live_settle.c ---- */

/* A decision on its way. It belongs to the asking thread, then to the applier until it is
 * completed. */
struct live_pending {
    struct change change; /* first */
    struct live_pending *next_kept;
    struct event_batch batch; /* the event; none where nothing is recorded */
    struct engine *engine;
    struct live_ask ask; /* its texts and identifiers lie in `texts` */
    struct arena texts;
    struct packed_writer writer;
    struct customer_id customer; /* ID_NONE: nobody yet */
    struct persona_id persona;
    double began_seconds, late_seconds; /* by the monotonic clock; late 0: never */
    uint64_t position;                  /* what was looked at: rows below it, … */
    uint64_t in_force;                  /* … what was in force, … */
    uint64_t holds;                     /* … and the changes of the quarantine by then */
    struct budget_takes takes;          /* of what is recorded */
    bool is_new;                        /* a persona is made of the identifiers first */
    bool is_new_customer;
    bool is_again;
    bool waits;       /* until it is durable */
    bool is_answered; /* or the caller waits and asks for no call */
    char token[LIVE_TOKEN_BYTES];
};
/* One for the ask, whose texts and identifiers are copied. live_pending_give takes it back. */
enum status live_pending_take(struct live_pending **out, struct engine *engine,
                              const struct live_ask *ask) MUST_USE;
void live_pending_give(struct live_pending *pending);
void live_pending_free_kept(struct live *live);
/* Is a row left with the customer? Who was never seen alone, and whose link was withdrawn, bears no
 * persona: nothing can be recorded of them, so whoever asks for them begins them anew. */
bool live_bears_rows(const struct engine *engine, struct customer_id customer, struct as_of as_of);
/* Who is asked for, as the view sees it: ID_NONE in `out` where nobody has any of the identifiers.
 */
enum status live_find_customer(struct engine_view *view, const struct live_ask *ask,
                               struct customer_id *out, struct error *error) MUST_USE;
/* Decides by the view, at its t: the batch gets the event, the caller its answer. `proposed` is
 * kept with it where it differs (unknown: nothing was). */
enum status live_decide_by(struct live_pending *pending, struct engine_view *view,
                           struct customer_id customer, struct text proposed,
                           struct error *error) MUST_USE;
/* Appends the identifiers that were given, as a live_record has them. STATUS_LIMIT and
 * STATUS_INVALID where one of them is too long or is not UTF-8. */
enum status live_write_identifiers(const struct engine_view *view, const struct live_ask *ask,
                                   struct buffer *out) MUST_USE;
/* Makes a persona of such identifiers, with an event of its own. Where they stand for nobody, or
 * for somebody who was erased, nothing is kept. Applier only. */
enum status live_begin_customer(struct engine *engine, struct text identifiers, int64_t t_ms,
                                struct error *error) MUST_USE;
/* Reads the next of such identifiers, and moves on. False: there is none. */
bool live_next_identifier(struct text *identifiers, uint32_t *type, struct text *value);
/* change.settle of a decision. */
enum status live_settle(struct engine *engine, struct change *change, const struct settled *settled,
                        struct error *error) MUST_USE;

/* ---- sticky.c ---- */

/* What the customer has rejected since: hashes of the decision's id and the treatment. */
#define LIVE_REJECTED_MAX 64u
struct live_rejected {
    uint64_t hash[LIVE_REJECTED_MAX];
    uint32_t count;
};

/* The decision of this visit at all of these placements and perhaps others, where one of them is
 * sticky. The text is valid until the view reads on. False: there is none. */
bool live_sticky_find(const struct engine_view *view, struct text placements, struct text *packed,
                      int64_t *t_ms, struct live_rejected *rejected);
/* Fills in the slots that a recorded decision has at the placements asked for now, but for those
 * that were rejected, and those that the view's decision of now no longer allows; these are
 * counted. */
void live_slots_of_record(const struct engine_view *view, struct text packed,
                          const struct live_rejected *rejected, struct live_answer *answer);

/* ---- token.c ---- */

/* What a token restores. Texts are borrowed from the token's bytes. */
struct live_record {
    int64_t t_ms, expires_ms;
    struct persona_id persona; /* ID_NONE: nobody has the identifiers yet */
    uint32_t channel;          /* SYMBOL_CHANNEL */
    /* Of a customer whom nobody knows: type (4 bytes), length (4 bytes) and value of each. */
    struct text identifiers;
    struct text packed;
};
/* Writes the token of a record; false where it does not fit. Any thread. */
bool live_token_make(const struct engine *engine, const struct live_record *record,
                     char out[LIVE_TOKEN_BYTES]);
/* Opens a token into `bytes`. STATUS_NOT_FOUND where it is none of this directory's, or its persona
 * is not the one that it was made for. An expired one is opened. Any thread. */
enum status live_token_open(const struct engine *engine, struct text token,
                            uint8_t bytes[LIVE_TOKEN_BYTES], struct live_record *out) MUST_USE;

#endif
