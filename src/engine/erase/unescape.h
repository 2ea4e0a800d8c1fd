/* SPDX-License-Identifier: Apache-2.0 */
/* engine/erase/unescape.h -- a row's bytes without the escapes of JSON and CSV, whichever it is:
 * \u0040, \/, \" and "" become what they stand for. Only for looking into it. Private to engine/.
 * */
#ifndef ENGINE_ERASE_UNESCAPE_H
#define ENGINE_ERASE_UNESCAPE_H

#include "base/text.h"

/* Appends to `out`. NO_MEMORY. */
enum status text_unescape(struct text text, struct buffer *out) MUST_USE;

#endif
