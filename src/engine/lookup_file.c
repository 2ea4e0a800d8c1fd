/* SPDX-License-Identifier: Apache-2.0 */
/* lookups/HASH: a reference table as it was loaded, immutable.
 *
 *   "ATLK" version:u32 crc32c:u32 (of all that follows) | fields:u32 keys:u32 many:u32 rows:u64
 *   | fields: { type:u32 length:u32 name }* | key fields: u32* | rows: { length:u32 packed cells,
 *   symbol = field }*
 *
 * Numbers are little endian, as this program runs on little-endian machines only. A file was
 * written under the playbook of its time: what is read begins with the columns of today's rule in
 * their order (event/lookup.h, struct lookup_rule), found by name. */
#include <stdio.h>

#include "base/hash.h"
#include "base/log_line.h"
#include "base/memory.h"
#include "engine/engine_internal.h"

#define LOOKUP_MAGIC          "ATLK"
#define LOOKUP_FILE_VERSION   1u
#define LOOKUP_FILE_BYTES_MAX ((size_t)4 << 30)
#define HEADER_BYTES          12

static enum status put_u32(struct buffer *out, uint32_t value) {
    return buffer_append(out, &value, sizeof value);
}

static enum status encode_fields(const struct lookup_table *table, struct buffer *out) {
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < lookup_field_count(table) && status == STATUS_OK; i++) {
        struct lookup_field field = lookup_field(table, i);
        status = put_u32(out, (uint32_t)field.type);
        if (status == STATUS_OK) status = put_u32(out, field.name.length);
        if (status == STATUS_OK) status = buffer_append_text(out, field.name);
    }
    return status;
}

static enum status encode_row(const struct lookup_table *table, uint32_t row,
                              struct packed_writer *writer, struct buffer *out) {
    enum status status = STATUS_OK;
    size_t length_at = out->length;
    packed_begin(writer);
    for (uint32_t i = 0; i < lookup_field_count(table) && status == STATUS_OK; i++) {
        status = packed_add(writer, i, lookup_cell(table, row, i));
    }
    if (status == STATUS_OK) status = put_u32(out, 0);
    if (status == STATUS_OK) status = packed_end(writer, out);
    if (status != STATUS_OK) return status;
    uint32_t length = (uint32_t)(out->length - length_at - sizeof length);
    memcpy(out->at + length_at, &length, sizeof length);
    return STATUS_OK;
}

static enum status encode(const struct lookup_table *table, struct buffer *out) {
    struct packed_writer *writer = memory_alloc(sizeof *writer);
    if (writer == NULL) return STATUS_NO_MEMORY;
    packed_writer_init(writer);
    uint64_t rows = lookup_row_count(table);
    enum status status = buffer_append(out, LOOKUP_MAGIC, 4);
    if (status == STATUS_OK) status = put_u32(out, LOOKUP_FILE_VERSION);
    if (status == STATUS_OK) status = put_u32(out, 0);
    if (status == STATUS_OK) status = put_u32(out, lookup_field_count(table));
    if (status == STATUS_OK) status = buffer_append(out, &rows, sizeof rows);
    if (status == STATUS_OK) status = encode_fields(table, out);
    for (uint32_t row = 0; row < rows && status == STATUS_OK; row++)
        status = encode_row(table, row, writer, out);
    if (status == STATUS_OK) {
        uint32_t crc = crc32c(0, out->at + HEADER_BYTES, out->length - HEADER_BYTES);
        memcpy(out->at + 8, &crc, sizeof crc);
    }
    packed_writer_release(writer);
    memory_free(writer);
    return status;
}

enum status lookup_file_write(struct engine *engine, const struct lookup_table *table,
                              struct error *error) {
    char path[PATH_BYTES_MAX];
    struct buffer bytes;
    buffer_init(&bytes);
    enum status status = folder_make(engine, "lookups", error);
    if (status == STATUS_OK)
        status = path_of(engine, path, "lookups/%016llx", (unsigned long long)lookup_hash(table));
    if (status == STATUS_OK && (status = encode(table, &bytes)) != STATUS_OK)
        (void)error_set(error, status, "%s: can't be written (%s)", path, status_name(status));
    if (status == STATUS_OK) status = file_replace(engine->fs, path, bytes.at, bytes.length, error);
    buffer_release(&bytes);
    return status;
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

/* The columns of a table, in its order, and where each lies in the file. */
struct layout {
    struct lookup_field fields[LOOKUP_FIELDS_MAX];
    uint32_t from[LOOKUP_FIELDS_MAX]; /* UINT32_MAX: not in the file, unknown in every row */
    uint32_t count, keys[LOOKUP_KEY_FIELDS_MAX];
};

static uint32_t field_at(const struct lookup_field *fields, uint32_t count, struct text name) {
    for (uint32_t i = 0; i < count; i++) {
        if (text_equal(fields[i].name, name)) return i;
    }
    return UINT32_MAX;
}

static void lay_out(const struct lookup_rule *rule, const struct lookup_field *in_file,
                    uint32_t count, struct layout *out) {
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
static enum status find_keys(const struct lookup_rule *rule, struct layout *layout,
                             struct error *error) {
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

static enum status decode_rows(struct cursor *cursor, uint64_t rows, const struct layout *layout,
                               struct lookup_table *table) {
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
    struct layout layout = {0};
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

enum status lookup_file_read(struct engine *engine, uint64_t hash, const struct lookup_rule *rule,
                             struct lookup_table **out, struct error *error) {
    char path[PATH_BYTES_MAX];
    struct buffer bytes;
    buffer_init(&bytes);
    *out = NULL;
    enum status status = path_of(engine, path, "lookups/%016llx", (unsigned long long)hash);
    if (status == STATUS_OK)
        status = file_read_all(engine->fs, path, LOOKUP_FILE_BYTES_MAX, &bytes, error);
    if (status == STATUS_OK) status = decode(buffer_text(&bytes), rule, out, error);
    if (status == STATUS_CORRUPT || status == STATUS_NOT_FOUND) {
        status = error_set(error, status,
                           "%s is %s; load the file of lookup %.*s again: attune ingest %.*s FILE",
                           path, status == STATUS_CORRUPT ? "damaged" : "missing",
                           TEXT_ARG(rule->name), TEXT_ARG(rule->name));
    } else if (status == STATUS_VERSION) {
        status = error_set(error, STATUS_VERSION,
                           "%s was written by a newer attune; use that version", path);
    }
    buffer_release(&bytes);
    return status;
}
