/* Tokenizers of older layouts: small files made here. What they must give was worked out by hand; that whole vocabularies agree with
 * transformers and SentencePiece is what scripts/check_layouts.py shows. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base64.h"
#include "folder.h"
#include "text/tokenizer.h"
#include "text/tokenizer_layout.h"

/* ---- writing a SentencePiece model ---- */

typedef struct message {
    char data[4096];
    size_t size;
} message;

static void number(message *m, int field, unsigned value)
{
    m->data[m->size++] = (char)(field << 3 & 0x7F);
    if (field >= 16) {
        m->data[m->size - 1] = (char)((field << 3 & 0x7F) | 0x80);
        m->data[m->size++] = (char)(field >> 4);
    }
    m->data[m->size++] = (char)value;
}

static void bytes(message *m, int field, const void *data, size_t size)
{
    m->data[m->size++] = (char)(field << 3 | 2);
    m->data[m->size++] = (char)size;
    memcpy(m->data + m->size, data, size);
    m->size += size;
}

static void piece(message *model, const char *text, float score, unsigned type)
{
    message m = {.size = 0};
    bytes(&m, 1, text, strlen(text));
    m.data[m.size++] = 2 << 3 | 5;
    memcpy(m.data + m.size, &score, sizeof score);
    m.size += sizeof score;
    if (type != 1)
        number(&m, 3, type);
    bytes(model, 1, m.data, m.size);
}

/* <unk> <s> </s> <0x41> ▁ a b ab ▁a ▁ab; kind 1 is unigram, 2 BPE. */
static message small_model(unsigned kind)
{
    static const char *const normal[] = {"▁", "a", "b", "ab", "▁a", "▁ab"};
    message model = {.size = 0}, trainer = {.size = 0}, normalizer = {.size = 0};
    piece(&model, "<unk>", 0, 2);
    piece(&model, "<s>", 0, 3);
    piece(&model, "</s>", 0, 3);
    piece(&model, "<0x41>", 0, 6);
    for (int i = 0; i < 6; i++)
        piece(&model, normal[i], (float)-i, 1);
    number(&trainer, 3, kind);
    number(&trainer, 35, 1);
    bytes(&model, 2, trainer.data, trainer.size);
    number(&normalizer, 4, 0); /* runs of spaces stay */
    bytes(&model, 3, normalizer.data, normalizer.size);
    return model;
}

static lt_tokenizer *open_file(const test_folder *folder, const char *name, const void *data, size_t size)
{
    lt_tokenizer *t = NULL;
    lt_error err;
    test_folder_write(folder, name, data, size);
    cr_assert(lt_tokenizer_exists(folder->path));
    cr_assert(lt_tokenizer_open(&t, folder->path, &err), "%s", err.message);
    return t;
}

static const char *encoded(const lt_tokenizer *t, const char *text, unsigned flags)
{
    static char out[256];
    lt_ids ids = {0};
    lt_error err;
    out[0] = '\0';
    cr_assert(lt_tokenizer_encode(t, text, strlen(text), flags, &ids, &err), "%s", err.message);
    for (size_t i = 0; i < ids.count; i++)
        snprintf(out + strlen(out), sizeof out - strlen(out), "%s%d", i ? " " : "", ids.data[i]);
    lt_ids_free(&ids);
    return out;
}

Test(layouts, a_sentencepiece_model_of_pairs_merges_by_score)
{
    test_folder folder = test_folder_make();
    message model = small_model(2);
    lt_tokenizer *t = open_file(&folder, "tokenizer.model", model.data, model.size);
    cr_assert_str_eq(encoded(t, "ab", 0), "9"); /* a b, then ▁ ab */
    cr_assert_str_eq(encoded(t, "aab", 0), "8 7"); /* ab has a greater score than ▁a */
    cr_assert_str_eq(encoded(t, "a  aA", 0), "8 4 8 3");
    cr_assert_str_eq(encoded(t, "b", LT_ENCODE_ADD_SPECIAL), "1 4 6");
    cr_assert_str_eq(encoded(t, "</s>", 0), "2");
    cr_assert_str_eq(encoded(t, "", LT_ENCODE_ADD_SPECIAL), "1");
    lt_tokenizer_close(t);
    test_folder_remove(&folder);
}

Test(layouts, pieces_that_users_defined_are_found_before_all_merges)
{
    test_folder folder = test_folder_make();
    message model = small_model(2);
    piece(&model, "▁▁", 0, 4);
    piece(&model, "[M]", 0, 4);
    lt_tokenizer *t = open_file(&folder, "tokenizer.model", model.data, model.size);
    cr_assert_str_eq(encoded(t, "a  a", 0), "8 10 5"); /* in the normal form */
    cr_assert_str_eq(encoded(t, "a[M]b", 0), "8 11 6"); /* a space goes before the text alone */
    cr_assert_str_eq(encoded(t, "a[M]ab", LT_ENCODE_SPECIAL_AS_TEXT), "8 11 7");
    lt_tokenizer_close(t);
    test_folder_remove(&folder);
}

Test(layouts, a_unigram_model_takes_the_best_cut)
{
    test_folder folder = test_folder_make();
    message model = small_model(1);
    lt_tokenizer *t = open_file(&folder, "spiece.model", model.data, model.size);
    cr_assert_str_eq(encoded(t, "a", 0), "4 5"); /* 0 - 1, against -4 */
    cr_assert_str_eq(encoded(t, "ba", 0), "4 6 5");
    cr_assert_str_eq(encoded(t, "A", LT_ENCODE_ADD_SPECIAL), "4 3");
    lt_tokenizer_close(t);
    test_folder_remove(&folder);
}

static void expect_refusal(const char *data, size_t size, const char *part)
{
    test_folder folder = test_folder_make();
    lt_tokenizer *t = NULL;
    lt_error err = {0};
    test_folder_write(&folder, "tokenizer.model", data, size);
    cr_assert_not(lt_tokenizer_open(&t, folder.path, &err));
    cr_assert(strstr(err.message, part), "expected '%s' in: %s", part, err.message);
    test_folder_remove(&folder);
}

Test(layouts, damaged_models_are_refused)
{
    message model = small_model(2);
    for (size_t n = 1; n < model.size; n++) { /* every beginning: refused, or read as far as it goes */
        lt_error err;
        json_decref(lt_tokenizer_spm_root(model.data, n, "m", NULL, &err));
    }
    expect_refusal("", 0, "expected the pieces of a SentencePiece model, found none");
    expect_refusal("\x0a\x7f\x0a", 3, "a field is longer than what is left");
    expect_refusal("\x0a\x05\x0a\x03\xff\xfe\xfd", 7, "piece 0: expected UTF-8");
    expect_refusal("\x0f", 1, "a field is of no known kind");
    expect_refusal("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, "a number is longer than 64 bits");
    model = small_model(4);
    expect_refusal(model.data, model.size, "expected a model of type BPE or unigram");
}

Test(layouts, a_tiktoken_file_is_byte_level_pairs)
{
    test_folder folder = test_folder_make();
    char text[8192] = "";
    for (int b = 0; b < 256; b++) {
        unsigned char byte = (unsigned char)b;
        char *coded = lt_base64_encode(&byte, 1);
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s %d\n", coded, b);
        free(coded);
    }
    strcat(text, "YWI= 256\nIGFi 257\n"); /* "ab", " ab" */
    lt_tokenizer *t = open_file(&folder, "tokenizer.model", text, strlen(text));
    cr_assert_str_eq(encoded(t, "ab ab", LT_ENCODE_ADD_SPECIAL), "256 257");
    cr_assert_str_eq(encoded(t, "\xc3\xa9", 0), "195 169");
    lt_tokenizer_close(t);
    test_folder_remove(&folder);
    expect_refusal("YWI= 0\nYWI 1\n", 13, "tokenizer.model:2: expected a token in base64, a space and its rank");
    expect_refusal("YWI= 0\nYWI= 0\n", 14, "tokenizer.model:2: rank 0 is there twice");
}

Test(layouts, a_list_of_word_pieces_is_bert_s)
{
    static const char vocab[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nhel\n##lo\nhe\n";
    test_folder folder = test_folder_make();
    lt_tokenizer *t = open_file(&folder, "vocab.txt", vocab, sizeof vocab - 1);
    cr_assert_str_eq(encoded(t, "H\xc3\xa9llo [MASK] you", LT_ENCODE_ADD_SPECIAL), "2 5 6 4 1 3");
    cr_assert_eq(lt_tokenizer_special_id(t, LT_SPECIAL_UNK), 1);
    lt_tokenizer_close(t);
    test_folder_write_text(&folder, "tokenizer_config.json", "{\"tokenizer_class\":\"BertTokenizer\",\"do_lower_case\":false}");
    t = open_file(&folder, "vocab.txt", vocab, sizeof vocab - 1);
    cr_assert_str_eq(encoded(t, "Hello", 0), "1");
    lt_tokenizer_close(t);
    test_folder_remove(&folder);
}

Test(layouts, gpt2_s_files_need_no_tokenizer_config_beside_the_model_s)
{
    test_folder folder = test_folder_make();
    test_folder_write_text(&folder, "merges.txt", "#version: 0.2\na b\n");
    test_folder_write_text(&folder, "config.json", "{\"model_type\":\"gpt2\"}");
    static const char vocab[] = "{\"a\":0,\"b\":1,\"ab\":2,\"<|endoftext|>\":3}";
    lt_tokenizer *t = open_file(&folder, "vocab.json", vocab, sizeof vocab - 1);
    cr_assert_str_eq(encoded(t, "ab<|endoftext|>ba", 0), "2 3 1 0");
    lt_tokenizer_close(t);
    test_folder_remove(&folder);
}

Test(base64, encodes_and_decodes_every_length)
{
    static const char *const known[] = {"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="};
    for (size_t n = 0; n < 5; n++) {
        char *text = lt_base64_encode("foob", n);
        unsigned char back[16];
        size_t size;
        cr_assert_str_eq(text, known[n]);
        cr_assert(lt_base64_decode(text, strlen(text), back, &size) && size == n && !memcmp(back, "foob", n));
        free(text);
    }
    unsigned char out[16];
    size_t size;
    cr_assert_not(lt_base64_decode("Zg=", 3, out, &size));
    cr_assert_not(lt_base64_decode("Zg=a", 4, out, &size));
    cr_assert_not(lt_base64_decode("Z\0==", 4, out, &size));
}
