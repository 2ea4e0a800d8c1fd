/* SPDX-License-Identifier: Apache-2.0 */
/* ingest/file/gather.h -- rows of one event that stand scattered through a file, brought together.
 *
 * Rows are kept as bytes, by the hash of their group's key, until the file ends. Then each group is
 * handed on as consecutive rows; groups come in the order of their first rows. Beyond `bytes_max`
 * the half of the groups whose last rows are oldest is handed on early. A row that comes later for
 * one of those is flagged ROW_GROUP_GONE. So a file that is sorted by its key is read at any size,
 * and no event is ever split in silence. One thread at a time may use a gather.
 *
 * Where the playbook leaves open whether row_key names a row or the whole event, the gather looks
 * at all of the file: of the groups of several rows, how many have rows with different keys, and
 * how many share one key? job.keys_name_rows is set where the first are more. */
#ifndef INGEST_FILE_GATHER_H
#define INGEST_FILE_GATHER_H

#include "ingest/file/cutter.h"
#include "ingest/map/plan.h"

struct gather;
enum status gather_create(struct gather **out, struct cutter *cutter, const struct plan *plan,
                          uint64_t bytes_max) MUST_USE;
void gather_destroy(struct gather *gather);
/* Fills a job with the next groups. OK with at least one, or END. */
enum status gather_job(struct gather *gather, struct job *job, uint32_t events_max,
                       struct error *error) MUST_USE;

#endif
