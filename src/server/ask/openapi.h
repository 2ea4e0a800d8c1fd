/* SPDX-License-Identifier: Apache-2.0 */
/* server/ask/openapi.h -- GET /openapi.json: every door of the server, as OpenAPI 3.1.
 *
 * openapi.json is the source; tests hold it against the tables of routes and against answers. */
#ifndef SERVER_ASK_OPENAPI_H
#define SERVER_ASK_OPENAPI_H

#include "server/http/http.h"

extern const char openapi_document[];
extern const size_t openapi_document_bytes;

void openapi_get(struct http_call *call);

#endif
