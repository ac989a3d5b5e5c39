/* The public face of the interpreter: compile and render. */
#include "text/jinja.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "text/jinja_eval.h"

enum { MAX_SOURCE_BYTES = 4 * 1024 * 1024 };

static const int64_t DEFAULT_STEPS = 20 * 1000 * 1000;
static const int64_t DEFAULT_MEMORY_BYTES = 256 * 1024 * 1024;
static const int64_t DEFAULT_OUTPUT_BYTES = 64 * 1024 * 1024;

typedef struct compile_input {
    lt_jinja_template *template;
    const char *source;
    size_t size;
} compile_input;

static void compile(lt_jrun *run, void *argument)
{
    compile_input *input = argument;
    lt_jinja_parse(run, input->template, input->source, input->size);
    lt_jinja_resolve(run, input->template);
}

bool lt_jinja_compile(lt_jinja_template **template, const char *name, const char *source, size_t size, lt_error *err)
{
    *template = NULL;
    if (size > MAX_SOURCE_BYTES)
        return lt_error_set(err, LT_ERR_FORMAT, "%s: a template of %zu bytes (at most %d are taken)", name, size,
                            MAX_SOURCE_BYTES);
    lt_jinja_template *t = calloc(1, sizeof *t);
    char *copy = strdup(name);
    if (!t || !copy) {
        free(t);
        free(copy);
        return lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory", name);
    }
    t->name = copy;
    t->memory = (lt_jrun){.name = copy, .line = 1, .memory_left = DEFAULT_MEMORY_BYTES, .steps_left = DEFAULT_STEPS};
    if (!lt_jinja_guard(&t->memory, compile, &(compile_input){t, source, size}, err)) {
        lt_jinja_free(t);
        return false;
    }
    *template = t;
    return true;
}

void lt_jinja_free(lt_jinja_template *template)
{
    if (!template)
        return;
    lt_jinja_free_memory(&template->memory);
    free(template->name);
    free(template);
}

bool lt_jinja_has_generation(const lt_jinja_template *template)
{
    return template->has_generation;
}

static void render(lt_jrun *run, void *argument)
{
    const json_t *context = argument;
    const lt_jinja_template *t = run->template;
    run->context = lt_jv_from_json(run, context).dict;
    if (t->has_blocks)
        run->exported = lt_jv_dict_new(run);
    lt_jactivation *act = lt_jinja_activate(run, &t->code, NULL);
    lt_jinja_enter_scope(run, act, t->scope);
    lt_jexec(run, act, &t->body);
}

bool lt_jinja_render(const lt_jinja_template *template, const json_t *context, const lt_jinja_options *options,
                     lt_jinja_buffer *out, lt_error *err)
{
    static const lt_jinja_options DEFAULTS = {0};
    assert(json_is_object(context));
    if (!options)
        options = &DEFAULTS;
    const lt_jinja_limits *limits = &options->limits;
    lt_jrun run = {
        .name = template->name,
        .line = 1,
        .template = template,
        .out = out,
        .now = options->now,
        .spans = options->spans,
        .steps_left = limits->steps ? limits->steps : DEFAULT_STEPS,
        .memory_left = limits->memory_bytes ? limits->memory_bytes : DEFAULT_MEMORY_BYTES,
        .output_limit = (size_t)(limits->output_bytes ? limits->output_bytes : DEFAULT_OUTPUT_BYTES),
    };
    if (run.spans) {
        run.spans->count = 0;
        run.spans->misplaced = false;
    }
    out->size = 0;
    bool ok = lt_jinja_guard(&run, render, (void *)context, err);
    if (!ok) {
        out->size = 0;
        if (run.spans)
            run.spans->count = 0;
    }
    if (out->data)
        out->data[out->size] = '\0';
    lt_jinja_free_memory(&run);
    return ok;
}
