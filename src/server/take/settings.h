/* SPDX-License-Identifier: Apache-2.0 */
/* server/take/settings.h -- what a browser SDK asks before it sends anything.
 *
 *   GET /v1/projects/{key}/settings       Segment's analytics-next: where to send, and to whom else
 *   GET /sourceConfig/?writeKey=KEY       RudderStack's analytics-js: the same in its words
 *
 *   GET /script.js                        the SDK itself: script.js of the data directory, if any
 *
 * Both documents say that events go to this server and nowhere else. They are the same for every
 * key and read nothing, so no key is asked for: whether a key is good shows with the first event.
 * Under the first-party path they name that path. */
#ifndef SERVER_TAKE_SETTINGS_H
#define SERVER_TAKE_SETTINGS_H

#include "server/http/http.h"

void settings_segment(struct http_call *call);
void settings_rudder(struct http_call *call);
/* 304 where the client has it already (ETag). */
void settings_script(struct http_call *call);

#endif
