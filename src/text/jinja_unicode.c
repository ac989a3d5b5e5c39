/* Character classes and case mappings: utf8proc's properties, completed by a small table (jinja_unicode_table.h) where
 * Python's str goes by the full Unicode rules. */
#include "text/jinja_unicode.h"

#include <utf8proc.h>

#include "core/utf8.h"
#include "text/jinja_unicode_table.h"

#define COUNT(table) (sizeof(table) / sizeof(table)[0])

static bool in_ranges(const lt_juni_range *ranges, size_t count, uint32_t c)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (c > ranges[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && c >= ranges[low].first;
}

static utf8proc_category_t category(uint32_t c)
{
    return utf8proc_category((utf8proc_int32_t)c);
}

uint32_t lt_juni_decode(const char *s, size_t n, int *size)
{
    uint32_t c;
    if ((unsigned char)*s < 0x80) {
        *size = 1;
        return (unsigned char)*s;
    }
    *size = lt_utf8_decode(s, n, &c);
    if (*size == 0) {
        *size = 1;
        return 0xFFFD;
    }
    return c;
}

bool lt_juni_is_space(uint32_t c)
{
    if (c < 0x80)
        return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20);
    return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
           c == 0x202F || c == 0x205F || c == 0x3000;
}

bool lt_juni_is_line_end(uint32_t c)
{
    return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

bool lt_juni_is_alpha(uint32_t c)
{
    utf8proc_category_t k = category(c);
    return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO;
}

bool lt_juni_is_decimal(uint32_t c)
{
    return category(c) == UTF8PROC_CATEGORY_ND;
}

bool lt_juni_is_digit(uint32_t c)
{
    return lt_juni_is_decimal(c) || in_ranges(OTHER_DIGIT, COUNT(OTHER_DIGIT), c);
}

bool lt_juni_is_numeric(uint32_t c)
{
    utf8proc_category_t k = category(c);
    return k == UTF8PROC_CATEGORY_ND || k == UTF8PROC_CATEGORY_NL || k == UTF8PROC_CATEGORY_NO ||
           in_ranges(HAN_NUMERIC, COUNT(HAN_NUMERIC), c);
}

int lt_juni_decimal_value(uint32_t c)
{
    if (c < 0x80)
        return c >= '0' && c <= '9' ? (int)(c - '0') : -1;
    if (!lt_juni_is_decimal(c))
        return -1;
    /* Decimal digits come in runs of ten, from zero; some blocks of styles hold several runs. */
    uint32_t first = c;
    while (lt_juni_is_decimal(first - 1))
        first--;
    return (int)((c - first) % 10);
}

bool lt_juni_is_lower(uint32_t c)
{
    if (c < 0x80)
        return c >= 'a' && c <= 'z';
    return category(c) == UTF8PROC_CATEGORY_LL || in_ranges(OTHER_LOWER, COUNT(OTHER_LOWER), c);
}

bool lt_juni_is_upper(uint32_t c)
{
    if (c < 0x80)
        return c >= 'A' && c <= 'Z';
    return category(c) == UTF8PROC_CATEGORY_LU || in_ranges(OTHER_UPPER, COUNT(OTHER_UPPER), c);
}

bool lt_juni_is_title(uint32_t c)
{
    return category(c) == UTF8PROC_CATEGORY_LT;
}

bool lt_juni_is_cased(uint32_t c)
{
    return lt_juni_is_lower(c) || lt_juni_is_upper(c) || lt_juni_is_title(c);
}

bool lt_juni_is_case_ignorable(uint32_t c)
{
    switch (category(c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK:
        return true;
    default:
        break;
    }
    static const uint16_t middle_of_words[] = {0x27,   0x2E,   0x3A,   0xB7,   0x387,  0x55F,  0x5F4,  0x2018, 0x2019,
                                               0x2024, 0x2027, 0xFE13, 0xFE52, 0xFE55, 0xFF07, 0xFF0E, 0xFF1A};
    for (size_t i = 0; i < COUNT(middle_of_words); i++)
        if (c == middle_of_words[i])
            return true;
    return false;
}

bool lt_juni_is_printable(uint32_t c)
{
    if (c < 0x7F)
        return c >= 0x20;
    switch (category(c)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS:
        return false;
    default:
        return true;
    }
}

bool lt_juni_is_name_start(uint32_t c)
{
    return c == '_' || lt_juni_is_alpha(c) || category(c) == UTF8PROC_CATEGORY_NL;
}

bool lt_juni_is_name_part(uint32_t c)
{
    if (lt_juni_is_name_start(c) || lt_juni_is_decimal(c))
        return true;
    utf8proc_category_t k = category(c);
    return k == UTF8PROC_CATEGORY_MN || k == UTF8PROC_CATEGORY_MC || k == UTF8PROC_CATEGORY_PC;
}

static const lt_juni_special *find_special(uint32_t c)
{
    if (c < 0xDF)
        return NULL;
    for (size_t i = 0; i < COUNT(SPECIAL_CASE) && SPECIAL_CASE[i].c <= c; i++)
        if (SPECIAL_CASE[i].c == c)
            return &SPECIAL_CASE[i];
    return NULL;
}

static int copy_mapping(const uint32_t from[3], uint32_t out[3])
{
    int n = 0;
    while (n < 3 && from[n]) {
        out[n] = from[n];
        n++;
    }
    return n;
}

int lt_juni_map(uint32_t c, lt_juni_case how, uint32_t out[3])
{
    const lt_juni_special *special = how == LT_JUNI_UPPER || how == LT_JUNI_TITLE ? find_special(c) : NULL;
    if (special)
        return copy_mapping(how == LT_JUNI_UPPER ? special->upper : special->title, out);
    switch (how) {
    case LT_JUNI_LOWER:
        if (c == 0x130) { /* I with dot: the dot stays, as a combining character */
            out[0] = 'i';
            out[1] = 0x307;
            return 2;
        }
        out[0] = (uint32_t)utf8proc_tolower((utf8proc_int32_t)c);
        return 1;
    case LT_JUNI_UPPER:
        out[0] = (uint32_t)utf8proc_toupper((utf8proc_int32_t)c);
        return 1;
    case LT_JUNI_TITLE:
        out[0] = (uint32_t)utf8proc_totitle((utf8proc_int32_t)c);
        return 1;
    case LT_JUNI_FOLD:
        break;
    }
    utf8proc_int32_t folded[4];
    int boundary = 0;
    utf8proc_ssize_t n = utf8proc_decompose_char((utf8proc_int32_t)c, folded, 4, UTF8PROC_CASEFOLD, &boundary);
    if (n < 1 || n > 3) {
        out[0] = c;
        return 1;
    }
    for (utf8proc_ssize_t i = 0; i < n; i++)
        out[i] = (uint32_t)folded[i];
    return (int)n;
}
