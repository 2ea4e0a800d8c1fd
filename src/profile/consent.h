/* SPDX-License-Identifier: Apache-2.0 */
/* profile/consent.h -- what a customer had agreed to as of t, read from the timeline.
 *
 * Words are the events *Consent Changed {purpose, state}* and *Opt In Changed {channel, state,
 * address, programme}* that happened and were known by t. A state is yes/no, or a
 * word that event/consent_state.h reads. Anything else, and never having said, is unknown, which no
 * funnel takes for a yes.
 *
 * Consent belongs to a purpose and a customer. A word speaks for the customer who its persona
 * belonged to when it was said; of customers that have merged since the more restrictive state
 * holds, until a later word speaks for all of them.
 *
 * A choice made on a device (categoryPreferences of the Segment spec) speaks for the customer where
 * it is a no; a yes speaks for that device alone and lifts nobody else's no.
 *
 * What a public source says (event/ids.h, persona_trust) is never an opt-in, and no yes to a
 * purpose where the device counts for a customer. A no holds.
 *
 * An opt-in belongs to a channel, an address and a programme, and a merge never carries a yes from
 * one address to another. A word without an address speaks of the addresses that its persona had;
 * where it had none, a no holds for all of the customer's addresses, and a yes for those that were
 * given together with an identifier of that persona. Where no address of the customer is known, or
 * the channel has none, it is judged as consent is. A word of no programme speaks of all of them,
 * but does not overrule the no of one.
 *
 * Of a timeline that was cut the oldest words are missing: then a yes is unknown where somebody
 * else's no could be among them.
 *
 * Needs TIMELINE_PACKED and TIMELINE_PERSONA. What can't be judged for want of memory is unknown.
 * */
#ifndef PROFILE_CONSENT_H
#define PROFILE_CONSENT_H

#include "event/symbol.h"
#include "profile/profile.h"

/* A customer is judged for so many addresses of one channel; the others are not permitted. */
#define PERMISSION_ADDRESSES_MAX 64

/* What a judgement looks up by name, kept for the next one. It belongs to one thread and to one
 * (playbook, symbols), and begins zeroed. */
struct permission_names {
    uint32_t properties; /* so many properties were known when the two below were looked up */
    uint32_t address, programme;
    bool has_messaging[CHANNEL_UNDECLARED + 1];
    struct messaging messaging[CHANNEL_UNDECLARED + 1]; /* by channel */
};

struct permission {
    const struct customer_data *data;
    const struct timeline *timeline;
    int64_t t_ms;
    uint64_t position; /* as of which personas belong to customers */
    struct permission_names *names;
};

struct value consent_at(const struct permission *permission, struct text purpose);
/* Returns the opt-in of one address of the channel. With an empty address: is there any that may be
 * used? */
struct value opt_in_at(const struct permission *permission, uint32_t channel, struct text programme,
                       struct text address);

#endif
