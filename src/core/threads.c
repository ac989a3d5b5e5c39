#include "core/threads.h"

#include <omp.h>
#include <sched.h>

int lt_threads_set(int count)
{
    if (count <= 0) {
        cpu_set_t set;
        count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : omp_get_num_procs();
    }
    if (count > LT_MAX_THREADS)
        count = LT_MAX_THREADS;
    omp_set_dynamic(0);
    omp_set_num_threads(count);
    return count;
}

int lt_threads_count(void)
{
    return omp_get_max_threads();
}

int lt_threads_index(void)
{
    return omp_get_thread_num();
}
