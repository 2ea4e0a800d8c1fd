/* SPDX-License-Identifier: Apache-2.0 */
/* What is looked at before a byte of the body is kept: host, origin, key. */
#include <stdio.h>

#include <sodium.h>

#include "server/http/http_internal.h"
#include "server/metrics/metrics.h"

#define BASIC_BYTES_MAX 512u

/* ---- hosts ---- */

static enum status add_host(struct http *http, const char *name, struct error *error) {
    size_t length = strlen(name);
    if (length == 0 || length >= HTTP_HOST_BYTES)
        return error_set(error, STATUS_INVALID,
                         "--host \"%.64s\" is no host name; write it as in the address line of a "
                         "browser, without scheme and port",
                         name);
    if (strpbrk(name, "/ @") != NULL || (name[0] != '[' && strchr(name, ':') != NULL))
        return error_set(error, STATUS_INVALID,
                         "--host %s: write the name alone, without scheme, path and port", name);
    char *out = http->hosts[http->host_count++];
    for (size_t i = 0; i <= length; i++)
        out[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] - 'A' + 'a' : name[i]);
    return STATUS_OK;
}

/* What no browser would send could never match, and nobody would be told. */
static enum status check_origin(const char *origin, struct error *error) {
    struct text text = text_from(origin);
    bool is_plain = text_starts_with(text, TEXT("http://"));
    uint32_t scheme = is_plain ? 7 : text_starts_with(text, TEXT("https://")) ? 8 : 0;
    struct text host = {text.at + scheme, text.length - scheme};
    bool is_default_port = text_ends_with(host, is_plain ? TEXT(":80") : TEXT(":443"));
    if (scheme > 0 && host.length > 0 && text.length < HTTP_ORIGIN_BYTES && !is_default_port &&
        strpbrk(host.at, "/?#@* ") == NULL)
        return STATUS_OK;
    return error_set(error, STATUS_INVALID,
                     "--origin %.200s is no origin; write it as a browser sends it: "
                     "https://shop.example, with the port where it is not the usual one, and "
                     "without a path",
                     origin);
}

/* The same address can be written in several ways; one of them is kept. */
static enum status read_proxy(struct http *http, const char *proxy, struct error *error) {
    struct in6_addr address;
    int family = proxy != NULL && strchr(proxy, ':') != NULL ? AF_INET6 : AF_INET;
    if (proxy == NULL) return STATUS_OK;
    if (inet_pton(family, proxy, &address) == 1 &&
        inet_ntop(family, &address, http->proxy, sizeof http->proxy) != NULL)
        return STATUS_OK;
    return error_set(error, STATUS_INVALID,
                     "--proxy %.200s is no address; write it in figures, such as 127.0.0.1", proxy);
}

static enum status check_options(const struct server_options *options, struct error *error) {
    enum status status = STATUS_OK;
    if (options->host_count > SERVER_HOSTS_MAX)
        return error_set(error, STATUS_LIMIT, "more than %u of --host", SERVER_HOSTS_MAX);
    if (options->origin_count > SERVER_ORIGINS_MAX)
        return error_set(error, STATUS_LIMIT, "more than %u of --origin", SERVER_ORIGINS_MAX);
    for (size_t i = 0; i < options->origin_count && status == STATUS_OK; i++)
        status = check_origin(options->origins[i], error);
    return status;
}

enum status guard_prepare(struct http *http, struct error *error) {
    const struct server_options *options = &http->server->options;
    const char *address = options->address != NULL ? options->address : "127.0.0.1";
    char shown[INET6_ADDRSTRLEN + 2];
    snprintf(shown, sizeof shown, strchr(address, ':') != NULL ? "[%s]" : "%s", address);
    http->any_local = strcmp(address, "0.0.0.0") == 0 || strcmp(address, "::") == 0;
    enum status status = check_options(options, error);
    if (status == STATUS_OK) status = read_proxy(http, options->proxy, error);
    static const char *const own[] = {"localhost", "127.0.0.1", "[::1]"};
    for (size_t i = 0; i < 3 && status == STATUS_OK; i++) status = add_host(http, own[i], error);
    if (status == STATUS_OK) status = add_host(http, shown, error);
    for (size_t i = 0; i < options->host_count && status == STATUS_OK; i++)
        status = add_host(http, options->hosts[i], error);
    return status;
}

/* "shop.example:8420", "[::1]:8420" → without the port. */
static struct text without_port(struct text host) {
    uint32_t end = host.length;
    while (end > 0 && host.at[end - 1] >= '0' && host.at[end - 1] <= '9') end--;
    if (end > 0 && host.at[end - 1] == ':') return (struct text){host.at, end - 1};
    return host;
}

static bool knows_host(const struct http_call *call, struct text host) {
    const struct http *http = call->http;
    const struct http_connection *link = call->link;
    for (uint32_t i = 0; i < http->host_count; i++) {
        if (text_equal_ignoring_case(host, text_from(http->hosts[i]))) return true;
    }
    return http->any_local && text_equal(host, (struct text){link->local, link->local_length});
}

struct host_seen {
    uint32_t count;
    struct text host;
};

static enum MHD_Result see_host(void *context, enum MHD_ValueKind kind, const char *key,
                                size_t key_length, const char *value, size_t length) {
    struct host_seen *seen = context;
    (void)kind;
    if (!text_equal_ignoring_case((struct text){key, (uint32_t)key_length}, TEXT("Host")))
        return MHD_YES;
    seen->count++;
    seen->host = (struct text){value, (uint32_t)length};
    return MHD_YES;
}

bool guard_host(struct http_call *call) {
    struct host_seen seen = {0};
    http_library.get_connection_values_n(call->connection, MHD_HEADER_KIND, see_host, &seen);
    struct text host = call->target.host.at != NULL ? call->target.host : seen.host;
    if (seen.count > 1) {
        http_problem(call, 400, "host", "The request has several Host headers; send one.");
        return false;
    }
    if (host.length > 0 && knows_host(call, without_port(host))) return true;
    http_problem(call, 421, "host",
                 "The server is not asked under this name. If it is meant to be, start it with "
                 "--host NAME.");
    return false;
}

/* ---- origins ---- */

static bool lists_origin(const struct server_options *options, struct text origin) {
    for (size_t i = 0; i < options->origin_count; i++) {
        if (text_equal_ignoring_case(origin, text_from(options->origins[i]))) return true;
    }
    return false;
}

/* A page of our own: its origin is the host that it asks. */
static bool is_same_origin(struct http_call *call, struct text origin) {
    static const struct text schemes[] = {{"http://", 7}, {"https://", 8}};
    struct text host = http_header(call, "Host");
    for (size_t i = 0; i < 2; i++) {
        if (text_starts_with(origin, schemes[i]) && host.length > 0 &&
            text_equal_ignoring_case(
                (struct text){origin.at + schemes[i].length, origin.length - schemes[i].length},
                host))
            return true;
    }
    return false;
}

bool guard_origin(struct http_call *call) {
    struct text origin = http_header(call, "Origin");
    const struct http_route *route = call->route;
    if (origin.at == NULL) return true;
    bool is_listed = lists_origin(&call->http->server->options, origin);
    if (is_listed && route->for_browsers && origin.length < HTTP_ORIGIN_BYTES)
        call->origin = origin;
    bool changes = call->method != HTTP_GET;
    if (!changes || call->origin.at != NULL || is_same_origin(call, origin)) return true;
    if (is_listed)
        http_problem(call, 403, "origin",
                     "Pages may not call this; ask from a server, with a key of its own.");
    else
        http_problem(call, 403, "origin",
                     "Pages of this origin may send nothing. If they shall, start the server with "
                     "--origin ORIGIN.");
    return false;
}

/* ---- preflights ---- */

/* Names of headers: letters, digits and '-', with commas and blanks between them. */
static bool are_header_names(struct text names) {
    if (names.length == 0 || names.length > 1024) return false;
    for (uint32_t i = 0; i < names.length; i++) {
        char c = names.at[i];
        bool is_fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == ',' || c == ' ';
        if (!is_fine) return false;
    }
    return true;
}

static void answer_preflight(struct http_call *call, const char *allow) {
    struct text names = http_header(call, "Access-Control-Request-Headers");
    http_answer_header(call, "Access-Control-Allow-Methods", allow);
    if (are_header_names(names)) {
        char *copy = arena_format(&call->arena, "%.*s", TEXT_ARG(names));
        if (copy != NULL) http_answer_header(call, "Access-Control-Allow-Headers", copy);
    }
    if (http_header(call, "Access-Control-Request-Private-Network").at != NULL)
        http_answer_header(call, "Access-Control-Allow-Private-Network", "true");
    http_answer_header(call, "Access-Control-Max-Age", "7200");
}

void guard_options(struct http_call *call, const char *allow, bool for_browsers) {
    struct text origin = http_header(call, "Origin");
    bool asks = origin.at != NULL && http_header(call, "Access-Control-Request-Method").at != NULL;
    if (asks && for_browsers && origin.length < HTTP_ORIGIN_BYTES &&
        lists_origin(&call->http->server->options, origin)) {
        call->origin = origin;
        answer_preflight(call, allow);
    }
    http_answer_header(call, "Allow", allow);
    http_answer(call, 204, NULL, TEXT(""));
}

/* ---- keys ---- */

/* "Basic base64(KEY:)", as analytics SDKs send it; the password where the name is empty. */
static struct text basic_key(struct http_call *call, struct text encoded) {
    unsigned char *decoded;
    size_t length = 0;
    if (encoded.length == 0 || encoded.length > BASIC_BYTES_MAX) return (struct text){0};
    decoded = arena_alloc(&call->arena, encoded.length);
    if (decoded == NULL ||
        sodium_base642bin(decoded, encoded.length, encoded.at, encoded.length, NULL, &length, NULL,
                          sodium_base64_VARIANT_ORIGINAL) != 0)
        return (struct text){0};
    struct text pair = {(const char *)decoded, (uint32_t)length};
    const char *colon = length > 0 ? memchr(pair.at, ':', length) : NULL;
    if (colon == NULL) return pair;
    if (colon == pair.at) return (struct text){pair.at + 1, pair.length - 1};
    return (struct text){pair.at, (uint32_t)(colon - pair.at)};
}

struct text http_header_key(struct http_call *call) {
    const struct text bearer = TEXT("Bearer "), basic = TEXT("Basic ");
    struct text header = http_header(call, "Authorization");
    struct text rest = {0};
    if (header.length > bearer.length &&
        text_equal_ignoring_case((struct text){header.at, bearer.length}, bearer)) {
        rest = (struct text){header.at + bearer.length, header.length - bearer.length};
        return text_trim(rest);
    }
    if (header.length > basic.length &&
        text_equal_ignoring_case((struct text){header.at, basic.length}, basic)) {
        rest = (struct text){header.at + basic.length, header.length - basic.length};
        return basic_key(call, text_trim(rest));
    }
    return (struct text){0};
}

static void refuse_key(struct http_call *call, bool was_given) {
    metrics_add(call->http->server->metrics, METRICS_KEY_REFUSED, 1);
    http_answer_header(call, "WWW-Authenticate", "Bearer realm=\"attune\"");
    if (was_given)
        http_problem(call, 401, "key",
                     "The key is unknown or was revoked. attune key list shows those that there "
                     "are.");
    else
        http_problem(call, 401, "key",
                     "A key is needed: send it as \"Authorization: Bearer KEY\". attune key add "
                     "makes one.");
}

bool http_authorize(struct http_call *call, struct text key) {
    enum access_right right = call->route->right;
    int64_t retry_ms = 0;
    struct metrics *metrics = call->http->server->metrics;
    char seconds[24];
    if (key.length == 0) {
        refuse_key(call, false);
        return false;
    }
    switch (access_check(call->http->server->access, key, right, http_peer(call), call->received_ms,
                         &call->key, &retry_ms)) {
    case ACCESS_OK: return true;
    case ACCESS_UNKNOWN: refuse_key(call, true); return false;
    case ACCESS_FORBIDDEN:
        metrics_add(metrics, METRICS_KEY_REFUSED, 1);
        http_problem(call, 403, "key-right",
                     "The key is for something else; this needs one made with attune key add "
                     "--%s.",
                     access_right_name(right));
        return false;
    case ACCESS_UNREADABLE:
        http_answer_header(call, "Retry-After", "1");
        http_problem(call, 503, "keys-unreadable",
                     "The server's keys can't be read; whoever runs it finds the cause in its log. "
                     "Send the same again later.");
        return false;
    case ACCESS_TOO_FAST:
    default:
        metrics_add(metrics, METRICS_KEY_TOO_FAST, 1);
        snprintf(seconds, sizeof seconds, "%lld", (long long)((retry_ms + 999) / 1000));
        http_answer_header(call, "Retry-After", seconds);
        http_problem(call, 429, "rate",
                     "The key is used more often than it may be; wait as Retry-After says.");
        return false;
    }
}

bool guard_query(struct http_call *call) {
    const char *known = call->route->query;
    if (known == NULL) return true;
    enum status status = target_query_check(&call->target, known, http_arena(call));
    if (status == STATUS_OK) return true;
    if (status == STATUS_NOT_FOUND)
        http_problem(call, 400, "unknown-member",
                     "The query has a parameter that is not known here; known are: %s.", known);
    else if (status == STATUS_INVALID)
        http_problem(call, 400, "invalid",
                     "The query can't be read: percent-encode each value once, as UTF-8.");
    else
        http_problem_of(call, status, NULL);
    return false;
}

bool guard_key(struct http_call *call) {
    if (call->route->right == ACCESS_NOBODY || call->route->finds_key) return true;
    return http_authorize(call, http_header_key(call));
}
