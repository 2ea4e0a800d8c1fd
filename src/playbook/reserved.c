/* SPDX-License-Identifier: Apache-2.0 */
/* The events whose meaning is built in, and those of the Segment spec. */
#include "playbook/names.h"

struct reserved {
    uint32_t event, property;
    enum value_type type;
};

/* Treatment events share these. */
static const struct reserved of_treatments[] = {
    {0, PROPERTY_TREATMENT, VALUE_TEXT},     {0, PROPERTY_ACTION, VALUE_TEXT},
    {0, PROPERTY_GROUP, VALUE_TEXT},         {0, PROPERTY_DECISION, VALUE_TEXT},
    {0, PROPERTY_PLACEMENT, VALUE_TEXT},     {0, PROPERTY_CHANNEL, VALUE_TEXT},
    {0, PROPERTY_PROBABILITY, VALUE_NUMBER}, {0, PROPERTY_REASON, VALUE_TEXT},
};
static const struct reserved reserved[] = {
    {EVENT_CONSENT_CHANGED, PROPERTY_PURPOSE, VALUE_TEXT},
    {EVENT_CONSENT_CHANGED, PROPERTY_STATE, VALUE_YES_NO},
    {EVENT_CONSENT_CHANGED, PROPERTY_SOURCE, VALUE_TEXT},
    {EVENT_CONSENT_CHANGED, PROPERTY_TEXT_VERSION, VALUE_TEXT},
    {EVENT_OPT_IN_CHANGED, PROPERTY_CHANNEL, VALUE_TEXT},
    {EVENT_OPT_IN_CHANGED, PROPERTY_STATE, VALUE_YES_NO},
    {EVENT_OPT_IN_CHANGED, PROPERTY_SOURCE, VALUE_TEXT},
    {EVENT_DECISION_MADE, PROPERTY_DECISION, VALUE_TEXT},
    {EVENT_DECISION_MADE, PROPERTY_PLACEMENT, VALUE_TEXT},
    {EVENT_DECISION_MADE, PROPERTY_TREATMENT, VALUE_TEXT},
    {EVENT_DECISION_MADE, PROPERTY_ACTION, VALUE_TEXT},
    {EVENT_DECISION_MADE, PROPERTY_GROUP, VALUE_TEXT},
    {EVENT_DECISION_MADE, PROPERTY_CHANNEL, VALUE_TEXT},
    {EVENT_DECISION_MADE, PROPERTY_PROBABILITY, VALUE_NUMBER},
    {EVENT_DECISION_MADE, PROPERTY_PROPENSITY, VALUE_NUMBER},
    {EVENT_DECISION_MADE, PROPERTY_VALUE, VALUE_NUMBER},
    {EVENT_DECISION_MADE, PROPERTY_PRIORITY, VALUE_NUMBER},
    {EVENT_DECISION_MADE, PROPERTY_TRACE, VALUE_TEXT},
    {EVENT_DECISION_MADE, PROPERTY_MODEL, VALUE_TEXT},
    {EVENT_DECISION_MADE, PROPERTY_PLAYBOOK, VALUE_TEXT},
    {EVENT_DECISION_MADE, PROPERTY_WITHHELD, VALUE_YES_NO},
    {EVENT_DECISION_MADE, PROPERTY_REASON, VALUE_TEXT},
    {EVENT_CUSTOMER_MERGED, PROPERTY_TO, VALUE_TEXT},
    {EVENT_CUSTOMER_MERGED, PROPERTY_REASON, VALUE_TEXT},
    {EVENT_CUSTOMER_SPLIT, PROPERTY_TO, VALUE_TEXT},
    {EVENT_CUSTOMER_SPLIT, PROPERTY_REASON, VALUE_TEXT},
    {EVENT_RELATED, PROPERTY_KIND, VALUE_TEXT},
    {EVENT_RELATED, PROPERTY_TO, VALUE_TEXT},
    {EVENT_RELATED, PROPERTY_STATE, VALUE_YES_NO},
    {EVENT_RELATED, PROPERTY_SOURCE, VALUE_TEXT},
    {EVENT_SURVEY_ANSWERED, PROPERTY_SURVEY, VALUE_TEXT},
    {EVENT_SURVEY_ANSWERED, PROPERTY_ITEM, VALUE_TEXT},
    {EVENT_ERASED, PROPERTY_REASON, VALUE_TEXT},
};

static bool add_one(struct reader *reader, const struct yaml_node *nowhere, uint32_t event,
                    uint32_t property, enum value_type type, enum strength strength) {
    struct text name = symbol_text(reader->symbols, SYMBOL_PROPERTY, property);
    return names_add_property(reader, nowhere, event, name, type, strength) != NULL;
}

/* Adds the messages of a decision, for which contact limits are kept. */
static bool add_messages(struct reader *reader, const struct yaml_node *nowhere) {
    static const struct {
        const char *name;
        enum value_type type;
    } fields[] = {{"treatment", VALUE_TEXT},    {"channel", VALUE_TEXT},
                  {"withheld", VALUE_YES_NO},   {"send_after", VALUE_TIME},
                  {"propensity", VALUE_NUMBER}, {"priority", VALUE_NUMBER},
                  {"placement", VALUE_TEXT}};
    struct property_entry *messages = names_add_property(
        reader, nowhere, EVENT_DECISION_MADE, TEXT("messages"), VALUE_LIST, STRENGTH_DECLARED);
    for (size_t i = 0; messages != NULL && i < sizeof fields / sizeof *fields; i++) {
        if (!names_add_field(reader, nowhere, messages, text_from(fields[i].name), fields[i].type,
                             STRENGTH_DECLARED))
            return false;
    }
    return messages != NULL &&
           names_add_property(reader, nowhere, EVENT_DECISION_MADE, TEXT("treatment_set"),
                              VALUE_TEXT, STRENGTH_DECLARED) != NULL;
}

/* Adds the traits that spoke most for the first rank of a decision, and their values, of any type;
 * of a pair, the other trait, too. */
static bool add_because(struct reader *reader, const struct yaml_node *nowhere) {
    struct property_entry *because = names_add_property(
        reader, nowhere, EVENT_DECISION_MADE, TEXT("because"), VALUE_LIST, STRENGTH_DECLARED);
    return because != NULL &&
           names_add_field(reader, nowhere, because, TEXT("trait"), VALUE_TEXT,
                           STRENGTH_DECLARED) &&
           names_add_field(reader, nowhere, because, TEXT("with"), VALUE_TEXT, STRENGTH_DECLARED);
}

/* What a decision was made from, and what was held then. */
static bool add_basis(struct reader *reader, const struct yaml_node *nowhere) {
    static const struct {
        const char *list, *name;
        enum value_type type;
    } fields[] = {{"basis", "in_force", VALUE_TEXT},
                  {"basis", "position", VALUE_NUMBER},
                  {"basis", "rates", VALUE_TEXT},
                  {"basis", "rates_at", VALUE_TIME},
                  {"basis", "rates_position", VALUE_NUMBER},
                  {"basis", "trace", VALUE_TEXT},
                  {"basis", "count", VALUE_NUMBER},
                  {"held", "purpose", VALUE_TEXT},
                  {"held", "channel", VALUE_TEXT}};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        struct property_entry *list =
            names_add_property(reader, nowhere, EVENT_DECISION_MADE, text_from(fields[i].list),
                               VALUE_LIST, STRENGTH_DECLARED);
        if (list == NULL || !names_add_field(reader, nowhere, list, text_from(fields[i].name),
                                             fields[i].type, STRENGTH_DECLARED))
            return false;
    }
    return names_add_property(reader, nowhere, EVENT_DECISION_MADE, TEXT("context"), VALUE_TEXT,
                              STRENGTH_DECLARED) != NULL;
}

bool reserved_add(struct reader *reader) {
    static const struct yaml_node nowhere; /* line 0: no place in the file */
    uint32_t event;
    for (uint32_t i = 0; i < EVENT_RESERVED_COUNT; i++) {
        if (!names_add_event(reader, &nowhere, symbol_text(reader->symbols, SYMBOL_EVENT, i),
                             &event))
            return false;
    }
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++) {
        const struct reserved *it = &reserved[i];
        if (!add_one(reader, &nowhere, it->event, it->property, it->type, STRENGTH_DECLARED))
            return false;
    }
    static const char *const by_name[] = {"holdout",
                                          /* added later than the ids that directories have */
                                          "salt"};
    for (size_t i = 0; i < 2; i++) {
        if (names_add_property(reader, &nowhere, EVENT_DECISION_MADE, text_from(by_name[i]),
                               VALUE_TEXT, STRENGTH_DECLARED) == NULL)
            return false;
    }
    if (!add_messages(reader, &nowhere) || !add_because(reader, &nowhere) ||
        !add_basis(reader, &nowhere))
        return false;
    static const char *const of_opt_ins[] = {"address", "programme"};
    for (size_t i = 0; i < 2; i++) {
        if (names_add_property(reader, &nowhere, EVENT_OPT_IN_CHANGED, text_from(of_opt_ins[i]),
                               VALUE_TEXT, STRENGTH_DECLARED) == NULL)
            return false;
    }
    for (event = EVENT_TREATMENT_SHOWN; event <= EVENT_TREATMENT_REJECTED; event++) {
        for (size_t i = 0; i < sizeof of_treatments / sizeof *of_treatments; i++) {
            const struct reserved *it = &of_treatments[i];
            if (!add_one(reader, &nowhere, event, it->property, it->type, STRENGTH_DECLARED))
                return false;
        }
    }
    /* An answer may be a number or text, as the survey has it. */
    return add_one(reader, &nowhere, EVENT_SURVEY_ANSWERED, PROPERTY_ANSWER, VALUE_NUMBER,
                   STRENGTH_GUESSED);
}

/* ---- the Segment spec: e-commerce v2, pages and screens ---- */

/* clang-format off */
/* An event a line. "name:type", types n(umber) t(ext) m(oney); * is the list of products, + the
 * fields of one product. */
static const char product_fields[] = "product_id:t sku:t name:t category:t brand:t variant:t price:m quantity:n coupon:t position:n "
                                     "url:t image_url:t";
static const struct {
    const char *event, *properties;
} spec[] = {
    {"Page Viewed", "name:t category:t path:t referrer:t search:t title:t url:t"},
    {"Screen Viewed", "name:t category:t"},
    {"Group Joined", "group_id:t name:t"}, /* a call of `group` */
    {"Identity Aliased", ""},              /* a call of `alias` */
    {"Products Searched", "query:t"},
    {"Product List Viewed", "list_id:t category:t *"},
    {"Product List Filtered", "list_id:t category:t *"},
    {"Promotion Viewed", "promotion_id:t creative:t name:t position:t"},
    {"Promotion Clicked", "promotion_id:t creative:t name:t position:t"},
    {"Product Clicked", "currency:t value:m +"},
    {"Product Viewed", "currency:t value:m +"},
    {"Product Added", "cart_id:t +"},
    {"Product Removed", "cart_id:t +"},
    {"Cart Viewed", "cart_id:t *"},
    {"Checkout Started", "order_id:t affiliation:t value:m revenue:m shipping:m tax:m discount:m coupon:t currency:t *"},
    {"Checkout Step Viewed", "checkout_id:t step:n shipping_method:t payment_method:t"},
    {"Checkout Step Completed", "checkout_id:t step:n shipping_method:t payment_method:t"},
    {"Payment Info Entered", "checkout_id:t order_id:t step:n shipping_method:t payment_method:t"},
    {"Order Updated", "order_id:t affiliation:t total:m revenue:m shipping:m tax:m discount:m coupon:t currency:t *"},
    {"Order Completed",
     "checkout_id:t order_id:t affiliation:t subtotal:m total:m revenue:m shipping:m tax:m discount:m coupon:t currency:t *"},
    {"Order Refunded", "order_id:t total:m currency:t *"},
    {"Order Cancelled", "order_id:t affiliation:t total:m revenue:m shipping:m tax:m discount:m coupon:t currency:t *"},
    {"Coupon Entered", "order_id:t cart_id:t coupon_id:t"},
    {"Coupon Applied", "order_id:t cart_id:t coupon_id:t coupon_name:t discount:m"},
    {"Coupon Denied", "order_id:t cart_id:t coupon_id:t coupon_name:t reason:t"},
    {"Coupon Removed", "order_id:t cart_id:t coupon_id:t coupon_name:t discount:m"},
    {"Product Added to Wishlist", "wishlist_id:t wishlist_name:t +"},
    {"Product Removed from Wishlist", "wishlist_id:t wishlist_name:t +"},
    {"Wishlist Product Added to Cart", "wishlist_id:t wishlist_name:t cart_id:t +"},
    {"Product Shared", "share_via:t share_message:t recipient:t +"},
    {"Cart Shared", "share_via:t share_message:t recipient:t cart_id:t *"},
    {"Product Reviewed", "product_id:t review_id:t review_body:t rating:n"},
};

/* clang-format on */

static enum value_type spec_type(char letter) {
    return letter == 'n' ? VALUE_NUMBER : letter == 'm' ? VALUE_MONEY : VALUE_TEXT;
}

/* Reads the next "name:type" of a list. False at its end; *at is then on what is no such pair (* or
 * +). */
static bool next_pair(const char **at, struct text *name, enum value_type *type) {
    while (**at == ' ') (*at)++;
    const char *colon = strchr(*at, ':');
    if (colon == NULL) return false;
    *name = (struct text){*at, (uint32_t)(colon - *at)};
    *type = spec_type(colon[1]);
    *at = colon + 2;
    return true;
}

static bool add_products(struct reader *reader, const struct yaml_node *nowhere, uint32_t event) {
    struct text name;
    enum value_type type;
    struct property_entry *products =
        names_add_property(reader, nowhere, event, TEXT("products"), VALUE_LIST, STRENGTH_SPEC);
    if (products == NULL) return false;
    for (const char *at = product_fields; next_pair(&at, &name, &type);) {
        if (!names_add_field(reader, nowhere, products, name, type, STRENGTH_SPEC)) return false;
    }
    return true;
}

static bool add_pairs(struct reader *reader, const struct yaml_node *nowhere, uint32_t event,
                      const char **at) {
    struct text name;
    enum value_type type;
    while (next_pair(at, &name, &type)) {
        if (names_add_property(reader, nowhere, event, name, type, STRENGTH_SPEC) == NULL)
            return false;
    }
    return true;
}

bool spec_add(struct reader *reader) {
    static const struct yaml_node nowhere;
    for (size_t i = 0; i < sizeof spec / sizeof *spec; i++) {
        const char *at = spec[i].properties, *product = product_fields;
        uint32_t event;
        if (!names_add_event(reader, &nowhere, text_from(spec[i].event), &event)) return false;
        if (!add_pairs(reader, &nowhere, event, &at)) return false;
        if (*at == '+' && !add_pairs(reader, &nowhere, event, &product)) return false;
        if (*at == '*' && !add_products(reader, &nowhere, event)) return false;
    }
    return true;
}
