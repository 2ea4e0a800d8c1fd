/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/rows/rows_groups.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/hash.h"
#include "base/memory.h"
#include "ingest/file/lines.h"

#define NO_ROW           UINT32_MAX
#define MERGE_BYTES_MAX  ((size_t)2 << 30)
#define REASON_BYTES_MAX 512

void group_merge_init(struct group_merge *merge, struct row_load *load, struct error *error) {
    *merge = (struct group_merge){.load = load, .error = error};
    arena_init(&merge->arena, MERGE_BYTES_MAX);
    event_batch_init(&merge->out);
    event_batch_init(&merge->made);
}

void group_merge_release(struct group_merge *merge) {
    for (size_t i = 0; i < merge->work_count; i++) memory_free(merge->works[i].lines);
    memory_free(merge->works);
    memory_free(merge->gone);
    row_map_release(&merge->by_key);
    row_map_release(&merge->by_line);
    row_map_release(&merge->by_position);
    row_map_release(&merge->newest);
    event_batch_release(&merge->out);
    event_batch_release(&merge->made);
    arena_release(&merge->arena);
}

struct group_work *group_work_add(struct group_merge *merge) {
    if (memory_grow((void **)&merge->works, &merge->work_capacity, merge->work_count + 1,
                    sizeof *merge->works) != STATUS_OK)
        return NULL;
    struct group_work *work = &merge->works[merge->work_count++];
    *work = (struct group_work){.first = NO_ROW};
    return work;
}

static const struct event *held(const struct group_merge *merge, uint32_t row) {
    return &merge->load->held.events[row];
}

static struct text packed_of(const struct group_merge *merge, uint32_t row) {
    const struct event *event = held(merge, row);
    return event_batch_text(&merge->load->held, event->properties, event->properties_length);
}

/* ---- rows kept beside events ---- */

enum status group_kept_rows(struct group_merge *merge, struct text packed, struct kept_rows *out) {
    uint32_t symbol =
        symbol_find(merge->load->engine->symbols, SYMBOL_PROPERTY, INGEST_ROWS_PROPERTY);
    struct value list = symbol != SYMBOL_NONE && packed.length > 0 ? packed_find(packed, symbol)
                                                                   : value_unknown(),
                 item;
    struct list_reader reader;
    *out = (struct kept_rows){.missing = list.type != VALUE_LIST};
    if (out->missing) return STATUS_OK;
    out->rows = arena_calloc(&merge->arena, list_count(list) + 1, sizeof *out->rows);
    if (out->rows == NULL) return STATUS_NO_MEMORY;
    enum status status = list_reader_init(&reader, list);
    while (status == STATUS_OK && (status = list_next(&reader, &item)) == STATUS_OK) {
        out->rows[out->count] = arena_text(&merge->arena, item.text);
        if (out->rows[out->count++].at == NULL) return STATUS_NO_MEMORY;
    }
    if (status != STATUS_END) return status;
    /* A row of JSON is an object; what begins otherwise is the header of a table. */
    if (out->count > 0 && out->rows[0].at[0] != '{') {
        out->header = out->rows[0];
        out->rows++;
        out->count--;
    }
    return STATUS_OK;
}

enum status group_map(struct group_merge *merge, const struct source *source,
                      const struct kept_rows *rows, bool has_lines) {
    struct engine *engine = merge->load->engine;
    struct source kept = ingest_source_as_kept(source);
    struct buffer text;
    const struct lookup_table **tables = in_force_tables(engine->own);
    if (tables == NULL) return STATUS_NO_MEMORY;
    struct ingest_settings settings = engine_load_settings(engine->own, tables, source, NULL);
    settings.keeps_rows = true;
    settings.key_names = has_lines ? KEY_NAMES_ROW : KEY_NAMES_EVENT;
    kept.key_names = KEY_NAMES_OPEN; /* the settings say it */
    buffer_init(&text);
    event_batch_clear(&merge->made);
    enum status status = buffer_append_text(&text, rows->header);
    for (uint32_t i = 0; status == STATUS_OK && i < rows->count; i++) {
        if (text.length > 0) status = buffer_append_text(&text, TEXT("\n"));
        if (status == STATUS_OK) status = buffer_append_text(&text, rows->rows[i]);
    }
    if (status == STATUS_OK)
        status = ingest_row_replay(&settings, &kept, "rows kept beside an event", 1,
                                   buffer_text(&text), &merge->made, merge->error);
    buffer_release(&text);
    memory_free(tables);
    return status;
}

/* ---- what comes of a work ---- */

/* Of pieces that correct their event every row counts, as it does where rows have keys. */
static void count_rows(struct group_merge *merge, uint32_t first) {
    for (uint32_t at = first; at != NO_ROW; at = merge->load->rows[at].next)
        merge->corrections += held(merge, at)->raw_rows;
}

/* A re-mapping: the times at which the event was known stay. What is the same but for the person is
 * judged behind identity. */
static void remap_group(const struct group_work *work, const struct event_batch *made,
                        struct event *event) {
    struct text packed = event_batch_text(made, event->properties, event->properties_length);
    event->known_ms = work->known_ms > event->time_ms ? work->known_ms : event->time_ms;
    event->is_known = work->time_ms == event->time_ms && work->type == event->type &&
                      work->channel == event->channel && text_equal(work->packed, packed);
}

enum status group_put(struct group_merge *merge, const struct group_work *work,
                      enum row_verdict verdict, int64_t version) {
    struct engine *engine = merge->load->engine;
    struct event *event = &merge->made.events[0];
    bool stands = work->found && work->known.position != 0;
    if (verdict == ROW_REMAPS &&
        (event_is_permission(event->type) || event_is_permission(work->type))) {
        merge->load->counts.repeats++;
        return STATUS_OK;
    }
    event->key = work->key;
    event->verdict = (uint8_t)(stands ? verdict : ROW_NEW);
    event->version = version;
    event->raw_length = 0;
    if (stands) {
        event->replaces = work->known.position;
        event->replaces_persona = work->known.persona;
        event->known_ms = rows_known_of_event(engine, event, work->known_ms);
        if (verdict == ROW_REMAPS) remap_group(work, &merge->made, event);
        merge->load->counts.remapped += verdict == ROW_REMAPS;
        merge->load->counts.joined += verdict == ROW_JOINED;
        merge->load->counts.corrected += verdict == ROW_CORRECTS;
        if (verdict == ROW_CORRECTS && !work->has_lines) count_rows(merge, work->first);
        if (verdict == ROW_CORRECTS && work->first != NO_ROW && merge->example_count < 2)
            merge->examples[merge->example_count++] = work->first;
    }
    return batch_copy_event(&merge->out, &merge->made, event);
}

/* What came back from quarantine and can't be an event still lies there already. */
enum status group_quarantine(struct group_merge *merge, uint32_t first, const char *format, ...) {
    struct row_load *load = merge->load;
    char reason[REASON_BYTES_MAX];
    va_list arguments;
    enum status status = STATUS_OK;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    for (uint32_t at = first; status == STATUS_OK && at != NO_ROW; at = load->rows[at].next) {
        uint32_t raw = load->rows[at].raw_row;
        if (load->held.events[at].origin != 0) {
            load->held.events[at].origin = 0;
            load->waiting++;
            continue;
        }
        if (raw == NO_ROW) continue;
        struct quarantined_row row = load->held.rows[raw];
        status = event_batch_add_row(
            &merge->out, row.source, event_batch_text(&load->held, row.file, row.file_length),
            row.line, 0, text_from(reason), event_batch_text(&load->held, row.raw, row.raw_length));
        if (status == STATUS_OK) merge->out.rows[merge->out.row_count - 1].rows = row.rows;
    }
    return status;
}

/* ---- events whose rows have no keys ---- */

static uint64_t content_at(const struct event_batch *batch, const struct event *event,
                           uint32_t index) {
    uint64_t content;
    memcpy(&content, batch->bytes.at + event->contents + index * sizeof content, sizeof content);
    return content;
}

/* The pieces as one: their contents added up, under each reading. Stands in merge->made, alone. */
static enum status add_up(struct group_merge *merge, uint32_t first, struct event *out) {
    const struct row_load *load = merge->load;
    uint64_t contents[INGEST_READINGS_MAX] = {0};
    *out = *held(merge, first);
    out->content = 0;
    out->retracts = true;
    for (uint32_t at = first; at != NO_ROW; at = load->rows[at].next) {
        const struct event *piece = held(merge, at);
        out->content += piece->content;
        out->retracts &= piece->retracts;
        if (piece->version > out->version) out->version = piece->version;
        if (piece->content_count < out->content_count) out->content_count = piece->content_count;
        for (uint32_t i = 0; i < piece->content_count; i++)
            contents[i] += content_at(&load->held, piece, i);
    }
    event_batch_clear(&merge->made);
    out->contents = 0;
    return buffer_append(&merge->made.bytes, contents, sizeof contents);
}

static enum status append_rows(struct group_merge *merge, struct kept_rows *to,
                               const struct kept_rows *more) {
    struct text *rows = arena_calloc(&merge->arena, to->count + more->count + 1, sizeof *rows);
    if (rows == NULL) return STATUS_NO_MEMORY;
    if (to->header.length == 0) to->header = more->header;
    if (to->count > 0) memcpy(rows, to->rows, to->count * sizeof *rows);
    for (uint32_t i = 0; i < more->count; i++) {
        struct buffer text;
        buffer_init(&text);
        enum status status = more->header.length == 0
                                 ? buffer_append_text(&text, more->rows[i])
                                 : lines_project(more->header, more->rows[i], to->header, &text);
        rows[to->count + i] = arena_text(&merge->arena, buffer_text(&text));
        buffer_release(&text);
        if (status != STATUS_OK) return status;
        if (rows[to->count + i].at == NULL) return STATUS_NO_MEMORY;
    }
    to->rows = rows;
    to->count += more->count;
    to->missing |= more->missing;
    return STATUS_OK;
}

/* Keeps of `rows` those that `stored` does not have; of equal rows as many as there are more. */
static enum status drop_stored(struct group_merge *merge, struct kept_rows *rows,
                               const struct kept_rows *stored) {
    struct row_map counts = {0};
    uint32_t kept = 0;
    enum status status = STATUS_OK;
    struct kept_rows in_form = {.header = rows->header};
    status = append_rows(merge, &in_form, stored);
    for (uint32_t i = 0; status == STATUS_OK && i < in_form.count; i++) {
        struct row_key key = {hash_text(in_form.rows[i], 1) | 1, 0};
        uint32_t *count = row_map_add(&counts, key, 0);
        if (count == NULL) status = STATUS_NO_MEMORY;
        if (count != NULL) ++*count;
    }
    for (uint32_t i = 0; status == STATUS_OK && i < rows->count; i++) {
        uint32_t *count =
            row_map_find(&counts, (struct row_key){hash_text(rows->rows[i], 1) | 1, 0});
        if (count != NULL && *count > 0)
            --*count;
        else
            rows->rows[kept++] = rows->rows[i];
    }
    rows->count = kept;
    row_map_release(&counts);
    return status;
}

static enum status gather_pieces(struct group_merge *merge, const struct group_work *work,
                                 bool with_stored, struct kept_rows *out) {
    enum status status = STATUS_OK;
    struct kept_rows piece;
    *out = (struct kept_rows){0};
    if (with_stored) status = group_kept_rows(merge, work->packed, out);
    for (uint32_t at = work->first; status == STATUS_OK && at != NO_ROW;
         at = merge->load->rows[at].next) {
        if (held(merge, at)->retracts) continue;
        status = group_kept_rows(merge, packed_of(merge, at), &piece);
        if (status == STATUS_OK) status = append_rows(merge, out, &piece);
    }
    return status;
}

enum status group_quarantine_unmapped(struct group_merge *merge, const struct group_work *work,
                                      const struct source *source) {
    const struct quarantined_row *bad = merge->made.row_count > 0 ? &merge->made.rows[0] : NULL;
    struct text why = bad != NULL ? event_batch_text(&merge->made, bad->reason, bad->reason_length)
                                  : TEXT("they can't be mapped");
    bool stands = work->found && work->known.position != 0 && !work->known.retracted;
    if (!stands && work->first != NO_ROW && merge->load->rows[work->first].next == NO_ROW)
        return group_quarantine(merge, work->first, "%.*s", TEXT_ARG(why));
    return group_quarantine(merge, work->first, "together with the %s rows of this %.*s: %.*s",
                            stands ? "stored" : "other", TEXT_ARG(source->one_event_per),
                            TEXT_ARG(why));
}

static enum status put_rows(struct group_merge *merge, const struct group_work *work,
                            const struct source *source, struct kept_rows *rows,
                            enum row_verdict verdict, int64_t version) {
    if (rows->missing)
        return group_quarantine(
            merge, work->first,
            "the rows of this %.*s are too many to be put together with those "
            "that are stored: load all of them in one file, with again: replace",
            TEXT_ARG(source->one_event_per));
    enum status status = group_map(merge, source, rows, false);
    if (status == STATUS_INVALID || (status == STATUS_OK && merge->made.event_count != 1))
        return group_quarantine_unmapped(merge, work, source);
    return status == STATUS_OK ? group_put(merge, work, verdict, version) : status;
}

static enum status ask(struct group_merge *merge, const struct group_work *work,
                       const struct source *source) {
    return group_quarantine(
        merge, work->first,
        "this %.*s is stored with other rows; write again: replace or again: add in source %.*s, "
        "or "
        "give each row a key of its own (row_key: [%.*s, LINE]), and replay the quarantine",
        TEXT_ARG(source->one_event_per), TEXT_ARG(source->name), TEXT_ARG(source->one_event_per));
}

static enum status add_rows(struct group_merge *merge, const struct group_work *work,
                            const struct source *source, const struct event *sum) {
    struct kept_rows rows, stored;
    enum status status = gather_pieces(merge, work, false, &rows);
    if (status == STATUS_OK) status = group_kept_rows(merge, work->packed, &stored);
    if (status == STATUS_OK && !stored.missing && !rows.missing)
        status = drop_stored(merge, &rows, &stored);
    if (status != STATUS_OK) return status;
    if (rows.count == 0 && !rows.missing && !stored.missing) {
        merge->load->counts.repeats++;
        return STATUS_OK;
    }
    status = append_rows(merge, &stored, &rows);
    return status == STATUS_OK ? put_rows(merge, work, source, &stored, ROW_JOINED, sum->version)
                               : status;
}

/* One piece that is the event as it is now. */
static enum status put_piece(struct group_merge *merge, const struct group_work *work,
                             enum row_verdict verdict) {
    event_batch_clear(&merge->made);
    enum status status =
        batch_copy_event(&merge->made, &merge->load->held, held(merge, work->first));
    return status == STATUS_OK ? group_put(merge, work, verdict, held(merge, work->first)->version)
                               : status;
}

static enum status replace(struct group_merge *merge, const struct group_work *work,
                           const struct source *source, const struct event *sum) {
    if (merge->load->rows[work->first].next == NO_ROW && !work->has_part)
        return put_piece(merge, work, ROW_CORRECTS);
    struct kept_rows rows;
    enum status status = gather_pieces(merge, work, false, &rows);
    return status == STATUS_OK ? put_rows(merge, work, source, &rows, ROW_CORRECTS, sum->version)
                               : status;
}

static int64_t newest_version(const struct group_merge *merge, uint32_t first) {
    int64_t newest = ROW_VERSION_NONE;
    for (uint32_t at = first; at != NO_ROW; at = merge->load->rows[at].next) {
        if (held(merge, at)->version > newest) newest = held(merge, at)->version;
    }
    return newest;
}

/* The pieces of one load belong together, but for those of a lower version, and for what came
 * before the event took itself away. True: nothing of what is stored belongs to the pieces. */
static bool drop_older_pieces(struct group_merge *merge, struct group_work *work,
                              bool has_version) {
    struct row_load *load = merge->load;
    int64_t newest = newest_version(merge, work->first);
    uint32_t first = NO_ROW, kept = 0, next, *link = &first;
    bool taken_away = false;
    for (uint32_t at = work->first; at != NO_ROW; at = next) {
        const struct event *piece = held(merge, at);
        next = load->rows[at].next;
        load->counts.older += has_version && piece->version < newest;
        load->older_pieces += has_version && piece->version < newest;
        if (has_version && piece->version < newest) continue;
        if (piece->retracts || (kept == 1 && held(merge, first)->retracts)) {
            load->counts.older += kept;
            kept = 0;
            link = &first;
        }
        taken_away |= piece->retracts;
        *link = at;
        link = &load->rows[at].next;
        kept++;
    }
    *link = NO_ROW;
    work->first = first;
    return taken_away || (has_version && work->found && newest != work->known.version);
}

static enum status merge_work(struct group_merge *merge, struct group_work *work) {
    struct row_load *load = merge->load;
    const struct source *source = rows_source(load->engine, held(merge, work->first)->source);
    struct event sum;
    bool not_compared = false;
    if (source == NULL) return STATUS_OK;
    bool apart = drop_older_pieces(merge, work, source->rows.version_column.length > 0);
    enum status status = add_up(merge, work->first, &sum);
    if (status != STATUS_OK) return status;
    bool of_this_load =
        work->found && !work->known.retracted && work->known.position >= load->begin;
    if (of_this_load && !apart) {
        struct kept_rows rows; /* the pieces of one load belong together */
        status = gather_pieces(merge, work, true, &rows);
        return status == STATUS_OK ? put_rows(merge, work, source, &rows, ROW_JOINED, sum.version)
                                   : status;
    }
    enum row_verdict verdict =
        work->found ? rows_judge(load->engine, &merge->made, &sum, &work->known, &not_compared)
                    : ROW_NEW;
    if (sum.retracts && !work->found) verdict = ROW_RETRACTS;
    load->counts.not_compared += not_compared;
    bool remaps = load->engine->frame->remaps && verdict == ROW_REPEATED && !sum.retracts;
    bool is_whole = load->rows[work->first].next == NO_ROW && !work->has_part;
    if (remaps && is_whole) return put_piece(merge, work, ROW_REMAPS);
    if (remaps) {
        struct kept_rows rows;
        status = gather_pieces(merge, work, false, &rows);
        return status == STATUS_OK ? put_rows(merge, work, source, &rows, ROW_REMAPS, sum.version)
                                   : status;
    }
    switch (verdict) {
    case ROW_REPEATED: load->counts.repeats++; return STATUS_OK;
    case ROW_OLDER: load->counts.older++; return STATUS_OK;
    case ROW_LEFT: load->counts.left++; return STATUS_OK;
    case ROW_RETRACTS:
        count_rows(merge, work->first);
        return batch_copy_event(&merge->out, &load->held, held(merge, work->first));
    case ROW_CHANGED:
        return source->rows.again == AGAIN_ADD ? add_rows(merge, work, source, &sum)
                                               : ask(merge, work, source);
    default: return replace(merge, work, source, &sum);
    }
}

/* ---- all of them ---- */

static enum status add_works(struct group_merge *merge) {
    struct row_load *load = merge->load;
    for (uint32_t i = 0; i < load->row_count; i++) {
        const struct event *event = held(merge, i);
        const struct source *source = rows_source(load->engine, event->source);
        if (source == NULL || source->one_event_per.length == 0) continue;
        uint32_t *at = row_map_add(&merge->by_key, event->key, (uint32_t)merge->work_count);
        if (at == NULL) return STATUS_NO_MEMORY;
        if (*at < merge->work_count) {
            merge->works[*at].has_part |= event->is_part;
            continue;
        }
        struct group_work *work = group_work_add(merge);
        if (work == NULL) return STATUS_NO_MEMORY;
        work->key = event->key;
        work->first = i;
        work->has_part = event->is_part;
        work->has_lines = event->line_count > 0;
        enum status status = store_key_find(load->engine->store, event->key, &work->known,
                                            &work->found, merge->error);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

enum status group_read_stored(struct group_merge *merge, size_t from) {
    size_t count = 0;
    struct stored_row_request *requests =
        memory_calloc(merge->work_count - from + 1, sizeof *requests);
    if (requests == NULL) return STATUS_NO_MEMORY;
    for (size_t i = from; i < merge->work_count; i++) {
        const struct group_work *work = &merge->works[i];
        if (!work->found || work->known.position == 0) continue;
        requests[count++] = (struct stored_row_request){
            .persona = work->known.persona, .position = work->known.position, .event = i};
    }
    enum status status =
        stored_rows_read(merge->load->engine, requests, count, &merge->arena, merge->error);
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        struct group_work *work = &merge->works[requests[i].event];
        work->has_packed = requests[i].found;
        work->packed = requests[i].packed;
        work->known_ms = requests[i].known_ms;
        work->time_ms = requests[i].time_ms;
        work->type = requests[i].type;
        work->channel = requests[i].channel;
    }
    memory_free(requests);
    return status;
}

enum status group_merge_run(struct group_merge *merge) {
    enum status status = add_works(merge);
    if (status == STATUS_OK) status = group_read_stored(merge, 0);
    for (size_t i = 0; status == STATUS_OK && i < merge->work_count; i++) {
        if (!merge->works[i].has_lines) status = merge_work(merge, &merge->works[i]);
    }
    return status == STATUS_OK ? group_merge_lines(merge) : status;
}
