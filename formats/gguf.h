/* GGUF, versions 2 and 3, little-endian: metadata and tensors of one file (https://github.com/ggml-org/ggml, docs/gguf.md).
 *
 *     "GGUF", version u32, tensors u64, entries u64
 *     entry    key, type u32, value          a string is a u64 length and its bytes; an array a type u32, a count u64, its elements
 *     tensor   name, dims u32, u64 each (the one that runs along memory first), type u32, offset u64
 *     data     at the next multiple of general.alignment (32)
 *
 * The header is read with pread into memory of our own and checked in full before anything of it is used: counts and lengths
 * against what is left of the file, nesting, products, alignment, overlaps, names that come twice. */
#ifndef LT_FORMATS_GGUF_H
#define LT_FORMATS_GGUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/dtype.h"
#include "core/error.h"

typedef enum lt_gguf_type {
    LT_GGUF_U8, LT_GGUF_I8, LT_GGUF_U16, LT_GGUF_I16, LT_GGUF_U32, LT_GGUF_I32, LT_GGUF_F32, LT_GGUF_BOOL,
    LT_GGUF_STRING, LT_GGUF_ARRAY, LT_GGUF_U64, LT_GGUF_I64, LT_GGUF_F64,
    LT_GGUF_TYPES
} lt_gguf_type;

enum { LT_GGUF_MAX_DIMS = 4, LT_GGUF_ALIGNMENT = 32 };

/* Bytes inside the header, with a NUL after them nowhere: a length is always needed. */
typedef struct lt_gguf_string {
    const char *data;
    size_t size;
} lt_gguf_string;

typedef struct lt_gguf_entry {
    char *key;             /* owned by the file */
    lt_gguf_type type;     /* of the value, or LT_GGUF_ARRAY */
    lt_gguf_type element;  /* of an array's elements */
    uint64_t count;        /* of an array's elements; 1 for a plain value */
    const unsigned char *value; /* first element, as stored */
    size_t bytes;
} lt_gguf_entry;

typedef struct lt_gguf_tensor {
    char *name;            /* owned by the file */
    uint32_t type;         /* as ggml numbers them */
    int dims;
    int64_t shape[LT_GGUF_MAX_DIMS]; /* slowest first, as everywhere else here: (rows, columns) */
    int64_t elements;
    int64_t offset, bytes; /* of the data, from the start of the file */
} lt_gguf_tensor;

typedef struct lt_gguf {
    char *path;
    int fd;                /* owned; -1 for a header that was parsed from memory */
    int64_t file_bytes;
    uint32_t version;
    uint32_t alignment;
    lt_gguf_entry *entries;
    int64_t entry_count;
    lt_gguf_tensor *tensors; /* in the order of the header */
    int64_t tensor_count;
    int64_t data_begin;    /* where the tensors' data starts */
    unsigned char *header; /* owned: what values point into */
} lt_gguf;

/* True when a regular file begins with GGUF's magic bytes; never an error. */
bool lt_gguf_is(const char *path);

bool lt_gguf_open(lt_gguf **file, const char *path, lt_error *err);
void lt_gguf_close(lt_gguf *file); /* NULL is fine */

/* The same from bytes of memory (borrowed until closed) that are the start of a file of file_bytes; fd is -1. For tests. */
bool lt_gguf_parse(lt_gguf **file, const char *source, const void *data, size_t size, int64_t file_bytes, lt_error *err);

const lt_gguf_entry *lt_gguf_find(const lt_gguf *file, const char *key);           /* NULL when absent */
const lt_gguf_tensor *lt_gguf_find_tensor(const lt_gguf *file, const char *name);  /* NULL when absent */

/* A value by its key. An absent one leaves *out as it is and is no error; one of another kind, or out of bounds (inclusive), is.
 * Integers of any width and sign serve, and so do floats of either width. */
bool lt_gguf_get_int(const lt_gguf *file, const char *key, int64_t low, int64_t high, int64_t *out, lt_error *err);
bool lt_gguf_get_real(const lt_gguf *file, const char *key, double *out, lt_error *err);
bool lt_gguf_get_bool(const lt_gguf *file, const char *key, bool *out, lt_error *err);
bool lt_gguf_get_string(const lt_gguf *file, const char *key, lt_gguf_string *out, lt_error *err);

/* Element i of an array of numbers or booleans, as a number; a plain value is its own element 0. False when it is no number. */
bool lt_gguf_number(const lt_gguf_entry *entry, uint64_t i, double *real, int64_t *integer);

/* All strings of an array, malloc'ed (the bytes stay in the header). LT_ERR_FORMAT when it is not an array of strings. */
bool lt_gguf_strings(const lt_gguf *file, const lt_gguf_entry *entry, lt_gguf_string **out, lt_error *err);

const char *lt_gguf_type_name(lt_gguf_type type); /* "u32", "string" … */

/* A row of ggml's table of tensor types. */
typedef struct lt_gguf_tensor_type {
    uint32_t id;
    const char *name;      /* "Q4_0" */
    int block_elements, block_bytes;
} lt_gguf_tensor_type;

const lt_gguf_tensor_type *lt_gguf_tensor_type_get(uint32_t id); /* NULL when ggml has no such type */

/* The dtype that computes with a stored type; false when lathe has none. The reverse for writing. */
bool lt_gguf_dtype(uint32_t id, lt_dtype *dtype);
bool lt_gguf_type_of_dtype(lt_dtype dtype, uint32_t *id);

#endif
