/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/log_line.h"
#include "base/memory.h"
#include "server/access/access_internal.h"

#define MS_NS         INT64_C(1000000)
#define SECOND_NS     INT64_C(1000000000)
#define REREAD_MS     1000
#define PEER_WAYS     4
#define PEER_SETS     (ACCESS_PEERS_MAX / PEER_WAYS)
#define IPV6_KEPT     8 /* bytes of an address that one client can't choose freely */
#define PEER_KEY_SIZE crypto_shorthash_KEYBYTES

struct peer {
    uint64_t hash; /* keyed; 0: nobody */
    int64_t full_at_ns;
};

struct access {
    struct file_system *fs;
    char directory[FILE_PATH_MAX];
    _Atomic int64_t read_ms; /* when the file was looked at last */
    _Atomic bool is_reading; /* somebody looks at it now */
    pthread_rwlock_t lock;   /* of the following */
    struct access_keys *keys;
    _Atomic int64_t full_at_ns[ACCESS_KEYS_MAX]; /* the buckets, by the key's index */
    bool is_unreadable;
    struct buffer bytes;     /* the file as it was read last */
    pthread_mutex_t reading; /* whoever reads the file again; uses `spare` */
    struct buffer spare;
    pthread_mutex_t peer_lock;
    uint8_t peer_key[PEER_KEY_SIZE];
    struct peer peers[PEER_SETS][PEER_WAYS];
};

void access_hash(struct text key, const uint8_t salt[ACCESS_SALT_BYTES],
                 uint8_t hash[ACCESS_HASH_BYTES]) {
    crypto_generichash(hash, ACCESS_HASH_BYTES, (const uint8_t *)key.at, key.length, salt,
                       ACCESS_SALT_BYTES);
}

/* ---- rates ---- */

bool access_take(int64_t *full_at_ns, double per_second, int64_t now_ms, int64_t *retry_ms) {
    int64_t now_ns = now_ms * MS_NS;
    int64_t cost_ns = (int64_t)((double)SECOND_NS / per_second);
    int64_t depth_ns = ACCESS_DEPTH_SECONDS * SECOND_NS;
    if (depth_ns < cost_ns) depth_ns = cost_ns;
    int64_t full_ns = *full_at_ns > now_ns ? *full_at_ns : now_ns;
    /* The clock was set back: an empty bucket is the worst that it can be. */
    if (full_ns > now_ns + depth_ns) full_ns = now_ns + depth_ns;
    int64_t over_ns = full_ns + cost_ns - now_ns - depth_ns;
    bool has_one = over_ns <= 0;
    *retry_ms = has_one ? 0 : (over_ns + MS_NS - 1) / MS_NS;
    *full_at_ns = has_one ? full_ns + cost_ns : full_ns;
    return has_one;
}

static bool take_of_key(_Atomic int64_t *bucket, double per_second, int64_t now_ms,
                        int64_t *retry_ms) {
    int64_t before = atomic_load_explicit(bucket, memory_order_relaxed), after;
    bool has_one;
    do {
        after = before;
        has_one = access_take(&after, per_second, now_ms, retry_ms);
    } while (!atomic_compare_exchange_weak_explicit(bucket, &before, after, memory_order_relaxed,
                                                    memory_order_relaxed));
    return has_one;
}

static uint64_t peer_hash(const struct access *access, struct text peer) {
    char text[INET6_ADDRSTRLEN + 1];
    uint8_t address[16], hash[crypto_shorthash_BYTES];
    uint64_t value;
    const uint8_t *at = (const uint8_t *)peer.at;
    size_t length = peer.length;
    if (peer.length < sizeof text && peer.length > 0) {
        memcpy(text, peer.at, peer.length);
        text[peer.length] = '\0';
        if (inet_pton(AF_INET6, text, address) == 1) {
            static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
            at = address;
            length = memcmp(address, mapped, sizeof mapped) == 0 ? sizeof address : IPV6_KEPT;
        }
    }
    crypto_shorthash(hash, at, length, access->peer_key);
    memcpy(&value, hash, sizeof value);
    return value | 1;
}

static bool take_of_peer(struct access *access, struct text peer, int64_t now_ms,
                         int64_t *retry_ms) {
    uint64_t hash = peer_hash(access, peer);
    struct peer *set = access->peers[(hash >> 32) % PEER_SETS], *entry = &set[0];
    pthread_mutex_lock(&access->peer_lock);
    /* The stalest owes least: its bucket is the fullest, so giving it up forgives least. */
    for (int way = 0; way < PEER_WAYS && entry->hash != hash; way++) {
        if (set[way].hash == hash || set[way].full_at_ns < entry->full_at_ns) entry = &set[way];
    }
    if (entry->hash != hash) *entry = (struct peer){.hash = hash};
    bool taken = access_take(&entry->full_at_ns, ACCESS_PEER_SECOND, now_ms, retry_ms);
    pthread_mutex_unlock(&access->peer_lock);
    return taken;
}

/* ---- reading the file again ---- */

/* Buckets stay with their keys. */
static void take_keys(struct access *access, struct access_keys *keys) {
    int64_t full_at_ns[ACCESS_KEYS_MAX] = {0};
    for (uint32_t i = 0; i < keys->count; i++) {
        for (uint32_t old = 0; old < access->keys->count; old++) {
            if (strcmp(keys->key[i].id, access->keys->key[old].id) == 0)
                full_at_ns[i] = access->full_at_ns[old];
        }
    }
    for (uint32_t i = 0; i < ACCESS_KEYS_MAX; i++) access->full_at_ns[i] = full_at_ns[i];
    memory_free(access->keys);
    access->keys = keys;
}

/* Holds `reading`. The file's bytes are in `spare`. */
static enum status take_bytes(struct access *access, struct error *error) {
    struct access_keys *keys = memory_alloc(sizeof *keys);
    if (keys == NULL) return error_set(error, STATUS_NO_MEMORY, "no memory for the keys");
    enum status status =
        access_file_parse(buffer_text(&access->spare), access->directory, keys, error);
    if (status == STATUS_NO_MEMORY) {
        memory_free(keys);
        return status;
    }
    pthread_rwlock_wrlock(&access->lock);
    struct buffer before = access->bytes;
    access->bytes = access->spare;
    access->is_unreadable = status != STATUS_OK;
    if (status == STATUS_OK) take_keys(access, keys);
    pthread_rwlock_unlock(&access->lock);
    access->spare = before;
    if (status != STATUS_OK) memory_free(keys);
    return status;
}

/* Holds `reading`. Only damage shuts everybody out; where the file can't be read or there is no
 * memory for it, the next look may do better. */
static enum status read_again(struct access *access, struct error *error) {
    enum status status = access_file_read(access->fs, access->directory, &access->spare, error);
    if (status == STATUS_CORRUPT) buffer_clear(&access->spare);
    if (status != STATUS_OK && status != STATUS_CORRUPT) return status;
    if (status == STATUS_CORRUPT) {
        pthread_rwlock_wrlock(&access->lock);
        access->is_unreadable = true;
        pthread_rwlock_unlock(&access->lock);
        return status;
    }
    /* Only `reading` changes the bytes. */
    if (!access->is_unreadable && access->spare.length == access->bytes.length &&
        (access->spare.length == 0 ||
         memcmp(access->spare.at, access->bytes.at, access->bytes.length) == 0))
        return STATUS_OK;
    return take_bytes(access, error);
}

/* False where somebody else is looking. */
static bool look_again(struct access *access, int64_t now_ms) {
    struct error error = {0};
    int64_t read_ms = atomic_load(&access->read_ms);
    if (now_ms >= read_ms && now_ms - read_ms < REREAD_MS) return !atomic_load(&access->is_reading);
    if (pthread_mutex_trylock(&access->reading) != 0) return false;
    bool was_unreadable = access->is_unreadable;
    atomic_store(&access->is_reading, true);
    atomic_store(&access->read_ms, now_ms);
    enum status status = read_again(access, &error);
    if (status != STATUS_OK && !(was_unreadable && access->is_unreadable))
        log_line(LOG_ERROR, "%s", error.text);
    atomic_store(&access->is_reading, false);
    pthread_mutex_unlock(&access->reading);
    return true;
}

/* Returns once nobody is in the middle of looking. A key that was just made may be in what they
 * read, and a refusal makes a client drop its events for good. */
static void wait_for_reader(struct access *access) {
    pthread_mutex_lock(&access->reading);
    pthread_mutex_unlock(&access->reading);
}

/* ---- asking ---- */

/* All keys are compared, and none ends the loop. Returns the index; UINT32_MAX: none. */
static uint32_t find(const struct access_keys *keys, struct text key) {
    uint8_t hash[ACCESS_HASH_BYTES];
    uint32_t found = UINT32_MAX;
    if (key.length == 0 || key.length >= ACCESS_KEY_BYTES) return UINT32_MAX;
    access_hash(key, keys->salt, hash);
    for (uint32_t i = 0; i < keys->count; i++) {
        uint32_t differs = (uint32_t)(sodium_memcmp(hash, keys->key[i].hash, sizeof hash) != 0);
        uint32_t mask = differs - 1; /* all ones where it is this one */
        found = (found & ~mask) | (i & mask);
    }
    return found != UINT32_MAX && keys->key[found].revoked_ms == 0 ? found : UINT32_MAX;
}

static bool may(const struct access_key *key, enum access_right right) {
    if (right == ACCESS_NOBODY || key->right == right) return true;
    return key->right == ACCESS_ADMIN && (right == ACCESS_READ || right == ACCESS_DECIDE);
}

static enum access_verdict judge(struct access *access, struct text text, enum access_right right,
                                 struct text peer, int64_t now_ms, struct access_key *out,
                                 int64_t *retry_ms) {
    if (access->is_unreadable) return ACCESS_UNREADABLE;
    uint32_t found = find(access->keys, text);
    if (found == UINT32_MAX) return ACCESS_UNKNOWN;
    *out = access->keys->key[found];
    if (!may(out, right)) return ACCESS_FORBIDDEN;
    if (out->is_public && !take_of_peer(access, peer, now_ms, retry_ms)) return ACCESS_TOO_FAST;
    if (!take_of_key(&access->full_at_ns[found], out->per_second, now_ms, retry_ms))
        return ACCESS_TOO_FAST;
    return ACCESS_OK;
}

enum access_verdict access_check(struct access *access, struct text key, enum access_right right,
                                 struct text peer, int64_t now_ms, struct access_key *out,
                                 int64_t *retry_ms) {
    *out = (struct access_key){0};
    *retry_ms = 0;
    bool is_new = look_again(access, now_ms);
    pthread_rwlock_rdlock(&access->lock);
    enum access_verdict verdict = judge(access, key, right, peer, now_ms, out, retry_ms);
    pthread_rwlock_unlock(&access->lock);
    if (verdict != ACCESS_UNKNOWN || is_new) return verdict;
    wait_for_reader(access);
    pthread_rwlock_rdlock(&access->lock);
    verdict = judge(access, key, right, peer, now_ms, out, retry_ms);
    pthread_rwlock_unlock(&access->lock);
    return verdict;
}

bool access_is_good(struct access *access, const char *id, int64_t now_ms) {
    look_again(access, now_ms);
    pthread_rwlock_rdlock(&access->lock);
    const struct access_keys *keys = access->keys;
    bool is_good = access->is_unreadable;
    for (uint32_t i = 0; i < keys->count && !is_good; i++)
        is_good = keys->key[i].revoked_ms == 0 && strcmp(keys->key[i].id, id) == 0;
    pthread_rwlock_unlock(&access->lock);
    return is_good;
}

/* ---- life cycle ---- */

static enum status init(struct access *access, struct error *error) {
    access->read_ms = INT64_MIN / 2;
    buffer_init(&access->bytes);
    buffer_init(&access->spare);
    pthread_rwlock_init(&access->lock, NULL);
    pthread_mutex_init(&access->reading, NULL);
    pthread_mutex_init(&access->peer_lock, NULL);
    randombytes_buf(access->peer_key, sizeof access->peer_key);
    access->keys = memory_calloc(1, sizeof *access->keys);
    if (access->keys == NULL) return error_set(error, STATUS_NO_MEMORY, "no memory for the keys");
    return read_again(access, error);
}

enum status access_open(struct access **out, struct file_system *fs, const char *directory,
                        struct error *error) {
    *out = NULL;
    if (strlen(directory) >= FILE_PATH_MAX)
        return error_set(error, STATUS_LIMIT, "a path may have at most %d bytes: use a shorter one",
                         FILE_PATH_MAX - 1);
    if (sodium_init() < 0)
        return error_set(error, STATUS_IO, "libsodium finds no source of randomness");
    struct access *access = memory_calloc(1, sizeof *access);
    if (access == NULL) return error_set(error, STATUS_NO_MEMORY, "no memory for the keys");
    access->fs = fs;
    memcpy(access->directory, directory, strlen(directory) + 1);
    enum status status = init(access, error);
    if (status != STATUS_OK) {
        access_close(access);
        return status;
    }
    *out = access;
    return STATUS_OK;
}

void access_close(struct access *access) {
    if (access == NULL) return;
    pthread_rwlock_destroy(&access->lock);
    pthread_mutex_destroy(&access->reading);
    pthread_mutex_destroy(&access->peer_lock);
    buffer_release(&access->bytes);
    buffer_release(&access->spare);
    memory_free(access->keys);
    memory_free(access);
}
