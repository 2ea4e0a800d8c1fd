/* SPDX-License-Identifier: Apache-2.0 */
/* engine/answer/answer.h -- one thread's way to read, walk and decide, and the answers as JSON;
 * what the command line and the C API share.
 *
 *   engine_view_open ─► read, decide, walk, record ─► engine_view_renew … engine_view_close
 *                       └── one request: one snapshot, one position ──┘
 *
 * It holds the snapshot that is in force (in_force.h) and pins a position of the log, so that all
 * parts of an answer agree, whatever is loaded, folded, trained or put in force meanwhile. A
 * process that stays calls engine_view_renew at the beginning of each request: it pins what is
 * there now, and makes its profile and decider anew only where something else is in force.
 *
 * Threads: each has its own; any number of them beside the applier. */
#ifndef ENGINE_ANSWER_ANSWER_H
#define ENGINE_ANSWER_ANSWER_H

#include "base/json.h"
#include "engine/budgets.h"
#include "engine/engine.h"

enum engine_view_kind {
    /* A command: rows that are durable; base rates of all that is there (RATES_FRESH). */
    ENGINE_VIEW_ONCE,
    /* A process that stays, reading: rows that are durable; base rates as they are (RATES_LATEST).
     */
    ENGINE_VIEW_LIVE,
    /* The same, deciding: rows are seen once they are written, so that the contact of a moment ago
     * counts. */
    ENGINE_VIEW_DECIDING,
    ENGINE_VIEW_KIND_COUNT
};

/* What decisions are asked for. */
struct decision_ask {
    struct text placement; /* as struct decision_basis has it; or empty */
    struct text context;   /* a JSON object as it was sent, of any length; or empty */
    uint32_t count;        /* rank at most so many at each placement; 0: all its slots */
    uint64_t visitor;      /* of a customer whom nobody knows (struct decision_basis) */
    /* Is the time over in which it must be answered? NULL: never (decider_watch). */
    bool (*is_late)(void *context);
    void *late_context;
};

struct engine_view {
    struct engine *engine;
    enum engine_view_kind kind;
    struct in_force *in_force;        /* held */
    const struct customer_data *data; /* of the snapshot */
    struct timeline_reader *reader;
    struct rates_version *rates; /* held; NULL until the first decision */
    int64_t rates_until_ms;      /* they are those of decisions from rates->at_ms up to then */
    bool has_asked;              /* for the rates of this request */
    struct profile *profile;
    struct decider *decider;      /* NULL until the first decision */
    struct decision *decision;    /* the latest; one, since it is large */
    struct buffer model_names;    /* "redeem@3", and what is wrong with it for this t */
    int64_t names_at_ms;          /* the t for which they were written */
    bool names_hindsight;         /* one of them was said to know what came after it */
    struct decision_ask ask;      /* its texts are borrowed; the context is `kept` */
    int64_t timeout_ms;           /* the shortest of the placements that are asked for; 0: none */
    struct buffer kept, left_out; /* of the context: engine_view_ask */
    struct view_budgets budgets;  /* engine/budgets.h */
    bool is_past;                 /* engine_view_go_back */
    struct value past_held;
    struct timeline timeline; /* of the latest customer; valid until the next call */
    int64_t t_ms;
    uint64_t at_position; /* engine_view_at_position */
    /* Counts and may end the walk that measures base rates; NULL after engine_view_open: nobody
     * watches. */
    struct work *work;
};
/* A command's, at one t. */
enum status engine_view_open(struct engine_view *view, struct engine *engine, int64_t t_ms,
                             struct error *error) MUST_USE;
enum status engine_view_open_as(struct engine_view *view, struct engine *engine,
                                enum engine_view_kind kind, int64_t t_ms,
                                struct error *error) MUST_USE;
/* The next request: what is in force now, the position that the log has reached, another t. On
 * failure it can only be closed. */
enum status engine_view_renew(struct engine_view *view, int64_t t_ms, struct error *error) MUST_USE;
/* The log's position that it pins. */
uint64_t engine_view_position(const struct engine_view *view);
/* Until the next renewal customers are read as known at an earlier position: so the pages of an
 * answer agree. POSITION_NOW: the pinned one. */
void engine_view_at_position(struct engine_view *view, uint64_t position);
/* Between two requests: the position is let go, so that old files are not kept for it, and so is
 * what was asked for. Only
 * engine_view_renew and engine_view_close may follow. */
void engine_view_rest(struct engine_view *view);
/* Also of one that is zeroed or was closed. */
void engine_view_close(struct engine_view *view);

/* Says what the next decisions of this request are for, after engine_view_renew; texts are borrowed
 * until something else is asked. Of the context only what the playbook in force declares is kept
 * and recorded; view->left_out then has a sentence for each other member. STATUS_INVALID where a
 * text is not UTF-8, or the context is no JSON object; STATUS_NOT_FOUND, with the nearest name,
 * where the playbook declares placements and this is none; STATUS_LIMIT (decide.h). */
enum status engine_view_ask(struct engine_view *view, const struct decision_ask *ask,
                            struct error *error) MUST_USE;
/* What is in force becomes what was for a decision of before, and t the decision's: the snapshot
 * and the rates are taken, the texts are borrowed. engine_view_renew brings back what is in force
 * now. */
struct engine_view_past {
    struct in_force *in_force;
    struct rates_version *rates;
    struct text models; /* as the record has them */
    struct decision_basis basis;
    struct value held;           /* what was held, as the record has it */
    struct budget_prices prices; /* and what budgets cost, and had left */
    int64_t t_ms;
};
enum status engine_view_go_back(struct engine_view *view, const struct engine_view_past *past,
                                struct error *error) MUST_USE;
/* Decides for this customer as of the basis of engine_view_go_back, whose `past` still stands; for
 * an empty timeline where nothing is there of what was known of the customer then. */
enum status engine_view_decide_past(struct engine_view *view, const struct engine_view_past *past,
                                    struct customer_id customer, struct error *error) MUST_USE;
/* The customer's timeline as known at t; `needs`: enum timeline_need beside what the playbook asks
 * for. */
enum status engine_view_read(struct engine_view *view, const char *customer, uint32_t needs,
                             struct error *error) MUST_USE;
/* The same, and decides. */
enum status engine_view_decide(struct engine_view *view, const char *customer,
                               struct error *error) MUST_USE;
/* The same for a customer by id. ID_NONE, and a customer without an event as of then, has an empty
 * timeline. */
enum status engine_view_decide_for(struct engine_view *view, struct customer_id customer,
                                   struct error *error) MUST_USE;
/* Makes ready for a decision: base rates are measured where none are there yet. */
enum status engine_view_prepare(struct engine_view *view, struct error *error) MUST_USE;
/* The latest decision's reason in a sentence (decision_reason). */
void engine_view_reason(const struct engine_view *view, char out[DECISION_REASON_BYTES_MAX]);
/* Everybody: walk, then next until STATUS_END; each next_read reads one customer, and each next
 * decides too. */
enum status engine_view_walk(struct engine_view *view, struct error *error) MUST_USE;
enum status engine_view_next_read(struct engine_view *view, struct error *error) MUST_USE;
enum status engine_view_next(struct engine_view *view, struct error *error) MUST_USE;
/* Writes the latest decision as an event, synced. *known (may be NULL): it was recorded before. */
enum status engine_view_record(struct engine_view *view, bool *known, struct error *error) MUST_USE;

/* JSON, one object each, keys as docs/commands.md has them: of the latest decision; why it does not
 * offer an action (name or NAME/KEY; STATUS_NOT_FOUND where there is none such); of the latest
 * customer as known at t: traits alone, or with identity and timeline. */
void answer_decision(const struct engine_view *view, struct json_writer *writer);
enum status answer_why_not(const struct engine_view *view, struct text action,
                           struct json_writer *writer, struct error *error) MUST_USE;
void answer_traits(const struct engine_view *view, struct json_writer *writer);
void answer_customer(const struct engine_view *view, struct json_writer *writer);
/* The same without the timeline, of which only the number of events is told. */
void answer_customer_now(const struct engine_view *view, struct json_writer *writer);
/* Parts of an object that the caller has begun: customer, name, at; and an array of the rows from
 * `begin` to before `end` of the latest timeline, the newest first. */
void answer_who(const struct engine_view *view, struct json_writer *writer);
void answer_events(const struct engine_view *view, uint32_t begin, uint32_t end,
                   struct json_writer *writer);

/* The newest identifier of that type to which the treatment may be sent: where it needs an opt-in
 * and these are the channel's addresses, one that has it. Empty where there is none. Of the latest
 * decision. */
struct text engine_view_address(const struct engine_view *view, const struct treatment *treatment,
                                uint32_t type);
/* "household:1029" by the strongest identifier, "C12" where there is none. */
#define CUSTOMER_NAME_BYTES 160
void customer_name(struct engine *engine, struct customer_id customer,
                   char out[CUSTOMER_NAME_BYTES]);

#endif
