/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"

#include <math.h>

#include "base/text.h"

/* The first byte says where the rest is cut into two texts. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    if (length == 0) return 0;
    struct text whole = {(const char *)bytes + 1, (uint32_t)length - 1};
    uint32_t cut = bytes[0] < whole.length ? bytes[0] : whole.length;
    struct text a = {whole.at, cut}, b = {whole.at + cut, whole.length - cut};
    int64_t integer;
    double number;
    if (text_to_double(a, &number) == STATUS_OK) fuzz_check(isfinite(number));
    if (text_to_int64(a, &integer) == STATUS_OK)
        fuzz_check(text_to_double(a, &number) == STATUS_OK);
    fuzz_check(text_is_utf8(whole) || !text_is_utf8(a) || !text_is_utf8(b));
    fuzz_check(text_distance(a, b, 20) == text_distance(b, a, 20));
    fuzz_check(text_distance(a, a, 3) == 0);
    fuzz_check(text_compare(a, b) == -text_compare(b, a));
    fuzz_check(!text_equal(a, b) || text_equal_ignoring_case(a, b));
    (void)text_matches_glob(a, b);
    fuzz_check(text_matches_glob(a, TEXT("*")));
    return 0;
}
