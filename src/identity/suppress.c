/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include <sodium.h>

#include "base/canonical.h"
#include "identity/record.h"

/* Whoever was erased is known only by hashes keyed with the directory's salt: enough to turn the
 * identifier away when it comes again, useless for finding out who it was without the salt.
 *
 * A digest of 128 bits, over type and value, decides. A mark of 64 bits, over the value alone, is
 * some ten times cheaper: it is looked for first, once for all types, and nearly every value is
 * none that was erased. Marks are only a filter: one that is left by an undo or by a welcome costs
 * a digest and changes no answer. */

static void digest_of(const struct identity *identity, uint8_t type, struct text value,
                      uint8_t digest[DIGEST_BYTES]) {
    crypto_generichash_state state;
    crypto_generichash_init(&state, identity->options.salt, IDENTITY_SALT_BYTES, DIGEST_BYTES);
    crypto_generichash_update(&state, &type, 1);
    crypto_generichash_update(&state, (const uint8_t *)value.at, value.length);
    crypto_generichash_final(&state, digest, DIGEST_BYTES);
}

static struct key digest_key(const uint8_t digest[DIGEST_BYTES]) {
    return (struct key){0, {(const char *)digest, DIGEST_BYTES}};
}

void suppress_init(struct identity *identity) {
    static const char purpose[] = "identity: marks of what was erased";
    crypto_generichash(identity->marks.key, sizeof(identity->marks.key), (const uint8_t *)purpose,
                       sizeof(purpose), identity->options.salt, IDENTITY_SALT_BYTES);
}

static uint64_t mark_of(const struct identity *identity, struct text value) {
    uint8_t bytes[crypto_shorthash_BYTES];
    uint64_t mark;
    static_assert(sizeof(bytes) == sizeof(mark), "a mark is a short hash");
    crypto_shorthash(bytes, (const uint8_t *)value.at, value.length, identity->marks.key);
    memcpy(&mark, bytes, sizeof(mark));
    return mark ? mark : 1;
}

static size_t mark_slot(const uint64_t *slots, size_t capacity, uint64_t mark) {
    size_t at = (size_t)mark & (capacity - 1);
    while (slots[at] && slots[at] != mark) at = (at + 1) & (capacity - 1);
    return at;
}

static enum status mark_add(struct marks *marks, uint64_t mark) {
    if (2 * (marks->count + 1) > marks->capacity) {
        size_t capacity = marks->capacity ? 2 * marks->capacity : 64;
        uint64_t *slots = memory_calloc(capacity, sizeof(*slots));
        if (!slots) return STATUS_NO_MEMORY;
        for (size_t i = 0; i < marks->capacity; i++) {
            if (marks->slots[i])
                slots[mark_slot(slots, capacity, marks->slots[i])] = marks->slots[i];
        }
        memory_free(marks->slots);
        marks->slots = slots;
        marks->capacity = capacity;
    }
    size_t at = mark_slot(marks->slots, marks->capacity, mark);
    marks->count += marks->slots[at] == 0;
    marks->slots[at] = mark;
    return STATUS_OK;
}

bool identity_may_be_suppressed(const struct identity *identity, struct text value) {
    const struct marks *marks = &identity->marks;
    if (key_table_count(&identity->suppressed) == 0) return false;
    if (marks->any_without) return true;
    if (marks->count == 0) return false;
    return marks->slots[mark_slot(marks->slots, marks->capacity, mark_of(identity, value))] != 0;
}

bool is_suppressed(const struct identity *identity, uint8_t type, struct text value) {
    if (!identity_may_be_suppressed(identity, value)) return false;
    uint8_t digest[DIGEST_BYTES];
    uint32_t id;
    digest_of(identity, type, value, digest);
    struct key key = digest_key(digest);
    return key_table_find(&identity->suppressed, key, key_hash(key), &id);
}

bool identity_turns_away(const struct identity *identity) {
    return key_table_count(&identity->suppressed) > 0;
}

bool identity_is_suppressed(const struct identity *identity, uint32_t type, struct text value) {
    return type < IDENTIFIER_TYPES_MAX && is_suppressed(identity, (uint8_t)type, value);
}

enum status suppress_digest(struct identity *identity, const struct suppressed *suppressed) {
    struct record_entry entry = {.tag = suppressed->mark ? ENTRY_SUPPRESS_MARKED : ENTRY_SUPPRESS,
                                 .suppressed = *suppressed};
    enum status status = record_add(identity, &entry);
    if (!status && suppressed->mark) status = mark_add(&identity->marks, suppressed->mark);
    if (!suppressed->mark) identity->marks.any_without = true;
    uint32_t id;
    bool is_new;
    struct key key = digest_key(suppressed->digest);
    return status ? status : key_table_add(&identity->suppressed, key, key_hash(key), &id, &is_new);
}

void welcome_digest(struct identity *identity, const uint8_t digest[DIGEST_BYTES]) {
    struct key key = digest_key(digest);
    uint32_t id;
    if (key_table_find(&identity->suppressed, key, key_hash(key), &id)) identity->welcome = id;
}

static enum status suppress_value(struct identity *identity, uint8_t type, struct text value) {
    struct suppressed suppressed = {.mark = mark_of(identity, value)};
    digest_of(identity, type, value, suppressed.digest);
    return suppress_digest(identity, &suppressed);
}

/* An identifier that an older program stored comes back in its canonical form. */
static enum status suppress_form(struct identity *identity, struct key key) {
    struct buffer form;
    buffer_init(&form);
    enum status status =
        canonical_append(key.text, spelling_letters(&identity->spelling, key.prefix), &form);
    if (status == STATUS_OK && !text_equal(buffer_text(&form), key.text))
        status = suppress_value(identity, key.prefix, buffer_text(&form));
    buffer_release(&form);
    return status == STATUS_INVALID ? STATUS_OK : status;
}

enum status identity_suppress(struct identity *identity, const struct identity_erasure *erasure,
                              uint64_t position, struct identity_result *result,
                              struct error *error) {
    change_begin(identity, position);
    enum status status = STATUS_OK;
    for (size_t i = 0; !status && i < erasure->identifier_count; i++) {
        struct key key = key_table_key(&identity->identifiers, erasure->identifiers[i].value);
        if (!key.text.at) continue;
        status = suppress_value(identity, key.prefix, key.text);
        if (!status) status = suppress_form(identity, key);
    }
    if (status) return change_fail(identity, status, error);
    change_result(identity, result);
    return STATUS_OK;
}

enum status identity_welcome(struct identity *identity, uint32_t type, struct text value,
                             uint64_t position, struct identity_result *result,
                             struct error *error) {
    if (type >= IDENTIFIER_TYPES_MAX || !is_suppressed(identity, (uint8_t)type, value))
        return error_set(error, STATUS_NOT_FOUND, "identity: this identifier is not turned away");
    change_begin(identity, position);
    struct record_entry entry = {.tag = ENTRY_WELCOME};
    digest_of(identity, (uint8_t)type, value, entry.suppressed.digest);
    enum status status = record_add(identity, &entry);
    if (status) return change_fail(identity, status, error);
    welcome_digest(identity, entry.suppressed.digest);
    change_result(identity, result);
    return STATUS_OK;
}
