/* SPDX-License-Identifier: Apache-2.0 */
#include "server/reload/reload.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/memory.h"
#include "server/log.h"
#include "server/metrics/metrics.h"
#include "server/reload/reload_routes.h"
#include "server/server_internal.h"

#define INCOMING "playbook.incoming.yaml"

struct reload {
    _Atomic bool is_asked; /* by a signal */
    pthread_mutex_t lock;
    struct http_call *call;         /* that waits, or is worked on; under the lock */
    struct playbook_errors *errors; /* of the working thread */
};

enum status reload_create(struct reload **out) {
    struct reload *reload = memory_calloc(1, sizeof *reload);
    struct playbook_errors *errors = memory_calloc(1, sizeof *errors);
    if (reload == NULL || errors == NULL) {
        memory_free(reload);
        memory_free(errors);
        return STATUS_NO_MEMORY;
    }
    reload->errors = errors;
    pthread_mutex_init(&reload->lock, NULL);
    *out = reload;
    return STATUS_OK;
}

void reload_destroy(struct reload *reload) {
    if (reload == NULL) return;
    pthread_mutex_destroy(&reload->lock);
    memory_free(reload->errors);
    memory_free(reload);
}

void reload_ask(struct reload *reload) {
    atomic_store(&reload->is_asked, true);
}

/* ---- what it says ---- */

static void answer_errors(struct http_call *call, const struct playbook_errors *errors) {
    struct json_writer *writer = http_json(call);
    json_write_object_begin(writer);
    json_member_string(writer, "type", "docs/errors.md#playbook");
    json_member_string(writer, "title", "the playbook has errors");
    json_member_count(writer, "status", 400);
    json_member_string(writer, "detail",
                       "Nothing was changed: the playbook in force stays. Mend what errors lists.");
    json_write_key(writer, "errors");
    json_write_array_begin(writer);
    for (uint32_t i = 0; i < errors->count; i++) {
        json_write_object_begin(writer);
        json_member_count(writer, "line", errors->item[i].place.line);
        json_member_count(writer, "column", errors->item[i].place.column);
        json_member_string(writer, "message", errors->item[i].text);
        json_write_object_end(writer);
    }
    json_write_array_end(writer);
    json_member_count(writer, "errors_left_out", errors->dropped);
    json_write_object_end(writer);
    if (json_writer_status(writer) == STATUS_OK)
        http_answer(call, 400, HTTP_PROBLEM, buffer_text(writer->out));
    else
        http_problem_of(call, STATUS_NO_MEMORY, NULL);
}

static void answer_in_force(struct http_call *call) {
    struct in_force *in_force = in_force_hold(http_server(call)->engine);
    struct json_writer *writer = http_json(call);
    json_write_object_begin(writer);
    json_member_string(writer, "playbook", in_force->playbook_hash);
    json_write_object_end(writer);
    in_force_drop(in_force);
    http_answer_json(call, 200);
}

/* ---- doing it ---- */

static enum status put_body(struct server *server, struct text body, struct playbook_errors *errors,
                            struct error *error) {
    char path[FILE_PATH_MAX];
    struct file_system *fs = file_system_os();
    struct error ignored;
    snprintf(path, sizeof path, "%s/" INCOMING, server->options.directory);
    enum status status = file_replace(fs, path, body.at, body.length, error);
    if (status == STATUS_OK) status = engine_put_playbook(server->engine, path, errors, error);
    (void)!file_remove(fs, path, &ignored);
    return status;
}

static void log_reload(struct server *server, enum status status) {
    const struct playbook_errors *errors = server->reload->errors;
    if (status == STATUS_OK) {
        metrics_add(server->metrics, METRICS_PLAYBOOK_RELOADS, 1);
        server_log_say(server->log, LOG_INFO, "playbook", "another playbook is in force");
        return;
    }
    metrics_add(server->metrics, METRICS_PLAYBOOK_REFUSED, 1);
    server_log_say(server->log, LOG_ERROR, "playbook",
                   "refused (%s); the one in force stays: %u errors", status_name(status),
                   errors->count + errors->dropped);
    for (uint32_t i = 0; i < errors->count; i++)
        server_log_say(server->log, LOG_ERROR, "playbook", "line %u, column %u: %s",
                       errors->item[i].place.line, errors->item[i].place.column,
                       errors->item[i].text);
}

static void work_on_call(struct server *server, struct http_call *call) {
    struct playbook_errors *errors = server->reload->errors;
    struct text body = http_body(call);
    struct error error = {0};
    errors->count = errors->dropped = 0;
    enum status status =
        body.length > 0
            ? put_body(server, body, errors, &error)
            : engine_put_playbook(server->engine, server->options.playbook_file, errors, &error);
    log_reload(server, status);
    if (status == STATUS_OK)
        answer_in_force(call);
    else if (errors->count > 0)
        answer_errors(call, errors);
    else
        http_problem_of(call, status, &error);
}

static void work_on_signal(struct server *server) {
    struct error error = {0};
    if (server->options.playbook_file == NULL) return;
    struct playbook_errors *errors = server->reload->errors;
    errors->count = errors->dropped = 0;
    log_reload(server,
               engine_put_playbook(server->engine, server->options.playbook_file, errors, &error));
}

static struct http_call *waiting_call(struct reload *reload) {
    pthread_mutex_lock(&reload->lock);
    struct http_call *call = reload->call;
    pthread_mutex_unlock(&reload->lock);
    return call;
}

static void forget_call(struct reload *reload) {
    pthread_mutex_lock(&reload->lock);
    reload->call = NULL;
    pthread_mutex_unlock(&reload->lock);
}

void reload_work(struct server *server) {
    struct reload *reload = server->reload;
    struct http_call *call = waiting_call(reload);
    if (atomic_exchange(&reload->is_asked, false)) work_on_signal(server);
    if (call == NULL) return;
    forget_call(reload);
    work_on_call(server, call);
}

void reload_refuse(struct server *server) {
    struct http_call *call = waiting_call(server->reload);
    if (call == NULL) return;
    forget_call(server->reload);
    http_problem_of(call, STATUS_BUSY, NULL);
}

/* ---- POST /v1/admin/playbook ---- */

static void post_playbook(struct http_call *call) {
    struct server *server = http_server(call);
    struct reload *reload = server->reload;
    if (http_body(call).length == 0 && server->options.playbook_file == NULL) {
        http_problem(call, 400, "no-playbook",
                     "The server was started without --playbook, so there is no file to read "
                     "again; send the playbook as the body.");
        return;
    }
    pthread_mutex_lock(&reload->lock);
    bool is_free = reload->call == NULL;
    if (is_free) {
        http_defer(call);
        reload->call = call;
    }
    pthread_mutex_unlock(&reload->lock);
    if (is_free)
        server_wake(server);
    else
        http_problem_of(call, STATUS_BUSY, NULL);
}

static const struct http_route routes[] = {
    {.method = HTTP_POST,
     .path = "/v1/admin/playbook",
     .right = ACCESS_ADMIN,
     .is_slow = true,
     .body_max = PLAYBOOK_BYTES_MAX,
     .body_inflated = PLAYBOOK_BYTES_MAX,
     .handle = post_playbook},
};

struct http_routes reload_routes(void) {
    return (struct http_routes){routes, sizeof routes / sizeof *routes};
}
