/* zstd (RFC 8878): reading compressed files of strangers, and writing our own.
 *
 * Reading is bounded: a frame that wants a window above 2^27 bytes is refused, so memory does not depend on how well
 * the data was compressed. Any number of frames in a row is one stream; skippable frames are skipped; a file that
 * ends inside a frame is an error, and so is anything after the last frame that is not a frame. Content checksums are
 * verified where the frame has one; ours always has. */
#ifndef LT_FORMATS_ZST_H
#define LT_FORMATS_ZST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "core/file.h"

enum { LT_ZST_WINDOW_LOG_MAX = 27 };

/* True when head[0..n) starts a zstd frame or a skippable frame. */
bool lt_zst_is_frame(const void *head, size_t n);

/* ---- reading ---- */

typedef struct lt_zst_reader lt_zst_reader;

/* path must be a regular file. *out is owned by the caller. */
bool lt_zst_open(lt_zst_reader **out, const char *path, lt_error *err);

/* Reads from data[0..size), which must stay as it is until the reader is closed; name stands for it in errors. */
bool lt_zst_open_memory(lt_zst_reader **out, const char *name, const void *data, size_t size, lt_error *err);

/* Up to capacity (> 0) bytes of the decompressed stream; *got is 0 only at its end. */
bool lt_zst_read(lt_zst_reader *reader, void *out, size_t capacity, size_t *got, lt_error *err);

/* Starts over from the first byte. */
void lt_zst_rewind(lt_zst_reader *reader);

void lt_zst_close(lt_zst_reader *reader); /* NULL is fine */

/* ---- writing ---- */

/* Compresses what is written through it into a file in the making, as one frame with a content checksum. The bytes
 * depend on the data, the level and the zstd library alone. Level 0 is zstd's default. */
typedef struct lt_zst_writer lt_zst_writer;

/* file is borrowed: it must be open, and stays the caller's to commit or abort. */
bool lt_zst_writer_open(lt_zst_writer **out, lt_file_writer *file, int level, lt_error *err);
bool lt_zst_writer_write(lt_zst_writer *writer, const void *data, size_t size, lt_error *err);
bool lt_zst_writer_finish(lt_zst_writer *writer, lt_error *err); /* ends the frame; the file is not committed */
void lt_zst_writer_close(lt_zst_writer *writer);                 /* NULL is fine */

/* ---- whole buffers ---- */

/* One frame with content size and content checksum. *out is malloc'ed. */
bool lt_zst_compress(const void *data, size_t size, int level, void **out, size_t *out_size, lt_error *err);

/* All frames of data[0..size), at most limit_bytes of content. *out is malloc'ed, with a NUL after its *out_size bytes;
 * name stands for the data in errors. The limit is checked before memory is taken. */
bool lt_zst_decompress(const char *name, const void *data, size_t size, size_t limit_bytes, void **out,
                       size_t *out_size, lt_error *err);

#endif
