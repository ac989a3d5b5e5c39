/* Facts about the computer, for doctor. */
#ifndef LT_CLI_MACHINE_H
#define LT_CLI_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct lt_machine {
    char cpu[128]; /* as the system names it */
    int cores_usable, cores_online;
    int64_t memory_total, memory_available;
    int64_t memory_limit; /* of the control group; 0: none */
    int64_t disk_free;    /* of the working directory's file system */
    char system[128];     /* "Linux 6.1.0 x86_64" */
    bool populate_read;   /* madvise(MADV_POPULATE_READ) works */
    char huge_pages[16];  /* always, madvise, never, or unknown */
} lt_machine;

void lt_machine_look(lt_machine *machine);

#endif
