/* SPDX-License-Identifier: Apache-2.0 */
#include "store/checkpoint.h"

#include <inttypes.h>

#include "base/log_line.h"
#include "base/memory.h"
#include "store/edit.h"

/* ---- reading ---- */

struct text store_checkpoint_frames(const struct image *image) {
    uint64_t length;
    const char *at = image_items(image, CHECKPOINT_FRAMES, 1, &length);
    return at && length <= UINT32_MAX ? (struct text){at, (uint32_t)length} : (struct text){0};
}

enum status store_checkpoint_visit(struct text frames,
                                   enum status (*visit)(void *context,
                                                        const struct frame_view *view,
                                                        struct error *error),
                                   void *context, struct error *error) {
    enum status status = STATUS_OK;
    const uint8_t *bytes = (const uint8_t *)frames.at;
    for (size_t at = 0, length; status == STATUS_OK && at < frames.length; at += length) {
        struct frame_view view;
        status = frame_read(bytes + at, frames.length - at, &view, &length);
        if (status)
            return error_set(error, STATUS_CORRUPT, "a frame of the checkpoint can't be read");
        if (visit) status = visit(context, &view, error);
    }
    return status;
}

enum status store_checkpoint_image(const struct store *store, struct image *image,
                                   struct error *error) {
    const struct manifest_checkpoint *named = &store->manifest.checkpoint;
    char path[FILE_PATH_MAX];
    enum status status =
        stored_path(path, store->directory, "links", named->number, "checkpoint", error);
    if (status == STATUS_OK) status = image_open_with_room(image, store->fs, path, error);
    if (status) return status;
    struct text frames = store_checkpoint_frames(image);
    if (image->contents != store->checkpoint.format)
        status = error_set(error, STATUS_VERSION, "%s: was written by another program", path);
    else if (image->position != named->position || !frames.at)
        status = error_set(error, STATUS_CORRUPT, "%s: is not the file that MANIFEST names", path);
    else
        status = store_checkpoint_visit(frames, NULL, NULL, error);
    if (status) image_close(image);
    return status;
}

static enum status first_position(struct file_system *fs, const char *directory, uint64_t number,
                                  uint64_t *position, struct error *error) {
    char path[FILE_PATH_MAX];
    struct file_mapping mapping;
    struct frame_view view;
    size_t length;
    enum status status = stored_path(path, directory, "links", number, "links", error);
    if (status == STATUS_OK) status = file_map(fs, path, &mapping, error);
    if (status == STATUS_NOT_FOUND)
        return error_set(error, STATUS_CORRUPT, "%s: is missing: restore it from a backup", path);
    if (status) return status;
    status = stored_header_check(mapping.at, mapping.length, STORED_LINKS, number, path, error);
    if (status == STATUS_OK) {
        status = frame_read(mapping.at + STORED_HEADER_BYTES, mapping.length - STORED_HEADER_BYTES,
                            &view, &length);
        if (status)
            status = error_set(error, STATUS_CORRUPT,
                               "%s: byte %u: damaged or cut: restore this file from a backup", path,
                               STORED_HEADER_BYTES);
        else
            *position = view.position;
    }
    file_unmap(fs, &mapping);
    return status;
}

enum status store_links_below(struct file_system *fs, const char *directory,
                              const struct manifest *manifest, uint64_t position, uint32_t *count,
                              struct error *error) {
    enum status status = STATUS_OK;
    *count = 0;
    for (uint32_t i = 0; status == STATUS_OK && i < manifest->links_count; i++) {
        uint64_t first = 0;
        status = first_position(fs, directory, manifest->links[i].number, &first, error);
        if (first <= position) *count = i; /* the file before it ends at or below */
    }
    if (manifest->position <= position) *count = manifest->links_count;
    return status;
}

/* ---- making ---- */

struct making {
    struct store *store;
    struct edit *edit;
    void *state;          /* the other room's */
    uint64_t position;    /* records below it are in the state */
    struct buffer frames; /* section 1 */
    struct buffer section;
};

/* Records of the kind go to the state, all else into section 1. */
static enum status take_frame(void *context, const struct frame_view *view, struct error *error) {
    struct making *making = context;
    const struct store_checkpoint_ops *ops = &making->store->checkpoint;
    struct frame_view parts = {
        .position = view->position, .span = view->span, .symbols = view->symbols};
    struct text left = view->records, bytes;
    enum status status;
    uint8_t kind;
    if (view->position < making->position) return STATUS_OK;
    buffer_clear(&making->section);
    while ((status = frame_next_record(&left, &kind, &bytes)) == STATUS_OK) {
        if (kind == ops->kind) {
            status = ops->add(making->state, bytes, view->position, error);
            if (status) return status;
            continue;
        }
        if (frame_put_record(&making->section, kind, bytes))
            return error_set(error, STATUS_NO_MEMORY, "no memory for a checkpoint");
        parts.record_count++;
    }
    if (status != STATUS_END)
        return error_set(error, STATUS_CORRUPT, "the records at position %" PRIu64 " can't be read",
                         view->position);
    if (parts.record_count == 0 && parts.symbols.length == 0) return STATUS_OK;
    parts.records = buffer_text(&making->section);
    size_t start = making->frames.length;
    status = frame_encode_parts(&making->frames, &parts, error);
    if (status == STATUS_OK) frame_seal(making->frames.at + start, view->position, view->position);
    return status;
}

/* The one before, where it can be used. */
static enum status begin(struct making *making, bool anew, struct error *error) {
    const struct store_checkpoint_ops *ops = &making->store->checkpoint;
    struct image image;
    if (anew || making->store->manifest.checkpoint.number == 0 ||
        store_checkpoint_image(making->store, &image, error))
        return ops->begin(ops->context, NULL, &making->state, error);
    enum status status = buffer_append_text(&making->frames, store_checkpoint_frames(&image));
    if (status)
        status = error_set(error, status, "no memory for a checkpoint");
    else
        status = ops->begin(ops->context, &image, &making->state, error);
    if (status == STATUS_OK) {
        making->position = making->store->manifest.checkpoint.position;
        return STATUS_OK;
    }
    image_close(&image);
    if (status == STATUS_NO_MEMORY) return status;
    buffer_clear(&making->frames);
    return ops->begin(ops->context, NULL, &making->state, error);
}

static enum status take_links(struct making *making, struct error *error) {
    const struct store *store = making->store;
    const struct manifest *manifest = &store->manifest;
    uint32_t first = 0;
    enum status status = STATUS_OK;
    if (making->position > 0)
        status = store_links_below(store->fs, store->directory, manifest, making->position, &first,
                                   error);
    for (uint32_t i = first; status == STATUS_OK && i < manifest->links_count; i++) {
        char path[FILE_PATH_MAX];
        uint64_t number = manifest->links[i].number;
        status = stored_path(path, store->directory, "links", number, "links", error);
        if (status == STATUS_OK)
            status = stored_visit(store->fs, path, STORED_LINKS, number, take_frame, making, error);
    }
    return status;
}

static uint64_t links_bytes(const struct manifest *manifest) {
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < manifest->links_count; i++) bytes += manifest->links[i].bytes;
    return bytes;
}

static enum status write_image(struct making *making, struct error *error) {
    const struct store_checkpoint_ops *ops = &making->store->checkpoint;
    struct manifest *next = &making->edit->next;
    struct image_writer writer = {0};
    char path[FILE_PATH_MAX];
    uint64_t number = edit_number(making->edit), bytes = 0;
    enum status status = edit_create(making->edit, "links", number, "checkpoint", path, error);
    if (status) return status;
    status =
        image_writer_open(&writer, making->store->fs, path, ops->format, next->position, error);
    if (status == STATUS_OK)
        status = image_put(&writer, CHECKPOINT_FRAMES, making->frames.at, making->frames.length, 1,
                           error);
    if (status == STATUS_OK) status = ops->write(making->state, &writer, error);
    if (status == STATUS_OK) status = image_finish(&writer, &bytes, error);
    image_writer_close(&writer);
    if (status == STATUS_OK && next->checkpoint.number)
        status = edit_obsolete(making->edit, "links", next->checkpoint.number, "checkpoint", error);
    next->checkpoint =
        (struct manifest_checkpoint){number, next->position, bytes, links_bytes(next)};
    return status;
}

static enum status make(struct store *store, bool anew, struct error *error) {
    struct making making = {.store = store};
    const struct store_checkpoint_ops *ops = &store->checkpoint;
    buffer_init(&making.frames);
    buffer_init(&making.section);
    enum status status = edit_begin(&making.edit, store, error);
    if (status == STATUS_OK) status = begin(&making, anew, error);
    if (status == STATUS_OK) status = take_links(&making, error);
    if (status == STATUS_OK) status = write_image(&making, error);
    if (making.state) ops->end(making.state);
    if (status == STATUS_OK) status = edit_commit(making.edit, false, error);
    edit_end(making.edit);
    buffer_release(&making.frames);
    buffer_release(&making.section);
    return status;
}

/* ---- when ---- */

/* More than half of the next fold is there already: better end this one soon. */
static bool is_pressed(struct store *store) {
    pthread_mutex_lock(&store->guard);
    bool pressed = store->frozen || tail_count(store->growing) > store->fold_events / 2;
    pthread_mutex_unlock(&store->guard);
    return pressed;
}

static bool is_due(struct store *store) {
    const struct manifest *manifest = &store->manifest;
    const struct manifest_checkpoint *last = &manifest->checkpoint;
    uint64_t now = links_bytes(manifest),
             since = now > last->links_bytes ? now - last->links_bytes : 0;
    if (store->checkpoint.begin == NULL || since == 0 || manifest->position <= last->position)
        return false;
    if (last->number == 0) return !is_pressed(store) || since >= store->checkpoint_bytes;
    uint64_t share = is_pressed(store) ? 1 : CHECKPOINT_SHARE;
    return since >= store->checkpoint_bytes && since >= last->links_bytes / share;
}

void store_checkpoint_if_due(struct store *store) {
    struct error error = {0};
    pthread_mutex_lock(&store->guard);
    bool lost = store->checkpoint_lost;
    store->checkpoint_lost = false;
    pthread_mutex_unlock(&store->guard);
    if (!lost && !is_due(store)) return;
    if (make(store, lost, &error))
        log_line(LOG_WARNING,
                 "no checkpoint was made, so the next opening reads more records; the next fold "
                 "tries again: %s",
                 error.text);
}

enum status store_checkpoint_anew(struct store *store, struct error *error) {
    if (store->checkpoint.begin == NULL || store->manifest.links_count == 0) return STATUS_OK;
    return make(store, true, error);
}
