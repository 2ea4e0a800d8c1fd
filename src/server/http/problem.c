/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stdio.h>

#include "server/http/http_internal.h"

#define DETAIL_BYTES 1024

static const char *title_of(unsigned code) {
    switch (code) {
    case 400: return "the request is wrong";
    case 401: return "no valid key";
    case 403: return "not allowed";
    case 404: return "not found";
    case 405: return "no such method here";
    case 408: return "too slow";
    case 409: return "it exists already";
    case 413: return "too large";
    case 415: return "unknown encoding";
    case 421: return "unknown host";
    case 429: return "too many requests";
    case 431: return "the head is too large";
    case 503: return "not now";
    default: return code < 500 ? "the request is wrong" : "an error inside the server";
    }
}

void http_problem(struct http_call *call, unsigned code, const char *name, const char *format,
                  ...) {
    const struct text plain = TEXT("{\"type\":\"about:blank\"}");
    char detail[DETAIL_BYTES], type[128];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(detail, sizeof detail, format, arguments);
    va_end(arguments);
    snprintf(type, sizeof type, "docs/errors.md#%s", name);
    struct json_writer *writer = http_json(call);
    json_write_object_begin(writer);
    json_member_string(writer, "type", type);
    json_member_string(writer, "title", title_of(code));
    json_member_count(writer, "status", code);
    json_member_string(writer, "detail", detail);
    json_write_object_end(writer);
    bool is_whole = json_writer_status(writer) == STATUS_OK;
    http_answer(call, code, HTTP_PROBLEM, is_whole ? buffer_text(&call->json) : plain);
}

static void retry_later(struct http_call *call) {
    char seconds[16];
    snprintf(seconds, sizeof seconds, "%d", HTTP_RETRY_SECONDS);
    http_answer_header(call, "Retry-After", seconds);
}

struct status_problem {
    enum status status;
    unsigned code;
    const char *name, *detail; /* detail: NULL: what the error says */
};
static const struct status_problem problems[] = {
    {STATUS_INVALID, 400, "invalid", NULL},
    {STATUS_NOT_FOUND, 404, "not-found", NULL},
    {STATUS_LIMIT, 413, "limit", NULL},
    {STATUS_EXISTS, 409, "exists", NULL},
    {STATUS_BUSY, 503, "queue-full", "The queue is full; send the same again, in a moment."},
    {STATUS_READ_ONLY, 503, "read-only",
     "The directory takes no changes: a sync of the disk failed, or the file system can't be "
     "written. Mend the disk and start the server again; then send the same again."},
    {STATUS_DISK_FULL, 503, "disk-full", "The disk is full. Make room; then send the same again."},
    {STATUS_IO, 503, "disk",
     "The disk failed, and nobody knows whether this was kept. Send the same again: it counts "
     "once."},
    {STATUS_NO_MEMORY, 503, "no-memory", "The server has no memory left; send the same again."},
};

void http_problem_of(struct http_call *call, enum status status, const struct error *error) {
    for (size_t i = 0; i < sizeof problems / sizeof *problems; i++) {
        const struct status_problem *problem = &problems[i];
        if (problem->status != status) continue;
        const char *detail = problem->detail;
        if (detail == NULL)
            detail = error != NULL && error->text[0] != '\0' ? error->text : status_name(status);
        if (problem->code == 503) retry_later(call);
        http_problem(call, problem->code, problem->name, "%s", detail);
        return;
    }
    http_problem(call, 500, "internal", "The server failed; its log says more.");
}
