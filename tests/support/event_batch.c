/* SPDX-License-Identifier: Apache-2.0 */
#include "support/event_batch.h"

#include <stdio.h>
#include <stdlib.h>
#include "event/packed.h"

static void must(enum status status) {
    if (status) abort();
}

static void add_properties(struct event_batch *batch, size_t event, struct random *random) {
    struct packed_writer writer;
    char text[64];
    size_t before = batch->bytes.length;
    uint64_t count = random_below(random, 4);
    if (count == 0) return;
    packed_writer_init(&writer);
    packed_begin(&writer);
    for (uint32_t i = 0; i < count; i++) {
        int length =
            snprintf(text, sizeof text, "text %u", (unsigned)random_below(random, 1000000));
        must(packed_add(&writer, 200 + 2 * i, value_text((struct text){text, (uint32_t)length})));
        must(packed_add(&writer, 201 + 2 * i, value_number((double)random_below(random, 9))));
    }
    must(packed_end(&writer, &batch->bytes));
    packed_writer_release(&writer);
    batch->events[event].properties = (uint32_t)before;
    batch->events[event].properties_length = (uint32_t)(batch->bytes.length - before);
}

static void add_event(struct event_batch *batch, const struct random_batch *shape,
                      struct random *random) {
    struct event *event = event_batch_add(batch);
    if (event == NULL) abort();
    event->time_ms = (int64_t)random_below(random, 1000000) - 1000;
    event->known_ms = event->time_ms + (int64_t)random_below(random, 5000);
    event->persona.value = (uint32_t)random_below(random, shape->persona_count);
    event->type = (uint16_t)(1 + random_below(random, 5));
    event->source = (uint16_t)random_below(random, 3);
    event->channel = (uint8_t)random_below(random, 4);
    if (shape->has_keys && random_below(random, 3) != 0) {
        event->key = (struct row_key){random_u64(random) | 1, (uint32_t)random_u64(random)};
        event->content = random_u64(random);
        event->reading = (uint16_t)random_below(random, 4);
        if (shape->has_versions && random_below(random, 2))
            event->version = (int64_t)random_below(random, 1000) - 500;
    }
    add_properties(batch, batch->event_count - 1, random);
}

void random_batch_add(struct event_batch *batch, const struct random_batch *shape,
                      struct random *random) {
    char raw[64];
    for (uint32_t i = 0; i < shape->events; i++) add_event(batch, shape, random);
    for (uint32_t i = 0; i < shape->rows; i++) {
        int length = snprintf(raw, sizeof raw, "raw;%u", (unsigned)random_below(random, 100000));
        must(event_batch_add_row(batch, (uint16_t)random_below(random, 3), TEXT("some.csv"),
                                 random_below(random, 1000), (uint32_t)random_below(random, 9),
                                 TEXT("the time can't be read"),
                                 (struct text){raw, (uint32_t)length}));
    }
}

bool same_stored_event(const struct event_batch *a, size_t i, const struct event_batch *b,
                       size_t j) {
    const struct event *x = &a->events[i], *y = &b->events[j];
    return x->time_ms == y->time_ms && x->known_ms == y->known_ms &&
           row_key_equal(x->key, y->key) && x->key_is_short == y->key_is_short &&
           x->channel == y->channel && x->reading == y->reading && x->type == y->type &&
           x->source == y->source && x->persona.value == y->persona.value &&
           x->content == y->content && x->version == y->version && x->replaces == y->replaces &&
           x->replaces_persona.value == y->replaces_persona.value &&
           text_equal(event_batch_text(a, x->properties, x->properties_length),
                      event_batch_text(b, y->properties, y->properties_length));
}
