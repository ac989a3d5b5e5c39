/* Values as text: str, repr, escape, and the text builder. */
#include "text/jinja_value.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/utf8.h"
#include "text/jinja_ast.h"
#include "text/jinja_builtin.h"
#include "text/jinja_unicode.h"

/* ---- the text builder ------------------------------------------------------------------------------------------ */

static char *reserve(lt_jrun *run, lt_jtext *text, size_t size)
{
    lt_jinja_charge_bytes(run, (int64_t)size);
    if (size > (size_t)INT64_MAX / 4)
        lt_jinja_raise_status(run, LT_ERR_MEMORY, "a string grows too long");
    if ((int64_t)size > text->capacity - text->size) {
        int64_t capacity = 2 * text->capacity + (int64_t)size + 32;
        char *data = lt_jinja_alloc(run, (size_t)capacity);
        if (text->size)
            memcpy(data, text->data, (size_t)text->size);
        text->data = data;
        text->capacity = capacity;
    }
    return text->data + text->size;
}

void lt_jtext_add(lt_jrun *run, lt_jtext *text, const char *data, size_t size)
{
    if (size == 0)
        return;
    memcpy(reserve(run, text, size), data, size);
    text->size += (int64_t)size;
}

void lt_jtext_add_z(lt_jrun *run, lt_jtext *text, const char *data)
{
    lt_jtext_add(run, text, data, strlen(data));
}

void lt_jtext_add_char(lt_jrun *run, lt_jtext *text, uint32_t code_point)
{
    char bytes[4];
    lt_jtext_add(run, text, bytes, (size_t)lt_utf8_encode(code_point, bytes));
}

void lt_jtext_fill(lt_jrun *run, lt_jtext *text, lt_jv filler, int64_t count)
{
    if (count <= 0 || filler.size == 0)
        return;
    if (count > INT64_MAX / 8 / (int64_t)filler.size)
        lt_jinja_raise_status(run, LT_ERR_MEMORY, "a string grows too long");
    char *to = reserve(run, text, (size_t)count * filler.size);
    for (int64_t i = 0; i < count; i++, to += filler.size)
        memcpy(to, filler.text, filler.size);
    text->size += count * (int64_t)filler.size;
}

void lt_jtext_printf(lt_jrun *run, lt_jtext *text, const char *format, ...)
{
    char line[400];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    assert(n >= 0);
    lt_jtext_add(run, text, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1);
}

lt_jv lt_jtext_value(const lt_jtext *text)
{
    return lt_jv_string(text->size ? text->data : "", (size_t)text->size);
}

/* ---- numbers --------------------------------------------------------------------------------------------------- */

void lt_jv_format_float(double value, char *out)
{
    if (isnan(value)) {
        strcpy(out, "nan");
        return;
    }
    if (isinf(value)) {
        strcpy(out, value < 0 ? "-inf" : "inf");
        return;
    }
    /* The fewest significant digits that read back as the same number. */
    char scientific[40];
    int precision = 0;
    do
        snprintf(scientific, sizeof scientific, "%.*e", precision, value);
    while (strtod(scientific, NULL) != value && ++precision < 17);
    char digits[24];
    int n = 0;
    const char *p = scientific;
    for (; *p != 'e'; p++)
        if (*p >= '0' && *p <= '9')
            digits[n++] = *p;
    int exponent = atoi(p + 1); /* of the first digit */
    if (signbit(value))
        *out++ = '-';
    if (exponent < -4 || exponent >= 16) {
        *out++ = digits[0];
        if (n > 1) {
            *out++ = '.';
            memcpy(out, digits + 1, (size_t)n - 1);
            out += n - 1;
        }
        sprintf(out, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
        return;
    }
    for (int i = exponent < 0 ? exponent : 0; i < n || i <= exponent + 1; i++) {
        if (i == exponent + 1)
            *out++ = '.';
        *out++ = i >= 0 && i < n ? digits[i] : '0';
    }
    *out = '\0';
}

/* ---- repr ------------------------------------------------------------------------------------------------------ */

static void add_repr(lt_jrun *run, lt_jtext *text, lt_jv value, int nesting);

static void add_string_repr(lt_jrun *run, lt_jtext *text, lt_jv v)
{
    if (v.markup)
        lt_jtext_add_z(run, text, "Markup(");
    bool single = v.size && memchr(v.text, '\'', v.size), twice = v.size && memchr(v.text, '"', v.size);
    char quote = single && !twice ? '"' : '\'';
    lt_jtext_add(run, text, &quote, 1);
    for (size_t at = 0; at < v.size;) {
        int size;
        uint32_t c = lt_juni_decode(v.text + at, v.size - at, &size);
        if (c == (uint32_t)quote || c == '\\')
            lt_jtext_printf(run, text, "\\%c", (char)c);
        else if (c == '\n' || c == '\r' || c == '\t')
            lt_jtext_add_z(run, text, c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t");
        else if (lt_juni_is_printable(c))
            lt_jtext_add(run, text, v.text + at, (size_t)size);
        else if (c < 0x100)
            lt_jtext_printf(run, text, "\\x%02x", (unsigned)c);
        else
            lt_jtext_printf(run, text, c < 0x10000 ? "\\u%04x" : "\\U%08x", (unsigned)c);
        at += (size_t)size;
    }
    lt_jtext_add(run, text, &quote, 1);
    if (v.markup)
        lt_jtext_add_z(run, text, ")");
}

static void add_items_repr(lt_jrun *run, lt_jtext *text, const lt_jv_list *list, int nesting)
{
    for (int64_t i = 0; i < list->count; i++) {
        if (i)
            lt_jtext_add_z(run, text, ", ");
        add_repr(run, text, list->items[i], nesting);
    }
}

static void add_entries_repr(lt_jrun *run, lt_jtext *text, const lt_jv_dict *dict, int nesting)
{
    lt_jtext_add_z(run, text, "{");
    for (int64_t i = 0; i < dict->count; i++) {
        if (i)
            lt_jtext_add_z(run, text, ", ");
        add_repr(run, text, dict->entries[i].key, nesting);
        lt_jtext_add_z(run, text, ": ");
        add_repr(run, text, dict->entries[i].value, nesting);
    }
    lt_jtext_add_z(run, text, "}");
}

static void add_view_repr(lt_jrun *run, lt_jtext *text, lt_jv v, int nesting)
{
    lt_jtext_printf(run, text, "%s(", lt_jv_type_name(v));
    lt_jtext_add_z(run, text, "[");
    for (int64_t i = 0; i < v.view->dict->count; i++) {
        const lt_jv_entry *entry = &v.view->dict->entries[i];
        if (i)
            lt_jtext_add_z(run, text, ", ");
        if (v.view->kind == LT_JV_ITEMS)
            lt_jtext_add_z(run, text, "(");
        if (v.view->kind != LT_JV_VALUES)
            add_repr(run, text, entry->key, nesting);
        if (v.view->kind == LT_JV_ITEMS)
            lt_jtext_add_z(run, text, ", ");
        if (v.view->kind != LT_JV_KEYS)
            add_repr(run, text, entry->value, nesting);
        if (v.view->kind == LT_JV_ITEMS)
            lt_jtext_add_z(run, text, ")");
    }
    lt_jtext_add_z(run, text, "])");
}

static void add_object_repr(lt_jrun *run, lt_jtext *text, lt_jv v)
{
    switch (v.type) {
    case LT_JV_LOOP: {
        lt_jv length = lt_jinja_loop_attribute(run, v.loop, "length", 6);
        lt_jtext_printf(run, text, "<LoopContext %lld/%lld>", (long long)v.loop->index0 + 1, (long long)length.integer);
        break;
    }
    case LT_JV_MACRO:
        if (v.macro->node->kind == LT_JN_MACRO)
            lt_jtext_printf(run, text, "<Macro '%s'>", v.macro->node->name);
        else
            lt_jtext_add_z(run, text, "<Macro anonymous>");
        break;
    case LT_JV_FUNCTION:
        lt_jtext_printf(run, text, "<function %s>", v.function->name);
        break;
    case LT_JV_METHOD:
        lt_jtext_printf(run, text, "<built-in method %s of %s object>", v.method->row->name,
                        lt_jv_type_name(v.method->self));
        break;
    default:
        lt_jtext_printf(run, text, "<%s object>", lt_jv_type_name(v));
        break;
    }
}

static void add_range_repr(lt_jrun *run, lt_jtext *text, const lt_jv_range *r)
{
    lt_jtext_printf(run, text, "range(%lld, %lld", (long long)r->start, (long long)r->stop);
    if (r->step != 1)
        lt_jtext_printf(run, text, ", %lld", (long long)r->step);
    lt_jtext_add_z(run, text, ")");
}

/* Values that print the same inside a container and alone; false for the rest. */
static bool add_plain(lt_jrun *run, lt_jtext *text, lt_jv value)
{
    switch (value.type) {
    case LT_JV_NONE:
        lt_jtext_add_z(run, text, "None");
        return true;
    case LT_JV_BOOL:
        lt_jtext_add_z(run, text, value.boolean ? "True" : "False");
        return true;
    case LT_JV_INT:
        lt_jtext_printf(run, text, "%lld", (long long)value.integer);
        return true;
    case LT_JV_BIGINT:
        lt_jtext_add(run, text, value.text, value.size);
        return true;
    case LT_JV_FLOAT: {
        char digits[40];
        lt_jv_format_float(value.real, digits);
        lt_jtext_add_z(run, text, digits);
        return true;
    }
    default:
        return false;
    }
}

static void add_repr(lt_jrun *run, lt_jtext *text, lt_jv value, int nesting)
{
    lt_jinja_charge(run, 1);
    if (nesting > LT_JINJA_MAX_NESTING)
        lt_jinja_raise(run, "a value to be printed is nested more than %d levels deep", LT_JINJA_MAX_NESTING);
    if (add_plain(run, text, value))
        return;
    nesting++;
    switch (value.type) {
    case LT_JV_MISSING:
    case LT_JV_UNDEFINED:
        lt_jtext_add_z(run, text, "Undefined");
        break;
    case LT_JV_STRING:
        add_string_repr(run, text, value);
        break;
    case LT_JV_LIST:
        lt_jtext_add_z(run, text, "[");
        add_items_repr(run, text, value.list, nesting);
        lt_jtext_add_z(run, text, "]");
        break;
    case LT_JV_TUPLE:
        lt_jtext_add_z(run, text, "(");
        add_items_repr(run, text, value.list, nesting);
        lt_jtext_add_z(run, text, value.list->count == 1 ? ",)" : ")");
        break;
    case LT_JV_DICT:
        add_entries_repr(run, text, value.dict, nesting);
        break;
    case LT_JV_NAMESPACE:
        lt_jtext_add_z(run, text, "<Namespace ");
        add_entries_repr(run, text, value.dict, nesting);
        lt_jtext_add_z(run, text, ">");
        break;
    case LT_JV_VIEW:
        add_view_repr(run, text, value, nesting);
        break;
    case LT_JV_RANGE:
        add_range_repr(run, text, value.range);
        break;
    default:
        add_object_repr(run, text, value);
        break;
    }
}

lt_jv lt_jv_repr(lt_jrun *run, lt_jv value)
{
    lt_jtext text = {0};
    add_repr(run, &text, value, 0);
    return lt_jtext_value(&text);
}

lt_jv lt_jv_str(lt_jrun *run, lt_jv value)
{
    if (value.type == LT_JV_STRING) {
        value.markup = false;
        return value;
    }
    if (value.type == LT_JV_UNDEFINED || value.type == LT_JV_MISSING)
        return lt_jv_string("", 0);
    return lt_jv_repr(run, value);
}

const char *lt_jv_brief(lt_jrun *run, lt_jv value)
{
    if (value.type == LT_JV_STRING && value.size > 60)
        value.size = 60; /* may cut a character; messages are cleaned when they are stored */
    if (value.type == LT_JV_LIST || value.type == LT_JV_TUPLE || value.type == LT_JV_DICT ||
        value.type == LT_JV_NAMESPACE)
        return value.type == LT_JV_LIST ? "a list" : value.type == LT_JV_TUPLE ? "a tuple" : "a mapping";
    lt_jv repr = lt_jv_repr(run, value);
    char *copy = lt_jinja_alloc(run, repr.size + 1);
    if (repr.size)
        memcpy(copy, repr.text, repr.size);
    copy[repr.size] = '\0';
    return copy;
}

lt_jv lt_jv_escape(lt_jrun *run, lt_jv value)
{
    if (value.type == LT_JV_STRING && value.markup)
        return value;
    lt_jv string = lt_jv_str(run, value);
    lt_jtext text = {0};
    for (size_t i = 0, plain = 0; i <= string.size; i++) {
        static const char *const ENTITIES[256] = {
            ['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['\''] = "&#39;", ['"'] = "&#34;"};
        const char *entity = i < string.size ? ENTITIES[(unsigned char)string.text[i]] : "";
        if (!entity)
            continue;
        lt_jtext_add(run, &text, string.text + plain, i - plain);
        lt_jtext_add_z(run, &text, entity);
        plain = i + 1;
    }
    string = lt_jtext_value(&text);
    string.markup = true;
    return string;
}
