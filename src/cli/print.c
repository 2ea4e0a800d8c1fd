/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <unistd.h>

#include "cli/cli.h"

#define CELL_BYTES_MAX 4096
#define STATIC_TEXTS 16

/* Columns of a terminal: continuation bytes of UTF-8 take none. */
static size_t width_of(const char *text) {
    size_t width = 0;
    for (; *text != '\0'; text++) width += ((unsigned char)*text & 0xC0) != 0x80;
    return width;
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
    for (char *at = text; *at != '\0'; at++) {
        if ((unsigned char)*at < ' ' || *at == 127) *at = ' '; /* what came from outside does not steer the terminal */
    }
    if (buffer_append(&table->cells, text, strlen(text) + 1) == STATUS_OK) table->cell_count++;
}

static void print_cell(const struct cli_table *table, uint32_t column, const char *text, size_t width) {
    int padding = (int)(width - width_of(text));
    bool last = column + 1 == table->columns;
    if (table->right[column]) printf("%*s%s", padding, "", text);
    else printf("%s%*s", text, last ? 0 : padding, "");
    fputs(last ? "\n" : "  ", stdout);
}

void cli_table_print(struct cli_table *table) {
    size_t widths[CLI_COLUMNS_MAX];
    for (uint32_t c = 0; c < table->columns; c++) widths[c] = width_of(table->headings[c]);
    const char *cell = table->cells.at;
    for (size_t i = 0; i < table->cell_count; i++, cell += strlen(cell) + 1) {
        size_t width = width_of(cell);
        if (width > widths[i % table->columns]) widths[i % table->columns] = width;
    }
    for (uint32_t c = 0; c < table->columns; c++) print_cell(table, c, table->headings[c], widths[c]);
    cell = table->cells.at;
    for (size_t i = 0; i < table->cell_count; i++, cell += strlen(cell) + 1) {
        print_cell(table, (uint32_t)(i % table->columns), cell, widths[i % table->columns]);
    }
    buffer_release(&table->cells);
}

void cli_print_json(struct json_writer *writer, struct buffer *out) {
    if (writer->status == STATUS_OK) printf("%.*s\n", (int)out->length, out->at);
    else cli_fail_text("out of memory while writing JSON");
}

void print_answer(const struct answering *answering, void (*answer)(const struct answering *, struct json_writer *)) {
    struct buffer out;
    struct json_writer writer;
    buffer_init(&out);
    json_writer_init(&writer, &out, true);
    answer(answering, &writer);
    cli_print_json(&writer, &out);
    buffer_release(&out);
}

static char *static_text(void) {
    static char texts[STATIC_TEXTS][48];
    static unsigned next;
    return texts[next++ % STATIC_TEXTS];
}

const char *cli_count(uint64_t count) {
    char digits[24], *out = static_text();
    int length = snprintf(digits, sizeof digits, "%llu", (unsigned long long)count);
    char *to = out;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) *to++ = ',';
        *to++ = digits[i];
    }
    *to = '\0';
    return out;
}

const char *cli_bytes(uint64_t bytes) {
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    char *out = static_text();
    double amount = (double)bytes;
    size_t unit = 0;
    for (; amount >= 1000 && unit < 4; unit++) amount /= 1000;
    snprintf(out, 48, unit == 0 || amount >= 100 ? "%.0f %s" : "%.1f %s", amount, units[unit]);
    return out;
}

const char *cli_percent(double share, int digits) {
    char *out = static_text();
    if (isnan(share)) snprintf(out, 48, "unknown");
    else snprintf(out, 48, "%.*f %%", digits, 100 * share);
    return out;
}

const char *cli_day(int64_t time_ms) {
    char text[32], *out = static_text();
    time_format(time_ms, text);
    snprintf(out, 48, "%.10s", text);
    return out;
}

static bool progress_shown;

void cli_progress(const char *format, ...) {
    if (!isatty(STDERR_FILENO)) return;
    va_list arguments;
    fputs("\r\033[K", stderr);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fflush(stderr);
    progress_shown = true;
}

void cli_progress_end(void) {
    if (progress_shown) fputs("\r\033[K", stderr);
    progress_shown = false;
}

FILE *cli_create(const char *path) {
    int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FILE *file = descriptor < 0 ? NULL : fdopen(descriptor, "w");
    if (file == NULL && descriptor >= 0) close(descriptor);
    return file;
}

void cli_csv(FILE *file, struct text text) {
    bool quote = false;
    for (uint32_t i = 0; i < text.length; i++) quote |= strchr(",\"\r\n", text.at[i]) != NULL && text.at[i] != '\0';
    if (!quote) {
        fwrite(text.at, 1, text.length, file);
        return;
    }
    fputc('"', file);
    for (uint32_t i = 0; i < text.length; i++) {
        if (text.at[i] == '"') fputc('"', file);
        fputc(text.at[i], file);
    }
    fputc('"', file);
}
