/* Any bytes as a recipe: what is accepted must survive being written and read again. */
#include <stdint.h>
#include <stdlib.h>

#include "formats/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *value, *back, *lines;
    char *text;
    size_t n;
    lt_error err;
    if (!lt_yaml_parse("fuzz", (const char *)data, size, &value, &lines, &err))
        return 0;
    if (!lt_yaml_write(value, &text, &n, &err) || !lt_yaml_parse("again", text, n, &back, NULL, &err) ||
        !json_equal(value, back))
        abort();
    free(text);
    json_decref(value);
    json_decref(back);
    json_decref(lines);
    return 0;
}
