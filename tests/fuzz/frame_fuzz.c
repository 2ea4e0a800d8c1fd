/* SPDX-License-Identifier: Apache-2.0 */
/* A log segment of arbitrary frames. The checksums would stop every mutation, so they are put right
 * first: what lies behind them must hold as well. */
#include "fuzz.h"

#include <string.h>
#include "base/memory.h"
#include "store/log/log.h"
#include "store/stored_file.h"

static enum status visit(void *context, const struct frame_view *view, struct error *error) {
    struct event_batch batch;
    event_batch_init(&batch);
    (void)context;
    (void)error;
    if (frame_events(view, &batch) == STATUS_OK) fuzz_check(batch.event_count == view->event_count);
    struct text records = view->records, rows = view->rows, changes = view->changes, bytes;
    struct key_change change;
    while (frame_next_change(&changes, &change) == STATUS_OK) fuzz_check(change.key.low != 0);
    struct stored_row row;
    uint8_t kind;
    while (frame_next_record(&records, &kind, &bytes) == STATUS_OK) {
    }
    while (frame_next_row(&rows, &row) == STATUS_OK) {
    }
    event_batch_release(&batch);
    return STATUS_OK;
}

/* Seals every frame as far as its length reaches, each at the position where the one before ends.
 */
static void seal_all(uint8_t *bytes, size_t length) {
    uint64_t position = 0;
    for (size_t at = STORED_HEADER_BYTES; at + FRAME_HEADER_BYTES <= length;) {
        const uint32_t magic = FRAME_MAGIC;
        uint32_t payload, span;
        memcpy(&payload, bytes + at + 8, 4);
        if (payload > length - at - FRAME_HEADER_BYTES)
            payload = (uint32_t)(length - at - FRAME_HEADER_BYTES);
        memcpy(bytes + at, &magic, 4);
        memcpy(bytes + at + 8, &payload, 4);
        memcpy(&span, bytes + at + 12, 4);
        frame_seal(bytes + at, position, position);
        position += span;
        at += FRAME_HEADER_BYTES + payload;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    if (length < STORED_HEADER_BYTES) return 0;
    uint8_t *copy = memory_alloc(length);
    if (!copy) return 0;
    memcpy(copy, bytes, length);
    for (int sealed = 0; sealed < 2; sealed++) {
        stored_header(copy, STORED_LOG, 0);
        if (sealed) seal_all(copy, length);
        uint64_t end, durable;
        size_t good = 0;
        struct error error;
        (void)!log_visit_bytes(copy, length, "log", 0, 0, visit, NULL, &end, &good, &durable,
                               &error);
        fuzz_check(good <= length);
    }
    memory_free(copy);
    return 0;
}
