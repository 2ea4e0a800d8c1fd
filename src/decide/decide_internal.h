/* SPDX-License-Identifier: Apache-2.0 */
/* decide/decide_internal.h -- what the sources of this room share about one deciding thread. */
#ifndef DECIDE_DECIDE_INTERNAL_H
#define DECIDE_DECIDE_INTERNAL_H

#include "decide/budgets.h"
#include "decide/contact.h"
#include "decide/decide.h"

/* What the customer said, which is the same for every treatment of a decision. */
struct permit {
    struct text purpose;   /* of consent; empty: an opt-in */
    uint32_t channel;      /* of an opt-in */
    struct text programme; /* of an opt-in */
    struct value is;
};

/* A purpose, or a channel, for which the customer was held. */
struct held_word {
    bool is_purpose;
    struct text name;
};

/* What a decision takes from the arena: a few bytes a treatment, and what stopped each. */
#define DECISION_BYTES_MAX ((size_t)4 << 20)

/* What decisions are asked for (decide/asked.c). */
struct asked {
    struct buffer placement, context; /* the texts, as they came */
    uint32_t count;
    uint32_t placement_count;
    uint32_t placements[DECISION_PLACEMENTS_MAX];
    uint32_t route_count;
    bool *takes;                /* by placement that was asked for, and route */
    bool *elsewhere;            /* by route: none of them takes it */
    struct json_parser *parser; /* NULL until a context is read */
    struct arena arena;         /* texts of the values */
    struct value values[CONTEXT_PROPERTIES_MAX];
};

struct facts;
struct budget_uses;
struct decider {
    const struct customer_data *data;
    struct profile *profile;
    const struct model *const *models;
    const struct goal_base *bases;
    uint32_t action_bases; /* goal_bases_of_action */
    /* By action: what followed the treatments of the other actions of its group that have its goal.
     * NULL where the playbook does not explore. */
    struct goal_base *group_bases;
    struct text model_names;
    struct holdout_symbols holdout_symbols;
    struct experiment_symbols experiment_symbols;
    uint64_t directory; /* seeds the ids of decisions */
    struct contact_history history;
    struct facts *facts;
    bool *wanted;           /* by trait index: those that a decision reads (decide/wanted.c) */
    struct arena arena;     /* of the latest decision: its trace */
    struct permit *permits; /* of the decision at hand */
    uint32_t permit_count, permits_max;
    bool has_basis;
    struct decision_basis basis;
    struct asked asked;
    bool (*is_late)(void *context); /* decider_watch */
    void *late_context;
    const struct value *held_as; /* decider_hold_as */
    struct held_word *held;      /* asked for and held, of the decision at hand */
    uint32_t held_count;
    size_t held_capacity;
    char choice_head[CHOICE_HEAD_BYTES];
    struct budget_uses *budget_uses; /* NULL: the playbook has no budgets */
    struct budget_prices budget_prices;
    bool gathers;            /* decider_gather */
    struct packed_list list; /* scratch of decision_pack */
    struct buffer trace_text;
    struct value features[LEARN_FEATURES_MAX];
    char own_text[LEARN_TEXT_BYTES_MAX]; /* of the feature that names the action */
};

/* How one stage judged one treatment. */
struct verdict {
    bool passes;
    bool unknown;                /* not a no: something it needs is unknown */
    const struct policy *policy; /* STAGE_CONSENT and STAGE_CONTACT_POLICY: the rule */
    /* STAGE_CONSENT without a policy: the purpose or topic not agreed to. */
    struct text purpose;
    struct contact_standing standing; /* of `policy`, at STAGE_CONTACT_POLICY */
    /* Contact policies: when none of them blocks; TIME_NEVER: never by time alone. */
    int64_t free_at_ms;
    int64_t send_after_ms; /* contact policies that pass: when quiet times end; else 0 */
    bool held;             /* STAGE_CONSENT: a row in quarantine may take it back */
    bool limited;          /* a named limit made it unknown, or held it */
    bool elsewhere;        /* STAGE_PLACEMENT: treatment_trace */
    const struct bundle_rule *bundle;
    const struct experiment *experiment; /* STAGE_AVAILABLE: treatment_trace */
    const struct experiment_arm *arm;
    const struct budget_rule *budget; /* STAGE_ARBITRATION: it takes more than is left of it */
};
/* Why a contact policy holds, in numbers, between `open` and `close`: "2 of 2, 1 of them pending
 * since 2026-03-07 09:00". Nothing for what is no policy that counts. */
enum status standing_words(const struct customer_data *data, const struct treatment_trace *trace,
                           const char *open, const char *close, struct buffer *out) MUST_USE;
/* "no consent to personalise is known", of what was stopped at STAGE_CONSENT. */
enum status consent_words(const struct customer_data *data, const struct treatment_trace *trace,
                          struct buffer *out) MUST_USE;
/* "the budget mail (at most 500 contacts a day on mail) has no more than 0 left", of what was
 * stopped for it. */
enum status budget_words(const struct decider *decider, const struct treatment_trace *trace,
                         struct buffer *out) MUST_USE;
/* What is not known of a treatment that stopped at "propensity": the chance of its goal, or what the
 * goal is worth. */
const char *propensity_words(const struct treatment_trace *trace);
/* "the bundle says case only with phone", of what was stopped at STAGE_PLACEMENT for its bundle, or
 * stands elsewhere. */
enum status placement_words(const struct decider *decider, const struct decision *decision,
                            const struct treatment_trace *trace, struct buffer *out) MUST_USE;
/* Appends a template with what its {names} stand for. The profile stands at the customer's t.
 * *unknown: one of them is unknown. */
enum status template_fill(struct decider *decider, const struct treatment *treatment,
                          struct text template, bool *unknown, struct buffer *out) MUST_USE;
/* budgets.c: what routes take of budgets; at the beginning and the end of a decider. */
enum status budgets_begin(struct decider *decider) MUST_USE;
void budgets_end(struct decider *decider);
/* The prices of the latest decision, as a list of records {budget, price, left}. */
enum status budget_prices_pack(struct decider *decider, struct packed_writer *writer) MUST_USE;
/* The verdict stops the treatment at this stage. */
void trace_stop(struct treatment_trace *trace, enum stage stage, const struct verdict *verdict);
/* Stages available … contact policies. The profile must stand at t with this treatment
 * (profile_at, profile_with), and the history must be read. */
enum status stage_judge(struct decider *decider, const struct timeline *timeline, int64_t t_ms,
                        const struct treatment *treatment, enum stage stage,
                        struct verdict *out) MUST_USE;
/* What chance is drawn from: all that the decision's id is made of, but for its ranks. */
uint64_t decision_seed(const struct decision *decision);
/* What followed the action's own treatments, in all channels, and behind it by channel. */
const struct goal_base *action_base(const struct decider *decider, const struct action *action);
/* Makes decider->group_bases anew. */
void group_bases_measure(struct decider *decider);
/* How many past treatments tell the chance of the action in this channel, and CHOICE_PRIOR_ROWS for
 * what is known beforehand. */
double rows_behind(const struct decider *decider, const struct treatment *treatment);
/* The model that tells the action's chance, or NULL: none is in force, or it never saw the action,
 * whose chance to start with is known. */
const struct model *model_of_action(const struct decider *decider, const struct action *action);
/* The customer's chance of the action's goal; the profile stands as above. NAN where nothing tells
 * it. */
double treatment_propensity(struct decider *decider, const struct treatment *treatment);
/* The verdict of the contact policies as that of their stage. */
void verdict_of_contact(const struct contact_verdict *contact, int64_t t_ms, struct verdict *out);
/* The features that speak most for a treatment, by the model that scored it, strongest first: those
 * of its rule with log-odds above the mean. The profile stands at the decision's t; the values of
 * all features are left in decider->features. Returns how many were written. */
#define REASONS_MAX 2
uint32_t reasons_of(struct decider *decider, const struct treatment *treatment,
                    struct model_reason out[REASONS_MAX]);
/* What a feature of a rule is called. */
struct text feature_name(const struct playbook *playbook, const struct model_rule *rule,
                         uint32_t feature);
/* wanted.c: which traits a decision reads, by trait index: conditions of actions, features of
 * models, and the traits that these read. */
void wanted_traits(const struct playbook *playbook, bool *out);
#endif
