/* SPDX-License-Identifier: Apache-2.0 */
/* server/health/health.h -- can the server do what it is there for?
 *
 * Live: the process answers. Ready: a playbook is in force, changes are still taken (no sync has
 * failed), and the disk has HEALTH_DISK_BYTES left. A load balancer asks the second, whoever
 * restarts processes the first. Any thread may ask; disk room is measured once a second by
 * server_run. */
#ifndef SERVER_HEALTH_HEALTH_H
#define SERVER_HEALTH_HEALTH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define HEALTH_DISK_BYTES ((uint64_t)64 << 20)

struct server;
struct health {
    _Atomic uint64_t free_bytes; /* UINT64_MAX: not measured */
};
void health_measure(struct server *server);

enum health_finding { HEALTH_READY, HEALTH_NO_PLAYBOOK, HEALTH_READ_ONLY, HEALTH_DISK_LOW };
enum health_finding health_ready(struct server *server);

#endif
