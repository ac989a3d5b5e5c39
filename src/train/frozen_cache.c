/* The file: a header, then entries. An entry is its head and pieces of rows, each compressed on its own, so that memory does not
 * grow with a record. Bytes of equal weight stand together before they are compressed: exponents repeat, mantissas do not.
 *
 *     header   "lathe frozen 1\0\0", key u64
 *     entry    record u64, tokens u32, pieces u32, bytes u64 (of the pieces), hash u64 of these four
 *     piece    bytes u32, rows u32, hash u64 of the compressed bytes, then those
 */
#include "train/frozen_cache.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <xxhash.h>
#include <zstd.h>

#include "core/arena.h"
#include "core/file.h"
#include "core/log.h"
#include "nn/ckpt.h"

enum { PIECE_BYTES = 256 << 10, LEVEL = 1 };

typedef struct file_head {
    char magic[16];
    uint64_t key;
} file_head;

typedef struct entry_head {
    uint64_t record;
    uint32_t tokens, pieces;
    uint64_t bytes, hash;
} entry_head;

typedef struct piece_head {
    uint32_t bytes, rows;
    uint64_t hash;
} piece_head;

static const char MAGIC[16] = "lathe frozen 1";

struct lt_frozen_cache {
    lt_frozen_cache_options options;
    char path[4096];
    int fd;
    bool named, full, cut_fails;
    int64_t *place; /* (records) of the entry's head, 0: none */
    int64_t end;
    int64_t row_bytes, piece_rows;
    char *rows, *planes, *packed; /* a piece: as stored, with its bytes sorted, compressed */
    size_t packed_room;
    ZSTD_CCtx *compress;
    ZSTD_DCtx *decompress;
};

static int64_t rows_of_piece(const lt_frozen_cache_options *o)
{
    int64_t rows = PIECE_BYTES / lt_ckpt_row_bytes(o->bits, o->width);
    return rows > 0 ? rows : 1;
}

int64_t lt_frozen_cache_memory(const lt_frozen_cache_options *o)
{
    const int64_t context_bytes = 2 << 20; /* zstd's, of level 1 and for decompressing */
    int64_t piece = rows_of_piece(o) * lt_ckpt_row_bytes(o->bits, o->width);
    return o->records * (int64_t)sizeof(int64_t) + 2 * piece + (int64_t)ZSTD_compressBound((size_t)piece) + context_bytes;
}

int64_t lt_frozen_cache_disk(const lt_frozen_cache_options *o, int64_t records, int64_t tokens)
{
    int64_t raw = tokens * lt_ckpt_row_bytes(o->bits, o->width);
    return raw + raw / 256 + records * (int64_t)(sizeof(entry_head) + sizeof(piece_head));
}

static uint64_t head_hash(const entry_head *head)
{
    return XXH3_64bits(head, offsetof(entry_head, hash));
}

/* ---- bytes by weight ---- */

static int weights_of(const lt_frozen_cache *c) { return c->options.bits / 8; }

/* Byte b of every element behind byte b - 1 of every element. */
static void sort_bytes(const lt_frozen_cache *c, const char *from, char *to, int64_t bytes)
{
    const int w = weights_of(c);
    int64_t n = bytes / w;
    for (int b = 0; b < w; b++)
        for (int64_t i = 0; i < n; i++)
            to[b * n + i] = from[i * w + b];
}

static void unsort_bytes(const lt_frozen_cache *c, const char *from, char *to, int64_t bytes)
{
    const int w = weights_of(c);
    int64_t n = bytes / w;
    for (int b = 0; b < w; b++)
        for (int64_t i = 0; i < n; i++)
            to[i * w + b] = from[b * n + i];
}

/* ---- the file ---- */

static bool read_at(const lt_frozen_cache *c, void *out, size_t n, int64_t offset)
{
    for (size_t done = 0; done < n;) {
        ssize_t got = pread(c->fd, (char *)out + done, n - done, offset + (int64_t)done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        done += (size_t)got;
    }
    return true;
}

static bool write_at(const lt_frozen_cache *c, const void *bytes, size_t n, int64_t offset)
{
    for (size_t done = 0; done < n;) {
        ssize_t put = pwrite(c->fd, (const char *)bytes + done, n - done, offset + (int64_t)done);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return false;
        done += (size_t)put;
    }
    return true;
}

/* Entries of a file that an earlier session left, up to the first one that is not whole. */
static void find_entries(lt_frozen_cache *c, int64_t size)
{
    entry_head head;
    c->end = sizeof(file_head);
    while (c->end + (int64_t)sizeof head <= size && read_at(c, &head, sizeof head, c->end) && head.hash == head_hash(&head) &&
           head.record < (uint64_t)c->options.records && head.bytes <= (uint64_t)(size - c->end) - sizeof head) {
        c->place[head.record] = c->end;
        c->end += (int64_t)(sizeof head + head.bytes);
    }
    c->cut_fails |= ftruncate(c->fd, c->end) != 0; /* what follows is written over anyway */
}

static bool start_file(lt_frozen_cache *c, lt_error *err)
{
    file_head head = {.key = c->options.key}, found;
    int64_t size = lseek(c->fd, 0, SEEK_END);
    memcpy(head.magic, MAGIC, sizeof head.magic);
    if (size >= (int64_t)sizeof found && read_at(c, &found, sizeof found, 0) && !memcmp(&found, &head, sizeof head)) {
        find_entries(c, size);
        return true;
    }
    c->end = sizeof head;
    return (ftruncate(c->fd, 0) == 0 && write_at(c, &head, sizeof head, 0)) || lt_error_errno(err, "%s: cannot write", c->path);
}

/* Another process that works on the same rows holds the lock of the named file: then this one's has no name. */
static bool open_file(lt_frozen_cache *c, lt_error *err)
{
    const lt_frozen_cache_options *o = &c->options;
    char name[64];
    if (!lt_file_make_folder(o->folder, err))
        return false;
    snprintf(name, sizeof name, "frozen-%016" PRIx64 ".cache", o->key);
    if (!lt_file_join(c->path, sizeof c->path, o->folder, name, err))
        return false;
    c->fd = open(c->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (c->fd >= 0 && flock(c->fd, LOCK_EX | LOCK_NB) == 0) {
        c->named = true;
        return true;
    }
    if (c->fd < 0)
        return lt_error_errno(err, "%s: cannot open", c->path);
    close(c->fd);
    c->fd = open(o->folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    return c->fd >= 0 || lt_error_errno(err, "%s: in use by another run, and a file without a name cannot be made", c->path);
}

bool lt_frozen_cache_open(lt_frozen_cache **out, const lt_frozen_cache_options *options, lt_error *err)
{
    lt_frozen_cache *c = calloc(1, sizeof *c);
    *out = NULL;
    if (!c)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    c->options = *options;
    c->fd = -1;
    c->row_bytes = lt_ckpt_row_bytes(options->bits, options->width);
    c->piece_rows = rows_of_piece(options);
    size_t piece = (size_t)(c->piece_rows * c->row_bytes);
    c->packed_room = ZSTD_compressBound(piece);
    c->place = calloc((size_t)options->records + 1, sizeof *c->place);
    c->rows = calloc(1, piece);
    c->planes = malloc(piece);
    c->packed = malloc(c->packed_room);
    c->compress = ZSTD_createCCtx();
    c->decompress = ZSTD_createDCtx();
    bool ok = c->place && c->rows && c->planes && c->packed && c->compress && c->decompress
                  ? true
                  : lt_error_set(err, LT_ERR_MEMORY, "out of memory for a cache of %lld records", (long long)options->records);
    if (!ok || !open_file(c, err) || !start_file(c, err)) {
        lt_frozen_cache_close(c, false);
        return false;
    }
    *out = c;
    return true;
}

void lt_frozen_cache_close(lt_frozen_cache *c, bool remove)
{
    if (!c)
        return;
    if (remove && c->named)
        unlink(c->path);
    if (c->fd >= 0)
        close(c->fd);
    ZSTD_freeCCtx(c->compress);
    ZSTD_freeDCtx(c->decompress);
    free(c->place);
    free(c->rows);
    free(c->planes);
    free(c->packed);
    free(c);
}

/* ---- records ---- */

bool lt_frozen_cache_has(const lt_frozen_cache *c, int64_t record)
{
    return c->place[record] != 0;
}

/* One piece at `offset`, before `limit`: its rows to x. 0 when it is damaged, else its bytes in the file. */
static int64_t get_piece(lt_frozen_cache *c, int64_t offset, int64_t limit, int64_t rows, float *x)
{
    piece_head head;
    size_t raw = (size_t)(rows * c->row_bytes);
    if (limit - offset < (int64_t)sizeof head || !read_at(c, &head, sizeof head, offset) || head.rows != rows ||
        head.bytes > c->packed_room || (int64_t)head.bytes > limit - offset - (int64_t)sizeof head ||
        !read_at(c, c->packed, head.bytes, offset + (int64_t)sizeof head) || XXH3_64bits(c->packed, head.bytes) != head.hash ||
        ZSTD_decompressDCtx(c->decompress, c->planes, raw, c->packed, head.bytes) != raw)
        return 0;
    unsort_bytes(c, c->planes, c->rows, (int64_t)raw);
    lt_ckpt_get(c->options.bits, c->rows, x, c->options.width, c->options.width, rows);
    return (int64_t)sizeof head + head.bytes;
}

static bool get(lt_frozen_cache *c, int64_t record, int64_t tokens, float *x)
{
    entry_head head;
    int64_t offset = c->place[record];
    if (!read_at(c, &head, sizeof head, offset) || head.hash != head_hash(&head) || head.record != (uint64_t)record ||
        head.tokens != (uint64_t)tokens)
        return false;
    offset += (int64_t)sizeof head;
    int64_t limit = offset + (int64_t)head.bytes;
    for (int64_t t = 0; t < tokens; t += c->piece_rows) {
        int64_t n = tokens - t < c->piece_rows ? tokens - t : c->piece_rows;
        int64_t used = get_piece(c, offset, limit, n, x + t * c->options.width);
        if (used == 0)
            return false;
        offset += used;
    }
    return offset == limit;
}

bool lt_frozen_cache_get(lt_frozen_cache *c, int64_t record, int64_t tokens, float *x)
{
    if (c->place[record] == 0)
        return false;
    if (get(c, record, tokens, x))
        return true;
    lt_log_warning("%s: the entry of record %lld is damaged and is computed again", c->path, (long long)record);
    c->place[record] = 0;
    return false;
}

/* Writes one piece; its bytes in the file, 0 when it could not be written. */
static int64_t put_piece(lt_frozen_cache *c, int64_t offset, int64_t rows)
{
    size_t raw = (size_t)(rows * c->row_bytes);
    sort_bytes(c, c->rows, c->planes, (int64_t)raw);
    size_t bytes = ZSTD_compressCCtx(c->compress, c->packed, c->packed_room, c->planes, raw, LEVEL);
    if (ZSTD_isError(bytes))
        return 0;
    piece_head head = {.bytes = (uint32_t)bytes, .rows = (uint32_t)rows, .hash = XXH3_64bits(c->packed, bytes)};
    bool ok = write_at(c, &head, sizeof head, offset) && write_at(c, c->packed, bytes, offset + (int64_t)sizeof head);
    return ok ? (int64_t)(sizeof head + bytes) : 0;
}

static void disk_full(lt_frozen_cache *c)
{
    lt_log_warning("%s: cannot write (%s); rows that are not in it yet are computed in every epoch", c->path, strerror(errno));
    c->full = true;
    c->cut_fails |= ftruncate(c->fd, c->end) != 0; /* gives back what was written of the entry */
}

/* Is the reserve still free when the record is written? */
static bool has_room(const lt_frozen_cache *c, int64_t tokens)
{
    struct statvfs disk;
    if (fstatvfs(c->fd, &disk))
        return true;
    uint64_t left = (uint64_t)disk.f_bavail * disk.f_frsize;
    if (left >= (uint64_t)(c->options.reserve_bytes + lt_frozen_cache_disk(&c->options, 1, tokens)))
        return true;
    errno = ENOSPC;
    return false;
}

void lt_frozen_cache_put(lt_frozen_cache *c, int64_t record, int64_t tokens, float *x)
{
    const int64_t C = c->options.width;
    entry_head head = {.record = (uint64_t)record, .tokens = (uint32_t)tokens};
    int64_t offset = c->end + (int64_t)sizeof head;
    errno = 0;
    if (!c->full && !has_room(c, tokens))
        disk_full(c);
    bool writes = !c->full;
    for (int64_t t = 0; t < tokens; t += c->piece_rows) {
        int64_t n = tokens - t < c->piece_rows ? tokens - t : c->piece_rows;
        lt_ckpt_put(c->options.bits, x + t * C, C, C, n, c->rows);
        lt_ckpt_get(c->options.bits, c->rows, x + t * C, C, C, n);
        int64_t used = writes ? put_piece(c, offset, n) : 0;
        writes = used > 0;
        offset += used;
        head.pieces++;
    }
    if (c->full)
        return;
    head.bytes = (uint64_t)(offset - c->end) - sizeof head;
    head.hash = head_hash(&head);
    /* The head comes last: an entry that was cut short is not found again. */
    if (!writes || !write_at(c, &head, sizeof head, c->end)) {
        disk_full(c);
        return;
    }
    c->place[record] = c->end;
    c->end = offset;
}

int64_t lt_frozen_cache_bytes(const lt_frozen_cache *c) { return c->end; }

const char *lt_frozen_cache_path(const lt_frozen_cache *c) { return c->path; }
