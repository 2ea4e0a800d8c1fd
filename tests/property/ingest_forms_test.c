/* SPDX-License-Identifier: Apache-2.0 */
/* JSON lines that look like each other, or nearly so, are read in one file and then each alone. A
 * line alone has no line before it whose form it could have, so the parser reads it: both ways must
 * tell the same events, contents and bad rows. Usage: ingest_forms_test [SEED [ROUNDS]] */
#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "support/ingest_trial.h"

#define LINES_MAX 300

static const char playbook[] =
    "customer: { identifiers: { user_id: { per_customer: 1 }, email: { per_customer: 5 } } }\n"
    "consent: { purposes: [ads] }\n"
    "events: { Clicked: { amount: money } }\n"
    "sources:\n"
    "  web: { file: t.ndjson, format: segment, key: { user_id: userId, email: traits.email },\n"
    "         properties: { page: text, amount: money, count: number, at: time, ok: yes/no } }\n"
    "  open: { file: t.ndjson, format: segment, key: { user_id: userId } }\n"
    "  flat:\n"
    "    file: t.ndjson\n"
    "    event: Noted\n"
    "    time: timestamp\n"
    "    row_key: [messageId, type]\n"
    "    types: { properties.amount: money, properties.count: number, userId: text }\n"
    "    key: { user_id: userId, email: context.email }\n"
    "    properties: { page: properties.page, amount: properties.amount, count: "
    "properties.count, type: type,\n"
    "                  again: properties.count, ok: properties.ok }\n"
    "  under:\n"
    "    file: t.ndjson\n"
    "    event: Noted\n"
    "    time: timestamp\n"
    "    row_key: messageId\n"
    "    properties_at: properties\n"
    "    key: { user_id: userId }\n"
    "    properties: { page: text, amount: money, count: number, type: text }\n";

static struct random rng;

static void must(bool good, const char *what, uint64_t seed) {
    if (good) return;
    fprintf(stderr, "seed %llu: %s\n", (unsigned long long)seed, what);
    exit(1);
}

static uint32_t below(uint32_t bound) {
    return (uint32_t)random_below(&rng, bound);
}

static void put(struct buffer *out, const char *text) {
    must(buffer_append(out, text, strlen(text)) == STATUS_OK, "no memory", 0);
}

/* ---- lines ---- */

static const char *const keys[] = {"type",   "event",   "messageId", "timestamp",  "userId",
                                   "traits", "context", "page",      "amount",     "count",
                                   "at",     "ok",      "other",     "properties", "email"};

static void put_number(struct buffer *out) {
    static const char *const odd[] = {"0",     "-0",    "0.0",    "-0.0", "-0.5", "01",
                                      "1.",    ".5",    "-",      "+1",   "1e5",  "1E-2",
                                      "1.5e3", "12.34", "-12.34", "1.00", "0.1",  "1.005"};
    char text[64];
    switch (below(5)) {
    case 0: snprintf(text, sizeof text, "%s", odd[below(sizeof odd / sizeof *odd)]); break;
    case 1: snprintf(text, sizeof text, "%llu", (unsigned long long)random_u64(&rng)); break;
    case 2:
        snprintf(text, sizeof text, "%u.%0*u", below(100000), 1 + (int)below(9), below(10));
        break;
    default: snprintf(text, sizeof text, "%d", (int)below(2000) - 500); break;
    }
    put(out, text);
}

static void put_string(struct buffer *out) {
    static const char *const pieces[] = {"a",    "buy now", "/shop/item", "0",       "null", " ",
                                         "ä",    "😀",       "\\n",        "\\u00e4", "\\\"", "\\\\",
                                         "\x01", "\t",      "\xff",       "\\x"};
    uint32_t plain = below(12) ? 6 : (uint32_t)(sizeof pieces / sizeof *pieces);
    put(out, "\"");
    for (uint32_t i = below(6); i > 0; i--) put(out, pieces[below(plain)]);
    put(out, "\"");
}

static void put_value(struct buffer *out) {
    static const char *const others[] = {"true", "false", "null", "[1,\"a\"]", "{\"page\":\"x\"}",
                                         "[]",   "{}",    "tru",  "nul",       ""};
    uint32_t kind = below(16);
    if (kind < 7)
        put_string(out);
    else if (kind < 13)
        put_number(out);
    else
        put(out, others[below(below(4) ? 3 : (uint32_t)(sizeof others / sizeof *others))]);
}

static void put_known(struct buffer *out, const char *key) {
    char text[80];
    if (below(12) == 0) {
        put_value(out);
    } else if (strcmp(key, "type") == 0) {
        put(out, below(4) ? "\"track\"" : "\"page\"");
    } else if (strcmp(key, "timestamp") == 0 || strcmp(key, "at") == 0) {
        snprintf(text, sizeof text, "\"2023-0%u-1%uT0%u:00:00Z\"", 1 + below(9), below(10),
                 below(10));
        put(out, text);
    } else if (strcmp(key, "messageId") == 0 || strcmp(key, "userId") == 0) {
        snprintf(text, sizeof text, below(3) ? "\"m%u\"" : "%u", below(1000));
        put(out, text);
    } else if (strcmp(key, "amount") == 0 || strcmp(key, "count") == 0) {
        put_number(out);
    } else {
        put_value(out);
    }
}

/* The members of an object in an order that `shape` fixes; `strays`: now and then one more, one
 * less, or one twice. */
static void put_object(struct buffer *out, uint32_t shape, uint32_t depth, bool strays) {
    static const char *const blanks[] = {"", " ", "", "\t"};
    const char *blank = blanks[shape % 4];
    uint32_t count = 0, all = sizeof keys / sizeof *keys;
    put(out, "{");
    for (uint32_t i = 0; i < all; i++) {
        const char *key = keys[depth == 0 ? i : (i + shape) % all];
        bool is_object =
            depth < 2 &&
            (strcmp(key, "properties") == 0 || (strcmp(key, "ok") == 0 && shape % 5 == 0) ||
             (depth == 0 && (strcmp(key, "context") == 0 || strcmp(key, "traits") == 0)));
        bool is_twice = (shape >> 9 & 3) == 0 && i % 4 == shape % 4;
        bool there = depth == 0 ? i < 5 || is_object || (shape >> i & 1) : (shape >> (i / 2) & 1);
        bool stray = strays && below(30) == 0;
        if (there == stray) continue;
        if (strays && below(60) == 0) is_twice = true;
        for (uint32_t times = is_twice ? 2 : 1; times > 0; times--) {
            if (count++ > 0) put(out, ",");
            put(out, blank);
            put(out, "\"");
            put(out, key);
            put(out, "\":");
            put(out, blank);
            if (is_object)
                put_object(out, shape / 3 + i, depth + 1, strays);
            else
                put_known(out, key);
        }
    }
    put(out, blank);
    put(out, "}");
}

/* Half a line, or one with another byte. */
static void damage(struct buffer *file, size_t start) {
    static const char bytes[] = "\"\\{}[]:, 0a\x02";
    size_t length = file->length - start;
    if (length == 0) return;
    if (below(3) == 0)
        file->length = start + below((uint32_t)length);
    else
        file->at[start + below((uint32_t)length)] = bytes[below(sizeof bytes - 1)];
}

/* ---- what is told of them ---- */

static void tell_event(struct buffer *out, const struct event_batch *batch,
                       const struct event *event) {
    char text[300];
    snprintf(text, sizeof text, "%u %lld %lld %llx.%x %llx %d ", event->type,
             (long long)event->time_ms, (long long)event->known_ms,
             (unsigned long long)event->key.low, event->key.high,
             (unsigned long long)event->content, event->channel);
    put(out, text);
    for (uint32_t i = 0; i < event->identifier_count; i++) {
        const struct event_identifier *given = &batch->identifiers[event->identifier + i];
        snprintf(text, sizeof text, "%u:%.*s ", given->type, (int)given->length,
                 batch->bytes.at + given->offset);
        put(out, text);
    }
    for (uint32_t i = 0; i < event->properties_length; i++) {
        snprintf(text, sizeof text, "%02x", (uint8_t)batch->bytes.at[event->properties + i]);
        put(out, text);
    }
    put(out, "\n");
}

/* Each file begins with this line, which is bad and can have no form. So the beginning of the file
 * says for both ways that it holds a value a line. */
#define FIRST_LINE "{\"type\":[]}"

/* Events in order, then bad rows in order: a line alone tells one or the other, or both. */
static void tell(struct trial *trial, const char *source, struct text lines, struct buffer *events,
                 struct buffer *bad) {
    struct ingest_reader *reader = NULL;
    struct event_batch batch;
    struct buffer file;
    buffer_init(&file);
    put(&file, FIRST_LINE "\n");
    must(buffer_append_text(&file, lines) == STATUS_OK, "no memory", 0);
    event_batch_init(&batch);
    enum status status = ingest_open_text(&reader, &trial->settings, trial_source(trial, source),
                                          "t.ndjson", buffer_text(&file), &trial->error);
    must(status == STATUS_OK, trial->error.text, 0);
    while (ingest_next(reader, &batch, &trial->error) == STATUS_OK) {
        for (size_t i = 0; i < batch.event_count; i++) tell_event(events, &batch, &batch.events[i]);
        for (size_t i = 0; i < batch.row_count; i++) {
            const struct quarantined_row *row = &batch.rows[i];
            if (text_equal(event_batch_text(&batch, row->raw, row->raw_length), TEXT(FIRST_LINE)))
                continue;
            must(buffer_append_text(
                     bad, event_batch_text(&batch, row->reason, row->reason_length)) == STATUS_OK &&
                     buffer_append_text(bad, event_batch_text(&batch, row->raw, row->raw_length)) ==
                         STATUS_OK,
                 "no memory", 0);
            put(bad, "\n");
        }
    }
    ingest_close(reader);
    event_batch_release(&batch);
    buffer_release(&file);
}

/* Tells the first line that differs. */
static void compare(const struct buffer *together, const struct buffer *alone, const char *what,
                    uint64_t seed) {
    size_t at = 0, length = together->length < alone->length ? together->length : alone->length;
    if (text_equal(buffer_text(together), buffer_text(alone))) return;
    while (at < length && together->at[at] == alone->at[at]) at++;
    while (at > 0 && together->at[at - 1] != '\n') at--;
    const struct buffer *both[] = {together, alone};
    for (int i = 0; i < 2; i++) {
        const char *start = both[i]->at + at;
        const char *end = memchr(start, '\n', both[i]->length - at);
        fprintf(stderr, "%s: %.*s\n", i == 0 ? "together" : "alone", end ? (int)(end - start) : 0,
                start);
    }
    must(false, what, seed);
}

static void one_round(struct trial *trial, uint64_t seed) {
    static const char *const sources[] = {"web", "open", "flat", "under"};
    struct buffer file, told[4];
    size_t end[LINES_MAX + 1] = {0};
    random_init(&rng, seed);
    buffer_init(&file);
    for (int i = 0; i < 4; i++) buffer_init(&told[i]);
    uint32_t shapes[6], shape_count = 1 + below(6), lines = 1 + below(LINES_MAX);
    for (uint32_t i = 0; i < shape_count; i++) shapes[i] = (uint32_t)random_u64(&rng);
    for (uint32_t i = 0; i < lines; i++) {
        uint32_t shape = below(20) ? shapes[below(shape_count)] : (uint32_t)random_u64(&rng);
        put_object(&file, shape, 0, below(6) == 0);
        if (below(20) == 0) damage(&file, end[i]);
        put(&file, "\n");
        end[i + 1] = file.length;
    }
    const char *source = sources[seed % 4];
    tell(trial, source, buffer_text(&file), &told[0], &told[1]);
    for (uint32_t i = 0; i < lines; i++)
        tell(trial, source, (struct text){file.at + end[i], (uint32_t)(end[i + 1] - end[i])},
             &told[2], &told[3]);
    compare(&told[0], &told[2], "the events differ", seed);
    compare(&told[1], &told[3], "the bad rows differ", seed);
    for (int i = 0; i < 4; i++) buffer_release(&told[i]);
    buffer_release(&file);
}

int main(int argc, char **argv) {
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    uint64_t rounds = argc > 2 ? strtoull(argv[2], NULL, 10) : 120;
    for (uint64_t i = 0; i < rounds; i++) {
        struct trial trial;
        trial_init(&trial, playbook);
        one_round(&trial, seed + i);
        trial_release(&trial);
    }
    printf("%llu rounds from seed %llu, 0 failed\n", (unsigned long long)rounds,
           (unsigned long long)seed);
    return 0;
}
