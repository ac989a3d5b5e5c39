#include "adapt/lora_linear.h"

#include <assert.h>

#include "core/rng.h"

/* Forward, with u = drop(x) Aᵀ (T,R):
 *     y  += s u Bᵀ
 * Backward, from dy (T,N), with u and the same dropout drawn again, and du = s dy B (T,R):
 *     dB += s dyᵀ u        dA += duᵀ drop(x)        dx += drop'(du A)
 */

static int64_t u_bytes(const lt_lora_linear *lora, int64_t T) { return lt_align_up(T * lora->R * (int64_t)sizeof(float)); }
static int64_t x_bytes(const lt_linear *linear, int64_t T) { return lt_align_up(T * linear->K * (int64_t)sizeof(float)); }

int64_t lt_lora_linear_scratch_bytes(const lt_linear_hook *hook, const lt_linear *linear, int64_t T)
{
    const lt_lora_linear *lora = (const lt_lora_linear *)hook;
    return 2 * u_bytes(lora, T) + (lora->dropout > 0 ? 2 * x_bytes(linear, T) : 0);
}

/* out (T,K) = in · mask / (1 - p), or += : the mask is a function of (seed, step, layer, token, element), so the backward pass
 * and a recomputed forward pass draw the one of the first forward pass. in and out strides are in_stride, out_stride. */
static void apply_dropout(const lt_lora_linear *lora, const lt_linear *linear, const lt_workspace *ws, int64_t T, const float *in,
                          int64_t in_stride, float *out, int64_t out_stride, bool add)
{
    float keep = 1.0f / (1.0f - lora->dropout);
    uint32_t threshold = (uint32_t)(lora->dropout * 4294967296.0);
    int64_t K = linear->K, blocks = (K + 3) / 4;
    uint64_t stream = linear->id << 32 | (ws->step & 0xFFFFFFFFu);
#pragma omp parallel for schedule(static)
    for (int64_t t = 0; t < T; t++) {
        const float *x = in + t * in_stride;
        float *y = out + t * out_stride;
        for (int64_t k = 0; k < K; k += 4) {
            uint32_t draw[4];
            lt_rng_block(ws->seed, stream, (uint64_t)((ws->token + t) * blocks + k / 4), draw);
            for (int64_t i = 0; i < 4 && k + i < K; i++) {
                float kept = draw[i] < threshold ? 0.0f : x[k + i] * keep;
                y[k + i] = add ? y[k + i] + kept : kept;
            }
        }
    }
}

static bool dropping(const lt_lora_linear *lora, const lt_workspace *ws)
{
    return ws->training && lora->dropout > 0;
}

/* u (T,R) = factor · drop(x) Aᵀ. *dropped (T,K) is taken from the arena when there is dropout, and is NULL otherwise. */
static float *down(const lt_lora_linear *lora, const lt_linear *linear, lt_workspace *ws, const lt_linear_io *io, float factor,
                   float **dropped)
{
    int64_t K = linear->K, R = lora->R;
    float *u = LT_ARENA_NEW(ws->arena, float, io->T * R);
    lt_matrix a = lt_matrix_f32(lora->a, R, K), x;
    lt_gemm_call call = {.M = io->T, .N = R, .K = K, .compute = ws->compute, .packed_a = io->packed_x, .b = &a, .transpose_b = true,
                         .c = u, .c_stride = R, .alpha = factor, .scratch = ws->gemm};
    *dropped = NULL;
    if (dropping(lora, ws)) {
        *dropped = LT_ARENA_NEW(ws->arena, float, io->T * K);
        apply_dropout(lora, linear, ws, io->T, io->x, io->x_stride, *dropped, K, false);
        x = lt_matrix_f32(*dropped, io->T, K);
        call.packed_a = NULL;
        call.a = &x;
    }
    lt_gemm(&call);
    return u;
}

void lt_lora_linear_forward(lt_linear_hook *hook, const lt_linear *linear, lt_workspace *ws, const lt_linear_io *io)
{
    const lt_lora_linear *lora = (const lt_lora_linear *)hook;
    int64_t mark = lt_arena_mark(ws->arena), N = linear->N, R = lora->R;
    float *dropped, *u = down(lora, linear, ws, io, 1, &dropped);
    lt_matrix um = lt_matrix_f32(u, io->T, R), b = lt_matrix_f32(lora->b, N, R);
    lt_gemm(&(lt_gemm_call){.M = io->T, .N = N, .K = R, .compute = ws->compute, .a = &um, .b = &b, .transpose_b = true, .c = io->y,
                            .c_stride = io->y_stride, .alpha = lora->scale, .beta = 1, .scratch = ws->gemm});
    lt_arena_release(ws->arena, mark);
}

static bool forward_low(lt_linear_hook *hook, const lt_linear *linear, lt_workspace *ws, const lt_linear_io *io, lt_low_rank *low)
{
    const lt_lora_linear *lora = (const lt_lora_linear *)hook;
    float *dropped;
    *low = (lt_low_rank){.R = lora->R, .left = down(lora, linear, ws, io, lora->scale, &dropped), .right = lora->b};
    return true;
}

/* dx += du A, through the dropout. */
static void input_gradient(const lt_lora_linear *lora, const lt_linear *linear, lt_workspace *ws, const lt_linear_io *io, const float *du)
{
    int64_t K = linear->K, R = lora->R;
    lt_matrix dum = lt_matrix_f32(du, io->T, R), a = lt_matrix_f32(lora->a, R, K);
    lt_gemm_call call = {.M = io->T, .N = K, .K = R, .compute = ws->compute, .a = &dum, .b = &a, .c = io->dx, .c_stride = io->dx_stride,
                         .alpha = 1, .beta = 1, .scratch = ws->gemm};
    if (!dropping(lora, ws)) {
        lt_gemm(&call);
        return;
    }
    float *full = LT_ARENA_NEW(ws->arena, float, io->T * K);
    call.c = full;
    call.c_stride = K;
    call.beta = 0;
    lt_gemm(&call);
    apply_dropout(lora, linear, ws, io->T, full, K, io->dx, io->dx_stride, true);
}

/* Sums both gradients; returns du (T,R), in the arena. */
static const float *parameter_gradients(const lt_lora_linear *lora, const lt_linear *linear, lt_workspace *ws, const lt_linear_io *io)
{
    int64_t N = linear->N, K = linear->K, R = lora->R, T = io->T;
    float *dropped, *u = down(lora, linear, ws, io, 1, &dropped), *du = LT_ARENA_NEW(ws->arena, float, T * R);
    lt_matrix dy = lt_matrix_f32(io->y, T, N), um = lt_matrix_f32(u, T, R), b = lt_matrix_f32(lora->b, N, R);
    dy.row_stride = io->y_stride;
    lt_gemm(&(lt_gemm_call){.M = N, .N = R, .K = T, .compute = ws->compute, .a = &dy, .transpose_a = true, .b = &um, .c = lora->db,
                            .c_stride = R, .alpha = lora->scale, .beta = 1, .scratch = ws->gemm});
    lt_gemm(&(lt_gemm_call){.M = T, .N = R, .K = N, .compute = ws->compute, .packed_a = io->packed_dy, .b = &b, .c = du, .c_stride = R,
                            .alpha = lora->scale, .scratch = ws->gemm});
    lt_matrix dum = lt_matrix_f32(du, T, R), x = lt_matrix_f32(dropped ? dropped : io->x, T, K);
    x.row_stride = dropped ? K : io->x_stride;
    lt_gemm(&(lt_gemm_call){.M = R, .N = K, .K = T, .compute = ws->compute, .a = &dum, .transpose_a = true, .b = &x, .c = lora->da,
                            .c_stride = K, .alpha = 1, .beta = 1, .scratch = ws->gemm});
    return du;
}

void lt_lora_linear_backward(lt_linear_hook *hook, const lt_linear *linear, lt_workspace *ws, const lt_linear_io *io)
{
    const lt_lora_linear *lora = (const lt_lora_linear *)hook;
    int64_t mark = lt_arena_mark(ws->arena);
    const float *du = parameter_gradients(lora, linear, ws, io);
    if (io->dx)
        input_gradient(lora, linear, ws, io, du);
    lt_arena_release(ws->arena, mark);
}

/* With dropout what goes to dx must pass its mask first. */
static bool backward_low(lt_linear_hook *hook, const lt_linear *linear, lt_workspace *ws, const lt_linear_io *io, lt_low_rank *low)
{
    const lt_lora_linear *lora = (const lt_lora_linear *)hook;
    if (dropping(lora, ws))
        return false;
    *low = (lt_low_rank){.R = lora->R, .left = parameter_gradients(lora, linear, ws, io), .right = lora->a};
    return true;
}

void lt_lora_linear_init(lt_lora_linear *lora, int64_t R, float scale, float dropout)
{
    assert(R > 0 && dropout >= 0 && dropout < 1);
    *lora = (lt_lora_linear){.hook = {.forward = lt_lora_linear_forward, .backward = lt_lora_linear_backward,
                                      .scratch_bytes = lt_lora_linear_scratch_bytes, .enabled = true},
                             .R = R, .scale = scale, .dropout = dropout};
}

void lt_lora_linear_lend(lt_lora_linear *lora)
{
    lora->hook.forward_low = forward_low;
    lora->hook.backward_low = backward_low;
}
