/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies that say they are gzip. The first byte sets the limit on what may come out. */
#include "fuzz.h"

#include "server/http/inflate.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    static struct inflater *inflater;
    struct buffer out;
    if (length == 0 || (inflater == NULL && inflater_create(&inflater) != STATUS_OK)) return 0;
    size_t most = (size_t)bytes[0] * 64;
    struct text body = {(const char *)bytes + 1, (uint32_t)length - 1};
    buffer_init(&out);
    enum status status = inflate_gzip(inflater, body, most, &out);
    fuzz_check(status == STATUS_OK || status == STATUS_INVALID || status == STATUS_LIMIT);
    fuzz_check(status != STATUS_OK || (out.length <= most && inflate_is_gzip(body)));
    fuzz_check(out.length <= most + 1);
    buffer_release(&out);
    return 0;
}
