/* SPDX-License-Identifier: Apache-2.0 */
#include "shop.h"

#include "event/dark.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/memory.h"

const char shop_playbook[] =
    "attune: 1\nname: Shop\ncurrency: USD\nzone: UTC\n"
    "customer: { identifiers: { email: {}, cookie: {} } }\n"
    "sources:\n"
    "  offer: { file: \"offers*.csv\", lookup: offer_id, types: { discount: number } }\n"
    "  orders:\n"
    "    file: \"orders*.csv\"\n"
    "    event: Order Completed\n"
    "    channel: store\n"
    "    time: at\n"
    "    key: { email: email, cookie: cookie }\n"
    "    row_key: order_id\n"
    "    types: { amount: money, items: number }\n"
    "    properties: { order_id: order_id, revenue: amount, items: items, note: note }\n"
    "  mail:\n"
    "    file: \"mail*.csv\"\n"
    "    event: Treatment Delivered\n"
    "    channel: email\n"
    "    time: at\n"
    "    key: { email: email }\n"
    "    properties: { treatment: treatment }\n"
    "traits:\n"
    "  orders: count(\"Order Completed\")\n"
    "  merges: count(\"Customer Merged\")\n"
    "  splits: count(\"Customer Split\")\n"
    "  spent: sum(\"Order Completed\".revenue)\n"
    "goals: { order: { event: Order Completed, within: 5d, value: revenue } }\n"
    "models: { order: { goal: order } }\n"
    "actions:\n"
    "  letter: { for_each: offer, goal: order, model: order, title: \"Offer {offer_id}\", cost: "
    "0.10 USD, channels: [email] }\n"
    "policies:\n"
    "  - { at_most: 1, in: 3d, channel: email }\n";

static void must(bool holds, const char *what) {
    if (holds) return;
    fprintf(stderr, "shop: %s\n", what);
    abort();
}

void shop_init(struct shop *shop) {
    *shop = (struct shop){.folder = "/tmp/attune-shop-XXXXXX", .now_ms = DAY(100)};
    must(mkdtemp(shop->folder) != NULL, "no temporary folder");
    shop->disk = simulated_disk_create(1, UINT64_C(1) << 30);
    shop_file(shop, "playbook.yaml", shop_playbook);
}

void shop_release(struct shop *shop) {
    char command[128];
    engine_close(shop->engine);
    simulated_disk_destroy(shop->disk);
    snprintf(command, sizeof command, "rm -rf '%s'", shop->folder);
    must(system(command) == 0, "the temporary folder can't be removed");
}

const char *shop_path(const struct shop *shop, const char *name) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", shop->folder, name);
    return path;
}

void shop_file(struct shop *shop, const char *name, const char *text) {
    FILE *file = fopen(shop_path(shop, name), "w");
    must(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0, "a file can't be written");
}

enum status shop_try_open(struct shop *shop, const char *playbook, bool read_only,
                          struct error *error) {
    struct engine_options options = {
        .directory = "data",
        .create = !read_only,
        .read_only = read_only,
        .fold_by_hand = true,
        .fs = simulated_disk_interface(shop->disk),
        .playbook_file = playbook != NULL ? shop_path(shop, playbook) : NULL,
        .now_ms = shop->now_ms,
        .threads = 1,
    };
    engine_close(shop->engine);
    shop->engine = NULL;
    return engine_open(&shop->engine, &options, error);
}

void shop_open(struct shop *shop, const char *playbook) {
    struct error error = {0};
    must(shop_try_open(shop, playbook, false, &error) == STATUS_OK, error.text);
}

void shop_load(struct shop *shop, const char *source) {
    struct engine_ingest_options options = {.data_directory = shop->folder, .source = source};
    struct engine_ingest_report *reports;
    struct error error = {0};
    size_t count;
    must(engine_ingest(shop->engine, &options, &reports, &count, &error) == STATUS_OK, error.text);
    shop->totals = (struct engine_ingest_report){0};
    for (size_t i = 0; i < count; i++) {
        shop->totals.rows += reports[i].rows;
        apply_result_add(&shop->totals.did, &reports[i].did);
        shop->totals.quarantined += reports[i].quarantined;
        shop->totals.quarantined_before += reports[i].quarantined_before;
        shop->totals.came_whole += reports[i].came_whole;
        shop->totals.lookup_rows += reports[i].lookup_rows;
        if (reports[i].notes.count > 0) shop->totals.notes = reports[i].notes;
    }
    memory_free(reports);
}

struct customer_id shop_customer(struct shop *shop, const char *name, int64_t t_ms) {
    struct customer_id customer = {ID_NONE};
    enum status status = engine_find_customer(shop->engine, text_from(name),
                                              (struct as_of){t_ms, POSITION_NOW}, &customer, NULL);
    if (status != STATUS_OK) customer.value = ID_NONE;
    return customer;
}

double shop_trait(struct shop *shop, const char *customer, const char *trait, int64_t t_ms) {
    const struct customer_data *data = engine_customer_data(shop->engine);
    struct profile *profile = NULL;
    struct timeline_reader *reader;
    struct timeline timeline;
    uint32_t index = playbook_trait_find(data->playbook, text_from(trait));
    must(index != UINT32_MAX && profile_create(&profile, data) == STATUS_OK, "no such trait");
    struct timeline_request request =
        profile_request(profile, (struct as_of){t_ms, POSITION_NOW}, false);
    must(data->source->ops->reader_open(data->source, &reader, NULL) == STATUS_OK, "no reader");
    double found = -1;
    if (data->source->ops->read(reader, shop_customer(shop, customer, t_ms), &request, &timeline,
                                NULL) == STATUS_OK) {
        struct value value = profile_at(profile, &timeline, t_ms)[index];
        found = value.type == VALUE_MONEY ? (double)value.minor / 100 : value.number;
    }
    data->source->ops->reader_close(reader);
    profile_destroy(profile);
    return found;
}

uint64_t shop_count(struct shop *shop, const char *event) {
    struct timeline_source *source = store_source(engine_store(shop->engine));
    struct timeline_request request = {.as_of = {INT64_MAX, POSITION_NOW},
                                       .needs = TIMELINE_PACKED};
    struct timeline_reader *reader;
    struct timeline timeline;
    uint64_t count = 0;
    must(source->ops->reader_open(source, &reader, NULL) == STATUS_OK, "no reader");
    must(source->ops->walk(reader, &request, 0, 1, NULL) == STATUS_OK, "no walk");
    while (source->ops->next(reader, &timeline, NULL) == STATUS_OK) {
        for (uint32_t i = 0; i < timeline.count; i++) {
            struct text packed;
            must(timeline.ops->packed(&timeline, i, &packed) == STATUS_OK, "no properties");
            count +=
                text_equal(event_own_name(engine_symbols(shop->engine), timeline.type[i], packed),
                           text_from(event));
        }
    }
    source->ops->reader_close(reader);
    return count;
}

uint64_t shop_events(struct shop *shop) {
    struct store_stats stats;
    store_stats(engine_store(shop->engine), &stats);
    return stats.event_count;
}

int shop_set_up(void **state) {
    static struct shop shop;
    shop_init(&shop);
    *state = &shop;
    return 0;
}

int shop_tear_down(void **state) {
    shop_release(*state);
    return 0;
}
