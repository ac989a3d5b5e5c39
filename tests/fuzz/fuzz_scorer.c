/* Answers and schemas of strangers: numbers, JSON, patterns of schemas. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "rl/json_schema.h"
#include "rl/scorer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    double value;
    lt_error err;
    lt_json_schema *schema;
    lt_scorer_find_number((const char *)data, size, &value);
    const uint8_t *cut = memchr(data, '\n', size); /* a schema, then a value */
    if (!cut)
        return 0;
    json_t *rules = json_loadb((const char *)data, (size_t)(cut - data), JSON_DECODE_ANY, NULL);
    json_t *instance = json_loadb((const char *)cut, size - (size_t)(cut - data), JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    if (rules && instance && lt_json_schema_open(&schema, rules, "schema", &err)) {
        lt_json_schema_accepts(schema, instance);
        lt_json_schema_close(schema);
    }
    json_decref(rules);
    json_decref(instance);
    char **words, *line = strndup((const char *)data, size);
    int count;
    if (line && lt_scorer_split(line, &words, &count, &err))
        lt_scorer_split_free(words, count);
    free(line);
    return 0;
}
