/* Speed of decoding: tokens per second by the number of sequences that are decoded at once, beside what the memory of this
 * machine delivers. `bench-decode MODEL [threads] [prompt tokens]`. */
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/rng.h"
#include "core/threads.h"
#include "models/open.h"
#include "nn/decode.h"
#include "nn/sample.h"

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Bytes per second of all threads reading memory that is in no cache; the best of several turns. */
static double bandwidth(void)
{
    size_t n = (size_t)512 << 20;
    const size_t lanes = 16;
    float *data = aligned_alloc(4096, n);
    double best = 0;
    volatile float sink = 0;
    memset(data, 1, n);
    for (int turn = 0; turn < 7; turn++) {
        double begin = now();
        float total = 0;
#pragma omp parallel for reduction(+ : total) schedule(static)
        for (size_t block = 0; block < n / 65536; block++) {
            const float *p = data + block * 16384;
            float sum[16] = {0};
            for (size_t i = 0; i < 16384; i += lanes)
                for (size_t k = 0; k < lanes; k++)
                    sum[k] += p[i + k];
            for (size_t k = 0; k < lanes; k++)
                total += sum[k];
        }
        sink += total;
        double rate = (double)n / (now() - begin);
        best = rate > best ? rate : best;
    }
    free(data);
    return best;
}

static int64_t weight_bytes(const lt_model *model)
{
    int64_t all = 0;
    const lt_safetensors *set = lt_weights_set(model->weights);
    for (int i = 0; i < lt_safetensors_shard_count(set); i++)
        all += lt_safetensors_shard_bytes(set, i);
    return all;
}

int main(int argc, char **argv)
{
    enum { STEPS = 24, TURNS = 3 };
    lt_error err;
    lt_model *model;
    if (argc < 2)
        return 2;
    lt_threads_set(argc > 2 ? atoi(argv[2]) : 0);
    int64_t prompt = argc > 3 ? atoll(argv[3]) : 128;
    if (!lt_model_open(&model, argv[1], &err)) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    lt_compute compute = lt_kernels_get()->bf16_products ? LT_COMPUTE_BF16 : LT_COMPUTE_F32;
    double memory = bandwidth();
    int64_t bytes = weight_bytes(model), V = model->config.V;
    printf("memory %.1f GB/s, weights %.0f MB, %d threads, prompt %lld\n", memory / 1e9, (double)bytes / 1e6, lt_threads_count(),
           (long long)prompt);
    lt_weights_set_window(model->weights, INT64_MAX);
    for (int64_t n = 1; n <= 64; n *= 2) {
        lt_decoder_shape shape = {.compute = compute, .threads = lt_threads_count(), .sequences = n, .capacity = 256, .chunk = 256,
                                  .prefixes = 1, .prefix_capacity = prompt};
        lt_decoder *decoder;
        float *logits = malloc((size_t)(n * V) * sizeof *logits);
        int32_t *ids = malloc((size_t)prompt * sizeof *ids), next[64];
        int64_t sequences[64];
        for (int64_t i = 0; i < prompt; i++)
            ids[i] = (int32_t)(i * 7919 % V);
        if (!lt_decoder_open(&decoder, model, &shape, &err) ||
            !lt_decoder_feed(decoder, lt_decoder_prefix(decoder, 0), ids, prompt, logits, &err)) {
            fprintf(stderr, "%s\n", err.message);
            return 1;
        }
        double best = INFINITY;
        for (int turn = 0; turn < TURNS; turn++) {
            for (int64_t i = 0; i < n; i++) {
                sequences[i] = i;
                next[i] = (int32_t)(i + 5);
                lt_decoder_attach(decoder, i, lt_decoder_prefix(decoder, 0));
            }
            for (int step = 0; step < STEPS; step++) {
                double begin = now();
                if (!lt_decoder_step(decoder, sequences, next, n, logits, &err))
                    return 1;
                double seconds = now() - begin;
                best = seconds < best ? seconds : best;
            }
        }
        printf("%2lld sequences  %8.1f tokens/s  step %6.2f ms  %5.1f %% of memory bandwidth, cache %.1f MB\n", (long long)n,
               (double)n / best, best * 1e3, 100 * (double)bytes / best / memory,
               (double)lt_decoder_cache_bytes(model, &shape) / 1e6);
        lt_decoder_close(decoder);
        free(logits);
        free(ids);
    }
    lt_model_close(model);
    return 0;
}
