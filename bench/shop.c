/* SPDX-License-Identifier: Apache-2.0 */
#include "shop.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/memory.h"
#include "base/random.h"
#include "bench.h"

/* Their events don't fit into a tail. */
#define BEYOND_A_TAIL 500000u
#define CATEGORIES    25u
#define BRANDS        40u
#define ITEMS         2000u
#define LIST_ITEMS    50u
#define YEAR_DAYS     360u
#define OFFERS_MAX    1000u
#define UNTIL_DAYS    60 /* before now: what a recent shop has learnt from */

static char folder[512];
static bool is_dear[OFFERS_MAX]; /* by offer */

const char *shop_folder(void) {
    return folder;
}

static const char playbook_head[] =
    "attune: 1\nname: Decide bench\ncurrency: USD\nzone: UTC\n"
    "customer: { identifiers: { card: } }\n"
    "consent: { required: yes }\n"
    "sources:\n"
    "  offer: { file: offers.csv, lookup: offer_id, types: { price: number, discount: number, "
    "starts: time, ends: time } }\n";
static const char playbook_list[] =
    "  offer_item: { file: items.csv, lookup: offer_id, many: yes }\n";
static const char playbook_body[] =
    "  orders: { file: orders.csv, event: Order Completed, channel: web, time: at, key: { card: "
    "card }, row_key: id, types: { revenue: money, quantity: number }, properties: { revenue: "
    "revenue, quantity: quantity, category: category, brand: brand, item: item } }\n"
    "  views: { file: views.csv, event: Product Viewed, channel: web, time: at, key: { card: card "
    "}, row_key: id, types: { seconds: number }, properties: { category: category, brand: brand, "
    "seconds: seconds, item: item } }\n"
    "  letters: { file: letters.csv, event: Treatment Delivered, channel: email, time: at, key: { "
    "card: card }, row_key: id, properties: { treatment: treatment } }\n"
    "  agreed: { file: consent.csv, event: Consent Changed, time: at, key: { card: card }, "
    "row_key: "
    "id, properties: { purpose: purpose, state: state } }\n"
    "  opted: { file: optin.csv, event: Opt In Changed, time: at, key: { card: card }, row_key: "
    "id, "
    "properties: { channel: channel, state: state } }\n"
    "goals: { order: { event: Order Completed, within: 14d, value: 12 USD } }\n"
    "decide: { slots: 3 }\n"
    "policies:\n"
    "  - { never_without: opt_in, channel: email }\n"
    "  - { at_most: 4, in: 7d, channel: email }\n"
    "  - { at_most: 12, in: 30d }\n"
    "  - { at_most: 2, in: 30d, of: same treatment }\n"
    "  - { after: Rejected, of: same action, wait: 60d }\n"
    "  - { quiet: \"03:00-03:30\", channel: email }\n";

static const char playbook_all[] = "explore: { share: 1%, off: { when: t2 > 40 } }\n"
                                   "placements: { main: { channels: [email], slots: 3 }, side: { "
                                   "channels: [email], slots: 3 } }\n"
                                   "budgets: { mails: { contacts: 1000000000, per: week, "
                                   "channels: [email] }, money: { cost: 100000000 USD, per: "
                                   "week } }\n";
/* The 25 features of the customer. */
static const char *const traits[] = {
    "count(\"Order Completed\") in 30d",
    "count(\"Order Completed\") in 90d",
    "count(\"Order Completed\") in 365d",
    "sum(\"Order Completed\".revenue) in 30d",
    "sum(\"Order Completed\".revenue) in 90d",
    "sum(\"Order Completed\".revenue) in 365d",
    "max(\"Order Completed\".revenue) in 365d",
    "avg(\"Order Completed\".quantity) in 365d",
    "sum(\"Order Completed\".quantity) in 90d",
    "since(\"Order Completed\")",
    "count(\"Product Viewed\") in 7d",
    "count(\"Product Viewed\") in 30d",
    "count(\"Product Viewed\") in 90d",
    "count(\"Product Viewed\") in 365d",
    "sum(\"Product Viewed\".seconds) in 30d",
    "max(\"Product Viewed\".seconds) in 90d",
    "avg(\"Product Viewed\".seconds) in 365d",
    "since(\"Product Viewed\")",
    "last(\"Product Viewed\".category)",
    "last(\"Order Completed\".category)",
    "last(\"Order Completed\".brand)",
    "count(\"Treatment Delivered\") in 30d",
    "count(\"Treatment Delivered\") in 90d",
    "since(\"Treatment Delivered\")",
    "exists(\"Order Completed\" where revenue > 80 USD) in 180d",
};
#define TRAITS (sizeof traits / sizeof *traits)

FILE *shop_create(const char *name) {
    char path[600];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    if (file == NULL) bench_fail("%s can't be written", path);
    return file;
}

void shop_close(FILE *file) {
    if (ferror(file) || fclose(file) != 0) bench_fail("a file of the bench can't be written");
}

static void write_playbook(const struct shape *shape) {
    FILE *file = shop_create("playbook.yaml");
    fputs(playbook_head, file);
    if (shape->lists) fputs(playbook_list, file);
    fputs(playbook_body, file);
    if (shape->all) fputs(playbook_all, file);
    fputs("traits:\n", file);
    for (size_t i = 0; i < TRAITS; i++) fprintf(file, "  t%zu: '%s'\n", i, traits[i]);
    fputs("  of_category: 'count(\"Order Completed\" where category == action.category) in 365d'\n"
          "  of_brand: 'count(\"Product Viewed\" where brand == action.brand) in 90d'\n",
          file);
    if (shape->lists)
        fputs("  l0: 'count(\"Order Completed\" where action.items contains item) in 30d'\n"
              "  l1: 'count(\"Order Completed\" where action.items contains item) in 365d'\n"
              "  l2: 'sum(\"Order Completed\".revenue where action.items contains item) in 365d'\n"
              "  l3: 'count(\"Product Viewed\" where action.items contains item) in 30d'\n"
              "  l4: 'count(\"Product Viewed\" where action.items contains item) in 365d'\n",
              file);
    fputs("models: { buy: { goal: order, attributes: [price, discount, category] } }\n", file);
    fprintf(file,
            "actions:\n  letter: { for_each: offer, title: \"Offer {offer_id}\", goal: order, "
            "model: buy, cost: 0.05 USD, channels: [email],\n"
            "    %savailable: action.starts <= now and now < action.ends, eligible: t2 >= 0, "
            "applicable: t13 >= 0 }\n",
            shape->lists ? "attributes: { items: offer_item.item }, " : "");
    shop_close(file);
}

static void write_offers(const struct shape *shape, struct random *random) {
    FILE *file = shop_create("offers.csv");
    fputs("offer_id,price,discount,category,brand,starts,ends\n", file);
    for (uint32_t i = 0; i < shape->offers; i++) {
        uint32_t price = (uint32_t)random_below(random, 200),
                 discount = (uint32_t)random_below(random, 30),
                 category = (uint32_t)random_below(random, CATEGORIES),
                 brand = (uint32_t)random_below(random, BRANDS);
        is_dear[i % OFFERS_MAX] = price >= 100;
        fprintf(file, "%u,%u,%u,cat%u,brand%u,2024-01-01,%s-01-01\n", i, price, discount, category,
                brand, shape->recent ? "2200" : "2026");
    }
    shop_close(file);
    if (!shape->lists) return;
    file = shop_create("items.csv");
    fputs("offer_id,item\n", file);
    for (uint32_t i = 0; i < shape->offers; i++)
        for (uint32_t k = 0; k < LIST_ITEMS; k++)
            fprintf(file, "%u,item%u\n", i, (i * 37 + k * 11) % ITEMS);
    shop_close(file);
}

struct day_text {
    char text[32];
};
static struct day_text day_of_year(const struct shape *shape, struct random *random) {
    struct day_text day;
    uint32_t number = (uint32_t)random_below(random, YEAR_DAYS);
    if (shape->recent) {
        int64_t minute = (int64_t)random_below(random, 24 * 60);
        time_format(clock_now_ms() - number * TIME_DAY_MS - minute * TIME_MINUTE_MS, day.text);
        return day;
    }
    snprintf(day.text, sizeof day.text, "2024-%02u-%02u %02u:%02u:00", 1 + number / 30,
             1 + number % 28, (unsigned)random_below(random, 24),
             (unsigned)random_below(random, 60));
    return day;
}

/* In a hub that uses everything, every other customer answers letters about dear offers, and the
 * others those about cheap ones: two features tell together what none tells alone. Which of the two
 * a customer is shows in the categories looked at. */
static void write_answer(const struct shape *shape, FILE *orders, uint32_t customer, uint32_t offer,
                         const char *day, uint64_t id) {
    bool fits = is_dear[offer % OFFERS_MAX] == (customer % 2 == 1);
    if (!shape->all || !fits || hash_u64(id) % 2 == 0) return;
    fprintf(orders, "answer%llu,k%u,%.11s23:59:00,20.00,1,cat%u,brand1,item1\n",
            (unsigned long long)id, customer, day, customer % 2);
}

static void write_events(const struct shape *shape, struct random *random) {
    FILE *orders = shop_create("orders.csv"), *views = shop_create("views.csv"),
         *letters = shop_create("letters.csv"), *consent = shop_create("consent.csv"),
         *optin = shop_create("optin.csv");
    uint64_t id = 0;
    fputs("id,card,at,revenue,quantity,category,brand,item\n", orders);
    fputs("id,card,at,category,brand,seconds,item\n", views);
    fputs("id,card,at,treatment\n", letters);
    fputs("id,card,at,purpose,state\n", consent);
    fputs("id,card,at,channel,state\n", optin);
    for (uint32_t c = 0; c < shape->customers; c++) {
        uint32_t events = shape->events - 4 + (uint32_t)random_below(random, 9);
        fprintf(consent, "c%u,k%u,2023-12-01,personalise,yes\n", c, c);
        fprintf(optin, "o%u,k%u,2023-12-01,email,yes\n", c, c);
        for (uint32_t e = 0; e < events; e++) {
            struct day_text day = day_of_year(shape, random);
            uint32_t draw = (uint32_t)random_below(random, 10),
                     category = (uint32_t)random_below(random, CATEGORIES),
                     brand = (uint32_t)random_below(random, BRANDS),
                     item = (uint32_t)random_below(random, ITEMS);
            if (shape->all) category = category / 2 * 2 + c % 2;
            if (draw < 3)
                fprintf(orders, "%llu,k%u,%s,%u.%02u,%u,cat%u,brand%u,item%u\n",
                        (unsigned long long)id++, c, day.text, (unsigned)random_below(random, 150),
                        (unsigned)random_below(random, 100), 1 + (unsigned)random_below(random, 5),
                        category, brand, item);
            else if (draw < 8)
                fprintf(views, "%llu,k%u,%s,cat%u,brand%u,%u,item%u\n", (unsigned long long)id++, c,
                        day.text, category, brand, (unsigned)random_below(random, 400), item);
            else {
                uint32_t offer = (uint32_t)random_below(random, shape->offers);
                write_answer(shape, orders, c, offer, day.text, id);
                fprintf(letters, "%llu,k%u,%s,letter/%u\n", (unsigned long long)id++, c, day.text,
                        offer);
            }
        }
    }
    shop_close(orders);
    shop_close(views);
    shop_close(letters);
    shop_close(consent);
    shop_close(optin);
}

void shop_check(enum status status, const struct error *error) {
    if (status != STATUS_OK) bench_fail("%s", error->text[0] ? error->text : status_name(status));
}

/* A trained directory under the bench's folder, made once a shape. */
struct engine *shop_open(const struct shape *shape) {
    const char *base = getenv("ATTUNE_BENCH_DATA");
    struct error error = {0};
    struct engine *engine = NULL;
    char directory[600], playbook[600], done[600];
    if (base == NULL) base = getenv("TMPDIR");
    int length = snprintf(folder, sizeof folder, "%s/attune-bench-decide-%s-%u-%u",
                          base != NULL ? base : "/tmp",
                          shape->lists ? "lists"
                          : shape->all ? "hub"
                                       : "plain",
                          shape->customers, shape->offers);
    if (shape->recent)
        snprintf(folder + length, sizeof folder - (size_t)length, "-day%lld",
                 (long long)(clock_now_ms() / TIME_DAY_MS));
    snprintf(directory, sizeof directory, "%s/data", folder);
    snprintf(playbook, sizeof playbook, "%s/playbook.yaml", folder);
    snprintf(done, sizeof done, "%s/done", folder);
    bool ready = access(done, F_OK) == 0;
    if (!ready) {
        struct random random;
        random_init(&random, 7);
        if (mkdir(folder, 0700) != 0 && access(folder, W_OK) != 0)
            bench_fail("%s can't be made", folder);
        write_playbook(shape);
        write_offers(shape, &random);
        write_events(shape, &random);
    }
    struct engine_options options = {.directory = directory,
                                     .create = true,
                                     .fold_by_hand = shape->customers < BEYOND_A_TAIL,
                                     .playbook_file = ready ? NULL : playbook};
    shop_check(engine_open(&engine, &options, &error), &error);
    if (!ready) {
        struct engine_ingest_options ingest = {.data_directory = folder};
        struct engine_ingest_report *reports;
        size_t count;
        int64_t until_ms;
        shop_check(engine_ingest(engine, &ingest, &reports, &count, &error), &error);
        memory_free(reports);
        shop_check(engine_fold(engine, true, NULL, &error), &error);
        BENCH_CHECK(time_parse(TEXT("2024-10-01"), NULL, &until_ms));
        if (shape->recent) until_ms = clock_now_ms() - UNTIL_DAYS * TIME_DAY_MS;
        shop_check(engine_train(engine, 0, until_ms, NULL, NULL, NULL, &error), &error);
        shop_close(shop_create("done"));
    }
    return engine;
}
