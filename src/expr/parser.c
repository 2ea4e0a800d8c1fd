/* SPDX-License-Identifier: Apache-2.0 */
#include "expr/parser.h"

#include "base/time.h"

const char *const function_names[FUNCTION_COUNT] = {
    [FUNCTION_IF] = "if",           [FUNCTION_OTHERWISE] = "otherwise",
    [FUNCTION_LEAST] = "least",     [FUNCTION_GREATEST] = "greatest",
    [FUNCTION_ABS] = "abs",         [FUNCTION_ROUND] = "round",
    [FUNCTION_FLOOR] = "floor",     [FUNCTION_LOG] = "log",
    [FUNCTION_LOG1P] = "log1p",     [FUNCTION_SQRT] = "sqrt",
    [FUNCTION_LOWER] = "lower",     [FUNCTION_LENGTH] = "length",
    [FUNCTION_DAYS] = "days",       [FUNCTION_HOUR] = "hour",
    [FUNCTION_WEEKDAY] = "weekday", [FUNCTION_MONTH] = "month",
};
const char *const aggregate_names[AGGREGATE_KIND_COUNT] = {
    [AGGREGATE_COUNT] = "count",
    [AGGREGATE_EXISTS] = "exists",
    [AGGREGATE_SUM] = "sum",
    [AGGREGATE_MIN] = "min",
    [AGGREGATE_MAX] = "max",
    [AGGREGATE_AVG] = "avg",
    [AGGREGATE_FIRST] = "first",
    [AGGREGATE_LAST] = "last",
    [AGGREGATE_DISTINCT] = "distinct",
    [AGGREGATE_SINCE] = "since",
    [AGGREGATE_LIST] = "list",
    [AGGREGATE_SHARE] = "share",
    [AGGREGATE_OVERDUE] = "overdue",
    [AGGREGATE_ALIVE] = "alive",
    [AGGREGATE_EXPECTED_ORDERS] = "expected_orders",
    [AGGREGATE_EXPECTED_VALUE] = "expected_value",
};

struct parser {
    struct lexer lexer;
    struct token token; /* the one to read next */
    uint32_t last_end;
    uint32_t depth;
    const struct time_zone *zone; /* of times without offset */
};

static enum status parse_expression(struct parser *parser, struct node **out);

#define FAIL(parser, at, ...)                                                                      \
    expr_fail((parser)->lexer.error, (parser)->lexer.source, (at), STATUS_INVALID, __VA_ARGS__)

static enum status advance(struct parser *parser) {
    parser->last_end = parser->token.end;
    return lexer_next(&parser->lexer, &parser->token);
}

static bool is_word(const struct token *token, const char *word) {
    return token->kind == TOKEN_NAME && !token->quoted && text_equal(token->text, text_from(word));
}

static bool at_word(const struct parser *parser, const char *word) {
    return is_word(&parser->token, word);
}

/* Returns the token behind the next one. An error in it is reported when it is read. */
static struct token peek(const struct parser *parser) {
    struct lexer ahead = parser->lexer;
    struct token token;
    ahead.error = NULL;
    if (lexer_next(&ahead, &token) != STATUS_OK) token.kind = TOKEN_END;
    return token;
}

static struct text shown(const struct parser *parser) {
    const struct token *token = &parser->token;
    if (token->kind == TOKEN_END) return TEXT("the end");
    uint32_t length = token->end - token->start;
    return (struct text){parser->lexer.source.at + token->start, length < 40 ? length : 40};
}

static enum status expect(struct parser *parser, enum token_kind kind, const char *wanted) {
    if (parser->token.kind != kind) {
        return FAIL(parser, parser->token.start, "expected %s, found %.*s", wanted,
                    TEXT_ARG(shown(parser)));
    }
    return advance(parser);
}

static enum status too_deep(struct parser *parser, uint32_t at) {
    return expr_fail(parser->lexer.error, parser->lexer.source, at, STATUS_LIMIT,
                     "nested more than %d deep: make parts of it traits", EXPR_DEPTH_MAX);
}

static enum status node_make(struct parser *parser, enum node_kind kind, uint32_t start,
                             struct node **out) {
    struct node *node = arena_calloc(parser->lexer.arena, 1, sizeof(*node));
    if (!node) return STATUS_NO_MEMORY;
    node->kind = (uint8_t)kind;
    node->start = node->place = start;
    node->depth = 1;
    *out = node;
    return STATUS_OK;
}

/* Appends a child. **tail is where the next one goes. */
static enum status node_add(struct parser *parser, struct node *node, struct node ***tail,
                            struct node *child) {
    if (node->depth <= child->depth) node->depth = (uint16_t)(child->depth + 1);
    if (node->depth > EXPR_DEPTH_MAX) return too_deep(parser, node->place);
    **tail = child;
    *tail = &child->next;
    node->end = parser->last_end;
    return STATUS_OK;
}

/* Makes a node with up to two children. */
static enum status node_join(struct parser *parser, enum node_kind kind, int op, uint32_t place,
                             struct node *left, struct node *right, struct node **out) {
    struct node *node;
    enum status status = node_make(parser, kind, left->start, &node);
    if (status != STATUS_OK) return status;
    node->op = (uint8_t)op;
    node->place = place;
    struct node **tail = &node->first;
    status = node_add(parser, node, &tail, left);
    if (status == STATUS_OK && right) status = node_add(parser, node, &tail, right);
    *out = node;
    return status;
}

/* What people write who know another language, and what they should write here. */
static const struct {
    const char *stranger, *advice;
} strangers[] = {
    {"true", "write yes"},
    {"false", "write no"},
    {"null", "to ask whether something is there write 'is known' or 'is unknown'"},
    {"AND", "write 'and' in small letters"},
    {"OR", "write 'or' in small letters"},
    {"NOT", "write 'not' in small letters"},
    {"unknown", "to ask whether something is missing write '… is unknown'"},
};

static const char *advice_for(const struct token *token) {
    for (size_t i = 0; i < sizeof strangers / sizeof strangers[0]; i++) {
        if (is_word(token, strangers[i].stranger)) return strangers[i].advice;
    }
    return NULL;
}

/* ---- selectors and windows ---- */

static enum status parse_event_name(struct parser *parser, struct event_name *out) {
    if (parser->token.kind == TOKEN_NAME) {
        return FAIL(parser, parser->token.start, "events stand in quotes: write \"%.*s\"",
                    TEXT_ARG(parser->token.text));
    }
    if (parser->token.kind != TOKEN_LITERAL || parser->token.value.type != VALUE_TEXT) {
        return FAIL(parser, parser->token.start,
                    "expected an event's name in quotes, a list of them, 'any event' or 'visits', "
                    "found %.*s",
                    TEXT_ARG(shown(parser)));
    }
    *out = (struct event_name){parser->token.value.text, parser->token.start, 0};
    return advance(parser);
}

static enum status parse_event_list(struct parser *parser, struct selector *selector) {
    struct event_name names[EXPR_EVENTS_MAX];
    enum status status = advance(parser);
    do {
        if (status != STATUS_OK) return status;
        if (selector->event_count == EXPR_EVENTS_MAX) {
            return expr_fail(parser->lexer.error, parser->lexer.source, parser->token.start,
                             STATUS_LIMIT, "more than %d events in one list", EXPR_EVENTS_MAX);
        }
        status = parse_event_name(parser, &names[selector->event_count]);
        if (status != STATUS_OK) return status;
        selector->event_count++;
        if (parser->token.kind != TOKEN_COMMA) break;
        status = advance(parser);
    } while (true);
    selector->events = arena_alloc(parser->lexer.arena, selector->event_count * sizeof(names[0]));
    if (!selector->events) return STATUS_NO_MEMORY;
    memcpy(selector->events, names, selector->event_count * sizeof(names[0]));
    return expect(parser, TOKEN_CLOSE_LIST, "',' or ']'");
}

static enum status parse_one_event(struct parser *parser, struct selector *selector) {
    selector->events = arena_calloc(parser->lexer.arena, 1, sizeof(struct event_name));
    if (!selector->events) return STATUS_NO_MEMORY;
    selector->event_count = 1;
    if (selector->kind == SELECT_ANY) {
        selector->events->type = SYMBOL_NONE;
        enum status status = advance(parser);
        return status == STATUS_OK ? advance(parser) : status;
    }
    return parse_event_name(parser, selector->events);
}

static enum status parse_path(struct parser *parser, struct selector *selector) {
    for (int i = 0; i < 2 && parser->token.kind == TOKEN_DOT; i++) {
        enum status status = advance(parser);
        if (status != STATUS_OK) return status;
        uint32_t start = parser->token.start;
        struct text name = parser->token.text;
        status = expect(parser, TOKEN_NAME, "the name of a property behind '.'");
        if (status != STATUS_OK) return status;
        *(i == 0 ? &selector->property : &selector->field) = name;
        *(i == 0 ? &selector->property_start : &selector->field_start) = start;
    }
    return STATUS_OK;
}

static enum status parse_selector(struct parser *parser, struct selector *selector) {
    enum status status;
    selector->start = parser->token.start;
    if (at_word(parser, "visits")) {
        selector->kind = SELECT_VISITS;
        status = advance(parser);
    } else if (parser->token.kind == TOKEN_OPEN_LIST) {
        status = parse_event_list(parser, selector);
    } else {
        struct token next = peek(parser);
        if (at_word(parser, "any") && is_word(&next, "event")) selector->kind = SELECT_ANY;
        status = parse_one_event(parser, selector);
    }
    if (status == STATUS_OK) status = parse_path(parser, selector);
    if (status != STATUS_OK || !at_word(parser, "where")) return status;
    status = advance(parser);
    return status == STATUS_OK ? parse_expression(parser, &selector->where) : status;
}

static enum status parse_duration(struct parser *parser, int64_t *duration_ms) {
    const struct token *token = &parser->token;
    if (token->kind != TOKEN_LITERAL || token->value.type != VALUE_DURATION) {
        return FAIL(parser, token->start, "expected a duration such as 30d, found %.*s",
                    TEXT_ARG(shown(parser)));
    }
    *duration_ms = token->value.duration_ms;
    return advance(parser);
}

static enum status parse_visits(struct parser *parser, struct selector *selector) {
    double number = parser->token.value.number;
    if (!(number >= 1 && number <= EXPR_VISITS_MAX && number <= (double)(uint32_t)number)) {
        return FAIL(parser, parser->token.start, "expected a whole number of visits from 1 to %d",
                    EXPR_VISITS_MAX);
    }
    selector->window = WINDOW_VISITS;
    selector->visits = (uint32_t)number;
    enum status status = advance(parser);
    if (status != STATUS_OK) return status;
    if (!at_word(parser, "visits") && !at_word(parser, "visit")) {
        return FAIL(parser, parser->token.start,
                    "expected 'visits' as in 'in last 2 visits'; of time write 'in 30d'");
    }
    return advance(parser);
}

static enum status parse_ending(struct parser *parser, struct selector *selector) {
    if (!at_word(parser, "ending")) return STATUS_OK;
    enum status status = advance(parser);
    if (status == STATUS_OK) status = parse_duration(parser, &selector->ending_ms);
    if (status != STATUS_OK) return status;
    if (!at_word(parser, "ago"))
        return FAIL(parser, parser->token.start, "expected 'ago' as in 'in 90d ending 90d ago'");
    return advance(parser);
}

/* Parses `in 90d`, `in last 2 visits`, `in 90d ending 90d ago`. An `in` before anything else is
 * membership. */
static enum status parse_window(struct parser *parser, struct selector *selector) {
    if (!at_word(parser, "in")) return STATUS_OK;
    struct token next = peek(parser);
    if (next.kind == TOKEN_LITERAL && next.value.type == VALUE_NUMBER) {
        return FAIL(parser, next.start, "expected a duration: write days as 30d, hours as 4h");
    }
    enum status status;
    if (next.kind == TOKEN_LITERAL && next.value.type == VALUE_DURATION) {
        status = advance(parser);
        selector->window = WINDOW_DURATION;
        if (status == STATUS_OK) status = parse_duration(parser, &selector->window_ms);
        return status == STATUS_OK ? parse_ending(parser, selector) : status;
    }
    if (!is_word(&next, "last")) return STATUS_OK;
    struct parser ahead = *parser;
    ahead.lexer.error = NULL;
    if (advance(&ahead) != STATUS_OK || advance(&ahead) != STATUS_OK) return STATUS_OK;
    if (ahead.token.kind != TOKEN_LITERAL) return STATUS_OK;
    status = advance(parser);
    if (status == STATUS_OK) status = advance(parser);
    if (status != STATUS_OK) return status;
    if (parser->token.value.type == VALUE_DURATION) {
        return FAIL(parser, parser->token.start, "write 'in %.*s': a window always ends now",
                    TEXT_ARG(shown(parser)));
    }
    return parser->token.value.type == VALUE_NUMBER
               ? parse_visits(parser, selector)
               : FAIL(parser, parser->token.start, "expected a number of visits");
}

static enum status aggregate_make(struct parser *parser, enum aggregate_kind kind, uint32_t start,
                                  struct node **out) {
    enum status status = node_make(parser, NODE_AGGREGATE, start, out);
    if (status != STATUS_OK) return status;
    (*out)->op = (uint8_t)kind;
    (*out)->selector = arena_calloc(parser->lexer.arena, 1, sizeof(struct selector));
    return (*out)->selector ? STATUS_OK : STATUS_NO_MEMORY;
}

/* Parses alive(NAME), expected_orders(NAME, 180d) and expected_value(NAME, 180d), from behind '('.
 * Where the playbook has one lifetime model its name may be left out. */
static enum status parse_of_lifetime(struct parser *parser, enum aggregate_kind kind,
                                     uint32_t start, struct node **out) {
    enum status status = aggregate_make(parser, kind, start, out);
    if (status != STATUS_OK) return status;
    struct node *node = *out;
    struct selector *selector = node->selector;
    selector->events = arena_calloc(parser->lexer.arena, 1, sizeof(struct event_name));
    if (!selector->events) return STATUS_NO_MEMORY;
    selector->event_count = 1;
    selector->start = parser->token.start;
    bool is_named = parser->token.kind == TOKEN_NAME;
    if (is_named) {
        node->name = parser->token.text;
        status = advance(parser);
    }
    if (kind != AGGREGATE_ALIVE) {
        if (status == STATUS_OK && is_named)
            status = expect(parser, TOKEN_COMMA, "',' and a duration such as 180d");
        if (status == STATUS_OK) status = parse_duration(parser, &selector->ahead_ms);
    }
    if (status == STATUS_OK) status = expect(parser, TOKEN_CLOSE, "')'");
    node->end = parser->last_end;
    return status;
}

static enum status parse_aggregate(struct parser *parser, enum aggregate_kind kind, uint32_t start,
                                   struct node **out) {
    if (aggregate_is_of_lifetime(kind)) return parse_of_lifetime(parser, kind, start, out);
    enum status status = aggregate_make(parser, kind, start, out);
    if (status != STATUS_OK) return status;
    struct node *node = *out;
    status = parse_selector(parser, node->selector);
    if (status == STATUS_OK) status = expect(parser, TOKEN_CLOSE, "'where' or ')'");
    if (status == STATUS_OK) status = parse_window(parser, node->selector);
    node->end = parser->last_end;
    const struct node *where = node->selector->where;
    if (where && where->depth >= node->depth) node->depth = (uint16_t)(where->depth + 1);
    if (status == STATUS_OK && node->depth > EXPR_DEPTH_MAX) status = too_deep(parser, start);
    return status;
}

/* ---- what stands alone ---- */

/* Parses children up to the closing token, and reads that token. */
static enum status parse_children(struct parser *parser, struct node *node, enum token_kind close,
                                  const char *wanted) {
    struct node **tail = &node->first;
    while (parser->token.kind != close) {
        struct node *child;
        enum status status = parse_expression(parser, &child);
        if (status == STATUS_OK) status = node_add(parser, node, &tail, child);
        if (status != STATUS_OK) return status;
        if (parser->token.kind != TOKEN_COMMA) break;
        status = advance(parser);
        if (status != STATUS_OK) return status;
    }
    enum status status = expect(parser, close, wanted);
    node->end = parser->last_end;
    return status;
}

static enum status unknown_function(struct parser *parser, struct text name, uint32_t start) {
    struct text all[FUNCTION_COUNT + AGGREGATE_KIND_COUNT];
    size_t count = 0;
    for (int i = 0; i < FUNCTION_COUNT; i++) all[count++] = text_from(function_names[i]);
    for (int i = 0; i < AGGREGATE_KIND_COUNT; i++) all[count++] = text_from(aggregate_names[i]);
    struct text near = text_nearest(name, all, count);
    if (near.length) {
        return FAIL(parser, start, "there is no function %.*s: did you mean %.*s?", TEXT_ARG(name),
                    TEXT_ARG(near));
    }
    return FAIL(parser, start, "there is no function %.*s", TEXT_ARG(name));
}

/* Parses name( … ), from behind '('. */
static enum status parse_call(struct parser *parser, struct text name, uint32_t start,
                              struct node **out) {
    for (int i = 0; i < AGGREGATE_KIND_COUNT; i++) {
        if (text_equal(name, text_from(aggregate_names[i])))
            return parse_aggregate(parser, (enum aggregate_kind)i, start, out);
    }
    for (int i = 0; i < FUNCTION_COUNT; i++) {
        if (!text_equal(name, text_from(function_names[i]))) continue;
        enum status status = node_make(parser, NODE_CALL, start, out);
        if (status != STATUS_OK) return status;
        (*out)->op = (uint8_t)i;
        return parse_children(parser, *out, TOKEN_CLOSE, "',' or ')'");
    }
    return unknown_function(parser, name, start);
}

/* Parses any friend ( … ) and count friend ( … ), from the relation's name on. */
static enum status parse_related(struct parser *parser, enum related_kind kind, uint32_t start,
                                 struct node **out) {
    enum status status = node_make(parser, NODE_RELATED, start, out);
    if (status != STATUS_OK) return status;
    struct node *node = *out;
    node->op = (uint8_t)kind;
    node->place = parser->token.start;
    node->name = parser->token.text;
    status = advance(parser);
    if (status == STATUS_OK) status = expect(parser, TOKEN_OPEN, "'(' and what must hold for them");
    if (status != STATUS_OK) return status;
    return parse_children(parser, node, TOKEN_CLOSE, "')'");
}

static enum status parse_literal(struct parser *parser, struct value value, uint32_t start,
                                 struct node **out) {
    enum status status = node_make(parser, NODE_LITERAL, start, out);
    if (status != STATUS_OK) return status;
    (*out)->literal = value;
    status = advance(parser);
    (*out)->end = parser->last_end;
    return status;
}

static enum status parse_time_literal(struct parser *parser, uint32_t start, struct node **out) {
    struct value value = value_time(0);
    if (time_parse(parser->token.value.text, parser->zone, &value.time_ms) != STATUS_OK) {
        return FAIL(parser, parser->token.start,
                    "this is no time: write time \"2017-10-01\" or time \"2017-10-01 14:30:00\"");
    }
    return parse_literal(parser, value, start, out);
}

/* Parses a name, or name.field, from behind the first name. */
static enum status parse_name(struct parser *parser, struct token token, struct node **out) {
    if (advice_for(&token)) return FAIL(parser, token.start, "%s", advice_for(&token));
    enum status status = node_make(parser, NODE_NAME, token.start, out);
    if (status != STATUS_OK) return status;
    (*out)->name = token.text;
    if (parser->token.kind == TOKEN_DOT) {
        status = advance(parser);
        if (status != STATUS_OK) return status;
        (*out)->field = parser->token.text;
        (*out)->place = parser->token.start;
        status = expect(parser, TOKEN_NAME, "a name behind '.'");
    }
    (*out)->end = parser->last_end;
    return status;
}

static bool is_reserved(const struct token *token) {
    static const char *const words[] = {"and",     "or", "in",    "contains", "starts", "ends",
                                        "matches", "is", "where", "known",    "visits", "any"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (is_word(token, words[i])) return true;
    }
    return false;
}

static enum status parse_word(struct parser *parser, struct node **out) {
    struct token token = parser->token, next = peek(parser);
    bool is_any = is_word(&token, "any"), is_count = is_word(&token, "count");
    if (is_any && is_word(&next, "event"))
        return FAIL(
            parser, token.start,
            "'any event' stands in an aggregate: write exists(any event) or count(any event)");
    if (is_word(&token, "yes") || is_word(&token, "no")) {
        return parse_literal(parser, value_yes_no(is_word(&token, "yes")), token.start, out);
    }
    if (is_reserved(&token) && !(is_any && next.kind == TOKEN_NAME)) {
        return FAIL(parser, token.start,
                    "'%.*s' can't stand here: a property or trait of this name stands in "
                    "backquotes, `%.*s`",
                    TEXT_ARG(token.text), TEXT_ARG(token.text));
    }
    enum status status = advance(parser);
    if (status != STATUS_OK) return status;
    if (is_word(&token, "now")) {
        status = node_make(parser, NODE_NOW, token.start, out);
        if (status == STATUS_OK) (*out)->end = parser->last_end;
        return status;
    }
    bool name_follows = parser->token.kind == TOKEN_NAME;
    if ((is_any || (is_count && peek(parser).kind == TOKEN_OPEN)) && name_follows) {
        return parse_related(parser, is_any ? RELATED_ANY : RELATED_COUNT, token.start, out);
    }
    if (is_word(&token, "time") && parser->token.kind == TOKEN_LITERAL &&
        parser->token.value.type == VALUE_TEXT) {
        return parse_time_literal(parser, token.start, out);
    }
    if (!token.quoted && parser->token.kind == TOKEN_OPEN) {
        status = advance(parser);
        return status == STATUS_OK ? parse_call(parser, token.text, token.start, out) : status;
    }
    return parse_name(parser, token, out);
}

static enum status parse_primary(struct parser *parser, struct node **out) {
    uint32_t start = parser->token.start;
    enum status status;
    switch (parser->token.kind) {
    case TOKEN_LITERAL: return parse_literal(parser, parser->token.value, start, out);
    case TOKEN_NAME: return parse_word(parser, out);
    case TOKEN_OPEN:
        status = advance(parser);
        if (status == STATUS_OK) status = parse_expression(parser, out);
        return status == STATUS_OK ? expect(parser, TOKEN_CLOSE, "')'") : status;
    case TOKEN_OPEN_LIST:
        status = advance(parser);
        if (status == STATUS_OK) status = node_make(parser, NODE_LIST, start, out);
        return status == STATUS_OK ? parse_children(parser, *out, TOKEN_CLOSE_LIST, "',' or ']'")
                                   : status;
    default: return FAIL(parser, start, "expected a value, found %.*s", TEXT_ARG(shown(parser)));
    }
}

/* ---- operators, from the strongest to the weakest ---- */

static enum status negate_literal(struct parser *parser, struct node *node, uint32_t start) {
    if (node->literal.type == VALUE_NUMBER) {
        node->literal.number = -node->literal.number;
    } else if (node->literal.type == VALUE_MONEY) {
        node->literal.minor = -node->literal.minor;
    } else {
        node->literal.duration_ms = -node->literal.duration_ms;
    }
    node->start = node->place = start;
    node->end = parser->last_end;
    return STATUS_OK;
}

static enum status parse_unary(struct parser *parser, struct node **out) {
    if (parser->token.kind != TOKEN_MINUS) return parse_primary(parser, out);
    uint32_t start = parser->token.start;
    struct node *operand;
    enum status status = advance(parser);
    if (status == STATUS_OK && ++parser->depth > EXPR_DEPTH_MAX) status = too_deep(parser, start);
    if (status == STATUS_OK) status = parse_unary(parser, &operand);
    if (status != STATUS_OK) return status;
    parser->depth--;
    enum value_type type =
        operand->kind == NODE_LITERAL ? (enum value_type)operand->literal.type : VALUE_UNKNOWN;
    if (type == VALUE_NUMBER || type == VALUE_MONEY || type == VALUE_DURATION) {
        *out = operand;
        return negate_literal(parser, operand, start);
    }
    status = node_join(parser, NODE_MINUS, 0, start, operand, NULL, out);
    if (status == STATUS_OK) (*out)->start = start;
    return status;
}

static enum status parse_product(struct parser *parser, struct node **out) {
    enum status status = parse_unary(parser, out);
    while (status == STATUS_OK &&
           (parser->token.kind == TOKEN_TIMES || parser->token.kind == TOKEN_DIVIDE)) {
        int op = parser->token.kind == TOKEN_TIMES ? OP_MULTIPLY : OP_DIVIDE;
        uint32_t place = parser->token.start;
        struct node *right, *left = *out;
        status = advance(parser);
        if (status == STATUS_OK) status = parse_unary(parser, &right);
        if (status == STATUS_OK)
            status = node_join(parser, NODE_ARITHMETIC, op, place, left, right, out);
    }
    return status;
}

static enum status parse_sum(struct parser *parser, struct node **out) {
    enum status status = parse_product(parser, out);
    while (status == STATUS_OK &&
           (parser->token.kind == TOKEN_PLUS || parser->token.kind == TOKEN_MINUS)) {
        int op = parser->token.kind == TOKEN_PLUS ? OP_ADD : OP_SUBTRACT;
        uint32_t place = parser->token.start;
        struct node *right, *left = *out;
        status = advance(parser);
        if (status == STATUS_OK) status = parse_product(parser, &right);
        if (status == STATUS_OK)
            status = node_join(parser, NODE_ARITHMETIC, op, place, left, right, out);
    }
    return status;
}

/* Reads `is known`, `is unknown`. */
static enum status parse_is(struct parser *parser, uint32_t place, struct node **out) {
    if (!at_word(parser, "known") && !at_word(parser, "unknown")) {
        return FAIL(parser, parser->token.start,
                    "expected 'known' or 'unknown' behind 'is'; to compare write ==");
    }
    int op = at_word(parser, "known") ? OP_KNOWN : OP_UNKNOWN;
    struct node *left = *out;
    enum status status = advance(parser);
    return status == STATUS_OK ? node_join(parser, NODE_IS, op, place, left, NULL, out) : status;
}

/* Returns the comparing operator at the token, or -1; *words says how many tokens it has. */
static int comparison_at(const struct parser *parser, int *words) {
    *words = 1;
    switch (parser->token.kind) {
    case TOKEN_EQUAL: return OP_EQUAL;
    case TOKEN_NOT_EQUAL: return OP_NOT_EQUAL;
    case TOKEN_LESS: return OP_LESS;
    case TOKEN_LESS_EQUAL: return OP_LESS_EQUAL;
    case TOKEN_GREATER: return OP_GREATER;
    case TOKEN_GREATER_EQUAL: return OP_GREATER_EQUAL;
    default: break;
    }
    if (at_word(parser, "in")) return OP_IN;
    if (at_word(parser, "contains")) return OP_CONTAINS;
    if (at_word(parser, "matches")) return OP_MATCHES;
    if (at_word(parser, "is")) return OP_KNOWN;
    if (parser->token.kind != TOKEN_NAME) return -1;
    struct token next = peek(parser);
    *words = 2;
    if (at_word(parser, "not") && is_word(&next, "in")) return OP_NOT_IN;
    if (at_word(parser, "starts") && is_word(&next, "with")) return OP_STARTS;
    if (at_word(parser, "ends") && is_word(&next, "with")) return OP_ENDS;
    return -1;
}

static enum node_kind kind_of_comparison(int op) {
    if (op <= OP_GREATER_EQUAL) return NODE_COMPARE;
    return op == OP_IN || op == OP_NOT_IN ? NODE_IN : NODE_TEXT_TEST;
}

static enum status parse_comparison(struct parser *parser, struct node **out) {
    enum status status = parse_sum(parser, out);
    if (status != STATUS_OK) return status;
    int words, op = comparison_at(parser, &words);
    if (op < 0) return STATUS_OK;
    uint32_t place = parser->token.start;
    while (status == STATUS_OK && words-- > 0) status = advance(parser);
    if (status != STATUS_OK) return status;
    if (op == OP_KNOWN) {
        status = parse_is(parser, place, out);
    } else {
        struct node *right, *left = *out;
        status = parse_sum(parser, &right);
        if (status == STATUS_OK)
            status = node_join(parser, kind_of_comparison(op), op, place, left, right, out);
    }
    if (status == STATUS_OK && comparison_at(parser, &words) >= 0) {
        return FAIL(parser, parser->token.start,
                    "comparisons can't follow one another: write a < b and b < c");
    }
    return status;
}

static enum status parse_not(struct parser *parser, struct node **out) {
    if (!at_word(parser, "not")) return parse_comparison(parser, out);
    uint32_t start = parser->token.start;
    struct node *operand;
    enum status status = advance(parser);
    if (status == STATUS_OK && ++parser->depth > EXPR_DEPTH_MAX) status = too_deep(parser, start);
    if (status == STATUS_OK) status = parse_not(parser, &operand);
    if (status != STATUS_OK) return status;
    parser->depth--;
    status = node_join(parser, NODE_NOT, 0, start, operand, NULL, out);
    if (status == STATUS_OK) (*out)->start = start;
    return status;
}

/* Parses a and b and c as one node, so that long lists of conditions stay flat. */
static enum status parse_chain(struct parser *parser, const char *word, enum node_kind kind,
                               enum status (*operand)(struct parser *, struct node **),
                               struct node **out) {
    enum status status = operand(parser, out);
    if (status != STATUS_OK || !at_word(parser, word)) return status;
    struct node *chain, *child = *out;
    status = node_make(parser, kind, child->start, &chain);
    if (status != STATUS_OK) return status;
    chain->place = parser->token.start;
    struct node **tail = &chain->first;
    status = node_add(parser, chain, &tail, child);
    while (status == STATUS_OK && at_word(parser, word)) {
        status = advance(parser);
        if (status == STATUS_OK) status = operand(parser, &child);
        if (status == STATUS_OK) status = node_add(parser, chain, &tail, child);
    }
    *out = chain;
    return status;
}

static enum status parse_and(struct parser *parser, struct node **out) {
    return parse_chain(parser, "and", NODE_AND, parse_not, out);
}

static enum status parse_expression(struct parser *parser, struct node **out) {
    if (++parser->depth > EXPR_DEPTH_MAX) return too_deep(parser, parser->token.start);
    enum status status = parse_chain(parser, "or", NODE_OR, parse_and, out);
    parser->depth--;
    return status;
}

enum status expr_parse(struct arena *arena, struct text source, const struct time_zone *zone,
                       struct node **out, struct expr_error *error) {
    struct parser parser = {.lexer = {.source = source, .arena = arena, .error = error},
                            .zone = zone};
    enum status status = advance(&parser);
    if (status == STATUS_OK && parser.token.kind == TOKEN_END)
        return FAIL(&parser, 0, "the expression is empty");
    if (status == STATUS_OK) status = parse_expression(&parser, out);
    if (status != STATUS_OK || parser.token.kind == TOKEN_END) return status;
    if (advice_for(&parser.token))
        return FAIL(&parser, parser.token.start, "%s", advice_for(&parser.token));
    return FAIL(&parser, parser.token.start, "expected an operator or the end, found %.*s",
                TEXT_ARG(shown(&parser)));
}
