/* SPDX-License-Identifier: Apache-2.0 */
/* Gives the expression language the names of a playbook (expr_schema). */
#include "playbook/names.h"

static enum status find_event(void *context, struct text name, uint32_t *event_type) {
    const struct names *names = context;
    *event_type = symbol_find(names->symbols, SYMBOL_EVENT, name);
    return *event_type != SYMBOL_NONE && names_event(names, *event_type) != NULL ? STATUS_OK
                                                                                 : STATUS_NOT_FOUND;
}

static enum status find_property(void *context, uint32_t event_type, struct text name,
                                 struct expr_name *out) {
    const struct names *names = context;
    uint32_t symbol = symbol_find(names->symbols, SYMBOL_PROPERTY, name);
    const struct property_entry *property =
        symbol == SYMBOL_NONE ? NULL : names_property(names, event_type, symbol);
    if (property == NULL) return STATUS_NOT_FOUND;
    *out = (struct expr_name){property->rule.type, symbol};
    return STATUS_OK;
}

static enum status find_list_field(void *context, uint32_t event_type, uint32_t property,
                                   struct text name, struct expr_name *out) {
    const struct names *names = context;
    uint32_t symbol = symbol_find(names->symbols, SYMBOL_PROPERTY, name);
    const struct property_entry *list = names_property(names, event_type, property);
    const struct field_entry *field =
        list == NULL || symbol == SYMBOL_NONE ? NULL : names_field(list, symbol);
    if (field == NULL) return STATUS_NOT_FOUND;
    *out = (struct expr_name){field->field.type, symbol};
    return STATUS_OK;
}

static enum status find_trait(void *context, struct text name, struct expr_name *out,
                              struct expr_trait *reads) {
    const struct names *names = context;
    struct trait_entry *entry = names_trait(names, name);
    if (entry == NULL) return STATUS_NOT_FOUND;
    if (entry->state != TRAIT_DONE) {
        if (names->reader == NULL) return STATUS_NOT_FOUND;
        trait_compile(names->reader, entry);
        if (entry->state != TRAIT_DONE) {
            names->reader->quiet = true; /* its own error is reported already */
            return STATUS_NOT_FOUND;
        }
    }
    const struct trait *trait = &names->playbook->traits[entry->index];
    *out = (struct expr_name){trait->type, entry->index};
    *reads = (struct expr_trait){trait->of_treatment, trait->of_context};
    return STATUS_OK;
}

static enum status find_attribute(void *context, struct text name, struct expr_name *out) {
    struct names *names = context;
    uint32_t index = names_attribute(names, name);
    if (index == UINT32_MAX) return STATUS_NOT_FOUND;
    *out = (struct expr_name){names->attributes[index].rule.type, index};
    return STATUS_OK;
}

static bool is_among(struct text name, const struct text *known, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        if (text_equal(name, known[i])) return true;
    }
    return false;
}

static bool has_field(const struct lookup_entry *lookup, struct text field) {
    for (uint32_t i = 0; i < lookup->field_count; i++) {
        if (text_equal(lookup->fields[i].name, field)) return true;
    }
    return false;
}

struct join {                          /* lookups that a row with these fields reaches */
    uint32_t declared, declared_count; /* the field is one of these lookups' fields */
    uint32_t open, open_count;         /* or might be one, where they are open */
};

static struct join joins_of(const struct names *names, struct text lookup_name, struct text field,
                            const struct text *available, uint32_t count) {
    struct join join = {0};
    for (uint32_t i = 0; i < names->lookup_count; i++) {
        const struct lookup_entry *lookup = &names->lookups[i];
        if (lookup_name.length > 0 && !text_equal(lookup->rule.name, lookup_name)) continue;
        if (lookup->rule.many || lookup->rule.key_count != 1) continue;
        if (!is_among(lookup->rule.keys[0], available, count)) continue;
        if (has_field(lookup, field)) {
            join.declared = i;
            join.declared_count++;
        } else if (lookup->rule.fields_open) {
            join.open = i;
            join.open_count++;
        }
    }
    return join;
}

static enum status find_lookup(void *context, struct text lookup, struct text field,
                               const struct text *available, uint32_t available_count,
                               uint32_t *lookup_index, struct text *key, struct expr_name *out) {
    struct names *names = context;
    struct join join = joins_of(names, lookup, field, available, available_count);
    if (join.declared_count > 1) return STATUS_EXISTS;
    *lookup_index = join.declared;
    if (join.declared_count == 0) {
        if (names->reader == NULL || join.open_count == 0) return STATUS_NOT_FOUND;
        bool is_slip = text_nearest(field, available, available_count).at != NULL;
        if (lookup.length == 0 && (is_slip || names_trait(names, field) != NULL))
            return STATUS_NOT_FOUND;
        if (join.open_count > 1) return STATUS_EXISTS;
        *lookup_index = join.open;
    }
    uint32_t index = names_lookup_field(names, *lookup_index, field);
    if (index == UINT32_MAX) return STATUS_NOT_FOUND;
    const struct lookup_entry *found = &names->lookups[*lookup_index];
    *key = found->rule.keys[0];
    *out = (struct expr_name){found->fields[index].type, index};
    return STATUS_OK;
}

static enum status find_relation(void *context, struct text kind, uint32_t *index) {
    const struct names *names = context;
    for (uint32_t i = 0; i < names->playbook->relation_count; i++) {
        if (!text_equal(names->playbook->relations[i], kind)) continue;
        *index = i;
        return STATUS_OK;
    }
    return STATUS_NOT_FOUND;
}

static enum status find_context(void *context, struct text name, struct expr_name *out) {
    const struct names *names = context;
    uint32_t index = playbook_context_find(names->playbook, name);
    if (index == UINT32_MAX) return STATUS_NOT_FOUND;
    *out = (struct expr_name){names->playbook->context[index].type, index};
    return STATUS_OK;
}

/* ---- suggestions ---- */

struct listing {
    struct text *out;
    size_t count, max;
};

static void list(struct listing *listing, struct text name) {
    if (listing->count < listing->max) listing->out[listing->count++] = name;
}

static void list_properties(const struct names *names, uint32_t event_type, bool fields,
                            struct listing *listing) {
    for (uint32_t i = 0; i < names->property_count; i++) {
        const struct property_entry *property = &names->properties[i];
        bool is_of = event_type == SYMBOL_NONE || property->rule.event_type == event_type ||
                     property->rule.event_type == SYMBOL_NONE;
        if (!is_of) continue;
        if (!fields) list(listing, property->rule.name);
        for (uint32_t k = 0; fields && k < property->field_count; k++)
            list(listing, property->fields[k].field.name);
    }
}

static void list_attributes(const struct names *names, struct listing *listing) {
    for (uint32_t i = 0; i < names->attribute_count; i++)
        list(listing, names->attributes[i].rule.name);
}

static size_t list_names(void *context, char kind, uint32_t event_type, struct text *out,
                         size_t max) {
    const struct names *names = context;
    const struct playbook *playbook = names->playbook;
    struct listing listing = {out, 0, max};
    switch (kind) {
    case 'e':
        for (uint32_t i = 0; i < names->event_count; i++) {
            list(&listing, symbol_text(names->symbols, SYMBOL_EVENT, names->events[i].type));
        }
        break;
    case 'p':
    case 'f': list_properties(names, event_type, kind == 'f', &listing); break;
    case 't':
        for (uint32_t i = 0; i < names->trait_count; i++) list(&listing, names->traits[i].name);
        break;
    case 'a': list_attributes(names, &listing); break;
    case 'r':
        for (uint32_t i = 0; i < playbook->relation_count; i++)
            list(&listing, playbook->relations[i]);
        break;
    case 'l':
        for (uint32_t i = 0; i < names->lookup_count; i++)
            list(&listing, names->lookups[i].rule.name);
        break;
    case 'c':
        for (uint32_t i = 0; i < playbook->context_count; i++)
            list(&listing, playbook->context[i].name);
        break;
    case 'm':
        for (uint32_t i = 0; i < playbook->lifetime_count; i++)
            list(&listing, playbook->lifetimes[i].name);
        break;
    default: break;
    }
    return listing.count;
}

static bool is_visit(void *context, uint32_t event_type) {
    const struct event_entry *event = names_event(context, event_type);
    return event != NULL && event->is_visit;
}

void schema_init(struct names *names, struct expr_schema *schema) {
    *schema = (struct expr_schema){
        .symbols = names->symbols,
        .columns = &names->playbook->columns,
        .currency = names->playbook->currency,
        .visit_gap_ms = names->playbook->visit_gap_ms,
        .zone = names->playbook->zone,
        .context = names,
        .event = find_event,
        .property = find_property,
        .list_field = find_list_field,
        .trait = find_trait,
        .attribute = find_attribute,
        .lookup = find_lookup,
        .relation = find_relation,
        .lifetime = lifetime_find,
        .context_property = find_context,
        .names = list_names,
        .is_visit = is_visit,
    };
}
