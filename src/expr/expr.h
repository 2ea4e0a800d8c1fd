/* SPDX-License-Identifier: Apache-2.0 */
/* expr/expr.h -- the behaviour language: text, compiled once to a small bytecode, evaluated over a
 * timeline as of t.
 *
 *   count("Order Completed" where revenue > 20 USD) in 90d
 *   sum("Order Completed".products.quantity) in 365d
 *   count("Order Completed".products where product_id in action.products) in 365d
 *   share("Order Completed".products.sales_value where department == "GROCERY") in 90d
 *                                                    (department: by the lookup)
 *   exists("Clicked" where button == "contact me") in last 2 visits
 *   count(visits) in 30d      overdue("Order Completed")      since("Order Completed") > 30d
 *   last("Customer Record".city) == "Brooklyn"     distinct("Order Completed".store) in 90d
 *   sum("Order Completed".revenue) in 90d ending 90d ago
 *   any friend (exists("Ticket Bought" where city == "Atlanta") in 3d)
 *
 * Typed: every mistake is found when it is compiled, with its column. Total: what is missing is
 * unknown, and unknown spreads by three-valued logic; nothing fails while it runs except by a named
 * limit, which gives unknown and sets a flag. Bounded: no loops, at most one step along a relation.
 * Point in time: a value at t uses rows that happened by t and were known by t, and nothing
 * else; windows are half-open, (t − window, t].
 *
 * A program borrows schema->symbols and schema->context: they must outlive it. It is immutable and
 * may be evaluated by any number of threads, each with its own scratch. docs/language.md is the
 * reference; it and the parser's tests read the same table of examples. */
#ifndef EXPR_EXPR_H
#define EXPR_EXPR_H

#include "base/arena.h"
#include "event/lookup.h"
#include "event/symbol.h"
#include "event/timeline.h"

#define EXPR_TEXT_MAX            4096
#define EXPR_DEPTH_MAX           64
#define EXPR_CODE_MAX            4096
#define EXPR_RELATED_MAX_DEFAULT 200   /* fan-out of a relation */
#define EXPR_EVENTS_MAX          64    /* events of one aggregate */
#define EXPR_VISITS_MAX          1000  /* in last N visits */
#define EXPR_LIST_MAX            4096  /* items that list(…) collects */
#define EXPR_DISTINCT_MAX        65536 /* values that distinct(…) tells apart */

/* ---- what names mean: given by the playbook ---- */

struct expr_name { /* what a name stands for */
    enum value_type type;
    /* Trait, attribute, lookup or field index; for properties the SYMBOL_PROPERTY. */
    uint32_t index;
};

struct expr_trait { /* what a trait reads beside the timeline, itself or by other traits */
    bool of_treatment, of_context;
};

/* A lifetime model, as the playbook declares it. */
struct expr_lifetime {
    uint32_t index;
    struct text name, event, value; /* value: a property; empty where there is none */
};

struct expr_schema {
    struct symbols *symbols;
    struct column_set *columns; /* properties that programs use are added here, each once */
    uint16_t currency;          /* of a bare sum that is empty, and of money without its own */
    int64_t visit_gap_ms;       /* a visit ends after so long without activity */
    /* Of hour(), weekday(), month() and times without offset; NULL: UTC. Must outlive the programs.
     */
    const struct time_zone *zone;
    void *context;
    /* Each returns STATUS_OK, or STATUS_NOT_FOUND; candidates for "did you mean" come from `names`.
     */
    enum status (*event)(void *context, struct text name, uint32_t *event_type);
    enum status (*property)(void *context, uint32_t event_type, struct text name,
                            struct expr_name *out);
    enum status (*list_field)(void *context, uint32_t event_type, uint32_t property,
                              struct text name, struct expr_name *out);
    enum status (*trait)(void *context, struct text name, struct expr_name *out,
                         struct expr_trait *reads);
    /* Action.NAME; a list: its item type unknown. */
    enum status (*attribute)(void *context, struct text name, struct expr_name *out);
    /* A lookup's field reachable from a key of one field: the lookup's index, its key field's name,
     * the field's index and type. `lookup` may be empty: then every lookup whose key is named in
     * `available` is searched; STATUS_EXISTS where ambiguous. */
    enum status (*lookup)(void *context, struct text lookup, struct text field,
                          const struct text *available, uint32_t available_count,
                          uint32_t *lookup_index, struct text *key, struct expr_name *out);
    enum status (*relation)(void *context, struct text kind, uint32_t *index);
    /* A lifetime model by its name; with an empty name the only one, STATUS_EXISTS where there are
     * several. May be NULL: there is none. */
    enum status (*lifetime)(void *context, struct text name, struct expr_lifetime *out);
    /* context.NAME: what a request says of its moment. May be NULL: there is none. */
    enum status (*context_property)(void *context, struct text name, struct expr_name *out);
    /* Why context.NAME can't stand in what is compiled now, itself or by a trait: "a goal is about
     * the past". NULL: it can. */
    const char *context_refused;
    /* Writes all names of a kind, for suggestions and for joins: 'e'vents, 'p'roperties of an
     * event, 'f'ields of the lists of an event, 't'raits, 'a'ttributes, 'r'elations, 'l'ookups,
     * 'c'ontext properties, lifetime 'm'odels.
     * event_type SYMBOL_NONE: of any event. Returns how many it wrote. */
    size_t (*names)(void *context, char kind, uint32_t event_type, struct text *out, size_t max);
    /* Does an event of this type belong to visits? */
    bool (*is_visit)(void *context, uint32_t event_type);
};

/* ---- compiling ---- */

struct expr_program; /* lives in the arena it was compiled into */

struct expr_error {
    uint32_t column;    /* in the expression, from 1 */
    struct error error; /* what, and what to write instead */
};

/* What compiled programs read, for `attune explain`, `attune data` and feature attribution. */
struct expr_use {
    uint32_t event_type; /* SYMBOL_NONE: any */
    uint32_t property;   /* SYMBOL_NONE: only that it happened */
    int64_t window_ms;   /* 0: all time; -n: the last n visits */
};

enum status expr_compile(struct arena *arena, const struct expr_schema *schema, struct text source,
                         struct expr_program **out, struct expr_error *error) MUST_USE;
/* Compiles an expression about one event, such as a goal's `where` and `value`. Bare names are
 * properties of `event_type` (SYMBOL_NONE: of any event), else fields of a lookup that one of them
 * joins, else traits; aggregates are not allowed. expr_eval_row evaluates it, never expr_eval. */
enum status expr_compile_row(struct arena *arena, const struct expr_schema *schema,
                             uint32_t event_type, struct text source, struct expr_program **out,
                             struct expr_error *error) MUST_USE;
enum value_type expr_type(const struct expr_program *program);
/* Does it read action.… or a trait of a treatment? */
bool expr_uses_treatment(const struct expr_program *program);
/* Does it read context.…, or a trait that does? */
bool expr_uses_context(const struct expr_program *program);
bool expr_uses_relation(const struct expr_program *program);
/* Does it read no timeline and no context, but only action.…, now and literals? */
bool expr_is_constant(const struct expr_program *program);
/* Returns how far back it looks; INT64_MAX: over all time. */
int64_t expr_window_ms(const struct expr_program *program);
/* Return how many there are, and write at most `max`. */
uint32_t expr_uses(const struct expr_program *program, struct expr_use *out, uint32_t max);
/* Returns how many traits it names itself, and writes at most `max`. */
uint32_t expr_traits(const struct expr_program *program, uint32_t *out, uint32_t max);
/* Does it join a field of the lookup? */
bool expr_uses_lookup(const struct expr_program *program, uint32_t lookup);
/* Does it ask for hour(…), so that its value may change within a day? */
bool expr_uses_hour(const struct expr_program *program);
/* Adds the columns (bits over schema->columns) and the other needs of the timeline request that
 * expr_eval wants. */
void expr_needs(const struct expr_program *program, uint64_t *columns, uint32_t *needs);
/* Writes it in words: "how many times Order Completed happened in the last 30 days, counting only
 * those whose revenue is over 20.00 USD". */
enum status expr_explain(const struct expr_program *program, const struct expr_schema *schema,
                         struct buffer *out) MUST_USE;

/* ---- evaluating ---- */

struct expr_attribute {          /* one action.NAME */
    struct value value;          /* unknown where `set` is given */
    const struct value_set *set; /* a list, as a set for `in` and length() */
};

/* Does the program say yes exactly while from <= now < until, and no at any other time? That is so
 * where it only compares `now` with known times: action.starts <= now and now < action.ends. False
 * where it does more, or where one of the times is unknown. */
bool expr_is_span(const struct expr_program *program, const struct expr_attribute *attributes,
                  int64_t *from_ms, int64_t *until_ms);

/* The rows of the spans of time that were asked for on env->timeline at env->t_ms: traits mostly
 * ask for the same few. Whoever changes either of the two sets count to 0. */
#define EXPR_SPANS_MAX 8
struct expr_spans {
    uint32_t count;
    struct {
        int64_t window_ms, ending_ms;
        uint32_t low, high;
        bool cut;
    } spans[EXPR_SPANS_MAX];
};

/* What a lifetime model reads of a timeline as of t. Orders of one day count as one; days are those
 * of the playbook's zone, counted from 1970. Orders without a date are none. */
struct expr_orders {
    uint32_t days; /* with an order; 0: there is none, and the rest says nothing */
    int64_t first_day, last_day, today;
    /* The days behind the first whose orders are worth more than nothing, and what they are worth
     * together, in major units. Only where the value was asked for. */
    uint32_t valued_days;
    double value;
    /* An order behind the first day was paid in another currency than the playbook's: the value is
     * not that of all orders. */
    bool has_other_currency;
};
enum lifetime_question { LIFETIME_ALIVE, LIFETIME_EXPECTED_ORDERS, LIFETIME_EXPECTED_VALUE };
struct expr_lifetime_question {
    uint32_t lifetime; /* index of the model */
    enum lifetime_question asks;
    int64_t ahead_ms, t_ms;
    const struct expr_orders *orders;
};

struct expr_answer;
struct expr_env {
    const struct timeline *timeline;
    int64_t t_ms;
    /* By trait index. Those that the program reads must be set. */
    const struct value *traits;
    /* By attribute index; NULL: no treatment, all unknown. */
    const struct expr_attribute *attributes;
    /* By index of the context property; NULL: nothing was said, all unknown. */
    const struct value *context_values;
    void *context;
    /* The lookup's table as known at t; NULL: none yet. */
    const struct lookup_table *(*lookup)(void *context, uint32_t lookup, int64_t t_ms);
    /* The next related customer's timeline (both sides consented as of t), or STATUS_END. *cursor
     * starts at 0. Any other status makes what is asked of the related unknown. */
    enum status (*related)(void *context, uint32_t relation, int64_t t_ms, uint64_t *cursor,
                           struct timeline *out);
    /* Evaluates trait `index` on another timeline, inside any RELATION (…). */
    struct value (*related_trait)(void *context, uint32_t index, const struct timeline *timeline,
                                  int64_t t_ms);
    /* Answers for one customer: a chance, a number of orders, or an amount in major units; NAN
     * where the model says nothing. NULL: there is no model. */
    double (*lifetime)(void *context, const struct expr_lifetime_question *question);
    /* By aggregate of the program: its answer where it is known already (expr/keyed.h), or NULL.
     * The array may be NULL. */
    const struct expr_answer *const *answers;
    struct expr_spans *spans; /* NULL: each span is searched for anew */
    struct arena *scratch;    /* lists that the program makes; cleared by the caller */
    bool limit_reached;       /* set where a named limit made something unknown */
};

/* Returns the value at t. Its text and lists are borrowed from timeline, lookups, attributes or
 * scratch. Never fails. */
struct value expr_eval(const struct expr_program *program, struct expr_env *env);
/* Returns the value on one row of env->timeline, whatever the row's time: the caller chose it.
 * Traits and lookups are those of env, at env->t_ms. */
struct value expr_eval_row(const struct expr_program *program, struct expr_env *env, uint32_t row);

#endif
