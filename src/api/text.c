/* Tokenizers of the public API. */
#include <stdlib.h>

#include "api/api.h"
#include "text/tokenizer.h"

bool lathe_tokenizer_open(lathe_tokenizer **out, const char *path, lathe_error *err)
{
    *out = NULL;
    lathe_tokenizer *tokenizer = calloc(1, sizeof *tokenizer);
    if (!tokenizer)
        return lt_api_fail(err, LT_ERR_MEMORY, "out of memory");
    lt_error error;
    if (!lt_tokenizer_open(&tokenizer->inner, path, &error)) {
        free(tokenizer);
        return lt_api_error(err, &error);
    }
    *out = tokenizer;
    return true;
}

void lathe_tokenizer_close(lathe_tokenizer *tokenizer)
{
    if (!tokenizer)
        return;
    lt_tokenizer_close(tokenizer->inner);
    free(tokenizer);
}

bool lathe_encode(const lathe_tokenizer *tokenizer, const char *text, size_t size, bool add_special, int32_t **ids,
                  size_t *count, lathe_error *err)
{
    lt_error error;
    lt_ids list = {0};
    *ids = NULL;
    *count = 0;
    if (!lt_tokenizer_encode(tokenizer->inner, text, size, add_special ? LT_ENCODE_ADD_SPECIAL : 0, &list, &error)) {
        lt_ids_free(&list);
        return lt_api_error(err, &error);
    }
    *ids = list.data;
    *count = list.count;
    return true;
}

bool lathe_decode(const lathe_tokenizer *tokenizer, const int32_t *ids, size_t count, bool skip_special, char **text,
                  size_t *size, lathe_error *err)
{
    lt_error error;
    return lt_tokenizer_decode(tokenizer->inner, ids, count, skip_special ? LT_DECODE_SKIP_SPECIAL : 0, text, size,
                               &error) ||
           lt_api_error(err, &error);
}
