/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"
#include "store/run/run_walk.h"
#include "store/run/run_writer.h"

struct row_ref {
    uint32_t slice, part, row;
};

struct merging {
    const struct run_merge *merge;
    struct run_walk walk;
    struct run_writer *writer;
    /* two for each run: one for entries in order, one for entries that have moved */
    struct run_block_cache *caches;
    uint32_t *last_entry; /* a run */
    struct run_sort_row *order;
    struct row_ref *refs;
    size_t order_capacity, ref_capacity;
    struct buffer edited; /* the properties of the present row */
};

static uint32_t persona_of(const struct merging *merging, struct run_slice slice) {
    return merging->merge->runs[slice.run]->entry_persona[slice.entry];
}

static bool is_dropped(const struct merging *merging, uint32_t persona) {
    const struct run_merge *merge = merging->merge;
    return merge->dropped != NULL && persona < merge->persona_count &&
           (merge->dropped[persona / 64] >> (persona % 64) & 1);
}

/* Drops slices and sorts the others by persona; slices of one persona stay in the order of the
 * runs. */
static size_t arrange(const struct merging *merging, struct run_slice *slices, size_t count) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        struct run_slice slice = slices[i];
        uint32_t persona = persona_of(merging, slice);
        if (is_dropped(merging, persona)) continue;
        size_t at = kept++;
        for (; at > 0 && persona_of(merging, slices[at - 1]) > persona; at--)
            slices[at] = slices[at - 1];
        slices[at] = slice;
    }
    return kept;
}

/* Returns the cache for a slice. Entries in order decompress each block once; those that moved must
 * not evict that block. */
static struct run_block_cache *cache_for(struct merging *merging, struct run_slice slice) {
    bool forward =
        merging->last_entry[slice.run] == ID_NONE || slice.entry >= merging->last_entry[slice.run];
    bool near = forward && slice.entry - merging->last_entry[slice.run] < 4096;
    if (near || merging->last_entry[slice.run] == ID_NONE)
        merging->last_entry[slice.run] = slice.entry;
    return &merging->caches[2 * slice.run + !near];
}

static enum status failed(const struct merging *merging, enum status status, struct error *error) {
    if (status == STATUS_CORRUPT)
        return run_damage(merging->merge->runs, merging->merge->run_count, error);
    return error_set(error, status, "merging runs: %s", status_name(status));
}

static enum status write_row(struct merging *merging, uint32_t customer, struct run_slice slice,
                             uint32_t part, uint32_t row, struct run_block_cache *cache,
                             struct error *error) {
    struct run_row out;
    const struct run *run = merging->merge->runs[slice.run];
    enum status status = run_row_get(cache, run, part, row, persona_of(merging, slice), &out);
    if (status != STATUS_OK) return failed(merging, status, error);
    if (merging->merge->drops != NULL && merging->merge->drops(merging->merge->drops_context, &out))
        return STATUS_OK;
    buffer_clear(&merging->edited);
    if (merging->merge->edits != NULL &&
        merging->merge->edits(merging->merge->drops_context, &out, &merging->edited))
        out.packed = buffer_text(&merging->edited);
    return run_writer_add(merging->writer, customer, &out, error);
}

static enum status write_slice(struct merging *merging, uint32_t customer, struct run_slice slice,
                               struct error *error) {
    const struct run *run = merging->merge->runs[slice.run];
    uint32_t part = run_part_of(run, slice.entry), first = run->parts[part].row_first;
    struct run_block_cache *cache = cache_for(merging, slice);
    enum status status = STATUS_OK;
    for (uint32_t row = run->entry_row[slice.entry];
         status == STATUS_OK && row < run->entry_row[slice.entry + 1]; row++) {
        status = write_row(merging, customer, slice, part, row - first, cache, error);
    }
    return status;
}

static enum status collect(struct merging *merging, const struct run_slice *slices, uint32_t count,
                           size_t *rows) {
    size_t n = 0;
    for (uint32_t s = 0; s < count; s++) {
        const struct run *run = merging->merge->runs[slices[s].run];
        uint32_t part = run_part_of(run, slices[s].entry), base = run->parts[part].row_first;
        uint32_t first = run->entry_row[slices[s].entry] - base,
                 end = run->entry_row[slices[s].entry + 1] - base;
        const int64_t *times = (const int64_t *)run_bytes(run, part, RUN_TIME);
        const uint8_t *positions = run_bytes(run, part, RUN_POSITION);
        if (times == NULL || positions == NULL) return STATUS_CORRUPT;
        size_t needed = n + (end - first);
        if (memory_grow((void **)&merging->order, &merging->order_capacity, needed,
                        sizeof *merging->order) ||
            memory_grow((void **)&merging->refs, &merging->ref_capacity, needed,
                        sizeof *merging->refs)) {
            return STATUS_NO_MEMORY;
        }
        for (uint32_t row = first; row < end; row++, n++) {
            uint64_t position =
                (uint64_t)run_narrow(run_section_of(run, part, RUN_POSITION), positions, row);
            merging->order[n] = (struct run_sort_row){times[row], position, (uint32_t)n};
            merging->refs[n] = (struct row_ref){s, part, row};
        }
    }
    *rows = n;
    return run_sort_rows(merging->order, n);
}

/* One persona's slices from several runs. */
static enum status write_slices(struct merging *merging, uint32_t customer,
                                const struct run_slice *slices, uint32_t count,
                                struct error *error) {
    size_t rows;
    enum status status = collect(merging, slices, count, &rows);
    if (status != STATUS_OK) return failed(merging, status, error);
    for (size_t i = 0; status == STATUS_OK && i < rows; i++) {
        struct row_ref ref = merging->refs[merging->order[i].index];
        struct run_slice slice = slices[ref.slice];
        status = write_row(merging, customer, slice, ref.part, ref.row, cache_for(merging, slice),
                           error);
    }
    return status;
}

static enum status merge_customer(struct merging *merging, uint32_t customer, struct error *error) {
    enum status status = run_walk_take(&merging->walk, customer);
    if (status != STATUS_OK)
        return error_set(error, status, "merging runs: %s", status_name(status));
    struct run_slice *slices = merging->walk.slices;
    size_t count = arrange(merging, slices, merging->walk.slice_count), end;
    for (size_t i = 0; status == STATUS_OK && i < count; i = end) {
        end = i + 1;
        while (end < count && persona_of(merging, slices[end]) == persona_of(merging, slices[i]))
            end++;
        status = end - i == 1
                     ? write_slice(merging, customer, slices[i], error)
                     : write_slices(merging, customer, slices + i, (uint32_t)(end - i), error);
    }
    return status;
}

static enum status merging_init(struct merging *merging, const struct run_merge *merge) {
    buffer_init(&merging->edited);
    merging->caches = memory_calloc(2 * (size_t)merge->run_count + 1, sizeof *merging->caches);
    merging->last_entry = memory_calloc(merge->run_count + 1, sizeof *merging->last_entry);
    if (merging->caches == NULL || merging->last_entry == NULL) return STATUS_NO_MEMORY;
    for (uint32_t r = 0; r < merge->run_count; r++) {
        run_block_cache_init(&merging->caches[2 * r]);
        run_block_cache_init(&merging->caches[2 * r + 1]);
        merging->last_entry[r] = ID_NONE;
    }
    struct run_walk_range range = {merge->customer_from, merge->customer_to, 0, 1};
    return run_walk_init(&merging->walk, merge->runs, merge->run_count, merge->customer,
                         merge->persona_count, range);
}

static void merging_release(struct merging *merging) {
    for (uint32_t i = 0; merging->caches != NULL && i < 2 * merging->merge->run_count; i++) {
        run_block_cache_release(&merging->caches[i]);
    }
    run_walk_release(&merging->walk);
    memory_free(merging->caches);
    memory_free(merging->last_entry);
    memory_free(merging->order);
    memory_free(merging->refs);
    buffer_release(&merging->edited);
    run_writer_destroy(merging->writer);
}

enum status run_merge(const struct run_target *target, const struct run_merge *merge,
                      struct run_info *info, struct error *error) {
    struct merging merging = {.merge = merge};
    enum status status = merging_init(&merging, merge);
    if (status != STATUS_OK) {
        error_set(error, status, "%s: no memory to merge runs", target->path);
    } else {
        status = run_writer_create(&merging.writer, target, error);
    }
    uint32_t customer;
    while (status == STATUS_OK && (customer = run_walk_peek(&merging.walk)) != ID_NONE) {
        status = merge_customer(&merging, customer, error);
    }
    if (status == STATUS_OK) status = run_writer_finish(merging.writer, info, error);
    merging_release(&merging);
    return status;
}
