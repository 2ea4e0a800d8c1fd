/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/time.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    int file = memfd_create("zone", 0);
    if (file < 0) return 0;
    char name[16];
    struct time_zone *zone;
    snprintf(name, sizeof(name), "%d", file);
    if (write(file, bytes, length) == (ssize_t)length &&
        time_zone_create(&zone, text_from(name), "/proc/self/fd", NULL) == STATUS_OK) {
        for (int64_t t = -4000000000000; t < 8000000000000; t += 33333333333) {
            int32_t offset_s = time_zone_offset_s(zone, t);
            fuzz_check(offset_s > -700000 && offset_s < 700000);
            struct civil civil;
            time_to_civil(t, &civil);
            int64_t local = time_from_local(&civil, zone);
            fuzz_check(local > t - 2 * TIME_DAY_MS * 8 && local < t + 2 * TIME_DAY_MS * 8);
        }
        time_zone_destroy(zone);
    }
    close(file);
    return 0;
}
