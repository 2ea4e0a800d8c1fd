/* SPDX-License-Identifier: Apache-2.0 */
/* playbook/read/keys.h -- every key that a playbook may have: one set of keys for each kind of map.
 *
 * The parser knows no other key, and docs/playbook.schema.json has exactly these: a test compares
 * the two. */
#ifndef PLAYBOOK_READ_KEYS_H
#define PLAYBOOK_READ_KEYS_H

#include <stdint.h>

#define KEYS_MAX 48

struct key_set {
    const char *name; /* of its definition in the schema */
    const char *what; /* in an error: "a source" */
    const char *const *keys;
    uint32_t count;
};

enum top_key {
    TOP_ATTUNE,
    TOP_NAME,
    TOP_CURRENCY,
    TOP_ZONE,
    TOP_CUSTOMER,
    TOP_CONSENT,
    TOP_RELATIONS,
    TOP_VISITS,
    TOP_EVENTS,
    TOP_SOURCES,
    TOP_TRAITS,
    TOP_SCENARIOS,
    TOP_LANDMARKS,
    TOP_GOALS,
    TOP_MODELS,
    TOP_LEVERS,
    TOP_ACTIONS,
    TOP_POLICIES,
    TOP_HOLDOUT,
    TOP_DECIDE,
    TOP_CHANNELS,
    TOP_PLACEMENTS,
    TOP_BUNDLES,
    TOP_BUDGETS,
    TOP_CONTEXT,
    TOP_BOTS,
    TOP_EXPLORE,
    TOP_GROUPS,
    TOP_ISSUES,
    TOP_LIFETIME,
    TOP_EXPERIMENTS,
    TOP_COUNT
};
enum customer_key {
    CUSTOMER_IDENTIFIERS,
    CUSTOMER_ZONE,
    CUSTOMER_ZONES,
    CUSTOMER_CLAIMS_PER_DAY,
    CUSTOMER_COUNT
};
enum customer_zone_key { CUSTOMER_ZONE_FROM, CUSTOMER_ZONE_COUNTRY, CUSTOMER_ZONE_COUNT };
enum identifier_key {
    IDENTIFIER_PER_CUSTOMER,
    IDENTIFIER_UNIQUE,
    IDENTIFIER_EXPIRES,
    IDENTIFIER_LOWER_CASE,
    IDENTIFIER_BLOCKED,
    IDENTIFIER_ALLOW,
    IDENTIFIER_EVENTS_PER_DAY,
    IDENTIFIER_DEVICE,
    IDENTIFIER_COUNT
};
enum consent_key { CONSENT_PURPOSES, CONSENT_REQUIRED, CONSENT_COUNT };
enum relation_key { RELATION_CONSENT, RELATION_COUNT };
enum visits_key { VISITS_GAP, VISITS_EVENTS, VISITS_CHANNELS, VISITS_COUNT };
enum source_key {
    SOURCE_FILE,
    SOURCE_FORMAT,
    SOURCE_EVENT,
    SOURCE_CHANNEL,
    SOURCE_TIME,
    SOURCE_ARRIVES,
    SOURCE_KEY,
    SOURCE_ROW_KEY,
    SOURCE_ROW_VERSION,
    SOURCE_RETRACT_WHEN,
    SOURCE_CORRECTIONS_MAX,
    SOURCE_AGAIN,
    SOURCE_LINES,
    SOURCE_NOTE,
    SOURCE_ONE_EVENT_PER,
    SOURCE_TYPES,
    SOURCE_PROPERTIES,
    SOURCE_PROPERTIES_AT,
    SOURCE_LOOKUP,
    SOURCE_MANY,
    SOURCE_DELIMITER,
    SOURCE_QUOTE,
    SOURCE_SKIP_LINES,
    SOURCE_HEADER,
    SOURCE_COLUMNS,
    SOURCE_ZONE,
    SOURCE_DATES,
    SOURCE_DECIMAL,
    SOURCE_LISTEN,
    SOURCE_SIGNATURE,
    SOURCE_TRUST,
    SOURCE_CLAIMS,
    SOURCE_TOKEN_SECRET,
    SOURCE_COUNT
};
enum signature_key {
    SIGNATURE_KEY_SCHEME,
    SIGNATURE_KEY_SECRET,
    SIGNATURE_KEY_HEADER,
    SIGNATURE_KEY_URL,
    SIGNATURE_KEY_MAX_AGE,
    SIGNATURE_COUNT
};
enum trait_key { TRAIT_IS, TRAIT_SAYS, TRAIT_TOPIC, TRAIT_COUNT };
enum scenario_key { SCENARIO_WHEN, SCENARIO_GOALS, SCENARIO_COUNT };
enum landmarks_key {
    LANDMARKS_EVERY,
    LANDMARKS_ACTIVE_WITHIN,
    LANDMARKS_VISITS_ONLY,
    LANDMARKS_COUNT
};
enum goal_key {
    GOAL_EVENT,
    GOAL_WHERE,
    GOAL_WITHIN,
    GOAL_UNTIL,
    GOAL_VALUE,
    GOAL_UNDONE_BY,
    GOAL_COUNT
};
enum model_key {
    MODEL_GOAL,
    MODEL_LEARN_FROM,
    MODEL_FEATURES,
    MODEL_ATTRIBUTES,
    MODEL_CLAIMS,
    MODEL_LEARN_ON,
    MODEL_COUNT
};
enum lifetime_key { LIFETIME_KEY_ORDERS, LIFETIME_KEY_VALUE, LIFETIME_KEY_COUNT };
enum lever_key { LEVER_PERCENT, LEVER_RUNS, LEVER_COUNT };
enum loss_key { LOSS_CHANCE, LOSS_VALUE, LOSS_COUNT };
enum learn_on_key { LEARN_ON_EVERY, LEARN_ON_DECAY, LEARN_ON_COUNT };
enum levers_key { LEVERS_GROUPS, LEVERS_ISSUES, LEVERS_COUNT };
enum action_key {
    ACTION_TITLE,
    ACTION_GROUP,
    ACTION_ISSUE,
    ACTION_FOR_EACH,
    ACTION_ATTRIBUTES,
    ACTION_AVAILABLE,
    ACTION_ELIGIBLE,
    ACTION_APPLICABLE,
    ACTION_SUITABLE,
    ACTION_GOAL,
    ACTION_MODEL,
    ACTION_COST,
    ACTION_WEIGHT,
    ACTION_LEVER,
    ACTION_STARTING_PROPENSITY,
    ACTION_PURPOSE,
    ACTION_TOPIC,
    ACTION_CHANNELS,
    ACTION_REASON,
    ACTION_SERVICE,
    ACTION_COUNTS,
    ACTION_LIMITED,
    ACTION_PROGRAMME,
    ACTION_VALUE,
    ACTION_COUNT
};
enum channel_key {
    CHANNEL_PLACEMENT,
    CHANNEL_SCRIPT,
    CHANNEL_CONTENT,
    CHANNEL_COST,
    CHANNEL_COUNT
};
enum placement_key {
    PLACEMENT_SLOTS,
    PLACEMENT_CHANNELS,
    PLACEMENT_ACTIONS,
    PLACEMENT_GROUPS,
    PLACEMENT_FALLBACK,
    PLACEMENT_STICKY,
    PLACEMENT_TIMEOUT,
    PLACEMENT_COUNT
};
enum bundle_key { BUNDLE_ONLY, BUNDLE_NEVER, BUNDLE_WITH, BUNDLE_COUNT };
enum budget_key {
    BUDGET_KEY_COST,
    BUDGET_KEY_CONTACTS,
    BUDGET_KEY_HOURS,
    BUDGET_KEY_STOCK,
    BUDGET_KEY_AT_LEAST,
    BUDGET_KEY_PER,
    BUDGET_KEY_EACH,
    BUDGET_KEY_CHANNELS,
    BUDGET_KEY_ACTIONS,
    BUDGET_KEY_GROUPS,
    BUDGET_KEY_COUNT
};
enum policy_key {
    POLICY_KEY_AT_MOST,
    POLICY_KEY_IN,
    POLICY_KEY_AFTER,
    POLICY_KEY_TIMES,
    POLICY_KEY_WAIT,
    POLICY_KEY_NEVER_WITHOUT,
    POLICY_KEY_QUIET,
    POLICY_KEY_CHANNEL,
    POLICY_KEY_GROUP,
    POLICY_KEY_ACTION,
    POLICY_KEY_OF,
    POLICY_KEY_PER,
    POLICY_KEY_IMPRESSIONS,
    POLICY_KEY_COUNT
};
enum holdout_key { HOLDOUT_SHARE, HOLDOUT_SALT, HOLDOUT_COUNT };
enum experiment_key {
    EXPERIMENT_GOAL,
    EXPERIMENT_ARMS,
    EXPERIMENT_WHO,
    EXPERIMENT_START,
    EXPERIMENT_STOP,
    EXPERIMENT_SHARE,
    EXPERIMENT_LAYER,
    EXPERIMENT_SALT,
    EXPERIMENT_KEY_COUNT
};
enum arm_key { ARM_SHARE, ARM_WITHOUT, ARM_LEVERS, ARM_KEY_COUNT };
enum level_key {
    LEVEL_AVAILABLE,
    LEVEL_ELIGIBLE,
    LEVEL_APPLICABLE,
    LEVEL_SUITABLE,
    LEVEL_PURPOSE,
    LEVEL_TOPIC,
    LEVEL_ISSUE,
    LEVEL_COUNT
};
enum explore_key {
    EXPLORE_SHARE,
    EXPLORE_GAMMA,
    EXPLORE_CANDIDATES,
    EXPLORE_NOTHING,
    EXPLORE_OFF,
    EXPLORE_COUNT
};
enum explore_off_key {
    EXPLORE_OFF_CHANNELS,
    EXPLORE_OFF_GROUPS,
    EXPLORE_OFF_ACTIONS,
    EXPLORE_OFF_WHEN,
    EXPLORE_OFF_COUNT
};
enum decide_key { DECIDE_SLOTS, DECIDE_LISTS, DECIDE_COUNT };
enum messaging_key {
    MESSAGING_DIRECTION,
    MESSAGING_RECEIPTS,
    MESSAGING_EXPIRES,
    MESSAGING_ADDRESS,
    MESSAGING_LOSSES,
    MESSAGING_COUNT
};

extern const struct key_set budget_keys;
extern const struct key_set top_keys, customer_keys, identifier_keys, consent_keys, relation_keys,
    visits_keys, source_keys, trait_keys, scenario_keys, landmarks_keys, goal_keys, model_keys,
    levers_keys, action_keys, channel_keys, policy_keys, holdout_keys, decide_keys, messaging_keys,
    placement_keys, bundle_keys, customer_zone_keys;
extern const struct key_set signature_keys, explore_keys, explore_off_keys, lifetime_keys,
    experiment_keys, arm_keys, level_keys, lever_keys, loss_keys, online_keys;

/* All of them, for the test that compares them with the schema. */
extern const struct key_set *const playbook_key_sets[];
extern const uint32_t playbook_key_set_count;

#endif
