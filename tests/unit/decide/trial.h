/* SPDX-License-Identifier: Apache-2.0 */
/* tests/unit/decide/trial.h -- a playbook's actions, a customer, and what is decided. Included once
 * a test program. */
#ifndef TESTS_UNIT_DECIDE_TRIAL_H
#define TESTS_UNIT_DECIDE_TRIAL_H

#include "support/unit.h"

#include "base/memory.h"
#include "decide/decide.h"
#include "support/scene.h"

#define HEAD                                                                                       \
    "customer: { identifiers: { email: {} } }\n"                                                   \
    "sources:\n"                                                                                   \
    "  offer: { file: offer.csv, lookup: offer_id, columns: [offer_id, starts, ends], header: "    \
    "no,\n"                                                                                        \
    "           types: { starts: time, ends: time } }\n"                                           \
    "events:\n"                                                                                    \
    "  Order Completed: { revenue: money }\n"                                                      \
    "  Clicked: { button: text }\n"                                                                \
    "traits:\n"                                                                                    \
    "  orders_90d: count(\"Order Completed\") in 90d\n"                                            \
    "  recency: since(\"Order Completed\")\n"                                                      \
    "  clicks: count(\"Clicked\") in 2d\n"                                                         \
    "  asked: { is: count(\"Clicked\") in 30d, topic: health }\n"                                  \
    "goals:\n"                                                                                     \
    "  order: { event: Order Completed, within: 10d, value: 20 USD }\n"                            \
    "  click: { event: Clicked, within: 10d }\n"                                                   \
    "  rare: { event: Order Completed, within: 10d, value: revenue }\n"

enum { ANN = 1 };

struct trial {
    struct scene scene;
    struct profile *profile;
    struct decider *decider;
    struct timeline_reader *reader;
    struct timeline timeline;
    struct goal_base bases[64];
    struct decision decision;
};
static struct trial trial;

static inline void begin(const char *actions) {
    char text[8192];
    const char *consent =
        strstr(actions, "consent: {") == NULL ? "consent: { purposes: [research] }\n" : "";
    snprintf(text, sizeof text, HEAD "%s%s", consent, actions);
    trial = (struct trial){.bases = {{.rate = 0.25, .value = NAN},
                                     {.rate = 0.5, .value = NAN},
                                     {.rate = 0.1, .value = 30}}};
    scene_init(&trial.scene, text);
    scene_lookup(&trial.scene, "offer", "1|2017-03-01T00:00:00Z|2017-03-02T00:00:00Z\n");
    assert_int_equal(profile_create(&trial.profile, &trial.scene.data), STATUS_OK);
    assert_int_equal(
        decider_create(&trial.decider, &trial.scene.data, trial.profile, NULL, trial.bases),
        STATUS_OK);
    scene_event(&trial.scene, ANN, "Clicked", DAY(0), "");
}

static inline int end(void **state) {
    (void)state;
    if (trial.reader != NULL) trial.reader->source->ops->reader_close(trial.reader);
    decider_destroy(trial.decider);
    profile_destroy(trial.profile);
    scene_release(&trial.scene);
    return 0;
}

static inline struct decision *decide_for(uint32_t customer, int64_t t_ms) {
    struct timeline_source *source = trial.scene.data.source;
    struct timeline_request request =
        profile_request(trial.profile, (struct as_of){t_ms, POSITION_NOW}, false);
    if (trial.reader != NULL) source->ops->reader_close(trial.reader);
    assert_int_equal(source->ops->reader_open(source, &trial.reader, NULL), STATUS_OK);
    assert_int_equal(source->ops->read(trial.reader, (struct customer_id){customer}, &request,
                                       &trial.timeline, NULL),
                     STATUS_OK);
    assert_int_equal(decide_customer(trial.decider, &trial.timeline, t_ms, &trial.decision, NULL),
                     STATUS_OK);
    return &trial.decision;
}

static inline const char *reason_of(void) {
    static char reason[DECISION_REASON_BYTES_MAX];
    decision_reason(trial.decider, &trial.timeline, &trial.decision, reason);
    return reason;
}

static inline struct decision *decide(int64_t t_ms) {
    return decide_for(ANN, t_ms);
}

static inline const struct treatment_trace *trace_of(const char *key, const char *channel) {
    uint32_t symbol = symbol_find(trial.scene.symbols, SYMBOL_CHANNEL, text_from(channel));
    static struct treatment_trace shown;
    for (uint32_t i = 0; i < decision_shown_count(&trial.decision); i++) {
        shown = decision_shown(&trial.decision, i);
        if (text_equal(shown.treatment->key, text_from(key)) && shown.treatment->channel == symbol)
            return &shown;
    }
    fail_msg("no trace of %s by %s", key, channel);
    return NULL;
}

#define assert_stage(key, channel, expected)                                                       \
    assert_string_equal(stage_name(trace_of(key, channel)->stopped_at), expected)
#define assert_ranked(rank, name)                                                                  \
    assert_true(text_equal(decision_ranked(&trial.decision, rank).treatment->key, text_from(name)))
#define assert_near(a, b) assert_true(fabs((a) - (b)) < 1e-9)

static inline void add_words(void *context, const struct why_not *why) {
    assert_int_equal(buffer_format(context, "%.*s\n", TEXT_ARG(why->words)), STATUS_OK);
    bool is_date = strstr(((struct buffer *)context)->at, "; from ") != NULL;
    if (is_date) assert_true(why->free_at_ms > 0);
}

static inline const char *why_not(const char *action) {
    static struct buffer out;
    buffer_release(&out);
    buffer_init(&out);
    struct error error = {0};
    enum status status = decision_why_not(trial.decider, &trial.timeline, &trial.decision,
                                          text_from(action), add_words, &out, &error);
    if (status != STATUS_OK) {
        buffer_clear(&out);
        assert_int_equal(buffer_append(&out, error.text, strlen(error.text)), STATUS_OK);
    }
    assert_int_equal(buffer_append(&out, "", 1), STATUS_OK);
    return out.at;
}

#define assert_why_not(action, words) assert_non_null(strstr(why_not(action), words))

#endif
