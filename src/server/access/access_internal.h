/* SPDX-License-Identifier: Apache-2.0 */
/* server/access/access_internal.h -- the file of the keys, and what is made of it in memory.
 *
 *   {"format":1,"checksum":"…","access":{"salt":"…","next":3,"keys":[{"id":"k1", … "hash":"…"}]}}
 *
 * The checksum (BLAKE2b, 16 bytes) is over the bytes of the member `access` as they stand in the
 * file, so that damage anywhere is noticed. */
#ifndef SERVER_ACCESS_ACCESS_INTERNAL_H
#define SERVER_ACCESS_ACCESS_INTERNAL_H

#include "server/access/access.h"

#define ACCESS_FORMAT     1
#define ACCESS_FILE_BYTES ((size_t)1 << 20)
#define ACCESS_SALT_BYTES 32
#define ACCESS_HASH_BYTES 32

struct access_keys {
    uint8_t salt[ACCESS_SALT_BYTES];
    int64_t next; /* the number of the next id; 0: there is no file yet */
    uint32_t count;
    struct access_key key[ACCESS_KEYS_MAX]; /* in the order in which they were made */
};

/* Reads the whole file as bytes; an empty buffer where there is none. */
enum status access_file_read(struct file_system *fs, const char *directory, struct buffer *bytes,
                             struct error *error) MUST_USE;
/* Fills *keys; no bytes give no keys. STATUS_CORRUPT, STATUS_VERSION, STATUS_NO_MEMORY. */
enum status access_file_parse(struct text bytes, const char *directory, struct access_keys *keys,
                              struct error *error) MUST_USE;
enum status access_file_write(struct file_system *fs, const char *directory,
                              const struct access_keys *keys, struct error *error) MUST_USE;

/* The hash of a key's text under the file's salt. */
void access_hash(struct text key, const uint8_t salt[ACCESS_SALT_BYTES],
                 uint8_t hash[ACCESS_HASH_BYTES]);

/* ---- a bucket, as the time at which it will be full again (GCRA, ITU-T I.371) ----
 *
 * It holds ACCESS_DEPTH_SECONDS of its rate. One number says all: an empty bucket is full in that
 * long, a full one was full before now. */
/* Takes one request out of *full_at_ns. False where there is none: *retry_ms says how long it takes
 * until there is one. */
bool access_take(int64_t *full_at_ns, double per_second, int64_t now_ms, int64_t *retry_ms);

#endif
