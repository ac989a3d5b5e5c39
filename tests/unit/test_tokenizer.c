#include "tokenizer_fixture.h"

#include <pthread.h>

#include "core/utf8.h"

#define FLAGS "\"special\":true,\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":false"

/* A SentencePiece-like model: spaces are "▁", unknown characters are spelled in bytes or are <unk>. */
static const char spm[] =
    "{\"version\":\"1.0\",\"added_tokens\":[{\"id\":0,\"content\":\"<unk>\"," FLAGS
    "},{\"id\":1,\"content\":\"<s>\"," FLAGS "}],"
    "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\",\"prepend\":\"▁\"},"
    "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"▁\"}]},"
    "\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<s>\",\"type_id\":0}},"
    "{\"Sequence\":{\"id\":\"A\",\"type_id\":0}}],\"pair\":[],\"special_tokens\":{\"<s>\":{\"id\":\"<s>\",\"ids\":[1],"
    "\"tokens\":[\"<s>\"]}}},"
    "\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\",\"pattern\":{\"String\":\"▁\"},\"content\":"
    "\" \"},"
    "{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"},{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}]},"
    "\"model\":{\"type\":\"BPE\",\"unk_token\":\"<unk>\",\"fuse_unk\":true,\"byte_fallback\":true,\"vocab\":{\"<unk>\":"
    "0,"
    "\"<s>\":1,\"<0xC3>\":2,\"<0xA9>\":3,\"▁\":4,\"a\":5,\"b\":6,\"ab\":7,\"▁ab\":8,\"▁▁\":9},"
    "\"merges\":[\"a b\",\"▁ ab\",\"▁ ▁\"]}}";

static void expect(const lt_tokenizer *t, const char *text, unsigned flags, const char *ids)
{
    fixture_expect(t, text, strlen(text), flags, ids);
}

Test(tokenizer, encodes_words_and_spells_unknown_characters_in_bytes)
{
    lt_tokenizer *t = fixture_open(spm);
    expect(t, "ab", 0, "8");
    expect(t, "ab ab  é", 0, "8 8 9 2 3");
    expect(t, "xyz", 0, "4 0");
    expect(t, "ab", LT_ENCODE_ADD_SPECIAL, "1 8");
    expect(t, "<s>ab", 0, "1 8");
    expect(t, "<s>ab", LT_ENCODE_SPECIAL_AS_TEXT, "4 0 7");
    lt_tokenizer_close(t);
}

Test(tokenizer, decodes_and_drops_the_space_that_encoding_adds)
{
    lt_tokenizer *t = fixture_open(spm);
    lt_error err;
    char *text;
    size_t size;
    cr_assert(lt_tokenizer_decode(t, (int32_t[]){1, 8, 8, 9, 2, 3}, 6, LT_DECODE_SKIP_SPECIAL, &text, &size, &err));
    cr_expect_str_eq(text, "ab ab  é");
    free(text);
    lt_tokenizer_close(t);
}

Test(tokenizer, ids_that_name_no_token_are_left_out_when_decoding)
{
    lt_tokenizer *t = fixture_open(spm);
    lt_error err;
    char *text;
    size_t size;
    cr_assert(lt_tokenizer_decode(t, (int32_t[]){8, -1, 10, INT32_MAX, 5}, 5, 0, &text, &size, &err));
    cr_expect_str_eq(text, "aba");
    free(text);
    lt_tokenizer_close(t);
}

Test(tokenizer, a_stream_holds_back_half_a_character)
{
    lt_tokenizer *t = fixture_open(spm);
    lt_token_stream *stream;
    lt_error err;
    const char *piece;
    size_t size;
    cr_assert(lt_token_stream_open(&stream, t, 0, &err));
    cr_assert(lt_token_stream_push(stream, 8, &piece, &size, &err));
    cr_expect_str_eq(piece, "ab");
    cr_assert(lt_token_stream_push(stream, 2, &piece, &size, &err));
    cr_expect_str_eq(piece, "");
    cr_assert(lt_token_stream_push(stream, 3, &piece, &size, &err));
    cr_expect_str_eq(piece, "", "more bytes could still spoil the run");
    cr_assert(lt_token_stream_push(stream, 5, &piece, &size, &err));
    cr_expect_str_eq(piece, "éa");
    cr_assert(lt_token_stream_push(stream, 2, &piece, &size, &err));
    cr_assert(lt_token_stream_finish(stream, &piece, &size, &err));
    cr_expect_str_eq(piece, "\uFFFD");
    cr_assert(lt_token_stream_push(stream, 8, &piece, &size, &err));
    cr_expect_str_eq(piece, "ab", "after finish the stream is as new");
    lt_token_stream_close(stream);
    lt_tokenizer_close(t);
}

Test(tokenizer, bytes_that_are_not_utf8_are_replaced_as_python_replaces_them)
{
    /* Python's bytes.decode("utf-8", "replace"), then ids of a model that has U+FFFD. */
    static const char json[] =
        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"\uFFFD\":1,\"é\":2,\"\\u0001\":3},\"merges\":[]}}";
    lt_tokenizer *t = fixture_open(json);
    fixture_expect(t, "a\xFF\xC3\xA9", 4, 0, "0 1 2");
    fixture_expect(t, "a\xC3", 2, 0, "0 1");
    fixture_expect(t,
                   "\xF0\x9F\x98"
                   "a\x80\x80",
                   6, 0, "1 0 1 1");
    fixture_expect(t, "\xE2\x28\xA1", 3, 0, "1 1");
    fixture_expect(t, "\xED\xA0\x80", 3, 0, "1 1 1");
    fixture_expect(t, "\xC0\x80\xF5", 3, 0, "1 1 1");
    lt_tokenizer_close(t);
}

Test(tokenizer, spans_are_the_bytes_that_tokens_stand_for)
{
    lt_tokenizer *t = fixture_open(spm);
    lt_error err;
    lt_ids ids = {0};
    lt_spans spans = {0};
    static const char text[] = "<s>ab ab é\xFF";
    static const lt_span want[] = {{0, 0}, {0, 3}, {3, 5}, {5, 8}, {8, 9}, {9, 11}, {9, 11}, {11, 12}};
    cr_assert(lt_tokenizer_encode_spans(t, text, sizeof text - 1, LT_ENCODE_ADD_SPECIAL, &ids, &spans, &err));
    cr_assert(spans.count == ids.count && spans.count == sizeof want / sizeof *want);
    for (size_t i = 0; i < spans.count; i++)
        cr_expect(spans.data[i].begin == want[i].begin && spans.data[i].end == want[i].end,
                  "token %zu spans %zu to %zu", i, spans.data[i].begin, spans.data[i].end);
    lt_ids_free(&ids);
    lt_spans_free(&spans);
    lt_tokenizer_close(t);
}

Test(tokenizer, tokens_and_ids_name_one_another)
{
    lt_tokenizer *t = fixture_open(spm);
    size_t size;
    cr_expect_eq(lt_tokenizer_vocab_size(t), 10);
    cr_expect_str_eq(lt_tokenizer_token(t, 8, &size), "▁ab");
    cr_expect_eq(size, 5);
    cr_expect_eq(lt_tokenizer_id(t, "▁ab", 5), 8);
    cr_expect_eq(lt_tokenizer_id(t, "nothing", 7), -1);
    cr_expect_null(lt_tokenizer_token(t, 10, NULL));
    cr_expect_null(lt_tokenizer_token(t, -1, NULL));
    cr_expect(lt_tokenizer_is_special(t, 1) && !lt_tokenizer_is_special(t, 5) && !lt_tokenizer_is_special(t, -1));
    cr_expect_eq(lt_tokenizer_special_id(t, LT_SPECIAL_UNK), 0);
    cr_expect_eq(lt_tokenizer_special_id(t, LT_SPECIAL_EOS), -1);
    lt_tokenizer_close(t);
}

/* a^n and (ab)^n merge pair by pair; a word of 300,000 characters must take no longer than its length times a little.
 */
Test(tokenizer, a_long_word_is_encoded_in_time, .timeout = 20)
{
    static const char json[] =
        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"aa\":3,\"aaaa\":4,\"abab\":5,\"ba\":6},"
        "\"merges\":[\"ab ab\",\"aa aa\",\"a a\",\"a b\",\"b a\"]}}";
    lt_tokenizer *t = fixture_open(json);
    lt_error err;
    lt_ids ids = {0};
    size_t n = 300000;
    char *text = malloc(n);
    memset(text, 'a', n);
    cr_assert(lt_tokenizer_encode(t, text, n, 0, &ids, &err));
    cr_expect(ids.count == n / 4 && ids.data[0] == 4 && ids.data[n / 4 - 1] == 4);
    for (size_t i = 1; i < n; i += 2)
        text[i] = 'b';
    ids.count = 0;
    cr_assert(lt_tokenizer_encode(t, text, n, 0, &ids, &err));
    cr_expect(ids.count == n / 4 && ids.data[0] == 5);
    memset(text, ' ', n); /* unknown, and dropped */
    ids.count = 0;
    cr_assert(lt_tokenizer_encode(t, text, n, 0, &ids, &err));
    cr_expect_eq(ids.count, 0);
    free(text);
    lt_ids_free(&ids);
    lt_tokenizer_close(t);
}

static void *encode_often(void *tokenizer)
{
    for (int i = 0; i < 200; i++) {
        expect(tokenizer, "ab ab  é", 0, "8 8 9 2 3");
        expect(tokenizer, "<s>xyz ab", LT_ENCODE_ADD_SPECIAL, "1 1 4 0 8");
    }
    return NULL;
}

Test(tokenizer, threads_share_one_handle)
{
    lt_tokenizer *t = fixture_open(spm);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        cr_assert(pthread_create(&threads[i], NULL, encode_often, t) == 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    lt_tokenizer_close(t);
}
