/* SPDX-License-Identifier: Apache-2.0 */
/* server/http/target.h -- the target of a request line: its path as decoded segments, its query.
 *
 *   /v1/customers/email%3Aa%2Fb/timeline?from=2017-01-01&page=2
 *      └ v1 ┘ └ customers ┘ └ email:a/b ┘ └ timeline ┘   └ looked up by name, when asked for
 *
 * Each segment is percent-decoded once, behind the split at '/': "%2F" is a character of a segment
 * and never a border, and "%252e" is the three characters "%2e". Refused are all paths that two
 * readers might read in two ways: an empty segment, "." and "..", a percent sign without two hex
 * digits, control characters and text that is no UTF-8. "/a/" is another path than "/a". So nothing
 * needs to be cleaned later.
 *
 * Pure but for the arena. Any thread. */
#ifndef SERVER_HTTP_TARGET_H
#define SERVER_HTTP_TARGET_H

#include "base/arena.h"

#define TARGET_SEGMENTS_MAX 12
#define TARGET_BYTES_MAX    8192u

struct target {
    struct text raw;   /* path and query as they came, without scheme and host */
    struct text host;  /* of a target that begins with http://; `at` NULL else */
    struct text query; /* as it came; `at` NULL where there is none */
    struct text segments[TARGET_SEGMENTS_MAX];
    uint32_t segment_count; /* 0: "/" */
    bool ends_in_slash;     /* behind the last segment */
    bool is_star;           /* "*": OPTIONS of the whole server */
};
/* Reads a target as it stands in the request line. Texts point into `raw`, or into the arena where
 * they had to be decoded. STATUS_INVALID where it is refused; STATUS_LIMIT where it has more
 * segments than any route, so that none can match; STATUS_NO_MEMORY. */
enum status target_read(struct target *out, struct text raw, struct arena *arena) MUST_USE;
/* The first parameter of that name, decoded ('+' is a blank). `at` NULL where there is none, or it
 * is malformed or no UTF-8; *is_bad (may be NULL) tells the second case. */
struct text target_query(const struct target *target, const char *name, struct arena *arena,
                         bool *is_bad);
/* Can each parameter be decoded, and is it one of `known` ("at,limit")? STATUS_INVALID,
 * STATUS_NOT_FOUND where not; STATUS_NO_MEMORY. Two '&' in a row are nothing. */
enum status target_query_check(const struct target *target, const char *known,
                               struct arena *arena) MUST_USE;
/* Percent-decodes once into the arena; a text without '%' (and without '+' where `plus` is set) is
 * returned as it is. STATUS_INVALID: a percent sign without two hex digits, a control character, or
 * no UTF-8. */
enum status percent_decode(struct text in, bool plus, struct arena *arena,
                           struct text *out) MUST_USE;

#endif
