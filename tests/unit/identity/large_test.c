/* SPDX-License-Identifier: Apache-2.0 */
/* Large customers. Whatever walks or sorts all of one for each of its parts does not end before the
 * time of the test is over. */
#include <stdio.h>

#include "world.h"

#define BATCH 50000

static void no_limits(struct identity_world *world) {
    for (uint32_t i = 0; i < TYPE_COUNT; i++) {
        world->rules[i].unique = false;
        world->rules[i].per_customer = 0;
    }
    world_set_rules(world);
}

/* Cookies, each seen once with its card; `spread` many a card. */
static void add_cookies(struct identity_world *world, uint32_t count, uint32_t spread) {
    char text[64];
    for (uint32_t done = 0; done < count; done += BATCH) {
        event_batch_clear(&world->batch);
        for (uint32_t i = done; i < done + BATCH && i < count; i++) {
            snprintf(text, sizeof text, "loyalty:card%u cookie:k%u", i / spread, i);
            world_add(world, 10 + i / BATCH, text);
        }
        world_commit(world);
    }
}

struct seen {
    uint64_t identifiers, personas, links;
    uint32_t last_persona;
    bool in_order;
};

static void see_identifier(void *context, struct identifier_id identifier, uint32_t type,
                           struct text value) {
    (void)identifier, (void)type, (void)value;
    ((struct seen *)context)->identifiers++;
}

static void see_persona(void *context, struct persona_id persona, struct identifier_id anchor,
                        const struct identifier_id *identifiers, uint32_t count) {
    struct seen *seen = context;
    (void)anchor, (void)identifiers, (void)count;
    seen->in_order &= seen->personas == 0 || persona.value > seen->last_persona;
    seen->last_persona = persona.value;
    seen->personas++;
}

static void see_link(void *context, const struct identity_link *link) {
    (void)link;
    ((struct seen *)context)->links++;
}

static void describe(struct identity_world *world, const char *identifier, struct seen *seen) {
    struct identity_visitor visitor = {see_identifier, see_persona, see_link, seen};
    *seen = (struct seen){.in_order = true};
    assert_int_equal(
        identity_describe(world->identity, world_customer(world, identifier), &visitor), STATUS_OK);
    assert_true(seen->in_order);
}

static void erase(struct identity_world *world, const char *identifier, size_t identifiers,
                  size_t personas) {
    struct identity_erasure *erasure;
    assert_int_equal(
        identity_erasure_create(&erasure, world->identity, world_customer(world, identifier), NULL),
        STATUS_OK);
    assert_int_equal(erasure->identifier_count, identifiers);
    assert_int_equal(erasure->persona_count, personas);
    for (size_t i = 1; i < personas; i++)
        assert_true(erasure->personas[i - 1].value < erasure->personas[i].value);
    assert_int_equal(
        identity_suppress(world->identity, erasure, world->position, &world->result, NULL),
        STATUS_OK);
    identity_commit(world->identity);
    world->position++;
    assert_int_equal(identity_erase(world->identity, erasure), STATUS_OK);
    identity_erasure_destroy(erasure);
}

/* A cashier's card: 10,000 links, and a million personas. */
static void a_card_with_a_million_cookies(void **state) {
    struct identity_world *world = *state;
    struct seen seen;
    add_cookies(world, 1000000, 1000000);
    describe(world, "loyalty:card0", &seen);
    assert_int_equal(seen.identifiers, 51);
    assert_int_equal(seen.personas, 1000000);
    assert_int_equal(seen.links, IDENTITY_LINKS_MAX);
    erase(world, "loyalty:card0", 51, 1000000);
    assert_int_equal(world_customer(world, "loyalty:card0").value, ID_NONE);
}

static void a_customer_of_many_identifiers(void **state) {
    struct identity_world *world = *state;
    struct seen seen;
    enum { CARDS = 30, COOKIES = 9000 };
    char text[64];
    no_limits(world);
    for (uint32_t i = 0; i < CARDS; i++) {
        snprintf(text, sizeof text, "crm:100 loyalty:card%u", i);
        world_event(world, 1, text);
    }
    add_cookies(world, CARDS * COOKIES, COOKIES);
    describe(world, "crm:100", &seen);
    assert_int_equal(seen.identifiers, 1 + CARDS + CARDS * COOKIES);
    /* A row that comes late, in the midst of it all. */
    world_event(world, 5, "loyalty:card3 email:late@x");
    assert_same(world, "crm:100", "email:late@x");
    struct identifier_id card = world_identifier(world, "loyalty:card3");
    assert_int_equal(identity_withdraw(world->identity, card, (struct identifier_id){ID_NONE},
                                       false, 100 * DAY, world->position, &world->result, NULL),
                     STATUS_OK);
    assert_int_equal(world->result.change_count, COOKIES + 2); /* the card, its cookies, the mail */
    identity_commit(world->identity);
    world->position++;
    assert_apart(world, "crm:100", "cookie:k27001");
    size_t left = 1 + (CARDS - 1) * (1 + COOKIES);
    erase(world, "crm:100", left, (CARDS - 1) * COOKIES + CARDS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        world_test(a_card_with_a_million_cookies),
        world_test(a_customer_of_many_identifiers),
    };
    return cmocka_run_group_tests_name("identity large", tests, NULL, NULL);
}
