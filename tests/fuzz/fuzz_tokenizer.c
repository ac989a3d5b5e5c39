/* A tokenizer from a stranger, and texts for it. The input is a tokenizer.json up to its first NUL, behind it a text.
 * An input that begins with a digit takes one of the tokenizers below instead, so that texts are tried without having
 * to come by a valid file. Whatever opens must encode and decode, and keep its promises. */
#include <assert.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/utf8.h"
#include "text/textbuf.h"
#include "text/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FLAGS "\"special\":true,\"single_word\":false,\"lstrip\":%s,\"rstrip\":%s,\"normalized\":%s"
static const char *const parts[] = {
    "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"add_prefix_space\":false},\"decoder\":{\"type\":\"ByteLevel\"}",
    "\"normalizer\":{\"type\":\"NFC\"},\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\","
    "\"pattern\":{\"Regex\":\"(?i:'s|'t)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}{1,3}| "
    "?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|"
    "\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+\"},\"behavior\":\"Isolated\",\"invert\":false},{\"type\":\"ByteLevel\","
    "\"add_prefix_space\":true,\"use_regex\":false}]},\"decoder\":{\"type\":\"ByteLevel\"}",
    "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Strip\",\"strip_left\":true,\"strip_right\":"
    "false},"
    "{\"type\":\"NFKD\"},{\"type\":\"Prepend\",\"prepend\":\"▁\"},{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},"
    "\"content\":\"▁\"}]},\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"▁\",\"prepend_scheme\":\"first\"}"
    ","
    "\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\",\"pattern\":{\"String\":\"▁\"},\"content\":"
    "\" \"},"
    "{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"},{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":1}]}",
    "\"normalizer\":{\"type\":\"BertNormalizer\",\"clean_text\":true,\"handle_chinese_chars\":true,\"strip_accents\":"
    "null,"
    "\"lowercase\":true},\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},\"decoder\":{\"type\":\"WordPiece\","
    "\"prefix\":\"##\",\"cleanup\":true}",
};
enum { PARTS = sizeof parts / sizeof *parts };

/* A tokenizer.json with a token for each of the first characters of Unicode, for each byte, and a few merges. */
static char *make_json(int which)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    fprintf(out,
            "{\"added_tokens\":[{\"id\":0,\"content\":\"<s>\"," FLAGS "},{\"id\":1,\"content\":\" </S>\"," FLAGS "}],",
            "true", "true", "false", "false", "false", "true");
    fprintf(
        out,
        "%s,\"model\":{\"type\":\"BPE\",\"unk_token\":\"?\",\"fuse_unk\":%s,\"byte_fallback\":%s,\"vocab\":{\"<s>\":0",
        parts[which], which % 2 ? "true" : "false", which < 2 ? "false" : "true");
    int id = 1;
    for (uint32_t c = 33; c < 0x144; c++)
        if (c != '"' && c != '\\' && c != 0x7F) {
            char utf8[5] = {0};
            lt_utf8_encode(c, utf8);
            fprintf(out, ",\"%s\":%d", utf8, id++);
        }
    fprintf(out, ",\"\\\"\":%d,\"\\\\\":%d", id, id + 1);
    id += 2;
    for (int b = 0; b < 256; b++)
        fprintf(out, ",\"<0x%02X>\":%d", b, id++);
    static const char *const merged[] = {"▁", "ab", "abab", "▁a", "▁▁", "Ġa", "ĠĠ", "é́", "aa", "aaaa"};
    for (size_t i = 0; i < sizeof merged / sizeof *merged; i++)
        fprintf(out, ",\"%s\":%d", merged[i], id++);
    fprintf(out, "},\"merges\":[\"a b\",\"ab ab\",\"▁ a\",\"▁ ▁\",\"Ġ a\",\"Ġ Ġ\",\"a a\",\"aa aa\"]}}");
    fclose(out);
    return text;
}

static lt_tokenizer *open_json(const void *json, size_t size)
{
    char path[64];
    lt_error err;
    lt_tokenizer *t = NULL;
    int fd = memfd_create("tokenizer", MFD_CLOEXEC);
    assert(fd >= 0 && write(fd, json, size) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (!lt_tokenizer_open(&t, path, &err))
        assert(err.message[0]);
    close(fd);
    return t;
}

static void check_decoding(const lt_tokenizer *t, const lt_ids *ids, unsigned flags)
{
    lt_error err;
    char *text;
    const char *piece;
    size_t size, piece_size;
    lt_textbuf all = {0};
    lt_token_stream *stream;
    if (!lt_tokenizer_decode(t, ids->data, ids->count, flags, &text, &size, &err))
        return; /* a pattern that gives up */
    assert(lt_utf8_valid(text, size, NULL));
    assert(lt_token_stream_open(&stream, t, flags, &err));
    for (size_t i = 0; i <= ids->count; i++) {
        bool ok = i < ids->count ? lt_token_stream_push(stream, ids->data[i], &piece, &piece_size, &err)
                                 : lt_token_stream_finish(stream, &piece, &piece_size, &err);
        assert(ok && lt_utf8_valid(piece, piece_size, NULL) && lt_textbuf_append(&all, piece, piece_size, &err));
    }
    assert(all.size == size && memcmp(all.size ? all.data : "", text, size) == 0);
    lt_token_stream_close(stream);
    lt_textbuf_free(&all);
    free(text);
}

static void check_encoding(const lt_tokenizer *t, const char *text, size_t size, unsigned flags)
{
    lt_error err;
    lt_ids ids = {0}, again = {0};
    lt_spans spans = {0};
    bool ok = lt_tokenizer_encode(t, text, size, flags, &ids, &err);
    assert(ok || (err.message[0] && ids.count == 0));
    assert(lt_tokenizer_encode_spans(t, text, size, flags, &again, &spans, &err) == ok);
    assert(ids.count == again.count && (!ok || spans.count == ids.count));
    for (size_t i = 0; i < ids.count; i++) {
        assert(ids.data[i] == again.data[i] && ids.data[i] >= 0 && ids.data[i] < lt_tokenizer_vocab_size(t));
        assert(lt_tokenizer_token(t, ids.data[i], NULL));
        assert(spans.data[i].begin <= spans.data[i].end && spans.data[i].end <= size);
    }
    check_decoding(t, &ids, flags & LT_ENCODE_ADD_SPECIAL ? LT_DECODE_SKIP_SPECIAL : 0);
    for (size_t i = 0; i < ids.count && i < size; i++) /* ids as a model may make them */
        ids.data[i] = (int32_t)((uint32_t)ids.data[i] * 31 + (unsigned char)text[i]) % (lt_tokenizer_vocab_size(t) + 2);
    check_decoding(t, &ids, 0);
    lt_ids_free(&ids);
    lt_ids_free(&again);
    lt_spans_free(&spans);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static lt_tokenizer *known[PARTS];
    const uint8_t *end = size ? memchr(data, 0, size) : NULL;
    if (size && data[0] >= '0' && data[0] < '0' + PARTS) {
        int which = data[0] - '0';
        if (!known[which]) {
            char *json = make_json(which);
            known[which] = open_json(json, strlen(json));
            assert(known[which]);
            free(json);
        }
        check_encoding(known[which], (const char *)data + 1, size - 1, LT_ENCODE_ADD_SPECIAL);
        check_encoding(known[which], (const char *)data + 1, size - 1, LT_ENCODE_SPECIAL_AS_TEXT);
        return 0;
    }
    size_t json_size = end ? (size_t)(end - data) : size;
    lt_tokenizer *t = open_json(data, json_size);
    if (t) {
        check_encoding(t, end ? (const char *)end + 1 : "a b\xC3\xA9 1", end ? size - json_size - 1 : 7,
                       LT_ENCODE_ADD_SPECIAL);
        lt_tokenizer_close(t);
    }
    return 0;
}
