/* SPDX-License-Identifier: Apache-2.0 */
/* server/take/take_routes.h -- what comes in: calls of analytics SDKs (segment.h), the documents
 * that they ask for first (settings.h), and the live tail of it (feed.h). */
#ifndef SERVER_TAKE_TAKE_ROUTES_H
#define SERVER_TAKE_TAKE_ROUTES_H

#include "server/http/http.h"

struct http_routes take_routes(void);

#endif
