/* Whole runs on a model of a few thousand parameters. */
#include <criterion/criterion.h>

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "core/file.h"
#include "folder.h"
#include "formats/safetensors.h"
#include "llama_folder.h"
#include "rows_of.h"
#include "train/run_folder.h"
#include "train/snapshot.h"
#include "train/trainer.h"

/* Rows with a pattern: the alphabet forwards or backwards from somewhere. */
static const test_row pattern[] = {
    {"abcdefgh", NULL, 0}, {"hgfedcba", NULL, 0}, {"cdefghij", "....xxxx", 0}, {"jihgf", NULL, 0},  {"defghijk", NULL, 0},
    {"kjihg", NULL, 0},    {"efgh", NULL, 0},     {"mlkjihgfedc", NULL, 0},    {"klm", "..x", 0},   {"abcd", NULL, 0},
    {"dcba", NULL, 0},
};

enum { ROWS = sizeof pattern / sizeof *pattern };

typedef struct fixture {
    test_folder folder;
    test_rows rows, eval;
    lt_train_options options;
    volatile sig_atomic_t stop;
    int stop_at, full_at; /* steps after which a signal comes, or the disk is full; 0: never */
    int shown;
    char model[300], output[300];
} fixture;

static void progress(const lt_progress *p, void *context)
{
    fixture *f = context;
    f->shown++;
    if (strcmp(p->phase, "training"))
        return;
    if (p->done == f->stop_at)
        f->stop = 1;
    if (p->done == f->full_at) {
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){2000, RLIM_INFINITY});
    }
}

static fixture *make(void)
{
    fixture *f = calloc(1, sizeof *f);
    f->folder = test_folder_make();
    snprintf(f->model, sizeof f->model, "%s", test_folder_file(&f->folder, "model"));
    snprintf(f->output, sizeof f->output, "%s", test_folder_file(&f->folder, "run"));
    cr_assert(lt_file_make_folder(f->model, NULL));
    test_llama_write(f->model, &(test_llama){.width = 16, .layers = 2, .heads = 4, .vocabulary = 30, .seed = 1});
    lt_train_defaults(&f->options);
    lt_train_options *o = &f->options;
    o->model = f->model;
    o->output = f->output;
    o->method = LT_METHOD_FULL;
    o->compute = LT_COMPUTE_F32;
    o->batch_size = 2;
    o->gradient_accumulation_steps = 2;
    o->num_train_epochs = 4;
    o->learning_rate = 0.02;
    o->schedule.type = "cosine";
    o->logging_steps = 1;
    o->save_steps = 5;
    o->progress = progress;
    o->progress_context = f;
    o->stop = &f->stop;
    return f;
}

static void drop(fixture *f)
{
    test_folder_remove(&f->folder);
    free(f);
}

static bool run(fixture *f, lt_train_result *result, lt_error *err)
{
    f->stop = 0;
    f->rows = (test_rows){.rows = pattern, .count = ROWS};
    f->options.rows = test_rows_source(&f->rows);
    f->eval = (test_rows){.rows = pattern, .count = 3};
    if (f->options.eval_rows.next)
        f->options.eval_rows = test_rows_source(&f->eval);
    bool ok = lt_train_run(&f->options, result, err);
    cr_assert_eq(f->rows.closed, 1);
    return ok;
}

static char *bytes_of(const char *folder, const char *name, size_t *size)
{
    char path[600], *data;
    lt_error err;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    cr_assert(lt_file_read(path, 1 << 24, &data, size, &err), "%s", err.message);
    return data;
}

static void same_model(const char *a, const char *b)
{
    size_t m, n;
    char *x = bytes_of(a, "model.safetensors", &m), *y = bytes_of(b, "model.safetensors", &n);
    cr_assert(m == n && !memcmp(x, y, m), "%s and %s differ", a, b);
    free(x);
    free(y);
}

/* The rows of metrics.jsonl without what depends on the clock. */
static char *metrics_of(const char *folder)
{
    size_t size;
    char *text = bytes_of(folder, "metrics.jsonl", &size), *out = calloc(1, size + 1);
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        char *end = strstr(line, ",\"tokens_per_second\"");
        end = end ? end : strstr(line, ",\"eval_runtime\"");
        strncat(out, line, (size_t)(end - line));
        strcat(out, "\n");
    }
    free(text);
    return out;
}

static bool exists(const fixture *f, const char *name)
{
    char path[600];
    snprintf(path, sizeof path, "%s/%s", f->output, name);
    return lt_file_exists(path);
}

Test(trainer, learns_and_leaves_a_complete_run_folder)
{
    fixture *f = make();
    lt_train_result result;
    lt_error err;
    f->options.eval_rows.next = (bool (*)(void *, lt_row *, bool *, lt_error *))1; /* set in run() */
    f->options.eval_strategy = LT_STRATEGY_EPOCH;
    f->options.recipe = json_pack("{s:f}", "learning_rate", 0.02);
    cr_assert(run(f, &result, &err), "%s", err.message);
    cr_assert_eq(result.steps, 4 * 3);
    cr_assert_lt(result.loss_last, 0.75 * result.loss_first, "%g to %g", result.loss_first, result.loss_last);
    cr_assert_lt(result.eval_loss, result.loss_first);
    cr_assert_eq(f->eval.closed, 1);
    cr_assert_gt(f->shown, 12);
    static const char *const files[] = {"model.safetensors", "config.json",   "recipe.yaml",  "metrics.jsonl",
                                        "summary.json",      "trainer_state.json", "checkpoint-5", "checkpoint-10",
                                        "checkpoint-12"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        cr_assert(exists(f, files[i]), "%s", files[i]);
    char *metrics = metrics_of(f->output);
    int losses = 0, evals = 0;
    for (char *at = metrics; (at = strstr(at, "\"loss\"")); at++)
        losses++;
    for (char *at = metrics; (at = strstr(at, "\"eval_loss\"")); at++)
        evals++;
    cr_assert_eq(losses, 12);
    cr_assert_eq(evals, 4);
    size_t size;
    char *config = bytes_of(f->output, "config.json", &size);
    cr_assert(strstr(config, "\"torch_dtype\": \"float32\""), "%s", config);
    free(config);
    free(metrics);
    json_decref(f->options.recipe);
    drop(f);
}

Test(trainer, gives_the_same_bytes_for_any_number_of_threads_and_any_split_into_micro_batches)
{
    fixture *a = make(), *b = make();
    lt_train_result result;
    lt_error err;
    a->options.threads = 1;
    cr_assert(run(a, &result, &err), "%s", err.message);
    b->options.threads = 2;
    b->options.batch_size = 4;
    b->options.gradient_accumulation_steps = 1;
    cr_assert(run(b, &result, &err), "%s", err.message);
    same_model(a->output, b->output);
    drop(a);
    drop(b);
}

Test(trainer, a_resumed_run_gives_the_bytes_of_an_uninterrupted_one)
{
    fixture *whole = make(), *cut = make();
    lt_train_result result;
    lt_error err;
    whole->options.logging_steps = cut->options.logging_steps = 5;
    cr_assert(run(whole, &result, &err), "%s", err.message);
    cut->stop_at = 7; /* in the middle of an epoch and of a logging window */
    cr_assert_not(run(cut, &result, &err));
    cr_assert_eq(err.status, LT_ERR_INTERRUPTED, "%s", err.message);
    cr_assert(exists(cut, "checkpoint-7"));
    cr_assert_not(exists(cut, "model.safetensors"));
    cut->stop_at = 0;
    cut->options.resume = true;
    cr_assert(run(cut, &result, &err), "%s", err.message);
    same_model(whole->output, cut->output);
    char *a = metrics_of(whole->output), *b = metrics_of(cut->output);
    cr_assert_str_eq(a, b);
    free(a);
    free(b);
    drop(whole);
    drop(cut);
}

Test(trainer, resumes_from_the_one_before_when_the_last_checkpoint_is_damaged)
{
    fixture *whole = make(), *cut = make();
    lt_train_result result;
    lt_error err;
    cr_assert(run(whole, &result, &err), "%s", err.message);
    cut->stop_at = 11;
    cr_assert_not(run(cut, &result, &err));
    char path[600];
    snprintf(path, sizeof path, "%s/checkpoint-11/model.safetensors", cut->output);
    cr_assert(lt_file_replace(path, "half", 4, &err));
    cut->stop_at = 0;
    cut->options.resume = true;
    cr_assert(run(cut, &result, &err), "%s", err.message);
    same_model(whole->output, cut->output);
    drop(whole);
    drop(cut);
}

static void refuse_resume(fixture *f, const char *part)
{
    lt_train_result result;
    lt_error err;
    cr_assert_not(run(f, &result, &err), "expected: %s", part);
    cr_assert_eq(err.status, LT_ERR_USAGE, "%s", err.message);
    cr_assert(strstr(err.message, part), "%s", err.message);
}

Test(trainer, refuses_to_resume_as_another_run)
{
    fixture *f = make();
    lt_train_result result;
    lt_error err;
    f->stop_at = 6;
    cr_assert_not(run(f, &result, &err));
    f->stop_at = 0;
    f->options.resume = true;
    f->options.learning_rate = 0.01;
    refuse_resume(f, "learning_rate was 0.02 and is 0.01 now");
    f->options.learning_rate = 0.02;
    f->options.num_train_epochs = 5;
    refuse_resume(f, "total steps was 12 and is 15 now");
    f->options.num_train_epochs = 4;
    f->options.seed = 7;
    refuse_resume(f, "seed was 42 and is 7 now");
    f->options.seed = 42;
    f->options.packing = LT_PACKING_ROWS;
    f->options.max_length = 16;
    refuse_resume(f, "training data was");
    f->options.packing = LT_PACKING_NONE;
    test_llama_write(f->model, &(test_llama){.width = 16, .layers = 2, .heads = 4, .vocabulary = 30, .seed = 2});
    refuse_resume(f, "base model was");
    test_llama_write(f->model, &(test_llama){.width = 16, .layers = 2, .heads = 4, .vocabulary = 30, .seed = 1});
    cr_assert(run(f, &result, &err), "%s", err.message);
    drop(f);
}

Test(trainer, a_constant_rate_lets_a_finished_run_go_on)
{
    fixture *f = make(), *longer = make();
    lt_train_result result;
    lt_error err;
    f->options.schedule.type = longer->options.schedule.type = "constant";
    cr_assert(run(f, &result, &err), "%s", err.message);
    f->options.num_train_epochs = longer->options.num_train_epochs = 6;
    f->options.resume = true;
    cr_assert(run(f, &result, &err), "%s", err.message);
    cr_assert_eq(result.steps, 18);
    cr_assert(run(longer, &result, &err), "%s", err.message);
    same_model(f->output, longer->output);
    drop(f);
    drop(longer);
}

Test(trainer, stops_at_a_loss_that_is_no_number_and_leaves_nothing_behind)
{
    fixture *f = make();
    lt_train_result result;
    lt_error err;
    f->options.learning_rate = 1e36;
    f->options.max_grad_norm = 0;
    f->options.schedule.type = "constant";
    cr_assert_not(run(f, &result, &err));
    cr_assert_eq(err.status, LT_ERR_NUMERIC, "%s", err.message);
    cr_assert(strstr(err.message, "step 2: the "), "%s", err.message);
    cr_assert_not(lt_file_exists(f->output));
    drop(f);
}

Test(trainer, refuses_before_it_writes)
{
    fixture *f = make();
    lt_train_result result;
    lt_error err;
    f->options.max_memory_bytes = 1 << 20;
    cr_assert_not(run(f, &result, &err));
    cr_assert_eq(err.status, LT_ERR_MEMORY);
    cr_assert(strstr(err.message, "the limit is 1 MiB"), "%s", err.message);
    cr_assert_not(lt_file_exists(f->output));
    f->options.max_memory_bytes = 0;
    f->options.batch_size = 0;
    cr_assert_not(run(f, &result, &err));
    cr_assert_eq(err.status, LT_ERR_USAGE);
    f->options.batch_size = 2;
    f->options.output = f->model;
    cr_assert_not(run(f, &result, &err));
    cr_assert(strstr(err.message, "own folder"), "%s", err.message);
    f->options.output = f->output;
    f->options.schedule.type = "zigzag";
    cr_assert_not(run(f, &result, &err));
    cr_assert_eq(err.status, LT_ERR_USAGE);
    cr_assert_not(lt_file_exists(f->output));
    drop(f);
}

Test(trainer, an_earlier_run_is_replaced_only_when_asked_and_only_by_a_finished_one)
{
    fixture *f = make();
    lt_train_result result;
    lt_error err;
    size_t size;
    f->options.num_train_epochs = 1;
    cr_assert(run(f, &result, &err), "%s", err.message);
    char *before = bytes_of(f->output, "metrics.jsonl", &size);
    cr_assert_not(run(f, &result, &err));
    cr_assert_eq(err.status, LT_ERR_USAGE);
    f->options.overwrite = true;
    f->options.learning_rate = 1e36;
    f->options.max_grad_norm = 0;
    f->options.schedule.type = "constant";
    cr_assert_not(run(f, &result, &err));
    char *after = bytes_of(f->output, "metrics.jsonl", &size);
    cr_assert_str_eq(before, after);
    free(after);
    f->options.learning_rate = 0.01;
    cr_assert(run(f, &result, &err), "%s", err.message);
    after = bytes_of(f->output, "metrics.jsonl", &size);
    cr_assert_str_neq(before, after);
    cr_assert_not(exists(f, ".previous"));
    free(before);
    free(after);
    drop(f);
}

Test(trainer, a_disk_that_fills_up_keeps_the_last_checkpoint)
{
    fixture *whole = make(), *f = make();
    lt_train_result result;
    lt_error err;
    cr_assert(run(whole, &result, &err), "%s", err.message);
    f->full_at = 7; /* after checkpoint-5, before checkpoint-10 */
    cr_assert_not(run(f, &result, &err));
    cr_assert_eq(err.status, LT_ERR_IO, "%s", err.message);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY});
    cr_assert(exists(f, "checkpoint-5"));
    cr_assert_not(exists(f, "checkpoint-10"));
    f->full_at = 0;
    f->options.resume = true;
    cr_assert(run(f, &result, &err), "%s", err.message);
    same_model(whole->output, f->output);
    drop(whole);
    drop(f);
}

/* The loss of lm, as an objective that has to see the log-probabilities first. */
static void late_weigh(const lt_objective_options *options, const lt_objective_pass *pass)
{
    cr_assert(pass->logp && pass->logp[0] < 0);
    lt_objective_lm.weigh(options, pass);
}

static void late_measure(const lt_objective_options *options, const lt_objective_pass *pass, lt_objective_sums *sums)
{
    lt_objective_lm.measure(options, pass, sums);
    sums->metric[0].sum += (double)pass->row_count;
    sums->metric[0].count += 1;
}

Test(trainer, runs_objectives_that_need_log_probabilities_first_and_logs_their_metrics)
{
    static const char *const metrics[] = {"rows", NULL};
    static const lt_objective late = {.name = "late",
                                      .rows = LT_ROW_SEQUENCE,
                                      .logp_first = true,
                                      .metrics = metrics,
                                      .weigh = late_weigh,
                                      .measure = late_measure};
    fixture *a = make(), *b = make();
    lt_train_result result;
    lt_error err;
    a->options.num_train_epochs = b->options.num_train_epochs = 1;
    b->options.objective = &late;
    cr_assert(run(a, &result, &err) && run(b, &result, &err), "%s", err.message);
    same_model(a->output, b->output);
    char *text = metrics_of(b->output);
    size_t size;
    char *raw = bytes_of(b->output, "metrics.jsonl", &size);
    cr_assert(strstr(raw, "\"rows\":4.0"), "%s", raw);
    free(raw);
    free(text);
    drop(a);
    drop(b);
}

Test(trainer, saves_the_first_gradients_before_clipping)
{
    fixture *f = make();
    lt_train_result result;
    lt_error err;
    char path[600];
    snprintf(path, sizeof path, "%s/gradients.safetensors", f->folder.path);
    f->options.save_gradients = path;
    f->options.max_grad_norm = 1e-3;
    f->options.num_train_epochs = 1;
    cr_assert(run(f, &result, &err), "%s", err.message);
    lt_safetensors *set;
    cr_assert(lt_safetensors_open(&set, path, &err), "%s", err.message);
    double squares = 0;
    for (int64_t i = 0; i < lt_safetensors_count(set); i++) {
        const lt_tensor_info *tensor = lt_safetensors_at(set, i);
        float *data = malloc((size_t)tensor->elements * sizeof *data);
        cr_assert(lt_safetensors_read_f32(set, tensor, data, &err));
        for (int64_t e = 0; e < tensor->elements; e++)
            squares += (double)data[e] * data[e];
        free(data);
    }
    lt_safetensors_close(set);
    size_t size;
    char *metrics = bytes_of(f->output, "metrics.jsonl", &size);
    cr_assert_float_eq(sqrt(squares), atof(strstr(metrics, "\"grad_norm\":") + 12), 1e-4);
    cr_assert_gt(sqrt(squares), 0.1);
    free(metrics);
    drop(f);
}

Test(trainer, keeps_as_many_checkpoints_as_asked)
{
    fixture *f = make();
    lt_train_result result;
    lt_error err;
    int64_t *steps;
    f->options.save_steps = 2;
    f->options.save_total_limit = 2;
    cr_assert(run(f, &result, &err), "%s", err.message);
    cr_assert_eq(lt_run_folder_checkpoints(f->output, &steps), 2);
    cr_assert_eq(steps[0], 10);
    cr_assert_eq(steps[1], 12);
    free(steps);
    drop(f);
}

Test(trainer, plans_what_a_run_takes)
{
    fixture *f = make();
    lt_plan plan;
    lt_error err;
    f->rows = (test_rows){.rows = pattern, .count = ROWS};
    f->options.rows = test_rows_source(&f->rows);
    cr_assert(lt_train_plan(&f->options, &plan, &err), "%s", err.message);
    cr_assert_eq(f->rows.closed, 1);
    cr_assert_not(lt_file_exists(f->output));
    cr_assert_str_eq(plan.mode, "keep-all");
    cr_assert_gt(plan.flops_per_second, 1e8);
    cr_assert_gt(plan.seconds_per_step, 0);
    cr_assert_geq(plan.peak_bytes, plan.bytes.total);
    drop(f);
}
