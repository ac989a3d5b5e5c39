#include <criterion/criterion.h>

#include <math.h>
#include <string.h>

#include "folder.h"
#include "llama_folder.h"
#include "models/open.h"
#include "rows_of.h"
#include "train/evaluate.h"

static const test_row some[] = {{"abcdefg", NULL, 0}, {"hgf", NULL, 0}, {"ijklmno", "...xx.x", 0}, {"pq", NULL, 0}};

typedef struct fixture {
    lt_model *model;
    lt_engine *engine;
    lt_token_store *store;
    double sum[4];
    int64_t targets[4], records, passes;
    float logits[7][30];
} fixture;

static fixture make(void)
{
    fixture f = {0};
    test_folder folder = test_folder_make();
    test_rows rows = {.rows = some, .count = 4};
    lt_row_source source = test_rows_source(&rows);
    lt_error err;
    lt_token_store_options options = {.folder = folder.path, .vocabulary = 30, .sequences = 1};
    test_llama_write(folder.path, &(test_llama){.width = 16, .layers = 2, .heads = 4, .vocabulary = 30, .seed = 4});
    cr_assert(lt_model_open(&f.model, folder.path, &err), "%s", err.message);
    cr_assert(lt_token_store_build(&f.store, &source, &options, NULL, &err), "%s", err.message);
    lt_engine_shape shape = {.compute = LT_COMPUTE_F32, .threads = 2, .max_T = 32, .max_sequence = 8, .chunk = 8,
                             .head_chunk = 3, .activation_bits = 32, .input_bits = 32};
    cr_assert(lt_engine_open(&f.engine, f.model, &shape, &err), "%s", err.message);
    test_folder_remove(&folder);
    return f;
}

static void drop(fixture *f)
{
    lt_engine_close(f->engine);
    lt_model_close(f->model);
    lt_token_store_close(f->store);
}

static bool record(int64_t index, const float *logp, int64_t targets, void *context, lt_error *err)
{
    fixture *f = context;
    (void)err;
    cr_assert_eq(index, f->records++, "records come in order");
    f->targets[index] = targets;
    for (int64_t i = 0; i < targets; i++)
        f->sum[index] -= logp[i];
    return true;
}

static bool progress(int64_t done, int64_t total, void *context)
{
    fixture *f = context;
    cr_assert_leq(done, total);
    return ++f->passes < 3;
}

static void logits(int64_t first, int64_t count, const float *values, void *context)
{
    fixture *f = context;
    memcpy(f->logits[first], values, (size_t)count * sizeof f->logits[0]);
}

Test(evaluate, does_not_depend_on_how_rows_are_packed)
{
    fixture f = make(), g = make();
    lt_error err;
    lt_objective_options none = {0};
    lt_objective_sums together, apart;
    lt_evaluate_options options = {.objective = &lt_objective_lm, .objective_options = &none, .pass_tokens = 32, .record = record, .context = &f};
    cr_assert(lt_evaluate(f.engine, f.store, &options, &together, &err), "%s", err.message);
    options.pass_tokens = 7;
    options.context = &g;
    cr_assert(lt_evaluate(g.engine, g.store, &options, &apart, &err), "%s", err.message);
    cr_assert_eq(f.records, 4);
    double sum = 0;
    static const int64_t targets[4] = {6, 2, 3, 1};
    for (int i = 0; i < 4; i++) {
        cr_assert_eq(f.targets[i], targets[i]);
        cr_assert_float_eq(f.sum[i], g.sum[i], 1e-5);
        sum += f.sum[i];
    }
    cr_assert_float_eq(together.loss.count, 12, 0);
    cr_assert_float_eq(together.loss.sum, sum, 1e-6);
    cr_assert_float_eq(lt_mean_value(&apart.loss), sum / 12, 1e-5);
    drop(&f);
    drop(&g);
}

Test(evaluate, stops_when_asked)
{
    fixture f = make();
    lt_error err;
    lt_objective_options none = {0};
    lt_objective_sums sums;
    lt_evaluate_options options = {.objective = &lt_objective_lm, .objective_options = &none, .pass_tokens = 7, .progress = progress, .context = &f};
    cr_assert_not(lt_evaluate(f.engine, f.store, &options, &sums, &err));
    cr_assert_eq(err.status, LT_ERR_INTERRUPTED);
    cr_assert_eq(f.passes, 3);
    drop(&f);
}

Test(evaluate, gives_the_logits_of_every_position_and_they_agree_with_the_loss)
{
    fixture f = make();
    lt_error err;
    lt_objective_options none = {0};
    lt_objective_sums sums;
    lt_evaluate_options options = {.objective = &lt_objective_lm, .objective_options = &none, .pass_tokens = 32, .record = record, .context = &f};
    cr_assert(lt_evaluate(f.engine, f.store, &options, &sums, &err));
    cr_assert(lt_evaluate_logits(f.engine, f.store, 2, logits, &f, &err), "%s", err.message);
    double loss = 0;
    for (int t = 0; t < 6; t++) {
        if (some[2].trained[t + 1] != 'x')
            continue;
        double z = 0;
        for (int v = 0; v < 30; v++)
            z += exp((double)f.logits[t][v]);
        loss += log(z) - (double)f.logits[t][some[2].text[t + 1] - 'a' + 1];
    }
    cr_assert_float_eq(loss, f.sum[2], 1e-4);
    drop(&f);
}
