/* Tokenizer files that are wrong: one error that names the file, the place and what is wrong with it. */
#include "tokenizer_fixture.h"

#define BPE "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[\"a b\"]}"
#define VOCAB(vocab) "{\"model\":{\"type\":\"BPE\",\"vocab\":" vocab ",\"merges\":[]}}"
#define MERGES(merges) "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":" merges "}}"
#define WITH(part) "{" part "," BPE "}"
#define REGEX(source)                                                                                                  \
    WITH("\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"" source                                      \
         "\"},\"behavior\":\"Isolated\",\"invert\":false}")
#define TOKEN(fields) WITH("\"added_tokens\":[{" fields "}]")
#define FLAGS "\"special\":true,\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":false"

static void refused(const char *json, const char *where, const char *what)
{
    lt_error err = {0};
    lt_tokenizer *t = fixture_try(json, &err);
    cr_expect(!t, "taken: %.200s", json);
    cr_expect(strstr(err.message, "tokenizer.json: ") && strstr(err.message, where) && strstr(err.message, what),
              "expected \"%s\" and \"%s\" in \"%s\"", where, what, err.message);
    lt_tokenizer_close(t);
}

Test(tokenizer_hostile, files_that_are_no_tokenizer_are_refused)
{
    refused("", "", "not valid JSON");
    refused("[]", "", "expected an object");
    refused("{}", "", "'model' is missing");
    refused("{\"model\":null}", "", "'model' is null");
    refused("{\"model\":7}", "field 'model'", "expected an object");
    refused("{\"version\":\"2.0\"," BPE "}", "", "version");
    refused("{\"a\":1,\"a\":2}", "", "duplicate");
}

Test(tokenizer_hostile, unknown_kinds_are_named)
{
    refused("{\"model\":{\"type\":\"Weird\"}}", "model", "\"Weird\"");
    refused(WITH("\"normalizer\":{\"type\":\"Weird\"}"), "normalizer", "\"Weird\"");
    refused(WITH("\"pre_tokenizer\":{\"type\":\"Weird\"}"), "pre_tokenizer", "\"Weird\"");
    refused(WITH("\"post_processor\":{\"type\":\"Weird\"}"), "post_processor", "\"Weird\"");
    refused(WITH("\"decoder\":{\"type\":\"Weird\"}"), "decoder", "\"Weird\"");
}

Test(tokenizer_hostile, vocabularies_with_bad_ids_are_refused)
{
    refused(VOCAB("7"), "model.vocab", "expected an object");
    refused(VOCAB("{\"a\":-1}"), "model.vocab.a", "-1");
    refused(VOCAB("{\"a\":2000000000}"), "model.vocab.a", "2000000000");
    refused(VOCAB("{\"a\":99999999999999999999}"), "", "too big integer");
    refused(VOCAB("{\"a\":\"0\"}"), "model.vocab.a", "expected an integer");
    refused(VOCAB("{\"a\":0.5}"), "model.vocab.a", "0.5");
    refused(VOCAB("{\"a\":0,\"b\":0}"), "model.vocab.b", "already that of \"a\"");
}

Test(tokenizer_hostile, merges_that_make_no_sense_are_refused)
{
    refused("{\"model\":{\"type\":\"BPE\",\"vocab\":{}}}", "model", "'merges' is missing");
    refused(MERGES("{}"), "model.merges", "expected a list");
    refused(MERGES("[\"a b\",\"a c\"]"), "model.merges[1]", "\"c\" is not in the vocabulary");
    refused(MERGES("[\"b a\"]"), "model.merges[0]", "\"ba\", is not in the vocabulary");
    refused(MERGES("[\"a b c\"]"), "model.merges[0]", "expected");
    refused(MERGES("[[\"a\"]]"), "model.merges[0]", "expected");
    refused(MERGES("[[\"a\",1]]"), "model.merges[0][1]", "expected a string");
    refused("{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0},\"merges\":[],\"dropout\":0.5}}", "model", "dropout");
}

Test(tokenizer_hostile, steps_with_bad_fields_are_refused)
{
    refused(WITH("\"normalizer\":{\"type\":\"Strip\",\"strip_left\":true}"), "normalizer", "'strip_right' is missing");
    refused(WITH("\"normalizer\":{\"type\":\"Strip\",\"strip_left\":1,\"strip_right\":true}"), "normalizer.strip_left",
            "expected");
    refused(WITH("\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"!\"}"), "precompiled_charsmap",
            "base64");
    refused(WITH("\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"/////w==\"}"),
            "precompiled_charsmap", "trie");
    refused(WITH("\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Digits\"}]}"),
            "pre_tokenizer.pretokenizers[0]", "'individual_digits' is missing");
    refused(WITH("\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"ab\"}"), "pre_tokenizer.replacement",
            "one character");
    refused(WITH("\"pre_tokenizer\":{\"type\":\"FixedLength\",\"length\":0}"), "pre_tokenizer.length", "0");
    refused(WITH("\"decoder\":{\"type\":\"Strip\",\"content\":\"a\",\"start\":-1,\"stop\":0}"), "decoder.start", "-1");
    refused(WITH("\"post_processor\":{\"type\":\"BertProcessing\",\"cls\":[\"a\",99],\"sep\":[\"b\",1]}"),
            "post_processor", "99");
    refused(WITH("\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"x\"}}],"
                 "\"special_tokens\":{}}"),
            "special_tokens", "'x' is missing");
    refused(WITH("\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"Sequence\":{\"id\":\"B\"}}],"
                 "\"special_tokens\":{}}"),
            "single[0].Sequence", "\"B\"");
}

Test(tokenizer_hostile, added_tokens_with_bad_fields_are_refused)
{
    refused(WITH("\"added_tokens\":{}"), "added_tokens", "expected a list");
    refused(TOKEN("\"id\":3"), "added_tokens[0]", "'content' is missing");
    refused(TOKEN("\"id\":3,\"content\":\"x\""), "added_tokens[0]", "'special' is missing");
    refused(TOKEN("\"id\":-3,\"content\":\"x\"," FLAGS), "added_tokens[0].id", "-3");
    refused(TOKEN("\"id\":5000000,\"content\":\"x\"," FLAGS), "added_tokens[0].id", "5000000");
}

Test(tokenizer_hostile, an_added_token_that_would_take_the_id_of_another_is_refused)
{
    refused("{\"added_tokens\":[{\"id\":2,\"content\":\"x\"," FLAGS
            "}],\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":2},\"merges\":[]}}",
            "added_tokens[0]", "already that of \"b\"");
}

Test(tokenizer_hostile, patterns_that_pcre2_cannot_run_are_refused)
{
    refused(REGEX("("), "pre_tokenizer.pattern.Regex", "group without )");
    refused(REGEX("[a"), "pre_tokenizer.pattern.Regex", "[ without ]");
    refused(REGEX("a)"), "pre_tokenizer.pattern.Regex", ") without (");
    refused(REGEX("*a"), "pre_tokenizer.pattern.Regex", "nothing to repeat");
    refused(REGEX("(?<=a+)b"), "pre_tokenizer.pattern.Regex", "lookbehind");
    refused(REGEX("\\\\p{Nonsense}"), "pre_tokenizer.pattern.Regex", "property");
    refused(REGEX("(?<name>a)"), "pre_tokenizer.pattern.Regex", "group of a kind");
    refused(REGEX("(?s:a)"), "pre_tokenizer.pattern.Regex", "option");
    refused(REGEX("[b-a]"), "pre_tokenizer.pattern.Regex", "range");
    refused(REGEX("\\\\"), "pre_tokenizer.pattern.Regex", "backslash");
}

/* prefix, `count` times part, suffix */
static char *repeat(const char *prefix, const char *part, int count, const char *suffix)
{
    size_t size = strlen(prefix) + strlen(part) * (size_t)count + strlen(suffix) + 1, used = 0;
    char *text = malloc(size);
    used += (size_t)sprintf(text, "%s", prefix);
    for (int i = 0; i < count; i++)
        used += (size_t)sprintf(text + used, "%s", part);
    sprintf(text + used, "%s", suffix);
    return text;
}

Test(tokenizer_hostile, nesting_bombs_are_refused)
{
    char *deep = repeat("{\"model\":", "[", 100000, "");
    refused(deep, "", "not valid JSON");
    free(deep);
    char *ends = repeat("{\"type\":\"NFC\"}", "]}", 200, "," BPE "}");
    char *sequences = repeat("{\"normalizer\":", "{\"type\":\"Sequence\",\"normalizers\":[", 200, ends);
    refused(sequences, "normalizer", "nested more than");
    free(ends);
    free(sequences);
    char *groups = repeat("{\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"Regex\":\"", "(", 5000,
                          "\"},\"behavior\":\"Isolated\",\"invert\":false}," BPE "}");
    refused(groups, "pattern", "nested groups");
    free(groups);
}

static void gives_up(const char *json, const char *text, const char *what)
{
    lt_error err = {0};
    lt_ids ids = {0};
    lt_tokenizer *t = fixture_open(json);
    cr_assert(lt_ids_push(&ids, 7, &err));
    cr_expect(!lt_tokenizer_encode(t, text, strlen(text), 0, &ids, &err));
    cr_expect(strstr(err.message, what), "expected \"%s\" in \"%s\"", what, err.message);
    cr_expect(ids.count == 1 && ids.data[0] == 7, "what was in the list stays");
    lt_ids_free(&ids);
    lt_tokenizer_close(t);
}

Test(tokenizer_hostile, a_pattern_that_explodes_is_an_error_and_not_a_hang)
{
    char *text = repeat("", "a", 60, "b");
    gives_up(REGEX("(a|aa|a)+$"), text, "gives up at byte 0");
    gives_up(REGEX("(a*)*[cd]"), text, "gives up at byte 0");
    free(text);
}

Test(tokenizer_hostile, replacements_that_blow_up_a_text_are_an_error)
{
    char *doubling =
        repeat("{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFC\"}",
               ",{\"type\":\"Replace\",\"pattern\":{\"String\":\"a\"},\"content\":\"aa\"}", 60, "]}," BPE "}");
    gives_up(doubling, "aaaa", "longer than");
    free(doubling);
}
