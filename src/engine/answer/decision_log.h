/* SPDX-License-Identifier: Apache-2.0 */
/* engine/answer/decision_log.h -- a log of decisions that another program made, from a CSV file,
 * and what other policies would have earned by it.
 *
 *   customer,action,probability,reward,new_probability
 *   17,banner_a,0.25,0,0.9
 *
 * `probability` is the chance with which the action was drawn. A row whose probability is missing,
 * 0, below what a log can bear out or over 1, or whose reward is no number, would make a wrong
 * number of the whole, so it is refused, counted, and told by its line. So is one that names nobody
 * where the file has customers, and one with a quoted cell that runs over the end of the line. The
 * policies that are judged:
 *
 *   new_probability  the other policy's chance of the same action: one policy
 *   new_action       the action that the other policy would have taken: one policy
 *   neither          for each action: to take it always
 *
 * Plain: no engine, no playbook. One thread at a time. */
#ifndef ENGINE_ANSWER_DECISION_LOG_H
#define ENGINE_ANSWER_DECISION_LOG_H

#include "base/arena.h"
#include "base/work.h"
#include "measure/off_policy.h"

#define DECISION_LOG_BYTES_MAX   ((size_t)2 << 30)
#define DECISION_LOG_ACTIONS_MAX 10000
/* Policies that always take one action are judged for so many actions, the most frequent first. */
#define DECISION_LOG_ALWAYS_MAX  20
#define DECISION_LOG_PARTS_MAX   20 /* of channels, groups or segments, the most frequent first */
#define DECISION_LOG_LINES_SHOWN 5  /* of refused rows, a cause */
/* A chance below this one would give a row a weight beyond any log; a reward beyond the other would
 * leave nothing of the rest in a sum. Such numbers come of a fault in the log. */
#define DECISION_LOG_PROBABILITY_MIN 1e-12
#define DECISION_LOG_REWARD_MAX      1e15

enum refused_row {
    REFUSED_NO_PROBABILITY,
    REFUSED_PROBABILITY_0,
    REFUSED_PROBABILITY_TINY, /* below DECISION_LOG_PROBABILITY_MIN */
    REFUSED_PROBABILITY_OVER_1,
    REFUSED_PROBABILITY_UNREADABLE, /* no number, or below 0 */
    REFUSED_REWARD,
    REFUSED_REWARD_HUGE, /* beyond DECISION_LOG_REWARD_MAX */
    REFUSED_ACTION,
    REFUSED_CUSTOMER,
    REFUSED_NEW_PROBABILITY,
    REFUSED_CELLS, /* fewer than the columns need */
    REFUSED_QUOTE,
    REFUSED_ROWS
};
const char *refused_row_text(enum refused_row cause); /* "the probability is 0" */
struct refused_rows {
    uint64_t count;
    uint64_t lines[DECISION_LOG_LINES_SHOWN]; /* of the first ones */
};

struct judged_policy {
    struct text name; /* "new_probability", "new_action", or the action that is always taken */
    struct off_policy_result result;
};
/* A part of the log: the rows with one value of one of the columns channel, group, segment. */
struct judged_part {
    const char *column;
    struct text value;
    uint64_t drawn; /* its rows whose probability is below 1 */
    struct off_policy_result result;
};
struct decision_log {
    uint64_t rows, customers, actions; /* customers: rows, where the file names nobody */
    bool names_customers;
    uint64_t drawn; /* rows whose probability is below 1 */
    struct refused_rows refused[REFUSED_ROWS];
    struct judged_policy *policies;
    uint32_t policy_count;
    uint64_t actions_left_out; /* beyond DECISION_LOG_ALWAYS_MAX */
    struct judged_part *parts; /* of a single policy */
    uint32_t part_count;
    uint64_t parts_left_out; /* beyond DECISION_LOG_PARTS_MAX of a column */
    struct arena arena;
};
/* Reads the file, which may be a .gz, and judges. `columns` (may be NULL): what the file calls its
 * columns, as "action=item_id,reward=click". STATUS_INVALID, with the cause, where a column is
 * missing or stands there twice, or no row is left. Release it also on failure. */
enum status decision_log_judge(struct decision_log *log, const char *path, const char *columns,
                               struct work *work, struct error *error) MUST_USE;
void decision_log_release(struct decision_log *log);

#endif
