/* Any bytes as zstd data: what the whole-buffer reader takes the streaming one takes too, with the same bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "formats/zst.h"

enum { LIMIT = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    void *whole = NULL;
    size_t whole_size = 0, used = 0;
    lt_error err = {0};
    bool ok = lt_zst_decompress("fuzz", data, size, LIMIT, &whole, &whole_size, &err);
    lt_zst_reader *reader;
    if (!lt_zst_open_memory(&reader, "fuzz", data, size, &err))
        return 0;
    static char streamed[LIMIT + 1];
    bool streamed_ok = true;
    for (size_t got = 1; got && used <= LIMIT && streamed_ok; used += streamed_ok ? got : 0) {
        size_t step = LIMIT + 1 - used;
        streamed_ok = lt_zst_read(reader, streamed + used, step < 1000 ? step : 1000, &got, &err);
    }
    lt_zst_close(reader);
    /* libzstd's streaming decoder takes a frame that says more content than its empty last block leaves; the other does not. */
    bool both = streamed_ok && used <= LIMIT;
    if ((ok && !both) || (ok && (used != whole_size || memcmp(streamed, whole, used))))
        abort();
    free(whole);
    return 0;
}
