/* SPDX-License-Identifier: Apache-2.0 */
/* Versions of a lookup: each is read when somebody asks for its time, its pages come and go while
 * threads ask, and one that can't be read is told once and hides no other. */
#include "support/unit.h"

#include <pthread.h>
#include <unistd.h>

#include "base/log_line.h"
#include "base/random.h"
#include "engine/engine_internal.h"

#define VERSIONS 40u
#define ROWS     30000u
#define THREADS  4
#define BEGIN_MS INT64_C(1500000000000)

static const char playbook_text[] =
    "attune: 1\nname: Versions\ncurrency: USD\nzone: UTC\n"
    "customer: { identifiers: { card: {} } }\n"
    "sources:\n"
    "  product: { file: \"product*.csv\", lookup: sku, types: { size: number } }\n"
    "  sales: { file: \"sales*.csv\", event: Sale, channel: store, time: at, key: { card: card },\n"
    "           properties: { sku: sku } }\n"
    "traits:\n"
    "  large: count(\"Sale\" where size > 10)\n";

static char folder[64], directory[96], playbook[96];

static struct engine *open_engine(bool create) {
    struct engine *engine;
    struct error error = {0};
    const struct engine_options options = {.directory = directory,
                                           .create = create,
                                           .playbook_file = create ? playbook : NULL,
                                           .now_ms = BEGIN_MS};
    if (engine_open(&engine, &options, &error)) fail_msg("%s", error.text);
    return engine;
}

static struct text sku_of(uint32_t row, char out[24]) {
    int length = snprintf(out, 24, "sku-%u", row);
    return (struct text){out, (uint32_t)length};
}

static int64_t time_of(uint32_t version) {
    return BEGIN_MS + version * TIME_DAY_MS;
}

static void put_version(struct engine *engine, uint32_t version) {
    const struct lookup_rule *rule = &engine_playbook(engine)->lookups[0];
    struct lookup_table *table;
    struct event_batch none;
    struct error error = {0};
    uint32_t key = text_equal(rule->fields[0].name, rule->keys[0]) ? 0 : 1;
    assert_int_equal(rule->field_count, 2);
    assert_int_equal(lookup_create(&table, rule->fields, 2, &key, 1, false), STATUS_OK);
    for (uint32_t row = 0; row < ROWS; row++) {
        char sku[24];
        struct value cells[2];
        cells[key] = value_text(sku_of(row, sku));
        cells[1 - key] = value_number(row + version * 100000.0);
        assert_int_equal(lookup_add(table, cells), STATUS_OK);
    }
    assert_int_equal(lookup_finish(table), STATUS_OK);
    event_batch_init(&none);
    engine->fixed_now_ms = time_of(version);
    if (lookup_put_in_force(engine, rule->name, table, &none, &error)) fail_msg("%s", error.text);
    event_batch_release(&none);
}

static int setup(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/attune-versions-XXXXXX");
    if (!mkdtemp(folder)) return 1;
    snprintf(directory, sizeof directory, "%s/data", folder);
    snprintf(playbook, sizeof playbook, "%s/playbook.yaml", folder);
    FILE *file = fopen(playbook, "w");
    if (!file || fputs(playbook_text, file) < 0 || fclose(file)) return 1;
    struct engine *engine = open_engine(true);
    for (uint32_t version = 0; version < VERSIONS; version++) put_version(engine, version);
    engine_close(engine);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

/* The number that the version says of the row; negative: there is no table. */
static double ask(const struct in_force *in_force, uint32_t version, uint32_t row) {
    const struct lookup_table *table = in_force_lookup(in_force, 0, time_of(version) + 1);
    if (table == NULL) return -1;
    char sku[24];
    struct value key = value_text(sku_of(row, sku));
    uint32_t found, count;
    assert_true(lookup_find(table, &key, &found, &count) && count == 1);
    return lookup_cell(table, found, lookup_field_find(table, TEXT("size"))).number;
}

static uint32_t read_count(struct engine *engine) {
    uint32_t count = 0;
    for (struct lookup_version *version = engine->lookup_pages.first; version;
         version = version->next)
        count++;
    return count;
}

/* The newest may be read by the opening, which makes treatments. */
static void old_ones_are_read_when_they_are_asked_for(void **state) {
    (void)state;
    struct engine *engine = open_engine(false);
    struct in_force *in_force = in_force_hold(engine);
    uint32_t before = read_count(engine);
    assert_true(before <= 1);
    assert_true(ask(in_force, 7, 3) > 700002 && ask(in_force, 7, 3) < 700004);
    assert_int_equal(read_count(engine), before + 1);
    in_force_drop(in_force);
    engine_close(engine);
}

struct asking {
    const struct in_force *in_force;
    uint64_t seed, wrong;
};

static void *ask_at_random(void *argument) {
    struct asking *asking = argument;
    struct random random;
    random_init(&random, asking->seed);
    for (uint32_t i = 0; i < 20000; i++) {
        uint32_t version = (uint32_t)random_below(&random, VERSIONS);
        uint32_t row = (uint32_t)random_below(&random, ROWS);
        double size = ask(asking->in_force, version, row) - version * 100000.0 - row;
        asking->wrong += size < -.5 || size > .5;
    }
    return NULL;
}

static void pages_stay_within_their_limit(void **state) {
    (void)state;
    struct engine *engine = open_engine(false);
    struct in_force *in_force = in_force_hold(engine);
    pthread_t threads[THREADS];
    struct asking asking[THREADS];
    for (uint64_t i = 0; i < THREADS; i++) {
        asking[i] = (struct asking){in_force, i + 1, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, ask_at_random, &asking[i]), 0);
    }
    for (uint64_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(asking[i].wrong, 0);
    }
    /* All together are larger. What they hold is counted; it passes the limit for a moment only. */
    struct lookup_pages *pages = &engine->lookup_pages;
    uint64_t largest = atomic_load(&pages->largest), held = atomic_load(&pages->held), sum = 0;
    assert_true(largest * VERSIONS > LOOKUP_PAGES_BYTES && largest < LOOKUP_PAGES_BYTES);
    for (struct lookup_version *version = pages->first; version; version = version->next)
        sum += atomic_load(&version->held);
    assert_int_equal(held, sum);
    assert_true(held <= LOOKUP_PAGES_BYTES + THREADS * largest);
    in_force_drop(in_force);
    engine_close(engine);
}

static void a_damaged_one_hides_no_other(void **state) {
    (void)state;
    struct engine *engine = open_engine(false);
    char path[PATH_BYTES_MAX];
    assert_int_equal(path_of(engine, path, "lookups/%016llx",
                             (unsigned long long)engine->lookups[0].versions[5].hash),
                     STATUS_OK);
    assert_int_equal(truncate(path, 5000), 0);
    struct in_force *in_force = in_force_hold(engine);
    log_line_level(LOG_ERROR);
    assert_true(ask(in_force, 5, 1) < 0);
    assert_true(ask(in_force, 5, 1) < 0);
    log_line_level(LOG_WARNING);
    assert_true(ask(in_force, 4, 1) > 400000 && ask(in_force, 6, 1) > 600000);
    in_force_drop(in_force);
    engine_close(engine);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(old_ones_are_read_when_they_are_asked_for),
        cmocka_unit_test(pages_stay_within_their_limit),
        cmocka_unit_test(a_damaged_one_hides_no_other),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
