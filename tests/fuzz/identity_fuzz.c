/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz.h"

#include "identity/identity.h"

/* Two ways in: bytes as a log of records, and bytes as events. Either way, what was taken is
 * replayed into a second identity, which must hold the same. */

#define RECORDS_MAX 64
struct log {
    struct buffer bytes[RECORDS_MAX];
    uint32_t count;
};

static struct identity *create(void) {
    struct identity_options options = {.identifiers_max = 1000, .salt = {1}};
    struct identity *identity;
    fuzz_check(identity_create(&identity, &options) == STATUS_OK);
    return identity;
}

static bool keep(struct log *log, struct text record) {
    if (record.length == 0 || log->count == RECORDS_MAX) return record.length == 0;
    buffer_init(&log->bytes[log->count]);
    fuzz_check(buffer_append_text(&log->bytes[log->count++], record) == STATUS_OK);
    return true;
}

static void compare(struct identity *a, struct identity *b) {
    struct identity_stats left, right;
    identity_stats(a, &left);
    identity_stats(b, &right);
    fuzz_check(left.identifier_count == right.identifier_count &&
               left.persona_count == right.persona_count);
    fuzz_check(left.link_count == right.link_count && left.refused_count == right.refused_count);
    fuzz_check(left.customer_count == right.customer_count);
    struct as_of views[2] = {{INT64_MAX, POSITION_NOW}, {1000, 3}};
    for (uint32_t i = 0; i < 2 * left.identifier_count; i++) {
        struct identifier_id id = {i / 2};
        uint32_t customer = identity_customer_of(a, id, views[i % 2]).value;
        fuzz_check(customer == identity_customer_of(b, id, views[i % 2]).value);
        fuzz_check(customer == ID_NONE || customer <= id.value);
    }
}

static void replay(struct identity *identity, struct log *log) {
    struct identity *again = create();
    for (uint32_t i = 0; i < log->count; i++)
        fuzz_check(identity_apply(again, buffer_text(&log->bytes[i]), i, NULL) == STATUS_OK);
    compare(identity, again);
    identity_destroy(again);
    for (uint32_t i = 0; i < log->count; i++) buffer_release(&log->bytes[i]);
}

static void read_records(const uint8_t *bytes, size_t length) {
    struct identity *identity = create();
    struct log log = {.count = 0};
    struct identity_erasure nobody = {.identity = identity};
    while (length > 1 && log.count < RECORDS_MAX) {
        uint32_t taken = bytes[0] < length - 1 ? bytes[0] : (uint32_t)(length - 1);
        struct text record = {(const char *)bytes + 1, taken};
        struct buffer out;
        buffer_init(&out);
        fuzz_check(!identity_rewrite(&nobody, IDENTITY_RECORD_KIND, record, &out));
        buffer_release(&out);
        if (identity_apply(identity, record, log.count, NULL) == STATUS_OK) keep(&log, record);
        bytes += 1 + taken;
        length -= 1 + taken;
    }
    replay(identity, &log);
    identity_destroy(identity);
}

static void set_rules(struct identity *identity, uint8_t how, struct log *log) {
    struct identifier_rule rules[3] = {{.symbol = 0, .priority = 0, .unique = true},
                                       {.symbol = 1, .priority = 1, .per_customer = 1 + how % 4},
                                       {.symbol = 2, .priority = 2, .expires_ms = how}};
    struct identity_result result;
    fuzz_check(identity_set_rules(identity, rules, 3, 0, log->count, &result, NULL) == STATUS_OK);
    keep(log, result.record);
    identity_commit(identity);
}

static void step(struct identity *identity, const uint8_t *bytes, struct event_batch *batch,
                 struct log *log) {
    struct identity_result result;
    if (bytes[0] == 0xFF) {
        set_rules(identity, bytes[1], log);
    } else if (bytes[0] == 0xFE) {
        struct identifier_id a = {bytes[1]}, b = {bytes[2] == 0xFF ? ID_NONE : bytes[2]};
        if (identity_withdraw(identity, a, b, bytes[3] & 1, bytes[3], log->count, &result, NULL))
            return;
        keep(log, result.record);
        identity_commit(identity);
    } else if (bytes[0] & 1) {
        struct event *event = event_batch_add(batch);
        event->known_ms = event->time_ms = bytes[3];
        for (uint32_t i = 0; i < 2; i++) {
            char value[3] = {'v', (char)('a' + bytes[1 + i] % 7), 0};
            struct text text = {value, 2};
            fuzz_check(event_batch_add_identifier(batch, bytes[1 + i] / 7 % 3, text) == STATUS_OK);
        }
    } else {
        fuzz_check(identity_resolve(identity, batch, log->count, &result, NULL) == STATUS_OK);
        if (bytes[0] & 2) keep(log, result.record);
        if (bytes[0] & 2)
            identity_commit(identity);
        else
            identity_undo(identity);
        event_batch_clear(batch);
    }
}

static void live(const uint8_t *bytes, size_t length) {
    struct identity *identity = create();
    struct log log = {.count = 0};
    struct event_batch batch;
    event_batch_init(&batch);
    for (; length >= 4 && log.count < RECORDS_MAX; bytes += 4, length -= 4)
        step(identity, bytes, &batch, &log);
    replay(identity, &log);
    event_batch_release(&batch);
    identity_destroy(identity);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    if (length == 0) return 0;
    if (bytes[0] & 1)
        read_records(bytes + 1, length - 1);
    else
        live(bytes + 1, length - 1);
    return 0;
}
