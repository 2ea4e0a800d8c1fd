/* SPDX-License-Identifier: Apache-2.0 */
/* server/lane.h -- a thread beside the listening ones, for answers that take longer than a request
 * may keep a listening thread: a walk over everybody, a file that is copied.
 *
 *   handler ─► http_defer ─► lane_submit ─► [ at most LANE_WAITING_MAX wait ] ─► run(context)
 *
 * Tasks run one after the other, in order, with a low priority of their own (the thread is nice),
 * so that decisions do not wait for them. Any thread submits. */
#ifndef SERVER_LANE_H
#define SERVER_LANE_H

#include "base/status.h"
#include "base/work.h"

#define LANE_WAITING_MAX 16u
#define LANE_NICENESS    10

struct lane;
enum status lane_create(struct lane **out) MUST_USE;
/* Cancels what runs (by its work) and what waits: each `run` is still called, with work that is
 * cancelled, so that nobody waits for ever. NULL is allowed. */
void lane_destroy(struct lane *lane);
/* STATUS_BUSY where too many wait; then nothing was taken. */
enum status lane_submit(struct lane *lane, void (*run)(void *context, struct work *work),
                        void *context) MUST_USE;

#endif
