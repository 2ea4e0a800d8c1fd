/* SPDX-License-Identifier: Apache-2.0 */
#include "store/log/log.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include "base/memory.h"
#include "store/stored_file.h"

struct log {
    struct file_system *fs;
    struct file *file; /* the segment that grows; NULL until something is appended. See syncing */
    uint64_t length;   /* of the segment, in bytes; the writer's */
    _Atomic uint64_t end, durable;
    _Atomic uint64_t growing_first; /* first position of the segment that grows, or will */
    _Atomic bool failed;
    bool read_only;
    bool has_no_windows;   /* they can't be had, or don't show what was written */
    struct log_place last; /* the writer's; it holds the window */
    /* Held while `file` is synced or becomes another one, so that the writer appends while a sync
     * runs, and the file of a running sync stays open. */
    pthread_mutex_t syncing;
    char path[FILE_PATH_MAX];
    char directory[FILE_PATH_MAX];
};

/* Notes where the frame, written at this byte of the segment, can be read. */
static void note_place(struct log *log, const struct buffer *frame, uint64_t offset) {
    struct log_place *last = &log->last;
    if (log->has_no_windows) return;
    last->at = log_window_at(last->window, offset, frame->length);
    if (!last->at) {
        log_window_dereference(last->window);
        last->window = log_window_create(log->fs, log->path, offset, frame->length);
        last->at = log_window_at(last->window, offset, frame->length);
    }
    if (last->at && log_window_shows(last->at, frame->at, frame->length)) return;
    log->has_no_windows = true;
    log_window_dereference(last->window);
    *last = (struct log_place){0};
}

/* The segment that grows is another one. */
static void forget_place(struct log *log) {
    log_window_dereference(log->last.window);
    log->last = (struct log_place){0};
}

/* Creates the segment of these frames, or of none yet; it appears under its name only when it is
 * whole and synced. */
static enum status create_segment(struct log *log, uint64_t first, struct text frames,
                                  struct error *error) {
    char folder[FILE_PATH_MAX];
    enum status status = stored_path(log->path, log->directory, "log", first, "log", error);
    if (status == STATUS_OK) status = file_parent(log->path, folder, error);
    if (status) return status;
    struct buffer bytes;
    buffer_init(&bytes);
    uint8_t header[STORED_HEADER_BYTES];
    stored_header(header, STORED_LOG, first);
    if (buffer_append(&bytes, header, sizeof(header)) ||
        (frames.length && buffer_append(&bytes, frames.at, frames.length)))
        status = error_set(error, STATUS_NO_MEMORY, "%s: no memory to create it", log->path);
    if (status == STATUS_OK)
        status = file_replace(log->fs, log->path, bytes.at, bytes.length, error);
    log->length = bytes.length;
    buffer_release(&bytes);
    struct file *file = NULL;
    if (status == STATUS_OK) status = file_open(log->fs, log->path, FILE_APPEND, &file, error);
    if (status) return status;
    forget_place(log);
    pthread_mutex_lock(&log->syncing);
    log->file = file;
    pthread_mutex_unlock(&log->syncing);
    atomic_store(&log->growing_first, first);
    return STATUS_OK;
}

static enum status refuse_failed(const struct log *log, struct error *error) {
    return error_set(error, STATUS_IO,
                     "%s: an earlier write or sync of the log failed: check the disk, then start "
                     "the program again",
                     log->directory);
}

/* Frames that nothing proves to be on the disk are written once more (log.h). */
static enum status secure_unproven(struct log *log, const uint8_t *bytes, size_t good,
                                   uint64_t durable, struct error *error) {
    size_t at = STORED_HEADER_BYTES;
    uint64_t first = log->end;
    struct frame_view view;
    size_t frame_bytes;
    for (; at < good; at += frame_bytes) {
        if (frame_read(bytes + at, good - at, &view, &frame_bytes))
            return error_set(error, STATUS_CORRUPT, "%s: changed while it was read", log->path);
        if (view.position < durable || (view.flags & FRAME_MARK)) continue;
        first = view.position;
        break;
    }
    if (at == good) return STATUS_OK;
    if (good - at > UINT32_MAX)
        return error_set(error, STATUS_LIMIT, "%s: more than 4 GB were never synced", log->path);
    return create_segment(log, first,
                          (struct text){(const char *)bytes + at, (uint32_t)(good - at)}, error);
}

static enum status recover_last(struct log *log, uint64_t first, const struct log_options *options,
                                struct error *error) {
    struct file_mapping mapping;
    enum status status = stored_path(log->path, log->directory, "log", first, "log", error);
    if (status == STATUS_OK) status = file_map(log->fs, log->path, &mapping, error);
    if (status) return status;
    uint64_t durable;
    size_t good;
    uint64_t end;
    status = log_visit_bytes(mapping.at, mapping.length, log->path, first, options->first_position,
                             options->on_frame, options->context, &end, &good, &durable, error);
    log->end = end;
    if (status == STATUS_OK && !log->read_only)
        status = secure_unproven(log, mapping.at, good, durable, error);
    file_unmap(log->fs, &mapping);
    return status;
}

/* Segments below the first position are left over from a fold that was cut short before it dropped
 * them: a fold always ends where a segment ends, so they are passed over whole. */
static enum status recover(struct log *log, const struct log_options *options,
                           struct error *error) {
    struct buffer firsts;
    buffer_init(&firsts);
    size_t count = 0;
    enum status status = log_segments(log->fs, log->directory, &firsts, &count, NULL, error);
    const uint64_t *first = (const uint64_t *)(const void *)firsts.at;
    uint64_t last = status == STATUS_OK && count ? first[count - 1] : 0;
    bool any = count > 0 && last >= options->first_position;
    if (status == STATUS_OK && any)
        status = log_visit(log->fs, log->directory, options->first_position, last,
                           options->on_frame, options->context, error);
    if (status == STATUS_OK && any) status = recover_last(log, last, options, error);
    buffer_release(&firsts);
    return status;
}

enum status log_open(struct log **out, const struct log_options *options, struct error *error) {
    *out = NULL;
    struct log *log = memory_calloc(1, sizeof(*log));
    if (!log)
        return error_set(error, STATUS_NO_MEMORY, "%s: no memory to open the log",
                         options->directory);
    log->fs = options->fs;
    log->read_only = options->read_only;
    log->end = options->first_position;
    pthread_mutex_init(&log->syncing, NULL);
    enum status status = STATUS_OK;
    if (strlen(options->directory) >= sizeof(log->directory))
        status = error_set(error, STATUS_LIMIT, "the path of the data directory is too long");
    else
        memcpy(log->directory, options->directory, strlen(options->directory) + 1);
    if (status == STATUS_OK) status = recover(log, options, error);
    if (status) {
        file_close(log->file);
        pthread_mutex_destroy(&log->syncing);
        memory_free(log);
        return status;
    }
    log->durable = log_end(log);
    if (!log->file) atomic_store(&log->growing_first, log_end(log));
    *out = log;
    return STATUS_OK;
}

void log_close(struct log *log) {
    if (!log) return;
    struct error ignored;
    if (log->file && !log->failed && log_sync(log, &ignored) == STATUS_OK) {
        /* Lost with a power cut, the mark is not missed: it only proves that the last frames were
         * durable. */
        uint8_t mark[FRAME_MARK_BYTES];
        frame_mark(mark, log->end);
        (void)!file_write(log->file, mark, sizeof(mark), &ignored);
    }
    forget_place(log);
    file_close(log->file);
    pthread_mutex_destroy(&log->syncing);
    memory_free(log);
}

enum status log_append(struct log *log, struct buffer *frame, bool sync, uint64_t *position,
                       struct error *error) {
    if (log->failed) return refuse_failed(log, error);
    if (log->read_only)
        return error_set(error, STATUS_READ_ONLY, "%s: was opened for reading only",
                         log->directory);
    enum status status =
        log->file ? STATUS_OK : create_segment(log, log->end, (struct text){0}, error);
    if (status) return status;
    uint64_t at = log_end(log);
    frame_seal(frame->at, at, atomic_load(&log->durable));
    struct frame_view written;
    memcpy(&written.span, frame->at + 12, sizeof(written.span));
    status = file_write(log->file, frame->at, frame->length, error);
    if (status) {
        struct error ignored;
        if (file_truncate(log->file, log->length, &ignored) != STATUS_OK)
            atomic_store(&log->failed, true);
        return status;
    }
    *position = at;
    note_place(log, frame, log->length);
    log->length += frame->length;
    atomic_store_explicit(&log->end, at + written.span, memory_order_release);
    return sync ? log_sync(log, error) : STATUS_OK;
}

struct log_place log_last_frame(const struct log *log) {
    return log->last;
}

/* Under `syncing`. */
static enum status sync_file(struct log *log, struct error *error) {
    uint64_t end = log_end(log);
    if (log->failed) return refuse_failed(log, error);
    if (!log->file || log->durable == end) return STATUS_OK;
    enum status status = file_sync(log->file, error);
    if (status) {
        atomic_store(&log->failed, true);
        return status == STATUS_DISK_FULL ? status : STATUS_IO;
    }
    atomic_store_explicit(&log->durable, end, memory_order_release);
    return STATUS_OK;
}

enum status log_sync(struct log *log, struct error *error) {
    pthread_mutex_lock(&log->syncing);
    enum status status = sync_file(log, error);
    pthread_mutex_unlock(&log->syncing);
    return status;
}

uint64_t log_end(const struct log *log) {
    return atomic_load_explicit(&log->end, memory_order_acquire);
}

const _Atomic uint64_t *log_durable(const struct log *log) {
    return &log->durable;
}

bool log_has_failed(const struct log *log) {
    return atomic_load(&log->failed);
}

enum status log_rotate(struct log *log, struct error *error) {
    enum status status = log_sync(log, error);
    if (status) return status;
    pthread_mutex_lock(&log->syncing);
    file_close(log->file);
    log->file = NULL;
    pthread_mutex_unlock(&log->syncing);
    forget_place(log);
    atomic_store(&log->growing_first, log_end(log));
    return STATUS_OK;
}

enum status log_drop(struct log *log, uint64_t position, struct error *error) {
    uint64_t growing = atomic_load(&log->growing_first);
    struct buffer firsts;
    buffer_init(&firsts);
    size_t count = 0;
    enum status status = log_segments(log->fs, log->directory, &firsts, &count, NULL, error);
    const uint64_t *first = (const uint64_t *)(const void *)firsts.at;
    char path[FILE_PATH_MAX], folder[FILE_PATH_MAX];
    for (size_t i = 0; status == STATUS_OK && i < count && first[i] < growing; i++) {
        uint64_t next = i + 1 < count ? first[i + 1] : growing;
        if (next > position) break;
        status = stored_path(path, log->directory, "log", first[i], "log", error);
        if (status == STATUS_OK) status = file_remove(log->fs, path, error);
    }
    buffer_release(&firsts);
    if (status) return status;
    status = stored_path(path, log->directory, "log", 0, "log", error);
    if (status == STATUS_OK) status = file_parent(path, folder, error);
    return status ? status : directory_sync(log->fs, folder, error);
}
