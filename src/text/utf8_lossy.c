#include "text/utf8_lossy.h"

#include <stdint.h>

#include "core/utf8.h"

size_t lt_utf8_bad_part(const char *text, size_t size, bool *cut_short)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t length = s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : 2, n = 1;
    *cut_short = false;
    if (s[0] < 0xC2 || s[0] > 0xF4)
        return 1;
    unsigned char low = s[0] == 0xE0 ? 0xA0 : s[0] == 0xF0 ? 0x90 : 0x80;
    unsigned char high = s[0] == 0xED ? 0x9F : s[0] == 0xF4 ? 0x8F : 0xBF; /* of the second byte */
    while (n < length && n < size && s[n] >= low && s[n] <= high) {
        low = 0x80;
        high = 0xBF;
        n++;
    }
    *cut_short = n == size;
    return n;
}

size_t lt_utf8_good_part(const char *text, size_t size)
{
    size_t i = 0;
    while (i < size) {
        uint64_t eight;
        uint32_t c;
        if (i + 8 <= size) {
            memcpy(&eight, text + i, 8);
            if (!(eight & 0x8080808080808080u)) {
                i += 8;
                continue;
            }
        }
        int n = lt_utf8_decode(text + i, size - i, &c);
        if (!n)
            break;
        i += (size_t)n;
    }
    return i;
}

bool lt_utf8_lossy_append(lt_textbuf *out, lt_textbuf *rest, const char *bytes, size_t size, bool final, lt_error *err)
{
    bool joined = rest->size > 0, cut_short = false;
    if (!joined && size == 0)
        return true;
    if (joined) {
        if (!lt_textbuf_append(rest, bytes, size, err))
            return false;
        bytes = rest->data;
        size = rest->size;
    }
    size_t i = 0;
    while (i < size) {
        size_t good = lt_utf8_good_part(bytes + i, size - i);
        if (!lt_textbuf_append(out, bytes + i, good, err))
            return false;
        i += good;
        if (i == size)
            break;
        size_t bad = lt_utf8_bad_part(bytes + i, size - i, &cut_short);
        if (cut_short && !final)
            break;
        if (!lt_textbuf_append(out, LT_REPLACEMENT, 3, err))
            return false;
        i += bad;
    }
    if (joined) {
        memmove(rest->data, rest->data + i, size - i);
        rest->size = size - i;
        return true;
    }
    return lt_textbuf_append(rest, bytes + i, size - i, err);
}
