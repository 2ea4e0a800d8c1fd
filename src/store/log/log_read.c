/* SPDX-License-Identifier: Apache-2.0 */
#include "store/log/log.h"

#include <stdio.h>
#include "store/stored_file.h"

/* May the frame stand at `expected` in a log? */
static bool fits(const struct frame_view *view, uint64_t expected) {
    if (view->position != expected) return false;
    return view->flags & FRAME_MARK ? view->span == 0 : view->span == 1 + view->event_count;
}

/* Is there, behind a bad frame at `expected`, a sound one that knew it to be durable? Only then was
 * the bad one ever whole on the disk. */
static bool was_durable(const uint8_t *bytes, size_t length, uint64_t expected) {
    const uint32_t magic = FRAME_MAGIC;
    for (size_t at = 0; at + FRAME_HEADER_BYTES <= length;) {
        const uint8_t *found = memmem(bytes + at, length - at, &magic, sizeof(magic));
        if (!found) return false;
        at = (size_t)(found - bytes);
        struct frame_view view;
        size_t frame_bytes;
        enum status status = frame_read(found, length - at, &view, &frame_bytes);
        bool sound = status == STATUS_OK || status == STATUS_VERSION;
        if (sound && view.durable > expected && view.position >= view.durable) return true;
        at += sound ? frame_bytes : 1;
    }
    return false;
}

static enum status judge_bad_frame(const uint8_t *bytes, size_t length, size_t at, enum status why,
                                   uint64_t expected, const char *path, struct error *error) {
    if (why == STATUS_VERSION)
        return error_set(error, why, "%s: byte %zu: a newer program wrote this: use that program",
                         path, at);
    if (at < length && was_durable(bytes + at + 1, length - at - 1, expected))
        return error_set(error, STATUS_CORRUPT,
                         "%s: byte %zu: the frame at position %llu is damaged and sound ones "
                         "follow it: nothing was "
                         "changed; restore this file from a backup",
                         path, at, (unsigned long long)expected);
    return STATUS_OK;
}

enum status log_visit_bytes(const uint8_t *bytes, size_t length, const char *path, uint64_t first,
                            uint64_t from, log_visit_fn *visit, void *context, uint64_t *end,
                            size_t *good, uint64_t *durable, struct error *error) {
    *end = first;
    *durable = first;
    *good = STORED_HEADER_BYTES;
    enum status status = stored_header_check(bytes, length, STORED_LOG, first, path, error);
    while (status == STATUS_OK) {
        struct frame_view view;
        size_t frame_bytes;
        status = frame_read(bytes + *good, length - *good, &view, &frame_bytes);
        if (status == STATUS_OK && !fits(&view, *end)) status = STATUS_CORRUPT;
        if (status == STATUS_END) return STATUS_OK;
        if (status) return judge_bad_frame(bytes, length, *good, status, *end, path, error);
        if (view.position >= from && !(view.flags & FRAME_MARK))
            status = visit(context, &view, error);
        if (status) return status;
        if (view.durable > *durable) *durable = view.durable;
        *end += view.span;
        *good += frame_bytes;
    }
    return status;
}

enum status log_segments(struct file_system *fs, const char *directory, struct buffer *firsts,
                         size_t *count, uint64_t *bytes, struct error *error) {
    char folder[FILE_PATH_MAX];
    *count = 0;
    if (bytes) *bytes = 0;
    if (snprintf(folder, sizeof(folder), "%s/log", directory) >= (int)sizeof(folder))
        return error_set(error, STATUS_LIMIT, "%s: the path is too long", directory);
    struct buffer names;
    buffer_init(&names);
    size_t name_count = 0;
    enum status status = directory_list(fs, folder, &names, &name_count, error);
    const char *name = names.at;
    for (size_t i = 0; status == STATUS_OK && i < name_count; i++, name += strlen(name) + 1) {
        uint64_t first, size = 0;
        if (!stored_number(name, "log", &first)) continue;
        if (buffer_append(firsts, &first, sizeof(first))) {
            status = error_set(error, STATUS_NO_MEMORY, "%s: no memory", folder);
            break;
        }
        (*count)++;
        if (!bytes) continue;
        char path[FILE_PATH_MAX];
        struct file *file = NULL;
        status = stored_path(path, directory, "log", first, "log", error);
        if (status == STATUS_OK) status = file_open(fs, path, FILE_READ, &file, error);
        if (status == STATUS_OK) status = file_size(file, &size, error);
        file_close(file);
        if (status == STATUS_NOT_FOUND) status = STATUS_OK; /* dropped meanwhile */
        *bytes += size;
    }
    buffer_release(&names);
    return status;
}

struct range {
    uint64_t from, to;
    log_visit_fn *visit;
    void *context;
};

static enum status visit_in_range(void *context, const struct frame_view *view,
                                  struct error *error) {
    const struct range *range = context;
    if (view->position >= range->to) return STATUS_END;
    return range->visit(range->context, view, error);
}

/* Reads a segment up to range->to, which the segment must reach. */
static enum status visit_segment(struct file_system *fs, const char *directory, uint64_t first,
                                 const struct range *range, struct error *error) {
    char path[FILE_PATH_MAX];
    struct file_mapping mapping;
    enum status status = stored_path(path, directory, "log", first, "log", error);
    if (status == STATUS_OK) status = file_map(fs, path, &mapping, error);
    if (status) return status;
    uint64_t end, durable;
    size_t good;
    status = log_visit_bytes(mapping.at, mapping.length, path, first, range->from, visit_in_range,
                             (void *)(uintptr_t)range, &end, &good, &durable, error);
    file_unmap(fs, &mapping);
    if (status == STATUS_END) return STATUS_OK;
    if (status == STATUS_OK && end < range->to)
        return error_set(error, STATUS_CORRUPT,
                         "%s: byte %zu: the frame at position %llu is damaged: nothing was "
                         "changed; restore this file "
                         "from a backup",
                         path, good, (unsigned long long)end);
    return status;
}

enum status log_visit(struct file_system *fs, const char *directory, uint64_t from, uint64_t to,
                      log_visit_fn *visit, void *context, struct error *error) {
    if (from >= to) return STATUS_OK;
    struct buffer firsts;
    buffer_init(&firsts);
    size_t count = 0;
    enum status status = log_segments(fs, directory, &firsts, &count, NULL, error);
    const uint64_t *first = (const uint64_t *)(const void *)firsts.at;
    if (status == STATUS_OK && (count == 0 || first[0] > from))
        status =
            error_set(error, STATUS_CORRUPT,
                      "%s/log: the segment with position %llu is missing: restore it from a backup",
                      directory, (unsigned long long)from);
    for (size_t i = 0; status == STATUS_OK && i < count && first[i] < to; i++) {
        uint64_t next = i + 1 < count ? first[i + 1] : UINT64_MAX;
        if (next <= from) continue;
        struct range range = {from, next < to ? next : to, visit, context};
        status = visit_segment(fs, directory, first[i], &range, error);
    }
    buffer_release(&firsts);
    return status;
}
