/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/input.h"

/* Any bytes as a file: an end or an error, and the same one whatever the size of the pieces. */
static enum status drain(const char *path, size_t piece, uint64_t *sum) {
    struct input *input;
    enum status status = input_open(&input, path, NULL);
    if (status) return status;
    static uint8_t bytes[8192];
    *sum = 0;
    for (size_t got = 1; status == STATUS_OK && got > 0 && *sum < 1 << 20;) {
        struct error error;
        status = input_read(input, bytes, piece, &got, &error);
        *sum += got;
    }
    input_close(input);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    int file = memfd_create("input", 0);
    if (file < 0) return 0;
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
    uint64_t large = 0, small = 0;
    if (write(file, bytes, length) == (ssize_t)length) {
        enum status status = drain(path, 8192, &large);
        if (large < 1 << 20)
            fuzz_check(drain(path, 1000, &small) == status && (status || small == large));
    }
    close(file);
    return 0;
}
