/* Feeds texts to a tokenizer and prints what comes out, for comparison with a reference (scripts/check_tokenizer.py).
 *
 *   tokenize_batch encode|encode-special|encode-text|spans|decode|decode-skip|stream|time MODEL
 *
 * encode…: texts on stdin, each ended by a NUL (a text holds the byte sequence C0 80 where it means a NUL); prints
 * their ids, one line each. spans: begin:end of each id. decode…, stream: lines of ids on stdin; prints the texts, each
 * ended by a NUL, in the same spelling. time: one text on stdin; prints the megabytes per second of encoding it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "text/textbuf.h"
#include "text/tokenizer.h"

static void must(bool ok, const lt_error *err)
{
    if (ok)
        return;
    fprintf(stderr, "tokenize_batch: %s\n", err->message);
    exit(1);
}

static lt_textbuf read_all(FILE *in)
{
    lt_textbuf all = {0};
    lt_error err;
    char part[65536];
    for (size_t n; (n = fread(part, 1, sizeof part, in)) > 0;)
        must(lt_textbuf_append(&all, part, n, &err), &err);
    must(lt_textbuf_terminate(&all, &err), &err);
    return all;
}

/* C0 80 becomes a NUL. */
static size_t unescape(char *text, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < size; i++) {
        bool nul = (unsigned char)text[i] == 0xC0 && i + 1 < size && (unsigned char)text[i + 1] == 0x80;
        text[n++] = nul ? '\0' : text[i];
        i += nul;
    }
    return n;
}

static void put_escaped(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (text[i])
            putchar_unlocked(text[i]);
        else
            fputs("\xC0\x80", stdout);
}

static void encode_all(const lt_tokenizer *t, lt_textbuf in, unsigned flags, bool want_spans)
{
    lt_error err;
    lt_ids ids = {0};
    lt_spans spans = {0};
    for (size_t at = 0; at < in.size;) {
        char *text = in.data + at;
        size_t size = strlen(text);
        at += size + 1;
        size = unescape(text, size);
        ids.count = spans.count = 0;
        must(lt_tokenizer_encode_spans(t, text, size, flags, &ids, want_spans ? &spans : NULL, &err), &err);
        for (size_t i = 0; i < ids.count; i++)
            if (want_spans)
                printf("%s%zu:%zu", i ? " " : "", spans.data[i].begin, spans.data[i].end);
            else
                printf("%s%d", i ? " " : "", ids.data[i]);
        putchar('\n');
    }
    lt_ids_free(&ids);
    lt_spans_free(&spans);
}

static void decode_line(const lt_tokenizer *t, const lt_ids *ids, unsigned flags)
{
    lt_error err;
    char *text;
    size_t size;
    must(lt_tokenizer_decode(t, ids->data, ids->count, flags, &text, &size, &err), &err);
    put_escaped(text, size);
    putchar('\0');
    free(text);
}

static void stream_line(lt_token_stream *stream, const lt_ids *ids)
{
    lt_error err;
    const char *piece;
    size_t size;
    for (size_t i = 0; i < ids->count; i++) {
        must(lt_token_stream_push(stream, ids->data[i], &piece, &size, &err), &err);
        put_escaped(piece, size);
    }
    must(lt_token_stream_finish(stream, &piece, &size, &err), &err);
    put_escaped(piece, size);
    putchar('\0');
}

static void decode_all(const lt_tokenizer *t, lt_textbuf in, unsigned flags, bool streamed)
{
    lt_error err;
    lt_ids ids = {0};
    lt_token_stream *stream;
    must(lt_token_stream_open(&stream, t, flags, &err), &err);
    for (char *line = in.data; line < in.data + in.size;) {
        char *end = strchr(line, '\n');
        ids.count = 0;
        while (line < end) {
            must(lt_ids_push(&ids, (int32_t)strtol(line, &line, 10), &err), &err);
            while (*line == ' ')
                line++;
        }
        line = end + 1;
        if (streamed)
            stream_line(stream, &ids);
        else
            decode_line(t, &ids, flags);
    }
    lt_token_stream_close(stream);
    lt_ids_free(&ids);
}

/* Of this thread's own computing, so that a busy machine does not count. */
static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void time_encoding(const lt_tokenizer *t, lt_textbuf in)
{
    lt_error err;
    lt_ids ids = {0};
    for (int round = 0; round < 5; round++) {
        ids.count = 0;
        double begin = seconds();
        must(lt_tokenizer_encode(t, in.data, in.size, 0, &ids, &err), &err);
        double took = seconds() - begin;
        printf("%zu bytes, %zu tokens, %.3f s, %.1f MB/s\n", in.size, ids.count, took, (double)in.size / took / 1e6);
    }
    lt_ids_free(&ids);
}

int main(int argc, char **argv)
{
    lt_error err;
    lt_tokenizer *t;
    if (argc != 3) {
        fprintf(stderr,
                "usage: tokenize_batch encode|encode-special|encode-text|spans|decode|decode-skip|stream|time MODEL\n");
        return 2;
    }
    const char *what = argv[1];
    double begin = seconds();
    must(lt_tokenizer_open(&t, argv[2], &err), &err);
    if (!strcmp(what, "time"))
        printf("opened in %.3f s\n", seconds() - begin);
    lt_textbuf in = read_all(stdin);
    if (!strcmp(what, "encode"))
        encode_all(t, in, 0, false);
    else if (!strcmp(what, "encode-special"))
        encode_all(t, in, LT_ENCODE_ADD_SPECIAL, false);
    else if (!strcmp(what, "encode-text"))
        encode_all(t, in, LT_ENCODE_SPECIAL_AS_TEXT, false);
    else if (!strcmp(what, "spans"))
        encode_all(t, in, 0, true);
    else if (!strcmp(what, "decode") || !strcmp(what, "decode-skip"))
        decode_all(t, in, strcmp(what, "decode") ? LT_DECODE_SKIP_SPECIAL : 0, false);
    else if (!strcmp(what, "stream"))
        decode_all(t, in, 0, true);
    else if (!strcmp(what, "time"))
        time_encoding(t, in);
    lt_textbuf_free(&in);
    lt_tokenizer_close(t);
    return 0;
}
