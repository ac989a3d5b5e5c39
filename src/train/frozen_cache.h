/* What leaves the frozen blocks, kept on disk from one epoch to the next: a record of the token store each, as f32, bf16 or
 * int8 (nn/ckpt.h), compressed and checksummed. Those blocks and the embedding are then computed in the first epoch only.
 *
 * What cannot be used is computed again, never an error: an entry that is damaged is dropped with a warning, a full disk ends the
 * writing. Numbers do not depend on that, for what is put is rounded the way it will be got. */
#ifndef LT_TRAIN_FROZEN_CACHE_H
#define LT_TRAIN_FROZEN_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"

typedef struct lt_frozen_cache lt_frozen_cache;

typedef struct lt_frozen_cache_options {
    const char *folder; /* where the file lies; made when it is not there */
    int bits;           /* 8, 16, 32 */
    int64_t width;      /* C */
    int64_t records;
    int64_t reserve_bytes; /* of the disk that are left free: a run must be able to save */
    uint64_t key;       /* of all that the numbers depend on. A file of this key that lies there already is gone on with */
} lt_frozen_cache_options;

/* Memory that an open cache takes. */
int64_t lt_frozen_cache_memory(const lt_frozen_cache_options *options);

/* Bytes of file for that many records of so many tokens together, at most. */
int64_t lt_frozen_cache_disk(const lt_frozen_cache_options *options, int64_t records, int64_t tokens);

bool lt_frozen_cache_open(lt_frozen_cache **cache, const lt_frozen_cache_options *options, lt_error *err);

/* remove: the file goes too. NULL is fine. */
void lt_frozen_cache_close(lt_frozen_cache *cache, bool remove);

/* Is the record there, as far as is known without reading it? */
bool lt_frozen_cache_has(const lt_frozen_cache *cache, int64_t record);

/* x (tokens, C) f32 out. False: it is not there, or damaged and now forgotten; rows up to the damage are in x, the others as they were. */
bool lt_frozen_cache_get(lt_frozen_cache *cache, int64_t record, int64_t tokens, float *x);

/* Keeps x (tokens, C) f32, and rounds it to what get will give. */
void lt_frozen_cache_put(lt_frozen_cache *cache, int64_t record, int64_t tokens, float *x);

int64_t lt_frozen_cache_bytes(const lt_frozen_cache *cache); /* of the file, now */
const char *lt_frozen_cache_path(const lt_frozen_cache *cache);

#endif
