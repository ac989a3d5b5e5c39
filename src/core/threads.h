/* The one threading convention: OpenMP parallel loops over work items whose results do not depend on who does them.
 * A sum is always formed by one thread in a fixed order, so the same bytes come out for any number of threads. */
#ifndef LT_CORE_THREADS_H
#define LT_CORE_THREADS_H

/* Number of threads for parallel regions; 0 means one per core this process may use. Returns what was set. */
int lt_threads_set(int count);
int lt_threads_count(void);
int lt_threads_index(void); /* 0 .. count-1 inside a parallel region, 0 outside */

enum { LT_MAX_THREADS = 256 };

#endif
