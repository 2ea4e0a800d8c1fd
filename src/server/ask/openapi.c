/* SPDX-License-Identifier: Apache-2.0 */
#include "server/ask/openapi.h"

void openapi_get(struct http_call *call) {
    http_answer(call, 200, HTTP_JSON,
                (struct text){openapi_document, (uint32_t)openapi_document_bytes});
}
