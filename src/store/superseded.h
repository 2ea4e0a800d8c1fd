/* SPDX-License-Identifier: Apache-2.0 */
/* store/superseded.h -- which versions of rows a newer one has replaced, or a retraction has taken
 * away, and since when.
 *
 *   a frame says:  the event at position p, of persona P, is superseded from known_ms on
 *   a reader as of (t, position) leaves p out where known_ms <= t and the frame's word stands
 *   below its position; a view as of before still sees it
 *
 * Few rows are ever corrected, so nothing of this lies in runs. What the tail's frames say is kept
 * beside the tail, in lists by persona that readers read without locks. What earlier frames said is
 * one sorted set, stored as keys/NUMBER.superseded (docs/file-formats.md); a fold that has
 * something to add writes it anew. Personas without corrections cost a reader one bit, and a
 * directory without corrections one comparison with NULL.
 *
 * Threads: a `superseded` never changes; any thread. Of a tail's: one writer, any readers. */
#ifndef STORE_SUPERSEDED_H
#define STORE_SUPERSEDED_H

#include <stdatomic.h>
#include "base/file.h"
#include "event/ids.h"

/* In the file, as they lie in memory. */
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
    /* A bit a persona that has rows, and the personas counted before each word; start: where the
     * rows of the n-th of them begin. */
    uint64_t *bits;
    uint32_t *rank, *start;
    uint32_t words, persona_count;
    struct file_system *fs;
    struct file_mapping mapping;
};

/* Reads the whole file and checks it. References: 1. */
enum status superseded_open(struct superseded **out, struct file_system *fs, const char *path,
                            struct error *error) MUST_USE;
void superseded_reference(struct superseded *set);
void superseded_dereference(struct superseded *set); /* NULL is allowed */

/* Sorts `rows` and writes them; synced. There must be at least one. */
enum status superseded_write(struct file_system *fs, const char *path, struct superseded_row *rows,
                             uint64_t count, uint64_t *bytes, struct error *error) MUST_USE;

static inline bool superseded_has(const struct superseded *set, uint32_t persona) {
    return persona / 64 < set->words && (set->bits[persona / 64] >> (persona % 64) & 1);
}
/* The persona's rows; count 0: it has none. */
const struct superseded_row *superseded_of(const struct superseded *set, uint32_t persona,
                                           uint32_t *count);

/* ---- beside a tail ---- */

/* A persona's rows are a list, newest first: `zero` is the number of the row before it, and 1. */
struct superseded_tail {
    _Atomic(struct tail_table *) table; /* persona ──► its newest row; NULL: no row yet */
    _Atomic(struct superseded_row **) chunks; /* of a fixed size, so that rows never move */
    _Atomic uint32_t count;
    uint32_t persona_count, chunk_count;
};
void superseded_tail_release(struct superseded_tail *tail);
/* Makes room for so many more; nothing can fail then. */
enum status superseded_tail_reserve(struct superseded_tail *tail, size_t more) MUST_USE;
void superseded_tail_add(struct superseded_tail *tail, uint32_t persona, uint64_t position,
                         int64_t known_ms, uint64_t by);

static inline uint32_t superseded_tail_count(const struct superseded_tail *tail) {
    return atomic_load_explicit(&tail->count, memory_order_acquire);
}
const struct superseded_row *superseded_tail_at(const struct superseded_tail *tail, uint32_t i);
/* The persona's newest row, and the one before it. NULL at the end. */
const struct superseded_row *superseded_tail_newest(const struct superseded_tail *tail,
                                                    uint32_t persona);
const struct superseded_row *superseded_tail_before(const struct superseded_tail *tail,
                                                    const struct superseded_row *row);

#endif
