/* SPDX-License-Identifier: Apache-2.0 */
/* Who was erased: gone from quarantine and from friends' words too, and known again by salted
 * hashes alone. */
#include "support/unit.h"

#include "shop.h"

static bool lies_anywhere(const struct shop *shop, const char *bytes) {
    return simulated_disk_contains(shop->disk, bytes, strlen(bytes));
}

/* Events whose properties hold these bytes. */
static uint64_t packed_with(struct shop *shop, const char *bytes) {
    struct timeline_source *source = store_source(engine_store(shop->engine));
    struct timeline_request request = {.as_of = {INT64_MAX, POSITION_NOW},
                                       .needs = TIMELINE_PACKED};
    struct timeline_reader *reader;
    struct timeline timeline;
    uint64_t count = 0;
    assert_int_equal(source->ops->reader_open(source, &reader, NULL), STATUS_OK);
    assert_int_equal(source->ops->walk(reader, &request, 0, 1, NULL), STATUS_OK);
    while (source->ops->next(reader, &timeline, NULL) == STATUS_OK) {
        for (uint32_t i = 0; i < timeline.count; i++) {
            struct text packed;
            assert_int_equal(timeline.ops->packed(&timeline, i, &packed), STATUS_OK);
            count += text_contains(packed, text_from(bytes));
        }
    }
    source->ops->reader_close(reader);
    return count;
}

/* Members have short numbers, and web lines escape what they like. */
static const char people_playbook[] =
    "attune: 1\nname: People\ncurrency: USD\nzone: UTC\n"
    "customer: { identifiers: { email: {}, member: {} } }\n"
    "sources:\n"
    "  orders:\n"
    "    file: \"orders*.csv\"\n"
    "    event: Order Completed\n"
    "    time: at\n"
    "    key: { member: member, email: email }\n"
    "    row_key: order_id\n"
    "    types: { amount: money, items: number }\n"
    "    properties: { order_id: order_id, revenue: amount, items: items, note: note }\n"
    "  web:\n"
    "    file: \"web*.ndjson\"\n"
    "    event: Clicked\n"
    "    time: at\n"
    "    key: { member: member, email: email }\n"
    "    types: { count: number }\n"
    "    properties: { count: count, note: note }\n"
    "  hooks:\n"
    "    file: \"hooks*.ndjson\"\n"
    "    event: Hooked\n"
    "    time: at\n"
    "    key: { member: member, email: email }\n"
    "    properties: any\n"
    "  friends:\n"
    "    file: \"friends*.csv\"\n"
    "    event: Related\n"
    "    time: at\n"
    "    key: { email: email }\n"
    "    properties: { kind: kind, to: to }\n";

static void open_people(struct shop *shop) {
    shop_file(shop, "people.yaml", people_playbook);
    shop_file(shop, "orders1.csv",
              "order_id,at,member,email,amount,items,note\n"
              "o1,2017-01-02T10:00:00Z,1,ann@a.example,10.00,1,\n"
              "o2,2017-01-02T10:00:00Z,2,ben@b.example,10.00,1,\n"
              "o3,2017-01-02T10:00:00Z,1,\"an\"\"n@a.example\",10.00,1,\n");
    shop_open(shop, "people.yaml");
    shop_load(shop, NULL);
}

static void erase_ann(struct shop *shop, struct erased_summary *erased) {
    struct error error = {0};
    struct customer_id ann = shop_customer(shop, "email:ann@a.example", INT64_MAX);
    assert_int_equal(engine_erase(shop->engine, ann, erased, &error), STATUS_OK);
    erased_summary_release(erased);
    assert_false(lies_anywhere(shop, "ann@a.example"));
}

/* Each row is bad; those with a mark are Ann's, whose member number is 1. */
static const char bad_orders[] =
    "order_id,at,member,email,amount,items,note\n"
    "b1,2017-01-03T10:00:00Z,1,,1.00,many,her-number-mark\n"
    "b2,2017-01-03T10:00:00Z,,\"ann@a.\"\"x\"\".example\",1.00,many,not hers quoted-stays\n"
    "b7,2017-01-03T10:00:00Z,2,,1.00,\"an\"\"n@a.example\",doubled-mark\n"
    "b8,2017-01-03T10:00:00Z,2,,much,1,one-item-stays\n"
    "b3,2017-01-03T10:00:00Z,2,,1.00,many 1,bought 1 item: count-stays\n"
    "b4,2017-01-03T10:00:00Z,2,,1.00,many,asked by ann@a.example: free-text-mark\n"
    "1,too few fields mark\n"
    "2,too few fields stays\n"
    "b5,2017-01-03T10:00:00Z,2,\"ann@a.example,1.00,1,open-quote-mark\n"
    "b6,2017-01-03T10:00:00Z,2,\"ben@b.example,1.00,1,open-quote-stays\n";
static const char bad_web[] =
    "{\"at\":\"2017-01-03T10:00:00Z\",\"email\":\"ann\\u0040a.example\",\"count\":\"x\",\"note\":"
    "\"escaped-mark\"}\n"
    "{\"at\":\"2017-01-03T10:00:00Z\",\"email\":\"cara@c.example\",\"count\":\"x\",\"note\":\"deep-"
    "mark\",\"context\":{\"ids\":[{\"id\":\"ANN@a\\u002eexample\"}]}}\n"
    "{\"at\":\"2017-01-03T10:00:00Z\",\"member\":1,\"count\":\"x\",\"note\":\"numbered-mark\"}\n"
    "{\"at\":\"2017-01-03T10:00:00Z\",\"member\":2,\"count\":\"1\",\"note\":\"one-stays\","
    "\"count\":\"x\"}\n"
    "{\"at\":\"2017-01-03T10:00:00Z\",\"member\":11,\"count\":\"x\",\"note\":\"eleven-stays\"}\n"
    "{\"at\":\"2017-01-03T10:00:00Z\",\"email\":\"ann@a.example\",\"note\":\"no-end-mark\n"
    "{\"at\":\"2017-01-03T10:00:00Z\",\"email\":\"ben@b.example\",\"note\":\"no-end-stays\n";
static const char *const hers[] = {"her-number-mark",     "free-text-mark",  "doubled-mark",
                                   "too few fields mark", "open-quote-mark", "escaped-mark",
                                   "deep-mark",           "numbered-mark",   "no-end-mark"};
static const char *const others[] = {"quoted-stays",         "count-stays",      "one-item-stays",
                                     "too few fields stays", "open-quote-stays", "eleven-stays",
                                     "no-end-stays"};
#define COUNT_OF(array) (sizeof(array) / sizeof(*(array)))

static void expect_only_others(struct shop *shop) {
    for (size_t i = 0; i < COUNT_OF(hers); i++)
        if (lies_anywhere(shop, hers[i])) fail_msg("\"%s\" is still there", hers[i]);
    for (size_t i = 0; i < COUNT_OF(others); i++)
        if (!lies_anywhere(shop, others[i])) fail_msg("\"%s\" is gone", others[i]);
}

static void test_erasure_finds_whole_values_in_quarantine(void **state) {
    struct shop *shop = *state;
    struct erased_summary erased;
    open_people(shop);
    shop_file(shop, "orders1.csv", bad_orders);
    shop_file(shop, "web.ndjson", bad_web);
    shop_load(shop, NULL);
    for (size_t i = 0; i < COUNT_OF(hers); i++) assert_true(lies_anywhere(shop, hers[i]));
    erase_ann(shop, &erased);
    assert_int_equal(erased.rows, COUNT_OF(hers));
    expect_only_others(shop);
    shop_open(shop, NULL);
    expect_only_others(shop);
}

/* A table's bad rows are not mapped to anybody, and escape what they like; so are those of a source
 * that the playbook has no more. */
static void test_erasure_finds_escaped_values_in_lookups(void **state) {
    static const char rows[] = "{\"mail\":\"Ann\\u0040a.example\",\"word\":\"escaped-mark\"}\n"
                               "{\"mail\":\"mailto:ann@a\\u002eexample\",\"word\":\"deep-mark\"}\n"
                               "{\"mail\":\"ben\\u0040b.example\",\"word\":\"one-item-stays\"}\n"
                               "{\"mail\":\"joann\\u0040a.example\",\"word\":\"eleven-stays\"}\n";
    struct shop *shop = *state;
    struct erased_summary erased;
    char text[2048];
    for (int gone = 0; gone < 2; gone++) {
        shop_release(shop);
        shop_init(shop);
        open_people(shop);
        shop_file(shop, "people.ndjson", rows);
        snprintf(text, sizeof text, "%s  people: { file: \"people*.ndjson\", lookup: id }\n",
                 people_playbook);
        shop_file(shop, "table.yaml", text);
        shop_open(shop, "table.yaml");
        shop_load(shop, "people");
        assert_int_equal(shop->totals.quarantined, 4);
        if (gone) shop_open(shop, "people.yaml");
        erase_ann(shop, &erased);
        assert_int_equal(erased.rows, 2);
        assert_false(lies_anywhere(shop, "escaped-mark"));
        assert_false(lies_anywhere(shop, "deep-mark"));
        assert_true(lies_anywhere(shop, "one-item-stays"));
        assert_true(lies_anywhere(shop, "eleven-stays"));
    }
}

static bool count_withheld(void *context, const struct stored_row *row) {
    if (text_equal(row->reason, TEXT("withheld: it belongs to a customer who was erased"))) {
        assert_int_equal(row->raw.length, 0);
        assert_true(row->file.length > 0 && row->line > 0);
        ++*(size_t *)context;
    }
    return true;
}

static void test_bad_rows_of_the_erased_are_withheld(void **state) {
    struct shop *shop = *state;
    struct erased_summary erased;
    struct replay_report replayed;
    struct error error = {0};
    open_people(shop);
    erase_ann(shop, &erased);
    shop_file(shop, "orders1.csv", bad_orders);
    shop_file(shop, "web.ndjson", bad_web);
    for (int round = 0; round < 3; round++) {
        size_t withheld = 0;
        shop_load(shop, NULL);
        if (round > 0) assert_int_equal(shop->totals.quarantined, 0); /* they lie there already */
        assert_int_equal(
            store_visit_rows(engine_store(shop->engine), count_withheld, &withheld, &error),
            STATUS_OK);
        assert_int_equal(withheld, COUNT_OF(hers));
        expect_only_others(shop);
        assert_false(lies_anywhere(shop, "ann@a.example"));
        assert_int_equal(engine_quarantine_replay(shop->engine, NULL, &replayed, &error),
                         STATUS_OK);
        assert_int_equal(replayed.events, 0);
        if (round == 1) assert_int_equal(engine_fold(shop->engine, true, NULL, NULL), STATUS_OK);
        shop_open(shop, NULL);
    }
}

/* Rows that name Ann beside somebody new, and rows of others that mention her. */
static const char ann_again[] =
    "order_id,at,member,email,amount,items,note\n"
    "n1,2017-02-03T10:00:00Z,77,Ann@A.example,1.00,1,her row: mark\n" /* 77 is Ann, it says */
    "n2,2017-02-03T10:00:00Z,1,new@n.example,1.00,1,her number: mark\n"
    "n3,2017-02-03T10:00:00Z,2,,1.00,1,ann@a.example\n"
    "n4,2017-02-03T10:00:00Z,2,,1.00,1,\"please tell ANN@a.example, and ben\"\n"
    "n5,2017-02-03T10:00:00Z,2,,1.00,1,joann@a.example stays\n"
    "n6,2017-02-03T10:00:00Z,77,,1.00,1,somebody else with that number stays\n";

static void test_the_erased_do_not_come_back_beside_others(void **state) {
    struct shop *shop = *state;
    struct erased_summary erased;
    open_people(shop);
    erase_ann(shop, &erased);
    shop_file(shop, "orders1.csv", ann_again);
    shop_file(
        shop, "hooks.ndjson",
        "{\"at\":\"2017-01-03T10:00:00Z\",\"member\":2,\"properties\":{\"who\":\"Ann@a.example\","
        "\"other\":\"undeclared stays\",\"list\":[{\"mail\":\"ann@a.example\"},{\"mail\":\"c\"}],"
        "\"ann@a.example\":1}}\n");
    shop_file(shop, "friends.csv",
              "email,at,kind,to\n"
              "ben@b.example,2017-01-02T10:00:00Z,friend,email:Ann@a.example\n"
              "ben@b.example,2017-01-02T11:00:00Z,friend,ann@a.example\n"
              "ben@b.example,2017-01-02T12:00:00Z,friend,email:cara@c.example\n");
    shop_load(shop, NULL);
    assert_int_equal(shop->totals.did.turned_away, 4);
    assert_int_equal(shop->totals.did.withheld, 5);
    assert_int_equal(shop->totals.quarantined, 0);
    static const char *const gone[] = {" ann@a.example", "\"ann@a.example", "ANN@a",
                                       "Ann@A",          "her row",         "her number"};
    for (size_t i = 0; i < COUNT_OF(gone); i++) assert_false(lies_anywhere(shop, gone[i]));
    assert_true(lies_anywhere(shop, "joann@a.example stays"));
    assert_true(lies_anywhere(shop, "undeclared stays"));
    assert_true(lies_anywhere(shop, "somebody else with that number stays"));
    assert_int_equal(shop_customer(shop, "email:new@n.example", INT64_MAX).value, ID_NONE);
}

static void replace_salt(struct shop *shop, const void *bytes, size_t length) {
    engine_close(shop->engine);
    shop->engine = NULL;
    struct file_system *fs = simulated_disk_interface(shop->disk);
    if (bytes != NULL)
        assert_int_equal(file_replace(fs, "data/SALT", bytes, length, NULL), STATUS_OK);
    else
        assert_int_equal(file_remove(fs, "data/SALT", NULL), STATUS_OK);
}

static void read_salt(struct shop *shop, struct buffer *bytes) {
    buffer_clear(bytes);
    assert_int_equal(
        file_read_all(simulated_disk_interface(shop->disk), "data/SALT", 100, bytes, NULL),
        STATUS_OK);
}

/* A disk on which somebody else makes the salt just before we do. */
static struct file_system *raced;
static const struct buffer *rival;

static enum status make_directory_late(struct file_system *fs, const char *path,
                                       struct error *error) {
    (void)fs;
    enum status status = raced->ops->make_directory(raced, path, error);
    const struct buffer *salt = rival;
    rival = NULL;
    return status == STATUS_OK && salt != NULL
               ? file_replace(raced, "new/SALT", salt->at, salt->length, error)
               : status;
}

/* Two that make the same directory: the salt of the first is everybody's, for his log may hold
 * hashes under it already. */
static void test_a_salt_is_made_once(void **state) {
    struct shop *shop = *state;
    struct error error = {0};
    struct buffer theirs, now;
    struct engine *engine = NULL;
    buffer_init(&theirs);
    buffer_init(&now);
    shop_open(shop, "playbook.yaml");
    read_salt(shop, &theirs);
    raced = simulated_disk_interface(shop->disk);
    rival = &theirs;
    struct file_system_ops ops = *raced->ops;
    ops.make_directory = make_directory_late;
    struct file_system fs = {&ops, raced->self};
    const struct engine_options options = {.fs = &fs, .directory = "new", .create = true};
    assert_int_equal(engine_open(&engine, &options, &error), STATUS_OK);
    engine_close(engine);
    assert_int_equal(file_read_all(raced, "new/SALT", 100, &now, &error), STATUS_OK);
    assert_true(text_equal(buffer_text(&now), buffer_text(&theirs)));
    buffer_release(&theirs);
    buffer_release(&now);
}

/* With another salt an erased customer would come back unknown. */
static void test_another_salt_is_never_taken(void **state) {
    struct shop *shop = *state;
    struct erased_summary erased;
    struct error error = {0};
    struct buffer good, now;
    buffer_init(&good);
    buffer_init(&now);
    open_people(shop);
    erase_ann(shop, &erased);
    read_salt(shop, &good);
    assert_int_equal(good.length, 48);
    for (uint64_t at = 0; at < good.length; at++) {
        engine_close(shop->engine);
        shop->engine = NULL;
        assert_true(simulated_disk_flip(shop->disk, "data/SALT", at, at % 8));
        for (int read_only = 0; read_only < 2; read_only++) {
            enum status status = shop_try_open(shop, NULL, read_only, &error);
            if (status != STATUS_CORRUPT) assert_int_equal(status, STATUS_VERSION);
            assert_non_null(strstr(error.text, "data/SALT"));
        }
        assert_true(simulated_disk_flip(shop->disk, "data/SALT", at, at % 8));
    }
    for (size_t length = 0; length < good.length; length++) {
        replace_salt(shop, good.at, length);
        assert_int_equal(shop_try_open(shop, NULL, false, &error), STATUS_CORRUPT);
    }
    char longer[100] = {0};
    memcpy(longer, good.at, good.length);
    replace_salt(shop, longer, sizeof longer);
    assert_int_equal(shop_try_open(shop, NULL, false, &error), STATUS_CORRUPT);
    replace_salt(shop, NULL, 0);
    assert_int_equal(shop_try_open(shop, NULL, false, &error), STATUS_CORRUPT);
    assert_non_null(strstr(error.text, "SALT: is missing"));
    assert_int_equal(shop_try_open(shop, NULL, true, &error), STATUS_CORRUPT);
    replace_salt(shop, good.at + 16, 32); /* as it was before it had a checksum */
    assert_int_equal(shop_try_open(shop, NULL, true, &error), STATUS_OK);
    read_salt(shop, &now);
    assert_int_equal(now.length, 32);
    shop_open(shop, NULL);
    read_salt(shop, &now);
    assert_true(text_equal(buffer_text(&now), buffer_text(&good)));
    shop_load(shop, NULL);
    assert_int_equal(shop->totals.did.events, 0);
    assert_false(lies_anywhere(shop, "ann@a.example"));
    buffer_release(&good);
    buffer_release(&now);
}

static void test_relations_to_the_erased_go(void **state) {
    static const char friends[] = "at,email,kind,to\n"
                                  "2017-01-03T10:00:00Z,ben@b.example,friend,email:ann@a.example\n"
                                  "2017-01-03T10:00:00Z,ben@b.example,friend,email:cara@c.example\n"
                                  "2017-01-03T10:00:00Z,ben@b.example,cousin,email:Ann@A.example\n"
                                  "2017-01-03T10:00:00Z,ben@b.example,cousin,member:1\n"
                                  "2017-01-03T10:00:00Z,ben@b.example,cousin,member:11\n";
    for (int folded = 0; folded < 2; folded++) {
        struct shop *shop = *state;
        struct erased_summary erased;
        shop_release(shop);
        shop_init(shop);
        open_people(shop);
        shop_file(shop, "friends.csv", friends);
        shop_load(shop, NULL);
        if (folded) assert_int_equal(engine_fold(shop->engine, true, NULL, NULL), STATUS_OK);
        erase_ann(shop, &erased);
        assert_int_equal(erased.events, 5); /* her orders, and three relations to her */
        assert_int_equal(shop_count(shop, "Related"), 2);
        for (int round = 0; round < 2; round++) {
            assert_false(lies_anywhere(shop, "Ann@A.example"));
            assert_false(lies_anywhere(shop, "ann@a.example"));
            assert_int_equal(shop_count(shop, "Related"), round == 0 ? 2 : 4);
            assert_int_equal(shop_count(shop, "Order Completed"), 1);
            /* A friend's word does not bring her back; these events have no row key. */
            shop_load(shop, NULL);
        }
        shop_open(shop, NULL);
        assert_false(lies_anywhere(shop, "ann@a.example"));
    }
}

/* An order whose lines name two people is the first one's; the cells of its rows lie beside it, so
 * that it can be made again. */
static void test_rows_beside_an_event_of_others(void **state) {
    static const char *const members[] = {"1", "77", "1234567"};
    for (size_t i = 0; i < 3; i++) {
        struct shop *shop = *state;
        struct erased_summary erased;
        struct error error = {0};
        char text[512];
        bool is_short = i < 2;
        shop_file(
            shop, "lines.yaml",
            "attune: 1\nname: Lines\ncurrency: USD\nzone: UTC\n"
            "customer: { identifiers: { email: {}, member: {} } }\n"
            "traits: { spent: sum(\"Order Completed\".revenue) }\n"
            "sources: { orders: { file: \"orders*.csv\", event: Order Completed, time: at, "
            "one_event_per: id, row_key: [id, line], lines: yes, key: { member: member, "
            "email: email }, types: { amount: money }, properties: { revenue: sum(amount) } } "
            "}\n");
        shop_open(shop, "lines.yaml");
        snprintf(text, sizeof text,
                 "id,line,at,member,email,amount\n"
                 "A,1,2017-01-02,2,ben@b.example,10\nA,2,2017-01-02,%s,%s,31.5\n"
                 "B,1,2017-01-02,%s,ann@a.example,5\nC,1,2017-01-02,2,ben@b.example,%s\n",
                 members[i], is_short ? "" : "ann@a.example", members[i], members[i]);
        shop_file(shop, "orders.csv", text);
        shop_load(shop, NULL);
        double before = shop_trait(shop, "email:ben@b.example", "spent", DAY(90));
        struct customer_id ann = shop_customer(shop, "email:ann@a.example", INT64_MAX);
        assert_int_equal(engine_erase(shop->engine, ann, &erased, &error), STATUS_OK);
        erased_summary_release(&erased);
        /* Ben's order stays, and nothing of it tells of her. */
        assert_true(shop_trait(shop, "email:ben@b.example", "spent", DAY(90)) == before);
        assert_int_equal(packed_with(shop, "31.5"), 0);
        assert_int_equal(packed_with(shop, "ann@"), 0);
        /* His other order's rows hold her number as an amount; a long one is hers in doubt. */
        assert_int_equal(packed_with(shop, "C"), is_short);
        /* No row can be added to it any more, and that is told. */
        shop_file(shop, "orders.csv",
                  "id,line,at,member,email,amount\nA,3,2017-01-02,2,ben@b.example,7\n");
        shop_load(shop, NULL);
        assert_int_equal(shop->totals.quarantined, 1);
        /* Nor are they kept when such an order is loaded later. */
        snprintf(text, sizeof text,
                 "id,line,at,member,email,amount\n"
                 "D,1,2017-01-02,2,ben@b.example,10\nD,2,2017-01-02,%s,%s,31.5\n",
                 members[i], is_short ? "ann@a.example" : "");
        shop_file(shop, "orders.csv", text);
        shop_load(shop, NULL);
        assert_int_equal(shop->totals.did.events, 1);
        assert_int_equal(packed_with(shop, "31.5"), 0);
        shop_release(shop);
        shop_init(shop);
    }
}

/* What a correction replaced stays for views of the past: it goes with its person, too. */
static void test_versions_that_were_corrected(void **state) {
    static const char *const later[] = {"1,ann@a.example,12.00,1,new-mark", /* the value */
                                        "2,ben@b.example,10.00,1,moved-stays" /* the person */};
    for (size_t i = 0; i < 4; i++) {
        struct shop *shop = *state;
        struct erased_summary erased;
        char text[256];
        open_people(shop);
        shop_file(shop, "orders1.csv",
                  "order_id,at,member,email,amount,items,note\n"
                  "o9,2017-01-02T10:00:00Z,1,ann@a.example,10.00,1,old-mark\n");
        shop_load(shop, NULL);
        if (i >= 2)
            assert_int_equal(store_fold(engine_store(shop->engine), false, NULL), STATUS_OK);
        snprintf(text, sizeof text,
                 "order_id,at,member,email,amount,items,note\no9,2017-01-02T10:00:00Z,%s\n",
                 later[i % 2]);
        shop_file(shop, "orders1.csv", text);
        shop_load(shop, NULL);
        assert_int_equal(shop->totals.did.corrected, 1);
        erase_ann(shop, &erased);
        assert_false(lies_anywhere(shop, "old-mark"));
        assert_false(lies_anywhere(shop, "new-mark"));
        assert_int_equal(packed_with(shop, "moved-stays"), i % 2);
        assert_int_equal(erased.events, i % 2 ? 3 : 4);
        /* The row may come back as somebody else's. */
        shop_file(shop, "orders1.csv",
                  "order_id,at,member,email,amount,items,note\n"
                  "o9,2017-01-02T10:00:00Z,2,ben@b.example,11.00,1,back\n");
        shop_load(shop, NULL);
        assert_int_equal(packed_with(shop, "back"), 1);
        shop_release(shop);
        shop_init(shop);
    }
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, shop_set_up, shop_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_rows_beside_an_event_of_others),
        CASE(test_versions_that_were_corrected),
        CASE(test_erasure_finds_whole_values_in_quarantine),
        CASE(test_erasure_finds_escaped_values_in_lookups),
        CASE(test_bad_rows_of_the_erased_are_withheld),
        CASE(test_the_erased_do_not_come_back_beside_others),
        CASE(test_a_salt_is_made_once),
        CASE(test_another_salt_is_never_taken),
        CASE(test_relations_to_the_erased_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
