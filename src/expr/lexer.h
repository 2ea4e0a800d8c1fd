/* SPDX-License-Identifier: Apache-2.0 */
/* expr/lexer.h -- reads the text of an expression as tokens, one at a time. A copy of a lexer can
 * look ahead.
 *
 * Keywords are names. The parser knows where they mean something, so that a property may be called
 * "in" in backquotes. */
#ifndef EXPR_LEXER_H
#define EXPR_LEXER_H

#include "base/arena.h"
#include "event/value.h"
#include "expr/expr.h"

enum token_kind {
    TOKEN_END,
    TOKEN_NAME,    /* text: the name; quoted: it stood between backquotes */
    TOKEN_LITERAL, /* value: number, text, duration or money */
    TOKEN_OPEN,
    TOKEN_CLOSE,
    TOKEN_OPEN_LIST,
    TOKEN_CLOSE_LIST,
    TOKEN_COMMA,
    TOKEN_DOT,
    TOKEN_EQUAL,
    TOKEN_NOT_EQUAL,
    TOKEN_LESS,
    TOKEN_LESS_EQUAL,
    TOKEN_GREATER,
    TOKEN_GREATER_EQUAL,
    TOKEN_PLUS,
    TOKEN_MINUS,
    TOKEN_TIMES,
    TOKEN_DIVIDE,
};

struct token {
    enum token_kind kind;
    uint32_t start, end; /* bytes in the source */
    bool quoted;
    struct text text;
    struct value value;
};

struct lexer {
    struct text source;
    uint32_t at;
    struct arena *arena; /* texts with escapes are copied there */
    struct expr_error *error;
};

/* Reads the next token. STATUS_INVALID with the error set, or STATUS_NO_MEMORY. */
enum status lexer_next(struct lexer *lexer, struct token *token) MUST_USE;

/* Sets the sentence and the column of a byte offset (columns count characters). `error` may be
 * NULL. */
enum status expr_fail(struct expr_error *error, struct text source, uint32_t offset,
                      enum status status, const char *format, ...) PRINTF_LIKE(5, 6);

#endif
