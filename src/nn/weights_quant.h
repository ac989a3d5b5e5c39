/* Quantised matrices whose scales lie in tensors beside the codes. They are recognised by those tensors:
 *
 *   bitsandbytes, 4 bits (nf4 or fp4; bitsandbytes 0.41 and later, functional.py: QuantState.as_dict)
 *     X.weight  U8, two codes a byte, (n, 1)
 *     X.weight.quant_state.bitsandbytes__nf4   U8, JSON: quant_type, blocksize, shape, and with double quantisation
 *                                              nested_blocksize, nested_offset
 *     X.weight.quant_map  16 numbers           X.weight.absmax  a number per block, or U8 with double quantisation and
 *     X.weight.nested_quant_map  256 numbers   X.weight.nested_absmax  F32 per nested block
 *
 *   int8, a scale per row
 *     X.weight  I8 (rows, cols)    X.SCB  (rows) largest magnitudes: w = code · SCB / 127, as bitsandbytes stores it
 *                               or X.weight_scale  (rows) or (rows, 1): w = code · scale */
#ifndef LT_NN_WEIGHTS_QUANT_H
#define LT_NN_WEIGHTS_QUANT_H

#include "core/error.h"
#include "formats/safetensors.h"
#include "simd/quant.h"

typedef struct lt_weights_quant {
    lt_dtype dtype;               /* NF4 or I8 */
    lt_quant_scales scales;       /* absmax or codes are set by the owner of the mapping when there are `blocks` */
    const lt_tensor_info *blocks; /* the tensor with a value per block, streamed like the codes; NULL: all are in memory */
    float *memory;                /* tables, scales of scales, scales of rows */
} lt_weights_quant;

/* True when the tensor of codes has one of the forms above. */
bool lt_weights_quant_is(const lt_safetensors *set, const lt_tensor_info *codes);

/* The scales of a (rows, cols) matrix; every size and every number is checked, scales are finite. */
bool lt_weights_quant_open(const lt_safetensors *set, const lt_tensor_info *codes, int64_t rows, int64_t cols,
                           lt_weights_quant **quant, lt_error *err);
void lt_weights_quant_close(lt_weights_quant *quant);

/* Bytes of `blocks` that rows [row, row + rows) of a matrix of `cols` columns need, and where they begin in it. */
int64_t lt_weights_quant_span(const lt_weights_quant *quant, int64_t cols, int64_t row, int64_t rows, int64_t *offset);

#endif
