/* A tokenizer as a folder of files: what stands beside tokenizer.json, and layouts without one. */
#include "tokenizer_fixture.h"

#define FLAGS "\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":false"
static const char plain[] =
    "{\"added_tokens\":[{\"id\":3,\"content\":\"<end>\",\"special\":true," FLAGS "}],\"post_processor\":"
    "{\"type\":\"BertProcessing\",\"cls\":[\"a\",0],\"sep\":[\"b\",1]},"
    "\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[\"a b\"]}}";

static lt_tokenizer *open_folder(const char *folder)
{
    lt_error err;
    lt_tokenizer *t = NULL;
    cr_assert(lt_tokenizer_open(&t, folder, &err), "%s", err.message);
    return t;
}

static void refused(const char *folder, const char *file, const char *what)
{
    lt_error err = {0};
    lt_tokenizer *t = NULL;
    cr_expect(!lt_tokenizer_open(&t, folder, &err));
    cr_expect(strstr(err.message, file) && strstr(err.message, what), "%s", err.message);
}

Test(tokenizer_folder, special_tokens_are_named_by_the_files_beside)
{
    char *folder = fixture_folder();
    const int32_t *stop;
    const char *name;
    fixture_write(folder, "tokenizer.json", plain);
    fixture_write(
        folder, "tokenizer_config.json",
        "{\"bos_token\":{\"content\":\"a\",\"__type\":\"AddedToken\"},\"eos_token\":\"<end>\",\"pad_token\":null,"
        "\"model_max_length\":1000000000000000019884624838656,\"extra_special_tokens\":{\"image_token\":\"<img>\"}}");
    fixture_write(folder, "special_tokens_map.json", "{\"pad_token\":\"b\",\"eos_token\":\"a\"}");
    fixture_write(folder, "generation_config.json", "{\"eos_token_id\":[3,1,77],\"bos_token_id\":2}");
    lt_tokenizer *t = open_folder(folder);
    cr_expect_eq(lt_tokenizer_special_id(t, LT_SPECIAL_BOS), 0);
    cr_expect_eq(lt_tokenizer_special_id(t, LT_SPECIAL_EOS), 3, "tokenizer_config.json goes before the map");
    cr_expect_eq(lt_tokenizer_special_id(t, LT_SPECIAL_PAD), 1);
    cr_expect_eq(lt_tokenizer_special_id(t, LT_SPECIAL_CLS), -1);
    cr_expect_str_eq(lt_tokenizer_special_token(t, LT_SPECIAL_EOS), "<end>");
    cr_expect_null(lt_tokenizer_special_token(t, LT_SPECIAL_MASK));
    cr_expect_eq(lt_tokenizer_stop_ids(t, &stop), 2, "77 is no token");
    cr_expect(stop[0] == 3 && stop[1] == 1);
    bool found = false;
    for (size_t i = 0; i < lt_tokenizer_named_count(t); i++) {
        const char *text = lt_tokenizer_named(t, i, &name);
        found = found || (!strcmp(name, "image_token") && !strcmp(text, "<img>"));
    }
    cr_expect(found);
    lt_tokenizer_close(t);
    fixture_remove(folder);
}

Test(tokenizer_folder, the_ids_of_the_generation_config_stand_in_for_names)
{
    char *folder = fixture_folder();
    const int32_t *stop;
    fixture_write(folder, "tokenizer.json", plain);
    fixture_write(folder, "config.json", "{\"eos_token_id\":1,\"bos_token_id\":0,\"vocab_size\":4}");
    lt_tokenizer *t = open_folder(folder);
    cr_expect_eq(lt_tokenizer_special_id(t, LT_SPECIAL_EOS), 1);
    cr_expect_eq(lt_tokenizer_special_id(t, LT_SPECIAL_BOS), 0);
    cr_expect_str_eq(lt_tokenizer_special_token(t, LT_SPECIAL_EOS), "b");
    cr_expect(lt_tokenizer_stop_ids(t, &stop) == 1 && stop[0] == 1);
    lt_tokenizer_close(t);
    fixture_remove(folder);
}

Test(tokenizer_folder, add_bos_token_decides_what_goes_before_a_text)
{
    char *folder = fixture_folder();
    fixture_write(folder, "tokenizer.json", plain);
    lt_tokenizer *t = open_folder(folder);
    fixture_expect(t, "ab", 2, LT_ENCODE_ADD_SPECIAL, "0 2 1");
    lt_tokenizer_close(t);
    fixture_write(folder, "tokenizer_config.json",
                  "{\"bos_token\":\"<end>\",\"add_bos_token\":true,\"add_eos_token\":false}");
    t = open_folder(folder);
    fixture_expect(t, "ab", 2, LT_ENCODE_ADD_SPECIAL, "3 2");
    fixture_expect(t, "ab", 2, 0, "2");
    lt_tokenizer_close(t);
    fixture_remove(folder);
}

Test(tokenizer_folder, tokens_that_only_the_config_knows_are_added)
{
    char *folder = fixture_folder();
    fixture_write(folder, "tokenizer.json", plain);
    fixture_write(folder, "tokenizer_config.json",
                  "{\"added_tokens_decoder\":{\"5\":{\"content\":\"<late>\",\"special\":true," FLAGS
                  "},\"3\":{\"content\":\"<end>\"},"
                  "\"4\":{\"content\":\"<pad>\",\"special\":true," FLAGS "}}}");
    lt_tokenizer *t = open_folder(folder);
    fixture_expect(t, "ab<late><end><pad>", 18, 0, "2 5 3 4");
    lt_tokenizer_close(t);
    fixture_write(folder, "tokenizer_config.json", "{\"added_tokens_decoder\":{\"x\":{\"content\":\"<late>\"}}}");
    refused(folder, "tokenizer_config.json", "added_tokens_decoder.x");
    fixture_remove(folder);
}

Test(tokenizer_folder, vocab_and_merges_files_make_a_tokenizer)
{
    /* Byte-level: all 256 characters, then merges. Ids by the Python package. */
    char *folder = fixture_folder(), *vocab = NULL;
    size_t size;
    FILE *out = open_memstream(&vocab, &size);
    fprintf(out, "{\"h\":0,\"e\":1,\"l\":2,\"o\":3,\"he\":4,\"ll\":5,\"llo\":6,\"Ġ\":7,\"Ċ\":8,\"1\":9,\"2\":10,"
                 "\"Ġhe\":11,\"Ã\":12,\"©\":13}");
    fclose(out);
    fixture_write(folder, "vocab.json", vocab);
    fixture_write(folder, "merges.txt", "#version: 0.2\nh e\r\nl l\nll o\nĠ he\n");
    fixture_write(folder, "tokenizer_config.json",
                  "{\"tokenizer_class\":\"Qwen2Tokenizer\",\"eos_token\":\"<|end|>\",\"added_tokens_decoder\":{\"14\":{"
                  "\"content\":\"<|end|>\","
                  "\"special\":true," FLAGS "}}}");
    lt_tokenizer *t = open_folder(folder);
    fixture_expect(t, "hello he12\n<|end|>e\xCC\x81", 21, 0,
                   "4 6 11 9 10 8 14 12 13"); /* NFC makes é of e and U+0301 */
    cr_expect_eq(lt_tokenizer_special_id(t, LT_SPECIAL_EOS), 14);
    lt_tokenizer_close(t);
    fixture_write(folder, "tokenizer_config.json", "{\"tokenizer_class\":\"GPT2TokenizerFast\"}");
    t = open_folder(folder);
    fixture_expect(t, "hello he12", 10, 0, "4 6 11 9 10");
    lt_tokenizer_close(t);
    fixture_write(folder, "tokenizer_config.json", "{\"tokenizer_class\":\"OtherTokenizer\"}");
    refused(folder, "tokenizer_config.json", "OtherTokenizer");
    fixture_write(folder, "tokenizer_config.json", "{\"tokenizer_class\":\"Qwen2Tokenizer\"}");
    fixture_write(folder, "merges.txt", "h e\nl x\n");
    refused(folder, "vocab.json", "merges[1]");
    free(vocab);
    fixture_remove(folder);
}

Test(tokenizer_folder, folders_without_a_tokenizer_say_so)
{
    char *folder = fixture_folder();
    refused(folder, folder, "no tokenizer.json");
    fixture_write(folder, "tokenizer.model", "x");
    refused(folder, "tokenizer.model", "not a SentencePiece model");
    fixture_write(folder, "tokenizer.json", plain);
    fixture_write(folder, "generation_config.json", "{\"eos_token_id\":\"x\"}");
    refused(folder, "generation_config.json", "eos_token_id");
    fixture_write(folder, "generation_config.json", "[");
    refused(folder, "generation_config.json", "not valid JSON");
    fixture_remove(folder);
    refused("/nonexistent/folder", "/nonexistent/folder", "No such file");
}
