#include "models/companions.h"

#include <stdlib.h>

#include "core/file.h"

static const int64_t LIMIT_BYTES = (int64_t)1 << 30;

static const char *const names[] = {
    "generation_config.json", "tokenizer.json",    "tokenizer_config.json", "special_tokens_map.json",
    "added_tokens.json",      "vocab.json",        "vocab.txt",             "merges.txt",
    "tokenizer.model",        "spiece.model",      "tiktoken.model",        "qwen.tiktoken",
    "chat_template.jinja",    "chat_template.json",
};

static bool copy(const char *from, const char *to, lt_error *err)
{
    char *data;
    size_t size;
    if (!lt_file_read(from, LIMIT_BYTES, &data, &size, err))
        return false;
    bool ok = lt_file_replace(to, data, size, err);
    free(data);
    return ok;
}

bool lt_companions_copy(const char *source_folder, const char *folder, lt_error *err)
{
    char from[4096], to[4096];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!lt_file_join(from, sizeof from, source_folder, names[i], err) || !lt_file_join(to, sizeof to, folder, names[i], err))
            return false;
        if (lt_file_exists(from) && !copy(from, to, err))
            return false;
    }
    return true;
}
