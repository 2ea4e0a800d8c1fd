/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/spelling.h"

#include "base/memory.h"

enum status spelling_init(struct spelling *spelling) {
    return key_table_init(&spelling->aliases);
}

void spelling_release(struct spelling *spelling) {
    key_table_release(&spelling->aliases);
    column_release(&spelling->targets, sizeof(uint32_t));
    memory_free(spelling->old_ids);
}

/* What older programs left as it came: everything beyond ASCII. */
static bool may_be_old(struct text value) {
    for (uint32_t i = 0; i < value.length; i++) {
        if ((unsigned char)value.at[i] >= 0x80) return true;
    }
    return false;
}

enum status spelling_note(struct spelling *spelling, struct text value, uint32_t id) {
    if (!may_be_old(value)) return STATUS_OK;
    enum status status = memory_grow((void **)&spelling->old_ids, &spelling->old_capacity,
                                     spelling->old_count + 1, sizeof *spelling->old_ids);
    if (status == STATUS_OK) spelling->old_ids[spelling->old_count++] = id;
    return status;
}

static uint32_t *target_of(const struct spelling *spelling, uint32_t alias) {
    return column_at(&spelling->targets, alias, sizeof(uint32_t));
}

/* The target stands before a reader can find the alias. */
static enum status add_alias(struct spelling *spelling, struct key key, uint32_t id) {
    uint32_t alias, next = key_table_count(&spelling->aliases);
    bool is_new;
    enum status status = column_reserve(&spelling->targets, (uint64_t)next + 1, sizeof(uint32_t));
    if (status != STATUS_OK) return status;
    *target_of(spelling, next) = id;
    return key_table_add(&spelling->aliases, key, key_hash(key), &alias, &is_new);
}

static enum status prepare_one(struct spelling *spelling, const struct key_table *identifiers,
                               uint32_t id, struct buffer *form) {
    struct key key = key_table_key(identifiers, id);
    uint32_t other;
    if (key.text.at == NULL) return STATUS_OK;
    buffer_clear(form);
    enum status status = canonical_append(key.text, spelling_letters(spelling, key.prefix), form);
    if (status == STATUS_INVALID) return STATUS_OK;
    struct key alias = {key.prefix, buffer_text(form)};
    if (status != STATUS_OK || text_equal(alias.text, key.text) || alias.text.length == 0 ||
        key_table_find(identifiers, alias, key_hash(alias), &other) ||
        key_table_find(&spelling->aliases, alias, key_hash(alias), &other))
        return status;
    return add_alias(spelling, alias, id);
}

enum status spelling_prepare(struct spelling *spelling, const struct key_table *identifiers,
                             const struct identifier_rule *rules, uint32_t count) {
    struct buffer form;
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < SPELLING_TYPES; i++) atomic_store(&spelling->small[i], 0);
    for (uint32_t i = 0; i < count; i++) {
        if (rules[i].symbol < SPELLING_TYPES)
            atomic_store(&spelling->small[rules[i].symbol], rules[i].lower_case);
    }
    buffer_init(&form);
    for (size_t i = 0; status == STATUS_OK && i < spelling->old_count; i++)
        status = prepare_one(spelling, identifiers, spelling->old_ids[i], &form);
    buffer_release(&form);
    return status;
}

bool spelling_alias(const struct spelling *spelling, struct key key, uint64_t hash, uint32_t *id) {
    uint32_t alias;
    if (key_table_count(&spelling->aliases) == 0) return false;
    if (!key_table_find(&spelling->aliases, key, hash, &alias)) return false;
    *id = *target_of(spelling, alias);
    return true;
}

void spelling_erase(struct spelling *spelling, uint32_t id) {
    uint32_t count = key_table_count(&spelling->aliases);
    for (uint32_t alias = 0; alias < count; alias++) {
        if (*target_of(spelling, alias) == id) key_table_wipe(&spelling->aliases, alias);
    }
}
