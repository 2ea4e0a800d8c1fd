/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/map/line_form.h"

#include "base/memory.h"
#include "ingest/file/scan.h"

/* Lines that fitted no form, and only one in so many is compared with the forms again. */
#define UNFIT_MAX  64u
#define LOOK_EVERY 32u
/* A file of many forms must not spend its time on learning them. */
#define LEARN_EVERY 64u
#define KEYS_MAX    LINE_SLOTS_MAX /* members of one object */
#define DEPTH_MAX   16u

void line_forms_init(struct line_forms *forms) {
    *forms = (struct line_forms){0};
    for (uint32_t i = 0; i < LINE_FORMS; i++) buffer_init(&forms->forms[i].text);
    buffer_init(&forms->spare.text);
}

static void form_release(struct line_form *form) {
    buffer_release(&form->text);
    memory_free(form->columns);
}

void line_forms_release(struct line_forms *forms) {
    for (uint32_t i = 0; i < LINE_FORMS; i++) form_release(&forms->forms[i]);
    form_release(&forms->spare);
    *forms = (struct line_forms){0};
}

/* ---- reading ---- */

/* Both texts are padded: so 16 bytes can be compared whatever the length is. */
static inline bool same(const char *a, const char *b, uint32_t length) {
#ifdef __SSE2__
    for (; length > 16; a += 16, b += 16, length -= 16) {
        __m128i left = _mm_loadu_si128((const __m128i *)(const void *)a),
                right = _mm_loadu_si128((const __m128i *)(const void *)b);
        if (_mm_movemask_epi8(_mm_cmpeq_epi8(left, right)) != 0xffff) return false;
    }
    __m128i left = _mm_loadu_si128((const __m128i *)(const void *)a),
            right = _mm_loadu_si128((const __m128i *)(const void *)b);
    uint32_t differs = (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(left, right)) ^ 0xffffu;
    return (differs & ((UINT32_C(1) << length) - 1)) == 0;
#else
    return memcmp(a, b, length) == 0;
#endif
}

/* The first byte that may not stand in a text as it is: a quote, a backslash, a control
 * character. */
static inline const char *text_end(const char *at, const char *end) {
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), escape = _mm_set1_epi8('\\'),
                  control = _mm_set1_epi8(0x1f);
    for (; at < end; at += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
        __m128i hit =
            _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, escape)),
                         _mm_cmpeq_epi8(_mm_min_epu8(bytes, control), bytes));
        uint32_t mask = (uint32_t)_mm_movemask_epi8(hit);
        if (mask != 0) return at + __builtin_ctz(mask);
    }
    return at;
#else
    while (at < end && *at != '"' && *at != '\\' && (unsigned char)*at > 0x1f) at++;
    return at;
#endif
}

static const char *read_text(const char *at, const char *end, struct cell *cell) {
    const char *close = text_end(at + 1, end);
    if (close >= end || *close != '"') return NULL;
    cell->kind = CELL_TEXT;
    cell->text.at = at + 1;
    cell->text.length = (uint32_t)(close - at - 1);
    return close + 1;
}

/* [-]digits[.digits] of at most 15 digits, as JSON writes them: no zero before other digits. "-0"
 * is left to the parser. */
static const char *read_number(const char *at, const char *end, struct cell *cell) {
    struct cell_decimal decimal = {.negative = *at == '-'};
    const char *start = at, *first = at + decimal.negative, *point = NULL;
    for (at = first; at < end; at++) {
        uint32_t digit = (uint32_t)(unsigned char)*at - '0';
        if (digit <= 9) {
            decimal.digits = decimal.digits * 10 + digit;
            if (at - first > CELL_DIGITS_MAX) return NULL;
        } else if (*at == '.' && point == NULL && at > first) {
            point = at;
        } else {
            break;
        }
    }
    const char *whole = point != NULL ? point : at;
    uint32_t count = (uint32_t)(at - first) - (point != NULL);
    if (whole == first || point == at - 1 || count > CELL_DIGITS_MAX) return NULL;
    bool is_minus_zero = decimal.negative && point == NULL;
    if (*first == '0' && (whole - first > 1 || is_minus_zero)) return NULL;
    cell->text.at = start;
    cell->text.length = (uint32_t)(at - start);
    if (point == NULL) {
        cell->kind = CELL_INTEGER;
        cell->integer = decimal.negative ? -decimal.digits : decimal.digits;
        return at;
    }
    decimal.fraction = (uint32_t)(at - point - 1);
    cell->kind = CELL_DECIMAL;
    cell->number = cell_decimal_number(&decimal);
    return at;
}

static const char *read_word(const char *at, const char *end, struct cell *cell) {
    static const struct text words[] = {{"true", 4}, {"false", 5}, {"null", 4}};
    uint32_t which = *at == 't' ? 0 : *at == 'f' ? 1 : 2;
    struct text word = words[which];
    if ((size_t)(end - at) < word.length || memcmp(at, word.at, word.length) != 0) return NULL;
    cell->kind = which == 2 ? CELL_TEXT : CELL_YES_NO;
    cell->text.length = 0;
    cell->yes = which == 0;
    return at + word.length;
}

/* NULL: the value is none that a form can read. */
static inline const char *read_value(const char *at, const char *end, struct cell *cell) {
    if (*at == '"') return read_text(at, end, cell);
    if ((*at >= '0' && *at <= '9') || *at == '-') return read_number(at, end, cell);
    return read_word(at, end, cell);
}

static bool read_line(const struct line_form *form, struct text line, struct cell *cells) {
    const char *at = line.at, *end = line.at + line.length;
    struct cell unread;
    for (uint32_t i = 0; i < form->slot_count; i++) {
        const struct line_slot *slot = &form->slots[i];
        if ((size_t)(end - at) <= slot->before_length ||
            !same(at, form->text.at + slot->before, slot->before_length))
            return false;
        const uint32_t *columns = &form->columns[slot->column];
        struct cell *cell = slot->column_count > 0 ? &cells[columns[0]] : &unread;
        at = read_value(at + slot->before_length, end, cell);
        if (at == NULL) return false;
        for (uint32_t k = 1; k < slot->column_count; k++) cells[columns[k]] = *cell;
    }
    return (size_t)(end - at) == form->end_length &&
           same(at, form->text.at + form->end, form->end_length);
}

bool line_forms_read(struct line_forms *forms, struct text line, struct cell *cells,
                     uint32_t column_count) {
    if (forms->count == 0) return false;
    if (forms->unfit >= UNFIT_MAX && forms->unfit % LOOK_EVERY != 0) return false;
    memset(cells, 0, column_count * sizeof *cells);
    for (uint32_t i = 0; i < forms->count; i++) {
        uint32_t form = (forms->latest + i) % forms->count;
        if (!read_line(&forms->forms[form], line, cells)) continue;
        forms->latest = form;
        forms->unfit = 0;
        return true;
    }
    return false;
}

/* ---- learning ---- */

struct learning {
    const struct plan *plan;
    struct line_form *form;
    const char *start, *at, *end;                 /* of the line */
    const char *before;                           /* where the text before the next value begins */
    const struct plan_path *path[LINE_SLOTS_MAX]; /* of a slot; NULL: nobody reads it */
};

static void skip_blanks(struct learning *learning) {
    while (learning->at < learning->end && memchr(" \t\r\n", *learning->at, 4) != NULL)
        learning->at++;
}

/* Behind a text that the parser took. */
static bool skip_text(struct learning *learning, bool *has_escape) {
    *has_escape = false;
    for (learning->at++; learning->at < learning->end; learning->at++) {
        if (*learning->at == '"') {
            learning->at++;
            return true;
        }
        *has_escape |= *learning->at == '\\';
        learning->at += *learning->at == '\\';
    }
    return false;
}

static bool skip_scalar(struct learning *learning) {
    bool has_escape;
    if (*learning->at == '"') return skip_text(learning, &has_escape);
    while (learning->at < learning->end && memchr(",}] \t\r\n", *learning->at, 7) == NULL)
        learning->at++;
    return learning->at < learning->end;
}

static bool add_slot(struct learning *learning, const struct plan_path *path) {
    struct line_form *form = learning->form;
    if (form->slot_count == LINE_SLOTS_MAX) return false;
    form->slots[form->slot_count] =
        (struct line_slot){.before = (uint32_t)(learning->before - learning->start),
                           .before_length = (uint32_t)(learning->at - learning->before)};
    learning->path[form->slot_count++] = path;
    if (!skip_scalar(learning)) return false;
    learning->before = learning->at;
    return true;
}

static bool is_for_segment_alone(const struct plan *plan, const struct plan_path *path) {
    for (const struct plan_place *place = path->places; place; place = place->next)
        if (place->column < plan->segment) return false;
    return plan->is_segment && path->places != NULL;
}

static bool learn_object(struct learning *learning, const struct plan_path *path, uint32_t depth);

/* An open object keeps what the plan does not name, which a form can't do. */
static bool learn_member(struct learning *learning, const struct plan_path *path, struct text name,
                         uint32_t depth) {
    const struct plan *plan = learning->plan;
    bool is_open = path != NULL && path->is_properties && plan->source->properties_open;
    const struct plan_path *child = path != NULL ? path->child : NULL;
    while (child != NULL && !text_equal(child->name, name)) child = child->next;
    if (is_open && (child == NULL || is_for_segment_alone(plan, child))) return false;
    if (*learning->at == '[') return false;
    if (*learning->at != '{') return add_slot(learning, child);
    if (child != NULL && child->places != NULL) return false;
    return learn_object(learning, child, depth + 1);
}

/* False: this object can have no form. */
static bool learn_object(struct learning *learning, const struct plan_path *path, uint32_t depth) {
    struct text names[KEYS_MAX];
    uint32_t count = 0;
    bool has_escape;
    if (depth == DEPTH_MAX || learning->at >= learning->end || *learning->at != '{') return false;
    learning->at++;
    for (skip_blanks(learning); learning->at < learning->end; skip_blanks(learning)) {
        if (*learning->at == '}') {
            learning->at++;
            return true;
        }
        learning->at += *learning->at == ',';
        skip_blanks(learning);
        const char *name = learning->at + 1;
        if (count == KEYS_MAX || learning->at >= learning->end || *learning->at != '"')
            return false;
        if (!skip_text(learning, &has_escape) || has_escape) return false;
        names[count] = (struct text){name, (uint32_t)(learning->at - name - 1)};
        for (uint32_t i = 0; i < count; i++)
            if (text_equal(names[i], names[count])) return false;
        skip_blanks(learning);
        learning->at++; /* the colon */
        skip_blanks(learning);
        if (learning->at >= learning->end) return false;
        if (!learn_member(learning, path, names[count++], depth)) return false;
    }
    return false;
}

/* Which slot fills each column, as put_cell of the parsed line decides: a column's own place before
 * a weak one, and of two equal ones the first. */
static enum status assign_columns(struct learning *learning) {
    struct line_form *form = learning->form;
    uint32_t columns = learning->plan->column_count, used = 0;
    uint32_t *owner = memory_calloc((size_t)columns + 1, sizeof *owner); /* slot + 1 */
    uint8_t *strength = memory_calloc((size_t)columns + 1, 1);
    enum status status = owner != NULL && strength != NULL ? STATUS_OK : STATUS_NO_MEMORY;
    if (status == STATUS_OK)
        status = memory_grow((void **)&form->columns, &form->column_capacity, (size_t)columns + 1,
                             sizeof *form->columns);
    for (uint32_t s = 0; status == STATUS_OK && s < form->slot_count; s++) {
        const struct plan_path *path = learning->path[s];
        for (const struct plan_place *place = path ? path->places : NULL; place;
             place = place->next) {
            uint8_t strong = place->weak ? 1 : 2;
            if (strength[place->column] >= strong) continue;
            strength[place->column] = strong;
            owner[place->column] = s + 1;
        }
    }
    for (uint32_t s = 0; status == STATUS_OK && s < form->slot_count; s++) {
        form->slots[s].column = used;
        for (uint32_t c = 0; c < columns; c++)
            if (owner[c] == s + 1) form->columns[used++] = c;
        form->slots[s].column_count = used - form->slots[s].column;
    }
    memory_free(owner);
    memory_free(strength);
    return status;
}

static enum status learn(struct learning *learning) {
    struct line_form *form = learning->form;
    static const char zeros[JSON_PADDING];
    struct text line = {learning->start, (uint32_t)(learning->end - learning->start)};
    form->slot_count = 0;
    skip_blanks(learning);
    if (!learn_object(learning, learning->plan->root, 0)) return STATUS_INVALID;
    form->end = (uint32_t)(learning->before - learning->start);
    form->end_length = (uint32_t)(learning->end - learning->before);
    buffer_clear(&form->text);
    enum status status = buffer_append_text(&form->text, line);
    if (status == STATUS_OK) status = buffer_append(&form->text, zeros, sizeof zeros);
    return status == STATUS_OK ? assign_columns(learning) : status;
}

enum status line_forms_learn(struct line_forms *forms, const struct plan *plan, struct text line) {
    uint32_t unfit = forms->unfit++;
    if (unfit >= LINE_FORMS && unfit % LEARN_EVERY != 0) return STATUS_OK;
    struct learning learning = {.plan = plan,
                                .form = &forms->spare,
                                .start = line.at,
                                .at = line.at,
                                .end = line.at + line.length,
                                .before = line.at};
    enum status status = learn(&learning);
    if (status != STATUS_OK) return status == STATUS_INVALID ? STATUS_OK : status;
    uint32_t place = forms->learnt++ % LINE_FORMS;
    struct line_form before = forms->forms[place];
    forms->forms[place] = forms->spare;
    forms->spare = before;
    forms->latest = place;
    forms->count = forms->learnt < LINE_FORMS ? forms->learnt : LINE_FORMS;
    return STATUS_OK;
}
