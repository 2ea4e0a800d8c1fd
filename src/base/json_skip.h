/* SPDX-License-Identifier: Apache-2.0 */
/* base/json_skip.h -- steps over JSON text without parsing it.
 *
 * For the places where one member is wanted as it was written, before or beside the parser: it
 * costs one pass over the bytes and no memory. The text may be anything: these functions never read
 * beyond `end`, and of text that is no JSON they may step over too little or too much. Pure; any
 * thread. */
#ifndef BASE_JSON_SKIP_H
#define BASE_JSON_SKIP_H

#include "base/text.h"

/* Steps over blanks, commas and colons. */
const char *json_skip_space(const char *at, const char *end);
/* Steps over the string whose quote stands at `at`, and its closing quote. */
const char *json_skip_string(const char *at, const char *end);
/* Steps over the value that begins at `at`. A bracket that closes nothing is not stepped over. */
const char *json_skip_value(const char *at, const char *end);
/* Returns the next value, without the blanks before it, and steps over it. */
struct text json_value_at(const char **at, const char *end);
/* Returns the value of the object's member as it was written, quotes included; `at` NULL where the
 * text is no object or has no such member. Of a member given twice the first counts. Names that are
 * written with escapes are not found. */
struct text json_member_as_written(struct text object, struct text name);

#endif
