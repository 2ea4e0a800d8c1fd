/* SPDX-License-Identifier: Apache-2.0 */
/* event/ids.h -- ids as one-field structs, so that a customer can't be passed for a persona. */
#ifndef EVENT_IDS_H
#define EVENT_IDS_H

#include <stdbool.h>
#include <stdint.h>

#define ID_NONE UINT32_MAX

struct identifier_id {
    uint32_t value;
}; /* dense: 0, 1, 2 … in order of first sight */
struct persona_id {
    uint32_t value;
}; /* dense: 0, 1, 2 … */
/* The lowest identifier id in the customer's component; printed "C123". */
struct customer_id {
    uint32_t value;
};

/* What the rows of a persona are believed, as of some (t, position). */
enum persona_trust {
    PERSONA_VERIFIED,
    PERSONA_DEVICE,  /* of a public source; the device is nobody's as far as anybody knows */
    PERSONA_KNOWN,   /* of a public source; verified links say whose the device is */
    PERSONA_CLAIMED, /* of a public source; they count for a customer by a claim */
};

/* What a view shows: what happened by t and was known by t, of all that stands in the log below
 * `position`. */
struct as_of {
    int64_t t_ms;
    uint64_t position; /* exclusive; POSITION_NOW = everything applied */
};
#define POSITION_NOW UINT64_MAX

#endif
