/* SPDX-License-Identifier: Apache-2.0 */
#include "base/word.h"

#include "base/canonical.h"

#define SLIPS_MAX   2
#define SHORT_BYTES 5 /* in a shorter word only one slip counts as a slip */

struct folded {
    char bytes[2 * WORD_BYTES_MAX];
    struct text text;     /* parts joined by one '_' */
    struct text squeezed; /* parts joined by nothing */
    char squeezed_bytes[2 * WORD_BYTES_MAX];
};

static bool parts(char c) {
    return c == ' ' || c == '_' || c == '-' || c == '.';
}

static void put(struct folded *out, char c) {
    bool gap = parts(c);
    bool after_gap = out->text.length > 0 && out->bytes[out->text.length - 1] == '_';
    if (!gap || !after_gap) out->bytes[out->text.length++] = gap ? '_' : c;
    if (!gap) out->squeezed_bytes[out->squeezed.length++] = c;
}

/* Folds a word of ASCII, as most are; it needs no memory. */
static bool fold_ascii(struct text word, struct folded *out) {
    for (uint32_t i = 0; i < word.length; i++) {
        char c = word.at[i];
        if ((unsigned char)c >= 0x80) return false;
        put(out, c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c);
    }
    return true;
}

/* Returns false where the word is too long or not UTF-8. */
static bool fold(struct text word, struct folded *out) {
    struct buffer form;
    word = canonical_trim(word);
    if (word.length == 0 || word.length > WORD_BYTES_MAX) return false;
    out->text = (struct text){out->bytes, 0};
    out->squeezed = (struct text){out->squeezed_bytes, 0};
    if (fold_ascii(word, out)) return true;
    out->text.length = out->squeezed.length = 0;
    buffer_init(&form);
    bool good = canonical_append(word, CANONICAL_SMALL, &form) == STATUS_OK &&
                form.length <= sizeof out->bytes;
    for (size_t i = 0; good && i < form.length; i++) put(out, form.at[i]);
    buffer_release(&form);
    return good;
}

static bool is_near(const struct folded *a, const struct folded *b) {
    uint32_t limit =
        a->squeezed.length < SHORT_BYTES || b->squeezed.length < SHORT_BYTES ? 1 : SLIPS_MAX;
    if (a->squeezed.length < 2 || b->squeezed.length < 2) return false;
    return text_equal(a->squeezed, b->squeezed) || text_distance(a->text, b->text, limit) <= limit;
}

enum word_found word_find(struct text word, const struct text *known, size_t count, size_t *index) {
    struct folded folded, other;
    enum word_found found = WORD_STRANGE;
    for (*index = 0; *index < count; ++*index) {
        if (text_equal(word, known[*index])) return WORD_KNOWN; /* nearly always */
    }
    *index = 0;
    if (!fold(word, &folded)) return WORD_STRANGE;
    for (size_t i = 0; i < count; i++) {
        if (!fold(known[i], &other)) continue;
        if (text_equal(folded.text, other.text)) {
            *index = i;
            return WORD_KNOWN;
        }
        if (found == WORD_NEAR || !is_near(&folded, &other)) continue;
        found = WORD_NEAR;
        *index = i;
    }
    return found;
}
