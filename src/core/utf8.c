#include "core/utf8.h"

#include <stdio.h>
#include <string.h>

int lt_utf8_decode(const char *s, size_t n, uint32_t *code_point)
{
    const unsigned char *p = (const unsigned char *)s;
    if (p[0] < 0x80) {
        *code_point = p[0];
        return 1;
    }
    int length = p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;
    if (p[0] < 0xC2 || p[0] > 0xF4 || (size_t)length > n)
        return 0;
    uint32_t c = p[0] & (0xFFu >> (length + 1));
    for (int i = 1; i < length; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0;
        c = c << 6 | (p[i] & 0x3F);
    }
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    if (c < least[length] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
        return 0;
    *code_point = c;
    return length;
}

int lt_utf8_encode(uint32_t c, char out[4])
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    int length = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (int i = length - 1; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3F));
    out[0] = (char)((0xF00u >> length & 0xFF) | c);
    return length;
}

bool lt_utf8_valid(const char *s, size_t n, size_t *bad_offset)
{
    for (size_t i = 0; i < n;) {
        uint32_t c;
        int length = lt_utf8_decode(s + i, n - i, &c);
        if (!length) {
            if (bad_offset)
                *bad_offset = i;
            return false;
        }
        i += (size_t)length;
    }
    return true;
}

static bool unprintable(uint32_t c)
{
    return c < 0x20 || (c >= 0x7F && c < 0xA0) || (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

void lt_utf8_printable(const char *text, char *out, size_t capacity)
{
    size_t n = strlen(text), used = 0;
    for (size_t i = 0; i < n;) {
        uint32_t c;
        int length = lt_utf8_decode(text + i, n - i, &c);
        if (length && !unprintable(c)) {
            if (used + (size_t)length >= capacity)
                break;
            memcpy(out + used, text + i, (size_t)length);
            used += (size_t)length;
        } else { /* byte by byte, so that nothing is hidden */
            int bytes = length ? length : 1;
            if (used + 4 * (size_t)bytes >= capacity)
                break;
            for (int b = 0; b < bytes; b++)
                used += (size_t)snprintf(out + used, capacity - used, "\\x%02x", (unsigned char)text[i + (size_t)b]);
            length = bytes;
        }
        i += (size_t)length;
    }
    out[used] = '\0';
}
