#include "api/data_mix.h"

#include <stdlib.h>
#include <string.h>

typedef struct chain {
    int count, at;
    lt_row_source sources[LT_ROW_SOURCES_MAX];
    int32_t numbers[LT_ROW_SOURCES_MAX];
} chain;

/* A source is closed as soon as its rows are taken: its files and buffers are not needed any more. */
static void close_present(chain *c)
{
    if (c->sources[c->at].close)
        c->sources[c->at].close(c->sources[c->at].context);
    c->at++;
}

static bool next_row(void *context, lt_row *row, bool *end, lt_error *err)
{
    chain *c = context;
    while (c->at < c->count) {
        lt_row_source *source = &c->sources[c->at];
        *row = (lt_row){0};
        *end = false;
        if (!source->next(source->context, row, end, err))
            return false;
        if (!*end) {
            row->source = c->numbers[c->at];
            return true;
        }
        close_present(c);
    }
    *end = true;
    return true;
}

static void close_rows(void *context)
{
    chain *c = context;
    while (c->at < c->count)
        close_present(c);
    free(c);
}

bool lt_api_chain_rows(lt_row_source *out, const lt_row_source *sources, const int32_t *numbers, int count, lt_error *err)
{
    chain *c = count <= LT_ROW_SOURCES_MAX ? calloc(1, sizeof *c) : NULL;
    if (!c) {
        for (int i = 0; i < count; i++)
            if (sources[i].close)
                sources[i].close(sources[i].context);
        return count > LT_ROW_SOURCES_MAX
                   ? lt_error_set(err, LT_ERR_USAGE, "%d data sets with shares; at most %d are possible", count, LT_ROW_SOURCES_MAX)
                   : lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    }
    c->count = count;
    memcpy(c->sources, sources, (size_t)count * sizeof *sources);
    memcpy(c->numbers, numbers, (size_t)count * sizeof *numbers);
    *out = (lt_row_source){.next = next_row, .close = close_rows, .context = c};
    return true;
}
