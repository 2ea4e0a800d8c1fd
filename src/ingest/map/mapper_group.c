/* SPDX-License-Identifier: Apache-2.0 */
/* One event of several rows (one_event_per).
 *
 * Where the rows may have keys of their own, or be stored already, they are read twice: first for
 * what each says of itself as a row, then to be mapped. */
#include "base/hash.h"
#include "ingest/file/lines.h"
#include "ingest/map/mapper.h"

struct group {
    struct job *job;
    size_t from, to;
    bool plain;
    struct row_facts *rows; /* of mapper->facts; NULL: not read yet */
    bool has_lines;         /* each row has a key of its own */
    size_t event;           /* in the batch */
    bool begun;             /* a row that stays has been taken */
    bool keeps;
    uint32_t missing;
    struct row_facts facts; /* of all its rows */
};

/* `facts` NULL: they are known. */
static enum status read_row(struct mapper *mapper, const struct group *group, size_t i,
                            struct row_facts *facts) {
    bool may_lack = mapper->plan->rows.asks_keys;
    enum status status = mapper_read_row(mapper, group->job, &group->job->rows[i], group->plain);
    if (status == STATUS_OK) status = mapper_check_group(mapper);
    return status == STATUS_OK && facts != NULL ? content_read(mapper, may_lack, facts) : status;
}

/* ---- what its rows are ---- */

/* Reads all rows as rows. INVALID: one can't be read. */
static enum status read_facts(struct mapper *mapper, struct group *group) {
    size_t count = group->to - group->from;
    enum status status = STATUS_OK;
    buffer_clear(&mapper->facts);
    status = buffer_reserve(&mapper->facts, count * sizeof *group->rows);
    if (status != STATUS_OK) return status;
    struct row_facts *rows = (struct row_facts *)(void *)mapper->facts.at;
    for (size_t i = 0; status == STATUS_OK && i < count; i++)
        status = read_row(mapper, group, group->from + i, &rows[i]);
    if (status == STATUS_OK) group->rows = rows;
    return status;
}

static struct row_key first_key(const struct group *group) {
    for (size_t i = 0; i < group->to - group->from; i++) {
        if (!row_key_is_none(group->rows[i].key)) return group->rows[i].key;
    }
    return (struct row_key){0};
}

struct key_counts {
    size_t rows, none, same; /* none: rows without a key; same: rows with the first key */
};

static struct key_counts count_keys(const struct group *group) {
    struct key_counts counts = {.rows = group->to - group->from};
    struct row_key first = first_key(group);
    for (size_t i = 0; i < counts.rows; i++) {
        bool none = row_key_is_none(group->rows[i].key);
        counts.none += none;
        counts.same += !none && row_key_equal(group->rows[i].key, first);
    }
    return counts;
}

/* Nobody says what row_key names, and all rows of the group share one key: they are versions of one
 * row, or the rows of an event that the key names. Only the first must not be added up. */
static enum status tell_shared(struct mapper *mapper, const struct group *group) {
    const struct source *source = mapper->plan->source;
    mapper->line = group->job->rows[group->from].line;
    return mapper_bad(
        mapper, COLUMN_NONE,
        "%zu rows of this %.*s share one row_key: write lines: yes in source %.*s where row_key "
        "names each row (the last of them counts), or lines: no where it names the whole %.*s "
        "(they "
        "are added up), and replay the quarantine",
        group->to - group->from, TEXT_ARG(source->one_event_per), TEXT_ARG(source->name),
        TEXT_ARG(source->one_event_per));
}

/* The source says lines: no. */
static enum status tell_different(struct mapper *mapper, const struct group *group) {
    const struct source *source = mapper->plan->source;
    mapper->line = group->job->rows[group->from].line;
    return mapper_bad(mapper, COLUMN_NONE,
                      "the rows of this %.*s have different row keys: in source %.*s write lines: "
                      "yes where row_key names each row, or in one_event_per a column that is "
                      "different for each event",
                      TEXT_ARG(source->one_event_per), TEXT_ARG(source->name));
}

/* Does each row of the group have a key of its own? Where nobody says so, a key that only some rows
 * have is the event's. */
static enum status judge_keys(struct mapper *mapper, struct group *group) {
    enum key_names names = mapper->plan->rows.key_names;
    struct key_counts counts = count_keys(group);
    group->has_lines = false;
    if (names == KEY_NAMES_OPEN && group->job->keys_name_rows) names = KEY_NAMES_ROW;
    if (names == KEY_NAMES_EVENT && counts.same + counts.none < counts.rows)
        return tell_different(mapper, group);
    if (names == KEY_NAMES_EVENT || (names == KEY_NAMES_OPEN && counts.none > 0)) return STATUS_OK;
    group->has_lines = counts.none == 0;
    if (names == KEY_NAMES_ROW || counts.rows == 1 || counts.same < counts.rows) return STATUS_OK;
    group->has_lines = false;
    return mapper->plan->source->rows.again != AGAIN_ASK ? STATUS_OK : tell_shared(mapper, group);
}

/* Where row_key names each row, one that has none could be any row of the event. */
static enum status tell_missing(struct mapper *mapper, const struct group *group) {
    const struct plan *plan = mapper->plan;
    for (size_t i = 0; i < group->to - group->from; i++) {
        if (row_key_is_none(group->rows[i].key))
            mapper->line = group->job->rows[group->from + i].line;
        if (row_key_is_none(group->rows[i].key)) break;
    }
    const struct plan_field *last = &plan->row_keys[plan->row_key_count - 1];
    return mapper_bad(mapper, last->column, "the row key %.*s is empty", TEXT_ARG(last->name));
}

/* Of two rows with one key the one with the higher version stands; of equal ones the later one, but
 * the first message. */
static bool is_replaced(const struct mapper *mapper, const struct group *group, size_t row) {
    const struct row_facts *own = &group->rows[row];
    for (size_t i = 0; i < group->to - group->from; i++) {
        const struct row_facts *other = &group->rows[i];
        bool wins = (i > row) != mapper->plan->rows.first_stands;
        bool stands = wins ? other->version >= own->version : other->version > own->version;
        if (i != row && stands && row_key_equal(other->key, own->key)) return true;
    }
    return false;
}

/* Rows without a key that are equal are rows all the same: an order may have two equal lines. Each
 * gets a key of its own, the same one whenever they come again. From the last row on, so that the
 * keys before it are still those of their bytes. */
static void number_equal_rows(struct group *group) {
    for (size_t i = group->to - group->from; i-- > 1;) {
        struct row_facts *own = &group->rows[i];
        uint64_t before = 0;
        for (size_t j = 0; own->is_made && j < i; j++)
            before += row_key_equal(group->rows[j].key, own->key);
        if (before > 0) own->key.low = hash_u64(own->key.low + before) | 1;
    }
}

static enum status find_keys(struct mapper *mapper, struct group *group) {
    enum status status = read_facts(mapper, group);
    if (status != STATUS_OK) return status;
    number_equal_rows(group);
    status = judge_keys(mapper, group);
    if (status != STATUS_OK) return status;
    if (group->has_lines) return content_event_key(mapper, &group->facts.key);
    bool names_rows = mapper->plan->rows.key_names == KEY_NAMES_ROW || group->job->keys_name_rows;
    if (names_rows && mapper->no_keys == 0) return tell_missing(mapper, group);
    if (!names_rows) group->facts.key = first_key(group);
    /* Where no row has one, and it is no filler, the first row says what is missing. */
    if (!row_key_is_none(group->facts.key) || mapper->no_keys > 0) return STATUS_OK;
    return mapper_bad(mapper, mapper->plan->row_keys[0].column, "the row key %.*s is empty",
                      TEXT_ARG(mapper->plan->row_keys[0].name));
}

/* ---- a group that is stored whole ---- */

static bool looks_first(struct mapper *mapper) {
    if (!mapper->plan->rows.may_skip) return false;
    uint32_t streak = mapper->unknown_streak++;
    return streak < MAPPER_UNKNOWN_MAX || streak % MAPPER_LOOK_EVERY == 0;
}

static bool is_known(const struct mapper *mapper, const struct group *group) {
    struct row_facts sum = group->facts;
    /* A later version of a row that says the same is to be noted, row by row. */
    if (group->has_lines && mapper->plan->rows.version_column != COLUMN_NONE) return false;
    for (size_t i = 0; i < group->to - group->from; i++) {
        const struct row_facts *row = &group->rows[i];
        if (row->retracts || (group->has_lines && !content_is_known(mapper, row))) return false;
        content_add(mapper, &sum, row);
    }
    return group->has_lines || content_is_known(mapper, &sum);
}

static enum status take_line(struct mapper *mapper, const struct group *group,
                             const struct row_facts *row) {
    if (!group->has_lines) return STATUS_OK;
    struct event_line *line = event_batch_add_line(mapper->batch);
    return line != NULL ? content_put_line(mapper, row, line) : STATUS_NO_MEMORY;
}

/* Its rows are named: another file of the load may have other versions of them. */
static enum status add_known(struct mapper *mapper, struct group *group) {
    enum status status;
    mapper->unknown_streak = 0;
    for (size_t i = 0; i < group->to - group->from; i++)
        content_add(mapper, &group->facts, &group->rows[i]);
    struct event *event = mapper_add_event_of(mapper, &group->facts, &status);
    if (event != NULL) event->is_known = true;
    for (size_t i = 0; status == STATUS_OK && i < group->to - group->from; i++)
        status = take_line(mapper, group, &group->rows[i]);
    return status;
}

/* ---- the rows beside the event ---- */

static enum status put_kept_row(struct mapper *mapper) {
    const struct plan_rows *rows = &mapper->plan->rows;
    enum status status = STATUS_OK;
    buffer_clear(&mapper->kept_row);
    if (mapper->plan->source->format == SOURCE_NDJSON)
        return buffer_append_text(&mapper->kept_row, mapper->row);
    for (uint32_t i = 0; status == STATUS_OK && i < rows->kept_count; i++) {
        status =
            lines_put_field(&mapper->kept_row, mapper->cells[rows->kept_columns[i]].text, i == 0);
    }
    return status;
}

/* More rows than the event has room for are not kept: the event can be loaded again as a whole, and
 * no row can be added to it. */
static enum status keep_row(struct mapper *mapper, struct group *group) {
    const struct plan_rows *rows = &mapper->plan->rows;
    enum status status = STATUS_OK;
    if (!group->keeps) return STATUS_OK;
    if (!group->begun) {
        packed_list_begin(&mapper->kept);
        if (rows->kept_header.length > 0)
            status = packed_list_add(&mapper->kept, value_text(rows->kept_header));
    }
    if (status == STATUS_OK) status = put_kept_row(mapper);
    if (status == STATUS_OK)
        status = packed_list_add(&mapper->kept, value_text(buffer_text(&mapper->kept_row)));
    if (status != STATUS_LIMIT) return status;
    group->keeps = false;
    return STATUS_OK;
}

/* The rows as they came, for a group that may have to wait in quarantine. */
static enum status put_raw(struct mapper *mapper, const struct group *group) {
    struct event_batch *batch = mapper->batch;
    uint32_t start = (uint32_t)batch->bytes.length;
    enum status status = STATUS_OK;
    for (size_t i = group->from; status == STATUS_OK && i < group->to; i++) {
        const struct row *row = &group->job->rows[i];
        if (i > group->from) status = buffer_append_text(&batch->bytes, TEXT("\n"));
        if (status == STATUS_OK)
            status = buffer_append(&batch->bytes, group->job->bytes.at + row->offset, row->length);
    }
    struct event *event = &batch->events[group->event];
    event->raw = start;
    event->raw_length = (uint32_t)(batch->bytes.length - start);
    event->raw_rows = (uint32_t)(group->to - group->from);
    return status;
}

/* ---- mapping ---- */

/* Exports of shops name the currency of an order in its first line alone. What is bad about a row
 * is told when it is taken. */
static enum status find_currency(struct mapper *mapper, const struct group *group) {
    bool may_say = mapper->plan->currency_symbol != SYMBOL_NONE && group->to - group->from > 1;
    enum status status = STATUS_OK;
    mapper->group_currency = 0;
    for (size_t i = group->from; may_say && i < group->to; i++) {
        status = read_row(mapper, group, i, NULL);
        if (status == STATUS_OK) status = mapper_take_currency(mapper);
        if (status == STATUS_NO_MEMORY) return status;
        if (status != STATUS_OK || !mapper->says_currency) continue;
        mapper->group_currency = mapper->reader.currency;
        break;
    }
    return STATUS_OK;
}

static enum status begin_event(struct mapper *mapper, struct group *group) {
    enum status status = find_currency(mapper, group);
    if (status != STATUS_OK) return status;
    group->event = mapper->batch->event_count;
    mapper_dark_begin(mapper);
    struct event *event = mapper_add_event(mapper, &status);
    if (event == NULL) return status;
    event->source = (uint16_t)mapper->plan->source->symbol;
    event->row_line = group->job->rows[group->from].line;
    return mapper->plan->row_key_count > 0 ? put_raw(mapper, group) : STATUS_OK;
}

static enum status take_facts(struct mapper *mapper, struct group *group,
                              const struct row_facts *row) {
    if (group->rows == NULL && row_key_is_none(group->facts.key)) group->facts.key = row->key;
    if (!row->retracts) content_add(mapper, &group->facts, row);
    if (row->version > group->facts.version) group->facts.version = row->version;
    return take_line(mapper, group, row);
}

static enum status take_cells(struct mapper *mapper, struct group *group) {
    bool differs = false,
         has_others = group->to - group->from > 1 || mapper->plan->rows.takes_parts;
    enum status status = group->begun
                             ? mapper_take_further(mapper, group->event, &group->missing, &differs)
                             : mapper_take_first(mapper, group->event, has_others, &group->missing);
    if (status == STATUS_OK) status = mapper_take_properties(mapper, !group->begun);
    if (status == STATUS_OK) status = keep_row(mapper, group);
    group->job->disagreeing_rows += differs;
    group->begun = true;
    return status;
}

static enum status take_row(struct mapper *mapper, struct group *group, size_t i) {
    const struct row_facts *row = group->rows != NULL ? &group->rows[i - group->from] : NULL;
    struct row_facts facts;
    enum status status = STATUS_OK;
    if (row != NULL && group->has_lines && is_replaced(mapper, group, i - group->from)) {
        group->job->older_rows++;
        return STATUS_OK;
    }
    if (row != NULL && row->retracts) return take_facts(mapper, group, row);
    status = read_row(mapper, group, i, row == NULL ? &facts : NULL);
    if (row == NULL) row = &facts;
    if (status == STATUS_OK) status = take_facts(mapper, group, row);
    return status == STATUS_OK && !row->retracts ? take_cells(mapper, group) : status;
}

/* Rows in another file may say what these leave empty. What people say of consent and contact never
 * waits for that: its bad rows hold their person. */
static bool may_be_part(const struct mapper *mapper, const struct group *group) {
    uint16_t type = mapper->batch->events[group->event].type;
    return group->missing != 0 && (group->missing & PART_TYPE) == 0 &&
           mapper->plan->rows.takes_parts && group->keeps && group->begun &&
           !row_key_is_none(group->facts.key) && !event_is_permission(type);
}

static enum status end_event(struct mapper *mapper, struct group *group) {
    enum status status = STATUS_OK;
    bool is_part = may_be_part(mapper, group);
    if (group->missing != 0 && !is_part) { /* no row of the group has it */
        mapper->line = group->job->rows[group->from].line;
        status = mapper_take_parts(mapper, group->event, group->missing);
    }
    struct event *event = &mapper->batch->events[group->event];
    event->is_part = is_part;
    group->facts.retracts = !group->begun;
    if (status == STATUS_OK) status = content_put_event(mapper, &group->facts, event);
    if (status != STATUS_OK || !group->begun) return status;
    return mapper_finish(mapper, group->event, group->keeps);
}

/* What the rows are as rows; *done: the group is stored whole. */
static enum status begin_group(struct mapper *mapper, struct group *group, bool *done) {
    *done = false;
    if (mapper->plan->row_key_count == 0) return STATUS_OK;
    bool looks = looks_first(mapper);
    if (!looks && !mapper->plan->rows.asks_keys) return STATUS_OK;
    enum status status = find_keys(mapper, group);
    bool has_key = !row_key_is_none(group->facts.key);
    *done = status == STATUS_OK && has_key && looks && is_known(mapper, group);
    return status == STATUS_OK && *done ? add_known(mapper, group) : status;
}

enum status mapper_map_group(struct mapper *mapper, struct job *job, size_t from, size_t to,
                             bool plain) {
    struct group group = {.job = job,
                          .from = from,
                          .to = to,
                          .plain = plain,
                          .keeps = mapper->plan->rows.keeps_rows,
                          .facts = {.version = ROW_VERSION_NONE}};
    bool done;
    if (to - from > INGEST_GROUP_ROWS_MAX) {
        mapper->line = job->rows[from].line;
        return mapper_bad(mapper, mapper->plan->group_column, "more than %d rows of one event",
                          INGEST_GROUP_ROWS_MAX);
    }
    uint64_t no_keys = mapper->no_keys;
    mapper->no_keys = 0;
    enum status status = begin_group(mapper, &group, &done);
    if (status == STATUS_OK && !done) {
        status = begin_event(mapper, &group);
        for (size_t i = from; status == STATUS_OK && i < to; i++)
            status = take_row(mapper, &group, i);
        if (status == STATUS_OK) status = end_event(mapper, &group);
    }
    mapper->group_currency = 0;
    bool lacks_key = mapper->no_keys > 0 && row_key_is_none(group.facts.key);
    mapper->no_keys = no_keys + lacks_key; /* events, not rows */
    return status;
}
