/* SPDX-License-Identifier: Apache-2.0 */
/* What `check` accepts, a file that has the mapped columns can be read by: sources are made up of
 * random fields, good and bad, and each one that loads must make a plan over a header that holds
 * exactly what the mapping names. The examples' sources must, too. */
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "base/random.h"
#include "ingest/map/plan.h"

#define COLUMNS_MAX 200

static void must(bool good, const char *what, uint64_t seed) {
    if (good) return;
    fprintf(stderr, "seed %llu: %s\n", (unsigned long long)seed, what);
    exit(1);
}

/* ---- the columns that a source names ---- */

struct header {
    struct text names[COLUMNS_MAX];
    uint32_t count;
};

static void add(struct header *header, struct text name) {
    for (uint32_t i = 0; i < header->count; i++)
        if (text_equal(header->names[i], name)) return;
    must(header->count < COLUMNS_MAX, "too many columns", 0);
    if (name.length > 0) header->names[header->count++] = name;
}

static void add_template(struct header *header, struct text text) {
    const char *at = text.at, *end = text.at + text.length;
    while (at < end && (at = memchr(at, '{', (size_t)(end - at))) != NULL) {
        const char *close = memchr(at, '}', (size_t)(end - at));
        if (close == NULL) return;
        add(header, text_trim((struct text){at + 1, (uint32_t)(close - at - 1)}));
        at = close;
    }
}

static void add_field(struct header *header, const struct playbook *playbook,
                      const struct field_source *from) {
    const struct lookup_rule *rule = &playbook->lookups[from->lookup];
    switch (from->kind) {
    case FIELD_COLUMN:
    case FIELD_AGGREGATE: add(header, from->column); return;
    case FIELD_TEMPLATE: add_template(header, from->text); return;
    case FIELD_LOOKUP:
        for (uint32_t i = 0; i < rule->key_count; i++) add(header, rule->keys[i]);
        return;
    case FIELD_LIST:
        for (uint32_t i = 0; i < from->column_count; i++) add(header, from->columns[i]);
        return;
    case FIELD_CONSTANT: return;
    }
}

static void add_all(struct header *header, const struct playbook *playbook,
                    const struct source *source) {
    add_field(header, playbook, &source->event);
    add_field(header, playbook, &source->channel_from);
    if (!source->time_always) add_field(header, playbook, &source->time);
    add(header, source->one_event_per);
    for (uint32_t i = 0; i < source->row_key_count; i++)
        add_field(header, playbook, &source->row_keys[i]);
    for (uint32_t i = 0; i < source->identifier_count; i++)
        add_field(header, playbook, &source->identifiers[i].from);
    for (uint32_t i = 0; i < source->property_count; i++)
        add_field(header, playbook, &source->properties[i].from);
}

/* ---- a plan of each source ---- */

static const char *make_plan(const struct ingest_settings *settings, const struct source *source,
                             struct error *error) {
    struct header header = {0};
    struct plan *plan;
    const struct text *columns = header.names;
    add_all(&header, settings->playbook, source);
    if (source->column_count > 0) {
        columns = source->columns;
        header.count = source->column_count;
    }
    enum status status = plan_create(&plan, settings, source, "t.csv", (struct text){0}, columns,
                                     header.count, ',', error);
    if (status != STATUS_OK) return error->text;
    plan_destroy(plan);
    return NULL;
}

static struct lookup_table *empty_table(const struct lookup_rule *rule) {
    struct lookup_table *table = NULL;
    uint32_t keys[LOOKUP_KEY_FIELDS_MAX] = {0};
    for (uint32_t k = 0; k < rule->key_count; k++)
        for (uint32_t i = 0; i < rule->field_count; i++)
            if (text_equal(rule->fields[i].name, rule->keys[k])) keys[k] = i;
    must(lookup_create(&table, rule->fields, rule->field_count, keys, rule->key_count,
                       rule->many) == STATUS_OK &&
             lookup_finish(table) == STATUS_OK,
         "no table", 0);
    return table;
}

/* NULL where the playbook does not load; else how many sources made a plan. */
static int check_playbook(struct text yaml, uint64_t seed) {
    static struct playbook_errors errors;
    struct symbols *symbols;
    struct playbook *playbook;
    must(symbols_create(&symbols) == STATUS_OK, "no symbols", seed);
    if (playbook_load(&playbook, "p.yaml", yaml, symbols, &errors) != STATUS_OK) {
        symbols_destroy(symbols);
        return 0;
    }
    const struct lookup_table *tables[64] = {0};
    must(playbook->lookup_count <= 64, "too many lookups", seed);
    for (uint32_t i = 0; i < playbook->lookup_count; i++)
        tables[i] = empty_table(&playbook->lookups[i]);
    struct ingest_settings settings = {.playbook = playbook, .symbols = symbols, .lookups = tables};
    for (uint32_t i = 0; i < playbook->source_count; i++) {
        struct error error = {0};
        const struct source *source = &playbook->sources[i];
        const char *why = source->is_lookup ? NULL : make_plan(&settings, source, &error);
        if (why) fprintf(stderr, "%.*s\n", TEXT_ARG(yaml));
        must(why == NULL, why ? why : "", seed);
    }
    for (uint32_t i = 0; i < playbook->lookup_count; i++)
        lookup_destroy((struct lookup_table *)(uintptr_t)tables[i]);
    playbook_destroy(playbook);
    symbols_destroy(symbols);
    return 1;
}

/* ---- sources at random ---- */

static const char *pick(struct random *random, const char *const *words, size_t count) {
    return words[random_below(random, count)];
}
#define PICK(random, words) pick(random, words, sizeof(words) / sizeof *(words))

static void write_field(struct random *random, struct buffer *out) {
    static const char *const names[] = {
        "a",           "b",     "at",         "Created at", "order-id", "price/unit", "Total (USD)",
        "a * b",       "a+b",   "amount/100", "C++",        "q.r",      "look.name",  "look.far.x",
        "look.family", "far.x", "many.x",     "f",          "c1",       "c7",         "c0",
        "Ümlaut x",    "a,b",   "a where b",  "\"a\""};
    static const char *const around[] = {
        "%s",      "%s",        "%s",        "\"{%s}\"", "\"x/{%s}\"", "sum(%s)",
        "max(%s)", "count(%s)", "first(%s)", "'%s'",     "[%s, b]",    "{ one: %s }",
        "last()",  "'12.5'",    "'never'",   "number",   "count()"};
    const char *name = PICK(random, names), *frame = PICK(random, around);
    const char *hole = strstr(frame, "%s");
    must(buffer_append(out, frame, hole ? (size_t)(hole - frame) : strlen(frame)) == STATUS_OK &&
             (!hole || (buffer_append(out, name, strlen(name)) == STATUS_OK &&
                        buffer_append(out, hole + 2, strlen(hole + 2)) == STATUS_OK)),
         "no memory", 0);
}

static void write_key(struct random *random, struct buffer *out, const char *key) {
    must(buffer_format(out, "    %s: ", key) == STATUS_OK, "no memory", 0);
    write_field(random, out);
    must(buffer_format(out, "\n") == STATUS_OK, "no memory", 0);
}

static void write_source(struct random *random, struct buffer *out) {
    static const char *const more[] = {"",
                                       "",
                                       "    header: no\n",
                                       "    header: no\n    columns: [a, b, at, f, e]\n",
                                       "    columns: [a, b, a, e, at]\n",
                                       "    format: ndjson\n",
                                       "    types: { a: money, b: number, at: time }\n",
                                       "    quote: none\n"};
    static const char *const events[] = {"E", "E", "\"{a}\"", "\"{look.name}\"", "\"x {b}\""};
    must(buffer_format(out, "  s:\n    event: %s\n%s", PICK(random, events), PICK(random, more)) ==
             STATUS_OK,
         "no memory", 0);
    if (random_below(random, 2))
        write_key(random, out, "time");
    else
        must(buffer_format(out, "    time: at\n") == STATUS_OK, "no memory", 0);
    if (random_below(random, 2))
        must(buffer_format(out, "    one_event_per: %s\n", random_below(random, 2) ? "a" : "b") ==
                 STATUS_OK,
             "no memory", 0);
    if (random_below(random, 3) == 0) write_key(random, out, "row_key");
    must(buffer_format(out, "    key: { email: e }\n    properties:\n") == STATUS_OK, "no memory",
         0);
    static const char *const properties[] = {"n", "m", "x", "items", "family", "t", "y"};
    for (size_t i = 0; i < sizeof properties / sizeof *properties; i++) {
        if (random_below(random, 3) != 0) continue;
        must(buffer_format(out, "  ") == STATUS_OK, "no memory", 0);
        write_key(random, out, properties[i]);
    }
    must(buffer_format(out, "      z: a\n") == STATUS_OK, "no memory", 0);
}

static const char head[] = "attune: 1\ncurrency: USD\n"
                           "customer: { identifiers: { email: } }\n"
                           "events: { E: { n: number, m: money, t: time, items: { sku: text } } }\n"
                           "sources:\n"
                           "  look: { lookup: k, types: { name: text, far: text, family: text } }\n"
                           "  far: { lookup: family }\n"
                           "  many: { lookup: k, many: yes }\n";

static void check_examples(void) {
    static const char *const names[] = {"grocer", "auto", "concert", "fashion"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[512];
        struct buffer bytes;
        struct error error;
        buffer_init(&bytes);
        snprintf(path, sizeof path, SOURCE_ROOT "/examples/%s/playbook.yaml", names[i]);
        must(file_read_all(file_system_os(), path, 1 << 20, &bytes, &error) == STATUS_OK, path, 0);
        must(check_playbook(buffer_text(&bytes), 0) == 1, path, 0);
        buffer_release(&bytes);
    }
    must(check_playbook(playbook_starter(), 0) == 1, "the starter", 0);
}

int main(int argc, char **argv) {
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1,
             rounds = argc > 2 ? strtoull(argv[2], NULL, 10) : 20000, loaded = 0;
    check_examples();
    for (uint64_t i = 0; i < rounds; i++) {
        struct random random;
        struct buffer yaml;
        random_init(&random, seed + i);
        buffer_init(&yaml);
        must(buffer_append(&yaml, head, sizeof head - 1) == STATUS_OK, "no memory", seed);
        write_source(&random, &yaml);
        loaded += (uint64_t)check_playbook(buffer_text(&yaml), seed + i);
        buffer_release(&yaml);
    }
    printf("%llu of %llu playbooks load, and each can read its files\n", (unsigned long long)loaded,
           (unsigned long long)rounds);
    must(loaded > rounds / 100, "hardly any playbook loads", seed);
    return 0;
}
