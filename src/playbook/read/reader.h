/* SPDX-License-Identifier: Apache-2.0 */
/* playbook/read/reader.h -- one reading of a playbook: the tree, the errors found so far, and how
 * scalars become values.
 *
 * The functions that read return true where the value is good. Where it isn't they have said so:
 * the error is in the list, sorted by its place, and the reading goes on, so that one reading finds
 * every error. What is no error of the playbook (memory) stays in reader->status, after which
 * nothing else is reported. An absent node (NULL) is the caller's business. Everything that stays
 * lives in the playbook's arena, the YAML tree too: texts are borrowed from it. */
#ifndef PLAYBOOK_READ_READER_H
#define PLAYBOOK_READ_READER_H

#include "base/yaml.h"
#include "playbook/read/keys.h"
#include "playbook/playbook.h"

#define NAME_BYTES_MAX  64
#define SHOWN_BYTES_MAX 60 /* of a name or value repeated in an error */

struct names;
struct reader {
    struct playbook *playbook;
    struct arena *arena;
    const char *file;
    struct symbols *symbols;
    struct playbook_errors *errors;
    enum status status; /* not OK: the reading is over; memory, not the playbook, is at fault */
    const uint32_t *line_starts; /* byte offset of each line */
    uint32_t line_count;
    struct names *names;
    bool quiet; /* a compilation met something whose error is reported already */
};

/* ---- errors ---- */
static inline struct place node_place(const struct yaml_node *node) {
    return (struct place){node->line, node->column};
}
void reader_error(struct reader *reader, struct place place, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* Reports "no goal is called "callbak": did you mean "callback"?", or lists what there is. */
void reader_unknown(struct reader *reader, struct place place, const char *kind, struct text name,
                    const struct text *known, uint32_t count);
/* Sets reader->status and returns false, so that a caller can say: return reader_no_memory(reader).
 */
bool reader_no_memory(struct reader *reader);
/* Returns at most SHOWN_BYTES_MAX bytes of a text, cut between characters. */
struct text shown(struct text text);

/* ---- memory ---- */
void *reader_alloc(struct reader *reader, size_t count,
                   size_t bytes); /* zeroed; NULL: reader->status is set */
/* Makes room for one more item in an array that doubles inside the arena; NULL without memory.
 * *items may move. */
void *reader_push(struct reader *reader, void **items, uint32_t *count, uint32_t *capacity,
                  size_t bytes);
/* printf into the arena; empty without memory. */
struct text reader_format(struct reader *reader, const char *format, ...) PRINTF_LIKE(2, 3);

/* ---- shapes ---- */
bool node_is_empty(const struct yaml_node *node); /* `key:` with nothing behind it */
bool reader_is_map(struct reader *reader, const struct yaml_node *node, const char *what);
bool reader_is_list(struct reader *reader, const struct yaml_node *node, const char *what);
/* Sets the values of a map by the index of their key in `set`; absent and empty ones are NULL.
 * Unknown keys are errors. */
bool reader_keys(struct reader *reader, const struct yaml_node *node, const struct key_set *set,
                 const struct yaml_node **values);

/* ---- scalars; `what` names the value in an error: "at_most" ---- */
bool reader_text(struct reader *reader, const struct yaml_node *node, const char *what,
                 struct text *out); /* not empty */
bool reader_name(struct reader *reader, const struct yaml_node *node, const char *what,
                 struct text *out); /* a_name1 */
/* As reader_name, for property_name_is_good. */
bool reader_property_name(struct reader *reader, const struct yaml_node *node, const char *what,
                          struct text *out);
bool reader_name_of(struct reader *reader, const struct yaml_node *node, const char *what,
                    const struct text *known, uint32_t count, uint32_t *index); /* one of `known` */
bool reader_count(struct reader *reader, const struct yaml_node *node, const char *what,
                  uint32_t min, uint32_t max, uint32_t *out);
bool reader_number(struct reader *reader, const struct yaml_node *node, const char *what,
                   double min, double max, double *out);
bool reader_yes_no(struct reader *reader, const struct yaml_node *node, const char *what,
                   bool *out);
bool reader_duration(struct reader *reader, const struct yaml_node *node, const char *what,
                     int64_t *out);
bool reader_percent(struct reader *reader, const struct yaml_node *node, const char *what,
                    double min, double max, double *out); /* "5%" is 5 */
/* Reads "0.35 USD", in the playbook's currency, as money, and "0.35" as a number. */
bool reader_money(struct reader *reader, const struct yaml_node *node, const char *what,
                  struct value *out);
bool reader_zone(struct reader *reader, const struct yaml_node *node, struct time_zone **out);
bool reader_type(struct reader *reader, const struct yaml_node *node, const char *what,
                 enum value_type *out);
/* Adds the usual names of channels: a column may hold them without being declared. */
bool reader_usual_channels(struct reader *reader, const struct yaml_node *node);
bool reader_channel(struct reader *reader, const struct yaml_node *node, uint32_t *symbol);
bool reader_symbol(struct reader *reader, const struct yaml_node *node, enum symbol_kind kind,
                   struct text name, uint32_t *symbol);

bool name_is_good(struct text name);
/* Is it a good name for a property, a record's field or a column, as JSON and spreadsheets have
 * them: utm-source, $browser, Button Name, address.city? Expressions write it in backquotes. It has
 * no backquotes, backslashes or control characters, and no blanks at its ends. */
bool property_name_is_good(struct text name);
/* Reads "0.35 USD" without a reader. True where the text has this form, whatever the currency. */
bool money_from_text(struct text text, struct value *out);
/* Returns the type of this name, or VALUE_UNKNOWN. */
enum value_type type_from_text(struct text text);

/* Returns where byte `offset` of a scalar's text stands in the file. It is exact unless an escape
 * hides it; then it is the scalar's start. */
struct place scalar_place(const struct reader *reader, const struct yaml_node *node,
                          uint32_t offset);

#endif
