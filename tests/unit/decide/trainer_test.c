/* SPDX-License-Identifier: Apache-2.0 */
/* Training rows against a naive computation over plain arrays, with late events, late links and an
 * offer table that changes; and no view of the future: what became known after the rows were
 * matured changes nothing. TRAINER_SEED chooses. */
#include "support/unit.h"

#include "base/memory.h"
#include "base/random.h"
#include "decide/decide.h"
#include "decide/trainer.h"
#include "measure/base_rates.h"
#include "support/scene.h"

#define PEOPLE     120u
#define EVENTS     3000
#define OFFERS     4u
#define VERSIONS   10u
#define UNTIL_MS   DAY(250)
#define WITHIN_MS  (10 * TIME_DAY_MS)
#define ARRIVES_MS (2 * TIME_DAY_MS)

static const char playbook[] =
    "customer: { identifiers: { email: {}, cookie: {} } }\n"
    "sources:\n"
    "  offer: { file: offers.csv, lookup: offer_id, types: { discount: number } }\n"
    "  orders: { file: o.csv, event: Order Completed, time: t, arrives: 2d, key: { email: email } "
    "}\n"
    "events: { Clicked: { button: text }, Returned: { why: text } }\n"
    "traits:\n"
    "  clicks_30d: count(\"Clicked\") in 30d\n"
    "  contacts: count(\"Treatment Delivered\")\n"
    "goals: { order: { event: Order Completed, within: 10d, undone_by: Returned } }\n"
    "models: { order: { goal: order, features: [clicks_30d, contacts], attributes: [discount] } }\n"
    "actions: { letter: { for_each: offer, goal: order, channels: [mail] } }\n";

static const char *const names[] = {"Clicked", "Order Completed", "Returned",
                                    "mail:Treatment Delivered"};
enum what { CLICK, ORDER, RETURN, DELIVERY };
struct happening {
    uint32_t persona;
    enum what what;
    int64_t time_ms, known_ms;
    uint32_t offer;
};
struct version {
    int64_t known_ms;
    int discount[OFFERS]; /* 0: no such row */
};

struct naive {
    struct happening events[EVENTS];
    uint32_t count;
    struct version versions[VERSIONS];
    uint32_t version_count;
    uint32_t owner[PEOPLE];
    int64_t owned_ms[PEOPLE];
};

struct rows {
    struct training_set *set;
    struct trainer_row_id *ids;
};

static uint32_t owner_at(const struct naive *naive, uint32_t persona, int64_t t_ms) {
    return naive->owned_ms[persona] <= t_ms ? naive->owner[persona] : persona;
}

static void add(struct naive *naive, struct scene *scene, struct happening happening) {
    char properties[64] = "";
    if (happening.what == DELIVERY)
        snprintf(properties, sizeof properties, "treatment='letter/%u'", happening.offer);
    scene_event_known(scene, happening.persona, names[happening.what], happening.time_ms,
                      happening.known_ms, properties);
    naive->events[naive->count++] = happening;
}

static int64_t below_ms(struct random *random, int64_t bound_ms) {
    return (int64_t)random_below(random, (uint64_t)bound_ms / TIME_HOUR_MS) * TIME_HOUR_MS;
}

/* What is known from `from_ms` on; times lie anywhere. */
static void add_random(struct naive *naive, struct scene *scene, struct random *random,
                       uint32_t count, int64_t from_ms) {
    for (uint32_t i = 0; i < count; i++) {
        struct happening happening = {
            .persona = (uint32_t)random_below(random, PEOPLE),
            .what = (enum what)random_below(random, 4),
            .time_ms = DAY(0) + below_ms(random, 300 * TIME_DAY_MS),
            .offer = (uint32_t)random_below(random, OFFERS + 1), /* the last is in no table ever */
        };
        int64_t late_ms = random_below(random, 3) == 0 ? below_ms(random, 40 * TIME_DAY_MS) : 0;
        happening.known_ms = happening.time_ms + late_ms;
        if (happening.known_ms < from_ms) happening.known_ms = from_ms;
        add(naive, scene, happening);
    }
}

/* Half of the rows are there, each with a discount of its own. */
static void add_version(struct naive *naive, struct scene *scene, struct random *random,
                        int64_t known_ms) {
    struct version *version = &naive->versions[naive->version_count++];
    char rows[256] = "";
    version->known_ms = known_ms;
    for (uint32_t i = 0; i < OFFERS; i++) {
        version->discount[i] =
            random_below(random, 2) == 0 ? 0 : (int)(10 * naive->version_count + i);
        if (i == 0) version->discount[i] = known_ms > UNTIL_MS; /* of the future alone */
        if (version->discount[i] == 0) continue;
        size_t length = strlen(rows);
        snprintf(rows + length, sizeof rows - length, "%s%u|%d", length > 0 ? "\n" : "", i,
                 version->discount[i]);
    }
    scene_lookup_known(scene, "offer", known_ms, rows);
}

/* As described at t, else last before it, else first after it by UNTIL_MS; 0 where nothing tells.
 */
static int discount_of(const struct naive *naive, uint32_t offer, int64_t t_ms) {
    int then = 0, before = 0, after = 0;
    for (uint32_t v = 0; v < naive->version_count && offer < OFFERS; v++) {
        int discount = naive->versions[v].discount[offer];
        if (naive->versions[v].known_ms <= t_ms)
            then = discount, before = discount != 0 ? discount : before;
        else if (after == 0 && naive->versions[v].known_ms <= UNTIL_MS)
            after = discount;
    }
    return then != 0 ? then : before != 0 ? before : after;
}

static void make(struct naive *naive, struct scene *scene, struct random *random) {
    *naive = (struct naive){0};
    scene_init(scene, playbook);
    for (uint32_t v = 0; v < VERSIONS / 2; v++)
        add_version(naive, scene, random, DAY(20 + 50 * v) + below_ms(random, 30 * TIME_DAY_MS));
    for (uint32_t p = 0; p < PEOPLE; p++) naive->owned_ms[p] = INT64_MAX, naive->owner[p] = p;
    add_random(naive, scene, random, EVENTS / 2, INT64_MIN);
    for (uint32_t p = PEOPLE / 2; p < PEOPLE; p += 2) {
        naive->owner[p] = (uint32_t)random_below(random, PEOPLE / 2);
        naive->owned_ms[p] = DAY(0) + below_ms(random, 300 * TIME_DAY_MS);
        scene_link(scene, p, naive->owner[p], naive->owned_ms[p]);
    }
}

static struct rows collect(struct scene *scene, int64_t from_ms, int64_t until_ms,
                           uint32_t threads) {
    struct trainer_options options = {
        .from_ms = from_ms, .until_ms = until_ms, .matured_by_ms = UNTIL_MS, .threads = threads};
    struct rows rows = {0};
    struct error error = {0};
    assert_int_equal(trainer_collect(&scene->data, &scene->playbook->models[0], &options, &rows.set,
                                     &rows.ids, NULL, &error),
                     STATUS_OK);
    return rows;
}

static void release(struct rows *rows) {
    training_set_destroy(rows->set);
    memory_free(rows->ids);
}

/* ---- the naive rows ---- */

static bool is_mine(const struct naive *naive, const struct happening *event, uint32_t customer,
                    int64_t t_ms) {
    return event->known_ms <= t_ms && event->time_ms <= t_ms &&
           owner_at(naive, event->persona, t_ms) == customer;
}

static uint32_t count_by(const struct naive *naive, uint32_t customer, enum what what,
                         int64_t from_ms, int64_t t_ms) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < naive->count; i++) {
        const struct happening *event = &naive->events[i];
        count += event->what == what && event->time_ms > from_ms &&
                 is_mine(naive, event, customer, t_ms);
    }
    return count;
}

/* An order in the window after which nothing was returned within it. Ties of an order and a return
 * go by arrival. */
static bool reached(const struct naive *naive, uint32_t customer, int64_t t_ms) {
    for (uint32_t i = 0; i < naive->count; i++) {
        const struct happening *order = &naive->events[i];
        if (order->what != ORDER || order->time_ms <= t_ms || order->time_ms > t_ms + WITHIN_MS ||
            !is_mine(naive, order, customer, UNTIL_MS))
            continue;
        bool undone = false;
        for (uint32_t j = 0; j < naive->count; j++) {
            const struct happening *back = &naive->events[j];
            bool after =
                back->time_ms > order->time_ms || (back->time_ms == order->time_ms && j > i);
            undone |= back->what == RETURN && after && back->time_ms <= t_ms + WITHIN_MS &&
                      is_mine(naive, back, customer, UNTIL_MS);
        }
        if (!undone) return true;
    }
    return false;
}

struct naive_row {
    int64_t t_ms, known_ms;
    uint32_t customer, offer;
    double clicks, contacts, discount;
    bool yes;
};

static int compare(const void *left, const void *right) {
    const struct naive_row *a = left, *b = right;
    if (a->t_ms != b->t_ms) return a->t_ms < b->t_ms ? -1 : 1;
    if (a->customer != b->customer) return a->customer < b->customer ? -1 : 1;
    if (a->offer != b->offer) return a->offer < b->offer ? -1 : 1;
    return (a->known_ms > b->known_ms) - (a->known_ms < b->known_ms); /* two of one moment */
}

/* The same offer, to the same customer, on the same day: one message, of which the first counts. */
static bool is_again(const struct naive *naive, uint32_t i) {
    const struct happening *event = &naive->events[i];
    for (uint32_t j = 0; j < naive->count; j++) {
        const struct happening *other = &naive->events[j];
        bool before =
            other->time_ms < event->time_ms || (other->time_ms == event->time_ms && j < i);
        if (before && other->what == DELIVERY && other->known_ms <= UNTIL_MS &&
            other->offer == event->offer &&
            other->time_ms / TIME_DAY_MS == event->time_ms / TIME_DAY_MS &&
            owner_at(naive, other->persona, UNTIL_MS) == owner_at(naive, event->persona, UNTIL_MS))
            return true;
    }
    return false;
}

static uint32_t naive_rows(const struct naive *naive, int64_t from_ms, int64_t until_ms,
                           struct naive_row *rows) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < naive->count; i++) {
        const struct happening *event = &naive->events[i];
        int64_t t_ms = event->time_ms - 1;
        if (event->what != DELIVERY || event->known_ms > UNTIL_MS || event->time_ms < from_ms ||
            event->time_ms >= until_ms)
            continue;
        if (t_ms + WITHIN_MS + ARRIVES_MS > UNTIL_MS || is_again(naive, i)) continue;
        int discount = discount_of(naive, event->offer, t_ms);
        if (discount == 0) continue;
        uint32_t then = owner_at(naive, event->persona, t_ms),
                 today = owner_at(naive, event->persona, UNTIL_MS);
        rows[count++] = (struct naive_row){
            .t_ms = t_ms,
            .known_ms = event->known_ms,
            .customer = today,
            .offer = event->offer,
            .discount = discount,
            .clicks = count_by(naive, then, CLICK, t_ms - 30 * TIME_DAY_MS, t_ms),
            .contacts = count_by(naive, then, DELIVERY, INT64_MIN, t_ms),
            .yes = reached(naive, today, t_ms),
        };
    }
    qsort(rows, count, sizeof *rows, compare);
    return count;
}

static void check(const struct rows *rows, const struct naive_row *expected, uint32_t count) {
    assert_int_equal(training_set_count(rows->set), count);
    for (uint32_t i = 0; i < count; i++) {
        struct value values[3];
        struct training_row row;
        training_set_row(rows->set, i, values, &row);
        assert_int_equal(row.time_ms, expected[i].t_ms);
        /* When the label was known, and the delivery. */
        int64_t label_ms = expected[i].t_ms + WITHIN_MS + ARRIVES_MS;
        assert_int_equal(row.horizon_ms,
                         label_ms > expected[i].known_ms ? label_ms : expected[i].known_ms);
        assert_int_equal(row.group, expected[i].customer);
        assert_int_equal(rows->ids[i].customer.value, expected[i].customer);
        assert_int_equal(row.yes, expected[i].yes);
        assert_true(values[0].number == expected[i].clicks);
        assert_true(values[1].number == expected[i].contacts);
        assert_true(values[2].number == expected[i].discount);
    }
}

static void test_rows_equal_the_naive_ones(void **state) {
    (void)state;
    static struct scene scene;
    static struct naive naive;
    static struct naive_row expected[EVENTS];
    struct random random;
    const char *given = getenv("TRAINER_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : 1;
    for (uint64_t round = 0; round < 4; round++) {
        print_message("TRAINER_SEED=%llu\n", (unsigned long long)(seed + round));
        random_init(&random, seed + round);
        make(&naive, &scene, &random);
        uint32_t count = naive_rows(&naive, TIME_ALWAYS, UNTIL_MS, expected);
        assert_true(count > 100);
        struct rows one = collect(&scene, TIME_ALWAYS, UNTIL_MS, 1),
                    three = collect(&scene, TIME_ALWAYS, UNTIL_MS, 3);
        check(&one, expected, count);
        check(&three, expected, count);
        release(&one);
        release(&three);
        struct rows some = collect(&scene, DAY(50), DAY(80), 2);
        count = naive_rows(&naive, DAY(50), DAY(80), expected);
        check(&some, expected, count);
        release(&some);

        count = naive_rows(&naive, TIME_ALWAYS, UNTIL_MS, expected); /* then the future comes */
        add_random(&naive, &scene, &random, EVENTS / 2, UNTIL_MS + 1);
        while (naive.version_count < VERSIONS)
            add_version(&naive, &scene, &random, UNTIL_MS + naive.version_count);
        for (uint32_t p = PEOPLE / 2 + 1; p < PEOPLE; p += 2)
            scene_link(&scene, p, (uint32_t)random_below(&random, PEOPLE / 2), UNTIL_MS + 1);
        struct rows after = collect(&scene, TIME_ALWAYS, UNTIL_MS, 2);
        check(&after, expected, count);
        release(&after);
        scene_release(&scene);
    }
}

/* A yes that is in before its horizon has passed stays out, as the no beside it does: else the
 * young rows would be all yes. */
static void test_what_has_not_matured_is_left_out_whichever_way(void **state) {
    (void)state;
    static struct scene scene;
    char text[sizeof playbook];
    memcpy(text, playbook, sizeof text);
    memset(strstr(text, ", undone_by: Returned"), ' ',
           sizeof ", undone_by: Returned" - 1); /* so that a yes is one at once */
    scene_init(&scene, text);
    scene_lookup(&scene, "offer", "1|5");
    /* Its row's moment is a millisecond before it. */
    int64_t last_ms = UNTIL_MS - WITHIN_MS - ARRIVES_MS + 1;
    for (uint32_t p = 1; p <= 4; p++) {
        scene_event(&scene, p, "mail:Treatment Delivered", last_ms + (p > 2),
                    "treatment='letter/1'");
        if (p % 2 == 0) scene_event(&scene, p, "Order Completed", last_ms + TIME_DAY_MS, "");
    }
    scene_event(&scene, 5, "mail:Treatment Delivered", last_ms - 1,
                "treatment='withdrawn'"); /* of no action any more */
    struct rows rows = collect(&scene, TIME_ALWAYS, UNTIL_MS, 1);
    assert_int_equal(training_set_count(rows.set), 2);
    assert_int_equal(rows.ids[0].customer.value, 1);
    assert_int_equal(rows.ids[1].customer.value, 2);
    release(&rows);
    scene_release(&scene);
}

/* A goal may read traits: those of the customer and the moment of the row, whoever was looked at
 * before. */
static void test_a_goal_reads_the_traits_of_its_row(void **state) {
    (void)state;
    static struct scene scene;
    scene_init(&scene,
               "customer: { identifiers: { email: {} } }\n"
               "events: { Order Completed: { size: number } }\n"
               "traits:\n"
               "  usual: max(\"Order Completed\".size)\n"
               "  contacts: count(\"Treatment Delivered\")\n"
               "goals: { larger: { event: Order Completed, where: size > usual, within: 10d } }\n"
               "models: { larger: { goal: larger, features: [contacts] } }\n"
               "actions: { letter: { goal: larger, channels: [mail] } }\n");
    scene_treatments(&scene);
    static const struct {
        const char *before, *after;
        bool yes;
    } people[] = {{"size=5", "size=7", true},
                  {"size=9", "size=7", false},
                  {"size=5", "size=4", false},
                  {"size=1", "size=2", true}};
    for (uint32_t p = 0; p < 4; p++) {
        scene_event(&scene, p + 1, "Order Completed", DAY(1), people[p].before);
        scene_event(&scene, p + 1, "mail:Treatment Delivered", DAY(5), "treatment='letter'");
        scene_event(&scene, p + 1, "Order Completed", DAY(6), people[p].after);
    }
    struct rows rows = collect(&scene, TIME_ALWAYS, UNTIL_MS, 1);
    assert_int_equal(training_set_count(rows.set), 4);
    for (uint32_t i = 0; i < 4; i++) {
        struct value values[1];
        struct training_row row;
        training_set_row(rows.set, i, values, &row);
        assert_int_equal(row.yes, people[rows.ids[i].customer.value - 1].yes);
    }
    release(&rows);
    struct goal_base bases[3];
    assert_int_equal(goal_bases_count(scene.playbook), 3);
    assert_int_equal(base_rates_measure(
                         &scene.data, &(struct base_rates_options){UNTIL_MS, POSITION_NOW, 1, NULL},
                         bases, NULL),
                     STATUS_OK);
    assert_int_equal(bases[0].treated_rows, 4);
    assert_true(bases[0].treated_rate == 0.5);
    scene_release(&scene);
}

/* ---- never seen is never seen ---- */

#define DELIVERIES 400u

static int64_t latest(int64_t a, int64_t b) {
    return a > b ? a : b;
}

static void add_late_deliveries(struct scene *scene, struct random *random, int64_t arrives_ms,
                                bool corrected) {
    for (uint32_t i = 0; i < DELIVERIES; i++) {
        uint32_t person = 1 + (uint32_t)random_below(random, 50);
        int64_t time_ms = DAY(0) + below_ms(random, 200 * TIME_DAY_MS) + 1000 * (int64_t)i,
                late_ms = random_below(random, 4) == 0 ? below_ms(random, 30 * TIME_DAY_MS) : 0;
        scene_event_known(scene, person, "mail:Treatment Delivered", time_ms, time_ms + late_ms,
                          "treatment='letter'");
        if (corrected && random_below(random, 10) == 0) { /* in truth it went out at another time */
            int64_t truth_ms = DAY(0) + below_ms(random, 200 * TIME_DAY_MS) + 1 + i;
            scene_correct(scene, scene->event_count - 1, person, "mail:Treatment Delivered",
                          truth_ms, latest(truth_ms, time_ms + late_ms) + 1 + i,
                          "treatment='letter'");
        }
        if (random_below(random, 2) != 0) continue;
        time_ms += below_ms(random, 20 * TIME_DAY_MS);
        scene_event_known(scene, person, "Order Completed", time_ms, time_ms + arrives_ms, "");
    }
}

static int compare_ids(const void *left, const void *right) {
    const struct trainer_row_id *a = left, *b = right;
    if (a->t_ms != b->t_ms) return a->t_ms < b->t_ms ? -1 : 1;
    return a->customer.value < b->customer.value ? -1 : a->customer.value > b->customer.value;
}

static struct rows collect_by(struct scene *scene, int64_t until_ms) {
    struct trainer_options options = {
        .from_ms = TIME_ALWAYS, .until_ms = until_ms, .matured_by_ms = until_ms, .threads = 2};
    struct rows rows = {0};
    assert_int_equal(trainer_collect(&scene->data, &scene->playbook->models[0], &options, &rows.set,
                                     &rows.ids, NULL, NULL),
                     STATUS_OK);
    qsort(rows.ids, training_set_count(rows.set), sizeof *rows.ids, compare_ids);
    return rows;
}

/* Whatever the horizon, the delay of the sources and how late a delivery was told: of the rows that
 * an evaluation finds, exactly those are taken for learnt that the training had. */
static void check_evaluation(struct random *random, uint32_t within_days, uint32_t arrives_days,
                             bool corrected) {
    static struct scene scene;
    char text[1024];
    snprintf(
        text, sizeof text,
        "customer: { identifiers: { email: {} } }\n"
        "sources: { orders: { file: o.csv, event: Order Completed, time: t, arrives: %ud, key: "
        "{ email: email } } }\n"
        "traits: { orders: count(\"Order Completed\") }\n"
        "goals: { order: { event: Order Completed, within: %ud } }\n"
        "models: { order: { goal: order } }\n"
        "actions: { letter: { goal: order, channels: [mail] } }\n",
        arrives_days, within_days);
    scene_init(&scene, text);
    scene_event(&scene, 99, "Order Completed", DAY(0), "");
    add_late_deliveries(&scene, random, arrives_days * TIME_DAY_MS, corrected);
    int64_t until_ms = DAY(60) + below_ms(random, 100 * TIME_DAY_MS), learnt = 0;
    struct rows trained = collect_by(&scene, until_ms), judged = collect_by(&scene, DAY(280));
    size_t trained_count = training_set_count(trained.set);
    for (size_t i = 0; i < training_set_count(judged.set); i++) {
        struct value values[1];
        struct training_row row;
        training_set_row(judged.set, i, values, &row);
        struct trainer_row_id id = {.t_ms = row.time_ms, .customer = {row.group}};
        bool was_there = bsearch(&id, trained.ids, trained_count, sizeof id, compare_ids) != NULL;
        learnt += trainer_had_learnt(&row, until_ms, 0);
        assert_true(!was_there || trainer_had_learnt(&row, until_ms, 0));
        /* And with the delay left out, no row is missed either. */
        assert_true(!was_there || trainer_had_learnt(&row, until_ms, arrives_days * TIME_DAY_MS));
    }
    /* What was corrected before it had matured may be taken for learnt, too: never the reverse. */
    assert_true(learnt >= (int64_t)trained_count);
    assert_true(corrected || learnt == (int64_t)trained_count);
    release(&trained);
    release(&judged);
    scene_release(&scene);
}

static void test_no_evaluated_row_was_ever_learnt(void **state) {
    (void)state;
    struct random random;
    const char *given = getenv("TRAINER_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : 1;
    print_message("TRAINER_SEED=%llu\n", (unsigned long long)seed);
    random_init(&random, seed);
    for (uint32_t round = 0; round < 30; round++) {
        check_evaluation(&random, 1 + (uint32_t)random_below(&random, 40),
                         1 + (uint32_t)random_below(&random, 30), round % 3 == 0);
    }
}

/* A learnt delivery that a correction has moved is not unseen. */
static void test_a_corrected_delivery_was_learnt_before(void **state) {
    (void)state;
    static struct scene scene;
    scene_init(&scene, "customer: { identifiers: { email: {} } }\n"
                       "events: { Order Completed: { size: number } }\n"
                       "traits: { orders: count(\"Order Completed\") }\n"
                       "goals: { order: { event: Order Completed, within: 10d } }\n"
                       "models: { order: { goal: order } }\n"
                       "actions: { letter: { goal: order, channels: [mail] } }\n");
    scene_event(&scene, 1, "mail:Treatment Delivered", DAY(80), "treatment='letter'");
    for (uint32_t p = 2; p <= 3; p++) {
        scene_event(&scene, p, "mail:Treatment Delivered", DAY(10), "treatment='letter'");
        scene_correct(&scene, scene.event_count - 1, p, "mail:Treatment Delivered", DAY(90),
                      p == 2 ? DAY(100) : DAY(15), "treatment='letter'");
    }
    struct rows trained = collect_by(&scene, DAY(60)), judged = collect_by(&scene, DAY(280));
    assert_int_equal(training_set_count(trained.set), 1); /* that of 2; 3's was known by then */
    assert_int_equal(trained.ids[0].customer.value, 2);
    assert_int_equal(training_set_count(judged.set), 3);
    for (size_t i = 0; i < 3; i++) {
        struct value values[1];
        struct training_row row;
        training_set_row(judged.set, i, values, &row);
        assert_int_equal(trainer_had_learnt(&row, DAY(60), 0), row.group == 2);
    }
    release(&trained);
    release(&judged);
    scene_release(&scene);
}

/* ---- whose treatments ---- */

static const char two_actions[] = "customer: { identifiers: { email: {} } }\n"
                                  "events: { Order Completed: { size: number } }\n"
                                  "traits: { contacts: count(\"Treatment Delivered\") }\n"
                                  "goals: { order: { event: Order Completed, within: 10d } }\n"
                                  "models: { order: { goal: order }, other: { goal: order } }\n"
                                  "actions:\n"
                                  "  letter: { goal: order, channels: [mail, email] }\n"
                                  "  survey: { goal: order, %schannels: [mail] }\n";

/* 600 letters by mail of which 60 % are answered, 400 by e-mail of which 20 % are, 2,000 surveys of
 * which 2 % are; and what names nothing. */
static void add_two_actions(struct scene *scene) {
    for (uint32_t i = 0; i < 3000; i++) {
        bool mail = i < 600 || i >= 1000, letter = i < 1000;
        bool yes = letter ? i % 10 < (mail ? 6 : 2) : i % 50 == 0;
        scene_event(scene, 1 + i, mail ? "mail:Treatment Delivered" : "email:Treatment Delivered",
                    DAY(1 + i % 100), letter ? "treatment='letter'" : "treatment='survey'");
        if (yes) scene_event(scene, 1 + i, "Order Completed", DAY(2 + i % 100), "");
    }
    for (uint32_t i = 0; i < 5; i++)
        scene_event(scene, 1, "mail:Treatment Delivered", DAY(3),
                    i < 3    ? "treatment='lettre'"
                    : i == 3 ? "treatment='flyer/7'"
                             : "");
    scene_event(scene, 1, "mail:Treatment Delivered", DAY(245), "treatment='letter'");
}

struct learnt {
    struct rows rows;
    struct trainer_counts counts;
    struct model *model;
    struct buffer left_out;
};

static void learn(struct scene *scene, const char *survey_model, uint32_t rule, uint32_t threads,
                  struct learnt *out) {
    char text[2048];
    *out = (struct learnt){0};
    snprintf(text, sizeof text, two_actions, survey_model);
    scene_init(scene, text);
    add_two_actions(scene);
    struct trainer_options options = {.from_ms = TIME_ALWAYS,
                                      .until_ms = UNTIL_MS,
                                      .matured_by_ms = UNTIL_MS,
                                      .threads = threads};
    struct learn_options learning = {.seed = 1};
    const struct model_rule *model = &scene->playbook->models[rule];
    assert_int_equal(trainer_collect(&scene->data, model, &options, &out->rows.set, &out->rows.ids,
                                     &out->counts, NULL),
                     STATUS_OK);
    buffer_init(&out->left_out);
    assert_int_equal(trainer_left_out_words(&scene->data, model, &out->counts, &out->left_out),
                     STATUS_OK);
    assert_int_equal(buffer_append(&out->left_out, "", 1), STATUS_OK);
    if (training_set_count(out->rows.set) > 0)
        assert_int_equal(model_train(&out->model, out->rows.set, &learning, NULL), STATUS_OK);
}

static void unlearn(struct scene *scene, struct learnt *learnt) {
    model_destroy(learnt->model);
    buffer_release(&learnt->left_out);
    release(&learnt->rows);
    scene_release(scene);
}

static double chance_of(struct scene *scene, const struct learnt *learnt, const char *key,
                        const char *channel) {
    struct treatment treatment = *scene_treatment(scene, key);
    struct value traits[] = {value_number(0)}, features[4];
    char own_text[LEARN_TEXT_BYTES_MAX];
    uint32_t symbol;
    assert_int_equal(symbol_add(scene->symbols, SYMBOL_CHANNEL, text_from(channel), &symbol),
                     STATUS_OK);
    treatment.channel = symbol;
    trainer_features(&scene->data, &scene->playbook->models[0], learnt->model, traits, &treatment,
                     own_text, features);
    return model_score(learnt->model, features);
}

static void assert_about(double value, double expected) {
    if (value > expected * .75 && value < expected * 1.25) return;
    print_message("%f is not about %f\n", value, expected);
    fail();
}

/* Both use the model: each action and each channel is told apart. */
static void test_actions_of_one_model_are_told_apart(void **state) {
    (void)state;
    static struct scene scene;
    static struct learnt learnt;
    for (uint32_t threads = 1; threads <= 3; threads += 2) {
        learn(&scene, "", 0, threads, &learnt);
        assert_int_equal(training_set_count(learnt.rows.set), 3000);
        assert_about(chance_of(&scene, &learnt, "letter", "mail"), .6);
        assert_about(chance_of(&scene, &learnt, "letter", "email"), .2);
        assert_about(chance_of(&scene, &learnt, "survey", "mail"), .02);
        unlearn(&scene, &learnt);
    }
}

/* The surveys have a model of their own, and say nothing about the letters. */
static void test_a_model_learns_from_the_actions_that_use_it(void **state) {
    (void)state;
    static struct scene scene;
    static struct learnt learnt;
    learn(&scene, "model: other, ", 0, 2, &learnt);
    assert_int_equal(learnt.counts.events, 3006);
    assert_int_equal(learnt.counts.rows, 1000);
    assert_int_equal(learnt.counts.of_others, 2000);
    assert_int_equal(learnt.counts.unmatched, 4);
    assert_int_equal(learnt.counts.unnamed, 1);
    assert_int_equal(learnt.counts.open, 1);
    assert_int_equal(learnt.counts.distinct_names, 2);
    assert_string_equal(learnt.counts.names[0].name, "lettre");
    assert_int_equal(learnt.counts.names[0].count, 3);
    assert_non_null(strstr(learnt.left_out.at, "3 lettre: did you mean letter?; 1 flyer/7)"));
    assert_non_null(strstr(learnt.left_out.at, "2000 are of actions that don't use this model"));
    assert_non_null(strstr(learnt.left_out.at, "1 have no property treatment"));
    assert_non_null(strstr(learnt.left_out.at, "1 have a goal that has not matured yet"));
    assert_about(chance_of(&scene, &learnt, "letter", "mail"), .6);
    unlearn(&scene, &learnt);
    learn(&scene, "", 1, 2, &learnt); /* nobody's */
    assert_int_equal(training_set_count(learnt.rows.set), 0);
    assert_non_null(strstr(learnt.left_out.at, "No action uses it: write model: other"));
    unlearn(&scene, &learnt);
}

/* ---- what was said at the decision ---- */

static const char said_playbook[] =
    "customer: { identifiers: { email: {} } }\n"
    "context: { page: text, cart: number }\n"
    "traits:\n"
    "  on_page: context.page\n"
    "  big: context.cart > 10\n"
    "  clicks: count(\"Clicked\")\n"
    "events: { Clicked: { button: text }, Order Completed: { revenue: money } }\n"
    "goals: { order: { event: Order Completed, within: 10d } }\n"
    "models: { order: { goal: order, features: [big, on_page, clicks] } }\n"
    "actions: { letter: { goal: order, channels: [mail] } }\n";

static void deliver(struct scene *scene, int day, const char *decision) {
    char properties[128];
    snprintf(properties, sizeof properties, "treatment='letter' %s", decision);
    scene_event(scene, 1, "mail:Treatment Delivered", DAY(day), properties);
}

static void test_a_row_has_the_context_of_its_decision(void **state) {
    (void)state;
    static struct scene scene;
    scene_init(&scene, said_playbook);
    scene_treatments(&scene);
    const struct model_rule *rule = &scene.playbook->models[0];
    scene_event(&scene, 1, "Decision Made", DAY(1),
                "decision='aa' context='{\"page\":\"shoes\",\"cart\":12}'");
    scene_event(&scene, 1, "Decision Made", DAY(1), "decision='bb' context='{\"page\":\"hats\"}'");
    scene_event(&scene, 1, "Decision Made", DAY(1), "decision='cc' context='whatever'");
    scene_event(&scene, 1, "Decision Made", DAY(1), "decision='dd' context='{\"cart\":\"none\"}'");
    deliver(&scene, 2, "decision='aa'");
    deliver(&scene, 3, "decision='bb'");
    deliver(&scene, 4, "decision='cc'");
    deliver(&scene, 5, "decision='dd'");
    deliver(&scene, 6, ""); /* of a decision that nobody names … */
    deliver(&scene, 7, "decision='ee'");
    scene_event(&scene, 1, "Decision Made", DAY(8), /* … and one that came later */
                "decision='ee' context='{\"page\":\"late\"}'");
    struct trainer_options options = {
        .until_ms = DAY(100), .matured_by_ms = DAY(100), .threads = 1};
    struct rows rows;
    assert_int_equal(trainer_collect(&scene.data, rule, &options, &rows.set, &rows.ids, NULL, NULL),
                     STATUS_OK);
    static const char *const pages[] = {"shoes", "hats", NULL, NULL, NULL, NULL};
    assert_int_equal(training_set_count(rows.set), 6);
    for (size_t i = 0; i < 6; i++) {
        struct value values[8];
        struct training_row row;
        training_set_row(rows.set, i, values, &row);
        assert_int_equal(values[0].type, i == 0 ? VALUE_NUMBER : VALUE_UNKNOWN);
        if (i == 0) assert_true(values[0].number == 1);
        assert_int_equal(value_is_known(values[1]), pages[i] != NULL);
        if (pages[i] != NULL) assert_true(text_equal(values[1].text, text_from(pages[i])));
        assert_int_equal(values[2].type, VALUE_NUMBER);
    }
    release(&rows);
    scene_release(&scene);
}

/* Features are of the versions known then, labels and treatments of those known when the rows were
 * matured; and what a correction made known in hindsight is counted. */
static void test_corrections(void **state) {
    (void)state;
    static struct scene scene;
    scene_init(&scene, "customer: { identifiers: { email: {} } }\n"
                       "events: { Order Completed: { size: number } }\n"
                       "traits: { largest: max(\"Order Completed\".size) }\n"
                       "goals: { order: { event: Order Completed, within: 10d } }\n"
                       "models: { order: { goal: order } }\n"
                       "actions: { letter: { goal: order, channels: [mail] } }\n");
    scene_event(&scene, 9, "Order Completed", DAY(1), "size=1");
    for (uint32_t p = 1; p <= 4; p++) {
        uint64_t first = scene.event_count;
        scene_event(&scene, p, "Order Completed", DAY(1), "size=5");
        scene_event(&scene, p, "mail:Treatment Delivered", DAY(10),
                    p == 4 ? "treatment='lettre'" : "treatment='letter'");
        scene_event(&scene, p, "Order Completed", DAY(12), "size=5");
        if (p == 1) /* in hindsight */
            scene_correct(&scene, first, p, "Order Completed", DAY(1), DAY(1), "size=9");
        if (p == 2) /* known after the letter */
            scene_correct(&scene, first, p, "Order Completed", DAY(1), DAY(11), "size=9");
        if (p == 3) /* the order was another month's */
            scene_correct(&scene, first + 2, p, "Order Completed", DAY(40), DAY(15), "size=5");
        if (p == 4)
            scene_correct(&scene, first + 1, p, "mail:Treatment Delivered", DAY(10), DAY(30),
                          "treatment='letter'");
    }
    struct trainer_options options = {
        .from_ms = TIME_ALWAYS, .until_ms = UNTIL_MS, .matured_by_ms = UNTIL_MS, .threads = 1};
    struct rows rows = {0};
    struct trainer_counts counts;
    assert_int_equal(trainer_collect(&scene.data, &scene.playbook->models[0], &options, &rows.set,
                                     &rows.ids, &counts, NULL),
                     STATUS_OK);
    assert_int_equal(training_set_count(rows.set), 4);
    assert_int_equal(counts.events, 4);
    assert_int_equal(counts.corrected_later, 1);
    static const double largest[] = {9, 5, 5, 5};
    for (uint32_t i = 0; i < 4; i++) {
        struct value values[1];
        struct training_row row;
        training_set_row(rows.set, i, values, &row);
        assert_int_equal(row.group, i + 1);
        assert_true(values[0].number == largest[i]);
        assert_int_equal(row.yes, i != 2);
    }
    release(&rows);
    struct goal_base bases[3];
    assert_int_equal(base_rates_measure(
                         &scene.data, &(struct base_rates_options){UNTIL_MS, POSITION_NOW, 2, NULL},
                         bases, NULL),
                     STATUS_OK);
    assert_int_equal(bases[1].treated_rows, 4);
    assert_true(bases[1].treated_rate == 0.75);
    scene_release(&scene);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_goal_reads_the_traits_of_its_row),
        cmocka_unit_test(test_a_model_learns_from_the_actions_that_use_it),
        cmocka_unit_test(test_a_row_has_the_context_of_its_decision),
        cmocka_unit_test(test_actions_of_one_model_are_told_apart),
        cmocka_unit_test(test_a_corrected_delivery_was_learnt_before),
        cmocka_unit_test(test_corrections),
        cmocka_unit_test(test_no_evaluated_row_was_ever_learnt),
        cmocka_unit_test(test_rows_equal_the_naive_ones),
        cmocka_unit_test(test_what_has_not_matured_is_left_out_whichever_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
