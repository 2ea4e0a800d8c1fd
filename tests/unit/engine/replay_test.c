/* SPDX-License-Identifier: Apache-2.0 */
/* Recorded decisions, made again: with other playbooks, models that were trained and that learnt
 * on, tables, corrections and merges put in force since, on one, two and seven threads, each is
 * equal to the byte.
 *
 *   replay_test [DECISIONS]      10,000 of them: make test-replay */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <pthread.h>
#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "engine/answer/replay_decision.h"
#include "engine/learn_on.h"
#include "engine/lifetimes.h"
#include "shop.h"

#define ROUNDS      6
#define THREADS_MAX 7
#define FIRST_DAY   40

static uint32_t customers = 40;

/* Two actions, one of them for each row of a table, in two channels each; two currencies, two zones
 * that quiet times keep to, where the customer's own is not known; consent, a holdout, a model;
 * placements, a bundle, and what is said of the moment; `weight` makes another playbook of it, and
 * two of three explore. */
static const char playbook_text[] =
    "attune: 1\nname: Replay\ncurrency: USD\nzone: America/New_York\n"
    "customer:\n  identifiers: { email: {}, cookie: {} }\n  zones: [America/New_York, "
    "Europe/Berlin]\n"
    "  zone: { from: 'last(\"Order Completed\".zone)', country: 'last(\"Order Completed\".kind)' "
    "}\n"
    "context: { basket: number, page: text }\n"
    "placements: { top: { channels: [web, email] }, side: { channels: [web, phone], slots: 2 } }\n"
    "bundles: [ { never: call, with: letter } ]\n"
    "sources:\n"
    "  offer: { file: \"offers*.csv\", lookup: offer_id, types: { discount: number } }\n"
    "  orders:\n"
    "    file: \"orders*.csv\"\n    event: Order Completed\n    channel: store\n    time: at\n"
    "    key: { email: email, cookie: cookie }\n    row_key: order_id\n    corrections_max: "
    "1000000\n"
    "    types: { amount: money }\n"
    "    properties: { order_id: order_id, revenue: amount, kind: kind, zone: zone }\n"
    "  mail: { file: \"mail*.csv\", event: Treatment Delivered, channel: email, time: at, key: { "
    "email: email }, properties: { treatment: treatment } }\n"
    "  agreed: { file: \"consent*.csv\", event: Consent Changed, time: at, key: { email: email }, "
    "properties: { purpose: purpose, state: state } }\n"
    "lifetime: { buyers: { orders: Order Completed, value: revenue } }\n"
    "traits:\n"
    "  expected: expected_orders(buyers, 30d)\n"
    "  worth: expected_value(buyers, 30d)\n"
    "  orders: count(\"Order Completed\") in 60d\n"
    "  spent: sum(\"Order Completed\".revenue) in 90d\n"
    "  average: avg(\"Order Completed\".revenue)\n"
    "  last_kind: last(\"Order Completed\".kind)\n"
    "  of_kind: count(\"Order Completed\" where kind == action.kind) in 90d\n"
    "  in_basket: context.basket\n"
    "goals: { order: { event: Order Completed, within: 3d, value: revenue } }\n"
    "models: { order: { goal: order, attributes: [discount] } }\n"
    "decide: { slots: 2 }\n"
    "holdout: { share: 10%, salt: s }\n"
    "actions:\n"
    "  letter: { for_each: offer, goal: order, model: order, cost: 0.01 USD, purpose: share, "
    "weight: WEIGHT, channels: [email, web] }\n"
    "  call: { goal: order, eligible: orders >= 1, starting_propensity: 20%, weight: "
    "'if(in_basket > 2, 3, 1) + otherwise(expected, 0)', suitable: 'context.page is unknown or "
    "context.page != \"none\"', "
    "channels: [phone, web] }\n"
    "policies:\n"
    "  - { at_most: 2, in: 5d, channel: email }\n"
    "  - { at_most: 1, in: 9d, of: same treatment }\n"
    "  - { quiet: \"21:00-08:00\", channel: email }\n";

static void put_playbook(struct shop *shop, uint32_t round) {
    const char *at = strstr(playbook_text, "WEIGHT");
    static const char *const explores[] = {
        "explore: { share: 30%, gamma: 5, nothing: yes, off: { when: orders == 0 } }\n",
        "explore: { share: 100%, gamma: 0, candidates: 4, off: { channels: [phone] } }\n", ""};
    char text[4096];
    snprintf(text, sizeof text, "%.*s%u%s%s", (int)(at - playbook_text), playbook_text,
             1 + round % 2, at + strlen("WEIGHT"), explores[round % 3]);
    shop_file(shop, "playbook.yaml", text);
    shop_open(shop, "playbook.yaml");
}

struct text_file {
    struct buffer bytes;
};
static void add(struct text_file *file, const char *format, ...) PRINTF_LIKE(2, 3);
static void add(struct text_file *file, const char *format, ...) {
    char line[256];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    assert_int_equal(buffer_append(&file->bytes, line, (size_t)length), STATUS_OK);
}

static void write_file(struct shop *shop, const char *name, struct text_file *file) {
    assert_int_equal(buffer_append(&file->bytes, "", 1), STATUS_OK);
    shop_file(shop, name, file->bytes.at);
    buffer_release(&file->bytes);
}

/* Orders of the round, late ones of before, and corrections of the round before; letters; words of
 * consent, some of which can't be read and so hold; links that merge two customers. */
static void load_round(struct shop *shop, struct random *random, uint32_t round) {
    struct text_file orders = {0}, mail = {0}, consent = {0}, offers = {0};
    char name[32];
    static const char *const zones[] = {"", "Asia/Tokyo", "Europe/Berlin", "nowhere"};
    add(&orders, "order_id,at,email,cookie,amount,kind,zone\n");
    add(&mail, "at,email,treatment\n");
    add(&consent, "at,email,purpose,state\n");
    add(&offers, "offer_id,discount,kind\n");
    for (uint32_t i = 0; i < 5 + round; i++) add(&offers, "%u,%u,k%u\n", i, i * round % 9, i % 3);
    for (uint32_t c = 0; c < customers; c++) {
        for (uint32_t i = 0; i < 3; i++) {
            /* The third is late. Of a third of the customers the others came before the letter, so
             * that a model has noes to learn from. */
            bool before = (c + round) % 3 == 0;
            uint32_t day = i == 2 ? round : FIRST_DAY - 4 + 6 * round + i - (before ? 2 : 0);
            bool corrects = round > 0 && i == 0 && random_below(random, 4) == 0;
            add(&orders, "%u,2017-%02u-%02u 1%u:00,c%u@x.example,k%u,%u.00 %s,k%u,%s\n",
                (corrects ? round - 1 : round) * 1000000 + c * 10 + i, 1 + day / 28, 1 + day % 28,
                i, c, random_below(random, 300) == 0 ? c / 2 : c,
                1 + (unsigned)random_below(random, 90),
                random_below(random, 12) == 0 ? "EUR" : "USD", (unsigned)random_below(random, 3),
                zones[random_below(random, 4)]);
        }
        uint32_t day = FIRST_DAY - 4 + 6 * round;
        add(&mail, "2017-%02u-%02u 09:00,c%u@x.example,letter/%u\n", 1 + day / 28, 1 + day % 28, c,
            (unsigned)random_below(random, 5));
        const char *const states[] = {"yes", "yes", "yes", "no", "perhaps"};
        add(&consent, "2017-%02u-%02u 08:00,c%u@x.example,share,%s\n", 1 + day / 28, 1 + day % 28,
            c, states[random_below(random, 5)]);
    }
    snprintf(name, sizeof name, "offers%u.csv", round);
    write_file(shop, "offers.csv", &offers);
    snprintf(name, sizeof name, "orders%u.csv", round);
    write_file(shop, name, &orders);
    snprintf(name, sizeof name, "mail%u.csv", round);
    write_file(shop, name, &mail);
    snprintf(name, sizeof name, "consent%u.csv", round);
    write_file(shop, name, &consent);
    shop_load(shop, NULL);
}

/* Decides for everybody, with a place and a context, and writes it down. */
static uint32_t asked;
static struct { uint64_t draws, others, nothing; } drawn;
static void count_drawn(const struct decision *decision) {
    for (uint32_t i = 0; i < decision->choice.draw_count; i++) {
        const struct choice_draw *draw = &decision->choice.draws[i];
        drawn.draws++;
        drawn.others += draw->taken != draw->best;
        drawn.nothing += draw->rank == CHOICE_NO_RANK;
    }
}
static uint64_t decide_all(struct shop *shop, int64_t t_ms, uint64_t *held) {
    struct engine_view view;
    struct decision_recorder *recorder;
    struct error error = {0};
    assert_int_equal(engine_view_open(&view, shop->engine, t_ms, &error), STATUS_OK);
    static const struct {
        const char *placement, *context;
        uint32_t count;
    } asks[] = {{"side,top", "{\"basket\":3,\"page\":\"shoes\"}", 0},
                {"", "{\"page\":\"none\", \"whoever\": \"said so\"}", 0},
                {"top", "", 1},
                {"side", "{\"basket\":1}", 1}};
    uint32_t which = asked++ % 4;
    const struct decision_ask ask = {.placement = text_from(asks[which].placement),
                                     .context = text_from(asks[which].context),
                                     .count = asks[which].count};
    assert_int_equal(engine_view_ask(&view, &ask, &error), STATUS_OK);
    assert_int_equal(view.left_out.length > 0, which == 1);
    assert_int_equal(decision_recorder_create(&recorder, view.in_force), STATUS_OK);
    assert_int_equal(engine_view_walk(&view, &error), STATUS_OK);
    while (engine_view_next(&view, &error) == STATUS_OK) {
        for (uint32_t i = 0; i < view.decision->trace.count; i++)
            *held += decision_trace_of(view.decision, i).held;
        count_drawn(view.decision);
        assert_int_equal(decision_recorder_add(recorder, view.decider, view.decision, &error),
                         STATUS_OK);
    }
    assert_int_equal(decision_recorder_flush(recorder, &error), STATUS_OK);
    uint64_t recorded = decision_recorder_recorded(recorder);
    decision_recorder_destroy(recorder);
    engine_view_close(&view);
    return recorded;
}

/* ---- the records ---- */

struct records {
    struct decision_record *items;
    size_t count, capacity;
};

static bool keep(void *context, const struct decision_record *record) {
    struct records *records = context;
    assert_int_equal(memory_grow((void **)&records->items, &records->capacity, records->count + 1,
                                 sizeof *records->items),
                     STATUS_OK);
    struct decision_record *kept = &records->items[records->count++];
    *kept = *record;
    char *bytes = memory_alloc(record->packed.length + 1);
    memcpy(bytes, record->packed.at, record->packed.length);
    kept->packed.at = bytes;
    return true;
}

static void read_records(struct shop *shop, struct records *records) {
    struct engine_view view;
    struct error error = {0};
    *records = (struct records){0};
    assert_int_equal(engine_view_open(&view, shop->engine, TIME_NEVER, &error), STATUS_OK);
    assert_int_equal(decision_records_visit(&view, NULL, keep, records, &error), STATUS_OK);
    engine_view_close(&view);
}

static void release_records(struct records *records) {
    for (size_t i = 0; i < records->count; i++) memory_free((void *)records->items[i].packed.at);
    memory_free(records->items);
}

/* ---- made again ---- */

struct replaying {
    struct shop *shop;
    const struct records *records;
    size_t first, step;
    uint64_t by_verdict[REPLAY_GONE + 1], failed;
    pthread_t thread;
};

static void *replay_some(void *context) {
    struct replaying *replaying = context;
    struct engine_view view;
    struct error error = {0};
    if (engine_view_open(&view, replaying->shop->engine, TIME_NEVER, &error) != STATUS_OK) {
        replaying->failed++;
        return NULL;
    }
    for (size_t i = replaying->first; i < replaying->records->count; i += replaying->step) {
        struct replayed_decision replayed;
        struct decision_record record = replaying->records->items[i];
        if (decision_replay(&view, &record, &replayed, &error) != STATUS_OK) {
            replaying->failed++;
            continue;
        }
        replaying->by_verdict[replayed.verdict]++;
        if (replayed.verdict == REPLAY_DIFFERS)
            printf("record %zu: %s differs\n", i, replayed.differs);
    }
    engine_view_close(&view);
    return NULL;
}

static void replay_all(struct shop *shop, const struct records *records, uint32_t threads,
                       uint64_t by_verdict[REPLAY_GONE + 1]) {
    static struct replaying replaying[THREADS_MAX];
    for (uint32_t k = 0; k <= REPLAY_GONE; k++) by_verdict[k] = 0;
    for (uint32_t t = 0; t < threads; t++) {
        replaying[t] =
            (struct replaying){.shop = shop, .records = records, .first = t, .step = threads};
        assert_int_equal(pthread_create(&replaying[t].thread, NULL, replay_some, &replaying[t]), 0);
    }
    for (uint32_t t = 0; t < threads; t++) {
        pthread_join(replaying[t].thread, NULL);
        assert_int_equal(replaying[t].failed, 0);
        for (uint32_t k = 0; k <= REPLAY_GONE; k++) by_verdict[k] += replaying[t].by_verdict[k];
    }
}

/* The model in force learns on what has matured; gives how many rows were new to it. With few
 * customers it only has a base rate, and does not learn on. */
static uint64_t learn_on(struct shop *shop, int64_t t_ms) {
    struct learnt_on learnt;
    struct error error = {0};
    const struct model *model = engine_model(shop->engine, 0, NULL);
    if (model == NULL || !model_learns_on(model)) return 0;
    if (engine_learn_on(shop->engine, 0, t_ms, NULL, &learnt, &error) != STATUS_OK)
        fail_msg("%s", error.text);
    uint64_t rows = learnt.rows + learnt.changed;
    assert_true((rows > 0) == (learnt.after != NULL));
    learnt_on_release(&learnt);
    return rows;
}

static void live_on(struct shop *shop) {
    struct random random;
    struct error error = {0};
    uint64_t recorded = 0, held = 0, learnt = 0;
    memset(&drawn, 0, sizeof drawn);
    random_init(&random, 29);
    printf("seed 29\n");
    for (uint32_t round = 0; round < ROUNDS; round++) {
        int64_t t_ms = DAY(FIRST_DAY + 6 * round) + (int64_t)(round * 5) * TIME_HOUR_MS;
        shop->now_ms = t_ms;
        put_playbook(shop, round);
        load_round(shop, &random, round);
        if (round % 2 == 1)
            assert_int_equal(engine_train(shop->engine, 0, t_ms, NULL, NULL, NULL, &error),
                             STATUS_OK);
        else if (round > 0)
            learnt += learn_on(shop, t_ms);
        struct lifetime_entry fitted;
        if (round > 0)
            assert_int_equal(
                engine_train_lifetime(shop->engine, 0, t_ms, NULL, &fitted, NULL, &error),
                STATUS_OK);
        recorded += decide_all(shop, t_ms, &held);
        if (round == 2) assert_int_equal(store_fold(engine_store(shop->engine), true, &error), 0);
    }
    printf("%llu recorded, %llu treatments held, %llu slots drawn, %llu of them not the best\n",
           (unsigned long long)recorded, (unsigned long long)held, (unsigned long long)drawn.draws,
           (unsigned long long)drawn.others);
    assert_true(drawn.draws > recorded / 4 && drawn.others > recorded / 10 && drawn.nothing > 0);
    assert_true(recorded > (uint64_t)customers * (ROUNDS - 2));
    assert_true(held > 0);
    printf("%llu rows learnt on between decisions\n", (unsigned long long)learnt);
    assert_true(learnt > 0 || customers < 200);
}

static void test_made_again_it_is_equal(void **state) {
    static const uint32_t threads[] = {1, 2, 7};
    struct shop shop;
    struct records records;
    uint64_t verdicts[REPLAY_GONE + 1];
    struct error error = {0};
    (void)state;
    shop_init(&shop);
    live_on(&shop);
    read_records(&shop, &records);
    for (size_t i = 0; i < 3; i++) {
        replay_all(&shop, &records, threads[i], verdicts);
        assert_int_equal(verdicts[REPLAY_EQUAL], records.count);
    }
    printf("%zu decisions made again on 1, 2 and 7 threads\n", records.count);

    /* At another moment it is another decision. */
    struct records other = {0};
    (void)keep(&other, &records.items[records.count / 2]);
    other.items[0].t_ms += TIME_DAY_MS;
    replay_all(&shop, &other, 1, verdicts);
    assert_int_equal(verdicts[REPLAY_EQUAL], 0);

    /* Whoever is erased takes her decisions along; those of others, whose base rates she was part
     * of, are equal or say why they are not. */
    struct erased_summary summary;
    struct customer_id customer = shop_customer(&shop, "email:c7@x.example", TIME_NEVER);
    assert_int_equal(engine_erase(shop.engine, customer, &summary, &error), STATUS_OK);
    replay_all(&shop, &records, 2, verdicts);
    assert_true(verdicts[REPLAY_ERASED] > 0 || verdicts[REPLAY_EQUAL] == records.count);
    struct records left;
    read_records(&shop, &left);
    assert_true(left.count < records.count);
    replay_all(&shop, &left, 2, verdicts);
    assert_int_equal(verdicts[REPLAY_DIFFERS], 0);
    assert_int_equal(verdicts[REPLAY_EQUAL] + verdicts[REPLAY_ERASED], left.count);
    release_records(&records);
    release_records(&other);
    release_records(&left);
    shop_release(&shop);
}

static void test_one_is_found_by_its_id(void **state) {
    struct shop shop;
    struct engine_view view;
    struct decision_record record;
    struct replayed_decision replayed;
    struct buffer packed, words;
    struct error error = {0};
    char id[DECISION_ID_BYTES];
    (void)state;
    shop_init(&shop);
    live_on(&shop);
    assert_int_equal(engine_view_open(&view, shop.engine, shop.now_ms, &error), STATUS_OK);
    assert_int_equal(engine_view_decide(&view, "email:c3@x.example", &error), STATUS_OK);
    decision_id_text(view.decision->id, id);
    assert_int_equal(engine_view_record(&view, NULL, &error), STATUS_OK);
    buffer_init(&packed);
    buffer_init(&words);
    assert_int_equal(
        decision_record_find(&view, NULL, TEXT("0123456789abcdef"), &packed, &record, &error),
        STATUS_NOT_FOUND);
    assert_int_equal(decision_record_find(&view, NULL, text_from(id), &packed, &record, &error),
                     STATUS_OK);
    assert_int_equal(decision_replay(&view, &record, &replayed, &error), STATUS_OK);
    assert_string_equal(replay_verdict_name(replayed.verdict), "equal");
    assert_string_equal(replayed.trace, replayed.recorded_trace);
    replayed_words(&replayed, &words);
    assert_true(words.length > 0);
    /* What is in force now is back with the next request. */
    assert_int_equal(engine_view_renew(&view, shop.now_ms, &error), STATUS_OK);
    assert_int_equal(engine_view_decide(&view, "email:c3@x.example", &error), STATUS_OK);

    /* A playbook that is no longer in its folder is told. */
    struct value playbook = packed_find(record.packed, PROPERTY_PLAYBOOK);
    memset((char *)(uintptr_t)playbook.text.at, '0', playbook.text.length);
    assert_int_equal(decision_replay(&view, &record, &replayed, &error), STATUS_OK);
    assert_string_equal(replay_verdict_name(replayed.verdict), "gone");
    buffer_release(&packed);
    buffer_release(&words);
    engine_view_close(&view);
    shop_release(&shop);
}

/* ---- what it was made from is damaged ---- */

/* Damages the byte behind `needle` in a file of the data directory, so that a digit becomes
 * another digit. */
static void damage_behind(struct shop *shop, const char *path, const char *needle) {
    struct buffer bytes;
    struct error error = {0};
    buffer_init(&bytes);
    assert_int_equal(
        file_read_all(simulated_disk_interface(shop->disk), path, 1 << 20, &bytes, &error),
        STATUS_OK);
    size_t offset = 0;
    if (*needle != '\0') {
        const char *found = memmem(bytes.at, bytes.length, needle, strlen(needle));
        assert_non_null(found);
        offset = (size_t)(found - bytes.at) + strlen(needle);
    }
    buffer_release(&bytes);
    assert_true(simulated_disk_flip(shop->disk, path, offset, 1));
}

/* Decides once, puts another playbook and another table in force, and reads the record. */
static void decide_and_go_on(struct shop *shop, struct records *records) {
    struct random random;
    uint64_t held = 0;
    random_init(&random, 31);
    shop->now_ms = DAY(FIRST_DAY);
    put_playbook(shop, 0);
    load_round(shop, &random, 0);
    assert_true(decide_all(shop, shop->now_ms, &held) > 0);
    shop->now_ms = DAY(FIRST_DAY + 6);
    put_playbook(shop, 1);
    load_round(shop, &random, 1);
    read_records(shop, records);
}

static void verdict_is(struct shop *shop, const struct records *records, enum replay_verdict all) {
    uint64_t verdicts[REPLAY_GONE + 1];
    shop_open(shop, NULL);
    replay_all(shop, records, 1, verdicts);
    assert_int_equal(verdicts[all], records->count);
}

/* It loads, and decides otherwise. That is nobody's erasure, and no fault of the decision. */
static void test_a_damaged_playbook_of_then(void **state) {
    struct shop shop;
    struct records records;
    char path[128];
    (void)state;
    shop_init(&shop);
    decide_and_go_on(&shop, &records);
    verdict_is(&shop, &records, REPLAY_EQUAL);
    struct value playbook = packed_find(records.items[0].packed, PROPERTY_PLAYBOOK);
    snprintf(path, sizeof path, "data/playbooks/%.*s.yaml", TEXT_ARG(playbook.text));
    damage_behind(&shop, path, "starting_propensity: ");
    verdict_is(&shop, &records, REPLAY_GONE);
    release_records(&records);
    shop_release(&shop);
}

static void test_a_damaged_table_of_then(void **state) {
    struct shop shop;
    struct records records;
    char path[128];
    (void)state;
    shop_init(&shop);
    decide_and_go_on(&shop, &records);
    const struct lookup_table *table = NULL;
    struct in_force *in_force = in_force_hold(shop.engine);
    table = in_force_version_table(in_force, TEXT("offer"), 0);
    assert_non_null(table);
    snprintf(path, sizeof path, "data/lookups/%016llx", (unsigned long long)lookup_hash(table));
    in_force_drop(in_force);
    damage_behind(&shop, path, "");
    verdict_is(&shop, &records, REPLAY_GONE);
    release_records(&records);
    shop_release(&shop);
}

/* An event "Decision Made" can come from a file, and says what it likes. */
static void test_a_record_leads_to_no_other_file(void **state) {
    static const struct {
        uint32_t property;
        const char *forged, *says;
    } cases[] = {{PROPERTY_PLAYBOOK, "../playbooks/../", "names no playbook"},
                 {PROPERTY_MODEL, "../or", "names no model"}};
    struct shop shop;
    struct records records;
    struct engine_view view;
    struct replayed_decision replayed;
    struct error error = {0};
    (void)state;
    shop_init(&shop);
    live_on(&shop);
    read_records(&shop, &records);
    assert_int_equal(engine_view_open(&view, shop.engine, TIME_NEVER, &error), STATUS_OK);
    for (size_t i = 0; i < 2; i++) {
        size_t r = 0;
        struct value value = {0};
        for (; r < records.count && value.type != VALUE_TEXT; r++)
            value = packed_find(records.items[r].packed, cases[i].property);
        assert_int_equal(value.type, VALUE_TEXT);
        memcpy((char *)(uintptr_t)value.text.at, cases[i].forged, strlen(cases[i].forged));
        assert_int_equal(decision_replay(&view, &records.items[r - 1], &replayed, &error),
                         STATUS_OK);
        assert_string_equal(replay_verdict_name(replayed.verdict), "gone");
        assert_non_null(strstr(replayed.why, cases[i].says));
    }
    engine_view_close(&view);
    release_records(&records);
    shop_release(&shop);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_made_again_it_is_equal),
        cmocka_unit_test(test_one_is_found_by_its_id),
        cmocka_unit_test(test_a_damaged_playbook_of_then),
        cmocka_unit_test(test_a_damaged_table_of_then),
        cmocka_unit_test(test_a_record_leads_to_no_other_file),
    };
    if (argc > 1) customers = (uint32_t)strtoul(argv[1], NULL, 10) / (ROUNDS - 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
