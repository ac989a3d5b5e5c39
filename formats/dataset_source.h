/* The bytes of one data file, plain or zstd, through a window that grows to hold one row. Part of dataset.c. */
#ifndef LT_FORMATS_DATASET_SOURCE_H
#define LT_FORMATS_DATASET_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "formats/zst.h"

typedef struct lt_dataset_source {
    const char *path;   /* borrowed */
    int fd;             /* plain files; -1 otherwise */
    const char *memory; /* borrowed; instead of a file */
    lt_zst_reader *zst; /* compressed files and memory */
    int64_t file_bytes, file_at;
    char *buffer;
    size_t capacity, begin, end; /* not yet taken: buffer[begin, end) */
    size_t row_bytes_max, chunk_bytes;
    int64_t offset; /* of buffer[begin] in the content, decompressed, byte order mark included */
    int64_t line;   /* that buffer[begin] stands on, from 1 */
    bool ended;     /* nothing follows buffer[end) */
} lt_dataset_source;

/* Opens path, refuses what is plainly no text (UTF-16, gzip, Parquet, …) and skips a UTF-8 byte order mark. Reads
 * chunk_bytes at a time and holds up to about row_bytes_max + chunk_bytes. */
bool lt_dataset_source_open(lt_dataset_source *source, const char *path, size_t row_bytes_max, size_t chunk_bytes,
                            lt_error *err);

/* The same for data[0..size), borrowed; name (borrowed) stands for it in errors. */
bool lt_dataset_source_open_memory(lt_dataset_source *source, const char *name, const char *data, size_t size,
                                   size_t row_bytes_max, size_t chunk_bytes, lt_error *err);
void lt_dataset_source_close(lt_dataset_source *source);

/* Reads on: more bytes follow in the window, or `ended` is set. LT_ERR_FORMAT when the window holds far more than row_bytes_max bytes
 * already. Moves the window's bytes. */
bool lt_dataset_source_more(lt_dataset_source *source, lt_error *err);

/* The error of a row above row_bytes_max. Returns false. */
bool lt_dataset_source_too_long(const lt_dataset_source *source, int64_t line, lt_error *err);

/* Gives up the first n bytes of the window. */
void lt_dataset_source_take(lt_dataset_source *source, size_t n);

/* Goes to a place that was read before: byte `offset` of the content, which stands on `line`. */
bool lt_dataset_source_seek(lt_dataset_source *source, int64_t offset, int64_t line, lt_error *err);

static inline size_t lt_dataset_source_size(const lt_dataset_source *source)
{
    return source->end - source->begin;
}
static inline const char *lt_dataset_source_data(const lt_dataset_source *source)
{
    return source->buffer + source->begin;
}

#endif
