/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"

#include "base/time.h"

/* Whatever is read is written in a form that reads back as the same. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    static struct time_zone *zone;
    if (!zone && time_zone_create(&zone, TEXT("America/New_York"), NULL, NULL)) return 0;
    struct text text = {(const char *)bytes, (uint32_t)length};
    int64_t value, back;
    char out[32];
    if (time_parse(text, length % 2 ? zone : NULL, &value) == STATUS_OK) {
        size_t written = time_format(value, out);
        struct civil civil;
        time_to_civil(value, &civil);
        fuzz_check(time_from_civil(&civil) == value);
        fuzz_check(value >= TIME_EARLIEST && value <= TIME_LATEST);
        fuzz_check(time_parse((struct text){out, (uint32_t)written}, NULL, &back) == STATUS_OK &&
                   back == value);
    }
    if (duration_parse(text, &value) == STATUS_OK) {
        size_t written = duration_format(value, out);
        fuzz_check(duration_parse((struct text){out, (uint32_t)written}, &back) == STATUS_OK &&
                   back == value);
    }
    return 0;
}
