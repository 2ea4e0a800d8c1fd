/* SPDX-License-Identifier: Apache-2.0 */
/* The decision that a visit has had already, read from the timeline. */
#include <math.h>

#include "base/hash.h"
#include "engine/live/live_internal.h"

/* Of the placements that the latest decision was asked for. */
static bool is_sticky(const struct engine_view *view) {
    const struct decision *decision = view->decision;
    for (uint32_t i = 0; i < decision->placement_count; i++)
        if (view->data->playbook->placements[decision->placements[i]].sticky) return true;
    return false;
}

/* Does the row tell that the customer was there? A decision is asked for by a page that is looked
 * at. */
static bool is_activity(const struct playbook *playbook, uint16_t type) {
    return type == EVENT_DECISION_MADE ||
           (event_is_treatment(type) && type != EVENT_TREATMENT_DELIVERED &&
            type != EVENT_TREATMENT_FAILED) ||
           (playbook->schema.is_visit != NULL &&
            playbook->schema.is_visit(playbook->schema.context, type));
}

static bool has_name(struct text names, struct text wanted) {
    struct text name;
    while (text_cut(&names, ',', &name))
        if (text_equal(name, wanted)) return true;
    return false;
}

/* Is the row a decision for each of the placements, perhaps beside others? */
static bool is_of(const struct timeline *timeline, uint32_t row, struct text placements,
                  struct text *packed) {
    struct text name;
    if (timeline->type[row] != EVENT_DECISION_MADE ||
        timeline->ops->packed(timeline, row, packed) != STATUS_OK)
        return false;
    struct value named = packed_find(*packed, PROPERTY_PLACEMENT);
    if (named.type != VALUE_TEXT) return false;
    while (text_cut(&placements, ',', &name))
        if (!has_name(named.text, name)) return false;
    return true;
}

static uint64_t rejection(struct value decision, struct value treatment) {
    return decision.type == VALUE_TEXT && treatment.type == VALUE_TEXT
               ? hash_text(treatment.text, hash_text(decision.text, 0))
               : 0;
}

/* Of the rows behind the decision; beyond the limit the oldest are not noted. */
static void note_rejected(const struct timeline *timeline, uint32_t row,
                          struct live_rejected *rejected) {
    struct text packed;
    if (timeline->type[row] != EVENT_TREATMENT_REJECTED || rejected->count == LIVE_REJECTED_MAX ||
        timeline->ops->packed(timeline, row, &packed) != STATUS_OK)
        return;
    rejected->hash[rejected->count++] =
        rejection(packed_find(packed, PROPERTY_DECISION), packed_find(packed, PROPERTY_TREATMENT));
}

bool live_sticky_find(const struct engine_view *view, struct text placements, struct text *packed,
                      int64_t *t_ms, struct live_rejected *rejected) {
    const struct playbook *playbook = view->data->playbook;
    const struct timeline *timeline = &view->timeline;
    int64_t edge_ms = view->t_ms;
    rejected->count = 0;
    if (!is_sticky(view)) return false;
    for (uint32_t row = timeline_upper_bound(timeline, view->t_ms); row-- > 0;) {
        if (edge_ms - timeline->time_ms[row] >= playbook->visit_gap_ms) return false;
        if (!timeline_known(timeline, row, view->t_ms)) continue;
        if (!is_activity(playbook, timeline->type[row])) continue;
        edge_ms = timeline->time_ms[row];
        note_rejected(timeline, row, rejected);
        if (!is_of(timeline, row, placements, packed)) continue;
        *t_ms = edge_ms;
        return true;
    }
    return false;
}

/* ---- its slots ---- */

static double number_or_nan(struct value value) {
    return value.type == VALUE_NUMBER ? value.number : NAN;
}

/* Which of the placements that are asked for now it is; UINT32_MAX: the decision was also for
 * another one. */
static uint32_t placement_index(const struct engine_view *view, struct value name) {
    const struct decision *decision = view->decision;
    if (name.type != VALUE_TEXT) return 0;
    for (uint32_t i = 0; i < decision->placement_count; i++)
        if (text_equal(view->data->playbook->placements[decision->placements[i]].name, name.text))
            return i;
    return UINT32_MAX;
}

static bool is_rejected(const struct live_rejected *rejected, struct value decision,
                        struct value treatment) {
    uint64_t hash = rejection(decision, treatment);
    for (uint32_t i = 0; i < rejected->count; i++)
        if (rejected->hash[i] == hash) return true;
    return false;
}

/* Contact limits are no reason: the decision that is given again counts against them itself. */
static bool is_allowed(const struct decision *decision, const struct treatment *treatment) {
    if (treatment == NULL) return false;
    struct treatment_trace trace = decision_trace_at(decision, treatment->index);
    return trace.stopped_at != STAGE_AVAILABLE && trace.stopped_at != STAGE_CONSENT;
}

void live_slots_of_record(const struct engine_view *view, struct text packed,
                          const struct live_rejected *rejected, struct live_answer *answer) {
    const struct decision *decision = view->decision;
    struct symbols *symbols = engine_symbols(view->engine);
    const uint32_t messages = symbol_find(symbols, SYMBOL_PROPERTY, TEXT("messages")),
                   send_after = symbol_find(symbols, SYMBOL_PROPERTY, TEXT("send_after"));
    struct list_reader reader, chances;
    struct value ignored, chance;
    const struct value id = packed_find(packed, PROPERTY_DECISION);
    bool has_chances =
        list_reader_init(&chances, packed_find(packed, PROPERTY_PROBABILITY)) == STATUS_OK;
    answer->slot_count = answer->refused_count = 0;
    if (list_reader_init(&reader, packed_find(packed, messages)) != STATUS_OK) return;
    while (answer->slot_count < DECISION_RANKS_MAX && list_next(&reader, &ignored) == STATUS_OK) {
        struct value key = list_field(&reader, PROPERTY_TREATMENT),
                     channel = list_field(&reader, PROPERTY_CHANNEL),
                     withheld = list_field(&reader, PROPERTY_WITHHELD),
                     after = list_field(&reader, send_after);
        if (!has_chances || list_next(&chances, &chance) != STATUS_OK) chance = value_unknown();
        uint32_t placement = placement_index(view, list_field(&reader, PROPERTY_PLACEMENT));
        if (key.type != VALUE_TEXT || channel.type != VALUE_TEXT || placement == UINT32_MAX)
            continue;
        const struct treatment *treatment = treatment_find(
            decision->treatments, key.text, symbol_find(symbols, SYMBOL_CHANNEL, channel.text));
        if (!is_allowed(decision, treatment) || is_rejected(rejected, id, key)) {
            answer->refused_count++;
            continue;
        }
        answer->slots[answer->slot_count++] = (struct live_slot){
            .key = key.text,
            .treatment = treatment,
            .channel = channel.text,
            .placement = placement,
            .probability = number_or_nan(chance),
            .propensity = number_or_nan(list_field(&reader, PROPERTY_PROPENSITY)),
            .priority = number_or_nan(list_field(&reader, PROPERTY_PRIORITY)),
            .send_after_ms = after.type == VALUE_TIME ? after.time_ms : 0,
            .withheld = withheld.type == VALUE_YES_NO && withheld.yes,
        };
    }
}
