/* A program as a user of the library writes it: built against an installed prefix, run by test_install.sh.
 *
 *   api MODEL DATA OUTPUT      tokenizes, trains an adapter, answers with it, evaluates it */
#include <lathe.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(int ok, const char *what, const lathe_error *err)
{
    if (ok)
        return;
    fprintf(stderr, "%s: %s\n", what, err ? err->message : "not as expected");
    exit(1);
}

static void use_tokenizer(const char *model)
{
    lathe_error err;
    lathe_tokenizer *tokenizer;
    const char *text = "The boats in the harbour.";
    int32_t *ids;
    char *back;
    size_t count, size;
    check(lathe_tokenizer_open(&tokenizer, model, &err), "open", &err);
    check(lathe_encode(tokenizer, text, strlen(text), false, &ids, &count, &err), "encode", &err);
    check(count > 0 && count < strlen(text), "count", NULL);
    check(lathe_decode(tokenizer, ids, count, false, &back, &size, &err), "decode", &err);
    check(size == strlen(text) && strcmp(back, text) == 0, "round trip", NULL);
    lathe_free(ids);
    lathe_free(back);
    lathe_tokenizer_close(tokenizer);
    check(!lathe_tokenizer_open(&tokenizer, "/nowhere", &err), "a folder that is not there was opened", NULL);
    check(tokenizer == NULL && err.status == LATHE_ERR_IO && strstr(err.message, "/nowhere"), err.message, NULL);
}

static void count_steps(const lathe_progress *progress, void *context)
{
    if (strcmp(progress->phase, "training") == 0)
        *(int64_t *)context = progress->done;
}

static void train(const char *model, const char *data, const char *output)
{
    lathe_error err;
    lathe_train_options options;
    lathe_train_result result;
    int64_t steps = 0;
    check(lathe_train_options_init(&options, "sft", &err), "init", &err);
    options.model = model;
    options.data = (lathe_strings){&data, 1};
    options.output = output;
    options.max_steps = 10;
    options.batch_size = 4;
    options.learning_rate = 5e-3;
    options.threads = 1;
    options.progress = count_steps;
    options.progress_context = &steps;
    check(lathe_train(&options, &result, &err), "train", &err);
    check(result.steps == 10 && steps == 10, "steps", NULL);
    check(isfinite(result.loss_first) && isfinite(result.loss_last) && result.trained_tokens > 0, "figures", NULL);
    check(isnan(result.eval_loss), "an evaluation that was not asked for", NULL);
    check(!lathe_train(&options, NULL, &err) && err.status == LATHE_ERR_USAGE, "an earlier run was written over", NULL);
    check(!lathe_train_options_init(&options, "knit", &err), "a command that is not there", NULL);
}

static double loss_of(const char *path, const char *adapter, const char *data)
{
    lathe_error err;
    lathe_model *model;
    lathe_evaluation evaluation;
    lathe_model_options options = {.adapter = adapter};
    lathe_evaluate_options evaluate = {.data = {&data, 1}};
    check(lathe_model_open(&model, path, &options, &err), "model", &err);
    check(lathe_evaluate(model, &evaluate, &evaluation, &err), "evaluate", &err);
    check(evaluation.examples == 8 && evaluation.tokens > 8, "examples", NULL);
    check(fabs(evaluation.perplexity - exp(evaluation.loss)) < 1e-6 * evaluation.perplexity, "perplexity", NULL);
    lathe_model_close(model);
    return evaluation.loss;
}

static void collect(const char *text, size_t size, void *context)
{
    strncat(context, text, size);
}

static void answer(const char *path, const char *adapter)
{
    static char streamed[4096];
    lathe_error err;
    lathe_model *model;
    lathe_generated out;
    lathe_model_options options = {.adapter = adapter};
    lathe_generate_options generate = {.max_new_tokens = 5, .ignore_eos = true, .piece = collect, .context = streamed};
    check(lathe_model_open(&model, path, &options, &err), "model", &err);
    check(lathe_model_tokenizer(model) != NULL, "tokenizer", NULL);
    check(lathe_generate(model, "The ferry", &generate, &out, &err), "generate", &err);
    check(out.count == 5 && strcmp(out.stop_reason, "length") == 0, "tokens", NULL);
    check(strcmp(streamed, out.text) == 0, "the pieces are not the text", NULL);
    lathe_free(out.text);
    lathe_free(out.ids);
    check(lathe_answer(model, "[{\"role\": \"user\", \"content\": \"How many boats?\"}]", NULL, &out, &err), "answer",
          &err);
    lathe_free(out.text);
    lathe_free(out.ids);
    check(!lathe_answer(model, "{", NULL, &out, &err) && err.status == LATHE_ERR_FORMAT, "broken messages", NULL);
    lathe_model_close(model);
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    use_tokenizer(argv[1]);
    double before = loss_of(argv[1], NULL, argv[2]);
    train(argv[1], argv[2], argv[3]);
    double after = loss_of(argv[1], argv[3], argv[2]);
    check(after < before, "the adapter made the loss no better", NULL);
    answer(argv[1], argv[3]);
    printf("lathe %s: loss %.4f to %.4f\n", lathe_version(), before, after);
    return 0;
}
