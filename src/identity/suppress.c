/* SPDX-License-Identifier: Apache-2.0 */
#include <sodium.h>

#include "base/canonical.h"
#include "identity/record.h"

/* Whoever was erased is known only by a hash keyed with the directory's salt: enough to turn the
 * identifier away when it comes again, useless for finding out who it was without the salt. */

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

bool is_suppressed(const struct identity *identity, uint8_t type, struct text value) {
    if (key_table_count(&identity->suppressed) == 0) return false;
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

enum status suppress_digest(struct identity *identity, const uint8_t digest[DIGEST_BYTES]) {
    struct record_entry entry = {.tag = ENTRY_SUPPRESS};
    memcpy(entry.digest, digest, DIGEST_BYTES);
    enum status status = record_add(identity, &entry);
    uint32_t id;
    bool is_new;
    struct key key = digest_key(digest);
    return status ? status : key_table_add(&identity->suppressed, key, key_hash(key), &id, &is_new);
}

void welcome_digest(struct identity *identity, const uint8_t digest[DIGEST_BYTES]) {
    struct key key = digest_key(digest);
    uint32_t id;
    if (key_table_find(&identity->suppressed, key, key_hash(key), &id)) identity->welcome = id;
}

/* An identifier that an older program stored comes back in its canonical form. */
static enum status suppress_form(struct identity *identity, struct key key) {
    uint8_t digest[DIGEST_BYTES];
    struct buffer form;
    buffer_init(&form);
    enum status status =
        canonical_append(key.text, spelling_letters(&identity->spelling, key.prefix), &form);
    if (status == STATUS_OK && !text_equal(buffer_text(&form), key.text)) {
        digest_of(identity, key.prefix, buffer_text(&form), digest);
        status = suppress_digest(identity, digest);
    }
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
        uint8_t digest[DIGEST_BYTES];
        digest_of(identity, key.prefix, key.text, digest);
        status = suppress_digest(identity, digest);
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
    digest_of(identity, (uint8_t)type, value, entry.digest);
    enum status status = record_add(identity, &entry);
    if (status) return change_fail(identity, status, error);
    welcome_digest(identity, entry.digest);
    change_result(identity, result);
    return STATUS_OK;
}
