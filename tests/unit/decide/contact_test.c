/* SPDX-License-Identifier: Apache-2.0 */
/* Contact policies against a naive count, on random contacts and at random times around the changes
 * of the clock: the same verdict, and one that turns exactly at free_at. CONTACT_SEED chooses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/random.h"
#include "decide/contact.h"
#include "scene.h"

static const char playbook[] =
    "zone: America/New_York\n"
    "customer: { identifiers: { email: {} } }\n"
    "sources:\n"
    "  offer: { file: offer.csv, lookup: offer_id, columns: [offer_id, ends], header: no, types: { "
    "ends: time } }\n"
    "events: { Complained: { about: text } }\n"
    "goals: { order: { event: Complained, within: 10d } }\n"
    "actions:\n"
    "  letter: { for_each: offer, group: offers, goal: order, channels: [email, phone] }\n"
    "  banner: { group: offers, goal: order, channels: [web] }\n"
    "  advice: { goal: order, channels: [email, web] }\n"
    "  thanks: { goal: order, channels: [email] }\n"
    "policies:\n";

static const char *const rules[] = {
    "{ at_most: 2, in: 7d }",
    "{ at_most: 1, in: 3d, channel: email }",
    "{ at_most: 3, in: 12d, group: offers }",
    "{ at_most: 1, in: 2d12h, action: letter, channel: phone }",
    "{ at_most: 1, in: 30d, of: same treatment }",
    "{ at_most: 2, in: 14d, of: same action }",
    "{ at_most: 2, in: 5d, of: same group }",
    "{ after: Rejected, wait: 9d }",
    "{ after: Rejected, times: 2, of: same action, wait: 20d }",
    "{ after: Clicked, of: same treatment, wait: 4d }",
    "{ after: Complained, wait: 6d, channel: web }",
    "{ after: Complained, wait: 3d, group: offers }",
    "{ after: Complained, times: 2, wait: 8d, action: advice, channel: email }",
    "{ quiet: \"21:00-08:00\", channel: phone }",
    "{ quiet: \"01:15-02:30\" }",
    "{ quiet: \"12:00-13:30\", group: offers }",
    "{ at_most: 0, in: 1d, action: advice, channel: web }",
};
#define RULES (sizeof rules / sizeof *rules)

static const char *const types[] = {"Treatment Shown",   "Treatment Delivered", "Treatment Failed",
                                    "Treatment Clicked", "Treatment Rejected",  "Complained"};
static const char *const channels[] = {"email", "phone", "web"};
static const struct {
    const char *key, *action, *group;
} keys[] = {
    {"letter/1", "letter", "offers"},
    {"letter/2", "letter", "offers"},
    {"letter/gone", "letter", "offers"},
    {"banner", "banner", "offers"},
    {"advice", "advice", ""},
    {"thanks", "thanks", ""},
    {"withdrawn", NULL, NULL},
    {NULL, NULL, NULL},
};

struct naive_contact {
    int64_t time_ms;
    int type, channel, key;
};

#define CONTACTS 40
struct trial {
    struct scene scene;
    struct naive_contact contacts[CONTACTS];
    struct contact_history history;
};

static bool same(const char *a, const char *b) {
    return a != NULL && b != NULL && strcmp(a, b) == 0;
}
static bool is(struct text text, const char *name) {
    return name != NULL && text_equal(text, text_from(name));
}

static bool naive_counts(const struct policy *policy, const struct naive_contact *contact,
                         const struct symbols *symbols, const struct treatment *treatment) {
    const char *key = keys[contact->key].key, *action = keys[contact->key].action,
               *group = keys[contact->key].group;
    char own[64];
    snprintf(own, sizeof own, "%.*s", TEXT_ARG(treatment->action->name));
    if (policy->channel != SYMBOL_NONE &&
        !is(symbol_text(symbols, SYMBOL_CHANNEL, policy->channel), channels[contact->channel]))
        return false;
    /* Nobody complains of a treatment: the policy says which ones wait. */
    bool names_none = contact->type == 5;
    if (policy->group.length > 0 && !is(policy->group, group) && !names_none) return false;
    if (policy->action.length > 0 && !is(policy->action, action) && !names_none) return false;
    if (policy->scope == SCOPE_SAME_TREATMENT) return is(treatment->key, key);
    if (policy->scope == SCOPE_SAME_ACTION) return same(action, own);
    if (policy->scope == SCOPE_SAME_GROUP)
        return treatment->action->group.length > 0 ? is(treatment->action->group, group)
                                                   : same(action, own);
    return true;
}

static bool naive_quiet(const struct playbook *book, const struct policy *policy, int64_t t_ms) {
    int64_t minute =
        (t_ms + time_zone_offset_s(book->zone, t_ms) * TIME_SECOND_MS) / TIME_MINUTE_MS % 1440;
    for (int64_t m = policy->quiet_from_minute; m != policy->quiet_to_minute; m = (m + 1) % 1440) {
        if (m == minute) return true;
    }
    return false;
}

static bool naive_blocks(const struct trial *trial, const struct policy *policy,
                         const struct treatment *treatment, int64_t t_ms) {
    const struct action *action = treatment->action;
    uint32_t seen = 0,
             most = policy->kind == POLICY_AFTER && policy->max_count == 0 ? 1 : policy->max_count;
    if (policy->channel != SYMBOL_NONE && policy->channel != treatment->channel) return false;
    if (policy->group.length > 0 && !text_equal(policy->group, action->group)) return false;
    if (policy->action.length > 0 && !text_equal(policy->action, action->name)) return false;
    if (policy->kind == POLICY_QUIET) return naive_quiet(trial->scene.playbook, policy, t_ms);
    for (int i = 0; i < CONTACTS; i++) {
        const struct naive_contact *contact = &trial->contacts[i];
        if (contact->time_ms > t_ms || contact->time_ms <= t_ms - policy->window_ms) continue;
        uint32_t type =
            symbol_find(trial->scene.symbols, SYMBOL_EVENT, text_from(types[contact->type]));
        bool right =
            policy->kind == POLICY_AFTER ? type == policy->after_event : contact->type <= 1;
        if (right && naive_counts(policy, contact, trial->scene.symbols, treatment)) seen++;
    }
    return seen >= most;
}

static const struct policy *naive_check(const struct trial *trial,
                                        const struct treatment *treatment, int64_t t_ms) {
    const struct playbook *book = trial->scene.playbook;
    for (uint32_t i = 0; i < book->policy_count; i++) {
        if (naive_blocks(trial, &book->policies[i], treatment, t_ms)) return &book->policies[i];
    }
    return NULL;
}

/* ---- a trial: some of the rules, in some order, and random contacts ---- */

static void make(struct trial *trial, struct random *random) {
    char text[4096], properties[64], event[64];
    int length = snprintf(text, sizeof text, "%s", playbook);
    for (uint64_t left = 1 + random_below(random, 4); left > 0; left--) {
        length += snprintf(text + length, sizeof text - (size_t)length, "  - %s\n",
                           rules[random_below(random, RULES)]);
    }
    scene_init(&trial->scene, text);
    scene_lookup(&trial->scene, "offer", "1|\n2|\n");
    for (int i = 0; i < CONTACTS; i++) {
        struct naive_contact *contact = &trial->contacts[i];
        /* Ties, and windows met exactly. */
        contact->time_ms = DAY(60) + (int64_t)random_below(random, 200) * 6 * TIME_HOUR_MS;
        contact->type = (int)random_below(random, sizeof types / sizeof *types);
        contact->channel = (int)random_below(random, 3);
        contact->key = (int)random_below(random, sizeof keys / sizeof *keys);
        snprintf(event, sizeof event, "%s:%s", channels[contact->channel], types[contact->type]);
        const char *key = keys[contact->key].key;
        if (key == NULL || contact->type == 5) contact->key = 7;
        snprintf(properties, sizeof properties,
                 key != NULL && contact->key != 7 ? "treatment='%s'" : "%.0s",
                 key != NULL ? key : "");
        scene_event(&trial->scene, 1, event, contact->time_ms, properties);
    }
}

static void read_history(struct trial *trial, int64_t t_ms) {
    struct timeline_source *source = trial->scene.world.source;
    struct timeline_reader *reader;
    struct timeline timeline;
    struct timeline_request request = {.as_of = {t_ms, POSITION_NOW},
                                       .needs = TIMELINE_CHANNEL | TIMELINE_PACKED};
    assert_int_equal(source->ops->reader_open(source, &reader, NULL), STATUS_OK);
    trial->history.count = 0;
    if (source->ops->read(reader, (struct customer_id){1}, &request, &timeline, NULL) ==
        STATUS_OK) {
        contact_history_read(&trial->history, &trial->scene.world, &timeline, t_ms);
    }
    source->ops->reader_close(reader);
}

/* As naive as can be: what is in the timeline by now, and nothing happens later. */
static void forget_after(struct trial *trial, int64_t t_ms) {
    for (int i = 0; i < CONTACTS; i++) {
        if (trial->contacts[i].time_ms > t_ms) trial->contacts[i].time_ms = INT64_MAX;
    }
}

static void judge_all(struct trial *trial, int64_t t_ms) {
    const struct playbook *book = trial->scene.playbook;
    struct naive_contact kept[CONTACTS];
    memcpy(kept, trial->contacts, sizeof kept);
    forget_after(trial, t_ms);
    read_history(trial, t_ms);
    const struct treatment_set *treatments = scene_treatments_at(&trial->scene, t_ms);
    for (uint32_t i = 0; i < treatments->count; i++) {
        const struct treatment *treatment = &treatments->treatments[i];
        struct contact_verdict verdict = contact_check(book, &trial->history, treatment, t_ms);
        assert_ptr_equal(verdict.blocking, naive_check(trial, treatment, t_ms));
        int64_t free_ms = contact_free_at(book, &trial->history, treatment, t_ms);
        if (verdict.blocking == NULL) assert_int_equal(free_ms, t_ms);
        if (verdict.blocking == NULL || verdict.free_at_ms >= TIME_NEVER) continue;
        assert_true(naive_blocks(trial, verdict.blocking, treatment, verdict.free_at_ms - 1));
        assert_false(naive_blocks(trial, verdict.blocking, treatment, verdict.free_at_ms));
        if (free_ms >= TIME_NEVER) continue;
        assert_non_null(naive_check(trial, treatment, free_ms - 1));
        assert_null(naive_check(trial, treatment, free_ms));
        for (int64_t step = t_ms; step < free_ms; step += 7 * TIME_MINUTE_MS)
            assert_non_null(naive_check(trial, treatment, step));
    }
    memcpy(trial->contacts, kept, sizeof kept);
}

static void test_verdicts_equal_the_naive_ones(void **state) {
    (void)state;
    static struct trial trial;
    struct random random;
    const char *given = getenv("CONTACT_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : 1;
    print_message("CONTACT_SEED=%llu\n", (unsigned long long)seed);
    random_init(&random, seed);
    for (int round = 0; round < 60; round++) {
        make(&trial, &random);
        for (int i = 0; i < 12; i++) {
            int64_t t_ms = DAY(60) + (int64_t)random_below(&random, 60 * 96) * 15 * TIME_MINUTE_MS;
            judge_all(&trial, t_ms);
        }
        /* 2017-03-12 01:00 in New York; at two it is three. */
        judge_all(&trial, INT64_C(1489298400000));
        judge_all(&trial, INT64_C(1509856200000)); /* 2017-11-05 00:30; at two it is one again */
        scene_release(&trial.scene);
    }
}

/* A day of quiet times, minute by minute, in spring, in autumn and in between. */
static void test_quiet_ends_when_the_clock_says_so(void **state) {
    (void)state;
    static struct trial trial;
    static const char *const quiet[] = {"21:00-08:00", "01:15-02:30", "01:00-02:00",
                                        "00:30-01:30", "22:00-02:45", "08:00-03:00"};
    static const int64_t nights[] = {INT64_C(1489276800000), INT64_C(1509840000000),
                                     INT64_C(1498998000000)};
    char text[4096];
    for (size_t q = 0; q < sizeof quiet / sizeof *quiet; q++) {
        snprintf(text, sizeof text, "%s  - { quiet: \"%s\" }\n", playbook, quiet[q]);
        scene_init(&trial.scene, text);
        scene_lookup(&trial.scene, "offer", "1|\n");
        trial.history.count = 0;
        const struct treatment *treatment = scene_treatment(&trial.scene, "letter/1");
        const struct policy *policy = &trial.scene.playbook->policies[0];
        for (size_t n = 0; n < 3; n++) {
            for (int64_t t_ms = nights[n]; t_ms < nights[n] + 26 * TIME_HOUR_MS;
                 t_ms += 15 * TIME_MINUTE_MS) {
                struct contact_verdict verdict =
                    contact_check(trial.scene.playbook, &trial.history, treatment, t_ms);
                assert_int_equal(verdict.blocking != NULL,
                                 naive_quiet(trial.scene.playbook, policy, t_ms));
                if (verdict.blocking == NULL) continue;
                int64_t end_ms = t_ms;
                while (naive_quiet(trial.scene.playbook, policy, end_ms)) end_ms += TIME_MINUTE_MS;
                assert_int_equal(verdict.free_at_ms, end_ms);
            }
        }
        scene_release(&trial.scene);
    }
}

static void test_what_became_known_later_has_not_counted_yet(void **state) {
    (void)state;
    static struct trial trial;
    char text[4096];
    snprintf(text, sizeof text, "%s  - { at_most: 1, in: 10d }\n", playbook);
    scene_init(&trial.scene, text);
    scene_lookup(&trial.scene, "offer", "1|\n");
    scene_event_known(&trial.scene, 1, "email:Treatment Delivered", DAY(1), DAY(3),
                      "treatment='letter/1'");
    const struct treatment *treatment = scene_treatment(&trial.scene, "banner");
    read_history(&trial, DAY(3) - 1);
    assert_null(
        contact_check(trial.scene.playbook, &trial.history, treatment, DAY(3) - 1).blocking);
    read_history(&trial, DAY(3));
    struct contact_verdict verdict =
        contact_check(trial.scene.playbook, &trial.history, treatment, DAY(3));
    assert_non_null(verdict.blocking);
    assert_int_equal(verdict.free_at_ms, DAY(11));
    scene_release(&trial.scene);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts_equal_the_naive_ones),
        cmocka_unit_test(test_quiet_ends_when_the_clock_says_so),
        cmocka_unit_test(test_what_became_known_later_has_not_counted_yet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
