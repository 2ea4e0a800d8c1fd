/* SPDX-License-Identifier: Apache-2.0 */
#include "base/zone_book.h"

#include <stdio.h>

#include "base/arena.h"
#include "base/hash.h"
#include "base/memory.h"

#define TABLE_BYTES_MAX ((size_t)1 << 20)
#define DIRECTORY       "/usr/share/zoneinfo"
#define UNKNOWN_SLOTS   256u /* names that are none, by their hash */
#define LINES_MAX       2000
#define NAME_BYTES_MAX  128

struct kept_zone {
    uint64_t hash; /* of its name */
    struct text name;
    struct time_zone *zone;
};
struct country_zone { /* a line of zone.tab */
    char code[2];
    struct text name;
};
struct country_name { /* a line of iso3166.tab */
    char code[2];
    struct text name;
};
struct zone_book {
    struct arena arena;
    const char *directory;
    struct kept_zone *zones;
    size_t zone_capacity;
    uint32_t zone_count;
    uint64_t unknown[UNKNOWN_SLOTS];
    struct country_zone *country_zones;
    uint32_t country_zone_count;
    struct country_name *country_names;
    uint32_t country_name_count;
};

/* ---- the tables ---- */

/* Empty where it can't be read: then no country is known. */
static enum status read_table(struct zone_book *book, const char *name, struct text *out) {
    char path[1024];
    *out = (struct text){0};
    int length = snprintf(path, sizeof path, "%s/%s", book->directory, name);
    if (length < 0 || (size_t)length >= sizeof path) return STATUS_OK;
    char *bytes = arena_alloc(&book->arena, TABLE_BYTES_MAX);
    if (bytes == NULL) return STATUS_NO_MEMORY;
    FILE *file = fopen(path, "rbe");
    if (file == NULL) return STATUS_OK;
    size_t read = fread(bytes, 1, TABLE_BYTES_MAX, file);
    bool failed = ferror(file) != 0;
    fclose(file);
    if (!failed && text_is_utf8((struct text){bytes, (uint32_t)read}))
        *out = (struct text){bytes, (uint32_t)read};
    return STATUS_OK;
}

static struct text cut(struct text *text, char end) {
    struct text head = {0};
    (void)text_cut(text, end, &head);
    return head;
}

/* The next line that tells something: two letters, and the rest behind a tab. */
static bool next_line(struct text *table, char code[2], struct text *rest) {
    while (table->length > 0) {
        struct text line = cut(table, '\n');
        if (line.length < 4 || line.at[0] == '#' || line.at[2] != '\t') continue;
        code[0] = line.at[0];
        code[1] = line.at[1];
        *rest = (struct text){line.at + 3, line.length - 3};
        return true;
    }
    return false;
}

static enum status read_countries(struct zone_book *book) {
    struct text zones, names, rest;
    enum status status = read_table(book, "zone.tab", &zones);
    if (status == STATUS_OK) status = read_table(book, "iso3166.tab", &names);
    book->country_zones = arena_calloc(&book->arena, LINES_MAX, sizeof *book->country_zones);
    book->country_names = arena_calloc(&book->arena, LINES_MAX, sizeof *book->country_names);
    if (status != STATUS_OK || book->country_zones == NULL || book->country_names == NULL)
        return STATUS_NO_MEMORY;
    while (book->country_zone_count < LINES_MAX) {
        struct country_zone *next = &book->country_zones[book->country_zone_count];
        if (!next_line(&zones, next->code, &rest)) break;
        (void)cut(&rest, '\t'); /* where it lies */
        next->name = cut(&rest, '\t');
        book->country_zone_count++;
    }
    while (book->country_name_count < LINES_MAX) {
        struct country_name *next = &book->country_names[book->country_name_count];
        if (!next_line(&names, next->code, &next->name)) break;
        book->country_name_count++;
    }
    return STATUS_OK;
}

enum status zone_book_create(struct zone_book **out, const char *directory) {
    struct zone_book *book = memory_calloc(1, sizeof *book);
    *out = NULL;
    if (book == NULL) return STATUS_NO_MEMORY;
    arena_init(&book->arena, 4 * TABLE_BYTES_MAX);
    book->directory = directory != NULL ? directory : DIRECTORY;
    enum status status = read_countries(book);
    if (status == STATUS_OK)
        *out = book;
    else
        zone_book_destroy(book);
    return status;
}

void zone_book_destroy(struct zone_book *book) {
    if (book == NULL) return;
    for (uint32_t i = 0; i < book->zone_count; i++) time_zone_destroy(book->zones[i].zone);
    memory_free(book->zones);
    arena_release(&book->arena);
    memory_free(book);
}

/* ---- zones ---- */

static enum status keep(struct zone_book *book, struct text name, uint64_t hash,
                        struct time_zone *zone) {
    name = arena_text(&book->arena, name);
    if (name.at == NULL) return STATUS_NO_MEMORY;
    enum status status = memory_grow((void **)&book->zones, &book->zone_capacity,
                                     (size_t)book->zone_count + 1, sizeof *book->zones);
    if (status == STATUS_OK) book->zones[book->zone_count++] = (struct kept_zone){hash, name, zone};
    return status;
}

/* A name that can't be read for another cause than that it is none is asked for again. */
static bool load(struct zone_book *book, struct text name, uint64_t hash,
                 const struct time_zone **zone) {
    struct time_zone *made;
    uint64_t *slot = &book->unknown[hash % UNKNOWN_SLOTS];
    if (*slot == hash || book->zone_count == ZONE_BOOK_ZONES_MAX) return false;
    enum status status = time_zone_create(&made, name, book->directory, NULL);
    if (status == STATUS_INVALID || status == STATUS_NOT_FOUND) *slot = hash;
    if (status != STATUS_OK) return false;
    if (keep(book, name, hash, made) != STATUS_OK) {
        time_zone_destroy(made);
        return false;
    }
    *zone = made;
    return true;
}

bool zone_book_find(struct zone_book *book, struct text name, const struct time_zone **zone) {
    uint64_t hash = hash_text(name, 1);
    *zone = NULL;
    if (name.length == 0 || name.length > NAME_BYTES_MAX) return false;
    if (hash == 0) hash = 1;
    for (uint32_t i = 0; i < book->zone_count; i++) {
        if (book->zones[i].hash != hash) continue;
        *zone = book->zones[i].zone;
        return true;
    }
    return load(book, name, hash, zone);
}

struct text zone_book_name(const struct zone_book *book, const struct time_zone *zone) {
    for (uint32_t i = 0; i < book->zone_count; i++) {
        if (book->zones[i].zone == zone) return book->zones[i].name;
    }
    return (struct text){0};
}

/* ---- countries ---- */

static char upper(char c) {
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

static bool code_of(const struct zone_book *book, struct text country, char code[2]) {
    if (country.length == 2) {
        code[0] = upper(country.at[0]);
        code[1] = upper(country.at[1]);
        return true;
    }
    for (uint32_t i = 0; i < book->country_name_count; i++) {
        if (!text_equal_ignoring_case(book->country_names[i].name, country)) continue;
        memcpy(code, book->country_names[i].code, 2);
        return true;
    }
    return false;
}

uint32_t zone_book_country(struct zone_book *book, struct text country,
                           const struct time_zone *out[ZONE_BOOK_COUNTRY_MAX]) {
    char code[2];
    uint32_t count = 0;
    country = text_trim(country);
    if (country.length == 0 || !code_of(book, country, code)) return 0;
    for (uint32_t i = 0; i < book->country_zone_count; i++) {
        const struct country_zone *line = &book->country_zones[i];
        const struct time_zone *zone;
        if (memcmp(line->code, code, 2) != 0) continue;
        /* With a zone missing, hours that are closed there would seem to be open. */
        if (!zone_book_find(book, line->name, &zone) || count == ZONE_BOOK_COUNTRY_MAX) return 0;
        out[count++] = zone;
    }
    return count;
}
