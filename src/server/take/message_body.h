/* SPDX-License-Identifier: Apache-2.0 */
/* server/take/message_body.h -- the body of a call of the Segment spec as one row (ingest/live.h).
 *
 *   {"userId":"u1",…}     ──► {"receivedAt":"…",  "userId":"u1",…  ,"type":"track"}
 *   [{…}, {…}]            ──► {"receivedAt":"…","batch":  [{…}, {…}]  }
 *
 * What the server knows stands before the sender's members, what the path says behind them, since
 * of a member given twice the first counts. Pure but for the arena. Any thread. */
#ifndef SERVER_TAKE_MESSAGE_BODY_H
#define SERVER_TAKE_MESSAGE_BODY_H

#include "base/arena.h"
#include "ingest/live.h"

/* `type`: of a message that says none; NULL: the path is that of a batch. A body that is neither an
 * object nor a list becomes a row that can't be read. `body` is trimmed and borrowed. OK or
 * NO_MEMORY. */
enum status message_body_row(struct text body, const char *type, int64_t received_ms,
                             struct arena *arena, struct ingest_live_row *out) MUST_USE;
/* The same of a source that is no `format: segment`: nothing is added to its rows, since each
 * member may be a property, and a retry must say the same again. Each item of a list, or of
 * `batch` in an object, is a row; what can't be taken apart is one. OK or NO_MEMORY. */
enum status message_body_plain(struct text body, struct arena *arena, struct ingest_live_row **out,
                               size_t *count) MUST_USE;
/* `writeKey` of a JSON object, as its bytes stand there; empty where it has none. */
struct text message_body_key(struct text body);
/* Base64, also of its alphabet for addresses, with or without padding; a '+' may have become a
 * blank. Trimmed. `at` NULL: it is none, or there is no memory. */
struct text message_body_decode(struct text data, struct arena *arena);

#endif
