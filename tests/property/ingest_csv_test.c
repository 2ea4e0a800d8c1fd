/* SPDX-License-Identifier: Apache-2.0 */
/* Random tables written by a naive CSV writer, in every style there is, and read back: each cell
 * must be what was written, in order, whatever the delimiter, quoting, line ends, batch size and
 * number of threads. Usage: ingest_csv_test [SEED [ROUNDS]] */
#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "support/ingest_trial.h"

#define COLUMNS        4
#define CELL_BYTES_MAX 3000

static const char playbook[] = "customer: { identifiers: { loyalty: { per_customer: 3 } } }\n"
                               "sources:\n"
                               "  table:\n"
                               "    file: t.csv\n"
                               "    event: Noted\n"
                               "    time: always\n"
                               "    quote: '\"'\n"
                               "    key: { loyalty: who }\n"
                               "    properties: { a: a, b: b, c: c, d: d }\n"
                               "  groups:\n"
                               "    file: t.csv\n"
                               "    event: Noted\n"
                               "    time: always\n"
                               "    quote: '\"'\n"
                               "    one_event_per: who\n"
                               "    key: { loyalty: who }\n"
                               "    properties: { lines: count(), list: [a, b, c, d] }\n";

struct style {
    char delimiter;
    bool crlf, quotes_all, mark, blank_lines, last_line_open;
    uint32_t cell_bytes, rows, people;
};

struct table {
    struct random random;
    struct style style;
    struct buffer file;
    struct buffer cells; /* all texts */
    struct text *cell;   /* rows × COLUMNS, by offset until finished */
    uint32_t *who;
};

static void must(bool good, const char *what, uint64_t seed) {
    if (good) return;
    fprintf(stderr, "seed %llu: %s\n", (unsigned long long)seed, what);
    exit(1);
}

static uint32_t below(struct table *table, uint32_t bound) {
    return (uint32_t)random_below(&table->random, bound);
}

static void choose_style(struct table *table) {
    static const char delimiters[] = {',', ';', '\t', '|'};
    table->style =
        (struct style){.delimiter = delimiters[below(table, 4)],
                       .crlf = below(table, 2),
                       .quotes_all = below(table, 3) == 0,
                       .mark = below(table, 4) == 0,
                       .blank_lines = below(table, 4) == 0,
                       .last_line_open = below(table, 2),
                       .cell_bytes = below(table, 4) ? 1 + below(table, 40) : CELL_BYTES_MAX};
    table->style.rows = 1 + below(table, table->style.cell_bytes > 1000 ? 2000 : 12000);
    table->style.people = 1 + below(table, 3000);
}

static struct text random_cell(struct table *table) {
    static const char *const pieces[] = {"a", "bc", " ",  "\"", "\n",          "\r\n",
                                         ",", ";",  "\t", "|",  "ä",           "€",
                                         "😀", "0",  "'",  "\\", "xyzxyzxyzxyz"};
    uint32_t length = below(table, 5) == 0 ? 0 : below(table, table->style.cell_bytes);
    size_t start = table->cells.length;
    while (table->cells.length - start < length) {
        struct text piece =
            text_from(pieces[below(table, below(table, 3) ? 2 : sizeof pieces / sizeof *pieces)]);
        must(buffer_append_text(&table->cells, piece) == STATUS_OK, "no memory", 0);
    }
    return (struct text){(const char *)start, (uint32_t)(table->cells.length - start)};
}

static void append(struct table *table, const char *bytes, size_t length) {
    must(buffer_append(&table->file, bytes, length) == STATUS_OK, "no memory", 0);
}

/* Quoted where it must be, and sometimes where it need not. */
static void write_cell(struct table *table, struct text cell) {
    bool needed = false;
    for (uint32_t i = 0; i < cell.length; i++) {
        char c = cell.at[i];
        needed = needed || c == '"' || c == '\n' || c == '\r' || c == table->style.delimiter;
    }
    if (!needed && !table->style.quotes_all && below(table, 4)) {
        append(table, cell.at, cell.length);
        return;
    }
    append(table, "\"", 1);
    for (uint32_t i = 0; i < cell.length; i++)
        append(table, cell.at[i] == '"' ? "\"\"" : &cell.at[i], cell.at[i] == '"' ? 2 : 1);
    append(table, "\"", 1);
}

static void end_line(struct table *table, bool last) {
    if (last && table->style.last_line_open) return;
    append(table, table->style.crlf ? "\r\n" : "\n", table->style.crlf ? 2 : 1);
    if (table->style.blank_lines && below(table, 9) == 0) append(table, "\r\n", 2);
}

static void write_table(struct table *table) {
    static const char *const names[] = {"who", "a", "b", "c", "d"};
    const struct style *style = &table->style;
    if (style->mark) append(table, "\xEF\xBB\xBF", 3);
    for (int i = 0; i <= COLUMNS; i++) {
        if (i > 0) append(table, &style->delimiter, 1);
        append(table, names[i], strlen(names[i]));
    }
    end_line(table, false);
    table->cell = calloc((size_t)style->rows * COLUMNS, sizeof *table->cell);
    table->who = calloc(style->rows, sizeof *table->who);
    must(table->cell && table->who, "no memory", 0);
    for (size_t i = 0; i < (size_t)style->rows * COLUMNS; i++) table->cell[i] = random_cell(table);
    must(buffer_reserve(&table->cells, 1) == STATUS_OK, "no memory", 0);
    for (uint32_t row = 0; row < style->rows; row++) {
        char who[16];
        table->who[row] = below(table, style->people);
        snprintf(who, sizeof who, "p%u", table->who[row]);
        write_cell(table, text_from(who));
        for (uint32_t column = 0; column < COLUMNS; column++) {
            struct text *cell = &table->cell[row * COLUMNS + column];
            cell->at = table->cells.at + (size_t)cell->at;
            append(table, &style->delimiter, 1);
            write_cell(table, *cell);
        }
        end_line(table, row + 1 == style->rows);
    }
}

static bool same(struct value value, struct text cell) {
    if (cell.length == 0) return !value_is_known(value);
    return value.type == VALUE_TEXT && text_equal(value.text, cell);
}

static uint32_t property(const struct trial *trial, const char *name) {
    return symbol_find(trial->symbols, SYMBOL_PROPERTY, text_from(name));
}

static struct ingest_reader *open_table(struct trial *trial, const struct table *table,
                                        const char *source, uint64_t seed) {
    struct ingest_reader *reader = NULL;
    trial->settings.thread_count = (uint32_t)(seed % 4);
    trial->settings.trusts_end = true; /* the last line may have no end */
    trial->settings.batch_events = seed % 3 ? 0 : (uint32_t)(1 + seed % 999);
    enum status status = ingest_open_text(&reader, &trial->settings, trial_source(trial, source),
                                          "t.csv", buffer_text(&table->file), &trial->error);
    must(status == STATUS_OK, trial->error.text, seed);
    return reader;
}

static void check_rows(struct trial *trial, const struct table *table, uint64_t seed) {
    const uint32_t symbols[COLUMNS] = {property(trial, "a"), property(trial, "b"),
                                       property(trial, "c"), property(trial, "d")};
    struct ingest_reader *reader = open_table(trial, table, "table", seed);
    struct event_batch batch;
    uint32_t row = 0;
    event_batch_init(&batch);
    while (ingest_next(reader, &batch, &trial->error) == STATUS_OK) {
        if (batch.row_count > 0) trial_print(trial, &batch);
        must(batch.row_count == 0, trial->out.at ? trial->out.at : "a bad row", seed);
        for (size_t i = 0; i < batch.event_count; i++, row++) {
            const struct event *event = &batch.events[i];
            must(row < table->style.rows, "more rows than were written", seed);
            for (uint32_t k = 0; k < COLUMNS; k++) {
                struct value value = packed_find(
                    event_batch_text(&batch, event->properties, event->properties_length),
                    symbols[k]);
                must(same(value, table->cell[row * COLUMNS + k]), "a cell differs", seed);
            }
        }
    }
    must(row == table->style.rows, "fewer rows than were written", seed);
    ingest_close(reader);
    event_batch_release(&batch);
}

/* One event a person, by first appearance, with that person's rows in order. */
static void check_groups(struct trial *trial, const struct table *table, uint64_t seed) {
    const uint32_t symbols[COLUMNS] = {property(trial, "a"), property(trial, "b"),
                                       property(trial, "c"), property(trial, "d")};
    bool *seen = calloc(table->style.people, sizeof *seen);
    struct ingest_reader *reader = open_table(trial, table, "groups", seed);
    struct event_batch batch;
    uint32_t first = 0;
    must(seen != NULL, "no memory", seed);
    event_batch_init(&batch);
    while (ingest_next(reader, &batch, &trial->error) == STATUS_OK) {
        for (size_t i = 0; i < batch.event_count; i++) {
            const struct event *event = &batch.events[i];
            struct list_reader list;
            struct value item;
            while (first < table->style.rows && seen[table->who[first]]) first++;
            must(first < table->style.rows, "more groups than people", seed);
            uint32_t who = table->who[first];
            seen[who] = true;
            struct value all =
                packed_find(event_batch_text(&batch, event->properties, event->properties_length),
                            property(trial, "list"));
            must(list_reader_init(&list, all) == STATUS_OK, "no list", seed);
            for (uint32_t row = first; row < table->style.rows; row++) {
                if (table->who[row] != who) continue;
                must(list_next(&list, &item) == STATUS_OK, "a row is missing in its group", seed);
                for (uint32_t k = 0; k < COLUMNS; k++)
                    must(same(list_field(&list, symbols[k]), table->cell[row * COLUMNS + k]),
                         "a cell of a list differs", seed);
            }
            must(list_next(&list, &item) == STATUS_END, "a row too many in a group", seed);
        }
        for (size_t i = 0; i < batch.row_count; i++) { /* larger than an event may be: only that */
            struct text reason =
                event_batch_text(&batch, batch.rows[i].reason, batch.rows[i].reason_length);
            must(text_contains(reason, TEXT("65535 bytes")), "a group was refused", seed);
        }
        if (batch.row_count > 0) break; /* which person's it was, the row alone does not tell */
    }
    free(seen);
    ingest_close(reader);
    event_batch_release(&batch);
}

static void one_round(struct trial *trial, uint64_t seed) {
    struct table table = {0};
    random_init(&table.random, seed);
    buffer_init(&table.file);
    buffer_init(&table.cells);
    choose_style(&table);
    write_table(&table);
    check_rows(trial, &table, seed);
    if (table.style.cell_bytes <= 41) check_groups(trial, &table, seed);
    buffer_release(&table.file);
    buffer_release(&table.cells);
    free(table.cell);
    free(table.who);
}

int main(int argc, char **argv) {
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1,
             rounds = argc > 2 ? strtoull(argv[2], NULL, 10) : 60;
    struct trial trial;
    trial_init(&trial, playbook);
    printf("seed %llu, %llu rounds\n", (unsigned long long)seed, (unsigned long long)rounds);
    for (uint64_t i = 0; i < rounds; i++) one_round(&trial, seed + i);
    trial_release(&trial);
    return 0;
}
