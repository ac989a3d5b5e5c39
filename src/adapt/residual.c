#include "adapt/residual.h"

/* The LoRA of the beginning, taken away. */
static lt_lora_linear beginning(const lt_residual *residual)
{
    lt_lora_linear lora;
    lt_lora_linear_init(&lora, residual->lora.R, -residual->lora.scale, 0);
    lora.a = residual->a0;
    lora.b = residual->b0;
    return lora;
}

static void forward(lt_linear_hook *hook, const lt_linear *linear, lt_workspace *ws, const lt_linear_io *io)
{
    lt_lora_linear first = beginning((const lt_residual *)hook);
    lt_lora_linear_forward(hook, linear, ws, io);
    lt_lora_linear_forward(&first.hook, linear, ws, io);
}

/* dx -= s dy B0 A0: nothing of the beginning learns. */
static void backward(lt_linear_hook *hook, const lt_linear *linear, lt_workspace *ws, const lt_linear_io *io)
{
    lt_lora_linear first = beginning((const lt_residual *)hook);
    int64_t mark = lt_arena_mark(ws->arena), N = linear->N, K = linear->K, R = first.R, T = io->T;
    lt_lora_linear_backward(hook, linear, ws, io);
    if (!io->dx)
        return;
    float *du = LT_ARENA_NEW(ws->arena, float, T * R);
    lt_matrix dum = lt_matrix_f32(du, T, R), a = lt_matrix_f32(first.a, R, K), b = lt_matrix_f32(first.b, N, R);
    lt_gemm(&(lt_gemm_call){.M = T, .N = R, .K = N, .compute = ws->compute, .packed_a = io->packed_dy, .b = &b, .c = du, .c_stride = R,
                            .alpha = first.scale, .scratch = ws->gemm});
    lt_gemm(&(lt_gemm_call){.M = T, .N = K, .K = R, .compute = ws->compute, .a = &dum, .b = &a, .c = io->dx, .c_stride = io->dx_stride,
                            .alpha = 1, .beta = 1, .scratch = ws->gemm});
    lt_arena_release(ws->arena, mark);
}

void lt_residual_init(lt_residual *residual, int64_t R, float scale, float dropout)
{
    *residual = (lt_residual){0};
    lt_lora_linear_init(&residual->lora, R, scale, dropout);
    residual->lora.hook.forward = forward;
    residual->lora.hook.backward = backward;
}
