#include "cli/output.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/file.h"

bool lt_output_json(json_t *value, lt_error *err)
{
    if (!value)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory while the result was put together");
    /* A failed write shows in the stream's state and is reported when the program ends. */
    json_dumpf(value, stdout, JSON_REAL_PRECISION(12));
    putchar('\n');
    json_decref(value);
    return true;
}

json_t *lt_output_load_json(const char *path, lt_error *err)
{
    enum { LIMIT_BYTES = 64 << 20 };
    char *data = NULL;
    size_t size;
    if (!lt_file_read(path, LIMIT_BYTES, &data, &size, err))
        return NULL;
    json_error_t at;
    json_t *value = json_loadb(data, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &at);
    free(data);
    if (!value)
        lt_error_set(err, LT_ERR_FORMAT, "%s:%d:%d: %s", path, at.line, at.column, at.text);
    return value;
}
