/* SPDX-License-Identifier: Apache-2.0 */
/* One broken playbook a row: what is wrong with it, where, and what the message must say. */
#include "playbook_trial.h"

/* Lines 1-4 of most rows, so that a row shows only what is wrong. */
#define HEAD                                                                                       \
    "attune: 1\n"                                                                                  \
    "customer: { identifiers: { email: , crm: } }\n"                                               \
    "events: { E: { n: number, t: text, m: money, at: time, items: { sku: text, price: money } } " \
    "}\n"                                                                                          \
    "goals: { g: { event: E, within: 3d } }\n"
#define OWN_HEAD                                                                                   \
    "attune: 1\n"                                                                                  \
    "customer: { identifiers: { email: , crm: } }\n"                                               \
    "events: { E: { n: number } }\n"                                                               \
    "goals:\n"                                                                                     \
    "  d: { event: Treatment Delivered, within: 3d }\n"

/* Three lines more. */
#define ACTION                                                                                     \
    "traits: { ill: { is: count(\"E\"), topic: health } }\n"                                       \
    "actions:\n"                                                                                   \
    "  a: { goal: g, channels: [web] }\n"

struct broken {
    const char *what;
    const char *playbook;
    uint32_t line, column;
    const char *message; /* a part of it */
};

/* A row a line. */
/* clang-format off */
static const struct broken the_file[] = {
    {"empty", "", 1, 1, "the file is empty"},
    {"no map", "- a\n", 1, 1, "a playbook is a map"},
    {"no YAML", "attune: 1\ngoals: { a: [ }\n", 2, 15, "check the indentation"},
    {"double key", "attune: 1\nname: a\nname: b\n", 3, 1, "already given in line 2"},
    {"alias", "attune: 1\nname: *x\n", 2, 7, "aliases (*name) are not allowed"},
    {"no version", "name: a\n", 1, 1, "attune is missing: begin the playbook with \"attune: 1\""},
    {"later version", "attune: 2\n", 1, 9, "reads version 1"},
    {"unknown key", "attune: 1\nacions: {}\n", 2, 1, "did you mean \"actions\"?"},
    {"strange key", "attune: 1\nfoo: {}\n", 2, 1, "the keys are attune, name, currency"},
    {"currency", "attune: 1\ncurrency: Dollar\n", 2, 11, "three capital letters such as USD"},
    {"zone", "attune: 1\nzone: America/Gotham\n", 2, 7, "no time zone is called \"America/Gotham\""},
    {"a list for a map", "attune: 1\ntraits: [a]\n", 2, 9, "traits is a list: write a map"},
    {"a text for a map", "attune: 1\ngoals: none\n", 2, 8, "goals is a plain value: write a map"},
    {"a map for a list", "attune: 1\npolicies: { a: b }\n", 2, 11, "policies is a map: write a list"},
};

static const struct broken lifetimes[] = {
    {"no orders", HEAD "lifetime: { l: { value: m } }\n", 5, 13, "has no orders: write orders: and the event"},
    {"a slip in the event", HEAD "lifetime: { l: { orders: F } }\n", 5, 26, "F"},
    {"a slip in a key", HEAD "lifetime: { l: { orders: E, valu: m } }\n", 5, 29, "did you mean \"value\"?"},
    {"no such property", HEAD "lifetime: { l: { orders: E, value: mm } }\n", 5, 16, "this event has no property 'mm'"},
    {"a value that is a text", HEAD "lifetime: { l: { orders: E, value: t } }\n", 5, 16, "the value of an order is money or a number, and 't' is text"},
    {"no model", HEAD "traits: { x: alive() }\n", 5, 14, "alive needs a lifetime model"},
    {"a slip in the name", HEAD "lifetime: { shop: { orders: E } }\ntraits: { x: alive(shp) }\n", 6, 20, "did you mean 'shop'?"},
    {"which one", HEAD "lifetime: { a: { orders: E }, b: { orders: E } }\ntraits: { x: expected_orders(3d) }\n", 6, 30, "several lifetime models: write which, as expected_orders(NAME, 180d)"},
    {"no value", HEAD "lifetime: { l: { orders: E } }\ntraits: { x: \"expected_value(l, 3d)\" }\n", 6, 15, "knows no value of an order"},
    {"no horizon", HEAD "lifetime: { l: { orders: E } }\ntraits: { x: expected_orders(l) }\n", 6, 31, "expected ',' and a duration such as 180d"},
    {"a horizon of nothing", HEAD "lifetime: { l: { orders: E } }\ntraits: { x: \"expected_orders(l, 0d)\" }\n", 6, 34, "'0d' is no duration"},
    {"one name for two", HEAD "lifetime: { l: { orders: E } }\nmodels: { l: { goal: g } }\n", 5, 13, "is the name of a model, too"},
};

#define OFFERS                                                                                     \
    HEAD                                                                                           \
    "actions:\n"                                                                                   \
    "  case: { goal: g, channels: [web], group: extras }\n"                                        \
    "  phone: { goal: g, channels: [web, email] }\n"

static const struct broken placements[] = {
    {"a slip in a channel", OFFERS "placements: { top: { channels: [wbe] } }\n", 8, 33, "did you mean \"web\"?"},
    {"a channel of no action", OFFERS "placements: { top: { channels: [sms] } }\n", 8, 33, "no channel of an action is called \"sms\""},
    {"a slip in an action", OFFERS "placements: { top: { actions: [phon] } }\n", 8, 32, "no action is called \"phon\": did you mean \"phone\"?"},
    {"a slip in a group", OFFERS "placements: { top: { groups: [extra] } }\n", 8, 31, "did you mean \"extras\"?"},
    {"slots of a placement", OFFERS "placements: { top: { channels: [web], slots: 17 } }\n", 8, 46, "write a whole number from 1 to 16"},
    {"sticky", OFFERS "placements: { top: { channels: [web], sticky: day } }\n", 8, 47, "write one of visit, no"},
    {"timeout", OFFERS "placements: { top: { channels: [web], timeout: 30s } }\n", 8, 48, "timeout is more than 10s"},
    {"a key of a placement", OFFERS "placements: { top: { chanels: [web] } }\n", 8, 22, "did you mean \"channels\"?"},
    {"channel twice", OFFERS "placements: { top: { channels: [web, web] } }\n", 8, 38, "channel web stands here twice"},
    {"nothing named", OFFERS "placements: { top: {} }\n", 8, 15, "no action may stand at placement top: write channels: [web]"},
    {"nothing fits", OFFERS "placements: { top: { channels: [email], actions: [case] } }\n", 8, 15, "none of these actions is offered in these channels"},
    {"a channel elsewhere", HEAD "actions:\n  a: { goal: g, channels: { web: { placement: tpo } } }\nplacements: { top: { channels: [web] } }\n", 6, 47, "no placement is called \"tpo\": did you mean \"top\"?"},
    {"a name in a content", HEAD "actions:\n  a: { goal: g, channels: { web: { content: { head: \"Hi {nmae}\" } } } }\n", 6, 58, "no attribute or trait is called \"nmae\""},
    {"a content without its end", HEAD "actions:\n  a: { goal: g, channels: { web: { content: \"Hi {name\" } } }\n", 6, 49, "without its name and"},
    {"a bundle of both", OFFERS "bundles: [ { only: case, never: case, with: phone } ]\n", 8, 12, "a bundle says one of only and never"},
    {"a bundle without with", OFFERS "bundles: [ { only: case } ]\n", 8, 12, "a bundle says one of only and never, and with"},
    {"a slip in a bundle", OFFERS "bundles: [ { only: case, with: phoen } ]\n", 8, 32, "did you mean \"phone\"?"},
    {"a list in a bundle", OFFERS "bundles: [ { never: [phone, exras], with: phone } ]\n", 8, 29, "did you mean \"extras\"?"},
    {"bundles in a circle", OFFERS "bundles: [ { only: case, with: phone }, { only: phone, with: extras } ]\n", 8, 12, "action case could never be offered"},
    {"a map of bundles", OFFERS "bundles: { only: case }\n", 8, 10, "bundles is a map: write a list"},
    {"a list of budgets", OFFERS "budgets: [ { stock: 1 } ]\n", 8, 10, "budgets is a list: write a map"},
    {"a budget of nothing", OFFERS "budgets: { a: { per: day } }\n", 8, 12, "budget a has none of cost, contacts, hours, stock and at_least"},
    {"a budget of two things", OFFERS "budgets: { a: { stock: 3, contacts: 5 } }\n", 8, 12, "has more than one of cost"},
    {"a budget in another currency", OFFERS "budgets: { a: { cost: 3 EUR } }\n", 8, 23, "EUR"},
    {"a budget below 0", OFFERS "budgets: { a: { stock: -3 } }\n", 8, 24, "stock"},
    {"a slip in a period", OFFERS "budgets: { a: { stock: 3, per: weak } }\n", 8, 32, "did you mean \"week\"?"},
    {"a slip in a budget's action", OFFERS "budgets: { a: { stock: 3, actions: [phoen] } }\n", 8, 37, "did you mean \"phone\"?"},
    {"a slip in a budget's group", OFFERS "budgets: { a: { stock: 3, groups: [extra] } }\n", 8, 36, "did you mean \"extras\"?"},
    {"a slip in a budget's channel", OFFERS "budgets: { a: { stock: 3, channels: [emial] } }\n", 8, 38, "did you mean \"email\"?"},
    {"a key of a budget", OFFERS "budgets: { a: { stock: 3, contact: 3 } }\n", 8, 27, "did you mean \"contacts\"?"},
    {"hours without each", OFFERS "budgets: { a: { hours: 3 } }\n", 8, 12, "write each: 12m"},
    {"each without hours", OFFERS "budgets: { a: { stock: 3, each: 12m } }\n", 8, 33, "each: has no place"},
    {"each of a year", OFFERS "budgets: { a: { hours: 3, each: 52w } }\n", 8, 33, "each is more than a day"},
    {"a budget about nothing", OFFERS "budgets: { a: { stock: 3, actions: [case], channels: [email] } }\n", 8, 12, "budget a is about no treatment"},
    {"context", HEAD "context: [page]\n", 5, 10, "context is a list: write a map"},
    {"a type of context", HEAD "context: { page: txt }\n", 5, 18, "did you mean \"text\"?"},
    {"a slip in context", HEAD "context: { page: text }\ntraits: { x: 'context.pgae == \"a\"' }\n", 6, 23, "did you mean 'page'?"},
    {"no context", HEAD "traits: { x: 'context.page == \"a\"' }\n", 5, 15, "write context: { page: text }"},
    {"a weight that is no number", HEAD "actions:\n  a: { goal: g, channels: [web], weight: 'count(\"E\") > 1' }\n", 6, 42, "weight is yes/no: write a number"},
    {"a weight of a treatment", HEAD "actions:\n  a: { goal: g, channels: [web], attributes: { rank: 2 }, weight: action.rank }\n", 6, 67, "weight reads action"},
    {"context in a goal", "attune: 1\nevents: { E: { t: text } }\ncontext: { page: text }\ngoals: { g: { event: E, within: 3d, where: 't == context.page' } }\n", 4, 50, "a goal is judged by what happened later"},
    {"context in a scenario", HEAD "context: { page: text }\ntraits: { on: 'context.page == \"a\"' }\nscenarios: { s: { when: 'count(\"E\") > 1 and on', goals: [g] } }\n", 7, 45, "'on' reads context"},
    {"context in available", HEAD "context: { page: text }\nactions:\n  a: { goal: g, channels: [web], available: 'context.page == \"a\"' }\n", 7, 46, "write it as applicable"},
};

#define WHERE "attune: 1\nevents: { E: { n: number, t: text } }\ncontext: { z: text }\n"
static const struct broken customer_zones[] = {
    {"neither", WHERE "customer: { zone: { form: 'last(\"E\".t)' } }\n", 4, 21, "did you mean \"from\"?"},
    {"none", WHERE "customer: { zone: {} }\n", 4, 19, "zone has neither from nor country"},
    {"a number", WHERE "customer: { zone: { from: 'last(\"E\".n)' } }\n", 4, 27, "from is number: write a text, such as last"},
    {"a slip", WHERE "customer: { zone: { country: 'last(\"E\".x)' } }\n", 4, 40, "no property 'x'"},
    {"context", WHERE "customer: { zone: { from: context.z } }\n", 4, 27, "a request can't say where the customer lives"},
    {"of a treatment", WHERE "customer: { zone: { from: action.t } }\ngoals: { g: { event: E, within: 3d } }\nactions: { a: { goal: g, channels: [web], attributes: { t: x } } }\n", 4, 27, "from reads action"},
};

static const struct broken settings[] = {
    {"experiment without a goal", OFFERS "experiments: { e: { arms: { a: {}, b: {} } } }\n", 8, 16, "experiment e has no goal: write goal:"},
    {"experiment without arms", OFFERS "experiments: { e: { goal: g } }\n", 8, 16, "experiment e has no arms: write arms:"},
    {"one arm", OFFERS "experiments: { e: { goal: g, arms: { a: {} } } }\n", 8, 36, "e has 1 arms: write 2 to 8"},
    {"arms of more than all", OFFERS "experiments: { e: { goal: g, arms: { a: { share: 60% }, b: { share: 50% } } } }\n", 8, 36, "shares of 110.0 % together: write shares that make 100%"},
    {"nothing left for an arm", OFFERS "experiments: { e: { goal: g, arms: { a: { share: 100% }, b: {} } } }\n", 8, 36, "leave nothing for the others"},
    {"a key of an arm", OFFERS "experiments: { e: { goal: g, arms: { a: { levrs: {} }, b: {} } } }\n", 8, 43, "did you mean \"levers\"?"},
    {"a key of an experiment", OFFERS "experiments: { e: { goal: g, strat: 2026-01-01, arms: { a: {}, b: {} } } }\n", 8, 30, "did you mean \"start\"?"},
    {"an action of an arm", OFFERS "experiments: { e: { goal: g, arms: { a: { without: [phon] }, b: {} } } }\n", 8, 53, "did you mean \"phone\"?"},
    {"a lever of an arm", OFFERS "experiments: { e: { goal: g, arms: { a: { levers: { phone: lots } }, b: {} } } }\n", 8, 60, "write a percentage from -100% to 1000%"},
    {"a stop before the start", OFFERS "experiments: { e: { goal: g, start: 2026-02-01, stop: 2026-01-01, arms: { a: {}, b: {} } } }\n", 8, 16, "stops before it starts"},
    {"a start that is no date", OFFERS "experiments: { e: { goal: g, start: soon, arms: { a: {}, b: {} } } }\n", 8, 37, "start is \"soon\": write a date such as 2026-03-01"},
    {"a full layer", OFFERS "experiments:\n  e: { goal: g, layer: l, share: 60%, arms: { a: {}, b: {} } }\n  f: { goal: g, layer: l, share: 50%, arms: { a: {}, b: {} } }\n", 10, 3, "layer l take 110.0 % of the customers together"},
    {"who is no condition", OFFERS "experiments: { e: { goal: g, who: 'count(\"E\")', arms: { a: {}, b: {} } } }\n", 8, 35, "write a condition that is yes or no"},
    {"who asks the moment", OFFERS "context: { weather: text }\nexperiments: { e: { goal: g, who: 'context.weather == \"sun\"', arms: { a: {}, b: {} } } }\n", 9, 36, "an arm is kept, whatever a later request says"},
    {"goal of an experiment", OFFERS "experiments: { e: { goal: gg, arms: { a: {}, b: {} } } }\n", 8, 27, "did you mean \"g\"?"},
    {"a lever without percent", HEAD "actions:\n  a: { goal: g, channels: [web], lever: { runs: 2026-01-01..2026-02-01 } }\n", 6, 41, "a lever has no percent"},
    {"runs", HEAD "actions:\n  a: { goal: g, channels: [web], lever: { percent: 5%, runs: 2026-01-01 } }\n", 6, 62, "write two times, such as"},
    {"runs backwards", HEAD "actions:\n  a: { goal: g, channels: [web], lever: [ { percent: 5%, runs: 2026-02-01..2026-01-01 } ] }\n", 6, 64, "runs ends before it begins"},
    {"a value that is none", HEAD "actions:\n  a: { goal: g, channels: [web], value: 'count(\"E\") > 1' }\n", 6, 41, "value is yes/no: write an amount"},
    {"a loss without chance", HEAD "channels: { email: { losses: { complaint: { value: 3 } } } }\n", 5, 32, "a loss has a chance and a value"},
    {"a loss of text", HEAD "channels: { email: { losses: { complaint: { chance: 1%, value: '\"x\"' } } } }\n", 5, 64, "value is text: write an amount"},
    {"a slip in a level", OFFERS "groups: { extra: { eligible: 'count(\"E\") > 1' } }\n", 8, 11, "did you mean \"extras\"?"},
    {"an issue of an issue", HEAD "actions:\n  a: { goal: g, issue: grow, channels: [web] }\nissues: { grow: { issue: x } }\n", 7, 26, "an issue is of no issue"},
    {"a key of a level", OFFERS "groups: { extras: { eligable: 'count(\"E\") > 1' } }\n", 8, 21, "did you mean \"eligible\"?"},
    {"a condition of a level", OFFERS "groups: { extras: { eligible: 'count(\"E\")' } }\n", 8, 31, "write a condition that is yes or no"},
    {"two topics", HEAD "actions:\n  a: { goal: g, group: x, topic: health, channels: [web] }\ngroups: { x: { topic: money } }\n", 7, 23, "may have one sensitive topic"},
    {"explore without a share", OFFERS "explore: { gamma: 10 }\n", 8, 10, "explore has no share: write share: 1%"},
    {"a share too small", OFFERS "explore: { share: 0.01% }\n", 8, 19, "write a percentage from 0.1% to 100%"},
    {"candidates", OFFERS "explore: { share: 1%, candidates: 11 }\n", 8, 35, "write a whole number from 2 to 10"},
    {"gamma", OFFERS "explore: { share: 1%, gamma: -1 }\n", 8, 30, "write a number"},
    {"a key of explore", OFFERS "explore: { share: 1%, gama: 5 }\n", 8, 23, "did you mean \"gamma\"?"},
    {"a slip in off", OFFERS "explore: { share: 1%, off: { channels: [wbe] } }\n", 8, 41, "did you mean \"web\"?"},
    {"a group of off", OFFERS "explore: { share: 1%, off: { groups: [extra] } }\n", 8, 39, "did you mean \"extras\"?"},
    {"an action of off", OFFERS "explore: { share: 1%, off: { actions: [phon] } }\n", 8, 40, "did you mean \"phone\"?"},
    {"a key of off", OFFERS "explore: { share: 1%, off: { chanels: [web] } }\n", 8, 30, "did you mean \"channels\"?"},
    {"off is no condition", OFFERS "explore: { share: 1%, off: { when: 'count(\"E\")' } }\n", 8, 36, "write a condition that is yes or no"},
    {"off of a treatment", HEAD "actions:\n  a: { goal: g, channels: [web], attributes: { rank: 2 } }\nexplore: { share: 1%, off: { when: action.rank > 1 } }\n", 7, 36, "when reads action"},
    {"share", "attune: 1\nholdout: { share: 0.05 }\n", 2, 19, "write a percentage from 0% to 99%, such as 5%"},
    {"no share", "attune: 1\nholdout: { salt: x }\n", 2, 10, "holdout has no share"},
    {"share range", "attune: 1\nholdout: { share: 100% }\n", 2, 19, "from 0% to 99%"},
    {"duration", "attune: 1\nlandmarks: { every: 2 months }\n", 2, 21, "write a duration such as 30m, 12h, 7d or 6w"},
    {"short", "attune: 1\nlandmarks: { every: 5m }\n", 2, 21, "every is less than an hour"},
    {"yes or no", "attune: 1\nlandmarks: { visits_only: maybe }\n", 2, 27, "write yes or no"},
    {"slots", "attune: 1\ndecide: { slots: 17 }\n", 2, 18, "write a whole number from 1 to 16"},
    {"purpose", "attune: 1\nrelations: { friend: { consent: socail } }\n", 2, 33, "did you mean \"social\"?"},
    {"two purposes", "attune: 1\nrelations: { a: { consent: share }, b: { consent: social } }\n", 2, 51, "all relations need the same one"},
    {"visits twice", HEAD "visits: { events: [E], channels: [web] }\n", 5, 34, "both events and channels"},
    {"visits", HEAD "visits: { events: [F] }\n", 5, 20, "no event is called \"F\""},
    {"identifier key", "attune: 1\ncustomer:\n  identifiers:\n    email: { per_custmer: 3 }\n", 4, 14, "did you mean \"per_customer\"?"},
    {"unique", "attune: 1\ncustomer: { identifiers: { a: { unique: yes, per_customer: 2 } } }\n", 2, 28, "a is unique, yet 2 per customer"},
    {"identifier name", "attune: 1\ncustomer: { identifiers: { e-mail: } }\n", 2, 28, "\"e-mail\" can't be an identifier's name"},
    {"per customer", "attune: 1\ncustomer: { identifiers: { a: { per_customer: 0 } } }\n", 2, 47, "from 1 to 1000000"},
    {"empty text", "attune: 1\nname: \"\"\n", 2, 7, "name is empty"},
};

static const struct broken events[] = {
    {"type", "attune: 1\nevents: { E: { n: numbr } }\n", 2, 19, "did you mean \"number\"?"},
    {"no type", "attune: 1\nevents: { E: { n: } }\n", 2, 16, "property n has no type"},
    {"field type", "attune: 1\nevents: { E: { items: { sku: list } } }\n", 2, 30, "no type is called \"list\""},
    {"property name", "attune: 1\nevents: { E: { \"a`b\": text } }\n", 2, 16, "can't be a property's name"},
    {"event name", "attune: 1\nevents: { 'a\"b': }\n", 2, 11, "can't be an event's name"},
    {"reserved", "attune: 1\nevents: { Consent Changed: { state: number } }\n", 2, 30, "this reserved event has it as yes/no"},
};

#define CSV "sources:\n  s: { file: s.csv, event: E, time: at, key: { email: mail }"
static const struct broken sources[] = {
    {"key", HEAD "sources: { s: { fil: a, event: E, time: t, key: { email: e } } }\n", 5, 17, "a source has no key \"fil\": did you mean \"file\"?"},
    {"no event", HEAD "sources: { s: { time: t, key: { email: e } } }\n", 5, 12, "source s says no event"},
    {"no time", HEAD "sources: { s: { event: E, key: { email: e } } }\n", 5, 12, "source s says no time"},
    {"no key", HEAD "sources: { s: { event: E, time: t } }\n", 5, 12, "says not whose events they are: write key:"},
    {"Segment without identifiers", HEAD "sources: { s: { format: segment } }\n", 5, 12, "declare user_id and anonymous_id"},
    {"format", HEAD "sources: { s: { format: parquet, event: E, time: t, key: { email: e } } }\n", 5, 25, "write one of csv, ndjson, segment"},
    {"identifier", HEAD "sources: { s: { event: E, time: t, key: { emial: e } } }\n", 5, 43, "did you mean \"email\"?"},
    {"sum without rows", HEAD CSV ", properties: { m: sum(a) } }\n", 6, 80, "say which they are with one_event_per"},
    {"function", HEAD CSV ", one_event_per: a, properties: { m: summ(a) } }\n", 6, 98, "did you mean \"sum\"?"},
    {"sum of text", HEAD CSV ", one_event_per: a, types: { b: text }, properties: { m: sum(b) } }\n", 6, 118, "b is text and can't be summed"},
    {"type", HEAD CSV ", types: { a: mony }, properties: { m: a } }\n", 6, 75, "did you mean \"money\"?"},
    {"dates", HEAD CSV ", dates: day-first }\n", 6, 70, "no way to write dates is called \"day-first\": did you mean \"day first\"?"},
    {"decimal", HEAD CSV ", decimal: ',' }\n", 6, 72, "write one of point, comma"},
    {"notation of a time", HEAD CSV ", types: { a: time dayfirst }, properties: { at: a } }\n", 6, 75, "behind time write day first, month first"},
    {"notation of a figure", HEAD CSV ", types: { a: money comma }, properties: { m: a } }\n", 6, 75, "behind money write decimal point or decimal comma"},
    {"notation of a text", HEAD CSV ", types: { a: text day first }, properties: { t: a } }\n", 6, 75, "type"},
    {"row key", HEAD CSV ", row_key: [] }\n", 6, 72, "row_key: write a column, or a list of 1 to 8"},
    {"version without a key", HEAD CSV ", row_version: v }\n", 6, 76, "row_version speaks of rows whose key is known, and source s has no row_key"},
    {"version of text", HEAD CSV ", row_key: k, row_version: v, types: { v: money } }\n", 6, 88, "a version is a time or a number"},
    {"retraction", HEAD CSV ", row_key: k, retract_when: deleted }\n", 6, 89, "such as { status: [deleted, cancelled] }"},
    {"retraction without a value", HEAD CSV ", row_key: k, retract_when: { state: } }\n", 6, 91, "column state has no value"},
    {"corrections", HEAD CSV ", row_key: k, corrections_max: many }\n", 6, 92, "corrections_max (a number of rows, or a share such as 30%)"},
    {"listen elsewhere", HEAD "sources: { s: { event: E, time: t, key: { email: e }, listen: /hook, signature: { scheme: twilio, secret: env A } } }\n", 5, 63, "/in/NAME"},
    {"listen unsigned", HEAD "sources: { s: { event: E, time: t, key: { email: e }, listen: /in/a } }\n", 5, 63, "anybody could send to it"},
    {"signature alone", HEAD "sources: { s: { event: E, time: t, key: { email: e }, signature: { scheme: twilio, secret: env A } } }\n", 5, 66, "signature is for sources with listen"},
    {"scheme", HEAD "sources: { s: { event: E, time: t, key: { email: e }, listen: /in/a, signature: { scheme: twillio, secret: env A } } }\n", 5, 91, "did you mean \"twilio\"?"},
    {"no secret", HEAD "sources: { s: { event: E, time: t, key: { email: e }, listen: /in/a, signature: { scheme: twilio } } }\n", 5, 81, "write scheme: and secret:"},
    {"secret in the clear", HEAD "sources: { s: { event: E, time: t, key: { email: e }, listen: /in/a, signature: { scheme: twilio, secret: abc123 } } }\n", 5, 107, "does not belong into a playbook"},
    {"header of a vendor", HEAD "sources: { s: { event: E, time: t, key: { email: e }, listen: /in/a, signature: { scheme: twilio, secret: env A, header: X } } }\n", 5, 122, "only hmac_sha256 has a header"},
    {"age without a time", HEAD "sources: { s: { event: E, time: t, key: { email: e }, listen: /in/a, signature: { scheme: twilio, secret: env A, max_age: 5m } } }\n", 5, 123, "this scheme signs no time"},
    {"listen late", HEAD "sources: { s: { event: E, time: t, key: { email: e }, arrives: 1d, listen: /in/a, signature: { scheme: twilio, secret: env A } } }\n", 5, 64, "write live, or leave it out"},
    {"listen to CSV", HEAD "sources: { s: { event: E, time: t, key: { email: e }, format: csv, listen: /in/a, signature: { scheme: twilio, secret: env A } } }\n", 5, 76, "takes JSON or forms"},
    {"again alone", HEAD CSV ", row_key: k, again: add }\n", 6, 82, "again: is for events of several rows"},
    {"lines alone", HEAD CSV ", row_key: k, lines: yes }\n", 6, 82, "lines: is for events of several rows"},
    {"lines of one key", HEAD CSV ", row_key: k, one_event_per: k, lines: yes }\n", 6, 100, "write row_key: [k, LINE]"},
    {"again", HEAD CSV ", row_key: k, one_event_per: k, again: ad }\n", 6, 100, "did you mean \"add\"?"},
    {"identifier without columns", HEAD "sources: { s: { event: E, time: t, key: { email: [] } } }\n", 5, 43, "identifier email has no column"},
    {"unused type", HEAD CSV ", types: { aa: money }, properties: { m: a } }\n", 6, 72, "types names the column \"aa\""},
    {"column", HEAD CSV ", columns: [at, mail, amount], properties: { m: amuont } }\n", 6, 109, "did you mean \"amount\"?"},
    {"any", HEAD CSV ", properties: any }\n", 6, 75, "properties: any is for NDJSON"},
    {"conflict", HEAD CSV ", types: { a: number }, properties: { m: a } }\n", 6, 99, "\"m\" is number here and money at playbook.yaml:3:36"},
    {"conflict of sources", HEAD CSV ", types: { a: number }, properties: { x: a } }\n  r: { file: r.csv, event: E, time: at, key: { email: mail }, types: { a: time }, properties: { x: a } }\n", 7, 97,
     "\"x\" is time here and number at playbook.yaml:6:99: give it one type"},
    {"list field", HEAD CSV ", properties: { items: [sku, { price: p, a: b }] } }\n", 6, 90, "a field of a list is one column"},
    {"conflict of fields", HEAD CSV ", types: { p: number }, properties: { items: { sku: sku, price: p } } }\n", 6, 118, "\"price\" is number here and money at"},
    {"template", HEAD CSV ", row_key: \"{a}/{b\" }\n", 6, 77, "a \"{\" without its name"},
    {"time of text", HEAD "sources:\n  look: { lookup: k }\n  s: { event: E, key: { email: e }, time: look.day }\n", 7, 43, "a time is needed; write time beside it in types"},
    {"lookup", HEAD "sources:\n  look: { lookup: k, types: { day: time } }\n" "  s: { event: E, key: { email: e }, time: lok.day }\n", 7, 43, "did you mean \"look\"?"},
    {"lookup field", HEAD "sources:\n  look: { lookup: k, types: { day: time } }\n  s: { event: E, key: { email: e }, time: look.dya }\n", 7, 48, "did you mean \"day\"?"},
    {"lookup with many", HEAD "sources:\n  look: { lookup: k, many: yes }\n  s: { event: E, key: { email: e }, time: look.day }\n", 7, 43, "many rows a key"},
    {"lookup with time", HEAD "sources: { l: { lookup: k, time: t } }\n", 5, 34, "a lookup is reference data and has no time"},
    {"lookup keys", HEAD "sources: { l: { lookup: [] } }\n", 5, 25, "write the key column"},
    {"many", HEAD CSV ", many: yes }\n", 6, 69, "many is for lookups"},
    {"delimiter", HEAD CSV ", delimiter: \"#\" }\n", 6, 74, "delimiter: write one of"},
    {"quote", HEAD CSV ", quote: \"'\" }\n", 6, 70, "quote: write none where a quote is a character"},
    {"skipped lines", HEAD CSV ", skip_lines: some }\n", 6, 75, "skip_lines"},
    {"expression in a sum", HEAD CSV ", one_event_per: a, properties: { m: sum(price * quantity) } }\n", 6, 98, "\"price * quantity\" is an expression"},
    {"figure in a sum", HEAD CSV ", one_event_per: a, properties: { m: sum(amount/100) } }\n", 6, 98, "is an expression"},
    {"condition in a sum", HEAD CSV ", one_event_per: a, properties: { m: sum(a where b) } }\n", 6, 98, "is an expression"},
    {"two columns in a min", HEAD "sources:\n  s:\n    event: E\n    time: t\n    key: { email: e }\n    one_event_per: a\n    properties:\n      m: min(a, b)\n", 12, 10, "is an expression"},
    {"expression in a count", HEAD CSV ", one_event_per: a, properties: { m: count(a + b) } }\n", 6, 98, "is an expression"},
    {"expression as a column", HEAD CSV ", properties: { m: price * 2 } }\n", 6, 80, "in braces is a column"},
    {"expression of a JSON line", HEAD "sources: { s: { format: ndjson, event: E, key: { email: e }, one_event_per: a, properties: { m: sum(a * b) } } }\n", 5, 97, "is an expression"},
    {"lookup in the event", HEAD "sources:\n  s: { event: \"{look.name}\", key: { email: e }, time: t }\n  look: { lookup: k }\n", 6, 17, "look.name is one of the lookup look"},
    {"lookup in the channel", HEAD "sources:\n  look: { lookup: k }\n  s: { event: E, channel: \"{look.name}\", key: { email: e }, time: t }\n", 7, 29, "is one of the lookup look"},
    {"lookup in a template", HEAD "sources:\n  look: { lookup: k }\n  s: { event: E, key: { email: e }, time: t, properties: { x: \"a/{look.name}\" } }\n", 7, 67, "is one of the lookup look"},
    {"lookup of a lookup", HEAD "sources:\n  look: { lookup: k }\n  far: { lookup: f }\n  s: { event: E, key: { email: e }, time: t, properties: { x: look.far.name } }\n", 8, 68, "a row is joined to one lookup and no further"},
    {"lookup by a lookup's column", HEAD "sources:\n  look: { lookup: k }\n  far: { lookup: family }\n  s: { event: E, key: { email: e }, time: t, properties: { family: look.family, x: far.name } }\n", 8, 84, "the lookup far is joined by the column family, which this source takes from the lookup look"},
    {"name without a header", HEAD "sources: { s: { file: s.csv, header: no, event: E, time: c1, key: { email: c2 }, properties: { m: amount } } }\n", 5, 99, "without a header the columns are c1, c2"},
    {"constant", HEAD CSV ", properties: { m: 'much' } }\n", 6, 80, "'much' is no money, and m is one"},
    {"columns twice", HEAD CSV ", columns: [at, mail, at] }\n", 6, 37, "columns names at twice"},
    {"NDJSON with columns", HEAD "sources: { s: { format: ndjson, columns: [a], key: { email: e } } }\n", 5, 42, "NDJSON has no columns"},
    {"channel", HEAD CSV ", channel: emial }\n", 6, 72, "did you mean \"email\"?"},
    {"zone", HEAD CSV ", zone: Mars }\n", 6, 69, "no time zone"},
    {"list in a column", HEAD CSV ", properties: { items: a } }\n", 6, 84, "items is a list: map it as one"},
};

static const struct broken traits[] = {
    {"circle", HEAD "traits:\n  z: c\n  a: b + 1\n  b: c + 1\n  c: a + 1\n", 7, 3, "in a circle, a -> b -> c -> a: let"},
    {"own circle", HEAD "traits: { a: a + 1 }\n", 5, 11, "in a circle, a -> a"},
    {"event", HEAD "traits: { a: count(\"F\") in 3d }\n", 5, 20, "F"},
    {"plain", HEAD "traits:\n  a: count(\"E\" where n > 3) in 30d + nothing\n", 6, 38, "nothing"},
    {"double quotes", HEAD "traits:\n  a: \"count(\\\"E\\\") in 30d + nothing\"\n", 6, 29, "nothing"},
    {"single quotes", HEAD "traits:\n  a: 'last(\"E\".t) == \"it''s\" and nothing'\n", 6, 34, "nothing"},
    {"literal block", HEAD "traits:\n  a: |\n    count(\"E\") in 30d\n      + nothing\n", 8, 9, "nothing"},
    {"folded block", HEAD "traits:\n  a: >-\n    count(\"E\") in 30d\n    + nothing\n", 8, 7, "nothing"},
    {"several lines", HEAD "traits:\n  a: count(\"E\") in 30d +\n     nothing\n", 7, 6, "nothing"},
    {"behind letters of two bytes", HEAD "traits:\n  a: last(\"E\".t) == \"Zürich\" and nothing\n", 6, 34, "nothing"},
    {"no expression", HEAD "traits:\n  a:\n", 6, 3, "trait a has no expression"},
    {"no is", HEAD "traits: { a: { says: x } }\n", 5, 11, "write is: and the expression"},
    {"key", HEAD "traits: { a: { is: 1, say: x } }\n", 5, 23, "did you mean \"says\"?"},
    {"word", HEAD "traits: { where: 1 }\n", 5, 11, "\"where\" is a word of the language"},
    {"name", HEAD "traits: { a-b: 1 }\n", 5, 11, "\"a-b\" can't be a trait's name"},
    {"a list", HEAD "traits: { a: \"[1, 2]\" }\n", 5, 14, ""},
    {"topics", HEAD "traits:\n  a: { is: count(\"E\"), topic: health }\n  b: { is: a > 1, topic: money }\n", 7, 3, "keep topics apart"},
};

static const struct broken goals[] = {
    {"no event", "attune: 1\ngoals: { g: { within: 3d } }\n", 2, 10, "goal g has no event"},
    {"event", HEAD "scenarios: {}\nmodels: { m: { goal: h } }\n", 6, 22, "did you mean \"g\"?"},
    {"unknown event", "attune: 1\nevents: { Bought: }\ngoals: { g: { event: Bougth, within: 3d } }\n", 3, 22, "did you mean \"Bought\"?"},
    {"no horizon", "attune: 1\nevents: { E: }\ngoals: { g: { event: E } }\n", 3, 10, "goal g has no horizon"},
    {"two horizons", "attune: 1\nevents: { E: }\ngoals: { g: { event: E, within: 3d, until: now } }\n", 3, 44, "both within and until"},
    {"until", "attune: 1\nevents: { E: }\ngoals: { g: { event: E, until: 3 } }\n", 3, 32, "until is number: write a time"},
    {"where", "attune: 1\nevents: { E: { n: number } }\ngoals: { g: { event: E, within: 3d, where: n } }\n", 3, 44, "where is number: write a condition"},
    {"where's name", "attune: 1\nevents: { E: { price: number } }\ngoals: { g: { event: E, within: 3d, where: prise > 2 } }\n", 3, 44, "price"},
    {"value", "attune: 1\nevents: { E: { t: text } }\ngoals: { g: { event: E, within: 3d, value: t } }\n", 3, 44, "value is text: write a number or an amount"},
    {"money", "attune: 1\nevents: { E: }\ngoals: { g: { event: E, within: 3d, value: 3 EUR } }\n", 3, 44, "this playbook counts in USD"},
    {"undone by", "attune: 1\nevents: { E: }\ngoals: { g: { event: E, within: 3d, undone_by: F } }\n", 3, 48, "no event is called \"F\""},
};

#define ACTION_HEAD HEAD "traits: { few: count(\"E\") in 9d, own: { is: action.size > few }, pill: { is: exists(\"E\"), topic: health } }\n"
static const struct broken scenarios[] = {
    {"no when", HEAD "scenarios: { s: { goals: [g] } }\n", 5, 14, "scenario s has no when"},
    {"no goals", HEAD "scenarios: { s: { when: 1 > 0 } }\n", 5, 14, "scenario s has no goals"},
    {"goal", HEAD "scenarios: { s: { when: 1 > 0, goals: [h] } }\n", 5, 40, "did you mean \"g\"?"},
    {"a goal twice", HEAD "scenarios: { s: { when: 1 > 0, goals: [g, g] } }\n", 5, 43, "stands here twice"},
    {"number", ACTION_HEAD "scenarios: { s: { when: few, goals: [g] } }\nactions: { a: { goal: g, attributes: { size: 3 }, channels: [web] } }\n", 6, 25,
     "when is number: write a condition"},
    {"a trait of a treatment", ACTION_HEAD "scenarios: { s: { when: own, goals: [g] } }\nactions: { a: { goal: g, attributes: { size: 3 }, channels: [web] } }\n", 6, 25,
     "a scenario is about the customer alone"},
    {"a goal of an action",
     "attune: 1\nevents: { E: { n: number } }\ngoals: { g: { event: E, within: 3d, where: n == action.size } }\nscenarios: { s: { when: 1 > 0, goals: [g] } }\n"
     "actions: { a: { goal: g, attributes: { size: 3 }, channels: [web] } }\n", 4, 40, "a scenario has no action"},
    {"a model's feature", HEAD "traits: { recent: count(\"E\") }\nmodels: { m: { goal: g, features: [recnt] } }\n", 6, 36, "did you mean \"recent\"?"},
    {"a time as a feature", HEAD "traits: { day: last(\"E\".at) }\nmodels: { m: { goal: g, features: [day] } }\n", 6, 36, "a time, which a model can't learn from"},
    {"a sensitive feature", HEAD "traits: { a: { is: exists(\"E\"), topic: health }, b: not a }\nmodels: { m: { goal: g, features: [b] } }\n", 6, 36,
     "trait b is about health"},
    {"an attribute", ACTION_HEAD "models: { m: { goal: g, attributes: [sise] } }\nactions: { a: { goal: g, attributes: { size: 3 }, channels: [web] } }\n", 6, 38, "did you mean \"size\"?"},
    {"learns from its goal", HEAD "models: { m: { goal: g, learn_from: E } }\n", 5, 37, "learns from the event of its own goal g"},
    {"learns from its delivery", OWN_HEAD "models: { m: { goal: d } }\n", 6, 14, "learns from the event of its own goal d"},
    {"learns on too often", HEAD "models: { m: { goal: g, online: { every: 999ms } } }\n", 5, 42, "less than 1s"},
    {"learns on and forgets all", HEAD "models: { m: { goal: g, online: { decay: 0.5 } } }\n", 5, 42, "decay"},
    {"model without goal", HEAD "models: { m: {} }\n", 5, 11, "model m has no goal"},
};

static const struct broken actions[] = {
    {"no goal", HEAD "actions: { a: { channels: [web] } }\n", 5, 12, "action a has no goal"},
    {"no channels", HEAD "actions: { a: { goal: g } }\n", 5, 12, "action a has no channels"},
    {"channel", HEAD "actions: { a: { goal: g, channels: { emial: {} } } }\n", 5, 38, "did you mean \"email\"?"},
    {"channel twice", HEAD "actions: { a: { goal: g, channels: [web, web] } }\n", 5, 42, "stands here twice"},
    {"channel key", HEAD "actions: { a: { goal: g, channels: { web: { placment: x } } } }\n", 5, 45, "did you mean \"placement\"?"},
    {"goal", HEAD "actions: { a: { goal: gg, channels: [web] } }\n", 5, 23, "did you mean \"g\"?"},
    {"its own delivery", OWN_HEAD "actions: { a: { goal: d, channels: [web] } }\n", 6, 23, "every treatment would reach it"},
    {"model", HEAD "models: { mm: { goal: g } }\nactions: { a: { goal: g, model: mn, channels: [web] } }\n", 6, 33, "did you mean \"mm\"?"},
    {"eligible", HEAD "traits: { few: count(\"E\") in 9d }\nactions: { a: { goal: g, eligible: few, channels: [web] } }\n", 6, 36, "eligible is number: write a condition"},
    {"cost", HEAD "actions: { a: { goal: g, cost: cheap, channels: [web] } }\n", 5, 32, "write an amount such as 0.35 USD"},
    {"weight", HEAD "actions: { a: { goal: g, weight: -1, channels: [web] } }\n", 5, 34, "write a number from 0 to 1000"},
    {"lever", HEAD "actions: { a: { goal: g, lever: 10, channels: [web] } }\n", 5, 33, "write a percentage"},
    {"group of levers", HEAD "levers: { groups: { retain: 5% } }\nactions: { a: { goal: g, group: retian, channels: [web] } }\n", 5, 21, "did you mean \"retian\"?"},
    {"purpose", HEAD "actions: { a: { goal: g, purpose: locaton, channels: [web] } }\n", 5, 35, "did you mean \"location\"?"},
    {"for_each", HEAD "sources: { shop: { lookup: id } }\nactions: { a: { goal: g, for_each: shp, channels: [web] } }\n", 6, 36, "did you mean \"shop\"?"},
    {"for_each of many", HEAD "sources: { shop: { lookup: id, many: yes } }\nactions: { a: { goal: g, for_each: shop, channels: [web] } }\n", 6, 36, "has many a key"},
    {"attribute", HEAD "actions: { a: { goal: g, attributes: { size: 3 }, available: action.sise > 2, channels: [web] } }\n", 5, 69, "size"},
    {"another's attribute", HEAD "actions:\n  a: { goal: g, attributes: { size: 3 }, channels: [web] }\n  b: { goal: g, available: action.size > 2, channels: [web] }\n", 7, 35, "size"},
    {"attribute's type", HEAD "actions:\n  a: { goal: g, attributes: { size: 3 }, channels: [web] }\n  b: { goal: g, attributes: { size: big }, channels: [web] }\n", 7, 31,
     "action.size is text here and number at playbook.yaml:6:31"},
    {"attribute's lookup", HEAD "sources: { shop: { lookup: id } }\nactions: { a: { goal: g, attributes: { id: '3', city: shp.city }, channels: [web] } }\n", 6, 55, "did you mean \"shop\"?"},
    {"attribute's key", HEAD "sources: { shop: { lookup: id } }\nactions: { a: { goal: g, attributes: { city: shop.city }, channels: [web] } }\n", 6, 46, "found by id, which this action doesn't have"},
    {"title", HEAD "actions: { a: { goal: g, title: 'a {siz}', attributes: { size: 3 }, channels: [web] } }\n", 5, 37, "did you mean \"size\"?"},
    {"reason", HEAD "traits: { few: count(\"E\") in 9d }\nactions: { a: { goal: g, reason: 'a {fwe}', channels: [web] } }\n", 6, 38, "did you mean \"few\"?"},
};

#define POLICY HEAD "actions: { a: { goal: g, group: shoes, channels: [email, web] } }\npolicies:\n  - "
static const struct broken lists[] = {
    {"unknown channel", HEAD ACTION "decide: { lists: { fax: { a: email } } }\n", 8, 20, "no action has the channel fax"},
    {"unknown content", HEAD ACTION "decide: { lists: { web: { a: emial } } }\n", 8, 30, "did you mean \"email\"?"},
    {"no columns", HEAD ACTION "decide: { lists: { web: { } } }\n", 8, 25, "the address first"},
    {"sensitive", HEAD ACTION "decide: { lists: { web: { a: email, b: ill } } }\n", 8, 40, "sensitive"},
};
static const struct broken policies[] = {
    {"none", POLICY "{ channel: web }\n", 7, 5, "has none of at_most, after, never_without and quiet"},
    {"two", POLICY "{ at_most: 1, quiet: \"1:00-2:00\" }\n", 7, 5, "more than one of"},
    {"in and per", POLICY "{ at_most: 1, in: 1d, per: day }\n", 7, 32, "at_most has both in and per"},
    {"per what", POLICY "{ at_most: 1, per: week }\n", 7, 24, "write one of day"},
    {"per of after", POLICY "{ after: Rejected, wait: 1d, per: day }\n", 7, 39, "per: has no place in a policy of after"},
    {"impressions of quiet", POLICY "{ quiet: \"21:00-08:00\", impressions: yes }\n", 7, 42, "impressions: has no place in a policy of quiet"},
    {"direction", HEAD "channels: { kiosk: { direction: up } }\n", 5, 33, "up"},
    {"receipts of a page", HEAD "channels: { web: { receipts: yes } }\n", 5, 30, "an inbound channel sends no messages"},
    {"address", HEAD "channels: { email: { address: emial } }\n", 5, 31, "did you mean \"email\"?"},
    {"zones", "attune: 1\ncustomer: { zones: [America/Gotham] }\n", 2, 21, "no time zone is called"},
    {"no in", POLICY "{ at_most: 1 }\n", 7, 16, "at_most has no in"},
    {"no wait", POLICY "{ after: Rejected }\n", 7, 14, "after has no wait"},
    {"wait", POLICY "{ at_most: 1, in: 3d, wait: 4d }\n", 7, 33, "wait: has no place in a policy of at_most"},
    {"channel", POLICY "{ at_most: 1, in: 3d, channel: emial }\n", 7, 36, "did you mean \"email\"?"},
    {"unused channel", POLICY "{ at_most: 1, in: 3d, channel: sms }\n", 7, 36, "write one of"},
    {"group", POLICY "{ at_most: 1, in: 3d, group: shoe }\n", 7, 34, "did you mean \"shoes\"?"},
    {"action", POLICY "{ at_most: 1, in: 3d, action: b }\n", 7, 35, "did you mean \"a\"?"},
    {"of", POLICY "{ at_most: 1, in: 3d, of: same acton }\n", 7, 31, "did you mean \"same action\"?"},
    {"of two", POLICY "{ at_most: 1, in: 3d, action: a, group: shoes }\n", 7, 35, "keep one"},
    {"after", POLICY "{ after: Rejcted, wait: 3d }\n", 7, 14, "did you mean \"Rejected\"?"},
    {"consent", POLICY "{ never_without: optin }\n", 7, 22, "write opt_in, or consent to"},
    {"purpose", POLICY "{ never_without: consent to locaton }\n", 7, 22, "did you mean \"location\"?"},
    {"quiet", POLICY "{ quiet: 9pm }\n", 7, 14, "write two local times"},
    {"quiet for no time", POLICY "{ quiet: \"9:00-9:00\" }\n", 7, 14, "write two local times"},
    {"no map", POLICY "at_most\n", 7, 5, "a policy is a plain value"},
};

/* clang-format on */

static uint32_t failures; /* a table is gone through to its end, so that one run shows all */

static void check(const struct broken *row) {
    struct symbols *symbols = new_symbols();
    struct playbook *playbook;
    struct text bytes = text_from(row->playbook);
    assert_int_equal(playbook_load(&playbook, "playbook.yaml", bytes, symbols, &errors),
                     STATUS_INVALID);
    assert_null(playbook);
    bool good = errors.count == 1 && errors.item[0].place.line == row->line &&
                errors.item[0].place.column == row->column &&
                strstr(errors.item[0].text, row->message) != NULL;
    if (!good) {
        print_message("%s: wanted %u:%u: …%s…\n", row->what, row->line, row->column, row->message);
        print_errors(row->what);
    }
    symbols_destroy(symbols);
    failures += !good;
}

#define TABLE(name)                                                                                \
    static void test_##name(void **state) {                                                        \
        (void)state;                                                                               \
        failures = 0;                                                                              \
        for (size_t i = 0; i < sizeof name / sizeof *name; i++) check(&name[i]);                   \
        assert_int_equal(failures, 0);                                                             \
    }
TABLE(the_file)
TABLE(lifetimes)
TABLE(placements)
TABLE(customer_zones)
TABLE(settings)
TABLE(events)
TABLE(sources)
TABLE(traits)
TABLE(goals)
TABLE(scenarios)
TABLE(actions)
TABLE(policies)
TABLE(lists)

/* All at once, in the order of the file, whatever the order of checking. */
static void test_all_at_once(void **state) {
    (void)state;
    static const char broken[] = "attune: 1\n"
                                 "policies: [{ at_most: 1 }]\n"
                                 "traits: { a: b, b: 1 + }\n"
                                 "goals: { g: { event: F, within: 3 } }\n"
                                 "currency: dollar\n";
    static const struct place places[] = {{2, 23}, {3, 23}, {4, 22}, {4, 33}, {5, 11}};
    struct symbols *symbols = new_symbols();
    struct playbook *playbook;
    assert_int_equal(playbook_load(&playbook, "p", TEXT(broken), symbols, &errors), STATUS_INVALID);
    if (errors.count != 5) print_errors("p");
    assert_int_equal(errors.count, 5);
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(errors.item[i].place.line, places[i].line);
        assert_int_equal(errors.item[i].place.column, places[i].column);
    }
    symbols_destroy(symbols);
}

/* What is said beyond the limit is counted; what stands first in the file is kept. */
static void test_too_many(void **state) {
    (void)state;
    struct buffer text;
    buffer_init(&text);
    assert_int_equal(buffer_format(&text, "attune: 1\ntraits:\n"), STATUS_OK);
    for (int i = 0; i < 300; i++)
        assert_int_equal(buffer_format(&text, "  t%d: nothing\n", i), STATUS_OK);
    assert_int_equal(buffer_format(&text, "currency: 1\n"), STATUS_OK);
    struct symbols *symbols = new_symbols();
    struct playbook *playbook;
    assert_int_equal(playbook_load(&playbook, "p", buffer_text(&text), symbols, &errors),
                     STATUS_INVALID);
    assert_int_equal(errors.count, PLAYBOOK_ERRORS_MAX);
    assert_int_equal(errors.dropped, 301 - PLAYBOOK_ERRORS_MAX);
    for (uint32_t i = 0; i < errors.count; i++) assert_int_equal(errors.item[i].place.line, 3 + i);
    symbols_destroy(symbols);
    buffer_release(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_file),       cmocka_unit_test(test_settings),
        cmocka_unit_test(test_lifetimes),      cmocka_unit_test(test_placements),
        cmocka_unit_test(test_customer_zones), cmocka_unit_test(test_events),
        cmocka_unit_test(test_sources),        cmocka_unit_test(test_traits),
        cmocka_unit_test(test_goals),          cmocka_unit_test(test_scenarios),
        cmocka_unit_test(test_actions),        cmocka_unit_test(test_policies),
        cmocka_unit_test(test_lists),          cmocka_unit_test(test_all_at_once),
        cmocka_unit_test(test_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
