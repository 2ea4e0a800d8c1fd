/* SPDX-License-Identifier: Apache-2.0 */
#include "store/run/run_writer.h"

#include "base/hash.h"
#include "base/memory.h"
#include "event/dark.h"
#include "store/run/run_blocks.h"
#include "store/run/run_columns.h"
#include "store/run/run_narrow.h"

/* The rows of the part under way, column by column. */
struct part_rows {
    int64_t *time_ms, *lag_ms, *position, *source, *key;
    uint16_t *type;
    uint8_t *channel;
    size_t capacity;
};

struct entry_list {
    uint32_t *customer, *persona, *row;
    size_t count, capacity;
};

struct run_writer {
    struct run_target target;
    struct file *file;
    uint64_t offset; /* bytes written */
    struct part_rows rows;
    struct run_part part;  /* under way */
    struct column_set set; /* the target's, and the whole column */
    struct run_columns *columns;
    struct run_blocks blocks;
    struct entry_list entries;
    struct buffer out;      /* the sections of a part, written at once */
    struct buffer parts;    /* struct run_part */
    struct buffer sections; /* struct run_section */
    struct run_section tables[RUN_TABLES];
    struct run_footer footer;
    bool finished;
};

static enum status out_of_memory(const struct run_writer *writer, struct error *error) {
    return error_set(error, STATUS_NO_MEMORY, "%s: no memory to write a run", writer->target.path);
}

static enum status flush(struct run_writer *writer, struct error *error) {
    enum status status = file_write(writer->file, writer->out.at, writer->out.length, error);
    writer->offset += writer->out.length;
    buffer_clear(&writer->out);
    return status;
}

enum status run_writer_create(struct run_writer **out, const struct run_target *target,
                              struct error *error) {
    struct run_writer *writer = memory_calloc(1, sizeof *writer);
    *out = NULL;
    if (writer == NULL)
        return error_set(error, STATUS_NO_MEMORY, "%s: no memory to write a run", target->path);
    writer->target = *target;
    writer->footer.position_min = UINT64_MAX;
    writer->footer.time_min = INT64_MAX;
    writer->footer.time_max = INT64_MIN;
    writer->footer.customer_min = ID_NONE;
    if (target->columns != NULL) writer->set = *target->columns;
    run_columns_with_whole(&writer->set);
    writer->footer.column_count = writer->set.count;
    buffer_init(&writer->out);
    buffer_init(&writer->parts);
    buffer_init(&writer->sections);
    run_blocks_init(&writer->blocks);
    if (target->symbols != NULL) {
        writer->footer.event_names = symbol_count(target->symbols, SYMBOL_EVENT);
        writer->footer.property_names = symbol_count(target->symbols, SYMBOL_PROPERTY);
    }
    const struct dark_names names = {target->symbols, writer->footer.property_names};
    enum status status = run_columns_create(&writer->columns, &writer->set, &names);
    struct run_header header = {.magic = RUN_MAGIC, .format = RUN_FORMAT};
    if (status == STATUS_OK) status = buffer_append(&writer->out, &header, sizeof header);
    if (status != STATUS_OK) {
        out_of_memory(writer, error);
        run_writer_destroy(writer);
        return status;
    }
    status = file_open(target->fs, target->path, FILE_CREATE_NEW, &writer->file, error);
    if (status != STATUS_OK) {
        run_writer_destroy(writer);
        return status;
    }
    *out = writer;
    return STATUS_OK;
}

void run_writer_destroy(struct run_writer *writer) {
    if (writer == NULL) return;
    if (writer->file != NULL) {
        file_close(writer->file);
        if (!writer->finished)
            (void)!writer->target.fs->ops->remove(writer->target.fs, writer->target.path, NULL);
    }
    struct part_rows *rows = &writer->rows;
    void *arrays[] = {rows->time_ms,
                      rows->lag_ms,
                      rows->position,
                      rows->source,
                      rows->key,
                      rows->type,
                      rows->channel,
                      writer->entries.customer,
                      writer->entries.persona,
                      writer->entries.row};
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++) memory_free(arrays[i]);
    run_columns_destroy(writer->columns);
    run_blocks_release(&writer->blocks);
    buffer_release(&writer->out);
    buffer_release(&writer->parts);
    buffer_release(&writer->sections);
    memory_free(writer);
}

static bool resize(void *array, size_t count, size_t item_bytes) {
    void **at = array;
    void *grown = memory_realloc(*at, count * item_bytes);
    if (grown != NULL) *at = grown;
    return grown != NULL;
}

static enum status reserve_row(struct part_rows *rows, size_t count) {
    if (count <= rows->capacity) return STATUS_OK;
    size_t capacity = rows->capacity == 0 ? RUN_PART_ROWS * 5 / 4 : rows->capacity * 2;
    bool good = resize(&rows->time_ms, capacity, 8) && resize(&rows->lag_ms, capacity, 8) &&
                resize(&rows->position, capacity, 8) && resize(&rows->source, capacity, 8) &&
                resize(&rows->key, capacity, 8) && resize(&rows->type, capacity, 2) &&
                resize(&rows->channel, capacity, 1);
    if (!good) return STATUS_NO_MEMORY;
    rows->capacity = capacity;
    return STATUS_OK;
}

static enum status add_entry(struct run_writer *writer, uint32_t customer, uint32_t persona) {
    struct entry_list *entries = &writer->entries;
    if (entries->count + 2 > entries->capacity) {
        size_t capacity = entries->capacity == 0 ? 1024 : entries->capacity * 2;
        if (!resize(&entries->customer, capacity, 4) || !resize(&entries->persona, capacity, 4) ||
            !resize(&entries->row, capacity, 4)) {
            return STATUS_NO_MEMORY;
        }
        entries->capacity = capacity;
    }
    entries->customer[entries->count] = customer;
    entries->persona[entries->count] = persona;
    entries->row[entries->count++] = (uint32_t)writer->footer.row_count;
    return STATUS_OK;
}

/* What is written next lies at a multiple of the alignment. */
static enum status align(struct run_writer *writer) {
    static const char zeros[RUN_ALIGNMENT];
    size_t over = (writer->offset + writer->out.length) % RUN_ALIGNMENT;
    return over > 0 ? buffer_append(&writer->out, zeros, RUN_ALIGNMENT - over) : STATUS_OK;
}

static enum status section_begin(struct run_writer *writer, struct run_section *section) {
    enum status status = align(writer);
    section->offset = writer->offset + writer->out.length;
    return status;
}

static void section_end(struct run_writer *writer, struct run_section *section) {
    section->length = writer->offset + writer->out.length - section->offset;
    section->checksum =
        hash_bytes(writer->out.at + writer->out.length - section->length, section->length, 0);
}

static enum status put_plain(struct run_writer *writer, struct run_section *section,
                             const void *bytes, size_t length) {
    enum status status = section_begin(writer, section);
    if (status == STATUS_OK && length > 0) status = buffer_append(&writer->out, bytes, length);
    section_end(writer, section);
    return status;
}

static enum status put_narrow(struct run_writer *writer, struct run_section *section,
                              const int64_t *values, uint32_t count) {
    const struct run_narrow_form form = run_narrow_form_of(values, count);
    section->base = form.base;
    section->encoding = RUN_NARROW;
    section->width = form.width;
    enum status status = section_begin(writer, section);
    if (status == STATUS_OK) status = buffer_reserve(&writer->out, (size_t)count * form.width + 1);
    if (status != STATUS_OK) return status;
    run_narrow_write(writer->out.at + writer->out.length, form, values, count);
    writer->out.length += (size_t)count * form.width;
    section_end(writer, section);
    return STATUS_OK;
}

static enum status put_rows(struct run_writer *writer, struct run_section *section) {
    const struct part_rows *rows = &writer->rows;
    uint32_t n = writer->part.row_count;
    const struct buffer *heap = run_columns_heap(writer->columns);
    enum status status = put_plain(writer, &section[RUN_TIME], rows->time_ms, (size_t)n * 8);
    if (status == STATUS_OK)
        status = put_plain(writer, &section[RUN_TYPE], rows->type, (size_t)n * 2);
    if (status == STATUS_OK) status = put_plain(writer, &section[RUN_CHANNEL], rows->channel, n);
    if (status == STATUS_OK) status = put_narrow(writer, &section[RUN_LAG], rows->lag_ms, n);
    if (status == STATUS_OK) status = put_narrow(writer, &section[RUN_POSITION], rows->position, n);
    if (status == STATUS_OK) status = put_narrow(writer, &section[RUN_SOURCE], rows->source, n);
    if (status == STATUS_OK) status = put_narrow(writer, &section[RUN_KEY], rows->key, n);
    if (status == STATUS_OK) status = put_plain(writer, &section[RUN_HEAP], heap->at, heap->length);
    return status;
}

/* The blocks are most of a part, so they are written from where they lie and not copied first. The
 * file is at a multiple of the alignment afterwards, so that what is encoded in `out` next lies
 * there in memory as it does in the file. */
static enum status write_blocks(struct run_writer *writer, struct run_section *section,
                                struct error *error) {
    static const char zeros[RUN_ALIGNMENT];
    const struct buffer *stored = &writer->blocks.stored;
    size_t over = stored->length % RUN_ALIGNMENT, padding = over > 0 ? RUN_ALIGNMENT - over : 0;
    if (section_begin(writer, section) != STATUS_OK) return out_of_memory(writer, error);
    enum status status = flush(writer, error);
    if (status == STATUS_OK && stored->length > 0)
        status = file_write(writer->file, stored->at, stored->length, error);
    if (status == STATUS_OK && padding > 0)
        status = file_write(writer->file, zeros, padding, error);
    writer->offset += stored->length + padding;
    section->length = stored->length;
    section->checksum = hash_bytes(stored->at, stored->length, 0);
    return status;
}

static enum status put_columns(struct run_writer *writer, struct run_section *section) {
    enum status status = STATUS_OK;
    for (uint32_t c = 0; status == STATUS_OK && c < writer->footer.column_count; c++) {
        status = section_begin(writer, &section[c]);
        if (status == STATUS_OK) {
            status = run_columns_encode(writer->columns, c, writer->part.row_count, &writer->out,
                                        &section[c]);
        }
        section_end(writer, &section[c]);
    }
    return status;
}

static enum status finish_part(struct run_writer *writer, struct error *error) {
    if (writer->part.row_count == 0) return STATUS_OK;
    work_add(writer->target.work, writer->part.row_count);
    enum status cancelled = work_check(writer->target.work, error);
    if (cancelled != STATUS_OK) return cancelled;
    size_t count = RUN_PART_SECTIONS + writer->footer.column_count,
           length = count * sizeof(struct run_section);
    if (buffer_reserve(&writer->sections, length) != STATUS_OK) return out_of_memory(writer, error);
    struct run_section *section =
        (struct run_section *)(writer->sections.at + writer->sections.length);
    memset(section, 0, length);
    enum status status = run_blocks_finish(&writer->blocks);
    if (status == STATUS_OK) status = put_rows(writer, section);
    if (status != STATUS_OK) return out_of_memory(writer, error);
    status = write_blocks(writer, &section[RUN_BLOCKS], error);
    if (status != STATUS_OK) return status;
    const struct buffer *index = &writer->blocks.index;
    status = put_plain(writer, &section[RUN_BLOCK_INDEX], index->at, index->length);
    if (status == STATUS_OK) status = put_columns(writer, section + RUN_PART_SECTIONS);
    writer->part.entry_count = (uint32_t)writer->entries.count - writer->part.entry_first;
    writer->part.packed_bytes = writer->blocks.packed_bytes;
    if (status == STATUS_OK)
        status = buffer_append(&writer->parts, &writer->part, sizeof writer->part);
    if (status != STATUS_OK) return out_of_memory(writer, error);
    writer->sections.length += length;
    writer->footer.part_count++;
    writer->part = (struct run_part){0};
    run_columns_clear(writer->columns);
    run_blocks_clear(&writer->blocks);
    if (align(writer) != STATUS_OK) return out_of_memory(writer, error);
    return flush(writer, error);
}

static void begin_part(struct run_writer *writer) {
    writer->part = (struct run_part){.row_first = (uint32_t)writer->footer.row_count,
                                     .entry_first = (uint32_t)writer->entries.count,
                                     .time_min = INT64_MAX,
                                     .time_max = INT64_MIN,
                                     .known_max = INT64_MIN,
                                     .lag_max = INT64_MIN};
}

static void note_row(struct run_writer *writer, const struct run_row *row, int64_t lag_ms) {
    struct run_part *part = &writer->part;
    struct run_footer *footer = &writer->footer;
    if (row->time_ms < part->time_min) part->time_min = row->time_ms;
    if (row->time_ms > part->time_max) part->time_max = row->time_ms;
    if (row->known_ms > part->known_max) part->known_max = row->known_ms;
    if (lag_ms > part->lag_max) part->lag_max = lag_ms;
    if (row->position > part->position_max) part->position_max = row->position;
    if (row->position < footer->position_min) footer->position_min = row->position;
    if (row->position > footer->position_max) footer->position_max = row->position;
    if (row->time_ms < footer->time_min) footer->time_min = row->time_ms;
    if (row->time_ms > footer->time_max) footer->time_max = row->time_ms;
}

static void put_row(struct part_rows *rows, uint32_t n, const struct run_row *row, int64_t lag_ms) {
    rows->time_ms[n] = row->time_ms;
    rows->lag_ms[n] = lag_ms;
    rows->position[n] = (int64_t)row->position;
    rows->source[n] = row->source;
    rows->key[n] = (int64_t)row->key;
    rows->type[n] = row->type;
    rows->channel[n] = row->channel;
}

enum status run_writer_add(struct run_writer *writer, uint32_t customer, const struct run_row *row,
                           struct error *error) {
    const struct entry_list *entries = &writer->entries;
    size_t last = entries->count - 1;
    bool same = entries->count > 0 && entries->customer[last] == customer;
    enum status status = STATUS_OK;
    if (!same && writer->part.row_count >= RUN_PART_ROWS) status = finish_part(writer, error);
    if (status != STATUS_OK) return status;
    if (writer->footer.row_count >= RUN_ROWS_MAX) {
        return error_set(error, STATUS_LIMIT, "%s: a run holds at most %u events",
                         writer->target.path, RUN_ROWS_MAX);
    }
    if (writer->part.row_count == 0) begin_part(writer);
    if (!same || entries->persona[last] != row->persona)
        status = add_entry(writer, customer, row->persona);
    uint32_t n = writer->part.row_count;
    if (status == STATUS_OK) status = reserve_row(&writer->rows, (size_t)n + 1);
    if (status == STATUS_OK) status = run_columns_add(writer->columns, n, row->type, row->packed);
    if (status == STATUS_OK) status = run_blocks_add(&writer->blocks, n, row->packed);
    if (status != STATUS_OK) {
        return error_set(error, status, "%s: event %llu: %s", writer->target.path,
                         (unsigned long long)row->position,
                         status == STATUS_CORRUPT ? "its properties are damaged"
                                                  : status_name(status));
    }
    int64_t lag_ms = (int64_t)((uint64_t)row->known_ms - (uint64_t)row->time_ms);
    put_row(&writer->rows, n, row, lag_ms);
    if (row->type == EVENT_UNDECLARED && writer->target.symbols != NULL)
        writer->rows.type[n] = dark_event_type(writer->target.symbols, row->packed);
    note_row(writer, row, lag_ms);
    writer->part.row_count++;
    writer->footer.row_count++;
    return STATUS_OK;
}

/* Writes bits, ranks and the entries in order of persona: they lead from a persona to its entry in
 * two touches of memory. */
static enum status put_index(struct run_writer *writer) {
    const struct entry_list *entries = &writer->entries;
    struct run_footer *footer = &writer->footer;
    uint32_t low = ID_NONE, high = 0;
    for (size_t i = 0; i < entries->count; i++) {
        if (entries->persona[i] < low) low = entries->persona[i];
        if (entries->persona[i] > high) high = entries->persona[i];
    }
    footer->persona_base = low & ~UINT32_C(63);
    footer->index_words = ((uint64_t)high - footer->persona_base) / 64 + 1;
    size_t words = footer->index_words;
    uint64_t *bits = memory_calloc(words, 8);
    uint32_t *rank = memory_calloc(words, 4), *entry = memory_calloc(entries->count, 4);
    enum status status = bits && rank && entry ? STATUS_OK : STATUS_NO_MEMORY;
    for (size_t i = 0; status == STATUS_OK && i < entries->count; i++) {
        uint32_t p = entries->persona[i] - footer->persona_base;
        bits[p / 64] |= UINT64_C(1) << (p % 64);
    }
    for (size_t w = 1; status == STATUS_OK && w < words; w++) {
        rank[w] = rank[w - 1] + (uint32_t)__builtin_popcountll(bits[w - 1]);
    }
    for (size_t i = 0; status == STATUS_OK && i < entries->count; i++) {
        uint32_t p = entries->persona[i] - footer->persona_base;
        uint64_t below = bits[p / 64] & ((UINT64_C(1) << (p % 64)) - 1);
        entry[rank[p / 64] + (uint32_t)__builtin_popcountll(below)] = (uint32_t)i;
    }
    if (status == STATUS_OK)
        status = put_plain(writer, &writer->tables[RUN_INDEX_BITS], bits, words * 8);
    if (status == STATUS_OK)
        status = put_plain(writer, &writer->tables[RUN_INDEX_RANK], rank, words * 4);
    if (status == STATUS_OK) {
        status = put_plain(writer, &writer->tables[RUN_INDEX_ENTRY], entry, entries->count * 4);
    }
    memory_free(bits);
    memory_free(rank);
    memory_free(entry);
    return status;
}

static enum status put_tables(struct run_writer *writer) {
    struct entry_list *entries = &writer->entries;
    struct run_footer *footer = &writer->footer;
    entries->row[entries->count] = (uint32_t)footer->row_count; /* add_entry keeps room for it */
    footer->entry_count = (uint32_t)entries->count;
    footer->customer_min = entries->customer[0];
    footer->customer_max = entries->customer[entries->count - 1];
    size_t bytes = entries->count * 4;
    enum status status =
        put_plain(writer, &writer->tables[RUN_ENTRY_CUSTOMER], entries->customer, bytes);
    if (status == STATUS_OK) {
        status = put_plain(writer, &writer->tables[RUN_ENTRY_PERSONA], entries->persona, bytes);
    }
    if (status == STATUS_OK)
        status = put_plain(writer, &writer->tables[RUN_ENTRY_ROW], entries->row, bytes + 4);
    return status == STATUS_OK ? put_index(writer) : status;
}

static enum status put_footer(struct run_writer *writer) {
    static const char zeros[RUN_ALIGNMENT];
    struct run_section footer = {0};
    struct run_trailer trailer = {.magic = RUN_TRAILER_MAGIC};
    enum status status = section_begin(writer, &footer);
    if (status == STATUS_OK)
        status = buffer_append(&writer->out, &writer->footer, sizeof writer->footer);
    if (status == STATUS_OK)
        status = buffer_append(&writer->out, writer->tables, sizeof writer->tables);
    for (uint32_t c = 0; status == STATUS_OK && c < writer->footer.column_count; c++) {
        const struct column *column = &writer->set.columns[c];
        uint32_t words[2] = {column->property, (uint32_t)column->type};
        status = buffer_append(&writer->out, words, sizeof words);
    }
    if (status == STATUS_OK)
        status = buffer_append(&writer->out, writer->parts.at, writer->parts.length);
    if (status == STATUS_OK)
        status = buffer_append(&writer->out, writer->sections.at, writer->sections.length);
    section_end(writer, &footer);
    trailer.footer_offset = footer.offset;
    trailer.footer_length = footer.length;
    trailer.footer_checksum = footer.checksum;
    if (status == STATUS_OK)
        status = buffer_append(&writer->out, zeros, (size_t)(-footer.length % RUN_ALIGNMENT));
    if (status == STATUS_OK) status = buffer_append(&writer->out, &trailer, sizeof trailer);
    return status;
}

enum status run_writer_finish(struct run_writer *writer, struct run_info *info,
                              struct error *error) {
    const struct run_footer *footer = &writer->footer;
    if (footer->row_count == 0) return STATUS_END;
    enum status status = finish_part(writer, error);
    if (status != STATUS_OK) return status;
    if (put_tables(writer) != STATUS_OK || put_footer(writer) != STATUS_OK)
        return out_of_memory(writer, error);
    status = flush(writer, error);
    if (status == STATUS_OK) status = file_sync(writer->file, error);
    if (status != STATUS_OK) return status;
    writer->finished = true;
    if (info != NULL) *info = run_footer_info(footer, writer->offset);
    return STATUS_OK;
}
