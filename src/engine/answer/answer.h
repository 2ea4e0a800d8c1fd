/* SPDX-License-Identifier: Apache-2.0 */
/* engine/answer/answer.h -- one customer, read and decided for as of one time, and the answers as
 * JSON; what the command line and the C API share. One thread's. */
#ifndef ENGINE_ANSWER_ANSWER_H
#define ENGINE_ANSWER_ANSWER_H

#include "base/json.h"
#include "engine/engine.h"

struct answering {
    struct engine *engine;
    struct timeline_reader *reader;
    struct profiler *profiler;
    struct decider *decider;   /* NULL until the first decision */
    struct decision *decision; /* the latest; one, since it is large */
    struct buffer model_names; /* "redeem@3", and what is wrong with it for this t */
    struct timeline timeline;  /* of the latest customer; valid until the next call */
    int64_t t_ms;
};
/* Pins the present position. */
enum status answering_open(struct answering *answering, struct engine *engine, int64_t t_ms,
                           struct error *error) MUST_USE;
void answering_close(struct answering *answering);

/* The customer's timeline as known at t; `needs`: enum timeline_need beside what the playbook asks
 * for. */
enum status answering_read(struct answering *answering, const char *customer, uint32_t needs,
                           struct error *error) MUST_USE;
/* The same, and decides. */
enum status answering_decide(struct answering *answering, const char *customer,
                             struct error *error) MUST_USE;
/* The latest decision's reason in a sentence (decision_reason). */
void answering_reason(const struct answering *answering, char out[DECISION_REASON_BYTES_MAX]);
/* Everybody: walk, then next until STATUS_END; each next_read reads one customer, and each next
 * decides too. */
enum status answering_walk(struct answering *answering, struct error *error) MUST_USE;
enum status answering_next_read(struct answering *answering, struct error *error) MUST_USE;
enum status answering_next(struct answering *answering, struct error *error) MUST_USE;
/* Writes the latest decision as an event, synced. *known (may be NULL): it was recorded before. */
enum status answering_record(struct answering *answering, bool *known,
                             struct error *error) MUST_USE;

/* JSON, one object each, keys as docs/commands.md has them: of the latest decision; why it does not
 * offer an action (name or NAME/KEY; STATUS_NOT_FOUND where there is none such); of the latest
 * customer as known at t: traits alone, or with identity and timeline. */
void answer_decision(const struct answering *answering, struct json_writer *writer);
enum status answer_why_not(const struct answering *answering, struct text action,
                           struct json_writer *writer, struct error *error) MUST_USE;
void answer_traits(const struct answering *answering, struct json_writer *writer);
void answer_customer(const struct answering *answering, struct json_writer *writer);

/* The newest identifier of that type to which the treatment may be sent: where it needs an opt-in
 * and these are the channel's addresses, one that has it. Empty where there is none. Of the latest
 * decision. */
struct text answering_address(const struct answering *answering, const struct treatment *treatment,
                              uint32_t type);
/* "household:1029" by the strongest identifier, "C12" where there is none. */
#define CUSTOMER_NAME_BYTES 160
void customer_name(struct engine *engine, struct customer_id customer,
                   char out[CUSTOMER_NAME_BYTES]);

#endif
