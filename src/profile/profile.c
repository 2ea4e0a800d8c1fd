/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/profile.h"

#include "base/memory.h"
#include "profile/by_treatment.h"
#include "profile/consent.h"
#include "profile/related.h"

#define SCRATCH_BYTES_MAX (16u << 20)

struct profiler {
    const struct world *world;
    struct arena scratch;
    /* Where the memory of the customer's traits ends. The traits of each treatment start here, so
     * that equal treatments find equal room. */
    struct arena_mark treatment_mark;
    struct arena_mark friend_mark; /* where the memory ended when a relation's walk began */
    struct expr_env env;
    struct expr_spans spans;
    struct value *values;        /* by trait index */
    bool *limited;               /* by trait index: a limit made its value unknown */
    bool eval_limited;           /* profile_eval_limited */
    bool any_limited;            /* profile_limited */
    struct value *friend_values; /* the same, for the related customer at hand */
    bool *friend_wants;          /* by trait index: those that its trait reads */
    const bool *wanted;          /* by trait index; NULL: all */
    uint32_t *of_treatment;      /* traits of a treatment, in the order of computing */
    uint32_t of_treatment_count;
    struct by_treatment *by_treatment;
    struct related_walk related;
    uint64_t columns[TIMELINE_COLUMNS_MAX / 64];
    uint32_t needs;
};

static const struct lookup_table *lookup_for(void *context, uint32_t lookup, int64_t t_ms) {
    const struct world *world = ((struct profiler *)context)->world;
    return world->lookup ? world->lookup(world->context, lookup, t_ms) : NULL;
}

static enum status related_for(void *context, uint32_t relation, int64_t t_ms, uint64_t *cursor,
                               struct timeline *out) {
    struct profiler *profiler = context;
    /* What was computed for the friend before is no longer needed. */
    if (*cursor == 0)
        profiler->friend_mark = arena_mark(&profiler->scratch);
    else
        arena_rewind(&profiler->scratch, profiler->friend_mark);
    return related_next(&profiler->related, relation, t_ms, cursor, out);
}

static struct value evaluate_of_friend(struct profiler *profiler, const struct trait *trait,
                                       const struct timeline *timeline, int64_t t_ms) {
    if (trait->of_treatment || expr_uses_relation(trait->program)) return value_unknown();
    struct expr_env env = profiler->env;
    env.timeline = timeline;
    env.t_ms = t_ms;
    env.traits = profiler->friend_values;
    env.attributes = NULL;
    env.related = NULL;
    env.answers = NULL;
    env.spans = NULL;
    struct value value = expr_eval(trait->program, &env);
    profiler->env.limit_reached |= env.limit_reached;
    return value;
}

/* Evaluates a trait on a friend's timeline, and before it the traits that it reads, each once: a
 * trait reads only earlier ones. There is no second step along a relation, and no treatment. */
static struct value trait_of_friend(void *context, uint32_t index, const struct timeline *timeline,
                                    int64_t t_ms) {
    struct profiler *profiler = context;
    const struct trait *traits = profiler->world->playbook->traits;
    bool *wanted = profiler->friend_wants;
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
            profiler->friend_values[i] = evaluate_of_friend(profiler, &traits[i], timeline, t_ms);
    }
    return profiler->friend_values[index];
}

static void need(struct profiler *profiler, const struct expr_program *program) {
    if (program != NULL) expr_needs(program, profiler->columns, &profiler->needs);
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

static void collect_needs(struct profiler *profiler) {
    const struct playbook *playbook = profiler->world->playbook;
    for (uint32_t i = 0; i < playbook->trait_count; i++)
        need(profiler, playbook->traits[i].program);
    for (uint32_t i = 0; i < playbook->scenario_count; i++)
        need(profiler, playbook->scenarios[i].when);
    for (uint32_t i = 0; i < playbook->goal_count; i++) {
        need(profiler, playbook->goals[i].where);
        need(profiler, playbook->goals[i].until);
        need(profiler, playbook->goals[i].value);
    }
    for (uint32_t i = 0; i < playbook->action_count; i++) {
        const struct action *action = &playbook->actions[i];
        need(profiler, action->available);
        need(profiler, action->eligible);
        need(profiler, action->applicable);
        need(profiler, action->suitable);
    }
    profiler->needs |= TIMELINE_CHANNEL | TIMELINE_PACKED;
    if (asks_permission(playbook)) profiler->needs |= TIMELINE_PERSONA;
}

enum status profiler_create(struct profiler **out, const struct world *world) {
    uint32_t trait_count = world->playbook->trait_count;
    struct profiler *profiler = memory_calloc(1, sizeof *profiler);
    if (profiler == NULL) return STATUS_NO_MEMORY;
    profiler->world = world;
    arena_init(&profiler->scratch, SCRATCH_BYTES_MAX);
    related_init(&profiler->related, world);
    profiler->values = memory_calloc(trait_count + 1, sizeof *profiler->values);
    profiler->friend_values = memory_calloc(trait_count + 1, sizeof *profiler->friend_values);
    profiler->friend_wants = memory_calloc(trait_count + 1, sizeof *profiler->friend_wants);
    profiler->of_treatment = memory_calloc(trait_count + 1, sizeof *profiler->of_treatment);
    profiler->limited = memory_calloc(trait_count + 1, sizeof *profiler->limited);
    if (profiler->values == NULL || profiler->limited == NULL || profiler->friend_values == NULL ||
        profiler->friend_wants == NULL || profiler->of_treatment == NULL ||
        by_treatment_create(&profiler->by_treatment, world->playbook) != STATUS_OK) {
        profiler_destroy(profiler);
        return STATUS_NO_MEMORY;
    }
    for (uint32_t i = 0; i < trait_count; i++) {
        if (world->playbook->traits[i].of_treatment) {
            profiler->of_treatment[profiler->of_treatment_count++] = i;
        }
    }
    collect_needs(profiler);
    profiler->env = (struct expr_env){
        .traits = profiler->values,
        .context = profiler,
        .lookup = lookup_for,
        .related = related_for,
        .related_trait = trait_of_friend,
        .scratch = &profiler->scratch,
    };
    *out = profiler;
    return STATUS_OK;
}

void profiler_rest(struct profiler *profiler) {
    related_rest(&profiler->related);
}

void profiler_destroy(struct profiler *profiler) {
    if (profiler == NULL) return;
    related_release(&profiler->related);
    by_treatment_destroy(profiler->by_treatment);
    arena_release(&profiler->scratch);
    memory_free(profiler->values);
    memory_free(profiler->friend_values);
    memory_free(profiler->friend_wants);
    memory_free(profiler->of_treatment);
    memory_free(profiler->limited);
    memory_free(profiler);
}

struct timeline_request profiler_request(struct profiler *profiler, struct as_of as_of,
                                         bool all_times) {
    struct timeline_request request = {
        .as_of = as_of,
        .needs = profiler->needs | (all_times ? TIMELINE_KNOWN | TIMELINE_PERSONA : 0u),
        .columns = profiler->columns,
    };
    profiler->related.request = request;
    memcpy(profiler->related.columns, profiler->columns, sizeof profiler->columns);
    return request;
}

/* ---- values ---- */

/* Does it read a limited trait? An unknown value that reads a limited trait is limited, too. */
static bool reads_limited(const struct profiler *profiler, const struct expr_program *program) {
    uint32_t reads[PLAYBOOK_TRAITS_MAX];
    uint32_t count = expr_traits(program, reads, PLAYBOOK_TRAITS_MAX);
    for (uint32_t i = 0; i < count && i < PLAYBOOK_TRAITS_MAX; i++) {
        if (profiler->limited[reads[i]]) return true;
    }
    return false;
}

/* Notes whether a limit caused the value, or made it unknown. */
static void note_limit(struct profiler *profiler, const struct expr_program *program,
                       struct value value, bool reached, bool *limited) {
    *limited = reached || (profiler->any_limited && !value_is_known(value) &&
                           reads_limited(profiler, program));
    profiler->any_limited |= *limited;
}

/* Evaluates against the present state. A list still needs its scratch afterwards, and so may a
 * text, such as the name of an event or channel that nobody declared. */
static struct value evaluate(struct profiler *profiler, const struct expr_program *program,
                             bool *limited) {
    struct arena_mark mark = arena_mark(&profiler->scratch);
    profiler->env.limit_reached = false;
    struct value value = expr_eval(program, &profiler->env);
    if (value.type != VALUE_LIST && value.type != VALUE_TEXT)
        arena_rewind(&profiler->scratch, mark);
    note_limit(profiler, program, value, profiler->env.limit_reached, limited);
    return value;
}

static bool is_wanted(const struct profiler *profiler, uint32_t trait) {
    return profiler->wanted == NULL || profiler->wanted[trait];
}

const struct value *profile_at(struct profiler *profiler, const struct timeline *timeline,
                               int64_t t_ms) {
    return profile_at_for(profiler, timeline, t_ms, NULL);
}

const struct value *profile_at_for(struct profiler *profiler, const struct timeline *timeline,
                                   int64_t t_ms, const bool *wanted) {
    const struct playbook *playbook = profiler->world->playbook;
    arena_clear(&profiler->scratch);
    profiler->env.timeline = timeline;
    profiler->env.t_ms = t_ms;
    profiler->env.attributes = NULL;
    profiler->env.spans = &profiler->spans;
    profiler->spans.count = 0;
    profiler->related.customer = timeline;
    profiler->any_limited = profiler->eval_limited = false;
    profiler->wanted = wanted;
    by_treatment_forget(profiler->by_treatment);
    for (uint32_t i = 0; i < playbook->trait_count; i++) {
        const struct trait *trait = &playbook->traits[i];
        profiler->limited[i] = false;
        profiler->values[i] = trait->of_treatment || !is_wanted(profiler, i)
                                  ? value_unknown()
                                  : evaluate(profiler, trait->program, &profiler->limited[i]);
    }
    profiler->treatment_mark = arena_mark(&profiler->scratch);
    return profiler->values;
}

void profile_for_all(struct profiler *profiler, const struct treatment_set *treatments) {
    profiler->env.attributes = NULL;
    by_treatment_answer(profiler->by_treatment, &profiler->env, treatments, profiler->wanted);
}

bool profile_answers(const struct profiler *profiler, uint32_t trait, struct profile_answers *out) {
    for (uint32_t k = 0; k < profiler->of_treatment_count; k++) {
        if (profiler->of_treatment[k] != trait) continue;
        out->answers = by_treatment_answers(profiler->by_treatment, k, &out->holders);
        return out->answers != NULL;
    }
    return false;
}

bool profile_reached_limit(const struct profiler *profiler) {
    return profiler->any_limited || by_treatment_limited(profiler->by_treatment);
}

/* Evaluates the k-th trait of a treatment, whose attributes are set. */
static void evaluate_of_treatment(struct profiler *profiler, uint32_t k,
                                  const struct treatment *treatment, bool answered) {
    uint32_t index = profiler->of_treatment[k];
    const struct expr_program *program = profiler->world->playbook->traits[index].program;
    const struct expr_answer *whole =
        answered ? by_treatment_whole(profiler->by_treatment, k, treatment) : NULL;
    if (whole != NULL) {
        profiler->values[index] = whole->value;
        note_limit(profiler, program, whole->value, whole->limited, &profiler->limited[index]);
        return;
    }
    profiler->env.answers =
        answered ? by_treatment_parts(profiler->by_treatment, k, treatment) : NULL;
    profiler->values[index] = evaluate(profiler, program, &profiler->limited[index]);
    profiler->env.answers = NULL;
}

const struct value *profile_with(struct profiler *profiler, const struct treatment *treatment) {
    arena_rewind(&profiler->scratch, profiler->treatment_mark);
    profiler->env.attributes = treatment ? treatment->attributes : NULL;
    bool answered = treatment != NULL && by_treatment_has(profiler->by_treatment, treatment);
    for (uint32_t k = 0; k < profiler->of_treatment_count; k++) {
        uint32_t index = profiler->of_treatment[k];
        profiler->limited[index] = false;
        profiler->values[index] = value_unknown();
        if (treatment != NULL && is_wanted(profiler, index))
            evaluate_of_treatment(profiler, k, treatment, answered);
    }
    return profiler->values;
}

const struct value *profile_values(const struct profiler *profiler) {
    return profiler->values;
}

struct value profile_eval(struct profiler *profiler, const struct expr_program *program) {
    return evaluate(profiler, program, &profiler->eval_limited);
}

bool profile_trait_limited(const struct profiler *profiler, uint32_t trait) {
    return profiler->limited[trait];
}

bool profile_eval_limited(const struct profiler *profiler) {
    return profiler->eval_limited;
}

bool profile_limited(const struct profiler *profiler) {
    return profiler->any_limited;
}

struct value profile_eval_row(struct profiler *profiler, const struct expr_program *program,
                              uint32_t row, const struct timeline *timeline,
                              const struct treatment *treatment, int64_t t_ms) {
    struct expr_env env = profiler->env;
    env.timeline = timeline;
    env.t_ms = t_ms;
    env.spans = NULL;
    env.attributes = treatment ? treatment->attributes : NULL;
    return expr_eval_row(program, &env, row);
}

struct value profile_eval_for(struct profiler *profiler, const struct expr_program *program,
                              const struct timeline *timeline, const struct treatment *treatment,
                              int64_t t_ms) {
    struct expr_env env = profiler->env;
    env.timeline = timeline;
    env.t_ms = t_ms;
    env.spans = NULL;
    env.attributes = treatment ? treatment->attributes : NULL;
    return expr_eval(program, &env);
}

uint32_t profiler_order_id(const struct profiler *profiler) {
    return symbol_find(profiler->world->symbols, SYMBOL_PROPERTY, TEXT("order_id"));
}

struct symbols *profiler_symbols(const struct profiler *profiler) {
    return profiler->world->symbols;
}

static struct permission permission_of(const struct profiler *profiler,
                                       const struct timeline *timeline, int64_t t_ms) {
    return (struct permission){.world = profiler->world,
                               .timeline = timeline,
                               .t_ms = t_ms,
                               .position = profiler->related.request.as_of.position};
}

struct value profile_consent(const struct profiler *profiler, const struct timeline *timeline,
                             int64_t t_ms, struct text purpose) {
    struct permission permission = permission_of(profiler, timeline, t_ms);
    return consent_at(&permission, purpose);
}

struct value profile_opt_in(const struct profiler *profiler, const struct timeline *timeline,
                            int64_t t_ms, uint32_t channel, struct text programme,
                            struct text address) {
    struct permission permission = permission_of(profiler, timeline, t_ms);
    return opt_in_at(&permission, channel, programme, address);
}
