/* SPDX-License-Identifier: Apache-2.0 */
/* profile/landmark.h -- who counts at the dates at which customers are compared.
 *
 * Customers who left long ago do not come back, and would only lower the rates. So a customer
 * counts at a landmark where it was active within the playbook's `active_within` before it. */
#ifndef PROFILE_LANDMARK_H
#define PROFILE_LANDMARK_H

#include "profile/profile.h"

/* Was there a visit (`visits_only`), or else any event of the customer's own and not one that
 * Attune writes (a decision, a delivery), in (t − active_within, t], known by t? */
bool landmark_was_active(const struct customer_data *data, const struct timeline *timeline,
                         int64_t t_ms);

#endif
