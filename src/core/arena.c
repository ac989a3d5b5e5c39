#include "core/arena.h"

#include <assert.h>
#include <sys/mman.h>

lt_arena lt_arena_measure(void)
{
    return (lt_arena){.base = NULL, .size = INT64_MAX};
}

bool lt_arena_init(lt_arena *arena, int64_t size_bytes, lt_error *err)
{
    *arena = (lt_arena){.size = lt_align_up(size_bytes)};
    if (size_bytes == 0)
        return true;
    void *base = mmap(NULL, (size_t)arena->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED)
        return lt_error_set(err, LT_ERR_MEMORY, "cannot reserve %lld bytes of working memory", (long long)size_bytes);
    arena->base = base;
    return true;
}

void lt_arena_free(lt_arena *arena)
{
    if (arena->base)
        munmap(arena->base, (size_t)arena->size);
    *arena = (lt_arena){0};
}

void *lt_arena_alloc(lt_arena *arena, int64_t bytes)
{
    assert(bytes >= 0);
    int64_t at = arena->used;
    arena->used += lt_align_up(bytes);
    assert(arena->used <= arena->size && "the plan reserved too little");
    if (arena->used > arena->high)
        arena->high = arena->used;
    return arena->base ? arena->base + at : NULL;
}
