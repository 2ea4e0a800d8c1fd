/* SPDX-License-Identifier: Apache-2.0 */
/* Requests as changes: what of a body is stored, what is quarantined, and what each call is told.
 * */
#include "support/unit.h"

#include <semaphore.h>

#include "base/random.h"
#include "engine/live/live_ingest.h"
#include "shop.h"

static const char playbook[] =
    "attune: 1\nname: Shop\ncurrency: USD\nzone: UTC\n"
    "customer: { identifiers: { user_id: {}, anonymous_id: {}, email: {} } }\n"
    "sources:\n"
    "  web: { format: segment, arrives: live, key: { user_id: userId, anonymous_id: anonymousId, "
    "email: context.traits.email } }\n"
    "  door:\n"
    "    format: ndjson\n"
    "    event: Door Opened\n"
    "    time: at\n"
    "    arrives: live\n"
    "    key: { user_id: who }\n"
    "    row_key: id\n"
    "    types: { weight: number }\n"
    "    properties: { weight: weight }\n"
    "  night: { format: segment, file: \"night*.ndjson\" }\n"
    "  till: { file: \"till*.csv\", event: Paid, time: at, arrives: live, key: { user_id: who } }\n"
    "traits:\n"
    "  clicks: count(\"Clicked\")\n"
    "  clicks_just_now: count(\"Clicked\") in 59m\n"
    "  clicks_now: count(\"Clicked\") in 61m\n"
    "  weight: sum(\"Door Opened\".weight)\n"
    "  spent: sum(\"Order Completed\".revenue)\n"
    "  pages: count(\"Page Viewed\")\n"
    "events: { Clicked: { button: text } }\n";

struct trial {
    struct shop shop;
    struct engine_live *live;
    struct error error;
    sem_t done;
    bool is_unreadable, wants_verdicts;
    /* Of the last call. */
    enum status status;
    struct apply_result did;
    struct bad_rows bad;
    enum event_verdict verdicts[64];
    /* What was told of its messages. */
    size_t told_count, bad_count;
    char told[64][256];
};

static void open_live(struct trial *trial) {
    assert_int_equal(engine_live_create(&trial->live, trial->shop.engine), STATUS_OK);
}

static int set_up(void **state) {
    struct trial *trial = calloc(1, sizeof *trial);
    shop_init(&trial->shop);
    shop_file(&trial->shop, "live.yaml", playbook);
    shop_open(&trial->shop, "live.yaml");
    sem_init(&trial->done, 0, 0);
    open_live(trial);
    *state = trial;
    return 0;
}

static int tear_down(void **state) {
    struct trial *trial = *state;
    engine_live_destroy(trial->live);
    shop_release(&trial->shop);
    sem_destroy(&trial->done);
    free(trial);
    return 0;
}

static void note_told(void *context, const struct event_batch *batch,
                      const struct ingest_told *told) {
    struct trial *trial = context;
    assert_true(told->first_event + told->event_count == batch->event_count);
    if (told->reason.length > 0) trial->bad_count++;
    if (trial->told_count == 64) return;
    snprintf(trial->told[trial->told_count++], sizeof trial->told[0], "%.*s|%.*s|%zu|%.*s",
             TEXT_ARG(told->name), TEXT_ARG(told->message_id), told->event_count,
             TEXT_ARG(told->reason));
}

static void note_done(struct live_call *call, void *context) {
    struct trial *trial = context;
    trial->status = call->status;
    trial->did = call->did;
    trial->bad = call->bad;
    for (size_t i = 0; call->wants_verdicts && i < call->event_count && i < 64; i++)
        trial->verdicts[i] = call->verdicts[i];
    live_call_give(call);
    sem_post(&trial->done);
}

static enum status try_row(struct trial *trial, const char *source,
                           const struct ingest_live_row *row, struct live_call **call) {
    struct live_request request = {.source = text_from(source),
                                   .rows = row,
                                   .row_count = 1,
                                   .received_ms = trial->shop.now_ms,
                                   .seen = {note_told, trial}};
    trial->told_count = trial->bad_count = 0;
    enum status status =
        live_call_read(trial->live, &request, call, &trial->is_unreadable, &trial->error);
    if (status == STATUS_OK) (*call)->wants_verdicts = trial->wants_verdicts;
    return status;
}

static enum status try_send(struct trial *trial, const char *source, const char *body) {
    struct ingest_live_row row = {.body = text_from(body)};
    struct live_call *call;
    enum status status = try_row(trial, source, &row, &call);
    if (status != STATUS_OK) return status;
    status = live_call_send(call, note_done, trial, &trial->error);
    if (status == STATUS_OK)
        sem_wait(&trial->done);
    else
        live_call_give(call);
    return status;
}

static void send(struct trial *trial, const char *body) {
    assert_int_equal(try_send(trial, "web", body), STATUS_OK);
    assert_int_equal(trial->status, STATUS_OK);
}

#define CLICK(id)                                                                                  \
    "{\"type\":\"track\",\"event\":\"Clicked\",\"userId\":\"u1\",\"messageId\":\"" id              \
    "\",\"timestamp\":\"2017-04-01T00:00:00Z\"}"

static void test_a_message_is_durable_when_it_is_told(void **state) {
    struct trial *trial = *state;
    send(trial, CLICK("m1"));
    assert_int_equal(trial->did.events, 1);
    assert_string_equal(trial->told[0], "Clicked|m1|1|");
    assert_true(shop_trait(&trial->shop, "user_id:u1", "clicks", DAY(100)) == 1);
    engine_live_destroy(trial->live);
    shop_open(&trial->shop, NULL);
    open_live(trial);
    assert_true(shop_trait(&trial->shop, "user_id:u1", "clicks", DAY(100)) == 1);
    send(trial, CLICK("m1"));
    assert_int_equal(trial->did.events, 0);
    assert_int_equal(trial->did.repeats, 1);
}

static void test_each_event_has_its_verdict(void **state) {
    struct trial *trial = *state;
    trial->wants_verdicts = true;
    send(trial, CLICK("m1"));
    assert_int_equal(trial->verdicts[0], EVENT_ACCEPTED);
    send(trial, "{\"batch\":[" CLICK("m2") "," CLICK("m1") "," CLICK("m3") "," CLICK("m2") "]}");
    assert_int_equal(trial->did.events, 2);
    assert_int_equal(trial->did.repeats, 2);
    assert_int_equal(trial->verdicts[0], EVENT_ACCEPTED);
    assert_int_equal(trial->verdicts[1], EVENT_REPEATED);
    assert_int_equal(trial->verdicts[2], EVENT_ACCEPTED);
    assert_int_equal(trial->verdicts[3], EVENT_REPEATED);
}

static void test_a_bad_message_costs_the_others_nothing(void **state) {
    struct trial *trial = *state;
    static const char body[] =
        "{\"batch\":[" CLICK("m1") ",{\"type\":\"track\",\"event\":\"Clicked\",\"userId\":null,"
                                   "\"messageId\":\"m2\"}," CLICK("m3") "]}";
    send(trial, body);
    assert_int_equal(trial->did.events, 2);
    assert_int_equal(trial->bad.rows, 1);
    assert_int_equal(trial->told_count, 3);
    assert_int_equal(trial->bad_count, 1);
    assert_non_null(strstr(trial->told[1], "Clicked|m2|0|"));
    send(trial, body); /* its answer was lost, for example */
    assert_int_equal(trial->did.events, 0);
    assert_int_equal(trial->did.repeats, 2);
    assert_int_equal(trial->bad.rows, 0);
    assert_int_equal(trial->bad.known_rows, 1);
}

static void test_what_is_no_json_is_refused_whole(void **state) {
    struct trial *trial = *state;
    static const char *const bodies[] = {
        "",           "nonsense",        "[1]",
        "{\"type\":", "{\"batch\":[{]}", "{\"type\":\"track\",\"event\":\"\xff\"}"};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        assert_int_equal(try_send(trial, "web", bodies[i]), STATUS_INVALID);
        assert_true(trial->is_unreadable);
    }
    struct store_stats stats;
    store_stats(engine_store(trial->shop.engine), &stats);
    assert_int_equal(stats.quarantined_row_count, 0);
    send(trial, "{\"batch\":[]}");
    send(trial, "{\"type\":\"track\"}"); /* JSON: it waits until somebody has read it */
    assert_int_equal(trial->bad.rows, 1);
}

static void test_a_batch_with_one_unreadable_message_keeps_the_rest(void **state) {
    struct trial *trial = *state;
    send(trial, "{\"batch\":[" CLICK("m1") ",{\"type\":\"track\",\"event\":tru}," CLICK("m2") "]}");
    assert_int_equal(trial->did.events, 2);
    assert_int_equal(trial->bad.rows, 1);
}

/* When it was received is the server's word, whatever a message says; its clock is corrected. */
static void test_the_server_says_when_it_was_received(void **state) {
    struct trial *trial = *state;
    send(trial, "{\"batch\":[{\"type\":\"track\",\"event\":\"Clicked\",\"userId\":\"u1\","
                "\"receivedAt\":\"2001-01-01T00:00:00Z\"}]}");
    assert_true(shop_trait(&trial->shop, "user_id:u1", "clicks", DAY(100)) == 1);
    assert_true(shop_trait(&trial->shop, "user_id:u1", "clicks", DAY(100) - 1) < 1);
    /* The client's clock is a year ahead; it clicked an hour before it sent. */
    send(trial, "{\"type\":\"track\",\"event\":\"Clicked\",\"userId\":\"u2\","
                "\"timestamp\":\"2018-04-11T00:00:00Z\",\"sentAt\":\"2018-04-11T01:00:00Z\"}");
    assert_true(shop_trait(&trial->shop, "user_id:u2", "clicks_just_now", DAY(100)) == 0);
    assert_true(shop_trait(&trial->shop, "user_id:u2", "clicks_now", DAY(100)) == 1);
    /* Another collector had corrected this one, and passes it on a day later. */
    send(trial, "{\"type\":\"track\",\"event\":\"Clicked\",\"userId\":\"u3\","
                "\"timestamp\":\"2017-04-08T00:00:00Z\",\"originalTimestamp\":"
                "\"2018-04-11T00:00:00Z\",\"sentAt\":\"2018-04-11T00:00:01Z\","
                "\"receivedAt\":\"2017-04-08T00:00:01Z\"}");
    assert_true(shop_trait(&trial->shop, "user_id:u3", "clicks", DAY(100) - 1) < 1);
    assert_true(shop_trait(&trial->shop, "user_id:u3", "clicks", DAY(100)) == 1);
}

/* Two clicks in the same words are two; a retry of a message that says its time is a repeat. */
static void test_messages_without_an_id(void **state) {
    struct trial *trial = *state;
    static const char timeless[] = "{\"type\":\"track\",\"event\":\"Clicked\",\"userId\":\"u1\"}";
    static const char timed[] = "{\"type\":\"track\",\"event\":\"Clicked\",\"userId\":\"u2\","
                                "\"timestamp\":\"2017-04-01T00:00:00Z\"}";
    send(trial, timeless);
    send(trial, timeless);
    send(trial, "{\"batch\":[{\"type\":\"track\",\"event\":\"Clicked\",\"userId\":\"u1\"},"
                "{\"type\":\"track\",\"event\":\"Clicked\",\"userId\":\"u1\"}]}");
    assert_true(shop_trait(&trial->shop, "user_id:u1", "clicks", DAY(100)) == 4);
    for (int i = 0; i < 2; i++) {
        struct live_call *call;
        char head[64];
        snprintf(head, sizeof head, "{\"receivedAt\":\"2017-04-11T00:00:0%dZ\",", i);
        struct ingest_live_row row = {.head = text_from(head), .body = text_from(timed + 1)};
        assert_int_equal(try_row(trial, "web", &row, &call), STATUS_OK);
        assert_int_equal(live_call_send(call, note_done, trial, &trial->error), STATUS_OK);
        sem_wait(&trial->done);
    }
    assert_int_equal(trial->did.repeats, 1);
    assert_true(shop_trait(&trial->shop, "user_id:u2", "clicks", DAY(100)) == 1);
}

static void test_a_row_under_a_key_is_corrected(void **state) {
    struct trial *trial = *state;
    static const char *const rows[] = {
        "{\"id\":7,\"at\":\"2017-04-01T00:00:00Z\",\"who\":\"u1\",\"weight\":3}",
        "{\"id\":7,\"at\":\"2017-04-01T00:00:00Z\",\"who\":\"u1\",\"weight\":3}",
        "{\"id\":7,\"at\":\"2017-04-01T00:00:00Z\",\"who\":\"u1\",\"weight\":5}"};
    assert_int_equal(try_send(trial, "door", rows[0]), STATUS_OK);
    assert_int_equal(trial->did.events, 1);
    assert_int_equal(try_send(trial, "door", rows[1]), STATUS_OK);
    assert_int_equal(trial->did.repeats, 1);
    assert_int_equal(try_send(trial, "door", rows[2]), STATUS_OK);
    assert_int_equal(trial->did.corrected, 1);
    assert_true(shop_trait(&trial->shop, "user_id:u1", "weight", DAY(101)) == 5);
}

static void test_which_sources_take_requests(void **state) {
    struct trial *trial = *state;
    assert_int_equal(try_send(trial, "nothing", CLICK("m1")), STATUS_NOT_FOUND);
    assert_int_equal(try_send(trial, "night", CLICK("m1")), STATUS_INVALID);
    assert_false(trial->is_unreadable);
    assert_non_null(strstr(trial->error.text, "arrives: live"));
    assert_int_equal(try_send(trial, "till", CLICK("m1")), STATUS_INVALID);
    assert_non_null(strstr(trial->error.text, "csv"));
}

static void test_a_key_is_not_stored(void **state) {
    struct trial *trial = *state;
    static const char body[] = "{\"type\":\"track\",\"writeKey\":\"atw_secret\"}";
    struct ingest_live_row row = {.body = text_from(body),
                                  .hidden = {strstr(body, "atw_secret"), 10}};
    struct live_call *call;
    assert_int_equal(try_row(trial, "web", &row, &call), STATUS_OK);
    assert_int_equal(live_call_send(call, note_done, trial, &trial->error), STATUS_OK);
    sem_wait(&trial->done);
    assert_int_equal(trial->bad.rows, 1);
    assert_false(simulated_disk_contains(trial->shop.disk, "atw_secret", 10));
}

static void test_a_full_queue_takes_nothing(void **state) {
    struct trial *trial = *state;
    struct engine_options options = {.directory = "data",
                                     .fs = simulated_disk_interface(trial->shop.disk),
                                     .fold_by_hand = true,
                                     .now_ms = trial->shop.now_ms,
                                     .threads = 1,
                                     .queue_bytes = 1};
    engine_live_destroy(trial->live);
    engine_close(trial->shop.engine);
    assert_int_equal(engine_open(&trial->shop.engine, &options, &trial->error), STATUS_OK);
    open_live(trial);
    assert_int_equal(try_send(trial, "web", CLICK("m1")), STATUS_LIMIT);
    assert_int_equal(shop_events(&trial->shop), 0);
}

/* ---- the same messages by requests and by a file ---- */

static void random_message(struct random *random, struct buffer *out, uint32_t number) {
    static const char *const events[] = {"Clicked", "Order Completed", "Unheard Of"};
    uint32_t kind = (uint32_t)(random_u64(random) % 8), user = (uint32_t)(random_u64(random) % 5);
    uint32_t minute = (uint32_t)(random_u64(random) % 60), ago = (uint32_t)(random_u64(random) % 9);
    char who[96];
    if (random_u64(random) % 4 == 0)
        snprintf(who, sizeof who, "\"userId\":\"u%u\",\"anonymousId\":\"a%u\"", user, user);
    else if (random_u64(random) % 10 == 0)
        snprintf(who, sizeof who, "\"userId\":null");
    else
        snprintf(who, sizeof who, "\"userId\":\"u%u\"", user);
    const char *type = kind == 0 ? "page" : kind == 1 ? "identify" : kind == 2 ? "tracc" : "track";
    assert_int_equal(
        buffer_format(out,
                      "{\"type\":\"%s\",\"event\":\"%s\",%s,\"messageId\":\"m%u\","
                      "\"originalTimestamp\":\"2017-04-0%uT00:%02u:00Z\",\"sentAt\":"
                      "\"2017-04-10T00:00:%02uZ\",\"properties\":{\"revenue\":%u,\"x\":\"%u\"}}",
                      type, events[kind % 3], who, number - (random_u64(random) % 7 == 0 ? 1 : 0),
                      ago + 1, minute, minute, minute, user),
        STATUS_OK);
}

static void compare_shops(struct trial *a, struct shop *b) {
    static const char *const traits[] = {"clicks", "spent", "pages"};
    assert_int_equal(shop_events(&a->shop), shop_events(b));
    for (uint32_t user = 0; user < 5; user++) {
        char name[32];
        snprintf(name, sizeof name, "user_id:u%u", user);
        for (size_t i = 0; i < 3; i++) {
            for (int day = 90; day <= 100; day += 5) {
                double here = shop_trait(&a->shop, name, traits[i], DAY(day));
                double there = shop_trait(b, name, traits[i], DAY(day));
                assert_true(here == there || (here != here && there != there));
            }
        }
    }
}

static void test_requests_and_files_say_the_same(void **state) {
    struct trial *trial = *state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct random random;
        random_init(&random, seed);
        struct buffer body, file;
        uint32_t number = 1;
        struct shop other;
        buffer_init(&body);
        buffer_init(&file);
        while (number < 60) {
            uint32_t count = 1 + (uint32_t)(random_u64(&random) % 6);
            buffer_clear(&body);
            if (count > 1) assert_int_equal(buffer_append_text(&body, TEXT("{\"batch\":[")), 0);
            for (uint32_t i = 0; i < count; i++) {
                size_t from = body.length;
                random_message(&random, &body, number++);
                assert_int_equal(buffer_append(&file, body.at + from, body.length - from - 1), 0);
                assert_int_equal(
                    buffer_append_text(&file, TEXT(",\"receivedAt\":\"2017-04-11T00:00:00Z\"}\n")),
                    0);
                if (i + 1 < count) assert_int_equal(buffer_append_text(&body, TEXT(",")), 0);
            }
            if (count > 1) assert_int_equal(buffer_append_text(&body, TEXT("]}")), 0);
            assert_int_equal(buffer_append(&body, "", 1), 0);
            send(trial, body.at);
        }
        assert_int_equal(buffer_append(&file, "", 1), 0);
        shop_init(&other);
        shop_file(&other, "live.yaml", playbook);
        shop_file(&other, "web.ndjson", file.at);
        shop_open(&other, "live.yaml");
        const char *path = shop_path(&other, "web.ndjson");
        struct engine_ingest_options options = {.source = "web", .paths = &path, .path_count = 1};
        struct engine_ingest_report *reports;
        size_t reported;
        assert_int_equal(engine_ingest(other.engine, &options, &reports, &reported, &trial->error),
                         STATUS_OK);
        memory_free(reports);
        compare_shops(trial, &other);
        shop_release(&other);
        buffer_release(&body);
        buffer_release(&file);
        assert_int_equal(tear_down(state), 0);
        assert_int_equal(set_up(state), 0);
        trial = *state;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_message_is_durable_when_it_is_told, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_each_event_has_its_verdict, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_bad_message_costs_the_others_nothing, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_no_json_is_refused_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_batch_with_one_unreadable_message_keeps_the_rest,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_server_says_when_it_was_received, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_messages_without_an_id, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_row_under_a_key_is_corrected, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_which_sources_take_requests, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_key_is_not_stored, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_full_queue_takes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_requests_and_files_say_the_same, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
