/* SPDX-License-Identifier: Apache-2.0 */
/* server/ask/question.h -- what every question begins and ends with: a view at a time, and a
 * problem where there is none. */
#ifndef SERVER_ASK_QUESTION_H
#define SERVER_ASK_QUESTION_H

#include "engine/answer/pool.h"
#include "server/http/http.h"

/* A text of the request as a string in its arena; NULL, and the call answered, where it holds a
 * byte 0 or memory is out. */
const char *question_string(struct http_call *call, struct text text);
/* `?at=`, else when the request came. False, and the call answered, where it is no time. */
bool question_time(struct http_call *call, int64_t *t_ms);
/* A view of the kind at t. NULL, and the call answered, where there is none. Give it back. */
struct engine_view *question_view(struct http_call *call, enum engine_view_kind kind, int64_t t_ms);
/* A number of the query between least and most; `fallback` where it isn't there. False, and the
 * call answered, where it is none. */
bool question_number(struct http_call *call, const char *name, int64_t least, int64_t most,
                     int64_t fallback, int64_t *out);

#endif
