/* Source to tokens, with the rules of jinja2's lexer for whitespace around tags. */
#ifndef LT_TEXT_JINJA_LEXER_H
#define LT_TEXT_JINJA_LEXER_H

#include "text/jinja_value.h"

typedef enum lt_jtoken_kind {
    LT_JT_END, /* of the template */
    LT_JT_DATA,
    LT_JT_VARIABLE_BEGIN,
    LT_JT_VARIABLE_END,
    LT_JT_BLOCK_BEGIN,
    LT_JT_BLOCK_END,
    LT_JT_NAME,
    LT_JT_STRING,
    LT_JT_INTEGER,
    LT_JT_FLOAT,
    LT_JT_OPERATOR /* text is the operator */
} lt_jtoken_kind;

typedef struct lt_jtoken {
    lt_jtoken_kind kind;
    int line;
    const char *text; /* data, names (interned), operators; not terminated, but for names */
    size_t size;
    lt_jv value; /* of a string or number */
} lt_jtoken;

typedef struct lt_jtokens {
    lt_jtoken *items; /* the last is LT_JT_END */
    int64_t count, capacity;
} lt_jtokens;

lt_jtokens lt_jinja_tokenize(lt_jrun *run, const char *source, size_t size);

#endif
