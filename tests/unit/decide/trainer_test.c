/* SPDX-License-Identifier: Apache-2.0 */
/* Training rows against a naive computation over plain arrays, with late events, late links and an
 * offer table that changes; and no view of the future: what became known after the rows were
 * matured changes nothing. TRAINER_SEED chooses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/memory.h"
#include "base/random.h"
#include "decide/decide.h"
#include "decide/trainer.h"
#include "scene.h"

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
    assert_int_equal(trainer_collect(&scene->world, &scene->playbook->models[0], &options,
                                     &rows.set, &rows.ids, &error),
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
    int64_t t_ms;
    uint32_t customer, offer;
    double clicks, contacts, discount;
    bool yes;
};

static int compare(const void *left, const void *right) {
    const struct naive_row *a = left, *b = right;
    if (a->t_ms != b->t_ms) return a->t_ms < b->t_ms ? -1 : 1;
    if (a->customer != b->customer) return a->customer < b->customer ? -1 : 1;
    return (a->offer > b->offer) - (a->offer < b->offer);
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
        if (t_ms + WITHIN_MS + ARRIVES_MS > UNTIL_MS) continue;
        int discount = discount_of(naive, event->offer, t_ms);
        if (discount == 0) continue;
        uint32_t then = owner_at(naive, event->persona, t_ms),
                 today = owner_at(naive, event->persona, UNTIL_MS);
        rows[count++] = (struct naive_row){
            .t_ms = t_ms,
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
        /* When the label was known. */
        assert_int_equal(row.horizon_ms, expected[i].t_ms + WITHIN_MS + ARRIVES_MS);
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
    struct goal_base base;
    assert_int_equal(goal_bases_measure(&scene.world, UNTIL_MS, 1, &base, NULL), STATUS_OK);
    assert_int_equal(base.treated_rows, 4);
    assert_true(base.treated_rate == 0.5);
    scene_release(&scene);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_goal_reads_the_traits_of_its_row),
        cmocka_unit_test(test_rows_equal_the_naive_ones),
        cmocka_unit_test(test_what_has_not_matured_is_left_out_whichever_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
