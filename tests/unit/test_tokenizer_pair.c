/* Two texts in one sequence; ids and types are those of the tokenizers library. */
#include "tokenizer_fixture.h"

#define FLAGS "\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":false,\"special\":true"
#define FILE_WITH(processor)                                                                                                       \
    "{\"version\":\"1.0\",\"pre_tokenizer\":{\"type\":\"WhitespaceSplit\"},\"post_processor\":" processor                                  \
    ",\"added_tokens\":[{\"id\":0,\"content\":\"[C]\"," FLAGS "},{\"id\":1,\"content\":\"[S]\"," FLAGS "}],"                  \
    "\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[U]\",\"continuing_subword_prefix\":\"##\",\"max_input_chars_per_word\":100,"           \
    "\"vocab\":{\"[C]\":0,\"[S]\":1,\"[U]\":2,\"a\":3,\"b\":4,\"c\":5}}}"

static const char bert[] = FILE_WITH("{\"type\":\"BertProcessing\",\"sep\":[\"[S]\",1],\"cls\":[\"[C]\",0]}");
static const char roberta[] = FILE_WITH("{\"type\":\"RobertaProcessing\",\"sep\":[\"[S]\",1],\"cls\":[\"[C]\",0],\"trim_offsets\":true,"
                                        "\"add_prefix_space\":false}");
static const char plain[] = FILE_WITH("null");
static const char own[] =
    FILE_WITH("{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"[C]\",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\","
              "\"type_id\":0}}],\"pair\":[{\"SpecialToken\":{\"id\":\"[C]\",\"type_id\":0}},{\"Sequence\":{\"id\":\"B\",\"type_id\":2}},"
              "{\"Sequence\":{\"id\":\"A\",\"type_id\":1}}],\"special_tokens\":{\"[C]\":{\"id\":\"[C]\",\"ids\":[0],\"tokens\":[\"[C]\"]}}}");
static const char single[] =
    FILE_WITH("{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"[C]\",\"type_id\":0}},{\"Sequence\":{\"id\":\"A\","
              "\"type_id\":0}}],\"pair\":[],\"special_tokens\":{\"[C]\":{\"id\":\"[C]\",\"ids\":[0],\"tokens\":[\"[C]\"]}}}");

static void check(const char *json, const char *a, const char *b, int64_t most, const char *ids, const char *types)
{
    lt_error err = {0};
    lt_tokenizer *t = fixture_try(json, &err);
    lt_ids got = {0}, type = {0};
    bool cut = false;
    cr_assert(t, "%s", err.message);
    cr_assert(lt_tokenizer_encode_pair(t, (lt_text){a, strlen(a)}, (lt_text){b, strlen(b)}, most, &got, &type, &cut, &err), "%s", err.message);
    cr_assert(got.count == strlen(ids) && type.count == strlen(types), "%s | %s: %zu ids", a, b, got.count);
    for (size_t i = 0; i < got.count; i++)
        cr_assert(got.data[i] == ids[i] - '0' && type.data[i] == types[i] - '0', "%s | %s: place %zu is %d of type %d", a, b, i, got.data[i],
                  type.data[i]);
    lt_ids_free(&got);
    lt_ids_free(&type);
    lt_tokenizer_close(t);
}

Test(tokenizer_pair, post_processors_put_two_texts_into_one_sequence)
{
    check(bert, "a b", "c", 0, "034151", "000011");
    check(roberta, "a b", "c", 0, "0341151", "0000000");
    check(plain, "a b", "c", 0, "345", "001");
    check(own, "a b", "c", 0, "0534", "0211");
    check(single, "a b", "c", 0, "03405", "00011");
}

Test(tokenizer_pair, the_longer_text_is_cut_first)
{
    check(bert, "a a a a", "b", 6, "033141", "000011");
    check(bert, "b", "a a a a", 6, "041331", "000111");
    check(bert, "a a a a", "b b b b b", 8, "03314441", "00001111");
    check(plain, "a a a a a", "b b", 5, "33344", "00011");
}
