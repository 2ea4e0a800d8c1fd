/* SPDX-License-Identifier: Apache-2.0 */
/* base/log_line.h -- the program's own messages, to stderr, one line each: time, level, text. Never
 * personal data: identifiers and property values must not be passed in. Any thread. */
#ifndef BASE_LOG_LINE_H
#define BASE_LOG_LINE_H

#include "base/status.h"

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };
void log_line(enum log_level level, const char *format, ...) PRINTF_LIKE(2, 3);
void log_line_level(enum log_level max); /* default LOG_WARNING */

#endif
