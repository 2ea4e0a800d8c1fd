/* SPDX-License-Identifier: Apache-2.0 */
/* engine/answer/pool.h -- views for many threads that each ask one question now and then.
 *
 * To make a profile and a decider costs more than a decision. A thread takes a view for one
 * request and gives it back; the next request, of whatever thread, renews it. An idle one pins no
 * position, and none is kept of a snapshot that is no longer in force. Any thread. */
#ifndef ENGINE_ANSWER_POOL_H
#define ENGINE_ANSWER_POOL_H

#include "engine/answer/answer.h"

#define ENGINE_VIEW_IDLE_MAX 64 /* of each kind; beyond them one that is given back is closed */

struct engine_view_pool;
enum status engine_view_pool_create(struct engine_view_pool **out) MUST_USE;
void engine_view_pool_destroy(
    struct engine_view_pool *pool); /* all were given back; NULL is allowed */
/* Closes those that are idle, so that what they hold is let go. */
void engine_view_pool_clear(struct engine_view_pool *pool);

/* One of the kind, ready for a request at t. Nothing is taken on failure. */
enum status engine_view_take(struct engine *engine, enum engine_view_kind kind, int64_t t_ms,
                             struct engine_view **out, struct error *error) MUST_USE;
void engine_view_give(struct engine_view *view); /* NULL is allowed */

#endif
