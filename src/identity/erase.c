/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/record.h"

/* Forgets a customer: its texts, the personas anchored at them, and every link that touches them.
 * Ids stay as holes: somebody else's persona that once held a shared cookie keeps the number, which
 * no longer means anything. */

static const struct view view_now = {INT64_MAX, UINT64_MAX, INT64_MAX, UINT64_MAX};

static int compare_ids(uint32_t a, uint32_t b) {
    return (a > b) - (a < b);
}

static bool id_is_in(const uint32_t *ids, size_t count, uint32_t id) {
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_ids(ids[middle], id);
        if (order == 0) return true;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

static bool has_identifier(const struct identity_erasure *erasure, uint32_t id) {
    return erasure->identifier_count > 0 &&
           id_is_in(&erasure->identifiers->value, erasure->identifier_count, id);
}

static bool has_persona(const struct identity_erasure *erasure, uint32_t id) {
    return erasure->persona_count > 0 &&
           id_is_in(&erasure->personas->value, erasure->persona_count, id);
}

struct capacities {
    size_t identifiers, personas;
};

static enum status collect_one(struct identity_erasure *erasure, uint32_t id,
                               struct capacities *capacities) {
    const struct identity *identity = erasure->identity;
    enum status status = memory_grow((void **)&erasure->identifiers, &capacities->identifiers,
                                     erasure->identifier_count + 1, sizeof(*erasure->identifiers));
    if (status) return status;
    erasure->identifiers[erasure->identifier_count++].value = id;
    for (uint32_t at = LOAD(node_at(identity, id)->personas); at;) {
        status = memory_grow((void **)&erasure->personas, &capacities->personas,
                             erasure->persona_count + 1, sizeof(*erasure->personas));
        if (status) return status;
        erasure->personas[erasure->persona_count++].value = at - 1;
        at = LOAD(persona_at(identity, at - 1)->next);
    }
    return STATUS_OK;
}

/* What counts for the customer by a claim goes with them. */
static enum status collect(struct identity_erasure *erasure) {
    const struct identity *identity = erasure->identity;
    uint32_t root = customer_root(identity, erasure->customer.value, &view_now);
    struct capacities capacities = {0};
    enum status status = STATUS_OK;
    erasure->customer.value = root;
    for (uint32_t id = root; !status && id != NONE;
         id = forest_next(&identity->forest, root, id, &view_now)) {
        uint32_t at = 0, device;
        status = collect_one(erasure, id, &capacities);
        while (!status && LOAD(identity->claim_count) > 0 &&
               (device = claims_next_device(identity, id, &at, &view_now)) != NONE)
            status = collect_one(erasure, device, &capacities);
    }
    if (status) return status;
    sort_ids(&erasure->identifiers->value, erasure->identifier_count);
    if (erasure->persona_count) sort_ids(&erasure->personas->value, erasure->persona_count);
    return STATUS_OK;
}

enum status identity_erasure_create(struct identity_erasure **out, struct identity *identity,
                                    struct customer_id customer, struct error *error) {
    bool is_there = customer.value < key_table_count(&identity->identifiers) &&
                    !(LOAD(node_at(identity, customer.value)->flags) & NODE_ERASED);
    if (!is_there)
        return error_set(error, STATUS_NOT_FOUND, "there is no customer C%u", customer.value);
    struct identity_erasure *erasure = memory_calloc(1, sizeof(*erasure));
    if (!erasure)
        return error_set(error, STATUS_NO_MEMORY, "identity: %s", status_name(STATUS_NO_MEMORY));
    erasure->identity = identity;
    erasure->customer = customer;
    enum status status = collect(erasure);
    if (status) {
        identity_erasure_destroy(erasure);
        return error_set(error, status, "identity: %s", status_name(status));
    }
    *out = erasure;
    return STATUS_OK;
}

void identity_erasure_destroy(struct identity_erasure *erasure) {
    if (!erasure) return;
    memory_free(erasure->identifiers);
    memory_free(erasure->personas);
    memory_free(erasure);
}

/* ---- the bytes ---- */

/* Is the erased customer called so, or is somebody else called by the customer's name? */
static bool waits_for(const struct identity_erasure *erasure, const struct record_entry *entry) {
    const struct identity *identity = erasure->identity;
    uint32_t id;
    if (has_identifier(erasure, entry->link.strong)) return true;
    for (uint32_t type = 0; type < IDENTIFIER_TYPES_MAX; type++) {
        struct key key = {(uint8_t)type, entry->value};
        if (type != entry->type && !guards_now(identity)[type].present) continue;
        if (key_table_find(&identity->identifiers, key, key_hash(key), &id) &&
            has_identifier(erasure, id))
            return true;
    }
    return false;
}

/* Writes what takes the entry's place; false where nothing does. */
static bool replace_entry(const struct identity_erasure *erasure, struct record_entry *entry,
                          uint32_t *identifier, uint32_t *persona, bool *changed) {
    bool is_theirs = false;
    switch (entry->tag) {
    case ENTRY_IDENTIFIER_HOLE: (*identifier)++; return true;
    case ENTRY_PERSONA_HOLE: (*persona)++; return true;
    case ENTRY_IDENTIFIER:
        if (!has_identifier(erasure, (*identifier)++)) return true;
        *entry = (struct record_entry){.tag = ENTRY_IDENTIFIER_HOLE};
        return *changed = true;
    case ENTRY_PERSONA:
    case ENTRY_PUBLIC_PERSONA:
        if (!has_persona(erasure, (*persona)++)) return true;
        *entry = (struct record_entry){.tag = ENTRY_PERSONA_HOLE};
        return *changed = true;
    case ENTRY_LINK:
        is_theirs = has_identifier(erasure, entry->link.strong) ||
                    has_identifier(erasure, entry->link.weak);
        break;
    case ENTRY_CLAIM:
        is_theirs = has_identifier(erasure, entry->claim.device) ||
                    has_identifier(erasure, entry->claim.target);
        break;
    case ENTRY_CLAIM_WITHDRAWAL:
    case ENTRY_WITHDRAWAL:
        is_theirs = has_identifier(erasure, entry->withdrawal.a) ||
                    has_identifier(erasure, entry->withdrawal.b);
        break;
    case ENTRY_WAITING: is_theirs = waits_for(erasure, entry); break;
    case ENTRY_UNSUPPORT:
        is_theirs = has_identifier(erasure, entry->unsupport.a) ||
                    has_identifier(erasure, entry->unsupport.b);
        break;
    default: break;
    }
    *changed |= is_theirs;
    return !is_theirs;
}

static enum status rewrite(struct identity_erasure *erasure, struct text bytes, struct buffer *out,
                           bool *changed) {
    struct record_reader reader;
    struct record_entry entry;
    enum status status = record_open(&reader, bytes);
    if (!status) status = record_begin(out, reader.first_identifier, reader.first_persona);
    if (status) return status;
    uint32_t identifier = reader.first_identifier, persona = reader.first_persona;
    while ((status = record_next(&reader, &entry)) == STATUS_OK) {
        if (!replace_entry(erasure, &entry, &identifier, &persona, changed)) continue;
        status = record_put(out, &entry);
        if (status) return status;
    }
    return status == STATUS_END ? STATUS_OK : status;
}

bool identity_rewrite(void *context, int kind, struct text bytes, struct buffer *out) {
    struct identity_erasure *erasure = context;
    if (kind != IDENTITY_RECORD_KIND) return false;
    size_t length = out->length;
    bool changed = false;
    enum status status = rewrite(erasure, bytes, out, &changed);
    if (!status && changed) return true;
    out->length = length;
    if (status && !erasure->status) erasure->status = status;
    return false;
}

/* ---- memory ---- */

/* Marks the links of the erased identifiers; then each list that held some is walked once. Removing
 * them one by one would walk a kiosk's list for each link. */
static void mark_links(struct identity *identity, uint32_t id) {
    for (uint32_t at = LOAD(node_at(identity, id)->links); at;) {
        struct link *link = link_at(identity, at - 1);
        at = LOAD(*link_next(link, id));
        STORE(link->state, LINK_STATE_ERASED | LINK_WITHDRAWN);
        link->time_ms = link->known_ms = 0;
    }
}

static void drop_marked_links(struct identity *identity, uint32_t id) {
    struct node *node = node_at(identity, id);
    _Atomic uint32_t *cell = &node->links;
    uint32_t degree = 0;
    while (LOAD(*cell)) {
        struct link *link = link_at(identity, LOAD(*cell) - 1);
        if (LOAD(link->state) & LINK_STATE_ERASED) {
            STORE(*cell, LOAD(*link_next(link, id)));
            continue;
        }
        cell = link_next(link, id);
        degree++;
    }
    STORE(node->degree, degree);
}

static void drop_links(struct identity *identity, const struct identity_erasure *erasure,
                       bool seeded) {
    for (size_t i = 0; i < erasure->identifier_count; i++)
        mark_links(identity, erasure->identifiers[i].value);
    if (!seeded) { /* no memory to tell which lists: all */
        uint32_t count = key_table_count(&identity->identifiers);
        for (uint32_t id = 0; id < count; id++) drop_marked_links(identity, id);
        return;
    }
    /* The seeds are the erased identifiers and whoever has a link with one. */
    identity->stamp++;
    for (size_t i = 0; i < identity->seed_count; i++) {
        struct node_mark *mark = mark_at(identity, identity->seeds[i]);
        if (mark->stamp == identity->stamp) continue;
        mark->stamp = identity->stamp;
        drop_marked_links(identity, identity->seeds[i]);
    }
}

/* Only texts beyond ASCII were ever kept in another spelling. */
static bool has_spellings(struct text value) {
    for (uint32_t i = 0; i < value.length; i++) {
        if ((unsigned char)value.at[i] >= 0x80) return true;
    }
    return false;
}

static void erase_identifier(struct identity *identity, uint32_t id) {
    struct node *node = node_at(identity, id);
    STORE(node->personas, 0);
    STORE(*single_at(identity, id), 0);
    STORE(node->flags, LOAD(node->flags) | NODE_ERASED);
    struct key key = key_table_key(&identity->identifiers, id);
    if (key.text.at) waiting_erase_name(identity, key);
    bool spelled = key.text.at && has_spellings(key.text);
    key_table_wipe(&identity->identifiers, id);
    if (spelled) spelling_erase(&identity->spelling, id);
}

/* Erases withdrawals, too: they hold only ids and a time, but the record no longer has them. */
static void erase_withdrawals(struct identity *identity, const struct identity_erasure *erasure) {
    size_t kept = 0;
    for (size_t i = 0; i < identity->withdrawal_count; i++) {
        struct withdrawal withdrawal = identity->withdrawals[i];
        if (has_identifier(erasure, withdrawal.a) || has_identifier(erasure, withdrawal.b))
            continue;
        identity->withdrawals[kept++] = withdrawal;
    }
    identity->withdrawal_count = kept;
    withdrawals_index(identity, 0);
}

/* The ids themselves, and whoever they had a link with. */
static enum status add_seeds(struct identity *identity, const struct identity_erasure *erasure) {
    enum status status = STATUS_OK;
    for (size_t i = 0; !status && i < erasure->identifier_count; i++) {
        uint32_t id = erasure->identifiers[i].value;
        status = seed_add(identity, id);
        for (uint32_t at = LOAD(node_at(identity, id)->links); !status && at;) {
            struct link *link = link_at(identity, at - 1);
            status = seed_add(identity, link_other(link, id));
            at = LOAD(*link_next(link, id));
        }
    }
    return status;
}

enum status identity_erase(struct identity *identity, const struct identity_erasure *erasure) {
    uint64_t visible = LOAD(identity->visible);
    change_begin(identity, visible > 0 ? visible - 1 : 0);
    enum status status = add_seeds(identity, erasure);
    for (size_t i = 0; i < erasure->persona_count; i++) {
        STORE(*anchor_at(identity, erasure->personas[i].value), NONE);
        key_table_wipe(&identity->personas, erasure->personas[i].value);
    }
    summaries_clear(identity);
    drop_links(identity, erasure, status == STATUS_OK);
    for (size_t i = 0; i < erasure->identifier_count; i++)
        erase_identifier(identity, erasure->identifiers[i].value);
    waiting_erase_anchors(identity);
    claims_erase(identity, erasure);
    erase_withdrawals(identity, erasure);
    identity->first_withdrawal = identity->withdrawal_count; /* not to be undone */
    if (!status) status = judge_seeds(identity);
    if (status)
        identity_undo(identity);
    else
        identity_commit(identity);
    return status;
}
