/* SPDX-License-Identifier: Apache-2.0 */
/* server/ask/segments.h -- GET /v1/segments/{name}/count: how many customers are in it.
 *
 * A walk over everybody, so it runs in the server's lane, at most one at a time. */
#ifndef SERVER_ASK_SEGMENTS_H
#define SERVER_ASK_SEGMENTS_H

#include "server/http/http.h"

void segments_count(struct http_call *call);

#endif
