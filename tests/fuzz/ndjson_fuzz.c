/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest_fuzz.h"

static const char yaml[] = "attune: 1\n"
                           "currency: USD\n"
                           "zone: UTC\n"
                           "customer: { identifiers: { user_id: { per_customer: 1 }, anonymous_id: "
                           "{ per_customer: 50 }, phone: { per_customer: 5 } } }\n"
                           "sources:\n"
                           "  web: { file: f.ndjson, format: segment }\n"
                           "  live: { file: f.ndjson, format: segment, arrives: live }\n"
                           "  some:\n"
                           "    file: f.ndjson\n"
                           "    event: Noted\n"
                           "    time: timestamp\n"
                           "    properties_at: data\n"
                           "    key: { user_id: userId }\n"
                           "    properties: { n: number, m: money, t: time, city: address.city, "
                           "tags: list, items: { sku: text, price: money } }\n"
                           "  grouped:\n"
                           "    file: f.ndjson\n"
                           "    event: Noted\n"
                           "    time: timestamp\n"
                           "    one_event_per: userId\n"
                           "    key: { user_id: userId }\n"
                           "    properties: { n: count(n), last: last(n) }\n";

/* The first byte picks the source; batches of one line and of many must agree (but for consent,
 * which is told once a batch). */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    static struct ingest_fuzz fuzz;
    if (!fuzz.playbook) ingest_fuzz_open(&fuzz, TEXT(yaml));
    if (length == 0 || length > 1u << 20) return 0;
    if (symbol_count(fuzz.symbols, SYMBOL_PROPERTY) > 60000) { /* names are for ever */
        playbook_destroy(fuzz.playbook);
        symbols_destroy(fuzz.symbols);
        ingest_fuzz_open(&fuzz, TEXT(yaml));
    }
    const struct source *source = &fuzz.playbook->sources[bytes[0] % fuzz.playbook->source_count];
    const struct text text = {(const char *)bytes + 1, (uint32_t)length - 1};
    struct ingest_progress one = ingest_fuzz_read(&fuzz, source, text, 1, false);
    struct ingest_progress many = ingest_fuzz_read(&fuzz, source, text, 0, true);
    fuzz_check(one.rows == many.rows && one.quarantined == many.quarantined &&
               one.events >= many.events);
    return 0;
}
