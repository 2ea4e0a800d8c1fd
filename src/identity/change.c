/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>

#include "identity/record.h"

/* A call changes everything shared through cells, whose old values are kept. So an undo puts the
 * old values back in reverse order, and cuts off what the call appended. In each step, everything
 * that may fail comes before the first change. */

void change_begin(struct identity *identity, uint64_t position) {
    assert(!identity->open);
    pthread_mutex_lock(&identity->lock);
    identity->open = true;
    identity->position = position;
    identity->batch++;
    identity->first_identifier = key_table_count(&identity->identifiers);
    identity->first_persona = key_table_count(&identity->personas);
    identity->first_suppressed = key_table_count(&identity->suppressed);
    identity->first_link = identity->link_count;
    identity->first_claim = LOAD(identity->claim_count);
    identity->first_claim_withdrawal = identity->claim_withdrawal_count;
    identity->left_claims = 0;
    identity->first_edge = identity->forest.edge_count;
    identity->first_withdrawal = identity->withdrawal_count;
    identity->first_gone = identity->gone_count;
    identity->first_waiting = identity->waiting_count;
    identity->first_waiting_key = key_table_count(&identity->waiting_keys);
    identity->welcome = NONE;
    identity->undo_count = identity->pending_count = identity->seed_count = identity->change_count =
        0;
    identity->unusable_count = identity->blocked_count = 0;
    identity->known_ms = TIME_ALWAYS;
    identity->decided_ms = INT64_MIN;
    buffer_clear(&identity->record);
}

static uint32_t any_persona(const struct identity *identity, uint32_t root,
                            const struct view *view) {
    for (uint32_t id = root; id != NONE; id = forest_next(&identity->forest, root, id, view)) {
        uint32_t at = LOAD(node_at(identity, id)->personas);
        for (; at; at = LOAD(persona_at(identity, at - 1)->next)) {
            if (LOAD(persona_at(identity, at - 1)->position) < view->position) return at - 1;
        }
    }
    return ID_NONE;
}

/* Was it a customer before and isn't now, or the other way round? */
static bool change_is_real(struct identity *identity, struct identity_change *change) {
    struct view now = {INT64_MAX, UINT64_MAX, INT64_MAX, UINT64_MAX}, before = now;
    before.position = identity->position;
    uint32_t id = change->customer.value;
    uint32_t root = forest_root(&identity->forest, id, &now),
             old_root = forest_root(&identity->forest, id, &before);
    if ((root == id) == (old_root == id)) return false;
    change->is_split = root == id;
    change->other.value = change->is_split ? old_root : root;
    change->persona.value = any_persona(identity, id, change->is_split ? &now : &before);
    return true;
}

/* Compares what was noted on the way with what stood before the call, each customer once. */
static void change_settle(struct identity *identity) {
    size_t kept = 0;
    identity->stamp++;
    for (size_t i = 0; i < identity->change_count; i++) {
        struct node_mark *mark = mark_at(identity, identity->changes[i].customer.value);
        if (mark->stamp == identity->stamp || !change_is_real(identity, &identity->changes[i]))
            continue;
        mark->stamp = identity->stamp;
        identity->changes[kept++] = identity->changes[i];
    }
    identity->change_count = kept;
}

void change_result(struct identity *identity, struct identity_result *result) {
    change_settle(identity);
    *result = (struct identity_result){
        .record = buffer_text(&identity->record),
        .changes = identity->changes,
        .change_count = identity->change_count,
        .unusable_count = identity->unusable_count,
        .blocked_count = identity->blocked_count,
        .new_identifiers = key_table_count(&identity->identifiers) - identity->first_identifier,
        .new_personas = key_table_count(&identity->personas) - identity->first_persona,
        .new_links = identity->link_count - identity->first_link,
        .new_claims = LOAD(identity->claim_count) - identity->first_claim,
        .left_claims = identity->left_claims,
    };
    for (uint32_t i = identity->first_claim; i < LOAD(identity->claim_count); i++)
        result->capped_claims += (LOAD(claim_at(identity, i)->flags) & CLAIM_CAPPED) != 0;
    for (uint32_t i = identity->first_link; i < identity->link_count; i++)
        result->refused_links += link_verdict(link_at(identity, i)) != LINK_ACCEPTED;
}

static void change_end(struct identity *identity) {
    memory_free(identity->old_eras);
    identity->old_eras = NULL;
    identity->open = false;
    pthread_mutex_unlock(&identity->lock);
}

/* Raises the position that readers are shown. One thread publishes while the applier commits in
 * another, and neither takes back what the other has shown. */
static void raise_position(_Atomic uint64_t *shown, uint64_t to) {
    uint64_t before = LOAD(*shown);
    while (before < to && !atomic_compare_exchange_weak(shown, &before, to)) continue;
}

static void raise_count(_Atomic uint32_t *shown, uint32_t to) {
    uint32_t before = LOAD(*shown);
    while (before < to && !atomic_compare_exchange_weak(shown, &before, to)) continue;
}

static void commit(struct identity *identity, bool is_durable) {
    if (!identity->open) return;
    if (identity->welcome != NONE) key_table_wipe(&identity->suppressed, identity->welcome);
    /* Where nothing was new no frame need have been written: the position is still to be taken. */
    bool is_changed = identity->replaying || identity->record.length > 0;
    if (is_durable) raise_count(&identity->visible_personas, key_table_count(&identity->personas));
    if (is_durable && is_changed) raise_position(&identity->visible, identity->position + 1);
    change_end(identity);
}

void identity_commit(struct identity *identity) {
    commit(identity, true);
}

void identity_commit_written(struct identity *identity) {
    commit(identity, false);
}

void identity_publish(struct identity *identity, uint64_t position) {
    raise_count(&identity->visible_personas,
                identity->directory.ops->persona_count(&identity->directory, position));
    raise_position(&identity->visible, position);
}

static void put_back(struct identity *identity) {
    while (identity->undo_count > 0) {
        const struct undo_cell *cell = &identity->undo[--identity->undo_count];
        if (cell->is_wide) {
            memcpy(cell->at, &cell->old, sizeof(cell->old));
        } else {
            STORE(*(_Atomic uint32_t *)cell->at, (uint32_t)cell->old);
        }
    }
}

void identity_undo(struct identity *identity) {
    if (!identity->open) return;
    struct forest *forest = &identity->forest;
    STORE(forest->undo_epoch, LOAD(forest->undo_epoch) + 1);
    put_back(identity);
    key_table_truncate(&identity->personas, identity->first_persona);
    key_table_truncate(&identity->identifiers, identity->first_identifier);
    key_table_truncate(&identity->suppressed, identity->first_suppressed);
    identity->link_count = identity->first_link;
    STORE(identity->claim_count, identity->first_claim);
    identity->claim_withdrawal_count = identity->first_claim_withdrawal;
    forest->edge_count = identity->first_edge;
    if (identity->withdrawal_count > identity->first_withdrawal) {
        identity->withdrawal_count = identity->first_withdrawal;
        withdrawals_index(identity, 0);
    }
    identity->gone_count = identity->first_gone;
    waiting_undo(identity);
    summaries_clear(identity);
    if (identity->old_eras) {
        struct era *new_eras = identity->eras;
        identity->eras = identity->old_eras;
        identity->era_count = identity->old_era_count;
        identity->old_eras = new_eras;
    }
    STORE(forest->undo_epoch, LOAD(forest->undo_epoch) + 1);
    change_end(identity);
}

enum status change_fail(struct identity *identity, enum status status, struct error *error) {
    identity_undo(identity);
    if (status == STATUS_LIMIT)
        return error_set(error, status,
                         "identity: more identifiers than the limit identifiers_max allows");
    if (status == STATUS_CORRUPT)
        return error_set(error, status,
                         "identity: a record of the log doesn't fit what stands before it");
    if (status == STATUS_VERSION)
        return error_set(error, status,
                         "identity: a record of the log was written by a newer program");
    return error_set(error, status, "identity: %s", status_name(status));
}

enum status undo_reserve(struct identity *identity, size_t cells) {
    return memory_grow((void **)&identity->undo, &identity->undo_capacity,
                       identity->undo_count + cells, sizeof(*identity->undo));
}

void keep_set(struct identity *identity, _Atomic uint32_t *cell, uint32_t value) {
    assert(identity->undo_count < identity->undo_capacity);
    identity->undo[identity->undo_count++] =
        (struct undo_cell){(void *)(uintptr_t)cell, LOAD(*cell), false};
    STORE(*cell, value);
}

void keep_set_wide(struct identity *identity, int64_t *cell, int64_t value) {
    assert(identity->undo_count < identity->undo_capacity);
    identity->undo[identity->undo_count++] = (struct undo_cell){cell, (uint64_t)*cell, true};
    *cell = value;
}

/* Ids taken back by an undo leave their nodes as the cells were put back: empty. */
static enum status node_reserve(struct identity *identity, uint32_t count) {
    if (count > identity->options.identifiers_max) return STATUS_LIMIT;
    if (identity->any_rate) {
        enum status status = column_reserve(&identity->days, count, sizeof(struct day_count));
        if (status) return status;
    }
    enum status status = column_reserve(&identity->forest.heads, count, sizeof(_Atomic uint32_t));
    if (!status) status = column_reserve(&identity->singles, count, sizeof(_Atomic uint32_t));
    if (!status) status = column_reserve(&identity->claim_heads, count, sizeof(_Atomic uint32_t));
    if (!status) status = column_reserve(&identity->node_marks, count, sizeof(struct node_mark));
    return status ? status : column_reserve(&identity->forest.nodes, count, sizeof(struct node));
}

static enum status row_reserve(struct identity *identity, uint64_t count) {
    enum status status = column_reserve(&identity->anchors, count, sizeof(_Atomic uint32_t));
    if (!status) status = column_reserve(&identity->windows, count, sizeof(struct known_window));
    return status ? status
                  : column_reserve(&identity->persona_rows, count, sizeof(struct persona_row));
}

enum status identifier_add(struct identity *identity, struct key key, uint64_t hash, uint32_t *id) {
    uint32_t count = key_table_count(&identity->identifiers);
    struct record_entry entry = {.tag = ENTRY_IDENTIFIER, .type = key.prefix, .value = key.text};
    enum status status = node_reserve(identity, count + 1);
    if (status) return status;
    STORE(node_at(identity, count)->position, identity->position);
    node_at(identity, count)->type = key.prefix;
    status = record_add(identity, &entry);
    if (status) return status;
    bool is_new;
    status = key_table_add(&identity->identifiers, key, hash, id, &is_new);
    if (status) return status;
    if (!is_new) return STATUS_CORRUPT;
    /* In a replay the record has the links. */
    return identity->replaying ? spelling_note(&identity->spelling, key.text, *id)
                               : waiting_join(identity, key, hash, *id);
}

enum status identifier_add_hole(struct identity *identity) {
    uint32_t id, count = key_table_count(&identity->identifiers);
    enum status status = node_reserve(identity, count + 1);
    if (status) return status;
    status = undo_reserve(identity, 1);
    if (status) return status;
    STORE(node_at(identity, count)->position, identity->position);
    keep_set(identity, &node_at(identity, count)->flags, NODE_ERASED);
    return key_table_add_hole(&identity->identifiers, &id);
}

enum status persona_add(struct identity *identity, const uint32_t *ids, uint32_t count,
                        uint64_t hash, uint32_t anchor, bool is_public, uint32_t *persona) {
    struct record_entry entry = {.tag = is_public ? ENTRY_PUBLIC_PERSONA : ENTRY_PERSONA,
                                 .id_count = count,
                                 .anchor = anchor};
    struct key key = is_public ? public_persona_key(ids) : persona_key(ids, count);
    bool is_single = count == 1 && !is_public; /* found by its node */
    memcpy(entry.ids, ids, count * sizeof(*ids));
    uint32_t next = key_table_count(&identity->personas);
    enum status status = row_reserve(identity, (uint64_t)next + 1);
    if (!status) status = undo_reserve(identity, 2);
    if (!status) status = record_add(identity, &entry);
    if (status) return status;
    struct persona_row *row = persona_at(identity, next);
    struct node *node = node_at(identity, anchor);
    STORE(*anchor_at(identity, next), anchor);
    STORE(row->next, LOAD(node->personas));
    STORE(row->position, identity->position);
    bool is_new = true;
    status = is_single ? key_table_add_unlisted(&identity->personas, key, persona)
                       : key_table_add(&identity->personas, key, hash, persona, &is_new);
    if (status) return status;
    if (!is_new) return STATUS_CORRUPT;
    keep_set(identity, &node->personas, next + 1);
    if (is_single) keep_set(identity, single_at(identity, anchor), next + 1);
    return STATUS_OK;
}

enum status persona_add_hole(struct identity *identity) {
    uint32_t id, next = key_table_count(&identity->personas);
    enum status status = row_reserve(identity, (uint64_t)next + 1);
    if (status) return status;
    struct persona_row *row = persona_at(identity, next);
    STORE(*anchor_at(identity, next), NONE);
    STORE(row->position, identity->position);
    return key_table_add_hole(&identity->personas, &id);
}

enum status pending_add(struct identity *identity, const struct link *link) {
    enum status status = memory_grow((void **)&identity->pending, &identity->pending_capacity,
                                     identity->pending_count + 1, sizeof(*identity->pending));
    if (status) return status;
    identity->pending[identity->pending_count++] = *link;
    if (link->known_ms > identity->known_ms) identity->known_ms = link->known_ms;
    return STATUS_OK;
}

enum status change_note(struct identity *identity, uint32_t id, int64_t known_ms) {
    if (identity->replaying) return STATUS_OK;
    enum status status = memory_grow((void **)&identity->changes, &identity->change_capacity,
                                     identity->change_count + 1, sizeof(*identity->changes));
    if (status) return status;
    if (known_ms < identity->decided_ms) known_ms = identity->decided_ms;
    identity->changes[identity->change_count++] =
        (struct identity_change){.customer = {id}, .other = {ID_NONE}, .known_ms = known_ms};
    return STATUS_OK;
}

enum status seed_add(struct identity *identity, uint32_t id) {
    enum status status = memory_grow((void **)&identity->seeds, &identity->seed_capacity,
                                     identity->seed_count + 1, sizeof(*identity->seeds));
    if (!status) identity->seeds[identity->seed_count++] = id;
    return status;
}
