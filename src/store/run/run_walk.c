/* SPDX-License-Identifier: Apache-2.0 */
#include "store/run/run_walk.h"

#include "base/memory.h"
#include "store/run/run_writer.h"

static uint32_t lower_bound(const uint32_t *sorted, uint32_t low, uint32_t end, uint32_t wanted) {
    uint32_t step = 1;
    while (step < end - low && sorted[low + step] < wanted) {
        low += step;
        step *= 2;
    }
    uint32_t count = end - low < step + 1 ? end - low : step + 1;
    while (count > 0) {
        uint32_t half = count / 2;
        if (sorted[low + half] < wanted) {
            low += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return low;
}

static uint32_t next_share(const struct run_walk *walk, uint32_t customer) {
    uint64_t block = customer >> RUN_WALK_BLOCK_BITS;
    uint64_t ahead = (walk->part + walk->parts - block % walk->parts) % walk->parts;
    uint64_t first = (block + ahead) << RUN_WALK_BLOCK_BITS;
    return first > ID_NONE ? ID_NONE : (uint32_t)first;
}

uint32_t run_walk_skip(const struct run_walk *walk, uint32_t run, uint32_t at) {
    const struct run_cursor *cursor = &walk->cursors[run];
    return lower_bound(cursor->customer, at, cursor->count, next_share(walk, cursor->customer[at]));
}

static enum status note_moved(struct run_walk *walk, uint32_t run, uint32_t entry,
                              uint32_t customer, size_t *key_capacity, size_t *slice_capacity) {
    struct run_cursor *cursor = &walk->cursors[run];
    if (cursor->moved == NULL) cursor->moved = memory_calloc((size_t)cursor->count / 64 + 1, 8);
    if (cursor->moved == NULL) return STATUS_NO_MEMORY;
    cursor->moved[entry / 64] |= UINT64_C(1) << (entry % 64);
    size_t n = walk->moved_count + 1;
    enum status status = STATUS_OK;
    if (n > *key_capacity)
        status = memory_grow((void **)&walk->moved, key_capacity, n, sizeof *walk->moved);
    if (status == STATUS_OK && n > *slice_capacity) {
        status = memory_grow((void **)&walk->moved_slices, slice_capacity, n,
                             sizeof *walk->moved_slices);
    }
    if (status != STATUS_OK) return status;
    walk->moved[n - 1] = (uint64_t)customer << 32 | (n - 1);
    walk->moved_slices[n - 1] = (struct run_slice){run, entry};
    walk->moved_count = n;
    return STATUS_OK;
}

static enum status find_moved(struct run_walk *walk, const uint32_t *customer,
                              uint32_t persona_count, struct run_walk_range range) {
    size_t key_capacity = 0, slice_capacity = 0;
    enum status status = STATUS_OK;
    for (uint32_t r = 0; r < walk->run_count; r++) {
        const struct run *run = walk->runs[r];
        for (uint32_t e = 0; e < run->info.entry_count; e++) {
            uint32_t persona = run->entry_persona[e], before = run->entry_customer[e];
            if (persona >= persona_count || customer[persona] == before) continue;
            uint32_t now = customer[persona];
            bool ours = now >= range.from && now < range.to &&
                        run_walk_shares(range.part, range.parts, now);
            /* It belongs to another share: mark it, so that the cursor skips it, but do not keep
             * it. */
            status = note_moved(walk, r, e, now, &key_capacity, &slice_capacity);
            if (status != STATUS_OK) return status;
            if (!ours) walk->moved_count--;
        }
    }
    if (walk->moved_count == 0) return STATUS_OK;
    uint64_t *scratch = memory_alloc(walk->moved_count * sizeof *scratch);
    if (scratch == NULL) return STATUS_NO_MEMORY;
    run_sort_u64(walk->moved, scratch, walk->moved_count, 32);
    memory_free(scratch);
    return STATUS_OK;
}

enum status run_walk_init(struct run_walk *walk, struct run *const *runs, uint32_t run_count,
                          const uint32_t *customer, uint32_t persona_count,
                          struct run_walk_range range) {
    *walk = (struct run_walk){.runs = runs,
                              .run_count = run_count,
                              .part = range.part,
                              .parts = range.parts == 0 ? 1 : range.parts};
    walk->head = memory_alloc((run_count + 4) * sizeof *walk->head);
    walk->cursors = memory_calloc(run_count + 1, sizeof *walk->cursors);
    enum status status = walk->head && walk->cursors ? STATUS_OK : STATUS_NO_MEMORY;
    if (status == STATUS_OK) memset(walk->head, 0xff, (run_count + 4) * sizeof *walk->head);
    for (uint32_t r = 0; status == STATUS_OK && r < run_count; r++) {
        walk->cursors[r].customer = runs[r]->entry_customer;
        walk->cursors[r].count = runs[r]->info.entry_count;
    }
    if (status == STATUS_OK && customer != NULL)
        status = find_moved(walk, customer, persona_count, range);
    if (status != STATUS_OK) {
        run_walk_release(walk);
        return status;
    }
    for (uint32_t r = 0; r < run_count; r++) {
        struct run_cursor *cursor = &walk->cursors[r];
        cursor->next = lower_bound(cursor->customer, 0, cursor->count, range.from);
        /* The rows of nobody stand last, and are in no share: a cursor that had one of them ahead
         * would look for the next share for ever. */
        cursor->count = lower_bound(cursor->customer, cursor->next, cursor->count, range.to);
        run_walk_settle(walk, r);
    }
    return STATUS_OK;
}

void run_walk_release(struct run_walk *walk) {
    for (uint32_t r = 0; walk->cursors != NULL && r < walk->run_count; r++)
        memory_free(walk->cursors[r].moved);
    memory_free(walk->cursors);
    memory_free(walk->head);
    memory_free(walk->moved);
    memory_free(walk->moved_slices);
    memory_free(walk->slices);
    *walk = (struct run_walk){0};
}

enum status run_walk_grow(struct run_walk *walk) {
    return memory_grow((void **)&walk->slices, &walk->slice_capacity, walk->slice_count + 1,
                       sizeof *walk->slices);
}

enum status run_walk_take(struct run_walk *walk, uint32_t customer) {
    enum status status = STATUS_OK;
    walk->slice_count = 0;
    for (uint32_t r = 0; r < walk->run_count; r++) {
        while (walk->head[r] == customer && status == STATUS_OK) {
            status = run_walk_push(walk, (struct run_slice){r, walk->cursors[r].next++});
            run_walk_settle(walk, r);
        }
    }
    while (walk->moved_next < walk->moved_count &&
           walk->moved[walk->moved_next] >> 32 == customer && status == STATUS_OK) {
        status = run_walk_push(walk, walk->moved_slices[(uint32_t)walk->moved[walk->moved_next++]]);
    }
    return status;
}
