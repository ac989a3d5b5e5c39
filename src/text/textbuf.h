/* Growable buffers of the text layer. Growth can fail (LT_ERR_MEMORY), so every call that adds says whether it did. */
#ifndef LT_TEXT_TEXTBUF_H
#define LT_TEXT_TEXTBUF_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "core/error.h"

/* Bytes. Start with {0}. Not terminated unless lt_textbuf_terminate says so. */
typedef struct lt_textbuf {
    char *data;
    size_t size, capacity;
} lt_textbuf;

bool lt_textbuf_grow(lt_textbuf *buf, size_t more, lt_error *err); /* makes room for `more` bytes beyond size */
bool lt_textbuf_terminate(lt_textbuf *buf, lt_error *err);         /* a NUL after the text, not counted in size */
void lt_textbuf_free(lt_textbuf *buf);

static inline bool lt_textbuf_append(lt_textbuf *buf, const char *text, size_t size, lt_error *err)
{
    if (buf->capacity - buf->size < size && !lt_textbuf_grow(buf, size, err))
        return false;
    if (size)
        memcpy(buf->data + buf->size, text, size);
    buf->size += size;
    return true;
}

/* Makes items (of item_bytes each) hold at least `count`; doubles, so that repeated growth is linear. */
bool lt_grow(void *items, size_t *capacity, size_t count, size_t item_bytes, lt_error *err);

/* A NUL-terminated copy of text[0, size), or NULL with *err set. */
char *lt_text_copy(const char *text, size_t size, lt_error *err);

#endif
