/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of routes of all parts, and which route a path is. */
#include "base/memory.h"
#include "server/ask/ask_routes.h"
#include "server/health/health_routes.h"
#include "server/http/http_internal.h"
#include "server/metrics/metrics.h"
#include "server/metrics/metrics_routes.h"
#include "server/reload/reload_routes.h"
#include "server/take/take_routes.h"

static struct http_routes (*const tables[])(void) = {
    ask_routes, health_routes, metrics_routes, reload_routes, take_routes,
};

/* Those without words come first, so that "/customers/count" is no customer. */
static void add_routes(struct http_router *router, bool with_words) {
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        const struct http_routes table = tables[i]();
        for (size_t j = 0; j < table.count; j++) {
            const struct http_route *route = &table.routes[j];
            bool has_words = strchr(route->path, '{') != NULL;
            if (has_words == with_words) router->routes[router->count++] = route;
        }
    }
}

static enum status read_prefix(struct http_router *router, const char *path, struct error *error) {
    arena_init(&router->arena, TARGET_BYTES_MAX);
    if (path == NULL) return STATUS_OK;
    enum status status = target_read(&router->prefix, text_from(path), &router->arena);
    bool is_path = status == STATUS_OK && router->prefix.segment_count > 0 &&
                   router->prefix.query.at == NULL && !router->prefix.ends_in_slash;
    if (status == STATUS_NO_MEMORY || is_path) return status;
    return error_set(error, STATUS_INVALID,
                     "--first-party %.64s is no path: write it as /assets/x1, without a slash at "
                     "its end",
                     path);
}

enum status router_create(struct http_router *router, const char *first_party_path,
                          struct error *error) {
    uint32_t count = 0;
    enum status status = read_prefix(router, first_party_path, error);
    if (status != STATUS_OK) return status;
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        count += (uint32_t)tables[i]().count;
    if (count >= METRICS_NO_ROUTE) return error_set(error, STATUS_LIMIT, "too many routes");
    router->routes = memory_calloc(count, sizeof *router->routes);
    if (router->routes == NULL) return error_set(error, STATUS_NO_MEMORY, "no memory for routes");
    add_routes(router, false);
    add_routes(router, true);
    return STATUS_OK;
}

void router_release(struct http_router *router) {
    memory_free(router->routes);
    arena_release(&router->arena);
    *router = (struct http_router){0};
}

static bool has_prefix(const struct http_router *router, const struct target *target) {
    const struct target *prefix = &router->prefix;
    if (prefix->segment_count == 0 || target->segment_count <= prefix->segment_count) return false;
    for (uint32_t i = 0; i < prefix->segment_count; i++)
        if (!text_equal(prefix->segments[i], target->segments[i])) return false;
    return true;
}

/* "/v1/customers/{id}" against the segments of a target, from this one on. */
static bool matches(const char *path, const struct target *target, uint32_t segment,
                    struct text words[HTTP_PATH_WORDS_MAX]) {
    uint32_t word = 0;
    size_t path_length = strlen(path);
    bool ends_in_slash = path_length > 1 && path[path_length - 1] == '/';
    if (ends_in_slash != target->ends_in_slash) return false;
    while (*path == '/') {
        const char *start = ++path;
        size_t length = strcspn(start, "/");
        path = start + length;
        if (length == 0) break; /* "/" itself */
        if (segment == target->segment_count) return false;
        struct text given = target->segments[segment++];
        if (*start == '{') {
            if (word < HTTP_PATH_WORDS_MAX) words[word++] = given;
        } else if (!text_equal(given, (struct text){start, (uint32_t)length})) {
            return false;
        }
    }
    return segment == target->segment_count;
}

static const char *const method_names[HTTP_METHOD_COUNT] = {"GET, HEAD, ", "POST, ", "PUT, ",
                                                            "DELETE, "};

static void list_methods(uint32_t methods, char allow[64]) {
    size_t length = 0;
    for (uint32_t i = 0; i < HTTP_METHOD_COUNT; i++) {
        size_t name = strlen(method_names[i]);
        if ((methods & (1u << i)) == 0) continue;
        memcpy(allow + length, method_names[i], name);
        length += name;
    }
    memcpy(allow + length, "OPTIONS", sizeof "OPTIONS");
}

enum route_found router_find(const struct http_router *router, struct http_call *call,
                             char allow[64], bool *for_browsers) {
    uint32_t methods = 0,
             behind = has_prefix(router, &call->target) ? router->prefix.segment_count : 0;
    *for_browsers = false;
    for (uint32_t i = 0; i < router->count; i++) {
        const struct http_route *route = router->routes[i];
        struct text words[HTTP_PATH_WORDS_MAX] = {0};
        if (behind > 0 && !route->for_browsers) continue;
        if (!matches(route->path, &call->target, behind, words)) continue;
        methods |= 1u << route->method;
        *for_browsers = *for_browsers || route->for_browsers;
        if (route->method != call->method) continue;
        call->route = route;
        call->route_index = i;
        memcpy(call->words, words, sizeof words);
        return ROUTE_FOUND;
    }
    if (methods == 0) return ROUTE_NO_PATH;
    list_methods(methods, allow);
    return ROUTE_NO_METHOD;
}
