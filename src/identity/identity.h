/* SPDX-License-Identifier: Apache-2.0 */
/* identity/identity.h -- who is who.
 *
 *   event ──► identifiers (type, value) ──► persona (the set given together)
 *                                                ──► customer (personas linked to one another)
 *
 * Identifiers and personas are interned to dense ids. A new persona links its identifiers, as a
 * star around the strongest one (by rule priority). A customer is a component over *accepted*
 * links; its id is the lowest identifier id in it. A persona's events belong to the customer of its
 * strongest identifier, its *anchor*.
 *
 * Guards are resolved canonically: links are considered in order of (known_ms, hash of both
 * identifiers' types and values); each is accepted iff it breaks no guard at that moment, else
 * refused for good with its reason. So who is one customer depends neither on the order of arrival
 * nor on anything that was known later. A link in order is judged at once; a late one that would
 * have changed something has the customers around it judged again, and nobody else.
 *
 * As of (t, position): a link counts iff known_ms <= t and it stands below `position`. Exact for
 * every pair, also for positions before a late link or a withdrawal: the forest keeps every version
 * of an edge with the position from which on it holds.
 *
 * What is new travels in the same store frame as the events, as one RECORD_IDENTITY, so one batch
 * goes
 *
 *   identity_resolve(…, store_position(store), …)
 *   store_append(frame with result.record)
 *   identity_commit, or where the append failed identity_undo
 *
 * and so do identity_withdraw, identity_set_rules and identity_suppress. Until the commit nobody at
 * POSITION_NOW or pinned at or below the frame's position sees any of it. A reader who already pins
 * the store's new position sees all of it.
 *
 * Threads: one applier calls resolve, commit, undo, apply, withdraw, set_rules and the erasure. Any
 * number of threads may use the customer_directory and identity_find*, without locks; inspection
 * takes a lock that the applier holds for a batch. */
#ifndef IDENTITY_IDENTITY_H
#define IDENTITY_IDENTITY_H

#include "event/event.h"
#include "event/symbol.h"
#include "event/timeline_source.h"
#include "playbook/playbook.h"

/* An identifier has at most so many links. Further ones are refused as they come ("shared by
 * thousands"). */
#define IDENTITY_LINKS_MAX  10000
#define IDENTITY_SALT_BYTES 32
/* Equals the store's RECORD_IDENTITY, which this room may not include. */
#define IDENTITY_RECORD_KIND 1

struct identity;

struct identity_options {
    uint32_t identifiers_max;          /* 0: 2^31 */
    uint8_t salt[IDENTITY_SALT_BYTES]; /* the directory's own secret; keys the hashes of what was
                                          erased */
};
enum status identity_create(struct identity **out, const struct identity_options *options) MUST_USE;
void identity_destroy(struct identity *identity);

/* What one call added. Borrowed until the next call that changes the identity. */
struct identity_change {
    bool is_split;
    struct customer_id customer; /* merged away, or split off */
    struct customer_id other;    /* the survivor, or what it was split from */
    struct persona_id persona;   /* one of `customer`, to hang the event on; ID_NONE: it has none */
    int64_t known_ms;
};
struct identity_result {
    struct text record; /* for the frame, as RECORD_IDENTITY; empty: nothing new, write no record */
    const struct identity_change *changes; /* customers that stood before, merged or split now */
    size_t change_count;
    size_t unusable_count; /* events with persona ID_NONE, to be quarantined */
    size_t blocked_count;  /* identifiers that stand for nobody, left out */
    uint32_t new_identifiers, new_personas, new_links, refused_links;
    /* Of public sources: claims that are new; of these, refused for a limit; identifiers that were
     * neither the device nor could be claimed, left out. */
    uint32_t new_claims, capped_claims, left_claims;
};

/* The playbook's rules; before the first resolve, and whenever they change. What guards (limits,
 * unique, expires, priority) is itself part of the log, so that a replay judges as it was judged:
 * where it differs from what is in force, result.record says so, all links are judged anew, and the
 * call is to be appended and committed (else undone). Who is merged or split by it is so from
 * known_ms on, the moment of the change: as of an earlier t the rules of then hold. The rules of a
 * type of which nothing is linked yet hold for all times. Texts are copied. */
enum status identity_set_rules(struct identity *identity, const struct identifier_rule *rules,
                               uint32_t rule_count, int64_t known_ms, uint64_t position,
                               struct identity_result *result, struct error *error) MUST_USE;

/* May the value stand for a person under this rule? A blocked value, built in or of the rule, may
 * not, unless the rule allows it. Erased identifiers are not looked at here: identity_resolve turns
 * them away. Pure; any thread. */
bool identity_is_usable(const struct identifier_rule *rule, struct text value);

/* Fills event.persona of every event. Of an event of a public source that is the device's, and its
 * other identifiers are claims (claims.h); without a device it is ID_NONE. So it is where no
 * identifier is usable (blocked values are dropped, and event.nobodys counts them) or one belongs
 * to somebody who was erased. `position` is the one that the frame will take: store_position() now.
 * Ends with identity_commit or identity_undo, also where nothing was new; on failure it has undone
 * itself, event.persona apart.
 * Types without a rule rank behind all rules and have a limit of 50.
 *   STATUS_LIMIT      more identifiers than identifiers_max
 *   STATUS_NO_MEMORY */
enum status identity_resolve(struct identity *identity, struct event_batch *batch,
                             uint64_t position, struct identity_result *result,
                             struct error *error) MUST_USE;
void identity_commit(struct identity *identity);
void identity_undo(struct identity *identity);
/* identity_commit of a frame that is written and not yet durable: whoever pins its position sees
 * it, and whoever asks at POSITION_NOW does not, until it is published. */
void identity_commit_written(struct identity *identity);
/* Everything below `position` is durable: it is shown at POSITION_NOW and by inspection. Any
 * thread, also beside the applier. */
void identity_publish(struct identity *identity, uint64_t position);

/* Corrections. A row that is corrected or retracted no longer supports what it said of identity.
 * Between identity_resolve and the commit of the same frame, for all such rows of the frame whose
 * persona changed or that were retracted; what results travels in the same record, so take `result`
 * from here instead of identity_resolve's.
 *
 * From known_ms on, a link counts as never made where no row of any persona that supports it
 * stands, or only from the first row that does. As of an earlier t or position it counts as before.
 * Unlike an un-merge it doesn't hold against later rows: the next row that says the same makes the
 * link anew. Where one pair loses rows at several moments of a call, the earliest counts.
 * STATUS_NO_MEMORY and what first_known returns; then it has undone all since identity_resolve. */
struct identity_unsupported {
    struct persona_id persona; /* of the row that no longer stands: event.replaces_persona */
    int64_t known_ms;          /* of the correction or retraction */
};
struct identity_support {
    /* Sets *known_ms to the earliest known_ms among the persona's rows that stand once the frame at
     * hand is written (rows of the frame included, those that it replaces not).
     *   INT64_MAX  it had rows, and none of them stands
     *   INT64_MIN  it never had a row of its own (only repeats taught it): what it says stays
     * It must not call back into the identity, its directory apart. */
    enum status (*first_known)(void *context, struct persona_id persona, int64_t *known_ms);
    void *context;
};
enum status identity_withdraw_support(struct identity *identity,
                                      const struct identity_unsupported *items, size_t count,
                                      const struct identity_support *support,
                                      struct identity_result *result, struct error *error) MUST_USE;

/* Replays a record and commits it. The store calls this for each record, in log order, when it is
 * opened. Returns STATUS_CORRUPT where the bytes can be no record. */
enum status identity_apply(struct identity *identity, struct text record, uint64_t position,
                           struct error *error) MUST_USE;

/* Un-merge: from known_ms on, the links between a and b count as if they had never been; b ID_NONE:
 * all links of a. It holds against later sightings too, until `restore`. STATUS_NOT_FOUND where
 * nothing links them directly. */
enum status identity_withdraw(struct identity *identity, struct identifier_id a,
                              struct identifier_id b, bool restore, int64_t known_ms,
                              uint64_t position, struct identity_result *result,
                              struct error *error) MUST_USE;

/* The directory of customers, for the store. personas_of answers for the survivor where `customer`
 * is merged away as of then. */
const struct customer_directory *identity_directory(const struct identity *identity);
struct persona_id identity_persona_any(const struct identity *identity, struct customer_id customer,
                                       struct as_of as_of); /* the customer's first; ID_NONE */

/* The customer's identifiers as of then, in no order, at most `max` written; returns how many there
 * are. For the survivor where `customer` is merged away. Any thread, no locks. */
uint32_t identity_identifiers_of(const struct identity *identity, struct customer_id customer,
                                 struct as_of as_of, struct identifier_id *out, uint32_t max);

/* The identifiers that the persona is made of, at most `max` written; none where it was erased. Any
 * thread, no locks. */
uint32_t identity_persona_identifiers(const struct identity *identity, struct persona_id persona,
                                      struct identifier_id *out, uint32_t max);

/* Lookups as of, in whatever spelling (base/canonical.h); STATUS_NOT_FOUND where the identifier was
 * not there yet. Any thread, no locks. */
enum status identity_find(const struct identity *identity, uint32_t type, struct text value,
                          struct as_of as_of, struct identifier_id *identifier) MUST_USE;
enum status identity_find_customer(const struct identity *identity, uint32_t type,
                                   struct text value, struct as_of as_of,
                                   struct customer_id *customer) MUST_USE;
struct customer_id identity_customer_of(const struct identity *identity,
                                        struct identifier_id identifier, struct as_of as_of);
/* "C123" or "household:1029"; for the first the survivor where it is merged away. */
enum status identity_parse_customer(const struct identity *identity, struct symbols *symbols,
                                    struct text text, struct as_of as_of,
                                    struct customer_id *customer, struct error *error) MUST_USE;

/* Inspection. */
enum link_verdict {
    LINK_ACCEPTED,
    LINK_LIMIT,   /* more of a type than per_customer */
    LINK_UNIQUE,  /* two values of a unique type */
    LINK_EXPIRED, /* one end had been unseen for longer than `expires` */
    LINK_RATE,    /* made beyond events_per_day_max */
    LINK_SHARED,  /* one end has IDENTITY_LINKS_MAX links */
    LINK_WITHDRAWN,
    LINK_CORRECTED, /* no row supports it any more */
    /* Of claims (claims.h); LINK_ACCEPTED and LINK_WITHDRAWN are of both. */
    LINK_CLAIM_CAPPED, /* more devices a day, or in all, than may claim one customer */
    LINK_CLAIM_LATER,  /* the device counts by an earlier claim */
    LINK_CLAIM_KNOWN,  /* verified links say whose the device is */
    LINK_VERDICT_COUNT
};
/* "more of one type than a customer may have" */
const char *link_verdict_text(enum link_verdict verdict);
struct identity_link {
    /* By priority; where refused, `weak` is the one demoted: it stays where it is. */
    struct identifier_id strong, weak;
    uint16_t source; /* SYMBOL_SOURCE of the event that made it */
    uint32_t rule;   /* index of the weak identifier's rule, UINT32_MAX: none */
    float weight;    /* 1 for links seen together */
    int64_t time_ms, known_ms;
    uint64_t position;
    enum link_verdict verdict; /* now */
    uint32_t blamed_type;      /* the type whose guard refused it; SYMBOL_NONE */
    bool is_claim;             /* made by a public source: `weak` is the device */
};
struct identity_visitor { /* any of them NULL */
    void (*identifier)(void *context, struct identifier_id identifier, uint32_t type,
                       struct text value);
    void (*persona)(void *context, struct persona_id persona, struct identifier_id anchor,
                    const struct identifier_id *identifiers, uint32_t count);
    void (*link)(void *context, const struct identity_link *link);
    void *context;
};
/* Everything about a customer as it stands now (identifiers ascending, then personas ascending,
 * then links in order of known_ms), each once. The other end of a refused link may be another
 * customer's. Any thread; takes the lock: the callbacks must not call back into the applier's
 * functions. */
enum status identity_describe(struct identity *identity, struct customer_id customer,
                              const struct identity_visitor *visitor) MUST_USE;
/* "cookie:k1 is not joined to crm:200: two values of a type of which a customer has one (crm)". */
enum status identity_explain_link(const struct identity *identity, const struct symbols *symbols,
                                  const struct identity_link *link, struct buffer *out) MUST_USE;
/* Type and value; empty where erased. Borrowed until erased. Any thread. */
struct text identity_identifier(const struct identity *identity, struct identifier_id identifier,
                                uint32_t *type);

struct identity_stats {
    uint32_t identifier_count, persona_count, link_count, refused_count, customer_count,
        suppressed_count;
    uint64_t bytes;
};
/* Walks all; takes the lock. */
void identity_stats(struct identity *identity, struct identity_stats *out);

/* Erasure, in four steps, by the applier:
 *   1  identity_erasure_create: whose identifiers and personas they are
 *   2  identity_suppress → append → commit: salted hashes that keep them from coming back unasked
 *   3  store_erase with erasure->personas and .rewrite calling identity_rewrite with the erasure
 *   4  identity_erase: forgets them in memory
 * Ids stay as holes. An identifier shared with somebody else only by refused links is erased only
 * if it is the customer's own. */
struct identity_erasure {
    struct identity *identity;
    struct customer_id customer;
    struct identifier_id *identifiers; /* ascending */
    struct persona_id *personas; /* ascending; those anchored at one of them, whose events go */
    size_t identifier_count, persona_count;
    enum status status; /* the first failure of identity_rewrite: erase again, not all is gone */
};
enum status identity_erasure_create(struct identity_erasure **out, struct identity *identity,
                                    struct customer_id customer, struct error *error) MUST_USE;
void identity_erasure_destroy(struct identity_erasure *erasure);
enum status identity_suppress(struct identity *identity, const struct identity_erasure *erasure,
                              uint64_t position, struct identity_result *result,
                              struct error *error) MUST_USE;
/* Is any identifier turned away at all? Applier only. identity_resolve turns a row that names a
 * suppressed identifier away whole (ID_NONE), whatever else the row names. The other identifiers of
 * that row are not suppressed by it. */
bool identity_turns_away(const struct identity *identity);
/* A quick look, for all types at once: false where the value is surely none that was erased. */
bool identity_may_be_suppressed(const struct identity *identity, struct text value);
bool identity_is_suppressed(const struct identity *identity, uint32_t type, struct text value);
/* Lets a suppressed identifier in again, for a person who asks to be known or who was erased by
 * mistake. */
enum status identity_welcome(struct identity *identity, uint32_t type, struct text value,
                             uint64_t position, struct identity_result *result,
                             struct error *error) MUST_USE;
/* For store_erasure.rewrite; `kind` is enum record_kind, others than identity's are left alone. */
bool identity_rewrite(void *context, int kind, struct text bytes, struct buffer *out);
/* Forgets the same identifiers and personas in memory. Their components are judged anew, so that a
 * question about the past gets the answer that a reopened directory would give. A reader who has
 * pinned an earlier position finds holes in their place and everything else as it was judged.
 * Readers at POSITION_NOW may see the change half done. NO_MEMORY: they are forgotten, but the past
 * is not judged anew. */
enum status identity_erase(struct identity *identity,
                           const struct identity_erasure *erasure) MUST_USE;

#endif
