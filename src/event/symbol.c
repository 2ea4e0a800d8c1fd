/* SPDX-License-Identifier: Apache-2.0 */
/* The names of a kind lie in chunks that never move, and a hash table of id + 1 finds them. To
 * grow, the writer publishes a new table and keeps the old one until the end, so that a reader in
 * the middle of a probe can finish it. All old tables together are smaller than the new one. */
#include "event/symbol.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/hash.h"
#include "base/memory.h"
#include "event/varint.h"

#define CHUNK_NAMES     256
#define CHUNK_COUNT     256
#define ARENA_BYTES_MAX ((size_t)SYMBOL_KIND_COUNT * 65536 * (SYMBOL_BYTES_MAX + 32))

struct symbol_table {
    struct symbol_table *older;
    uint32_t mask;
    _Atomic uint32_t slots[];
};

struct symbol_names {
    _Atomic(struct text *) chunk[CHUNK_COUNT];
    _Atomic(struct symbol_table *) table;
    _Atomic uint32_t count;
    _Atomic uint64_t forgotten[CHUNK_NAMES * CHUNK_COUNT / 64]; /* a bit an id */
};

struct symbols {
    struct symbol_names kind[SYMBOL_KIND_COUNT];
    struct arena arena;
    pthread_mutex_t lock;
};

static const uint32_t count_max[SYMBOL_KIND_COUNT] = {65535, 65535, 255, 65535, 255};

static const char *const reserved_events[EVENT_RESERVED_COUNT] = {
    [EVENT_CUSTOMER_RECORD] = "Customer Record",
    [EVENT_CONSENT_CHANGED] = "Consent Changed",
    [EVENT_OPT_IN_CHANGED] = "Opt In Changed",
    [EVENT_DECISION_MADE] = "Decision Made",
    [EVENT_TREATMENT_SHOWN] = "Treatment Shown",
    [EVENT_TREATMENT_DELIVERED] = "Treatment Delivered",
    [EVENT_TREATMENT_FAILED] = "Treatment Failed",
    [EVENT_TREATMENT_CLICKED] = "Treatment Clicked",
    [EVENT_TREATMENT_ACCEPTED] = "Treatment Accepted",
    [EVENT_TREATMENT_REJECTED] = "Treatment Rejected",
    [EVENT_CUSTOMER_MERGED] = "Customer Merged",
    [EVENT_CUSTOMER_SPLIT] = "Customer Split",
    [EVENT_RELATED] = "Related",
    [EVENT_SURVEY_ANSWERED] = "Survey Answered",
    [EVENT_ERASED] = "Erased",
};

static const char *const reserved_properties[PROPERTY_RESERVED_COUNT] = {
    [PROPERTY_PURPOSE] = "purpose",
    [PROPERTY_STATE] = "state",
    [PROPERTY_SOURCE] = "source",
    [PROPERTY_TEXT_VERSION] = "text_version",
    [PROPERTY_CHANNEL] = "channel",
    [PROPERTY_PLACEMENT] = "placement",
    [PROPERTY_TREATMENT] = "treatment",
    [PROPERTY_ACTION] = "action",
    [PROPERTY_PROBABILITY] = "probability",
    [PROPERTY_TRACE] = "trace",
    [PROPERTY_MODEL] = "model",
    [PROPERTY_PLAYBOOK] = "playbook",
    [PROPERTY_WITHHELD] = "withheld",
    [PROPERTY_DECISION] = "decision",
    [PROPERTY_KIND] = "kind",
    [PROPERTY_TO] = "to",
    [PROPERTY_SURVEY] = "survey",
    [PROPERTY_ITEM] = "item",
    [PROPERTY_ANSWER] = "answer",
    [PROPERTY_REASON] = "reason",
    [PROPERTY_PROPENSITY] = "propensity",
    [PROPERTY_VALUE] = "value",
    [PROPERTY_PRIORITY] = "priority",
    [PROPERTY_GROUP] = "group",
};

static enum status add_reserved(struct symbols *symbols) {
    enum status status = STATUS_OK;
    uint32_t id;
    for (uint32_t i = 0; status == STATUS_OK && i < EVENT_RESERVED_COUNT; i++) {
        status = symbol_add(symbols, SYMBOL_EVENT, text_from(reserved_events[i]), &id);
    }
    for (uint32_t i = 0; status == STATUS_OK && i < PROPERTY_RESERVED_COUNT; i++) {
        status = symbol_add(symbols, SYMBOL_PROPERTY, text_from(reserved_properties[i]), &id);
    }
    return status;
}

enum status symbols_create(struct symbols **out) {
    struct symbols *symbols = memory_calloc(1, sizeof *symbols);
    *out = NULL;
    if (symbols == NULL) return STATUS_NO_MEMORY;
    arena_init(&symbols->arena, ARENA_BYTES_MAX);
    pthread_mutex_init(&symbols->lock, NULL);
    enum status status = add_reserved(symbols);
    if (status != STATUS_OK) {
        symbols_destroy(symbols);
        return status;
    }
    *out = symbols;
    return STATUS_OK;
}

void symbols_destroy(struct symbols *symbols) {
    if (symbols == NULL) return;
    for (int k = 0; k < SYMBOL_KIND_COUNT; k++) {
        struct symbol_table *table = atomic_load(&symbols->kind[k].table);
        while (table != NULL) {
            struct symbol_table *older = table->older;
            memory_free(table);
            table = older;
        }
        for (int i = 0; i < CHUNK_COUNT; i++) memory_free(atomic_load(&symbols->kind[k].chunk[i]));
    }
    arena_release(&symbols->arena);
    pthread_mutex_destroy(&symbols->lock);
    memory_free(symbols);
}

static struct text name_at(const struct symbol_names *names, uint32_t id) {
    struct text *chunk =
        atomic_load_explicit(&names->chunk[id / CHUNK_NAMES], memory_order_acquire);
    return chunk[id % CHUNK_NAMES];
}

static bool is_forgotten(const struct symbol_names *names, uint32_t id) {
    return atomic_load_explicit(&names->forgotten[id / 64], memory_order_relaxed) >> (id % 64) & 1;
}

static uint32_t find(const struct symbol_names *names, struct text name) {
    struct symbol_table *table = atomic_load_explicit(&names->table, memory_order_acquire);
    if (table == NULL) return SYMBOL_NONE;
    uint32_t at = (uint32_t)hash_text(name, 0);
    for (;; at++) {
        uint32_t slot = atomic_load_explicit(&table->slots[at & table->mask], memory_order_acquire);
        if (slot == 0) return SYMBOL_NONE;
        if (text_equal(name_at(names, slot - 1), name) && !is_forgotten(names, slot - 1))
            return slot - 1;
    }
}

static void insert(struct symbol_table *table, struct text name, uint32_t id) {
    uint32_t at = (uint32_t)hash_text(name, 0);
    while (atomic_load_explicit(&table->slots[at & table->mask], memory_order_relaxed) != 0) at++;
    atomic_store_explicit(&table->slots[at & table->mask], id + 1, memory_order_release);
}

/* Keeps the table at most half full. */
static enum status grow(struct symbol_names *names, uint32_t count) {
    struct symbol_table *old = atomic_load(&names->table);
    uint32_t size = old == NULL ? 0 : old->mask + 1;
    if (size >= 2 * (count + 1)) return STATUS_OK;
    size = size == 0 ? 64 : size * 2;
    struct symbol_table *table = memory_calloc(1, sizeof *table + size * sizeof table->slots[0]);
    if (table == NULL) return STATUS_NO_MEMORY;
    table->older = old;
    table->mask = size - 1;
    for (uint32_t id = 0; id < count; id++) insert(table, name_at(names, id), id);
    atomic_store_explicit(&names->table, table, memory_order_release);
    return STATUS_OK;
}

static enum status add_locked(struct symbols *symbols, enum symbol_kind kind, struct text name,
                              uint32_t *id) {
    struct symbol_names *names = &symbols->kind[kind];
    *id = find(names, name);
    if (*id != SYMBOL_NONE) return STATUS_OK;
    uint32_t count = atomic_load(&names->count);
    if (count >= count_max[kind]) return STATUS_LIMIT;
    if (grow(names, count) != STATUS_OK) return STATUS_NO_MEMORY;
    struct text *chunk = atomic_load(&names->chunk[count / CHUNK_NAMES]);
    if (chunk == NULL) {
        chunk = memory_calloc(CHUNK_NAMES, sizeof *chunk);
        if (chunk == NULL) return STATUS_NO_MEMORY;
        atomic_store_explicit(&names->chunk[count / CHUNK_NAMES], chunk, memory_order_release);
    }
    struct text copy = arena_text(&symbols->arena, name);
    if (copy.at == NULL) return STATUS_NO_MEMORY;
    chunk[count % CHUNK_NAMES] = copy;
    insert(atomic_load(&names->table), copy, count);
    atomic_store_explicit(&names->count, count + 1, memory_order_release);
    *id = count;
    return STATUS_OK;
}

enum status symbol_add(struct symbols *symbols, enum symbol_kind kind, struct text name,
                       uint32_t *id) {
    *id = SYMBOL_NONE;
    if ((unsigned)kind >= SYMBOL_KIND_COUNT || name.length == 0 || name.length > SYMBOL_BYTES_MAX ||
        !text_is_utf8(name)) {
        return STATUS_INVALID;
    }
    *id = find(&symbols->kind[kind], name);
    if (*id != SYMBOL_NONE) return STATUS_OK;
    pthread_mutex_lock(&symbols->lock);
    enum status status = add_locked(symbols, kind, name, id);
    pthread_mutex_unlock(&symbols->lock);
    return status;
}

uint32_t symbol_find(struct symbols *symbols, enum symbol_kind kind, struct text name) {
    return (unsigned)kind < SYMBOL_KIND_COUNT ? find(&symbols->kind[kind], name) : SYMBOL_NONE;
}

uint32_t symbol_count(const struct symbols *symbols, enum symbol_kind kind) {
    return atomic_load_explicit(&symbols->kind[kind].count, memory_order_acquire);
}

static struct text text_of_none(enum symbol_kind kind, uint32_t id) {
    if ((kind == SYMBOL_EVENT && id == EVENT_UNDECLARED) ||
        (kind == SYMBOL_PROPERTY && id == PROPERTY_UNDECLARED)) {
        return TEXT("undeclared");
    }
    return kind == SYMBOL_CHANNEL && id == CHANNEL_UNDECLARED ? TEXT("other")
                                                              : (struct text){"", 0};
}

struct text symbol_text(const struct symbols *symbols, enum symbol_kind kind, uint32_t id) {
    if ((unsigned)kind >= SYMBOL_KIND_COUNT || id >= symbol_count(symbols, kind))
        return text_of_none(kind, id);
    return is_forgotten(&symbols->kind[kind], id) ? TEXT("(erased name)")
                                                  : name_at(&symbols->kind[kind], id);
}

#define FORGOTTEN_BYTES 48
static struct text forgotten_name(uint32_t id, char out[FORGOTTEN_BYTES]) {
    int length = snprintf(out, FORGOTTEN_BYTES, "(erased name %u)", id);
    return (struct text){out, (uint32_t)length};
}

/* name := kind:u8 id:varint length:varint bytes */
enum status symbols_encode_since(const struct symbols *symbols, struct symbol_counts *since,
                                 struct buffer *out) {
    size_t start = out->length;
    struct symbol_counts reached = *since;
    for (uint32_t k = 0; k < SYMBOL_KIND_COUNT; k++) {
        uint32_t count = symbol_count(symbols, (enum symbol_kind)k);
        for (uint32_t id = since->count[k]; id < count; id++) {
            struct text name = symbol_text(symbols, (enum symbol_kind)k, id);
            uint8_t head[1 + 2 * VARINT_BYTES_MAX] = {(uint8_t)k};
            size_t length = 1 + varint_write(head + 1, id);
            length += varint_write(head + length, name.length);
            enum status status = buffer_append(out, head, length);
            if (status == STATUS_OK) status = buffer_append_text(out, name);
            if (status != STATUS_OK) {
                out->length = start;
                return status;
            }
        }
        if (count > reached.count[k]) reached.count[k] = count;
    }
    *since = reached;
    return STATUS_OK;
}

static enum status apply_one(struct symbols *symbols, uint8_t kind, uint64_t id, struct text name) {
    if (kind >= SYMBOL_KIND_COUNT || id > symbol_count(symbols, (enum symbol_kind)kind))
        return STATUS_CORRUPT;
    uint32_t given;
    enum status status = symbol_add(symbols, (enum symbol_kind)kind, name, &given);
    if (status == STATUS_NO_MEMORY) return status;
    return status == STATUS_OK && given == id ? STATUS_OK : STATUS_CORRUPT;
}

enum status symbols_apply(struct symbols *symbols, struct text bytes) {
    const uint8_t *at = (const uint8_t *)bytes.at, *end = at + bytes.length;
    while (at < end) {
        uint8_t kind = *at++;
        uint64_t id, length;
        if (!varint_read(&at, end, &id) || !varint_read(&at, end, &length) ||
            length > (uint64_t)(end - at)) {
            return STATUS_CORRUPT;
        }
        enum status status =
            apply_one(symbols, kind, id, (struct text){(const char *)at, (uint32_t)length});
        if (status != STATUS_OK) return status;
        at += length;
    }
    return STATUS_OK;
}

/* Names that were forgotten are told apart by their ids. */
enum status symbols_copy(const struct symbols *from, struct symbols **out) {
    struct symbols *copy;
    enum status status = symbols_create(&copy);
    *out = NULL;
    if (status != STATUS_OK) return status;
    for (uint32_t k = 0; k < SYMBOL_KIND_COUNT; k++) {
        const struct symbol_names *names = &from->kind[k];
        uint32_t count = symbol_count(from, (enum symbol_kind)k);
        for (uint32_t id = symbol_count(copy, (enum symbol_kind)k);
             status == STATUS_OK && id < count; id++) {
            char instead[FORGOTTEN_BYTES];
            uint32_t given;
            struct text name =
                is_forgotten(names, id) ? forgotten_name(id, instead) : name_at(names, id);
            status = symbol_add(copy, (enum symbol_kind)k, name, &given);
        }
    }
    if (status == STATUS_OK)
        *out = copy;
    else
        symbols_destroy(copy);
    return status;
}

static enum status rewrite_one(uint8_t kind, uint64_t id, struct text name, bool forget,
                               struct buffer *out) {
    char instead[FORGOTTEN_BYTES];
    uint8_t head[1 + 2 * VARINT_BYTES_MAX] = {kind};
    if (forget) name = forgotten_name((uint32_t)id, instead);
    size_t length = 1 + varint_write(head + 1, id);
    length += varint_write(head + length, name.length);
    enum status status = buffer_append(out, head, length);
    return status == STATUS_OK ? buffer_append_text(out, name) : status;
}

enum status symbols_rewrite(struct text bytes, const struct symbols_forgotten *forgotten,
                            struct buffer *out) {
    const uint8_t *at = (const uint8_t *)bytes.at, *end = at + bytes.length;
    while (at < end) {
        uint8_t kind = *at++;
        uint64_t id, length;
        if (!varint_read(&at, end, &id) || !varint_read(&at, end, &length) ||
            length > (uint64_t)(end - at) || kind >= SYMBOL_KIND_COUNT || id > UINT16_MAX) {
            return STATUS_CORRUPT;
        }
        bool forget = forgotten->forgets(forgotten->context, (enum symbol_kind)kind, (uint32_t)id);
        struct text name = {(const char *)at, (uint32_t)length};
        enum status status = rewrite_one(kind, id, name, forget, out);
        if (status != STATUS_OK) return status;
        at += length;
    }
    return STATUS_OK;
}

void symbols_forget(struct symbols *symbols, const struct symbols_forgotten *forgotten) {
    for (uint32_t kind = 0; kind < SYMBOL_KIND_COUNT; kind++) {
        struct symbol_names *names = &symbols->kind[kind];
        uint32_t count = symbol_count(symbols, (enum symbol_kind)kind);
        for (uint32_t id = 0; id < count; id++) {
            if (forgotten->forgets(forgotten->context, (enum symbol_kind)kind, id))
                atomic_fetch_or(&names->forgotten[id / 64], UINT64_C(1) << (id % 64));
        }
    }
}
