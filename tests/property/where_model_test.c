/* SPDX-License-Identifier: Apache-2.0 */
/* Quiet times and calendar days in the customer's own time zone, against a model that steps from
 * minute to minute by the clocks of each zone that the customer may be in. Customers move, records
 * come late, name zones that are none, or only a country with one zone or with three; and the
 * moments lie around nights on which clocks change, in one of the zones or in all.
 *
 *   where_model_test [SEED [ROUNDS]] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"
#include "decide/decide.h"
#include "support/scene.h"

#define RECORDS  4
#define CONTACTS 5
#define MOMENTS  6
#define ANN      1

static struct random random_state;
static uint32_t below(size_t bound) {
    return (uint32_t)random_below(&random_state, bound);
}
static void must(bool good, const char *what) {
    if (good) return;
    printf("%s\n", what);
    exit(1);
}

/* Of the letters a only once a calendar day, of both together twice; and at night nothing. */
static const char head[] =
    "zone: America/Los_Angeles\n"
    "customer:\n"
    "  identifiers: { email: {} }\n"
    "  zone: { from: 'last(\"Customer Record\".timezone)', country: living }\n"
    "  zones: [Europe/London, America/New_York]\n"
    "traits: { living: 'last(\"Customer Record\".country)' }\n"
    "events: { Order Completed: {}, Customer Record: { timezone: text, country: text } }\n"
    "goals: { order: { event: Order Completed, within: 10d } }\n"
    "actions:\n"
    "  a: { goal: order, starting_propensity: 50%, channels: [email, phone] }\n"
    "  b: { goal: order, starting_propensity: 40%, channels: [email, phone] }\n"
    "placements: { letter: { channels: [email] }, call: { channels: [phone] } }\n"
    "policies:\n"
    "  - { at_most: 1, per: day, channel: email }\n"
    "  - { at_most: 2, per: day, of: same action }\n";
#define EMAIL_POLICY 0
#define SAME_POLICY  1

static const char *const quiet[] = {"21:00-08:00", "01:30-02:30", "00:00-06:00", "22:30-21:00"};

/* ---- the model ---- */

struct record {
    int64_t time_ms, known_ms;
    const char *zone, *country; /* NULL: it says none */
};
struct letter {
    int64_t time_ms;
    char action;
    bool by_phone;
};
struct model {
    struct record records[RECORDS];
    struct letter contacts[CONTACTS];
    struct time_zone *zones[3];
    uint32_t zone_count;
    int from_minute, to_minute;
};

static const char *const zone_names[] = {"America/New_York", "Europe/London", "Mars/Olympus", NULL};
static const char *const countries[] = {"AT", "Portugal", "gb", "Atlantis", NULL};

static void add_zone(struct model *model, const char *name) {
    struct time_zone **zone = &model->zones[model->zone_count++];
    must(time_zone_create(zone, text_from(name), NULL, NULL) == STATUS_OK, name);
}

static bool is(const char *text, const char *expected) {
    return text != NULL && strcmp(text, expected) == 0;
}

static void drop_zones(struct model *model) {
    for (uint32_t i = 0; i < model->zone_count; i++) time_zone_destroy(model->zones[i]);
    model->zone_count = 0;
}

/* The newest record that had happened and was known, and of equal ones the last. */
static void find_zones(struct model *model, int64_t t_ms) {
    const char *zone = NULL, *country = NULL;
    int64_t zone_ms = INT64_MIN, country_ms = INT64_MIN;
    for (uint32_t i = 0; i < RECORDS; i++) {
        const struct record *record = &model->records[i];
        if (record->time_ms > t_ms || record->known_ms > t_ms) continue;
        if (record->zone != NULL && record->time_ms >= zone_ms) {
            zone = record->zone;
            zone_ms = record->time_ms;
        }
        if (record->country != NULL && record->time_ms >= country_ms) {
            country = record->country;
            country_ms = record->time_ms;
        }
    }
    drop_zones(model);
    if (is(zone, "America/New_York") || is(zone, "Europe/London")) {
        add_zone(model, zone);
    } else if (is(country, "AT")) {
        add_zone(model, "Europe/Vienna");
    } else if (is(country, "gb")) {
        add_zone(model, "Europe/London");
    } else if (is(country, "Portugal")) {
        add_zone(model, "Europe/Lisbon");
        add_zone(model, "Atlantic/Madeira");
        add_zone(model, "Atlantic/Azores");
    } else {
        add_zone(model, "Europe/London");
        add_zone(model, "America/New_York");
    }
}

static struct civil clock_in(const struct time_zone *zone, int64_t t_ms) {
    struct civil civil;
    time_to_civil(t_ms + time_zone_offset_s(zone, t_ms) * TIME_SECOND_MS, &civil);
    return civil;
}

static bool is_quiet(const struct model *model, int64_t t_ms) {
    for (uint32_t i = 0; i < model->zone_count; i++) {
        struct civil clock = clock_in(model->zones[i], t_ms);
        int minute = clock.hour * 60 + clock.minute;
        bool spans = model->to_minute <= model->from_minute;
        if (spans ? minute >= model->from_minute || minute < model->to_minute
                  : minute >= model->from_minute && minute < model->to_minute)
            return true;
    }
    return false;
}

/* Would the policies stop this treatment at `now_ms`, where only what is up to t_ms is known? */
static bool is_stopped(const struct model *model, char action, bool by_phone, int64_t t_ms,
                       int64_t now_ms) {
    for (uint32_t z = 0; z < model->zone_count; z++) {
        uint32_t by_email = 0, same = 0;
        struct civil today = clock_in(model->zones[z], now_ms);
        for (uint32_t i = 0; i < CONTACTS; i++) {
            const struct letter *contact = &model->contacts[i];
            struct civil then = clock_in(model->zones[z], contact->time_ms);
            bool is_today =
                then.year == today.year && then.month == today.month && then.day == today.day;
            if (contact->time_ms > t_ms || !is_today) continue;
            by_email += !contact->by_phone;
            same += contact->action == action;
        }
        if ((by_email >= 1 && !by_phone) || same >= 2) return true;
    }
    return false;
}

/* ---- a round ---- */

/* Nights on which clocks change: New York on 12 March, Europe on 26 March, Europe on 29 October and
 * New York on 5 November 2017; and a summer's night. */
static const int64_t nights[] = {INT64_C(1489276800000), INT64_C(1490486400000),
                                 INT64_C(1509235200000), INT64_C(1509840000000),
                                 INT64_C(1498998000000)};

static int64_t moment_near(int64_t night_ms, int64_t hours) {
    return night_ms + ((int64_t)below((size_t)(2 * hours * 60)) - hours * 60) * TIME_MINUTE_MS;
}

static void add_record(struct scene *scene, struct record *record, int64_t night_ms) {
    char properties[128];
    record->time_ms = moment_near(night_ms, 60);
    record->known_ms = record->time_ms + (below(3) == 0 ? below(48) * TIME_HOUR_MS : 0);
    record->zone = zone_names[below(4)];
    record->country = countries[below(5)];
    int length = 0;
    properties[0] = '\0';
    if (record->zone != NULL)
        length = snprintf(properties, sizeof properties, "timezone='%s'", record->zone);
    if (record->country != NULL)
        snprintf(properties + length, sizeof properties - (size_t)length, "%scountry='%s'",
                 length > 0 ? " " : "", record->country);
    scene_event_known(scene, ANN, "Customer Record", record->time_ms, record->known_ms, properties);
}

static void add_contact(struct scene *scene, struct letter *contact, uint32_t number,
                        int64_t night_ms) {
    char properties[64];
    *contact = (struct letter){.time_ms = moment_near(night_ms, 48),
                               .action = below(2) ? 'a' : 'b',
                               .by_phone = below(2) == 0};
    /* With an id of its own each receipt is a message. */
    snprintf(properties, sizeof properties, "treatment='%c' decision='d%u'", contact->action,
             number);
    scene_event(scene, ANN,
                contact->by_phone ? "phone:Treatment Delivered" : "email:Treatment Delivered",
                contact->time_ms, properties);
}

struct trial {
    struct scene scene;
    struct profile *profile;
    struct decider *decider;
    struct goal_base bases[64];
    struct decision decision;
};

static void check_treatment(const struct model *model, const struct treatment_trace *trace,
                            int64_t t_ms, bool by_phone) {
    char action = trace->treatment->key.at[0];
    bool stopped = is_stopped(model, action, by_phone, t_ms, t_ms);
    int64_t free_ms = t_ms, send_ms = t_ms;
    while (is_stopped(model, action, by_phone, t_ms, free_ms)) free_ms += TIME_MINUTE_MS;
    for (int i = 0; is_quiet(model, send_ms) && i < 10000; i++) send_ms += TIME_MINUTE_MS;
    bool never = is_quiet(model, send_ms);
    if (trace->stopped_at == STAGE_CONTACT_POLICY) {
        must(trace->free_at_ms == (never ? TIME_NEVER : free_ms), "another moment of freedom");
        must(stopped || never, "stopped, and nothing stops it");
        return;
    }
    must(!stopped && !never, "not stopped, and something should");
    must(trace->send_after_ms == (send_ms > t_ms ? send_ms : 0), "another time of sending");
}

static void check_moment(struct trial *trial, struct model *model, int64_t t_ms) {
    struct timeline_source *source = trial->scene.data.source;
    struct timeline_reader *reader;
    struct timeline timeline;
    struct timeline_request request =
        profile_request(trial->profile, (struct as_of){t_ms, POSITION_NOW}, false);
    must(source->ops->reader_open(source, &reader, NULL) == STATUS_OK, "no reader");
    must(source->ops->read(reader, (struct customer_id){ANN}, &request, &timeline, NULL) ==
             STATUS_OK,
         "no timeline");
    static const char *const places[] = {"letter", "call"};
    for (uint32_t p = 0; p < 2; p++) {
        struct decision_basis basis = {.placement = text_from(places[p])};
        must(decider_name_basis(trial->decider, &basis, NULL) == STATUS_OK, "no placement");
        must(decide_customer(trial->decider, &timeline, t_ms, &trial->decision, NULL) == STATUS_OK,
             "no decision");
        must((trial->decision.zone.length > 0) == (model->zone_count == 1), "another zone");
        for (uint32_t i = 0; i < trial->decision.trace.count; i++) {
            struct treatment_trace trace = decision_trace_of(&trial->decision, i);
            uint32_t phone = symbol_find(trial->scene.symbols, SYMBOL_CHANNEL, TEXT("phone"));
            bool by_phone = trace.treatment->channel == phone;
            must(trace.elsewhere == (by_phone != (p == 1)), "at another placement");
            if (!trace.elsewhere) check_treatment(model, &trace, t_ms, by_phone);
        }
    }
    source->ops->reader_close(reader);
}

static void play(uint64_t seed) {
    static struct trial trial;
    static struct model model;
    char text[4096];
    int from_hour, from_minute, to_hour, to_minute;
    random_init(&random_state, seed);
    memset(&trial, 0, sizeof trial);
    memset(&model, 0, sizeof model);
    const char *hours = quiet[below(4)];
    snprintf(text, sizeof text, "%s  - { quiet: \"%s\" }\n", head, hours);
    must(sscanf(hours, "%d:%d-%d:%d", &from_hour, &from_minute, &to_hour, &to_minute) == 4,
         "no hours");
    model.from_minute = from_hour * 60 + from_minute;
    model.to_minute = to_hour * 60 + to_minute;
    for (size_t i = 0; i < 64; i++) trial.bases[i] = (struct goal_base){.rate = .5, .value = 1};
    scene_init(&trial.scene, text);
    scene_treatments(&trial.scene);
    must(profile_create(&trial.profile, &trial.scene.data) == STATUS_OK, "no profile");
    must(decider_create(&trial.decider, &trial.scene.data, trial.profile, NULL, trial.bases) ==
             STATUS_OK,
         "no decider");
    int64_t night_ms = nights[below(5)];
    scene_event(&trial.scene, ANN, "Order Completed", night_ms - 10 * TIME_DAY_MS, "");
    for (uint32_t i = 0; i < RECORDS; i++) add_record(&trial.scene, &model.records[i], night_ms);
    for (uint32_t i = 0; i < CONTACTS; i++)
        add_contact(&trial.scene, &model.contacts[i], i, night_ms);
    for (uint32_t i = 0; i < MOMENTS; i++) {
        int64_t t_ms = moment_near(night_ms, 48);
        find_zones(&model, t_ms);
        check_moment(&trial, &model, t_ms);
    }
    drop_zones(&model);
    decider_destroy(trial.decider);
    profile_destroy(trial.profile);
    scene_release(&trial.scene);
}

int main(int argc, char **argv) {
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    uint64_t rounds = argc > 2 ? strtoull(argv[2], NULL, 10) : 300;
    for (uint64_t i = 0; i < rounds; i++) {
        printf("seed %llu\n", (unsigned long long)(seed + i));
        play(seed + i);
    }
    printf("%llu rounds\n", (unsigned long long)rounds);
    return 0;
}
