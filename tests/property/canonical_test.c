/* SPDX-License-Identifier: Apache-2.0 */
/* Random texts of letters, marks and blanks of many scripts: the canonical form of a form is
 * itself, and two spellings of one text (padded, decomposed, in capitals) have one form.
 * Usage: canonical_test [SEED [ROUNDS]] */
#include <stdio.h>
#include <stdlib.h>
#include <utf8proc.h>

#include "base/canonical.h"
#include "base/random.h"

#define POINTS_MAX 24

static struct random random_source;
static uint64_t seed = 1;

static uint32_t below(uint32_t bound) {
    return (uint32_t)random_below(&random_source, bound);
}

static void must(bool good, const char *what, struct text text) {
    if (good) return;
    fprintf(stderr, "seed %llu: %s: \"%.*s\" (", (unsigned long long)seed, what, TEXT_ARG(text));
    for (uint32_t i = 0; i < text.length; i++) fprintf(stderr, " %02x", (unsigned char)text.at[i]);
    fprintf(stderr, " )\n");
    exit(1);
}

static int32_t any_point(void) {
    static const struct {
        uint32_t from, count;
    } ranges[] = {{'!', 90},    {0xA0, 0x500}, {0x300, 0x70}, {0x370, 0x90},    {0x1E00, 0x200},
                  {0x1E90, 16}, {0x2000, 112}, {0x1100, 300}, {0xAC00, 2000},   {0x10400, 80},
                  {0xFB00, 7},  {0x900, 128},  {0x130, 2},    {0x1D100, 256},   {0x2100, 80},
                  {0x13A0, 96}, {0xAB70, 80},  {0xF900, 256}, {0x110000 - 2, 2}};
    for (;;) {
        uint32_t range = below((uint32_t)(sizeof ranges / sizeof *ranges));
        int32_t c = (int32_t)(ranges[range].from + below(ranges[range].count));
        if (utf8proc_codepoint_valid(c)) return c;
    }
}

static void put(struct buffer *out, int32_t c) {
    utf8proc_uint8_t bytes[4];
    if (buffer_append(out, bytes, (size_t)utf8proc_encode_char(c, bytes))) exit(2);
}

static void put_blanks(struct buffer *out) {
    static const int32_t blanks[] = {' ',    '\t',   0xA0,   0x2003, 0x200B,
                                     0x3000, 0xFEFF, 0x202F, 0x200E};
    for (uint32_t i = below(3); i > 0; i--)
        put(out, blanks[below((uint32_t)(sizeof blanks / sizeof *blanks))]);
}

static void form_of(struct text text, enum canonical_case letters, struct buffer *out) {
    buffer_clear(out);
    must(canonical_append(text, letters, out) == STATUS_OK, "has no form", text);
}

/* Decomposed, padded, and where capitals don't matter in capitals. */
static void spell_otherwise(struct text text, enum canonical_case letters, struct buffer *out) {
    int32_t points[POINTS_MAX * 8];
    ssize_t count = utf8proc_decompose((const utf8proc_uint8_t *)text.at, text.length, points,
                                       POINTS_MAX * 8, UTF8PROC_DECOMPOSE);
    must(count >= 0 && count <= POINTS_MAX * 8, "can't be decomposed", text);
    buffer_clear(out);
    put_blanks(out);
    for (ssize_t i = 0; i < count; i++) {
        int32_t c = points[i], upper = utf8proc_toupper(c);
        /* Some letters have a capital that is another letter's: ſ, ı, ΅. */
        bool back = utf8proc_tolower(upper) == c && upper != c;
        put(out, letters == CANONICAL_SMALL && back && below(2) ? upper : c);
    }
    put_blanks(out);
}

static void one_round(struct buffer *buffers) {
    struct buffer *text = &buffers[0], *form = &buffers[1], *again = &buffers[2],
                  *other = &buffers[3];
    buffer_clear(text);
    for (uint32_t i = below(POINTS_MAX); i > 0; i--) put(text, any_point());
    for (int i = CANONICAL_AS_WRITTEN; i <= CANONICAL_SMALL; i++) {
        const enum canonical_case letters = (enum canonical_case)i;
        form_of(buffer_text(text), letters, form);
        form_of(buffer_text(form), letters, again);
        must(text_equal(buffer_text(form), buffer_text(again)), "its form has another form",
             buffer_text(text));
        must(text_is_utf8(buffer_text(form)), "its form is no UTF-8", buffer_text(text));
        spell_otherwise(buffer_text(form), letters, other);
        form_of(buffer_text(other), letters, again);
        must(text_equal(buffer_text(form), buffer_text(again)), "is not met by another spelling",
             buffer_text(other));
        must(canonical_equal(buffer_text(text), buffer_text(other), letters), "is not equal",
             buffer_text(other));
    }
}

int main(int argc, char **argv) {
    struct buffer buffers[4];
    seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    uint64_t rounds = argc > 2 ? strtoull(argv[2], NULL, 10) : 50000;
    random_init(&random_source, seed);
    for (int i = 0; i < 4; i++) buffer_init(&buffers[i]);
    for (uint64_t round = 0; round < rounds; round++) one_round(buffers);
    for (int i = 0; i < 4; i++) buffer_release(&buffers[i]);
    printf("seed %llu: %llu rounds\n", (unsigned long long)seed, (unsigned long long)rounds);
    return 0;
}
