/* SPDX-License-Identifier: Apache-2.0 */
#include "data.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/random.h"
#include "bench.h"

#define SEED     20170128u
#define FORMAT   3 /* raise it where the generator changes: old files are then left alone */
#define BEGIN_MS INT64_C(1483228800000)
#define SLICE_MS (INT64_C(45) * 86400 * 1000)

struct members {
    struct customer_directory interface;
    uint32_t persona_count;
    uint32_t *customer; /* by persona */
    uint32_t *next;     /* the customer's personas, linked */
};

struct made_row {
    int64_t time_ms;
    uint32_t persona;
    uint16_t type;
    uint16_t late; /* known an hour after it happened */
};

struct slice {
    struct made_row *rows;
    size_t count;
    uint64_t first_position;
};

struct side {
    struct versions versions;
    struct view_source view;
};

struct data {
    uint64_t event_count;
    struct members members;
    struct side one, many;
};

static const struct column_set columns = {
    .columns = {{DATA_REVENUE, VALUE_NUMBER},
                {DATA_STORE, VALUE_TEXT},
                {DATA_PAGE, VALUE_TEXT},
                {DATA_SCORE, VALUE_NUMBER}},
    .count = DATA_COLUMNS,
};
const struct column_set *data_columns(void) {
    return &columns;
}

static uint32_t directory_persona_count(const struct customer_directory *directory,
                                        uint64_t position) {
    (void)position;
    return ((const struct members *)directory)->persona_count;
}
static struct customer_id directory_customer_of(const struct customer_directory *directory,
                                                struct persona_id persona, struct as_of as_of) {
    (void)as_of;
    return (struct customer_id){((const struct members *)directory)->customer[persona.value]};
}
static uint32_t directory_personas_of(const struct customer_directory *directory,
                                      struct customer_id customer, struct as_of as_of,
                                      struct persona_id *out, uint32_t max) {
    const struct members *members = (const struct members *)directory;
    uint32_t count = 0;
    (void)as_of;
    if (customer.value >= members->persona_count) return 0;
    for (uint32_t p = members->customer[customer.value]; p != ID_NONE; p = members->next[p]) {
        if (count < max) out[count].value = p;
        count++;
    }
    return count;
}
static void directory_snapshot(const struct customer_directory *directory, struct as_of as_of,
                               uint32_t *customer, uint32_t count) {
    (void)as_of;
    memcpy(customer, ((const struct members *)directory)->customer, count * sizeof *customer);
}
static const struct customer_directory_ops directory_ops = {
    directory_persona_count, directory_customer_of, directory_personas_of, directory_snapshot};

/* Every twentieth persona turns out to be somebody else, who was seen first. */
static void make_members(struct members *members, uint32_t count) {
    members->interface.ops = &directory_ops;
    members->persona_count = count;
    members->customer = malloc(count * sizeof *members->customer);
    members->next = malloc(count * sizeof *members->next);
    if (members->customer == NULL || members->next == NULL) bench_fail("no memory");
    for (uint32_t p = 0; p < count; p++) {
        members->customer[p] = p;
        members->next[p] = ID_NONE;
        uint64_t hash = hash_u64(SEED + p);
        if (p == 0 || hash % 20 != 0) continue;
        uint32_t into = members->customer[(hash >> 20) % p];
        members->customer[p] = into;
        members->next[p] = members->next[into];
        members->next[into] = p;
    }
}

static uint16_t made_type(struct random *random, uint16_t step) {
    /* A session walks towards an order and strays. */
    uint64_t dice = random_below(random, 100);
    if (dice < 35) return DATA_VIEW;
    if (dice < 60) return step;
    return (uint16_t)(DATA_SEARCH + dice % 4);
}

/* Sessions of 1 to 7 events, in order of their beginning. */
static void make_slice(struct slice *slice, uint32_t number, size_t count, uint32_t persona_count) {
    struct random random;
    random_init(&random, SEED + number);
    slice->rows = malloc(count * sizeof *slice->rows);
    slice->count = count;
    if (slice->rows == NULL) bench_fail("no memory for %zu events", count);
    for (size_t i = 0; i < count;) {
        uint32_t persona = (uint32_t)random_below(&random, persona_count);
        int64_t time_ms =
            BEGIN_MS + number * SLICE_MS + (int64_t)((double)i / (double)count * (double)SLICE_MS);
        uint16_t step = DATA_VIEW;
        for (size_t n = 1 + random_below(&random, 7); n > 0 && i < count; n--, i++) {
            uint16_t type = made_type(&random, step);
            if (type == step && step < DATA_ORDER) step++;
            bool late = random_below(&random, 100) == 0;
            int64_t back_ms = late ? (int64_t)random_below(&random, SLICE_MS) : 0;
            slice->rows[i] = (struct made_row){time_ms - back_ms, persona, type, late};
            time_ms += (int64_t)random_below(&random, 20 * 60 * 1000);
        }
    }
}

static void pack_row(struct packed_writer *writer, const struct made_row *row, uint64_t position,
                     struct buffer *out) {
    static const char *const pages[] = {"/home",    "/shoes", "/shoes/beach", "/bags",
                                        "/account", "/help",  "/checkout",    "/news"};
    uint64_t hash = hash_u64(position ^ SEED);
    char store[16];
    packed_begin(writer);
    buffer_clear(out);
    if (row->type == DATA_ORDER) {
        snprintf(store, sizeof store, "store %u", (unsigned)(hash % 400));
        BENCH_CHECK(packed_add(writer, DATA_REVENUE, value_number((double)(hash % 20000) / 100)));
        BENCH_CHECK(packed_add(writer, DATA_STORE, value_text(text_from(store))));
    }
    BENCH_CHECK(packed_add(writer, DATA_PAGE, value_text(text_from(pages[hash >> 32 & 7]))));
    if (hash >> 40 & 1)
        BENCH_CHECK(packed_add(writer, DATA_SCORE, value_number((double)(hash >> 41 & 255))));
    BENCH_CHECK(packed_end(writer, out));
}

struct slice_rows {
    const struct slice *slice;
    struct packed_writer *writer;
    struct buffer *packed;
    /* By persona its newest row, by row its persona's before it; who has rows. */
    uint32_t *newest, *before, *personas;
    size_t persona_count;
};

static void *numbers(size_t count) {
    uint32_t *at = malloc((count + 1) * sizeof *at);
    if (at == NULL) bench_fail("no memory for %zu numbers", count);
    memset(at, 0xff, (count + 1) * sizeof *at);
    return at;
}

static void link_rows(struct slice_rows *rows, uint32_t persona_count) {
    const struct slice *slice = rows->slice;
    rows->newest = numbers(persona_count);
    rows->personas = numbers(persona_count);
    rows->before = numbers(slice->count);
    for (size_t i = 0; i < slice->count; i++) {
        uint32_t persona = slice->rows[i].persona;
        if (rows->newest[persona] == RUN_NO_ROW) rows->personas[rows->persona_count++] = persona;
        rows->before[i] = rows->newest[persona];
        rows->newest[persona] = (uint32_t)i;
    }
}

static uint32_t newest_row(const void *context, uint32_t persona) {
    return ((const struct slice_rows *)context)->newest[persona];
}

static void make_row(const struct slice_rows *rows, size_t i, struct run_row *out) {
    const struct made_row *row = &rows->slice->rows[i];
    uint64_t position = rows->slice->first_position + i;
    pack_row(rows->writer, row, position, rows->packed);
    *out = (struct run_row){.time_ms = row->time_ms,
                            .known_ms = row->time_ms + row->late * 3600000,
                            .position = position,
                            .persona = row->persona,
                            .type = row->type,
                            .source = 1,
                            .channel = (uint8_t)(position & 3),
                            .packed = buffer_text(rows->packed)};
}

static uint32_t get_row(const void *context, uint32_t i, struct run_row *out) {
    const struct slice_rows *rows = context;
    make_row(rows, i, out);
    return rows->before[i];
}

const char *data_directory(void) {
    static char path[512];
    const char *given = getenv("ATTUNE_BENCH_DATA"), *temporary = getenv("TMPDIR");
    if (given != NULL) {
        snprintf(path, sizeof path, "%s", given);
    } else {
        snprintf(path, sizeof path, "%s/attune-bench",
                 temporary == NULL || *temporary == 0 ? "/tmp" : temporary);
    }
    mkdir(path, 0700);
    return path;
}

static void run_path(const struct data *data, uint32_t number, char *path, size_t size) {
    snprintf(path, size, "%s/%u-%llu-%u-%u.run", data_directory(), (unsigned)FORMAT,
             (unsigned long long)data->event_count, data->members.persona_count, number);
}

static struct stored_run *open_run(const char *path, uint32_t number) {
    struct run *run;
    struct stored_run *stored;
    struct error error;
    if (run_open(&run, file_system_os(), path, &error) != STATUS_OK) bench_fail("%s", error.text);
    BENCH_CHECK(stored_run_create(&stored, run, number));
    return stored;
}

static size_t slice_count(const struct data *data, uint32_t number, uint64_t *first) {
    uint64_t tail = data->event_count / 50, each = (data->event_count - tail) / DATA_RUNS;
    *first = 1 + number * each;
    return number < DATA_RUNS ? each : data->event_count - DATA_RUNS * each;
}

/* Writes run `number` unless it is there; folded while everybody was still himself. */
static void build_run(const struct data *data, uint32_t number, const char *path) {
    struct slice slice;
    struct packed_writer writer;
    struct buffer packed;
    struct error error;
    struct run_info info;
    char working[600];
    if (access(path, R_OK) == 0) return;
    snprintf(working, sizeof working, "%s.%ld", path, (long)getpid());
    make_slice(&slice, number, slice_count(data, number, &slice.first_position),
               data->members.persona_count);
    packed_writer_init(&writer);
    buffer_init(&packed);
    struct slice_rows rows = {.slice = &slice, .writer = &writer, .packed = &packed};
    link_rows(&rows, data->members.persona_count);
    struct run_rows source = {.count = slice.count,
                              .personas = rows.personas,
                              .persona_count = rows.persona_count,
                              .newest = newest_row,
                              .get = get_row,
                              .context = &rows};
    struct run_target target = {file_system_os(), working, &columns, NULL, NULL};
    double begin = clock_cpu_seconds();
    if (run_write(&target, &source, NULL, 0, &info, &error) != STATUS_OK)
        bench_fail("%s", error.text);
    fprintf(stderr, "run %u: %zu events in %.1f s, %.0f MB\n", number, slice.count,
            clock_cpu_seconds() - begin, (double)info.file_bytes / 1e6);
    if (rename(working, path) != 0) bench_fail("%s: rename failed", path);
    packed_writer_release(&writer);
    buffer_release(&packed);
    free(rows.newest);
    free(rows.before);
    free(rows.personas);
    free(slice.rows);
}

static struct tail *build_tail(const struct data *data, bool empty) {
    struct tail *tail;
    struct slice slice = {0};
    size_t count = slice_count(data, DATA_RUNS, &slice.first_position);
    struct packed_writer writer;
    struct buffer packed;
    struct event_batch batch;
    BENCH_CHECK(tail_create(&tail, slice.first_position - 1));
    if (empty) {
        tail_apply(tail, &(struct store_frame){0}, 0, slice.first_position + count,
                   (struct log_place){0});
        return tail;
    }
    make_slice(&slice, DATA_RUNS, count, data->members.persona_count);
    packed_writer_init(&writer);
    buffer_init(&packed);
    event_batch_init(&batch);
    struct slice_rows rows = {.slice = &slice, .writer = &writer, .packed = &packed};
    for (size_t i = 0; i < count;) {
        size_t first = i;
        event_batch_clear(&batch);
        for (; i < count && i - first < 5000; i++) {
            struct run_row row;
            struct event *event = event_batch_add(&batch);
            make_row(&rows, i, &row);
            if (event == NULL) bench_fail("no memory");
            *event = (struct event){.time_ms = row.time_ms,
                                    .known_ms = row.known_ms,
                                    .persona = {row.persona},
                                    .type = row.type,
                                    .source = row.source,
                                    .channel = row.channel,
                                    .properties = (uint32_t)batch.bytes.length,
                                    .properties_length = row.packed.length};
            BENCH_CHECK(buffer_append_text(&batch.bytes, row.packed));
        }
        BENCH_CHECK(tail_reserve(tail, &(struct store_frame){.batch = &batch}));
        tail_apply(tail, &(struct store_frame){.batch = &batch}, slice.first_position + first - 1,
                   slice.first_position + i, (struct log_place){0});
    }
    event_batch_release(&batch);
    packed_writer_release(&writer);
    buffer_release(&packed);
    free(slice.rows);
    return tail;
}

static void publish(struct data *data, struct side *side, struct stored_run **runs, uint32_t count,
                    struct tail *tail) {
    struct version *version =
        version_create(runs, count, &tail, 1, &columns, &data->members.interface);
    if (version == NULL) bench_fail("no memory");
    versions_publish(&side->versions, version);
    for (uint32_t r = 0; r < count; r++) stored_run_dereference(runs[r]);
    tail_dereference(tail);
    view_source_init(&side->view, &side->versions, NULL);
}

/* All runs and what the tail holds, merged, as a fold and a merge before the customers were merged
 * would have left them. */
static void build_one(const struct data *data, struct stored_run **runs, const char *path) {
    struct run *inputs[DATA_RUNS + 1];
    struct run_info info;
    struct error error;
    char working[600];
    if (access(path, R_OK) == 0) return;
    for (uint32_t r = 0; r <= DATA_RUNS; r++) inputs[r] = runs[r]->run;
    snprintf(working, sizeof working, "%s.%ld", path, (long)getpid());
    struct run_merge merge = {.runs = inputs, .run_count = DATA_RUNS + 1, .customer_to = ID_NONE};
    struct run_target target = {file_system_os(), working, &columns, NULL, NULL};
    double begin = clock_cpu_seconds();
    if (run_merge(&target, &merge, &info, &error) != STATUS_OK) bench_fail("%s", error.text);
    double seconds = clock_cpu_seconds() - begin;
    fprintf(stderr, "merged %llu events in %.1f s, %.0f MB\n", (unsigned long long)info.row_count,
            seconds, (double)info.file_bytes / 1e6);
    if (rename(working, path) != 0) bench_fail("%s: rename failed", path);
    (void)data;
}

struct data *data_open(uint64_t event_count, uint32_t customer_count) {
    struct data *data = calloc(1, sizeof *data);
    struct stored_run *runs[DATA_RUNS + 2];
    char path[576];
    if (data == NULL) bench_fail("no memory");
    data->event_count = event_count;
    make_members(&data->members, customer_count);
    for (uint32_t r = 0; r <= DATA_RUNS; r++) { /* the last is the tail's, for the merge */
        run_path(data, r, path, sizeof path);
        build_run(data, r, path);
        runs[r] = open_run(path, r);
    }
    run_path(data, DATA_RUNS + 1, path, sizeof path);
    build_one(data, runs, path);
    stored_run_dereference(runs[DATA_RUNS]);
    publish(data, &data->many, runs, DATA_RUNS, build_tail(data, false));
    runs[0] = open_run(path, DATA_RUNS + 1);
    publish(data, &data->one, runs, 1, build_tail(data, true));
    return data;
}

void data_close(struct data *data) {
    versions_release(&data->one.versions);
    versions_release(&data->many.versions);
    free(data->members.customer);
    free(data->members.next);
    free(data);
}

struct timeline_source *data_source(struct data *data, bool one) {
    return one ? &data->one.view.interface : &data->many.view.interface;
}
uint32_t data_persona_count(const struct data *data) {
    return data->members.persona_count;
}
uint32_t data_customer_of(const struct data *data, uint32_t persona) {
    return data->members.customer[persona];
}
int64_t data_end_ms(void) {
    return BEGIN_MS + (DATA_RUNS + 1) * SLICE_MS;
}

static FILE *create(const char *prefix, const char *suffix) {
    char path[600];
    snprintf(path, sizeof path, "%s.%s", prefix, suffix);
    FILE *file = fopen(path, "wb");
    if (file == NULL) bench_fail("%s can't be written", path);
    return file;
}

/* From the generator, not from the runs: a peer must not inherit our mistakes. */
void data_export(struct data *data, const char *prefix) {
    FILE *customer = create(prefix, "customer"), *time = create(prefix, "time"),
         *type = create(prefix, "type"), *position = create(prefix, "position");
    for (uint32_t number = 0; number <= DATA_RUNS; number++) {
        struct slice slice;
        make_slice(&slice, number, slice_count(data, number, &slice.first_position),
                   data->members.persona_count);
        for (size_t i = 0; i < slice.count; i++) {
            uint64_t at = slice.first_position + i;
            fwrite(&data->members.customer[slice.rows[i].persona], 4, 1, customer);
            fwrite(&slice.rows[i].time_ms, 8, 1, time);
            fwrite(&slice.rows[i].type, 2, 1, type);
            fwrite(&at, 8, 1, position);
        }
        free(slice.rows);
    }
    if (fclose(customer) != 0 || fclose(time) != 0 || fclose(type) != 0 || fclose(position) != 0)
        bench_fail("disk full?");
}
