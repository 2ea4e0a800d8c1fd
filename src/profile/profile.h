/* SPDX-License-Identifier: Apache-2.0 */
/* profile/profile.h -- traits and segments of one customer at any t, by the one compiled code.
 *
 *   timeline ──► profile_at(t) ──► values by trait index ──► profile_with(treatment) fills the
 *   traits of a treatment
 *
 * The same calls serve a live decision (t = now) and a training row (t = the moment of a past
 * decision), so the two can't differ. A `struct profile` is one thread's: it owns the scratch. It
 * reads no clock. */
#ifndef PROFILE_PROFILE_H
#define PROFILE_PROFILE_H

#include "event/timeline_source.h"
#include "expr/keyed.h"
#include "playbook/treatment/treatment_history.h"

/* What the engine hands to every room that asks questions of timelines. Borrowed; outlives its
 * users. */
struct customer_data {
    const struct playbook *playbook;
    struct symbols *symbols;
    struct timeline_source *source;
    void *context;
    /* Returns the lookup's table as known at t, or NULL. Any thread. */
    const struct lookup_table *(*lookup)(void *context, uint32_t lookup, int64_t t_ms);
    /* Finds the customer with identifier "type:value" as of then; false where nobody has it. Any
     * thread. */
    bool (*customer_of_identifier)(void *context, struct text identifier, struct as_of as_of,
                                   struct customer_id *out);
    /* Returns the customer that the persona belonged to, as known then. NULL: every persona was
     * always its own customer. Any thread. */
    struct customer_id (*customer_of_persona)(void *context, struct persona_id persona,
                                              struct as_of as_of);
    /* Returns what the persona's rows are believed, as known then. NULL: all are verified. Any
     * thread. */
    enum persona_trust (*trust_of_persona)(void *context, struct persona_id persona,
                                           struct as_of as_of);
    /* Write the identifiers of a persona, at most `max`; and return an identifier's type
     * (SYMBOL_IDENTIFIER) and value, which is empty where it was erased. NULL: addresses are not
     * known. Any thread. */
    uint32_t (*identifiers_of_persona)(void *context, struct persona_id persona,
                                       struct identifier_id *out, uint32_t max);
    struct text (*identifier_text)(void *context, struct identifier_id identifier, uint32_t *type);
    /* Is the customer held? That is so while a row waits in quarantine that may take back a consent
     * to `purpose`, or (the other is empty) an opt-in to `channel`. NULL: nobody is held. Any
     * thread. */
    bool (*held)(void *context, struct customer_id customer, struct text purpose,
                 struct text channel);
    /* Answers a question to a lifetime model; NAN where it says nothing. NULL: there is none. Any
     * thread. */
    double (*lifetime)(void *context, const struct expr_lifetime_question *question);
    struct treatment_history *treatments; /* as known at any time */
};

struct profile;
enum status profile_create(struct profile **out, const struct customer_data *data) MUST_USE;
void profile_destroy(struct profile *profile);
/* Lets go of the position that it pinned to look at related customers; the next question pins it
 * anew. No value that was given earlier may be used any more. */
void profile_rest(struct profile *profile);

/* Returns the request that fills what the playbook's expressions need: columns and needs are the
 * union over traits, scenarios, goals and actions; as_of is the caller's. `all_times`: a timeline
 * is evaluated at several t (training, scenarios), so KNOWN is asked for. */
struct timeline_request profile_request(struct profile *profile, struct as_of as_of,
                                        bool all_times);

/* Evaluates all traits that are not of a treatment, as of t. The array (by trait index) is owned
 * here and valid until the next profile_at. The timeline must stay valid as long as the values are
 * used. */
const struct value *profile_at(struct profile *profile, const struct timeline *timeline,
                               int64_t t_ms);
/* The same for wanted traits only. From here to the next profile_at only these (by trait index),
 * and wanted traits of a treatment, are evaluated; the others are unknown. A caller that wants a
 * trait must also want those that it reads. `wanted` must stay valid as long. */
const struct value *profile_at_for(struct profile *profile, const struct timeline *timeline,
                                   int64_t t_ms, const bool *wanted);
/* Did the last profile_at or profile_at_for ask about this timeline at t? The caller knows that the
 * timeline's rows are still those of then. */
bool profile_stands_at(const struct profile *profile, const struct timeline *timeline,
                       int64_t t_ms);
/* What is said of the moment, by index of the context property, from the next profile_at on;
 * borrowed. NULL, which it is at first: nothing. */
void profile_say(struct profile *profile, const struct value *context);
/* Marks the traits (by trait index) that an expression reads (NULL: none); and those that marked
 * ones read in turn. */
void profile_want(const struct expr_program *program, bool *wanted);
void profile_want_read(const struct playbook *playbook, bool *wanted);
/* Prepares for many treatments of this set: what can be computed for all of them at once is. Call
 * it after profile_at; the set must stay valid. The values are the same. */
void profile_for_all(struct profile *profile, const struct treatment_set *treatments);
/* Behind profile_for_all: the answers of a trait of a treatment for all of them. False where it has
 * to be evaluated for each treatment (profile_with). */
struct profile_answers {
    const struct expr_answers *answers;
    const uint32_t *holders; /* by index of the treatment in its set; NULL: none has one */
};
bool profile_answers(const struct profile *profile, uint32_t trait, struct profile_answers *out);
/* Fills the traits of a treatment into the same array (overwriting those of the treatment before).
 * NULL: makes them unknown. */
const struct value *profile_with(struct profile *profile, const struct treatment *treatment);
/* The values as the last profile_at and profile_with left them. */
const struct value *profile_values(const struct profile *profile);
/* Evaluates any expression of the playbook against the state of the last profile_at / profile_with.
 */
struct value profile_eval(struct profile *profile, const struct expr_program *program);
/* Evaluates an expression of a goal on one row of a timeline, with this treatment's attributes (or
 * NULL), without changing the traits. */
struct value profile_eval_row(struct profile *profile, const struct expr_program *program,
                              uint32_t row, const struct timeline *timeline,
                              const struct treatment *treatment, int64_t t_ms);
/* Evaluates a constant expression of a treatment (`until`, `available`) at t, without changing the
 * traits. */
struct value profile_eval_for(struct profile *profile, const struct expr_program *program,
                              const struct timeline *timeline, const struct treatment *treatment,
                              int64_t t_ms);

/* A named limit makes a value unknown: two currencies in one sum, a list that is too long, a
 * timeline of which only the newest rows are kept. An answer must tell this apart from a value that
 * nobody knows. This one is about the last profile_at / profile_with. */
bool profile_trait_limited(const struct profile *profile, uint32_t trait);
/* Did a limit make the value of `program` unknown, or that of a trait that it reads, when
 * profile_eval evaluated it last? */
bool profile_eval_limited(const struct profile *profile);
/* Has any limit been reached since the last profile_at? */
bool profile_limited(const struct profile *profile);
/* The same, or has one been reached by any answer of profile_for_all? */
bool profile_reached_limit(const struct profile *profile);

/* Gives what the lifetime model reads of the timeline as of t: the same orders as its traits.
 * out->days is 0 where there are none, or where a limit leaves out the oldest. */
void profile_orders(struct profile *profile, uint32_t lifetime, const struct timeline *timeline,
                    int64_t t_ms, struct expr_orders *out);
/* The property by which an order and its return name each other: order_id; SYMBOL_NONE where no
 * event has it. */
uint32_t profile_order_id(const struct profile *profile);
struct symbols *profile_symbols(const struct profile *profile);

/* Returns consent or opt-in as of t by profile/consent.h: yes, no, or unknown where nothing was
 * said. */
struct value profile_consent(const struct profile *profile, const struct timeline *timeline,
                             int64_t t_ms, struct text purpose);
/* `programme` may be empty. With an empty `address`: is there any that may be used? */
struct value profile_opt_in(const struct profile *profile, const struct timeline *timeline,
                            int64_t t_ms, uint32_t channel, struct text programme,
                            struct text address);

#endif
