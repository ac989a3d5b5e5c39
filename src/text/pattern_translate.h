/* The parts of the translator of patterns: pattern_translate.c (atoms, groups, quantifiers), pattern_escape.c (single
 * characters and properties), pattern_class.c (sets in brackets). */
#ifndef LT_TEXT_PATTERN_TRANSLATE_H
#define LT_TEXT_PATTERN_TRANSLATE_H

#include <string.h>

#include "text/pattern.h"

/* \w of Oniguruma, verified over all code points. [:word:] lacks the six of Latin-1. */
#define LT_PATTERN_POSIX_WORD                                                                                          \
    "\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}\\x{24b6}-\\x{24e9}\\x{1f130}-\\x{1f149}\\x{1f150}-\\x{1f169}\\x{1f170}-\\x{"    \
    "1f189}"
#define LT_PATTERN_WORD LT_PATTERN_POSIX_WORD "\\x{b2}\\x{b3}\\x{b9}\\x{bc}-\\x{be}"
#define LT_PATTERN_HEX "0-9a-fA-F"

enum { LT_PATTERN_DEPTH = 100 };

typedef struct lt_translator {
    const char *at, *end, *start;
    lt_textbuf *out;
    int depth;
    const lt_json *place;
    lt_error *err;
} lt_translator;

static inline bool lt_looking_at(const lt_translator *t, const char *text)
{
    size_t n = strlen(text);
    return (size_t)(t->end - t->at) >= n && memcmp(t->at, text, n) == 0;
}

static inline bool lt_put(lt_translator *t, lt_textbuf *out, const char *text)
{
    return lt_textbuf_append(out, text, strlen(text), t->err);
}

/* "the pattern has `what` at byte N"; false. */
bool lt_pattern_refuse(lt_translator *t, const char *what);

/* Takes one character of the source. */
uint32_t lt_pattern_take(lt_translator *t);

/* Appends a character that stands for itself, inside or outside a class. */
bool lt_pattern_put_literal(lt_translator *t, lt_textbuf *out, uint32_t c);

/* An escape that means one character, common to classes and what is outside; t->at is behind the backslash. Returns 1
 * with the character, 0 when it is something else (t->at then stands at the letter behind the backslash), -1 on error.
 */
int lt_pattern_escaped_char(lt_translator *t, uint32_t *c);

/* {name} of \p or \P, appended to *out; t->at is behind the letter. */
bool lt_pattern_property(lt_translator *t, lt_textbuf *out, bool negative);

/* A class, appended to *out; t->at is behind its '['. */
bool lt_pattern_class(lt_translator *t, lt_textbuf *out);

#endif
