/* SPDX-License-Identifier: Apache-2.0 */
#include "base/canonical.h"

#include <utf8proc.h>

#include "base/memory.h"

#define FORM_PASSES_MAX 4     /* a small letter may compose anew with the mark behind it */
#define IOTA_BELOW      0x345 /* this mark stays: its small form is a letter of its own */
#define SMALL_DOTLESS_I 0x131
#define DOT_ABOVE       0x307
#define DECOMPOSED_MAX  4 /* code points of one byte of UTF-8, taken apart */
#define POINTS_FEW      512

/* ---- single characters ---- */

static bool is_blank(utf8proc_int32_t c) {
    if (c <= ' ' || c == 0x7f) return true;
    if (c < 0x80) return false;
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF: return true;
    default: return c == 0x2800 || c == 0x3164 || c == 0x115F || c == 0x1160 || c == 0xFFA0;
    }
}

/* Soft hyphen, zero-width space, word joiner, byte order mark: they say only where a line may
 * break. The joiners of Persian and of emoji stay. */
static bool is_invisible(utf8proc_int32_t c) {
    return c == 0xAD || c == 0x200B || c == 0x2060 || c == 0xFEFF;
}

/* Folds case by Unicode's simple rule, which gives one letter for one. utf8proc has only the full
 * rule, which makes "ss" of "ß"; for such a letter this takes the small letter instead. */
static utf8proc_int32_t small_letter(utf8proc_int32_t c) {
    utf8proc_int32_t folded[4];
    int boundary = 0;
    if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
    if (c == IOTA_BELOW || c == SMALL_DOTLESS_I) return c;
    utf8proc_ssize_t count = utf8proc_decompose_char(c, folded, 4, UTF8PROC_CASEFOLD, &boundary);
    return count == 1 ? folded[0] : utf8proc_tolower(c);
}

static utf8proc_ssize_t read_one(struct text text, utf8proc_int32_t *c) {
    return utf8proc_iterate((const utf8proc_uint8_t *)text.at, (utf8proc_ssize_t)text.length, c);
}

enum status canonical_small(struct text text, struct arena *arena, struct text *out) {
    bool changed = false;
    *out = text;
    if (text.length == 0) return STATUS_OK;
    /* Two bytes may become three. */
    char *copy = arena_alloc(arena, 2 * (size_t)text.length);
    if (copy == NULL) return STATUS_NO_MEMORY;
    uint32_t length = 0;
    for (utf8proc_ssize_t step; text.length > 0; text.at += step, text.length -= (uint32_t)step) {
        utf8proc_int32_t c;
        step = read_one(text, &c);
        if (step <= 0) {
            step = 1;
            copy[length++] = text.at[0];
            continue;
        }
        utf8proc_int32_t small = small_letter(c);
        changed = changed || small != c;
        length += (uint32_t)utf8proc_encode_char(small, (utf8proc_uint8_t *)copy + length);
    }
    if (changed) *out = (struct text){copy, length};
    return STATUS_OK;
}

/* ---- trimming ---- */

static struct text trim_front(struct text text) {
    utf8proc_int32_t c;
    while (text.length > 0) {
        utf8proc_ssize_t length = read_one(text, &c);
        if (length <= 0 || !is_blank(c)) break;
        text.at += length;
        text.length -= (uint32_t)length;
    }
    return text;
}

static struct text trim_back(struct text text) {
    utf8proc_int32_t c;
    while (text.length > 0) {
        uint32_t start = text.length - 1;
        while (start > 0 && text.length - start < 4 &&
               ((unsigned char)text.at[start] & 0xC0) == 0x80)
            start--;
        struct text last = {text.at + start, text.length - start};
        utf8proc_ssize_t length = read_one(last, &c);
        if (length != (utf8proc_ssize_t)last.length || !is_blank(c)) break;
        text.length = start;
    }
    return text;
}

struct text canonical_trim_ends(struct text text) {
    return trim_back(trim_front(text));
}

/* ---- the form ---- */

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Returns a word in which the upper bit of a byte is set where that byte is not ASCII or, if the
 * rule makes letters small, is a capital. The sums leave the upper bits out, so that no byte
 * carries into the next. */
static inline uint64_t not_plain(uint64_t eight, enum canonical_case letters) {
    uint64_t marks = eight, low = eight & EACH(0x7f);
    if (letters == CANONICAL_SMALL)
        marks |= (low + EACH(0x80 - 'A')) & ~(low + EACH(0x80 - ('Z' + 1)));
    return marks & EACH(0x80);
}

/* Is the text its own form? Most texts are. It looks at eight bytes at a time; the last eight
 * overlap. */
static inline bool is_plain(struct text text, enum canonical_case letters) {
    uint64_t eight = 0, marks = 0;
    if (text.length < 8) {
        for (uint32_t i = 0; i < text.length; i++) eight = eight << 8 | (unsigned char)text.at[i];
        return not_plain(eight, letters) == 0;
    }
    for (uint32_t i = 0; i + 8 < text.length; i += 8) {
        memcpy(&eight, text.at + i, 8);
        marks |= not_plain(eight, letters);
    }
    memcpy(&eight, text.at + text.length - 8, 8);
    return (marks | not_plain(eight, letters)) == 0;
}

/* Reads UTF-8 into composed code points. *count is negative where the text is not UTF-8. */
static void read_composed(struct text text, utf8proc_int32_t *points, utf8proc_ssize_t room,
                          utf8proc_ssize_t *count) {
    *count = utf8proc_decompose((const utf8proc_uint8_t *)text.at, (utf8proc_ssize_t)text.length,
                                points, room, UTF8PROC_DECOMPOSE | UTF8PROC_STABLE);
    if (*count > room) *count = -1;
    if (*count > 0)
        *count = utf8proc_normalize_utf32(points, *count, UTF8PROC_COMPOSE | UTF8PROC_STABLE);
}

static enum status write_points(const utf8proc_int32_t *points, utf8proc_ssize_t count,
                                enum canonical_case letters, struct buffer *out) {
    enum status status = STATUS_OK;
    utf8proc_int32_t letter = 0; /* the letter that the marks stand on */
    for (utf8proc_ssize_t i = 0; status == STATUS_OK && i < count; i++) {
        utf8proc_uint8_t bytes[4];
        utf8proc_int32_t c = points[i];
        if (is_invisible(c)) continue;
        if (letters == CANONICAL_SMALL) {
            /* "İ" becomes "i", also when it comes in two code points */
            if (c == DOT_ABOVE && letter == 'i') continue;
            c = small_letter(c);
        }
        if (utf8proc_get_property(c)->combining_class == 0) letter = c;
        status = buffer_append(out, bytes, (size_t)utf8proc_encode_char(c, bytes));
    }
    return status;
}

/* Does one pass over `text`, which must not lie in `out`. */
static enum status form_once(struct text text, enum canonical_case letters, struct buffer *out) {
    utf8proc_int32_t few[POINTS_FEW], *points = few;
    utf8proc_ssize_t room = (utf8proc_ssize_t)text.length * DECOMPOSED_MAX, count;
    text = canonical_trim(text);
    if (room > POINTS_FEW) points = memory_alloc((size_t)room * sizeof *points);
    if (points == NULL) return STATUS_NO_MEMORY;
    read_composed(text, points, room > POINTS_FEW ? room : POINTS_FEW, &count);
    enum status status = count < 0 ? STATUS_INVALID : write_points(points, count, letters, out);
    if (points != few) memory_free(points);
    return status;
}

enum status canonical_append(struct text text, enum canonical_case letters, struct buffer *out) {
    struct buffer other;
    size_t start = out->length;
    text = canonical_trim(text);
    if (is_plain(text, letters)) return buffer_append_text(out, text);
    enum status status = form_once(text, letters, out);
    buffer_init(&other);
    for (int pass = 1; status == STATUS_OK && pass < FORM_PASSES_MAX; pass++) {
        struct text form = {out->at + start, (uint32_t)(out->length - start)};
        if (is_plain(form, CANONICAL_SMALL)) break;
        buffer_clear(&other);
        status = form_once(form, letters, &other);
        if (status != STATUS_OK || text_equal(form, buffer_text(&other))) break;
        out->length = start;
        status = buffer_append_text(out, buffer_text(&other));
    }
    buffer_release(&other);
    if (status != STATUS_OK) out->length = start;
    return status;
}

static enum status form_in_arena(struct text text, enum canonical_case letters, struct arena *arena,
                                 struct text *out) {
    struct buffer form;
    buffer_init(&form);
    enum status status = canonical_append(text, letters, &form);
    if (status == STATUS_OK && !text_equal(buffer_text(&form), text)) {
        *out = arena_text(arena, buffer_text(&form));
        status = out->at ? STATUS_OK : STATUS_NO_MEMORY;
    }
    buffer_release(&form);
    return status;
}

enum status canonical_text(struct text text, enum canonical_case letters, struct arena *arena,
                           struct text *out) {
    *out = text = canonical_trim(text);
    return is_plain(text, letters) ? STATUS_OK : form_in_arena(text, letters, arena, out);
}

bool canonical_equal(struct text a, struct text b, enum canonical_case letters) {
    struct buffer forms[2];
    a = canonical_trim(a);
    b = canonical_trim(b);
    if (text_equal(a, b)) return true;
    if (letters == CANONICAL_AS_WRITTEN && is_plain(a, letters) && is_plain(b, letters))
        return false;
    buffer_init(&forms[0]);
    buffer_init(&forms[1]);
    bool equal = canonical_append(a, letters, &forms[0]) == STATUS_OK &&
                 canonical_append(b, letters, &forms[1]) == STATUS_OK &&
                 text_equal(buffer_text(&forms[0]), buffer_text(&forms[1]));
    buffer_release(&forms[0]);
    buffer_release(&forms[1]);
    return equal;
}

/* ---- fillers ---- */

#define FILLER_BYTES_MAX 24

#define WORD(literal, whose)                                                                       \
    { {literal, sizeof(literal) - 1}, FILLER_OF_##whose }
/* Sorted by bytes, small letters. */
static const struct {
    struct text word;
    enum filler filler;
} words[] = {
    WORD("#bezug!", PROGRAMS),
    WORD("#blocked!", PROGRAMS),
    WORD("#busy!", PROGRAMS),
    WORD("#calc!", PROGRAMS),
    WORD("#connect!", PROGRAMS),
    WORD("#div/0!", PROGRAMS),
    WORD("#error!", PROGRAMS),
    WORD("#field!", PROGRAMS),
    WORD("#getting_data", PROGRAMS),
    WORD("#n/a", PROGRAMS),
    WORD("#n/a!", PROGRAMS),
    WORD("#n/b", PROGRAMS),
    WORD("#n/d", PROGRAMS),
    WORD("#name?", PROGRAMS),
    WORD("#null!", PROGRAMS),
    WORD("#num!", PROGRAMS),
    WORD("#nv", PROGRAMS),
    WORD("#ref!", PROGRAMS),
    WORD("#spill!", PROGRAMS),
    WORD("#unknown!", PROGRAMS),
    WORD("#value!", PROGRAMS),
    WORD("#wert!", PROGRAMS),
    WORD("#zahl!", PROGRAMS),
    WORD("(blank)", PEOPLE),
    WORD("(empty)", PEOPLE),
    WORD("(leer)", PEOPLE),
    WORD("(nil)", PROGRAMS),
    WORD("(none)", PEOPLE),
    WORD("(not provided)", PROGRAMS),
    WORD("(not set)", PROGRAMS),
    WORD("(null)", PROGRAMS),
    WORD("(unknown)", PEOPLE),
    WORD("-infinity", PROGRAMS),
    WORD("<blank>", PEOPLE),
    WORD("<empty>", PEOPLE),
    WORD("<na>", PROGRAMS),
    WORD("<nil>", PROGRAMS),
    WORD("<none>", PEOPLE),
    WORD("<null>", PROGRAMS),
    WORD("<unknown>", PEOPLE),
    WORD("[]", PROGRAMS),
    WORD("[null]", PROGRAMS),
    WORD("[object object]", PROGRAMS),
    WORD("\\\\n", PROGRAMS),
    WORD("\\n", PROGRAMS),
    WORD("aucun", PEOPLE),
    WORD("dbnull", PROGRAMS),
    WORD("desconocido", PEOPLE),
    WORD("empty", PEOPLE),
    WORD("false", PEOPLE),
    WORD("geen", PEOPLE),
    WORD("inconnu", PEOPLE),
    WORD("infinity", PROGRAMS),
    WORD("k. a.", PEOPLE),
    WORD("k.a", PEOPLE),
    WORD("k.a.", PEOPLE),
    WORD("keine", PEOPLE),
    WORD("keine angabe", PEOPLE),
    WORD("leer", PEOPLE),
    WORD("missing", PEOPLE),
    WORD("n. a.", PEOPLE),
    WORD("n.a", PEOPLE),
    WORD("n.a.", PEOPLE),
    WORD("n.d", PEOPLE),
    WORD("n.d.", PEOPLE),
    WORD("n.v.", PEOPLE),
    WORD("n/a", PEOPLE),
    WORD("n/d", PEOPLE),
    WORD("n/k", PEOPLE),
    WORD("n/v", PEOPLE),
    WORD("n\\a", PEOPLE),
    WORD("na", PEOPLE),
    WORD("na.", PEOPLE),
    WORD("nan", PROGRAMS),
    WORD("nat", PROGRAMS),
    WORD("nessuno", PEOPLE),
    WORD("nicht bekannt", PEOPLE),
    WORD("nil", PEOPLE),
    WORD("ninguno", PEOPLE),
    WORD("no", PEOPLE),
    WORD("no data", PEOPLE),
    WORD("no value", PEOPLE),
    WORD("none", PEOPLE),
    WORD("not applicable", PEOPLE),
    WORD("not available", PEOPLE),
    WORD("not known", PEOPLE),
    WORD("not provided", PEOPLE),
    WORD("not set", PEOPLE),
    WORD("null", PROGRAMS),
    WORD("onbekend", PEOPLE),
    WORD("sconosciuto", PEOPLE),
    WORD("tbd", PEOPLE),
    WORD("true", PEOPLE),
    WORD("unbekannt", PEOPLE),
    WORD("undefined", PROGRAMS),
    WORD("vide", PEOPLE),
    WORD("yes", PEOPLE),
    WORD("{null}", PROGRAMS),
    WORD("{}", PROGRAMS),
};
#define WORD_COUNT (sizeof words / sizeof *words)

/* For each first letter, which lengths the words have: bit n is set where a word has n bytes. First
 * letter and length tell most identifiers apart from all words. */
#define LENGTH(n) (UINT32_C(1) << (n))
static const uint32_t word_lengths['z' - 'a' + 1] = {
    ['a' - 'a'] = LENGTH(5),
    ['d' - 'a'] = LENGTH(6) | LENGTH(11),
    ['e' - 'a'] = LENGTH(5),
    ['f' - 'a'] = LENGTH(5),
    ['g' - 'a'] = LENGTH(4),
    ['i' - 'a'] = LENGTH(7) | LENGTH(8),
    ['k' - 'a'] = LENGTH(3) | LENGTH(4) | LENGTH(5) | LENGTH(12),
    ['l' - 'a'] = LENGTH(4),
    ['m' - 'a'] = LENGTH(7),
    ['n' - 'a'] = LENGTH(2) | LENGTH(3) | LENGTH(4) | LENGTH(5) | LENGTH(7) | LENGTH(8) |
                  LENGTH(9) | LENGTH(12) | LENGTH(13) | LENGTH(14),
    ['o' - 'a'] = LENGTH(8),
    ['s' - 'a'] = LENGTH(11),
    ['t' - 'a'] = LENGTH(3) | LENGTH(4),
    ['u' - 'a'] = LENGTH(9),
    ['v' - 'a'] = LENGTH(4),
    ['y' - 'a'] = LENGTH(3),
};

/* May a text that begins with a letter be one of the words? */
static bool may_be_word(struct text text) {
    return text.length <= FILLER_BYTES_MAX &&
           (word_lengths[(text.at[0] | 0x20) - 'a'] & LENGTH(text.length)) != 0;
}

static enum filler word_filler(struct text text) {
    char small[FILLER_BYTES_MAX];
    size_t low = 0, high = WORD_COUNT;
    for (uint32_t i = 0; i < text.length; i++)
        small[i] = (char)small_letter((unsigned char)text.at[i] < 0x80 ? text.at[i] : '\0');
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = text_compare(words[middle].word, (struct text){small, text.length});
        if (order == 0) return words[middle].filler;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return FILLER_NONE;
}

/* Is the text made of marks alone, such as "?", "-", "--" or "."? A single minus is no number. */
static bool is_marks(struct text text) {
    static const struct text wide[] = {
        {"\xE2\x80\x93", 3}, {"\xE2\x80\x94", 3}, {"\xE2\x80\xA6", 3}};
    uint32_t at = 0;
    while (at < text.length) {
        char c = text.at[at];
        uint32_t step = c == '?' || c == '-' || c == '.' || c == '_' || c == '/' || c == '*' ||
                        c == '#' || c == '!' || c == ',' || c == ';' || c == ':' || c == ' ';
        for (size_t i = 0; step == 0 && i < sizeof wide / sizeof *wide; i++) {
            struct text rest = {text.at + at, text.length - at};
            if (text_starts_with(rest, wide[i])) step = wide[i].length;
        }
        if (step == 0) return false;
        at += step;
    }
    return text.length > 0;
}

static uint32_t digits_from(struct text text, uint32_t at) {
    uint32_t count = 0;
    while (at + count < text.length && text.at[at + count] >= '0' && text.at[at + count] <= '9')
        count++;
    return count;
}

/* Is it one digit, perhaps a fraction, E and an exponent: 1.23457E+12, 1,23457E+12, 1E+12? Without
 * a fraction the exponent must have a sign, since 1E12 may be a code. */
static bool has_lost_digits(struct text text) {
    uint32_t at = text.length > 0 && (text.at[0] == '-' || text.at[0] == '+');
    if (digits_from(text, at) != 1 || ++at >= text.length) return false;
    bool fraction = text.at[at] == '.' || text.at[at] == ',';
    if (fraction) {
        uint32_t count = digits_from(text, at + 1);
        if (count == 0) return false;
        at += 1 + count;
    }
    if (at >= text.length || (text.at[at] | 0x20) != 'e') return false;
    at++;
    bool sign = at < text.length && (text.at[at] == '+' || text.at[at] == '-');
    at += sign;
    uint32_t count = digits_from(text, at);
    return (fraction || sign) && count > 0 && at + count == text.length;
}

static bool is_between(struct text text, struct text begin, struct text end) {
    struct text last = {text.at + text.length - end.length, end.length};
    return text.length >= begin.length + end.length && text_starts_with(text, begin) &&
           text_equal(last, end);
}

/* Is it a field of a mailing or a template that nobody filled in: {{user.id}}, ${id}, *|EMAIL|*? */
static bool is_unfilled(struct text text) {
    static const struct {
        struct text begin, end;
    } marks[] = {{{"{{", 2}, {"}}", 2}}, {{"${", 2}, {"}", 1}},  {{"%%", 2}, {"%%", 2}},
                 {{"*|", 2}, {"|*", 2}}, {{"<%", 2}, {"%>", 2}}, {{"[[", 2}, {"]]", 2}}};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        if (is_between(text, marks[i].begin, marks[i].end)) return true;
    }
    return false;
}

/* Is it an error of a spreadsheet, in any language: #NOMBRE?, #VALEUR!? */
static bool is_sheet_error(struct text text) {
    char end = text.at[text.length - 1];
    if (text.at[0] != '#' || text.length < 4 || (end != '!' && end != '?')) return false;
    for (uint32_t i = 1; i + 1 < text.length; i++) {
        char c = text.at[i];
        bool letter = ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (unsigned char)c >= 0x80;
        if (!letter && c != '/' && c != '0') return false;
    }
    return true;
}

/* Takes the quotes off 'NULL' and "", which a program writes that quotes twice. */
static struct text without_quotes(struct text text) {
    char c = text.at[0];
    if ((c != '\'' && c != '"') || text.length < 2 || text.at[text.length - 1] != c) return text;
    return canonical_trim((struct text){text.at + 1, text.length - 2});
}

enum filler canonical_filler(struct text text) {
    text = canonical_trim(text);
    if (text.length == 0) return FILLER_NONE;
    text = without_quotes(text);
    if (text.length == 0) return FILLER_OF_PROGRAMS;
    char c = text.at[0];
    bool letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
    if (letter) return may_be_word(text) ? word_filler(text) : FILLER_NONE;
    bool number = c >= '0' && c <= '9';
    /* Most numbers and codes: a figure in scientific notation has one digit before the rest. */
    if (number && text.length > 1 && text.at[1] >= '0' && text.at[1] <= '9') return FILLER_NONE;
    if (memchr("{$%*<[", c, 6) != NULL && is_unfilled(text)) return FILLER_OF_PROGRAMS;
    if (text.length > FILLER_BYTES_MAX) return FILLER_NONE;
    if (is_sheet_error(text)) return FILLER_OF_PROGRAMS;
    if (number || c == '+' || c == '-') {
        if (has_lost_digits(text)) return FILLER_LOST_DIGITS;
        if (number) return FILLER_NONE;
    }
    if (memchr(text.at, '@', text.length) != NULL) return FILLER_NONE;
    return is_marks(text) ? FILLER_OF_PEOPLE : word_filler(text);
}
