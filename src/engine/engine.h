/* SPDX-License-Identifier: Apache-2.0 */
/* engine/engine.h -- wires the rooms: one data directory, open.
 *
 *   files ─► ingest ─► identity ─► store ─► profile ─► decide ─► decisions are events again
 *
 * The engine owns the clock, randomness and threads; the rooms below read none of them. It keeps
 * what is in force as control records in the log (which playbook, which lookups, which models), so
 * that opening the directory brings back exactly what was.
 *
 * Threads: whatever changes anything goes through the applier (engine/applier.h) and may be called
 * by any thread. engine_customer_data() may be used by any number of threads, each with its own
 * reader and profile. */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "decide/decide.h"
#include "decide/trainer.h"
#include "engine/in_force.h"
#include "identity/identity.h"
#include "learn/learn.h"
#include "measure/data_use.h"
#include "measure/scenario_index.h"
#include "store/store.h"

struct engine;
struct applier;

struct engine_options {
    const char *directory;
    bool create;
    bool read_only;
    bool fold_by_hand;      /* tests and benchmarks */
    struct file_system *fs; /* NULL: the operating system's */
    /* NULL: the one in force. Read-only opening takes it as a trial; else it is put in force. */
    const char *playbook_file;
    int64_t now_ms;   /* 0: the clock */
    uint32_t threads; /* parsing and walking; 0: as many as the machine has, at most 16 */
    /* What may wait to be written: changes, and bytes of them; and how long the syncer waits for
     * company. 0: applier.h's defaults. */
    uint32_t queue_changes;
    size_t queue_bytes;
    uint32_t linger_ms;
    struct playbook_errors *playbook_errors; /* filled where the playbook has any; may be NULL */
};

enum status engine_open(struct engine **out, const struct engine_options *options,
                        struct error *error) MUST_USE;
void engine_close(struct engine *engine);
/* Lookups and models of the playbook in force that are left out, since their files cannot be read,
 * and earlier playbooks whose files have changed: each one's file and remedy. */
typedef void (*unreadable_fn)(void *context, const char *why);
void engine_tell_unreadable(struct engine *engine, unreadable_fn tell, void *context);

/* Puts a playbook file in force, beside readers: those who began before keep the earlier one
 * until they renew (answer.h). A file that does not load changes nothing: the old one stays in
 * force, and no name of the new one is declared. `errors` (may be NULL) gets all that is wrong with
 * it. */
enum status engine_put_playbook(struct engine *engine, const char *file,
                                struct playbook_errors *errors, struct error *error) MUST_USE;

/* Of what is in force for the thread that changes things. Borrowed until something else is put in
 * force; other threads hold a snapshot (in_force.h) instead. */
const struct customer_data *engine_customer_data(const struct engine *engine);
const struct playbook *engine_playbook(const struct engine *engine); /* NULL before the first */
struct store *engine_store(struct engine *engine);
struct identity *engine_identity(struct engine *engine);
/* Tells this data directory from others, so that two never give the same id to two decisions. */
uint64_t engine_directory_id(const struct engine *engine);
struct symbols *engine_symbols(struct engine *engine);
int64_t engine_now_ms(const struct engine *engine);
uint32_t engine_threads(const struct engine *engine);

/* When the newest event became known (its time plus the delay of its source), not after now; 0
 * where there is none. It is what "now" means for data of the past: everything that came in is
 * known by then. What the program wrote itself does not count. */
enum status engine_last_known_ms(struct engine *engine, int64_t *time_ms,
                                 struct error *error) MUST_USE;

/* Is there a table that a view at t does not see, since it was loaded later? *known_ms: from when
 * on the newest of these is known. */
bool engine_later_lookup(const struct engine *engine, int64_t t_ms, struct text *name,
                         int64_t *known_ms);

/* ---- ingest ---- */
enum ingest_outcome {
    INGEST_LOADED,
    INGEST_NO_FILE,     /* its pattern matches nothing, and it was not asked for by name */
    INGEST_FAILED,      /* a file of it could not be read; what was acknowledged stays */
    INGEST_NOT_REACHED, /* comes behind a lookup, or a write, that failed: nothing was loaded */
    INGEST_OUTCOME_COUNT
};
/* "loaded", "no_file", "failed", "not_reached". */
const char *ingest_outcome_name(enum ingest_outcome outcome);
#define INGEST_NOTES_MAX 32
struct ingest_notes {
    uint32_t count; /* beyond INGEST_NOTES_MAX they are only counted */
    char text[INGEST_NOTES_MAX][400];
};
/* What became of rows. Counts events, of which a row makes one and a group of rows makes one. */
struct apply_result {
    uint64_t events; /* new ones */
    uint64_t repeats, quarantined;
    uint64_t turned_away; /* events that name people who were erased: not kept */
    uint64_t withheld;    /* properties left out, since they name people who were erased */
    uint64_t nobodys;     /* identifiers left out, since they stand for nobody: NULL, #REF! */
    uint64_t corrected;   /* a stored row that now says something else */
    uint64_t retracted;   /* a stored row that took itself away */
    uint64_t remapped;    /* a stored row that another mapping reads in another way */
    uint64_t joined;      /* a stored event of several rows that got more of them */
    uint64_t older;       /* an older version than the stored one: left */
    uint64_t left;        /* other rows of a stored event, which the source says to leave */
    uint64_t clashes;     /* rows with the key of another row of the same load, and other content */
    uint64_t held;        /* would have been corrected, in a load that stopped (corrections_max) */
    uint64_t not_compared; /* repeats by their key alone: what they held before is not known */
};
/* Bad rows of files: how many of them are kept, as how many entries of the quarantine, since the
 * rows of one event wait together, and how many lie there already. */
struct bad_rows {
    uint64_t rows, entries, known_rows;
};
void apply_result_add(struct apply_result *sum, const struct apply_result *more);
struct engine_ingest_report {
    struct text source; /* borrowed from the playbook, as long as it is in force */
    enum ingest_outcome outcome;
    /* What is loaded again is recognised: a row key or message id, or a lookup, which is replaced.
     */
    bool drops_repeats;
    uint64_t files, rows, lookup_rows;
    struct apply_result did;
    /* Rows of the files that were quarantined, and as how many entries: the rows of one event wait
     * together. */
    uint64_t quarantined, quarantine_entries;
    uint64_t quarantined_before; /* rows that lay in quarantine already */
    /* Rows that left the quarantine: they were the halves of rows that have come whole. */
    uint64_t came_whole;
    /* Events of a name that nobody declared; names and values beyond the limits of an event's dark
     * text (event/dark.h), left out. */
    uint64_t undeclared_events, undeclared_left;
    uint64_t no_keys;     /* events without a row key, since a filler stands in its place */
    uint64_t disagreeing; /* rows that contradict the first row of their event */
    uint64_t bytes;       /* as on disk */
    bool time_always;
    /* What must be known and stops nothing: an empty file, a last row held back. */
    struct ingest_notes notes;
};
struct engine_progress {
    struct text source;
    const char *path;
    uint64_t consumed_bytes, total_bytes, events, quarantined;
};
struct engine_ingest_options {
    /* Where the sources' globs are looked for; NULL: beside the playbook. */
    const char *data_directory;
    const char *source; /* NULL: every source that has files; lookups first */
    /* Given files instead of the source's glob (needs `source`); "-" is standard input. */
    const char *const *paths;
    size_t path_count;
    /* At most ten a second. */
    void (*progress)(void *context, const struct engine_progress *progress);
    void *context;
    /* Rows that are stored are mapped again and replace what the old mapping made of them, consent
     * and opt-ins apart. What was known when stays. */
    bool remaps;
    bool accept_corrections; /* however many they are: corrections_max does not hold */
    /* May be NULL. Once it is cancelled no further batch is read: what was loaded stays, with its
     * corrections, and the same load again takes the rest. */
    struct work *work;
};
/* *reports from memory_alloc, one a source that was asked for, in the order of loading. A bad row
 * is quarantined and counted; a bad file is an error: what was acknowledged before it stays, and
 * the sources behind it are reported as not reached. A file that ends in the middle is an error
 * too, but all the others are loaded; an empty one is skipped with a note. */
enum status engine_ingest(struct engine *engine, const struct engine_ingest_options *options,
                          struct engine_ingest_report **reports, size_t *count,
                          struct error *error) MUST_USE;
/* One batch through identity, repeats and the log; durable on return. What the batch holds then is
 * undefined. Any thread. */
enum status engine_apply(struct engine *engine, struct event_batch *batch, struct apply_result *out,
                         struct error *error) MUST_USE;
/* By which everything is changed (engine/applier.h). */
struct applier *engine_applier(struct engine *engine);
/* Each file of the playbook's sources in a folder: `message` says why it can't be loaded, or is
 * NULL. Nothing is stored, and no lookup need be loaded. NO_MEMORY or OK. */
struct file_findings {
    void (*tell)(void *context, struct text source, const char *path, const char *message);
    void *context;
};
enum status engine_check_files(const struct playbook *playbook, struct symbols *symbols,
                               const char *folder, const struct file_findings *findings) MUST_USE;
/* Rows are rows of the files: those of one event wait together, as one entry of the quarantine. */
struct replay_report {
    uint64_t rows, events, still_quarantined;
    struct apply_result did;
};
/* How many rows of its file an entry is, under the source's mapping as it is now. */
uint64_t engine_row_count(const struct engine *engine, const struct stored_row *row);
/* Of all entries; looks at them only where a source takes rows together. */
enum status engine_quarantine_rows(struct engine *engine, uint64_t *rows,
                                   struct error *error) MUST_USE;
/* Rows in quarantine that may take something back, so that their people are held. */
enum status engine_hold_count(struct engine *engine, uint64_t *rows, struct error *error) MUST_USE;
/* Gives up rows by id: whoever they held is held no more. */
enum status engine_quarantine_drop(struct engine *engine, const uint64_t *row_ids, size_t count,
                                   struct error *error) MUST_USE;
enum status engine_quarantine_replay(struct engine *engine, const char *source,
                                     struct replay_report *out, struct error *error) MUST_USE;

/* ---- models ---- */
/* Trains the rule on what had matured by until_ms, writes models/NAME@VERSION.model and puts it in
 * force. `out` and `counts` may be NULL. `counts`: what it was made of, and what was left out.
 * Where there is nothing to learn from, the error says why. `work` (may be NULL): once it is
 * cancelled nothing is put in force and nothing is written. The rule is one of what is in force
 * when it begins; where another playbook has come when it ends, *out tells whether that one takes
 * the model. */
enum status engine_train(struct engine *engine, uint32_t rule, int64_t until_ms, struct work *work,
                         struct model_entry *out, struct trainer_counts *counts,
                         struct error *error) MUST_USE;
/* The model in force by rule index; NULL where there is none. `entry` may be NULL. */
const struct model *engine_model(const struct engine *engine, uint32_t rule,
                                 struct model_entry *entry);
/* Was it trained, and is left out all the same, since it no longer fits the playbook or its file
 * cannot be read? */
bool engine_model_left_out(const struct engine *engine, uint32_t rule, struct model_entry *entry);
const struct model *const *engine_models(const struct engine *engine);
/* Has a model in force learnt from what came after t? A decision at t by it knows what nobody knew
 * then. `entry` (may be NULL): the first. */
bool engine_hindsight(const struct engine *engine, int64_t t_ms, struct model_entry *entry);

/* ---- decisions ---- */
/* Writes decisions as Decision Made events of the customers' personas. What is added is kept aside,
 * beyond some thousands in a file without a name in the data directory; flush writes all of it
 * down, in frames of some thousands, in the order in which it was added, and what it counts as
 * recorded is durable. Where it fails the first frames may stand: _recorded tells. */
struct decision_recorder;
/* Of decisions made under this snapshot; it need not be held afterwards. */
enum status decision_recorder_create(struct decision_recorder **out,
                                     const struct in_force *in_force) MUST_USE;
void decision_recorder_destroy(struct decision_recorder *recorder); /* does not flush */
enum status decision_recorder_add(struct decision_recorder *recorder, struct decider *decider,
                                  const struct decision *decision, struct error *error) MUST_USE;
enum status decision_recorder_flush(struct decision_recorder *recorder,
                                    struct error *error) MUST_USE;
uint64_t decision_recorder_recorded(const struct decision_recorder *recorder);
/* Decisions that were recorded before: the same ranks for the same customer at the same time, asked
 * for at the same placement in the same context, by the same playbook, models and tables. They are
 * not recorded again. */
uint64_t decision_recorder_known(const struct decision_recorder *recorder);

/* ---- one customer ---- */
/* "C12", "household:1029" or a bare identifier value that only one customer has. */
enum status engine_find_customer(struct engine *engine, struct text name, struct as_of as_of,
                                 struct customer_id *out, struct error *error) MUST_USE;
/* From now on the links between the two identifiers (TYPE:VALUE; b empty: all links of a) count as
 * if they had never been. */
/* Who bears a, and who bears b, afterwards. */
struct engine_unmerged {
    struct customer_id customer, other;
};
enum status engine_unmerge(struct engine *engine, struct text identifier_a,
                           struct text identifier_b, struct engine_unmerged *out,
                           struct error *error) MUST_USE;
/* What an erasure does not reach and found to name the person, or can't vouch for. Beyond these are
 * backups, the files that were loaded or written out, and other customers' properties. */
enum leftover_kind {
    LEFTOVER_LOOKUP, /* rows of the table in force: take them out of its file and load it again */
    LEFTOVER_OLD_LOOKUP, /* rows of an earlier version, which views of the past still read */
    LEFTOVER_PLAYBOOK,   /* a copy of a playbook that was in force */
    LEFTOVER_MODEL,      /* trained by an older program: its words may be those of one person */
    LEFTOVER_KIND_COUNT
};
struct leftover {
    enum leftover_kind kind;
    struct text name; /* of the lookup; of the file, below the directory */
    uint64_t rows;    /* lookups: how many; 1 where only the file's bytes could be read */
};
struct erased_summary {
    uint64_t events, rows, records, identifiers, files;
    uint64_t names; /* of events and properties that only the customer's events had */
    struct leftover *leftovers;
    size_t leftover_count;
    struct arena arena;
};
/* The counts stay. */
void erased_summary_release(struct erased_summary *out);
/* The erasure of this identifier (TYPE:VALUE) was a mistake, or the person asks to be known again:
 * rows that name it are taken again from now on. What was erased stays erased until its files are
 * loaded again. STATUS_NOT_FOUND where it is not turned away. */
enum status engine_lift(struct engine *engine, struct text identifier,
                        struct error *error) MUST_USE;
/* What names anybody who was erased, now: files that were loaded since an erasure may have brought
 * somebody back. Only `leftovers` of `out` is filled in; release it also after a failure. */
enum status engine_leftovers(struct engine *engine, struct erased_summary *out,
                             struct error *error) MUST_USE;
/* Release `out` also after a failure. */
enum status engine_erase(struct engine *engine, struct customer_id customer,
                         struct erased_summary *out, struct error *error) MUST_USE;

/* store_fold and store_rebuild, watched by `work` (may be NULL). What others change waits for the
 * end. */
enum status engine_fold(struct engine *engine, bool merge, struct work *work,
                        struct error *error) MUST_USE;
enum status engine_rebuild(struct engine *engine, struct work *work, struct error *error) MUST_USE;
/* A consistent copy of the whole directory: the store's files, then playbooks, lookups, models and
 * the salt. */
/* `earlier` (NULL: none): an earlier backup of this directory, with which the new one shares the
 * files that never change; STATUS_INVALID where it is none. */
enum status engine_backup(struct engine *engine, const char *target, const char *earlier,
                          struct error *error) MUST_USE;

/* ---- what is here (attune data) ---- */
/* Release it with data_report_release. */
enum status engine_data_report(struct engine *engine, struct work *work, struct data_report *out,
                               struct error *error) MUST_USE;

#endif
