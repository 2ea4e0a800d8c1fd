/* SPDX-License-Identifier: Apache-2.0 */
/* A model's bytes. Input is the body, sealed here with a right head, so that the fuzzer reaches
 * what is behind the checksum; then the same bytes as they are. What decodes must score within (0,
 * 1), give its reasons, and encode to the same bytes. */
#include "fuzz.h"

#include <math.h>

#include "base/hash.h"
#include "base/memory.h"
#include "learn/learn.h"

#define HEAD_BYTES 24

static void score(const struct model *model, struct value value) {
    uint32_t count = model_feature_count(model);
    struct value *values = memory_alloc((count + 1) * sizeof *values);
    if (values == NULL) return;
    for (uint32_t f = 0; f < count; f++) values[f] = value;
    double propensity = model_score(model, values);
    fuzz_check(propensity > 0 && propensity < 1);
    struct model_reason reasons[3];
    fuzz_check(model_reasons(model, values, reasons, 3) <= 3);
    memory_free(values);
}

static void decode(struct text bytes) {
    struct model *model;
    struct error error = {0};
    enum status status = model_decode(&model, bytes, &error);
    if (status != STATUS_OK) {
        fuzz_check(model == NULL && error.text[0] != 0);
        return;
    }
    struct model_reason importance[3];
    fuzz_check(model_importance(model, importance, 3) <= 3);
    score(model, value_unknown());
    score(model, value_number(1.5));
    score(model, value_text(TEXT("Rome")));
    struct buffer again;
    buffer_init(&again);
    fuzz_check(model_encode(model, &again) == STATUS_OK);
    fuzz_check(text_equal(buffer_text(&again), bytes));
    buffer_release(&again);
    model_destroy(model);
}

static void put(char *at, uint64_t value, int bytes) {
    for (int i = 0; i < bytes; i++) at[i] = (char)(uint8_t)(value >> (8 * i));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    decode((struct text){(const char *)bytes, (uint32_t)length});
    char *sealed = memory_alloc(HEAD_BYTES + length);
    if (sealed == NULL) return 0;
    memcpy(sealed, "ATTMODEL", 8);
    put(sealed + 8, MODEL_FORMAT_VERSION, 4);
    put(sealed + 16, length, 8);
    if (length > 0) memcpy(sealed + HEAD_BYTES, bytes, length);
    put(sealed + 12,
        crc32c(crc32c(crc32c(0, sealed, 12), sealed + 16, 8), sealed + HEAD_BYTES, length), 4);
    decode((struct text){sealed, (uint32_t)(HEAD_BYTES + length)});
    memory_free(sealed);
    return 0;
}
