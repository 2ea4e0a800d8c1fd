/* SPDX-License-Identifier: Apache-2.0 */
/* A shop's own program with Attune inside: it sends what visitors do, asks what to show them, and
 * tells what became of it. Everything it uses stands in attune.h.
 *
 *   cc shop.c $(pkg-config --cflags --libs --static attune) -o shop
 *   ./shop DIRECTORY shop.yaml */
#include <attune.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void must(enum attune_status status, const struct attune_error *error) {
    if (status == ATTUNE_OK) return;
    fprintf(stderr, "shop: %s\n", error->text);
    exit(1);
}

/* ---- what visitors do ---- */

struct sent { /* how many batches are on their way */
    pthread_mutex_t lock;
    pthread_cond_t none;
    int count;
};

/* A thread of the handle calls this when a batch is on the disk. */
static void note_applied(void *context, enum attune_status status,
                         const struct attune_ingested *out, const char *text) {
    struct sent *sent = context;
    if (status == ATTUNE_OK)
        printf("durable: %llu events\n", (unsigned long long)out->events);
    else
        fprintf(stderr, "shop: a batch was not kept: %s\n", text);
    pthread_mutex_lock(&sent->lock);
    if (--sent->count == 0) pthread_cond_signal(&sent->none);
    pthread_mutex_unlock(&sent->lock);
}

/* The queue may be full for a moment: the same again, later. */
static void send_rows(struct attune *attune, struct sent *sent, const char *rows) {
    struct attune_error error;
    enum attune_status status;
    pthread_mutex_lock(&sent->lock);
    sent->count++;
    pthread_mutex_unlock(&sent->lock);
    while ((status = attune_apply(attune, "web", rows, strlen(rows), note_applied, sent, &error)) ==
           ATTUNE_BUSY)
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    must(status, &error);
}

static void wait_for_all(struct sent *sent) {
    pthread_mutex_lock(&sent->lock);
    while (sent->count > 0) pthread_cond_wait(&sent->none, &sent->lock);
    pthread_mutex_unlock(&sent->lock);
}

/* ---- what to show ---- */

/* The id of a decision; a real program would read the JSON with a library of its own. */
static void find_id(const char *json, char id[17]) {
    const char *at = strstr(json, "\"decision\":\"");
    snprintf(id, 17, "%s", at != NULL ? at + strlen("\"decision\":\"") : "");
}

static void show_something(struct attune *attune, const char *visitor) {
    struct attune_error error;
    char identifier[64], id[17], *json;
    int again;
    snprintf(identifier, sizeof identifier, "anonymous_id:%s", visitor);
    const char *identifiers[] = {identifier};
    const struct attune_question question = {
        .identifiers = identifiers, .identifier_count = 1, .record = 1};
    must(attune_ask(attune, &question, &json, &error), &error);
    find_id(json, id);
    printf("%s is shown what decision %s says: %s\n", visitor, id,
           strstr(json, "free_delivery") != NULL ? "free delivery" : "nothing");
    attune_free(json);
    must(attune_outcome(attune, id, NULL, ATTUNE_SHOWN, 0, &again, &error), &error);
    /* The page reports it once more, and it still counts once. */
    must(attune_outcome(attune, id, NULL, ATTUNE_SHOWN, 0, &again, &error), &error);
    printf("shown, and told %s\n", again ? "again" : "once");
}

int main(int argc, char **argv) {
    struct attune *attune;
    struct attune_error error;
    struct sent sent = {.lock = PTHREAD_MUTEX_INITIALIZER, .none = PTHREAD_COND_INITIALIZER};
    char *json;
    if (argc != 3) {
        fprintf(stderr, "usage: shop DIRECTORY PLAYBOOK\n");
        return 2;
    }
    must(attune_open(&attune, argv[1], argv[2], &error), &error);
    send_rows(attune, &sent,
              "{\"type\":\"identify\",\"messageId\":\"m1\",\"userId\":\"u1\","
              "\"anonymousId\":\"k1\",\"timestamp\":\"2026-01-02T10:00:00Z\"}\n"
              "{\"type\":\"track\",\"messageId\":\"m2\",\"event\":\"Order Completed\","
              "\"userId\":\"u1\",\"timestamp\":\"2026-01-02T10:05:00Z\"}\n");
    wait_for_all(&sent);
    show_something(attune, "k1"); /* somebody who is known */
    show_something(attune, "k2"); /* the first visit of somebody */
    must(attune_customer(attune, "user_id:u1", 0, &json, &error), &error);
    printf("what is known of u1: %zu bytes of JSON\n", strlen(json));
    attune_free(json);
    attune_close(attune);
    return 0;
}
