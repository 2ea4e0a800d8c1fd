/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/file/job.h"

#include "base/memory.h"
#include "ingest/file/scan.h"

void job_init(struct job *job) {
    *job = (struct job){0};
    buffer_init(&job->bytes);
    event_batch_init(&job->batch);
}

void job_release(struct job *job) {
    buffer_release(&job->bytes);
    memory_free(job->rows);
    event_batch_release(&job->batch);
    *job = (struct job){0};
}

void job_clear(struct job *job) {
    buffer_clear(&job->bytes);
    job->row_count = 0;
    event_batch_clear(&job->batch);
    job->disagreeing_rows = job->quarantined_rows = job->no_keys = 0;
    job->undeclared_events = job->undeclared_left = 0;
    job->near.events = 0;
    job->cut_rows = job->swallowing_rows = job->enclosed_line = 0;
    job->held_last = false;
    job->status = STATUS_OK;
    job->truncation[0] = 0;
}

enum status job_add(struct job *job, const char *at, size_t length, uint64_t line, uint32_t flags) {
    enum status status = buffer_reserve(&job->bytes, length + SCAN_PADDING);
    if (status) return status;
    status =
        memory_grow((void **)&job->rows, &job->row_capacity, job->row_count + 1, sizeof *job->rows);
    if (status) return status;
    job->rows[job->row_count++] =
        (struct row){line, (uint32_t)job->bytes.length, (uint32_t)length, flags};
    memcpy(job->bytes.at + job->bytes.length, at, length);
    job->bytes.length += length;
    memset(job->bytes.at + job->bytes.length, 0, SCAN_PADDING);
    return STATUS_OK;
}
