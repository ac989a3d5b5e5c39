/* Text to typed values and back: the only code that knows how an option of each type is stored. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/options.h"
#include "core/suggest.h"
#include "core/utf8.h"

static void *field_of(const lt_options *options, const lt_option *option)
{
    return (char *)options + option->field;
}

static bool out_of_memory(lt_error *err)
{
    return lt_error_set(err, LT_ERR_MEMORY, "out of memory while reading the options");
}

/* ---- numbers ---- */

/* A whole decimal number, finite, with nothing after it. strtod also takes hexadecimal, "inf" and "nan": not here. */
static bool parse_number(const char *text, double *out)
{
    if (!*text || strspn(text, "+-.0123456789eE") != strlen(text))
        return false;
    char *end;
    *out = strtod(text, &end);
    return *end == '\0' && isfinite(*out);
}

static bool parse_int(const char *text, int64_t *out)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end != text && *end == '\0' && errno == 0 && !isspace((unsigned char)*text)) {
        *out = value;
        return true;
    }
    double real; /* "1e3", and "4.0" as some YAML writers put it */
    if (!parse_number(text, &real) || real != floor(real) || fabs(real) > 9007199254740992.0)
        return false;
    *out = (int64_t)real;
    return true;
}

/* K, M, G, T and KiB … are powers of 1024, as in `ulimit` and cgroups; KB, MB … are powers of 1000. */
static bool parse_size(const char *text, int64_t *out)
{
    size_t digits = strspn(text, ".0123456789");
    char number[32];
    double value;
    if (digits == 0 || digits >= sizeof number)
        return false;
    memcpy(number, text, digits);
    number[digits] = '\0';
    if (!parse_number(number, &value))
        return false;
    const char *unit = text + digits;
    while (*unit == ' ')
        unit++;
    if (*unit && strcasecmp(unit, "b") != 0) {
        const char *letters = "kmgt", *letter = strchr(letters, tolower((unsigned char)*unit));
        if (!letter)
            return false;
        bool decimal = strcasecmp(unit + 1, "b") == 0;
        if (!decimal && unit[1] && strcasecmp(unit + 1, "ib") != 0)
            return false;
        value *= pow(decimal ? 1000 : 1024, (double)(letter - letters + 1));
    }
    if (value >= 9.2e18)
        return false;
    *out = (int64_t)value;
    return true;
}

static bool has_bounds(const lt_option *option)
{
    return option->low != 0 || option->high != 0;
}

static bool check_bounds(const lt_option *option, double value, const char *place, const char *text, lt_error *err)
{
    if (!has_bounds(option) || (value >= option->low && value <= option->high))
        return true;
    if (option->high >= 1e15)
        return lt_error_set(err, LT_ERR_USAGE, "%s: expected %g or more, found '%s'", place, option->low, text);
    return lt_error_set(err, LT_ERR_USAGE, "%s: expected a number from %g to %g, found '%s'", place, option->low,
                        option->high, text);
}

/* ---- words ---- */

static bool parse_bool(const char *text, bool *out)
{
    static const char *const words[] = {"false", "true", "no", "yes", "off", "on", "0", "1"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasecmp(text, words[i]) == 0) {
            *out = i % 2;
            return true;
        }
    return false;
}

enum { CHOICE_MAX = 16, CHOICE_LENGTH = 32 };

/* Word `index` of "a|b|c"; false behind the last. */
static bool choice_word(const char *words, int index, char out[CHOICE_LENGTH])
{
    for (; index > 0; index--) {
        words = strchr(words, '|');
        if (!words)
            return false;
        words++;
    }
    snprintf(out, CHOICE_LENGTH, "%.*s", (int)strcspn(words, "|"), words);
    return true;
}

static bool set_choice(int *out, const lt_option *option, const char *place, const char *text, lt_error *err)
{
    char words[CHOICE_MAX][CHOICE_LENGTH], list[CHOICE_MAX * CHOICE_LENGTH] = "";
    lt_suggest suggest = {.wanted = text};
    for (int i = 0; i < CHOICE_MAX && choice_word(option->value, i, words[i]); i++) {
        if (strcasecmp(words[i], text) == 0) {
            *out = i;
            return true;
        }
        lt_suggest_offer(&suggest, words[i]);
        strcat(strcat(list, i ? ", " : ""), words[i]);
    }
    char question[96];
    return lt_error_set(err, LT_ERR_USAGE, "%s: expected one of %s; found '%s'%s", place, list, text,
                        lt_suggest_question(&suggest, "", question));
}

/* ---- lists ---- */

static bool append_string(lt_strings *list, const char *text, size_t n, lt_error *err)
{
    char **items = realloc((void *)list->items, ((size_t)list->count + 1) * sizeof *items);
    if (!items)
        return out_of_memory(err);
    list->items = (const char *const *)items;
    items[list->count] = strndup(text, n);
    if (!items[list->count])
        return out_of_memory(err);
    list->count++;
    return true;
}

static bool append_integer(lt_integers *list, int64_t value, lt_error *err)
{
    int64_t *items = realloc((void *)list->items, ((size_t)list->count + 1) * sizeof *items);
    if (!items)
        return out_of_memory(err);
    list->items = items;
    items[list->count++] = value;
    return true;
}

/* Commas separate plain names; a regular expression may contain them ("x{1,2}"), so it stays whole. */
static bool is_plain_list(const char *text)
{
    return strpbrk(text, "\\[](){}*+?^$|") == NULL;
}

static bool append_names(lt_strings *list, const char *text, lt_error *err)
{
    if (!is_plain_list(text))
        return append_string(list, text, strlen(text), err);
    while (*text) {
        size_t n = strcspn(text, ",");
        if (n > 0 && !append_string(list, text, n, err))
            return false;
        text += n;
        text += *text == ',';
    }
    return true;
}

static bool append_integers(lt_integers *list, const lt_option *option, const char *place, const char *text,
                            lt_error *err)
{
    while (*text) {
        size_t n = strcspn(text, ", ");
        char word[32];
        int64_t value;
        if (n > 0) {
            snprintf(word, sizeof word, "%.*s", (int)n, text);
            if (n >= sizeof word || !parse_int(word, &value))
                return lt_error_set(err, LT_ERR_USAGE, "%s: expected whole numbers separated by commas, found '%s'",
                                    place, word);
            if (!check_bounds(option, (double)value, place, word, err) || !append_integer(list, value, err))
                return false;
        }
        text += n;
        text += *text != '\0';
    }
    return true;
}

/* ---- fields ---- */

static bool set_text(char **field, const char *text, lt_error *err)
{
    char *copy = strdup(text);
    if (!copy)
        return out_of_memory(err);
    free(*field);
    *field = copy;
    return true;
}

bool lt_option_set(lt_options *options, const lt_option *option, const char *place, const char *text, lt_error *err)
{
    void *field = field_of(options, option);
    if (!lt_utf8_valid(text, strlen(text), NULL)) /* a recipe could not hold it */
        return lt_error_set(err, LT_ERR_USAGE, "%s: expected UTF-8 text, found '%s'", place, text);
    switch (option->type) {
    case LT_OPTION_BOOL:
        if (!parse_bool(text, field))
            return lt_error_set(err, LT_ERR_USAGE, "%s: expected true or false, found '%s'", place, text);
        return true;
    case LT_OPTION_INT: {
        int64_t value;
        if (!parse_int(text, &value))
            return lt_error_set(err, LT_ERR_USAGE, "%s: expected a whole number, found '%s'", place, text);
        if (!check_bounds(option, (double)value, place, text, err))
            return false;
        *(int64_t *)field = value;
        return true;
    }
    case LT_OPTION_NUMBER: {
        double value;
        if (!parse_number(text, &value))
            return lt_error_set(err, LT_ERR_USAGE, "%s: expected a number, found '%s'", place, text);
        if (!check_bounds(option, value, place, text, err))
            return false;
        *(double *)field = value;
        return true;
    }
    case LT_OPTION_SIZE:
        if (!parse_size(text, field))
            return lt_error_set(err, LT_ERR_USAGE, "%s: expected a size such as 512M or 3GiB, found '%s'", place, text);
        return true;
    case LT_OPTION_CHOICE:
        return set_choice(field, option, place, text, err);
    case LT_OPTION_TEXT:
        return set_text(field, text, err);
    case LT_OPTION_NAMES:
        return append_names(field, text, err);
    case LT_OPTION_FILES:
        return append_string(field, text, strlen(text), err);
    case LT_OPTION_INTS:
        return append_integers(field, option, place, text, err);
    }
    return false;
}

bool lt_option_own(lt_options *options, const lt_option *option, lt_error *err)
{
    void *field = field_of(options, option);
    bool ok = true;
    if (option->type == LT_OPTION_TEXT && *(char **)field) {
        char *copy = strdup(*(char **)field);
        *(char **)field = copy;
        ok = copy != NULL;
    } else if (option->type == LT_OPTION_NAMES || option->type == LT_OPTION_FILES) {
        lt_strings borrowed = *(lt_strings *)field;
        *(lt_strings *)field = (lt_strings){0};
        for (int i = 0; ok && i < borrowed.count; i++)
            ok = append_string(field, borrowed.items[i], strlen(borrowed.items[i]), err);
    } else if (option->type == LT_OPTION_INTS) {
        lt_integers borrowed = *(lt_integers *)field;
        *(lt_integers *)field = (lt_integers){0};
        for (int i = 0; ok && i < borrowed.count; i++)
            ok = append_integer(field, borrowed.items[i], err);
    }
    return ok || out_of_memory(err);
}

void lt_option_clear(lt_options *options, const lt_option *option)
{
    void *field = field_of(options, option);
    switch (option->type) {
    case LT_OPTION_BOOL:
        *(bool *)field = false;
        return;
    case LT_OPTION_INT:
    case LT_OPTION_SIZE:
        *(int64_t *)field = 0;
        return;
    case LT_OPTION_NUMBER:
        *(double *)field = NAN;
        return;
    case LT_OPTION_CHOICE:
        *(int *)field = 0;
        return;
    case LT_OPTION_TEXT:
        free(*(char **)field);
        *(char **)field = NULL;
        return;
    case LT_OPTION_NAMES:
    case LT_OPTION_FILES: {
        lt_strings *list = field;
        for (int i = 0; i < list->count; i++)
            free((void *)list->items[i]);
        free((void *)list->items);
        *list = (lt_strings){0};
        return;
    }
    case LT_OPTION_INTS: {
        lt_integers *list = field;
        free((void *)list->items);
        *list = (lt_integers){0};
        return;
    }
    }
}

static json_t *strings_json(const lt_strings *list)
{
    if (list->count == 0)
        return NULL;
    json_t *array = json_array();
    for (int i = 0; array && i < list->count; i++)
        json_array_append_new(array, json_string(list->items[i]));
    return array;
}

static json_t *integers_json(const lt_integers *list)
{
    if (list->count == 0)
        return NULL;
    json_t *array = json_array();
    for (int i = 0; array && i < list->count; i++)
        json_array_append_new(array, json_integer(list->items[i]));
    return array;
}

json_t *lt_option_json(const lt_options *options, const lt_option *option)
{
    const void *field = field_of(options, option);
    switch (option->type) {
    case LT_OPTION_BOOL:
        return json_boolean(*(const bool *)field);
    case LT_OPTION_INT:
        return json_integer(*(const int64_t *)field);
    case LT_OPTION_SIZE: /* 0 is "no limit", which is how an absent key reads */
        return *(const int64_t *)field ? json_integer(*(const int64_t *)field) : NULL;
    case LT_OPTION_NUMBER:
        return isnan(*(const double *)field) ? NULL : json_real(*(const double *)field);
    case LT_OPTION_CHOICE: {
        char word[CHOICE_LENGTH];
        return choice_word(option->value, *(const int *)field, word) ? json_string(word) : NULL;
    }
    case LT_OPTION_TEXT:
        return *(char *const *)field ? json_string(*(char *const *)field) : NULL;
    case LT_OPTION_NAMES:
    case LT_OPTION_FILES:
        return strings_json(field);
    case LT_OPTION_INTS:
        return integers_json(field);
    }
    return NULL;
}

const char *lt_option_text(const lt_options *options, const lt_option *option, char *out, size_t capacity)
{
    json_t *value = lt_option_json(options, option);
    size_t count = json_is_array(value) ? json_array_size(value) : value ? 1 : 0, used = 0;
    *out = '\0';
    for (size_t i = 0; i < count && used < capacity; i++) {
        const json_t *item = json_is_array(value) ? json_array_get(value, i) : value;
        used += (size_t)snprintf(out + used, capacity - used, "%s", i ? "," : "");
        if (used >= capacity)
            break;
        if (json_is_string(item))
            used += (size_t)snprintf(out + used, capacity - used, "%s", json_string_value(item));
        else if (json_is_boolean(item))
            used += (size_t)snprintf(out + used, capacity - used, "%s", json_is_true(item) ? "true" : "false");
        else
            used += (size_t)snprintf(out + used, capacity - used, "%.12g", json_number_value(item));
    }
    json_decref(value);
    return out;
}
