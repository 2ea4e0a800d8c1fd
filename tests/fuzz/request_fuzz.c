/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of calls, of pixels, of forms and of webhooks, as rows and as events. */
#include "ingest_fuzz.h"

#include "base/memory.h"
#include "server/take/message_body.h"
#include "server/take/vendor.h"

#define NOW_MS INT64_C(1700000000000)

static const char yaml[] =
    "attune: 1\n"
    "currency: USD\n"
    "zone: UTC\n"
    "customer: { identifiers: { user_id: {}, anonymous_id: {}, email: {}, phone: {} } }\n"
    "sources:\n"
    "  web: { format: segment, arrives: live }\n"
    "  mail: { listen: /in/a, signature: { scheme: sendgrid, secret: env A } }\n"
    "  gun: { listen: /in/b, signature: { scheme: mailgun, secret: env A } }\n"
    "  sms: { listen: /in/c, signature: { scheme: twilio, secret: env A } }\n"
    "  ses: { listen: /in/d, signature: { scheme: ses_sns, secret: env A } }\n"
    "  any: { listen: /in/e, signature: { scheme: hmac_sha256, secret: env A } }\n";

static struct ingest_fuzz fuzz;

static void check_told(void *context, const struct event_batch *batch,
                       const struct ingest_told *told) {
    (void)context;
    fuzz_check(told->first_event + told->event_count <= batch->event_count);
    fuzz_check(told->event_count > 0 || told->reason.length > 0);
}

/* Rows are read as events, whatever was read before by the same mapper. */
static void map(uint32_t index, const struct ingest_live_row *rows, size_t count) {
    static struct ingest_live *mappers[8];
    const struct source *source = &fuzz.playbook->sources[index];
    struct ingest_settings settings = {.playbook = fuzz.playbook, .symbols = fuzz.symbols};
    const struct ingest_seen seen = {check_told, NULL};
    struct event_batch batch;
    struct error error = {0};
    if (mappers[index] == NULL)
        fuzz_check(ingest_live_create(&mappers[index], &settings, source, &error) == STATUS_OK);
    event_batch_init(&batch);
    enum status status =
        ingest_live_map(mappers[index], rows, count, NOW_MS, 7, &seen, &batch, &error);
    if (status != STATUS_OK) fuzz_check(batch.event_count + batch.row_count == 0);
    for (size_t i = 0; source->segment && i < batch.event_count; i++)
        fuzz_check(batch.events[i].time_ms <= NOW_MS);
    ingest_fuzz_check_batch(&batch);
    event_batch_release(&batch);
}

static void call_of_segment(struct text body, bool is_batch, struct arena *arena) {
    struct ingest_live_row row;
    struct text key = message_body_key(body);
    fuzz_check(message_body_row(body, is_batch ? NULL : "track", NOW_MS, arena, &row) == STATUS_OK);
    if (key.length > 0) fuzz_check(key.at > body.at && key.at + key.length < body.at + body.length);
    bool is_inside = key.length > 0 && key.at >= row.body.at;
    if (is_inside && !is_batch) row.hidden = key;
    map(0, &row, 1);
}

static struct text no_header(void *context, const char *name) {
    (void)context;
    (void)name;
    return (struct text){0};
}

static void webhook(struct text body, uint32_t index, bool is_form, struct arena *arena) {
    static struct json_parser *json;
    struct ingest_live_row rows[64] = {0};
    struct vendor_rows made;
    struct error error = {0};
    struct signed_request request = {.body = body, .header = no_header};
    if (json == NULL) fuzz_check(json_parser_create(&json, 1u << 20) == STATUS_OK);
    if (is_form)
        request.has_form = form_read(&request.form, body, arena) == STATUS_OK;
    else
        request.has_json = json_parse(json, body, &request.root, &error) == STATUS_OK;
    if (!request.has_form && !request.has_json) return;
    const struct signature_rule *rule = &fuzz.playbook->sources[index].signature;
    fuzz_check(signature_check(&request, rule, TEXT("secret"), NOW_MS, arena) != SIGNED_RIGHT);
    vendor_rows_init(&made);
    if (vendor_rows_make(&made, rule->scheme, &request, NOW_MS, &error) == STATUS_OK) {
        size_t count = made.count < 64 ? made.count : 64;
        for (size_t i = 0; i < count; i++) rows[i].body = vendor_row(&made, i);
        map(index, rows, count);
    }
    vendor_rows_release(&made);
}

/* The first byte says what the others are. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    struct arena arena;
    if (!fuzz.playbook) ingest_fuzz_open(&fuzz, TEXT(yaml));
    if (length == 0 || length > 1u << 18) return 0;
    struct text body = text_trim((struct text){(const char *)bytes + 1, (uint32_t)length - 1});
    arena_init(&arena, (size_t)64 << 20);
    switch (bytes[0] % 4) {
    case 0: call_of_segment(body, bytes[0] & 4, &arena); break;
    case 1: call_of_segment(message_body_decode(body, &arena), false, &arena); break;
    default: webhook(body, 1 + (bytes[0] >> 2) % 5, bytes[0] % 4 == 3, &arena); break;
    }
    arena_release(&arena);
    return 0;
}
