/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/group.h"

#include <stdatomic.h>

#include "base/memory.h"
#include "engine/rows/rows.h"

/* In the map of keys: a row of an event of several rows, whose content is not at hand. */
#define KEY_OF_LINE UINT32_MAX

struct group {
    struct engine *engine;
    struct event_batch joined;
    struct frame_member members[GROUP_CHANGES_MAX];
    size_t held[GROUP_CHANGES_MAX]; /* by member: what its load held before */
    /* Of the members of the frame so far: row key → index in `said`, or KEY_OF_LINE. */
    struct row_map keys;
    const struct event **said;
    size_t said_count, said_capacity;
    struct customer_id about[GROUP_CHANGES_MAX]; /* of the frame of settled changes at hand */
    _Atomic uint64_t frame_count, joined_count;
};

enum status group_create(struct group **out, struct engine *engine) {
    struct group *group = memory_calloc(1, sizeof *group);
    *out = group;
    if (group == NULL) return STATUS_NO_MEMORY;
    group->engine = engine;
    event_batch_init(&group->joined);
    return STATUS_OK;
}

void group_destroy(struct group *group) {
    if (group == NULL) return;
    event_batch_release(&group->joined);
    row_map_release(&group->keys);
    memory_free((void *)group->said);
    memory_free(group);
}

void group_stats(const struct group *group, struct applier_stats *out) {
    out->frames = atomic_load(&group->frame_count);
    out->joined = atomic_load(&group->joined_count);
}

/* ---- what is joined ---- */

static bool can_join(const struct change *change) {
    const struct event_batch *batch = change->batch;
    return batch != NULL && change->run == NULL && change->back.count == 0 && !change->remaps &&
           batch->event_count + batch->row_count + batch->line_count < APPLIER_ALONE_EVENTS &&
           batch->bytes.length < APPLIER_JOINED_BYTES_MAX / 4;
}

bool group_takes(struct group_size *size, const struct change *change) {
    size_t events = change->batch != NULL ? change->batch->event_count : 0;
    size_t bytes = change->batch != NULL ? change->batch->bytes.length : 0;
    bool takes = size->changes == 0 ||
                 (size->changes < GROUP_CHANGES_MAX && size->events != SIZE_MAX &&
                  can_join(change) && size->events + events <= APPLIER_JOINED_EVENTS_MAX &&
                  size->bytes + bytes <= APPLIER_JOINED_BYTES_MAX);
    if (!takes) return false;
    size->changes++;
    size->bytes += bytes;
    size->events = can_join(change) ? size->events + events : SIZE_MAX; /* nothing more */
    return true;
}

/* ---- one row key, said of by several members ---- */

static enum status note_key(struct group *group, struct row_key key, uint32_t value) {
    if (row_key_is_none(key)) return STATUS_OK;
    uint32_t *index = row_map_add(&group->keys, key, value);
    if (index == NULL) return STATUS_NO_MEMORY;
    *index = value;
    return STATUS_OK;
}

static enum status note_keys(struct group *group, const struct event_batch *batch) {
    enum status status = memory_grow((void **)&group->said, &group->said_capacity,
                                     group->said_count + batch->event_count, sizeof *group->said);
    for (size_t i = 0; status == STATUS_OK && i < batch->event_count; i++) {
        const struct event *event = &batch->events[i];
        status = note_key(group, event->key, (uint32_t)group->said_count);
        group->said[group->said_count++] = event;
        for (uint32_t k = 0; status == STATUS_OK && k < event->line_count; k++)
            status = note_key(group, batch->lines[event->line + k].key, KEY_OF_LINE);
    }
    return status;
}

/* Two events with one key are a row and its repeat where they say the same in the same words. */
static bool says_the_same(const struct event *a, const struct event *b) {
    return a->content == b->content && a->reading == b->reading && a->version == b->version &&
           a->source == b->source && !a->retracts && !b->retracts && a->line_count == 0 &&
           b->line_count == 0;
}

/* Would the batch change a row that stands in the frame so far? Then both versions must be stored,
 * and it begins the next frame. */
static bool changes_said_row(const struct group *group, const struct event_batch *batch) {
    for (size_t i = 0; i < batch->event_count; i++) {
        const struct event *event = &batch->events[i];
        const uint32_t *index =
            row_key_is_none(event->key) ? NULL : row_map_find(&group->keys, event->key);
        if (index != NULL && (*index == KEY_OF_LINE || !says_the_same(event, group->said[*index])))
            return true;
        for (uint32_t k = 0; k < event->line_count; k++)
            if (row_map_find(&group->keys, batch->lines[event->line + k].key) != NULL) return true;
    }
    return false;
}

/* How many of the changes make one frame. Without memory to tell, each has its own. */
static size_t take_frame(struct group *group, struct change *const *changes, size_t count) {
    size_t taken = 0;
    if (count == 1) return 1;
    row_map_clear(&group->keys);
    group->said_count = 0;
    for (; taken < count; taken++) {
        if (taken > 0 && changes_said_row(group, changes[taken]->batch)) break;
        if (note_keys(group, changes[taken]->batch) != STATUS_OK) return 1;
    }
    return taken;
}

/* ---- one member ---- */

static struct frame_member member_of(struct change *change) {
    const struct event_batch *batch = change->batch;
    return (struct frame_member){
        .load = change->load,
        .did = &change->did,
        .has_personas = change->has_personas,
        .verdicts = change->verdicts,
        .file = batch->file,
        .file_length = batch->file_length,
        .header = batch->header,
        .header_length = batch->header_length,
    };
}

/* What nobody can write is refused before it meets others. */
static enum status check_size(const struct change *change, struct error *error) {
    const struct event_batch *batch = change->batch;
    for (size_t i = 0; i < batch->event_count; i++) {
        if (batch->events[i].properties_length <= PACKED_BYTES_MAX) continue;
        return error_set(error, STATUS_LIMIT,
                         "event %zu of the batch has %u bytes of properties, and an event takes at "
                         "most %u: leave some out",
                         i + 1, batch->events[i].properties_length, (unsigned)PACKED_BYTES_MAX);
    }
    return STATUS_OK;
}

/* Once for each change, before its events are moved. */
static void number_events(const struct change *change) {
    if (change->verdicts == NULL) return;
    for (size_t i = 0; i < change->batch->event_count; i++) {
        change->batch->events[i].number = (uint32_t)i;
        change->verdicts[i] = EVENT_ACCEPTED;
    }
}

/* Once for each change, before it is judged. */
static bool prepare(struct group *group, struct change *change) {
    struct engine *engine = group->engine;
    enum status status = check_size(change, &change->error);
    number_events(change);
    if (status == STATUS_OK) status = rows_withhold(engine, change->batch, &change->error);
    if (status == STATUS_OK && change->knows_bad_rows)
        status = known_rows_drop(engine, change->batch, &change->bad, &change->error);
    change->status = status;
    return status == STATUS_OK;
}

/* A batch that is ready, in a frame of its own, or in several where one does not take it. */
static void apply_ready(struct group *group, struct change *change, bool sync) {
    struct engine *engine = group->engine;
    struct event_batch *batch = change->batch;
    change->did = (struct apply_result){0};
    engine->frame->remaps = change->remaps;
    if (batch_needs_parts(batch) && change->back.count == 0 && !change->has_personas) {
        change->status =
            engine_apply_parts(engine, batch, change->load, sync, &change->did, &change->error);
    } else {
        const struct frame_member member = member_of(change);
        bool written;
        change->did.quarantined = batch->row_count;
        change->status =
            apply_frame(engine, batch, &member, &change->back, sync, &written, &change->error);
    }
    engine->frame->remaps = false;
    atomic_fetch_add(&group->frame_count, 1);
}

bool settled_has(const struct settled *settled, struct customer_id customer) {
    for (size_t i = 0; i < settled->count; i++)
        if (settled->customers[i].value == customer.value) return true;
    return false;
}

/* True where there is something to write. */
static bool settle(struct group *group, struct change *change, const struct settled *settled) {
    change->error = (struct error){0};
    change->status = change->settle(group->engine, change, settled, &change->error);
    return change->status == STATUS_OK && change->batch->event_count > 0 && prepare(group, change);
}

void group_apply_alone(struct group *group, struct change *change, bool sync) {
    static const struct settled none;
    change->error = (struct error){0};
    if (change->settle != NULL ? settle(group, change, &none) : prepare(group, change))
        apply_ready(group, change, sync);
}

/* ---- several members ---- */

static enum status join(struct group *group, struct change *change, uint32_t index) {
    struct event_batch *joined = &group->joined;
    uint32_t base = (uint32_t)joined->bytes.length;
    enum status status = event_batch_join(joined, change->batch, index);
    if (status != STATUS_OK) return status;
    struct frame_member *member = &group->members[index];
    *member = member_of(change);
    member->file += base;
    member->header += base;
    change->did = (struct apply_result){.quarantined = change->batch->row_count};
    return STATUS_OK;
}

/* Those whose events have personas stand last: two passes keep the order within each kind. */
static enum status join_kind(struct group *group, struct change *const *changes, size_t count,
                             bool has_personas) {
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < count; i++)
        if (changes[i]->has_personas == has_personas) status = join(group, changes[i], (uint32_t)i);
    return status;
}

/* Is what failed the fault of the disk, which another try would meet again? */
static bool is_of_the_disk(enum status status) {
    return status == STATUS_IO || status == STATUS_DISK_FULL || status == STATUS_READ_ONLY;
}

/* First all loads are as they were: several members may have the same one. */
static void apply_each(struct group *group, struct change *const *changes, size_t count) {
    for (size_t i = 0; i < count; i++)
        changes[i]->status = changes[i]->load != NULL
                                 ? row_load_rewind(changes[i]->load, group->held[i])
                                 : STATUS_OK;
    for (size_t i = 0; i < count; i++)
        if (changes[i]->status == STATUS_OK) apply_ready(group, changes[i], false);
}

/* Members that are ready and change no row of one another. */
static void apply_joined(struct group *group, struct change *const *changes, size_t count) {
    static const struct rows_back none;
    struct error error = {0};
    bool written = false;
    event_batch_clear(&group->joined);
    for (size_t i = 0; i < count; i++)
        group->held[i] = changes[i]->load != NULL ? changes[i]->load->row_count : 0;
    enum status status = join_kind(group, changes, count, false);
    if (status == STATUS_OK) status = join_kind(group, changes, count, true);
    if (status == STATUS_OK)
        status = apply_frame(group->engine, &group->joined, group->members, &none, false, &written,
                             &error);
    if (status != STATUS_OK && !written && !is_of_the_disk(status)) {
        apply_each(group, changes, count);
        return;
    }
    for (size_t i = 0; status != STATUS_OK && i < count; i++) {
        changes[i]->status = status;
        changes[i]->error = error;
    }
    atomic_fetch_add(&group->frame_count, 1);
    atomic_fetch_add(&group->joined_count, count);
}

/* A frame of changes that are ready and change no row of one another. */
static void apply_frame_of(struct group *group, struct change *const *changes, size_t count) {
    if (count == 1)
        apply_ready(group, changes[0], false);
    else if (count > 1)
        apply_joined(group, changes, count);
}

/* Each sees what the frames before it have written. */
static void apply_settling(struct group *group, struct change *const *changes, size_t count) {
    struct change *frame[GROUP_CHANGES_MAX];
    struct settled settled = {group->about, 0};
    for (size_t i = 0; i < count; i++) {
        if (changes[i]->settle == NULL) continue;
        bool writes = settle(group, changes[i], &settled);
        if (!writes && changes[i]->status == STATUS_EXISTS && settled.count > 0) {
            apply_frame_of(group, frame, settled.count);
            settled.count = 0;
            writes = settle(group, changes[i], &settled);
        }
        if (!writes) continue;
        group->about[settled.count] = changes[i]->about;
        frame[settled.count++] = changes[i];
    }
    apply_frame_of(group, frame, settled.count);
}

void group_apply(struct group *group, struct change *const *changes, size_t count) {
    struct change *ready[GROUP_CHANGES_MAX];
    size_t ready_count = 0;
    for (size_t i = 0; i < count; i++)
        if (changes[i]->settle == NULL && prepare(group, changes[i]))
            ready[ready_count++] = changes[i];
    for (size_t from = 0, taken; from < ready_count; from += taken) {
        taken = take_frame(group, ready + from, ready_count - from);
        apply_frame_of(group, ready + from, taken);
    }
    apply_settling(group, changes, count);
}
