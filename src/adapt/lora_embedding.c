#include "adapt/lora_embedding.h"

/* Few rows, small rank: plain loops. The columns of A are gathered by id, rows of x run in parallel, and gradients are summed by
 * one thread per row of A or B, in the order of t. */

static void forward(lt_embed_hook *hook, const int32_t *ids, int64_t T, int64_t C, float *x)
{
    const lt_lora_embedding *l = (const lt_lora_embedding *)hook;
#pragma omp parallel for schedule(static)
    for (int64_t t = 0; t < T; t++)
        for (int64_t c = 0; ids[t] >= 0 && c < C; c++) {
            float sum = 0;
            for (int64_t r = 0; r < l->R; r++)
                sum += l->b[c * l->R + r] * l->a[r * l->V + ids[t]];
            x[t * C + c] += l->scale * sum;
        }
}

static void backward(lt_embed_hook *hook, const int32_t *ids, int64_t T, int64_t C, float scale, const float *dx)
{
    lt_lora_embedding *l = (lt_lora_embedding *)hook;
    scale *= l->scale;
#pragma omp parallel for schedule(static)
    for (int64_t c = 0; c < C; c++) /* dB[c] += s Σ_t dx[t][c] A[:, id] */
        for (int64_t t = 0; t < T; t++)
            for (int64_t r = 0; ids[t] >= 0 && r < l->R; r++)
                l->db[c * l->R + r] += scale * dx[t * C + c] * l->a[r * l->V + ids[t]];
#pragma omp parallel for schedule(static)
    for (int64_t r = 0; r < l->R; r++) /* dA[r][id] += s Σ_c B[c][r] dx[t][c] */
        for (int64_t t = 0; t < T; t++) {
            float sum = 0;
            if (ids[t] < 0)
                continue;
            for (int64_t c = 0; c < C; c++)
                sum += l->b[c * l->R + r] * dx[t * C + c];
            l->da[r * l->V + ids[t]] += scale * sum;
        }
}

void lt_lora_embedding_init(lt_lora_embedding *lora, int64_t R, int64_t V, float scale)
{
    *lora = (lt_lora_embedding){.hook = {forward, backward, true}, .R = R, .V = V, .scale = scale};
}
