/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/key_table.h"

#include <assert.h>

/* A slot's tag: the hash's top 32 bits above, id + 1 below; 0 is free, and a slot whose id was
 * taken back says TAKEN_BACK, which a search passes and an insert may reuse. The top bits also
 * choose the slot, so growing reads no text. With the key's place beside the tag a hit costs two
 * cache misses: the slot, the text. */
#define TAKEN_BACK    UINT64_C(0xFFFFFFFF)
#define SLOT_BITS_MIN 10
#define SLOT_BITS_MAX 31
#define RECORD_EXTRA  6 /* prefix and length */
/* A record lies anywhere, so that every third or second of this size lies in two cache lines. */
#define RECORD_LIKELY 40

struct slot {
    _Atomic uint64_t tag;
    _Atomic uint64_t place; /* as in places */
};
struct key_slots {
    struct key_slots *older;
    struct slot *slot; /* behind this header, or in an image */
    size_t bytes;      /* of this header and what lies behind it */
    uint32_t bits;
    uint32_t used; /* not free; writer only */
};
#define SLOTS_HEAD_BYTES ((sizeof(struct key_slots) + 63) / 64 * 64)
typedef _Atomic uint64_t place_cell;

static struct key_slots *slots_create(uint32_t bits) {
    size_t bytes = SLOTS_HEAD_BYTES + (sizeof(struct slot) << bits);
    struct key_slots *slots = memory_alloc_huge(bytes);
    if (!slots) return NULL;
    slots->slot = (struct slot *)(void *)((char *)slots + SLOTS_HEAD_BYTES);
    slots->bytes = bytes;
    slots->bits = bits;
    return slots;
}

enum status key_table_init(struct key_table *table) {
    *table = (struct key_table){.bytes = 0};
    struct key_slots *slots = slots_create(SLOT_BITS_MIN);
    if (!slots) return STATUS_NO_MEMORY;
    table->bytes = slots->bytes;
    atomic_store_explicit(&table->slots, slots, memory_order_release);
    return STATUS_OK;
}

/* ---- the bytes of all keys ---- */

static inline uint64_t text_start(uint32_t segment) {
    return ((UINT64_C(1) << segment) - 1) << KEY_TEXT_FIRST_BITS;
}

static inline uint64_t text_bytes(uint32_t segment) {
    return UINT64_C(1) << (KEY_TEXT_FIRST_BITS + segment);
}

static inline uint32_t text_segment(uint64_t at) {
    uint64_t shifted = at + (UINT64_C(1) << KEY_TEXT_FIRST_BITS);
    return 63 - (uint32_t)__builtin_clzll(shifted) - KEY_TEXT_FIRST_BITS;
}

static inline uint8_t *text_at(const struct key_texts *texts, uint64_t at) {
    uint32_t segment = text_segment(at);
    return texts->segments[segment] + (at - text_start(segment));
}

/* NULL: a hole. */
static inline const uint8_t *record_at(const struct key_table *table, uint64_t place) {
    return place ? text_at(&table->texts, place - 1) : NULL;
}

static void texts_release(struct key_texts *texts) {
    for (uint32_t s = texts->mapped; s < KEY_TEXT_SEGMENTS; s++)
        memory_free_huge(texts->segments[s], (size_t)text_bytes(s));
}

void key_table_release(struct key_table *table) {
    struct key_slots *slots = atomic_load_explicit(&table->slots, memory_order_relaxed);
    while (slots) {
        struct key_slots *older = slots->older;
        memory_free_huge(slots, slots->bytes);
        slots = older;
    }
    texts_release(&table->texts);
    column_release(&table->places, sizeof(place_cell));
    *table = (struct key_table){.bytes = 0};
}

static place_cell *place_at(const struct key_table *table, uint32_t id) {
    return column_at(&table->places, id, sizeof(place_cell));
}

static struct key record_key(const uint8_t *record) {
    if (!record) return (struct key){0};
    uint8_t prefix = *record++;
    uint32_t length = 0, shift = 0;
    for (; *record & 0x80; shift += 7) length |= (uint32_t)(*record++ & 0x7F) << shift;
    length |= (uint32_t)*record++ << shift;
    return (struct key){prefix, {(const char *)record, length}};
}

struct key key_table_key(const struct key_table *table, uint32_t id) {
    uint64_t place = atomic_load_explicit(place_at(table, id), memory_order_acquire);
    return record_key(record_at(table, place));
}

static uint32_t hash_top(uint64_t hash) {
    return (uint32_t)(hash >> 32);
}

/* Is it the record of this key? It reads no more bytes than the key's own record has: a slot of an
 * image may lead to any place in the texts. */
static bool record_is(const uint8_t *record, struct key key) {
    uint32_t length = key.text.length;
    if (!record || *record++ != key.prefix) return false;
    for (; length >= 0x80; length >>= 7)
        if (*record++ != (uint8_t)(length | 0x80)) return false;
    if (*record++ != (uint8_t)length) return false;
    return key.text.length == 0 || memcmp(record, key.text.at, key.text.length) == 0;
}

static uint64_t slot_load(const struct key_slots *slots, size_t i) {
    return atomic_load_explicit(&slots->slot[i].tag, memory_order_acquire);
}

/* The tag is read again: a slot that was taken back meanwhile may hold another's place. */
static bool slot_holds(const struct key_table *table, const struct key_slots *slots, size_t i,
                       uint64_t tag, struct key key) {
    uint64_t place = atomic_load_explicit(&slots->slot[i].place, memory_order_acquire);
    return record_is(record_at(table, place), key) && slot_load(slots, i) == tag;
}

/* The slot with the key, or SIZE_MAX and in *free the first that an insert may take. */
static size_t slot_find(const struct key_table *table, const struct key_slots *slots,
                        struct key key, uint64_t hash, size_t *free, uint32_t *id) {
    size_t mask = ((size_t)1 << slots->bits) - 1;
    *free = SIZE_MAX;
    for (size_t i = hash_top(hash) >> (32 - slots->bits);; i = (i + 1) & mask) {
        uint64_t slot = slot_load(slots, i);
        uint32_t low = (uint32_t)slot;
        if (low == 0 || low == (uint32_t)TAKEN_BACK) {
            if (*free == SIZE_MAX) *free = i;
            if (low == 0) return SIZE_MAX;
            continue;
        }
        *id = low - 1;
        if ((uint32_t)(slot >> 32) == hash_top(hash) && slot_holds(table, slots, i, slot, key))
            return i;
    }
}

bool key_table_find(const struct key_table *table, struct key key, uint64_t hash, uint32_t *id) {
    const struct key_slots *slots = atomic_load_explicit(&table->slots, memory_order_acquire);
    size_t free;
    return slot_find(table, slots, key, hash, &free, id) != SIZE_MAX;
}

void key_table_prefetch_slot(const struct key_table *table, uint64_t hash) {
    const struct key_slots *slots = atomic_load_explicit(&table->slots, memory_order_relaxed);
    __builtin_prefetch(&slots->slot[hash_top(hash) >> (32 - slots->bits)]);
}

uint32_t key_table_prefetch_text(const struct key_table *table, uint64_t hash) {
    const struct key_slots *slots = atomic_load_explicit(&table->slots, memory_order_relaxed);
    size_t mask = ((size_t)1 << slots->bits) - 1, i = hash_top(hash) >> (32 - slots->bits);
    for (uint32_t n = 0; n < 8; n++, i = (i + 1) & mask) {
        uint64_t slot = atomic_load_explicit(&slots->slot[i].tag, memory_order_relaxed);
        uint32_t low = (uint32_t)slot;
        if (low == 0) return UINT32_MAX;
        if (low == (uint32_t)TAKEN_BACK || (uint32_t)(slot >> 32) != hash_top(hash)) continue;
        uint64_t place = atomic_load_explicit(&slots->slot[i].place, memory_order_relaxed);
        const uint8_t *record = record_at(table, place);
        __builtin_prefetch(record);
        __builtin_prefetch(record + RECORD_LIKELY - 1);
        return low - 1;
    }
    return UINT32_MAX;
}

static enum status grow_slots(struct key_table *table, struct key_slots *old) {
    uint32_t count = key_table_count(table), bits = old->bits;
    if (count >= (UINT32_C(1) << bits) / 2) bits++; /* else only slots taken back are in the way */
    if (bits > SLOT_BITS_MAX) return STATUS_LIMIT;
    struct key_slots *slots = slots_create(bits);
    if (!slots) return STATUS_NO_MEMORY;
    size_t mask = ((size_t)1 << bits) - 1;
    for (size_t i = 0; i < (size_t)1 << old->bits; i++) {
        uint64_t slot = atomic_load_explicit(&old->slot[i].tag, memory_order_relaxed);
        if ((uint32_t)slot == 0 || (uint32_t)slot == (uint32_t)TAKEN_BACK) continue;
        size_t at = (uint32_t)(slot >> 32) >> (32 - bits);
        while (atomic_load_explicit(&slots->slot[at].tag, memory_order_relaxed))
            at = (at + 1) & mask;
        uint64_t place = atomic_load_explicit(&old->slot[i].place, memory_order_relaxed);
        atomic_store_explicit(&slots->slot[at].place, place, memory_order_relaxed);
        atomic_store_explicit(&slots->slot[at].tag, slot, memory_order_relaxed);
        slots->used++;
    }
    slots->older = old;
    table->bytes += slots->bytes;
    atomic_store_explicit(&table->slots, slots, memory_order_release);
    return STATUS_OK;
}

/* A place for so many bytes in one segment. What is left over at the end of a segment stays
 * unused. */
static enum status texts_reserve(struct key_table *table, size_t bytes) {
    struct key_texts *texts = &table->texts;
    uint32_t segment = text_segment(texts->used);
    if (texts->used + bytes > text_start(segment + 1)) {
        do segment++;
        while (text_bytes(segment) < bytes);
        texts->used = text_start(segment);
    }
    if (segment >= KEY_TEXT_SEGMENTS) return STATUS_LIMIT;
    if (texts->segments[segment]) return STATUS_OK;
    texts->segments[segment] = memory_alloc_huge((size_t)text_bytes(segment));
    if (!texts->segments[segment]) return STATUS_NO_MEMORY;
    table->bytes += text_bytes(segment);
    return STATUS_OK;
}

/* After texts_reserve. */
static uint64_t write_record(struct key_texts *texts, struct key key) {
    uint8_t *record = text_at(texts, texts->used), *at = record;
    uint64_t place = texts->used + 1;
    *at++ = key.prefix;
    uint32_t length = key.text.length;
    for (; length >= 0x80; length >>= 7) *at++ = (uint8_t)(length | 0x80);
    *at++ = (uint8_t)length;
    if (key.text.length) memcpy(at, key.text.at, key.text.length);
    texts->used += (size_t)(at - record) + key.text.length;
    return place;
}

static enum status make_room(struct key_table *table, struct key key, uint32_t count) {
    if (count >= UINT32_C(1) << 31) return STATUS_LIMIT;
    enum status status = column_reserve(&table->places, (uint64_t)count + 1, sizeof(place_cell));
    if (status) return status;
    status = texts_reserve(table, (size_t)key.text.length + RECORD_EXTRA);
    if (status) return status;
    struct key_slots *slots = atomic_load_explicit(&table->slots, memory_order_relaxed);
    uint64_t all = UINT64_C(1) << slots->bits;
    return slots->used >= all - all / 4 ? grow_slots(table, slots) : STATUS_OK;
}

/* The place first, then the count, then the slot: whoever finds the id can use it. */
static uint64_t record_add(struct key_table *table, struct key key, uint32_t count) {
    uint64_t place = write_record(&table->texts, key);
    atomic_store_explicit(place_at(table, count), place, memory_order_release);
    atomic_store_explicit(&table->count, count + 1, memory_order_release);
    return place;
}

enum status key_table_add(struct key_table *table, struct key key, uint64_t hash, uint32_t *id,
                          bool *is_new) {
    struct key_slots *slots = atomic_load_explicit(&table->slots, memory_order_relaxed);
    size_t free;
    *is_new = slot_find(table, slots, key, hash, &free, id) == SIZE_MAX;
    if (!*is_new) return STATUS_OK;
    uint32_t count = key_table_count(table);
    enum status status = make_room(table, key, count);
    if (status) return status;
    struct key_slots *grown = atomic_load_explicit(&table->slots, memory_order_relaxed);
    if (grown != slots) slot_find(table, grown, key, hash, &free, id);
    struct slot *slot = &grown->slot[free];
    if (slot_load(grown, free) == 0) grown->used++;
    *id = count;
    atomic_store_explicit(&slot->place, record_add(table, key, count), memory_order_release);
    atomic_store_explicit(&slot->tag, (uint64_t)hash_top(hash) << 32 | (count + 1),
                          memory_order_release);
    return STATUS_OK;
}

enum status key_table_add_unlisted(struct key_table *table, struct key key, uint32_t *id) {
    uint32_t count = key_table_count(table);
    enum status status = make_room(table, key, count);
    if (status) return status;
    record_add(table, key, count);
    *id = count;
    return STATUS_OK;
}

enum status key_table_add_hole(struct key_table *table, uint32_t *id) {
    uint32_t count = key_table_count(table);
    enum status status = make_room(table, (struct key){0}, count);
    if (status) return status;
    atomic_store_explicit(place_at(table, count), 0, memory_order_release);
    *id = count;
    atomic_store_explicit(&table->count, count + 1, memory_order_release);
    return STATUS_OK;
}

/* The slot says which id it has, so no text is compared. Nothing to do: the key is unlisted. */
static void slot_take_back(struct key_table *table, uint32_t id) {
    struct key key = key_table_key(table, id);
    if (!key.text.at) return;
    struct key_slots *slots = atomic_load_explicit(&table->slots, memory_order_relaxed);
    size_t mask = ((size_t)1 << slots->bits) - 1;
    uint64_t tag = (uint64_t)hash_top(key_hash(key)) << 32 | (id + 1), slot;
    for (size_t i = (size_t)(tag >> 32) >> (32 - slots->bits); (slot = slot_load(slots, i)) != 0;
         i = (i + 1) & mask) {
        if (slot != tag) continue;
        atomic_store_explicit(&slots->slot[i].tag, TAKEN_BACK, memory_order_release);
        return;
    }
}

void key_table_truncate(struct key_table *table, uint32_t count) {
    for (uint32_t id = key_table_count(table); id-- > count;) {
        slot_take_back(table, id);
        atomic_store_explicit(place_at(table, id), 0, memory_order_release);
        atomic_store_explicit(&table->count, id, memory_order_release);
    }
}

/* The outgrown slot arrays still point at the bytes: they are no key of anybody any more. */
void key_table_wipe(struct key_table *table, uint32_t id) {
    struct key key = key_table_key(table, id);
    if (!key.text.at) return;
    slot_take_back(table, id);
    atomic_store_explicit(place_at(table, id), 0, memory_order_release);
    volatile char *bytes = (volatile char *)(uintptr_t)key.text.at;
    for (uint32_t i = 0; i < key.text.length; i++) bytes[i] = 0;
}

/* ---- images ---- */

enum { SECTION_SLOTS, SECTION_PLACES, SECTION_TEXT };

static enum status write_texts(const struct key_texts *texts, struct image_writer *writer,
                               uint32_t tag, struct error *error) {
    enum status status = image_begin(writer, tag, 1, error);
    for (uint32_t s = 0; status == STATUS_OK && text_start(s) < texts->used; s++) {
        uint64_t left = texts->used - text_start(s);
        uint64_t bytes = left < text_bytes(s) ? left : text_bytes(s);
        if (texts->segments[s]) {
            status = image_add(writer, texts->segments[s], (size_t)bytes, error);
            continue;
        }
        /* A long key did not fit into this segment, so it was passed over. */
        static const uint8_t zeros[4096];
        for (; status == STATUS_OK && bytes > 0; bytes -= sizeof(zeros))
            status = image_add(writer, zeros, sizeof(zeros), error);
    }
    return status;
}

enum status key_table_write(const struct key_table *table, struct image_writer *writer,
                            uint32_t tag, struct error *error) {
    const struct key_slots *slots = atomic_load_explicit(&table->slots, memory_order_relaxed);
    enum status status = image_put(writer, tag + SECTION_SLOTS, slots->slot,
                                   (size_t)1 << slots->bits, sizeof(struct slot), error);
    if (!status)
        status = column_write(&table->places, key_table_count(table), sizeof(place_cell), writer,
                              tag + SECTION_PLACES, error);
    return status ? status : write_texts(&table->texts, writer, tag + SECTION_TEXT, error);
}

/* Does a whole key lie there? It ends before `end`. */
static inline bool place_is_sound(const uint8_t *text, uint64_t at, uint64_t end) {
    if (at >= end || end - at < 2) return false;
    uint64_t length = text[at + 1];
    at += 2;
    if (length < 0x80) return length <= end - at;
    length &= 0x7F;
    for (uint32_t shift = 7; shift <= 28 && at < end; shift += 7) {
        uint64_t byte = text[at++];
        length |= (byte & 0x7F) << shift;
        if (byte < 0x80) return length <= end - at;
    }
    return false;
}

/* Each place has a key that lies in one segment whole. Keys lie in the order of their ids, so the
 * segment is mostly that of the key before. *holes: ids without a key. */
static bool places_are_sound(const uint64_t *places, uint64_t count, const uint8_t *text,
                             uint64_t used, uint64_t *holes) {
    uint64_t start = 0, end = 0;
    *holes = 0;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t at = places[i] - 1;
        if (places[i] == 0) {
            ++*holes;
            continue;
        }
        if (at >= used) return false;
        if (at - start >= end - start) {
            uint32_t segment = text_segment(at);
            start = text_start(segment);
            end = text_start(segment + 1) < used ? text_start(segment + 1) : used;
        }
        if (!place_is_sound(text, at, end)) return false;
    }
    return true;
}

static bool names_a_hole(const struct slot *slot, const uint64_t *places) {
    uint64_t tag = atomic_load_explicit(&slot->tag, memory_order_relaxed);
    uint32_t low = (uint32_t)tag;
    return low != 0 && low != (uint32_t)TAKEN_BACK && places[low - 1] == 0;
}

/* A slot names an id that has a key, and a place in the texts. It may be another key's place, which
 * nobody wrote but which harms nobody: a lookup then finds an id that is one, or none. A search
 * ends at a free slot, so there must be one. */
static bool slots_are_sound(const struct slot *slot, uint64_t count, const uint64_t *places,
                            uint64_t place_count, uint64_t holes, uint64_t text_used,
                            uint32_t *used) {
    uint64_t bad = 0, taken = 0;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t tag = atomic_load_explicit(&slot[i].tag, memory_order_relaxed);
        uint64_t place = atomic_load_explicit(&slot[i].place, memory_order_relaxed);
        uint32_t low = (uint32_t)tag;
        bool is_live = low != (uint32_t)TAKEN_BACK && tag != 0;
        taken += tag != 0;
        bad |= (uint64_t)(is_live & (low - 1 >= place_count)) | (uint64_t)(place > text_used);
    }
    for (uint64_t i = 0; !bad && holes > 0 && i < count; i++) bad = names_a_hole(&slot[i], places);
    *used = (uint32_t)taken;
    return !bad && taken < count;
}

/* The segments lie in the image, and the last of them goes on into its room. */
static void begin_texts(struct key_texts *texts, uint8_t *text, uint64_t used) {
    texts->used = used;
    for (uint32_t s = 0; text_start(s) < used; s++) {
        texts->segments[s] = text + text_start(s);
        texts->mapped++;
    }
}

enum status key_table_begin(struct key_table *table, const struct image *image, uint32_t tag) {
    uint64_t slot_count, place_count, used;
    *table = (struct key_table){.bytes = 0};
    struct slot *slot = image_items(image, tag + SECTION_SLOTS, sizeof(struct slot), &slot_count);
    uint64_t *places = image_items(image, tag + SECTION_PLACES, sizeof(place_cell), &place_count);
    uint8_t *text = image_items(image, tag + SECTION_TEXT, 1, &used);
    if (!slot || !places || !text) return STATUS_CORRUPT;
    if (slot_count < (UINT64_C(1) << SLOT_BITS_MIN) || slot_count & (slot_count - 1) ||
        slot_count > (UINT64_C(1) << SLOT_BITS_MAX) || place_count > UINT64_C(1) << 31 ||
        used >= text_start(KEY_TEXT_SEGMENTS))
        return STATUS_CORRUPT;
    uint32_t slots_used;
    uint64_t holes;
    if (!places_are_sound(places, place_count, text, used, &holes) ||
        !slots_are_sound(slot, slot_count, places, place_count, holes, used, &slots_used))
        return STATUS_CORRUPT;
    struct key_slots *slots = memory_alloc_huge(sizeof(*slots));
    if (!slots) return STATUS_NO_MEMORY;
    *slots = (struct key_slots){.slot = slot,
                                .bytes = sizeof(*slots),
                                .bits = (uint32_t)__builtin_ctzll(slot_count),
                                .used = slots_used};
    atomic_store_explicit(&table->slots, slots, memory_order_relaxed);
    column_begin(&table->places, places, place_count, sizeof(place_cell));
    begin_texts(&table->texts, text, used);
    table->bytes = slot_count * sizeof(struct slot) + used;
    atomic_store_explicit(&table->count, (uint32_t)place_count, memory_order_release);
    return STATUS_OK;
}
