/* What the system says about memory: of this process, and left for it. Linux: /proc and the memory cgroup. */
#ifndef LT_TRAIN_MEMORY_H
#define LT_TRAIN_MEMORY_H

#include <stdint.h>

int64_t lt_memory_resident(void); /* VmRSS of this process, bytes; 0 when unknown */
int64_t lt_memory_peak(void);     /* VmHWM: the largest it has been */

/* Bytes that this process may still take without swapping: the least of MemAvailable and what the memory cgroups
 * (version 1 and 2) leave. INT64_MAX when unknown. */
int64_t lt_memory_available(void);

/* Gives memory that was freed back to the system, so that it does not count as resident. */
void lt_memory_trim(void);

#endif
