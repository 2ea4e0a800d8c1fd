/* SPDX-License-Identifier: Apache-2.0 */
/* tests/fuzz/ingest_fuzz.h -- what csv_fuzz.c and ndjson_fuzz.c share: a playbook, and what must
 * hold of whatever comes out. */
#ifndef TESTS_FUZZ_INGEST_FUZZ_H
#define TESTS_FUZZ_INGEST_FUZZ_H

#include "fuzz.h"

#include "ingest/ingest.h"

struct ingest_fuzz {
    struct symbols *symbols;
    struct playbook *playbook;
};

static inline void ingest_fuzz_open(struct ingest_fuzz *fuzz, struct text yaml) {
    static struct playbook_errors errors;
    fuzz_check(symbols_create(&fuzz->symbols) == STATUS_OK);
    fuzz_check(playbook_load(&fuzz->playbook, "fuzz.yaml", yaml, fuzz->symbols, &errors) ==
               STATUS_OK);
}

/* Everything in a batch lies inside its bytes and can be read. */
static inline void ingest_fuzz_check_batch(const struct event_batch *batch) {
    for (size_t i = 0; i < batch->event_count; i++) {
        const struct event *event = &batch->events[i];
        fuzz_check((size_t)event->properties + event->properties_length <= batch->bytes.length);
        fuzz_check(packed_check(event_batch_text(batch, event->properties,
                                                 event->properties_length)) == STATUS_OK);
        fuzz_check(event->known_ms >= event->time_ms);
        fuzz_check(event->identifier_count > 0);
        fuzz_check((size_t)event->identifier + event->identifier_count <= batch->identifier_count);
        for (uint32_t k = 0; k < event->identifier_count; k++) {
            const struct event_identifier *identifier = &batch->identifiers[event->identifier + k];
            fuzz_check(identifier->length > 0 &&
                       (size_t)identifier->offset + identifier->length <= batch->bytes.length);
        }
    }
    for (size_t i = 0; i < batch->row_count; i++) {
        const struct quarantined_row *row = &batch->rows[i];
        fuzz_check((size_t)row->raw + row->raw_length <= batch->bytes.length);
        fuzz_check(row->reason_length > 0 &&
                   (size_t)row->reason + row->reason_length <= batch->bytes.length);
        fuzz_check(text_is_utf8(event_batch_text(batch, row->reason, row->reason_length)));
        fuzz_check(row->line > 0);
    }
}

/* A quarantined row read again gives a row or events, and never anything else than before. */
static inline void ingest_fuzz_replay(const struct ingest_settings *settings,
                                      const struct source *source,
                                      const struct event_batch *batch) {
    struct event_batch again;
    struct error error;
    event_batch_init(&again);
    for (size_t i = 0; i < batch->row_count && i < 4; i++) {
        const struct quarantined_row *row = &batch->rows[i];
        struct text raw = event_batch_text(batch, row->raw, row->raw_length);
        event_batch_clear(&again);
        if (ingest_row_replay(settings, source, "f", row->line, raw, &again, &error) == STATUS_OK)
            ingest_fuzz_check_batch(&again);
    }
    event_batch_release(&again);
}

/* Reads the bytes in batches of so many; returns rows behind events and quarantined rows. */
static inline struct ingest_progress ingest_fuzz_read(struct ingest_fuzz *fuzz,
                                                      const struct source *source,
                                                      struct text bytes, uint32_t batch_events,
                                                      bool replay) {
    struct ingest_settings settings = {.playbook = fuzz->playbook,
                                       .symbols = fuzz->symbols,
                                       .now_ms = INT64_C(1700000000000),
                                       .batch_events = batch_events};
    struct ingest_progress progress = {0};
    struct ingest_reader *reader;
    struct event_batch batch;
    struct error error;
    if (ingest_open_text(&reader, &settings, source, "f", bytes, &error) != STATUS_OK)
        return progress;
    event_batch_init(&batch);
    enum status status;
    while ((status = ingest_next(reader, &batch, &error)) == STATUS_OK) {
        ingest_fuzz_check_batch(&batch);
        if (replay) ingest_fuzz_replay(&settings, source, &batch);
    }
    fuzz_check(status == STATUS_END);
    ingest_progress(reader, &progress);
    ingest_close(reader);
    event_batch_release(&batch);
    return progress;
}

#endif
