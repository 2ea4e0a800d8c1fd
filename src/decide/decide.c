/* SPDX-License-Identifier: Apache-2.0 */
#include "decide/decide.h"

#include <math.h>

#include "base/hash.h"
#include "base/memory.h"
#include "decide/decide_internal.h"
#include "decide/facts.h"

static enum status make_room(struct decider *decider) {
    const struct playbook *playbook = decider->data->playbook;
    uint32_t routes = contact_route_count(&decider->history);
    /* An action asks for two purposes at most, a policy for one, a route for one opt-in. */
    decider->permits_max = 2 * playbook->action_count + playbook->policy_count + routes;
    decider->permits = memory_calloc((size_t)decider->permits_max + 1, sizeof *decider->permits);
    decider->wanted = memory_calloc((size_t)playbook->trait_count + 1, sizeof *decider->wanted);
    if (decider->permits == NULL || decider->wanted == NULL) return STATUS_NO_MEMORY;
    wanted_traits(playbook, decider->wanted);
    return STATUS_OK;
}

enum status decider_create(struct decider **out, const struct customer_data *data,
                           struct profile *profile, const struct model *const *models,
                           const struct goal_base *bases) {
    struct decider *decider = memory_calloc(1, sizeof *decider);
    if (decider == NULL) return STATUS_NO_MEMORY;
    decider->data = data;
    decider->profile = profile;
    decider->models = models;
    decider->bases = bases;
    decider->action_bases = goal_bases_of_action(data->playbook);
    arena_init(&decider->arena, DECISION_BYTES_MAX);
    packed_list_init(&decider->list);
    buffer_init(&decider->trace_text);
    enum status status = holdout_symbols_add(data->symbols, &decider->holdout_symbols);
    if (status == STATUS_OK) status = contact_history_init(&decider->history, data);
    if (status == STATUS_OK) status = make_room(decider);
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
    arena_release(&decider->arena);
    packed_list_release(&decider->list);
    buffer_release(&decider->trace_text);
    memory_free(decider->permits);
    memory_free(decider->held);
    memory_free(decider->wanted);
    memory_free(decider);
}

void decider_use_bases(struct decider *decider, const struct goal_base *bases) {
    decider->bases = bases;
}

void decider_name_directory(struct decider *decider, uint64_t directory) {
    decider->directory = directory;
}

void decider_name_models(struct decider *decider, struct text names) {
    decider->model_names = names;
}

enum status decider_name_basis(struct decider *decider, const struct decision_basis *basis,
                               struct error *error) {
    if (basis->context.length > DECISION_CONTEXT_BYTES_MAX)
        return error_set(error, STATUS_LIMIT,
                         "the context has %u bytes: a decision keeps at most %u of them",
                         basis->context.length, DECISION_CONTEXT_BYTES_MAX);
    decider->basis = *basis;
    decider->has_basis = true;
    return STATUS_OK;
}

void decider_hold_as(struct decider *decider, const struct value *held) {
    decider->held_as = held;
}

/* ---- the trace ---- */

uint64_t decision_trace_hash(const struct decision *decision) {
    const struct decision_trace *trace = &decision->trace;
    uint64_t hash = hash_u64(decision->treatments->hash ^ trace->count);
    hash = hash_bytes(trace->index, trace->count * sizeof *trace->index, hash);
    hash = hash_bytes(trace->stage, trace->count, hash);
    hash = hash_bytes(trace->propensity, trace->count * sizeof *trace->propensity, hash);
    hash = hash_bytes(trace->priority, trace->count * sizeof *trace->priority, hash);
    return hash == 0 ? 1 : hash;
}

const struct treatment *decision_treatment(const struct decision *decision, uint32_t place) {
    return &decision->treatments->treatments[decision->trace.index[place]];
}

void trace_stop(struct treatment_trace *trace, enum stage stage, const struct verdict *verdict) {
    trace->stopped_at = stage;
    trace->unknown = verdict->unknown;
    trace->held = verdict->held;
    trace->limited = verdict->limited;
    trace->policy = verdict->policy;
    trace->purpose = verdict->purpose;
    trace->standing = verdict->standing;
    trace->free_at_ms = verdict->free_at_ms;
}

static struct treatment_trace trace_begin(const struct treatment *treatment) {
    return (struct treatment_trace){.treatment = treatment,
                                    .propensity = NAN,
                                    .value = NAN,
                                    .weight = NAN,
                                    .lever = NAN,
                                    .cost = NAN,
                                    .priority = NAN};
}

struct treatment_trace decision_trace_of(const struct decision *decision, uint32_t place) {
    const struct decision_trace *trace = &decision->trace;
    const struct decider *decider = decision->decider;
    struct treatment_trace out = trace_begin(decision_treatment(decision, place));
    uint32_t route = contact_route(&decider->history, out.treatment);
    enum stage stage = (enum stage)trace->stage[place];
    out.stopped_at = stage;
    out.propensity = trace->propensity[place];
    out.priority = trace->priority[place];
    bool priced = stage > STAGE_CONTACT_POLICY || !isnan(out.priority);
    if (priced) {
        struct price price = facts_price(decider->facts, route);
        out.value = price.value;
        out.weight = price.weight;
        out.lever = price.lever;
        out.cost = price.cost;
        out.unknown = isnan(out.priority);
        out.send_after_ms = facts_send_after(decider->facts, route);
    }
    if (trace->verdict[place] != NULL) trace_stop(&out, stage, trace->verdict[place]);
    return out;
}

struct treatment_trace decision_ranked(const struct decision *decision, uint32_t rank) {
    return decision_trace_of(decision, decision->ranked[rank]);
}

static bool shows_all(const struct decision *decision) {
    return decision->treatments->count <= DECISION_TREATMENTS_MAX;
}

uint32_t decision_shown_count(const struct decision *decision) {
    return shows_all(decision) ? decision->treatments->count : decision->trace.count;
}

/* The place of a treatment of the set in the trace; UINT32_MAX: it is over. */
static uint32_t place_of(const struct decision_trace *trace, uint32_t index) {
    uint32_t low = 0, high = trace->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (trace->index[middle] < index)
            low = middle + 1;
        else
            high = middle;
    }
    return low < trace->count && trace->index[low] == index ? low : UINT32_MAX;
}

struct treatment_trace decision_trace_at(const struct decision *decision, uint32_t index) {
    uint32_t place = place_of(&decision->trace, index);
    if (place != UINT32_MAX) return decision_trace_of(decision, place);
    struct treatment_trace over = trace_begin(&decision->treatments->treatments[index]);
    over.stopped_at = STAGE_AVAILABLE;
    return over;
}

struct treatment_trace decision_shown(const struct decision *decision, uint32_t i) {
    return shows_all(decision) ? decision_trace_at(decision, i) : decision_trace_of(decision, i);
}

/* ---- placement ---- */

static bool is_ranked_already(const struct decision *decision, const struct treatment *treatment) {
    for (uint32_t i = 0; i < decision->ranked_count; i++) {
        const struct treatment *other = decision_treatment(decision, decision->ranked[i]);
        if (other->key_hash == treatment->key_hash && text_equal(other->key, treatment->key))
            return true;
    }
    return false;
}

static bool is_withheld(const struct decision *decision, uint32_t place) {
    return decision->holdout.in && !decision_treatment(decision, place)->action->service;
}

/* The treatments that are not yet placed: a heap of places of the trace, the best of them first.
 * Where a limit is reached, all of them are taken one after the other, so taking one must not look
 * at all. */
struct unplaced {
    uint32_t *at;
    uint32_t count;
    uint32_t told; /* so many ranks count as contacts for those below */
};

/* Higher priority comes first; of equal ones the first in the playbook, so that a decision is
 * always the same. */
static bool goes_before(const struct decision *decision, uint32_t a, uint32_t b) {
    double x = decision->trace.priority[a], y = decision->trace.priority[b];
    return x > y || (!(x < y) && a < b);
}

static void sift_down(const struct decision *decision, struct unplaced *left, uint32_t at) {
    uint32_t moving = left->at[at];
    for (uint32_t child; (child = 2 * at + 1) < left->count; at = child) {
        if (child + 1 < left->count && goes_before(decision, left->at[child + 1], left->at[child]))
            child++;
        if (!goes_before(decision, left->at[child], moving)) break;
        left->at[at] = left->at[child];
    }
    left->at[at] = moving;
}

static enum status gather(struct decider *decider, const struct decision *decision,
                          struct unplaced *left) {
    const struct decision_trace *trace = &decision->trace;
    left->count = left->told = 0;
    left->at = arena_alloc(&decider->arena, ((size_t)trace->count + 1) * sizeof *left->at);
    if (left->at == NULL) return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < trace->count; i++) {
        left->at[left->count] = i;
        left->count += trace->stage[i] == STAGE_OFFERED;
    }
    for (uint32_t i = left->count / 2; i-- > 0;) sift_down(decision, left, i);
    return STATUS_OK;
}

/* Takes the best of them; UINT32_MAX where there is none. What is passed over here would be passed
 * over by every later call. */
static uint32_t take_best(const struct decision *decision, struct unplaced *left,
                          bool service_only) {
    while (left->count > 0) {
        uint32_t best = left->at[0];
        const struct treatment *treatment = decision_treatment(decision, best);
        left->at[0] = left->at[--left->count];
        if (left->count > 0) sift_down(decision, left, 0);
        if (service_only && !treatment->action->service) continue;
        if (!is_ranked_already(decision, treatment)) return best;
    }
    return UINT32_MAX;
}

/* What could have been offered, and is not ranked. */
static void leave_unplaced(struct decision *decision) {
    struct decision_trace *trace = &decision->trace;
    for (uint32_t i = 0; i < trace->count; i++) {
        if (trace->stage[i] == STAGE_OFFERED) trace->stage[i] = STAGE_PLACEMENT;
    }
    for (uint32_t rank = 0; rank < decision->ranked_count; rank++)
        trace->stage[decision->ranked[rank]] = STAGE_OFFERED;
}

/* Judges contacts again for the ranks below: the messages of the ranks above count, so that one
 * decision can't break a limit by itself. */
static enum status judge_contacts_again(struct decider *decider, struct decision *decision,
                                        uint32_t place, struct unplaced *left) {
    struct verdict verdict;
    const struct treatment *treatment = decision_treatment(decision, place);
    enum status status = STATUS_OK;
    for (; left->told < decision->ranked_count && status == STATUS_OK; left->told++)
        status = contact_history_add(&decider->history,
                                     decision_treatment(decision, decision->ranked[left->told]),
                                     decision->t_ms);
    if (status != STATUS_OK) return status;
    status = stage_judge(decider, NULL, decision->t_ms, treatment, STAGE_CONTACT_POLICY, &verdict);
    if (status != STATUS_OK || verdict.passes) return status;
    struct verdict *kept = arena_alloc(&decider->arena, sizeof *kept);
    if (kept == NULL) return STATUS_NO_MEMORY;
    *kept = verdict;
    decision->trace.stage[place] = STAGE_CONTACT_POLICY;
    decision->trace.verdict[place] = kept;
    return STATUS_OK;
}

static enum status fill_slots(struct decider *decider, struct decision *decision, uint32_t slots,
                              bool service_only, struct unplaced *left) {
    enum status status = STATUS_OK;
    for (uint32_t filled = 0; filled < slots && status == STATUS_OK;) {
        uint32_t best = take_best(decision, left, service_only);
        if (best == UINT32_MAX) break;
        if (decision->ranked_count > 0)
            status = judge_contacts_again(decider, decision, best, left);
        if (status != STATUS_OK || decision->trace.stage[best] != STAGE_OFFERED) continue;
        decision->probability[decision->ranked_count] = 1;
        decision->ranked[decision->ranked_count++] = best;
        filled++;
    }
    return status;
}

/* Fills the slots, best first; a treatment that is already ranked in another channel is not ranked
 * twice. What is withheld takes no slot from a service message: those have as many of their own. */
static enum status place(struct decider *decider, struct decision *decision) {
    const struct playbook *playbook = decider->data->playbook;
    uint32_t slots = playbook->slots_per_decision == 0 ? 1 : playbook->slots_per_decision;
    struct unplaced left;
    if (slots > DECISION_SLOTS_MAX) slots = DECISION_SLOTS_MAX;
    enum status status = gather(decider, decision, &left);
    if (status == STATUS_OK) status = fill_slots(decider, decision, slots, false, &left);
    uint32_t withheld = 0;
    for (uint32_t i = 0; i < decision->ranked_count; i++)
        withheld += is_withheld(decision, decision->ranked[i]);
    if (status == STATUS_OK && withheld > 0)
        status = fill_slots(decider, decision, withheld, true, &left);
    if (status == STATUS_OK) leave_unplaced(decision);
    return status;
}

bool decision_withholds(const struct decision *decision, uint32_t rank) {
    return rank < decision->ranked_count && is_withheld(decision, decision->ranked[rank]);
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
    const uint64_t parts[] = {decider->data->playbook->hash, decision->customer.value,
                              (uint64_t)decision->t_ms, decision->ranked_count,
                              decision->holdout.in};
    uint64_t id = hash_bytes(parts, sizeof parts, decider->directory);
    for (uint32_t i = 0; i < decision->ranked_count; i++) {
        const struct treatment *treatment = decision_treatment(decision, decision->ranked[i]);
        id = hash_u64(hash_text(treatment->key, id) ^ treatment->channel);
    }
    return id == 0 ? 1 : id;
}

static enum status decide_once(struct decider *decider, const struct timeline *timeline,
                               bool same_moment, struct decision *out) {
    decider->permit_count = decider->held_count = 0;
    out->ranked_count = 0;
    out->truncated = out->limited = false;
    arena_clear(&decider->arena);
    enum status status = contact_history_read(&decider->history, timeline, out->t_ms, same_moment);
    profile_at_for(decider->profile, timeline, out->t_ms, decider->wanted);
    profile_for_all(decider->profile, out->treatments);
    if (status == STATUS_OK) status = facts_judge(decider, timeline, out);
    if (status == STATUS_OK) status = place(decider, out);
    if (status != STATUS_OK) return status;
    out->limited |= out->truncated || timeline->truncated || profile_limited(decider->profile);
    out->id = id_of(decider, out);
    return STATUS_OK;
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

/* Decides. The same run again gives the same decision, as if the first had not been made. A
 * different decision that was made at the same moment counts like any other. */
enum status decide_customer(struct decider *decider, const struct timeline *timeline, int64_t t_ms,
                            struct decision *out, struct error *error) {
    const struct customer_data *data = decider->data;
    enum status status = treatment_history_at(data->treatments, t_ms, &out->treatments, error);
    if (status != STATUS_OK) return status;
    out->customer = timeline->customer;
    out->decider = decider;
    out->t_ms = t_ms;
    out->holdout = holdout_at(data->playbook, &decider->holdout_symbols, timeline, t_ms);
    status = decide_once(decider, timeline, false, out);
    if (status == STATUS_OK && decider->history.left_out_count > 0 &&
        !was_left_out(&decider->history, out))
        status = decide_once(decider, timeline, true, out);
    return status == STATUS_OK ? STATUS_OK
                               : error_set(error, status, "no memory to decide for a customer");
}
