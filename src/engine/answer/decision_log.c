/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/answer/decision_log.h"

#include <math.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/hash.h"
#include "base/input.h"
#include "base/memory.h"
#include "ingest/file/csv.h"

#define CELLS_MAX   1024
#define ARENA_BYTES ((size_t)1 << 30)
#define PADDING     64 /* behind the bytes, as csv_split reads on */
#define FOLDS       5
/* The mean reward of an action is drawn towards that of all by so many rows. */
#define PRIOR_ROWS 10

enum log_column {
    LOG_ACTION,
    LOG_PROBABILITY,
    LOG_REWARD,
    LOG_CUSTOMER,
    LOG_NEW_PROBABILITY,
    LOG_NEW_ACTION,
    LOG_CHANNEL,
    LOG_GROUP,
    LOG_SEGMENT,
    LOG_COLUMNS
};
#define LOG_NEEDED 3 /* the first ones */
#define LOG_PARTS  3 /* the last ones */
static const char *const column_names[LOG_COLUMNS] = {"action",   "probability",     "reward",
                                                      "customer", "new_probability", "new_action",
                                                      "channel",  "group",           "segment"};

const char *refused_row_text(enum refused_row cause) {
    static const char *const texts[REFUSED_ROWS] = {
        "no probability",
        "the probability is 0",
        "the probability is below 1e-12",
        "the probability is over 1",
        "the probability can't be read",
        "the reward is no number",
        "the reward is beyond 1e15",
        "no action",
        "no customer",
        "the new probability is not from 0 to 1",
        "too few cells",
        "a quoted cell runs over the end of the line",
    };
    return texts[cause];
}

/* ---- words to numbers ---- */

/* Texts in order of first sight. */
struct words {
    struct text *items;
    uint64_t *rows; /* how many have it */
    size_t count, capacity, row_capacity;
    uint32_t *slots; /* open addressing: index + 1 */
    size_t slot_count;
};

static void words_release(struct words *words) {
    memory_free(words->items);
    memory_free(words->rows);
    memory_free(words->slots);
}

static size_t slot_of(const struct words *words, struct text text) {
    size_t mask = words->slot_count - 1, at = (size_t)hash_text(text, 3) & mask;
    while (words->slots[at] != 0 && !text_equal(words->items[words->slots[at] - 1], text))
        at = (at + 1) & mask;
    return at;
}

static enum status words_grow(struct words *words) {
    size_t count = words->slot_count == 0 ? 1024 : words->slot_count * 2;
    if (words->count * 2 < words->slot_count) return STATUS_OK;
    uint32_t *slots = memory_calloc(count, sizeof *slots);
    if (slots == NULL) return STATUS_NO_MEMORY;
    memory_free(words->slots);
    words->slots = slots;
    words->slot_count = count;
    for (size_t i = 0; i < words->count; i++)
        slots[slot_of(words, words->items[i])] = (uint32_t)i + 1;
    return STATUS_OK;
}

/* The text is borrowed from the file's bytes, or copied to the arena by the caller. */
static enum status words_add(struct words *words, struct text text, uint32_t *out) {
    enum status status = words_grow(words);
    if (status != STATUS_OK) return status;
    size_t slot = slot_of(words, text);
    if (words->slots[slot] == 0) {
        status = memory_grow((void **)&words->items, &words->capacity, words->count + 1,
                             sizeof *words->items);
        if (status == STATUS_OK)
            status = memory_grow((void **)&words->rows, &words->row_capacity, words->count + 1,
                                 sizeof *words->rows);
        if (status != STATUS_OK) return status;
        words->items[words->count] = text;
        words->rows[words->count++] = 0;
        words->slots[slot] = (uint32_t)words->count;
    }
    *out = words->slots[slot] - 1;
    words->rows[*out]++;
    return STATUS_OK;
}

/* ---- reading ---- */

struct logged_row {
    uint32_t action, new_action, customer;
    uint32_t parts[LOG_PARTS];
    double probability, reward, new_probability;
};
struct reading {
    struct decision_log *log;
    const char *path;
    uint32_t at[LOG_COLUMNS]; /* the cell of each column; UINT32_MAX: there is none */
    struct words actions, customers, parts[LOG_PARTS];
    struct logged_row *rows;
    size_t count, capacity;
    struct cell cells[CELLS_MAX];
    uint32_t cell_count;
};

static bool has(const struct reading *reading, enum log_column column) {
    return reading->at[column] != UINT32_MAX;
}

static struct text cell_of(const struct reading *reading, enum log_column column) {
    return text_trim(reading->cells[reading->at[column]].text);
}

static enum status split(struct reading *reading, struct text line, struct error *error) {
    bool is_quoted = memchr(line.at, '"', line.length) != NULL;
    uint32_t count =
        csv_split(line, ',', is_quoted, &reading->log->arena, reading->cells, CELLS_MAX);
    if (count == CSV_NO_MEMORY) return STATUS_NO_MEMORY;
    if (count == CSV_TOO_MANY)
        return error_set(error, STATUS_LIMIT, "%s: a line has more than %d cells", reading->path,
                         CELLS_MAX);
    reading->cell_count = count;
    return STATUS_OK;
}

/* What the file calls the column: by `columns`, else its own name. */
static struct text called(const char *columns, const char *name) {
    size_t length = strlen(name);
    for (const char *at = columns; at != NULL && *at != 0; at = strchr(at, ',')) {
        if (*at == ',') at++;
        if (strncmp(at, name, length) != 0 || at[length] != '=') continue;
        const char *from = at + length + 1, *end = strchr(from, ',');
        return (struct text){from, (uint32_t)(end != NULL ? (size_t)(end - from) : strlen(from))};
    }
    return text_from(name);
}

static enum status check_columns(const char *columns, struct error *error) {
    for (const char *at = columns; at != NULL && *at != 0; at = strchr(at, ',')) {
        if (*at == ',') at++;
        size_t length = strcspn(at, "=,");
        bool is_known = false;
        for (int c = 0; c < LOG_COLUMNS; c++)
            is_known |= strlen(column_names[c]) == length &&
                        strncmp(at, column_names[c], length) == 0 && at[length] == '=';
        if (is_known) continue;
        return error_set(error, STATUS_INVALID,
                         "--columns: '%.*s' is none of action, probability, reward, customer, "
                         "new_probability, new_action, channel, group and segment; write "
                         "reward=NAME",
                         (int)length, at);
    }
    return STATUS_OK;
}

/* How many columns have the name; *at is the last of them, or UINT32_MAX. */
static uint32_t find_column(const struct reading *reading, struct text name, uint32_t *at) {
    uint32_t found = 0;
    *at = UINT32_MAX;
    for (uint32_t i = 0; i < reading->cell_count; i++) {
        if (!text_equal(text_trim(reading->cells[i].text), name)) continue;
        *at = i;
        found++;
    }
    return found;
}

static enum status read_head(struct reading *reading, struct text line, const char *columns,
                             struct error *error) {
    enum status status = check_columns(columns, error);
    if (status == STATUS_OK) status = split(reading, line, error);
    for (int c = 0; c < LOG_COLUMNS && status == STATUS_OK; c++) {
        struct text name = called(columns, column_names[c]);
        bool is_renamed = !text_equal(name, text_from(column_names[c]));
        uint32_t found = find_column(reading, name, &reading->at[c]);
        if (found > 1)
            status = error_set(error, STATUS_INVALID,
                               "%s:1: has %u columns %.*s, and one alone can say the %s of a "
                               "decision: rename the others",
                               reading->path, found, TEXT_ARG(name), column_names[c]);
        else if (found == 0 && (c < LOG_NEEDED || is_renamed))
            status = error_set(error, STATUS_INVALID,
                               "%s:1: has no column %.*s, which says the %s of a decision; name "
                               "it by --columns %s=NAME",
                               reading->path, TEXT_ARG(name), column_names[c], column_names[c]);
    }
    if (status == STATUS_OK && has(reading, LOG_NEW_PROBABILITY) && has(reading, LOG_NEW_ACTION))
        status = error_set(error, STATUS_INVALID,
                           "%s:1: has both new_probability and new_action: leave one out, so that "
                           "one policy is judged",
                           reading->path);
    return status;
}

static enum refused_row judge_probability(struct text cell, double *out) {
    if (cell.length == 0) return REFUSED_NO_PROBABILITY;
    if (text_to_double(cell, out) != STATUS_OK || !(*out >= 0))
        return REFUSED_PROBABILITY_UNREADABLE;
    if (*out > 1) return REFUSED_PROBABILITY_OVER_1;
    if (!(*out > 0)) return REFUSED_PROBABILITY_0;
    return *out < DECISION_LOG_PROBABILITY_MIN ? REFUSED_PROBABILITY_TINY : REFUSED_ROWS;
}

/* Reads the numbers; REFUSED_ROWS: they are right. */
static enum refused_row read_numbers(const struct reading *reading, struct logged_row *row) {
    for (int c = 0; c < LOG_COLUMNS; c++) {
        if (has(reading, (enum log_column)c) && reading->at[c] >= reading->cell_count)
            return REFUSED_CELLS;
    }
    enum refused_row cause =
        judge_probability(cell_of(reading, LOG_PROBABILITY), &row->probability);
    if (cause != REFUSED_ROWS) return cause;
    if (text_to_double(cell_of(reading, LOG_REWARD), &row->reward) != STATUS_OK ||
        !isfinite(row->reward))
        return REFUSED_REWARD;
    if (fabs(row->reward) > DECISION_LOG_REWARD_MAX) return REFUSED_REWARD_HUGE;
    if (has(reading, LOG_CUSTOMER) && cell_of(reading, LOG_CUSTOMER).length == 0)
        return REFUSED_CUSTOMER;
    if (cell_of(reading, LOG_ACTION).length == 0) return REFUSED_ACTION;
    row->new_probability = (double)NAN;
    bool is_new = has(reading, LOG_NEW_PROBABILITY);
    if (is_new && (text_to_double(cell_of(reading, LOG_NEW_PROBABILITY), &row->new_probability) !=
                       STATUS_OK ||
                   !(row->new_probability >= 0 && row->new_probability <= 1)))
        return REFUSED_NEW_PROBABILITY;
    if (has(reading, LOG_NEW_ACTION) && cell_of(reading, LOG_NEW_ACTION).length == 0)
        return REFUSED_ACTION;
    return REFUSED_ROWS;
}

static enum status keep_row(struct reading *reading, struct logged_row *row) {
    enum status status = words_add(&reading->actions, cell_of(reading, LOG_ACTION), &row->action);
    if (status == STATUS_OK && has(reading, LOG_NEW_ACTION)) {
        status = words_add(&reading->actions, cell_of(reading, LOG_NEW_ACTION), &row->new_action);
        if (status == STATUS_OK) reading->actions.rows[row->new_action]--; /* it was not taken */
    }
    row->customer = (uint32_t)reading->count;
    if (status == STATUS_OK && has(reading, LOG_CUSTOMER))
        status = words_add(&reading->customers, cell_of(reading, LOG_CUSTOMER), &row->customer);
    for (int p = 0; p < LOG_PARTS && status == STATUS_OK; p++) {
        enum log_column column = (enum log_column)(LOG_COLUMNS - LOG_PARTS + p);
        if (has(reading, column))
            status = words_add(&reading->parts[p], cell_of(reading, column), &row->parts[p]);
    }
    if (status == STATUS_OK)
        status = memory_grow((void **)&reading->rows, &reading->capacity, reading->count + 1,
                             sizeof *reading->rows);
    if (status == STATUS_OK) reading->rows[reading->count++] = *row;
    return status;
}

static void refuse(struct decision_log *log, enum refused_row cause, uint64_t line) {
    struct refused_rows *refused = &log->refused[cause];
    if (refused->count < DECISION_LOG_LINES_SHOWN) refused->lines[refused->count] = line;
    refused->count++;
}

/* A quoted cell that goes on in the next line leaves an odd count of quotes in both. */
static bool has_open_quote(struct text line) {
    bool open = false;
    const char *end = line.at + line.length, *at = line.at;
    while ((at = memchr(at, '"', (size_t)(end - at))) != NULL) {
        open = !open;
        at++;
    }
    return open;
}

static enum status read_rows(struct reading *reading, struct text left, const char *columns,
                             struct error *error) {
    struct decision_log *log = reading->log;
    struct text line;
    if (left.length >= 3 && memcmp(left.at, "\xEF\xBB\xBF", 3) == 0) /* a byte order mark */
        left = (struct text){left.at + 3, left.length - 3};
    if (!text_cut_line(&left, &line))
        return error_set(error, STATUS_INVALID, "%s is empty", reading->path);
    enum status status = read_head(reading, line, columns, error);
    for (uint64_t number = 2; status == STATUS_OK && text_cut_line(&left, &line); number++) {
        struct logged_row row = {0};
        if (text_trim(line).length == 0) continue;
        status = split(reading, line, error);
        if (status != STATUS_OK) break;
        enum refused_row cause = has_open_quote(line) ? REFUSED_QUOTE : read_numbers(reading, &row);
        if (cause != REFUSED_ROWS) {
            refuse(log, cause, number);
            continue;
        }
        status = keep_row(reading, &row);
        log->drawn += row.probability < 1;
        if (status == STATUS_OK && reading->actions.count > DECISION_LOG_ACTIONS_MAX)
            status = error_set(error, STATUS_LIMIT, "%s has more than %d actions", reading->path,
                               DECISION_LOG_ACTIONS_MAX);
    }
    return status;
}

/* ---- the model of the reward ---- */

/* Mean rewards of actions, and of all, in the rows of other customers: a row is predicted without
 * its own customer, by folds of customers. */
struct reward_model {
    double *rows, *rewards; /* by fold, action */
    double all_rows[FOLDS], all_rewards[FOLDS];
    size_t actions;
};

static uint32_t fold_of(uint32_t customer) {
    return (uint32_t)(hash_u64(customer + 17) % FOLDS);
}

static enum status fit(const struct reading *reading, struct reward_model *model) {
    model->actions = reading->actions.count;
    model->rows = memory_calloc(model->actions * FOLDS + 1, sizeof *model->rows);
    model->rewards = memory_calloc(model->actions * FOLDS + 1, sizeof *model->rewards);
    if (model->rows == NULL || model->rewards == NULL) return STATUS_NO_MEMORY;
    for (size_t i = 0; i < reading->count; i++) {
        const struct logged_row *row = &reading->rows[i];
        for (uint32_t fold = 0; fold < FOLDS; fold++) {
            if (fold == fold_of(row->customer)) continue;
            model->rows[fold * model->actions + row->action] += 1;
            model->rewards[fold * model->actions + row->action] += row->reward;
            model->all_rows[fold] += 1;
            model->all_rewards[fold] += row->reward;
        }
    }
    return STATUS_OK;
}

static double mean_of_all(const struct reward_model *model, uint32_t fold) {
    return model->all_rows[fold] > 0 ? model->all_rewards[fold] / model->all_rows[fold] : 0;
}

static double predict(const struct reward_model *model, uint32_t fold, uint32_t action) {
    size_t at = fold * model->actions + action;
    return (model->rewards[at] + PRIOR_ROWS * mean_of_all(model, fold)) /
           (model->rows[at] + PRIOR_ROWS);
}

/* ---- judging ---- */

/* Which policy is judged: the file's own, or always this action. */
struct judged_by {
    bool is_always;
    uint32_t action;
};

static struct off_policy_row row_under(const struct reading *reading,
                                       const struct reward_model *model,
                                       const struct judged_by *policy,
                                       const struct logged_row *row) {
    uint32_t fold = fold_of(row->customer);
    struct off_policy_row out = {.reward = row->reward, .group = row->customer};
    if (!policy->is_always && has(reading, LOG_NEW_PROBABILITY)) {
        /* Of the other actions nothing is known, so the model is one number. */
        out.weight = row->new_probability / row->probability;
        out.predicted = out.expected = mean_of_all(model, fold);
        return out;
    }
    uint32_t action = policy->is_always ? policy->action : row->new_action;
    out.weight = action == row->action ? 1 / row->probability : 0;
    out.predicted = predict(model, fold, row->action);
    out.expected = predict(model, fold, action);
    return out;
}

/* `part`: which of the columns must have `value`; LOG_PARTS: every row is judged. `drawn`: of these
 * rows, those whose probability is below 1. */
static enum status judge(const struct reading *reading, const struct reward_model *model,
                         const struct judged_by *policy, int part, uint32_t value,
                         struct off_policy_result *out, uint64_t *drawn) {
    const struct off_policy_options options = {
        .switch_max = (double)NAN, .shrinkage = (double)NAN, .seed = 1};
    struct off_policy_row *rows = memory_alloc((reading->count + 1) * sizeof *rows);
    size_t count = 0;
    *drawn = 0;
    if (rows == NULL) return STATUS_NO_MEMORY;
    for (size_t i = 0; i < reading->count; i++) {
        if (part < LOG_PARTS && reading->rows[i].parts[part] != value) continue;
        *drawn += reading->rows[i].probability < 1;
        rows[count++] = row_under(reading, model, policy, &reading->rows[i]);
    }
    enum status status = off_policy_estimate(rows, count, &options, out);
    memory_free(rows);
    return status;
}

/* The indexes of the words, the most frequent first; at most `max`. From memory_alloc. */
static uint32_t *most_frequent(const struct words *words, uint32_t max, uint32_t *count) {
    uint32_t *order = memory_alloc((words->count + 1) * sizeof *order);
    *count = 0;
    for (uint32_t i = 0; order != NULL && i < words->count; i++) {
        uint32_t at = *count < max ? (*count)++ : max;
        for (; at > 0 && words->rows[order[at - 1]] < words->rows[i]; at--) {
            if (at < max) order[at] = order[at - 1];
        }
        if (at < max) order[at] = i;
    }
    return order;
}

static enum status judge_always(const struct reading *reading, const struct reward_model *model) {
    struct decision_log *log = reading->log;
    uint32_t count;
    uint64_t drawn;
    uint32_t *order = most_frequent(&reading->actions, DECISION_LOG_ALWAYS_MAX, &count);
    enum status status = order != NULL ? STATUS_OK : STATUS_NO_MEMORY;
    log->policies = memory_calloc(count + 1, sizeof *log->policies);
    if (log->policies == NULL) status = STATUS_NO_MEMORY;
    for (uint32_t i = 0; i < count && status == STATUS_OK; i++) {
        struct judged_by policy = {true, order[i]};
        log->policies[i].name = arena_text(&log->arena, reading->actions.items[order[i]]);
        status = judge(reading, model, &policy, LOG_PARTS, 0, &log->policies[i].result, &drawn);
        log->policy_count = i + 1;
    }
    log->actions_left_out = reading->actions.count - log->policy_count;
    memory_free(order);
    return status;
}

static enum status judge_part(const struct reading *reading, const struct reward_model *model,
                              int part, uint32_t value) {
    struct decision_log *log = reading->log;
    struct judged_part *out = &log->parts[log->part_count++];
    struct judged_by policy = {false, 0};
    out->column = column_names[LOG_COLUMNS - LOG_PARTS + part];
    out->value = arena_text(&log->arena, reading->parts[part].items[value]);
    return judge(reading, model, &policy, part, value, &out->result, &out->drawn);
}

static enum status judge_file(const struct reading *reading, const struct reward_model *model) {
    struct decision_log *log = reading->log;
    struct judged_by policy = {false, 0};
    uint64_t drawn;
    log->policies = memory_calloc(1, sizeof *log->policies);
    log->parts = memory_calloc(LOG_PARTS * DECISION_LOG_PARTS_MAX, sizeof *log->parts);
    if (log->policies == NULL || log->parts == NULL) return STATUS_NO_MEMORY;
    log->policy_count = 1;
    log->policies[0].name = text_from(
        column_names[has(reading, LOG_NEW_PROBABILITY) ? LOG_NEW_PROBABILITY : LOG_NEW_ACTION]);
    enum status status =
        judge(reading, model, &policy, LOG_PARTS, 0, &log->policies[0].result, &drawn);
    for (int p = 0; p < LOG_PARTS && status == STATUS_OK; p++) {
        uint32_t count;
        uint32_t *order = most_frequent(&reading->parts[p], DECISION_LOG_PARTS_MAX, &count);
        if (order == NULL) return STATUS_NO_MEMORY;
        log->parts_left_out += reading->parts[p].count - count;
        for (uint32_t i = 0; i < count && status == STATUS_OK; i++)
            status = judge_part(reading, model, p, order[i]);
        memory_free(order);
    }
    return status;
}

static enum status judge_all(const struct reading *reading, struct error *error) {
    struct decision_log *log = reading->log;
    struct reward_model model = {0};
    log->rows = reading->count;
    log->names_customers = has(reading, LOG_CUSTOMER);
    log->customers = log->names_customers ? reading->customers.count : reading->count;
    log->actions = reading->actions.count;
    if (reading->count == 0)
        return error_set(error, STATUS_INVALID,
                         "%s: no decision is left, so that nothing can be judged", reading->path);
    enum status status = fit(reading, &model);
    bool is_own = has(reading, LOG_NEW_PROBABILITY) || has(reading, LOG_NEW_ACTION);
    if (status == STATUS_OK)
        status = is_own ? judge_file(reading, &model) : judge_always(reading, &model);
    memory_free(model.rows);
    memory_free(model.rewards);
    return status;
}

static enum status read_bytes(const char *path, struct work *work, struct buffer *bytes,
                              struct error *error) {
    char piece[1 << 14];
    struct input *input;
    size_t got = 1;
    enum status status = input_open_for(&input, path, work, error);
    if (status != STATUS_OK) return status;
    while (status == STATUS_OK && got > 0) {
        status = input_read(input, piece, sizeof piece, &got, error);
        if (status == STATUS_OK && bytes->length + got > DECISION_LOG_BYTES_MAX)
            status = error_set(error, STATUS_LIMIT, "%s is larger than %zu bytes", path,
                               DECISION_LOG_BYTES_MAX);
        if (status == STATUS_OK) status = buffer_append(bytes, piece, got);
    }
    input_close(input);
    return status;
}

enum status decision_log_judge(struct decision_log *log, const char *path, const char *columns,
                               struct work *work, struct error *error) {
    static const char padding[PADDING];
    struct buffer bytes;
    *log = (struct decision_log){0};
    arena_init(&log->arena, ARENA_BYTES);
    struct reading *reading = memory_calloc(1, sizeof *reading);
    if (reading == NULL) return STATUS_NO_MEMORY;
    reading->log = log;
    reading->path = path;
    buffer_init(&bytes);
    enum status status = read_bytes(path, work, &bytes, error);
    size_t length = bytes.length;
    if (status == STATUS_OK) status = buffer_append(&bytes, padding, sizeof padding);
    struct text all = {bytes.at, (uint32_t)length};
    if (status == STATUS_OK) status = read_rows(reading, all, columns, error);
    if (status == STATUS_OK) status = judge_all(reading, error);
    buffer_release(&bytes);
    memory_free(reading->rows);
    words_release(&reading->actions);
    words_release(&reading->customers);
    for (int p = 0; p < LOG_PARTS; p++) words_release(&reading->parts[p]);
    memory_free(reading);
    return status;
}

void decision_log_release(struct decision_log *log) {
    memory_free(log->policies);
    memory_free(log->parts);
    arena_release(&log->arena);
}
