/* SPDX-License-Identifier: Apache-2.0 */
#include "base/word.h"

#include "base/canonical.h"

#define SLIPS_MAX   2
#define SHORT_BYTES 5 /* in a shorter word one slip only is a slip */

struct folded {
    char bytes[2 * WORD_BYTES_MAX];
    struct text text;     /* parted by one '_' each */
    struct text squeezed; /* not parted at all */
    char squeezed_bytes[2 * WORD_BYTES_MAX];
};

static bool parts(char c) {
    return c == ' ' || c == '_' || c == '-' || c == '.';
}

/* False: it is too long, or no text. */
static bool fold(struct text word, struct folded *out) {
    struct buffer form;
    bool good = false;
    *out = (struct folded){.text = {out->bytes, 0}, .squeezed = {out->squeezed_bytes, 0}};
    word = canonical_trim(word);
    if (word.length == 0 || word.length > WORD_BYTES_MAX) return false;
    buffer_init(&form);
    if (canonical_append(word, CANONICAL_SMALL, &form) == STATUS_OK &&
        form.length <= sizeof out->bytes) {
        good = true;
        for (size_t i = 0; i < form.length; i++) {
            char c = form.at[i];
            bool gap = parts(c);
            bool after_gap = out->text.length > 0 && out->bytes[out->text.length - 1] == '_';
            if (!gap || !after_gap) out->bytes[out->text.length++] = gap ? '_' : c;
            if (!gap) out->squeezed_bytes[out->squeezed.length++] = c;
        }
    }
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
