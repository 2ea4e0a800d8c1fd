/* SPDX-License-Identifier: Apache-2.0 */
/* server/take/door.h -- POST /in/NAME: webhooks of the sources that listen there.
 *
 *   body ──► form or JSON ──► signature (signature.h) ──► rows (vendor.h) ──► take.h
 *
 * The source of the playbook in force whose `listen:` is the path says how its requests are signed.
 * The secret stands in the environment of the server, and is read for each request. 401 where the
 * signature is missing or wrong; 503 where the secret is missing or can't be read, so that the
 * sender tries again when it is mended. */
#ifndef SERVER_TAKE_DOOR_H
#define SERVER_TAKE_DOOR_H

#include "server/http/http.h"

void door_post(struct http_call *call);

#endif
