/* SPDX-License-Identifier: Apache-2.0 */
#include "base/canonical.h"

#include <stdio.h>

#include "base/memory.h"
#include "support/unit.h"

static void check_form(const char *from, enum canonical_case letters, const char *expected) {
    struct buffer out;
    struct arena arena;
    struct text form;
    buffer_init(&out);
    arena_init(&arena, 1 << 16);
    assert_int_equal(buffer_append(&out, "before", 6), STATUS_OK);
    assert_int_equal(canonical_append(text_from(from), letters, &out), STATUS_OK);
    struct text behind = {out.at + 6, (uint32_t)out.length - 6};
    if (!text_equal(behind, text_from(expected)))
        fail_msg("\"%s\" became \"%.*s\", not \"%s\"", from, TEXT_ARG(behind), expected);
    assert_int_equal(canonical_text(text_from(from), letters, &arena, &form), STATUS_OK);
    assert_true(text_equal(form, text_from(expected)));
    buffer_release(&out);
    arena_release(&arena);
}

static void blanks_at_the_ends_go(void **state) {
    (void)state;
    static const char *const blanks[] = {" ",
                                         "\t",
                                         "\r\n",
                                         "\xC2\xA0",
                                         "\xE2\x80\x80",
                                         "\xE2\x80\x8B",
                                         "\xE2\x80\xA8",
                                         "\xE2\x80\xAF",
                                         "\xE3\x80\x80",
                                         "\xEF\xBB\xBF",
                                         "\xE2\x81\xA0",
                                         "\xE1\x9A\x80",
                                         "\xE2\x80\x8E",
                                         "\xE2\x80\xAA",
                                         "\xC2\xAD",
                                         "\xE2\x80\x8D",
                                         "\xC2\x85",
                                         "\xE1\xA0\x8E",
                                         "\x7f",
                                         "\xE2\xA0\x80"};
    for (size_t i = 0; i < sizeof blanks / sizeof *blanks; i++) {
        char text[64];
        snprintf(text, sizeof text, "%sa 1%s%s", blanks[i], blanks[i], blanks[(i + 3) % 20]);
        check_form(text, CANONICAL_AS_WRITTEN, "a 1");
        check_form(blanks[i], CANONICAL_AS_WRITTEN, "");
    }
    check_form("", CANONICAL_SMALL, "");
    check_form("A\xC2\xA0"
               "b",
               CANONICAL_AS_WRITTEN,
               "A\xC2\xA0"
               "b");
    check_form("a\xE2\x80\x8B"
               "b\xC2\xAD"
               "c",
               CANONICAL_AS_WRITTEN, "abc");
}

static void letters_fold_one_for_one(void **state) {
    (void)state;
    check_form("Ann@X.example", CANONICAL_SMALL, "ann@x.example");
    check_form("Ann@X.example", CANONICAL_AS_WRITTEN, "Ann@X.example");
    check_form("J\xC3\x9CRGEN", CANONICAL_SMALL, "j\xC3\xBCrgen");
    check_form("JU\xCC\x88RGEN", CANONICAL_SMALL, "j\xC3\xBCrgen");
    check_form("JU\xCC\x88RGEN", CANONICAL_AS_WRITTEN, "J\xC3\x9CRGEN");
    check_form("STRA\xE1\xBA\x9E"
               "E",
               CANONICAL_SMALL,
               "stra\xC3\x9F"
               "e");
    check_form("\xCE\x9F\xCE\x94\xCE\x9F\xCE\xA3", CANONICAL_SMALL,
               "\xCE\xBF\xCE\xB4\xCE\xBF\xCF\x83");
    check_form("\xCE\xBF\xCE\xB4\xCE\xBF\xCF\x82", CANONICAL_SMALL,
               "\xCE\xBF\xCE\xB4\xCE\xBF\xCF\x83");
    check_form("\xC4\xB0zmir", CANONICAL_SMALL, "izmir");
    check_form("I\xCC\x87zmir", CANONICAL_SMALL, "izmir");
    check_form("i\xCC\xB1\xCC\x87", CANONICAL_SMALL, "i\xCC\xB1");
    check_form("\xC4\xB0\xCC\xB1", CANONICAL_SMALL, "i\xCC\xB1");
    check_form("\xD0\x98\xD0\x92\xD0\x90\xD0\x9D", CANONICAL_SMALL,
               "\xD0\xB8\xD0\xB2\xD0\xB0\xD0\xBD");
    assert_true(canonical_equal(TEXT("\xC3\x89va "), TEXT("e\xCC\x81va"), CANONICAL_SMALL));
    assert_false(canonical_equal(TEXT("\xC3\x89va"), TEXT("eva"), CANONICAL_SMALL));
    assert_false(canonical_equal(TEXT("stra\xC3\x9F"
                                      "e"),
                                 TEXT("strasse"), CANONICAL_SMALL));
}

static void no_utf8_has_no_form(void **state) {
    (void)state;
    static const char *const bad[] = {"\xFF", "a\xC3", "\xED\xA0\x80", "\xC0\x80",
                                      "\xF5\x80\x80\x80"};
    struct buffer out;
    buffer_init(&out);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(canonical_append(text_from(bad[i]), CANONICAL_SMALL, &out),
                         STATUS_INVALID);
        assert_int_equal(out.length, 0);
    }
    buffer_release(&out);
}

static void memory_may_fail(void **state) {
    (void)state;
    struct text text = TEXT("J\xC3\x9CRGEN@example.org");
    enum status status = STATUS_NO_MEMORY;
    for (uint64_t nth = 1; status != STATUS_OK && nth < 100; nth++) {
        struct buffer out;
        buffer_init(&out);
        memory_fail_at(nth);
        status = canonical_append(text, CANONICAL_SMALL, &out);
        memory_fail_at(0);
        assert_true(status == STATUS_OK || (status == STATUS_NO_MEMORY && out.length == 0));
        buffer_release(&out);
    }
    assert_int_equal(status, STATUS_OK);
}

/* clang-format off */
static const struct {
    const char *text;
    enum filler filler;
} filler_cases[] = {
    {"\\N", FILLER_OF_PROGRAMS}, {" null ", FILLER_OF_PROGRAMS}, {"(NULL)", FILLER_OF_PROGRAMS},
    {"#REF!", FILLER_OF_PROGRAMS}, {"#N/A", FILLER_OF_PROGRAMS}, {"#VALUE!", FILLER_OF_PROGRAMS},
    {"#NAME?", FILLER_OF_PROGRAMS}, {"#DIV/0!", FILLER_OF_PROGRAMS}, {"NaN", FILLER_OF_PROGRAMS},
    {"<null>", FILLER_OF_PROGRAMS}, {"n.a.", FILLER_OF_PEOPLE}, {"n/d", FILLER_OF_PEOPLE},
    {"N/A", FILLER_OF_PEOPLE}, {"?", FILLER_OF_PEOPLE}, {"???", FILLER_OF_PEOPLE},
    {".", FILLER_OF_PEOPLE}, {"--", FILLER_OF_PEOPLE}, {"-", FILLER_OF_PEOPLE},
    {"\xE2\x80\x93", FILLER_OF_PEOPLE}, {"false", FILLER_OF_PEOPLE}, {"TRUE", FILLER_OF_PEOPLE},
    {"nil", FILLER_OF_PEOPLE}, {"(none)", FILLER_OF_PEOPLE}, {"keine Angabe", FILLER_OF_PEOPLE},
    {"<NA>", FILLER_OF_PROGRAMS}, {"NaT", FILLER_OF_PROGRAMS}, {"<nil>", FILLER_OF_PROGRAMS},
    {"{}", FILLER_OF_PROGRAMS}, {"\\\\N", FILLER_OF_PROGRAMS}, {"#NOMBRE?", FILLER_OF_PROGRAMS},
    {"#\xC2\xA1VALOR!", FILLER_OF_PROGRAMS}, {"'NULL'", FILLER_OF_PROGRAMS},
    {"\"\"", FILLER_OF_PROGRAMS}, {"'-'", FILLER_OF_PEOPLE},
    {"{{ customer.identifiers.loyalty }}", FILLER_OF_PROGRAMS},
    {"${user_id}", FILLER_OF_PROGRAMS}, {"%%EMAIL%%", FILLER_OF_PROGRAMS},
    {"*|UNIQID|*", FILLER_OF_PROGRAMS}, {"(leer)", FILLER_OF_PEOPLE}, {"n/v", FILLER_OF_PEOPLE},
    {"No", FILLER_OF_PEOPLE}, {"1.23457E+12", FILLER_LOST_DIGITS},
    {"1,23457E+12", FILLER_LOST_DIGITS}, {"1E+12", FILLER_LOST_DIGITS},
    {"1.2345678901234567e+19", FILLER_LOST_DIGITS}, {"-1.5E-7", FILLER_LOST_DIGITS},
    {"4.9E12", FILLER_LOST_DIGITS}, {"1e5", FILLER_NONE}, {"1E12", FILLER_NONE},
    {"7e12", FILLER_NONE}, {"12.5e+3", FILLER_NONE}, {"1234567890.1709287200", FILLER_NONE},
    {"0", FILLER_NONE}, {"-1", FILLER_NONE}, {"nullus", FILLER_NONE}, {"#1!", FILLER_NONE},
    {"#ann", FILLER_NONE}, {"{c1}", FILLER_NONE}, {"$1", FILLER_NONE}, {"'c1'", FILLER_NONE},
    {"''null''", FILLER_NONE}, {"nob", FILLER_NONE}, {"Nana", FILLER_NONE}, {"", FILLER_NONE},
    {"1.23457E+", FILLER_NONE}, {"1.E+12", FILLER_NONE}, {"ann@x.example", FILLER_NONE},
    {"-7", FILLER_NONE},
};

static const char *const filler_words[] = {
    "#bezug!", "#blocked!", "#busy!", "#calc!", "#connect!", "#div/0!", "#error!", "#field!",
    "#getting_data", "#n/a", "#n/a!", "#n/b", "#n/d", "#name?", "#null!", "#num!", "#nv",
    "#ref!", "#spill!", "#unknown!", "#value!", "#wert!", "#zahl!", "(blank)", "(empty)",
    "(leer)", "(nil)", "(none)", "(not provided)", "(not set)", "(null)", "(unknown)",
    "-infinity", "<blank>", "<empty>", "<na>", "<nil>", "<none>", "<null>", "<unknown>", "[]",
    "[null]", "[object object]", "\\\\n", "\\n", "aucun", "dbnull", "desconocido", "empty",
    "false", "geen", "inconnu", "infinity", "k. a.", "k.a", "k.a.", "keine", "keine angabe",
    "leer", "missing", "n. a.", "n.a", "n.a.", "n.d", "n.d.", "n.v.", "n/a", "n/d", "n/k", "n/v",
    "n\\a", "na", "na.", "nan", "nat", "nessuno", "nicht bekannt", "nil", "ninguno", "no",
    "no data", "no value", "none", "not applicable", "not available", "not known",
    "not provided", "not set", "null", "onbekend", "sconosciuto", "tbd", "true", "unbekannt",
    "undefined", "vide", "yes", "{null}", "{}",
};
/* clang-format on */

static void fillers(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof filler_cases / sizeof *filler_cases; i++) {
        enum filler filler = canonical_filler(text_from(filler_cases[i].text));
        if (filler != filler_cases[i].filler)
            fail_msg("\"%s\" is %d, not %d", filler_cases[i].text, filler, filler_cases[i].filler);
    }
}

/* Each word of the table is found, also in capitals, and no longer with a letter behind it. */
static void each_filler_word_is_found(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof filler_words / sizeof *filler_words; i++) {
        char text[40];
        size_t length = strlen(filler_words[i]);
        for (size_t k = 0; k <= length; k++)
            text[k] = (char)(filler_words[i][k] >= 'a' && filler_words[i][k] <= 'z'
                                 ? filler_words[i][k] - 0x20
                                 : filler_words[i][k]);
        if (canonical_filler(text_from(filler_words[i])) == FILLER_NONE ||
            canonical_filler(text_from(text)) == FILLER_NONE)
            fail_msg("\"%s\" is no filler", filler_words[i]);
        memcpy(text + length, "xq", 3);
        if (canonical_filler(text_from(text)) != FILLER_NONE) fail_msg("\"%s\" is a filler", text);
    }
}

/* Eight bytes are looked at at once: a capital, or a letter of no ASCII, counts at every place. */
static void a_letter_counts_wherever_it_stands(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena, 1 << 20);
    for (uint32_t length = 1; length <= 40; length++) {
        for (uint32_t at = 0; at < length; at++) {
            char upper[41], lower[41];
            struct text out;
            memset(lower, 'z', length);
            memcpy(upper, lower, length);
            upper[at] = at % 2 ? 'A' : 'Z';
            lower[at] = at % 2 ? 'a' : 'z';
            struct text text = {upper, length}, small = {lower, length};
            assert_int_equal(canonical_text(text, CANONICAL_SMALL, &arena, &out), STATUS_OK);
            assert_true(text_equal(out, small));
            assert_int_equal(canonical_text(text, CANONICAL_AS_WRITTEN, &arena, &out), STATUS_OK);
            assert_true(text_equal(out, text));
            upper[at] = (char)0xC3;
            assert_int_equal(canonical_text(text, CANONICAL_AS_WRITTEN, &arena, &out),
                             STATUS_INVALID);
        }
    }
    arena_release(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blanks_at_the_ends_go),
        cmocka_unit_test(letters_fold_one_for_one),
        cmocka_unit_test(no_utf8_has_no_form),
        cmocka_unit_test(memory_may_fail),
        cmocka_unit_test(fillers),
        cmocka_unit_test(each_filler_word_is_found),
        cmocka_unit_test(a_letter_counts_wherever_it_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
