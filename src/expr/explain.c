/* SPDX-License-Identifier: Apache-2.0 */
/* Writes an expression as an English phrase, from its tree. Writing stops at the first failure,
 * which the writer remembers. */
#include "base/time.h"
#include "expr/program.h"

struct words {
    struct buffer *out;
    const struct expr_schema *schema;
    enum status status;
};

static void say_node(struct words *words, const struct node *node);

static void say_text(struct words *words, struct text text) {
    if (words->status == STATUS_OK) words->status = buffer_append_text(words->out, text);
}
static void say(struct words *words, const char *text) {
    say_text(words, text_from(text));
}

/* Writes an unusual name in backquotes, as an expression has it. */
static void say_named(struct words *words, struct text name) {
    bool plain = name.length > 0;
    for (uint32_t i = 0; i < name.length; i++) {
        char c = name.at[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        plain = plain && (letter || (i > 0 && c >= '0' && c <= '9'));
    }
    if (!plain) say(words, "`");
    say_text(words, name);
    if (!plain) say(words, "`");
}

static void say_number(struct words *words, uint64_t number) {
    if (words->status == STATUS_OK)
        words->status = buffer_format(words->out, "%llu", (unsigned long long)number);
}

/* Writes 30 days, 4 hours, 1d12h. */
static void say_duration(struct words *words, int64_t duration_ms) {
    static const struct {
        int64_t ms;
        const char *one;
    } units[] = {{TIME_DAY_MS, "day"},
                 {TIME_HOUR_MS, "hour"},
                 {TIME_MINUTE_MS, "minute"},
                 {TIME_SECOND_MS, "second"}};
    for (size_t i = 0; i < sizeof units / sizeof units[0] && duration_ms > 0; i++) {
        if (duration_ms % units[i].ms != 0) continue;
        say_number(words, (uint64_t)(duration_ms / units[i].ms));
        say(words, " ");
        say(words, units[i].one);
        if (duration_ms != units[i].ms) say(words, "s");
        return;
    }
    if (words->status == STATUS_OK)
        words->status = value_print(value_duration(duration_ms), words->out);
}

static void say_literal(struct words *words, struct value value) {
    if (value.type == VALUE_DURATION) {
        say_duration(words, value.duration_ms);
    } else if (words->status == STATUS_OK) {
        words->status = value_print(value, words->out);
    }
}

/* ---- aggregates ---- */

static void say_events(struct words *words, const struct selector *selector) {
    if (selector->kind == SELECT_ANY) say(words, "any event");
    if (selector->kind == SELECT_VISITS) say(words, "visit");
    if (selector->kind != SELECT_EVENTS) return;
    for (uint32_t i = 0; i < selector->event_count; i++) {
        if (i > 0) say(words, i + 1 == selector->event_count ? " or " : ", ");
        say_text(words, selector->events[i].name);
    }
}

/* Writes "the revenue of Order Completed", "the quantity of products of Order Completed". */
static void say_property(struct words *words, const struct selector *selector) {
    if (selector->field.length) {
        say_named(words, selector->field);
        say(words, " of ");
    }
    say_named(words, selector->property);
    say(words, " of ");
    say_events(words, selector);
}

static void say_window(struct words *words, const struct selector *selector) {
    if (selector->window == WINDOW_VISITS) {
        say(words, selector->visits == 1 ? " in the last visit" : " in the last ");
        if (selector->visits > 1) say_number(words, selector->visits);
        if (selector->visits > 1) say(words, " visits");
    }
    if (selector->window != WINDOW_DURATION) return;
    say(words, selector->ending_ms ? " in the " : " in the last ");
    say_duration(words, selector->window_ms);
    if (!selector->ending_ms) return;
    say(words, " up to ");
    say_duration(words, selector->ending_ms);
    say(words, " ago");
}

static void say_where(struct words *words, const struct selector *selector, const char *joint) {
    if (!selector->where) return;
    say(words, joint);
    say_node(words, selector->where);
}

/* Writes "how many times X happened" for events, and "how many products of X there were" for items
 * of a property. */
static void say_count(struct words *words, const struct node *node) {
    const struct selector *selector = node->selector;
    bool exists = node->op == AGGREGATE_EXISTS;
    if (selector->property.length) {
        say(words, exists ? "whether there was " : "how many ");
        say_property(words, selector);
        if (!exists) say(words, " there were");
    } else if (selector->kind == SELECT_VISITS) {
        say(words, exists ? "whether there was a visit" : "how many visits there were");
    } else {
        say(words, exists ? "whether " : "how many times ");
        say_events(words, selector);
        say(words, " happened");
    }
}

static void say_share(struct words *words, const struct selector *selector) {
    say(words, "the part of ");
    if (selector->property.length) {
        say_property(words, selector);
    } else if (selector->kind == SELECT_VISITS) {
        say(words, "visits");
    } else {
        say_events(words, selector);
    }
    say_where(words, selector, " for which ");
    say_window(words, selector);
}

static void say_of_lifetime(struct words *words, const struct node *node) {
    static const char *const what[AGGREGATE_KIND_COUNT] = {
        [AGGREGATE_ALIVE] = "the chance that the customer will order again, ever, by ",
        [AGGREGATE_EXPECTED_ORDERS] = "how many days with an order are expected, by ",
        [AGGREGATE_EXPECTED_VALUE] = "what orders are expected to be worth, by "};
    say(words, what[node->op]);
    say_text(words, node->name);
    if (node->op == AGGREGATE_ALIVE) return;
    say(words, ", in the next ");
    say_literal(words, value_duration(node->selector->ahead_ms));
}

static void say_aggregate(struct words *words, const struct node *node) {
    static const char *const of_property[AGGREGATE_KIND_COUNT] = {
        [AGGREGATE_SUM] = "the sum of ",
        [AGGREGATE_MIN] = "the smallest ",
        [AGGREGATE_MAX] = "the largest ",
        [AGGREGATE_AVG] = "the average of ",
        [AGGREGATE_FIRST] = "the first ",
        [AGGREGATE_LAST] = "the last ",
        [AGGREGATE_DISTINCT] = "how many different values of ",
        [AGGREGATE_LIST] = "all ",
        [AGGREGATE_SINCE] = "the time since the last "};
    static const char *const of_event[AGGREGATE_KIND_COUNT] = {
        [AGGREGATE_FIRST] = "the time of the first ",
        [AGGREGATE_LAST] = "the time of the last ",
        [AGGREGATE_SINCE] = "the time since the last ",
        [AGGREGATE_OVERDUE] = "how surprising it is that there was no "};
    const struct selector *selector = node->selector;
    if (aggregate_is_of_lifetime((enum aggregate_kind)node->op)) {
        say_of_lifetime(words, node);
        return;
    }
    if (node->op == AGGREGATE_SHARE) {
        say_share(words, selector);
        return;
    }
    if (node->op == AGGREGATE_COUNT || node->op == AGGREGATE_EXISTS) {
        say_count(words, node);
    } else if (selector->property.length) {
        say(words, of_property[node->op]);
        say_property(words, selector);
    } else {
        say(words, of_event[node->op]);
        say_events(words, selector);
        if (node->op == AGGREGATE_OVERDUE) say(words, " for so long");
    }
    say_window(words, selector);
    say_where(words, selector, ", counting only those where ");
}

/* ---- everything else ---- */

static const char *operator_words(enum operator op, bool of_times) {
    if (of_times && op == OP_LESS) return " is before ";
    if (of_times && op == OP_LESS_EQUAL) return " is not after ";
    if (of_times && op == OP_GREATER) return " is after ";
    if (of_times && op == OP_GREATER_EQUAL) return " is not before ";
    static const char *const words[] = {
        [OP_EQUAL] = " is ",          [OP_NOT_EQUAL] = " is not ",
        [OP_LESS] = " is under ",     [OP_LESS_EQUAL] = " is at most ",
        [OP_GREATER] = " is over ",   [OP_GREATER_EQUAL] = " is at least ",
        [OP_IN] = " is one of ",      [OP_NOT_IN] = " is none of ",
        [OP_CONTAINS] = " contains ", [OP_STARTS] = " starts with ",
        [OP_ENDS] = " ends with ",    [OP_MATCHES] = " looks like ",
        [OP_KNOWN] = " is known",     [OP_UNKNOWN] = " is unknown",
        [OP_ADD] = " plus ",          [OP_SUBTRACT] = " minus ",
        [OP_MULTIPLY] = " times ",    [OP_DIVIDE] = " divided by "};
    return words[op];
}

/* Adds brackets where the words alone would be read another way. */
static void say_operand(struct words *words, const struct node *node) {
    bool is_exists = node->kind == NODE_AGGREGATE && node->op == AGGREGATE_EXISTS &&
                     !node->selector->property.length;
    if (is_exists && !node->selector->where && node->selector->kind != SELECT_VISITS) {
        say_events(words, node->selector);
        say(words, " happened");
        say_window(words, node->selector);
        return;
    }
    bool brackets = node->kind == NODE_AND || node->kind == NODE_OR ||
                    node->kind == NODE_ARITHMETIC ||
                    (node->kind == NODE_AGGREGATE && node->selector->where);
    if (brackets) say(words, "(");
    say_node(words, node);
    if (brackets) say(words, ")");
}

static void say_joined(struct words *words, const struct node *node, const char *joint) {
    for (const struct node *child = node->first; child; child = child->next) {
        if (child != node->first) say(words, joint);
        say_operand(words, child);
    }
}

static void say_call(struct words *words, const struct node *node) {
    const struct node *first = node->first;
    switch ((enum function)node->op) {
    case FUNCTION_IF:
        say_operand(words, first->next);
        say(words, " if ");
        say_operand(words, first);
        say(words, ", otherwise ");
        say_operand(words, first->next->next);
        return;
    case FUNCTION_OTHERWISE: say_joined(words, node, ", or where that is unknown "); return;
    case FUNCTION_LEAST:
    case FUNCTION_GREATEST:
        say(words, node->op == FUNCTION_LEAST ? "the least of " : "the greatest of ");
        say_joined(words, node, " and ");
        return;
    default: break;
    }
    static const char *const before[FUNCTION_COUNT] = {[FUNCTION_ABS] = "the size of ",
                                                       [FUNCTION_ROUND] = "rounded ",
                                                       [FUNCTION_FLOOR] = "rounded down ",
                                                       [FUNCTION_LOG] = "the logarithm of ",
                                                       [FUNCTION_LOG1P] =
                                                           "the logarithm of 1 plus ",
                                                       [FUNCTION_SQRT] = "the square root of ",
                                                       [FUNCTION_LOWER] = "in small letters ",
                                                       [FUNCTION_LENGTH] = "the length of ",
                                                       [FUNCTION_DAYS] = "in days ",
                                                       [FUNCTION_HOUR] = "the hour of ",
                                                       [FUNCTION_WEEKDAY] = "the weekday of ",
                                                       [FUNCTION_MONTH] = "the month of "};
    say(words, before[node->op]);
    say_operand(words, first);
}

static void say_name(struct words *words, const struct node *node) {
    if (node->reference == REFERENCE_ATTRIBUTE) {
        say(words, "the action's ");
        say_named(words, node->field);
        return;
    }
    if (node->reference == REFERENCE_CONTEXT) {
        say(words, "the request's ");
        say_named(words, node->field);
        return;
    }
    if (node->reference == REFERENCE_LOOKUP && node->field.length) {
        say_text(words, node->name);
        say(words, "'s ");
        say_named(words, node->field);
        return;
    }
    say_named(words, node->name);
}

static void say_related(struct words *words, const struct node *node) {
    say(words, node->op == RELATED_ANY ? "for any " : "how many ");
    say_text(words, node->name);
    say(words, node->op == RELATED_ANY ? ": " : "s there are for whom ");
    say_operand(words, node->first);
}

static void say_node(struct words *words, const struct node *node) {
    switch ((enum node_kind)node->kind) {
    case NODE_LITERAL: say_literal(words, node->literal); return;
    case NODE_NOW: say(words, "now"); return;
    case NODE_NAME: say_name(words, node); return;
    case NODE_LIST:
        if (!node->first) say(words, "an empty list");
        say_joined(words, node, ", ");
        return;
    case NODE_NOT: {
        bool brackets = node->first->kind != NODE_NAME && node->first->kind != NODE_AGGREGATE;
        say(words, brackets ? "not (" : "not ");
        say_operand(words, node->first);
        if (brackets) say(words, ")");
        return;
    }
    case NODE_MINUS:
        say(words, "minus ");
        say_operand(words, node->first);
        return;
    case NODE_AND: say_joined(words, node, " and "); return;
    case NODE_OR: say_joined(words, node, " or "); return;
    case NODE_COMPARE:
    case NODE_IN:
    case NODE_TEXT_TEST:
    case NODE_ARITHMETIC:
    case NODE_IS:
        say_operand(words, node->first);
        say(words, operator_words((enum operator)node->op, node->first->type == VALUE_TIME));
        if (node->first->next) say_operand(words, node->first->next);
        return;
    case NODE_CALL: say_call(words, node); return;
    case NODE_AGGREGATE: say_aggregate(words, node); return;
    case NODE_RELATED: say_related(words, node); return;
    }
}

enum status expr_explain(const struct expr_program *program, const struct expr_schema *schema,
                         struct buffer *out) {
    struct words words = {.out = out, .schema = schema};
    say_node(&words, program->root);
    return words.status;
}
