/* lathe eval: loss and perplexity of a data set under a model, with or without an adapter. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/console.h"
#include "cli/eval_scores.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/session.h"
#include "cli/stop.h"
#include "cli/tasks.h"
#include "cli/terminal.h"
#include "formats/safetensors.h"
#include "train/evaluate.h"

static const lt_command_example examples[] = {
    {"lathe eval --model SmolLM2-135M-Instruct --data dev.jsonl", "the base model"},
    {"lathe eval --model SmolLM2-135M-Instruct --adapter run --data dev.jsonl --json --per-example", "the adapted one, row by row"},
    {"lathe eval --model SmolLM2-135M-Instruct --data gsm8k-test.jsonl --task number --fewshot-data gsm8k-train.jsonl "
     "--chain-of-thought --self-consistency 8",
     "accuracy of answers to word problems, by majority"},
    {NULL, NULL},
};

/* What one evaluation needs and finds. */
typedef struct evaluation {
    const lt_options *options;
    lt_api_model *model;
    lt_token_store *store;
    lt_engine *engine;
    json_t *rows; /* --per-example: one object a row; else NULL */
    double sum;   /* of log-probabilities */
    int64_t tokens, examples;
    const volatile sig_atomic_t *stop;
    lt_safetensors_writer *logits;
    int64_t logits_rows, V;
    lt_error sink_error; /* of writing logits: the sink itself cannot fail */
} evaluation;

static bool take_row(int64_t index, const float *logp, int64_t targets, void *context, lt_error *err)
{
    evaluation *e = context;
    double sum = 0;
    (void)index;
    for (int64_t i = 0; i < targets; i++)
        sum += logp[i];
    e->sum += sum;
    e->tokens += targets;
    e->examples++;
    if (!e->rows)
        return true;
    json_t *row = json_pack("{s:f, s:f, s:I}", "loss", targets ? -sum / (double)targets : 0.0, "sum_logprob", sum, "tokens",
                            (json_int_t)targets);
    return (row && json_array_append_new(e->rows, row) == 0) || lt_error_set(err, LT_ERR_NUMERIC, "the loss of row %lld is not finite",
                                                                              (long long)index + 1);
}

static bool show_progress(int64_t done, int64_t total, void *context)
{
    evaluation *e = context;
    if (lt_terminal_is_live()) {
        char line[96], a[LT_FIGURE], b[LT_FIGURE];
        snprintf(line, sizeof line, "evaluating  %s of %s tokens", lt_figure_grouped(done, a), lt_figure_grouped(total, b));
        lt_console_status(line);
    }
    return !*e->stop;
}

static void take_logits(int64_t first, int64_t count, const float *logits, void *context)
{
    evaluation *e = context;
    (void)first;
    if (e->sink_error.status == LT_OK)
        lt_safetensors_append(e->logits, logits, count * e->V * (int64_t)sizeof *logits, &e->sink_error);
}

/* Logits (T,V) of the first row, all its tokens, as the model's forward pass gives them. */
static bool save_logits(evaluation *e, lt_error *err)
{
    lt_record_size size;
    if (!lt_token_store_size(e->store, 0, &size, err))
        return false;
    e->V = e->model->base->config.V;
    lt_tensor_spec spec = {.name = "logits", .dtype = LT_DTYPE_F32, .dims = 2, .shape = {size.tokens, e->V}};
    if (!lt_safetensors_create(&e->logits, e->options->save_logits, &spec, 1, NULL, err))
        return false;
    bool ok = lt_evaluate_logits(e->engine, e->store, 0, take_logits, e, err);
    if (ok && e->sink_error.status != LT_OK) {
        *err = e->sink_error;
        ok = false;
    }
    if (ok)
        return lt_safetensors_finish(e->logits, err);
    lt_safetensors_abort(e->logits);
    return false;
}

static bool report(evaluation *e, lt_error *err)
{
    double loss = -e->sum / (double)e->tokens;
    if (!isfinite(loss))
        return lt_error_set(err, LT_ERR_NUMERIC, "the loss is not finite");
    if (e->options->json) {
        json_t *result = json_pack("{s:I, s:I, s:f, s:f}", "examples", (json_int_t)e->examples, "tokens", (json_int_t)e->tokens, "loss", loss,
                                   "perplexity", exp(loss));
        if (result && e->rows)
            json_object_set(result, "per_example", e->rows);
        return lt_output_json(result, err);
    }
    char count[LT_FIGURE], tokens[LT_FIGURE];
    printf("loss %.4f  perplexity %.3f  (%s rows, %s tokens)\n", loss, exp(loss), lt_figure_grouped(e->examples, count),
           lt_figure_grouped(e->tokens, tokens));
    if (e->options->per_example)
        for (size_t i = 0; i < json_array_size(e->rows); i++) {
            json_t *row = json_array_get(e->rows, i);
            printf("%6zu  loss %.4f  %lld tokens\n", i + 1, json_number_value(json_object_get(row, "loss")),
                   (long long)json_integer_value(json_object_get(row, "tokens")));
        }
    return true;
}

static bool run(lt_options *options, lt_error *err)
{
    evaluation e = {.options = options, .stop = lt_stop_watch("stopping")};
    if (!lt_session_open(&e.model, options, err))
        return false;
    if (e.model->base->score.N) {
        bool scored = lt_eval_scores(options, e.model, err);
        lt_api_model_close(e.model);
        return scored;
    }
    if (options->task.kind) {
        bool asked = lt_tasks_eval(options, e.model, err);
        lt_api_model_close(e.model);
        return asked;
    }
    if (options->per_example)
        e.rows = json_array();
    lathe_evaluate_options rows = {.data = options->train.data, .fields = options->train.fields, .max_length = options->train.max_length};
    int64_t pass_tokens;
    bool ok = lt_api_evaluation_open(e.model, &rows, &e.store, &e.engine, &pass_tokens, err);
    if (ok) {
        lt_objective_options none = {0};
        lt_evaluate_options how = {.objective = &lt_objective_lm, .objective_options = &none, .pass_tokens = pass_tokens,
                                   .record = take_row, .progress = show_progress, .context = &e};
        lt_objective_sums sums;
        ok = lt_evaluate(e.engine, e.store, &how, &sums, err);
        lt_console_clear_status();
    }
    if (ok && options->save_logits)
        ok = save_logits(&e, err);
    ok = ok && report(&e, err);
    lt_engine_close(e.engine);
    lt_token_store_close(e.store);
    lt_api_model_close(e.model);
    json_decref(e.rows);
    return ok;
}

const lt_command lt_cli_eval = {
    .id = LT_COMMAND_EVAL,
    .name = "eval",
    .section = "Use",
    .summary = "loss and perplexity on a data set",
    .usage = "--model DIR [--adapter DIR] --data FILE…",
    .details = "The mean negative log-likelihood, in nats, of the tokens that training would count: completions and assistant turns, or "
               "all of a text. Rows are not shuffled and not padded. Of a classifier: accuracy, F1 and confusion matrix; of a reward "
               "model: accuracy and margin on pairs.\n\n"
               "With --task the model answers questions: the accuracy of what its answers say in the end, with a 95 % interval (Wilson). "
               "--fewshot-data shows examples first, --chain-of-thought asks for steps, --self-consistency takes the majority of several "
               "sampled answers.",
    .idle = lt_tasks_idle,
    .operand = "data",
    .examples = examples,
    .run = run,
};
