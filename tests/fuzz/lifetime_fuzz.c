/* SPDX-License-Identifier: Apache-2.0 */
/* A lifetime model's bytes. Input is what stands behind the head, sealed here with a right one, so
 * that the fuzzer reaches what is behind the checksum; then the same bytes as they are. What
 * decodes must answer with a chance and with numbers that are finite and not negative, and
 * encode again. */
#include "fuzz.h"

#include <math.h>

#include "base/hash.h"
#include "base/memory.h"
#include "learn/lifetime_series.h"

static void ask(const struct dated_lifetime *fit) {
    static const struct lifetime_history histories[] = {
        {0, 0, 0, 1}, {0, 0, 400, 1}, {3, 20, 20, 1}, {200, 900, 1000, 1}, {1, 1, 36000, 1}};
    for (size_t i = 0; i < sizeof histories / sizeof *histories; i++) {
        double alive = lifetime_alive(&fit->orders.lifetime, &histories[i]);
        double expected = lifetime_expected(&fit->orders.lifetime, &histories[i], 180);
        fuzz_check(alive >= 0 && alive <= 1);
        fuzz_check(expected >= 0 && isfinite(expected));
        if (fit->has_spend) (void)spend_expected(&fit->spend.spend, histories[i].repeats, 12.5);
    }
}

static void decode(struct text bytes) {
    struct lifetime_series *series, *again;
    struct error error = {0};
    struct buffer encoded;
    enum status status = lifetime_series_decode(&series, bytes, &error);
    if (status != STATUS_OK) {
        fuzz_check(series == NULL);
        return;
    }
    for (uint32_t i = 0; i < series->count; i++) ask(&series->fits[i]);
    buffer_init(&encoded);
    fuzz_check(lifetime_series_encode(series, &encoded) == STATUS_OK);
    fuzz_check(lifetime_series_decode(&again, buffer_text(&encoded), &error) == STATUS_OK);
    fuzz_check(again->count == series->count);
    memory_free(again);
    memory_free(series);
    buffer_release(&encoded);
}

static void put(char *at, uint64_t value, int bytes) {
    for (int i = 0; i < bytes; i++) at[i] = (char)(uint8_t)(value >> (8 * i));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    decode((struct text){(const char *)bytes, (uint32_t)length});
    char *sealed = memory_alloc(16 + length);
    if (sealed == NULL) return 0;
    memcpy(sealed, "ATTLIFE1", 8);
    put(sealed + 8, LIFETIME_FORMAT_VERSION, 4);
    if (length > 0) memcpy(sealed + 16, bytes, length);
    put(sealed + 12, crc32c(crc32c(0, sealed + 8, 4), sealed + 16, length), 4);
    decode((struct text){sealed, (uint32_t)(16 + length)});
    memory_free(sealed);
    return 0;
}
