/* What the reference tokenizer thinks of single code points. Its steps know different versions of Unicode, so these are
 * tables of their own, read off the reference (scripts/make_unicode_tables.py), not those of a Unicode library. */
#ifndef LT_TEXT_UNICODE_H
#define LT_TEXT_UNICODE_H

#include <stdbool.h>
#include <stdint.h>

bool lt_unicode_is_space(uint32_t c);       /* White_Space */
bool lt_unicode_is_word(uint32_t c);        /* \w of Rust's regular expressions */
bool lt_unicode_is_numeric(uint32_t c);     /* Nd, Nl, No */
bool lt_unicode_is_punctuation(uint32_t c); /* P*, and ASCII symbols */
bool lt_unicode_is_control(uint32_t c);     /* what BERT's clean-up removes */
bool lt_unicode_is_nonspacing(uint32_t c);  /* Mn, as BERT's strip_accents knows it */
bool lt_unicode_is_mark(uint32_t c);        /* M*, as StripAccents knows it */
bool lt_unicode_is_inert(uint32_t c);       /* normalization forms must leave it alone */

/* Part of the character before it (Grapheme_Extend, SpacingMark), among code points that came after Unicode 14. */
bool lt_unicode_is_new_extend(uint32_t c);

/* The lower case of c: 1 or 2 code points. */
int lt_unicode_lower(uint32_t c, uint32_t out[2]);

/* A code point of the same UTF-8 length that every version of PCRE2 puts in the classes where the reference puts c. */
uint32_t lt_unicode_stand_in(uint32_t c);

/* True when text[0, size) may hold a code point that has a stand-in; a quick look at the leading bytes. */
bool lt_unicode_needs_stand_in(const char *text, uint64_t size);

/* The tables, in order of code point. */
typedef struct lt_unicode_range {
    uint32_t first, last;
} lt_unicode_range;

typedef struct lt_unicode_lower_row {
    uint32_t first, last;
    int32_t step, delta;
} lt_unicode_lower_row;

typedef struct lt_unicode_stand_in_row {
    uint32_t first, last, stand_in;
} lt_unicode_stand_in_row;

#define LT_UNICODE_TABLE(type, name)                                                                                   \
    extern const type name[];                                                                                          \
    extern const int name##_count
LT_UNICODE_TABLE(lt_unicode_range, lt_unicode_words);
LT_UNICODE_TABLE(lt_unicode_range, lt_unicode_numerics);
LT_UNICODE_TABLE(lt_unicode_range, lt_unicode_punctuations);
LT_UNICODE_TABLE(lt_unicode_range, lt_unicode_controls);
LT_UNICODE_TABLE(lt_unicode_range, lt_unicode_nonspacings);
LT_UNICODE_TABLE(lt_unicode_range, lt_unicode_marks);
LT_UNICODE_TABLE(lt_unicode_range, lt_unicode_inerts);
LT_UNICODE_TABLE(lt_unicode_range, lt_unicode_extends);
LT_UNICODE_TABLE(lt_unicode_lower_row, lt_unicode_lowers);
LT_UNICODE_TABLE(lt_unicode_stand_in_row, lt_unicode_stand_ins);
#undef LT_UNICODE_TABLE

#endif
