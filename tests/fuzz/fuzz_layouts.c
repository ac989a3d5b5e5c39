/* Files of older tokenizer layouts from a stranger: SentencePiece's protocol buffers, and tiktoken's lists when the input looks like
 * one. What is read must be a tokenizer.json that opens or is refused. */
#include <stdint.h>
#include <stdlib.h>

#include "text/tokenizer_layout.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *bytes = (const char *)data;
    lt_error err;
    json_t *root;
    if (lt_tokenizer_is_tiktoken(bytes, size))
        root = lt_tokenizer_tiktoken_root(bytes, size, "fuzz", size % 2 ? "QWenTokenizer" : NULL, &err);
    else
        root = lt_tokenizer_spm_root(bytes, size, "fuzz", size % 2 ? "GemmaTokenizer" : NULL, &err);
    json_decref(root);
    return 0;
}
