/* SPDX-License-Identifier: Apache-2.0 */
/* What public sources can do, end to end, against two references. The same verified calls go to two
 * directories; one of them also gets public calls: views, claims, records, consents, opt-ins and
 * bad rows of six devices, with links, merges, corrections, erasures, withdrawals of claims, folds
 * and reopenings between. After each step, whatever the public calls were:
 *
 *   - the same identifiers are one customer in both directories: nobody was merged or split;
 *   - each customer's record and orders are the same;
 *   - no purpose and no channel has a yes that the other directory does not have;
 *   - views count as the naive model says: those of a customer's own devices, and those of devices
 *     whose first claim that stands is of this customer;
 *   - what a public call is told does not depend on whom it names;
 *   - as of an earlier time the answer is what it was then.
 *
 * At the end all claims are withdrawn, and each trait is what it is without claims. Usage:
 * trust_model_test [SEED [TRIALS]]; a failure prints the seed that repeats it. */
#include <inttypes.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "engine/claims.h"
#include "engine/engine_internal.h"
#include "engine/live/live_ingest.h"
#include "profile/consent.h"
#include "unit/engine/shop.h"

#define PEOPLE  4
#define DEVICES 6
#define STEPS   60
#define VIEWS   4000
#define CLAIMS  (DEVICES * 16)
#define PAST    8

/* Identifiers: members m0 … and emails e0 … of people, then devices. */
#define NODES     (2 * PEOPLE + DEVICES)
#define MEMBER(p) (p)
#define EMAIL(p)  (PEOPLE + (p))
#define DEVICE(d) (2 * PEOPLE + (d))

static const char playbook[] =
    "attune: 1\nname: Trust\ncurrency: USD\nzone: UTC\n"
    "customer: { identifiers: { member: { per_customer: 50 }, email: { per_customer: 50 }, cookie: "
    "{} }, claims_per_day: 100 }\n"
    "sources:\n"
    "  shop: { format: segment, arrives: live, key: { member: userId, email: context.traits.email, "
    "cookie: anonymousId } }\n"
    "  page: { format: segment, arrives: live, trust: public, key: { member: userId, email: "
    "context.traits.email, cookie: anonymousId } }\n"
    "  till: { format: ndjson, event: Order Completed, time: at, arrives: live, key: { member: "
    "who, "
    "cookie: device }, row_key: id, types: { amount: number }, properties: { amount: amount } }\n"
    "events: { Product Viewed: { sku: text }, Customer Record: { points: number } }\n"
    "traits:\n"
    "  views: count(\"Product Viewed\")\n"
    "  spent: sum(\"Order Completed\".amount)\n"
    "  points: sum(\"Customer Record\".points)\n"
    "  sent: count(\"Treatment Delivered\")\n";

struct world {
    struct shop shop;
    struct engine_live *live;
    sem_t done;
    enum status status;
    struct apply_result did;
};

struct view {
    int node; /* a device or a member */
    int64_t known_ms;
};
struct claim {
    int device, target;
    bool withdrawn;
};
struct past_answer {
    int64_t t_ms;
    int node;
    double views;
};

struct model {
    struct random random;
    struct world open, closed; /* with public calls, and without */
    uint64_t seed;
    int64_t now_ms;
    int step, messages;
    int up[NODES]; /* union-find over verified links */
    bool seen[NODES], erased[NODES];
    struct view views[VIEWS];
    int view_count;
    struct claim claims[CLAIMS];
    int claim_count;
    struct past_answer past[PAST];
    int past_count;
    bool good;
};

static int below(struct model *model, int n) {
    return (int)random_below(&model->random, (uint64_t)n);
}

static void wrong(struct model *model, const char *format, ...) {
    va_list arguments;
    printf("seed %" PRIu64 ", step %d: ", model->seed, model->step);
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n");
    model->good = false;
}

static void must(bool holds, const char *what) {
    if (holds) return;
    fprintf(stderr, "trust: %s\n", what);
    abort();
}

/* ---- the directories ---- */

static const char *name_of(int node) {
    static char names[4][32];
    static int turn;
    char *name = names[turn = (turn + 1) % 4];
    if (node < PEOPLE)
        snprintf(name, 32, "member:m%d", node);
    else if (node < 2 * PEOPLE)
        snprintf(name, 32, "email:e%d@x.example", node - PEOPLE);
    else
        snprintf(name, 32, "cookie:k%d", node - 2 * PEOPLE);
    return name;
}

static const char *value_of(int node) {
    return strchr(name_of(node), ':') + 1;
}

static void world_open(struct world *world) {
    engine_live_destroy(world->live);
    shop_open(&world->shop, "trust.yaml");
    must(engine_live_create(&world->live, world->shop.engine) == STATUS_OK, "no live engine");
}

static void world_init(struct world *world) {
    *world = (struct world){.live = NULL};
    shop_init(&world->shop);
    shop_file(&world->shop, "trust.yaml", playbook);
    sem_init(&world->done, 0, 0);
    world_open(world);
}

static void world_release(struct world *world) {
    engine_live_destroy(world->live);
    shop_release(&world->shop);
    sem_destroy(&world->done);
}

static void note_done(struct live_call *call, void *context) {
    struct world *world = context;
    world->status = call->status;
    world->did = call->did;
    live_call_give(call);
    sem_post(&world->done);
}

struct sender {
    const char *source;
    bool is_public, claims;
};
static const struct sender server = {"shop", false, false}, till = {"till", false, false};

static void send(struct model *model, struct world *world, const struct sender *sender,
                 const char *body) {
    struct ingest_live_row row = {.body = text_from(body)};
    struct live_request request = {.source = text_from(sender->source),
                                   .rows = &row,
                                   .row_count = 1,
                                   .received_ms = model->now_ms,
                                   .sender = {"k1", sender->is_public, sender->claims}};
    struct live_call *call;
    struct error error = {0};
    bool is_unreadable;
    world->shop.engine->fixed_now_ms = model->now_ms;
    must(live_call_read(world->live, &request, &call, &is_unreadable, &error) == STATUS_OK,
         error.text);
    must(live_call_send(call, note_done, world, &error) == STATUS_OK, error.text);
    sem_wait(&world->done);
    must(world->status == STATUS_OK, "a call failed");
}

/* A message of the Segment spec. Any of the three may be -1. */
struct message {
    const char *type, *event, *properties;
    int device, member, email;
};

static void write_message(struct model *model, const struct message *message, char *out,
                          size_t size) {
    size_t length = (size_t)snprintf(out, size, "{\"type\":\"%s\",\"messageId\":\"x%d\"",
                                     message->type, model->messages++);
    if (message->event != NULL)
        length +=
            (size_t)snprintf(out + length, size - length, ",\"event\":\"%s\"", message->event);
    if (message->device >= 0)
        length += (size_t)snprintf(out + length, size - length, ",\"anonymousId\":\"%s\"",
                                   value_of(DEVICE(message->device)));
    if (message->member >= 0)
        length += (size_t)snprintf(out + length, size - length, ",\"userId\":\"%s\"",
                                   value_of(MEMBER(message->member)));
    if (message->email >= 0)
        length += (size_t)snprintf(out + length, size - length,
                                   ",\"context\":{\"traits\":{\"email\":\"%s\"}}",
                                   value_of(EMAIL(message->email)));
    snprintf(out + length, size - length, ",\"%s\":%s}",
             strcmp(message->type, "identify") == 0 ? "traits" : "properties",
             message->properties != NULL ? message->properties : "{}");
}

/* ---- the model ---- */

static int top(const struct model *model, int node) {
    while (model->up[node] != node) node = model->up[node];
    return node;
}

static void join(struct model *model, int a, int b) {
    model->seen[a] = model->seen[b] = true;
    model->up[top(model, a)] = top(model, b);
}

static bool is_alone(const struct model *model, int node) {
    for (int i = 0; i < NODES; i++)
        if (i != node && top(model, i) == top(model, node)) return false;
    return true;
}

/* Whom the device counts for; -1: nobody but itself. */
static int claimed_by(const struct model *model, int device) {
    if (!is_alone(model, DEVICE(device))) return -1;
    for (int i = 0; i < model->claim_count; i++)
        if (model->claims[i].device == device && !model->claims[i].withdrawn)
            return model->claims[i].target;
    return -1;
}

static double views_of(const struct model *model, int node) {
    int count = 0;
    for (int i = 0; i < model->view_count; i++) {
        int from = model->views[i].node, whose = from;
        if (from >= 2 * PEOPLE && claimed_by(model, from - 2 * PEOPLE) >= 0)
            whose = claimed_by(model, from - 2 * PEOPLE);
        count += !model->erased[from] && top(model, whose) == top(model, node);
    }
    return count;
}

static void note_claim(struct model *model, int device, int target) {
    for (int i = 0; i < model->claim_count; i++)
        if (model->claims[i].device == device && model->claims[i].target == target) return;
    must(model->claim_count < CLAIMS, "too many claims");
    model->seen[target] = model->seen[DEVICE(device)] = true;
    model->claims[model->claim_count++] = (struct claim){device, target, false};
}

static void note_view(struct model *model, int node) {
    must(model->view_count < VIEWS, "too many views");
    model->seen[node] = true;
    model->views[model->view_count++] = (struct view){node, model->now_ms};
}

/* ---- verified calls: to both ---- */

static void send_both(struct model *model, const struct sender *sender, const char *body) {
    send(model, &model->open, sender, body);
    send(model, &model->closed, sender, body);
}

static int person(struct model *model) {
    for (;;) {
        int p = below(model, PEOPLE);
        if (!model->erased[MEMBER(p)]) return p;
    }
}

static void verified_message(struct model *model) {
    char body[512], properties[128];
    int p = person(model), d = below(model, DEVICES), q = below(model, PEOPLE);
    struct message message = {"track", "Product Viewed", NULL, -1, p, -1};
    switch (below(model, 7)) {
    case 0:
        if (model->erased[EMAIL(p)]) return;
        message.email = p;
        join(model, MEMBER(p), EMAIL(p));
        break;
    case 1:
        if (model->erased[DEVICE(d)]) return;
        message.device = d;
        join(model, MEMBER(p), DEVICE(d));
        break;
    case 2:
        if (below(model, 4) > 0 || model->erased[EMAIL(q)]) return;
        message.email = q; /* two people turn out to be one */
        join(model, MEMBER(p), EMAIL(q));
        break;
    case 3:
        message.type = "identify";
        message.event = NULL;
        snprintf(properties, sizeof properties, "{\"points\":%d}", below(model, 100));
        message.properties = properties;
        break;
    case 4:
        message.event = "Consent Changed";
        snprintf(properties, sizeof properties, "{\"purpose\":\"personalise\",\"state\":\"%s\"}",
                 below(model, 3) ? "yes" : "no");
        message.properties = properties;
        break;
    case 5:
        message.event = "Opt In Changed";
        snprintf(properties, sizeof properties, "{\"channel\":\"%s\",\"state\":\"%s\"}",
                 below(model, 2) ? "email" : "sms", below(model, 3) ? "yes" : "no");
        message.properties = properties;
        break;
    default: break;
    }
    model->seen[MEMBER(p)] = true;
    if (message.event != NULL && strcmp(message.event, "Product Viewed") == 0)
        note_view(model, MEMBER(p));
    write_message(model, &message, body, sizeof body);
    send_both(model, &server, body);
}

/* Few ids, so that rows come again and correct what is stored. */
static void verified_order(struct model *model) {
    char body[256];
    int p = person(model);
    snprintf(body, sizeof body,
             "{\"id\":%d,\"who\":\"m%d\",\"at\":\"2017-01-02T00:00:00Z\",\"amount\":%d}",
             p * 10 + below(model, 3), p, 1 + below(model, 50));
    model->seen[MEMBER(p)] = true;
    send_both(model, &till, body);
}

/* ---- public calls: to one ---- */

static const struct sender senders[] = {
    {"page", false, true}, {"page", true, true}, {"shop", true, true}, {"page", true, false}};

static void public_event(struct model *model, struct message *message) {
    static const char *const events[] = {"Consent Changed", "Opt In Changed", "Treatment Delivered",
                                         "Customer Merged", "Related"};
    static char properties[160];
    const char *state = below(model, 3) ? "yes" : "no";
    message->event = events[below(model, 5)];
    if (strcmp(message->event, "Consent Changed") == 0)
        snprintf(properties, sizeof properties, "{\"purpose\":\"personalise\",\"state\":\"%s\"}",
                 state);
    else if (strcmp(message->event, "Opt In Changed") == 0)
        snprintf(properties, sizeof properties,
                 "{\"channel\":\"%s\",\"state\":\"%s\",\"address\":\"e%d@x.example\"}",
                 below(model, 2) ? "email" : "sms", state, below(model, PEOPLE));
    else
        snprintf(properties, sizeof properties, "{\"to\":\"C1\",\"treatment\":\"letter\"}");
    message->properties = properties;
}

/* A row under a key of the servers' source: it corrects none of theirs. */
static void public_order(struct model *model) {
    static const struct sender stranger = {"till", true, true};
    char body[256];
    snprintf(body, sizeof body,
             "{\"id\":%d,\"device\":\"k%d\",\"at\":\"2017-01-02T00:00:00Z\",\"amount\":100000}",
             below(model, PEOPLE) * 10 + below(model, 3), DEVICES);
    send(model, &model->open, &stranger, body);
}

static void public_message(struct model *model) {
    const struct sender *sender = &senders[below(model, 4)];
    int d = below(model, DEVICES), kind = below(model, 6);
    bool may_claim = !sender->is_public || sender->claims;
    struct message message = {"track", "Product Viewed", NULL, d, -1, -1};
    char body[640];
    if (below(model, 2)) message.member = below(model, PEOPLE);
    if (below(model, 3) == 0) message.email = below(model, PEOPLE);
    if (kind == 0) {
        message.type = "identify";
        message.event = NULL;
        message.properties = "{\"points\":1000000}";
    } else if (kind == 1) {
        public_event(model, &message);
    } else if (kind == 2) {
        message.device = -1; /* it waits in quarantine, or names nobody */
    }
    write_message(model, &message, body, sizeof body);
    send(model, &model->open, sender, body);
    if (message.device < 0) return;
    bool names_erased = model->erased[DEVICE(d)] ||
                        (message.member >= 0 && model->erased[MEMBER(message.member)]) ||
                        (message.email >= 0 && model->erased[EMAIL(message.email)]);
    if (names_erased) return; /* it is turned away whole */
    model->seen[DEVICE(d)] = true;
    if (model->open.did.events != 1)
        wrong(model, "a public call was told %d events", (int)model->open.did.events);
    if (message.event != NULL && strcmp(message.event, "Product Viewed") == 0)
        note_view(model, DEVICE(d));
    /* Of one event's claims the strongest counts first. */
    if (may_claim && message.member >= 0) note_claim(model, d, MEMBER(message.member));
    if (may_claim && message.email >= 0) note_claim(model, d, EMAIL(message.email));
}

/* ---- people's commands ---- */

static void withdraw(struct model *model, const char *whose, bool restore) {
    struct engine_claims_scope scope = {text_from(whose), {0}, INT64_MIN, INT64_MAX};
    struct error error = {0};
    uint64_t count;
    model->open.shop.engine->fixed_now_ms = model->now_ms;
    enum status status =
        engine_claims_withdraw(model->open.shop.engine, &scope, restore, &count, &error);
    must(status == STATUS_OK || status == STATUS_NOT_FOUND, error.text);
}

static void withdraw_some(struct model *model) {
    int d = below(model, DEVICES), p = below(model, PEOPLE);
    bool restore = below(model, 2), by_device = below(model, 2);
    int target = below(model, 2) ? MEMBER(p) : EMAIL(p);
    int node = by_device ? DEVICE(d) : target;
    if (!model->seen[node] || model->erased[node]) return;
    withdraw(model, name_of(node), restore);
    for (int i = 0; i < model->claim_count; i++)
        if (by_device ? model->claims[i].device == d : model->claims[i].target == target)
            model->claims[i].withdrawn = !restore;
}

static void erase_in(struct world *world, const char *name) {
    struct erased_summary summary = {0};
    struct error error = {0};
    struct customer_id customer = shop_customer(&world->shop, name, INT64_MAX);
    if (customer.value != ID_NONE)
        must(engine_erase(world->shop.engine, customer, &summary, &error) == STATUS_OK, error.text);
    erased_summary_release(&summary);
}

/* Somebody is always left. A device that counts for the customer goes along. */
static void erase_one(struct model *model) {
    int p = below(model, PEOPLE), left = 0;
    for (int i = 0; i < PEOPLE; i++) left += !model->erased[MEMBER(i)];
    if (model->erased[MEMBER(p)] || !model->seen[MEMBER(p)]) return;
    for (int i = 0; i < PEOPLE; i++)
        left -= !model->erased[MEMBER(i)] && top(model, MEMBER(i)) == top(model, MEMBER(p));
    if (left < 1) return;
    bool goes[NODES];
    for (int i = 0; i < NODES; i++) {
        int whose = i;
        if (i >= 2 * PEOPLE && claimed_by(model, i - 2 * PEOPLE) >= 0)
            whose = claimed_by(model, i - 2 * PEOPLE);
        goes[i] = top(model, whose) == top(model, MEMBER(p));
    }
    erase_in(&model->open, name_of(MEMBER(p)));
    erase_in(&model->closed, name_of(MEMBER(p)));
    for (int i = 0; i < NODES; i++) model->erased[i] |= goes[i];
    int kept = 0;
    for (int i = 0; i < model->claim_count; i++) {
        struct claim claim = model->claims[i];
        if (!model->erased[DEVICE(claim.device)] && !model->erased[claim.target])
            model->claims[kept++] = claim;
    }
    model->claim_count = kept;
    model->past_count = 0;
}

/* ---- comparing ---- */

static struct value permission_of(struct shop *shop, const char *name, int64_t t_ms,
                                  const char *channel) {
    const struct customer_data *data = engine_customer_data(shop->engine);
    struct timeline_request request = {
        {t_ms, POSITION_NOW}, TIMELINE_PACKED | TIMELINE_PERSONA | TIMELINE_CHANNEL, NULL};
    struct timeline_reader *reader;
    struct timeline timeline;
    struct value state = value_unknown();
    struct customer_id customer = shop_customer(shop, name, t_ms);
    must(data->source->ops->reader_open(data->source, &reader, NULL) == STATUS_OK, "no reader");
    if (customer.value != ID_NONE &&
        data->source->ops->read(reader, customer, &request, &timeline, NULL) == STATUS_OK) {
        struct permission_names names = {.properties = 0};
        struct permission permission = {data, &timeline, t_ms, POSITION_NOW, &names};
        uint32_t symbol = channel != NULL
                              ? symbol_find(data->symbols, SYMBOL_CHANNEL, text_from(channel))
                              : SYMBOL_NONE;
        state = channel == NULL
                    ? consent_at(&permission, TEXT("personalise"))
                    : opt_in_at(&permission, symbol, (struct text){0}, (struct text){0});
    }
    data->source->ops->reader_close(reader);
    return state;
}

static bool is_yes(struct value value) {
    return value.type == VALUE_YES_NO && value.yes;
}

static double trait(struct shop *shop, int node, const char *name, int64_t t_ms) {
    double value = shop_trait(shop, name_of(node), name, t_ms);
    return value > 0 ? value : 0; /* nobody, or nothing */
}

/* Of somebody whom verified sources know. */
static void compare_person(struct model *model, int node) {
    static const char *const same[] = {"spent", "points", "sent"};
    static const char *const channels[] = {NULL, "email", "sms"};
    struct shop *open = &model->open.shop, *closed = &model->closed.shop;
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        double a = trait(open, node, same[i], model->now_ms),
               b = trait(closed, node, same[i], model->now_ms);
        if (a != b)
            wrong(model, "%s of %s is %g, and %g without public calls", same[i], name_of(node), a,
                  b);
    }
    for (size_t i = 0; i < 3; i++) {
        if (is_yes(permission_of(open, name_of(node), model->now_ms, channels[i])) &&
            !is_yes(permission_of(closed, name_of(node), model->now_ms, channels[i])))
            wrong(model, "%s got a yes to %s", name_of(node),
                  channels[i] ? channels[i] : "personalise");
    }
}

static void compare(struct model *model) {
    struct shop *open = &model->open.shop;
    for (int a = 0; a < 2 * PEOPLE; a++) {
        if (!model->seen[a] || model->erased[a]) continue;
        compare_person(model, a);
        double views = trait(open, a, "views", model->now_ms);
        if (views != views_of(model, a))
            wrong(model, "%s has %g views, the model says %g", name_of(a), views,
                  views_of(model, a));
        for (int b = 0; b < a; b++) {
            if (!model->seen[b] || model->erased[b]) continue;
            bool one = shop_customer(open, name_of(a), model->now_ms).value ==
                       shop_customer(open, name_of(b), model->now_ms).value;
            if (one != (top(model, a) == top(model, b)))
                wrong(model, "%s and %s are %s customer", name_of(a), name_of(b),
                      one ? "one" : "no");
        }
    }
    for (int i = 0; i < model->past_count; i++) {
        const struct past_answer *past = &model->past[i];
        double views = trait(open, past->node, "views", past->t_ms);
        if (views != past->views)
            wrong(model, "%s had %g views then, and now it had %g", name_of(past->node),
                  past->views, views);
    }
}

static void note_past(struct model *model) {
    int node = below(model, 2 * PEOPLE);
    if (model->past_count == PAST || !model->seen[node] || model->erased[node]) return;
    model->past[model->past_count++] =
        (struct past_answer){model->now_ms, node, views_of(model, node)};
}

/* ---- a trial ---- */

/* Rows that waited for want of a device still do, and no key makes them verified. */
static void replay(struct model *model) {
    struct replay_report report;
    struct error error = {0};
    must(engine_quarantine_replay(model->open.shop.engine, NULL, &report, &error) == STATUS_OK,
         error.text);
    if (report.events > 0) wrong(model, "a replay made %d events", (int)report.events);
}

static void step(struct model *model) {
    model->now_ms += TIME_HOUR_MS;
    int what = below(model, 24);
    if (what < 7)
        verified_message(model);
    else if (what < 9)
        verified_order(model);
    else if (what < 10)
        public_order(model);
    else if (what < 20)
        public_message(model);
    else if (what < 22)
        withdraw_some(model);
    else if (what == 22 && below(model, 3) == 0)
        erase_one(model);
    if (below(model, 10) == 0)
        must(engine_fold(model->open.shop.engine, below(model, 2), NULL, NULL) == STATUS_OK,
             "no fold");
    if (below(model, 16) == 0) world_open(&model->open);
    if (below(model, 16) == 0) replay(model);
}

static void withdraw_all(struct model *model) {
    model->now_ms += TIME_HOUR_MS;
    withdraw(model, "", false);
    for (int i = 0; i < model->claim_count; i++) model->claims[i].withdrawn = true;
    compare(model);
}

static bool run(uint64_t seed, struct model *model) {
    *model = (struct model){.seed = seed, .now_ms = DAY(10), .good = true};
    random_init(&model->random, seed);
    for (int i = 0; i < NODES; i++) model->up[i] = i;
    world_init(&model->open);
    world_init(&model->closed);
    for (; model->good && model->step < STEPS; model->step++) {
        step(model);
        compare(model);
        if (below(model, 12) == 0) note_past(model);
    }
    if (model->good) withdraw_all(model);
    if (model->good && store_check(simulated_disk_interface(model->open.shop.disk), "data", NULL,
                                   NULL, NULL) != STATUS_OK)
        wrong(model, "fsck finds damage");
    world_release(&model->open);
    world_release(&model->closed);
    return model->good;
}

int main(int argc, char **argv) {
    static struct model model;
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1,
             trials = argc > 2 ? strtoull(argv[2], NULL, 10) : 20, failed = 0;
    for (uint64_t i = 0; i < trials; i++) failed += !run(seed + i, &model);
    printf("%" PRIu64 " trials from seed %" PRIu64 ", %" PRIu64 " failed\n", trials, seed, failed);
    return failed > 0;
}
