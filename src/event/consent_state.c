/* SPDX-License-Identifier: Apache-2.0 */
#include "event/consent_state.h"

#include "base/word.h"

#define WORD(literal)                                                                              \
    { literal, sizeof(literal) - 1 }
static const struct text yes_words[] = {
    WORD("granted"),    WORD("given"),     WORD("accepted"), WORD("accept"),    WORD("agreed"),
    WORD("agree"),      WORD("allowed"),   WORD("allow"),    WORD("confirmed"), WORD("consented"),
    WORD("in"),         WORD("opt_in"),    WORD("optin"),    WORD("opted_in"),  WORD("optedin"),
    WORD("subscribed"), WORD("subscribe"), WORD("active"),   WORD("enabled"),
};
static const struct text no_words[] = {
    WORD("withdrawn"),   WORD("withdraw"),     WORD("denied"),      WORD("deny"),
    WORD("refused"),     WORD("rejected"),     WORD("reject"),      WORD("declined"),
    WORD("decline"),     WORD("revoked"),      WORD("revoke"),      WORD("objected"),
    WORD("out"),         WORD("opt_out"),      WORD("optout"),      WORD("opted_out"),
    WORD("optedout"),    WORD("unsubscribed"), WORD("unsubscribe"), WORD("inactive"),
    WORD("disabled"),    WORD("ended"),        WORD("blocked"),     WORD("stop"),
    WORD("not_granted"), WORD("not_given"),    WORD("cancelled"),   WORD("removed"),
};

static bool is_one_of(struct text word, const struct text *words, size_t count) {
    size_t index;
    return word_find(word, words, count, &index) == WORD_KNOWN;
}

struct value consent_state(struct value value) {
    struct value state = value_unknown();
    if (value.type == VALUE_YES_NO) return value;
    if (value.type == VALUE_NUMBER && (value.number == 1 || value.number == 0))
        return value_yes_no(value.number == 1);
    if (value.type != VALUE_TEXT) return value_unknown();
    if (value_parse(value.text, VALUE_YES_NO, 0, NULL, &state) == STATUS_OK) return state;
    if (is_one_of(value.text, yes_words, sizeof yes_words / sizeof *yes_words))
        return value_yes_no(true);
    if (is_one_of(value.text, no_words, sizeof no_words / sizeof *no_words))
        return value_yes_no(false);
    return value_unknown();
}
