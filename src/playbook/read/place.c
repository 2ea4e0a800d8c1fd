/* SPDX-License-Identifier: Apache-2.0 */
/* Finds where a byte of a scalar stands in the file. The tree holds the scalar's text, and an
 * editor needs the place. The walk goes over both side by side, byte by byte. Where they differ,
 * the file has a doubled quote, an escape, or a line break that YAML has folded. Other differences
 * have no place of their own. */
#include "playbook/read/reader.h"

struct walk {
    struct text raw; /* the file */
    size_t at;       /* in it */
    enum { PLAIN, SINGLE, DOUBLE, BLOCK } style;
    uint32_t indent; /* BLOCK: of its lines */
};

static char byte_at(const struct walk *walk, size_t at) {
    return at < walk->raw.length ? walk->raw.at[at] : 0;
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void skip_indent(struct walk *walk) {
    for (uint32_t i = 0; i < walk->indent && byte_at(walk, walk->at) == ' '; i++) walk->at++;
}

static void begin_block(struct walk *walk) {
    while (byte_at(walk, walk->at) != 0 && byte_at(walk, walk->at) != '\n') walk->at++;
    while (byte_at(walk, walk->at) == '\n') walk->at++;
    size_t first = walk->at;
    while (byte_at(walk, walk->at) == ' ') walk->at++;
    walk->indent = (uint32_t)(walk->at - first);
}

static void begin(struct walk *walk, bool quoted) {
    char c = byte_at(walk, walk->at);
    walk->style = PLAIN;
    if (!quoted) return;
    if (c == '|' || c == '>') {
        walk->style = BLOCK;
        begin_block(walk);
        return;
    }
    walk->style = c == '"' ? DOUBLE : SINGLE;
    walk->at++;
}

/* Skips blanks at the end of a line, the line break and the next line's indentation, which YAML
 * folds into one space. */
static bool skip_fold(struct walk *walk, char wanted) {
    size_t end = walk->at;
    bool broken = false;
    for (; is_blank(byte_at(walk, end)); end++) broken = broken || byte_at(walk, end) == '\n';
    if (!broken || (wanted != ' ' && wanted != '\n')) return false;
    walk->at = end;
    return true;
}

/* Moves over the bytes of the file that stand for one byte of the scalar's text. */
static bool step(struct walk *walk, char wanted) {
    char c = byte_at(walk, walk->at), next = byte_at(walk, walk->at + 1);
    if (walk->style == SINGLE && c == '\'' && next == '\'') {
        walk->at += 2;
        return wanted == '\'';
    }
    if (walk->style == DOUBLE && c == '\\') {
        walk->at += 2;
        return next == wanted || (next == 'n' && wanted == '\n') || (next == 't' && wanted == '\t');
    }
    if (walk->style == BLOCK && c == '\n') {
        walk->at++;
        skip_indent(walk);
        return wanted == '\n' || wanted == ' ';
    }
    if (walk->style != BLOCK && is_blank(c) && skip_fold(walk, wanted)) return true;
    walk->at++;
    return c == wanted && c != 0;
}

static uint32_t column_of(const struct walk *walk, size_t line_start) {
    uint32_t column = 1;
    for (size_t i = line_start; i < walk->at; i++) {
        if (((unsigned char)walk->raw.at[i] & 0xC0) != 0x80) column++;
    }
    return column;
}

static struct place place_of(const struct reader *reader, const struct walk *walk, uint32_t line) {
    while (line < reader->line_count && reader->line_starts[line] <= walk->at) line++;
    return (struct place){line, column_of(walk, reader->line_starts[line - 1])};
}

struct place scalar_place(const struct reader *reader, const struct yaml_node *node,
                          uint32_t offset) {
    struct place start = node_place(node);
    if (node->line == 0 || node->line > reader->line_count) return start;
    struct walk walk = {.raw = reader->playbook->bytes, .at = reader->line_starts[node->line - 1]};
    for (uint32_t column = 1; column < node->column && walk.at < walk.raw.length;) {
        walk.at++;
        if (((unsigned char)byte_at(&walk, walk.at) & 0xC0) != 0x80) column++;
    }
    begin(&walk, node->quoted);
    if (offset > node->text.length) offset = node->text.length;
    for (uint32_t i = 0; i < offset; i++) {
        if (!step(&walk, node->text.at[i])) return start;
    }
    return place_of(reader, &walk, node->line);
}
