/* SPDX-License-Identifier: Apache-2.0 */
#include "playbook/read/keys.h"

#define KEY_SET(set, description)                                                                  \
    const struct key_set set##_keys = {#set, description, set##_names,                             \
                                       sizeof set##_names / sizeof *set##_names};                  \
    _Static_assert(sizeof set##_names / sizeof *set##_names <= KEYS_MAX,                           \
                   "callers hold KEYS_MAX values")

/* clang-format off */
static const char *const top_names[TOP_COUNT] = {
    [TOP_ATTUNE] = "attune", [TOP_NAME] = "name", [TOP_CURRENCY] = "currency", [TOP_ZONE] = "zone",
    [TOP_CUSTOMER] = "customer", [TOP_CONSENT] = "consent", [TOP_RELATIONS] = "relations", [TOP_VISITS] = "visits",
    [TOP_EVENTS] = "events", [TOP_SOURCES] = "sources", [TOP_TRAITS] = "traits", [TOP_SCENARIOS] = "scenarios",
    [TOP_LANDMARKS] = "landmarks", [TOP_GOALS] = "goals", [TOP_MODELS] = "models", [TOP_LEVERS] = "levers",
    [TOP_ACTIONS] = "actions", [TOP_POLICIES] = "policies", [TOP_HOLDOUT] = "holdout", [TOP_DECIDE] = "decide",
    [TOP_CHANNELS] = "channels", [TOP_PLACEMENTS] = "placements", [TOP_BUNDLES] = "bundles", [TOP_BUDGETS] = "budgets",
    [TOP_CONTEXT] = "context", [TOP_BOTS] = "bots", [TOP_EXPLORE] = "explore", [TOP_LIFETIME] = "lifetime",
    [TOP_EXPERIMENTS] = "experiments", [TOP_GROUPS] = "groups", [TOP_ISSUES] = "issues",
};
KEY_SET(top, "a playbook");

static const char *const customer_names[CUSTOMER_COUNT] = {
    [CUSTOMER_IDENTIFIERS] = "identifiers", [CUSTOMER_ZONE] = "zone", [CUSTOMER_ZONES] = "zones",
    [CUSTOMER_CLAIMS_PER_DAY] = "claims_per_day",
};
KEY_SET(customer, "customer");

static const char *const customer_zone_names[CUSTOMER_ZONE_COUNT] = {
    [CUSTOMER_ZONE_FROM] = "from", [CUSTOMER_ZONE_COUNTRY] = "country",
};
KEY_SET(customer_zone, "the customer's zone");

static const char *const identifier_names[IDENTIFIER_COUNT] = {
    [IDENTIFIER_PER_CUSTOMER] = "per_customer", [IDENTIFIER_UNIQUE] = "unique", [IDENTIFIER_EXPIRES] = "expires",
    [IDENTIFIER_LOWER_CASE] = "lower_case", [IDENTIFIER_BLOCKED] = "blocked", [IDENTIFIER_ALLOW] = "allow",
    [IDENTIFIER_EVENTS_PER_DAY] = "events_per_day", [IDENTIFIER_DEVICE] = "device",
};
KEY_SET(identifier, "an identifier");

static const char *const consent_names[CONSENT_COUNT] = {
    [CONSENT_PURPOSES] = "purposes", [CONSENT_REQUIRED] = "required",
};
KEY_SET(consent, "consent");

static const char *const relation_names[RELATION_COUNT] = {[RELATION_CONSENT] = "consent"};
KEY_SET(relation, "a relation");

static const char *const visits_names[VISITS_COUNT] = {
    [VISITS_GAP] = "gap", [VISITS_EVENTS] = "events", [VISITS_CHANNELS] = "channels",
};
KEY_SET(visits, "visits");

static const char *const source_names[SOURCE_COUNT] = {
    [SOURCE_FILE] = "file", [SOURCE_FORMAT] = "format", [SOURCE_EVENT] = "event", [SOURCE_CHANNEL] = "channel",
    [SOURCE_TIME] = "time", [SOURCE_ARRIVES] = "arrives", [SOURCE_KEY] = "key", [SOURCE_ROW_KEY] = "row_key",
    [SOURCE_ROW_VERSION] = "row_version", [SOURCE_RETRACT_WHEN] = "retract_when",
    [SOURCE_CORRECTIONS_MAX] = "corrections_max", [SOURCE_AGAIN] = "again",
    [SOURCE_LINES] = "lines", [SOURCE_NOTE] = "note",
    [SOURCE_ONE_EVENT_PER] = "one_event_per", [SOURCE_TYPES] = "types", [SOURCE_PROPERTIES] = "properties",
    [SOURCE_PROPERTIES_AT] = "properties_at", [SOURCE_LOOKUP] = "lookup", [SOURCE_MANY] = "many",
    [SOURCE_DELIMITER] = "delimiter", [SOURCE_QUOTE] = "quote", [SOURCE_SKIP_LINES] = "skip_lines",
    [SOURCE_HEADER] = "header", [SOURCE_COLUMNS] = "columns", [SOURCE_ZONE] = "zone",
    [SOURCE_DATES] = "dates", [SOURCE_DECIMAL] = "decimal",
    [SOURCE_LISTEN] = "listen", [SOURCE_SIGNATURE] = "signature",
    [SOURCE_TRUST] = "trust", [SOURCE_CLAIMS] = "claims", [SOURCE_TOKEN_SECRET] = "token_secret",
};
KEY_SET(source, "a source");

static const char *const signature_names[SIGNATURE_COUNT] = {
    [SIGNATURE_KEY_SCHEME] = "scheme", [SIGNATURE_KEY_SECRET] = "secret", [SIGNATURE_KEY_HEADER] = "header",
    [SIGNATURE_KEY_URL] = "url", [SIGNATURE_KEY_MAX_AGE] = "max_age",
};
KEY_SET(signature, "a signature");

static const char *const trait_names[TRAIT_COUNT] = {
    [TRAIT_IS] = "is", [TRAIT_SAYS] = "says", [TRAIT_TOPIC] = "topic",
};
KEY_SET(trait, "a trait");

static const char *const scenario_names[SCENARIO_COUNT] = {[SCENARIO_WHEN] = "when", [SCENARIO_GOALS] = "goals"};
KEY_SET(scenario, "a scenario");

static const char *const landmarks_names[LANDMARKS_COUNT] = {
    [LANDMARKS_EVERY] = "every", [LANDMARKS_ACTIVE_WITHIN] = "active_within", [LANDMARKS_VISITS_ONLY] = "visits_only",
};
KEY_SET(landmarks, "landmarks");

static const char *const goal_names[GOAL_COUNT] = {
    [GOAL_EVENT] = "event", [GOAL_WHERE] = "where", [GOAL_WITHIN] = "within", [GOAL_UNTIL] = "until",
    [GOAL_VALUE] = "value", [GOAL_UNDONE_BY] = "undone_by",
};
KEY_SET(goal, "a goal");

static const char *const model_names[MODEL_COUNT] = {
    [MODEL_GOAL] = "goal", [MODEL_LEARN_FROM] = "learn_from", [MODEL_FEATURES] = "features",
    [MODEL_ATTRIBUTES] = "attributes", [MODEL_CLAIMS] = "claims", [MODEL_LEARN_ON] = "online",
};
KEY_SET(model, "a model");

static const char *const lifetime_names[LIFETIME_KEY_COUNT] = {
    [LIFETIME_KEY_ORDERS] = "orders", [LIFETIME_KEY_VALUE] = "value",
};
KEY_SET(lifetime, "a lifetime model");

static const char *const online_names[LEARN_ON_COUNT] = {[LEARN_ON_EVERY] = "every", [LEARN_ON_DECAY] = "decay"};
KEY_SET(online, "online");

static const char *const levers_names[LEVERS_COUNT] = {[LEVERS_GROUPS] = "groups", [LEVERS_ISSUES] = "issues"};
KEY_SET(levers, "levers");

static const char *const action_names[ACTION_COUNT] = {
    [ACTION_TITLE] = "title", [ACTION_GROUP] = "group", [ACTION_ISSUE] = "issue", [ACTION_FOR_EACH] = "for_each",
    [ACTION_ATTRIBUTES] = "attributes", [ACTION_AVAILABLE] = "available", [ACTION_ELIGIBLE] = "eligible",
    [ACTION_APPLICABLE] = "applicable", [ACTION_SUITABLE] = "suitable", [ACTION_GOAL] = "goal",
    [ACTION_MODEL] = "model", [ACTION_COST] = "cost", [ACTION_WEIGHT] = "weight", [ACTION_LEVER] = "lever",
    [ACTION_STARTING_PROPENSITY] = "starting_propensity",
    [ACTION_PURPOSE] = "purpose", [ACTION_TOPIC] = "topic", [ACTION_CHANNELS] = "channels",
    [ACTION_REASON] = "reason", [ACTION_SERVICE] = "service",
    [ACTION_COUNTS] = "counts", [ACTION_LIMITED] = "limited",
    [ACTION_PROGRAMME] = "programme", [ACTION_VALUE] = "value",
};
KEY_SET(action, "an action");

static const char *const channel_names[CHANNEL_COUNT] = {
    [CHANNEL_PLACEMENT] = "placement", [CHANNEL_SCRIPT] = "script",
    [CHANNEL_CONTENT] = "content", [CHANNEL_COST] = "cost",
};
KEY_SET(channel, "a channel");

static const char *const policy_names[POLICY_KEY_COUNT] = {
    [POLICY_KEY_AT_MOST] = "at_most", [POLICY_KEY_IN] = "in", [POLICY_KEY_AFTER] = "after",
    [POLICY_KEY_TIMES] = "times", [POLICY_KEY_WAIT] = "wait", [POLICY_KEY_NEVER_WITHOUT] = "never_without",
    [POLICY_KEY_QUIET] = "quiet", [POLICY_KEY_CHANNEL] = "channel", [POLICY_KEY_GROUP] = "group",
    [POLICY_KEY_ACTION] = "action", [POLICY_KEY_OF] = "of", [POLICY_KEY_PER] = "per",
    [POLICY_KEY_IMPRESSIONS] = "impressions",
};
KEY_SET(policy, "a policy");

static const char *const experiment_names[EXPERIMENT_KEY_COUNT] = {
    [EXPERIMENT_GOAL] = "goal", [EXPERIMENT_ARMS] = "arms", [EXPERIMENT_WHO] = "who",
    [EXPERIMENT_START] = "start", [EXPERIMENT_STOP] = "stop", [EXPERIMENT_SHARE] = "share",
    [EXPERIMENT_LAYER] = "layer", [EXPERIMENT_SALT] = "salt",
};
KEY_SET(experiment, "an experiment");

static const char *const arm_names[ARM_KEY_COUNT] = {
    [ARM_SHARE] = "share", [ARM_WITHOUT] = "without", [ARM_LEVERS] = "levers",
};
KEY_SET(arm, "an arm");

static const char *const holdout_names[HOLDOUT_COUNT] = {[HOLDOUT_SHARE] = "share", [HOLDOUT_SALT] = "salt"};
KEY_SET(holdout, "holdout");

static const char *const decide_names[DECIDE_COUNT] = {[DECIDE_SLOTS] = "slots",
                                                         [DECIDE_LISTS] = "lists"};
KEY_SET(decide, "decide");

static const char *const level_names[LEVEL_COUNT] = {
    [LEVEL_AVAILABLE] = "available", [LEVEL_ELIGIBLE] = "eligible", [LEVEL_APPLICABLE] = "applicable",
    [LEVEL_SUITABLE] = "suitable", [LEVEL_PURPOSE] = "purpose", [LEVEL_TOPIC] = "topic", [LEVEL_ISSUE] = "issue",
};
KEY_SET(level, "a group or an issue");

static const char *const lever_names[LEVER_COUNT] = {[LEVER_PERCENT] = "percent", [LEVER_RUNS] = "runs"};
KEY_SET(lever, "a lever");

static const char *const loss_names[LOSS_COUNT] = {[LOSS_CHANCE] = "chance", [LOSS_VALUE] = "value"};
KEY_SET(loss, "a loss");

static const char *const explore_names[EXPLORE_COUNT] = {
    [EXPLORE_SHARE] = "share", [EXPLORE_GAMMA] = "gamma", [EXPLORE_CANDIDATES] = "candidates",
    [EXPLORE_NOTHING] = "nothing", [EXPLORE_OFF] = "off",
};
KEY_SET(explore, "explore");

static const char *const explore_off_names[EXPLORE_OFF_COUNT] = {
    [EXPLORE_OFF_CHANNELS] = "channels", [EXPLORE_OFF_GROUPS] = "groups", [EXPLORE_OFF_ACTIONS] = "actions",
    [EXPLORE_OFF_WHEN] = "when",
};
KEY_SET(explore_off, "off");

static const char *const messaging_names[MESSAGING_COUNT] = {
    [MESSAGING_DIRECTION] = "direction", [MESSAGING_RECEIPTS] = "receipts", [MESSAGING_EXPIRES] = "expires",
    [MESSAGING_ADDRESS] = "address", [MESSAGING_LOSSES] = "losses",
};
KEY_SET(messaging, "a channel");

static const char *const placement_names[PLACEMENT_COUNT] = {
    [PLACEMENT_SLOTS] = "slots", [PLACEMENT_CHANNELS] = "channels", [PLACEMENT_ACTIONS] = "actions",
    [PLACEMENT_GROUPS] = "groups", [PLACEMENT_FALLBACK] = "fallback", [PLACEMENT_STICKY] = "sticky",
    [PLACEMENT_TIMEOUT] = "timeout",
};
KEY_SET(placement, "a placement");

static const char *const budget_names[BUDGET_KEY_COUNT] = {
    [BUDGET_KEY_COST] = "cost",         [BUDGET_KEY_CONTACTS] = "contacts",
    [BUDGET_KEY_HOURS] = "hours",       [BUDGET_KEY_STOCK] = "stock",
    [BUDGET_KEY_AT_LEAST] = "at_least", [BUDGET_KEY_PER] = "per",
    [BUDGET_KEY_EACH] = "each",         [BUDGET_KEY_CHANNELS] = "channels",
    [BUDGET_KEY_ACTIONS] = "actions",   [BUDGET_KEY_GROUPS] = "groups",
};
KEY_SET(budget, "a budget");

static const char *const bundle_names[BUNDLE_COUNT] = {
    [BUNDLE_ONLY] = "only", [BUNDLE_NEVER] = "never", [BUNDLE_WITH] = "with",
};
KEY_SET(bundle, "a bundle");

/* clang-format on */

const struct key_set *const playbook_key_sets[] = {
    &budget_keys,      &top_keys,      &customer_keys,      &identifier_keys, &consent_keys,
    &relation_keys,    &visits_keys,   &source_keys,        &trait_keys,      &scenario_keys,
    &landmarks_keys,   &goal_keys,     &model_keys,         &levers_keys,     &action_keys,
    &channel_keys,     &policy_keys,   &holdout_keys,       &decide_keys,     &messaging_keys,
    &placement_keys,   &bundle_keys,   &customer_zone_keys, &signature_keys,  &explore_keys,
    &explore_off_keys, &lifetime_keys, &level_keys,         &lever_keys,      &loss_keys,
    &experiment_keys,  &arm_keys,      &online_keys,
};
const uint32_t playbook_key_set_count = sizeof playbook_key_sets / sizeof *playbook_key_sets;
