/* SPDX-License-Identifier: Apache-2.0 */
/* identity/identity_internal.h -- what the sources of this room share.
 *
 *   resolve.c    events to identifiers, personas and pending links
 *   judge.c      which links count: in order, late, dirty
 *   judge_set.c  a set of identifiers judged anew
 *   record.c     what is new as bytes, and back      apply.c      bytes replayed
 *   control.c    rules, un-merge                     change.c     begin, commit, undo
 *   support.c    links whose rows were corrected     eras.c       rules by the time of their change
 *   directory.c  what readers ask                    inspect.c    all about a customer
 *   suppress.c   who is turned away                  erase.c      forgetting
 *   waiting.c    names that get known later          summary.c    what large components hold
 *   spelling.c   identifiers in other spellings      blocked.c    values that are nobody
 *   claims.c     what public sources claim           claims_ask.c   whom a device counts for
 *   checkpoint.c an image of all, and back           checkpoint_check.c   can it be an identity? */
#ifndef IDENTITY_IDENTITY_INTERNAL_H
#define IDENTITY_IDENTITY_INTERNAL_H

#include <pthread.h>

#include "base/text.h"
#include "base/time.h"
#include "identity/claims.h"
#include "identity/forest.h"
#include "identity/identity.h"
#include "identity/key_table.h"
#include "identity/spelling.h"

#define IDENTIFIER_TYPES_MAX 256
#define EXPIRES_MAX_MS       (200 * 366 * TIME_DAY_MS)
#define EXPIRY_STEPS         8 /* a sighting is noted once in so many parts of `expires` */

/* What guards: the part of a rule that is in the log. */
struct guard {
    uint32_t per_customer; /* 0: no limit; a unique type has 1 */
    uint32_t priority;
    int64_t expires_ms;
    bool unique, present;
};
/* The guards that were in force from from_ms on. A change of the rules holds from the moment of the
 * change: a question as of an earlier t is answered under the era of that t. */
struct era {
    int64_t from_ms;
    bool any_expires;
    struct guard guards[IDENTIFIER_TYPES_MAX];
};
/* The part of a rule that is applied as events come in, and is not in the log. */
struct intake_rule {
    struct text *blocked, *allowed;
    uint32_t blocked_count, allowed_count, events_per_day_max;
    uint32_t rule; /* index in the playbook; NONE */
    bool device;
};

struct persona_row {
    _Atomic uint32_t next; /* + 1: the next older one of the same anchor */
    _Atomic uint64_t position;
};

/* What the applier notes of an identifier while a call is under way. It lies apart from the nodes:
 * nothing of it outlives the call, so a checkpoint has none of it. */
struct node_mark {
    uint32_t stamp, index; /* member of the set that is judged now, and where */
    uint32_t dirty;        /* batch in which this root waits to be judged anew */
};
/* For the applier, of a persona: an event that was known in [from, until) and has these identifiers
 * adds no link, so it need not be looked at. Zeros: none is. */
struct known_window {
    int64_t from_ms, until_ms;
};

enum link_flag { LINK_FLAG_RATE = 1, LINK_FLAG_SHARED = 2 };
#define LINK_NEVER_JUDGED (LINK_FLAG_RATE | LINK_FLAG_SHARED)
struct link {
    uint32_t strong, weak;                   /* by priority of the guards then in force */
    _Atomic uint32_t next_strong, next_weak; /* + 1: the next older one in either end's list */
    _Atomic uint32_t state;                  /* verdict | blamed type << 8 | LINK_STATE_… */
    uint16_t source;
    uint8_t flags; /* enum link_flag */
    float weight;
    _Atomic uint32_t gone; /* + 1: index in identity->gone_ms, from when on no row supports it */
    int64_t time_ms, known_ms;
    uint64_t position;
    uint64_t order;
};
#define LINK_STATE_JOINED     0x10000 /* accepted as of some t, or waiting to be judged */
#define LINK_STATE_CONTROLLED 0x20000 /* its pair was withdrawn once */
#define LINK_STATE_ERASED     0x40000
#define LINK_STATE_VERDICT    0xFFu
#define LINK_STATE_BLAMED     0xFF00u

struct withdrawal {
    uint32_t a, b; /* a < b */
    int64_t known_ms;
    bool restore;
    uint32_t older; /* + 1: the one of the same pair before */
};

enum claim_flag { CLAIM_CAPPED = 1, CLAIM_ERASED = 2 };
/* A device's claims are one list; those of a target that are not capped are another. Newer ones
 * stand first, by arrival. A node is either a device or a target, never both. */
struct claim {
    uint32_t device, target;
    _Atomic uint32_t next_of_device, next_of_target; /* + 1 */
    _Atomic uint32_t withdrawals;                    /* + 1: the newest version */
    uint16_t source;
    _Atomic uint8_t flags;
    uint8_t zero;
    int64_t time_ms, known_ms;
    uint64_t position;
    uint64_t order; /* among the device's claims with the same known_ms */
};
struct claim_withdrawal {
    int64_t known_ms;
    uint64_t position;
    uint32_t claim, older; /* older: + 1 */
    uint32_t restore, zero;
};

#define DIGEST_BYTES 16
struct suppressed {
    uint8_t digest[DIGEST_BYTES];
    uint64_t mark; /* 0: written by an older program, without */
};
struct marks {
    uint8_t key[16];
    uint64_t *slots; /* open addressing; 0 is free */
    size_t count, capacity;
    bool any_without; /* of what was suppressed: the marks tell nothing */
};

struct waiting_name {
    uint32_t key;    /* in waiting_keys: type and value */
    uint32_t anchor; /* who is said to be called so; NONE: erased */
    uint32_t older;  /* + 1: what was said of the same name before */
    uint16_t source;
    int64_t time_ms, known_ms;
};

struct summary {                  /* of a component, as it is now */
    uint32_t root, newest, flags; /* newest: link; NONE */
    uint32_t counts[IDENTIFIER_TYPES_MAX];
};

struct undo_cell {
    void *at;
    uint64_t old;
    bool is_wide;
};

struct judge_scratch;   /* judge_set.c */
struct resolve_scratch; /* resolve.c */

struct day_count {
    _Atomic uint32_t day, count;
};

struct identity {
    struct customer_directory directory; /* first: the directory's address is ours */
    struct identity_options options;
    pthread_mutex_t lock;
    struct era *eras; /* ascending by from_ms; the first holds from INT64_MIN on, the last now */
    uint32_t era_count;
    struct intake_rule intake[IDENTIFIER_TYPES_MAX];
    bool any_rate;

    struct key_table identifiers, personas, suppressed;
    struct marks marks;
    struct key_table waiting_keys;
    uint32_t *waiting_heads; /* by key, + 1: the newest */
    struct waiting_name *waiting;
    size_t waiting_count, waiting_capacity, waiting_heads_capacity;
    struct spelling spelling;
    struct forest forest;
    struct column_store singles; /* + 1: the persona of an identifier alone */
    struct column_store anchors, persona_rows, links, days;
    struct column_store node_marks, windows;
    uint32_t link_count;
    struct column_store claim_heads; /* by identifier, + 1: its newest claim, made or suffered */
    struct column_store claims, claim_withdrawals;
    _Atomic uint32_t claim_count;
    uint32_t claim_withdrawal_count;
    uint32_t claims_per_day; /* 0: CLAIMS_PER_DAY */
    struct withdrawal *withdrawals;
    size_t withdrawal_count, withdrawal_capacity;
    uint32_t *withdrawal_slots; /* by pair, open addressing: + 1, the pair's newest; 0: free */
    size_t withdrawal_slot_count;
    int64_t *gone_ms;
    size_t gone_count, gone_capacity;
    _Atomic uint64_t visible; /* POSITION_NOW is this */
    _Atomic uint32_t visible_personas;
    struct image *image; /* that the tables and columns began with; NULL */

    /* The call under way, from begin to commit or undo. */
    bool open, replaying;
    uint64_t position;
    uint32_t batch; /* serial, for node.dirty */
    uint32_t stamp; /* serial, for node.stamp */
    uint32_t first_identifier, first_persona, first_link, first_edge, first_suppressed;
    uint32_t first_claim, first_claim_withdrawal, left_claims;
    size_t first_withdrawal, first_gone, first_waiting;
    uint32_t first_waiting_key;
    struct era *old_eras; /* where the call changes them */
    uint32_t old_era_count;
    uint32_t welcome; /* id in suppressed to be forgotten at commit; NONE */
    struct undo_cell *undo;
    size_t undo_count, undo_capacity;
    struct link *pending; /* before they have a place */
    size_t pending_count, pending_capacity;
    uint32_t *pending_order;
    size_t pending_order_capacity;
    uint32_t *seeds; /* to be judged anew at the end */
    size_t seed_count, seed_capacity;
    struct identity_change *changes;
    size_t change_count, change_capacity;
    struct buffer record;
    size_t unusable_count, blocked_count;
    int64_t known_ms;   /* the newest known_ms among what is new */
    int64_t decided_ms; /* of a person's decision, which nobody knew earlier; INT64_MIN: none */
    struct summary **summaries; /* by root, open addressing; NULL until the first */
    size_t summary_count;
    struct judge_scratch *judge;
    struct type_counts *counts;
    struct resolve_scratch *resolve;
};

/* change.c */
void change_begin(struct identity *identity, uint64_t position);
void change_result(struct identity *identity, struct identity_result *result);
enum status change_fail(struct identity *identity, enum status status, struct error *error);
enum status undo_reserve(struct identity *identity, size_t cells) MUST_USE;
void keep_set(struct identity *identity, _Atomic uint32_t *cell,
              uint32_t value); /* after undo_reserve */
void keep_set_wide(struct identity *identity, int64_t *cell, int64_t value);
enum status identifier_add(struct identity *identity, struct key key, uint64_t hash,
                           uint32_t *id) MUST_USE; /* a new one */
enum status identifier_add_hole(struct identity *identity) MUST_USE;
/* `ids` ascending; the persona is new. `hash` of an identifier alone is not looked at, but where
 * the persona is of a public source. */
enum status persona_add(struct identity *identity, const uint32_t *ids, uint32_t count,
                        uint64_t hash, uint32_t anchor, bool is_public, uint32_t *persona) MUST_USE;
enum status persona_add_hole(struct identity *identity) MUST_USE;
enum status pending_add(struct identity *identity, const struct link *link) MUST_USE;
enum status change_note(struct identity *identity, uint32_t id,
                        int64_t known_ms) MUST_USE; /* may be merged or split */

static inline struct node *node_at(const struct identity *identity, uint32_t id) {
    return forest_node(&identity->forest, id);
}
static inline _Atomic uint32_t *single_at(const struct identity *identity, uint32_t id) {
    return column_at(&identity->singles, id, sizeof(_Atomic uint32_t));
}
static inline _Atomic uint32_t *anchor_at(const struct identity *identity, uint32_t persona) {
    return column_at(&identity->anchors, persona, sizeof(_Atomic uint32_t));
}
static inline struct persona_row *persona_at(const struct identity *identity, uint32_t id) {
    return column_at(&identity->persona_rows, id, sizeof(struct persona_row));
}
static inline struct node_mark *mark_at(const struct identity *identity, uint32_t id) {
    return column_at(&identity->node_marks, id, sizeof(struct node_mark));
}
static inline struct known_window *window_at(const struct identity *identity, uint32_t persona) {
    return column_at(&identity->windows, persona, sizeof(struct known_window));
}
static inline struct link *link_at(const struct identity *identity, uint32_t id) {
    return column_at(&identity->links, id, sizeof(struct link));
}
/* Applier, or under the lock. */
static inline uint8_t identifier_type(const struct identity *identity, uint32_t id) {
    return (uint8_t)node_at(identity, id)->type;
}
/* The rules in force now. */
static inline const struct guard *guards_now(const struct identity *identity) {
    return identity->eras[identity->era_count - 1].guards;
}
/* The era in force at t. */
static inline const struct era *era_at(const struct identity *identity, int64_t t_ms) {
    uint32_t at = identity->era_count - 1;
    while (at > 0 && identity->eras[at].from_ms > t_ms) at--;
    return &identity->eras[at];
}
static inline uint32_t link_other(const struct link *link, uint32_t id) {
    return link->strong == id ? link->weak : link->strong;
}
static inline _Atomic uint32_t *link_next(struct link *link, uint32_t id) {
    return link->strong == id ? &link->next_strong : &link->next_weak;
}
/* The end with fewer links: a kiosk's list is long, its visitors' are short. */
static inline uint32_t smaller_end(const struct identity *identity, uint32_t a, uint32_t b) {
    return LOAD(node_at(identity, a)->degree) < LOAD(node_at(identity, b)->degree) ? a : b;
}
static inline enum link_verdict link_verdict(const struct link *link) {
    return LOAD(link->state) & LINK_STATE_VERDICT;
}
static inline struct key persona_key(const uint32_t *ids, uint32_t count) {
    return (struct key){0, {(const char *)ids, count * (uint32_t)sizeof(*ids)}};
}
/* A device as public sources see it. */
static inline struct key public_persona_key(const uint32_t *device) {
    return (struct key){1, {(const char *)device, sizeof(*device)}};
}
static inline _Atomic uint32_t *claim_head_at(const struct identity *identity, uint32_t id) {
    return column_at(&identity->claim_heads, id, sizeof(_Atomic uint32_t));
}
static inline struct claim *claim_at(const struct identity *identity, uint32_t id) {
    return column_at(&identity->claims, id, sizeof(struct claim));
}
/* In the list of the device, or of what is claimed. */
static inline _Atomic uint32_t *claim_next(struct claim *claim, uint32_t id) {
    return claim->device == id ? &claim->next_of_device : &claim->next_of_target;
}
static inline struct claim_withdrawal *claim_withdrawal_at(const struct identity *identity,
                                                           uint32_t id) {
    return column_at(&identity->claim_withdrawals, id, sizeof(struct claim_withdrawal));
}
/* Canonical order: by known_ms, then content. Ids only break the tie of equal hashes. */
int link_compare(const struct link *a, const struct link *b);
uint64_t content_hash(const struct identity *identity, uint32_t id);
uint64_t link_order(uint64_t content_a, uint64_t content_b);
static inline int64_t expiry_step(const struct guard *guard) {
    return guard->expires_ms / EXPIRY_STEPS > 0 ? guard->expires_ms / EXPIRY_STEPS : 1;
}
int64_t expiry_bucket(const struct guard *guard, int64_t known_ms);
bool guard_is_too_long(const struct guard *guard, int64_t gap_ms);
/* Do sightings of the identifier matter under any era? */
bool ever_expires(const struct identity *identity, uint32_t id);

/* judge.c */
enum status judge_pending(struct identity *identity) MUST_USE;

/* The verdict on joining two components whose identifiers of each type were counted. */
struct type_counts {
    uint32_t stamp;
    uint32_t stamps[IDENTIFIER_TYPES_MAX];
    uint32_t count[2][IDENTIFIER_TYPES_MAX];
    uint32_t used_count;
    uint8_t used[IDENTIFIER_TYPES_MAX];
};
void counts_clear(struct type_counts *counts);
void counts_add(struct type_counts *counts, uint32_t side, uint8_t type);
void counts_add_all(struct type_counts *counts, uint32_t side,
                    const uint32_t by_type[IDENTIFIER_TYPES_MAX]);
enum link_verdict counts_verdict(const struct guard *guards, const struct type_counts *counts,
                                 uint8_t *blamed);
/* Had the identifier been unseen for longer than `expires` when this link was judged? Withdrawals
 * that were known by threshold_ms count. */
bool expired_at(const struct identity *identity, const struct guard *guards, uint32_t id,
                const struct link *turn, int64_t threshold_ms);
/* Does the identifier count towards per_customer and unique when this link is judged? It does not
 * where it was last seen longer ago than it holds. */
bool alive_at(const struct identity *identity, const struct guard *guards, uint32_t id,
              const struct link *turn, int64_t threshold_ms);
/* Two moments in the same step of whatever of the two types expires, under every era? */
bool is_same_step_of(const struct identity *identity, const uint8_t types[2], int64_t a_ms,
                     int64_t b_ms);
/* Is it judged with an older link of the same pair, in the same step of whatever expires? */
bool link_is_repeat(const struct identity *identity, struct link *link, int64_t threshold_ms);
/* From that threshold on the link counts as never made: un-merged, or no row supports it. */
bool link_is_withdrawn(const struct identity *identity, const struct link *link,
                       int64_t threshold_ms);
enum status edge_add(struct identity *identity, uint32_t child, uint32_t parent, int64_t known_ms,
                     uint64_t order, int64_t from_ms) MUST_USE;

/* judge_set.c: judges everything anew that hangs together with the seeds. */
enum status judge_scratch_create(struct judge_scratch **out) MUST_USE;
void judge_scratch_destroy(struct judge_scratch *scratch);
enum status judge_seeds(struct identity *identity) MUST_USE;
enum status seed_add(struct identity *identity, uint32_t id) MUST_USE;
/* Heap sort by `get`'s link, in canonical order; needs no memory. */
typedef const struct link *link_getter(const struct identity *identity, uint32_t index);
void sort_links(const struct identity *identity, uint32_t *indexes, size_t count, link_getter *get);
void sort_ids(uint32_t *ids, size_t count); /* ascending */

/* control.c */
void identity_arrays_release(struct identity *identity);
/* Adds it to the list alone. */
enum status withdrawals_add(struct identity *identity,
                            const struct withdrawal *withdrawal) MUST_USE;
enum status control_add(struct identity *identity, const struct withdrawal *withdrawal) MUST_USE;
/* Finds the withdrawals from `first` on by their pairs, too; 0: all, after they were changed. */
void withdrawals_index(struct identity *identity, size_t first);
void flag_node(struct identity *identity, uint32_t id); /* after undo_reserve of one cell */
/* + 1: the newest withdrawal of a pair, whichever end is named first; 0: none. */
uint32_t newest_withdrawal(const struct identity *identity, uint32_t a, uint32_t b);
bool pair_is_controlled(const struct identity *identity, const struct link *link);

/* eras.c */
enum status eras_init(struct identity *identity) MUST_USE;
/* A new era begins with the default guards and is filled type by type; INT64_MIN: it replaces all.
 * All links are judged anew. `retroactive`: the guard holds in all earlier eras too, since nothing
 * of the type was linked before. */
enum status eras_begin(struct identity *identity, int64_t from_ms) MUST_USE;
enum status eras_put(struct identity *identity, uint8_t type, const struct guard *guard,
                     bool retroactive) MUST_USE;

bool anything_expires(const struct identity *identity); /* under any era */

/* support.c */
/* The pair's judged links that were known before before_ms count as never made from gone_ms on. */
struct unsupport {
    uint32_t a, b; /* a < b */
    int64_t gone_ms, before_ms;
};
enum status unsupport_add(struct identity *identity, const struct unsupport *unsupport) MUST_USE;

/* summary.c */
#define SUMMARY_SIZE_MIN 64
struct summary *summary_find(struct identity *identity, uint32_t root);
struct summary *summary_add(struct identity *identity, uint32_t root);
void summary_join(struct identity *identity, uint32_t low, uint32_t high);
void summary_note_link(struct identity *identity, uint32_t link_id); /* it stands in its lists */
void summaries_clear(struct identity *identity);

/* waiting.c */
/* Remembers that said->strong was called by a name that nobody bears yet, with source and times. */
enum status waiting_add(struct identity *identity, struct key key, uint64_t hash,
                        const struct link *said) MUST_USE;
/* The identifier is new: links it to whoever was said to be called so. */
enum status waiting_join(struct identity *identity, struct key key, uint64_t hash,
                         uint32_t id) MUST_USE;
/* When it was first known of one of the two that it is called as the other; INT64_MAX: never. */
int64_t waiting_first_ms(const struct identity *identity, uint32_t a, uint32_t b);
void waiting_undo(struct identity *identity);
void waiting_erase_name(struct identity *identity, struct key key);
void waiting_erase_anchors(struct identity *identity); /* once their nodes say NODE_ERASED */

/* claims.c */
/* Notes what the device claims, unless that is known. given: device, target, source, times. */
enum status claim_add(struct identity *identity, const struct claim *given) MUST_USE;
/* Is the device nothing that was claimed, and the target nothing that claimed? */
bool claim_can_be(const struct identity *identity, const struct claim *given);
/* As a record says it: with its flags, whatever the limits are now. */
enum status claim_replay(struct identity *identity, const struct claim *given) MUST_USE;
/* All claims of the pair. */
enum status claim_withdraw_pair(struct identity *identity,
                                const struct withdrawal *withdrawal) MUST_USE;
void claim_describe(const struct identity *identity, uint32_t id, const struct view *view,
                    struct identity_link *out);
/* Of erased identifiers, once their nodes say NODE_ERASED; not to be undone. */
void claims_erase(struct identity *identity, const struct identity_erasure *erasure);

/* claims_ask.c */
/* From the root of a component to whom it counts for, which is itself unless it is one device with
 * a claim. Call it where claim_count is not 0. */
uint32_t claims_follow(const struct identity *identity, uint32_t root, const struct view *view);
static inline uint32_t customer_root(const struct identity *identity, uint32_t id,
                                     const struct view *view) {
    uint32_t root = forest_root(&identity->forest, id, view);
    return LOAD(identity->claim_count) == 0 ? root : claims_follow(identity, root, view);
}
/* Walks the devices that count for `target` itself by claims: at = 0 begins; returns the next one,
 * or NONE. */
uint32_t claims_next_device(const struct identity *identity, uint32_t target, uint32_t *at,
                            const struct view *view);
bool claim_is_there(const struct claim *claim, const struct view *view);
bool claim_is_withdrawn(const struct identity *identity, const struct claim *claim,
                        const struct view *view);
enum link_verdict claim_verdict(const struct identity *identity, uint32_t claim,
                                const struct view *view);

/* blocked.c */
bool value_is_blocked(struct text value, const struct text *extra, uint32_t extra_count);
/* Is the value one of the list, in whatever case? */
bool value_is_listed(struct text value, const struct text *list, uint32_t count);

/* directory.c */
extern const struct customer_directory_ops identity_directory_ops;

/* resolve.c */
enum status resolve_scratch_create(struct resolve_scratch **out) MUST_USE;
void resolve_scratch_destroy(struct resolve_scratch *scratch);

/* suppress.c */
void suppress_init(struct identity *identity); /* once the salt is there */
bool is_suppressed(const struct identity *identity, uint8_t type, struct text value);
enum status suppress_digest(struct identity *identity,
                            const struct suppressed *suppressed) MUST_USE;
void welcome_digest(struct identity *identity, const uint8_t digest[DIGEST_BYTES]);

#endif
