/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/answer.h"

#include <stdio.h>

#include "base/memory.h"

enum status answering_open(struct answering *answering, struct engine *engine, int64_t t_ms, struct error *error) {
    struct timeline_source *source = engine_world(engine)->source;
    *answering = (struct answering){.engine = engine, .t_ms = t_ms};
    buffer_init(&answering->model_names);
    enum status status = profiler_create(&answering->profiler, engine_world(engine));
    return status == STATUS_OK ? source->ops->reader_open(source, &answering->reader, error) : status;
}

void answering_close(struct answering *answering) {
    if (answering->reader != NULL) answering->reader->source->ops->reader_close(answering->reader);
    decider_destroy(answering->decider);
    profiler_destroy(answering->profiler);
    memory_free(answering->decision);
    buffer_release(&answering->model_names);
    *answering = (struct answering){0};
}

static struct timeline_request request_of(struct answering *answering) {
    struct as_of as_of = {answering->t_ms, answering->reader->source->ops->position(answering->reader)};
    return profiler_request(answering->profiler, as_of, false);
}

static enum status read_customer(struct answering *answering, const char *customer, uint32_t needs, struct error *error) {
    struct customer_id id;
    struct timeline_request request = request_of(answering);
    request.needs |= needs;
    enum status status = engine_find_customer(answering->engine, text_from(customer), request.as_of, &id, error);
    if (status != STATUS_OK) return status;
    status = answering->reader->source->ops->read(answering->reader, id, &request, &answering->timeline, error);
    if (status == STATUS_NOT_FOUND) return error_set(error, status, "%s has no events by then", customer);
    return status;
}

/* What an answer will be made of is asked for once before: it is whole, or there is none. */
static enum status check_all_read(struct answering *answering, uint32_t needs, struct error *error) {
    const struct timeline *timeline = &answering->timeline;
    enum status status = STATUS_OK;
    (void)profile_at(answering->profiler, timeline, answering->t_ms);
    for (uint32_t row = 0; status == STATUS_OK && (needs & TIMELINE_PACKED) != 0 && row < timeline->count; row++) {
        struct text packed;
        status = timeline->ops->packed(timeline, row, &packed);
    }
    if (status == STATUS_NO_MEMORY) return error_set(error, status, "no memory to read a timeline");
    return timeline_source_check(answering->reader->source, error);
}

enum status answering_read(struct answering *answering, const char *customer, uint32_t needs, struct error *error) {
    enum status status = read_customer(answering, customer, needs, error);
    return status == STATUS_OK ? check_all_read(answering, needs, error) : status;
}

/* A model that has learnt from what came after t is marked wherever its decisions go. */
static enum status name_models(struct answering *answering) {
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < engine_playbook(answering->engine)->model_count && status == STATUS_OK; i++) {
        struct model_entry entry;
        char until[32];
        if (engine_model(answering->engine, i, &entry) == NULL) continue;
        time_format(entry.until_ms, until);
        status = buffer_format(&answering->model_names, "%s%.*s@%u", answering->model_names.length > 0 ? ", " : "", TEXT_ARG(entry.name), entry.version);
        if (status == STATUS_OK && entry.until_ms > answering->t_ms) {
            status = buffer_format(&answering->model_names, " (hindsight: learnt until %s)", until);
        }
    }
    decider_name_models(answering->decider, buffer_text(&answering->model_names));
    return status;
}

static enum status need_decider(struct answering *answering, struct error *error) {
    const struct goal_base *bases;
    if (answering->decider != NULL) return STATUS_OK;
    answering->decision = memory_calloc(1, sizeof *answering->decision);
    if (answering->decision == NULL) return STATUS_NO_MEMORY;
    enum status status = engine_goal_bases(answering->engine, answering->t_ms, &bases, error);
    if (status != STATUS_OK) return status;
    status = decider_create(&answering->decider, engine_world(answering->engine), answering->profiler,
                            engine_models(answering->engine), bases);
    return status == STATUS_OK ? name_models(answering) : status;
}

static enum status decide(struct answering *answering, struct error *error) {
    enum status status = decide_customer(answering->decider, &answering->timeline, answering->t_ms, answering->decision, error);
    return status == STATUS_OK ? timeline_source_check(answering->reader->source, error) : status;
}

enum status answering_decide(struct answering *answering, const char *customer, struct error *error) {
    enum status status = need_decider(answering, error);
    if (status == STATUS_OK) status = read_customer(answering, customer, 0, error);
    return status == STATUS_OK ? decide(answering, error) : status;
}

enum status answering_walk(struct answering *answering, struct error *error) {
    struct timeline_request request = request_of(answering);
    enum status status = need_decider(answering, error);
    if (status != STATUS_OK) return status;
    return answering->reader->source->ops->walk(answering->reader, &request, 0, 1, error);
}

enum status answering_next(struct answering *answering, struct error *error) {
    enum status status = answering->reader->source->ops->next(answering->reader, &answering->timeline, error);
    return status == STATUS_OK ? decide(answering, error) : status;
}

enum status answering_record(struct answering *answering, struct error *error) {
    struct decision_recorder *recorder = NULL;
    enum status status = decision_recorder_create(&recorder, answering->engine);
    if (status == STATUS_OK) status = decision_recorder_add(recorder, answering->decider, answering->decision, error);
    if (status == STATUS_OK) status = decision_recorder_flush(recorder, error);
    decision_recorder_destroy(recorder);
    return status;
}

/* ---- names ---- */

#define NAMED_IDENTIFIERS_MAX 256

struct strongest { uint32_t rank, id; };

/* The lowest id of the strongest type: the same whatever the order in which they are told. */
static void take_strongest(const struct playbook *playbook, struct strongest *strongest, uint32_t type, uint32_t id) {
    for (uint32_t i = 0; i < playbook->identifier_count; i++) {
        const struct identifier_rule *rule = &playbook->identifiers[i];
        if (rule->symbol != type || rule->priority > strongest->rank) continue;
        if (rule->priority == strongest->rank && id > strongest->id) continue;
        *strongest = (struct strongest){rule->priority, id};
    }
}

/* Without the identity's lock: names are asked for a million customers beside a load. */
void customer_name(struct engine *engine, struct customer_id customer, char out[CUSTOMER_NAME_BYTES]) {
    const struct identity *identity = engine_identity(engine);
    const struct playbook *playbook = engine_playbook(engine);
    struct identifier_id ids[NAMED_IDENTIFIERS_MAX];
    struct as_of now = {INT64_MAX, POSITION_NOW};
    struct strongest strongest = {UINT32_MAX, UINT32_MAX};
    uint32_t count = identity_identifiers_of(identity, customer, now, ids, NAMED_IDENTIFIERS_MAX), type;
    if (count > NAMED_IDENTIFIERS_MAX) count = NAMED_IDENTIFIERS_MAX;
    for (uint32_t i = 0; i < count; i++) {
        if (identity_identifier(identity, ids[i], &type).length == 0) continue; /* erased */
        take_strongest(playbook, &strongest, type, ids[i].value);
    }
    struct text value = {0};
    if (strongest.id != UINT32_MAX) value = identity_identifier(identity, (struct identifier_id){strongest.id}, &type);
    if (value.length == 0) {
        snprintf(out, CUSTOMER_NAME_BYTES, "C%u", customer.value);
        return;
    }
    struct text name = symbol_text(engine_symbols(engine), SYMBOL_IDENTIFIER, type);
    snprintf(out, CUSTOMER_NAME_BYTES, "%.*s:%.*s", TEXT_ARG(name), TEXT_ARG(value));
}

/* ---- JSON ---- */

static void write_value(struct json_writer *writer, const struct symbols *symbols, struct value value);

/* What is left in the reader as one object: an event's properties, or the fields of a record. */
static void write_properties(struct json_writer *writer, const struct symbols *symbols, struct packed_reader *reader) {
    uint32_t property;
    struct value value;
    json_write_object_begin(writer);
    while (packed_next(reader, &property, &value) == STATUS_OK) {
        json_write_key_text(writer, symbol_text(symbols, SYMBOL_PROPERTY, property));
        write_value(writer, symbols, value);
    }
    json_write_object_end(writer);
}

static void write_list(struct json_writer *writer, const struct symbols *symbols, struct value list) {
    struct list_reader reader;
    struct value item;
    json_write_array_begin(writer);
    bool readable = list_reader_init(&reader, list) == STATUS_OK;
    while (readable && list_next(&reader, &item) == STATUS_OK) {
        if (reader.record == NULL) {
            write_value(writer, symbols, item);
            continue;
        }
        struct packed_reader fields = {reader.record, reader.record_end, reader.field_count};
        write_properties(writer, symbols, &fields);
    }
    json_write_array_end(writer);
}

static void write_value(struct json_writer *writer, const struct symbols *symbols, struct value value) {
    struct buffer text;
    switch (value.type) {
    case VALUE_UNKNOWN: json_write_null(writer); return;
    case VALUE_NUMBER: json_write_number(writer, value.number); return;
    case VALUE_YES_NO: json_write_yes_no(writer, value.yes); return;
    case VALUE_TEXT: json_write_text(writer, value.text); return;
    case VALUE_TIME: json_write_time(writer, value.time_ms); return;
    case VALUE_LIST: write_list(writer, symbols, value); return;
    default: break;
    }
    buffer_init(&text); /* money and durations keep their units as text */
    if (value_print(value, &text) == STATUS_OK) json_write_text(writer, buffer_text(&text));
    else json_write_null(writer);
    buffer_release(&text);
}

static void write_key_text(struct json_writer *writer, const char *key, struct text text) {
    json_write_key(writer, key);
    json_write_text(writer, text);
}

static void write_key_number(struct json_writer *writer, const char *key, double number) {
    json_write_key(writer, key);
    json_write_number(writer, number); /* not reached is not a number, and so null */
}

static void write_trace(struct json_writer *writer, const struct symbols *symbols, const struct treatment_trace *trace) {
    json_write_object_begin(writer);
    write_key_text(writer, "treatment", trace->treatment->key);
    write_key_text(writer, "channel", symbol_text(symbols, SYMBOL_CHANNEL, trace->treatment->channel));
    write_key_text(writer, "stage", text_from(stage_name(trace->stopped_at)));
    json_write_key(writer, "unknown");
    json_write_yes_no(writer, trace->unknown);
    write_key_number(writer, "propensity", trace->propensity);
    write_key_number(writer, "value", trace->value);
    write_key_number(writer, "cost", trace->cost);
    write_key_number(writer, "priority", trace->priority);
    if (trace->policy != NULL) write_key_text(writer, "policy", trace->policy->text);
    json_write_object_end(writer);
}

static void write_who(const struct answering *answering, struct customer_id customer, struct json_writer *writer) {
    char name[CUSTOMER_NAME_BYTES], id[16];
    customer_name(answering->engine, customer, name);
    snprintf(id, sizeof id, "C%u", customer.value);
    write_key_text(writer, "customer", text_from(id));
    write_key_text(writer, "name", text_from(name));
    json_write_key(writer, "at");
    json_write_time(writer, answering->t_ms);
}

void answer_decision(const struct answering *answering, struct json_writer *writer) {
    const struct decision *decision = answering->decision;
    const struct symbols *symbols = engine_symbols(answering->engine);
    json_write_object_begin(writer);
    write_who(answering, decision->customer, writer);
    json_write_key(writer, "withheld");
    json_write_yes_no(writer, decision->withheld);
    if (engine_playbook(answering->engine)->holdout_share > 0) {
        write_key_text(writer, "holdout", decision->holdout.crossed ? TEXT("crossed") : decision->holdout.in ? TEXT("in") : TEXT("out"));
    }
    write_key_text(writer, "reason", text_from(decision->reason));
    write_key_text(writer, "models", answering->model_names.length > 0 ? buffer_text(&answering->model_names) : TEXT(""));
    json_write_key(writer, "hindsight");
    json_write_yes_no(writer, engine_hindsight(answering->engine, answering->t_ms, NULL));
    json_write_key(writer, "ranked");
    json_write_array_begin(writer);
    for (uint32_t i = 0; i < decision->ranked_count; i++) write_trace(writer, symbols, &decision->trace[decision->ranked[i]]);
    json_write_array_end(writer);
    json_write_key(writer, "trace");
    json_write_array_begin(writer);
    for (uint32_t i = 0; i < decision->trace_count; i++) write_trace(writer, symbols, &decision->trace[i]);
    json_write_array_end(writer);
    json_write_object_end(writer);
}

static void write_event(const struct answering *answering, uint32_t row, struct json_writer *writer) {
    const struct timeline *timeline = &answering->timeline;
    const struct symbols *symbols = engine_symbols(answering->engine);
    struct packed_reader reader;
    struct text packed;
    json_write_object_begin(writer);
    json_write_key(writer, "time");
    json_write_time(writer, timeline->time_ms[row]);
    write_key_text(writer, "event", symbol_text(symbols, SYMBOL_EVENT, timeline->type[row]));
    write_key_text(writer, "channel", symbol_text(symbols, SYMBOL_CHANNEL, timeline->channel[row]));
    json_write_key(writer, "properties");
    struct packed_reader none = {0};
    bool readable = timeline->ops->packed(timeline, row, &packed) == STATUS_OK && packed.length > 0 &&
                    packed_reader_init(&reader, packed) == STATUS_OK;
    write_properties(writer, symbols, readable ? &reader : &none);
    json_write_object_end(writer);
}

void answer_customer(const struct answering *answering, struct json_writer *writer) {
    const struct playbook *playbook = engine_playbook(answering->engine);
    json_write_object_begin(writer);
    write_who(answering, answering->timeline.customer, writer);
    json_write_key(writer, "traits");
    json_write_object_begin(writer);
    const struct value *values = profile_at(answering->profiler, &answering->timeline, answering->t_ms);
    for (uint32_t i = 0; i < playbook->trait_count; i++) {
        if (playbook->traits[i].of_treatment) continue;
        json_write_key_text(writer, playbook->traits[i].name);
        write_value(writer, engine_symbols(answering->engine), values[i]);
    }
    json_write_object_end(writer);
    json_write_key(writer, "timeline");
    json_write_array_begin(writer);
    for (uint32_t row = 0; row < answering->timeline.count; row++) write_event(answering, row, writer);
    json_write_array_end(writer);
    json_write_object_end(writer);
}
