/* SPDX-License-Identifier: Apache-2.0 */
#include "expr/check.h"

#include <stdio.h>

#include "expr/lexer.h"

#define ADVICE_MAX      160
#define NAMES_BYTES_MAX ((size_t)64 << 20)

const char *type_with_article(enum value_type type) {
    static const char *const names[VALUE_TYPE_COUNT] = {
        [VALUE_UNKNOWN] = "unknown", [VALUE_NUMBER] = "a number",     [VALUE_TEXT] = "text",
        [VALUE_TIME] = "a time",     [VALUE_DURATION] = "a duration", [VALUE_YES_NO] = "yes/no",
        [VALUE_MONEY] = "money",     [VALUE_LIST] = "a list",
    };
    return names[type];
}

struct text source_of(const struct checker *checker, const struct node *node) {
    uint32_t length = node->end > node->start ? node->end - node->start : 0;
    return (struct text){checker->source.at + node->start, length < 60 ? length : 60};
}

static bool is_ordered(enum value_type type) {
    return type == VALUE_NUMBER || type == VALUE_MONEY || type == VALUE_TIME ||
           type == VALUE_DURATION || type == VALUE_TEXT;
}

/* ---- advice: what would make this literal the wanted type ---- */

static void advise_number(const struct checker *checker, const struct node *given,
                          enum value_type wanted, char out[ADVICE_MAX]) {
    struct text digits = source_of(checker, given);
    char currency[4];
    currency_to_text(checker->schema->currency, currency);
    if (wanted == VALUE_MONEY)
        snprintf(out, ADVICE_MAX, "write %.*s %s", TEXT_ARG(digits), currency);
    if (wanted == VALUE_DURATION)
        snprintf(out, ADVICE_MAX, "write %.*sd for days, %.*sh for hours", TEXT_ARG(digits),
                 TEXT_ARG(digits));
    if (wanted == VALUE_TEXT) snprintf(out, ADVICE_MAX, "write \"%.*s\"", TEXT_ARG(digits));
    if (wanted == VALUE_YES_NO) snprintf(out, ADVICE_MAX, "write yes or no");
    if (wanted == VALUE_TIME) snprintf(out, ADVICE_MAX, "write time \"2017-10-01\"");
}

static void advise_text(const struct node *given, enum value_type wanted, char out[ADVICE_MAX]) {
    struct text text = given->literal.text;
    if (text.length > 60) text.length = 60;
    if (wanted == VALUE_TIME) snprintf(out, ADVICE_MAX, "write time \"%.*s\"", TEXT_ARG(text));
    if (wanted != VALUE_TIME && wanted != VALUE_LIST)
        snprintf(out, ADVICE_MAX, "write %.*s without quotes", TEXT_ARG(text));
    if (wanted == VALUE_MONEY)
        snprintf(out, ADVICE_MAX, "write an amount such as 20 USD without quotes");
}

/* Writes nothing where there is no advice to give. */
static void advise(const struct checker *checker, const struct node *given, enum value_type wanted,
                   char out[ADVICE_MAX]) {
    out[0] = 0;
    bool is_literal = given->kind == NODE_LITERAL;
    struct text source = source_of(checker, given);
    if (is_literal && given->type == VALUE_NUMBER) advise_number(checker, given, wanted, out);
    if (is_literal && given->type == VALUE_TEXT) advise_text(given, wanted, out);
    if (out[0]) return;
    if (wanted == VALUE_NUMBER && given->type == VALUE_DURATION && !is_literal)
        snprintf(out, ADVICE_MAX, "write days(%.*s)", TEXT_ARG(source));
    if (wanted == VALUE_NUMBER && given->type == VALUE_MONEY) {
        char currency[4];
        currency_to_text(checker->schema->currency, currency);
        snprintf(out, ADVICE_MAX, "divide the money by 1 %s to get a number", currency);
    }
    if (wanted == VALUE_YES_NO && given->type != VALUE_LIST)
        snprintf(out, ADVICE_MAX, "compare it, or write '%.*s is known'", TEXT_ARG(source));
    if (wanted == VALUE_YES_NO && given->type == VALUE_NUMBER)
        snprintf(out, ADVICE_MAX, "compare it, as in %.*s > 0", TEXT_ARG(source));
}

/* Reports two types that do not go together; the error points at `right`. */
static enum status mismatch(const struct checker *checker, const struct node *left,
                            const struct node *right, const char *otherwise) {
    char advice[ADVICE_MAX];
    advise(checker, right, left->type, advice);
    const struct node *at = right;
    if (!advice[0] || (left->kind == NODE_LITERAL && right->kind != NODE_LITERAL)) {
        char other[ADVICE_MAX];
        advise(checker, left, right->type, other);
        if (other[0]) {
            memcpy(advice, other, sizeof advice);
            at = left;
        }
    }
    return CHECK_FAIL(checker, at->start, "'%.*s' is %s and '%.*s' is %s: %s",
                      TEXT_ARG(source_of(checker, left)), type_with_article(left->type),
                      TEXT_ARG(source_of(checker, right)), type_with_article(right->type),
                      advice[0] ? advice : otherwise);
}

static enum status want(const struct checker *checker, const struct node *node,
                        enum value_type type, const char *who) {
    if (node->type == type) return STATUS_OK;
    char advice[ADVICE_MAX];
    advise(checker, node, type, advice);
    return CHECK_FAIL(checker, node->start, "%s needs %s, and '%.*s' is %s%s%s", who,
                      type_with_article(type), TEXT_ARG(source_of(checker, node)),
                      type_with_article(node->type), advice[0] ? ": " : "", advice);
}

static enum status check_children(struct checker *checker, struct node *node) {
    for (struct node *child = node->first; child; child = child->next) {
        enum status status = check_node(checker, child);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

/* ---- operators ---- */

static enum status check_list(struct checker *checker, struct node *node, bool literals) {
    enum status status = check_children(checker, node);
    if (status != STATUS_OK) return status;
    node->type = VALUE_LIST;
    for (struct node *child = node->first; child; child = child->next) {
        if (child->type == VALUE_LIST)
            return CHECK_FAIL(checker, child->start, "a list can't hold lists");
        if (node->item_type && child->type != node->item_type)
            return mismatch(checker, node->first, child, "a list holds values of one type");
        if (literals && child->kind != NODE_LITERAL) {
            return CHECK_FAIL(
                checker, child->start,
                "here a list can hold only literals, such as [1, 2] or [\"a\", \"b\"]");
        }
        node->item_type = child->type;
    }
    return STATUS_OK;
}

static enum status check_logic(struct checker *checker, struct node *node) {
    static const char *const who[] = {
        [NODE_NOT] = "'not'", [NODE_AND] = "'and'", [NODE_OR] = "'or'"};
    enum status status = check_children(checker, node);
    for (struct node *child = node->first; status == STATUS_OK && child; child = child->next) {
        status = want(checker, child, VALUE_YES_NO, who[node->kind]);
    }
    node->type = VALUE_YES_NO;
    return status;
}

static enum status check_compare(struct checker *checker, struct node *node) {
    enum status status = check_children(checker, node);
    if (status != STATUS_OK) return status;
    const struct node *left = node->first, *right = left->next;
    node->type = VALUE_YES_NO;
    if (left->type != right->type)
        return mismatch(checker, left, right, "only values of one type can be compared");
    if (left->type == VALUE_LIST)
        return CHECK_FAIL(
            checker, node->place,
            "lists can't be compared: write 'value in list' or 'list contains value'");
    if (left->type == VALUE_YES_NO && node->op > OP_NOT_EQUAL) {
        return CHECK_FAIL(checker, node->place, "yes/no has no order: write '%.*s' or 'not %.*s'",
                          TEXT_ARG(source_of(checker, left)), TEXT_ARG(source_of(checker, left)));
    }
    return STATUS_OK;
}

static enum status check_member(const struct checker *checker, const struct node *item,
                                const struct node *list) {
    if (item->type == VALUE_LIST)
        return CHECK_FAIL(checker, item->start, "'%.*s' is a list: ask for one value in a list",
                          TEXT_ARG(source_of(checker, item)));
    if (list->item_type == VALUE_UNKNOWN || list->item_type == item->type) return STATUS_OK;
    if (list->kind == NODE_LIST)
        return mismatch(checker, item, list->first, "the list's values are of another type");
    return CHECK_FAIL(checker, item->start, "'%.*s' is %s and the list holds %s",
                      TEXT_ARG(source_of(checker, item)), type_with_article(item->type),
                      type_with_article(list->item_type));
}

static enum status check_in(struct checker *checker, struct node *node) {
    struct node *item = node->first, *list = item->next;
    enum status status = check_node(checker, item);
    if (status == STATUS_OK)
        status =
            list->kind == NODE_LIST ? check_list(checker, list, false) : check_node(checker, list);
    if (status != STATUS_OK) return status;
    node->type = VALUE_YES_NO;
    if (list->type == VALUE_TEXT)
        return CHECK_FAIL(checker, node->place,
                          "'in' asks for a list: of text write '%.*s contains …', or put it in [ ]",
                          TEXT_ARG(source_of(checker, list)));
    if (list->type != VALUE_LIST) {
        return CHECK_FAIL(checker, list->start,
                          "'in' asks for a list, and '%.*s' is %s; a window such as 'in 30d' "
                          "stands directly behind an aggregate",
                          TEXT_ARG(source_of(checker, list)), type_with_article(list->type));
    }
    return check_member(checker, item, list);
}

static enum status check_text_test(struct checker *checker, struct node *node) {
    static const char *const who[] = {[OP_CONTAINS] = "'contains'",
                                      [OP_STARTS] = "'starts with'",
                                      [OP_ENDS] = "'ends with'",
                                      [OP_MATCHES] = "'matches'"};
    enum status status = check_children(checker, node);
    if (status != STATUS_OK) return status;
    node->type = VALUE_YES_NO;
    if (node->op == OP_CONTAINS && node->first->type == VALUE_LIST)
        return check_member(checker, node->first->next, node->first);
    status = want(checker, node->first, VALUE_TEXT, who[node->op]);
    return status == STATUS_OK ? want(checker, node->first->next, VALUE_TEXT, who[node->op])
                               : status;
}

/* Returns the type of an arithmetic operation, unknown where it has none. */
static enum value_type arithmetic_type(int op, enum value_type a, enum value_type b) {
    bool a_scales = a == VALUE_MONEY || a == VALUE_DURATION,
         b_scales = b == VALUE_MONEY || b == VALUE_DURATION;
    bool same = a == b && (a == VALUE_NUMBER || a_scales);
    switch (op) {
    case OP_ADD:
        if (same) return a;
        if ((a == VALUE_TIME && b == VALUE_DURATION) || (a == VALUE_DURATION && b == VALUE_TIME))
            return VALUE_TIME;
        return VALUE_UNKNOWN;
    case OP_SUBTRACT:
        if (same) return a;
        if (a == VALUE_TIME && b == VALUE_TIME) return VALUE_DURATION;
        return a == VALUE_TIME && b == VALUE_DURATION ? VALUE_TIME : VALUE_UNKNOWN;
    case OP_MULTIPLY:
        if (b == VALUE_NUMBER && (a == VALUE_NUMBER || a_scales)) return a;
        return a == VALUE_NUMBER && b_scales ? b : VALUE_UNKNOWN;
    default:
        if (same) return VALUE_NUMBER;
        return b == VALUE_NUMBER && a_scales ? a : VALUE_UNKNOWN;
    }
}

static enum status check_arithmetic(struct checker *checker, struct node *node) {
    static const char *const otherwise[] = {[OP_ADD] = "these can't be added",
                                            [OP_SUBTRACT] = "these can't be subtracted",
                                            [OP_MULTIPLY] = "these can't be multiplied",
                                            [OP_DIVIDE] = "these can't be divided"};
    enum status status = check_children(checker, node);
    if (status != STATUS_OK) return status;
    const struct node *left = node->first, *right = left->next;
    node->type = (uint8_t)arithmetic_type(node->op, left->type, right->type);
    if (node->type != VALUE_UNKNOWN) return STATUS_OK;
    if (left->type == right->type) {
        return CHECK_FAIL(checker, node->place, "'%.*s' and '%.*s' are both %s: %s",
                          TEXT_ARG(source_of(checker, left)), TEXT_ARG(source_of(checker, right)),
                          value_type_name(left->type), otherwise[node->op]);
    }
    return mismatch(checker, left, right, otherwise[node->op]);
}

static enum status check_minus(struct checker *checker, struct node *node) {
    enum status status = check_children(checker, node);
    if (status != STATUS_OK) return status;
    node->type = node->first->type;
    if (node->type == VALUE_NUMBER || node->type == VALUE_MONEY || node->type == VALUE_DURATION)
        return STATUS_OK;
    return want(checker, node->first, VALUE_NUMBER, "'-'");
}

/* ---- functions ---- */

static const struct signature {
    uint8_t least, most;              /* arguments */
    enum value_type argument, result; /* unknown: decided below */
} signatures[FUNCTION_COUNT] = {
    [FUNCTION_IF] = {3, 3, VALUE_UNKNOWN, VALUE_UNKNOWN},
    [FUNCTION_OTHERWISE] = {2, 16, VALUE_UNKNOWN, VALUE_UNKNOWN},
    [FUNCTION_LEAST] = {2, 16, VALUE_UNKNOWN, VALUE_UNKNOWN},
    [FUNCTION_GREATEST] = {2, 16, VALUE_UNKNOWN, VALUE_UNKNOWN},
    [FUNCTION_ABS] = {1, 1, VALUE_UNKNOWN, VALUE_UNKNOWN},
    [FUNCTION_ROUND] = {1, 1, VALUE_NUMBER, VALUE_NUMBER},
    [FUNCTION_FLOOR] = {1, 1, VALUE_NUMBER, VALUE_NUMBER},
    [FUNCTION_LOG] = {1, 1, VALUE_NUMBER, VALUE_NUMBER},
    [FUNCTION_LOG1P] = {1, 1, VALUE_NUMBER, VALUE_NUMBER},
    [FUNCTION_SQRT] = {1, 1, VALUE_NUMBER, VALUE_NUMBER},
    [FUNCTION_LOWER] = {1, 1, VALUE_TEXT, VALUE_TEXT},
    [FUNCTION_LENGTH] = {1, 1, VALUE_UNKNOWN, VALUE_NUMBER},
    [FUNCTION_DAYS] = {1, 1, VALUE_DURATION, VALUE_NUMBER},
    [FUNCTION_HOUR] = {1, 1, VALUE_TIME, VALUE_NUMBER},
    [FUNCTION_WEEKDAY] = {1, 1, VALUE_TIME, VALUE_NUMBER},
    [FUNCTION_MONTH] = {1, 1, VALUE_TIME, VALUE_NUMBER},
};

/* All nodes from `child` on must have one type. */
static enum status want_same(const struct checker *checker, const struct node *child,
                             const char *otherwise) {
    for (const struct node *other = child->next; other; other = other->next) {
        if (other->type != child->type) return mismatch(checker, child, other, otherwise);
        if (other->item_type != child->item_type)
            return CHECK_FAIL(checker, other->start, "these lists hold values of different types");
    }
    return STATUS_OK;
}

static enum status check_open_function(struct checker *checker, struct node *node) {
    struct node *first = node->first, *same = first;
    enum status status = STATUS_OK;
    switch ((enum function)node->op) {
    case FUNCTION_IF:
        same = first->next;
        status = want(checker, first, VALUE_YES_NO, "if( … )");
        if (status == STATUS_OK)
            status = want_same(checker, same, "both results of if must be of one type");
        break;
    case FUNCTION_OTHERWISE:
        status = want_same(checker, first, "all values of otherwise must be of one type");
        break;
    case FUNCTION_LEAST:
    case FUNCTION_GREATEST:
        if (!is_ordered(first->type))
            return CHECK_FAIL(checker, first->start, "%s has no order",
                              value_type_name(first->type));
        status = want_same(checker, first, "all values must be of one type");
        break;
    case FUNCTION_LENGTH:
        node->type = VALUE_NUMBER;
        return first->type == VALUE_LIST
                   ? STATUS_OK
                   : want(checker, first, VALUE_TEXT, "length of a list or a text");
    default:
        if (first->type != VALUE_MONEY && first->type != VALUE_DURATION)
            status = want(checker, first, VALUE_NUMBER, "abs");
        break;
    }
    node->type = same->type;
    node->item_type = same->item_type;
    return status;
}

static enum status check_call(struct checker *checker, struct node *node) {
    const struct signature *signature = &signatures[node->op];
    const char *name = function_names[node->op];
    uint32_t count = 0;
    for (struct node *child = node->first; child; child = child->next) count++;
    if (count < signature->least || count > signature->most) {
        if (signature->least == signature->most) {
            return CHECK_FAIL(checker, node->start, "%s takes %u value%s, not %u", name,
                              signature->least, signature->least == 1 ? "" : "s", count);
        }
        return CHECK_FAIL(checker, node->start, "%s takes %u to %u values, not %u", name,
                          signature->least, signature->most, count);
    }
    enum status status = check_children(checker, node);
    if (status != STATUS_OK) return status;
    if (signature->argument == VALUE_UNKNOWN) return check_open_function(checker, node);
    node->type = (uint8_t)signature->result;
    return want(checker, node->first, signature->argument, name);
}

/* ---- aggregates ---- */

static const char *suggested_property(enum aggregate_kind kind) {
    return kind == AGGREGATE_SUM || kind == AGGREGATE_AVG ? "revenue" : "city";
}

/* Returns the type that an aggregate gives for values of `type`; unknown where it has no meaning.
 */
static enum value_type aggregate_type(enum aggregate_kind kind, enum value_type type) {
    bool adds = type == VALUE_NUMBER || type == VALUE_MONEY || type == VALUE_DURATION;
    switch (kind) {
    case AGGREGATE_COUNT:
    case AGGREGATE_DISTINCT:
    case AGGREGATE_ALIVE:
    case AGGREGATE_EXPECTED_ORDERS:
    case AGGREGATE_OVERDUE: return VALUE_NUMBER;
    case AGGREGATE_EXPECTED_VALUE: return type;
    case AGGREGATE_EXISTS: return VALUE_YES_NO;
    case AGGREGATE_SINCE: return VALUE_DURATION;
    case AGGREGATE_SHARE:
        return adds || type == VALUE_UNKNOWN || type == VALUE_LIST ? VALUE_NUMBER : VALUE_UNKNOWN;
    case AGGREGATE_SUM:
    case AGGREGATE_AVG: return adds ? type : VALUE_UNKNOWN;
    case AGGREGATE_MIN:
    case AGGREGATE_MAX: return is_ordered(type) ? type : VALUE_UNKNOWN;
    case AGGREGATE_FIRST:
    case AGGREGATE_LAST: return type == VALUE_UNKNOWN ? VALUE_TIME : type;
    case AGGREGATE_LIST: return VALUE_LIST;
    case AGGREGATE_KIND_COUNT: break;
    }
    return VALUE_UNKNOWN;
}

static enum status check_aggregate_value(struct checker *checker, struct node *node) {
    const struct selector *selector = node->selector;
    enum aggregate_kind kind = (enum aggregate_kind)node->op;
    const char *name = aggregate_names[kind];
    bool has_property = selector->property.length > 0;
    bool needs = kind == AGGREGATE_SUM || kind == AGGREGATE_AVG || kind == AGGREGATE_MIN ||
                 kind == AGGREGATE_MAX || kind == AGGREGATE_DISTINCT || kind == AGGREGATE_LIST;
    if (selector->kind == SELECT_VISITS && (has_property || needs)) {
        return CHECK_FAIL(checker, selector->start,
                          "visits have no properties: write %s(any event.%s)", name,
                          suggested_property(kind));
    }
    if (needs && !has_property) {
        return CHECK_FAIL(checker, selector->start,
                          "%s needs a property of the event: write %s(\"Some Event\".%s)", name,
                          name, suggested_property(kind));
    }
    if (kind == AGGREGATE_OVERDUE && has_property)
        return CHECK_FAIL(checker, selector->property_start,
                          "overdue looks at when events happen: leave the property away");
    if (kind == AGGREGATE_SHARE && !selector->where) {
        return CHECK_FAIL(checker, node->start,
                          "share needs 'where': share(\"Some Event\" where …) is the part of them "
                          "for which it holds");
    }
    uint32_t at = selector->field.length ? selector->field_start : selector->property_start;
    bool whole_list = selector->property_type == VALUE_LIST && selector->field.length == 0;
    if (whole_list && needs && kind != AGGREGATE_DISTINCT && kind != AGGREGATE_LIST) {
        return CHECK_FAIL(checker, at,
                          "'%.*s' is a list: name a field of its items, as in .%.*s.quantity",
                          TEXT_ARG(selector->property), TEXT_ARG(selector->property));
    }
    node->type = (uint8_t)aggregate_type(kind, selector->value_type);
    if (node->type == VALUE_UNKNOWN) {
        return CHECK_FAIL(checker, at, "%s has no meaning for %s", name,
                          value_type_name(selector->value_type));
    }
    if (kind == AGGREGATE_LIST && !whole_list) node->item_type = (uint8_t)selector->value_type;
    return STATUS_OK;
}

static enum status check_of_lifetime(struct checker *checker, struct node *node) {
    enum aggregate_kind kind = (enum aggregate_kind)node->op;
    struct selector *selector = node->selector;
    enum status status = resolve_lifetime(checker, node);
    if (status != STATUS_OK) return status;
    bool has_value = selector->value_type == VALUE_NUMBER || selector->value_type == VALUE_MONEY;
    if (selector->property.length > 0 && !has_value)
        return CHECK_FAIL(checker, selector->start,
                          "the value of an order is money or a number, and '%.*s' is %s",
                          TEXT_ARG(selector->property), type_with_article(selector->value_type));
    node->type = (uint8_t)aggregate_type(kind, selector->value_type);
    return STATUS_OK;
}

static enum status check_aggregate(struct checker *checker, struct node *node) {
    if (checker->row)
        return CHECK_FAIL(checker, node->start,
                          "an aggregate can't stand where one event is looked at: make it a trait "
                          "and use its name");
    if (aggregate_is_of_lifetime((enum aggregate_kind)node->op))
        return check_of_lifetime(checker, node);
    bool takes_list = node->op == AGGREGATE_FIRST || node->op == AGGREGATE_LAST;
    node->selector->iterates =
        node->selector->field.length > 0 || (node->selector->property.length > 0 && !takes_list);
    enum status status = resolve_selector(checker, node);
    if (status == STATUS_OK) status = check_aggregate_value(checker, node);
    struct node *where = node->selector->where;
    if (status != STATUS_OK || !where) return status;
    checker->row = node->selector;
    status = check_node(checker, where);
    checker->row = NULL;
    return status == STATUS_OK ? want(checker, where, VALUE_YES_NO, "'where'") : status;
}

static enum status check_related(struct checker *checker, struct node *node) {
    if (checker->row)
        return CHECK_FAIL(checker, node->start,
                          "a relation can't stand where one event is looked at: make it a trait "
                          "and use its name");
    if (checker->in_related)
        return CHECK_FAIL(
            checker, node->start,
            "one step along a relation is the most: friends of friends can't be asked for");
    enum status status = resolve_relation(checker, node);
    if (status != STATUS_OK) return status;
    struct node *condition = node->first;
    if (!condition || condition->next)
        return CHECK_FAIL(checker, node->start, "write one condition in the brackets");
    checker->in_related = true;
    status = check_node(checker, condition);
    checker->in_related = false;
    node->type = node->op == RELATED_ANY ? VALUE_YES_NO : VALUE_NUMBER;
    return status == STATUS_OK
               ? want(checker, condition, VALUE_YES_NO, node->op == RELATED_ANY ? "any" : "count")
               : status;
}

enum status check_node(struct checker *checker, struct node *node) {
    switch ((enum node_kind)node->kind) {
    case NODE_LITERAL: node->type = node->literal.type; return STATUS_OK;
    case NODE_NOW: node->type = VALUE_TIME; return STATUS_OK;
    case NODE_NAME: return resolve_name(checker, node);
    case NODE_LIST: return check_list(checker, node, true);
    case NODE_NOT:
    case NODE_AND:
    case NODE_OR: return check_logic(checker, node);
    case NODE_MINUS: return check_minus(checker, node);
    case NODE_COMPARE: return check_compare(checker, node);
    case NODE_IN: return check_in(checker, node);
    case NODE_TEXT_TEST: return check_text_test(checker, node);
    case NODE_IS: {
        enum status status = check_children(checker, node);
        node->type = VALUE_YES_NO;
        return status;
    }
    case NODE_ARITHMETIC: return check_arithmetic(checker, node);
    case NODE_CALL: return check_call(checker, node);
    case NODE_AGGREGATE: return check_aggregate(checker, node);
    case NODE_RELATED: return check_related(checker, node);
    }
    return STATUS_INVALID;
}

enum status expr_check(struct arena *arena, const struct expr_schema *schema, struct text source,
                       const struct selector *row, struct node *root, struct expr_error *error) {
    struct checker checker = {
        .arena = arena, .schema = schema, .source = source, .error = error, .row = row};
    arena_init(&checker.names, NAMES_BYTES_MAX);
    enum status status = check_node(&checker, root);
    arena_release(&checker.names);
    return status;
}
