/* SPDX-License-Identifier: Apache-2.0 */
#include "server/take/signature.h"

#include <stdlib.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sodium.h>

#include "base/time.h"

#define SIGNATURE_BYTES_MAX 1024u
#define AHEAD_MS            (5 * INT64_C(60000)) /* that another clock may be ahead of ours */

struct bytes {
    unsigned char at[SIGNATURE_BYTES_MAX];
    size_t length;
};

/* ---- texts to bytes ---- */

static bool from_base64(struct text text, struct bytes *out) {
    return text.length > 0 &&
           sodium_base642bin(out->at, sizeof out->at, text.at, text.length, " \t\r\n", &out->length,
                             NULL, sodium_base64_VARIANT_ORIGINAL) == 0;
}

static bool from_hex(struct text text, struct bytes *out) {
    return text.length > 0 && text.length % 2 == 0 &&
           sodium_hex2bin(out->at, sizeof out->at, text.at, text.length, NULL, &out->length,
                          NULL) == 0 &&
           out->length * 2 == text.length;
}

static bool is_equal(const struct bytes *given, const unsigned char *right, size_t length) {
    return given->length == length && sodium_memcmp(given->at, right, length) == 0;
}

/* ---- HMAC ---- */

static void hmac_sha256(struct text secret, struct text first, struct text second,
                        unsigned char out[crypto_auth_hmacsha256_BYTES]) {
    crypto_auth_hmacsha256_state state;
    crypto_auth_hmacsha256_init(&state, (const unsigned char *)secret.at, secret.length);
    crypto_auth_hmacsha256_update(&state, (const unsigned char *)first.at, first.length);
    crypto_auth_hmacsha256_update(&state, (const unsigned char *)second.at, second.length);
    crypto_auth_hmacsha256_final(&state, out);
}

/* "sha256=…" as some senders write it, in hex or base64. */
static enum signature_verdict check_hmac(const struct signed_request *request,
                                         const struct signature_rule *rule, struct text secret,
                                         struct arena *arena) {
    const struct text prefix = TEXT("sha256=");
    unsigned char right[crypto_auth_hmacsha256_BYTES];
    struct bytes given;
    const char *name = arena_format(arena, "%.*s", TEXT_ARG(rule->header));
    if (name == NULL) return SIGNED_NO_MEMORY;
    struct text header = request->header(request->context, name);
    if (header.length == 0) return SIGNED_NOT;
    if (text_starts_with(header, prefix))
        header = (struct text){header.at + prefix.length, header.length - prefix.length};
    header = text_trim(header);
    if (!from_hex(header, &given) && !from_base64(header, &given)) return SIGNED_WRONG;
    hmac_sha256(secret, request->body, TEXT(""), right);
    return is_equal(&given, right, sizeof right) ? SIGNED_RIGHT : SIGNED_WRONG;
}

/* ---- age ---- */

static enum signature_verdict check_time(int64_t signed_ms, const struct signature_rule *rule,
                                         int64_t now_ms) {
    return now_ms - signed_ms > rule->max_age_ms || signed_ms - now_ms > AHEAD_MS ? SIGNED_LONG_AGO
                                                                                  : SIGNED_RIGHT;
}

/* `seconds`: since 1970, as a text. */
static enum signature_verdict check_age(struct text seconds, const struct signature_rule *rule,
                                        int64_t now_ms) {
    int64_t signed_s;
    if (rule->max_age_ms == 0) return SIGNED_RIGHT;
    if (text_to_int64(seconds, &signed_s) != STATUS_OK || signed_s < 0 ||
        signed_s > INT64_MAX / 1000)
        return SIGNED_WRONG;
    return check_time(signed_s * 1000, rule, now_ms);
}

/* ---- SendGrid ---- */

static bool verifies(EVP_PKEY *key, const EVP_MD *digest, const struct bytes *given,
                     struct text first, struct text second) {
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool right = context != NULL && EVP_DigestVerifyInit(context, NULL, digest, NULL, key) == 1 &&
                 EVP_DigestVerifyUpdate(context, first.at, first.length) == 1 &&
                 EVP_DigestVerifyUpdate(context, second.at, second.length) == 1 &&
                 EVP_DigestVerifyFinal(context, given->at, given->length) == 1;
    EVP_MD_CTX_free(context);
    return right;
}

static enum signature_verdict check_sendgrid(const struct signed_request *request,
                                             const struct signature_rule *rule, struct text secret,
                                             int64_t now_ms) {
    struct text signature =
        request->header(request->context, "X-Twilio-Email-Event-Webhook-Signature");
    struct text time = request->header(request->context, "X-Twilio-Email-Event-Webhook-Timestamp");
    struct bytes given, spki;
    if (signature.length == 0 || time.length == 0) return SIGNED_NOT;
    if (!from_base64(secret, &spki)) return SIGNED_BAD_SECRET;
    const unsigned char *at = spki.at;
    EVP_PKEY *key = d2i_PUBKEY(NULL, &at, (long)spki.length);
    if (key == NULL) return SIGNED_BAD_SECRET;
    bool right = EVP_PKEY_get_base_id(key) == EVP_PKEY_EC && from_base64(signature, &given) &&
                 verifies(key, EVP_sha256(), &given, time, request->body);
    EVP_PKEY_free(key);
    return right ? check_age(time, rule, now_ms) : SIGNED_WRONG;
}

/* ---- Mailgun ---- */

static struct text text_at(struct json_node root, struct text path) {
    struct json_node node;
    return json_get_path(root, path, &node) ? json_text(node) : (struct text){0};
}

static enum signature_verdict check_mailgun(const struct signed_request *request,
                                            const struct signature_rule *rule, struct text secret,
                                            int64_t now_ms) {
    unsigned char right[crypto_auth_hmacsha256_BYTES];
    struct bytes given;
    if (!request->has_json) return SIGNED_NOT;
    struct text time = text_at(request->root, TEXT("signature.timestamp"));
    struct text token = text_at(request->root, TEXT("signature.token"));
    struct text signature = text_at(request->root, TEXT("signature.signature"));
    if (time.length == 0 || token.length == 0 || signature.length == 0) return SIGNED_NOT;
    hmac_sha256(secret, time, token, right);
    if (!from_hex(signature, &given) || !is_equal(&given, right, sizeof right)) return SIGNED_WRONG;
    return check_age(time, rule, now_ms);
}

/* ---- Twilio ---- */

static int compare_pairs(const void *a, const void *b) {
    const struct form_pair *left = a, *right = b;
    int by_name = text_compare(left->name, right->name);
    return by_name != 0 ? by_name : text_compare(left->value, right->value);
}

static bool hmac_sha1(struct text secret, const struct buffer *text, unsigned char out[20]) {
    unsigned length = 0;
    return HMAC(EVP_sha1(), secret.at, (int)secret.length, (const unsigned char *)text->at,
                text->length, out, &length) != NULL &&
           length == 20;
}

/* Of JSON the address has the body's hash: ?bodySHA256=… */
static bool has_body_hash(const struct signed_request *request, struct text url) {
    const struct text name = TEXT("bodySHA256=");
    unsigned char hash[crypto_hash_sha256_BYTES];
    struct bytes given;
    crypto_hash_sha256(hash, (const unsigned char *)request->body.at, request->body.length);
    for (uint32_t at = 0; at + name.length + 64 <= url.length; at++) {
        if (memcmp(url.at + at, name.at, name.length) != 0) continue;
        struct text hex = {url.at + at + name.length, 64};
        return from_hex(hex, &given) && is_equal(&given, hash, sizeof hash);
    }
    return false;
}

/* A configured address stands for scheme, host and path; the query is that of the request. */
static struct text signed_url(const struct signed_request *request,
                              const struct signature_rule *rule, struct arena *arena) {
    if (rule->url.length == 0) return request->url;
    const char *query =
        request->url.length > 0 ? memchr(request->url.at, '?', request->url.length) : NULL;
    uint32_t length = query != NULL ? request->url.length - (uint32_t)(query - request->url.at) : 0;
    const char *url = arena_format(arena, "%.*s%.*s", TEXT_ARG(rule->url), (int)length,
                                   query != NULL ? query : "");
    return url != NULL ? text_from(url) : (struct text){0};
}

static enum status twilio_text(const struct signed_request *request, struct text url,
                               struct arena *arena, struct buffer *out) {
    enum status status = buffer_append_text(out, url);
    if (!request->has_form || request->form.count == 0) return status;
    size_t bytes = request->form.count * sizeof *request->form.pairs;
    struct form_pair *sorted = arena_alloc(arena, bytes);
    if (sorted == NULL) return STATUS_NO_MEMORY;
    memcpy(sorted, request->form.pairs, bytes);
    qsort(sorted, request->form.count, sizeof *sorted, compare_pairs);
    for (size_t i = 0; status == STATUS_OK && i < request->form.count; i++) {
        status = buffer_append_text(out, sorted[i].name);
        if (status == STATUS_OK) status = buffer_append_text(out, sorted[i].value);
    }
    return status;
}

static enum signature_verdict check_twilio(const struct signed_request *request,
                                           const struct signature_rule *rule, struct text secret,
                                           struct arena *arena) {
    struct text header = request->header(request->context, "X-Twilio-Signature");
    unsigned char right[20];
    struct bytes given;
    struct buffer text;
    if (header.length == 0) return SIGNED_NOT;
    if (!from_base64(header, &given)) return SIGNED_WRONG;
    struct text url = signed_url(request, rule, arena);
    if (!request->has_form && !has_body_hash(request, url)) return SIGNED_WRONG;
    buffer_init(&text);
    enum status status =
        url.at != NULL ? twilio_text(request, url, arena, &text) : STATUS_NO_MEMORY;
    bool made = status == STATUS_OK && hmac_sha1(secret, &text, right);
    buffer_release(&text);
    if (!made) return SIGNED_NO_MEMORY;
    return is_equal(&given, right, sizeof right) ? SIGNED_RIGHT : SIGNED_WRONG;
}

/* ---- Amazon SNS ---- */

/* "https://sns.REGION.amazonaws.com/…" and nothing that only begins like it. */
static bool is_of_amazon(struct text url) {
    const struct text begin = TEXT("https://sns."), end = TEXT(".amazonaws.com");
    if (!text_starts_with(url, begin)) return false;
    struct text rest = {url.at + begin.length, url.length - begin.length};
    const char *slash = memchr(rest.at, '/', rest.length);
    if (slash == NULL) return false;
    struct text host = {rest.at, (uint32_t)(slash - rest.at)};
    if (host.length <= end.length || !text_ends_with(host, end)) return false;
    for (uint32_t i = 0; i < host.length - end.length; i++) {
        char c = host.at[i];
        bool is_fine = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
        if (!is_fine) return false;
    }
    return true;
}

/* "Name\nvalue\n" of these members, in this order; Subject only where it is there. */
static enum status sns_text(struct json_node root, struct buffer *out) {
    static const char *const of_notification[] = {"Message",  "MessageId", "Subject", "Timestamp",
                                                  "TopicArn", "Type",      NULL};
    static const char *const of_others[] = {"Message", "MessageId", "SubscribeURL", "Timestamp",
                                            "Token",   "TopicArn",  "Type",         NULL};
    bool is_notification = text_equal(text_at(root, TEXT("Type")), TEXT("Notification"));
    enum status status = STATUS_OK;
    for (const char *const *name = is_notification ? of_notification : of_others;
         status == STATUS_OK && *name != NULL; name++) {
        struct json_node node;
        if (!json_get(root, text_from(*name), &node)) continue;
        struct text value = json_text(node);
        status = buffer_format(out, "%s\n", *name);
        if (status == STATUS_OK) status = buffer_append_text(out, value);
        if (status == STATUS_OK) status = buffer_append_text(out, TEXT("\n"));
    }
    return status;
}

static EVP_PKEY *key_of_certificate(struct text pem) {
    BIO *bio = BIO_new_mem_buf(pem.at, (int)pem.length);
    X509 *certificate = bio != NULL ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    EVP_PKEY *key = certificate != NULL ? X509_get_pubkey(certificate) : NULL;
    X509_free(certificate);
    BIO_free(bio);
    return key;
}

static enum signature_verdict check_sns(const struct signed_request *request,
                                        const struct signature_rule *rule, struct text secret,
                                        int64_t now_ms) {
    struct bytes given;
    struct buffer text;
    int64_t signed_ms;
    if (!request->has_json) return SIGNED_NOT;
    struct text signature = text_at(request->root, TEXT("Signature"));
    struct text version = text_at(request->root, TEXT("SignatureVersion"));
    if (signature.length == 0) return SIGNED_NOT;
    bool is_first = text_equal(version, TEXT("1"));
    if (!is_of_amazon(text_at(request->root, TEXT("SigningCertURL"))) ||
        !from_base64(signature, &given) || (!is_first && !text_equal(version, TEXT("2"))))
        return SIGNED_WRONG;
    EVP_PKEY *key = key_of_certificate(secret);
    if (key == NULL) return SIGNED_BAD_SECRET;
    buffer_init(&text);
    bool right =
        EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA && sns_text(request->root, &text) == STATUS_OK &&
        verifies(key, is_first ? EVP_sha1() : EVP_sha256(), &given, buffer_text(&text), TEXT(""));
    buffer_release(&text);
    EVP_PKEY_free(key);
    if (!right) return SIGNED_WRONG;
    if (rule->max_age_ms == 0) return SIGNED_RIGHT;
    if (time_parse(text_at(request->root, TEXT("Timestamp")), NULL, &signed_ms) != STATUS_OK)
        return SIGNED_WRONG;
    return check_time(signed_ms, rule, now_ms);
}

enum signature_verdict signature_check(const struct signed_request *request,
                                       const struct signature_rule *rule, struct text secret,
                                       int64_t now_ms, struct arena *arena) {
    if (secret.length == 0) return SIGNED_BAD_SECRET;
    switch (rule->scheme) {
    case SIGNATURE_HMAC_SHA256: return check_hmac(request, rule, secret, arena);
    case SIGNATURE_SENDGRID: return check_sendgrid(request, rule, secret, now_ms);
    case SIGNATURE_MAILGUN: return check_mailgun(request, rule, secret, now_ms);
    case SIGNATURE_TWILIO: return check_twilio(request, rule, secret, arena);
    case SIGNATURE_SES_SNS: return check_sns(request, rule, secret, now_ms);
    default: return SIGNED_BAD_SECRET;
    }
}
