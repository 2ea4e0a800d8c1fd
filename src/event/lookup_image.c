/* SPDX-License-Identifier: Apache-2.0 */
#include "event/lookup_internal.h"

#include <assert.h>

#include "base/memory.h"

enum section {
    SECTION_HEAD = 1,
    SECTION_FIELDS,
    SECTION_NAMES,
    SECTION_GROUPS,
    SECTION_SLOTS,
    SECTION_TEXT_ENDS,
    SECTION_TEXTS,
    SECTION_CELLS /* + field */
};
static_assert((int)SECTION_CELLS + LOOKUP_FIELDS_MAX <= IMAGE_SECTIONS_MAX, "a section a field");

struct head {
    uint32_t field_count, key_count, many, row_count;
    uint32_t group_count, slot_bits, text_count, zero;
    uint32_t key_fields[LOOKUP_KEY_FIELDS_MAX];
};
struct field {
    uint32_t type, name_length;
};

/* ---- writing ---- */

static enum status write_fields(const struct lookup_table *table, struct image_writer *writer,
                                struct error *error) {
    struct field fields[LOOKUP_FIELDS_MAX] = {{0}};
    for (uint32_t i = 0; i < table->field_count; i++) {
        const struct lookup_field *field = &table->fields[i].field;
        fields[i] = (struct field){(uint32_t)field->type, field->name.length};
    }
    enum status status =
        image_put(writer, SECTION_FIELDS, fields, table->field_count, sizeof(*fields), error);
    if (status == STATUS_OK) status = image_begin(writer, SECTION_NAMES, 1, error);
    for (uint32_t i = 0; status == STATUS_OK && i < table->field_count; i++)
        status = image_add(writer, table->fields[i].field.name.at,
                           table->fields[i].field.name.length, error);
    return status;
}

static enum status write_texts(const struct lookup_table *table, uint32_t count,
                               struct image_writer *writer, struct error *error) {
    uint64_t end = 0;
    enum status status = image_begin(writer, SECTION_TEXT_ENDS, sizeof(end), error);
    for (uint32_t id = 0; status == STATUS_OK && id < count; id++) {
        end += lookup_text(table, id).length;
        status = image_add(writer, &end, sizeof(end), error);
    }
    if (status == STATUS_OK) status = image_begin(writer, SECTION_TEXTS, 1, error);
    for (uint32_t id = 0; status == STATUS_OK && id < count; id++) {
        struct text text = lookup_text(table, id);
        status = image_add(writer, text.at, text.length, error);
    }
    return status;
}

enum status lookup_write(const struct lookup_table *table, struct image_writer *writer,
                         struct error *error) {
    struct head head = {.field_count = table->field_count,
                        .key_count = table->key_count,
                        .many = table->many,
                        .row_count = table->row_count,
                        .group_count = table->group_count,
                        .slot_bits = table->slot_bits,
                        .text_count = interner_count(table->texts)};
    memcpy(head.key_fields, table->key_fields, sizeof(head.key_fields));
    enum status status = image_put(writer, SECTION_HEAD, &head, 1, sizeof(head), error);
    if (status == STATUS_OK) status = write_fields(table, writer, error);
    if (status == STATUS_OK)
        status = image_put(writer, SECTION_GROUPS, table->groups, table->group_count,
                           sizeof(struct group), error);
    if (status == STATUS_OK)
        status = image_put(writer, SECTION_SLOTS, table->slots, (size_t)1 << table->slot_bits,
                           sizeof(struct slot), error);
    if (status == STATUS_OK) status = write_texts(table, head.text_count, writer, error);
    for (uint32_t i = 0; status == STATUS_OK && i < table->field_count; i++) {
        const struct field_store *store = &table->fields[i];
        status = image_put(writer, SECTION_CELLS + i, store->cells, table->row_count,
                           lookup_cell_bytes(store->field.type), error);
    }
    return status;
}

/* ---- opening ---- */

static const struct head *head_of(const struct image *image) {
    uint64_t count;
    const struct head *head = image_items(image, SECTION_HEAD, sizeof(*head), &count);
    return head && count == 1 ? head : NULL;
}

enum status lookup_image_fields(const struct image *image,
                                struct lookup_field fields[LOOKUP_FIELDS_MAX], uint32_t *count) {
    uint64_t field_count, names_length, at = 0;
    const struct head *head = head_of(image);
    const struct field *from = image_items(image, SECTION_FIELDS, sizeof(*from), &field_count);
    const char *names = image_items(image, SECTION_NAMES, 1, &names_length);
    if (image->contents != LOOKUP_IMAGE_CONTENTS || !head || !from || !names) return STATUS_VERSION;
    if (field_count == 0 || field_count > LOOKUP_FIELDS_MAX || field_count != head->field_count)
        return STATUS_CORRUPT;
    for (uint32_t i = 0; i < field_count; i++) {
        bool has_type = from[i].type != VALUE_UNKNOWN && from[i].type < VALUE_TYPE_COUNT;
        if (!has_type || from[i].name_length > names_length - at) return STATUS_CORRUPT;
        fields[i] =
            (struct lookup_field){{names + at, from[i].name_length}, (enum value_type)from[i].type};
        at += from[i].name_length;
    }
    *count = (uint32_t)field_count;
    return STATUS_OK;
}

/* A search ends at a free slot. */
static bool slots_are_sound(const struct slot *slots, uint64_t count, uint32_t group_count) {
    uint64_t used = 0;
    for (uint64_t i = 0; i < count; i++) {
        if (slots[i].group_plus_one > group_count) return false;
        used += slots[i].group_plus_one != 0;
    }
    return used < count;
}

static bool groups_are_sound(const struct group *groups, uint32_t count, uint32_t row_count) {
    for (uint32_t i = 0; i < count; i++) {
        if (groups[i].row_count == 0 || groups[i].row_count > row_count ||
            groups[i].first_row > row_count - groups[i].row_count)
            return false;
    }
    return true;
}

static bool ends_are_sound(const uint64_t *ends, uint32_t count, uint64_t length) {
    uint64_t before = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (ends[i] < before || ends[i] > length || ends[i] - before > UINT32_MAX) return false;
        before = ends[i];
    }
    return true;
}

static bool ids_are_sound(const uint32_t *ids, uint32_t count, uint32_t text_count) {
    for (uint32_t i = 0; i < count; i++) {
        if (ids[i] >= text_count && ids[i] != TEXT_ID_NONE) return false;
    }
    return true;
}

static enum status take_arrays(struct lookup_table *table, const struct image *image,
                               const struct head *head) {
    uint64_t groups, slots, ends, bytes;
    table->groups = image_items(image, SECTION_GROUPS, sizeof(struct group), &groups);
    table->slots = image_items(image, SECTION_SLOTS, sizeof(struct slot), &slots);
    table->text_ends = image_items(image, SECTION_TEXT_ENDS, sizeof(uint64_t), &ends);
    table->text_bytes = image_items(image, SECTION_TEXTS, 1, &bytes);
    if (!table->groups || !table->slots || !table->text_ends || !table->text_bytes)
        return STATUS_CORRUPT;
    bool sound = head->row_count <= LOOKUP_ROWS_MAX && head->slot_bits > 0 &&
                 head->slot_bits <= 31 && slots == UINT64_C(1) << head->slot_bits &&
                 groups == head->group_count && ends == head->text_count && head->key_count > 0 &&
                 head->key_count <= LOOKUP_KEY_FIELDS_MAX &&
                 slots_are_sound(table->slots, slots, head->group_count) &&
                 groups_are_sound(table->groups, head->group_count, head->row_count) &&
                 ends_are_sound(table->text_ends, head->text_count, bytes);
    for (uint32_t i = 0; sound && i < head->key_count; i++)
        sound = head->key_fields[i] < head->field_count;
    table->row_count = head->row_count;
    table->group_count = head->group_count;
    table->slot_bits = head->slot_bits;
    return sound ? STATUS_OK : STATUS_CORRUPT;
}

/* Column i of the table is column `from` of the image. */
static enum status take_column(struct lookup_table *table, const struct image *image,
                               const struct head *head, const struct lookup_field *field,
                               uint32_t from) {
    struct field_store *store = &table->fields[table->field_count];
    uint64_t count;
    char *name = memory_alloc((size_t)field->name.length + 1);
    if (!name) return STATUS_NO_MEMORY;
    if (field->name.length) memcpy(name, field->name.at, field->name.length);
    store->field = (struct lookup_field){{name, field->name.length}, field->type};
    table->field_count++;
    if (from == UINT32_MAX) return STATUS_OK;
    store->cells = image_items(image, SECTION_CELLS + from, lookup_cell_bytes(field->type), &count);
    if (!store->cells || count != head->row_count) return STATUS_CORRUPT;
    bool sound =
        field->type != VALUE_TEXT || ids_are_sound(store->cells, head->row_count, head->text_count);
    return sound ? STATUS_OK : STATUS_CORRUPT;
}

static bool has_same_keys(const struct head *head, const struct lookup_layout *layout) {
    if (head->key_count != layout->key_count || (head->many != 0) != layout->many) return false;
    for (uint32_t k = 0; k < layout->key_count; k++) {
        if (layout->from[layout->keys[k]] != head->key_fields[k]) return false;
    }
    return true;
}

static bool is_as_written(const struct lookup_layout *layout, uint32_t field_count) {
    if (layout->count != field_count) return false;
    for (uint32_t i = 0; i < field_count; i++) {
        if (layout->from[i] != i) return false;
    }
    return true;
}

static void lay_out_as_written(const struct head *head, const struct lookup_field *fields,
                               uint32_t count, struct lookup_layout *out) {
    *out = (struct lookup_layout){.count = count, .many = head->many != 0};
    out->key_count =
        head->key_count < LOOKUP_KEY_FIELDS_MAX ? head->key_count : LOOKUP_KEY_FIELDS_MAX;
    for (uint32_t i = 0; i < count; i++) {
        out->fields[i] = fields[i];
        out->from[i] = i;
    }
    memcpy(out->keys, head->key_fields, sizeof(out->keys));
}

/* Of the image, which stays the caller's on failure. */
static enum status open_in_place(struct lookup_table **out, struct image *image,
                                 const struct lookup_layout *layout, uint32_t field_count) {
    const struct head *head = head_of(image);
    struct lookup_table *table = memory_calloc(1, sizeof(*table));
    struct image *kept = memory_alloc(sizeof(*kept));
    enum status status = table && kept ? STATUS_OK : STATUS_NO_MEMORY;
    if (status == STATUS_OK) {
        *kept = (struct image){.fs = image->fs};
        table->image = kept;
        status = take_arrays(table, image, head);
    }
    for (uint32_t i = 0; status == STATUS_OK && i < layout->count; i++)
        status = take_column(table, image, head, &layout->fields[i], layout->from[i]);
    if (status != STATUS_OK) {
        if (!table || !table->image) memory_free(kept);
        lookup_destroy(table);
        return status;
    }
    table->key_count = layout->key_count;
    memcpy(table->key_fields, layout->keys, sizeof(table->key_fields));
    table->many = layout->many;
    table->finished = true;
    table->hash = is_as_written(layout, field_count) ? image->position : lookup_content_hash(table);
    *kept = *image;
    *image = (struct image){.fs = kept->fs};
    *out = table;
    return STATUS_OK;
}

/* Under other keys: row by row. */
static enum status build(struct lookup_table **out, const struct lookup_table *from,
                         const struct lookup_layout *layout) {
    struct value cells[LOOKUP_FIELDS_MAX];
    enum status status = lookup_create(out, layout->fields, layout->count, layout->keys,
                                       layout->key_count, layout->many);
    if (status != STATUS_OK) return status;
    for (uint32_t row = 0; status == STATUS_OK && row < from->row_count; row++) {
        for (uint32_t i = 0; i < layout->count; i++)
            cells[i] = layout->from[i] != UINT32_MAX ? lookup_cell(from, row, layout->from[i])
                                                     : value_unknown();
        status = lookup_add(*out, cells);
        if (status == STATUS_EXISTS) status = STATUS_OK;
    }
    if (status == STATUS_OK) status = lookup_finish(*out);
    if (status == STATUS_OK) return STATUS_OK;
    lookup_destroy(*out);
    *out = NULL;
    return status;
}

enum status lookup_open(struct lookup_table **out, struct image *image,
                        const struct lookup_layout *layout) {
    struct lookup_field fields[LOOKUP_FIELDS_MAX];
    struct lookup_layout own;
    uint32_t count = 0;
    *out = NULL;
    enum status status = lookup_image_fields(image, fields, &count);
    if (status != STATUS_OK) return status;
    const struct head *head = head_of(image);
    lay_out_as_written(head, fields, count, &own);
    if (!layout || has_same_keys(head, layout))
        return open_in_place(out, image, layout ? layout : &own, count);
    struct lookup_table *written = NULL;
    status = open_in_place(&written, image, &own, count);
    if (status == STATUS_OK) status = build(out, written, layout);
    if (written && status != STATUS_OK) { /* the image goes back */
        *image = *written->image;
        *written->image = (struct image){.fs = image->fs};
    }
    lookup_destroy(written);
    return status;
}

void lookup_page_out(const struct lookup_table *table) {
    if (table->image) image_page_out(table->image);
}

bool lookup_is_paged(const struct lookup_table *table) {
    return table->image != NULL;
}
