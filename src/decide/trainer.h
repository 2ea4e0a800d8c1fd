/* SPDX-License-Identifier: Apache-2.0 */
/* decide/trainer.h -- the point-in-time training set of a model rule: one row a past treatment of
 * an action that uses the model, whose goal has matured.
 *
 * A row's features are the traits and action attributes as of the millisecond before the treatment
 * was delivered, through the same profile that a live decision uses, so that nothing after it, and
 * nothing not yet known at it, can be seen. The treatment is the one that went out, as described
 * then (decide/named_treatment.h), for its attributes and for its goal.
 *
 * Treatments of other actions say nothing about this one, so their rows stay out. Where the rows
 * are of several actions or channels, one more feature behind the rule's own names the action, or
 * the action and the channel: a letter that 60 % answer must not be judged by a survey that 2 %
 * answer. */
#ifndef DECIDE_TRAINER_H
#define DECIDE_TRAINER_H

#include "base/work.h"
#include "learn/learn.h"
#include "profile/outcome.h"

/* Behind a rule's features and attributes. */
#define TRAINER_OWN_FEATURES_MAX 1

struct trainer_options {
    int64_t from_ms, until_ms; /* treatments delivered in [from, until) */
    /* And whose goal had matured by then, judged by what was known then. */
    int64_t matured_by_ms;
    /* Not 0: a model has learnt until then. Rows that it had are given only where their answer is
     * another one by now (trainer_row_id.changed). */
    int64_t learnt_by_ms;
    uint32_t threads;
    /* The rows have the features of this model; NULL: those that the rows call for. */
    const struct model *model;
    struct work *work; /* may be NULL; counts customers */
};
struct trainer_row_id {
    struct customer_id customer;
    const struct treatment *treatment;
    int64_t t_ms;
    bool changed; /* learnt before, with the other answer */
};

#define TRAINER_NAMES_MAX      3
#define TRAINER_NAME_BYTES_MAX 64
/* Where the events of the time went: every event of the type that the rule learns from is counted
 * once, as a row or under the first reason for which it is none. */
struct trainer_counts {
    uint64_t events, rows, reached; /* reached: rows whose goal was */
    uint64_t unnamed;               /* it has no property `treatment` */
    uint64_t unmatched;             /* it names no treatment of the playbook */
    uint64_t of_others;             /* it is of an action that uses another model, or none */
    uint64_t open;                  /* its goal had not matured */
    uint64_t endless; /* the goal's `until` is unknown for it, so that it never matures */
    uint64_t again;   /* an earlier event told of the same message (profile/told_once.h) */
    uint64_t itself;  /* the event is itself a goal event; a row that says nothing */
    uint64_t learnt;  /* the model has learnt it already (learnt_by_ms), and its answer stands */
    /* It is of a customer for whom a device counts by a claim, and the rule has claims: no. */
    uint64_t of_claims;
    /* Earlier versions of events that no moment knew: a later file corrected them, and the
     * correction counts as known since they were. Rows saw the corrected values, a live decision
     * did not. */
    uint64_t corrected_later;
    uint64_t coinciding; /* rows whose goal event bears the very time of the treatment */
    /* The most frequent names that match nothing, cut to fit, and how many there are in all. */
    struct {
        char name[TRAINER_NAME_BYTES_MAX];
        uint64_t count;
    } names[TRAINER_NAMES_MAX];
    uint32_t distinct_names;
};

/* ids (from memory_alloc, one a row, may be NULL) tell which row is whose. Rows are in order of
 * (time, customer, treatment). `counts` may be NULL. A row's horizon_ms is the first `until_ms` and
 * `matured_by_ms` that has it: its label was known by then, and its treatment, perhaps in a version
 * that a correction has replaced since. */
enum status trainer_collect(const struct customer_data *data, const struct model_rule *rule,
                            const struct trainer_options *options, struct training_set **out,
                            struct trainer_row_id **ids, struct trainer_counts *counts,
                            struct error *error) MUST_USE;
/* Was this row, or an earlier version of its treatment, among those of a model that was trained
 * until then, on labels that were taken to be known `sooner_ms` before the row's horizon_ms (0
 * where the delays are still the same)? */
static inline bool trainer_had_learnt(const struct training_row *row, int64_t until_ms,
                                      int64_t sooner_ms) {
    return row->horizon_ms - sooner_ms <= until_ms;
}
/* The feature vector of a live moment, after profile_at and profile_with: the rule's features in
 * their order, and what the model has behind them. `out` may borrow from `own_text`. */
void trainer_features(const struct customer_data *data, const struct model_rule *rule,
                      const struct model *model, const struct value *traits,
                      const struct treatment *treatment, char own_text[LEARN_TEXT_BYTES_MAX],
                      struct value *out);
/* How many features are the rule's own; the one of a model behind them is called "action" or
 * "action by channel". */
uint32_t trainer_rule_width(const struct model_rule *rule);

/* What was left out and why, in sentences that begin with a space; nothing where all was learnt
 * from. */
enum status trainer_left_out_words(const struct customer_data *data, const struct model_rule *rule,
                                   const struct trainer_counts *counts,
                                   struct buffer *out) MUST_USE;

#endif
