/* SPDX-License-Identifier: Apache-2.0 */
/* A checkpoint against bytes that were made to harm: it is refused, or what it holds can be walked
 * to the end. tests/property/identity_model_test.c shows that it holds what a replay brings. */
#include "support/simulated_disk.h"
#include "world.h"

#include "base/random.h"
#include "identity/checkpoint.h"
#include "identity/identity_internal.h"

static struct simulated_disk *disk;
static struct file_system *fs;

static int setup(void **state) {
    (void)state;
    disk = simulated_disk_create(1, 0);
    fs = simulated_disk_interface(disk);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    simulated_disk_destroy(disk);
    return 0;
}

static void write_image(const struct identity *identity, uint32_t contents) {
    struct image_writer writer;
    uint64_t bytes;
    assert_int_equal(image_writer_open(&writer, fs, "image", contents, 1, NULL), STATUS_OK);
    assert_int_equal(checkpoint_write(identity, &writer, NULL), STATUS_OK);
    assert_int_equal(image_finish(&writer, &bytes, NULL), STATUS_OK);
    image_writer_close(&writer);
}

/* Merges, a refused link, an un-merge, other rules and an erasure. */
static void fill(struct identity_world *world) {
    for (int64_t day = 1; day <= 40; day++) {
        char text[96];
        snprintf(text, sizeof text, "crm:%d cookie:k%d", (int)(day % 9), (int)(day % 13));
        event_batch_clear(&world->batch);
        world_add(world, day, text);
        snprintf(text, sizeof text, "email:p%d@x.example loyalty:%d", (int)(day % 7), (int)day % 5);
        world_add(world, day, text);
        world_add(world, day, "email:j\xc3\xbcrgen@x.example");
        world_resolve(world);
        identity_commit(world->identity);
        world->position += 4;
    }
}

static void touch_identifier(void *context, struct identifier_id identifier, uint32_t type,
                             struct text value) {
    *(uint64_t *)context += identifier.value + type + value.length;
}

static void touch_persona(void *context, struct persona_id persona, struct identifier_id anchor,
                          const struct identifier_id *identifiers, uint32_t count) {
    *(uint64_t *)context += persona.value + anchor.value + (count ? identifiers[0].value : 0);
}

static void touch_link(void *context, const struct identity_link *link) {
    *(uint64_t *)context += link->strong.value + (uint64_t)link->known_ms;
}

/* Everything that a reader could follow. */
static void walk(struct identity *identity) {
    uint64_t sum = 0;
    const struct identity_visitor visitor = {touch_identifier, touch_persona, touch_link, &sum};
    struct identity_stats stats;
    identity_stats(identity, &stats);
    for (uint32_t id = 0; id < stats.identifier_count; id++) {
        struct customer_id customer = identity_customer_of(
            identity, (struct identifier_id){id}, (struct as_of){INT64_MAX, UINT64_MAX - 1});
        if (customer.value != ID_NONE && identity_describe(identity, customer, &visitor)) sum++;
        struct customer_id before = identity_customer_of(identity, (struct identifier_id){id},
                                                         (struct as_of){20 * DAY, 60});
        if (before.value != ID_NONE)
            sum += identity_persona_any(identity, before, (struct as_of){20 * DAY, 60}).value;
    }
    assert_true(sum > 0);
}

/* Then more of the same comes. */
static void go_on(struct identity *identity) {
    struct event_batch batch;
    struct identity_result result;
    event_batch_init(&batch);
    for (uint32_t i = 0; i < 13; i++) {
        char value[16];
        int length = snprintf(value, sizeof value, "k%u", i);
        struct event *event = event_batch_add(&batch);
        assert_non_null(event);
        event->known_ms = event->time_ms = 50 * DAY;
        struct text cookie = {value, (uint32_t)length};
        assert_int_equal(event_batch_add_identifier(&batch, COOKIE, cookie), STATUS_OK);
        assert_int_equal(event_batch_add_identifier(&batch, CRM, TEXT("3")), STATUS_OK);
    }
    if (identity_resolve(identity, &batch, 1000, &result, NULL) == STATUS_OK)
        identity_commit(identity);
    event_batch_release(&batch);
}

static struct identity *create(void) {
    struct identity_options options = {.salt = {7, 7, 7}};
    struct identity *identity;
    assert_int_equal(identity_create(&identity, &options), STATUS_OK);
    return identity;
}

static void hostile_bytes_are_refused_or_harmless(void **state) {
    (void)state;
    struct identity_world world;
    struct random random;
    uint32_t refused = 0, taken = 0;
    world_init(&world);
    fill(&world);
    write_image(world.identity, CHECKPOINT_FORMAT);
    random_init(&random, 11);
    for (uint32_t round = 0; round < 4000; round++) {
        struct identity *identity = create();
        struct image image;
        assert_int_equal(image_open_with_room(&image, fs, "image", NULL), STATUS_OK);
        /* The checksums are behind us: whoever made the bytes made them, too. */
        const struct image_section *section =
            &image.sections[random_below(&random, image.section_count)];
        uint8_t *bytes = (uint8_t *)(uintptr_t)image.mapping.at + section->offset;
        uint64_t used = section->bytes < 4096 ? section->bytes : 4096;
        for (uint32_t i = 0; used > 0 && i < 1 + round % 3; i++) {
            uint64_t at = random_below(&random, used) & ~UINT64_C(3);
            uint32_t value = (uint32_t)random_below(&random, 64);
            if (round % 4 == 0) value = (uint32_t)random_u64(&random);
            if (round % 4 == 1) value = UINT32_MAX - value % 2;
            memcpy(bytes + at, &value, used - at < 4 ? used - at : 4);
        }
        enum status status = checkpoint_open(identity, &image, NULL);
        if (status == STATUS_OK) {
            taken++;
            walk(identity);
            go_on(identity);
        } else {
            assert_int_equal(status, STATUS_CORRUPT);
            assert_non_null(image.mapping.at);
            image_close(&image);
            refused++;
            go_on(identity); /* it is as it was */
        }
        identity_destroy(identity);
    }
    assert_true(refused > 400 && taken > 400);
    world_release(&world);
}

static void another_programs_image_is_no_damage(void **state) {
    (void)state;
    struct identity_world world;
    struct image image;
    struct identity *identity = create();
    world_init(&world);
    write_image(world.identity, CHECKPOINT_FORMAT + 1);
    assert_int_equal(image_open_with_room(&image, fs, "image", NULL), STATUS_OK);
    assert_int_equal(checkpoint_open(identity, &image, NULL), STATUS_VERSION);
    image_close(&image);
    write_image(world.identity, CHECKPOINT_FORMAT);
    assert_int_equal(image_open_with_room(&image, fs, "image", NULL), STATUS_OK);
    image.sections[2].item_bytes *= 2; /* a program whose structures are larger */
    assert_int_equal(checkpoint_open(identity, &image, NULL), STATUS_VERSION);
    image_close(&image);
    identity_destroy(identity);
    world_release(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hostile_bytes_are_refused_or_harmless),
        cmocka_unit_test(another_programs_image_is_no_damage),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
