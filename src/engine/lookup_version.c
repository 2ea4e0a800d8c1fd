/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/lookup_version.h"

#include "base/log_line.h"
#include "base/memory.h"
#include "engine/engine_internal.h"

/* A question touches the pages of a slot, a group and a few cells; the system brings in some pages
 * around each. */
#define QUESTION_BYTES (UINT64_C(192) << 10)

void lookup_pages_init(struct lookup_pages *pages) {
    *pages = (struct lookup_pages){.first = NULL};
    pthread_mutex_init(&pages->lock, NULL);
}

void lookup_pages_release(struct lookup_pages *pages) {
    pthread_mutex_destroy(&pages->lock);
}

enum status lookup_version_create(struct lookup_version **out, struct engine *engine,
                                  struct held_playbook *playbook, uint32_t lookup, int64_t known_ms,
                                  uint64_t hash, struct lookup_table *table, struct error *error) {
    (void)error;
    struct lookup_version *version = memory_calloc(1, sizeof *version);
    *out = NULL;
    if (version == NULL) return STATUS_NO_MEMORY;
    lookup_destroy(table);
    shared_init(&version->shared);
    version->known_ms = known_ms;
    version->hash = hash;
    version->playbook = playbook;
    shared_hold(&playbook->shared);
    version->lookup = lookup;
    version->engine = engine;
    *out = version;
    return STATUS_OK;
}

/* ---- pages; under the lock ---- */

static uint64_t limit_of(const struct lookup_pages *pages) {
    uint64_t largest = atomic_load_explicit(&pages->largest, memory_order_relaxed);
    uint64_t limit = largest + largest / 2;
    return limit > LOOKUP_PAGES_BYTES ? limit : LOOKUP_PAGES_BYTES;
}

static void add_held(struct lookup_pages *pages, struct lookup_version *version, uint64_t bytes) {
    atomic_fetch_add_explicit(&version->held, bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&pages->held, bytes, memory_order_relaxed);
}

static void page_out(struct lookup_pages *pages, struct lookup_version *version) {
    uint64_t held = atomic_exchange_explicit(&version->held, 0, memory_order_relaxed);
    if (held == 0) return;
    lookup_page_out(atomic_load_explicit(&version->table, memory_order_relaxed));
    atomic_fetch_sub_explicit(&pages->held, held, memory_order_relaxed);
}

static void page_out_all_but(struct lookup_pages *pages, const struct lookup_version *asked) {
    for (struct lookup_version *version = pages->first; version; version = version->next)
        if (version != asked) page_out(pages, version);
}

static void list_add(struct lookup_pages *pages, struct lookup_version *version) {
    version->next = pages->first;
    if (version->next) version->next->before = version;
    pages->first = version;
}

static void list_remove(struct lookup_pages *pages, struct lookup_version *version) {
    if (version->before) version->before->next = version->next;
    if (version->next) version->next->before = version->before;
    if (pages->first == version) pages->first = version->next;
}

/* ---- the table ---- */

/* A table that can't be read is one that the snapshot does without: only an open directory can be
 * given it again. Reading touches every page, so those of the others leave first, and its own
 * behind it. */
static void read_table(struct lookup_pages *pages, struct lookup_version *version) {
    const struct lookup_rule *rule = &version->playbook->playbook->lookups[version->lookup];
    struct lookup_table *table = NULL;
    struct error why = {0};
    page_out_all_but(pages, version);
    enum status status = lookup_file_read(version->engine, version->hash, rule, &table, &why);
    version->is_tried = status == STATUS_OK || may_do_without(status);
    if (status != STATUS_OK) {
        log_line(LOG_WARNING, "lookup %.*s is left out: %s", TEXT_ARG(rule->name),
                 status == STATUS_NO_MEMORY ? "no memory for it; it is tried again" : why.text);
        return;
    }
    version->bytes = lookup_is_paged(table) ? lookup_bytes(table) : 0;
    if (version->bytes > atomic_load_explicit(&pages->largest, memory_order_relaxed))
        atomic_store_explicit(&pages->largest, version->bytes, memory_order_relaxed);
    lookup_page_out(table);
    list_add(pages, version);
    atomic_store_explicit(&version->table, table, memory_order_release);
}

static struct lookup_table *first_time(struct lookup_version *version) {
    struct lookup_pages *pages = &version->engine->lookup_pages;
    pthread_mutex_lock(&pages->lock);
    struct lookup_table *table = atomic_load_explicit(&version->table, memory_order_acquire);
    if (table == NULL && !version->is_tried) {
        read_table(pages, version);
        table = atomic_load_explicit(&version->table, memory_order_relaxed);
    }
    pthread_mutex_unlock(&pages->lock);
    return table;
}

/* Once a version is taken for wholly in memory, a question costs two loads. */
static void note_question(struct lookup_version *version) {
    struct lookup_pages *pages = &version->engine->lookup_pages;
    if (atomic_load_explicit(&version->held, memory_order_relaxed) >= version->bytes) return;
    add_held(pages, version, QUESTION_BYTES);
    if (atomic_load_explicit(&pages->held, memory_order_relaxed) <= limit_of(pages)) return;
    pthread_mutex_lock(&pages->lock);
    page_out_all_but(pages, version);
    pthread_mutex_unlock(&pages->lock);
}

const struct lookup_table *lookup_version_table(struct lookup_version *version) {
    struct lookup_table *table = atomic_load_explicit(&version->table, memory_order_acquire);
    if (table == NULL) table = first_time(version);
    if (table != NULL) note_question(version);
    return table;
}

void lookup_version_drop(struct lookup_version *version) {
    if (version == NULL || !shared_drop(&version->shared)) return;
    struct lookup_pages *pages = &version->engine->lookup_pages;
    struct lookup_table *table = atomic_load_explicit(&version->table, memory_order_acquire);
    if (table != NULL) {
        pthread_mutex_lock(&pages->lock);
        atomic_fetch_sub_explicit(&pages->held,
                                  atomic_load_explicit(&version->held, memory_order_relaxed),
                                  memory_order_relaxed);
        list_remove(pages, version);
        pthread_mutex_unlock(&pages->lock);
    }
    lookup_destroy(table);
    held_playbook_drop(version->playbook);
    memory_free(version);
}
