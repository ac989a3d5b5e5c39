#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "folder.h"
#include "train/run_folder.h"
#include "train/trainer_state.h"

static const char *content(const char *path)
{
    static char *text;
    size_t size;
    free(text);
    text = NULL;
    return lt_file_read(path, 1 << 20, &text, &size, NULL) ? text : "(absent)";
}

/* An old run with one checkpoint, and a file of the user's own. */
static test_folder old_run(void)
{
    test_folder folder = test_folder_make();
    test_folder_write_text(&folder, "metrics.jsonl", "old metrics\n");
    test_folder_write_text(&folder, "adapter_model.safetensors", "old adapter");
    test_folder_write_text(&folder, "config.json", "not a run's");
    mkdir(test_folder_file(&folder, "checkpoint-3"), 0777);
    test_folder_write_text(&folder, "checkpoint-3/trainer_state.json", "{}");
    return folder;
}

static void log_row(lt_run_folder *run, int step, const char *key, double value)
{
    lt_error err;
    json_t *row = json_pack("{s:i,s:f,s:f,s:i}", "step", step, "epoch", step / 8.0, key, value, "tokens", 7);
    cr_assert(lt_run_folder_log(run, row, &err), "%s", err.message);
    json_decref(row);
}

Test(run_folder, refuses_to_write_over_a_run)
{
    test_folder folder = old_run();
    lt_run_folder run;
    lt_error err;
    cr_assert_not(lt_run_folder_open(&run, folder.path, LT_RUN_NEW, &err));
    cr_assert_eq(err.status, LT_ERR_USAGE);
    cr_assert(strstr(err.message, "--overwrite-output-dir"));
    cr_assert_str_eq(content(test_folder_file(&folder, "metrics.jsonl")), "old metrics\n");
    test_folder_remove(&folder);
}

Test(run_folder, a_failed_overwrite_leaves_everything_as_it_was)
{
    test_folder folder = old_run();
    lt_run_folder run;
    lt_error err;
    json_t *recipe = json_pack("{s:i}", "max_steps", 4);
    cr_assert(lt_run_folder_open(&run, folder.path, LT_RUN_OVERWRITE, &err), "%s", err.message);
    cr_assert(lt_run_folder_start(&run, LT_RUN_OVERWRITE, recipe, 0, &err), "%s", err.message);
    log_row(&run, 1, "loss", 2.5);
    cr_assert_str_eq(content(test_folder_file(&folder, "recipe.yaml")), "max_steps: 4\n");
    cr_assert_not(lt_file_exists(test_folder_file(&folder, "adapter_model.safetensors")));
    lt_run_folder_close(&run, false);
    cr_assert_str_eq(content(test_folder_file(&folder, "metrics.jsonl")), "old metrics\n");
    cr_assert_str_eq(content(test_folder_file(&folder, "adapter_model.safetensors")), "old adapter");
    cr_assert_str_eq(content(test_folder_file(&folder, "checkpoint-3/trainer_state.json")), "{}");
    cr_assert_not(lt_file_exists(test_folder_file(&folder, "recipe.yaml")));
    cr_assert_not(lt_file_exists(test_folder_file(&folder, ".previous")));
    json_decref(recipe);
    test_folder_remove(&folder);
}

Test(run_folder, a_finished_overwrite_removes_the_old_run_and_nothing_else)
{
    test_folder folder = old_run();
    lt_run_folder run;
    lt_error err;
    cr_assert(lt_run_folder_open(&run, folder.path, LT_RUN_OVERWRITE, &err));
    cr_assert(lt_run_folder_start(&run, LT_RUN_OVERWRITE, NULL, 0, &err), "%s", err.message);
    lt_run_folder_close(&run, true);
    cr_assert_not(lt_file_exists(test_folder_file(&folder, ".previous")));
    cr_assert_not(lt_file_exists(test_folder_file(&folder, "checkpoint-3")));
    cr_assert_str_eq(content(test_folder_file(&folder, "metrics.jsonl")), "");
    cr_assert_str_eq(content(test_folder_file(&folder, "config.json")), "not a run's");
    test_folder_remove(&folder);
}

Test(run_folder, a_new_folder_of_a_run_that_fails_goes_away)
{
    test_folder folder = test_folder_make();
    lt_run_folder run;
    lt_error err;
    char path[300];
    snprintf(path, sizeof path, "%s/a/b", folder.path);
    cr_assert(lt_run_folder_open(&run, path, LT_RUN_NEW, &err));
    cr_assert(lt_run_folder_start(&run, LT_RUN_NEW, NULL, 0, &err));
    lt_run_folder_close(&run, false);
    cr_assert_not(lt_file_exists(path));
    cr_assert(lt_run_folder_open(&run, path, LT_RUN_NEW, &err));
    cr_assert(lt_run_folder_start(&run, LT_RUN_NEW, NULL, 0, &err));
    lt_run_folder_keep(&run);
    lt_run_folder_close(&run, false);
    cr_assert(lt_run_folder_is_run(path), "with a checkpoint saved it stays");
    test_folder_remove(&folder);
}

Test(run_folder, one_run_at_a_time)
{
    test_folder folder = test_folder_make();
    lt_run_folder one, two;
    lt_error err;
    cr_assert(lt_run_folder_open(&one, folder.path, LT_RUN_NEW, &err));
    cr_assert_not(lt_run_folder_open(&two, folder.path, LT_RUN_NEW, &err));
    cr_assert(strstr(err.message, "another process"));
    lt_run_folder_close(&one, false);
    cr_assert(lt_run_folder_open(&two, folder.path, LT_RUN_NEW, &err));
    lt_run_folder_close(&two, false);
    test_folder_remove(&folder);
}

Test(run_folder, resuming_drops_the_rows_after_the_checkpoint)
{
    test_folder folder = test_folder_make();
    const char *text = "{\"step\":1,\"loss\":2.0}\n{\"step\":2,\"loss\":1.5}\n{\"step\":3,\"loss\":1.25}\n{\"step\":4,\"lo";
    test_folder_write_text(&folder, "metrics.jsonl", text);
    lt_run_folder run;
    lt_error err;
    cr_assert(lt_run_folder_open(&run, folder.path, LT_RUN_RESUME, &err));
    cr_assert(lt_run_folder_start(&run, LT_RUN_RESUME, NULL, 2, &err), "%s", err.message);
    log_row(&run, 3, "loss", 1.0 / 3.0);
    lt_run_folder_close(&run, false);
    cr_assert_str_eq(content(test_folder_file(&folder, "metrics.jsonl")),
                     "{\"step\":1,\"loss\":2.0}\n{\"step\":2,\"loss\":1.5}\n"
                     "{\"step\":3,\"epoch\":0.375,\"loss\":0.333333333333,\"tokens\":7}\n");
    cr_assert_not(lt_run_folder_open(&run, test_folder_file(&folder, "none"), LT_RUN_RESUME, &err));
    test_folder_remove(&folder);
}

Test(run_folder, knows_checkpoint_names)
{
    int64_t step = 0;
    cr_assert(lt_run_folder_checkpoint_name("checkpoint-120", &step));
    cr_assert_eq(step, 120);
    cr_assert_not(lt_run_folder_checkpoint_name("checkpoint-", &step));
    cr_assert_not(lt_run_folder_checkpoint_name("checkpoint-12.tmp-9", &step));
    cr_assert_not(lt_run_folder_checkpoint_name("checkpoint-99999999999999999999", &step));
}

Test(trainer_state, has_the_keys_that_transformers_knows_and_the_rows_so_far)
{
    static const char *const keys[] = {
        "best_global_step",      "best_metric",       "best_model_checkpoint",   "epoch",         "eval_steps",
        "global_step",           "is_hyper_param_search", "is_local_process_zero", "is_world_process_zero",
        "log_history",           "logging_steps",     "max_steps",               "num_input_tokens_seen",
        "num_train_epochs",      "save_steps",        "stateful_callbacks",      "total_flos",    "train_batch_size",
        "trial_name",            "trial_params",
    };
    test_folder folder = test_folder_make();
    lt_run_folder run;
    lt_error err;
    cr_assert(lt_run_folder_open(&run, folder.path, LT_RUN_NEW, &err));
    cr_assert(lt_run_folder_start(&run, LT_RUN_NEW, NULL, 0, &err));
    log_row(&run, 1, "loss", 2.5);
    log_row(&run, 2, "eval_loss", 2.25);
    log_row(&run, 3, "loss", 2.0);
    lt_trainer_state state = {.global_step = 2, .max_steps = 8, .num_train_epochs = 1, .epoch = 0.25, .total_flos = 1e15};
    cr_assert(lt_trainer_state_write(&state, folder.path, test_folder_file(&folder, "metrics.jsonl"), &err), "%s",
              err.message);
    lt_run_folder_keep(&run);
    lt_run_folder_close(&run, false);
    json_error_t error;
    json_t *read = json_load_file(test_folder_file(&folder, "trainer_state.json"), 0, &error);
    cr_assert(read, "%s", error.text);
    cr_assert_eq(json_object_size(read), sizeof keys / sizeof *keys);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        cr_assert(json_object_get(read, keys[i]), "%s", keys[i]);
    json_t *history = json_object_get(read, "log_history");
    cr_assert_eq(json_array_size(history), 2);
    cr_assert_eq(json_real_value(json_object_get(json_array_get(history, 1), "eval_loss")), 2.25);
    cr_assert_null(json_object_get(json_array_get(history, 0), "tokens"));
    json_decref(read);
    test_folder_remove(&folder);
}
