/* SPDX-License-Identifier: Apache-2.0 */
#include "server/health/health.h"

#include "engine/applier.h"
#include "server/health/health_routes.h"
#include "server/server_internal.h"

void health_measure(struct server *server) {
    uint64_t bytes = UINT64_MAX;
    struct error ignored;
    if (file_free_bytes(file_system_os(), server->options.directory, &bytes, &ignored) != STATUS_OK)
        bytes = UINT64_MAX;
    atomic_store_explicit(&server->health.free_bytes, bytes, memory_order_relaxed);
}

enum health_finding health_ready(struct server *server) {
    struct in_force *in_force = in_force_hold(server->engine);
    bool has_playbook = in_force->data.playbook != NULL;
    in_force_drop(in_force);
    if (!has_playbook) return HEALTH_NO_PLAYBOOK;
    if (applier_has_failed(engine_applier(server->engine))) return HEALTH_READ_ONLY;
    uint64_t bytes = atomic_load_explicit(&server->health.free_bytes, memory_order_relaxed);
    return bytes < HEALTH_DISK_BYTES ? HEALTH_DISK_LOW : HEALTH_READY;
}

static void answer_live(struct http_call *call) {
    http_answer(call, 200, HTTP_JSON, TEXT("{\"status\":\"live\"}"));
}

static void answer_ready(struct http_call *call) {
    switch (health_ready(http_server(call))) {
    case HEALTH_READY: http_answer(call, 200, HTTP_JSON, TEXT("{\"status\":\"ready\"}")); return;
    case HEALTH_NO_PLAYBOOK:
        http_problem(call, 503, "no-playbook",
                     "No playbook is in force; start the server with --playbook FILE, or send one "
                     "to /v1/admin/playbook.");
        return;
    case HEALTH_READ_ONLY: http_problem_of(call, STATUS_READ_ONLY, NULL); return;
    case HEALTH_DISK_LOW:
    default:
        http_problem(call, 503, "disk-low", "The disk has less than %u MB left; make room.",
                     (unsigned)(HEALTH_DISK_BYTES >> 20));
    }
}

static const struct http_route routes[] = {
    {.method = HTTP_GET, .path = "/health/live", .handle = answer_live},
    {.method = HTTP_GET, .path = "/health/ready", .handle = answer_ready},
};

struct http_routes health_routes(void) {
    return (struct http_routes){routes, sizeof routes / sizeof *routes};
}
