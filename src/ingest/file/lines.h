/* SPDX-License-Identifier: Apache-2.0 */
/* ingest/file/lines.h -- the rows of an event of several rows, kept beside it.
 *
 * The rows of one event may come in several loads. When one more row comes, the event is made again
 * from all of its rows, so the earlier rows must be kept. They are kept in the property
 * INGEST_ROWS_PROPERTY, a list of texts whose name no expression can write. For CSV the list holds
 * a header of the columns that the mapping reads and then each row's cells, with commas between;
 * for NDJSON it holds the lines. */
#ifndef INGEST_FILE_LINES_H
#define INGEST_FILE_LINES_H

#include "event/symbol.h"

#define INGEST_ROWS_PROPERTY SYMBOL_KEPT_ROWS

/* Appends one field of a CSV row, quoted where it must be. */
enum status lines_put_field(struct buffer *out, struct text field, bool first) MUST_USE;
/* Appends a CSV row that was kept under the header `from` as a row under the header `to`. A column
 * that `from` does not have is empty. */
enum status lines_project(struct text from, struct text row, struct text to,
                          struct buffer *out) MUST_USE;

#endif
