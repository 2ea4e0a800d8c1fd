/* SPDX-License-Identifier: Apache-2.0 */
/* server/ask/outcome.h -- POST /v1/outcome: what became of a decision, by its id or its token.
 *
 * One outcome, or up to OUTCOMES_MAX in `outcomes`; the answer has each one's own status, in their
 * order. 200 once all are durable. The same again is a repeat, so a client may send it again after
 * any failure. */
#ifndef SERVER_ASK_OUTCOME_H
#define SERVER_ASK_OUTCOME_H

#include "server/http/http.h"

#define OUTCOMES_MAX 100u

void outcome_post(struct http_call *call);

#endif
