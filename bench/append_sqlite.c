/* SPDX-License-Identifier: Apache-2.0 */
/* bench/append_sqlite.c -- the peer of bench/append.c: SQLite, WAL, synchronous=FULL, one
 * transaction a batch, prepared statements; identifiers interned in a table with a unique index,
 * events with an index by (person, time), so that a timeline can be read back. Usage: append_sqlite
 * BATCH EVENTS; prints "events_per_cpu_second N". */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/hash.h"
#include "base/random.h"

#define CHECK(call)                                                                                \
    do {                                                                                           \
        int check_code = (call);                                                                   \
        if (check_code != SQLITE_OK && check_code != SQLITE_DONE && check_code != SQLITE_ROW) {    \
            fprintf(stderr, "%s: %s\n", #call, sqlite3_errmsg(base));                              \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static sqlite3 *base;
static sqlite3_stmt *find, *add_identifier, *add_event;

static double cpu_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static sqlite3_int64 intern(const char *text, int length) {
    CHECK(sqlite3_bind_text(find, 1, text, length, SQLITE_STATIC));
    int step = sqlite3_step(find);
    sqlite3_int64 id = step == SQLITE_ROW ? sqlite3_column_int64(find, 0) : 0;
    sqlite3_reset(find);
    if (step == SQLITE_ROW) return id;
    CHECK(sqlite3_bind_text(add_identifier, 1, text, length, SQLITE_STATIC));
    CHECK(sqlite3_step(add_identifier));
    sqlite3_reset(add_identifier);
    return sqlite3_last_insert_rowid(base);
}

static void add(struct random *random, uint64_t *known, sqlite3_int64 *time_ms) {
    uint64_t draw = random_u64(random);
    uint64_t who = draw % 10 == 0 ? (*known)++ : random_below(random, *known);
    char text[48], page[48], product[48];
    *time_ms += (sqlite3_int64)(draw >> 20 & 7);
    int length = snprintf(text, sizeof(text), "c%015llx", (unsigned long long)hash_u64(who) >> 4);
    int page_length =
        snprintf(page, sizeof(page), "/catalog/item/%06u", (unsigned)(draw >> 40) % 1000000);
    int product_length =
        snprintf(product, sizeof(product), "SKU-%08u", (unsigned)(draw >> 36) % 100000000);
    CHECK(sqlite3_bind_int64(add_event, 1, intern(text, length)));
    CHECK(sqlite3_bind_int64(add_event, 2, *time_ms));
    CHECK(sqlite3_bind_int(add_event, 3, (int)(draw >> 30 & 15)));
    CHECK(sqlite3_bind_text(add_event, 4, page, page_length, SQLITE_STATIC));
    CHECK(sqlite3_bind_double(add_event, 5, (double)(draw >> 50) / 100));
    CHECK(sqlite3_bind_text(add_event, 6, product, product_length, SQLITE_STATIC));
    CHECK(sqlite3_bind_int64(add_event, 7, (sqlite3_int64)(draw >> 60)));
    CHECK(sqlite3_step(add_event));
    sqlite3_reset(add_event);
}

static void prepare(const char *path) {
    CHECK(sqlite3_open(path, &base));
    CHECK(
        sqlite3_exec(base,
                     "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-1000000;"
                     "CREATE TABLE identifier(id INTEGER PRIMARY KEY, value TEXT UNIQUE);"
                     "CREATE TABLE event(person INTEGER, time INTEGER, type INTEGER, page TEXT, "
                     "revenue REAL, product "
                     "TEXT, quantity INTEGER);"
                     "CREATE INDEX timeline ON event(person, time)",
                     NULL, NULL, NULL));
    CHECK(sqlite3_prepare_v2(base, "SELECT id FROM identifier WHERE value = ?", -1, &find, NULL));
    CHECK(sqlite3_prepare_v2(base, "INSERT INTO identifier(value) VALUES (?)", -1, &add_identifier,
                             NULL));
    CHECK(sqlite3_prepare_v2(base, "INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?)", -1, &add_event,
                             NULL));
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    long batch = strtol(argv[1], NULL, 10), events = strtol(argv[2], NULL, 10);
    char top[512], path[600], command[700];
    const char *temporary = getenv("TMPDIR");
    snprintf(top, sizeof(top), "%s/attune-sqlite-XXXXXX", temporary ? temporary : "/tmp");
    if (batch <= 0 || !mkdtemp(top)) return 2;
    snprintf(path, sizeof(path), "%s/events.db", top);
    prepare(path);
    struct random random;
    random_init(&random, 7);
    uint64_t known = 1000;
    sqlite3_int64 time_ms = 1500000000000;
    double begin = cpu_seconds();
    for (long done = 0; done < events; done += batch) {
        CHECK(sqlite3_exec(base, "BEGIN", NULL, NULL, NULL));
        for (long i = 0; i < batch; i++) add(&random, &known, &time_ms);
        CHECK(sqlite3_exec(base, "COMMIT", NULL, NULL, NULL));
    }
    printf("events_per_cpu_second %.0f\n", (double)events / (cpu_seconds() - begin));
    sqlite3_finalize(find);
    sqlite3_finalize(add_identifier);
    sqlite3_finalize(add_event);
    sqlite3_close(base);
    snprintf(command, sizeof(command), "rm -rf '%s'", top);
    return system(command) ? 1 : 0;
}
