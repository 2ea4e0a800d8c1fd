/* SPDX-License-Identifier: Apache-2.0 */
#include "server/ask/outcome.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "engine/live/live_outcome.h"
#include "server/ask/body.h"
#include "server/ask/question.h"
#include "server/server_internal.h"

struct outcome_batch;

struct told_outcome {
    struct outcome_batch *batch;
    struct live_outcome outcome;
    enum status status;
    struct live_told told;
    struct error error;
};

struct outcome_batch { /* in the call's arena */
    struct http_call *call;
    bool is_list;
    uint32_t count;
    _Atomic uint32_t left; /* unanswered, and one for whoever submits */
    struct told_outcome outcome[];
};

/* ---- the answer ---- */

static const char *verdict_of(const struct told_outcome *outcome) {
    switch (outcome->status) {
    case STATUS_OK: return outcome->told.is_repeat ? "repeat" : "recorded";
    case STATUS_NOT_FOUND: return "not_found";
    case STATUS_INVALID: return "invalid";
    case STATUS_BUSY: return "busy";
    default: return "failed";
    }
}

static void write_outcome(const struct told_outcome *outcome, struct json_writer *writer) {
    json_write_object_begin(writer);
    json_member_string(writer, "status", verdict_of(outcome));
    json_member_yes_no(writer, "restored", outcome->told.is_restored);
    json_member_text_or_null(writer, "detail",
                             outcome->status == STATUS_OK ? (struct text){0}
                                                          : text_from(outcome->error.text));
    json_write_object_end(writer);
}

/* A failure that sending all of it again may mend: what was recorded is a repeat then. */
static const struct told_outcome *worth_again(const struct outcome_batch *batch) {
    for (uint32_t i = 0; i < batch->count; i++) {
        enum status status = batch->outcome[i].status;
        if (status != STATUS_OK && status != STATUS_NOT_FOUND && status != STATUS_INVALID)
            return &batch->outcome[i];
    }
    return NULL;
}

static void answer_batch(struct outcome_batch *batch) {
    const struct told_outcome *again = worth_again(batch), *first = &batch->outcome[0];
    if (again != NULL || (!batch->is_list && first->status != STATUS_OK)) {
        if (again == NULL) again = first;
        http_problem_of(batch->call, again->status, &again->error);
        return;
    }
    struct json_writer *writer = http_json(batch->call);
    if (!batch->is_list) {
        write_outcome(first, writer);
    } else {
        json_write_object_begin(writer);
        json_write_key(writer, "outcomes");
        json_write_array_begin(writer);
        for (uint32_t i = 0; i < batch->count; i++) write_outcome(&batch->outcome[i], writer);
        json_write_array_end(writer);
        json_write_object_end(writer);
    }
    http_answer_json(batch->call, 200);
}

static void one_less(struct outcome_batch *batch) {
    if (atomic_fetch_sub_explicit(&batch->left, 1, memory_order_acq_rel) == 1) answer_batch(batch);
}

/* The syncer's. */
static void answered(void *context, enum status status, const struct live_told *told,
                     const struct error *error) {
    struct told_outcome *outcome = context;
    outcome->status = status;
    if (status == STATUS_OK)
        outcome->told = *told;
    else
        outcome->error = *error;
    one_less(outcome->batch);
}

/* ---- the question ---- */

static bool read_outcome(struct http_call *call, struct json_node node, const char *where,
                         struct told_outcome *out) {
    struct json_node decision, treatment, kind, time;
    bool has_treatment = false, has_time = false;
    const struct body_member members[] = {
        {"decision", JSON_TEXT, true, &decision, NULL},
        {"outcome", JSON_TEXT, true, &kind, NULL},
        {"treatment", JSON_TEXT, false, &treatment, &has_treatment},
        {"time", JSON_TEXT, false, &time, &has_time},
    };
    if (!body_read(call, node, where, members, sizeof members / sizeof *members)) return false;
    struct live_outcome *outcome = &out->outcome;
    outcome->kind = live_outcome_named(json_text(kind));
    outcome->decision = json_text(decision);
    if (has_treatment) outcome->treatment = json_text(treatment);
    if (outcome->decision.length == 0) {
        http_problem(call, 400, "invalid", "%sdecision is empty; send the id or the token", where);
        return false;
    }
    if (outcome->kind == LIVE_OUTCOME_COUNT) {
        http_problem(call, 400, "invalid",
                     "%soutcome is none of shown, delivered, failed, clicked, accepted, rejected",
                     where);
        return false;
    }
    if (!has_time || time_parse(json_text(time), NULL, &outcome->time_ms) == STATUS_OK) return true;
    http_problem(call, 400, "invalid", "%stime is no time; write 2026-05-01T14:00:00Z", where);
    return false;
}

static struct outcome_batch *read_batch(struct http_call *call) {
    struct body_items items;
    struct json_node node;
    if (!body_items(call, "outcomes", OUTCOMES_MAX, &items)) return NULL;
    size_t bytes = sizeof(struct outcome_batch) + items.count * sizeof(struct told_outcome);
    struct outcome_batch *batch = arena_calloc(http_arena(call), 1, bytes);
    if (batch == NULL) {
        http_problem_of(call, STATUS_NO_MEMORY, NULL);
        return NULL;
    }
    batch->call = call;
    batch->is_list = items.is_list;
    batch->count = items.count;
    for (uint32_t i = 0; body_items_next(&items, &node); i++)
        if (!read_outcome(call, node, items.where, &batch->outcome[i])) return NULL;
    return batch;
}

void outcome_post(struct http_call *call) {
    struct engine *engine = http_server(call)->engine;
    struct outcome_batch *batch = read_batch(call);
    if (batch == NULL) return;
    atomic_init(&batch->left, batch->count + 1);
    http_defer(call);
    for (uint32_t i = 0; i < batch->count; i++) {
        struct told_outcome *outcome = &batch->outcome[i];
        outcome->batch = batch;
        outcome->outcome.answered = answered;
        outcome->outcome.context = outcome;
        struct error error = {0};
        /* Where it is taken, `answered` may have come already, and has set the status. */
        enum status status = live_outcome_tell(engine, &outcome->outcome, &error);
        if (status != STATUS_OK) answered(outcome, status, NULL, &error);
    }
    one_less(batch);
}
