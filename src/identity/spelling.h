/* SPDX-License-Identifier: Apache-2.0 */
/* identity/spelling.h -- one identifier, however it is spelled.
 *
 * Identifiers of events arrive in their canonical form (base/canonical.h), and questions are
 * brought into it. A directory of an older program holds identifiers of which only the ASCII
 * letters were made small: "jÜrgen@example.org". The log keeps them as they are. When the rules are
 * set, the canonical form of such an identifier becomes an *alias* of it, unless that form is an
 * identifier itself. Events and questions that name the alias then go to the old identifier.
 * Aliases are not stored: each opening makes them anew, and an erasure wipes them.
 *
 * The applier writes; any thread may look up. */
#ifndef IDENTITY_SPELLING_H
#define IDENTITY_SPELLING_H

#include "base/canonical.h"
#include "identity/key_table.h"
#include "playbook/playbook.h"

#define SPELLING_TYPES 256

struct spelling {
    _Atomic uint8_t small[SPELLING_TYPES]; /* by type: are capitals made small letters? */
    struct key_table aliases;
    struct column_store targets; /* by alias: the identifier that it stands for */
    uint32_t *old_ids; /* identifiers read from the log that may not be in canonical form */
    size_t old_count, old_capacity;
};
enum status spelling_init(struct spelling *spelling) MUST_USE;
void spelling_release(struct spelling *spelling);
/* Notes an identifier that was read from the log. */
enum status spelling_note(struct spelling *spelling, struct text value, uint32_t id) MUST_USE;
/* Makes the aliases. Call it after the rules were read. */
enum status spelling_prepare(struct spelling *spelling, const struct key_table *identifiers,
                             const struct identifier_rule *rules, uint32_t count) MUST_USE;
/* Sets *id to the identifier of which this canonical key is an alias. False: it is no alias. */
bool spelling_alias(const struct spelling *spelling, struct key key, uint64_t hash, uint32_t *id);
void spelling_erase(struct spelling *spelling, uint32_t id);

static inline enum canonical_case spelling_letters(const struct spelling *spelling, uint8_t type) {
    return atomic_load_explicit(&spelling->small[type], memory_order_relaxed)
               ? CANONICAL_SMALL
               : CANONICAL_AS_WRITTEN;
}

#endif
