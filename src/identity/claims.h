/* SPDX-License-Identifier: Apache-2.0 */
/* identity/claims.h -- what a public source says of identity: claims.
 *
 * A public source is one that anybody can write to, such as a page with a write key. What it says
 * of who somebody is can't be a link: a stranger could join two customers. So its events belong to
 * a device alone, and whoever the page says is sitting there is a claim of that device:
 *
 *   verified links:  crm:7 ── email:a          customer C3: what the forest says, as ever
 *                               ▲
 *   claims:          cookie:k1 ─┘              k1's events count for C3, marked
 *                    cookie:k1 ─ ─► email:b    kept and refused: k1 counts for C3
 *
 * A claim lies beside the forest and is no edge of it. Whoever asks for the customer of a device
 * goes to the root of its component, and from there, where the component is that device alone,
 * along its one claim that counts. So
 *
 *   - no claim joins two customers, or brings an identifier to one: a device that counts for C3
 *     comes and goes, and C3 is what its verified links say;
 *   - a claim that is taken back leaves everything as if it had never been;
 *   - a verified link of the device (a signed token, the shop's server) stands above all claims:
 *     the device then is whose its links say it is;
 *   - nothing follows two claims in a row: a device is never claimed. Types of identifiers are of
 *     devices (identifier_rule.device) or can be claimed.
 *
 * Of a device's claims the first counts: by known_ms, then by the priority of what is claimed, then
 * by content. As of (t, position) a claim is there iff known_ms <= t and it stands below
 * `position`, like a link.
 *
 * Limits. A customer gets at most devices_per_day_max devices a day by claims
 * (identity_set_claims_max), and CLAIMS_CUSTOMER_MAX in all; beyond them a claim is kept and
 * refused. Like the rate of a cashier's card this is judged when the claim comes, in order of
 * arrival. A device makes at most CLAIMS_DEVICE_MAX claims; further ones are only counted.
 *
 * Events of a public source have a persona of their own kind: the device, as seen by public
 * sources. So each row of a timeline tells whether it is believed.
 *
 * Threads: as in identity.h. */
#ifndef IDENTITY_CLAIMS_H
#define IDENTITY_CLAIMS_H

#include "identity/identity.h"

#define CLAIMS_DEVICE_MAX    16u
#define CLAIMS_CUSTOMER_MAX  1000u
#define CLAIMS_PER_DAY       10u    /* devices of a customer and day, by default */
#define CLAIMS_WITHDRAWN_MAX 65536u /* by one call */

/* From now on; the applier, outside of a call. 0: CLAIMS_PER_DAY. */
void identity_set_claims_max(struct identity *identity, uint32_t devices_per_day_max);

/* Which claims are meant: all for which everything holds that is said here. */
struct claims_scope {
    struct identifier_id identifier; /* that claims, or is claimed; ID_NONE: any */
    struct customer_id customer;     /* for whom they count, or would; ID_NONE: anybody */
    uint32_t source;                 /* SYMBOL_SOURCE; SYMBOL_NONE: any */
    int64_t from_ms, until_ms;       /* known in [from, until) */
};
/* From known_ms on these claims count as never made; with `restore` they count again. It holds
 * against later sightings of the same pair, too. *count: how many were changed. *more: there are
 * others beyond CLAIMS_WITHDRAWN_MAX: commit, and call again. Append, then commit or undo, as
 * identity_withdraw; with *count 0 nothing is begun, and there is nothing to commit. */
enum status identity_claims_withdraw(struct identity *identity, const struct claims_scope *scope,
                                     bool restore, int64_t known_ms, uint64_t position,
                                     struct identity_result *result, uint32_t *count, bool *more,
                                     struct error *error) MUST_USE;

/* Calls visit for each claim in the scope, in order of arrival, durable ones only. Takes the lock.
 * The link: strong is what is claimed, weak the device; is_claim is set. False stops. */
void identity_claims_visit(struct identity *identity, const struct claims_scope *scope,
                           bool (*visit)(void *context, const struct identity_link *link),
                           void *context);

/* "verified", "public" or "claimed". */
const char *persona_trust_name(enum persona_trust trust);
/* What a persona's rows are believed, as of then. Any thread, no locks. */
enum persona_trust identity_persona_trust(const struct identity *identity,
                                          struct persona_id persona, struct as_of as_of);

#endif
