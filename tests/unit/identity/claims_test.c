/* SPDX-License-Identifier: Apache-2.0 */
/* What a public source says of identity: it counts, it joins nobody, and it can be taken back. */
#include "identity/claims.h"

#include "identity/checkpoint.h"
#include "support/simulated_disk.h"
#include "world.h"

static const struct as_of now = {INT64_MAX, POSITION_NOW};

static struct as_of on(int64_t day) {
    return (struct as_of){day * DAY, POSITION_NOW};
}

static uint32_t customer_at(struct identity_world *world, const char *identifier, int64_t day) {
    return world_customer_at(world, identifier, on(day)).value;
}

static uint32_t customer(struct identity_world *world, const char *identifier) {
    return world_customer(world, identifier).value;
}

static uint32_t customer_of(struct identity_world *world, struct persona_id persona) {
    const struct customer_directory *directory = identity_directory(world->identity);
    return directory->ops->customer_of(directory, persona, now).value;
}

static const struct claims_scope everything = {
    {ID_NONE}, {ID_NONE}, SYMBOL_NONE, INT64_MIN, INT64_MAX};

static uint32_t withdraw(struct identity_world *world, const struct claims_scope *scope,
                         bool restore, int64_t day) {
    uint32_t count;
    bool more;
    assert_int_equal(identity_claims_withdraw(world->identity, scope, restore, day * DAY,
                                              world->position, &world->result, &count, &more, NULL),
                     STATUS_OK);
    assert_false(more);
    if (count > 0) identity_commit(world->identity);
    world->position += count > 0;
    return count;
}

static struct claims_scope of_identifier(struct identity_world *world, const char *identifier) {
    struct claims_scope scope = everything;
    scope.identifier = world_identifier(world, identifier);
    return scope;
}

static void a_device_counts_for_whom_it_claims(void **state) {
    struct identity_world *world = *state;
    world_event(world, 1, "crm:1 email:a@x");
    struct persona_id before = world_public_event(world, 2, "cookie:k");
    uint32_t owner = customer(world, "crm:1");
    assert_int_not_equal(customer(world, "cookie:k"), owner);
    struct persona_id after = world_public_event(world, 3, "cookie:k email:a@x");
    assert_int_equal(before.value, after.value);
    assert_int_equal(customer(world, "cookie:k"), owner);
    assert_int_equal(customer_of(world, before), owner);
    assert_int_equal(customer(world, "crm:1"), owner);
    /* As of a time before the claim it did not. */
    assert_int_not_equal(customer_at(world, "cookie:k", 2), owner);
    assert_int_equal(identity_persona_trust(world->identity, before, on(2)), PERSONA_DEVICE);
    assert_int_equal(identity_persona_trust(world->identity, before, now), PERSONA_CLAIMED);
    /* Nothing was merged, and nothing of the customer has changed. */
    assert_int_equal(world->result.change_count, 0);
    assert_int_equal(world->result.new_links, 0);
    assert_int_equal(world->result.new_claims, 1);
    struct persona_id personas[8];
    struct identifier_id identifiers[8];
    const struct customer_directory *directory = identity_directory(world->identity);
    assert_int_equal(
        directory->ops->personas_of(directory, (struct customer_id){owner}, now, personas, 8), 2);
    assert_int_equal(
        directory->ops->personas_of(directory, (struct customer_id){owner}, on(2), personas, 8), 1);
    assert_int_equal(
        identity_identifiers_of(world->identity, (struct customer_id){owner}, now, identifiers, 8),
        3);
    struct identity_stats stats;
    identity_stats(world->identity, &stats);
    assert_int_equal(stats.customer_count, 1);
}

static void a_claim_joins_no_two_customers(void **state) {
    struct identity_world *world = *state;
    world_event(world, 1, "crm:1 email:a@x");
    world_event(world, 1, "crm:2 email:b@x");
    uint32_t first = customer(world, "crm:1"), second = customer(world, "crm:2");
    world_public_event(world, 2, "cookie:k email:a@x");
    world_public_event(world, 3, "cookie:k email:b@x");
    world_public_event(world, 3, "cookie:k crm:1 email:b@x");
    assert_int_equal(customer(world, "crm:1"), first);
    assert_int_equal(customer(world, "crm:2"), second);
    assert_int_equal(customer(world, "cookie:k"), first);
    /* What nobody has named yet is no bridge either, also once it is named. */
    world_public_event(world, 4, "cookie:m email:c@x");
    world_public_event(world, 4, "cookie:m email:d@x");
    world_public_event(world, 4, "cookie:n email:c@x");
    assert_int_equal(customer(world, "cookie:m"), customer(world, "email:c@x"));
    assert_int_equal(customer(world, "cookie:n"), customer(world, "email:c@x"));
    assert_int_not_equal(customer(world, "email:d@x"), customer(world, "email:c@x"));
    world_event(world, 5, "crm:1 email:c@x");
    world_event(world, 5, "crm:2 email:d@x");
    assert_int_equal(customer(world, "crm:1"), first);
    assert_int_equal(customer(world, "crm:2"), second);
    assert_int_equal(customer(world, "cookie:m"), first);
}

/* A stranger's page can't tie two devices, or what it claims in one breath, together. */
static void what_comes_together_stays_apart(void **state) {
    struct identity_world *world = *state;
    world->rules[LOYALTY].device = true;
    world_set_rules(world);
    world_event(world, 1, "crm:1 loyalty:phone");
    world_public_event(world, 2, "cookie:k loyalty:phone crm:9 email:z@x");
    assert_int_equal(world->result.left_claims, 1);
    assert_int_not_equal(customer(world, "crm:9"), customer(world, "email:z@x"));
    assert_int_not_equal(customer(world, "cookie:k"), customer(world, "crm:1"));
    /* By priority loyalty is the device here, and its owner is known. */
    assert_int_equal(customer(world, "loyalty:phone"), customer(world, "crm:1"));
    world_public_event(world, 3, "cookie:m crm:9 email:z@x");
    assert_int_equal(customer(world, "cookie:m"), customer(world, "crm:9"));
}

static void a_verified_link_stands_above_claims(void **state) {
    struct identity_world *world = *state;
    world_event(world, 1, "crm:1 email:a@x");
    world_event(world, 1, "crm:2 email:b@x");
    struct persona_id persona = world_public_event(world, 2, "cookie:k email:a@x");
    world_event(world, 5, "crm:2 cookie:k");
    assert_int_equal(customer(world, "cookie:k"), customer(world, "crm:2"));
    assert_int_not_equal(customer(world, "crm:1"), customer(world, "crm:2"));
    assert_int_equal(customer_at(world, "cookie:k", 4), customer(world, "crm:1"));
    assert_int_equal(identity_persona_trust(world->identity, persona, on(4)), PERSONA_CLAIMED);
    assert_int_equal(identity_persona_trust(world->identity, persona, now), PERSONA_KNOWN);
    /* A device that is known makes no further claims that count. */
    world_public_event(world, 6, "cookie:k email:a@x");
    assert_int_equal(customer(world, "cookie:k"), customer(world, "crm:2"));
    /* The un-merge of the link lets the claim count again. */
    assert_int_equal(identity_withdraw(world->identity, world_identifier(world, "crm:2"),
                                       world_identifier(world, "cookie:k"), false, 8 * DAY,
                                       world->position, &world->result, NULL),
                     STATUS_OK);
    identity_commit(world->identity);
    world->position++;
    assert_int_equal(customer(world, "cookie:k"), customer(world, "crm:1"));
    assert_int_equal(customer_at(world, "cookie:k", 7), customer(world, "crm:2"));
}

static void the_order_of_arrival_does_not_matter(void **state) {
    struct identity_world *world = *state;
    world_event(world, 1, "crm:1 email:a@x");
    world_event(world, 1, "crm:2 email:b@x");
    world_public_event(world, 5, "cookie:k email:b@x");
    uint64_t position = world->position;
    world_public_event(world, 3, "cookie:k email:a@x");
    assert_int_equal(customer(world, "cookie:k"), customer(world, "crm:1"));
    assert_int_equal(
        world_customer_at(world, "cookie:k", (struct as_of){INT64_MAX, position}).value,
        customer(world, "crm:2"));
    /* The same pair, known earlier. */
    world_public_event(world, 2, "cookie:k email:b@x");
    assert_int_equal(customer(world, "cookie:k"), customer(world, "crm:2"));
    assert_int_equal(world->result.new_claims, 1);
    world_public_event(world, 9, "cookie:k email:b@x");
    assert_int_equal(world->result.new_claims, 0);
}

static void claims_are_withdrawn_as_a_whole(void **state) {
    struct identity_world *world = *state;
    world_event(world, 1, "crm:1 email:a@x");
    world_public_event(world, 2, "cookie:k email:a@x");
    world_public_event(world, 3, "cookie:m crm:1");
    uint32_t owner = customer(world, "crm:1");
    struct claims_scope device = of_identifier(world, "cookie:k");
    assert_int_equal(withdraw(world, &device, false, 5), 1);
    assert_int_not_equal(customer(world, "cookie:k"), owner);
    assert_int_equal(customer(world, "cookie:m"), owner);
    assert_int_equal(customer_at(world, "cookie:k", 4), owner);
    /* The page says it again, and it stays withdrawn. */
    world_public_event(world, 6, "cookie:k email:a@x");
    assert_int_not_equal(customer(world, "cookie:k"), owner);
    assert_int_equal(withdraw(world, &device, false, 7), 0);
    struct claims_scope whole = everything;
    whole.customer.value = owner;
    assert_int_equal(withdraw(world, &whole, false, 7), 1);
    assert_int_not_equal(customer(world, "cookie:m"), owner);
    assert_int_equal(withdraw(world, &everything, true, 8), 2);
    assert_int_equal(customer(world, "cookie:k"), owner);
    assert_int_equal(customer(world, "cookie:m"), owner);
    assert_int_not_equal(customer_at(world, "cookie:m", 7), owner);
    struct claims_scope window = everything;
    window.from_ms = 3 * DAY;
    window.until_ms = 4 * DAY;
    assert_int_equal(withdraw(world, &window, false, 9), 1);
    assert_int_equal(customer(world, "cookie:k"), owner);
    assert_int_not_equal(customer(world, "cookie:m"), owner);
    struct claims_scope source = everything;
    source.source = 7;
    assert_int_equal(withdraw(world, &source, false, 9), 0);
}

static void claims_are_capped(void **state) {
    struct identity_world *world = *state;
    char text[64];
    world_event(world, 1, "crm:1 email:a@x");
    identity_set_claims_max(world->identity, 3);
    uint32_t owner = customer(world, "crm:1");
    for (int i = 0; i < 5; i++) {
        snprintf(text, sizeof text, "cookie:k%d %s", i, i % 2 ? "crm:1" : "email:a@x");
        world_public_event(world, 2, text);
        assert_int_equal(world->result.capped_claims, i >= 3);
        snprintf(text, sizeof text, "cookie:k%d", i);
        assert_int_equal(customer(world, text) == owner, i < 3);
    }
    world_public_event(world, 3, "cookie:k9 crm:1");
    assert_int_equal(customer(world, "cookie:k9"), owner);
    /* One device, many claims. */
    for (uint32_t i = 0; i < CLAIMS_DEVICE_MAX + 4; i++) {
        snprintf(text, sizeof text, "cookie:many email:%u@x", i);
        world_public_event(world, 4, text);
        assert_int_equal(world->result.left_claims, i >= CLAIMS_DEVICE_MAX);
    }
}

static void without_a_device_there_is_no_persona(void **state) {
    struct identity_world *world = *state;
    world_event(world, 1, "crm:1 email:a@x");
    assert_int_equal(world_public_event(world, 2, "email:a@x").value, ID_NONE);
    assert_int_equal(world->result.unusable_count, 1);
    event_batch_clear(&world->batch);
    world_add(world, 3, "cookie:k email:a@x crm:1");
    world->batch.events[0].trust = EVENT_PUBLIC_NO_CLAIMS;
    world_commit(world);
    assert_int_equal(world->result.left_claims, 2);
    assert_int_equal(world->result.new_claims, 0);
    assert_int_not_equal(customer(world, "cookie:k"), customer(world, "crm:1"));
    /* An alias of a page creates nobody, and claims who is there. */
    world_public_event(world, 4, "cookie:k ?crm:77");
    assert_int_equal(world_identifier(world, "crm:77").value, ID_NONE);
    world_public_event(world, 5, "cookie:k ?crm:1");
    assert_int_equal(customer(world, "cookie:k"), customer(world, "crm:1"));
}

struct seen {
    char text[512];
    struct identity_world *world;
};

static bool note_claim(void *context, const struct identity_link *link) {
    struct seen *seen = context;
    struct buffer out;
    buffer_init(&out);
    assert_true(link->is_claim);
    assert_int_equal(identity_explain_link(seen->world->identity, seen->world->symbols, link, &out),
                     STATUS_OK);
    size_t length = strlen(seen->text);
    snprintf(seen->text + length, sizeof seen->text - length, "%.*s\n", (int)out.length, out.at);
    buffer_release(&out);
    return true;
}

static void link_in_words(void *context, const struct identity_link *link) {
    if (link->is_claim) (void)note_claim(context, link);
}

static void claims_are_told_in_words(void **state) {
    struct identity_world *world = *state;
    struct seen seen = {.world = world};
    world_event(world, 1, "crm:1 email:a@x");
    world_event(world, 1, "crm:2 email:b@x");
    world_public_event(world, 2, "cookie:k email:a@x");
    world_public_event(world, 3, "cookie:k email:b@x");
    world_public_event(world, 3, "cookie:m email:b@x");
    struct claims_scope device = of_identifier(world, "cookie:m");
    (void)withdraw(world, &device, false, 4);
    identity_claims_visit(world->identity, &everything, note_claim, &seen);
    assert_string_equal(seen.text,
                        "cookie:k counts for email:a@x: claimed by a public source\n"
                        "cookie:k does not count for email:b@x: the device counts by an earlier "
                        "claim\n"
                        "cookie:m does not count for email:b@x: withdrawn by hand\n");
    seen.text[0] = '\0';
    struct identity_visitor visitor = {.link = link_in_words, .context = &seen};
    assert_int_equal(identity_describe(world->identity, world_customer(world, "crm:1"), &visitor),
                     STATUS_OK);
    assert_non_null(strstr(seen.text, "cookie:k counts for email:a@x"));
    assert_non_null(strstr(seen.text, "cookie:k does not count for email:b@x"));
    assert_null(strstr(seen.text, "cookie:m"));
}

/* ---- erasure, replay, checkpoint ---- */

static void an_erasure_takes_claimed_devices_along(void **state) {
    struct identity_world *world = *state;
    struct identity_erasure *erasure;
    struct error error;
    world_event(world, 1, "crm:1 email:a@x");
    world_event(world, 1, "crm:2 email:b@x");
    world_public_event(world, 2, "cookie:k email:a@x");
    world_public_event(world, 3, "cookie:k email:b@x");
    world_public_event(world, 3, "cookie:m email:b@x");
    world_public_event(world, 4, "cookie:m email:a@x");
    assert_int_equal(
        identity_erasure_create(&erasure, world->identity, world_customer(world, "crm:1"), &error),
        STATUS_OK);
    assert_int_equal(erasure->identifier_count, 3);
    assert_int_equal(erasure->persona_count, 2);
    assert_int_equal(identity_erase(world->identity, erasure), STATUS_OK);
    identity_erasure_destroy(erasure);
    assert_int_equal(customer(world, "cookie:k"), ID_NONE);
    assert_int_equal(customer(world, "cookie:m"), customer(world, "crm:2"));
    struct seen seen = {.world = world};
    identity_claims_visit(world->identity, &everything, note_claim, &seen);
    assert_string_equal(seen.text, "cookie:m counts for email:b@x: claimed by a public source\n");
}

struct log {
    struct buffer records[256];
    uint64_t positions[256];
    size_t count;
};

static void keep(struct log *log, const struct identity_world *world, uint64_t position) {
    if (world->result.record.length == 0) return;
    struct buffer *record = &log->records[log->count];
    buffer_init(record);
    assert_int_equal(buffer_append_text(record, world->result.record), STATUS_OK);
    log->positions[log->count++] = position;
}

/* Verified and public events, withdrawals, in an order of their own. */
static void live_through(struct identity_world *world, struct log *log, uint32_t steps) {
    static const char *const verified[] = {"crm:1 email:a", "crm:2 email:b", "crm:2 cookie:k3",
                                           "email:c cookie:k4", "crm:1 email:d"};
    static const char *const claimed[] = {
        "cookie:k1 email:a", "cookie:k2 crm:2",   "cookie:k3 crm:1", "cookie:k4 email:a",
        "cookie:k1 email:b", "cookie:k5 email:d", "cookie:k5"};
    identity_set_claims_max(world->identity, 2);
    for (uint32_t i = 0; i < steps; i++) {
        uint64_t position = world->position;
        int64_t day = 1 + (int64_t)(i * 7 % 23);
        if (i % 11 == 10) {
            struct claims_scope scope = of_identifier(world, i % 2 ? "cookie:k1" : "email:a");
            (void)withdraw(world, &scope, i % 3 == 0, day);
        } else if (i % 3 == 0) {
            world_event(world, day, verified[i / 3 % 5]);
        } else {
            world_public_event(world, day, claimed[i % 7]);
        }
        keep(log, world, position);
    }
}

static void describe(struct identity *identity, struct buffer *out) {
    struct identity_stats stats;
    identity_stats(identity, &stats);
    buffer_clear(out);
    const struct customer_directory *directory = identity_directory(identity);
    for (int64_t day = 0; day < 25; day += 3) {
        for (uint32_t id = 0; id < stats.identifier_count; id++) {
            struct customer_id whose =
                identity_customer_of(identity, (struct identifier_id){id}, on(day));
            struct persona_id personas[32];
            uint32_t count = directory->ops->personas_of(directory, whose, on(day), personas, 32);
            assert_int_equal(buffer_format(out, " %d/%u", (int)whose.value, count), STATUS_OK);
        }
        for (uint32_t i = 0; i < stats.persona_count; i++) {
            struct persona_id persona = {i};
            assert_int_equal(
                buffer_format(out, " %d:%d",
                              (int)directory->ops->customer_of(directory, persona, on(day)).value,
                              (int)identity_persona_trust(identity, persona, on(day))),
                STATUS_OK);
        }
    }
    assert_int_equal(buffer_format(out, " %u", stats.customer_count), STATUS_OK);
}

static void release(struct log *log) {
    for (size_t i = 0; i < log->count; i++) buffer_release(&log->records[i]);
}

static void a_replay_and_a_checkpoint_bring_back_the_same(void **state) {
    struct identity_world *world = *state;
    struct identity *replayed, *opened;
    struct identity_options options = {.salt = {7, 7, 7}};
    struct buffer expected, is;
    struct log log = {.count = 0};
    struct image image;
    struct image_writer writer;
    uint64_t bytes;
    struct simulated_disk *disk = simulated_disk_create(1, 0);
    struct file_system *fs = simulated_disk_interface(disk);
    buffer_init(&expected);
    buffer_init(&is);
    keep(&log, world, world->position - 1); /* the rules */
    live_through(world, &log, 60);
    describe(world->identity, &expected);
    assert_int_equal(identity_create(&replayed, &options), STATUS_OK);
    for (size_t i = 0; i < log.count; i++)
        assert_int_equal(
            identity_apply(replayed, buffer_text(&log.records[i]), log.positions[i], NULL),
            STATUS_OK);
    describe(replayed, &is);
    assert_true(text_equal(buffer_text(&expected), buffer_text(&is)));
    assert_int_equal(image_writer_open(&writer, fs, "image", CHECKPOINT_FORMAT, 1, NULL),
                     STATUS_OK);
    assert_int_equal(checkpoint_write(world->identity, &writer, NULL), STATUS_OK);
    assert_int_equal(image_finish(&writer, &bytes, NULL), STATUS_OK);
    image_writer_close(&writer);
    assert_int_equal(identity_create(&opened, &options), STATUS_OK);
    assert_int_equal(image_open_with_room(&image, fs, "image", NULL), STATUS_OK);
    assert_int_equal(checkpoint_open(opened, &image, NULL), STATUS_OK);
    describe(opened, &is);
    assert_true(text_equal(buffer_text(&expected), buffer_text(&is)));
    identity_destroy(opened);
    identity_destroy(replayed);
    simulated_disk_destroy(disk);
    release(&log);
    buffer_release(&expected);
    buffer_release(&is);
}

static void an_undone_claim_leaves_no_trace(void **state) {
    struct identity_world *world = *state;
    struct log log = {.count = 0};
    struct buffer before, after;
    buffer_init(&before);
    buffer_init(&after);
    live_through(world, &log, 40);
    describe(world->identity, &before);
    event_batch_clear(&world->batch);
    world_add_public(world, 0, "cookie:k9 email:a");
    world_add_public(world, 0, "cookie:k5 crm:2");
    world_add_public(world, 0, "cookie:k2 email:new");
    world_resolve(world);
    assert_true(world->result.new_claims >= 3);
    identity_undo(world->identity);
    describe(world->identity, &after);
    assert_true(text_equal(buffer_text(&before), buffer_text(&after)));
    uint32_t count;
    bool more;
    assert_int_equal(identity_claims_withdraw(world->identity, &everything, false, 30 * DAY,
                                              world->position, &world->result, &count, &more, NULL),
                     STATUS_OK);
    assert_true(count > 0);
    identity_undo(world->identity);
    describe(world->identity, &after);
    assert_true(text_equal(buffer_text(&before), buffer_text(&after)));
    release(&log);
    buffer_release(&before);
    buffer_release(&after);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        world_test(a_device_counts_for_whom_it_claims),
        world_test(a_claim_joins_no_two_customers),
        world_test(what_comes_together_stays_apart),
        world_test(a_verified_link_stands_above_claims),
        world_test(the_order_of_arrival_does_not_matter),
        world_test(claims_are_withdrawn_as_a_whole),
        world_test(claims_are_capped),
        world_test(without_a_device_there_is_no_persona),
        world_test(claims_are_told_in_words),
        world_test(an_erasure_takes_claimed_devices_along),
        world_test(a_replay_and_a_checkpoint_bring_back_the_same),
        world_test(an_undone_claim_leaves_no_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
