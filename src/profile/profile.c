/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/profile.h"

#include <math.h>

#include "base/memory.h"
#include "expr/plain.h"
#include "profile/by_treatment.h"
#include "profile/consent.h"
#include "profile/related.h"

#define SCRATCH_BYTES_MAX (16u << 20)

struct profile {
    const struct customer_data *data;
    struct arena scratch;
    /* Where the memory of the customer's traits ends. The traits of each treatment start here, so
     * that equal treatments find equal room. */
    struct arena_mark treatment_mark;
    struct arena_mark friend_mark; /* where the memory ended when a relation's walk began */
    struct expr_env env;
    struct expr_spans spans;
    struct value *values;        /* by trait index */
    bool *limited;               /* by trait index: a limit made its value unknown */
    struct expr_plain *plain;    /* answers those for which is_plain */
    bool *is_plain;              /* by trait index */
    bool eval_limited;           /* profile_eval_limited */
    bool any_limited;            /* profile_limited */
    struct value *friend_values; /* the same, for the related customer at hand */
    bool *friend_wants;          /* by trait index: those that its trait reads */
    const bool *wanted;          /* by trait index; NULL: all */
    uint32_t *of_treatment;      /* traits of a treatment, in the order of computing */
    uint32_t of_treatment_count;
    struct by_treatment *by_treatment;
    struct permission_names *names;
    struct related_walk related;
    uint64_t columns[TIMELINE_COLUMNS_MAX / 64];
    uint32_t needs;
};

static const struct lookup_table *lookup_for(void *context, uint32_t lookup, int64_t t_ms) {
    const struct customer_data *data = ((struct profile *)context)->data;
    return data->lookup ? data->lookup(data->context, lookup, t_ms) : NULL;
}

static double lifetime_for(void *context, const struct expr_lifetime_question *question) {
    const struct customer_data *data = ((struct profile *)context)->data;
    return data->lifetime ? data->lifetime(data->context, question) : (double)NAN;
}

static enum status related_for(void *context, uint32_t relation, int64_t t_ms, uint64_t *cursor,
                               struct timeline *out) {
    struct profile *profile = context;
    /* What was computed for the friend before is no longer needed. */
    if (*cursor == 0)
        profile->friend_mark = arena_mark(&profile->scratch);
    else
        arena_rewind(&profile->scratch, profile->friend_mark);
    return related_next(&profile->related, relation, t_ms, cursor, out);
}

static struct value evaluate_of_friend(struct profile *profile, const struct trait *trait,
                                       const struct timeline *timeline, int64_t t_ms) {
    if (trait->of_treatment || expr_uses_relation(trait->program)) return value_unknown();
    struct expr_env env = profile->env;
    env.timeline = timeline;
    env.t_ms = t_ms;
    env.traits = profile->friend_values;
    env.attributes = NULL;
    env.related = NULL;
    env.answers = NULL;
    env.spans = NULL;
    struct value value = expr_eval(trait->program, &env);
    profile->env.limit_reached |= env.limit_reached;
    return value;
}

/* Evaluates a trait on a friend's timeline, and before it the traits that it reads, each once: a
 * trait reads only earlier ones. There is no second step along a relation, and no treatment. */
static struct value trait_of_friend(void *context, uint32_t index, const struct timeline *timeline,
                                    int64_t t_ms) {
    struct profile *profile = context;
    const struct trait *traits = profile->data->playbook->traits;
    bool *wanted = profile->friend_wants;
    memset(wanted, 0, (index + 1) * sizeof *wanted);
    wanted[index] = true;
    for (uint32_t i = index + 1; i-- > 0;) {
        if (!wanted[i]) continue;
        uint32_t reads[PLAYBOOK_TRAITS_MAX];
        uint32_t count = expr_traits(traits[i].program, reads, PLAYBOOK_TRAITS_MAX);
        for (uint32_t k = 0; k < count && k < PLAYBOOK_TRAITS_MAX; k++) wanted[reads[k]] = true;
    }
    for (uint32_t i = 0; i <= index; i++) {
        if (wanted[i])
            profile->friend_values[i] = evaluate_of_friend(profile, &traits[i], timeline, t_ms);
    }
    return profile->friend_values[index];
}

static void need(struct profile *profile, const struct expr_program *program) {
    if (program != NULL) expr_needs(program, profile->columns, &profile->needs);
}

/* Does any expression ask for a permission? Where two customers became one, it matters who said
 * what. */
static bool asks_permission(const struct playbook *playbook) {
    bool asks = playbook->relation_count > 0;
    for (uint32_t i = 0; i < playbook->action_count; i++)
        asks |= playbook->actions[i].purpose.length > 0 || playbook->actions[i].topic.length > 0;
    for (uint32_t i = 0; i < playbook->policy_count; i++)
        asks |= playbook->policies[i].kind == POLICY_NEVER_WITHOUT;
    return asks;
}

static void collect_needs(struct profile *profile) {
    const struct playbook *playbook = profile->data->playbook;
    for (uint32_t i = 0; i < playbook->trait_count; i++) need(profile, playbook->traits[i].program);
    for (uint32_t i = 0; i < playbook->lifetime_count; i++)
        need(profile, playbook->lifetimes[i].program);
    need(profile, playbook->zone_from);
    need(profile, playbook->zone_country);
    for (uint32_t i = 0; i < playbook->scenario_count; i++)
        need(profile, playbook->scenarios[i].when);
    for (uint32_t i = 0; i < playbook->goal_count; i++) {
        need(profile, playbook->goals[i].where);
        need(profile, playbook->goals[i].until);
        need(profile, playbook->goals[i].value);
    }
    for (uint32_t i = 0; i < playbook->action_count; i++) {
        const struct action *action = &playbook->actions[i];
        need(profile, action->available);
        need(profile, action->eligible);
        need(profile, action->applicable);
        need(profile, action->suitable);
        need(profile, action->weight_program);
    }
    profile->needs |= TIMELINE_CHANNEL | TIMELINE_PACKED;
    if (asks_permission(playbook)) profile->needs |= TIMELINE_PERSONA;
}

/* Traits of the customer that can be answered together. */
static enum status plan_plain(struct profile *profile) {
    const struct playbook *playbook = profile->data->playbook;
    const struct expr_program **programs =
        memory_calloc((size_t)playbook->trait_count + 1, sizeof *programs);
    profile->is_plain = memory_calloc((size_t)playbook->trait_count + 1, sizeof *profile->is_plain);
    enum status status =
        programs != NULL && profile->is_plain != NULL ? STATUS_OK : STATUS_NO_MEMORY;
    for (uint32_t i = 0; status == STATUS_OK && i < playbook->trait_count; i++)
        programs[i] = playbook->traits[i].of_treatment ? NULL : playbook->traits[i].program;
    if (status == STATUS_OK)
        status =
            expr_plain_create(&profile->plain, programs, playbook->trait_count, profile->is_plain);
    memory_free(programs);
    return status;
}

enum status profile_create(struct profile **out, const struct customer_data *data) {
    uint32_t trait_count = data->playbook->trait_count;
    struct profile *profile = memory_calloc(1, sizeof *profile);
    if (profile == NULL) return STATUS_NO_MEMORY;
    profile->data = data;
    arena_init(&profile->scratch, SCRATCH_BYTES_MAX);
    profile->names = memory_calloc(1, sizeof *profile->names);
    related_init(&profile->related, data, profile->names);
    profile->values = memory_calloc(trait_count + 1, sizeof *profile->values);
    profile->friend_values = memory_calloc(trait_count + 1, sizeof *profile->friend_values);
    profile->friend_wants = memory_calloc(trait_count + 1, sizeof *profile->friend_wants);
    profile->of_treatment = memory_calloc(trait_count + 1, sizeof *profile->of_treatment);
    profile->limited = memory_calloc(trait_count + 1, sizeof *profile->limited);
    if (profile->values == NULL || profile->limited == NULL || profile->friend_values == NULL ||
        profile->friend_wants == NULL || profile->of_treatment == NULL || profile->names == NULL ||
        plan_plain(profile) != STATUS_OK ||
        by_treatment_create(&profile->by_treatment, data->playbook) != STATUS_OK) {
        profile_destroy(profile);
        return STATUS_NO_MEMORY;
    }
    for (uint32_t i = 0; i < trait_count; i++) {
        if (data->playbook->traits[i].of_treatment) {
            profile->of_treatment[profile->of_treatment_count++] = i;
        }
    }
    collect_needs(profile);
    profile->env = (struct expr_env){
        .traits = profile->values,
        .context = profile,
        .lookup = lookup_for,
        .lifetime = lifetime_for,
        .related = related_for,
        .related_trait = trait_of_friend,
        .scratch = &profile->scratch,
    };
    *out = profile;
    return STATUS_OK;
}

void profile_rest(struct profile *profile) {
    related_rest(&profile->related);
}

void profile_destroy(struct profile *profile) {
    if (profile == NULL) return;
    related_release(&profile->related);
    by_treatment_destroy(profile->by_treatment);
    arena_release(&profile->scratch);
    memory_free(profile->values);
    memory_free(profile->friend_values);
    memory_free(profile->friend_wants);
    memory_free(profile->of_treatment);
    memory_free(profile->limited);
    expr_plain_destroy(profile->plain);
    memory_free(profile->is_plain);
    memory_free(profile->names);
    memory_free(profile);
}

struct timeline_request profile_request(struct profile *profile, struct as_of as_of,
                                        bool all_times) {
    struct timeline_request request = {
        .as_of = as_of,
        .needs = profile->needs | (all_times ? TIMELINE_KNOWN | TIMELINE_PERSONA : 0u),
        .columns = profile->columns,
    };
    profile->related.request = request;
    memcpy(profile->related.columns, profile->columns, sizeof profile->columns);
    return request;
}

/* ---- values ---- */

/* Does it read a limited trait? An unknown value that reads a limited trait is limited, too. */
static bool reads_limited(const struct profile *profile, const struct expr_program *program) {
    uint32_t reads[PLAYBOOK_TRAITS_MAX];
    uint32_t count = expr_traits(program, reads, PLAYBOOK_TRAITS_MAX);
    for (uint32_t i = 0; i < count && i < PLAYBOOK_TRAITS_MAX; i++) {
        if (profile->limited[reads[i]]) return true;
    }
    return false;
}

/* Notes whether a limit caused the value, or made it unknown. */
static void note_limit(struct profile *profile, const struct expr_program *program,
                       struct value value, bool reached, bool *limited) {
    *limited = reached ||
               (profile->any_limited && !value_is_known(value) && reads_limited(profile, program));
    profile->any_limited |= *limited;
}

/* Evaluates against the present state. A list still needs its scratch afterwards, and so may a
 * text, such as the name of an event or channel that nobody declared. */
static struct value evaluate(struct profile *profile, const struct expr_program *program,
                             bool *limited) {
    struct arena_mark mark = arena_mark(&profile->scratch);
    profile->env.limit_reached = false;
    struct value value = expr_eval(program, &profile->env);
    if (value.type != VALUE_LIST && value.type != VALUE_TEXT) arena_rewind(&profile->scratch, mark);
    note_limit(profile, program, value, profile->env.limit_reached, limited);
    return value;
}

static bool is_wanted(const struct profile *profile, uint32_t trait) {
    return profile->wanted == NULL || profile->wanted[trait];
}

void profile_want(const struct expr_program *program, bool *wanted) {
    uint32_t reads[PLAYBOOK_TRAITS_MAX];
    uint32_t count = program == NULL ? 0 : expr_traits(program, reads, PLAYBOOK_TRAITS_MAX);
    for (uint32_t i = 0; i < count && i < PLAYBOOK_TRAITS_MAX; i++) wanted[reads[i]] = true;
}

/* Traits read only earlier ones, so one pass from the last to the first finds all of them. */
void profile_want_read(const struct playbook *playbook, bool *wanted) {
    for (uint32_t i = playbook->trait_count; i-- > 0;) {
        if (wanted[i]) profile_want(playbook->traits[i].program, wanted);
    }
}

const struct value *profile_at(struct profile *profile, const struct timeline *timeline,
                               int64_t t_ms) {
    return profile_at_for(profile, timeline, t_ms, NULL);
}

const struct value *profile_at_for(struct profile *profile, const struct timeline *timeline,
                                   int64_t t_ms, const bool *wanted) {
    const struct playbook *playbook = profile->data->playbook;
    arena_clear(&profile->scratch);
    profile->env.timeline = timeline;
    profile->env.t_ms = t_ms;
    profile->env.attributes = NULL;
    profile->env.spans = &profile->spans;
    profile->spans.count = 0;
    profile->related.customer = timeline;
    profile->any_limited = profile->eval_limited = false;
    profile->wanted = wanted;
    by_treatment_forget(profile->by_treatment);
    memset(profile->limited, 0, playbook->trait_count * sizeof *profile->limited);
    bool together =
        expr_plain_eval(profile->plain, &profile->env, wanted, profile->values, profile->limited);
    for (uint32_t i = 0; i < playbook->trait_count; i++) {
        const struct trait *trait = &playbook->traits[i];
        if (trait->of_treatment || !is_wanted(profile, i))
            profile->values[i] = value_unknown();
        else if (!together || !profile->is_plain[i])
            profile->values[i] = evaluate(profile, trait->program, &profile->limited[i]);
        profile->any_limited |= profile->limited[i];
    }
    profile->treatment_mark = arena_mark(&profile->scratch);
    return profile->values;
}

bool profile_stands_at(const struct profile *profile, const struct timeline *timeline,
                       int64_t t_ms) {
    return profile->env.timeline == timeline && profile->env.t_ms == t_ms;
}

void profile_say(struct profile *profile, const struct value *context) {
    profile->env.context_values = context;
}

void profile_for_all(struct profile *profile, const struct treatment_set *treatments) {
    profile->env.attributes = NULL;
    by_treatment_answer(profile->by_treatment, &profile->env, treatments, profile->wanted);
}

bool profile_answers(const struct profile *profile, uint32_t trait, struct profile_answers *out) {
    for (uint32_t k = 0; k < profile->of_treatment_count; k++) {
        if (profile->of_treatment[k] != trait) continue;
        out->answers = by_treatment_answers(profile->by_treatment, k, &out->holders);
        return out->answers != NULL;
    }
    return false;
}

bool profile_reached_limit(const struct profile *profile) {
    return profile->any_limited || by_treatment_limited(profile->by_treatment);
}

/* Evaluates the k-th trait of a treatment, whose attributes are set. */
static void evaluate_of_treatment(struct profile *profile, uint32_t k,
                                  const struct treatment *treatment, bool answered) {
    uint32_t index = profile->of_treatment[k];
    const struct expr_program *program = profile->data->playbook->traits[index].program;
    const struct expr_answer *whole =
        answered ? by_treatment_whole(profile->by_treatment, k, treatment) : NULL;
    if (whole != NULL) {
        profile->values[index] = whole->value;
        note_limit(profile, program, whole->value, whole->limited, &profile->limited[index]);
        return;
    }
    profile->env.answers =
        answered ? by_treatment_parts(profile->by_treatment, k, treatment) : NULL;
    profile->values[index] = evaluate(profile, program, &profile->limited[index]);
    profile->env.answers = NULL;
}

const struct value *profile_with(struct profile *profile, const struct treatment *treatment) {
    arena_rewind(&profile->scratch, profile->treatment_mark);
    profile->env.attributes = treatment ? treatment->attributes : NULL;
    bool answered = treatment != NULL && by_treatment_has(profile->by_treatment, treatment);
    for (uint32_t k = 0; k < profile->of_treatment_count; k++) {
        uint32_t index = profile->of_treatment[k];
        profile->limited[index] = false;
        profile->values[index] = value_unknown();
        if (treatment != NULL && is_wanted(profile, index))
            evaluate_of_treatment(profile, k, treatment, answered);
    }
    return profile->values;
}

const struct value *profile_values(const struct profile *profile) {
    return profile->values;
}

struct value profile_eval(struct profile *profile, const struct expr_program *program) {
    return evaluate(profile, program, &profile->eval_limited);
}

bool profile_trait_limited(const struct profile *profile, uint32_t trait) {
    return profile->limited[trait];
}

bool profile_eval_limited(const struct profile *profile) {
    return profile->eval_limited;
}

bool profile_limited(const struct profile *profile) {
    return profile->any_limited;
}

struct value profile_eval_row(struct profile *profile, const struct expr_program *program,
                              uint32_t row, const struct timeline *timeline,
                              const struct treatment *treatment, int64_t t_ms) {
    struct expr_env env = profile->env;
    env.timeline = timeline;
    env.t_ms = t_ms;
    env.spans = NULL;
    env.attributes = treatment ? treatment->attributes : NULL;
    return expr_eval_row(program, &env, row);
}

struct value profile_eval_for(struct profile *profile, const struct expr_program *program,
                              const struct timeline *timeline, const struct treatment *treatment,
                              int64_t t_ms) {
    struct expr_env env = profile->env;
    env.timeline = timeline;
    env.t_ms = t_ms;
    env.spans = NULL;
    env.attributes = treatment ? treatment->attributes : NULL;
    return expr_eval(program, &env);
}

/* Takes the orders of a question, and answers nothing. */
static double take_orders(void *context, const struct expr_lifetime_question *question) {
    *(struct expr_orders *)context = *question->orders;
    return (double)NAN;
}

void profile_orders(struct profile *profile, uint32_t lifetime, const struct timeline *timeline,
                    int64_t t_ms, struct expr_orders *out) {
    *out = (struct expr_orders){0};
    struct expr_env env = {.timeline = timeline,
                           .t_ms = t_ms,
                           .context = out,
                           .lifetime = take_orders,
                           .scratch = &profile->scratch};
    if (timeline->truncated) return;
    (void)expr_eval(profile->data->playbook->lifetimes[lifetime].program, &env);
}

uint32_t profile_order_id(const struct profile *profile) {
    return symbol_find(profile->data->symbols, SYMBOL_PROPERTY, TEXT("order_id"));
}

struct symbols *profile_symbols(const struct profile *profile) {
    return profile->data->symbols;
}

static struct permission permission_of(const struct profile *profile,
                                       const struct timeline *timeline, int64_t t_ms) {
    return (struct permission){.data = profile->data,
                               .timeline = timeline,
                               .t_ms = t_ms,
                               .position = profile->related.request.as_of.position,
                               .names = profile->names};
}

struct value profile_consent(const struct profile *profile, const struct timeline *timeline,
                             int64_t t_ms, struct text purpose) {
    struct permission permission = permission_of(profile, timeline, t_ms);
    return consent_at(&permission, purpose);
}

struct value profile_opt_in(const struct profile *profile, const struct timeline *timeline,
                            int64_t t_ms, uint32_t channel, struct text programme,
                            struct text address) {
    struct permission permission = permission_of(profile, timeline, t_ms);
    return opt_in_at(&permission, channel, programme, address);
}
