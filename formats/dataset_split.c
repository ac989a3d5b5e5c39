#include "formats/dataset_split.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static size_t held(const lt_dataset_split *split)
{
    return lt_dataset_source_size(split->source);
}
static const char *window(const lt_dataset_split *split)
{
    return lt_dataset_source_data(split->source);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_blank(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (!is_space(text[i]))
            return false;
    return true;
}

/* ---- opening ---- */

/* True when path ends with extension, with or without .zst behind it. */
static bool has_extension(const char *path, const char *extension)
{
    size_t n = strlen(path), k = strlen(extension);
    if (n > 4 && !strcasecmp(path + n - 4, ".zst"))
        n -= 4;
    return n > k && !strncasecmp(path + n - k, extension, k);
}

static bool has_one_of(const char *path, const char *const *extensions)
{
    for (; *extensions; extensions++)
        if (has_extension(path, *extensions))
            return true;
    return false;
}

/* JSON without a name that says so: an object, or an array of objects. */
static bool looks_like_json(const char *data, size_t size)
{
    size_t i = 0;
    while (i < size && is_space(data[i]))
        i++;
    if (i < size && data[i] == '[')
        for (i++; i < size && is_space(data[i]);)
            i++;
    return i < size && data[i] == '{';
}

static bool skip_space(lt_dataset_split *split, lt_error *err)
{
    for (;;) {
        size_t n = 0, size = held(split);
        while (n < size && is_space(window(split)[n]))
            n++;
        lt_dataset_source_take(split->source, n);
        if (n < size || split->source->ended)
            return true;
        if (!lt_dataset_source_more(split->source, err))
            return false;
    }
}

bool lt_dataset_split_open(lt_dataset_split *split, lt_dataset_source *source, lt_dataset_sample_by sample_by,
                           lt_error *err)
{
    static const char *const json[] = {".jsonl", ".ndjson", ".json", NULL},
                             *const text[] = {".txt", ".text", ".md", NULL},
                             *const others[] = {".csv", ".tsv", ".parquet", ".arrow", NULL};
    *split = (lt_dataset_split){.source = source, .sample_by = sample_by, .mode = LT_DATASET_SPLIT_TEXT};
    if (has_one_of(source->path, others))
        return lt_error_set(err, LT_ERR_UNSUPPORTED,
                            "%s: expected JSON lines, a JSON array or text; export it as JSON lines", source->path);
    bool is_json = has_one_of(source->path, json);
    if (!is_json && (has_one_of(source->path, text) || !looks_like_json(window(split), held(split))))
        return true;
    if (!skip_space(split, err))
        return false;
    split->mode = held(split) && *window(split) == '[' ? LT_DATASET_SPLIT_ARRAY : LT_DATASET_SPLIT_LINES;
    return true;
}

void lt_dataset_split_close(lt_dataset_split *split)
{
    free(split->copy);
    *split = (lt_dataset_split){.source = NULL};
}

/* ---- lines ---- */

/* The line that begins `from` bytes into the window: *size without its newline, *next where the following one begins.
 * At the end of the file *next == *size + from. */
static bool find_line(lt_dataset_split *split, size_t from, size_t *size, size_t *next, lt_error *err)
{
    for (size_t seen = from;;) {
        const char *data = window(split),
                   *newline = held(split) > seen ? memchr(data + seen, '\n', held(split) - seen) : NULL;
        if (newline || split->source->ended) {
            size_t end = newline ? (size_t)(newline - data) : held(split);
            *size = end - from;
            *next = end + (newline != NULL);
            return true;
        }
        seen = held(split);
        if (!lt_dataset_source_more(split->source, err))
            return false;
    }
}

static bool next_line(lt_dataset_split *split, lt_dataset_piece *piece, bool *end, lt_error *err)
{
    size_t size, next;
    do {
        if (!find_line(split, 0, &size, &next, err))
            return false;
        *piece = (lt_dataset_piece){window(split), size, split->source->line, true, true};
        lt_dataset_source_take(split->source, next);
        *end = next == 0;
    } while (!*end && is_blank(piece->data, piece->size));
    return true;
}

/* ---- an array ---- */

/* Follows JSON far enough to see where an object ends: nesting and strings, nothing else. */
typedef struct nesting {
    size_t seen; /* bytes looked at */
    int64_t depth;
    bool in_string, escaped;
} nesting;

/* Looks at data[seen, size); true when the outermost bracket was closed, `seen` is then behind it. */
static bool closes(nesting *n, const char *data, size_t size)
{
    while (n->seen < size) {
        char c = data[n->seen++];
        if (n->in_string) {
            if (n->escaped)
                n->escaped = false;
            else if (c == '\\')
                n->escaped = true;
            else if (c == '"')
                n->in_string = false;
        } else if (c == '"') {
            n->in_string = true;
        } else if (c == '{' || c == '[') {
            n->depth++;
        } else if (c == '}' || c == ']') {
            if (--n->depth <= 0)
                return true;
        }
    }
    return false;
}

static bool array_error(const lt_dataset_split *split, const char *expected, lt_error *err)
{
    const lt_dataset_source *source = split->source;
    char found[] = "'?'";
    if (held(split))
        found[1] = *window(split);
    return lt_error_set(err, LT_ERR_FORMAT, "%s:%lld: expected %s, found %s", source->path, (long long)source->line,
                        expected, held(split) ? found : "the end of the file");
}

/* After the closing bracket. */
static bool array_end(lt_dataset_split *split, bool *end, lt_error *err)
{
    lt_dataset_source_take(split->source, 1);
    if (!skip_space(split, err))
        return false;
    *end = true;
    return held(split) == 0 || array_error(split, "nothing after the array of rows", err);
}

static bool next_element(lt_dataset_split *split, lt_dataset_piece *piece, bool *end, lt_error *err)
{
    *end = false;
    if (!skip_space(split, err))
        return false;
    char c = held(split) ? *window(split) : '\0';
    if (split->after_row && c == ']')
        return array_end(split, end, err);
    if (c != (split->after_row ? ',' : '['))
        return array_error(split, split->after_row ? "',' or ']' after a row" : "'['", err);
    bool first = !split->after_row;
    lt_dataset_source_take(split->source, 1);
    if (!skip_space(split, err))
        return false;
    c = held(split) ? *window(split) : '\0';
    if (first && c == ']')
        return array_end(split, end, err);
    if (c != '{')
        return array_error(split, "a row, '{'", err);
    nesting n = {0};
    while (!closes(&n, window(split), held(split))) {
        if (split->source->ended)
            return lt_error_set(err, LT_ERR_FORMAT, "%s:%lld: the file ends inside this row (truncated?)",
                                split->source->path, (long long)split->source->line);
        if (!lt_dataset_source_more(split->source, err))
            return false;
    }
    *piece = (lt_dataset_piece){window(split), n.seen, split->source->line, true, true};
    lt_dataset_source_take(split->source, n.seen);
    split->after_row = true;
    return true;
}

const char *lt_dataset_split_hint(const lt_dataset_split *split, const lt_dataset_piece *piece)
{
    nesting n = {0};
    bool open = !closes(&n, piece->data, piece->size) && n.depth > 0;
    return split->mode != LT_DATASET_SPLIT_LINES || !open ? ""
                                                          : "; expected a row on one line, or one array of rows (are "
                                                            "the rows a list inside an object? Make that list "
                                                            "the whole file)";
}

/* ---- plain text ---- */

/* Lines that end with a carriage return too are made to end as all others do. */
static bool without_returns(lt_dataset_split *split, lt_dataset_piece *piece, lt_error *err)
{
    if (!piece->size || !memchr(piece->data, '\r', piece->size))
        return true;
    if (split->copy_capacity < piece->size) {
        char *grown = realloc(split->copy, piece->size);
        if (!grown)
            return lt_error_set(err, LT_ERR_MEMORY, "%s:%lld: out of memory for a row", split->source->path,
                                (long long)piece->line);
        split->copy = grown;
        split->copy_capacity = piece->size;
    }
    size_t n = 0;
    for (size_t i = 0; i < piece->size; i++) /* a paragraph or line has lost the newline behind it already */
        if (piece->data[i] != '\r' || (i + 1 < piece->size && piece->data[i + 1] != '\n'))
            split->copy[n++] = piece->data[i];
    piece->data = split->copy;
    piece->size = n;
    return true;
}

static bool next_paragraph(lt_dataset_split *split, lt_dataset_piece *piece, bool *end, lt_error *err)
{
    size_t size, next, at = 0;
    int64_t line;
    do { /* blank lines before it */
        line = split->source->line;
        if (!find_line(split, 0, &size, &next, err))
            return false;
        *end = next == 0;
        if (*end)
            return true;
        if (is_blank(window(split), size))
            lt_dataset_source_take(split->source, next);
        else
            at = size;
    } while (!at);
    for (size_t from = next;; from = next) { /* lines until a blank one */
        if (!find_line(split, from, &size, &next, err))
            return false;
        if (is_blank(window(split) + from, size))
            break;
        at = from + size;
    }
    *piece = (lt_dataset_piece){window(split), at, line, true, true};
    lt_dataset_source_take(split->source, next);
    return true;
}

/* Where to cut data[0..size), size > 1: behind a newline that stands between two lines with text, so that tokens come
 * out as they would without the cut; else behind any newline, else behind a space, else between two characters. */
static size_t cut(const char *data, size_t size)
{
    for (size_t i = size - 1; i > size / 2; i--)
        if (data[i - 1] == '\n' && !is_space(data[i]) && !is_space(data[i - 2 - (data[i - 2] == '\r')]))
            return i;
    for (size_t i = size - 1; i > size / 2; i--)
        if (data[i - 1] == '\n')
            return i;
    for (size_t i = size - 1; i > size / 2; i--)
        if (data[i - 1] == ' ')
            return i;
    size_t i = size - 1;
    while (i > size / 2 && (((unsigned char)data[i] & 0xC0) == 0x80 || data[i - 1] == '\r'))
        i--;
    return i;
}

static bool next_document_piece(lt_dataset_split *split, lt_dataset_piece *piece, bool *end, lt_error *err)
{
    lt_dataset_source *source = split->source;
    size_t most = source->row_bytes_max < LT_DATASET_PIECE_BYTES ? source->row_bytes_max : LT_DATASET_PIECE_BYTES;
    most = most < 16 ? 16 : most; /* room for any character, and a cut in its second half */
    while (held(split) <= most && !source->ended)
        if (!lt_dataset_source_more(source, err))
            return false;
    size_t size = held(split);
    bool last = size <= most;
    if (!last)
        size = cut(window(split), most);
    *piece = (lt_dataset_piece){window(split), size, source->line, !split->inside, last};
    *end = size == 0 || (piece->begins && last && is_blank(piece->data, size));
    lt_dataset_source_take(source, size);
    split->inside = !last;
    return true;
}

/* The next row, line or piece as it stands in the file. */
static bool next_piece(lt_dataset_split *split, lt_dataset_piece *piece, bool *end, lt_error *err)
{
    switch (split->mode) {
    case LT_DATASET_SPLIT_LINES:
        return next_line(split, piece, end, err);
    case LT_DATASET_SPLIT_ARRAY:
        return next_element(split, piece, end, err);
    case LT_DATASET_SPLIT_TEXT:
        break;
    }
    return split->sample_by == LT_DATASET_BY_LINE        ? next_line(split, piece, end, err)
           : split->sample_by == LT_DATASET_BY_PARAGRAPH ? next_paragraph(split, piece, end, err)
                                                         : next_document_piece(split, piece, end, err);
}

bool lt_dataset_split_next(lt_dataset_split *split, lt_dataset_piece *piece, bool *end, lt_error *err)
{
    if (!next_piece(split, piece, end, err))
        return false;
    if (*end)
        return true;
    /* As it stands in the file: whether it is too long must not depend on how much of it was read at once. */
    if (piece->size > split->source->row_bytes_max)
        return lt_dataset_source_too_long(split->source, piece->line, err);
    return split->mode != LT_DATASET_SPLIT_TEXT || without_returns(split, piece, err);
}

bool lt_dataset_split_seek(lt_dataset_split *split, int64_t offset, int64_t line, bool inside, lt_error *err)
{
    split->after_row = true;
    split->inside = inside;
    return lt_dataset_source_seek(split->source, offset, line, err);
}
