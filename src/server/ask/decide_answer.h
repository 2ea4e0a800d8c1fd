/* SPDX-License-Identifier: Apache-2.0 */
/* server/ask/decide_answer.h -- a decision as JSON, for whoever shows it: placements with what
 * stands there, or their fallbacks. */
#ifndef SERVER_ASK_DECIDE_ANSWER_H
#define SERVER_ASK_DECIDE_ANSWER_H

#include "base/json.h"
#include "engine/live/live_decision.h"

/* At how many placements the fallback is shown: nothing stands there that may be acted on. */
uint32_t decide_answer_fallbacks(const struct live_answer *answer);
/* `with_trace`: every treatment that was judged, too, as `attune decide --json` has it. */
void decide_answer_write(const struct live_answer *answer, bool with_trace,
                         struct json_writer *writer);

#endif
