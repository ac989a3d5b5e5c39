/* lathe quantize, and what is read of quantised folders: written ones, and broken ones. */
#include <criterion/criterion.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/rng.h"
#include "core/threads.h"
#include "folder.h"
#include "formats/safetensors.h"
#include "llama_folder.h"
#include "models/open.h"
#include "models/quantize.h"
#include "models/quantize_values.h"
#include "nn/weights_quant.h"

static const test_llama SMALL = {.width = 40, .layers = 2, .heads = 4, .vocabulary = 50, .seed = 3}; /* blocks of 64 cross rows */

static void quantize(const test_folder *from, const char *to, lt_dtype type, int64_t shard_bytes)
{
    lt_error err;
    lt_quantize_result result;
    lt_quantize_options options = {.model = from->path, .output = to, .type = type, .shard_bytes = shard_bytes};
    cr_assert(lt_quantize_run(&options, &result, &err), "%s", err.message);
    cr_assert_eq(result.quantised, 2 * 7);
    cr_assert_lt(result.bytes, result.bytes_before / 2);
}

static lt_model *open_model(const char *path)
{
    lt_model *model;
    lt_error err;
    cr_assert(lt_model_open(&model, path, &err), "%s", err.message);
    return model;
}

/* ‖a - b‖ / ‖a‖ over all matrices of all blocks. */
static double distance(lt_model *a, lt_model *b)
{
    double difference = 0, norm = 0;
    lt_error err;
    for (int64_t l = 0; l < a->config.L; l++)
        for (int slot = 0; slot < LT_LINEAR_SLOTS; slot++) {
            const lt_linear *x = &a->blocks[l].linear[slot], *y = &b->blocks[l].linear[slot];
            for (int64_t row = 0; x->module && row < x->N; row++) {
                float p[256], q[256];
                cr_assert(lt_weights_read_row(&x->weight, row, p, &err) && lt_weights_read_row(&y->weight, row, q, &err));
                for (int64_t i = 0; i < x->K; i++) {
                    difference += ((double)p[i] - (double)q[i]) * ((double)p[i] - (double)q[i]);
                    norm += (double)p[i] * (double)p[i];
                }
            }
        }
    return sqrt(difference / norm);
}

Test(quantize, both_types_come_back_near_the_model_and_in_any_number_of_files)
{
    static const lt_dtype types[] = {LT_DTYPE_NF4, LT_DTYPE_I8};
    static const double near[] = {0.12, 0.012}; /* NF4 of normal numbers: about 0.095; int8: step 2 max / 254 */
    test_folder plain = test_folder_make();
    test_llama_write(plain.path, &SMALL);
    lt_model *model = open_model(plain.path);
    for (int i = 0; i < 2; i++) {
        test_folder place = test_folder_make();
        char one[300], many[300];
        snprintf(one, sizeof one, "%s/one", place.path);
        snprintf(many, sizeof many, "%s/many", place.path);
        quantize(&plain, one, types[i], 0);
        quantize(&plain, many, types[i], 4000);
        lt_model *a = open_model(one), *b = open_model(many);
        cr_assert_eq(a->blocks[0].linear[LT_LINEAR_Q].weight.matrix.dtype, types[i]);
        cr_assert_gt(lt_safetensors_shard_count(lt_weights_set(b->weights)), 3);
        double d = distance(model, a);
        cr_assert(d > 1e-4 && d < near[i], "%s: distance %g", lt_dtype_get(types[i])->name, d);
        cr_assert_eq(distance(a, b), 0);
        cr_assert_not_null(lt_model_quantised(a));
        cr_assert_null(lt_model_quantised(model));
        /* A slab gives what a row that is read by itself does. */
        lt_weights_set_window(a->weights, 4096);
        const lt_weight *w = &a->blocks[1].linear[LT_LINEAR_DOWN].weight;
        for (int s = 0; s < lt_weights_slabs(w); s++) {
            int64_t first;
            lt_matrix m = lt_weights_use(w, s, &first);
            for (int64_t row = 0; row < m.rows; row++) {
                float p[256], q[256];
                lt_error err;
                lt_kernels_get()->decode_f32(&m, row, 0, m.cols, p);
                cr_assert(lt_weights_read_row(w, first + row, q, &err));
                cr_assert_arr_eq(p, q, (size_t)m.cols * sizeof *p);
            }
        }
        lt_model_close(a);
        lt_model_close(b);
        test_folder_remove(&place);
    }
    lt_model_close(model);
    test_folder_remove(&plain);
}

/* y = x wᵀ and dx = dy w of a layer, in f32. */
static void pass_through(const lt_linear *linear, const float *x, const float *dy, int64_t T, float *y, float *dx)
{
    lt_workspace ws = {.compute = LT_COMPUTE_F32};
    int64_t wide = linear->N > linear->K ? linear->N : linear->K;
    void **parts[] = {&ws.gemm, &ws.packed_x, &ws.packed_dy};
    for (int i = 0; i < 3; i++)
        *parts[i] = aligned_alloc(64, (size_t)(i ? lt_linear_packed_bytes(ws.compute, T, wide)
                                                 : lt_gemm_scratch_bytes(ws.compute, T, wide, lt_threads_count())) /
                                                  64 * 64 + 128);
    float *out = malloc((size_t)(T * wide) * sizeof *out);
    memcpy(out, dy, (size_t)(T * linear->N) * sizeof *out);
    lt_linear_forward(&linear, 1, &ws, x, linear->K, T, &y, linear->N);
    lt_linear_backward(&linear, 1, &ws, x, linear->K, T, &out, linear->N, dx, linear->K, false);
    for (int i = 0; i < 3; i++)
        free(*parts[i]);
    free(out);
}

Test(quantize, a_layer_computes_with_the_decoded_matrix_forward_and_backward_whole_and_in_slabs)
{
    enum { T = 5, WIDE = 128 };
    static const lt_dtype types[] = {LT_DTYPE_NF4, LT_DTYPE_I8};
    test_folder plain = test_folder_make(), place = test_folder_make();
    float x[T * WIDE], dy[T * WIDE], want[2][T * WIDE], got[2][T * WIDE], *w = malloc(WIDE * WIDE * sizeof *w);
    lt_rng rng = lt_rng_make(9, 0);
    lt_error err;
    for (int i = 0; i < T * WIDE; i++) {
        x[i] = lt_rng_normal(&rng);
        dy[i] = lt_rng_normal(&rng);
    }
    test_llama_write(plain.path, &SMALL);
    for (int i = 0; i < 4; i++) {
        char path[300];
        snprintf(path, sizeof path, "%s/%d", place.path, i % 2);
        if (i < 2)
            quantize(&plain, path, types[i], 0);
        lt_model *model = open_model(path);
        lt_weights_set_window(model->weights, i < 2 ? INT64_MAX : 4096);
        for (int slot = 0; slot < LT_LINEAR_SLOTS; slot++) {
            const lt_linear *linear = &model->blocks[1].linear[slot];
            if (!linear->module)
                continue;
            lt_linear dense = *linear;
            for (int64_t row = 0; row < linear->N; row++)
                cr_assert(lt_weights_read_row(&linear->weight, row, w + row * linear->K, &err));
            dense.weight = (lt_weight){.matrix = lt_matrix_f32(w, linear->N, linear->K)};
            pass_through(&dense, x, dy, T, want[0], want[1]);
            pass_through(linear, x, dy, T, got[0], got[1]);
            for (int64_t e = 0; e < T * linear->N; e++)
                cr_assert_float_eq(got[0][e], want[0][e], 1e-4, "%s y[%lld]", linear->module, (long long)e);
            for (int64_t e = 0; e < T * linear->K; e++)
                cr_assert_float_eq(got[1][e], want[1][e], 1e-4, "%s dx[%lld]", linear->module, (long long)e);
        }
        lt_model_close(model);
    }
    free(w);
    test_folder_remove(&plain);
    test_folder_remove(&place);
}

Test(quantize, what_is_quantised_already_is_not_quantised_again)
{
    test_folder plain = test_folder_make(), place = test_folder_make();
    char one[300], two[300];
    lt_error err;
    lt_quantize_result result;
    test_llama_write(plain.path, &SMALL);
    snprintf(one, sizeof one, "%s/one", place.path);
    snprintf(two, sizeof two, "%s/two", place.path);
    quantize(&plain, one, LT_DTYPE_I8, 0);
    cr_assert_not(lt_quantize_run(&(lt_quantize_options){.model = one, .output = two, .type = LT_DTYPE_NF4}, &result, &err));
    cr_assert(strstr(err.message, "quantised already (I8)"), "%s", err.message);
    cr_assert_not(lt_file_exists(two));
    test_folder_remove(&plain);
    test_folder_remove(&place);
}

Test(quantize, nf4_takes_the_nearest_value_of_its_table)
{
    float x[130], absmax[3], back[130];
    uint8_t codes[65];
    lt_rng rng = lt_rng_make(1, 0);
    for (int i = 0; i < 130; i++)
        x[i] = i < 64 ? lt_rng_normal(&rng) : i < 128 ? 0 : -3;
    lt_nf4_encode(x, 130, codes, absmax);
    cr_assert(absmax[1] == 0 && absmax[2] == 3);
    for (int i = 0; i < 130; i++) {
        int code = codes[i / 2] >> (i % 2 ? 0 : 4) & 15;
        back[i] = lt_nf4_values[code] * absmax[i / 64];
        for (int other = 0; other < 16; other++)
            cr_assert_leq(fabsf(x[i] - back[i]), fabsf(x[i] - lt_nf4_values[other] * absmax[i / 64]) + 1e-6f);
    }
    cr_assert(back[70] == 0 && back[129] == -3);
    float table[256];
    lt_nf4_dynamic_map(table); /* of which bitsandbytes says: 1 at the end, -0.99297 at the beginning, 0 in the middle */
    cr_assert(table[255] == 1 && fabsf(table[0] + 0.9929688f) < 1e-6f && table[127] == 0);
    for (int i = 1; i < 256; i++)
        cr_assert_gt(table[i], table[i - 1]);
}

/* ---- broken tensors ---- */

/* The tensors of an NF4 matrix [4, 32], written anew with something wrong. */
typedef struct broken {
    const char *state;
    int64_t codes, absmax, nested, map;
    float scale;
    lt_dtype absmax_dtype;
    const char *says;
} broken;

static void write_nf4(const char *path, const broken *b)
{
    static const uint8_t zeros[4096];
    float numbers[256];
    lt_error err;
    lt_safetensors_writer *writer;
    for (int i = 0; i < 256; i++)
        numbers[i] = b->scale;
    lt_tensor_spec specs[] = {
        {.name = "w.weight", .dtype = LT_DTYPE_U8, .dims = 2, .shape = {b->codes, 1}},
        {.name = "w.weight.absmax", .dtype = b->absmax_dtype, .dims = 1, .shape = {b->absmax}},
        {.name = "w.weight.nested_absmax", .dtype = LT_DTYPE_F32, .dims = 1, .shape = {b->nested}},
        {.name = "w.weight.nested_quant_map", .dtype = LT_DTYPE_F32, .dims = 1, .shape = {256}},
        {.name = "w.weight.quant_map", .dtype = LT_DTYPE_F32, .dims = 1, .shape = {b->map}},
        {.name = "w.weight.quant_state.bitsandbytes__nf4", .dtype = LT_DTYPE_U8, .dims = 1, .shape = {(int64_t)strlen(b->state)}},
    };
    cr_assert(lt_safetensors_create(&writer, path, specs, 6, NULL, &err), "%s", err.message);
    cr_assert(lt_safetensors_append(writer, zeros, b->codes, &err));
    cr_assert(lt_safetensors_append(writer, b->absmax_dtype == LT_DTYPE_U8 ? (const void *)zeros : numbers,
                                    lt_dtype_bytes(b->absmax_dtype, b->absmax), &err));
    cr_assert(lt_safetensors_append(writer, numbers, b->nested * 4, &err));
    cr_assert(lt_safetensors_append(writer, zeros, 1024, &err));
    cr_assert(lt_safetensors_append(writer, zeros, b->map * 4, &err));
    cr_assert(lt_safetensors_append(writer, b->state, (int64_t)strlen(b->state), &err));
    cr_assert(lt_safetensors_finish(writer, &err), "%s", err.message);
}

#define STATE "{\"quant_type\":\"nf4\",\"blocksize\":64,\"shape\":[4,32],\"nested_blocksize\":256,\"nested_offset\":0.5}"

Test(quantize, broken_scales_are_one_clear_error_each)
{
    static const broken cases[] = {
        {STATE, 64, 2, 1, 16, 1, LT_DTYPE_U8, NULL},
        {STATE, 63, 2, 1, 16, 1, LT_DTYPE_U8, "expected 64 bytes for a matrix [4, 32] of 4 bits, found 63"},
        {STATE, 64, 3, 1, 16, 1, LT_DTYPE_U8, "w.weight.absmax': expected 2 elements"},
        {STATE, 64, 2, 2, 16, 1, LT_DTYPE_U8, "nested_absmax': expected 1 elements"},
        {STATE, 64, 2, 1, 15, 1, LT_DTYPE_U8, "w.weight.quant_map': expected 16 elements"},
        {STATE, 64, 2, 1, 16, NAN, LT_DTYPE_U8, "nested_absmax': element 0 is NaN; a scale must be finite"},
        {STATE, 64, 2, 1, 16, 1, LT_DTYPE_F32, "expected U8 with double quantisation, found F32"},
        {"{\"blocksize\":64,\"shape\":[4,32]}", 64, 2, 1, 16, 1, LT_DTYPE_F32, NULL},
        {"{\"blocksize\":64,\"shape\":[4,32]}", 64, 2, 1, 16, INFINITY, LT_DTYPE_F32, "absmax': element 0 is infinite"},
        {"{\"blocksize\":64,\"shape\":[4,32]}", 64, 2, 1, 16, 1, LT_DTYPE_U8, "expected F32, BF16 or F16 without double quantisation"},
        {"{\"blocksize\":48,\"shape\":[4,32]}", 64, 2, 1, 16, 1, LT_DTYPE_F32, "'blocksize': expected a power of two, found 48"},
        {"{\"blocksize\":-64,\"shape\":[4,32]}", 64, 2, 1, 16, 1, LT_DTYPE_F32, "blocksize"},
        {"{\"blocksize\":64,\"shape\":[32,4]}", 64, 2, 1, 16, 1, LT_DTYPE_F32, "expected [4, 32], found 2 dimensions [32, 4]"},
        {"{\"blocksize\":64}", 64, 2, 1, 16, 1, LT_DTYPE_F32, "field 'shape' is missing"},
        {"{\"blocksize\":64,\"shape\":[4,32]", 64, 2, 1, 16, 1, LT_DTYPE_F32, "quant_state.bitsandbytes__nf4"},
        {"{\"blocksize\":64,\"shape\":[4,32],\"nested_blocksize\":256,\"nested_offset\":1e300}", 64, 2, 1, 16, 1, LT_DTYPE_U8,
         "nested_offset"},
        {"{\"blocksize\":64,\"shape\":[4,32],\"nested_blocksize\":256,\"nested_dtype\":\"int8\"}", 64, 2, 1, 16, 1, LT_DTYPE_U8,
         "'nested_dtype': expected float32, bfloat16 or float16, found 'int8'"},
    };
    test_folder folder = test_folder_make();
    const char *path = test_folder_file(&folder, "w.safetensors");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lt_weights *weights;
        lt_weight weight;
        lt_error err;
        write_nf4(path, &cases[i]);
        cr_assert(lt_weights_open(&weights, path, &err), "%s", err.message);
        bool ok = lt_weights_find(weights, "w.weight", 4, 32, &weight, &err);
        if (!cases[i].says)
            cr_assert(ok, "case %zu: %s", i, err.message);
        else
            cr_assert(!ok && strstr(err.message, cases[i].says), "case %zu: expected '%s' in: %s", i, cases[i].says,
                      ok ? "no error" : err.message);
        lt_weights_close(weights);
    }
    test_folder_remove(&folder);
}
