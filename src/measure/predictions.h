/* SPDX-License-Identifier: Apache-2.0 */
/* measure/predictions.h -- what somebody else predicts: a CSV file with one row a (treatment,
 * customer), or a (treatment, customer, time) where it has a column `time`, and a column of chances
 * from 0 to 1.
 *
 *   treatment,customer,prediction
 *   mail_campaign/18,1029,0.31
 *
 * The file has a line of headings; further columns are left alone. A customer is C123, or named by
 * the value of one of its identifiers, as in the files that were loaded. A time is that of the
 * treatment in ISO 8601, UTC where it has no offset. A cell has no comma, also not within quotes.
 * Read once, then used by any thread. */
#ifndef MEASURE_PREDICTIONS_H
#define MEASURE_PREDICTIONS_H

#include "base/file.h"

#define PREDICTIONS_BYTES_MAX      ((size_t)1 << 30)
#define PREDICTIONS_NAME_BYTES_MAX 128

struct predictions;
/* `name` is FILE, or FILE:COLUMN where the column is not called "prediction"; a colon in a folder's
 * name is none. A wrong line is told by FILE:LINE and nothing is returned; so is a row that
 * is there twice with two chances, since none of them is known to be the right one. */
enum status predictions_read(struct predictions **out, struct file_system *fs, const char *name,
                             struct error *error) MUST_USE;
void predictions_destroy(struct predictions *predictions);
/* "COLUMN of FILE", for people. */
const char *predictions_name(const struct predictions *predictions);
size_t predictions_count(const struct predictions *predictions);
/* False where the file says nothing of them. `time_ms` is the treatment's; it counts where the file
 * has times. */
bool predictions_find(const struct predictions *predictions, struct text treatment,
                      struct text customer, int64_t time_ms, double *chance);

#endif
