#include "adapt/dora.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/rng.h"

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

/* ---- with dropout ---- */

static bool dropping(const lt_dora *dora, const lt_workspace *ws)
{
    return ws->training && dora->dropout > 0;
}

/* out (T,K) = in · mask / (1 - p), or +=. The mask is a function of (seed, step, layer, token, element). */
static void apply_dropout(const lt_dora *dora, const lt_linear *linear, const lt_workspace *ws, int64_t T, const float *in,
                          int64_t in_stride, float *out, int64_t out_stride, bool add)
{
    float keep = 1.0f / (1.0f - dora->dropout);
    uint32_t threshold = (uint32_t)(dora->dropout * 4294967296.0);
    int64_t K = linear->K, blocks = (K + 3) / 4;
    uint64_t stream = linear->id << 32 | (ws->step & 0xFFFFFFFFu);
#pragma omp parallel for schedule(static)
    for (int64_t t = 0; t < T; t++)
        for (int64_t k = 0; k < K; k += 4) {
            uint32_t draw[4];
            lt_rng_block(ws->seed, stream, (uint64_t)((ws->token + t) * blocks + k / 4), draw);
            for (int64_t i = 0; i < 4 && k + i < K; i++) {
                float kept = draw[i] < threshold ? 0.0f : in[t * in_stride + k + i] * keep;
                out[t * out_stride + k + i] = add ? out[t * out_stride + k + i] + kept : kept;
            }
        }
}

static void pack(lt_workspace *ws, const float *x, int64_t stride, int64_t T, int64_t width, void *packed)
{
    lt_matrix m = {x, LT_DTYPE_F32, T, width, stride};
    lt_gemm_pack_a(ws->compute, &m, false, T, width, packed, false);
}

/* What both passes need, taken from the arena: x' (T,K), its product with the base (T,N), and io as the LoRA part sees it. */
typedef struct dropped {
    float *x, *z;
    lt_linear bare;
    lt_linear_io io;
} dropped;

static dropped drop(const lt_dora *dora, const lt_linear *linear, lt_workspace *ws, const lt_linear_io *io)
{
    dropped d = {.bare = *linear, .io = *io};
    d.bare.hook = NULL;
    d.bare.bias = NULL;
    d.x = LT_ARENA_NEW(ws->arena, float, io->T * linear->K);
    d.z = LT_ARENA_NEW(ws->arena, float, io->T * linear->N);
    apply_dropout(dora, linear, ws, io->T, io->x, io->x_stride, d.x, linear->K, false);
    lt_linear_forward(&(const lt_linear *){&d.bare}, 1, ws, d.x, linear->K, io->T, &d.z, linear->N); /* packs x' too */
    d.io.x = d.x;
    d.io.x_stride = linear->K;
    d.io.y = d.z;
    d.io.y_stride = linear->N;
    return d;
}

/* y = y - x' wᵀ + g ⊙ (x' wᵀ + s x' Aᵀ Bᵀ) */
static void forward_dropped(lt_dora *dora, const lt_linear *linear, lt_workspace *ws, const lt_linear_io *io)
{
    int64_t mark = lt_arena_mark(ws->arena), N = linear->N;
    dropped d = drop(dora, linear, ws, io);
    for (int64_t t = 0; t < io->T; t++)
        lt_kernels_get()->axpy(io->y + t * io->y_stride, -1.0f, d.z + t * N, N);
    lt_lora_linear_forward(&dora->lora.hook, linear, ws, &d.io);
#pragma omp parallel for schedule(static)
    for (int64_t t = 0; t < io->T; t++)
        for (int64_t n = 0; n < N; n++)
            io->y[t * io->y_stride + n] += dora->m[n] / dora->norm[n] * d.z[t * N + n];
    pack(ws, io->x, io->x_stride, io->T, linear->K, ws->packed_x); /* layers behind it in the group read x */
    lt_arena_release(ws->arena, mark);
}

/* dm (N) += Σ_t dy · z / n; then z becomes g ⊙ dy. */
static void magnitude_from(const lt_dora *dora, const lt_linear_io *io, int64_t N, float *z)
{
#pragma omp parallel for schedule(static)
    for (int64_t n = 0; n < N; n++) {
        double sum = 0;
        for (int64_t t = 0; t < io->T; t++) {
            float dy = io->y[t * io->y_stride + n];
            sum += (double)dy * z[t * N + n];
            z[t * N + n] = dora->m[n] / dora->norm[n] * dy;
        }
        dora->dm[n] += (float)(sum / dora->norm[n]);
    }
}

/* dx gets its share through x'; dy stays for the base product. */
static void backward_dropped(lt_dora *dora, const lt_linear *linear, lt_workspace *ws, const lt_linear_io *io)
{
    int64_t mark = lt_arena_mark(ws->arena), N = linear->N, K = linear->K, T = io->T;
    dropped d = drop(dora, linear, ws, io);
    d.io.dx = NULL;
    lt_lora_linear_forward(&dora->lora.hook, linear, ws, &d.io);
    magnitude_from(dora, io, N, d.z);
    if (io->dx) {
        d.io.dx = LT_ARENA_NEW(ws->arena, float, T * K);
        d.io.dx_stride = K;
        memset(d.io.dx, 0, (size_t)(T * K) * sizeof(float));
    }
    pack(ws, d.z, N, T, N, ws->packed_dy);
    lt_lora_linear_backward(&dora->lora.hook, linear, ws, &d.io);
    if (io->dx) {
        for (int64_t t = 0; t < T; t++)
            lt_kernels_get()->axpy(d.z + t * N, -1.0f, io->y + t * io->y_stride, N);
        lt_linear_backward(&(const lt_linear *){&d.bare}, 1, ws, d.x, K, T, &d.z, N, d.io.dx, K, true);
        apply_dropout(dora, linear, ws, T, d.io.dx, K, io->dx, io->dx_stride, true);
    }
    pack(ws, io->x, io->x_stride, T, K, ws->packed_x);
    lt_arena_release(ws->arena, mark);
}

/* ---- the hook ---- */

static void forward(lt_linear_hook *hook, const lt_linear *linear, lt_workspace *ws, const lt_linear_io *io)
{
    lt_dora *dora = (lt_dora *)hook;
    lt_dora_row_norms(dora, linear, dora->norm);
    if (dropping(dora, ws)) {
        forward_dropped(dora, linear, ws, io);
        return;
    }
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
    lt_dora *dora = (lt_dora *)hook;
    if (dropping(dora, ws)) {
        backward_dropped(dora, linear, ws, io);
        return;
    }
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
    const lt_dora *dora = (const lt_dora *)hook;
    int64_t inputs = dora->dropout > 0 ? 2 * lt_align_up(T * linear->K * (int64_t)sizeof(float)) : 0;
    return lt_lora_linear_scratch_bytes(hook, linear, T) + lt_align_up(T * linear->N * (int64_t)sizeof(float)) + inputs;
}

bool lt_dora_init(lt_dora *dora, const lt_linear *linear, int64_t R, float scale, float dropout, lt_error *err)
{
    *dora = (lt_dora){.dropout = dropout};
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
