/* SPDX-License-Identifier: Apache-2.0 */
/* base/text.h -- borrowed text with a length, growing buffers, and the few things we ask of text.
 *
 * `struct text` never owns and need not be terminated. Text that came from outside is UTF-8 once
 * text_is_utf8 said so. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "base/status.h"

struct text {
    const char *at;
    uint32_t length;
};

#define TEXT(literal)  ((struct text){(literal), (uint32_t)(sizeof(literal) - 1)})
#define TEXT_ARG(text) (int)(text).length, (text).at /* for "%.*s" */

static inline struct text text_from(const char *string) {
    return (struct text){string, (uint32_t)strlen(string)};
}
/* Names are short: up to 16 bytes are compared in two overlapping words. */
static inline bool text_equal(struct text a, struct text b) {
    uint64_t first[2], last[2];
    uint32_t short_first[2], short_last[2], length = a.length;
    if (length != b.length) return false;
    if (length > 16) return memcmp(a.at, b.at, length) == 0;
    if (length >= 8) {
        memcpy(&first[0], a.at, 8);
        memcpy(&first[1], b.at, 8);
        memcpy(&last[0], a.at + length - 8, 8);
        memcpy(&last[1], b.at + length - 8, 8);
        return ((first[0] ^ first[1]) | (last[0] ^ last[1])) == 0;
    }
    if (length >= 4) {
        memcpy(&short_first[0], a.at, 4);
        memcpy(&short_first[1], b.at, 4);
        memcpy(&short_last[0], a.at + length - 4, 4);
        memcpy(&short_last[1], b.at + length - 4, 4);
        return ((short_first[0] ^ short_first[1]) | (short_last[0] ^ short_last[1])) == 0;
    }
    return length == 0 || (a.at[0] == b.at[0] && a.at[length / 2] == b.at[length / 2] &&
                           a.at[length - 1] == b.at[length - 1]);
}
int text_compare(struct text a, struct text b);              /* bytes, then length; -1, 0, 1 */
bool text_equal_ignoring_case(struct text a, struct text b); /* ASCII only */
bool text_starts_with(struct text text, struct text prefix);
bool text_ends_with(struct text text, struct text suffix);
bool text_contains(struct text text, struct text part);
/* Takes what stands before the next `end` off *left, and the end with it; all of it where there is
 * none. False, and nothing taken, where nothing is left. */
bool text_cut(struct text *left, char end, struct text *out);
/* The same by lines, which end in \n or \r\n. */
bool text_cut_line(struct text *left, struct text *line);
struct text text_trim_space(struct text text);
/* Returns the text without ASCII white space at its ends. Most texts have none. */
static inline struct text text_trim(struct text text) {
    if (text.length == 0) return text;
    unsigned char first = (unsigned char)text.at[0], last = (unsigned char)text.at[text.length - 1];
    return first > ' ' && last > ' ' ? text : text_trim_space(text);
}
bool text_is_utf8(struct text text);
/* Returns the length of the UTF-8 character that the text begins with, 0 where there is none. */
uint32_t text_utf8_length(struct text text);
/* Does the whole text match the pattern, in which * and ? are wild? */
bool text_matches_glob(struct text text, struct text pattern);

/* The whole text must be the number, otherwise STATUS_INVALID. The decimal point is '.'; no locale.
 */
enum status text_to_int64(struct text text, int64_t *value) MUST_USE;
enum status text_to_double(struct text text, double *value) MUST_USE; /* finite only */
/* The nearest float, rounded once: a double that is cast may be rounded twice. Finite only. */
enum status text_to_float(struct text text, float *value) MUST_USE;

#define TEXT_DISTANCE_LIMIT_MAX 64
/* Optimal string alignment distance of bytes, capped: returns limit + 1 as soon as it must exceed
 * it. limit <= TEXT_DISTANCE_LIMIT_MAX. */
uint32_t text_distance(struct text a, struct text b, uint32_t limit);
/* Returns the candidate nearest to `name` (distance at most 2, or 1 for names under five), or {0}.
 * For "did you mean". */
struct text text_nearest(struct text name, const struct text *candidates, size_t count);
/* Returns STATUS_NOT_FOUND for a name that is not in `known`. The sentence begins with `what`: "the
 * playbook has no source" becomes "the playbook has no source ordres; did you mean orders?", or
 * lists what there is. */
enum status text_unknown(struct text name, const char *what, const struct text *known, size_t count,
                         struct error *error) MUST_USE;

/* A growing byte buffer. All appends return STATUS_NO_MEMORY and leave it as it was when they fail.
 */
struct buffer {
    char *at;
    size_t length;
    size_t capacity;
};
void buffer_init(struct buffer *buffer);
void buffer_release(struct buffer *buffer);
static inline void buffer_clear(struct buffer *buffer) {
    buffer->length = 0;
}
enum status buffer_grow(struct buffer *buffer, size_t more_bytes) MUST_USE;
/* Makes room for so many bytes more. */
static inline enum status buffer_reserve(struct buffer *buffer, size_t more_bytes) {
    return more_bytes <= buffer->capacity - buffer->length ? STATUS_OK
                                                           : buffer_grow(buffer, more_bytes);
}
enum status buffer_append(struct buffer *buffer, const void *bytes, size_t length) MUST_USE;
enum status buffer_append_text(struct buffer *buffer, struct text text) MUST_USE;
enum status buffer_format(struct buffer *buffer, const char *format, ...)
    PRINTF_LIKE(2, 3) MUST_USE;
/* Appends the number as printf's %.*f writes it, several times as fast. */
enum status buffer_append_fixed(struct buffer *buffer, double number, int decimals) MUST_USE;
static inline struct text buffer_text(const struct buffer *buffer) {
    return (struct text){buffer->at, (uint32_t)buffer->length};
}

#endif
