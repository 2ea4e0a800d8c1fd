/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>

#include "base/hash.h"
#include "base/memory.h"
#include "store/keys/key_file_internal.h"

struct key_file {
    struct file_system *fs;
    char *path;
    struct file_mapping mapping;
    const struct key_footer *footer;
    const struct run_section *sections;
    uint64_t section_count;
    /* Enum run_checked, by section; behind the last one 1 where any of them is damaged. */
    _Atomic uint8_t *checked;
};

static enum status corrupt(struct error *error, const char *path, const char *what) {
    return error_set(error, STATUS_CORRUPT,
                     "%s: %s; restore it from a backup (attune fsck tells what else is damaged)",
                     path, what);
}

static bool all_zero(const void *bytes, size_t length) {
    const uint8_t *at = bytes;
    for (size_t i = 0; i < length; i++)
        if (at[i] != 0) return false;
    return true;
}

static enum status check_header(const struct key_file *file, struct error *error) {
    const struct key_header *header = (const struct key_header *)file->mapping.at;
    if (file->mapping.length < sizeof *header + sizeof(struct key_trailer))
        return corrupt(error, file->path, "the key file is cut short");
    if (header->magic != KEY_MAGIC) return corrupt(error, file->path, "this is not a key file");
    if (header->format > KEY_FILE_FORMAT && header->format < 1000)
        return error_set(error, STATUS_VERSION,
                         "%s: has format %" PRIu32
                         ", this program reads up to %u: use the newer program that wrote it",
                         file->path, header->format, KEY_FILE_FORMAT);
    if (header->format != KEY_FILE_FORMAT || header->zero != 0 ||
        !all_zero(header->zeros, sizeof header->zeros))
        return corrupt(error, file->path, "the header is damaged");
    return STATUS_OK;
}

static uint32_t keys_in(const struct key_file *file, uint64_t part) {
    uint64_t left = file->footer->count - (part << KEY_PART_BITS);
    return left < KEY_PART ? (uint32_t)left : KEY_PART;
}

static uint64_t padded(uint64_t length) {
    return (length + 7) & ~UINT64_C(7);
}

/* Returns the length that a section must have; 0 also for a section that may not exist. */
static uint64_t length_of(const struct key_file *file, uint64_t index,
                          const struct run_section *section) {
    uint64_t parts = (uint64_t)file->footer->part_count * KEY_PART_SECTIONS;
    if (index == parts + KEY_FILTER)
        return file->footer->filter_blocks * KEY_FILTER_WORDS * sizeof(uint64_t);
    if (index == parts + KEY_BUCKETS)
        return padded((file->footer->bucket_count + 1) * sizeof(uint32_t));
    uint32_t count = keys_in(file, index / KEY_PART_SECTIONS);
    if (index % KEY_PART_SECTIONS == KEY_HOT) return (uint64_t)count * sizeof(struct key_hot);
    return padded((uint64_t)count * section->width);
}

static bool sections_fit(const struct key_file *file, uint64_t end) {
    uint64_t at = sizeof(struct key_header);
    for (uint64_t i = 0; i < file->section_count; i++) {
        const struct run_section *section = &file->sections[i];
        uint32_t width = section->width;
        if (width > 8 || (width > 2 && width != 4 && width != 8)) return false;
        if (section->offset != at || section->length != length_of(file, i, section) ||
            section->length > end - at)
            return false;
        at += section->length;
    }
    return at == end;
}

static bool read_footer(struct key_file *file) {
    struct key_trailer trailer;
    uint64_t end = file->mapping.length - sizeof trailer;
    memcpy(&trailer, file->mapping.at + end, sizeof trailer);
    if (trailer.magic != KEY_TRAILER_MAGIC || !all_zero(trailer.zeros, sizeof trailer.zeros) ||
        trailer.footer_offset % 8 != 0 || trailer.footer_offset > end ||
        trailer.footer_length != end - trailer.footer_offset ||
        trailer.footer_length < sizeof(struct key_footer))
        return false;
    const uint8_t *at = file->mapping.at + trailer.footer_offset;
    if (hash_bytes(at, trailer.footer_length, 0) != trailer.footer_checksum) return false;
    const struct key_footer *footer = (const struct key_footer *)at;
    file->footer = footer;
    file->sections = (const struct run_section *)(footer + 1);
    file->section_count = (uint64_t)footer->part_count * KEY_PART_SECTIONS + KEY_TABLES;
    uint64_t most = file->mapping.length; /* no table can have more items than there are bytes */
    return footer->count > 0 && footer->count <= KEY_FILE_MAX && footer->zero == 0 &&
           all_zero(footer->zeros, sizeof footer->zeros) &&
           footer->part_count == (footer->count + KEY_PART - 1) >> KEY_PART_BITS &&
           footer->filter_blocks > 0 && footer->filter_blocks < most && footer->bucket_count > 0 &&
           footer->bucket_count < most &&
           trailer.footer_length ==
               sizeof *footer + file->section_count * sizeof(struct run_section) &&
           sections_fit(file, trailer.footer_offset);
}

enum status key_file_open(struct key_file **out, struct file_system *fs, const char *path,
                          struct error *error) {
    *out = NULL;
    struct key_file *file = memory_calloc(1, sizeof *file);
    if (file != NULL) file->path = memory_alloc(strlen(path) + 1);
    if (file == NULL || file->path == NULL) {
        memory_free(file);
        return error_set(error, STATUS_NO_MEMORY, "%s: no memory to open it", path);
    }
    memcpy(file->path, path, strlen(path) + 1);
    file->fs = fs;
    enum status status = file_map(fs, path, &file->mapping, error);
    if (status == STATUS_OK) status = check_header(file, error);
    if (status == STATUS_OK && !read_footer(file))
        status = corrupt(error, path, "the table of its sections is damaged");
    if (status == STATUS_OK) {
        file->checked = memory_calloc(file->section_count + 1, 1);
        if (file->checked == NULL)
            status = error_set(error, STATUS_NO_MEMORY, "%s: no memory to open it", path);
    }
    if (status != STATUS_OK) {
        key_file_close(file);
        return status;
    }
    *out = file;
    return STATUS_OK;
}

void key_file_close(struct key_file *file) {
    if (file == NULL) return;
    file_unmap(file->fs, &file->mapping);
    memory_free((void *)file->checked);
    memory_free(file->path);
    memory_free(file);
}

uint64_t key_file_count(const struct key_file *file) {
    return file->footer->count;
}

uint64_t key_file_bytes(const struct key_file *file) {
    return file->mapping.length;
}

/* ---- sections ---- */

static bool buckets_ascend(const struct key_file *file, const uint8_t *at) {
    const uint32_t *bucket = (const uint32_t *)at;
    for (uint64_t i = 0; i < file->footer->bucket_count; i++)
        if (bucket[i] > bucket[i + 1]) return false;
    return bucket[file->footer->bucket_count] == file->footer->count;
}

static __attribute__((noinline)) const uint8_t *touch(const struct key_file *file, uint64_t index) {
    const struct run_section *section = &file->sections[index];
    const uint8_t *at = file->mapping.at + section->offset;
    uint8_t before = atomic_load_explicit(&file->checked[index], memory_order_acquire);
    if (before != RUN_UNREAD) return before == RUN_DAMAGED ? NULL : at;
    bool sound = hash_bytes(at, section->length, 0) == section->checksum;
    if (sound && index == file->section_count - KEY_TABLES + KEY_BUCKETS)
        sound = buckets_ascend(file, at);
    atomic_store_explicit(&file->checked[index], sound ? RUN_SOUND : RUN_DAMAGED,
                          memory_order_release);
    if (!sound) atomic_store_explicit(&file->checked[file->section_count], 1, memory_order_release);
    return sound ? at : NULL;
}

static inline const uint8_t *bytes_of(const struct key_file *file, uint64_t index) {
    if (__builtin_expect(
            atomic_load_explicit(&file->checked[index], memory_order_acquire) == RUN_SOUND, 1))
        return file->mapping.at + file->sections[index].offset;
    return touch(file, index);
}

static inline const uint8_t *table_of(const struct key_file *file, enum key_table table) {
    return bytes_of(file, file->section_count - KEY_TABLES + table);
}

static inline const struct key_hot *hot_of(const struct key_file *file, uint64_t part) {
    return (const struct key_hot *)bytes_of(file, part * KEY_PART_SECTIONS + KEY_HOT);
}

bool key_file_is_damaged(const struct key_file *file) {
    return atomic_load_explicit(&file->checked[file->section_count], memory_order_acquire) != 0;
}

static const char *name_of(const struct key_file *file, uint64_t index) {
    static const char *const names[KEY_PART_SECTIONS] = {"keys", "personas", "positions",
                                                         "versions", "sources"};
    uint64_t parts = file->section_count - KEY_TABLES;
    if (index < parts) return names[index % KEY_PART_SECTIONS];
    return index - parts == KEY_FILTER ? "the filter" : "buckets";
}

enum status key_file_damage(const struct key_file *file, struct error *error) {
    uint64_t index = 0;
    while (index < file->section_count &&
           atomic_load_explicit(&file->checked[index], memory_order_acquire) != RUN_DAMAGED)
        index++;
    return error_set(error, STATUS_CORRUPT,
                     "%s: part %" PRIu64 ": the section of %s is damaged; restore the data "
                     "directory from a backup (attune fsck tells what else is damaged), or let "
                     "attune rebuild make the keys anew from the runs: their contents are then "
                     "unknown, so a corrected row that comes again is taken for a repeat",
                     file->path, index / KEY_PART_SECTIONS,
                     index < file->section_count ? name_of(file, index) : "keys");
}

/* ---- looking up ---- */

static inline bool filter_has(const struct key_file *file, const uint8_t *filter, uint64_t low) {
    uint64_t block = key_share(low, file->footer->filter_blocks), bits = key_filter_bits(low);
    const uint64_t *word = (const uint64_t *)filter + block * KEY_FILTER_WORDS;
    uint64_t all = 1;
    for (uint32_t w = 0; w < KEY_FILTER_WORDS; w++) all &= word[w] >> key_filter_bit(bits, w);
    return all & 1;
}

/* Returns the place of a key among all keys of the file; UINT64_MAX where it is not there. */
static enum status place_of(const struct key_file *file, struct row_key key, uint64_t *place) {
    *place = UINT64_MAX;
    const uint8_t *filter = table_of(file, KEY_FILTER);
    if (filter == NULL) return STATUS_CORRUPT;
    if (!filter_has(file, filter, key.low)) return STATUS_OK;
    const uint32_t *bucket = (const uint32_t *)table_of(file, KEY_BUCKETS);
    if (bucket == NULL) return STATUS_CORRUPT;
    uint64_t b = key_share(key.low, file->footer->bucket_count);
    for (uint64_t i = bucket[b], end = bucket[b + 1]; i < end; i++) {
        const struct key_hot *hot = hot_of(file, i >> KEY_PART_BITS);
        if (hot == NULL) return STATUS_CORRUPT;
        hot += i & (KEY_PART - 1);
        if (hot->low < key.low) continue;
        if (hot->low > key.low) break;
        if (hot->high != key.high && !(hot->flags & KEY_LEGACY)) continue;
        *place = i;
        /* An exact entry is better than a legacy one of the same lower half. */
        if (hot->high == key.high) break;
    }
    return STATUS_OK;
}

enum status key_file_at(const struct key_file *file, uint64_t i, struct key_entry *out) {
    uint64_t part = i >> KEY_PART_BITS;
    uint32_t row = (uint32_t)(i & (KEY_PART - 1));
    const struct run_section *section = &file->sections[part * KEY_PART_SECTIONS];
    const uint8_t *at[KEY_PART_SECTIONS];
    for (uint32_t k = 0; k < KEY_PART_SECTIONS; k++) {
        at[k] = bytes_of(file, part * KEY_PART_SECTIONS + k);
        if (at[k] == NULL) return STATUS_CORRUPT;
    }
    const struct key_hot *hot = (const struct key_hot *)at[KEY_HOT] + row;
    *out = (struct key_entry){
        .low = hot->low,
        .high = hot->high,
        .content = hot->content,
        .reading = hot->reading,
        .flags = hot->flags,
        .persona = (uint32_t)run_narrow(&section[KEY_PERSONA], at[KEY_PERSONA], row),
        .position = (uint64_t)run_narrow(&section[KEY_POSITION], at[KEY_POSITION], row),
        .version = run_narrow(&section[KEY_VERSION], at[KEY_VERSION], row),
        .source = (uint16_t)run_narrow(&section[KEY_SOURCE], at[KEY_SOURCE], row),
    };
    return STATUS_OK;
}

enum status key_file_find(const struct key_file *file, struct row_key key, struct key_entry *out,
                          bool *found) {
    uint64_t place;
    enum status status = place_of(file, key, &place);
    *found = status == STATUS_OK && place != UINT64_MAX;
    return *found ? key_file_at(file, place, out) : status;
}

bool key_file_has_content(const struct key_file *file, struct row_key key, uint64_t content,
                          uint16_t reading, bool *found) {
    uint64_t place;
    *found = place_of(file, key, &place) == STATUS_OK && place != UINT64_MAX;
    if (!*found) return false;
    const struct key_hot *hot = hot_of(file, place >> KEY_PART_BITS) + (place & (KEY_PART - 1));
    return hot->flags == 0 && hot->content == content && hot->reading == reading;
}

static const uint8_t *table_place(const struct key_file *file, enum key_table table) {
    return file->mapping.at + file->sections[file->section_count - KEY_TABLES + table].offset;
}

void key_file_prefetch(const struct key_file *file, uint64_t low) {
    __builtin_prefetch(table_place(file, KEY_FILTER) +
                       key_share(low, file->footer->filter_blocks) * KEY_FILTER_WORDS * 8);
}

void key_file_prefetch_bucket(const struct key_file *file, uint64_t low) {
    if (!filter_has(file, table_place(file, KEY_FILTER), low)) return;
    __builtin_prefetch(table_place(file, KEY_BUCKETS) +
                       key_share(low, file->footer->bucket_count) * 4);
}

/* Prefetches only: a place that was not checked may be wrong, and is then skipped. */
void key_file_prefetch_key(const struct key_file *file, uint64_t low) {
    if (!filter_has(file, table_place(file, KEY_FILTER), low)) return;
    const uint32_t *bucket = (const uint32_t *)(const void *)table_place(file, KEY_BUCKETS);
    uint64_t i = bucket[key_share(low, file->footer->bucket_count)];
    if (i >= file->footer->count) return;
    const struct run_section *hot =
        &file->sections[(i >> KEY_PART_BITS) * KEY_PART_SECTIONS + KEY_HOT];
    const char *at = (const char *)file->mapping.at + hot->offset +
                     (i & (KEY_PART - 1)) * sizeof(struct key_hot);
    __builtin_prefetch(at);
    __builtin_prefetch(at + 64);
}

/* ---- checking all of it ---- */

struct checking {
    const struct key_file *file;
    const char *path;
    void (*report)(void *context, const char *path, const char *finding);
    void *context;
    uint64_t findings;
};

static void found_wrong(struct checking *checking, const char *finding) {
    checking->findings++;
    if (checking->report != NULL) checking->report(checking->context, checking->path, finding);
}

static void check_keys(struct checking *checking) {
    const struct key_file *file = checking->file;
    const uint8_t *filter = table_of(file, KEY_FILTER);
    const uint32_t *bucket = (const uint32_t *)table_of(file, KEY_BUCKETS);
    struct row_key before = {0, 0};
    bool ordered = true, told = filter != NULL && bucket != NULL;
    for (uint64_t i = 0; i < file->footer->count; i++) {
        const struct key_hot *hot = hot_of(file, i >> KEY_PART_BITS);
        if (hot == NULL) return;
        hot += i & (KEY_PART - 1);
        ordered = ordered && hot->low != 0 &&
                  (hot->low > before.low || (hot->low == before.low && hot->high > before.high));
        before = (struct row_key){hot->low, hot->high};
        if (!told) continue;
        uint64_t b = key_share(hot->low, file->footer->bucket_count);
        told = filter_has(file, filter, hot->low) && bucket[b] <= i && i < bucket[b + 1];
    }
    if (!ordered) found_wrong(checking, "its keys are not in order");
    if (filter != NULL && bucket != NULL && !told)
        found_wrong(checking, "its filter or its buckets lack a key that is here");
}

enum status key_file_check(struct file_system *fs, const char *path,
                           void (*report)(void *context, const char *path, const char *finding),
                           void *context, struct error *error) {
    struct key_file *file = NULL;
    enum status status = key_file_open(&file, fs, path, error);
    if (status != STATUS_OK) return status;
    struct checking checking = {.file = file, .path = path, .report = report, .context = context};
    for (uint64_t i = 0; i < file->section_count; i++) {
        char text[96];
        if (bytes_of(file, i) != NULL) continue;
        snprintf(text, sizeof text, "part %" PRIu64 ": the section of %s is damaged",
                 i / KEY_PART_SECTIONS, name_of(file, i));
        found_wrong(&checking, text);
    }
    check_keys(&checking);
    key_file_close(file);
    if (checking.findings == 0) return STATUS_OK;
    return error_set(error, STATUS_CORRUPT, "%s: %" PRIu64 " findings", path, checking.findings);
}
