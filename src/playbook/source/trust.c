/* SPDX-License-Identifier: Apache-2.0 */
/* Reads `trust:`, `claims:` and `token_secret:` of a source, and the playbook's `bots:`. */
#include "playbook/names.h"
#include "playbook/source/sources.h"

#define BOTS_MAX 256

/* Programs that read the web for search engines, previews, archives and language models, and that
 * run the scripts of the pages that they read. */
static const char *const usual_bots[] = {
    "googlebot",
    "google-inspectiontool",
    "adsbot-google",
    "bingbot",
    "bingpreview",
    "yandexbot",
    "yandexrenderresourcesbot",
    "baiduspider",
    "duckduckbot",
    "applebot",
    "petalbot",
    "bytespider",
    "ahrefsbot",
    "semrushbot",
    "mj12bot",
    "dotbot",
    "gptbot",
    "oai-searchbot",
    "claudebot",
    "ccbot",
    "perplexitybot",
    "amazonbot",
    "facebookexternalhit",
    "meta-externalagent",
    "twitterbot",
    "linkedinbot",
    "pinterestbot",
    "slackbot",
    "discordbot",
    "telegrambot",
    "archive.org_bot",
    "chrome-lighthouse",
    "pingdom",
    "uptimerobot",
    "statuscake",
    "crawler",
};
#define USUAL_BOTS ((uint32_t)(sizeof usual_bots / sizeof *usual_bots))

static bool names_device(const struct playbook *playbook, const struct source *source) {
    for (uint32_t i = 0; i < source->identifier_count; i++)
        if (playbook->identifiers[source->identifiers[i].rule].device) return true;
    return false;
}

static void read_trust(struct reader *reader, const struct yaml_node *node, struct source *source) {
    struct text word;
    if (!reader_text(reader, node, "trust", &word)) return;
    source->is_public = text_equal(word, TEXT("public"));
    if (source->is_public || text_equal(word, TEXT("verified"))) return;
    reader_error(reader, node_place(node),
                 "trust: %.*s is unknown; write public where anybody can send to the source, such "
                 "as a page, or verified",
                 TEXT_ARG(word));
}

static void read_secret(struct reader *reader, const struct yaml_node *node,
                        struct source *source) {
    struct text text;
    if (!reader_text(reader, node, "token_secret", &text)) return;
    bool named = (text_starts_with(text, TEXT("env ")) && text.length > 4) ||
                 (text_starts_with(text, TEXT("file ")) && text.length > 5);
    if (named && source->segment)
        source->token_secret = text;
    else if (named)
        reader_error(reader, node_place(node),
                     "token_secret is for a source of Segment's calls: write format: segment");
    else
        reader_error(reader, node_place(node),
                     "token_secret names where the secret is, and never holds it: write env NAME "
                     "for a variable of the environment, or file PATH");
}

void trust_read(struct reader *reader, struct source_entry *entry) {
    struct source *source = entry->source;
    const struct yaml_node *const *values = entry->values;
    bool claims = true;
    if (values[SOURCE_TRUST]) read_trust(reader, values[SOURCE_TRUST], source);
    if (values[SOURCE_CLAIMS] && reader_yes_no(reader, values[SOURCE_CLAIMS], "claims", &claims))
        source->no_claims = !claims;
    if (values[SOURCE_TOKEN_SECRET]) read_secret(reader, values[SOURCE_TOKEN_SECRET], source);
    if (source->is_public && !names_device(reader->playbook, source)) {
        reader_error(reader, node_place(values[SOURCE_TRUST]),
                     "source %.*s is public, and none of its identifiers is of a device, to which "
                     "its events would belong: map one under key:, and write device: yes beside "
                     "it under customer: identifiers:",
                     TEXT_ARG(source->name));
    }
}

/* Patterns are compared in small letters. */
static bool add_bot(struct reader *reader, const struct yaml_node *node, struct text *out) {
    struct text text;
    if (!reader_text(reader, node, "a part of a user agent", &text)) return false;
    char *small = reader_alloc(reader, text.length + 1, 1);
    if (small == NULL) return false;
    for (uint32_t i = 0; i < text.length; i++)
        small[i] = text.at[i] >= 'A' && text.at[i] <= 'Z' ? (char)(text.at[i] + 32) : text.at[i];
    *out = (struct text){small, text.length};
    if (text.length > 2) return true;
    reader_error(reader, node_place(node),
                 "\"%.*s\" is in too many user agents: write three letters or more",
                 TEXT_ARG(text));
    return false;
}

void bots_read(struct reader *reader, const struct yaml_node *node) {
    struct playbook *playbook = reader->playbook;
    bool any = true;
    if (node != NULL && node->type == YAML_SCALAR &&
        (!reader_yes_no(reader, node, "bots (no, or a list of parts of user agents)", &any) ||
         !any))
        return;
    bool has_list = node != NULL && node->type != YAML_SCALAR;
    if (has_list && !reader_is_list(reader, node, "bots")) return;
    if (has_list && node->count > BOTS_MAX) {
        reader_error(reader, node_place(node),
                     "more than %d bots: use shorter parts of their names", BOTS_MAX);
        return;
    }
    struct text *bots = reader_alloc(reader, USUAL_BOTS + BOTS_MAX, sizeof *bots);
    if (bots == NULL) return;
    playbook->bots = bots;
    for (uint32_t i = 0; i < USUAL_BOTS; i++)
        bots[playbook->bot_count++] = text_from(usual_bots[i]);
    for (uint32_t i = 0; has_list && i < node->count; i++)
        if (add_bot(reader, node->items[i], &bots[playbook->bot_count])) playbook->bot_count++;
}
