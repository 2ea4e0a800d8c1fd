/* SPDX-License-Identifier: Apache-2.0 */
/* Fills the slots: of one decision without a place, or of the placements that were asked for.
 *
 * The best that may stand is taken for each slot, with probability 1, or one of the best is drawn
 * for it (decide/explore.c). A treatment is ranked once, whatever the channel. The messages of the
 * ranks count as contacts for those that follow, and bundles say what may stand beside what is
 * ranked: what would have to wait for its partner waits, and takes a slot that is left once the
 * partner has one. */
#include "decide/placement_internal.h"

#include "decide/facts.h"

/* Does a rank have the key of the treatment at this place? */
static inline bool is_ranked_already(const struct filling *filling, uint32_t place) {
    const struct decision *decision = filling->decision;
    if (!filling_may_be_ranked(filling, place)) return false;
    const struct treatment *treatment = treatment_at(decision, place);
    for (uint32_t i = 0; i < decision->ranked_count; i++) {
        const struct treatment *other = treatment_at(decision, decision->ranked[i]);
        if (other->key_hash == treatment->key_hash && text_equal(other->key, treatment->key))
            return true;
    }
    return false;
}

static bool is_withheld(const struct decision *decision, uint32_t place) {
    return decision->holdout.in && !treatment_at(decision, place)->action->service;
}

/* ---- the heap ---- */

/* Higher priority comes first; of equal ones the first in the playbook, so that a decision is
 * always the same. */
static bool goes_before(const struct decision *decision, uint32_t a, uint32_t b) {
    double x = decision->trace.priority[a], y = decision->trace.priority[b];
    return x > y || (!(x < y) && a < b);
}

static inline void sift_down(const struct decision *decision, struct unplaced *left, uint32_t at) {
    uint32_t moving = left->at[at];
    for (uint32_t child; (child = 2 * at + 1) < left->count; at = child) {
        if (child + 1 < left->count && goes_before(decision, left->at[child + 1], left->at[child]))
            child++;
        if (!goes_before(decision, left->at[child], moving)) break;
        left->at[at] = left->at[child];
    }
    left->at[at] = moving;
}

static void order(const struct decision *decision, struct unplaced *left) {
    for (uint32_t i = left->count / 2; i-- > 0;) sift_down(decision, left, i);
}

/* Those that may stand at a placement (UINT32_MAX: anywhere). */
static void gather_all(struct filling *filling, uint32_t at) {
    const struct decision_trace *trace = &filling->decision->trace;
    struct unplaced *left = &filling->left;
    left->best_count = left->best_taken = 0;
    left->others = false;
    left->waiting_count = left->count = 0;
    left->is_gathered = false;
    for (uint32_t i = 0; i < trace->count; i++) {
        left->at[left->count] = i;
        left->count += trace->stage[i] == STAGE_OFFERED && filling_takes(filling, at, i);
    }
    order(filling->decision, left);
}

/* The best few of them. */
static void gather_best(struct filling *filling, uint32_t at, uint32_t wanted) {
    const struct decision_trace *trace = &filling->decision->trace;
    struct unplaced *left = &filling->left;
    uint32_t most = wanted < BEST_MAX ? wanted : BEST_MAX, count = 0;
    double least = 0; /* where there are as many as wanted: the priority of the last of them */
    for (uint32_t i = 0; i < trace->count; i++) {
        double priority = trace->priority[i];
        /* What was stopped before has a priority that is unknown, or not above 0. */
        if (!(priority > least)) continue;
        if (trace->stage[i] != STAGE_OFFERED || !filling_takes(filling, at, i)) continue;
        uint32_t to = count < most ? count++ : count - 1;
        for (; to > 0 && trace->priority[left->best[to - 1]] < priority; to--)
            left->best[to] = left->best[to - 1];
        left->best[to] = i;
        if (count == most) least = trace->priority[left->best[most - 1]];
    }
    left->count = left->best_taken = 0;
    left->best_count = count;
    left->others = count == most;
    left->placement = at;
    left->is_gathered = true;
}

/* The same, which exploration has found. */
static void take_few(struct filling *filling, uint32_t at) {
    const struct best *few = &filling->exploring.few;
    struct unplaced *left = &filling->left;
    for (uint32_t i = 0; i < few->count; i++) left->best[i] = few->items[i].place;
    left->count = left->best_taken = 0;
    left->best_count = few->count;
    left->others = few->count == POOL_BATCH;
    left->placement = at;
    left->is_gathered = true;
}

/* Those that a slot of the placement may be filled with. Where the same may stand at the placement
 * before, what is left of them is gathered already. */
static void gather(struct filling *filling, uint32_t at, uint32_t slots) {
    struct unplaced *left = &filling->left;
    bool goes_on = left->waiting == NULL && left->is_gathered &&
                   filling_takes_the_same(filling, left->placement, at);
    if (filling->exploring.on) explore_at(filling, at);
    if (goes_on) return;
    if (left->waiting == NULL && filling->exploring.on)
        take_few(filling, at);
    else if (filling->left.waiting == NULL && slots > 0)
        gather_best(filling, at, 2 * slots);
    else
        gather_all(filling, at);
}

/* All that come behind the best few. */
static void gather_others(const struct filling *filling, struct unplaced *left) {
    const struct decision *decision = filling->decision;
    const struct decision_trace *trace = &decision->trace;
    uint32_t last = left->best[left->best_count - 1];
    for (uint32_t i = 0; i < trace->count; i++) {
        left->at[left->count] = i;
        left->count += trace->stage[i] == STAGE_OFFERED && goes_before(decision, last, i) &&
                       filling_takes(filling, left->placement, i);
    }
    order(decision, left);
    left->others = false;
}

static uint32_t take_next(struct filling *filling) {
    const struct decision *decision = filling->decision;
    struct unplaced *left = &filling->left;
    if (left->best_taken < left->best_count) return left->best[left->best_taken++];
    if (left->others) gather_others(filling, left);
    if (left->count == 0) return UINT32_MAX;
    uint32_t best = left->at[0];
    left->at[0] = left->at[--left->count];
    if (left->count > 0) sift_down(decision, left, 0);
    return best;
}

/* It was taken last, and stands nowhere yet. */
static void put_back(const struct decision *decision, struct unplaced *left, uint32_t place) {
    if (left->best_taken > 0 && left->best[left->best_taken - 1] == place) {
        left->best_taken--;
        return;
    }
    uint32_t at = left->count++;
    for (; at > 0 && goes_before(decision, place, left->at[(at - 1) / 2]); at = (at - 1) / 2)
        left->at[at] = left->at[(at - 1) / 2];
    left->at[at] = place;
}

static enum status make_heap(struct filling *filling) {
    uint32_t count = filling->decision->trace.count;
    bool waits = filling->has_bundles;
    struct unplaced *left = &filling->left;
    struct arena *arena = &filling->decider->arena;
    left->at = arena_alloc(arena, ((size_t)count + 1) * sizeof *left->at);
    if (waits) left->waiting = arena_alloc(arena, ((size_t)count + 1) * sizeof *left->waiting);
    uint32_t routes = contact_route_count(&filling->decider->history);
    filling->passed = arena_alloc(arena, (routes + 1u) * sizeof *filling->passed);
    if (left->at == NULL || (waits && left->waiting == NULL) || filling->passed == NULL)
        return STATUS_NO_MEMORY;
    memset(filling->passed, 0, (routes + 1u) * sizeof *filling->passed);
    return STATUS_OK;
}

/* Takes the best of them; UINT32_MAX where there is none. What is passed over here would be passed
 * over by every later call. */
static uint32_t take_best(struct filling *filling, bool service_only) {
    const struct decision *decision = filling->decision;
    uint32_t best;
    while ((best = take_next(filling)) != UINT32_MAX) {
        if (decision->trace.stage[best] != STAGE_OFFERED) continue; /* stopped meanwhile */
        if (service_only && !treatment_at(decision, best)->action->service) continue;
        if (!is_ranked_already(filling, best)) return best;
    }
    return UINT32_MAX;
}

/* ---- bundles ---- */

static uint32_t action_of(const struct filling *filling, uint32_t place) {
    const struct action *action = treatment_at(filling->decision, place)->action;
    return (uint32_t)(action - filling->decider->data->playbook->actions);
}

/* Do the two stand beside each other? A message that goes out does not stand beside one that is
 * withheld. */
static bool stand_together(const struct decision *decision, uint32_t place, uint32_t ranked) {
    return is_withheld(decision, place) || !is_withheld(decision, ranked);
}

static bool is_kept_apart(const struct filling *filling, const struct bundle_rule *bundle,
                          uint32_t place) {
    const struct decision *decision = filling->decision;
    uint32_t action = action_of(filling, place);
    bool is_of = bundle_is_of(bundle, action), is_with = bundle_is_with(bundle, action);
    for (uint32_t i = 0; (is_of || is_with) && i < decision->ranked_count; i++) {
        uint32_t other = action_of(filling, decision->ranked[i]);
        bool meet =
            (is_of && bundle_is_with(bundle, other)) || (is_with && bundle_is_of(bundle, other));
        if (meet && stand_together(decision, place, decision->ranked[i])) return true;
    }
    return false;
}

static bool lacks_partner(const struct filling *filling, const struct bundle_rule *bundle,
                          uint32_t place) {
    const struct decision *decision = filling->decision;
    if (!bundle_is_of(bundle, action_of(filling, place))) return false;
    for (uint32_t i = 0; i < decision->ranked_count; i++) {
        if (bundle_is_with(bundle, action_of(filling, decision->ranked[i])) &&
            stand_together(decision, place, decision->ranked[i]))
            return false;
    }
    return true;
}

/* The first rule that keeps it from standing beside what is ranked; NULL: none does. */
static const struct bundle_rule *bundle_against(const struct filling *filling, uint32_t place,
                                                enum bundle_kind kind) {
    const struct playbook *playbook = filling->decider->data->playbook;
    for (uint32_t i = 0; i < playbook->bundle_count; i++) {
        const struct bundle_rule *bundle = &playbook->bundles[i];
        if (bundle->kind != kind) continue;
        if (kind == BUNDLE_NEVER_WITH ? is_kept_apart(filling, bundle, place)
                                      : lacks_partner(filling, bundle, place))
            return bundle;
    }
    return NULL;
}

static enum status stop(struct filling *filling, uint32_t place, enum stage stage,
                        const struct verdict *verdict) {
    struct verdict *kept = arena_alloc(&filling->decider->arena, sizeof *kept);
    if (kept == NULL) return STATUS_NO_MEMORY;
    *kept = *verdict;
    filling->decision->trace.stage[place] = (uint8_t)stage;
    filling->decision->trace.verdict[place] = kept;
    return STATUS_OK;
}

static enum status judge_bundles(struct filling *filling, uint32_t place, bool *waits) {
    struct unplaced *left = &filling->left;
    const struct bundle_rule *bundle = bundle_against(filling, place, BUNDLE_NEVER_WITH);
    *waits = false;
    if (bundle != NULL)
        return stop(filling, place, STAGE_PLACEMENT, &(struct verdict){.bundle = bundle});
    *waits = bundle_against(filling, place, BUNDLE_ONLY_WITH) != NULL;
    if (*waits) left->waiting[left->waiting_count++] = place;
    return STATUS_OK;
}

/* Something was ranked: those that wait are looked at again. */
static void wake(struct filling *filling) {
    struct unplaced *left = &filling->left;
    if (left->waiting_count == 0) return;
    for (uint32_t i = 0; i < left->waiting_count; i++) left->at[left->count++] = left->waiting[i];
    left->waiting_count = 0;
    order(filling->decision, left);
}

/* ---- the slots ---- */

/* The messages of the ranks above count, so that one decision can't break a limit by itself. */
static enum status tell_ranks(struct filling *filling) {
    struct decider *decider = filling->decider;
    struct decision *decision = filling->decision;
    enum status status = STATUS_OK;
    for (; filling->told < decision->ranked_count && status == STATUS_OK; filling->told++)
        status = contact_history_add(&decider->history,
                                     treatment_at(decision, decision->ranked[filling->told]),
                                     decision->t_ms);
    return status;
}

static const struct verdict *keep_contact(struct filling *filling,
                                          const struct contact_verdict *contact) {
    struct verdict *kept = arena_alloc(&filling->decider->arena, sizeof *kept);
    if (kept != NULL) verdict_of_contact(contact, filling->decision->t_ms, kept);
    return kept;
}

/* contact_never of the treatment at this place. */
static bool was_never_sent(const struct filling *filling, uint32_t place) {
    const struct contact_history *history = &filling->decider->history;
    return !contact_has_gone_out(history, filling->bits[place]) &&
           contact_route_counts_none(history, filling->routes[place]);
}

/* Judges contacts again for the ranks below. */
static enum status judge_contacts_again(struct filling *filling, uint32_t place) {
    struct contact_history *history = &filling->decider->history;
    const struct treatment *treatment = treatment_at(filling->decision, place);
    uint32_t route = filling->routes[place];
    const struct contact_verdict *contact;
    struct contact_verdict own;
    if (filling_passes(filling, place)) return STATUS_OK;
    bool never = was_never_sent(filling, place);
    enum status status = tell_ranks(filling);
    if (status != STATUS_OK) return status;
    if (never) {
        status = contact_shared(history, treatment, filling->decision->t_ms, &contact);
    } else {
        status = contact_check(history, treatment, filling->decision->t_ms, &own);
        contact = &own;
    }
    if (status != STATUS_OK) return status;
    if (contact->blocking == NULL) {
        if (never) filling->passed[route] = filling->told + 1;
        return STATUS_OK;
    }
    const struct verdict *verdict = keep_contact(filling, contact);
    filling->decision->trace.stage[place] = (uint8_t)STAGE_CONTACT_POLICY;
    filling->decision->trace.verdict[place] = verdict;
    return verdict != NULL ? STATUS_OK : STATUS_NO_MEMORY;
}

/* Is it left, at this placement? */
static bool is_left(const struct filling *filling, uint32_t at, uint32_t place) {
    return filling->decision->trace.stage[place] == STAGE_OFFERED &&
           filling_takes(filling, at, place) && !is_ranked_already(filling, place);
}

/* The verdict of the policies that count more than one treatment, for what is left of the run;
 * NULL in *contact: nothing is left. */
static enum status judge_run(struct filling *filling, uint32_t at, const struct live_run *run,
                             const struct contact_verdict **contact) {
    uint32_t end = filling_run_end(filling, run), i = run->first;
    *contact = NULL;
    while (i < end && !is_left(filling, at, i)) i++;
    if (i >= end) return STATUS_OK;
    return contact_shared(&filling->decider->history, treatment_at(filling->decision, i),
                          filling->decision->t_ms, contact);
}

/* Do these policies stop all that are left? */
static enum status are_all_blocked(struct filling *filling, uint32_t at, bool *blocked) {
    enum status status = STATUS_OK;
    *blocked = true;
    for (uint32_t r = 0; r < filling->runs.count && *blocked && status == STATUS_OK; r++) {
        const struct contact_verdict *contact;
        status = judge_run(filling, at, &filling->runs.runs[r], &contact);
        *blocked = status == STATUS_OK && (contact == NULL || contact->blocking != NULL);
    }
    return status;
}

/* contact_bit of all that went out to the customer, or is ranked. */
static void note_gone_out(const struct filling *filling, bool all,
                          uint64_t out[CONTACT_BITS / 64]) {
    const struct decision *decision = filling->decision;
    const size_t bytes = CONTACT_BITS / 8;
    memcpy(out, filling->decider->history.gone_out, bytes);
    if (all) memset(out, 0xff, bytes);
    for (uint32_t i = 0; i < decision->ranked_count; i++) {
        uint32_t bit = filling->bits[decision->ranked[i]];
        out[bit / 64] |= UINT64_C(1) << bit % 64;
    }
}

/* Stops what is left of a run, all of which the same policy stops, except that some may be stopped
 * by one of their own before. */
static enum status stop_run(struct filling *filling, const struct live_run *run,
                            const struct contact_verdict *contact) {
    struct decision *decision = filling->decision;
    uint8_t *stage = decision->trace.stage;
    const struct verdict **verdict = decision->trace.verdict;
    const struct verdict *kept = keep_contact(filling, contact);
    const uint16_t *bits = filling->bits;
    uint64_t gone_out[CONTACT_BITS / 64];
    enum status status = kept != NULL ? STATUS_OK : STATUS_NO_MEMORY;
    note_gone_out(filling, !contact_route_counts_none(&filling->decider->history, run->route),
                  gone_out);
    for (uint32_t i = run->first, end = filling_run_end(filling, run);
         i < end && status == STATUS_OK; i++) {
        uint32_t bit = bits[i];
        if (stage[i] != STAGE_OFFERED) continue;
        if ((gone_out[bit / 64] >> bit % 64 & 1) == 0) {
            stage[i] = (uint8_t)STAGE_CONTACT_POLICY;
            verdict[i] = kept;
        } else if (!is_ranked_already(filling, i)) {
            status = judge_contacts_again(filling, i);
        }
    }
    return status;
}

static void leave_none(struct unplaced *left) {
    left->count = 0;
    left->best_taken = left->best_count;
    left->others = false;
}

/* Once a limit is reached that holds for all that are left, none of them can be ranked: they are
 * stopped in one pass, in any order. */
static enum status stop_if_all_blocked(struct filling *filling, uint32_t at) {
    bool blocked;
    if (filling->has_bundles || filling->blocked_told == filling->told + 1) return STATUS_OK;
    filling->blocked_told = filling->told + 1;
    enum status status = are_all_blocked(filling, at, &blocked);
    for (uint32_t r = 0; blocked && r < filling->runs.count && status == STATUS_OK; r++) {
        const struct contact_verdict *contact;
        status = judge_run(filling, at, &filling->runs.runs[r], &contact);
        if (status == STATUS_OK && contact != NULL)
            status = stop_run(filling, &filling->runs.runs[r], contact);
    }
    if (blocked) leave_none(&filling->left);
    return status;
}

bool filling_takes_the_same(const struct filling *filling, uint32_t a, uint32_t b) {
    const struct asked *asked = &filling->decider->asked;
    if (a == UINT32_MAX || b == UINT32_MAX) return a == b;
    return memcmp(asked->takes + (size_t)a * asked->route_count,
                  asked->takes + (size_t)b * asked->route_count, asked->route_count) == 0;
}

enum status filling_may_join(struct filling *filling, uint32_t place, bool *joins) {
    const struct decision *decision = filling->decision;
    enum status status = STATUS_OK;
    *joins = decision->trace.stage[place] == STAGE_OFFERED && !is_ranked_already(filling, place);
    if (!*joins) return STATUS_OK;
    if (filling->has_bundles) {
        const struct bundle_rule *bundle = bundle_against(filling, place, BUNDLE_NEVER_WITH);
        *joins = bundle == NULL && bundle_against(filling, place, BUNDLE_ONLY_WITH) == NULL;
        if (bundle != NULL)
            return stop(filling, place, STAGE_PLACEMENT, &(struct verdict){.bundle = bundle});
    }
    if (*joins && decision->ranked_count > 0) status = judge_contacts_again(filling, place);
    *joins = *joins && decision->trace.stage[place] == STAGE_OFFERED;
    return status;
}

/* May it stand beside what is ranked, and after it? */
static inline enum status may_stand(struct filling *filling, uint32_t place, bool *stands) {
    const struct decision *decision = filling->decision;
    bool waits = false;
    enum status status = STATUS_OK;
    if (filling->has_bundles) {
        status = judge_bundles(filling, place, &waits);
        *stands = !waits && decision->trace.stage[place] == STAGE_OFFERED;
        if (status != STATUS_OK || !*stands) return status;
    }
    if (decision->ranked_count > 0) status = judge_contacts_again(filling, place);
    *stands = decision->trace.stage[place] == STAGE_OFFERED;
    return status;
}

static void rank(struct filling *filling, uint32_t place, uint32_t at, double probability) {
    struct decision *decision = filling->decision;
    decision->probability[decision->ranked_count] = probability;
    decision->ranked_at[decision->ranked_count] = (uint8_t)at;
    decision->ranked[decision->ranked_count++] = place;
    filling->ranked_bits |= UINT64_C(1) << filling->bits[place] % 64;
    if (filling->has_bundles) wake(filling);
}

/* Fills one slot whose best is known. */
static enum status fill_slot(struct filling *filling, uint32_t at, uint32_t best,
                             bool service_only) {
    uint32_t taken = best;
    double probability = 1;
    enum status status = STATUS_OK;
    if (filling->exploring.on && !service_only)
        status = explore_draw(filling, at, best, &taken, &probability);
    if (status != STATUS_OK) return status;
    if (taken != best) put_back(filling->decision, &filling->left, best);
    if (taken != CHOICE_NOTHING) rank(filling, taken, at, probability);
    return STATUS_OK;
}

/* Returns in *slots how many are left. */
static enum status fill_slots(struct filling *filling, uint32_t at, uint32_t *slots,
                              bool service_only) {
    const struct decision *decision = filling->decision;
    enum status status = STATUS_OK;
    while (*slots > 0 && status == STATUS_OK) {
        uint32_t best = take_best(filling, service_only);
        bool stands;
        if (best == UINT32_MAX) break;
        status = may_stand(filling, best, &stands);
        if (status == STATUS_OK && !stands && !service_only && decision->ranked_count > 0)
            status = stop_if_all_blocked(filling, decision->placement_count > 0 ? at : UINT32_MAX);
        if (status != STATUS_OK || !stands) continue;
        status = fill_slot(filling, at, best, service_only);
        --*slots;
    }
    return status;
}

/* What could have been offered, and is not ranked. */
static enum status leave_unplaced(struct filling *filling) {
    struct decision *decision = filling->decision;
    struct decision_trace *trace = &decision->trace;
    enum status status = STATUS_OK;
    uint8_t *stage = trace->stage;
    for (uint32_t i = 0, count = trace->count; i < count; i++)
        stage[i] = stage[i] == STAGE_OFFERED ? STAGE_PLACEMENT : stage[i];
    for (uint32_t rank = 0; rank < decision->ranked_count; rank++)
        trace->stage[decision->ranked[rank]] = STAGE_OFFERED;
    if (filling->left.waiting == NULL) return STATUS_OK;
    for (uint32_t i = 0; i < trace->count && status == STATUS_OK; i++) {
        if (trace->stage[i] != STAGE_PLACEMENT || trace->verdict[i] != NULL) continue;
        const struct bundle_rule *bundle = bundle_against(filling, i, BUNDLE_ONLY_WITH);
        if (bundle != NULL)
            status = stop(filling, i, STAGE_PLACEMENT, &(struct verdict){.bundle = bundle});
    }
    return status;
}

/* How many of the ranks at a placement are withheld. */
static uint32_t withheld_at(const struct decision *decision, uint32_t at) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < decision->ranked_count; i++)
        count += decision->ranked_at[i] == at && is_withheld(decision, decision->ranked[i]);
    return count;
}

static enum status fill_anywhere(struct filling *filling) {
    const struct playbook *playbook = filling->decider->data->playbook;
    uint32_t slots = asked_slots(filling->decider, playbook->slots_per_decision);
    gather(filling, UINT32_MAX, slots);
    enum status status = fill_slots(filling, 0, &slots, false);
    uint32_t withheld = withheld_at(filling->decision, 0);
    if (status == STATUS_OK && withheld > 0) status = fill_slots(filling, 0, &withheld, true);
    return status;
}

/* One placement after the other, in the order asked; then again where a slot is left for what
 * waited for a partner at a later one. */
static enum status fill_placements(struct filling *filling) {
    const struct playbook *playbook = filling->decider->data->playbook;
    struct decision *decision = filling->decision;
    uint32_t slots[DECISION_PLACEMENTS_MAX], before;
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < decision->placement_count; i++)
        slots[i] =
            asked_slots(filling->decider, playbook->placements[decision->placements[i]].slots);
    do {
        before = decision->ranked_count;
        for (uint32_t i = 0; i < decision->placement_count && status == STATUS_OK; i++) {
            if (slots[i] == 0) continue;
            gather(filling, i, slots[i]);
            status = fill_slots(filling, i, &slots[i], false);
        }
    } while (status == STATUS_OK && filling->left.waiting != NULL &&
             decision->ranked_count > before);
    for (uint32_t i = 0; i < decision->placement_count && status == STATUS_OK; i++) {
        uint32_t withheld = withheld_at(decision, i);
        if (withheld == 0) continue;
        gather(filling, i, withheld);
        status = fill_slots(filling, i, &withheld, true);
    }
    return status;
}

enum status placement_fill(struct decider *decider, struct decision *decision) {
    struct filling filling = {.decider = decider,
                              .decision = decision,
                              .routes = facts_routes(decider->facts),
                              .bits = facts_bits(decider->facts),
                              .runs = facts_runs(decider->facts),
                              .has_bundles = decider->data->playbook->bundle_count > 0};
    enum status status = make_heap(&filling);
    if (status == STATUS_OK) status = explore_begin(&filling);
    if (status == STATUS_OK)
        status =
            decision->placement_count == 0 ? fill_anywhere(&filling) : fill_placements(&filling);
    return status == STATUS_OK ? leave_unplaced(&filling) : status;
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

const struct choice_draw *decision_draw_of(const struct decision *decision, uint32_t rank) {
    for (uint32_t i = 0; i < decision->choice.draw_count; i++)
        if (decision->choice.draws[i].rank == rank) return &decision->choice.draws[i];
    return NULL;
}

struct text decision_placement(const struct decision *decision, uint32_t rank) {
    if (decision->placement_count == 0) return (struct text){0};
    const struct playbook *playbook = decision->decider->data->playbook;
    return playbook->placements[decision->placements[decision->ranked_at[rank]]].name;
}

bool decision_falls_back(const struct decision *decision, uint32_t i) {
    for (uint32_t rank = 0; rank < decision->ranked_count; rank++) {
        if (decision->ranked_at[rank] == i && !decision_withholds(decision, rank)) return false;
    }
    return true;
}
