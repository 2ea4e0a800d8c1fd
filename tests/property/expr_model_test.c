/* SPDX-License-Identifier: Apache-2.0 */
/* Random expressions over random timelines, against an evaluator that walks its own tree over its own events: it knows nothing
 * of parser, columns, bytecode or fast ways. EXPR_SEED and EXPR_ROUNDS choose; the seed is printed on a failure. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/random.h"
#include "base/time.h"
#include "event/packed.h"
#include "world.h"

#define EVENTS_MAX 24
#define ITEMS_MAX 4
#define NOW_MS (INT64_C(17400) * TIME_DAY_MS)

/* ---- the model's own world ---- */

struct item {
    struct value product_id, quantity, sales_value;
};
struct happening {
    int64_t time_ms, known_ms;
    int type; /* index in event_names */
    struct value revenue, store, gift, weight, due, order_id;
    bool has_products;
    struct item items[ITEMS_MAX];
    uint32_t item_count;
};
static const char *const event_names[] = {"Order Completed", "Clicked", "Page Viewed"};

struct model {
    struct world world;
    struct random random;
    struct happening events[EVENTS_MAX];
    uint32_t count;
    bool with_known;
    int64_t t_ms;
};

/* ---- trees ---- */

enum kind { LITERAL, NOW, NAME, NOT, AND, OR, COMPARE, IN, IS_KNOWN, ARITHMETIC, MINUS, IF, OTHERWISE, LEAST, ABS, TEXT_TEST, AGGREGATE, IN_ACTION };
enum aggregate { COUNT, EXISTS, SUM, MIN, MAX, AVG, FIRST, LAST, DISTINCT, SINCE, SHARE, AGGREGATES };
static const char *const aggregate_words[] = {"count", "exists", "sum", "min", "max", "avg", "first", "last", "distinct", "since", "share"};

struct tree {
    enum kind kind;
    enum value_type type;
    int op;                /* operator, aggregate, name */
    struct value literal;
    struct tree *child[3];
    int child_count;
    /* aggregates */
    int events;            /* bit set over event_names; 8 any, 16 visits */
    int property;          /* index in properties, -1 none */
    struct tree *where;
    int64_t window_ms, ending_ms;
    uint32_t visits;
};

enum { REVENUE, STORE, GIFT, WEIGHT, DUE, ORDER_ID, PRODUCTS, PRODUCT_ID, QUANTITY, SALES_VALUE, ROW_TIME, DEPARTMENT, PROPERTIES };
static const struct {
    const char *path, *name;
    enum value_type type;
    bool of_item;
} properties[PROPERTIES] = {
    {"revenue", "revenue", VALUE_MONEY, false},   {"store", "store", VALUE_TEXT, false},
    {"gift", "gift", VALUE_YES_NO, false},        {"weight", "weight", VALUE_NUMBER, false},
    {"due", "due", VALUE_TIME, false},            {"order_id", "order_id", VALUE_TEXT, false},
    {"products", "products", VALUE_LIST, true},   {"products.product_id", "product_id", VALUE_TEXT, true},
    {"products.quantity", "quantity", VALUE_NUMBER, true}, {"products.sales_value", "sales_value", VALUE_MONEY, true},
    {"time", "time", VALUE_TIME, false},          {"department", "department", VALUE_TEXT, true}};
static const char *const comparisons[] = {"==", "!=", "<", "<=", ">", ">="};
static const char *const signs[] = {"+", "-", "*", "/"};
static const char *const texts[] = {"12", "7", "A1", "A2", "GROCERY", "A9", ""};

struct scope {
    const struct happening *row;
    const struct item *item;
};

static uint64_t below(struct model *model, uint64_t bound) { return random_below(&model->random, bound); }

/* ---- growing trees ---- */

enum where_scope { TOP, ROW, ITEM };
static struct tree *grow(struct model *model, enum value_type type, int depth, enum where_scope scope);

static struct tree *tree_new(struct model *model, enum kind kind, enum value_type type) {
    struct tree *tree = arena_calloc(&model->world.arena, 1, sizeof(*tree));
    tree->kind = kind;
    tree->type = type;
    tree->property = -1;
    return tree;
}

static struct value random_value(struct model *model, enum value_type type) {
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
        return value_money((int64_t)below(model, 5000), below(model, 12) ? model->world.schema.currency : eur);
    }
    }
}

static struct tree *grow_literal(struct model *model, enum value_type type) {
    struct tree *tree = tree_new(model, LITERAL, type);
    tree->literal = random_value(model, type);
    return tree;
}

static struct tree *with_children(struct model *model, struct tree *tree, int count, enum value_type type, int depth, enum where_scope scope) {
    for (int i = 0; i < count; i++) tree->child[i] = grow(model, type, depth - 1, scope);
    tree->child_count = count;
    return tree;
}

static struct tree *grow_name(struct model *model, enum value_type type, enum where_scope scope) {
    int fits[PROPERTIES], count = 0;
    for (int i = 0; i < PROPERTIES; i++) {
        if (i != PRODUCTS && properties[i].type == type && (scope == ITEM || !properties[i].of_item)) fits[count++] = i;
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
    case MAX: return type == VALUE_NUMBER || type == VALUE_MONEY || type == VALUE_TEXT || type == VALUE_TIME;
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
    if (aggregate == SHARE || below(model, 2)) tree->where = ordered ? grow(model, VALUE_YES_NO, depth - 1, of_item ? ITEM : ROW) : grow_literal(model, VALUE_YES_NO);
    choose_window(model, tree);
    return tree;
}

static struct tree *grow_arithmetic(struct model *model, enum value_type type, int depth, enum where_scope scope) {
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

static enum value_type any_type(struct model *model) {
    static const enum value_type types[] = {VALUE_NUMBER, VALUE_TEXT, VALUE_TIME, VALUE_DURATION, VALUE_YES_NO, VALUE_MONEY};
    return types[below(model, 6)];
}

static struct tree *grow_condition(struct model *model, int depth, enum where_scope scope) {
    struct tree *tree;
    switch (below(model, 8)) {
    case 0: return with_children(model, tree_new(model, NOT, VALUE_YES_NO), 1, VALUE_YES_NO, depth, scope);
    case 1: return with_children(model, tree_new(model, AND, VALUE_YES_NO), 2 + (int)below(model, 2), VALUE_YES_NO, depth, scope);
    case 2: return with_children(model, tree_new(model, OR, VALUE_YES_NO), 2 + (int)below(model, 2), VALUE_YES_NO, depth, scope);
    case 3: return with_children(model, tree_new(model, IS_KNOWN, VALUE_YES_NO), 1, any_type(model), depth, scope);
    case 4:
        tree = with_children(model, tree_new(model, IN, VALUE_YES_NO), 3, any_type(model), depth, scope);
        tree->op = (int)below(model, 2);
        return tree;
    case 5:
        tree = with_children(model, tree_new(model, below(model, 2) ? IN_ACTION : TEXT_TEST, VALUE_YES_NO), 2, VALUE_TEXT, depth, scope);
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

static struct tree *grow(struct model *model, enum value_type type, int depth, enum where_scope scope) {
    if (depth <= 0) return scope == TOP || below(model, 3) == 0 ? grow_literal(model, type) : grow_name(model, type, scope);
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
        return with_children(model, tree_new(model, below(model, 2) ? ABS : MINUS, type), 1, type, depth, scope);
    default: break;
    }
    if (type == VALUE_YES_NO) return grow_condition(model, depth, scope);
    if (type == VALUE_TIME && way == 8) return tree_new(model, NOW, type);
    return type == VALUE_TEXT ? grow_literal(model, type) : grow_arithmetic(model, type, depth, scope);
}

/* ---- writing them down ---- */

static void put(struct buffer *out, const char *text) { assert_int_equal(buffer_append_text(out, text_from(text)), STATUS_OK); }

static void write_tree(const struct tree *tree, struct buffer *out);

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
    if (tree->window_ms) snprintf(window, sizeof window, " in %lldd", (long long)(tree->window_ms / TIME_DAY_MS));
    if (tree->visits || tree->window_ms) put(out, window);
    if (tree->ending_ms) snprintf(window, sizeof window, " ending %lldd ago", (long long)(tree->ending_ms / TIME_DAY_MS));
    if (tree->ending_ms) put(out, window);
}

static void write_tree(const struct tree *tree, struct buffer *out) {
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

/* ---- evaluating them, slowly ---- */

static struct value evaluate(struct model *model, const struct tree *tree, struct scope scope);

static bool is(struct value value, bool yes) { return value.type == VALUE_YES_NO && value.yes == yes; }
static bool mixed(struct value a, struct value b) { return a.type == VALUE_MONEY && b.type == VALUE_MONEY && a.currency != b.currency; }

static struct value department_of(struct value product) {
    if (product.type != VALUE_TEXT) return value_unknown();
    if (text_equal(product.text, TEXT("A1")) || text_equal(product.text, TEXT("A3"))) return value_text(TEXT("GROCERY"));
    return text_equal(product.text, TEXT("A2")) ? value_text(TEXT("DELI")) : value_unknown();
}

static struct value property_of(const struct happening *row, const struct item *item, int property) {
    if (row->type != 0 && property != ROW_TIME) return value_unknown();
    switch (property) {
    case REVENUE: return row->revenue;
    case STORE: return row->store;
    case GIFT: return row->gift;
    case WEIGHT: return row->weight;
    case DUE: return row->due;
    case ORDER_ID: return row->order_id;
    case PRODUCT_ID: return item->product_id;
    case QUANTITY: return item->quantity;
    case SALES_VALUE: return item->sales_value;
    case ROW_TIME: return value_time(row->time_ms);
    case DEPARTMENT: return department_of(item->product_id);
    default: return value_unknown();
    }
}

static struct value number_or_unknown(double number) { return isfinite(number) ? value_number(number) : value_unknown(); }

static struct value calculate(int op, struct value a, struct value b, enum value_type type) {
    if (!value_is_known(a) || !value_is_known(b) || mixed(a, b)) return value_unknown();
    if (a.type == VALUE_NUMBER && b.type == VALUE_NUMBER) {
        double x = a.number, y = b.number;
        return number_or_unknown(op == 0 ? x + y : op == 1 ? x - y : op == 2 ? x * y : x / y);
    }
    /* An undated row has no distance from anything. */
    if ((a.type == VALUE_TIME && a.time_ms == TIME_ALWAYS) || (b.type == VALUE_TIME && b.time_ms == TIME_ALWAYS)) return value_unknown();
    if (op == 3 && a.type == b.type) return b.minor ? value_number((double)a.minor / (double)b.minor) : value_unknown();
    struct value result = {.type = (uint8_t)type, .currency = type == VALUE_MONEY ? (a.type == VALUE_MONEY ? a.currency : b.currency) : 0};
    __int128 whole;
    if (op >= 2) {
        double scaled = rint(op == 2 ? (a.type == VALUE_NUMBER ? a.number * (double)b.minor : (double)a.minor * b.number) : (double)a.minor / b.number);
        if (!(fabs(scaled) < 9e18)) return value_unknown();
        whole = (__int128)scaled;
    } else {
        whole = op == 0 ? (__int128)a.minor + b.minor : (__int128)a.minor - b.minor;
    }
    if (whole > INT64_MAX || whole < INT64_MIN) return value_unknown();
    result.minor = (int64_t)whole;
    return result;
}

static int order_of(struct value a, struct value b) {
    if (a.type == VALUE_NUMBER) return (a.number > b.number) - (a.number < b.number);
    if (a.type == VALUE_TEXT) {
        int order = memcmp(a.text.at, b.text.at, a.text.length < b.text.length ? a.text.length : b.text.length);
        return order ? order : (int)a.text.length - (int)b.text.length;
    }
    if (a.type == VALUE_YES_NO) return a.yes - b.yes;
    return (a.minor > b.minor) - (a.minor < b.minor);
}

static bool holds(int op, int order) {
    const bool table[] = {order == 0, order != 0, order < 0, order <= 0, order > 0, order >= 0};
    return table[op];
}

/* ---- aggregates of the model: collect what counts, then look ---- */

struct found {
    const struct happening *row;
    struct value value;
    bool kept; /* where holds */
};

static bool is_visit_type(int type) { return type == 1 || type == 2; }

static bool known(const struct model *model, const struct happening *event) { return !model->with_known || event->known_ms <= model->t_ms; }

/* The last n visits begin at … ; INT64_MAX where there are none. */
static int64_t visits_begin(const struct model *model, uint32_t visits) {
    int64_t begin = INT64_MAX, later = 0;
    uint32_t seen = 0;
    for (uint32_t i = model->count; i-- > 0;) {
        const struct happening *event = &model->events[i];
        if (event->time_ms > model->t_ms || event->time_ms == TIME_ALWAYS || !known(model, event) || !is_visit_type(event->type)) continue;
        if (seen == 0 || later - event->time_ms > 30 * TIME_MINUTE_MS) seen++;
        if (seen > visits) break;
        begin = later = event->time_ms;
    }
    return begin;
}

static bool in_window(const struct model *model, const struct tree *tree, const struct happening *event) {
    int64_t end = model->t_ms - tree->ending_ms;
    if (event->time_ms > end) return false;
    if (tree->window_ms) return event->time_ms > end - tree->window_ms;
    return tree->visits ? event->time_ms >= visits_begin(model, tree->visits) : true;
}

static bool takes(const struct tree *tree, int type) {
    if (tree->events == 8) return true;
    return tree->events == 16 ? is_visit_type(type) : tree->events >> type & 1;
}

static uint32_t collect(struct model *model, const struct tree *tree, struct found *out) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < model->count; i++) {
        const struct happening *event = &model->events[i];
        if (!known(model, event) || !takes(tree, event->type) || !in_window(model, tree, event)) continue;
        bool of_items = tree->property >= 0 && properties[tree->property].of_item;
        if (of_items && (event->type != 0 || !event->has_products)) continue;
        for (uint32_t j = 0; j < (of_items ? event->item_count : 1); j++) {
            struct scope scope = {event, of_items ? &event->items[j] : NULL};
            struct value value = tree->property >= 0 ? property_of(event, scope.item, tree->property) : value_unknown();
            if (tree->property >= 0 && tree->property != PRODUCTS && !value_is_known(value)) continue;
            bool kept = !tree->where || is(evaluate(model, tree->where, scope), true);
            out[count++] = (struct found){event, value, kept};
        }
    }
    return count;
}

static struct value count_visits(const struct found *found, uint32_t count, bool share) {
    double visits = 0, holding = 0;
    bool holds_now = false;
    int64_t before = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (found[i].row->time_ms == TIME_ALWAYS) continue;
        if (visits == 0 || found[i].row->time_ms - before > 30 * TIME_MINUTE_MS) visits++, holds_now = false;
        before = found[i].row->time_ms;
        if (found[i].kept && !holds_now) holding++, holds_now = true;
    }
    return share ? number_or_unknown(holding / visits) : value_number(holding);
}

static struct value add_up(const struct model *model, const struct tree *tree, const struct found *found, uint32_t count, bool average) {
    double number = 0;
    __int128 whole = 0;
    uint32_t kept = 0;
    struct value first = value_money(0, model->world.schema.currency);
    for (uint32_t i = 0; i < count; i++) {
        if (!found[i].kept) continue;
        if (kept++ == 0) first = found[i].value;
        if (mixed(first, found[i].value)) return value_unknown();
        if (tree->type == VALUE_NUMBER) number += found[i].value.number;
        if (tree->type == VALUE_MONEY) whole += found[i].value.minor;
    }
    if (average && kept == 0) return value_unknown();
    if (tree->type == VALUE_NUMBER) return number_or_unknown(average ? number / kept : number);
    if (average) whole = (__int128)rintl((long double)whole / kept);
    return value_money((int64_t)whole, first.currency);
}

static struct value share_of(const struct tree *tree, const struct found *found, uint32_t count) {
    double above = 0, below_line = 0;
    struct value first = value_unknown();
    for (uint32_t i = 0; i < count; i++) {
        struct value value = found[i].value;
        double part = tree->property < 0 || tree->property == PRODUCTS ? 1 : value.type == VALUE_NUMBER ? value.number : (double)value.minor;
        if (i == 0) first = value;
        if (mixed(first, value)) return value_unknown();
        below_line += part;
        if (found[i].kept) above += part;
    }
    return number_or_unknown(above / below_line);
}

static struct value extreme(const struct found *found, uint32_t count, bool greatest) {
    struct value best = value_unknown();
    for (uint32_t i = 0; i < count; i++) {
        if (!found[i].kept) continue;
        if (value_is_known(best) && mixed(best, found[i].value)) return value_unknown();
        bool better = !value_is_known(best) || (greatest ? order_of(found[i].value, best) > 0 : order_of(found[i].value, best) < 0);
        if (better) best = found[i].value;
    }
    return best;
}

static struct value how_many(const struct found *found, uint32_t count) {
    uint32_t different = 0;
    for (uint32_t i = 0; i < count; i++) {
        bool is_new = found[i].kept;
        for (uint32_t j = 0; j < i && is_new; j++) is_new = !(found[j].kept && !mixed(found[i].value, found[j].value) && order_of(found[i].value, found[j].value) == 0);
        different += is_new;
    }
    return value_number(different);
}

static struct value aggregate(struct model *model, const struct tree *tree) {
    struct found *found = arena_alloc(&model->world.arena, EVENTS_MAX * ITEMS_MAX * sizeof(*found));
    uint32_t count = collect(model, tree, found), kept = 0;
    const struct found *first = NULL, *last = NULL;
    for (uint32_t i = 0; i < count; i++) {
        if (!found[i].kept) continue;
        if (kept++ == 0) first = &found[i];
        last = &found[i];
    }
    switch ((enum aggregate)tree->op) {
    case COUNT: return tree->events == 16 ? count_visits(found, count, false) : value_number(kept);
    case EXISTS: return value_yes_no(kept > 0);
    case SUM: return add_up(model, tree, found, count, false);
    case AVG: return add_up(model, tree, found, count, true);
    case MIN: return extreme(found, count, false);
    case MAX: return extreme(found, count, true);
    case DISTINCT: return how_many(found, count);
    case SHARE: return tree->events == 16 ? count_visits(found, count, true) : share_of(tree, found, count);
    case SINCE: return kept && last->row->time_ms != TIME_ALWAYS ? value_duration(model->t_ms - last->row->time_ms) : value_unknown();
    default: break;
    }
    const struct found *one = tree->op == FIRST ? first : last;
    if (!one) return value_unknown();
    if (tree->property >= 0) return one->value;
    return one->row->time_ms == TIME_ALWAYS ? value_unknown() : value_time(one->row->time_ms);
}

static struct value three_valued(struct model *model, const struct tree *tree, struct scope scope) {
    bool decisive = tree->kind == OR, unknown = false;
    for (int i = 0; i < tree->child_count; i++) {
        struct value value = evaluate(model, tree->child[i], scope);
        if (is(value, decisive)) return value_yes_no(decisive);
        unknown = unknown || !value_is_known(value);
    }
    return unknown ? value_unknown() : value_yes_no(!decisive);
}

static struct value member(const struct value *values, bool negated) {
    struct value result = value_yes_no(false);
    if (!value_is_known(values[0])) return value_unknown();
    for (int i = 1; i < 3; i++) {
        if (!value_is_known(values[i])) result = value_unknown();
    }
    for (int i = 1; i < 3; i++) {
        if (value_is_known(values[i]) && !mixed(values[0], values[i]) && order_of(values[0], values[i]) == 0) result = value_yes_no(true);
    }
    if (negated && value_is_known(result)) result.yes = !result.yes;
    return result;
}

static struct value text_test(int op, struct text a, struct text b) {
    switch (op) {
    case 0: return value_yes_no(b.length == 0 || memmem(a.at, a.length, b.at, b.length));
    case 1: return value_yes_no(a.length >= b.length && memcmp(a.at, b.at, b.length) == 0);
    case 2: return value_yes_no(a.length >= b.length && memcmp(a.at + a.length - b.length, b.at, b.length) == 0);
    default: return value_yes_no(a.length == b.length && memcmp(a.at, b.at, b.length) == 0); /* no wildcards among the texts */
    }
}

static struct value evaluate(struct model *model, const struct tree *tree, struct scope scope) {
    struct value value[3] = {{0}, {0}, {0}};
    if (tree->kind == AND || tree->kind == OR) return three_valued(model, tree, scope);
    if (tree->kind == AGGREGATE) return aggregate(model, tree);
    for (int i = 0; i < tree->child_count; i++) value[i] = evaluate(model, tree->child[i], scope);
    bool both = value_is_known(value[0]) && value_is_known(value[1]);
    switch (tree->kind) {
    case LITERAL: return tree->literal;
    case NOW: return value_time(model->t_ms);
    case NAME: return property_of(scope.row, scope.item, tree->op);
    case NOT: return value_is_known(value[0]) ? value_yes_no(!value[0].yes) : value[0];
    case COMPARE: return both && !mixed(value[0], value[1]) ? value_yes_no(holds(tree->op, order_of(value[0], value[1]))) : value_unknown();
    case IN: return member(value, tree->op);
    case IN_ACTION: return value_is_known(value[0]) ? value_yes_no(text_equal(value[0].text, TEXT("A1")) || text_equal(value[0].text, TEXT("A2"))) : value_unknown();
    case TEXT_TEST: return both ? text_test(tree->op, value[0].text, value[1].text) : value_unknown();
    case IS_KNOWN: return value_yes_no(value_is_known(value[0]));
    case ARITHMETIC: return calculate(tree->op, value[0], value[1], tree->type);
    case IF: return value_is_known(value[0]) ? value[value[0].yes ? 1 : 2] : value_unknown();
    case OTHERWISE: return value_is_known(value[0]) ? value[0] : value[1];
    case LEAST:
        if (!both || mixed(value[0], value[1])) return value_unknown();
        return (order_of(value[0], value[1]) <= 0) == (tree->op == 0) ? value[0] : value[1];
    case MINUS:
    case ABS:
        if (value[0].type == VALUE_NUMBER) value[0].number = tree->kind == ABS ? fabs(value[0].number) : -value[0].number;
        if (value[0].type > VALUE_NUMBER && (tree->kind == MINUS || value[0].minor < 0)) value[0].minor = -value[0].minor;
        return value[0];
    default: return value_unknown();
    }
}

/* ---- random timelines ---- */

static struct value maybe(struct model *model, struct value value) { return below(model, 5) ? value : value_unknown(); }

static void random_event(struct model *model, struct happening *event) {
    *event = (struct happening){.type = (int)below(model, 3)};
    int64_t unit = below(model, 2) ? TIME_DAY_MS : 10 * TIME_MINUTE_MS;
    event->time_ms = below(model, 15) ? NOW_MS - (int64_t)below(model, 80) * unit : TIME_ALWAYS;
    if (below(model, 10) == 0) event->time_ms = NOW_MS + (int64_t)below(model, 3) * TIME_DAY_MS;
    event->known_ms = event->time_ms + (int64_t)below(model, 3) * TIME_DAY_MS;
    if (event->type != 0) return;
    event->revenue = maybe(model, random_value(model, VALUE_MONEY));
    event->store = maybe(model, random_value(model, VALUE_TEXT));
    event->gift = maybe(model, random_value(model, VALUE_YES_NO));
    event->weight = maybe(model, random_value(model, VALUE_NUMBER));
    event->due = maybe(model, random_value(model, VALUE_TIME));
    event->order_id = maybe(model, random_value(model, VALUE_TEXT));
    event->has_products = below(model, 4);
    event->item_count = (uint32_t)below(model, ITEMS_MAX + 1);
    for (uint32_t i = 0; i < event->item_count; i++) {
        event->items[i].product_id = maybe(model, random_value(model, VALUE_TEXT));
        event->items[i].quantity = maybe(model, random_value(model, VALUE_NUMBER));
        event->items[i].sales_value = maybe(model, random_value(model, VALUE_MONEY));
    }
}

static void random_timeline(struct model *model) {
    model->count = (uint32_t)below(model, EVENTS_MAX + 1);
    for (uint32_t i = 0; i < model->count; i++) random_event(model, &model->events[i]);
    for (uint32_t i = 1; i < model->count; i++) {
        for (uint32_t j = i; j > 0 && model->events[j - 1].time_ms > model->events[j].time_ms; j--) {
            struct happening swap = model->events[j];
            model->events[j] = model->events[j - 1];
            model->events[j - 1] = swap;
        }
    }
}

static void to_timeline(struct model *model, struct timeline *out) {
    static const char *const names[] = {"product_id", "quantity", "sales_value"};
    struct world_event *events = arena_calloc(&model->world.arena, EVENTS_MAX, sizeof(*events));
    struct world *world = &model->world;
    for (uint32_t i = 0; i < model->count; i++) {
        const struct happening *from = &model->events[i];
        events[i] = (struct world_event){.time_ms = from->time_ms, .known_ms = from->known_ms, .type = world_event_type(world, event_names[from->type])};
        if (from->type != 0) continue;
        world_set(world, &events[i], "revenue", from->revenue);
        world_set(world, &events[i], "store", from->store);
        world_set(world, &events[i], "gift", from->gift);
        world_set(world, &events[i], "weight", from->weight);
        world_set(world, &events[i], "due", from->due);
        world_set(world, &events[i], "order_id", from->order_id);
        if (!from->has_products) continue;
        struct value cells[ITEMS_MAX * 3];
        for (uint32_t j = 0; j < from->item_count; j++) {
            cells[3 * j] = from->items[j].product_id;
            cells[3 * j + 1] = from->items[j].quantity;
            cells[3 * j + 2] = from->items[j].sales_value;
        }
        world_set(world, &events[i], "products", world_list(world, names, cells, 3, from->item_count));
    }
    world_timeline(world, events, model->count, model->with_known, out);
}

/* ---- the comparison ---- */

static bool same(struct value a, struct value b) {
    if (a.type == VALUE_NUMBER && b.type == VALUE_NUMBER) {
        double scale = fmax(1, fmax(fabs(a.number), fabs(b.number)));
        return fabs(a.number - b.number) <= 1e-12 * scale;
    }
    return value_equal(a, b);
}

static void check_one(struct model *model, uint64_t seed, uint32_t *compiled) {
    random_init(&model->random, seed);
    const struct tree *tree = grow(model, any_type(model), 1 + (int)below(model, 4), TOP);
    struct buffer source;
    buffer_init(&source);
    write_tree(tree, &source);
    struct expr_program *program = NULL;
    struct expr_error error = {0};
    enum status status = expr_compile(&model->world.arena, &model->world.schema, buffer_text(&source), &program, &error);
    if (status == STATUS_OK) {
        ++*compiled;
        if (expr_type(program) != tree->type) fail_msg("seed %llu: type %s of %.*s", (unsigned long long)seed, value_type_name(expr_type(program)), TEXT_ARG(buffer_text(&source)));
    } else if (status != STATUS_LIMIT) {
        fail_msg("seed %llu: %.*s\n%u: %s", (unsigned long long)seed, TEXT_ARG(buffer_text(&source)), error.column, error.error.text);
    }
    for (int round = 0; status == STATUS_OK && round < 4; round++) {
        struct timeline timeline;
        struct expr_env env;
        model->with_known = below(model, 2);
        model->t_ms = NOW_MS - (int64_t)below(model, 2) * (int64_t)below(model, 20) * TIME_DAY_MS;
        random_timeline(model);
        to_timeline(model, &timeline);
        world_env(&model->world, &timeline, model->t_ms, &env);
        struct value got = expr_eval(program, &env), wanted = evaluate(model, tree, (struct scope){0});
        if (!same(got, wanted)) {
            fail_msg("seed %llu round %d: %.*s\n gives %s, the model %s", (unsigned long long)seed, round, TEXT_ARG(buffer_text(&source)),
                     world_print(&model->world, got), world_print(&model->world, wanted));
        }
    }
    buffer_release(&source);
}

static void test_against_the_model(void **state) {
    (void)state;
    static struct model model;
    uint64_t first = getenv("EXPR_SEED") ? strtoull(getenv("EXPR_SEED"), NULL, 10) : 1;
    uint64_t rounds = getenv("EXPR_ROUNDS") ? strtoull(getenv("EXPR_ROUNDS"), NULL, 10) : 20000;
    uint32_t compiled = 0;
    for (uint64_t seed = first; seed < first + rounds; seed++) {
        if ((seed - first) % 500 == 0) {
            if (seed > first) world_release(&model.world);
            world_init(&model.world);
        }
        check_one(&model, seed, &compiled);
    }
    world_release(&model.world);
    printf("%u of %llu compiled\n", compiled, (unsigned long long)rounds);
    assert_true(compiled > rounds / 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_the_model)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
