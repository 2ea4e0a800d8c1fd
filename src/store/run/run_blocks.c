/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks have 4 KB and not 64, so that reading one event's properties does not decompress those of
 * a thousand others. */
#include "store/run/run_blocks.h"

#include <lz4.h>

#include "base/hash.h"

void run_blocks_init(struct run_blocks *blocks) {
    buffer_init(&blocks->stored);
    buffer_init(&blocks->index);
    buffer_init(&blocks->packed);
    buffer_init(&blocks->raw);
    run_blocks_clear(blocks);
}

void run_blocks_release(struct run_blocks *blocks) {
    buffer_release(&blocks->stored);
    buffer_release(&blocks->index);
    buffer_release(&blocks->packed);
    buffer_release(&blocks->raw);
}

void run_blocks_clear(struct run_blocks *blocks) {
    buffer_clear(&blocks->stored);
    buffer_clear(&blocks->index);
    buffer_clear(&blocks->packed);
    blocks->row = blocks->count = 0;
    blocks->packed_bytes = 0;
}

static enum status end_block(struct run_blocks *blocks) {
    if (blocks->count == 0) return STATUS_OK;
    buffer_clear(&blocks->raw);
    enum status status =
        buffer_append(&blocks->raw, blocks->lengths, blocks->count * sizeof blocks->lengths[0]);
    if (status == STATUS_OK && blocks->packed.length > 0) {
        status = buffer_append(&blocks->raw, blocks->packed.at, blocks->packed.length);
    }
    int raw_length = (int)blocks->raw.length, bound = LZ4_compressBound(raw_length);
    if (status == STATUS_OK) status = buffer_reserve(&blocks->stored, (size_t)bound);
    if (status != STATUS_OK) return status;
    char *at = blocks->stored.at + blocks->stored.length;
    int length = LZ4_compress_default(blocks->raw.at, at, raw_length, bound);
    if (length <= 0 || length >= raw_length) {
        memcpy(at, blocks->raw.at, blocks->raw.length);
        length = raw_length;
    }
    struct run_block block = {.offset = blocks->stored.length,
                              .row = blocks->row,
                              .raw_length = (uint32_t)raw_length,
                              .checksum = crc32c(0, at, (size_t)length)};
    status = buffer_append(&blocks->index, &block, sizeof block);
    if (status != STATUS_OK) return status;
    blocks->stored.length += (size_t)length;
    blocks->count = 0;
    buffer_clear(&blocks->packed);
    return STATUS_OK;
}

enum status run_blocks_add(struct run_blocks *blocks, uint32_t row, struct text packed) {
    if (packed.length > PACKED_BYTES_MAX) return STATUS_LIMIT;
    size_t length =
        (blocks->count + 1) * sizeof blocks->lengths[0] + blocks->packed.length + packed.length;
    if (length > RUN_BLOCK_BYTES && end_block(blocks) != STATUS_OK) return STATUS_NO_MEMORY;
    if (blocks->count == 0) blocks->row = row;
    if (packed.length > 0) {
        enum status status = buffer_append(&blocks->packed, packed.at, packed.length);
        if (status != STATUS_OK) return status;
    }
    blocks->lengths[blocks->count++] = (uint16_t)packed.length;
    blocks->packed_bytes += packed.length;
    return STATUS_OK;
}

enum status run_blocks_finish(struct run_blocks *blocks) {
    enum status status = end_block(blocks);
    struct run_block end = {.offset = blocks->stored.length, .row = UINT32_MAX};
    return status == STATUS_OK ? buffer_append(&blocks->index, &end, sizeof end) : status;
}
