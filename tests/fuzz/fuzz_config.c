/* A config.json from a stranger: whatever is accepted must be safe to build on. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "models/family.h"
#include "nn/config_tensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    memcpy(text, data, size);
    text[size] = '\0';
    lt_config config;
    lt_error err;
    if (lt_family_parse(text, "config.json", &config, &err)) {
        int64_t elements;
        assert(config.H > 0 && config.K > 0 && config.H % config.K == 0 && config.rope_count <= LT_MAX_ROPES);
        for (int64_t l = 0; l < config.L; l++)
            assert(config.layers[l].window >= 0 && config.layers[l].rope < config.rope_count);
        assert(lt_config_parameter_count(&config, &elements, &err) && elements > 0);
        lt_config_free(&config);
    }
    free(text);
    return 0;
}
