/* What the conformance tests of the kernel sets share: reproducible numbers, buffers that notice a wrong access, and
 * counted comparisons. Plain C without libraries, so that it also runs under an emulator of another architecture. */
#ifndef LT_TESTS_KERNELS_HARNESS_H
#define LT_TESTS_KERNELS_HARNESS_H

#include <stdbool.h>
#include <stdint.h>

#include "simd/sets.h"

/* ---- the tally ---- */

/* Starts a tally for one set; failures are printed as they come, the first few of a kind. */
void check_begin(const char *set_name);

/* Notes one comparison; on failure prints the set, the kernel and the formatted detail. */
bool check(bool good, const char *kernel, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Comparisons and failures since check_begin. */
int64_t check_count(void);
int64_t check_failures(void);

/* ---- numbers ---- */

void random_seed(uint64_t seed);
uint32_t random_u32(void);
int random_below(int bound); /* 0 .. bound-1 */
float random_normal(void);   /* about N(0,1), |x| ≤ 6 */

typedef enum data_kind {
    DATA_NORMAL,  /* about N(0,1) */
    DATA_WIDE,    /* magnitudes from 1e-6 to 1e6 */
    DATA_EXTREME, /* NaN, infinities, subnormals, huge, zeros of both signs among normal ones */
    DATA_ZERO,
    DATA_KINDS
} data_kind;

float random_of(data_kind kind);

/* ---- memory ---- */

/* `bytes` of memory that end at an unmapped page, so that reading or writing past the end crashes, with a canary before
 * them. The start has whatever alignment that leaves; `shift` bytes more are left free at the end (to vary it), under a
 * canary too. */
typedef struct guarded {
    void *map, *data;
    int64_t map_bytes, bytes, shift;
} guarded;

guarded guarded_make(int64_t bytes, int64_t shift);
bool guarded_intact(const guarded *memory); /* canaries are whole */
void guarded_free(guarded *memory);

/* ---- comparing ---- */

/* |got - want| ≤ relative · |want| + absolute; NaN equals NaN, an infinity only itself. */
bool near(double got, double want, double relative, double absolute);

double to_f64(const void *data, lt_dtype dtype, int64_t index);        /* any alignment */
void from_f32(void *data, lt_dtype dtype, int64_t index, float value); /* rounds to the type */

/* ---- the tests ---- */

/* Everything about one set against the truth and the reference. thorough = false: a subset of a second or so. */
void check_rows(const lt_kernels *set, bool thorough);
void check_gemm(const lt_kernels *set, bool thorough);
void check_panel(const lt_kernels *set, bool thorough);
void check_quant(const lt_kernels *set, bool thorough);

/* ---- speed ---- */

/* A table of all kernels of a set, or the rest of a line about the most telling ones. */
void bench_set(const lt_kernels *set, bool brief);

#endif
