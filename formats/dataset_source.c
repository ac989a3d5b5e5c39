#include "formats/dataset_source.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"

enum {
    HEAD_BYTES = 512, /* enough to tell what a file holds */
    MARGIN = 4096,    /* of blank bytes that may follow a row of the greatest length before its end is seen */
};

/* Reads up to chunk_bytes behind the window; there is room. */
static bool read_chunk(lt_dataset_source *source, lt_error *err)
{
    char *to = source->buffer + source->end;
    size_t got = 0;
    if (source->zst) {
        if (!lt_zst_read(source->zst, to, source->chunk_bytes, &got, err))
            return false;
    } else {
        uint64_t left = (uint64_t)(source->file_bytes - source->file_at);
        got = left < source->chunk_bytes ? (size_t)left : source->chunk_bytes;
        if (source->memory)
            memcpy(to, source->memory + source->file_at, got);
        else if (!lt_file_pread(source->fd, source->path, to, got, source->file_at, err))
            return false;
        source->file_at += (int64_t)got;
    }
    source->end += got;
    source->ended = got == 0;
    return true;
}

static bool read_more(lt_dataset_source *source, lt_error *err)
{
    size_t held = source->end - source->begin;
    if (source->begin) {
        memmove(source->buffer, source->buffer + source->begin, held);
        source->begin = 0;
        source->end = held;
    }
    if (source->capacity - source->end < source->chunk_bytes) {
        size_t capacity = 2 * held + 2 * source->chunk_bytes;
        char *grown = realloc(source->buffer, capacity);
        if (!grown)
            return lt_error_set(err, LT_ERR_MEMORY, "%s:%lld: out of memory for a row", source->path,
                                (long long)source->line);
        source->buffer = grown;
        source->capacity = capacity;
    }
    return read_chunk(source, err);
}

bool lt_dataset_source_too_long(const lt_dataset_source *source, int64_t line, lt_error *err)
{
    return lt_error_set(err, LT_ERR_FORMAT, "%s:%lld: expected a row of at most %zu bytes, found a longer one",
                        source->path, (long long)line, source->row_bytes_max);
}

bool lt_dataset_source_more(lt_dataset_source *source, lt_error *err)
{
    if (source->ended)
        return true;
    if (source->end - source->begin > source->row_bytes_max + MARGIN)
        return lt_dataset_source_too_long(source, source->line, err);
    return read_more(source, err);
}

void lt_dataset_source_take(lt_dataset_source *source, size_t n)
{
    assert(n <= source->end - source->begin);
    const char *p = source->buffer + source->begin, *stop = p + n;
    while (p < stop && (p = memchr(p, '\n', (size_t)(stop - p)))) {
        source->line++;
        p++;
    }
    source->begin += n;
    source->offset += (int64_t)n;
}

typedef struct signature {
    const char *bytes;
    size_t size;
    const char *what;
} signature;

/* What a file is that begins with these bytes. */
static const signature signatures[] = {
    {"\xff\xfe", 2, "UTF-16; convert it to UTF-8"},
    {"\xfe\xff", 2, "UTF-16; convert it to UTF-8"},
    {"\x1f\x8b", 2, "gzip; unpack it, or pack it with zstd"},
    {"BZh", 3, "bzip2; unpack it, or pack it with zstd"},
    {"\xfd"
     "7zXZ",
     5, "xz; unpack it, or pack it with zstd"},
    {"PK\x03\x04", 4, "a zip archive; unpack it"},
    {"PAR1", 4, "Parquet; export it as JSON lines"},
    {"ARROW1", 6, "Arrow; export it as JSON lines"},
};

/* Looks at how the content begins: refuses other formats, skips a byte order mark. */
static bool begin_content(lt_dataset_source *source, lt_error *err)
{
    while (lt_dataset_source_size(source) < HEAD_BYTES && !source->ended)
        if (!read_more(source, err))
            return false;
    const char *data = lt_dataset_source_data(source);
    size_t size = lt_dataset_source_size(source);
    for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++)
        if (size >= signatures[i].size && !memcmp(data, signatures[i].bytes, signatures[i].size))
            return lt_error_set(err, LT_ERR_UNSUPPORTED, "%s: expected JSON lines, a JSON array or text, found %s",
                                source->path, signatures[i].what);
    if (size >= 3 && !memcmp(data, "\xef\xbb\xbf", 3))
        lt_dataset_source_take(source, 3);
    return true;
}

static bool begin(lt_dataset_source *source, lt_error *err)
{
    source->capacity = 2 * source->chunk_bytes;
    source->buffer = malloc(source->capacity);
    if (!source->buffer)
        return lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory", source->path);
    return begin_content(source, err);
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), k = strlen(end);
    return n >= k && !strcmp(text + n - k, end);
}

bool lt_dataset_source_open(lt_dataset_source *source, const char *path, size_t row_bytes_max, size_t chunk_bytes,
                            lt_error *err)
{
    *source = (lt_dataset_source){
        .path = path, .fd = -1, .row_bytes_max = row_bytes_max, .chunk_bytes = chunk_bytes, .line = 1};
    char head[4] = {0};
    source->fd = lt_file_open(path, &source->file_bytes, err);
    size_t n = source->file_bytes < 4 ? (size_t)source->file_bytes : 4;
    if (source->fd < 0 || !lt_file_pread(source->fd, path, head, n, 0, err))
        goto fail;
    if (lt_zst_is_frame(head, n) || ends_with(path, ".zst")) {
        close(source->fd);
        source->fd = -1;
        if (!lt_zst_open(&source->zst, path, err))
            goto fail;
    }
    if (begin(source, err))
        return true;
fail:
    lt_dataset_source_close(source);
    return false;
}

bool lt_dataset_source_open_memory(lt_dataset_source *source, const char *name, const char *data, size_t size,
                                   size_t row_bytes_max, size_t chunk_bytes, lt_error *err)
{
    *source = (lt_dataset_source){.path = name,
                                  .fd = -1,
                                  .memory = data,
                                  .file_bytes = (int64_t)size,
                                  .row_bytes_max = row_bytes_max,
                                  .chunk_bytes = chunk_bytes,
                                  .line = 1};
    if ((!lt_zst_is_frame(data, size) || lt_zst_open_memory(&source->zst, name, data, size, err)) && begin(source, err))
        return true;
    lt_dataset_source_close(source);
    return false;
}

/* Throws away the content up to offset; only decompressing leads there. */
static bool skip_to(lt_dataset_source *source, int64_t offset, lt_error *err)
{
    while (source->offset < offset) {
        uint64_t far = (uint64_t)(offset - source->offset);
        size_t size = lt_dataset_source_size(source);
        if (!size && source->ended)
            break;
        if (!size && !lt_dataset_source_more(source, err))
            return false;
        lt_dataset_source_take(source, far < size ? (size_t)far : size);
    }
    return true;
}

bool lt_dataset_source_seek(lt_dataset_source *source, int64_t offset, int64_t line, lt_error *err)
{
    if (source->zst) {
        if (offset < source->offset) {
            lt_zst_rewind(source->zst);
            source->begin = source->end = 0;
            source->offset = 0;
            source->ended = false;
        }
        if (!skip_to(source, offset, err))
            return false;
    } else if (offset <= source->file_bytes) {
        source->begin = source->end = 0;
        source->offset = source->file_at = offset;
        source->ended = false;
    }
    if (source->offset != offset)
        return lt_error_set(err, LT_ERR_FORMAT,
                            "%s: expected at least %lld bytes of content, found less (did it change?)", source->path,
                            (long long)offset);
    source->line = line;
    return lt_dataset_source_size(source) || lt_dataset_source_more(source, err);
}

void lt_dataset_source_close(lt_dataset_source *source)
{
    if (source->fd >= 0)
        close(source->fd);
    lt_zst_close(source->zst);
    free(source->buffer);
    *source = (lt_dataset_source){.fd = -1};
}
