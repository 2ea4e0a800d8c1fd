/* SPDX-License-Identifier: Apache-2.0 */
#include "store/log/log_window.h"

#include <stdatomic.h>
#include "base/memory.h"

#define WINDOW_BYTES ((size_t)1 << 30)
#define SEEN_BYTES   64u /* at each end of a frame */

struct log_window {
    _Atomic uint32_t references;
    struct file_system *fs;
    struct file_mapping mapping;
    uint64_t offset; /* of its first byte in the file */
};

struct log_window *log_window_create(struct file_system *fs, const char *path, uint64_t offset,
                                     size_t length) {
    struct log_window *window = memory_calloc(1, sizeof(*window));
    if (!window) return NULL;
    struct error ignored;
    atomic_init(&window->references, 1);
    window->fs = fs;
    window->offset = offset / FILE_MAP_UNIT * FILE_MAP_UNIT;
    length += (size_t)(offset - window->offset);
    if (length < WINDOW_BYTES) length = WINDOW_BYTES;
    if (file_map_growing(fs, path, window->offset, length, &window->mapping, &ignored) == STATUS_OK)
        return window;
    memory_free(window);
    return NULL;
}

void log_window_reference(struct log_window *window) {
    if (window) atomic_fetch_add_explicit(&window->references, 1, memory_order_relaxed);
}

void log_window_dereference(struct log_window *window) {
    if (!window || atomic_fetch_sub_explicit(&window->references, 1, memory_order_acq_rel) > 1)
        return;
    file_unmap(window->fs, &window->mapping);
    memory_free(window);
}

const uint8_t *log_window_at(const struct log_window *window, uint64_t offset, size_t length) {
    if (!window || offset < window->offset) return NULL;
    uint64_t first = offset - window->offset;
    if (first > window->mapping.length || length > window->mapping.length - first) return NULL;
    return window->mapping.at + first;
}

bool log_window_shows(const uint8_t *at, const void *written, size_t length) {
    const uint8_t *bytes = written;
    size_t seen = length < SEEN_BYTES ? length : SEEN_BYTES;
    return memcmp(at, bytes, seen) == 0 &&
           memcmp(at + length - seen, bytes + length - seen, seen) == 0;
}
