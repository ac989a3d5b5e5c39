/* How fast the layer operations are: attention as a share of the machine's measured matrix peak (the products that the
 * mask leaves are counted, nothing else), the others in bytes moved. Best of the runs that fit into the time. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/rng.h"
#include "core/threads.h"
#include "nn/attention.h"
#include "nn/cross_entropy.h"
#include "nn/norm.h"

static const double SECONDS = 0.3; /* per figure */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static float *random_floats(int64_t count)
{
    float *x = aligned_alloc(64, (size_t)(count * 4 + 63) / 64 * 64);
    lt_rng rng = lt_rng_make(1, (uint64_t)count);
    for (int64_t i = 0; i < count; i++)
        x[i] = lt_rng_normal(&rng);
    return x;
}

static void *memory(int64_t bytes)
{
    void *data = aligned_alloc(64, (size_t)(bytes + 63) / 64 * 64);
    memset(data, 0, (size_t)bytes);
    return data;
}

/* Sequences of `shortest` to `longest` tokens, T in all. */
typedef struct attention_shape {
    const char *name;
    int H, K, D, T, shortest, longest, window;
    bool bidirectional;
    float softcap;
} attention_shape;

static const attention_shape shapes[] = {
    {"SmolLM2-135M, one of 512", 9, 3, 64, 512, 512, 512, 0, false, 0},
    {"SmolLM2-135M, 4 of 512", 9, 3, 64, 2048, 512, 512, 0, false, 0},
    {"SmolLM2-135M, rows of 40 to 200", 9, 3, 64, 4096, 40, 200, 0, false, 0},
    {"Qwen2.5-0.5B, one of 4096", 14, 2, 64, 4096, 4096, 4096, 0, false, 0},
    {"Llama-3-8B, one of 1024", 32, 8, 128, 1024, 1024, 1024, 0, false, 0},
    {"Gemma-2-2B, window 512, softcap", 8, 4, 256, 1024, 1024, 1024, 512, false, 50},
    {"MiniLM, 16 of 128, both ways", 12, 12, 32, 2048, 128, 128, 0, true, 0},
};

static int make_rows(const attention_shape *shape, int32_t *starts)
{
    lt_rng rng = lt_rng_make(2, 2);
    int count = 0;
    for (starts[0] = 0; starts[count] < shape->T; count++) {
        int length = shape->shortest + (int)lt_rng_below(&rng, (uint32_t)(shape->longest - shape->shortest + 1));
        starts[count + 1] = starts[count] + length < shape->T ? starts[count] + length : shape->T;
    }
    return count;
}

static double pairs_of(const attention_shape *shape, const int32_t *starts, int sequences)
{
    double pairs = 0;
    for (int s = 0; s < sequences; s++)
        for (int t = 0, n = starts[s + 1] - starts[s]; t < n; t++) {
            int window = shape->window ? shape->window : n;
            int begin = t - window + 1 > 0 ? t - window + 1 : 0, end = t + window < n ? t + window : n;
            pairs += (shape->bidirectional ? end : t + 1) - begin;
        }
    return pairs * shape->H;
}

static void bench_attention(const attention_shape *shape, lt_compute compute, double peak)
{
    const int64_t T = shape->T, width = (int64_t)shape->H * shape->D, stride = width + 2 * shape->K * shape->D;
    int32_t *starts = memory((T + 1) * 4);
    const int sequences = make_rows(shape, starts);
    lt_attention attention = {.H = shape->H,
                              .K = shape->K,
                              .D = shape->D,
                              .scale = 1 / sqrtf((float)shape->D),
                              .softcap = shape->softcap,
                              .window = shape->window,
                              .bidirectional = shape->bidirectional,
                              .compute = compute};
    float *qkv = random_floats(T * stride), *dout = random_floats(T * width), *out = memory(T * width * 4);
    float *dqkv = memory(T * stride * 4), *lse = memory(T * shape->H * 4);
    lt_attention_rows rows = {.T = T, .sequences = sequences, .starts = starts, .qkv = qkv, .qkv_stride = stride};
    void *scratch = memory(lt_attention_scratch_bytes(&attention, T, T, lt_threads_count()));
    double forward = INFINITY, backward = INFINITY;
    for (double start = now(); now() - start < SECONDS || isinf(backward);) {
        double t0 = now();
        lt_attention_forward(&attention, &rows, out, width, lse, scratch);
        double t1 = now();
        lt_attention_backward(&attention, &rows, out, dout, width, lse, dqkv, NULL, NULL, scratch);
        forward = fmin(forward, t1 - t0);
        backward = fmin(backward, now() - t1);
    }
    const double products = pairs_of(shape, starts, sequences) * shape->D * 2; /* FLOP of one of the products */
    printf("attention %-32s %s  forward %9.3f ms %4.0f %%   backward %9.3f ms %4.0f %% of peak\n", shape->name,
           compute == LT_COMPUTE_BF16 ? "bf16" : "f32 ", forward * 1e3, 200 * products / forward / peak, backward * 1e3,
           500 * products / backward / peak);
    free(starts), free(qkv), free(dout), free(out), free(dqkv), free(lse), free(scratch);
}

static void bench_norm(int64_t T, int64_t width)
{
    float *x = random_floats(T * width), *w = random_floats(width), *y = memory(T * width * 4),
          *dx = memory(T * width * 4);
    lt_norm norm = {LT_NORM_RMS, 1e-5f, width, w, NULL};
    double forward = INFINITY, backward = INFINITY;
    for (double start = now(); now() - start < SECONDS;) {
        double t0 = now();
        lt_norm_forward(&norm, x, width, y, width, T);
        double t1 = now();
        lt_norm_backward(&norm, x, width, y, width, dx, width, true, NULL, NULL, T, NULL);
        forward = fmin(forward, t1 - t0);
        backward = fmin(backward, now() - t1);
    }
    printf("rms norm  (%lld, %lld) forward %.3f ms %.1f GB/s, backward %.3f ms %.1f GB/s\n", (long long)T,
           (long long)width, forward * 1e3, (double)(T * width) * 8 / forward / 1e9, backward * 1e3,
           (double)(T * width) * 16 / backward / 1e9);
    free(x), free(w), free(y), free(dx);
}

static void bench_cross_entropy(int64_t T, int64_t V)
{
    float *logits = random_floats(T * V), *weight = random_floats(T), *logp = memory(T * 4), *work = memory(T * V * 4);
    int32_t *labels = memory(T * 4);
    double best = INFINITY;
    for (double start = now(); now() - start < SECONDS;) {
        memcpy(work, logits, (size_t)(T * V) * 4);
        double t0 = now();
        lt_cross_entropy(work, T, V, labels, weight, 1, 0, logp, NULL);
        best = fmin(best, now() - t0);
    }
    printf("cross-entropy (%lld, %lld) with gradient %.3f ms %.1f GB/s\n", (long long)T, (long long)V, best * 1e3,
           (double)(T * V) * 12 / best / 1e9);
    free(logits), free(weight), free(logp), free(work), free(labels);
}

int main(int argc, char **argv)
{
    lt_threads_set(argc > 1 ? atoi(argv[1]) : 0);
    double peak[2] = {0, 0};
    for (int i = 0; i < 2; i++)
        for (int compute = 0; compute < 2; compute++)
            peak[compute] = fmax(peak[compute], lt_gemm_peak((lt_compute)compute, SECONDS));
    printf("%s, %d threads, peak %.0f GFLOP/s in f32, %.0f in bf16\n", lt_kernels_get()->name, lt_threads_count(),
           peak[0] / 1e9, peak[1] / 1e9);
    for (int compute = 0; compute < 2; compute++)
        for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
            bench_attention(&shapes[i], (lt_compute)compute, peak[compute]);
    bench_norm(2048, 576);
    bench_norm(2048, 4096);
    bench_cross_entropy(64, 49152);
    bench_cross_entropy(64, 151936);
    return 0;
}
