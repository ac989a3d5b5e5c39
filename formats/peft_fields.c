#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "formats/peft_internal.h"

static bool no_memory(lt_error *err)
{
    return lt_error_set(err, LT_ERR_MEMORY, "out of memory for an adapter's configuration");
}

void lt_peft_names_free(lt_peft_names *names)
{
    for (int i = 0; i < names->count; i++)
        free(names->items[i]);
    free(names->items);
    free(names->regex);
    *names = (lt_peft_names){0};
}

bool lt_peft_names_set_regex(lt_peft_names *names, const char *regex, lt_error *err)
{
    char *copy = strdup(regex);
    lt_peft_names_free(names);
    if (!copy)
        return no_memory(err);
    *names = (lt_peft_names){.given = true, .regex = copy};
    return true;
}

bool lt_peft_names_set(lt_peft_names *names, const char *const *items, int count, lt_error *err)
{
    if (count == 1 && !strcasecmp(items[0], "all-linear"))
        return lt_peft_names_set_regex(names, items[0], err);
    lt_peft_names fresh = {.given = true, .items = calloc((size_t)count + 1, sizeof *fresh.items)};
    if (!fresh.items)
        return no_memory(err);
    for (; fresh.count < count; fresh.count++)
        if (!(fresh.items[fresh.count] = strdup(items[fresh.count]))) {
            lt_peft_names_free(&fresh);
            return no_memory(err);
        }
    lt_peft_names_free(names);
    *names = fresh;
    return true;
}

bool lt_peft_patterns_add(lt_peft_patterns *patterns, const char *key, double value, lt_error *err)
{
    lt_peft_pattern *items = realloc(patterns->items, (size_t)(patterns->count + 1) * sizeof *items);
    char *copy = strdup(key);
    if (items)
        patterns->items = items;
    if (!items || !copy) {
        free(copy);
        return no_memory(err);
    }
    items[patterns->count++] = (lt_peft_pattern){copy, value};
    return true;
}

/* ---- reading ---- */

bool lt_peft_read_text(const lt_peft_reading *reading, const char *key, char **text)
{
    const char *found = NULL;
    if (!lt_json_get_string(reading->top, key, &found, reading->err))
        return false;
    *text = found ? strdup(found) : NULL;
    return !found || *text || no_memory(reading->err);
}

static bool read_list(const lt_peft_reading *reading, const lt_json *list, lt_peft_names *names)
{
    size_t n = json_array_size(list->value);
    if (n > LT_PEFT_MAX_NAMES)
        return lt_json_error(list, reading->err, LT_ERR_FORMAT, "expected at most %d names, found %zu",
                             LT_PEFT_MAX_NAMES, n);
    const char **items = malloc((n + 1) * sizeof *items);
    if (!items)
        return no_memory(reading->err);
    bool ok = true;
    for (size_t i = 0; i < n && ok; i++) {
        lt_json at = lt_json_element(list, i);
        ok = lt_json_string(&at, &items[i], reading->err);
    }
    ok = ok && lt_peft_names_set(names, items, (int)n, reading->err);
    free(items);
    return ok;
}

bool lt_peft_read_names(const lt_peft_reading *reading, const char *key, lt_peft_names *names)
{
    lt_json at;
    if (!lt_json_member(reading->top, key, &at))
        return true;
    if (json_is_string(at.value))
        return lt_peft_names_set_regex(names, json_string_value(at.value), reading->err);
    if (!json_is_array(at.value))
        return lt_json_error(&at, reading->err, LT_ERR_FORMAT, "expected a list of names or a string, found %s",
                             lt_json_type_name(at.value));
    return read_list(reading, &at, names);
}

bool lt_peft_read_patterns(const lt_peft_reading *reading, const char *key, double low, lt_peft_patterns *patterns)
{
    lt_json map;
    const char *name;
    json_t *value;
    if (!lt_json_member(reading->top, key, &map))
        return true;
    if (!lt_json_object(&map, reading->err))
        return false;
    if (json_object_size(map.value) > LT_PEFT_MAX_PATTERNS)
        return lt_json_error(&map, reading->err, LT_ERR_UNSUPPORTED, "expected at most %d patterns, found %zu",
                             LT_PEFT_MAX_PATTERNS, json_object_size(map.value));
    json_object_foreach ((json_t *)map.value, name, value) {
        lt_json at = {.value = value, .parent = &map, .key = name};
        double number;
        if (!lt_json_real(&at, &number, reading->err))
            return false;
        if (!(number >= low))
            return lt_json_error(&at, reading->err, LT_ERR_FORMAT, "expected at least %g, found %g", low, number);
        if (!lt_peft_patterns_add(patterns, name, number, reading->err))
            return false;
    }
    return true;
}

bool lt_peft_cannot(const lt_peft_reading *reading, const char *key, unsigned needed)
{
    if (reading->can & needed)
        return false;
    lt_json at = *reading->top;
    lt_json_member(reading->top, key, &at);
    lt_json_error(&at, reading->err, LT_ERR_UNSUPPORTED, "this option of PEFT is not supported here");
    return true;
}

/* ---- writing ---- */

json_t *lt_peft_names_json(const lt_peft_names *names)
{
    if (!names->given)
        return json_null();
    if (names->regex)
        return json_string(names->regex);
    json_t *list = json_array();
    for (int i = 0; i < names->count; i++)
        if (json_array_append_new(list, json_string(names->items[i]))) {
            json_decref(list);
            return NULL;
        }
    return list;
}

json_t *lt_peft_number_json(double value)
{
    return value == floor(value) && fabs(value) < 0x1p53 ? json_integer((json_int_t)value) : json_real(value);
}
