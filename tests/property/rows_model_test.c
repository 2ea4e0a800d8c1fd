/* SPDX-License-Identifier: Apache-2.0 */
/* Loads of random files against a naive model, end to end: new rows, retries, corrections, older
 * exports, retractions, lines of orders that come in several files and move between orders, links
 * that merge customers, erasures, mended mappings and re-mappings, in any order, with folds,
 * merges of runs and reopenings between. Compared: traits of every customer at many (t, position).
 * Two currencies and two zones. Usage: rows_model_test [SEED [TRIALS]]; a failure prints the seed
 * that repeats it. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/random.h"
#include "unit/engine/shop.h"

#define IDS     16
#define ORDERS  6
#define LINES   18
#define PEOPLE  6
#define COOKIES 3
#define LOADS   20
#define FACTS   8000
#define TEXTS   65536

struct row { /* of orders, by id */
    int id, day, person, amount, currency, version;
    bool gone;
};
struct line {
    int id, order, day, amount;
    bool gone;
};
/* A version of an event as the store should have it. */
struct fact {
    int64_t time_ms, known_ms, gone_ms; /* superseded from then on … */
    int person, amount, currency;
    int load, gone_load; /* … by that load */
    bool is_line;
};
struct stand { /* what is known under a key */
    bool known, gone;
    int fact; /* the latest version; -1: none was ever stored */
};
struct model {
    struct random random;
    bool has_version, twice, has_chosen[IDS], erased_person[PEOPLE], erased_cookie[COOKIES];
    struct fact facts[FACTS];
    int fact_count, load;
    struct row rows[IDS], chosen[IDS]; /* chosen: of the latest load */
    struct stand row_stands[IDS], order_stands[ORDERS];
    struct line lines[LINES];
    bool line_known[LINES];
    int order_lines[ORDERS][LINES * 4], order_count[ORDERS];
    int links[64][3], link_count; /* person, cookie, load */
    uint64_t position[LOADS + 1];
};

static int below(struct model *model, int n) {
    return (int)random_below(&model->random, (uint64_t)n);
}

static int64_t max64(int64_t a, int64_t b) {
    return a > b ? a : b;
}

/* ---- the model ---- */

static int64_t row_ms(int day) {
    return DAY(10 + day);
}

/* Lines are told in a zone that is an hour ahead. */
static int64_t line_ms(int day) {
    return DAY(10 + day) - TIME_HOUR_MS;
}

static void retire(struct model *model, struct stand *stand, int64_t known_ms) {
    if (stand->fact < 0 || stand->gone) return;
    model->facts[stand->fact].gone_ms = known_ms;
    model->facts[stand->fact].gone_load = model->load;
}

/* A version of the event that stands from now on; `known_ms`: what its row says itself. */
static void put(struct model *model, struct stand *stand, struct fact made, int64_t known_ms) {
    if (model->fact_count == FACTS) abort();
    made.load = model->load;
    made.gone_ms = INT64_MAX;
    made.known_ms = made.time_ms;
    if (stand->fact >= 0) {
        int64_t before = model->facts[stand->fact].known_ms;
        made.known_ms = max64(max64(known_ms, before), made.time_ms);
        retire(model, stand, made.known_ms);
    }
    model->facts[model->fact_count] = made;
    *stand = (struct stand){.known = true, .fact = model->fact_count++};
}

static int64_t version_ms(const struct model *model, const struct row *row) {
    return model->has_version ? row_ms(row->version) : INT64_MIN;
}

static bool same_row(const struct row *a, const struct row *b) {
    return a->day == b->day && a->person == b->person && a->amount == b->amount &&
           a->currency == b->currency;
}

/* One row, the one of its load that counts. */
static void apply_row(struct model *model, const struct row *row) {
    struct row *stored = &model->rows[row->id];
    struct stand *stand = &model->row_stands[row->id];
    if (stand->known && model->has_version && row->version < stored->version) return;
    if (row->gone) {
        if (!stand->gone && stand->fact >= 0)
            retire(model, stand, max64(version_ms(model, row), model->facts[stand->fact].known_ms));
        stand->known = stand->gone = true;
        *stored = *row;
        return;
    }
    if (stand->known && !stand->gone && same_row(stored, row)) {
        if (row->version > stored->version) stored->version = row->version;
        return;
    }
    if (model->erased_person[row->person]) return;
    put(model, stand,
        (struct fact){.time_ms = row_ms(row->day),
                      .person = row->person,
                      .amount = row->amount * (model->twice ? 2 : 1),
                      .currency = row->currency},
        version_ms(model, row));
    *stored = *row;
}

/* The rows of the latest load that are stored as they are, read by another mapping: known when they
 * were known. */
static void remap_rows(struct model *model) {
    for (int i = 0; i < IDS; i++) {
        const struct row *row = &model->chosen[i];
        struct stand *stand = &model->row_stands[i];
        bool stored = model->has_chosen[i] && stand->known && !stand->gone && stand->fact >= 0 &&
                      same_row(&model->rows[i], row);
        if (!stored || row->gone || (model->has_version && row->version < model->rows[i].version))
            continue;
        struct fact made = model->facts[stand->fact];
        int amount = row->amount * (model->twice ? 2 : 1);
        if (made.amount == amount) continue;
        made.amount = amount;
        put(model, stand, made, INT64_MIN);
    }
}

static int person_of_order(int order) {
    return order % PEOPLE;
}

static void remake_order(struct model *model, int order) {
    struct stand *stand = &model->order_stands[order];
    struct fact made = {.time_ms = INT64_MAX,
                        .person = person_of_order(order),
                        .currency = order % 2,
                        .is_line = true};
    if (model->order_count[order] == 0) {
        if (stand->fact >= 0 && !stand->gone)
            retire(model, stand, model->facts[stand->fact].known_ms);
        stand->gone = true;
        return;
    }
    for (int i = 0; i < model->order_count[order]; i++) {
        const struct line *line = &model->lines[model->order_lines[order][i]];
        made.amount += line->amount;
        if (line_ms(line->day) < made.time_ms) made.time_ms = line_ms(line->day);
    }
    put(model, stand, made, INT64_MIN);
}

static void take_line_out(struct model *model, int id, bool *changed) {
    int order = model->lines[id].order, kept = 0;
    for (int i = 0; i < model->order_count[order]; i++) {
        if (model->order_lines[order][i] != id)
            model->order_lines[order][kept++] = model->order_lines[order][i];
    }
    changed[order] |= kept < model->order_count[order];
    model->order_count[order] = kept;
}

static void apply_line(struct model *model, const struct line *line, bool *changed) {
    struct line *stored = &model->lines[line->id];
    bool stands = model->line_known[line->id] && !stored->gone;
    model->line_known[line->id] = true;
    if (line->gone) {
        if (stands) take_line_out(model, line->id, changed);
        stored->gone = true;
        return;
    }
    if (stands && stored->order == line->order) {
        changed[line->order] |= stored->day != line->day || stored->amount != line->amount;
    } else {
        if (stands) take_line_out(model, line->id, changed);
        model->order_lines[line->order][model->order_count[line->order]++] = line->id;
        changed[line->order] = true;
    }
    *stored = *line;
}

/* Whom a person is one with, as of a load: the lowest of them. */
static int one_of(const struct model *model, int person, int load) {
    int group[PEOPLE + COOKIES];
    for (int i = 0; i < PEOPLE + COOKIES; i++) group[i] = i;
    for (int round = 0; round < PEOPLE; round++) {
        for (int i = 0; i < model->link_count; i++) {
            if (model->links[i][2] > load) continue;
            int *a = &group[model->links[i][0]], *b = &group[PEOPLE + model->links[i][1]];
            *a = *b = *a < *b ? *a : *b;
        }
    }
    return group[person];
}

struct traits {
    int count, sum[2];
};

static struct traits expect(const struct model *model, int person, int64_t t_ms, int load) {
    struct traits out = {0};
    int group = one_of(model, person, load);
    for (int i = 0; i < model->fact_count; i++) {
        const struct fact *fact = &model->facts[i];
        bool gone = fact->gone_ms != INT64_MAX && fact->gone_ms <= t_ms && fact->gone_load <= load;
        if (fact->load > load || fact->time_ms > t_ms || fact->known_ms > t_ms || gone) continue;
        if (model->erased_person[fact->person] || one_of(model, fact->person, load) != group)
            continue;
        out.count++;
        out.sum[fact->currency] += fact->amount;
    }
    return out;
}

/* ---- files ---- */

struct files {
    char rows[2][TEXTS], lines[2][TEXTS];
};
static const char *const currencies[] = {"USD", "EUR"};

static void say(char *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(char *text, const char *format, ...) {
    size_t at = strlen(text);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text + at, TEXTS - at, format, arguments);
    va_end(arguments);
}

static struct row random_row(struct model *model) {
    struct row row = {.id = below(model, IDS),
                      .day = below(model, 12),
                      .person = below(model, PEOPLE),
                      .amount = 1 + below(model, 9),
                      .currency = below(model, 2),
                      .version = below(model, 20),
                      .gone = below(model, 8) == 0};
    /* Often what is stored, or nearly so. */
    if (model->row_stands[row.id].known && !model->rows[row.id].gone && below(model, 3)) {
        int amount = row.amount, version = row.version;
        row = model->rows[row.id];
        if (below(model, 2)) row.amount = amount;
        if (below(model, 2)) row.version = version;
    }
    return row;
}

/* Of several rows with one key in one load the highest version counts, or the last; a new row is
 * stored at once. */
static void make_rows(struct model *model, struct files *files) {
    struct row *chosen = model->chosen;
    bool *has = model->has_chosen, blocked[IDS] = {false};
    int count = below(model, 12);
    memset(has, 0, sizeof model->has_chosen);
    for (int f = 0; f < 2; f++) say(files->rows[f], "id,at,email,amount,twice,cur,state,changed\n");
    for (int i = 0; i < count; i++) {
        struct row row = random_row(model);
        bool erased = model->erased_person[row.person];
        if (blocked[row.id] || (erased && has[row.id])) continue;
        blocked[row.id] = erased;
        say(files->rows[i >= count / 2], "%d,2017-01-%02d,p%d@x.example,%d,%d,%s,%s,2017-01-%02d\n",
            row.id, 11 + row.day, row.person, row.amount, 2 * row.amount, currencies[row.currency],
            row.gone ? "gone" : "", 11 + row.version);
        if (!has[row.id] && !model->row_stands[row.id].known && !row.gone) apply_row(model, &row);
        bool later = !has[row.id] || !model->has_version || row.version >= chosen[row.id].version;
        if (later) chosen[row.id] = row;
        has[row.id] = true;
    }
    for (int i = 0; i < IDS; i++) {
        if (has[i]) apply_row(model, &chosen[i]);
    }
}

/* An order of which nothing is known is stored with the lines of its first file at once; all other
 * lines are put in when the files have been read. */
struct waiting {
    struct line lines[LINES];
    int count;
    bool orders[ORDERS];
};

/* Does such a line wait, at that place or behind it? */
static bool waits(const struct waiting *waiting, int id, int from) {
    for (int i = from; i < waiting->count; i++) {
        if (waiting->lines[i].id == id) return true;
    }
    return false;
}

static void take_file_lines(struct model *model, const struct line *lines, int count,
                            struct waiting *waiting) {
    for (int order = 0; order < ORDERS; order++) {
        bool changed[ORDERS] = {false}, at_once = !model->order_stands[order].known;
        at_once = at_once && !waiting->orders[order];
        for (int i = 0; i < count; i++) {
            if (lines[i].order == order)
                at_once = at_once && !model->line_known[lines[i].id] && !lines[i].gone &&
                          !waits(waiting, lines[i].id, 0);
        }
        for (int i = 0; i < count; i++) {
            if (lines[i].order != order) continue;
            if (at_once)
                apply_line(model, &lines[i], changed);
            else
                waiting->lines[waiting->count++] = lines[i];
            waiting->orders[order] |= !at_once;
        }
        if (changed[order]) remake_order(model, order);
    }
}

static void make_lines(struct model *model, struct files *files) {
    bool changed[ORDERS] = {false};
    struct waiting waiting = {.count = 0};
    for (int f = 0; f < 2; f++) {
        bool used[LINES] = {false}; /* a line may come in each file */
        struct line lines[LINES];
        int count = 0;
        say(files->lines[f], "order,line,at,email,amount,cur,state\n");
        for (int i = below(model, 7); i > 0; i--) {
            struct line line = {.id = below(model, LINES),
                                .order = below(model, ORDERS),
                                .day = below(model, 12),
                                .amount = 1 + below(model, 9),
                                .gone = below(model, 8) == 0};
            bool stands = model->line_known[line.id] && !model->lines[line.id].gone;
            if (stands && below(model, 3)) {
                int amount = line.amount;
                line = model->lines[line.id];
                if (below(model, 2)) line.amount = amount;
            }
            if (used[line.id] || model->erased_person[person_of_order(line.order)]) continue;
            used[line.id] = true;
            say(files->lines[f], "o%d,%d,2017-01-%02d,p%d@x.example,%d,%s,%s\n", line.order,
                line.id, 11 + line.day, person_of_order(line.order), line.amount,
                currencies[line.order % 2], line.gone ? "gone" : "");
            lines[count++] = line;
        }
        take_file_lines(model, lines, count, &waiting);
    }
    for (int i = 0; i < waiting.count; i++) {
        if (!waits(&waiting, waiting.lines[i].id, i + 1))
            apply_line(model, &waiting.lines[i], changed);
    }
    for (int i = 0; i < ORDERS; i++) {
        if (changed[i]) remake_order(model, i);
    }
}

static void make_link(struct model *model, char *text) {
    say(text, "email,cookie\n");
    if (below(model, 3) || model->link_count == 64) return;
    int person = below(model, PEOPLE), cookie = below(model, COOKIES);
    say(text, "p%d@x.example,k%d\n", person, cookie);
    if (model->erased_person[person] || model->erased_cookie[cookie]) return;
    int *link = model->links[model->link_count++];
    link[0] = person;
    link[1] = cookie;
    link[2] = model->load;
}

/* ---- the engine ---- */

static const char playbook[] =
    "attune: 1\nname: Rows\ncurrency: USD\nzone: UTC\n"
    "customer: { identifiers: { email: { per_customer: 1000 }, cookie: { per_customer: 1000 } } }\n"
    "traits:\n"
    "  n: count(\"Order Completed\")\n"
    "  usd: sum(\"Order Completed\".revenue where currency == \"USD\")\n"
    "  eur: sum(\"Order Completed\".revenue where currency == \"EUR\")\n"
    "sources:\n"
    "  links: { file: \"links*.csv\", event: Linked, time: always, key: { email: email, cookie: "
    "cookie }, row_key: [email, cookie] }\n"
    "  rows:\n"
    "    file: \"rows*.csv\"\n    event: Order Completed\n    channel: store\n    time: at\n"
    "    key: { email: email }\n    row_key: id\n    corrections_max: 100%%\n"
    "    retract_when: { state: gone }\n"
    "    types: { %s: number }\n    properties: { revenue: %s, currency: cur }\n"
    "%s"
    "  lines:\n"
    "    file: \"lines*.csv\"\n    event: Order Completed\n    channel: web\n    time: at\n"
    "    zone: Etc/GMT-1\n    one_event_per: order\n    key: { email: email }\n    row_key: line\n"
    "    corrections_max: 100%%\n    retract_when: { state: gone }\n"
    "    types: { amount: number }\n    properties: { revenue: sum(amount), currency: cur }\n";

static struct traits ask(struct shop *shop, int person, struct as_of as_of) {
    const struct customer_data *data = engine_customer_data(shop->engine);
    struct profile *profile = NULL;
    struct timeline_reader *reader;
    struct timeline timeline;
    struct traits out = {0};
    struct customer_id customer;
    char name[32];
    snprintf(name, sizeof name, "email:p%d@x.example", person);
    if (engine_find_customer(shop->engine, text_from(name), as_of, &customer, NULL) != STATUS_OK)
        return out;
    if (profile_create(&profile, data) != STATUS_OK) abort();
    struct timeline_request request = profile_request(profile, as_of, false);
    if (data->source->ops->reader_open(data->source, &reader, NULL) != STATUS_OK) abort();
    if (data->source->ops->read(reader, customer, &request, &timeline, NULL) == STATUS_OK) {
        const struct value *values = profile_at(profile, &timeline, as_of.t_ms);
        double figures[3];
        static const char *const names[] = {"n", "usd", "eur"};
        for (int i = 0; i < 3; i++) {
            struct value value = values[playbook_trait_find(data->playbook, text_from(names[i]))];
            figures[i] = value.type == VALUE_NUMBER ? value.number : 0;
        }
        out = (struct traits){(int)figures[0], {(int)figures[1], (int)figures[2]}};
    }
    data->source->ops->reader_close(reader);
    profile_destroy(profile);
    return out;
}

static bool compare(struct model *model, struct shop *shop, uint64_t seed) {
    for (int i = 0; i < 60; i++) {
        int person = below(model, PEOPLE), load = 1 + below(model, model->load);
        if (below(model, 2)) load = model->load;
        int64_t t_ms = DAY(8 + below(model, 40)) + below(model, 24) * TIME_HOUR_MS;
        struct as_of as_of = {t_ms, model->position[load]};
        if (model->erased_person[person]) continue;
        struct traits want = expect(model, person, t_ms, load), came = ask(shop, person, as_of);
        if (memcmp(&want, &came, sizeof want) == 0) continue;
        printf("seed %" PRIu64
               ": load %d of %d, person %d, day %g: n %d usd %d eur %d, right: n %d "
               "usd %d eur %d\n",
               seed, load, model->load, person, (double)(t_ms - DAY(10)) / TIME_DAY_MS, came.count,
               came.sum[0], came.sum[1], want.count, want.sum[0], want.sum[1]);
        return false;
    }
    return true;
}

static void forget(struct model *model) {
    for (int i = 0; i < IDS; i++) {
        struct stand *stand = &model->row_stands[i];
        if (stand->fact >= 0 && model->erased_person[model->facts[stand->fact].person])
            *stand = (struct stand){.fact = -1};
    }
    for (int i = 0; i < LINES; i++) {
        const struct line *line = &model->lines[i];
        if (model->line_known[i] && !line->gone &&
            model->erased_person[person_of_order(line->order)])
            model->line_known[i] = false;
    }
    for (int i = 0; i < ORDERS; i++) {
        if (!model->erased_person[person_of_order(i)]) continue;
        model->order_stands[i] = (struct stand){.fact = -1};
        model->order_count[i] = 0;
    }
}

static void erase_one(struct model *model, struct shop *shop) {
    struct erased_summary erased;
    struct error error = {0};
    char name[32];
    int person = below(model, PEOPLE), group = one_of(model, person, model->load);
    snprintf(name, sizeof name, "email:p%d@x.example", person);
    struct customer_id customer = shop_customer(shop, name, INT64_MAX);
    if (customer.value == ID_NONE) return;
    enum status status = engine_erase(shop->engine, customer, &erased, &error);
    erased_summary_release(&erased);
    if (status != STATUS_OK) {
        printf("%s\n", error.text);
        abort();
    }
    bool persons[PEOPLE];
    for (int i = 0; i < PEOPLE; i++) persons[i] = one_of(model, i, model->load) == group;
    for (int i = 0; i < model->link_count; i++)
        model->erased_cookie[model->links[i][1]] |= persons[model->links[i][0]];
    for (int i = 0; i < PEOPLE; i++) model->erased_person[i] |= persons[i];
    forget(model);
}

static void write_files(struct model *model, struct shop *shop, struct files *files) {
    char links[256] = "";
    memset(files, 0, sizeof *files);
    make_link(model, links);
    make_rows(model, files);
    make_lines(model, files);
    shop_file(shop, "links.csv", links);
    shop_file(shop, "rows1.csv", files->rows[0]);
    shop_file(shop, "rows2.csv", files->rows[1]);
    shop_file(shop, "lines1.csv", files->lines[0]);
    shop_file(shop, "lines2.csv", files->lines[1]);
}

/* The playbook, with the column that the amount is read from. */
static void open_mapping(struct model *model, struct shop *shop) {
    char text[4096];
    const char *column = model->twice ? "twice" : "amount";
    snprintf(text, sizeof text, playbook, column, column,
             model->has_version ? "    row_version: changed\n" : "");
    shop_file(shop, "model.yaml", text);
    shop_open(shop, "model.yaml");
}

/* The same files again, by the mapping in force. */
static bool remap(struct model *model, struct shop *shop, uint64_t seed) {
    struct engine_ingest_options options = {.data_directory = shop->folder, .remaps = true};
    struct engine_ingest_report *reports;
    struct error error = {0};
    size_t count;
    uint64_t changed = 0;
    if (engine_ingest(shop->engine, &options, &reports, &count, &error) != STATUS_OK) {
        printf("seed %" PRIu64 ": %s\n", seed, error.text);
        return false;
    }
    for (size_t i = 0; i < count; i++)
        changed += reports[i].did.events + reports[i].did.corrected + reports[i].did.joined;
    memory_free(reports);
    if (changed > 0)
        printf("seed %" PRIu64 ": %" PRIu64 " changed by a re-mapping\n", seed, changed);
    remap_rows(model);
    return changed == 0;
}

static bool run(uint64_t seed, struct model *model, struct files *files) {
    struct shop shop;
    bool good = true;
    shop_init(&shop);
    *model = (struct model){.fact_count = 0};
    random_init(&model->random, seed);
    model->has_version = below(model, 2);
    for (int i = 0; i < IDS; i++) model->row_stands[i].fact = -1;
    for (int i = 0; i < ORDERS; i++) model->order_stands[i].fact = -1;
    open_mapping(model, &shop);
    for (model->load = 1; good && model->load < LOADS; model->load++) {
        write_files(model, &shop, files);
        shop_load(&shop, NULL);
        if (shop.totals.quarantined > 0) printf("seed %" PRIu64 ": rows in quarantine\n", seed);
        good = shop.totals.quarantined == 0;
        bool erases = below(model, 12) == 0;
        if (erases) erase_one(model, &shop);
        if (below(model, 4) == 0 &&
            engine_fold(shop.engine, below(model, 2), NULL, NULL) != STATUS_OK)
            abort();
        if (below(model, 6) == 0) shop_open(&shop, NULL);
        /* All of it once more: nothing is new, unless what replaced a row is erased. */
        if (!erases && below(model, 3) == 0) {
            shop_load(&shop, NULL);
            uint64_t changed = shop.totals.did.events + shop.totals.did.joined;
            if (changed > 0)
                printf("seed %" PRIu64 ": %" PRIu64 " new on a reload\n", seed, changed);
            good = good && changed == 0;
        }
        if (below(model, 6) == 0) {
            model->twice = !model->twice;
            open_mapping(model, &shop);
        }
        if (!erases && below(model, 4) == 0) good = good && remap(model, &shop, seed);
        model->position[model->load] = store_position(engine_store(shop.engine));
        good = good && compare(model, &shop, seed);
    }
    shop_release(&shop);
    return good;
}

int main(int argc, char **argv) {
    static struct model model;
    static struct files files;
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 1,
             trials = argc > 2 ? strtoull(argv[2], NULL, 10) : 40, failed = 0;
    for (uint64_t i = 0; i < trials; i++) failed += !run(seed + i, &model, &files);
    printf("%" PRIu64 " trials from seed %" PRIu64 ", %" PRIu64 " failed\n", trials, seed, failed);
    return failed > 0;
}
