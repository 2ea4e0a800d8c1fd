/* SPDX-License-Identifier: Apache-2.0 */
/* Arbitrary text as a manifest, with and without a checksum that fits; what was read is written
 * back the same. */
#include "fuzz.h"

#include <stdio.h>
#include <string.h>
#include "base/hash.h"
#include "store/manifest.h"

static void decode(struct text text) {
    static struct manifest manifest;
    struct error error;
    struct buffer out;
    buffer_init(&out);
    if (manifest_decode(&manifest, text, "MANIFEST", &error) == STATUS_OK &&
        manifest_encode(&manifest, &out) == STATUS_OK) {
        static struct manifest again;
        fuzz_check(manifest_decode(&again, buffer_text(&out), "MANIFEST", &error) == STATUS_OK);
        fuzz_check(again.position == manifest.position && again.run_count == manifest.run_count);
    }
    buffer_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    if (length > MANIFEST_BYTES_MAX) return 0;
    decode((struct text){(const char *)bytes, (uint32_t)length});
    struct buffer sealed;
    buffer_init(&sealed);
    if (buffer_append(&sealed, bytes, length) == STATUS_OK &&
        buffer_format(&sealed, "checksum %08x\n", crc32c(0, bytes, length)) == STATUS_OK)
        decode(buffer_text(&sealed));
    buffer_release(&sealed);
    return 0;
}
