/* SPDX-License-Identifier: Apache-2.0 */
/* ingest/lines.h -- the rows of an event of several rows, kept beside it.
 *
 * An event whose rows may come in several loads is made again from all of its rows when one more of
 * them comes. So it has a property INGEST_ROWS_PROPERTY, a list of texts, whose name no expression
 * can say: of CSV the header of the columns that the mapping reads and then each row's cells, with
 * commas between; of NDJSON the lines. */
#ifndef INGEST_LINES_H
#define INGEST_LINES_H

#include "event/symbol.h"

#define INGEST_ROWS_PROPERTY SYMBOL_KEPT_ROWS

/* Appends one field of a CSV row, quoted where it must be. */
enum status lines_put_field(struct buffer *out, struct text field, bool first) MUST_USE;
/* Appends a row of CSV that stood under the header `from`, as one that stands under `to`: a column
 * that it does not have is empty. */
enum status lines_project(struct text from, struct text row, struct text to,
                          struct buffer *out) MUST_USE;

#endif
