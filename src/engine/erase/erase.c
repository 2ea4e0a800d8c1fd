/* SPDX-License-Identifier: Apache-2.0 */
/* Erases a customer, and keeps bad rows and friends' words from bringing an erased customer back.
 *
 * Identifiers of the source's mapping are compared by type and value. A value of
 * VALUE_BYTES_TELLING or more is also looked for in every field, between characters that no value
 * has. A shorter one ("1") means nothing outside its own column, and is only looked for in whole
 * fields of a row whose columns can't be told. What can't be taken apart is searched as it came.
 * withhold.c treats events of others. */
#include <stdlib.h>

#include "base/canonical.h"
#include "base/memory.h"
#include "identity/checkpoint.h"
#include "engine/erase/erased_values.h"
#include "engine/erase/old_names.h"
#include "engine/engine_internal.h"
#include "engine/erase/unescape.h"
#include "ingest/file/lines.h"

#define SUMMARY_BYTES_MAX ((size_t)64 << 20)
static const struct text withheld_reason = {"withheld: it belongs to a customer who was erased",
                                            49};

/* A search for the person that a row is about. */
struct row_search {
    struct engine *engine;
    struct identity_erasure *erasure; /* NULL: anybody's who is turned away */
    struct erased_values values;      /* of the erasure */
    const struct lookup_table **tables;
    struct ingest_settings settings;
    uint32_t kept_symbol; /* of rows that are kept beside events; SYMBOL_NONE: none ever were */
    struct packed_writer *writer;
    bool found;
    enum status status; /* the first failure: not all rows have been judged */
};

static enum status row_search_begin(struct row_search *search, struct engine *engine,
                                    struct identity_erasure *erasure) {
    *search = (struct row_search){.engine = engine, .erasure = erasure};
    search->kept_symbol = symbol_find(engine->symbols, SYMBOL_PROPERTY, INGEST_ROWS_PROPERTY);
    if (erasure != NULL) {
        enum status status = erased_values_init(&search->values, erasure);
        if (status != STATUS_OK) return status;
    }
    if (engine_playbook(engine) == NULL) return STATUS_OK;
    search->tables = in_force_tables(engine->own);
    if (search->tables == NULL) return STATUS_NO_MEMORY;
    search->settings = engine_ingest_settings(engine->own, search->tables);
    return STATUS_OK;
}

static void row_search_end(struct row_search *search) {
    memory_free(search->tables);
    if (search->writer != NULL) packed_writer_release(search->writer);
    memory_free(search->writer);
    if (search->erasure != NULL) erased_values_release(&search->values);
}

/* ---- one customer's, by the values ---- */

static bool word_is_theirs(struct row_search *search, const struct ingest_word *word) {
    struct erased_values *values = &search->values;
    bool found =
        word->kind == WORD_IDENTIFIER
            ? erased_values_have(values, word->type, word->text)
            : (word->kind == WORD_STRAY && erased_values_have(values, SYMBOL_NONE, word->text)) ||
                  erased_values_tell(values, word->text) || erased_values_in(values, word->text);
    if (values->status != STATUS_OK && search->status == STATUS_OK) search->status = values->status;
    return found;
}

/* ---- anybody's who is turned away, by the hashes ---- */

/* Of this type; SYMBOL_NONE: of any. The mark of a value is looked for once, for all types. */
static bool form_is_turned_away(const struct engine *engine, uint32_t type, struct text form) {
    if (!identity_may_be_suppressed(engine->identity, form)) return false;
    if (type != SYMBOL_NONE) return identity_is_suppressed(engine->identity, type, form);
    uint32_t types = symbol_count(engine->symbols, SYMBOL_IDENTIFIER);
    for (type = 0; type < types; type++) {
        if (identity_is_suppressed(engine->identity, type, form)) return true;
    }
    return false;
}

/* Printable ASCII without capitals and blanks is its own canonical form. */
static bool is_canonical(struct text value) {
    for (uint32_t i = 0; i < value.length; i++) {
        char c = value.at[i];
        if (c <= ' ' || c > '~' || (c >= 'A' && c <= 'Z')) return false;
    }
    return true;
}

/* Checks the value as it is spelled and in both canonical forms. The type's rule decides which form
 * counts; one check too many does no harm. */
bool is_turned_away(const struct engine *engine, uint32_t type, struct text value) {
    if (value.length == 0 || value.length > IDENTIFIER_BYTES_MAX) return false;
    bool found = form_is_turned_away(engine, type, value);
    if (found || is_canonical(value)) return found;
    struct buffer form;
    buffer_init(&form);
    for (int letters = CANONICAL_AS_WRITTEN; !found && letters <= CANONICAL_SMALL; letters++) {
        buffer_clear(&form);
        if (canonical_append(value, (enum canonical_case)letters, &form) != STATUS_OK) break;
        if (text_equal(buffer_text(&form), value)) continue;
        found = form_is_turned_away(engine, type, buffer_text(&form));
    }
    buffer_release(&form);
    return found;
}

static bool is_turned_away_as_any(const struct engine *engine, struct text value) {
    return is_turned_away(engine, SYMBOL_NONE, value);
}

static bool holds_anybody(const struct engine *engine, struct text text) {
    for (uint32_t from = 0, to; from < text.length; from = to + 1) {
        for (to = from; to < text.length && !is_separator(text.at[to]);) to++;
        if (to - from >= VALUE_BYTES_TELLING &&
            is_turned_away_as_any(engine, (struct text){text.at + from, to - from}))
            return true;
    }
    return false;
}

static bool word_is_anybodys(const struct row_search *search, const struct ingest_word *word) {
    if (word->kind == WORD_IDENTIFIER)
        return is_turned_away(search->engine, word->type, word->text);
    bool whole = word->kind == WORD_STRAY || word->text.length >= VALUE_BYTES_TELLING;
    return (whole && is_turned_away_as_any(search->engine, word->text)) ||
           holds_anybody(search->engine, word->text);
}

/* ---- rows ---- */

static bool look_at_word(void *context, const struct ingest_word *word) {
    struct row_search *search = context;
    search->found =
        search->erasure != NULL ? word_is_theirs(search, word) : word_is_anybodys(search, word);
    return !search->found;
}

static bool look_at_bytes(struct row_search *search, struct text raw) {
    if (search->erasure == NULL) return holds_anybody(search->engine, raw);
    return word_is_theirs(search, &(struct ingest_word){.kind = WORD_FIELD, .text = raw});
}

/* The bytes as a reader of JSON or CSV would have them; a row of a lookup, or of a source that is
 * no more, is not taken apart otherwise. */
static bool look_at_unescaped(struct row_search *search, struct text raw) {
    struct buffer text;
    if (memchr(raw.at, '\\', raw.length) == NULL && !text_contains(raw, TEXT("\"\""))) return false;
    buffer_init(&text);
    enum status status = text_unescape(raw, &text);
    if (status != STATUS_OK && search->status == STATUS_OK) search->status = status;
    bool found = status == STATUS_OK && look_at_bytes(search, buffer_text(&text));
    buffer_release(&text);
    return found;
}

static bool row_is_hunted(struct row_search *search, uint16_t source, struct text raw) {
    const struct playbook *playbook = engine_playbook(search->engine);
    uint32_t index = playbook == NULL
                         ? UINT32_MAX
                         : playbook_source_find(playbook, symbol_text(search->engine->symbols,
                                                                      SYMBOL_SOURCE, source));
    const struct ingest_words words = {look_at_word, search};
    struct error ignored = {0};
    bool unreadable = true;
    search->found = false;
    if (raw.length == 0) return false;
    if (index != UINT32_MAX && !playbook->sources[index].is_lookup) {
        enum status status = ingest_row_words(&search->settings, &playbook->sources[index], raw,
                                              &words, &unreadable, &ignored);
        if (status != STATUS_OK && search->status == STATUS_OK) search->status = status;
    }
    return search->found ||
           (unreadable && (look_at_bytes(search, raw) || look_at_unescaped(search, raw)));
}

static bool row_is_theirs(void *context, const struct stored_row *row) {
    return row_is_hunted(context, row->source, row->raw);
}

enum status rows_withhold(struct engine *engine, struct event_batch *batch, struct error *error) {
    struct row_search search;
    if (batch->row_count == 0 || !identity_turns_away(engine->identity)) return STATUS_OK;
    enum status status = row_search_begin(&search, engine, NULL);
    for (size_t i = 0; status == STATUS_OK && i < batch->row_count; i++) {
        struct quarantined_row *row = &batch->rows[i];
        if (!row_is_hunted(&search, row->source,
                           event_batch_text(batch, row->raw, row->raw_length)))
            continue;
        row->reason = (uint32_t)batch->bytes.length;
        row->reason_length = withheld_reason.length;
        row->raw_length = 0;
        status = buffer_append_text(&batch->bytes, withheld_reason);
    }
    if (status == STATUS_OK) status = search.status;
    row_search_end(&search);
    return status == STATUS_OK
               ? STATUS_OK
               : error_set(error, status,
                           "no memory to tell which bad rows belong to customers who were erased");
}

/* ---- relations: "friend of email:ann@a.example", on somebody else's timeline ---- */

static bool relation_split(const struct engine *engine, struct text packed, uint32_t *type,
                           struct text *value) {
    struct value to = packed_find(packed, PROPERTY_TO);
    const char *colon = to.type == VALUE_TEXT && to.text.length > 0
                            ? memchr(to.text.at, ':', to.text.length)
                            : NULL;
    *value = to.type == VALUE_TEXT ? to.text : (struct text){0};
    *type = SYMBOL_NONE;
    if (colon == NULL) return value->length > 0;
    *type = symbol_find(engine->symbols, SYMBOL_IDENTIFIER,
                        (struct text){to.text.at, (uint32_t)(colon - to.text.at)});
    value->at = colon + 1;
    value->length = (uint32_t)(to.text.at + to.text.length - value->at);
    return *type != SYMBOL_NONE;
}

/* "C12" */
static bool customer_number(struct text text, uint32_t *number) {
    char digits[16];
    if (text.length < 2 || text.length >= sizeof digits || (text.at[0] | 0x20) != 'c') return false;
    memcpy(digits, text.at + 1, text.length - 1);
    digits[text.length - 1] = '\0';
    char *end;
    unsigned long read = strtoul(digits, &end, 10);
    *number = (uint32_t)read;
    return *end == '\0' && read <= UINT32_MAX;
}

static int compare_identifiers(const void *left, const void *right) {
    const struct identifier_id *a = left, *b = right;
    return (a->value > b->value) - (a->value < b->value);
}

static bool is_theirs(const struct identity_erasure *erasure, uint32_t number) {
    struct identifier_id id = {number};
    return erasure->identifier_count > 0 &&
           bsearch(&id, erasure->identifiers, erasure->identifier_count, sizeof id,
                   compare_identifiers) != NULL;
}

static bool relation_names_them(void *context, struct text packed) {
    struct row_search *search = context;
    struct text value;
    uint32_t type, number;
    if (!relation_split(search->engine, packed, &type, &value)) return false;
    if (type == SYMBOL_NONE && customer_number(value, &number))
        return is_theirs(search->erasure, number);
    bool found = type == SYMBOL_NONE ? erased_values_tell(&search->values, value)
                                     : erased_values_have(&search->values, type, value);
    if (search->values.status != STATUS_OK && search->status == STATUS_OK)
        search->status = search->values.status;
    return found;
}

bool relation_names_erased(const struct engine *engine, struct text packed) {
    struct text value;
    uint32_t type;
    if (!identity_turns_away(engine->identity) || !relation_split(engine, packed, &type, &value))
        return false;
    if (type == SYMBOL_NONE && value.length < VALUE_BYTES_TELLING) return false;
    return is_turned_away(engine, type, value);
}

/* ---- rows that are kept beside the events of others ---- */

/* Does a word of the rows look like one of their identifiers, whatever column it stands in? */
static bool may_be_theirs(struct row_search *search, struct text rows) {
    for (uint32_t from = 0, to; from < rows.length; from = to + 1) {
        for (to = from; to < rows.length && !is_separator(rows.at[to]);) to++;
        struct text word = {rows.at + from, to - from};
        if (erased_values_have(&search->values, SYMBOL_NONE, word)) return true;
    }
    return false;
}

/* The rows of an order may name several people, and the order is the first one's. */
static bool kept_rows_are_theirs(struct row_search *search, uint16_t source, struct text rows) {
    const struct playbook *playbook = engine_playbook(search->engine);
    struct text name = symbol_text(search->engine->symbols, SYMBOL_SOURCE, source);
    uint32_t index = playbook == NULL ? UINT32_MAX : playbook_source_find(playbook, name);
    const struct ingest_words words = {look_at_word, search};
    struct error ignored = {0};
    bool unreadable = true;
    if (look_at_bytes(search, rows) || look_at_unescaped(search, rows)) return true;
    if (!may_be_theirs(search, rows)) return false;
    if (index == UINT32_MAX) return true; /* in doubt */
    struct source kept = ingest_source_as_kept(&playbook->sources[index]);
    search->found = false;
    enum status status =
        ingest_row_words(&search->settings, &kept, rows, &words, &unreadable, &ignored);
    if (status != STATUS_OK && search->status == STATUS_OK) search->status = status;
    return search->found || unreadable;
}

static enum status join_rows(struct value list, struct buffer *out) {
    struct list_reader reader;
    struct value item;
    enum status status = list_reader_init(&reader, list);
    while (status == STATUS_OK && (status = list_next(&reader, &item)) == STATUS_OK) {
        if (item.type != VALUE_TEXT) continue;
        if (out->length > 0) status = buffer_append_text(out, TEXT("\n"));
        if (status == STATUS_OK) status = buffer_append_text(out, item.text);
    }
    return status == STATUS_END ? STATUS_OK : status;
}

static enum status without_kept_rows(struct row_search *search, struct text packed,
                                     struct buffer *out) {
    struct packed_reader reader;
    struct value value;
    uint32_t symbol;
    if (search->writer == NULL) {
        search->writer = memory_alloc(sizeof *search->writer);
        if (search->writer == NULL) return STATUS_NO_MEMORY;
        packed_writer_init(search->writer);
    }
    packed_begin(search->writer);
    enum status status = packed_reader_init(&reader, packed);
    while (status == STATUS_OK && (status = packed_next(&reader, &symbol, &value)) == STATUS_OK) {
        if (symbol != search->kept_symbol) status = packed_add(search->writer, symbol, value);
    }
    return status == STATUS_END ? packed_end(search->writer, out) : status;
}

/* The event stays as it is, without its rows: no row can be added to it any more, and one that
 * comes says so. */
static bool clean_event(void *context, uint16_t source, struct text packed, struct buffer *out) {
    struct row_search *search = context;
    struct value list =
        packed.length > 0 ? packed_find(packed, search->kept_symbol) : value_unknown();
    struct buffer rows;
    if (list.type != VALUE_LIST) return false;
    buffer_init(&rows);
    enum status status = join_rows(list, &rows);
    bool theirs = status == STATUS_OK && kept_rows_are_theirs(search, source, buffer_text(&rows));
    if (theirs) status = without_kept_rows(search, packed, out);
    buffer_release(&rows);
    if (status == STATUS_OK) return theirs;
    if (search->status == STATUS_OK) search->status = status;
    return false;
}

/* ---- erasing ---- */

static bool rewrite_record(void *context, enum record_kind kind, struct text bytes,
                           struct buffer *out) {
    return identity_rewrite(((struct row_search *)context)->erasure, (int)kind, bytes, out);
}

static enum status append_identity(struct engine *engine, const struct identity_result *result,
                                   struct error *error) {
    struct store_record record = {RECORD_IDENTITY, result->record};
    struct store_frame frame = {.records = &record,
                                .record_count = result->record.length > 0 ? 1 : 0};
    uint64_t position;
    enum status status = store_append(engine->store, &frame, true, &position, error);
    if (status == STATUS_OK)
        identity_commit(engine->identity);
    else
        identity_undo(engine->identity);
    return status;
}

static enum status suppress(struct engine *engine, const struct identity_erasure *erasure,
                            struct error *error) {
    struct identity_result result;
    enum status status =
        identity_suppress(engine->identity, erasure, store_position(engine->store), &result, error);
    if (status != STATUS_OK) return status;
    return append_identity(engine, &result, error);
}

static enum status erase_from_store(struct engine *engine, struct identity_erasure *erasure,
                                    const struct old_names *names, struct store_erased *erased,
                                    struct error *error) {
    struct row_search search;
    enum status status = row_search_begin(&search, engine, erasure);
    if (status != STATUS_OK)
        return error_set(error, status, "no memory to erase C%u", erasure->customer.value);
    struct store_erasure store = {
        .personas = erasure->personas,
        .persona_count = erasure->persona_count,
        .naming_type = EVENT_RELATED,
        .names_them = relation_names_them,
        .clean = search.kept_symbol != SYMBOL_NONE ? clean_event : NULL,
        .row_is_theirs = row_is_theirs,
        .rewrite = rewrite_record,
        .context = &search,
        .forgotten = names->count > 0 ? &names->forgotten : NULL,
    };
    known_rows_forget(engine);
    status = store_erase(engine->store, &store, erased, error);
    row_search_end(&search);
    if (status != STATUS_OK) return status;
    enum status missed = erasure->status != STATUS_OK ? erasure->status : search.status;
    if (missed == STATUS_OK) return STATUS_OK;
    return error_set(error, missed,
                     "some %s of C%u could not be rewritten (%s): nothing of it is proved erased; "
                     "erase it again",
                     erasure->status != STATUS_OK ? "links" : "rows", erasure->customer.value,
                     status_name(missed));
}

void erased_summary_release(struct erased_summary *out) {
    memory_free(out->leftovers);
    arena_release(&out->arena);
    out->leftovers = NULL;
    out->leftover_count = 0;
}

static enum status erase_now(struct engine *engine, struct customer_id customer,
                             struct erased_summary *out, struct error *error) {
    struct identity_erasure *erasure = NULL;
    struct store_erased erased = {0};
    enum status status = identity_erasure_create(&erasure, engine->identity, customer, error);
    struct old_names *names = status == STATUS_OK ? memory_alloc(sizeof *names) : NULL;
    if (status == STATUS_OK && names == NULL)
        status = error_set(error, STATUS_NO_MEMORY, "no memory to erase C%u", customer.value);
    if (status == STATUS_OK) status = old_names_find(engine, erasure->customer, names, error);
    if (status == STATUS_OK) status = suppress(engine, erasure, error);
    if (status == STATUS_OK) status = erase_from_store(engine, erasure, names, &erased, error);
    if (status == STATUS_OK) {
        out->events = erased.event_count;
        out->rows = erased.row_count;
        out->records = erased.record_count;
        out->identifiers = erasure->identifier_count;
        out->files = erased.files_rewritten;
        out->names = names->count;
        enum status told = leftovers_find(engine, erasure, out);
        status = identity_erase(engine->identity, erasure);
        /* A checkpoint that was removed lives on as long as it is mapped. */
        if (status == STATUS_OK) status = checkpoint_detach(engine->identity);
        if (status != STATUS_OK)
            status = error_set(error, status,
                               "C%u is erased, but there was no memory to judge the past anew: "
                               "open the directory again",
                               customer.value);
        else if (told != STATUS_OK)
            status = error_set(error, told,
                               "C%u is erased, but there was no memory to look for the customer in "
                               "lookups, playbooks and models",
                               customer.value);
    }
    past_forget(engine->past); /* base rates of then have changed */
    memory_free(names);
    identity_erasure_destroy(erasure);
    return status;
}

struct erase_call {
    struct customer_id customer;
    struct erased_summary *out;
};

static enum status call_erase(struct engine *engine, void *context, struct error *error) {
    const struct erase_call *wanted = context;
    return erase_now(engine, wanted->customer, wanted->out, error);
}

enum status engine_erase(struct engine *engine, struct customer_id customer,
                         struct erased_summary *out, struct error *error) {
    struct erase_call wanted = {customer, out};
    *out = (struct erased_summary){0};
    arena_init(&out->arena, SUMMARY_BYTES_MAX);
    return applier_call(engine->applier, call_erase, &wanted, error);
}

/* ---- a mistake taken back ---- */

static enum status welcome(struct engine *engine, uint32_t type, struct text value,
                           struct error *error) {
    struct identity_result result;
    enum status status = identity_welcome(engine->identity, type, value,
                                          store_position(engine->store), &result, error);
    return status == STATUS_OK ? append_identity(engine, &result, error) : status;
}

/* As it is spelled, and in both canonical forms, as it is turned away. */
static enum status welcome_forms(struct engine *engine, uint32_t type, struct text value,
                                 bool *lifted, struct error *error) {
    struct buffer form;
    buffer_init(&form);
    enum status status = STATUS_OK;
    *lifted = false;
    for (int round = 0; status == STATUS_OK && round < 3; round++) {
        struct text spelled = value;
        if (round > 0) {
            buffer_clear(&form);
            status =
                canonical_append(value, round == 1 ? CANONICAL_AS_WRITTEN : CANONICAL_SMALL, &form);
            if (status == STATUS_INVALID) status = STATUS_OK;
            spelled = buffer_text(&form);
        }
        if (status != STATUS_OK || !identity_is_suppressed(engine->identity, type, spelled))
            continue;
        status = welcome(engine, type, spelled, error);
        *lifted = status == STATUS_OK;
    }
    buffer_release(&form);
    return status;
}

struct lift {
    uint32_t type;
    struct text value;
    bool lifted;
};

static enum status lift(struct engine *engine, void *context, struct error *error) {
    struct lift *wanted = context;
    return welcome_forms(engine, wanted->type, wanted->value, &wanted->lifted, error);
}

enum status engine_lift(struct engine *engine, struct text identifier, struct error *error) {
    const char *colon =
        identifier.length > 0 ? memchr(identifier.at, ':', identifier.length) : NULL;
    if (colon == NULL)
        return error_set(error, STATUS_INVALID,
                         "say an identifier as TYPE:VALUE, for example email:%.*s",
                         TEXT_ARG(identifier));
    struct text type = {identifier.at, (uint32_t)(colon - identifier.at)};
    struct text value = {colon + 1, identifier.length - type.length - 1};
    uint32_t symbol = symbol_find(engine->symbols, SYMBOL_IDENTIFIER, type);
    struct lift wanted = {symbol, value, false};
    enum status status =
        symbol == SYMBOL_NONE ? STATUS_OK : applier_call(engine->applier, lift, &wanted, error);
    bool lifted = wanted.lifted;
    if (status != STATUS_OK || lifted) return status;
    return error_set(error, STATUS_NOT_FOUND,
                     "%.*s is not turned away: nobody erased it, or it was let in again",
                     TEXT_ARG(identifier));
}
