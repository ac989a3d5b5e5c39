/* Making values, and simple questions about them. */
#include "text/jinja_value.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

lt_jv lt_jv_string(const char *text, size_t size)
{
    lt_jv v = {.type = LT_JV_STRING, .size = size, .text = text};
    v.ascii = true;
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)text[i] >= 0x80) {
            v.ascii = false;
            break;
        }
    }
    return v;
}

lt_jv lt_jv_string_z(const char *text)
{
    return lt_jv_string(text, strlen(text));
}

lt_jv lt_jv_part(lt_jv string, size_t begin, size_t end)
{
    string.text += begin;
    string.size = end - begin;
    return string;
}

lt_jv lt_jv_undefined_new(lt_jrun *run, const char *format, ...)
{
    char message[300];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    size_t size = strlen(message) + 1;
    char *copy = lt_jinja_alloc(run, size);
    memcpy(copy, message, size);
    lt_jv_undefined *undefined = lt_jinja_alloc(run, sizeof *undefined);
    undefined->message = copy;
    return (lt_jv){.type = LT_JV_UNDEFINED, .undefined = undefined};
}

lt_jv_list *lt_jv_list_new(lt_jrun *run, int64_t capacity)
{
    lt_jv_list *list = lt_jinja_alloc_zero(run, sizeof *list);
    if (capacity > 0) {
        lt_jinja_charge_bytes(run, capacity * (int64_t)sizeof(lt_jv));
        list->items = lt_jinja_alloc(run, (size_t)capacity * sizeof(lt_jv));
        list->capacity = capacity;
    }
    return list;
}

void lt_jv_list_add(lt_jrun *run, lt_jv_list *list, lt_jv item)
{
    if (list->count == list->capacity)
        list->items = lt_jinja_grow(run, list->items, list->count, &list->capacity, sizeof *list->items);
    list->items[list->count++] = item;
}

lt_jv lt_jv_pair(lt_jrun *run, lt_jv first, lt_jv second)
{
    lt_jv_list *pair = lt_jv_list_new(run, 2);
    lt_jv_list_add(run, pair, first);
    lt_jv_list_add(run, pair, second);
    return lt_jv_tuple(pair);
}

const char *lt_jv_type_name(lt_jv value)
{
    switch ((lt_jv_type)value.type) {
    case LT_JV_MISSING:
    case LT_JV_UNDEFINED:
        return "Undefined";
    case LT_JV_NONE:
        return "NoneType";
    case LT_JV_BOOL:
        return "bool";
    case LT_JV_INT:
    case LT_JV_BIGINT:
        return "int";
    case LT_JV_FLOAT:
        return "float";
    case LT_JV_STRING:
        return value.markup ? "Markup" : "str";
    case LT_JV_LIST:
        return "list";
    case LT_JV_TUPLE:
        return "tuple";
    case LT_JV_DICT:
        return "dict";
    case LT_JV_VIEW:
        return value.view->kind == LT_JV_KEYS     ? "dict_keys"
               : value.view->kind == LT_JV_VALUES ? "dict_values"
                                                  : "dict_items";
    case LT_JV_RANGE:
        return "range";
    case LT_JV_ITERATOR:
        return value.iterator->type_name;
    case LT_JV_NAMESPACE:
        return "Namespace";
    case LT_JV_LOOP:
        return "LoopContext";
    case LT_JV_MACRO:
        return "Macro";
    case LT_JV_FUNCTION:
        return "function";
    case LT_JV_METHOD:
        return "method";
    case LT_JV_CYCLER:
        return "Cycler";
    case LT_JV_JOINER:
        return "Joiner";
    }
    return "?";
}

bool lt_jv_callable(lt_jv value)
{
    switch (value.type) {
    case LT_JV_UNDEFINED:
    case LT_JV_LOOP:
    case LT_JV_MACRO:
    case LT_JV_FUNCTION:
    case LT_JV_METHOD:
    case LT_JV_JOINER:
        return true;
    default:
        return false;
    }
}

static int64_t count_characters(lt_jv string)
{
    if (string.ascii)
        return (int64_t)string.size;
    int64_t count = 0;
    for (size_t i = 0; i < string.size; i++)
        count += ((unsigned char)string.text[i] & 0xC0) != 0x80;
    return count;
}

int64_t lt_jv_length(lt_jv value)
{
    switch (value.type) {
    case LT_JV_UNDEFINED:
        return 0;
    case LT_JV_STRING:
        return count_characters(value);
    case LT_JV_LIST:
    case LT_JV_TUPLE:
        return value.list->count;
    case LT_JV_DICT:
        return value.dict->count;
    case LT_JV_VIEW:
        return value.view->dict->count;
    case LT_JV_RANGE:
        return value.range->count;
    default:
        return -1;
    }
}

bool lt_jv_truth(lt_jrun *run, lt_jv value)
{
    switch (value.type) {
    case LT_JV_MISSING:
    case LT_JV_NONE:
        return false;
    case LT_JV_BOOL:
        return value.boolean;
    case LT_JV_INT:
        return value.integer != 0;
    case LT_JV_FLOAT:
        return value.real != 0;
    case LT_JV_STRING:
        return value.size != 0;
    case LT_JV_LOOP:
        (void)run;
        return true; /* inside the loop its length is at least one */
    default: {
        int64_t length = lt_jv_length(value);
        return length != 0;
    }
    }
}

int64_t lt_jv_to_int(lt_jrun *run, lt_jv value, const char *what)
{
    if (!lt_jv_is_integral(value))
        lt_jinja_raise(run, "%s must be an integer, not %s", what, lt_jv_brief(run, value));
    return lt_jv_integral(value);
}

/* ---- JSON ------------------------------------------------------------------------------------------------------ */

/* Integers beyond 64 bits come from lt_jinja_parse_json as strings that begin with this mark. */
static const char BIG_INTEGER[] = LT_JINJA_BIG_INTEGER;

static lt_jv string_from_json(const json_t *json)
{
    const char *text = json_string_value(json);
    size_t size = json_string_length(json), mark = sizeof BIG_INTEGER - 1;
    if (size > mark && memcmp(text, BIG_INTEGER, mark) == 0)
        return (lt_jv){.type = LT_JV_BIGINT, .ascii = true, .size = size - mark, .text = text + mark};
    return lt_jv_string(text, size);
}

static lt_jv object_from_json(lt_jrun *run, const json_t *json)
{
    lt_jv_dict *dict = lt_jv_dict_new(run);
    json_t *object = (json_t *)json; /* jansson iterates over const objects only by way of a cast */
    for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at)) {
        lt_jv key = lt_jv_string(json_object_iter_key(at), json_object_iter_key_len(at));
        lt_jv_dict_set(run, dict, key, lt_jv_from_json(run, json_object_iter_value(at)));
    }
    return lt_jv_from_dict(dict);
}

static lt_jv array_from_json(lt_jrun *run, const json_t *json)
{
    size_t count = json_array_size(json);
    lt_jv_list *list = lt_jv_list_new(run, (int64_t)count);
    for (size_t i = 0; i < count; i++)
        lt_jv_list_add(run, list, lt_jv_from_json(run, json_array_get(json, i)));
    return lt_jv_from_list(list);
}

lt_jv lt_jv_from_json(lt_jrun *run, const json_t *json)
{
    lt_jv value = lt_jv_none();
    lt_jinja_charge(run, 1);
    lt_jinja_enter(run);
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        value = object_from_json(run, json);
        break;
    case JSON_ARRAY:
        value = array_from_json(run, json);
        break;
    case JSON_STRING:
        value = string_from_json(json);
        break;
    case JSON_INTEGER:
        value = lt_jv_int(json_integer_value(json));
        break;
    case JSON_REAL:
        value = lt_jv_float(json_real_value(json));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        value = lt_jv_bool(json_is_true(json));
        break;
    case JSON_NULL:
        break;
    }
    run->depth--;
    return value;
}
