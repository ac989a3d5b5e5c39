#include "tests/kernels/harness.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SHOWN_FAILURES = 20, CANARY_BYTES = 64, CANARY = 0xA5 };

static const char *tally_name;
static int64_t tally_count, tally_failures;

void check_begin(const char *set_name)
{
    tally_name = set_name;
    tally_count = tally_failures = 0;
}

bool check(bool good, const char *kernel, const char *format, ...)
{
    tally_count++;
    if (good)
        return true;
    if (tally_failures++ < SHOWN_FAILURES) {
        printf("%s: %s: ", tally_name, kernel);
        va_list arguments;
        va_start(arguments, format);
        vprintf(format, arguments);
        va_end(arguments);
        printf("\n");
    }
    return false;
}

int64_t check_count(void)
{
    return tally_count;
}

int64_t check_failures(void)
{
    return tally_failures;
}

static uint64_t state;

void random_seed(uint64_t seed)
{
    state = seed;
}

uint32_t random_u32(void) /* splitmix64 (Steele, Lea, Flood 2014) */
{
    uint64_t z = state += 0x9E3779B97F4A7C15;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return (uint32_t)((z ^ z >> 31) >> 32);
}

int random_below(int bound)
{
    return (int)((uint64_t)random_u32() * (uint64_t)bound >> 32);
}

float random_normal(void)
{
    double sum = -6;
    for (int i = 0; i < 12; i++)
        sum += random_u32() / 4294967296.0;
    return (float)sum;
}

float random_of(data_kind kind)
{
    static const float extremes[] = {NAN,   INFINITY, -INFINITY, 1e-45f, -1e-40f, 3.4028235e38f, -3.4028235e38f,
                                     1e30f, -1e30f,   0.0f,      -0.0f,  88.7f,   -87.3f,        -103.9f,
                                     89.0f, 1e-38f};
    float x = random_normal();
    switch (kind) {
    case DATA_NORMAL:
        return x;
    case DATA_WIDE:
        return x * exp2f((float)(random_below(40) - 20));
    case DATA_EXTREME:
        return random_below(4) ? x : extremes[random_below(sizeof extremes / sizeof *extremes)];
    case DATA_ZERO:
    case DATA_KINDS:
        break;
    }
    return 0;
}

guarded guarded_make(int64_t bytes, int64_t shift)
{
    int64_t page = sysconf(_SC_PAGESIZE);
    guarded memory = {.bytes = bytes, .shift = shift};
    int64_t used = (bytes + shift + CANARY_BYTES + page - 1) / page * page;
    memory.map_bytes = used + page;
    memory.map = mmap(NULL, (size_t)memory.map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory.map == MAP_FAILED || mprotect((char *)memory.map + used, (size_t)page, PROT_NONE)) {
        printf("out of memory\n");
        exit(1);
    }
    memory.data = (char *)memory.map + used - shift - bytes;
    memset((char *)memory.data - CANARY_BYTES, CANARY, CANARY_BYTES);
    memset((char *)memory.data + bytes, CANARY, (size_t)shift);
    return memory;
}

bool guarded_intact(const guarded *memory)
{
    const unsigned char *before = (unsigned char *)memory->data - CANARY_BYTES;
    const unsigned char *after = (unsigned char *)memory->data + memory->bytes;
    for (int i = 0; i < CANARY_BYTES; i++)
        if (before[i] != CANARY)
            return false;
    for (int64_t i = 0; i < memory->shift; i++)
        if (after[i] != CANARY)
            return false;
    return true;
}

void guarded_free(guarded *memory)
{
    munmap(memory->map, (size_t)memory->map_bytes);
    memory->data = NULL;
}

bool near(double got, double want, double relative, double absolute)
{
    if (isnan(want) || isnan(got))
        return isnan(want) && isnan(got);
    if (isinf(want) || isinf(got))
        return got == want;
    return fabs(got - want) <= relative * fabs(want) + absolute;
}

double to_f64(const void *data, lt_dtype dtype, int64_t index)
{
    float f;
    uint16_t half;
    if (dtype == LT_DTYPE_F32) {
        memcpy(&f, (const char *)data + 4 * index, sizeof f);
        return f;
    }
    memcpy(&half, (const char *)data + 2 * index, sizeof half);
    return dtype == LT_DTYPE_F16 ? lt_f16_to_f32(half) : lt_bf16_to_f32(half);
}

void from_f32(void *data, lt_dtype dtype, int64_t index, float value)
{
    if (dtype == LT_DTYPE_F32) {
        memcpy((char *)data + 4 * index, &value, sizeof value);
        return;
    }
    uint16_t half = dtype == LT_DTYPE_F16 ? lt_f32_to_f16(value) : lt_f32_to_bf16(value);
    memcpy((char *)data + 2 * index, &half, sizeof half);
}
