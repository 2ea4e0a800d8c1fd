/* SPDX-License-Identifier: Apache-2.0 */
/* What a sender is believed, end to end: public keys, signed user tokens, bots, replays. */
#include "support/unit.h"

#include <semaphore.h>
#include <sodium.h>

#include "engine/claims.h"
#include "engine/live/live_ingest.h"
#include "ingest/map/user_token.h"
#include "shop.h"

#define SECRET "0123456789abcdef0123456789abcdef"

static const char playbook[] =
    "attune: 1\nname: Shop\ncurrency: USD\nzone: UTC\n"
    "customer: { identifiers: { user_id: {}, email: {}, anonymous_id: {} } }\n"
    "bots: [Acme-Monitor]\n"
    "sources:\n"
    "  server: { format: segment, arrives: live }\n"
    "  page: { format: segment, arrives: live, trust: public, token_secret: \"env TRUST_TEST\", "
    "key: { user_id: userId, anonymous_id: anonymousId, email: context.traits.email } }\n"
    "  till: { format: ndjson, event: Paid, time: at, arrives: live, key: { user_id: who, "
    "anonymous_id: device }, row_key: id, row_version: version, types: { amount: number, version: "
    "number }, properties: { amount: amount } }\n"
    "  strict: { format: segment, arrives: live, trust: public, claims: no }\n"
    "events: { Clicked: { button: text }, Customer Record: { plan: text } }\n"
    "traits:\n"
    "  clicks: count(\"Clicked\")\n"
    "  records: count(\"Customer Record\")\n"
    "  all: count(any event)\n"
    "  paid: sum(\"Paid\".amount)\n";

struct trial {
    struct shop shop;
    struct engine_live *live;
    sem_t done;
    struct apply_result did;
    struct bad_rows bad;
    bool is_public, claims;
};

static int set_up(void **state) {
    struct trial *trial = calloc(1, sizeof *trial);
    setenv("TRUST_TEST", SECRET "\n", 1);
    shop_init(&trial->shop);
    shop_file(&trial->shop, "trust.yaml", playbook);
    shop_open(&trial->shop, "trust.yaml");
    sem_init(&trial->done, 0, 0);
    assert_int_equal(engine_live_create(&trial->live, trial->shop.engine), STATUS_OK);
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

static void note_done(struct live_call *call, void *context) {
    struct trial *trial = context;
    assert_int_equal(call->status, STATUS_OK);
    trial->did = call->did;
    trial->bad = call->bad;
    live_call_give(call);
    sem_post(&trial->done);
}

static void send(struct trial *trial, const char *source, const char *body) {
    struct ingest_live_row row = {.body = text_from(body)};
    struct live_request request = {.source = text_from(source),
                                   .rows = &row,
                                   .row_count = 1,
                                   .received_ms = trial->shop.now_ms,
                                   .sender = {"k1", trial->is_public, trial->claims}};
    struct live_call *call;
    struct error error;
    bool is_unreadable;
    assert_int_equal(live_call_read(trial->live, &request, &call, &is_unreadable, &error),
                     STATUS_OK);
    assert_int_equal(live_call_send(call, note_done, trial, &error), STATUS_OK);
    sem_wait(&trial->done);
}

static uint32_t whose(struct trial *trial, const char *name) {
    return shop_customer(&trial->shop, name, INT64_MAX).value;
}

static double trait(struct trial *trial, const char *name, const char *which) {
    return shop_trait(&trial->shop, name, which, DAY(100));
}

/* ---- tokens ---- */

static void base64(const void *bytes, size_t length, char *out, size_t size) {
    sodium_bin2base64(out, size, bytes, length, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

static void make_token(const char *user, int64_t expiry_ms, const char *secret, char out[256]) {
    uint8_t mac[crypto_auth_hmacsha256_BYTES];
    char name[128], signature[64];
    crypto_auth_hmacsha256_state hash;
    base64(user, strlen(user), name, sizeof name);
    int length = snprintf(out, 256, "v1.%s.%lld", name, (long long)(expiry_ms / 1000));
    crypto_auth_hmacsha256_init(&hash, (const uint8_t *)secret, strlen(secret));
    crypto_auth_hmacsha256_update(&hash, (const uint8_t *)out, (unsigned)length);
    crypto_auth_hmacsha256_final(&hash, mac);
    base64(mac, sizeof mac, signature, sizeof signature);
    snprintf(out + length, 256 - (size_t)length, ".%s", signature);
}

static bool is_good(const char *token, const char *user) {
    return user_token_is_good(text_from(token), TEXT(SECRET), text_from(user), DAY(100));
}

static void test_a_token_is_of_one_user_for_a_while(void **state) {
    (void)state;
    char token[256], other[256];
    make_token("u1", DAY(100) + 60000, SECRET, token);
    assert_true(is_good(token, "u1"));
    assert_false(is_good(token, "u2"));
    assert_false(is_good(token, "u"));
    assert_false(is_good(token, ""));
    assert_false(user_token_is_good(text_from(token), TEXT("another secret of bytes"), TEXT("u1"),
                                    DAY(100)));
    assert_false(user_token_is_good(text_from(token), TEXT(SECRET), TEXT("u1"), DAY(100) + 60000));
    make_token("u1", DAY(100) + 60000, "short", other);
    assert_false(user_token_is_good(text_from(other), TEXT("short"), TEXT("u1"), DAY(100)));
    make_token("u1", DAY(102), SECRET, other); /* as good as a password */
    assert_false(is_good(other, "u1"));
    /* Whatever one byte of it becomes. */
    for (size_t i = 0; i < strlen(token); i++) {
        memcpy(other, token, strlen(token) + 1);
        other[i] = other[i] == 'A' ? 'B' : 'A';
        if (i + 1 < strlen(token)) assert_false(is_good(other, "u1"));
        other[i] = '.';
        if (token[i] != '.') assert_false(is_good(other, "u1"));
        other[i] = '\0';
        assert_false(is_good(other, "u1"));
    }
    assert_false(is_good("v1...", ""));
    assert_false(is_good("", "u1"));
}

static void identify(struct trial *trial, const char *device, const char *user, const char *email,
                     const char *token) {
    char body[1024];
    snprintf(body, sizeof body,
             "{\"type\":\"identify\",\"messageId\":\"%s%s%s%zu\",\"anonymousId\":\"%s\",\"userId\":"
             "\"%s\",\"traits\":{\"plan\":\"gold\"},\"context\":{\"traits\":{\"email\":\"%s\"},"
             "\"attune_token\":\"%s\"}}",
             device, user, email, strlen(token), device, user, email, token);
    send(trial, "page", body);
}

static void test_a_token_makes_a_message_verified(void **state) {
    struct trial *trial = *state;
    char token[256];
    send(trial, "server", "{\"type\":\"identify\",\"messageId\":\"s1\",\"userId\":\"u1\"}");
    send(trial, "server", "{\"type\":\"identify\",\"messageId\":\"s2\",\"userId\":\"u2\"}");
    identify(trial, "k1", "u1", "b@x.example", "");
    assert_true(trait(trial, "user_id:u1", "records") == 1);
    make_token("u1", DAY(100) + 60000, SECRET, token);
    identify(trial, "k2", "u2", "b@x.example", token); /* another user's */
    assert_true(trait(trial, "user_id:u2", "records") == 1);
    identify(trial, "k3", "u1", "b@x.example", token);
    assert_true(trait(trial, "user_id:u1", "records") == 2);
    assert_int_equal(whose(trial, "anonymous_id:k3"), whose(trial, "user_id:u1"));
    /* It vouches for the user and the browser, not for the address beside them. */
    assert_int_not_equal(whose(trial, "email:b@x.example"), whose(trial, "user_id:u1"));
    uint64_t count;
    struct engine_claims_scope all = {{0}, {0}, INT64_MIN, INT64_MAX};
    assert_int_equal(engine_claims_withdraw(trial->shop.engine, &all, false, &count, NULL),
                     STATUS_OK);
    assert_int_equal(count, 4);
    assert_int_equal(whose(trial, "anonymous_id:k3"), whose(trial, "user_id:u1"));
    assert_int_not_equal(whose(trial, "anonymous_id:k1"), whose(trial, "user_id:u1"));
}

/* ---- bots ---- */

static void test_what_a_bot_does_is_dark(void **state) {
    struct trial *trial = *state;
    static const char *const agents[] = {
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "ACME-monitor/2", "Mozilla/5.0 (X11; Linux x86_64) Firefox/120.0"};
    char body[512];
    for (int i = 0; i < 3; i++) {
        snprintf(body, sizeof body,
                 "{\"type\":\"track\",\"event\":\"Clicked\",\"messageId\":\"b%d\",\"anonymousId\":"
                 "\"k1\",\"userId\":\"u1\",\"context\":{\"userAgent\":\"%s\",\"consent\":{"
                 "\"categoryPreferences\":{\"personalise\":true}}}}",
                 i, agents[i]);
        send(trial, "page", body);
    }
    assert_true(trait(trial, "anonymous_id:k1", "clicks") == 1);
    assert_true(trait(trial, "anonymous_id:k1", "all") == 4); /* with one consent */
    assert_int_equal(shop_count(&trial->shop, "Bot: Clicked"), 2);
    /* A person's claim counts; a program made none. */
    assert_int_equal(whose(trial, "anonymous_id:k1"), whose(trial, "user_id:u1"));
    shop_file(&trial->shop, "none.yaml",
              "attune: 1\nname: Shop\ncurrency: USD\nzone: UTC\nbots: no\n"
              "customer: { identifiers: { user_id: {}, email: {}, anonymous_id: {} } }\n"
              "sources: { page: { format: segment, arrives: live, trust: public } }\n"
              "events: { Clicked: { button: text } }\n"
              "traits: { clicks: count(\"Clicked\") }\n");
    struct error error;
    assert_int_equal(
        engine_put_playbook(trial->shop.engine, shop_path(&trial->shop, "none.yaml"), NULL, &error),
        STATUS_OK);
    snprintf(body, sizeof body,
             "{\"type\":\"track\",\"event\":\"Clicked\",\"messageId\":\"n\",\"anonymousId\":\"k1\","
             "\"context\":{\"userAgent\":\"%s\"}}",
             agents[0]);
    send(trial, "page", body);
    assert_true(trait(trial, "anonymous_id:k1", "clicks") == 2);
}

/* ---- keys and sources ---- */

static void test_the_less_trusted_of_key_and_source_decides(void **state) {
    struct trial *trial = *state;
    send(trial, "server", "{\"type\":\"identify\",\"messageId\":\"s1\",\"userId\":\"u1\"}");
    trial->is_public = true;
    trial->claims = true;
    send(trial, "server",
         "{\"type\":\"identify\",\"messageId\":\"s2\",\"anonymousId\":\"k1\",\"userId\":\"u1\"}");
    assert_int_equal(whose(trial, "anonymous_id:k1"), whose(trial, "user_id:u1"));
    assert_true(trait(trial, "user_id:u1", "records") == 1);
    trial->claims = false;
    send(trial, "server",
         "{\"type\":\"track\",\"event\":\"Clicked\",\"messageId\":\"s3\",\"anonymousId\":\"k2\","
         "\"userId\":\"u1\"}");
    assert_int_not_equal(whose(trial, "anonymous_id:k2"), whose(trial, "user_id:u1"));
    trial->is_public = false;
    send(trial, "strict",
         "{\"type\":\"track\",\"event\":\"Clicked\",\"messageId\":\"s4\",\"anonymousId\":\"k3\","
         "\"userId\":\"u1\"}");
    assert_int_not_equal(whose(trial, "anonymous_id:k3"), whose(trial, "user_id:u1"));
    assert_true(trait(trial, "anonymous_id:k3", "clicks") == 1);
}

/* A row that waits knows that its key was public: a replay, which has no key, does not believe it
 * more. */
static void test_a_replay_believes_no_more(void **state) {
    struct trial *trial = *state;
    struct replay_report report;
    struct error error = {0};
    send(trial, "server", "{\"type\":\"identify\",\"messageId\":\"s1\",\"userId\":\"u1\"}");
    trial->is_public = trial->claims = true;
    send(trial, "server", "{\"type\":\"identify\",\"messageId\":\"q1\",\"userId\":\"u1\"}");
    assert_int_equal(trial->bad.rows, 1);
    send(trial, "server",
         "{\"batch\":[{\"type\":\"identify\",\"messageId\":\"q2\",\"userId\":\"u1\"},{\"type\":"
         "\"track\",\"event\":\"Clicked\",\"messageId\":\"q3\",\"anonymousId\":\"k1\"}]}");
    assert_int_equal(trial->bad.rows, 1);
    assert_int_equal(trial->did.events, 1);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(engine_quarantine_replay(trial->shop.engine, NULL, &report, &error),
                         STATUS_OK);
        assert_int_equal(report.events, 0);
        assert_int_equal(report.still_quarantined, 2);
    }
    assert_true(trait(trial, "user_id:u1", "records") == 1);
    /* A sender who writes the mark is believed less, and never more. */
    trial->is_public = false;
    send(trial, "server",
         "{\"attune_trust\":\"public\",\"type\":\"identify\",\"messageId\":\"q4\",\"anonymousId\":"
         "\"k1\",\"userId\":\"u1\"}");
    assert_true(trait(trial, "user_id:u1", "records") == 1);
}

static void pay(struct trial *trial, int id, const char *who, int version, int amount) {
    char body[256];
    snprintf(body, sizeof body,
             "{\"id\":%d,%s,\"at\":\"2017-03-01T00:00:00Z\",\"version\":%d,\"amount\":%d}", id, who,
             version, amount);
    send(trial, "till", body);
}

/* Neither a row that is stored, nor one that is still to come. */
static void test_a_public_key_takes_no_row_of_the_servers(void **state) {
    struct trial *trial = *state;
    static const char device[] = "\"device\":\"k1\"", user[] = "\"who\":\"u1\"";
    pay(trial, 1, user, 1, 10);
    trial->is_public = trial->claims = true;
    pay(trial, 1, device, 9, 1000);
    pay(trial, 2, device, 9, 1000);
    send(trial, "server",
         "{\"type\":\"track\",\"event\":\"Clicked\",\"messageId\":\"order-1\",\"anonymousId\":"
         "\"k1\"}");
    trial->is_public = false;
    pay(trial, 2, user, 1, 5);
    assert_int_equal(trial->did.events, 1);
    pay(trial, 2, user, 2, 7);
    assert_int_equal(trial->did.corrected, 1);
    send(trial, "server",
         "{\"type\":\"track\",\"event\":\"Clicked\",\"messageId\":\"order-1\",\"userId\":\"u1\"}");
    assert_int_equal(trial->did.events, 1);
    assert_true(trait(trial, "user_id:u1", "paid") == 17);
    assert_true(trait(trial, "user_id:u1", "clicks") == 1);
    /* What a page sends again is a repeat, as everywhere. */
    trial->is_public = true;
    send(trial, "server",
         "{\"type\":\"track\",\"event\":\"Clicked\",\"messageId\":\"order-1\",\"anonymousId\":"
         "\"k1\"}");
    assert_int_equal(trial->did.repeats, 1);
}

static void test_claims_need_somebody_or_something(void **state) {
    struct trial *trial = *state;
    struct error error;
    uint64_t count;
    struct engine_claims_scope scope = {TEXT("user_id:nobody"), {0}, INT64_MIN, INT64_MAX};
    assert_int_equal(engine_claims_withdraw(trial->shop.engine, &scope, false, &count, &error),
                     STATUS_NOT_FOUND);
    scope.whose = TEXT("C77");
    assert_int_equal(engine_claims_withdraw(trial->shop.engine, &scope, false, &count, &error),
                     STATUS_NOT_FOUND);
    scope = (struct engine_claims_scope){{0}, TEXT("elsewhere"), INT64_MIN, INT64_MAX};
    assert_int_equal(engine_claims_withdraw(trial->shop.engine, &scope, false, &count, &error),
                     STATUS_NOT_FOUND);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_token_is_of_one_user_for_a_while),
        cmocka_unit_test_setup_teardown(test_a_token_makes_a_message_verified, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_a_bot_does_is_dark, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_less_trusted_of_key_and_source_decides, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_replay_believes_no_more, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_public_key_takes_no_row_of_the_servers, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_claims_need_somebody_or_something, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
