/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "decide/allocate_internal.h"

#define LIMITS    ALLOCATE_LIMITS_MAX
#define FAR       36.0 /* exp(-36) is below the rounding of 1 */
#define STEPS_MAX 40
#define TRIES_MAX 14
#define ENOUGH    1e-9 /* a step that lowers the dual by less of it is the last */
#define DIRE      100  /* a minimum may cost so many times what the dearest offer is worth */
#define PER_KIND  5    /* sums by kind */

/* The smoothed dual at one point. */
struct slope {
    double value, gradient[LIMITS], hessian[LIMITS][LIMITS];
};

/* ---- to begin with ---- */

/* What offers are worth and take, so that steps have a length in any unit. */
static void measure_scales(struct allocate_dual *dual) {
    const struct allocate_problem *problem = dual->problem;
    double squares[LIMITS] = {0}, counts[LIMITS] = {0}, worth = 0, most = 0, least = 0;
    uint32_t with = 0;
    for (uint32_t i = 0; i < problem->customer_count; i++) {
        double best = 0;
        for (uint64_t offer = problem->first[i]; offer < problem->first[i + 1]; offer++) {
            double value = (double)problem->value[offer];
            if (value > best) best = value;
            if (value < least) least = value;
            for (uint32_t k = 0; k < problem->limit_count; k++) {
                double use = allocate_use(problem, offer, k);
                squares[k] += use * use;
                counts[k] += use > 0;
            }
        }
        if (best > most) most = best;
        worth += best;
        with += best > 0;
    }
    dual->worth_scale = with > 0 ? worth / with : least < 0 ? -least : 1;
    for (uint32_t k = 0; k < problem->limit_count; k++) {
        dual->use_scale[k] = counts[k] > 0 ? sqrt(squares[k] / counts[k]) : 1;
        dual->y_max[k] = problem->limits[k].is_minimum
                             ? DIRE * (most - least + dual->worth_scale) / dual->use_scale[k]
                             : INFINITY;
    }
}

static uint64_t longest(const struct allocate_problem *problem) {
    uint64_t most = 0;
    for (uint32_t i = 0; i < problem->customer_count; i++) {
        uint64_t count = problem->first[i + 1] - problem->first[i];
        if (count > most) most = count;
    }
    return most;
}

enum status allocate_dual_init(struct allocate_dual *dual, const struct allocate_problem *problem,
                               struct work *work) {
    size_t kinds = (size_t)problem->kind_count + 1, offers = (size_t)longest(problem) + 1;
    *dual = (struct allocate_dual){.problem = problem, .work = work};
    for (uint32_t k = 0; k < problem->limit_count; k++) dual->amount[k] = problem->limits[k].amount;
    dual->prices.fixed = memory_calloc(kinds, sizeof(double));
    dual->prices.by_own = memory_calloc(kinds, sizeof(double));
    dual->sums = memory_calloc(kinds * PER_KIND, sizeof(double));
    dual->worth = memory_calloc(offers, sizeof(double));
    dual->chance = memory_calloc(offers, sizeof(double));
    if (dual->prices.fixed == NULL || dual->prices.by_own == NULL || dual->sums == NULL ||
        dual->worth == NULL || dual->chance == NULL)
        return STATUS_NO_MEMORY;
    measure_scales(dual);
    return STATUS_OK;
}

void allocate_dual_release(struct allocate_dual *dual) {
    memory_free(dual->prices.fixed);
    memory_free(dual->prices.by_own);
    memory_free(dual->sums);
    memory_free(dual->worth);
    memory_free(dual->chance);
}

static double sign_of(const struct allocate_dual *dual, uint32_t limit) {
    return dual->problem->limits[limit].is_minimum ? -1 : 1;
}

void allocate_dual_price(struct allocate_dual *dual) {
    const struct allocate_problem *problem = dual->problem;
    for (uint32_t kind = 0; kind < problem->kind_count; kind++) {
        double fixed = 0, by_own = 0;
        for (uint32_t k = 0; k < problem->limit_count; k++) {
            double price = sign_of(dual, k) * dual->prices.y[k];
            size_t at = (size_t)kind * problem->limit_count + k;
            fixed += price * problem->fixed[at];
            if (problem->own != NULL) by_own += price * problem->by_own[at];
        }
        dual->prices.fixed[kind] = fixed;
        dual->prices.by_own[kind] = by_own;
    }
}

/* ---- the smoothed dual ---- */

/* Sums over customers, by kind: chances; chances times the offer's own number; and, of customers
 * who waver, the same with its square. */
struct sums {
    double *taken, *taken_own, *waver, *waver_own, *waver_own2;
};

static struct sums sums_clear(struct allocate_dual *dual) {
    size_t kinds = dual->problem->kind_count;
    memset(dual->sums, 0, kinds * PER_KIND * sizeof(double));
    return (struct sums){dual->sums, dual->sums + kinds, dual->sums + 2 * kinds,
                         dual->sums + 3 * kinds, dual->sums + 4 * kinds};
}

/* Subtracts the outer product of what one customer takes on average. */
static void subtract_outer(const struct allocate_dual *dual, uint64_t first, uint32_t count,
                           struct slope *block) {
    const struct allocate_problem *problem = dual->problem;
    double mean[LIMITS] = {0};
    for (uint32_t a = 0; a < count; a++) {
        double chance = dual->chance[a];
        if (chance == 0) continue;
        for (uint32_t k = 0; k < problem->limit_count; k++)
            mean[k] += chance * allocate_use(problem, first + a, k);
    }
    for (uint32_t k = 0; k < problem->limit_count; k++) {
        for (uint32_t j = 0; j <= k; j++) block->hessian[k][j] -= mean[k] * mean[j];
    }
}

static void add_taken(const struct allocate_dual *dual, struct sums *sums, uint64_t offer,
                      double chance, bool wavers) {
    const struct allocate_problem *problem = dual->problem;
    uint32_t kind = problem->kind[offer];
    double own = problem->own != NULL ? (double)problem->own[offer] : 0;
    sums->taken[kind] += chance;
    sums->taken_own[kind] += chance * own;
    if (!wavers) return;
    sums->waver[kind] += chance;
    sums->waver_own[kind] += chance * own;
    sums->waver_own2[kind] += chance * own * own;
}

/* One customer: the smoothed maximum, and with which chances each offer is taken in it. */
static void add_customer(struct allocate_dual *dual, double tau, uint32_t customer,
                         struct sums *sums, struct slope *block) {
    const struct allocate_problem *problem = dual->problem;
    uint64_t first = problem->first[customer];
    uint32_t count = (uint32_t)(problem->first[customer + 1] - first), near = 0, one = 0;
    double best = 0;
    for (uint32_t a = 0; a < count; a++) {
        double worth = allocate_worth(problem, &dual->prices, first + a);
        dual->worth[a] = worth;
        best = worth > best ? worth : best;
    }
    double edge = best - FAR * tau;
    for (uint32_t a = 0; a < count; a++) {
        bool is_near = dual->worth[a] > edge;
        one = is_near ? a : one;
        near += is_near;
    }
    bool nothing = 0 > edge;
    if (near + nothing == 1) { /* no other comes near */
        block->value += best;
        if (!nothing) add_taken(dual, sums, first + one, 1, false);
        return;
    }
    double total = nothing ? exp(-best / tau) : 0;
    for (uint32_t a = 0; a < count; a++) {
        dual->chance[a] = dual->worth[a] > edge ? exp((dual->worth[a] - best) / tau) : 0;
        total += dual->chance[a];
    }
    block->value += best + tau * log(total);
    for (uint32_t a = 0; a < count; a++) {
        dual->chance[a] /= total;
        if (dual->chance[a] > 0) add_taken(dual, sums, first + a, dual->chance[a], true);
    }
    subtract_outer(dual, first, count, block);
}

/* What was summed by kind, as sums by limit. */
static void spread_kinds(const struct allocate_dual *dual, const struct sums *sums,
                         struct slope *block) {
    const struct allocate_problem *problem = dual->problem;
    uint32_t limits = problem->limit_count;
    for (uint32_t kind = 0; kind < problem->kind_count; kind++) {
        const double *fixed = problem->fixed + (size_t)kind * limits;
        const double *by_own =
            problem->own != NULL ? problem->by_own + (size_t)kind * limits : NULL;
        for (uint32_t k = 0; k < limits; k++) {
            double own = by_own != NULL ? by_own[k] : 0;
            block->gradient[k] += sums->taken[kind] * fixed[k] + sums->taken_own[kind] * own;
            if (sums->waver[kind] == 0) continue;
            for (uint32_t j = 0; j <= k; j++) {
                double other = by_own != NULL ? by_own[j] : 0;
                block->hessian[k][j] +=
                    sums->waver[kind] * fixed[k] * fixed[j] +
                    sums->waver_own[kind] * (fixed[k] * other + own * fixed[j]) +
                    sums->waver_own2[kind] * own * other;
            }
        }
    }
}

static void add_slope(uint32_t limits, const struct slope *block, struct slope *out) {
    out->value += block->value;
    for (uint32_t k = 0; k < limits; k++) {
        out->gradient[k] += block->gradient[k];
        for (uint32_t j = 0; j <= k; j++) out->hessian[k][j] += block->hessian[k][j];
    }
}

/* From what customers take to the derivatives by y, of the part of the customers that was looked
 * at. */
static void finish_slope(const struct allocate_dual *dual, double tau, double part,
                         struct slope *out) {
    uint32_t limits = dual->problem->limit_count;
    for (uint32_t k = 0; k < limits; k++) {
        double sign = sign_of(dual, k);
        out->value += sign * dual->prices.y[k] * dual->amount[k] * part;
        out->gradient[k] = sign * (dual->amount[k] * part - out->gradient[k]);
        for (uint32_t j = 0; j <= k; j++) {
            out->hessian[k][j] *= sign * sign_of(dual, j) / tau;
            out->hessian[j][k] = out->hessian[k][j];
        }
    }
}

static bool in_sample(uint32_t customer, uint32_t every) {
    return every == 1 || hash_u64(customer + UINT64_C(1)) % every == 0;
}

static enum status slope_at(struct allocate_dual *dual, double tau, uint32_t every,
                            struct slope *out, struct error *error) {
    const struct allocate_problem *problem = dual->problem;
    uint32_t seen = 0;
    memset(out, 0, sizeof *out);
    allocate_dual_price(dual);
    for (uint32_t from = 0; from < problem->customer_count; from += ALLOCATE_BLOCK) {
        uint32_t left = problem->customer_count - from;
        uint32_t to = from + (left < ALLOCATE_BLOCK ? left : ALLOCATE_BLOCK);
        struct slope block = {0};
        struct sums sums = sums_clear(dual);
        for (uint32_t i = from; i < to; i++) {
            if (!in_sample(i, every)) continue;
            add_customer(dual, tau, i, &sums, &block);
            seen++;
        }
        spread_kinds(dual, &sums, &block);
        add_slope(problem->limit_count, &block, out);
    }
    double part = problem->customer_count == 0 ? 1 : (double)seen / problem->customer_count;
    finish_slope(dual, tau, part, out);
    work_add(dual->work, 1);
    return work_check(dual->work, error);
}

/* ---- Newton steps ---- */

/* Cholesky, in place, over the limits that are free; false where it is not positive definite. */
static bool solve(uint32_t count, double a[LIMITS][LIMITS], double *x) {
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t j = 0; j <= i; j++) {
            double sum = a[i][j];
            for (uint32_t k = 0; k < j; k++) sum -= a[i][k] * a[j][k];
            if (i == j && !(sum > 0)) return false;
            a[i][j] = i == j ? sqrt(sum) : sum / a[j][j];
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t k = 0; k < i; k++) x[i] -= a[i][k] * x[k];
        x[i] /= a[i][i];
    }
    for (uint32_t i = count; i-- > 0;) {
        for (uint32_t k = i + 1; k < count; k++) x[i] -= a[k][i] * x[k];
        x[i] /= a[i][i];
    }
    return true;
}

/* A limit whose price stands at its bound and would leave it stays where it is. */
static uint32_t free_limits(const struct allocate_dual *dual, const struct slope *at,
                            uint32_t out[LIMITS]) {
    uint32_t count = 0;
    for (uint32_t k = 0; k < dual->problem->limit_count; k++) {
        double y = dual->prices.y[k];
        bool held =
            (y <= 0 && at->gradient[k] >= 0) || (y >= dual->y_max[k] && at->gradient[k] <= 0);
        if (!held) out[count++] = k;
    }
    return count;
}

/* The step with this damping, no longer than `reach` times the length of each limit. Returns what
 * it changes to the first order: below 0, 0 where there is no step, NAN where it needs more
 * damping. */
static double step(struct allocate_dual *dual, const struct slope *at, double damping, double reach,
                   const double from[LIMITS]) {
    double matrix[LIMITS][LIMITS], by[LIMITS], longest_part = 1, change = 0;
    uint32_t which[LIMITS], count = free_limits(dual, at, which);
    double customers = (double)dual->problem->customer_count;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t k = which[i];
        double unit = dual->use_scale[k] * dual->use_scale[k] / dual->worth_scale;
        for (uint32_t j = 0; j <= i; j++) matrix[i][j] = at->hessian[k][which[j]];
        matrix[i][i] += damping * matrix[i][i] + (damping + 1e-13) * customers * unit;
        by[i] = -at->gradient[k];
    }
    if (!solve(count, matrix, by)) return NAN;
    for (uint32_t i = 0; i < count; i++) {
        double length = reach * dual->worth_scale / dual->use_scale[which[i]];
        if (fabs(by[i]) / length > longest_part) longest_part = fabs(by[i]) / length;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t k = which[i];
        double to = from[k] + by[i] / longest_part;
        to = to < 0 ? 0 : to > dual->y_max[k] ? dual->y_max[k] : to;
        dual->prices.y[k] = to;
        change += at->gradient[k] * (to - from[k]);
    }
    return change;
}

/* Tries steps that are more and more careful until one gets lower. *lower tells by how much; 0:
 * none did. */
static enum status try_steps(struct allocate_dual *dual, double tau, uint32_t every,
                             struct slope *at, double *damping, double *reach, double *lower,
                             struct error *error) {
    double from[LIMITS];
    struct slope next;
    memcpy(from, dual->prices.y, sizeof from);
    *lower = 0;
    for (uint32_t i = 0; i < TRIES_MAX; i++) {
        double change = step(dual, at, *damping, *reach, from);
        if (change < 0 && -change > ENOUGH / 10 * fabs(at->value)) {
            enum status status = slope_at(dual, tau, every, &next, error);
            if (status != STATUS_OK) return status;
            if (next.value <= at->value + 1e-4 * change) {
                *lower = at->value - next.value;
                *damping = *damping > 1e-8 ? *damping / 10 : *damping;
                *reach *= 2;
                *at = next;
                return STATUS_OK;
            }
        } else if (change <= 0) {
            break;
        }
        memcpy(dual->prices.y, from, sizeof from);
        *damping = *damping < 1e-3 ? 1e-3 : *damping * 10;
        *reach /= 4;
    }
    memcpy(dual->prices.y, from, sizeof from);
    return STATUS_OK;
}

enum status allocate_dual_descend(struct allocate_dual *dual, double tau, uint32_t every,
                                  struct error *error) {
    struct slope at;
    double damping = 1e-8, reach = 1, lower;
    enum status status = slope_at(dual, tau, every, &at, error);
    for (uint32_t i = 0; i < STEPS_MAX && status == STATUS_OK; i++) {
        status = try_steps(dual, tau, every, &at, &damping, &reach, &lower, error);
        if (lower <= ENOUGH * fabs(at.value)) break;
    }
    return status;
}

/* ---- the dual itself ---- */

double allocate_dual_choose(const struct allocate_dual *dual, uint32_t *choice,
                            double spent[LIMITS]) {
    const struct allocate_problem *problem = dual->problem;
    double total = 0, block = 0;
    for (uint32_t i = 0; i < problem->customer_count; i++) {
        double best = 0;
        choice[i] = ALLOCATE_NOTHING;
        for (uint64_t offer = problem->first[i]; offer < problem->first[i + 1]; offer++) {
            double worth = allocate_worth(problem, &dual->prices, offer);
            if (worth <= best) continue;
            best = worth;
            choice[i] = (uint32_t)offer;
        }
        block += best;
        if ((i + 1) % ALLOCATE_BLOCK != 0) continue;
        total += block;
        block = 0;
    }
    total += block;
    for (uint32_t k = 0; k < problem->limit_count; k++)
        total += sign_of(dual, k) * dual->prices.y[k] * dual->amount[k];
    (void)allocate_total(problem, choice, spent);
    return total;
}
