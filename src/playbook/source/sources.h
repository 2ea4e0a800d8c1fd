/* SPDX-License-Identifier: Apache-2.0 */
/* playbook/source/sources.h -- one source while it is read. sources.c (the source), lookups.c and
 * fields.c (its columns) share it. */
#ifndef PLAYBOOK_SOURCE_SOURCES_H
#define PLAYBOOK_SOURCE_SOURCES_H

#include "playbook/playbook_internal.h"

#define COLUMNS_MAX    1024
#define SKIP_LINES_MAX 1000

struct source_entry {
    const struct yaml_node *key, *values[KEYS_MAX];
    struct source *source;
    struct text *columns; /* where they are listed: the only ones there are */
    bool *type_used;      /* by item of `types:` */
    struct property_map *properties;
    const struct yaml_node **property_nodes; /* what each was read from */
    bool *is_declared;  /* its type stands in `types:` or is the lookup's, so that another source
                          must agree */
    bool lookups_known; /* all sources have been begun */
    bool good;          /* it is a map under a good name */
};
struct source_reading {
    struct source_entry *items;
    uint32_t count;
};

/* Reads a column, "template {column}", 'constant', sum(column) or lookup.field. *declared: its type
 * is declared somewhere. */
bool field_read(struct reader *reader, struct source_entry *entry, const struct yaml_node *node,
                const char *what, struct field_source *out, bool *declared);
/* Reads a property's mapping: a field, or a list of fields, which makes a list of records. */
bool field_list_read(struct reader *reader, struct source_entry *entry,
                     const struct yaml_node *node, struct text path, struct field_source *out);
/* doors.c. `listen:` and `signature:` of a source that takes requests. The first is called before
 * its format is read, the second behind. */
void door_begin(struct reader *reader, struct source_entry *entry);
void door_read(struct reader *reader, const struct source_reading *sources,
               struct source_entry *entry);
/* Where the source takes a vendor's requests: the identifier that its rows have; else empty. */
struct text door_identifier(const struct source *source);
/* … and the channel of its messages. */
struct text door_channel(const struct source *source);
/* Reads a column's name and nothing else (one_event_per). */
bool column_read(struct reader *reader, const struct source_entry *entry,
                 const struct yaml_node *node, const char *what, struct text *out);
/* columns.c. Can there be such a column? Where not, it reports the error. In braces any name is
 * allowed but that of a lookup's column; without braces, none that is an expression. */
bool column_check(struct reader *reader, const struct source_entry *entry, struct place place,
                  struct text column);
bool column_check_plain(struct reader *reader, const struct source_entry *entry, struct place place,
                        struct text column, bool in_call);
bool column_check_braces(struct reader *reader, const struct source_entry *entry,
                         struct place place, struct text column);
bool column_is_expression(struct text text, bool in_call);
/* Checks the braces of `event:` and `channel:` again once all lookups are known. */
void braces_check(struct reader *reader, struct source_entry *entry, enum source_key key);
/* Checks that columns of the file join each lookup, and no field of another lookup. */
void joins_check(struct reader *reader, const struct source_entry *entry);
/* Returns the type that `types:` gives a column, or VALUE_UNKNOWN. */
enum value_type column_type(const struct source_entry *entry, struct text column);

/* Reads a word of `types:`, such as "money" or "time day first"; VALUE_UNKNOWN where it is none.
 * Sets of *notation what the word says. */
enum value_type column_type_from_text(struct text text, struct notation *notation);
/* Reads `dates:` and `decimal:` of the source. */
void notation_read(struct reader *reader, struct source_entry *entry);
void types_check(struct reader *reader, struct source_entry *entry);
void types_check_used(struct reader *reader, const struct source_entry *entry);
void lookup_begin(struct reader *reader, struct source_entry *entry);

/* Reads `row_version:`, `retract_when:`, `corrections_max:`, `again:` and `lines:`, after row_key.
 */
void row_rules_read(struct reader *reader, struct source_entry *entry);

/* trust.c: `trust:`, `claims:` and `token_secret:`, after the identifiers. */
void trust_read(struct reader *reader, struct source_entry *entry);

void properties_declare(struct reader *reader, struct source_entry *entry);
void properties_resolve(struct reader *reader, struct source_entry *entry);

#endif
