/* SPDX-License-Identifier: Apache-2.0 */
#include "server/take/take_routes.h"

#include "server/take/door.h"
#include "server/take/feed.h"
#include "server/take/segment.h"
#include "server/take/settings.h"
#include "server/take/take.h"

#define EVENTS(where, handler)                                                                     \
    {                                                                                              \
        .method = HTTP_POST, .path = (where), .right = ACCESS_WRITE, .finds_key = true,            \
        .for_browsers = true, .body_max = TAKE_BODY_BYTES, .body_inflated = TAKE_BODY_BYTES,       \
        .handle = (handler)                                                                        \
    }

static const struct http_route routes[] = {
    EVENTS("/v1/track", segment_post),
    EVENTS("/v1/t", segment_post),
    EVENTS("/v1/batch", segment_post_batch),
    EVENTS("/v1/b", segment_post_batch),
    EVENTS("/v1/identify", segment_post),
    EVENTS("/v1/i", segment_post),
    EVENTS("/v1/page", segment_post),
    EVENTS("/v1/p", segment_post),
    EVENTS("/v1/screen", segment_post),
    EVENTS("/v1/s", segment_post),
    EVENTS("/v1/group", segment_post),
    EVENTS("/v1/g", segment_post),
    EVENTS("/v1/alias", segment_post),
    EVENTS("/v1/a", segment_post),
    EVENTS("/v1/import", segment_post_batch),
    EVENTS("/beacon/v1/batch", segment_post_batch),
    EVENTS("/api/s/{type}", segment_post),
    EVENTS("/api/s/s2s/{type}", segment_post),
    {.method = HTTP_POST,
     .path = "/v1/m",
     .right = ACCESS_NOBODY,
     .for_browsers = true,
     .body_max = 65536,
     .handle = segment_post_metrics},
    {.method = HTTP_GET,
     .path = "/v1/pixel/{type}",
     .right = ACCESS_WRITE,
     .finds_key = true,
     .for_browsers = true,
     .handle = segment_pixel},
    {.method = HTTP_GET,
     .path = "/v1/projects/{key}/settings",
     .right = ACCESS_NOBODY,
     .for_browsers = true,
     .handle = settings_segment},
    {.method = HTTP_GET,
     .path = "/sourceConfig/",
     .right = ACCESS_NOBODY,
     .for_browsers = true,
     .handle = settings_rudder},
    {.method = HTTP_GET,
     .path = "/script.js",
     .right = ACCESS_NOBODY,
     .for_browsers = true,
     .handle = settings_script},
    {.method = HTTP_POST,
     .path = "/in/{name}",
     .right = ACCESS_NOBODY,
     .body_max = TAKE_BODY_BYTES,
     .body_inflated = TAKE_BODY_BYTES,
     .handle = door_post},
    {.method = HTTP_GET,
     .path = "/v1/events/stream",
     .right = ACCESS_READ,
     .is_slow = true,
     .handle = feed_watch,
     .query = "source,name,verdict"},
};

struct http_routes take_routes(void) {
    return (struct http_routes){routes, sizeof routes / sizeof *routes};
}
