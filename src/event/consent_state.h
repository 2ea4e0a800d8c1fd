/* SPDX-License-Identifier: Apache-2.0 */
/* event/consent_state.h -- reads the words that sources use for a consent, an opt-in or a relation.
 *
 *   yes  yes true y t 1 on, granted given accepted agreed allowed confirmed, in opt-in opted-in
 *        optin subscribed active, ja oui
 *   no   no false n f 0 off, withdrawn denied refused rejected declined revoked objected, out
 *        opt-out opted-out optout unsubscribed inactive ended blocked, nein non
 *
 * Case does not matter, nor whether blanks, hyphens or underscores part the words (base/word.h).
 * Pure; any thread. */
#ifndef EVENT_CONSENT_STATE_H
#define EVENT_CONSENT_STATE_H

#include "event/value.h"

/* Returns yes or no, or unknown where the value says neither. A yes/no value stays as it is; the
 * numbers 1 and 0 are read, too. */
struct value consent_state(struct value value);

#endif
