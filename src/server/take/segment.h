/* SPDX-License-Identifier: Apache-2.0 */
/* server/take/segment.h -- events as the SDKs of Segment, RudderStack and Jitsu send them.
 *
 *   POST /v1/{identify,track,page,screen,group,alias}   one message        also /v1/{i,t,p,s,g,a}
 *   POST /v1/batch, /v1/import                          {"batch": […]}     also /v1/b
 *   POST /beacon/v1/batch?writeKey=KEY                  the same, as RudderStack's beacons
 *   POST /api/s/{type}, /api/s/s2s/{type}               one message, as Jitsu's
 *   POST /v1/m                                          how the SDK itself is doing: not kept
 *
 * The key names the source, which must be `arrives: live`. Where it is no `format: segment`, the
 * object, or each item of a list or of `batch`, is a row for its mapping, as it is. The body is
 * JSON whatever its Content-Type says (one browser SDK posts text/plain), and may be gzip. The
 * type of a message that says none is that of the path; a list of messages is a batch, and so is a
 * single message where the path says batch. Times are corrected by the client's own clock
 * (ingest/map/segment.h).
 *
 * The answer is {"success": true}. Behind a key that is not public it also says how many events
 * were new, repeats and quarantined, and how many stored rows were corrected or retracted where any
 * were; a public key learns nothing of what is stored. */
#ifndef SERVER_TAKE_SEGMENT_H
#define SERVER_TAKE_SEGMENT_H

#include "server/http/http.h"

/* The type that the path names; /api/s/{type} has it as a word. */
void segment_post(struct http_call *call);
void segment_post_batch(struct http_call *call);
void segment_post_metrics(struct http_call *call);

/* GET /v1/pixel/{type}?data=BASE64: one message in an address, for pages and mails without a
 * script; answers a transparent GIF of one pixel. */
void segment_pixel(struct http_call *call);

#endif
