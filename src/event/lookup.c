/* SPDX-License-Identifier: Apache-2.0 */
#include "event/lookup_internal.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/canonical.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/time.h"
#include "event/timeline.h"

#define SLOT_BITS_MIN 6
#define PLAIN_BYTES   VALUE_SET_KEY_BYTES

/* ---- the text that a file would hold ---- */

static struct text plain_number(double number, char out[PLAIN_BYTES]) {
    int length = 0;
    if (fabs(number) < 1e15 && !(floor(number) < number)) {
        return (struct text){out, (uint32_t)snprintf(out, PLAIN_BYTES, "%lld", (long long)number)};
    }
    for (int precision = 15; precision <= 17; precision++) {
        length = snprintf(out, PLAIN_BYTES, "%.*g", precision, number);
        double back = strtod(out, NULL);
        if (!(back < number) && !(back > number)) break;
    }
    return (struct text){out, (uint32_t)length};
}

static struct text plain_money(struct value value, char out[PLAIN_BYTES]) {
    uint64_t unit = 1;
    uint32_t digits = currency_minor_digits(value.currency);
    for (uint32_t i = 0; i < digits; i++) unit *= 10;
    uint64_t minor = value.minor < 0 ? 0 - (uint64_t)value.minor : (uint64_t)value.minor;
    const char *sign = value.minor < 0 ? "-" : "";
    int length = digits == 0 ? snprintf(out, PLAIN_BYTES, "%s%llu", sign, (unsigned long long)minor)
                             : snprintf(out, PLAIN_BYTES, "%s%llu.%0*llu", sign,
                                        (unsigned long long)(minor / unit), (int)digits,
                                        (unsigned long long)(minor % unit));
    return (struct text){out, (uint32_t)length};
}

/* Returns the value as a file would write it. A text stays where it is; anything else is written
 * into `out`. Empty for unknown and for lists. */
static struct text plain(struct value value, char out[PLAIN_BYTES]) {
    switch ((enum value_type)value.type) {
    case VALUE_TEXT: return value.text;
    case VALUE_NUMBER: return plain_number(value.number, out);
    case VALUE_MONEY: return plain_money(value, out);
    case VALUE_YES_NO: return value.yes ? TEXT("yes") : TEXT("no");
    case VALUE_TIME: return (struct text){out, (uint32_t)time_format(value.time_ms, out)};
    case VALUE_DURATION: {
        int length = snprintf(out, PLAIN_BYTES, "%lldms", (long long)value.duration_ms);
        return (struct text){out, (uint32_t)length};
    }
    case VALUE_UNKNOWN:
    case VALUE_LIST:
    case VALUE_TYPE_COUNT: break;
    }
    return (struct text){0};
}

static uint64_t hash_plain(struct value value, uint64_t seed) {
    char out[PLAIN_BYTES];
    return hash_text(plain(value, out), seed);
}

/* ---- building ---- */

enum status lookup_create(struct lookup_table **out, const struct lookup_field *fields,
                          uint32_t field_count, const uint32_t *key_fields, uint32_t key_count,
                          bool many) {
    if (field_count == 0 || field_count > LOOKUP_FIELDS_MAX || key_count == 0 ||
        key_count > LOOKUP_KEY_FIELDS_MAX) {
        return STATUS_LIMIT;
    }
    for (uint32_t i = 0; i < key_count; i++) {
        if (key_fields[i] >= field_count) return STATUS_INVALID;
    }
    struct lookup_table *table = memory_calloc(1, sizeof(*table));
    if (!table) return STATUS_NO_MEMORY;
    table->key_count = key_count;
    memcpy(table->key_fields, key_fields, key_count * sizeof(*key_fields));
    table->many = many;
    table->slot_bits = SLOT_BITS_MIN;
    table->slots = memory_calloc((size_t)1 << SLOT_BITS_MIN, sizeof(struct slot));
    enum status status =
        table->slots ? interner_create(&table->texts, UINT32_MAX - 1) : STATUS_NO_MEMORY;
    for (uint32_t i = 0; status == STATUS_OK && i < field_count; i++) {
        char *name = memory_alloc((size_t)fields[i].name.length + 1);
        if (!name) {
            status = STATUS_NO_MEMORY;
            break;
        }
        if (fields[i].name.length) memcpy(name, fields[i].name.at, fields[i].name.length);
        table->fields[i].field =
            (struct lookup_field){{name, fields[i].name.length}, fields[i].type};
        table->field_count = i + 1;
    }
    if (status == STATUS_OK) {
        *out = table;
    } else {
        lookup_destroy(table);
    }
    return status;
}

void lookup_destroy(struct lookup_table *table) {
    if (!table) return;
    for (uint32_t i = 0; i < table->field_count; i++) {
        memory_free((void *)(uintptr_t)table->fields[i].field.name.at);
        if (!table->image) memory_free(table->fields[i].cells);
    }
    if (table->image) {
        image_close(table->image);
        memory_free(table->image);
    } else {
        memory_free(table->groups);
        memory_free(table->row_group);
        memory_free(table->slots);
        interner_destroy(table->texts);
    }
    memory_free(table);
}

/* ---- keys, in one form ---- */

struct key_form {
    struct text text;
    char digits[PLAIN_BYTES];
    struct buffer buffer; /* holds the form of a text beyond ASCII */
};

static bool is_ascii(struct text text) {
    for (uint32_t i = 0; i < text.length; i++) {
        if ((unsigned char)text.at[i] >= 0x80) return false;
    }
    return true;
}

/* Brings a key into the form in which keys are compared: without padding, composed, and as a number
 * where the table holds numbers, so that "7.0" is 7. Without memory the text counts as it came. */
static void form_begin(struct key_form *form, struct value key, enum value_type type) {
    struct value number = value_number(0);
    buffer_init(&form->buffer);
    form->text = canonical_trim(plain(key, form->digits));
    if (key.type != VALUE_TEXT) return;
    if (type == VALUE_NUMBER && text_to_double(form->text, &number.number) == STATUS_OK)
        form->text = plain(number, form->digits);
    else if (!is_ascii(form->text) &&
             canonical_append(form->text, CANONICAL_AS_WRITTEN, &form->buffer) == STATUS_OK)
        form->text = buffer_text(&form->buffer);
}

static enum value_type key_type(const struct lookup_table *table, uint32_t i) {
    return table->fields[table->key_fields[i]].field.type;
}

static uint64_t hash_key(const struct lookup_table *table, const struct value *key) {
    uint64_t hash = table->key_count;
    for (uint32_t i = 0; i < table->key_count; i++) {
        struct key_form form;
        form_begin(&form, key[i], key_type(table, i));
        hash = hash_text(form.text, hash);
        buffer_release(&form.buffer);
    }
    return hash;
}

static bool same_key(const struct lookup_table *table, uint32_t row, const struct value *key) {
    bool same = true;
    for (uint32_t i = 0; same && i < table->key_count; i++) {
        struct key_form left, right;
        form_begin(&left, lookup_cell(table, row, table->key_fields[i]), key_type(table, i));
        form_begin(&right, key[i], key_type(table, i));
        same = text_equal(left.text, right.text);
        buffer_release(&left.buffer);
        buffer_release(&right.buffer);
    }
    return same;
}

/* The slot of this key, or the free one where it belongs. */
static struct slot *slot_of(const struct lookup_table *table, const struct value *key,
                            uint64_t hash) {
    uint32_t bits = (uint32_t)(hash >> 32);
    size_t mask = ((size_t)1 << table->slot_bits) - 1, at = bits >> (32 - table->slot_bits);
    for (;; at = (at + 1) & mask) {
        struct slot *slot = &table->slots[at];
        if (slot->group_plus_one == 0) return slot;
        if (slot->hash_bits != bits) continue;
        if (same_key(table, table->groups[slot->group_plus_one - 1].first_row, key)) return slot;
    }
}

static enum status grow_slots(struct lookup_table *table) {
    uint32_t bits = table->slot_bits + 1;
    if (bits > 31) return STATUS_LIMIT;
    struct slot *slots = memory_calloc((size_t)1 << bits, sizeof(struct slot));
    if (!slots) return STATUS_NO_MEMORY;
    size_t mask = ((size_t)1 << bits) - 1;
    for (size_t i = 0; i < (size_t)1 << table->slot_bits; i++) {
        if (table->slots[i].group_plus_one == 0) continue;
        size_t at = table->slots[i].hash_bits >> (32 - bits);
        while (slots[at].group_plus_one) at = (at + 1) & mask;
        slots[at] = table->slots[i];
    }
    memory_free(table->slots);
    table->slots = slots;
    table->slot_bits = bits;
    return STATUS_OK;
}

static enum status reserve_row(struct lookup_table *table) {
    enum status status = STATUS_OK;
    size_t needed = (size_t)table->row_count + 1;
    for (uint32_t i = 0; status == STATUS_OK && i < table->field_count; i++) {
        struct field_store *store = &table->fields[i];
        status = memory_grow(&store->cells, &store->capacity, needed,
                             lookup_cell_bytes(store->field.type));
    }
    void *groups = table->groups, *row_group = table->row_group;
    if (status == STATUS_OK) {
        status = memory_grow(&groups, &table->group_capacity, (size_t)table->group_count + 1,
                             sizeof(struct group));
        table->groups = groups;
    }
    if (status == STATUS_OK && table->many) {
        status = memory_grow(&row_group, &table->row_group_capacity, needed, sizeof(uint32_t));
        table->row_group = row_group;
    }
    if (status == STATUS_OK && table->group_count >= ((size_t)1 << table->slot_bits) / 2)
        status = grow_slots(table);
    return status;
}

static enum status write_cell(struct lookup_table *table, struct field_store *store,
                              struct value value) {
    if (store->field.type != VALUE_TEXT) {
        /* Reference data hold no lists: such a cell is unknown. */
        if (store->field.type == VALUE_LIST) value = value_unknown();
        cell_set(store->cells, store->field.type, table->row_count, value, NULL);
        return STATUS_OK;
    }
    uint32_t id = TEXT_ID_NONE;
    bool is_new;
    enum status status = STATUS_OK;
    if (value.type == VALUE_TEXT) status = interner_add(table->texts, value.text, &id, &is_new);
    ((uint32_t *)store->cells)[table->row_count] = id;
    return status;
}

enum status lookup_add(struct lookup_table *table, const struct value *cells) {
    assert(!table->finished);
    if (table->row_count >= LOOKUP_ROWS_MAX) return STATUS_LIMIT;
    struct value key[LOOKUP_KEY_FIELDS_MAX];
    for (uint32_t i = 0; i < table->key_count; i++) {
        key[i] = cells[table->key_fields[i]];
        if (!value_is_known(key[i]) ||
            key[i].type != table->fields[table->key_fields[i]].field.type) {
            return STATUS_INVALID;
        }
    }
    enum status status = reserve_row(table);
    if (status != STATUS_OK) return status;
    uint64_t hash = hash_key(table, key);
    struct slot *slot = slot_of(table, key, hash);
    if (slot->group_plus_one && !table->many) return STATUS_EXISTS;
    for (uint32_t i = 0; i < table->field_count; i++) {
        status = write_cell(table, &table->fields[i], cells[i]);
        if (status != STATUS_OK) return status;
    }
    if (slot->group_plus_one == 0) {
        table->groups[table->group_count++] = (struct group){table->row_count, 0};
        *slot = (struct slot){(uint32_t)(hash >> 32), table->group_count};
    }
    table->groups[slot->group_plus_one - 1].row_count++;
    if (table->many) table->row_group[table->row_count] = slot->group_plus_one - 1;
    table->row_count++;
    return STATUS_OK;
}

/* Moves row i of `store` to place[i]. */
static enum status place_cells(struct field_store *store, const uint32_t *place,
                               uint32_t row_count) {
    size_t bytes = lookup_cell_bytes(store->field.type);
    char *moved = memory_alloc(row_count * bytes);
    if (!moved) return STATUS_NO_MEMORY;
    const char *cells = store->cells;
    for (uint32_t i = 0; i < row_count; i++)
        memcpy(moved + place[i] * bytes, cells + i * bytes, bytes);
    memory_free(store->cells);
    store->cells = moved;
    store->capacity = row_count;
    return STATUS_OK;
}

/* Puts the rows of each group side by side. Groups stand in the order in which they came first,
 * rows of a group in their own order. row_group becomes the rows' new places. */
static enum status put_groups_together(struct lookup_table *table) {
    uint32_t next = 0;
    for (uint32_t g = 0; g < table->group_count; g++) {
        table->groups[g].first_row = next;
        next += table->groups[g].row_count;
        table->groups[g].row_count = 0;
    }
    for (uint32_t i = 0; i < table->row_count; i++) {
        struct group *group = &table->groups[table->row_group[i]];
        table->row_group[i] = group->first_row + group->row_count++;
    }
    for (uint32_t i = 0; i < table->field_count; i++) {
        enum status status = place_cells(&table->fields[i], table->row_group, table->row_count);
        if (status != STATUS_OK) return status;
    }
    memory_free(table->row_group);
    table->row_group = NULL;
    return STATUS_OK;
}

uint64_t lookup_content_hash(const struct lookup_table *table) {
    uint64_t hash =
        hash_u64(((uint64_t)table->field_count << 8 | table->key_count) << 1 | table->many);
    for (uint32_t i = 0; i < table->key_count; i++) hash = hash_u64(hash ^ table->key_fields[i]);
    for (uint32_t i = 0; i < table->field_count; i++) {
        hash = hash_text(table->fields[i].field.name, hash ^ table->fields[i].field.type);
        for (uint32_t row = 0; row < table->row_count; row++) {
            struct value cell = lookup_cell(table, row, i);
            hash = hash_plain(cell, hash_u64(hash ^ ((uint64_t)cell.type << 32 | cell.currency)));
        }
    }
    return hash;
}

enum status lookup_finish(struct lookup_table *table) {
    assert(!table->finished);
    enum status status = table->many && table->row_count ? put_groups_together(table) : STATUS_OK;
    if (status != STATUS_OK) return status;
    table->finished = true;
    table->hash = lookup_content_hash(table);
    return STATUS_OK;
}

/* ---- reading ---- */

uint32_t lookup_row_count(const struct lookup_table *table) {
    return table->row_count;
}
uint32_t lookup_field_count(const struct lookup_table *table) {
    return table->field_count;
}
uint64_t lookup_hash(const struct lookup_table *table) {
    return table->hash;
}

struct lookup_field lookup_field(const struct lookup_table *table, uint32_t field) {
    return field < table->field_count ? table->fields[field].field : (struct lookup_field){0};
}

uint32_t lookup_field_find(const struct lookup_table *table, struct text name) {
    for (uint32_t i = 0; i < table->field_count; i++) {
        if (text_equal(table->fields[i].field.name, name)) return i;
    }
    return UINT32_MAX;
}

bool lookup_find(const struct lookup_table *table, const struct value *key, uint32_t *first_row,
                 uint32_t *row_count) {
    for (uint32_t i = 0; i < table->key_count; i++) {
        if (key[i].type == VALUE_UNKNOWN || key[i].type == VALUE_LIST) return false;
    }
    const struct slot *slot = slot_of(table, key, hash_key(table, key));
    if (slot->group_plus_one == 0) return false;
    *first_row = table->groups[slot->group_plus_one - 1].first_row;
    *row_count = table->groups[slot->group_plus_one - 1].row_count;
    return true;
}

struct value lookup_cell(const struct lookup_table *table, uint32_t row, uint32_t field) {
    if (field >= table->field_count || row >= table->row_count) return value_unknown();
    const struct field_store *store = &table->fields[field];
    if (!store->cells) return value_unknown();
    if (store->field.type == VALUE_TEXT) {
        uint32_t id = ((const uint32_t *)store->cells)[row];
        return id == TEXT_ID_NONE ? value_unknown() : value_text(lookup_text(table, id));
    }
    if (store->field.type == VALUE_LIST) return value_unknown();
    struct timeline_column column = {.cells = store->cells};
    return column_value(&column, store->field.type, row);
}

size_t lookup_bytes(const struct lookup_table *table) {
    if (table->image) return sizeof(*table) + table->image->mapping.length;
    size_t bytes = sizeof(*table) + ((size_t)sizeof(struct slot) << table->slot_bits);
    bytes += table->group_capacity * sizeof(struct group);
    for (uint32_t i = 0; i < table->field_count; i++) {
        bytes += table->fields[i].capacity * lookup_cell_bytes(table->fields[i].field.type);
    }
    for (uint32_t i = 0; i < interner_count(table->texts); i++)
        bytes += interner_text(table->texts, i).length + 16;
    return bytes;
}

/* ---- sets: the same equality as keys, so that a number finds the text that a file holds ---- */

struct value_set {
    struct interner *texts;
};

enum status value_set_create(struct value_set **out) {
    struct value_set *set = memory_calloc(1, sizeof(*set));
    if (!set) return STATUS_NO_MEMORY;
    enum status status = interner_create(&set->texts, UINT32_MAX - 1);
    if (status == STATUS_OK) {
        *out = set;
    } else {
        memory_free(set);
    }
    return status;
}

void value_set_destroy(struct value_set *set) {
    if (!set) return;
    interner_destroy(set->texts);
    memory_free(set);
}

enum status value_set_add(struct value_set *set, struct value value) {
    if (value.type == VALUE_UNKNOWN) return STATUS_OK;
    if (value.type == VALUE_LIST) return STATUS_INVALID;
    char out[PLAIN_BYTES];
    uint32_t id;
    bool is_new;
    return interner_add(set->texts, plain(value, out), &id, &is_new);
}

bool value_set_contains(const struct value_set *set, struct value value) {
    char out[PLAIN_BYTES];
    uint32_t id;
    return value_is_known(value) && interner_find(set->texts, plain(value, out), &id);
}

uint32_t value_set_count(const struct value_set *set) {
    return interner_count(set->texts);
}

struct text value_set_key(struct value value, char out[VALUE_SET_KEY_BYTES]) {
    return plain(value, out);
}

struct text value_set_text(const struct value_set *set, uint32_t i) {
    return interner_text(set->texts, i);
}
