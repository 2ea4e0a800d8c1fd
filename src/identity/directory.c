/* SPDX-License-Identifier: Apache-2.0 */
#include "identity/identity_internal.h"

/* Answers readers' questions. Nothing here locks or allocates: a walk is repeated where an undo
 * came between. */

static const struct identity *self(const struct customer_directory *directory) {
    return (const struct identity *)(const void *)directory;
}

static struct as_of pinned(const struct identity *identity, struct as_of as_of) {
    if (as_of.position == POSITION_NOW) as_of.position = LOAD(identity->visible);
    return as_of;
}

static uint32_t read_begin(const struct identity *identity) {
    return LOAD(identity->forest.undo_epoch);
}

static bool read_is_whole(const struct identity *identity, uint32_t epoch) {
    return (epoch & 1) == 0 && LOAD(identity->forest.undo_epoch) == epoch;
}

/* Personas stand in order of their positions. */
static uint32_t persona_count_at(const struct identity *identity, uint64_t position) {
    uint32_t low = 0, high = key_table_count(&identity->personas);
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (LOAD(persona_at(identity, middle)->position) < position)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static uint32_t persona_count(const struct customer_directory *directory, uint64_t position) {
    const struct identity *identity = self(directory);
    if (position == POSITION_NOW) return LOAD(identity->visible_personas);
    uint32_t epoch, count;
    do {
        epoch = read_begin(identity);
        count = persona_count_at(identity, position);
    } while (!read_is_whole(identity, epoch));
    return count;
}

static struct customer_id customer_of(const struct customer_directory *directory,
                                      struct persona_id persona, struct as_of as_of) {
    const struct identity *identity = self(directory);
    struct customer_id customer;
    uint32_t epoch;
    do {
        epoch = read_begin(identity);
        if (persona.value >= key_table_count(&identity->personas))
            return (struct customer_id){ID_NONE};
        struct view view = view_of(pinned(identity, as_of));
        uint32_t anchor = LOAD(*anchor_at(identity, persona.value));
        customer.value = anchor == NONE ? ID_NONE : customer_root(identity, anchor, &view);
    } while (!read_is_whole(identity, epoch));
    return customer;
}

struct persona_list {
    struct persona_id *out;
    uint32_t count, max;
};

static void list_anchored(const struct identity *identity, uint32_t id, const struct view *view,
                          struct persona_list *list) {
    for (uint32_t at = LOAD(node_at(identity, id)->personas); at;) {
        const struct persona_row *row = persona_at(identity, at - 1);
        if (LOAD(row->position) < view->position) {
            if (list->count < list->max) list->out[list->count].value = at - 1;
            list->count++;
        }
        at = LOAD(row->next);
    }
}

/* Those of claims stand last: what is written to the customer, such as a decision, hangs on the
 * first one, and must not leave with a device. */
static uint32_t list_personas(const struct identity *identity, uint32_t root,
                              const struct view *view, struct persona_id *out, uint32_t max) {
    struct persona_list list = {out, 0, max};
    const struct forest *forest = &identity->forest;
    for (uint32_t id = root; id != NONE; id = forest_next(forest, root, id, view))
        list_anchored(identity, id, view, &list);
    if (LOAD(identity->claim_count) == 0) return list.count;
    for (uint32_t id = root; id != NONE; id = forest_next(forest, root, id, view)) {
        uint32_t at = 0, device;
        while ((device = claims_next_device(identity, id, &at, view)) != NONE)
            list_anchored(identity, device, view, &list);
    }
    return list.count;
}

static uint32_t personas_of(const struct customer_directory *directory, struct customer_id customer,
                            struct as_of as_of, struct persona_id *out, uint32_t max) {
    const struct identity *identity = self(directory);
    uint32_t epoch, count;
    do {
        epoch = read_begin(identity);
        if (customer.value >= key_table_count(&identity->identifiers)) return 0;
        struct view view = view_of(pinned(identity, as_of));
        uint32_t root = customer_root(identity, customer.value, &view);
        count = list_personas(identity, root, &view, out, max);
    } while (!read_is_whole(identity, epoch));
    return count;
}

/* Anchors, nodes and edges lie apart: each is fetched for a stretch of personas before any of them
 * is walked. */
#define SNAPSHOT_BLOCK   4096
#define SNAPSHOT_STRETCH 64
static void snapshot_block(const struct identity *identity, const struct view *view,
                           uint32_t *customer, uint32_t first, uint32_t end) {
    const struct forest *forest = &identity->forest;
    for (uint32_t start = first, stop; start < end; start = stop) {
        stop = end - start < SNAPSHOT_STRETCH ? end : start + SNAPSHOT_STRETCH;
        for (uint32_t i = start; i < stop; i++) {
            customer[i] = LOAD(*anchor_at(identity, i));
            if (customer[i] != NONE) __builtin_prefetch(forest_head(forest, customer[i]));
        }
        for (uint32_t i = start; i < stop; i++) {
            uint32_t edge = customer[i] == NONE ? 0 : LOAD(*forest_head(forest, customer[i]));
            if (edge) __builtin_prefetch(forest_edge(forest, edge - 1));
        }
        for (uint32_t i = start; i < stop; i++) {
            if (customer[i] != NONE) customer[i] = customer_root(identity, customer[i], view);
        }
    }
}

static void snapshot(const struct customer_directory *directory, struct as_of as_of,
                     uint32_t *customer, uint32_t count) {
    const struct identity *identity = self(directory);
    struct view view = view_of(pinned(identity, as_of));
    for (uint32_t first = 0; first < count; first += SNAPSHOT_BLOCK) {
        uint32_t block_end = count - first < SNAPSHOT_BLOCK ? count : first + SNAPSHOT_BLOCK, epoch;
        do {
            epoch = read_begin(identity);
            uint32_t known = key_table_count(&identity->personas);
            uint32_t end = block_end < known ? block_end : known;
            snapshot_block(identity, &view, customer, first, end);
            for (uint32_t i = end > first ? end : first; i < block_end; i++) customer[i] = ID_NONE;
        } while (!read_is_whole(identity, epoch));
    }
}

const struct customer_directory_ops identity_directory_ops = {
    .persona_count = persona_count,
    .customer_of = customer_of,
    .personas_of = personas_of,
    .snapshot = snapshot,
};

const struct customer_directory *identity_directory(const struct identity *identity) {
    return &identity->directory;
}

struct persona_id identity_persona_any(const struct identity *identity, struct customer_id customer,
                                       struct as_of as_of) {
    struct persona_id persona = {ID_NONE};
    personas_of(&identity->directory, customer, as_of, &persona, 1);
    return persona;
}

struct customer_id identity_customer_of(const struct identity *identity,
                                        struct identifier_id identifier, struct as_of as_of) {
    struct customer_id customer = {ID_NONE};
    struct view view = view_of(pinned(identity, as_of));
    uint32_t epoch;
    do {
        epoch = read_begin(identity);
        if (identifier.value >= key_table_count(&identity->identifiers))
            return (struct customer_id){ID_NONE};
        const struct node *node = node_at(identity, identifier.value);
        bool is_there = LOAD(node->position) < view.position && !(LOAD(node->flags) & NODE_ERASED);
        customer.value = is_there ? customer_root(identity, identifier.value, &view) : ID_NONE;
    } while (!read_is_whole(identity, epoch));
    return customer;
}

struct identifier_list {
    struct identifier_id *out;
    uint32_t count, max;
};

static void list_identifier(const struct identity *identity, uint32_t id, const struct view *view,
                            struct identifier_list *list) {
    const struct node *node = node_at(identity, id);
    if (LOAD(node->position) >= view->position || LOAD(node->flags) & NODE_ERASED) return;
    if (list->count < list->max) list->out[list->count].value = id;
    list->count++;
}

static uint32_t list_identifiers(const struct identity *identity, uint32_t root,
                                 const struct view *view, struct identifier_id *out, uint32_t max) {
    struct identifier_list list = {out, 0, max};
    bool any_claims = LOAD(identity->claim_count) > 0;
    for (uint32_t id = root; id != NONE; id = forest_next(&identity->forest, root, id, view)) {
        uint32_t at = 0, device;
        list_identifier(identity, id, view, &list);
        while (any_claims && (device = claims_next_device(identity, id, &at, view)) != NONE)
            list_identifier(identity, device, view, &list);
    }
    return list.count;
}

uint32_t identity_identifiers_of(const struct identity *identity, struct customer_id customer,
                                 struct as_of as_of, struct identifier_id *out, uint32_t max) {
    uint32_t epoch, count;
    do {
        epoch = read_begin(identity);
        if (customer.value >= key_table_count(&identity->identifiers)) return 0;
        struct view view = view_of(pinned(identity, as_of));
        uint32_t root = customer_root(identity, customer.value, &view);
        count = list_identifiers(identity, root, &view, out, max);
    } while (!read_is_whole(identity, epoch));
    return count;
}

static bool find_key(const struct identity *identity, struct key key, uint32_t *id) {
    uint64_t hash = key_hash(key);
    return key_table_find(&identity->identifiers, key, hash, id) ||
           spelling_alias(&identity->spelling, key, hash, id);
}

static enum status find_spelled(const struct identity *identity, struct key key, struct as_of then,
                                struct identifier_id *identifier) {
    enum status status;
    uint32_t epoch;
    do {
        epoch = read_begin(identity);
        status = STATUS_NOT_FOUND;
        if (find_key(identity, key, &identifier->value) &&
            LOAD(node_at(identity, identifier->value)->position) < then.position)
            status = STATUS_OK;
    } while (!read_is_whole(identity, epoch));
    return status;
}

/* Looks the identifier up as it is spelled, since older programs stored other spellings, then in
 * its canonical form. */
enum status identity_find(const struct identity *identity, uint32_t type, struct text value,
                          struct as_of as_of, struct identifier_id *identifier) {
    if (type >= IDENTIFIER_TYPES_MAX) return STATUS_NOT_FOUND;
    struct as_of then = pinned(identity, as_of);
    enum status status =
        find_spelled(identity, (struct key){(uint8_t)type, value}, then, identifier);
    if (status == STATUS_OK) return status;
    struct buffer form;
    buffer_init(&form);
    bool is_form = canonical_append(value, spelling_letters(&identity->spelling, (uint8_t)type),
                                    &form) == STATUS_OK;
    struct key key = {(uint8_t)type, buffer_text(&form)};
    if (is_form && !text_equal(key.text, value))
        status = find_spelled(identity, key, then, identifier);
    buffer_release(&form);
    return status;
}

enum status identity_find_customer(const struct identity *identity, uint32_t type,
                                   struct text value, struct as_of as_of,
                                   struct customer_id *customer) {
    struct identifier_id identifier;
    enum status status = identity_find(identity, type, value, as_of, &identifier);
    if (status) return status;
    *customer = identity_customer_of(identity, identifier, as_of);
    return customer->value == ID_NONE ? STATUS_NOT_FOUND : STATUS_OK;
}

uint32_t identity_persona_identifiers(const struct identity *identity, struct persona_id persona,
                                      struct identifier_id *out, uint32_t max) {
    if (persona.value >= key_table_count(&identity->personas)) return 0;
    struct key key = key_table_key(&identity->personas, persona.value);
    uint32_t count = key.text.at != NULL ? key.text.length / (uint32_t)sizeof(uint32_t) : 0;
    for (uint32_t i = 0; i < count && i < max; i++)
        memcpy(&out[i].value, key.text.at + i * sizeof(uint32_t), sizeof(uint32_t));
    return count < max ? count : max;
}

struct text identity_identifier(const struct identity *identity, struct identifier_id identifier,
                                uint32_t *type) {
    *type = SYMBOL_NONE;
    if (identifier.value >= key_table_count(&identity->identifiers)) return (struct text){0};
    struct key key = key_table_key(&identity->identifiers, identifier.value);
    if (key.text.at) *type = key.prefix;
    return key.text;
}
