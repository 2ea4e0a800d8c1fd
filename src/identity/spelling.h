/* SPDX-License-Identifier: Apache-2.0 */
/* identity/spelling.h -- one identifier, however it is spelled.
 *
 * Identifiers arrive in their canonical form (base/canonical.h); who asks for one may spell it as
 * he likes. A directory of an older program holds identifiers of which only the ASCII letters were
 * made small: "jÜrgen@example.org". They stay as they are in the log. When the rules are set, their
 * canonical form becomes an *alias*, unless it is an identifier itself: events that come now go to
 * the old identifier, and so do questions. Aliases are made anew at each opening, and an erasure
 * wipes them.
 *
 * The applier writes; any thread finds. */
#ifndef IDENTITY_SPELLING_H
#define IDENTITY_SPELLING_H

#include "base/canonical.h"
#include "identity/key_table.h"
#include "playbook/playbook.h"

#define SPELLING_TYPES 256

struct spelling {
    _Atomic uint8_t small[SPELLING_TYPES]; /* by type: letters are made small */
    struct key_table aliases;
    struct column_store targets; /* by alias: the identifier */
    uint32_t *old_ids;           /* replayed identifiers that may be no canonical form */
    size_t old_count, old_capacity;
};
enum status spelling_init(struct spelling *spelling) MUST_USE;
void spelling_release(struct spelling *spelling);
/* Notes a replayed identifier. */
enum status spelling_note(struct spelling *spelling, struct text value, uint32_t id) MUST_USE;
/* After the rules were read: makes the aliases. */
enum status spelling_prepare(struct spelling *spelling, const struct key_table *identifiers,
                             const struct identifier_rule *rules, uint32_t count) MUST_USE;
/* The identifier whose alias this canonical key is; false where it is none. */
bool spelling_alias(const struct spelling *spelling, struct key key, uint64_t hash, uint32_t *id);
void spelling_erase(struct spelling *spelling, uint32_t id);

static inline enum canonical_case spelling_letters(const struct spelling *spelling, uint8_t type) {
    return atomic_load_explicit(&spelling->small[type], memory_order_relaxed)
               ? CANONICAL_SMALL
               : CANONICAL_AS_WRITTEN;
}

#endif
