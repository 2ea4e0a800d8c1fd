/* SPDX-License-Identifier: Apache-2.0 */
/* store/run/run_blocks.h -- writes packed properties into small compressed blocks, row after row.
 */
#ifndef STORE_RUN_RUN_BLOCKS_H
#define STORE_RUN_RUN_BLOCKS_H

#include "store/run/run_file.h"

struct run_blocks {
    struct buffer stored; /* block after block */
    struct buffer index;  /* struct run_block; after finish one more, for the end */
    struct buffer packed; /* of the block under way */
    struct buffer raw;
    uint16_t lengths[RUN_BLOCK_BYTES / 2];
    uint32_t row, count; /* the block's first row, its rows */
    uint64_t packed_bytes;
};
void run_blocks_init(struct run_blocks *blocks);
void run_blocks_release(struct run_blocks *blocks);
void run_blocks_clear(struct run_blocks *blocks);
enum status run_blocks_add(struct run_blocks *blocks, uint32_t row, struct text packed) MUST_USE;
enum status run_blocks_finish(struct run_blocks *blocks) MUST_USE;

#endif
