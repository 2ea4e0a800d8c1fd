/* SPDX-License-Identifier: Apache-2.0 */
/* server/ask/flags.h -- OpenFeature's remote evaluation protocol (OFREP 0.3), so that any
 * OpenFeature SDK can ask for a placement.
 *
 *   POST /ofrep/v1/evaluate/flags/{key}   one flag
 *   POST /ofrep/v1/evaluate/flags         all of them; If-None-Match and 304
 *
 * A flag is a placement of the playbook: its value is the key of the treatment that would stand in
 * the first slot, or the placement's fallback; or a segment, whose value is true or false. The
 * variant is the treatment's key; title, channel, content and the token stand in the metadata.
 * `context.targetingKey` says who it is, as {id} does elsewhere; members of the context that the
 * playbook declares are its context. A targeting key that nobody has is a customer without a past,
 * and no error.
 *
 * Evaluating is a dry run and no exposure: nothing is recorded, counted or reserved, until an
 * outcome (`shown`) is told by the token (POST /v1/outcome). */
#ifndef SERVER_ASK_FLAGS_H
#define SERVER_ASK_FLAGS_H

#include "server/http/http.h"

void flags_evaluate(struct http_call *call);
void flags_evaluate_all(struct http_call *call);

#endif
