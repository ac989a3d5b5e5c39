/* One merge in progress, shared by src/api/merge*.c. */
#ifndef LT_API_MERGE_INTERNAL_H
#define LT_API_MERGE_INTERNAL_H

#include "api/merge.h"
#include "formats/gguf.h"

/* A tensor of the result and where its numbers come from. */
typedef struct lt_merge_tensor {
    char *name; /* Hugging Face's, as the result has it; owned */
    char *gguf; /* GGUF's, or NULL; owned */
    lt_dtype dtype;
    int dims;
    int64_t shape[LT_MAX_DIMS], elements;
    const lt_tensor_info *from;         /* of the base; NULL: whole from the adapter */
    const lt_lora_module *module;       /* added, or NULL */
    const lt_lora_module *bias_of;      /* this is the bias of such a module with lora_bias, or with IA3's factors */
    const lt_adapter_tensor *whole;     /* in place of the base's */
    const lt_adapter_rows *rows;        /* some rows are replaced */
    bool raw;                           /* bytes are copied as they are */
    bool rows_are_inputs;               /* conv1d */
    lt_tensor_view view;                /* how a GGUF stores it */
    int64_t head_rows;
    bool plain;                         /* in a GGUF: never quantised */
    int64_t place;                      /* in a GGUF: order of the stored tensors */
    int expert;                         /* in a GGUF: one of the experts that are a tensor together, else -1 */
} lt_merge_tensor;

typedef struct lt_merge {
    const lt_merge_options *options;
    lt_config config;       /* of the base */
    lt_gguf *source;        /* the base, when it is a GGUF file */
    lt_safetensors *base;
    lt_adapter_file *adapter; /* one: read, or combined from several; NULL: none */
    lt_merge_tensor *items;
    int64_t count, capacity;
    int64_t total_bytes, done_bytes;
    bool untied;
    double largest_rounding;
    float *values;          /* MERGE_ELEMENTS at least, or the rows of one head */
    int64_t values_capacity;
    lt_error *err;
} lt_merge;

enum { LT_MERGE_ELEMENTS = 1 << 21 }; /* of a piece: 8 MB of f32 */

/* merge_plan.c: fills items. */
bool lt_merge_plan(lt_merge *merge);
lt_dtype lt_merge_matrix_dtype(const lt_merge *merge); /* of what is merged, or of matrices at all */

/* merge_gguf_write.c: the result as one GGUF file. */
bool lt_merge_write_gguf(lt_merge *merge);

/* merge_write.c: hands the bytes of one item, piece by piece, to append. */
typedef bool (*lt_merge_append)(void *writer, const void *data, int64_t bytes, lt_error *err);
bool lt_merge_stream(lt_merge *merge, const lt_merge_tensor *item, lt_merge_append append, void *writer);

#endif
