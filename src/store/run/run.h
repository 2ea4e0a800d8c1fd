/* SPDX-License-Identifier: Apache-2.0 */
/* store/run/run.h -- a run: immutable timelines on disk, in columns, read in place from a mapping.
 *
 *   rows    are sorted by (customer at fold time, persona, time, position)
 *   entry   one persona's slice of rows. Entries are sorted by (customer at fold time, persona); a
 *           persona has one entry in a run
 *   part    about 64 K rows, cut between customers. Each part has its own sections, so that writing
 *           needs the memory of one part, and the first touch of a section verifies the checksum of
 *           one part's bytes
 *
 * docs/file-formats.md has the bytes. A run is written once, synced, and never changed. Everything
 * read from it is checked before use (the structure at open, each section's checksum at its first
 * touch): a flipped bit is STATUS_CORRUPT, never a wrong answer. The blocks hold all properties of
 * a row, packed, also those that have a typed column: columns are a second copy for speed. So a
 * later playbook may ask for other columns, and the packed bytes come back exactly.
 *
 * Any number of threads may read; one thread writes a file. */
#ifndef STORE_RUN_RUN_H
#define STORE_RUN_RUN_H

#include "base/file.h"
#include "base/work.h"
#include "event/symbol.h"
#include "event/timeline.h"

#define RUN_ROWS_MAX  4000000000u
#define RUN_PART_ROWS 65536u
/* Packed properties before compression; one event that is larger has its own block. */
#define RUN_BLOCK_BYTES 4096u

struct run;

struct run_row {
    int64_t time_ms, known_ms;
    uint64_t position, key;
    uint32_t persona;
    uint16_t type, source;
    uint8_t channel;
    struct text packed; /* borrowed */
};

#define RUN_NO_ROW UINT32_MAX

/* The rows to write. Those of a persona are a list, from the one that came last to the first; a row
 * is named by any number but RUN_NO_ROW. */
struct run_rows {
    size_t count;             /* of all of them */
    const uint32_t *personas; /* who has rows: each once, in any order */
    size_t persona_count;
    uint32_t (*newest)(const void *context, uint32_t persona);
    /* Tells the row, and returns the one that came before it. It is called twice or more a row.
     * What the row points at must stay until the next call. */
    uint32_t (*get)(const void *context, uint32_t number, struct run_row *row);
    const void *context;
    /* Bring into the cache what newest and get will look at soon. NULL, both: not worth it. */
    void (*prefetch_newest)(const void *context, uint32_t persona);
    void (*prefetch)(const void *context, uint32_t number);
};

struct run_info {
    uint64_t row_count;
    uint32_t entry_count, part_count, column_count;
    uint32_t customer_min, customer_max; /* at fold time */
    /* The range of its rows, both ends inclusive; ranges of several runs may overlap. */
    uint64_t position_min, position_max;
    int64_t time_min, time_max;
    uint64_t file_bytes;
};

/* Where and with which columns a run is written. */
struct run_target {
    struct file_system *fs;
    const char *path; /* must not exist; removed again where writing fails */
    const struct column_set *columns;
    /* Names that are declared are found in the dark text of events (event/dark.h). NULL: the rows
     * are written as they are. */
    struct symbols *symbols;
    struct work *work; /* counts events, and may end it; may be NULL */
};

/* Sorts and writes rows. customer[persona] is given for every persona below persona_count (NULL:
 * customer = persona). STATUS_END without rows; STATUS_INVALID where the lists do not have as many
 * rows as `count` says. Neither leaves a file. */
enum status run_write(const struct run_target *target, const struct run_rows *rows,
                      const uint32_t *customer, uint32_t persona_count, struct run_info *info,
                      struct error *error) MUST_USE;

/* Merges several runs into one (or rewrites one), sorted by these customers. Rows of personas in
 * the bit set `dropped` are left out. Only customers in [customer_from, customer_to) are taken (0,
 * ID_NONE: all), so that a caller can cut the result into several files. It needs the memory of one
 * part and a few bytes for each entry. Without rows: STATUS_END and no file. */
struct run_merge {
    struct run *const *runs;
    uint32_t run_count;
    const uint32_t *customer; /* by persona; NULL: customer = persona */
    uint32_t persona_count;
    const uint64_t *dropped; /* persona_count bits, or NULL */
    /* Further rows to leave out, whoever they belong to; NULL: none. */
    bool (*drops)(void *context, const struct run_row *row);
    /* Appends what the row's properties are to be and returns true; false: they stay. NULL: all
     * stay. */
    bool (*edits)(void *context, const struct run_row *row, struct buffer *out);
    void *drops_context; /* of both */
    uint32_t customer_from, customer_to;
};
enum status run_merge(const struct run_target *target, const struct run_merge *merge,
                      struct run_info *info, struct error *error) MUST_USE;

/* Maps the file and checks header, footer, tables. STATUS_CORRUPT, STATUS_VERSION (a newer format),
 * STATUS_IO … */
enum status run_open(struct run **out, struct file_system *fs, const char *path,
                     struct error *error) MUST_USE;
void run_close(struct run *run); /* NULL is allowed */
/* Events of undeclared names show the type of a name that has been declared since. Before the first
 * reader; the symbols must outlive the run. */
void run_use_symbols(struct run *run, struct symbols *symbols);
const struct run_info *run_info(const struct run *run);

/* The entry of a persona, or ID_NONE. */
uint32_t run_find(const struct run *run, uint32_t persona);
/* Rows of a persona, 0 where it has none. */
uint32_t run_row_count(const struct run *run, uint32_t persona);

/* Has anything that was read of it since it was opened been damaged? Any thread. */
bool run_is_damaged(const struct run *run);
/* After STATUS_CORRUPT from reading these runs: which file and section, and what to do. Always
 * STATUS_CORRUPT. */
enum status run_damage(struct run *const *runs, uint32_t run_count, struct error *error) MUST_USE;

/* Checks every byte: checksums, order, offsets, packed properties, and columns against them. Each
 * finding goes to `report`; STATUS_CORRUPT where there is any. */
enum status run_check(struct file_system *fs, const char *path, struct symbols *symbols,
                      void (*report)(void *context, const char *path, const char *finding),
                      void *context, struct error *error) MUST_USE;

#endif
