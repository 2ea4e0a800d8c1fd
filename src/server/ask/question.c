/* SPDX-License-Identifier: Apache-2.0 */
#include "server/ask/question.h"

#include <string.h>

#include "server/server_internal.h"

const char *question_string(struct http_call *call, struct text text) {
    char *string = arena_alloc(http_arena(call), (size_t)text.length + 1);
    if (string == NULL) {
        http_problem_of(call, STATUS_NO_MEMORY, NULL);
        return NULL;
    }
    if (text.length > 0 && memchr(text.at, 0, text.length) != NULL) {
        http_problem(call, 400, "invalid", "a name holds a byte 0; leave it out");
        return NULL;
    }
    if (text.length > 0) memcpy(string, text.at, text.length);
    string[text.length] = '\0';
    return string;
}

bool question_time(struct http_call *call, int64_t *t_ms) {
    struct text at = http_query(call, "at");
    *t_ms = http_received_ms(call);
    if (at.at == NULL) return true;
    struct in_force *in_force = in_force_hold(http_server(call)->engine);
    const struct playbook *playbook = in_force->data.playbook;
    enum status status = time_parse(at, playbook != NULL ? playbook->zone : NULL, t_ms);
    in_force_drop(in_force);
    if (status != STATUS_OK)
        http_problem(call, 400, "invalid",
                     "`at` is no time; write 2017-12-06, 2017-12-06T09:00 or 2017-12-06T14:00:00Z");
    return status == STATUS_OK;
}

struct engine_view *question_view(struct http_call *call, enum engine_view_kind kind,
                                  int64_t t_ms) {
    struct engine_view *view = NULL;
    struct error error = {0};
    enum status status = engine_view_take(http_server(call)->engine, kind, t_ms, &view, &error);
    if (status != STATUS_OK) http_problem_of(call, status, &error);
    return status == STATUS_OK ? view : NULL;
}

bool question_number(struct http_call *call, const char *name, int64_t least, int64_t most,
                     int64_t fallback, int64_t *out) {
    struct text text = http_query(call, name);
    *out = fallback;
    if (text.at == NULL) return true;
    if (text_to_int64(text, out) == STATUS_OK && *out >= least && *out <= most) return true;
    http_problem(call, 400, "invalid", "`%s` must be a number from %lld to %lld", name,
                 (long long)least, (long long)most);
    return false;
}
