/* A subset of JSON Schema (draft 2020-12): what it takes to say which shape an answer must have.
 *
 *   any value   type (a name or a list of names), enum, const
 *   objects     properties, required, additionalProperties (a boolean or a schema)
 *   lists       items (one schema for all), minItems, maxItems
 *   strings     minLength, maxLength (characters), pattern (found anywhere)
 *   numbers     minimum, maximum, exclusiveMinimum, exclusiveMaximum
 *   passed over $schema, $id, $comment, title, description, default, examples, format, deprecated, readOnly, writeOnly
 *
 * true and false stand for the schemas that accept everything and nothing. Any other keyword is refused when the schema is
 * opened: an answer is never accepted by a rule that was not looked at. */
#ifndef LT_RL_JSON_SCHEMA_H
#define LT_RL_JSON_SCHEMA_H

#include <jansson.h>

#include "core/error.h"

typedef struct lt_json_schema lt_json_schema;

/* `source` names it in errors. Takes a reference of its own. */
bool lt_json_schema_open(lt_json_schema **schema, json_t *value, const char *source, lt_error *err);
void lt_json_schema_close(lt_json_schema *schema); /* NULL is fine */

bool lt_json_schema_accepts(const lt_json_schema *schema, const json_t *value);

#endif
