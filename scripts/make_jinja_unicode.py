#!/usr/bin/env python3
"""Writes src/text/jinja_unicode_table.h: what Python's str knows about characters and utf8proc does not say.

Full case mappings that are longer than one character, and the letters that count as lower or upper case without being
of category Ll or Lu. Facts of the Unicode Character Database, read through Python's own str methods.
"""
import unicodedata

chars = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def ranges(codes):
    out = []
    for c in codes:
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


def show(name, codes):
    rows = ["{0x%X, 0x%X}" % (a, b) for a, b in ranges(codes)]
    print("static const lt_juni_range %s[] = {" % name)
    line = "   "
    for r in rows:
        if len(line) + len(r) > 116:
            print(line)
            line = "   "
        line += " " + r + ","
    print(line)
    print("};\n")


print("""/* Made by scripts/make_jinja_unicode.py from the Unicode Character Database %s; do not edit. */
#ifndef LT_TEXT_JINJA_UNICODE_TABLE_H
#define LT_TEXT_JINJA_UNICODE_TABLE_H

#include <stdint.h>

typedef struct lt_juni_range {
    uint32_t first, last;
} lt_juni_range;

typedef struct lt_juni_special {
    uint32_t c, upper[3], title[3];
} lt_juni_special;
""" % unicodedata.unidata_version)
show("OTHER_LOWER", [c for c in chars if chr(c).islower() and unicodedata.category(chr(c)) != "Ll"])
show("OTHER_UPPER", [c for c in chars if chr(c).isupper() and unicodedata.category(chr(c)) != "Lu"])
show("OTHER_DIGIT", [c for c in chars if chr(c).isdigit() and not chr(c).isdecimal()])
show("HAN_NUMERIC", [c for c in chars if chr(c).isnumeric() and unicodedata.category(chr(c)) == "Lo"])
print("static const lt_juni_special SPECIAL_CASE[] = {")
for c in chars:
    u, t = chr(c).upper(), chr(c).title()
    if len(u) > 1:
        print("    {0x%X, {%s}, {%s}}," % (c, ", ".join("0x%X" % ord(x) for x in u), ", ".join("0x%X" % ord(x) for x in t)))
print("};\n\n#endif")
