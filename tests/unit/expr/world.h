/* SPDX-License-Identifier: Apache-2.0 */
/* A small world for tests of the language: a schema as a playbook would give it, and timelines
 * built by hand.
 *
 *   Order Completed {order_id, revenue, store, gift, tags[], products[] {product_id, quantity,
 *   sales_value}}
 *   Clicked {button}   Page Viewed {path, spent}   Customer Record {city, income, born, member}
 *   Coupon Redeemed {campaign_id, revenue}   Ticket Bought {city}   Refund Made {revenue: number,
 *                                            against its type elsewhere}
 *   lookups: product (product_id → department, price), campaign (campaign_id → campaign_type,
 *   end_date)
 *   action: products[], name, discount, campaign_id, start_date, end_date      relation: friend */
#ifndef TESTS_EXPR_WORLD_H
#define TESTS_EXPR_WORLD_H

#include "event/event.h"
#include "event/timeline.h"
#include "expr/expr.h"

#define WORLD_PROPERTIES_MAX 12
#define WORLD_TRAITS_MAX     32

struct world_event {
    int64_t time_ms, known_ms;
    uint32_t type;
    uint8_t channel;
    uint32_t count;
    struct {
        uint32_t symbol;
        struct value value;
    } property[WORLD_PROPERTIES_MAX];
};

struct expr_world {
    struct arena arena;
    struct symbols *symbols;
    struct column_set columns;
    struct expr_schema schema;
    struct {
        char name[64];
        struct expr_program *program;
        enum value_type type;
        bool of_treatment;
    } trait[WORLD_TRAITS_MAX];
    uint32_t trait_count;
    struct lookup_table *product, *campaign;
    struct value_set *action_products;
    struct expr_attribute attributes[6];
    struct value said[3]; /* context: page_category, cart_value, items */
    const struct timeline *friends[512];
    uint32_t friend_count;
    uint32_t lookup_calls;
    int64_t lookup_known_ms; /* lookups are unknown before it */
};

void world_init(struct expr_world *world);
void world_release(struct expr_world *world);
uint32_t world_event_type(struct expr_world *world, const char *name);
uint32_t world_property(struct expr_world *world, const char *name);
/* Declares a trait; its program is compiled. Fails the test on an error. */
void world_trait(struct expr_world *world, const char *name, const char *source);

void world_set(struct expr_world *world, struct world_event *event, const char *property,
               struct value value);
/* A list of records: symbols and values row by row; or of scalars where names is NULL. */
struct value world_list(struct expr_world *world, const char *const *names,
                        const struct value *values, uint32_t fields, uint32_t items);
/* Sorts by time (stable) and fills columns of the set in force. Everything lives in the world's
 * arena. */
void world_timeline(struct expr_world *world, struct world_event *events, uint32_t count,
                    bool with_known, struct timeline *out);

/* Compiles; on failure *error says why and NULL is returned. */
struct expr_program *world_compile(struct expr_world *world, const char *source,
                                   struct expr_error *error);
/* The environment at t, with the traits evaluated in order of declaration. */
void world_env(struct expr_world *world, const struct timeline *timeline, int64_t t_ms,
               struct expr_env *env);
struct value world_eval(struct expr_world *world, const char *source,
                        const struct timeline *timeline, int64_t t_ms);
/* As a person reads it; in the arena. */
const char *world_print(struct expr_world *world, struct value value);

#endif
