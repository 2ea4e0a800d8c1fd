/* SPDX-License-Identifier: Apache-2.0 */
/* Arbitrary bytes as a links and as a quarantine file, behind a sound header; frames as they come
 * and with their checksums put right. */
#include "fuzz.h"

#include <string.h>
#include "base/memory.h"
#include "event/symbol.h"
#include "store/stored_file.h"

static enum status visit(void *context, const struct frame_view *view, struct error *error) {
    struct symbols *symbols = context;
    (void)error;
    if (view->symbols.length) (void)!symbols_apply(symbols, view->symbols);
    struct text records = view->records, rows = view->rows, bytes;
    struct stored_row row;
    uint8_t kind;
    while (frame_next_record(&records, &kind, &bytes) == STATUS_OK) {
    }
    while (frame_next_row(&rows, &row) == STATUS_OK) {
    }
    return STATUS_OK;
}

static void seal_all(uint8_t *bytes, size_t length) {
    uint64_t position = 0;
    for (size_t at = STORED_HEADER_BYTES; at + FRAME_HEADER_BYTES <= length; position++) {
        const uint32_t magic = FRAME_MAGIC;
        uint32_t payload;
        memcpy(&payload, bytes + at + 8, 4);
        if (payload > length - at - FRAME_HEADER_BYTES)
            payload = (uint32_t)(length - at - FRAME_HEADER_BYTES);
        memcpy(bytes + at, &magic, 4);
        memcpy(bytes + at + 8, &payload, 4);
        frame_seal(bytes + at, position, position);
        at += FRAME_HEADER_BYTES + payload;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    if (length < STORED_HEADER_BYTES) return 0;
    uint8_t *copy = memory_alloc(length);
    if (!copy) return 0;
    memcpy(copy, bytes, length);
    for (int i = 0; i < 4; i++) {
        struct symbols *symbols;
        struct error error;
        enum stored_kind kind = i % 2 ? STORED_LINKS : STORED_QUARANTINE;
        if (i == 2) seal_all(copy, length);
        stored_header(copy, kind, 7);
        if (symbols_create(&symbols)) break;
        (void)!stored_visit_bytes(copy, length, "links", kind, 7, visit, symbols, &error);
        symbols_destroy(symbols);
    }
    memory_free(copy);
    return 0;
}
