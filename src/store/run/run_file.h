/* SPDX-License-Identifier: Apache-2.0 */
/* store/run/run_file.h -- the bytes of a run, for the code that writes, reads, merges and checks
 * runs; docs/file-formats.md describes them.
 *
 *   header 64 B | part 0: its sections | part 1 … | tables | footer | trailer 64 B
 *
 * Every section begins at a multiple of 64, and gaps are zero. Numbers are little-endian, as they
 * lie in memory. A part has RUN_PART_SECTIONS fixed sections, then one for each column. A narrow
 * section holds, for n rows, value - base in `width` bytes (0, 1, 2, 4 or 8); with width 0 all
 * values are base. */
#ifndef STORE_RUN_RUN_FILE_H
#define STORE_RUN_RUN_FILE_H

#include <stdatomic.h>
#include "store/run/run.h"

#define RUN_FORMAT        1u
#define RUN_MAGIC         UINT64_C(0x0a6e75722e747461) /* "att.run\n" */
#define RUN_TRAILER_MAGIC UINT64_C(0x0a646e652e747461) /* "att.end\n" */
#define RUN_ALIGNMENT     64u

enum run_section_kind {
    RUN_TIME,        /* i64 a row */
    RUN_TYPE,        /* u16 a row */
    RUN_CHANNEL,     /* u8 a row */
    RUN_LAG,         /* narrow: known - time */
    RUN_POSITION,    /* narrow */
    RUN_SOURCE,      /* narrow */
    RUN_KEY,         /* narrow */
    RUN_HEAP,        /* bytes of the text and list columns */
    RUN_BLOCKS,      /* compressed packed properties */
    RUN_BLOCK_INDEX, /* struct run_block, one more than there are blocks */
    RUN_PART_SECTIONS
};
enum run_table_kind {
    RUN_ENTRY_CUSTOMER, /* u32 an entry */
    RUN_ENTRY_PERSONA,  /* u32 an entry */
    RUN_ENTRY_ROW,      /* u32 an entry and one more: first row, counted over the run */
    RUN_INDEX_BITS,     /* u64 a 64 personas from persona_base on: who has an entry */
    RUN_INDEX_RANK,     /* u32 the same: bits set before */
    RUN_INDEX_ENTRY,    /* u32 an entry: the entries in order of persona */
    RUN_TABLES
};
enum run_encoding { RUN_PLAIN, RUN_NARROW, RUN_ABSENT, RUN_DENSE, RUN_SPARSE };

struct run_header {
    uint64_t magic;
    uint32_t format, zero;
    uint64_t zeros[6];
};
struct run_section {
    uint64_t offset, length, checksum; /* XXH3-64 of its bytes */
    int64_t base;
    uint32_t width;    /* narrow: bytes a value; columns: bytes a cell */
    uint32_t encoding; /* enum run_encoding */
};
struct run_part {
    uint32_t row_first, row_count, entry_first, entry_count;
    int64_t time_min, time_max, known_max, lag_max;
    uint64_t position_max, packed_bytes;
};
struct run_block {
    /* Offset into RUN_BLOCKS. The next block's offset minus this one is the stored length; where it
     * equals raw_length, the block is not compressed. */
    uint64_t offset;
    uint32_t row;        /* first row, counted over the part */
    uint32_t raw_length; /* rows * u16 length, then the rows' packed properties */
    uint32_t checksum;   /* CRC32C of the stored bytes */
    uint32_t zero;
};
/* A sparse column: u64 bits a 64 rows | u32 rank a 64 rows, padded to 8 | a cell for each bit set.
 */
/* The whole column: all packed properties of a row, as they stand in its block, for the events that
 * every decision reads (consent, opt-ins, decisions and what became of their treatments). Reading
 * them decompresses nothing. It is the last column, of this property and type VALUE_LIST. A run of
 * an older program, and one with as many other columns as there may be, has none. */
#define RUN_WHOLE_PROPERTY SYMBOL_NONE
bool run_keeps_whole(uint16_t type);

struct run_footer {
    uint64_t row_count;
    uint32_t entry_count, part_count, column_count, persona_base;
    uint32_t customer_min, customer_max;
    uint64_t position_min, position_max;
    int64_t time_min, time_max;
    uint64_t index_words;
    /* How many names of events and properties were declared when it was written: what the dark text
     * of its rows was read by (event/dark.h). 0: it has no dark text. */
    uint32_t event_names, property_names;
    /* then: struct run_section tables[RUN_TABLES], struct column[column_count] padded to 8, struct
     * run_part[part_count], struct run_section[part_count * (RUN_PART_SECTIONS + column_count)] */
};
struct run_trailer {
    uint64_t footer_offset, footer_length, footer_checksum;
    uint64_t zeros[4];
    uint64_t magic;
};

/* What is known about a section. */
enum run_checked {
    RUN_UNREAD,
    RUN_SOUND,   /* its checksum and structure are right */
    RUN_DAMAGED, /* they are wrong: it is not read again */
    /* For RUN_BLOCKS: one of its blocks was wrong; the others are judged by their own checksums. */
    RUN_BLOCK_DAMAGED,
};

struct run {
    struct file_system *fs;
    char *path;
    struct file_mapping mapping;
    struct run_info info;
    uint32_t persona_base;
    uint64_t index_words;
    const struct run_section *tables, *sections;
    const struct column *columns;
    const struct run_part *parts;
    const uint32_t *entry_customer, *entry_persona, *entry_row, *index_rank, *index_entry;
    const uint64_t *index_bits;
    uint32_t sections_a_part;
    uint32_t whole_column; /* ID_NONE: there is none */
    /* Enum run_checked, by section; behind the last one 1 where any of them is damaged. */
    _Atomic uint8_t *checked;
    struct symbols *symbols; /* borrowed; NULL: names that were declared since are not looked for */
    uint32_t event_names, property_names;
    _Atomic(struct run_types *) *types; /* a part; run_types.c */
};

const char *run_section_name(uint32_t kind);
/* Checks a section at its first touch. NULL: corrupt; run_damage tells of it. */
const uint8_t *run_section_touch(const struct run *run, uint64_t index);
static inline struct run_info run_footer_info(const struct run_footer *footer,
                                              uint64_t file_bytes) {
    return (struct run_info){
        .row_count = footer->row_count,
        .entry_count = footer->entry_count,
        .part_count = footer->part_count,
        .column_count = footer->column_count,
        .customer_min = footer->customer_min,
        .customer_max = footer->customer_max,
        .position_min = footer->position_min,
        .position_max = footer->position_max,
        .time_min = footer->time_min,
        .time_max = footer->time_max,
        .file_bytes = file_bytes,
    };
}

static inline const struct run_section *run_section_of(const struct run *run, uint32_t part,
                                                       uint32_t kind) {
    return &run->sections[(uint64_t)part * run->sections_a_part + kind];
}
/* The bytes of a part's section; NULL where they are corrupt. `kind` of column c: RUN_PART_SECTIONS
 * + c. */
static inline const uint8_t *run_bytes(const struct run *run, uint32_t part, uint32_t kind) {
    uint64_t index = (uint64_t)part * run->sections_a_part + kind;
    if (__builtin_expect(
            atomic_load_explicit(&run->checked[index], memory_order_acquire) == RUN_SOUND, 1)) {
        return run->mapping.at + run->sections[index].offset;
    }
    return run_section_touch(run, index);
}

static inline uint64_t run_narrow_raw(const uint8_t *at, uint32_t width, uint32_t row) {
    switch (width) {
    case 1: return at[row];
    case 2: return ((const uint16_t *)at)[row];
    case 4: return ((const uint32_t *)at)[row];
    case 8: return ((const uint64_t *)at)[row];
    default: return 0;
    }
}
static inline int64_t run_narrow(const struct run_section *section, const uint8_t *at,
                                 uint32_t row) {
    return (int64_t)((uint64_t)section->base + run_narrow_raw(at, section->width, row));
}

/* run_types.c */
const uint16_t *run_types_named(const struct run *run, uint32_t part, const uint16_t *stored);
void run_types_release(struct run *run);
/* The types of a part's rows, as the names are declared now; NULL where they can't be read. */
static inline const uint16_t *run_types(const struct run *run, uint32_t part) {
    const uint16_t *stored = (const uint16_t *)run_bytes(run, part, RUN_TYPE);
    if (stored == NULL || run->symbols == NULL || run->event_names == 0) return stored;
    if (symbol_count(run->symbols, SYMBOL_EVENT) == run->event_names) return stored;
    return run_types_named(run, part, stored);
}

/* The part that holds an entry. */
uint32_t run_part_of(const struct run *run, uint32_t entry);

/* The column of the run with this property and type, or ID_NONE. */
uint32_t run_column_find(const struct run *run, struct column column);

/* A reader's decompressed block of packed properties. */
struct run_block_cache {
    const struct run *run;
    uint32_t part, block;
    uint32_t row_first, row_count;
    /* Where the last lookup ended: rows are mostly asked for in order. */
    uint32_t at_row, at_offset;
    struct buffer bytes;
};
void run_block_cache_init(struct run_block_cache *cache);
void run_block_cache_release(struct run_block_cache *cache);
/* Borrowed until the next call. OK, CORRUPT, NO_MEMORY. Reads the whole column where the row is in
 * it. */
enum status run_packed(struct run_block_cache *cache, const struct run *run, uint32_t part,
                       uint32_t row, struct text *packed) MUST_USE;
/* A row, `row` counted over the part; its properties are those of its block. */
enum status run_row_get(struct run_block_cache *cache, const struct run *run, uint32_t part,
                        uint32_t row, uint32_t persona, struct run_row *out) MUST_USE;

#endif
