/* SPDX-License-Identifier: Apache-2.0 */
/* server/ask/decide.h -- POST /v1/decide: the next best actions for a customer.
 *
 *   {"customer": "email:ann@a.example", "placements": ["home_banner"], "context": {…}, "count": 2}
 *   {"identifiers": {"cookie": "k1"}, …}           who the customer is, where only the shop knows
 *   {"requests": [{…}, {…}]}                       up to DECIDE_REQUESTS_MAX customers at once
 *
 * The handler decides in its listening thread; what is recorded is answered once it is written
 * (engine/live/live_decision.h). Of a list each request has its own answer or its own problem, so
 * one customer who is unknown spoils nothing. Where the queue is full, nothing of a single request
 * was taken, and it is a 503; of a list what was recorded is recorded, and the others say so. */
#ifndef SERVER_ASK_DECIDE_H
#define SERVER_ASK_DECIDE_H

#include "server/http/http.h"

#define DECIDE_REQUESTS_MAX 100u

void decide_post(struct http_call *call);

#endif
