/* The alphabet of byte-level vocabularies (GPT-2): every byte has a printable character, those that are printable in
 * Latin-1 their own, the other 68 the ones from U+0100 on. */
#include "core/utf8.h"
#include "text/normalize.h"

static bool is_its_own(unsigned byte)
{
    return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte != 0xAD);
}

/* How many bytes below this one are not their own character. */
static unsigned rank(unsigned byte)
{
    if (byte <= 32)
        return byte;
    return byte == 0xAD ? 67 : 33 + (byte - 127);
}

uint32_t lt_bytelevel_char(unsigned char byte)
{
    return is_its_own(byte) ? byte : 0x100 + rank(byte);
}

int lt_bytelevel_byte(uint32_t c)
{
    if (c < 0x100)
        return is_its_own(c) ? (int)c : -1;
    if (c < 0x100 + 33)
        return (int)(c - 0x100);
    if (c < 0x100 + 67)
        return (int)(c - 0x100 - 33 + 127);
    return c == 0x100 + 67 ? 0xAD : -1;
}

bool lt_bytelevel_push(lt_ntext *out, const lt_view *in, size_t begin, size_t end, lt_error *err)
{
    for (size_t i = begin; i < end; i++)
        if (!lt_ntext_push_char(out, lt_bytelevel_char((unsigned char)in->text[i]), lt_view_from(in, i), err))
            return false;
    return true;
}
