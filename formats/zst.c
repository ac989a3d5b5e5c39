#include "formats/zst.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>
#include <zstd_errors.h>

enum { READ_BYTES = 1 << 17, FIRST_BYTES = 1 << 16 };

struct lt_zst_reader {
    char *name;
    ZSTD_DCtx *context;
    int fd;              /* -1 when reading memory */
    int64_t file_bytes;  /* size of the file when it was opened */
    int64_t position;    /* bytes of the compressed data taken so far */
    const char *memory;  /* borrowed */
    char *buffer;        /* READ_BYTES, files only */
    ZSTD_inBuffer input; /* what was taken and is not yet consumed */
    bool inside_frame;   /* more input must follow */
};

bool lt_zst_is_frame(const void *head, size_t n)
{
    if (n < 4)
        return false;
    const unsigned char *p = head;
    uint32_t magic = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    return magic == ZSTD_MAGICNUMBER || (magic & ZSTD_MAGIC_SKIPPABLE_MASK) == ZSTD_MAGIC_SKIPPABLE_START;
}

static bool reader_new(lt_zst_reader **out, const char *name, lt_error *err)
{
    lt_zst_reader *reader = calloc(1, sizeof *reader);
    if (!reader)
        return lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory", name);
    reader->fd = -1;
    reader->name = strdup(name);
    reader->context = ZSTD_createDCtx();
    if (!reader->name || !reader->context ||
        ZSTD_isError(ZSTD_DCtx_setParameter(reader->context, ZSTD_d_windowLogMax, LT_ZST_WINDOW_LOG_MAX))) {
        lt_zst_close(reader);
        return lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory for decompression", name);
    }
    *out = reader;
    return true;
}

bool lt_zst_open(lt_zst_reader **out, const char *path, lt_error *err)
{
    lt_zst_reader *reader;
    if (!reader_new(&reader, path, err))
        return false;
    reader->fd = lt_file_open(path, &reader->file_bytes, err);
    if (reader->fd < 0) {
        lt_zst_close(reader);
        return false;
    }
    reader->buffer = malloc(READ_BYTES);
    if (!reader->buffer) {
        lt_zst_close(reader);
        return lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory", path);
    }
    *out = reader;
    return true;
}

bool lt_zst_open_memory(lt_zst_reader **out, const char *name, const void *data, size_t size, lt_error *err)
{
    if (!reader_new(out, name, err))
        return false;
    (*out)->memory = data;
    (*out)->file_bytes = (int64_t)size;
    return true;
}

void lt_zst_rewind(lt_zst_reader *reader)
{
    ZSTD_DCtx_reset(reader->context, ZSTD_reset_session_only);
    reader->position = 0;
    reader->input = (ZSTD_inBuffer){0};
    reader->inside_frame = false;
}

void lt_zst_close(lt_zst_reader *reader)
{
    if (!reader)
        return;
    if (reader->fd >= 0)
        close(reader->fd);
    ZSTD_freeDCtx(reader->context);
    free(reader->buffer);
    free(reader->name);
    free(reader);
}

/* Takes the next piece of compressed data; input.size stays 0 at its end. */
static bool refill(lt_zst_reader *reader, lt_error *err)
{
    int64_t left = reader->file_bytes - reader->position;
    reader->input = (ZSTD_inBuffer){0};
    if (reader->memory) {
        reader->input.src = reader->memory + reader->position;
        reader->input.size = (size_t)left;
    } else {
        reader->input.src = reader->buffer;
        reader->input.size = left < READ_BYTES ? (size_t)left : READ_BYTES;
        if (!lt_file_pread(reader->fd, reader->name, reader->buffer, reader->input.size, reader->position, err))
            return false;
    }
    reader->position += (int64_t)reader->input.size;
    return true;
}

static bool reader_error(const lt_zst_reader *reader, size_t code, lt_error *err)
{
    int64_t at = reader->position - (int64_t)(reader->input.size - reader->input.pos);
    switch (ZSTD_getErrorCode(code)) {
    case ZSTD_error_frameParameter_windowTooLarge:
        return lt_error_set(
            err, LT_ERR_UNSUPPORTED,
            "%s: the zstd frame at byte %lld needs a window above %d MiB; compress it again without --long=28 "
            "or more",
            reader->name, (long long)at, 1 << (LT_ZST_WINDOW_LOG_MAX - 20));
    case ZSTD_error_prefix_unknown:
        return lt_error_set(err, LT_ERR_FORMAT, "%s: expected a zstd frame at byte %lld, found something else",
                            reader->name, (long long)at);
    case ZSTD_error_memory_allocation:
        return lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory for decompression", reader->name);
    default:
        return lt_error_set(err, LT_ERR_FORMAT, "%s: broken zstd data near byte %lld: %s", reader->name, (long long)at,
                            ZSTD_getErrorName(code));
    }
}

bool lt_zst_read(lt_zst_reader *reader, void *out, size_t capacity, size_t *got, lt_error *err)
{
    assert(capacity > 0);
    ZSTD_outBuffer output = {out, capacity, 0};
    bool drained = false; /* the last call left nothing inside the decoder */
    while (output.pos == 0) {
        if (reader->input.pos == reader->input.size) {
            if (!refill(reader, err))
                return false;
            if (reader->input.size == 0 && (!reader->inside_frame || drained))
                break;
        }
        size_t in_before = reader->input.pos;
        size_t hint = ZSTD_decompressStream(reader->context, &output, &reader->input);
        if (ZSTD_isError(hint))
            return reader_error(reader, hint, err);
        reader->inside_frame = hint != 0;
        drained = reader->input.pos == in_before && output.pos == 0;
    }
    if (reader->file_bytes == 0)
        return lt_error_set(err, LT_ERR_FORMAT, "%s: expected a zstd frame, found an empty file", reader->name);
    if (output.pos == 0 && reader->inside_frame)
        return lt_error_set(err, LT_ERR_FORMAT, "%s: the file ends inside a zstd frame, after %lld bytes (truncated?)",
                            reader->name, (long long)reader->file_bytes);
    *got = output.pos;
    return true;
}

struct lt_zst_writer {
    lt_file_writer *file; /* borrowed */
    ZSTD_CCtx *context;
    char *buffer;
    size_t capacity;
};

static ZSTD_CCtx *compressor(int level)
{
    ZSTD_CCtx *context = ZSTD_createCCtx();
    if (context && (ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level)) ||
                    ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)))) {
        ZSTD_freeCCtx(context);
        return NULL;
    }
    return context;
}

bool lt_zst_writer_open(lt_zst_writer **out, lt_file_writer *file, int level, lt_error *err)
{
    lt_zst_writer *writer = calloc(1, sizeof *writer);
    if (!writer)
        return lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory", file->path);
    writer->file = file;
    writer->capacity = ZSTD_CStreamOutSize();
    writer->buffer = malloc(writer->capacity);
    writer->context = compressor(level);
    if (!writer->buffer || !writer->context) {
        lt_zst_writer_close(writer);
        return lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory for compression", file->path);
    }
    *out = writer;
    return true;
}

static bool writer_push(lt_zst_writer *writer, ZSTD_inBuffer input, ZSTD_EndDirective directive, lt_error *err)
{
    for (;;) {
        ZSTD_outBuffer output = {writer->buffer, writer->capacity, 0};
        size_t left = ZSTD_compressStream2(writer->context, &output, &input, directive);
        if (ZSTD_isError(left))
            return lt_error_set(err, LT_ERR_MEMORY, "%s: cannot compress: %s", writer->file->path,
                                ZSTD_getErrorName(left));
        if (!lt_file_write(writer->file, writer->buffer, output.pos, err))
            return false;
        if (directive == ZSTD_e_end ? left == 0 : input.pos == input.size)
            return true;
    }
}

bool lt_zst_writer_write(lt_zst_writer *writer, const void *data, size_t size, lt_error *err)
{
    return size == 0 || writer_push(writer, (ZSTD_inBuffer){data, size, 0}, ZSTD_e_continue, err);
}

bool lt_zst_writer_finish(lt_zst_writer *writer, lt_error *err)
{
    return writer_push(writer, (ZSTD_inBuffer){0}, ZSTD_e_end, err);
}

void lt_zst_writer_close(lt_zst_writer *writer)
{
    if (!writer)
        return;
    ZSTD_freeCCtx(writer->context);
    free(writer->buffer);
    free(writer);
}

bool lt_zst_compress(const void *data, size_t size, int level, void **out, size_t *out_size, lt_error *err)
{
    size_t bound = ZSTD_compressBound(size);
    void *buffer = malloc(bound);
    ZSTD_CCtx *context = compressor(level);
    size_t n = buffer && context ? ZSTD_compress2(context, buffer, bound, data, size) : (size_t)-1;
    ZSTD_freeCCtx(context);
    if (!buffer || !context || ZSTD_isError(n)) {
        free(buffer);
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory to compress %zu bytes", size);
    }
    *out = buffer;
    *out_size = n;
    return true;
}

/* The content size when the first frame is all there is and says it; otherwise a first guess that will grow. */
static size_t first_capacity(const void *data, size_t size)
{
    unsigned long long said = ZSTD_getFrameContentSize(data, size);
    size_t frame = ZSTD_findFrameCompressedSize(data, size);
    if (said == ZSTD_CONTENTSIZE_UNKNOWN || said == ZSTD_CONTENTSIZE_ERROR || ZSTD_isError(frame) || frame != size)
        return FIRST_BYTES;
    /* One frame cannot hold more than 128 KiB for each 4 bytes of it (a block header and one byte to repeat), so a
     * small lie about the size cannot take much memory. */
    return said / ZSTD_BLOCKSIZE_MAX > size / 4 + 1 ? FIRST_BYTES : (size_t)said;
}

bool lt_zst_decompress(const char *name, const void *data, size_t size, size_t limit_bytes, void **out,
                       size_t *out_size, lt_error *err)
{
    assert(limit_bytes < SIZE_MAX / 2);
    lt_zst_reader *reader;
    if (!lt_zst_open_memory(&reader, name, data, size, err))
        return false;
    bool ok = false;
    size_t used = 0, capacity = first_capacity(data, size);
    if (capacity > limit_bytes)
        capacity = limit_bytes;
    char *buffer = malloc(capacity + 1); /* one more: a full buffer can still find out that nothing follows */
    for (size_t got = 1; got && buffer; used += got) {
        if (used > limit_bytes) {
            lt_error_set(err, LT_ERR_FORMAT, "%s: holds more than the %zu bytes that are accepted", name, limit_bytes);
            goto done;
        }
        if (used > capacity) {
            capacity = capacity > limit_bytes / 2 ? limit_bytes : 2 * capacity;
            char *grown = realloc(buffer, capacity + 1);
            if (!grown) {
                free(buffer);
                buffer = NULL;
                break;
            }
            buffer = grown;
        }
        if (!lt_zst_read(reader, buffer + used, capacity + 1 - used, &got, err))
            goto done;
    }
    if (!buffer) {
        lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory for its content", name);
        goto done;
    }
    buffer[used] = '\0';
    *out = buffer;
    *out_size = used;
    buffer = NULL;
    ok = true;
done:
    free(buffer);
    lt_zst_close(reader);
    return ok;
}
