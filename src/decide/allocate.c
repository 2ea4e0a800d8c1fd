/* SPDX-License-Identifier: Apache-2.0 */
#include "decide/allocate.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "decide/allocate_internal.h"

#define LIMITS      ALLOCATE_LIMITS_MAX
#define GAP_DEFAULT 5e-4
#define ROUNDS_MAX  12
#define SHRINK      .25  /* tau, from one round to the next */
#define DEMAND_OFF  .01  /* of a limit, by the prices alone */
#define STANDS      1e-6 /* of the bound: a round that lowers it by less will not help */
#define SMALL       4096u
#define MIDDLE      65536u

/* ---- the problem ---- */

/* 0, or a number with which sums, squares and quotients are numbers, too. */
static bool is_good(double number) {
    return number == 0 || (number >= ALLOCATE_SMALLEST && number <= ALLOCATE_LARGEST);
}

static bool uses_are_good(const struct allocate_problem *problem) {
    size_t count = (size_t)problem->kind_count * problem->limit_count;
    for (size_t i = 0; i < count; i++) {
        if (!is_good(problem->fixed[i])) return false;
        if (problem->own != NULL && !is_good(problem->by_own[i])) return false;
    }
    for (uint32_t k = 0; k < problem->limit_count; k++) {
        if (!is_good(problem->limits[k].amount)) return false;
    }
    return true;
}

static bool offers_are_good(const struct allocate_problem *problem) {
    for (uint32_t i = 0; i < problem->customer_count; i++) {
        if (problem->first[i] > problem->first[i + 1]) return false;
    }
    for (uint64_t offer = 0; offer < problem->first[problem->customer_count]; offer++) {
        bool own =
            problem->own == NULL || (problem->own[offer] >= 0 && !isinf(problem->own[offer]));
        if (!isfinite(problem->value[offer]) || !own || problem->kind[offer] >= problem->kind_count)
            return false;
    }
    return true;
}

static enum status check(const struct allocate_problem *problem, struct error *error) {
    if (problem->limit_count > LIMITS || problem->kind_count > ALLOCATE_KINDS_MAX)
        return error_set(error, STATUS_LIMIT,
                         "%u limits and %u kinds of offers: at most %u and %u are allocated",
                         problem->limit_count, problem->kind_count, LIMITS, ALLOCATE_KINDS_MAX);
    if (problem->first[problem->customer_count] >= UINT32_MAX)
        return error_set(error, STATUS_LIMIT, "at most %u offers are allocated at a time",
                         UINT32_MAX - 1);
    if (!uses_are_good(problem) || !offers_are_good(problem))
        return error_set(error, STATUS_INVALID,
                         "what is to be allocated has an amount, a value or a use that is below 0, "
                         "infinite or unknown, or an amount or a use that is neither 0 nor from "
                         "1e-30 to 1e30");
    return STATUS_OK;
}

/* ---- solving ---- */

static double gap_of(double bound, double value) {
    double gap = bound - value;
    return bound == 0 ? (gap == 0 ? 0 : INFINITY) : gap / fabs(bound);
}

/* Lowers a minimum that is more than everybody together could take. */
static void lower_to_reach(struct allocate_dual *dual) {
    const struct allocate_problem *problem = dual->problem;
    for (uint32_t k = 0; k < problem->limit_count; k++) {
        double reach = 0;
        if (!problem->limits[k].is_minimum) continue;
        for (uint32_t i = 0; i < problem->customer_count; i++) {
            double most = 0;
            for (uint64_t offer = problem->first[i]; offer < problem->first[i + 1]; offer++) {
                double use = allocate_use(problem, offer, k);
                most = use > most ? use : most;
            }
            reach += most;
        }
        if (dual->amount[k] > reach) dual->amount[k] = reach;
    }
}

/* The first steps look at few customers, with a large tau. */
static enum status warm_up(struct allocate_dual *dual, double *tau, struct error *error) {
    const uint32_t sizes[] = {SMALL, MIDDLE};
    const double ends[] = {.02, .005};
    enum status status = STATUS_OK;
    *tau = .3 * dual->worth_scale;
    for (size_t i = 0; i < 2 && status == STATUS_OK; i++) {
        uint32_t every = dual->problem->customer_count / sizes[i];
        if (every < 2) continue;
        for (; *tau > ends[i] * dual->worth_scale && status == STATUS_OK; *tau *= SHRINK)
            status = allocate_dual_descend(dual, *tau, every, error);
    }
    return status;
}

/* Is this choice better than the one that is kept? One that meets more of the minima is. */
static bool is_better(const struct allocate_dual *dual, const double *spent, double value,
                      const struct allocation *kept) {
    if (kept->rounds == 0) return true;
    double missing = 0, missing_kept = 0;
    for (uint32_t k = 0; k < dual->problem->limit_count; k++) {
        if (!dual->problem->limits[k].is_minimum) continue;
        missing += fmax(0, dual->amount[k] - spent[k]) / dual->use_scale[k];
        missing_kept += fmax(0, dual->amount[k] - kept->spent[k]) / dual->use_scale[k];
    }
    if (missing < missing_kept || missing > missing_kept) return missing < missing_kept;
    return value > kept->value;
}

/* The prices of this round give the bound; its choice, once repaired, may be better than that of
 * the rounds before. */
static enum status look(struct allocate_dual *dual, uint32_t *choice, struct allocation *out) {
    const struct allocate_problem *problem = dual->problem;
    double spent[LIMITS], demand[LIMITS];
    allocate_dual_price(dual);
    double bound = allocate_dual_choose(dual, choice, spent);
    memcpy(demand, spent, sizeof demand);
    enum status status = allocate_repair(dual, choice, spent);
    if (status != STATUS_OK) return status;
    double value = allocate_total(problem, choice, spent);
    if (is_better(dual, spent, value, out)) {
        out->value = value;
        memcpy(out->choice, choice, problem->customer_count * sizeof *choice);
        memcpy(out->spent, spent, sizeof spent);
    }
    if (out->rounds == 0 || bound < out->bound) {
        out->bound = bound;
        memcpy(out->demand, demand, sizeof demand);
        for (uint32_t k = 0; k < problem->limit_count; k++)
            out->price[k] = (problem->limits[k].is_minimum ? -1 : 1) * dual->prices.y[k];
    }
    out->rounds++;
    out->gap = gap_of(out->bound, out->value);
    return STATUS_OK;
}

/* Do customers want about what there is, under the prices alone? Where prices decide, and no
 * choice is handed out, that matters more than the gap, which the repair makes small. */
static bool demand_is_met(const struct allocate_dual *dual, const struct allocation *out) {
    for (uint32_t k = 0; k < dual->problem->limit_count; k++) {
        bool is_minimum = dual->problem->limits[k].is_minimum;
        double amount = dual->amount[k], off = out->demand[k] - amount;
        double allowed = DEMAND_OFF * amount + dual->use_scale[k];
        bool too_much = off > allowed && !(is_minimum && dual->prices.y[k] <= 0);
        bool too_little = off < -allowed && (is_minimum || dual->prices.y[k] > 0);
        if (too_much || too_little) return false;
    }
    return true;
}

static enum status solve(struct allocate_dual *dual, double gap, uint32_t *choice,
                         struct allocation *out, struct error *error) {
    double tau, before = INFINITY;
    out->rounds = 0;
    memset(dual->prices.y, 0, sizeof dual->prices.y);
    enum status status = warm_up(dual, &tau, error);
    for (uint32_t i = 0; i < ROUNDS_MAX && status == STATUS_OK; i++, tau *= SHRINK) {
        status = allocate_dual_descend(dual, tau, 1, error);
        if (tau > .02 * dual->worth_scale) continue;
        if (status == STATUS_OK) status = look(dual, choice, out);
        if (status != STATUS_OK || out->gap > gap) continue;
        bool stands = before - out->bound <= STANDS * fabs(out->bound);
        if (!dual->problem->for_prices || stands || demand_is_met(dual, out)) break;
        before = out->bound;
    }
    return status;
}

/* A minimum that the others do not leave room for is asked for as far as it was met. */
static bool lower_to_met(struct allocate_dual *dual, const struct allocation *out) {
    bool lowered = false;
    for (uint32_t k = 0; k < dual->problem->limit_count; k++) {
        if (!dual->problem->limits[k].is_minimum || !allocate_breaks(dual, k, out->spent[k]))
            continue;
        dual->amount[k] = out->spent[k];
        lowered = true;
    }
    return lowered;
}

static void finish(const struct allocate_dual *dual, struct allocation *out) {
    const struct allocate_problem *problem = dual->problem;
    bool met = true;
    for (uint32_t k = 0; k < problem->limit_count; k++)
        met = met && !allocate_breaks(dual, k, out->spent[k]);
    if (met && out->bound < out->value) { /* by rounding alone: D is a bound of this choice */
        out->bound = out->value;
        out->gap = 0;
    }
    for (uint32_t k = 0; k < problem->limit_count; k++) {
        double missing = problem->limits[k].amount - out->spent[k];
        bool is_short =
            problem->limits[k].is_minimum && missing > 1e-12 * problem->limits[k].amount;
        out->short_by[k] = is_short ? missing : 0;
    }
    for (uint32_t i = 0; i < problem->customer_count; i++)
        out->served += out->choice[i] != ALLOCATE_NOTHING;
}

enum status allocate(const struct allocate_problem *problem, double gap, struct work *work,
                     struct allocation *out, struct error *error) {
    struct allocate_dual dual = {0};
    *out = (struct allocation){0};
    enum status status = check(problem, error);
    if (status != STATUS_OK) return status;
    size_t bytes = ((size_t)problem->customer_count + 1) * sizeof *out->choice;
    uint32_t *choice = memory_alloc(bytes);
    out->choice = memory_alloc(bytes);
    status = choice != NULL && out->choice != NULL ? allocate_dual_init(&dual, problem, work)
                                                   : STATUS_NO_MEMORY;
    if (status == STATUS_OK) lower_to_reach(&dual);
    work_step(work, "passes over all offers", 0);
    for (uint32_t i = 0; i < 3 && status == STATUS_OK; i++) {
        status = solve(&dual, gap > 0 ? gap : GAP_DEFAULT, choice, out, error);
        if (status != STATUS_OK || !lower_to_met(&dual, out)) break;
    }
    if (status == STATUS_OK) finish(&dual, out);
    memory_free(choice);
    allocate_dual_release(&dual);
    if (status == STATUS_OK) return STATUS_OK;
    allocation_release(out);
    return status == STATUS_NO_MEMORY ? error_set(error, status, "no memory to allocate budgets")
                                      : status;
}

void allocation_release(struct allocation *allocation) {
    memory_free(allocation->choice);
    allocation->choice = NULL;
}
