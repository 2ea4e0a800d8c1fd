/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "base/hash.h"
#include "base/memory.h"
#include "store/keys/key_file_internal.h"
#include "store/run/run_narrow.h"
#include "store/run/run_writer.h"

#define FILTER_BITS_A_KEY 10u
#define KEYS_A_BUCKET     4u
#define WRITE_BYTES       ((size_t)1 << 20)
#define SORT_FROM_BIT     31  /* 33 bits are three passes; few keys share them */
#define AHEAD             24u /* entries lie anywhere: so many ahead they are fetched */
#define INDEX_BITS        26  /* of a list: key_file_write sorts the upper bits of `low` with it */

struct key_writer {
    struct file_system *fs;
    char *path;
    struct file *file;
    uint64_t offset; /* bytes written */
    struct buffer out, sections;
    struct key_footer footer;
    uint64_t *filter;
    size_t filter_bytes;
    uint32_t *bucket; /* first it counts the keys of a bucket */
    size_t bucket_bytes;
    uint64_t *order, *scratch; /* of a list: upper bits of the keys, and where they are in it */
    size_t order_capacity, scratch_capacity;
    uint32_t count; /* of the part under way */
    bool finished;
    struct key_hot hot[KEY_PART];
    int64_t persona[KEY_PART], position[KEY_PART], version[KEY_PART], source[KEY_PART];
};

static enum status no_memory(const char *path, struct error *error) {
    return error_set(error, STATUS_NO_MEMORY, "%s: no memory to write keys", path);
}

static enum status flush(struct key_writer *writer, struct error *error) {
    enum status status = file_write(writer->file, writer->out.at, writer->out.length, error);
    writer->offset += writer->out.length;
    buffer_clear(&writer->out);
    return status;
}

static enum status begin_file(struct key_writer *writer, struct error *error) {
    const struct key_header header = {.magic = KEY_MAGIC, .format = KEY_FILE_FORMAT};
    enum status status = file_open(writer->fs, writer->path, FILE_CREATE_NEW, &writer->file, error);
    if (status != STATUS_OK) return status;
    return buffer_append(&writer->out, &header, sizeof header) == STATUS_OK
               ? STATUS_OK
               : no_memory(writer->path, error);
}

enum status key_writer_create(struct key_writer **out, struct file_system *fs, const char *path,
                              uint64_t count_max, struct error *error) {
    *out = NULL;
    if (count_max > KEY_FILE_MAX)
        return error_set(error, STATUS_LIMIT, "%s: a key file holds at most %llu keys", path,
                         (unsigned long long)KEY_FILE_MAX);
    struct key_writer *writer = memory_calloc(1, sizeof *writer);
    if (writer == NULL) return no_memory(path, error);
    writer->fs = fs;
    buffer_init(&writer->out);
    buffer_init(&writer->sections);
    writer->footer.filter_blocks = (count_max * FILTER_BITS_A_KEY) / (KEY_FILTER_WORDS * 64) + 1;
    writer->footer.bucket_count = count_max / KEYS_A_BUCKET + 1;
    writer->filter_bytes = (size_t)writer->footer.filter_blocks * KEY_FILTER_WORDS * 8;
    writer->bucket_bytes = (size_t)(writer->footer.bucket_count + 2) * sizeof *writer->bucket;
    writer->path = memory_alloc(strlen(path) + 1);
    writer->filter = memory_alloc_huge(writer->filter_bytes);
    writer->bucket = memory_alloc_huge(writer->bucket_bytes);
    enum status status = STATUS_OK;
    if (writer->path == NULL || writer->filter == NULL || writer->bucket == NULL) {
        status = no_memory(path, error);
    } else {
        memcpy(writer->path, path, strlen(path) + 1);
        status = begin_file(writer, error);
    }
    if (status != STATUS_OK) {
        key_writer_destroy(writer);
        return status;
    }
    *out = writer;
    return STATUS_OK;
}

void key_writer_destroy(struct key_writer *writer) {
    if (writer == NULL) return;
    bool created = writer->file != NULL;
    file_close(writer->file);
    struct error ignored;
    if (created && !writer->finished) (void)!file_remove(writer->fs, writer->path, &ignored);
    buffer_release(&writer->out);
    buffer_release(&writer->sections);
    memory_free_huge(writer->filter, writer->filter_bytes);
    memory_free_huge(writer->bucket, writer->bucket_bytes);
    memory_free(writer->order);
    memory_free(writer->scratch);
    memory_free(writer->path);
    memory_free(writer);
}

/* `bytes` of what was appended last become a section, padded. */
static enum status end_section(struct key_writer *writer, size_t bytes, int64_t base,
                               uint32_t width, uint32_t encoding) {
    static const char zeros[8];
    size_t over = bytes % 8 ? 8 - bytes % 8 : 0;
    enum status status = buffer_append(&writer->out, zeros, over);
    if (status != STATUS_OK) return status;
    const char *at = writer->out.at + writer->out.length - over - bytes;
    const struct run_section section = {
        .offset = writer->offset + writer->out.length - over - bytes,
        .length = bytes + over,
        .checksum = hash_bytes(at, bytes + over, 0),
        .base = base,
        .width = width,
        .encoding = encoding,
    };
    return buffer_append(&writer->sections, &section, sizeof section);
}

/* Writes a narrow column. Values are compared as signed numbers: versions are signed, and the
 * others are small. */
static enum status put_narrow(struct key_writer *writer, const int64_t *values) {
    const struct run_narrow_form form = run_narrow_form_of(values, writer->count);
    size_t bytes = (size_t)writer->count * form.width;
    enum status status = buffer_reserve(&writer->out, bytes + 8);
    if (status != STATUS_OK) return status;
    run_narrow_write(writer->out.at + writer->out.length, form, values, writer->count);
    writer->out.length += bytes;
    return end_section(writer, bytes, form.base, form.width, RUN_NARROW);
}

static enum status finish_part(struct key_writer *writer, struct error *error) {
    if (writer->count == 0) return STATUS_OK;
    size_t bytes = writer->count * sizeof *writer->hot;
    enum status status = buffer_append(&writer->out, writer->hot, bytes);
    if (status == STATUS_OK) status = end_section(writer, bytes, 0, 0, RUN_PLAIN);
    const int64_t *const columns[] = {writer->persona, writer->position, writer->version,
                                      writer->source};
    for (size_t i = 0; status == STATUS_OK && i < sizeof columns / sizeof *columns; i++)
        status = put_narrow(writer, columns[i]);
    if (status != STATUS_OK) return no_memory(writer->path, error);
    writer->footer.part_count++;
    writer->count = 0;
    return writer->out.length < WRITE_BYTES ? STATUS_OK : flush(writer, error);
}

static void note_key(struct key_writer *writer, uint64_t low) {
    uint64_t bits = key_filter_bits(low);
    uint64_t *word =
        writer->filter + key_share(low, writer->footer.filter_blocks) * KEY_FILTER_WORDS;
    for (uint32_t w = 0; w < KEY_FILTER_WORDS; w++)
        word[w] |= UINT64_C(1) << key_filter_bit(bits, w);
    writer->bucket[key_share(low, writer->footer.bucket_count) + 1]++;
}

enum status key_writer_add(struct key_writer *writer, const struct key_entry *entry,
                           struct error *error) {
    if (writer->count == KEY_PART) {
        enum status status = finish_part(writer, error);
        if (status != STATUS_OK) return status;
    }
    uint32_t n = writer->count++;
    writer->hot[n] = (struct key_hot){entry->low, entry->content, entry->high, entry->reading,
                                      (uint16_t)entry->flags};
    writer->persona[n] = entry->persona;
    writer->position[n] = (int64_t)entry->position;
    writer->version[n] = entry->version;
    writer->source[n] = entry->source;
    if (entry->position > writer->footer.position_max)
        writer->footer.position_max = entry->position;
    note_key(writer, entry->low);
    writer->footer.count++;
    return STATUS_OK;
}

static enum status put_tables(struct key_writer *writer) {
    uint64_t buckets = writer->footer.bucket_count;
    for (uint64_t i = 0; i < buckets; i++) writer->bucket[i + 1] += writer->bucket[i];
    size_t bytes = (size_t)(buckets + 1) * sizeof *writer->bucket;
    enum status status = buffer_append(&writer->out, writer->filter, writer->filter_bytes);
    if (status == STATUS_OK) status = end_section(writer, writer->filter_bytes, 0, 0, RUN_PLAIN);
    if (status == STATUS_OK) status = buffer_append(&writer->out, writer->bucket, bytes);
    return status == STATUS_OK ? end_section(writer, bytes, 0, 0, RUN_PLAIN) : status;
}

static enum status put_footer(struct key_writer *writer) {
    size_t start = writer->out.length;
    struct key_trailer trailer = {.magic = KEY_TRAILER_MAGIC,
                                  .footer_offset = writer->offset + start};
    enum status status = buffer_append(&writer->out, &writer->footer, sizeof writer->footer);
    if (status == STATUS_OK)
        status = buffer_append(&writer->out, writer->sections.at, writer->sections.length);
    if (status != STATUS_OK) return status;
    trailer.footer_length = writer->out.length - start;
    trailer.footer_checksum = hash_bytes(writer->out.at + start, trailer.footer_length, 0);
    return buffer_append(&writer->out, &trailer, sizeof trailer);
}

enum status key_writer_finish(struct key_writer *writer, uint64_t *count, uint64_t *bytes,
                              struct error *error) {
    *count = writer->footer.count;
    if (*count == 0) return STATUS_END;
    enum status status = finish_part(writer, error);
    if (status != STATUS_OK) return status;
    if (put_tables(writer) != STATUS_OK || put_footer(writer) != STATUS_OK)
        return no_memory(writer->path, error);
    status = flush(writer, error);
    if (status == STATUS_OK) status = file_sync(writer->file, error);
    if (status != STATUS_OK) return status;
    *bytes = writer->offset;
    writer->finished = true;
    return STATUS_OK;
}

/* ---- a list of any order ---- */

static int compare_entries(const void *a, const void *b) {
    const struct key_entry *x = a, *y = b;
    if (x->low != y->low) return x->low < y->low ? -1 : 1;
    if (x->high != y->high) return x->high < y->high ? -1 : 1;
    return (x->position < y->position) - (x->position > y->position); /* the newest first */
}

/* Entries [first, end) of the order have the same upper bits. */
static enum status write_group(struct key_writer *writer, const struct key_list *list,
                               const uint64_t *order, size_t first, size_t end,
                               struct error *error) {
    const uint64_t mask = (UINT64_C(1) << INDEX_BITS) - 1;
    struct key_entry few[8], *group = few;
    size_t count = end - first;
    if (count == 1) { /* nearly always */
        list->get(list->context, (size_t)(order[first] & mask), few);
        return key_writer_add(writer, few, error);
    }
    if (count > sizeof few / sizeof *few) {
        group = memory_alloc(count * sizeof(*group));
        if (group == NULL) return no_memory(writer->path, error);
    }
    for (size_t i = 0; i < count; i++)
        list->get(list->context, (size_t)(order[first + i] & mask), &group[i]);
    qsort(group, count, sizeof(*group), compare_entries);
    enum status status = STATUS_OK;
    for (size_t i = 0; status == STATUS_OK && i < count; i++) {
        bool again =
            i > 0 && group[i - 1].low == group[i].low && group[i - 1].high == group[i].high;
        if (!again) status = key_writer_add(writer, &group[i], error);
    }
    if (group != few) memory_free(group);
    return status;
}

static enum status write_sorted(struct key_writer *writer, const struct key_list *list,
                                const uint64_t *order, struct error *error) {
    const uint64_t mask = (UINT64_C(1) << INDEX_BITS) - 1;
    enum status status = STATUS_OK;
    for (size_t first = 0, end; status == STATUS_OK && first < list->count; first = end) {
        for (end = first + 1;
             end < list->count && order[end] >> SORT_FROM_BIT == order[first] >> SORT_FROM_BIT;)
            end++;
        if (list->prefetch != NULL && end + AHEAD < list->count)
            list->prefetch(list->context, (size_t)(order[end + AHEAD] & mask));
        status = write_group(writer, list, order, first, end, error);
    }
    return status;
}

enum status key_writer_add_list(struct key_writer *writer, const struct key_list *list,
                                struct error *error) {
    if (list->count >> INDEX_BITS != 0)
        return error_set(error, STATUS_LIMIT, "%s: too many keys to sort at once", writer->path);
    if (memory_grow((void **)&writer->order, &writer->order_capacity, list->count,
                    sizeof *writer->order) ||
        memory_grow((void **)&writer->scratch, &writer->scratch_capacity, list->count,
                    sizeof *writer->scratch))
        return no_memory(writer->path, error);
    for (size_t i = 0; i < list->count; i++) {
        struct key_entry entry;
        list->get(list->context, i, &entry);
        writer->order[i] = (entry.low >> INDEX_BITS << INDEX_BITS) | i;
    }
    run_sort_u64(writer->order, writer->scratch, list->count, SORT_FROM_BIT);
    return write_sorted(writer, list, writer->order, error);
}

enum status key_file_write(struct file_system *fs, const char *path, const struct key_list *list,
                           uint64_t *count, uint64_t *bytes, struct error *error) {
    struct key_writer *writer = NULL;
    enum status status = key_writer_create(&writer, fs, path, list->count, error);
    if (status == STATUS_OK) status = key_writer_add_list(writer, list, error);
    if (status == STATUS_OK) status = key_writer_finish(writer, count, bytes, error);
    key_writer_destroy(writer);
    return status;
}

/* ---- several files into one ---- */

struct merging {
    const struct key_merge *merge;
    uint64_t *next;          /* a file: its next entry */
    struct key_entry *heads; /* a file: that entry */
    struct key_entry legacy; /* the last one that was kept */
};

static bool is_at_end(const struct merging *merging, uint32_t f) {
    return merging->next[f] > key_file_count(merging->merge->files[f]);
}

static enum status advance(struct merging *merging, uint32_t f, struct error *error) {
    const struct key_file *file = merging->merge->files[f];
    uint64_t at = merging->next[f]++;
    if (at >= key_file_count(file)) return STATUS_OK;
    if (key_file_at(file, at, &merging->heads[f]) == STATUS_OK) return STATUS_OK;
    return key_file_damage(file, error);
}

/* Takes all entries of the lowest key and writes the newest one. A legacy entry is the same key as
 * any newer one with its lower half. Its upper half is 0, so it comes first. */
static enum status merge_key(struct merging *merging, struct key_writer *writer, bool *any,
                             struct error *error) {
    const struct key_merge *merge = merging->merge;
    uint32_t lowest = UINT32_MAX;
    struct key_entry *heads = merging->heads, newest;
    for (uint32_t f = 0; f < merge->file_count; f++) {
        if (is_at_end(merging, f)) continue;
        if (lowest == UINT32_MAX || heads[f].low < heads[lowest].low ||
            (heads[f].low == heads[lowest].low && heads[f].high < heads[lowest].high))
            lowest = f;
    }
    *any = lowest != UINT32_MAX;
    if (!*any) return STATUS_OK;
    newest = heads[lowest];
    bool is_known_better = false;
    enum status status = STATUS_OK;
    for (uint32_t f = 0; status == STATUS_OK && f < merge->file_count; f++) {
        if (is_at_end(merging, f) || heads[f].low != newest.low) continue;
        if (heads[f].high == newest.high) {
            newest = heads[f];
            status = advance(merging, f, error);
        } else if ((newest.flags & KEY_LEGACY) && heads[f].position >= newest.position) {
            is_known_better = true;
        }
    }
    if (status != STATUS_OK || is_known_better) return status;
    /* After damage, keys are made anew as legacy ones, which may be newer than the keys that are
     * left. */
    if (newest.flags & KEY_LEGACY)
        merging->legacy = newest;
    else if (newest.low == merging->legacy.low && newest.position < merging->legacy.position)
        return STATUS_OK;
    if (merge->drops != NULL && merge->drops(merge->context, &newest)) return STATUS_OK;
    return key_writer_add(writer, &newest, error);
}

enum status key_file_merge(struct file_system *fs, const char *path, const struct key_merge *merge,
                           uint64_t *count, uint64_t *bytes, struct error *error) {
    struct merging merging = {.merge = merge};
    struct key_writer *writer = NULL;
    uint64_t sum = 0;
    bool any = true;
    for (uint32_t f = 0; f < merge->file_count; f++) sum += key_file_count(merge->files[f]);
    merging.next = memory_calloc(merge->file_count + 1, sizeof *merging.next);
    merging.heads = memory_calloc(merge->file_count + 1, sizeof *merging.heads);
    enum status status = STATUS_OK;
    if (merging.next == NULL || merging.heads == NULL) status = no_memory(path, error);
    if (status == STATUS_OK) status = key_writer_create(&writer, fs, path, sum, error);
    for (uint32_t f = 0; status == STATUS_OK && f < merge->file_count; f++)
        status = advance(&merging, f, error);
    while (status == STATUS_OK && any) status = merge_key(&merging, writer, &any, error);
    if (status == STATUS_OK) status = key_writer_finish(writer, count, bytes, error);
    key_writer_destroy(writer);
    memory_free(merging.next);
    memory_free(merging.heads);
    return status;
}
