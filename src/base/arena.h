/* SPDX-License-Identifier: Apache-2.0 */
/* base/arena.h -- memory that dies together: one request, one batch, one compiled playbook.
 *
 * Blocks double from 4 KB; arena_clear keeps the largest block for reuse. Running out of the
 * maximum gives NULL, which the caller turns into STATUS_NO_MEMORY. Not thread-safe: one arena, one
 * thread. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>
#include "base/status.h"
#include "base/text.h"

struct arena_block;
struct arena {
    struct arena_block *block; /* the newest; older ones behind it */
    size_t used_bytes;
    size_t max_bytes;
};

void arena_init(struct arena *arena, size_t max_bytes);
void arena_release(struct arena *arena);
void arena_clear(struct arena *arena);
/* Gives back everything that was allocated since arena_mark was called; what is older stays. A mark
 * dies with arena_clear and with a rewind to an older mark. */
struct arena_mark {
    struct arena_block *block;
    size_t block_used, used_bytes;
};
struct arena_mark arena_mark(const struct arena *arena);
void arena_rewind(struct arena *arena, struct arena_mark mark);
void *arena_alloc(struct arena *arena, size_t bytes) MUST_USE; /* 16-byte aligned, not zeroed */
void *arena_calloc(struct arena *arena, size_t count, size_t bytes) MUST_USE;
/* Copies; adds a terminating 0 behind the length. On failure .at is NULL. */
struct text arena_text(struct arena *arena, struct text text) MUST_USE;
/* printf into the arena; NULL on failure. */
char *arena_format(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3) MUST_USE;

#endif
