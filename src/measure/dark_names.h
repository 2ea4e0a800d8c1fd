/* SPDX-License-Identifier: Apache-2.0 */
/* measure/dark_names.h -- counts the names that nobody declared, in bounded memory.
 *
 * A stranger can send any number of names. Up to DARK_NAMES_COUNTED are counted exactly. Beyond
 * that the rarer half is dropped, and its values are counted together (Misra and Gries, 1982). A
 * frequent name stays, and its count is then a lower bound. Only measure/ uses this; one thread. */
#ifndef MEASURE_DARK_NAMES_H
#define MEASURE_DARK_NAMES_H

#include "base/arena.h"
#include "event/dark.h"

#define DARK_NAMES_COUNTED 8192
#define DARK_NAMES_LISTED  1000 /* in an answer */

struct dark_name {
    uint32_t source, event;
    struct text own_event; /* of EVENT_UNDECLARED */
    struct text field;     /* empty: the event itself */
    uint64_t count, bytes;
    uint8_t type;
};
struct dark_names {
    struct dark_name *names; /* open addressing */
    size_t count;
    struct arena arena;
};
void dark_names_init(struct dark_names *names);
void dark_names_release(struct dark_names *names);
enum status dark_names_add(struct dark_names *names, const struct dark_name *name) MUST_USE;
/* Moves the most frequent names, at most DARK_NAMES_LISTED, to the front of `names`; returns how
 * many. Nothing may be added afterwards. */
size_t dark_names_list(struct dark_names *names);

#endif
