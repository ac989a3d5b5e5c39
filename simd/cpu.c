/* CPUID tells what the processor can do; XGETBV tells which registers the system saves on a context switch. Both are
 * needed: a kernel or a virtual machine may leave the wide registers off, and using them then is an illegal
 * instruction. Bit numbers: Intel SDM volume 2A, CPUID; volume 1, 13.3. */
#include "simd/cpu.h"

#include <stdint.h>

#if defined(__x86_64__)
#include <cpuid.h>

enum {
    LEAF1_ECX_FMA = 12,
    LEAF1_ECX_OSXSAVE = 27,
    LEAF1_ECX_F16C = 29,
    LEAF7_EBX_AVX2 = 5,
    LEAF7_EBX_AVX512F = 16,
    LEAF7_EBX_AVX512DQ = 17,
    LEAF7_EBX_AVX512BW = 30,
    LEAF7_EBX_AVX512VL = 31,
    LEAF71_EAX_AVX512_BF16 = 5,
    XCR0_YMM = 0x06, /* SSE and AVX state */
    XCR0_ZMM = 0xE6, /* and opmask, ZMM_Hi256, Hi16_ZMM */
};

static bool bit(uint32_t word, int n)
{
    return word >> n & 1;
}

static uint32_t enabled_state(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

lt_cpu lt_cpu_detect(void)
{
    lt_cpu cpu = {0};
    uint32_t a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !bit(c, LEAF1_ECX_OSXSAVE))
        return cpu;
    bool fma = bit(c, LEAF1_ECX_FMA), f16c = bit(c, LEAF1_ECX_F16C);
    uint32_t state = enabled_state();
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return cpu;
    uint32_t last_subleaf = a, features = b;
    cpu.avx2 = (state & XCR0_YMM) == XCR0_YMM && bit(features, LEAF7_EBX_AVX2) && fma && f16c;
    cpu.avx512 = cpu.avx2 && (state & XCR0_ZMM) == XCR0_ZMM && bit(features, LEAF7_EBX_AVX512F) &&
                 bit(features, LEAF7_EBX_AVX512DQ) && bit(features, LEAF7_EBX_AVX512BW) &&
                 bit(features, LEAF7_EBX_AVX512VL);
    if (cpu.avx512 && last_subleaf >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d))
        cpu.avx512bf16 = bit(a, LEAF71_EAX_AVX512_BF16);
    return cpu;
}

#else

lt_cpu lt_cpu_detect(void)
{
    return (lt_cpu){0};
}

#endif
