/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of the terminal. All cells are gathered before the first is printed, because the widths
 * depend on all of them. */
#include <stdlib.h>

#include "cli/cli.h"

#define CELL_BYTES_MAX 4096
#define COLUMN_GAP     2u
#define WORDS_COLUMN_MIN                                                                           \
    8u /* a column of words is not made narrower than this or than
                               * the longest word of its heading */

/* Columns of a terminal: continuation bytes of UTF-8 take none. */
static uint32_t width_of(const char *at, const char *end) {
    uint32_t width = 0;
    for (; at < end; at++) width += ((unsigned char)*at & 0xC0) != 0x80;
    return width;
}

static uint32_t text_width(const char *text) {
    return width_of(text, text + strlen(text));
}

/* The widest word, that is what stands between blanks. */
static uint32_t word_width(const char *text) {
    uint32_t widest = 0;
    while (*text != '\0') {
        size_t length = strcspn(text, " ");
        uint32_t width = width_of(text, text + length);
        if (width > widest) widest = width;
        text += length + (text[length] == ' ');
    }
    return widest;
}

void cli_table_init(struct cli_table *table, const char *headings) {
    static char names[CLI_COLUMNS_MAX][64];
    *table = (struct cli_table){0};
    buffer_init(&table->cells);
    for (const char *at = headings; table->columns < CLI_COLUMNS_MAX;) {
        size_t length = strcspn(at, "|");
        table->right[table->columns] = *at == '>';
        size_t skip = *at == '>' ? 1 : 0;
        snprintf(names[table->columns], sizeof names[0], "%.*s", (int)(length - skip), at + skip);
        table->headings[table->columns] = names[table->columns];
        table->columns++;
        if (at[length] == '\0') break;
        at += length + 1;
    }
}

void cli_table_cell(struct cli_table *table, const char *format, ...) {
    char text[CELL_BYTES_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    cli_tame(text, strlen(text), false);
    if (buffer_append(&table->cells, text, strlen(text) + 1) == STATUS_OK) table->cell_count++;
}

/* ---- widths ---- */

static void natural_widths(const struct cli_table *table, uint32_t *widths) {
    for (uint32_t c = 0; c < table->columns; c++) widths[c] = text_width(table->headings[c]);
    const char *cell = table->cells.at;
    for (size_t i = 0; i < table->cell_count; i++, cell += strlen(cell) + 1) {
        uint32_t width = text_width(cell);
        if (width > widths[i % table->columns]) widths[i % table->columns] = width;
    }
}

/* A heading may take several lines, a number may not. */
static void narrow_headings(const struct cli_table *table, uint32_t *widths) {
    for (uint32_t c = 0; c < table->columns; c++) widths[c] = word_width(table->headings[c]);
    const char *cell = table->cells.at;
    for (size_t i = 0; i < table->cell_count; i++, cell += strlen(cell) + 1) {
        uint32_t c = (uint32_t)(i % table->columns), width = text_width(cell);
        if (width > widths[c]) widths[c] = width;
    }
}

static uint32_t total_width(const struct cli_table *table, const uint32_t *widths) {
    uint32_t total = 0;
    for (uint32_t c = 0; c < table->columns; c++) total += widths[c] + (c > 0 ? COLUMN_GAP : 0);
    return total;
}

static void fit(const struct cli_table *table, uint32_t *widths) {
    natural_widths(table, widths);
    if (total_width(table, widths) <= cli_width()) return;
    narrow_headings(table, widths);
    uint32_t least[CLI_COLUMNS_MAX];
    for (uint32_t c = 0; c < table->columns; c++) {
        least[c] = word_width(table->headings[c]);
        if (least[c] < WORDS_COLUMN_MIN) least[c] = WORDS_COLUMN_MIN;
    }
    while (total_width(table, widths) > cli_width()) {
        uint32_t widest = UINT32_MAX;
        for (uint32_t c = 0; c < table->columns; c++)
            if (!table->right[c] && widths[c] > least[c] &&
                (widest == UINT32_MAX || widths[c] > widths[widest]))
                widest = c;
        if (widest == UINT32_MAX) return; /* the terminal breaks the lines */
        widths[widest]--;
    }
}

/* ---- lines ---- */

/* The end of the piece of `at` that one line of this width takes: broken at a blank, else behind a
 * mark such as '_' or '/', else anywhere between two characters. */
static const char *line_end(const char *at, uint32_t width) {
    const char *blank = NULL, *mark = NULL, *end = at;
    uint32_t used = 0, leading = 0; /* leading: the blanks that it begins with */
    for (; *end != '\0'; end++) {
        bool begins = ((unsigned char)*end & 0xC0) != 0x80;
        if (begins && used == width) {
            if (*end == ' ' && end[1] != '%') blank = end;
            break;
        }
        if (*end == ' ' && used > leading && end[1] != '%') blank = end;
        leading += *end == ' ' && used == leading;
        used += begins;
        if (strchr("_/-@.,", *end) != NULL) mark = end + 1;
    }
    if (*end == '\0') return end;
    if (blank != NULL && blank > at) return blank;
    return mark != NULL ? mark : end;
}

/* Prints what the next line takes of each cell, and moves the cells on. */
static void print_line(const struct cli_table *table, const char **cells, const uint32_t *widths) {
    uint32_t owed = 0; /* blanks that are printed only where something follows them */
    for (uint32_t c = 0; c < table->columns; c++) {
        const char *at = cells[c], *end = line_end(at, widths[c]);
        uint32_t width = width_of(at, end), padding = widths[c] > width ? widths[c] - width : 0;
        if (end > at) {
            printf("%*s%.*s", (int)(owed + (table->right[c] ? padding : 0)), "", (int)(end - at),
                   at);
            owed = table->right[c] ? 0 : padding;
        } else {
            owed += widths[c];
        }
        owed += COLUMN_GAP;
        cells[c] = end;
        while (*cells[c] == ' ') cells[c]++;
    }
    putchar('\n');
}

static void print_row(const struct cli_table *table, const char *const *row,
                      const uint32_t *widths) {
    const char *cells[CLI_COLUMNS_MAX];
    bool more = true;
    /* The blanks that indent the first column stay on further lines, too. */
    uint32_t indent = (uint32_t)strspn(table->headings[0], " ");
    memcpy(cells, row, table->columns * sizeof *cells);
    for (bool first = true; more; first = false) {
        uint32_t at_first = widths[0];
        if (!first && indent > 0) printf("%*s", (int)indent, "");
        if (!first && at_first > indent) at_first -= indent;
        uint32_t with[CLI_COLUMNS_MAX];
        memcpy(with, widths, table->columns * sizeof *with);
        with[0] = at_first;
        print_line(table, cells, with);
        more = false;
        for (uint32_t c = 0; c < table->columns; c++) more |= *cells[c] != '\0';
    }
}

void cli_table_print(struct cli_table *table) {
    const char *cells[CLI_COLUMNS_MAX];
    uint32_t widths[CLI_COLUMNS_MAX];
    fit(table, widths);
    print_row(table, table->headings, widths);
    const char *cell = table->cells.at;
    for (size_t i = 0; i < table->cell_count; i++, cell += strlen(cell) + 1) {
        cells[i % table->columns] = cell;
        if ((i + 1) % table->columns == 0) print_row(table, cells, widths);
    }
    buffer_release(&table->cells);
}
