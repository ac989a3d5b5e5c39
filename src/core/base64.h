/* Base64 (RFC 4648) with padding. */
#ifndef LT_CORE_BASE64_H
#define LT_CORE_BASE64_H

#include <stdbool.h>
#include <stddef.h>

/* malloc'ed text with a NUL at its end; NULL when memory runs out. */
char *lt_base64_encode(const void *bytes, size_t size);

/* Decodes text[0, size) into out, which has room for size / 4 * 3 + 3 bytes. False for anything that is no base64. */
bool lt_base64_decode(const char *text, size_t size, unsigned char *out, size_t *out_size);

#endif
