/* SPDX-License-Identifier: Apache-2.0 */
#include "playbook/read/reader.h"

#include "base/canonical.h"

#include <math.h>

#include "playbook/names.h"

static bool is_scalar(struct reader *reader, const struct yaml_node *node, const char *what,
                      const char *example) {
    if (node->type == YAML_SCALAR) return true;
    reader_error(reader, node_place(node), "%s is a %s: write one value, such as %s", what,
                 node->type == YAML_MAP ? "map" : "list", example);
    return false;
}

bool reader_text(struct reader *reader, const struct yaml_node *node, const char *what,
                 struct text *out) {
    if (!is_scalar(reader, node, what, "a name or \"text in quotes\"")) return false;
    if (text_trim(node->text).length == 0) {
        reader_error(reader, node_place(node), "%s is empty: write its text, or leave the key out",
                     what);
        return false;
    }
    *out = node->text;
    return true;
}

bool name_is_good(struct text name) {
    if (name.length == 0 || name.length > NAME_BYTES_MAX) return false;
    for (uint32_t i = 0; i < name.length; i++) {
        char c = name.at[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && (i == 0 || c < '0' || c > '9')) return false;
    }
    return true;
}

bool property_name_is_good(struct text name) {
    for (uint32_t i = 0; i < name.length; i++) {
        unsigned char c = (unsigned char)name.at[i];
        if (c < ' ' || c == 0x7f || c == '`' || c == '\\') return false;
    }
    return name.length > 0 && name.length <= SYMBOL_BYTES_MAX && text_is_utf8(name) &&
           canonical_trim(name).length == name.length;
}

bool reader_name(struct reader *reader, const struct yaml_node *node, const char *what,
                 struct text *out) {
    if (!is_scalar(reader, node, what, "loan_call")) return false;
    if (!name_is_good(node->text)) {
        struct text given = shown(node->text);
        reader_error(reader, node_place(node),
                     "\"%.*s\" can't be %s: write letters, digits and _ only, starting with a "
                     "letter, at most %d",
                     TEXT_ARG(given), what, NAME_BYTES_MAX);
        return false;
    }
    *out = node->text;
    return true;
}

bool reader_property_name(struct reader *reader, const struct yaml_node *node, const char *what,
                          struct text *out) {
    if (!is_scalar(reader, node, what, "utm_source")) return false;
    if (!property_name_is_good(node->text)) {
        struct text given = shown(node->text);
        reader_error(reader, node_place(node),
                     "\"%.*s\" can't be %s: write 1 to %d bytes without backquotes, \\ and line "
                     "ends",
                     TEXT_ARG(given), what, SYMBOL_BYTES_MAX);
        return false;
    }
    *out = node->text;
    return true;
}

bool reader_name_of(struct reader *reader, const struct yaml_node *node, const char *what,
                    const struct text *known, uint32_t count, uint32_t *index) {
    if (!is_scalar(reader, node, what, "a name")) return false;
    for (uint32_t i = 0; i < count; i++) {
        if (!text_equal(known[i], node->text)) continue;
        *index = i;
        return true;
    }
    reader_unknown(reader, node_place(node), what, node->text, known, count);
    return false;
}

bool reader_count(struct reader *reader, const struct yaml_node *node, const char *what,
                  uint32_t min, uint32_t max, uint32_t *out) {
    int64_t count;
    if (!is_scalar(reader, node, what, "3")) return false;
    if (text_to_int64(node->text, &count) != STATUS_OK || count < min || count > max) {
        struct text given = shown(node->text);
        reader_error(reader, node_place(node), "%s is \"%.*s\": write a whole number from %u to %u",
                     what, TEXT_ARG(given), min, max);
        return false;
    }
    *out = (uint32_t)count;
    return true;
}

bool reader_number(struct reader *reader, const struct yaml_node *node, const char *what,
                   double min, double max, double *out) {
    double number;
    if (!is_scalar(reader, node, what, "1.5")) return false;
    if (text_to_double(node->text, &number) != STATUS_OK || number < min || number > max) {
        struct text given = shown(node->text);
        reader_error(reader, node_place(node), "%s is \"%.*s\": write a number from %g to %g", what,
                     TEXT_ARG(given), min, max);
        return false;
    }
    *out = number;
    return true;
}

bool reader_yes_no(struct reader *reader, const struct yaml_node *node, const char *what,
                   bool *out) {
    if (!is_scalar(reader, node, what, "yes")) return false;
    bool yes = text_equal(node->text, TEXT("yes")) || text_equal(node->text, TEXT("true"));
    bool no = text_equal(node->text, TEXT("no")) || text_equal(node->text, TEXT("false"));
    if (!yes && !no) {
        struct text given = shown(node->text);
        reader_error(reader, node_place(node), "%s is \"%.*s\": write yes or no", what,
                     TEXT_ARG(given));
        return false;
    }
    *out = yes;
    return true;
}

bool reader_duration(struct reader *reader, const struct yaml_node *node, const char *what,
                     int64_t *out) {
    if (!is_scalar(reader, node, what, "30d")) return false;
    if (duration_parse(node->text, out) != STATUS_OK) {
        struct text given = shown(node->text);
        reader_error(reader, node_place(node),
                     "%s is \"%.*s\": write a duration such as 30m, 12h, 7d or 6w (months and "
                     "years vary: write days)",
                     what, TEXT_ARG(given));
        return false;
    }
    return true;
}

bool reader_percent(struct reader *reader, const struct yaml_node *node, const char *what,
                    double min, double max, double *out) {
    double percent;
    if (!is_scalar(reader, node, what, "5%")) return false;
    struct text text = node->text;
    bool good = text.length > 1 && text.at[text.length - 1] == '%';
    if (good) text = text_trim((struct text){text.at, text.length - 1});
    if (!good || text_to_double(text, &percent) != STATUS_OK || percent < min || percent > max) {
        struct text given = shown(node->text);
        reader_error(reader, node_place(node),
                     "%s is \"%.*s\": write a percentage from %g%% to %g%%, such as 5%%", what,
                     TEXT_ARG(given), min, max);
        return false;
    }
    *out = percent;
    return true;
}

bool money_from_text(struct text text, struct value *out) {
    uint32_t digits = text.length;
    while (digits > 0 && text.at[digits - 1] >= 'A' && text.at[digits - 1] <= 'Z') digits--;
    struct text letters = {text.at + digits, text.length - digits},
                number = text_trim((struct text){text.at, digits});
    uint16_t currency;
    int64_t minor;
    if (letters.length != 3 || number.length == digits ||
        currency_from_text(letters, &currency) != STATUS_OK)
        return false;
    if (money_parse(number, currency, &minor) != STATUS_OK) return false;
    *out = value_money(minor, currency);
    return true;
}

bool reader_money(struct reader *reader, const struct yaml_node *node, const char *what,
                  struct value *out) {
    double number;
    char own[4];
    if (!is_scalar(reader, node, what, "0.35 USD")) return false;
    currency_to_text(reader->playbook->currency, own);
    if (text_to_double(node->text, &number) == STATUS_OK) {
        *out = value_number(number);
        return true;
    }
    struct text given = shown(node->text);
    if (!money_from_text(node->text, out)) {
        reader_error(reader, node_place(node), "%s is \"%.*s\": write an amount such as 0.35 %s",
                     what, TEXT_ARG(given), own);
        return false;
    }
    if (out->currency != reader->playbook->currency) {
        reader_error(reader, node_place(node),
                     "%s is \"%.*s\", but this playbook counts in %s: write the amount in %s", what,
                     TEXT_ARG(given), own, own);
        return false;
    }
    return true;
}

/* Reads a zone. Sources of the same zone share one table. */
bool reader_zone(struct reader *reader, const struct yaml_node *node, struct time_zone **out) {
    struct names *names = reader->names;
    struct error error;
    if (!is_scalar(reader, node, "zone", "America/New_York")) return false;
    for (uint32_t i = 0; i < names->zone_count; i++) {
        if (!text_equal(names->zones[i].name, node->text)) continue;
        *out = names->zones[i].zone;
        return true;
    }
    struct time_zone *zone;
    enum status status = time_zone_create(&zone, node->text, NULL, &error);
    if (status == STATUS_NO_MEMORY) return reader_no_memory(reader);
    if (status != STATUS_OK) {
        struct text given = shown(node->text);
        reader_error(
            reader, node_place(node),
            "no time zone is called \"%.*s\": write a name such as America/New_York or UTC",
            TEXT_ARG(given));
        return false;
    }
    struct zone_entry *entry = reader_push(reader, (void **)&names->zones, &names->zone_count,
                                           &names->zone_capacity, sizeof *entry);
    if (entry == NULL) {
        time_zone_destroy(zone);
        return false;
    }
    *entry = (struct zone_entry){node->text, zone};
    *out = zone;
    return true;
}

static const struct {
    const char *name;
    enum value_type type;
} types[] = {
    {"number", VALUE_NUMBER},     {"text", VALUE_TEXT},     {"time", VALUE_TIME},
    {"duration", VALUE_DURATION}, {"yes/no", VALUE_YES_NO}, {"money", VALUE_MONEY},
};
#define TYPE_COUNT (sizeof types / sizeof *types)

enum value_type type_from_text(struct text text) {
    for (size_t i = 0; i < TYPE_COUNT; i++) {
        if (text_equal(text, text_from(types[i].name))) return types[i].type;
    }
    return VALUE_UNKNOWN;
}

bool reader_type(struct reader *reader, const struct yaml_node *node, const char *what,
                 enum value_type *out) {
    struct text known[TYPE_COUNT];
    uint32_t index;
    for (uint32_t i = 0; i < TYPE_COUNT; i++) known[i] = text_from(types[i].name);
    if (!is_scalar(reader, node, what, "money")) return false;
    *out = type_from_text(node->text);
    return *out != VALUE_UNKNOWN || reader_name_of(reader, node, "type", known, TYPE_COUNT, &index);
}

bool reader_symbol(struct reader *reader, const struct yaml_node *node, enum symbol_kind kind,
                   struct text name, uint32_t *symbol) {
    struct text given = shown(name);
    switch (symbol_add(reader->symbols, kind, name, symbol)) {
    case STATUS_OK: return true;
    case STATUS_NO_MEMORY: return reader_no_memory(reader);
    case STATUS_LIMIT:
        reader_error(reader, node_place(node),
                     "\"%.*s\" is one name too many of its kind: remove some", TEXT_ARG(given));
        return false;
    default:
        reader_error(reader, node_place(node),
                     "\"%.*s\" can't be a name: write 1 to %d bytes of UTF-8 text", TEXT_ARG(given),
                     SYMBOL_BYTES_MAX);
        return false;
    }
}

static const char *const channels[] = {"web",     "app",         "email", "sms",   "push",
                                       "phone",   "call_center", "mail",  "store", "social",
                                       "partner", "kiosk",       "chat",  "other"};
#define CHANNEL_NAME_COUNT (sizeof channels / sizeof *channels)

bool reader_usual_channels(struct reader *reader, const struct yaml_node *node) {
    bool good = true;
    for (size_t i = 0; good && i < CHANNEL_NAME_COUNT; i++) {
        uint32_t symbol;
        good = reader_symbol(reader, node, SYMBOL_CHANNEL, text_from(channels[i]), &symbol);
    }
    return good;
}

/* Reads a channel. Any name is one, unless it is nearly the name of a usual one. */
bool reader_channel(struct reader *reader, const struct yaml_node *node, uint32_t *symbol) {
    struct text name, known[CHANNEL_NAME_COUNT];
    if (!reader_name(reader, node, "a channel's name", &name)) return false;
    for (size_t i = 0; i < CHANNEL_NAME_COUNT; i++) known[i] = text_from(channels[i]);
    struct text near = text_nearest(name, known, CHANNEL_NAME_COUNT);
    if (near.at != NULL && !text_equal(near, name)) {
        reader_error(reader, node_place(node),
                     "no channel is called \"%.*s\": did you mean \"%.*s\"?", TEXT_ARG(name),
                     TEXT_ARG(near));
        return false;
    }
    return reader_symbol(reader, node, SYMBOL_CHANNEL, name, symbol);
}
