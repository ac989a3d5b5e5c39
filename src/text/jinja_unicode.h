/* Characters as Python's str sees them. */
#ifndef LT_TEXT_JINJA_UNICODE_H
#define LT_TEXT_JINJA_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The character at s[0..n), n > 0, and its length in *size. Broken bytes come out one by one as U+FFFD. */
uint32_t lt_juni_decode(const char *s, size_t n, int *size);

bool lt_juni_is_space(uint32_t c);    /* str.isspace, and what strip() takes off */
bool lt_juni_is_line_end(uint32_t c); /* splitlines */
bool lt_juni_is_alpha(uint32_t c);
bool lt_juni_is_decimal(uint32_t c);
bool lt_juni_is_digit(uint32_t c);
bool lt_juni_is_numeric(uint32_t c);
bool lt_juni_is_lower(uint32_t c);
bool lt_juni_is_upper(uint32_t c);
bool lt_juni_is_title(uint32_t c);
bool lt_juni_is_cased(uint32_t c);
bool lt_juni_is_case_ignorable(uint32_t c);
bool lt_juni_is_printable(uint32_t c); /* repr writes it as it is */
bool lt_juni_is_name_start(uint32_t c);
bool lt_juni_is_name_part(uint32_t c);

/* The value of a decimal digit, or -1. */
int lt_juni_decimal_value(uint32_t c);

typedef enum lt_juni_case { LT_JUNI_LOWER, LT_JUNI_UPPER, LT_JUNI_TITLE, LT_JUNI_FOLD } lt_juni_case;

/* The full case mapping of c, up to three characters; returns how many. */
int lt_juni_map(uint32_t c, lt_juni_case how, uint32_t out[3]);

#endif
