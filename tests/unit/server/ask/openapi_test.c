/* SPDX-License-Identifier: Apache-2.0 */
/* The OpenAPI document names every door, and no others: held against the tables of routes. */
#include "support/unit.h"

#include <string.h>

#include "base/json.h"
#include "server/ask/openapi.h"
#include "server/http/http_internal.h"

/* Short forms and what single SDKs ask; docs/serve.md lists them. */
static const char *const aliases[] = {"/v1/t",
                                      "/v1/i",
                                      "/v1/p",
                                      "/v1/s",
                                      "/v1/g",
                                      "/v1/a",
                                      "/v1/b",
                                      "/v1/m",
                                      "/beacon/v1/batch",
                                      "/api/s/{type}",
                                      "/api/s/s2s/{type}",
                                      "/sourceConfig/",
                                      "/v1/pixel/{type}",
                                      "/v1/projects/{key}/settings"};

static bool is_alias(const char *path) {
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++) {
        if (strcmp(aliases[i], path) == 0) return true;
    }
    return false;
}

static const char *const methods[HTTP_METHOD_COUNT] = {"get", "post", "put", "delete"};

static struct json_node read_paths(struct json_parser **parser) {
    struct json_node root, paths;
    struct error error = {0};
    assert_int_equal(json_parser_create(parser, openapi_document_bytes), STATUS_OK);
    assert_int_equal(json_parse(*parser,
                                (struct text){openapi_document, (uint32_t)openapi_document_bytes},
                                &root, &error),
                     STATUS_OK);
    assert_true(json_get(root, TEXT("paths"), &paths));
    return paths;
}

static void test_every_route_is_described(void **state) {
    struct json_parser *parser;
    struct http_router router = {0};
    struct error error = {0};
    (void)state;
    struct json_node paths = read_paths(&parser), path, method;
    assert_int_equal(router_create(&router, NULL, &error), STATUS_OK);
    for (uint32_t i = 0; i < router.count; i++) {
        const struct http_route *route = router.routes[i];
        if (is_alias(route->path)) continue;
        if (!json_get(paths, text_from(route->path), &path) ||
            !json_get(path, text_from(methods[route->method]), &method))
            fail_msg("openapi.json lacks %s %s", methods[route->method], route->path);
    }
    router_release(&router);
    json_parser_destroy(parser);
}

static bool is_routed(const struct http_router *router, struct text path, struct text method) {
    for (uint32_t i = 0; i < router->count; i++) {
        const struct http_route *route = router->routes[i];
        if (text_equal(text_from(route->path), path) &&
            text_equal(text_from(methods[route->method]), method))
            return true;
    }
    return false;
}

static void test_nothing_else_is_described(void **state) {
    struct json_parser *parser;
    struct http_router router = {0};
    struct error error = {0};
    (void)state;
    struct json_iterator path = json_begin(read_paths(&parser));
    assert_int_equal(router_create(&router, NULL, &error), STATUS_OK);
    while (json_next(&path)) {
        struct json_iterator method = json_begin(path.node);
        while (json_next(&method)) {
            if (!is_routed(&router, path.key, method.key))
                fail_msg("nobody serves %.*s %.*s", TEXT_ARG(method.key), TEXT_ARG(path.key));
        }
    }
    router_release(&router);
    json_parser_destroy(parser);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_route_is_described),
        cmocka_unit_test(test_nothing_else_is_described),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
