/* SPDX-License-Identifier: Apache-2.0 */
/* Verifies a section at its first touch, and reads packed blocks. */
#include <lz4.h>

#include "base/bits.h"
#include "base/hash.h"
#include "store/run/run_file.h"

static bool cell_fits(uint64_t cell, uint64_t heap_length) {
    uint64_t offset = cell >> 16, length = cell & 0xffff;
    return cell == CELL_NO_TEXT || (offset <= heap_length && length <= heap_length - offset);
}

static bool is_text(enum value_type type) {
    return type == VALUE_TEXT || type == VALUE_LIST;
}

/* Is the column sound? Ranks and bits must agree with the number of cells, and text cells with the
 * heap; reading them needs no checks then. */
static bool column_is_sound(const struct run *run, uint32_t part, uint32_t c, const uint8_t *at) {
    const struct run_section *section = run_section_of(run, part, RUN_PART_SECTIONS + c);
    uint32_t rows = run->parts[part].row_count;
    uint64_t count = section->encoding == RUN_DENSE ? rows : 0;
    if (section->encoding == RUN_SPARSE) {
        uint64_t words = ((uint64_t)rows + 63) / 64,
                 head = words * 8 + ((words * 4 + 7) & ~UINT64_C(7));
        const uint64_t *bits = (const uint64_t *)at;
        const uint32_t *rank = (const uint32_t *)(at + words * 8);
        for (uint64_t w = 0; w < words; w++) {
            if (rank[w] != count) return false;
            count += bits_count(bits[w]);
        }
        if (rows % 64 != 0 && bits[words - 1] >> (rows % 64) != 0) return false;
        if (count != (section->length - head) / section->width) return false;
        at += head;
    }
    if (!is_text(run->columns[c].type)) return true;
    uint64_t heap_length = run_section_of(run, part, RUN_HEAP)->length;
    for (uint64_t i = 0; i < count; i++) {
        if (!cell_fits(((const uint64_t *)at)[i], heap_length)) return false;
    }
    return true;
}

static bool index_is_sound(const struct run *run, uint32_t part, const uint8_t *at) {
    const struct run_section *section = run_section_of(run, part, RUN_BLOCK_INDEX);
    const struct run_block *block = (const struct run_block *)at;
    uint64_t stored = run_section_of(run, part, RUN_BLOCKS)->length,
             count = section->length / sizeof *block - 1;
    if (block[0].row != 0 || block[0].offset != 0 || block[count].offset != stored) return false;
    if (block[count].row != UINT32_MAX) return false;
    for (uint64_t b = 0; b < count; b++) {
        uint32_t end = b + 1 == count ? run->parts[part].row_count : block[b + 1].row;
        if (block[b].row >= end || block[b].offset > block[b + 1].offset ||
            block[b + 1].offset > stored)
            return false;
        if (block[b].raw_length < (uint64_t)(end - block[b].row) * 2) return false;
        if (block[b].raw_length > RUN_BLOCK_BYTES + PACKED_BYTES_MAX) return false;
    }
    return true;
}

const char *run_section_name(uint32_t kind) {
    static const char *const names[RUN_PART_SECTIONS] = {
        [RUN_TIME] = "times",
        [RUN_TYPE] = "types",
        [RUN_CHANNEL] = "channels",
        [RUN_LAG] = "known times",
        [RUN_POSITION] = "positions",
        [RUN_SOURCE] = "sources",
        [RUN_KEY] = "keys",
        [RUN_HEAP] = "text heap",
        [RUN_BLOCKS] = "property blocks",
        [RUN_BLOCK_INDEX] = "block index",
    };
    return kind < RUN_PART_SECTIONS ? names[kind] : "column";
}

/* Reports damage. Columns and the heap of their texts are a second copy of the properties and can
 * be made anew; the rest can't. */
static enum status tell_damage(const struct run *run, uint64_t index, struct error *error) {
    uint32_t part = (uint32_t)(index / run->sections_a_part),
             kind = (uint32_t)(index % run->sections_a_part);
    bool is_copy = kind == RUN_HEAP || kind >= RUN_PART_SECTIONS;
    return error_set(
        error, STATUS_CORRUPT, "%s: part %u: the section of %s is damaged; %s", run->path, part,
        run_section_name(kind),
        is_copy
            ? "attune rebuild makes it anew from the properties"
            : "restore the data directory from a backup (attune fsck tells what else is damaged)");
}

static uint64_t section_count(const struct run *run) {
    return (uint64_t)run->info.part_count * run->sections_a_part;
}

bool run_is_damaged(const struct run *run) {
    return atomic_load_explicit(&run->checked[section_count(run)], memory_order_acquire) != 0;
}

static void note_damage(const struct run *run, uint64_t index, enum run_checked checked) {
    atomic_store_explicit(&run->checked[index], (uint8_t)checked, memory_order_release);
    atomic_store_explicit(&run->checked[section_count(run)], 1, memory_order_release);
}

enum status run_damage(struct run *const *runs, uint32_t run_count, struct error *error) {
    for (uint32_t r = 0; r < run_count; r++) {
        for (uint64_t i = 0; i < section_count(runs[r]); i++) {
            uint8_t checked = atomic_load_explicit(&runs[r]->checked[i], memory_order_acquire);
            if (checked == RUN_DAMAGED || checked == RUN_BLOCK_DAMAGED)
                return tell_damage(runs[r], i, error);
        }
    }
    return error_set(error, STATUS_CORRUPT, "a run is damaged: attune fsck tells which");
}

const uint8_t *run_section_touch(const struct run *run, uint64_t index) {
    const struct run_section *section = &run->sections[index];
    const uint8_t *at = run->mapping.at + section->offset;
    uint32_t part = (uint32_t)(index / run->sections_a_part),
             kind = (uint32_t)(index % run->sections_a_part);
    uint8_t before = atomic_load_explicit(&run->checked[index], memory_order_acquire);
    if (before != RUN_UNREAD) return before == RUN_DAMAGED ? NULL : at;
    /* Blocks carry their own checksums: one event's properties should not cost reading a part's. */
    bool sound = kind == RUN_BLOCKS || hash_bytes(at, section->length, 0) == section->checksum;
    if (sound && kind >= RUN_PART_SECTIONS)
        sound = column_is_sound(run, part, kind - RUN_PART_SECTIONS, at);
    if (sound && kind == RUN_BLOCK_INDEX) sound = index_is_sound(run, part, at);
    if (sound)
        atomic_store_explicit(&run->checked[index], RUN_SOUND, memory_order_release);
    else
        note_damage(run, index, RUN_DAMAGED);
    return sound ? at : NULL;
}

void run_block_cache_init(struct run_block_cache *cache) {
    *cache = (struct run_block_cache){0};
    buffer_init(&cache->bytes);
}

void run_block_cache_release(struct run_block_cache *cache) {
    buffer_release(&cache->bytes);
    cache->run = NULL;
}

static enum status block_damaged(const struct run *run, uint32_t part) {
    note_damage(run, (uint64_t)part * run->sections_a_part + RUN_BLOCKS, RUN_BLOCK_DAMAGED);
    return STATUS_CORRUPT;
}

static enum status load_block(struct run_block_cache *cache, const struct run *run, uint32_t part,
                              uint32_t row) {
    const struct run_block *block = (const struct run_block *)run_bytes(run, part, RUN_BLOCK_INDEX);
    const uint8_t *stored = run_bytes(run, part, RUN_BLOCKS);
    if (block == NULL || stored == NULL) return STATUS_CORRUPT;
    size_t count = run_section_of(run, part, RUN_BLOCK_INDEX)->length / sizeof *block - 1, low = 0,
           high = count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (block[middle].row <= row) {
            low = middle;
        } else {
            high = middle;
        }
    }
    block += low;
    uint64_t length = block[1].offset - block[0].offset;
    cache->run = NULL;
    buffer_clear(&cache->bytes);
    enum status status = buffer_reserve(&cache->bytes, block->raw_length);
    if (status != STATUS_OK) return status;
    const char *from = (const char *)stored + block->offset;
    if (length > block->raw_length || crc32c(0, from, length) != block->checksum)
        return block_damaged(run, part);
    if (length == block->raw_length) {
        memcpy(cache->bytes.at, from, length);
    } else if (LZ4_decompress_safe(from, cache->bytes.at, (int)length, (int)block->raw_length) !=
               (int)block->raw_length) {
        return block_damaged(run, part);
    }
    cache->bytes.length = block->raw_length;
    cache->run = run;
    cache->part = part;
    cache->row_first = block->row;
    cache->row_count = (low + 1 == count ? run->parts[part].row_count : block[1].row) - block->row;
    cache->at_row = 0;
    cache->at_offset = cache->row_count * 2;
    return STATUS_OK;
}

static enum status packed_of_block(struct run_block_cache *cache, const struct run *run,
                                   uint32_t part, uint32_t row, struct text *packed) {
    *packed = (struct text){0};
    if (cache->run != run || cache->part != part || row - cache->row_first >= cache->row_count) {
        enum status status = load_block(cache, run, part, row);
        if (status != STATUS_OK) return status;
    }
    const uint16_t *lengths = (const uint16_t *)cache->bytes.at;
    uint32_t wanted = row - cache->row_first;
    if (wanted < cache->at_row) {
        cache->at_row = 0;
        cache->at_offset = cache->row_count * 2;
    }
    for (; cache->at_row < wanted; cache->at_row++) cache->at_offset += lengths[cache->at_row];
    if (cache->at_offset + (uint64_t)lengths[wanted] > cache->bytes.length)
        return block_damaged(run, part);
    *packed = (struct text){cache->bytes.at + cache->at_offset, lengths[wanted]};
    return STATUS_OK;
}

/* From the whole column. False: the row is not in it, or the column is damaged; its block tells
 * then. */
static bool whole_of(const struct run *run, uint32_t part, uint32_t row, struct text *packed) {
    if (run->whole_column == ID_NONE) return false;
    uint32_t kind = RUN_PART_SECTIONS + run->whole_column;
    const struct run_section *section = run_section_of(run, part, kind);
    if (section->encoding == RUN_ABSENT) return false;
    const uint8_t *at = run_bytes(run, part, kind), *heap = run_bytes(run, part, RUN_HEAP);
    if (at == NULL || heap == NULL) return false;
    uint64_t cell = row;
    if (section->encoding == RUN_SPARSE) {
        uint64_t words = ((uint64_t)run->parts[part].row_count + 63) / 64,
                 bits = ((const uint64_t *)at)[row / 64], bit = UINT64_C(1) << (row % 64);
        if ((bits & bit) == 0) return false;
        const uint32_t *rank = (const uint32_t *)(at + words * 8);
        cell = rank[row / 64] + bits_count(bits & (bit - 1));
        at += words * 8 + ((words * 4 + 7) & ~UINT64_C(7));
    }
    uint64_t text = ((const uint64_t *)at)[cell];
    if (text == CELL_NO_TEXT) return false;
    *packed = (struct text){(const char *)heap + (text >> 16), (uint32_t)(text & 0xffff)};
    return true;
}

enum status run_packed(struct run_block_cache *cache, const struct run *run, uint32_t part,
                       uint32_t row, struct text *packed) {
    return whole_of(run, part, row, packed) ? STATUS_OK
                                            : packed_of_block(cache, run, part, row, packed);
}

enum status run_row_get(struct run_block_cache *cache, const struct run *run, uint32_t part,
                        uint32_t row, uint32_t persona, struct run_row *out) {
    const uint8_t *at[RUN_KEY + 1];
    for (uint32_t kind = RUN_TIME; kind <= RUN_KEY; kind++) {
        at[kind] = run_bytes(run, part, kind);
        if (at[kind] == NULL) return STATUS_CORRUPT;
    }
    const struct run_section *section = run_section_of(run, part, 0);
    out->persona = persona;
    out->time_ms = ((const int64_t *)at[RUN_TIME])[row];
    out->type = ((const uint16_t *)at[RUN_TYPE])[row];
    out->channel = at[RUN_CHANNEL][row];
    int64_t lag_ms = run_narrow(&section[RUN_LAG], at[RUN_LAG], row);
    out->known_ms = (int64_t)((uint64_t)out->time_ms + (uint64_t)lag_ms);
    out->position = (uint64_t)run_narrow(&section[RUN_POSITION], at[RUN_POSITION], row);
    out->source = (uint16_t)run_narrow(&section[RUN_SOURCE], at[RUN_SOURCE], row);
    out->key = (uint64_t)run_narrow(&section[RUN_KEY], at[RUN_KEY], row);
    return packed_of_block(cache, run, part, row, &out->packed);
}
