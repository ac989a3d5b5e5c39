#include "core/base64.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *lt_base64_encode(const void *bytes, size_t size)
{
    const unsigned char *in = bytes;
    char *text = malloc((size + 2) / 3 * 4 + 1), *out = text;
    if (!text)
        return NULL;
    for (size_t i = 0; i < size; i += 3) {
        uint32_t word = (uint32_t)in[i] << 16;
        if (i + 1 < size)
            word |= (uint32_t)in[i + 1] << 8;
        if (i + 2 < size)
            word |= in[i + 2];
        *out++ = digits[word >> 18];
        *out++ = digits[word >> 12 & 63];
        *out++ = i + 1 < size ? digits[word >> 6 & 63] : '=';
        *out++ = i + 2 < size ? digits[word & 63] : '=';
    }
    *out = '\0';
    return text;
}

static int value_of(char c)
{
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

bool lt_base64_decode(const char *text, size_t size, unsigned char *out, size_t *out_size)
{
    size_t n = 0;
    if (size % 4)
        return false;
    for (size_t i = 0; i < size; i += 4) {
        bool last = i + 4 == size;
        int padding = last ? (text[i + 3] == '=') + (text[i + 3] == '=' && text[i + 2] == '=') : 0;
        uint32_t word = 0;
        for (int k = 0; k < 4 - padding; k++) {
            int value = value_of(text[i + (size_t)k]);
            if (value < 0)
                return false;
            word |= (uint32_t)value << (18 - 6 * k);
        }
        for (int k = 0; k < 3 - padding; k++)
            out[n++] = (unsigned char)(word >> (16 - 8 * k));
    }
    *out_size = n;
    return true;
}
