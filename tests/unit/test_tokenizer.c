#include "text/tokenizer.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A SentencePiece-like model: spaces are "▁", unknown characters are spelled in bytes or are <unk>. */
static const char spm[] =
    "{\"version\":\"1.0\",\"added_tokens\":[{\"id\":0,\"content\":\"<unk>\",\"special\":true,\"single_word\":false,"
    "\"lstrip\":false,\"rstrip\":false,\"normalized\":false},{\"id\":1,\"content\":\"<s>\",\"special\":true,"
    "\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":false}],"
    "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\",\"prepend\":\"▁\"},"
    "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"▁\"}]},"
    "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<s>\",\"type_id\":0}},"
    "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],\"pair\":[],\"special_tokens\":{\"<s>\":{\"id\":\"<s>\",\"ids\":[1],"
    "\"tokens\":[\"<s>\"]}}},"
    "\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\",\"pattern\":{\"String\":\"▁\"},\"content\":\" \"},"
    "{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"},{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}]},"
    "\"model\":{\"type\":\"BPE\",\"unk_token\":\"<unk>\",\"fuse_unk\":true,\"byte_fallback\":true,\"vocab\":{\"<unk>\":0,"
    "\"<s>\":1,\"<0xC3>\":2,\"<0xA9>\":3,\"▁\":4,\"a\":5,\"b\":6,\"ab\":7,\"▁ab\":8,\"▁▁\":9},"
    "\"merges\":[\"a b\",\"▁ ab\",\"▁ ▁\"]}}";

static lt_tokenizer *open_text(const char *json)
{
    char path[] = "/tmp/lathe-test-XXXXXX";
    lt_error err;
    lt_tokenizer *t = NULL;
    int fd = mkstemp(path);
    cr_assert(fd >= 0 && write(fd, json, strlen(json)) == (ssize_t)strlen(json));
    close(fd);
    bool ok = lt_tokenizer_open(&t, path, &err);
    unlink(path);
    cr_assert(ok, "%s", err.message);
    return t;
}

static void check_ids(const lt_tokenizer *t, const char *text, unsigned flags, const char *expected)
{
    lt_error err;
    lt_ids ids = {0};
    char line[512] = "";
    cr_assert(lt_tokenizer_encode(t, text, strlen(text), flags, &ids, &err), "%s", err.message);
    for (size_t i = 0; i < ids.count; i++)
        snprintf(line + strlen(line), sizeof line - strlen(line), "%s%d", i ? " " : "", ids.data[i]);
    cr_expect_str_eq(line, expected, "%s: expected %s, got %s", text, expected, line);
    lt_ids_free(&ids);
}

Test(tokenizer, encodes_words_and_spells_unknown_characters_in_bytes)
{
    lt_tokenizer *t = open_text(spm);
    check_ids(t, "ab", 0, "8");
    check_ids(t, "ab ab  é", 0, "8 8 9 2 3");
    check_ids(t, "xyz", 0, "4 0");
    check_ids(t, "ab", LT_ENCODE_ADD_SPECIAL, "1 8");
    check_ids(t, "<s>ab", 0, "1 8");
    check_ids(t, "<s>ab", LT_ENCODE_SPECIAL_AS_TEXT, "4 0 7");
    lt_tokenizer_close(t);
}

Test(tokenizer, decodes_and_drops_the_space_that_encoding_adds)
{
    lt_tokenizer *t = open_text(spm);
    lt_error err;
    char *text;
    size_t size;
    cr_assert(lt_tokenizer_decode(t, (int32_t[]){1, 8, 8, 9, 2, 3}, 6, LT_DECODE_SKIP_SPECIAL, &text, &size, &err));
    cr_expect_str_eq(text, "ab ab  é");
    free(text);
    lt_tokenizer_close(t);
}
