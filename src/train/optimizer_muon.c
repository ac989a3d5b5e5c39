/* Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/): the momentum of a matrix, made orthogonal by five
 * Newton-Schulz steps; everything that is no matrix, and the embedding and the head, by AdamW. As torch.optim.Muon with its
 * defaults, except that the products are of f32 where the run's products are.
 *
 *     b ← μ b + (1 - μ) g;   u = μ b + (1 - μ) g  (Nesterov)
 *     X = u / |u|;  five times: A = X Xᵀ, X ← 3.4445 X + (-4.775 A + 2.0315 A A) X
 *     p ← p (1 - λ η) - η sqrt(max(1, rows / columns)) X */
#include <math.h>
#include <string.h>

#include "core/threads.h"
#include "simd/gemm.h"
#include "train/optimizer.h"

static const double NS_A = 3.4445, NS_B = -4.7750, NS_C = 2.0315, NS_EPSILON = 1e-7;
enum { NS_STEPS = 5 };

static bool is_matrix(const lt_param *p)
{
    static const char *const others[] = {"embed", "lm_head", "wte", "wpe", "score", "classifier"};
    if (p->dims != 2)
        return false;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strstr(p->name, others[i]))
            return false;
    return true;
}

/* State 0 is the momentum, or AdamW's first moment; state 1 its second. */
static int64_t muon_state_elements(const lt_param *param, int s)
{
    return s == 0 || !is_matrix(param) ? param->elements : 0;
}

/* Memory of the iteration: X and its successor, A and the polynomial of it, and the products' own. */
typedef struct workspace {
    float *x, *next, *gram, *polynomial;
    void *gemm;
} workspace;

static void layout(workspace *w, const lt_param_list *params, lt_arena *arena)
{
    int64_t most = 0, shorter = 0, longer = 0;
    for (int i = 0; i < params->count; i++) {
        const lt_param *p = &params->items[i];
        if (!is_matrix(p))
            continue;
        int64_t a = p->shape[0] < p->shape[1] ? p->shape[0] : p->shape[1], b = p->elements / (a ? a : 1);
        most = p->elements > most ? p->elements : most;
        shorter = a > shorter ? a : shorter;
        longer = b > longer ? b : longer;
    }
    w->x = LT_ARENA_NEW(arena, float, most);
    w->next = LT_ARENA_NEW(arena, float, most);
    w->gram = LT_ARENA_NEW(arena, float, shorter * shorter);
    w->polynomial = LT_ARENA_NEW(arena, float, shorter * shorter);
    int64_t f32 = lt_gemm_scratch_bytes(LT_COMPUTE_F32, shorter, longer, lt_threads_count());
    int64_t bf16 = lt_gemm_scratch_bytes(LT_COMPUTE_BF16, shorter, longer, lt_threads_count());
    w->gemm = most ? lt_arena_alloc(arena, f32 > bf16 ? f32 : bf16) : NULL;
}

static void muon_layout(const lt_param_list *params, lt_arena *arena, void **scratch)
{
    workspace *w = LT_ARENA_NEW(arena, workspace, 1), counted;
    layout(w ? w : &counted, params, arena);
    *scratch = w;
}

/* out (M,N) = alpha · a (M,K) · b (+ beta · out), b (K,N), or (N,K) with transpose. */
static void multiply(const workspace *w, lt_compute compute, const float *a, const float *b, bool transpose, int64_t M, int64_t N,
                     int64_t K, double alpha, double beta, float *out)
{
    lt_matrix left = lt_matrix_f32(a, M, K), right = transpose ? lt_matrix_f32(b, N, K) : lt_matrix_f32(b, K, N);
    lt_gemm(&(lt_gemm_call){.M = M,
                            .N = N,
                            .K = K,
                            .compute = compute,
                            .a = &left,
                            .b = &right,
                            .transpose_b = transpose,
                            .c = out,
                            .c_stride = N,
                            .alpha = (float)alpha,
                            .beta = (float)beta,
                            .scratch = w->gemm});
}

/* w->x (m,n), m ≤ n, becomes orthogonal. */
static void orthogonalize(workspace *w, lt_compute compute, int64_t m, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < m * n; i++)
        sum += (double)w->x[i] * w->x[i];
    double norm = sqrt(sum);
    const float by = (float)(1.0 / (norm > NS_EPSILON ? norm : NS_EPSILON));
    for (int64_t i = 0; i < m * n; i++)
        w->x[i] *= by;
    for (int step = 0; step < NS_STEPS; step++) {
        multiply(w, compute, w->x, w->x, true, m, m, n, 1, 0, w->gram);
        memcpy(w->polynomial, w->gram, (size_t)(m * m) * sizeof *w->gram);
        multiply(w, compute, w->gram, w->gram, false, m, m, m, NS_C, NS_B, w->polynomial);
        memcpy(w->next, w->x, (size_t)(m * n) * sizeof *w->x);
        multiply(w, compute, w->polynomial, w->x, false, m, n, m, 1, NS_A, w->next);
        float *other = w->x;
        w->x = w->next;
        w->next = other;
    }
}

static void update_matrix(const lt_optimizer *optimizer, const lt_param *p, float *momentum, const lt_optimizer_step *step)
{
    const lt_optimizer_options *o = &optimizer->options;
    workspace *w = optimizer->scratch;
    const int64_t rows = p->shape[0], columns = p->shape[1];
    const bool turned = rows > columns; /* the Gram matrix is that of the shorter side */
    const float mu = (float)(o->momentum > 0 ? o->momentum : 0.95), scale = (float)step->gradient_scale;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < columns; c++) {
            int64_t i = r * columns + c;
            float g = p->gradient[i] * scale;
            momentum[i] += (1 - mu) * (g - momentum[i]);
            w->x[turned ? c * rows + r : i] = g + mu * (momentum[i] - g);
        }
    orthogonalize(w, (lt_compute)o->compute, turned ? columns : rows, turned ? rows : columns);
    const double rate = step->learning_rate * p->learning_rate_scale, ratio = (double)rows / (double)columns;
    const float by = (float)(rate * sqrt(ratio > 1 ? ratio : 1)), shrink = (float)(1 - rate * (p->decay ? o->weight_decay : 0));
#pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < columns; c++) {
            int64_t i = r * columns + c;
            p->value[i] = p->value[i] * shrink - by * w->x[turned ? c * rows + r : i];
        }
}

static void muon_update_tensor(const lt_optimizer *optimizer, const lt_param *param, float *const *state, const lt_optimizer_step *step)
{
    if (is_matrix(param))
        update_matrix(optimizer, param, state[0], step);
    else
        lt_optimizer_adamw.update(optimizer, param, state, step, 0, param->elements);
}

static const char *const muon_states[] = {"momentum_buffer", "exp_avg_sq", NULL};

const lt_optimizer_kind lt_optimizer_muon = {
    .name = "muon",
    .states = muon_states,
    .state_elements = muon_state_elements,
    .layout = muon_layout,
    .update_tensor = muon_update_tensor,
};
