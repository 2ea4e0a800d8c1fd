/* SPDX-License-Identifier: Apache-2.0 */
/* How many rows of its file a quarantined entry is made of. */
#include "ingest/file/head.h"
#include "ingest/ingest.h"

uint64_t ingest_raw_rows(const struct source *source, struct text raw) {
    struct cutter cutter;
    struct head head;
    struct arena arena;
    struct cut cut;
    struct error ignored;
    uint64_t rows = 0;
    if (source->one_event_per.length == 0 || raw.length == 0) return 1;
    arena_init(&arena, 4u * INGEST_ROW_BYTES_MAX);
    enum status status = cutter_open(&cutter, "quarantine", NULL, raw, &ignored);
    cutter.trusts_end = true;
    if (status == STATUS_OK) status = head_read(&head, &cutter, source, &arena, &ignored);
    while (status == STATUS_OK && (status = cutter_row(&cutter, &cut, &ignored)) == STATUS_OK)
        rows++;
    cutter_close(&cutter);
    arena_release(&arena);
    return rows > 0 ? rows : 1;
}
