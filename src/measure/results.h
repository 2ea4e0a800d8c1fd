/* SPDX-License-Identifier: Apache-2.0 */
/* measure/results.h -- what being treated changed, as the holdout tells it.
 *
 *   Decision Made {holdout: out, messages: [letter by mail]}  ──►  the goal followed, or it did not
 *   Decision Made {holdout: in,  messages: [letter by mail, withheld]}  ──►  the same question
 *
 * Both arms go through one funnel, and the holdout's decisions are withheld at its end. So the
 * withheld decisions tell who would have been treated, and when. The comparison is by intention to
 * treat, from the decision on: it counts everybody for whom something was decided, whether or not
 * it was sent, delivered or seen. Attribution has no part in it.
 *
 * A *row* is a customer in a series and a month: their first decision of the month in which the
 * series was offered, and whether the goal followed it within its horizon (profile/outcome.h). The
 * line of the whole time has one row a customer: their first such decision of all. A row counts
 * once horizon and delay have passed: a yes is known sooner than a no, so until then neither
 * counts.
 *
 * A customer's arm is that of their first record under the salt that is in force, whatever happened
 * later; the share that was declared then is that of the playbook that made the decision, and rows
 * are compared within one share (measure/lift.h). Of customers who were merged, the first record
 * counts; where records of both arms came together they have *crossed*, and the same figure without
 * them stands beside.
 *
 * A *series* is everything together, a channel, a scenario (customers who were in it when they were
 * decided for), an action, or an action in a channel; each with one goal. Service messages go to
 * everybody and are in no series.
 *
 * The arms of an experiment (decide/experiment.h) are compared in the same way.
 *
 * The first decision for a customer is the same in both arms but for chance. Later ones are not
 * quite: what somebody was sent may change what is decided for them next. So the sample ratio is
 * told with every series and month, and where it is off, its figures are not to be believed.
 *
 * Whole numbers are added up, and amounts in the order of customers: the same data give the same
 * results to the bit, whatever the number of threads. */
#ifndef MEASURE_RESULTS_H
#define MEASURE_RESULTS_H

#include "base/work.h"
#include "measure/figure.h"
#include "measure/lift.h"
#include "measure/months.h"
#include "measure/sequence.h"
#include "profile/profile.h"

#define RESULT_SERIES_MAX 4096
/* Shares of the holdout under one salt, one after the other; decisions of a further one are left
 * out and counted. */
#define RESULT_SHARES_MAX 4
/* Customers with a history and newcomers are strata of their own where each arm has so many of
 * each; else they are one. */
#define RESULT_STRATUM_MIN 25
/* The largest values, of both arms together, count as the value at this quantile of those that are
 * not 0: one order of a reseller must not decide. So nothing is cut where fewer than a hundred are.
 */
#define RESULT_VALUE_QUANTILE .99
/* "Can be told" means: the interval that is safe to look at any time reaches no farther than this
 * part of the holdout's rate to each side. */
#define RESULT_EFFECT_WANTED .2

#define RESULT_SALT_BYTES 128

enum result_kind {
    RESULT_OVERALL,
    RESULT_CHANNEL,
    RESULT_SCENARIO,
    RESULT_ACTION,
    RESULT_ACTION_CHANNEL, /* of an action with several channels */
    RESULT_EXPERIMENT,     /* an arm of an experiment beside the first one */
    RESULT_KIND_COUNT
};
const char *result_kind_name(enum result_kind kind); /* "overall", … "action in channel" */

struct result_series {
    enum result_kind kind;
    uint32_t goal;
    uint32_t action, scenario; /* indexes in the playbook, or UINT32_MAX */
    uint32_t channel;          /* SYMBOL_CHANNEL, or SYMBOL_NONE */
};

enum result_verdict {
    RESULT_TOO_EARLY, /* an arm has too few goals, or too few that are none */
    RESULT_OPEN,      /* no difference can be told yet */
    RESULT_MORE,      /* treated customers reach the goal more often, at any look */
    RESULT_LESS,
    RESULT_BAD_RATIO, /* the sample ratio is off: not to be compared */
};
const char *result_verdict_name(enum result_verdict verdict);

/* A series in one month, or in the whole time. */
struct result_cell {
    int64_t from_ms, until_ms;                       /* of the decisions: [from, until) */
    uint64_t customers[LIFT_ARMS], goals[LIFT_ARMS]; /* of rows that count */
    uint64_t open[LIFT_ARMS];                        /* rows that are too young */
    uint64_t crossed;                                /* customers among them */
    struct sample_ratio ratio; /* of all rows, young ones too; the arm is the holdout */
    struct lift rate, value;   /* value: of a customer, in the playbook's currency */
    struct lift rate_kept;     /* without those who crossed */
    double value_cut;          /* the quantile; HUGE_VAL where nothing was cut */
    uint64_t values_cut;       /* how many were */
    uint64_t values_left_out;  /* goal events in another currency: goals, and worth nothing here */
    /* Half the width of the interval that is safe to look at any time; NAN in the burn-in. */
    double always_rate, always_value;
    double evidence; /* log; of a difference in rate; 0 in the burn-in */
    bool joint;      /* found among all series of its family at once */
    enum result_verdict verdict;
    /* How many customers of the holdout there are and about how many it takes; `needed` is unknown
     * (NAN) where the holdout has no goal yet. */
    double needed;
};
struct result_line {
    struct result_series series;
    struct result_cell all;
    struct result_cell *months; /* month_count of them, oldest first; those without rows too */
};

struct results {
    int64_t at_ms, since_ms;      /* as known at; decisions from since on */
    char salt[RESULT_SALT_BYTES]; /* what is longer is cut */
    uint32_t month_count;
    int64_t months_from_ms[MONTHS_MAX + 1]; /* the last one is where the last month ends */
    struct result_line
        *lines; /* those with rows, in the order of the kinds; of an experiment one */
    uint32_t line_count, line_room;
    struct sample_ratio ratio; /* of all customers who were decided for */
    uint64_t customers[LIFT_ARMS];
    uint64_t crossed;
    double shares[RESULT_SHARES_MAX]; /* that were declared, ascending */
    uint32_t share_count;
    /* Decisions that are in no series, and why. */
    uint64_t decisions, under_other_salt, without_arm, share_unknown, earlier;
    uint64_t of_holdout, of_other_arms; /* of an experiment: decisions for customers of these */
    uint64_t unknown_actions;           /* messages of actions that the playbook no longer has */
    uint64_t cut_timelines;             /* customers whose oldest events are missing */
    uint64_t found_joint;               /* series and months that are found at once, beside … */
    uint64_t joint_count;               /* … how many were looked at */
    double alpha;
};

/* An arm of an experiment, beside its first one, which then stands where the holdout does. All that
 * was decided counts, also where nothing was offered, since what is offered differs between arms.
 * Customers in the holdout, who are sent nothing, and those of other arms are left out. */
struct result_experiment {
    uint32_t experiment, arm; /* indexes in the playbook, and in its arms: 1 or more */
};

struct results_options {
    int64_t at_ms, since_ms; /* since: TIME_ALWAYS: from the first decision on */
    uint32_t threads;
    struct work *work;                          /* may be NULL; counts customers */
    const struct result_experiment *experiment; /* NULL: the holdout */
    /* The share of the holdout in the playbook of this hash (16 digits), as the decision has it; of
     * an experiment that of its first arm, of the customers in the two that are compared. NAN where
     * that playbook is no longer there. From any thread. */
    double (*share_of)(void *context, const struct result_experiment *experiment,
                       struct text playbook_hash);
    void *context;
};

/* STATUS_LIMIT where the playbook has more series than RESULT_SERIES_MAX. Release `out` also after
 * a failure. */
enum status results_measure(const struct customer_data *data, const struct results_options *options,
                            struct results *out, struct error *error) MUST_USE;
void results_release(struct results *results);

/* ---- figures of a cell ---- */

enum result_figure {
    RESULT_RATE_TREATED,
    RESULT_RATE_HOLDOUT,
    RESULT_LIFT,       /* in rate: treated - holdout */
    RESULT_LIFT_RATIO, /* treated ÷ holdout */
    RESULT_GOALS,      /* additional goals of all treated customers */
    RESULT_VALUE_LIFT, /* of a customer */
    RESULT_VALUE,      /* additional value of all treated customers */
    RESULT_COST,       /* of a treated customer */
    RESULT_COST_PER_GOAL,
    RESULT_LIFT_KEPT, /* the lift without those who crossed */
    RESULT_FIGURES
};
void result_figures(const struct results *results, const struct playbook *playbook,
                    const struct result_cell *cell, struct figure out[RESULT_FIGURES]);

#endif
