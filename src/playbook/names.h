/* SPDX-License-Identifier: Apache-2.0 */
/* playbook/names.h -- what the names in a playbook stand for: events and their properties, lookups,
 * attributes, traits.
 *
 * Filled while the playbook is read, and asked by the expressions that are compiled meanwhile and
 * later (expr_schema.context), so it lives in the playbook's arena. Types come in three strengths:
 * the Segment spec's, which anything overrides; guessed, where a column is mapped and nobody says
 * what it holds (text); declared, where two that differ are an error. A lookup whose columns aren't
 * listed is open: an expression may name a column that the playbook doesn't declare; it is then
 * added as text, and the file is checked for it when it is read. A name that is nearly a known one
 * is taken for a slip. */
#ifndef PLAYBOOK_NAMES_H
#define PLAYBOOK_NAMES_H

#include "playbook/read/reader.h"

#define EVENTS_MAX     2000
#define PROPERTIES_MAX 10000
#define ATTRIBUTES_MAX 500

enum strength { STRENGTH_SPEC, STRENGTH_GUESSED, STRENGTH_DECLARED };

struct zone_entry {
    struct text name;
    struct time_zone *zone;
};
struct event_entry {
    uint32_t type; /* SYMBOL_EVENT */
    bool is_reserved;
    bool is_visit;
};
struct field_entry { /* of a property that is a list of records */
    struct lookup_field field;
    uint32_t symbol;
    enum strength strength;
    struct place place;
};
struct property_entry {
    struct property_rule rule; /* its fields are filled in at the end */
    enum strength strength;
    struct field_entry *fields;
    uint32_t field_count, field_capacity;
};
struct lookup_entry {
    struct lookup_rule rule; /* rule.fields is `fields`, always up to date */
    struct lookup_field *fields;
    uint32_t field_count, field_capacity;
    bool for_each; /* an action goes over its rows */
    struct place place;
};
struct attribute_entry {
    struct attribute_rule rule;
    struct place place;
};
enum trait_state { TRAIT_WAITING, TRAIT_OPEN, TRAIT_DONE, TRAIT_FAILED };
struct trait_entry {
    struct text name;
    const struct yaml_node *key, *value; /* value: the expression */
    struct text says, topic;
    enum trait_state state;
    uint32_t index; /* in playbook->traits, where done */
};

struct names {
    struct playbook *playbook;
    struct symbols *symbols;
    struct reader *reader; /* NULL once the playbook is read: nothing is added any more */
    struct zone_entry *zones;
    uint32_t zone_count, zone_capacity;
    struct event_entry *events;
    uint32_t event_count, event_capacity;
    struct property_entry *properties;
    uint32_t property_count, property_capacity;
    struct lookup_entry *lookups;
    uint32_t lookup_count, lookup_capacity;
    struct attribute_entry *attributes;
    uint32_t attribute_count, attribute_capacity;
    struct trait_entry *traits; /* in file order */
    uint32_t trait_count;
    uint32_t trait_depth;        /* traits being compiled because another one names them */
    uint32_t open_traits[64];    /* those, outermost first */
    const struct action *action; /* whose expression is being compiled; NULL: any action's */
    struct place place;          /* of what is being compiled: where a guessed name comes from */
};

/* ---- events and properties ---- */
bool names_add_event(struct reader *reader, const struct yaml_node *node, struct text name,
                     uint32_t *type);
struct event_entry *names_event(const struct names *names, uint32_t type); /* NULL */
bool names_read_event(struct reader *reader, const struct yaml_node *node,
                      uint32_t *type); /* must be known */
/* Adds a property, or strengthens the type of one. A declared type that differs from another
 * declared one is an error at `node` that names the other place. event_type SYMBOL_NONE: of any
 * event, where a source's events have many names. Returns NULL on error. */
struct property_entry *names_add_property(struct reader *reader, const struct yaml_node *node,
                                          uint32_t event_type, struct text name,
                                          enum value_type type, enum strength strength);
bool names_add_field(struct reader *reader, const struct yaml_node *node,
                     struct property_entry *property, struct text name, enum value_type type,
                     enum strength strength);
/* Returns the property of this event, else that of any event, else NULL. */
struct property_entry *names_property(const struct names *names, uint32_t event_type,
                                      uint32_t symbol);
struct field_entry *names_field(const struct property_entry *property, uint32_t symbol);

/* Adds the reserved events and their properties, and those of the Segment spec where a source uses
 * it. */
bool reserved_add(struct reader *reader);
bool spec_add(struct reader *reader);

/* ---- lookups and attributes ---- */
uint32_t names_lookup(const struct names *names, struct text name); /* UINT32_MAX */
/* Returns the field's index. Where the lookup is open and the name is no slip of a known one, the
 * field is added as text. UINT32_MAX where there is none. */
uint32_t names_lookup_field(struct names *names, uint32_t lookup, struct text field);
bool names_add_attribute(struct reader *reader, struct place place, struct text name,
                         enum value_type type, uint32_t *index);
uint32_t
names_attribute(struct names *names,
                struct text name); /* UINT32_MAX; adds a column of an open for_each lookup */

/* ---- expressions: the one place where they are compiled ---- */
void schema_init(struct names *names, struct expr_schema *schema);
enum wanted { WANTED_ANY, WANTED_YES_NO, WANTED_TIME, WANTED_AMOUNT };
/* Compiles an expression. `event_type` is for an expression about one event (expr_compile_row), and
 * NOT_A_ROW for any other. */
#define NOT_A_ROW (UINT32_MAX - 1)
bool expression_read(struct reader *reader, const struct yaml_node *node, const char *what,
                     enum wanted wanted, uint32_t event_type, struct expr_program **out);
/* Returns the trait's entry, and compiles its expression where that is not yet done. */
/* expr_schema.lifetime; `context` is the names. */
enum status lifetime_find(void *context, struct text name, struct expr_lifetime *out) MUST_USE;
struct trait_entry *names_trait(const struct names *names, struct text name);
void trait_compile(struct reader *reader, struct trait_entry *entry);

/* ---- templates: "Campaign {campaign_id}" ---- */
/* Calls `each` for every {name}. A brace that is left open, or empty, is an error. */
typedef bool template_name(struct reader *reader, const struct yaml_node *node, uint32_t offset,
                           struct text name, void *context);
bool template_check(struct reader *reader, const struct yaml_node *node, const char *what,
                    template_name *each, void *context);

#endif
