/* SPDX-License-Identifier: Apache-2.0 */
/* ingest/map/line_form.h -- reads a JSON line that has the form of a line before it.
 *
 * Most lines of a file name the same members in the same order, with the same blanks. What such
 * lines have in common is a form: the texts between their values, and which columns each value
 * fills. The values are its slots.
 *
 * clang-format off
 *
 *   {"event":"Clicked","properties":{"page":"/a","count":3}}
 *   ~~~~~~~~~         ~~~~~~~~~~~~~~~~~~~~~~    ~~~~~~~~~ ~~     the texts between four slots
 *
 * clang-format on
 *
 * A line fits where it has these texts, and where each value is a text without escapes, a plain
 * decimal, true, false or null. Such a line needs no parser: its values are read in place. A line
 * that does not fit any form is parsed as before. So a form never judges a line, and it gives the
 * cells that the parser would give; a property test compares both.
 *
 * Forms are learnt from lines that the parser has read. One mapper has them, in one thread. */
#ifndef INGEST_MAP_LINE_FORM_H
#define INGEST_MAP_LINE_FORM_H

#include "ingest/cell/cell.h"
#include "ingest/map/plan.h"

#define LINE_FORMS     4u
#define LINE_SLOTS_MAX 96u

struct line_slot {
    uint32_t before, before_length; /* the text before the value, in the form's own */
    uint32_t column, column_count;  /* which columns the value fills: in the form's list */
};

struct line_form {
    struct buffer text; /* the line that it was learnt from, padded */
    struct line_slot slots[LINE_SLOTS_MAX];
    uint32_t slot_count;
    uint32_t end, end_length; /* the text behind the last value */
    uint32_t *columns;        /* of all slots */
    size_t column_capacity;
};

struct line_forms {
    struct line_form forms[LINE_FORMS], spare;
    uint32_t count, latest; /* latest: which one the last line fitted */
    uint32_t unfit;         /* lines since one fitted */
    uint32_t learnt;        /* how many forms were learnt in all */
};

void line_forms_init(struct line_forms *forms);
void line_forms_release(struct line_forms *forms);
/* Fills the cells of a line that fits a form; the others are empty. False: it fits none, and the
 * cells may hold anything. The line is UTF-8 without NUL, and JSON_PADDING bytes behind it are
 * readable. Texts point into the line. */
bool line_forms_read(struct line_forms *forms, struct text line, struct cell *cells,
                     uint32_t column_count);
/* Learns the form of a line that the parser took, where it can have one: it has no array, names no
 * member twice, and the plan takes no object of it whole. NO_MEMORY. */
enum status line_forms_learn(struct line_forms *forms, const struct plan *plan,
                             struct text line) MUST_USE;

#endif
