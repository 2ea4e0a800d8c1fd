/* SPDX-License-Identifier: Apache-2.0 */
/* engine/erase/erased_values.h -- the identifiers of one customer who is erased, found by their
 * text.
 *
 * Quarantined rows and relations are compared with them word by word; a card with 200,000 cookies
 * must not be walked for each word. So their canonical forms are hashed and sorted once. One
 * thread. */
#ifndef ENGINE_ERASE_ERASED_VALUES_H
#define ENGINE_ERASE_ERASED_VALUES_H

#include "identity/identity.h"

/* A shorter value ("1") means nothing outside its own column. */
#define VALUE_BYTES_TELLING 6

struct erased_value {
    uint64_t hash; /* of its canonical form in small letters */
    struct text value;
    uint32_t type;
};
struct erased_values {
    struct erased_value *items; /* by hash */
    size_t count;
    struct text *split; /* those that a separator divides: no word of a text is one of them */
    size_t split_count;
    struct buffer form; /* scratch */
    enum status status; /* the first failure: nothing that was said is proved */
};

/* The texts are borrowed from the erasure's identity, until it forgets them. */
enum status erased_values_init(struct erased_values *values,
                               const struct identity_erasure *erasure) MUST_USE;
void erased_values_release(struct erased_values *values);
/* Is the text one of them, however it is capitalised? Of this type; SYMBOL_NONE: of any type. */
bool erased_values_have(struct erased_values *values, uint32_t type, struct text text);
/* The same for any type, if the value tells by itself. */
bool erased_values_tell(struct erased_values *values, struct text text);
/* Stands one of them that tells by itself in the text, between separators? */
bool erased_values_in(struct erased_values *values, struct text text);

/* A character that no word of a text has. */
bool is_separator(char c);

#endif
