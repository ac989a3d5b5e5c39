#include "adapt/lstm.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "simd/kernels.h"

void lt_lstm_add(lt_lstm *lstm, lt_param_list *params, const char *prefix, int layer, int64_t I, int64_t H)
{
    *lstm = (lt_lstm){.I = I, .H = H};
    for (int way = 0; way < 2; way++) {
        lt_lstm_direction *d = &lstm->way[way];
        const char *end = way ? "_reverse" : "";
        char key[128];
        d->input = (lt_dense){.N = 4 * H, .K = I};
        snprintf(key, sizeof key, "%s.weight_ih_l%d%s", prefix, layer, end);
        d->input.weight = lt_param_list_add(params, key, 2, (int64_t[]){4 * H, I}, true);
        snprintf(key, sizeof key, "%s.weight_hh_l%d%s", prefix, layer, end);
        d->hidden_w = lt_param_list_add(params, key, 2, (int64_t[]){4 * H, H}, true);
        snprintf(key, sizeof key, "%s.bias_ih_l%d%s", prefix, layer, end);
        d->input.bias = lt_param_list_add(params, key, 1, (int64_t[]){4 * H}, true);
        snprintf(key, sizeof key, "%s.bias_hh_l%d%s", prefix, layer, end);
        d->hidden_b = lt_param_list_add(params, key, 1, (int64_t[]){4 * H}, true);
    }
}

void lt_lstm_bind(lt_lstm *lstm, lt_param_list *params)
{
    for (int way = 0; way < 2; way++) {
        lt_lstm_direction *d = &lstm->way[way];
        lt_dense_bind(&d->input, params);
        d->w = params->items[d->hidden_w].value;
        d->dw = params->items[d->hidden_w].gradient;
        d->b = params->items[d->hidden_b].value;
        d->db = params->items[d->hidden_b].gradient;
    }
}

void lt_lstm_init(lt_lstm *lstm, lt_param_list *params, uint64_t seed)
{
    float bound = 1.0f / sqrtf((float)lstm->H);
    for (int way = 0; way < 2; way++) {
        const lt_lstm_direction *d = &lstm->way[way];
        const int indices[] = {d->input.weight, d->hidden_w, d->input.bias, d->hidden_b};
        for (int i = 0; i < 4; i++)
            lt_param_fill_uniform(&params->items[indices[i]], indices[i], bound, seed);
    }
}

void lt_lstm_layout(lt_lstm *lstm, int64_t T, lt_arena *arena)
{
    for (int way = 0; way < 2; way++) {
        lstm->way[way].gates = LT_ARENA_NEW(arena, float, T * 4 * lstm->H);
        lstm->way[way].cell = LT_ARENA_NEW(arena, float, T * lstm->H);
    }
    lstm->carry = LT_ARENA_NEW(arena, float, 2 * lstm->H);
}

int64_t lt_lstm_scratch_bytes(const lt_lstm *lstm, int64_t T)
{
    return lt_dense_scratch_bytes(&lstm->way[0].input, T);
}

static float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }

/* Step s of a direction is row s, or T - 1 - s. */
static int64_t row_of(int way, int64_t T, int64_t s) { return way ? T - 1 - s : s; }

/* One step: gates (4H) hold W_ih x + b_ih and become i, f, g, o. before: h and c of the step before, NULL at the first. */
static void step_forward(const lt_lstm *lstm, const lt_lstm_direction *d, const float *h_before, const float *c_before, float *gates,
                         float *c, float *h)
{
    const lt_kernels *k = lt_kernels_get();
    int64_t H = lstm->H;
    for (int64_t n = 0; n < 4 * H; n++) {
        float a = gates[n] + d->b[n] + (h_before ? k->dot(d->w + n * H, h_before, H) : 0.0f);
        gates[n] = n >= 2 * H && n < 3 * H ? tanhf(a) : sigmoid(a);
    }
    for (int64_t n = 0; n < H; n++) {
        c[n] = gates[n] * gates[2 * H + n] + (c_before ? gates[H + n] * c_before[n] : 0.0f);
        h[n] = gates[3 * H + n] * tanhf(c[n]);
    }
}

void lt_lstm_forward(lt_lstm *lstm, const float *x, int64_t T, float *y, void *scratch)
{
    int64_t H = lstm->H;
    for (int way = 0; way < 2; way++) {
        const lt_lstm_direction *d = &lstm->way[way];
        const float *h = NULL, *c = NULL;
        lt_dense_forward(&d->input, x, T, d->gates, scratch);
        for (int64_t s = 0; s < T; s++) {
            int64_t t = row_of(way, T, s);
            float *h_now = y + t * 2 * H + way * H, *c_now = d->cell + t * H;
            step_forward(lstm, d, h, c, d->gates + t * 4 * H, c_now, h_now);
            h = h_now;
            c = c_now;
        }
    }
}

/* One step back: dh (H) and dc (H) come from the step after it, and leave for the step before it; gates become gradients. */
static void step_backward(const lt_lstm *lstm, const lt_lstm_direction *d, const float *dy, const float *h_before, const float *c_before,
                          const float *c, float *gates, float *dh, float *dc)
{
    const lt_kernels *k = lt_kernels_get();
    int64_t H = lstm->H;
    for (int64_t n = 0; n < H; n++) {
        float i = gates[n], f = gates[H + n], g = gates[2 * H + n], o = gates[3 * H + n], th = tanhf(c[n]);
        float dhn = dy[n] + dh[n], dcn = dc[n] + dhn * o * (1 - th * th);
        gates[n] = dcn * g * i * (1 - i);
        gates[H + n] = (c_before ? dcn * c_before[n] : 0) * f * (1 - f);
        gates[2 * H + n] = dcn * i * (1 - g * g);
        gates[3 * H + n] = dhn * th * o * (1 - o);
        dc[n] = dcn * f;
    }
    memset(dh, 0, (size_t)H * sizeof *dh);
    for (int64_t n = 0; n < 4 * H; n++) {
        k->axpy(dh, gates[n], d->w + n * H, H);
        if (h_before)
            k->axpy(d->dw + n * H, gates[n], h_before, H);
        d->db[n] += gates[n];
    }
}

void lt_lstm_backward(lt_lstm *lstm, const float *x, const float *y, const float *dy, int64_t T, float *dx, float *part, void *scratch)
{
    int64_t H = lstm->H;
    for (int way = 0; way < 2; way++) {
        lt_lstm_direction *d = &lstm->way[way];
        memset(lstm->carry, 0, (size_t)(2 * H) * sizeof *lstm->carry);
        for (int64_t s = T - 1; s >= 0; s--) {
            int64_t t = row_of(way, T, s), before = s ? row_of(way, T, s - 1) : 0;
            step_backward(lstm, d, dy + t * 2 * H + way * H, s ? y + before * 2 * H + way * H : NULL, s ? d->cell + before * H : NULL,
                          d->cell + t * H, d->gates + t * 4 * H, lstm->carry, lstm->carry + H);
        }
        lt_dense_backward(&d->input, x, d->gates, T, way ? part : dx, scratch);
    }
    lt_kernels_get()->axpy(dx, 1.0f, part, T * lstm->I);
}
