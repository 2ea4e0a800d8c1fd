/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/hash.h"
#include "store/run/run_columns.h"

struct checking {
    const struct run *run;
    const char *path;
    void (*report)(void *context, const char *path, const char *finding);
    void *context;
    struct run_block_cache cache;
    struct symbols *symbols;
    struct run_columns *columns;
    struct buffer encoded;
    uint64_t findings;
    uint64_t covered; /* bytes up to here have been looked at */
};

PRINTF_LIKE(2, 3)
static void found(struct checking *checking, const char *format, ...) {
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    checking->findings++;
    if (checking->report != NULL) checking->report(checking->context, checking->path, text);
}

/* Checks a gap: sections stand one behind the other, and the bytes between them are zero. */
static void check_gap(struct checking *checking, uint64_t offset, uint64_t length) {
    const uint8_t *at = checking->run->mapping.at;
    if (offset < checking->covered || offset - checking->covered >= RUN_ALIGNMENT) {
        found(checking, "sections overlap or leave a hole at byte %" PRIu64, offset);
    } else {
        for (uint64_t i = checking->covered; i < offset; i++) {
            if (at[i] == 0) continue;
            found(checking, "byte %" PRIu64 " between two sections is not zero", i);
            break;
        }
    }
    checking->covered = offset + length;
}

static void check_sections(struct checking *checking, uint32_t part) {
    const struct run *run = checking->run;
    for (uint32_t kind = 0; kind < run->sections_a_part; kind++) {
        const struct run_section *section = run_section_of(run, part, kind);
        check_gap(checking, section->offset, section->length);
        bool good = run_bytes(run, part, kind) != NULL;
        if (kind == RUN_BLOCKS) {
            good = hash_bytes(run->mapping.at + section->offset, section->length, 0) ==
                   section->checksum;
        }
        if (!good)
            found(checking, "part %u: the section of %s is damaged", part, run_section_name(kind));
    }
}

struct part_facts {
    int64_t time_min, time_max, known_max, lag_max;
    uint64_t position_max, packed_bytes;
};

static void note(struct part_facts *facts, const struct run_row *row) {
    int64_t lag_ms = (int64_t)((uint64_t)row->known_ms - (uint64_t)row->time_ms);
    if (row->time_ms < facts->time_min) facts->time_min = row->time_ms;
    if (row->time_ms > facts->time_max) facts->time_max = row->time_ms;
    if (row->known_ms > facts->known_max) facts->known_max = row->known_ms;
    if (lag_ms > facts->lag_max) facts->lag_max = lag_ms;
    if (row->position > facts->position_max) facts->position_max = row->position;
    facts->packed_bytes += row->packed.length;
}

static bool same_facts(const struct part_facts *facts, const struct run_part *part) {
    return facts->time_min == part->time_min && facts->time_max == part->time_max &&
           facts->known_max == part->known_max && facts->lag_max == part->lag_max &&
           facts->position_max == part->position_max && facts->packed_bytes == part->packed_bytes;
}

/* Checks one entry's rows. False where a row could not be read; that is reported. */
static bool check_entry(struct checking *checking, uint32_t part, uint32_t entry,
                        struct part_facts *facts) {
    const struct run *run = checking->run;
    struct run_row row, before = {0};
    uint32_t base = run->parts[part].row_first, first = run->entry_row[entry];
    for (uint32_t r = first; r < run->entry_row[entry + 1]; r++) {
        uint32_t n = r - base;
        if (run_row_get(&checking->cache, run, part, n, run->entry_persona[entry], &row) !=
                STATUS_OK ||
            packed_check(row.packed) != STATUS_OK ||
            run_columns_add(checking->columns, n, row.type, row.packed) != STATUS_OK) {
            found(checking, "part %u, row %u: its properties are damaged", part, n);
            return false;
        }
        bool later = row.time_ms > before.time_ms ||
                     (row.time_ms == before.time_ms && row.position > before.position);
        if (r > first && !later) found(checking, "part %u, row %u is out of order", part, n);
        note(facts, &row);
        before = row;
        before.packed = (struct text){0};
    }
    return true;
}

static void check_columns(struct checking *checking, uint32_t part) {
    const struct run *run = checking->run;
    const struct buffer *heap = run_columns_heap(checking->columns);
    const struct run_section *stored = run_section_of(run, part, RUN_HEAP);
    if (heap->length != stored->length ||
        (heap->length > 0 &&
         memcmp(heap->at, run->mapping.at + stored->offset, heap->length) != 0)) {
        found(checking, "part %u: the texts of the columns differ from the properties", part);
    }
    for (uint32_t c = 0; c < run->info.column_count; c++) {
        struct run_section section = {0};
        stored = run_section_of(run, part, RUN_PART_SECTIONS + c);
        buffer_clear(&checking->encoded);
        enum status status = run_columns_encode(checking->columns, c, run->parts[part].row_count,
                                                &checking->encoded, &section);
        if (status != STATUS_OK || section.encoding != stored->encoding ||
            checking->encoded.length != stored->length ||
            (stored->length > 0 &&
             memcmp(checking->encoded.at, run->mapping.at + stored->offset, stored->length) != 0)) {
            found(checking, "part %u: column %u differs from the properties", part, c);
        }
    }
}

static void check_part(struct checking *checking, uint32_t part) {
    const struct run *run = checking->run;
    struct part_facts facts = {INT64_MAX, INT64_MIN, INT64_MIN, INT64_MIN, 0, 0};
    uint64_t findings = checking->findings;
    check_sections(checking, part);
    /* Stop here: what the damaged sections cause would only repeat the finding. */
    if (checking->findings != findings) return;
    run_columns_clear(checking->columns);
    uint32_t first = run->parts[part].entry_first;
    for (uint32_t e = first; e < first + run->parts[part].entry_count; e++) {
        if (!check_entry(checking, part, e, &facts)) return;
    }
    if (!same_facts(&facts, &run->parts[part]))
        found(checking, "part %u: its summary is wrong", part);
    check_columns(checking, part);
}

static enum status check_open_run(struct checking *checking) {
    const struct run *run = checking->run;
    struct column_set set = {.count = run->info.column_count};
    memcpy(set.columns, run->columns, set.count * sizeof set.columns[0]);
    /* As the dark text was read when the run was written. */
    const struct dark_names names = {checking->symbols, run->property_names};
    enum status status = run_columns_create(&checking->columns, &set, &names);
    if (status != STATUS_OK) return status;
    checking->covered = sizeof(struct run_header);
    for (uint32_t p = 0; p < run->info.part_count; p++) check_part(checking, p);
    for (uint32_t t = 0; t < RUN_TABLES; t++)
        check_gap(checking, run->tables[t].offset, run->tables[t].length);
    check_gap(checking,
              (uint64_t)((const uint8_t *)(run->tables) - run->mapping.at) -
                  sizeof(struct run_footer),
              0);
    run_columns_destroy(checking->columns);
    return STATUS_OK;
}

enum status run_check(struct file_system *fs, const char *path, struct symbols *symbols,
                      void (*report)(void *context, const char *path, const char *finding),
                      void *context, struct error *error) {
    struct checking checking = {.path = path, .report = report, .context = context};
    struct run *run;
    struct error reason;
    enum status status = run_open(&run, fs, path, &reason);
    if (status != STATUS_OK) {
        if (status == STATUS_CORRUPT) found(&checking, "%s", reason.text);
        return error_set(error, status, "%s", reason.text);
    }
    checking.run = run;
    checking.symbols = symbols;
    run_block_cache_init(&checking.cache);
    buffer_init(&checking.encoded);
    status = check_open_run(&checking);
    if (status != STATUS_OK) {
        error_set(error, status, "%s: %s while checking", path, status_name(status));
    } else if (checking.findings > 0) {
        status =
            error_set(error, STATUS_CORRUPT, "%s: %" PRIu64 " findings; restore it from a backup",
                      path, checking.findings);
    }
    buffer_release(&checking.encoded);
    run_block_cache_release(&checking.cache);
    run_close(run);
    return status;
}
