#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "folder.h"
#include "llama_folder.h"
#include "models/open.h"
#include "rows_of.h"
#include "train/memory.h"
#include "train/plan.h"

/* A model whose activations weigh more than the process: 64 rows of 24 tokens a step. */
typedef struct fixture {
    test_folder folder;
    lt_model *model;
    lt_param_list params;
    lt_optimizer optimizer;
    lt_token_store *store;
    lt_loader loader;
    lt_arena arena;
    lt_plan_request request;
} fixture;

enum { ROWS = 64 };

static bool upper_layer(const char *module, void *context)
{
    (void)context;
    return strstr(module, ".2.") || strstr(module, ".3.");
}

static fixture make(bool upper_only)
{
    fixture f = {.folder = test_folder_make()};
    static test_row rows[ROWS];
    static test_rows from;
    lt_error err;
    test_llama_write(f.folder.path, &(test_llama){.width = 64, .layers = 4, .heads = 4, .vocabulary = 500, .seed = 1});
    for (int i = 0; i < ROWS; i++)
        rows[i].text = "abcdefghijklmnopqrstuvwx";
    from = (test_rows){.rows = rows, .count = ROWS};
    lt_row_source source = test_rows_source(&from);
    lt_token_store_options options = {.folder = f.folder.path, .vocabulary = 500, .sequences = 1};
    cr_assert(lt_token_store_build(&f.store, &source, &options, NULL, &err), "%s", err.message);
    lt_loader_init(&f.loader, f.store, &(lt_loader_options){.rows_per_step = ROWS}, NULL);
    cr_assert(lt_model_open(&f.model, f.folder.path, &err), "%s", err.message);
    lt_model_train_tensors(f.model, &f.params, "", upper_only ? upper_layer : NULL, NULL);
    cr_assert(lt_arena_init(&f.arena, 64 << 20, &err));
    lt_param_list_layout(&f.params, &f.arena, &f.arena);
    lt_model_trained_plug(f.model, &f.params);
    lt_optimizer_options adamw = {.name = "adamw", .beta1 = 0.9, .beta2 = 0.99};
    cr_assert(lt_optimizer_init(&f.optimizer, &adamw, &err));
    f.request = (lt_plan_request){
        .params = &f.params,
        .steps = 1,
        .longest_sequence = 24,
        .compute = LT_COMPUTE_F32,
        .threads = 1,
        .activation_bits = 32,
        .process_bytes = 24 << 20, /* choices are compared below: not what happens to be resident */
        .max_memory_bytes = (int64_t)1 << 40,
    };
    f.request.model = f.model;
    return f;
}

/* Pointers into the fixture itself, which make() returned by value. */
static lt_plan_request *request(fixture *f)
{
    f->request.params = &f->params;
    f->request.optimizer = &f->optimizer;
    f->request.loader = &f->loader;
    return &f->request;
}

static void drop(fixture *f)
{
    lt_optimizer_free(&f->optimizer);
    lt_param_list_free(&f->params);
    lt_model_close(f->model);
    lt_token_store_close(f->store);
    lt_arena_free(&f->arena);
    test_folder_remove(&f->folder);
}

Test(plan, keeps_everything_when_memory_is_not_limited)
{
    fixture f = make(true);
    lt_plan plan;
    lt_error err;
    cr_assert(lt_plan_make(&plan, request(&f), &err), "%s", err.message);
    cr_assert_str_eq(plan.mode, "keep-all");
    cr_assert_eq(plan.choice.keep_all, 2, "only the trained layers are kept");
    cr_assert_eq(plan.choice.pass_tokens, 0);
    cr_assert_eq(plan.extent.pass_tokens, ROWS * 24);
    lt_engine_bytes engine = lt_engine_measure(f.model, &plan.shape);
    cr_assert_eq(plan.bytes.activations + plan.bytes.workspace, engine.total);
    cr_assert_geq(plan.bytes.optimizer, 2 * 4 * lt_param_list_elements(&f.params));
    cr_assert_geq(plan.bytes.process, f.request.process_bytes);
    drop(&f);
}

Test(plan, gives_up_speed_step_by_step_as_memory_gets_tighter)
{
    fixture f = make(false);
    lt_plan wide, plan = {0};
    lt_error err;
    cr_assert(lt_plan_make(&wide, request(&f), &err), "%s", err.message);
    bool recomputed = false, cut = false;
    double flops = wide.flops_per_step;
    int64_t limit = wide.bytes.total;
    for (; lt_plan_make(&plan, request(&f), &err); limit -= 128 << 10, f.request.max_memory_bytes = limit) {
        cr_assert_leq(plan.bytes.total, f.request.max_memory_bytes);
        recomputed |= strcmp(plan.mode, "keep-all") != 0;
        cut |= plan.choice.pass_tokens > 0;
        cr_assert_geq(plan.flops_per_step, 0.99 * flops, "recompute never saves work");
    }
    cr_assert(recomputed && cut);
    cr_assert_eq(err.status, LT_ERR_MEMORY);
    cr_assert_lt(limit, wide.bytes.total * 3 / 4);
    drop(&f);
}

Test(plan, counts_a_teacher_and_still_keeps_the_limit)
{
    fixture f = make(true);
    lt_plan alone, plan;
    lt_error err;
    lt_model *teacher;
    cr_assert(lt_plan_make(&alone, request(&f), &err) && lt_model_open(&teacher, f.folder.path, &err), "%s", err.message);
    f.request.teacher = teacher;
    cr_assert(lt_plan_make(&plan, request(&f), &err), "%s", err.message);
    cr_assert_eq(alone.bytes.teacher, 0);
    cr_assert_not(plan.teacher_shape.training);
    cr_assert_geq(plan.teacher_shape.head_chunk, plan.shape.head_chunk);
    lt_engine_bytes engine = lt_engine_measure(teacher, &plan.teacher_shape);
    cr_assert_gt(plan.bytes.teacher, engine.total);
    cr_assert_leq(plan.bytes.teacher, engine.total + plan.teacher_window_bytes);
    cr_assert_eq(plan.bytes.total - alone.bytes.total, plan.bytes.teacher);
    cr_assert_gt(plan.flops_per_step, alone.flops_per_step);
    int64_t limit = f.request.max_memory_bytes = plan.bytes.total - plan.bytes.teacher / 2;
    cr_assert(lt_plan_make(&plan, request(&f), &err), "%s", err.message);
    cr_assert_leq(plan.bytes.total, limit);
    lt_model_close(teacher);
    drop(&f);
}

Test(plan, the_least_that_it_names_is_enough)
{
    fixture f = make(false);
    lt_plan plan;
    lt_error err;
    long long least = 0;
    f.request.max_memory_bytes = f.request.process_bytes + (64 << 10);
    cr_assert_not(lt_plan_make(&plan, request(&f), &err));
    cr_assert_eq(sscanf(err.message, "needs at least %lld MiB", &least), 1, "%s", err.message);
    f.request.max_memory_bytes = (int64_t)least << 20;
    cr_assert(lt_plan_make(&plan, request(&f), &err), "%s", err.message);
    drop(&f);
}

Test(plan, the_choice_does_not_depend_on_the_number_of_threads)
{
    fixture f = make(false);
    lt_plan one, two;
    lt_error err;
    cr_assert(lt_plan_make(&one, request(&f), &err));
    f.request.max_memory_bytes = one.bytes.total * 8 / 10;
    cr_assert(lt_plan_make(&one, request(&f), &err), "%s", err.message);
    f.request.threads = 2;
    cr_assert(lt_plan_make(&two, request(&f), &err), "%s", err.message);
    cr_assert_eq(memcmp(&one.choice, &two.choice, sizeof one.choice), 0);
    drop(&f);
}

Test(plan, a_choice_survives_a_checkpoint)
{
    fixture f = make(false);
    lt_plan plan, again;
    lt_plan_choice choice;
    lt_error err;
    cr_assert(lt_plan_make(&plan, request(&f), &err));
    f.request.max_memory_bytes = plan.bytes.total * 8 / 10;
    cr_assert(lt_plan_make(&plan, request(&f), &err), "%s", err.message);
    json_t *json = lt_plan_choice_json(&plan.choice);
    cr_assert(lt_plan_choice_read(&choice, json, "checkpoint-1", &err), "%s", err.message);
    json_decref(json);
    f.request.max_memory_bytes = (int64_t)1 << 40;
    cr_assert(lt_plan_restore(&again, request(&f), &choice, &err), "%s", err.message);
    cr_assert_eq(memcmp(&again.choice, &plan.choice, sizeof plan.choice), 0);
    cr_assert_eq(again.shape.max_T, plan.shape.max_T);
    cr_assert_eq(again.shape.keep_all, plan.shape.keep_all);
    cr_assert_eq(again.bytes.activations, plan.bytes.activations);
    f.request.max_memory_bytes = plan.bytes.total / 2;
    cr_assert_not(lt_plan_restore(&again, request(&f), &choice, &err));
    cr_assert_eq(err.status, LT_ERR_MEMORY);
    json = json_pack("{s:i}", "chunk", 0);
    cr_assert_not(lt_plan_choice_read(&choice, json, "checkpoint-1", &err));
    json_decref(json);
    drop(&f);
}

Test(plan, says_what_the_command_line_prints)
{
    fixture f = make(true);
    lt_plan plan;
    lt_error err;
    cr_assert(lt_plan_make(&plan, request(&f), &err));
    json_t *json = lt_plan_json(&plan), *bytes = json_object_get(json, "bytes"), *value;
    const char *key;
    int64_t sum = 0;
    json_object_foreach(bytes, key, value) sum += json_integer_value(value);
    cr_assert_eq(sum, plan.bytes.total);
    cr_assert_geq(json_integer_value(json_object_get(json, "peak_bytes")), sum);
    cr_assert(json_is_string(json_object_get(json, "mode")));
    cr_assert(json_is_integer(json_object_get(json, "bytes_read_per_step")));
    cr_assert(json_is_real(json_object_get(json, "seconds_per_step")));
    json_decref(json);
    drop(&f);
}
