/* UTF-8: strict decoding and safe printing. Nothing here allocates. */
#ifndef LT_CORE_UTF8_H
#define LT_CORE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decodes one code point at s[0..n), n > 0. Returns its length 1..4 and stores it, or returns 0 when the bytes are
 * not well-formed UTF-8 (overlong, surrogate, above U+10FFFF, or cut short). */
int lt_utf8_decode(const char *s, size_t n, uint32_t *code_point);

/* Writes code_point (a scalar value) to out[4]; returns the number of bytes. */
int lt_utf8_encode(uint32_t code_point, char out[4]);

/* True when s[0..n) is well-formed; otherwise *bad_offset (may be NULL) is the first offending byte. */
bool lt_utf8_valid(const char *s, size_t n, size_t *bad_offset);

/* Copies text to out[capacity], always terminated, with control characters (C0, DEL, C1) shown as \xNN, bidi overrides
 * and broken bytes likewise; cuts at a character boundary. For text from files on its way to a terminal. */
void lt_utf8_printable(const char *text, char *out, size_t capacity);

#endif
