/* SPDX-License-Identifier: Apache-2.0 */
/* Those who decide and walk, beside everything that changes: loads with new rows, corrections,
 * merges and withdrawals, an erasure, folds, tables, trainings, and two playbooks that take turns.
 *
 * Two actions in two channels, two zones, two currencies, and a source whose rows are known a day
 * late. Each request must be of one piece: the same customer decided twice in it is decided alike,
 * a trait that counts rows equals the rows that are there, and every treatment is one of the
 * playbook that the request holds. Meant for ThreadSanitizer, which must stay silent.
 * Usage: engine_readers_test [ROUNDS [DECIDERS]]. */
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "engine/answer/answer.h"
#include "engine/answer/pool.h"
#include "shop.h"

#define PEOPLE       60
#define DECIDERS_MAX 16
#define WALKERS      2

static const char playbook_text[] =
    "attune: 1\nname: Two of each\ncurrency: USD\nzone: UTC\n"
    "customer:\n"
    "  identifiers: { email: {}, cookie: {} }\n"
    "  zones: [UTC, America/New_York]\n"
    "sources:\n"
    "  offer: { file: \"offers*.csv\", lookup: offer_id, types: { discount: number } }\n"
    "  orders:\n"
    "    file: \"orders*.csv\"\n"
    "    event: Order Completed\n"
    "    channel: store\n"
    "    time: at\n"
    "    key: { email: email, cookie: cookie }\n"
    "    row_key: order_id\n"
    "    corrections_max: 100000\n"
    "    types: { amount: money, items: number }\n"
    "    properties: { order_id: order_id, revenue: amount, items: items }\n"
    "  calls:\n"
    "    file: \"calls*.csv\"\n"
    "    event: Call Answered\n"
    "    channel: phone\n"
    "    zone: America/New_York\n"
    "    arrives: 1d\n"
    "    time: at\n"
    "    key: { email: email }\n"
    "    row_key: call_id\n"
    "    properties: { topic: topic }\n"
    "  mail:\n"
    "    file: \"mail*.csv\"\n"
    "    event: Treatment Delivered\n"
    "    channel: email\n"
    "    time: at\n"
    "    key: { email: email }\n"
    "    row_key: mail_id\n"
    "    properties: { treatment: treatment }\n"
    "traits:\n"
    "  orders: count(\"Order Completed\")\n"
    "%s"
    "  calls: count(\"Call Answered\") in 30d\n"
    "  pieced: count(\"Order Completed\" where items >= 1)\n"
    "  spent: sum(\"Order Completed\".revenue where revenue >= 0 USD)\n"
    "goals:\n"
    "  order: { event: Order Completed, within: 5d, value: 10 USD }\n"
    "models: { order: { goal: order } }\n"
    "actions:\n"
    "  letter: { for_each: offer, goal: order, model: order, cost: 0.10 USD, channels: [email] }\n"
    "  ring: { goal: order, starting_propensity: 30%%, eligible: \"orders >= 1\", cost: 1 USD, "
    "channels: [phone] }\n"
    "policies:\n"
    "  - { at_most: 2, in: 3d, channel: email }\n"
    "  - { quiet: \"21:00-08:00\", channel: phone }\n"
    "%s";

struct trial {
    struct shop shop;
    _Atomic bool stop;
    _Atomic uint64_t failures, decisions, walked, swaps;
};

static void wrong(struct trial *trial, const char *what, const char *of) {
    if (atomic_fetch_add(&trial->failures, 1) < 10) printf("%s: %s\n", what, of);
}

static void must(bool holds, const char *what) {
    if (holds) return;
    printf("%s\n", what);
    abort();
}

/* ---- readers ---- */

struct made { /* what must be alike when the same is decided twice */
    uint64_t id;
    uint32_t ranked, shown;
    double first;
};

static struct made made_of(const struct decision *decision) {
    struct made made = {.id = decision->id,
                        .ranked = decision->ranked_count,
                        .shown = decision_shown_count(decision)};
    if (decision->ranked_count > 0) made.first = decision_ranked(decision, 0).priority;
    return made;
}

/* As many rows as the traits say, whichever playbook this reader has. Each order has items, in a
 * column that stands elsewhere in the other playbook. */
static void check_orders(struct trial *trial, const struct engine_view *view, uint32_t type,
                         const char *of) {
    const struct timeline *timeline = &view->timeline;
    const struct playbook *playbook = view->data->playbook;
    uint32_t rows = 0, orders = playbook_trait_find(playbook, TEXT("orders")),
             pieced = playbook_trait_find(playbook, TEXT("pieced"));
    for (uint32_t row = 0; row < timeline->count; row++) rows += timeline->type[row] == type;
    const struct value *values = profile_at(view->profile, timeline, view->t_ms);
    if (values[orders].number != rows || values[pieced].number != rows)
        wrong(trial, "a trait counts other rows", of);
}

static void check_actions(struct trial *trial, const struct engine_view *view) {
    const struct playbook *playbook = view->data->playbook;
    const struct decision *decision = view->decision;
    for (uint32_t i = 0; i < decision->ranked_count; i++) {
        const struct action *action = decision_ranked(decision, i).treatment->action;
        if (action < playbook->actions || action >= playbook->actions + playbook->action_count)
            wrong(trial, "a treatment of another playbook", "a decision");
    }
}

static bool decide(struct trial *trial, struct engine_view *view, const char *name) {
    struct error error = {0};
    enum status status = engine_view_decide(view, name, &error);
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) wrong(trial, name, error.text);
    return status == STATUS_OK;
}

static void decide_twice(struct trial *trial, struct engine_view *view, uint32_t person,
                         uint32_t type) {
    char name[64];
    snprintf(name, sizeof name, "email:p%u@a.example", person);
    if (!decide(trial, view, name)) return; /* erased */
    struct made first = made_of(view->decision);
    check_orders(trial, view, type, name);
    check_actions(trial, view);
    if (!decide(trial, view, name)) return;
    struct made second = made_of(view->decision);
    if (first.id != second.id || first.ranked != second.ranked || first.shown != second.shown ||
        (first.ranked > 0 && first.first != second.first))
        wrong(trial, "the same was decided twice and is not alike", name);
    atomic_fetch_add(&trial->decisions, 1);
}

/* Each request is another millisecond, as a clock would have it. */
static void *decider(void *context) {
    struct trial *trial = context;
    struct engine *engine = trial->shop.engine;
    uint32_t type = symbol_find(engine_symbols(engine), SYMBOL_EVENT, TEXT("Order Completed"));
    for (uint32_t n = 0; !atomic_load(&trial->stop); n++) {
        struct engine_view *view;
        struct error error = {0};
        int64_t t_ms = DAY(60) + n * 977;
        if (engine_view_take(engine, ENGINE_VIEW_DECIDING, t_ms, &view, &error) != STATUS_OK) {
            wrong(trial, "no reader", error.text);
            break;
        }
        for (uint32_t k = 0; k < 5; k++) decide_twice(trial, view, (n * 7 + k) % PEOPLE, type);
        engine_view_give(view);
    }
    return NULL;
}

static void walk(struct trial *trial, struct engine_view *view, uint32_t type) {
    struct error error = {0};
    enum status status = engine_view_walk(view, &error);
    while (status == STATUS_OK && (status = engine_view_next_read(view, &error)) == STATUS_OK) {
        check_orders(trial, view, type, "a walk");
        atomic_fetch_add(&trial->walked, 1);
    }
    if (status != STATUS_END) wrong(trial, "a walk fails", error.text);
}

static void *walker(void *context) {
    struct trial *trial = context;
    struct engine_view view;
    struct error error = {0};
    uint32_t type =
        symbol_find(engine_symbols(trial->shop.engine), SYMBOL_EVENT, TEXT("Order Completed"));
    enum status status =
        engine_view_open_as(&view, trial->shop.engine, ENGINE_VIEW_LIVE, DAY(60), &error);
    while (status == STATUS_OK && !atomic_load(&trial->stop)) {
        walk(trial, &view, type);
        status = engine_view_renew(&view, DAY(60), &error);
    }
    if (status != STATUS_OK) wrong(trial, "no reader", error.text);
    engine_view_close(&view);
    return NULL;
}

/* ---- what changes ---- */

static void put_playbook(struct trial *trial, uint32_t round) {
    struct error error = {0};
    const char *name = round % 2 == 0 ? "a.yaml" : "b.yaml";
    if (engine_put_playbook(trial->shop.engine, shop_path(&trial->shop, name), NULL, &error) !=
        STATUS_OK)
        wrong(trial, name, error.text);
    if (engine_put_playbook(trial->shop.engine, shop_path(&trial->shop, "bad.yaml"), NULL,
                            &error) != STATUS_INVALID)
        wrong(trial, "a bad playbook", "was taken");
    atomic_fetch_add(&trial->swaps, 1);
}

static void write_playbooks(struct shop *shop) {
    char text[8192];
    snprintf(text, sizeof text, playbook_text, "", "");
    shop_file(shop, "a.yaml", text);
    /* The columns stand in another order, and there is one more. */
    snprintf(text, sizeof text, playbook_text,
             "  topics: distinct(\"Call Answered\".topic)\n"
             "  large: count(\"Order Completed\" where items >= 3)\n",
             "  - { at_most: 1, per: day }\n");
    shop_file(shop, "b.yaml", text);
    snprintf(text, sizeof text, playbook_text, "  bad: count(\"Nobody Knows This\" of (\n", "");
    shop_file(shop, "bad.yaml", text);
}

/* New rows, and with each round those of before with other amounts. In every fourth round a row has
 * one person's address and another's cookie, which makes the two one. */
static void write_files(struct shop *shop, uint32_t round) {
    static char text[65536];
    size_t at = (size_t)snprintf(text, sizeof text, "order_id,at,email,cookie,amount,items\n");
    for (uint32_t i = 0; i < PEOPLE; i++) {
        uint32_t other = round % 4 == 3 && i == round ? (i + 1) % PEOPLE : i;
        at += (size_t)snprintf(text + at, sizeof text - at,
                               "o%u-%u,2017-01-%02uT10:00:00Z,p%u@a.example,k-%u,%u.00 %s,%u\n",
                               round / 2, i, 2 + (round / 2 + i) % 27, i, other, 10 + round,
                               i % 2 == 0 ? "USD" : "EUR", 1 + (i + round) % 4);
    }
    shop_file(shop, "orders.csv", text);
    at = (size_t)snprintf(text, sizeof text, "call_id,at,email,topic\n");
    for (uint32_t i = 0; i < PEOPLE; i += 3)
        at += (size_t)snprintf(text + at, sizeof text - at,
                               "c%u-%u,2017-02-%02uT18:30:00,p%u@a.example,t%u\n", round, i,
                               1 + (round + i) % 28, i, i % 4);
    shop_file(shop, "calls.csv", text);
    at = (size_t)snprintf(text, sizeof text, "mail_id,at,email,treatment\n");
    for (uint32_t i = 0; i < PEOPLE; i += 2)
        at += (size_t)snprintf(text + at, sizeof text - at,
                               "m%u-%u,2017-01-%02uT08:00:00Z,p%u@a.example,letter/%u\n", round, i,
                               1 + (round + i) % 27, i, 1 + i % 3);
    shop_file(shop, "mail.csv", text);
    snprintf(text, sizeof text, "offer_id,discount\n1,%u\n2,5\n3,%u\n", round, round % 3);
    shop_file(shop, "offers.csv", text);
}

static void erase(struct trial *trial, uint32_t person) {
    char name[64];
    struct erased_summary summary = {0};
    struct error error = {0};
    snprintf(name, sizeof name, "email:p%u@a.example", person);
    struct customer_id customer = shop_customer(&trial->shop, name, DAY(100));
    if (customer.value == ID_NONE) return;
    if (engine_erase(trial->shop.engine, customer, &summary, &error) != STATUS_OK)
        wrong(trial, "an erasure fails", error.text);
    erased_summary_release(&summary);
}

/* A table that was read under a playbook that has gone meanwhile is refused, and loaded again. */
static void load(struct trial *trial) {
    struct engine_ingest_options options = {.data_directory = trial->shop.folder};
    enum status status = STATUS_INVALID;
    struct error error = {0};
    for (int attempt = 0; status == STATUS_INVALID && attempt < 1000; attempt++) {
        struct engine_ingest_report *reports = NULL;
        size_t count;
        error = (struct error){0};
        status = engine_ingest(trial->shop.engine, &options, &reports, &count, &error);
        memory_free(reports);
        if (status == STATUS_INVALID && strstr(error.text, "another playbook") == NULL) break;
    }
    if (status != STATUS_OK) wrong(trial, "a load fails", error.text);
}

static void change(struct trial *trial, uint32_t round) {
    struct engine *engine = trial->shop.engine;
    struct error error = {0};
    struct model_entry entry;
    write_files(&trial->shop, round);
    load(trial);
    put_playbook(trial, round);
    if (engine_train(engine, 0, DAY(60), NULL, &entry, NULL, &error) != STATUS_OK)
        wrong(trial, "training fails", error.text);
    if (round % 3 == 1 && engine_fold(engine, round % 2 == 0, NULL, &error) != STATUS_OK)
        wrong(trial, "a fold fails", error.text);
    if (round % 5 == 4) erase(trial, PEOPLE - 1 - round % 7);
}

/* Another thread trains and puts playbooks in force beside those of the rounds. */
static void *changer(void *context) {
    struct trial *trial = context;
    struct engine *engine = trial->shop.engine;
    char path[300];
    for (uint32_t n = 0; !atomic_load(&trial->stop); n++) {
        struct error error = {0};
        snprintf(path, sizeof path, "%s/%s", trial->shop.folder, n % 2 == 0 ? "b.yaml" : "a.yaml");
        if (engine_put_playbook(engine, path, NULL, &error) != STATUS_OK)
            wrong(trial, path, error.text);
        if (engine_train(engine, 0, DAY(60), NULL, NULL, NULL, &error) != STATUS_OK)
            wrong(trial, "training beside loads fails", error.text);
        atomic_fetch_add(&trial->swaps, 1);
    }
    return NULL;
}

int main(int argc, char **argv) {
    uint32_t rounds = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 12;
    uint32_t deciders = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 3;
    static struct trial trial;
    pthread_t threads[DECIDERS_MAX + WALKERS + 1];
    uint32_t readers;
    if (deciders > DECIDERS_MAX) deciders = DECIDERS_MAX;
    shop_init(&trial.shop);
    write_playbooks(&trial.shop);
    write_files(&trial.shop, 0);
    shop_open(&trial.shop, "a.yaml");
    shop_load(&trial.shop, NULL);
    readers = deciders + WALKERS;
    for (uint32_t i = 0; i < readers; i++)
        must(pthread_create(&threads[i], NULL, i < deciders ? decider : walker, &trial) == 0,
             "no thread");
    must(pthread_create(&threads[readers], NULL, changer, &trial) == 0, "no thread");
    for (uint32_t round = 0; round < rounds; round++) change(&trial, round);
    atomic_store(&trial.stop, true);
    for (uint32_t i = 0; i <= readers; i++) must(pthread_join(threads[i], NULL) == 0, "no end");
    printf("%" PRIu64 " decisions twice, %" PRIu64 " customers walked, %" PRIu64
           " playbooks, %" PRIu64 " failures\n",
           trial.decisions, trial.walked, trial.swaps, trial.failures);
    bool ok = trial.failures == 0 && trial.decisions > 0 && trial.walked > 0;
    shop_release(&trial.shop);
    return ok ? 0 : 1;
}
