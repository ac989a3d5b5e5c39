#include "nn/linear.h"

#include <assert.h>
#include <string.h>


static bool hooked(const lt_linear *linear)
{
    return linear->hook && linear->hook->enabled;
}

static bool scales_input(const lt_linear *linear)
{
    return hooked(linear) && linear->hook->input_scale;
}

bool lt_linear_trained(const lt_linear *linear)
{
    return linear->dweight || linear->dbias || hooked(linear);
}

/* Columns of dy that are packed at once when nothing else needs all of them. */
enum { PIECE = 4096 };

int64_t lt_linear_packed_dy_bytes(const lt_linear *linear, lt_compute compute, int64_t max_T)
{
    bool whole = linear->hook || linear->transposed || linear->N < PIECE;
    return lt_gemm_packed_bytes(compute, max_T, whole ? linear->N : PIECE);
}

int64_t lt_linear_packed_bytes(lt_compute compute, int64_t max_T, int64_t max_width)
{
    return lt_gemm_packed_bytes(compute, max_T, max_width);
}

void lt_linear_prefetch(const lt_linear *linear)
{
    if (linear->module)
        lt_weights_prefetch(&linear->weight);
}

static void pack(lt_workspace *ws, const float *x, int64_t stride, int64_t T, int64_t K, void *packed)
{
    lt_matrix m = {x, LT_DTYPE_F32, T, K, stride};
    lt_gemm_pack_a(ws->compute, &m, false, T, K, packed, false);
}

/* y (T,N) of a matrix with paired rows: from the order of its rows to that of the layer's outputs, or (back) the other way. A head
 * at a time, so a copy of one is all that it takes. */
static void arrange_outputs(const lt_linear *linear, const lt_linear_io *io, bool back)
{
    enum { WIDEST = 1024 };
    int64_t D = linear->weight.paired_rows;
    assert(D <= WIDEST && linear->N % D == 0);
#pragma omp parallel for schedule(static) if (io->T * linear->N > 16384)
    for (int64_t t = 0; t < io->T; t++)
        for (int64_t n = 0; n < linear->N; n += D) {
            float head[WIDEST], *y = io->y + t * io->y_stride + n;
            memcpy(head, y, (size_t)D * sizeof *head);
            for (int64_t i = 0; i < D / 2; i++) {
                int64_t low = back ? i : 2 * i, high = back ? D / 2 + i : 2 * i + 1;
                y[back ? 2 * i : i] = head[low];
                y[back ? 2 * i + 1 : D / 2 + i] = head[high];
            }
        }
}

static void add_bias(const lt_linear *linear, const lt_linear_io *io)
{
    const lt_kernels *k = lt_kernels_get();
    for (int64_t t = 0; linear->bias && t < io->T; t++)
        k->axpy(io->y + t * io->y_stride, 1.0f, linear->bias, linear->N);
}

/* Answers do not depend on how many are made at once: outside training the term is apart.
 * An adapter's share as the second term of a product: rows or columns of `right` from `first` on. */
typedef struct low_term {
    lt_matrix left, right;
    lt_gemm_term term;
} low_term;

static const lt_gemm_term *low_part(low_term *part, const lt_workspace *ws, const lt_low_rank *low, int64_t T, int64_t width,
                                    bool transpose, int64_t first, int64_t count)
{
    if (!low)
        return NULL;
    part->left = lt_matrix_f32(low->left, T, low->R);
    part->right = transpose ? lt_matrix_f32(low->right + first * low->R, count, low->R) : lt_matrix_f32(low->right + first, low->R, count);
    part->right.row_stride = transpose ? low->R : width;
    part->term = (lt_gemm_term){.K = low->R, .a = &part->left, .b = &part->right, .transpose_b = transpose, .apart = !ws->training};
    return &part->term;
}

/* y (T,N) = x wᵀ + b (+ low), slab by slab: rows of w are columns of y. A transposed matrix has its slabs along the sum. */
static void base_forward(const lt_linear *linear, lt_workspace *ws, const lt_linear_io *io, const lt_low_rank *low)
{
    for (int s = 0; s < lt_weights_slabs(&linear->weight); s++) {
        int64_t row;
        low_term part;
        lt_matrix w = lt_weights_use(&linear->weight, s, &row);
        lt_matrix x = {io->x + row, LT_DTYPE_F32, io->T, w.rows, io->x_stride};
        lt_gemm_call call = {.M = io->T, .compute = ws->compute, .b = &w, .c = io->y, .c_stride = io->y_stride, .alpha = 1,
                             .scratch = ws->gemm};
        if (linear->transposed) {
            call.N = linear->N;
            call.K = w.rows;
            call.a = &x;
            call.beta = s ? 1 : 0;
            call.bias = s ? NULL : linear->bias;
            call.more = low_part(&part, ws, s ? NULL : low, io->T, linear->N, true, 0, linear->N);
        } else {
            call.N = w.rows;
            call.K = linear->K;
            call.packed_a = io->packed_x;
            call.transpose_b = true;
            call.c += row;
            call.bias = linear->bias && !linear->weight.paired_rows ? linear->bias + row : NULL;
            call.more = low_part(&part, ws, low, io->T, linear->N, true, row, w.rows);
        }
        lt_gemm(&call);
    }
    if (linear->weight.paired_rows) {
        arrange_outputs(linear, io, false);
        add_bias(linear, io);
    }
}

/* dx (T,K) = beta dx + dy w (+ low) for w (K,N): dx = dy wᵀ, rows of w are columns of dx. */
static void base_backward_transposed(const lt_linear *linear, lt_workspace *ws, const lt_linear_io *io, float beta, const lt_low_rank *low)
{
    for (int s = 0; s < lt_weights_slabs(&linear->weight); s++) {
        int64_t row;
        low_term part;
        lt_matrix w = lt_weights_use(&linear->weight, s, &row);
        lt_gemm(&(lt_gemm_call){.M = io->T, .N = w.rows, .K = linear->N, .compute = ws->compute, .packed_a = io->packed_dy, .b = &w,
                                .transpose_b = true, .c = io->dx + row, .c_stride = io->dx_stride, .alpha = 1, .beta = beta,
                                .scratch = ws->gemm, .more = low_part(&part, ws, low, io->T, linear->K, false, row, w.rows)});
    }
}

/* dx (T,K) = beta dx + dy w (+ low). Where dy is not packed whole, or w is cut into slabs, PIECE rows of w at a time take their columns
 * of dy: a head's gradient, as wide as the vocabulary, is never packed whole. */
static void base_backward(const lt_linear *linear, lt_workspace *ws, const lt_linear_io *io, float beta, bool packed,
                          const lt_low_rank *low)
{
    int slabs = lt_weights_slabs(&linear->weight);
    for (int s = 0; s < slabs; s++) {
        int64_t first;
        low_term low_space;
        lt_matrix w = lt_weights_use(&linear->weight, s, &first);
        int64_t piece = packed && slabs == 1 ? w.rows : PIECE;
        for (int64_t row = 0; row < w.rows; row += piece, beta = 1, low = NULL) {
            lt_matrix part = lt_matrix_part(&w, row, w.rows - row < piece ? w.rows - row : piece);
            if (!packed || slabs > 1)
                pack(ws, io->y + first + row, io->y_stride, io->T, part.rows, ws->packed_dy);
            lt_gemm(&(lt_gemm_call){.M = io->T, .N = linear->K, .K = part.rows, .compute = ws->compute, .packed_a = io->packed_dy,
                                    .b = &part, .c = io->dx, .c_stride = io->dx_stride, .alpha = 1, .beta = beta, .scratch = ws->gemm,
                                    .more = low_part(&low_space, ws, low, io->T, linear->K, false, 0, linear->K)});
        }
    }
}

static void weight_gradient(const lt_linear *linear, lt_workspace *ws, const lt_linear_io *io)
{
    lt_matrix x = {io->x, LT_DTYPE_F32, io->T, linear->K, io->x_stride};
    lt_matrix dy = {io->y, LT_DTYPE_F32, io->T, linear->N, io->y_stride};
    bool t = linear->transposed;
    lt_gemm_call call = {.M = t ? linear->K : linear->N, .N = t ? linear->N : linear->K, .K = io->T, .compute = ws->compute,
                         .a = t ? &x : &dy, .transpose_a = true, .b = t ? &dy : &x, .c = linear->dweight,
                         .c_stride = t ? linear->N : linear->K, .alpha = 1, .beta = 1, .scratch = ws->gemm};
    lt_gemm(&call);
}

/* db (N) += Σ_t dy[t]: columns in parallel, rows in order. */
static void bias_gradient(const lt_linear *linear, const lt_linear_io *io)
{
    enum { COLUMNS = 64 };
    const lt_kernels *k = lt_kernels_get();
#pragma omp parallel for schedule(static)
    for (int64_t n = 0; n < linear->N; n += COLUMNS) {
        int64_t width = linear->N - n < COLUMNS ? linear->N - n : COLUMNS;
        for (int64_t t = 0; t < io->T; t++)
            k->axpy(linear->dbias + n, 1.0f, io->y + t * io->y_stride + n, width);
    }
}

/* y (T,K) = x · scale, or y +=. */
static void multiply_rows(const float *x, int64_t x_stride, const float *scale, int64_t T, int64_t K, float *y, int64_t y_stride, bool add)
{
#pragma omp parallel for schedule(static)
    for (int64_t t = 0; t < T; t++)
        for (int64_t k = 0; k < K; k++)
            y[t * y_stride + k] = (add ? y[t * y_stride + k] : 0) + x[t * x_stride + k] * scale[k];
}

/* The layer whose input its hook scales; ws->packed_x holds that input afterwards. */
static void scaled_forward(const lt_linear *linear, lt_workspace *ws, const lt_linear_io *io)
{
    int64_t mark = lt_arena_mark(ws->arena), K = linear->K;
    float *x = LT_ARENA_NEW(ws->arena, float, io->T * K);
    lt_linear_io scaled = *io;
    multiply_rows(io->x, io->x_stride, linear->hook->input_scale, io->T, K, x, K, false);
    scaled.x = x;
    scaled.x_stride = K;
    pack(ws, x, K, io->T, K, ws->packed_x);
    base_forward(linear, ws, &scaled, NULL);
    lt_arena_release(ws->arena, mark);
}

/* io->packed_dy is in place. dx = or += scale · dy w. */
static void scaled_backward(const lt_linear *linear, lt_workspace *ws, const lt_linear_io *io, bool accumulate)
{
    int64_t mark = lt_arena_mark(ws->arena), K = linear->K;
    lt_linear_io scaled = *io;
    scaled.dx = LT_ARENA_NEW(ws->arena, float, io->T * K);
    scaled.dx_stride = K;
    if (linear->weight.paired_rows)
        arrange_outputs(linear, io, true);
    if (linear->transposed)
        base_backward_transposed(linear, ws, &scaled, 0, NULL);
    else
        base_backward(linear, ws, &scaled, 0, !linear->weight.paired_rows, NULL);
    linear->hook->backward(linear->hook, linear, ws, &scaled);
    if (io->dx)
        multiply_rows(scaled.dx, K, linear->hook->input_scale, io->T, K, io->dx, io->dx_stride, accumulate);
    lt_arena_release(ws->arena, mark);
}

/* An adapter whose share the base product can add. Outputs of paired rows are put in order after the base product, before the adapter's. */
static bool lends_low_rank(const lt_linear *linear, bool forward)
{
    return hooked(linear) && (forward ? linear->hook->forward_low && !linear->weight.paired_rows : linear->hook->backward_low != NULL);
}

/* Few rows through layers whose matrices lie in one slab each and are read as they are: all in one go. */
static bool can_group(const lt_linear *const *linears, int count, int64_t T)
{
    bool can = count > 1 && count <= LT_GEMM_GROUP && T <= LT_GEMM_FEW;
    for (int i = 0; i < count && can; i++)
        can = !linears[i]->transposed && !linears[i]->weight.paired_rows && !scales_input(linears[i]) &&
              lt_weights_slabs(&linears[i]->weight) == 1;
    return can;
}

/* y (T,N) += low, as a product of its own. */
static void add_low(const lt_linear *linear, lt_workspace *ws, const lt_linear_io *io, const lt_low_rank *low)
{
    low_term part;
    const lt_gemm_term *term = low_part(&part, ws, low, io->T, linear->N, true, 0, linear->N);
    lt_gemm(&(lt_gemm_call){.M = io->T, .N = linear->N, .K = term->K, .compute = ws->compute, .a = term->a, .b = term->b,
                            .transpose_b = true, .c = io->y, .c_stride = io->y_stride, .alpha = 1, .beta = 1,
                            .scratch = ws->gemm});
}

/* io->packed_x is in place. */
static void grouped_forward(const lt_linear *const *linears, int count, lt_workspace *ws, lt_linear_io *io, float *const *y)
{
    lt_gemm_call calls[LT_GEMM_GROUP];
    lt_matrix w[LT_GEMM_GROUP];
    for (int i = 0; i < count; i++) {
        w[i] = lt_weights_use(&linears[i]->weight, 0, NULL);
        calls[i] = (lt_gemm_call){.M = io->T, .N = linears[i]->N, .K = linears[i]->K, .compute = ws->compute, .packed_a = io->packed_x,
                                  .b = &w[i], .transpose_b = true, .c = y[i], .c_stride = io->y_stride, .alpha = 1,
                                  .bias = linears[i]->bias, .scratch = ws->gemm};
    }
    lt_gemm_group(calls, count);
    for (int i = 0; i < count; i++) {
        lt_linear_hook *hook = linears[i]->hook;
        lt_low_rank low;
        io->y = y[i];
        if (!hooked(linears[i]))
            continue;
        int64_t mark = lt_arena_mark(ws->arena);
        if (lends_low_rank(linears[i], true) && hook->forward_low(hook, linears[i], ws, io, &low)) {
            add_low(linears[i], ws, io, &low);
            lt_arena_release(ws->arena, mark);
        } else {
            hook->forward(hook, linears[i], ws, io);
        }
    }
}

void lt_linear_forward(const lt_linear *const *linears, int count, lt_workspace *ws, const float *x, int64_t x_stride, int64_t T,
                       float *const *y, int64_t y_stride)
{
    if (T == 0)
        return;
    lt_linear_io io = {.T = T, .x = x, .x_stride = x_stride, .packed_x = ws->packed_x, .y_stride = y_stride};
    pack(ws, x, x_stride, T, linears[0]->K, ws->packed_x);
    if (can_group(linears, count, T)) {
        grouped_forward(linears, count, ws, &io, y);
        return;
    }
    for (int i = 0; i < count; i++) {
        io.y = y[i];
        if (scales_input(linears[i])) {
            scaled_forward(linears[i], ws, &io);
            if (i + 1 < count)
                pack(ws, x, x_stride, T, linears[0]->K, ws->packed_x);
            continue;
        }
        lt_low_rank low;
        int64_t mark = hooked(linears[i]) ? lt_arena_mark(ws->arena) : 0;
        bool fused = lends_low_rank(linears[i], true) && linears[i]->hook->forward_low(linears[i]->hook, linears[i], ws, &io, &low);
        base_forward(linears[i], ws, &io, fused ? &low : NULL);
        if (fused)
            lt_arena_release(ws->arena, mark);
        if (hooked(linears[i]) && !fused)
            linears[i]->hook->forward(linears[i]->hook, linears[i], ws, &io);
    }
}

void lt_linear_backward(const lt_linear *const *linears, int count, lt_workspace *ws, const float *x, int64_t x_stride, int64_t T,
                        float *const *dy, int64_t dy_stride, float *dx, int64_t dx_stride, bool accumulate)
{
    if (T == 0)
        return;
    lt_linear_io io = {.T = T, .x = x, .x_stride = x_stride, .packed_x = ws->packed_x, .packed_dy = ws->packed_dy,
                       .y_stride = dy_stride, .dx = dx, .dx_stride = dx_stride};
    bool any_hook = false;
    for (int i = 0; i < count; i++)
        any_hook |= hooked(linears[i]);
    if (any_hook)
        pack(ws, x, x_stride, T, linears[0]->K, ws->packed_x);
    for (int i = 0; i < count; i++) {
        const lt_linear *linear = linears[i];
        bool whole = hooked(linear) || (dx && linear->transposed); /* dy is packed, all of it */
        io.y = dy[i];
        if (whole)
            pack(ws, dy[i], dy_stride, T, linear->N, ws->packed_dy);
        if (scales_input(linear)) {
            scaled_backward(linear, ws, &io, accumulate);
            accumulate = true;
            continue;
        }
        lt_low_rank low;
        int64_t mark = hooked(linear) ? lt_arena_mark(ws->arena) : 0;
        bool fused = lends_low_rank(linear, false) && linear->hook->backward_low(linear->hook, linear, ws, &io, &low);
        if (hooked(linear) && !fused) {
            if (dx && !accumulate) { /* hooks add */
                for (int64_t t = 0; t < T; t++)
                    memset(dx + t * dx_stride, 0, (size_t)linear->K * sizeof *dx);
                accumulate = true;
            }
            linear->hook->backward(linear->hook, linear, ws, &io);
            if (linear->hook->changes_dy && dx && !linear->weight.paired_rows)
                pack(ws, dy[i], dy_stride, T, linear->N, ws->packed_dy);
        }
        if (linear->dweight)
            weight_gradient(linear, ws, &io);
        if (linear->dbias)
            bias_gradient(linear, &io);
        if (dx && linear->weight.paired_rows) {
            arrange_outputs(linear, &io, true);
            whole = false;
        }
        if (dx && linear->transposed)
            base_backward_transposed(linear, ws, &io, accumulate ? 1 : 0, fused ? &low : NULL);
        else if (dx)
            base_backward(linear, ws, &io, accumulate ? 1 : 0, whole, fused ? &low : NULL);
        if (fused)
            lt_arena_release(ws->arena, mark);
        accumulate = true;
    }
}
