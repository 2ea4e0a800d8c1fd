/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/answer/replay_decision.h"

#include <stdio.h>

#include "base/memory.h"
#include "engine/engine_internal.h"

/* ---- finding ---- */

typedef bool visit_fn(void *context, const struct decision_record *record);

static bool visit_rows(const struct timeline *timeline, visit_fn *visit, void *context) {
    for (uint32_t row = 0; row < timeline->count; row++) {
        struct decision_record record = {.customer = timeline->customer,
                                         .persona = {timeline->persona[row]},
                                         .t_ms = timeline->time_ms[row]};
        if (timeline->type[row] != EVENT_DECISION_MADE) continue;
        if (timeline->ops->packed(timeline, row, &record.packed) != STATUS_OK) continue;
        if (!visit(context, &record)) return false;
    }
    return true;
}

static enum status visit_all(struct timeline_reader *reader, visit_fn *visit, void *context,
                             const struct timeline_request *request, struct error *error) {
    const struct timeline_source_ops *ops = reader->source->ops;
    struct timeline timeline;
    enum status status = ops->walk(reader, request, 0, 1, error);
    while (status == STATUS_OK && (status = ops->next(reader, &timeline, error)) == STATUS_OK) {
        if (!visit_rows(&timeline, visit, context)) return STATUS_OK;
    }
    return status == STATUS_END ? STATUS_OK : status;
}

enum status decision_records_visit(struct engine_view *view, const char *customer, visit_fn *visit,
                                   void *context, struct error *error) {
    struct timeline_source *source = view->data->source;
    struct timeline_reader *reader;
    const struct timeline_request request = {.as_of = {INT64_MAX, POSITION_NOW},
                                             .needs = TIMELINE_PACKED | TIMELINE_PERSONA};
    enum status status = source->ops->reader_open(source, &reader, error);
    if (status != STATUS_OK) return status;
    if (customer != NULL) {
        struct customer_id id;
        struct timeline timeline;
        status =
            in_force_find_customer(view->in_force, text_from(customer), request.as_of, &id, error);
        if (status == STATUS_OK) status = source->ops->read(reader, id, &request, &timeline, error);
        if (status == STATUS_OK) (void)visit_rows(&timeline, visit, context);
    } else {
        status = visit_all(reader, visit, context, &request, error);
    }
    source->ops->reader_close(reader);
    return status == STATUS_OK ? timeline_source_check(source, error) : status;
}

struct finding {
    struct text id;
    struct buffer *packed;
    struct decision_record *out;
    uint32_t basis; /* the property that tells what a decision was made from */
    bool found;
    enum status status;
};

static bool is_it(void *context, const struct decision_record *record) {
    struct finding *finding = context;
    struct value id = packed_find(record->packed, PROPERTY_DECISION);
    if (id.type != VALUE_TEXT || !text_equal(id.text, finding->id)) return true;
    /* A file may bring an event of this id. One that can be made again comes before it. */
    bool has_basis = packed_find(record->packed, finding->basis).type == VALUE_LIST;
    if (finding->found && !has_basis) return true;
    *finding->out = *record;
    finding->found = true;
    buffer_clear(finding->packed);
    finding->status = buffer_append_text(finding->packed, record->packed);
    return !has_basis && finding->status == STATUS_OK;
}

struct key_lookup {
    struct row_key key;
    struct stored_key stored;
    bool found;
};

/* The applier's. */
static enum status look_up(struct engine *engine, void *context, struct error *error) {
    struct key_lookup *lookup = context;
    return store_key_find(engine->store, lookup->key, &lookup->stored, &lookup->found, error);
}

/* By the key that is made of the id: one look, and one timeline. Finds nothing where an older
 * program recorded the decision, or another process has just written it. */
static enum status find_by_key(struct engine_view *view, struct finding *finding,
                               struct error *error) {
    struct engine *engine = view->engine;
    const struct customer_directory *directory = identity_directory(engine->identity);
    struct key_lookup lookup = {.key = decision_row_key(decision_id_read(finding->id))};
    if (decision_id_read(finding->id) == 0) return STATUS_OK;
    enum status status = applier_call(engine->applier, look_up, &lookup, error);
    if (status != STATUS_OK || !lookup.found || lookup.stored.persona.value == ID_NONE)
        return status;
    struct timeline_source *source = view->data->source;
    const struct timeline_request request = {.as_of = {INT64_MAX, POSITION_NOW},
                                             .needs = TIMELINE_PACKED | TIMELINE_PERSONA};
    struct customer_id customer =
        directory->ops->customer_of(directory, lookup.stored.persona, request.as_of);
    struct timeline_reader *reader;
    struct timeline timeline;
    if (customer.value == ID_NONE) return STATUS_OK;
    status = source->ops->reader_open(source, &reader, error);
    if (status != STATUS_OK) return status;
    status = source->ops->read(reader, customer, &request, &timeline, error);
    if (status == STATUS_OK) (void)visit_rows(&timeline, is_it, finding);
    source->ops->reader_close(reader);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

enum status decision_record_find(struct engine_view *view, const char *customer, struct text id,
                                 struct buffer *packed, struct decision_record *out,
                                 struct error *error) {
    struct finding finding = {.id = id, .packed = packed, .out = out};
    struct message_symbols symbols;
    enum status status = message_symbols_add(engine_symbols(view->engine), &symbols);
    finding.basis = symbols.basis;
    if (status == STATUS_OK && customer == NULL) status = find_by_key(view, &finding, error);
    if (status == STATUS_OK && !finding.found)
        status = decision_records_visit(view, customer, is_it, &finding, error);
    if (status != STATUS_OK) return status;
    if (finding.status != STATUS_OK) return error_set(error, finding.status, "no memory");
    if (!finding.found && decision_id_read(id) == 0)
        return error_set(error, STATUS_NOT_FOUND,
                         "'%.*s' is no id of a decision: it has 16 digits 0-9 and a-f, as decide "
                         "prints it",
                         id.length < 40 ? (int)id.length : 40, id.at);
    if (!finding.found)
        return error_set(
            error, STATUS_NOT_FOUND,
            "there is no decision %.*s here; where its customer was erased, it is gone "
            "with all that was known of them",
            TEXT_ARG(id));
    out->packed = buffer_text(packed);
    return STATUS_OK;
}

/* ---- what it was made from ---- */

static struct text text_field(const struct list_reader *reader, uint32_t symbol) {
    struct value value = list_field(reader, symbol);
    return value.type == VALUE_TEXT ? value.text : (struct text){0};
}

/* A whole number that a double holds exactly; 0: none. */
static uint64_t number_field(const struct list_reader *reader, uint32_t symbol) {
    struct value value = list_field(reader, symbol);
    bool is_whole = value.type == VALUE_NUMBER && value.number >= 0 && value.number <= 0x1p53;
    return is_whole ? (uint64_t)value.number : 0;
}

static struct text found_text(struct text packed, uint32_t symbol) {
    struct value value = packed_find(packed, symbol);
    return value.type == VALUE_TEXT ? value.text : (struct text){0};
}

/* False where the record has no basis. */
static bool read_basis(const struct decision_record *record, const struct message_symbols *symbols,
                       struct decision_basis *out, char trace[DECISION_ID_BYTES]) {
    struct list_reader reader;
    struct value ignored, list = packed_find(record->packed, symbols->basis);
    if (list_reader_init(&reader, list) != STATUS_OK || list_next(&reader, &ignored) != STATUS_OK)
        return false;
    struct value rates_at = list_field(&reader, symbols->rates_at);
    *out = (struct decision_basis){
        .in_force = decision_id_read(text_field(&reader, symbols->in_force)),
        .position = number_field(&reader, symbols->position),
        .rates_id = decision_id_read(text_field(&reader, symbols->rates)),
        .rates_position = number_field(&reader, symbols->rates_position),
        .rates_at_ms = rates_at.type == VALUE_TIME ? rates_at.time_ms : 0,
        .placement = found_text(record->packed, PROPERTY_PLACEMENT),
        .context = found_text(record->packed, symbols->context),
        .count = (uint32_t)number_field(&reader, symbols->count),
        .proposed = packed_find(record->packed, symbols->proposed),
        .visitor = decision_id_read(found_text(record->packed, symbols->visitor)),
    };
    decision_id_text(decision_id_read(text_field(&reader, PROPERTY_TRACE)), trace);
    return true;
}

bool decision_record_basis(const struct decision_record *record,
                           const struct message_symbols *symbols, struct engine_view_past *out) {
    char trace[DECISION_ID_BYTES];
    *out = (struct engine_view_past){.t_ms = record->t_ms,
                                     .held = packed_find(record->packed, symbols->held)};
    return read_basis(record, symbols, &out->basis, trace);
}

/* ---- comparing ---- */

static bool same_value(struct value a, struct value b) {
    if (a.type == VALUE_LIST && b.type == VALUE_LIST) return text_equal(a.text, b.text);
    return value_equal(a, b);
}

/* The first property of either that the other has not, or has otherwise. */
static void find_difference(struct symbols *symbols, struct text recorded, struct text made,
                            char out[64]) {
    const struct text both[] = {recorded, made};
    for (size_t i = 0; i < 2; i++) {
        struct packed_reader reader;
        uint32_t symbol;
        struct value value;
        if (packed_reader_init(&reader, both[i]) != STATUS_OK) continue;
        while (packed_next(&reader, &symbol, &value) == STATUS_OK) {
            if (same_value(value, packed_find(both[1 - i], symbol))) continue;
            snprintf(out, 64, "%.*s", TEXT_ARG(symbol_text(symbols, SYMBOL_PROPERTY, symbol)));
            return;
        }
    }
}

static enum status compare(struct engine_view *view, const struct decision_record *record,
                           struct replayed_decision *out) {
    struct packed_writer writer;
    struct buffer packed;
    packed_writer_init(&writer);
    buffer_init(&packed);
    decision_id_text(decision_trace_hash(view->decision), out->trace);
    uint64_t before = decision_id_of_before(view->decision);
    if (decision_id_read(found_text(record->packed, PROPERTY_DECISION)) == before)
        view->decision->id = before;
    enum status status = decision_pack(view->decider, view->decision, &writer, &packed);
    if (status == STATUS_OK && !text_equal(buffer_text(&packed), record->packed)) {
        out->verdict = REPLAY_DIFFERS;
        find_difference(engine_symbols(view->engine), record->packed, buffer_text(&packed),
                        out->differs);
    }
    packed_writer_release(&writer);
    buffer_release(&packed);
    return status;
}

/* ---- making it again ---- */

static bool is_missing(enum status status) {
    return status == STATUS_NOT_FOUND || status == STATUS_CORRUPT || status == STATUS_INVALID;
}

static enum status find_past(struct engine_view *view, const struct decision_record *record,
                             struct engine_view_past *past, struct error *error) {
    struct text playbook = found_text(record->packed, PROPERTY_PLAYBOOK);
    past->models = found_text(record->packed, PROPERTY_MODEL);
    enum status status =
        past_in_force(view->engine, playbook, past->models, &past->in_force, error);
    if (status == STATUS_OK)
        status = past_rates(past->in_force, past->basis.rates_at_ms, past->basis.rates_position,
                            &past->rates, error);
    return status;
}

/* A difference whose cause is known is told by its cause. */
static void tell_cause(const struct in_force *in_force, bool erased,
                       struct replayed_decision *out) {
    const struct lookup_rule *lookup = in_force_unreadable(in_force, out->t_ms);
    if (lookup != NULL) {
        out->verdict = REPLAY_GONE;
        snprintf(out->why, sizeof out->why,
                 "the table of lookup %.*s as known then can't be read; attune fsck names its file",
                 TEXT_ARG(lookup->name));
    } else if (erased) {
        out->verdict = REPLAY_ERASED;
    }
}

enum status decision_replay(struct engine_view *view, const struct decision_record *record,
                            struct replayed_decision *out, struct error *error) {
    struct message_symbols symbols;
    struct engine_view_past past = {.t_ms = record->t_ms};
    struct error missing = {0};
    *out = (struct replayed_decision){.t_ms = record->t_ms, .verdict = REPLAY_TOO_OLD};
    enum status status = message_symbols_add(engine_symbols(view->engine), &symbols);
    if (status != STATUS_OK) return status;
    if (!read_basis(record, &symbols, &past.basis, out->recorded_trace)) return STATUS_OK;
    out->position = past.basis.position;
    past.held = packed_find(record->packed, symbols.held);
    status = find_past(view, record, &past, &missing);
    if (status != STATUS_OK) {
        in_force_drop(past.in_force);
        if (!is_missing(status)) return error_set(error, status, "%s", missing.text);
        out->verdict = REPLAY_GONE;
        snprintf(out->why, sizeof out->why, "%s", missing.text);
        return STATUS_OK;
    }
    const struct customer_data *data = &past.in_force->data;
    budget_prices_read(data, record->packed, &past.prices);
    out->customer = data->customer_of_persona(data->context, record->persona,
                                              (struct as_of){record->t_ms, past.basis.position});
    if (past.basis.visitor != 0) out->customer.value = ID_NONE; /* nobody was known */
    out->verdict = REPLAY_EQUAL;
    /* Base rates are pure: only what was erased below their position makes others of them. */
    bool erased = past.rates->id != past.basis.rates_id;
    status = engine_view_go_back(view, &past, error);
    if (status == STATUS_OK) status = engine_view_decide_past(view, &past, out->customer, error);
    if (status == STATUS_OK) status = compare(view, record, out);
    if (status == STATUS_OK && out->verdict == REPLAY_DIFFERS && past.basis.visitor == 0 &&
        view->timeline.count == 0) {
        out->verdict = REPLAY_ERASED; /* nothing is left of what was known of the customer */
        out->trace[0] = '\0';
    }
    if (status == STATUS_OK && out->verdict == REPLAY_DIFFERS)
        tell_cause(view->in_force, erased, out);
    return status;
}

const char *replay_verdict_name(enum replay_verdict verdict) {
    static const char *const names[] = {"equal", "differs", "too old", "erased", "gone"};
    return names[verdict];
}

bool replayed_is_made(const struct replayed_decision *replayed) {
    return replayed->trace[0] != '\0';
}

void replayed_words(const struct replayed_decision *replayed, struct buffer *out) {
    enum status status = STATUS_OK;
    switch (replayed->verdict) {
    case REPLAY_EQUAL:
        status =
            buffer_format(out, "Made again, it is equal to the bit (trace %s).", replayed->trace);
        break;
    case REPLAY_DIFFERS:
        status = buffer_format(out,
                               "Made again, it is NOT equal: \"%s\" differs; its trace was %s "
                               "and is %s.",
                               replayed->differs, replayed->recorded_trace, replayed->trace);
        break;
    case REPLAY_ERASED:
        status = buffer_format(out, "Made again, it differs, since customers were erased after it "
                                    "was made: what they had given is no longer here.");
        break;
    case REPLAY_TOO_OLD:
        status = buffer_format(out, "It can't be made again: an older program recorded it, and did "
                                    "not note what it was made from.");
        break;
    case REPLAY_GONE:
        status = buffer_format(out, "It can't be made again: %s.", replayed->why);
        break;
    }
    if (status != STATUS_OK) buffer_clear(out);
}
