/* SPDX-License-Identifier: Apache-2.0 */
/* playbook/source/sources.h -- one source while it is read; between sources.c (the source),
 * lookups.c and fields.c (its columns). */
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

/* A column, "template {column}", 'constant', sum(column) or lookup.field. *declared: somebody said
 * what type it has. */
bool field_read(struct reader *reader, struct source_entry *entry, const struct yaml_node *node,
                const char *what, struct field_source *out, bool *declared);
/* A property's mapping: a field, or a list of fields that makes a list of records. */
bool field_list_read(struct reader *reader, struct source_entry *entry,
                     const struct yaml_node *node, struct text path, struct field_source *out);
/* Only a column's name (one_event_per). */
bool column_read(struct reader *reader, const struct source_entry *entry,
                 const struct yaml_node *node, const char *what, struct text *out);
/* columns.c: can there be such a column? Where not, the error is told. In braces any name goes but
 * one of a lookup; without, none that is an expression. */
bool column_check(struct reader *reader, const struct source_entry *entry, struct place place,
                  struct text column);
bool column_check_plain(struct reader *reader, const struct source_entry *entry, struct place place,
                        struct text column, bool in_call);
bool column_check_braces(struct reader *reader, const struct source_entry *entry,
                         struct place place, struct text column);
bool column_is_expression(struct text text, bool in_call);
/* `event:` and `channel:` are read before all lookups are known: their braces are checked once more
 * when they are. */
void braces_check(struct reader *reader, struct source_entry *entry, enum source_key key);
/* A lookup is joined by columns of the file, never by what another lookup says. */
void joins_check(struct reader *reader, const struct source_entry *entry);
/* The type that `types:` gives a column, or VALUE_UNKNOWN. */
enum value_type column_type(const struct source_entry *entry, struct text column);

/* What a word of `types:` says, "money" or "time day first": VALUE_UNKNOWN where it is none.
 * *notation is replaced as far as it says one. */
enum value_type column_type_from_text(struct text text, struct notation *notation);
/* `dates:` and `decimal:` of the source. */
void notation_read(struct reader *reader, struct source_entry *entry);
void types_check(struct reader *reader, struct source_entry *entry);
void types_check_used(struct reader *reader, const struct source_entry *entry);
void lookup_begin(struct reader *reader, struct source_entry *entry);

/* `row_version:`, `retract_when:`, `corrections_max:`, `again:`, `lines:`; after row_key was
 * read. */
void row_rules_read(struct reader *reader, struct source_entry *entry);

void properties_declare(struct reader *reader, struct source_entry *entry);
void properties_resolve(struct reader *reader, struct source_entry *entry);

#endif
