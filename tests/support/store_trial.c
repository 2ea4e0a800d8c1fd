/* SPDX-License-Identifier: Apache-2.0 */
#include "support/store_trial.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/hash.h"
#include "event/timeline_source.h"

/* An event's serial: operation << 16 | its place. Everything else in it follows from the serial. */
#define SERIAL_BITS 16
#define DAY_MS      86400000

static uint64_t mix(const struct trial *trial, uint64_t a, uint64_t salt) {
    return hash_u64(hash_u64(a + salt * UINT64_C(0x9E3779B97F4A7C15)) ^ trial->seed);
}

enum trial_kind trial_kind(const struct trial *trial, uint64_t operation) {
    uint64_t draw = mix(trial, operation, 1) % 100;
    if (operation == 0 || draw < 74) return TRIAL_APPEND;
    if (draw < 80) return TRIAL_SYNC;
    if (draw < 87) return TRIAL_FOLD;
    if (draw < 90) return TRIAL_MERGE;
    if (draw < 95) return TRIAL_ERASE;
    return draw < 99 ? TRIAL_DROP_ROWS : TRIAL_REBUILD;
}

static bool append_is_synced(const struct trial *trial, uint64_t operation) {
    return !trial->unsynced || mix(trial, operation, 2) % 2 == 0;
}

bool trial_is_durable(const struct trial *trial, uint64_t operation) {
    return trial_kind(trial, operation) != TRIAL_APPEND || append_is_synced(trial, operation);
}

uint64_t trial_event_count(const struct trial *trial, uint64_t operation) {
    if (trial_kind(trial, operation) != TRIAL_APPEND) return 0;
    uint64_t draw = mix(trial, operation, 3);
    return draw % 8 == 0 ? 0 : 1 + (draw >> 8) % trial->events_max;
}

static uint32_t row_count_of(const struct trial *trial, uint64_t operation) {
    uint64_t draw = mix(trial, operation, 4);
    return draw % 4 == 0 ? 1 + (uint32_t)(draw >> 8) % 3 : 0;
}

static uint32_t persona_of(const struct trial *trial, uint64_t serial) {
    return (uint32_t)(mix(trial, serial, 5) % trial->persona_count);
}

/* The persona that an erasure, a record or a row is about. */
static uint32_t persona_of_operation(const struct trial *trial, uint64_t operation) {
    return (uint32_t)(mix(trial, operation, 6) % trial->persona_count);
}

/* A third of the events stand under keys, which come again and again: every one after the first
 * corrects the row. */
#define KEYS 150u
static uint32_t key_number(const struct trial *trial, uint64_t serial) {
    uint64_t draw = mix(trial, serial, 9);
    return draw % 3 == 0 ? (uint32_t)(draw >> 8) % KEYS : UINT32_MAX;
}

static struct row_key key_at(uint32_t number) {
    return (struct row_key){hash_u64(number + 1), number};
}

static struct row_key key_of_serial(const struct trial *trial, uint64_t serial) {
    uint32_t number = key_number(trial, serial);
    return number == UINT32_MAX ? (struct row_key){0} : key_at(number);
}

/* The key that an append retracts besides, unless its events have it too; UINT32_MAX: none. */
static uint32_t retracted_key(const struct trial *trial, uint64_t operation) {
    uint64_t draw = mix(trial, operation, 10);
    uint32_t number = draw % 3 == 0 ? (uint32_t)(draw >> 8) % KEYS : UINT32_MAX;
    for (uint64_t i = 0; number != UINT32_MAX && i < trial_event_count(trial, operation); i++)
        if (key_number(trial, operation << SERIAL_BITS | i) == number) return UINT32_MAX;
    return number;
}

static int64_t retracted_ms(uint64_t operation) {
    return INT64_C(1500000000000) + (int64_t)(operation % 40) * DAY_MS;
}

/* Most are those that a checkpoint stands for. */
static enum record_kind kind_of_record(uint64_t operation) {
    return operation % 3 == 0 ? RECORD_CONTROL : RECORD_IDENTITY;
}

static struct event event_of(const struct trial *trial, uint64_t serial) {
    uint64_t draw = mix(trial, serial, 7);
    int64_t time_ms = INT64_C(1500000000000) + (int64_t)(draw % (30 * (uint64_t)DAY_MS));
    return (struct event){
        .time_ms = draw % 64 == 0 ? INT64_MIN / 4 : time_ms,
        .known_ms = draw % 5 == 0 ? time_ms + DAY_MS : time_ms,
        .key = key_of_serial(trial, serial),
        .content = serial + 1,
        .reading = (uint16_t)(draw >> 52 & 1),
        .version = draw % 11 == 0 ? (int64_t)(draw >> 40) : ROW_VERSION_NONE,
        .persona = {persona_of(trial, serial)},
        .type = (uint16_t)(draw >> 40 & 7),
        .source = (uint16_t)(draw >> 44 & 3),
        .channel = (uint8_t)(draw >> 48 & 3),
    };
}

static size_t text_of(const struct trial *trial, uint64_t serial, char out[64]) {
    return (size_t)snprintf(out, 64, "persona %" PRIu32 " serial %" PRIu64,
                            persona_of(trial, serial), serial);
}

/* ---- the model ---- */

struct trial_item {  /* an event, record or row */
    uint64_t serial; /* records: the operation << 16 */
    uint32_t persona;
    bool gone, rewritten;
    int64_t superseded_ms; /* INT64_MAX: it is not */
};

struct trial_list {
    struct trial_item *items;
    size_t count, capacity;
};

struct trial_key {
    size_t event; /* the latest one + 1; 0: the key is not known */
    bool retracted;
};

struct trial_model {
    struct trial_list events, records, rows;
    struct trial_key keys[KEYS];
};

static void add(struct trial_list *list, uint64_t serial, uint32_t persona) {
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? 2 * list->capacity : 64;
        list->items = realloc(list->items, list->capacity * sizeof(*list->items));
        if (!list->items) abort();
    }
    list->items[list->count++] = (struct trial_item){serial, persona, false, false, INT64_MAX};
}

static void erase_from(struct trial_list *list, uint32_t persona, bool rewrite) {
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].persona != persona) continue;
        if (rewrite)
            list->items[i].rewritten = true;
        else
            list->items[i].gone = true;
    }
}

/* Which rows an operation of that kind drops: every third of all that were ever there, from a drawn
 * one. */
static bool drops_row(const struct trial *trial, uint64_t operation, uint64_t serial) {
    return mix(trial, serial, 8 + operation) % 3 == 0;
}

static void supersede(struct trial_model *model, const struct trial_key *key, int64_t known_ms) {
    struct trial_item *item = &model->events.items[key->event - 1];
    if (known_ms < item->superseded_ms) item->superseded_ms = known_ms;
}

static void model_append(const struct trial *trial, struct trial_model *model, uint64_t operation) {
    uint64_t count = trial_event_count(trial, operation);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t serial = operation << SERIAL_BITS | i;
        uint32_t number = key_number(trial, serial);
        add(&model->events, serial, persona_of(trial, serial));
        if (number == UINT32_MAX) continue;
        struct trial_key *key = &model->keys[number];
        if (key->event) supersede(model, key, event_of(trial, serial).known_ms);
        *key = (struct trial_key){model->events.count, false};
    }
    uint32_t retracted = retracted_key(trial, operation);
    if (retracted != UINT32_MAX && model->keys[retracted].event) {
        supersede(model, &model->keys[retracted], retracted_ms(operation));
        model->keys[retracted].retracted = true;
    }
    add(&model->records, operation << SERIAL_BITS, persona_of_operation(trial, operation));
    for (uint32_t i = 0; i < row_count_of(trial, operation); i++) {
        uint64_t serial = operation << SERIAL_BITS | i;
        add(&model->rows, serial, persona_of(trial, serial));
    }
}

static void model_do(const struct trial *trial, struct trial_model *model, uint64_t operation) {
    uint32_t persona = persona_of_operation(trial, operation);
    switch (trial_kind(trial, operation)) {
    case TRIAL_APPEND: model_append(trial, model, operation); break;
    case TRIAL_ERASE:
        erase_from(&model->events, persona, false);
        erase_from(&model->records, persona, true);
        erase_from(&model->rows, persona, false);
        for (uint32_t k = 0; k < KEYS; k++)
            if (model->keys[k].event && model->events.items[model->keys[k].event - 1].gone)
                model->keys[k] = (struct trial_key){0};
        break;
    case TRIAL_DROP_ROWS:
        for (size_t i = 0; i < model->rows.count; i++)
            if (drops_row(trial, operation, model->rows.items[i].serial))
                model->rows.items[i].gone = true;
        break;
    default: break;
    }
}

struct trial_model *trial_model_create(const struct trial *trial, uint64_t operations) {
    struct trial_model *model = calloc(1, sizeof(*model));
    if (!model) abort();
    for (uint64_t i = 0; i < operations; i++) model_do(trial, model, i);
    return model;
}

void trial_model_destroy(struct trial_model *model) {
    if (!model) return;
    free(model->events.items);
    free(model->records.items);
    free(model->rows.items);
    free(model);
}

uint64_t trial_model_events(const struct trial_model *model) {
    uint64_t count = 0;
    for (size_t i = 0; i < model->events.count; i++) count += !model->events.items[i].gone;
    return count;
}

/* ---- the store ---- */

static uint64_t operation_in(struct text bytes) {
    char text[64] = "";
    memcpy(text, bytes.at, bytes.length < 63 ? bytes.length : 63);
    uint64_t operation = UINT64_MAX;
    sscanf(text, "operation %" SCNu64, &operation);
    return operation;
}

void trial_note_operation(struct trial_store *open, struct text bytes) {
    uint64_t operation = operation_in(bytes);
    if (operation != UINT64_MAX &&
        (open->last_operation == UINT64_MAX || operation > open->last_operation))
        open->last_operation = operation;
}

enum status trial_on_record(void *context, enum record_kind kind, struct text bytes,
                            uint64_t position, struct error *error) {
    struct trial_store *open = context;
    uint8_t narrow = (uint8_t)kind;
    if (buffer_append(&open->records, &position, 8) || buffer_append(&open->records, &narrow, 1) ||
        buffer_append(&open->records, &bytes.length, 4) ||
        buffer_append(&open->records, bytes.at, bytes.length))
        return error_set(error, STATUS_NO_MEMORY, "no memory for a record");
    trial_note_operation(open, bytes);
    return STATUS_OK;
}

enum status trial_open(struct trial_store *out, struct file_system *fs, const char *directory,
                       uint32_t fold_events, bool by_hand, struct error *error) {
    static const struct column_set columns = {
        .columns = {{PROPERTY_VALUE, VALUE_NUMBER}, {PROPERTY_REASON, VALUE_TEXT}}, .count = 2};
    *out = (struct trial_store){.last_operation = UINT64_MAX};
    buffer_init(&out->records);
    enum status status = symbols_create(&out->symbols);
    if (status) return error_set(error, status, "no memory for symbols");
    const struct store_checkpoint_ops checkpoint = trial_checkpoint_ops(out);
    const struct store_options options = {
        .fs = fs,
        .directory = directory,
        .checkpoint = &checkpoint,
        .checkpoint_bytes = 1,
        .create = true,
        .symbols = out->symbols,
        .columns = &columns,
        .fold_events = fold_events,
        .fold_by_hand = by_hand,
        .on_record = trial_on_record,
        .context = out,
    };
    status = store_open(&out->store, &options, error);
    if (status) trial_close(out);
    return status;
}

void trial_close(struct trial_store *open) {
    store_close(open->store);
    if (open->symbols) symbols_destroy(open->symbols);
    buffer_release(&open->records);
    *open = (struct trial_store){.last_operation = UINT64_MAX};
}

static enum status add_event(const struct trial *trial, struct event_batch *batch,
                             struct packed_writer *writer, uint64_t serial) {
    struct event *event = event_batch_add(batch);
    if (!event) return STATUS_NO_MEMORY;
    *event = event_of(trial, serial);
    char text[64];
    size_t length = text_of(trial, serial, text);
    packed_begin(writer);
    enum status status = packed_add(writer, PROPERTY_VALUE, value_number((double)serial));
    if (status == STATUS_OK)
        status =
            packed_add(writer, PROPERTY_REASON, value_text((struct text){text, (uint32_t)length}));
    if (status) return status;
    event->properties = (uint32_t)batch->bytes.length;
    status = packed_end(writer, &batch->bytes);
    event->properties_length = (uint32_t)batch->bytes.length - event->properties;
    return status;
}

static enum status fill_batch(const struct trial *trial, struct event_batch *batch,
                              uint64_t operation) {
    struct packed_writer *writer = malloc(sizeof(*writer));
    if (!writer) abort();
    packed_writer_init(writer);
    enum status status = STATUS_OK;
    for (uint64_t i = 0; status == STATUS_OK && i < trial_event_count(trial, operation); i++)
        status = add_event(trial, batch, writer, operation << SERIAL_BITS | i);
    for (uint32_t i = 0; status == STATUS_OK && i < row_count_of(trial, operation); i++) {
        char text[64];
        size_t length = text_of(trial, operation << SERIAL_BITS | i, text);
        status = event_batch_add_row(batch, 1, TEXT("trial.csv"), i + 1, i, TEXT("no time"),
                                     (struct text){text, (uint32_t)length});
    }
    packed_writer_release(writer);
    free(writer);
    return status;
}

/* As the engine does it: what is known of each key, in the store or earlier in the batch. */
static enum status find_replaced(struct trial_store *open, struct event_batch *batch,
                                 struct error *error) {
    uint64_t first = store_position(open->store) + 1;
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < batch->event_count; i++) {
        struct event *event = &batch->events[i];
        struct stored_key stored;
        bool found = false;
        for (size_t j = i; !found && j-- > 0;) {
            if (row_key_is_none(event->key)) break;
            found = row_key_equal(batch->events[j].key, event->key);
            stored.position = first + j;
            stored.persona = batch->events[j].persona;
        }
        if (!found) status = store_key_find(open->store, event->key, &stored, &found, error);
        if (status || !found) continue;
        event->replaces = stored.position;
        event->replaces_persona = stored.persona;
    }
    return status;
}

static enum status find_retracted(const struct trial *trial, struct trial_store *open,
                                  uint64_t operation, struct key_change *change, size_t *count,
                                  struct error *error) {
    uint32_t number = retracted_key(trial, operation);
    struct stored_key stored;
    bool found = false;
    *count = 0;
    if (number == UINT32_MAX) return STATUS_OK;
    enum status status = store_key_find(open->store, key_at(number), &stored, &found, error);
    if (status || !found) return status;
    *count = 1;
    *change = (struct key_change){.key = key_at(number),
                                  .content = stored.content,
                                  .version = stored.version,
                                  .position = stored.position,
                                  .persona = stored.persona,
                                  .reading = stored.reading,
                                  .source = stored.source,
                                  .retracts = true,
                                  .known_ms = retracted_ms(operation)};
    return STATUS_OK;
}

static enum status append(const struct trial *trial, struct trial_store *open, uint64_t operation,
                          struct error *error) {
    struct event_batch batch;
    struct key_change change;
    size_t change_count = 0;
    event_batch_init(&batch);
    enum status status = fill_batch(trial, &batch, operation);
    if (status) {
        event_batch_release(&batch);
        return error_set(error, status, "no memory for the trial's batch");
    }
    status = find_replaced(open, &batch, error);
    if (status == STATUS_OK)
        status = find_retracted(trial, open, operation, &change, &change_count, error);
    if (status) {
        event_batch_release(&batch);
        return status;
    }
    char name[64], text[96];
    /* A symbol now and then, so that these travel too. */
    int name_length = snprintf(name, sizeof(name), "Trial %" PRIu64, operation);
    uint32_t id;
    if (status == STATUS_OK && operation % 7 == 0)
        status = symbol_add(open->symbols, SYMBOL_EVENT, (struct text){name, (uint32_t)name_length},
                            &id);
    int length = snprintf(text, sizeof(text), "operation %" PRIu64 " persona %" PRIu32, operation,
                          persona_of_operation(trial, operation));
    const struct store_record record = {kind_of_record(operation), {text, (uint32_t)length}};
    const struct store_frame frame = {.batch = &batch,
                                      .records = &record,
                                      .record_count = 1,
                                      .changes = &change,
                                      .change_count = change_count};
    uint64_t position;
    if (status)
        error_set(error, status, "no memory for the trial's batch");
    else
        status =
            store_append(open->store, &frame, append_is_synced(trial, operation), &position, error);
    event_batch_release(&batch);
    return status;
}

struct trial_erasing {
    char mark[32];
};

static bool names_persona(const struct trial_erasing *erasing, struct text bytes) {
    struct text mark = text_from(erasing->mark);
    const char *at = memmem(bytes.at, bytes.length, mark.at, mark.length);
    if (!at) return false;
    const char *end = bytes.at + bytes.length;
    return at + mark.length == end || at[mark.length] == ' ';
}

static bool row_is_theirs(void *context, const struct stored_row *row) {
    return names_persona(context, row->raw);
}

static bool rewrite(void *context, enum record_kind kind, struct text bytes, struct buffer *out) {
    (void)kind;
    if (!names_persona(context, bytes)) return false;
    return buffer_format(out, "operation %" PRIu64 " erased", operation_in(bytes)) == STATUS_OK;
}

static enum status erase(const struct trial *trial, struct trial_store *open, uint64_t operation,
                         struct error *error) {
    struct persona_id persona = {persona_of_operation(trial, operation)};
    struct trial_erasing erasing;
    snprintf(erasing.mark, sizeof(erasing.mark), "persona %" PRIu32, persona.value);
    const struct store_erasure erasure = {.personas = &persona,
                                          .persona_count = 1,
                                          .row_is_theirs = row_is_theirs,
                                          .rewrite = rewrite,
                                          .context = &erasing};
    struct store_erased erased;
    return store_erase(open->store, &erasure, &erased, error);
}

static uint64_t serial_in(struct text text) {
    char copy[64] = "";
    memcpy(copy, text.at, text.length < 63 ? text.length : 63);
    uint32_t persona;
    uint64_t serial = UINT64_MAX;
    return sscanf(copy, "persona %" SCNu32 " serial %" SCNu64, &persona, &serial) == 2 ? serial
                                                                                       : UINT64_MAX;
}

struct trial_dropping {
    const struct trial *trial;
    uint64_t operation;
    uint64_t ids[4096];
    size_t count;
};

static bool collect_drop(void *context, const struct stored_row *row) {
    struct trial_dropping *dropping = context;
    if (dropping->count < 4096 &&
        drops_row(dropping->trial, dropping->operation, serial_in(row->raw)))
        dropping->ids[dropping->count++] = row->row_id;
    return true;
}

static enum status drop_rows(const struct trial *trial, struct trial_store *open,
                             uint64_t operation, struct error *error) {
    struct trial_dropping *dropping = calloc(1, sizeof(*dropping));
    if (!dropping) abort();
    dropping->trial = trial;
    dropping->operation = operation;
    enum status status = store_visit_rows(open->store, collect_drop, dropping, error);
    if (status == STATUS_OK)
        status = store_drop_rows(open->store, dropping->ids, dropping->count, error);
    /* Without rows nothing is written, but the trial calls the operation durable. */
    if (status == STATUS_OK) status = store_sync(open->store, error);
    free(dropping);
    return status;
}

enum status trial_do(const struct trial *trial, struct trial_store *open, uint64_t operation,
                     struct error *error) {
    switch (trial_kind(trial, operation)) {
    case TRIAL_APPEND: return append(trial, open, operation, error);
    case TRIAL_SYNC: return store_sync(open->store, error);
    case TRIAL_FOLD: return store_fold(open->store, false, error);
    case TRIAL_MERGE: return store_fold(open->store, true, error);
    case TRIAL_ERASE: return erase(trial, open, operation, error);
    case TRIAL_DROP_ROWS: return drop_rows(trial, open, operation, error);
    case TRIAL_REBUILD: return store_rebuild(open->store, error);
    }
    return STATUS_INVALID;
}

/* ---- comparing ---- */

struct trial_serials {
    uint64_t *at;
    size_t count, capacity;
};

static void put_serial(struct trial_serials *serials, uint64_t serial) {
    if (serials->count == serials->capacity) {
        serials->capacity = serials->capacity ? 2 * serials->capacity : 256;
        serials->at = realloc(serials->at, serials->capacity * sizeof(*serials->at));
        if (!serials->at) abort();
    }
    serials->at[serials->count++] = serial;
}

static int compare_serials(const void *a, const void *b) {
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

/* Serials found against those of the list that are not gone: the same, each once. */
static bool same_serials(struct trial_serials *found, const struct trial_list *list,
                         const char *what, char why[512]) {
    if (found->count) qsort(found->at, found->count, sizeof(*found->at), compare_serials);
    size_t at = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].gone) continue;
        if (at < found->count && found->at[at] == list->items[i].serial) {
            at++;
            continue;
        }
        bool missing = at == found->count || found->at[at] > list->items[i].serial;
        uint64_t serial = missing ? list->items[i].serial : found->at[at];
        snprintf(why, 512, "%s %" PRIu64 " of operation %" PRIu64 " is %s", what, serial & 0xffff,
                 serial >> SERIAL_BITS, missing ? "lost" : "there although it must not be");
        return false;
    }
    if (at == found->count) return true;
    snprintf(why, 512,
             "%s %" PRIu64 " of operation %" PRIu64 " is there twice or must not be there", what,
             found->at[at] & 0xffff, found->at[at] >> SERIAL_BITS);
    return false;
}

static int compare_items(const void *a, const void *b) {
    uint64_t x = ((const struct trial_item *)a)->serial, y = ((const struct trial_item *)b)->serial;
    return (x > y) - (x < y);
}

static bool is_superseded_as(const struct trial_model *model, uint64_t serial, int64_t since_ms) {
    const struct trial_item wanted = {.serial = serial}, *item;
    if (model->events.count == 0) return false;
    item =
        bsearch(&wanted, model->events.items, model->events.count, sizeof(wanted), compare_items);
    return item != NULL && item->superseded_ms == since_ms;
}

static bool check_row(const struct trial *trial, const struct trial_model *model,
                      const struct timeline *timeline, uint32_t row, struct trial_serials *found,
                      char why[512]) {
    struct text packed;
    if (timeline->ops->packed(timeline, row, &packed)) {
        snprintf(why, 512, "packed properties of customer %u can't be read",
                 timeline->customer.value);
        return false;
    }
    struct value value = packed_find(packed, PROPERTY_VALUE),
                 text = packed_find(packed, PROPERTY_REASON);
    uint64_t serial = value.type == VALUE_NUMBER ? (uint64_t)value.number : UINT64_MAX;
    struct event event = event_of(trial, serial);
    char expected[64];
    size_t length = text_of(trial, serial, expected);
    bool same =
        text.type == VALUE_TEXT &&
        text_equal(text.text, (struct text){expected, (uint32_t)length}) &&
        timeline->time_ms[row] == event.time_ms && timeline->type[row] == event.type &&
        timeline->channel[row] == event.channel && timeline->source[row] == event.source &&
        timeline->persona[row] == event.persona.value &&
        timeline->customer.value == event.persona.value &&
        (timeline->known_ms == NULL || timeline->known_ms[row] == event.known_ms) &&
        is_superseded_as(model, serial,
                         timeline->superseded_ms ? timeline->superseded_ms[row] : INT64_MAX);
    bool ordered = row == 0 || timeline->time_ms[row - 1] < timeline->time_ms[row] ||
                   (timeline->time_ms[row - 1] == timeline->time_ms[row] &&
                    timeline->position[row - 1] < timeline->position[row]);
    if (!same || !ordered)
        snprintf(why, 512, "event %" PRIu64 " of operation %" PRIu64 " is %s", serial & 0xffff,
                 serial >> SERIAL_BITS, same ? "out of order" : "not what was appended");
    put_serial(found, serial);
    return same && ordered;
}

/* Every key is known with its latest row, and no other is. */
static bool same_keys(const struct trial *trial, struct store *store,
                      const struct trial_model *model, char why[512]) {
    for (uint32_t k = 0; k < KEYS; k++) {
        const struct trial_key *key = &model->keys[k];
        struct stored_key stored;
        struct error error;
        bool found;
        if (store_key_find(store, key_at(k), &stored, &found, &error)) {
            snprintf(why, 512, "key %" PRIu32 ": %.400s", k, error.text);
            return false;
        }
        uint64_t serial = key->event ? model->events.items[key->event - 1].serial : 0;
        bool same = found == (key->event != 0);
        if (same && found)
            same = stored.content == serial + 1 &&
                   stored.persona.value == persona_of(trial, serial) &&
                   stored.retracted == key->retracted;
        if (same) continue;
        snprintf(why, 512, "key %" PRIu32 " is %s, and its row is not that of operation %" PRIu64,
                 k, found ? "known" : "not known", serial >> SERIAL_BITS);
        return false;
    }
    return true;
}

static bool read_events(const struct trial *trial, const struct trial_model *model,
                        struct store *store, struct trial_serials *found, char why[512]) {
    struct timeline_source *source = store_source_written(store);
    struct timeline_reader *reader = NULL;
    struct error error;
    const struct timeline_request request = {{INT64_MAX, POSITION_NOW},
                                             TIMELINE_CHANNEL | TIMELINE_KNOWN | TIMELINE_POSITION |
                                                 TIMELINE_PERSONA | TIMELINE_SOURCE |
                                                 TIMELINE_PACKED,
                                             NULL};
    enum status status = source->ops->reader_open(source, &reader, &error);
    if (status == STATUS_OK) status = source->ops->walk(reader, &request, 0, 1, &error);
    bool same = true;
    struct timeline timeline;
    while (same && status == STATUS_OK) {
        status = source->ops->next(reader, &timeline, &error);
        for (uint32_t i = 0; same && status == STATUS_OK && i < timeline.count; i++)
            same = check_row(trial, model, &timeline, i, found, why);
    }
    if (reader) source->ops->reader_close(reader);
    if (!same || status == STATUS_END) return same;
    snprintf(why, 512, "reading: %.400s", error.text);
    return false;
}

struct came { /* a record that was handed out */
    uint64_t position;
    enum record_kind kind;
    struct text bytes;
};

static int by_record_position(const void *left, const void *right) {
    const struct came *a = left, *b = right;
    return (a->position > b->position) - (a->position < b->position);
}

/* Records of each kind come in order; a checkpoint's come before or after those of other kinds. */
static bool sort_records(const struct trial_store *open, struct came *came, size_t *count) {
    uint64_t last[2] = {0, 0};
    *count = 0;
    for (size_t at = 0; at + 13 <= open->records.length; (*count)++) {
        struct came *record = &came[*count];
        *record = (struct came){.bytes.at = open->records.at + at + 13};
        memcpy(&record->position, open->records.at + at, 8);
        record->kind = (enum record_kind)(uint8_t)open->records.at[at + 8];
        memcpy(&record->bytes.length, open->records.at + at + 9, 4);
        at += 13 + record->bytes.length;
        uint64_t *before = &last[record->kind == RECORD_CONTROL];
        if (*count > 0 && record->position < *before) return false;
        *before = record->position;
    }
    if (*count) qsort(came, *count, sizeof(*came), by_record_position);
    return true;
}

static bool same_record(const struct came *came, const struct trial_item *item, char why[512]) {
    char expected[96];
    uint64_t operation = item->serial >> SERIAL_BITS;
    int n = item->rewritten
                ? snprintf(expected, sizeof(expected), "operation %" PRIu64 " erased", operation)
                : snprintf(expected, sizeof(expected), "operation %" PRIu64 " persona %" PRIu32,
                           operation, item->persona);
    if (came->kind == kind_of_record(operation) &&
        text_equal(came->bytes, (struct text){expected, (uint32_t)n}))
        return true;
    snprintf(why, 512, "a record is '%.*s', not '%s'", TEXT_ARG(came->bytes), expected);
    return false;
}

static bool same_records(const struct trial_store *open, const struct trial_model *model,
                         char why[512]) {
    struct came *came = calloc(open->records.length / 13 + 1, sizeof(*came));
    size_t count;
    if (!came) abort();
    bool same = sort_records(open, came, &count);
    if (!same) snprintf(why, 512, "records came out of order");
    if (same && count != model->records.count) {
        snprintf(why, 512, "there are %zu records, not %zu", count, model->records.count);
        same = false;
    }
    for (size_t i = 0; same && i < count; i++)
        same = same_record(&came[i], &model->records.items[i], why);
    free(came);
    return same;
}

static bool collect_row(void *context, const struct stored_row *row) {
    bool whole = row->source == 1 && text_equal(row->file, TEXT("trial.csv")) &&
                 text_equal(row->reason, TEXT("no time"));
    put_serial(context, whole ? serial_in(row->raw) : UINT64_MAX);
    return true;
}

bool trial_matches(const struct trial *trial, struct trial_store *open,
                   const struct trial_model *model, char why[512]) {
    struct trial_serials events = {0}, rows = {0};
    struct error error;
    bool same = read_events(trial, model, open->store, &events, why) &&
                same_serials(&events, &model->events, "event", why) &&
                same_keys(trial, open->store, model, why);
    if (same && store_visit_rows(open->store, collect_row, &rows, &error)) {
        snprintf(why, 512, "reading rows: %.400s", error.text);
        same = false;
    }
    same = same && same_serials(&rows, &model->rows, "row", why);
    free(events.at);
    free(rows.at);
    return same && same_records(open, model, why);
}

uint64_t trial_find(const struct trial *trial, struct trial_store *open, uint64_t least,
                    uint64_t most, char why[512]) {
    char ignored[512];
    if (open->last_operation != UINT64_MAX && open->last_operation + 1 > least)
        least = open->last_operation + 1;
    snprintf(why, 512, "operation %" PRIu64 " is there, but only %" PRIu64 " were begun",
             open->last_operation, most);
    for (uint64_t i = least; i <= most; i++) {
        struct trial_model *model = trial_model_create(trial, i);
        bool same = trial_matches(trial, open, model, i == least ? why : ignored);
        trial_model_destroy(model);
        if (same) return i;
    }
    return UINT64_MAX;
}
