/* SPDX-License-Identifier: Apache-2.0 */
#include "store/manifest.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/hash.h"

#define CHECKSUM_LINE_BYTES 18u /* "checksum 1a2b3c4d\n" */

static enum status encode_files(struct buffer *out, const char *word,
                                const struct manifest_file *files, uint32_t count) {
    enum status status = STATUS_OK;
    for (uint32_t i = 0; status == STATUS_OK && i < count; i++)
        status = buffer_format(out, "%s %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", word,
                               files[i].number, files[i].count, files[i].bytes);
    return status;
}

enum status manifest_encode(const struct manifest *manifest, struct buffer *out) {
    size_t start = out->length;
    enum status status =
        buffer_format(out, "attune manifest %d\nposition %" PRIu64 "\nnext %" PRIu64 "\n",
                      MANIFEST_FORMAT, manifest->position, manifest->next_number);
    for (uint32_t i = 0; status == STATUS_OK && i < manifest->run_count; i++) {
        const struct manifest_run *run = &manifest->runs[i];
        status =
            buffer_format(out, "run %" PRIu64 " %" PRIu32 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
                          run->number, run->level, run->group, run->row_count, run->bytes);
    }
    if (status == STATUS_OK)
        status = encode_files(out, "links", manifest->links, manifest->links_count);
    if (status == STATUS_OK)
        status = encode_files(out, "quarantine", manifest->quarantine, manifest->quarantine_count);
    for (uint32_t i = 0; status == STATUS_OK && i < manifest->keys_count; i++) {
        const struct manifest_keys *keys = &manifest->keys[i];
        status = buffer_format(out, "keys %" PRIu64 " %" PRIu32 " %" PRIu64 " %" PRIu64 "\n",
                               keys->number, keys->level, keys->count, keys->bytes);
    }
    if (status == STATUS_OK && manifest->superseded.number)
        status = encode_files(out, "superseded", &manifest->superseded, 1);
    const struct manifest_checkpoint *checkpoint = &manifest->checkpoint;
    if (status == STATUS_OK && checkpoint->number)
        status = buffer_format(out, "checkpoint %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
                               checkpoint->number, checkpoint->position, checkpoint->bytes,
                               checkpoint->links_bytes);
    if (status == STATUS_OK)
        status = buffer_format(out, "checksum %08" PRIx32 "\n",
                               crc32c(0, out->at + start, out->length - start));
    if (status) out->length = start;
    return status;
}

/* Reads "word number number … \n" from the front. */
static bool take_line(struct text *left, const char *word, uint64_t *numbers, size_t count) {
    size_t at = strlen(word);
    if (left->length < at || memcmp(left->at, word, at) != 0) return false;
    for (size_t i = 0; i < count; i++) {
        if (at >= left->length || left->at[at++] != ' ') return false;
        uint64_t value = 0;
        size_t digits = 0;
        for (; at < left->length && left->at[at] >= '0' && left->at[at] <= '9'; at++, digits++) {
            if (value > (UINT64_MAX - 9) / 10) return false;
            value = value * 10 + (uint64_t)(left->at[at] - '0');
        }
        if (digits == 0) return false;
        numbers[i] = value;
    }
    if (at >= left->length || left->at[at++] != '\n') return false;
    left->at += at;
    left->length -= (uint32_t)at;
    return true;
}

static bool take_files(struct text *left, const char *word, struct manifest_file *files,
                       uint32_t *count) {
    uint64_t n[3];
    while (take_line(left, word, n, 3)) {
        if (*count == MANIFEST_FILES_MAX) return false;
        files[(*count)++] = (struct manifest_file){n[0], n[1], n[2]};
    }
    return true;
}

static bool take_body(struct text *left, struct manifest *manifest) {
    uint64_t n[5];
    if (!take_line(left, "position", &manifest->position, 1)) return false;
    if (!take_line(left, "next", &manifest->next_number, 1)) return false;
    while (take_line(left, "run", n, 5)) {
        if (manifest->run_count == MANIFEST_RUNS_MAX || n[1] > UINT32_MAX) return false;
        manifest->runs[manifest->run_count++] =
            (struct manifest_run){n[0], (uint32_t)n[1], n[2], n[3], n[4]};
    }
    if (!take_files(left, "links", manifest->links, &manifest->links_count) ||
        !take_files(left, "quarantine", manifest->quarantine, &manifest->quarantine_count))
        return false;
    while (take_line(left, "keys", n, 4)) {
        if (manifest->keys_count == MANIFEST_KEYS_MAX || n[1] > UINT32_MAX) return false;
        manifest->keys[manifest->keys_count++] =
            (struct manifest_keys){n[0], (uint32_t)n[1], n[2], n[3]};
    }
    if (take_line(left, "superseded", n, 3))
        manifest->superseded = (struct manifest_file){n[0], n[1], n[2]};
    if (take_line(left, "checkpoint", n, 4)) {
        if (n[0] == 0 || n[1] > manifest->position) return false;
        manifest->checkpoint = (struct manifest_checkpoint){n[0], n[1], n[2], n[3]};
    }
    return left->length == 0;
}

enum status manifest_decode(struct manifest *manifest, struct text bytes, const char *path,
                            struct error *error) {
    *manifest = (struct manifest){0};
    uint64_t format = 0;
    struct text left = bytes;
    if (!take_line(&left, "attune manifest", &format, 1))
        return error_set(
            error, STATUS_CORRUPT,
            "%s: does not begin as a manifest: restore the whole data directory from a backup",
            path);
    if (format > MANIFEST_FORMAT)
        return error_set(error, STATUS_VERSION,
                         "%s: has format %" PRIu64
                         ", this program reads up to %d: use the newer program that wrote it",
                         path, format, MANIFEST_FORMAT);
    manifest->format = (uint32_t)format;
    char checksum[CHECKSUM_LINE_BYTES + 1] = "";
    size_t body = bytes.length < CHECKSUM_LINE_BYTES ? 0 : bytes.length - CHECKSUM_LINE_BYTES;
    snprintf(checksum, sizeof(checksum), "checksum %08" PRIx32 "\n", crc32c(0, bytes.at, body));
    if (body < bytes.length - left.length ||
        memcmp(bytes.at + body, checksum, CHECKSUM_LINE_BYTES) != 0)
        return error_set(
            error, STATUS_CORRUPT,
            "%s: the checksum is wrong: restore the whole data directory from a backup", path);
    left.length -= CHECKSUM_LINE_BYTES;
    if (!take_body(&left, manifest))
        return error_set(
            error, STATUS_CORRUPT,
            "%s: line not understood: \"%.*s\"; restore the whole data directory from a backup",
            path, left.length < 40 ? (int)left.length : 40, left.at);
    return STATUS_OK;
}

static enum status manifest_path(char out[FILE_PATH_MAX], const char *directory,
                                 struct error *error) {
    if (snprintf(out, FILE_PATH_MAX, "%s/MANIFEST", directory) < FILE_PATH_MAX) return STATUS_OK;
    return error_set(error, STATUS_LIMIT, "the path of the data directory is too long");
}

enum status manifest_load(struct manifest *manifest, struct file_system *fs, const char *directory,
                          struct error *error) {
    char path[FILE_PATH_MAX];
    struct buffer bytes;
    buffer_init(&bytes);
    enum status status = manifest_path(path, directory, error);
    if (status == STATUS_OK) status = file_read_all(fs, path, MANIFEST_BYTES_MAX, &bytes, error);
    if (status == STATUS_OK) status = manifest_decode(manifest, buffer_text(&bytes), path, error);
    buffer_release(&bytes);
    return status;
}

enum status manifest_store(const struct manifest *manifest, struct file_system *fs,
                           const char *directory, struct error *error) {
    char path[FILE_PATH_MAX];
    struct buffer bytes;
    buffer_init(&bytes);
    enum status status = manifest_path(path, directory, error);
    if (status == STATUS_OK && manifest_encode(manifest, &bytes))
        status = error_set(error, STATUS_NO_MEMORY, "%s: no memory to write it", path);
    if (status == STATUS_OK) status = file_replace(fs, path, bytes.at, bytes.length, error);
    buffer_release(&bytes);
    return status;
}
