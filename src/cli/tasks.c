#include "cli/tasks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/console.h"
#include "cli/output.h"
#include "cli/session.h"
#include "cli/stop.h"
#include "cli/terminal.h"
#include "core/threads.h"
#include "rl/policy.h"
#include "rl/task.h"

/* What is asked, and what was answered. */
typedef struct quiz {
    lt_options *options;
    lt_api_model *model;
    lt_questions shots_file, shots, questions;
    lt_task task;
    int64_t samples;        /* of each question */
    lt_ids *prompts;        /* (questions) */
    lt_rollout_answer *got; /* (questions · samples) */
    char **text, **said;    /* the same */
    size_t *size;
    lt_rollout_counts counts;
} quiz;

const char *lt_tasks_idle(const lt_options *options, const lt_option *option)
{
    static const char *const ours[] = {"chain-of-thought", "num-fewshot",   "fewshot-data", "self-consistency", "answer-pattern",
                                       "max-examples",     "decode-batch",  "max-new-tokens", "temperature",    "top-k",
                                       "top-p",            "min-p",         "seed",         "repetition-penalty"};
    const lt_task_options *o = &options->task;
    bool eval = options->command->id == LT_COMMAND_EVAL;
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (o->kind == LT_TASK_NONE && strcmp(option->name, ours[i]) == 0 && (eval || i < 7))
            return "there is no --task";
    if (strcmp(option->name, "answer-pattern") == 0 && o->kind != LT_TASK_REGEX)
        return "--task is not regex";
    if (strcmp(option->name, "num-fewshot") == 0 && o->fewshot_data.count == 0)
        return "there is no --fewshot-data";
    if (o->kind != LT_TASK_NONE && strcmp(option->name, "save-logits") == 0)
        return "--task asks for answers, not for logits";
    return NULL;
}

/* ---- asking ---- */

static bool read_task(quiz *q, lt_error *err)
{
    const lt_options *o = q->options;
    const lathe_fields *names = &o->train.fields;
    lt_dataset_fields fields = {.text = names->text, .prompt = names->prompt, .completion = names->completion};
    q->task = (lt_task){.kind = (lt_task_kind)o->task.kind, .chain_of_thought = o->task.chain_of_thought, .pattern = o->task.answer_pattern};
    q->samples = o->task.self_consistency;
    if (q->task.kind == LT_TASK_REGEX && !q->task.pattern)
        return lt_error_set(err, LT_ERR_USAGE, "--task regex needs --answer-pattern: the expression whose group is the answer");
    if (o->task.fewshot_data.count) {
        if (!lt_questions_read(&q->shots_file, q->task.kind, o->task.fewshot_data.items, o->task.fewshot_data.count, &fields, 0, err) ||
            !lt_task_draw(&q->shots_file, o->task.num_fewshot, (uint64_t)o->train.seed, &q->shots, err))
            return false;
        q->task.shots = &q->shots;
    }
    return true;
}

static bool encode(const quiz *q, const char *question, lt_ids *ids, lt_error *err)
{
    const lt_api_model *model = q->model;
    if (!model->text->tokenizer)
        return lt_error_set(err, LT_ERR_USAGE, "%s has no tokenizer", model->base->path);
    if (model->text->chat) {
        json_t *messages = lt_task_messages(&q->task, question);
        bool ok = messages ? lt_api_render(model, messages, NULL, ids, err) : lt_error_set(err, LT_ERR_MEMORY, "out of memory");
        json_decref(messages);
        return ok;
    }
    char *text = lt_task_text(&q->task, question);
    bool ok = text ? lt_tokenizer_encode(model->text->tokenizer, text, strlen(text), LT_ENCODE_ADD_SPECIAL, ids, err)
                   : lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    free(text);
    return ok;
}

static void show(int64_t answers, int64_t tokens, void *context)
{
    char line[96], a[LT_FIGURE], b[LT_FIGURE];
    (void)context;
    if (!lt_terminal_is_live())
        return;
    snprintf(line, sizeof line, "answering  %s answers, %s tokens", lt_figure_grouped(answers, a), lt_figure_grouped(tokens, b));
    lt_console_status(line);
}

static bool roll(quiz *q, const lt_rollout_prompt *prompts, int64_t longest, lt_error *err)
{
    const lt_options *o = q->options;
    lt_generate_options sampling = lt_session_sampling(q->model, o);
    lt_rollout_options how = {.sample = sampling.sample,
                              .answers = q->samples,
                              .max_new_tokens = o->sampling.max_new_tokens,
                              .seed = (uint64_t)o->train.seed,
                              .stop_ids = sampling.stop_ids,
                              .stop_id_count = sampling.stop_id_count,
                              .stop = lt_stop_watch("stopping"),
                              .progress = show};
    lt_policy policy = {.model = q->model->base, .tokenizer = q->model->text->tokenizer, .chat = q->model->text->chat};
    const lt_safetensors *set = lt_weights_set(q->model->base->weights);
    for (int i = 0; set && i < lt_safetensors_shard_count(set); i++)
        policy.weight_bytes += lt_safetensors_shard_bytes(set, i);
    if (q->samples == 1 && !LT_GIVEN(o, sampling.temperature))
        how.sample.greedy = true;
    lt_rollout_shape shape;
    lt_rollout *rollout;
    int64_t window;
    if (!lt_policy_plan_rollout(&policy, q->model->compute, lt_threads_count(), longest, &how, o->rl.decode_batch,
                                q->model->max_memory_bytes, 0, &shape, &window, err))
        return false;
    lt_weights_set_window(q->model->base->weights, window);
    if (!lt_rollout_open(&rollout, q->model->base, &shape, err))
        return false;
    bool ok = lt_rollout_run(rollout, prompts, q->questions.count, &how, q->got, &q->counts, err);
    lt_rollout_close(rollout);
    lt_console_clear_status();
    return ok;
}

/* Every question's answers as text, and what they say. */
static bool read_answers(quiz *q, lt_error *err)
{
    for (int64_t i = 0; i < q->questions.count * q->samples; i++) {
        const lt_rollout_answer *a = &q->got[i];
        size_t n = (size_t)(a->count - (a->ended ? 1 : 0));
        if (!lt_tokenizer_decode(q->model->text->tokenizer, a->ids, n, LT_DECODE_SKIP_SPECIAL, &q->text[i], &q->size[i], err) ||
            !lt_task_extract(&q->task, q->text[i], q->size[i], &q->said[i], err))
            return false;
    }
    return true;
}

static bool ask(quiz *q, lt_error *err)
{
    int64_t n = q->questions.count, longest = 0;
    size_t answers = (size_t)(n * q->samples);
    lt_rollout_prompt *prompts = calloc((size_t)n, sizeof *prompts);
    q->prompts = calloc((size_t)n, sizeof *q->prompts);
    q->got = calloc(answers, sizeof *q->got);
    q->text = calloc(answers, sizeof *q->text);
    q->said = calloc(answers, sizeof *q->said);
    q->size = calloc(answers, sizeof *q->size);
    bool ok = prompts && q->prompts && q->got && q->text && q->said && q->size;
    if (!ok)
        lt_error_set(err, LT_ERR_MEMORY, "out of memory for %lld questions", (long long)n);
    for (int64_t i = 0; ok && i < n; i++) {
        ok = encode(q, q->questions.items[i].text, &q->prompts[i], err);
        prompts[i] = (lt_rollout_prompt){q->prompts[i].data, (int64_t)q->prompts[i].count, (uint64_t)i};
        longest = prompts[i].count > longest ? prompts[i].count : longest;
    }
    ok = ok && roll(q, prompts, longest, err) && read_answers(q, err);
    free(prompts);
    return ok;
}

static void drop(quiz *q)
{
    int64_t answers = q->questions.count * q->samples;
    if (q->got)
        lt_rollout_free(q->got, answers);
    for (int64_t i = 0; q->prompts && i < q->questions.count; i++)
        lt_ids_free(&q->prompts[i]);
    for (int64_t i = 0; i < answers; i++) {
        if (q->text)
            free(q->text[i]);
        if (q->said)
            free(q->said[i]);
    }
    free(q->got);
    free(q->prompts);
    free(q->text);
    free(q->said);
    free(q->size);
    free(q->shots.items); /* borrowed strings */
    lt_questions_free(&q->shots_file);
    lt_questions_free(&q->questions);
}

/* ---- marking ---- */

typedef struct marks {
    int64_t right, answered, single_right; /* questions; of all single answers, those that were right */
    json_t *rows;
} marks;

static bool mark(const quiz *q, marks *m, lt_error *err)
{
    for (int64_t i = 0; i < q->questions.count; i++) {
        char *expected;
        const lt_question *question = &q->questions.items[i];
        char *const *said = q->said + i * q->samples;
        int64_t votes, best = lt_task_majority(&q->task, said, q->samples, &votes);
        if (!lt_task_extract(&q->task, question->answer, strlen(question->answer), &expected, err))
            return false;
        bool right = best >= 0 && lt_task_same(&q->task, said[best], expected);
        m->right += right;
        m->answered += best >= 0;
        for (int64_t k = 0; k < q->samples; k++)
            m->single_right += lt_task_same(&q->task, said[k], expected);
        int64_t told = best >= 0 ? best : 0;
        if (m->rows)
            json_array_append_new(m->rows, json_pack("{s:I,s:s?,s:s?,s:b,s:I,s:s%}", "example", (json_int_t)i + 1, "answer",
                                                     best >= 0 ? said[best] : NULL, "expected", expected, "correct", right, "votes",
                                                     (json_int_t)votes, "text", q->text[i * q->samples + told],
                                                     q->size[i * q->samples + told]));
        free(expected);
    }
    return true;
}

static bool print_marks(const quiz *q, marks *m, lt_error *err)
{
    static const char *const names[] = {"none", "number", "choice", "label", "regex", "exact"};
    int64_t n = q->questions.count;
    double low, high, accuracy = (double)m->right / (double)n, single = (double)m->single_right / (double)(n * q->samples);
    lt_task_interval(m->right, n, &low, &high);
    if (q->options->json) {
        json_t *out = json_pack("{s:s,s:I,s:f,s:f,s:f,s:I,s:I,s:I,s:f,s:I,s:b,s:I,s:f}", "task", names[q->task.kind], "examples",
                                (json_int_t)n, "accuracy", accuracy, "accuracy_low", low, "accuracy_high", high, "correct",
                                (json_int_t)m->right, "answered", (json_int_t)m->answered, "samples", (json_int_t)q->samples,
                                "sample_accuracy", single, "fewshot", (json_int_t)q->shots.count, "chain_of_thought",
                                q->task.chain_of_thought, "tokens", (json_int_t)q->counts.tokens, "seconds", q->counts.seconds);
        if (out && m->rows)
            json_object_set(out, "per_example", m->rows);
        return lt_output_json(out, err);
    }
    printf("accuracy %.4f  (95 %% interval %.4f to %.4f; %lld of %lld, %lld without an answer)\n", accuracy, low, high,
           (long long)m->right, (long long)n, (long long)(n - m->answered));
    if (q->samples > 1)
        printf("single answers %.4f, majority of %lld %.4f\n", single, (long long)q->samples, accuracy);
    return true;
}

bool lt_tasks_eval(lt_options *options, lt_api_model *model, lt_error *err)
{
    quiz q = {.options = options, .model = model};
    marks m = {.rows = options->per_example ? json_array() : NULL};
    const lathe_fields *names = &options->train.fields;
    lt_dataset_fields fields = {.text = names->text, .prompt = names->prompt, .completion = names->completion};
    bool ok = read_task(&q, err) && lt_questions_read(&q.questions, q.task.kind, options->train.data.items, options->train.data.count,
                                                      &fields, options->task.max_examples, err);
    /* Labels are those of the examples where there are any: the model has seen these. */
    const lt_questions *known = q.shots_file.label_count ? &q.shots_file : &q.questions;
    q.task.labels = known->labels;
    q.task.label_count = known->label_count;
    ok = ok && ask(&q, err) && mark(&q, &m, err) && print_marks(&q, &m, err);
    json_decref(m.rows);
    drop(&q);
    return ok;
}

/* ---- one question ---- */

static bool print_answer(const quiz *q, lt_error *err)
{
    int64_t votes, best = lt_task_majority(&q->task, q->said, q->samples, &votes), told = best >= 0 ? best : 0;
    if (q->options->json) {
        json_t *samples = json_array();
        for (int64_t k = 0; k < q->samples; k++)
            json_array_append_new(samples, json_pack("{s:s%,s:s?}", "text", q->text[k], q->size[k], "answer", q->said[k]));
        return lt_output_json(json_pack("{s:s?,s:I,s:s%,s:o}", "answer", best >= 0 ? q->said[best] : NULL, "votes", (json_int_t)votes,
                                        "text", q->text[told], q->size[told], "samples", samples),
                              err);
    }
    fwrite(q->text[told], 1, q->size[told], stdout);
    if (best >= 0)
        printf("\n\nanswer: %s", q->said[best]);
    if (q->samples > 1)
        printf("  (%lld of %lld)", (long long)votes, (long long)q->samples);
    putchar('\n');
    return true;
}

bool lt_tasks_generate(lt_options *options, lt_api_model *model, lt_error *err)
{
    quiz q = {.options = options, .model = model};
    if (!options->sampling.prompt)
        return lt_error_set(err, LT_ERR_USAGE, "--task needs a question: --prompt TEXT");
    bool ok = read_task(&q, err);
    q.questions.items = calloc(1, sizeof *q.questions.items);
    if (ok && !q.questions.items)
        ok = lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    if (ok) {
        q.questions.count = 1;
        q.questions.items[0] = (lt_question){strdup(options->sampling.prompt), strdup("")};
        q.task.labels = q.shots_file.labels;
        q.task.label_count = q.shots_file.label_count;
    }
    ok = ok && ask(&q, err) && print_answer(&q, err);
    drop(&q);
    return ok;
}
