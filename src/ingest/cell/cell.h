/* SPDX-License-Identifier: Apache-2.0 */
/* ingest/cell/cell.h -- one field of a row as it stands in the file, and the value that it makes.
 *
 * The fast ways (plain decimals, ISO times, a zone's offset for each day) give exactly what
 * value_parse gives, and leave everything else to it. Not thread-safe: a zone_days belongs to one
 * mapper. */
#ifndef INGEST_CELL_CELL_H
#define INGEST_CELL_CELL_H

#include "base/arena.h"
#include "base/json.h"
#include "base/time.h"
#include "event/value.h"
#include "playbook/playbook.h"

/* NUMBER: of JSON, as its node. DECIMAL: of JSON, as text and number. NODE: array or object. */
enum cell_kind { CELL_TEXT, CELL_INTEGER, CELL_NUMBER, CELL_DECIMAL, CELL_YES_NO, CELL_NODE };

struct cell {
    /* CELL_TEXT: empty where nothing is there. CELL_DECIMAL: as it was written. CELL_INTEGER: the
     * same, or empty where only the number is known. */
    struct text text;
    uint8_t kind;
    bool yes;
    union {
        int64_t integer;
        double number;         /* CELL_DECIMAL */
        struct json_node node; /* CELL_NODE; CELL_NUMBER: of the number */
    };
};

#define CELL_DIGITS_MAX 15 /* a decimal of so many digits is an exact integer in a double */
struct cell_decimal {
    int64_t digits;
    uint32_t fraction; /* digits behind the point */
    bool negative;
};
/* The nearest double of at most CELL_DIGITS_MAX digits. */
double cell_decimal_number(const struct cell_decimal *decimal);

static inline bool cell_is_empty(const struct cell *cell) {
    return cell->kind == CELL_TEXT && cell->text.length == 0;
}

/* The offset of days on which it does not change: most rows ask for the same few. */
#define ZONE_DAYS 512
struct zone_days {
    const struct time_zone *zone;
    int32_t day[ZONE_DAYS];      /* since 1970 */
    int32_t offset_s[ZONE_DAYS]; /* INT32_MIN: changes on that day; ask the zone */
    char date[10];               /* the last one read, as written: YYYY-MM-DD; zeros: none */
    int64_t date_day;            /* its day since 1970 */
};
void zone_days_init(struct zone_days *days, const struct time_zone *zone);

struct cell_reader {
    struct zone_days days;
    uint16_t currency;
    uint32_t minor_digits;
    struct arena *scratch; /* for texts that have to be made */
};

/* Makes a value of the type. An empty cell gives unknown. With the type VALUE_UNKNOWN the value
 * stays as it comes: text, or JSON's own type. STATUS_INVALID where it is none. */
enum status cell_value(struct cell_reader *reader, const struct cell *cell, enum value_type type,
                       struct notation notation, struct value *out) MUST_USE;
/* As text: numbers digit by digit as they were written, true and false. STATUS_INVALID for arrays
 * and objects. */
enum status cell_text(struct cell_reader *reader, const struct cell *cell,
                      struct text *out) MUST_USE;
/* Makes a cell of one JSON value, in place: a cell is too large to be handed around for each member
 * of each line. */
static inline void cell_set_json(struct cell *cell, struct json_node node) {
    cell->kind = CELL_TEXT;
    cell->text = (struct text){0};
    switch (json_type(node)) {
    case JSON_NULL: break;
    case JSON_TEXT: cell->text = json_text(node); break;
    case JSON_YES_NO:
        cell->kind = CELL_YES_NO;
        cell->yes = json_yes(node);
        break;
    case JSON_NUMBER:
        cell->kind = CELL_INTEGER;
        if (json_integer(node, &cell->integer)) break;
        cell->kind = CELL_NUMBER;
        cell->node = node;
        break;
    case JSON_ARRAY:
    case JSON_OBJECT:
        cell->kind = CELL_NODE;
        cell->node = node;
        break;
    }
}

static inline struct cell cell_from_json(struct json_node node) {
    struct cell cell;
    cell_set_json(&cell, node);
    return cell;
}

#endif
