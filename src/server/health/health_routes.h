/* SPDX-License-Identifier: Apache-2.0 */
/* server/health/health_routes.h -- /health/live and /health/ready, which need no key and tell
 * nothing but whether. */
#ifndef SERVER_HEALTH_HEALTH_ROUTES_H
#define SERVER_HEALTH_HEALTH_ROUTES_H

#include "server/http/http.h"

struct http_routes health_routes(void);

#endif
