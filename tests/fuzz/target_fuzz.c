/* SPDX-License-Identifier: Apache-2.0 */
/* The target of a request line: what was taken has no segment that a reader could take for another
 * path, and names of its query are found. */
#include "fuzz.h"

#include "server/http/target.h"

static void check_segment(struct text segment) {
    fuzz_check(segment.length > 0 && text_is_utf8(segment));
    fuzz_check(!text_equal(segment, TEXT(".")) && !text_equal(segment, TEXT("..")));
    for (uint32_t i = 0; i < segment.length; i++)
        fuzz_check((unsigned char)segment.at[i] >= ' ' && segment.at[i] != 0x7F);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    struct text raw = {(const char *)bytes, (uint32_t)length};
    struct arena arena;
    struct target target;
    bool is_bad;
    arena_init(&arena, (size_t)1 << 20);
    if (target_read(&target, raw, &arena) == STATUS_OK) {
        fuzz_check(target.raw.length <= TARGET_BYTES_MAX);
        for (uint32_t i = 0; i < target.segment_count; i++) check_segment(target.segments[i]);
        struct text value = target_query(&target, "at", &arena, &is_bad);
        fuzz_check(value.at == NULL || (!is_bad && text_is_utf8(value)));
        fuzz_check(value.at == NULL || target.query.at != NULL);
    }
    struct text decoded;
    if (percent_decode(raw, true, &arena, &decoded) == STATUS_OK)
        fuzz_check(decoded.length <= raw.length && text_is_utf8(decoded));
    arena_release(&arena);
    return 0;
}
