/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/map/user_token.h"

#include <sodium.h>

#define PREFIX TEXT("v1.")

/* Takes the text up to the next dot. */
static bool take_part(struct text *rest, struct text *part) {
    const char *dot = rest->length > 0 ? memchr(rest->at, '.', rest->length) : NULL;
    if (dot == NULL) return false;
    *part = (struct text){rest->at, (uint32_t)(dot - rest->at)};
    rest->at = dot + 1;
    rest->length -= part->length + 1;
    return true;
}

static bool decode(struct text text, uint8_t *out, size_t max, size_t *length) {
    const char *end = NULL;
    return sodium_base642bin(out, max, text.at, text.length, NULL, length, &end,
                             sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 0 &&
           end == text.at + text.length;
}

static bool is_signed(struct text body, struct text signature, struct text secret) {
    uint8_t expected[crypto_auth_hmacsha256_BYTES], is[crypto_auth_hmacsha256_BYTES];
    crypto_auth_hmacsha256_state state;
    size_t length;
    if (!decode(signature, is, sizeof is, &length) || length != sizeof is) return false;
    crypto_auth_hmacsha256_init(&state, (const uint8_t *)secret.at, secret.length);
    crypto_auth_hmacsha256_update(&state, (const uint8_t *)body.at, body.length);
    crypto_auth_hmacsha256_final(&state, expected);
    return sodium_memcmp(expected, is, sizeof is) == 0;
}

static bool is_in_time(struct text digits, int64_t now_ms) {
    int64_t expiry;
    if (digits.length > 12 || text_to_int64(digits, &expiry) != STATUS_OK) return false;
    int64_t now = now_ms / 1000;
    return expiry > now && expiry <= now + USER_TOKEN_SECONDS_MAX;
}

bool user_token_is_good(struct text token, struct text secret, struct text user, int64_t now_ms) {
    uint8_t named[USER_TOKEN_USER_BYTES];
    struct text rest = token, who, expiry;
    size_t length;
    if (secret.length < USER_TOKEN_SECRET_MIN || token.length > USER_TOKEN_BYTES_MAX ||
        user.length == 0 || !text_starts_with(token, PREFIX))
        return false;
    rest.at += PREFIX.length;
    rest.length -= PREFIX.length;
    if (!take_part(&rest, &who) || !take_part(&rest, &expiry)) return false;
    struct text body = {token.at, (uint32_t)(rest.at - token.at - 1)};
    if (!is_signed(body, rest, secret) || !is_in_time(expiry, now_ms)) return false;
    return decode(who, named, sizeof named, &length) && length == user.length &&
           memcmp(named, user.at, length) == 0;
}
