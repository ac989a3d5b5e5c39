#include "text/unicode.h"

static bool in_ranges(const lt_unicode_range *rows, int count, uint32_t c)
{
    int low = 0, high = count;
    if (c < rows[0].first) /* most characters of most texts */
        return false;
    while (low < high) {
        int middle = (low + high) / 2;
        if (c > rows[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && c >= rows[low].first;
}

bool lt_unicode_is_space(uint32_t c)
{
    if (c < 0x80)
        return c == ' ' || (c >= 9 && c <= 13);
    return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
           c == 0x202F || c == 0x205F || c == 0x3000;
}

bool lt_unicode_is_word(uint32_t c)
{
    return in_ranges(lt_unicode_words, lt_unicode_words_count, c);
}
bool lt_unicode_is_numeric(uint32_t c)
{
    return in_ranges(lt_unicode_numerics, lt_unicode_numerics_count, c);
}
bool lt_unicode_is_control(uint32_t c)
{
    return in_ranges(lt_unicode_controls, lt_unicode_controls_count, c);
}
bool lt_unicode_is_nonspacing(uint32_t c)
{
    return in_ranges(lt_unicode_nonspacings, lt_unicode_nonspacings_count, c);
}
bool lt_unicode_is_mark(uint32_t c)
{
    return in_ranges(lt_unicode_marks, lt_unicode_marks_count, c);
}
bool lt_unicode_is_inert(uint32_t c)
{
    return in_ranges(lt_unicode_inerts, lt_unicode_inerts_count, c);
}

bool lt_unicode_is_new_extend(uint32_t c)
{
    return in_ranges(lt_unicode_extends, lt_unicode_extends_count, c);
}

bool lt_unicode_is_punctuation(uint32_t c)
{
    if (c < 0x80) /* as in the table, without the search */
        return c - '!' < 15 || c - ':' < 7 || c - '[' < 6 || c - '{' < 4;
    return in_ranges(lt_unicode_punctuations, lt_unicode_punctuations_count, c);
}

int lt_unicode_lower(uint32_t c, uint32_t out[2])
{
    out[0] = c;
    if (c < 0x80) {
        out[0] = c >= 'A' && c <= 'Z' ? c + 32 : c;
        return 1;
    }
    if (c == 0x130) { /* the one letter that becomes two */
        out[0] = 'i';
        out[1] = 0x307;
        return 2;
    }
    int low = 0, high = lt_unicode_lowers_count;
    while (low < high) {
        int middle = (low + high) / 2;
        if (c > lt_unicode_lowers[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < lt_unicode_lowers_count) {
        const lt_unicode_lower_row *row = &lt_unicode_lowers[low];
        if (c >= row->first && (c - row->first) % (uint32_t)row->step == 0)
            out[0] = c + (uint32_t)row->delta;
    }
    return 1;
}

uint32_t lt_unicode_stand_in(uint32_t c)
{
    int low = 0, high = lt_unicode_stand_ins_count;
    while (low < high) {
        int middle = (low + high) / 2;
        if (c > lt_unicode_stand_ins[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < lt_unicode_stand_ins_count && c >= lt_unicode_stand_ins[low].first)
        return lt_unicode_stand_ins[low].stand_in;
    return c;
}

bool lt_unicode_needs_stand_in(const char *text, uint64_t size)
{
    /* The leading bytes of the code points in the table: U+0800..3FFF, A000..AFFF and those above U+FFFF. The
     * ideographs and most of Hangul stay outside. */
    for (uint64_t i = 0; i < size; i++) {
        unsigned char b = (unsigned char)text[i];
        if (b >= 0xE0 && (b <= 0xE3 || b == 0xEA || b >= 0xF0))
            return true;
    }
    return false;
}
