/* SPDX-License-Identifier: Apache-2.0 */
/* server/take/form.h -- bodies of application/x-www-form-urlencoded: "To=%2B13125550100&Body=a+b".
 *
 * Values are decoded once: '+' is a blank, %XX a byte; a percent sign without two hex digits stands
 * for itself. A text message may hold line ends, so control characters are values like any other.
 * Pure but for the arena. Any thread. */
#ifndef SERVER_TAKE_FORM_H
#define SERVER_TAKE_FORM_H

#include "base/arena.h"

#define FORM_PAIRS_MAX 1024u

struct form_pair {
    struct text name, value;
};
struct form {
    struct form_pair *pairs; /* in the order of the body */
    size_t count;
};
/* STATUS_LIMIT: more than FORM_PAIRS_MAX. STATUS_NO_MEMORY. */
enum status form_read(struct form *out, struct text body, struct arena *arena) MUST_USE;
/* The first of that name; empty where there is none. */
struct text form_value(const struct form *form, struct text name);

#endif
