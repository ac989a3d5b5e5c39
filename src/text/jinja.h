/* A bounded interpreter for Jinja templates, as chat templates use them.
 *
 * The language is that of jinja2 3.1 in the setting of transformers' apply_chat_template: the immutable sandbox,
 * trim_blocks and lstrip_blocks on, no autoescape, loop controls, {% generation %} blocks, `tojson` without HTML
 * escaping, and the globals raise_exception and strftime_now. What a template prints is byte for byte what Python
 * prints; where Python raises, rendering fails. Known differences are on the strict side: integers are 64 bits wide (an
 * overflow is an error), templates cannot include others, autoescape cannot be switched on.
 *
 * A template comes from a stranger's model folder: steps, memory, output and nesting are limited, and nothing outside
 * the context can be reached from it. */
#ifndef LT_TEXT_JINJA_H
#define LT_TEXT_JINJA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <jansson.h>

#include "core/error.h"

/* A text that grows. Start with {0}; may be reused from render to render (its memory is kept). */
typedef struct lt_jinja_buffer {
    char *data; /* a NUL follows the last byte; NULL while nothing was ever written */
    size_t size, capacity;
} lt_jinja_buffer;

void lt_jinja_buffer_free(lt_jinja_buffer *buffer);

/* A compiled template: immutable, may be rendered by several threads at once. */
typedef struct lt_jinja_template lt_jinja_template;

/* Compiles source[0..size), UTF-8. `name` is what error messages call it (a path, or the name of a field).
 * LT_ERR_FORMAT with name, line and what was expected when the template is not well-formed. */
bool lt_jinja_compile(lt_jinja_template **template, const char *name, const char *source, size_t size, lt_error *err);
void lt_jinja_free(lt_jinja_template *template); /* NULL is fine */

/* True when the template contains a {% generation %} block. */
bool lt_jinja_has_generation(const lt_jinja_template *template);

/* What one rendering may use. A zero takes the default. */
typedef struct lt_jinja_limits {
    int64_t steps;        /* evaluated nodes, iterations and bytes moved (by the 64): 20 million */
    int64_t memory_bytes; /* values made while rendering: 256 MiB */
    int64_t output_bytes; /* 64 MiB */
} lt_jinja_limits;

/* Bytes [begin, end) of a rendered text. */
typedef struct lt_jinja_span {
    size_t begin, end;
} lt_jinja_span;

typedef struct lt_jinja_spans {
    lt_jinja_span *items;
    size_t count, capacity;
    bool misplaced; /* a {% generation %} block ran inside a macro, a set block or a filter: its place is not known */
} lt_jinja_spans;

void lt_jinja_spans_free(lt_jinja_spans *spans);

typedef struct lt_jinja_options {
    lt_jinja_limits limits;
    const struct tm *now;  /* what strftime_now prints; NULL: the clock, in local time */
    lt_jinja_spans *spans; /* filled with the places of the {% generation %} blocks; NULL when not wanted */
} lt_jinja_options;

/* Renders with the members of `context` (a JSON object) as variables; output replaces the content of *out. The context
 * is only read, and only during the call. options may be NULL.
 *
 * Errors are LT_ERR_FORMAT with template name, line and reason; a message that the template itself gave with
 * raise_exception(...) is LT_ERR_USAGE: the conversation is not one this template takes. LT_ERR_MEMORY when a limit was
 * reached. On failure *out is empty. */
bool lt_jinja_render(const lt_jinja_template *template, const json_t *context, const lt_jinja_options *options,
                     lt_jinja_buffer *out, lt_error *err);

/* Parses JSON text as Python's json.loads does where jansson alone would not: integers of any size are kept (those
 * beyond 64 bits print digit by digit but cannot be calculated with) and \u0000 is allowed. Duplicate names are
 * refused. Returns a new reference or NULL; `name` is for the message. */
json_t *lt_jinja_parse_json(const char *name, const char *text, size_t size, lt_error *err);

#endif
