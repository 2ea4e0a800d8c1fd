/* SPDX-License-Identifier: Apache-2.0 */
#include "store/keys/superseded.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include "base/bits.h"
#include "base/hash.h"
#include "base/memory.h"
#include "store/tail/tail_table.h"

#define MAGIC       UINT64_C(0x0a7075732e747461) /* "att.sup\n" */
#define FORMAT      1u
#define CHUNK_BITS  12
#define CHUNK_ROWS  (1u << CHUNK_BITS)
#define CHUNKS_MAX  16384u
#define CHUNK_BYTES (CHUNK_ROWS * sizeof(struct superseded_row))

struct superseded_header {
    uint64_t magic;
    uint32_t format, zero;
    uint64_t count;
    uint64_t checksum; /* XXH3-64 of the rows, with `count` as its seed */
};
static_assert(sizeof(struct superseded_row) == 32, "a row has no padding");

/* ---- the sorted set ---- */

static int compare_rows(const void *a, const void *b) {
    const struct superseded_row *x = a, *y = b;
    if (x->persona != y->persona) return x->persona < y->persona ? -1 : 1;
    if (x->position != y->position) return x->position < y->position ? -1 : 1;
    return (x->by > y->by) - (x->by < y->by);
}

enum status superseded_write(struct file_system *fs, const char *path, struct superseded_row *rows,
                             uint64_t count, uint64_t *bytes, struct error *error) {
    struct file *file = NULL;
    const size_t length = (size_t)count * sizeof *rows;
    assert(count > 0);
    qsort(rows, (size_t)count, sizeof *rows, compare_rows);
    const struct superseded_header header = {.magic = MAGIC,
                                             .format = FORMAT,
                                             .count = count,
                                             .checksum = hash_bytes(rows, length, count)};
    enum status status = file_open(fs, path, FILE_CREATE_NEW, &file, error);
    if (status == STATUS_OK) status = file_write(file, &header, sizeof header, error);
    if (status == STATUS_OK) status = file_write(file, rows, length, error);
    if (status == STATUS_OK) status = file_sync(file, error);
    file_close(file);
    *bytes = sizeof header + length;
    return status;
}

static enum status corrupt(struct error *error, const char *path, const char *what) {
    return error_set(error, STATUS_CORRUPT,
                     "%s: %s; restore the data directory from a backup (attune fsck tells what "
                     "else is damaged)",
                     path, what);
}

static enum status check(struct superseded *set, const char *path, struct error *error) {
    struct superseded_header header;
    if (set->mapping.length < sizeof header) return corrupt(error, path, "the file is cut short");
    memcpy(&header, set->mapping.at, sizeof header);
    if (header.magic != MAGIC)
        return corrupt(error, path, "this is no file of superseded versions");
    if (header.format > FORMAT && header.format < 1000)
        return error_set(error, STATUS_VERSION,
                         "%s: has format %" PRIu32
                         ", this program reads up to %u: use the newer program that wrote it",
                         path, header.format, FORMAT);
    uint64_t length = set->mapping.length - sizeof header;
    const struct superseded_row *rows =
        (const struct superseded_row *)(const void *)(set->mapping.at + sizeof header);
    bool sound = header.format == FORMAT && header.zero == 0 && header.count > 0 &&
                 length % sizeof *rows == 0 && length / sizeof *rows == header.count &&
                 header.count < UINT32_MAX &&
                 hash_bytes(rows, length, header.count) == header.checksum;
    for (uint64_t i = 0; sound && i < header.count; i++)
        sound = rows[i].zero == 0 && rows[i].persona != ID_NONE &&
                (i == 0 || compare_rows(&rows[i - 1], &rows[i]) <= 0);
    if (!sound) return corrupt(error, path, "the superseded versions are damaged");
    set->rows = rows;
    set->count = header.count;
    return STATUS_OK;
}

static enum status build_index(struct superseded *set) {
    uint32_t personas = 0;
    for (uint64_t i = 0; i < set->count; i++)
        personas += i == 0 || set->rows[i].persona != set->rows[i - 1].persona;
    set->words = set->rows[set->count - 1].persona / 64 + 1;
    set->bits = memory_calloc(set->words, sizeof *set->bits);
    set->rank = memory_calloc(set->words, sizeof *set->rank);
    set->start = memory_alloc(((size_t)personas + 1) * sizeof *set->start);
    if (!set->bits || !set->rank || !set->start) return STATUS_NO_MEMORY;
    for (uint64_t i = 0; i < set->count; i++) {
        uint32_t persona = set->rows[i].persona;
        if (i > 0 && persona == set->rows[i - 1].persona) continue;
        set->bits[persona / 64] |= UINT64_C(1) << (persona % 64);
        set->start[set->persona_count++] = (uint32_t)i;
    }
    set->start[set->persona_count] = (uint32_t)set->count;
    for (uint32_t w = 1; w < set->words; w++)
        set->rank[w] = set->rank[w - 1] + bits_count(set->bits[w - 1]);
    return STATUS_OK;
}

enum status superseded_open(struct superseded **out, struct file_system *fs, const char *path,
                            struct error *error) {
    *out = NULL;
    struct superseded *set = memory_calloc(1, sizeof *set);
    if (!set) return error_set(error, STATUS_NO_MEMORY, "%s: no memory to open it", path);
    atomic_init(&set->references, 1);
    set->fs = fs;
    enum status status = file_map(fs, path, &set->mapping, error);
    if (status == STATUS_OK) status = check(set, path, error);
    if (status == STATUS_OK && build_index(set))
        status = error_set(error, STATUS_NO_MEMORY, "%s: no memory to open it", path);
    if (status) {
        superseded_dereference(set);
        return status;
    }
    *out = set;
    return STATUS_OK;
}

void superseded_reference(struct superseded *set) {
    atomic_fetch_add_explicit(&set->references, 1, memory_order_relaxed);
}

void superseded_dereference(struct superseded *set) {
    if (!set || atomic_fetch_sub_explicit(&set->references, 1, memory_order_acq_rel) > 1) return;
    file_unmap(set->fs, &set->mapping);
    memory_free(set->bits);
    memory_free(set->rank);
    memory_free(set->start);
    memory_free(set);
}

const struct superseded_row *superseded_of(const struct superseded *set, uint32_t persona,
                                           uint32_t *count) {
    *count = 0;
    if (!superseded_has(set, persona)) return NULL;
    uint64_t below = set->bits[persona / 64] & ((UINT64_C(1) << (persona % 64)) - 1);
    uint32_t n = set->rank[persona / 64] + bits_count(below);
    *count = set->start[n + 1] - set->start[n];
    return set->rows + set->start[n];
}

/* ---- beside a tail ---- */

void superseded_tail_release(struct superseded_tail *tail) {
    struct superseded_row **chunks = atomic_load_explicit(&tail->chunks, memory_order_relaxed);
    for (uint32_t i = 0; i < tail->chunk_count; i++) memory_free_huge(chunks[i], CHUNK_BYTES);
    memory_free(chunks);
    tail_table_destroy(atomic_load_explicit(&tail->table, memory_order_relaxed));
}

static enum status begin(struct superseded_tail *tail) {
    struct tail_table *table = tail_table_create();
    struct superseded_row **chunks = memory_calloc(CHUNKS_MAX, sizeof(*chunks));
    if (!table || !chunks) {
        tail_table_destroy(table);
        memory_free(chunks);
        return STATUS_NO_MEMORY;
    }
    atomic_store_explicit(&tail->chunks, chunks, memory_order_relaxed);
    atomic_store_explicit(&tail->table, table, memory_order_release);
    return STATUS_OK;
}

enum status superseded_tail_reserve(struct superseded_tail *tail, size_t more) {
    if (more == 0) return STATUS_OK;
    struct tail_table *table = atomic_load_explicit(&tail->table, memory_order_relaxed), *larger;
    enum status status = table ? STATUS_OK : begin(tail);
    if (status) return status;
    table = atomic_load_explicit(&tail->table, memory_order_relaxed);
    status = tail_table_reserve(table, tail->persona_count + more, &larger);
    if (status) return status;
    if (larger != table) atomic_store_explicit(&tail->table, larger, memory_order_release);
    struct superseded_row **chunks = atomic_load_explicit(&tail->chunks, memory_order_relaxed);
    size_t wanted = (superseded_tail_count(tail) + more + CHUNK_ROWS - 1) >> CHUNK_BITS;
    if (wanted > CHUNKS_MAX) return STATUS_LIMIT;
    for (; tail->chunk_count < wanted; tail->chunk_count++) {
        chunks[tail->chunk_count] = memory_alloc_huge(CHUNK_BYTES);
        if (!chunks[tail->chunk_count]) return STATUS_NO_MEMORY;
    }
    return STATUS_OK;
}

const struct superseded_row *superseded_tail_at(const struct superseded_tail *tail, uint32_t i) {
    struct superseded_row **chunks = atomic_load_explicit(&tail->chunks, memory_order_acquire);
    return &chunks[i >> CHUNK_BITS][i & (CHUNK_ROWS - 1)];
}

void superseded_tail_add(struct superseded_tail *tail, uint32_t persona, uint64_t position,
                         int64_t known_ms, uint64_t by) {
    struct tail_table *table = atomic_load_explicit(&tail->table, memory_order_relaxed);
    uint32_t i = atomic_load_explicit(&tail->count, memory_order_relaxed);
    uint64_t newest;
    _Atomic uint64_t *slot = tail_table_slot(table, persona, &newest);
    if (newest == 0) tail->persona_count++;
    *(struct superseded_row *)(uintptr_t)superseded_tail_at(tail, i) = (struct superseded_row){
        .persona = persona,
        .zero = newest ? (uint32_t)newest + 1 : 0,
        .position = position,
        .known_ms = known_ms,
        .by = by,
    };
    atomic_store_explicit(slot, ((uint64_t)persona + 1) << 32 | i, memory_order_release);
    atomic_store_explicit(&tail->count, i + 1, memory_order_release);
}

const struct superseded_row *superseded_tail_newest(const struct superseded_tail *tail,
                                                    uint32_t persona) {
    const struct tail_table *table = atomic_load_explicit(&tail->table, memory_order_acquire);
    uint64_t newest = 0;
    if (table) (void)tail_table_slot(table, persona, &newest);
    return newest ? superseded_tail_at(tail, (uint32_t)newest) : NULL;
}

const struct superseded_row *superseded_tail_before(const struct superseded_tail *tail,
                                                    const struct superseded_row *row) {
    return row->zero ? superseded_tail_at(tail, row->zero - 1) : NULL;
}
