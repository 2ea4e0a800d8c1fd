/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/memory.h"
#include "cli/cli.h"
#include "event/packed.h"

#define CELL_BYTES_MAX 4096
#define STATIC_TEXTS   16
#define LIST_SHOWN     4
#define RECORDS_SHOWN  2
#define FIELDS_SHOWN   3
#define CLI_WIDTH_MIN  40
#define CLI_WIDTH_MAX  100

void cli_tame(char *at, size_t length, bool keep_lines) {
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)at[i], before = i > 0 ? (unsigned char)at[i - 1] : 0;
        bool is_long = before == 0xC2 && c >= 0x80 && c < 0xA0;
        if (is_long) at[i - 1] = ' ';
        if (is_long || (c < ' ' && !(keep_lines && (c == '\n' || c == '\t'))) || c == 127)
            at[i] = ' ';
    }
}

void cli_say_list(FILE *file, const char *format, va_list arguments) {
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    char *text = length < 0 ? NULL : memory_alloc((size_t)length + 1);
    if (text == NULL) return;
    vsnprintf(text, (size_t)length + 1, format, arguments);
    cli_tame(text, (size_t)length, true);
    fwrite(text, 1, (size_t)length, file);
    memory_free(text);
}

void cli_say(FILE *file, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    cli_say_list(file, format, arguments);
    va_end(arguments);
}

uint32_t cli_width(void) {
    struct winsize size;
    if (!isatty(fileno(stdout)) || ioctl(fileno(stdout), TIOCGWINSZ, &size) != 0 ||
        size.ws_col == 0 || size.ws_col > CLI_WIDTH_MAX)
        return CLI_WIDTH_MAX;
    return size.ws_col < CLI_WIDTH_MIN ? CLI_WIDTH_MIN : size.ws_col;
}

static uint32_t columns_of(const char *at, const char *end) {
    uint32_t columns = 0;
    for (; at < end; at++) columns += ((unsigned char)*at & 0xC0) != 0x80;
    return columns;
}

/* This stands for the blank in "9.20 USD" until it is printed, so that the amount stays on one
 * line. */
#define JOINED_BLANK '\x1f'

/* Blanks that the text begins with stay; a word that is longer than the line is not cut. */
static enum status wrap(struct buffer *out, struct text text, uint32_t indent) {
    const char *end = text.at + text.length, *word = text.at;
    uint32_t width = cli_width(), column = 0;
    enum status status = STATUS_OK;
    while (word < end && status == STATUS_OK) {
        const char *blanks = word;
        while (word < end && *word == ' ') word++;
        const char *word_end = word;
        while (word_end < end && *word_end != ' ') word_end++;
        if (word == word_end) break; /* no blanks at the end of a line */
        bool fits = column + columns_of(blanks, word_end) <= width || column <= indent;
        if (!fits)
            status = buffer_format(out, "\n%*s", (int)indent, "");
        else
            status = buffer_append(out, blanks, (size_t)(word - blanks));
        column = fits ? column + (uint32_t)(word - blanks) : indent;
        if (status == STATUS_OK) status = buffer_append(out, word, (size_t)(word_end - word));
        column += columns_of(word, word_end);
        word = word_end;
    }
    cli_tame(out->at, out->length, true); /* JOINED_BLANK too */
    return status == STATUS_OK ? buffer_append(out, "\n", 1) : status;
}

void cli_wrap(FILE *file, struct text text, uint32_t indent) {
    struct buffer out;
    buffer_init(&out);
    if (wrap(&out, text, indent) == STATUS_OK)
        fwrite(out.at, 1, out.length, file);
    else
        fprintf(file, "%.*s\n", TEXT_ARG(text));
    buffer_release(&out);
}

void cli_wrap_format(uint32_t indent, const char *format, ...) {
    char text[CELL_BYTES_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    cli_wrap(stdout, text_from(text), indent);
}

/* ---- JSON ---- */

struct json_writer *cli_json_begin(struct cli_json *json, bool pretty) {
    buffer_init(&json->out);
    json_writer_init(&json->writer, &json->out, pretty);
    json_write_object_begin(&json->writer);
    return &json->writer;
}

static int end_document(struct cli_json *json, FILE *file) {
    enum status status = json->writer.status;
    if (status == STATUS_OK) status = buffer_append(&json->out, "\n", 1);
    if (status == STATUS_OK) fwrite(json->out.at, 1, json->out.length, file);
    buffer_release(&json->out);
    return status == STATUS_OK ? EXIT_OK : cli_fail_text("out of memory while writing JSON");
}

int cli_json_end(struct cli_json *json, FILE *file) {
    json_write_object_end(&json->writer);
    return end_document(json, file);
}

int cli_json_conclude(const struct cli *cli, struct cli_json *json, int code) {
    if (code == EXIT_OK && cli->json) return cli_json_end(json, stdout);
    buffer_release(&json->out);
    return code;
}

int cli_json_answer(const struct engine_view *view,
                    void (*answer)(const struct engine_view *, struct json_writer *)) {
    struct cli_json json;
    buffer_init(&json.out);
    json_writer_init(&json.writer, &json.out, true);
    answer(view, &json.writer);
    return end_document(&json, stdout);
}

/* ---- words ---- */

static char *static_text(void) {
    static char texts[STATIC_TEXTS][48];
    static unsigned next;
    return texts[next++ % STATIC_TEXTS];
}

static void count_words(uint64_t count, char out[32]) {
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%llu", (unsigned long long)count);
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) *out++ = ',';
        *out++ = digits[i];
    }
    *out = '\0';
}

const char *cli_count(uint64_t count) {
    char *out = static_text();
    count_words(count, out);
    return out;
}

const char *cli_counted(uint64_t count, const char *singular) {
    char digits[32], *out = static_text();
    int length = (int)strlen(singular);
    count_words(count, digits);
    if (count == 1)
        snprintf(out, 48, "1 %s", singular);
    else if (length > 1 && singular[length - 1] == 'y' &&
             strchr("aeiou", singular[length - 2]) == NULL)
        snprintf(out, 48, "%s %.*sies", digits, length - 1, singular);
    else
        snprintf(out, 48, "%s %ss", digits, singular);
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
    if (isnan(share))
        snprintf(out, 48, "unknown");
    else
        snprintf(out, 48, "%.*f %%", digits, 100 * share);
    return out;
}

const char *cli_when(const struct playbook *playbook, int64_t time_ms) {
    char text[32], *out = static_text();
    size_t length = time_format_local(time_ms, playbook != NULL ? playbook->zone : NULL, text);
    bool midnight =
        length == sizeof "2017-10-01 00:00" - 1 && strcmp(text + length - 6, " 00:00") == 0;
    snprintf(out, 48, "%.*s", (int)(midnight ? length - 6 : length), text);
    return out;
}

/* ---- values ---- */

/* Writes whole numbers in full, others with four significant digits. */
static enum status number_words(struct buffer *out, double number) {
    if (number == floor(number) && fabs(number) < 1e15) return buffer_format(out, "%.0f", number);
    return buffer_format(out, fabs(number) >= 1000 && fabs(number) < 1e15 ? "%.1f" : "%.4g",
                         number);
}

static enum status record_words(struct buffer *out, struct engine *engine,
                                struct item_walk *items) {
    uint32_t told = 0;
    struct text name;
    struct value value;
    enum status status = buffer_append(out, "{", 1);
    while (status == STATUS_OK && item_walk_field(items, &name, &value)) {
        if (told == FIELDS_SHOWN) return buffer_append_text(out, TEXT(", …}"));
        status = buffer_format(out, "%s%.*s=", told++ > 0 ? ", " : "", TEXT_ARG(name));
        if (status == STATUS_OK) status = cli_value(out, engine, value);
    }
    return status == STATUS_OK ? buffer_append(out, "}", 1) : status;
}

enum status cli_list(struct buffer *out, struct engine *engine, struct value list,
                     struct value array) {
    struct item_walk items;
    struct value item;
    bool is_record;
    item_walk_begin(&items, engine_symbols(engine), list, array);
    uint32_t count = item_walk_left(&items), told = 0;
    enum status status = buffer_append(out, "[", 1);
    while (status == STATUS_OK && told < LIST_SHOWN && item_walk_next(&items, &is_record, &item)) {
        if (is_record && told == RECORDS_SHOWN) break;
        if (told++ > 0) status = buffer_append_text(out, TEXT(", "));
        if (status == STATUS_OK)
            status = is_record ? record_words(out, engine, &items) : cli_value(out, engine, item);
    }
    if (status == STATUS_OK && count > told) status = buffer_format(out, ", … %u in all", count);
    return status == STATUS_OK ? buffer_append(out, "]", 1) : status;
}

static enum status money_words(struct buffer *out, struct value value) {
    size_t before = out->length;
    enum status status = value_print(value, out);
    for (size_t i = before; i < out->length; i++) {
        if (out->at[i] == ' ') out->at[i] = JOINED_BLANK;
    }
    return status;
}

enum status cli_value(struct buffer *out, struct engine *engine, struct value value) {
    char text[32];
    switch (value.type) {
    case VALUE_NUMBER: return number_words(out, value.number);
    case VALUE_DURATION:
        return buffer_append(out, text, duration_format_short(value.duration_ms, text));
    case VALUE_TIME:
        return buffer_append(out, text,
                             time_format_local(value.time_ms, engine_playbook(engine)->zone, text));
    case VALUE_LIST: return cli_list(out, engine, value, value_unknown());
    case VALUE_MONEY: return money_words(out, value);
    default: return value_print(value, out);
    }
}

static bool progress_shown;

void cli_progress(const char *format, ...) {
    if (!isatty(fileno(stderr))) return;
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

void cli_csv(FILE *file, struct text text) {
    bool quote = false;
    for (uint32_t i = 0; i < text.length; i++)
        quote |= strchr(",\"\r\n", text.at[i]) != NULL && text.at[i] != '\0';
    if (!quote) {
        if (text.length > 0) fwrite(text.at, 1, text.length, file); /* an empty one may be NULL */
        return;
    }
    fputc('"', file);
    for (uint32_t i = 0; i < text.length; i++) {
        if (text.at[i] == '"') fputc('"', file);
        fputc(text.at[i], file);
    }
    fputc('"', file);
}
