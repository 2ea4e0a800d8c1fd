/* SPDX-License-Identifier: Apache-2.0 */
#include "store/side_file.h"

const char *side_folder(enum stored_kind kind) {
    return kind == STORED_LOG ? "log" : kind == STORED_LINKS ? "links" : "quarantine";
}

const char *side_suffix(enum stored_kind kind) {
    return kind == STORED_LOG ? "log" : kind == STORED_LINKS ? "links" : "rows";
}

enum status side_open(struct side_writer *side, struct file_system *fs, const char *directory,
                      enum stored_kind kind, uint64_t number, struct side_filter *filter,
                      struct error *error) {
    *side = (struct side_writer){.fs = fs, .kind = kind, .number = number, .filter = filter};
    buffer_init(&side->section);
    buffer_init(&side->replaced);
    return stored_path(side->path, directory, side_folder(kind), number, side_suffix(kind), error);
}

void side_close(struct side_writer *side) {
    if (side->is_open) stored_writer_close(&side->writer);
    buffer_release(&side->section);
    buffer_release(&side->replaced);
    side->is_open = false;
}

static enum status no_memory(const struct side_writer *side, struct error *error) {
    return error_set(error, STATUS_NO_MEMORY, "%s: no memory to write it", side->path);
}

static enum status damaged(const struct side_writer *side, const struct frame_view *view,
                           struct error *error) {
    return error_set(error, STATUS_CORRUPT,
                     "%s: the frame at position %llu has a part that can't be read", side->path,
                     (unsigned long long)view->position);
}

static enum status add_parts(struct side_writer *side, const struct frame_view *parts,
                             struct error *error) {
    if (!side->is_open) {
        enum status status = stored_writer_open(&side->writer, side->fs, side->path, side->kind,
                                                side->number, error);
        side->is_open = side->writer.file != NULL;
        if (status) return status;
    }
    return stored_writer_add(&side->writer, parts, error);
}

/* The record as it is to be kept, appended to the section. */
static enum status keep_record(struct side_writer *side, uint8_t kind, struct text bytes,
                               uint32_t *count) {
    /* The fold that reads it has dropped the rows. */
    if (kind == RECORD_ROWS_DROPPED) return STATUS_OK;
    struct side_filter *filter = side->filter;
    buffer_clear(&side->replaced);
    if (filter && filter->record &&
        filter->record(filter->context, (enum record_kind)kind, bytes, &side->replaced)) {
        filter->record_count++;
        bytes = buffer_text(&side->replaced);
        if (bytes.length == 0) return STATUS_OK;
    }
    (*count)++;
    return frame_put_record(&side->section, kind, bytes);
}

static enum status add_records(struct side_writer *side, const struct frame_view *view,
                               struct error *error) {
    buffer_clear(&side->section);
    struct text left = view->records, bytes;
    uint32_t count = 0;
    uint8_t kind;
    enum status status;
    while ((status = frame_next_record(&left, &kind, &bytes)) == STATUS_OK)
        if (keep_record(side, kind, bytes, &count)) return no_memory(side, error);
    if (status != STATUS_END) return damaged(side, view, error);
    if (count == 0 && view->symbols.length == 0) return STATUS_OK;
    struct text symbols = view->symbols;
    if (side->filter && side->filter->forgotten && symbols.length > 0) {
        buffer_clear(&side->replaced);
        status = symbols_rewrite(symbols, side->filter->forgotten, &side->replaced);
        if (status == STATUS_NO_MEMORY) return no_memory(side, error);
        if (status != STATUS_OK) return damaged(side, view, error);
        symbols = buffer_text(&side->replaced);
    }
    side->count++;
    const struct frame_view parts = {.position = view->position,
                                     .span = view->span,
                                     .symbols = symbols,
                                     .records = buffer_text(&side->section),
                                     .record_count = count};
    return add_parts(side, &parts, error);
}

static enum status add_rows(struct side_writer *side, const struct frame_view *view,
                            struct error *error) {
    buffer_clear(&side->section);
    struct text left = view->rows;
    struct stored_row row;
    uint64_t index = 0, live = 0;
    enum status status;
    struct side_filter *filter = side->filter;
    for (; (status = frame_next_row(&left, &row)) == STATUS_OK; index++) {
        row.row_id = view->position << FRAME_ROW_ID_BITS | index;
        bool dropped = row.column == SIDE_ROW_DROPPED;
        if (!dropped && filter && filter->row && filter->row(filter->context, &row)) {
            filter->row_count++;
            dropped = true;
        }
        if (dropped) row = (struct stored_row){.column = SIDE_ROW_DROPPED};
        live += !dropped;
        if (frame_put_row(&side->section, &row)) return no_memory(side, error);
    }
    if (status != STATUS_END || index != view->row_count) return damaged(side, view, error);
    if (live == 0) return STATUS_OK;
    side->count += live;
    const struct frame_view parts = {.position = view->position,
                                     .span = view->span,
                                     .rows = buffer_text(&side->section),
                                     .row_count = view->row_count};
    return add_parts(side, &parts, error);
}

enum status side_add(void *context, const struct frame_view *view, struct error *error) {
    struct side_writer *side = context;
    if (side->kind == STORED_LINKS) return add_records(side, view, error);
    return view->row_count ? add_rows(side, view, error) : STATUS_OK;
}

enum status side_finish(struct side_writer *side, struct manifest_file *file, bool *written,
                        struct error *error) {
    *written = side->is_open;
    if (!side->is_open) return STATUS_OK;
    enum status status = stored_writer_finish(&side->writer, error);
    *file = (struct manifest_file){side->number, side->count, side->writer.written_bytes};
    return status;
}
