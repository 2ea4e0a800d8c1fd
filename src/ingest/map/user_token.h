/* SPDX-License-Identifier: Apache-2.0 */
/* ingest/map/user_token.h -- a signed user token: the shop's server tells that this browser is this
 * user's.
 *
 *   v1.USER.EXPIRY.SIGNATURE
 *   USER       the user id, base64url without padding
 *   EXPIRY     seconds since 1970, in digits
 *   SIGNATURE  HMAC-SHA256 of "v1.USER.EXPIRY" under the shared secret, base64url without padding
 *
 * A token is for minutes, as long as a page is looked at: one that expires later than
 * USER_TOKEN_SECONDS_MAX from now is refused, since it would be as good as a password. Signatures
 * are compared in constant time. Pure; any thread. */
#ifndef INGEST_MAP_USER_TOKEN_H
#define INGEST_MAP_USER_TOKEN_H

#include "base/text.h"

#define USER_TOKEN_BYTES_MAX   1024u
#define USER_TOKEN_USER_BYTES  512u
#define USER_TOKEN_SECONDS_MAX INT64_C(86400)
#define USER_TOKEN_SECRET_MIN  16u /* bytes; a shorter secret makes every token invalid */

/* Does the token say, at now_ms, that this is the user's browser? */
bool user_token_is_good(struct text token, struct text secret, struct text user, int64_t now_ms);

#endif
