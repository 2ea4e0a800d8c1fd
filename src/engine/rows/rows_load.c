/* SPDX-License-Identifier: Apache-2.0 */
/* What a load would change of stored rows, held until it is known how much that is. */
#include "base/memory.h"
#include "engine/rows/rows_groups.h"

#define NO_ROW      UINT32_MAX
#define CHUNK_ROWS  5000u
#define CHUNK_BYTES ((size_t)8 << 20)

void row_load_init(struct row_load *load, struct engine *engine, const struct source *source) {
    *load = (struct row_load){
        .engine = engine, .source = source, .begin = store_position(engine->store)};
    load->readings.engine = engine;
    event_batch_init(&load->held);
}

void row_load_release(struct row_load *load) {
    event_batch_release(&load->held);
    row_map_release(&load->changed);
    row_map_release(&load->first);
    row_map_release(&load->last);
    row_map_release(&load->lines);
    memory_free(load->rows);
}

static enum status note_changed(void *context, struct row_key key) {
    struct row_load *load = context;
    return row_map_add(&load->changed, key, 0) != NULL ? STATUS_OK : STATUS_NO_MEMORY;
}

static enum status read_changed(struct engine *engine, void *context, struct error *error) {
    struct row_load *load = context;
    load->may_skip = true;
    return store_visit_changed_keys(engine->store, note_changed, load, error);
}

enum status row_load_skip_known(struct row_load *load, struct error *error) {
    if (load->remaps) return STATUS_OK;
    return applier_call(load->engine->applier, read_changed, load, error);
}

bool row_load_is_known(void *context, struct row_key key, uint64_t content, uint16_t reading) {
    const struct row_load *load = context;
    return load->may_skip && store_key_is_known(load->engine->store, key, content, reading) &&
           row_map_find(&load->changed, key) == NULL;
}

bool row_load_holds(const struct row_load *load, struct row_key key) {
    return row_map_find(&load->first, key) != NULL;
}

bool row_load_holds_any(const struct row_load *load, const struct event_batch *batch,
                        const struct event *event) {
    if (load->row_count == 0) return false;
    if (row_load_holds(load, event->key)) return true;
    for (uint32_t i = 0; i < event->line_count; i++) {
        if (row_map_find(&load->lines, batch->lines[event->line + i].key) != NULL) return true;
    }
    return false;
}

/* The rows of a group as they would be quarantined, with the file's header. */
static enum status keep_raw(struct row_load *load, const struct event_batch *batch,
                            const struct event *event, uint32_t *index) {
    struct buffer raw;
    *index = NO_ROW;
    if (event->raw_length == 0 || event->origin != 0) return STATUS_OK;
    struct text header = event_batch_text(batch, batch->header, batch->header_length);
    buffer_init(&raw);
    enum status status = buffer_append_text(&raw, header);
    if (status == STATUS_OK && header.length > 0) status = buffer_append_text(&raw, TEXT("\n"));
    if (status == STATUS_OK)
        status = buffer_append_text(&raw, event_batch_text(batch, event->raw, event->raw_length));
    if (raw.length > INGEST_RAW_BYTES_MAX) raw.length = INGEST_RAW_BYTES_MAX;
    *index = (uint32_t)load->held.row_count;
    if (status == STATUS_OK)
        status = event_batch_add_row(&load->held, event->source,
                                     event_batch_text(batch, batch->file, batch->file_length),
                                     event->row_line, 0, (struct text){0}, buffer_text(&raw));
    if (status == STATUS_OK) load->held.rows[*index].rows = event->raw_rows;
    buffer_release(&raw);
    return status;
}

/* Finds row `index` by its key, behind those of the same key. */
static enum status index_row(struct row_load *load, struct row_key key, uint32_t index) {
    uint32_t *last = row_map_add(&load->last, key, index);
    if (last == NULL || row_map_add(&load->first, key, index) == NULL) return STATUS_NO_MEMORY;
    if (*last != index) load->rows[*last].next = index;
    *last = index;
    return STATUS_OK;
}

enum status row_load_hold(struct row_load *load, const struct event_batch *batch,
                          const struct event *event) {
    uint32_t index = (uint32_t)load->row_count;
    struct held_row row = {.next = NO_ROW, .line = event->row_line};
    if (load->held.bytes.length >= ROWS_HELD_BYTES_MAX) return STATUS_LIMIT;
    enum status status = keep_raw(load, batch, event, &row.raw_row);
    if (status == STATUS_OK)
        status = memory_grow((void **)&load->rows, &load->row_capacity, load->row_count + 1,
                             sizeof *load->rows);
    if (status == STATUS_OK) status = batch_copy_event(&load->held, batch, event);
    if (status != STATUS_OK) return status;
    load->rows[load->row_count++] = row;
    for (uint32_t i = 0; i < event->line_count; i++) {
        if (row_map_add(&load->lines, batch->lines[event->line + i].key, 0) == NULL)
            return STATUS_NO_MEMORY;
    }
    return index_row(load, event->key, index);
}

static enum status index_lines(struct row_load *load, const struct event *event) {
    for (uint32_t i = 0; i < event->line_count; i++) {
        if (row_map_add(&load->lines, load->held.lines[event->line + i].key, 0) == NULL)
            return STATUS_NO_MEMORY;
    }
    return STATUS_OK;
}

enum status row_load_rewind(struct row_load *load, size_t count) {
    enum status status = STATUS_OK;
    if (load->row_count == count && load->held.event_count == count) return STATUS_OK;
    load->row_count = load->held.event_count = count;
    row_map_clear(&load->first);
    row_map_clear(&load->last);
    row_map_clear(&load->lines);
    for (uint32_t i = 0; status == STATUS_OK && i < count; i++) {
        load->rows[i].next = NO_ROW;
        status = index_row(load, load->held.events[i].key, i);
        if (status == STATUS_OK) status = index_lines(load, &load->held.events[i]);
    }
    return status;
}

/* ---- the end of a load ---- */

/* The row that stands of several with one key: the highest version, or the last. */
static uint32_t choose(const struct row_load *load, uint32_t first, uint64_t *count) {
    uint32_t chosen = first;
    *count = 0;
    for (uint32_t at = first; at != NO_ROW; at = load->rows[at].next) {
        const struct event *best = &load->held.events[chosen], *event = &load->held.events[at];
        if (event->version >= best->version) chosen = at;
        (*count)++;
    }
    return chosen;
}

enum status row_load_judge(struct row_load *load, uint32_t row, enum row_verdict *verdict,
                           struct stored_key *known, bool *found, struct error *error) {
    const struct event *event = &load->held.events[row];
    bool not_compared;
    enum status status = store_key_find(load->engine->store, event->key, known, found, error);
    if (status != STATUS_OK) return status;
    *verdict = *found ? rows_judge(load->engine, &load->held, event, known, &not_compared)
               : event->retracts ? ROW_RETRACTS
                                 : ROW_NEW;
    return STATUS_OK;
}

struct ending {
    struct row_load *load;
    struct event_batch batch; /* what is applied next */
    uint64_t corrections;     /* rows that would change a stored row */
    uint32_t examples[2], example_count;
    struct error *error;
};

/* Counts what would change, before anything does. */
static enum status count_one(struct ending *ending, uint32_t first) {
    struct row_load *load = ending->load;
    struct stored_key known;
    enum row_verdict verdict;
    bool found;
    uint64_t rows;
    uint32_t chosen = choose(load, first, &rows);
    enum status status = row_load_judge(load, chosen, &verdict, &known, &found, ending->error);
    if (status != STATUS_OK) return status;
    if (load->engine->frame->remaps && known.retracted) return STATUS_OK;
    if (verdict != ROW_CORRECTS && verdict != ROW_RETRACTS) return STATUS_OK;
    ending->corrections += rows;
    load->counts.clashes += rows - 1 + (found && known.position >= load->begin);
    if (ending->example_count < 2 && verdict == ROW_CORRECTS && found)
        ending->examples[ending->example_count++] = chosen;
    return STATUS_OK;
}

static bool is_group(const struct row_load *load, uint32_t row) {
    const struct source *source = rows_source(load->engine, load->held.events[row].source);
    return source != NULL && source->one_event_per.length > 0;
}

static bool is_first(const struct row_load *load, uint32_t row) {
    const uint32_t *first = row_map_find(&load->first, load->held.events[row].key);
    return first != NULL && *first == row;
}

/* Has the load more to correct than the source lets through? */
static bool too_many(const struct row_load *load, uint64_t corrections, uint64_t rows) {
    if (!load->guarded) return false;
    const struct row_rules *rules = &load->source->rows;
    corrections += load->settled;
    double share = rows > 0 ? 100.0 * (double)corrections / (double)rows : 0;
    if (!rules->has_corrections_max)
        return corrections > CORRECTIONS_MAX && share > CORRECTIONS_MAX_PERCENT;
    return rules->corrections_max != UINT64_MAX ? corrections > rules->corrections_max
                                                : share > rules->corrections_max_percent;
}

static enum status flush(struct ending *ending) {
    struct row_load *load = ending->load;
    struct apply_result did = {0};
    if (ending->batch.event_count + ending->batch.row_count == 0) return STATUS_OK;
    enum status status = engine_apply_now(load->engine, &ending->batch, NULL, &did, ending->error);
    apply_result_add(&load->counts, &did);
    event_batch_clear(&ending->batch);
    return status;
}

static enum status apply_one(struct ending *ending, uint32_t first) {
    struct row_load *load = ending->load;
    uint64_t rows;
    uint32_t chosen = choose(load, first, &rows);
    const struct event *event = &load->held.events[chosen];
    load->counts.older += rows - 1;
    enum status status = batch_copy_event(&ending->batch, &load->held, event);
    bool full =
        ending->batch.event_count >= CHUNK_ROWS || ending->batch.bytes.length >= CHUNK_BYTES;
    return status == STATUS_OK && full ? flush(ending) : status;
}

static enum status each_key(struct ending *ending,
                            enum status (*visit)(struct ending *ending, uint32_t first)) {
    enum status status = STATUS_OK;
    for (uint32_t i = 0; status == STATUS_OK && i < ending->load->row_count; i++) {
        if (is_first(ending->load, i) && !is_group(ending->load, i)) status = visit(ending, i);
    }
    return status;
}

/* What was held, in pieces that a frame takes. */
static enum status apply_merged(struct group_merge *merge) {
    struct row_load *load = merge->load;
    struct row_frame *frame = load->engine->frame;
    struct bad_rows bad = {0};
    struct apply_result did = {0};
    enum status status = rows_withhold(load->engine, &merge->out, merge->error);
    if (status == STATUS_OK)
        status = known_rows_drop(load->engine, &merge->out, &bad, merge->error);
    if (status != STATUS_OK) return status;
    load->bad.rows += bad.rows;
    load->bad.entries += bad.entries;
    load->bad.known_rows += bad.known_rows;
    frame->extra = merge->gone;
    frame->extra_count = merge->gone_count;
    status = engine_apply_now(load->engine, &merge->out, NULL, &did, merge->error);
    frame->extra = NULL;
    frame->extra_count = 0;
    did.quarantined = 0; /* load->bad has the rows */
    apply_result_add(&load->counts, &did);
    return status;
}

static enum status end_groups(struct row_load *load, uint64_t rows, struct error *error) {
    struct group_merge merge;
    group_merge_init(&merge, load, error);
    struct apply_result before = load->counts;
    enum status status = group_merge_run(&merge);
    if (status == STATUS_OK && too_many(load, merge.corrections, rows)) {
        load->counts = before;
        load->counts.held += load->row_count;
        status =
            rows_refuse(load, merge.corrections, rows, merge.examples, merge.example_count, error);
    } else if (status == STATUS_OK) {
        status = apply_merged(&merge);
    }
    group_merge_release(&merge);
    return status;
}

/* Rows of their own; of a load from quarantine there may be both. */
static enum status end_rows(struct row_load *load, uint64_t rows, struct error *error) {
    struct ending ending = {.load = load, .error = error};
    event_batch_init(&ending.batch);
    enum status status = each_key(&ending, count_one);
    if (status == STATUS_OK && too_many(load, ending.corrections, rows)) {
        load->counts.held += load->row_count;
        status = rows_refuse(load, ending.corrections, rows, ending.examples, ending.example_count,
                             error);
    } else {
        if (status == STATUS_OK) status = each_key(&ending, apply_one);
        if (status == STATUS_OK) status = flush(&ending);
    }
    event_batch_release(&ending.batch);
    return status;
}

struct load_end {
    struct row_load *load;
    uint64_t rows;
};

static enum status end_load(struct engine *engine, void *context, struct error *error) {
    const struct load_end *end = context;
    struct row_load *load = end->load;
    uint32_t groups = 0;
    for (uint32_t i = 0; i < load->row_count; i++) groups += is_group(load, i);
    engine->frame->remaps = load->remaps;
    enum status status = groups < load->row_count ? end_rows(load, end->rows, error) : STATUS_OK;
    if (status == STATUS_OK && groups > 0) status = end_groups(load, end->rows, error);
    engine->frame->remaps = false;
    return status;
}

enum status row_load_end(struct row_load *load, uint64_t rows, struct error *error) {
    if (load->row_count == 0) return STATUS_OK;
    struct load_end end = {load, rows};
    return applier_call(load->engine->applier, end_load, &end, error);
}

enum status row_load_settle(struct row_load *load, uint64_t rows, struct error *error) {
    load->may_skip = false;
    if (load->row_count == 0) return STATUS_OK;
    enum status status = row_load_end(load, rows, error);
    load->settled = load->counts.corrected + load->counts.retracted;
    load->row_count = 0;
    event_batch_clear(&load->held);
    row_map_clear(&load->first);
    row_map_clear(&load->last);
    row_map_clear(&load->lines);
    return status;
}
