/* SPDX-License-Identifier: Apache-2.0 */
/* Words of closed lists: read where they are known, else in quarantine, and in doubt held. */
#include "support/unit.h"
#include <stdio.h>

#include "support/ingest_trial.h"

static const char playbook[] =
    "customer: { identifiers: { crm: , email: } }\n"
    "relations: { friend: }\n"
    "sources:\n"
    "  c: { file: t.csv, event: Consent Changed, time: at, key: { crm: crm }, row_key: id, "
    "properties: { purpose: purpose, state: state } }\n"
    "  o: { file: t.csv, event: Opt In Changed, time: at, key: { crm: crm }, row_key: id, "
    "properties: { channel: ch, state: state } }\n"
    "  sent: { file: t.csv, event: Treatment Delivered, channel: \"{ch}\", time: at, key: { crm: "
    "crm }, row_key: id, properties: { treatment: tr, channel: ch } }\n"
    "  sms: { file: t.csv, event: Treatment Delivered, channel: sms, time: at, key: { crm: crm }, "
    "row_key: id, properties: { treatment: tr, channel: ch } }\n"
    "  mute: { file: t.csv, event: Treatment Delivered, time: at, key: { crm: crm }, row_key: id, "
    "properties: { treatment: tr, decision: decision } }\n"
    "  r: { file: t.csv, event: Related, time: at, key: { crm: crm }, row_key: id, properties: { "
    "kind: kind, to: to, state: state } }\n"
    "  any: { file: t.csv, event: \"{what}\", time: at, key: { crm: crm }, row_key: id, "
    "properties: "
    "{ purpose: purpose, state: state } }\n"
    "  web: { file: t.ndjson, format: segment, key: { crm: userId } }\n"
    "events: { Bought: { n: number } }\n"
    "goals: { order: { event: Bought, within: 7d, value: 10 USD } }\n"
    "actions: { my_letter: { goal: order, channels: [email], starting_propensity: 10% }, "
    "call_or_write: "
    "{ goal: order, channels: [email, sms], starting_propensity: 10% } }\n";

static int begin(void **state) {
    trial_begin(state, playbook);
    return 0;
}

#define AT                "2024-01-02"
#define SAID(event, told) event " 2024-01-02T00:00:00Z {crm:1} " told "\n"
#define BAD(told)         "BAD t.csv:2:0: " told "\n"

static void check(const char *source, const char *columns, const char *row, const char *expected) {
    char file[512];
    snprintf(file, sizeof file, "id,crm,at,%s\n1,1," AT ",%s\n", columns, row);
    assert_string_equal(trial_text(&ingest_trial, source, file), expected);
}

static void states(void **state) {
    (void)state;
    static const char *const yes[] = {"yes",    "TRUE",     "1",          "t", "granted",
                                      "Opt-In", "opted in", "subscribed", "ja"};
    static const char *const no[] = {"no",           "FALSE",   "0",       "f",
                                     "withdrawn",    "denied",  "OPT-OUT", "opted_out",
                                     "unsubscribed", "revoked", " nein "};
    char row[64];
    for (size_t i = 0; i < sizeof yes / sizeof *yes; i++) {
        snprintf(row, sizeof row, "Personalise ,%s", yes[i]);
        check("c", "purpose,state", row,
              SAID("Consent Changed", "purpose=\"personalise\" state=yes"));
    }
    for (size_t i = 0; i < sizeof no / sizeof *no; i++) {
        snprintf(row, sizeof row, "EMAIL,%s", no[i]);
        check("o", "ch,state", row, SAID("Opt In Changed", "state=no channel=\"email\""));
    }
}

static void in_doubt_hold(void **state) {
    (void)state;
    check("c", "purpose,state", "personalise,maybe",
          BAD("held for purpose personalise: 'maybe' says neither yes nor no"));
    check("c", "purpose,state", "personalize,no",
          BAD("held for every purpose: 'personalize' is no purpose of this playbook: did you mean "
              "personalise?"));
    check("c", "purpose,state", "personalize,yes",
          BAD("'personalize' is no purpose of this playbook: did you mean personalise?"));
    check("c", "purpose,state", "personalise,",
          BAD("held for purpose personalise: the row says no state, yes or no"));
    check("c", "purpose,state", ",no", BAD("held for every purpose: the row says no purpose"));
    check("o", "ch,state", "e-mail,no",
          BAD("held for every channel: 'e-mail' is no channel of this playbook: did you mean "
              "email?"));
    check("o", "ch,state", "newsletter,out",
          BAD("held for every channel: 'newsletter' is no channel of this playbook: declare it "
              "under channels:, or mend the word"));
    assert_string_equal(
        trial_text(&ingest_trial, "o",
                   "id,crm,at,ch,state\n1,1,yesterday,email,no\n2,1,soon,email,yes\n"),
        "BAD t.csv:2:3: held for channel email: 'yesterday' is no time in column at: a time is "
        "2017-03-31 14:05:33, or what dates: declares\n"
        "BAD t.csv:3:3: 'soon' is no time in column at: a time is 2017-03-31 14:05:33, or what "
        "dates: declares\n");
    assert_string_equal(trial_text(&ingest_trial, "o", "id,crm,at,ch,state\n1,1," AT ",email\n"),
                        "BAD t.csv:2:5: held for every channel: the row has 4 fields, the file has "
                        "5 columns: state is missing\n");
}

/* Channels that the playbook does not name. "mail" is e-mail to many, so it waits. */
static void usual_channels(void **state) {
    (void)state;
    check("o", "ch,state", "Call-Center,no",
          SAID("Opt In Changed", "state=no channel=\"call_center\""));
    check("o", "ch,state", "Kiosk,yes", SAID("Opt In Changed", "state=yes channel=\"kiosk\""));
    check(
        "o", "ch,state", "mail,no",
        BAD("held for every channel: 'mail' is no channel of this playbook: did you mean email?"));
}

static void names_of_events(void **state) {
    (void)state;
    check("any", "what,purpose,state", "consent changed,social,revoked",
          SAID("Consent Changed", "purpose=\"social\" state=no"));
    check("any", "what,purpose,state", "Bought,,t", SAID("Bought", "state=yes"));
    check("any", "what,purpose,state", "Bought,,granted",
          "BAD t.csv:2:6: 'granted' is no yes/no in column state\n");
    check("any", "what,purpose,state", "Consent Change,social,revoked",
          BAD("held for purpose social: 'Consent Change' is no event: did you mean Consent "
              "Changed?"));
}

/* What a row says is judged anew where the row before said something else, or went away. */
static void rows_in_turns(void **state) {
    (void)state;
    assert_string_equal(
        trial_text(&ingest_trial, "sent",
                   "id,crm,at,tr,ch\n1,1," AT ",retired,email\n2,null," AT ",retired,email\n"
                   "3,null," AT ",retired,Email\n4,1," AT ",retired,fax machine\n"
                   "5,1," AT ",retired,email\n6,1," AT ",retired,e-mail\n7,1," AT ",retired,\n"),
        "Treatment Delivered 2024-01-02T00:00:00Z {crm:1} channel=\"email\" "
        "treatment=\"retired\"\n"
        "Treatment Delivered 2024-01-02T00:00:00Z {crm:null} channel=\"email\" "
        "treatment=\"retired\"\n"
        "Treatment Delivered 2024-01-02T00:00:00Z {crm:null} channel=\"email\" "
        "treatment=\"retired\"\n"
        "Treatment Delivered 2024-01-02T00:00:00Z {crm:1} channel=\"fax machine\" "
        "treatment=\"retired\"\n"
        "Treatment Delivered 2024-01-02T00:00:00Z {crm:1} channel=\"email\" "
        "treatment=\"retired\"\n"
        "Treatment Delivered 2024-01-02T00:00:00Z {crm:1} treatment=\"retired\"\n"
        "BAD t.csv:7:0: 'e-mail' is no channel of this playbook: did you mean email?\n");
}

static void treatments(void **state) {
    (void)state;
    assert_string_equal(
        trial_text(&ingest_trial, "sent",
                   "id,crm,at,tr,ch\n1,1," AT ",My Letter,Email\n2,1," AT ",MY_LETTER/A 1,email\n"
                   "3,1," AT ",retired,fax machine\n4,1," AT ",my_letter/ A 1 ,email\n"),
        "Treatment Delivered 2024-01-02T00:00:00Z {crm:1} channel=\"email\" "
        "treatment=\"my_letter\"\n"
        "Treatment Delivered 2024-01-02T00:00:00Z {crm:1} channel=\"email\" "
        "treatment=\"my_letter/A 1\"\n"
        "Treatment Delivered 2024-01-02T00:00:00Z {crm:1} channel=\"fax machine\" "
        "treatment=\"retired\"\n"
        "Treatment Delivered 2024-01-02T00:00:00Z {crm:1} channel=\"email\" "
        "treatment=\"my_letter/A 1\"\n");
    assert_int_equal(ingest_trial.progress.near.events, 0);
    check("sent", "tr,ch", "my-leter,email",
          SAID("Treatment Delivered", "channel=\"email\" treatment=\"my-leter\""));
    assert_int_equal(ingest_trial.progress.near.events, 1);
    assert_string_equal(ingest_trial.progress.near.action, "my_letter");
    check("sent", "tr,ch", "letter,e-mail",
          BAD("'e-mail' is no channel of this playbook: did you mean email?"));
}

/* One source that tells of messages in several channels. */
static void channels_of_messages(void **state) {
    (void)state;
    static const struct {
        const char *event, *channel, *by;
    } cases[] = {{"Treatment Delivered", "\"Email\"", "email"},
                 {"treatment clicked", "\"email\"", "email"},
                 {"Treatment Delivered", "\"fax machine\"", "web"},
                 {"Treatment Delivered", "null", "web"},
                 {"Bought", "\"email\"", "web"}};
    ingest_trial.with_channels = true;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char line[512], by[32];
        snprintf(line, sizeof line,
                 "{\"type\":\"track\",\"event\":\"%s\",\"userId\":\"1\",\"messageId\":\"m\","
                 "\"timestamp\":\"2024-01-02\",\"properties\":{\"channel\":%s}}\n",
                 cases[i].event, cases[i].channel);
        snprintf(by, sizeof by, " by %s {", cases[i].by);
        assert_non_null(strstr(trial_text(&ingest_trial, "web", line), by));
    }
    /* Where the source says the channel, that counts. */
    assert_non_null(
        strstr(trial_text(&ingest_trial, "sms", "id,crm,at,tr,ch\n1,1," AT ",my_letter,email\n"),
               " by sms {"));
    ingest_trial.with_channels = false;
}

static void relations(void **state) {
    (void)state;
    check("r", "kind,to,state", "Friend,EMAIL: B@X.example ,1",
          SAID("Related", "state=yes kind=\"friend\" to=\"email:b@x.example\""));
    check("r", "kind,to,state", "friend,C12,", SAID("Related", "kind=\"friend\" to=\"C12\""));
    check("r", "kind,to,state", "friend,emial:b@x.example,",
          BAD("'emial' is no type of identifier: did you mean email?"));
}

static const char *message(const char *preferences) {
    static char line[512];
    snprintf(
        line, sizeof line,
        "{\"type\":\"track\",\"event\":\"X\",\"userId\":\"1\",\"messageId\":\"m\","
        "\"timestamp\":\"2024-01-02\",\"context\":{\"consent\":{\"categoryPreferences\":%s}}}\n",
        preferences);
    return trial_text(&ingest_trial, "web", line);
}

#define CONSENT(told)                                                                              \
    "Consent Changed 2024-01-02T00:00:00Z {crm:1} purpose=" told " source=\"web\"\n"

static void preferences(void **state) {
    (void)state;
    assert_string_equal(
        message("{\"Personalise\":\"denied\",\"social\":0,\"measure\":\"granted\"}"),
        "X 2024-01-02T00:00:00Z {crm:1}\n" CONSENT("\"personalise\" state=no")
            CONSENT("\"social\" state=no") CONSENT("\"measure\" state=yes"));
    assert_string_equal(message("{\"personalise\":null}"),
                        "X 2024-01-02T00:00:00Z {crm:1}\nBAD t.ndjson:1:0: held for purpose "
                        "personalise: the consent to personalise says neither yes nor no\n");
    assert_string_equal(message("{\"personalise\":{\"granted\":false}}"),
                        "X 2024-01-02T00:00:00Z {crm:1}\nBAD t.ndjson:1:0: held for purpose "
                        "personalise: the consent to personalise says neither yes nor no\n");
    assert_string_equal(message("{\"personalize\":false}"),
                        "X 2024-01-02T00:00:00Z {crm:1}\nBAD t.ndjson:1:0: held for every purpose: "
                        "'personalize' is no purpose of this playbook: did you mean "
                        "personalise?\n");
    assert_string_equal(message("{\"Ads\":true}"),
                        "X 2024-01-02T00:00:00Z {crm:1}\n" CONSENT("\"Ads\" state=yes"));
    assert_string_equal(message("[\"personalise\"]"),
                        "X 2024-01-02T00:00:00Z {crm:1}\nBAD t.ndjson:1:0: held for every purpose: "
                        "categoryPreferences is no object of purposes\n");
    assert_string_equal(
        trial_text(&ingest_trial, "web",
                   "{\"batch\":[{\"type\":\"track\",\"event\":\"X\",\"userId\":\"1\",\"messageId\":"
                   "\"a\",\"timestamp\":\"soon\"},{\"type\":\"track\",\"event\":\"Opt In Changed\","
                   "\"userId\":\"1\",\"messageId\":\"b\",\"timestamp\":\"2024-01-02\","
                   "\"properties\":{\"channel\":\"e-mail\",\"state\":\"no\"}}]}\n"),
        "BAD t.ndjson:1:0: held for every channel: message 1 of the batch: 'soon' is no time in "
        "column timestamp: a time is 2017-03-31 14:05:33, or what dates: declares (and 1 more "
        "message)\n");
}

static void reasons_that_hold(void **state) {
    (void)state;
    char reason[128];
    struct ingest_hold hold;
    ingest_hold_write(reason, sizeof reason, false, TEXT("in app"), "why: so");
    assert_string_equal(reason, "held for channel in app: why: so");
    assert_true(ingest_hold_read(text_from(reason), &hold));
    assert_true(!hold.is_purpose && text_equal(hold.scope, TEXT("in app")) &&
                text_equal(hold.why, TEXT("why: so")));
    ingest_hold_write(reason, sizeof reason, true, (struct text){0}, "so");
    assert_true(ingest_hold_read(text_from(reason), &hold));
    assert_true(hold.is_purpose && hold.scope.length == 0);
    assert_false(ingest_hold_read(TEXT("the row is held for channel x: "), &hold));
    assert_false(ingest_hold_read(TEXT("held for channel"), &hold));
}

/* A contact limit on a channel counts a message only where the channel is known. */
static void messages_without_a_channel(void **state) {
    (void)state;
#define BY(channel, told)                                                                          \
    "Treatment Delivered 2024-01-02T00:00:00Z by " channel " {crm:1} " told "\n"
    ingest_trial.with_channels = true;
    check("mute", "tr,decision", "my_letter,", BY("email", "treatment=\"my_letter\""));
    check("sent", "tr,ch", "my_letter,NULL", BY("email", "treatment=\"my_letter\""));
    check("sent", "tr,ch", "my_letter,", BY("email", "treatment=\"my_letter\""));
    check("mute", "tr,decision", "call_or_write,",
          BAD("the row says no channel, and call_or_write has several: map channel: in the "
              "source"));
    check("sent", "tr,ch", "call_or_write,#N/A",
          BAD("the row says no channel, and call_or_write has several: map channel: in the "
              "source"));
    check("mute", "tr,decision", "retired,", BY("other", "treatment=\"retired\""));
    ingest_trial.with_channels = false;
}

/* With a basis it would pass for a decision of ours, and be made again as one. */
static void decisions_of_elsewhere(void **state) {
    (void)state;
    static const char line[] =
        "{\"type\":\"track\",\"event\":\"%s\",\"userId\":\"1\",\"messageId\":\"m\","
        "\"timestamp\":\"2024-01-02\",\"properties\":{\"decision\":\"d1\"%s}}\n";
    static const char basis[] = ",\"basis\":[{\"position\":7}]";
    char text[512];
    snprintf(text, sizeof text, line, "Decision Made", "");
    assert_non_null(strstr(trial_text(&ingest_trial, "web", text), "decision=\"d1\""));
    snprintf(text, sizeof text, line, "decision made", basis);
    assert_non_null(strstr(trial_text(&ingest_trial, "web", text), "can have no basis"));
    snprintf(text, sizeof text, line, "Bought", basis);
    assert_null(strstr(trial_text(&ingest_trial, "web", text), "BAD"));
}

static void relations_that_lead_nowhere(void **state) {
    (void)state;
    static const char *const nobody[] = {"", "NULL", "email:", "email: NULL", "crm: \\N "};
    char row[64];
    for (size_t i = 0; i < sizeof nobody / sizeof *nobody; i++) {
        snprintf(row, sizeof row, "friend,%s,yes", nobody[i]);
        check("r", "kind,to,state", row,
              BAD("the row says no person that the relation leads to (to)"));
    }
    check("r", "kind,to,state", ",email:a@x.org,yes", BAD("the row says no kind of relation"));
    check("r", "kind,to,state", "NULL,email:a@x.org,yes", BAD("the row says no kind of relation"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(states),
        cmocka_unit_test(in_doubt_hold),
        cmocka_unit_test(usual_channels),
        cmocka_unit_test(names_of_events),
        cmocka_unit_test(treatments),
        cmocka_unit_test(messages_without_a_channel),
        cmocka_unit_test(decisions_of_elsewhere),
        cmocka_unit_test(relations_that_lead_nowhere),
        cmocka_unit_test(channels_of_messages),
        cmocka_unit_test(relations),
        cmocka_unit_test(preferences),
        cmocka_unit_test(rows_in_turns),
        cmocka_unit_test(reasons_that_hold),
    };
    return cmocka_run_group_tests(tests, begin, trial_end);
}
