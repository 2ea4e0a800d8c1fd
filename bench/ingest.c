/* SPDX-License-Identifier: Apache-2.0 */
/* bench/ingest.c -- a file of events, from its bytes to durable and visible: parsing, identity,
 * repeats, log, tail. 5 M events of eight properties, about 300 bytes each, one in ten with a new
 * identifier; CPU seconds of the whole process, all threads. The cases "parse csv" and "parse
 * ndjson" stop at the batches; "reload csv" and "reload ndjson" load the file a second time, when
 * each of its rows is stored and folded. The peer is DuckDB's own reader and insert of the same
 * file into a table on disk, one thread. Folds run as they do in the product: of 5 M events the
 * first 4 M are folded, and that is waited for. Usage: ingest [CASE [EVENTS]]; files and data go to
 * $ATTUNE_BENCH_DATA, $TMPDIR or /tmp. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/memory.h"
#include "base/random.h"
#include "engine/engine.h"
#include "ingest/ingest.h"

#define EVENTS UINT64_C(5000000)
#define ROUNDS 3u

static const char playbook_text[] =
    "attune: 1\n"
    "name: Ingest bench\n"
    "currency: USD\n"
    "zone: UTC\n"
    "customer: { identifiers: { user_id: { per_customer: 1, unique: true } } }\n"
    "sources:\n"
    "  csv:\n"
    "    file: ingest.csv\n"
    "    event: \"{event}\"\n"
    "    channel: web\n"
    "    time: time\n"
    "    key: { user_id: customer }\n"
    "    row_key: id\n"
    "    types: { amount: money, quantity: number, position: number }\n"
    "    properties: { page: page, title: title, button: button, amount: amount, quantity: "
    "quantity, position: position,\n"
    "                  country: country, referrer: referrer }\n"
    "  ndjson:\n"
    "    file: ingest.ndjson\n"
    "    format: segment\n"
    "    key: { user_id: userId }\n"
    "    properties: { page: text, title: text, button: text, amount: money, quantity: number, "
    "position: number,\n"
    "                  country: text, referrer: text }\n"
    "events: { Clicked: { amount: money } }\n"
    "traits: { clicks: count(\"Clicked\") in 30d }\n";

static char folder[512];

/* ---- the files ---- */

struct made {
    uint64_t number, who, draw;
    int64_t time_ms;
};

static void write_csv(FILE *out, const struct made *made, const char *time, const char *event,
                      const char *button, const char *country) {
    unsigned page = (unsigned)(made->draw >> 40) % 100000,
             campaign = (unsigned)(made->draw >> 20) % 1000;
    fprintf(out,
            "%08x-7c1e-4b2a-9d35-%012llx,%s,%s,customer-%010llu,/shop/category-%u/products/"
            "item-%06u/details?variant=%u,"
            "The quick spring sale of garden tables and benches,%s,%u.%02u,%u,%u,%s,"
            "https://www.example.com/campaigns/spring/%u/landing?utm_source=newsletter\n",
            (unsigned)made->draw, (unsigned long long)made->number, time, event,
            (unsigned long long)made->who, page % 40, page, campaign % 9, button, page % 500,
            campaign % 100, campaign % 9 + 1, page % 100, country, campaign);
}

static void write_ndjson(FILE *out, const struct made *made, const char *time, const char *event,
                         const char *button, const char *country) {
    unsigned page = (unsigned)(made->draw >> 40) % 100000,
             campaign = (unsigned)(made->draw >> 20) % 1000;
    fprintf(out,
            "{\"type\":\"track\",\"event\":\"%s\",\"messageId\":\"%08x%08llx\",\"timestamp\":\"%"
            "s\",\"userId\":\"c%010llu\",\"properties\":"
            "{\"page\":\"/shop/item-%06u\",\"title\":\"Spring "
            "sale\",\"button\":\"%s\",\"amount\":%u.%02u,\"quantity\":%u,"
            "\"position\":%u,\"country\":\"%s\",\"referrer\":\"https://example.com/c/%u\"}}\n",
            event, (unsigned)made->draw, (unsigned long long)made->number, time,
            (unsigned long long)made->who, page, button, page % 500, campaign % 100,
            campaign % 9 + 1, page % 100, country, campaign);
}

static void write_file(const char *path, bool csv, uint64_t events) {
    static const char *const names[] = {"Product Viewed", "Clicked", "Product Added"};
    static const char *const buttons[] = {"buy now", "calculate payment", "contact me"};
    static const char *const countries[] = {"US", "DE", "AT", "JP"};
    struct random random;
    FILE *out = fopen(path, "wb");
    if (!out) bench_fail("can't write %s", path);
    random_init(&random, 11);
    if (csv)
        fprintf(
            out,
            "id,time,event,customer,page,title,button,amount,quantity,position,country,referrer\n");
    uint64_t known = 1;
    for (uint64_t i = 0; i < events; i++) {
        char time[40];
        struct made made = {.number = i,
                            .draw = random_u64(&random),
                            .time_ms = INT64_C(1700000000000) + (int64_t)i * 7};
        made.who = made.draw % 10 == 0 ? known++ : random_below(&random, known);
        struct civil civil;
        time_to_civil(made.time_ms, &civil);
        snprintf(time, sizeof(time), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", civil.year, civil.month,
                 civil.day, civil.hour, civil.minute, civil.second, civil.millisecond);
        (csv ? write_csv : write_ndjson)(out, &made, time,
                                         names[made.draw >> 8 & 1   ? 1
                                               : made.draw >> 9 & 1 ? 2
                                                                    : 0],
                                         buttons[(made.draw >> 12) % 3],
                                         countries[made.draw >> 16 & 3]);
    }
    if (fclose(out)) bench_fail("can't write %s", path);
}

static uint64_t file_bytes(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 ? (uint64_t)info.st_size : 0;
}

/* Made once and kept; a file of another number of events has another name. */
static void make_file(bool csv, uint64_t events, char path[600]) {
    char part[620];
    snprintf(path, 600, "%s/ingest-%llu.%s", folder, (unsigned long long)events,
             csv ? "csv" : "ndjson");
    if (file_bytes(path) > 0) return;
    snprintf(part, sizeof(part), "%s.part", path);
    write_file(part, csv, events);
    if (rename(part, path)) bench_fail("can't rename %s", part);
}

/* ---- ours ---- */

static void open_engine(struct engine **engine, const char *top) {
    static struct playbook_errors errors;
    char playbook[640], data[640];
    struct error error = {0};
    snprintf(playbook, sizeof(playbook), "%s/playbook.yaml", top);
    snprintf(data, sizeof(data), "%s/data", top);
    FILE *out = fopen(playbook, "wb");
    if (!out || fputs(playbook_text, out) < 0 || fclose(out))
        bench_fail("can't write %s", playbook);
    struct engine_options options = {.directory = data,
                                     .create = true,
                                     .playbook_file = playbook,
                                     .now_ms = INT64_C(1800000000000),
                                     .threads = 1,
                                     .playbook_errors = &errors};
    if (engine_open(engine, &options, &error))
        bench_fail("%s%s", error.text, errors.count ? errors.item[0].text : "");
}

/* Stops at the batches: what reading alone costs. */
static uint64_t parse(struct engine *engine, const char *source, const char *path) {
    const struct playbook *playbook = engine_playbook(engine);
    struct ingest_settings settings = {
        .playbook = playbook, .symbols = engine_symbols(engine), .now_ms = engine_now_ms(engine)};
    struct ingest_reader *reader;
    struct event_batch batch;
    struct error error = {0};
    uint64_t events = 0;
    enum status status;
    event_batch_init(&batch);
    uint32_t index = playbook_source_find(playbook, text_from(source));
    if (ingest_open(&reader, &settings, &playbook->sources[index], path, &error))
        bench_fail("%s", error.text);
    while ((status = ingest_next(reader, &batch, &error)) == STATUS_OK) events += batch.event_count;
    if (status != STATUS_END) bench_fail("%s", error.text);
    ingest_close(reader);
    event_batch_release(&batch);
    return events;
}

static uint64_t load(struct engine *engine, const char *source, const char *path) {
    struct engine_ingest_options options = {.source = source, .paths = &path, .path_count = 1};
    struct engine_ingest_report *reports;
    struct error error = {0};
    size_t count;
    uint64_t events = 0;
    if (engine_ingest(engine, &options, &reports, &count, &error)) bench_fail("%s", error.text);
    for (size_t i = 0; i < count; i++) events += reports[i].did.events + reports[i].did.repeats;
    memory_free(reports);
    return events;
}

enum part { PART_PARSE, PART_LOAD, PART_RELOAD };

/* A reload: the same file again, of which every row is stored and folded. */
static double run_once(enum part part, const char *source, const char *path, uint64_t expected) {
    char top[600], command[700];
    struct engine *engine;
    snprintf(top, sizeof(top), "%s/ingest-XXXXXX", folder);
    if (!mkdtemp(top)) bench_fail("%s: can't make a directory", top);
    open_engine(&engine, top);
    if (part == PART_RELOAD) {
        (void)load(engine, source, path);
        if (engine_fold(engine, false, NULL, NULL)) bench_fail("the tail can't be folded");
    }
    double begin = clock_cpu_seconds();
    uint64_t events = part == PART_PARSE ? parse(engine, source, path) : load(engine, source, path);
    double closing = clock_cpu_seconds();
    engine_close(engine); /* waits for a fold under way */
    double seconds = (part == PART_LOAD ? clock_cpu_seconds() : closing) - begin;
    snprintf(command, sizeof(command), "rm -rf '%s'", top);
    if (system(command)) bench_fail("can't remove %s", top);
    if (events != expected)
        bench_fail("%llu events of %llu", (unsigned long long)events, (unsigned long long)expected);
    return (double)events / seconds;
}

static bool ask_peer(const char *source, const char *path, double *rate) {
    static const char *const names[] = {"rate"};
    char command[1400];
    const char *python = getenv("ATTUNE_PEERS_PYTHON"), *peers = getenv("ATTUNE_PEERS");
    if (!python || !peers) return false;
    snprintf(command, sizeof(command), "'%s' '%s/ingest_duckdb.py' %s '%s'", python, peers, source,
             path);
    return bench_peer(command, names, rate, 1);
}

static void run_case(const char *name, uint64_t events) {
    enum part part = strncmp(name, "parse ", 6) == 0    ? PART_PARSE
                     : strncmp(name, "reload ", 7) == 0 ? PART_RELOAD
                                                        : PART_LOAD;
    bool whole = part == PART_LOAD;
    const char *source = part == PART_PARSE ? name + 6 : part == PART_RELOAD ? name + 7 : name;
    char path[600], note[64];
    double ours[ROUNDS], peer = 0;
    make_file(strcmp(source, "csv") == 0, events, path);
    for (uint32_t i = 0; i < ROUNDS; i++) ours[i] = run_once(part, source, path, events);
    bool has_peer = whole && ask_peer(source, path, &peer);
    snprintf(note, sizeof(note), "%llu bytes an event%s",
             (unsigned long long)(file_bytes(path) / events), whole ? ", durable and visible" : "");
    struct measurement m = {.bench = "ingest",
                            .name = name,
                            .unit = "events/s/core",
                            .ours = bench_median(ours, ROUNDS),
                            .peer = has_peer ? "duckdb" : NULL,
                            .peer_value = peer,
                            .note = note};
    if (has_peer) m.ratio = m.ours / peer;
    bench_print(&m);
}

int main(int argc, char **argv) {
    static const char *const cases[] = {"csv",          "ndjson",     "parse csv",
                                        "parse ndjson", "reload csv", "reload ndjson"};
    const char *data = getenv("ATTUNE_BENCH_DATA"), *temporary = getenv("TMPDIR");
    snprintf(folder, sizeof(folder), "%s%s",
             data        ? data
             : temporary ? temporary
                         : "/tmp",
             data ? "" : "/attune-bench");
    if (mkdir(folder, 0777) != 0 && access(folder, W_OK) != 0)
        bench_fail("can't write to %s", folder);
    /* ingest [CASE] [EVENTS] */
    const char *only = argc > 1 && strtoull(argv[1], NULL, 10) == 0 ? argv[1] : NULL;
    const char *count = argc > 2 ? argv[2] : argc > 1 && only == NULL ? argv[1] : NULL;
    uint64_t events = count ? strtoull(count, NULL, 10) : EVENTS;
    bool ran = false;
    if (events == 0) bench_fail("%s is no number of events: ingest [CASE] [EVENTS]", count);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        if (only != NULL && strcmp(only, cases[i]) != 0) continue;
        run_case(cases[i], events);
        ran = true;
    }
    if (!ran)
        bench_fail(
            "no case %s; there are csv and ndjson, and each behind \"parse \" and \"reload \"",
            only);
    return 0;
}
