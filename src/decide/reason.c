/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <math.h>

#include "decide/facts.h"
#include "decide/trainer.h"

/* A multiple is only told where its average is made of so many goals; and none is told above the
 * largest. */
#define AVERAGE_GOALS_MIN 5
#define MULTIPLE_MAX      10.0
#define FEW_TREATMENTS    20 /* fewer are called few */

static enum status append(struct buffer *out, struct text text) {
    return buffer_append_text(out, text);
}

/* A sentence that is being written, and the first failure. An offer's is written for each decision
 * that is answered, so its pieces are appended one by one: printf takes several times as long. */
struct words {
    struct buffer *out;
    enum status status;
};

static void say(struct words *words, struct text text) {
    if (words->status == STATUS_OK) words->status = append(words->out, text);
}

static void say_number(struct words *words, double number, int decimals) {
    if (words->status == STATUS_OK)
        words->status = buffer_append_fixed(words->out, number, decimals);
}

static bool shares_title(const struct playbook *playbook, const struct action *action) {
    for (uint32_t i = 0; i < playbook->action_count; i++) {
        const struct action *other = &playbook->actions[i];
        if (other != action && text_equal(other->title, action->title)) return true;
    }
    return false;
}

void treatment_words(const struct customer_data *data, const struct treatment *treatment,
                     struct buffer *out) {
    struct text channel = symbol_text(data->symbols, SYMBOL_CHANNEL, treatment->channel);
    const struct action *action = treatment->action;
    bool has_title = treatment->title.length > 0 && !text_equal(treatment->title, action->name);
    /* Of an action that goes over rows the title may not say which row it is. */
    bool key_too =
        has_title && (action->for_each != UINT32_MAX || shares_title(data->playbook, action));
    struct words words = {.out = out};
    say(&words, has_title ? treatment->title : treatment->key);
    if (key_too) {
        say(&words, TEXT(" ("));
        say(&words, treatment->key);
        say(&words, TEXT(")"));
    }
    say(&words, TEXT(" by "));
    say(&words, channel);
    if (words.status != STATUS_OK) buffer_clear(out);
}

/* "orders in 90 days is 12": the trait's own words where the playbook has them. */
static enum status feature_words(const struct decider *decider, const struct model_rule *rule,
                                 uint32_t feature, struct buffer *out) {
    const struct playbook *playbook = decider->data->playbook;
    struct text name = feature_name(playbook, rule, feature);
    if (feature < rule->feature_count) {
        const struct trait *trait = &playbook->traits[rule->features[feature]];
        if (trait->description.length > 0) name = trait->description;
    }
    if (name.length > 0 && name.at[name.length - 1] == '.') name.length--;
    struct value value = decider->features[feature];
    enum status status = append(out, name);
    if (status == STATUS_OK) status = append(out, TEXT(" is "));
    if (status != STATUS_OK) return status;
    if (value.type == VALUE_NUMBER) {
        bool whole = value.number == floor(value.number);
        return buffer_append_fixed(out, value.number, whole ? 0 : 2);
    }
    if (value.type == VALUE_DURATION) {
        struct words words = {.out = out};
        say_number(&words, (double)value.duration_ms / (double)TIME_DAY_MS, 0);
        say(&words, TEXT(" days"));
        return words.status;
    }
    return value_print(value, out);
}

struct text feature_name(const struct playbook *playbook, const struct model_rule *rule,
                         uint32_t feature) {
    if (feature >= trainer_rule_width(rule)) return TEXT("action");
    return feature < rule->feature_count
               ? playbook->traits[rule->features[feature]].name
               : playbook->attributes[rule->attributes[feature - rule->feature_count]].name;
}

uint32_t reasons_of(struct decider *decider, const struct treatment *treatment,
                    struct model_reason out[REASONS_MAX]) {
    const struct action *action = treatment->action;
    const struct model *model = model_of_action(decider, action);
    if (model == NULL) return 0;
    const struct model_rule *rule = &decider->data->playbook->models[action->model];
    trainer_features(decider->data, rule, model, profile_with(decider->profile, treatment),
                     treatment, decider->own_text, decider->features);
    return facts_reasons(decider, treatment, out);
}

/* "orders in 90 days is 12 and, together with it, the age of the account is 5 days"; "…, for this
 * action". */
static enum status reason_words(const struct decider *decider, const struct model_rule *rule,
                                const struct model_reason *reason, struct buffer *out) {
    enum status status = feature_words(decider, rule, reason->feature, out);
    if (status != STATUS_OK || reason->with == MODEL_ALONE) return status;
    if (reason->with >= trainer_rule_width(rule)) return append(out, TEXT(", for this action"));
    status = append(out, TEXT(" and, together with it, "));
    return status == STATUS_OK ? feature_words(decider, rule, reason->with, out) : status;
}

/* Does a reason name both features of the other one, or its only one? Then the other one, said
 * beside it, would only repeat words. */
static bool says_all_of(const struct model_reason *reason, const struct model_reason *other) {
    bool has_first = other->feature == reason->feature || other->feature == reason->with;
    bool has_second =
        other->with == MODEL_ALONE || other->with == reason->feature || other->with == reason->with;
    return reason->with != MODEL_ALONE && has_first && has_second;
}

/* Writes what speaks most for this customer, by the model that made the score. */
static enum status model_words(struct decider *decider, const struct treatment *treatment,
                               struct buffer *out) {
    struct model_reason reasons[REASONS_MAX];
    uint32_t count = reasons_of(decider, treatment, reasons);
    enum status status = STATUS_OK;
    if (count == 2 && says_all_of(&reasons[1], &reasons[0])) reasons[0] = reasons[1];
    if (count == 2 && says_all_of(&reasons[0], &reasons[1])) count = 1;
    bool has_pair = false;
    for (uint32_t i = 0; i < count; i++) has_pair |= reasons[i].with != MODEL_ALONE;
    for (uint32_t i = 0; i < count && status == STATUS_OK; i++) {
        const struct model_rule *rule = &decider->data->playbook->models[treatment->action->model];
        struct text between = has_pair ? TEXT(", and ") : TEXT(" and ");
        status = append(out, i == 0 ? TEXT(", mostly because ") : between);
        if (status == STATUS_OK) status = reason_words(decider, rule, &reasons[i], out);
    }
    return status;
}

/* The playbook's sentence for the customer: "You looked at payments {payment_clicks} times lately."
 */
static enum status customer_words(struct decider *decider, const struct treatment *treatment,
                                  struct buffer *out) {
    struct text reason = treatment->action->reason;
    if (reason.length == 0) return STATUS_OK;
    enum status status = append(out, TEXT(" Say: "));
    bool unknown;
    return status == STATUS_OK ? template_fill(decider, treatment, reason, &unknown, out) : status;
}

/* How the chance compares with past treatments: with the action's own where they tell enough, else
 * with those that the model learnt from. */
static enum status model_basis_words(const struct decider *decider, const struct model *model,
                                     const struct treatment_trace *trace, struct buffer *out) {
    const struct goal_base *own = action_base(decider, trace->treatment->action);
    const struct model_facts *facts = model_facts(model);
    double rows = (double)own->treated_rows, yes = rows > 0 ? own->treated_rate * rows : 0;
    const char *whose = "its ";
    if (yes < AVERAGE_GOALS_MIN) {
        rows = (double)facts->rows;
        yes = (double)facts->yes;
        whose = "";
    }
    if (facts->basis == MODEL_BASE_RATE || yes < AVERAGE_GOALS_MIN)
        return buffer_format(out, " (few cases: %.0f of %s%.0f past treatments reached it)", yes,
                             whose, rows);
    struct words words = {.out = out};
    double multiple = trace->propensity * rows / yes;
    say(&words, TEXT(" ("));
    if (multiple > MULTIPLE_MAX) say(&words, TEXT("more than "));
    say_number(&words, multiple > MULTIPLE_MAX ? MULTIPLE_MAX : multiple,
               multiple > MULTIPLE_MAX ? 0 : 1);
    say(&words, TEXT(" times the average of "));
    say(&words, text_from(whose));
    say_number(&words, rows, 0);
    say(&words, TEXT(" past treatments)"));
    return words.status;
}

static enum status rate_basis_words(const struct decider *decider, const struct action *action,
                                    struct buffer *out) {
    uint64_t rows = action_base(decider, action)->treated_rows;
    if (rows == 0)
        return append(out, isnan(action->starting_propensity)
                               ? TEXT(" (that of all customers: no treatment of this action has "
                                      "been judged yet)")
                               : TEXT(" (as the playbook says: no treatment of this action has "
                                      "been judged yet)"));
    return buffer_format(out,
                         rows < FEW_TREATMENTS ? " (few cases: by %llu past treatment%s)"
                                               : " (by %llu past treatment%s)",
                         (unsigned long long)rows, rows == 1 ? "" : "s");
}

/* What the goal brings on average, times its chance: what is expected, and not what the treatment
 * causes, since some would have reached the goal without it. A goal without a value has none. */
static enum status value_words(const struct decider *decider, const struct treatment_trace *trace,
                               struct buffer *out) {
    const struct playbook *playbook = decider->data->playbook;
    const struct goal *goal = &playbook->goals[trace->treatment->action->goal];
    char currency[4];
    currency_to_text(playbook->currency, currency);
    struct words words = {.out = out};
    bool has_value = goal->value != NULL || goal->value_constant.type == VALUE_MONEY ||
                     trace->treatment->action->value_program != NULL;
    if (has_value) {
        say(&words, TEXT("; expected value of the goal "));
        say_number(&words, trace->propensity * trace->value, 2);
        say(&words, TEXT(" "));
        say(&words, text_from(currency));
        say(&words, TEXT(", which the offer need not cause"));
    }
    if (trace->cost > 0) {
        say(&words, TEXT("; cost "));
        say_number(&words, trace->cost, 2);
        say(&words, TEXT(" "));
        say(&words, text_from(currency));
    }
    if (trace->budget_price > 0 || trace->budget_price < 0) {
        say(&words,
            trace->budget_price > 0 ? TEXT("; budgets ask ") : TEXT("; a minimum gives it "));
        say_number(&words, fabs(trace->budget_price), 2);
        say(&words, TEXT(" "));
        say(&words, text_from(currency));
        say(&words, trace->budget_price > 0 ? TEXT(" for it") : TEXT(""));
    }
    return words.status;
}

static uint32_t value_of(const struct choice *choice, const struct choice_draw *draw, uint32_t i) {
    return choice->candidates[draw->candidate[i]].treatment;
}

/* Says of the first rank that it was drawn, where it is not what is expected to be best. */
static enum status drawn_words(const struct decider *decider, const struct decision *decision,
                               struct buffer *out) {
    const struct choice_draw *draw = decision_draw_of(decision, 0);
    if (draw == NULL || draw->taken == draw->best) return STATUS_OK;
    const struct treatment *best =
        &decision->treatments->treatments[value_of(&decision->choice, draw, draw->best)];
    enum status status = buffer_format(
        out,
        "; it was drawn, to learn, with a probability of %.2g %%, and what is expected to be "
        "best is ",
        100 * draw->probability[draw->taken]);
    if (status == STATUS_OK) treatment_words(decider->data, best, out);
    return status;
}

static enum status offer_words(struct decider *decider, const struct decision *decision,
                               struct buffer *out) {
    const struct playbook *playbook = decider->data->playbook;
    const struct treatment_trace first = decision_ranked(decision, 0), *trace = &first;
    const struct action *action = trace->treatment->action;
    const struct goal *goal = &playbook->goals[action->goal];
    const struct model *model = model_of_action(decider, action);
    enum status status =
        append(out, decision_withholds(decision, 0) ? TEXT("Would offer ") : TEXT("Offer "));
    if (status != STATUS_OK) return status;
    treatment_words(decider->data, trace->treatment, out);
    struct words words = {.out = out};
    say(&words, TEXT(": the chance to reach \""));
    say(&words, goal->name);
    say(&words, TEXT("\" is "));
    say_number(&words, 100 * trace->propensity, 0);
    say(&words, TEXT(" %"));
    status = words.status;
    if (status == STATUS_OK)
        status = model != NULL ? model_basis_words(decider, model, trace, out)
                               : rate_basis_words(decider, action, out);
    if (status == STATUS_OK) status = model_words(decider, trace->treatment, out);
    if (status == STATUS_OK) status = value_words(decider, trace, out);
    if (status == STATUS_OK) status = drawn_words(decider, decision, out);
    if (status == STATUS_OK)
        status = append(out, decision_withholds(decision, 0) ? TEXT("; withheld: in the holdout.")
                                                             : TEXT("."));
    return status == STATUS_OK ? customer_words(decider, trace->treatment, out) : status;
}

enum status consent_words(const struct customer_data *data, const struct treatment_trace *trace,
                          struct buffer *out) {
    if (trace->held)
        return buffer_format(out, "held, since a row in quarantine may take back what was agreed");
    bool opt_in = trace->policy != NULL && trace->policy->needs_opt_in;
    struct text purpose = trace->policy != NULL ? trace->policy->purpose : trace->purpose;
    struct text channel = symbol_text(data->symbols, SYMBOL_CHANNEL, trace->treatment->channel);
    if (opt_in) {
        return buffer_format(out,
                             trace->unknown ? "no opt-in to %.*s is known"
                                            : "the customer has not opted in to %.*s",
                             TEXT_ARG(channel));
    }
    return buffer_format(
        out, trace->unknown ? "no consent to %.*s is known" : "the customer has not agreed to %.*s",
        TEXT_ARG(purpose));
}

enum status placement_words(const struct decider *decider, const struct decision *decision,
                            const struct treatment_trace *trace, struct buffer *out) {
    const struct playbook *playbook = decider->data->playbook;
    if (trace->bundle != NULL)
        return buffer_format(out, "the bundle says %.*s", TEXT_ARG(trace->bundle->text));
    enum status status = buffer_format(out, "it can't stand at ");
    for (uint32_t i = 0; i < decision->placement_count && status == STATUS_OK; i++)
        status = buffer_format(out, "%s%.*s", i > 0 ? " or " : "",
                               TEXT_ARG(playbook->placements[decision->placements[i]].name));
    return status;
}

/* What can't stand at the placement was not judged, and so came nowhere. */
static int reached(const struct treatment_trace *trace) {
    return trace->elsewhere ? -1 : (int)trace->stopped_at;
}

static struct treatment_trace furthest_of(const struct decision *decision) {
    struct treatment_trace furthest = decision_shown(decision, 0);
    for (uint32_t i = 1; i < decision_shown_count(decision); i++) {
        struct treatment_trace trace = decision_shown(decision, i);
        if (reached(&trace) > reached(&furthest) ||
            (reached(&trace) == reached(&furthest) && trace.priority > furthest.priority))
            furthest = trace;
    }
    return furthest;
}

const char *propensity_words(const struct treatment_trace *trace) {
    return isnan(trace->propensity)
               ? "no past treatment has taught the chance of its goal yet; give the action a "
                 "starting_propensity"
               : "the value of its goal is not known yet, since none that was reached had a value "
                 "in the playbook's currency";
}

enum status budget_words(const struct decider *decider, const struct treatment_trace *trace,
                         struct buffer *out) {
    const struct playbook *playbook = decider->data->playbook;
    const struct budget_rule *budget = trace->budget;
    double left = decider->budget_prices.left[budget - playbook->budgets];
    return buffer_format(out, "the budget %.*s (%.*s) has no more than %.6g left",
                         TEXT_ARG(budget->name), TEXT_ARG(budget->text), left > 0 ? left : 0);
}

/* Of the treatments that were stopped, the one that came furthest tells why there is nothing to
 * offer. */
static enum status nothing_words(struct decider *decider, const struct decision *decision,
                                 struct buffer *out) {
    if (decision->late)
        return append(out, TEXT("Nothing to offer: the time to decide in was over."));
    if (decision->choice.draw_count > 0)
        return append(out, TEXT("Offer nothing: that was drawn, to learn what follows it."));
    if (decision_shown_count(decision) == 0)
        return append(out, decision->treatments->count == 0
                               ? TEXT("Nothing to offer: the playbook has no treatment.")
                               : TEXT("Nothing to offer: every treatment is over, or not yet "
                                      "available."));
    const struct treatment_trace shown = furthest_of(decision), *furthest = &shown;
    enum status status = append(out, TEXT("Offer nothing: "));
    if (status != STATUS_OK) return status;
    treatment_words(decider->data, furthest->treatment, out);
    switch (furthest->stopped_at) {
    case STAGE_AVAILABLE: return append(out, TEXT(" is not available now, nor is any other."));
    case STAGE_ARBITRATION:
        if (furthest->budget != NULL) {
            status = buffer_append_text(out, TEXT(" came closest, but "));
            if (status == STATUS_OK) status = budget_words(decider, furthest, out);
            return status == STATUS_OK ? append(out, TEXT(".")) : status;
        }
        status = buffer_format(
            out,
            " came closest, but the expected value of its goal is %.2f, less than its cost of "
            "%.2f",
            furthest->priority + furthest->cost + furthest->budget_price, furthest->cost);
        if (status == STATUS_OK && furthest->budget_price > 0)
            status =
                buffer_format(out, " and the %.2f that budgets ask for it", furthest->budget_price);
        return status == STATUS_OK ? append(out, TEXT(".")) : status;
    case STAGE_CONTACT_POLICY: {
        char until[32];
        time_format_local(furthest->free_at_ms, decider->data->playbook->zone, until);
        if (furthest->free_at_ms >= TIME_NEVER)
            return buffer_format(out, " is forbidden by the policy \"%.*s\".",
                                 TEXT_ARG(furthest->policy->text));
        status = buffer_format(out, " is stopped by \"%.*s\"", TEXT_ARG(furthest->policy->text));
        if (status == STATUS_OK) status = standing_words(decider->data, furthest, " (", ")", out);
        return status == STATUS_OK ? buffer_format(out, " until %.16s.", until) : status;
    }
    case STAGE_CONSENT:
        status = append(out, TEXT(" is stopped at \"consent\": "));
        if (status == STATUS_OK) status = consent_words(decider->data, furthest, out);
        return status == STATUS_OK ? append(out, TEXT(".")) : status;
    case STAGE_PROPENSITY:
        return buffer_format(out, " is stopped at \"propensity\": %s.", propensity_words(furthest));
    case STAGE_PLACEMENT:
        if (furthest->bundle == NULL && !furthest->elsewhere)
            return append(out, TEXT(" is stopped at \"placement\"."));
        status = append(out, TEXT(" is stopped at \"placement\": "));
        if (status == STATUS_OK) status = placement_words(decider, decision, furthest, out);
        return status == STATUS_OK ? append(out, TEXT(".")) : status;
    default:
        return buffer_format(out, " is stopped at \"%s\"%s.", stage_name(furthest->stopped_at),
                             furthest->unknown ? " (what it asks is unknown)" : "");
    }
}

/* Keeps the sentence. One that had to be cut ends in dots, never in half a character. */
static void keep_sentence(const struct buffer *sentence, char *reason) {
    size_t length = sentence->length;
    bool cut = length > DECISION_REASON_BYTES_MAX - 1;
    if (cut) {
        length = DECISION_REASON_BYTES_MAX - 4;
        while (length > 0 && ((unsigned char)sentence->at[length] & 0xC0) == 0x80) length--;
    }
    memcpy(reason, sentence->at, length);
    memcpy(reason + length, cut ? "..." : "", cut ? 4 : 1);
}

/* The playbook's own sentence may read any trait. What else is told are features of models, which
 * the decision wanted, too: where it was made just now they are there. */
static bool needs_all_traits(const struct decision *decision) {
    return decision->ranked_count > 0 &&
           decision_ranked(decision, 0).treatment->action->reason.length > 0;
}

void decision_reason(struct decider *decider, const struct timeline *timeline,
                     const struct decision *decision, char out[DECISION_REASON_BYTES_MAX]) {
    struct buffer sentence;
    buffer_init(&sentence);
    if (needs_all_traits(decision) ||
        !profile_stands_at(decider->profile, timeline, decision->t_ms))
        profile_at(decider->profile, timeline, decision->t_ms);
    enum status status = decision->ranked_count > 0 ? offer_words(decider, decision, &sentence)
                                                    : nothing_words(decider, decision, &sentence);
    out[0] = '\0';
    if (status == STATUS_OK && sentence.length > 0) keep_sentence(&sentence, out);
    buffer_release(&sentence);
}
