/* SPDX-License-Identifier: Apache-2.0 */
#include "expr/compile.h"

#include <stdlib.h>

#include "base/memory.h"
#include "expr/check.h"
#include "expr/lexer.h"
#include "expr/parser.h"
#include "event/packed.h"
#include "event/timeline_source.h"

/* An array that grows while compiling and is copied into the arena at the end. */
struct growing {
    void *items;
    size_t capacity;
    uint32_t count;
};

struct emitter {
    struct arena *arena;
    const struct expr_schema *schema;
    struct text source;
    struct expr_error *error;
    struct expr_program *program;
    const struct selector *row; /* of a row program */
    const struct selector *in;  /* the selector whose `where` is being emitted */
    uint32_t *item_fields;      /* of its aggregate; ITEM_FIELDS_MAX of them */
    uint32_t *item_field_count;
    struct growing code, constants, aggregates, lookups, relations, sets, uses, traits;
    uint32_t depth; /* values on the stack */
    /* Parts that are emitted behind the main code once it is done; `keys` come behind all of them.
     */
    struct growing parts, keys;
    bool in_relation;
};

struct part {
    const struct node *node;
    const struct selector *selector; /* NULL: a relation's condition */
    uint32_t index;                  /* of the aggregate or relation that runs it */
};

/* The key of an aggregate, and what else its `where` asks. */
struct key_part {
    const struct selector *selector;
    uint32_t aggregate;
    const struct node *key, *rest;
};

static enum status emit(struct emitter *emitter, const struct node *node);

static enum status push(struct growing *array, size_t item_bytes, const void *item) {
    enum status status =
        memory_grow(&array->items, &array->capacity, (size_t)array->count + 1, item_bytes);
    if (status != STATUS_OK) return status;
    memcpy((char *)array->items + array->count * item_bytes, item, item_bytes);
    array->count++;
    return STATUS_OK;
}

/* Copies the array into the arena; NULL, and *status set, without memory. */
static const void *keep(struct emitter *emitter, const struct growing *array, size_t item_bytes,
                        enum status *status) {
    if (*status != STATUS_OK) return NULL;
    void *copy = arena_alloc(emitter->arena, array->count * item_bytes);
    if (!copy) *status = STATUS_NO_MEMORY;
    if (copy && array->count) memcpy(copy, array->items, array->count * item_bytes);
    return copy;
}

/* ---- single operations ---- */

static enum status too_long(struct emitter *emitter, uint32_t at) {
    return expr_fail(emitter->error, emitter->source, at, STATUS_LIMIT,
                     "the expression is too long (over %d operations): make parts of it traits",
                     EXPR_CODE_MAX);
}

/* Emits an operation. `grows`: how many more values are on the stack afterwards. */
static enum status op(struct emitter *emitter, enum code code, int small, uint32_t index,
                      int grows) {
    if (emitter->code.count >= EXPR_CODE_MAX) return too_long(emitter, 0);
    emitter->depth = (uint32_t)((int)emitter->depth + grows);
    if (emitter->depth > EXPR_STACK_MAX) return too_long(emitter, 0);
    struct operation operation = {(uint8_t)code, (uint8_t)small, index};
    return push(&emitter->code, sizeof operation, &operation);
}

static struct operation *operation_at(struct emitter *emitter, uint32_t at) {
    return (struct operation *)emitter->code.items + at;
}

/* Emits a jump whose target land() sets later. */
static enum status jump(struct emitter *emitter, enum code code, int grows, uint32_t *at) {
    *at = emitter->code.count;
    return op(emitter, code, 0, 0, grows);
}

static void land(struct emitter *emitter, uint32_t at) {
    operation_at(emitter, at)->index = emitter->code.count;
}

static enum status constant(struct emitter *emitter, struct value value) {
    enum status status = op(emitter, CODE_CONSTANT, 0, emitter->constants.count, 1);
    return status == STATUS_OK ? push(&emitter->constants, sizeof value, &value) : status;
}

/* ---- what the program uses ---- */

static enum status add_use(struct emitter *emitter, uint32_t event_type, uint32_t property,
                           int64_t window_ms) {
    const struct expr_use *uses = emitter->uses.items;
    for (uint32_t i = 0; i < emitter->uses.count; i++) {
        if (uses[i].event_type == event_type && uses[i].property == property &&
            uses[i].window_ms == window_ms)
            return STATUS_OK;
    }
    struct expr_use use = {event_type, property, window_ms};
    return push(&emitter->uses, sizeof use, &use);
}

static int64_t window_of(const struct selector *selector) {
    if (selector->window == WINDOW_VISITS) return -(int64_t)selector->visits;
    return selector->window == WINDOW_DURATION ? selector->window_ms + selector->ending_ms : 0;
}

static enum status use_events(struct emitter *emitter, const struct selector *selector,
                              uint32_t property) {
    if (selector->kind != SELECT_EVENTS)
        return add_use(emitter, SYMBOL_NONE, property, window_of(selector));
    enum status status = STATUS_OK;
    for (uint32_t i = 0; status == STATUS_OK && i < selector->event_count; i++) {
        status = add_use(emitter, selector->events[i].type, property, window_of(selector));
    }
    return status;
}

static void use_column(struct emitter *emitter, uint32_t column) {
    emitter->program->columns[column / 64] |= UINT64_C(1) << (column % 64);
}

static enum status use_trait(struct emitter *emitter, uint32_t trait) {
    const uint32_t *traits = emitter->traits.items;
    for (uint32_t i = 0; i < emitter->traits.count; i++) {
        if (traits[i] == trait) return STATUS_OK;
    }
    return push(&emitter->traits, sizeof trait, &trait);
}

/* ---- names ---- */

static enum status emit_lookup(struct emitter *emitter, const struct node *node) {
    enum status status = emit(emitter, node->first);
    if (status != STATUS_OK) return status;
    struct lookup_use use = {node->index, node->lookup_field, (enum value_type)node->type};
    status = op(emitter, CODE_LOOKUP, 0, emitter->lookups.count, 0);
    return status == STATUS_OK ? push(&emitter->lookups, sizeof use, &use) : status;
}

static enum status emit_property(struct emitter *emitter, const struct node *node) {
    use_column(emitter, node->index);
    const struct selector *selector = emitter->in ? emitter->in : emitter->row;
    enum status status =
        use_events(emitter, selector, emitter->schema->columns->columns[node->index].property);
    return status == STATUS_OK ? op(emitter, CODE_PROPERTY, node->type, node->index, 1) : status;
}

/* Returns the index of a field among those that the aggregate reads of each item. */
static enum status item_field(struct emitter *emitter, uint32_t *fields, uint32_t *count,
                              uint32_t symbol, uint32_t place, uint32_t *index) {
    for (*index = 0; *index < *count; ++*index) {
        if (fields[*index] == symbol) return STATUS_OK;
    }
    if (*count == ITEM_FIELDS_MAX) {
        return expr_fail(emitter->error, emitter->source, place, STATUS_LIMIT,
                         "more than %d fields of a list's items in one aggregate", ITEM_FIELDS_MAX);
    }
    fields[(*count)++] = symbol;
    return STATUS_OK;
}

static enum status emit_item(struct emitter *emitter, const struct node *node) {
    uint32_t index;
    enum status status = item_field(emitter, emitter->item_fields, emitter->item_field_count,
                                    node->index, node->start, &index);
    return status == STATUS_OK ? op(emitter, CODE_ITEM, node->type, index, 1) : status;
}

static enum status emit_name(struct emitter *emitter, const struct node *node) {
    enum status status;
    switch ((enum reference)node->reference) {
    case REFERENCE_TRAIT:
        compile_note_trait(emitter->program, node);
        status = use_trait(emitter, node->index);
        return status == STATUS_OK ? op(emitter, CODE_TRAIT, node->type, node->index, 1) : status;
    case REFERENCE_ATTRIBUTE:
        emitter->program->uses_treatment = true;
        return op(emitter, CODE_ATTRIBUTE, node->type, node->index, 1);
    case REFERENCE_CONTEXT:
        emitter->program->uses_context = true;
        return op(emitter, CODE_CONTEXT, node->type, node->index, 1);
    case REFERENCE_PROPERTY: return emit_property(emitter, node);
    case REFERENCE_ITEM: return emit_item(emitter, node);
    case REFERENCE_LOOKUP: return emit_lookup(emitter, node);
    /* A channel or event that nobody declared has its word in the packed properties. */
    case REFERENCE_CHANNEL: emitter->program->needs |= TIMELINE_CHANNEL | TIMELINE_PACKED; break;
    case REFERENCE_SOURCE: emitter->program->needs |= TIMELINE_SOURCE; break;
    case REFERENCE_EVENT: emitter->program->needs |= TIMELINE_PACKED; break;
    case REFERENCE_TIME: break;
    }
    return op(emitter, CODE_ROW, node->reference, 0, 1);
}

/* ---- lists ---- */

static int compare_values(const void *a, const void *b) {
    return value_compare(*(const struct value *)a, *(const struct value *)b);
}

static bool all_literals(const struct node *list) {
    for (const struct node *child = list->first; child; child = child->next) {
        if (child->kind != NODE_LITERAL) return false;
    }
    return true;
}

static enum status emit_constant_set(struct emitter *emitter, const struct node *list) {
    uint32_t count = 0;
    for (const struct node *child = list->first; child; child = child->next) count++;
    struct value *values = arena_alloc(emitter->arena, (count + 1) * sizeof(*values));
    if (!values) return STATUS_NO_MEMORY;
    count = 0;
    for (const struct node *child = list->first; child; child = child->next)
        values[count++] = child->literal;
    qsort(values, count, sizeof(*values), compare_values);
    struct constant_set set = {values, count};
    enum status status = op(emitter, CODE_IN_CONSTANTS, 0, emitter->sets.count, 0);
    return status == STATUS_OK ? push(&emitter->sets, sizeof set, &set) : status;
}

/* Emits `x in [a, action.b]`, one candidate after the other. */
static enum status emit_candidates(struct emitter *emitter, const struct node *list) {
    enum status status = op(emitter, CODE_IN_BEGIN, 0, 0, 1);
    for (const struct node *child = list->first; status == STATUS_OK && child;
         child = child->next) {
        status = emit(emitter, child);
        if (status == STATUS_OK) status = op(emitter, CODE_IN_STEP, 0, 0, -1);
    }
    return status == STATUS_OK ? op(emitter, CODE_IN_END, 0, 0, -1) : status;
}

/* Makes a value of a list of literals: packed, in the arena. */
static enum status emit_list(struct emitter *emitter, const struct node *node) {
    struct packed_list list;
    struct value value = value_unknown();
    enum status status = STATUS_OK;
    packed_list_init(&list);
    packed_list_begin(&list);
    for (const struct node *child = node->first; status == STATUS_OK && child;
         child = child->next) {
        status = packed_list_add(&list, child->literal);
    }
    if (status == STATUS_OK) status = packed_list_end(&list, &value);
    if (status == STATUS_OK) {
        value.text = arena_text(emitter->arena, value.text);
        if (!value.text.at) status = STATUS_NO_MEMORY;
    }
    packed_list_release(&list);
    return status == STATUS_OK ? constant(emitter, value) : status;
}

static bool is_attribute_list(const struct node *node) {
    return node->kind == NODE_NAME && node->reference == REFERENCE_ATTRIBUTE &&
           node->type == VALUE_LIST;
}

static enum status emit_member(struct emitter *emitter, const struct node *item,
                               const struct node *list) {
    enum status status = emit(emitter, item);
    if (status != STATUS_OK) return status;
    if (is_attribute_list(list)) {
        emitter->program->uses_treatment = true;
        return op(emitter, CODE_IN_ATTRIBUTE, 0, list->index, 0);
    }
    if (list->kind == NODE_LIST)
        return all_literals(list) ? emit_constant_set(emitter, list)
                                  : emit_candidates(emitter, list);
    status = emit(emitter, list);
    return status == STATUS_OK ? op(emitter, CODE_IN, 0, 0, -1) : status;
}

/* ---- operators and functions ---- */

/* Does computing the node cost less than a jump over it that the processor guesses wrong? */
static bool is_cheap(const struct node *node) {
    if (node->kind == NODE_NAME)
        return node->reference == REFERENCE_TRAIT || node->reference == REFERENCE_ATTRIBUTE ||
               node->reference == REFERENCE_CONTEXT;
    if (node->kind == NODE_LITERAL || node->kind == NODE_NOW) return true;
    bool simple = node->kind == NODE_NOT || node->kind == NODE_IS ||
                  (node->kind == NODE_COMPARE && node->first->type == VALUE_NUMBER);
    for (const struct node *child = node->first; simple && child; child = child->next)
        simple = is_cheap(child);
    return simple;
}

static enum status emit_chain(struct emitter *emitter, const struct node *node) {
    bool is_and = node->kind == NODE_AND;
    struct growing jumps = {0};
    enum status status = emit(emitter, node->first);
    for (const struct node *child = node->first->next; status == STATUS_OK && child;
         child = child->next) {
        if (!is_cheap(child)) {
            uint32_t at;
            status = jump(emitter, is_and ? CODE_JUMP_IF_NO : CODE_JUMP_IF_YES, 0, &at);
            if (status == STATUS_OK) status = push(&jumps, sizeof at, &at);
        }
        if (status == STATUS_OK) status = emit(emitter, child);
        if (status == STATUS_OK) status = op(emitter, is_and ? CODE_AND : CODE_OR, 0, 0, -1);
    }
    for (uint32_t i = 0; status == STATUS_OK && i < jumps.count; i++)
        land(emitter, ((uint32_t *)jumps.items)[i]);
    memory_free(jumps.items);
    return status;
}

static bool is_number_literal(const struct node *node) {
    return node->kind == NODE_LITERAL && node->literal.type == VALUE_NUMBER;
}

/* Emits `trait >= 4`, the commonest condition of all, as one operation. */
static enum status emit_trait_number(struct emitter *emitter, const struct node *node) {
    enum status status = use_trait(emitter, node->first->index);
    compile_note_trait(emitter->program, node->first);
    if (status == STATUS_OK)
        status = op(emitter, CODE_TRAIT_NUMBER, node->op, node->first->index, 0);
    return status == STATUS_OK ? constant(emitter, node->first->next->literal) : status;
}

static enum status emit_compare(struct emitter *emitter, const struct node *node) {
    const struct node *left = node->first, *right = left->next;
    bool is_trait =
        left->kind == NODE_NAME && left->reference == REFERENCE_TRAIT && left->type == VALUE_NUMBER;
    if (is_trait && is_number_literal(right)) return emit_trait_number(emitter, node);
    enum status status = emit(emitter, left);
    if (status == STATUS_OK) status = emit(emitter, right);
    enum code code = left->type == VALUE_NUMBER ? CODE_COMPARE_NUMBER : CODE_COMPARE;
    return status == STATUS_OK ? op(emitter, code, node->op, 0, -1) : status;
}

/* Emits if(c, a, b). An unknown condition stays on the stack as the result. */
static enum status emit_if(struct emitter *emitter, const struct node *node) {
    const struct node *condition = node->first, *yes = condition->next, *no = yes->next;
    uint32_t unknown, otherwise, end;
    enum status status = emit(emitter, condition);
    if (status == STATUS_OK) status = jump(emitter, CODE_JUMP_IF_UNKNOWN, 0, &unknown);
    if (status == STATUS_OK) status = jump(emitter, CODE_JUMP_UNLESS, -1, &otherwise);
    if (status == STATUS_OK) status = emit(emitter, yes);
    if (status == STATUS_OK) status = jump(emitter, CODE_JUMP, -1, &end);
    if (status != STATUS_OK) return status;
    land(emitter, otherwise);
    status = emit(emitter, no);
    land(emitter, unknown);
    land(emitter, end);
    return status;
}

static enum status emit_otherwise(struct emitter *emitter, const struct node *node) {
    uint32_t jumps[16], count = 0;
    enum status status = emit(emitter, node->first);
    for (const struct node *child = node->first->next; status == STATUS_OK && child;
         child = child->next) {
        status = jump(emitter, CODE_JUMP_IF_KNOWN, 0, &jumps[count++]);
        if (status == STATUS_OK) status = op(emitter, CODE_POP, 0, 0, -1);
        if (status == STATUS_OK) status = emit(emitter, child);
    }
    for (uint32_t i = 0; status == STATUS_OK && i < count; i++) land(emitter, jumps[i]);
    return status;
}

static enum status emit_least(struct emitter *emitter, const struct node *node) {
    enum status status = emit(emitter, node->first);
    for (const struct node *child = node->first->next; status == STATUS_OK && child;
         child = child->next) {
        status = emit(emitter, child);
        if (status == STATUS_OK)
            status = op(emitter, CODE_LEAST, node->op == FUNCTION_GREATEST, 0, -1);
    }
    return status;
}

static enum status emit_call(struct emitter *emitter, const struct node *node) {
    if (node->op == FUNCTION_IF) return emit_if(emitter, node);
    if (node->op == FUNCTION_OTHERWISE) return emit_otherwise(emitter, node);
    if (node->op == FUNCTION_LEAST || node->op == FUNCTION_GREATEST)
        return emit_least(emitter, node);
    if (node->op == FUNCTION_LENGTH && is_attribute_list(node->first)) {
        emitter->program->uses_treatment = true;
        return op(emitter, CODE_ATTRIBUTE_LENGTH, 0, node->first->index, 1);
    }
    enum status status = emit(emitter, node->first);
    return status == STATUS_OK ? op(emitter, CODE_CALL, node->op, 0, 0) : status;
}

static enum status emit_is(struct emitter *emitter, const struct node *node) {
    enum status status;
    if (is_attribute_list(node->first)) {
        emitter->program->uses_treatment = true;
        status = op(emitter, CODE_ATTRIBUTE_KNOWN, 0, node->first->index, 1);
    } else {
        status = emit(emitter, node->first);
        if (status == STATUS_OK) status = op(emitter, CODE_IS_KNOWN, 0, 0, 0);
    }
    return status == STATUS_OK && node->op == OP_UNKNOWN ? op(emitter, CODE_NOT, 0, 0, 0) : status;
}

static enum status emit_two(struct emitter *emitter, const struct node *node, enum code code,
                            uint32_t index) {
    enum status status = emit(emitter, node->first);
    if (status == STATUS_OK) status = emit(emitter, node->first->next);
    return status == STATUS_OK ? op(emitter, code, node->op, index, -1) : status;
}

static enum status emit_one(struct emitter *emitter, const struct node *node, enum code code) {
    enum status status = emit(emitter, node->first);
    return status == STATUS_OK ? op(emitter, code, 0, 0, 0) : status;
}

/* ---- aggregates and relations ---- */

static int compare_types(const void *a, const void *b) {
    return (int)*(const uint16_t *)a - (int)*(const uint16_t *)b;
}

static enum status choose_rows(struct emitter *emitter, const struct selector *selector,
                               struct row_filter *rows) {
    *rows = (struct row_filter){.visits = selector->kind == SELECT_VISITS};
    if (selector->kind != SELECT_EVENTS) return STATUS_OK;
    rows->types = arena_alloc(emitter->arena, selector->event_count * sizeof(uint16_t));
    if (!rows->types) return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < selector->event_count; i++)
        rows->types[i] = (uint16_t)selector->events[i].type;
    qsort(rows->types, selector->event_count, sizeof(uint16_t), compare_types);
    for (uint32_t i = 0; i < selector->event_count; i++) {
        if (i == 0 || rows->types[i] != rows->types[rows->type_count - 1])
            rows->types[rows->type_count++] = rows->types[i];
    }
    return STATUS_OK;
}

/* Recognises `property op literal` and a bare yes/no property. */
static struct simple_where simple_where(const struct node *node) {
    struct simple_where simple = {.kind = SIMPLE_CODE};
    const struct node *left = node, *right = NULL;
    bool wanted = true;
    if (node->kind == NODE_NOT) {
        left = node->first;
        wanted = false;
    } else if (node->kind == NODE_COMPARE) {
        left = node->first;
        right = left->next;
    }
    if (left->kind != NODE_NAME || left->reference != REFERENCE_PROPERTY ||
        (right && right->kind != NODE_LITERAL))
        return simple;
    simple.column = left->index;
    simple.op = node->op;
    if (!right) {
        simple.kind = SIMPLE_YES_NO;
        simple.integer = wanted;
        return simple;
    }
    switch ((enum value_type)left->type) {
    case VALUE_TEXT:
        simple.text = right->literal.text;
        simple.kind = simple.op <= OP_NOT_EQUAL ? SIMPLE_TEXT : SIMPLE_CODE;
        break;
    case VALUE_NUMBER:
        simple.number = right->literal.number;
        simple.kind = SIMPLE_NUMBER;
        break;
    case VALUE_TIME:
    case VALUE_DURATION:
        simple.integer = right->literal.time_ms;
        simple.kind = SIMPLE_INTEGER;
        break;
    case VALUE_MONEY:
        simple.integer = right->literal.minor;
        simple.currency = right->literal.currency;
        simple.kind = SIMPLE_MONEY;
        break;
    case VALUE_YES_NO:
        simple.integer = (simple.op == OP_EQUAL) == right->literal.yes;
        simple.kind = SIMPLE_YES_NO;
        break;
    default: break;
    }
    return simple;
}

/* ---- keys ---- */

/* Makes an AND of all conjuncts but one; *rest is NULL where there are none. */
static enum status rest_of(struct emitter *emitter, const struct node *where,
                           const struct node *but, const struct node **rest) {
    struct node *root = arena_alloc(emitter->arena, sizeof *root), *last = NULL;
    *rest = NULL;
    if (root == NULL) return STATUS_NO_MEMORY;
    *root = *where;
    root->first = NULL;
    for (const struct node *child = where->first; child != NULL; child = child->next) {
        if (child == but) continue;
        struct node *copy = arena_alloc(emitter->arena, sizeof *copy);
        if (copy == NULL) return STATUS_NO_MEMORY;
        *copy = *child;
        copy->next = NULL;
        *(last != NULL ? &last->next : &root->first) = copy;
        last = copy;
    }
    *rest = root->first == last ? last : root;
    return STATUS_OK;
}

static bool may_be_keyed(const struct emitter *emitter, const struct aggregate *aggregate) {
    switch (aggregate->kind) {
    case AGGREGATE_DISTINCT:
    case AGGREGATE_LIST:
    case AGGREGATE_OVERDUE: return false;
    case AGGREGATE_COUNT:
    case AGGREGATE_SHARE: return !emitter->in_relation && !aggregate->rows.visits;
    default: return !emitter->in_relation;
    }
}

/* Plans the key of an aggregate whose `where` has one, where the rest of `where` is calm. */
static enum status plan_key(struct emitter *emitter, const struct selector *selector,
                            struct aggregate *aggregate) {
    const struct node *where = selector->where, *holder = NULL;
    struct key_part part = {selector, emitter->aggregates.count, NULL, NULL};
    uint32_t attribute = UINT32_MAX;
    bool is_and = where->kind == NODE_AND;
    if (!may_be_keyed(emitter, aggregate)) return STATUS_OK;
    for (const struct node *child = is_and ? where->first : where; child != NULL;
         child = is_and ? child->next : NULL) {
        const struct node *key = part.key == NULL ? compile_key_of(child, &attribute) : NULL;
        if (key == NULL && !compile_is_calm(child)) return STATUS_OK;
        if (key == NULL) continue;
        part.key = key;
        holder = child;
    }
    if (part.key == NULL) return STATUS_OK;
    enum status status = is_and ? rest_of(emitter, where, holder, &part.rest) : STATUS_OK;
    aggregate->key_attribute = attribute;
    aggregate->key_type = (enum value_type)part.key->type;
    if (part.key->reference == REFERENCE_PROPERTY) aggregate->key_column = part.key->index;
    return status == STATUS_OK ? push(&emitter->keys, sizeof part, &part) : status;
}

static enum status emit_aggregate(struct emitter *emitter, const struct node *node) {
    const struct selector *selector = node->selector;
    struct aggregate aggregate = {.kind = (enum aggregate_kind)node->op,
                                  .has_column = selector->property.length > 0,
                                  .has_field = selector->field.length > 0,
                                  .column = selector->column,
                                  .column_type = selector->property_type,
                                  .value_type = selector->value_type,
                                  .where_code = UINT32_MAX,
                                  .in_relation = emitter->in_relation,
                                  .key_attribute = UINT32_MAX,
                                  .key_column = UINT32_MAX,
                                  .key_code = UINT32_MAX,
                                  .rest_code = UINT32_MAX,
                                  .window = selector->window,
                                  .window_ms = selector->window_ms,
                                  .ending_ms = selector->ending_ms,
                                  .visits = selector->visits,
                                  .lifetime = node->index,
                                  .ahead_ms = selector->ahead_ms};
    bool is_list = aggregate.has_column && aggregate.column_type == VALUE_LIST;
    aggregate.iterates = is_list && selector->iterates;
    if (aggregate.iterates && !aggregate.has_field) aggregate.value_type = VALUE_UNKNOWN;
    uint32_t *fields =
        aggregate.iterates ? arena_alloc(emitter->arena, ITEM_FIELDS_MAX * sizeof(*fields)) : NULL;
    if (aggregate.iterates && !fields) return STATUS_NO_MEMORY;
    aggregate.item_fields = fields;
    if (aggregate.has_field) {
        fields[0] = selector->field_symbol;
        aggregate.item_field_count = 1; /* .field is 0 */
    }
    enum status status = choose_rows(emitter, selector, &aggregate.rows);
    if (status == STATUS_OK)
        status = use_events(emitter, selector,
                            aggregate.has_column ? selector->property_symbol : SYMBOL_NONE);
    if (status != STATUS_OK) return status;
    if (aggregate.has_column) use_column(emitter, aggregate.column);
    if (selector->where) {
        aggregate.where = simple_where(selector->where);
        struct part part = {selector->where, selector, emitter->aggregates.count};
        status = push(&emitter->parts, sizeof part, &part);
        if (status == STATUS_OK) status = plan_key(emitter, selector, &aggregate);
    }
    bool is_of_lifetime = aggregate_is_of_lifetime(aggregate.kind);
    aggregate.may_be_fast = !is_of_lifetime && aggregate.rows.type_count == 1 &&
                            !aggregate.iterates && aggregate.where.kind != SIMPLE_CODE;
    struct expr_program *program = emitter->program;
    program->reads_timeline = true;
    int64_t window_ms = selector->window == WINDOW_DURATION ? window_of(selector) : INT64_MAX;
    if (window_ms > program->window_ms) program->window_ms = window_ms;
    if (status == STATUS_OK) status = op(emitter, CODE_AGGREGATE, 0, emitter->aggregates.count, 1);
    return status == STATUS_OK ? push(&emitter->aggregates, sizeof aggregate, &aggregate) : status;
}

static enum status emit_related(struct emitter *emitter, const struct node *node) {
    struct part part = {node->first, NULL, emitter->relations.count};
    struct relation_use relation = {node->index, 0};
    emitter->program->uses_relation = emitter->program->reads_timeline = true;
    enum status status = push(&emitter->parts, sizeof part, &part);
    if (status == STATUS_OK)
        status = op(emitter, CODE_RELATED, node->op, emitter->relations.count, 1);
    return status == STATUS_OK ? push(&emitter->relations, sizeof relation, &relation) : status;
}

static enum status emit(struct emitter *emitter, const struct node *node) {
    switch ((enum node_kind)node->kind) {
    case NODE_LITERAL: return constant(emitter, node->literal);
    case NODE_NOW: return op(emitter, CODE_NOW, 0, 0, 1);
    case NODE_NAME: return emit_name(emitter, node);
    case NODE_LIST: return emit_list(emitter, node);
    case NODE_NOT: return emit_one(emitter, node, CODE_NOT);
    case NODE_MINUS: return emit_one(emitter, node, CODE_MINUS);
    case NODE_AND:
    case NODE_OR: return emit_chain(emitter, node);
    case NODE_COMPARE: return emit_compare(emitter, node);
    case NODE_IN: {
        enum status status = emit_member(emitter, node->first, node->first->next);
        return status == STATUS_OK && node->op == OP_NOT_IN ? op(emitter, CODE_NOT, 0, 0, 0)
                                                            : status;
    }
    case NODE_TEXT_TEST:
        if (node->first->type == VALUE_LIST)
            return emit_member(emitter, node->first->next, node->first);
        return emit_two(emitter, node, CODE_TEXT_TEST, 0);
    case NODE_IS: return emit_is(emitter, node);
    case NODE_ARITHMETIC: return emit_two(emitter, node, CODE_ARITHMETIC, node->type);
    case NODE_CALL: return emit_call(emitter, node);
    case NODE_AGGREGATE: return emit_aggregate(emitter, node);
    case NODE_RELATED: return emit_related(emitter, node);
    }
    return STATUS_INVALID;
}

/* ---- the whole ---- */

static struct aggregate *aggregate_at(struct emitter *emitter, uint32_t index) {
    return (struct aggregate *)emitter->aggregates.items + index;
}

/* Emits code for a selector's row or item, ended by CODE_END. */
static enum status emit_of_row(struct emitter *emitter, const struct selector *selector,
                               uint32_t aggregate, const struct node *node, uint32_t *code) {
    struct aggregate *its = aggregate_at(emitter, aggregate);
    emitter->depth = 0;
    emitter->in = selector;
    emitter->item_fields = its->item_fields;
    emitter->item_field_count = &its->item_field_count;
    *code = emitter->code.count;
    enum status status = emit(emitter, node);
    return status == STATUS_OK ? op(emitter, CODE_END, 0, 0, 0) : status;
}

/* Emits the code of the keys. It at most doubles that of `where`; where that could be too much, the
 * aggregate gets no key. */
static enum status emit_keys(struct emitter *emitter) {
    bool fits = emitter->code.count + 2 * emitter->keys.count <= EXPR_CODE_MAX / 2;
    enum status status = STATUS_OK;
    for (uint32_t i = 0; status == STATUS_OK && i < emitter->keys.count; i++) {
        struct key_part part = ((struct key_part *)emitter->keys.items)[i];
        uint32_t key = UINT32_MAX, rest = UINT32_MAX;
        if (!fits) {
            aggregate_at(emitter, part.aggregate)->key_attribute = UINT32_MAX;
            continue;
        }
        status = emit_of_row(emitter, part.selector, part.aggregate, part.key, &key);
        if (status == STATUS_OK && part.rest != NULL)
            status = emit_of_row(emitter, part.selector, part.aggregate, part.rest, &rest);
        aggregate_at(emitter, part.aggregate)->key_code = key;
        aggregate_at(emitter, part.aggregate)->rest_code = rest;
    }
    return status;
}

static enum status emit_where(struct emitter *emitter, const struct part *part) {
    struct expr_program *program = emitter->program;
    bool used = program->uses_treatment;
    uint32_t code = UINT32_MAX;
    program->uses_treatment = false;
    enum status status = emit_of_row(emitter, part->selector, part->index, part->node, &code);
    aggregate_at(emitter, part->index)->where_code = code;
    aggregate_at(emitter, part->index)->reads_treatment = program->uses_treatment;
    program->uses_treatment |= used;
    return status;
}

/* Emits the main code, then each part. Parts may add parts, such as an aggregate inside a relation.
 */
static enum status emit_all(struct emitter *emitter, const struct node *root) {
    enum status status = emit(emitter, root);
    if (status == STATUS_OK) status = op(emitter, CODE_END, 0, 0, 0);
    for (uint32_t i = 0; status == STATUS_OK && i < emitter->parts.count; i++) {
        struct part part = ((struct part *)emitter->parts.items)[i];
        if (part.selector != NULL) {
            status = emit_where(emitter, &part);
            continue;
        }
        emitter->depth = 0;
        emitter->in = NULL;
        emitter->in_relation = true;
        ((struct relation_use *)emitter->relations.items)[part.index].code = emitter->code.count;
        status = emit(emitter, part.node);
        if (status == STATUS_OK) status = op(emitter, CODE_END, 0, 0, 0);
        emitter->in_relation = false;
    }
    return status == STATUS_OK ? emit_keys(emitter) : status;
}

static enum status keep_visit_types(struct emitter *emitter) {
    struct expr_program *program = emitter->program;
    const struct expr_schema *schema = emitter->schema;
    uint32_t count = schema->symbols ? symbol_count(schema->symbols, SYMBOL_EVENT) : 0;
    bool needed = false;
    const struct aggregate *aggregates = emitter->aggregates.items;
    for (uint32_t i = 0; i < emitter->aggregates.count; i++) {
        needed = needed || aggregates[i].rows.visits || aggregates[i].window == WINDOW_VISITS;
    }
    if (!needed || !schema->is_visit) return STATUS_OK;
    uint8_t *types = arena_calloc(emitter->arena, (size_t)count + 1, 1);
    if (!types) return STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < count; i++) types[i] = schema->is_visit(schema->context, i);
    program->visit_types = types;
    program->visit_type_count = count;
    program->is_visit = schema->is_visit;
    return STATUS_OK;
}

static enum status finish(struct emitter *emitter) {
    struct expr_program *program = emitter->program;
    enum status status = keep_visit_types(emitter);
    program->code = keep(emitter, &emitter->code, sizeof(struct operation), &status);
    program->constants = keep(emitter, &emitter->constants, sizeof(struct value), &status);
    program->aggregates = keep(emitter, &emitter->aggregates, sizeof(struct aggregate), &status);
    program->lookups = keep(emitter, &emitter->lookups, sizeof(struct lookup_use), &status);
    program->relations = keep(emitter, &emitter->relations, sizeof(struct relation_use), &status);
    program->sets = keep(emitter, &emitter->sets, sizeof(struct constant_set), &status);
    program->uses = keep(emitter, &emitter->uses, sizeof(struct expr_use), &status);
    program->traits = keep(emitter, &emitter->traits, sizeof(uint32_t), &status);
    program->code_count = emitter->code.count;
    program->aggregate_count = emitter->aggregates.count;
    program->use_count = emitter->uses.count;
    program->trait_count = emitter->traits.count;
    return status;
}

static void emitter_release(struct emitter *emitter) {
    struct growing *all[] = {&emitter->code,    &emitter->constants, &emitter->aggregates,
                             &emitter->lookups, &emitter->relations, &emitter->sets,
                             &emitter->uses,    &emitter->traits,    &emitter->parts,
                             &emitter->keys};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) memory_free(all[i]->items);
}

enum status expr_emit(struct arena *arena, const struct expr_schema *schema, struct text source,
                      const struct selector *row, struct node *root, struct expr_program **out,
                      struct expr_error *error) {
    struct expr_program *program = arena_calloc(arena, 1, sizeof(*program));
    if (!program) return STATUS_NO_MEMORY;
    program->type = (enum value_type)root->type;
    program->currency = schema->currency;
    program->visit_gap_ms = schema->visit_gap_ms;
    program->zone = schema->zone;
    program->context = schema->context;
    program->symbols = schema->symbols;
    program->is_row = row != NULL;
    program->reads_timeline = row != NULL;
    program->root = root;
    program->source = source;
    program->single_aggregate = root->kind == NODE_AGGREGATE ? 0 : UINT32_MAX;
    struct emitter emitter = {.arena = arena,
                              .schema = schema,
                              .source = source,
                              .error = error,
                              .program = program,
                              .row = row};
    enum status status = emit_all(&emitter, root);
    if (status == STATUS_OK) status = finish(&emitter);
    emitter_release(&emitter);
    if (status == STATUS_OK) *out = program;
    return status;
}
