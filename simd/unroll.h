/* Small loops that must disappear: over the accumulators of a tile, so that they live in registers. */
#ifndef LT_SIMD_UNROLL_H
#define LT_SIMD_UNROLL_H

#if defined(__clang__)
#define LT_UNROLL _Pragma("clang loop unroll(full)")
#define LT_NO_UNROLL _Pragma("clang loop unroll(disable)")
#else
#define LT_UNROLL _Pragma("GCC unroll 32")
#define LT_NO_UNROLL _Pragma("GCC unroll 1")
#endif

/* A function that exists only as a part of its callers: its constant arguments (a tile's shape, a loader) shape the
 * code. */
#define LT_INLINE static inline __attribute__((always_inline))

#endif
