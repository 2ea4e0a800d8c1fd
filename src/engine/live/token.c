/* SPDX-License-Identifier: Apache-2.0 */
/* A token: version, nonce, and sealed by XChaCha20-Poly1305 (libsodium) a head and the properties
 * of the event, as base64url.
 *
 *   0x01 │ nonce:24 │ seal( expires:8 t:8 persona:4 channel:4 bearer:8 n:4 │ n │ packed ) + 16
 *
 * The nonce is a keyed hash of what is sealed, so that no two contents share one, and the same
 * decision has the same token. `bearer` is a keyed hash of the persona's identifiers: where a
 * directory was restored from a backup the number may be another persona's by now. The n bytes are
 * the identifiers of somebody whom nobody knows, and then there is no persona. */
#include <sodium.h>

#include "engine/live/live_internal.h"

#define TOKEN_VERSION    1u
#define TOKEN_HEAD_BYTES 36u
#define NONCE_BYTES      crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG_BYTES        crypto_aead_xchacha20poly1305_ietf_ABYTES
#define TOKEN_RAW_MAX    ((LIVE_TOKEN_BYTES - 1) / 4 * 3)
#define SEALED_MAX       (TOKEN_RAW_MAX - 1 - NONCE_BYTES)
#define BASE64_FORM      sodium_base64_VARIANT_URLSAFE_NO_PADDING

_Static_assert(LIVE_KEY_BYTES == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "the seal's key");

static uint64_t bearer_of(const struct engine *engine, struct persona_id persona) {
    struct identifier_id ids[EVENT_IDENTIFIERS_MAX];
    uint32_t count =
        identity_persona_identifiers(engine->identity, persona, ids, EVENT_IDENTIFIERS_MAX);
    crypto_generichash_state state;
    uint64_t hash = 0;
    if (count > EVENT_IDENTIFIERS_MAX) count = EVENT_IDENTIFIERS_MAX;
    (void)crypto_generichash_init(&state, engine->live->nonce_key, LIVE_KEY_BYTES, 16);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t type;
        struct text value = identity_identifier(engine->identity, ids[i], &type);
        (void)crypto_generichash_update(&state, (const uint8_t *)&value.length,
                                        sizeof value.length);
        (void)crypto_generichash_update(&state, (const uint8_t *)value.at, value.length);
    }
    uint8_t digest[16];
    (void)crypto_generichash_final(&state, digest, sizeof digest);
    memcpy(&hash, digest, sizeof hash);
    return count == 0 ? 0 : hash;
}

static void put_head(uint8_t *out, const struct live_record *record, uint64_t bearer) {
    memcpy(out, &record->expires_ms, 8);
    memcpy(out + 8, &record->t_ms, 8);
    memcpy(out + 16, &record->persona.value, 4);
    memcpy(out + 20, &record->channel, 4);
    memcpy(out + 24, &bearer, 8);
    memcpy(out + 32, &record->identifiers.length, 4);
}

/* What is written is no secret any more, so it needs no constant time: libsodium's own takes four
 * times as long as all the rest of a token. */
static void write_base64url(const uint8_t *bytes, size_t length, char *out) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t i = 0;
    for (; i + 3 <= length; i += 3) {
        uint32_t bits = (uint32_t)bytes[i] << 16 | (uint32_t)bytes[i + 1] << 8 | bytes[i + 2];
        *out++ = digits[bits >> 18];
        *out++ = digits[bits >> 12 & 63];
        *out++ = digits[bits >> 6 & 63];
        *out++ = digits[bits & 63];
    }
    if (i < length) { /* one or two bytes are left: two or three digits */
        uint32_t bits = (uint32_t)bytes[i] << 16;
        if (i + 1 < length) bits |= (uint32_t)bytes[i + 1] << 8;
        *out++ = digits[bits >> 18];
        *out++ = digits[bits >> 12 & 63];
        if (i + 1 < length) *out++ = digits[bits >> 6 & 63];
    }
    *out = '\0';
}

bool live_token_make(const struct engine *engine, const struct live_record *record,
                     char out[LIVE_TOKEN_BYTES]) {
    uint8_t plain[TOKEN_RAW_MAX], raw[TOKEN_RAW_MAX];
    const struct live *live = engine->live;
    size_t identifiers = record->identifiers.length,
           length = TOKEN_HEAD_BYTES + identifiers + record->packed.length;
    out[0] = '\0';
    if (length + TAG_BYTES > SEALED_MAX) return false;
    put_head(plain, record, bearer_of(engine, record->persona));
    if (identifiers > 0) memcpy(plain + TOKEN_HEAD_BYTES, record->identifiers.at, identifiers);
    memcpy(plain + TOKEN_HEAD_BYTES + identifiers, record->packed.at, record->packed.length);
    raw[0] = TOKEN_VERSION;
    (void)crypto_generichash(raw + 1, NONCE_BYTES, plain, length, live->nonce_key, LIVE_KEY_BYTES);
    unsigned long long sealed = 0;
    (void)crypto_aead_xchacha20poly1305_ietf_encrypt(raw + 1 + NONCE_BYTES, &sealed, plain, length,
                                                     raw, 1, NULL, raw + 1, live->seal_key);
    write_base64url(raw, 1 + NONCE_BYTES + (size_t)sealed, out);
    return true;
}

/* Whatever is wrong with it, the seal says so, in the same time for the same length. */
static bool unseal(const struct live *live, struct text token, uint8_t bytes[LIVE_TOKEN_BYTES],
                   size_t *length) {
    uint8_t raw[TOKEN_RAW_MAX];
    size_t got = 0;
    unsigned long long opened = 0;
    if (token.length >= LIVE_TOKEN_BYTES ||
        sodium_base642bin(raw, sizeof raw, token.at, token.length, NULL, &got, NULL, BASE64_FORM) !=
            0 ||
        got < 1 + NONCE_BYTES + TOKEN_HEAD_BYTES + TAG_BYTES || raw[0] != TOKEN_VERSION)
        return false;
    bool fits = crypto_aead_xchacha20poly1305_ietf_decrypt(
                    bytes, &opened, NULL, raw + 1 + NONCE_BYTES, got - 1 - NONCE_BYTES, raw, 1,
                    raw + 1, live->seal_key) == 0;
    *length = (size_t)opened;
    return fits;
}

enum status live_token_open(const struct engine *engine, struct text token,
                            uint8_t bytes[LIVE_TOKEN_BYTES], struct live_record *out) {
    size_t length;
    uint64_t bearer;
    if (!unseal(engine->live, token, bytes, &length)) return STATUS_NOT_FOUND;
    memcpy(&out->expires_ms, bytes, 8);
    memcpy(&out->t_ms, bytes + 8, 8);
    memcpy(&out->persona.value, bytes + 16, 4);
    memcpy(&out->channel, bytes + 20, 4);
    memcpy(&bearer, bytes + 24, 8);
    memcpy(&out->identifiers.length, bytes + 32, 4);
    if (out->identifiers.length > length - TOKEN_HEAD_BYTES) return STATUS_NOT_FOUND;
    out->identifiers.at = (const char *)bytes + TOKEN_HEAD_BYTES;
    out->packed = (struct text){out->identifiers.at + out->identifiers.length,
                                (uint32_t)length - TOKEN_HEAD_BYTES - out->identifiers.length};
    bool is_nobodys = out->persona.value == ID_NONE && out->identifiers.length > 0;
    bool is_theirs = is_nobodys || (bearer != 0 && bearer == bearer_of(engine, out->persona));
    return is_theirs && packed_check(out->packed) == STATUS_OK ? STATUS_OK : STATUS_NOT_FOUND;
}
