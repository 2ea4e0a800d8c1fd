/* SPDX-License-Identifier: Apache-2.0 */
/* measure/results_internal.h -- what the sources of results share: the plan of series, and what the
 * threads of the walk add up.
 *
 *   results_series.c   the series of a playbook, and which of them a decision was offered in
 *   results_decided.c  the decisions of a customer: arm, share and messages
 *   results_gather.c   the walk: rows of one customer after the other, added up by cell
 *   results.c          what the sums of a cell say
 *
 * A cell is a series in a month, or in the whole time: series * (MONTHS_MAX + 1) + month, where
 * month MONTHS_MAX is the whole time. */
#ifndef MEASURE_RESULTS_INTERNAL_H
#define MEASURE_RESULTS_INTERNAL_H

#include <pthread.h>

#include "decide/decide.h"
#include "measure/results.h"

__extension__ typedef __int128 result_sum;

/* Costs are added up as whole numbers of this part of a unit. */
#define RESULT_COST_PARTS 1048576.0
#define RESULT_COST_MAX   1e9 /* a larger one counts as so much */

#define RESULT_CELLS (MONTHS_MAX + 1) /* of a series */
#define RESULT_WHOLE MONTHS_MAX

/* ---- the plan ---- */

struct result_plan {
    const struct playbook *playbook;
    struct result_series *series;
    size_t capacity;
    uint32_t count;
    uint32_t general_count;    /* the first ones: overall, channels, scenarios */
    uint32_t *first_of_action; /* by action: its series, channels behind it; UINT32_MAX: none */
    bool *of_treatment;        /* by goal */
};
/* Release also after a failure. */
enum status result_plan_make(struct result_plan *plan, const struct playbook *playbook,
                             const struct result_experiment *experiment,
                             struct error *error) MUST_USE;
void result_plan_release(struct result_plan *plan);

/* A message of a decision. */
struct result_message {
    uint32_t action, channel;
    int64_t cost;                      /* in parts; 0 for the holdout */
    const struct treatment *treatment; /* where the action's goal is of a treatment; else NULL */
};
/* Is the message one of the series? A goal that depends on a treatment asks for one of its own
 * actions. Scenarios: whether the customer is in it is asked elsewhere. */
bool result_series_has(const struct result_plan *plan, const struct result_series *series,
                       const struct result_message *message);

/* ---- sums ---- */

/* Whole numbers, so that their order does not matter. x: goals before, y: the goal, c: cost. */
struct result_sums {
    uint64_t n, yes, x, xx, xy;
    result_sum c, cc, cy, cx;
};
/* Where the sums of a row are: ((share * 2 + has history) * 2 + crossed) * 2 + arm. */
#define RESULT_SLOTS (RESULT_SHARES_MAX * 2 * 2 * LIFT_ARMS)
static inline uint32_t result_slot(uint32_t share, bool history, bool crossed, uint32_t arm) {
    return ((share * 2 + history) * 2 + crossed) * LIFT_ARMS + arm;
}
struct result_counts {
    struct result_sums slots[RESULT_SLOTS];
    uint64_t drawn[RESULT_SHARES_MAX][LIFT_ARMS]; /* rows, young ones too */
    uint64_t open[LIFT_ARMS], crossed, values_left_out;
};
/* Values of a row that has any: what followed, and what was before. */
struct result_value {
    uint32_t cell, slot, customer;
    double after, before;
};

struct decided {
    int64_t t_ms;
    uint32_t row, month; /* month UINT32_MAX: before the first one */
    uint32_t message, message_count;
};
/* How a goal came out for one decision. */
struct result_outcome {
    uint32_t goal;
    const struct treatment *treatment;
    bool matured, yes, history;
    int64_t horizon_ms;
    uint32_t before; /* goals in as long a time before */
    double value, value_before;
    uint32_t values_left_out;
};

/* What all threads share. */
struct result_gathering {
    const struct customer_data *data;
    const struct result_plan *plan;
    const struct results_options *options;
    const int64_t *months_from_ms;
    struct holdout_symbols arm_symbols;
    struct experiment_symbols experiment_symbols;
    struct message_symbols symbols;
    bool *wanted; /* traits that goals and scenarios read */
    bool reads_traits;
    pthread_mutex_t lock; /* of the two below */
    double shares[RESULT_SHARES_MAX];
    uint32_t share_count;
};

struct result_part { /* a thread's */
    struct result_gathering *gathering;
    struct result_counts **cells; /* NULL: no row yet */
    struct result_value *values;
    size_t value_count, value_capacity;
    struct result_counts all; /* `drawn` and crossed of customers */
    uint64_t decisions, under_other_salt, without_arm, share_unknown, earlier;
    uint64_t of_holdout, of_other_arms, unknown_actions, cut_timelines;

    /* ---- of the customer at hand ---- */
    struct decided *decided;
    size_t decided_count, decided_capacity;
    struct result_message *messages;
    size_t message_count, message_capacity;
    struct result_outcome *outcomes; /* of the decision at hand */
    size_t outcome_count, outcome_capacity;
    uint8_t *scenario_in; /* of the decision at hand: 0 not asked yet, 1 no, 2 yes */
    uint64_t *seen;       /* bit set of cells … */
    uint32_t *touched;    /* … and which of them are set */
    size_t touched_count, touched_capacity;
    bool has_arm, crossed;
    uint32_t arm, share; /* share UINT32_MAX: not known */

    struct text last_playbook; /* the one that was asked last; behind it its bytes */
    char last_playbook_bytes[32];
    uint32_t last_share;
};

/* Reads part->decided, ->messages, arm and share of a customer; counts what it leaves out. */
enum status result_decisions_read(struct result_part *part, const struct timeline *timeline,
                                  struct error *error) MUST_USE;

/* Walks over everybody and adds up into parts[0], which the caller releases; `shares` in the order
 * of the slots. */
struct result_gathered {
    struct result_part part;
    double shares[RESULT_SHARES_MAX];
    uint32_t share_count;
};
enum status results_gather(const struct customer_data *data, const struct result_plan *plan,
                           const struct results_options *options,
                           const int64_t months_from_ms[MONTHS_MAX + 1],
                           struct result_gathered *out, struct error *error) MUST_USE;
void result_part_release(struct result_part *part, uint32_t cell_count);

#endif
