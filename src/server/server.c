/* SPDX-License-Identifier: Apache-2.0 */
#include "server/server.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/time.h"
#include "engine/applier.h"
#include "engine/live/live_ingest.h"
#include "server/audit/audit.h"
#include "server/http/daemon.h"
#include "server/lane.h"
#include "server/learning.h"
#include "server/log.h"
#include "server/metrics/metrics.h"
#include "server/reload/reload.h"
#include "server/server_internal.h"
#include "server/take/feed.h"

#define TICK_MS 1000

static enum status open_engine(struct server *server, struct error *error) {
    const struct server_options *options = &server->options;
    const struct engine_options engine = {
        .directory = options->directory,
        .create = true,
        .playbook_file = options->playbook_file,
        .playbook_errors = options->playbook_errors,
    };
    return engine_open(&server->engine, &engine, error);
}

static enum status open_all(struct server *server, struct error *error) {
    const char *directory = server->options.directory;
    server->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (server->wake < 0) return error_set_errno(error, errno, "the server can't start (eventfd)");
    FILE *file = server->options.log != NULL ? server->options.log : stderr;
    enum status status = server_log_create(&server->log, file);
    if (status == STATUS_OK) status = metrics_create(&server->metrics);
    if (status == STATUS_OK) status = reload_create(&server->reload);
    if (status == STATUS_OK) status = lane_create(&server->lane);
    if (status == STATUS_OK) status = open_engine(server, error);
    if (status == STATUS_OK)
        status = access_open(&server->access, file_system_os(), directory, error);
    if (status == STATUS_OK) status = engine_live_create(&server->live, server->engine);
    if (status == STATUS_OK) status = feed_create(&server->feed);
    if (status == STATUS_OK)
        status = audit_open(&server->audit, file_system_os(), directory, error);
    if (status == STATUS_OK)
        status = learning_create(&server->learning, server->engine, server->log);
    if (status != STATUS_OK) return status;
    health_measure(server);
    if (server->options.run_command != NULL)
        status = control_open(&server->control, server->engine, directory,
                              server->options.run_command, error);
    return status == STATUS_OK ? http_start(&server->http, server, error) : status;
}

enum status server_start(struct server **out, const struct server_options *options,
                         struct error *error) {
    struct server *server = memory_calloc(1, sizeof *server);
    if (server == NULL) return error_set(error, STATUS_NO_MEMORY, "no memory for the server");
    server->options = *options;
    server->wake = -1;
    server->started_ms = clock_now_ms();
    enum status status = open_all(server, error);
    if (status != STATUS_OK) {
        server_destroy(server);
        return status;
    }
    server_log_say(server->log, LOG_INFO, "started", "it listens on port %u", server_port(server));
    *out = server;
    return STATUS_OK;
}

uint16_t server_port(const struct server *server) {
    return http_port(server->http);
}

void server_wake(struct server *server) {
    int number = errno;
    (void)eventfd_write(server->wake, 1);
    errno = number;
}

void server_stop(struct server *server) {
    atomic_store(&server->is_stopped, true);
    server_wake(server);
}

void server_reload(struct server *server) {
    reload_ask(server->reload);
    server_wake(server);
}

static void wait_for_work(struct server *server) {
    struct pollfd wake = {.fd = server->wake, .events = POLLIN};
    eventfd_t count;
    if (poll(&wake, 1, TICK_MS) > 0) (void)eventfd_read(server->wake, &count);
}

/* A disk that is full must not stop the server; the health tells of it, and so does the log. */
static void tick_audit(struct server *server) {
    struct error error = {0};
    if (audit_tick(server->audit, clock_now_ms(), &error) != STATUS_OK)
        server_log_say(server->log, LOG_ERROR, "audit", "%s", error.text);
}

enum status server_run(struct server *server, struct error *error) {
    const struct server_options *options = &server->options;
    if (server->control != NULL) {
        enum status status = control_start(server->control, error);
        if (status != STATUS_OK) return status;
    }
    while (!atomic_load(&server->is_stopped)) {
        wait_for_work(server);
        reload_work(server);
        http_tick(server->http);
        health_measure(server);
        tick_audit(server);
    }
    server_log_say(server->log, LOG_INFO, "stopping", "it answers what it has begun, and closes");
    http_quiesce(server->http);
    reload_refuse(server);
    http_drain(server->http, options->drain_ms != 0 ? options->drain_ms : SERVER_DRAIN_MS);
    if (!applier_has_failed(engine_applier(server->engine))) return STATUS_OK;
    return error_set(error, STATUS_IO,
                     "a sync of the disk failed: what was acknowledged is safe, and the directory "
                     "takes changes once the server is started again");
}

void server_destroy(struct server *server) {
    if (server == NULL) return;
    if (server->http != NULL) http_quiesce(server->http);
    if (server->http != NULL) http_settle(server->http);
    if (server->reload != NULL) reload_refuse(server);
    control_close(server->control);
    lane_destroy(server->lane);
    learning_destroy(server->learning);
    engine_live_settle(server->live);
    /* Completes all that was accepted, so that deferred calls are answered. */
    if (server->engine != NULL) engine_close(server->engine);
    engine_live_destroy(server->live);
    http_destroy(server->http);
    feed_destroy(server->feed);
    metrics_destroy(server->metrics);
    access_close(server->access);
    audit_close(server->audit, clock_now_ms());
    reload_destroy(server->reload);
    if (server->http != NULL)
        server_log_say(server->log, LOG_INFO, "stopped", "all is synced and closed");
    server_log_destroy(server->log);
    if (server->wake >= 0) close(server->wake);
    memory_free(server);
}
