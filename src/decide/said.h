/* SPDX-License-Identifier: Apache-2.0 */
/* decide/said.h -- what was said of the moment when a past treatment was decided.
 *
 *   Treatment Delivered {decision: id}  ──►  Decision Made {decision: id, context: {…}}
 *
 * Where the event names no decision, or the decision is not on the timeline, nothing was said. One
 * thread's. */
#ifndef DECIDE_SAID_H
#define DECIDE_SAID_H

#include "profile/profile.h"

struct json_parser;
struct said {
    const struct customer_data *data;
    uint32_t context; /* SYMBOL_PROPERTY */
    struct json_parser *parser;
    struct arena arena; /* texts of the values, of one row */
    struct value values[CONTEXT_PROPERTIES_MAX];
};
void said_init(struct said *said, const struct customer_data *data);
void said_release(struct said *said);
/* Do any of these traits read context? Otherwise nobody need be asked. */
bool said_is_asked(const struct customer_data *data, const uint32_t *traits, uint32_t count);
/* Makes the profile say what was said when the treatment that the row tells of was decided, until
 * the next call. */
enum status said_at_row(struct said *said, const struct timeline *timeline, uint32_t row,
                        struct profile *profile) MUST_USE;

#endif
