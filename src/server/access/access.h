/* SPDX-License-Identifier: Apache-2.0 */
/* server/access/access.h -- keys: who may do what, how often, and what that source is believed.
 *
 * A key is 256 random bits behind a prefix that tells what it is for ("atw_…" writes events, "atd_…"
 * asks for decisions, "atr_…" reads, "ata_…" administers). It is shown once, when `attune key add`
 * makes it; the file `access.json` of the data directory (readable by its owner alone) holds its
 * hash only. 256 random bits need no slow hash: BLAKE2b of libsodium is used, keyed by a salt that
 * the file holds. Hashes are compared in constant time, and all keys are looked at, so that the
 * time of a refusal tells nothing.
 *
 * A write key says for which source of the playbook its events are, and whether that source is
 * `verified` (a server's key) or `public` (a key in a page, which anybody can read and use).
 *
 * The file is read again when it has changed (`attune key` writes it whole and renames it), at most
 * once a second; a key that was revoked is refused from then on. Where the file is damaged, nobody
 * has access until it is mended (ACCESS_UNREADABLE, and one line in the log). Where it can't be
 * read for a passing reason (too many open files), the keys that were read last stay.
 *
 * Rates: a bucket a key, filled at `per_second` and as deep as ten seconds of it. Public keys also
 * have a bucket an address of a client (ACCESS_PEERS_MAX of them, the stalest is given up); of an
 * IPv6 address the first 64 bits count, since one client has all the others. Of an address only a
 * keyed hash is kept. A request that the address's bucket refuses costs the key nothing.
 *
 * Threads: any thread may ask; reading the file again is done by whoever notices first. */
#ifndef SERVER_ACCESS_ACCESS_H
#define SERVER_ACCESS_ACCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/file.h"
#include "base/status.h"
#include "base/text.h"

enum access_right {
    ACCESS_NOBODY, /* no key is needed: health, the settings of a browser SDK */
    ACCESS_WRITE,  /* events */
    ACCESS_DECIDE, /* decisions, outcomes, flags */
    ACCESS_READ,   /* customers, segments, the live tail, metrics */
    ACCESS_ADMIN,  /* the playbook, everything */
    ACCESS_RIGHT_COUNT
};
const char *access_right_name(enum access_right right); /* "write", "decide", "read", "admin" */

#define ACCESS_FILE           "access.json"
#define ACCESS_LOCK_FILE      "access.lock" /* held by whoever changes the file */
#define ACCESS_KEYS_MAX       256
#define ACCESS_NAME_BYTES     64
#define ACCESS_KEY_BYTES      64 /* of the text that is shown, with its end */
#define ACCESS_PEERS_MAX      4096
#define ACCESS_SOURCE_BYTES   64
#define ACCESS_PER_SECOND     10000.0 /* of a key, by default */
#define ACCESS_PEER_SECOND    50.0    /* of one address with a public key */
#define ACCESS_PER_SECOND_MAX 1e6
#define ACCESS_DEPTH_SECONDS  10 /* of its rate that a bucket holds */

struct access_key {
    char id[16];                          /* "k1": names it in lists and in the audit */
    char name[ACCESS_NAME_BYTES + 1];     /* for people: "web shop" */
    enum access_right right;              /* ACCESS_ADMIN may do all that READ and DECIDE may */
    char source[ACCESS_SOURCE_BYTES + 1]; /* WRITE: a source of the playbook */
    bool is_public;                       /* WRITE: anybody can have it */
    bool claims; /* public: identify may claim identifiers (else signed tokens only) */
    double per_second;
    int64_t made_ms, revoked_ms; /* 0: it is not */
    uint8_t hash[32];
};

struct access;
/* Reads the file; none is fine: then no key is known.
 *   STATUS_CORRUPT, STATUS_VERSION: the error names the file and the remedy */
enum status access_open(struct access **out, struct file_system *fs, const char *directory,
                        struct error *error) MUST_USE;
void access_close(struct access *access);

enum access_verdict {
    ACCESS_OK,
    ACCESS_UNKNOWN,   /* no such key, or it is revoked: 401 */
    ACCESS_FORBIDDEN, /* it is for something else: 403 */
    ACCESS_TOO_FAST,  /* 429; *retry_ms tells how long to wait */
    /* The file of the keys was damaged while we ran, so that nobody's key is known: 503, since the
     * same request will do once it is mended. */
    ACCESS_UNREADABLE
};
/* May the bearer of this key do what the right names? `out` is a copy of the key, zeroed where the
 * verdict is ACCESS_UNKNOWN or ACCESS_UNREADABLE. `peer`: the client's address, for public keys.
 * Counts one request. *retry_ms is 0 but for ACCESS_TOO_FAST. */
enum access_verdict access_check(struct access *access, struct text key, enum access_right right,
                                 struct text peer, int64_t now_ms, struct access_key *out,
                                 int64_t *retry_ms);
/* Is the key of this id still good? Asked while an answer without end goes on. True also where the
 * file can't be read just now. Counts no request. */
bool access_is_good(struct access *access, const char *id, int64_t now_ms);

/* ---- what `attune key` does; each reads the file, changes it, and writes it whole ---- */
/* Makes a key from what is filled in: name, right, source, is_public, claims, per_second (0: the
 * default). `random`: 32 bytes that nobody knows. `shown` gets the key's text, and the rest of
 * *key is filled in. Makes the directory where there is none. Ids are never given twice. Beyond
 * ACCESS_KEYS_MAX the key that was revoked first leaves the file.
 *   STATUS_INVALID    what is filled in makes no key
 *   STATUS_LIMIT      ACCESS_KEYS_MAX keys are in use
 *   STATUS_BUSY       another process is changing the file: the same again
 *   STATUS_CORRUPT    the file is damaged, and stays as it is */
enum status access_add(struct file_system *fs, const char *directory, struct access_key *key,
                       const uint8_t random[32], int64_t now_ms, char shown[ACCESS_KEY_BYTES],
                       struct error *error) MUST_USE;
/* STATUS_NOT_FOUND where there is none such; STATUS_EXISTS where it was revoked before. */
enum status access_revoke(struct file_system *fs, const char *directory, struct text id,
                          int64_t now_ms, struct error *error) MUST_USE;
/* Up to ACCESS_KEYS_MAX keys, in the order in which they were made. */
enum status access_list(struct file_system *fs, const char *directory,
                        struct access_key out[ACCESS_KEYS_MAX], size_t *count,
                        struct error *error) MUST_USE;

#endif
