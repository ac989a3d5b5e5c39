#include "text/textbuf.h"

#include <stdint.h>
#include <stdlib.h>

bool lt_grow(void *items, size_t *capacity, size_t count, size_t item_bytes, lt_error *err)
{
    if (count <= *capacity)
        return true;
    size_t wanted = *capacity > SIZE_MAX / 4 ? count : *capacity * 2;
    if (wanted < count)
        wanted = count;
    if (wanted < 16)
        wanted = 16;
    void *old, *grown = NULL;
    memcpy(&old, items, sizeof old); /* items is the address of a pointer of any type */
    if (wanted <= SIZE_MAX / 2 / item_bytes)
        grown = realloc(old, wanted * item_bytes);
    if (!grown)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for %zu items of %zu bytes", wanted, item_bytes);
    memcpy(items, &grown, sizeof grown);
    *capacity = wanted;
    return true;
}

bool lt_textbuf_grow(lt_textbuf *buf, size_t more, lt_error *err)
{
    if (more > SIZE_MAX / 2 - buf->size)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for %zu more bytes of text", more);
    return lt_grow(&buf->data, &buf->capacity, buf->size + more, 1, err);
}

bool lt_textbuf_terminate(lt_textbuf *buf, lt_error *err)
{
    if (buf->size == buf->capacity && !lt_textbuf_grow(buf, 1, err))
        return false;
    buf->data[buf->size] = '\0';
    return true;
}

void lt_textbuf_free(lt_textbuf *buf)
{
    free(buf->data);
    *buf = (lt_textbuf){0};
}

char *lt_text_copy(const char *text, size_t size, lt_error *err)
{
    char *copy = malloc(size + 1);
    if (!copy) {
        lt_error_set(err, LT_ERR_MEMORY, "out of memory for %zu bytes of text", size);
        return NULL;
    }
    if (size)
        memcpy(copy, text, size);
    copy[size] = '\0';
    return copy;
}
