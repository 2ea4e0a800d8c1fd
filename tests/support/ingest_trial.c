/* SPDX-License-Identifier: Apache-2.0 */
#include "support/ingest_trial.h"

#include "event/dark.h"
#include "support/unit.h"

#include <stdlib.h>

static void must(enum status status, const char *what) {
    if (status == STATUS_OK) return;
    fprintf(stderr, "trial: %s\n", what);
    abort();
}

void trial_init(struct trial *trial, const char *playbook) {
    static struct playbook_errors errors;
    struct buffer text;
    *trial = (struct trial){0};
    buffer_init(&text);
    buffer_init(&trial->out);
    must(buffer_format(&text, "attune: 1\nname: Trial\ncurrency: USD\nzone: UTC\n%s", playbook),
         "no memory");
    must(symbols_create(&trial->symbols), "no symbols");
    errors.count = 0;
    if (playbook_load(&trial->playbook, "trial.yaml", buffer_text(&text), trial->symbols,
                      &errors) != STATUS_OK) {
        for (uint32_t i = 0; i < errors.count; i++) fprintf(stderr, "%s\n", errors.item[i].text);
        abort();
    }
    buffer_release(&text);
    trial->settings =
        (struct ingest_settings){.playbook = trial->playbook,
                                 .symbols = trial->symbols,
                                 .now_ms = TRIAL_NOW_MS,
                                 .lookups = (const struct lookup_table *const *)trial->lookups};
}

void trial_release(struct trial *trial) {
    for (int i = 0; i < TRIAL_LOOKUPS; i++) lookup_destroy(trial->lookups[i]);
    playbook_destroy(trial->playbook);
    symbols_destroy(trial->symbols);
    buffer_release(&trial->out);
}

const struct source *trial_source(const struct trial *trial, const char *name) {
    uint32_t index = playbook_source_find(trial->playbook, text_from(name));
    must(index == UINT32_MAX ? STATUS_NOT_FOUND : STATUS_OK, name);
    return &trial->playbook->sources[index];
}

__attribute__((format(printf, 2, 3))) static void put(struct trial *trial, const char *format,
                                                      ...) {
    char line[4096];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    size_t kept = (size_t)length < sizeof line ? (size_t)length : sizeof line - 1;
    must(buffer_append(&trial->out, line, kept), "no memory");
}

static void put_time(struct trial *trial, int64_t time_ms) {
    char text[32];
    size_t length = time_format(time_ms, text);
    put(trial, " %.*s", (int)length, text);
}

static void put_value(struct trial *trial, struct value value, struct value array) {
    struct item_walk items;
    struct text name;
    bool is_record;
    if (value.type != VALUE_LIST && !value_is_known(array)) {
        must(value_print(value, &trial->out), "no memory");
        return;
    }
    item_walk_begin(&items, trial->symbols, value, array);
    put(trial, "[");
    for (int i = 0; item_walk_next(&items, &is_record, &value); i++) {
        if (i > 0) put(trial, " ");
        if (!is_record) {
            put_value(trial, value, value_unknown());
            continue;
        }
        const char *before = "";
        put(trial, "{");
        while (item_walk_field(&items, &name, &value)) {
            put(trial, "%s%.*s=", before, TEXT_ARG(name));
            put_value(trial, value, value_unknown());
            before = " ";
        }
        put(trial, "}");
    }
    put(trial, "]");
}

static void put_event(struct trial *trial, const struct event_batch *batch,
                      const struct event *event) {
    struct property_walk walk;
    struct text packed = event_batch_text(batch, event->properties, event->properties_length);
    struct text name;
    struct value value, array;
    put(trial, "%.*s", TEXT_ARG(event_own_name(trial->symbols, event->type, packed)));
    put_time(trial, event->time_ms);
    if (event->known_ms != event->time_ms) put(trial, " known");
    if (event->known_ms != event->time_ms) put_time(trial, event->known_ms);
    if (trial->with_keys) put(trial, " key %s", event->key.low ? "yes" : "no");
    if (trial->with_channels)
        put(trial, " by %.*s",
            TEXT_ARG(symbol_text(trial->symbols, SYMBOL_CHANNEL, event->channel)));
    put(trial, " {");
    for (uint32_t i = 0; i < event->identifier_count; i++) {
        const struct event_identifier *identifier = &batch->identifiers[event->identifier + i];
        put(trial, "%s%s%.*s:%.*s", i ? " " : "", identifier->if_known ? "?" : "",
            TEXT_ARG(symbol_text(trial->symbols, SYMBOL_IDENTIFIER, identifier->type)),
            (int)identifier->length, batch->bytes.at + identifier->offset);
    }
    put(trial, "}");
    must(packed_check(packed), "packed bytes that can't be read");
    property_walk_begin(&walk, trial->symbols, packed);
    while (property_walk_next(&walk, &name, &value, &array)) {
        put(trial, " %.*s=", TEXT_ARG(name));
        put_value(trial, value, array);
    }
    put(trial, "\n");
}

void trial_print(struct trial *trial, const struct event_batch *batch) {
    for (size_t i = 0; i < batch->event_count; i++) put_event(trial, batch, &batch->events[i]);
    for (size_t i = 0; i < batch->row_count; i++) {
        const struct quarantined_row *row = &batch->rows[i];
        put(trial, "BAD %.*s:%llu:%u: %.*s\n", (int)row->file_length, batch->bytes.at + row->file,
            (unsigned long long)row->line, row->column, (int)row->reason_length,
            batch->bytes.at + row->reason);
    }
}

static void terminate(struct trial *trial) {
    must(buffer_append(&trial->out, "", 1), "no memory");
    trial->out.length--;
}

static enum status read_all(struct trial *trial, struct ingest_reader *reader, enum status status) {
    struct event_batch batch;
    event_batch_init(&batch);
    buffer_clear(&trial->out);
    while (status == STATUS_OK &&
           (status = ingest_next(reader, &batch, &trial->error)) == STATUS_OK)
        trial_print(trial, &batch);
    if (reader) ingest_progress(reader, &trial->progress);
    ingest_close(reader);
    event_batch_release(&batch);
    terminate(trial);
    return status;
}

enum status trial_read(struct trial *trial, const char *source, const char *bytes, size_t length) {
    const struct source *from = trial_source(trial, source);
    struct ingest_reader *reader = NULL;
    const char *name = from->format == SOURCE_CSV ? "t.csv" : "t.ndjson";
    struct text text = {bytes, (uint32_t)length};
    enum status status =
        ingest_open_text(&reader, &trial->settings, from, name, text, &trial->error);
    return read_all(trial, reader, status);
}

enum status trial_read_file(struct trial *trial, const char *source, const char *path) {
    struct ingest_reader *reader = NULL;
    enum status status =
        ingest_open(&reader, &trial->settings, trial_source(trial, source), path, &trial->error);
    return read_all(trial, reader, status);
}

const char *trial_text(struct trial *trial, const char *source, const char *bytes) {
    enum status status = trial_read(trial, source, bytes, strlen(bytes));
    return status == STATUS_END ? trial->out.at : trial->error.text;
}

const char *trial_replay(struct trial *trial, const char *source, uint64_t line, struct text raw) {
    struct event_batch batch;
    event_batch_init(&batch);
    buffer_clear(&trial->out);
    enum status status = ingest_row_replay(&trial->settings, trial_source(trial, source), "t.csv",
                                           line, raw, &batch, &trial->error);
    trial_print(trial, &batch);
    event_batch_release(&batch);
    terminate(trial);
    return status == STATUS_OK ? trial->out.at : trial->error.text;
}

const char *trial_lookup(struct trial *trial, const char *source, const char *path) {
    const struct source *from = trial_source(trial, source);
    struct event_batch batch;
    struct lookup_table *table;
    event_batch_init(&batch);
    buffer_clear(&trial->out);
    enum status status =
        ingest_lookup(&trial->settings, from, &trial->playbook->lookups[from->lookup], path, &table,
                      &batch, &trial->error);
    if (status == STATUS_OK) {
        lookup_destroy(trial->lookups[from->lookup]);
        trial->lookups[from->lookup] = table;
        put(trial, "%u rows\n", lookup_row_count(table));
    }
    trial_print(trial, &batch);
    event_batch_release(&batch);
    terminate(trial);
    return status == STATUS_OK ? trial->out.at : trial->error.text;
}

struct trial ingest_trial;

int trial_begin(void **state, const char *playbook) {
    trial_init(&ingest_trial, playbook);
    *state = &ingest_trial;
    return 0;
}

int trial_end(void **state) {
    trial_release(*state);
    return 0;
}

void trial_expect(const char *source, const char *bytes, const char *expected) {
    assert_string_equal(trial_text(&ingest_trial, source, bytes), expected);
}
