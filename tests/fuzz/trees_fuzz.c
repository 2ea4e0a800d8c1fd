/* SPDX-License-Identifier: Apache-2.0 */
/* Boosted trees: JSON that XGBoost might have saved, and bytes of our own. What is read scores and
 * gives its reasons without a fault, and comes back from its bytes. */
#include "fuzz.h"

#include <math.h>
#include <string.h>

#include "learn/trees/trees.h"

static void use(const struct trees *trees) {
    static float values[TREES_FEATURES_MAX];
    static double reasons[TREES_FEATURES_MAX];
    for (uint32_t f = 0; f < TREES_FEATURES_MAX; f++) values[f] = f % 3 == 0 ? NAN : (float)f;
    float one = trees_margin(trees, values), many[3];
    trees_margins(trees, values, 0, 3, many);
    fuzz_check(memcmp(&one, &many[2], sizeof one) == 0);
    if (trees_count(trees) <= 64) (void)trees_reasons(trees, values, reasons);
    struct buffer bytes;
    struct trees *back;
    buffer_init(&bytes);
    fuzz_check(trees_encode(trees, &bytes) == STATUS_OK);
    fuzz_check(trees_decode(&back, buffer_text(&bytes)) == STATUS_OK);
    float again = trees_margin(back, values);
    fuzz_check(memcmp(&one, &again, sizeof one) == 0);
    trees_destroy(back);
    buffer_release(&bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    struct text text = {(const char *)bytes, (uint32_t)length};
    struct trees *trees;
    struct error error = {0};
    if (trees_read_json(&trees, text, &error) == STATUS_OK) use(trees);
    trees_destroy(trees);
    if (trees_decode(&trees, text) == STATUS_OK) use(trees);
    trees_destroy(trees);
    return 0;
}
