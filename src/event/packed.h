/* SPDX-License-Identifier: Apache-2.0 */
/* event/packed.h -- properties as bytes: how they stand in the log, in the tail and in a run's cold
 * blocks.
 *
 *   properties := count:varint { symbol:varint value }*          symbols ascending, each once
 *   value      := tag:u8 payload
 *     number   8 bytes LE double (tag 1), or zigzag varint where it is an integer below 2^53 (tag
 *              2)
 *     text     length:varint bytes          time, duration   zigzag varint        yes, no: two tags
 *     money    currency:u16 LE, zigzag varint
 *     list     bytes:varint count:varint { value | record }*
 *              record := tag count:varint { symbol:varint value }*
 *
 * Readers trust nothing: every length is checked against what is left; a bad byte ends with
 * STATUS_CORRUPT, never a crash. One event's properties are at most PACKED_BYTES_MAX. */
#ifndef EVENT_PACKED_H
#define EVENT_PACKED_H

#include "event/value.h"

#define PACKED_BYTES_MAX      65535
#define PACKED_PROPERTIES_MAX 256
#define PACKED_LIST_ITEMS_MAX 4096

/* Writing: begin, add in any order of symbols, end. The end sorts. Where a symbol is given twice,
 * the last value stands. */
struct packed_writer {
    struct buffer *out;
    size_t start;
    uint32_t count;
    struct {
        uint32_t symbol, offset, length;
    } item[PACKED_PROPERTIES_MAX];
    struct buffer scratch;
};
void packed_writer_init(struct packed_writer *writer);
void packed_writer_release(struct packed_writer *writer);
void packed_begin(struct packed_writer *writer);
/* An unknown value is left out. */
enum status packed_add(struct packed_writer *writer, uint32_t symbol, struct value value) MUST_USE;
/* Appends the finished bytes to `out`. STATUS_LIMIT above PACKED_BYTES_MAX. */
enum status packed_end(struct packed_writer *writer, struct buffer *out) MUST_USE;

/* Lists: build the list's bytes, then packed_add them as a VALUE_LIST value. */
struct packed_list {
    struct buffer bytes; /* item after item, without the count */
    uint32_t count;
    struct buffer finished;
};
void packed_list_init(struct packed_list *list);
void packed_list_release(struct packed_list *list);
void packed_list_begin(struct packed_list *list);
enum status packed_list_add(struct packed_list *list, struct value value) MUST_USE;
enum status packed_list_add_record(struct packed_list *list, const uint32_t *symbols,
                                   const struct value *values, uint32_t count) MUST_USE;
/* Gives a VALUE_LIST whose text is borrowed from the list until the next begin. */
enum status packed_list_end(struct packed_list *list, struct value *out) MUST_USE;

/* Reading. */
struct packed_reader {
    const uint8_t *at, *end;
    uint32_t left;
};
enum status packed_reader_init(struct packed_reader *reader, struct text packed) MUST_USE;
/* Reads the next property: STATUS_OK, STATUS_END, or STATUS_CORRUPT. */
enum status packed_next(struct packed_reader *reader, uint32_t *symbol,
                        struct value *value) MUST_USE;
/* Returns unknown where the property is absent or the bytes are corrupt. */
struct value packed_find(struct text packed, uint32_t symbol);
/* The same for several properties in one pass: values[i] is that of symbols[i], in any order.
 * SYMBOL_NONE (symbol.h) is no property. */
void packed_find_each(struct text packed, const uint32_t *symbols, struct value *values,
                      uint32_t count);
enum status packed_check(struct text packed) MUST_USE; /* walks all of it, lists too */

/* Reads the items of a VALUE_LIST. A scalar comes in `value`; list_field reads the fields of a
 * record. */
struct list_reader {
    const uint8_t *at, *end;
    uint32_t left;
    const uint8_t *record, *record_end; /* the current record, NULL for a scalar */
    uint32_t field_count;
};
enum status list_reader_init(struct list_reader *reader, struct value list) MUST_USE;
/* STATUS_OK, STATUS_END or STATUS_CORRUPT. */
enum status list_next(struct list_reader *reader, struct value *value) MUST_USE;
/* Returns unknown where the record has no such field. */
struct value list_field(const struct list_reader *reader, uint32_t symbol);
/* Reads the fields of the current record one after the other; *at is NULL to begin. STATUS_OK,
 * STATUS_END or STATUS_CORRUPT. */
enum status list_next_field(const struct list_reader *reader, const uint8_t **at, uint32_t *symbol,
                            struct value *value) MUST_USE;
uint32_t list_count(struct value list);

#endif
