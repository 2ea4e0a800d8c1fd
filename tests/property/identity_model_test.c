/* SPDX-License-Identifier: Apache-2.0 */
/* Who is who, against a naive model: under random arrival, batches, undone batches, failing
 * allocations, un-merges, erasures and other rules, as of random (t, position), live, replayed, and
 * opened from a checkpoint with the rest replayed. Arguments: seed, rounds. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "identity_world.h"

#include "base/memory.h"
#include "identity/checkpoint.h"
#include "support/simulated_disk.h"

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) fail(__LINE__, #condition);                                              \
    } while (0)

static uint64_t seed;

static void fail(int line, const char *condition) {
    fprintf(stderr, "line %d: %s: seed %" PRIu64 "\n", line, condition, seed);
    abort();
}

#define RECORDS_MAX 512
struct life {
    struct identity_world *world;
    struct identity *identity;
    struct event_batch batch;
    uint64_t position;
    uint64_t first_position; /* that of the last erasure: before, the living one judged otherwise */
    struct {
        char *bytes;
        uint32_t length;
        uint64_t position;
    } records[RECORDS_MAX];
    uint32_t record_count;
    int64_t corrected_ms; /* of the newest correction */
};

static struct identity *create(void) {
    struct identity_options options = {.salt = {1, 2, 3}};
    struct identity *identity;
    CHECK(identity_create(&identity, &options) == STATUS_OK);
    return identity;
}

static void keep_record(struct life *life, const struct identity_result *result) {
    if (result->record.length == 0) return;
    CHECK(life->record_count < RECORDS_MAX);
    char *bytes = malloc(result->record.length);
    memcpy(bytes, result->record.at, result->record.length);
    life->records[life->record_count].bytes = bytes;
    life->records[life->record_count].length = result->record.length;
    life->records[life->record_count++].position = life->position;
}

/* Every identifier that was a customer and isn't any more, or the other way round, is told, once,
 * and nothing else is. */
static void check_changes(const struct life *life, const struct identity_result *result) {
    const struct identity *identity = life->identity;
    struct as_of before = {INT64_MAX, life->position}, after = {INT64_MAX, life->position + 1};
    uint32_t told = 0;
    for (uint32_t id = 0; id < WORLD_IDENTIFIERS; id++) {
        uint32_t old_root =
            identity_customer_of(identity, (struct identifier_id){id}, before).value;
        uint32_t root = identity_customer_of(identity, (struct identifier_id){id}, after).value;
        if (old_root == ID_NONE || (old_root == id) == (root == id)) continue;
        told++;
        uint32_t found = 0;
        for (size_t i = 0; i < result->change_count; i++) {
            const struct identity_change *change = &result->changes[i];
            if (change->customer.value != id) continue;
            found++;
            CHECK(change->is_split == (root == id) &&
                  change->other.value == (root == id ? old_root : root));
        }
        CHECK(found == 1);
    }
    CHECK(told == result->change_count);
}

/* Who is merged or split by a decision is so from the decision on, never before. */
static void check_known(const struct identity_result *result, int64_t decided_ms) {
    for (size_t i = 0; i < result->change_count; i++)
        CHECK(result->changes[i].known_ms >= decided_ms);
}

static void set_rules(struct life *life, const struct identifier_rule *rules, int64_t known_ms) {
    struct identity_result result;
    CHECK(identity_set_rules(life->identity, rules, WORLD_TYPES, known_ms, life->position, &result,
                             NULL) == STATUS_OK);
    check_changes(life, &result);
    check_known(&result, known_ms);
    keep_record(life, &result);
    identity_commit(life->identity);
    life->position++;
}

/* Another limit, and sometimes another time to hold, of one type. */
static void change_rules(struct life *life) {
    struct identity_world *world = life->world;
    struct random *random = &world->random;
    if (world->ruling_count == WORLD_RULINGS_MAX) return;
    struct world_ruling ruling = {.known_ms = (int64_t)random_below(random, WORLD_TIME_MAX),
                                  .position = life->position};
    world_rules(world, (struct as_of){INT64_MAX, UINT64_MAX}, ruling.rules);
    world_linked(world, ruling.linked);
    struct identifier_rule *rule = &ruling.rules[random_below(random, WORLD_TYPES)];
    struct identifier_rule before = *rule;
    rule->per_customer = (uint32_t)random_below(random, 5);
    rule->unique = random_below(random, 4) == 0;
    if (rule->per_customer == before.per_customer && rule->unique == before.unique) return;
    world->rulings[world->ruling_count++] = ruling;
    set_rules(life, ruling.rules, ruling.known_ms);
}

static void arrived(struct life *life, const uint32_t *order, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        life->world->events[order[i]].position = life->position;
        life->world->events[order[i]].persona = life->batch.events[i].persona;
    }
    life->position += 1 + count;
}

/* Sometimes tries in vain before: an undone batch, or one that ran out of memory, leaves no trace.
 */
static void resolve(struct life *life, const uint32_t *order, uint32_t count) {
    struct random *random = &life->world->random;
    struct identity_result result;
    CHECK(world_batch(life->world, order, count, &life->batch) == STATUS_OK);
    uint64_t chance = random_below(random, 6);
    if (chance == 0) {
        CHECK(identity_resolve(life->identity, &life->batch, life->position, &result, NULL) ==
              STATUS_OK);
        identity_undo(life->identity);
    }
    if (chance == 1) memory_fail_at(1 + random_below(random, 12));
    enum status status =
        identity_resolve(life->identity, &life->batch, life->position, &result, NULL);
    memory_fail_at(0);
    if (status) {
        CHECK(status == STATUS_NO_MEMORY && chance == 1);
        CHECK(identity_resolve(life->identity, &life->batch, life->position, &result, NULL) ==
              STATUS_OK);
    }
    CHECK(result.unusable_count == 0 || life->first_position > 0);
    check_changes(life, &result);
    keep_record(life, &result);
    identity_commit(life->identity);
    arrived(life, order, count);
}

static struct identifier_id find(const struct identity *identity, uint32_t index) {
    char bytes[16];
    struct identifier_id id = {ID_NONE};
    struct text value = world_value(index, bytes);
    struct as_of now = {INT64_MAX, POSITION_NOW};
    if (identity_find(identity, index / WORLD_VALUES, value, now, &id)) id.value = ID_NONE;
    return id;
}

static void withdraw(struct life *life) {
    struct identity_world *world = life->world;
    struct random *random = &world->random;
    if (world->withdrawal_count == WORLD_WITHDRAWALS_MAX) return;
    const struct world_event *event = &world->events[random_below(random, world->event_count)];
    uint32_t a = event->identifiers[0], b = event->identifiers[event->count - 1];
    struct identifier_id id_a = find(life->identity, a), id_b = find(life->identity, b);
    if (a == b || id_a.value == ID_NONE || id_b.value == ID_NONE) return;
    bool restore = random_below(random, 4) == 0;
    int64_t known_ms = (int64_t)random_below(random, WORLD_TIME_MAX);
    struct identity_result result;
    enum status status = identity_withdraw(life->identity, id_a, id_b, restore, known_ms,
                                           life->position, &result, NULL);
    if (status == STATUS_NOT_FOUND) return;
    CHECK(status == STATUS_OK);
    check_changes(life, &result);
    check_known(&result, known_ms);
    if (random_below(random, 6) == 0) {
        identity_undo(life->identity);
        return;
    }
    keep_record(life, &result);
    identity_commit(life->identity);
    world->withdrawals[world->withdrawal_count++] =
        (struct world_withdrawal){a, b, known_ms, life->position, restore};
    life->position++;
}

static enum status first_known(void *context, struct persona_id persona, int64_t *known_ms) {
    const struct identity_world *world = context;
    *known_ms = INT64_MAX;
    for (uint32_t i = 0; i < world->event_count; i++) {
        const struct world_event *event = &world->events[i];
        if (event->position == UINT64_MAX || event->persona.value != persona.value) continue;
        if (event->gone_position == UINT64_MAX && event->known_ms < *known_ms)
            *known_ms = event->known_ms;
    }
    return STATUS_OK;
}

/* A row that names others now, or takes itself away; what is known of it comes later and later. */
static void correct(struct life *life) {
    struct identity_world *world = life->world;
    struct random *random = &world->random;
    uint32_t corrected = (uint32_t)random_below(random, world->event_count),
             made = world->event_count;
    struct world_event *old = &world->events[corrected], *event = &world->events[made];
    if (old->position == UINT64_MAX || old->gone_position != UINT64_MAX) return;
    if (made == WORLD_EVENTS_MAX || old->persona.value == ID_NONE) return;
    life->corrected_ms += (int64_t)random_below(random, 100);
    if (life->corrected_ms < old->known_ms) life->corrected_ms = old->known_ms;
    *event = *old;
    event->known_ms = life->corrected_ms;
    event->identifiers[random_below(random, event->count)] =
        world->events[random_below(random, made)].identifiers[0];
    uint32_t count = random_below(random, 4) > 0; /* else it is retracted */
    struct identity_unsupported item = {old->persona, life->corrected_ms};
    struct identity_support support = {first_known, world};
    struct identity_result result;
    CHECK(world_batch(world, &made, count, &life->batch) == STATUS_OK);
    CHECK(identity_resolve(life->identity, &life->batch, life->position, &result, NULL) ==
          STATUS_OK);
    old->gone_ms = life->corrected_ms;
    old->gone_position = life->position;
    world->event_count += count;
    if (count) event->persona = life->batch.events[0].persona;
    CHECK(identity_withdraw_support(life->identity, &item, 1, &support, &result, NULL) ==
          STATUS_OK);
    check_changes(life, &result);
    if (random_below(random, 6) == 0) {
        identity_undo(life->identity);
        old->gone_position = UINT64_MAX;
        world->event_count -= count;
        return;
    }
    keep_record(life, &result);
    identity_commit(life->identity);
    arrived(life, &made, count);
}

static void rewrite_records(struct life *life, struct identity_erasure *erasure) {
    for (uint32_t i = 0; i < life->record_count; i++) {
        struct text record = {life->records[i].bytes, life->records[i].length};
        struct buffer out;
        buffer_init(&out);
        if (identity_rewrite(erasure, IDENTITY_RECORD_KIND, record, &out)) {
            free(life->records[i].bytes);
            life->records[i].bytes = malloc(out.length);
            memcpy(life->records[i].bytes, out.at, out.length);
            life->records[i].length = (uint32_t)out.length;
        }
        buffer_release(&out);
    }
    CHECK(erasure->status == STATUS_OK);
}

static void erase(struct life *life) {
    struct identity_world *world = life->world;
    uint32_t index = (uint32_t)random_below(&world->random, WORLD_IDENTIFIERS);
    struct identifier_id id = find(life->identity, index), ids[WORLD_IDENTIFIERS];
    if (id.value == ID_NONE) return;
    struct as_of now = {INT64_MAX, POSITION_NOW};
    struct customer_id customer = identity_customer_of(life->identity, id, now);
    for (uint32_t i = 0; i < WORLD_IDENTIFIERS; i++) ids[i] = find(life->identity, i);
    struct identity_erasure *erasure;
    struct identity_result result;
    CHECK(identity_erasure_create(&erasure, life->identity, customer, NULL) == STATUS_OK);
    CHECK(identity_suppress(life->identity, erasure, life->position, &result, NULL) == STATUS_OK);
    keep_record(life, &result);
    identity_commit(life->identity);
    rewrite_records(life, erasure);
    CHECK(identity_erase(life->identity, erasure) == STATUS_OK);
    for (uint32_t i = 0; i < WORLD_IDENTIFIERS; i++) {
        for (size_t k = 0; k < erasure->identifier_count; k++)
            if (erasure->identifiers[k].value == ids[i].value) world->erased_at[i] = life->position;
    }
    identity_erasure_destroy(erasure);
    life->first_position = ++life->position;
}

/* ---- comparing ---- */

static void compare_personas(const struct identity *identity, struct as_of as_of) {
    const struct customer_directory *directory = identity_directory(identity);
    static uint32_t customers[WORLD_EVENTS_MAX];
    struct persona_id personas[WORLD_EVENTS_MAX];
    uint32_t count = directory->ops->persona_count(directory, as_of.position);
    directory->ops->snapshot(directory, as_of, customers, count);
    for (uint32_t i = 0; i < count; i++) {
        struct customer_id customer =
            directory->ops->customer_of(directory, (struct persona_id){i}, as_of);
        CHECK(customers[i] == customer.value);
        if (customer.value == ID_NONE) continue; /* erased */
        uint32_t theirs = directory->ops->personas_of(directory, customer, as_of, personas,
                                                      WORLD_EVENTS_MAX),
                 same = 0;
        bool is_listed = false;
        for (uint32_t k = 0; k < theirs; k++) {
            CHECK(customers[personas[k].value] == customer.value);
            is_listed |= personas[k].value == i;
        }
        for (uint32_t k = 0; k < count; k++) same += customers[k] == customer.value;
        CHECK(is_listed && same == theirs);
    }
}

static void compare(const struct identity_world *world, const struct identity *identity,
                    struct as_of as_of) {
    uint32_t group[WORLD_IDENTIFIERS], customer[WORLD_IDENTIFIERS];
    struct identifier_id ids[WORLD_IDENTIFIERS];
    world_partition(world, as_of, group);
    for (uint32_t i = 0; i < WORLD_IDENTIFIERS; i++) {
        ids[i] = find(identity, i);
        customer[i] =
            ids[i].value == ID_NONE ? ID_NONE : identity_customer_of(identity, ids[i], as_of).value;
        CHECK((customer[i] != ID_NONE) == world_is_there(world, i, as_of.position));
    }
    for (uint32_t i = 0; i < WORLD_IDENTIFIERS; i++) {
        if (customer[i] == ID_NONE) continue;
        CHECK(customer[i] <= ids[i].value);
        bool lowest_is_in = false;
        for (uint32_t k = 0; k < WORLD_IDENTIFIERS; k++) {
            if (customer[k] == ID_NONE) continue;
            CHECK((customer[i] == customer[k]) == (group[i] == group[k]));
            lowest_is_in |= customer[i] == customer[k] && ids[k].value == customer[i];
        }
        CHECK(lowest_is_in);
    }
    compare_personas(identity, as_of);
}

static struct as_of random_as_of(struct life *life, uint64_t first_position) {
    struct random *random = &life->world->random;
    struct as_of as_of = {INT64_MAX, life->position};
    if (random_below(random, 3))
        as_of.t_ms = (int64_t)random_below(random, WORLD_TIME_MAX + 100) - WORLD_TIME_MAX / 4;
    if (random_below(random, 2))
        as_of.position = first_position + random_below(random, life->position + 2 - first_position);
    return as_of;
}

static void replay(struct life *life, struct identity *identity, uint32_t from, uint32_t to) {
    for (uint32_t i = from; i < to; i++) {
        struct text record = {life->records[i].bytes, life->records[i].length};
        CHECK(identity_apply(identity, record, life->records[i].position, NULL) == STATUS_OK);
    }
}

/* ---- checkpoints ---- */

static struct file_system *disk;

static void write_image(const struct identity *identity, const char *path) {
    struct image_writer writer;
    uint64_t bytes;
    CHECK(image_writer_open(&writer, disk, path, CHECKPOINT_FORMAT, 7, NULL) == STATUS_OK);
    CHECK(checkpoint_write(identity, &writer, NULL) == STATUS_OK);
    CHECK(image_finish(&writer, &bytes, NULL) == STATUS_OK);
    image_writer_close(&writer);
}

/* Where memory fails, the next attempt finds the identity and the image as they were. */
static struct identity *open_image(const char *path, bool failing) {
    struct identity *identity = create();
    struct image image;
    CHECK(image_open_with_room(&image, disk, path, NULL) == STATUS_OK && image.position == 7);
    enum status status = failing ? STATUS_NO_MEMORY : checkpoint_open(identity, &image, NULL);
    for (uint64_t n = 1; failing && status; n++) {
        memory_fail_at(n);
        status = checkpoint_open(identity, &image, NULL);
        memory_fail_at(0);
        CHECK(status == STATUS_OK || (status == STATUS_NO_MEMORY && image.mapping.at));
    }
    CHECK(status == STATUS_OK && !image.mapping.at);
    return identity;
}

static void check_same(const char *left, const char *right) {
    struct file_mapping a, b;
    CHECK(file_map(disk, left, &a, NULL) == STATUS_OK);
    CHECK(file_map(disk, right, &b, NULL) == STATUS_OK);
    CHECK(a.length == b.length && memcmp(a.at, b.at, a.length) == 0);
    file_unmap(disk, &a);
    file_unmap(disk, &b);
}

/* Stops at two records, each time with a checkpoint and a new start: in the end every byte is as if
 * all had been replayed. */
static void check_checkpoints(struct life *life, const struct identity *replayed) {
    struct random *random = &life->world->random;
    uint32_t count = life->record_count;
    uint32_t first = (uint32_t)random_below(random, count + 1),
             second = first + (uint32_t)random_below(random, count + 1 - first);
    struct identity *identity = create();
    replay(life, identity, 0, first);
    write_image(identity, "first");
    identity_destroy(identity);
    identity = open_image("first", seed % 32 == 0);
    replay(life, identity, first, second);
    write_image(identity, "second");
    CHECK(checkpoint_detach(identity) == STATUS_OK);
    identity_destroy(identity);
    identity = open_image("second", false);
    replay(life, identity, second, count);
    for (uint32_t i = 0; i < 8; i++) compare(life->world, identity, random_as_of(life, 0));
    write_image(identity, "resumed");
    write_image(replayed, "replayed");
    check_same("resumed", "replayed");
    identity_destroy(identity);
    /* The living one has more: links that were erased, slots that were taken back. */
    write_image(life->identity, "living");
    identity = open_image("living", false);
    for (uint32_t i = 0; i < 8; i++)
        compare(life->world, identity, random_as_of(life, life->first_position));
    identity_destroy(identity);
}

static void check_replay(struct life *life) {
    struct identity *again = create();
    replay(life, again, 0, life->record_count);
    struct identity_stats live, replayed;
    identity_stats(life->identity, &live);
    identity_stats(again, &replayed);
    CHECK(live.identifier_count == replayed.identifier_count &&
          live.persona_count == replayed.persona_count);
    CHECK(live.link_count == replayed.link_count && live.refused_count == replayed.refused_count);
    CHECK(live.customer_count == replayed.customer_count);
    for (uint32_t i = 0; i < 8; i++) compare(life->world, again, random_as_of(life, 0));
    check_checkpoints(life, again);
    identity_destroy(again);
}

static void shuffle(struct random *random, uint32_t *order, uint32_t count) {
    for (uint32_t i = count; i > 1; i--) {
        uint32_t k = (uint32_t)random_below(random, i), held = order[i - 1];
        order[i - 1] = order[k];
        order[k] = held;
    }
}

static const struct identity_world *sorted_world;
static int by_known(const void *a, const void *b) {
    int64_t left = sorted_world->events[*(const uint32_t *)a].known_ms;
    int64_t right = sorted_world->events[*(const uint32_t *)b].known_ms;
    return (left > right) - (left < right);
}

enum with { WITH_WITHDRAWALS = 1, WITH_ERASURES = 2, WITH_RULES = 4, WITH_CORRECTIONS = 8 };

static void something(struct life *life, unsigned with) {
    struct random *random = &life->world->random;
    if (with & WITH_WITHDRAWALS && random_below(random, 2) == 0) withdraw(life);
    if (with & WITH_ERASURES && random_below(random, 3) == 0) erase(life);
    if (with & WITH_RULES && random_below(random, 4) == 0) change_rules(life);
    while (with & WITH_CORRECTIONS && random_below(random, 2) == 0) correct(life);
}

static void arrive(struct identity_world *world, uint32_t *order) {
    struct random *random = &world->random;
    for (uint32_t i = 0; i < world->event_count; i++) {
        order[i] = i;
        world->events[i].position = world->events[i].gone_position = UINT64_MAX;
    }
    sorted_world = world;
    if (random_below(random, 3) == 0)
        qsort(order, world->event_count, sizeof(*order), by_known);
    else
        shuffle(random, order, world->event_count);
}

static void live(struct identity_world *world, unsigned with) {
    struct life life = {.world = world, .identity = create()};
    struct random *random = &world->random;
    uint32_t order[WORLD_EVENTS_MAX], event_count = world->event_count;
    event_batch_init(&life.batch);
    world->with_names = !(with & WITH_CORRECTIONS) && random_below(random, 2);
    world->withdrawal_count = world->ruling_count = 0;
    set_rules(&life, world->rules, 0);
    memset(world->erased_at, 0xFF, sizeof(world->erased_at));
    arrive(world, order);
    for (uint32_t done = 0; done < event_count;) {
        uint32_t count =
            1 + (uint32_t)random_below(random, random_below(random, 3) ? 4 : WORLD_EVENTS_MAX);
        if (count > event_count - done) count = event_count - done;
        resolve(&life, order + done, count);
        done += count;
        something(&life, with);
        for (uint32_t i = 0; i < 4; i++)
            compare(world, life.identity, random_as_of(&life, life.first_position));
    }
    for (uint32_t i = 0; i < 16; i++)
        compare(world, life.identity, random_as_of(&life, life.first_position));
    check_replay(&life);
    world->event_count = event_count;
    for (uint32_t i = 0; i < life.record_count; i++) free(life.records[i].bytes);
    event_batch_release(&life.batch);
    identity_destroy(life.identity);
}

/* Links are made anew at the first row that stands, while sightings of what expires are not. */
static void nothing_expires(struct identity_world *world) {
    for (uint32_t i = 0; i < WORLD_TYPES; i++) world->rules[i].expires_ms = 0;
}

/* The same events in another order are the same customers: the model doesn't look at the order, so
 * comparing with it is the proof. */
int main(int argument_count, char **arguments) {
    uint64_t first = argument_count > 1 ? strtoull(arguments[1], NULL, 10) : 1;
    uint64_t rounds = argument_count > 2 ? strtoull(arguments[2], NULL, 10) : 600;
    struct simulated_disk *simulated = simulated_disk_create(first, UINT64_C(64) << 20);
    disk = simulated_disk_interface(simulated);
    for (seed = first; seed < first + rounds; seed++) {
        struct identity_world world;
        world_make(&world, seed);
        unsigned withdrawals = seed % 2 == 0 ? WITH_WITHDRAWALS : 0;
        live(&world, 0);
        live(&world, withdrawals);
        live(&world, WITH_WITHDRAWALS | WITH_RULES);
        live(&world, withdrawals | WITH_ERASURES | WITH_RULES);
        nothing_expires(&world);
        live(&world, WITH_CORRECTIONS);
        live(&world, withdrawals | WITH_CORRECTIONS | WITH_RULES);
    }
    simulated_disk_destroy(simulated);
    printf("identity equals its model: %" PRIu64 " worlds from seed %" PRIu64 "\n", rounds, first);
    return 0;
}
