/* SPDX-License-Identifier: Apache-2.0 */
/* ingest/map/mapper.h -- rows to events under a plan. One mapper, one thread; the plan is shared.
 *
 * A row is read into cells; the event's fields are taken from its first row, its properties from
 * all of them; then everything is packed behind the batch's bytes. Whatever doesn't fit sets
 * `reason` and gives STATUS_INVALID; the event is rolled back and its rows go to the quarantine. */
#ifndef INGEST_MAP_MAPPER_H
#define INGEST_MAP_MAPPER_H

#include "event/dark.h"
#include "ingest/cell/cell.h"
#include "ingest/cell/content.h"
#include "ingest/file/job.h"
#include "ingest/live.h"
#include "ingest/map/line_form.h"
#include "ingest/map/plan.h"

#define MAPPER_SCRATCH_MAX (64u << 20)
/* So many rows that were not stored, and only one in so many is looked for before it is mapped: a
 * file that is loaded for the first time costs hardly more. */
#define MAPPER_UNKNOWN_MAX 64u
#define MAPPER_LOOK_EVERY  32u
/* The messages of one line may make so many bytes of events, since a replay must write them as one
 * frame. Beyond it the line waits in quarantine. */
#define MAPPER_BATCH_BYTES_MAX ((size_t)40 << 20)
#define MAPPER_REASON_BYTES    480
#define MAPPER_OBJECTS_MAX     256
#define MAPPER_NAMES           256 /* slots of the cache from names to symbols */

/* Of the rows of a request (ingest/live.h); all zero for files. */
struct mapper_live {
    bool is_received; /* job->now_ms is when the server received it, whatever the row says */
    /* Bytes that the server put before and behind what its sender wrote, in the present row. */
    uint32_t head, tail;
    uint64_t number; /* of the request: tells messages apart that say neither an id nor a time */
    uint64_t messages;
    struct ingest_seen seen;
    bool is_public, no_claims; /* the sender's key */
};

/* Whether the programs of a user agent are no people. */
#define MAPPER_AGENT_SETS 64
#define MAPPER_AGENT_WAYS 4
struct mapper_agent {
    uint64_t hash; /* 0: none */
    bool is_bot;
};
/* What stands before the names of events that are stored and used by nothing. */
#define MAPPER_BOT     "Bot"
#define MAPPER_CLAIMED "Claimed"

struct mapper_reason {
    char text[MAPPER_REASON_BYTES];
    uint32_t column; /* from 1; 0: the whole row */
    uint64_t line;
};

struct mapper_extra { /* a property of an open source that its mapping does not name */
    uint32_t symbol;  /* SYMBOL_NONE: nobody declared it */
    struct text name; /* then */
    struct json_node node;
};

struct mapper {
    const struct plan *plan;
    struct cell_reader reader;
    struct arena scratch; /* of the present event */
    struct cell *cells;   /* of the present row */
    /* NDJSON, two a path: the first of its members in the line before, and what came behind it. */
    const struct plan_path **follow;
    uint8_t *filled;      /* NDJSON, a column: 0 no, 1 from a weak place, 2 from its own */
    struct value *values; /* of the event so far, a property of the plan */
    struct packed_list *lists;
    struct packed_list items; /* of a JSON array */
    struct packed_list kept;  /* the rows of the present event, as they are kept beside it */
    struct buffer kept_row;
    struct buffer facts;     /* struct row_facts, a row of the present group */
    uint32_t unknown_streak; /* rows, or groups, since the last one that was stored whole */
    struct packed_writer writer;
    struct json_parser *json;
    struct line_forms forms; /* NDJSON: of the lines before */
    struct buffer text;      /* templates, raw rows */
    struct buffer mended;    /* a JSON line without its half surrogates */
    struct buffer rescued;   /* a batch without the messages that can't be read */
    struct buffer left; /* messages of a batch that can't become events, as a batch of their own */
    char left_reason[MAPPER_REASON_BYTES]; /* why the first of them can't */
    struct text line_text;                 /* of the present row */
    /* Events, properties; names live in the symbols. */
    struct {
        struct text name;
        uint32_t id;
    } names[2][MAPPER_NAMES];
    struct mapper_extra extras[PACKED_PROPERTIES_MAX + DARK_NAMES_MAX];
    uint32_t extra_count, extra_declared_count;
    uint32_t objects[MAPPER_OBJECTS_MAX]; /* known properties whose value is an object */
    uint32_t object_count;
    uint8_t *entered; /* NDJSON, a path: its object was looked into */
    /* Of the present event: what stands under names that nobody declared (mapper_dark.c). */
    struct dark_writer dark;
    struct dark_array array; /* under way */
    bool array_tells;
    struct text event_word, channel_word;
    /* Names and values that had no room in it. */
    uint32_t undeclared_left;
    uint64_t undeclared_events, undeclared_rest; /* of the job */
    int message;           /* of a Segment source: what the present row is; 0: nothing such */
    struct json_node root; /* NDJSON: of the present line */
    struct json_node message_node; /* of the present message; the line where it is no batch */
    struct mapper_agent agents[MAPPER_AGENT_SETS][MAPPER_AGENT_WAYS];
    bool is_bot;      /* a program that reads pages sent the present row */
    bool is_vouched;  /* a signed token says whose browser sent it */
    bool in_defaults; /* cells are filled from what a batch says of all its messages */
    bool is_no_json;  /* the present row can't be read at all */
    struct mapper_live live;
    struct mapper_reason reason;
    struct event_batch *batch; /* being filled */
    int64_t now_ms;            /* when the present job's rows were received */
    struct text row;           /* the present one; within a batch the message */
    uint64_t line;
    struct near_treatment near; /* of this job */
    /* The channel of the rows before, where it is a declared one: most files have few. */
    struct {
        char word[32];
        uint32_t length, type; /* length 0: none is remembered */
        uint8_t channel;
    } channel_before;
    size_t usable_before; /* of the batch: 1 + an identifier that may stand for a person; 0: none */
    uint64_t strange[MAPPER_NAMES]; /* hashes of events' names that are no built-in event's */
    uint32_t present_type;          /* of the row's event, once it is known; SYMBOL_NONE before */
    uint32_t said; /* by a consent, a relation, a message: which parts (mapper_closed.c) */
    uint32_t message_channel; /* of a treatment's event, where its source does not say it;
                               * or SYMBOL_NONE */
    const struct action *message_action; /* of a treatment's event; NULL: none of the playbook */
    bool row_is_read;                    /* the cells are those of the present row */
    bool says_currency;                  /* the present row names the currency of its money */
    uint16_t group_currency; /* of an event of several rows: what one of them says; 0: none does */
    struct mapper_reason
        doubt;              /* of a good message: why its consent can't be read; empty: it can */
    uint64_t no_keys;       /* events of this job whose row key is a filler */
    uint64_t *consent_seen; /* hashes of (person, purpose, state) told in this batch */
    size_t consent_count, consent_capacity;
};

enum status mapper_create(struct mapper **out, const struct plan *plan) MUST_USE;
void mapper_destroy(struct mapper *mapper);
/* Appends the job's events and quarantined rows to `batch`. OK or NO_MEMORY. */
enum status mapper_run(struct mapper *mapper, struct job *job, struct event_batch *batch) MUST_USE;

/* The words of one row (ingest.h). OK, NO_MEMORY, CANCELLED where `visit` stopped. `batch` is the
 * caller's scratch. */
enum status mapper_words(struct mapper *mapper, struct job *job, const struct row *row,
                         struct event_batch *batch, const struct ingest_words *words,
                         bool *unreadable) MUST_USE;

/* lookup.c: ingest_check of a lookup's file. */
enum status ingest_lookup_check(const struct ingest_settings *settings, const struct source *source,
                                const char *path, struct error *error) MUST_USE;

/* ---- between the files of the mapper ---- */

/* mapper.c: a row to cells (INVALID: it can't be), and what identifiers the cells have, as an event
 * of the batch. */
enum status mapper_read_row(struct mapper *mapper, struct job *job, const struct row *row,
                            bool plain) MUST_USE;
enum status mapper_note_identifiers(struct mapper *mapper) MUST_USE;
/* mapper_add_event, with what a row says of itself. */
struct event *mapper_add_event_of(struct mapper *mapper, const struct row_facts *facts,
                                  enum status *status);
/* mapper.c: packs the event, whose rows have all been taken. */
enum status mapper_finish(struct mapper *mapper, size_t index, bool keeps_rows) MUST_USE;
/* mapper_group.c: rows `from` to `to` of the job are one event. */
enum status mapper_map_group(struct mapper *mapper, struct job *job, size_t from, size_t to,
                             bool plain) MUST_USE;

/* Says why the row is bad; returns STATUS_INVALID. `column` is a column of the plan, or
 * COLUMN_NONE. */
enum status mapper_bad(struct mapper *mapper, uint32_t column, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* "'abc' is no number in column quantity" */
enum status mapper_bad_value(struct mapper *mapper, uint32_t column, enum value_type type);
/* What belongs where an object or a list stands instead. */
const char *mapper_place(enum value_type type);
/* A printable beginning of some text; `out` is returned. */
#define MAPPER_SHOWN_BYTES 48
char *mapper_show(struct text text, char out[MAPPER_SHOWN_BYTES + 8]);
/* One more event of the batch; NULL: *status says why (INVALID: reason set, there is no room for
 * one more). */
struct event *mapper_add_event(struct mapper *mapper, enum status *status);
/* Name to symbol; EVENT_UNDECLARED, SYMBOL_NONE of a property, CHANNEL_UNDECLARED where nobody has
 * declared it. INVALID (reason set) where it can't be the name of an event. */
enum status mapper_symbol(struct mapper *mapper, enum symbol_kind kind, struct text name,
                          uint32_t *id) MUST_USE;

/* mapper_event.c */
/* One more identifier of the batch's newest event, in its canonical form; an empty one is none. */
enum status mapper_add_identifier(struct mapper *mapper, uint32_t type, bool lower_case,
                                  uint32_t column, struct text text) MUST_USE;
/* What an event's first row tells, or, in a group, the first row that has it: an export of orders
 * may say time and customer on the first of an order's lines alone. */
enum part { PART_TYPE = 1, PART_CHANNEL = 2, PART_TIME = 4, PART_WHO = 8 };
#define PARTS_ALL 15u
/* Takes these parts from the present row into the event. *missing: the parts that the row leaves to
 * the other rows of its group. */
enum status mapper_take_first(struct mapper *mapper, size_t index, bool has_others,
                              uint32_t *missing) MUST_USE;
/* Does the present row say which group it belongs to? */
enum status mapper_check_group(struct mapper *mapper) MUST_USE;
/* A further row of a group: it fills in what is missing, and is compared in what is not. */
enum status mapper_take_further(struct mapper *mapper, size_t index, uint32_t *missing,
                                bool *differs) MUST_USE;
/* Takes these parts from the present row; one that is empty there makes it a bad one. */
enum status mapper_take_parts(struct mapper *mapper, size_t index, uint32_t parts) MUST_USE;

/* Money that names no currency stands in `currency` from now on. */
void mapper_use_currency(struct mapper *mapper, uint16_t currency);
/* The same in the one that the cell names; empty: in `usual`. INVALID, with the reason set: it
 * names none. */
enum status mapper_set_currency(struct mapper *mapper, const struct cell *cell,
                                uint16_t usual) MUST_USE;
/* The currency of the present row, or message. */
enum status mapper_take_currency(struct mapper *mapper) MUST_USE;

/* mapper_closed.c: words of closed lists. `state` of an event that has one is read by words. */
bool mapper_is_state(uint32_t event_type, uint32_t symbol);
/* Puts the playbook's own word in the place of a known one, in the plan's properties (begin), in
 * each other; INVALID, with the reason set, where a list knows no such word (end: where the event
 * says not enough). */
enum status mapper_closed_begin(struct mapper *mapper, uint32_t event_type) MUST_USE;
enum status mapper_closed_value(struct mapper *mapper, uint32_t event_type, uint32_t symbol,
                                struct value *value) MUST_USE;
enum status mapper_closed_end(struct mapper *mapper, const struct event *event) MUST_USE;
/* The same for the channel of an event, and for an event's name that is not declared. */
enum status mapper_channel_word(struct mapper *mapper, uint32_t event_type,
                                struct text *word) MUST_USE;
enum status mapper_event_word(struct mapper *mapper, struct text word, uint32_t *type) MUST_USE;
/* The first turns the present reason into one that holds the row's person (ingest.h, struct
 * ingest_hold). The second does so only where the row's event may take something back. */
void mapper_hold(struct mapper *mapper, bool is_purpose, struct text scope);
void mapper_hold_in_doubt(struct mapper *mapper);

/* mapper_trust.c. What the present row, whose cells are filled, is believed. */
enum event_trust mapper_trust(struct mapper *mapper);
/* Rows of a public key stand under keys of their own: they neither correct a row that the source's
 * servers sent, nor come before it. */
void mapper_part_keys(const struct mapper *mapper, struct event *event);
/* Gives an event that a page can't say, or that a program made, a name that nobody declares. Before
 * it is packed. NO_MEMORY or OK. */
enum status mapper_distrust(struct mapper *mapper, struct event *event) MUST_USE;
/* A signed token vouches for the user and the browser, and for nothing else that the row names. */
bool mapper_may_name(const struct mapper *mapper, const struct plan_identifier *identifier);
/* A row in quarantine keeps that its sender's key was public: a replay knows the source alone. */
#define MAPPER_PUBLIC_MARK TEXT("{\"attune_trust\":\"public\",")
enum status mapper_mark_raw(const struct mapper *mapper, struct buffer *raw) MUST_USE;
/* Of an event of a public source: INVALID, with the reason set, where it names no device that may
 * stand for somebody. */
enum status mapper_check_device(struct mapper *mapper, const struct event *event) MUST_USE;

/* mapper_field.c: the value of a field in the present row; unknown where the row has none. */
enum status mapper_field_value(struct mapper *mapper, const struct plan_field *field,
                               struct value *out) MUST_USE;
enum status mapper_field_text(struct mapper *mapper, const struct plan_field *field,
                              struct text *out) MUST_USE;
/* Takes the present row into the event's properties. */
enum status mapper_take_properties(struct mapper *mapper, bool first) MUST_USE;
/* Finishes lists and packs the properties into the batch, with mapper->kept where `keeps_rows` and
 * there is room for it. */
enum status mapper_pack(struct mapper *mapper, uint32_t event_type, bool keeps_rows,
                        struct event *event) MUST_USE;

/* mapper_json.c */
enum status mapper_read_json(struct mapper *mapper) MUST_USE; /* mapper->row to cells */
/* Parses a line, or a message: half a surrogate (JavaScript cuts texts between the two) is read as
 * U+FFFD. */
enum status mapper_parse_json(struct mapper *mapper, struct text text, struct json_node *root,
                              struct error *error) MUST_USE;
/* The cells of one message of a batch: its own members, then those of the line that hold for all
 * (segment.h). */
enum status mapper_read_message(struct mapper *mapper, struct json_node message) MUST_USE;
/* An array as the list of this property: `field` (FIELD_LIST) or `rule` say what is known of its
 * records; both may be NULL. Fields of undeclared names become dark text. */
enum status mapper_json_list(struct mapper *mapper, uint32_t property, struct json_node array,
                             const struct field_source *field, const struct property_rule *rule,
                             struct value *out) MUST_USE;
/* An extra property's value; its symbol is known. */
enum status mapper_extra_value(struct mapper *mapper, const struct mapper_extra *extra,
                               uint32_t event_type, struct value *out) MUST_USE;

/* mapper_dark.c. The present event begins: nothing is dark yet. */
void mapper_dark_begin(struct mapper *mapper);
/* Adds the words of event and channel. */
enum status mapper_dark_words(struct mapper *mapper) MUST_USE;
/* One property of an undeclared name: a scalar or an array. */
enum status mapper_dark_property(struct mapper *mapper, struct text name,
                                 struct json_node node) MUST_USE;
/* The undeclared fields of a declared list: begin; items by dark_array_record and dark_array_add;
 * fields; end. */
void mapper_dark_array_begin(struct mapper *mapper);
enum status mapper_dark_field(struct mapper *mapper, struct text name,
                              struct json_node node) MUST_USE;
enum status mapper_dark_array_end(struct mapper *mapper, struct text name) MUST_USE;

#endif
