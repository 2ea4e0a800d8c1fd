/* SPDX-License-Identifier: Apache-2.0 */
#include "base/canonical.h"
#include "identity/identity_internal.h"

#define WORD(literal)                                                                              \
    { literal, sizeof(literal) - 1 }

/* Values that stand for nobody, beside the fillers of programs and of people (base/canonical.h). If
 * one of them were taken for a person, it would merge thousands of strangers. */
static const struct text words[] = {
    WORD("unknown"), WORD("anonymous"), WORD("test"), WORD("-1"),
    WORD("guest"),   WORD("anon"),      WORD("gast"), WORD("dummy"),
};
static const struct text mailboxes[] = {
    WORD("info"),      WORD("admin"),      WORD("administrator"),
    WORD("support"),   WORD("noreply"),    WORD("no-reply"),
    WORD("no_reply"),  WORD("donotreply"), WORD("do-not-reply"),
    WORD("sales"),     WORD("contact"),    WORD("office"),
    WORD("help"),      WORD("helpdesk"),   WORD("service"),
    WORD("billing"),   WORD("marketing"),  WORD("postmaster"),
    WORD("webmaster"), WORD("hostmaster"), WORD("mailer-daemon"),
    WORD("abuse"),     WORD("root"),       WORD("enquiries"),
    WORD("reception"), WORD("test"),       WORD("none"),
    WORD("null"),      WORD("unknown"),    WORD("anonymous"),
    WORD("na"),        WORD("guest"),
};
#define WORD_BYTES_MAX 16
#define SAME_CHARACTER_MIN                                                                         \
    6 /* "1111" may be a household's number; "111111" is somebody holding a key down */

static bool is_one_of(struct text value, const struct text *list, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (list[i].length == value.length && text_equal_ignoring_case(list[i], value)) return true;
    }
    return false;
}

static bool is_one_character(struct text value) {
    for (uint32_t i = 1; i < value.length; i++) {
        if (value.at[i] != value.at[0]) return false;
    }
    return value.at[0] == '0' || value.length >= SAME_CHARACTER_MIN;
}

static bool is_all_zeros(struct text value) { /* also 00000000-0000-0000-0000-000000000000 */
    bool zero = false;
    for (uint32_t i = 0; i < value.length; i++) {
        if (value.at[i] != '0' && value.at[i] != '-') return false;
        zero |= value.at[i] == '0';
    }
    return zero;
}

bool value_is_listed(struct text value, const struct text *list, uint32_t count) {
    if (count == 0) return false;
    if (is_one_of(value, list, count)) return true;
    bool plain = true;
    for (uint32_t i = 0; i < value.length; i++) plain = plain && (unsigned char)value.at[i] < 0x80;
    for (uint32_t i = 0; !plain && i < count; i++) {
        if (canonical_equal(list[i], value, CANONICAL_SMALL)) return true;
    }
    return false;
}

bool value_is_blocked(struct text value, const struct text *extra, uint32_t extra_count) {
    value = canonical_trim(value);
    if (value.length == 0 || value.length > IDENTIFIER_BYTES_MAX) return true;
    char first = value.at[0];
    if (first == '0' && is_all_zeros(value)) return true;
    if (value.length < 2 || value.at[1] == first) {
        if (is_one_character(value)) return true;
    }
    bool may_be_word = value.length < WORD_BYTES_MAX && (first < '0' || first > '9');
    if (may_be_word && is_one_of(value, words, sizeof(words) / sizeof(words[0]))) return true;
    if (canonical_filler(value) != FILLER_NONE) return true;
    const char *at = memchr(value.at, '@', value.length);
    if (at) {
        struct text local = {value.at, (uint32_t)(at - value.at)};
        if (local.length == 0) return true;
        if (local.length < WORD_BYTES_MAX &&
            is_one_of(local, mailboxes, sizeof(mailboxes) / sizeof(mailboxes[0])))
            return true;
    }
    return extra_count > 0 && value_is_listed(value, extra, extra_count);
}

bool identity_is_usable(const struct identifier_rule *rule, struct text value) {
    return value_is_listed(value, rule->allowed, rule->allowed_count) ||
           !value_is_blocked(value, rule->blocked, rule->blocked_count);
}
