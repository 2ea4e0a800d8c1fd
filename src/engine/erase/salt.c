/* SPDX-License-Identifier: Apache-2.0 */
/* The directory's own secret, which keys the hashes of what was erased. It is made once: with
 * another secret nobody who was erased would be recognised. So a damaged one is reported, and a
 * missing one is not replaced silently. docs/file-formats.md has the bytes. */
#include <sodium.h>

#include "base/hash.h"
#include "engine/engine_internal.h"

#define SALT_FORMAT       1u
#define SALT_MAGIC        "ATTUNES\n"
#define SALT_MAGIC_BYTES  8u
#define SALT_HEADER_BYTES 16u
#define SALT_FILE_BYTES   (SALT_HEADER_BYTES + IDENTITY_SALT_BYTES)

static uint32_t checksum(const uint8_t *bytes) {
    return crc32c(crc32c(0, bytes, 12), bytes + SALT_HEADER_BYTES, IDENTITY_SALT_BYTES);
}

static void encode(const uint8_t salt[IDENTITY_SALT_BYTES], uint8_t bytes[SALT_FILE_BYTES]) {
    const uint32_t format = SALT_FORMAT;
    memcpy(bytes, SALT_MAGIC, SALT_MAGIC_BYTES);
    memcpy(bytes + 8, &format, 4);
    memcpy(bytes + SALT_HEADER_BYTES, salt, IDENTITY_SALT_BYTES);
    const uint32_t sum = checksum(bytes);
    memcpy(bytes + 12, &sum, 4);
}

enum status salt_write(struct engine *engine, const uint8_t salt[IDENTITY_SALT_BYTES],
                       struct error *error) {
    char path[PATH_BYTES_MAX];
    uint8_t bytes[SALT_FILE_BYTES];
    encode(salt, bytes);
    enum status status = path_of(engine, path, "SALT");
    return status == STATUS_OK ? file_replace(engine->fs, path, bytes, sizeof bytes, error)
                               : status;
}

/* Nobody holds the lock yet, and another process may be making the same directory: a link never
 * replaces what is there, so that one salt, the first, is everybody's. STATUS_OK also where it is
 * another's. */
static enum status write_once(struct engine *engine, const char *path,
                              const uint8_t salt[IDENTITY_SALT_BYTES], struct error *error) {
    char own[PATH_BYTES_MAX];
    uint8_t bytes[SALT_FILE_BYTES];
    struct buffer ignored_bytes;
    struct error ignored;
    uint64_t number;
    randombytes_buf(&number, sizeof number);
    encode(salt, bytes);
    enum status status = path_of(engine, own, "SALT.%016llx.tmp", (unsigned long long)number);
    if (status == STATUS_OK) status = file_replace(engine->fs, own, bytes, sizeof bytes, error);
    if (status != STATUS_OK) return status;
    status = file_link(engine->fs, own, path, error);
    (void)!file_remove(engine->fs, own, &ignored);
    if (status == STATUS_OK) return directory_sync(engine->fs, engine->directory, error);
    buffer_init(&ignored_bytes);
    bool theirs = file_read_all(engine->fs, path, SALT_FILE_BYTES, &ignored_bytes, &ignored) !=
                  STATUS_NOT_FOUND;
    buffer_release(&ignored_bytes);
    if (theirs) return STATUS_OK;
    /* This file system has no links. */
    return status == STATUS_INVALID ? salt_write(engine, salt, error) : status;
}

static enum status decode(const struct buffer *file, const char *path,
                          uint8_t salt[IDENTITY_SALT_BYTES], bool *unchecked, struct error *error) {
    const uint8_t *bytes = (const uint8_t *)file->at;
    uint32_t format = 0, sum = 0;
    bool has_header =
        file->length >= SALT_MAGIC_BYTES && memcmp(bytes, SALT_MAGIC, SALT_MAGIC_BYTES) == 0;
    /* Before format 1: nothing but the salt. */
    if (!has_header && file->length == IDENTITY_SALT_BYTES) {
        memcpy(salt, bytes, IDENTITY_SALT_BYTES);
        *unchecked = true;
        return STATUS_OK;
    }
    if (has_header && file->length >= SALT_HEADER_BYTES) {
        memcpy(&format, bytes + 8, 4);
        memcpy(&sum, bytes + 12, 4);
    }
    if (file->length == SALT_FILE_BYTES && has_header && format == SALT_FORMAT &&
        sum == checksum(bytes)) {
        memcpy(salt, bytes + SALT_HEADER_BYTES, IDENTITY_SALT_BYTES);
        return STATUS_OK;
    }
    if (format > SALT_FORMAT && format < 1000) {
        return error_set(
            error, STATUS_VERSION,
            "%s: has format %u, this program reads up to %u: use the newer program that wrote it",
            path, format, SALT_FORMAT);
    }
    return error_set(error, STATUS_CORRUPT,
                     "%s: is damaged: restore it from a backup; with another salt nobody who was "
                     "erased is known again",
                     path);
}

static bool is_made(struct engine *engine) {
    char path[PATH_BYTES_MAX];
    struct file *file = NULL;
    struct error ignored;
    bool made = path_of(engine, path, "MANIFEST") == STATUS_OK &&
                file_open(engine->fs, path, FILE_READ, &file, &ignored) == STATUS_OK;
    file_close(file);
    return made;
}

/* Only a directory that is being made has none. */
static enum status make(struct engine *engine, bool create, const char *path, struct error *error) {
    uint8_t salt[IDENTITY_SALT_BYTES];
    if (is_made(engine)) {
        return error_set(error, STATUS_CORRUPT,
                         "%s: is missing: restore it from a backup; with another salt nobody who "
                         "was erased is known again",
                         path);
    }
    if (!create) {
        return error_set(error, STATUS_NOT_FOUND,
                         "%s is no data directory of attune; the first loading makes one: attune "
                         "ingest --playbook FILE (attune init writes a first playbook)",
                         engine->directory);
    }
    randombytes_buf(salt, sizeof salt);
    enum status status = engine->fs->ops->make_directory(engine->fs, engine->directory, error);
    return status == STATUS_OK ? write_once(engine, path, salt, error) : status;
}

enum status salt_read(struct engine *engine, bool create, uint8_t salt[IDENTITY_SALT_BYTES],
                      bool *unchecked, struct error *error) {
    char path[PATH_BYTES_MAX];
    struct buffer bytes;
    buffer_init(&bytes);
    enum status status = path_of(engine, path, "SALT");
    if (status == STATUS_OK)
        status = file_read_all(engine->fs, path, SALT_FILE_BYTES, &bytes, error);
    if (status == STATUS_NOT_FOUND) {
        status = make(engine, create, path, error);
        if (status == STATUS_OK)
            status = file_read_all(engine->fs, path, SALT_FILE_BYTES, &bytes, error);
    }
    if (status == STATUS_OK) {
        status = decode(&bytes, path, salt, unchecked, error);
    } else if (status == STATUS_LIMIT) {
        status = error_set(error, STATUS_CORRUPT,
                           "%s: is damaged, it is too long: restore it from a backup", path);
    }
    buffer_release(&bytes);
    return status;
}
