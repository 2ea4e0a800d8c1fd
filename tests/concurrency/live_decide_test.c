/* SPDX-License-Identifier: Apache-2.0 */
/* Limits hold: many threads decide for the same few customers, with merges, outcomes, erasures,
 * corrections of who is who and other playbooks between them. Of any two contacts that a policy
 * counts together, the later one must have been decided when the earlier one was not yet the same
 * customer's. Meant for ThreadSanitizer, too. Usage: live_decide_test [DECISIONS [THREADS]]. */
#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/random.h"
#include "engine/applier.h"
#include "engine/answer/replay_decision.h"
#include "engine/live/live_decision.h"
#include "engine/live/live_outcome.h"
#include "support/simulated_disk.h"

#define THREADS_MAX   64u
#define CUSTOMERS     100u
#define DECISIONS_MAX 100000u
#ifdef __SANITIZE_THREAD__ /* each takes some twenty times as long */
#define DECISIONS 300u
#else
#define DECISIONS 1500u
#endif

static const char playbook[] =
    "attune: 1\nname: Limits\ncurrency: USD\nzone: UTC\n"
    "customer: { identifiers: { email: { per_customer: 1000 }, cookie: { per_customer: 1000 } } }\n"
    "sources:\n"
    "  orders: { file: \"o*.csv\", event: Order Completed, channel: store, time: at,\n"
    "            key: { email: email, cookie: cookie }, row_key: id }\n"
    "goals: { order: { event: Order Completed, within: 3d } }\n"
    "decide: { slots: %u }\n"
    "actions:\n"
    "  letter: { goal: order, group: news, starting_propensity: 20%%, channels: [email, phone] }\n"
    "  call: { goal: order, group: talks, starting_propensity: %u%%, channels: [phone, email] }\n"
    "policies:\n"
    "%s";
#define WINDOW_MS 1000 /* so that contacts come again and again */

/* What the one policy counts together. */
enum scope { OF_ALL, OF_CHANNEL, OF_ACTION, OF_GROUP, SCOPE_COUNT };
static const char *const scope_words[SCOPE_COUNT] = {"of all", "of one channel", "of one action",
                                                     "of one group"};
static const char *const policies[SCOPE_COUNT] = {
    "  - { at_most: 1, in: 1s }\n",
    "  - { at_most: 1, in: 1s, channel: email }\n  - { at_most: 1, in: 1s, channel: phone }\n",
    "  - { at_most: 1, in: 1s, of: same action }\n",
    "  - { at_most: 1, in: 1s, of: same group }\n",
};

struct trial {
    struct engine *engine;
    char file[64];
    enum scope scope;
    uint32_t threads;
    uint64_t decisions; /* of each thread */
    _Atomic uint64_t made, offered, repeats, busy, merges, erased, outcomes, failures;
    _Atomic bool stop;
};

static void wrong(struct trial *trial, const char *what, uint64_t a, uint64_t b) {
    if (atomic_fetch_add(&trial->failures, 1) < 10)
        printf("%s: %" PRIu64 ", %" PRIu64 "\n", what, a, b);
}

/* ---- who decides ---- */

struct decider_thread {
    pthread_t thread;
    struct trial *trial;
    struct random random;
    sem_t answered;
    enum status status;
    struct error error;
    char id[DECISION_ID_BYTES], token[LIVE_TOKEN_BYTES];
    uint32_t slots;
};

static enum status take_answer(void *context, const struct live_answer *answer) {
    struct decider_thread *decider = context;
    memcpy(decider->id, answer->id, sizeof decider->id);
    snprintf(decider->token, sizeof decider->token, "%.*s", TEXT_ARG(answer->token));
    decider->slots = answer->slot_count;
    return STATUS_OK;
}

static void note_answered(void *context, enum status status, const struct error *error) {
    struct decider_thread *decider = context;
    decider->status = status;
    if (status != STATUS_OK) decider->error = *error;
    sem_post(&decider->answered);
}

static void tell_outcome(struct decider_thread *decider) {
    struct trial *trial = decider->trial;
    struct error error = {0};
    bool by_token = decider->token[0] != '\0' && random_below(&decider->random, 2) == 0;
    const struct live_outcome outcome = {
        .decision = text_from(by_token ? decider->token : decider->id),
        .kind = random_below(&decider->random, 2) == 0 ? LIVE_DELIVERED : LIVE_CLICKED};
    enum status status = live_outcome_tell_and_wait(trial->engine, &outcome, NULL, &error);
    /* Erased meanwhile. */
    if (status != STATUS_OK && status != STATUS_NOT_FOUND) wrong(trial, error.text, status, 0);
    atomic_fetch_add(&trial->outcomes, 1);
}

/* Asks until it is answered. The queue may be full, or another playbook is put in force between the
 * proposal and its turn: then the same is asked again. */
static enum status ask_on(struct decider_thread *decider, const struct live_ask *ask,
                          struct error *error) {
    struct trial *trial = decider->trial;
    for (;;) {
        enum status status = live_decide(trial->engine, ask, error);
        if (status == STATUS_OK) {
            while (sem_wait(&decider->answered) != 0) {
            }
            status = decider->status;
            *error = decider->error;
        }
        if (status != STATUS_BUSY) return status;
        atomic_fetch_add(&trial->busy, 1);
        usleep(200);
    }
}

static void *decide_on(void *context) {
    struct decider_thread *decider = context;
    struct trial *trial = decider->trial;
    for (uint64_t i = 0; i < trial->decisions; i++) {
        char value[32];
        struct error error = {0};
        /* Every other one is the same for all threads, so that they meet. */
        snprintf(value, sizeof value, "c%u@x.example",
                 i % 2 == 0 ? (unsigned)(i / 2 % CUSTOMERS)
                            : (unsigned)random_below(&decider->random, CUSTOMERS));
        const struct live_identifier identifier = {TEXT("email"), text_from(value)};
        const struct live_ask ask = {.identifiers = &identifier,
                                     .identifier_count = 1,
                                     .records = true,
                                     .waits_until_durable = i % 4 == 0,
                                     .render = take_answer,
                                     .answered = note_answered,
                                     .caller = decider};
        enum status status = ask_on(decider, &ask, &error);
        if (status == STATUS_NOT_FOUND) continue; /* erased meanwhile */
        if (status != STATUS_OK) {
            wrong(trial, error.text, status, i);
            continue;
        }
        atomic_fetch_add(&trial->made, 1);
        atomic_fetch_add(&trial->offered, decider->slots > 0);
        if (decider->slots > 0 && i % 3 == 0) tell_outcome(decider);
    }
    return NULL;
}

/* ---- what happens between ---- */

static void add_order(struct trial *trial, uint64_t key, const char *email, const char *other) {
    struct symbols *symbols = engine_symbols(trial->engine);
    uint32_t type = symbol_find(symbols, SYMBOL_IDENTIFIER, TEXT("email"));
    struct event_batch batch;
    struct error error = {0};
    event_batch_init(&batch);
    struct event *event = event_batch_add(&batch);
    if (event == NULL) abort();
    event->time_ms = event->known_ms = engine_now_ms(trial->engine);
    event->type = (uint16_t)symbol_find(symbols, SYMBOL_EVENT, TEXT("Order Completed"));
    event->source = (uint16_t)symbol_find(symbols, SYMBOL_SOURCE, TEXT("orders"));
    event->key = (struct row_key){key * 2 + 1, 7};
    if (event_batch_add_identifier(&batch, type, text_from(email)) != STATUS_OK ||
        (other != NULL && event_batch_add_identifier(&batch, type, text_from(other)) != STATUS_OK))
        abort();
    if (engine_apply(trial->engine, &batch, NULL, &error) != STATUS_OK)
        wrong(trial, error.text, key, 0);
    event_batch_release(&batch);
}

static void erase(struct trial *trial, const char *email) {
    struct error error = {0};
    struct customer_id customer;
    struct erased_summary summary = {0};
    char name[64];
    snprintf(name, sizeof name, "email:%s", email);
    if (engine_find_customer(trial->engine, text_from(name),
                             (struct as_of){INT64_MAX, POSITION_NOW}, &customer,
                             &error) != STATUS_OK)
        return;
    if (engine_erase(trial->engine, customer, &summary, &error) == STATUS_OK) {
        atomic_fetch_add(&trial->erased, 1);
    } else {
        wrong(trial, error.text, customer.value, 0);
    }
    erased_summary_release(&summary);
}

static void *meddle_on(void *context) {
    struct trial *trial = context;
    struct random random;
    random_init(&random, 77);
    for (uint64_t i = 0; !atomic_load(&trial->stop); i++) {
        char a[32], b[32];
        struct error error = {0};
        uint32_t x = (uint32_t)random_below(&random, CUSTOMERS), y = x ^ 1;
        snprintf(a, sizeof a, "c%u@x.example", x);
        snprintf(b, sizeof b, "c%u@x.example", y);
        bool merges = i % 8 == 3;
        add_order(trial, i, a, merges ? b : NULL);
        atomic_fetch_add(&trial->merges, merges);
        if (i % 64 == 20) erase(trial, a);
        if (i % 50 == 30 && engine_fold(trial->engine, i % 100 == 30, NULL, &error) != STATUS_OK)
            wrong(trial, error.text, i, 0);
        if (i % 40 == 10 &&
            engine_put_playbook(trial->engine, trial->file, NULL, &error) != STATUS_OK)
            wrong(trial, error.text, i, 1);
        usleep(500);
    }
    return NULL;
}

/* ---- what stands in the end ---- */

struct offer {
    struct persona_id persona;
    uint64_t position;
    int64_t t_ms;
    uint64_t id;
    char action[16], channel[16];
};
static struct offer offers[DECISIONS_MAX];
static size_t offer_count;

static void read_offers(struct trial *trial, const struct timeline *timeline, uint32_t row) {
    uint32_t messages =
        symbol_find(engine_symbols(trial->engine), SYMBOL_PROPERTY, TEXT("messages"));
    struct text packed;
    struct list_reader reader;
    struct value ignored;
    if (timeline->ops->packed(timeline, row, &packed) != STATUS_OK ||
        list_reader_init(&reader, packed_find(packed, messages)) != STATUS_OK) {
        wrong(trial, "a decision can't be read", row, 0);
        return;
    }
    struct value id = packed_find(packed, PROPERTY_DECISION);
    while (list_next(&reader, &ignored) == STATUS_OK && offer_count < DECISIONS_MAX) {
        struct value key = list_field(&reader, PROPERTY_TREATMENT),
                     channel = list_field(&reader, PROPERTY_CHANNEL);
        struct offer *offer = &offers[offer_count++];
        offer->persona.value = timeline->persona[row];
        offer->position = timeline->position[row];
        offer->t_ms = timeline->time_ms[row];
        offer->id = decision_id_read(id.text);
        snprintf(offer->action, sizeof offer->action, "%.*s", TEXT_ARG(key.text));
        snprintf(offer->channel, sizeof offer->channel, "%.*s", TEXT_ARG(channel.text));
    }
}

static bool counts_together(enum scope scope, const struct offer *a, const struct offer *b) {
    int64_t apart_ms = a->t_ms > b->t_ms ? a->t_ms - b->t_ms : b->t_ms - a->t_ms;
    if (apart_ms >= WINDOW_MS) return false;
    switch (scope) {
    case OF_CHANNEL: return strcmp(a->channel, b->channel) == 0;
    case OF_ACTION:
    case OF_GROUP: return strcmp(a->action, b->action) == 0; /* each has a group of its own */
    default: return true;
    }
}

/* When the later one was decided, was the earlier one that customer's? */
static bool was_same_customer(const struct trial *trial, const struct offer *a,
                              const struct offer *b) {
    const struct customer_directory *directory = identity_directory(engine_identity(trial->engine));
    struct as_of then = {INT64_MAX, a->position > b->position ? a->position : b->position};
    return directory->ops->customer_of(directory, a->persona, then).value ==
           directory->ops->customer_of(directory, b->persona, then).value;
}

static void check_customer(struct trial *trial, const struct timeline *timeline) {
    offer_count = 0;
    for (uint32_t row = 0; row < timeline->count; row++)
        if (timeline->type[row] == EVENT_DECISION_MADE) read_offers(trial, timeline, row);
    for (size_t i = 0; i < offer_count; i++)
        for (size_t k = i + 1; k < offer_count; k++)
            if (counts_together(trial->scope, &offers[i], &offers[k]) &&
                was_same_customer(trial, &offers[i], &offers[k]))
                wrong(trial, "two contacts where one is allowed", offers[i].position,
                      offers[k].position);
}

static uint64_t check_all(struct trial *trial) {
    struct timeline_source *source = store_source(engine_store(trial->engine));
    struct timeline_reader *reader;
    struct timeline timeline;
    struct error error = {0};
    uint64_t contacts = 0;
    if (source->ops->reader_open(source, &reader, &error) != STATUS_OK) abort();
    const struct timeline_request request = {.as_of = {INT64_MAX, source->ops->position(reader)},
                                             .needs = TIMELINE_PACKED | TIMELINE_POSITION |
                                                      TIMELINE_PERSONA};
    enum status status = source->ops->walk(reader, &request, 0, 1, &error);
    while (status == STATUS_OK &&
           (status = source->ops->next(reader, &timeline, &error)) == STATUS_OK) {
        check_customer(trial, &timeline);
        contacts += offer_count;
    }
    if (status != STATUS_END) wrong(trial, error.text, status, 0);
    source->ops->reader_close(reader);
    return contacts;
}

/* Every decision that stands is made again from what it was made from. */
struct replay {
    struct trial *trial;
    struct engine_view view;
    uint64_t equal, erased;
};

static bool replay_one(void *context, const struct decision_record *record) {
    struct replay *replay = context;
    struct replayed_decision out;
    struct error error = {0};
    if (decision_replay(&replay->view, record, &out, &error) != STATUS_OK) {
        wrong(replay->trial, error.text, record->customer.value, 0);
    } else if (out.verdict == REPLAY_EQUAL) {
        replay->equal++;
    } else if (out.verdict == REPLAY_ERASED) {
        replay->erased++;
    } else {
        printf("%s: %s %s\n", replay_verdict_name(out.verdict), out.differs, out.why);
        wrong(replay->trial, "a decision can't be made again", record->customer.value,
              (uint64_t)out.verdict);
    }
    return true;
}

static void replay_all(struct trial *trial) {
    struct replay replay = {.trial = trial};
    struct error error = {0};
    if (engine_view_open(&replay.view, trial->engine, engine_now_ms(trial->engine), &error) !=
            STATUS_OK ||
        decision_records_visit(&replay.view, NULL, replay_one, &replay, &error) != STATUS_OK)
        wrong(trial, error.text, 0, 0);
    if (replay.equal == 0) wrong(trial, "nothing was made again", 0, 0);
    engine_view_close(&replay.view);
}

/* ---- all at once ---- */

static void open_engine(struct trial *trial, struct simulated_disk *disk) {
    struct error error = {0};
    FILE *file = fopen(trial->file, "w");
    if (file == NULL) abort();
    fprintf(file, playbook, trial->scope == OF_ALL ? 1u : 2u, 15 + (unsigned)trial->scope,
            policies[trial->scope]);
    fclose(file);
    const struct engine_options options = {.directory = "data",
                                           .create = true,
                                           .fs = simulated_disk_interface(disk),
                                           .playbook_file = trial->file};
    if (engine_open(&trial->engine, &options, &error) == STATUS_OK) return;
    printf("%s\n", error.text);
    exit(1);
}

static void run_all(struct trial *trial) {
    static struct decider_thread deciders[THREADS_MAX];
    pthread_t meddling;
    if (pthread_create(&meddling, NULL, meddle_on, trial) != 0) abort();
    for (uint32_t i = 0; i < trial->threads; i++) {
        deciders[i].trial = trial;
        random_init(&deciders[i].random, i + 1);
        sem_init(&deciders[i].answered, 0, 0);
        if (pthread_create(&deciders[i].thread, NULL, decide_on, &deciders[i]) != 0) abort();
    }
    for (uint32_t i = 0; i < trial->threads; i++) {
        pthread_join(deciders[i].thread, NULL);
        sem_destroy(&deciders[i].answered);
    }
    atomic_store(&trial->stop, true);
    pthread_join(meddling, NULL);
}

static uint64_t run_scope(enum scope scope, uint64_t decisions, uint32_t threads) {
    static struct trial trial;
    struct simulated_disk *disk = simulated_disk_create(scope + 1, 0);
    struct live_stats stats;
    memset(&trial, 0, sizeof trial);
    trial.scope = scope;
    trial.threads = threads;
    trial.decisions = decisions;
    snprintf(trial.file, sizeof trial.file, "/tmp/attune-live-%ld.yaml", (long)getpid());
    open_engine(&trial, disk);
    run_all(&trial);
    live_stats(trial.engine, &stats);
    uint64_t contacts = check_all(&trial);
    replay_all(&trial);
    engine_close(trial.engine);
    unlink(trial.file);
    simulated_disk_destroy(disk);
    printf("limit %s: %" PRIu64 " decisions, %" PRIu64 " contacts stand, %" PRIu64
           " decided twice, %" PRIu64 " changed, %" PRIu64 " waited, %" PRIu64 " merges, %" PRIu64
           " erased, %" PRIu64 " outcomes, %" PRIu64 " busy, %" PRIu64 " failures\n",
           scope_words[scope], trial.made, contacts, stats.decided_twice, stats.changed,
           stats.waited, trial.merges, trial.erased, trial.outcomes, trial.busy, trial.failures);
    bool had_all = contacts > 0 && stats.decided_twice > 0 && stats.changed > 0 &&
                   trial.merges > 0 && trial.erased > 0 && trial.outcomes > 0;
    if (!had_all) printf("something never happened\n");
    return trial.failures + !had_all;
}

int main(int argc, char **argv) {
    uint64_t decisions = argc > 1 ? strtoull(argv[1], NULL, 10) : DECISIONS, failures = 0;
    uint32_t threads = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 32;
    if (threads > THREADS_MAX) threads = THREADS_MAX;
    for (int scope = 0; scope < SCOPE_COUNT; scope++)
        failures += run_scope((enum scope)scope, decisions, threads);
    return failures > 0;
}
