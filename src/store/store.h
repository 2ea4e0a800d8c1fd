/* SPDX-License-Identifier: Apache-2.0 */
/* store/store.h -- the data directory: the log as the only truth, the tail, the runs; a
 * timeline_source over them.
 *
 *   store_append ──► log (one write, one fdatasync) ──► tail (visible) ──► fold (second thread)
 *                                                                            │
 *       log dropped ◄── manifest, by rename ◄── run + links + quarantine ◄───┘
 *
 * What a frame carries besides events are *records*: bytes that the store keeps, in order, and
 * hands back when it is opened (identity's links, control records such as which playbook is in
 * force; new symbols are added by the store itself). Records are never understood here; they move
 * from the log to links/N.links at a fold. What a room derives from them can be kept as a
 * checkpoint, which is mapped at the next opening instead of replaying them.
 *
 * A row stands under its key for ever (event.h, struct row_key). The store keeps an index of all
 * keys: those of the tail in memory, the others in key files (key_file.h). An event with `replaces`
 * and a change that retracts supersede an older version: readers leave it out from the moment at
 * which the newer one was known, and still see it in a view of an earlier moment.
 *
 * Positions: a frame takes 1 + event_count positions: its first is the frame's own (its records
 * stand there), then one an event. store_position() is the next free one: everything below it is
 * written.
 *
 * Written and durable: a frame that is written is seen by readers of store_source_written(). Those
 * of store_source() see it once it is durable.
 *
 * Threads: one applier calls store_append and the other changing calls. Beside it, one other thread
 * may call store_sync. Any number of threads open readers. The store runs one folding thread of its
 * own. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/image.h"
#include "base/work.h"
#include "event/event.h"
#include "event/symbol.h"
#include "event/timeline_source.h"

/* A fold begins when the tail holds so many events, or keys that frames have changed. */
#define STORE_FOLD_EVENTS_DEFAULT 4000000u
#define STORE_FRAME_BYTES_MAX     (64u << 20)
#define STORE_TAIL_EVENTS_MAX     16000000u /* an append waits for the fold beyond this */
/* An append is refused with STATUS_DISK_FULL below this. */
#define STORE_FREE_BYTES_MIN (64u << 20)

enum record_kind { RECORD_IDENTITY = 1, RECORD_CONTROL = 2 };

struct store_record {
    enum record_kind kind;
    struct text bytes;
};

/* What a frame says of a known row without an event of its own. */
struct key_change {
    struct row_key key;
    uint64_t content;
    int64_t version; /* ROW_VERSION_NONE: none */
    /* Of the row's event: as store_key_find told, or in the same frame (the row of an event of
     * several rows); 0: there is none. */
    uint64_t position;
    struct persona_id persona; /* who bears it; ID_NONE: nobody known */
    uint16_t reading, source;
    /* True: the row is taken away from `known_ms` on, with nothing in its place; its key stays, and
     * a later event with `replaces` may bring it back. False: the row was seen again under another
     * reading; what is stored of its key becomes what stands here, and its event stays. */
    bool retracts;
    int64_t known_ms;
};

struct store_frame {
    const struct event_batch *batch; /* events with personas, quarantined rows; may be NULL */
    const struct store_record *records;
    size_t record_count;
    const struct key_change *changes; /* at most BATCH_EVENTS_MAX */
    size_t change_count;
};

/* What another room derives from the records of one kind, kept beside them so that an opening need
 * not replay them all (store/checkpoint.h). */
struct store_checkpoint_ops {
    enum record_kind kind;
    uint32_t format; /* of the image's contents */
    /* While the store is opened, before any record is handed out: takes the image over, and no
     * record of the kind below image->position follows. Where it refuses (STATUS_CORRUPT,
     * STATUS_VERSION), image and state are as before, and all records follow. */
    enum status (*load)(void *context, struct image *image, struct error *error);
    /* Making one: a state of its own, which begins as the image (taken over on success) or, with
     * NULL, before the first record; then the records from there on, in order; then the sections of
     * the new image, with tags from STORE_CHECKPOINT_TAGS on. In one thread, any; never two at one
     * time. */
    enum status (*begin)(void *context, struct image *image, void **state, struct error *error);
    enum status (*add)(void *state, struct text bytes, uint64_t position, struct error *error);
    enum status (*write)(void *state, struct image_writer *writer, struct error *error);
    void (*end)(void *state);
    void *context;
};
#define STORE_CHECKPOINT_TAGS 16 /* lower ones are the store's */

struct store_options {
    struct file_system *fs; /* NULL: the operating system's */
    const char *directory;
    bool create;             /* make it where absent */
    bool read_only;          /* no lock, no recovery writes, no fold */
    struct symbols *symbols; /* filled while opening; borrowed */
    /* What new runs keep apart; borrowed; may be replaced by store_set_columns. */
    const struct column_set *columns;
    /* Borrowed; used from the first fold or read on, not in open. */
    const struct customer_directory *directory_of_customers;
    uint32_t fold_events; /* 0: the default */
    bool fold_by_hand;    /* no thread; only store_fold folds (tests, bench) */
    /* Records in log order, while opening: from links files, then from the log. A failure ends the
     * opening. */
    enum status (*on_record)(void *context, enum record_kind kind, struct text bytes,
                             uint64_t position, struct error *error);
    void *context;
    /* Copied. NULL: no checkpoint is made, and one that is there is not used. */
    const struct store_checkpoint_ops *checkpoint;
    /* One is made at a fold once the records since the last have so many bytes; 0: the default. */
    uint64_t checkpoint_bytes;
};

struct store;
enum status store_open(struct store **out, const struct store_options *options,
                       struct error *error) MUST_USE;
void store_close(struct store *store); /* waits for a fold under way; does not fold */

/* Writes one frame and, unless `sync` is false, makes it durable, together with all frames before
 * it. On failure nothing of the frame is visible, and after a failed sync the store takes no more
 * appends (STATUS_IO) until it is opened again, and shows only what is known to be durable.
 * *position gets the frame's first position. */
enum status store_append(struct store *store, const struct store_frame *frame, bool sync,
                         uint64_t *position, struct error *error) MUST_USE;
/* store_append, synced, and in the same frame store_drop_rows: rows that came back as these events
 * are gone with them, or not at all. */
enum status store_append_dropping(struct store *store, const struct store_frame *frame,
                                  const uint64_t *row_ids, size_t count, uint64_t *position,
                                  struct error *error) MUST_USE;
/* Makes durable what was written before the call. The applier, or one other thread. */
enum status store_sync(struct store *store, struct error *error) MUST_USE;
/* Any thread. The next free position; everything below it is written and seen by readers of
 * store_source_written. */
uint64_t store_position(const struct store *store);
/* Any thread. Everything below it is durable. */
uint64_t store_durable_position(const struct store *store);
bool store_has_failed(const struct store *store); /* any thread: a sync failed */
/* Was an event of this persona written at `position` or behind it? Applier only. Also says yes
 * where a fold has taken events from `position` on out of memory: nobody looks for them in files.
 * */
bool store_has_since(struct store *store, struct persona_id persona, uint64_t position);

/* What the store knows of the row under a key: its latest version. */
struct stored_key {
    uint64_t content;
    int64_t version;
    uint64_t position; /* of the event; 0: the row was retracted before it was ever seen */
    struct persona_id persona;
    uint16_t reading, source;
    bool retracted;
    /* From an older directory: content, reading and version are unknown, and only the lower 64 bits
     * of the key were compared. */
    bool legacy;
};
/* Applier only. Exact over tails and key files; a key {0, 0} is never found. STATUS_CORRUPT where a
 * key file can't be read: then nobody knows. */
enum status store_key_find(struct store *store, struct row_key key, struct stored_key *out,
                           bool *found, struct error *error) MUST_USE;
/* Brings into the cache what store_key_find will look at first. Applier only. */
void store_key_prefetch(struct store *store, struct row_key key);
/* Is this very row stored under this key, not retracted, with this content under this reading? Any
 * thread. Looks only at key files, which never change, so that a parsing thread can skip rows that
 * are known. "No" may be wrong; "yes" is right unless the key is one of store_visit_changed_keys, or
 * is changed later. */
bool store_key_is_known(struct store *store, struct row_key key, uint64_t content,
                        uint16_t reading);
/* The keys of which a tail has a later version than the key files. Applier only. */
enum status store_visit_changed_keys(struct store *store,
                                     enum status (*visit)(void *context, struct row_key key),
                                     void *context, struct error *error) MUST_USE;

/* Timelines with the columns of store_set_columns as they are when a reader opens. */
struct timeline_source *store_source(struct store *store);         /* what is durable */
struct timeline_source *store_source_written(struct store *store); /* what is written, too */
/* Either with these columns, whatever the columns of new runs are by now: where a run does not keep
 * one of them, it is read in the packed properties. `columns` is borrowed, and both must outlive
 * the source's readers. Any thread. NULL without memory. */
struct timeline_source *store_source_create(struct store *store, const struct column_set *columns,
                                            bool written) MUST_USE;
void store_source_destroy(struct timeline_source *source); /* NULL is allowed */
/* What runs keep apart from the next fold on. Applier only. */
enum status store_set_columns(struct store *store, const struct column_set *columns,
                              struct error *error) MUST_USE;

/* Folds the tail into a run now and waits; with `merge` then merges runs down to one a customer
 * range. */
enum status store_fold(struct store *store, bool merge, struct error *error) MUST_USE;
/* From now on store_fold and store_rebuild count events in `work` and end with STATUS_CANCELLED
 * once it is cancelled: the manifest and all that it names are as they were, and new files are
 * gone; of a fold with a merge the fold may stand. What the store folds by itself is not affected.
 * NULL: nobody watches. Applier only. */
void store_watch(struct store *store, struct work *work);

/* What lies here: for `attune data`, reports and tests. */
struct store_stats {
    uint64_t event_count, tail_event_count, run_count, log_bytes, run_bytes, links_bytes,
        quarantine_bytes, quarantined_row_count, first_position, position;
    uint64_t key_file_count, key_bytes;
    uint64_t checkpoint_bytes, checkpoint_position; /* 0: there is none */
};
void store_stats(struct store *store, struct store_stats *out);
/* How many of the stored events are earlier versions: replaced by a later one, or retracted. In the
 * order of their number. */
enum status store_earlier_versions(struct store *store, uint64_t *count) MUST_USE;

/* Quarantined rows, oldest first; `row_id` is stable. `visit` returns false to stop. Texts are
 * borrowed for the call. */
#define STORE_ROW_ID_BITS 16
struct stored_row {
    uint64_t row_id; /* >> STORE_ROW_ID_BITS: the position at which the row came */
    uint16_t source;
    struct text file, reason, raw;
    uint64_t line;
    uint32_t column;
};
enum status store_visit_rows(struct store *store,
                             bool (*visit)(void *context, const struct stored_row *row),
                             void *context, struct error *error) MUST_USE;
/* Forgets rows by id (they came back as events, or were given up). */
enum status store_drop_rows(struct store *store, const uint64_t *row_ids, size_t count,
                            struct error *error) MUST_USE;

/* Erasure: removes every event of these personas from tail, log and runs, every event of anybody
 * that `names_them`, what `clean` leaves out of others' events, every quarantined row for which
 * `row_is_theirs` says so, and replaces each record for which `rewrite` returns true by what it
 * wrote. Folds first, drops the log, so that no byte is left. */
struct store_erasure {
    const struct persona_id *personas;
    size_t persona_count;
    uint16_t naming_type; /* the only events that names_them is asked about; SYMBOL_EVENT */
    bool (*names_them)(void *context, struct text packed); /* NULL: nothing does */
    /* Appends the properties of somebody else's event without what is theirs, and returns true;
     * false where nothing in them is. Asked about every event that stays; NULL: no event is. */
    bool (*clean)(void *context, uint16_t source, struct text packed, struct buffer *out);
    bool (*row_is_theirs)(void *context, const struct stored_row *row);
    /* Appends the new bytes to `out` and returns true to replace; an empty result drops the record.
     */
    bool (*rewrite)(void *context, enum record_kind kind, struct text bytes, struct buffer *out);
    void *context;
    /* Names that no event has any more once this is done; NULL: none. */
    const struct symbols_forgotten *forgotten;
};
struct store_erased {
    uint64_t event_count, row_count, record_count, files_rewritten;
};
enum status store_erase(struct store *store, const struct store_erasure *erasure,
                        struct store_erased *out, struct error *error) MUST_USE;

/* Reads every byte of the directory and checks every checksum, order and offset; tells each finding
 * by `report`. STATUS_CORRUPT where anything is wrong. Needs no open store. */
enum status store_check(struct file_system *fs, const char *directory,
                        void (*report)(void *context, const char *path, const char *finding),
                        void *context, struct error *error) MUST_USE;
/* Recomputes what is derived: makes the checkpoint anew from all records, and rewrites all runs
 * from themselves and the log with the columns in force and fresh customers. Columns and the heap
 * of their texts are made anew, also damaged ones; STATUS_CORRUPT, and the runs as they were, where
 * other sections are. */
enum status store_rebuild(struct store *store, struct error *error) MUST_USE;
/* A consistent copy of the directory at the present position, synced; `target` must not exist.
 * `earlier` (NULL: none) is an earlier copy of this directory: what it has of the files that never
 * change gets a second name in the target instead of being copied, where the file system can. */
enum status store_backup(struct store *store, const char *target, const char *earlier,
                         struct error *error) MUST_USE;

#endif
