/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/identity/world.h -- an identity with the usual types, and one-line events. */
#ifndef TESTS_UNIT_IDENTITY_WORLD_H
#define TESTS_UNIT_IDENTITY_WORLD_H

#include "support/unit.h"

#include "base/memory.h"
#include "base/time.h"
#include "identity/identity.h"

enum { CRM, LOYALTY, EMAIL, COOKIE, TYPE_COUNT };
#define DAY TIME_DAY_MS

struct identity_world {
    struct identity *identity;
    struct symbols *symbols;
    struct event_batch batch;
    struct identity_result result;
    struct buffer changes; /* "C3>C0 " merged, "C3<C0 " split, of the last commit */
    struct identifier_rule rules[TYPE_COUNT];
    uint64_t position;
};

static const char *const type_names[TYPE_COUNT] = {"crm", "loyalty", "email", "cookie"};

static inline uint32_t type_of(struct text text) {
    for (uint32_t i = 0; i < TYPE_COUNT; i++) {
        if (text_equal(text, text_from(type_names[i]))) return i;
    }
    fail_msg("no type %.*s", TEXT_ARG(text));
    return 0;
}

static inline void world_set_rules(struct identity_world *world) {
    assert_int_equal(identity_set_rules(world->identity, world->rules, TYPE_COUNT, 0,
                                        world->position, &world->result, NULL),
                     STATUS_OK);
    identity_commit(world->identity);
    world->position++;
}

static inline void world_init(struct identity_world *world) {
    *world = (struct identity_world){.identity = NULL};
    struct identity_options options = {.salt = {7, 7, 7}};
    assert_int_equal(identity_create(&world->identity, &options), STATUS_OK);
    assert_int_equal(symbols_create(&world->symbols), STATUS_OK);
    event_batch_init(&world->batch);
    buffer_init(&world->changes);
    for (uint32_t i = 0; i < TYPE_COUNT; i++) {
        uint32_t symbol;
        assert_int_equal(
            symbol_add(world->symbols, SYMBOL_IDENTIFIER, text_from(type_names[i]), &symbol),
            STATUS_OK);
        assert_int_equal(symbol, i);
        world->rules[i] =
            (struct identifier_rule){.name = text_from(type_names[i]), .symbol = i, .priority = i};
    }
    world->rules[CRM].unique = true;
    world->rules[LOYALTY].per_customer = 3;
    world->rules[EMAIL].per_customer = 2;
    world->rules[COOKIE].per_customer = 50;
    world->rules[COOKIE].device = true;
    world_set_rules(world);
}

static inline void world_release(struct identity_world *world) {
    identity_destroy(world->identity);
    symbols_destroy(world->symbols);
    event_batch_release(&world->batch);
    buffer_release(&world->changes);
}

/* A test whose *state is a world of its own. */
#define world_test(name) cmocka_unit_test_setup_teardown(name, world_set_up, world_tear_down)
static inline int world_set_up(void **state) {
    static struct identity_world world;
    world_init(&world);
    *state = &world;
    return 0;
}
static inline int world_tear_down(void **state) {
    world_release(*state);
    return 0;
}

/* "email:a@x cookie:k1", known at day `day`, into the batch; "?cookie:k1": it is only said to be
 * called so. */
static inline void world_add(struct identity_world *world, int64_t day, const char *identifiers) {
    struct event *event = event_batch_add(&world->batch);
    event->time_ms = event->known_ms = day * DAY;
    while (*identifiers) {
        bool if_known = *identifiers == '?';
        identifiers += if_known;
        const char *colon = strchr(identifiers, ':'), *end = strchr(identifiers, ' ');
        if (!end) end = identifiers + strlen(identifiers);
        struct text type = {identifiers, (uint32_t)(colon - identifiers)};
        struct text value = {colon + 1, (uint32_t)(end - colon - 1)};
        assert_int_equal(event_batch_add_identifier(&world->batch, type_of(type), value),
                         STATUS_OK);
        world->batch.identifiers[world->batch.identifier_count - 1].if_known = if_known;
        identifiers = *end ? end + 1 : end;
    }
}

/* The same of a public source. */
static inline void world_add_public(struct identity_world *world, int64_t day,
                                    const char *identifiers) {
    world_add(world, day, identifiers);
    world->batch.events[world->batch.event_count - 1].trust = EVENT_PUBLIC;
}

static inline void world_note_changes(struct identity_world *world) {
    buffer_clear(&world->changes);
    for (size_t i = 0; i < world->result.change_count; i++) {
        const struct identity_change *change = &world->result.changes[i];
        assert_int_equal(buffer_format(&world->changes, "C%u%cC%u ", change->customer.value,
                                       change->is_split ? '<' : '>', change->other.value),
                         STATUS_OK);
    }
}

static inline void world_resolve(struct identity_world *world) {
    assert_int_equal(
        identity_resolve(world->identity, &world->batch, world->position, &world->result, NULL),
        STATUS_OK);
    world_note_changes(world);
}

static inline void world_commit(struct identity_world *world) {
    world_resolve(world);
    identity_commit(world->identity);
    world->position += 1 + world->batch.event_count;
}

/* One event, its own batch. Returns its persona. */
static inline struct persona_id world_event(struct identity_world *world, int64_t day,
                                            const char *identifiers) {
    event_batch_clear(&world->batch);
    world_add(world, day, identifiers);
    world_commit(world);
    return world->batch.events[0].persona;
}

static inline struct persona_id world_public_event(struct identity_world *world, int64_t day,
                                                   const char *identifiers) {
    event_batch_clear(&world->batch);
    world_add_public(world, day, identifiers);
    world_commit(world);
    return world->batch.events[0].persona;
}

static inline struct customer_id world_customer_at(struct identity_world *world,
                                                   const char *identifier, struct as_of as_of) {
    struct customer_id customer = {ID_NONE};
    struct error error;
    if (identity_parse_customer(world->identity, world->symbols, text_from(identifier), as_of,
                                &customer, &error))
        customer.value = ID_NONE;
    return customer;
}

static inline struct customer_id world_customer(struct identity_world *world,
                                                const char *identifier) {
    return world_customer_at(world, identifier, (struct as_of){INT64_MAX, POSITION_NOW});
}

static inline struct identifier_id world_identifier(struct identity_world *world,
                                                    const char *text) {
    const char *colon = strchr(text, ':');
    struct identifier_id id = {ID_NONE};
    struct as_of now = {INT64_MAX, POSITION_NOW};
    struct text type = {text, (uint32_t)(colon - text)};
    if (identity_find(world->identity, type_of(type), text_from(colon + 1), now, &id))
        id.value = ID_NONE;
    return id;
}

#define assert_same(world, a, b)                                                                   \
    assert_int_equal(world_customer(world, a).value, world_customer(world, b).value)
#define assert_apart(world, a, b)                                                                  \
    assert_int_not_equal(world_customer(world, a).value, world_customer(world, b).value)
#define assert_changes(world, expected)                                                            \
    do {                                                                                           \
        struct text assert_changes_text = buffer_text(&(world)->changes);                          \
        assert_int_equal(assert_changes_text.length, strlen(expected));                            \
        assert_memory_equal(assert_changes_text.at ? assert_changes_text.at : "", expected,        \
                            strlen(expected));                                                     \
    } while (0)

#endif
