/* SPDX-License-Identifier: Apache-2.0 */
/* The funnel: which stage stops what, the order of what is left, and the holdout. */
#include "trial.h"

#include "decide/decide_internal.h"
#include "measure/funnel.h"

static void test_first_stage_that_says_no_stops(void **state) {
    (void)state;
    begin("actions:\n"
          "  past: { for_each: offer, goal: order, available: now >= action.starts, purpose: "
          "location, channels: [web] }\n"
          "  private: { goal: order, purpose: location, eligible: orders_90d >= 1, channels: [web] "
          "}\n"
          "  buyers: { goal: order, eligible: orders_90d >= 1, applicable: orders_90d >= 1, "
          "channels: [web] }\n"
          "  later: { goal: order, applicable: recency > 3d, channels: [web] }\n"
          "  unfit: { goal: order, suitable: clicks > 5, channels: [web] }\n"
          "  often: { goal: order, channels: [web] }\n"
          "  dear: { goal: order, cost: 6 USD, channels: [web] }\n"
          "  untaught: { goal: rare, channels: [web] }\n"
          "  good: { goal: order, channels: [web] }\n"
          "  second: { goal: order, cost: 1 USD, channels: [web] }\n"
          "policies:\n"
          "  - { at_most: 0, in: 1d, action: often }\n");
    trial.bases[2].rate = NAN;
    decide(DAY(1));
    assert_stage("past/1", "web", "available");
    assert_stage("private", "web", "consent");
    assert_true(trace_of("private", "web")->unknown);
    assert_stage("buyers", "web", "eligible");
    assert_false(trace_of("buyers", "web")->unknown);
    assert_stage("later", "web",
                 "applicable"); /* never ordered: since is unknown, and unknown is no yes */
    assert_true(trace_of("later", "web")->unknown);
    assert_stage("unfit", "web", "suitable");
    assert_stage("often", "web", "contact policies");
    assert_stage("dear", "web", "arbitration");
    assert_stage("untaught", "web", "propensity");
    assert_stage("good", "web", "offered");
    assert_stage("second", "web", "placement");
    assert_int_equal(trial.decision.ranked_count, 1);
    assert_ranked(0, "good");
    assert_why_not("often", "as things stand, not within");
    assert_why_not("private", "not before the customer agrees");
    assert_why_not("private", "location");
    assert_why_not("dear", "below its cost 6.00");
    assert_why_not("goood", "did you mean good?");
}

static void test_priority_is_the_formula_of_the_domain(void **state) {
    (void)state;
    begin("actions:\n"
          "  plain: { goal: order, channels: [web] }\n"
          "  all: { goal: order, weight: 1.5, lever: 10%, group: g, issue: i, cost: 0.75 USD, "
          "channels: { web: {}, email: { cost: 2 USD } } }\n"
          "  worthless: { goal: click, channels: [web] }\n"
          "  measured: { goal: rare, channels: [web] }\n"
          "  nothing: { goal: order, cost: 5 USD, channels: [web] }\n"
          "levers: { groups: { g: 5% }, issues: { i: -25% } }\n"
          "decide: { slots: 9 }\n");
    decide(DAY(1));
    assert_near(trace_of("plain", "web")->priority, 0.25 * 20);
    assert_near(trace_of("all", "web")->priority, 0.25 * 1.5 * 20 * 0.9 - 0.75);
    assert_near(trace_of("all", "email")->priority, 0.25 * 1.5 * 20 * 0.9 - 2);
    assert_near(trace_of("worthless", "web")->priority, 0.5);
    assert_near(trace_of("measured", "web")->priority, 0.1 * 30);
    assert_near(trace_of("nothing", "web")->priority, 0);
    assert_stage("nothing", "web", "arbitration"); /* nothing competes at 0 and wins a tie */
    /* `all` once, though it could go by two channels. */
    assert_int_equal(trial.decision.ranked_count, 4);
    assert_ranked(0, "all");
    assert_int_equal(decision_ranked(&trial.decision, 0).treatment->channel,
                     symbol_find(trial.scene.symbols, SYMBOL_CHANNEL, TEXT("web")));
    assert_ranked(1, "plain");
    assert_ranked(2, "measured");
    assert_ranked(3, "worthless");
    assert_stage("all", "email", "placement");
    for (uint32_t i = 0; i < 4; i++) assert_true(trial.decision.probability[i] == 1);
}

static void test_ties_go_by_playbook_order_and_slots_are_filled(void **state) {
    (void)state;
    begin("actions:\n"
          "  zebra: { goal: order, channels: [web, email] }\n"
          "  apple: { goal: order, channels: [web] }\n"
          "  mango: { goal: order, channels: [web] }\n"
          "decide: { slots: 2 }\n");
    decide(DAY(1));
    assert_int_equal(trial.decision.ranked_count, 2);
    assert_ranked(0, "zebra");
    assert_ranked(1, "apple");
    assert_stage("zebra", "email", "placement");
    assert_stage("mango", "web", "placement");
}

static void test_no_channel_without_its_own_opt_in(void **state) {
    (void)state;
    begin("actions:\n"
          "  letter: { goal: order, channels: [email, sms] }\n"
          "  topical: { goal: order, topic: health, channels: [web] }\n"
          "  study: { goal: order, group: studies, channels: [web] }\n"
          "policies:\n"
          "  - { never_without: opt_in, channel: email }\n"
          "  - { never_without: opt_in, channel: sms }\n"
          "  - { never_without: consent to research, group: studies }\n");
    struct scene *scene = &trial.scene;
    decide(DAY(1));
    assert_stage("letter", "email", "consent"); /* unknown is no */
    assert_true(trace_of("letter", "email")->unknown);
    assert_stage("topical", "web", "consent");
    assert_why_not("topical", "health");
    assert_stage("study", "web", "consent");
    scene_event(scene, ANN, "Opt In Changed", DAY(2), "channel='email' state=yes");
    scene_event(scene, ANN, "Consent Changed", DAY(2), "purpose='sms' state=yes");
    scene_event(scene, ANN, "Consent Changed", DAY(2), "purpose='personalise' state=yes");
    decide(DAY(2));
    assert_stage("letter", "email", "offered");
    assert_stage("letter", "sms", "consent");  /* one channel's word is not another's */
    assert_stage("topical", "web", "consent"); /* a sensitive topic needs its own word */
    scene_event(scene, ANN, "Opt In Changed", DAY(3), "channel='sms' state=no");
    scene_event(scene, ANN, "Consent Changed", DAY(3), "purpose='health' state=yes");
    scene_event(scene, ANN, "Consent Changed", DAY(3), "purpose='research' state=yes");
    decide(DAY(3));
    assert_stage("letter", "sms", "consent");
    assert_false(trace_of("letter", "sms")->unknown);
    assert_stage("topical", "web", "placement");
    assert_stage("study", "web", "placement");
    scene_event(scene, ANN, "Opt In Changed", DAY(4), "channel='email' state=no");
    decide(DAY(4));
    assert_stage("letter", "email", "consent");
}

/* What a sentence tells the customer is used, too. */
static void test_a_reason_that_tells_something_sensitive_needs_consent(void **state) {
    (void)state;
    begin("actions:\n"
          "  plain: { goal: order, channels: [web], reason: \"You clicked {clicks} times.\" }\n"
          "  known: { goal: order, channels: [web], reason: \"You asked {asked} times.\" }\n"
          "decide: { slots: 2 }\n");
    decide(DAY(1));
    assert_stage("plain", "web", "offered");
    assert_stage("known", "web", "consent");
    assert_why_not("known", "health");
    scene_event(&trial.scene, ANN, "Consent Changed", DAY(2), "purpose='health' state=yes");
    decide(DAY(2));
    assert_stage("known", "web", "offered");
}

static void test_consent_is_asked_where_the_playbook_requires_it(void **state) {
    (void)state;
    begin("consent: { required: yes }\n"
          "actions: { letter: { goal: order, channels: [web] }, notice: { goal: click, service: "
          "yes, channels: [web] } }\n");
    decide(DAY(1));
    assert_stage("letter", "web", "consent");
    assert_why_not("letter", "personalise");
    assert_stage("notice", "web", "offered"); /* a service message is no marketing */
    scene_event(&trial.scene, ANN, "Consent Changed", DAY(2), "purpose='personalise' state=yes");
    decide(DAY(2));
    assert_stage("letter", "web", "offered");
}

static void test_holdout_share_and_stability(void **state) {
    (void)state;
    begin("actions:\n"
          "  letter: { goal: order, channels: [web] }\n"
          "  notice: { goal: click, service: yes, channels: [web], eligible: clicks >= 2 }\n"
          "holdout: { share: 10%, salt: spring }\n");
    const struct playbook *book = trial.scene.playbook;
    uint32_t in = 0, first = UINT32_MAX;
    for (uint32_t i = 0; i < 100000; i++) {
        bool held = holdout_draws(book, (struct customer_id){i});
        assert_true(held == holdout_draws(book, (struct customer_id){i}));
        in += held;
        if (held && first == UINT32_MAX) first = i;
    }
    assert_in_range(in, 10000 - 400, 10000 + 400); /* four standard errors */
    scene_event(&trial.scene, first, "Clicked", DAY(1), "");
    decide_for(first, DAY(5));
    assert_true(decision_withholds(&trial.decision, 0));
    assert_int_equal(trial.decision.ranked_count, 1); /* decided for like anybody else */
    assert_non_null(strstr(reason_of(), "Would offer"));
    assert_why_not("letter", "withheld");
    uint32_t other = 0;
    while (holdout_draws(book, (struct customer_id){other})) other++;
    scene_event(&trial.scene, other, "Clicked", DAY(1), "");
    decide_for(other, DAY(5));
    assert_false(decision_withholds(&trial.decision, 0));
    assert_non_null(strstr(reason_of(), "Offer letter by web"));
}

static uint32_t drawn(bool in, uint32_t from) {
    while (holdout_draws(trial.scene.playbook, (struct customer_id){from}) != in) from++;
    return from;
}

/* The decision as an event of that persona, as the engine writes it. */
static void record(uint32_t persona, int64_t t_ms, const char *arm, const char *salt) {
    char properties[100];
    snprintf(properties, sizeof properties, "holdout='%s' salt='%s'", arm, salt);
    scene_event(&trial.scene, persona, "Decision Made", t_ms, properties);
}

static void check_holdout(uint32_t customer, int64_t t_ms, bool in, bool recorded, bool crossed) {
    decide_for(customer, t_ms);
    assert_int_equal(trial.decision.holdout.in, in);
    assert_int_equal(trial.decision.holdout.recorded, recorded);
    assert_int_equal(trial.decision.holdout.crossed, crossed);
    assert_int_equal(decision_withholds_some(&trial.decision), in);
}

/* Of several ranks the marketing alone is withheld, wherever the service message stands. */
static void test_the_holdout_withholds_marketing_only(void **state) {
    (void)state;
    begin("actions:\n"
          "  letter: { goal: order, channels: [web] }\n"
          "  notice: { goal: click, service: yes, weight: 100, channels: [web] }\n"
          "  recall: { goal: rare, service: yes, channels: [web], cost: 1 USD }\n"
          "decide: { slots: 3 }\n"
          "holdout: { share: 99%, salt: s }\n");
    uint32_t held = drawn(true, 10);
    scene_event(&trial.scene, held, "Clicked", DAY(1), "");
    decide_for(held, DAY(2));
    assert_ranked(0, "notice");
    assert_ranked(1, "letter");
    assert_ranked(2, "recall");
    assert_false(decision_withholds(&trial.decision, 0));
    assert_true(decision_withholds(&trial.decision, 1));
    assert_false(decision_withholds(&trial.decision, 2));
    assert_true(decision_withholds_some(&trial.decision));
    assert_non_null(strstr(reason_of(), "Offer notice"));
    assert_why_not("letter", "withheld");
    assert_null(strstr(why_not("recall"), "withheld"));
}

/* Whoever is merged into somebody of the other arm stays what it was first, and is told. */
static void test_the_first_record_of_the_holdout_counts(void **state) {
    (void)state;
    begin("actions: { letter: { goal: order, channels: [web] } }\nholdout: { share: 50%, salt: "
          "spring }\n");
    uint32_t held = drawn(true, 10), free = drawn(false, 10), late = drawn(false, 40),
             third = drawn(true, 60), alone = drawn(true, 80);
    scene_event(&trial.scene, held, "Clicked", DAY(1), "");
    scene_event(&trial.scene, free, "Clicked", DAY(1), "");
    check_holdout(held, DAY(2), true, false, false);
    check_holdout(free, DAY(2), false, false, false);
    record(free, DAY(2), "out", "spring");
    record(held, DAY(3), "in", "spring");
    scene_link(&trial.scene, free, held, DAY(5)); /* the survivor's id is drawn into the holdout */
    scene_event(&trial.scene, free, "Customer Merged", DAY(5), "");
    check_holdout(free, DAY(4), false, true, false);
    check_holdout(held, DAY(4), true, true, false);
    check_holdout(held, DAY(5), false, true, true);

    scene_event(&trial.scene, late, "Clicked", DAY(1),
                ""); /* a merge before the other was ever decided for is no crossing */
    record(late, DAY(2), "out", "spring");
    record(late, DAY(3), "out", "spring");
    scene_link(&trial.scene, late, third, DAY(5));
    scene_event(&trial.scene, late, "Customer Merged", DAY(5), "");
    check_holdout(third, DAY(6), false, true, false);

    scene_event(&trial.scene, alone, "Clicked", DAY(1), "");
    record(alone, DAY(2), "out", "winter"); /* another experiment */
    check_holdout(alone, DAY(3), true, false, false);
    scene_event_known(&trial.scene, alone, "Decision Made", DAY(2), DAY(9),
                      "holdout='out' salt='spring'");
    check_holdout(alone, DAY(8), true, false, false); /* not known yet */
    check_holdout(alone, DAY(9), false, true, false);
}

/* ---- contacts of our own decisions ---- */

/* The decision as an event, as the engine writes it. */
static void write_down(uint32_t persona) {
    struct scene *scene = &trial.scene;
    const struct decision *decision = &trial.decision;
    event_batch_clear(&scene->batch);
    assert_int_equal(decision_pack(trial.decider, decision, &scene->writer, &scene->batch.bytes),
                     STATUS_OK);
    struct event *event = event_batch_add(&scene->batch);
    assert_non_null(event);
    event->time_ms = event->known_ms = decision->t_ms;
    event->persona.value = persona;
    event->type = EVENT_DECISION_MADE;
    event->properties_length = (uint32_t)scene->batch.bytes.length;
    assert_int_equal(memory_source_add(scene->source, &scene->batch), STATUS_OK);
    scene->event_count++;
}

static void receipt(uint64_t of, uint32_t persona, const char *event, int64_t t_ms,
                    const char *treatment) {
    char id[DECISION_ID_BYTES], properties[100];
    decision_id_text(of, id);
    snprintf(properties, sizeof properties, "treatment='%s' decision='%s'", treatment, id);
    scene_event(&trial.scene, persona, event, t_ms, properties);
}

#define CAPPED                                                                                     \
    "actions:\n"                                                                                   \
    "  letter: { goal: order, channels: [email] }\n"                                               \
    "  leaflet: { goal: order, channels: [mail] }\n"                                               \
    "policies:\n"                                                                                  \
    "  - { at_most: 1, in: 7d, channel: email }\n"                                                 \
    "  - { at_most: 1, in: 7d, channel: mail }\n"

static void test_two_runs_on_one_day_do_not_both_send(void **state) {
    (void)state;
    begin(CAPPED "decide: { slots: 2 }\n");
    decide(DAY(1));
    assert_int_equal(trial.decision.ranked_count, 2);
    uint64_t id = trial.decision.id;
    write_down(ANN);
    decide(DAY(1)); /* the same run again is the same decision */
    assert_int_equal(trial.decision.ranked_count, 2);
    assert_true(trial.decision.id == id);
    decide(DAY(1.2));
    assert_stage("letter", "email", "contact policies");
    assert_stage("leaflet", "mail", "contact policies");
    assert_int_equal(trace_of("letter", "email")->standing.pending, 1);
    assert_why_not("letter", ": 1 of 1, pending since 2017-01-02 00:00)");
    assert_non_null(strstr(reason_of(), "pending since 2017-01-02"));
    assert_int_equal(trace_of("letter", "email")->free_at_ms, DAY(4)); /* no receipt comes */
    decide(DAY(4) - 1);
    assert_stage("letter", "email", "contact policies");
    decide(DAY(4));
    assert_stage("letter", "email", "offered"); /* given up: e-mail sends receipts within 3 days */
    assert_stage("leaflet", "mail", "contact policies"); /* a mail house sends none: handed over */
    decide(DAY(8));
    assert_stage("leaflet", "mail", "offered");
}

static void test_another_decision_of_the_same_moment_counts(void **state) {
    (void)state;
    begin(CAPPED "decide: { slots: 2 }\n");
    scene_decision(&trial.scene, ANN, DAY(1), DAY(1), "another", "letter", "email", false);
    decide(DAY(1));
    assert_stage("letter", "email", "contact policies");
    assert_stage("leaflet", "mail", "offered");
}

static void test_a_receipt_is_the_same_contact_and_a_failure_takes_it_back(void **state) {
    (void)state;
    begin(CAPPED);
    decide(DAY(1));
    write_down(ANN);
    const uint64_t id = trial.decision.id;
    receipt(id, ANN, "email:Treatment Delivered", DAY(2), "letter");
    receipt(id, ANN, "email:Treatment Shown", DAY(3), "letter");
    receipt(id, ANN, "email:Treatment Clicked", DAY(5), "letter");
    decide(DAY(6));
    assert_int_equal(trace_of("letter", "email")->standing.counted, 1);
    assert_int_equal(trace_of("letter", "email")->free_at_ms, DAY(9));
    receipt(id, ANN, "email:Treatment Failed", DAY(6), "letter"); /* it came back */
    decide(DAY(6));
    assert_stage("letter", "email", "offered");
}

static void test_one_decision_keeps_its_own_caps(void **state) {
    (void)state;
    begin("actions:\n"
          "  letter: { goal: order, channels: [email] }\n"
          "  second: { goal: order, cost: 1 USD, channels: [email, web] }\n"
          "  third: { goal: order, cost: 2 USD, channels: [email] }\n"
          "policies: [ { at_most: 1, per: day, channel: email } ]\n"
          "decide: { slots: 3 }\n");
    decide(DAY(1));
    assert_int_equal(trial.decision.ranked_count, 2);
    assert_stage("letter", "email", "offered");
    assert_stage("second", "email", "contact policies");
    assert_stage("second", "web", "offered");
    assert_stage("third", "email", "contact policies");
    assert_int_equal(trace_of("third", "email")->free_at_ms, DAY(2));
}

static void test_withheld_decisions_count_as_if_they_were_sent(void **state) {
    (void)state;
    begin(CAPPED "holdout: { share: 50%, salt: spring }\n");
    uint32_t held = drawn(true, 1);
    scene_event(&trial.scene, held, "Clicked", DAY(0), "");
    decide_for(held, DAY(1));
    assert_true(decision_withholds(&trial.decision, 0));
    write_down(held);
    decide_for(held, DAY(5)); /* no receipt will come, and none is waited for */
    assert_stage("letter", "email", "contact policies");
    assert_int_equal(trace_of("letter", "email")->standing.pending, 0);
    assert_int_equal(trace_of("letter", "email")->free_at_ms, DAY(8));
}

static void test_what_is_withheld_takes_no_place_from_a_service_message(void **state) {
    (void)state;
    begin("actions:\n"
          "  letter: { goal: order, channels: [email] }\n"
          "  notice: { goal: order, cost: 1 USD, service: yes, channels: [email] }\n"
          "  other: { goal: order, cost: 2 USD, service: yes, channels: [email] }\n"
          "policies: [ { at_most: 1, in: 7d } ]\n"
          "holdout: { share: 50%, salt: spring }\n");
    uint32_t held = drawn(true, 1), other = drawn(false, 1);
    scene_event(&trial.scene, held, "Clicked", DAY(0), "");
    scene_event(&trial.scene, other, "Clicked", DAY(0), "");
    decide_for(held, DAY(1));
    assert_int_equal(trial.decision.ranked_count, 2); /* one slot: a ghost and a notice */
    assert_ranked(0, "letter");
    assert_true(decision_withholds(&trial.decision, 0));
    assert_ranked(1, "notice");
    assert_false(decision_withholds(&trial.decision, 1));
    assert_stage("other", "email", "placement");
    decide_for(other, DAY(1));
    assert_int_equal(trial.decision.ranked_count, 1);
    assert_ranked(0, "letter");
}

static void test_quiet_times_defer_the_sending_alone(void **state) {
    (void)state;
    begin("actions: { letter: { goal: order, channels: [email, web] } }\n"
          "policies: [ { quiet: \"21:00-08:00\" } ]\n");
    decide(DAY(1)); /* midnight */
    assert_stage("letter", "email", "offered");
    assert_int_equal(trace_of("letter", "email")->send_after_ms, DAY(1) + 8 * TIME_HOUR_MS);
    assert_int_equal(trace_of("letter", "web")->send_after_ms, 0); /* he came by himself */
    assert_why_not("letter", "to be sent from 2017-01-02 08:00");
    write_down(ANN);
    decide(DAY(1.5));
    assert_int_equal(trace_of("letter", "email")->send_after_ms, 0);
}

/* ---- offers ---- */

static const char offers[] = "actions:\n"
                             "  special: { for_each: offer, available: action.starts <= now and "
                             "now < action.ends, goal: order, channels: [web] }\n"
                             "decide: { slots: 3 }\n";

/* `count` offers, one day each, from day 0 on; the last `open` of them are open for ever. */
static void add_offers(uint32_t count, uint32_t open) {
    struct buffer rows;
    char starts[32], ends[32];
    buffer_init(&rows);
    for (uint32_t i = 0; i < count; i++) {
        time_format(DAY(i), starts);
        time_format(i + open >= count ? DAY(40000) : DAY(i + 1), ends);
        assert_int_equal(buffer_format(&rows, "%u|%s|%s\n", i,
                                       i + open >= count ? "2017-01-01T00:00:00Z" : starts, ends),
                         STATUS_OK);
    }
    assert_int_equal(buffer_append(&rows, "", 1), STATUS_OK);
    scene_lookup(&trial.scene, "offer", rows.at);
    buffer_release(&rows);
}

static void test_offers_of_other_times_take_no_place(void **state) {
    (void)state;
    begin(offers);
    add_offers(3 * DECISION_TREATMENTS_MAX, 1);
    decide(DAY(5.5));
    assert_false(trial.decision.truncated);
    /* Today's, and the one that stands last in the table. */
    assert_int_equal(trial.decision.ranked_count, 2);
    assert_ranked(0, "special/5");
    assert_ranked(1, "special/3071");
    assert_why_not("special/2000", "stopped at \"available\"");
    assert_why_not("special/5000", "action special has no row 5000");
    decide(DAY(2000.5));
    assert_ranked(0, "special/2000");
}

static void test_more_offers_than_a_decision_holds_are_said_so(void **state) {
    (void)state;
    begin(offers);
    add_offers(2 * DECISION_TREATMENTS_MAX, 2 * DECISION_TREATMENTS_MAX);
    decide(DAY(5.5));
    assert_true(trial.decision.truncated);
    assert_int_equal(trial.decision.trace.count, DECISION_TREATMENTS_MAX);
}

static void test_a_decision_packed_and_read_again(void **state) {
    (void)state;
    begin("actions:\n"
          "  letter: { goal: order, channels: [web] }\n"
          "  banner: { goal: click, channels: [web] }\n"
          "  buyers: { goal: order, eligible: orders_90d >= 1, channels: [web] }\n"
          "  past: { for_each: offer, goal: order, available: now >= action.starts, channels: "
          "[web] }\n"
          "decide: { slots: 2 }\n"
          "holdout: { share: 99%, salt: s }\n");
    struct packed_writer writer;
    struct buffer out;
    struct list_reader list;
    struct value item;
    decide(DAY(1));
    assert_true(decision_withholds(&trial.decision, 0));
    packed_writer_init(&writer);
    buffer_init(&out);
    assert_int_equal(decision_pack(trial.decider, &trial.decision, &writer, &out), STATUS_OK);
    struct text packed = buffer_text(&out);
    assert_int_equal(packed_check(packed), STATUS_OK);
    assert_int_equal(list_reader_init(&list, packed_find(packed, PROPERTY_TREATMENT)), STATUS_OK);
    assert_int_equal(list_next(&list, &item), STATUS_OK);
    assert_true(text_equal(item.text, TEXT("letter")));
    assert_int_equal(list_next(&list, &item), STATUS_OK);
    assert_true(text_equal(item.text, TEXT("banner")));
    assert_int_equal(list_next(&list, &item), STATUS_END);
    assert_int_equal(list_reader_init(&list, packed_find(packed, PROPERTY_PROBABILITY)), STATUS_OK);
    assert_int_equal(list_next(&list, &item), STATUS_OK);
    assert_true(item.number == 1);
    /* The sentence is worked out when somebody reads it. */
    assert_false(value_is_known(packed_find(packed, PROPERTY_REASON)));
    assert_non_null(strstr(reason_of(), "Would offer letter by web"));
    assert_true(packed_find(packed, PROPERTY_WITHHELD).yes);
    assert_true(text_equal(
        packed_find(packed, symbol_find(trial.scene.symbols, SYMBOL_PROPERTY, TEXT("holdout")))
            .text,
        TEXT("in")));
    assert_true(text_equal(
        packed_find(packed, symbol_find(trial.scene.symbols, SYMBOL_PROPERTY, TEXT("salt"))).text,
        TEXT("s")));
    char hash[20];
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)trial.scene.playbook->hash);
    assert_true(text_equal(packed_find(packed, PROPERTY_PLAYBOOK).text, text_from(hash)));
    assert_true(text_equal(packed_find(packed, PROPERTY_TRACE).text, TEXT("2oea")));
    uint32_t messages = trial.decider->history.symbols.messages;
    assert_int_equal(list_reader_init(&list, packed_find(packed, messages)), STATUS_OK);
    assert_int_equal(list_next(&list, &item), STATUS_OK);
    assert_near(list_field(&list, PROPERTY_PRIORITY).number, 5);
    assert_near(list_field(&list, PROPERTY_PROPENSITY).number, 0.25);
    packed_writer_release(&writer);
    buffer_release(&out);
}

static void test_a_long_trace_still_fits_an_event(void **state) {
    (void)state;
    begin("actions:\n"
          "  a_very_long_name_of_an_action_that_says_all_about_itself: { for_each: offer, goal: "
          "order,\n"
          "    channels: [web] }\n");
    struct packed_writer writer;
    struct buffer out;
    add_offers(DECISION_TREATMENTS_MAX, DECISION_TREATMENTS_MAX);
    decide(DAY(1));
    packed_writer_init(&writer);
    buffer_init(&out);
    assert_int_equal(decision_pack(trial.decider, &trial.decision, &writer, &out), STATUS_OK);
    assert_int_equal(packed_check(buffer_text(&out)), STATUS_OK);
    assert_int_equal(list_count(packed_find(buffer_text(&out), PROPERTY_TREATMENT)), 1);
    struct text trace = packed_find(buffer_text(&out), PROPERTY_TRACE).text;
    for (uint32_t i = 0; i < DECISION_TREATMENTS_MAX; i++) {
        enum stage stage;
        assert_true(decision_trace_stage(trace, i, &stage));
        assert_int_equal(stage, trial.decision.trace.stage[i]);
    }
    assert_false(decision_trace_stage(trace, DECISION_TREATMENTS_MAX, &(enum stage){0}));
    packed_writer_release(&writer);
    buffer_release(&out);
}

/* What an issue or a group asks is asked of all its actions, beside what the action asks. */
static void test_issues_and_groups_ask_too(void **state) {
    (void)state;
    begin("issues: { grow: { eligible: clicks >= 1 }, keep: { purpose: research } }\n"
          "groups:\n"
          "  offers: { issue: grow, applicable: clicks < 3 }\n"
          "  care: { topic: health }\n"
          "actions:\n"
          "  a: { goal: order, group: offers, channels: [web] }\n"
          "  b: { goal: order, group: offers, applicable: clicks < 2, channels: [web] }\n"
          "  c: { goal: order, issue: grow, channels: [web] }\n"
          "  d: { goal: order, group: care, channels: [web] }\n"
          "  e: { goal: order, issue: keep, channels: [web] }\n"
          "  f: { goal: order, channels: [web] }\n"
          "decide: { slots: 6 }\n");
    decide(DAY(10)); /* no click for two days */
    assert_stage("a", "web", "eligible");
    assert_stage("c", "web", "eligible");
    assert_stage("d", "web", "consent");
    assert_stage("e", "web", "consent");
    assert_stage("f", "web", "offered");
    assert_true(text_equal(trace_of("a", "web")->treatment->action->issue, TEXT("grow")));
    assert_why_not("b", "clicks >= 1");
    for (int i = 0; i < 2; i++) scene_event(&trial.scene, ANN, "Clicked", DAY(10) + i, "");
    decide(DAY(11));
    assert_stage("a", "web", "offered");
    assert_stage("b", "web", "applicable");
    assert_stage("c", "web", "offered");
    assert_why_not("b", "(clicks < 3) and (clicks < 2)");
    scene_event(&trial.scene, ANN, "Clicked", DAY(11) + 1, "");
    decide(DAY(11) + 2);
    assert_stage("a", "web", "applicable");
    assert_stage("c", "web", "offered");
}

/* A goal of this customer has its own value, a lever runs for a time, and what a message may lose
 * is taken off. */
static void test_worth_of_a_customer(void **state) {
    (void)state;
    begin(
        "levers: { groups: { g: [ 10%, { percent: 40%, runs: 2017-01-11..2017-01-12T06:00 } ] } }\n"
        "channels: { email: { losses: { unsubscribe: { chance: 2%, value: 30 USD }, complaint: { "
        "chance: 1%, value: 'sum(\"Order Completed\".revenue) in 90d' } } } }\n"
        "actions:\n"
        "  a: { goal: order, starting_propensity: 50%, value: 3 USD * clicks, channels: [web] }\n"
        "  b: { goal: order, starting_propensity: 50%, group: g, channels: [email] }\n"
        "  c: { goal: order, starting_propensity: 50%, value: 'last(\"Order Completed\".revenue)', "
        "lever: { percent: -50%, runs: 2017-01-11..2017-01-12 }, channels: [web] }\n"
        "decide: { slots: 3 }\n");
    for (int i = 0; i < 2; i++) scene_event(&trial.scene, ANN, "Clicked", DAY(9) + i, "");
    decide(DAY(9.5)); /* the first of January is day 0 */
    assert_near(trace_of("a", "web")->priority, .5 * 3 * 2);
    assert_near(trace_of("b", "email")->priority, .5 * 20 * 1.1 - .02 * 30);
    assert_near(trace_of("b", "email")->cost, .6);
    assert_stage("c", "web", "propensity"); /* nothing was ordered yet */
    assert_true(trace_of("c", "web")->unknown);
    scene_event(&trial.scene, ANN, "Order Completed", DAY(9.6), "revenue=50USD");
    decide(DAY(10)); /* both levers begin */
    assert_near(trace_of("b", "email")->priority, .5 * 20 * 1.5 - .02 * 30 - .01 * 50);
    assert_near(trace_of("c", "web")->priority, .5 * 50 * .5);
    decide(DAY(11));
    assert_near(trace_of("b", "email")->lever, 1.5);
    assert_near(trace_of("c", "web")->priority, .5 * 50);
    decide(DAY(11.25));
    assert_near(trace_of("b", "email")->lever, 1.1);
}

/* What is likelier and worth less is told of, unless something was drawn. */
static void test_how_often_value_goes_first(void **state) {
    (void)state;
    static const char *const actions =
        "actions:\n"
        "  likely: { goal: order, starting_propensity: 60%, value: 2 USD, channels: [web] }\n"
        "  worthy: { goal: order, starting_propensity: 20%, value: 50 USD, channels: [web] }\n"
        "  dear: { goal: order, starting_propensity: 90%, value: 1 USD, cost: 2 USD, channels: "
        "[email] }\n";
    struct figure figures[FUNNEL_FIGURES];
    char text[900];
    for (int i = 0; i < 4; i++) {
        static const char *const more[] = {"",
                                           ("policies: [ { at_most: 0, in: 1d, action: likely }, { "
                                            "at_most: 0, in: 1d, action: dear } ]\n"),
                                           "policies: [ { at_most: 0, in: 1d, action: worthy } ]\n",
                                           "placements: { top: { actions: [worthy] } }\n"};
        static const bool goes_first[] = {true, false, true, false};
        struct funnel funnel = {0};
        snprintf(text, sizeof text, "%s%s", actions, more[i]);
        begin(text);
        struct decision_basis basis = {.placement = i == 3 ? TEXT("top") : TEXT("")};
        assert_int_equal(decider_name_basis(trial.decider, &basis, NULL), STATUS_OK);
        funnel_add(&funnel, decide(DAY(10)));
        assert_ranked(0, i == 2 ? "likely" : "worthy");
        /* Likely goes before dear, which costs more than it brings. */
        assert_int_equal(funnel.by_value, goes_first[i]);
        funnel_figures(&funnel, DAY(10), figures);
        assert_true(figures[3].value == goes_first[i] && figures[3].n == 1);
        end(NULL);
    }
}

int main(void) {
#define CASE(name) cmocka_unit_test_teardown(name, end)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_issues_and_groups_ask_too, end),
        cmocka_unit_test_teardown(test_worth_of_a_customer, end),
        cmocka_unit_test(test_how_often_value_goes_first),
        CASE(test_first_stage_that_says_no_stops),
        CASE(test_priority_is_the_formula_of_the_domain),
        CASE(test_ties_go_by_playbook_order_and_slots_are_filled),
        CASE(test_no_channel_without_its_own_opt_in),
        CASE(test_a_reason_that_tells_something_sensitive_needs_consent),
        CASE(test_consent_is_asked_where_the_playbook_requires_it),
        CASE(test_holdout_share_and_stability),
        CASE(test_the_holdout_withholds_marketing_only),
        CASE(test_the_first_record_of_the_holdout_counts),
        CASE(test_two_runs_on_one_day_do_not_both_send),
        CASE(test_another_decision_of_the_same_moment_counts),
        CASE(test_a_receipt_is_the_same_contact_and_a_failure_takes_it_back),
        CASE(test_one_decision_keeps_its_own_caps),
        CASE(test_withheld_decisions_count_as_if_they_were_sent),
        CASE(test_what_is_withheld_takes_no_place_from_a_service_message),
        CASE(test_quiet_times_defer_the_sending_alone),
        CASE(test_offers_of_other_times_take_no_place),
        CASE(test_more_offers_than_a_decision_holds_are_said_so),
        CASE(test_a_decision_packed_and_read_again),
        CASE(test_a_long_trace_still_fits_an_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
