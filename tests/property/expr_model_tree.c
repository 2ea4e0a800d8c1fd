/* SPDX-License-Identifier: Apache-2.0 */
#include "support/unit.h"

#include "base/time.h"
#include "expr_model.h"

const char *const event_names[3] = {"Order Completed", "Clicked", "Page Viewed"};
static const char *const aggregate_words[] = {"count", "exists", "sum",      "min",   "max",  "avg",
                                              "first", "last",   "distinct", "since", "share"};

const struct model_property properties[PROPERTIES] = {
    {"revenue", "revenue", VALUE_MONEY, false},
    {"store", "store", VALUE_TEXT, false},
    {"gift", "gift", VALUE_YES_NO, false},
    {"weight", "weight", VALUE_NUMBER, false},
    {"due", "due", VALUE_TIME, false},
    {"order_id", "order_id", VALUE_TEXT, false},
    {"products", "products", VALUE_LIST, true},
    {"products.product_id", "product_id", VALUE_TEXT, true},
    {"products.quantity", "quantity", VALUE_NUMBER, true},
    {"products.sales_value", "sales_value", VALUE_MONEY, true},
    {"time", "time", VALUE_TIME, false},
    {"department", "department", VALUE_TEXT, true}};
static const char *const comparisons[] = {"==", "!=", "<", "<=", ">", ">="};
static const char *const signs[] = {"+", "-", "*", "/"};
static const char *const texts[] = {"12", "7", "A1", "A2", "GROCERY", "A9", ""};

/* ---- growing trees ---- */

enum where_scope { TOP, ROW, ITEM };
static struct tree *grow(struct model *model, enum value_type type, int depth,
                         enum where_scope scope);

static struct tree *tree_new(struct model *model, enum kind kind, enum value_type type) {
    struct tree *tree = arena_calloc(&model->world.arena, 1, sizeof(*tree));
    tree->kind = kind;
    tree->type = type;
    tree->property = -1;
    return tree;
}

struct value random_value(struct model *model, enum value_type type) {
    static const double numbers[] = {0, 1, 2, 3, 0.5, 10, 1e9};
    switch (type) {
    case VALUE_NUMBER: return value_number(numbers[below(model, 7)]);
    case VALUE_TEXT: return value_text(text_from(texts[below(model, 7)]));
    case VALUE_TIME: return value_time(NOW_MS - (int64_t)below(model, 100) * TIME_DAY_MS);
    case VALUE_DURATION: return value_duration((int64_t)(1 + below(model, 100)) * TIME_DAY_MS / 2);
    case VALUE_YES_NO: return value_yes_no(below(model, 2));
    default: {
        uint16_t eur = 0;
        assert_int_equal(currency_from_text(TEXT("EUR"), &eur), STATUS_OK);
        return value_money((int64_t)below(model, 5000),
                           below(model, 12) ? model->world.schema.currency : eur);
    }
    }
}

static struct tree *grow_literal(struct model *model, enum value_type type) {
    struct tree *tree = tree_new(model, LITERAL, type);
    tree->literal = random_value(model, type);
    return tree;
}

static struct tree *with_children(struct model *model, struct tree *tree, int count,
                                  enum value_type type, int depth, enum where_scope scope) {
    for (int i = 0; i < count; i++) tree->child[i] = grow(model, type, depth - 1, scope);
    tree->child_count = count;
    return tree;
}

static struct tree *grow_name(struct model *model, enum value_type type, enum where_scope scope) {
    int fits[PROPERTIES], count = 0;
    for (int i = 0; i < PROPERTIES; i++) {
        if (i != PRODUCTS && properties[i].type == type &&
            (scope == ITEM || !properties[i].of_item))
            fits[count++] = i;
    }
    if (count == 0) return grow_literal(model, type);
    struct tree *tree = tree_new(model, NAME, type);
    tree->op = fits[below(model, (uint64_t)count)];
    return tree;
}

static bool property_fits(enum aggregate aggregate, int property, enum value_type type) {
    enum value_type of = properties[property].type;
    bool adds = of == VALUE_MONEY || of == VALUE_NUMBER;
    if (property >= ROW_TIME) return false;
    switch (aggregate) {
    case COUNT:
    case EXISTS:
    case SINCE: return true;
    case SUM:
    case AVG: return adds && of == type;
    case MIN:
    case MAX: return of == type && of != VALUE_YES_NO;
    case FIRST:
    case LAST: return of == type;
    case DISTINCT: return property != PRODUCTS;
    case SHARE: return adds || property == PRODUCTS;
    default: return false;
    }
}

static bool aggregate_gives(enum aggregate aggregate, enum value_type type) {
    switch (aggregate) {
    case COUNT:
    case DISTINCT:
    case SHARE: return type == VALUE_NUMBER;
    case EXISTS: return type == VALUE_YES_NO;
    case SINCE: return type == VALUE_DURATION;
    case SUM:
    case AVG: return type == VALUE_NUMBER || type == VALUE_MONEY;
    case MIN:
    case MAX:
        return type == VALUE_NUMBER || type == VALUE_MONEY || type == VALUE_TEXT ||
               type == VALUE_TIME;
    default: return true;
    }
}

static void choose_window(struct model *model, struct tree *tree) {
    switch (below(model, 5)) {
    case 0: tree->visits = (uint32_t)(1 + below(model, 3)); break;
    case 1: tree->ending_ms = (int64_t)(1 + below(model, 30)) * TIME_DAY_MS; /* fall through */
    case 2:
    case 3: tree->window_ms = (int64_t)(1 + below(model, 60)) * TIME_DAY_MS; break;
    default: break;
    }
}

static struct tree *grow_aggregate(struct model *model, enum value_type type, int depth) {
    enum aggregate aggregate;
    do {
        aggregate = (enum aggregate)below(model, AGGREGATES);
    } while (!aggregate_gives(aggregate, type));
    struct tree *tree = tree_new(model, AGGREGATE, type);
    tree->op = (int)aggregate;
    bool needs = (aggregate >= SUM && aggregate <= AVG) || aggregate == DISTINCT;
    bool optional = !needs && !((aggregate == FIRST || aggregate == LAST) && type != VALUE_TIME);
    if (!optional || below(model, 2)) {
        for (int tries = 0; tries < 50 && tree->property < 0; tries++) {
            int property = (int)below(model, PROPERTIES);
            if (property_fits(aggregate, property, type)) tree->property = property;
        }
        if (tree->property < 0) return grow_literal(model, type);
    }
    bool of_item = tree->property >= 0 && properties[tree->property].of_item;
    static const int choices[] = {1, 1, 1, 2, 3, 5, 8};
    tree->events = tree->property >= 0 ? (below(model, 4) ? 1 : 8) : choices[below(model, 7)];
    if (tree->property < 0 && below(model, 6) == 0) tree->events = 16;
    bool ordered = (tree->events & 1) || tree->events >= 8;
    if (aggregate == SHARE || below(model, 2))
        tree->where = ordered ? grow(model, VALUE_YES_NO, depth - 1, of_item ? ITEM : ROW)
                              : grow_literal(model, VALUE_YES_NO);
    choose_window(model, tree);
    return tree;
}

static struct tree *grow_arithmetic(struct model *model, enum value_type type, int depth,
                                    enum where_scope scope) {
    enum value_type left = type, right = type;
    struct tree *tree = tree_new(model, ARITHMETIC, type);
    tree->op = (int)below(model, 2);
    uint64_t way = below(model, 3);
    if (type == VALUE_NUMBER) {
        tree->op = (int)below(model, 4);
        if (way == 0) left = right = VALUE_MONEY, tree->op = 3;
        if (way == 1) left = right = VALUE_DURATION, tree->op = 3;
    } else if (type == VALUE_TIME) {
        right = VALUE_DURATION;
    } else if (way == 0) {
        right = VALUE_NUMBER;
        tree->op = (int)(2 + below(model, 2));
    } else if (type == VALUE_DURATION && way == 1) {
        left = right = VALUE_TIME;
        tree->op = 1;
    }
    tree->child[0] = grow(model, left, depth - 1, scope);
    tree->child[1] = grow(model, right, depth - 1, scope);
    tree->child_count = 2;
    return tree;
}

enum value_type any_type(struct model *model) {
    static const enum value_type types[] = {VALUE_NUMBER,   VALUE_TEXT,   VALUE_TIME,
                                            VALUE_DURATION, VALUE_YES_NO, VALUE_MONEY};
    return types[below(model, 6)];
}

static struct tree *grow_condition(struct model *model, int depth, enum where_scope scope) {
    struct tree *tree;
    switch (below(model, 8)) {
    case 0:
        return with_children(model, tree_new(model, NOT, VALUE_YES_NO), 1, VALUE_YES_NO, depth,
                             scope);
    case 1:
        return with_children(model, tree_new(model, AND, VALUE_YES_NO), 2 + (int)below(model, 2),
                             VALUE_YES_NO, depth, scope);
    case 2:
        return with_children(model, tree_new(model, OR, VALUE_YES_NO), 2 + (int)below(model, 2),
                             VALUE_YES_NO, depth, scope);
    case 3:
        return with_children(model, tree_new(model, IS_KNOWN, VALUE_YES_NO), 1, any_type(model),
                             depth, scope);
    case 4:
        tree = with_children(model, tree_new(model, IN, VALUE_YES_NO), 3, any_type(model), depth,
                             scope);
        tree->op = (int)below(model, 2);
        return tree;
    case 5:
        tree = with_children(model,
                             tree_new(model, below(model, 2) ? IN_ACTION : TEXT_TEST, VALUE_YES_NO),
                             2, VALUE_TEXT, depth, scope);
        tree->op = (int)below(model, 4);
        return tree;
    default: {
        enum value_type type = any_type(model);
        tree = with_children(model, tree_new(model, COMPARE, VALUE_YES_NO), 2, type, depth, scope);
        tree->op = (int)below(model, type == VALUE_YES_NO ? 2 : 6);
        return tree;
    }
    }
}

static struct tree *grow(struct model *model, enum value_type type, int depth,
                         enum where_scope scope) {
    if (depth <= 0)
        return scope == TOP || below(model, 3) == 0 ? grow_literal(model, type)
                                                    : grow_name(model, type, scope);
    struct tree *tree;
    uint64_t way = below(model, 10);
    if (way < 4 && scope == TOP) return grow_aggregate(model, type, depth);
    if (way < 3) return grow_name(model, type, scope);
    switch (way) {
    case 4:
        tree = with_children(model, tree_new(model, IF, type), 3, type, depth, scope);
        tree->child[0] = grow(model, VALUE_YES_NO, depth - 1, scope);
        return tree;
    case 5: return with_children(model, tree_new(model, OTHERWISE, type), 2, type, depth, scope);
    case 6:
        if (type == VALUE_YES_NO) break;
        tree = with_children(model, tree_new(model, LEAST, type), 2, type, depth, scope);
        tree->op = (int)below(model, 2);
        return tree;
    case 7:
        if (type != VALUE_NUMBER && type != VALUE_MONEY && type != VALUE_DURATION) break;
        return with_children(model, tree_new(model, below(model, 2) ? ABS : MINUS, type), 1, type,
                             depth, scope);
    default: break;
    }
    if (type == VALUE_YES_NO) return grow_condition(model, depth, scope);
    if (type == VALUE_TIME && way == 8) return tree_new(model, NOW, type);
    return type == VALUE_TEXT ? grow_literal(model, type)
                              : grow_arithmetic(model, type, depth, scope);
}

struct tree *grow_tree(struct model *model, enum value_type type, int depth) {
    return grow(model, type, depth, TOP);
}

/* ---- writing them down ---- */

static void put(struct buffer *out, const char *text) {
    assert_int_equal(buffer_append_text(out, text_from(text)), STATUS_OK);
}

static void write_value(struct value value, struct buffer *out) {
    if (value.type == VALUE_TIME) put(out, "time \"");
    assert_int_equal(value_print(value, out), STATUS_OK);
    if (value.type == VALUE_TIME) put(out, "\"");
}

static void write_joined(const struct tree *tree, const char *joint, struct buffer *out) {
    for (int i = 0; i < tree->child_count; i++) {
        if (i > 0) put(out, joint);
        put(out, "(");
        write_tree(tree->child[i], out);
        put(out, ")");
    }
}

static void write_call(const struct tree *tree, const char *name, struct buffer *out) {
    put(out, name);
    put(out, "(");
    write_joined(tree, ", ", out);
    put(out, ")");
}

static void write_aggregate(const struct tree *tree, struct buffer *out) {
    char window[64];
    put(out, aggregate_words[tree->op]);
    put(out, "(");
    if (tree->events == 8) put(out, "any event");
    if (tree->events == 16) put(out, "visits");
    if (tree->events < 8) put(out, "[");
    for (int i = 0, first = 1; i < 3 && tree->events < 8; i++) {
        if (!(tree->events >> i & 1)) continue;
        put(out, first ? "\"" : ", \"");
        put(out, event_names[i]);
        put(out, "\"");
        first = 0;
    }
    if (tree->events < 8) put(out, "]");
    if (tree->property >= 0) {
        put(out, ".");
        put(out, properties[tree->property].path);
    }
    if (tree->where) {
        put(out, " where ");
        write_tree(tree->where, out);
    }
    put(out, ")");
    if (tree->visits) snprintf(window, sizeof window, " in last %u visits", tree->visits);
    if (tree->window_ms)
        snprintf(window, sizeof window, " in %lldd", (long long)(tree->window_ms / TIME_DAY_MS));
    if (tree->visits || tree->window_ms) put(out, window);
    if (tree->ending_ms)
        snprintf(window, sizeof window, " ending %lldd ago",
                 (long long)(tree->ending_ms / TIME_DAY_MS));
    if (tree->ending_ms) put(out, window);
}

void write_tree(const struct tree *tree, struct buffer *out) {
    static const char *const tests[] = {" contains ", " starts with ", " ends with ", " matches "};
    switch (tree->kind) {
    case LITERAL: write_value(tree->literal, out); return;
    case NOW: put(out, "now"); return;
    case NAME: put(out, properties[tree->op].name); return;
    case NOT:
        put(out, "not ");
        write_joined(tree, "", out);
        return;
    case MINUS:
        put(out, "-");
        write_joined(tree, "", out);
        return;
    case AND: write_joined(tree, " and ", out); return;
    case OR: write_joined(tree, " or ", out); return;
    case COMPARE:
    case ARITHMETIC:
        put(out, "(");
        write_joined(tree, tree->kind == COMPARE ? comparisons[tree->op] : signs[tree->op], out);
        put(out, ")");
        return;
    case TEXT_TEST:
        put(out, "(");
        write_joined(tree, tests[tree->op], out);
        put(out, ")");
        return;
    case IN_ACTION:
        put(out, "((");
        write_tree(tree->child[0], out);
        put(out, ") in action.products)");
        return;
    case IN:
        put(out, "((");
        write_tree(tree->child[0], out);
        put(out, tree->op ? ") not in [" : ") in [");
        write_tree(tree->child[1], out);
        put(out, ", ");
        write_tree(tree->child[2], out);
        put(out, "])");
        return;
    case IS_KNOWN:
        put(out, "(");
        write_joined(tree, "", out);
        put(out, " is known)");
        return;
    case IF: write_call(tree, "if", out); return;
    case OTHERWISE: write_call(tree, "otherwise", out); return;
    case LEAST: write_call(tree, tree->op ? "greatest" : "least", out); return;
    case ABS: write_call(tree, "abs", out); return;
    case AGGREGATE: write_aggregate(tree, out); return;
    }
}
