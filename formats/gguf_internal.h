/* Shared by the files that read GGUF. */
#ifndef LT_FORMATS_GGUF_INTERNAL_H
#define LT_FORMATS_GGUF_INTERNAL_H

#include "formats/gguf.h"

/* Fills entries, tensors, version, alignment and data_begin of a file whose path and file_bytes are set. On failure what was
 * filled stays, for lt_gguf_clear. *short_of: the header goes on beyond `size`. */
bool lt_gguf_parse_header(lt_gguf *file, const unsigned char *data, size_t size, bool *short_of, lt_error *err);

/* Frees entries and tensors, and leaves none. */
void lt_gguf_clear(lt_gguf *file);

/* Bytes of a number or boolean; 0 for strings and arrays. */
int lt_gguf_width(lt_gguf_type type);

#endif
