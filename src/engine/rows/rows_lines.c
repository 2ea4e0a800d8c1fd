/* SPDX-License-Identifier: Apache-2.0 */
/* Events whose rows have keys of their own, put together row by row. */
#include "base/memory.h"
#include "engine/rows/rows_groups.h"
#include "ingest/file/lines.h"

#define NO_ROW UINT32_MAX

static const struct event *held(const struct group_merge *merge, uint32_t row) {
    return &merge->load->held.events[row];
}

/* ---- the rows of a work ---- */

static enum status add_line(struct group_merge *merge, size_t work, struct row_key key,
                            struct text header, struct text text) {
    struct group_work *to = &merge->works[work];
    enum status status =
        memory_grow((void **)&to->lines, &to->line_capacity, to->line_count + 1, sizeof *to->lines);
    if (status != STATUS_OK) return status;
    to->lines[to->line_count++] = (struct group_line){key, header, text};
    uint32_t *owner = row_map_add(&merge->by_line, key, (uint32_t)work);
    if (owner == NULL) return STATUS_NO_MEMORY;
    *owner = (uint32_t)work;
    return STATUS_OK;
}

static struct group_line *find_line(struct group_work *work, struct row_key key) {
    for (size_t i = work->line_count; i-- > 0;) {
        if (row_key_equal(work->lines[i].key, key) && work->lines[i].text.at != NULL)
            return &work->lines[i];
    }
    return NULL;
}

/* The rows that are stored of the event, with their keys. */
static enum status read_lines(struct group_merge *merge, size_t at) {
    struct group_work *work = &merge->works[at];
    const struct source *source = rows_source(merge->load->engine, work->known.source);
    struct kept_rows rows;
    bool stands = work->found && work->known.position != 0 && !work->known.retracted;
    if (!stands) return STATUS_OK;
    work->is_broken = true;
    if (!work->has_packed || source == NULL) return STATUS_OK;
    enum status status = group_kept_rows(merge, work->packed, &rows);
    if (status != STATUS_OK || rows.missing) return status;
    status = group_map(merge, source, &rows, true);
    if (status == STATUS_INVALID) return STATUS_OK;
    if (status != STATUS_OK) return status;
    if (merge->made.event_count != 1 || merge->made.events[0].line_count != rows.count)
        return STATUS_OK;
    work->is_broken = false;
    work->key = merge->made.events[0].key;
    for (uint32_t i = 0; status == STATUS_OK && i < rows.count; i++)
        status = add_line(merge, at, merge->made.lines[merge->made.events[0].line + i].key,
                          rows.header, rows.rows[i]);
    return status;
}

/* ---- which event a row belongs to ---- */

static struct row_key position_key(uint64_t position) {
    return (struct row_key){position, 1};
}

/* The event at that position, of which a row moves to another one. */
static enum status find_owner(struct group_merge *merge, const struct stored_key *known,
                              size_t *owner) {
    *owner = merge->work_count;
    uint32_t *at =
        row_map_add(&merge->by_position, position_key(known->position), (uint32_t)*owner);
    if (at == NULL) return STATUS_NO_MEMORY;
    if (*at < merge->work_count) {
        *owner = *at;
        return STATUS_OK;
    }
    struct group_work *work = group_work_add(merge);
    if (work == NULL) return STATUS_NO_MEMORY;
    work->found = work->has_lines = true;
    work->known = *known;
    enum status status = group_read_stored(merge, *owner);
    return status == STATUS_OK ? read_lines(merge, *owner) : status;
}

struct line_place {
    size_t owner; /* SIZE_MAX: no event has the row */
    bool found;   /* in the store */
    struct stored_key known;
};

static enum status place_of(struct group_merge *merge, struct row_key key, struct line_place *out) {
    *out = (struct line_place){.owner = SIZE_MAX};
    enum status status =
        store_key_find(merge->load->engine->store, key, &out->known, &out->found, merge->error);
    const uint32_t *owner = row_map_find(&merge->by_line, key);
    if (status != STATUS_OK) return status;
    if (owner == NULL && out->found && !out->known.retracted && out->known.position != 0) {
        size_t other;
        status = find_owner(merge, &out->known, &other);
        owner = row_map_find(&merge->by_line, key);
    }
    if (owner != NULL && find_line(&merge->works[*owner], key) != NULL) out->owner = *owner;
    return status;
}

/* ---- one row ---- */

static enum status note_gone(struct group_merge *merge, const struct event *event,
                             const struct event_line *line) {
    enum status status = memory_grow((void **)&merge->gone, &merge->gone_capacity,
                                     merge->gone_count + 1, sizeof *merge->gone);
    if (status != STATUS_OK) return status;
    merge->gone[merge->gone_count++] =
        (struct key_change){.key = line->key,
                            .content = line->content,
                            .version = line->version,
                            .persona = {ID_NONE},
                            .reading = event->reading,
                            .source = event->source,
                            .retracts = true,
                            .known_ms = engine_now_ms(merge->load->engine)};
    return STATUS_OK;
}

static void take_out(struct group_merge *merge, size_t owner, struct row_key key) {
    struct group_work *work = &merge->works[owner];
    struct group_line *line = find_line(work, key);
    if (line == NULL) return;
    line->text.at = NULL;
    work->is_changed = work->corrects = true;
}

/* A later version of a stored row that says the same: what lies between them is older. */
static enum status note_version(struct group_merge *merge, const struct event *event,
                                const struct event_line *line, const struct line_place *place) {
    if (!place->found || place->known.retracted || place->known.position == 0) return STATUS_OK;
    enum status status = memory_grow((void **)&merge->gone, &merge->gone_capacity,
                                     merge->gone_count + 1, sizeof *merge->gone);
    if (status != STATUS_OK) return status;
    merge->gone[merge->gone_count++] = (struct key_change){.key = line->key,
                                                           .content = line->content,
                                                           .version = line->version,
                                                           .position = place->known.position,
                                                           .persona = place->known.persona,
                                                           .reading = event->reading,
                                                           .source = event->source};
    return STATUS_OK;
}

/* A row that the event has already: does it say something else? */
static bool says_else(struct group_merge *merge, const struct event *event,
                      const struct event_line *line, const struct line_place *place,
                      const struct group_line *stored, struct text text) {
    if (place->found && merge->works[place->owner].found &&
        place->known.position == merge->works[place->owner].known.position)
        return rows_line_differs(merge->load->engine, &merge->load->held, event, line,
                                 &place->known);
    return !text_equal(stored->text, text);
}

static enum status put_line(struct group_merge *merge, size_t work, const struct event *event,
                            const struct event_line *line, struct text header, struct text text,
                            const struct line_place *place, bool is_later) {
    if (place->owner == work) {
        struct group_line *stored = find_line(&merge->works[work], line->key);
        bool remaps = merge->load->engine->frame->remaps;
        if (!says_else(merge, event, line, place, stored, text)) {
            bool takes = remaps || (is_later && text.at != NULL);
            if (takes) *stored = (struct group_line){line->key, header, text};
            if (is_later && note_version(merge, event, line, place) != STATUS_OK)
                return STATUS_NO_MEMORY;
            merge->works[work].is_changed |= remaps;
            merge->works[work].remaps |= remaps;
            return STATUS_OK;
        }
        *stored = (struct group_line){line->key, header, text};
        merge->corrections++;
        merge->works[work].is_changed = merge->works[work].corrects = true;
        return STATUS_OK;
    }
    if (place->owner != SIZE_MAX) {
        take_out(merge, place->owner, line->key);
        merge->corrections++;
        merge->works[work].corrects = true;
    }
    merge->works[work].corrects |= place->found && place->known.retracted;
    merge->works[work].is_changed = true;
    return add_line(merge, work, line->key, header, text);
}

static enum status take_piece_line(struct group_merge *merge, size_t work,
                                   const struct event *event, const struct event_line *line,
                                   struct text header, struct text text) {
    struct line_place place;
    const struct source *source = rows_source(merge->load->engine, event->source);
    bool has_version = source != NULL && source->rows.version_column.length > 0;
    enum status status = place_of(merge, line->key, &place);
    if (status != STATUS_OK) return status;
    has_version &= place.found && !place.known.legacy;
    if (has_version && line->version < place.known.version) {
        merge->load->counts.older++;
        return STATUS_OK;
    }
    bool is_later = has_version && line->version > place.known.version;
    if (!line->retracts) return put_line(merge, work, event, line, header, text, &place, is_later);
    bool is_gone = place.owner == SIZE_MAX && place.found && place.known.retracted;
    if (is_gone && line->version <= place.known.version) return STATUS_OK;
    merge->load->counts.retracted++;
    merge->corrections += place.owner != SIZE_MAX;
    if (place.owner != SIZE_MAX) take_out(merge, place.owner, line->key);
    return note_gone(merge, event, line);
}

/* Of several rows with one key in a load the last one counts, or the one with the highest version:
 * merge->newest has its place in the load. */
static enum status find_newest(struct group_merge *merge) {
    const struct event_batch *batch = &merge->load->held;
    for (uint32_t row = 0; row < merge->load->row_count; row++) {
        const struct event *event = held(merge, row);
        for (uint32_t i = event->line; i < event->line + event->line_count; i++) {
            uint32_t *newest = row_map_add(&merge->newest, batch->lines[i].key, i);
            if (newest == NULL) return STATUS_NO_MEMORY;
            if (batch->lines[i].version >= batch->lines[*newest].version) *newest = i;
        }
    }
    return STATUS_OK;
}

static bool is_newest(struct group_merge *merge, uint32_t index) {
    const uint32_t *newest = row_map_find(&merge->newest, merge->load->held.lines[index].key);
    return newest == NULL || *newest == index;
}

static enum status take_piece(struct group_merge *merge, uint32_t row) {
    const struct event *event = held(merge, row);
    size_t work = *row_map_find(&merge->by_key, event->key);
    struct kept_rows rows;
    uint32_t next = 0;
    enum status status = group_kept_rows(
        merge, event_batch_text(&merge->load->held, event->properties, event->properties_length),
        &rows);
    if (status != STATUS_OK) return status;
    if (rows.missing && !event->retracts && !event->is_known) merge->works[work].is_broken = true;
    for (uint32_t i = 0; status == STATUS_OK && i < event->line_count; i++) {
        const struct event_line *line = &merge->load->held.lines[event->line + i];
        struct text text = {0};
        if (merge->works[work].is_broken) return STATUS_OK;
        if (!line->retracts && next < rows.count) text = rows.rows[next++];
        if (!is_newest(merge, event->line + i)) {
            merge->load->counts.older++;
            continue;
        }
        if (event->is_known) continue; /* stands as it is */
        status = take_piece_line(merge, work, event, line, rows.header, text);
    }
    return status;
}

/* ---- what comes of it ---- */

static enum status project_lines(struct group_merge *merge, const struct group_work *work,
                                 struct kept_rows *out) {
    *out = (struct kept_rows){0};
    out->rows = arena_calloc(&merge->arena, work->line_count + 1, sizeof *out->rows);
    if (out->rows == NULL) return STATUS_NO_MEMORY;
    for (size_t i = 0; i < work->line_count; i++) {
        const struct group_line *line = &work->lines[i];
        struct buffer text;
        if (line->text.at == NULL) continue;
        /* Of the newest row: it stands under the present mapping. */
        out->header = work->lines[work->line_count - 1].header;
        buffer_init(&text);
        enum status status = line->header.length == 0
                                 ? buffer_append_text(&text, line->text)
                                 : lines_project(line->header, line->text, out->header, &text);
        if (status == STATUS_OK)
            out->rows[out->count++] = arena_text(&merge->arena, buffer_text(&text));
        buffer_release(&text);
        if (status != STATUS_OK) return status;
        if (out->rows[out->count - 1].at == NULL) return STATUS_NO_MEMORY;
    }
    return STATUS_OK;
}

/* No row of the event is left. */
static enum status retract_event(struct group_merge *merge, const struct group_work *work) {
    struct event *event = event_batch_add(&merge->out);
    if (event == NULL) return STATUS_NO_MEMORY;
    event->key = work->key;
    event->source = work->known.source;
    event->reading = work->known.reading;
    event->content = work->known.content;
    event->version = work->known.version;
    event->retracts = true;
    return STATUS_OK;
}

static enum status put_work(struct group_merge *merge, const struct group_work *work) {
    struct engine *engine = merge->load->engine;
    uint16_t symbol = work->first != NO_ROW ? held(merge, work->first)->source : work->known.source;
    const struct source *source = rows_source(engine, symbol);
    struct kept_rows rows;
    if (source == NULL) return STATUS_OK;
    if (work->is_broken)
        return group_quarantine(merge, work->first,
                                "the stored rows of this %.*s were not kept, so that no row can be "
                                "added to them",
                                TEXT_ARG(source->one_event_per));
    if (!work->is_changed) {
        merge->load->counts.repeats += work->first != NO_ROW;
        return STATUS_OK;
    }
    enum status status = project_lines(merge, work, &rows);
    if (status != STATUS_OK) return status;
    bool stands = work->found && !work->known.retracted;
    if (rows.count == 0) return stands ? retract_event(merge, work) : STATUS_OK;
    status = group_map(merge, source, &rows, true);
    if (status != STATUS_OK && status != STATUS_INVALID) return status;
    if (status == STATUS_INVALID || merge->made.event_count != 1)
        return group_quarantine_unmapped(merge, work, source);
    enum row_verdict verdict = work->corrects ? ROW_CORRECTS
                               : work->remaps ? ROW_REMAPS
                                              : ROW_JOINED;
    return group_put(merge, work, verdict, merge->made.events[0].version);
}

enum status group_merge_lines(struct group_merge *merge) {
    struct row_load *load = merge->load;
    enum status status = STATUS_OK;
    size_t count = merge->work_count;
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        const struct group_work *work = &merge->works[i];
        if (!work->has_lines) continue;
        struct row_key place = position_key(work->known.position);
        bool stands = work->found && work->known.position != 0;
        if (stands && row_map_add(&merge->by_position, place, (uint32_t)i) == NULL)
            return STATUS_NO_MEMORY;
        status = read_lines(merge, i);
    }
    if (status == STATUS_OK) status = find_newest(merge);
    for (uint32_t i = 0; status == STATUS_OK && i < load->row_count; i++) {
        if (held(merge, i)->line_count > 0) status = take_piece(merge, i);
    }
    for (size_t i = 0; status == STATUS_OK && i < merge->work_count; i++) {
        if (merge->works[i].has_lines) status = put_work(merge, &merge->works[i]);
    }
    return status;
}
