#define PCRE2_CODE_UNIT_WIDTH 8
#include "rl/json_schema.h"

#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

/* Patterns are compiled once, and found by the string in the schema that they were made from. */
typedef struct pattern {
    const json_t *source;
    pcre2_code *code;
} pattern;

struct lt_json_schema {
    json_t *root;
    pattern *patterns;
    size_t pattern_count;
};

enum { DEPTH_MAX = 64, MATCH_LIMIT = 1000000 };

static const char *const type_names[] = {"object", "array", "string", "number", "integer", "boolean", "null", NULL};

/* ---- opening ---- */

static bool refuse(const char *where, const char *key, const char *expected, lt_error *err)
{
    return lt_error_set(err, LT_ERR_USAGE, "%s: '%s': expected %s", where, key, expected);
}

static bool known_type(const json_t *name)
{
    for (int i = 0; json_is_string(name) && type_names[i]; i++)
        if (!strcmp(json_string_value(name), type_names[i]))
            return true;
    return false;
}

static bool check(lt_json_schema *s, const json_t *schema, const char *where, int depth, lt_error *err);

static bool check_each(lt_json_schema *s, const json_t *schemas, const char *where, const char *key, int depth, lt_error *err)
{
    const char *name;
    json_t *value;
    if (!json_is_object(schemas))
        return refuse(where, key, "an object", err);
    json_object_foreach((json_t *)schemas, name, value)
    {
        char at[512];
        snprintf(at, sizeof at, "%.400s.%.60s", where, name);
        if (!check(s, value, at, depth + 1, err))
            return false;
    }
    return true;
}

static bool strings(const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!json_is_string(json_array_get(list, i)))
            return false;
    return json_is_array(list);
}

static bool types(const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!known_type(json_array_get(list, i)))
            return false;
    return json_array_size(list) > 0;
}

static bool add_pattern(lt_json_schema *s, const json_t *source, const char *where, lt_error *err)
{
    int code;
    PCRE2_SIZE at;
    if (!json_is_string(source))
        return refuse(where, "pattern", "a string", err);
    pattern *grown = realloc(s->patterns, (s->pattern_count + 1) * sizeof *grown);
    if (!grown)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for a schema");
    s->patterns = grown;
    pcre2_code *compiled = pcre2_compile((PCRE2_SPTR)json_string_value(source), json_string_length(source), PCRE2_UTF, &code, &at, NULL);
    if (!compiled) {
        char why[160];
        pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof why);
        return lt_error_set(err, LT_ERR_USAGE, "%s: 'pattern', character %zu: %s", where, (size_t)at + 1, why);
    }
    s->patterns[s->pattern_count++] = (pattern){source, compiled};
    return true;
}

static bool one_of(const char *key, const char *const *list)
{
    for (; *list; list++)
        if (!strcmp(key, *list))
            return true;
    return false;
}

static bool check_key(lt_json_schema *s, const char *key, const json_t *value, const char *where, int depth, lt_error *err)
{
    static const char *const counts[] = {"minItems", "maxItems", "minLength", "maxLength", NULL};
    static const char *const numbers[] = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", NULL};
    static const char *const passed_over[] = {"$schema", "$id", "$comment", "title", "description", "default", "examples", "format",
                                              "deprecated", "readOnly", "writeOnly", "const", NULL};
    char at[512];
    snprintf(at, sizeof at, "%.400s.%.60s", where, key);
    if (!strcmp(key, "type"))
        return known_type(value) || types(value) || refuse(where, key, "object, array, string, number, integer, boolean or null, or a list of them", err);
    if (!strcmp(key, "enum"))
        return json_is_array(value) || refuse(where, key, "a list", err);
    if (!strcmp(key, "properties"))
        return check_each(s, value, at, key, depth, err);
    if (!strcmp(key, "required"))
        return strings(value) || refuse(where, key, "a list of strings", err);
    if (!strcmp(key, "items") || !strcmp(key, "additionalProperties"))
        return check(s, value, at, depth + 1, err);
    if (!strcmp(key, "pattern"))
        return add_pattern(s, value, where, err);
    if (one_of(key, counts))
        return (json_is_integer(value) && json_integer_value(value) >= 0) || refuse(where, key, "a whole number, 0 or more", err);
    if (one_of(key, numbers))
        return json_is_number(value) || refuse(where, key, "a number", err);
    return one_of(key, passed_over) || lt_error_set(err, LT_ERR_UNSUPPORTED, "%s: the keyword '%s' is not supported", where, key);
}

static bool check(lt_json_schema *s, const json_t *schema, const char *where, int depth, lt_error *err)
{
    const char *key;
    json_t *value;
    if (json_is_boolean(schema))
        return true;
    if (!json_is_object(schema))
        return lt_error_set(err, LT_ERR_USAGE, "%s: expected a schema: an object or a boolean", where);
    if (depth > DEPTH_MAX)
        return lt_error_set(err, LT_ERR_UNSUPPORTED, "%s: nested more than %d deep", where, DEPTH_MAX);
    json_object_foreach((json_t *)schema, key, value)
        if (!check_key(s, key, value, where, depth, err))
            return false;
    return true;
}

bool lt_json_schema_open(lt_json_schema **out, json_t *value, const char *source, lt_error *err)
{
    lt_json_schema *s = calloc(1, sizeof *s);
    *out = NULL;
    if (!s)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for a schema");
    s->root = json_incref(value);
    if (!check(s, value, source, 0, err)) {
        lt_json_schema_close(s);
        return false;
    }
    *out = s;
    return true;
}

void lt_json_schema_close(lt_json_schema *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->pattern_count; i++)
        pcre2_code_free(s->patterns[i].code);
    free(s->patterns);
    json_decref(s->root);
    free(s);
}

/* ---- accepting ---- */

/* 1, 1.0 and 1e0 are the same number (and 1.0 an integer). */
static bool whole(const json_t *v)
{
    double x = json_number_value(v);
    return json_is_integer(v) || (json_is_real(v) && x == (double)(long long)(x > -9e18 && x < 9e18 ? x : 0.5));
}

static bool has_type(const json_t *v, const char *name)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT: return !strcmp(name, "object");
    case JSON_ARRAY: return !strcmp(name, "array");
    case JSON_STRING: return !strcmp(name, "string");
    case JSON_INTEGER:
    case JSON_REAL: return !strcmp(name, "number") || (!strcmp(name, "integer") && whole(v));
    case JSON_TRUE:
    case JSON_FALSE: return !strcmp(name, "boolean");
    default: return !strcmp(name, "null");
    }
}

static bool type_fits(const json_t *type, const json_t *v)
{
    if (json_is_string(type))
        return has_type(v, json_string_value(type));
    for (size_t i = 0; i < json_array_size(type); i++)
        if (has_type(v, json_string_value(json_array_get(type, i))))
            return true;
    return false;
}

static bool equal(const json_t *a, const json_t *b)
{
    return json_is_number(a) && json_is_number(b) ? json_number_value(a) == json_number_value(b) : json_equal((json_t *)a, (json_t *)b);
}

static bool within(const json_t *list, const json_t *v)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (equal(json_array_get(list, i), v))
            return true;
    return false;
}

static size_t characters(const json_t *v)
{
    const char *text = json_string_value(v);
    size_t n = 0;
    for (size_t i = 0; i < json_string_length(v); i++)
        n += ((unsigned char)text[i] & 0xC0) != 0x80;
    return n;
}

static bool matches(const lt_json_schema *s, const json_t *source, const json_t *v)
{
    bool found = false;
    for (size_t i = 0; i < s->pattern_count; i++) {
        if (s->patterns[i].source != source)
            continue;
        pcre2_match_data *data = pcre2_match_data_create(1, NULL);
        pcre2_match_context *limits = pcre2_match_context_create(NULL);
        if (data && limits) {
            pcre2_set_match_limit(limits, MATCH_LIMIT);
            found = pcre2_match(s->patterns[i].code, (PCRE2_SPTR)json_string_value(v), json_string_length(v), 0, 0, data, limits) >= 0;
        }
        pcre2_match_data_free(data);
        pcre2_match_context_free(limits);
        break;
    }
    return found;
}

static bool in_bounds(const json_t *schema, const char *least, const char *most, size_t n)
{
    const json_t *low = json_object_get(schema, least), *high = json_object_get(schema, most);
    return (!low || n >= (size_t)json_integer_value(low)) && (!high || n <= (size_t)json_integer_value(high));
}

static bool accepts(const lt_json_schema *s, const json_t *schema, const json_t *v);

static bool accepts_object(const lt_json_schema *s, const json_t *schema, const json_t *v)
{
    const json_t *properties = json_object_get(schema, "properties"), *required = json_object_get(schema, "required");
    const json_t *more = json_object_get(schema, "additionalProperties");
    const char *key;
    json_t *value;
    for (size_t i = 0; i < json_array_size(required); i++)
        if (!json_object_get(v, json_string_value(json_array_get(required, i))))
            return false;
    json_object_foreach((json_t *)v, key, value)
    {
        const json_t *rule = json_object_get(properties, key);
        if (rule ? !accepts(s, rule, value) : more && !accepts(s, more, value))
            return false;
    }
    return true;
}

static bool accepts_list(const lt_json_schema *s, const json_t *schema, const json_t *v)
{
    const json_t *items = json_object_get(schema, "items");
    if (!in_bounds(schema, "minItems", "maxItems", json_array_size(v)))
        return false;
    for (size_t i = 0; items && i < json_array_size(v); i++)
        if (!accepts(s, items, json_array_get(v, i)))
            return false;
    return true;
}

static bool accepts_number(const json_t *schema, const json_t *v)
{
    const json_t *low = json_object_get(schema, "minimum"), *high = json_object_get(schema, "maximum");
    const json_t *above = json_object_get(schema, "exclusiveMinimum"), *below = json_object_get(schema, "exclusiveMaximum");
    double x = json_number_value(v);
    return (!low || x >= json_number_value(low)) && (!high || x <= json_number_value(high)) && (!above || x > json_number_value(above)) &&
           (!below || x < json_number_value(below));
}

static bool accepts_string(const lt_json_schema *s, const json_t *schema, const json_t *v)
{
    const json_t *source = json_object_get(schema, "pattern");
    return in_bounds(schema, "minLength", "maxLength", characters(v)) && (!source || matches(s, source, v));
}

static bool accepts(const lt_json_schema *s, const json_t *schema, const json_t *v)
{
    if (json_is_boolean(schema))
        return json_is_true(schema);
    const json_t *type = json_object_get(schema, "type"), *list = json_object_get(schema, "enum"), *one = json_object_get(schema, "const");
    if ((type && !type_fits(type, v)) || (list && !within(list, v)) || (one && !equal(one, v)))
        return false;
    if (json_is_object(v))
        return accepts_object(s, schema, v);
    if (json_is_array(v))
        return accepts_list(s, schema, v);
    if (json_is_string(v))
        return accepts_string(s, schema, v);
    return !json_is_number(v) || accepts_number(schema, v);
}

bool lt_json_schema_accepts(const lt_json_schema *s, const json_t *value) { return accepts(s, s->root, value); }
