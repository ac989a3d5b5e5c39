/* lathe generate: one answer, as text on standard output or as JSON. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/console.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/prompt.h"
#include "cli/session.h"
#include "cli/stop.h"
#include "cli/tasks.h"

static const lt_command_example examples[] = {
    {"lathe generate --model SmolLM2-135M-Instruct --adapter run --messages question.json", "an answer of the adapted model"},
    {"lathe generate --model SmolLM2-135M --prompt 'The capital of France is' --greedy --max-new-tokens 8", "a continuation"},
    {"lathe generate --model base --prompt 'Q: 7*8?' --examples train.jsonl --num-examples 4", "with examples from a file before it"},
    {NULL, NULL},
};

static void write_piece(const char *text, size_t size, void *context)
{
    (void)context;
    fwrite(text, 1, size, stdout);
    fflush(stdout);
}

static json_t *ids_json(const int32_t *ids, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_integer(ids[i]));
    return list;
}

static bool print_json(const lt_ids *prompt, const lt_generated *g, lt_error *err)
{
    /* Text that is no UTF-8 cannot come out of a tokenizer: broken bytes are U+FFFD by then. */
    return lt_output_json(json_pack("{s:o, s:o, s:s%, s:s, s:f, s:f}", "prompt_ids", ids_json(prompt->data, prompt->count), "output_ids",
                                    ids_json(g->ids.data, g->ids.count), "text", g->text, g->size, "stop_reason",
                                    lt_stop_reason_name(g->reason), "tokens_per_second", g->tokens_per_second, "prompt_seconds",
                                    g->prompt_seconds),
                          err);
}

static bool run(lt_options *options, lt_error *err)
{
    lt_api_model *model = NULL;
    lt_decoder *decoder = NULL;
    lt_ids prompt = {0};
    lt_generated generated = {0};
    bool opened = lt_session_open(&model, options, err);
    if (opened && options->task.kind) {
        bool asked = lt_tasks_generate(options, model, err);
        lt_api_model_close(model);
        return asked;
    }
    bool ok = opened && lt_prompt_make(model, options, &prompt, err);
    int64_t capacity = (int64_t)prompt.count + options->sampling.max_new_tokens;
    ok = ok && lt_session_decoder(model, capacity, &decoder, err);
    if (ok) {
        lt_generate_options how = lt_session_sampling(model, options);
        how.piece = options->json ? NULL : write_piece;
        how.cancel = lt_stop_watch("stopping after this token");
        ok = lt_generate(decoder, 0, capacity, model->base->config.V, model->text->tokenizer, prompt.data, prompt.count, &how, &generated, err);
    }
    if (ok && options->json)
        ok = print_json(&prompt, &generated, err);
    else if (ok) {
        putchar('\n');
        if (generated.reason == LT_STOPPED_CANCELLED)
            ok = lt_error_set(err, LT_ERR_INTERRUPTED, "stopped after %zu tokens", generated.ids.count);
    }
    lt_generated_free(&generated);
    lt_ids_free(&prompt);
    lt_decoder_close(decoder);
    lt_api_model_close(model);
    return ok;
}

const lt_command lt_cli_generate = {
    .id = LT_COMMAND_GENERATE,
    .name = "generate",
    .section = "Use",
    .summary = "one answer or continuation",
    .usage = "--model DIR [--adapter DIR] --prompt TEXT | --messages FILE | --prompt-ids N,N,…",
    .details = "Samples from the model, with the adapter if one is given, and writes the text to standard output as it comes.\n\n"
               "--messages takes a conversation as a row of data has it; the model's chat template makes the prompt. --examples puts "
               "rows of a file before the question (in-context learning), drawn with --seed. With --task the prompt is a question, and the answer is read from the text; --self-consistency takes the "
               "majority of several.",
    .idle = lt_tasks_idle,
    .examples = examples,
    .run = run,
};
