/* Answers that must be JSON of a given shape: the whole answer, or what stands in its (first) fenced block. */
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "rl/json_schema.h"
#include "rl/scorer.h"

static void json_close(void *state) { lt_json_schema_close(state); }

static bool json_open(void **state, const lt_scorer_options *o, lt_error *err)
{
    char *text;
    size_t size;
    json_error_t at;
    if (!o->schema)
        return lt_error_set(err, LT_ERR_USAGE, "scorer json needs a schema file (scorer_schema)");
    if (!lt_file_read(o->schema, 4 << 20, &text, &size, err))
        return false;
    json_t *value = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &at);
    free(text);
    if (!value)
        return lt_error_set(err, LT_ERR_FORMAT, "%s:%d:%d: %s", o->schema, at.line, at.column, at.text);
    bool ok = lt_json_schema_open((lt_json_schema **)state, value, o->schema, err);
    json_decref(value);
    return ok;
}

/* Begin and length of the JSON in an answer. */
static const char *body(const char *text, size_t *n)
{
    const char *fence = memmem(text, *n, "```", 3);
    if (fence) {
        const char *end = text + *n, *line = memchr(fence, '\n', (size_t)(end - fence));
        const char *close = line ? memmem(line, (size_t)(end - line), "```", 3) : NULL;
        if (close) {
            *n = (size_t)(close - line);
            return line;
        }
    }
    return text;
}

static bool json_score(void *state, const lt_scored_answer *a, int64_t count, double *scores, lt_error *err)
{
    (void)err;
    for (int64_t i = 0; i < count; i++) {
        size_t n = a[i].completion_size;
        const char *text = body(a[i].completion, &n);
        json_t *value = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        scores[i] = value && lt_json_schema_accepts(state, value);
        json_decref(value);
    }
    return true;
}

const lt_scorer_kind lt_scorer_json = {.name = "json", .open = json_open, .score = json_score, .close = json_close};
