/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/identity_internal.h"

/* Describes everything about a customer, for people. It holds the lock, which the applier holds
 * while a batch is open. */

static const struct view view_now = {INT64_MAX, UINT64_MAX, INT64_MAX, UINT64_MAX};

const char *link_verdict_text(enum link_verdict verdict) {
    static const char *const texts[LINK_VERDICT_COUNT] = {
        [LINK_ACCEPTED] = "joined",
        [LINK_LIMIT] = "more of one type than a customer may have",
        [LINK_UNIQUE] = "two values of a type of which a customer has one",
        [LINK_EXPIRED] = "unseen for longer than it holds",
        [LINK_RATE] = "more events in a day than one person makes",
        [LINK_SHARED] = "shared by thousands",
        [LINK_WITHDRAWN] = "withdrawn by hand",
        [LINK_CORRECTED] = "the row that said so was corrected",
        [LINK_CLAIM_CAPPED] = "more devices than may claim one customer",
        [LINK_CLAIM_LATER] = "the device counts by an earlier claim",
        [LINK_CLAIM_KNOWN] = "verified links say whose device it is",
    };
    return verdict < LINK_VERDICT_COUNT ? texts[verdict] : "unknown";
}

struct id_list {
    uint32_t *ids;
    size_t count, capacity;
};

static enum status id_list_add(struct id_list *list, uint32_t id) {
    enum status status =
        memory_grow((void **)&list->ids, &list->capacity, list->count + 1, sizeof(*list->ids));
    if (!status) list->ids[list->count++] = id;
    return status;
}

/* What is written and not yet durable is left out. */
static struct view view_shown(const struct identity *identity) {
    return view_of((struct as_of){INT64_MAX, LOAD(identity->visible)});
}

static enum status list_members(const struct identity *identity, uint32_t customer,
                                struct id_list *members) {
    const struct view view = view_shown(identity);
    uint32_t root = customer_root(identity, customer, &view);
    bool any_claims = LOAD(identity->claim_count) > 0;
    enum status status = STATUS_OK;
    for (uint32_t id = root; !status && id != NONE;
         id = forest_next(&identity->forest, root, id, &view)) {
        uint32_t at = 0, device;
        status = id_list_add(members, id);
        while (!status && any_claims &&
               (device = claims_next_device(identity, id, &at, &view)) != NONE)
            status = id_list_add(members, device);
    }
    if (!status) sort_ids(members->ids, members->count);
    return status;
}

static enum status list_personas(const struct identity *identity, const struct id_list *members,
                                 struct id_list *personas) {
    uint64_t shown = LOAD(identity->visible);
    enum status status = STATUS_OK;
    for (size_t i = 0; !status && i < members->count; i++) {
        for (uint32_t at = LOAD(node_at(identity, members->ids[i])->personas); !status && at;) {
            const struct persona_row *row = persona_at(identity, at - 1);
            if (LOAD(row->position) < shown) status = id_list_add(personas, at - 1);
            at = LOAD(row->next);
        }
    }
    if (!status) sort_ids(personas->ids, personas->count);
    return status;
}

static bool holds(const struct id_list *members, uint32_t id) {
    size_t low = 0, high = members->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (members->ids[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < members->count && members->ids[low] == id;
}

static const struct link *link_of(const struct identity *identity, uint32_t id) {
    return link_at(identity, id);
}

static enum status list_links(const struct identity *identity, const struct id_list *members,
                              struct id_list *links) {
    enum status status = STATUS_OK;
    for (size_t i = 0; !status && i < members->count; i++) {
        uint32_t id = members->ids[i];
        for (uint32_t at = LOAD(node_at(identity, id)->links); !status && at;) {
            uint32_t link_id = at - 1;
            struct link *link = link_at(identity, link_id);
            at = LOAD(*link_next(link, id));
            if (link->position >= LOAD(identity->visible)) continue;
            if (!link->flags && link->strong != id && holds(members, link->strong)) continue;
            status = id_list_add(links, link_id);
        }
    }
    if (!status) sort_links(identity, links->ids, links->count, link_of);
    return status;
}

/* Those that a member makes, or that are made on a member by a device that is none. */
static void visit_claims(const struct identity *identity, const struct id_list *members,
                         const struct identity_visitor *visitor) {
    const struct view view = view_shown(identity);
    for (size_t i = 0; i < members->count && LOAD(identity->claim_count) > 0; i++) {
        uint32_t id = members->ids[i];
        for (uint32_t at = LOAD(*claim_head_at(identity, id)); at;) {
            struct claim *claim = claim_at(identity, at - 1);
            struct identity_link link;
            uint32_t claim_id = at - 1;
            bool is_made = claim->device == id;
            at = LOAD(*claim_next(claim, id));
            if (!claim_is_there(claim, &view) || (!is_made && holds(members, claim->device)))
                continue;
            claim_describe(identity, claim_id, &view, &link);
            visitor->link(visitor->context, &link);
        }
    }
}

static void visit_persona(const struct identity *identity, uint32_t persona,
                          const struct identity_visitor *visitor) {
    struct identifier_id ids[EVENT_IDENTIFIERS_MAX];
    struct key key = key_table_key(&identity->personas, persona);
    uint32_t count = key.text.length / (uint32_t)sizeof(ids[0]);
    if (count > EVENT_IDENTIFIERS_MAX) return;
    if (count) memcpy(ids, key.text.at, count * sizeof(ids[0]));
    struct identifier_id anchor = {LOAD(*anchor_at(identity, persona))};
    visitor->persona(visitor->context, (struct persona_id){persona}, anchor, ids, count);
}

static void visit_link(const struct identity *identity, uint32_t link_id,
                       const struct identity_visitor *visitor) {
    const struct link *link = link_at(identity, link_id);
    struct identity_link out = {
        .strong = {link->strong},
        .weak = {link->weak},
        .source = link->source,
        .rule = identity->intake[identifier_type(identity, link->weak)].rule,
        .weight = link->weight,
        .time_ms = link->time_ms,
        .known_ms = link->known_ms,
        .position = link->position,
        .verdict = link_verdict(link),
        .blamed_type = SYMBOL_NONE,
    };
    bool blames = out.verdict != LINK_ACCEPTED && out.verdict != LINK_WITHDRAWN &&
                  out.verdict != LINK_CORRECTED;
    if (blames) out.blamed_type = (LOAD(link->state) & LINK_STATE_BLAMED) >> 8;
    visitor->link(visitor->context, &out);
}

static void visit_all(const struct identity *identity, const struct identity_visitor *visitor,
                      const struct id_list *members, const struct id_list *personas,
                      const struct id_list *links) {
    for (size_t i = 0; visitor->identifier && i < members->count; i++) {
        struct key key = key_table_key(&identity->identifiers, members->ids[i]);
        visitor->identifier(visitor->context, (struct identifier_id){members->ids[i]}, key.prefix,
                            key.text);
    }
    for (size_t i = 0; visitor->persona && i < personas->count; i++)
        visit_persona(identity, personas->ids[i], visitor);
    for (size_t i = 0; visitor->link && i < links->count; i++) {
        bool is_twice =
            i > 0 && links->ids[i] == links->ids[i - 1]; /* never judged: found from both ends */
        if (!is_twice) visit_link(identity, links->ids[i], visitor);
    }
    if (visitor->link) visit_claims(identity, members, visitor);
}

enum status identity_describe(struct identity *identity, struct customer_id customer,
                              const struct identity_visitor *visitor) {
    struct id_list members = {0}, personas = {0}, links = {0};
    pthread_mutex_lock(&identity->lock);
    enum status status = STATUS_NOT_FOUND;
    bool is_there = customer.value < key_table_count(&identity->identifiers) &&
                    LOAD(node_at(identity, customer.value)->position) < LOAD(identity->visible);
    if (is_there) status = list_members(identity, customer.value, &members);
    if (!status) status = list_personas(identity, &members, &personas);
    if (!status) status = list_links(identity, &members, &links);
    if (!status) visit_all(identity, visitor, &members, &personas, &links);
    pthread_mutex_unlock(&identity->lock);
    memory_free(members.ids);
    memory_free(personas.ids);
    memory_free(links.ids);
    return status;
}

static enum status put_identifier(const struct identity *identity, const struct symbols *symbols,
                                  uint32_t id, struct buffer *out) {
    struct key key = key_table_key(&identity->identifiers, id);
    if (!key.text.at) return buffer_format(out, "an erased identifier");
    struct text type = symbol_text(symbols, SYMBOL_IDENTIFIER, key.prefix);
    return buffer_format(out, "%.*s:%.*s", TEXT_ARG(type), TEXT_ARG(key.text));
}

enum status identity_explain_link(const struct identity *identity, const struct symbols *symbols,
                                  const struct identity_link *link, struct buffer *out) {
    enum status status = put_identifier(identity, symbols, link->weak.value, out);
    bool counts = link->verdict == LINK_ACCEPTED;
    const char *verb = link->is_claim ? counts ? " counts for " : " does not count for "
                       : counts       ? " is joined to "
                                      : " is not joined to ";
    if (!status) status = buffer_append_text(out, text_from(verb));
    if (!status) status = put_identifier(identity, symbols, link->strong.value, out);
    if (!status && counts && link->is_claim)
        status = buffer_append_text(out, TEXT(": claimed by a public source"));
    if (status || counts) return status;
    status = buffer_format(out, ": %s", link_verdict_text(link->verdict));
    if (status || link->blamed_type == SYMBOL_NONE) return status;
    struct text type = symbol_text(symbols, SYMBOL_IDENTIFIER, link->blamed_type);
    return buffer_format(out, " (%.*s)", TEXT_ARG(type));
}

static enum status parse_number(const struct identity *identity, struct text digits,
                                struct as_of as_of, struct customer_id *customer) {
    int64_t number;
    enum status status = text_to_int64(digits, &number);
    if (status || number < 0 || number >= UINT32_MAX) return STATUS_NOT_FOUND;
    *customer = identity_customer_of(identity, (struct identifier_id){(uint32_t)number}, as_of);
    return customer->value == ID_NONE ? STATUS_NOT_FOUND : STATUS_OK;
}

enum status identity_parse_customer(const struct identity *identity, struct symbols *symbols,
                                    struct text text, struct as_of as_of,
                                    struct customer_id *customer, struct error *error) {
    const char *colon = text.length ? memchr(text.at, ':', text.length) : NULL;
    if (!colon) {
        struct text digits = {text.at + 1, text.length - 1};
        bool is_number = text.length > 1 && (text.at[0] == 'C' || text.at[0] == 'c') &&
                         digits.at[0] >= '0' && digits.at[0] <= '9';
        if (!is_number)
            return error_set(error, STATUS_INVALID,
                             "\"%.*s\" is no customer; write C123 or type:value, as email:a@b.org",
                             TEXT_ARG(text));
        if (parse_number(identity, digits, as_of, customer) == STATUS_OK) return STATUS_OK;
        return error_set(error, STATUS_NOT_FOUND, "there is no customer %.*s", TEXT_ARG(text));
    }
    struct text type = {text.at, (uint32_t)(colon - text.at)};
    struct text value = {colon + 1, text.length - type.length - 1};
    uint32_t symbol = symbol_find(symbols, SYMBOL_IDENTIFIER, type);
    if (symbol == SYMBOL_NONE)
        return error_set(error, STATUS_NOT_FOUND, "there is no identifier type \"%.*s\"",
                         TEXT_ARG(type));
    if (identity_find_customer(identity, symbol, value, as_of, customer) == STATUS_OK)
        return STATUS_OK;
    return error_set(error, STATUS_NOT_FOUND, "nobody has the %.*s \"%.*s\"", TEXT_ARG(type),
                     TEXT_ARG(value));
}

static uint64_t column_bytes(const struct column_store *column, size_t item_bytes) {
    return column->capacity * item_bytes;
}

void identity_stats(struct identity *identity, struct identity_stats *out) {
    pthread_mutex_lock(&identity->lock);
    *out = (struct identity_stats){
        .identifier_count = key_table_count(&identity->identifiers),
        .persona_count = key_table_count(&identity->personas),
    };
    for (uint32_t i = 0; i < identity->link_count; i++) {
        const struct link *link = link_at(identity, i);
        if (LOAD(link->state) & LINK_STATE_ERASED) continue;
        out->link_count++;
        out->refused_count += link_verdict(link) != LINK_ACCEPTED;
    }
    for (uint32_t id = 0; id < out->identifier_count; id++) {
        bool is_erased = LOAD(node_at(identity, id)->flags) & NODE_ERASED;
        out->customer_count += !is_erased && customer_root(identity, id, &view_now) == id;
    }
    for (uint32_t i = 0; i < key_table_count(&identity->suppressed); i++)
        out->suppressed_count += key_table_key(&identity->suppressed, i).text.at != NULL;
    out->bytes = identity->identifiers.bytes + identity->personas.bytes +
                 column_bytes(&identity->identifiers.places, sizeof(void *)) +
                 column_bytes(&identity->personas.places, sizeof(void *)) +
                 column_bytes(&identity->forest.heads, sizeof(uint32_t)) +
                 column_bytes(&identity->singles, sizeof(uint32_t)) +
                 column_bytes(&identity->anchors, sizeof(uint32_t)) +
                 column_bytes(&identity->forest.nodes, sizeof(struct node)) +
                 column_bytes(&identity->forest.edges, sizeof(struct edge)) +
                 column_bytes(&identity->persona_rows, sizeof(struct persona_row)) +
                 column_bytes(&identity->links, sizeof(struct link)) +
                 column_bytes(&identity->claim_heads, sizeof(uint32_t)) +
                 column_bytes(&identity->claims, sizeof(struct claim)) +
                 column_bytes(&identity->claim_withdrawals, sizeof(struct claim_withdrawal)) +
                 column_bytes(&identity->days, sizeof(struct day_count)) +
                 column_bytes(&identity->node_marks, sizeof(struct node_mark)) +
                 column_bytes(&identity->windows, sizeof(struct known_window));
    pthread_mutex_unlock(&identity->lock);
}
