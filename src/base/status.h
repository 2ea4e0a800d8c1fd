/* SPDX-License-Identifier: Apache-2.0 */
/* base/status.h -- the one result type, and the text that goes with it at the edges.
 *
 * Every function that can fail returns `enum status`. Where a person will read about it (files,
 * playbook, command line) a `struct error *` also carries one sentence: what, where, what to do. */
#ifndef BASE_STATUS_H
#define BASE_STATUS_H

#include <stddef.h>

#define MUST_USE                 __attribute__((warn_unused_result))
#define PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))

enum status {
    STATUS_OK = 0,
    STATUS_END,       /* no more items; not a failure */
    STATUS_NO_MEMORY, /* an allocation failed, or an arena reached its maximum */
    STATUS_LIMIT,     /* a named limit was reached; the error text names it */
    STATUS_INVALID,   /* input from outside is wrong */
    STATUS_NOT_FOUND,
    STATUS_EXISTS,
    STATUS_IO, /* the operating system refused a read, write, sync or rename */
    STATUS_DISK_FULL,
    STATUS_READ_ONLY,
    STATUS_CORRUPT, /* a checksum or a structure on disk is wrong */
    STATUS_VERSION, /* written by a newer program than this one */
    STATUS_LOCKED,  /* another process holds the data directory */
    STATUS_CANCELLED,
    STATUS_BUSY, /* a queue is full; nothing was taken: the same again, later */
    STATUS_COUNT
};

#define ERROR_TEXT_MAX 768

struct error {
    enum status status;
    char text[ERROR_TEXT_MAX]; /* one sentence, no newline, always terminated */
};

/* A short English name, such as "disk full". Static. */
const char *status_name(enum status status);

/* Writes the sentence and returns `status`, so that a caller can say: return error_set(error, …).
 * `error` may be NULL. Control characters in the arguments are shown as '?'. */
enum status error_set(struct error *error, enum status status, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* The same with strerror(error_number) appended; maps ENOSPC/EDQUOT, EROFS/EACCES/EPERM, ENOENT,
 * EEXIST, ENOMEM to their own status and all else to STATUS_IO. */
enum status error_set_errno(struct error *error, int error_number, const char *format, ...)
    PRINTF_LIKE(3, 4);

#endif
