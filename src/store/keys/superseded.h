/* SPDX-License-Identifier: Apache-2.0 */
/* store/keys/superseded.h -- the versions of rows that count no more: which they are, and since
 * when.
 *
 * A version is superseded when a correction replaces it or its row takes itself away.
 *
 *   a frame says:  the event at position p, of persona P, is superseded from known_ms on
 *   a reader as of (t, position) leaves p out where known_ms <= t and where the frame itself
 *   stands below the reader's position; a view of an earlier moment still sees p
 *
 * Few rows are ever corrected, so runs hold nothing of this, and it is kept in two places:
 *   struct superseded_tail  what frames of the tail say: a list for each persona, which readers
 *                           walk without locks
 *   struct superseded       what older frames said: one sorted set, stored as
 *                           keys/NUMBER.superseded (docs/file-formats.md). A fold that has
 *                           something to add writes the file anew.
 * A persona without corrections costs a reader one bit. A directory without corrections costs a
 * reader one comparison with NULL.
 *
 * Threads: a `struct superseded` never changes, so any thread may read it. A `struct
 * superseded_tail` has one writer and any number of readers. */
#ifndef STORE_KEYS_SUPERSEDED_H
#define STORE_KEYS_SUPERSEDED_H

#include <stdatomic.h>
#include "base/file.h"
#include "event/ids.h"

/* One superseded version. The file holds these rows as they lie in memory. */
struct superseded_row {
    uint32_t persona, zero;
    uint64_t position;
    int64_t known_ms;
    uint64_t by; /* position of the event that replaces it, or of the frame that retracts it */
};

/* ---- the sorted set ---- */

struct superseded {
    _Atomic uint32_t references;
    const struct superseded_row *rows; /* by (persona, position, by) */
    uint64_t count;
    /* bits: one bit for each persona, set where it has rows. rank: how many bits are set before
     * each word. start: where the rows of the n-th persona with a set bit begin. */
    uint64_t *bits;
    uint32_t *rank, *start;
    uint32_t words, persona_count;
    struct file_system *fs;
    struct file_mapping mapping;
};

/* Reads the whole file and checks it. The caller owns one reference. */
enum status superseded_open(struct superseded **out, struct file_system *fs, const char *path,
                            struct error *error) MUST_USE;
void superseded_reference(struct superseded *set);
void superseded_dereference(struct superseded *set); /* NULL is allowed */

/* Sorts `rows`, writes them and syncs the file. There must be at least one row. */
enum status superseded_write(struct file_system *fs, const char *path, struct superseded_row *rows,
                             uint64_t count, uint64_t *bytes, struct error *error) MUST_USE;

static inline bool superseded_has(const struct superseded *set, uint32_t persona) {
    return persona / 64 < set->words && (set->bits[persona / 64] >> (persona % 64) & 1);
}
/* Returns the persona's rows and sets *count, which is 0 where it has none. */
const struct superseded_row *superseded_of(const struct superseded *set, uint32_t persona,
                                           uint32_t *count);

/* ---- beside a tail ---- */

/* The rows of a persona are a list, newest first. The field `zero` links it: it holds 1 + the
 * number of the next older row, or 0 at the end. */
struct superseded_tail {
    _Atomic(struct tail_table *) table; /* persona ──► its newest row; NULL: no row yet */
    _Atomic(struct superseded_row **) chunks; /* of a fixed size, so that rows never move */
    _Atomic uint32_t count;
    uint32_t persona_count, chunk_count;
};
void superseded_tail_release(struct superseded_tail *tail);
/* Makes room for `more` rows, so that adding them cannot fail. */
enum status superseded_tail_reserve(struct superseded_tail *tail, size_t more) MUST_USE;
void superseded_tail_add(struct superseded_tail *tail, uint32_t persona, uint64_t position,
                         int64_t known_ms, uint64_t by);

static inline uint32_t superseded_tail_count(const struct superseded_tail *tail) {
    return atomic_load_explicit(&tail->count, memory_order_acquire);
}
const struct superseded_row *superseded_tail_at(const struct superseded_tail *tail, uint32_t i);
/* Walk the persona's rows: the newest one, and the next older one. NULL: there is none. */
const struct superseded_row *superseded_tail_newest(const struct superseded_tail *tail,
                                                    uint32_t persona);
const struct superseded_row *superseded_tail_before(const struct superseded_tail *tail,
                                                    const struct superseded_row *row);

#endif
