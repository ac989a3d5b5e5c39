#include <criterion/criterion.h>

#include <math.h>
#include <string.h>

#include "folder.h"
#include "formats/safetensors.h"
#include "train/params_io.h"

static float value[2][6] = {{1.5f, -2.25f, 3e-3f, 4, 5, 6}, {7, 8, 9}}, gradient[2][6] = {{10, 11, 12, 13, 14, 15}, {16, 17, 18}};

static lt_param_list two_tensors(int64_t rows)
{
    lt_param_list list = {0};
    lt_param_list_add(&list, "a.weight", 2, (int64_t[]){rows, 2}, true);
    lt_param_list_add(&list, "b", 1, (int64_t[]){3}, true);
    for (int i = 0; i < 2; i++) {
        list.items[i].value = value[i];
        list.items[i].gradient = gradient[i];
    }
    return list;
}

Test(params_io, what_is_saved_is_loaded_again)
{
    test_folder folder = test_folder_make();
    const char *path = test_folder_file(&folder, "adapter_model.safetensors");
    lt_param_list list = two_tensors(3);
    lt_error err;
    float before[2][6];
    cr_assert(lt_params_save(&list, LT_PARAMS_VALUES, LT_DTYPE_F32, path, &err), "%s", err.message);
    lt_safetensors *set;
    cr_assert(lt_safetensors_open(&set, path, &err), "%s", err.message);
    cr_assert_str_eq(lt_safetensors_metadata(set, "format"), "pt");
    cr_assert_eq(lt_safetensors_find(set, "a.weight")->shape[1], 2);
    lt_safetensors_close(set);
    memcpy(before, value, sizeof value);
    memset(value, 0, sizeof value);
    cr_assert(lt_params_load(&list, path, &err), "%s", err.message);
    cr_assert_arr_eq(value[0], before[0], 6 * sizeof(float));
    cr_assert_arr_eq(value[1], before[1], 3 * sizeof(float));
    lt_param_list_free(&list);
    test_folder_remove(&folder);
}

Test(params_io, saves_gradients_and_half_precision)
{
    test_folder folder = test_folder_make();
    const char *path = test_folder_file(&folder, "g.safetensors");
    lt_param_list list = two_tensors(3);
    lt_error err;
    cr_assert(lt_params_save(&list, LT_PARAMS_GRADIENTS, LT_DTYPE_F32, path, &err), "%s", err.message);
    cr_assert(lt_params_load(&list, path, &err));
    cr_assert_eq(value[1][2], 18.0f);
    value[0][2] = 1.00390625f; /* halfway between two bf16 numbers: to the even one */
    cr_assert(lt_params_save(&list, LT_PARAMS_VALUES, LT_DTYPE_BF16, path, &err), "%s", err.message);
    cr_assert(lt_params_load(&list, path, &err));
    cr_assert_eq(value[0][2], 1.0f);
    cr_assert_eq(value[0][0], 10.0f);
    lt_param_list_free(&list);
    test_folder_remove(&folder);
}

Test(params_io, refuses_other_shapes_missing_tensors_and_nan)
{
    test_folder folder = test_folder_make();
    const char *path = test_folder_file(&folder, "p.safetensors");
    lt_param_list three = two_tensors(3), two = two_tensors(2);
    lt_error err;
    cr_assert(lt_params_save(&three, LT_PARAMS_VALUES, LT_DTYPE_F32, path, &err));
    cr_assert_not(lt_params_load(&two, path, &err));
    cr_assert(strstr(err.message, "'a.weight': expected shape [2, 2], found [3, 2]"), "%s", err.message);
    lt_param_list_add(&three, "c", 1, (int64_t[]){1}, true);
    cr_assert_not(lt_params_load(&three, path, &err));
    cr_assert(strstr(err.message, "'c' is missing"), "%s", err.message);
    three.count = 2;
    value[1][1] = NAN;
    cr_assert(lt_params_save(&three, LT_PARAMS_VALUES, LT_DTYPE_F32, path, &err));
    cr_assert_not(lt_params_load(&three, path, &err));
    cr_assert_eq(err.status, LT_ERR_NUMERIC);
    cr_assert(strstr(err.message, "'b': element 1 is nan"), "%s", err.message);
    three.count = 3;
    lt_param_list_free(&three);
    lt_param_list_free(&two);
    test_folder_remove(&folder);
}
