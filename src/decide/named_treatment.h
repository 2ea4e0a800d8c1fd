/* SPDX-License-Identifier: Apache-2.0 */
/* decide/named_treatment.h -- the treatment that an event names, such as the one that a Treatment
 * Delivered delivered. */
#ifndef DECIDE_NAMED_TREATMENT_H
#define DECIDE_NAMED_TREATMENT_H

#include "profile/profile.h"

/* The event's property `treatment`; empty where it has none. Valid until the next row is unpacked.
 */
struct text named_treatment_key(const struct timeline *timeline, uint32_t row);
/* The treatment as described in the millisecond before the event; where nothing known then tells,
 * as treatment_history_delivered says, by what was known by by_ms. NULL where the event names none
 * of the playbook's. */
enum status named_treatment(const struct customer_data *data, const struct timeline *timeline,
                            uint32_t row, int64_t by_ms, const struct treatment **out,
                            struct error *error) MUST_USE;

#endif
