#include "nn/sigbus.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MAX_GUARDS = 1024 }; /* shards of all open models; more are simply unguarded */

typedef struct guard {
    atomic_uintptr_t begin; /* 0: free. Written last when set, first when cleared: the handler reads without a lock */
    uintptr_t end;
    atomic_bool hit;
} guard;

static guard guards[MAX_GUARDS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uintptr_t page;

static void handler(int signal_number, siginfo_t *info, void *context)
{
    (void)context;
    uintptr_t at = (uintptr_t)info->si_addr;
    for (int i = 0; i < MAX_GUARDS; i++) {
        uintptr_t begin = atomic_load(&guards[i].begin);
        if (!begin || at < begin || at >= guards[i].end)
            continue;
        uintptr_t from = at & ~(page - 1);
        /* All that follows is missing too. mmap is a bare system call here: nothing that a signal could find half-done. */
        void *zero = mmap((void *)from, guards[i].end - from, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        atomic_store(&guards[i].hit, true);
        if (zero != MAP_FAILED)
            return;
    }
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

void lt_sigbus_guard(void *map, size_t bytes)
{
    pthread_mutex_lock(&lock);
    if (!page) {
        page = (uintptr_t)sysconf(_SC_PAGESIZE);
        struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
        sigemptyset(&action.sa_mask);
        sigaction(SIGBUS, &action, NULL);
    }
    for (int i = 0; i < MAX_GUARDS; i++)
        if (!atomic_load(&guards[i].begin)) {
            guards[i].end = (uintptr_t)map + bytes;
            atomic_store(&guards[i].hit, false);
            atomic_store(&guards[i].begin, (uintptr_t)map);
            break;
        }
    pthread_mutex_unlock(&lock);
}

static guard *find(const void *map)
{
    for (int i = 0; i < MAX_GUARDS; i++)
        if (atomic_load(&guards[i].begin) == (uintptr_t)map)
            return &guards[i];
    return NULL;
}

void lt_sigbus_unguard(void *map)
{
    pthread_mutex_lock(&lock);
    guard *g = find(map);
    if (g)
        atomic_store(&g->begin, 0);
    pthread_mutex_unlock(&lock);
}

bool lt_sigbus_hit(const void *map)
{
    guard *g = find(map);
    return g && atomic_load(&g->hit);
}
