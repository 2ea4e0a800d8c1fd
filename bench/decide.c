/* SPDX-License-Identifier: Apache-2.0 */
/* bench/decide.c -- decisions a second on one core, from the customer's identifier to the packed
 * trace. decide [CASE [CUSTOMERS]].
 *
 * A made-up shop: 100,000 customers of 16 to 24 events each, 25 traits of the customer as features
 * of a model that was trained on past letters, an offer table with three attributes, two traits of
 * a treatment, six policies, consent that is required. Each decision is for a random customer at
 * the same moment. The peer is Vowpal Wabbit's contextual bandit (--cb_explore_adf, greedy on a
 * learnt policy) on the very features of the first decisions, read from its binary cache, which
 * leaves it neither timelines to read nor policies to check. CPU seconds of the process. Cases:
 *
 *   "100 treatments", "20 treatments"  so many offers
 *   "moving time"                      100 offers, each decision at a later moment than the last
 *   "lists"                            30 and 300 offers with five traits that look into a list of
 *                                      50 items each, timelines of 200 events: their ratio */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/random.h"
#include "bench.h"
#include "engine/answer/answer.h"

#define CUSTOMERS 100000u
#define DECISIONS 20000u
/* Their events don't fit into a tail. */
#define BEYOND_A_TAIL 500000u
#define WARM          1000u
#define PEER_ROWS     4000u
#define CATEGORIES    25u
#define BRANDS        40u
#define ITEMS         2000u
#define LIST_ITEMS    50u
#define YEAR_DAYS     360u
/* Of the case whose time moves. */
#define TURNS   5
#define STEP_MS 7

struct shape {
    const char *name;
    uint32_t customers, offers, events; /* events: of a customer, on average */
    bool lists;
};

static char folder[512];
static const char *now_text = "2024-12-26";

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

static FILE *create(const char *name) {
    char path[600];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    if (file == NULL) bench_fail("%s can't be written", path);
    return file;
}

static void close_file(FILE *file) {
    if (ferror(file) || fclose(file) != 0) bench_fail("a file of the bench can't be written");
}

static void write_playbook(const struct shape *shape) {
    FILE *file = create("playbook.yaml");
    fputs(playbook_head, file);
    if (shape->lists) fputs(playbook_list, file);
    fputs(playbook_body, file);
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
    close_file(file);
}

static void write_offers(const struct shape *shape, struct random *random) {
    FILE *file = create("offers.csv");
    fputs("offer_id,price,discount,category,brand,starts,ends\n", file);
    for (uint32_t i = 0; i < shape->offers; i++)
        fprintf(file, "%u,%u,%u,cat%u,brand%u,2024-01-01,2026-01-01\n", i,
                (unsigned)random_below(random, 200), (unsigned)random_below(random, 30),
                (unsigned)random_below(random, CATEGORIES), (unsigned)random_below(random, BRANDS));
    close_file(file);
    if (!shape->lists) return;
    file = create("items.csv");
    fputs("offer_id,item\n", file);
    for (uint32_t i = 0; i < shape->offers; i++)
        for (uint32_t k = 0; k < LIST_ITEMS; k++)
            fprintf(file, "%u,item%u\n", i, (i * 37 + k * 11) % ITEMS);
    close_file(file);
}

struct day_text {
    char text[32];
};
static struct day_text day_of_year(struct random *random) {
    struct day_text day;
    uint32_t number = (uint32_t)random_below(random, YEAR_DAYS);
    snprintf(day.text, sizeof day.text, "2024-%02u-%02u %02u:%02u:00", 1 + number / 30,
             1 + number % 28, (unsigned)random_below(random, 24),
             (unsigned)random_below(random, 60));
    return day;
}

static void write_events(const struct shape *shape, struct random *random) {
    FILE *orders = create("orders.csv"), *views = create("views.csv"),
         *letters = create("letters.csv"), *consent = create("consent.csv"),
         *optin = create("optin.csv");
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
            struct day_text day = day_of_year(random);
            uint32_t draw = (uint32_t)random_below(random, 10),
                     category = (uint32_t)random_below(random, CATEGORIES),
                     brand = (uint32_t)random_below(random, BRANDS),
                     item = (uint32_t)random_below(random, ITEMS);
            if (draw < 3)
                fprintf(orders, "%llu,k%u,%s,%u.%02u,%u,cat%u,brand%u,item%u\n",
                        (unsigned long long)id++, c, day.text, (unsigned)random_below(random, 150),
                        (unsigned)random_below(random, 100), 1 + (unsigned)random_below(random, 5),
                        category, brand, item);
            else if (draw < 8)
                fprintf(views, "%llu,k%u,%s,cat%u,brand%u,%u,item%u\n", (unsigned long long)id++, c,
                        day.text, category, brand, (unsigned)random_below(random, 400), item);
            else
                fprintf(letters, "%llu,k%u,%s,letter/%u\n", (unsigned long long)id++, c, day.text,
                        (unsigned)random_below(random, shape->offers));
        }
    }
    close_file(orders);
    close_file(views);
    close_file(letters);
    close_file(consent);
    close_file(optin);
}

static void stop(enum status status, const struct error *error) {
    if (status != STATUS_OK) bench_fail("%s", error->text[0] ? error->text : status_name(status));
}

/* A trained directory under the bench's folder, made once a shape. */
static struct engine *open_shop(const struct shape *shape) {
    const char *base = getenv("ATTUNE_BENCH_DATA");
    struct error error = {0};
    struct engine *engine = NULL;
    char directory[600], playbook[600], done[600];
    if (base == NULL) base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/attune-bench-decide-%s-%u-%u", base != NULL ? base : "/tmp",
             shape->lists ? "lists" : "plain", shape->customers, shape->offers);
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
    stop(engine_open(&engine, &options, &error), &error);
    if (!ready) {
        struct engine_ingest_options ingest = {.data_directory = folder};
        struct engine_ingest_report *reports;
        size_t count;
        int64_t until_ms;
        stop(engine_ingest(engine, &ingest, &reports, &count, &error), &error);
        memory_free(reports);
        stop(engine_fold(engine, true, NULL, &error), &error);
        BENCH_CHECK(time_parse(TEXT("2024-10-01"), NULL, &until_ms));
        stop(engine_train(engine, 0, until_ms, NULL, NULL, NULL, &error), &error);
        close_file(create("done"));
    }
    return engine;
}

/* ---- the peer ---- */

static void write_feature(FILE *file, const char *name, struct value value) {
    switch (value.type) {
    case VALUE_NUMBER: fprintf(file, " %s:%g", name, value.number); break;
    case VALUE_MONEY: fprintf(file, " %s:%g", name, (double)value.minor / 100); break;
    case VALUE_DURATION: fprintf(file, " %s:%g", name, (double)value.duration_ms / 864e5); break;
    case VALUE_YES_NO: fprintf(file, " %s:%d", name, value.yes); break;
    case VALUE_TEXT: fprintf(file, " %s=%.*s", name, TEXT_ARG(value.text)); break;
    default: break;
    }
}

/* The customer and every treatment, as Vowpal Wabbit reads them. */
static void write_peer_row(FILE *file, struct engine_view *view) {
    const struct playbook *playbook = engine_playbook(view->engine);
    const struct value *values = profile_at(view->profile, &view->timeline, view->t_ms);
    fputs("shared |c", file);
    for (uint32_t i = 0; i < playbook->trait_count; i++) {
        char name[16];
        snprintf(name, sizeof name, "t%u", i);
        if (!playbook->traits[i].of_treatment) write_feature(file, name, values[i]);
    }
    fputc('\n', file);
    for (uint32_t a = 0; a < view->decision->trace.count; a++) {
        const struct treatment *treatment = decision_treatment(view->decision, a);
        values = profile_with(view->profile, treatment);
        fprintf(file, "%s|a", a == 0 ? "0:0.5:0.01 " : "");
        for (uint32_t i = 0; i < playbook->attribute_count; i++) {
            char name[16];
            snprintf(name, sizeof name, "a%u", i);
            const struct expr_attribute *attribute = &treatment->attributes[i];
            if (attribute->value.type != VALUE_LIST) write_feature(file, name, attribute->value);
        }
        for (uint32_t i = 0; i < playbook->trait_count; i++) {
            char name[16];
            snprintf(name, sizeof name, "t%u", i);
            if (playbook->traits[i].of_treatment) write_feature(file, name, values[i]);
        }
        fputc('\n', file);
    }
    fputc('\n', file);
}

/* Decisions a CPU second of the peer; 0 where it is absent. */
static double ask_peer(struct engine_view *view, const struct shape *shape) {
    const char *names[] = {"rate"};
    char command[1400];
    double rate = 0;
    struct random random;
    struct error error = {0};
    const char *python = getenv("ATTUNE_PEERS_PYTHON"), *peers = getenv("ATTUNE_PEERS");
    if (python == NULL || peers == NULL) return 0;
    FILE *file = create("peer.vw");
    random_init(&random, 3);
    for (uint32_t i = 0; i < PEER_ROWS; i++) {
        char name[32];
        snprintf(name, sizeof name, "card:k%u", (unsigned)random_below(&random, shape->customers));
        stop(engine_view_decide(view, name, &error), &error);
        write_peer_row(file, view);
    }
    close_file(file);
    snprintf(command, sizeof command, "%s %s/decide_vw.py %s/peer.vw", python, peers, folder);
    return bench_peer(command, names, &rate, 1) ? rate : 0;
}

/* ---- decisions ---- */

struct tally {
    uint64_t offered, bytes, treatments, trace_bytes;
    double rate;
};

/* step_ms: each decision is a request of its own, so much later than the one before; SAME_REQUEST:
 * all are of one request. */
#define SAME_REQUEST (-1)
static struct tally decide_some(struct engine_view *view, const struct shape *shape,
                                uint32_t decisions, uint64_t seed, int64_t step_ms) {
    struct tally counted = {0};
    struct random random;
    struct error error = {0};
    struct packed_writer writer;
    struct buffer packed;
    random_init(&random, seed);
    packed_writer_init(&writer);
    buffer_init(&packed);
    double begin = clock_cpu_seconds();
    for (uint32_t i = 0; i < decisions; i++) {
        char name[32];
        snprintf(name, sizeof name, "card:k%u", (unsigned)random_below(&random, shape->customers));
        if (step_ms >= 0) stop(engine_view_renew(view, view->t_ms + step_ms, &error), &error);
        stop(engine_view_decide(view, name, &error), &error);
        buffer_clear(&packed);
        BENCH_CHECK(decision_pack(view->decider, view->decision, &writer, &packed));
        counted.offered += view->decision->ranked_count > 0;
        counted.bytes += packed.length;
        counted.treatments += view->decision->trace.count;
        /* The traces are measured while the caches warm up. */
        if (decisions <= WARM)
            counted.trace_bytes += packed_find(buffer_text(&packed), PROPERTY_TRACE).text.length;
    }
    counted.rate = decisions / (clock_cpu_seconds() - begin);
    packed_writer_release(&writer);
    buffer_release(&packed);
    return counted;
}

static double run(const struct shape *shape, bool with_peer) {
    struct engine *engine = open_shop(shape);
    struct engine_view view;
    struct error error = {0};
    int64_t t_ms;
    BENCH_CHECK(time_parse(text_from(now_text), NULL, &t_ms));
    stop(engine_view_open(&view, engine, t_ms, &error), &error);
    struct tally warm = decide_some(&view, shape, WARM, 1, SAME_REQUEST);
    uint32_t decisions = shape->events > 100 ? DECISIONS / 10 : DECISIONS;
    struct tally counted = decide_some(&view, shape, decisions, 2, SAME_REQUEST);
    double peer = with_peer ? ask_peer(&view, shape) : 0;
    char note[160];
    snprintf(
        note, sizeof note,
        "%.0f treatments and %.0f B a packed decision, %.0f B of them its trace, %.0f %% offered",
        (double)counted.treatments / decisions, (double)counted.bytes / decisions,
        (double)warm.trace_bytes / WARM, 100.0 * (double)counted.offered / decisions);
    bench_print(&(struct measurement){"decide", shape->name, "decisions/s/core", counted.rate,
                                      with_peer ? "vw --cb_explore_adf, binary cache" : NULL, peer,
                                      peer > 0 ? counted.rate / peer : 0, note});
    engine_view_close(&view);
    engine_close(engine);
    return counted.rate;
}

/* A clock's t against one that stands still, in turns: each decision is a request of its own, which
 * pins what the log has reached. The clock passes a full hour, so base rates are made beside it. */
static void run_moving(const struct shape *shape) {
    struct engine *engine = open_shop(shape);
    struct engine_view view;
    struct error error = {0};
    int64_t t_ms;
    double fixed[TURNS], moving[TURNS];
    BENCH_CHECK(time_parse(text_from(now_text), NULL, &t_ms));
    t_ms -= (int64_t)DECISIONS * STEP_MS / 2; /* now_text is a full hour */
    stop(engine_view_open_as(&view, engine, ENGINE_VIEW_DECIDING, t_ms, &error), &error);
    (void)decide_some(&view, shape, WARM, 1, 0);
    for (int turn = 0; turn < TURNS; turn++) {
        fixed[turn] = decide_some(&view, shape, DECISIONS / TURNS, 2, 0).rate;
        moving[turn] = decide_some(&view, shape, DECISIONS / TURNS, 2, STEP_MS).rate;
    }
    double rate = bench_median(moving, TURNS), still = bench_median(fixed, TURNS);
    bench_print(&(struct measurement){"decide", shape->name, "decisions/s/core", rate,
                                      "the same at a fixed time", still, rate / still,
                                      "each a request of its own; in turns, a full hour passes"});
    engine_view_close(&view);
    engine_close(engine);
}

int main(int argc, char **argv) {
    const char *only = argc > 1 ? argv[1] : NULL;
    uint32_t customers = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : CUSTOMERS;
    struct shape hundred = {"100 treatments", customers, 100, 20, false},
                 twenty = {"20 treatments", customers, 20, 20, false}, moving = hundred,
                 few = {"lists, 30 treatments", customers / 20, 30, 200, true},
                 many = {"lists, 300 treatments", customers / 20, 300, 200, true};
    moving.name = "moving time";
    if (only == NULL || strcmp(only, "100 treatments") == 0) (void)run(&hundred, true);
    if (only == NULL || strcmp(only, "20 treatments") == 0) (void)run(&twenty, true);
    if (only == NULL || strcmp(only, "moving time") == 0) run_moving(&moving);
    if (only == NULL || strcmp(only, "lists") == 0) {
        double before = run(&few, false), after = run(&many, false);
        bench_print(&(struct measurement){"decide", "lists", "times the time of 30", before / after,
                                          NULL, 0, 0, "300 treatments against 30"});
    }
    return 0;
}
