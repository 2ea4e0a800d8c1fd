/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"
#include "ingest/ingest.h"

#define SLOTS_MIN 1024u

/* A slot is the two parts of a key; both 0: free. */
struct fingerprint {
    uint64_t low, high;
};

void ingest_repeats_init(struct ingest_repeats *repeats) {
    *repeats = (struct ingest_repeats){0};
}

void ingest_repeats_release(struct ingest_repeats *repeats) {
    memory_free(repeats->slots);
    ingest_repeats_init(repeats);
}

/* A table that one large batch has grown is not wiped for every small one behind it. */
void ingest_repeats_clear(struct ingest_repeats *repeats) {
    if (repeats->count == 0) return;
    size_t wanted = SLOTS_MIN;
    while (wanted < 2 * repeats->count) wanted *= 2;
    if (repeats->capacity > 8 * wanted)
        ingest_repeats_release(repeats);
    else
        memset(repeats->slots, 0, repeats->capacity * sizeof(struct fingerprint));
    repeats->count = 0;
}

static size_t probe(const uint64_t *slots, size_t capacity, struct fingerprint print) {
    size_t at = print.low & (capacity - 1);
    while ((slots[2 * at] | slots[2 * at + 1]) != 0) {
        if (slots[2 * at] == print.low && slots[2 * at + 1] == print.high) break;
        at = (at + 1) & (capacity - 1);
    }
    return at;
}

static enum status grow(struct ingest_repeats *repeats) {
    if (2 * (repeats->count + 1) <= repeats->capacity) return STATUS_OK;
    size_t capacity = repeats->capacity ? 2 * repeats->capacity : SLOTS_MIN;
    uint64_t *slots = memory_calloc(capacity, sizeof(struct fingerprint));
    if (slots == NULL) return STATUS_NO_MEMORY;
    for (size_t i = 0; i < repeats->capacity; i++) {
        struct fingerprint print = {repeats->slots[2 * i], repeats->slots[2 * i + 1]};
        if ((print.low | print.high) == 0) continue;
        size_t at = probe(slots, capacity, print);
        slots[2 * at] = print.low;
        slots[2 * at + 1] = print.high;
    }
    memory_free(repeats->slots);
    repeats->slots = slots;
    repeats->capacity = capacity;
    return STATUS_OK;
}

enum status ingest_repeats_add(struct ingest_repeats *repeats, struct row_key key) {
    if (row_key_is_none(key)) return STATUS_OK;
    enum status status = grow(repeats);
    if (status) return status;
    struct fingerprint print = {key.low, key.high};
    size_t at = probe(repeats->slots, repeats->capacity, print);
    if (repeats->slots[2 * at] == print.low && repeats->slots[2 * at + 1] == print.high)
        return STATUS_EXISTS;
    repeats->slots[2 * at] = print.low;
    repeats->slots[2 * at + 1] = print.high;
    repeats->count++;
    return STATUS_OK;
}
