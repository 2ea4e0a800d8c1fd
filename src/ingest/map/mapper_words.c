/* SPDX-License-Identifier: Apache-2.0 */
/* Reads what a row says about its person, also where it can't become an event. */
#include "base/memory.h"
#include "ingest/file/csv.h"
#include "ingest/map/mapper.h"
#include "ingest/map/segment.h"

static enum status give(const struct ingest_words *words, enum ingest_word_kind kind, uint32_t type,
                        struct text text) {
    struct ingest_word word = {kind, type, text_trim(text)};
    return word.text.length == 0 || words->visit(words->context, &word) ? STATUS_OK
                                                                        : STATUS_CANCELLED;
}

static enum status give_csv(struct mapper *mapper, const struct row *row,
                            const struct ingest_words *words, enum ingest_word_kind kind,
                            bool *unreadable) {
    struct cell *cells = memory_alloc(INGEST_FIELDS_MAX * sizeof *cells);
    if (cells == NULL) return STATUS_NO_MEMORY;
    uint32_t count = csv_split(mapper->row, mapper->plan->delimiter, row->flags & ROW_QUOTED,
                               &mapper->scratch, cells, INGEST_FIELDS_MAX);
    enum status status = count == CSV_NO_MEMORY ? STATUS_NO_MEMORY : STATUS_OK;
    *unreadable |= count == CSV_TOO_MANY;
    for (uint32_t i = 0; status == STATUS_OK && count <= INGEST_FIELDS_MAX && i < count; i++) {
        status = give(words, kind, SYMBOL_NONE, cells[i].text);
    }
    memory_free(cells);
    return status;
}

static enum status give_node(struct mapper *mapper, struct json_node node,
                             const struct ingest_words *words, enum ingest_word_kind kind) {
    enum json_type type = json_type(node);
    struct text text;
    if (type == JSON_ARRAY || type == JSON_OBJECT) {
        enum status status = STATUS_OK;
        struct json_iterator iterator = json_begin(node);
        while (status == STATUS_OK && json_next(&iterator)) {
            /* A map may have addresses as the names of its members. */
            if (type == JSON_OBJECT) status = give(words, WORD_FIELD, SYMBOL_NONE, iterator.key);
            if (status == STATUS_OK) status = give_node(mapper, iterator.node, words, kind);
        }
        return status;
    }
    if (type != JSON_TEXT && type != JSON_NUMBER) return STATUS_OK;
    struct cell cell = cell_from_json(node);
    enum status status = cell_text(&mapper->reader, &cell, &text);
    return status == STATUS_OK ? give(words, kind, SYMBOL_NONE, text) : status;
}

static enum status note_messages(struct mapper *mapper) {
    enum status status = STATUS_OK;
    struct segment_batch walk;
    segment_batch_begin(&walk, mapper);
    while (status == STATUS_OK && segment_batch_next(&walk)) {
        mapper->row = walk.text;
        status = mapper_read_message(mapper, walk.node);
        if (status == STATUS_OK) status = mapper_note_identifiers(mapper);
    }
    return status;
}

/* INVALID: they can't be told. */
static enum status give_identifiers(struct mapper *mapper, struct job *job, const struct row *row,
                                    struct event_batch *batch, const struct ingest_words *words) {
    event_batch_clear(batch);
    mapper->batch = batch;
    mapper->now_ms = job->now_ms;
    enum status status = mapper_read_row(mapper, job, row, false), given = STATUS_OK;
    if (status == STATUS_OK) {
        status = mapper->plan->is_segment && segment_is_batch(mapper)
                     ? note_messages(mapper)
                     : mapper_note_identifiers(mapper);
    }
    for (size_t i = 0; given == STATUS_OK && i < batch->identifier_count; i++) {
        const struct event_identifier *identifier = &batch->identifiers[i];
        given = give(words, WORD_IDENTIFIER, identifier->type,
                     event_batch_text(batch, identifier->offset, identifier->length));
    }
    return given == STATUS_OK ? status : given;
}

enum status mapper_words(struct mapper *mapper, struct job *job, const struct row *row,
                         struct event_batch *batch, const struct ingest_words *words,
                         bool *unreadable) {
    struct json_node root;
    struct error ignored;
    if (mapper->scratch.block) arena_clear(&mapper->scratch);
    if (row->flags & ROW_UNREADABLE & ~(uint32_t)ROW_GROUP_GONE) {
        *unreadable = true;
        return STATUS_OK;
    }
    enum status status = give_identifiers(mapper, job, row, batch, words);
    enum ingest_word_kind kind = status == STATUS_INVALID ? WORD_STRAY : WORD_FIELD;
    if (status != STATUS_OK && status != STATUS_INVALID) return status;
    mapper->row = (struct text){job->bytes.at + row->offset, row->length};
    if (mapper->plan->source->format == SOURCE_CSV)
        return give_csv(mapper, row, words, kind, unreadable);
    status = json_parse(mapper->json, mapper->row, &root, &ignored);
    if (status == STATUS_OK) return give_node(mapper, root, words, kind);
    *unreadable = true;
    return status == STATUS_NO_MEMORY ? status : STATUS_OK;
}
