/* SPDX-License-Identifier: Apache-2.0 */
/* ingest/ingest.h -- bytes from files to events, or to quarantined rows that say why.
 *
 *             one thread                 N threads                     the caller (the one applier)
 *   file ──► inflate, cut into rows ──► split, parse, map, pack ──► ingest_next: batches
 *             (groups gathered)          a batch each                  (in file order, swapped out,
 *                                                                never copied)
 *
 * Nothing here decides who a person is or whether an event is a repeat: ingest says what a row
 * says. A row that can't become an event is never dropped and never stops the file: it goes, as it
 * came, into the batch's quarantined rows, with file, line, column and reason. What stops a file is
 * only what concerns the file as a whole: it can't be read, it isn't text, a mapped column isn't in
 * its header, a lookup that it joins hasn't been loaded.
 *
 * A file that ends without a line end. Where the other lines of a CSV file have line ends and the
 * last has none, its last field could be the beginning of a longer one. Such a row is quarantined,
 * and a warning tells of it, except where its last field closes its quotes or is not mapped. A
 * person who knows that the row is whole can replay it. A JSON value that parses is whole.
 *
 * Quarantined raw bytes. A CSV row means nothing without its header, so `raw` of a CSV row is
 *     header line "\n" row            (without a header line where the source has none)
 * with the header as it came, so that ingest_row_replay needs nothing but the stored row and the
 * source's mapping, mended or not. An NDJSON row is its line. Of an event made of several rows
 * (one_event_per) the whole group is quarantined when one of its rows is bad: an order with a line
 * missing would be a wrong order; then `raw` is the header and all its rows, and `line` and
 * `column` point at the bad row. Raw bytes beyond INGEST_RAW_BYTES_MAX are cut, and the reason says
 * so: such a row can't be replayed.
 *
 * Groups (one_event_per). Rows of one key may stand anywhere in the file. They are gathered, up to
 * INGEST_GROUP_BYTES_MAX of row bytes; the events come out in the order of their first rows when
 * the file ends, or, beyond the limit, the half whose last rows are oldest is let go. A row whose
 * group is gone by then is quarantined ("sort the file by basket_id"), never made into a second
 * event. The rows of a group must agree on time, identifiers, event and channel: the first row
 * that has them tells them (a row may leave them empty), and a row that differs is counted in
 * ingest_progress.disagreeing_rows, except that the earliest time of the rows is taken. Plain
 * columns are those of the first row where they are known.
 *
 * Names. What a row names and nobody declared (an event, a channel, a property of an open source, a
 * field of its records) never becomes a symbol: it stays in the event as dark text (event/dark.h).
 *
 * Threads: a reader belongs to the calling thread; it has threads of its own where thread_count >
 * 0. The source, playbook, lookups are borrowed until ingest_close; symbols are read by all of
 * the threads. */
#ifndef INGEST_INGEST_H
#define INGEST_INGEST_H

#include "base/file.h"
#include "base/work.h"
#include "event/event.h"
#include "event/lookup.h"
#include "event/symbol.h"
#include "playbook/playbook.h"

#define INGEST_ROW_BYTES_MAX   (1u << 20)   /* one row or line of a file */
#define INGEST_FIELDS_MAX      1024         /* columns of a CSV file */
#define INGEST_RAW_BYTES_MAX   (1u << 20)   /* of a quarantined row or group, header included */
#define INGEST_GROUP_BYTES_MAX (1ull << 30) /* rows gathered for one_event_per */
#define INGEST_GROUP_ROWS_MAX  PACKED_LIST_ITEMS_MAX /* rows of one event */
#define INGEST_BATCH_EVENTS    2500u                 /* events a batch, by default */
#define INGEST_BATCH_BYTES     (1u << 20)            /* input bytes a batch, about */
#define INGEST_THREADS_MAX     64u
#define INGEST_BYTES_NAME      "bytes" /* of bytes that came through the API, for the file's name */
#define INGEST_WARNINGS_MAX    4       /* of one file */
#define INGEST_WARNING_BYTES   400

/* A reading says which cells of a row a mapping reads. A row's content is a hash of these cells as
 * they stand in the file, before joins, zones and notations are applied: a change of those must not
 * make another row of it. */
#define INGEST_READINGS_MAX 8 /* older readings under which a row's content is told, too */
struct ingest_reading {
    uint16_t id; /* never 0 */
    /* Ascending. Of NDJSON with `properties: any` one is INGEST_READING_ANY. */
    const struct text *columns;
    uint32_t column_count;
    /* A hash of how the mapping makes identifiers, and of the rules that say which values may stand
     * for a person. A row that is known under another hash still teaches who is who. */
    uint64_t identifiers;
};
#define INGEST_READING_ANY TEXT("*")

struct ingest_settings {
    const struct playbook *playbook; /* identifier rules, lookup rules, currency */
    struct symbols *symbols;
    /* By lookup index, NULL where not loaded; may be NULL. */
    const struct lookup_table *const *lookups;
    /* When the bytes were received: `known` of a source that arrives live. */
    int64_t now_ms;
    /* Tells the time anew for each batch, since the rows of an open pipe may be received an hour
     * apart. Any of the threads calls it. NULL: now_ms holds throughout. */
    int64_t (*now)(void *context);
    void *now_context;
    /* Parsing threads beside the caller; 0: all work is done inside ingest_next. */
    uint32_t thread_count;
    bool checks_only; /* only for ingest_check: lookups need not be loaded */
    /* The bytes are all that there is: a last line without an end is a row like any other. */
    bool trusts_end;
    uint32_t batch_events;    /* 0: INGEST_BATCH_EVENTS */
    uint64_t group_bytes_max; /* 0: INGEST_GROUP_BYTES_MAX */
    /* May the value stand for a person, under the playbook's identifier rule? A row none of whose
     * identifiers may is quarantined. Pure, called from any of the threads. NULL: every value may.
     */
    bool (*usable)(void *context, uint32_t rule_index, struct text value);
    void *usable_context;
    /* The source's readings: the present one first (*current is it, without an id), then older
     * ones, newest first, at most INGEST_READINGS_MAX of them. Called while a file is opened, in
     * the caller's thread; borrowed until ingest_close. NULL: contents are made under reading 0. */
    enum status (*readings)(void *context, const struct source *source,
                            const struct ingest_reading *current,
                            const struct ingest_reading **readings, uint32_t *count,
                            struct error *error);
    void *readings_context;
    /* Is a row stored under this key with this content? Then it is not mapped. Any of the threads
     * calls it; "no" may be wrong. NULL: every row is mapped. */
    bool (*is_known)(void *context, struct row_key key, uint64_t content, uint16_t reading);
    void *is_known_context;
    /* The secret of signed user tokens (ingest/map/user_token.h), borrowed until ingest_close;
     * empty: no token is good. */
    struct text token_secret;
    /* Keep the rows of an event of several rows beside the event, as the property
     * INGEST_ROWS_PROPERTY (ingest/file/lines.h). */
    bool keeps_rows;
    /* What the row key of a source with one_event_per names, where the playbook leaves it open and
     * earlier files, or the caller, told it. */
    enum key_names key_names;
    /* Of an event of several rows those that say neither time, channel nor person are told as a
     * part of the event (event.is_part): an export may say them in the first row of an order alone,
     * and the cut between two files may lie behind it. Needs keeps_rows. Otherwise such rows go to
     * quarantine. */
    bool takes_parts;
    /* Once it is cancelled nothing more is read: STATUS_CANCELLED, also while a pipe is silent.
     * NULL: never. */
    struct work *work;
};

struct ingest_reader;

/* Opens the file ("-": standard input), reads its header and checks the source's mapping against
 * it. The settings are copied. On failure the error names file, line and column, what is missing,
 * what is there and the nearest name. */
enum status ingest_open(struct ingest_reader **out, const struct ingest_settings *settings,
                        const struct source *source, const char *path,
                        struct error *error) MUST_USE;
/* Opens bytes in memory (a request's body, a test) in the same way. They are borrowed until
 * ingest_close; `name` stands for the file in messages. */
enum status ingest_open_text(struct ingest_reader **out, const struct ingest_settings *settings,
                             const struct source *source, const char *name, struct text bytes,
                             struct error *error) MUST_USE;
/* Can the file be read, and has it all columns that the source's mapping names? Also for lookups.
 * Reads no rows. settings->checks_only must be set. An empty file is fine: it opens, yields no row
 * and has a warning. */
enum status ingest_check(const struct ingest_settings *settings, const struct source *source,
                         const char *path, struct error *error) MUST_USE;
/* The next batch, in file order: `batch` must be initialised; what it held is discarded, its memory
 * is reused. STATUS_OK with at least one event or quarantined row, STATUS_END after the last one
 * (batch empty). A file that ends in the middle yields all rows before, the bad row quarantined,
 * then STATUS_END with progress.truncated set: the caller reports it. Any other status is final. */
enum status ingest_next(struct ingest_reader *reader, struct event_batch *batch,
                        struct error *error) MUST_USE;
/* Stops the threads wherever they are. NULL is allowed. */
void ingest_close(struct ingest_reader *reader);

/* Treatment events whose name is nearly an action's. The action may be one of the past, or the name
 * may be a slip, so the caller warns of them. */
struct near_treatment {
    uint64_t events;
    char word[64], action[64]; /* the first of them */
};

struct ingest_progress {
    /* Of the file as it lies on disk, read ahead included; total 0: unknown. */
    uint64_t bytes, bytes_total;
    /* Rows behind the batches handed out so far, quarantined ones too. */
    uint64_t rows;
    uint64_t events;
    uint64_t quarantined;
    /* Events whose name nobody declared; names and values that had no room in the dark text of
     * their events (event/dark.h: DARK_NAMES_MAX, DARK_BYTES_MAX), and were left out. */
    uint64_t undeclared_events, undeclared_left;
    uint64_t disagreeing_rows; /* rows that contradict the first row of their group */
    struct near_treatment near;
    uint64_t no_keys;    /* events without a row key, since a filler stands in its place */
    uint64_t older_rows; /* of an event: another row of the file has the same key and stands */
    /* The rows of most events of the file have keys of their own. */
    bool keys_name_rows;
    /* The file ended in the middle: broken .gz, open quote, short last line. */
    bool truncated;
    /* What was seen, one sentence with file and line; empty otherwise. */
    char truncation[256];
    /* Rows quarantined because the file ends in them, or may. */
    uint64_t cut_rows;
    /* Findings that do not stop the file: it is empty, its last row was held back, bytes stand
     * behind its compressed data. Each is one sentence that names the file. */
    uint32_t warning_count;
    char warnings[INGEST_WARNINGS_MAX][INGEST_WARNING_BYTES];
};
void ingest_progress(const struct ingest_reader *reader, struct ingest_progress *out);

/* Parses a quarantined row's raw bytes again with the source as it is now: `batch` gets its events
 * appended, or the row again with a new reason (the same file and line). STATUS_OK either way; look
 * at the counts. STATUS_INVALID where the raw bytes' header lacks a mapped column (also: the
 * error's text). */
enum status ingest_row_replay(const struct ingest_settings *settings, const struct source *source,
                              const char *file, uint64_t line, struct text raw,
                              struct event_batch *batch, struct error *error) MUST_USE;

/* The source as it reads the rows that were kept beside an event (INGEST_ROWS_PROPERTY): as CSV of
 * one form, or as JSON lines. Borrows from the source. */
struct source ingest_source_as_kept(const struct source *source);

/* How many rows of its file a quarantined row's raw bytes hold: those of one event wait together.
 * At least 1; of bytes that were cut, as many as are left. */
uint64_t ingest_raw_rows(const struct source *source, struct text raw);

/* The reason of a row that was quarantined because its file ended in it, or behind it without a
 * line end, begins with this; where the row holds its person, behind what it holds. */
#define INGEST_CUT_REASON "the file ends "
/* `raw` was quarantined from this line of a file that ended there. Has the file grown, so that the
 * row on that line begins with a row of `raw` and is whole? */
enum status ingest_has_grown(const struct source *source, const char *path, uint64_t line,
                             struct text raw, bool *grown, struct error *error) MUST_USE;

/* A bad row that may take back a consent or an opt-in holds its person until somebody replays or
 * drops it. The reason of such a row begins with what is held: "held for channel email: " or "held
 * for every purpose: ". */
struct ingest_hold {
    bool is_purpose;   /* else a channel */
    struct text scope; /* borrowed from the reason; empty: every one */
    struct text why;   /* borrowed; the reason without what it holds */
};
bool ingest_hold_read(struct text reason, struct ingest_hold *out);
void ingest_hold_write(char *out, size_t size, bool is_purpose, struct text scope,
                       const char *reason);

/* What a quarantined row says of whom it is about, as far as it can be read: the identifiers of the
 * source's mapping, also where the rest of the row is bad, and every field (CSV: unquoted; JSON:
 * texts unescaped, numbers as text, names of members; of all rows of a group). *unreadable: some of
 * it can't be taken apart, or the source is a lookup, or its mapping no longer fits: look at the
 * bytes too. */
enum ingest_word_kind {
    WORD_IDENTIFIER, /* `type` is its symbol; trimmed and folded as the source's mapping says */
    WORD_FIELD,      /* of a row whose identifiers were told */
    WORD_STRAY,      /* of a row whose identifiers can't be told: too few fields, for example */
};
struct ingest_word {
    enum ingest_word_kind kind;
    uint32_t type;
    struct text text; /* borrowed for the call */
};
struct ingest_words {
    bool (*visit)(void *context, const struct ingest_word *word); /* false stops */
    void *context;
};
enum status ingest_row_words(const struct ingest_settings *settings, const struct source *source,
                             struct text raw, const struct ingest_words *words, bool *unreadable,
                             struct error *error) MUST_USE;

/* Reads a reference table (source->is_lookup) whole. Rows that don't fit, also second rows of a key
 * where the lookup isn't `many`, go to batch->rows (appended); a row without a key too. The table
 * begins with exactly the rule's fields, in their order (a file without one of them is an error of
 * the file); with fields_open the file's other columns follow, as text (CSV; of NDJSON only what is
 * declared is kept). An empty file is no table: STATUS_END, and the error's text tells it. Where
 * the last line has no end, the error's text says so, beside STATUS_OK: the row counts until the
 * file is loaded again.
 * settings->symbols and ->lookups aren't used. */
enum status ingest_lookup(const struct ingest_settings *settings, const struct source *source,
                          const struct lookup_rule *rule, const char *path,
                          struct lookup_table **out, struct event_batch *batch,
                          struct error *error) MUST_USE;

/* The files that a source's pattern names in a folder: `*` and `?` in the last part of the path,
 * sorted by name; "-" and absolute paths as they are. Where NAME and NAME.gz both match, only NAME.
 * A folder, a pipe or a device that `*` or `?` matches is no file: it is counted and left out. No
 * match: STATUS_NOT_FOUND, and the error tells pattern and folder. */
struct ingest_files {
    struct buffer bytes;
    const char **paths; /* sorted */
    size_t count, capacity;
    size_t folders, streams; /* left out */
};
enum status ingest_files_find(struct ingest_files *files, struct file_system *fs,
                              struct text pattern, const char *folder,
                              struct error *error) MUST_USE;
void ingest_files_release(struct ingest_files *files);

/* Repeats inside what has not been applied yet (the store knows only what has): the engine asks
 * this after identity and before store_append, clears it between frames, and drops the event where
 * `add` says it is there already or store_key_find does. A key {0, 0} is never a repeat. */
struct ingest_repeats {
    uint64_t *slots; /* 16 bytes a key, open addressing */
    size_t capacity, count;
};
void ingest_repeats_init(struct ingest_repeats *repeats);
void ingest_repeats_release(struct ingest_repeats *repeats);
void ingest_repeats_clear(struct ingest_repeats *repeats);
/* STATUS_OK: new, and remembered. STATUS_EXISTS: a repeat. STATUS_NO_MEMORY. */
enum status ingest_repeats_add(struct ingest_repeats *repeats, struct row_key key) MUST_USE;

#endif
