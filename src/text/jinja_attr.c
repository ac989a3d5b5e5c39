/* Attributes, items and slices. value.name asks for an attribute first and an item then, value[key] the other way
 * round; neither there makes an undefined value, not an error. */
#include <string.h>

#include "text/jinja_builtin.h"
#include "text/jinja_unicode.h"

static lt_jv bind_method(lt_jrun *run, lt_jv self, const lt_jmethod_row *row)
{
    if (row->forbidden)
        return lt_jv_undefined_new(run, "access to attribute '%s' of '%s' object is unsafe.", row->name,
                                   lt_jv_type_name(self));
    lt_jv_method *method = lt_jinja_alloc(run, sizeof *method);
    *method = (lt_jv_method){self, row};
    return (lt_jv){.type = LT_JV_METHOD, .method = method};
}

static lt_jv find_method(lt_jrun *run, lt_jv self, const lt_jmethod_row *rows, const char *name, size_t size)
{
    for (; rows->name; rows++)
        if (strlen(rows->name) == size && memcmp(rows->name, name, size) == 0)
            return bind_method(run, self, rows);
    return lt_jv_missing();
}

static bool is(const char *name, size_t size, const char *other)
{
    return strlen(other) == size && memcmp(name, other, size) == 0;
}

static lt_jv macro_attribute(lt_jrun *run, const lt_jv_macro *macro, const char *name, size_t size)
{
    const lt_jcallable *callable = macro->node->callable;
    if (is(name, size, "name"))
        return macro->node->kind == LT_JN_MACRO ? lt_jv_string_z(macro->node->name) : lt_jv_none();
    if (is(name, size, "catch_kwargs"))
        return lt_jv_bool(callable->takes_kwargs);
    if (is(name, size, "catch_varargs"))
        return lt_jv_bool(callable->takes_varargs);
    if (is(name, size, "caller"))
        return lt_jv_bool(callable->takes_caller);
    if (!is(name, size, "arguments"))
        return lt_jv_missing();
    lt_jv_list *names = lt_jv_list_new(run, callable->parameters.count);
    for (const lt_jnode *p = callable->parameters.first; p; p = p->next)
        lt_jv_list_add(run, names, lt_jv_string_z(p->name));
    return lt_jv_tuple(names);
}

static lt_jv range_attribute(const lt_jv_range *range, const char *name, size_t size)
{
    if (is(name, size, "start"))
        return lt_jv_int(range->start);
    if (is(name, size, "stop"))
        return lt_jv_int(range->stop);
    return is(name, size, "step") ? lt_jv_int(range->step) : lt_jv_missing();
}

static lt_jv number_attribute(lt_jv value, const char *name, size_t size)
{
    bool whole = value.type != LT_JV_FLOAT;
    if (is(name, size, "real") || (whole && is(name, size, "numerator")))
        return whole ? lt_jv_int(lt_jv_integral(value)) : value;
    if (is(name, size, "imag"))
        return whole ? lt_jv_int(0) : lt_jv_float(0);
    return whole && is(name, size, "denominator") ? lt_jv_int(1) : lt_jv_missing();
}

static lt_jv cycler_attribute(const lt_jv_cycler *cycler, const char *name, size_t size)
{
    if (is(name, size, "current"))
        return cycler->items->items[cycler->position];
    if (is(name, size, "pos"))
        return lt_jv_int(cycler->position);
    return is(name, size, "items") ? lt_jv_tuple(cycler->items) : lt_jv_missing();
}

lt_jv lt_jinja_find_attribute(lt_jrun *run, lt_jv value, const char *name, size_t size)
{
    lt_jv found = lt_jv_missing();
    switch (value.type) {
    case LT_JV_STRING:
        found = find_method(run, value, lt_jinja_string_methods, name, size);
        if (found.type == LT_JV_MISSING)
            found = find_method(run, value, lt_jinja_string_search_methods, name, size);
        return found;
    case LT_JV_LIST:
        return find_method(run, value, lt_jinja_list_methods, name, size);
    case LT_JV_TUPLE:
        if (value.list->grouped && (is(name, size, "grouper") || is(name, size, "list")))
            return value.list->items[is(name, size, "list")];
        return find_method(run, value, lt_jinja_tuple_methods, name, size);
    case LT_JV_DICT:
        return find_method(run, value, lt_jinja_dict_methods, name, size);
    case LT_JV_NAMESPACE: {
        const lt_jv *member = lt_jv_dict_get(run, value.dict, lt_jv_string(name, size));
        return member ? *member : found;
    }
    case LT_JV_BOOL:
    case LT_JV_INT:
    case LT_JV_FLOAT:
        return number_attribute(value, name, size);
    case LT_JV_RANGE:
        found = range_attribute(value.range, name, size);
        return found.type != LT_JV_MISSING ? found : find_method(run, value, lt_jinja_range_methods, name, size);
    case LT_JV_LOOP:
        found = lt_jinja_loop_attribute(run, value.loop, name, size);
        return found.type != LT_JV_MISSING ? found : find_method(run, value, lt_jinja_loop_methods, name, size);
    case LT_JV_CYCLER:
        found = cycler_attribute(value.cycler, name, size);
        return found.type != LT_JV_MISSING ? found : find_method(run, value, lt_jinja_cycler_methods, name, size);
    case LT_JV_JOINER:
        if (is(name, size, "sep"))
            return value.joiner->separator;
        return is(name, size, "used") ? lt_jv_bool(value.joiner->used) : found;
    case LT_JV_MACRO:
        return macro_attribute(run, value.macro, name, size);
    default:
        return found;
    }
}

/* Names with two underscores at either end are Python's own; the sandbox gives nothing for them. */
static bool is_internal(const char *name, size_t size)
{
    return size > 4 && memcmp(name, "__", 2) == 0 && memcmp(name + size - 2, "__", 2) == 0;
}

static lt_jv no_attribute(lt_jrun *run, lt_jv value, const char *name, size_t size)
{
    if (is_internal(name, size))
        return lt_jv_undefined_new(run, "access to attribute '%.*s' of '%s' object is unsafe.",
                                   (int)(size < 60 ? size : 60), name, lt_jv_type_name(value));
    return lt_jv_undefined_new(run, "'%s%s' has no attribute '%.*s'",
                               value.type == LT_JV_NONE ? "None" : lt_jv_type_name(value),
                               value.type == LT_JV_NONE ? "" : " object", (int)(size < 60 ? size : 60), name);
}

lt_jv lt_jinja_get_attribute(lt_jrun *run, lt_jv value, const char *name)
{
    size_t size = strlen(name);
    if (value.type == LT_JV_UNDEFINED && strcmp(name, "__class__") != 0) /* every object has a class */
        lt_jinja_raise(run, "%s", value.undefined->message);
    lt_jv found = lt_jinja_find_attribute(run, value, name, size);
    if (found.type != LT_JV_MISSING)
        return found;
    if (value.type == LT_JV_DICT) {
        const lt_jv *item = lt_jv_dict_get(run, value.dict, lt_jv_string(name, size));
        if (item)
            return *item;
    }
    return no_attribute(run, value, name, size);
}

/* The byte at which character `index` begins; `index` is within the string. */
static size_t byte_of(lt_jrun *run, lt_jv string, int64_t index)
{
    if (string.ascii)
        return (size_t)index;
    size_t at = 0;
    for (int64_t i = 0; i < index; i++) {
        at++;
        while (at < string.size && ((unsigned char)string.text[at] & 0xC0) == 0x80)
            at++;
    }
    lt_jinja_charge_bytes(run, (int64_t)at);
    return at;
}

/* value[index] of a sequence; LT_JV_MISSING when it is out of range. */
static lt_jv sequence_item(lt_jrun *run, lt_jv value, int64_t index)
{
    int64_t length = lt_jv_length(value);
    if (index < 0)
        index += length;
    if (index < 0 || index >= length)
        return lt_jv_missing();
    if (value.type == LT_JV_RANGE)
        return lt_jv_range_item(value.range, index);
    if (value.type != LT_JV_STRING)
        return value.list->items[index];
    size_t begin = byte_of(run, value, index), end = begin + 1;
    while (end < value.size && ((unsigned char)value.text[end] & 0xC0) == 0x80)
        end++;
    return lt_jv_part(value, begin, end);
}

lt_jv lt_jinja_get_item(lt_jrun *run, lt_jv value, lt_jv key)
{
    lt_jv found = lt_jv_missing();
    switch (value.type) {
    case LT_JV_UNDEFINED:
        lt_jinja_raise(run, "%s", value.undefined->message);
    case LT_JV_DICT:
        if (lt_jv_hashable(key)) {
            const lt_jv *item = lt_jv_dict_get(run, value.dict, key);
            if (item)
                return *item;
        }
        break;
    case LT_JV_STRING:
    case LT_JV_LIST:
    case LT_JV_TUPLE:
    case LT_JV_RANGE:
        if (lt_jv_is_integral(key))
            found = sequence_item(run, value, lt_jv_integral(key));
        break;
    default:
        break;
    }
    if (found.type == LT_JV_MISSING && key.type == LT_JV_STRING)
        found = lt_jinja_find_attribute(run, value, key.text, key.size);
    if (found.type != LT_JV_MISSING)
        return found;
    if (key.type == LT_JV_STRING)
        return no_attribute(run, value, key.text, key.size);
    return lt_jv_undefined_new(run, "%s%s has no element %s",
                               value.type == LT_JV_NONE ? "None" : lt_jv_type_name(value),
                               value.type == LT_JV_NONE ? "" : " object", lt_jv_brief(run, key));
}

/* ---- slices ---------------------------------------------------------------------------------------------------- */

static bool is_absent(lt_jv v)
{
    return v.type == LT_JV_MISSING || v.type == LT_JV_NONE;
}

/* A bound of a slice, moved into [low, high]. */
static int64_t slice_bound(lt_jrun *run, lt_jv bound, int64_t fallback, int64_t length, int64_t low, int64_t high)
{
    if (is_absent(bound))
        return fallback;
    int64_t v = lt_jv_to_int(run, bound, "a slice index");
    if (v < 0)
        v = v < -length ? -1 : v + length;
    return v < low ? low : v > high ? high : v;
}

lt_jslice lt_jinja_slice_indices(lt_jrun *run, int64_t length, lt_jv start, lt_jv stop, lt_jv step)
{
    int64_t by = is_absent(step) ? 1 : lt_jv_to_int(run, step, "a slice step");
    if (by == 0)
        lt_jinja_raise(run, "a slice step cannot be zero");
    if (by == INT64_MIN)
        by = -INT64_MAX;
    int64_t low = by < 0 ? -1 : 0, high = by < 0 ? length - 1 : length;
    int64_t from = slice_bound(run, start, by < 0 ? high : low, length, low, high);
    int64_t to = slice_bound(run, stop, by < 0 ? low : high, length, low, high);
    lt_jslice slice = {from, to, by, 0};
    if (by > 0 && from < to)
        slice.count = (to - from - 1) / by + 1;
    else if (by < 0 && to < from)
        slice.count = (from - to - 1) / -by + 1;
    return slice;
}

static lt_jv slice_string(lt_jrun *run, lt_jv value, lt_jslice slice)
{
    if (slice.count == 0)
        return lt_jv_part(value, 0, 0);
    if (slice.step == 1) {
        size_t begin = byte_of(run, value, slice.first);
        lt_jv rest = lt_jv_part(value, begin, value.size);
        return lt_jv_part(rest, 0, slice.count == lt_jv_length(rest) ? rest.size : byte_of(run, rest, slice.count));
    }
    /* Whole characters, found once: positions of all of them. */
    int64_t length = lt_jv_length(value);
    size_t *at = lt_jinja_alloc(run, (size_t)(length + 1) * sizeof *at);
    size_t byte = 0;
    lt_jinja_charge(run, length);
    for (int64_t i = 0; i < length; i++) {
        at[i] = byte++;
        while (byte < value.size && ((unsigned char)value.text[byte] & 0xC0) == 0x80)
            byte++;
    }
    at[length] = value.size;
    lt_jtext text = {0};
    for (int64_t i = 0; i < slice.count; i++) {
        int64_t c = slice.first + i * slice.step;
        lt_jtext_add(run, &text, value.text + at[c], at[c + 1] - at[c]);
    }
    lt_jv result = lt_jtext_value(&text);
    result.markup = value.markup;
    return result;
}

static lt_jv slice_range(lt_jrun *run, const lt_jv_range *from, lt_jslice slice)
{
    lt_jv_range *range = lt_jinja_alloc(run, sizeof *range);
    int64_t start, stop, step;
    if (__builtin_mul_overflow(slice.first, from->step, &start) || __builtin_add_overflow(start, from->start, &start) ||
        __builtin_mul_overflow(slice.stop, from->step, &stop) || __builtin_add_overflow(stop, from->start, &stop) ||
        __builtin_mul_overflow(from->step, slice.step, &step))
        lt_jinja_raise(run, "the bounds of a range do not fit in 64 bits");
    *range = (lt_jv_range){start, stop, step, slice.count};
    return (lt_jv){.type = LT_JV_RANGE, .range = range};
}

lt_jv lt_jinja_slice(lt_jrun *run, lt_jv value, lt_jv start, lt_jv stop, lt_jv step)
{
    if (value.type == LT_JV_UNDEFINED)
        lt_jinja_raise(run, "%s", value.undefined->message);
    if (value.type != LT_JV_STRING && value.type != LT_JV_LIST && value.type != LT_JV_TUPLE &&
        value.type != LT_JV_RANGE)
        lt_jinja_raise(run, "'%s' object cannot be sliced", lt_jv_type_name(value));
    lt_jslice slice = lt_jinja_slice_indices(run, lt_jv_length(value), start, stop, step);
    if (value.type == LT_JV_STRING)
        return slice_string(run, value, slice);
    if (value.type == LT_JV_RANGE)
        return slice_range(run, value.range, slice);
    lt_jv_list *list = lt_jv_list_new(run, 0);
    if (slice.step == 1 && slice.count) { /* lists never change, so the items can be shared */
        list->items = value.list->items + slice.first;
        list->count = list->capacity = slice.count;
    } else {
        for (int64_t i = 0; i < slice.count; i++)
            lt_jv_list_add(run, list, value.list->items[slice.first + i * slice.step]);
    }
    return value.type == LT_JV_LIST ? lt_jv_from_list(list) : lt_jv_tuple(list);
}
