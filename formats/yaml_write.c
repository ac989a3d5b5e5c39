/* JSON values as YAML text. Both readers matter, ours (YAML 1.2) and PyYAML (1.1): a plain scalar is written only where
 * both agree on what it is, everything else is quoted. */
#include "formats/yaml.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

typedef struct text_buffer {
    char *data;
    size_t size, capacity;
} text_buffer;

static int append(void *context, unsigned char *data, size_t size)
{
    text_buffer *b = context;
    if (b->size + size + 1 > b->capacity) {
        size_t capacity = 2 * (b->size + size + 1);
        char *grown = realloc(b->data, capacity);
        if (!grown)
            return 0;
        b->data = grown;
        b->capacity = capacity;
    }
    memcpy(b->data + b->size, data, size);
    b->size += size;
    b->data[b->size] = '\0';
    return 1;
}

/* True for words and paths that no version of YAML reads as anything but a string. */
static bool is_plain_in_both(const char *s, size_t size)
{
    static const char *const words[] = {"true", "false", "null", "yes", "no", "on", "off", "y", "n", NULL};
    if (size == 0 || strlen(s) != size || !(isalpha((unsigned char)*s) || *s == '_' || *s == '/'))
        return false;
    for (size_t i = 0; i < size; i++)
        if (!isalnum((unsigned char)s[i]) && !strchr("_./-", s[i]))
            return false;
    for (size_t i = 0; words[i]; i++)
        if (!strcasecmp(s, words[i]))
            return false;
    return true;
}

static yaml_scalar_style_t string_style(const char *s, size_t size)
{
    if (is_plain_in_both(s, size))
        return YAML_PLAIN_SCALAR_STYLE;
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)s[i] < 0x20 || (unsigned char)s[i] > 0x7E)
            return YAML_DOUBLE_QUOTED_SCALAR_STYLE;
    return YAML_SINGLE_QUOTED_SCALAR_STYLE;
}

/* The shortest decimal that reads back as v, spelt so that YAML 1.1 sees a float too: a point, and a signed exponent.
 */
static void real_text(double v, char out[40])
{
    char digits[32];
    for (int precision = 1; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, v);
        if (strtod(digits, NULL) == v)
            break;
    }
    size_t mantissa = strcspn(digits, "e");
    const char *point = memchr(digits, '.', mantissa) ? "" : ".0";
    snprintf(out, 40, "%.*s%s%s", (int)mantissa, digits, point, digits + mantissa);
}

static bool emit_scalar(yaml_emitter_t *emitter, const char *text, size_t size, yaml_scalar_style_t style)
{
    yaml_event_t event;
    return yaml_scalar_event_initialize(&event, NULL, NULL, (const unsigned char *)text, (int)size, 1, 1, style) &&
           yaml_emitter_emit(emitter, &event);
}

static bool emit_string(yaml_emitter_t *emitter, const char *text, size_t size)
{
    return emit_scalar(emitter, text, size, string_style(text, size));
}

static bool emit(yaml_emitter_t *emitter, const json_t *value, int depth);

static bool emit_array(yaml_emitter_t *emitter, const json_t *array, int depth)
{
    yaml_event_t event;
    yaml_sequence_style_t style = json_array_size(array) ? YAML_BLOCK_SEQUENCE_STYLE : YAML_FLOW_SEQUENCE_STYLE;
    if (!yaml_sequence_start_event_initialize(&event, NULL, NULL, 1, style) || !yaml_emitter_emit(emitter, &event))
        return false;
    for (size_t i = 0; i < json_array_size(array); i++)
        if (!emit(emitter, json_array_get(array, i), depth + 1))
            return false;
    return yaml_sequence_end_event_initialize(&event) && yaml_emitter_emit(emitter, &event);
}

static bool emit_object(yaml_emitter_t *emitter, const json_t *object, int depth)
{
    yaml_event_t event;
    yaml_mapping_style_t style = json_object_size(object) ? YAML_BLOCK_MAPPING_STYLE : YAML_FLOW_MAPPING_STYLE;
    if (!yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, style) || !yaml_emitter_emit(emitter, &event))
        return false;
    for (void *it = json_object_iter((json_t *)object); it; it = json_object_iter_next((json_t *)object, it)) {
        const char *key = json_object_iter_key(it);
        if (!emit_string(emitter, key, strlen(key)) || !emit(emitter, json_object_iter_value(it), depth + 1))
            return false;
    }
    return yaml_mapping_end_event_initialize(&event) && yaml_emitter_emit(emitter, &event);
}

static bool emit(yaml_emitter_t *emitter, const json_t *value, int depth)
{
    char text[40];
    if (depth > LT_YAML_DEPTH_MAX)
        return false;
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return emit_object(emitter, value, depth);
    case JSON_ARRAY:
        return emit_array(emitter, value, depth);
    case JSON_STRING:
        return emit_string(emitter, json_string_value(value), json_string_length(value));
    case JSON_INTEGER:
        snprintf(text, sizeof text, "%lld", (long long)json_integer_value(value));
        break;
    case JSON_REAL:
        real_text(json_real_value(value), text);
        break;
    default:
        snprintf(text, sizeof text, "%s", json_is_null(value) ? "null" : json_is_true(value) ? "true" : "false");
    }
    return emit_scalar(emitter, text, strlen(text), YAML_PLAIN_SCALAR_STYLE);
}

static bool emit_stream(yaml_emitter_t *emitter, const json_t *value)
{
    yaml_event_t event;
    return yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING) && yaml_emitter_emit(emitter, &event) &&
           yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1) && yaml_emitter_emit(emitter, &event) &&
           emit(emitter, value, 1) && yaml_document_end_event_initialize(&event, 1) &&
           yaml_emitter_emit(emitter, &event) && yaml_stream_end_event_initialize(&event) &&
           yaml_emitter_emit(emitter, &event) && yaml_emitter_flush(emitter);
}

bool lt_yaml_write(const json_t *value, char **text, size_t *size, lt_error *err)
{
    yaml_emitter_t emitter;
    text_buffer buffer = {0};
    if (!yaml_emitter_initialize(&emitter))
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory to write YAML");
    yaml_emitter_set_output(&emitter, append, &buffer);
    yaml_emitter_set_unicode(&emitter, 1);
    yaml_emitter_set_width(&emitter, -1);
    bool ok = emit_stream(&emitter, value);
    yaml_emitter_delete(&emitter);
    if (!ok) {
        free(buffer.data);
        return lt_error_set(err, LT_ERR_MEMORY, "cannot write YAML: out of memory, or nested more than %d deep",
                            LT_YAML_DEPTH_MAX);
    }
    *text = buffer.data;
    *size = buffer.size;
    return true;
}
