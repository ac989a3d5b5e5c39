/* Reading bytes that may not be UTF-8, as Python's bytes.decode("utf-8", "replace") and Rust's from_utf8_lossy do:
 * every maximal part of an ill-formed sequence that could have begun a character is one U+FFFD (Unicode 15,
 * section 3.9). */
#ifndef LT_TEXT_UTF8_LOSSY_H
#define LT_TEXT_UTF8_LOSSY_H

#include <stdbool.h>
#include <stddef.h>

#include "text/textbuf.h"

#define LT_REPLACEMENT "\xEF\xBF\xBD" /* U+FFFD */

/* Bytes of text[0, size), which does not start with a whole character, that become one U+FFFD. *cut_short is set when
 * they reach the end and more bytes could make them a character. */
size_t lt_utf8_bad_part(const char *text, size_t size, bool *cut_short);

/* Bytes of text[0, size) that are well-formed, from the start. */
size_t lt_utf8_good_part(const char *text, size_t size);

/* Appends bytes to *out, with replacements. An unfinished character at the end is left in *rest (at most 3 bytes), to
 * go before the bytes of the next call; `final` says that there will be none, and then it is replaced as well. */
bool lt_utf8_lossy_append(lt_textbuf *out, lt_textbuf *rest, const char *bytes, size_t size, bool final, lt_error *err);

#endif
