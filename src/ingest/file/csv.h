/* SPDX-License-Identifier: Apache-2.0 */
/* ingest/file/csv.h -- one CSV row to its fields. Pure but for the scratch arena; any thread. */
#ifndef INGEST_FILE_CSV_H
#define INGEST_FILE_CSV_H

#include "ingest/cell/cell.h"

#define CSV_TOO_MANY  UINT32_MAX /* more fields than `max` */
#define CSV_NO_MEMORY (UINT32_MAX - 1)

/* Fills cells with the row's fields and returns how many there are. Texts point into the row
 * (SCAN_PADDING bytes behind it must be readable), or, where "" stood for a quote, into the
 * scratch. `quoted`: the cutter saw a quote that opens a field. */
uint32_t csv_split(struct text row, char delimiter, bool quoted, struct arena *scratch,
                   struct cell *cells, uint32_t max);

/* How many lines of a quoted row would each be a whole row, if its quotes were characters: all of
 * them, or 0. */
uint32_t csv_swallowed_lines(struct text row, char delimiter, uint32_t columns);
#define CSV_SWALLOWED_REASON                                                                       \
    "a quoted field runs over %u line ends, and each of these %u lines would be a whole row: "     \
    "write quote: none where quotes are characters, or quote: '\"' where the field is right"

#endif
