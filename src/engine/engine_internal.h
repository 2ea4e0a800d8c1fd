/* SPDX-License-Identifier: Apache-2.0 */
/* engine/engine_internal.h -- what the files of the engine share. Private to engine/. */
#ifndef ENGINE_ENGINE_INTERNAL_H
#define ENGINE_ENGINE_INTERNAL_H

#include <pthread.h>

#include "base/json.h"
#include "engine/applier.h"
#include "engine/engine.h"
#include "engine/holds.h"
#include "engine/in_force.h"
#include "engine/past.h"
#include "ingest/ingest.h"

#define PATH_BYTES_MAX     4096
#define CONTROL_BYTES_MAX  (1u << 20)  /* a control record */
#define READINGS_BYTES_MAX (64u << 20) /* of one source's readings, in memory */

/* What the log says of lookups and models: the facts that snapshots are made from (in_force.h). The
 * applier's. */
struct lookup_fact {
    int64_t known_ms; /* TIME_ALWAYS for the first, undated one */
    uint64_t hash;
};
struct named_lookup {
    char name[SYMBOL_BYTES_MAX + 1];
    struct lookup_fact *versions; /* oldest first */
    size_t count, capacity;
};
struct model_fact {   /* a version of a model */
    uint32_t version; /* 0: there is none */
    int64_t trained_ms, until_ms;
    /* Hash of what its features meant when it was trained; 0: not said. */
    uint64_t features;
    bool was_in_force; /* now or earlier; else a challenger that was never promoted */
};
struct named_model {
    char name[SYMBOL_BYTES_MAX + 1];
    struct model_fact now;       /* in force */
    struct model_fact *versions; /* all that the log tells of, ascending */
    size_t version_count, version_capacity;
};

/* The snapshot in force, and the lock under which it is held or swapped. */
struct in_force_now {
    pthread_mutex_t lock;
    _Atomic(struct in_force *) in_force;
};

/* The readings of a source (ingest.h): id 1, 2, 3 … in order of first sight. */
struct source_readings {
    char source[SYMBOL_BYTES_MAX + 1];
    struct arena arena;
    struct ingest_reading *items; /* by id - 1 */
    size_t count, capacity;
    /* Hash of the row_key (row_key_hash) whose values, as files have shown, name each row of an
     * event; 0: none has shown it. */
    uint64_t key_of_rows;
};

/* The readings of one source in the order in which a plan gets them; whoever opens a file has one
 * of his own, which must stay as it is until the file is closed. */
struct reading_list {
    struct engine *engine;
    struct ingest_reading items[1 + INGEST_READINGS_MAX];
    uint32_t count;
};

struct row_frame; /* rows.h: the rows of the frame at hand */

struct engine {
    uint64_t directory_id; /* engine_directory_id */
    char directory[PATH_BYTES_MAX];
    struct file_system *fs;
    bool read_only;
    int64_t fixed_now_ms;
    uint32_t threads;
    struct symbols *symbols;
    struct identity *identity;
    struct store *store;
    struct in_force_now now;
    /* The same, held by the thread that changes things and by those who take turns with it (the
     * command line): engine_customer_data, engine_playbook and the like answer from it. */
    struct in_force *own;
    char playbook_hash[17];       /* in force, by the log; empty: none */
    struct named_lookup *lookups; /* by name, in order of first sight */
    size_t lookup_count, lookup_capacity;
    struct named_model *models; /* by name, in order of first sight */
    size_t model_count, model_capacity;
    struct rates *rates;
    struct budgets *budgets; /* budgets.h */
    struct engine_view_pool *pool;
    struct past *past;        /* past.h */
    struct json_parser *json; /* for control records */
    struct holds holds;
    struct lookup_pages lookup_pages;
    struct ingest_repeats known_rows; /* what lies in quarantine; see known_rows_drop */
    bool has_known_rows;
    struct source_readings *readings;
    size_t reading_source_count, reading_source_capacity;
    pthread_mutex_t readings_lock; /* the applier's while it adds; all others' while they read */
    struct reading_list applier_reads; /* for rows that the applier maps itself */
    struct row_frame *frame;
    struct applier *applier;
    struct live *live; /* live/live_internal.h */
    /* Below it something was written that may have changed any customer's timeline without an event
     * of their own: a correction, an un-merge, an erasure. The applier's (live/settle.c). */
    uint64_t moved_position;
    pthread_mutex_t secrets_lock;
    struct secret *secrets; /* secrets.c */
};
/* All that is written so far may have changed any timeline. Applier only. */
void engine_note_moved(struct engine *engine);

/* secrets.c: the secret that "env NAME" or "file PATH" names, borrowed until the engine is closed;
 * empty where there is none, which the log tells. Any thread. */
struct text engine_secret(struct engine *engine, struct text where);
void engine_secrets_release(struct engine *engine);

/* answer/customers.c: TYPE:VALUE. The applier's. */
enum status engine_find_identifier(struct engine *engine, struct text name,
                                   struct identifier_id *out, struct error *error) MUST_USE;

/* ---- control records: what is in force. One JSON object each, so that they can be read with any
 * tool ---- */
enum status control_apply(struct engine *engine, struct text bytes, struct error *error) MUST_USE;
enum status control_append(struct engine *engine, const struct event_batch *batch,
                           struct text bytes, struct error *error) MUST_USE;
enum status control_playbook(struct buffer *out, const char *hash, int64_t now_ms) MUST_USE;
enum status control_lookup(struct buffer *out, struct text name, uint64_t hash,
                           int64_t known_ms) MUST_USE;
/* It is in force, or stands by where it never was. */
enum status control_model(struct buffer *out, const char *name,
                          const struct model_fact *fact) MUST_USE;
enum status control_reading(struct buffer *out, struct text source,
                            const struct ingest_reading *reading) MUST_USE;
struct budget_version;
enum status control_budgets(struct buffer *out, const struct budget_version *version) MUST_USE;
enum status control_row_key(struct buffer *out, struct text source, uint64_t key_of_rows) MUST_USE;

/* ---- readings ---- */
enum status reading_add(struct engine *engine, struct text source,
                        const struct ingest_reading *reading) MUST_USE;
/* For ingest_settings.readings; the context is a struct reading_list. A new one is written to the
 * log. Any thread. */
enum status readings_find(void *context, const struct source *source,
                          const struct ingest_reading *current, const struct ingest_reading **out,
                          uint32_t *count, struct error *error) MUST_USE;
/* Where among the older readings of `current` another one stands; UINT32_MAX: nowhere. */
uint32_t reading_index(const struct engine *engine, struct text source, uint16_t current,
                       uint16_t wanted);
/* What the row_key of the source names, as the files so far have shown it. Any thread. */
enum key_names readings_key_names(struct engine *engine, const struct source *source);
/* A file has shown that it names each row. Written to the log where that is news. Any thread. */
enum status readings_note_key(struct engine *engine, const struct source *source,
                              struct error *error) MUST_USE;
enum status readings_set_key(struct engine *engine, struct text source,
                             uint64_t key_of_rows) MUST_USE;
void readings_release(struct engine *engine);

/* ---- what is in force ---- */
enum status playbook_put_in_force(struct engine *engine, const char *file,
                                  struct playbook_errors *errors, struct error *error) MUST_USE;
enum status playbook_load_in_force(struct engine *engine, struct error *error) MUST_USE;
/* A playbook's file is named by the hash of its bytes: one that has changed would give other
 * answers than were given. */
bool playbook_is_as_named(const struct buffer *bytes, struct text name);

/* The directory's own secret; made where `create` and the directory is new, once, whoever else
 * makes it. *unchecked is set where it lies in the form without a checksum, which salt_write
 * replaces, under the lock. */
enum status salt_read(struct engine *engine, bool create, uint8_t salt[IDENTITY_SALT_BYTES],
                      bool *unchecked, struct error *error) MUST_USE;
enum status salt_write(struct engine *engine, const uint8_t salt[IDENTITY_SALT_BYTES],
                       struct error *error) MUST_USE;

/* May the program go on without a lookup or a model, with a warning? A directory must be open so
 * that they can be loaded or trained again. */
bool may_do_without(enum status status);
struct named_lookup *lookup_named(struct engine *engine, struct text name, bool add);
enum status lookup_add_version(struct named_lookup *lookup, int64_t known_ms,
                               uint64_t hash) MUST_USE;
void lookups_tell_unreadable(struct engine *engine, unreadable_fn tell, void *context);
/* STATUS_NOT_FOUND, with the nearest name. */
enum status source_unknown(const struct playbook *playbook, const char *name,
                           struct error *error) MUST_USE;
/* Takes ownership of the table: stores it by content and puts it in force, unless it is what is in
 * force already. The bad rows of its file are stored in either case. */
enum status lookup_put_in_force(struct engine *engine, struct text name, struct lookup_table *table,
                                struct event_batch *rows, struct error *error) MUST_USE;
enum status lookup_file_write(struct engine *engine, const struct lookup_table *table,
                              struct error *error) MUST_USE;
enum status lookup_file_read(struct engine *engine, uint64_t hash, const struct lookup_rule *rule,
                             struct lookup_table **out, struct error *error) MUST_USE;

struct named_model *model_named(struct engine *engine, struct text name, bool add);
/* model_versions.c. Room for one more version; then adding one can't fail. A version that is there
 * already is only marked. */
enum status model_facts_reserve(struct named_model *named) MUST_USE;
void model_facts_add(struct named_model *named, const struct model_fact *fact);
const struct model_fact *model_fact_find(const struct named_model *named, uint32_t version);
/* The number of the next version: no version of the name, in force or not, has it. */
uint32_t model_version_next(const struct named_model *named);
/* models.c. A version without its model yet; NULL without memory. */
struct model_version *model_version_create(const char *name, const struct model_fact *fact);
enum status model_file_write(struct engine *engine, const struct model_version *version,
                             struct error *error) MUST_USE;
uint64_t model_meaning(const struct playbook *playbook, const struct model_rule *rule);
/* Puts a version in force whose file is written already: the next snapshot is whole before the log
 * names the model. The applier's. */
enum status model_put_in_force(struct engine *engine, struct named_model *named,
                               const struct model_fact *fact, struct model_version *version,
                               struct error *error) MUST_USE;
/* Of what the log says. A file that can't be read leaves the version without a model, with a line
 * in the program's log, where one can do without. */
enum status model_version_read(struct model_version **out, struct engine *engine, const char *name,
                               const struct model_fact *fact, struct error *error) MUST_USE;
/* The same, but nothing is logged: `why` says it. */
enum status model_version_try(struct model_version **out, struct engine *engine, const char *name,
                              const struct model_fact *fact, struct error *why) MUST_USE;
/* As model_fits, and nothing is logged. */
bool model_suits(const struct playbook *playbook, const struct model_rule *rule,
                 const struct model_version *version);
/* Does it fit the playbook's goal and features, as they are and as they mean? Else a line in the
 * program's log says so. */
bool model_fits(const struct playbook *playbook, const struct model_rule *rule,
                const struct model_version *version);
/* Was it fitted to the orders of the rule? Else a line in the program's log says so. */
bool lifetime_fits(const struct lifetime_rule *rule, const struct model_version *version);
/* Writes the next version of that name and puts it in force. `meaning` is what its features, or its
 * orders, meant. The content, one of the two, is taken, also on failure. The applier's. */
struct model_content {
    struct model *model;
    struct lifetime_series *lifetime;
};
enum status models_put(struct engine *engine, struct text name, int64_t until_ms, uint64_t meaning,
                       const struct model_content *content, struct error *error) MUST_USE;
void models_tell_unreadable(struct engine *engine, unreadable_fn tell, void *context);

/* Appends an identity change in one frame: its record, a control record (`control`; empty: none),
 * the batch, and a Customer Merged or Customer Split event a change, as many as a frame takes. The
 * caller commits. */
enum status engine_append_change(struct engine *engine, struct event_batch *batch,
                                 const struct identity_result *result, struct text control,
                                 bool sync, struct error *error) MUST_USE;
/* The changes from `from` on, which had no room in the frame with the record, after the commit. */
enum status engine_append_more_changes(struct engine *engine, const struct identity_result *result,
                                       size_t from, bool sync, struct error *error) MUST_USE;

/* ---- decisions ---- */
/* What live decisions share (live/live_internal.h); made once, before anything is asked. */
enum status live_create(struct live **out, const uint8_t salt[IDENTITY_SALT_BYTES]) MUST_USE;
void live_destroy(struct live *live); /* NULL is allowed */
/* The key under which a decision stands, by its id. */
struct row_key decision_row_key(uint64_t id);
/* Appends the decision that the decider made last as an event of its customer's first persona,
 * under its key. Appends nothing where the customer has no persona. Any thread. */
enum status decision_add(struct engine *engine, struct decider *decider,
                         const struct decision *decision, struct packed_writer *writer,
                         struct event_batch *batch) MUST_USE;

/* ---- applying; the applier's thread only. All others ask the applier (applier.h). ---- */

struct row_load;
struct frame_member; /* rows.h */
/* One frame of events and bad rows: rows judged, personas found, written, and durable where `sync`.
 * Where *written is false nothing of it is kept, rows that a load holds apart. Rows come back to
 * one member alone. */
enum status apply_frame(struct engine *engine, struct event_batch *batch,
                        const struct frame_member *members, const struct rows_back *back, bool sync,
                        bool *written, struct error *error) MUST_USE;
/* apply_frame of one member. *out (may be NULL): what became of it. */
enum status engine_apply_back(struct engine *engine, struct event_batch *batch,
                              const struct rows_back *back, struct row_load *load, bool sync,
                              struct apply_result *out, struct error *error) MUST_USE;
/* The same of a batch of any size, in parts where one frame does not take it. */
enum status engine_apply_parts(struct engine *engine, struct event_batch *batch,
                               struct row_load *load, bool sync, struct apply_result *out,
                               struct error *error) MUST_USE;
/* engine_apply_parts, durable on return. */
enum status engine_apply_now(struct engine *engine, struct event_batch *batch,
                             struct row_load *load, struct apply_result *out,
                             struct error *error) MUST_USE;
/* Appends a copy of an event of another batch, and of a row. */
enum status batch_copy_event(struct event_batch *to, const struct event_batch *from,
                             const struct event *event) MUST_USE;
enum status batch_copy_row(struct event_batch *to, const struct event_batch *from,
                           const struct quarantined_row *row) MUST_USE;

/* More than one frame takes? */
bool batch_needs_parts(const struct event_batch *batch);

/* Leaves in the batch only the bad rows that do not lie in quarantine already, and counts both.
 * Behind rows_withhold, which changes rows. */
enum status known_rows_drop(struct engine *engine, struct event_batch *batch,
                            struct bad_rows *counts, struct error *error) MUST_USE;
/* Rows have left the quarantine, or may have. */
void known_rows_forget(struct engine *engine);

/* Bad rows of customers who were erased are kept without their bytes, under a reason that says so.
 * Before the rows are stored. */
enum status rows_withhold(struct engine *engine, struct event_batch *batch,
                          struct error *error) MUST_USE;
/* Is the value turned away, in whatever spelling? As of this type; SYMBOL_NONE: as of any. */
bool is_turned_away(const struct engine *engine, uint32_t type, struct text value);
/* Does the text, or a word of it that isn't only digits, stand for somebody who was erased? */
bool text_names_erased(const struct engine *engine, struct text text);
/* Leaves out the properties that name somebody who was erased, of events of others; adds their
 * count. */
enum status properties_withhold(struct engine *engine, struct event_batch *batch,
                                const struct frame_member *members, struct error *error) MUST_USE;
/* leftovers.c: what the erasure can't reach. NO_MEMORY where not all could be told. */
enum status leftovers_find(struct engine *engine, const struct identity_erasure *erasure,
                           struct erased_summary *out) MUST_USE;
/* Rows of a lookup that name anybody who was erased before: a table that is loaded later may bring
 * them back. */
enum status leftovers_of_table(struct engine *engine, const struct lookup_table *table,
                               uint64_t *rows) MUST_USE;
/* Does a Related event name somebody who was erased? */
bool relation_names_erased(const struct engine *engine, struct text packed);

/* Returns the settings with which every caller opens ingest; snapshot and tables are borrowed. */
struct ingest_settings engine_ingest_settings(const struct in_force *in_force,
                                              const struct lookup_table *const *tables);

/* The same for events that are to be applied: with the readings of the sources, of which a new one
 * is written to the log. With a load, what is stored whole is not mapped where the load says so;
 * NULL: in the applier's thread. */
struct row_load;
struct ingest_settings engine_load_settings(const struct in_force *in_force,
                                            const struct lookup_table *const *tables,
                                            const struct source *source, struct row_load *load);

/* "DIRECTORY/format…"; STATUS_LIMIT where it is too long. */
enum status path_of(const struct engine *engine, char out[PATH_BYTES_MAX], const char *format, ...)
    PRINTF_LIKE(3, 4) MUST_USE;
/* Makes DIRECTORY/name where it is not there. Its name is on the disk on return: what is written
 * into it may be told of in the log. */
enum status folder_make(struct engine *engine, const char *name, struct error *error) MUST_USE;

#endif
