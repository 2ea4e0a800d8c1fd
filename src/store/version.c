/* SPDX-License-Identifier: Apache-2.0 */
#include "store/version.h"

#include <assert.h>
#include "base/memory.h"
#include "store/view/view_tail_order.h"

#define POINTER_BITS 48
#define POINTER_MASK ((UINT64_C(1) << POINTER_BITS) - 1)
#define ONE_READER   (UINT64_C(1) << POINTER_BITS)
/* What a version counts while it is the current one. Readers that leave early subtract from it, so
 * it must stay far from zero until versions_publish replaces it by the number of readers still
 * inside. */
#define CURRENT_BIAS (INT64_C(1) << 40)

enum status stored_run_create(struct stored_run **out, struct run *run, uint64_t number) {
    struct stored_run *stored = memory_alloc(sizeof(*stored));
    if (!stored) {
        run_close(run);
        return STATUS_NO_MEMORY;
    }
    *stored = (struct stored_run){.number = number, .run = run};
    atomic_init(&stored->references, 1);
    *out = stored;
    return STATUS_OK;
}

void stored_run_dereference(struct stored_run *run) {
    if (!run || atomic_fetch_sub_explicit(&run->references, 1, memory_order_acq_rel) > 1) return;
    run_close(run->run);
    memory_free(run);
}

enum status stored_keys_create(struct stored_keys **out, struct key_file *file, uint64_t number) {
    struct stored_keys *stored = memory_alloc(sizeof(*stored));
    if (!stored) {
        key_file_close(file);
        return STATUS_NO_MEMORY;
    }
    *stored = (struct stored_keys){.number = number, .file = file};
    atomic_init(&stored->references, 1);
    *out = stored;
    return STATUS_OK;
}

void stored_keys_dereference(struct stored_keys *keys) {
    if (!keys || atomic_fetch_sub_explicit(&keys->references, 1, memory_order_acq_rel) > 1) return;
    key_file_close(keys->file);
    memory_free(keys);
}

void version_add_keys(struct version *version, struct stored_keys *const *keys, uint32_t count,
                      struct superseded *superseded) {
    assert(count <= VERSION_KEYS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        version->keys[i] = keys[i];
        atomic_fetch_add_explicit(&keys[i]->references, 1, memory_order_relaxed);
    }
    version->keys_count = count;
    version->superseded = superseded;
    if (superseded) superseded_reference(superseded);
}

struct version *version_alloc(void) {
    struct version *version = memory_calloc(1, sizeof(struct version));
    if (version) pthread_mutex_init(&version->order_lock, NULL);
    return version;
}

void version_fill(struct version *version, struct stored_run *const *runs, uint32_t run_count,
                  struct tail *const *tails, uint32_t tail_count, const struct column_set *columns,
                  const struct customer_directory *directory) {
    assert(run_count <= VERSION_RUNS_MAX && tail_count >= 1 && tail_count <= 2);
    atomic_init(&version->references, CURRENT_BIAS);
    for (uint32_t i = 0; i < run_count; i++) {
        version->runs[i] = runs[i];
        atomic_fetch_add_explicit(&runs[i]->references, 1, memory_order_relaxed);
    }
    for (uint32_t i = 0; i < tail_count; i++) {
        version->tails[i] = tails[i];
        tail_reference(tails[i]);
    }
    version->run_count = run_count;
    version->tail_count = tail_count;
    if (columns) version->columns = *columns;
    version->directory = directory;
}

struct version *version_create(struct stored_run *const *runs, uint32_t run_count,
                               struct tail *const *tails, uint32_t tail_count,
                               const struct column_set *columns,
                               const struct customer_directory *directory) {
    struct version *version = version_alloc();
    if (version) version_fill(version, runs, run_count, tails, tail_count, columns, directory);
    return version;
}

static void version_destroy(struct version *version) {
    for (uint32_t i = 0; i < version->run_count; i++) stored_run_dereference(version->runs[i]);
    for (uint32_t i = 0; i < version->tail_count; i++) tail_dereference(version->tails[i]);
    for (uint32_t i = 0; i < version->keys_count; i++) stored_keys_dereference(version->keys[i]);
    superseded_dereference(version->superseded);
    view_tail_order_destroy(version->order);
    pthread_mutex_destroy(&version->order_lock);
    memory_free(version);
}

static struct version *word_version(uint64_t word) {
    return (struct version *)(uintptr_t)(word & POINTER_MASK);
}

static void add_references(struct version *version, int64_t count) {
    if (atomic_fetch_add_explicit(&version->references, count, memory_order_acq_rel) + count == 0)
        version_destroy(version);
}

void versions_publish(struct versions *versions, struct version *version) {
    uint64_t word = (uint64_t)(uintptr_t)version;
    assert((word & ~POINTER_MASK) == 0);
    uint64_t before = atomic_exchange_explicit(&versions->word, word, memory_order_acq_rel);
    if (word_version(before))
        add_references(word_version(before), (int64_t)(before >> POINTER_BITS) - CURRENT_BIAS);
}

void versions_release(struct versions *versions) {
    versions_publish(versions, NULL);
}

enum status versions_pin(struct versions *versions, struct version **out, struct error *error) {
    uint64_t word = atomic_load_explicit(&versions->word, memory_order_relaxed);
    do {
        if ((word >> POINTER_BITS) >= VERSION_READERS_MAX)
            return error_set(error, STATUS_LIMIT,
                             "at most %d timeline readers may be open at one time",
                             VERSION_READERS_MAX);
    } while (!atomic_compare_exchange_weak_explicit(&versions->word, &word, word + ONE_READER,
                                                    memory_order_acquire, memory_order_relaxed));
    *out = word_version(word);
    return STATUS_OK;
}

bool versions_is_current(const struct versions *versions, const struct version *version) {
    return word_version(atomic_load_explicit(&versions->word, memory_order_acquire)) == version;
}

void versions_unpin(struct versions *versions, struct version *version) {
    uint64_t word = atomic_load_explicit(&versions->word, memory_order_relaxed);
    while (word_version(word) == version && (word >> POINTER_BITS) > 0) {
        if (atomic_compare_exchange_weak_explicit(&versions->word, &word, word - ONE_READER,
                                                  memory_order_release, memory_order_relaxed))
            return;
    }
    add_references(version, -1);
}
