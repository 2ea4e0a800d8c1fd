/* SPDX-License-Identifier: Apache-2.0 */
/* decide/decide.h -- the next best action for one customer at one time, with the trace of why.
 *
 *   available → consent → eligible → applicable → suitable → contact policies → propensity →
 *   arbitration → placement
 *
 * priority = propensity × context weight × value × lever − cost − what it takes of budgets at
 * their prices (budgets.h), and *nothing* competes at 0 (docs/playbook.md). What stops a
 * treatment is the first stage, in that order, that says no or unknown; the trace tells which,
 * and in words why. A holdout customer is decided for like any other and what is marketing among
 * the ranked is withheld. Contact limits and waits are read from the timeline, so there is no
 * counter that could be wrong. The candidates are the treatments as known at t: a table of
 * offers that is loaded later changes no earlier decision. Pure given the profile's timeline:
 * same (timeline, playbook, lookups, models, prices of budgets, t) gives the same decision. */
#ifndef DECIDE_DECIDE_H
#define DECIDE_DECIDE_H

#include "decide/choice.h"
#include "decide/contact.h"
#include "decide/experiment.h"
#include "decide/holdout.h"
#include "learn/learn.h"
#include "profile/profile.h"

enum stage {
    STAGE_AVAILABLE,
    STAGE_CONSENT,
    STAGE_ELIGIBLE,
    STAGE_APPLICABLE,
    STAGE_SUITABLE,
    STAGE_CONTACT_POLICY,
    STAGE_PROPENSITY,
    STAGE_ARBITRATION,
    STAGE_PLACEMENT,
    STAGE_OFFERED,
    STAGE_COUNT
};
const char *stage_name(enum stage stage); /* "available", "contact policies", … "offered" */

/* So many treatments that are not over are judged for one decision. */
#define DECISION_TREATMENTS_MAX   1024
#define DECISION_REASON_BYTES_MAX 600
/* Placements that one request asks for, and the slots of all of them together. */
#define DECISION_PLACEMENTS_MAX 8
#define DECISION_SLOTS_MAX      32
/* Beside withheld ones, service messages have slots of their own. */
#define DECISION_RANKS_MAX (2 * DECISION_SLOTS_MAX)
#define DECISION_ID_BYTES  17

/* All that is known of one treatment, as decision_trace_of makes it. */
struct treatment_trace {
    const struct treatment *treatment;
    enum stage stopped_at; /* STAGE_OFFERED where nothing stopped it */
    /* Value, cost: major units of the playbook's currency; NAN where not reached. */
    double propensity, value, weight, lever, cost, priority;
    double budget_price; /* what it takes of budgets, at their prices; a minimum gives */
    /* How many past treatments of the action in this channel the propensity rests on, and the 95 %
     * interval that so many leave (choice_upper); NAN where not reached. */
    uint64_t past_treatments;
    double propensity_low, propensity_high;
    const struct policy *policy; /* the policy that stopped it, first in playbook order */
    /* Or the purpose or topic that the customer has not agreed to; borrowed from the playbook. */
    struct text purpose;
    /* Contact policies: when none of them would stop it as things stand; TIME_NEVER: never; else 0.
     */
    int64_t free_at_ms;
    struct contact_standing standing; /* of that policy, where it is one of contacts */
    /* Contact policies passed: not to be sent before then, for quiet times; else 0. */
    int64_t send_after_ms;
    bool unknown; /* the stage's condition was unknown rather than no */
    bool held;    /* a row in quarantine may take back what the customer agreed to */
    /* A named limit was reached: what the stage asks is unknown for that, or is held. */
    bool limited;
    /* Placement: the placements that were asked for take other treatments; it was not judged … */
    bool elsewhere;
    /* … or this rule keeps it from standing beside what is ranked; NULL: others took the slots. */
    const struct bundle_rule *bundle;
    /* Available: the arm of this experiment takes the action away; else NULL. */
    const struct experiment *experiment;
    const struct experiment_arm *arm;
    /* Arbitration: it takes more than is left of this budget; NULL: that is not what stopped it. */
    const struct budget_rule *budget;
};

/* The treatments that were judged, in playbook order: at most DECISION_TREATMENTS_MAX of those that
 * are not over at t. An offer that has ended is not looked at, however many of them there are. */
struct verdict;
struct decision_trace {
    uint32_t count;
    const uint32_t *index;          /* of each, in the set of treatments: ascending */
    uint8_t *stage;                 /* enum stage */
    double *propensity, *priority;  /* NAN where not reached */
    const struct verdict **verdict; /* what the stage said; NULL where its name says all */
};

/* The trace is the decider's, and lives until it decides again. */
struct decision {
    struct customer_id customer;
    int64_t t_ms;
    const struct decider *decider;
    const struct treatment_set *treatments; /* as known at t */
    struct decision_trace trace;
    /* Of this decision, for the events that tell what became of it: the same for the same customer,
     * time, ranks, placement, context and what is in force, in the same data directory. Never 0. */
    uint64_t id;
    uint32_t ranked_count; /* offered, best first: places in the trace */
    uint32_t ranked[DECISION_RANKS_MAX];
    /* Selection probability of each rank, given the ranks before it: 1 where nothing was left to
     * chance. */
    double probability[DECISION_RANKS_MAX];
    /* The slots that were drawn, and among which treatments; none where the playbook does not
     * explore. In the decider's arena, as the trace is. */
    struct choice choice;
    /* The placements that were asked for, in the order asked, as indexes in playbook->placements;
     * none: every treatment was considered. Ranks stand in the order of choice, which is that of
     * the placements except for what waited for its bundle. */
    uint32_t placement_count;
    uint32_t placements[DECISION_PLACEMENTS_MAX];
    uint8_t ranked_at[DECISION_RANKS_MAX]; /* of each rank: its index in `placements`; else 0 */
    /* The time to decide in was over (decider_watch): nothing was ranked, and the decision must not
     * be recorded. */
    bool late;
    struct holdout holdout;        /* the arm that the customer is in */
    struct experiment_seats seats; /* and those of experiments under way */
    /* The customer's own time zone; empty where it is not known, or the playbook does not ask. */
    struct text zone;
    /* More treatments than DECISION_TREATMENTS_MAX were available; the limit is reported. */
    bool truncated;
    bool limited; /* a named limit was reached by any trait or stage of it */
};

/* The treatment at a place of the trace, and all that is known of it. place < trace.count. */
const struct treatment *decision_treatment(const struct decision *decision, uint32_t place);
struct treatment_trace decision_trace_of(const struct decision *decision, uint32_t place);
struct treatment_trace decision_ranked(const struct decision *decision, uint32_t rank);
/* The same of any treatment of the set, by its index: one that is over was not available. */
struct treatment_trace decision_trace_at(const struct decision *decision, uint32_t index);
/* What answers show: the trace, and as long as all treatments together are no more than
 * DECISION_TREATMENTS_MAX also those that are over; in playbook order. */
uint32_t decision_shown_count(const struct decision *decision);
struct treatment_trace decision_shown(const struct decision *decision, uint32_t i);

/* Is this rank marketing for a customer in the holdout: logged, and not to be acted on? A service
 * message beside it is acted on. */
bool decision_withholds(const struct decision *decision, uint32_t rank);
/* Any rank. */
bool decision_withholds_some(const struct decision *decision);
/* The name of the placement at which a rank stands; empty where none was asked for. */
struct text decision_placement(const struct decision *decision, uint32_t rank);
/* The draw that a rank came of; NULL where it was not drawn. */
const struct choice_draw *decision_draw_of(const struct decision *decision, uint32_t rank);
/* Does nothing that may be acted on stand at decision->placements[i]? Then its fallback is shown.
 */
bool decision_falls_back(const struct decision *decision, uint32_t i);

/* What a goal is like where no model says more: for everybody, and after the treatments of one
 * action. */
struct goal_base {
    /* How often it follows an active customer's landmark, or, for a goal of a treatment, a past
     * treatment; NAN where nothing has matured. */
    double rate;
    /* Mean value of one that was reached, major units; NAN where the goal has none. */
    double value;
    uint64_t treated_rows; /* past treatments meant for this goal that have matured */
    double treated_rate;   /* how often it followed them; where treated_rows > 0 */
};
/* The bases of a playbook are an array of goal_bases_count: first the goals by index, then those of
 * each action's treatments, of which only treated_rows and treated_rate are told: what one action's
 * treatments led to says nothing about another's. The engine has them measured
 * (measure/base_rates.h) and hands them to a decider. */
uint32_t goal_bases_count(const struct playbook *playbook);
/* Of the treatments of action a in all channels: goal_count + a * this; those in its channel k
 * follow at + 1 + k. */
uint32_t goal_bases_of_action(const struct playbook *playbook);

struct decider; /* one thread's */
/* One sentence for a person, of the first rank or of why nothing is offered; ends in "..." where it
 * is longer than DECISION_REASON_BYTES_MAX - 1. It is worked out when somebody reads it: the
 * timeline is that of the decision, and the profile is left standing at its t, perhaps with those
 * traits alone that the decision wanted. */
void decision_reason(struct decider *decider, const struct timeline *timeline,
                     const struct decision *decision, char out[DECISION_REASON_BYTES_MAX]);
/* models by model index of the playbook; NULL entries: the base rate of the action's own treatments
 * is the propensity. `bases` as base_rates_measure makes them. Both borrowed. */
enum status decider_create(struct decider **out, const struct customer_data *data,
                           struct profile *profile, const struct model *const *models,
                           const struct goal_base *bases) MUST_USE;
void decider_destroy(struct decider *decider);
/* Other bases from the next decision on; borrowed. */
void decider_use_bases(struct decider *decider, const struct goal_base *bases);
/* The id as it stands on the timeline and in answers: 16 hexadecimal digits. */
void decision_id_text(uint64_t id, char out[DECISION_ID_BYTES]);
/* Reads 16 hexadecimal digits; 0: it is no id. */
uint64_t decision_id_read(struct text text);
/* The id that programs before this one gave to the decision: it knew neither placement nor context,
 * and of what is in force only the playbook. For making recorded decisions again. */
uint64_t decision_id_of_before(const struct decision *decision);
/* Which data directory it is, so that no other one gives the same ids; 0 until told. */
void decider_name_directory(struct decider *decider, uint64_t directory);
/* What every decision that is packed says of the models behind it, such as "redeem@3". Borrowed;
 * empty until told. */
void decider_name_models(struct decider *decider, struct text names);

/* What a decision was made from, so that it can be made again (engine/answer/replay_decision.h).
 * Texts are borrowed until another basis is told. */
#define DECISION_CONTEXT_BYTES_MAX   1024
#define DECISION_PLACEMENT_BYTES_MAX 255
struct decision_basis {
    uint64_t in_force; /* hash of playbook, models and tables (engine/in_force.h) */
    uint64_t position; /* the timeline's: rows below it in the log */
    uint64_t rates_id; /* of the base rates, with the two below (engine/rates.h) */
    uint64_t rates_position;
    int64_t rates_at_ms;
    /* Where it is asked for, or empty: names of placements of the playbook, with commas between
     * them and no blanks ("home_banner,side_bar"). Under a playbook that declares none it is any
     * text, which is kept and means nothing. */
    struct text placement;
    /* What was said of the moment, or empty: a JSON object, as decision_context_keep writes it. */
    struct text context;
    uint32_t count; /* rank at most so many at each placement; 0: as many as it has slots */
    /* Who is asked for where nobody knows the customer (ID_NONE): a hash of the identifiers given,
     * which stands for the customer's id. 0: somebody known, or nothing was given. */
    uint64_t visitor;
    /* What a thread had proposed where this decision took its place: a list of records {treatment,
     * channel} or, where it drew, {treatment, channel, probability}; unknown: nothing, or the
     * same. */
    struct value proposed;
};
/* What the next decisions are asked for and made from. Every decision that is packed keeps it; none
 * is kept, and nothing is asked for, until one is told. Texts are borrowed until another is told.
 * STATUS_LIMIT where the context is too long, or the placements have more than DECISION_SLOTS_MAX
 * slots together; STATUS_NOT_FOUND, with the nearest name, where there is no such placement;
 * STATUS_INVALID where one is named twice. Then the basis before it holds. */
enum status decider_name_basis(struct decider *decider, const struct decision_basis *basis,
                               struct error *error) MUST_USE;
/* The decision at hand takes the place of another one; its basis keeps what that one proposed.
 * Holds until another basis is told. */
void decider_name_proposed(struct decider *decider, struct value proposed);
/* Asked between two parts of the work; where it says yes, the decision at hand is late. NULL: there
 * is always time enough. */
void decider_watch(struct decider *decider, bool (*is_late)(void *context), void *context);

/* Reads names of placements, as the basis has them, into indexes. Errors as decider_name_basis. */
enum status decision_placements_read(const struct playbook *playbook, struct text names,
                                     uint32_t out[DECISION_PLACEMENTS_MAX], uint32_t *count,
                                     struct error *error) MUST_USE;
/* Writes what the playbook declares of a context that was sent, as one JSON object in the order of
 * the declarations; nothing where nothing is left. What is not declared, and what can't be read as
 * its type, is kept out: `left_out` (may be NULL) gets a sentence for each, with the nearest name.
 * Values are never repeated there. STATUS_INVALID where it is no JSON object, STATUS_LIMIT where
 * more than DECISION_CONTEXT_BYTES_MAX bytes would be kept. */
enum status decision_context_keep(const struct playbook *playbook, struct text json,
                                  struct buffer *out, struct buffer *left_out,
                                  struct error *error) MUST_USE;
/* Reads what decision_context_keep wrote, under any playbook, into values by context index; what is
 * missing or of another type now is unknown. Texts are copied into `arena`. *parser (NULL at first)
 * is made where it is needed, kept for the next call, and the caller's to destroy. */
struct json_parser;
enum status decision_context_read(const struct playbook *playbook, struct text json,
                                  struct json_parser **parser, struct arena *arena,
                                  struct value out[CONTEXT_PROPERTIES_MAX]) MUST_USE;

/* Writes the content of a treatment of the latest decision's set, filled in for its customer, as a
 * JSON object: {"headline": "…"}, and null where the playbook gives it none. The timeline is that of
 * the decision, and the profile is left standing at its t. */
struct json_writer;
void treatment_content(struct decider *decider, const struct timeline *timeline,
                       const struct decision *decision, const struct treatment *treatment,
                       struct json_writer *writer);
/* The same of a placement's fallback. */
void placement_fallback(const struct placement_rule *placement, struct json_writer *writer);
/* A decision of before is made again: what was held then, as decision_pack wrote it (`held`), is
 * held, and nothing else, whatever waits in quarantine now. Borrowed; NULL: as usual. */
void decider_hold_as(struct decider *decider, const struct value *held);
/* A hash of every stage, chance and priority of the trace: the same to the bit, or another hash.
 * Never 0. */
uint64_t decision_trace_hash(const struct decision *decision);

/* From now on decisions tell what could be offered as if nothing had been decided at that very t,
 * also where what is found differs from what was decided. They must not be recorded. */
void decider_gather(struct decider *decider);
/* Is the latest decision one that the timeline has already, at this very t? */
bool decision_is_repeat(const struct decision *decision);
/* Has the timeline decisions of this very t? */
bool timeline_has_decisions_at(const struct timeline *timeline, int64_t t_ms);
/* `timeline`: as of t, by profile_request. The trace's treatments live as long as the data's
 * history of them. */
enum status decide_customer(struct decider *decider, const struct timeline *timeline, int64_t t_ms,
                            struct decision *out, struct error *error) MUST_USE;

/* What `attune why-not` tells of one treatment: which stage stopped it and from when on, as things
 * stand and if nothing else happens, that stage would not: searched up to WHY_NOT_HORIZON_MS ahead,
 * a quarter of an hour at a time on the first day, an hour in the first week and wherever the
 * condition asks for hour(…), else a day; what opens for less than that may be missed. Valid during
 * the visit. */
#define WHY_NOT_HORIZON_MS (400 * TIME_DAY_MS)
struct why_not {
    const struct treatment_trace *trace;
    /* What the stage asked, as the playbook has it; empty where it asks nothing. */
    struct text condition;
    int64_t free_at_ms; /* decision_free_at */
    struct text words;  /* all of it in a sentence */
};
/* Visits each treatment of `action` (its name, or NAME/KEY). STATUS_NOT_FOUND, with the nearest
 * name, where there is no such action. */
enum status decision_why_not(struct decider *decider, const struct timeline *timeline,
                             const struct decision *decision, struct text action,
                             void (*visit)(void *context, const struct why_not *why), void *context,
                             struct error *error) MUST_USE;
/* When the stage that stopped `trace` would let it pass, as above; 0 where it would not. */
int64_t decision_free_at(struct decider *decider, const struct timeline *timeline,
                         const struct decision *decision, const struct treatment_trace *trace);
/* Is there a policy by which this treatment is never sent without an opt-in? */
bool treatment_needs_opt_in(const struct playbook *playbook, const struct treatment *treatment);
/* Appends what people call a treatment: "Campaign 18 (mail_campaign/18) by mail". The key is there
 * for an action that goes over rows. */
void treatment_words(const struct customer_data *data, const struct treatment *treatment,
                     struct buffer *out);
/* An amount in major units of the playbook's currency; NAN for unknown and for other currencies. */
double amount_of(const struct playbook *playbook, struct value value);
/* "20.00 USD": an amount of a trace, in the playbook's currency. */
void amount_words(const struct playbook *playbook, double amount, char out[48]);
/* Decision Made's properties: treatments, probabilities, messages, trace and its set of treatments,
 * what spoke most for the first rank (`because`), model, playbook, withheld, and under a playbook
 * with a holdout the arm (`holdout`, `salt`); where a basis is told, `basis` with the hash of the
 * whole trace, `placement`, `context`, and what was held (`held`); where something was drawn, among
 * what (`choice`, as decide/choice.h has it; STATUS_INVALID where its probabilities are no
 * probabilities). Packed. The profile stands as decide_customer left it, or decision_reason.
 *
 * The trace tells what stopped each treatment, in runs, a letter a stage: "57a40m3o" is 57 that
 * were not available, 40 that found no place and 3 offered, in the order of the set whose hash is
 * `treatment_set`. a available, c consent, e eligible, i applicable, s suitable, l contact
 * policies (limits), p propensity, r arbitration, m placement, o offered. Chance and priority of
 * what is offered stand with its messages; those of the others come of deciding again at the same
 * time. */
enum status decision_pack(struct decider *decider, const struct decision *decision,
                          struct packed_writer *writer, struct buffer *out) MUST_USE;

/* The stage that stopped the treatment of that index in the set, by the trace of a decision that
 * was packed; false where it tells nothing of it. Traces of older programs are lists of records. */
bool decision_trace_stage(struct text trace, uint32_t treatment, enum stage *stage);

#endif
