/* SPDX-License-Identifier: Apache-2.0 */
/* server/ask/ask_routes.h -- what a shop, an agent's screen or an analyst asks: decisions,
 * outcomes, customers, segments, flags.
 *
 *   POST /v1/decide                      the next best actions for a customer at placements
 *   POST /v1/outcome                     what became of a decision
 *   GET  /v1/customers/{id}              identifiers, traits, segments, scenarios
 *   GET  /v1/customers/{id}/timeline     events, the newest first, page by page
 *   GET  /v1/customers/{id}/traits       traits and segments alone
 *   GET  /v1/customers/{id}/why-not      why an action is not offered, and when it would be
 *   GET  /v1/segments/{name}/count       how many customers are in it
 *   POST /ofrep/v1/evaluate/flags[/…]    placements and segments as flags (OpenFeature)
 *   GET  /openapi.json                   all of it, as OpenAPI 3.1
 *
 * {id} is "C12", TYPE:VALUE or a bare identifier that only one customer has, as on the command
 * line. `?at=` asks as known at another time. Answers have the keys of `attune … --json`
 * (docs/commands.md). */
#ifndef SERVER_ASK_ASK_ROUTES_H
#define SERVER_ASK_ASK_ROUTES_H

#include "server/http/http.h"

struct http_routes ask_routes(void);

#endif
