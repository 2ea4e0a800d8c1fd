/* SPDX-License-Identifier: Apache-2.0 */
/* base/canonical.h -- the one form of a text that names somebody or something.
 *
 * Identifiers, row keys, keys of lookups and the targets of relations come from many hands: one
 * program pads them, another writes capitals, a third pastes them with a no-break space behind. Two
 * spellings that mean the same must meet, so each of these texts is brought into one form before it
 * is compared, hashed or stored:
 *
 *   1  blanks at the ends go: those of Unicode, control characters, and characters that show
 *      nothing (zero width, byte order mark, direction marks); soft hyphens and zero-width
 *      characters that only break lines go everywhere
 *   2  composed characters are composed (NFC): "u" with a dots-above mark is "ü"
 *   3  where the rule says so, capitals become small letters, one letter for one: "Ü" is "ü",
 *      the final sigma is a sigma. "ß" is not "ss": those are two addresses
 *
 * The form of a form is itself; a property test holds that. utf8proc knows the characters. A short
 * ASCII text without capitals is its own form and costs one look at its bytes. Pure; any thread. */
#ifndef BASE_CANONICAL_H
#define BASE_CANONICAL_H

#include "base/arena.h"
#include "base/text.h"

enum canonical_case { CANONICAL_AS_WRITTEN, CANONICAL_SMALL };

/* Returns the text without the blanks of step 1 at its ends. `text` must be UTF-8; the result
 * borrows from it. Most texts have no such blanks. */
struct text canonical_trim_ends(struct text text);
static inline struct text canonical_trim(struct text text) {
    if (text.length == 0) return text;
    unsigned char first = (unsigned char)text.at[0], last = (unsigned char)text.at[text.length - 1];
    bool plain = first > ' ' && first < 0x7f && last > ' ' && last < 0x7f;
    return plain ? text : canonical_trim_ends(text);
}
/* Appends the canonical form to `out`. STATUS_INVALID where the text is not UTF-8. */
enum status canonical_append(struct text text, enum canonical_case letters,
                             struct buffer *out) MUST_USE;
/* Returns the canonical form: the text itself where it is its own form, else a text in the arena.
 * STATUS_INVALID or STATUS_NO_MEMORY. */
enum status canonical_text(struct text text, enum canonical_case letters, struct arena *arena,
                           struct text *out) MUST_USE;
/* Does step 3 alone: it makes letters small and changes nothing else. A text that is not UTF-8
 * stays as it is. The result is the text itself or lies in the arena. STATUS_NO_MEMORY. */
enum status canonical_small(struct text text, struct arena *arena, struct text *out) MUST_USE;
/* Do two texts have the same canonical form? False where one is not UTF-8 or memory is short. */
bool canonical_equal(struct text a, struct text b, enum canonical_case letters);

/* Words that databases, spreadsheets and people write where nothing is known. */
enum filler {
    FILLER_NONE,
    /* A program wrote it and nobody means it: \N, NULL, (null), #REF!, NaN, undefined, [object
     * Object]. */
    FILLER_OF_PROGRAMS,
    /* A person wrote it where nothing is known: n/a, none, ?, false. It may be a word of a list. */
    FILLER_OF_PEOPLE,
    /* A spreadsheet made it of a long number, as 1.23457E+12; the digits are lost. */
    FILLER_LOST_DIGITS,
};
/* Judges `text` as it came: blanks and capitals do not matter. */
enum filler canonical_filler(struct text text);

#endif
