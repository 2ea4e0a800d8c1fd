/* SPDX-License-Identifier: Apache-2.0 */
/* engine/answer/pool.h -- answerings for many threads that each ask one question now and then.
 *
 * To make a profile and a decider costs more than a decision. A thread takes an answering for one
 * request and gives it back; the next request, of whatever thread, renews it. An idle one pins no
 * position, and none is kept of a snapshot that is no longer in force. Any thread. */
#ifndef ENGINE_ANSWER_POOL_H
#define ENGINE_ANSWER_POOL_H

#include "engine/answer/answer.h"

#define ANSWERING_IDLE_MAX 64 /* of each kind; beyond them one that is given back is closed */

struct answering_pool;
enum status answering_pool_create(struct answering_pool **out) MUST_USE;
void answering_pool_destroy(struct answering_pool *pool); /* all were given back; NULL is allowed */
/* Closes those that are idle, so that what they hold is let go. */
void answering_pool_clear(struct answering_pool *pool);

/* One of the kind, ready for a request at t. Nothing is taken on failure. */
enum status answering_take(struct engine *engine, enum answering_kind kind, int64_t t_ms,
                           struct answering **out, struct error *error) MUST_USE;
void answering_give(struct answering *answering); /* NULL is allowed */

#endif
