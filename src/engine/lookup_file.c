/* SPDX-License-Identifier: Apache-2.0 */
/* lookups/HASH: a reference table as it was loaded, immutable. An image (base/image.h,
 * event/lookup.h), which is mapped.
 *
 * Older programs wrote its rows, which are read into memory:
 *
 *   "ATLK" version:u32 crc32c:u32 (of all that follows) | fields:u32 keys:u32 many:u32 rows:u64
 *   | fields: { type:u32 length:u32 name }* | key fields: u32* | rows: { length:u32 packed cells,
 *   symbol = field }*
 *
 * A file was written under the playbook of its time: what is read begins with the columns of
 * today's rule in their order (event/lookup.h, struct lookup_rule), found by name. */
#include <stdio.h>

#include "base/hash.h"
#include "base/log_line.h"
#include "base/memory.h"
#include "engine/engine_internal.h"

#define LOOKUP_MAGIC          "ATLK"
#define LOOKUP_FILE_VERSION   1u
#define LOOKUP_FILE_BYTES_MAX ((size_t)4 << 30)

/* ---- writing ---- */

static enum status write_image(struct engine *engine, const struct lookup_table *table,
                               const char *path, struct error *error) {
    struct image_writer writer;
    uint64_t bytes;
    enum status status = image_writer_open(&writer, engine->fs, path, LOOKUP_IMAGE_CONTENTS,
                                           lookup_hash(table), error);
    if (status == STATUS_OK) status = lookup_write(table, &writer, error);
    if (status == STATUS_OK) status = image_finish(&writer, &bytes, error);
    image_writer_close(&writer);
    return status;
}

enum status lookup_file_write(struct engine *engine, const struct lookup_table *table,
                              struct error *error) {
    char path[PATH_BYTES_MAX], draft[PATH_BYTES_MAX], folder[PATH_BYTES_MAX];
    unsigned long long hash = lookup_hash(table);
    enum status status = folder_make(engine, "lookups", error);
    if (status == STATUS_OK) status = path_of(engine, path, "lookups/%016llx", hash);
    if (status == STATUS_OK) status = path_of(engine, draft, "lookups/%016llx.tmp", hash);
    if (status == STATUS_OK) status = path_of(engine, folder, "lookups");
    if (status == STATUS_OK) status = write_image(engine, table, draft, error);
    if (status == STATUS_OK) status = file_rename(engine->fs, draft, path, error);
    return status == STATUS_OK ? directory_sync(engine->fs, folder, error) : status;
}

/* ---- reading ---- */

struct cursor {
    const char *at, *end;
};

static bool take(struct cursor *cursor, void *out, size_t length) {
    if ((size_t)(cursor->end - cursor->at) < length) return false;
    memcpy(out, cursor->at, length);
    cursor->at += length;
    return true;
}

static bool take_text(struct cursor *cursor, uint32_t length, struct text *out) {
    if ((size_t)(cursor->end - cursor->at) < length) return false;
    *out = (struct text){cursor->at, length};
    cursor->at += length;
    return true;
}

static bool decode_fields(struct cursor *cursor, uint32_t count, struct lookup_field *fields) {
    for (uint32_t i = 0; i < count; i++) {
        uint32_t type, length;
        if (!take(cursor, &type, sizeof type) || !take(cursor, &length, sizeof length))
            return false;
        if (type == VALUE_UNKNOWN || type >= VALUE_TYPE_COUNT || length > SYMBOL_BYTES_MAX)
            return false;
        fields[i].type = (enum value_type)type;
        if (!take_text(cursor, length, &fields[i].name)) return false;
    }
    return true;
}

static uint32_t field_at(const struct lookup_field *fields, uint32_t count, struct text name) {
    for (uint32_t i = 0; i < count; i++) {
        if (text_equal(fields[i].name, name)) return i;
    }
    return UINT32_MAX;
}

static void lay_out(const struct lookup_rule *rule, const struct lookup_field *in_file,
                    uint32_t count, struct lookup_layout *out) {
    for (uint32_t i = 0; i < rule->field_count && out->count < LOOKUP_FIELDS_MAX; i++) {
        uint32_t at = field_at(in_file, count, rule->fields[i].name);
        const struct lookup_field *field = at != UINT32_MAX ? &in_file[at] : &rule->fields[i];
        if (at == UINT32_MAX || field->type != rule->fields[i].type) {
            log_line(LOG_WARNING,
                     "lookup %.*s was loaded without a %s \"%.*s\", which is unknown until its "
                     "file is loaded again",
                     TEXT_ARG(rule->name), value_type_name(rule->fields[i].type),
                     TEXT_ARG(rule->fields[i].name));
        }
        out->from[out->count] = at;
        out->fields[out->count++] = *field;
    }
    for (uint32_t i = 0; i < count && out->count < LOOKUP_FIELDS_MAX; i++) {
        if (field_at(rule->fields, rule->field_count, in_file[i].name) != UINT32_MAX) continue;
        out->from[out->count] = i;
        out->fields[out->count++] = in_file[i];
    }
}

/* The keys are the playbook's, so that a playbook which joins by another column reads the same
 * file. */
static enum status find_keys(const struct lookup_rule *rule, struct lookup_layout *layout,
                             struct error *error) {
    layout->key_count = rule->key_count;
    layout->many = rule->many;
    for (uint32_t k = 0; k < rule->key_count; k++) {
        layout->keys[k] = field_at(layout->fields, layout->count, rule->keys[k]);
        if (layout->keys[k] == UINT32_MAX || layout->from[layout->keys[k]] == UINT32_MAX) {
            return error_set(error, STATUS_INVALID,
                             "lookup %.*s was loaded without its key %.*s; load its file again",
                             TEXT_ARG(rule->name), TEXT_ARG(rule->keys[k]));
        }
    }
    return STATUS_OK;
}

static enum status decode_rows(struct cursor *cursor, uint64_t rows,
                               const struct lookup_layout *layout, struct lookup_table *table) {
    struct value cells[LOOKUP_FIELDS_MAX];
    for (uint64_t row = 0; row < rows; row++) {
        uint32_t length;
        struct text packed;
        if (!take(cursor, &length, sizeof length) || !take_text(cursor, length, &packed))
            return STATUS_CORRUPT;
        for (uint32_t i = 0; i < layout->count; i++) {
            cells[i] = layout->from[i] != UINT32_MAX ? packed_find(packed, layout->from[i])
                                                     : value_unknown();
        }
        enum status status = lookup_add(table, cells);
        if (status != STATUS_OK && status != STATUS_EXISTS) return status;
    }
    return lookup_finish(table);
}

static enum status decode(struct text bytes, const struct lookup_rule *rule,
                          struct lookup_table **out, struct error *error) {
    struct lookup_field fields[LOOKUP_FIELDS_MAX];
    struct lookup_layout layout = {0};
    uint32_t version, crc, field_count;
    uint64_t rows;
    char magic[4];
    struct cursor cursor = {bytes.at, bytes.at + bytes.length};
    if (!take(&cursor, magic, 4) || memcmp(magic, LOOKUP_MAGIC, 4) != 0) return STATUS_CORRUPT;
    if (!take(&cursor, &version, sizeof version)) return STATUS_CORRUPT;
    if (version > LOOKUP_FILE_VERSION) return STATUS_VERSION;
    if (!take(&cursor, &crc, sizeof crc)) return STATUS_CORRUPT;
    if (crc != crc32c(0, cursor.at, (size_t)(cursor.end - cursor.at))) return STATUS_CORRUPT;
    if (!take(&cursor, &field_count, sizeof field_count) || field_count > LOOKUP_FIELDS_MAX)
        return STATUS_CORRUPT;
    if (!take(&cursor, &rows, sizeof rows) || !decode_fields(&cursor, field_count, fields))
        return STATUS_CORRUPT;
    lay_out(rule, fields, field_count, &layout);
    enum status status = find_keys(rule, &layout, error);
    if (status == STATUS_OK)
        status = lookup_create(out, layout.fields, layout.count, layout.keys, rule->key_count,
                               rule->many);
    if (status == STATUS_OK) status = decode_rows(&cursor, rows, &layout, *out);
    if (status != STATUS_OK) {
        lookup_destroy(*out);
        *out = NULL;
    }
    return status;
}

/* A file of an older program: "ATLK". */
static bool is_of_rows(const struct file_mapping *mapping) {
    return mapping->length >= 4 && memcmp(mapping->at, LOOKUP_MAGIC, 4) == 0;
}

static enum status read_rows(struct engine *engine, const char *path,
                             const struct lookup_rule *rule, struct lookup_table **out,
                             struct error *error) {
    struct buffer bytes;
    buffer_init(&bytes);
    enum status status = file_read_all(engine->fs, path, LOOKUP_FILE_BYTES_MAX, &bytes, error);
    if (status == STATUS_OK) status = decode(buffer_text(&bytes), rule, out, error);
    buffer_release(&bytes);
    return status;
}

/* Its name says what is in it. */
static enum status read_image(struct engine *engine, const char *path, uint64_t hash,
                              const struct lookup_rule *rule, struct lookup_table **out,
                              struct error *error) {
    struct lookup_field fields[LOOKUP_FIELDS_MAX];
    struct lookup_layout layout = {0};
    struct image image;
    uint32_t count;
    enum status status = image_open(&image, engine->fs, path, error);
    if (status != STATUS_OK) return status;
    status = image.position == hash ? lookup_image_fields(&image, fields, &count) : STATUS_CORRUPT;
    if (status == STATUS_OK) {
        lay_out(rule, fields, count, &layout);
        status = find_keys(rule, &layout, error);
    }
    if (status == STATUS_OK) status = lookup_open(out, &image, &layout);
    image_close(&image);
    return status;
}

static enum status read_file(struct engine *engine, const char *path, uint64_t hash,
                             const struct lookup_rule *rule, struct lookup_table **out,
                             struct error *error) {
    struct file_mapping mapping;
    enum status status = file_map(engine->fs, path, &mapping, error);
    if (status != STATUS_OK) return status;
    bool of_rows = is_of_rows(&mapping);
    file_unmap(engine->fs, &mapping);
    return of_rows ? read_rows(engine, path, rule, out, error)
                   : read_image(engine, path, hash, rule, out, error);
}

enum status lookup_file_read(struct engine *engine, uint64_t hash, const struct lookup_rule *rule,
                             struct lookup_table **out, struct error *error) {
    char path[PATH_BYTES_MAX];
    *out = NULL;
    enum status status = path_of(engine, path, "lookups/%016llx", (unsigned long long)hash);
    if (status == STATUS_OK) status = read_file(engine, path, hash, rule, out, error);
    if (status == STATUS_CORRUPT || status == STATUS_NOT_FOUND) {
        status = error_set(error, status,
                           "%s is %s; load the file of lookup %.*s again: attune ingest %.*s FILE",
                           path, status == STATUS_CORRUPT ? "damaged" : "missing",
                           TEXT_ARG(rule->name), TEXT_ARG(rule->name));
    } else if (status == STATUS_VERSION) {
        status = error_set(error, STATUS_VERSION,
                           "%s was written by a newer attune; use that version", path);
    }
    return status;
}
