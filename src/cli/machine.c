#include "cli/machine.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "core/utf8.h"
#include "train/memory.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22 /* Linux 5.14 */
#endif

/* The value behind the first line that begins with `key`, without blanks, colon and newline; false when there is none.
 */
static bool find_line(const char *path, const char *key, char *out, size_t capacity)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    char line[512];
    bool found = false;
    while (!found && fgets(line, sizeof line, file)) {
        if (strncmp(line, key, strlen(key)) != 0)
            continue;
        const char *value = line + strlen(key);
        value += strspn(value, " \t:");
        line[strcspn(line, "\n")] = '\0';
        lt_utf8_printable(value, out, capacity);
        found = true;
    }
    fclose(file);
    return found;
}

static int64_t meminfo(const char *key)
{
    char value[64];
    return find_line("/proc/meminfo", key, value, sizeof value) ? strtoll(value, NULL, 10) * 1024 : 0;
}

/* Both versions of control groups, as seen from inside a container. An absurdly large number is "no limit". */
static int64_t group_limit(void)
{
    static const char *const paths[] = {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        char value[64];
        if (!find_line(paths[i], "", value, sizeof value))
            continue;
        int64_t limit = strtoll(value, NULL, 10);
        if (limit > 0 && limit < INT64_C(1) << 50)
            return limit;
    }
    return 0;
}

static bool has_populate_read(void)
{
    long page = sysconf(_SC_PAGESIZE);
    void *memory = mmap(NULL, (size_t)page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return false;
    bool works = madvise(memory, (size_t)page, MADV_POPULATE_READ) == 0;
    munmap(memory, (size_t)page);
    return works;
}

/* "always [madvise] never": the word in brackets. */
static void find_huge_pages(char *out, size_t capacity)
{
    char value[64];
    snprintf(out, capacity, "unknown");
    if (!find_line("/sys/kernel/mm/transparent_hugepage/enabled", "", value, sizeof value))
        return;
    const char *word = strchr(value, '[');
    if (word)
        snprintf(out, capacity, "%.*s", (int)strcspn(word + 1, "]"), word + 1);
}

void lt_machine_look(lt_machine *machine)
{
    *machine = (lt_machine){0};
    if (!find_line("/proc/cpuinfo", "model name", machine->cpu, sizeof machine->cpu))
        snprintf(machine->cpu, sizeof machine->cpu, "unknown");
    cpu_set_t set;
    machine->cores_online = (int)sysconf(_SC_NPROCESSORS_ONLN);
    machine->cores_usable = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : machine->cores_online;
    machine->memory_total = meminfo("MemTotal");
    machine->memory_available = lt_memory_available(); /* as the planner sees it */
    machine->memory_limit = group_limit();
    struct statvfs disk;
    if (statvfs(".", &disk) == 0)
        machine->disk_free = (int64_t)disk.f_bavail * (int64_t)disk.f_frsize;
    struct utsname name;
    if (uname(&name) == 0)
        snprintf(machine->system, sizeof machine->system, "%.20s %.60s %.20s", name.sysname, name.release,
                 name.machine);
    machine->populate_read = has_populate_read();
    find_huge_pages(machine->huge_pages, sizeof machine->huge_pages);
}
