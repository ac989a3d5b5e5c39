#include "train/memory.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The number behind `key` in a file of "Key:   123 kB" lines, in bytes; -1 when it is not there. */
static int64_t field(const char *path, const char *key)
{
    FILE *file = fopen(path, "re");
    char line[256];
    int64_t value = -1;
    size_t n = strlen(key);
    if (!file)
        return -1;
    while (value < 0 && fgets(line, sizeof line, file))
        if (!strncmp(line, key, n) && line[n] == ':')
            value = strtoll(line + n + 1, NULL, 10) * 1024;
    fclose(file);
    return value;
}

/* A file that holds one number; -1 when it is absent or says "max". */
static int64_t number(const char *path)
{
    FILE *file = fopen(path, "re");
    long long value = -1;
    if (!file)
        return -1;
    if (fscanf(file, "%lld", &value) != 1)
        value = -1;
    fclose(file);
    return value;
}

int64_t lt_memory_resident(void)
{
    int64_t bytes = field("/proc/self/status", "VmRSS");
    return bytes < 0 ? 0 : bytes;
}

int64_t lt_memory_peak(void)
{
    int64_t bytes = field("/proc/self/status", "VmHWM");
    return bytes < 0 ? 0 : bytes;
}

/* What one cgroup folder leaves. Page cache that can be dropped counts as used there, so it is given back. */
static int64_t group_left(const char *folder, const char *limit, const char *usage, const char *stat_key)
{
    char path[4600];
    snprintf(path, sizeof path, "%s/%s", folder, limit);
    int64_t most = number(path);
    if (most < 0)
        return INT64_MAX;
    snprintf(path, sizeof path, "%s/%s", folder, usage);
    int64_t used = number(path);
    snprintf(path, sizeof path, "%s/memory.stat", folder);
    FILE *file = fopen(path, "re");
    char line[256];
    size_t n = strlen(stat_key);
    while (file && fgets(line, sizeof line, file))
        if (!strncmp(line, stat_key, n) && line[n] == ' ')
            used -= strtoll(line + n, NULL, 10);
    if (file)
        fclose(file);
    int64_t left = most - (used > 0 ? used : 0);
    return left > 0 ? left : 0;
}

/* The tightest of a cgroup and those above it. `name` is its path below root and is cut from the end. */
static int64_t groups_left(const char *root, char *name, const char *limit, const char *usage, const char *stat_key)
{
    int64_t least = INT64_MAX;
    for (;;) {
        char folder[4400];
        snprintf(folder, sizeof folder, "%s%s", root, name);
        int64_t left = group_left(folder, limit, usage, stat_key);
        if (left < least)
            least = left;
        char *slash = strrchr(name, '/');
        if (!slash)
            return least;
        *slash = '\0';
    }
}

static int64_t cgroup_left(void)
{
    FILE *file = fopen("/proc/self/cgroup", "re");
    char line[4096];
    int64_t least = INT64_MAX;
    if (!file)
        return least;
    while (fgets(line, sizeof line, file)) { /* "0::/name" in version 2, "9:memory:/name" in version 1 */
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':'), *name = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!name)
            continue;
        *name++ = '\0';
        int64_t left = INT64_MAX;
        if (controllers[1] == '\0')
            left = groups_left("/sys/fs/cgroup", name, "memory.max", "memory.current", "inactive_file");
        else if (strstr(controllers, "memory"))
            left = groups_left("/sys/fs/cgroup/memory", name, "memory.limit_in_bytes", "memory.usage_in_bytes",
                               "total_inactive_file");
        if (left < least)
            least = left;
    }
    fclose(file);
    return least;
}

int64_t lt_memory_available(void)
{
    int64_t system = field("/proc/meminfo", "MemAvailable"), group = cgroup_left();
    if (system < 0)
        system = INT64_MAX;
    return system < group ? system : group;
}

void lt_memory_trim(void) { malloc_trim(0); }
