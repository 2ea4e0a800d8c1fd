/* SPDX-License-Identifier: Apache-2.0 */
/* server/learning.h -- lets the models of the playbook learn on while the server runs.
 *
 * One thread of low priority looks once a second which models are due, by `online: { every }` of
 * the playbook in force, and lets one after the other learn what has matured (engine/learn_on.h). A
 * model that is not trained yet, or does not learn on, is passed over, and a step that fails is
 * logged and tried again when it is due again. Threads: one thread creates and destroys it. */
#ifndef SERVER_LEARNING_H
#define SERVER_LEARNING_H

#include "engine/engine.h"
#include "server/log.h"

struct learning;
enum status learning_create(struct learning **out, struct engine *engine,
                            struct server_log *log) MUST_USE;
/* Cancels what is being learnt, of which nothing is then put in force. NULL is allowed. */
void learning_destroy(struct learning *learning);

#endif
