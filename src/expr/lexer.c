/* SPDX-License-Identifier: Apache-2.0 */
#include "expr/lexer.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/time.h"

enum status expr_fail(struct expr_error *error, struct text source, uint32_t offset,
                      enum status status, const char *format, ...) {
    if (!error) return status;
    char sentence[ERROR_TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    uint32_t column = 1;
    for (uint32_t i = 0; i < offset && i < source.length; i++)
        column += ((unsigned char)source.at[i] & 0xc0) != 0x80;
    error->column = column;
    return error_set(&error->error, status, "%s", sentence);
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
static bool is_upper(char c) {
    return c >= 'A' && c <= 'Z';
}
static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || is_upper(c) || c == '_' || (unsigned char)c >= 0x80;
}
static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Returns the character, and 0 behind the end, since no character of the language is 0. */
static char look(const struct lexer *lexer, uint32_t at) {
    return at < lexer->source.length ? lexer->source.at[at] : 0;
}

static struct text slice(const struct lexer *lexer, uint32_t start, uint32_t end) {
    return (struct text){lexer->source.at + start, end - start};
}

static enum status fail(const struct lexer *lexer, uint32_t at, const char *sentence) {
    return expr_fail(lexer->error, lexer->source, at, STATUS_INVALID, "%s", sentence);
}

/* Reads "text", 'text' or `name`. A backslash takes the next character as it is. */
static enum status read_quoted(struct lexer *lexer, struct token *token, char quote) {
    uint32_t at = lexer->at + 1, escapes = 0;
    for (; look(lexer, at) != quote; at++) {
        if (look(lexer, at) == '\\' && at + 1 < lexer->source.length) {
            escapes++;
            at++;
        }
        if (at >= lexer->source.length)
            return fail(lexer, lexer->at, "this text has no end: close it with the same quote");
    }
    token->text = slice(lexer, lexer->at + 1, at);
    lexer->at = at + 1;
    if (escapes == 0) return STATUS_OK;
    char *copy = arena_alloc(lexer->arena, token->text.length);
    if (!copy) return STATUS_NO_MEMORY;
    uint32_t length = 0;
    for (uint32_t i = 0; i < token->text.length; i++) {
        if (token->text.at[i] == '\\' && i + 1 < token->text.length) i++;
        copy[length++] = token->text.at[i];
    }
    token->text = (struct text){copy, length};
    return STATUS_OK;
}

/* Do three capitals stand at `at`, with nothing of a name behind them? `1 AND …` is a slip, not
 * money. */
static bool is_currency(const struct lexer *lexer, uint32_t at) {
    struct text rest =
        slice(lexer, at < lexer->source.length ? at : lexer->source.length, lexer->source.length);
    if (text_starts_with(rest, TEXT("AND")) || text_starts_with(rest, TEXT("NOT"))) return false;
    for (uint32_t i = 0; i < 3; i++) {
        if (!is_upper(look(lexer, at + i))) return false;
    }
    return !is_letter(look(lexer, at + 3)) && !is_digit(look(lexer, at + 3));
}

static enum status read_money(struct lexer *lexer, struct token *token, struct text digits,
                              uint32_t at) {
    uint16_t currency;
    int64_t minor;
    enum status status = currency_from_text(slice(lexer, at, at + 3), &currency);
    if (status == STATUS_OK) status = money_parse(digits, currency, &minor);
    if (status != STATUS_OK)
        return fail(lexer, token->start,
                    "this is no amount of money: write it as 20 USD or 20.50 USD");
    token->value = value_money(minor, currency);
    lexer->at = at + 3;
    return STATUS_OK;
}

static enum status read_duration(struct lexer *lexer, struct token *token, uint32_t at) {
    while (is_letter(look(lexer, at)) || is_digit(look(lexer, at))) at++;
    struct text text = slice(lexer, token->start, at);
    token->value = value_duration(0);
    if (duration_parse(text, &token->value.duration_ms) != STATUS_OK) {
        return expr_fail(lexer->error, lexer->source, token->start, STATUS_INVALID,
                         "'%.*s' is no duration: write weeks, days, hours, minutes or seconds as "
                         "6w, 30d, 4h, 30m, 90s or 1d12h; "
                         "a month is 30d, a year 365d",
                         TEXT_ARG(text));
    }
    lexer->at = at;
    return STATUS_OK;
}

/* Reads 12, 12.5, 1e6, 30d or 20 USD. */
static enum status read_number(struct lexer *lexer, struct token *token) {
    uint32_t at = lexer->at;
    while (is_digit(look(lexer, at))) at++;
    if (look(lexer, at) == '.' && is_digit(look(lexer, at + 1))) {
        at++;
        while (is_digit(look(lexer, at))) at++;
    }
    uint32_t mantissa = at, sign = look(lexer, at + 1) == '+' || look(lexer, at + 1) == '-';
    if (look(lexer, at) == 'e' && is_digit(look(lexer, at + 1 + sign))) {
        at += 1 + sign;
        while (is_digit(look(lexer, at))) at++;
    }
    if (is_currency(lexer, at)) return read_money(lexer, token, slice(lexer, token->start, at), at);
    if (is_letter(look(lexer, at))) return read_duration(lexer, token, mantissa);
    uint32_t behind = at;
    while (is_space(look(lexer, behind))) behind++;
    if (behind > at && is_currency(lexer, behind))
        return read_money(lexer, token, slice(lexer, token->start, at), behind);
    token->value = value_number(0);
    if (text_to_double(slice(lexer, token->start, at), &token->value.number) != STATUS_OK) {
        return fail(lexer, token->start, "this number is too large");
    }
    lexer->at = at;
    return STATUS_OK;
}

static const struct {
    char text[3];
    enum token_kind kind;
} signs[] = {
    /* longer ones first */
    {"==", TOKEN_EQUAL},         {"!=", TOKEN_NOT_EQUAL}, {"<=", TOKEN_LESS_EQUAL},
    {">=", TOKEN_GREATER_EQUAL}, {"<", TOKEN_LESS},       {">", TOKEN_GREATER},
    {"(", TOKEN_OPEN},           {")", TOKEN_CLOSE},      {"[", TOKEN_OPEN_LIST},
    {"]", TOKEN_CLOSE_LIST},     {",", TOKEN_COMMA},      {".", TOKEN_DOT},
    {"+", TOKEN_PLUS},           {"-", TOKEN_MINUS},      {"*", TOKEN_TIMES},
    {"/", TOKEN_DIVIDE},
};

/* What people write who know another language, and what they should write here. */
static const struct {
    char text[3];
    const char *advice;
} strangers[] = {
    {"<>", "write != for 'is not equal'"},
    {"&&", "write 'and' instead of &&"},
    {"||", "write 'or' instead of ||"},
    {"&", "write 'and' instead of &"},
    {"|", "write 'or' instead of |"},
    {"=", "write == to compare"},
    {"!", "write 'not' instead of !"},
    {"%", "there is no %: write a share as a number, 0.05 for 5 %"},
    {"{", "write lists in [ ]"},
    {";", "one expression has no ';'"},
};

static bool starts_here(const struct lexer *lexer, const char *text) {
    return text_starts_with(slice(lexer, lexer->at, lexer->source.length), text_from(text));
}

static enum status read_sign(struct lexer *lexer, struct token *token) {
    for (size_t i = 0; i < 3; i++) {
        if (starts_here(lexer, strangers[i].text))
            return fail(lexer, lexer->at, strangers[i].advice);
    }
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++) {
        if (!starts_here(lexer, signs[i].text)) continue;
        token->kind = signs[i].kind;
        lexer->at += (uint32_t)strlen(signs[i].text);
        return STATUS_OK;
    }
    for (size_t i = 3; i < sizeof strangers / sizeof strangers[0]; i++) {
        if (starts_here(lexer, strangers[i].text))
            return fail(lexer, lexer->at, strangers[i].advice);
    }
    return fail(
        lexer, lexer->at,
        "this character means nothing here: text stands in quotes, unusual names in backquotes");
}

enum status lexer_next(struct lexer *lexer, struct token *token) {
    while (is_space(look(lexer, lexer->at))) lexer->at++;
    *token = (struct token){.kind = TOKEN_END, .start = lexer->at, .end = lexer->at};
    if (lexer->at >= lexer->source.length) return STATUS_OK;
    char c = look(lexer, lexer->at);
    enum status status;
    if (c == '"' || c == '\'') {
        token->kind = TOKEN_LITERAL;
        status = read_quoted(lexer, token, c);
        token->value = value_text(token->text);
    } else if (c == '`') {
        token->kind = TOKEN_NAME;
        token->quoted = true;
        status = read_quoted(lexer, token, c);
    } else if (is_digit(c)) {
        token->kind = TOKEN_LITERAL;
        status = read_number(lexer, token);
    } else if (is_letter(c)) {
        uint32_t at = lexer->at;
        while (is_letter(look(lexer, at)) || is_digit(look(lexer, at))) at++;
        token->kind = TOKEN_NAME;
        token->text = slice(lexer, lexer->at, at);
        lexer->at = at;
        status = STATUS_OK;
    } else {
        status = read_sign(lexer, token);
    }
    token->end = lexer->at;
    return status;
}
