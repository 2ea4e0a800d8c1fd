/* SPDX-License-Identifier: Apache-2.0 */
/* An automobile maker's site with known truths.
 *
 * Everything turns on one date, LANDMARK. Before it customers browse; what they do after it is
 * drawn with a chance that depends only on which group they were in:
 *
 *                       callback in 7 days            purchase in 60 days
 *   ready to talk       .40 × 1.45 = .58              .35 × 1.60 = .56
 *   all the others      .40 on average                .35 on average
 *
 * so the indices that `attune scenarios --at NOW` estimates are 1.45 and 1.60. The others hold
 * traps. Whoever counts what was not yet known at LANDMARK takes some of them for ready, and they
 * reach the goals far more often than those who were:
 *   - late links: site and loan enquiry belong to one person, but he signs in only after LANDMARK
 *   - late files: the enquiry was made before LANDMARK and its file came after it
 * Some bought before LANDMARK (no outcome), and some buy and cancel (no outcome either). */
#include "simulator.h"

#define LANDMARK        INT64_C(1790000000000) /* 2026-09-21T14:13:20Z */
#define NOW             (LANDMARK + 62 * TIME_DAY_MS)
#define CALLBACK_OTHERS 0.40
#define PURCHASE_OTHERS 0.35
#define CALLBACK_INDEX  1.45
#define PURCHASE_INDEX  1.60
#define TRAP_CHANCE     0.90
#define CUSTOMERS       2600

enum kind { READY, BROWSER, FEW_CLICKS, NO_ENQUIRY, LATE_LINK, LATE_FILE, KIND_COUNT };
static const double share[KIND_COUNT] = {0.34, 0.22, 0.14, 0.18, 0.06, 0.06};

struct files {
    FILE *site, *enquiries, *refusals, *sales, *cancellations, *permissions, *offers;
};

static enum kind draw_kind(struct simulator *simulator) {
    double u = random_unit(&simulator->random);
    for (enum kind kind = READY; kind < KIND_COUNT; kind++) {
        if (u < share[kind]) return kind;
        u -= share[kind];
    }
    return BROWSER;
}

/* The others' chances are such that traps and plain browsers together average to `average`. */
static double chance_of(enum kind kind, double average, double index) {
    double traps = (share[LATE_LINK] + share[LATE_FILE]) / (1 - share[READY]);
    if (kind == READY) return average * index;
    if (kind == LATE_LINK || kind == LATE_FILE) return TRAP_CHANCE;
    return (average - traps * TRAP_CHANCE) / (1 - traps);
}

static void click(FILE *file, uint32_t customer, bool signed_in, const char *button,
                  int64_t time_ms, uint32_t *message) {
    fprintf(file,
            "{\"type\":\"track\",\"event\":\"Clicked\",\"messageId\":\"m%u-%u\",\"anonymousId\":"
            "\"a%u\",\"userId\":%s",
            customer, (*message)++, customer, signed_in ? "" : "null");
    if (signed_in)
        fprintf(file, "\"u%u\",\"context\":{\"traits\":{\"email\":\"p%u@example.com\"}}", customer,
                customer);
    fprintf(file,
            ",\"timestamp\":\"%s\",\"properties\":{\"button\":\"%s\",\"page\":\"/model/%u\"}}\n",
            simulator_iso(time_ms), button, customer % 7);
}

/* Four visits, a week apart; the last two hold the clicks on "calculate payment". */
static void browse(struct simulator *simulator, const struct files *files, uint32_t customer,
                   enum kind kind, uint32_t *message) {
    uint32_t visits = kind == BROWSER ? 1 + (uint32_t)random_below(&simulator->random, 3) : 4;
    uint32_t clicks = kind == FEW_CLICKS || kind == BROWSER ? 3 : 5;
    bool signed_in = kind != LATE_LINK;
    for (uint32_t v = visits; v-- > 0;) {
        int64_t start_ms = LANDMARK - (int64_t)v * 7 * TIME_DAY_MS -
                           simulator_time(simulator, TIME_HOUR_MS, 2 * TIME_DAY_MS);
        click(files->site, customer, signed_in, "menu", start_ms, message);
        for (uint32_t c = 0; c < (v < 2 ? clicks : 1); c++) {
            click(files->site, customer, signed_in, "calculate payment",
                  start_ms + (c + 1) * TIME_MINUTE_MS, message);
        }
    }
}

static void enquire(struct simulator *simulator, const struct files *files, uint32_t customer,
                    enum kind kind) {
    if (kind == NO_ENQUIRY || (kind == BROWSER && !simulator_chance(simulator, 0.3))) return;
    int64_t time_ms =
        kind == LATE_FILE
            ? simulator_time(simulator, LANDMARK - TIME_DAY_MS + TIME_HOUR_MS, LANDMARK)
            : simulator_time(simulator, LANDMARK - 20 * TIME_DAY_MS, LANDMARK - 2 * TIME_DAY_MS);
    fprintf(files->enquiries, "e%u,p%u@example.com,fairbank,%u,48,%s\n", customer, customer,
            9000 + customer % 9000, simulator_iso(time_ms));
}

static void buy(struct simulator *simulator, const struct files *files, uint32_t customer,
                const char *contract, int64_t time_ms, bool cancels) {
    fprintf(files->sales, "%s%u,p%u@example.com,roadster,%u.00,%s\n", contract, customer, customer,
            18000 + customer % 9000, simulator_iso(time_ms));
    if (cancels) {
        fprintf(files->cancellations, "%s%u,p%u@example.com,%s\n", contract, customer, customer,
                simulator_iso(time_ms + simulator_time(simulator, TIME_DAY_MS, 5 * TIME_DAY_MS)));
    }
}

static void follow(struct simulator *simulator, const struct files *files, uint32_t customer,
                   enum kind kind, uint32_t *message) {
    if (simulator_chance(simulator, 0.10))
        buy(simulator, files, customer, "old",
            simulator_time(simulator, LANDMARK - 25 * TIME_DAY_MS, LANDMARK), false);
    if (kind == LATE_LINK)
        click(files->site, customer, true, "menu", LANDMARK + TIME_DAY_MS, message);
    if (simulator_chance(simulator, chance_of(kind, CALLBACK_OTHERS, CALLBACK_INDEX))) {
        click(files->site, customer, kind != LATE_LINK, "contact me",
              simulator_time(simulator, LANDMARK + 1, LANDMARK + 7 * TIME_DAY_MS), message);
    }
    if (simulator_chance(simulator, chance_of(kind, PURCHASE_OTHERS, PURCHASE_INDEX))) {
        buy(simulator, files, customer, "new",
            simulator_time(simulator, LANDMARK + 1, LANDMARK + 55 * TIME_DAY_MS), false);
    } else if (simulator_chance(simulator, 0.10)) {
        buy(simulator, files, customer, "undone",
            simulator_time(simulator, LANDMARK + 1, LANDMARK + 50 * TIME_DAY_MS), true);
    }
}

static void open_files(struct simulator *simulator, struct files *files) {
    files->site = simulator_open(simulator, "site.ndjson");
    files->enquiries = simulator_open(simulator, "loan_enquiries.csv");
    files->refusals = simulator_open(simulator, "loan_refusals.csv");
    files->sales = simulator_open(simulator, "sales.csv");
    files->cancellations = simulator_open(simulator, "cancellations.csv");
    files->permissions = simulator_open(simulator, "permissions.csv");
    files->offers = simulator_open(simulator, "offers.csv");
    fputs("enquiry_id,email,partner,amount,months,enquired_at\n", files->enquiries);
    fputs("enquiry_id,email,partner,refused_at\n", files->refusals);
    fputs("contract_id,email,model,price,signed_at\n", files->sales);
    fputs("contract_id,email,cancelled_at\n", files->cancellations);
    fputs("email,channel,state,form,changed_at\n", files->permissions);
    fputs("offer_id,email,channel,treatment,delivered_at\n", files->offers);
}

static void close_files(struct simulator *simulator, struct files *files) {
    FILE *all[] = {files->site,          files->enquiries,   files->refusals, files->sales,
                   files->cancellations, files->permissions, files->offers};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) simulator_close(simulator, all[i]);
}

void simulate(struct simulator *simulator) {
    struct files files;
    uint32_t customers = simulator->customers != 0 ? simulator->customers : CUSTOMERS;
    open_files(simulator, &files);
    for (uint32_t customer = 0; customer < customers; customer++) {
        uint32_t message = 0;
        enum kind kind = draw_kind(simulator);
        browse(simulator, &files, customer, kind, &message);
        enquire(simulator, &files, customer, kind);
        follow(simulator, &files, customer, kind, &message);
        if (simulator_chance(simulator, 0.5)) {
            fprintf(files.permissions, "p%u@example.com,email,yes,signup,%s\n", customer,
                    simulator_iso(LANDMARK - 30 * TIME_DAY_MS));
        }
        if (simulator_chance(simulator, 0.03)) {
            fprintf(files.refusals, "e%u,p%u@example.com,fairbank,%s\n", customer, customer,
                    simulator_iso(LANDMARK - 10 * TIME_DAY_MS));
        }
    }
    close_files(simulator, &files);
}
