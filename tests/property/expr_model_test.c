/* SPDX-License-Identifier: Apache-2.0 */
/* Random expressions over random timelines, against an evaluator that walks its own tree over its
 * own events: it knows nothing of parser, columns, bytecode or fast ways. EXPR_SEED and EXPR_ROUNDS
 * choose; the seed is printed on a failure. */
#include <math.h>
#include "support/unit.h"

#include "base/time.h"
#include "event/packed.h"
#include "expr/plain.h"
#include "expr_model.h"

__extension__ typedef __int128 wide; /* sums that can't overflow */

struct scope {
    const struct happening *row;
    const struct item *item;
};

/* ---- evaluating them, slowly ---- */

static struct value evaluate(struct model *model, const struct tree *tree, struct scope scope);

static bool is(struct value value, bool yes) {
    return value.type == VALUE_YES_NO && value.yes == yes;
}
static bool mixed(struct value a, struct value b) {
    return a.type == VALUE_MONEY && b.type == VALUE_MONEY && a.currency != b.currency;
}

static struct value department_of(struct value product) {
    if (product.type != VALUE_TEXT) return value_unknown();
    if (text_equal(product.text, TEXT("A1")) || text_equal(product.text, TEXT("A3")))
        return value_text(TEXT("GROCERY"));
    return text_equal(product.text, TEXT("A2")) ? value_text(TEXT("DELI")) : value_unknown();
}

static struct value property_of(const struct happening *row, const struct item *item,
                                int property) {
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

static struct value number_or_unknown(double number) {
    return isfinite(number) ? value_number(number) : value_unknown();
}

static struct value calculate(int op, struct value a, struct value b, enum value_type type) {
    if (!value_is_known(a) || !value_is_known(b) || mixed(a, b)) return value_unknown();
    if (a.type == VALUE_NUMBER && b.type == VALUE_NUMBER) {
        double x = a.number, y = b.number;
        return number_or_unknown(op == 0 ? x + y : op == 1 ? x - y : op == 2 ? x * y : x / y);
    }
    /* An undated row has no distance from anything. */
    if ((a.type == VALUE_TIME && a.time_ms == TIME_ALWAYS) ||
        (b.type == VALUE_TIME && b.time_ms == TIME_ALWAYS))
        return value_unknown();
    if (op == 3 && a.type == b.type)
        return b.minor ? value_number((double)a.minor / (double)b.minor) : value_unknown();
    struct value result = {
        .type = (uint8_t)type,
        .currency = type == VALUE_MONEY ? (a.type == VALUE_MONEY ? a.currency : b.currency) : 0};
    wide whole;
    if (op >= 2) {
        double scaled = rint(op == 2 ? (a.type == VALUE_NUMBER ? a.number * (double)b.minor
                                                               : (double)a.minor * b.number)
                                     : (double)a.minor / b.number);
        if (!(fabs(scaled) < 9e18)) return value_unknown();
        whole = (wide)scaled;
    } else {
        whole = op == 0 ? (wide)a.minor + b.minor : (wide)a.minor - b.minor;
    }
    if (whole > INT64_MAX || whole < INT64_MIN) return value_unknown();
    result.minor = (int64_t)whole;
    return result;
}

static int order_of(struct value a, struct value b) {
    if (a.type == VALUE_NUMBER) return (a.number > b.number) - (a.number < b.number);
    if (a.type == VALUE_TEXT) {
        int order = memcmp(a.text.at, b.text.at,
                           a.text.length < b.text.length ? a.text.length : b.text.length);
        return order ? order : (int)a.text.length - (int)b.text.length;
    }
    if (a.type == VALUE_YES_NO) return a.yes - b.yes;
    return (a.minor > b.minor) - (a.minor < b.minor);
}

static bool holds(int op, int order) {
    const bool table[] = {order == 0, order != 0, order<0, order <= 0, order> 0, order >= 0};
    return table[op];
}

/* ---- aggregates of the model: collect what counts, then look ---- */

struct found {
    const struct happening *row;
    struct value value;
    bool kept; /* where holds */
};

static bool is_visit_type(int type) {
    return type == 1 || type == 2;
}

static bool known(const struct model *model, const struct happening *event) {
    return !model->with_known || event->known_ms <= model->t_ms;
}

/* The last n visits begin at … ; INT64_MAX where there are none. */
static int64_t visits_begin(const struct model *model, uint32_t visits) {
    int64_t begin = INT64_MAX, later = 0;
    uint32_t seen = 0;
    for (uint32_t i = model->count; i-- > 0;) {
        const struct happening *event = &model->events[i];
        if (event->time_ms > model->t_ms || event->time_ms == TIME_ALWAYS || !known(model, event) ||
            !is_visit_type(event->type))
            continue;
        if (seen == 0 || later - event->time_ms > 30 * TIME_MINUTE_MS) seen++;
        if (seen > visits) break;
        begin = later = event->time_ms;
    }
    return begin;
}

static bool in_window(const struct model *model, const struct tree *tree,
                      const struct happening *event) {
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
        if (!known(model, event) || !takes(tree, event->type) || !in_window(model, tree, event))
            continue;
        bool of_items = tree->property >= 0 && properties[tree->property].of_item;
        if (of_items && (event->type != 0 || !event->has_products)) continue;
        for (uint32_t j = 0; j < (of_items ? event->item_count : 1); j++) {
            struct scope scope = {event, of_items ? &event->items[j] : NULL};
            struct value value = tree->property >= 0
                                     ? property_of(event, scope.item, tree->property)
                                     : value_unknown();
            if (tree->property >= 0 && tree->property != PRODUCTS && !value_is_known(value))
                continue;
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
        if (visits == 0 || found[i].row->time_ms - before > 30 * TIME_MINUTE_MS)
            visits++, holds_now = false;
        before = found[i].row->time_ms;
        if (found[i].kept && !holds_now) holding++, holds_now = true;
    }
    return share ? number_or_unknown(holding / visits) : value_number(holding);
}

static struct value add_up(const struct model *model, const struct tree *tree,
                           const struct found *found, uint32_t count, bool average) {
    double number = 0;
    wide whole = 0;
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
    if (average) whole = (wide)rintl((long double)whole / kept);
    return value_money((int64_t)whole, first.currency);
}

static struct value share_of(const struct tree *tree, const struct found *found, uint32_t count) {
    double above = 0, below_line = 0;
    struct value first = value_unknown();
    for (uint32_t i = 0; i < count; i++) {
        struct value value = found[i].value;
        double part = tree->property < 0 || tree->property == PRODUCTS ? 1
                      : value.type == VALUE_NUMBER                     ? value.number
                                                                       : (double)value.minor;
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
        bool better = !value_is_known(best) || (greatest ? order_of(found[i].value, best) > 0
                                                         : order_of(found[i].value, best) < 0);
        if (better) best = found[i].value;
    }
    return best;
}

static struct value how_many(const struct found *found, uint32_t count) {
    uint32_t different = 0;
    for (uint32_t i = 0; i < count; i++) {
        bool is_new = found[i].kept;
        for (uint32_t j = 0; j < i && is_new; j++)
            is_new = !(found[j].kept && !mixed(found[i].value, found[j].value) &&
                       order_of(found[i].value, found[j].value) == 0);
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
    case SHARE:
        return tree->events == 16 ? count_visits(found, count, true) : share_of(tree, found, count);
    case SINCE:
        return kept && last->row->time_ms != TIME_ALWAYS
                   ? value_duration(model->t_ms - last->row->time_ms)
                   : value_unknown();
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
        if (value_is_known(values[i]) && !mixed(values[0], values[i]) &&
            order_of(values[0], values[i]) == 0)
            result = value_yes_no(true);
    }
    if (negated && value_is_known(result)) result.yes = !result.yes;
    return result;
}

static struct value text_test(int op, struct text a, struct text b) {
    switch (op) {
    case 0: return value_yes_no(b.length == 0 || memmem(a.at, a.length, b.at, b.length));
    case 1: return value_yes_no(a.length >= b.length && memcmp(a.at, b.at, b.length) == 0);
    case 2:
        return value_yes_no(a.length >= b.length &&
                            memcmp(a.at + a.length - b.length, b.at, b.length) == 0);
    default:
        return value_yes_no(a.length == b.length &&
                            memcmp(a.at, b.at, b.length) == 0); /* no wildcards among the texts */
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
    case COMPARE:
        return both && !mixed(value[0], value[1])
                   ? value_yes_no(holds(tree->op, order_of(value[0], value[1])))
                   : value_unknown();
    case IN: return member(value, tree->op);
    case IN_ACTION:
        return value_is_known(value[0]) ? value_yes_no(text_equal(value[0].text, TEXT("A1")) ||
                                                       text_equal(value[0].text, TEXT("A2")))
                                        : value_unknown();
    case TEXT_TEST:
        return both ? text_test(tree->op, value[0].text, value[1].text) : value_unknown();
    case IS_KNOWN: return value_yes_no(value_is_known(value[0]));
    case ARITHMETIC: return calculate(tree->op, value[0], value[1], tree->type);
    case IF: return value_is_known(value[0]) ? value[value[0].yes ? 1 : 2] : value_unknown();
    case OTHERWISE: return value_is_known(value[0]) ? value[0] : value[1];
    case LEAST:
        if (!both || mixed(value[0], value[1])) return value_unknown();
        return (order_of(value[0], value[1]) <= 0) == (tree->op == 0) ? value[0] : value[1];
    case MINUS:
    case ABS:
        if (value[0].type == VALUE_NUMBER)
            value[0].number = tree->kind == ABS ? fabs(value[0].number) : -value[0].number;
        if (value[0].type > VALUE_NUMBER && (tree->kind == MINUS || value[0].minor < 0))
            value[0].minor = -value[0].minor;
        return value[0];
    default: return value_unknown();
    }
}

/* ---- random timelines ---- */

static struct value maybe(struct model *model, struct value value) {
    return below(model, 5) ? value : value_unknown();
}

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
        for (uint32_t j = i; j > 0 && model->events[j - 1].time_ms > model->events[j].time_ms;
             j--) {
            struct happening swap = model->events[j];
            model->events[j] = model->events[j - 1];
            model->events[j - 1] = swap;
        }
    }
}

static void to_timeline(struct model *model, struct timeline *out) {
    static const char *const names[] = {"product_id", "quantity", "sales_value"};
    struct world_event *events = arena_calloc(&model->world.arena, EVENTS_MAX, sizeof(*events));
    struct expr_world *world = &model->world;
    for (uint32_t i = 0; i < model->count; i++) {
        const struct happening *from = &model->events[i];
        events[i] = (struct world_event){.time_ms = from->time_ms,
                                         .known_ms = from->known_ms,
                                         .type = world_event_type(world, event_names[from->type])};
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
        world_set(world, &events[i], "products",
                  world_list(world, names, cells, 3, from->item_count));
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

static uint32_t plain_compared;

/* A plan gives the same, where it has an answer. */
static void check_plain(const struct expr_program *program, struct expr_env *env,
                        struct value wanted, bool limited) {
    struct expr_plain *plain;
    const struct expr_program *const programs[] = {NULL, program, program};
    struct value values[3] = {{0}};
    bool is_plain[3], limits[3] = {false}, wants[] = {true, true, false};
    assert_int_equal(expr_plain_create(&plain, programs, 3, is_plain), STATUS_OK);
    assert_false(is_plain[0]);
    assert_int_equal(is_plain[1], is_plain[2]);
    if (expr_plain_eval(plain, env, wants, values, limits) && is_plain[1]) {
        plain_compared++;
        assert_true(value_equal(values[1], wanted) ||
                    (!value_is_known(values[1]) && !value_is_known(wanted)));
        assert_int_equal(limits[1], limited);
        assert_false(value_is_known(values[2]));
    }
    expr_plain_destroy(plain);
}

static void check_one(struct model *model, uint64_t seed, uint32_t *compiled) {
    random_init(&model->random, seed);
    const struct tree *tree = grow_tree(model, any_type(model), 1 + (int)below(model, 4));
    struct buffer source;
    buffer_init(&source);
    write_tree(tree, &source);
    struct expr_program *program = NULL;
    struct expr_error error = {0};
    enum status status = expr_compile(&model->world.arena, &model->world.schema,
                                      buffer_text(&source), &program, &error);
    if (status == STATUS_OK) {
        ++*compiled;
        if (expr_type(program) != tree->type)
            fail_msg("seed %llu: type %s of %.*s", (unsigned long long)seed,
                     value_type_name(expr_type(program)), TEXT_ARG(buffer_text(&source)));
    } else if (status != STATUS_LIMIT) {
        fail_msg("seed %llu: %.*s\n%u: %s", (unsigned long long)seed,
                 TEXT_ARG(buffer_text(&source)), error.column, error.error.text);
    }
    for (int round = 0; status == STATUS_OK && round < 4; round++) {
        struct timeline timeline;
        struct expr_env env;
        model->with_known = below(model, 2);
        model->t_ms = NOW_MS - (int64_t)below(model, 2) * (int64_t)below(model, 20) * TIME_DAY_MS;
        random_timeline(model);
        to_timeline(model, &timeline);
        world_env(&model->world, &timeline, model->t_ms, &env);
        struct value got = expr_eval(program, &env),
                     wanted = evaluate(model, tree, (struct scope){0});
        if (!same(got, wanted)) {
            fail_msg("seed %llu round %d: %.*s\n gives %s, the model %s", (unsigned long long)seed,
                     round, TEXT_ARG(buffer_text(&source)), world_print(&model->world, got),
                     world_print(&model->world, wanted));
        }
        env.limit_reached = false;
        got = expr_eval(program, &env);
        check_plain(program, &env, got, env.limit_reached);
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
    printf("%u of %llu compiled, %u answers of plans\n", compiled, (unsigned long long)rounds,
           plain_compared);
    assert_true(compiled > rounds / 2);
    assert_true(plain_compared > rounds / 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_against_the_model)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
