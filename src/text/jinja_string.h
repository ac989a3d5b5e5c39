/* Operations on strings that both methods and filters use. They keep the markup flag. */
#ifndef LT_TEXT_JINJA_STRING_H
#define LT_TEXT_JINJA_STRING_H

#include "text/jinja_unicode.h"
#include "text/jinja_value.h"

lt_jv lt_jstr_lower(lt_jrun *run, lt_jv s);
lt_jv lt_jstr_upper(lt_jrun *run, lt_jv s);
lt_jv lt_jstr_capitalize(lt_jrun *run, lt_jv s);

/* Takes characters off the ends: whitespace when chars is LT_JV_MISSING or none, else those of the string chars. */
lt_jv lt_jstr_strip(lt_jrun *run, lt_jv s, lt_jv chars, bool left, bool right);

/* Replaces old by replacement, at most count times (negative: all). */
lt_jv lt_jstr_replace(lt_jrun *run, lt_jv s, lt_jv old, lt_jv replacement, int64_t count);

/* The lines of s, with their ends or without. */
lt_jv_list *lt_jstr_lines(lt_jrun *run, lt_jv s, bool keep_ends);

/* s in the middle, at the left or the right of a field. */
typedef enum lt_jstr_place { LT_JSTR_CENTER, LT_JSTR_LEFT, LT_JSTR_RIGHT } lt_jstr_place;
lt_jv lt_jstr_pad(lt_jrun *run, lt_jv s, int64_t width, lt_jv filler, lt_jstr_place place);

/* The byte offset where `part` is in s from byte `from` on, or -1. */
int64_t lt_jstr_find(lt_jrun *run, lt_jv s, lt_jv part, size_t from);

/* v as it is when it is a string, else raises "what must be a string". */
lt_jv lt_jstr_check(lt_jrun *run, lt_jv v, const char *what);

/* Reads one character and moves on. */
static inline uint32_t lt_jstr_next(lt_jv s, size_t *at)
{
    int size;
    uint32_t c = lt_juni_decode(s.text + *at, s.size - *at, &size);
    *at += (size_t)size;
    return c;
}

#endif
