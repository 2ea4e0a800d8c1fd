/* SPDX-License-Identifier: Apache-2.0 */
/* engine/budgets.h -- budgets over all customers: prices as dated versions, and what is used.
 *
 *   allocation (`decide --all`, `attune budgets allocate`)
 *     everybody's offers ─► allocate() ─► prices, value, bound, gap ─► a control record of the log
 *   a decision at t
 *     prices of the newest version that is not of after t
 *     left = amount − what timelines had used by t − what was decided since they were counted
 *
 * Prices. An allocation decides for everybody without prices, gathers what each could be offered,
 * and solves for the prices under which what is left of the budgets is used best
 * (decide/allocate.h). They are found by the names of the budgets, so they outlive a playbook that
 * is edited. A restart finds them in the log.
 *
 * In a process that stays, where customers come one by one, the price of a budget with a period is
 * kept online: it rises where more is used than an even use would have used by now, and falls where
 * less is (budget_paced_price).
 *
 * What is used is counted from the timelines (decide/budgets.h), which takes a walk over everybody.
 * A command counts once, as of its t, and adds what it decides itself. A process that stays counts
 * at its first decision and each time that base rates are measured anew; between, the applier adds
 * what each recorded decision takes. The applier settles one decision after the other, so two
 * threads can't both spend the last of a budget: the second one decides again. A correction, an
 * erasure or a message that failed is seen by the next count. A decision takes no more than is left
 * by its first rank; those below it may together take up to what one decision's other slots take.
 * A decision that is asked for another time than now, in a process that stays, spends what is left
 * now.
 *
 * Threads: any; the lock is held for a moment alone. budgets_take is the applier's. */
#ifndef ENGINE_BUDGETS_H
#define ENGINE_BUDGETS_H

#include "decide/budgets.h"

struct engine;
struct engine_view;

struct budget_line {
    char name[65];
    double price;    /* as allocation.price */
    double amount;   /* by the playbook then */
    double used;     /* counted, in the period of at_ms, by then */
    double spent;    /* by the best use of the rest that was found */
    double short_by; /* of a minimum: what can't be met */
};
struct budget_version {
    int64_t at_ms;
    double value, bound, gap; /* of the best use found; allocate.h */
    uint64_t customers, served;
    uint32_t count;
    struct budget_line lines[BUDGETS_MAX];
};

/* What a view knows of budgets; zeroed to begin with. */
struct view_budgets {
    bool ready;    /* counted, as of the view's t */
    bool is_apart; /* this view only counts or gathers: its decisions have no prices */
    double used[BUDGETS_MAX];
    struct budget_prices prices; /* price alone; what is left goes with `used` */
};

/* The engine's. */
struct budgets;
enum status budgets_create(struct budgets **out, struct engine *engine) MUST_USE;
void budgets_destroy(struct budgets *budgets); /* NULL is allowed */
/* A version as the log tells it. Applier, or while the directory is opened. */
enum status budgets_note_version(struct budgets *budgets,
                                 const struct budget_version *version) MUST_USE;
/* The newest that is not of after t; false: there is none. */
bool budgets_version_at(struct engine *engine, int64_t t_ms, struct budget_version *out);

/* Counts what is used as of the view's t, where it is not yet counted. It takes a walk over
 * everybody, which `view->work` counts and ends. */
enum status budgets_count(struct engine_view *view, struct error *error) MUST_USE;
/* Allocates as of the view's t: *out is what is found, and the view decides by its prices from now
 * on. Nothing is written. */
enum status budgets_allocate(struct engine_view *view, struct work *work,
                             struct budget_version *out, struct error *error) MUST_USE;
/* It becomes a version: durable on return, and later decisions go by it. */
enum status budgets_keep(struct engine *engine, struct budget_version *version,
                         struct error *error) MUST_USE;
/* decide_customer of a view, by the prices and what is left; adds what the decision took, where the
 * view is a command's.
 *
 * The same command again makes the same decisions, and spends nothing twice: what the customer was
 * given at this very t counts as left for that customer. Where something else is decided by now,
 * that is another message, and what was given is spent. */
enum status budgets_decide(struct engine_view *view, struct error *error) MUST_USE;

/* ---- a process that stays ---- */

/* Is all counted that a decision by the playbook needs, so that it waits for no walk? */
bool budgets_are_counted(const struct engine_view *view);
/* What the latest decision of the view takes. */
struct budget_takes {
    uint64_t playbook; /* hash; 0: it takes nothing */
    double use[BUDGETS_MAX];
};
void budgets_takes_of(const struct engine_view *view, struct budget_takes *out);
/* Takes it; false, and nothing is taken, where less is left and `forces` is not set. */
bool budgets_take(struct engine *engine, const struct budget_takes *takes, bool forces);
/* Counts again, where anything was counted before. Never the applier: it is a walk over everybody.
 */
void budgets_recount(struct engine *engine, int64_t t_ms, struct work *work);

#endif
