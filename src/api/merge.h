/* Base and adapters into one model, and adapters from one format to another. */
#ifndef LT_API_MERGE_H
#define LT_API_MERGE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/dtype.h"
#include "models/adapter_file.h"

typedef struct lt_merge_options {
    const char *model;           /* folder or GGUF file */
    const char *const *adapters; /* in any format that lt_adapter_file_read knows; none: the model alone */
    int adapter_count;
    const double *weights;       /* one per adapter, or NULL: 1 each */
    lt_combination combination;
    double density;
    uint64_t seed;
    const char *output;          /* a folder to make; for GGUF a file */
    bool gguf;
    lt_dtype dtype;              /* F32, F16, BF16, for GGUF also Q8_0; LT_DTYPE_COUNT: that of each tensor, BF16 for quantised ones (in a
                                  * GGUF F16) */
    int64_t shard_bytes;         /* 0: 5 GB */

    bool (*progress)(int64_t done_bytes, int64_t total_bytes, void *context); /* false stops; may be NULL */
    void *context;
} lt_merge_options;

typedef struct lt_merge_result {
    int64_t tensors, merged, bytes;
    int files;
    const char *dtype;         /* of the merged matrices */
    double largest_rounding;   /* largest |stored - exact| / largest |exact| of a merged tensor, by rounding to dtype */
    bool untied;               /* the output head became a matrix of its own */
} lt_merge_result;

/* Streams: a few rows of one tensor are in memory at a time. */
bool lt_api_merge(const lt_merge_options *options, lt_merge_result *result, lt_error *err);

/* The tokenizer of a GGUF model as tokenizer.json, tokenizer_config.json and generation_config.json in folder; nothing for another
 * model. */
bool lt_api_write_gguf_companions(const char *model, const char *folder, lt_error *err);

typedef struct lt_convert_result {
    lt_adapter_format from, to;
    int modules;
    double largest_deviation; /* of scale · B A x between what was read and what was written, for random x; relative */
} lt_convert_result;

/* Reads an adapter and writes it as another format, then reads what was written and compares. output: a folder, for GGUF a file; it
 * must not exist. model: the base, or NULL; needed for GGUF on either side. */
bool lt_api_convert(const char *source, const char *model, lt_adapter_format to, const char *output, lt_convert_result *result,
                    lt_error *err);

/* An adapter of another format as a PEFT folder in a temporary place, for what takes PEFT alone. PEFT itself stays where it is. */
typedef struct lt_peft_view {
    char path[4096];
    bool temporary;
} lt_peft_view;

bool lt_api_peft_view_open(lt_peft_view *view, const char *adapter, const char *model, lt_error *err);
void lt_api_peft_view_close(lt_peft_view *view); /* removes it; harmless on {0} */

#endif
