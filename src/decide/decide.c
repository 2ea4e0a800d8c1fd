/* SPDX-License-Identifier: Apache-2.0 */
#include "decide/decide.h"

#include <math.h>

#include <stdio.h>

#include "base/hash.h"
#include "base/memory.h"
#include "decide/decider.h"
#include "decide/facts.h"

enum status decider_create(struct decider **out, const struct world *world,
                           struct profiler *profiler, const struct model *const *models,
                           const struct goal_base *bases) {
    struct decider *decider = memory_calloc(1, sizeof *decider);
    if (decider == NULL) return STATUS_NO_MEMORY;
    decider->world = world;
    decider->profiler = profiler;
    decider->models = models;
    decider->bases = bases;
    decider->action_bases = goal_bases_of_action(world->playbook);
    enum status status = holdout_symbols_add(world->symbols, &decider->holdout_symbols);
    if (status == STATUS_OK) status = contact_history_init(&decider->history, world);
    if (status == STATUS_OK) status = facts_create(&decider->facts, decider);
    if (status == STATUS_OK)
        *out = decider;
    else
        decider_destroy(decider);
    return status;
}

void decider_destroy(struct decider *decider) {
    if (decider == NULL) return;
    facts_destroy(decider->facts);
    contact_history_release(&decider->history);
    memory_free(decider);
}

void decider_name_directory(struct decider *decider, uint64_t directory) {
    decider->directory = directory;
}

void decider_name_models(struct decider *decider, struct text names) {
    decider->model_names = names;
}

/* Higher priority first; ties by playbook order, so that a decision is always the same. */
static bool goes_before(const struct treatment_trace *a, const struct treatment_trace *b) {
    if (a->priority != b->priority) return a->priority > b->priority;
    return a->treatment->index < b->treatment->index;
}

static bool is_ranked_already(const struct decision *decision, const struct treatment *treatment) {
    for (uint32_t i = 0; i < decision->ranked_count; i++) {
        const struct treatment *other = decision->trace[decision->ranked[i]].treatment;
        if (other->key_hash == treatment->key_hash && text_equal(other->key, treatment->key))
            return true;
    }
    return false;
}

static bool is_withheld(const struct decision *decision, const struct treatment_trace *trace) {
    return decision->holdout.in && !trace->treatment->action->service;
}

/* What is still to be placed: indices into the trace. */
struct unplaced {
    uint32_t at[DECISION_TREATMENTS_MAX];
    uint32_t count;
};

static void gather(const struct decision *decision, struct unplaced *left) {
    left->count = 0;
    for (uint32_t i = 0; i < decision->trace_count; i++) {
        if (decision->trace[i].stopped_at == STAGE_OFFERED) left->at[left->count++] = i;
    }
}

/* The best of them, taken from them; UINT32_MAX where there is none. */
static uint32_t take_best(const struct decision *decision, struct unplaced *left,
                          bool service_only) {
    uint32_t best = UINT32_MAX;
    for (uint32_t i = 0; i < left->count; i++) {
        const struct treatment_trace *trace = &decision->trace[left->at[i]];
        if (best != UINT32_MAX && !goes_before(trace, &decision->trace[left->at[best]])) continue;
        if (service_only && !trace->treatment->action->service) continue;
        if (is_ranked_already(decision, trace->treatment)) continue;
        best = i;
    }
    if (best == UINT32_MAX) return best;
    uint32_t taken = left->at[best];
    left->at[best] = left->at[--left->count];
    return taken;
}

/* The messages of the ranks above count for those below, so that one decision can't break a cap by
 * itself. */
static enum status judge_contacts_again(struct decider *decider, struct treatment_trace *trace,
                                        int64_t t_ms) {
    struct verdict verdict;
    enum status status =
        stage_judge(decider, NULL, t_ms, trace->treatment, STAGE_CONTACT_POLICY, &verdict);
    if (status == STATUS_OK && !verdict.passes) trace_stop(trace, STAGE_CONTACT_POLICY, &verdict);
    return status;
}

static enum status fill_slots(struct decider *decider, struct decision *decision, uint32_t slots,
                              bool service_only, struct unplaced *left) {
    enum status status = STATUS_OK;
    for (uint32_t filled = 0; filled < slots && status == STATUS_OK;) {
        uint32_t best = take_best(decision, left, service_only);
        if (best == UINT32_MAX) break;
        struct treatment_trace *trace = &decision->trace[best];
        if (decision->ranked_count > 0)
            status = judge_contacts_again(decider, trace, decision->t_ms);
        if (status != STATUS_OK || trace->stopped_at != STAGE_OFFERED) continue;
        decision->probability[decision->ranked_count] = 1;
        decision->ranked[decision->ranked_count++] = best;
        filled++;
        status = contact_history_add(&decider->history, trace->treatment, decision->t_ms);
    }
    return status;
}

/* Fills the slots, best first; a treatment that is already ranked in another channel is not ranked
 * twice. What is withheld takes no slot from a service message: those have as many of their own. */
static enum status place(struct decider *decider, struct decision *decision) {
    const struct playbook *playbook = decider->world->playbook;
    uint32_t slots = playbook->slots_per_decision == 0 ? 1 : playbook->slots_per_decision;
    struct unplaced left;
    if (slots > DECISION_SLOTS_MAX) slots = DECISION_SLOTS_MAX;
    gather(decision, &left);
    enum status status = fill_slots(decider, decision, slots, false, &left);
    uint32_t withheld = 0;
    for (uint32_t i = 0; i < decision->ranked_count; i++)
        withheld += is_withheld(decision, &decision->trace[decision->ranked[i]]);
    if (status == STATUS_OK && withheld > 0)
        status = fill_slots(decider, decision, withheld, true, &left);
    for (uint32_t i = 0; i < left.count; i++)
        decision->trace[left.at[i]].stopped_at = STAGE_PLACEMENT;
    return status;
}

bool decision_withholds(const struct decision *decision, uint32_t rank) {
    return rank < decision->ranked_count &&
           is_withheld(decision, &decision->trace[decision->ranked[rank]]);
}

bool decision_withholds_some(const struct decision *decision) {
    bool some = false;
    for (uint32_t rank = 0; rank < decision->ranked_count; rank++)
        some |= decision_withholds(decision, rank);
    return some;
}

void decision_id_text(uint64_t id, char out[DECISION_ID_BYTES]) {
    for (int i = DECISION_ID_BYTES - 2; i >= 0; i--, id >>= 4) out[i] = "0123456789abcdef"[id & 15];
    out[DECISION_ID_BYTES - 1] = '\0';
}

static uint64_t id_of(const struct decider *decider, const struct decision *decision) {
    const uint64_t parts[] = {decider->world->playbook->hash, decision->customer.value,
                              (uint64_t)decision->t_ms, decision->ranked_count,
                              decision->holdout.in};
    uint64_t id = hash_bytes(parts, sizeof parts, decider->directory);
    for (uint32_t i = 0; i < decision->ranked_count; i++) {
        const struct treatment *treatment = decision->trace[decision->ranked[i]].treatment;
        id = hash_u64(hash_text(treatment->key, id) ^ treatment->channel);
    }
    return id == 0 ? 1 : id;
}

static enum status judge_all(struct decider *decider, const struct timeline *timeline,
                             const struct treatment_set *treatments, struct decision *out) {
    const int64_t t_ms = out->t_ms;
    uint32_t left = treatments->count;
    struct treatment_trace spare;
    for (uint32_t i = 0; i < treatments->count; i++, left--) {
        bool full = out->trace_count == DECISION_TREATMENTS_MAX;
        struct treatment_trace *trace = full ? &spare : &out->trace[out->trace_count];
        *trace = (struct treatment_trace){.treatment = &treatments->treatments[i],
                                          .propensity = NAN,
                                          .value = NAN,
                                          .weight = NAN,
                                          .lever = NAN,
                                          .cost = NAN,
                                          .priority = NAN};
        bool over = facts_is_over(decider, timeline, t_ms, trace);
        /* Skip expired offers when the trace is nearly full, so that live offers still fit. */
        if (over && out->trace_count + left > DECISION_TREATMENTS_MAX) continue;
        if (full) {
            out->truncated = true;
            break;
        }
        if (!over) {
            profile_with(decider->profiler, trace->treatment);
            enum status status = facts_judge(decider, timeline, t_ms, trace);
            if (status != STATUS_OK) return status;
        }
        out->limited |= trace->limited;
        out->trace_count++;
    }
    return STATUS_OK;
}

static enum status decide_once(struct decider *decider, const struct timeline *timeline,
                               const struct treatment_set *treatments, bool same_moment,
                               struct decision *out) {
    decider->permit_count = 0;
    out->trace_count = out->ranked_count = 0;
    out->truncated = out->limited = false;
    enum status status = contact_history_read(&decider->history, timeline, out->t_ms, same_moment);
    profile_at(decider->profiler, timeline, out->t_ms);
    profile_for_all(decider->profiler, treatments);
    facts_begin(decider, treatments);
    if (status == STATUS_OK) status = judge_all(decider, timeline, treatments, out);
    if (status == STATUS_OK) status = place(decider, out);
    out->limited |= out->truncated || timeline->truncated || profile_limited(decider->profiler);
    out->id = id_of(decider, out);
    return status;
}

/* Was this very decision made before? */
static bool was_left_out(const struct contact_history *history, const struct decision *decision) {
    char id[DECISION_ID_BYTES];
    decision_id_text(decision->id, id);
    uint64_t hash = hash_text(text_from(id), 0);
    for (size_t i = 0; i < history->left_out_count; i++) {
        if (history->left_out[i] == hash) return true;
    }
    return false;
}

/* The same run again gives the same decision, as if it had not been made yet. What was decided at
 * the same moment and is another decision counts as any other. */
enum status decide_customer(struct decider *decider, const struct timeline *timeline, int64_t t_ms,
                            struct decision *out, struct error *error) {
    const struct world *world = decider->world;
    const struct treatment_set *treatments;
    enum status status = treatment_history_at(world->treatments, t_ms, &treatments, error);
    if (status != STATUS_OK) return status;
    out->customer = timeline->customer;
    out->treatments_hash = treatments->hash;
    out->t_ms = t_ms;
    out->holdout = holdout_at(world->playbook, &decider->holdout_symbols, timeline, t_ms);
    status = decide_once(decider, timeline, treatments, false, out);
    if (status == STATUS_OK && decider->history.left_out_count > 0 &&
        !was_left_out(&decider->history, out))
        status = decide_once(decider, timeline, treatments, true, out);
    if (status != STATUS_OK) return error_set(error, status, "no memory to decide for a customer");
    reason_write(decider, timeline, out);
    return STATUS_OK;
}
