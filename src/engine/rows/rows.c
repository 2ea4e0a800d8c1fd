/* SPDX-License-Identifier: Apache-2.0 */
/* Judges which rows of a frame are new, repeated, corrected, retracted, older or left. */
#include "engine/rows/rows.h"

#include "base/memory.h"

/* Events whose keys are looked up in a table far larger than the caches. */
#define PREFETCH_AHEAD 12u
#define EVENTS_AHEAD   20u /* the events themselves */

enum status row_frame_create(struct row_frame **out) {
    *out = memory_calloc(1, sizeof **out);
    return *out != NULL ? STATUS_OK : STATUS_NO_MEMORY;
}

void row_frame_destroy(struct row_frame *frame) {
    if (frame == NULL) return;
    row_map_release(&frame->map);
    memory_free(frame->rows);
    memory_free(frame->changes);
    memory_free(frame->requests);
    memory_free(frame);
}

void row_frame_clear(struct row_frame *frame) {
    row_map_clear(&frame->map);
    frame->row_count = frame->change_count = frame->request_count = 0;
}

const struct source *rows_source(const struct engine *engine, uint16_t symbol) {
    const struct playbook *playbook = engine_playbook(engine);
    for (uint32_t i = 0; playbook != NULL && i < playbook->source_count; i++) {
        if (playbook->sources[i].symbol == symbol) return &playbook->sources[i];
    }
    return NULL;
}

/* ---- one row against the stored one ---- */

enum likeness { LIKE, UNLIKE, NOT_COMPARED };

static enum likeness compare(const struct engine *engine, const struct event_batch *batch,
                             uint16_t source, uint16_t reading, uint64_t content, uint32_t contents,
                             uint8_t content_count, const struct stored_key *known) {
    uint64_t older;
    if (known->legacy) return NOT_COMPARED;
    if (content == 0 || known->content == 0) return LIKE;
    if (known->reading == reading) return content == known->content ? LIKE : UNLIKE;
    uint32_t index = reading_index(engine, symbol_text(engine->symbols, SYMBOL_SOURCE, source),
                                   reading, known->reading);
    if (index >= content_count) return NOT_COMPARED;
    memcpy(&older, batch->bytes.at + contents + index * sizeof older, sizeof older);
    if (older == 0) return NOT_COMPARED;
    return older == known->content ? LIKE : UNLIKE;
}

static enum likeness compare_event(const struct engine *engine, const struct event_batch *batch,
                                   const struct event *event, const struct stored_key *known) {
    return compare(engine, batch, event->source, event->reading, event->content, event->contents,
                   event->content_count, known);
}

bool rows_line_differs(const struct engine *engine, const struct event_batch *batch,
                       const struct event *event, const struct event_line *line,
                       const struct stored_key *known) {
    return compare(engine, batch, event->source, event->reading, line->content, line->contents,
                   line->content_count, known) == UNLIKE;
}

/* What the source says of a group that comes with other rows. */
static enum row_verdict judge_group(const struct source *source) {
    switch (source->rows.again) {
    case AGAIN_REPLACE: return ROW_CORRECTS;
    case AGAIN_KEEP: return ROW_LEFT;
    default: return ROW_CHANGED;
    }
}

enum row_verdict rows_judge(struct engine *engine, const struct event_batch *batch,
                            const struct event *event, const struct stored_key *known,
                            bool *not_compared) {
    *not_compared = false;
    const struct source *source = rows_source(engine, event->source);
    bool has_version = source != NULL && source->rows.version_column.length > 0;
    if (has_version && event->version < known->version && !known->legacy) return ROW_OLDER;
    if (event->retracts) return known->retracted ? ROW_REPEATED : ROW_RETRACTS;
    if (known->retracted) return ROW_CORRECTS;
    enum likeness likeness = compare_event(engine, batch, event, known);
    *not_compared = likeness == NOT_COMPARED;
    if (likeness != UNLIKE) return ROW_REPEATED;
    bool is_group = source != NULL && source->one_event_per.length > 0;
    return is_group ? judge_group(source) : ROW_CORRECTS;
}

/* ---- the rows of a frame ---- */

/* The row under a key, as the frame so far leaves it; NULL: *status says why. */
static struct frame_row *row_of(struct engine *engine, struct row_key key, enum status *status,
                                struct error *error) {
    struct row_frame *frame = engine->frame;
    size_t before = frame->map.count;
    uint32_t *index = row_map_add(&frame->map, key, (uint32_t)frame->row_count);
    *status = index != NULL ? STATUS_OK : STATUS_NO_MEMORY;
    if (index == NULL) return NULL;
    if (frame->map.count == before) return &frame->rows[*index];
    *status = memory_grow((void **)&frame->rows, &frame->row_capacity, frame->row_count + 1,
                          sizeof *frame->rows);
    if (*status != STATUS_OK) return NULL;
    struct frame_row *row = &frame->rows[frame->row_count++];
    *row = (struct frame_row){.event = UINT32_MAX};
    *status = store_key_find(engine->store, key, &row->known, &row->found, error);
    return *status == STATUS_OK ? row : NULL;
}

static enum status add_change(struct row_frame *frame, struct key_change change) {
    enum status status = memory_grow((void **)&frame->changes, &frame->change_capacity,
                                     frame->change_count + 1, sizeof *frame->changes);
    if (status == STATUS_OK) frame->changes[frame->change_count++] = change;
    return status;
}

static int64_t max_version(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* A row was seen again under another reading, or in a later version that says the same. */
static enum status note_reading(struct row_frame *frame, const struct event *event,
                                struct frame_row *row) {
    const struct stored_key *known = &row->known;
    bool same = known->reading == event->reading && event->version <= known->version;
    if (same || known->retracted || row->pending) return STATUS_OK;
    struct key_change change = {
        .key = event->key,
        .content = event->content,
        .version = known->legacy ? event->version : max_version(event->version, known->version),
        .position = known->position,
        .persona = known->persona,
        .reading = event->reading,
        .source = event->source};
    row->known.reading = change.reading;
    row->known.content = change.content;
    row->known.version = change.version;
    row->known.legacy = false;
    return add_change(frame, change);
}

/* The same of a row of an event. */
static enum status note_line_reading(struct row_frame *frame, const struct event *event,
                                     const struct event_line *line, struct frame_row *row) {
    struct event as_event = {.key = line->key,
                             .content = line->content,
                             .version = line->version,
                             .reading = event->reading,
                             .source = event->source};
    return line->version > row->known.version ? note_reading(frame, &as_event, row) : STATUS_OK;
}

/* When a change of a stored row was known: by its version where that is a time; live, when it came;
 * else as early as the row that it changes. */
int64_t rows_known_of_change(const struct engine *engine, const struct event *event,
                             int64_t before_ms) {
    const struct source *source = rows_source(engine, event->source);
    bool has_time = source != NULL && source->rows.version_column.length > 0 &&
                    source->rows.version_type == VALUE_TIME && event->version != ROW_VERSION_NONE;
    if (has_time) return event->version > before_ms ? event->version : before_ms;
    if (source == NULL || !source->known_on_arrival) return before_ms;
    int64_t now_ms = engine_now_ms(engine);
    return now_ms > before_ms ? now_ms : before_ms;
}

int64_t rows_known_of_event(const struct engine *engine, const struct event *event,
                            int64_t before_ms) {
    int64_t known_ms = rows_known_of_change(engine, event, before_ms);
    return known_ms > event->time_ms ? known_ms : event->time_ms;
}

static enum status ask_known(struct row_frame *frame, const struct stored_key *known, size_t event,
                             size_t change) {
    enum status status = memory_grow((void **)&frame->requests, &frame->request_capacity,
                                     frame->request_count + 1, sizeof *frame->requests);
    if (status != STATUS_OK) return status;
    frame->requests[frame->request_count++] = (struct stored_row_request){
        .persona = known->persona, .position = known->position, .event = event, .change = change};
    return STATUS_OK;
}

static enum status add_retraction(struct engine *engine, const struct event *event,
                                  const struct frame_row *row) {
    struct row_frame *frame = engine->frame;
    bool stands = row->found && row->known.position != 0 && !row->known.retracted;
    struct key_change change = {.key = event->key,
                                .content = event->content,
                                .version = event->version,
                                .position = stands ? row->known.position : 0,
                                .persona =
                                    stands ? row->known.persona : (struct persona_id){ID_NONE},
                                .reading = event->reading,
                                .source = event->source,
                                .retracts = true,
                                .known_ms = engine_now_ms(engine)};
    enum status status = add_change(frame, change);
    if (status != STATUS_OK || !stands) return status;
    return ask_known(frame, &row->known, SIZE_MAX, frame->change_count - 1);
}

/* A row that is retracted already says so in a later version: what lies between is older. */
static enum status note_version(struct engine *engine, const struct event *event,
                                struct frame_row *row) {
    struct row_frame *frame = engine->frame;
    const struct stored_key *known = &row->known;
    if (event->version <= known->version || row->pending) return STATUS_OK;
    struct key_change change = {.key = event->key,
                                .content = event->content,
                                .version = event->version,
                                .position = known->position,
                                .persona = known->persona,
                                .reading = event->reading,
                                .source = event->source,
                                .retracts = true,
                                .known_ms = engine_now_ms(engine)};
    enum status status = add_change(frame, change);
    row->known.version = event->version;
    if (status != STATUS_OK || known->position == 0) return status;
    return ask_known(frame, known, SIZE_MAX, frame->change_count - 1);
}

/* The event at `index` of the batch will stand under its key: it takes the place of what stands
 * there in the store, and of what an earlier event of the frame would have put there. */
static enum status put_pending(struct engine *engine, struct event_batch *batch, size_t index,
                               struct frame_row *row, enum row_verdict verdict) {
    struct event *event = &batch->events[index];
    event->verdict = (uint8_t)verdict;
    if (row->event != UINT32_MAX) {
        struct event *before = &batch->events[row->event];
        event->verdict = before->verdict;
        before->verdict = ROW_GONE;
        event->replaces = before->replaces;
        event->replaces_persona = before->replaces_persona;
        event->known_ms = before->replaces != 0 ? before->known_ms : event->known_ms;
    } else if (row->found && row->known.position != 0) {
        event->replaces = row->known.position;
        event->replaces_persona = row->known.persona;
    }
    row->known = (struct stored_key){.content = event->content,
                                     .version = event->version,
                                     .reading = event->reading,
                                     .position = row->known.position,
                                     .persona = row->known.persona};
    row->found = row->pending = true;
    row->event = (uint32_t)index;
    return event->replaces != 0
               ? ask_known(engine->frame,
                           &(struct stored_key){.position = event->replaces,
                                                .persona = event->replaces_persona},
                           index, SIZE_MAX)
               : STATUS_OK;
}

static enum status retract(struct engine *engine, struct event_batch *batch,
                           const struct event *event, struct frame_row *row) {
    if (row->event != UINT32_MAX) batch->events[row->event].verdict = ROW_GONE;
    enum status status = add_retraction(engine, event, row);
    row->known.retracted = row->found = row->pending = true;
    row->known.version = event->version;
    row->known.legacy = false;
    row->event = UINT32_MAX;
    return status;
}

static void count_verdict(struct apply_result *out, enum row_verdict verdict, bool not_compared) {
    out->not_compared += not_compared;
    switch (verdict) {
    case ROW_REPEATED: out->repeats++; break;
    case ROW_CORRECTS: out->corrected++; break;
    case ROW_RETRACTS: out->retracted++; break;
    case ROW_OLDER: out->older++; break;
    case ROW_LEFT:
    case ROW_CHANGED: out->left++; break;
    case ROW_JOINED: out->joined++; break;
    case ROW_REMAPS: out->remapped++; break;
    default: break;
    }
}

/* ---- sorting ---- */

struct sorting {
    struct engine *engine;
    struct event_batch *batch;
    struct row_load *load;
    bool remaps;
    struct apply_result *out;
    struct error *error;
};

/* An event whose rows have keys of their own: new, if none of them is known; a repeat, if all are
 * and stand in it as they are; else it is to be put together. */
static enum status judge_lines(struct sorting *sorting, const struct event *event,
                               const struct frame_row *row, enum row_verdict *verdict,
                               bool *not_compared) {
    struct engine *engine = sorting->engine;
    uint64_t position = row->found && !row->pending ? row->known.position : 0;
    bool found = row->found, whole = position != 0 && !row->known.retracted;
    bool any = false, all = true, legacy = false, retracts = false;
    for (uint32_t i = 0; i < event->line_count; i++) {
        const struct event_line *line = &sorting->batch->lines[event->line + i];
        enum status status;
        const struct frame_row *known = row_of(engine, line->key, &status, sorting->error);
        if (known == NULL) return status;
        any |= known->found;
        legacy |= known->found && known->known.legacy;
        retracts |= line->retracts;
        all &= known->found && !known->pending && !known->known.retracted && !line->retracts &&
               known->known.position == position &&
               !rows_line_differs(engine, sorting->batch, event, line, &known->known);
    }
    *not_compared = !found && legacy;
    *verdict = *not_compared || (whole && all) ? ROW_REPEATED
               : !found && !any && !retracts   ? ROW_NEW
                                               : ROW_CHANGED;
    return STATUS_OK;
}

/* The rows of an event that stands in the frame are known from now on. */
static enum status pend_lines(struct sorting *sorting, const struct event *event) {
    for (uint32_t i = 0; i < event->line_count; i++) {
        enum status status;
        struct frame_row *row = row_of(sorting->engine, sorting->batch->lines[event->line + i].key,
                                       &status, sorting->error);
        if (row == NULL) return status;
        row->found = row->pending = true;
    }
    return STATUS_OK;
}

static enum status hold(struct sorting *sorting, const struct event *event) {
    enum status status = row_load_hold(sorting->load, sorting->batch, event);
    if (status != STATUS_LIMIT) return status;
    return error_set(sorting->error, status,
                     "more than %zu MB of rows say something else than what is stored: load the "
                     "file in parts",
                     ROWS_HELD_BYTES_MAX >> 20);
}

/* The event is stored as it is; of its rows some may come in a later version. */
static enum status note_line_readings(struct sorting *sorting, const struct event *event) {
    for (uint32_t i = 0; i < event->line_count; i++) {
        const struct event_line *line = &sorting->batch->lines[event->line + i];
        if (line->version == ROW_VERSION_NONE) continue;
        enum status status;
        struct frame_row *row = row_of(sorting->engine, line->key, &status, sorting->error);
        if (row != NULL && row->found)
            status = note_line_reading(sorting->engine->frame, event, line, row);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

/* A row that comes back from quarantine came before what has been stored since. */
static bool came_before(const struct row_load *load, const struct event *event,
                        const struct frame_row *row) {
    return load != NULL && event->origin != 0 && !row->pending &&
           row->known.position < load->begin &&
           row->known.position > event->origin >> STORE_ROW_ID_BITS;
}

/* Rows of an event whose key names the event, of which other rows came in this load. */
static bool is_piece_of_load(const struct sorting *sorting, const struct event *event,
                             const struct frame_row *row) {
    return sorting->load != NULL && event->raw_rows > 0 && event->line_count == 0 &&
           event->origin == 0 && (row->pending || row->known.position >= sorting->load->begin);
}

/* A re-mapping reads again what is stored, and brings nothing back. What people have said of
 * consent and contact stays as it was understood then. */
static enum row_verdict remap_verdict(const struct event_batch *batch, const struct event *event,
                                      const struct frame_row *row, enum row_verdict verdict) {
    (void)batch;
    if (row->known.retracted) return verdict == ROW_CORRECTS ? ROW_LEFT : verdict;
    bool is_permission = event_is_permission(event->type);
    bool can = verdict == ROW_REPEATED && !event->retracts && !is_permission && !row->pending &&
               row->known.position != 0;
    return can ? ROW_REMAPS : verdict;
}

/* The event stays in the batch at `index`, where it has been moved to. */
static enum status take(struct sorting *sorting, size_t index, bool *stays) {
    struct engine *engine = sorting->engine;
    struct event *event = &sorting->batch->events[index];
    enum status status;
    *stays = true;
    if (event->verdict != ROW_JUDGE_LATER || row_key_is_none(event->key)) return STATUS_OK;
    struct frame_row *row = row_of(engine, event->key, &status, sorting->error);
    if (row == NULL) return status;
    bool not_compared = false, known = row->found;
    enum row_verdict verdict =
        known ? rows_judge(engine, sorting->batch, event, &row->known, &not_compared) : ROW_NEW;
    if (!known && event->retracts) verdict = ROW_RETRACTS;
    if (event->line_count > 0) {
        status = judge_lines(sorting, event, row, &verdict, &not_compared);
        if (status != STATUS_OK) return status;
        /* Looking up its rows may have moved it. */
        row = row_of(engine, event->key, &status, sorting->error);
        if (row == NULL) return status;
    }
    if (known && verdict != ROW_REPEATED && came_before(sorting->load, event, row))
        verdict = ROW_OLDER;
    if (known && sorting->remaps) verdict = remap_verdict(sorting->batch, event, row, verdict);
    bool changes = verdict == ROW_REMAPS || verdict == ROW_CORRECTS || verdict == ROW_RETRACTS ||
                   verdict == ROW_CHANGED;
    if (event->is_part && verdict == ROW_REPEATED) { /* it names nobody that could be learnt */
        *stays = false;
        count_verdict(sorting->out, verdict, not_compared);
        return STATUS_OK;
    }
    changes |= event->is_part;
    if (sorting->load != NULL &&
        (changes || row_load_holds_any(sorting->load, sorting->batch, event))) {
        *stays = false;
        return hold(sorting, event);
    }
    if (verdict != ROW_NEW) count_verdict(sorting->out, verdict, not_compared);
    if (verdict == ROW_OLDER && is_piece_of_load(sorting, event, row))
        sorting->load->older_pieces++;
    *stays = verdict == ROW_NEW || verdict == ROW_REPEATED || verdict == ROW_CORRECTS ||
             verdict == ROW_REMAPS;
    event->verdict = (uint8_t)verdict;
    if (verdict == ROW_NEW && event->line_count > 0) {
        status = pend_lines(sorting, event);
        row = status == STATUS_OK ? row_of(engine, event->key, &status, sorting->error) : NULL;
        if (row == NULL) return status;
    }
    if (verdict == ROW_NEW || verdict == ROW_CORRECTS || verdict == ROW_REMAPS)
        return put_pending(engine, sorting->batch, index, row, verdict);
    if (verdict == ROW_RETRACTS) return retract(engine, sorting->batch, event, row);
    if (verdict != ROW_REPEATED) return STATUS_OK;
    if (event->line_count > 0) {
        status = note_line_readings(sorting, event);
        row = status == STATUS_OK ? row_of(engine, event->key, &status, sorting->error) : NULL;
        if (row == NULL) return status;
    }
    if (row->event != UINT32_MAX && event->version > row->known.version) {
        sorting->batch->events[row->event].version = row->known.version = event->version;
        return STATUS_OK;
    }
    return event->retracts ? note_version(engine, event, row)
                           : note_reading(engine->frame, event, row);
}

/* A row that the parsing threads found stored whole. It matters only where the load holds another
 * version of it, which then isn't the last one. */
static enum status take_known(struct sorting *sorting, const struct event *event) {
    if (sorting->load != NULL && row_load_holds_any(sorting->load, sorting->batch, event))
        return hold(sorting, event);
    sorting->out->repeats++;
    if (event->version == ROW_VERSION_NONE) return STATUS_OK;
    /* It may be a later version that says the same. */
    enum status status;
    struct frame_row *row = row_of(sorting->engine, event->key, &status, sorting->error);
    if (row == NULL || !row->found) return status;
    return note_reading(sorting->engine->frame, event, row);
}

/* A re-mapped row was known when it was known; where nothing but the person may differ, that is
 * judged behind identity. What was stored as a consent or an opt-in stays. */
static void remap_event(const struct event_batch *batch, struct event *event,
                        const struct stored_row_request *request) {
    struct text packed = event_batch_text(batch, event->properties, event->properties_length);
    bool is_permission = event_is_permission(request->type);
    event->known_ms = request->known_ms > event->time_ms ? request->known_ms : event->time_ms;
    event->is_known = request->time_ms == event->time_ms && request->type == event->type &&
                      request->channel == event->channel && text_equal(request->packed, packed);
    if (is_permission) event->verdict = ROW_REPEATED;
}

/* What a change was known by depends on when the row was known that it changes. */
static enum status date_changes(struct engine *engine, struct event_batch *batch,
                                struct error *error) {
    struct row_frame *frame = engine->frame;
    struct arena arena;
    arena_init(&arena, (size_t)1 << 30);
    enum status status = stored_rows_read(engine, frame->requests, frame->request_count,
                                          frame->remaps ? &arena : NULL, error);
    for (size_t i = 0; status == STATUS_OK && i < frame->request_count; i++) {
        const struct stored_row_request *request = &frame->requests[i];
        if (!request->found) continue;
        if (request->event != SIZE_MAX) {
            struct event *event = &batch->events[request->event];
            if (event->verdict == ROW_REMAPS) {
                remap_event(batch, event, request);
                continue;
            }
            event->known_ms = rows_known_of_event(engine, event, request->known_ms);
        } else {
            struct key_change *change = &frame->changes[request->change];
            struct event event = {.source = change->source, .version = change->version};
            change->known_ms = rows_known_of_change(engine, &event, request->known_ms);
        }
    }
    arena_release(&arena);
    return status;
}

/* From here on the events are this member's. */
static void take_member(struct sorting *sorting, const struct frame_member *member) {
    struct event_batch *batch = sorting->batch;
    sorting->load = member->load;
    sorting->out = member->did;
    batch->file = member->file;
    batch->file_length = member->file_length;
    batch->header = member->header;
    batch->header_length = member->header_length;
}

static void tell_verdict(const struct frame_member *members, const struct event *event,
                         enum event_verdict verdict) {
    enum event_verdict *verdicts = members[event->member].verdicts;
    if (verdicts != NULL) verdicts[event->number] = verdict;
}

/* Of an event that does not stay in the frame: it changes a stored row all the same, or it says
 * nothing that is not stored. */
static enum event_verdict verdict_of_row(const struct event *event) {
    return event->verdict == ROW_RETRACTS || event->verdict == ROW_JUDGE_LATER ? EVENT_ACCEPTED
                                                                               : EVENT_REPEATED;
}

enum status rows_sort(struct engine *engine, struct event_batch *batch,
                      const struct frame_member *members, struct error *error) {
    struct sorting sorting = {
        .engine = engine, .batch = batch, .remaps = engine->frame->remaps, .error = error};
    uint32_t member = UINT32_MAX;
    enum status status = STATUS_OK;
    size_t kept = 0;
    row_frame_clear(engine->frame);
    for (size_t i = 0; status == STATUS_OK && i < engine->frame->extra_count; i++)
        status = add_change(engine->frame, engine->frame->extra[i]);
    for (size_t i = 0; status == STATUS_OK && i < batch->event_count; i++) {
        if (i + EVENTS_AHEAD < batch->event_count) event_prefetch(&batch->events[i + EVENTS_AHEAD]);
        if (i + PREFETCH_AHEAD < batch->event_count) {
            const struct row_key key = batch->events[i + PREFETCH_AHEAD].key;
            store_key_prefetch(engine->store, key);
            row_map_prefetch(&engine->frame->map, key);
        }
        bool stays = false;
        if (batch->events[i].member != member) {
            member = batch->events[i].member;
            take_member(&sorting, &members[member]);
        }
        if (batch->events[i].is_known && batch->events[i].verdict == ROW_JUDGE_LATER) {
            status = take_known(&sorting, &batch->events[i]);
            tell_verdict(members, &batch->events[i], EVENT_REPEATED);
            continue;
        }
        if (kept != i) batch->events[kept] = batch->events[i];
        status = take(&sorting, kept, &stays);
        if (!stays)
            tell_verdict(members, &batch->events[kept], verdict_of_row(&batch->events[kept]));
        kept += stays;
    }
    batch->event_count = status == STATUS_OK ? kept : batch->event_count;
    return status == STATUS_OK ? date_changes(engine, batch, error) : status;
}

/* ---- behind identity ---- */

static bool names_erased(const struct engine *engine, const struct event_batch *batch,
                         const struct event *event) {
    return event->type == EVENT_RELATED &&
           relation_names_erased(
               engine, event_batch_text(batch, event->properties, event->properties_length));
}

/* The keys of the event's rows lead to it: event i of the frame stands at store_position + 1 + i. A
 * row that was kept beside the event may be known in a later version that says the same. */
static enum status note_lines(struct engine *engine, const struct event_batch *batch,
                              const struct event *event, size_t index, struct error *error) {
    enum status status = STATUS_OK;
    for (uint32_t i = 0; status == STATUS_OK && i < event->line_count; i++) {
        const struct event_line *line = &batch->lines[event->line + i];
        int64_t version = line->version;
        if (version != ROW_VERSION_NONE && event->replaces != 0) {
            const struct frame_row *row = row_of(engine, line->key, &status, error);
            if (row == NULL) return status;
            if (row->found && !row->known.legacy)
                version = max_version(version, row->known.version);
        }
        status =
            add_change(engine->frame,
                       (struct key_change){.key = line->key,
                                           .content = line->content,
                                           .version = version,
                                           .position = store_position(engine->store) + 1 + index,
                                           .persona = event->persona,
                                           .reading = event->reading,
                                           .source = event->source});
    }
    return status;
}

/* Ingest has quarantined the rows without a usable identifier, so nobody is only who was erased:
 * neither the event nor its raw row may be kept. */
enum status rows_settle(struct engine *engine, struct event_batch *batch,
                        const struct frame_member *members, struct error *error) {
    size_t kept = 0;
    for (size_t i = 0; i < batch->event_count; i++) {
        const struct event *event = &batch->events[i];
        struct apply_result *out = members[event->member].did;
        bool same = event->verdict == ROW_REMAPS && event->is_known &&
                    event->persona.value == event->replaces_persona.value;
        out->remapped -= same;
        out->repeats += same;
        if (same || event->verdict == ROW_REPEATED || event->verdict == ROW_GONE) {
            tell_verdict(members, event, EVENT_REPEATED);
            continue;
        }
        if (event->persona.value == ID_NONE || names_erased(engine, batch, event)) {
            out->turned_away++;
            tell_verdict(members, event, EVENT_TURNED_AWAY);
            out->corrected -= event->verdict == ROW_CORRECTS;
            out->remapped -= event->verdict == ROW_REMAPS;
            continue;
        }
        out->events += event->verdict == ROW_NEW || event->verdict == ROW_JUDGE_LATER;
        enum status status = note_lines(engine, batch, event, kept, error);
        if (status != STATUS_OK) return status;
        if (kept != i) batch->events[kept] = *event;
        kept++;
    }
    batch->event_count = kept;
    return STATUS_OK;
}
