/* SPDX-License-Identifier: Apache-2.0 */
#include "store/stored_file.h"

#include <stdio.h>
#include "base/hash.h"

#define WRITE_BYTES ((size_t)1 << 20)

static uint32_t header_crc(const uint8_t *header) {
    return crc32c(crc32c(0, header, 12), header + 16, 8);
}

void stored_header(uint8_t out[STORED_HEADER_BYTES], enum stored_kind kind, uint64_t number) {
    const uint32_t format = STORED_FORMAT;
    memcpy(out, "ATTUNE", 6);
    out[6] = (uint8_t)kind;
    out[7] = '\n';
    memcpy(out + 8, &format, 4);
    memcpy(out + 16, &number, 8);
    uint32_t crc = header_crc(out);
    memcpy(out + 12, &crc, 4);
}

enum status stored_header_check(const uint8_t *bytes, size_t length, enum stored_kind kind,
                                uint64_t number, const char *path, struct error *error) {
    uint8_t expected[STORED_HEADER_BYTES];
    stored_header(expected, kind, number);
    uint32_t crc = 0, format = 0;
    if (length >= STORED_HEADER_BYTES) {
        memcpy(&format, bytes + 8, 4);
        memcpy(&crc, bytes + 12, 4);
    }
    if (length < STORED_HEADER_BYTES || memcmp(bytes, expected, 6) != 0 || crc != header_crc(bytes))
        return error_set(error, STATUS_CORRUPT,
                         "%s: the header is damaged: restore this file from a backup", path);
    if (format > STORED_FORMAT)
        return error_set(
            error, STATUS_VERSION,
            "%s: has format %u, this program reads up to %u: use the newer program that wrote it",
            path, format, STORED_FORMAT);
    if (memcmp(bytes, expected, STORED_HEADER_BYTES) != 0)
        return error_set(error, STATUS_CORRUPT,
                         "%s: holds what belongs into another file: was it renamed or copied over?",
                         path);
    return STATUS_OK;
}

enum status stored_path(char out[FILE_PATH_MAX], const char *directory, const char *folder,
                        uint64_t number, const char *suffix, struct error *error) {
    int digits = strcmp(folder, "log") == 0 ? 20 : 6;
    int length = snprintf(out, FILE_PATH_MAX, "%s/%s/%0*llu.%s", directory, folder, digits,
                          (unsigned long long)number, suffix);
    if (length > 0 && length < FILE_PATH_MAX) return STATUS_OK;
    return error_set(error, STATUS_LIMIT,
                     "a path may have at most %d bytes: use a shorter data directory",
                     FILE_PATH_MAX - 1);
}

bool stored_number(const char *name, const char *suffix, uint64_t *number) {
    uint64_t value = 0;
    size_t digits = 0;
    for (; name[digits] >= '0' && name[digits] <= '9'; digits++) {
        if (digits == 20 || value > (UINT64_MAX - 9) / 10) return false;
        value = value * 10 + (uint64_t)(name[digits] - '0');
    }
    *number = value;
    return digits > 0 && name[digits] == '.' && strcmp(name + digits + 1, suffix) == 0;
}

static enum status flush(struct stored_writer *writer, struct error *error) {
    enum status status = file_write(writer->file, writer->bytes.at, writer->bytes.length, error);
    if (status) return status;
    writer->written_bytes += writer->bytes.length;
    buffer_clear(&writer->bytes);
    return STATUS_OK;
}

enum status stored_writer_open(struct stored_writer *writer, struct file_system *fs,
                               const char *path, enum stored_kind kind, uint64_t number,
                               struct error *error) {
    *writer = (struct stored_writer){.fs = fs};
    buffer_init(&writer->bytes);
    /* What an earlier attempt left under this name was never in a manifest. */
    enum status status = file_remove(fs, path, error);
    if (status && status != STATUS_NOT_FOUND) return status;
    status = file_open(fs, path, FILE_CREATE_NEW, &writer->file, error);
    if (status) return status;
    uint8_t header[STORED_HEADER_BYTES];
    stored_header(header, kind, number);
    if (buffer_append(&writer->bytes, header, sizeof(header)))
        return error_set(error, STATUS_NO_MEMORY, "%s: no memory to write it", path);
    return STATUS_OK;
}

enum status stored_writer_add(struct stored_writer *writer, const struct frame_view *parts,
                              struct error *error) {
    size_t start = writer->bytes.length;
    enum status status = frame_encode_parts(&writer->bytes, parts, error);
    if (status) return status;
    frame_seal(writer->bytes.at + start, parts->position, parts->position);
    writer->frame_count++;
    writer->position = parts->position;
    return writer->bytes.length >= WRITE_BYTES ? flush(writer, error) : STATUS_OK;
}

enum status stored_writer_finish(struct stored_writer *writer, struct error *error) {
    uint8_t mark[FRAME_MARK_BYTES];
    frame_mark(mark, writer->position);
    if (buffer_append(&writer->bytes, mark, sizeof(mark)))
        return error_set(error, STATUS_NO_MEMORY, "no memory to finish a file");
    enum status status = flush(writer, error);
    return status ? status : file_sync(writer->file, error);
}

void stored_writer_close(struct stored_writer *writer) {
    file_close(writer->file);
    buffer_release(&writer->bytes);
    *writer = (struct stored_writer){0};
}

static enum status damaged(const char *path, size_t offset, enum status status,
                           struct error *error) {
    if (status == STATUS_VERSION)
        return error_set(error, status,
                         "%s: byte %zu: a newer program wrote this: use that program", path,
                         offset);
    return error_set(error, STATUS_CORRUPT,
                     "%s: byte %zu: damaged or cut: restore this file from a backup", path, offset);
}

enum status stored_visit_bytes(const uint8_t *bytes, size_t length, const char *path,
                               enum stored_kind kind, uint64_t number,
                               enum status (*visit)(void *context, const struct frame_view *view,
                                                    struct error *error),
                               void *context, struct error *error) {
    enum status status = stored_header_check(bytes, length, kind, number, path, error);
    size_t at = STORED_HEADER_BYTES;
    uint64_t next_position = 0;
    while (status == STATUS_OK) {
        struct frame_view view;
        size_t frame_bytes;
        status = frame_read(bytes + at, length - at, &view, &frame_bytes);
        if (status) return damaged(path, at, status, error);
        at += frame_bytes;
        if (view.flags & FRAME_MARK)
            return at == length ? STATUS_OK : damaged(path, at, STATUS_CORRUPT, error);
        if (view.position < next_position)
            return damaged(path, at - frame_bytes, STATUS_CORRUPT, error);
        next_position = view.position + 1;
        status = visit(context, &view, error);
    }
    return status;
}

enum status stored_visit(struct file_system *fs, const char *path, enum stored_kind kind,
                         uint64_t number,
                         enum status (*visit)(void *context, const struct frame_view *view,
                                              struct error *error),
                         void *context, struct error *error) {
    struct file_mapping mapping;
    enum status status = file_map(fs, path, &mapping, error);
    if (status == STATUS_NOT_FOUND)
        return error_set(error, STATUS_CORRUPT, "%s: is missing: restore it from a backup", path);
    if (status) return status;
    status =
        stored_visit_bytes(mapping.at, mapping.length, path, kind, number, visit, context, error);
    file_unmap(fs, &mapping);
    return status;
}
