/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/cell/content.h"

#include "base/canonical.h"
#include "base/hash.h"
#include "ingest/map/segment.h"

uint64_t content_seed(struct text column, bool is_property) {
    return hash_text(column, is_property);
}

/* ---- hashing ---- */

/* Both halves of the product, in registers. Those of a 128-bit product gcc 12 writes to the stack
 * and reads back, and each step of a hash waits for the one before it. */
static inline uint64_t fold(uint64_t a, uint64_t b) {
#ifdef __x86_64__
    uint64_t low, high;
    __asm__("mulq %3" : "=a"(low), "=d"(high) : "%a"(a), "rm"(b) : "cc");
    return low ^ high;
#else
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
#endif
}

static const uint64_t odd[2] = {UINT64_C(0xa0761d6478bd642f), UINT64_C(0xe7037ed1a0b428db)};

static inline uint64_t hash_end(uint64_t first, uint64_t last, uint32_t length, uint64_t seed) {
    return fold(first ^ odd[0], last ^ (seed + length * odd[1]));
}

/* Two loads and one multiplication for 16 bytes, as wyhash does it, and in place: most cells are
 * short, and the call of a hash that is made for long texts costs more than this one. The first
 * factor is never 0, since no UTF-8 holds the bytes of odd[0]. The text is not empty. */
static inline uint64_t hash_in_place(struct text text, uint64_t seed) {
    const unsigned char *at = (const unsigned char *)text.at;
    uint32_t left = text.length;
    uint64_t first, last;
    if (left < 4) {
        first = (uint64_t)at[0] << 16 | (uint64_t)at[left / 2] << 8 | at[left - 1];
        return hash_end(first, 0, left, seed);
    }
    if (left < 8) {
        uint32_t ends[2];
        memcpy(&ends[0], at, 4);
        memcpy(&ends[1], at + left - 4, 4);
        return hash_end(ends[0], ends[1], left, seed);
    }
    for (; left > 16; at += 16, left -= 16) {
        memcpy(&first, at, 8);
        memcpy(&last, at + 8, 8);
        seed = fold(first ^ odd[0], last ^ seed);
    }
    const unsigned char *end = at + left;
    memcpy(&first, text.length > 16 ? end - 16 : at, 8);
    memcpy(&last, end - 8, 8);
    return hash_end(first, last, text.length, seed);
}

/* ---- the key ---- */

struct key_hash { /* the two hashes that a key is made of */
    uint64_t low, high;
};

static struct key_hash key_add(struct key_hash hash, struct text text) {
    uint64_t high = text.length > 0 ? hash_in_place(text, ~hash.high) : hash.high;
    return (struct key_hash){hash_text(text, hash.low), hash_u64(high)};
}

static struct row_key key_of(struct key_hash hash) {
    return (struct row_key){hash.low != 0 ? hash.low : 1, (uint32_t)(hash.high >> 32)};
}

/* Is the text no key? A filler of people may be part of a key of several columns ("none" of a
 * coupon), but is no key by itself. */
static bool is_no_key(const struct plan *plan, struct text text) {
    enum filler filler = canonical_filler(text);
    return filler == FILLER_OF_PEOPLE ? plan->row_key_count == 1 : filler != FILLER_NONE;
}

/* A row that says no key is known by what its sender wrote. Of a request: without what the server
 * added, so that a retry is a repeat; where it says no time either, together with the request,
 * since two clicks may be told in the same words. */
static struct key_hash hash_row(const struct mapper *mapper, struct key_hash start) {
    const struct mapper_live *live = &mapper->live;
    struct text row = mapper->row;
    if (row.at == mapper->line_text.at && row.length > live->head + live->tail)
        row = (struct text){row.at + live->head, row.length - live->head - live->tail};
    struct key_hash hash = key_add(start, row);
    if (!live->is_received || !mapper->plan->is_segment || segment_says_time(mapper)) return hash;
    uint64_t request[3] = {(uint64_t)mapper->now_ms, live->number, mapper->live.messages};
    return key_add(hash, (struct text){(const char *)request, sizeof request});
}

/* Of several columns each one's hash is the seed of the next: "a", "bc" and "ab", "c" are two keys.
 * A row whose key is a filler has none: under one "#REF!" all rows but the first would be repeats.
 * Of a JSON line that has no key one is made. */
static enum status read_key(struct mapper *mapper, bool may_lack, struct row_key *key,
                            bool *is_row) {
    const struct plan *plan = mapper->plan;
    const struct key_hash start = {plan->key_seed, plan->key_seed};
    struct key_hash hash = start;
    *is_row = false;
    for (uint32_t i = 0; i < plan->row_key_count; i++) {
        const struct plan_field *field = &plan->row_keys[i];
        struct text text;
        enum status status = mapper_field_text(mapper, field, &text);
        if (status == STATUS_OK)
            status = canonical_text(text, CANONICAL_AS_WRITTEN, &mapper->scratch, &text);
        if (status != STATUS_OK) return status;
        bool filler = is_no_key(plan, text);
        mapper->no_keys += filler;
        if (text.length > 0 && !filler) {
            hash = key_add(hash, text);
            continue;
        }
        if (plan->source->format != SOURCE_NDJSON) {
            if (filler || may_lack) return STATUS_OK;
            return mapper_bad(mapper, field->column, "the row key %.*s is empty",
                              TEXT_ARG(field->name));
        }
        *is_row = true;
        mapper->live.messages++;
        hash = hash_row(mapper, start);
        break;
    }
    *key = key_of(hash);
    return STATUS_OK;
}

enum status content_event_key(struct mapper *mapper, struct row_key *key) {
    const struct plan *plan = mapper->plan;
    const struct key_hash start = {plan->rows.event_seed, plan->rows.event_seed};
    struct text text;
    enum status status = cell_text(&mapper->reader, &mapper->cells[plan->group_column], &text);
    if (status == STATUS_OK)
        status = canonical_text(text, CANONICAL_AS_WRITTEN, &mapper->scratch, &text);
    if (status == STATUS_INVALID) return mapper_bad_value(mapper, plan->group_column, VALUE_TEXT);
    if (status == STATUS_OK) *key = key_of(key_add(start, text));
    return status;
}

/* ---- the content ---- */

static inline uint64_t hash_value(struct text text, uint64_t seed) {
    return text.length > 0 ? hash_in_place(text, seed) : 0;
}

static enum status hash_node(struct mapper *mapper, struct json_node node, uint64_t seed,
                             uint64_t *hash) {
    enum json_type type = json_type(node);
    enum status status = STATUS_OK;
    if (type != JSON_ARRAY && type != JSON_OBJECT) {
        struct cell cell = cell_from_json(node);
        struct text text;
        status = cell_text(&mapper->reader, &cell, &text);
        *hash = status == STATUS_OK ? hash_value(text, seed) : 0;
        return status;
    }
    struct json_iterator iterator = json_begin(node);
    *hash = hash_u64(seed + (uint64_t)type);
    while (status == STATUS_OK && json_next(&iterator)) {
        uint64_t next = type == JSON_OBJECT ? hash_text(iterator.key, *hash) : hash_u64(*hash);
        status = hash_node(mapper, iterator.node, next, hash);
    }
    return status;
}

static inline enum status hash_cell(struct mapper *mapper, uint32_t column, uint64_t seed,
                                    uint64_t *hash) {
    const struct cell *cell = &mapper->cells[column];
    struct text text;
    *hash = 0;
    if (cell->kind == CELL_TEXT) {
        *hash = hash_value(cell->text, seed);
        return STATUS_OK;
    }
    if (cell->kind == CELL_NODE) return hash_node(mapper, cell->node, seed, hash);
    enum status status = cell_text(&mapper->reader, cell, &text);
    if (status == STATUS_OK) *hash = hash_value(text, seed);
    return status;
}

static void add(struct row_facts *facts, uint32_t readings, uint64_t hash) {
    for (uint32_t r = 0; readings != 0; r++, readings >>= 1) {
        if (readings & 1) facts->content[r] += hash;
    }
}

static enum status add_undeclared(struct mapper *mapper, struct row_facts *facts) {
    const struct plan *plan = mapper->plan;
    bool apart = plan->source->properties_path.length > 0;
    for (uint32_t i = 0; i < mapper->extra_count; i++) {
        const struct mapper_extra *extra = &mapper->extras[i];
        struct text name = extra->symbol == SYMBOL_NONE
                               ? extra->name
                               : symbol_text(plan->symbols, SYMBOL_PROPERTY, extra->symbol);
        uint64_t hash;
        enum status status = hash_node(mapper, extra->node, content_seed(name, apart), &hash);
        if (status != STATUS_OK) return status;
        add(facts, plan->rows.open, hash);
    }
    return STATUS_OK;
}

/* Adds what the Segment rules read beside the mapping. The times at which a message was sent and
 * received are left out, since a retry has other times. */
static enum status add_message(struct mapper *mapper, struct row_facts *facts) {
    static const enum segment_column told[] = {
        SEGMENT_TYPE,         SEGMENT_EVENT,    SEGMENT_TIMESTAMP,   SEGMENT_ORIGINAL_TIMESTAMP,
        SEGMENT_NAME,         SEGMENT_GROUP_ID, SEGMENT_PREVIOUS_ID, SEGMENT_USER_ID,
        SEGMENT_EXTERNAL_IDS, SEGMENT_CONSENT};
    const struct plan *plan = mapper->plan;
    uint32_t all = (uint32_t)((UINT64_C(1) << plan->rows.reading_count) - 1);
    for (size_t i = 0; i < sizeof told / sizeof *told; i++) {
        uint64_t hash;
        enum status status = hash_cell(mapper, plan->segment + (uint32_t)told[i],
                                       hash_u64((uint64_t)told[i] + 1), &hash);
        if (status != STATUS_OK) return status;
        add(facts, all, hash);
    }
    return STATUS_OK;
}

/* Adds the first cells, as long as they are texts of the present reading alone; in a CSV file with
 * one reading these are all. It is a function of its own, so that it works in registers. Returns
 * how many. */
__attribute__((noinline)) static uint32_t add_texts(const struct cell *cells,
                                                    const struct plan_rows *rows, uint64_t *sum) {
    const struct plan_cell *at = rows->cells, *end = at + rows->cell_count;
    uint64_t hashes = 0;
    for (; at < end; at++) {
        const struct cell *cell = &cells[at->column];
        if (cell->kind != CELL_TEXT || at->readings != 1) break;
        hashes += hash_value(cell->text, at->seed);
    }
    *sum += hashes;
    return (uint32_t)(at - rows->cells);
}

static enum status read_content(struct mapper *mapper, struct row_facts *facts) {
    const struct plan_rows *rows = &mapper->plan->rows;
    enum status status = STATUS_OK;
    for (uint32_t i = add_texts(mapper->cells, rows, &facts->content[0]);
         status == STATUS_OK && i < rows->cell_count; i++) {
        const struct plan_cell *cell = &rows->cells[i];
        uint64_t hash;
        status = hash_cell(mapper, cell->column, cell->seed, &hash);
        add(facts, cell->readings, hash);
    }
    if (status == STATUS_OK && mapper->extra_count > 0) status = add_undeclared(mapper, facts);
    if (status == STATUS_OK && mapper->plan->is_segment) status = add_message(mapper, facts);
    for (uint32_t r = 0; r < rows->reading_count; r++) {
        uint64_t content = hash_u64(facts->content[r] ^ UINT64_C(0x9E3779B97F4A7C15));
        bool comparable = (rows->comparable & 1u << r) != 0;
        facts->content[r] = !comparable ? 0 : content != 0 ? content : 1;
    }
    return status;
}

/* ---- version and retraction ---- */

/* Integers in the order of the numbers. */
static int64_t version_of_number(double number) {
    int64_t bits;
    number += 0.0; /* -0 is 0 */
    memcpy(&bits, &number, sizeof bits);
    return bits < 0 ? INT64_MIN - bits : bits;
}

/* Reports a bad version. Without a type a version is a time, but many systems count instead. */
static enum status bad_version(struct mapper *mapper, uint32_t column, enum value_type type) {
    struct value value;
    struct text name = mapper->plan->columns[column], text;
    bool counts = type == VALUE_TIME &&
                  cell_value(&mapper->reader, &mapper->cells[column], VALUE_NUMBER,
                             plan_notation(mapper->plan, column), &value) == STATUS_OK &&
                  value_is_known(value) &&
                  cell_text(&mapper->reader, &mapper->cells[column], &text) == STATUS_OK;
    char shown[MAPPER_SHOWN_BYTES + 8];
    if (!counts) return mapper_bad_value(mapper, column, type);
    mapper_show(text, shown);
    if (name.length > 128) name.length = 128;
    return mapper_bad(mapper, column,
                      "'%s' is no time in column %.*s, the row_version: where it counts, declare "
                      "types: { %.*s: number }",
                      shown, TEXT_ARG(name), TEXT_ARG(name));
}

static enum status read_version(struct mapper *mapper, struct row_facts *facts) {
    const struct plan *plan = mapper->plan;
    uint32_t column = plan->rows.version_column;
    enum value_type type = plan->source->rows.version_type;
    struct value value;
    if (column == COLUMN_NONE || cell_is_empty(&mapper->cells[column])) return STATUS_OK;
    enum status status = cell_value(&mapper->reader, &mapper->cells[column], type,
                                    plan_notation(plan, column), &value);
    if (status == STATUS_INVALID) return bad_version(mapper, column, type);
    if (status != STATUS_OK || !value_is_known(value)) return status;
    facts->version = type == VALUE_TIME ? value.time_ms : version_of_number(value.number);
    return STATUS_OK;
}

/* Does the cell hold a value? "*" stands for any, as for a column deleted_at. Fillers are no value,
 * and neither is a 0 of a flag; but its yes is one, although it names nobody. */
static bool is_a_value(struct text text) {
    text = text_trim(text);
    if (text_equal_ignoring_case(text, TEXT("true")) || text_equal_ignoring_case(text, TEXT("yes")))
        return true;
    return text.length > 0 && !text_equal(text, TEXT("0")) && canonical_filler(text) == FILLER_NONE;
}

static bool holds_one(struct text text, const struct retraction *rule) {
    for (uint32_t i = 0; i < rule->value_count; i++) {
        if (text_equal(rule->values[i], TEXT("*")) && is_a_value(text)) return true;
        if (canonical_equal(text, rule->values[i], CANONICAL_SMALL)) return true;
    }
    return false;
}

static enum status read_retraction(struct mapper *mapper, struct row_facts *facts) {
    const struct plan_rows *rows = &mapper->plan->rows;
    facts->retracts = rows->retraction_count > 0;
    for (uint32_t i = 0; facts->retracts && i < rows->retraction_count; i++) {
        const struct plan_retraction *retraction = &rows->retractions[i];
        struct text text;
        enum status status = cell_text(&mapper->reader, &mapper->cells[retraction->column], &text);
        if (status == STATUS_NO_MEMORY) return status;
        facts->retracts = status == STATUS_OK && holds_one(text, retraction->rule);
    }
    return STATUS_OK;
}

enum status content_read(struct mapper *mapper, bool may_lack_key, struct row_facts *out) {
    const struct plan *plan = mapper->plan;
    out->key = (struct row_key){0};
    out->is_made = false;
    out->content[0] = 0; /* of so many readings, not of as many as there can be */
    for (uint32_t r = 1; r < plan->rows.reading_count; r++) out->content[r] = 0;
    out->version = ROW_VERSION_NONE;
    out->retracts = false;
    if (plan->row_key_count == 0) return STATUS_OK;
    enum status status = read_key(mapper, may_lack_key, &out->key, &out->is_made);
    bool has_content = may_lack_key || !row_key_is_none(out->key);
    if (status != STATUS_OK || !has_content) return status;
    if (!out->is_made && !plan->rows.first_stands) status = read_content(mapper, out);
    if (status == STATUS_OK) status = read_version(mapper, out);
    return status == STATUS_OK ? read_retraction(mapper, out) : status;
}

void content_add(const struct mapper *mapper, struct row_facts *sum, const struct row_facts *row) {
    for (uint32_t r = 0; r < mapper->plan->rows.reading_count; r++) {
        if (row->content[r] == 0) continue;
        sum->content[r] += row->content[r];
        if (sum->content[r] == 0) sum->content[r] = 1;
    }
    if (row->version > sum->version) sum->version = row->version;
}

/* ---- into the batch ---- */

static enum status put_older(struct mapper *mapper, const struct row_facts *facts,
                             uint32_t *contents, uint8_t *count) {
    uint32_t older =
        mapper->plan->rows.reading_count > 1 ? mapper->plan->rows.reading_count - 1 : 0;
    if (older == 0 || facts->content[0] == 0) return STATUS_OK;
    *contents = (uint32_t)mapper->batch->bytes.length;
    *count = (uint8_t)older;
    return buffer_append(&mapper->batch->bytes, &facts->content[1],
                         older * sizeof facts->content[1]);
}

enum status content_put_event(struct mapper *mapper, const struct row_facts *facts,
                              struct event *event) {
    event->key = facts->key;
    event->content = facts->content[0];
    event->reading = row_key_is_none(facts->key) ? 0 : mapper->plan->rows.reading;
    event->version = facts->version;
    event->retracts = facts->retracts;
    return put_older(mapper, facts, &event->contents, &event->content_count);
}

enum status content_put_line(struct mapper *mapper, const struct row_facts *facts,
                             struct event_line *line) {
    line->key = facts->key;
    line->content = facts->content[0];
    line->version = facts->version;
    line->retracts = facts->retracts;
    return put_older(mapper, facts, &line->contents, &line->content_count);
}

bool content_is_known(const struct mapper *mapper, const struct row_facts *facts) {
    const struct plan_rows *rows = &mapper->plan->rows;
    return rows->is_known(rows->is_known_context, facts->key, facts->content[0], rows->reading);
}
