/* SPDX-License-Identifier: Apache-2.0 */
/* profile/consent.h -- what a customer had agreed to as of t, read from the timeline.
 *
 * The newest *Consent Changed {purpose, state}* or *Opt In Changed {channel, state}* that happened
 * and was known by t decides. State is yes/no, or text: granted, given, yes, true, in / withdrawn,
 * denied, no, false, out. Anything else, and never having said, is unknown, which no funnel takes
 * for a yes. Needs TIMELINE_PACKED. Pure. */
#ifndef PROFILE_CONSENT_H
#define PROFILE_CONSENT_H

#include "event/symbol.h"
#include "event/timeline.h"

struct value consent_at(const struct timeline *timeline, int64_t t_ms, struct text purpose);
struct value opt_in_at(const struct timeline *timeline, int64_t t_ms, struct text channel);

#endif
