/* SPDX-License-Identifier: Apache-2.0 */
/* A singer's page with a known truth: of the members who come along (close friend with tickets for
 * Atlanta bought within three days, twenty interactions in a month, a partner's card, everybody's
 * permission) 62 % buy within five days of LANDMARK.
 *
 * A fan's number tells what he is, so that a test can see who was chosen: in… comes along; all the
 * others miss one thing, and buy with another chance. Two kinds are traps that only a view of the
 * future would take in: the friend's tickets, or the consent, come after LANDMARK, and these fans
 * nearly all buy. Friends with tickets are b…. */
#include "simulator.h"

#define LANDMARK   INT64_C(1790000000000) /* 2026-09-21T14:13:20Z */
#define BUYS_ALONG 0.62
#define FANS       900

struct kind {
    const char *prefix;
    double share, buys;
    uint32_t interactions;
    bool card, own_consent, friend_consent, close, friend_bought, friend_late, consent_late,
        other_city;
};
static const struct kind kinds[] = {
    /* prefix  share  buys        talks  card  own   friend close bought late  late  city */
    {"in", 0.45, BUYS_ALONG, 24, true, true, true, true, true, false, false, false},
    {"nocard", 0.07, 0.20, 24, false, true, true, true, true, false, false, false},
    {"quiet", 0.07, 0.25, 12, true, true, true, true, true, false, false, false},
    {"noself", 0.07, 0.30, 24, true, false, true, true, true, false, false, false},
    {"nofriend", 0.07, 0.30, 24, true, true, false, true, true, false, false, false},
    {"distant", 0.07, 0.15, 24, true, true, true, false, true, false, false, false},
    {"boston", 0.06, 0.10, 24, true, true, true, true, true, false, false, true},
    {"future", 0.07, 0.95, 24, true, true, true, true, false, true, false, false},
    {"laterok", 0.07, 0.95, 24, true, true, true, true, true, false, true, false},
};

struct files {
    FILE *page, *friends, *tickets, *cards, *consents, *opt_ins, *offers;
};

static void open_files(struct simulator *simulator, struct files *files) {
    files->page = simulator_open(simulator, "page.ndjson");
    files->friends = simulator_open(simulator, "friends.csv");
    files->tickets = simulator_open(simulator, "tickets.csv");
    files->cards = simulator_open(simulator, "cards.csv");
    files->consents = simulator_open(simulator, "consents.csv");
    files->opt_ins = simulator_open(simulator, "opt_ins.csv");
    files->offers = simulator_open(simulator, "offers.csv");
    fputs("fan_id,friend_id,kind,since,state\n", files->friends);
    fputs("order_id,fan_id,email,city,show_id,seats,price,bought_at\n", files->tickets);
    fputs("card_id,event,email,partner,changed_at\n", files->cards);
    fputs("fan_id,purpose,state,form,text_version,changed_at\n", files->consents);
    fputs("fan_id,channel,state,changed_at\n", files->opt_ins);
    fputs("offer_id,fan_id,channel,treatment,friend_id,delivered_at\n", files->offers);
}

static void track(FILE *file, const char *fan, uint32_t message, const char *event,
                  const char *properties, int64_t time_ms) {
    fprintf(file,
            "{\"type\":\"track\",\"event\":\"%s\",\"messageId\":\"%s-%u\",\"userId\":\"%s\","
            "\"context\":{\"traits\":{\"email\":\"%s@example.com\"}},"
            "\"timestamp\":\"%s\",\"properties\":{%s}}\n",
            event, fan, message, fan, fan, simulator_iso(time_ms), properties);
}

static void member(struct simulator *simulator, const struct files *files, const char *fan,
                   uint32_t interactions, bool consents, int64_t consents_ms) {
    track(files->page, fan, 0, "Page Joined", "\"page\":\"singer\"", LANDMARK - 90 * TIME_DAY_MS);
    for (uint32_t i = 0; i < interactions; i++) {
        track(files->page, fan, i + 1, "Interacted", "\"with\":\"a friend\",\"kind\":\"message\"",
              simulator_time(simulator, LANDMARK - 29 * TIME_DAY_MS, LANDMARK - TIME_HOUR_MS));
    }
    fprintf(files->opt_ins, "%s,social,yes,%s\n", fan, simulator_iso(LANDMARK - 80 * TIME_DAY_MS));
    fprintf(files->consents, "%s,personalise,yes,signup,v1,%s\n", fan,
            simulator_iso(LANDMARK - 80 * TIME_DAY_MS));
    if (consents)
        fprintf(files->consents, "%s,social,yes,signup,v1,%s\n", fan, simulator_iso(consents_ms));
}

static void ticket(const struct files *files, const char *order, const char *fan, const char *city,
                   int64_t time_ms) {
    fprintf(files->tickets, "%s-%s,%s,%s@example.com,%s,show1,2,140.00,%s\n", order, fan, fan, fan,
            city, simulator_iso(time_ms));
}

/* The friend who has tickets, or will have. */
static void friend_of(struct simulator *simulator, const struct files *files, const char *fan,
                      const char *friend_id, const struct kind *kind) {
    int64_t early_ms = LANDMARK - 40 * TIME_DAY_MS, late_ms = LANDMARK + TIME_HOUR_MS;
    bool consents_late = kind->consent_late && simulator_chance(simulator, 0.5);
    member(simulator, files, friend_id, 2, kind->friend_consent,
           consents_late ? late_ms : early_ms);
    int64_t bought_ms = kind->friend_late
                            ? late_ms
                            : simulator_time(simulator, LANDMARK - 3 * TIME_DAY_MS + TIME_HOUR_MS,
                                             LANDMARK - TIME_HOUR_MS);
    if (kind->friend_bought || kind->friend_late)
        ticket(files, "first", friend_id, kind->other_city ? "Boston" : "Atlanta", bought_ms);
    fprintf(files->friends, "%s,%s,%s,%s,yes\n", fan, friend_id,
            kind->close ? "close_friend" : "friend", simulator_iso(LANDMARK - 60 * TIME_DAY_MS));
    bool own_late = kind->consent_late && !consents_late;
    member(simulator, files, fan, kind->interactions, kind->own_consent,
           own_late ? late_ms : early_ms);
}

static const struct kind *draw_kind(struct simulator *simulator) {
    double u = random_unit(&simulator->random);
    size_t count = sizeof kinds / sizeof *kinds;
    for (size_t i = 0; i < count; i++) {
        if (u < kinds[i].share) return &kinds[i];
        u -= kinds[i].share;
    }
    return &kinds[0];
}

void simulate(struct simulator *simulator) {
    struct files files;
    uint32_t fans = simulator->customers != 0 ? simulator->customers : FANS;
    open_files(simulator, &files);
    for (uint32_t i = 0; i < fans; i++) {
        char fan[32], friend_id[32];
        const struct kind *kind = draw_kind(simulator);
        snprintf(fan, sizeof fan, "%s%u", kind->prefix, i);
        snprintf(friend_id, sizeof friend_id, "b%u", i);
        friend_of(simulator, &files, fan, friend_id, kind);
        if (kind->card)
            fprintf(files.cards, "card%u,Card Issued,%s@example.com,bank,%s\n", i, fan,
                    simulator_iso(LANDMARK - 50 * TIME_DAY_MS));
        if (kind == &kinds[0]) {
            fprintf(files.offers, "o%u,%s,social,through_friend,%s,%s\n", i, fan, friend_id,
                    simulator_iso(LANDMARK + TIME_MINUTE_MS));
        }
        if (simulator_chance(simulator, kind->buys)) {
            ticket(
                &files, "second", fan, "Atlanta",
                simulator_time(simulator, LANDMARK + 2 * TIME_HOUR_MS, LANDMARK + 5 * TIME_DAY_MS));
        }
    }
    FILE *all[] = {files.page,     files.friends, files.tickets, files.cards,
                   files.consents, files.opt_ins, files.offers};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) simulator_close(simulator, all[i]);
}
