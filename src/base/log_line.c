/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log_line.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "base/time.h"

static _Atomic int level_max = LOG_WARNING;

void log_line_level(enum log_level max) {
    atomic_store_explicit(&level_max, (int)max, memory_order_relaxed);
}

/* One call to write a line, so that lines of several threads never mix. */
void log_line(enum log_level level, const char *format, ...) {
    static const char *const names[] = {"error", "warning", "info", "debug"};
    if ((int)level > atomic_load_explicit(&level_max, memory_order_relaxed)) return;
    char now[32], line[1024];
    time_format(clock_now_ms(), now);
    int head = snprintf(line, sizeof(line), "%s %s ", now, names[level]);
    if (head < 0) return;
    size_t length = (size_t)head;
    va_list arguments;
    va_start(arguments, format);
    int body = vsnprintf(line + length, sizeof(line) - length - 1, format, arguments);
    va_end(arguments);
    if (body < 0) return;
    size_t room = sizeof(line) - length - 2;
    size_t kept = (size_t)body < room ? (size_t)body : room;
    for (size_t i = length; i < length + kept; i++) {
        unsigned char c = (unsigned char)line[i];
        if (c < 0x20 || c == 0x7F) line[i] = '?';
    }
    length += kept;
    line[length++] = '\n';
    ssize_t ignored = write(STDERR_FILENO, line, length);
    (void)ignored; /* a failed message can be told nowhere */
}
