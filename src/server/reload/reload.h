/* SPDX-License-Identifier: Apache-2.0 */
/* server/reload/reload.h -- another playbook, while the server runs.
 *
 *   SIGHUP ─────────────────► the file of --playbook, read again   ┐   server_run's thread
 *   POST /v1/admin/playbook   the same; or the YAML of the body    ┴─► puts it in force
 *
 * A playbook with errors is refused with all of them, and the one in force stays. Who began before
 * the change is answered by the one of before. Loading may take seconds, so a request is deferred
 * and no HTTP thread waits; one is worked on at a time.
 *
 * Threads: any thread asks; server_run's thread does it. */
#ifndef SERVER_RELOAD_RELOAD_H
#define SERVER_RELOAD_RELOAD_H

#include "base/status.h"

struct server;
struct reload;
enum status reload_create(struct reload **out) MUST_USE;
void reload_destroy(struct reload *reload); /* NULL is allowed */
/* The playbook's file shall be read again. Safe in a signal handler. */
void reload_ask(struct reload *reload);
/* Does what was asked for, if anything. */
void reload_work(struct server *server);
/* Answers what waits with 503. */
void reload_refuse(struct server *server);

#endif
