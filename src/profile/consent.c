/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/consent.h"

#include <stdlib.h>

#include "base/canonical.h"
#include "base/memory.h"
#include "base/word.h"
#include "event/consent_state.h"
#include "event/event.h"

/* So many comparisons of words and personas are made. Beyond them every persona counts as its own
 * customer, which is the more restrictive way. */
#define STEPS_MAX 1000000

struct word {
    int64_t time_ms;
    uint32_t persona; /* ID_NONE: not known */
    struct value state;
    bool of_device; /* a choice made on a device: its yes speaks for that device alone */
    /* A yes of a public source on a device that is somebody's: it ends that device's own no, and
     * speaks for nobody. */
    bool is_mute;
    bool general;        /* of an opt-in: names no programme */
    struct text address; /* of an opt-in, in words.bytes; empty: names none */
};

#define WORDS_AT_FIRST 4

struct words { /* newest first */
    struct word *items;
    size_t count, capacity;
    struct buffer bytes;
    uint32_t address, programme;       /* the symbols of these properties, or SYMBOL_NONE */
    struct word first[WORDS_AT_FIRST]; /* most customers said little: no memory is asked for */
};

/* A name that was known keeps its symbol, and one that wasn't may be declared at any time. */
static void find_names(struct permission_names *names, struct symbols *symbols) {
    uint32_t count = symbol_count(symbols, SYMBOL_PROPERTY);
    if (names->properties == count) return;
    names->properties = count;
    names->address = symbol_find(symbols, SYMBOL_PROPERTY, TEXT("address"));
    names->programme = symbol_find(symbols, SYMBOL_PROPERTY, TEXT("programme"));
}

static struct messaging messaging_of(const struct permission *permission, uint32_t channel) {
    struct permission_names *names = permission->names;
    const struct customer_data *data = permission->data;
    if (channel > CHANNEL_UNDECLARED)
        return playbook_messaging(data->playbook, data->symbols, channel);
    if (!names->has_messaging[channel])
        names->messaging[channel] = playbook_messaging(data->playbook, data->symbols, channel);
    names->has_messaging[channel] = true;
    return names->messaging[channel];
}

static void words_init(struct words *words, const struct permission *permission) {
    words->items = words->first;
    words->count = 0;
    words->capacity = WORDS_AT_FIRST;
    buffer_init(&words->bytes);
    find_names(permission->names, permission->data->symbols);
    words->address = permission->names->address;
    words->programme = permission->names->programme;
}

static void words_release(struct words *words) {
    if (words->items != words->first) memory_free(words->items);
    buffer_release(&words->bytes);
}

/* A new word at the end; NULL without memory. */
static struct word *words_add(struct words *words) {
    if (words->count == words->capacity) {
        bool at_first = words->items == words->first;
        struct word *items = at_first ? NULL : words->items;
        size_t capacity = at_first ? 0 : words->capacity;
        if (memory_grow((void **)&items, &capacity, words->count + 1, sizeof *items) != STATUS_OK)
            return NULL;
        if (at_first) memcpy(items, words->first, sizeof words->first);
        words->items = items;
        words->capacity = capacity;
    }
    return &words->items[words->count++];
}

/* Is it this word? An older program stored words as they came: "Personalise ". Where the first
 * letter differs, it is another word. */
static bool is_word(struct text stored, struct text name) {
    size_t index;
    if (text_equal(stored, name)) return true;
    if (stored.length == 0 || name.length == 0) return false;
    unsigned char a = (unsigned char)stored.at[0], b = (unsigned char)name.at[0];
    bool plain = a > ' ' && a < 0x7f && b > ' ' && b < 0x7f;
    if (plain && (a | 0x20) != (b | 0x20)) return false;
    return word_find(stored, &name, 1, &index) == WORD_KNOWN;
}

static bool is_yes(struct value value) {
    return value.type == VALUE_YES_NO && value.yes;
}

static bool is_no(struct value value) {
    return value.type == VALUE_YES_NO && !value.yes;
}

/* Returns the more restrictive value: a no before what can't be read, and that before a yes. */
static struct value more_restrictive(struct value a, struct value b) {
    if (is_no(a) || is_no(b)) return value_yes_no(false);
    return is_yes(a) ? b : a;
}

/* ---- words ---- */

/* What an event says of a permission, as it stands there. */
enum { SAYS_ABOUT, SAYS_STATE, SAYS_SOURCE, SAYS_ADDRESS, SAYS_PROGRAMME, SAYS_COUNT };

/* Choices of a cookie banner come with the calls of the Segment spec. */
static bool is_of_device(const struct permission *permission, struct value name) {
    const struct playbook *playbook = permission->data->playbook;
    if (name.type != VALUE_TEXT) return false;
    uint32_t source = playbook_source_find(playbook, name.text);
    return source != UINT32_MAX && playbook->sources[source].segment;
}

/* What a public source says is a yes for nobody else than the device, and no opt-in at all. */
static bool is_mute(const struct permission *permission, const struct word *word, uint16_t type) {
    const struct customer_data *data = permission->data;
    if (!is_yes(word->state) || data->trust_of_persona == NULL || word->persona == ID_NONE)
        return false;
    enum persona_trust trust =
        data->trust_of_persona(data->context, (struct persona_id){word->persona},
                               (struct as_of){permission->t_ms, permission->position});
    return trust != PERSONA_VERIFIED && (type == EVENT_OPT_IN_CHANGED || trust != PERSONA_DEVICE);
}

static enum status add_word(const struct permission *permission, uint32_t row,
                            const struct value said[SAYS_COUNT], struct words *words) {
    const struct timeline *timeline = permission->timeline;
    struct value address = said[SAYS_ADDRESS], programme = said[SAYS_PROGRAMME];
    struct word word = {
        .time_ms = timeline->time_ms[row],
        .persona = timeline->persona != NULL ? timeline->persona[row] : ID_NONE,
        .state = consent_state(said[SAYS_STATE]),
    };
    word.of_device =
        timeline->type[row] == EVENT_CONSENT_CHANGED && is_of_device(permission, said[SAYS_SOURCE]);
    word.is_mute = is_mute(permission, &word, timeline->type[row]);
    if (word.is_mute && timeline->type[row] == EVENT_OPT_IN_CHANGED) return STATUS_OK;
    word.of_device |= word.is_mute;
    word.general = programme.type != VALUE_TEXT || programme.text.length == 0;
    if (address.type == VALUE_TEXT) word.address.length = address.text.length;
    enum status status = STATUS_OK;
    if (word.address.length > 0) status = buffer_append_text(&words->bytes, address.text);
    struct word *kept = status == STATUS_OK ? words_add(words) : NULL;
    if (kept == NULL) return STATUS_NO_MEMORY;
    *kept = word;
    return STATUS_OK;
}

static bool is_about(struct value named, struct text programme) {
    return named.type != VALUE_TEXT || named.text.length == 0 || is_word(named.text, programme);
}

/* Reads all words of events of `type` whose `property` is `name`. */
static enum status words_read(const struct permission *permission, uint16_t type, uint32_t property,
                              struct text name, struct text programme, struct words *words) {
    const struct timeline *timeline = permission->timeline;
    words_init(words, permission);
    const uint32_t symbols[SAYS_COUNT] = {[SAYS_ABOUT] = property,
                                          [SAYS_STATE] = PROPERTY_STATE,
                                          [SAYS_SOURCE] = PROPERTY_SOURCE,
                                          [SAYS_ADDRESS] = words->address,
                                          [SAYS_PROGRAMME] = words->programme};
    for (uint32_t row = timeline_upper_bound(timeline, permission->t_ms); row-- > 0;) {
        if (timeline->type[row] != type || !timeline_known(timeline, row, permission->t_ms))
            continue;
        struct text packed;
        struct value said[SAYS_COUNT];
        enum status status = timeline->ops->packed(timeline, row, &packed);
        if (status != STATUS_OK) return status;
        packed_find_each(packed, symbols, said, SAYS_COUNT);
        if (said[SAYS_ABOUT].type != VALUE_TEXT || !is_word(said[SAYS_ABOUT].text, name)) continue;
        if (!is_about(said[SAYS_PROGRAMME], programme)) continue;
        status = add_word(permission, row, said, words);
        if (status != STATUS_OK) return status;
    }
    const char *at = words->bytes.at;
    for (size_t i = 0; i < words->count; i++) {
        words->items[i].address.at = at;
        at += words->items[i].address.length;
    }
    return STATUS_OK;
}

/* ---- whose word it was ---- */

static uint32_t customer_then(const struct permission *permission, uint32_t persona, int64_t t_ms) {
    const struct customer_data *data = permission->data;
    return data
        ->customer_of_persona(data->context, (struct persona_id){persona},
                              (struct as_of){t_ms, permission->position})
        .value;
}

/* Returns the newest word that spoke for the persona's customer. *speaks: there is one. */
static struct value state_of_persona(const struct permission *permission, const struct words *words,
                                     uint32_t persona, size_t *steps, bool *speaks) {
    *speaks = true;
    for (size_t i = 0; i < words->count; i++) {
        const struct word *word = &words->items[i];
        if (word->persona == persona) {
            *speaks = !word->is_mute;
            return word->state;
        }
        if (word->of_device && is_yes(word->state)) continue;
        if (++*steps > STEPS_MAX) continue;
        if (customer_then(permission, word->persona, word->time_ms) ==
            customer_then(permission, persona, word->time_ms))
            return word->state;
    }
    return value_unknown();
}

static int by_number(const void *a, const void *b) {
    const uint32_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Sorts the items and keeps each once. */
static size_t unique(uint32_t *items, size_t count) {
    size_t kept = 0;
    if (count > 0) qsort(items, count, sizeof *items, by_number);
    for (size_t i = 0; i < count; i++) {
        if (kept == 0 || items[kept - 1] != items[i]) items[kept++] = items[i];
    }
    return kept;
}

static struct value state_of_customer(const struct permission *permission,
                                      const struct words *words) {
    if (words->count == 0) return value_unknown();
    bool one =
        permission->timeline->persona == NULL || permission->data->customer_of_persona == NULL;
    one |= words->count == 1 && !words->items[0].of_device;
    if (one) return words->items[0].state;
    uint32_t *personas = memory_alloc(words->count * sizeof *personas);
    if (personas == NULL) return value_unknown();
    for (size_t i = 0; i < words->count; i++) personas[i] = words->items[i].persona;
    size_t count = unique(personas, words->count), steps = 0;
    struct value state = value_yes_no(true);
    bool any = false;
    for (size_t i = 0; i < count && !is_no(state); i++) {
        bool speaks;
        struct value said = state_of_persona(permission, words, personas[i], &steps, &speaks);
        any |= speaks;
        if (speaks) state = more_restrictive(state, said);
    }
    memory_free(personas);
    return any ? state : value_unknown();
}

/* A timeline that was cut lacks its oldest words. Where there is only one persona, its newest word
 * still stands; else somebody's no may be among the missing words. */
static struct value hold_where_cut(const struct permission *permission, struct value state,
                                   bool needs_all) {
    const struct timeline *timeline = permission->timeline;
    bool one = timeline->persona != NULL && !needs_all;
    if (!timeline->truncated || !is_yes(state)) return state;
    for (uint32_t row = 1; row < timeline->count && one; row++)
        one = timeline->persona[row] == timeline->persona[0];
    return one ? state : value_unknown();
}

struct value consent_at(const struct permission *permission, struct text purpose) {
    struct words words;
    enum status status = words_read(permission, EVENT_CONSENT_CHANGED, PROPERTY_PURPOSE, purpose,
                                    (struct text){0}, &words);
    struct value state =
        status == STATUS_OK ? state_of_customer(permission, &words) : value_unknown();
    words_release(&words);
    return hold_where_cut(permission, state, false);
}

/* ---- addresses ---- */

struct numbers {
    uint32_t *items;
    size_t count, capacity;
};

struct address {
    uint32_t identifier;
    struct text value;
    struct numbers together; /* identifiers that were given together with it, ascending */
};

struct addresses {
    struct address items[PERMISSION_ADDRESSES_MAX];
    uint32_t count;
};

static enum status add_number(struct numbers *numbers, uint32_t number) {
    enum status status = memory_grow((void **)&numbers->items, &numbers->capacity,
                                     numbers->count + 1, sizeof number);
    if (status == STATUS_OK) numbers->items[numbers->count++] = number;
    return status;
}

static bool holds(const struct numbers *numbers, uint32_t number) {
    return numbers->count > 0 &&
           bsearch(&number, numbers->items, numbers->count, sizeof number, by_number) != NULL;
}

/* Finds the customer's personas as of t. */
static enum status personas_of(const struct permission *permission, struct numbers *personas) {
    const struct timeline *timeline = permission->timeline;
    uint32_t end = timeline_upper_bound(timeline, permission->t_ms), before = ID_NONE;
    enum status status = STATUS_OK;
    for (uint32_t row = 0; row < end && status == STATUS_OK; row++) {
        if (timeline->persona[row] == before || !timeline_known(timeline, row, permission->t_ms))
            continue;
        before = timeline->persona[row];
        status = add_number(personas, before);
    }
    personas->count = unique(personas->items, personas->count);
    return status;
}

static struct address *address_of(struct addresses *addresses, uint32_t identifier,
                                  struct text value) {
    for (uint32_t i = 0; i < addresses->count; i++) {
        if (addresses->items[i].identifier == identifier) return &addresses->items[i];
    }
    if (addresses->count == PERMISSION_ADDRESSES_MAX) return NULL;
    struct address *address = &addresses->items[addresses->count++];
    *address = (struct address){.identifier = identifier, .value = value};
    return address;
}

static enum status add_addresses_of(const struct permission *permission, uint32_t persona,
                                    uint32_t type, struct addresses *addresses) {
    const struct customer_data *data = permission->data;
    struct identifier_id ids[EVENT_IDENTIFIERS_MAX];
    uint32_t count = data->identifiers_of_persona(data->context, (struct persona_id){persona}, ids,
                                                  EVENT_IDENTIFIERS_MAX);
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t its_type;
        struct text value = data->identifier_text(data->context, ids[i], &its_type);
        if (value.length == 0 || its_type != type) continue;
        struct address *address = address_of(addresses, ids[i].value, value);
        for (uint32_t k = 0; address != NULL && k < count && status == STATUS_OK; k++)
            status = add_number(&address->together, ids[k].value);
    }
    return status;
}

static enum status addresses_read(const struct permission *permission, uint32_t type,
                                  struct addresses *addresses) {
    struct numbers personas = {0};
    addresses->count = 0;
    enum status status = personas_of(permission, &personas);
    for (size_t i = 0; i < personas.count && status == STATUS_OK; i++)
        status = add_addresses_of(permission, personas.items[i], type, addresses);
    for (uint32_t i = 0; i < addresses->count; i++) {
        struct numbers *together = &addresses->items[i].together;
        together->count = unique(together->items, together->count);
    }
    memory_free(personas.items);
    return status;
}

/* ---- opt-in ---- */

static bool speaks_of(const struct permission *permission, const struct word *word,
                      const struct identifier_rule *rule, const struct address *address) {
    const struct customer_data *data = permission->data;
    if (word->address.length > 0)
        return canonical_equal(word->address, address->value,
                               rule->lower_case ? CANONICAL_SMALL : CANONICAL_AS_WRITTEN);
    struct identifier_id ids[EVENT_IDENTIFIERS_MAX];
    uint32_t count = data->identifiers_of_persona(data->context, (struct persona_id){word->persona},
                                                  ids, EVENT_IDENTIFIERS_MAX);
    bool has_address = false, together = false;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t type;
        (void)data->identifier_text(data->context, ids[i], &type);
        if (ids[i].value == address->identifier) return true;
        has_address |= type == rule->symbol;
        together |= holds(&address->together, ids[i].value);
    }
    return !has_address && (!is_yes(word->state) || together);
}

/* Returns the state of an address: the newest word counts, but a general yes leaves the no to a
 * programme standing. */
static struct value state_of_address(const struct permission *permission, const struct words *words,
                                     const struct identifier_rule *rule,
                                     const struct address *address) {
    struct value newest = value_unknown();
    bool told = false;
    for (size_t i = 0; i < words->count; i++) {
        const struct word *word = &words->items[i];
        if (!speaks_of(permission, word, rule, address)) continue;
        if (!told) newest = word->state;
        if (!told && (!word->general || !is_yes(word->state))) return newest;
        told = true;
        if (!word->general) return is_no(word->state) ? word->state : newest;
    }
    return newest;
}

static bool same_address(const struct identifier_rule *rule, const struct address *address,
                         struct text value) {
    return value.length == 0 ||
           canonical_equal(value, address->value,
                           rule->lower_case ? CANONICAL_SMALL : CANONICAL_AS_WRITTEN);
}

/* Returns the state over all addresses. Any yes is a yes, since the message goes to that address.
 */
static enum status opt_in_by_address(const struct permission *permission, const struct words *words,
                                     const struct identifier_rule *rule, struct text address,
                                     bool *known, struct value *out) {
    struct addresses *addresses = memory_calloc(1, sizeof *addresses);
    if (addresses == NULL) return STATUS_NO_MEMORY;
    enum status status = addresses_read(permission, rule->symbol, addresses);
    *known = addresses->count > 0;
    *out = value_unknown();
    for (uint32_t i = 0; i < addresses->count && status == STATUS_OK && !is_yes(*out); i++) {
        if (!same_address(rule, &addresses->items[i], address)) continue;
        struct value state = state_of_address(permission, words, rule, &addresses->items[i]);
        if (value_is_known(state)) *out = state;
    }
    for (uint32_t i = 0; i < addresses->count; i++) memory_free(addresses->items[i].together.items);
    memory_free(addresses);
    return status;
}

struct value opt_in_at(const struct permission *permission, uint32_t channel, struct text programme,
                       struct text address) {
    const struct customer_data *data = permission->data;
    struct messaging messaging = messaging_of(permission, channel);
    struct words words;
    struct value state = value_unknown();
    enum status status =
        words_read(permission, EVENT_OPT_IN_CHANGED, PROPERTY_CHANNEL,
                   symbol_text(data->symbols, SYMBOL_CHANNEL, channel), programme, &words);
    bool by_address = messaging.address != UINT32_MAX && data->identifiers_of_persona != NULL &&
                      permission->timeline->persona != NULL && words.count > 0;
    bool known = false;
    if (status == STATUS_OK && by_address)
        status =
            opt_in_by_address(permission, &words, &data->playbook->identifiers[messaging.address],
                              address, &known, &state);
    if (status == STATUS_OK && !known) state = state_of_customer(permission, &words);
    if (status != STATUS_OK) state = value_unknown();
    words_release(&words);
    return hold_where_cut(permission, state, programme.length > 0);
}
