/* SPDX-License-Identifier: Apache-2.0 */
/* store/log/log.h -- the log: what arrived, in order. Until a fold it is the only truth. Its
 * functions would serve for Kafka as well as for local files.
 *
 *   log/00000000000000000000.log   a segment, named by its first position: frames (frame.h), one
 *   log/00000000000004000800.log   after the other, up to where the next segment begins
 *
 * Recovery reads the frames from `first_position` on. In the last segment a bad frame is a torn
 * tail where nothing stands behind it, or only frames that were written before the bad one was
 * known to be durable. It was never acknowledged, so it is cut. A bad frame that a later frame knew
 * to be durable is damage: STATUS_CORRUPT with file and byte, and nothing is changed. After a
 * crash, frames that no later frame knew to be durable may stand in the page cache alone (a failed
 * sync marks its pages clean): they are copied to a new segment and synced before anything follows
 * them. A segment changes only at its end.
 *
 * Threads: one writer; log_sync, log_drop and log_visit may run beside it in other threads. The
 * writer appends while a sync runs; that sync makes durable what was written before it began. */
#ifndef STORE_LOG_LOG_H
#define STORE_LOG_LOG_H

#include "store/log/frame.h"
#include "store/log/log_window.h"

struct log;
typedef enum status log_visit_fn(void *context, const struct frame_view *view, struct error *error);

struct log_options {
    struct file_system *fs;
    const char *directory;   /* the data directory; segments are in its folder `log` */
    uint64_t first_position; /* frames below it are not needed any more */
    bool read_only;
    log_visit_fn *on_frame; /* every frame from first_position on, in order */
    void *context;
};
enum status log_open(struct log **out, const struct log_options *options,
                     struct error *error) MUST_USE;
void log_close(struct log *log);

/* Seals and writes one frame as frame_encode left it; durable on return where `sync`. After a
 * failed write nothing of it stays; after a failed sync, or a failed write that could not be
 * undone, every later call is STATUS_IO. *position: where it stands. */
enum status log_append(struct log *log, struct buffer *frame, bool sync, uint64_t *position,
                       struct error *error) MUST_USE;
/* Where the frame that log_append wrote last can be read, for as long as somebody has a reference
 * to the window. NULL: nowhere. The writer's. */
struct log_place {
    struct log_window *window;
    const uint8_t *at;
};
struct log_place log_last_frame(const struct log *log);
/* Any thread. */
enum status log_sync(struct log *log, struct error *error) MUST_USE;
/* The next frame's position. Any thread. */
uint64_t log_end(const struct log *log);
/* Every frame below this position is on the disk. Any thread may load it until log_close. */
const _Atomic uint64_t *log_durable(const struct log *log);
bool log_has_failed(const struct log *log); /* any thread */

/* Syncs; what follows goes to a new segment, so that log_drop(log_end()) can take all that stands
 * now. */
enum status log_rotate(struct log *log, struct error *error) MUST_USE;
/* Removes the segments that lie below `position` as a whole. Any thread. */
enum status log_drop(struct log *log, uint64_t position, struct error *error) MUST_USE;

/* Visits the frames at from ≤ position < to, which must have been written. Any thread; segments in
 * the range must not be dropped meanwhile. */
enum status log_visit(struct file_system *fs, const char *directory, uint64_t from, uint64_t to,
                      log_visit_fn *visit, void *context, struct error *error) MUST_USE;
/* Visits one segment's bytes, as recovery reads the last segment. *end: where the next frame would
 * stand; *good: the bytes up to there; *durable: the highest position that a frame knew to be
 * durable. */
enum status log_visit_bytes(const uint8_t *bytes, size_t length, const char *path, uint64_t first,
                            uint64_t from, log_visit_fn *visit, void *context, uint64_t *end,
                            size_t *good, uint64_t *durable, struct error *error) MUST_USE;
/* Appends the first positions of the segments to `firsts`, ascending, as uint64_t; *bytes: their
 * bytes together. */
enum status log_segments(struct file_system *fs, const char *directory, struct buffer *firsts,
                         size_t *count, uint64_t *bytes, struct error *error) MUST_USE;

#endif
