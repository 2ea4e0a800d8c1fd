/* SPDX-License-Identifier: Apache-2.0 */
/* Key files and superseded versions. A fold writes them; they are merged, made anew from runs, and
 * erased. */
#include <stdlib.h>

#include "base/log_line.h"
#include "base/memory.h"
#include "store/edit.h"
#include "store/run/run_file.h"

#define TIER_FILES      4u         /* so many files of a level become one of the next */
#define FROM_RUNS_KEYS  (1u << 22) /* keys from runs are sorted so many at a time at least */
#define FROM_RUNS_FILES 32u        /* but into no more files than these */

static enum status no_memory(const struct store *store, struct error *error) {
    return error_set(error, STATUS_NO_MEMORY, "%s: no memory for keys", store->directory);
}

/* ---- at a fold ---- */

/* Writes a list into a new file at `index` of the next manifest. */
static enum status write_list(struct edit *edit, uint32_t index, uint32_t level,
                              const struct key_list *list, struct error *error) {
    char path[FILE_PATH_MAX];
    struct manifest_keys keys = {.number = edit_number(edit), .level = level};
    enum status status = edit_create(edit, "keys", keys.number, "keys", path, error);
    if (status == STATUS_OK)
        status = key_file_write(edit->store->fs, path, list, &keys.count, &keys.bytes, error);
    return status ? status : edit_insert_keys(edit, index, &keys, path, error);
}

static enum status fold_superseded(struct edit *edit, const struct superseded_tail *tail,
                                   struct error *error) {
    uint32_t more = superseded_tail_count(tail);
    if (more == 0) return STATUS_OK;
    uint64_t before = edit->superseded ? edit->superseded->count : 0;
    struct superseded_row *rows = memory_alloc((size_t)(before + more) * sizeof(*rows));
    if (!rows) return no_memory(edit->store, error);
    if (before) memcpy(rows, edit->superseded->rows, (size_t)before * sizeof(*rows));
    for (uint32_t i = 0; i < more; i++) {
        rows[before + i] = *superseded_tail_at(tail, i);
        rows[before + i].zero = 0;
    }
    enum status status = edit_supersede(edit, rows, before + more, error);
    memory_free(rows);
    return status;
}

struct share_list {
    const struct tail_keys *keys;
    const struct tail_key **chunks;
    size_t capacity;
};

static inline const struct tail_key *share_key(const struct share_list *share, size_t i) {
    return share->chunks[i >> TAIL_KEYS_CHUNK_BITS] + (i & (TAIL_KEYS_CHUNK - 1));
}

static void share_entry(const void *context, size_t i, struct key_entry *out) {
    const struct share_list *share = context;
    tail_keys_tell(share->keys, share_key(share, i), out);
}

static void share_prefetch(const void *context, size_t i) {
    __builtin_prefetch(share_key(context, i));
}

/* Share by share: the keys of one lie below those of the next. */
static enum status write_shares(struct key_writer *writer, const struct tail_keys *keys,
                                struct error *error) {
    struct share_list entries = {.keys = keys};
    enum status status = STATUS_OK;
    for (uint32_t share = 0; status == STATUS_OK && share < TAIL_KEYS_SHARES; share++) {
        const struct key_list list = {.count = keys->shares[share].count,
                                      .get = share_entry,
                                      .prefetch = share_prefetch,
                                      .context = &entries};
        if (list.count == 0) continue;
        status = memory_grow((void **)&entries.chunks, &entries.capacity,
                             (list.count >> TAIL_KEYS_CHUNK_BITS) + 1, sizeof(*entries.chunks));
        if (status) {
            status = error_set(error, status, "no memory to fold keys");
            break;
        }
        (void)tail_keys_chunks(keys, share, entries.chunks);
        status = key_writer_add_list(writer, &list, error);
    }
    memory_free((void *)entries.chunks);
    return status;
}

enum status store_keys_fold(struct edit *edit, const struct tail *tail, struct error *error) {
    const struct tail_keys *tail_keys = tail_keys_of(tail);
    struct manifest_keys keys = {0};
    struct key_writer *writer = NULL;
    char path[FILE_PATH_MAX];
    enum status status = STATUS_OK;
    if (tail_keys->count) {
        keys.number = edit_number(edit);
        status = edit_create(edit, "keys", keys.number, "keys", path, error);
        if (status == STATUS_OK)
            status = key_writer_create(&writer, edit->store->fs, path, tail_keys->count, error);
        if (status == STATUS_OK) status = write_shares(writer, tail_keys, error);
        if (status == STATUS_OK)
            status = key_writer_finish(writer, &keys.count, &keys.bytes, error);
        key_writer_destroy(writer);
        if (status == STATUS_OK)
            status = edit_insert_keys(edit, edit->next.keys_count, &keys, path, error);
    }
    return status ? status : fold_superseded(edit, tail_superseded(tail), error);
}

/* ---- merging ---- */

/* Merges files [first, first + count) of the next manifest into one. */
static enum status merge_files(struct edit *edit, uint32_t first, uint32_t count, uint32_t level,
                               const struct key_merge *with, struct error *error) {
    struct key_file *files[MANIFEST_KEYS_MAX];
    struct key_merge merge = with ? *with : (struct key_merge){0};
    char path[FILE_PATH_MAX];
    struct manifest_keys keys = {.number = edit_number(edit), .level = level};
    for (uint32_t i = 0; i < count; i++) files[i] = edit->keys[first + i]->file;
    merge.files = files;
    merge.file_count = count;
    enum status status = edit_create(edit, "keys", keys.number, "keys", path, error);
    if (status == STATUS_OK)
        status = key_file_merge(edit->store->fs, path, &merge, &keys.count, &keys.bytes, error);
    bool any = status != STATUS_END;
    if (status == STATUS_END) status = STATUS_OK;
    for (uint32_t i = count; status == STATUS_OK && i-- > 0;)
        status = edit_remove_keys(edit, first + i, error);
    if (status || !any) return status;
    return edit_insert_keys(edit, first, &keys, path, error);
}

/* Finds the files of `level`, which stand side by side, where they are enough. */
static bool find_tier(const struct manifest *manifest, uint32_t level, uint32_t *first,
                      uint32_t *count) {
    uint64_t sum = 0;
    *first = *count = 0;
    for (uint32_t i = 0; i < manifest->keys_count; i++) {
        if (manifest->keys[i].level != level) continue;
        if (*count == 0) *first = i;
        (*count)++;
        sum += manifest->keys[i].count;
    }
    return *count >= TIER_FILES && sum <= KEY_FILE_MAX;
}

static enum status merge_and_commit(struct store *store, uint32_t first, uint32_t count,
                                    uint32_t level, struct error *error) {
    struct edit *edit = NULL;
    enum status status = edit_begin(&edit, store, error);
    if (status == STATUS_OK) status = merge_files(edit, first, count, level, NULL, error);
    if (status == STATUS_OK) status = edit_commit(edit, false, error);
    edit_end(edit);
    return status;
}

enum status store_keys_compact(struct store *store, bool all, struct error *error) {
    const struct manifest *manifest = &store->manifest;
    uint32_t level_max = manifest->keys_count ? manifest->keys[0].level : 0, first, count;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < manifest->keys_count; i++) sum += manifest->keys[i].count;
    if (all && manifest->keys_count > 1 && sum <= KEY_FILE_MAX)
        return merge_and_commit(store, 0, manifest->keys_count, level_max + 1, error);
    enum status status = STATUS_OK;
    for (uint32_t level = 0; status == STATUS_OK && level <= level_max + 1; level++)
        if (find_tier(manifest, level, &first, &count))
            status = merge_and_commit(store, first, count, level + 1, error);
    return status;
}

/* ---- from runs ---- */

struct from_runs {
    struct edit *edit;
    struct key_entry *entries;
    size_t count, capacity, limit;
    uint32_t written; /* files, at the beginning of the manifest */
    uint32_t level;
};

static void run_entry(const void *context, size_t i, struct key_entry *out) {
    *out = ((const struct key_entry *)context)[i];
}

static void run_prefetch(const void *context, size_t i) {
    const char *at = (const char *)((const struct key_entry *)context + i);
    __builtin_prefetch(at);
    __builtin_prefetch(at + sizeof(struct key_entry) - 1);
}

static enum status flush_entries(struct from_runs *from, struct error *error) {
    const struct key_list list = {
        .count = from->count, .get = run_entry, .prefetch = run_prefetch, .context = from->entries};
    if (from->count == 0) return STATUS_OK;
    enum status status = write_list(from->edit, from->written++, from->level, &list, error);
    from->count = 0;
    return status;
}

static enum status take_part(struct from_runs *from, const struct run *run, uint32_t part,
                             uint32_t *entry) {
    const struct run_section *section = run_section_of(run, part, 0);
    const uint8_t *keys = run_bytes(run, part, RUN_KEY),
                  *positions = run_bytes(run, part, RUN_POSITION),
                  *sources = run_bytes(run, part, RUN_SOURCE);
    uint32_t first = run->parts[part].row_first, rows = run->parts[part].row_count;
    if (!keys || !positions || !sources) return STATUS_CORRUPT;
    if (memory_grow((void **)&from->entries, &from->capacity, from->count + rows,
                    sizeof(*from->entries)))
        return STATUS_NO_MEMORY;
    for (uint32_t row = 0; row < rows; row++) {
        uint64_t low = (uint64_t)run_narrow(&section[RUN_KEY], keys, row);
        while (run->entry_row[*entry + 1] <= first + row) (*entry)++;
        if (low == 0) continue;
        from->entries[from->count++] = (struct key_entry){
            .low = low,
            .version = ROW_VERSION_NONE,
            .position = (uint64_t)run_narrow(&section[RUN_POSITION], positions, row),
            .persona = run->entry_persona[*entry],
            .source = (uint16_t)run_narrow(&section[RUN_SOURCE], sources, row),
            .flags = KEY_LEGACY,
        };
    }
    return STATUS_OK;
}

static enum status take_runs(struct from_runs *from, struct error *error) {
    const struct edit *edit = from->edit;
    enum status status = STATUS_OK;
    for (uint32_t r = 0; status == STATUS_OK && r < edit->next.run_count; r++) {
        struct run *run = edit->runs[r]->run;
        uint32_t entry = 0;
        for (uint32_t p = 0; status == STATUS_OK && p < run->info.part_count; p++) {
            status = take_part(from, run, p, &entry);
            if (status == STATUS_CORRUPT) return run_damage(&run, 1, error);
            if (status) return no_memory(edit->store, error);
            if (from->count >= from->limit) status = flush_entries(from, error);
        }
    }
    return status ? status : flush_entries(from, error);
}

/* Takes damaged key files out of the next manifest. */
static enum status leave_damaged(struct edit *edit, uint32_t *count, struct error *error) {
    enum status status = STATUS_OK;
    for (uint32_t i = edit->next.keys_count; status == STATUS_OK && i-- > 0;) {
        char path[FILE_PATH_MAX];
        status = stored_path(path, edit->store->directory, "keys", edit->next.keys[i].number,
                             "keys", error);
        if (status) break;
        enum status found = key_file_check(edit->store->fs, path, NULL, NULL, error);
        if (found != STATUS_CORRUPT) {
            status = found;
            continue;
        }
        status = edit_remove_keys(edit, i, error);
        (*count)++;
    }
    return status;
}

enum status store_keys_from_runs(struct store *store, bool verify, struct error *error) {
    struct from_runs from = {0};
    uint32_t damaged = 0;
    uint64_t rows = 0;
    bool of_before = store->manifest.format < MANIFEST_WITH_KEYS;
    enum status status = edit_begin(&from.edit, store, error);
    if (status == STATUS_OK && verify) status = leave_damaged(from.edit, &damaged, error);
    if (status == STATUS_OK && (of_before || damaged)) {
        for (uint32_t i = 0; i < from.edit->next.run_count; i++)
            rows += from.edit->next.runs[i].row_count;
        from.limit =
            rows / FROM_RUNS_FILES > FROM_RUNS_KEYS ? rows / FROM_RUNS_FILES : FROM_RUNS_KEYS;
        from.level = store->manifest.keys_count ? store->manifest.keys[0].level + 1 : 0;
        status = take_runs(&from, error);
        if (status == STATUS_OK) {
            from.edit->next.format = MANIFEST_FORMAT;
            status = edit_commit(from.edit, false, error);
        }
    }
    edit_end(from.edit);
    memory_free(from.entries);
    if (status == STATUS_OK && damaged)
        log_line(LOG_WARNING,
                 "%s: %u key files were damaged: keys were made anew from the runs, without the "
                 "contents of their rows",
                 store->directory, damaged);
    return status;
}

/* ---- erasing ---- */

static bool is_erased(const struct erased_rows *rows, uint32_t persona, uint64_t position) {
    if (persona < rows->persona_count && (rows->persona_bits[persona / 64] >> (persona % 64) & 1))
        return true;
    size_t low = 0, high = rows->position_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (rows->positions[middle] < position)
            low = middle + 1;
        else
            high = middle;
    }
    return low < rows->position_count && rows->positions[low] == position;
}

struct key_erasing {
    const struct erased_rows *rows;
    struct row_key *keys; /* ascending: their newest version is erased */
    size_t count, capacity;
    bool touched[MANIFEST_KEYS_MAX]; /* files that have something to lose */
};

static int compare_keys(const void *a, const void *b) {
    const struct row_key *x = a, *y = b;
    if (x->low != y->low) return x->low < y->low ? -1 : 1;
    return (x->high > y->high) - (x->high < y->high);
}

static bool drops_entry(const void *context, const struct key_entry *entry) {
    const struct key_erasing *erasing = context;
    const struct row_key key = {entry->low, entry->high};
    return is_erased(erasing->rows, entry->persona, entry->position) ||
           (erasing->count &&
            bsearch(&key, erasing->keys, erasing->count, sizeof(key), compare_keys) != NULL);
}

/* Every entry of an erased row, in whichever file: its key. */
static enum status find_erased(const struct edit *edit, struct key_erasing *erasing,
                               struct error *error) {
    for (uint32_t f = 0; f < edit->next.keys_count; f++) {
        const struct key_file *file = edit->keys[f]->file;
        for (uint64_t i = 0; i < key_file_count(file); i++) {
            struct key_entry entry;
            if (key_file_at(file, i, &entry)) return key_file_damage(file, error);
            if (!is_erased(erasing->rows, entry.persona, entry.position)) continue;
            erasing->touched[f] = true;
            if (memory_grow((void **)&erasing->keys, &erasing->capacity, erasing->count + 1,
                            sizeof(*erasing->keys)))
                return no_memory(edit->store, error);
            erasing->keys[erasing->count++] = (struct row_key){entry.low, entry.high};
        }
    }
    if (erasing->count) qsort(erasing->keys, erasing->count, sizeof(*erasing->keys), compare_keys);
    return STATUS_OK;
}

/* Keeps the keys whose newest version is erased: they go from every file, or an older version would
 * come to light. A key that has a newer row of somebody else stays. */
static enum status keep_newest(const struct edit *edit, struct key_erasing *erasing,
                               struct error *error) {
    size_t kept = 0;
    for (size_t k = 0; k < erasing->count; k++) {
        bool holds[MANIFEST_KEYS_MAX] = {false}, newest_is_erased = false, any = false;
        for (uint32_t f = edit->next.keys_count; f-- > 0;) {
            struct key_entry entry;
            const struct key_file *file = edit->keys[f]->file;
            if (key_file_find(file, erasing->keys[k], &entry, &holds[f]))
                return key_file_damage(file, error);
            if (!holds[f] || any) continue;
            any = true;
            newest_is_erased = is_erased(erasing->rows, entry.persona, entry.position);
        }
        if (!newest_is_erased) continue;
        erasing->keys[kept++] = erasing->keys[k];
        for (uint32_t f = 0; f < edit->next.keys_count; f++) erasing->touched[f] |= holds[f];
    }
    erasing->count = kept;
    return STATUS_OK;
}

static enum status erase_superseded(struct edit *edit, const struct erased_rows *erased,
                                    struct error *error) {
    const struct superseded *set = edit->superseded;
    if (!set) return STATUS_OK;
    struct superseded_row *rows = memory_alloc((size_t)set->count * sizeof(*rows));
    if (!rows) return no_memory(edit->store, error);
    uint64_t kept = 0;
    for (uint64_t i = 0; i < set->count; i++)
        if (!is_erased(erased, set->rows[i].persona, set->rows[i].position))
            rows[kept++] = set->rows[i];
    enum status status = kept == set->count ? STATUS_OK : edit_supersede(edit, rows, kept, error);
    memory_free(rows);
    return status;
}

enum status store_keys_erase(struct edit *edit, const struct erased_rows *rows,
                             struct error *error) {
    struct key_erasing erasing = {.rows = rows};
    const struct key_merge with = {.drops = drops_entry, .context = &erasing};
    enum status status = find_erased(edit, &erasing, error);
    if (status == STATUS_OK) status = keep_newest(edit, &erasing, error);
    for (uint32_t f = edit->next.keys_count; status == STATUS_OK && f-- > 0;)
        if (erasing.touched[f])
            status = merge_files(edit, f, 1, edit->next.keys[f].level, &with, error);
    memory_free(erasing.keys);
    return status ? status : erase_superseded(edit, rows, error);
}
