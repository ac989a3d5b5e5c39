/* Strict JSON for the small files around a model: config.json, adapter_config.json, an index, a safetensors header.
 *
 * Parsing is jansson's (RFC 8259, bounded nesting); this adds size limits, refusal of duplicate keys and of NUL inside
 * strings, and getters whose errors say where: "run/config.json: field 'rope_scaling.factor': expected a number, found
 * a string". A place remembers how it was reached, so it must not outlive the places and the document it came from. */
#ifndef LT_FORMATS_JSON_H
#define LT_FORMATS_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

enum { LT_JSON_CONFIG_LIMIT_BYTES = 4 << 20 }; /* of a file that describes a model or an adapter */

/* Parses text[0..n), whose root must be an object. `source` names it in errors, with line and column. Returns a new
 * reference, or NULL. Integers beyond 64 bits (Python writes 10^30 for "no limit") are read as real numbers. */
json_t *lt_json_parse(const char *text, size_t n, const char *source, lt_error *err);

/* The same for a regular file of at most limit_bytes. */
json_t *lt_json_load(const char *path, int64_t limit_bytes, lt_error *err);

/* A value and the way to it. */
typedef struct lt_json {
    const json_t *value;          /* borrowed from the document; never NULL */
    const struct lt_json *parent; /* NULL at the root */
    const char *key;              /* the member's name; of an element NULL; at the root the source */
    size_t index;                 /* of an element */
} lt_json;

lt_json lt_json_root(const json_t *root, const char *source);

/* A member that is there and not null. False when it is absent or null, or when `from` is no object. */
bool lt_json_member(const lt_json *from, const char *key, lt_json *out);
bool lt_json_has(const lt_json *from, const char *key);
lt_json lt_json_element(const lt_json *array, size_t index); /* index below json_array_size(array->value) */

/* The value itself as a type; errors name the place. Integers may be written as reals without a fraction (4.0). Reals
 * are finite: JSON has no NaN. The bounds are inclusive. A string belongs to the document. */
bool lt_json_int(const lt_json *at, int64_t low, int64_t high, int64_t *out, lt_error *err);
bool lt_json_real(const lt_json *at, double *out, lt_error *err);
bool lt_json_bool(const lt_json *at, bool *out, lt_error *err);
bool lt_json_string(const lt_json *at, const char **out, lt_error *err);
bool lt_json_array(const lt_json *at, lt_error *err);
bool lt_json_object(const lt_json *at, lt_error *err);

/* A member by name: an absent or null one leaves *out as it is (the default) and is no error. */
bool lt_json_get_int(const lt_json *from, const char *key, int64_t low, int64_t high, int64_t *out, lt_error *err);
bool lt_json_get_real(const lt_json *from, const char *key, double *out, lt_error *err);
bool lt_json_get_bool(const lt_json *from, const char *key, bool *out, lt_error *err);
bool lt_json_get_string(const lt_json *from, const char *key, const char **out, lt_error *err);

/* Fills err with "source: field 'a.b[3]': " before the message. Returns false. */
bool lt_json_error(const lt_json *at, lt_error *err, lt_status status, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* "an object", "a string", "null" … for messages. */
const char *lt_json_type_name(const json_t *value);

/* The text that Python's json.dumps(value, indent=indent, sort_keys=sort_keys) gives, without a newline at its end: one
 * element per line, floats in their shortest form with a point ("16.0", "1e-05"), ASCII only. Tools compare such files
 * byte by byte. indent 0: one line, with ", " and ": ". malloc'ed; NULL when out of memory. */
char *lt_json_text(const json_t *value, int indent, bool sort_keys);

/* A real number as above; out holds at least 32 bytes. */
void lt_json_real_text(double value, char *out);

#endif
