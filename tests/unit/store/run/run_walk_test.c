/* SPDX-License-Identifier: Apache-2.0 */
/* Walks over the entries of several runs against a plain table: every entry once, under the
 * customer of now, customers ascending; ranges and shares take their part and nothing else. */
#include "support/unit.h"

#include <stdlib.h>
#include "base/random.h"
#include "store/run/run_walk.h"

#define RUNS     7u
#define PERSONAS 3000u

static struct random rng;
/* Entries that a walk looks at: a run needs nothing else here. */
static struct run runs[RUNS];
static uint32_t entry_customer[RUNS][PERSONAS], entry_persona[RUNS][PERSONAS];
static uint32_t then[PERSONAS], now[PERSONAS];

static int by_customer(const void *a, const void *b) {
    uint32_t p = *(const uint32_t *)a, q = *(const uint32_t *)b;
    if (then[p] != then[q]) return then[p] < then[q] ? -1 : 1;
    return p < q ? -1 : p > q;
}

/* `spread`: how far apart the customers' ids lie. One persona in `one_moves_in` has moved. */
static void make_runs(uint32_t spread, uint32_t one_moves_in) {
    for (uint32_t p = 0; p < PERSONAS; p++) {
        then[p] = (uint32_t)random_below(&rng, PERSONAS) * spread;
        bool moves = one_moves_in > 0 && random_below(&rng, one_moves_in) == 0;
        now[p] = moves ? (uint32_t)random_below(&rng, PERSONAS) * spread : then[p];
    }
    for (uint32_t r = 0; r < RUNS; r++) {
        uint32_t count = 0;
        for (uint32_t p = 0; p < PERSONAS; p++)
            if (random_below(&rng, r + 1) == 0) entry_persona[r][count++] = p;
        qsort(entry_persona[r], count, sizeof **entry_persona, by_customer);
        for (uint32_t e = 0; e < count; e++) entry_customer[r][e] = then[entry_persona[r][e]];
        runs[r] = (struct run){.info.entry_count = count,
                               .entry_customer = entry_customer[r],
                               .entry_persona = entry_persona[r]};
    }
}

/* Walks and marks each entry; returns how many. */
static uint32_t walk_range(const uint32_t *customer, struct run_walk_range range,
                           uint8_t seen[RUNS][PERSONAS]) {
    struct run *list[RUNS];
    struct run_walk walk;
    uint32_t count = 0, before = 0, next;
    for (uint32_t r = 0; r < RUNS; r++) list[r] = &runs[r];
    assert_int_equal(run_walk_init(&walk, list, RUNS, customer, PERSONAS, range), STATUS_OK);
    while ((next = run_walk_peek(&walk)) != ID_NONE) {
        assert_true(count == 0 || next > before);
        assert_true(next >= range.from && next < range.to);
        assert_true(run_walk_shares(range.part, range.parts, next));
        uint64_t at_head = run_walk_runs(&walk, next);
        assert_int_equal(run_walk_take(&walk, next), STATUS_OK);
        assert_true(walk.slice_count > 0);
        for (size_t s = 0; s < walk.slice_count; s++) {
            struct run_slice slice = walk.slices[s];
            uint32_t persona = entry_persona[slice.run][slice.entry];
            assert_int_equal((customer ? customer : then)[persona], next);
            bool has_moved = customer != NULL && customer[persona] != then[persona];
            assert_int_equal(at_head >> slice.run & 1 & !has_moved, !has_moved);
            seen[slice.run][slice.entry]++;
            count++;
        }
        before = next;
    }
    run_walk_release(&walk);
    return count;
}

static void expect_each_once(uint8_t seen[RUNS][PERSONAS], const uint32_t *customer,
                             struct run_walk_range range) {
    for (uint32_t r = 0; r < RUNS; r++) {
        for (uint32_t e = 0; e < runs[r].info.entry_count; e++) {
            uint32_t c = (customer ? customer : then)[entry_persona[r][e]];
            bool wanted =
                c >= range.from && c < range.to && run_walk_shares(range.part, range.parts, c);
            assert_int_equal(seen[r][e], wanted);
        }
    }
}

static void every_entry_is_taken_once(void **state) {
    (void)state;
    static uint8_t seen[RUNS][PERSONAS];
    for (uint32_t round = 0; round < 60; round++) {
        make_runs((const uint32_t[]){1, 5, 701}[round % 3], (uint32_t[]){0, 1, 3, 50}[round % 4]);
        const uint32_t *customer = round % 4 == 0 && round % 8 ? NULL : now;
        uint32_t from = (uint32_t)random_below(&rng, PERSONAS),
                 to = from + (uint32_t)random_below(&rng, PERSONAS);
        struct run_walk_range range = {0, ID_NONE, 0, round % 2 ? 1 : 0};
        if (round % 5 == 4) range = (struct run_walk_range){from, to, 0, 1};
        memset(seen, 0, sizeof seen);
        walk_range(customer, range, seen);
        expect_each_once(seen, customer, range);
    }
}

/* The shares of a walk are the whole of it. */
static void shares_make_the_whole(void **state) {
    (void)state;
    static uint8_t seen[RUNS][PERSONAS];
    for (uint32_t parts = 1; parts < 9; parts++) {
        uint32_t entries = 0, taken = 0;
        make_runs(701, 4);
        memset(seen, 0, sizeof seen);
        for (uint32_t r = 0; r < RUNS; r++) entries += runs[r].info.entry_count;
        for (uint32_t part = 0; part < parts; part++) {
            uint32_t of_part =
                walk_range(now, (struct run_walk_range){0, ID_NONE, part, parts}, seen);
            assert_true(of_part < entries || parts == 1);
            taken += of_part;
        }
        assert_int_equal(taken, entries);
        expect_each_once(seen, now, (struct run_walk_range){0, ID_NONE, 0, 1});
    }
}

/* Rows whose persona has no customer stand last in a run; no share has them, and each one ends. */
static void rows_of_nobody_end_each_share(void **state) {
    (void)state;
    static uint8_t seen[RUNS][PERSONAS];
    for (uint32_t parts = 1; parts < 9; parts++) {
        uint32_t taken = 0, nobodys = 0, entries = 0;
        make_runs(701, 0);
        for (uint32_t p = 0; p < PERSONAS; p += 7) then[p] = now[p] = ID_NONE;
        for (uint32_t r = 0; r < RUNS; r++) {
            uint32_t count = runs[r].info.entry_count;
            qsort(entry_persona[r], count, sizeof **entry_persona, by_customer);
            for (uint32_t e = 0; e < count; e++) entry_customer[r][e] = then[entry_persona[r][e]];
            for (uint32_t e = 0; e < count; e++) nobodys += entry_customer[r][e] == ID_NONE;
            entries += count;
        }
        assert_true(nobodys > 0);
        for (uint32_t part = 0; part < parts; part++)
            taken += walk_range(now, (struct run_walk_range){0, ID_NONE, part, parts}, seen);
        assert_int_equal(taken, entries - nobodys);
    }
}

/* Who is taken without being next has nothing, and the walk goes on. */
static void who_is_not_next_has_no_slices(void **state) {
    (void)state;
    struct run *list[] = {&runs[0]};
    struct run_walk walk;
    make_runs(2, 0); /* even ids only */
    assert_int_equal(
        run_walk_init(&walk, list, 1, NULL, 0, (struct run_walk_range){0, ID_NONE, 0, 1}),
        STATUS_OK);
    uint32_t first = run_walk_peek(&walk);
    assert_int_equal(run_walk_take(&walk, first + 1), STATUS_OK);
    assert_int_equal(walk.slice_count, 0);
    assert_int_equal(run_walk_peek(&walk), first);
    run_walk_release(&walk);
}

static enum status walk_moved(void) {
    static uint8_t seen[RUNS][PERSONAS];
    struct run *list[RUNS];
    struct run_walk walk;
    for (uint32_t r = 0; r < RUNS; r++) list[r] = &runs[r];
    enum status status =
        run_walk_init(&walk, list, RUNS, now, PERSONAS, (struct run_walk_range){0, ID_NONE, 0, 1});
    if (status) return status;
    memset(seen, 0, sizeof seen);
    for (uint32_t next; status == STATUS_OK && (next = run_walk_peek(&walk)) != ID_NONE;)
        status = run_walk_take(&walk, next);
    run_walk_release(&walk);
    return status;
}

static void no_memory_is_a_status(void **state) {
    (void)state;
    make_runs(3, 3);
    fail_every_allocation(walk_moved, 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_entry_is_taken_once),
        cmocka_unit_test(shares_make_the_whole),
        cmocka_unit_test(rows_of_nobody_end_each_share),
        cmocka_unit_test(who_is_not_next_has_no_slices),
        cmocka_unit_test(no_memory_is_a_status),
    };
    random_init(&rng, 53);
    printf("seed 53\n");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
