/* SPDX-License-Identifier: Apache-2.0 */
/* event/dark.h -- dark text: names that nobody declared, and their values, kept inside the event.
 *
 * A playbook declares names; only declared names become symbols. Whatever else a source sends
 * stays in the event that brought it: a stranger's names fill no table, an erasure of the event
 * takes them along, and a playbook that declares a name later finds it in the old events.
 *
 *   packed properties:  … declared ones, symbols ascending …  PROPERTY_UNDECLARED  list
 *
 *   list := { text: kind, name   value }*  text: FE FF
 *     'e'        value: text, the event's own name      (the event's type is EVENT_UNDECLARED)
 *     'c'        value: text, the channel's own word    (its channel is CHANNEL_UNDECLARED)
 *     '$'        value: text, the currency of the event's figures, three letters
 *     'p' name   value: a scalar
 *     'a' name   value: text, an array: count:varint { 0 value | 1 record | 2 }*
 *                  record := fields:u8 { length:varint name value }*       2: nothing known
 *
 * An array under the name of a declared list holds those fields of its records that nobody
 * declared; the record with the same number in the list has the others.
 * PROPERTY_UNDECLARED is the largest symbol, so the list stands last, and its last item tells
 * without a walk over the properties that there is one. Of a name given twice the first counts.
 * What exceeds the limits below is left out and counted; nothing else of the event is lost.
 *
 * Reading trusts nothing, as in packed.h. Pure; any thread. */
#ifndef EVENT_DARK_H
#define EVENT_DARK_H

#include "event/packed.h"
#include "event/symbol.h"
#include "event/timeline.h"

#define DARK_NAMES_MAX 256   /* an event */
#define DARK_BYTES_MAX 16384 /* an event: names and values together */

enum dark_kind {
    DARK_EVENT = 'e',
    DARK_CHANNEL = 'c',
    DARK_CURRENCY = '$',
    DARK_PROPERTY = 'p',
    DARK_ARRAY = 'a',
};

/* ---- writing: begin, add, end ---- */
struct dark_writer {
    struct packed_list list;
    uint32_t count; /* names kept */
    uint32_t left;  /* names left out, because of a limit */
};
void dark_writer_init(struct dark_writer *writer);
void dark_writer_release(struct dark_writer *writer);
void dark_begin(struct dark_writer *writer);
/* Adds a name and its value. An unknown value is left out and not counted. A name that is empty or
 * longer than SYMBOL_BYTES_MAX, or a value beyond the limits, is left out and counted. STATUS_OK or
 * STATUS_NO_MEMORY. */
enum status dark_add(struct dark_writer *writer, enum dark_kind kind, struct text name,
                     struct value value) MUST_USE;
/* Returns the value for PROPERTY_UNDECLARED, borrowed from the writer; unknown where nothing was
 * added. */
enum status dark_end(struct dark_writer *writer, struct value *out) MUST_USE;

/* An array's bytes. A record is begun, then gets its fields. */
struct dark_array {
    struct buffer bytes; /* items, without their count */
    uint32_t count;
    size_t record; /* where the record under way has its number of fields; SIZE_MAX: none */
};
void dark_array_init(struct dark_array *array);
void dark_array_release(struct dark_array *array);
void dark_array_begin(struct dark_array *array);
enum status dark_array_add(struct dark_array *array, struct value value) MUST_USE;
enum status dark_array_record(struct dark_array *array) MUST_USE;
/* May the record under way get one more field? */
bool dark_array_has_room(const struct dark_array *array);
enum status dark_array_field(struct dark_array *array, struct text name,
                             struct value value) MUST_USE;
/* Appends the array to `out`, as the text value of DARK_ARRAY. */
enum status dark_array_end(const struct dark_array *array, struct buffer *out) MUST_USE;

/* ---- reading ---- */
/* May the event hold dark text? "No" is certain, "yes" may be wrong. */
static inline bool packed_may_be_dark(struct text packed) {
    return packed.length > 4 && packed.at[packed.length - 1] == '\xff' &&
           packed.at[packed.length - 2] == '\xfe';
}

struct dark_reader {
    struct list_reader list;
};
/* Returns false where the event holds no dark text. */
bool dark_reader_init(struct dark_reader *reader, struct text packed);
/* The same over the value of PROPERTY_UNDECLARED. */
bool dark_reader_list(struct dark_reader *reader, struct value list);
/* Reads the next pair. Returns false at the end, or where a byte is wrong. */
bool dark_next(struct dark_reader *reader, enum dark_kind *kind, struct text *name,
               struct value *value);

struct dark_array_reader {
    const uint8_t *at, *end;
    uint32_t left;   /* items */
    uint32_t fields; /* left of the record under way */
    bool is_record;
};
bool dark_array_reader_init(struct dark_array_reader *reader, struct value array);
/* Reads the next item: a scalar into `value`, or a record, and then reader->is_record is set. */
bool dark_array_next(struct dark_array_reader *reader, struct value *value);
bool dark_array_next_field(struct dark_array_reader *reader, struct text *name,
                           struct value *value);

/* Return the event's own name where its type is EVENT_UNDECLARED, and its channel's own word. Empty
 * where there is none. */
struct text dark_event_name(struct text packed);
struct text dark_channel_word(struct text packed);
/* Return the symbol of the event's own name where a playbook has declared the name since, else
 * EVENT_UNDECLARED. The same for a channel. */
uint16_t dark_event_type(struct symbols *symbols, struct text packed);
uint8_t dark_channel(struct symbols *symbols, struct text packed);

/* Return the names of an event and of its channel, declared or not, as people are shown them. */
struct text event_own_name(const struct symbols *symbols, uint16_t type, struct text packed);
struct text event_own_channel(const struct symbols *symbols, uint8_t channel, struct text packed);

/* Memory for values that the event does not hold in the form in which they are asked for. */
struct dark_scratch {
    struct buffer text;
    struct packed_list list;
};
void dark_scratch_init(struct dark_scratch *scratch);
void dark_scratch_release(struct dark_scratch *scratch);

/* Returns what the event has under a declared property: packed_find, and where there may be dark
 * text, the value under the property's name, read as the column's type. Symbols from `names` on
 * count as not declared (UINT32_MAX: all count). *made tells that the value's text lies in
 * `scratch` until the next call. */
struct value dark_find(struct text packed, struct symbols *symbols, uint32_t names,
                       struct column column, struct dark_scratch *scratch, bool *made);
/* The same by name and without a type: the value as it came, declared or not. */
struct value dark_find_named(struct text packed, struct symbols *symbols, struct text name);

/* Reads one pair of the dark text as a column's type. dark_find takes this step for each pair. */
struct dark_reading {
    struct symbols *symbols;
    uint32_t names;
    uint16_t currency; /* dark_currency of the list */
    struct dark_scratch *scratch;
};
/* `declared` is what the event has under the symbol of the pair's name. */
struct value dark_read(const struct dark_reading *reading, enum dark_kind kind, struct value value,
                       struct value declared, enum value_type type, bool *made);
/* dark_array.c. Joins an array and the declared fields of its records to one list. */
struct value dark_array_list(const struct dark_reading *reading, struct value array,
                             struct value declared, bool *made);
/* dark_walk.c. Walks all that an event has, for people: its declared properties, then the others. A
 * list comes in two halves, the declared one and the undeclared one; either may be unknown. */
struct property_walk {
    struct packed_reader declared;
    struct dark_reader dark;
    const struct symbols *symbols;
    struct text packed;
    bool in_dark;
};
void property_walk_begin(struct property_walk *walk, const struct symbols *symbols,
                         struct text packed);
/* Returns false at the end. `array` is the undeclared half of a list, else unknown. */
bool property_walk_next(struct property_walk *walk, struct text *name, struct value *value,
                        struct value *array);
struct item_walk {
    struct list_reader list;
    struct dark_array_reader array;
    struct packed_reader fields;
    const struct symbols *symbols;
    bool has_list, has_array;
};
void item_walk_begin(struct item_walk *walk, const struct symbols *symbols, struct value list,
                     struct value array);
uint32_t item_walk_left(const struct item_walk *walk);
/* Returns false at the end. For a record the caller reads its fields next; a scalar is in `value`.
 */
bool item_walk_next(struct item_walk *walk, bool *is_record, struct value *value);
bool item_walk_field(struct item_walk *walk, struct text *name, struct value *value);

/* Returns the currency of the event's figures; "AAA" where it names none. */
uint16_t dark_currency(struct value list);

#endif
