/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>

#include "base/bits.h"
#include "base/hash.h"
#include "base/memory.h"
#include "store/run/run_file.h"

static bool all_zero(const void *bytes, size_t length) {
    const uint8_t *at = bytes;
    for (size_t i = 0; i < length; i++) {
        if (at[i] != 0) return false;
    }
    return true;
}

static enum status corrupt(struct error *error, const char *path, const char *what) {
    return error_set(error, STATUS_CORRUPT,
                     "%s: %s; restore it from a backup (attune fsck tells what else is damaged)",
                     path, what);
}

static enum status check_header(const struct run *run, const char *path, struct error *error) {
    const struct run_header *header = (const struct run_header *)run->mapping.at;
    if (run->mapping.length < sizeof *header + sizeof(struct run_trailer)) {
        return corrupt(error, path, "the run is cut short");
    }
    if (header->magic != RUN_MAGIC) return corrupt(error, path, "this is not a run file");
    if (header->format > RUN_FORMAT && header->format < 1000) {
        return error_set(error, STATUS_VERSION,
                         "%s: has format %" PRIu32
                         ", this program reads up to %u: use the newer program that wrote it",
                         path, header->format, RUN_FORMAT);
    }
    if (header->format != RUN_FORMAT || header->zero != 0 ||
        !all_zero(header->zeros, sizeof header->zeros)) {
        return corrupt(error, path, "the run's header is damaged");
    }
    return STATUS_OK;
}

/* The bytes of the footer, checked by the trailer. */
static enum status find_footer(const struct run *run, const uint8_t **footer, uint64_t *length) {
    struct run_trailer trailer;
    uint64_t file_length = run->mapping.length;
    if (file_length % RUN_ALIGNMENT != 0) return STATUS_CORRUPT;
    memcpy(&trailer, run->mapping.at + file_length - sizeof trailer, sizeof trailer);
    if (trailer.magic != RUN_TRAILER_MAGIC || !all_zero(trailer.zeros, sizeof trailer.zeros))
        return STATUS_CORRUPT;
    uint64_t end = file_length - sizeof trailer;
    if (trailer.footer_offset % RUN_ALIGNMENT != 0 || trailer.footer_offset > end ||
        trailer.footer_length > end - trailer.footer_offset ||
        end - trailer.footer_offset - trailer.footer_length >= RUN_ALIGNMENT ||
        trailer.footer_length < sizeof(struct run_footer)) {
        return STATUS_CORRUPT;
    }
    *footer = run->mapping.at + trailer.footer_offset;
    *length = trailer.footer_length;
    if (!all_zero(*footer + *length, end - trailer.footer_offset - trailer.footer_length))
        return STATUS_CORRUPT;
    return hash_bytes(*footer, *length, 0) == trailer.footer_checksum ? STATUS_OK : STATUS_CORRUPT;
}

static enum status read_footer(struct run *run, const uint8_t *at, uint64_t length) {
    const struct run_footer *footer = (const struct run_footer *)at;
    if (footer->part_count == 0 || footer->entry_count == 0 ||
        footer->column_count > TIMELINE_COLUMNS_MAX || footer->row_count == 0 ||
        footer->row_count > RUN_ROWS_MAX || footer->persona_base % 64 != 0 ||
        footer->index_words > (UINT32_MAX - footer->persona_base) / 64 + 1) {
        return STATUS_CORRUPT;
    }
    run->sections_a_part = RUN_PART_SECTIONS + footer->column_count;
    uint64_t fixed = sizeof *footer + RUN_TABLES * sizeof(struct run_section) +
                     footer->column_count * sizeof(struct column);
    uint64_t a_part = sizeof(struct run_part) + run->sections_a_part * sizeof(struct run_section);
    if (length != fixed + a_part * footer->part_count) return STATUS_CORRUPT;
    run->info = run_footer_info(footer, run->mapping.length);
    run->whole_column = ID_NONE;
    run->event_names = footer->event_names;
    run->property_names = footer->property_names;
    run->persona_base = footer->persona_base;
    run->index_words = footer->index_words;
    run->tables = (const struct run_section *)(at + sizeof *footer);
    run->columns = (const struct column *)(run->tables + RUN_TABLES);
    run->parts = (const struct run_part *)(run->columns + footer->column_count);
    run->sections = (const struct run_section *)(run->parts + footer->part_count);
    for (uint32_t c = 0; c < footer->column_count; c++) {
        uint32_t type = (uint32_t)run->columns[c].type;
        if (type == VALUE_UNKNOWN || type >= VALUE_TYPE_COUNT) return STATUS_CORRUPT;
        if (run->columns[c].property == RUN_WHOLE_PROPERTY && type == VALUE_LIST)
            run->whole_column = c;
    }
    return STATUS_OK;
}

static bool section_fits(const struct run *run, const struct run_section *section) {
    return section->offset % RUN_ALIGNMENT == 0 && section->offset >= sizeof(struct run_header) &&
           section->offset <= run->mapping.length &&
           section->length <= run->mapping.length - section->offset;
}

static bool narrow_fits(const struct run_section *section, uint64_t rows) {
    uint32_t width = section->width;
    return section->encoding == RUN_NARROW && (width <= 2 || width == 4 || width == 8) &&
           section->length == rows * width;
}

static bool column_fits(const struct run_section *section, uint32_t rows, enum value_type type) {
    uint64_t words = ((uint64_t)rows + 63) / 64,
             head = words * 8 + ((words * 4 + 7) & ~UINT64_C(7));
    if (section->width != cell_bytes(type)) return false;
    if (section->encoding == RUN_ABSENT) return section->length == 0;
    if (section->encoding == RUN_DENSE) return section->length == (uint64_t)rows * section->width;
    return section->encoding == RUN_SPARSE && section->length >= head &&
           (section->length - head) % section->width == 0 &&
           (section->length - head) / section->width <= rows;
}

static bool part_fits(const struct run *run, uint32_t part) {
    const struct run_section *section = run_section_of(run, part, 0);
    uint64_t rows = run->parts[part].row_count;
    for (uint32_t k = 0; k < run->sections_a_part; k++) {
        if (!section_fits(run, &section[k])) return false;
    }
    for (uint32_t c = 0; c < run->info.column_count; c++) {
        if (!column_fits(&section[RUN_PART_SECTIONS + c], (uint32_t)rows, run->columns[c].type))
            return false;
    }
    return section[RUN_TIME].length == rows * 8 && section[RUN_TYPE].length == rows * 2 &&
           section[RUN_CHANNEL].length == rows && narrow_fits(&section[RUN_LAG], rows) &&
           narrow_fits(&section[RUN_POSITION], rows) && narrow_fits(&section[RUN_SOURCE], rows) &&
           narrow_fits(&section[RUN_KEY], rows) &&
           section[RUN_BLOCK_INDEX].length >= 2 * sizeof(struct run_block) &&
           section[RUN_BLOCK_INDEX].length % sizeof(struct run_block) == 0;
}

/* Parts follow each other without gaps and end with the run's rows and entries. */
static enum status check_parts(const struct run *run) {
    uint64_t row = 0, entry = 0;
    for (uint32_t p = 0; p < run->info.part_count; p++) {
        const struct run_part *part = &run->parts[p];
        if (part->row_first != row || part->entry_first != entry || part->row_count == 0 ||
            part->entry_count == 0 || !part_fits(run, p)) {
            return STATUS_CORRUPT;
        }
        row += part->row_count;
        entry += part->entry_count;
    }
    return row == run->info.row_count && entry == run->info.entry_count ? STATUS_OK
                                                                        : STATUS_CORRUPT;
}

static const void *table(const struct run *run, enum run_table_kind kind, uint64_t length) {
    const struct run_section *section = &run->tables[kind];
    if (!section_fits(run, section) || section->length != length) return NULL;
    const uint8_t *at = run->mapping.at + section->offset;
    return hash_bytes(at, length, 0) == section->checksum ? at : NULL;
}

static enum status read_tables(struct run *run) {
    uint64_t entries = run->info.entry_count;
    run->entry_customer = table(run, RUN_ENTRY_CUSTOMER, entries * 4);
    run->entry_persona = table(run, RUN_ENTRY_PERSONA, entries * 4);
    run->entry_row = table(run, RUN_ENTRY_ROW, entries * 4 + 4);
    run->index_bits = table(run, RUN_INDEX_BITS, run->index_words * 8);
    run->index_rank = table(run, RUN_INDEX_RANK, run->index_words * 4);
    run->index_entry = table(run, RUN_INDEX_ENTRY, entries * 4);
    return run->entry_customer && run->entry_persona && run->entry_row && run->index_bits &&
                   run->index_rank && run->index_entry
               ? STATUS_OK
               : STATUS_CORRUPT;
}

static bool entry_in_order(const struct run *run, uint32_t e) {
    if (e == 0) return true;
    uint64_t before = (uint64_t)run->entry_customer[e - 1] << 32 | run->entry_persona[e - 1];
    return before < ((uint64_t)run->entry_customer[e] << 32 | run->entry_persona[e]);
}

static enum status check_entries(const struct run *run) {
    uint32_t part = 0, entries = run->info.entry_count;
    for (uint32_t e = 0; e < entries; e++) {
        if (run->entry_row[e] >= run->entry_row[e + 1] || !entry_in_order(run, e))
            return STATUS_CORRUPT;
        if (part < run->info.part_count && run->parts[part].entry_first == e) {
            if (run->parts[part++].row_first != run->entry_row[e]) return STATUS_CORRUPT;
        }
    }
    return run->entry_row[0] == 0 && run->entry_row[entries] == run->info.row_count
               ? STATUS_OK
               : STATUS_CORRUPT;
}

static enum status check_index(const struct run *run) {
    uint32_t n = 0, entries = run->info.entry_count;
    for (uint64_t w = 0; w < run->index_words; w++) {
        if (run->index_rank[w] != n) return STATUS_CORRUPT;
        for (uint64_t bits = run->index_bits[w]; bits != 0; bits &= bits - 1) {
            uint64_t persona = run->persona_base + w * 64 + (uint64_t)__builtin_ctzll(bits);
            if (n >= entries || run->index_entry[n] >= entries) return STATUS_CORRUPT;
            if (run->entry_persona[run->index_entry[n++]] != persona) return STATUS_CORRUPT;
        }
    }
    return n == entries ? STATUS_OK : STATUS_CORRUPT;
}

static enum status read_structure(struct run *run, const char *path, struct error *error) {
    const uint8_t *footer;
    uint64_t length;
    enum status status = check_header(run, path, error);
    if (status != STATUS_OK) return status;
    if (find_footer(run, &footer, &length) != STATUS_OK ||
        read_footer(run, footer, length) != STATUS_OK) {
        return corrupt(error, path, "the run's footer is damaged");
    }
    if (check_parts(run) != STATUS_OK)
        return corrupt(error, path, "the run's list of sections is damaged");
    if (read_tables(run) != STATUS_OK || check_entries(run) != STATUS_OK ||
        check_index(run) != STATUS_OK) {
        return corrupt(error, path, "the run's table of personas is damaged");
    }
    uint64_t sections = (uint64_t)run->info.part_count * run->sections_a_part;
    run->checked = memory_calloc(sections + 1, sizeof *run->checked);
    run->types = memory_calloc(run->info.part_count, sizeof *run->types);
    return run->checked == NULL || run->types == NULL
               ? error_set(error, STATUS_NO_MEMORY, "%s: no memory to open a run", path)
               : STATUS_OK;
}

enum status run_open(struct run **out, struct file_system *fs, const char *path,
                     struct error *error) {
    struct run *run = memory_calloc(1, sizeof *run);
    *out = NULL;
    if (run == NULL) return error_set(error, STATUS_NO_MEMORY, "%s: no memory to open a run", path);
    run->fs = fs;
    enum status status = fs->ops->map(fs, path, &run->mapping, error);
    if (status != STATUS_OK) {
        memory_free(run);
        return status;
    }
    run->path = memory_alloc(strlen(path) + 1);
    if (run->path == NULL) {
        run_close(run);
        return error_set(error, STATUS_NO_MEMORY, "%s: no memory to open a run", path);
    }
    memcpy(run->path, path, strlen(path) + 1);
    status = read_structure(run, path, error);
    if (status != STATUS_OK) {
        run_close(run);
        return status;
    }
    *out = run;
    return STATUS_OK;
}

void run_close(struct run *run) {
    if (run == NULL) return;
    run->fs->ops->unmap(run->fs, &run->mapping);
    run_types_release(run);
    memory_free((void *)run->checked);
    memory_free(run->path);
    memory_free(run);
}

const struct run_info *run_info(const struct run *run) {
    return &run->info;
}

uint32_t run_find(const struct run *run, uint32_t persona) {
    uint64_t word = ((uint64_t)persona - run->persona_base) / 64, bit = persona % 64;
    if (persona < run->persona_base || word >= run->index_words) return ID_NONE;
    uint64_t bits = run->index_bits[word];
    if (!(bits >> bit & 1)) return ID_NONE;
    return run->index_entry[run->index_rank[word] + bits_count(bits & ((UINT64_C(1) << bit) - 1))];
}

uint32_t run_row_count(const struct run *run, uint32_t persona) {
    uint32_t entry = run_find(run, persona);
    return entry == ID_NONE ? 0 : run->entry_row[entry + 1] - run->entry_row[entry];
}

uint32_t run_part_of(const struct run *run, uint32_t entry) {
    uint32_t low = 0, high = run->info.part_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (run->parts[middle].entry_first <= entry) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return low;
}

uint32_t run_column_find(const struct run *run, struct column column) {
    for (uint32_t c = 0; c < run->info.column_count; c++) {
        if (run->columns[c].property == column.property && run->columns[c].type == column.type)
            return c;
    }
    return ID_NONE;
}
