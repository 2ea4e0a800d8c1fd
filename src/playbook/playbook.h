/* SPDX-License-Identifier: Apache-2.0 */
/* playbook/playbook.h -- everything the business decides, read from one YAML file and checked
 * whole.
 *
 * All errors are found in one reading, each as FILE:LINE:COLUMN: what, and what to write instead. A
 * playbook that loaded is complete: every expression compiled, every name resolved, traits in an
 * order in which each reads only earlier ones. Immutable afterwards, any thread. Everything in it
 * lives in its arena. docs/playbook.md is the reference, docs/playbook.schema.json the JSON Schema,
 * examples/ whole playbooks. */
#ifndef PLAYBOOK_PLAYBOOK_H
#define PLAYBOOK_PLAYBOOK_H

#include "base/time.h"
#include "expr/expr.h"
#include "expr/index.h"

#define PLAYBOOK_BYTES_MAX      (1u << 20)
#define PLAYBOOK_ERRORS_MAX     200
#define PLAYBOOK_TRAITS_MAX     2000
#define PLAYBOOK_ACTIONS_MAX    1000
#define ACTION_WEIGHT_MAX       1000.0
#define PLAYBOOK_TREATMENTS_MAX 100000 /* after for_each */
#define SOURCE_ROW_KEYS_MAX     8

struct place {
    uint32_t line, column;
};

/* ---- customer: identifier types and guards ---- */
struct identifier_rule {
    struct text name;
    uint32_t symbol;            /* SYMBOL_IDENTIFIER */
    uint32_t per_customer;      /* at most so many of this type in a customer */
    bool unique;                /* two different values never merge */
    int64_t expires_ms;         /* 0: never; an identifier unseen for so long links no more */
    uint32_t priority;          /* 0 = strongest: order of appearance */
    bool device;                /* names a device: a public source's events are this device's */
    bool lower_case;            /* e-mail: letters are made small (base/canonical.h) */
    const struct text *blocked; /* extra blocked values, beside the built-in ones */
    uint32_t blocked_count;
    /* values that name somebody although they look as if they named nobody: "0" */
    const struct text *allowed;
    uint32_t allowed_count;
    uint32_t events_per_day_max; /* rate guard (a cashier's own card); 0: none */
};

/* ---- sources ---- */
enum source_format { SOURCE_CSV, SOURCE_NDJSON };
/* How a file writes times and figures; ingest/cell/notation.h reads them. The plain forms,
 * 2017-03-31 14:05:33 and 1234.56, are read under any other notation, too, except that `decimal`
 * alone says which mark a figure has. */
enum date_notation {
    DATES_PLAIN,
    DATES_DAY_FIRST,
    DATES_MONTH_FIRST,
    DATES_YEAR_FIRST,
    DATES_SECONDS,
    DATES_MILLISECONDS,
    DATES_MICROSECONDS,
    DATES_NANOSECONDS /* since 1970 */
};
enum decimal_notation { DECIMAL_PLAIN, DECIMAL_POINT /* 1,234.56 */, DECIMAL_COMMA /* 1.234,56 */ };
struct notation {
    uint8_t dates, decimal;
};
struct column_notation {
    struct text column;
    struct notation notation;
};
enum field_kind {
    FIELD_COLUMN,    /* a column (CSV) or a dotted path (NDJSON) */
    FIELD_CONSTANT,  /* 'text' in quotes with no {…} */
    FIELD_TEMPLATE,  /* "mail/{campaign_id}" */
    FIELD_AGGREGATE, /* sum|min|max|count|first|last(column) over the rows of one event */
    /* Lookup.field, joined by the lookup's key, which must be a column of the row. */
    FIELD_LOOKUP,
    /* CSV: [column, column…]: one record a row. NDJSON: `column` is the path of the array,
     * `columns` members of its items. */
    FIELD_LIST,
};
struct field_source {
    enum field_kind kind;
    enum value_type type; /* what it becomes; list for FIELD_LIST */
    struct text column;   /* FIELD_COLUMN, FIELD_AGGREGATE */
    struct text text;     /* constant, template */
    char aggregate;       /* '+' sum, '<' min, '>' max, '#' count, 'f' first, 'l' last */
    uint32_t lookup;      /* FIELD_LOOKUP: index in playbook->lookups … */
    struct text lookup_field;
    const struct text *columns; /* FIELD_LIST */
    const enum value_type *column_types;
    const uint32_t *column_symbols;
    uint32_t column_count;
    struct place place;
};
struct property_map {
    struct text name;
    uint32_t symbol; /* SYMBOL_PROPERTY */
    struct field_source from;
};
struct identifier_map {
    uint32_t rule; /* index in playbook->identifiers */
    struct field_source from;
};
/* What a quote at the beginning of a CSV field means. By default it encloses the field. In a file
 * with tabs it is an ordinary character, unless the first line has quotes. */
enum source_quote { QUOTE_BY_DELIMITER, QUOTE_NONE, QUOTE_DOUBLE };
/* What happens to a row whose key is known already (docs/ingest.md, "Rows under a key"). */
enum again {
    AGAIN_ASK,     /* the group goes to quarantine, which says what to write */
    AGAIN_REPLACE, /* the group replaces the event */
    AGAIN_ADD,     /* the group's rows are added to the event */
    AGAIN_KEEP,    /* the stored event stays, and the group is left out */
};
/* What the row_key of a source with one_event_per names: an event or a row of it. Where the
 * playbook leaves it open, the rows decide (ingest/map/mapper_group.c). */
enum key_names { KEY_NAMES_OPEN, KEY_NAMES_EVENT, KEY_NAMES_ROW };
struct retraction { /* the row retracts itself where the column holds one of the values */
    struct text column;
    const struct text *values;
    uint32_t value_count;
};
struct row_rules {
    struct text version_column;           /* empty: a row says no version */
    enum value_type version_type;         /* VALUE_TIME or VALUE_NUMBER */
    const struct retraction *retractions; /* all of them must hold */
    uint32_t retraction_count;
    bool has_corrections_max;       /* else CORRECTIONS_MAX and CORRECTIONS_MAX_PERCENT, both */
    uint64_t corrections_max;       /* rows; UINT64_MAX where a percentage was given */
    double corrections_max_percent; /* of the load's rows; 100 where a number was given */
    enum again again;               /* of groups (one_event_per) without line keys */
};
/* A load that would correct more than so many rows and more than this share of its rows stops. */
#define CORRECTIONS_MAX         1000
#define CORRECTIONS_MAX_PERCENT 20.0

/* How a request shows that it comes from whom it says. The four of vendors also say what its body
 * means: their events become rows of the usual JSON form (docs/serve.md, Webhooks). */
enum signature_scheme {
    SIGNATURE_NONE,
    SIGNATURE_HMAC_SHA256, /* of the body, in a header */
    SIGNATURE_SENDGRID,
    SIGNATURE_MAILGUN,
    SIGNATURE_TWILIO,
    SIGNATURE_SES_SNS,
    SIGNATURE_SCHEME_COUNT
};
struct signature_rule {
    enum signature_scheme scheme;
    struct text secret; /* the name of the environment variable that holds it */
    struct text header; /* hmac_sha256: which one has the signature */
    struct text url;    /* twilio: what was signed; empty: the address that was asked */
    int64_t max_age_ms; /* signed longer ago: refused; 0: it may be of any age */
};

struct source {
    struct text name;
    uint32_t symbol; /* SYMBOL_SOURCE */
    enum source_format format;
    /* Something that readers of a report must know about the source, such as "a sample"; may be
     * empty. */
    struct text note;
    /* A glob, relative to the playbook's folder or to the data path given. Empty: the files are
     * named on the command line only. */
    struct text file;
    char delimiter; /* 0: sniffed among , ; tab | */
    enum source_quote quote;
    uint32_t skip_lines; /* of CSV: lines before the header, or before the first row */
    bool has_header;     /* default yes; without it columns are c1, c2, … or `columns:` */
    const struct text *columns;
    uint32_t column_count;
    /* Anybody can write to it: what it says of identity are claims (identity/claims.h). */
    bool is_public;
    bool no_claims; /* not even these: a page needs a signed token to say who somebody is */
    /* Where the secret of signed user tokens is: "env NAME" or "file PATH"; empty: no tokens. */
    struct text token_secret;
    bool is_lookup;
    uint32_t lookup;           /* index in playbook->lookups */
    struct field_source event; /* the event's name: constant or from a column */
    uint32_t event_type;       /* where constant; else SYMBOL_NONE */
    uint32_t channel;          /* SYMBOL_CHANNEL */
    bool says_channel;         /* else the property `channel` of a treatment's event does */
    /* The column that names the channel (kind FIELD_COLUMN); otherwise it is constant. */
    struct field_source channel_from;
    struct text one_event_per; /* column whose equal values make one event; empty: each row */
    bool time_always;
    struct field_source time;
    const struct time_zone *zone;
    struct notation notation; /* of its times and figures … */
    /* … except in these columns. */
    const struct column_notation *column_notations;
    uint32_t column_notation_count;
    int64_t arrives_ms;    /* declared delay: known = time + this */
    bool known_on_arrival; /* arrives: live → known = when we received it */
    /* The columns that name a row for ever; 0: nothing names it. */
    const struct field_source *row_keys;
    uint32_t row_key_count;
    /* `lines:`. Where it is absent: the event, where row_key is one_event_per itself; the row,
     * where it is a message's id. */
    enum key_names key_names;
    struct row_rules rows; /* what happens to a row whose key is known */
    /* format: segment. The lines are calls of the Segment spec (`type`: track, identify, page …).
     */
    bool segment;
    bool properties_open; /* NDJSON `properties: any`: undeclared ones are kept too */
    /* NDJSON: the object whose members are the properties, such as "properties"; empty: the top
     * level. */
    struct text properties_path;
    const struct property_map *properties;
    uint32_t property_count;
    /* One entry for each column; one rule may have several. */
    const struct identifier_map *identifiers;
    uint32_t identifier_count;
    /* "/in/NAME", where its rows come in requests; empty: they don't, or by a write key. */
    struct text listen;
    struct signature_rule signature;
    struct place place;
};
struct lookup_rule {
    struct text name;
    const struct text *keys;
    uint32_t key_count;
    bool many;
    /* The fields of the key, the declared ones, and those that the playbook reads, as text.
     * Expressions know a field by its index here, so a table begins with exactly these, in this
     * order, and a file without one of them is refused. With fields_open its other columns may
     * follow, as text. */
    const struct lookup_field *fields;
    uint32_t field_count;
    bool fields_open;
    uint32_t source;
};

/* ---- traits, scenarios, goals ---- */
struct trait {
    struct text name;
    struct text source; /* the expression as written */
    struct expr_program *program;
    enum value_type type;
    bool of_treatment;
    bool of_context;         /* known only where a request says something of its moment */
    bool is_segment;         /* yes/no, and not of context */
    struct text description; /* optional */
    struct text topic;       /* sensitive topic or empty */
    struct place place;
};
struct goal {
    struct text name;
    uint32_t event_type;
    struct expr_program *where; /* NULL: every such event; evaluated by expr_eval_row */
    int64_t within_ms;          /* horizon; 0 where `until` */
    struct expr_program *until; /* time from action.…; NULL where `within` */
    /* The value of one goal event, as money or a number, by expr_eval_row; NULL: value_constant. */
    struct expr_program *value;
    struct value value_constant; /* number 1 where the playbook says no value */
    uint32_t undone_by;          /* event type, or SYMBOL_NONE */
    /* The longest declared delay of the sources of this event, and of the event that undoes it. */
    int64_t arrives_ms;
    /* Hash of what decides that it was reached, as written: event, where, within, until, undone_by.
     */
    uint64_t meaning;
    struct place place;
};
struct scenario {
    struct text name;
    struct expr_program *when;
    const uint32_t *goals;
    uint32_t goal_count;
    struct place place;
};
struct landmark_rule {        /* when scenarios are measured */
    int64_t every_ms;         /* default 30d */
    int64_t active_within_ms; /* default 90d: the comparable others */
    bool visits_only;
};
struct model_rule {
    struct text name;
    uint32_t goal;
    /* the event of the past treatments to learn from; default Treatment Delivered */
    uint32_t event_type;
    /* The features are traits; default: all traits of type number, money, duration, yes/no and
     * text. */
    const uint32_t *features;
    uint32_t feature_count;
    const uint32_t *attributes;
    uint32_t attribute_count; /* action attributes used as features */
    /* Treatments of customers for whom a device counts by a claim (identity/claims.h) are no rows
     * of it. */
    bool without_claims;
    /* A server lets it learn on so often what has matured (learn/online_model.h); 0: it learns when
     * it is trained, and when `attune learn` is run. */
    int64_t online_every_ms;
    double online_decay; /* in (0, 1]; 0: the learner's default */
    struct place place;
};
/* What customers will still be worth (learn/lifetime.h): BG/NBD of the orders, and Gamma-Gamma of
 * their values where there is one. */
struct lifetime_rule {
    struct text name;
    uint32_t event_type; /* an order */
    struct text value; /* the property that says what it is worth: money or a number; empty: none */
    struct expr_program *program; /* reads what the model reads of a timeline */
    uint64_t meaning;             /* hash of event and value */
    struct place place;
};

/* ---- actions, policies ---- */
struct attribute_rule { /* action.NAME over all actions: one shared index space */
    struct text name;
    enum value_type type; /* VALUE_LIST for lists from a lookup of many */
};
/* One member of a content: what a page, a template of an e-mail or an agent's screen shows. */
struct content_field {
    struct text name; /* "text" where the playbook writes no name */
    struct text text; /* of a treatment: a template with {attributes} and {traits} */
    bool reads_traits;
};
struct channel_rule {
    uint32_t channel;
    /* The one placement at which its treatments may stand; empty: any that takes them. Where the
     * playbook declares no placements it is a word for people. */
    struct text placement;
    struct text script;
    const struct content_field *content;
    uint32_t content_count;
    double cost;
    bool has_cost;
    bool explored; /* may be chosen by chance (explore_rule) */
};
/* A lever that is added while from <= t < until. */
struct lever_period {
    double percent;
    int64_t from_ms, until_ms;
};
/* What a message may cost beside its own cost: an unsubscribe, a complaint. */
struct loss_rule {
    struct text name;
    double chance; /* 0..1 */
    struct expr_program *value;
};
struct action {
    struct text name;  /* treatments of a for_each action are NAME/KEY */
    struct text title; /* template for people: "Campaign {campaign_id}" */
    struct text group, issue;
    uint32_t for_each; /* lookup index, or UINT32_MAX */
    /* Attributes beside the row's own columns. */
    struct {
        uint32_t attribute;
        uint32_t lookup;
        struct text field;
        struct value constant;
    } * attributes;
    uint32_t attribute_count;
    struct expr_program *available, *eligible, *applicable, *suitable; /* NULL: yes */
    struct text available_source, eligible_source, applicable_source, suitable_source;
    uint32_t goal;     /* index */
    uint32_t model;    /* index in models, or UINT32_MAX: base rate of the goal */
    struct value cost; /* money or number; 0 where absent */
    double weight;     /* context weight C, 1 */
    /* Or a number that is computed, of the customer and the context; NULL: `weight`. */
    struct expr_program *weight_program;
    double lever_percent; /* issue + group + action, 0; and for a time: */
    const struct lever_period *lever_periods;
    uint32_t lever_period_count;
    /* What one goal is worth here, a number or money, of the customer and the context; NULL: what
     * the goal says. */
    struct expr_program *value_program;
    /* 0..1; used until a model or past treatments tell more. NAN: the playbook gives none. */
    double starting_propensity;
    /* Consent needed; default "personalise" where consent is required, else empty. */
    struct text purpose;
    bool sensitive;
    struct text topic;
    struct text
        programme; /* whose opt-ins count beside those of the channel as a whole; or empty */
    const struct channel_rule *channels;
    uint32_t channel_count;
    struct text reason; /* optional template for the sentence */
    bool service;       /* service message: exempt from holdout */
    /* Does it count against the limits on contacts, and do they hold it back? No for a service
     * message. */
    bool counts, limited;
    struct place place;
};
enum policy_kind { POLICY_AT_MOST, POLICY_AFTER, POLICY_NEVER_WITHOUT, POLICY_QUIET };
enum policy_scope {
    SCOPE_ANY,
    SCOPE_CHANNEL,
    SCOPE_GROUP,
    SCOPE_ACTION,
    SCOPE_SAME_ACTION,
    SCOPE_SAME_GROUP,
    SCOPE_SAME_TREATMENT /* the same row of a for_each action, in any channel */
};
struct policy {
    enum policy_kind kind;
    enum policy_scope scope;
    /* SYMBOL_CHANNEL or SYMBOL_NONE; beside a group or an action both must match. */
    uint32_t channel;
    struct text group, action;
    uint32_t max_count;      /* AT_MOST; AFTER: how many outcomes, default 1 */
    int64_t window_ms;       /* AT_MOST: in, where not per_day; AFTER: wait */
    int64_t times_within_ms; /* AFTER: in, the span of the max_count outcomes; 0: any */
    bool per_day;            /* AT_MOST: a calendar day */
    /* AT_MOST: impressions count too; so they do where `channel` is an inbound one. */
    bool impressions;
    uint32_t after_event;                       /* AFTER: Treatment Rejected, Clicked … */
    bool needs_opt_in;                          /* NEVER_WITHOUT opt_in (of the channel) … */
    struct text purpose;                        /* … or a consent purpose */
    int32_t quiet_from_minute, quiet_to_minute; /* QUIET, local */
    struct text text; /* as a person reads it: "at most 2 in 7d on email" */
    struct place place;
};

/* ---- placements, bundles, context ---- */
#define PLACEMENT_SLOTS_MAX 16
/* Where a decision is asked for: a slot of a page, an e-mail run, an agent's screen. */
struct placement_rule {
    struct text name;
    uint32_t slots;           /* treatments that stand there, default 1 */
    const uint32_t *channels; /* SYMBOL_CHANNEL; none: any */
    uint32_t channel_count;
    const uint32_t *actions; /* indexes, those of groups too, ascending; none: any */
    uint32_t action_count;
    /* Only treatments whose channel names this placement: neither channels nor actions are said. */
    bool only_named;
    const struct content_field *fallback; /* what is shown where nothing may be said */
    uint32_t fallback_count;
    bool sticky;        /* one choice for a whole visit */
    int64_t timeout_ms; /* the time in which it must be answered; 0: none */
    struct place place;
};
/* What the treatments of all customers together may take, or must have at least. */
#define BUDGETS_MAX 32
enum budget_kind {
    BUDGET_COST,     /* money, in the playbook's currency */
    BUDGET_CONTACTS, /* messages */
    BUDGET_HOURS,    /* of agents */
    BUDGET_STOCK,    /* pieces of an offer */
    BUDGET_AT_LEAST  /* treatments: a minimum, which has to be met; all others are maxima */
};
enum budget_period { BUDGET_PER_TOTAL, BUDGET_PER_DAY, BUDGET_PER_WEEK, BUDGET_PER_MONTH };
struct budget_rule {
    struct text name;
    enum budget_kind kind;
    enum budget_period period;
    double amount;   /* COST: major units of the playbook's currency; HOURS: hours; else a count */
    int64_t each_ms; /* HOURS: what one treatment takes */
    const uint32_t *channels; /* SYMBOL_CHANNEL; none: any */
    uint32_t channel_count;
    const uint32_t *actions; /* indexes, those of groups too, ascending; none: any */
    uint32_t action_count;
    struct text text; /* as a person reads it: "at most 500 USD a month on email" */
    struct place place;
};
/* Which actions may stand beside each other in one decision, over all its placements. */
enum bundle_kind { BUNDLE_ONLY_WITH, BUNDLE_NEVER_WITH };
struct bundle_rule {
    enum bundle_kind kind;
    const uint32_t *actions; /* indexes, ascending: of `only:` or `never:` … */
    uint32_t action_count;
    const uint32_t *with; /* … and of `with:`; one of them is enough */
    uint32_t with_count;
    struct text text; /* as a person reads it: "case only with phone" */
    struct place place;
};
/* What a request may say of its moment: context.NAME. A declaration has a type that a JSON string,
 * number or yes/no can be read as: no list. */
#define CONTEXT_PROPERTIES_MAX 64
struct context_rule {
    struct text name;
    enum value_type type;
    struct place place;
};

/* explore: -- some of the decisions are left to chance, so that what is seldom chosen is learnt
 * about (decide/choice.h). Service messages, actions with a sensitive topic and what `off` names
 * are never chosen by chance; channel_rule.explored is false for them. */
#define EXPLORE_CANDIDATES_MAX 10
#define EXPLORE_SHARE_DEFAULT  1.0 /* percent */
#define EXPLORE_GAMMA_DEFAULT  1000.0
#define EXPLORE_GAMMA_MAX      1e6
struct explore_rule {
    bool on;
    double share;        /* 0..1: at least so much is left to chance, evenly */
    double gamma;        /* the higher, the less is left to what is worth less than the best */
    uint32_t candidates; /* of a slot, at most */
    bool nothing;        /* one of them is to offer nothing */
    /* Off for customers of whom this is true, or not known; NULL: for nobody. */
    struct expr_program *off_when;
    struct place place;
};

/* experiments: -- customers are divided by a salted hash into arms, and an arm changes what the
 * funnel does for its customers (decide/experiment.h). Experiments of one layer share no customer:
 * each has a part [from, until) of the layer's hash space, in the order of the playbook. */
#define EXPERIMENTS_MAX     16
#define EXPERIMENT_ARMS_MAX 8
struct experiment_arm {
    struct text name;
    double share;         /* of the experiment's customers; of all arms together 1 */
    const bool *without;  /* by action: it is not offered; NULL: all are */
    const double *levers; /* by action: percent that is added to its lever; NULL: none */
};
struct experiment {
    struct text name, layer, salt;
    double from, until;        /* of the layer's hash space, 0..1 */
    int64_t start_ms, stop_ms; /* [start, stop); TIME_NEVER: it goes on */
    struct expr_program *who;  /* asked when a customer comes in; NULL: everybody */
    uint32_t goal;             /* index; one that depends on no treatment */
    struct experiment_arm
        arms[EXPERIMENT_ARMS_MAX]; /* the first is what others are compared with */
    uint32_t arm_count;
    struct place place;
};

/* decide: lists: -- the columns that are handed over for each treatment of a channel that others
 * serve. */
struct contact_column {
    struct text name;    /* of the CSV */
    uint32_t identifier; /* index in identifiers, or UINT32_MAX: … */
    uint32_t trait;      /* … index in traits */
};
struct contact_list_rule {
    uint32_t channel; /* SYMBOL_CHANNEL */
    const struct contact_column
        *columns; /* the first is the address: without it there is no line */
    uint32_t column_count;
    struct place place;
};

/* event_type SYMBOL_NONE: of every event of the sources whose events have many names. Reserved
 * events' properties are here too, and the Segment spec's where a source speaks it. */
struct property_rule {
    uint32_t event_type;
    uint32_t symbol;
    struct text name;
    enum value_type type;
    const struct lookup_field *fields;
    const uint32_t *field_symbols;
    uint32_t field_count;
    struct place place;
};

/* How a channel carries messages. What a customer meets in an inbound channel (a page, or a call
 * that the customer makes) is an impression, not a contact. */
struct messaging {
    uint32_t channel; /* SYMBOL_CHANNEL */
    bool inbound;
    /* Which identifiers are its addresses: an index in playbook->identifiers, or UINT32_MAX. */
    uint32_t address;
    /* events tell what became of a message; otherwise handing it over is the contact */
    bool receipts;
    int64_t expires_ms; /* a decision that got no receipt for so long is given up */
    const struct loss_rule *losses;
    uint32_t loss_count;
};

struct names;
struct playbook {
    struct arena arena;
    struct names *names;           /* schema.context points at it; only this room uses it */
    struct text file, name, bytes; /* the file as read; its hash names it */
    uint64_t hash;
    uint16_t currency;
    struct time_zone *zone; /* of sources, customers and expressions; NULL: UTC */
    struct text zone_name;
    /* A text that names the customer's own zone, and one that names the country; NULL: none. */
    struct expr_program *zone_from, *zone_country;
    /* The zones that a customer may be in whose own zone is not known. None: `zone`. */
    struct time_zone **customer_zones;
    uint32_t customer_zone_count;
    int64_t visit_gap_ms;
    double holdout_share; /* 0..1 */
    struct text holdout_salt;
    uint32_t claims_per_day; /* devices a customer and day by claims; 0: the default */
    /* Parts of the user agents of programs that are no people, in small letters: what they do is
     * dark. */
    const struct text *bots;
    uint32_t bot_count;
    const struct identifier_rule *identifiers;
    uint32_t identifier_count;
    const struct source *sources;
    uint32_t source_count;
    const struct lookup_rule *lookups;
    uint32_t lookup_count;
    const struct trait *traits;
    uint32_t trait_count; /* in the order of computing */
    const struct scenario *scenarios;
    uint32_t scenario_count;
    const struct goal *goals;
    uint32_t goal_count;
    const struct model_rule *models;
    uint32_t model_count;
    const struct lifetime_rule *lifetimes;
    uint32_t lifetime_count;
    const struct action *actions;
    uint32_t action_count;
    const struct attribute_rule *attributes;
    uint32_t attribute_count;
    const struct policy *policies;
    uint32_t policy_count;
    struct explore_rule explore;
    const struct experiment *experiments;
    uint32_t experiment_count;
    const struct messaging *messaging; /* for the channels that the playbook describes */
    uint32_t messaging_count;
    const struct placement_rule *placements;
    uint32_t placement_count;
    const struct budget_rule *budgets;
    uint32_t budget_count;
    const struct bundle_rule *bundles;
    uint32_t bundle_count;
    const struct context_rule *context; /* the order is that of context.NAME's index */
    uint32_t context_count;
    const struct text *relations;
    uint32_t relation_count;      /* kinds: friend, household … */
    struct text relation_purpose; /* consent both sides need: "social" */
    /* The properties known of every event. */
    const struct property_rule *properties;
    uint32_t property_rule_count;
    struct landmark_rule landmarks;
    struct column_set columns;
    /* For expressions that are compiled later against this playbook (--where, tests). */
    struct expr_schema schema;
    uint32_t slots_per_decision;           /* treatments ranked in an answer, default 1 */
    const struct contact_list_rule *lists; /* at most one a channel */
    uint32_t list_count;
    /* Purposes of consent: the usual five, `consent: purposes`, and topics. */
    const struct text *purposes;
    uint32_t purpose_count;
    /* Actions need consent to "personalise" where they name no purpose. */
    bool consent_required;
};

struct playbook_errors {
    struct {
        struct place place;
        char text[ERROR_TEXT_MAX];
    } item[PLAYBOOK_ERRORS_MAX];
    uint32_t count, dropped; /* dropped: beyond the maximum */
};

/* Reads and checks a playbook. On STATUS_INVALID all errors are in `errors`, in file order. */
enum status playbook_load(struct playbook **out, const char *file, struct text bytes,
                          struct symbols *symbols, struct playbook_errors *errors) MUST_USE;
void playbook_destroy(struct playbook *playbook);
/* Warns of what loads but is probably not meant, sources before models: a source whose files count
 * twice where they are loaded twice, a model that no action uses. Each text says what to write. */
void playbook_warnings(const struct playbook *playbook, struct playbook_errors *warnings);

/* Returns the commented playbook that `attune init` writes. It loads. */
struct text playbook_starter(void);

/* Returns what the playbook says about a channel, else what its name stands for. A channel of an
 * unknown name goes out and sends no receipts. */
struct messaging playbook_messaging(const struct playbook *playbook, const struct symbols *symbols,
                                    uint32_t channel);

uint32_t playbook_trait_find(const struct playbook *playbook, struct text name); /* UINT32_MAX */
uint32_t playbook_goal_find(const struct playbook *playbook, struct text name);
uint32_t playbook_action_find(const struct playbook *playbook, struct text name);
uint32_t playbook_source_find(const struct playbook *playbook, struct text name);
uint32_t playbook_lookup_find(const struct playbook *playbook, struct text name);
uint32_t playbook_placement_find(const struct playbook *playbook, struct text name);
uint32_t playbook_experiment_find(const struct playbook *playbook, struct text name);
uint32_t playbook_context_find(const struct playbook *playbook, struct text name);
/* May the action in this channel (one of its own) stand at the placement? */
bool placement_takes(const struct playbook *playbook, const struct placement_rule *placement,
                     uint32_t action, const struct channel_rule *channel);
/* Is the budget about treatments of this action in this channel? */
bool budget_is_about(const struct playbook *playbook, const struct budget_rule *budget,
                     const struct action *action, uint32_t channel);
/* What one of them takes of it, in the budget's unit; 0 where it is about others. A cost that is in
 * no currency, or not in the playbook's, is no number that a playbook could load with. */
double budget_use(const struct playbook *playbook, const struct budget_rule *budget,
                  const struct action *action, uint32_t channel);
/* The period that has t, in the playbook's zone: weeks begin on Monday. [from, until). */
struct budget_span {
    int64_t from_ms, until_ms; /* in all: TIME_ALWAYS, TIME_NEVER */
};
struct budget_span budget_span_at(const struct playbook *playbook, const struct budget_rule *budget,
                                  int64_t t_ms);
/* "contacts"; empty for money. "day"; "total" in all. */
struct text budget_unit(const struct budget_rule *budget);
struct text budget_period_name(enum budget_period period);
/* Does the rule speak of the action: is it one of `only:`, `never:`; of `with:`? */
bool bundle_is_of(const struct bundle_rule *bundle, uint32_t action);
bool bundle_is_with(const struct bundle_rule *bundle, uint32_t action);

/* A treatment set has every treatment: actions × rows of their for_each lookup × channels, for one
 * version of each lookup. playbook/treatment/treatment_history.h has the sets through time. */
struct treatment {
    uint32_t index; /* in the set */
    const struct action *action;
    /* "mail/16" or "offer_call"; the property `treatment` of events. */
    struct text key;
    uint64_t key_hash; /* hash_text(key, 0) */
    struct text title;
    uint32_t channel; /* SYMBOL_CHANNEL */
    const struct channel_rule *channel_rule;
    const struct expr_attribute *attributes; /* by attribute index */
    /* True where `available` only compares now with times: then it is yes while from <= now <
     * until, and at no other time. Otherwise the condition itself must be evaluated. */
    bool has_span;
    int64_t from_ms, until_ms;
};
struct treatment_set {
    struct arena arena;
    uint64_t hash;   /* hash of every treatment's key and channel, in order; it names the set */
    uint64_t serial; /* no two sets of a process have the same one, and none has 0 */
    /* In the order of action, row, channel; treatments of one key stand together. */
    const struct treatment *treatments;
    uint32_t count;
    struct value_set **sets;
    uint32_t set_count;
    /* By attribute: its index where traits look rows up by it (expr/keyed.h), and each treatment's
     * holder in it. NULL for the other attributes. */
    struct expr_index **indexes;
    uint32_t **holders;
    uint32_t attribute_count;
    /* By hash of the key: index + 1 of the first, or 0. */
    const uint32_t *slots;
    uint32_t slot_mask;
};
/* Makes the set. `lookups` is by lookup index, NULL where one is not loaded: actions that go over
 * it or join it then have no treatments. The set borrows nothing from the lookups. */
enum status treatment_set_create(struct treatment_set **out, const struct playbook *playbook,
                                 const struct lookup_table *const *lookups,
                                 struct error *error) MUST_USE;
void treatment_set_destroy(struct treatment_set *set);
/* Returns the first treatment with this key (channel SYMBOL_NONE: in any channel), or NULL. */
const struct treatment *treatment_find(const struct treatment_set *set, struct text key,
                                       uint32_t channel);

#endif
