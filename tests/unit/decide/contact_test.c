/* SPDX-License-Identifier: Apache-2.0 */
/* Contact policies against a naive model of contacts, on random timelines with decisions, receipts,
 * failures, retries, corrections, ghosts, late news and times around the changes of the clock: the
 * same verdict, and one that turns exactly at free_at. CONTACT_SEED chooses. */
#include "support/unit.h"

#include "base/random.h"
#include "decide/contact_internal.h"
#include "support/scene.h"

static const char playbook[] =
    "zone: America/New_York\n"
    "customer: { identifiers: { email: {} } }\n"
    "sources:\n"
    "  offer: { file: offer.csv, lookup: offer_id, columns: [offer_id, ends], header: no, types: { "
    "ends: time } }\n"
    "events: { Complained: { about: text } }\n"
    "goals: { order: { event: Complained, within: 10d } }\n"
    "actions:\n"
    "  letter: { for_each: offer, group: offers, goal: order, channels: [email, phone] }\n"
    "  banner: { group: offers, goal: order, channels: [web] }\n"
    "  advice: { goal: order, channels: [email, web] }\n"
    "  thanks: { goal: order, service: yes, channels: [email] }\n"
    "policies:\n";

static const char *const rules[] = {
    "{ at_most: 2, in: 7d }",
    "{ at_most: 1, in: 3d, channel: email }",
    "{ at_most: 3, in: 12d, group: offers }",
    "{ at_most: 1, in: 2d12h, action: letter, channel: phone }",
    "{ at_most: 1, in: 30d, of: same treatment }",
    "{ at_most: 2, in: 14d, of: same action }",
    "{ at_most: 2, in: 5d, of: same group }",
    "{ after: Rejected, wait: 9d }",
    "{ after: Rejected, times: 2, of: same action, wait: 20d }",
    "{ after: Clicked, of: same treatment, wait: 4d }",
    "{ after: Complained, wait: 6d, channel: web }",
    "{ after: Complained, wait: 3d, group: offers }",
    "{ after: Complained, times: 2, wait: 8d, action: advice, channel: email }",
    "{ quiet: \"21:00-08:00\", channel: phone }",
    "{ quiet: \"01:15-02:30\" }",
    "{ quiet: \"12:00-13:30\", group: offers }",
    "{ at_most: 0, in: 1d, action: advice, channel: web }",
    "{ at_most: 1, per: day }",
    "{ at_most: 2, per: day, channel: email }",
    "{ at_most: 3, in: 6d, impressions: yes }",
    "{ at_most: 2, in: 9d, channel: web }",
    "{ at_most: 1, in: 9d, action: thanks }",
    "{ after: Rejected, times: 2, in: 6d, wait: 20d }",
    "{ after: Clicked, times: 3, of: same group, wait: 5d }",
    "{ after: Delivered, wait: 2d }",
    "{ after: Delivered, of: same treatment, wait: 30d }",
    "{ after: Complained, of: same action, wait: 2d }",
};
#define RULES (sizeof rules / sizeof *rules)

enum { SHOWN, DELIVERED, FAILED, CLICKED, REJECTED, COMPLAINED, DECIDED, TYPES };
static const char *const types[] = {"Treatment Shown",   "Treatment Delivered", "Treatment Failed",
                                    "Treatment Clicked", "Treatment Rejected",  "Complained",
                                    "Decision Made"};
enum { EMAIL, PHONE, WEB };
static const char *const channels[] = {"email", "phone", "web"};
static const struct {
    const char *key, *action, *group;
} keys[] = {
    {"letter/1", "letter", "offers"},
    {"letter/2", "letter", "offers"},
    {"letter/gone", "letter", "offers"},
    {"banner", "banner", "offers"},
    {"advice", "advice", ""},
    {"thanks", "thanks", ""},
    {"withdrawn", NULL, NULL},
    {NULL, NULL, NULL},
};
#define NO_KEY 7

/* An event as it was told. */
struct told {
    int64_t time_ms, known_ms;
    int type, channel, key;
    int id; /* of the decision; -1: none */
    bool withheld;
    int corrects;          /* index of the event that it takes the place of; -1: none */
    int64_t superseded_ms; /* from then on another version counts */
};
/* A message as the naive model sees it. */
struct naive {
    int64_t time_ms, until_ms;
    int type, channel, key;
};
struct naive_message {
    int id, key, channel;
    int64_t days[64]; /* days of receipts without an id that it took */
    int day_count;
    int64_t decided_ms, receipt_ms; /* -1: none */
    bool failed, ghost;
};

#define EVENTS 60
struct trial {
    struct scene scene;
    struct told told[EVENTS];
    struct contact_history history;
    struct naive contacts[EVENTS], events[2 * EVENTS];
    int contact_count, event_count;
};

static bool same(const char *a, const char *b) {
    return a != NULL && b != NULL && strcmp(a, b) == 0;
}
static bool is(struct text text, const char *name) {
    return name != NULL && text_equal(text, text_from(name));
}

/* ---- the naive contacts ---- */

static int64_t naive_day(const struct trial *trial, int64_t t_ms) {
    int64_t local_ms =
        t_ms + time_zone_offset_s(trial->scene.playbook->zone, t_ms) * TIME_SECOND_MS;
    return local_ms / TIME_DAY_MS; /* no time here is before 1970 */
}

/* Whose receipt is it? */
static struct naive_message *naive_find(const struct trial *trial, struct naive_message *messages,
                                        int count, const struct told *told) {
    int64_t day = naive_day(trial, told->time_ms);
    for (int i = 0; i < count && told->id >= 0; i++) {
        if (messages[i].id == told->id && messages[i].key == told->key) return &messages[i];
    }
    if (told->id >= 0) return NULL;
    for (int i = 0; i < count; i++) {
        if (messages[i].key != told->key || messages[i].channel != told->channel) continue;
        for (int d = 0; d < messages[i].day_count; d++) {
            if (messages[i].days[d] == day) return &messages[i];
        }
    }
    for (int i = 0; i < count; i++) {
        bool open = messages[i].decided_ms >= 0 && messages[i].receipt_ms < 0 &&
                    !messages[i].failed && !messages[i].ghost;
        if (!open || messages[i].key != told->key || messages[i].channel != told->channel) continue;
        messages[i].days[messages[i].day_count++] = day;
        return &messages[i];
    }
    return NULL;
}

static void naive_tell(const struct trial *trial, struct naive_message *messages, int *count,
                       const struct told *told) {
    bool lone = told->id < 0 && told->channel == WEB && told->type != DECIDED;
    struct naive_message *message = lone ? NULL : naive_find(trial, messages, *count, told);
    if (told->type == DECIDED && (message != NULL || told->channel == WEB)) return;
    if (lone && told->type != SHOWN && told->type != DELIVERED) return;
    if (message == NULL) {
        message = &messages[(*count)++];
        *message = (struct naive_message){told->id, told->key, told->channel, {0},  0,
                                          -1,       -1,        false,         false};
        if (told->id < 0 && !lone)
            message->days[message->day_count++] = naive_day(trial, told->time_ms);
    }
    if (told->type == DECIDED) {
        message->decided_ms = told->time_ms;
        message->ghost = told->withheld;
        return;
    }
    message->failed = told->type == FAILED;
    if (message->failed)
        message->receipt_ms = -1;
    else if (message->receipt_ms < 0)
        message->receipt_ms = told->time_ms;
}

static void naive_event(struct trial *trial, int64_t time_ms, int64_t until_ms, int type,
                        const struct naive_message *message) {
    trial->events[trial->event_count++] =
        (struct naive){time_ms, until_ms, type, message->channel, message->key};
}

static void naive_read(struct trial *trial, int64_t t_ms) {
    struct naive_message messages[EVENTS];
    int count = 0;
    bool done[EVENTS] = {false};
    trial->contact_count = trial->event_count = 0;
    for (;;) { /* the earliest that is left, in order of arrival */
        int next = -1;
        for (int i = 0; i < EVENTS; i++) {
            const struct told *told = &trial->told[i];
            if (done[i] || told->time_ms > t_ms || told->known_ms > t_ms) continue;
            if (told->superseded_ms <= t_ms) continue;
            if (next < 0 || told->time_ms < trial->told[next].time_ms) next = i;
        }
        if (next < 0) break;
        const struct told *told = &trial->told[next];
        done[next] = true;
        if (told->type != DECIDED)
            trial->events[trial->event_count++] =
                (struct naive){told->time_ms, TIME_NEVER, told->type, told->channel, told->key};
        if (told->type != COMPLAINED) naive_tell(trial, messages, &count, told);
    }
    for (int i = 0; i < count; i++) {
        const struct naive_message *message = &messages[i];
        if (message->failed || (message->receipt_ms < 0 && message->decided_ms < 0)) continue;
        int64_t time_ms = message->receipt_ms >= 0 ? message->receipt_ms : message->decided_ms;
        bool lapses = message->receipt_ms < 0 && !message->ghost && message->channel == EMAIL;
        int64_t until_ms = lapses ? message->decided_ms + 3 * TIME_DAY_MS : TIME_NEVER;
        if (until_ms <= t_ms) continue;
        trial->contacts[trial->contact_count++] =
            (struct naive){time_ms, until_ms, DELIVERED, message->channel, message->key};
        if (message->receipt_ms < 0) naive_event(trial, time_ms, until_ms, DELIVERED, message);
    }
}

/* ---- the naive policies ---- */

static bool naive_counts(const struct policy *policy, const struct naive *contact,
                         const struct symbols *symbols, const struct treatment *treatment) {
    const char *key = keys[contact->key].key, *action = keys[contact->key].action,
               *group = keys[contact->key].group;
    char own[64];
    snprintf(own, sizeof own, "%.*s", TEXT_ARG(treatment->action->name));
    /* Nobody complains of a treatment: the policy says which ones wait. */
    if (contact->type == COMPLAINED) return true;
    if (policy->channel != SYMBOL_NONE &&
        !is(symbol_text(symbols, SYMBOL_CHANNEL, policy->channel), channels[contact->channel]))
        return false;
    if (policy->group.length > 0 && !is(policy->group, group)) return false;
    if (policy->action.length > 0 && !is(policy->action, action)) return false;
    if (policy->scope == SCOPE_SAME_TREATMENT) return is(treatment->key, key);
    if (policy->scope == SCOPE_SAME_ACTION) return same(action, own);
    if (policy->scope == SCOPE_SAME_GROUP)
        return treatment->action->group.length > 0 ? is(treatment->action->group, group)
                                                   : same(action, own);
    return true;
}

static bool naive_cap_counts(const struct trial *trial, const struct policy *policy,
                             const struct naive *contact, const struct treatment *treatment) {
    bool says_web = policy->channel != SYMBOL_NONE &&
                    is(symbol_text(trial->scene.symbols, SYMBOL_CHANNEL, policy->channel), "web");
    if (contact->channel == WEB && !policy->impressions && !says_web) return false;
    if (policy->action.length == 0 && same(keys[contact->key].action, "thanks")) return false;
    return naive_counts(policy, contact, trial->scene.symbols, treatment);
}

static bool naive_quiet(const struct playbook *book, const struct policy *policy, int64_t t_ms) {
    int64_t minute =
        (t_ms + time_zone_offset_s(book->zone, t_ms) * TIME_SECOND_MS) / TIME_MINUTE_MS % 1440;
    for (int64_t m = policy->quiet_from_minute; m != policy->quiet_to_minute; m = (m + 1) % 1440) {
        if (m == minute) return true;
    }
    return false;
}

static bool naive_cap_blocks(const struct trial *trial, const struct policy *policy,
                             const struct treatment *treatment, int64_t t_ms) {
    uint32_t seen = 0;
    if (policy->action.length == 0 && treatment->action->service) return false;
    for (int i = 0; i < trial->contact_count; i++) {
        const struct naive *contact = &trial->contacts[i];
        bool inside = policy->per_day ? naive_day(trial, contact->time_ms) == naive_day(trial, t_ms)
                                      : contact->time_ms > t_ms - policy->window_ms;
        if (!inside || contact->until_ms <= t_ms) continue;
        seen += naive_cap_counts(trial, policy, contact, treatment);
    }
    return seen >= policy->max_count;
}

/* Is there an event, not longer ago than the wait, that fills the number? */
static bool naive_pause_blocks(const struct trial *trial, const struct policy *policy,
                               const struct treatment *treatment, int64_t t_ms) {
    uint32_t after = policy->after_event;
    for (int i = 0; i < trial->event_count; i++) {
        const struct naive *event = &trial->events[i];
        uint32_t type =
            symbol_find(trial->scene.symbols, SYMBOL_EVENT, text_from(types[event->type]));
        if (type != after || !naive_counts(policy, event, trial->scene.symbols, treatment))
            continue;
        if (event->time_ms + policy->window_ms <= t_ms) continue;
        if (policy->max_count <= 1 && event->until_ms <= t_ms) continue;
        uint32_t others = 0;
        for (int k = 0; k < trial->event_count; k++) {
            const struct naive *other = &trial->events[k];
            if (other->type != event->type || other->time_ms > event->time_ms) continue;
            if (policy->times_within_ms > 0 &&
                other->time_ms <= event->time_ms - policy->times_within_ms)
                continue;
            others += naive_counts(policy, other, trial->scene.symbols, treatment);
        }
        if (others >= policy->max_count) return true;
    }
    return false;
}

static bool naive_blocks(const struct trial *trial, const struct policy *policy,
                         const struct treatment *treatment, int64_t t_ms) {
    const struct action *action = treatment->action;
    if (policy->channel != SYMBOL_NONE && policy->channel != treatment->channel) return false;
    if (policy->group.length > 0 && !text_equal(policy->group, action->group)) return false;
    if (policy->action.length > 0 && !text_equal(policy->action, action->name)) return false;
    if (policy->kind == POLICY_AT_MOST) return naive_cap_blocks(trial, policy, treatment, t_ms);
    return policy->kind == POLICY_AFTER && naive_pause_blocks(trial, policy, treatment, t_ms);
}

static bool naive_may_send(const struct trial *trial, const struct treatment *treatment,
                           int64_t t_ms) {
    const struct playbook *book = trial->scene.playbook;
    for (uint32_t i = 0; i < book->policy_count; i++) {
        const struct policy *policy = &book->policies[i];
        if (policy->kind != POLICY_QUIET) continue;
        if (policy->channel != SYMBOL_NONE && policy->channel != treatment->channel) continue;
        if (policy->group.length > 0 && !text_equal(policy->group, treatment->action->group))
            continue;
        if (naive_quiet(book, policy, t_ms)) return false;
    }
    return true;
}

static const struct policy *naive_check(const struct trial *trial,
                                        const struct treatment *treatment, int64_t t_ms) {
    const struct playbook *book = trial->scene.playbook;
    for (uint32_t i = 0; i < book->policy_count; i++) {
        if (naive_blocks(trial, &book->policies[i], treatment, t_ms)) return &book->policies[i];
    }
    return NULL;
}

static void tell(struct trial *trial, const struct told *told) {
    char properties[128] = "", event[64], id[16];
    snprintf(id, sizeof id, "d%d", told->id);
    if (told->type == DECIDED) {
        scene_decision(&trial->scene, 1, told->time_ms, told->known_ms, id, keys[told->key].key,
                       channels[told->channel], told->withheld);
        return;
    }
    size_t at = 0;
    if (told->key != NO_KEY)
        at +=
            (size_t)snprintf(properties, sizeof properties, "treatment='%s' ", keys[told->key].key);
    if (told->id >= 0) snprintf(properties + at, sizeof properties - at, "decision='%s'", id);
    snprintf(event, sizeof event, "%s:%s", channels[told->channel], types[told->type]);
    if (told->corrects >= 0) {
        scene_correct(&trial->scene, (uint64_t)told->corrects, 1, event, told->time_ms,
                      told->known_ms, properties);
        return;
    }
    scene_event_known(&trial->scene, 1, event, told->time_ms, told->known_ms, properties);
}

static struct told random_told(const struct trial *trial, int index, struct random *random) {
    static const int64_t delays_ms[] = {0, 0, 0, TIME_DAY_MS, 3 * TIME_DAY_MS};
    if (index > 0 && random_below(random, 10) == 0) {
        struct told again = trial->told[random_below(random, (uint64_t)index)]; /* a retry */
        again.known_ms += TIME_HOUR_MS;
        again.corrects = -1;
        again.superseded_ms = INT64_MAX;
        return again;
    }
    struct told told = {
        /* Ties, and windows met exactly. */
        .time_ms = DAY(60) + (int64_t)random_below(random, 200) * 6 * TIME_HOUR_MS,
        .type = (int)random_below(random, TYPES),
        .channel = (int)random_below(random, 3),
        .key = (int)random_below(random, sizeof keys / sizeof *keys),
        .id = (int)random_below(random, 12) - 4,
        .corrects = -1,
        .superseded_ms = INT64_MAX,
    };
    told.known_ms = told.time_ms + delays_ms[random_below(random, 5)];
    if (told.type == COMPLAINED) told.key = NO_KEY;
    if (told.id < 0 || told.type == COMPLAINED) told.id = -1;
    if (told.type == DECIDED || told.id >= 0) {
        if (told.id < 0) told.id = 100 + index;
        told.key %= 6; /* of one decision there is one message in one channel */
        told.channel = told.id % 3;
        told.withheld = told.id % 4 == 1;
    }
    return told;
}

/* Now and then an event is another version of an earlier one: of the same row, known later. */
static void correct_another(struct trial *trial, int index, struct random *random) {
    struct told *told = &trial->told[index];
    if (index < 2 || told->type == DECIDED || random_below(random, 8) != 0) return;
    int older = 1 + (int)random_below(random, (uint64_t)index - 1);
    if (trial->told[older].superseded_ms != INT64_MAX || trial->told[older].type == DECIDED) return;
    if (told->known_ms <= trial->told[older].known_ms)
        told->known_ms = trial->told[older].known_ms + TIME_HOUR_MS;
    told->corrects = older;
    trial->told[older].superseded_ms = told->known_ms;
}

/* ---- a trial: some of the rules, in some order, and random events ---- */

static void make(struct trial *trial, struct random *random) {
    char text[4096];
    int length = snprintf(text, sizeof text, "%s", playbook);
    for (uint64_t left = 1 + random_below(random, 4); left > 0; left--) {
        length += snprintf(text + length, sizeof text - (size_t)length, "  - %s\n",
                           rules[random_below(random, RULES)]);
    }
    scene_init(&trial->scene, text);
    scene_lookup(&trial->scene, "offer", "1|\n2|\n");
    assert_int_equal(contact_history_init(&trial->history, &trial->scene.data), STATUS_OK);
    for (int i = 0; i < EVENTS; i++) {
        trial->told[i] = random_told(trial, i, random);
        correct_another(trial, i, random);
        tell(trial, &trial->told[i]);
    }
}

static void end(struct trial *trial) {
    contact_history_release(&trial->history);
    scene_release(&trial->scene);
}

static void read_history(struct trial *trial, int64_t t_ms) {
    struct timeline_source *source = trial->scene.data.source;
    struct timeline_reader *reader;
    struct timeline timeline = {0};
    struct timeline_request request = {.as_of = {t_ms, POSITION_NOW},
                                       .needs = TIMELINE_CHANNEL | TIMELINE_PACKED};
    assert_int_equal(source->ops->reader_open(source, &reader, NULL), STATUS_OK);
    enum status status =
        source->ops->read(reader, (struct customer_id){1}, &request, &timeline, NULL);
    if (status != STATUS_OK) timeline.count = 0; /* nothing has happened yet */
    assert_int_equal(contact_history_read(&trial->history, &timeline, t_ms, true), STATUS_OK);
    source->ops->reader_close(reader);
}

static struct contact_verdict check(struct trial *trial, const struct treatment *treatment,
                                    int64_t t_ms) {
    struct contact_verdict verdict;
    assert_int_equal(contact_check(&trial->history, treatment, t_ms, &verdict), STATUS_OK);
    return verdict;
}

/* The moment at which the blocking one turns, and the one at which nothing blocks. */
static void check_moments(struct trial *trial, const struct treatment *treatment, int64_t t_ms,
                          const struct contact_verdict *verdict) {
    int64_t turns_ms = verdict->standing.free_at_ms, free_ms = verdict->free_at_ms;
    assert_true(turns_ms > t_ms && free_ms >= turns_ms);
    if (turns_ms < TIME_NEVER) {
        assert_true(naive_blocks(trial, verdict->blocking, treatment, turns_ms - 1));
        assert_false(naive_blocks(trial, verdict->blocking, treatment, turns_ms));
    }
    if (free_ms >= TIME_NEVER) return;
    assert_non_null(naive_check(trial, treatment, free_ms - 1));
    assert_null(naive_check(trial, treatment, free_ms));
    for (int64_t step = t_ms; step < free_ms; step += 7 * TIME_HOUR_MS)
        assert_non_null(naive_check(trial, treatment, step));
}

static void judge_all(struct trial *trial, int64_t t_ms) {
    naive_read(trial, t_ms);
    read_history(trial, t_ms);
    const struct treatment_set *treatments = scene_treatments_at(&trial->scene, t_ms);
    for (uint32_t i = 0; i < treatments->count; i++) {
        const struct treatment *treatment = &treatments->treatments[i];
        struct contact_verdict verdict = check(trial, treatment, t_ms);
        assert_ptr_equal(verdict.blocking, naive_check(trial, treatment, t_ms));
        if (verdict.blocking != NULL)
            check_moments(trial, treatment, t_ms, &verdict);
        else
            assert_int_equal(verdict.free_at_ms, t_ms);
        bool at_once =
            naive_may_send(trial, treatment, t_ms) ||
            treatment->channel == symbol_find(trial->scene.symbols, SYMBOL_CHANNEL, TEXT("web"));
        assert_int_equal(verdict.send_after_ms == t_ms, at_once);
    }
}

static void test_verdicts_equal_the_naive_ones(void **state) {
    (void)state;
    static struct trial trial;
    struct random random;
    const char *given = getenv("CONTACT_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 10) : 1;
    print_message("CONTACT_SEED=%llu\n", (unsigned long long)seed);
    random_init(&random, seed);
    for (int round = 0; round < 150; round++) {
        make(&trial, &random);
        for (int i = 0; i < 12; i++) {
            int64_t t_ms = DAY(60) + (int64_t)random_below(&random, 60 * 96) * 15 * TIME_MINUTE_MS;
            judge_all(&trial, t_ms);
        }
        /* 2017-03-12 01:00 in New York; at two it is three. */
        judge_all(&trial, INT64_C(1489298400000));
        judge_all(&trial, INT64_C(1509856200000)); /* 2017-11-05 00:30; at two it is one again */
        end(&trial);
    }
}

/* The same verdict, whether it was kept or is worked out anew. */
static void check_again(struct trial *trial, const struct treatment *treatment, int64_t t_ms) {
    struct contact_verdict kept = check(trial, treatment, t_ms);
    contact_cache_clear(&trial->history);
    struct contact_verdict anew = check(trial, treatment, t_ms);
    assert_ptr_equal(kept.blocking, anew.blocking);
    assert_int_equal(kept.free_at_ms, anew.free_at_ms);
    assert_int_equal(kept.send_after_ms, anew.send_after_ms);
    assert_int_equal(kept.standing.free_at_ms, anew.standing.free_at_ms);
    assert_int_equal(kept.standing.counted, anew.standing.counted);
    assert_int_equal(kept.standing.pending, anew.standing.pending);
}

/* One after the other: the contact of each rank counts for those below, as if it had been read. */
static void add_some(struct trial *trial, int64_t t_ms, bool clears, struct random *random) {
    struct contact_history *history = &trial->history;
    const struct treatment_set *treatments = scene_treatments_at(&trial->scene, t_ms);
    for (int added = 0; added < 6; added++) {
        uint64_t which = random_below(random, treatments->count);
        assert_int_equal(contact_history_add(history, &treatments->treatments[which], t_ms),
                         STATUS_OK);
        for (size_t i = 1; i < history->messages.count; i++) {
            const struct contact *older = &history->messages.items[i - 1], *newer = older + 1;
            assert_true(older->time_ms < newer->time_ms ||
                        (older->time_ms == newer->time_ms && older->key_hash <= newer->key_hash));
        }
        if (clears) assert_int_equal(contact_series_order(history, &history->messages), STATUS_OK);
        for (uint32_t i = 0; i < treatments->count; i++) {
            if (clears)
                check_again(trial, &treatments->treatments[i], t_ms);
            else
                (void)check(trial, &treatments->treatments[i], t_ms);
        }
    }
    for (uint32_t i = 0; i < treatments->count; i++)
        check_again(trial, &treatments->treatments[i], t_ms);
}

/* The chain of each treatment holds all of its contacts, newest first. */
static void check_chains(const struct contact_series *series) {
    for (size_t i = 0; i < series->count; i++) {
        uint32_t older = UINT32_MAX;
        for (size_t k = 0; k < i; k++)
            older = series->items[k].key_hash == series->items[i].key_hash ? (uint32_t)k : older;
        assert_int_equal(series->items[i].older, older);
    }
}

static void test_what_a_decision_adds_counts_for_the_ranks_below(void **state) {
    (void)state;
    static struct trial trial;
    struct random random;
    random_init(&random, 4);
    for (int round = 0; round < 80; round++) {
        make(&trial, &random);
        for (int i = 0; i < 6; i++) {
            int64_t t_ms = DAY(60) + (int64_t)random_below(&random, 60 * 96) * 15 * TIME_MINUTE_MS;
            read_history(&trial, t_ms);
            if (i % 2 == 0) judge_all(&trial, t_ms);
            add_some(&trial, t_ms, i % 3 == 0, &random);
            check_chains(&trial.history.messages);
            check_chains(&trial.history.events);
        }
        end(&trial);
    }
}

/* A day of quiet times, minute by minute, in spring, in autumn and in between. */
static void test_quiet_ends_when_the_clock_says_so(void **state) {
    (void)state;
    static struct trial trial;
    static const char *const quiet[] = {"21:00-08:00", "01:15-02:30", "01:00-02:00",
                                        "00:30-01:30", "22:00-02:45", "08:00-03:00"};
    static const int64_t nights[] = {INT64_C(1489276800000), INT64_C(1509840000000),
                                     INT64_C(1498998000000)};
    char text[4096];
    for (size_t q = 0; q < sizeof quiet / sizeof *quiet; q++) {
        snprintf(text, sizeof text, "%s  - { quiet: \"%s\" }\n", playbook, quiet[q]);
        scene_init(&trial.scene, text);
        scene_lookup(&trial.scene, "offer", "1|\n");
        const struct treatment *treatment = scene_treatment(&trial.scene, "letter/1");
        const struct policy *policy = &trial.scene.playbook->policies[0], *holds;
        struct where where;
        assert_int_equal(where_init(&where, trial.scene.playbook), STATUS_OK);
        for (size_t n = 0; n < 3; n++) {
            for (int64_t t_ms = nights[n]; t_ms < nights[n] + 26 * TIME_HOUR_MS;
                 t_ms += 15 * TIME_MINUTE_MS) {
                int64_t end_ms = t_ms, send_ms = quiet_send_after(&where, treatment, t_ms, &holds);
                while (naive_quiet(trial.scene.playbook, policy, end_ms)) end_ms += TIME_MINUTE_MS;
                assert_int_equal(send_ms, end_ms);
                assert_int_equal(holds != NULL, end_ms > t_ms);
            }
        }
        where_release(&where);
        scene_release(&trial.scene);
    }
}

static void begin(struct trial *trial, const char *policies) {
    char text[4096];
    snprintf(text, sizeof text, "%s%s", playbook, policies);
    scene_init(&trial->scene, text);
    scene_lookup(&trial->scene, "offer", "1|\n");
    assert_int_equal(contact_history_init(&trial->history, &trial->scene.data), STATUS_OK);
}

/* Only what is open in every zone that the customer may be in; and where nothing is, nothing goes
 * out, whatever the decision. */
static void test_quiet_in_every_zone_that_it_may_be_in(void **state) {
    (void)state;
    static struct trial trial;
    char text[4096];
    struct contact_verdict verdict;
    const char *zones = "customer: { zones: [America/New_York, America/Los_Angeles], identifiers: ";
    const char *rest = strstr(playbook, "{ email: {} } }");
    snprintf(text, sizeof text, "zone: America/New_York\n%s%s  - { quiet: \"21:00-08:00\" }\n",
             zones, rest);
    scene_init(&trial.scene, text);
    scene_lookup(&trial.scene, "offer", "1|\n");
    assert_int_equal(contact_history_init(&trial.history, &trial.scene.data), STATUS_OK);
    const struct treatment *treatment = scene_treatment(&trial.scene, "letter/1");
    int64_t morning_ms = INT64_C(1499083200000); /* 2017-07-03 08:00 in New York, 05:00 there */
    read_history(&trial, morning_ms);
    verdict = check(&trial, treatment, morning_ms);
    assert_null(verdict.blocking); /* deciding is allowed at any hour */
    assert_int_equal(verdict.send_after_ms, morning_ms + 3 * TIME_HOUR_MS);
    verdict = check(&trial, treatment, morning_ms + 13 * TIME_HOUR_MS); /* 21:00 in New York */
    assert_int_equal(verdict.send_after_ms, morning_ms + 27 * TIME_HOUR_MS);
    end(&trial);
    begin(&trial,
          "  - { quiet: \"08:00-20:00\" }\n  - { quiet: \"19:00-09:00\", channel: email }\n");
    read_history(&trial, morning_ms);
    verdict = check(&trial, scene_treatment(&trial.scene, "thanks"), morning_ms);
    assert_ptr_equal(verdict.blocking, &trial.scene.playbook->policies[0]);
    assert_true(verdict.free_at_ms >= TIME_NEVER);
    end(&trial);
}

static void test_what_became_known_later_has_not_counted_yet(void **state) {
    (void)state;
    static struct trial trial;
    begin(&trial, "  - { at_most: 1, in: 10d }\n");
    scene_event_known(&trial.scene, 1, "email:Treatment Delivered", DAY(1), DAY(3),
                      "treatment='letter/1'");
    const struct treatment *treatment = scene_treatment(&trial.scene, "banner");
    read_history(&trial, DAY(3) - 1);
    assert_null(check(&trial, treatment, DAY(3) - 1).blocking);
    read_history(&trial, DAY(3));
    struct contact_verdict verdict = check(&trial, treatment, DAY(3));
    assert_non_null(verdict.blocking);
    assert_int_equal(verdict.free_at_ms, DAY(11));
    end(&trial);
}

/* A cap counts all that there is: it opened beyond 4,096 events. */
static void test_no_number_of_events_opens_a_policy(void **state) {
    (void)state;
    static struct trial trial;
    begin(&trial, "  - { at_most: 1, in: 100d, channel: email }\n"
                  "  - { after: Rejected, wait: 200d, of: same treatment }\n");
    scene_event(&trial.scene, 1, "email:Treatment Delivered", DAY(1), "treatment='letter/1'");
    scene_event(&trial.scene, 1, "email:Treatment Rejected", DAY(1), "treatment='thanks'");
    for (int i = 0; i < 20000; i++)
        scene_event(&trial.scene, 1, "phone:Treatment Clicked", DAY(2), "treatment='advice'");
    read_history(&trial, DAY(3));
    struct contact_verdict verdict =
        check(&trial, scene_treatment(&trial.scene, "letter/1"), DAY(3));
    assert_ptr_equal(verdict.blocking, &trial.scene.playbook->policies[0]);
    assert_int_equal(verdict.free_at_ms, DAY(101));
    assert_int_equal(verdict.standing.counted, 1);
    verdict = check(&trial, scene_treatment(&trial.scene, "thanks"), DAY(3));
    assert_ptr_equal(verdict.blocking, &trial.scene.playbook->policies[1]);
    end(&trial);
}

/* Of a timeline that was cut the oldest rows are missing: they may have been contacts. */
static void test_a_cut_timeline_holds(void **state) {
    (void)state;
    static struct trial trial;
    begin(&trial, "  - { at_most: 2, in: 10d }\n  - { after: Complained, wait: 4d }\n");
    scene_event(&trial.scene, 1, "web:Complained", DAY(0), "");
    struct timeline_source *source = trial.scene.data.source;
    struct timeline_reader *reader;
    struct timeline timeline;
    struct timeline_request request = {.as_of = {DAY(2), POSITION_NOW},
                                       .needs = TIMELINE_CHANNEL | TIMELINE_PACKED};
    assert_int_equal(source->ops->reader_open(source, &reader, NULL), STATUS_OK);
    assert_int_equal(source->ops->read(reader, (struct customer_id){1}, &request, &timeline, NULL),
                     STATUS_OK);
    timeline.truncated = true;
    assert_int_equal(contact_history_read(&trial.history, &timeline, DAY(2), true), STATUS_OK);
    struct contact_verdict verdict =
        check(&trial, scene_treatment(&trial.scene, "letter/1"), DAY(2));
    assert_non_null(verdict.blocking);
    assert_true(verdict.standing.cut);
    assert_int_equal(verdict.standing.free_at_ms, DAY(10));
    assert_null(check(&trial, scene_treatment(&trial.scene, "letter/1"), DAY(10)).blocking);
    source->ops->reader_close(reader);
    end(&trial);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts_equal_the_naive_ones),
        cmocka_unit_test(test_what_a_decision_adds_counts_for_the_ranks_below),
        cmocka_unit_test(test_quiet_ends_when_the_clock_says_so),
        cmocka_unit_test(test_quiet_in_every_zone_that_it_may_be_in),
        cmocka_unit_test(test_no_number_of_events_opens_a_policy),
        cmocka_unit_test(test_a_cut_timeline_holds),
        cmocka_unit_test(test_what_became_known_later_has_not_counted_yet),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
