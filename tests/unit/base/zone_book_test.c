/* SPDX-License-Identifier: Apache-2.0 */
/* Zones by name and by country, with tzdata as it is installed and with folders of our own. */
#include "support/unit.h"

#include <sys/stat.h>

#include "base/zone_book.h"

static struct zone_book *open_book(const char *directory) {
    struct zone_book *book;
    assert_int_equal(zone_book_create(&book, directory), STATUS_OK);
    return book;
}

static bool has(struct zone_book *book, const char *name) {
    const struct time_zone *zone;
    return zone_book_find(book, text_from(name), &zone);
}

static uint32_t of_country(struct zone_book *book, const char *country) {
    const struct time_zone *zones[ZONE_BOOK_COUNTRY_MAX];
    return zone_book_country(book, text_from(country), zones);
}

static void test_names(void **state) {
    (void)state;
    struct zone_book *book = open_book(NULL);
    const struct time_zone *first, *again;
    assert_true(zone_book_find(book, TEXT("America/New_York"), &first));
    assert_true(zone_book_find(book, TEXT("America/New_York"), &again));
    assert_ptr_equal(first, again); /* it is read once */
    assert_true(text_equal(zone_book_name(book, first), TEXT("America/New_York")));
    assert_int_equal(time_zone_offset_s(first, INT64_C(1483228800000)), -5 * 3600);
    assert_int_equal(time_zone_offset_s(first, INT64_C(1498867200000)), -4 * 3600);
    assert_true(has(book, "UTC"));
    static const char *const none[] = {
        "",           "Mars/Olympus", "../../etc/passwd", "/etc/passwd",
        "Europe",     "zone.tab",     "europe/nowhere",   "a b",
        "Europe/Wien"};
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof none / sizeof *none; i++) assert_false(has(book, none[i]));
    }
    char name[400];
    memset(name, 'a', sizeof name);
    assert_false(zone_book_find(book, (struct text){name, sizeof name}, &first));
    zone_book_destroy(book);
}

/* Whatever somebody's data holds, memory stays as it is. */
static void test_many_names_that_are_none(void **state) {
    (void)state;
    struct zone_book *book = open_book(NULL);
    for (int i = 0; i < 3000; i++) {
        char name[32];
        snprintf(name, sizeof name, "Nowhere/%d", i);
        assert_false(has(book, name));
    }
    assert_true(has(book, "Europe/Vienna"));
    zone_book_destroy(book);
}

static void test_countries(void **state) {
    (void)state;
    struct zone_book *book = open_book(NULL);
    const struct time_zone *austria[ZONE_BOOK_COUNTRY_MAX], *vienna;
    assert_int_equal(zone_book_country(book, TEXT("AT"), austria), 1);
    assert_true(zone_book_find(book, TEXT("Europe/Vienna"), &vienna));
    assert_ptr_equal(austria[0], vienna);
    assert_int_equal(of_country(book, "at"), 1);
    assert_int_equal(of_country(book, " Austria "), 1);
    assert_int_equal(of_country(book, "JAPAN"), 1);
    assert_in_range(of_country(book, "US"), 10, ZONE_BOOK_COUNTRY_MAX);
    static const char *const none[] = {"", "XX", "Atlantis", "#c", "a", "AUT"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_int_equal(of_country(book, none[i]), 0);
    zone_book_destroy(book);
}

static void write_file(const char *directory, const char *name, const char *bytes) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(bytes, file);
    fclose(file);
}

/* A country whose zones can't all be read is not known: hours that are closed in one of them would
 * seem to be open. */
static void test_a_zone_of_a_country_is_missing(void **state) {
    (void)state;
    char directory[] = "/tmp/zone_book_XXXXXX";
    assert_non_null(mkdtemp(directory));
    struct zone_book *book = open_book(directory); /* without tables no country is known */
    assert_int_equal(of_country(book, "AT"), 0);
    zone_book_destroy(book);
    write_file(directory, "zone.tab",
               "# a comment\nAA\t+1+1\tHere\n\nBB\t+1+1\tHere\tnote\nBB\t+1+1\t"
               "Gone\nCC\t+1+1\tHere");
    write_file(directory, "iso3166.tab", "#\nAA\tAland\nCC\tCeeland");
    char command[256];
    snprintf(command, sizeof command, "%s/Here", directory);
    FILE *in = fopen("/usr/share/zoneinfo/Europe/Vienna", "rb"), *out = fopen(command, "wb");
    assert_true(in != NULL && out != NULL);
    for (int c; (c = fgetc(in)) != EOF;) fputc(c, out);
    fclose(in);
    fclose(out);
    book = open_book(directory);
    assert_int_equal(of_country(book, "aland"), 1);
    assert_int_equal(of_country(book, "BB"), 0);
    assert_int_equal(of_country(book, "Ceeland"), 1);
    zone_book_destroy(book);
    static const char *const names[] = {"zone.tab", "iso3166.tab", "Here"};
    for (size_t i = 0; i < 3; i++) {
        snprintf(command, sizeof command, "%s/%s", directory, names[i]);
        remove(command);
    }
    assert_int_equal(remove(directory), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_many_names_that_are_none),
        cmocka_unit_test(test_countries),
        cmocka_unit_test(test_a_zone_of_a_country_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
