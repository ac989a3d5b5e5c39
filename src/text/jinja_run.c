/* Memory, limits, errors and output of a run; see the header. */
#include "text/jinja_run.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct lt_jinja_chunk {
    lt_jinja_chunk *older;
    _Alignas(16) char data[];
};

enum { CHUNK_BYTES = 32 * 1024, ALIGN = 16 };

static _Noreturn void escape(lt_jrun *run, lt_status status, const char *format, va_list args)
{
    run->status = status;
    vsnprintf(run->message, sizeof run->message, format, args);
    longjmp(run->escape, 1);
}

void lt_jinja_raise(lt_jrun *run, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    escape(run, LT_ERR_FORMAT, format, args);
}

void lt_jinja_raise_status(lt_jrun *run, lt_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    escape(run, status, format, args);
}

bool lt_jinja_guard(lt_jrun *run, void (*body)(lt_jrun *, void *), void *argument, lt_error *err)
{
    if (setjmp(run->escape) == 0) {
        body(run, argument);
        return true;
    }
    return lt_error_set(err, run->status, "%s, line %d: %s", run->name, run->line, run->message);
}

static void add_chunk(lt_jrun *run, size_t bytes)
{
    size_t size = bytes > CHUNK_BYTES / 4 ? bytes : CHUNK_BYTES;
    lt_jinja_chunk *chunk = NULL;
    if ((int64_t)size <= run->memory_left)
        chunk = malloc(sizeof *chunk + size);
    if (!chunk)
        lt_jinja_raise_status(run, LT_ERR_MEMORY, "the template needs more memory than it may use");
    run->memory_left -= (int64_t)size;
    if (size > bytes || !run->chunks) {
        chunk->older = run->chunks;
        run->chunks = chunk;
        run->next = chunk->data;
        run->end = chunk->data + size;
    } else {
        /* A big block of its own: keep filling the chunk that is open. */
        chunk->older = run->chunks->older;
        run->chunks->older = chunk;
    }
}

void *lt_jinja_alloc(lt_jrun *run, size_t bytes)
{
    if (bytes > (size_t)INT64_MAX / 4)
        lt_jinja_raise_status(run, LT_ERR_MEMORY, "the template needs more memory than it may use");
    bytes = (bytes + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if ((size_t)(run->end - run->next) < bytes) {
        lt_jinja_chunk *open = run->chunks;
        add_chunk(run, bytes);
        if (run->chunks == open)
            return open->older->data;
    }
    void *block = run->next;
    run->next += bytes;
    return block;
}

void *lt_jinja_alloc_zero(lt_jrun *run, size_t bytes)
{
    return memset(lt_jinja_alloc(run, bytes), 0, bytes);
}

void *lt_jinja_grow(lt_jrun *run, const void *items, int64_t count, int64_t *capacity, size_t item_bytes)
{
    int64_t bigger = *capacity ? *capacity * 2 : 8;
    void *copy = lt_jinja_alloc(run, (size_t)bigger * item_bytes);
    if (count)
        memcpy(copy, items, (size_t)count * item_bytes);
    lt_jinja_charge_bytes(run, count * (int64_t)item_bytes);
    *capacity = bigger;
    return copy;
}

void lt_jinja_free_memory(lt_jrun *run)
{
    while (run->chunks) {
        lt_jinja_chunk *older = run->chunks->older;
        free(run->chunks);
        run->chunks = older;
    }
    run->next = run->end = NULL;
}

void lt_jinja_out_of_steps(lt_jrun *run)
{
    run->steps_left = 0;
    lt_jinja_raise_status(run, LT_ERR_MEMORY, "the template takes too many steps (an endless or hostile template?)");
}

void lt_jinja_enter(lt_jrun *run)
{
    if (++run->depth > LT_JINJA_MAX_DEPTH)
        lt_jinja_raise(run, "nested or recursive more than %d levels deep", LT_JINJA_MAX_DEPTH);
}

void lt_jinja_write(lt_jrun *run, const char *text, size_t size)
{
    lt_jinja_buffer *out = run->out;
    if (size == 0)
        return;
    lt_jinja_charge_bytes(run, (int64_t)size);
    if (size > run->output_limit - out->size)
        lt_jinja_raise_status(run, LT_ERR_MEMORY, "the template writes more than %zu bytes", run->output_limit);
    if (out->capacity - out->size <= size) {
        size_t capacity = out->capacity * 2 > out->size + size + 1 ? out->capacity * 2 : out->size + size + 1;
        capacity = capacity < 256 ? 256 : capacity;
        char *data = realloc(out->data, capacity);
        if (!data)
            lt_jinja_raise_status(run, LT_ERR_MEMORY, "out of memory for %zu bytes of output", capacity);
        out->data = data;
        out->capacity = capacity;
    }
    memcpy(out->data + out->size, text, size);
    out->size += size;
    out->data[out->size] = '\0';
}

size_t lt_jinja_capture(lt_jrun *run)
{
    run->captures++;
    return run->out->size;
}

const char *lt_jinja_capture_end(lt_jrun *run, size_t mark, size_t *size)
{
    assert(run->captures > 0 && mark <= run->out->size);
    run->captures--;
    *size = run->out->size - mark;
    char *copy = lt_jinja_alloc(run, *size + 1);
    if (*size)
        memcpy(copy, run->out->data + mark, *size);
    copy[*size] = '\0';
    run->out->size = mark;
    if (run->out->data)
        run->out->data[mark] = '\0';
    return copy;
}

void lt_jinja_buffer_free(lt_jinja_buffer *buffer)
{
    free(buffer->data);
    *buffer = (lt_jinja_buffer){0};
}

void lt_jinja_spans_free(lt_jinja_spans *spans)
{
    free(spans->items);
    *spans = (lt_jinja_spans){0};
}
