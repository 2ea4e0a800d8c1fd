/* SPDX-License-Identifier: Apache-2.0 */
/* Names that nobody declared: they fill no table, they stay with their events, and a playbook that
 * declares them later finds them there. */
#include "support/unit.h"

#include "base/memory.h"
#include "event/dark.h"
#include "shop.h"

#define NAMES 70000

static const char head[] = "attune: 1\nname: Web\ncurrency: USD\nzone: UTC\n"
                           "customer: { identifiers: { user: {} } }\n"
                           "sources:\n"
                           "  web:\n"
                           "    file: \"web*.ndjson\"\n"
                           "    event: \"{what}\"\n"
                           "    channel: \"{medium}\"\n"
                           "    time: at\n"
                           "    key: { user: user }\n"
                           "    properties_at: more\n"
                           "    properties: any\n";

static void open_with(struct shop *shop, const char *rest) {
    char text[4096];
    snprintf(text, sizeof text, "%s%s", head, rest);
    shop_file(shop, "web.yaml", text);
    shop_open(shop, "web.yaml");
}

static const char blind[] = "traits: { all: count(any event), squashes: 'count(any event where "
                            "event == \"Squash Won\")' }\n";
static const char seeing[] =
    "events:\n"
    "  Squash Won: { points: number, prize: money, won: time, note: text, sure: yes/no,\n"
    "                balls: { colour: text, bounces: number } }\n"
    "  Clicked: { button: text, things: { price: number } }\n"
    "traits:\n"
    "  all: count(any event)\n"
    "  won: count(\"Squash Won\")\n"
    "  points: sum(\"Squash Won\".points)\n"
    "  prize: sum(\"Squash Won\".prize)\n"
    "  notes: count(\"Squash Won\" where note == \"well\" and sure)\n"
    "  late: count(\"Squash Won\" where won is known)\n"
    "  bounces: sum(\"Squash Won\".balls.bounces where colour == \"red\")\n"
    "  buttons: count(\"Clicked\" where button == \"ok\")\n"
    "  faxes: 'count(\"Squash Won\" where channel == \"fax\")'\n";

static void write_web(struct shop *shop) {
    shop_file(
        shop, "web.ndjson",
        "{\"what\":\"Squash Won\",\"medium\":\"fax\",\"at\":\"2017-01-02T10:00:00Z\",\"user\":"
        "\"u1\",\"more\":{\"points\":3,\"prize\":12.5,\"won\":\"2017-01-01T00:00:00Z\","
        "\"note\":\"well\",\"sure\":true,\"balls\":[{\"colour\":\"red\",\"bounces\":4},"
        "{\"colour\":\"blue\",\"bounces\":8}]}}\n"
        "{\"what\":\"Squash Won\",\"medium\":\"web\",\"at\":\"2017-01-03T10:00:00Z\",\"user\":"
        "\"u1\",\"more\":{\"points\":\"4\",\"prize\":\"1.25\",\"note\":7}}\n"
        "{\"what\":\"Clicked\",\"medium\":\"fax\",\"at\":\"2017-01-04T10:00:00Z\",\"user\":"
        "\"u1\",\"more\":{\"button\":\"ok\"}}\n");
}

static void check_seeing(struct shop *shop) {
    assert_true(shop_trait(shop, "user:u1", "all", DAY(90)) == 3);
    assert_true(shop_trait(shop, "user:u1", "won", DAY(90)) == 2);
    assert_true(shop_trait(shop, "user:u1", "points", DAY(90)) == 7);
    assert_true(shop_trait(shop, "user:u1", "prize", DAY(90)) == 13.75);
    assert_true(shop_trait(shop, "user:u1", "notes", DAY(90)) == 1);
    assert_true(shop_trait(shop, "user:u1", "late", DAY(90)) == 1);
    assert_true(shop_trait(shop, "user:u1", "buttons", DAY(90)) == 1);
    assert_true(shop_trait(shop, "user:u1", "faxes", DAY(90)) == 1);
}

static void fold(struct shop *shop) {
    struct error error = {0};
    assert_int_equal(engine_fold(shop->engine, false, NULL, &error), STATUS_OK);
}

/* In the tail; in a run that was written before anybody declared the names; in one after. */
static void test_a_later_declaration_finds_old_events(void **state) {
    struct shop *shop = *state;
    struct error error = {0};
    write_web(shop);
    for (int folded = 0; folded < 2; folded++) {
        shop_release(shop);
        shop_init(shop);
        write_web(shop);
        open_with(shop, blind);
        shop_load(shop, NULL);
        assert_int_equal(shop->totals.did.events, 3);
        assert_true(symbol_find(engine_symbols(shop->engine), SYMBOL_EVENT, TEXT("Squash Won")) ==
                    SYMBOL_NONE);
        assert_true(symbol_find(engine_symbols(shop->engine), SYMBOL_PROPERTY, TEXT("points")) ==
                    SYMBOL_NONE);
        assert_true(symbol_find(engine_symbols(shop->engine), SYMBOL_CHANNEL, TEXT("fax")) ==
                    SYMBOL_NONE);
        assert_int_equal(shop_count(shop, "Squash Won"), 2);
        if (folded) fold(shop);
        assert_true(shop_trait(shop, "user:u1", "all", DAY(90)) == 3);
        assert_true(shop_trait(shop, "user:u1", "squashes", DAY(90)) == 2);
        open_with(shop, seeing);
        check_seeing(shop);
        assert_true(shop_trait(shop, "user:u1", "bounces", DAY(90)) == 4);
        assert_int_equal(shop_count(shop, "Squash Won"), 2);
        shop_open(shop, NULL);
        check_seeing(shop);
        fold(shop);
        assert_int_equal(engine_rebuild(shop->engine, NULL, &error), STATUS_OK);
        check_seeing(shop);
        assert_true(shop_trait(shop, "user:u1", "bounces", DAY(90)) == 4);
        shop_open(shop, NULL);
        check_seeing(shop);
        engine_close(shop->engine);
        shop->engine = NULL;
        assert_int_equal(
            store_check(simulated_disk_interface(shop->disk), "data", NULL, NULL, &error),
            STATUS_OK);
    }
}

/* A walk over everybody sees what a reader of one customer sees. */
static void test_walks_see_it_too(void **state) {
    struct shop *shop = *state;
    write_web(shop);
    open_with(shop, blind);
    shop_load(shop, NULL);
    fold(shop);
    open_with(shop, seeing);
    struct timeline_source *source = store_source(engine_store(shop->engine));
    struct timeline_request request = {.as_of = {INT64_MAX, POSITION_NOW}};
    struct timeline_reader *reader;
    struct timeline timeline;
    uint32_t won = symbol_find(engine_symbols(shop->engine), SYMBOL_EVENT, TEXT("Squash Won")),
             count = 0;
    assert_int_equal(source->ops->reader_open(source, &reader, NULL), STATUS_OK);
    assert_int_equal(source->ops->walk(reader, &request, 0, 1, NULL), STATUS_OK);
    while (source->ops->next(reader, &timeline, NULL) == STATUS_OK) {
        for (uint32_t i = 0; i < timeline.count; i++) count += timeline.type[i] == won;
    }
    source->ops->reader_close(reader);
    assert_int_equal(count, 2);
}

/* Names as JSON has them are declared like others, and read in backquotes. */
static void test_unusual_names_are_declared(void **state) {
    struct shop *shop = *state;
    shop_file(
        shop, "web.ndjson",
        "{\"what\":\"Landed\",\"at\":\"2017-01-02T10:00:00Z\",\"user\":\"u1\",\"more\":{"
        "\"utm-source\":\"mail\",\"$size\":4,\"address\":{\"zip\":1010},\"Button Name\":2}}\n");
    for (int later = 0; later < 2; later++) {
        if (later) {
            shop_release(shop);
            shop_init(shop);
            shop_file(shop, "web.ndjson",
                      "{\"what\":\"Landed\",\"at\":\"2017-01-02T10:00:00Z\",\"user\":\"u1\","
                      "\"more\":{\"utm-source\":\"mail\",\"$size\":4,\"address\":{\"zip\":1010},"
                      "\"Button Name\":2}}\n");
            open_with(shop, blind);
            shop_load(shop, NULL);
        }
        open_with(
            shop,
            "events: { Landed: { utm-source: text, $size: number, address.zip: number, Button "
            "Name: number } }\n"
            "traits:\n"
            "  mails: count(\"Landed\" where `utm-source` == \"mail\")\n"
            "  size: sum(\"Landed\".`$size`)\n"
            "  zip: sum(\"Landed\".`address.zip`)\n"
            "  button: sum(\"Landed\".`Button Name`)\n");
        shop_load(shop, NULL);
        assert_true(shop_trait(shop, "user:u1", "mails", DAY(90)) == 1);
        assert_true(shop_trait(shop, "user:u1", "size", DAY(90)) == 4);
        assert_true(shop_trait(shop, "user:u1", "zip", DAY(90)) == 1010);
        assert_true(shop_trait(shop, "user:u1", "button", DAY(90)) == 2);
    }
}

/* Each message has names of its own: of properties, an event, a channel, a list's field. */
static void test_hostile_names_fill_nothing(void **state) {
    struct shop *shop = *state;
    FILE *file = fopen(shop_path(shop, "web.ndjson"), "w");
    assert_non_null(file);
    for (int i = 0; i < NAMES; i++) {
        fprintf(file,
                "{\"what\":\"%s%d\",\"medium\":\"m%d\",\"at\":\"2017-01-02T10:00:00Z\",\"user\":"
                "\"u%d\",\"more\":{\"key_%d\":1,\"things\":[{\"price\":1,\"field_%d\":2}]}}\n",
                i % 2 ? "Clicked" : "Event ", i % 2 ? 0 : i, i, i % 10, i, i);
    }
    assert_int_equal(fclose(file), 0);
    open_with(shop, seeing);
    uint32_t before = symbol_count(engine_symbols(shop->engine), SYMBOL_PROPERTY);
    shop_load(shop, NULL);
    assert_int_equal(shop->totals.quarantined, 0);
    assert_int_equal(shop->totals.did.events, NAMES);
    assert_int_equal(symbol_count(engine_symbols(shop->engine), SYMBOL_PROPERTY), before);
    assert_true(shop_trait(shop, "user:u1", "all", DAY(90)) == NAMES / 10);
    struct data_report report;
    struct error error = {0};
    assert_int_equal(engine_data_report(shop->engine, NULL, &report, &error), STATUS_OK);
    assert_true(report.field_count > 0 && report.field_count < 2000);
    uint64_t events = 0;
    for (size_t i = 0; i < report.field_count; i++)
        events += report.fields[i].field.length == 0 ? report.fields[i].count : 0;
    assert_int_equal(events, NAMES);
    data_report_release(&report);
    /* There is room for more names than the data brought. */
    shop_file(shop, "web.ndjson", "");
    write_web(shop);
    open_with(shop, seeing);
    shop_load(shop, NULL);
    assert_true(shop_trait(shop, "user:u1", "points", DAY(90)) == 7);
    assert_true(shop_trait(shop, "user:u1", "all", DAY(90)) == NAMES / 10 + 3);
}

/* What exceeds an event's dark text is left out and counted; the rest of the event stays. */
static void test_the_limits_of_an_event_are_told(void **state) {
    struct shop *shop = *state;
    struct engine_ingest_options options = {.data_directory = shop->folder};
    struct engine_ingest_report *reports;
    struct error error = {0};
    size_t count;
    FILE *file = fopen(shop_path(shop, "web.ndjson"), "w");
    assert_non_null(file);
    fprintf(file,
            "{\"what\":\"Clicked\",\"at\":\"2017-01-02T10:00:00Z\",\"user\":\"u1\",\"more\":{");
    for (int i = 0; i < DARK_NAMES_MAX + 5; i++) fprintf(file, "\"name_%d\":%d,", i, i);
    fprintf(file, "\"button\":\"ok\"}}\n");
    fprintf(file, "{\"what\":\"Clicked\",\"at\":\"2017-01-02T11:00:00Z\",\"user\":\"u1\",\"more\":{"
                  "\"a\":1,\"long\":\"");
    for (int i = 0; i < DARK_BYTES_MAX; i++) fputc('x', file);
    fprintf(file, "\",\"\":1,\"b\":2,\"button\":\"ok\"}}\n");
    assert_int_equal(fclose(file), 0);
    open_with(shop, seeing);
    assert_int_equal(engine_ingest(shop->engine, &options, &reports, &count, &error), STATUS_OK);
    assert_int_equal(count, 1);
    assert_int_equal(reports[0].did.events, 2);
    assert_int_equal(reports[0].quarantined, 0);
    assert_int_equal(reports[0].undeclared_left, 5 + 2);
    memory_free(reports);
    assert_true(shop_trait(shop, "user:u1", "buttons", DAY(90)) == 2);
}

/* An erasure takes the names along. */
static void test_names_go_with_their_events(void **state) {
    struct shop *shop = *state;
    struct error error = {0};
    struct erased_summary erased;
    shop_file(
        shop, "web.ndjson",
        "{\"what\":\"Invited by ann@a.example\",\"medium\":\"ann-channel\",\"at\":"
        "\"2017-01-02T10:00:00Z\",\"user\":\"u1\",\"more\":{\"ann-property\":1,\"things\":[{"
        "\"price\":1,\"ann-field\":2}]}}\n"
        "{\"what\":\"Clicked\",\"at\":\"2017-01-02T10:00:00Z\",\"user\":\"u2\",\"more\":{}}\n");
    open_with(shop, seeing);
    shop_load(shop, NULL);
    fold(shop);
    assert_int_equal(
        engine_erase(shop->engine, shop_customer(shop, "user:u1", DAY(90)), &erased, &error),
        STATUS_OK);
    erased_summary_release(&erased);
    static const char *const words[] = {"ann@a.example", "ann-channel", "ann-property",
                                        "ann-field"};
    for (size_t i = 0; i < 4; i++)
        assert_false(simulated_disk_contains(shop->disk, words[i], strlen(words[i])));
    assert_int_equal(shop_events(shop), 1);
}

/* Programs of before made symbols of every name. Those that only the erased customer's events have
 * go from the table; the others keep their ids. */
static void test_names_of_older_directories_go(void **state) {
    struct shop *shop = *state;
    struct error error = {0};
    struct erased_summary erased;
    static const char *const words[] = {"ann-event", "ann-property", "ann-channel"};
    uint32_t id, shared;
    shop_file(shop, "web.ndjson",
              "{\"what\":\"ann-event\",\"medium\":\"ann-channel\",\"at\":\"2017-01-02T10:00:00Z\","
              "\"user\":\"u1\",\"more\":{\"ann-property\":1,\"both\":2}}\n"
              "{\"what\":\"Clicked\",\"at\":\"2017-01-02T10:00:00Z\",\"user\":\"u2\",\"more\":{"
              "\"both\":3}}\n");
    open_with(shop, blind);
    struct symbols *symbols = engine_symbols(shop->engine);
    assert_int_equal(symbol_add(symbols, SYMBOL_EVENT, TEXT("ann-event"), &id), STATUS_OK);
    assert_int_equal(symbol_add(symbols, SYMBOL_PROPERTY, TEXT("ann-property"), &id), STATUS_OK);
    assert_int_equal(symbol_add(symbols, SYMBOL_CHANNEL, TEXT("ann-channel"), &id), STATUS_OK);
    assert_int_equal(symbol_add(symbols, SYMBOL_PROPERTY, TEXT("both"), &shared), STATUS_OK);
    shop_load(shop, NULL);
    fold(shop);
    for (size_t i = 0; i < 3; i++)
        assert_true(simulated_disk_contains(shop->disk, words[i], strlen(words[i])));
    assert_int_equal(
        engine_erase(shop->engine, shop_customer(shop, "user:u1", DAY(90)), &erased, &error),
        STATUS_OK);
    assert_int_equal(erased.names, 3);
    erased_summary_release(&erased);
    for (size_t i = 0; i < 3; i++)
        assert_false(simulated_disk_contains(shop->disk, words[i], strlen(words[i])));
    for (int opened = 0; opened < 2; opened++) {
        symbols = engine_symbols(shop->engine);
        assert_true(symbol_find(symbols, SYMBOL_EVENT, TEXT("ann-event")) == SYMBOL_NONE);
        assert_true(symbol_find(symbols, SYMBOL_PROPERTY, TEXT("ann-property")) == SYMBOL_NONE);
        assert_int_equal(symbol_find(symbols, SYMBOL_PROPERTY, TEXT("both")), shared);
        assert_int_equal(shop_count(shop, "Clicked"), 1);
        shop_open(shop, NULL);
    }
    /* The name is free for others. */
    open_with(shop, "events: { ann-event: { both: number } }\n"
                    "traits: { all: count(any event), n: count(\"ann-event\") }\n");
    shop_file(shop, "web.ndjson",
              "{\"what\":\"ann-event\",\"at\":\"2017-01-05T10:00:00Z\",\"user\":\"u2\",\"more\":{"
              "\"both\":3}}\n");
    shop_load(shop, NULL);
    assert_true(shop_trait(shop, "user:u2", "n", DAY(90)) == 1);
    fold(shop);
    shop_open(shop, NULL);
    assert_true(shop_trait(shop, "user:u2", "n", DAY(90)) == 1);
    engine_close(shop->engine);
    shop->engine = NULL;
    assert_int_equal(store_check(simulated_disk_interface(shop->disk), "data", NULL, NULL, &error),
                     STATUS_OK);
}

int main(void) {
#define CASE(name) cmocka_unit_test_setup_teardown(name, shop_set_up, shop_tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_a_later_declaration_finds_old_events), CASE(test_walks_see_it_too),
        CASE(test_unusual_names_are_declared),           CASE(test_hostile_names_fill_nothing),
        CASE(test_the_limits_of_an_event_are_told),      CASE(test_names_go_with_their_events),
        CASE(test_names_of_older_directories_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
