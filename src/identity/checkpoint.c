/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/checkpoint.h"

#include <assert.h>

#include "identity/checkpoint_check.h"

/* ---- writing ---- */

static enum status write_head(const struct identity *identity, struct image_writer *writer,
                              struct error *error) {
    const struct checkpoint_head head = {
        .visible = LOAD(identity->visible),
        .visible_personas = LOAD(identity->visible_personas),
        .link_count = identity->link_count,
        .edge_count = identity->forest.edge_count,
        .marks_missing = identity->marks.any_without,
    };
    return image_put(writer, SECTION_HEAD, &head, 1, sizeof(head), error);
}

/* Structures with gaps are written field by field: no byte of the file is left to chance. */
static enum status write_eras(const struct identity *identity, struct image_writer *writer,
                              struct error *error) {
    enum status status = image_begin(writer, SECTION_ERAS, sizeof(struct checkpoint_era), error);
    for (uint32_t i = 0; status == STATUS_OK && i < identity->era_count; i++) {
        const struct era *era = &identity->eras[i];
        struct checkpoint_era out = {.from_ms = era->from_ms, .any_expires = era->any_expires};
        for (uint32_t type = 0; type < IDENTIFIER_TYPES_MAX; type++) {
            const struct guard *guard = &era->guards[type];
            out.guards[type] = (struct checkpoint_guard){
                .per_customer = guard->per_customer,
                .priority = guard->priority,
                .expires_ms = guard->expires_ms,
                .unique = guard->unique,
                .present = guard->present,
            };
        }
        status = image_add(writer, &out, sizeof(out), error);
    }
    return status;
}

static enum status write_withdrawals(const struct identity *identity, struct image_writer *writer,
                                     struct error *error) {
    enum status status =
        image_begin(writer, SECTION_WITHDRAWALS, sizeof(struct checkpoint_withdrawal), error);
    for (size_t i = 0; status == STATUS_OK && i < identity->withdrawal_count; i++) {
        const struct withdrawal *from = &identity->withdrawals[i];
        const struct checkpoint_withdrawal out = {from->known_ms, from->a, from->b, from->restore,
                                                  0};
        status = image_add(writer, &out, sizeof(out), error);
    }
    return status;
}

static enum status write_waiting(const struct identity *identity, struct image_writer *writer,
                                 struct error *error) {
    enum status status =
        image_begin(writer, SECTION_WAITING, sizeof(struct checkpoint_waiting), error);
    for (size_t i = 0; status == STATUS_OK && i < identity->waiting_count; i++) {
        const struct waiting_name *from = &identity->waiting[i];
        const struct checkpoint_waiting out = {from->time_ms, from->known_ms, from->key,
                                               from->anchor,  from->older,    from->source};
        status = image_add(writer, &out, sizeof(out), error);
    }
    return status ? status
                  : image_put(writer, SECTION_WAITING_HEADS, identity->waiting_heads,
                              key_table_count(&identity->waiting_keys),
                              sizeof(*identity->waiting_heads), error);
}

static enum status write_columns(const struct identity *identity, struct image_writer *writer,
                                 struct error *error) {
    const struct forest *forest = &identity->forest;
    uint64_t ids = key_table_count(&identity->identifiers),
             personas = key_table_count(&identity->personas), claims = LOAD(identity->claim_count);
    const struct {
        const struct column_store *column;
        uint64_t count;
        size_t item_bytes;
        uint32_t tag;
    } columns[] = {
        {&forest->heads, ids, sizeof(_Atomic uint32_t), SECTION_HEADS},
        {&forest->nodes, ids, sizeof(struct node), SECTION_NODES},
        {&forest->edges, forest->edge_count, sizeof(struct edge), SECTION_EDGES},
        {&identity->singles, ids, sizeof(_Atomic uint32_t), SECTION_SINGLES},
        {&identity->anchors, personas, sizeof(_Atomic uint32_t), SECTION_ANCHORS},
        {&identity->persona_rows, personas, sizeof(struct persona_row), SECTION_PERSONA_ROWS},
        {&identity->links, identity->link_count, sizeof(struct link), SECTION_LINKS},
        {&identity->claim_heads, claims > 0 ? ids : 0, sizeof(_Atomic uint32_t),
         SECTION_CLAIM_HEADS},
        {&identity->claims, claims, sizeof(struct claim), SECTION_CLAIMS},
        {&identity->claim_withdrawals, identity->claim_withdrawal_count,
         sizeof(struct claim_withdrawal), SECTION_CLAIM_WITHDRAWALS},
    };
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < sizeof(columns) / sizeof(columns[0]); i++)
        status = column_write(columns[i].column, columns[i].count, columns[i].item_bytes, writer,
                              columns[i].tag, error);
    return status;
}

enum status checkpoint_write(const struct identity *identity, struct image_writer *writer,
                             struct error *error) {
    assert(!identity->open);
    enum status status = write_head(identity, writer, error);
    if (!status) status = write_eras(identity, writer, error);
    if (!status) status = write_columns(identity, writer, error);
    if (!status) status = write_withdrawals(identity, writer, error);
    if (!status)
        status = image_put(writer, SECTION_GONE, identity->gone_ms, identity->gone_count,
                           sizeof(*identity->gone_ms), error);
    if (!status) status = write_waiting(identity, writer, error);
    if (!status)
        status =
            image_put(writer, SECTION_OLD_SPELLINGS, identity->spelling.old_ids,
                      identity->spelling.old_count, sizeof(*identity->spelling.old_ids), error);
    if (!status)
        status = image_put(writer, SECTION_MARKS, identity->marks.slots, identity->marks.capacity,
                           sizeof(*identity->marks.slots), error);
    if (!status)
        status = key_table_write(&identity->identifiers, writer, SECTION_IDENTIFIERS, error);
    if (!status) status = key_table_write(&identity->personas, writer, SECTION_PERSONAS, error);
    if (!status) status = key_table_write(&identity->suppressed, writer, SECTION_SUPPRESSED, error);
    if (!status)
        status = key_table_write(&identity->waiting_keys, writer, SECTION_WAITING_KEYS, error);
    return status;
}

/* ---- opening ---- */

/* Everything is read into an identity of its own, of which only what a checkpoint holds is used,
 * and moves from there to the real one. */

static enum status copy_array(const void *items, uint64_t count, size_t item_bytes, void **out,
                              size_t *out_count, size_t *capacity) {
    *out = NULL;
    if (count == 0) return STATUS_OK;
    *out = memory_alloc(count * item_bytes);
    if (!*out) return STATUS_NO_MEMORY;
    memcpy(*out, items, count * item_bytes);
    *out_count = count;
    *capacity = count;
    return STATUS_OK;
}

static enum status open_eras(struct identity *shell, const struct checkpoint_parts *parts) {
    shell->eras = memory_calloc(parts->era_count, sizeof(*shell->eras));
    if (!shell->eras) return STATUS_NO_MEMORY;
    shell->era_count = (uint32_t)parts->era_count;
    for (uint64_t i = 0; i < parts->era_count; i++) {
        const struct checkpoint_era *from = &parts->eras[i];
        struct era *era = &shell->eras[i];
        era->from_ms = from->from_ms;
        era->any_expires = from->any_expires;
        for (uint32_t type = 0; type < IDENTIFIER_TYPES_MAX; type++) {
            const struct checkpoint_guard *guard = &from->guards[type];
            era->guards[type] = (struct guard){guard->per_customer, guard->priority,
                                               guard->expires_ms, guard->unique, guard->present};
        }
    }
    return STATUS_OK;
}

static enum status open_withdrawals(struct identity *shell, const struct checkpoint_parts *parts) {
    enum status status = STATUS_OK;
    for (uint64_t i = 0; status == STATUS_OK && i < parts->withdrawal_count; i++) {
        const struct checkpoint_withdrawal *from = &parts->withdrawals[i];
        const struct withdrawal withdrawal = {
            .a = from->a, .b = from->b, .known_ms = from->known_ms, .restore = from->restore};
        status = withdrawals_add(shell, &withdrawal);
    }
    return status;
}

static enum status open_waiting(struct identity *shell, const struct checkpoint_parts *parts) {
    uint64_t count = parts->waiting_count;
    size_t heads;
    enum status status =
        copy_array(parts->waiting_heads, parts->waiting_head_count, sizeof(uint32_t),
                   (void **)&shell->waiting_heads, &heads, &shell->waiting_heads_capacity);
    if (!status && count > 0 && !(shell->waiting = memory_alloc(count * sizeof(*shell->waiting))))
        status = STATUS_NO_MEMORY;
    if (status) return status;
    shell->waiting_count = shell->waiting_capacity = count;
    for (uint64_t i = 0; i < count; i++) {
        const struct checkpoint_waiting *from = &parts->waiting[i];
        shell->waiting[i] = (struct waiting_name){.key = from->key,
                                                  .anchor = from->anchor,
                                                  .older = from->older,
                                                  .source = (uint16_t)from->source,
                                                  .time_ms = from->time_ms,
                                                  .known_ms = from->known_ms};
    }
    return STATUS_OK;
}

static enum status open_marks(struct identity *shell, const struct checkpoint_parts *parts) {
    size_t ignored;
    enum status status = copy_array(parts->marks, parts->mark_count, sizeof(uint64_t),
                                    (void **)&shell->marks.slots, &ignored, &shell->marks.capacity);
    for (uint64_t i = 0; !status && i < parts->mark_count; i++)
        shell->marks.count += parts->marks[i] != 0;
    shell->marks.any_without = parts->head->marks_missing;
    return status;
}

static enum status open_columns(struct identity *shell, const struct checkpoint_parts *parts) {
    struct forest *forest = &shell->forest;
    uint64_t ids = parts->id_count, personas = parts->persona_count;
    const struct {
        struct column_store *column;
        void *items;
        uint64_t count;
        size_t item_bytes;
    } columns[] = {
        {&forest->heads, parts->heads, ids, sizeof(_Atomic uint32_t)},
        {&forest->nodes, parts->nodes, ids, sizeof(struct node)},
        {&forest->edges, parts->edges, parts->edge_count, sizeof(struct edge)},
        {&shell->singles, parts->singles, ids, sizeof(_Atomic uint32_t)},
        {&shell->anchors, parts->anchors, personas, sizeof(_Atomic uint32_t)},
        {&shell->persona_rows, parts->persona_rows, personas, sizeof(struct persona_row)},
        {&shell->links, parts->links, parts->link_count, sizeof(struct link)},
        {&shell->claim_heads, parts->claim_heads, parts->claim_head_count,
         sizeof(_Atomic uint32_t)},
        {&shell->claims, parts->claims, parts->claim_count, sizeof(struct claim)},
        {&shell->claim_withdrawals, parts->claim_withdrawals, parts->claim_withdrawal_count,
         sizeof(struct claim_withdrawal)},
    };
    for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
        column_begin(columns[i].column, columns[i].items, columns[i].count, columns[i].item_bytes);
    enum status status = column_reserve(&shell->claim_heads, ids, sizeof(_Atomic uint32_t));
    if (!status) status = column_reserve(&shell->node_marks, ids, sizeof(struct node_mark));
    return status ? status : column_reserve(&shell->windows, personas, sizeof(struct known_window));
}

static enum status open_tables(struct identity *shell, const struct image *image) {
    enum status status = key_table_begin(&shell->identifiers, image, SECTION_IDENTIFIERS);
    if (!status) status = key_table_begin(&shell->personas, image, SECTION_PERSONAS);
    if (!status) status = key_table_begin(&shell->suppressed, image, SECTION_SUPPRESSED);
    return status ? status : key_table_begin(&shell->waiting_keys, image, SECTION_WAITING_KEYS);
}

static enum status open_parts(struct identity *shell, const struct checkpoint_parts *parts) {
    size_t *spelled = &shell->spelling.old_count;
    enum status status = open_eras(shell, parts);
    if (!status) status = open_columns(shell, parts);
    if (!status) status = open_withdrawals(shell, parts);
    if (!status)
        status = copy_array(parts->gone_ms, parts->gone_count, sizeof(int64_t),
                            (void **)&shell->gone_ms, &shell->gone_count, &shell->gone_capacity);
    if (!status) status = open_waiting(shell, parts);
    if (!status)
        status =
            copy_array(parts->old_ids, parts->old_id_count, sizeof(uint32_t),
                       (void **)&shell->spelling.old_ids, spelled, &shell->spelling.old_capacity);
    if (!status) status = open_marks(shell, parts);
    shell->link_count = (uint32_t)parts->link_count;
    STORE(shell->claim_count, (uint32_t)parts->claim_count);
    shell->claim_withdrawal_count = (uint32_t)parts->claim_withdrawal_count;
    shell->forest.edge_count = (uint32_t)parts->edge_count;
    return status;
}

/* The identity's own, empty ones go. */
static void move_in(struct identity *identity, struct identity *shell,
                    const struct checkpoint_head *head) {
    identity_arrays_release(identity);
    identity->identifiers = shell->identifiers;
    identity->personas = shell->personas;
    identity->suppressed = shell->suppressed;
    identity->waiting_keys = shell->waiting_keys;
    identity->forest = shell->forest;
    identity->singles = shell->singles;
    identity->anchors = shell->anchors;
    identity->persona_rows = shell->persona_rows;
    identity->links = shell->links;
    identity->claim_heads = shell->claim_heads;
    identity->claims = shell->claims;
    identity->claim_withdrawals = shell->claim_withdrawals;
    STORE(identity->claim_count, LOAD(shell->claim_count));
    identity->claim_withdrawal_count = shell->claim_withdrawal_count;
    identity->node_marks = shell->node_marks;
    identity->windows = shell->windows;
    identity->link_count = shell->link_count;
    identity->eras = shell->eras;
    identity->era_count = shell->era_count;
    memcpy(shell->marks.key, identity->marks.key, sizeof(shell->marks.key));
    identity->marks = shell->marks;
    identity->withdrawals = shell->withdrawals;
    identity->withdrawal_count = shell->withdrawal_count;
    identity->withdrawal_capacity = shell->withdrawal_capacity;
    identity->withdrawal_slots = shell->withdrawal_slots;
    identity->withdrawal_slot_count = shell->withdrawal_slot_count;
    identity->gone_ms = shell->gone_ms;
    identity->gone_count = shell->gone_count;
    identity->gone_capacity = shell->gone_capacity;
    identity->waiting = shell->waiting;
    identity->waiting_count = shell->waiting_count;
    identity->waiting_capacity = shell->waiting_capacity;
    identity->waiting_heads = shell->waiting_heads;
    identity->waiting_heads_capacity = shell->waiting_heads_capacity;
    identity->spelling.old_ids = shell->spelling.old_ids;
    identity->spelling.old_count = shell->spelling.old_count;
    identity->spelling.old_capacity = shell->spelling.old_capacity;
    STORE(identity->visible, head->visible);
    STORE(identity->visible_personas, head->visible_personas);
}

static enum status open_into(struct identity *identity, struct identity *shell,
                             struct image *image) {
    struct checkpoint_parts parts;
    struct image *kept = memory_alloc(sizeof(*kept));
    if (!kept) return STATUS_NO_MEMORY;
    enum status status = checkpoint_parts_find(&parts, image);
    if (!status) status = open_tables(shell, image);
    if (!status) status = checkpoint_parts_check(&parts, shell);
    if (!status && parts.id_count > identity->options.identifiers_max) status = STATUS_LIMIT;
    if (!status) status = open_parts(shell, &parts);
    if (status) {
        memory_free(kept);
        return status;
    }
    *kept = *image;
    *image = (struct image){.fs = kept->fs};
    move_in(identity, shell, parts.head);
    identity->image = kept;
    return STATUS_OK;
}

enum status checkpoint_open(struct identity *identity, struct image *image, struct error *error) {
    assert(!identity->open && key_table_count(&identity->identifiers) == 0 && image->has_room);
    if (image->contents != CHECKPOINT_FORMAT)
        return error_set(error, STATUS_VERSION, "identity: a checkpoint of another program");
    struct identity *shell = memory_calloc(1, sizeof(*shell));
    if (!shell) return error_set(error, STATUS_NO_MEMORY, "identity: no memory for a checkpoint");
    enum status status = open_into(identity, shell, image);
    if (status) identity_arrays_release(shell);
    memory_free(shell);
    if (status == STATUS_OK) return STATUS_OK;
    return error_set(error, status, "identity: the checkpoint %s",
                     status == STATUS_CORRUPT   ? "holds what can be no identity"
                     : status == STATUS_VERSION ? "is of a program with another layout"
                                                : status_name(status));
}

enum status checkpoint_begin(struct identity **out, const struct identity *like,
                             struct image *image, struct error *error) {
    struct identity *identity = NULL;
    enum status status = identity_create(&identity, &like->options);
    if (status) return error_set(error, status, "identity: %s", status_name(status));
    if (image) status = checkpoint_open(identity, image, error);
    if (status) {
        identity_destroy(identity);
        return status;
    }
    *out = identity;
    return STATUS_OK;
}

enum status checkpoint_detach(struct identity *identity) {
    return identity->image ? image_detach(identity->image) : STATUS_OK;
}
