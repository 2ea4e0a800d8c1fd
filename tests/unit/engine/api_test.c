/* SPDX-License-Identifier: Apache-2.0 */
/* The public C API from open to close, and what it says where it can't. */
#include "support/unit.h"

#include <pthread.h>
#include <stdatomic.h>

#include "attune.h"
#include "shop.h"

struct trial {
    struct shop shop;
    struct attune *attune;
    struct attune_error error;
    char directory[128];
};

static int set_up(void **state) {
    static struct trial trial;
    trial = (struct trial){0};
    shop_init(&trial.shop);
    snprintf(trial.directory, sizeof trial.directory, "%s/data", trial.shop.folder);
    assert_int_equal(attune_open(&trial.attune, trial.directory,
                                 shop_path(&trial.shop, "playbook.yaml"), &trial.error),
                     ATTUNE_OK);
    *state = &trial;
    return 0;
}

static int tear_down(void **state) {
    struct trial *trial = *state;
    attune_close(trial->attune);
    shop_release(&trial->shop);
    return 0;
}

static const char orders[] = "order_id,at,email,cookie,amount,items,note\n"
                             "o1,2017-01-02T10:00:00Z,ann@a.example,,10.00,1,hello\n"
                             "o1,2017-01-02T10:00:00Z,ann@a.example,,10.00,1,hello\n"
                             "o2,2017-01-03T10:00:00Z,ann@a.example,,1.50,x,\n"
                             "o3,2017-01-04T10:00:00Z,ann@a.example,,1.50,1,\n";

static enum attune_status ingest(struct trial *trial, const char *source,
                                 struct attune_ingested *out) {
    return attune_ingest(trial->attune, source, orders, sizeof orders - 1, out, &trial->error);
}

/* The same bytes again, and the same bad row among others: nothing is kept twice. The bytes are all
 * that there is, so that the last row needs no line end. */
static void test_a_bad_row_is_kept_once(void **state) {
    struct trial *trial = *state;
    struct attune_ingested ingested;
    static const char other[] = "order_id,at,email,cookie,amount,items,note\n"
                                "o4,2017-01-05T10:00:00Z,ann@a.example,,1.50,1,\n"
                                "o2,2017-01-03T10:00:00Z,ann@a.example,,1.50,x,\n"
                                "o5,2017-01-05T10:00:00Z,ann@a.example,,1.50,1,last";
    assert_int_equal(ingest(trial, "orders", &ingested), ATTUNE_OK);
    assert_int_equal(ingested.quarantined, 1);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ingest(trial, "orders", &ingested), ATTUNE_OK);
        assert_int_equal(ingested.events, 0);
        assert_int_equal(ingested.repeats, 4);
        assert_int_equal(ingested.quarantined, 0);
    }
    assert_int_equal(
        attune_ingest(trial->attune, "orders", other, sizeof other - 1, &ingested, &trial->error),
        ATTUNE_OK);
    assert_int_equal(ingested.events, 2);
    assert_int_equal(ingested.quarantined, 0);
}

static void test_ingest_query_decide(void **state) {
    struct trial *trial = *state;
    struct attune_ingested ingested;
    char *json;
    assert_int_equal(ingest(trial, "orders", &ingested), ATTUNE_OK);
    assert_int_equal(ingested.events, 2);
    assert_int_equal(ingested.repeats, 1);
    assert_int_equal(ingested.quarantined, 1);
    assert_int_equal(
        attune_customer(trial->attune, "email:ann@a.example", DAY(50), &json, &trial->error),
        ATTUNE_OK);
    assert_non_null(strstr(json, "\"orders\":2"));
    assert_non_null(strstr(json, "hello"));
    attune_free(json);
    assert_int_equal(
        attune_customer(trial->attune, "email:ann@a.example", DAY(2), &json, &trial->error),
        ATTUNE_OK);
    assert_non_null(strstr(json, "\"orders\":1")); /* as known then */
    attune_free(json);
    assert_int_equal(
        attune_decide(trial->attune, "email:ann@a.example", DAY(50), 1, &json, &trial->error),
        ATTUNE_OK);
    assert_non_null(strstr(json, "\"reason\""));
    attune_free(json);
    attune_close(trial->attune); /* what was acknowledged is there again */
    assert_int_equal(attune_open(&trial->attune, trial->directory, NULL, &trial->error), ATTUNE_OK);
    assert_int_equal(
        attune_customer(trial->attune, "email:ann@a.example", DAY(60), &json, &trial->error),
        ATTUNE_OK);
    assert_non_null(strstr(json, "Decision Made"));
    attune_free(json);
}

#define assert_says(words) assert_non_null(strstr(trial->error.text, words))

static void test_errors_name_what_and_where(void **state) {
    struct trial *trial = *state;
    struct attune_ingested ingested;
    struct attune *second = (struct attune *)trial;
    char *json = (char *)trial;
    assert_int_equal(attune_open(&second, trial->directory, NULL, &trial->error), ATTUNE_LOCKED);
    assert_null(second);
    assert_says(trial->directory);
    assert_int_equal(ingest(trial, "ordrs", &ingested), ATTUNE_NOT_FOUND);
    assert_says("did you mean orders?");
    assert_int_equal(ingest(trial, "offer", &ingested), ATTUNE_INVALID);
    assert_says("lookup");
    assert_int_equal(
        attune_ingest(trial->attune, "orders", "nonsense\n1\n", 11, &ingested, &trial->error),
        ATTUNE_INVALID);
    assert_says("nonsense");
    assert_int_equal(
        attune_customer(trial->attune, "email:nobody@n.example", DAY(50), &json, &trial->error),
        ATTUNE_NOT_FOUND);
    assert_null(json);
    assert_says("nobody@n.example");
    assert_int_equal(attune_decide(trial->attune, "C999", DAY(50), 0, &json, NULL),
                     ATTUNE_NOT_FOUND); /* without a place for the words */
    attune_free(NULL);
}

static void test_without_a_playbook(void **state) {
    struct trial *trial = *state;
    struct attune_ingested ingested;
    char other[160], *json;
    snprintf(other, sizeof other, "%s/other", trial->shop.folder);
    attune_close(trial->attune);
    assert_int_equal(attune_open(&trial->attune, other, "/nowhere/playbook.yaml", &trial->error),
                     ATTUNE_NOT_FOUND);
    assert_null(trial->attune);
    assert_says("/nowhere/playbook.yaml");
    assert_int_equal(attune_open(&trial->attune, other, NULL, &trial->error), ATTUNE_OK);
    assert_int_equal(ingest(trial, "orders", &ingested), ATTUNE_INVALID);
    assert_says("playbook");
    assert_int_equal(attune_decide(trial->attune, "C0", 0, 0, &json, &trial->error),
                     ATTUNE_INVALID);
    assert_says("playbook");
}

/* ---- many threads ---- */

struct asking {
    struct attune *attune;
    _Atomic bool stop;
    _Atomic uint64_t answers, failures;
};

static void *ask(void *context) {
    struct asking *asking = context;
    for (int64_t n = 0; !atomic_load(&asking->stop); n++) {
        char *json = NULL;
        bool read = n % 3 == 0;
        enum attune_status status =
            read
                ? attune_customer(asking->attune, "email:ann@a.example", DAY(50), &json, NULL)
                : attune_decide(asking->attune, "email:ann@a.example", DAY(50) + n, 0, &json, NULL);
        bool good =
            status == ATTUNE_OK && strstr(json, read ? "\"orders\":" : "\"reason\"") != NULL;
        atomic_fetch_add(good ? &asking->answers : &asking->failures, 1);
        attune_free(json);
    }
    return NULL;
}

/* Loads, playbooks that take turns, and one that does not load, beside threads that ask. */
static void test_threads_ask_beside_loads_and_playbooks(void **state) {
    struct trial *trial = *state;
    struct asking asking = {.attune = trial->attune};
    struct attune_ingested ingested;
    pthread_t threads[3];
    char other[8192];
    snprintf(other, sizeof other, "%s  - { at_most: 3, in: 9d, channel: email }\n", shop_playbook);
    shop_file(&trial->shop, "other.yaml", other);
    shop_file(&trial->shop, "bad.yaml", "attune: 1\nnonsense: yes\n");
    assert_int_equal(ingest(trial, "orders", &ingested), ATTUNE_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask, &asking), 0);
    for (int round = 0; round < 20; round++) {
        char rows[256];
        snprintf(rows, sizeof rows,
                 "order_id,at,email,cookie,amount,items,note\n"
                 "r%d,2017-01-05T10:00:00Z,ann@a.example,,%d.00,1,again\n",
                 round / 2, round + 1);
        assert_int_equal(
            attune_ingest(trial->attune, "orders", rows, strlen(rows), &ingested, &trial->error),
            ATTUNE_OK);
        const char *name = round % 2 == 0 ? "other.yaml" : "playbook.yaml";
        assert_int_equal(
            attune_put_playbook(trial->attune, shop_path(&trial->shop, name), &trial->error),
            ATTUNE_OK);
        assert_int_equal(
            attune_put_playbook(trial->attune, shop_path(&trial->shop, "bad.yaml"), &trial->error),
            ATTUNE_INVALID);
        assert_says("nonsense");
    }
    atomic_store(&asking.stop, true);
    for (int i = 0; i < 3; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(asking.failures, 0);
    assert_true(asking.answers > 0);
}

/* ---- threads that send ---- */

#define SENDERS 4
#define SENDS   12

struct sender {
    pthread_t thread;
    struct trial *trial;
    int number, answers;
    struct attune_ingested sum;
};

static enum attune_status ask_for_own(struct sender *sender, int day) {
    struct attune_error error;
    char name[64], *json = NULL;
    snprintf(name, sizeof name, "email:p%d@a.example", sender->number);
    enum attune_status status =
        attune_customer(sender->trial->attune, name, DAY(50), &json, &error);
    attune_free(json);
    if (status != ATTUNE_OK) return status;
    status = attune_decide(sender->trial->attune, name, DAY(50 + day), 1, &json, &error);
    attune_free(json);
    return status;
}

/* An order of its own, one that its neighbour sends too, one that it corrects the next time, and a
 * row that can't be read. */
static void *send_orders(void *context) {
    struct sender *sender = context;
    for (int i = 0; i < SENDS; i++) {
        char bytes[600];
        struct attune_ingested ingested;
        struct attune_error error;
        int n = sender->number;
        int length = snprintf(bytes, sizeof bytes,
                              "order_id,at,email,cookie,amount,items,note\n"
                              "own%d-%d,2017-01-02T10:00:00Z,p%d@a.example,,1.00,1,\n"
                              "both%d-%d,2017-01-03T10:00:00Z,both@a.example,,1.00,1,\n"
                              "last%d,2017-01-04T10:00:00Z,p%d@a.example,,%d.00,1,\n"
                              "bad%d,2017-01-05T10:00:00Z,p%d@a.example,,1.00,x,\n",
                              n, i, n, n / 2, i, n, n, i + 1, n, n);
        if (attune_ingest(sender->trial->attune, "orders", bytes, (size_t)length, &ingested,
                          &error) != ATTUNE_OK)
            break;
        sender->sum.events += ingested.events;
        sender->sum.repeats += ingested.repeats;
        sender->sum.corrected += ingested.corrected;
        sender->sum.quarantined += ingested.quarantined;
        sender->answers += ask_for_own(sender, i) == ATTUNE_OK;
    }
    return NULL;
}

static void test_threads_send_at_the_same_time(void **state) {
    struct sender senders[SENDERS];
    struct attune_ingested sum = {0};
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){.trial = *state, .number = i};
        assert_int_equal(pthread_create(&senders[i].thread, NULL, send_orders, &senders[i]), 0);
    }
    for (int i = 0; i < SENDERS; i++) {
        pthread_join(senders[i].thread, NULL);
        assert_int_equal(senders[i].answers, SENDS);
        sum.events += senders[i].sum.events;
        sum.repeats += senders[i].sum.repeats;
        sum.corrected += senders[i].sum.corrected;
        sum.quarantined += senders[i].sum.quarantined;
    }
    assert_int_equal(sum.events, SENDERS * (SENDS + 1) + SENDERS / 2 * SENDS);
    assert_int_equal(sum.corrected, SENDERS * (SENDS - 1));
    assert_int_equal(sum.quarantined, SENDERS);
    /* What the neighbour had sent, and the bad row that waited already. */
    assert_int_equal(sum.repeats, SENDERS / 2 * SENDS + SENDERS * (SENDS - 1));
}

/* ---- what is queued, asked and told ---- */

struct applied {
    atomic_int calls, failures;
    atomic_ullong events, repeats, quarantined;
};

static void note_applied(void *context, enum attune_status status,
                         const struct attune_ingested *out, const char *text) {
    struct applied *applied = context;
    atomic_fetch_add(&applied->calls, 1);
    atomic_fetch_add(&applied->failures, status != ATTUNE_OK || text[0] != '\0');
    atomic_fetch_add(&applied->events, out->events);
    atomic_fetch_add(&applied->repeats, out->repeats);
    atomic_fetch_add(&applied->quarantined, out->quarantined);
}

static enum attune_status apply(struct trial *trial, const char *source, const char *rows,
                                size_t length, struct applied *applied) {
    return attune_apply(trial->attune, source, rows, length, note_applied, applied, &trial->error);
}

static void test_rows_are_queued(void **state) {
    struct trial *trial = *state;
    struct applied applied = {0};
    struct attune_ingested behind;
    for (int i = 0; i < 3; i++)
        assert_int_equal(apply(trial, "orders", orders, sizeof orders - 1, &applied), ATTUNE_OK);
    assert_int_equal(apply(trial, "order", orders, sizeof orders - 1, &applied), ATTUNE_NOT_FOUND);
    assert_non_null(strstr(trial->error.text, "orders"));
    assert_int_equal(apply(trial, "offer", orders, sizeof orders - 1, &applied), ATTUNE_INVALID);
    /* More than one batch is refused whole. */
    struct buffer many;
    buffer_init(&many);
    assert_int_equal(buffer_format(&many, "order_id,at,email,cookie,amount,items,note\n"),
                     STATUS_OK);
    for (int i = 0; i < 70000; i++)
        assert_int_equal(
            buffer_format(&many, "b%d,2017-01-02T10:00:00Z,ann@a.example,,1.00,1,x\n", i),
            STATUS_OK);
    assert_int_equal(apply(trial, "orders", many.at, many.length, &applied), ATTUNE_LIMIT);
    buffer_release(&many);
    assert_int_equal(ingest(trial, "orders", &behind), ATTUNE_OK); /* waits behind them */
    assert_int_equal(behind.events, 0);
    assert_int_equal(applied.calls, 3);
    assert_int_equal(applied.failures, 0);
    assert_int_equal(applied.events, 2);
    assert_int_equal(applied.quarantined, 1);
    assert_int_equal(applied.repeats,
                     1 + 4 + 4); /* one row stands twice; the bad one counts, too */
}

static void test_a_stranger_is_decided_for_and_told_of(void **state) {
    struct trial *trial = *state;
    const char *identifiers[] = {"cookie:first-visit"};
    const struct attune_question question = {
        .identifiers = identifiers, .identifier_count = 1, .record = 1};
    char *json, id[17];
    int again = -1;
    assert_int_equal(attune_ask(trial->attune, &question, &json, &trial->error), ATTUNE_OK);
    const char *at = strstr(json, "\"decision\":\"");
    assert_non_null(at);
    snprintf(id, sizeof id, "%s", at + strlen("\"decision\":\""));
    attune_free(json);
    assert_int_equal(
        attune_outcome(trial->attune, id, "letter/99", ATTUNE_SHOWN, 0, &again, &trial->error),
        ATTUNE_INVALID);
    assert_int_equal(attune_outcome(trial->attune, "0123456789abcdef", NULL, ATTUNE_SHOWN, 0,
                                    &again, &trial->error),
                     ATTUNE_NOT_FOUND);
    assert_int_equal(attune_customer(trial->attune, "cookie:first-visit", 0, &json, &trial->error),
                     ATTUNE_OK);
    assert_non_null(strstr(json, "Customer Asked For"));
    assert_non_null(strstr(json, id));
    attune_free(json);
    const char *untyped[] = {"first-visit"};
    const struct attune_question wrong = {.identifiers = untyped, .identifier_count = 1};
    assert_int_equal(attune_ask(trial->attune, &wrong, &json, &trial->error), ATTUNE_INVALID);
    assert_null(json);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rows_are_queued, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_stranger_is_decided_for_and_told_of, set_up,
                                        tear_down),
        CASE(test_a_bad_row_is_kept_once),
        CASE(test_ingest_query_decide),
        CASE(test_errors_name_what_and_where),
        CASE(test_without_a_playbook),
        CASE(test_threads_ask_beside_loads_and_playbooks),
        CASE(test_threads_send_at_the_same_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
