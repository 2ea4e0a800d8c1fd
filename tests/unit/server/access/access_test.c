/* SPDX-License-Identifier: Apache-2.0 */
#include "server/access/access.h"

#include <pthread.h>

#include "support/simulated_disk.h"
#include "support/unit.h"

#define NOW  INT64_C(1700000000000)
#define PEER TEXT("192.0.2.1")

struct bench {
    struct simulated_disk *disk;
    struct file_system *fs;
    struct access *access;
};

static struct bench begin(void) {
    struct bench bench = {.disk = simulated_disk_create(1, 0)};
    bench.fs = simulated_disk_interface(bench.disk);
    return bench;
}

static void open_keys(struct bench *bench) {
    struct error error = {0};
    assert_int_equal(access_open(&bench->access, bench->fs, "data", &error), STATUS_OK);
}

static void end(struct bench *bench) {
    access_close(bench->access);
    simulated_disk_destroy(bench->disk);
}

/* Two keys of one call have different secrets, since `seed` differs. */
static void add(struct bench *bench, struct access_key *key, uint8_t seed,
                char shown[ACCESS_KEY_BYTES]) {
    struct error error = {0};
    uint8_t random[32];
    memset(random, seed, sizeof random);
    assert_int_equal(access_add(bench->fs, "data", key, random, NOW, shown, &error), STATUS_OK);
}

static enum access_verdict ask_peer(struct bench *bench, const char *key, enum access_right right,
                                    struct text peer, int64_t now_ms) {
    struct access_key out;
    int64_t retry_ms;
    enum access_verdict verdict =
        access_check(bench->access, text_from(key), right, peer, now_ms, &out, &retry_ms);
    assert_int_equal(verdict == ACCESS_TOO_FAST, retry_ms > 0);
    return verdict;
}

static enum access_verdict ask(struct bench *bench, const char *key, enum access_right right,
                               int64_t now_ms) {
    return ask_peer(bench, key, right, PEER, now_ms);
}

static void test_a_key_does_what_it_is_for(void **state) {
    (void)state;
    struct bench bench = begin();
    char write[ACCESS_KEY_BYTES], decide[ACCESS_KEY_BYTES], admin[ACCESS_KEY_BYTES];
    struct access_key writer = {.right = ACCESS_WRITE, .source = "web", .name = "shop"};
    struct access_key decider = {.right = ACCESS_DECIDE}, boss = {.right = ACCESS_ADMIN}, out;
    int64_t retry_ms;
    add(&bench, &writer, 1, write);
    add(&bench, &decider, 2, decide);
    add(&bench, &boss, 3, admin);
    assert_string_equal(writer.id, "k1");
    assert_string_equal(boss.id, "k3");
    assert_int_equal(strncmp(write, "atw_", 4), 0);
    assert_int_equal(strncmp(admin, "ata_", 4), 0);
    open_keys(&bench);
    assert_int_equal(ask(&bench, write, ACCESS_WRITE, NOW), ACCESS_OK);
    assert_int_equal(ask(&bench, write, ACCESS_DECIDE, NOW), ACCESS_FORBIDDEN);
    assert_int_equal(ask(&bench, write, ACCESS_ADMIN, NOW), ACCESS_FORBIDDEN);
    assert_int_equal(ask(&bench, decide, ACCESS_DECIDE, NOW), ACCESS_OK);
    assert_int_equal(ask(&bench, decide, ACCESS_READ, NOW), ACCESS_FORBIDDEN);
    assert_int_equal(ask(&bench, admin, ACCESS_READ, NOW), ACCESS_OK);
    assert_int_equal(ask(&bench, admin, ACCESS_DECIDE, NOW), ACCESS_OK);
    assert_int_equal(ask(&bench, admin, ACCESS_WRITE, NOW), ACCESS_FORBIDDEN);
    assert_int_equal(
        access_check(bench.access, text_from(write), ACCESS_WRITE, PEER, NOW, &out, &retry_ms),
        ACCESS_OK);
    assert_string_equal(out.source, "web");
    assert_string_equal(out.name, "shop");
    assert_false(out.is_public);
    end(&bench);
}

static void test_what_is_no_key_is_unknown(void **state) {
    (void)state;
    struct bench bench = begin();
    char shown[ACCESS_KEY_BYTES], other[ACCESS_KEY_BYTES + 200];
    struct access_key key = {.right = ACCESS_READ}, out;
    int64_t retry_ms;
    open_keys(&bench);
    assert_int_equal(ask(&bench, "atr_x", ACCESS_READ, NOW), ACCESS_UNKNOWN);
    add(&bench, &key, 1, shown);
    for (size_t i = 0; i < strlen(shown); i++) {
        memcpy(other, shown, strlen(shown) + 1);
        other[i] = other[i] == 'B' ? 'C' : 'B';
        assert_int_equal(ask(&bench, other, ACCESS_READ, NOW + 2000), ACCESS_UNKNOWN);
    }
    assert_int_equal(ask(&bench, "", ACCESS_READ, NOW + 2000), ACCESS_UNKNOWN);
    memset(other, 'x', sizeof other - 1);
    other[sizeof other - 1] = '\0';
    assert_int_equal(ask(&bench, other, ACCESS_READ, NOW + 2000), ACCESS_UNKNOWN);
    assert_int_equal(access_check(bench.access, (struct text){shown, 20}, ACCESS_READ, PEER,
                                  NOW + 2000, &out, &retry_ms),
                     ACCESS_UNKNOWN);
    assert_string_equal(out.id, "");
    assert_int_equal(ask(&bench, shown, ACCESS_READ, NOW + 2000), ACCESS_OK);
    end(&bench);
}

static void test_the_secret_is_not_kept(void **state) {
    (void)state;
    struct bench bench = begin();
    char shown[ACCESS_KEY_BYTES];
    uint8_t random[32];
    struct access_key key = {.right = ACCESS_READ};
    add(&bench, &key, 7, shown);
    memset(random, 7, sizeof random);
    assert_false(simulated_disk_contains(bench.disk, shown + 4, strlen(shown) - 4));
    assert_false(simulated_disk_contains(bench.disk, random, sizeof random));
    assert_true(simulated_disk_contains(bench.disk, "\"k1\"", 4));
    end(&bench);
}

static void test_a_revoked_key_is_refused_within_a_second(void **state) {
    (void)state;
    struct bench bench = begin();
    struct error error = {0};
    char first[ACCESS_KEY_BYTES], second[ACCESS_KEY_BYTES];
    struct access_key one = {.right = ACCESS_READ}, two = {.right = ACCESS_READ};
    struct access_key *list = malloc(ACCESS_KEYS_MAX * sizeof *list);
    size_t count;
    add(&bench, &one, 1, first);
    open_keys(&bench);
    assert_int_equal(ask(&bench, first, ACCESS_READ, NOW), ACCESS_OK);
    add(&bench, &two, 2, second);
    assert_int_equal(access_revoke(bench.fs, "data", TEXT("k1"), NOW + 5, &error), STATUS_OK);
    assert_int_equal(ask(&bench, first, ACCESS_READ, NOW + 1000), ACCESS_UNKNOWN);
    assert_int_equal(ask(&bench, second, ACCESS_READ, NOW + 1000), ACCESS_OK);
    assert_int_equal(access_revoke(bench.fs, "data", TEXT("k1"), NOW + 9, &error), STATUS_EXISTS);
    assert_int_equal(access_revoke(bench.fs, "data", TEXT("k9"), NOW, &error), STATUS_NOT_FOUND);
    assert_int_equal(access_list(bench.fs, "data", list, &count, &error), STATUS_OK);
    assert_int_equal(count, 2);
    assert_int_equal(list[0].revoked_ms, NOW + 5);
    assert_int_equal(list[1].revoked_ms, 0);
    assert_string_equal(list[1].id, "k2");
    free(list);
    end(&bench);
}

static void test_a_key_has_a_rate(void **state) {
    (void)state;
    struct bench bench = begin();
    char shown[ACCESS_KEY_BYTES];
    struct access_key key = {.right = ACCESS_READ, .per_second = 2}, out;
    int64_t retry_ms;
    add(&bench, &key, 1, shown);
    open_keys(&bench);
    for (int i = 0; i < 2 * ACCESS_DEPTH_SECONDS; i++)
        assert_int_equal(ask(&bench, shown, ACCESS_READ, NOW), ACCESS_OK);
    assert_int_equal(
        access_check(bench.access, text_from(shown), ACCESS_READ, PEER, NOW, &out, &retry_ms),
        ACCESS_TOO_FAST);
    assert_int_equal(retry_ms, 500);
    assert_int_equal(ask(&bench, shown, ACCESS_READ, NOW + 499), ACCESS_TOO_FAST);
    assert_int_equal(ask(&bench, shown, ACCESS_READ, NOW + 500), ACCESS_OK);
    assert_int_equal(ask(&bench, shown, ACCESS_READ, NOW + 500), ACCESS_TOO_FAST);
    /* The file is read again; what was used up stays so. */
    struct access_key other = {.right = ACCESS_READ};
    char second[ACCESS_KEY_BYTES];
    add(&bench, &other, 2, second);
    assert_int_equal(ask(&bench, second, ACCESS_READ, NOW + 1600), ACCESS_OK);
    for (int i = 0; i < 2; i++)
        assert_int_equal(ask(&bench, shown, ACCESS_READ, NOW + 1600), ACCESS_OK);
    assert_int_equal(ask(&bench, shown, ACCESS_READ, NOW + 1600), ACCESS_TOO_FAST);
    /* A clock that is set back by a day does not shut the key out for a day. */
    int64_t earlier = NOW - INT64_C(86400000);
    assert_int_equal(ask(&bench, shown, ACCESS_READ, earlier), ACCESS_TOO_FAST);
    assert_int_equal(ask(&bench, shown, ACCESS_READ, earlier + 500), ACCESS_OK);
    end(&bench);
}

static void test_a_slow_key_may_ask_once_in_its_time(void **state) {
    (void)state;
    struct bench bench = begin();
    char shown[ACCESS_KEY_BYTES];
    struct access_key key = {.right = ACCESS_READ, .per_second = 0.01};
    add(&bench, &key, 1, shown);
    open_keys(&bench);
    assert_int_equal(ask(&bench, shown, ACCESS_READ, NOW), ACCESS_OK);
    assert_int_equal(ask(&bench, shown, ACCESS_READ, NOW + 99999), ACCESS_TOO_FAST);
    assert_int_equal(ask(&bench, shown, ACCESS_READ, NOW + 100000), ACCESS_OK);
    end(&bench);
}

static void exhaust(struct bench *bench, const char *key, const char *peer) {
    int burst = (int)ACCESS_PEER_SECOND * ACCESS_DEPTH_SECONDS;
    for (int i = 0; i < burst; i++)
        assert_int_equal(ask_peer(bench, key, ACCESS_WRITE, text_from(peer), NOW), ACCESS_OK);
    assert_int_equal(ask_peer(bench, key, ACCESS_WRITE, text_from(peer), NOW), ACCESS_TOO_FAST);
}

static void test_an_address_can_not_use_up_a_public_key(void **state) {
    (void)state;
    struct bench bench = begin();
    char shown[ACCESS_KEY_BYTES], server[ACCESS_KEY_BYTES];
    struct access_key page = {
        .right = ACCESS_WRITE, .source = "web", .is_public = true, .claims = true};
    struct access_key verified = {.right = ACCESS_WRITE, .source = "web"};
    add(&bench, &page, 1, shown);
    add(&bench, &verified, 2, server);
    open_keys(&bench);
    exhaust(&bench, shown, "192.0.2.1");
    assert_int_equal(ask_peer(&bench, shown, ACCESS_WRITE, TEXT("192.0.2.2"), NOW), ACCESS_OK);
    assert_int_equal(ask_peer(&bench, server, ACCESS_WRITE, TEXT("192.0.2.1"), NOW), ACCESS_OK);
    /* One client has all addresses of its network. */
    exhaust(&bench, shown, "2001:db8:1:2::1");
    assert_int_equal(ask_peer(&bench, shown, ACCESS_WRITE, TEXT("2001:db8:1:2:ffff:1:2:3"), NOW),
                     ACCESS_TOO_FAST);
    assert_int_equal(ask_peer(&bench, shown, ACCESS_WRITE, TEXT("2001:db8:1:3::1"), NOW),
                     ACCESS_OK);
    /* Of IPv4 addresses that are written as IPv6 each is a client's. */
    exhaust(&bench, shown, "::ffff:192.0.2.9");
    assert_int_equal(ask_peer(&bench, shown, ACCESS_WRITE, TEXT("::ffff:192.0.2.10"), NOW),
                     ACCESS_OK);
    end(&bench);
}

static void test_many_addresses_have_room(void **state) {
    (void)state;
    struct bench bench = begin();
    char shown[ACCESS_KEY_BYTES], peer[32];
    struct access_key page = {
        .right = ACCESS_WRITE, .source = "web", .is_public = true, .per_second = 1e6};
    add(&bench, &page, 1, shown);
    open_keys(&bench);
    exhaust(&bench, shown, "192.0.2.1");
    for (int i = 0; i < 10 * ACCESS_PEERS_MAX; i++) {
        snprintf(peer, sizeof peer, "10.%d.%d.%d", i >> 16, (i >> 8) & 255, i & 255);
        assert_int_equal(ask_peer(&bench, shown, ACCESS_WRITE, text_from(peer), NOW), ACCESS_OK);
    }
    /* The one that owes most is not the one that is given up. */
    assert_int_equal(ask_peer(&bench, shown, ACCESS_WRITE, TEXT("192.0.2.1"), NOW),
                     ACCESS_TOO_FAST);
    end(&bench);
}

static void test_a_damaged_file_lets_nobody_in(void **state) {
    (void)state;
    struct error error = {0};
    struct buffer bytes;
    char shown[ACCESS_KEY_BYTES];
    struct access_key key = {.right = ACCESS_READ};
    struct bench bench = begin();
    add(&bench, &key, 1, shown);
    open_keys(&bench);
    assert_int_equal(ask(&bench, shown, ACCESS_READ, NOW), ACCESS_OK);
    buffer_init(&bytes);
    assert_int_equal(file_read_all(bench.fs, "data/access.json", 1 << 20, &bytes, &error),
                     STATUS_OK);
    int64_t now_ms = NOW;
    for (size_t at = 0; at + 1 < bytes.length; at++) {
        struct access *other;
        now_ms += 2000;
        assert_true(simulated_disk_flip(bench.disk, "data/access.json", at, 1));
        assert_int_equal(ask(&bench, shown, ACCESS_READ, now_ms), ACCESS_UNREADABLE);
        enum status status = access_open(&other, bench.fs, "data", &error);
        assert_true(status == STATUS_CORRUPT || status == STATUS_VERSION);
        assert_non_null(strstr(error.text, "access.json"));
        assert_null(other);
        assert_true(simulated_disk_flip(bench.disk, "data/access.json", at, 1));
        now_ms += 2000;
        assert_int_equal(ask(&bench, shown, ACCESS_READ, now_ms), ACCESS_OK);
    }
    /* A key is not added to a damaged file: that would lose the others. */
    uint8_t random[32] = {9};
    assert_true(simulated_disk_flip(bench.disk, "data/access.json", 80, 1));
    assert_int_equal(access_add(bench.fs, "data", &key, random, NOW, shown, &error),
                     STATUS_CORRUPT);
    assert_string_equal(shown, "");
    buffer_release(&bytes);
    end(&bench);
}

/* Whatever call to the disk fails, the file is as it was or has the new key. */
static void test_a_failed_write_keeps_the_keys(void **state) {
    (void)state;
    for (uint64_t nth = 1;; nth++) {
        struct bench bench = begin();
        struct error error = {0};
        char first[ACCESS_KEY_BYTES], second[ACCESS_KEY_BYTES];
        struct access_key one = {.right = ACCESS_READ}, two = {.right = ACCESS_READ};
        uint8_t random[32] = {5};
        uint64_t calls = simulated_disk_calls(bench.disk);
        add(&bench, &one, 1, first);
        calls = simulated_disk_calls(bench.disk);
        simulated_disk_fail_at(bench.disk, nth, nth % 2 == 0);
        enum status status = access_add(bench.fs, "data", &two, random, NOW, second, &error);
        bool reached = simulated_disk_calls(bench.disk) - calls >= nth;
        simulated_disk_fail_at(bench.disk, 0, false);
        open_keys(&bench);
        assert_int_equal(ask(&bench, first, ACCESS_READ, NOW), ACCESS_OK);
        if (status == STATUS_OK)
            assert_int_equal(ask(&bench, second, ACCESS_READ, NOW), ACCESS_OK);
        else
            assert_string_equal(second, "");
        end(&bench);
        if (!reached) {
            assert_int_equal(status, STATUS_OK);
            assert_true(nth > 5);
            return;
        }
    }
}

static void test_a_power_cut_keeps_the_keys(void **state) {
    (void)state;
    for (uint64_t nth = 1; nth < 12; nth++) {
        struct bench bench = begin();
        struct error error = {0};
        char first[ACCESS_KEY_BYTES], second[ACCESS_KEY_BYTES];
        struct access_key one = {.right = ACCESS_READ}, two = {.right = ACCESS_READ};
        uint8_t random[32] = {5};
        /* The directory itself is the engine's, which made it durable. */
        assert_int_equal(directory_make(bench.fs, "data", &error), STATUS_OK);
        assert_int_equal(directory_sync(bench.fs, ".", &error), STATUS_OK);
        add(&bench, &one, 1, first);
        simulated_disk_cut_at(bench.disk, nth);
        enum status status = access_add(bench.fs, "data", &two, random, NOW, second, &error);
        simulated_disk_cut_at(bench.disk, 0);
        simulated_disk_restart(bench.disk);
        open_keys(&bench);
        assert_int_equal(ask(&bench, first, ACCESS_READ, NOW), ACCESS_OK);
        if (status == STATUS_OK) assert_int_equal(ask(&bench, second, ACCESS_READ, NOW), ACCESS_OK);
        end(&bench);
    }
}

static enum status one_key(void) {
    struct bench bench = begin();
    struct error error = {0};
    uint8_t random[32] = {3};
    char shown[ACCESS_KEY_BYTES];
    struct access_key key = {.right = ACCESS_READ};
    enum status status = access_add(bench.fs, "data", &key, random, NOW, shown, &error);
    if (status == STATUS_OK) status = access_open(&bench.access, bench.fs, "data", &error);
    if (status == STATUS_OK) assert_int_equal(ask(&bench, shown, ACCESS_READ, NOW), ACCESS_OK);
    end(&bench);
    return status;
}

static void test_memory_runs_out(void **state) {
    (void)state;
    fail_every_allocation(one_key, 5);
}

static void test_keys_are_refused_that_make_no_sense(void **state) {
    (void)state;
    struct bench bench = begin();
    struct error error = {0};
    uint8_t random[32] = {3};
    char shown[ACCESS_KEY_BYTES];
    struct access_key wrong[] = {
        {.right = ACCESS_NOBODY},
        {.right = ACCESS_WRITE},
        {.right = ACCESS_READ, .source = "web"},
        {.right = ACCESS_READ, .is_public = true},
        {.right = ACCESS_WRITE, .source = "web", .claims = true},
        {.right = ACCESS_READ, .per_second = -1},
        {.right = ACCESS_READ, .per_second = 1e9},
        {.right = ACCESS_READ, .name = "\xff"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(access_add(bench.fs, "data", &wrong[i], random, NOW, shown, &error),
                         STATUS_INVALID);
    }
    end(&bench);
}

static void test_revoked_keys_make_room(void **state) {
    (void)state;
    struct bench bench = begin();
    struct error error = {0};
    uint8_t random[32] = {3};
    char shown[ACCESS_KEY_BYTES];
    struct access_key key = {.right = ACCESS_READ};
    for (uint32_t i = 0; i < ACCESS_KEYS_MAX; i++) {
        key.per_second = 0;
        add(&bench, &key, (uint8_t)i, shown);
    }
    assert_int_equal(access_add(bench.fs, "data", &key, random, NOW, shown, &error), STATUS_LIMIT);
    assert_int_equal(access_revoke(bench.fs, "data", TEXT("k200"), NOW + 1, &error), STATUS_OK);
    assert_int_equal(access_revoke(bench.fs, "data", TEXT("k7"), NOW + 2, &error), STATUS_OK);
    assert_int_equal(access_add(bench.fs, "data", &key, random, NOW, shown, &error), STATUS_OK);
    assert_string_equal(key.id, "k257");
    assert_int_equal(access_revoke(bench.fs, "data", TEXT("k200"), NOW, &error), STATUS_NOT_FOUND);
    assert_int_equal(access_revoke(bench.fs, "data", TEXT("k7"), NOW, &error), STATUS_EXISTS);
    end(&bench);
}

/* Several requests come at the moment at which a new key is read: none of them is refused. */
struct asking {
    struct bench *bench;
    const char *key;
    int64_t now_ms;
    pthread_barrier_t *all;
    uint32_t refused;
};

static void *ask_at_once(void *context) {
    struct asking *asking = context;
    pthread_barrier_wait(asking->all);
    asking->refused += ask(asking->bench, asking->key, ACCESS_DECIDE, asking->now_ms) != ACCESS_OK;
    return NULL;
}

static void test_no_request_meets_old_keys(void **state) {
    (void)state;
    struct bench bench = begin();
    pthread_barrier_t all;
    uint32_t refused = 0;
    open_keys(&bench);
    pthread_barrier_init(&all, NULL, 4);
    for (uint8_t round = 1; round <= 100; round++) {
        char shown[ACCESS_KEY_BYTES];
        struct access_key key = {.right = ACCESS_DECIDE};
        struct asking asking[4];
        pthread_t threads[4];
        add(&bench, &key, round, shown);
        for (int i = 0; i < 4; i++) {
            asking[i] = (struct asking){&bench, shown, NOW + round * INT64_C(2000), &all, 0};
            assert_int_equal(pthread_create(&threads[i], NULL, ask_at_once, &asking[i]), 0);
        }
        for (int i = 0; i < 4; i++) {
            pthread_join(threads[i], NULL);
            refused += asking[i].refused;
        }
    }
    assert_int_equal(refused, 0);
    pthread_barrier_destroy(&all);
    end(&bench);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_request_meets_old_keys),
        cmocka_unit_test(test_a_key_does_what_it_is_for),
        cmocka_unit_test(test_what_is_no_key_is_unknown),
        cmocka_unit_test(test_the_secret_is_not_kept),
        cmocka_unit_test(test_a_revoked_key_is_refused_within_a_second),
        cmocka_unit_test(test_a_key_has_a_rate),
        cmocka_unit_test(test_a_slow_key_may_ask_once_in_its_time),
        cmocka_unit_test(test_an_address_can_not_use_up_a_public_key),
        cmocka_unit_test(test_many_addresses_have_room),
        cmocka_unit_test(test_a_damaged_file_lets_nobody_in),
        cmocka_unit_test(test_a_failed_write_keeps_the_keys),
        cmocka_unit_test(test_a_power_cut_keeps_the_keys),
        cmocka_unit_test(test_memory_runs_out),
        cmocka_unit_test(test_keys_are_refused_that_make_no_sense),
        cmocka_unit_test(test_revoked_keys_make_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
