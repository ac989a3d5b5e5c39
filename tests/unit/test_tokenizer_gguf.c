/* Vocabularies in GGUF files, small ones made here; what they must give was worked out by hand. That whole vocabularies agree with their
 * references is what scripts/check_vocabularies.py shows. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

#include "folder.h"
#include "formats/gguf_write.h"
#include "text/tokenizer.h"

enum { NORMAL = 1, UNKNOWN, CONTROL, USER, UNUSED, BYTE };

typedef struct token {
    const char *text;
    float score;
    int32_t type;
} token;

static void set_text(lt_gguf_metadata *m, const char *key, const char *text)
{
    lt_gguf_set_string(m, key, text, strlen(text));
}

static void set_tokens(lt_gguf_metadata *m, const char *model, const token *tokens, size_t count)
{
    lt_gguf_string names[16];
    float scores[16];
    int32_t types[16];
    cr_assert(count <= 16);
    for (size_t i = 0; i < count; i++) {
        names[i] = (lt_gguf_string){tokens[i].text, strlen(tokens[i].text)};
        scores[i] = tokens[i].score;
        types[i] = tokens[i].type;
    }
    set_text(m, "general.architecture", "llama");
    set_text(m, "tokenizer.ggml.model", model);
    lt_gguf_set_strings(m, "tokenizer.ggml.tokens", names, count);
    lt_gguf_set_f32s(m, "tokenizer.ggml.scores", scores, count);
    lt_gguf_set_i32s(m, "tokenizer.ggml.token_type", types, count);
}

static void set_merge(lt_gguf_metadata *m, const char *merge)
{
    lt_gguf_set_strings(m, "tokenizer.ggml.merges", &(lt_gguf_string){merge, strlen(merge)}, 1);
}

/* A file of the vocabulary alone, opened; NULL with *err set. Frees *m. */
static lt_tokenizer *open_vocabulary(const test_folder *folder, lt_gguf_metadata *m, lt_error *err)
{
    lt_gguf_writer *writer;
    lt_tokenizer *t = NULL;
    const char *path = test_folder_file(folder, "vocabulary.gguf");
    cr_assert(lt_gguf_create(&writer, path, m, NULL, 0, err) && lt_gguf_finish(writer, err), "%s", err->message);
    lt_gguf_metadata_free(m);
    return lt_tokenizer_open(&t, path, err) ? t : NULL;
}

static void expect_ids(const lt_tokenizer *t, const char *text, unsigned flags, const char *expected)
{
    char out[256] = "";
    lt_ids ids = {0};
    lt_error err;
    cr_assert(lt_tokenizer_encode(t, text, strlen(text), flags, &ids, &err), "%s", err.message);
    for (size_t i = 0; i < ids.count; i++)
        snprintf(out + strlen(out), sizeof out - strlen(out), "%s%d", i ? " " : "", ids.data[i]);
    cr_expect_str_eq(out, expected, "\"%s\" gives %s, expected %s", text, out, expected);
    lt_ids_free(&ids);
}

/* Compiled rules: "X" becomes "yz", "XY" becomes "q". */
static void set_rules(lt_gguf_metadata *m)
{
    enum { LEAF = 1 << 8, UNITS = 92 };
    static unsigned char rules[4 + 4 * UNITS + 5];
    uint32_t units[UNITS] = {0};
    units[0] = 1u << 10;                    /* children at 0 ^ 1 ^ byte */
    units[0 ^ 1 ^ 'X'] = 'X' | LEAF | 2u << 10;
    units[('X' ^ 1) ^ 2] = 1u << 31 | 0;    /* "yz" */
    units[('X' ^ 1) ^ 2 ^ 'Y'] = 'Y' | LEAF | 1u << 10;
    units[('X' ^ 1) ^ 2 ^ 'Y' ^ 1] = 1u << 31 | 3; /* "q" */
    uint32_t size = sizeof units;
    for (int i = 0; i < 4; i++)
        rules[i] = (unsigned char)(size >> 8 * i);
    for (size_t i = 0; i < sizeof units; i++)
        rules[4 + i] = (unsigned char)(units[i / 4] >> 8 * (i % 4));
    memcpy(rules + 4 + sizeof units, "yz\0q", 5);
    lt_gguf_entry entry = {.type = LT_GGUF_ARRAY, .element = LT_GGUF_U8, .count = sizeof rules, .value = rules, .bytes = sizeof rules};
    lt_gguf_set_entry(m, "tokenizer.ggml.precompiled_charsmap", &entry);
}

Test(tokenizer_gguf, a_unigram_vocabulary_takes_the_longest_rule_and_the_best_pieces)
{
    static const token tokens[] = {{"<pad>", 0, CONTROL}, {"</s>", 0, CONTROL}, {"<unk>", 0, UNKNOWN}, {"▁", -3, NORMAL}, {"y", -2, NORMAL},
                                   {"z", -2, NORMAL},     {"q", -2, NORMAL},    {"▁q", -4, NORMAL},    {"yz", -3, NORMAL}};
    test_folder folder = test_folder_make();
    lt_gguf_metadata m = {0};
    lt_error err = {0};
    set_tokens(&m, "t5", tokens, sizeof tokens / sizeof *tokens);
    set_rules(&m);
    lt_gguf_set_bool(&m, "tokenizer.ggml.remove_extra_whitespaces", true);
    lt_gguf_set_u32(&m, "tokenizer.ggml.eos_token_id", 1);
    lt_tokenizer *t = open_vocabulary(&folder, &m, &err);
    cr_assert(t, "%s", err.message);
    expect_ids(t, "X", 0, "3 8");
    expect_ids(t, "XY", 0, "7"); /* "q", not "yz" and "Y" */
    expect_ids(t, "  X  XY ", 0, "3 8 7");
    expect_ids(t, "XY</s> X", 0, "7 1 3 8"); /* what follows a token is a text of its own */
    expect_ids(t, "?!q", 0, "3 2 6");        /* unknown characters are one token */
    expect_ids(t, "   ", 0, "");
    expect_ids(t, "XY", LT_ENCODE_ADD_SPECIAL, "7 1");
    expect_ids(t, "</s>", LT_ENCODE_SPECIAL_AS_TEXT, "3 2"); /* its name is no piece */
    lt_tokenizer_close(t);
    test_folder_remove(&folder);
}

Test(tokenizer_gguf, pieces_with_written_merges_have_no_words)
{
    static const token tokens[] = {{"<unk>", 0, UNKNOWN}, {"<bos>", 0, CONTROL}, {"▁", 0, NORMAL},   {"a", 0, NORMAL},
                                   {"a▁", 0, NORMAL},     {"<0x21>", 0, BYTE},   {"\n\n", 0, USER}};
    test_folder folder = test_folder_make();
    lt_gguf_metadata m = {0};
    lt_error err = {0};
    set_tokens(&m, "gemma4", tokens, sizeof tokens / sizeof *tokens);
    set_merge(&m, "a ▁");
    lt_gguf_set_u32(&m, "tokenizer.ggml.bos_token_id", 1);
    lt_tokenizer *t = open_vocabulary(&folder, &m, &err);
    cr_assert(t, "%s", err.message);
    expect_ids(t, "a a!", 0, "4 3 5");
    expect_ids(t, "a\n\na", LT_ENCODE_ADD_SPECIAL, "1 3 6 3");
    lt_tokenizer_close(t);
    test_folder_remove(&folder);
}

Test(tokenizer_gguf, pieces_by_score_get_a_space_before_each_stretch)
{
    static const token tokens[] = {{"<unk>", 0, UNKNOWN}, {"<s>", 0, CONTROL}, {"</s>", 0, CONTROL}, {"▁", -9, NORMAL}, {"a", -9, NORMAL},
                                   {"▁a", -2, NORMAL},    {"aa", -1, NORMAL},  {"<0x21>", 0, BYTE}};
    test_folder folder = test_folder_make();
    lt_gguf_metadata m = {0};
    lt_error err = {0};
    set_tokens(&m, "llama", tokens, sizeof tokens / sizeof *tokens);
    lt_gguf_set_u32(&m, "tokenizer.ggml.bos_token_id", 1);
    lt_tokenizer *t = open_vocabulary(&folder, &m, &err);
    cr_assert(t, "%s", err.message);
    expect_ids(t, "a", LT_ENCODE_ADD_SPECIAL, "1 5");
    expect_ids(t, "aa", 0, "3 6");
    expect_ids(t, "a</s>a!", 0, "5 2 5 7");
    lt_tokenizer_close(t);
    test_folder_remove(&folder);
}

Test(tokenizer_gguf, an_unknown_way_to_cut_words_is_named_with_the_nearest)
{
    static const token tokens[] = {{"a", 0, NORMAL}, {"b", 0, NORMAL}, {"ab", 0, NORMAL}};
    static const char *const pairs[][2] = {{"llama-bpf", "\"llama-bpe\""}, {"qwen9", "\"qwen"}, {"", NULL}, {"llama-bpe", NULL}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        test_folder folder = test_folder_make();
        lt_gguf_metadata m = {0};
        lt_error err = {0};
        set_tokens(&m, "gpt2", tokens, 3);
        set_merge(&m, "a b");
        if (*pairs[i][0])
            set_text(&m, "tokenizer.ggml.pre", pairs[i][0]);
        lt_tokenizer *t = open_vocabulary(&folder, &m, &err);
        cr_expect_eq(!t, pairs[i][1] != NULL, "%s", pairs[i][0]);
        if (pairs[i][1])
            cr_expect(strstr(err.message, pairs[i][0]) && strstr(err.message, pairs[i][1]), "%s", err.message);
        else
            expect_ids(t, "abb", 0, "2 1");
        lt_tokenizer_close(t);
        test_folder_remove(&folder);
    }
}

Test(tokenizer_gguf, rules_and_kinds_that_are_none_are_refused)
{
    static const token tokens[] = {{"<unk>", 0, UNKNOWN}, {"a", 0, NORMAL}};
    static const char *const kinds[] = {"t5", "rwkv"};
    for (int i = 0; i < 2; i++) {
        test_folder folder = test_folder_make();
        lt_gguf_metadata m = {0};
        lt_error err = {0};
        set_tokens(&m, kinds[i], tokens, 2);
        set_text(&m, "tokenizer.ggml.precompiled_charsmap", "text");
        cr_expect_null(open_vocabulary(&folder, &m, &err));
        cr_expect(strstr(err.message, i ? "rwkv" : "precompiled_charsmap"), "%s", err.message);
        test_folder_remove(&folder);
    }
}
