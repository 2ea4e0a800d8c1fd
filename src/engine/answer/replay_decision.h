/* SPDX-License-Identifier: Apache-2.0 */
/* engine/answer/replay_decision.h -- a recorded decision, made again from what it was made from.
 *
 *   Decision Made ──► playbook, models, tables of then ──┐
 *                     base rates of then                 ├──► the same code ──► the whole trace
 *                     rows below its position            │                          │
 *                     what quarantine held then ─────────┘                     equal, or not
 *
 * The event keeps a letter for each treatment and a hash of the whole trace (decide/decide.h). Made
 * again, every stage, chance and priority is there, and the event that would be recorded must be
 * the recorded one to the byte. It can be made again until an erasure touches the customer, or a
 * playbook, model or table of then is no longer in its folder, or is damaged. */
#ifndef ENGINE_ANSWER_REPLAY_DECISION_H
#define ENGINE_ANSWER_REPLAY_DECISION_H

#include "engine/answer/answer.h"

struct decision_record {
    struct customer_id customer; /* who has it today */
    struct persona_id persona;
    int64_t t_ms;
    struct text packed;
};
/* Visits every recorded decision of a customer, or (NULL) of everybody, until `visit` returns
 * false. The record is valid during the visit. */
enum status decision_records_visit(struct engine_view *view, const char *customer,
                                   bool (*visit)(void *context,
                                                 const struct decision_record *record),
                                   void *context, struct error *error) MUST_USE;

/* Fills what the record tells of what it was made from: basis, held and t_ms of `out`, borrowed
 * from it. False where an older program recorded it, and did not note that. */
bool decision_record_basis(const struct decision_record *record,
                           const struct message_symbols *symbols, struct engine_view_past *out);

enum replay_verdict {
    REPLAY_EQUAL,
    REPLAY_DIFFERS,
    REPLAY_TOO_OLD, /* an older program recorded it, and did not note what it was made from */
    REPLAY_ERASED,  /* rows that it was made from were erased since */
    REPLAY_GONE,    /* a playbook, model or table of then is not there, or is damaged */
};
struct replayed_decision {
    enum replay_verdict verdict;
    struct customer_id customer; /* who had it then */
    int64_t t_ms;
    uint64_t position;
    char trace[DECISION_ID_BYTES], recorded_trace[DECISION_ID_BYTES]; /* hashes */
    char differs[64]; /* REPLAY_DIFFERS: the first property that does */
    char why[768];    /* REPLAY_GONE: what is missing */
};
/* Makes it again: view->decision is the whole of it where the verdict is EQUAL or DIFFERS.
 * The record's bytes must stand as long as that decision is looked at. */
enum status decision_replay(struct engine_view *view, const struct decision_record *record,
                            struct replayed_decision *out, struct error *error) MUST_USE;
/* The record with this id (16 digits), copied to `packed`, which the record borrows. It is found by
 * its key or, where an older program recorded it, by a walk over everybody. `customer` (may be
 * NULL): only among theirs. STATUS_NOT_FOUND where there is none. */
enum status decision_record_find(struct engine_view *view, const char *customer, struct text id,
                                 struct buffer *packed, struct decision_record *out,
                                 struct error *error) MUST_USE;
/* Is view->decision what was made? */
bool replayed_is_made(const struct replayed_decision *replayed);
/* JSON, one object; keys as docs/commands.md has them. */
void answer_replayed(const struct engine_view *view, struct text id,
                     const struct replayed_decision *replayed, struct json_writer *writer);
const char *replay_verdict_name(enum replay_verdict verdict); /* "equal", "differs", … */
/* In a sentence. */
void replayed_words(const struct replayed_decision *replayed, struct buffer *out);

#endif
