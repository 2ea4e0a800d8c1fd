/* SPDX-License-Identifier: Apache-2.0 */
/* ingest/map/plan.h -- a source's mapping, resolved against one file. Names have become numbers, so
 * that nothing is searched by name for each row.
 *
 * A row is an array of cells, one for each *column* of the plan. The columns of a CSV plan are
 * those of the file, in order; the columns of an NDJSON plan are the paths that the mapping asks
 * for. A plan is immutable once it is made, and all threads of a reader read it. It lives in its
 * arena. */
#ifndef INGEST_MAP_PLAN_H
#define INGEST_MAP_PLAN_H

#include "base/arena.h"
#include "ingest/ingest.h"

#define COLUMN_NONE    UINT32_MAX
#define PLAN_BYTES_MAX (16u << 20)

struct plan_part { /* of a template: text, then a column's */
    struct text before;
    uint32_t column; /* COLUMN_NONE: only text */
};

struct plan_field {
    enum field_kind kind;
    enum value_type type;
    char aggregate;
    /* FIELD_COLUMN, FIELD_AGGREGATE; FIELD_LIST of NDJSON: the array, or COLUMN_NONE. */
    uint32_t column;
    struct value constant;
    const struct plan_part *parts;
    uint32_t part_count;
    const struct lookup_table *table;
    uint32_t table_field;
    uint32_t key_columns[LOOKUP_KEY_FIELDS_MAX], key_count;
    const uint32_t *columns;         /* FIELD_LIST */
    const struct field_source *from; /* list: types and symbols of its columns */
    uint32_t list;                   /* FIELD_LIST: which of the mapper's lists */
    struct text name;                /* as written, for messages */
    struct notation notation;        /* of what a template makes, or a lookup holds as text */
};

struct plan_property {
    uint32_t symbol;
    /* For a state that is read by words: its type in events that are no consent. Else UNKNOWN. */
    enum value_type state_type;
    struct plan_field field;
};
struct plan_identifier {
    uint32_t symbol;
    bool lower_case;
    struct plan_field field;
};

struct plan_words {
    const struct text *at;
    size_t count;
};

/* Where a JSON member goes: a tree of the paths' parts. A property's path counts from the object of
 * properties and, where that has no such member, from the top: there its place is a weak one. */
struct plan_place {
    uint32_t column;
    bool weak;
    struct plan_place *next;
};
struct plan_path {
    struct text name;
    uint32_t id; /* 0, 1, 2 … below plan->path_count */
    struct plan_place *places;
    bool is_properties; /* its members are properties */
    struct plan_path *child, *next;
};

/* The columns of a Segment message, behind those of the mapping. */
enum segment_column {
    SEGMENT_TYPE,
    SEGMENT_EVENT,
    SEGMENT_MESSAGE_ID,
    SEGMENT_TIMESTAMP,
    SEGMENT_ORIGINAL_TIMESTAMP,
    SEGMENT_SENT_AT,
    SEGMENT_RECEIVED_AT,
    SEGMENT_NAME,
    SEGMENT_GROUP_ID,
    SEGMENT_PREVIOUS_ID,
    SEGMENT_USER_ID,
    SEGMENT_EXTERNAL_IDS,
    SEGMENT_CONSENT,
    SEGMENT_CURRENCY,
    SEGMENT_BATCH,
    SEGMENT_COLUMN_COUNT
};

/* What makes a row's content (content.h). */
struct plan_cell {
    uint32_t column;
    uint64_t seed;     /* of the column's name */
    uint32_t readings; /* bit r: reading r has the column */
};
struct plan_retraction {
    uint32_t column;
    const struct retraction *rule;
};
struct plan_rows {
    bool *used; /* a column: the mapping reads it */
    const struct plan_cell *cells;
    uint32_t cell_count;
    uint16_t reading;          /* the present one */
    uint32_t reading_count;    /* the present one and older ones */
    uint32_t comparable, open; /* bit r: its content can be told; it has undeclared properties */
    bool first_stands; /* a message: of two with one key the first stands, whatever they say */
    bool may_skip;     /* a row that is known whole need not be mapped */
    bool (*is_known)(void *context, struct row_key key, uint64_t content, uint16_t reading);
    void *is_known_context;
    uint64_t event_seed;     /* of the keys of events whose rows have keys of their own */
    uint32_t version_column; /* COLUMN_NONE */
    const struct plan_retraction *retractions;
    uint32_t retraction_count;
    enum key_names key_names; /* of the source, else of the settings */
    bool keeps_rows, takes_parts;
    /* row_key is more than one_event_per: the rows of a group must be asked for their keys. */
    bool asks_keys;
    uint32_t rows_symbol;
    /* What is kept of a row: these columns, and their names as a CSV header. NDJSON: the line. */
    const uint32_t *kept_columns;
    uint32_t kept_count;
    struct text kept_header;
};

struct plan {
    struct arena arena;
    const struct source *source;
    const struct playbook *playbook;
    struct symbols *symbols;
    const struct time_zone *zone;
    uint16_t currency;
    uint32_t minor_digits;
    bool (*usable)(void *context, uint32_t rule_index, struct text value); /* as in the settings */
    void *usable_context;
    struct text token_secret; /* of signed user tokens; empty: none is good */
    struct text file;         /* the name, for quarantined rows */
    struct text header;       /* the line as it came, for quarantined rows; empty: none */
    char delimiter;
    bool reads_last_column;     /* CSV: the mapping reads the last column */
    const struct text *columns; /* names; CSV: of the file, NDJSON: paths */
    uint32_t column_count;
    const struct notation *notations; /* a column; NULL: the source declares none */
    uint32_t group_column;            /* COLUMN_NONE: each row is an event */
    uint64_t key_seed;
    struct plan_field event, channel, time, row_keys[SOURCE_ROW_KEYS_MAX];
    uint32_t row_key_count;
    bool has_time, usual_time, channel_from_field; /* usual_time: Segment's own `timestamp` */
    struct plan_property *properties;              /* by symbol */
    uint32_t property_count, list_count;
    struct plan_identifier *identifiers;
    uint32_t identifier_count;
    /* The property that names the currency of a row: mapped, or a member of an open source. NONE:
     * no property of this name is known. */
    uint32_t currency_symbol;
    const struct plan_field *currency_field;
    /* Closed lists of the playbook. */
    struct plan_words purposes, channels, relations, actions, programmes;
    uint32_t programme_symbol;
    bool has_open_state;
    bool copies_text; /* a cell's text is gone with the next row: keep copies */
    bool is_segment;
    uint32_t segment; /* column of SEGMENT_TYPE; the others follow */
    uint32_t name_symbol, group_id_symbol;
    struct plan_rows rows;
    const bool *path_is_property; /* NDJSON, a column */
    struct plan_path *root;       /* NDJSON */
    uint32_t path_count;
    /* What the playbook says of an event's property, hashed; rule_mask 0: nothing. */
    const struct property_rule **rules;
    uint32_t rule_mask;
};

/* The columns' names must live as long as the plan. `header`: the line as it came. Copies settings,
 * not what they point to. */
enum status plan_create(struct plan **out, const struct ingest_settings *settings,
                        const struct source *source, const char *file, struct text header,
                        const struct text *columns, uint32_t column_count, char delimiter,
                        struct error *error) MUST_USE;
void plan_destroy(struct plan *plan);
/* What the playbook's `events:` says of a property of an event, or NULL. */
const struct property_rule *plan_rule_find(const struct plan *plan, uint32_t event_type,
                                           uint32_t symbol);

/* How the source writes the times and figures of a column, by number or by name. */
static inline struct notation plan_notation(const struct plan *plan, uint32_t column) {
    return plan->notations ? plan->notations[column] : (struct notation){0};
}
struct notation source_notation(const struct source *source, struct text column);

/* Which column bears a name: COLUMN_NONE, and the error says where, what is there and what may be
 * meant. */
enum status plan_column_find(const char *file, const struct text *columns, uint32_t column_count,
                             struct text name, const char *role, uint32_t *column,
                             struct error *error) MUST_USE;

#endif
