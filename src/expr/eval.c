/* SPDX-License-Identifier: Apache-2.0 */
#include "expr/eval.h"

#include <assert.h>

#include "event/packed.h"
#include "event/dark.h"
#include "expr/keyed.h"

#define IS_NO(value)  ((value).type == VALUE_YES_NO && !(value).yes)
#define IS_YES(value) ((value).type == VALUE_YES_NO && (value).yes)

/* Makes a value unknown that has another type than was declared: whoever gave it may have erred. */
static inline struct value of_type(struct value value, uint8_t type) {
    return value.type == type ? value : value_unknown();
}

static const struct value unknown_value = {.type = VALUE_UNKNOWN};

/* Returns the trait's value; that of a related customer is written to *theirs. In this file values
 * go by pointer: a copy of parts that were just written would wait for the processor's store
 * buffer. */
static inline const struct value *trait_value(struct eval *eval, uint32_t index,
                                              struct value *theirs) {
    struct expr_env *env = eval->env;
    if (!eval->in_related) return env->traits ? &env->traits[index] : &unknown_value;
    if (!env->related_trait) return &unknown_value;
    *theirs = env->related_trait(env->context, index, eval->timeline, env->t_ms);
    return theirs;
}

/* Returns no as 0, unknown as 1, yes as 2, so that `and` is the least and `or` the greatest. It has
 * no branches, since the processor can't guess how a condition comes out. */
static inline unsigned three(const struct value *value) {
    return value->type == VALUE_UNKNOWN ? 1u : 2u * value->yes;
}

static const struct value of_three[3] = {{.type = VALUE_YES_NO, .yes = false},
                                         {.type = VALUE_UNKNOWN},
                                         {.type = VALUE_YES_NO, .yes = true}};

static inline const struct value *both(const struct value *a, const struct value *b) {
    unsigned x = three(a), y = three(b);
    return &of_three[x < y ? x : y];
}

static inline const struct value *either(const struct value *a, const struct value *b) {
    unsigned x = three(a), y = three(b);
    return &of_three[x > y ? x : y];
}

static struct value compared(struct eval *eval, enum operator op, struct value a, struct value b) {
    if (!value_is_known(a) || !value_is_known(b)) return value_unknown();
    bool unknown;
    int order = function_compare(eval, a, b, &unknown);
    return unknown ? value_unknown() : value_yes_no(function_compares(op, order));
}

/* For each operator, the orders for which it holds: less 1, equal 2, greater 4. */
static const uint8_t holding_orders[] = {
    [OP_EQUAL] = 2,      [OP_NOT_EQUAL] = 5, [OP_LESS] = 1,
    [OP_LESS_EQUAL] = 3, [OP_GREATER] = 4,   [OP_GREATER_EQUAL] = 6};

static inline const struct value *compared_numbers(uint8_t op, const struct value *a,
                                                   const struct value *b) {
    unsigned less = a->number<b->number, greater = a->number> b->number;
    unsigned order = less | greater << 2 | (less | greater ? 0u : 2u);
    bool known = (a->type == VALUE_NUMBER) & (b->type == VALUE_NUMBER);
    return &of_three[known ? ((holding_orders[op] & order) != 0) * 2u : 1u];
}

static struct value minus(struct value value) {
    if (value.type == VALUE_NUMBER) {
        value.number = -value.number;
    } else if (value.minor == INT64_MIN) {
        return value_unknown();
    } else {
        value.minor = -value.minor;
    }
    return value;
}

static struct value least(struct eval *eval, struct value a, struct value b, bool greatest) {
    if (!value_is_known(a) || !value_is_known(b)) return value_unknown();
    bool unknown;
    int order = function_compare(eval, a, b, &unknown);
    if (unknown) return value_unknown();
    return (order > 0) == greatest ? a : b;
}

/* ---- rows, lookups, attributes ---- */

/* Returns the row's own word for an event or channel that nobody declared. The packed bytes live
 * until the next row's are read, so the word is copied. */
static struct value own_word(const struct eval *eval, bool of_event) {
    const struct timeline *timeline = eval->timeline;
    struct arena *scratch = eval->env->scratch;
    struct text packed;
    if (scratch == NULL || timeline->ops->packed(timeline, eval->row, &packed) != STATUS_OK)
        return value_unknown();
    struct text word = of_event ? dark_event_name(packed) : dark_channel_word(packed);
    if (word.length > 0) word = arena_text(scratch, word);
    return word.at != NULL && word.length > 0 ? value_text(word) : value_unknown();
}

static struct value row_value(const struct eval *eval, enum reference reference) {
    const struct timeline *timeline = eval->timeline;
    const struct symbols *symbols = eval->program->symbols;
    uint32_t row = eval->row;
    switch (reference) {
    case REFERENCE_TIME: return value_time(timeline->time_ms[row]);
    case REFERENCE_EVENT:
        if (timeline->type[row] == EVENT_UNDECLARED) return own_word(eval, true);
        return value_text(symbol_text(symbols, SYMBOL_EVENT, timeline->type[row]));
    case REFERENCE_CHANNEL:
        if (!timeline->channel) return value_unknown();
        if (timeline->channel[row] == CHANNEL_UNDECLARED) return own_word(eval, false);
        return value_text(symbol_text(symbols, SYMBOL_CHANNEL, timeline->channel[row]));
    case REFERENCE_SOURCE:
        if (!timeline->source) return value_unknown();
        return value_text(symbol_text(symbols, SYMBOL_SOURCE, timeline->source[row]));
    default: return value_unknown();
    }
}

static struct value looked_up(struct eval *eval, const struct lookup_use *use, struct value key) {
    struct expr_env *env = eval->env;
    uint32_t row, count;
    if (!value_is_known(key) || !env->lookup) return value_unknown();
    const struct lookup_table *table = env->lookup(env->context, use->lookup, env->t_ms);
    if (!table || !lookup_find(table, &key, &row, &count)) return value_unknown();
    return of_type(lookup_cell(table, row, use->field), (uint8_t)use->type);
}

static const struct expr_attribute *attribute_at(const struct eval *eval, uint32_t index) {
    static const struct expr_attribute none = {0};
    return eval->env->attributes ? &eval->env->attributes[index] : &none;
}

static struct value context_value(const struct eval *eval, uint32_t index, uint8_t type) {
    const struct value *values = eval->env->context_values;
    return values != NULL ? of_type(values[index], type) : value_unknown();
}

static struct value in_attribute(const struct eval *eval, uint32_t index, struct value item) {
    const struct expr_attribute *attribute = attribute_at(eval, index);
    if (!value_is_known(item)) return item;
    if (attribute->set) return value_yes_no(value_set_contains(attribute->set, item));
    return function_in_list(item, attribute->value);
}

static struct value attribute_length(const struct eval *eval, uint32_t index) {
    const struct expr_attribute *attribute = attribute_at(eval, index);
    if (attribute->set) return value_number(value_set_count(attribute->set));
    return attribute->value.type == VALUE_LIST ? value_number(list_count(attribute->value))
                                               : value_unknown();
}

#define LINEAR_MAX 8

static struct value in_constants(const struct constant_set *set, struct value item) {
    if (!value_is_known(item)) return item;
    if (set->count <= LINEAR_MAX || item.type == VALUE_MONEY) {
        for (uint32_t i = 0; i < set->count; i++) {
            if (value_equal(set->values[i], item)) return value_yes_no(true);
        }
        return value_yes_no(false);
    }
    uint32_t low = 0, count = set->count;
    while (count > 0) {
        uint32_t half = count / 2;
        int order = value_compare(set->values[low + half], item);
        if (order == 0) return value_yes_no(true);
        low = order < 0 ? low + half + 1 : low;
        count = order < 0 ? count - half - 1 : half;
    }
    return value_yes_no(false);
}

/* Judges one candidate of `x in [a, b]`. */
static struct value candidate(struct value item, struct value so_far,
                              struct value candidate_value) {
    bool known = value_is_known(item) && value_is_known(candidate_value);
    struct value is_same =
        known ? value_yes_no(function_same(item, candidate_value)) : value_unknown();
    return *either(&so_far, &is_same);
}

/* ---- relations ---- */

static struct value related(struct eval *eval, const struct relation_use *use,
                            enum related_kind kind) {
    struct expr_env *env = eval->env;
    if (!env->related) return value_unknown();
    uint64_t cursor = 0;
    uint32_t yes = 0;
    bool unknown = false;
    struct timeline timeline;
    struct eval theirs = {
        .program = eval->program, .env = env, .timeline = &timeline, .in_related = true};
    enum status status;
    for (uint32_t seen = 0; (status = env->related(env->context, use->relation, env->t_ms, &cursor,
                                                   &timeline)) == STATUS_OK;
         seen++) {
        if (seen == EXPR_RELATED_MAX_DEFAULT) return eval_limit(eval);
        struct value value = eval_run(&theirs, use->code);
        if (IS_YES(value) && kind == RELATED_ANY) return value;
        yes += IS_YES(value);
        unknown = unknown || !value_is_known(value);
    }
    if (status != STATUS_END) return eval_limit(eval);
    if (kind == RELATED_COUNT) return value_number(yes);
    return unknown ? value_unknown() : value_yes_no(false);
}

/* ---- aggregates ---- */

static struct value aggregate_value(struct eval *eval, uint32_t index) {
    struct expr_env *env = eval->env;
    const struct expr_answer *answer =
        env->answers != NULL && !eval->in_related ? env->answers[index] : NULL;
    if (answer == NULL) return aggregate_eval(eval, &eval->program->aggregates[index]);
    env->limit_reached |= answer->limited;
    return answer->value;
}

/* ---- the machine ---- */

/* Does the operations that cost more than a handful of instructions, so that the loop below stays
 * small. */
static struct value *slow_operation(struct eval *eval, struct operation operation,
                                    struct value *top) {
    const struct expr_program *program = eval->program;
    switch ((enum code)operation.code) {
    case CODE_CONTEXT: *++top = context_value(eval, operation.index, operation.small); break;
    case CODE_ITEM: *++top = of_type(eval->items->field[operation.index], operation.small); break;
    case CODE_LOOKUP: *top = looked_up(eval, &program->lookups[operation.index], *top); break;
    case CODE_ROW: *++top = row_value(eval, (enum reference)operation.small); break;
    case CODE_ARITHMETIC:
        top--;
        *top = function_arithmetic(eval, (enum operator)operation.small, top[0], top[1]);
        break;
    case CODE_MINUS: *top = minus(*top); break;
    case CODE_CALL: *top = function_call(eval, (enum function)operation.small, *top); break;
    case CODE_LEAST:
        top--;
        *top = least(eval, top[0], top[1], operation.small);
        break;
    case CODE_TEXT_TEST:
        top--;
        *top = function_text_test((enum operator)operation.small, top[0], top[1]);
        break;
    case CODE_IN:
        top--;
        *top = function_in_list(top[0], top[1]);
        break;
    case CODE_IN_ATTRIBUTE: *top = in_attribute(eval, operation.index, *top); break;
    case CODE_IN_CONSTANTS: *top = in_constants(&program->sets[operation.index], *top); break;
    case CODE_IN_STEP:
        top--;
        *top = candidate(top[-1], top[0], top[1]);
        break;
    case CODE_IN_BEGIN: *++top = of_three[0]; break;
    case CODE_IN_END:
        top--;
        *top = top[1];
        break;
    case CODE_ATTRIBUTE_LENGTH: *++top = attribute_length(eval, operation.index); break;
    case CODE_ATTRIBUTE_KNOWN:
        *++top = value_yes_no(value_is_known(attribute_length(eval, operation.index)));
        break;
    case CODE_AGGREGATE: *++top = aggregate_value(eval, operation.index); break;
    case CODE_RELATED:
        *++top =
            related(eval, &program->relations[operation.index], (enum related_kind)operation.small);
        break;
    default: *++top = value_unknown(); break;
    }
    return top;
}

struct value eval_run(struct eval *eval, uint32_t start) {
    const struct expr_program *program = eval->program;
    const struct operation *code = program->code, *at = code + start;
    struct value stack[EXPR_STACK_MAX + 1], *top = stack, theirs; /* stack[0] is never read */
    const struct value *from;
    for (;; at++) {
        switch ((enum code)at->code) {
        case CODE_END: return *top;
        case CODE_CONSTANT: *++top = program->constants[at->index]; break;
        case CODE_NOW: *++top = value_time(eval->env->t_ms); break;
        case CODE_TRAIT:
            from = trait_value(eval, at->index, &theirs);
            *++top = *(from->type == at->small ? from : &unknown_value);
            break;
        case CODE_TRAIT_NUMBER:
            from = trait_value(eval, at->index, &theirs);
            *++top = *compared_numbers(at->small, from, &program->constants[at[1].index]);
            at++;
            break;
        case CODE_ATTRIBUTE:
            *++top = of_type(attribute_at(eval, at->index)->value, at->small);
            break;
        case CODE_PROPERTY:
            *++top =
                column_value(eval_column(eval, at->index), (enum value_type)at->small, eval->row);
            break;
        case CODE_POP: top--; break;
        case CODE_JUMP: at = code + at->index - 1; break;
        case CODE_JUMP_IF_NO:
            if (IS_NO(*top)) at = code + at->index - 1;
            break;
        case CODE_JUMP_IF_YES:
            if (IS_YES(*top)) at = code + at->index - 1;
            break;
        case CODE_JUMP_IF_KNOWN:
            if (value_is_known(*top)) at = code + at->index - 1;
            break;
        case CODE_JUMP_IF_UNKNOWN:
            if (!value_is_known(*top)) at = code + at->index - 1;
            break;
        case CODE_JUMP_UNLESS:
            if (!(top--)->yes) at = code + at->index - 1;
            break;
        case CODE_NOT:
            if (top->type == VALUE_YES_NO) top->yes = !top->yes;
            break;
        case CODE_AND:
            top--;
            *top = *both(&top[0], &top[1]);
            break;
        case CODE_OR:
            top--;
            *top = *either(&top[0], &top[1]);
            break;
        case CODE_COMPARE:
            top--;
            *top = compared(eval, (enum operator)at->small, top[0], top[1]);
            break;
        case CODE_COMPARE_NUMBER:
            top--;
            *top = *compared_numbers(at->small, &top[0], &top[1]);
            break;
        case CODE_IS_KNOWN: *top = of_three[2 * value_is_known(*top)]; break;
        default: top = slow_operation(eval, *at, top); break;
        }
    }
}

struct value expr_eval(const struct expr_program *program, struct expr_env *env) {
    assert(!program->is_row);
    struct eval eval = {.program = program, .env = env, .timeline = env->timeline};
    if (program->single_aggregate != UINT32_MAX)
        return aggregate_value(&eval, program->single_aggregate);
    return eval_run(&eval, 0);
}

struct value expr_eval_row(const struct expr_program *program, struct expr_env *env, uint32_t row) {
    assert(program->is_row && row < env->timeline->count);
    struct eval eval = {.program = program, .env = env, .timeline = env->timeline, .row = row};
    return eval_run(&eval, 0);
}
