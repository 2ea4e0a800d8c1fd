/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "decide/allocate_internal.h"

#define LIMITS   ALLOCATE_LIMITS_MAX
#define PASSES   4
#define ROUNDING 1e-12 /* of an amount: what sums of millions may be off */

/* A customer who could take something else. The least cost comes first. */
struct move {
    double cost;
    uint32_t customer, offer; /* ALLOCATE_NOTHING is an offer, too */
};

struct repair {
    const struct allocate_dual *dual;
    const struct allocate_problem *problem;
    uint32_t *choice;
    double *spent;
    struct move *moves;
    uint32_t count;
};

/* What a pass looks for. */
struct aim {
    uint32_t limit;    /* the one that is broken; UINT32_MAX: more value */
    bool only_nothing; /* customers may take nothing instead, and nothing else */
};

bool allocate_breaks(const struct allocate_dual *dual, uint32_t limit, double spent) {
    double amount = dual->amount[limit], rounding = ROUNDING * amount;
    return dual->problem->limits[limit].is_minimum ? spent < amount - rounding
                                                   : spent > amount + rounding;
}

static double use_of(const struct repair *repair, uint32_t offer, uint32_t limit) {
    return offer == ALLOCATE_NOTHING ? 0 : allocate_use(repair->problem, offer, limit);
}

static double value_of(const struct repair *repair, uint32_t offer) {
    return offer == ALLOCATE_NOTHING ? 0 : (double)repair->problem->value[offer];
}

static double worth_of(const struct repair *repair, uint32_t offer) {
    return offer == ALLOCATE_NOTHING
               ? 0
               : allocate_worth(repair->problem, &repair->dual->prices, offer);
}

/* Would the move break a limit, or make worse one that is broken? */
static bool fits(const struct repair *repair, uint32_t from, uint32_t to, bool minima_too) {
    for (uint32_t k = 0; k < repair->problem->limit_count; k++) {
        double more = use_of(repair, to, k) - use_of(repair, from, k);
        bool is_minimum = repair->problem->limits[k].is_minimum;
        bool worse = is_minimum ? more < 0 && minima_too : more > 0;
        if (worse && allocate_breaks(repair->dual, k, repair->spent[k] + more)) return false;
    }
    return true;
}

/* What the move costs by unit of what it is for; INFINITY where it does nothing for it. */
static double cost_of(const struct repair *repair, const struct aim *aim, uint32_t from,
                      uint32_t to) {
    double loss = worth_of(repair, from) - worth_of(repair, to), by;
    if (aim->limit == UINT32_MAX) {
        by = value_of(repair, to) - value_of(repair, from);
    } else {
        by = use_of(repair, from, aim->limit) - use_of(repair, to, aim->limit);
        if (repair->problem->limits[aim->limit].is_minimum) by = -by;
    }
    return by > 0 ? loss / by : INFINITY;
}

/* The cheapest move of one customer. */
static void look_at(struct repair *repair, const struct aim *aim, uint32_t customer) {
    const struct allocate_problem *problem = repair->problem;
    uint32_t from = repair->choice[customer];
    bool must_fit = aim->limit == UINT32_MAX;
    struct move best = {.cost = INFINITY, .customer = customer, .offer = from};
    if (from != ALLOCATE_NOTHING && aim->limit != UINT32_MAX) {
        best.offer = ALLOCATE_NOTHING;
        best.cost = cost_of(repair, aim, from, ALLOCATE_NOTHING);
    }
    for (uint64_t at = problem->first[customer];
         at < problem->first[customer + 1] && !aim->only_nothing; at++) {
        uint32_t to = (uint32_t)at;
        if (to == from) continue;
        double cost = cost_of(repair, aim, from, to);
        if (!(cost < best.cost) || (must_fit && !fits(repair, from, to, true))) continue;
        best.cost = cost;
        best.offer = to;
    }
    if (best.cost < INFINITY) repair->moves[repair->count++] = best;
}

static int compare_moves(const void *a, const void *b) {
    const struct move *x = a, *y = b;
    if (x->cost < y->cost || x->cost > y->cost) return x->cost < y->cost ? -1 : 1;
    uint64_t p = hash_u64(x->customer + UINT64_C(1)), q = hash_u64(y->customer + UINT64_C(1));
    return (p > q) - (p < q);
}

static void apply(struct repair *repair, const struct move *move) {
    uint32_t from = repair->choice[move->customer];
    for (uint32_t k = 0; k < repair->problem->limit_count; k++)
        repair->spent[k] += use_of(repair, move->offer, k) - use_of(repair, from, k);
    repair->choice[move->customer] = move->offer;
}

/* One pass: the moves that serve the aim, the cheapest first, as long as it is not reached. Returns
 * how many were made. */
static uint32_t pass(struct repair *repair, const struct aim *aim) {
    uint32_t made = 0;
    repair->count = 0;
    for (uint32_t i = 0; i < repair->problem->customer_count; i++) look_at(repair, aim, i);
    qsort(repair->moves, repair->count, sizeof *repair->moves, compare_moves);
    for (uint32_t i = 0; i < repair->count; i++) {
        const struct move *move = &repair->moves[i];
        if (aim->limit != UINT32_MAX &&
            !allocate_breaks(repair->dual, aim->limit, repair->spent[aim->limit]))
            break;
        if (!fits(repair, repair->choice[move->customer], move->offer, !aim->only_nothing))
            continue;
        apply(repair, move);
        made++;
    }
    (void)allocate_total(repair->problem, repair->choice, repair->spent);
    return made;
}

/* Passes for every limit of this kind that is broken; false where all of them hold. */
static bool mend(struct repair *repair, bool minima, bool only_nothing) {
    bool broken = false;
    for (uint32_t k = 0; k < repair->problem->limit_count; k++) {
        struct aim aim = {k, only_nothing};
        if (repair->problem->limits[k].is_minimum != minima ||
            !allocate_breaks(repair->dual, k, repair->spent[k]))
            continue;
        (void)pass(repair, &aim);
        broken |= allocate_breaks(repair->dual, k, repair->spent[k]);
    }
    return broken;
}

enum status allocate_repair(const struct allocate_dual *dual, uint32_t *choice,
                            double spent[LIMITS]) {
    struct repair repair = {
        .dual = dual, .problem = dual->problem, .choice = choice, .spent = spent};
    repair.moves = memory_alloc(((size_t)dual->problem->customer_count + 1) * sizeof *repair.moves);
    if (repair.moves == NULL) return STATUS_NO_MEMORY;
    bool broken = true;
    for (uint32_t i = 0; i < PASSES && broken; i++) broken = mend(&repair, false, false);
    for (uint32_t i = 0; i < LIMITS && broken; i++) broken = mend(&repair, false, true);
    broken = true;
    for (uint32_t i = 0; i < PASSES && broken; i++) broken = mend(&repair, true, false);
    struct aim value = {UINT32_MAX, false};
    for (uint32_t i = 0; i < PASSES && pass(&repair, &value) > 0; i++) continue;
    memory_free(repair.moves);
    return STATUS_OK;
}

double allocate_total(const struct allocate_problem *problem, const uint32_t *choice,
                      double spent[LIMITS]) {
    double value = 0, block = 0, part[LIMITS] = {0};
    memset(spent, 0, LIMITS * sizeof *spent);
    for (uint32_t i = 0; i < problem->customer_count; i++) {
        if (choice[i] != ALLOCATE_NOTHING) {
            block += (double)problem->value[choice[i]];
            for (uint32_t k = 0; k < problem->limit_count; k++)
                part[k] += allocate_use(problem, choice[i], k);
        }
        if ((i + 1) % ALLOCATE_BLOCK != 0 && i + 1 < problem->customer_count) continue;
        value += block;
        block = 0;
        for (uint32_t k = 0; k < problem->limit_count; k++) spent[k] += part[k];
        memset(part, 0, sizeof part);
    }
    return value;
}
