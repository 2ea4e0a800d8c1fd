/* SPDX-License-Identifier: Apache-2.0 */
/* Versions: a pinned one stays, with all its files, until its last reader leaves; one that nobody
 * reads goes with the next publication. */
#include "support/unit.h"

#include <pthread.h>
#include "store/version.h"
#include "store/view/view_tail_order.h"

static struct versions versions;

/* Publishes a version over one tail of its own, which begins at `first`. */
static void publish(uint64_t first) {
    struct tail *tail;
    assert_int_equal(tail_create(&tail, first), STATUS_OK);
    struct version *version = version_create(NULL, 0, &tail, 1, NULL, NULL);
    assert_non_null(version);
    versions_publish(&versions, version);
    tail_dereference(tail); /* the version has its own reference */
}

static void a_pinned_version_stays(void **state) {
    (void)state;
    struct version *first, *again, *second;
    publish(100);
    assert_int_equal(versions_pin(&versions, &first, NULL), STATUS_OK);
    assert_int_equal(versions_pin(&versions, &again, NULL), STATUS_OK);
    assert_ptr_equal(first, again);
    assert_true(versions_is_current(&versions, first));
    publish(200);
    publish(300); /* nobody read the second */
    assert_false(versions_is_current(&versions, first));
    assert_int_equal(version_position(first), 100); /* readable: a sanitizer watches */
    assert_int_equal(versions_pin(&versions, &second, NULL), STATUS_OK);
    assert_int_equal(version_position(second), 300);
    versions_unpin(&versions, first);
    assert_int_equal(version_position(first), 100);
    versions_unpin(&versions, again);
    versions_unpin(&versions, second);
    versions_release(&versions);
}

/* References tell when a version lets its files go. */
static void files_go_with_their_last_version(void **state) {
    (void)state;
    struct version *pinned;
    struct tail *tail;
    struct superseded set; /* never closed: the test keeps a reference */
    memset(&set, 0, sizeof set);
    atomic_store(&set.references, 1);
    struct stored_run run = {.number = 1};
    atomic_store(&run.references, 1);
    struct stored_run *runs[] = {&run};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(tail_create(&tail, 0), STATUS_OK);
        struct version *version = version_create(runs, 1, &tail, 1, NULL, NULL);
        assert_non_null(version);
        version_add_keys(version, NULL, 0, &set);
        tail_dereference(tail);
        versions_publish(&versions, version);
        if (i == 0) assert_int_equal(versions_pin(&versions, &pinned, NULL), STATUS_OK);
    }
    /* The test's own, the pinned version's and the current one's; the second version is gone. */
    assert_int_equal(atomic_load(&run.references), 3);
    assert_int_equal(atomic_load(&set.references), 3);
    versions_unpin(&versions, pinned);
    assert_int_equal(atomic_load(&run.references), 2);
    versions_release(&versions);
    assert_int_equal(atomic_load(&run.references), 1);
    assert_int_equal(atomic_load(&set.references), 1);
}

/* Who walks again as of one moment does not sort the tail again; a sanitizer sees that each order
 * is freed once. */
static void the_order_of_the_tail_stays(void **state) {
    (void)state;
    const struct as_of early = {INT64_MAX, 100}, late = {INT64_MAX, 200};
    struct version *version;
    struct view_tail_order *one, *again, *other;
    publish(100);
    assert_int_equal(versions_pin(&versions, &version, NULL), STATUS_OK);
    assert_int_equal(view_tail_order_hold(&one, version, early), STATUS_OK);
    view_tail_order_drop(version, one);
    assert_ptr_equal(version->order, one);
    assert_int_equal(view_tail_order_hold(&one, version, early), STATUS_OK);
    assert_int_equal(view_tail_order_hold(&again, version, early), STATUS_OK);
    assert_ptr_equal(one, again);
    assert_int_equal(view_tail_order_hold(&other, version, late), STATUS_OK);
    assert_ptr_not_equal(one, other); /* the early one still has two holders */
    assert_ptr_equal(version->order, other);
    view_tail_order_drop(version, other);
    view_tail_order_drop(version, one);
    assert_int_equal(again->holders, 1);
    view_tail_order_drop(version, again);
    assert_ptr_equal(version->order, other);
    versions_unpin(&versions, version);
    versions_release(&versions);
}

static void too_many_readers_are_told(void **state) {
    (void)state;
    struct version *version = NULL;
    struct error error = {0};
    publish(1);
    for (uint32_t i = 0; i < VERSION_READERS_MAX; i++)
        assert_int_equal(versions_pin(&versions, &version, NULL), STATUS_OK);
    assert_int_equal(versions_pin(&versions, &version, &error), STATUS_LIMIT);
    assert_non_null(strstr(error.text, "60000 timeline readers"));
    versions_unpin(&versions, version);
    assert_int_equal(versions_pin(&versions, &version, NULL), STATUS_OK);
    for (uint32_t i = 0; i < VERSION_READERS_MAX; i++) versions_unpin(&versions, version);
    versions_release(&versions);
}

/* ---- many threads ---- */

#define READERS 3
#define ROUNDS  20000u

struct reading {
    uint64_t last;
    bool went_back;
    uint32_t pins;
};

/* A version that is published later begins later. */
static void *pin_and_unpin(void *context) {
    struct reading *reading = context;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        struct version *version;
        if (versions_pin(&versions, &version, NULL)) break;
        uint64_t position = version_position(version);
        reading->went_back |= position < reading->last;
        reading->last = position;
        reading->pins++;
        versions_unpin(&versions, version);
    }
    return NULL;
}

static void readers_pin_while_versions_change(void **state) {
    (void)state;
    static struct reading readings[READERS];
    pthread_t threads[READERS];
    publish(1);
    for (int r = 0; r < READERS; r++)
        assert_int_equal(pthread_create(&threads[r], NULL, pin_and_unpin, &readings[r]), 0);
    for (uint64_t first = 2; first < 300; first++) publish(first);
    for (int r = 0; r < READERS; r++) {
        assert_int_equal(pthread_join(threads[r], NULL), 0);
        assert_int_equal(readings[r].pins, ROUNDS);
        assert_false(readings[r].went_back);
    }
    versions_release(&versions);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pinned_version_stays),
        cmocka_unit_test(files_go_with_their_last_version),
        cmocka_unit_test(the_order_of_the_tail_stays),
        cmocka_unit_test(too_many_readers_are_told),
        cmocka_unit_test(readers_pin_while_versions_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
