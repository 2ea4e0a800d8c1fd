/* SPDX-License-Identifier: Apache-2.0 */
/* event/consent_state.h -- what a word says of a consent, an opt-in or a relation: yes, no, or
 * nothing that can be read.
 *
 *   yes  yes true y t 1 on, granted given accepted agreed allowed confirmed, in opt-in opted-in
 *        optin subscribed active, ja oui
 *   no   no false n f 0 off, withdrawn denied refused rejected declined revoked objected, out
 *        opt-out opted-out optout unsubscribed inactive ended blocked, nein non
 *
 * In any case, parted as people like (base/word.h). Pure; any thread. */
#ifndef EVENT_CONSENT_STATE_H
#define EVENT_CONSENT_STATE_H

#include "event/value.h"

/* yes/no, or unknown. Yes/no stays; 1 and 0 as numbers are read, too. */
struct value consent_state(struct value value);

#endif
