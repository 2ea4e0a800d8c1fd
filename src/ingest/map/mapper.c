/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/map/mapper.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/hash.h"
#include "base/memory.h"
#include "ingest/file/csv.h"
#include "ingest/cell/notation.h"
#include "ingest/file/scan.h"
#include "ingest/map/segment.h"

static enum status alloc_parts(struct mapper *mapper) {
    const struct plan *plan = mapper->plan;
    uint32_t columns = plan->column_count ? plan->column_count : 1;
    mapper->cells = memory_calloc(columns, sizeof *mapper->cells);
    mapper->filled = memory_calloc(columns, 1);
    mapper->entered = memory_calloc((size_t)plan->path_count + 1, 1);
    mapper->values = memory_calloc(plan->property_count + 1, sizeof *mapper->values);
    mapper->lists = memory_calloc(plan->list_count + 1, sizeof *mapper->lists);
    if (!mapper->cells || !mapper->filled || !mapper->entered || !mapper->values || !mapper->lists)
        return STATUS_NO_MEMORY;
    if (plan->source->format != SOURCE_NDJSON) return STATUS_OK;
    mapper->follow = memory_calloc(2 * (size_t)plan->path_count, sizeof *mapper->follow);
    if (mapper->follow == NULL) return STATUS_NO_MEMORY;
    return json_parser_create(&mapper->json, INGEST_ROW_BYTES_MAX);
}

enum status mapper_create(struct mapper **out, const struct plan *plan) {
    struct mapper *mapper = memory_calloc(1, sizeof *mapper);
    if (mapper == NULL) return STATUS_NO_MEMORY;
    mapper->plan = plan;
    arena_init(&mapper->scratch, MAPPER_SCRATCH_MAX);
    packed_writer_init(&mapper->writer);
    packed_list_init(&mapper->items);
    dark_writer_init(&mapper->dark);
    dark_array_init(&mapper->array);
    line_forms_init(&mapper->forms);
    packed_list_init(&mapper->kept);
    buffer_init(&mapper->kept_row);
    buffer_init(&mapper->facts);
    buffer_init(&mapper->text);
    buffer_init(&mapper->left);
    buffer_init(&mapper->mended);
    buffer_init(&mapper->rescued);
    zone_days_init(&mapper->reader.days, plan->zone);
    mapper->reader.currency = plan->currency;
    mapper->reader.minor_digits = plan->minor_digits;
    mapper->reader.scratch = &mapper->scratch;
    if (alloc_parts(mapper)) {
        mapper_destroy(mapper);
        return STATUS_NO_MEMORY;
    }
    *out = mapper;
    return STATUS_OK;
}

void mapper_destroy(struct mapper *mapper) {
    if (mapper == NULL) return;
    for (uint32_t i = 0; mapper->lists && i < mapper->plan->list_count; i++)
        packed_list_release(&mapper->lists[i]);
    packed_list_release(&mapper->items);
    dark_writer_release(&mapper->dark);
    dark_array_release(&mapper->array);
    packed_list_release(&mapper->kept);
    buffer_release(&mapper->kept_row);
    buffer_release(&mapper->facts);
    packed_writer_release(&mapper->writer);
    buffer_release(&mapper->text);
    buffer_release(&mapper->left);
    buffer_release(&mapper->mended);
    buffer_release(&mapper->rescued);
    arena_release(&mapper->scratch);
    json_parser_destroy(mapper->json);
    line_forms_release(&mapper->forms);
    memory_free(mapper->cells);
    memory_free(mapper->filled);
    memory_free(mapper->entered);
    memory_free((void *)mapper->follow);
    memory_free(mapper->values);
    memory_free(mapper->lists);
    memory_free(mapper->consent_seen);
    memory_free(mapper);
}

enum status mapper_bad(struct mapper *mapper, uint32_t column, const char *format, ...) {
    va_list arguments;
    bool csv = mapper->plan->source->format == SOURCE_CSV;
    mapper->reason.column = csv && column != COLUMN_NONE ? column + 1 : 0;
    mapper->reason.line = mapper->line;
    va_start(arguments, format);
    vsnprintf(mapper->reason.text, sizeof mapper->reason.text, format, arguments);
    va_end(arguments);
    return STATUS_INVALID;
}

char *mapper_show(struct text text, char out[MAPPER_SHOWN_BYTES + 8]) {
    uint32_t length = text.length;
    if (length > MAPPER_SHOWN_BYTES) {
        length = MAPPER_SHOWN_BYTES;
        while (length > 0 && ((unsigned char)text.at[length] & 0xC0) == 0x80) length--;
    }
    for (uint32_t i = 0; i < length; i++)
        out[i] = (unsigned char)text.at[i] < 0x20 || text.at[i] == 0x7f ? '?' : text.at[i];
    memcpy(out + length, length < text.length ? "…" : "", length < text.length ? sizeof "…" : 1);
    return out;
}

const char *mapper_place(enum value_type type) {
    return type == VALUE_UNKNOWN ? "plain value" : value_type_name(type);
}

enum status mapper_bad_value(struct mapper *mapper, uint32_t column, enum value_type type) {
    const struct cell *cell = &mapper->cells[column];
    char shown[MAPPER_SHOWN_BYTES + 8] = "", advice[NOTATION_ADVICE_BYTES] = "";
    struct text name = mapper->plan->columns[column], text = {0};
    if (name.length > 128) name.length = 128;
    if (cell->kind == CELL_NODE) {
        return mapper_bad(mapper, column, "column %.*s holds %s where a %s belongs", TEXT_ARG(name),
                          json_type(cell->node) == JSON_ARRAY ? "a list" : "an object",
                          mapper_place(type));
    }
    if (cell_text(&mapper->reader, cell, &text) == STATUS_OK) {
        mapper_show(text, shown);
        notation_advice(text, type, plan_notation(mapper->plan, column), advice);
    }
    return mapper_bad(mapper, column, "'%s' is no %s in column %.*s%s", shown,
                      value_type_name(type), TEXT_ARG(name), advice);
}

enum status mapper_symbol(struct mapper *mapper, enum symbol_kind kind, struct text name,
                          uint32_t *id) {
    static const uint32_t undeclared[SYMBOL_KIND_COUNT] = {[SYMBOL_EVENT] = EVENT_UNDECLARED,
                                                           [SYMBOL_PROPERTY] = SYMBOL_NONE,
                                                           [SYMBOL_CHANNEL] = CHANNEL_UNDECLARED};
    char shown[MAPPER_SHOWN_BYTES + 8];
    uint32_t slot = 0;
    bool cached = kind == SYMBOL_EVENT || kind == SYMBOL_PROPERTY;
    if (cached && name.length > 0) {
        slot = (name.length * 37 + (unsigned char)name.at[0] * 5 +
                (unsigned char)name.at[name.length - 1] * 11 +
                (unsigned char)name.at[name.length / 2] * 23) %
               MAPPER_NAMES;
        if (text_equal(mapper->names[kind][slot].name, name)) {
            *id = mapper->names[kind][slot].id;
            return STATUS_OK;
        }
    }
    *id = symbol_find(mapper->plan->symbols, kind, name);
    if (*id == SYMBOL_NONE) {
        *id = undeclared[kind];
        if (kind != SYMBOL_EVENT || (name.length > 0 && name.length <= SYMBOL_BYTES_MAX))
            return STATUS_OK;
        return mapper_bad(mapper, COLUMN_NONE, "'%s' can't be the name of an event: 1 to %d bytes",
                          mapper_show(name, shown), SYMBOL_BYTES_MAX);
    }
    if (cached) {
        mapper->names[kind][slot].name = symbol_text(mapper->plan->symbols, kind, *id);
        mapper->names[kind][slot].id = *id;
    }
    return STATUS_OK;
}

/* ---- a row to cells ---- */

static enum status check_text(struct mapper *mapper) {
    if (memchr(mapper->row.at, 0, mapper->row.length))
        return mapper_bad(mapper, COLUMN_NONE, "the row holds a NUL byte");
    if (!text_is_utf8(mapper->row))
        return mapper_bad(
            mapper, COLUMN_NONE,
            "the row is not UTF-8; convert the file (iconv -f WINDOWS-1252 -t UTF-8)");
    return STATUS_OK;
}

static enum status check_readable(struct mapper *mapper, const struct row *row) {
    if (row->flags & ROW_TOO_LONG)
        return mapper_bad(mapper, COLUMN_NONE, "the row is longer than %u bytes%s",
                          INGEST_ROW_BYTES_MAX,
                          mapper->plan->source->segment
                              ? "; write its messages as lines of their own (jq -c '.batch[]')"
                              : "");
    if ((row->flags & ROW_OPEN_QUOTE) && (row->flags & ROW_FILE_ENDS)) {
        return mapper_bad(mapper, COLUMN_NONE, "the file ends inside quotes");
    }
    if (row->flags & ROW_OPEN_QUOTE)
        return mapper_bad(mapper, COLUMN_NONE, "a quote opens in this row and never closes");
    if (row->flags & ROW_BAD_QUOTE)
        return mapper_bad(mapper, COLUMN_NONE, "text stands behind a closing quote");
    if (row->flags & ROW_FILE_ENDS)
        return mapper_bad(mapper, COLUMN_NONE, "the file ends in the middle of this row");
    if (row->flags & ROW_GROUP_GONE) {
        return mapper_bad(
            mapper, mapper->plan->group_column,
            "the other rows of its %.*s stood too far before it: sort the file by %.*s",
            TEXT_ARG(mapper->plan->source->one_event_per),
            TEXT_ARG(mapper->plan->source->one_event_per));
    }
    return STATUS_OK;
}

/* Judges the last line where it has no end and other lines have one: its last field may be cut. A
 * field that closes its quotes, or that nothing reads, does no harm. */
static enum status check_last(struct mapper *mapper, struct job *job) {
    const struct plan *plan = mapper->plan;
    const struct cell *last = &mapper->cells[plan->column_count - 1];
    bool open = last->text.at + last->text.length == mapper->row.at + mapper->row.length;
    if (!open || !plan->reads_last_column) return STATUS_OK;
    job->held_last = true;
    job->held_line = mapper->line;
    return mapper_bad(mapper, plan->column_count - 1,
                      "the file ends without a line end: it may be cut off here (load the whole "
                      "file; or, where the row is whole: attune quarantine replay)");
}

/* Judges a quoted field that holds whole rows: two stray quotes would swallow the rows between
 * them. A source that declares its quotes is trusted. */
static enum status check_quoted(struct mapper *mapper, struct job *job) {
    const struct plan *plan = mapper->plan;
    if (plan->source->quote != QUOTE_BY_DELIMITER ||
        memchr(mapper->row.at, '\n', mapper->row.length) == NULL)
        return STATUS_OK;
    uint32_t lines = csv_swallowed_lines(mapper->row, plan->delimiter, plan->column_count);
    if (lines == 0) return STATUS_OK;
    if (job->swallowing_rows++ == 0) job->swallowing_line = mapper->line;
    return mapper_bad(mapper, COLUMN_NONE, CSV_SWALLOWED_REASON, lines - 1, lines);
}

static enum status too_many_fields(struct mapper *mapper) {
    uint32_t columns = mapper->plan->column_count;
    const char *cr = memchr(mapper->row.at, '\r', mapper->row.length);
    return mapper_bad(mapper, columns, "the row has more than the file's %u columns%s", columns,
                      cr ? "; it holds a CR that no LF follows: convert the file's line ends" : "");
}

/* In a file with tabs quotes are characters unless something says otherwise. Excel puts only those
 * fields into quotes that need it. */
static void note_enclosed(const struct mapper *mapper, struct job *job) {
    const struct plan *plan = mapper->plan;
    if (plan->delimiter != '\t' || plan->source->quote != QUOTE_BY_DELIMITER) return;
    for (uint32_t i = 0; i < plan->column_count && job->enclosed_line == 0; i++) {
        struct text text = mapper->cells[i].text;
        if (text.length > 1 && text.at[0] == '"' && text.at[text.length - 1] == '"')
            job->enclosed_line = mapper->line;
    }
}

static enum status read_csv(struct mapper *mapper, struct job *job, const struct row *row) {
    const struct plan *plan = mapper->plan;
    uint32_t count = csv_split(mapper->row, plan->delimiter, row->flags & ROW_QUOTED,
                               &mapper->scratch, mapper->cells, plan->column_count);
    if (count == plan->column_count) {
        enum status status = row->flags & ROW_QUOTED ? check_quoted(mapper, job) : STATUS_OK;
        if (!(row->flags & ROW_QUOTED)) note_enclosed(mapper, job);
        if (status == STATUS_OK && row->flags & ROW_MAYBE_CUT) status = check_last(mapper, job);
        return status;
    }
    if (count == CSV_NO_MEMORY) return STATUS_NO_MEMORY;
    if (count == CSV_TOO_MANY) return too_many_fields(mapper);
    if (row->flags & ROW_UNTERMINATED) {
        snprintf(job->truncation, sizeof job->truncation,
                 "%s:%llu: the file ends in the middle of a row", plan->file.at,
                 (unsigned long long)row->line);
        return mapper_bad(mapper, count, "the file ends in the middle of this row");
    }
    return mapper_bad(mapper, count,
                      "the row has %u field%s, the file has %u columns: %.*s is missing", count,
                      count == 1 ? "" : "s", plan->column_count,
                      (int)(plan->columns[count].length < 128 ? plan->columns[count].length : 128),
                      plan->columns[count].at);
}

enum status mapper_read_row(struct mapper *mapper, struct job *job, const struct row *row,
                            bool plain) {
    mapper->row = mapper->line_text = (struct text){job->bytes.at + row->offset, row->length};
    mapper->line = row->line;
    mapper->present_type = mapper->plan->source->event_type;
    mapper->row_is_read = mapper->is_no_json = false;
    mapper->doubt.text[0] = 0;
    enum status status = row->flags & ROW_UNREADABLE ? check_readable(mapper, row) : STATUS_OK;
    if (status == STATUS_OK && !plain) status = check_text(mapper);
    mapper->is_no_json = status == STATUS_INVALID;
    if (status) return status;
    status = mapper->plan->source->format == SOURCE_CSV ? read_csv(mapper, job, row)
                                                        : mapper_read_json(mapper);
    mapper->row_is_read = status == STATUS_OK;
    if (mapper->plan->source->format == SOURCE_CSV) return status;
    if (status == STATUS_INVALID && (row->flags & ROW_UNTERMINATED)) {
        snprintf(job->truncation, sizeof job->truncation,
                 "%s:%llu: the file ends in the middle of a line", mapper->plan->file.at,
                 (unsigned long long)row->line);
    }
    return status;
}

/* ---- rows to an event, or to the quarantine ---- */

enum status mapper_finish(struct mapper *mapper, size_t index, bool keeps_rows) {
    struct event *event = &mapper->batch->events[index];
    enum status status = mapper_distrust(mapper, event);
    if (status == STATUS_OK) status = mapper_pack(mapper, event->type, keeps_rows, event);
    mapper->undeclared_events += event->type == EVENT_UNDECLARED;
    mapper->undeclared_rest += mapper->undeclared_left + mapper->dark.left;
    return status == STATUS_OK && segment_is_message(mapper) && !mapper->is_bot
               ? segment_consent(mapper, index)
               : status;
}

/* Adds an event with nothing but its key: its row retracts itself, or is stored already. */
static enum status add_bare(struct mapper *mapper, const struct row_facts *facts, bool is_known) {
    enum status status;
    struct event *event = mapper_add_event_of(mapper, facts, &status);
    if (event == NULL) return status;
    event->is_known = is_known;
    return STATUS_OK;
}

static bool is_skipped(struct mapper *mapper, const struct row_facts *facts) {
    if (!mapper->plan->rows.may_skip || facts->retracts) return false;
    uint32_t streak = mapper->unknown_streak++;
    if (streak >= MAPPER_UNKNOWN_MAX && streak % MAPPER_LOOK_EVERY != 0) return false;
    bool is_known = content_is_known(mapper, facts);
    if (is_known) mapper->unknown_streak = 0;
    return is_known;
}

/* The cells of the present row, which is an event by itself. */
static enum status map_cells(struct mapper *mapper) {
    struct row_facts facts;
    size_t index = mapper->batch->event_count;
    uint32_t missing;
    enum status status = content_read(mapper, false, &facts);
    if (status) return status;
    if (facts.retracts) return add_bare(mapper, &facts, false);
    if (is_skipped(mapper, &facts)) return add_bare(mapper, &facts, true);
    if (mapper_add_event_of(mapper, &facts, &status) == NULL) return status;
    status = mapper_take_first(mapper, index, false, &missing);
    if (status == STATUS_OK) status = mapper_take_properties(mapper, true);
    return status == STATUS_OK ? mapper_finish(mapper, index, false) : status;
}

struct mark { /* how full a batch was */
    size_t events, identifiers, lines, bytes;
};

static struct mark mark_of(const struct event_batch *batch) {
    return (struct mark){batch->event_count, batch->identifier_count, batch->line_count,
                         batch->bytes.length};
}

static void roll_back(struct mapper *mapper, struct mark mark) {
    struct event_batch *batch = mapper->batch;
    mapper->usable_before = 0;
    batch->event_count = mark.events;
    batch->identifier_count = mark.identifiers;
    batch->line_count = mark.lines;
    batch->bytes.length = mark.bytes;
}

/* Tells whoever listens what became of the present row, or message: events from `mark` on, and why
 * something of it is quarantined (empty: nothing is). */
static void tell_seen(const struct mapper *mapper, struct mark mark, const char *reason) {
    const struct event_batch *batch = mapper->batch;
    const struct ingest_seen *seen = &mapper->live.seen;
    if (seen->tell == NULL) return;
    struct ingest_told told = {.first_event = mark.events,
                               .event_count = batch->event_count - mark.events,
                               .reason = text_from(reason)};
    if (mapper->plan->is_segment && !mapper->is_no_json)
        segment_told(mapper, &told.message_id, &told.name);
    if (told.event_count > 0) {
        uint32_t type = batch->events[mark.events].type;
        told.name = type == EVENT_UNDECLARED
                        ? mapper->event_word
                        : symbol_text(mapper->plan->symbols, SYMBOL_EVENT, type);
    }
    seen->tell(seen->context, batch, &told);
}

static enum status map_message(struct mapper *mapper, const struct segment_batch *walk) {
    if (mapper->scratch.block) arena_clear(&mapper->scratch);
    mapper->row = walk->text;
    mapper->present_type = SYMBOL_NONE;
    mapper->doubt.text[0] = 0;
    mapper_dark_begin(mapper);
    /* Each message also takes what its line says for all messages. */
    if (mapper->batch->bytes.length >= MAPPER_BATCH_BYTES_MAX) {
        return mapper_bad(mapper, COLUMN_NONE,
                          "more than %zu MB were read at once: replay the quarantine",
                          MAPPER_BATCH_BYTES_MAX >> 20);
    }
    enum status status = mapper_read_message(mapper, walk->node);
    return status == STATUS_OK ? map_cells(mapper) : status;
}

/* One bad message does not harm the others: what is left of the line is quarantined with its
 * reason. */
static enum status map_batch(struct mapper *mapper, struct job *job, uint32_t left_before) {
    const struct plan *plan = mapper->plan;
    struct segment_batch walk;
    segment_batch_begin(&walk, mapper);
    walk.left_count = left_before;
    while (segment_batch_next(&walk)) {
        struct mark mark = mark_of(mapper->batch);
        enum status status = map_message(mapper, &walk);
        bool doubt = status == STATUS_OK && mapper->doubt.text[0] != 0;
        if (status == STATUS_INVALID) roll_back(mapper, mark);
        if (doubt) mapper->reason = mapper->doubt;
        bool leaves = status == STATUS_INVALID || doubt;
        tell_seen(mapper, mark, leaves ? mapper->reason.text : "");
        if (leaves) status = segment_batch_leave(&walk, mapper);
        if (status) return status;
    }
    mapper->doubt.text[0] = 0;
    if (walk.left_count == 0) return STATUS_OK;
    enum status status = segment_batch_end(&walk, mapper);
    if (status) return status;
    job->quarantined_rows++;
    return event_batch_add_row(mapper->batch, (uint16_t)plan->source->symbol, plan->file,
                               mapper->line, 0, text_from(mapper->reason.text),
                               buffer_text(&mapper->left));
}

static enum status map_row(struct mapper *mapper, struct job *job, const struct row *row,
                           bool plain, bool *is_batch) {
    uint32_t left = 0;
    mapper_dark_begin(mapper);
    enum status status = mapper_read_row(mapper, job, row, plain);
    if (status == STATUS_INVALID && mapper->plan->is_segment)
        status = segment_rescue(mapper, &left);
    if (status) return status;
    *is_batch = mapper->plan->is_segment && segment_is_batch(mapper);
    return *is_batch ? map_batch(mapper, job, left) : map_cells(mapper);
}

static enum status append_raw(struct mapper *mapper, struct text text) {
    size_t room = INGEST_RAW_BYTES_MAX - mapper->text.length;
    return buffer_append(&mapper->text, text.at, text.length < room ? text.length : room);
}

/* Writes header and rows, as they came. */
static enum status build_raw(struct mapper *mapper, const struct job *job, size_t from, size_t to) {
    struct text header = mapper->plan->header;
    enum status status = STATUS_OK;
    size_t whole = header.length;
    buffer_clear(&mapper->text);
    if (header.length > 0) status = append_raw(mapper, header);
    for (size_t i = from; status == STATUS_OK && i < to; i++) {
        const struct row *row = &job->rows[i];
        whole += row->length + 1;
        if (header.length > 0 || i > from) status = append_raw(mapper, TEXT("\n"));
        if (status == STATUS_OK)
            status = append_raw(mapper, (struct text){job->bytes.at + row->offset, row->length});
    }
    if (whole > INGEST_RAW_BYTES_MAX) {
        size_t at = strlen(mapper->reason.text);
        snprintf(mapper->reason.text + at, sizeof mapper->reason.text - at,
                 " (kept: the first %u bytes; it can't be replayed)", INGEST_RAW_BYTES_MAX);
    }
    return status;
}

static enum status quarantine(struct mapper *mapper, struct job *job, size_t from, size_t to) {
    const struct plan *plan = mapper->plan;
    enum status status = build_raw(mapper, job, from, to);
    if (status == STATUS_OK) status = mapper_mark_raw(mapper, &mapper->text);
    if (status) return status;
    job->quarantined_rows += to - from;
    for (size_t i = from; i < to; i++)
        job->cut_rows += (job->rows[i].flags & (ROW_FILE_ENDS | ROW_UNTERMINATED)) != 0;
    status = event_batch_add_row(mapper->batch, (uint16_t)plan->source->symbol, plan->file,
                                 mapper->reason.line, mapper->reason.column,
                                 text_from(mapper->reason.text), buffer_text(&mapper->text));
    if (status == STATUS_OK)
        mapper->batch->rows[mapper->batch->row_count - 1].rows = (uint32_t)(to - from);
    return status;
}

/* Where the rows of the batch's groups stand. */
static enum status put_place(struct mapper *mapper) {
    struct event_batch *batch = mapper->batch;
    batch->file = (uint32_t)batch->bytes.length;
    batch->file_length = mapper->plan->file.length;
    enum status status = buffer_append_text(&batch->bytes, mapper->plan->file);
    batch->header = (uint32_t)batch->bytes.length;
    batch->header_length = mapper->plan->header.length;
    return status == STATUS_OK ? buffer_append_text(&batch->bytes, mapper->plan->header) : status;
}

enum status mapper_run(struct mapper *mapper, struct job *job, struct event_batch *batch) {
    bool plain = scan_is_plain(job->bytes.at, job->bytes.length);
    mapper->batch = batch;
    mapper->now_ms = job->now_ms;
    mapper->consent_count = 0;
    mapper->no_keys = 0;
    mapper->usable_before = 0;
    mapper->near.events = 0;
    mapper->undeclared_events = mapper->undeclared_rest = 0;
    enum status placed = mapper->plan->group_column != COLUMN_NONE ? put_place(mapper) : STATUS_OK;
    if (placed != STATUS_OK) return placed;
    for (size_t from = 0, to; from < job->row_count; from = to) {
        for (to = from + 1; to < job->row_count && !(job->rows[to].flags & ROW_FIRST);) to++;
        struct mark mark = mark_of(batch);
        uint64_t no_keys = mapper->no_keys;
        if (mapper->scratch.block) arena_clear(&mapper->scratch);
        bool is_batch = false;
        enum status status = mapper->plan->group_column != COLUMN_NONE
                                 ? mapper_map_group(mapper, job, from, to, plain)
                                 : map_row(mapper, job, &job->rows[from], plain, &is_batch);
        bool doubt = status == STATUS_OK && mapper->doubt.text[0] != 0;
        if (status == STATUS_INVALID) {
            roll_back(mapper, mark);
            mapper->no_keys = no_keys;
        }
        if (doubt) mapper->reason = mapper->doubt;
        bool is_bad = status == STATUS_INVALID || doubt;
        if (is_bad) mapper_hold_in_doubt(mapper);
        if (!is_batch || is_bad) tell_seen(mapper, mark, is_bad ? mapper->reason.text : "");
        if (is_bad) status = quarantine(mapper, job, from, to);
        if (status) return status;
    }
    job->no_keys += mapper->no_keys;
    job->near = mapper->near;
    job->undeclared_events = mapper->undeclared_events;
    job->undeclared_left = mapper->undeclared_rest;
    return STATUS_OK;
}
