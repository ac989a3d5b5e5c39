#include "adapt/ia3_linear.h"

static int64_t bytes(int64_t T, int64_t width) { return lt_align_up(T * width * (int64_t)sizeof(float)); }

/* Of a feedforward module the layer itself takes the rows of the scaled input. */
static int64_t scratch_bytes(const lt_linear_hook *hook, const lt_linear *linear, int64_t T)
{
    const lt_ia3_linear *ia3 = (const lt_ia3_linear *)hook;
    return bytes(T, ia3->feedforward ? linear->K : linear->N);
}

static void scale_rows(const lt_ia3_linear *ia3, const lt_linear *linear, const lt_linear_io *io)
{
#pragma omp parallel for schedule(static)
    for (int64_t t = 0; t < io->T; t++)
        for (int64_t n = 0; n < linear->N; n++)
            io->y[t * io->y_stride + n] *= ia3->l[n];
}

static void forward(lt_linear_hook *hook, const lt_linear *linear, lt_workspace *ws, const lt_linear_io *io)
{
    (void)ws;
    scale_rows((const lt_ia3_linear *)hook, linear, io);
}

/* dl (width) += Σ_t a[t] ⊙ b[t]: columns in parallel, rows in order. */
static void sum_products(float *dl, const float *a, int64_t a_stride, const float *b, int64_t b_stride, int64_t T, int64_t width)
{
    enum { COLUMNS = 64 };
    const lt_kernels *k = lt_kernels_get();
#pragma omp parallel for schedule(static)
    for (int64_t n = 0; n < width; n += COLUMNS)
        for (int64_t t = 0; t < T; t++)
            k->multiply_add(dl + n, a + t * a_stride + n, b + t * b_stride + n, width - n < COLUMNS ? width - n : COLUMNS);
}

/* dl += Σ_t dy ⊙ z with z = x wᵀ + b computed again (l may be 0, so y does not tell it); dy becomes l ⊙ dy. */
static void backward(lt_linear_hook *hook, const lt_linear *linear, lt_workspace *ws, const lt_linear_io *io)
{
    const lt_ia3_linear *ia3 = (const lt_ia3_linear *)hook;
    int64_t mark = lt_arena_mark(ws->arena), N = linear->N;
    float *z = LT_ARENA_NEW(ws->arena, float, io->T * N);
    lt_linear bare = *linear;
    bare.hook = NULL;
    lt_linear_forward(&(const lt_linear *){&bare}, 1, ws, io->x, io->x_stride, io->T, &z, N);
    sum_products(ia3->dl, io->y, io->y_stride, z, N, io->T, N);
    scale_rows(ia3, linear, io);
    lt_arena_release(ws->arena, mark);
}

/* dl += Σ_t x ⊙ d, d the gradient at l ⊙ x. */
static void backward_input(lt_linear_hook *hook, const lt_linear *linear, lt_workspace *ws, const lt_linear_io *io)
{
    (void)ws;
    sum_products(((const lt_ia3_linear *)hook)->dl, io->x, io->x_stride, io->dx, io->dx_stride, io->T, linear->K);
}

void lt_ia3_linear_init(lt_ia3_linear *ia3, bool feedforward)
{
    *ia3 = (lt_ia3_linear){
        .hook = {.forward = forward, .backward = feedforward ? backward_input : backward, .scratch_bytes = scratch_bytes,
                 .changes_dy = !feedforward, .enabled = true},
        .feedforward = feedforward,
    };
}

void lt_ia3_linear_bind(lt_ia3_linear *ia3, float *l, float *dl)
{
    ia3->l = l;
    ia3->dl = dl;
    ia3->hook.input_scale = ia3->feedforward ? l : NULL;
}
