/* lathe tokenize: a text as the model's tokenizer cuts it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/options.h"
#include "cli/output.h"
#include "core/file.h"
#include "core/utf8.h"
#include "text/tokenizer.h"

static const lt_command_example examples[] = {
    {"lathe tokenize --model SmolLM2-135M-Instruct --text 'Hello, world'", "the tokens of a text, one a line"},
    {"lathe tokenize --model SmolLM2-135M-Instruct --text-file notes.txt --json",
     "ids and tokens of a file for another program"},
    {NULL, NULL},
};

/* The text from wherever the options say; malloc'ed. */
static bool read_text(const lt_options *options, char **text, size_t *size, lt_error *err)
{
    enum { LIMIT_BYTES = 1 << 30 };
    if (!options->text == !options->text_file)
        return lt_error_set(err, LT_ERR_USAGE, "tokenize needs one of --text TEXT and --text-file FILE");
    if (options->text_file)
        return lt_file_read(options->text_file, LIMIT_BYTES, text, size, err);
    *size = strlen(options->text);
    *text = strdup(options->text);
    return *text || lt_error_set(err, LT_ERR_MEMORY, "out of memory");
}

static json_t *result_json(const lt_tokenizer *tokenizer, const lt_ids *ids)
{
    json_t *numbers = json_array(), *tokens = json_array();
    for (size_t i = 0; i < ids->count; i++) {
        size_t size = 0;
        const char *token = lt_tokenizer_token(tokenizer, ids->data[i], &size);
        json_array_append_new(numbers, json_integer(ids->data[i]));
        json_array_append_new(tokens, json_stringn(token ? token : "", size));
    }
    return json_pack("{s:o, s:o}", "ids", numbers, "tokens", tokens);
}

static void print_result(const lt_tokenizer *tokenizer, const lt_ids *ids)
{
    char shown[1024];
    for (size_t i = 0; i < ids->count; i++) {
        const char *token = lt_tokenizer_token(tokenizer, ids->data[i], NULL);
        lt_utf8_printable(token ? token : "", shown, sizeof shown);
        printf("%7d  %s\n", ids->data[i], shown);
    }
}

static bool run(lt_options *options, lt_error *err)
{
    lt_tokenizer *tokenizer = NULL;
    char *text = NULL;
    size_t size = 0;
    lt_ids ids = {0};
    bool ok = read_text(options, &text, &size, err) && lt_tokenizer_open(&tokenizer, options->model, err) &&
              lt_tokenizer_encode(tokenizer, text, size, options->special ? LT_ENCODE_ADD_SPECIAL : 0, &ids, err);
    if (ok && options->json)
        ok = lt_output_json(result_json(tokenizer, &ids), err);
    else if (ok)
        print_result(tokenizer, &ids);
    lt_ids_free(&ids);
    lt_tokenizer_close(tokenizer);
    free(text);
    return ok;
}

const lt_command lt_cli_tokenize = {
    .id = LT_COMMAND_TOKENIZE,
    .name = "tokenize",
    .section = "Look",
    .summary = "a text as the model's tokenizer cuts it",
    .usage = "--model DIR --text TEXT | --text-file FILE",
    .details = "Prints the tokens of a text, one a line: the number and the token as the tokenizer's file spells it.",
    .examples = examples,
    .run = run,
};
