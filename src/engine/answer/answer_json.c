/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "engine/answer/replay_decision.h"
#include "event/dark.h"
#include "identity/claims.h"

static void write_value(struct json_writer *writer, const struct symbols *symbols,
                        struct value value);

/* `array`: what nobody declared of the list; unknown: nothing. */
static void write_list(struct json_writer *writer, const struct symbols *symbols, struct value list,
                       struct value array) {
    struct item_walk items;
    struct text name;
    struct value value;
    bool is_record;
    json_write_array_begin(writer);
    item_walk_begin(&items, symbols, list, array);
    while (item_walk_next(&items, &is_record, &value)) {
        if (!is_record) {
            write_value(writer, symbols, value);
            continue;
        }
        json_write_object_begin(writer);
        while (item_walk_field(&items, &name, &value)) {
            json_write_key_text(writer, name);
            write_value(writer, symbols, value);
        }
        json_write_object_end(writer);
    }
    json_write_array_end(writer);
}

static void write_properties(struct json_writer *writer, const struct symbols *symbols,
                             struct text packed) {
    struct property_walk walk;
    struct text name;
    struct value value, array;
    json_write_object_begin(writer);
    property_walk_begin(&walk, symbols, packed);
    while (property_walk_next(&walk, &name, &value, &array)) {
        json_write_key_text(writer, name);
        if (value_is_known(array))
            write_list(writer, symbols, value, array);
        else
            write_value(writer, symbols, value);
    }
    json_write_object_end(writer);
}

static void write_value(struct json_writer *writer, const struct symbols *symbols,
                        struct value value) {
    struct buffer text;
    switch (value.type) {
    case VALUE_UNKNOWN: json_write_null(writer); return;
    case VALUE_NUMBER: json_write_number(writer, value.number); return;
    case VALUE_YES_NO: json_write_yes_no(writer, value.yes); return;
    case VALUE_TEXT: json_write_text(writer, value.text); return;
    case VALUE_TIME: json_write_time(writer, value.time_ms); return;
    case VALUE_LIST: write_list(writer, symbols, value, value_unknown()); return;
    default: break;
    }
    buffer_init(&text); /* money and durations keep their units as text */
    if (value_print(value, &text) == STATUS_OK)
        json_write_text(writer, buffer_text(&text));
    else
        json_write_null(writer);
    buffer_release(&text);
}

/* The members that a decision and why-not tell of a treatment. What was not reached is not a
 * number, and so null. */
static void write_trace_members(struct json_writer *writer, const struct symbols *symbols,
                                const struct treatment_trace *trace) {
    json_member_text(writer, "treatment", trace->treatment->key);
    json_member_text(writer, "channel",
                     symbol_text(symbols, SYMBOL_CHANNEL, trace->treatment->channel));
    json_member_string(writer, "stage", stage_name(trace->stopped_at));
    json_member_yes_no(writer, "unknown", trace->unknown);
    json_member_yes_no(writer, "limited", trace->limited);
    json_member_number(writer, "propensity", trace->propensity);
    json_member_number(writer, "value", trace->value);
    json_member_number(writer, "cost", trace->cost);
    json_member_number(writer, "budget_price", trace->budget_price);
    json_member_text_or_null(writer, "budget",
                             trace->budget != NULL ? trace->budget->name : (struct text){0});
    json_member_number(writer, "priority", trace->priority);
    json_member_time_or_null(writer, "send_after", trace->send_after_ms);
}

/* What a contact policy counts, where it is one that stopped the treatment. */
static void write_standing(struct json_writer *writer, const struct treatment_trace *trace) {
    const struct contact_standing *standing = &trace->standing;
    json_member_count(writer, "counted", standing->counted);
    json_member_count(writer, "pending", standing->pending);
    json_member_time_or_null(writer, "pending_since",
                             standing->pending > 0 ? standing->pending_since_ms : 0);
}

static void write_trace(struct json_writer *writer, const struct symbols *symbols,
                        const struct treatment_trace *trace) {
    json_write_object_begin(writer);
    write_trace_members(writer, symbols, trace);
    json_member_text_or_null(writer, "policy",
                             trace->policy != NULL ? trace->policy->text : (struct text){0});
    write_standing(writer, trace);
    json_member_text_or_null(writer, "bundle",
                             trace->bundle != NULL ? trace->bundle->text : (struct text){0});
    json_member_yes_no(writer, "elsewhere", trace->elsewhere);
    json_write_object_end(writer);
}

/* One rank: where it stands, and what is shown. */
static void write_rank(const struct engine_view *view, uint32_t rank, struct json_writer *writer) {
    const struct decision *decision = view->decision;
    const struct treatment_trace trace = decision_ranked(decision, rank);
    json_write_object_begin(writer);
    write_trace_members(writer, engine_symbols(view->engine), &trace);
    json_member_yes_no(writer, "withheld", decision_withholds(decision, rank));
    json_member_number(writer, "probability", decision->probability[rank]);
    json_member_yes_no(writer, "drawn", decision_draw_of(decision, rank) != NULL);
    json_member_count(writer, "past_treatments", trace.past_treatments);
    json_member_number(writer, "propensity_low", trace.propensity_low);
    json_member_number(writer, "propensity_high", trace.propensity_high);
    json_member_text_or_null(writer, "placement", decision_placement(decision, rank));
    json_write_key(writer, "content");
    treatment_content(view->decider, &view->timeline, decision, trace.treatment, writer);
    json_write_object_end(writer);
}

static void write_candidate(const struct engine_view *view, const struct choice_draw *draw,
                            uint32_t i, struct json_writer *writer) {
    const struct decision *decision = view->decision;
    uint32_t index = decision->choice.candidates[draw->candidate[i]].treatment;
    const struct treatment *treatment =
        index != CHOICE_NOTHING ? &decision->treatments->treatments[index] : NULL;
    struct text channel = treatment != NULL ? symbol_text(engine_symbols(view->engine),
                                                          SYMBOL_CHANNEL, treatment->channel)
                                            : (struct text){0};
    json_write_object_begin(writer);
    json_member_text_or_null(writer, "treatment",
                             treatment != NULL ? treatment->key : (struct text){0});
    json_member_text_or_null(writer, "channel", channel);
    json_member_number(writer, "probability", draw->probability[i]);
    json_member_yes_no(writer, "best", i == draw->best);
    json_member_yes_no(writer, "taken", i == draw->taken);
    json_write_object_end(writer);
}

/* The slots that were drawn, and among what. */
static void write_draws(const struct engine_view *view, struct json_writer *writer) {
    const struct decision *decision = view->decision;
    json_write_key(writer, "draws");
    json_write_array_begin(writer);
    for (uint32_t d = 0; d < decision->choice.draw_count; d++) {
        const struct choice_draw *draw = &decision->choice.draws[d];
        json_write_object_begin(writer);
        json_write_key(writer, "rank");
        if (draw->rank == CHOICE_NO_RANK)
            json_write_null(writer);
        else
            json_write_number(writer, draw->rank + 1u);
        json_write_key(writer, "candidates");
        json_write_array_begin(writer);
        for (uint32_t i = 0; i < draw->count; i++) write_candidate(view, draw, i, writer);
        json_write_array_end(writer);
        json_write_object_end(writer);
    }
    json_write_array_end(writer);
}

/* The placements that were asked for; what is shown where nothing may be said. */
static void write_placements(const struct engine_view *view, struct json_writer *writer) {
    const struct decision *decision = view->decision;
    json_write_key(writer, "placements");
    json_write_array_begin(writer);
    for (uint32_t i = 0; i < decision->placement_count; i++) {
        const struct placement_rule *placement =
            &view->data->playbook->placements[decision->placements[i]];
        json_write_object_begin(writer);
        json_member_text(writer, "placement", placement->name);
        json_member_yes_no(writer, "falls_back", decision_falls_back(decision, i));
        json_write_key(writer, "fallback");
        placement_fallback(placement, writer);
        json_write_object_end(writer);
    }
    json_write_array_end(writer);
}

static void write_who(const struct engine_view *view, struct customer_id customer,
                      struct json_writer *writer) {
    char name[CUSTOMER_NAME_BYTES] = "", id[16] = ""; /* of nobody: null */
    if (customer.value != ID_NONE) {
        customer_name(view->engine, customer, name);
        snprintf(id, sizeof id, "C%u", customer.value);
    }
    json_member_text_or_null(writer, "customer", text_from(id));
    json_member_text_or_null(writer, "name", text_from(name));
    json_member_time(writer, "at", view->t_ms);
}

static void write_decision(const struct engine_view *view, struct json_writer *writer) {
    const struct decision *decision = view->decision;
    const struct symbols *symbols = engine_symbols(view->engine);
    write_who(view, decision->customer, writer);
    char id[DECISION_ID_BYTES];
    decision_id_text(decision->id, id);
    json_member_string(writer, "decision", id);
    json_member_yes_no(writer, "truncated", decision->truncated);
    json_member_yes_no(writer, "limited", decision->limited);
    json_member_yes_no(writer, "withheld", decision_withholds_some(decision));
    const char *arm = decision->holdout.crossed ? "crossed" : decision->holdout.in ? "in" : "out";
    json_member_text_or_null(writer, "holdout",
                             view->data->playbook->holdout_share > 0 ? text_from(arm)
                                                                     : (struct text){0});
    json_member_text_or_null(writer, "zone", decision->zone);
    char reason[DECISION_REASON_BYTES_MAX];
    engine_view_reason(view, reason);
    json_member_string(writer, "reason", reason);
    json_member_text(writer, "models",
                     view->model_names.length > 0 ? buffer_text(&view->model_names) : TEXT(""));
    json_member_yes_no(writer, "hindsight", in_force_hindsight(view->in_force, view->t_ms, NULL));
    json_write_key(writer, "ranked");
    json_write_array_begin(writer);
    for (uint32_t rank = 0; rank < decision->ranked_count; rank++) write_rank(view, rank, writer);
    json_write_array_end(writer);
    write_placements(view, writer);
    write_draws(view, writer);
    json_member_yes_no(writer, "late", decision->late);
    json_member_text_or_null(writer, "context_left_out", buffer_text(&view->left_out));
    json_write_key(writer, "trace");
    json_write_array_begin(writer);
    for (uint32_t i = 0; i < decision_shown_count(decision); i++) {
        const struct treatment_trace trace = decision_shown(decision, i);
        write_trace(writer, symbols, &trace);
    }
    json_write_array_end(writer);
}

void answer_decision(const struct engine_view *view, struct json_writer *writer) {
    json_write_object_begin(writer);
    write_decision(view, writer);
    json_write_object_end(writer);
}

void answer_replayed(const struct engine_view *view, struct text id,
                     const struct replayed_decision *replayed, struct json_writer *writer) {
    struct buffer words;
    buffer_init(&words);
    replayed_words(replayed, &words);
    json_write_object_begin(writer);
    if (replayed_is_made(replayed))
        write_decision(view, writer);
    else
        json_member_text(writer, "decision", id);
    json_write_key(writer, "replay");
    json_write_object_begin(writer);
    json_member_string(writer, "verdict", replay_verdict_name(replayed->verdict));
    json_member_yes_no(writer, "equal", replayed->verdict == REPLAY_EQUAL);
    json_member_text_or_null(writer, "recorded_trace", text_from(replayed->recorded_trace));
    json_member_text_or_null(writer, "trace", text_from(replayed->trace));
    json_member_text_or_null(writer, "differs", text_from(replayed->differs));
    json_member_text(writer, "words", buffer_text(&words));
    json_write_object_end(writer);
    json_write_object_end(writer);
    buffer_release(&words);
}

/* ---- why not ---- */

struct why_writer {
    struct json_writer *writer;
    const struct symbols *symbols;
};

static void write_why(void *context, const struct why_not *why) {
    struct why_writer *to = context;
    json_write_object_begin(to->writer);
    write_trace_members(to->writer, to->symbols, why->trace);
    json_member_text_or_null(to->writer, "condition", why->condition);
    json_member_time_or_null(to->writer, "free_at", why->free_at_ms);
    write_standing(to->writer, why->trace);
    json_member_text(to->writer, "words", why->words);
    json_write_object_end(to->writer);
}

enum status answer_why_not(const struct engine_view *view, struct text action,
                           struct json_writer *writer, struct error *error) {
    struct why_writer to = {writer, engine_symbols(view->engine)};
    json_write_object_begin(writer);
    write_who(view, view->decision->customer, writer);
    json_member_text(writer, "action", action);
    json_write_key(writer, "treatments");
    json_write_array_begin(writer);
    enum status status = decision_why_not(view->decider, &view->timeline, view->decision, action,
                                          write_why, &to, error);
    json_write_array_end(writer);
    json_write_object_end(writer);
    return status;
}

/* ---- one customer ---- */

/* What the row is believed, as known at the view's time. */
static const char *trust_of(const struct engine_view *view, uint32_t row) {
    const struct timeline *timeline = &view->timeline;
    if (timeline->persona == NULL) return persona_trust_name(PERSONA_VERIFIED);
    return persona_trust_name(identity_persona_trust(
        engine_identity(view->engine), (struct persona_id){timeline->persona[row]},
        (struct as_of){view->t_ms, engine_view_position(view)}));
}

static void write_event(const struct engine_view *view, uint32_t row, struct json_writer *writer) {
    const struct timeline *timeline = &view->timeline;
    const struct symbols *symbols = engine_symbols(view->engine);
    struct text packed;
    if (timeline->ops->packed(timeline, row, &packed) != STATUS_OK) packed = (struct text){0};
    json_write_object_begin(writer);
    json_member_time(writer, "time", timeline->time_ms[row]);
    json_member_text(writer, "event", event_own_name(symbols, timeline->type[row], packed));
    json_member_text(writer, "channel", event_own_channel(symbols, timeline->channel[row], packed));
    json_member_string(writer, "trust", trust_of(view, row));
    json_write_key(writer, "properties");
    write_properties(writer, symbols, packed);
    json_write_object_end(writer);
}

/* What stands in `identifier` as TYPE:VALUE. */
static void write_identifier(struct json_writer *writer, struct engine *engine, uint32_t type,
                             struct text value) {
    struct buffer text;
    buffer_init(&text);
    struct text name = symbol_text(engine_symbols(engine), SYMBOL_IDENTIFIER, type);
    if (buffer_format(&text, "%.*s:%.*s", TEXT_ARG(name), TEXT_ARG(value)) == STATUS_OK)
        json_write_text(writer, buffer_text(&text));
    else
        json_write_null(writer);
    buffer_release(&text);
}

static void write_identifier_id(struct json_writer *writer, struct engine *engine,
                                struct identifier_id identifier) {
    uint32_t type;
    struct text value = identity_identifier(engine_identity(engine), identifier, &type);
    write_identifier(writer, engine, type, value);
}

struct identity_writer {
    struct json_writer *writer;
    struct engine *engine;
};

static void write_own(void *context, struct identifier_id identifier, uint32_t type,
                      struct text value) {
    struct identity_writer *to = context;
    (void)identifier;
    write_identifier(to->writer, to->engine, type, value);
}

static void write_persona(void *context, struct persona_id persona, struct identifier_id anchor,
                          const struct identifier_id *identifiers, uint32_t count) {
    struct identity_writer *to = context;
    char name[16];
    snprintf(name, sizeof name, "P%u", persona.value);
    json_write_object_begin(to->writer);
    json_member_string(to->writer, "persona", name);
    json_write_key(to->writer, "anchor");
    write_identifier_id(to->writer, to->engine, anchor);
    json_write_key(to->writer, "identifiers");
    json_write_array_begin(to->writer);
    for (uint32_t i = 0; i < count; i++)
        write_identifier_id(to->writer, to->engine, identifiers[i]);
    json_write_array_end(to->writer);
    json_write_object_end(to->writer);
}

static void write_link(void *context, const struct identity_link *link) {
    struct identity_writer *to = context;
    json_write_object_begin(to->writer);
    json_write_key(to->writer, "from");
    write_identifier_id(to->writer, to->engine, link->weak);
    json_write_key(to->writer, "to");
    write_identifier_id(to->writer, to->engine, link->strong);
    json_member_yes_no(to->writer, "joined", link->verdict == LINK_ACCEPTED);
    json_member_string(to->writer, "verdict", link_verdict_text(link->verdict));
    json_member_text(to->writer, "source",
                     symbol_text(engine_symbols(to->engine), SYMBOL_SOURCE, link->source));
    json_member_number(to->writer, "weight", (double)link->weight);
    json_member_time(to->writer, "time", link->time_ms);
    json_member_time(to->writer, "known", link->known_ms);
    json_member_yes_no(to->writer, "is_claim", link->is_claim);
    json_write_object_end(to->writer);
}

/* Three visits, since the visitor tells all of one kind after the other and each is an array of its
 * own. */
static void write_identity(const struct engine_view *view, struct json_writer *writer) {
    struct identity_writer to = {writer, view->engine};
    const struct {
        const char *key;
        struct identity_visitor visitor;
    } parts[] = {
        {"identifiers", {.identifier = write_own, .context = &to}},
        {"personas", {.persona = write_persona, .context = &to}},
        {"links", {.link = write_link, .context = &to}},
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        json_write_key(writer, parts[i].key);
        json_write_array_begin(writer);
        enum status status = identity_describe(engine_identity(view->engine),
                                               view->timeline.customer, &parts[i].visitor);
        json_write_array_end(writer);
        if (status != STATUS_OK && writer->status == STATUS_OK) writer->status = status;
    }
}

static bool is_yes(struct value value) {
    return value.type == VALUE_YES_NO && value.yes;
}

static void write_traits(const struct engine_view *view, struct json_writer *writer) {
    const struct playbook *playbook = view->data->playbook;
    const struct value *values = profile_at(view->profile, &view->timeline, view->t_ms);
    json_write_key(writer, "traits");
    json_write_object_begin(writer);
    for (uint32_t i = 0; i < playbook->trait_count; i++) {
        if (playbook->traits[i].of_treatment) continue;
        json_write_key_text(writer, playbook->traits[i].name);
        write_value(writer, engine_symbols(view->engine), values[i]);
    }
    json_write_object_end(writer);
    json_write_key(writer, "limited");
    json_write_array_begin(writer);
    for (uint32_t i = 0; i < playbook->trait_count; i++) {
        if (!playbook->traits[i].of_treatment && profile_trait_limited(view->profile, i))
            json_write_text(writer, playbook->traits[i].name);
    }
    json_write_array_end(writer);
    json_write_key(writer, "segments");
    json_write_array_begin(writer);
    for (uint32_t i = 0; i < playbook->trait_count; i++) {
        if (playbook->traits[i].is_segment && !playbook->traits[i].of_treatment &&
            is_yes(values[i]))
            json_write_text(writer, playbook->traits[i].name);
    }
    json_write_array_end(writer);
    json_write_key(writer, "scenarios");
    json_write_array_begin(writer);
    for (uint32_t i = 0; i < playbook->scenario_count; i++) {
        if (is_yes(profile_eval(view->profile, playbook->scenarios[i].when)))
            json_write_text(writer, playbook->scenarios[i].name);
    }
    json_write_array_end(writer);
}

void answer_traits(const struct engine_view *view, struct json_writer *writer) {
    json_write_object_begin(writer);
    write_who(view, view->timeline.customer, writer);
    write_traits(view, writer);
    json_write_object_end(writer);
}

void answer_who(const struct engine_view *view, struct json_writer *writer) {
    write_who(view, view->timeline.customer, writer);
}

static void write_customer(const struct engine_view *view, struct json_writer *writer) {
    answer_who(view, writer);
    write_identity(view, writer);
    write_traits(view, writer);
}

void answer_customer(const struct engine_view *view, struct json_writer *writer) {
    json_write_object_begin(writer);
    write_customer(view, writer);
    json_write_key(writer, "timeline");
    json_write_array_begin(writer);
    for (uint32_t row = 0; row < view->timeline.count; row++) write_event(view, row, writer);
    json_write_array_end(writer);
    json_write_object_end(writer);
}

void answer_customer_now(const struct engine_view *view, struct json_writer *writer) {
    json_write_object_begin(writer);
    write_customer(view, writer);
    json_member_count(writer, "events", view->timeline.count);
    json_write_object_end(writer);
}

void answer_events(const struct engine_view *view, uint32_t begin, uint32_t end,
                   struct json_writer *writer) {
    json_write_array_begin(writer);
    for (uint32_t row = end; row > begin; row--) write_event(view, row - 1, writer);
    json_write_array_end(writer);
}
