/* SPDX-License-Identifier: Apache-2.0 */
/* server/reload/reload_routes.h -- POST /v1/admin/playbook. */
#ifndef SERVER_RELOAD_RELOAD_ROUTES_H
#define SERVER_RELOAD_RELOAD_ROUTES_H

#include "server/http/http.h"

struct http_routes reload_routes(void);

#endif
