/* SPDX-License-Identifier: Apache-2.0 */
#include "server/ask/decide_answer.h"

#include <math.h>
#include <stdio.h>

/* What the customer would see: only of a treatment that the playbook in force still has. */
static void write_content(const struct live_answer *answer, const struct live_slot *slot,
                          struct json_writer *writer) {
    const struct engine_view *view = answer->view;
    json_write_key(writer, "content");
    if (slot->treatment == NULL)
        json_write_null(writer);
    else
        treatment_content(view->decider, &view->timeline, view->decision, slot->treatment, writer);
}

static void write_slot(const struct live_answer *answer, const struct live_slot *slot,
                       struct json_writer *writer) {
    const struct treatment *treatment = slot->treatment;
    json_write_object_begin(writer);
    json_member_text(writer, "treatment", slot->key);
    json_member_text_or_null(writer, "action",
                             treatment != NULL ? treatment->action->name : (struct text){0});
    json_member_text_or_null(writer, "title",
                             treatment != NULL ? treatment->title : (struct text){0});
    json_member_text(writer, "channel", slot->channel);
    write_content(answer, slot, writer);
    json_member_number(writer, "propensity", slot->propensity);
    json_member_number(writer, "priority", slot->priority);
    json_member_number(writer, "probability", slot->probability);
    json_member_time_or_null(writer, "send_after", slot->send_after_ms);
    json_member_yes_no(writer, "withheld", slot->withheld);
    json_write_object_end(writer);
}

static bool stands_at(const struct live_slot *slot, uint32_t placement) {
    return slot->placement == placement;
}

/* A fallback is shown where nothing stands that may be acted on. */
static bool falls_back(const struct live_answer *answer, uint32_t placement) {
    for (uint32_t i = 0; i < answer->slot_count; i++)
        if (stands_at(&answer->slots[i], placement) && !answer->slots[i].withheld) return false;
    return placement < answer->view->decision->placement_count;
}

uint32_t decide_answer_fallbacks(const struct live_answer *answer) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < answer->view->decision->placement_count; i++)
        count += falls_back(answer, i);
    return count;
}

static void write_fallback(const struct live_answer *answer, uint32_t placement,
                           struct json_writer *writer) {
    const struct engine_view *view = answer->view;
    const struct decision *decision = view->decision;
    json_write_key(writer, "fallback");
    if (!falls_back(answer, placement))
        json_write_null(writer);
    else
        placement_fallback(&view->data->playbook->placements[decision->placements[placement]],
                           writer);
}

static void write_placement(const struct live_answer *answer, uint32_t placement,
                            struct json_writer *writer) {
    const struct engine_view *view = answer->view;
    const struct decision *decision = view->decision;
    json_write_object_begin(writer);
    struct text name = {0};
    if (placement < decision->placement_count)
        name = view->data->playbook->placements[decision->placements[placement]].name;
    json_member_text_or_null(writer, "placement", name);
    json_write_key(writer, "treatments");
    json_write_array_begin(writer);
    for (uint32_t i = 0; i < answer->slot_count; i++) {
        if (stands_at(&answer->slots[i], placement)) write_slot(answer, &answer->slots[i], writer);
    }
    json_write_array_end(writer);
    write_fallback(answer, placement, writer);
    json_write_object_end(writer);
}

/* The reason of a decision that is given again was told when it was made; that of a decision of now
 * may speak of other treatments. */
static void write_again(const struct live_answer *answer, char out[DECISION_REASON_BYTES_MAX]) {
    const struct live_slot *slot = &answer->slots[0];
    struct text title = slot->treatment != NULL ? slot->treatment->title : slot->key;
    if (answer->slot_count == 0)
        snprintf(out, DECISION_REASON_BYTES_MAX, "Offer nothing: so it was decided in this visit.");
    else
        snprintf(out, DECISION_REASON_BYTES_MAX,
                 "Offer %.*s by %.*s again: so it was decided in this visit.", TEXT_ARG(title),
                 TEXT_ARG(slot->channel));
}

static void write_reason(const struct live_answer *answer, struct json_writer *writer) {
    char reason[DECISION_REASON_BYTES_MAX] = "";
    if (answer->is_again)
        write_again(answer, reason);
    else if (answer->is_late)
        snprintf(reason, sizeof reason, "The time to decide in was over; the fallback is shown.");
    else
        engine_view_reason(answer->view, reason);
    json_member_string(writer, "reason", reason);
}

void decide_answer_write(const struct live_answer *answer, bool with_trace,
                         struct json_writer *writer) {
    const struct decision *decision = answer->view->decision;
    char customer[16] = "";
    uint32_t placements = decision->placement_count == 0 ? 1 : decision->placement_count;
    if (answer->customer.value != ID_NONE)
        snprintf(customer, sizeof customer, "C%u", answer->customer.value);
    json_write_object_begin(writer);
    json_member_text_or_null(writer, "decision",
                             answer->is_late ? (struct text){0} : text_from(answer->id));
    json_member_text_or_null(writer, "token", answer->token);
    json_member_text_or_null(writer, "customer", text_from(customer));
    json_member_time(writer, "as_of", answer->t_ms);
    json_member_yes_no(writer, "recorded", answer->is_recorded);
    json_member_yes_no(writer, "again", answer->is_again);
    json_member_yes_no(writer, "late", answer->is_late);
    json_member_yes_no(writer, "limited", decision->limited);
    write_reason(answer, writer);
    json_write_key(writer, "placements");
    json_write_array_begin(writer);
    for (uint32_t i = 0; i < placements; i++) write_placement(answer, i, writer);
    json_write_array_end(writer);
    json_member_text_or_null(writer, "left_out",
                             answer->view->left_out.length > 0
                                 ? buffer_text(&answer->view->left_out)
                                 : (struct text){0});
    if (with_trace) {
        json_write_key(writer, "trace");
        answer_decision(answer->view, writer);
    }
    json_write_object_end(writer);
}
