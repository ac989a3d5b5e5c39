/* Regular expressions of tokenizer files. They are written for Oniguruma (the library of the reference), are translated
 * to PCRE2's language, and run with JIT where there is one. Steps are limited: a pattern that explodes is an error. */
#ifndef LT_TEXT_PATTERN_H
#define LT_TEXT_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "text/textbuf.h"
#include "text/tokenizer_json.h"

typedef struct lt_pattern lt_pattern;

/* A part of a text: one match, or what lies between two matches. Together they cover the text. */
typedef struct lt_match {
    uint32_t begin, end;
    bool is_match;
} lt_match;

typedef struct lt_matches {
    lt_match *data;
    size_t count, capacity;
} lt_matches;

/* What matching needs besides the pattern; one per thread. Start with {0}. */
typedef struct lt_pattern_scratch {
    void *match_data, *context, *stack; /* PCRE2's */
    lt_textbuf stand_in;                /* the text with stand-ins, see lt_unicode_stand_in */
    lt_matches matches;
} lt_pattern_scratch;

void lt_pattern_scratch_free(lt_pattern_scratch *scratch);

/* Reads the member "pattern": {"String": text} or {"Regex": source}. */
bool lt_pattern_open(lt_pattern **out, const lt_json *from, lt_error *err);

/* A pattern by its source; errors name the place `at`. */
bool lt_pattern_open_regex(lt_pattern **out, const char *source, size_t size, const lt_json *at, lt_error *err);
void lt_pattern_close(lt_pattern *pattern);

/* Replaces scratch->matches by the parts of text[0, size), size < 4 GB. An empty text has one empty part. The text is
 * well-formed UTF-8. Errors: out of memory; LT_ERR_UNSUPPORTED when the pattern takes too many steps. */
bool lt_pattern_find(const lt_pattern *pattern, lt_pattern_scratch *scratch, const char *text, size_t size,
                     lt_error *err);

static inline bool lt_matches_push(lt_matches *m, size_t begin, size_t end, bool is_match, lt_error *err)
{
    if (m->count == m->capacity && !lt_grow(&m->data, &m->capacity, m->count + 1, sizeof *m->data, err))
        return false;
    m->data[m->count++] = (lt_match){(uint32_t)begin, (uint32_t)end, is_match};
    return true;
}

/* pattern_translate.c: appends to *out the PCRE2 form of an Oniguruma pattern. Errors name the place. */
bool lt_pattern_translate(const char *source, size_t size, lt_textbuf *out, const lt_json *at, lt_error *err);

#endif
