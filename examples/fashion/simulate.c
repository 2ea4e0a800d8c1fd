/* SPDX-License-Identifier: Apache-2.0 */
/* A fashion brand with a known truth: the coupon for Tampa and Naples is for the customers whose
 * card begins with "yes" and for nobody else. Every other kind misses exactly one thing, or has it
 * too late to be known at LANDMARK. */
#include "simulator.h"

/* 2026-09-21T14:13:20Z, 10:13 in New York: no quiet hours. */
#define LANDMARK  INT64_C(1790000000000)
#define CUSTOMERS 130
/* "past" customers had the coupon last season, so that its chance and worth are known. */
#define PAST_OFFERS 60
#define PAST_CHANCE 0.3

enum kind {
    ALL_OF_IT,
    NO_LOCATION,
    LOCATION_WITHDRAWN,
    LOCATION_LATER,
    NO_OPT_IN,
    OPTED_OUT,
    SPENT_LESS,
    SPENT_BEFORE,
    NO_SWIMSUIT,
    HANDBAG_OLD,
    QUEENS,
    TO_ORLANDO,
    FLIGHT_OLD,
    FLIGHT_UNKNOWN,
    KIND_COUNT
};
static const char *const prefix[KIND_COUNT] = {"yes",    "noloc",   "withdrawn", "later",  "noopt",
                                               "optout", "less",    "before",    "noswim", "oldbag",
                                               "queens", "orlando", "oldflight", "unknown"};

struct files {
    FILE *orders, *partner, *flights, *members, *coupons, *consents, *opt_ins, *offers;
};

static void write_reference(struct simulator *simulator) {
    FILE *products = simulator_open(simulator, "products.csv"),
         *stores = simulator_open(simulator, "stores.csv");
    fputs("product_id,category,brand\np1,dress,Marisol\np2,coat,Marisol\np3,beach "
          "shoes,Marisol\np4,hat,Other\n",
          products);
    fputs("store_id,city,state\ns1,Tampa,FL\ns2,Naples,FL\ns3,New York,NY\n", stores);
    simulator_close(simulator, products);
    simulator_close(simulator, stores);
}

static void open_files(struct simulator *simulator, struct files *files) {
    files->orders = simulator_open(simulator, "orders.csv");
    files->partner = simulator_open(simulator, "partner_orders.ndjson");
    files->flights = simulator_open(simulator, "flights.csv");
    files->members = simulator_open(simulator, "members.csv");
    files->coupons = simulator_open(simulator, "coupon_redemptions.csv");
    files->consents = simulator_open(simulator, "consents.csv");
    files->opt_ins = simulator_open(simulator, "opt_ins.csv");
    files->offers = simulator_open(simulator, "offers.csv");
    fputs("order_id,loyalty_card,email,store_id,product_id,quantity,price,ordered_at\n",
          files->orders);
    fputs("booking_id,email,origin_city,destination_city,departs_at,booked_at\n", files->flights);
    fputs("loyalty_card,email,phone,city,district,updated_at\n", files->members);
    fputs("coupon_id,loyalty_card,store_id,category,price,redeemed_at\n", files->coupons);
    fputs("email,purpose,state,form,text_version,changed_at\n", files->consents);
    fputs("email,channel,state,changed_at\n", files->opt_ins);
    fputs("offer_id,email,channel,treatment,delivered_at\n", files->offers);
}

/* Three orders of the brand, 3,000.00 within the year in all; "less" is a cent short, "before"
 * bought the first a year and more ago. */
static void shop(struct simulator *simulator, const struct files *files, const char *card,
                 enum kind kind) {
    for (uint32_t i = 0; i < 3; i++) {
        int64_t time_ms = LANDMARK - (40 + 100 * (int64_t)i) * TIME_DAY_MS -
                          simulator_time(simulator, TIME_HOUR_MS, TIME_DAY_MS);
        if (kind == SPENT_BEFORE && i == 2) time_ms = LANDMARK - 366 * TIME_DAY_MS;
        const char *price = kind == SPENT_LESS && i == 2 ? "999.99" : "1000.00";
        fprintf(files->orders, "%s-%u,%s,%s@example.com,s3,p%u,1,%s,%s\n", card, i, card, card,
                1 + i % 2, price, simulator_iso(time_ms));
        fprintf(files->orders, "%s-%u,%s,%s@example.com,s3,p4,1,500.00,%s\n", card, i, card, card,
                simulator_iso(time_ms)); /* another brand */
    }
}

static void shop_at_partner(const struct files *files, const char *card, const char *category,
                            int64_t time_ms) {
    fprintf(files->partner,
            "{\"messageId\":\"%s-%s\",\"email\":\"%s@example.com\",\"timestamp\":\"%s\","
            "\"category\":\"%s\",\"brand\":\"Other\",\"price\":\"89.00\"}\n",
            card, category, card, simulator_iso(time_ms), category);
}

static void fly(struct simulator *simulator, const struct files *files, const char *card,
                enum kind kind) {
    int64_t booked_ms =
        simulator_time(simulator, LANDMARK - 2 * TIME_DAY_MS, LANDMARK - 7 * TIME_HOUR_MS);
    if (kind == FLIGHT_OLD) booked_ms = LANDMARK - 4 * TIME_DAY_MS;
    /* The airline's file is six hours behind. */
    if (kind == FLIGHT_UNKNOWN) booked_ms = LANDMARK - TIME_HOUR_MS;
    fprintf(files->flights, "f-%s,%s@example.com,New York,%s,%s,%s\n", card, card,
            kind == TO_ORLANDO ? "Orlando" : "Tampa", simulator_iso(LANDMARK + 10 * TIME_DAY_MS),
            simulator_iso(booked_ms));
}

static void permit(struct simulator *simulator, const struct files *files, const char *card,
                   enum kind kind) {
    const char *early = simulator_iso(LANDMARK - 100 * TIME_DAY_MS),
               *late = simulator_iso(LANDMARK + TIME_HOUR_MS);
    fprintf(files->consents, "%s@example.com,personalise,yes,signup,v1,%s\n", card, early);
    if (kind != NO_LOCATION)
        fprintf(files->consents, "%s@example.com,location,yes,app,v1,%s\n", card,
                kind == LOCATION_LATER ? late : early);
    if (kind == LOCATION_WITHDRAWN)
        fprintf(files->consents, "%s@example.com,location,no,app,v1,%s\n", card,
                simulator_iso(LANDMARK - TIME_DAY_MS));
    if (kind == NO_OPT_IN) return;
    const char *channels[] = {"email", "phone"};
    for (size_t i = 0; i < 2; i++) {
        if (i == 1 && simulator_chance(simulator, 0.5)) continue;
        fprintf(files->opt_ins, "%s@example.com,%s,yes,%s\n", card, channels[i], early);
        if (kind == OPTED_OUT)
            fprintf(files->opt_ins, "%s@example.com,%s,no,%s\n", card, channels[i],
                    simulator_iso(LANDMARK - TIME_DAY_MS));
    }
}

static void last_season(struct simulator *simulator, const struct files *files) {
    for (uint32_t i = 0; i < PAST_OFFERS; i++) {
        int64_t offered_ms = LANDMARK - 120 * TIME_DAY_MS + (int64_t)i * TIME_HOUR_MS;
        fprintf(files->members, "past%u,past%u@example.com,+1212556%04u,New York,Brooklyn,%s\n", i,
                i, i, simulator_iso(LANDMARK - 300 * TIME_DAY_MS));
        fprintf(files->offers, "o%u,past%u@example.com,email,beach_shoes/s%u,%s\n", i, i, 1 + i % 2,
                simulator_iso(offered_ms));
        if (!simulator_chance(simulator, PAST_CHANCE)) continue;
        fprintf(files->coupons, "c%u,past%u,s%u,beach shoes,60.00,%s\n", i, i, 1 + i % 2,
                simulator_iso(offered_ms + 9 * TIME_DAY_MS));
    }
}

void simulate(struct simulator *simulator) {
    struct files files;
    uint32_t customers = simulator->customers != 0 ? simulator->customers : CUSTOMERS;
    write_reference(simulator);
    open_files(simulator, &files);
    last_season(simulator, &files);
    for (uint32_t i = 0; i < customers; i++) {
        char card[32];
        enum kind kind = simulator_chance(simulator, 0.3)
                             ? ALL_OF_IT
                             : (enum kind)(1 + random_below(&simulator->random, KIND_COUNT - 1));
        snprintf(card, sizeof card, "%s%u", prefix[kind], i);
        fprintf(files.members, "%s,%s@example.com,+1212555%04u,New York,%s,%s\n", card, card, i,
                kind == QUEENS ? "Queens" : "Brooklyn",
                simulator_iso(LANDMARK - 300 * TIME_DAY_MS));
        shop(simulator, &files, card, kind);
        shop_at_partner(&files, card, "handbag",
                        LANDMARK - (kind == HANDBAG_OLD ? 31 : 20) * TIME_DAY_MS);
        if (kind != NO_SWIMSUIT)
            shop_at_partner(&files, card, "swimsuit", LANDMARK - 5 * TIME_DAY_MS);
        fly(simulator, &files, card, kind);
        permit(simulator, &files, card, kind);
    }
    FILE *all[] = {files.orders,  files.partner,  files.flights, files.members,
                   files.coupons, files.consents, files.opt_ins, files.offers};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) simulator_close(simulator, all[i]);
}
