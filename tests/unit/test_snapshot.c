#include <criterion/criterion.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "core/file.h"
#include "core/rng.h"
#include "folder.h"
#include "train/params_io.h"
#include "train/run_folder.h"
#include "train/snapshot.h"

enum { ELEMENTS = 300 };

typedef struct fixture {
    test_folder folder;
    lt_param_list params;
    lt_optimizer optimizer;
    lt_arena arena;
} fixture;

static fixture make(void)
{
    fixture f = {.folder = test_folder_make()};
    lt_error err;
    lt_optimizer_options adamw = {.name = "adamw", .beta1 = 0.9, .beta2 = 0.99, .epsilon = 1e-8};
    lt_param_list_add(&f.params, "a", 1, (int64_t[]){ELEMENTS}, true);
    lt_param_list_add(&f.params, "b", 2, (int64_t[]){2, 3}, true);
    cr_assert(lt_arena_init(&f.arena, 1 << 16, &err));
    lt_param_list_layout(&f.params, &f.arena, &f.arena);
    cr_assert(lt_optimizer_init(&f.optimizer, &adamw, &err) && lt_optimizer_layout(&f.optimizer, &f.params, &f.arena, &err));
    lt_rng rng = lt_rng_make(3, 3);
    for (int i = 0; i < ELEMENTS; i++)
        f.optimizer.state[0][0][i] = f.params.items[0].value[i] = lt_rng_normal(&rng);
    f.optimizer.state[1][1][5] = 0.125f;
    return f;
}

static void drop(fixture *f)
{
    lt_optimizer_free(&f->optimizer);
    lt_param_list_free(&f->params);
    lt_arena_free(&f->arena);
    test_folder_remove(&f->folder);
}

static bool write_model(const char *folder, void *context, lt_error *err)
{
    char path[4096];
    return lt_file_join(path, sizeof path, folder, "adapter_model.safetensors", err) &&
           lt_params_save(context, LT_PARAMS_VALUES, LT_DTYPE_F32, path, err);
}

static bool save(fixture *f, int step, lt_error *err)
{
    static const char *const names[] = {"adapter_model.safetensors", NULL};
    json_t *state = json_pack("{s:i,s:f}", "step", step, "third", 1.0 / 3.0);
    lt_snapshot_parts parts = {state, &f->params, &f->optimizer, write_model, names, &f->params};
    bool ok = lt_snapshot_save(f->folder.path, step, &parts, err);
    json_decref(state);
    return ok;
}

static const char *inside(fixture *f, int step, const char *name)
{
    char relative[128];
    snprintf(relative, sizeof relative, "checkpoint-%d%s%s", step, name ? "/" : "", name ? name : "");
    return test_folder_file(&f->folder, relative);
}

/* Changes the byte at `at` of a file (from the end when negative), or cuts it there. */
static void damage(const char *path, long at, bool cut)
{
    char *data;
    size_t size;
    cr_assert(lt_file_read(path, 1 << 20, &data, &size, NULL));
    size_t i = at < 0 ? size - (size_t)-at : (size_t)at;
    data[i] ^= 0x10;
    cr_assert(lt_file_replace(path, data, cut ? i : size, NULL));
    free(data);
}

Test(snapshot, brings_back_state_and_optimiser_exactly)
{
    fixture f = make();
    lt_error err;
    cr_assert(save(&f, 7, &err), "%s", err.message);
    float first[ELEMENTS];
    memcpy(first, f.optimizer.state[0][0], sizeof first);
    memset(f.optimizer.state[0][0], 0, sizeof first);
    f.optimizer.state[1][1][5] = 0;
    char folder[4096];
    json_t *state;
    cr_assert(lt_snapshot_latest(f.folder.path, folder, &state, &err), "%s", err.message);
    cr_assert_eq(json_integer_value(json_object_get(state, "step")), 7);
    cr_assert_eq(json_real_value(json_object_get(state, "third")), 1.0 / 3.0);
    cr_assert(lt_snapshot_load(folder, &f.params, &f.optimizer, &err), "%s", err.message);
    cr_assert_arr_eq(f.optimizer.state[0][0], first, sizeof first);
    cr_assert_eq(f.optimizer.state[1][1][5], 0.125f);
    json_decref(state);
    drop(&f);
}

Test(snapshot, every_damaged_byte_and_every_cut_is_noticed)
{
    fixture f = make();
    lt_error err;
    char *data;
    size_t size;
    cr_assert(save(&f, 1, &err), "%s", err.message);
    const char *names[] = {"lathe_state.zst", "adapter_model.safetensors"};
    for (int n = 0; n < 2; n++) {
        char path[512];
        snprintf(path, sizeof path, "%s", inside(&f, 1, names[n]));
        cr_assert(lt_file_read(path, 1 << 20, &data, &size, NULL));
        for (size_t at = 0; at < size; at += 1 + size / 97)
            for (int cut = 0; cut < 2; cut++) {
                json_t *state = NULL;
                damage(path, (long)at, cut);
                cr_assert_not(lt_snapshot_verify(inside(&f, 1, NULL), &state, &err), "%s, byte %zu", names[n], at);
                cr_assert_null(state);
                cr_assert(lt_file_replace(path, data, size, NULL));
            }
        free(data);
    }
    json_t *state;
    cr_assert(lt_snapshot_verify(inside(&f, 1, NULL), &state, &err), "%s", err.message);
    json_decref(state);
    drop(&f);
}

Test(snapshot, passes_over_a_damaged_checkpoint)
{
    fixture f = make();
    lt_error err;
    char folder[4096];
    json_t *state;
    cr_assert(save(&f, 9, &err) && save(&f, 10, &err));
    damage(inside(&f, 10, "lathe_state.zst"), -1, false);
    cr_assert(lt_snapshot_latest(f.folder.path, folder, &state, &err), "%s", err.message);
    cr_assert_str_eq(folder, inside(&f, 9, NULL));
    json_decref(state);
    damage(inside(&f, 9, "adapter_model.safetensors"), -1, false);
    cr_assert_not(lt_snapshot_latest(f.folder.path, folder, &state, &err));
    cr_assert(strstr(err.message, "no checkpoint to resume from that is whole"), "%s", err.message);
    drop(&f);
}

Test(snapshot, refuses_the_state_of_other_tensors)
{
    fixture f = make();
    lt_error err;
    cr_assert(save(&f, 1, &err));
    f.params.items[1].name[0] = 'c';
    cr_assert_not(lt_snapshot_load(inside(&f, 1, NULL), &f.params, &f.optimizer, &err));
    cr_assert(strstr(err.message, "'exp_avg' of 'c' was expected"), "%s", err.message);
    f.params.items[1].name[0] = 'b';
    f.params.items[0].elements = ELEMENTS - 1;
    cr_assert_not(lt_snapshot_load(inside(&f, 1, NULL), &f.params, &f.optimizer, &err));
    cr_assert(strstr(err.message, "has 300 elements, expected 299"), "%s", err.message);
    drop(&f);
}

Test(snapshot, saving_again_replaces_the_checkpoint_of_that_step)
{
    fixture f = make();
    lt_error err;
    cr_assert(save(&f, 4, &err));
    f.optimizer.state[0][0][0] = 42.0f;
    cr_assert(save(&f, 4, &err), "%s", err.message);
    f.optimizer.state[0][0][0] = 0;
    cr_assert(lt_snapshot_load(inside(&f, 4, NULL), &f.params, &f.optimizer, &err));
    cr_assert_eq(f.optimizer.state[0][0][0], 42.0f);
    int64_t *steps;
    cr_assert_eq(lt_run_folder_checkpoints(f.folder.path, &steps), 1);
    free(steps);
    drop(&f);
}

Test(snapshot, keeps_the_newest_and_the_present_one)
{
    fixture f = make();
    lt_error err;
    int64_t *steps;
    for (int step = 8; step <= 12; step++)
        cr_assert(save(&f, step, &err));
    lt_snapshot_prune(f.folder.path, 2, 12);
    cr_assert_eq(lt_run_folder_checkpoints(f.folder.path, &steps), 2);
    cr_assert_eq(steps[0], 11);
    cr_assert_eq(steps[1], 12);
    free(steps);
    lt_snapshot_prune(f.folder.path, 1, 11);
    cr_assert_eq(lt_run_folder_checkpoints(f.folder.path, &steps), 1);
    cr_assert_eq(steps[0], 11);
    free(steps);
    drop(&f);
}

Test(snapshot, a_full_disk_leaves_the_last_checkpoint_and_nothing_half)
{
    fixture f = make();
    lt_error err;
    int64_t *steps;
    cr_assert(save(&f, 1, &err));
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){600, RLIM_INFINITY});
    cr_assert_not(save(&f, 2, &err));
    cr_assert_eq(err.status, LT_ERR_IO, "%s", err.message);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY});
    cr_assert_eq(lt_run_folder_checkpoints(f.folder.path, &steps), 1);
    cr_assert_eq(steps[0], 1);
    free(steps);
    json_t *state;
    cr_assert(lt_snapshot_verify(inside(&f, 1, NULL), &state, &err));
    json_decref(state);
    drop(&f);
}
