/* SPDX-License-Identifier: Apache-2.0 */
/* ingest/file/head.h -- what stands before the rows of a CSV file: which delimiter, which columns.
 * */
#ifndef INGEST_FILE_HEAD_H
#define INGEST_FILE_HEAD_H

#include "base/arena.h"
#include "ingest/file/cutter.h"
#include "playbook/playbook.h"

struct head {
    char delimiter;
    bool quotes; /* a quote at the beginning of a field encloses it */
    /* The file holds nothing, or nothing but blank lines: no columns. The cutter's truncation says
     * whether that is because it was cut off. */
    bool empty;
    /* The line as it came, with a line sep= before it; empty where the source has none. */
    struct text header;
    const struct text *columns; /* trimmed names: of the header, declared, or c1, c2 … */
    uint32_t column_count;
};

/* Sets the cutter's format and takes the header row. Texts live in the arena. Errors are of the
 * whole file. For NDJSON: nothing but the format. */
enum status head_read(struct head *head, struct cutter *cutter, const struct source *source,
                      struct arena *arena, struct error *error) MUST_USE;

#endif
