/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest_fuzz.h"

static const char yaml[] =
    "attune: 1\n"
    "currency: USD\n"
    "zone: America/New_York\n"
    "customer: { identifiers: { loyalty: { per_customer: 3 }, email: { per_customer: 5 } } }\n"
    "sources:\n"
    "  plain:\n"
    "    file: f.csv\n"
    "    event: Noted\n"
    "    time: b\n"
    "    key: { loyalty: a, email: c }\n"
    "    row_key: \"{a}/{b}\"\n"
    "    types: { c: number, d: money }\n"
    "    properties: { a: a, c: c, d: d, e: \"x{c}y{d}\" }\n"
    "  bare: { file: f.csv, header: no, event: Noted, time: always, key: { loyalty: c1 }, "
    "properties: { x: c1 } }\n"
    "  written:\n"
    "    file: f.csv\n"
    "    header: no\n"
    "    event: Noted\n"
    "    time: c2\n"
    "    dates: day first\n"
    "    decimal: comma\n"
    "    key: { loyalty: c1 }\n"
    "    types: { c3: money, c4: number, c5: time microseconds, c6: money decimal point }\n"
    "    properties: { paid: c3, weight: c4, since: c5, cost: c6 }\n"
    "  signs: { file: f.csv, quote: none, skip_lines: 1, event: Noted, time: always, key: { "
    "loyalty: "
    "a }, properties: { x: b } }\n"
    "  tabs: { file: f.csv, delimiter: tab, quote: '\"', event: Noted, time: always, key: { "
    "loyalty: "
    "a }, properties: { x: b } }\n"
    "  grouped:\n"
    "    file: f.csv\n"
    "    header: no\n"
    "    columns: [a, b, c]\n"
    "    event: \"{c}\"\n"
    "    time: always\n"
    "    one_event_per: b\n"
    "    key: { loyalty: a }\n"
    "    properties: { n: count(c), first: first(c), top: max(c), all: [a, c] }\n";

/* The first byte picks the source; batches of one row and of many must agree. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    static struct ingest_fuzz fuzz;
    if (!fuzz.playbook) ingest_fuzz_open(&fuzz, TEXT(yaml));
    if (length == 0 || length > 1u << 20) return 0;
    const struct source *source = &fuzz.playbook->sources[bytes[0] % fuzz.playbook->source_count];
    const struct text text = {(const char *)bytes + 1, (uint32_t)length - 1};
    struct ingest_progress one = ingest_fuzz_read(&fuzz, source, text, 1, false);
    struct ingest_progress many = ingest_fuzz_read(&fuzz, source, text, 0, true);
    fuzz_check(one.rows == many.rows && one.events == many.events &&
               one.quarantined == many.quarantined);
    if (source->one_event_per.length == 0) fuzz_check(many.rows == many.events + many.quarantined);
    return 0;
}
