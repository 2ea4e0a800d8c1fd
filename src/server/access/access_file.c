/* SPDX-License-Identifier: Apache-2.0 */
/* The file of the keys: its JSON, and what `attune key` changes in it. */
#include <sodium.h>
#include <stdio.h>
#include <time.h>

#include "base/json.h"
#include "base/memory.h"
#include "base/time.h"
#include "server/access/access_internal.h"

#define CHECKSUM_BYTES   16
#define LOCK_ATTEMPTS    200
#define LOCK_INTERVAL_MS 10
#define REMEDY           "restore it from a backup, or delete it and make new keys: attune key add"

const char *access_right_name(enum access_right right) {
    static const char *const names[ACCESS_RIGHT_COUNT] = {"nobody", "write", "decide", "read",
                                                          "admin"};
    return names[right];
}

static enum status file_path(const char *directory, const char *name, char path[FILE_PATH_MAX],
                             struct error *error) {
    if (snprintf(path, FILE_PATH_MAX, "%s/%s", directory, name) < FILE_PATH_MAX) return STATUS_OK;
    return error_set(error, STATUS_LIMIT, "a path may have at most %d bytes: use a shorter one",
                     FILE_PATH_MAX - 1);
}

static enum status no_memory(struct error *error) {
    return error_set(error, STATUS_NO_MEMORY, "no memory for the keys of " ACCESS_FILE);
}

/* ---- reading ---- */

enum status access_file_read(struct file_system *fs, const char *directory, struct buffer *bytes,
                             struct error *error) {
    char path[FILE_PATH_MAX];
    buffer_clear(bytes);
    enum status status = file_path(directory, ACCESS_FILE, path, error);
    if (status == STATUS_OK) status = file_read_all(fs, path, ACCESS_FILE_BYTES, bytes, error);
    if (status == STATUS_LIMIT)
        return error_set(error, STATUS_CORRUPT,
                         "%s/" ACCESS_FILE ": is damaged, it is too long: " REMEDY, directory);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

static bool hex_decode(struct text hex, uint8_t *out, size_t length) {
    size_t got = 0;
    const char *end = NULL;
    return hex.length == 2 * length &&
           sodium_hex2bin(out, length, hex.at, hex.length, NULL, &got, &end) == 0 &&
           got == length && end == hex.at + hex.length;
}

static bool read_text(struct json_node node, const char *name, char *out, size_t bytes) {
    struct json_node member;
    if (!json_get(node, text_from(name), &member) || json_type(member) != JSON_TEXT) return false;
    struct text text = json_text(member);
    if (text.length >= bytes || memchr(text.at, 0, text.length) != NULL) return false;
    memcpy(out, text.at, text.length);
    out[text.length] = '\0';
    return true;
}

static bool read_hex(struct json_node node, const char *name, uint8_t *out, size_t length) {
    struct json_node member;
    return json_get(node, text_from(name), &member) && json_type(member) == JSON_TEXT &&
           hex_decode(json_text(member), out, length);
}

static bool read_yes(struct json_node node, const char *name, bool *out) {
    struct json_node member;
    if (!json_get(node, text_from(name), &member) || json_type(member) != JSON_YES_NO) return false;
    *out = json_yes(member);
    return true;
}

static bool read_integer(struct json_node node, const char *name, int64_t *out) {
    struct json_node member;
    return json_get(node, text_from(name), &member) && json_integer(member, out);
}

static bool read_right(struct json_node node, enum access_right *out) {
    char name[16];
    if (!read_text(node, "right", name, sizeof name)) return false;
    for (enum access_right right = ACCESS_WRITE; right < ACCESS_RIGHT_COUNT; right++) {
        if (strcmp(name, access_right_name(right)) != 0) continue;
        *out = right;
        return true;
    }
    return false;
}

static bool is_rate(double per_second) {
    return per_second > 0 && per_second <= ACCESS_PER_SECOND_MAX;
}

static bool read_key(struct json_node node, struct access_key *key) {
    struct json_node rate;
    *key = (struct access_key){0};
    if (!json_get(node, TEXT("per_second"), &rate) || json_type(rate) != JSON_NUMBER) return false;
    key->per_second = json_number(rate);
    return is_rate(key->per_second) && read_text(node, "id", key->id, sizeof key->id) &&
           read_text(node, "name", key->name, sizeof key->name) && read_right(node, &key->right) &&
           read_text(node, "source", key->source, sizeof key->source) &&
           read_yes(node, "public", &key->is_public) && read_yes(node, "claims", &key->claims) &&
           read_integer(node, "made_ms", &key->made_ms) &&
           read_integer(node, "revoked_ms", &key->revoked_ms) &&
           read_hex(node, "hash", key->hash, sizeof key->hash);
}

static bool read_keys(struct json_node root, struct access_keys *keys) {
    uint8_t expected[CHECKSUM_BYTES], is[CHECKSUM_BYTES];
    struct json_node access, list;
    if (!read_hex(root, "checksum", expected, sizeof expected) ||
        !json_get(root, TEXT("access"), &access) || json_type(access) != JSON_OBJECT)
        return false;
    struct text raw = json_raw_text(access);
    crypto_generichash(is, sizeof is, (const uint8_t *)raw.at, raw.length, NULL, 0);
    if (sodium_memcmp(is, expected, sizeof is) != 0) return false;
    if (!read_hex(access, "salt", keys->salt, sizeof keys->salt) ||
        !read_integer(access, "next", &keys->next) || keys->next < 1 ||
        !json_get(access, TEXT("keys"), &list) || json_type(list) != JSON_ARRAY)
        return false;
    for (struct json_iterator it = json_begin(list); json_next(&it);) {
        if (keys->count == ACCESS_KEYS_MAX || !read_key(it.node, &keys->key[keys->count]))
            return false;
        keys->count++;
    }
    return true;
}

static enum status damaged(struct access_keys *keys, const char *directory, struct error *error) {
    *keys = (struct access_keys){0};
    return error_set(error, STATUS_CORRUPT, "%s/" ACCESS_FILE ": is damaged: " REMEDY, directory);
}

static enum status parse(struct json_parser *parser, struct text bytes, const char *directory,
                         struct access_keys *keys, struct error *error) {
    struct json_node root;
    struct error ignored;
    int64_t format = 0;
    enum status status = json_parse(parser, bytes, &root, &ignored);
    if (status == STATUS_NO_MEMORY) return no_memory(error);
    if (status != STATUS_OK || !read_integer(root, "format", &format) || format < 1)
        return damaged(keys, directory, error);
    if (format > ACCESS_FORMAT)
        return error_set(error, STATUS_VERSION,
                         "%s/" ACCESS_FILE ": has format %lld, this program reads up to %d: use "
                         "the newer program that wrote it",
                         directory, (long long)format, ACCESS_FORMAT);
    return read_keys(root, keys) ? STATUS_OK : damaged(keys, directory, error);
}

enum status access_file_parse(struct text bytes, const char *directory, struct access_keys *keys,
                              struct error *error) {
    struct json_parser *parser = NULL;
    *keys = (struct access_keys){0};
    if (bytes.length == 0) return STATUS_OK;
    if (json_parser_create(&parser, ACCESS_FILE_BYTES) != STATUS_OK) return no_memory(error);
    enum status status = parse(parser, bytes, directory, keys, error);
    json_parser_destroy(parser);
    return status;
}

/* ---- writing ---- */

static void write_hex(struct json_writer *writer, const char *name, const uint8_t *bytes,
                      size_t length) {
    char hex[2 * ACCESS_HASH_BYTES + 1];
    sodium_bin2hex(hex, sizeof hex, bytes, length);
    json_member_string(writer, name, hex);
}

static void write_key(struct json_writer *writer, const struct access_key *key) {
    json_write_object_begin(writer);
    json_member_string(writer, "id", key->id);
    json_member_string(writer, "name", key->name);
    json_member_string(writer, "right", access_right_name(key->right));
    json_member_string(writer, "source", key->source);
    json_member_yes_no(writer, "public", key->is_public);
    json_member_yes_no(writer, "claims", key->claims);
    json_member_number(writer, "per_second", key->per_second);
    json_member_integer(writer, "made_ms", key->made_ms);
    json_member_integer(writer, "revoked_ms", key->revoked_ms);
    write_hex(writer, "hash", key->hash, sizeof key->hash);
    json_write_object_end(writer);
}

static enum status encode(const struct access_keys *keys, struct buffer *inner,
                          struct buffer *out) {
    uint8_t sum[CHECKSUM_BYTES];
    char hex[2 * CHECKSUM_BYTES + 1];
    struct json_writer writer;
    json_writer_init(&writer, inner, false);
    json_write_object_begin(&writer);
    write_hex(&writer, "salt", keys->salt, sizeof keys->salt);
    json_member_integer(&writer, "next", keys->next);
    json_write_key(&writer, "keys");
    json_write_array_begin(&writer);
    for (uint32_t i = 0; i < keys->count; i++) write_key(&writer, &keys->key[i]);
    json_write_array_end(&writer);
    json_write_object_end(&writer);
    enum status status = json_writer_status(&writer);
    if (status != STATUS_OK) return status;
    crypto_generichash(sum, sizeof sum, (const uint8_t *)inner->at, inner->length, NULL, 0);
    sodium_bin2hex(hex, sizeof hex, sum, sizeof sum);
    return buffer_format(out, "{\"format\":%d,\"checksum\":\"%s\",\"access\":%.*s}\n",
                         ACCESS_FORMAT, hex, (int)inner->length, inner->at);
}

enum status access_file_write(struct file_system *fs, const char *directory,
                              const struct access_keys *keys, struct error *error) {
    char path[FILE_PATH_MAX];
    struct buffer inner, out;
    buffer_init(&inner);
    buffer_init(&out);
    enum status status = file_path(directory, ACCESS_FILE, path, error);
    if (status == STATUS_OK && encode(keys, &inner, &out) != STATUS_OK) status = no_memory(error);
    if (status == STATUS_OK) status = file_replace(fs, path, out.at, out.length, error);
    buffer_release(&inner);
    buffer_release(&out);
    return status;
}

/* ---- changing: one process at a time ---- */

static enum status take_lock(struct file_system *fs, const char *directory, struct file **lock,
                             struct error *error) {
    char path[FILE_PATH_MAX];
    enum status status = file_path(directory, ACCESS_LOCK_FILE, path, error);
    if (status == STATUS_OK) status = file_open(fs, path, FILE_APPEND, lock, error);
    if (status != STATUS_OK) return status;
    for (int i = 0; i < LOCK_ATTEMPTS; i++) {
        status = file_lock(*lock, error);
        if (status != STATUS_LOCKED) return status;
        nanosleep(&(struct timespec){.tv_nsec = LOCK_INTERVAL_MS * 1000000L}, NULL);
    }
    return error_set(error, STATUS_BUSY,
                     "%s: another process is changing the keys: give the command again", path);
}

/* Reads the keys, has them changed, and writes them. *keys from memory_alloc. */
static enum status change(struct file_system *fs, const char *directory,
                          enum status (*edit)(struct access_keys *keys, void *context,
                                              struct error *error),
                          void *context, struct error *error) {
    struct file *lock = NULL;
    struct buffer bytes;
    if (sodium_init() < 0)
        return error_set(error, STATUS_IO, "libsodium finds no source of randomness");
    struct access_keys *keys = memory_alloc(sizeof *keys);
    if (keys == NULL) return no_memory(error);
    buffer_init(&bytes);
    enum status status = take_lock(fs, directory, &lock, error);
    if (status == STATUS_OK) status = access_file_read(fs, directory, &bytes, error);
    if (status == STATUS_OK)
        status = access_file_parse(buffer_text(&bytes), directory, keys, error);
    if (status == STATUS_OK) status = edit(keys, context, error);
    if (status == STATUS_OK) status = access_file_write(fs, directory, keys, error);
    if (lock != NULL) file_close(lock);
    buffer_release(&bytes);
    memory_free(keys);
    return status;
}

/* ---- attune key add ---- */

struct adding {
    struct access_key *key;
    const uint8_t *random;
    int64_t now_ms;
    char *shown;
};

/* Two purposes of the one random number that nobody can tell from another. */
static void derive(uint8_t out[32], const uint8_t random[32], const char *purpose) {
    crypto_generichash(out, 32, (const uint8_t *)purpose, strlen(purpose), random, 32);
}

static void show(const struct adding *adding) {
    static const char letters[ACCESS_RIGHT_COUNT] = {'x', 'w', 'd', 'r', 'a'};
    uint8_t secret[32];
    char text[ACCESS_KEY_BYTES - 4];
    derive(secret, adding->random, "attune key");
    sodium_bin2base64(text, sizeof text, secret, sizeof secret,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    snprintf(adding->shown, ACCESS_KEY_BYTES, "at%c_%s", letters[adding->key->right], text);
    sodium_memzero(secret, sizeof secret);
    sodium_memzero(text, sizeof text);
}

/* Makes room by forgetting the key that was revoked first. */
static enum status make_room(struct access_keys *keys, struct error *error) {
    uint32_t oldest = UINT32_MAX;
    if (keys->count < ACCESS_KEYS_MAX) return STATUS_OK;
    for (uint32_t i = 0; i < keys->count; i++) {
        if (keys->key[i].revoked_ms == 0) continue;
        if (oldest == UINT32_MAX || keys->key[i].revoked_ms < keys->key[oldest].revoked_ms)
            oldest = i;
    }
    if (oldest == UINT32_MAX)
        return error_set(error, STATUS_LIMIT,
                         "there are %d keys, and more can't be: revoke one that nobody uses "
                         "(attune key list, attune key revoke ID)",
                         ACCESS_KEYS_MAX);
    memmove(&keys->key[oldest], &keys->key[oldest + 1],
            (keys->count - oldest - 1) * sizeof *keys->key);
    keys->count--;
    return STATUS_OK;
}

static enum status add(struct access_keys *keys, void *context, struct error *error) {
    struct adding *adding = context;
    struct access_key *key = adding->key;
    enum status status = make_room(keys, error);
    if (status != STATUS_OK) return status;
    if (keys->next == 0) {
        keys->next = 1;
        derive(keys->salt, adding->random, "attune salt");
    }
    snprintf(key->id, sizeof key->id, "k%lld", (long long)keys->next++);
    if (key->per_second == 0) key->per_second = ACCESS_PER_SECOND;
    key->made_ms = adding->now_ms;
    key->revoked_ms = 0;
    show(adding);
    access_hash(text_from(adding->shown), keys->salt, key->hash);
    keys->key[keys->count++] = *key;
    return STATUS_OK;
}

static enum status check_key(const struct access_key *key, struct error *error) {
    if (key->right < ACCESS_WRITE || key->right >= ACCESS_RIGHT_COUNT)
        return error_set(error, STATUS_INVALID, "a key is for write, decide, read or admin");
    if ((key->right == ACCESS_WRITE) != (key->source[0] != '\0'))
        return error_set(error, STATUS_INVALID,
                         key->right == ACCESS_WRITE
                             ? "a key that writes needs the source of its events: --source NAME"
                             : "only a key that writes has a source");
    if (key->right != ACCESS_WRITE && (key->is_public || key->claims))
        return error_set(error, STATUS_INVALID, "only a key that writes can be public");
    if (key->claims && !key->is_public)
        return error_set(error, STATUS_INVALID, "only a public key claims");
    if (!text_is_utf8(text_from(key->name)))
        return error_set(error, STATUS_INVALID, "the name of the key is not UTF-8");
    if (key->per_second != 0 && !is_rate(key->per_second))
        return error_set(error, STATUS_INVALID,
                         "requests per second must be above 0 and at most %.0f",
                         ACCESS_PER_SECOND_MAX);
    return STATUS_OK;
}

enum status access_add(struct file_system *fs, const char *directory, struct access_key *key,
                       const uint8_t random[32], int64_t now_ms, char shown[ACCESS_KEY_BYTES],
                       struct error *error) {
    struct adding adding = {key, random, now_ms, shown};
    shown[0] = '\0';
    enum status status = check_key(key, error);
    if (status == STATUS_OK) status = directory_make(fs, directory, error);
    if (status == STATUS_OK) status = change(fs, directory, add, &adding, error);
    if (status != STATUS_OK) sodium_memzero(shown, ACCESS_KEY_BYTES);
    return status;
}

/* ---- attune key revoke, attune key list ---- */

struct revoking {
    struct text id;
    int64_t now_ms;
};

static enum status revoke(struct access_keys *keys, void *context, struct error *error) {
    const struct revoking *revoking = context;
    for (uint32_t i = 0; i < keys->count; i++) {
        struct access_key *key = &keys->key[i];
        if (!text_equal(text_from(key->id), revoking->id)) continue;
        if (key->revoked_ms != 0)
            return error_set(error, STATUS_EXISTS, "%s was revoked before", key->id);
        key->revoked_ms = revoking->now_ms;
        return STATUS_OK;
    }
    return error_set(error, STATUS_NOT_FOUND,
                     "there is no key %.*s; attune key list tells which there are",
                     TEXT_ARG(revoking->id));
}

enum status access_revoke(struct file_system *fs, const char *directory, struct text id,
                          int64_t now_ms, struct error *error) {
    struct revoking revoking = {id, now_ms};
    return change(fs, directory, revoke, &revoking, error);
}

enum status access_list(struct file_system *fs, const char *directory,
                        struct access_key out[ACCESS_KEYS_MAX], size_t *count,
                        struct error *error) {
    struct buffer bytes;
    *count = 0;
    struct access_keys *keys = memory_alloc(sizeof *keys);
    if (keys == NULL) return no_memory(error);
    buffer_init(&bytes);
    enum status status = access_file_read(fs, directory, &bytes, error);
    if (status == STATUS_OK)
        status = access_file_parse(buffer_text(&bytes), directory, keys, error);
    if (status == STATUS_OK) {
        *count = keys->count;
        memcpy(out, keys->key, keys->count * sizeof *out);
    }
    buffer_release(&bytes);
    memory_free(keys);
    return status;
}
