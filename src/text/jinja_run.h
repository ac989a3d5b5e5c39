/* One compilation or one rendering: its memory, its limits, its way out, its output.
 *
 * Errors unwind. lt_jinja_raise never returns: it stores the message and jumps to the one setjmp, in lt_jinja_guard.
 * Everything made on the way belongs to the run and is given back there in one go, so unwinding leaks nothing, and the
 * code of an operation is just the operation. No function of the interpreter keeps memory of its own across a call. */
#ifndef LT_TEXT_JINJA_RUN_H
#define LT_TEXT_JINJA_RUN_H

#include <setjmp.h>

#include "text/jinja.h"

typedef struct lt_jinja_chunk lt_jinja_chunk;

typedef struct lt_jrun {
    const char *name; /* of the template, for messages */
    int line;         /* being parsed or run */
    int depth;        /* of nested evaluation, bounded by LT_JINJA_MAX_DEPTH */

    lt_jinja_chunk *chunks; /* newest first */
    char *next, *end;       /* the free part of the newest chunk */
    int64_t memory_left, steps_left;

    jmp_buf escape;
    lt_status status;
    char message[960];

    /* rendering only */
    const lt_jinja_template *template;
    const struct tm *now;
    lt_jinja_buffer *out;
    size_t output_limit;
    int captures;    /* open lt_jinja_capture calls */
    int generations; /* open {% generation %} blocks */
    lt_jinja_spans *spans;
    struct lt_jv_dict *context;     /* the variables given */
    struct lt_jv_dict *exported;    /* set at the top of the template: what a {% block %} sees */
    const struct lt_jv *block_text; /* what a filter chain over a block starts from */
} lt_jrun;

enum {
    LT_JINJA_MAX_DEPTH = 1000, /* of evaluation: C stack stays well under a megabyte */
    LT_JINJA_MAX_NESTING = 120 /* of brackets, tags, and of values inside values when printed or compared */
};

/* Runs body(run, argument) and returns true, or false when it raised: *err is filled, the message prefixed with name
 * and line. The run's memory is not freed by it. */
bool lt_jinja_guard(lt_jrun *run, void (*body)(lt_jrun *, void *), void *argument, lt_error *err);

_Noreturn void lt_jinja_raise(lt_jrun *run, const char *format, ...) __attribute__((format(printf, 2, 3)));
_Noreturn void lt_jinja_raise_status(lt_jrun *run, lt_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Memory of the run: aligned to 16, not cleared, never NULL (it raises). */
void *lt_jinja_alloc(lt_jrun *run, size_t bytes);
void *lt_jinja_alloc_zero(lt_jrun *run, size_t bytes);
/* The next bigger size of an array that grows: a copy with double the room. */
void *lt_jinja_grow(lt_jrun *run, const void *items, int64_t count, int64_t *capacity, size_t item_bytes);
void lt_jinja_free_memory(lt_jrun *run);

_Noreturn void lt_jinja_out_of_steps(lt_jrun *run);

/* Every piece of work is paid for, so that a hostile template ends. */
static inline void lt_jinja_charge(lt_jrun *run, int64_t steps)
{
    run->steps_left -= steps;
    if (run->steps_left < 0)
        lt_jinja_out_of_steps(run);
}

static inline void lt_jinja_charge_bytes(lt_jrun *run, int64_t bytes)
{
    lt_jinja_charge(run, 1 + bytes / 64);
}

/* Enters one level of nested evaluation; the caller leaves by run->depth--. */
void lt_jinja_enter(lt_jrun *run);

/* Output. A capture diverts what is written from now on; lt_jinja_capture_end gives the text that was written since and
 * takes it out of the output again. */
void lt_jinja_write(lt_jrun *run, const char *text, size_t size);
size_t lt_jinja_capture(lt_jrun *run);
const char *lt_jinja_capture_end(lt_jrun *run, size_t mark, size_t *size);

#endif
