/* What the two ways of formatting share: how one value is written (jinja_format.c). */
#ifndef LT_TEXT_JINJA_FORMAT_H
#define LT_TEXT_JINJA_FORMAT_H

#include "text/jinja_value.h"

enum { LT_JFORMAT_MAX_PRECISION = 300 };

/* What a format says about one value. */
typedef struct lt_jformat {
    char fill[5];
    char align; /* '<' '>' '=' '^' or 0 */
    char sign;  /* '+' ' ' or 0 */
    bool alternate, zero;
    char group; /* ',' '_' or 0 */
    int64_t width;
    int precision; /* -1: none */
    char type;     /* 0: none */
} lt_jformat;

/* Digits of a whole number in a base, without sign; out has at least 80 bytes. */
void lt_jformat_digits(int64_t value, int base, bool upper, char *out);

/* Adds a number made of sign, prefix and digits, grouped and padded. */
void lt_jformat_number(lt_jrun *run, lt_jtext *text, const lt_jformat *f, bool negative, const char *prefix,
                       const char *digits);
void lt_jformat_integer(lt_jrun *run, lt_jtext *text, const lt_jformat *f, int64_t value);
void lt_jformat_float(lt_jrun *run, lt_jtext *text, const lt_jformat *f, double value);
void lt_jformat_string(lt_jrun *run, lt_jtext *text, const lt_jformat *f, lt_jv string);

/* The character of that number; raises when there is none. */
lt_jv lt_jformat_character(lt_jrun *run, int64_t code_point);

/* Digits at *at, or `absent`. */
int64_t lt_jformat_read_digits(lt_jrun *run, lt_jv s, size_t *at, int64_t absent);
int lt_jformat_check_precision(lt_jrun *run, int64_t precision);
double lt_jformat_to_float(lt_jrun *run, lt_jv v);

#endif
