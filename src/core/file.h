/* Files made by strangers, and files that must not be lost. */
#ifndef LT_CORE_FILE_H
#define LT_CORE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/error.h"

/* Opens a regular file for reading (O_NONBLOCK | O_CLOEXEC, so that a FIFO cannot block; anything but a regular file is
 * refused). Returns the descriptor and its size, or -1 with *err set. */
int lt_file_open(const char *path, int64_t *size_bytes, lt_error *err);

/* Reads exactly n bytes at offset; a short file is LT_ERR_FORMAT ("the file shrank"). */
bool lt_file_pread(int fd, const char *path, void *out, size_t n, int64_t offset, lt_error *err);

/* The whole of a regular file, at most limit_bytes, in malloc'ed memory with a NUL after it. */
bool lt_file_read(const char *path, int64_t limit_bytes, char **data, size_t *size, lt_error *err);

/* A file in the making. Written under a temporary name beside the final one; lt_file_commit flushes, fsyncs, renames and
 * fsyncs the folder, so a reader sees the old content or the whole new one. lt_file_abort removes the temporary. */
typedef struct lt_file_writer {
    FILE *stream;
    char *buffer; /* of lt_file_write_large, or NULL */
    char path[4096], temporary[4096 + 32];
} lt_file_writer;

bool lt_file_create(lt_file_writer *writer, const char *path, lt_error *err);

/* Before the first write to a file of many megabytes that will be mapped: it is written 2 MiB at a time, and the page cache then holds
 * it in pieces of that size, which are mapped and dropped at the cost of a page. */
void lt_file_write_large(lt_file_writer *writer);
bool lt_file_write(lt_file_writer *writer, const void *data, size_t n, lt_error *err); /* on failure: call abort */
bool lt_file_commit(lt_file_writer *writer, lt_error *err);                            /* aborts itself on failure */
void lt_file_abort(lt_file_writer *writer);                                            /* harmless when not open */

/* create + write + commit */
bool lt_file_replace(const char *path, const void *data, size_t n, lt_error *err);

bool lt_file_make_folder(const char *path, lt_error *err); /* with parents; existing folders are fine */
bool lt_file_sync_folder(const char *path, lt_error *err); /* makes renames inside it durable */
bool lt_file_is_folder(const char *path);
bool lt_file_exists(const char *path);

/* Joins "folder/name" into out[capacity]; LT_ERR_USAGE when it does not fit. */
bool lt_file_join(char *out, size_t capacity, const char *folder, const char *name, lt_error *err);

/* True for a plain file name: not empty, no '/', no NUL inside, not "." or "..". */
bool lt_file_is_plain_name(const char *name);

#endif
