#include "adapt/dora.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Σ over row n of (w + s B A)², w as (N,K): rows of a slab in parallel. */
static void norms_by_row(const lt_dora *dora, const lt_linear *linear, float *norm)
{
    const lt_kernels *k = lt_kernels_get();
    const lt_lora_linear *l = &dora->lora;
    for (int s = 0; s < lt_weights_slabs(&linear->weight); s++) {
        int64_t first;
        lt_matrix w = lt_weights_use(&linear->weight, s, &first);
#pragma omp parallel
        {
            float *v = malloc((size_t)linear->K * sizeof *v);
#pragma omp for schedule(static)
            for (int64_t i = 0; i < w.rows; i++) {
                int64_t n = lt_weight_row(&linear->weight, first + i);
                k->decode_f32(&w, i, 0, w.cols, v);
                for (int64_t r = 0; r < l->R; r++)
                    k->axpy(v, l->scale * l->b[n * l->R + r], l->a + r * linear->K, linear->K);
                norm[n] = (float)sqrt(k->sum_squares(v, linear->K));
            }
            free(v);
        }
    }
}

/* The same for a matrix stored as (K,N): its columns are our rows, so squares are summed down them, in the order of k. */
static void norms_by_column(const lt_dora *dora, const lt_linear *linear, float *norm)
{
    const lt_kernels *k = lt_kernels_get();
    const lt_lora_linear *l = &dora->lora;
    int64_t N = linear->N, R = l->R;
    float *v = malloc((size_t)N * sizeof *v), *column = malloc((size_t)N * sizeof *column);
    memset(norm, 0, (size_t)N * sizeof *norm);
    for (int s = 0; s < lt_weights_slabs(&linear->weight); s++) {
        int64_t first;
        lt_matrix w = lt_weights_use(&linear->weight, s, &first);
        for (int64_t i = 0; i < w.rows; i++) {
            k->decode_f32(&w, i, 0, w.cols, v);
            for (int64_t r = 0; r < R; r++) {
                for (int64_t n = 0; n < N; n++)
                    column[n] = l->b[n * R + r];
                k->axpy(v, l->scale * l->a[r * linear->K + first + i], column, N);
            }
            k->multiply_add(norm, v, v, N);
        }
    }
    for (int64_t n = 0; n < N; n++)
        norm[n] = sqrtf(norm[n]);
    free(v);
    free(column);
}

void lt_dora_row_norms(const lt_dora *dora, const lt_linear *linear, float *norm)
{
    (linear->transposed ? norms_by_column : norms_by_row)(dora, linear, norm);
}

/* y (T,N) = y · g, or (y - bias) · g + bias. */
static void scale_rows(const lt_dora *dora, const lt_linear *linear, const lt_linear_io *io)
{
#pragma omp parallel for schedule(static)
    for (int64_t t = 0; t < io->T; t++) {
        float *y = io->y + t * io->y_stride;
        for (int64_t n = 0; n < linear->N; n++) {
            float bias = linear->bias ? linear->bias[n] : 0.0f;
            y[n] = (y[n] - bias) * (dora->m[n] / dora->norm[n]) + bias;
        }
    }
}

static void forward(lt_linear_hook *hook, const lt_linear *linear, lt_workspace *ws, const lt_linear_io *io)
{
    const lt_dora *dora = (const lt_dora *)hook;
    lt_dora_row_norms(dora, linear, dora->norm);
    lt_lora_linear_forward(hook, linear, ws, io);
    scale_rows(dora, linear, io);
}

/* dm (N) += Σ_t dy · z / n with z = x wᵀ + s x Aᵀ Bᵀ computed again. */
static void magnitude_gradient(const lt_dora *dora, const lt_linear *linear, lt_workspace *ws, const lt_linear_io *io)
{
    int64_t mark = lt_arena_mark(ws->arena), N = linear->N;
    float *z = LT_ARENA_NEW(ws->arena, float, io->T * N);
    lt_linear bare = *linear;
    bare.hook = NULL;
    bare.bias = NULL;
    lt_linear_forward(&(const lt_linear *){&bare}, 1, ws, io->x, io->x_stride, io->T, &z, N);
    lt_linear_io zio = *io;
    zio.y = z;
    zio.y_stride = N;
    lt_lora_linear_forward((lt_linear_hook *)&dora->lora.hook, linear, ws, &zio);
#pragma omp parallel for schedule(static)
    for (int64_t n = 0; n < N; n++) {
        double sum = 0;
        for (int64_t t = 0; t < io->T; t++)
            sum += (double)io->y[t * io->y_stride + n] * z[t * N + n];
        dora->dm[n] += (float)(sum / dora->norm[n]);
    }
    lt_arena_release(ws->arena, mark);
}

static void backward(lt_linear_hook *hook, const lt_linear *linear, lt_workspace *ws, const lt_linear_io *io)
{
    const lt_dora *dora = (const lt_dora *)hook;
    magnitude_gradient(dora, linear, ws, io);
#pragma omp parallel for schedule(static)
    for (int64_t t = 0; t < io->T; t++)
        for (int64_t n = 0; n < linear->N; n++)
            io->y[t * io->y_stride + n] *= dora->m[n] / dora->norm[n];
    lt_matrix dy = {io->y, LT_DTYPE_F32, io->T, linear->N, io->y_stride};
    lt_gemm_pack_a(ws->compute, &dy, false, io->T, linear->N, ws->packed_dy, false);
    lt_lora_linear_backward(hook, linear, ws, io);
}

static int64_t scratch_bytes(const lt_linear_hook *hook, const lt_linear *linear, int64_t T)
{
    return lt_lora_linear_scratch_bytes(hook, linear, T) + lt_align_up(T * linear->N * (int64_t)sizeof(float));
}

bool lt_dora_init(lt_dora *dora, const lt_linear *linear, int64_t R, float scale, lt_error *err)
{
    *dora = (lt_dora){0};
    lt_lora_linear_init(&dora->lora, R, scale, 0);
    dora->lora.hook.forward = forward;
    dora->lora.hook.backward = backward;
    dora->lora.hook.scratch_bytes = scratch_bytes;
    dora->lora.hook.changes_dy = true;
    dora->norm = calloc((size_t)linear->N, sizeof *dora->norm);
    return dora->norm || lt_error_set(err, LT_ERR_MEMORY, "out of memory for the adapter");
}

void lt_dora_free(lt_dora *dora)
{
    free(dora->norm);
    dora->norm = NULL;
}
