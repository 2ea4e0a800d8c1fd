/* SPDX-License-Identifier: Apache-2.0 */
/* store/log/log_window.h -- a part of a log segment, mapped into memory while the segment grows.
 *
 * What was written to the log lies in the page cache anyway. A window shows it there, so that the
 * tail need not keep a copy of the events' properties. The bytes of a frame never change once it is
 * written. The window outlives the segment's file: it goes with its last reference.
 *
 * A window is worth having and never needed: where there is none, the bytes are copied. */
#ifndef STORE_LOG_LOG_WINDOW_H
#define STORE_LOG_LOG_WINDOW_H

#include "base/file.h"

struct log_window;

/* A window with the bytes [offset, offset + length) of the file, and much of what will follow them.
 * References: 1, the caller's. NULL: there can be none. */
struct log_window *log_window_create(struct file_system *fs, const char *path, uint64_t offset,
                                     size_t length) MUST_USE;
/* Any thread. NULL is allowed. */
void log_window_reference(struct log_window *window);
void log_window_dereference(struct log_window *window);
/* Where these bytes of the file stand; NULL: not in this window. */
const uint8_t *log_window_at(const struct log_window *window, uint64_t offset, size_t length);

/* Does the window show `written` at `at`, where it was written a moment ago? Only a page that holds
 * other bytes, too, may have been read too early: the first and the last are looked at. No: the
 * file system does not keep its mappings up to date. */
bool log_window_shows(const uint8_t *at, const void *written, size_t length);

#endif
