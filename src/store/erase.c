/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/log_line.h"
#include "base/memory.h"
#include "store/checkpoint.h"
#include "store/edit.h"
#include "store/run/run_file.h"

/* A bit for each persona to erase, as many as the largest needs. */
struct persona_bits {
    uint64_t *bits;
    uint32_t count;
};

static enum status bits_of(const struct store_erasure *erasure, struct persona_bits *out,
                           struct error *error) {
    uint32_t max = 0;
    for (size_t i = 0; i < erasure->persona_count; i++) {
        if (erasure->personas[i].value == ID_NONE)
            return error_set(error, STATUS_INVALID, "an erasure names a persona that is none");
        if (erasure->personas[i].value > max) max = erasure->personas[i].value;
    }
    out->count = max + 1;
    out->bits = memory_calloc((size_t)max / 64 + 1, sizeof(*out->bits));
    if (!out->bits) return error_set(error, STATUS_NO_MEMORY, "no memory to erase");
    for (size_t i = 0; i < erasure->persona_count; i++) {
        uint32_t persona = erasure->personas[i].value;
        out->bits[persona / 64] |= UINT64_C(1) << (persona % 64);
    }
    return STATUS_OK;
}

static bool run_has_persona(const struct run *run, const struct store_erasure *erasure) {
    for (size_t i = 0; i < erasure->persona_count; i++)
        if (run_find(run, erasure->personas[i].value) != ID_NONE) return true;
    return false;
}

/* Positions of other people's rows that name them: the keys of these rows go, too. */
struct naming_rows {
    const struct store_erasure *erasure;
    uint64_t *positions;
    size_t count, capacity;
    bool no_memory;
};

static bool drops(void *context, const struct run_row *row) {
    struct naming_rows *naming = context;
    const struct store_erasure *erasure = naming->erasure;
    if (erasure->names_them == NULL) return false;
    if (row->type != erasure->naming_type || !erasure->names_them(erasure->context, row->packed))
        return false;
    if (memory_grow((void **)&naming->positions, &naming->capacity, naming->count + 1,
                    sizeof(*naming->positions)))
        naming->no_memory = true;
    else
        naming->positions[naming->count++] = row->position;
    return true;
}

static bool edits(void *context, const struct run_row *row, struct buffer *out) {
    const struct store_erasure *erasure = ((struct naming_rows *)context)->erasure;
    return erasure->clean(erasure->context, row->source, row->packed, out);
}

static int compare_positions(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static enum status erase_keys(struct edit *edit, const struct persona_bits *bits,
                              struct naming_rows *naming, struct error *error) {
    if (naming->no_memory) return error_set(error, STATUS_NO_MEMORY, "no memory to erase");
    if (naming->count)
        qsort(naming->positions, naming->count, sizeof(*naming->positions), compare_positions);
    const struct erased_rows rows = {bits->bits, bits->count, naming->positions, naming->count};
    return store_keys_erase(edit, &rows, error);
}

static enum status part_names_them(const struct run *run, uint32_t part,
                                   struct run_block_cache *cache,
                                   const struct store_erasure *erasure, struct buffer *scratch,
                                   bool *found) {
    const uint16_t *types = (const uint16_t *)run_bytes(run, part, RUN_TYPE);
    enum status status = types == NULL ? STATUS_CORRUPT : STATUS_OK;
    for (uint32_t row = 0; status == STATUS_OK && !*found && row < run->parts[part].row_count;
         row++) {
        struct run_row whole;
        bool may_name = erasure->names_them != NULL && types[row] == erasure->naming_type;
        if (!may_name && erasure->clean == NULL) continue;
        status = run_row_get(cache, run, part, row, ID_NONE, &whole);
        if (status == STATUS_OK && may_name)
            *found = erasure->names_them(erasure->context, whole.packed);
        buffer_clear(scratch);
        if (status == STATUS_OK && !*found && erasure->clean != NULL)
            *found = erasure->clean(erasure->context, whole.source, whole.packed, scratch);
    }
    return status;
}

/* Has the run anything to erase? Only rows that may name the person must be read, of their types
 * first; with `clean` every row must be. */
static enum status run_has_any(struct run *run, const struct store_erasure *erasure, bool *found,
                               struct error *error) {
    struct run_block_cache cache;
    struct buffer scratch;
    bool reads = erasure->names_them != NULL || erasure->clean != NULL;
    enum status status = STATUS_OK;
    buffer_init(&scratch);
    *found = run_has_persona(run, erasure);
    run_block_cache_init(&cache);
    for (uint32_t part = 0; reads && status == STATUS_OK && !*found && part < run->info.part_count;
         part++)
        status = part_names_them(run, part, &cache, erasure, &scratch, found);
    run_block_cache_release(&cache);
    buffer_release(&scratch);
    if (status == STATUS_CORRUPT) return run_damage(&run, 1, error);
    return status ? error_set(error, status, "no memory to erase") : STATUS_OK;
}

/* run_merge wants one bit for every persona that it may meet. */
static enum status widen(struct persona_bits *bits, uint32_t persona_count, struct error *error) {
    if (bits->count >= persona_count) return STATUS_OK;
    uint64_t *wider = memory_calloc((size_t)persona_count / 64 + 1, sizeof(*wider));
    if (!wider) return error_set(error, STATUS_NO_MEMORY, "no memory to erase");
    memcpy(wider, bits->bits,
           ((size_t)bits->count / 64 + (bits->count % 64 != 0)) * sizeof(*wider));
    memory_free(bits->bits);
    *bits = (struct persona_bits){wider, persona_count};
    return STATUS_OK;
}

static enum status rewrite_run(struct edit *edit, uint32_t index, struct run_merge *merge,
                               struct store_erased *erased, struct error *error) {
    const struct manifest_run before = edit->next.runs[index];
    struct run *run = edit->runs[index]->run;
    uint64_t number = edit_number(edit), kept = 0;
    char path[FILE_PATH_MAX];
    enum status status = edit_create(edit, "runs", number, "run", path, error);
    if (status) return status;
    merge->runs = &run;
    merge->run_count = 1;
    struct run_info info;
    const struct run_target target = {edit->store->fs, path, &edit->columns, edit->store->symbols,
                                      edit->store->work};
    status = run_merge(&target, merge, &info, error);
    if (status && status != STATUS_END) return status;
    bool any = status == STATUS_OK;
    status = edit_remove_run(edit, index, error);
    if (status == STATUS_OK && any) {
        kept = info.row_count;
        const struct manifest_run after = {number, before.level, before.group, info.row_count,
                                           info.file_bytes};
        status = edit_insert_run(edit, index, &after, path, error);
    }
    erased->event_count += before.row_count - kept;
    erased->files_rewritten++;
    return status;
}

/* Customer ids a run_merge is given must reach every persona that has a bit, or none. */
static enum status erase_runs(struct edit *edit, const struct store_erasure *erasure,
                              struct store_erased *erased, struct error *error) {
    struct persona_bits bits = {0};
    struct run_merge merge = {.customer_to = ID_NONE};
    struct naming_rows naming = {.erasure = erasure};
    uint32_t *customer = NULL, persona_count = 0;
    enum status status = bits_of(erasure, &bits, error);
    if (status == STATUS_OK)
        status =
            store_customers(edit->store, edit->next.position, &customer, &persona_count, error);
    if (status == STATUS_OK) status = widen(&bits, persona_count, error);
    if (status == STATUS_OK && customer && persona_count < bits.count) {
        uint32_t *longer = memory_realloc(customer, (size_t)bits.count * sizeof(*customer));
        if (!longer) status = error_set(error, STATUS_NO_MEMORY, "no memory to erase");
        for (uint32_t i = persona_count; longer && i < bits.count; i++) longer[i] = i;
        customer = longer ? longer : customer;
    }
    merge.customer = customer;
    merge.dropped = bits.bits;
    merge.persona_count = bits.count;
    merge.drops = erasure->names_them ? drops : NULL;
    merge.edits = erasure->clean ? edits : NULL;
    merge.drops_context = &naming;
    for (uint32_t i = edit->next.run_count; status == STATUS_OK && i-- > 0;) {
        bool any;
        status = run_has_any(edit->runs[i]->run, erasure, &any, error);
        if (status == STATUS_OK && any) status = rewrite_run(edit, i, &merge, erased, error);
    }
    if (status == STATUS_OK) status = erase_keys(edit, &bits, &naming, error);
    memory_free(naming.positions);
    memory_free(customer);
    memory_free(bits.bits);
    return status;
}

/* Writes each file into a new one. A file in which nothing changes stays as it was. */
static enum status erase_side(struct edit *edit, enum stored_kind kind,
                              const struct store_erasure *erasure, struct store_erased *erased,
                              struct error *error) {
    struct side_filter filter = {
        .row = erasure->row_is_theirs,
        .record = erasure->rewrite,
        .context = erasure->context,
        .forgotten = erasure->forgotten,
    };
    uint32_t count = kind == STORED_LINKS ? edit->next.links_count : edit->next.quarantine_count;
    if (count == 0 || (kind == STORED_LINKS ? !filter.record : !filter.row)) return STATUS_OK;
    const struct edit_side what = {kind, 0, count, 0, 0, &filter};
    enum status status = edit_side(edit, &what, error);
    erased->row_count += filter.row_count;
    erased->record_count += filter.record_count;
    erased->files_rewritten += count;
    return status;
}

/* It was made of records as they were before. */
static enum status drop_checkpoint(struct edit *edit, struct error *error) {
    uint64_t number = edit->next.checkpoint.number;
    edit->next.checkpoint = (struct manifest_checkpoint){0};
    return number ? edit_obsolete(edit, "links", number, "checkpoint", error) : STATUS_OK;
}

/* What was asked for is done: a checkpoint that can't be made is made by the next fold. */
static void renew_checkpoint(struct store *store) {
    struct error why = {0};
    if (store_checkpoint_anew(store, &why))
        log_line(LOG_WARNING, "no checkpoint was made, so the next opening takes longer: %s",
                 why.text);
}

static enum status erase(struct store *store, const struct store_erasure *erasure,
                         struct store_erased *out, struct error *error) {
    enum status status = store_fold_all(store, error);
    struct edit *edit = NULL;
    if (status == STATUS_OK) status = edit_begin(&edit, store, error);
    if (status == STATUS_OK && (erasure->persona_count || erasure->names_them || erasure->clean))
        status = erase_runs(edit, erasure, out, error);
    if (status == STATUS_OK) status = erase_side(edit, STORED_LINKS, erasure, out, error);
    if (status == STATUS_OK) status = erase_side(edit, STORED_QUARANTINE, erasure, out, error);
    if (status == STATUS_OK) status = drop_checkpoint(edit, error);
    if (status == STATUS_OK) status = edit_commit(edit, false, error);
    edit_end(edit);
    /* The old files and the log must really be gone before anybody is told so. */
    if (status == STATUS_OK) status = log_drop(store->log, store->manifest.position, error);
    if (status == STATUS_OK && erasure->forgotten)
        symbols_forget(store->symbols, erasure->forgotten);
    if (status == STATUS_OK) status = store_sweep(store, error);
    if (status == STATUS_OK) renew_checkpoint(store);
    return status;
}

enum status store_erase(struct store *store, const struct store_erasure *erasure,
                        struct store_erased *out, struct error *error) {
    *out = (struct store_erased){0};
    enum status status = store_need_write(store, error);
    if (status) return status;
    store_role_take(store);
    status = erase(store, erasure, out, error);
    store_role_give(store);
    return status;
}
