/* The frozen base: tensors as they lie in their files, mapped read-only and streamed through a bounded window.
 *
 * A tensor is used in slabs of whole rows. lt_weights_use announces a slab that is about to be read; the oldest slabs leave
 * resident memory when the window is full (MADV_DONTNEED: the page cache keeps them as long as the system can spare it), and
 * lt_weights_prefetch lets a thread of our own bring in the next ones behind the computation, where the page cache does not hold them:
 * in huge pages when the window is large enough (MADV_HUGEPAGE; a mapping or dropping of 2 MiB then costs what one of a page does,
 * and a step of a small model is 5 % faster), else by MADV_WILLNEED.
 *
 * A file that shrinks while mapped raises SIGBUS; a handler replaces the missing pages by zeros and remembers, and
 * lt_weights_check turns that into an error at the end of the step. */
#ifndef LT_NN_WEIGHTS_H
#define LT_NN_WEIGHTS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "formats/safetensors.h"
#include "simd/gemm.h"

typedef struct lt_weights lt_weights;

/* A stored matrix or vector. matrix.data points into the mapping, or into memory of our own for a trained tensor. */
typedef struct lt_weight {
    lt_matrix matrix;       /* (rows, cols) as stored; a vector is (1, n) */
    lt_weights *owner;      /* NULL when the memory is our own: then nothing streams */
    const lt_tensor_info *info;
    int index;              /* in the owner's table of used tensors */
    int64_t paired_rows;    /* 0, or rows of a head that lie in pairs: lt_weight_row says where a stored row belongs */
} lt_weight;

/* The output of a layer that stored row `row` of its matrix computes. */
static inline int64_t lt_weight_row(const lt_weight *weight, int64_t row)
{
    return weight->paired_rows ? lt_tensor_row(LT_VIEW_PAIRED_ROWS, weight->paired_rows, row) : row;
}

bool lt_weights_open(lt_weights **weights, const char *path, lt_error *err); /* HF folder or .safetensors file */
bool lt_weights_adopt(lt_weights **weights, lt_safetensors *set, lt_error *err); /* takes over the set, also on failure */
void lt_weights_close(lt_weights *weights);
const lt_safetensors *lt_weights_set(const lt_weights *weights);

/* Names that begin with prefix (copied) are also looked up without it: a base model saved by itself leaves it out. */
void lt_weights_set_prefix(lt_weights *weights, const char *prefix);

/* The stored tensor that `name` means, or NULL: as it stands, without the prefix, or with the endings gamma and beta that norms
 * had in TensorFlow. */
const lt_tensor_info *lt_weights_info(const lt_weights *weights, const char *name);

/* The tensor `name` as a (rows, cols) matrix, plain or quantised (block types of GGUF, and the forms of weights_quant.h); a wrong
 * shape or a type that is none of these is an error that says so. */
bool lt_weights_find(lt_weights *weights, const char *name, int64_t rows, int64_t cols, lt_weight *weight, lt_error *err);

/* Reads a small vector (norm weights, biases) converted to f32 into out (n). */
bool lt_weights_read_vector(lt_weights *weights, const char *name, int64_t n, float *out, lt_error *err);

/* Resident bytes that streamed slabs may hold; INT64_MAX for all. Slabs are cut so that at least four fit. Call before
 * the first use and with no slab in use. */
void lt_weights_set_window(lt_weights *weights, int64_t window_bytes);

/* Bytes that may be resident beyond a window: with one of several huge pages, files are mapped in huge pages where the page cache
 * holds them so, and the first and the last of what is in use stand out at both ends. */
int64_t lt_weights_overhang(int64_t window_bytes);

/* How many slabs a weight is cut into; 1 for memory of our own. */
int lt_weights_slabs(const lt_weight *weight);

/* Slab s of a weight as a matrix of its own; marks it in use until the next call for this owner. first_row may be NULL.
 * Not for parallel regions. */
lt_matrix lt_weights_use(const lt_weight *weight, int slab, int64_t *first_row);

/* Asks the prefetch thread for all slabs of a weight, as far as the window allows. Returns at once. */
void lt_weights_prefetch(const lt_weight *weight);

/* Row `row` of a matrix converted to f32, read with pread so that scattered rows leave no pages resident. */
bool lt_weights_read_row(const lt_weight *weight, int64_t row, float *out, lt_error *err);

/* False when a mapped file was found to have shrunk: what was computed since cannot be trusted. Costs nothing; a checkpoint
 * also asks lt_safetensors_unchanged. */
bool lt_weights_check(lt_weights *weights, lt_error *err);

/* Bytes that streaming all of a weight reads: as stored, with scales that lie beside it. 0 for memory of our own. */
int64_t lt_weights_bytes(const lt_weight *weight);

/* Bytes asked of the mapping so far (window misses), for the disk-traffic figure. */
int64_t lt_weights_bytes_read(const lt_weights *weights);

#endif
