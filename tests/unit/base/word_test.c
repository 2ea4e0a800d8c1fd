/* SPDX-License-Identifier: Apache-2.0 */
#include "base/word.h"

#include "support/unit.h"

static void words_of_a_list(void **state) {
    (void)state;
    static const struct text known[] = {{"email", 5},
                                        {"sms", 3},
                                        {"opt_in", 6},
                                        {"personalise", 11},
                                        {"stra\xC3\x9F"
                                         "e",
                                         7}};
    static const struct {
        const char *word;
        enum word_found found;
        size_t index;
    } cases[] = {
        {"email", WORD_KNOWN, 0},
        {"Email", WORD_KNOWN, 0},
        {" EMAIL\xC2\xA0", WORD_KNOWN, 0},
        {"e-mail", WORD_NEAR, 0},
        {"E Mail", WORD_NEAR, 0},
        {"emial", WORD_NEAR, 0},
        {"mail", WORD_NEAR, 0},
        {"post", WORD_STRANGE, 0},
        {"SMS", WORD_KNOWN, 1},
        {"sma", WORD_NEAR, 1},
        {"opt-in", WORD_KNOWN, 2},
        {"Opt In", WORD_KNOWN, 2},
        {"opt  in", WORD_KNOWN, 2},
        {"optin", WORD_NEAR, 2},
        {"Personalise ", WORD_KNOWN, 3},
        {"personalize", WORD_NEAR, 3},
        {"STRA\xE1\xBA\x9E"
         "E",
         WORD_KNOWN, 4},
        {"", WORD_STRANGE, 0},
        {"\xFF", WORD_STRANGE, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t index;
        enum word_found found =
            word_find(text_from(cases[i].word), known, sizeof known / sizeof *known, &index);
        if (found != cases[i].found || index != cases[i].index)
            fail_msg("\"%s\" is %d at %zu", cases[i].word, found, index);
    }
    char long_word[300];
    memset(long_word, 'a', sizeof long_word);
    size_t index;
    assert_int_equal(word_find((struct text){long_word, 300}, known, 1, &index), WORD_STRANGE);
    assert_int_equal(word_find(TEXT("email"), NULL, 0, &index), WORD_STRANGE);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(words_of_a_list)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
