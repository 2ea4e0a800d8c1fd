/* SPDX-License-Identifier: Apache-2.0 */
#include "server/ask/flags.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "engine/live/live_decision.h"
#include "server/ask/body.h"
#include "server/ask/question.h"
#include "server/server_internal.h"

#define ETAG_BYTES 24

/* One question for one flag or for all of them, in the call's arena. */
struct flag_question {
    struct http_call *call;
    struct in_force *in_force; /* held */
    struct live_ask ask;
    struct live_identifier identifier;
    char placements[DECISION_PLACEMENT_BYTES_MAX + 1]; /* of the ask */
    struct text targeting_key;
    bool is_bulk;
    struct buffer flags;  /* what was rendered: objects with commas between them */
    struct buffer stable; /* what the ETag is made of: keys and values, no tokens and no times */
};

/* ---- answers as the protocol has them ---- */

static void refuse(struct http_call *call, unsigned code, struct text key, const char *error,
                   const char *details) {
    struct json_writer *writer = http_json(call);
    json_write_object_begin(writer);
    if (key.at != NULL) json_member_text(writer, "key", key);
    json_member_string(writer, "errorCode", error);
    json_member_string(writer, "errorDetails", details);
    json_write_object_end(writer);
    http_answer_json(call, code);
}

static void release(struct flag_question *question) {
    in_force_drop(question->in_force);
    buffer_release(&question->flags);
    buffer_release(&question->stable);
}

static const struct live_slot *first_slot(const struct live_answer *answer, uint32_t placement) {
    for (uint32_t i = 0; i < answer->slot_count; i++) {
        const struct live_slot *slot = &answer->slots[i];
        if (slot->placement == placement && !slot->withheld) return slot;
    }
    return NULL;
}

/* Metadata are flat: texts, numbers, yes and no. */
static void write_metadata(const struct live_answer *answer, const struct live_slot *slot,
                           struct json_writer *writer) {
    json_write_key(writer, "metadata");
    json_write_object_begin(writer);
    json_member_string(writer, "decision", answer->id);
    if (answer->token.length > 0) json_member_text(writer, "token", answer->token);
    if (slot->treatment != NULL) json_member_text(writer, "title", slot->treatment->title);
    json_member_text(writer, "channel", slot->channel);
    json_write_object_end(writer);
}

/* Of a fallback of several texts the first is the value. */
static void write_placement(struct flag_question *question, const struct live_answer *answer,
                            uint32_t i, struct json_writer *writer) {
    const struct playbook *playbook = answer->view->data->playbook;
    const struct placement_rule *rule =
        &playbook->placements[answer->view->decision->placements[i]];
    const struct live_slot *slot = first_slot(answer, i);
    struct text value = slot != NULL               ? slot->key
                        : rule->fallback_count > 0 ? rule->fallback[0].text
                                                   : (struct text){0};
    json_write_object_begin(writer);
    json_member_text(writer, "key", rule->name);
    if (value.at != NULL) json_member_text(writer, "value", value);
    json_member_string(writer, "reason", slot != NULL ? "TARGETING_MATCH" : "DEFAULT");
    if (slot != NULL) {
        json_member_text(writer, "variant", slot->key);
        write_metadata(answer, slot, writer);
    }
    json_write_object_end(writer);
    if (buffer_format(&question->stable, "%.*s=%.*s\n", TEXT_ARG(rule->name), TEXT_ARG(value)) !=
        STATUS_OK)
        writer->status = STATUS_NO_MEMORY;
}

static enum status render(void *caller, const struct live_answer *answer) {
    struct flag_question *question = caller;
    struct json_writer writer;
    buffer_clear(&question->flags);
    buffer_clear(&question->stable);
    json_writer_init(&writer, &question->flags, false);
    for (uint32_t i = 0; i < answer->view->decision->placement_count; i++)
        write_placement(question, answer, i, &writer);
    return json_writer_status(&writer);
}

/* ---- segments ---- */

static void write_segment(struct flag_question *question, const struct trait *trait,
                          struct value value, struct json_writer *writer) {
    bool yes = value.type == VALUE_YES_NO && value.yes;
    json_write_object_begin(writer);
    json_member_text(writer, "key", trait->name);
    json_member_yes_no(writer, "value", yes);
    json_member_string(writer, "reason",
                       value.type == VALUE_YES_NO ? "TARGETING_MATCH" : "UNKNOWN");
    json_member_string(writer, "variant", yes ? "in" : "out");
    json_write_object_end(writer);
    if (buffer_format(&question->stable, "%.*s=%d\n", TEXT_ARG(trait->name), yes) != STATUS_OK)
        writer->status = STATUS_NO_MEMORY;
}

static bool is_segment(const struct trait *trait) {
    return trait->is_segment && !trait->of_treatment;
}

/* Writes the segment of that name, or all of them (`at` NULL), behind what is there. A customer
 * whom nobody knows is in none. */
static enum status write_segments(struct flag_question *question, struct text name,
                                  struct error *error) {
    const struct playbook *playbook = question->in_force->data.playbook;
    struct engine_view *view = NULL;
    struct json_writer writer;
    const char *customer = question_string(question->call, question->targeting_key);
    if (customer == NULL) return STATUS_CANCELLED; /* the call has been answered */
    enum status status = engine_view_take(http_server(question->call)->engine, ENGINE_VIEW_LIVE,
                                          http_received_ms(question->call), &view, error);
    if (status != STATUS_OK) return status;
    json_writer_init(&writer, &question->flags, false);
    writer.needs_comma = question->flags.length > 0;
    status = engine_view_read(view, customer, 0, error);
    const struct value *values =
        status == STATUS_OK ? profile_at(view->profile, &view->timeline, view->t_ms) : NULL;
    bool is_same = view->in_force == question->in_force;
    for (uint32_t i = 0; is_same && i < playbook->trait_count; i++) {
        const struct trait *trait = &playbook->traits[i];
        if (!is_segment(trait) || (name.at != NULL && !text_equal(name, trait->name))) continue;
        write_segment(question, trait, values != NULL ? values[i] : value_unknown(), &writer);
    }
    engine_view_give(view);
    if (!is_same) return error_set(error, STATUS_BUSY, "the playbook has just changed; ask again");
    return status == STATUS_OK || status == STATUS_NOT_FOUND ? json_writer_status(&writer) : status;
}

/* ---- the answer ---- */

static void answer_one(struct flag_question *question) {
    struct text kept;
    struct http_call *call = question->call;
    bool is_kept = body_keep(call, buffer_text(&question->flags), &kept);
    release(question);
    if (is_kept) http_answer(call, 200, HTTP_JSON, kept);
}

static void answer_all(struct flag_question *question) {
    struct http_call *call = question->call;
    struct error error = {0};
    struct buffer body;
    struct text kept = {0};
    char etag[ETAG_BYTES];
    buffer_init(&body);
    enum status status = write_segments(question, (struct text){0}, &error);
    snprintf(etag, sizeof etag, "\"%016llx\"",
             (unsigned long long)hash_text(buffer_text(&question->stable), 0));
    if (status == STATUS_OK)
        status =
            buffer_format(&body, "{\"flags\":[%.*s]}", TEXT_ARG(buffer_text(&question->flags)));
    bool is_kept = status == STATUS_OK && body_keep(call, buffer_text(&body), &kept);
    buffer_release(&body);
    release(question);
    if (status != STATUS_OK && status != STATUS_CANCELLED) http_problem_of(call, status, &error);
    if (!is_kept) return;
    http_answer_header(call, "ETag", etag);
    if (text_equal(http_header(call, "If-None-Match"), text_from(etag)))
        http_answer(call, 304, HTTP_JSON, (struct text){0});
    else
        http_answer(call, 200, HTTP_JSON, kept);
}

static void answered(void *caller, enum status status, const struct error *error) {
    struct flag_question *question = caller;
    struct http_call *call = question->call;
    if (status != STATUS_OK) {
        struct error copy = *error;
        release(question);
        http_problem_of(call, status, &copy);
    } else if (question->is_bulk) {
        answer_all(question);
    } else {
        answer_one(question);
    }
}

/* ---- the question ---- */

/* Who: TYPE:VALUE of a type of the playbook may be somebody new; all else must be known, or is
 * nobody. */
static void name_customer(struct flag_question *question) {
    const struct playbook *playbook = question->in_force->data.playbook;
    struct text key = question->targeting_key;
    for (uint32_t i = 0; i < playbook->identifier_count; i++) {
        struct text type = playbook->identifiers[i].name;
        if (key.length <= type.length || !text_starts_with(key, type) || key.at[type.length] != ':')
            continue;
        question->identifier = (struct live_identifier){
            type, {key.at + type.length + 1, key.length - type.length - 1}};
        question->ask.identifiers = &question->identifier;
        question->ask.identifier_count = 1;
        return;
    }
    question->ask.customer = key;
}

static struct flag_question *read_question(struct http_call *call, struct text flag) {
    struct json_node root, context, key;
    struct flag_question *question = arena_alloc(http_arena(call), sizeof *question);
    if (question == NULL) {
        http_problem_of(call, STATUS_NO_MEMORY, NULL);
        return NULL;
    }
    *question = (struct flag_question){.call = call};
    if (!body_parse(call, &root)) return NULL;
    if (!json_get(root, TEXT("context"), &context) || json_type(context) != JSON_OBJECT ||
        !json_get(context, TEXT("targetingKey"), &key) || json_type(key) != JSON_TEXT ||
        json_text(key).length == 0) {
        refuse(call, 400, flag, "TARGETING_KEY_MISSING",
               "context.targetingKey says who it is for: C12, TYPE:VALUE or a value that one "
               "customer has");
        return NULL;
    }
    struct text raw = json_raw_text(context);
    if (!body_keep(call, json_text(key), &question->targeting_key) ||
        !body_keep(call, raw, &question->ask.context))
        return NULL;
    question->in_force = in_force_hold(http_server(call)->engine);
    if (question->in_force->data.playbook == NULL) {
        release(question);
        http_problem(call, 503, "no-playbook", "no playbook is in force yet");
        return NULL;
    }
    buffer_init(&question->flags);
    buffer_init(&question->stable);
    name_customer(question);
    question->ask.render = render;
    question->ask.answered = answered;
    question->ask.caller = question;
    return question;
}

/* A bare value that nobody has is a customer without a past. */
static void ask(struct flag_question *question) {
    struct http_call *call = question->call;
    struct engine *engine = http_server(call)->engine;
    struct error error = {0};
    http_defer(call);
    enum status status = live_decide(engine, &question->ask, &error);
    if (status == STATUS_NOT_FOUND && question->ask.customer.length > 0) {
        question->ask.customer = (struct text){0};
        status = live_decide(engine, &question->ask, &error);
    }
    if (status != STATUS_OK) answered(question, status, &error);
}

static void answer_segment(struct flag_question *question, struct text flag) {
    struct http_call *call = question->call;
    struct error error = {0};
    enum status status = write_segments(question, flag, &error);
    bool is_flag = question->flags.length > 0;
    if (status == STATUS_OK && is_flag) {
        answer_one(question);
        return;
    }
    release(question);
    if (status == STATUS_OK)
        refuse(call, 404, flag, "FLAG_NOT_FOUND",
               "the playbook has neither a placement nor a segment of this name");
    else if (status != STATUS_CANCELLED)
        http_problem_of(call, status, &error);
}

void flags_evaluate(struct http_call *call) {
    struct text flag = http_path_word(call, 0);
    struct flag_question *question = read_question(call, flag);
    if (question == NULL) return;
    if (playbook_placement_find(question->in_force->data.playbook, flag) == UINT32_MAX) {
        answer_segment(question, flag);
        return;
    }
    question->ask.placement = flag;
    ask(question);
}

void flags_evaluate_all(struct http_call *call) {
    struct flag_question *question = read_question(call, (struct text){0});
    if (question == NULL) return;
    const struct playbook *playbook = question->in_force->data.playbook;
    uint32_t length = 0;
    question->is_bulk = true;
    for (uint32_t i = 0; i < playbook->placement_count && i < DECISION_PLACEMENTS_MAX; i++) {
        struct text name = playbook->placements[i].name;
        if (length + name.length + 1 > DECISION_PLACEMENT_BYTES_MAX) break;
        if (length > 0) question->placements[length++] = ',';
        memcpy(question->placements + length, name.at, name.length);
        length += name.length;
    }
    question->ask.placement = (struct text){question->placements, length};
    if (length > 0)
        ask(question);
    else
        answer_all(question);
}
