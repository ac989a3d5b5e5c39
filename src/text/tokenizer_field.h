/* Reading the JSON files of a tokenizer: values with the place where they stand, so that every complaint names file and
 * field ("tokenizer.json: model.merges[3]: expected …, found …"). */
#ifndef LT_TEXT_TOKENIZER_FIELD_H
#define LT_TEXT_TOKENIZER_FIELD_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

/* A value and its place. Lives on the stack; parents outlive children. value is NULL when the field is missing. */
typedef struct lt_field {
    const struct lt_field *parent; /* NULL for the root */
    const char *key;               /* name of the field; of the root: the file */
    size_t index;                  /* place in an array, when key is NULL */
    json_t *value;
} lt_field;

/* Parses a file of at most 512 MB whose values are bounded in number and depth. Integers are read as reals when
 * `wide_integers` is set (tokenizer_config.json holds 1e30 written out). *root is owned by the caller. */
bool lt_field_load(const char *path, bool wide_integers, json_t **root, lt_error *err);

/* Sets *err to "file: field: message"; returns false. */
bool lt_field_error(const lt_field *field, lt_error *err, lt_status status, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* "expected `what`, found …" */
bool lt_field_expected(const lt_field *field, lt_error *err, const char *what);

static inline lt_field lt_field_root(const char *file, json_t *value)
{
    return (lt_field){NULL, file, 0, value};
}
static inline lt_field lt_field_get(const lt_field *object, const char *key)
{
    return (lt_field){object, key, 0, json_object_get(object->value, key)};
}
static inline lt_field lt_field_at(const lt_field *array, size_t index)
{
    return (lt_field){array, NULL, index, json_array_get(array->value, index)};
}
static inline bool lt_field_given(const lt_field *field) { return field->value && !json_is_null(field->value); }

/* Required values. Strings are borrowed from the JSON; size may be NULL. */
bool lt_field_object(const lt_field *field, lt_error *err);
bool lt_field_array(const lt_field *field, size_t *count, lt_error *err);
bool lt_field_string(const lt_field *field, const char **text, size_t *size, lt_error *err);
bool lt_field_bool(const lt_field *field, bool *out, lt_error *err);
bool lt_field_int(const lt_field *field, int64_t least, int64_t most, int64_t *out, lt_error *err);
bool lt_field_char(const lt_field *field, uint32_t *code_point, lt_error *err); /* a string of one character */

/* The same, where a missing or null field leaves *out alone. */
bool lt_field_bool_or(const lt_field *field, bool *out, lt_error *err);
bool lt_field_string_or(const lt_field *field, const char **text, size_t *size, lt_error *err);

#endif
