/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/record.h"

#include "event/varint.h"

#define RECORD_FORMAT 3

/* An entry is written in one go: the fixed fields here, then the text of an identifier. */
struct draft {
    uint8_t bytes[EVENT_IDENTIFIERS_MAX * VARINT_BYTES_MAX + 64];
    size_t length;
};

static void draft_u64(struct draft *draft, uint64_t value) {
    draft->length += varint_write(draft->bytes + draft->length, value);
}

static void draft_bytes(struct draft *draft, const void *bytes, size_t length) {
    memcpy(draft->bytes + draft->length, bytes, length);
    draft->length += length;
}

static void draft_link(struct draft *draft, const struct link *link) {
    draft_u64(draft, link->strong);
    draft_u64(draft, link->weak);
    draft_u64(draft, link->source);
    draft_u64(draft, link->flags);
    draft_bytes(draft, &link->weight, sizeof(link->weight));
    draft_u64(draft, zigzag(link->time_ms));
    draft_u64(draft, zigzag((int64_t)((uint64_t)link->known_ms - (uint64_t)link->time_ms)));
}

static void draft_claim(struct draft *draft, const struct claim *claim) {
    draft_u64(draft, claim->device);
    draft_u64(draft, claim->target);
    draft_u64(draft, claim->source);
    draft_u64(draft, LOAD(claim->flags));
    draft_u64(draft, zigzag(claim->time_ms));
    draft_u64(draft, zigzag((int64_t)((uint64_t)claim->known_ms - (uint64_t)claim->time_ms)));
}

static void draft_withdrawal(struct draft *draft, const struct withdrawal *withdrawal) {
    draft_u64(draft, withdrawal->a);
    draft_u64(draft, withdrawal->b);
    draft_u64(draft, withdrawal->restore);
    draft_u64(draft, zigzag(withdrawal->known_ms));
}

static void draft_persona(struct draft *draft, const struct record_entry *entry) {
    draft_u64(draft, entry->id_count);
    uint32_t before = 0;
    for (uint32_t i = 0; i < entry->id_count; i++) {
        draft_u64(draft, entry->ids[i] - before);
        before = entry->ids[i];
    }
    draft_u64(draft, entry->anchor);
}

static void draft_guard(struct draft *draft, const struct record_entry *entry) {
    draft_u64(draft, entry->type);
    draft_u64(draft, entry->guard.per_customer);
    draft_u64(draft, entry->guard.priority);
    draft_u64(draft, zigzag(entry->guard.expires_ms));
    draft_u64(draft, entry->guard.unique);
}

static void draft_waiting(struct draft *draft, const struct record_entry *entry) {
    const struct link *said = &entry->link;
    draft_u64(draft, said->strong);
    draft_u64(draft, said->source);
    draft_u64(draft, zigzag(said->time_ms));
    draft_u64(draft, zigzag((int64_t)((uint64_t)said->known_ms - (uint64_t)said->time_ms)));
    draft_u64(draft, entry->type);
    draft_u64(draft, entry->value.length);
}

enum status record_begin(struct buffer *out, uint32_t first_identifier, uint32_t first_persona) {
    struct draft draft = {.length = 0};
    draft_u64(&draft, RECORD_FORMAT);
    draft_u64(&draft, first_identifier);
    draft_u64(&draft, first_persona);
    return buffer_append(out, draft.bytes, draft.length);
}

enum status record_put(struct buffer *out, const struct record_entry *entry) {
    struct draft draft = {.length = 0};
    draft_u64(&draft, entry->tag);
    switch (entry->tag) {
    case ENTRY_IDENTIFIER:
        draft_u64(&draft, entry->type);
        draft_u64(&draft, entry->value.length);
        break;
    case ENTRY_PERSONA: draft_persona(&draft, entry); break;
    case ENTRY_LINK: draft_link(&draft, &entry->link); break;
    case ENTRY_WITHDRAWAL:
    case ENTRY_CLAIM_WITHDRAWAL: draft_withdrawal(&draft, &entry->withdrawal); break;
    case ENTRY_PUBLIC_PERSONA: draft_u64(&draft, entry->anchor); break;
    case ENTRY_CLAIM: draft_claim(&draft, &entry->claim); break;
    case ENTRY_SUPPRESS:
    case ENTRY_WELCOME: draft_bytes(&draft, entry->suppressed.digest, DIGEST_BYTES); break;
    case ENTRY_SUPPRESS_MARKED:
        draft_bytes(&draft, entry->suppressed.digest, DIGEST_BYTES);
        draft_u64(&draft, entry->suppressed.mark);
        break;
    case ENTRY_GUARD: draft_guard(&draft, entry); break;
    case ENTRY_WAITING: draft_waiting(&draft, entry); break;
    case ENTRY_ERA: draft_u64(&draft, zigzag(entry->from_ms)); break;
    case ENTRY_ERA_GUARD:
        draft_guard(&draft, entry);
        draft_u64(&draft, entry->retroactive);
        break;
    case ENTRY_UNSUPPORT:
        draft_u64(&draft, entry->unsupport.a);
        draft_u64(&draft, entry->unsupport.b);
        draft_u64(&draft, zigzag(entry->unsupport.gone_ms));
        draft_u64(&draft, zigzag(entry->unsupport.before_ms));
        break;
    case ENTRY_IDENTIFIER_HOLE:
    case ENTRY_PERSONA_HOLE:
    case ENTRY_GUARDS:
    case ENTRY_TAG_END: break;
    }
    enum status status = buffer_reserve(out, draft.length + entry->value.length);
    if (status) return status;
    status = buffer_append(out, draft.bytes, draft.length);
    bool has_text = entry->tag == ENTRY_IDENTIFIER || entry->tag == ENTRY_WAITING;
    if (!status && has_text) status = buffer_append_text(out, entry->value);
    return status;
}

enum status record_add(struct identity *identity, const struct record_entry *entry) {
    if (identity->replaying) return STATUS_OK;
    if (identity->record.length == 0) {
        enum status status =
            record_begin(&identity->record, identity->first_identifier, identity->first_persona);
        if (status) return status;
    }
    return record_put(&identity->record, entry);
}

static bool read_u64(struct record_reader *reader, uint64_t max, uint64_t *value) {
    return varint_read(&reader->at, reader->end, value) && *value <= max;
}

static bool read_u32(struct record_reader *reader, uint32_t *value) {
    uint64_t wide;
    if (!read_u64(reader, UINT32_MAX - 1, &wide)) return false;
    *value = (uint32_t)wide;
    return true;
}

static bool read_i64(struct record_reader *reader, int64_t *value) {
    uint64_t raw;
    if (!varint_read(&reader->at, reader->end, &raw)) return false;
    *value = unzigzag(raw);
    return true;
}

static bool read_bytes(struct record_reader *reader, void *out, size_t length) {
    if ((size_t)(reader->end - reader->at) < length) return false;
    memcpy(out, reader->at, length);
    reader->at += length;
    return true;
}

enum status record_open(struct record_reader *reader, struct text bytes) {
    *reader = (struct record_reader){.at = (const uint8_t *)bytes.at};
    reader->end = reader->at + bytes.length;
    uint64_t format;
    if (bytes.length == 0 || !varint_read(&reader->at, reader->end, &format)) return STATUS_CORRUPT;
    if (format > RECORD_FORMAT) return STATUS_VERSION;
    if (format == 0) return STATUS_CORRUPT;
    if (!read_u32(reader, &reader->first_identifier)) return STATUS_CORRUPT;
    return read_u32(reader, &reader->first_persona) ? STATUS_OK : STATUS_CORRUPT;
}

static bool read_identifier(struct record_reader *reader, struct record_entry *entry) {
    uint64_t type, length;
    if (!read_u64(reader, IDENTIFIER_TYPES_MAX - 1, &type)) return false;
    if (!read_u64(reader, IDENTIFIER_BYTES_MAX, &length)) return false;
    if ((uint64_t)(reader->end - reader->at) < length) return false;
    entry->type = (uint8_t)type;
    entry->value = (struct text){(const char *)reader->at, (uint32_t)length};
    reader->at += length;
    return true;
}

static bool read_persona(struct record_reader *reader, struct record_entry *entry) {
    uint64_t count;
    if (!read_u64(reader, EVENT_IDENTIFIERS_MAX, &count) || count == 0) return false;
    entry->id_count = (uint32_t)count;
    uint64_t id = 0;
    for (uint32_t i = 0; i < entry->id_count; i++) {
        uint32_t step;
        if (!read_u32(reader, &step) || (i > 0 && step == 0)) return false;
        id += step;
        if (id >= UINT32_MAX) return false;
        entry->ids[i] = (uint32_t)id;
    }
    return read_u32(reader, &entry->anchor);
}

/* So that differences of times can't overflow. */
static bool time_is_sane(int64_t time_ms) {
    return time_ms >= TIME_ALWAYS && time_ms <= TIME_NEVER;
}

static bool read_link(struct record_reader *reader, struct link *link) {
    uint64_t source, flags;
    int64_t delay;
    *link = (struct link){.strong = 0};
    if (!read_u32(reader, &link->strong) || !read_u32(reader, &link->weak)) return false;
    if (!read_u64(reader, UINT16_MAX, &source) || !read_u64(reader, LINK_NEVER_JUDGED, &flags))
        return false;
    if (!read_bytes(reader, &link->weight, sizeof(link->weight))) return false;
    if (!read_i64(reader, &link->time_ms) || !read_i64(reader, &delay)) return false;
    link->source = (uint16_t)source;
    link->flags = (uint8_t)flags;
    link->known_ms = (int64_t)((uint64_t)link->time_ms + (uint64_t)delay);
    return link->strong != link->weak && time_is_sane(link->time_ms) &&
           time_is_sane(link->known_ms);
}

static bool read_waiting(struct record_reader *reader, struct record_entry *entry) {
    struct link *said = &entry->link;
    uint64_t source;
    int64_t delay;
    *said = (struct link){.strong = 0};
    if (!read_u32(reader, &said->strong) || !read_u64(reader, UINT16_MAX, &source)) return false;
    if (!read_i64(reader, &said->time_ms) || !read_i64(reader, &delay)) return false;
    said->source = (uint16_t)source;
    said->known_ms = (int64_t)((uint64_t)said->time_ms + (uint64_t)delay);
    return time_is_sane(said->time_ms) && time_is_sane(said->known_ms) &&
           read_identifier(reader, entry);
}

static bool read_withdrawal(struct record_reader *reader, struct withdrawal *withdrawal) {
    uint64_t restore;
    if (!read_u32(reader, &withdrawal->a) || !read_u32(reader, &withdrawal->b)) return false;
    if (!read_u64(reader, 1, &restore) || !read_i64(reader, &withdrawal->known_ms)) return false;
    withdrawal->restore = restore == 1;
    return withdrawal->a != withdrawal->b && time_is_sane(withdrawal->known_ms);
}

static bool read_public_persona(struct record_reader *reader, struct record_entry *entry) {
    entry->id_count = 1;
    if (!read_u32(reader, &entry->anchor)) return false;
    entry->ids[0] = entry->anchor;
    return true;
}

static bool read_claim(struct record_reader *reader, struct claim *claim) {
    uint64_t source, flags;
    int64_t delay;
    *claim = (struct claim){.device = 0};
    if (!read_u32(reader, &claim->device) || !read_u32(reader, &claim->target)) return false;
    if (!read_u64(reader, UINT16_MAX, &source) || !read_u64(reader, CLAIM_CAPPED, &flags))
        return false;
    if (!read_i64(reader, &claim->time_ms) || !read_i64(reader, &delay)) return false;
    claim->source = (uint16_t)source;
    STORE(claim->flags, (uint8_t)flags);
    claim->known_ms = (int64_t)((uint64_t)claim->time_ms + (uint64_t)delay);
    return claim->device != claim->target && time_is_sane(claim->time_ms) &&
           time_is_sane(claim->known_ms);
}

static bool read_guard(struct record_reader *reader, struct record_entry *entry) {
    uint64_t type, unique;
    struct guard *guard = &entry->guard;
    *guard = (struct guard){.present = true};
    if (!read_u64(reader, IDENTIFIER_TYPES_MAX - 1, &type) ||
        !read_u32(reader, &guard->per_customer))
        return false;
    if (!read_u32(reader, &guard->priority) || !read_i64(reader, &guard->expires_ms)) return false;
    if (!read_u64(reader, 1, &unique)) return false;
    entry->type = (uint8_t)type;
    guard->unique = unique == 1;
    return guard->expires_ms >= 0 && guard->expires_ms <= EXPIRES_MAX_MS;
}

static bool read_suppressed(struct record_reader *reader, bool marked,
                            struct suppressed *suppressed) {
    suppressed->mark = 0;
    if (!read_bytes(reader, suppressed->digest, DIGEST_BYTES)) return false;
    if (!marked) return true;
    return read_u64(reader, UINT64_MAX, &suppressed->mark) && suppressed->mark != 0;
}

static bool read_era(struct record_reader *reader, struct record_entry *entry) {
    return read_i64(reader, &entry->from_ms) &&
           (entry->from_ms == INT64_MIN || time_is_sane(entry->from_ms));
}

static bool read_era_guard(struct record_reader *reader, struct record_entry *entry) {
    uint64_t retroactive;
    if (!read_guard(reader, entry) || !read_u64(reader, 1, &retroactive)) return false;
    entry->retroactive = retroactive == 1;
    return true;
}

static bool read_unsupport(struct record_reader *reader, struct unsupport *unsupport) {
    if (!read_u32(reader, &unsupport->a) || !read_u32(reader, &unsupport->b)) return false;
    if (!read_i64(reader, &unsupport->gone_ms) || !read_i64(reader, &unsupport->before_ms))
        return false;
    return unsupport->a < unsupport->b && time_is_sane(unsupport->gone_ms);
}

static bool read_fields(struct record_reader *reader, struct record_entry *entry) {
    switch (entry->tag) {
    case ENTRY_IDENTIFIER: return read_identifier(reader, entry);
    case ENTRY_PERSONA: return read_persona(reader, entry);
    case ENTRY_LINK: return read_link(reader, &entry->link);
    case ENTRY_WITHDRAWAL:
        return read_withdrawal(reader, &entry->withdrawal) &&
               entry->withdrawal.a < entry->withdrawal.b;
    case ENTRY_CLAIM_WITHDRAWAL: return read_withdrawal(reader, &entry->withdrawal);
    case ENTRY_PUBLIC_PERSONA: return read_public_persona(reader, entry);
    case ENTRY_CLAIM: return read_claim(reader, &entry->claim);
    case ENTRY_SUPPRESS:
    case ENTRY_WELCOME: return read_suppressed(reader, false, &entry->suppressed);
    case ENTRY_SUPPRESS_MARKED: return read_suppressed(reader, true, &entry->suppressed);
    case ENTRY_GUARD: return read_guard(reader, entry);
    case ENTRY_WAITING: return read_waiting(reader, entry);
    case ENTRY_ERA: return read_era(reader, entry);
    case ENTRY_ERA_GUARD: return read_era_guard(reader, entry);
    case ENTRY_UNSUPPORT: return read_unsupport(reader, &entry->unsupport);
    case ENTRY_IDENTIFIER_HOLE:
    case ENTRY_PERSONA_HOLE:
    case ENTRY_GUARDS: return true;
    case ENTRY_TAG_END: break;
    }
    return false;
}

enum status record_next(struct record_reader *reader, struct record_entry *entry) {
    if (reader->at == reader->end) return STATUS_END;
    uint64_t tag;
    if (!read_u64(reader, ENTRY_TAG_END - 1, &tag)) return STATUS_CORRUPT;
    entry->tag = (enum record_tag)tag;
    entry->value = (struct text){0};
    return read_fields(reader, entry) ? STATUS_OK : STATUS_CORRUPT;
}
