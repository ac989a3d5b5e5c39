/* Recipes: YAML to JSON values and back, through libyaml.
 *
 * Plain scalars have the types of the YAML 1.2 core schema (yaml.org/spec/1.2.2, 10.3.2):
 *   null     null Null NULL ~ and nothing at all
 *   boolean  true True TRUE false False FALSE; "yes", "no", "on" and "off" are strings, other than in YAML 1.1
 *   integer  12 -3 +7 0o17 0x1F, within 64 bits; 007 is seven
 *   float    1e-4 .5 1. 6.02e+23, finite: .inf and .nan are refused, JSON has no such values
 *   string   everything else, and everything in quotes or with the tag !!str
 * Keys are strings however they are written. Refused: duplicate keys, merge keys ("<<"), keys that are collections,
 * tags other than the core schema's, a second document. Aliases are copied out; together with the nodes of the file
 * they may make at most LT_YAML_NODES_MAX nodes, nested at most LT_YAML_DEPTH_MAX deep. */
#ifndef LT_FORMATS_YAML_H
#define LT_FORMATS_YAML_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "core/error.h"

enum { LT_YAML_BYTES_MAX = 4 << 20, LT_YAML_NODES_MAX = 100000, LT_YAML_DEPTH_MAX = 64 };

/* *out is a new reference; an empty file is JSON null. lines (may be NULL) gets a new object that gives for each key of
 * the outermost mapping the line it stands on, for messages of the caller's own. Errors read "recipe.yaml:3:5: …". */
bool lt_yaml_read(const char *path, json_t **out, json_t **lines, lt_error *err);

/* The same for text[0..size); name stands for it in errors. */
bool lt_yaml_parse(const char *name, const char *text, size_t size, json_t **out, json_t **lines, lt_error *err);

/* value as YAML text that lt_yaml_parse reads back as an equal value, keys in the same order. Strings that a reader of
 * YAML 1.1 would take for something else are quoted, so PyYAML reads the same too. *text is malloc'ed, with a NUL after
 * its *size bytes. Fails only when memory runs out or value is nested deeper than LT_YAML_DEPTH_MAX. */
bool lt_yaml_write(const json_t *value, char **text, size_t *size, lt_error *err);

/* The core schema's type of a plain scalar: JSON_NULL, JSON_TRUE, JSON_FALSE, JSON_INTEGER, JSON_REAL (also .inf and
 * .nan) or JSON_STRING. text has a NUL after its size bytes. */
json_type lt_yaml_plain_type(const char *text, size_t size);

#endif
