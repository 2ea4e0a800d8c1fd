/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include "base/memory.h"

#define BLOCK_BYTES_MIN ((size_t)4096)
#define BLOCK_BYTES_MAX                                                                            \
    ((size_t)64 << 20) /* doubling stops here; a larger request gets its own size */
#define ALIGNMENT ((size_t)16)

/*   newest            older
 *  +-------------+   +-------------+
 *  | older   ----+-->| older = NULL|
 *  | size, used  |   | size, used  |
 *  | bytes…      |   | bytes…      |
 *  +-------------+   +-------------+
 * Only the newest block is filled; the tails of older ones are given up. */
struct arena_block {
    struct arena_block *older;
    size_t size;
    size_t used;
    size_t padding;
    char bytes[];
};
_Static_assert(sizeof(struct arena_block) % 16 == 0, "the bytes of a block are aligned");

void arena_init(struct arena *arena, size_t max_bytes) {
    *arena = (struct arena){.max_bytes = max_bytes};
}

static void free_blocks(struct arena_block *block) {
    while (block) {
        struct arena_block *older = block->older;
        memory_free(block);
        block = older;
    }
}

void arena_release(struct arena *arena) {
    free_blocks(arena->block);
    arena->block = NULL;
    arena->used_bytes = 0;
}

void arena_clear(struct arena *arena) {
    struct arena_block *kept = arena->block;
    for (struct arena_block *block = arena->block; block; block = block->older) {
        if (block->size > kept->size) kept = block;
    }
    for (struct arena_block *block = arena->block; block;) {
        struct arena_block *older = block->older;
        if (block != kept) memory_free(block);
        block = older;
    }
    if (kept) {
        kept->older = NULL;
        kept->used = 0;
    }
    arena->block = kept;
    arena->used_bytes = 0;
}

struct arena_mark arena_mark(const struct arena *arena) {
    return (struct arena_mark){.block = arena->block,
                               .block_used = arena->block ? arena->block->used : 0,
                               .used_bytes = arena->used_bytes};
}

void arena_rewind(struct arena *arena, struct arena_mark mark) {
    while (arena->block != mark.block && arena->block != NULL) {
        struct arena_block *block = arena->block;
        /* Without an older block to return to, an emptied one is kept for reuse. */
        if (mark.block == NULL && block->older == NULL) break;
        arena->block = block->older;
        memory_free(block);
    }
    if (arena->block != NULL) arena->block->used = mark.block_used;
    arena->used_bytes = mark.used_bytes;
}

/* What the maximum still allows bounds the block, so that a small arena never holds much more than
 * it may hand out. */
static bool add_block(struct arena *arena, size_t bytes) {
    size_t size = arena->block ? arena->block->size * 2 : BLOCK_BYTES_MIN;
    if (size > BLOCK_BYTES_MAX) size = BLOCK_BYTES_MAX;
    if (size > arena->max_bytes - arena->used_bytes) size = arena->max_bytes - arena->used_bytes;
    if (size < bytes) size = bytes;
    struct arena_block *block = memory_alloc(sizeof(*block) + size);
    if (!block) return false;
    *block = (struct arena_block){.older = arena->block, .size = size};
    arena->block = block;
    return true;
}

void *arena_alloc(struct arena *arena, size_t bytes) {
    if (bytes > PTRDIFF_MAX - ALIGNMENT) return NULL;
    size_t rounded = bytes == 0 ? ALIGNMENT : (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (rounded > arena->max_bytes - arena->used_bytes) return NULL;
    struct arena_block *block = arena->block;
    if (!block || block->size - block->used < rounded) {
        if (!add_block(arena, rounded)) return NULL;
        block = arena->block;
    }
    void *at = block->bytes + block->used;
    block->used += rounded;
    arena->used_bytes += rounded;
    return at;
}

void *arena_calloc(struct arena *arena, size_t count, size_t bytes) {
    size_t total;
    if (__builtin_mul_overflow(count, bytes, &total)) return NULL;
    void *at = arena_alloc(arena, total);
    if (at) memset(at, 0, total);
    return at;
}

struct text arena_text(struct arena *arena, struct text text) {
    char *at = arena_alloc(arena, (size_t)text.length + 1);
    if (!at) return (struct text){0};
    if (text.length) memcpy(at, text.at, text.length);
    at[text.length] = 0;
    return (struct text){at, text.length};
}

char *arena_format(struct arena *arena, const char *format, ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    char *at = length < 0 ? NULL : arena_alloc(arena, (size_t)length + 1);
    if (at) vsnprintf(at, (size_t)length + 1, format, again);
    va_end(again);
    va_end(arguments);
    return at;
}
