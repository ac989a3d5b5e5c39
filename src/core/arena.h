/* Planned memory. An arena is one mapping, reserved once and handed out by bumping an offset; nothing is allocated
 * inside a training step.
 *
 * The same code plans and allocates: an arena opened with lt_arena_measure hands out no memory and only counts, so the
 * layout function is run once to learn the size and once more to get the pointers. */
#ifndef LT_CORE_ARENA_H
#define LT_CORE_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

enum { LT_ALIGN = 64 }; /* every arena block: a cache line, and the widest vector */

typedef struct lt_arena {
    char *base;      /* NULL while measuring */
    int64_t used;    /* bytes handed out, a multiple of LT_ALIGN */
    int64_t high;    /* largest `used` so far */
    int64_t size;    /* bytes mapped; INT64_MAX while measuring */
} lt_arena;

/* An arena that only counts: lt_arena_alloc returns NULL, used and high grow. */
lt_arena lt_arena_measure(void);

/* Maps size_bytes of zeroed memory (not resident until touched). LT_ERR_MEMORY when the system refuses. */
bool lt_arena_init(lt_arena *arena, int64_t size_bytes, lt_error *err);
void lt_arena_free(lt_arena *arena);

/* The next bytes of the arena, LT_ALIGN-aligned. Running out is a bug in the plan and asserts. */
void *lt_arena_alloc(lt_arena *arena, int64_t bytes);

/* Gives back everything handed out since lt_arena_mark returned `mark`. */
static inline int64_t lt_arena_mark(const lt_arena *arena) { return arena->used; }
static inline void lt_arena_release(lt_arena *arena, int64_t mark) { arena->used = mark; }

static inline int64_t lt_align_up(int64_t bytes) { return (bytes + LT_ALIGN - 1) & ~(int64_t)(LT_ALIGN - 1); }

#define LT_ARENA_NEW(arena, type, count) ((type *)lt_arena_alloc((arena), (int64_t)(count) * (int64_t)sizeof(type)))

#endif
