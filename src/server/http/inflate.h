/* SPDX-License-Identifier: Apache-2.0 */
/* server/http/inflate.h -- gzip bodies, by zlib, with a limit on what comes out.
 *
 * One inflater is reused from body to body, since its window is 40 KB. One thread at a time. */
#ifndef SERVER_HTTP_INFLATE_H
#define SERVER_HTTP_INFLATE_H

#include "base/text.h"

struct inflater;
enum status inflater_create(struct inflater **out) MUST_USE;
void inflater_destroy(struct inflater *inflater); /* NULL is allowed */
/* Does the body begin as gzip does? No JSON and no form can. */
bool inflate_is_gzip(struct text body);
/* Replaces what `out` holds by the inflated body, of one or several gzip members (RFC 1952, 2.2).
 * STATUS_LIMIT as soon as more than `bytes_max` would come out, STATUS_INVALID where it is no gzip,
 * is cut short, fails its checksum or is followed by something else; STATUS_NO_MEMORY. */
enum status inflate_gzip(struct inflater *inflater, struct text body, size_t bytes_max,
                         struct buffer *out) MUST_USE;

#endif
