/* SPDX-License-Identifier: Apache-2.0 */
#include "base/status.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *status_name(enum status status) {
    static const char *const names[STATUS_COUNT] = {
        [STATUS_OK] = "ok",
        [STATUS_END] = "end",
        [STATUS_NO_MEMORY] = "no memory",
        [STATUS_LIMIT] = "limit reached",
        [STATUS_INVALID] = "invalid",
        [STATUS_NOT_FOUND] = "not found",
        [STATUS_EXISTS] = "already exists",
        [STATUS_IO] = "input/output error",
        [STATUS_DISK_FULL] = "disk full",
        [STATUS_READ_ONLY] = "read only",
        [STATUS_CORRUPT] = "corrupt",
        [STATUS_VERSION] = "written by a newer version",
        [STATUS_LOCKED] = "locked",
        [STATUS_CANCELLED] = "cancelled",
        [STATUS_BUSY] = "busy",
    };
    if ((unsigned)status >= STATUS_COUNT) return "unknown status";
    return names[status];
}

/* Drops the rest of a character that was cut: it would make the line that quotes the sentence
 * invalid UTF-8. */
static void drop_partial_character(char *text, size_t length) {
    size_t back = 0;
    while (back < 3 && back < length && ((unsigned char)text[length - 1 - back] & 0xC0) == 0x80)
        back++;
    if (back == length) return;
    unsigned char lead = (unsigned char)text[length - 1 - back];
    size_t want = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : lead >= 0xC0 ? 1 : 0;
    if (want > back) text[length - 1 - back] = 0;
}

static void hide_control_characters(char *text) {
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x20 || c == 0x7F) *text = '?';
    }
}

static void finish(struct error *error, int written) {
    if (written < 0) error->text[0] = 0;
    if (written >= ERROR_TEXT_MAX) drop_partial_character(error->text, ERROR_TEXT_MAX - 1);
    hide_control_characters(error->text);
}

enum status error_set(struct error *error, enum status status, const char *format, ...) {
    if (!error) return status;
    error->status = status;
    va_list arguments;
    va_start(arguments, format);
    int written = vsnprintf(error->text, sizeof(error->text), format, arguments);
    va_end(arguments);
    finish(error, written);
    return status;
}

static enum status status_from_errno(int error_number) {
    switch (error_number) {
    case ENOSPC:
    case EDQUOT: return STATUS_DISK_FULL;
    case EROFS:
    case EACCES:
    case EPERM: return STATUS_READ_ONLY;
    case ENOENT: return STATUS_NOT_FOUND;
    case EEXIST: return STATUS_EXISTS;
    case ENOMEM: return STATUS_NO_MEMORY;
    default: return STATUS_IO;
    }
}

enum status error_set_errno(struct error *error, int error_number, const char *format, ...) {
    enum status status = status_from_errno(error_number);
    if (!error) return status;
    error->status = status;
    va_list arguments;
    va_start(arguments, format);
    int written = vsnprintf(error->text, sizeof(error->text), format, arguments);
    va_end(arguments);
    if (written >= 0 && written < ERROR_TEXT_MAX) {
        char reason[128];
        const char *why = strerror_r(error_number, reason, sizeof(reason));
        int more =
            snprintf(error->text + written, sizeof(error->text) - (size_t)written, ": %s", why);
        written = more < 0 ? more : written + more;
    }
    finish(error, written);
    return status;
}
