/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"

#include "base/canonical.h"

static void check(struct text text, enum canonical_case letters) {
    struct buffer form, again;
    buffer_init(&form);
    buffer_init(&again);
    enum status status = canonical_append(text, letters, &form);
    fuzz_check(status == (text_is_utf8(text) ? STATUS_OK : STATUS_INVALID));
    if (status == STATUS_OK) {
        fuzz_check(text_is_utf8(buffer_text(&form)));
        fuzz_check(canonical_append(buffer_text(&form), letters, &again) == STATUS_OK);
        fuzz_check(text_equal(buffer_text(&form), buffer_text(&again)));
        fuzz_check(canonical_equal(text, buffer_text(&form), letters));
    }
    (void)canonical_filler(text);
    buffer_release(&form);
    buffer_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    struct text text = {(const char *)bytes, (uint32_t)length};
    check(text, CANONICAL_AS_WRITTEN);
    check(text, CANONICAL_SMALL);
    return 0;
}
