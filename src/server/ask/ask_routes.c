/* SPDX-License-Identifier: Apache-2.0 */
#include "server/ask/ask_routes.h"

#include "server/ask/customers.h"
#include "server/ask/decide.h"
#include "server/ask/flags.h"
#include "server/ask/openapi.h"
#include "server/ask/outcome.h"
#include "server/ask/segments.h"

#define QUESTION_BYTES (256u << 10)

static const struct http_route routes[] = {
    {HTTP_GET, "/openapi.json", ACCESS_NOBODY, .handle = openapi_get},
    {HTTP_POST, "/v1/decide", ACCESS_DECIDE, .body_max = QUESTION_BYTES, .handle = decide_post},
    {HTTP_POST, "/v1/outcome", ACCESS_DECIDE, .body_max = QUESTION_BYTES, .handle = outcome_post},
    {HTTP_POST, "/ofrep/v1/evaluate/flags", ACCESS_DECIDE, .body_max = QUESTION_BYTES,
     .handle = flags_evaluate_all},
    {HTTP_POST, "/ofrep/v1/evaluate/flags/{key}", ACCESS_DECIDE, .body_max = QUESTION_BYTES,
     .handle = flags_evaluate},
    {HTTP_GET, "/v1/customers/{id}", ACCESS_READ, .handle = customers_get, .query = "at"},
    {HTTP_GET, "/v1/customers/{id}/timeline", ACCESS_READ, .handle = customers_timeline,
     .query = "at,limit,cursor"},
    {HTTP_GET, "/v1/customers/{id}/traits", ACCESS_READ, .handle = customers_traits, .query = "at"},
    {HTTP_GET, "/v1/customers/{id}/why-not", ACCESS_READ, .handle = customers_why_not,
     .query = "at,action,placement,context,count"},
    {HTTP_GET, "/v1/segments/{name}/count", ACCESS_READ, .is_slow = true, .handle = segments_count,
     .query = "at"},
};

struct http_routes ask_routes(void) {
    return (struct http_routes){routes, sizeof routes / sizeof *routes};
}
