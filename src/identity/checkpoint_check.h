/* SPDX-License-Identifier: Apache-2.0 */
/* identity/checkpoint_check.h -- the sections of a checkpoint, and whether they can be an identity.
 *
 * Every index must stay inside of its array, and every list must come to an end: whoever walks them
 * later checks nothing. Lists end because each step goes to an item that is older: edges and
 * personas by their number, links by link_compare, parents by the lower id. */
#ifndef IDENTITY_CHECKPOINT_CHECK_H
#define IDENTITY_CHECKPOINT_CHECK_H

#include "identity/checkpoint.h"
#include "identity/identity_internal.h"

enum checkpoint_section {
    SECTION_HEAD = CHECKPOINT_TAGS,
    SECTION_ERAS,
    SECTION_HEADS,
    SECTION_NODES,
    SECTION_EDGES,
    SECTION_SINGLES,
    SECTION_ANCHORS,
    SECTION_PERSONA_ROWS,
    SECTION_LINKS,
    SECTION_WITHDRAWALS,
    SECTION_GONE,
    SECTION_WAITING,
    SECTION_WAITING_HEADS,
    SECTION_OLD_SPELLINGS,
    SECTION_MARKS,
    SECTION_IDENTIFIERS,
    SECTION_PERSONAS = SECTION_IDENTIFIERS + KEY_TABLE_SECTIONS,
    SECTION_SUPPRESSED = SECTION_PERSONAS + KEY_TABLE_SECTIONS,
    SECTION_WAITING_KEYS = SECTION_SUPPRESSED + KEY_TABLE_SECTIONS,
    /* Empty where nothing was claimed. */
    SECTION_CLAIM_HEADS = SECTION_WAITING_KEYS + KEY_TABLE_SECTIONS,
    SECTION_CLAIMS,
    SECTION_CLAIM_WITHDRAWALS,
};

struct checkpoint_head {
    uint64_t visible;
    uint32_t visible_personas, link_count, edge_count;
    uint32_t marks_missing; /* 0, 1 */
};
struct checkpoint_guard {
    uint32_t per_customer, priority;
    int64_t expires_ms;
    uint32_t unique, present; /* 0, 1 */
};
struct checkpoint_era {
    int64_t from_ms;
    uint64_t any_expires; /* 0, 1 */
    struct checkpoint_guard guards[IDENTIFIER_TYPES_MAX];
};
struct checkpoint_withdrawal {
    int64_t known_ms;
    uint32_t a, b, restore, zero;
};
struct checkpoint_waiting {
    int64_t time_ms, known_ms;
    uint32_t key, anchor, older, source;
};

/* Addresses in the image. */
struct checkpoint_parts {
    const struct checkpoint_head *head;
    const struct checkpoint_era *eras;
    const struct checkpoint_withdrawal *withdrawals;
    const struct checkpoint_waiting *waiting;
    _Atomic uint32_t *heads, *singles, *anchors;
    struct node *nodes;
    struct edge *edges;
    struct persona_row *persona_rows;
    struct link *links;
    _Atomic uint32_t *claim_heads;
    struct claim *claims;
    struct claim_withdrawal *claim_withdrawals;
    const int64_t *gone_ms;
    const uint32_t *waiting_heads, *old_ids;
    const uint64_t *marks;
    uint64_t era_count, id_count, persona_count, edge_count, link_count, withdrawal_count,
        gone_count, waiting_count, waiting_head_count, old_id_count, mark_count, claim_head_count,
        claim_count, claim_withdrawal_count;
};
/* STATUS_VERSION where a section is missing or has items of another size. */
enum status checkpoint_parts_find(struct checkpoint_parts *parts,
                                  const struct image *image) MUST_USE;
/* `tables`: an identity whose key tables were begun from the same image. STATUS_CORRUPT. */
enum status checkpoint_parts_check(const struct checkpoint_parts *parts,
                                   const struct identity *tables) MUST_USE;

#endif
