/* tests/data/tokenizer/cases.json holds small tokenizers of every kind of part, texts, and what the reference makes of
 * them (scripts/make_tokenizer_cases.py). */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "text/tokenizer.h"

static json_t *load_cases(void)
{
    json_error_t why;
    json_t *root = json_load_file("tests/data/tokenizer/cases.json", JSON_ALLOW_NUL, &why);
    cr_assert(root, "%s", why.text);
    return root;
}

static lt_tokenizer *open_case(json_t *root, json_t *item)
{
    char path[] = "/tmp/lathe-test-XXXXXX";
    lt_error err;
    lt_tokenizer *t = NULL;
    json_t *file = json_copy(json_object_get(item, "parts"));
    json_t *model = json_object_get(json_object_get(root, "models"), json_string_value(json_object_get(item, "model")));
    json_object_set(file, "model", model);
    int fd = mkstemp(path);
    cr_assert(fd >= 0 && json_dumpfd(file, fd, 0) == 0);
    close(fd);
    bool ok = lt_tokenizer_open(&t, path, &err);
    unlink(path);
    json_decref(file);
    cr_assert(ok, "%s: %s", json_string_value(json_object_get(item, "name")), err.message);
    return t;
}

static void check_ids(json_t *item, json_t *row, const lt_ids *ids, const char *key)
{
    json_t *want = json_object_get(row, key);
    if (!want)
        want = json_object_get(row, "ids");
    bool same = json_array_size(want) == ids->count;
    for (size_t i = 0; same && i < ids->count; i++)
        same = json_integer_value(json_array_get(want, i)) == ids->data[i];
    char *text = json_dumps(want, JSON_COMPACT), got[600] = "";
    for (size_t i = 0; i < ids->count && strlen(got) < 500; i++)
        snprintf(got + strlen(got), sizeof got - strlen(got), "%s%d", i ? "," : "", ids->data[i]);
    cr_expect(same, "%s: %s of \"%s\": expected %s, got [%s]", json_string_value(json_object_get(item, "name")), key,
              json_string_value(json_object_get(row, "text")), text, got);
    free(text);
}

static void check_text(json_t *item, json_t *row, const char *text, size_t size, const char *key, const char *how)
{
    json_t *want = json_object_get(row, key);
    if (!want)
        want = json_object_get(row, "decoded");
    bool same = json_string_length(want) == size && !memcmp(json_string_value(want), text, size);
    cr_expect(same, "%s: %s of \"%s\"%s: expected \"%s\", got \"%s\"", json_string_value(json_object_get(item, "name")),
              key, json_string_value(json_object_get(row, "text")), how, json_string_value(want), text);
}

static void encode(const lt_tokenizer *t, json_t *row, unsigned flags, lt_ids *ids)
{
    lt_error err;
    json_t *text = json_object_get(row, "text");
    ids->count = 0;
    cr_assert(lt_tokenizer_encode(t, json_string_value(text), json_string_length(text), flags, ids, &err), "%s",
              err.message);
}

static void each_row(void (*check)(const lt_tokenizer *t, json_t *item, json_t *row))
{
    json_t *root = load_cases(), *item, *row;
    size_t i, k;
    json_array_foreach(json_object_get(root, "cases"), i, item)
    {
        lt_tokenizer *t = open_case(root, item);
        json_array_foreach(json_object_get(item, "rows"), k, row) check(t, item, row);
        lt_tokenizer_close(t);
    }
    json_decref(root);
}

static void check_encoding(const lt_tokenizer *t, json_t *item, json_t *row)
{
    lt_ids ids = {0};
    for (int round = 0; round < 2; round++) { /* the second time words come out of the cache */
        encode(t, row, 0, &ids);
        check_ids(item, row, &ids, "ids");
    }
    encode(t, row, LT_ENCODE_ADD_SPECIAL, &ids);
    check_ids(item, row, &ids, "framed");
    encode(t, row, LT_ENCODE_SPECIAL_AS_TEXT, &ids);
    check_ids(item, row, &ids, "as_text");
    lt_ids_free(&ids);
}

Test(tokenizer_cases, ids_are_those_of_the_reference)
{
    each_row(check_encoding);
}

static void check_decoding(const lt_tokenizer *t, json_t *item, json_t *row)
{
    lt_ids ids = {0};
    lt_error err;
    char *text;
    size_t size;
    encode(t, row, 0, &ids);
    cr_assert(lt_tokenizer_decode(t, ids.data, ids.count, 0, &text, &size, &err));
    check_text(item, row, text, size, "decoded", "");
    free(text);
    encode(t, row, LT_ENCODE_ADD_SPECIAL, &ids);
    cr_assert(lt_tokenizer_decode(t, ids.data, ids.count, LT_DECODE_SKIP_SPECIAL, &text, &size, &err));
    check_text(item, row, text, size, "skipped", "");
    free(text);
    lt_ids_free(&ids);
}

Test(tokenizer_cases, decoded_text_is_that_of_the_reference)
{
    each_row(check_decoding);
}

static void check_stream(const lt_tokenizer *t, json_t *item, json_t *row)
{
    lt_ids ids = {0};
    lt_error err;
    lt_token_stream *stream;
    const char *piece;
    size_t size;
    char all[2000] = "";
    size_t used = 0;
    encode(t, row, 0, &ids);
    cr_assert(lt_token_stream_open(&stream, t, 0, &err));
    for (size_t i = 0; i <= ids.count; i++) {
        cr_assert(i < ids.count ? lt_token_stream_push(stream, ids.data[i], &piece, &size, &err)
                                : lt_token_stream_finish(stream, &piece, &size, &err));
        cr_assert(used + size < sizeof all);
        memcpy(all + used, piece, size);
        used += size;
        all[used] = '\0';
    }
    check_text(item, row, all, used, "decoded", " as a stream");
    lt_token_stream_close(stream);
    lt_ids_free(&ids);
}

Test(tokenizer_cases, a_stream_gives_the_text_of_a_whole_decode)
{
    each_row(check_stream);
}

static void check_spans(const lt_tokenizer *t, json_t *item, json_t *row)
{
    lt_ids ids = {0};
    lt_spans spans = {0};
    lt_error err;
    json_t *text = json_object_get(row, "text");
    size_t size = json_string_length(text);
    lt_span last = {0, 0};
    cr_assert(lt_tokenizer_encode_spans(t, json_string_value(text), size, 0, &ids, &spans, &err), "%s", err.message);
    check_ids(item, row, &ids, "ids"); /* tracking origins changes nothing */
    cr_assert_eq(spans.count, ids.count);
    for (size_t i = 0; i < spans.count; i++) {
        lt_span s = spans.data[i];
        cr_expect(s.begin <= s.end && s.end <= size && s.begin >= last.begin && s.end >= last.end,
                  "%s: token %zu of \"%s\" spans %zu to %zu", json_string_value(json_object_get(item, "name")), i,
                  json_string_value(text), s.begin, s.end);
        last = s;
    }
    lt_ids_free(&ids);
    lt_spans_free(&spans);
}

Test(tokenizer_cases, spans_lie_in_the_text_and_in_order)
{
    each_row(check_spans);
}
