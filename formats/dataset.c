#include "formats/dataset.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/utf8.h"
#include "formats/dataset_source.h"
#include "formats/dataset_split.h"
#include "formats/json.h"

struct lt_dataset {
    char **paths;
    int count;
    const void *memory; /* instead of the one path's file */
    size_t memory_size;
    lt_dataset_options options;
    char *field_names[7]; /* owned copies behind options.fields */
    uint32_t accept;

    int file;    /* open, or about to be */
    bool opened; /* source and split are in use */
    lt_dataset_source source;
    lt_dataset_split split;
    int64_t index;     /* of the next row */
    int64_t file_rows; /* read from this file, or known to be before the place gone to */
    json_t *json;      /* of the row handed out last */
};

/* ---- opening and closing ---- */

static bool copy_options(lt_dataset *d, const lt_dataset_options *options)
{
    if (options)
        d->options = *options;
    if (!d->options.row_bytes_max)
        d->options.row_bytes_max = LT_DATASET_ROW_BYTES_MAX;
    if (!d->options.chunk_bytes)
        d->options.chunk_bytes = 1 << 18;
    d->accept = d->options.accept;
    lt_dataset_fields *f = &d->options.fields;
    const char **fields[7] = {&f->text, &f->messages, &f->prompt, &f->completion, &f->chosen, &f->rejected, &f->label};
    for (int i = 0; i < 7; i++) {
        if (!*fields[i])
            continue;
        d->field_names[i] = strdup(*fields[i]);
        if (!d->field_names[i])
            return false;
        *fields[i] = d->field_names[i];
    }
    return true;
}

bool lt_dataset_open(lt_dataset **out, const char *const *paths, int count, const lt_dataset_options *options,
                     lt_error *err)
{
    assert(count > 0);
    lt_dataset *d = calloc(1, sizeof *d);
    bool ok = d && (d->paths = calloc((size_t)count, sizeof *d->paths)) && copy_options(d, options);
    for (int i = 0; i < count && ok; i++) {
        ok = (d->paths[i] = strdup(paths[i])) != NULL;
        d->count = i + 1;
    }
    if (!ok) {
        lt_dataset_close(d);
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory to open %d data files", count);
    }
    *out = d;
    return true;
}

bool lt_dataset_open_memory(lt_dataset **out, const char *name, const void *data, size_t size,
                            const lt_dataset_options *options, lt_error *err)
{
    if (!lt_dataset_open(out, &name, 1, options, err))
        return false;
    (*out)->memory = size ? data : "";
    (*out)->memory_size = size;
    return true;
}

static void close_file(lt_dataset *d)
{
    if (d->opened) {
        lt_dataset_split_close(&d->split);
        lt_dataset_source_close(&d->source);
    }
    d->opened = false;
}

void lt_dataset_close(lt_dataset *d)
{
    if (!d)
        return;
    close_file(d);
    json_decref(d->json);
    for (int i = 0; i < d->count; i++)
        free(d->paths[i]);
    for (int i = 0; i < 7; i++)
        free(d->field_names[i]);
    free(d->paths);
    free(d);
}

static bool open_file(lt_dataset *d, lt_error *err)
{
    const char *path = d->paths[d->file];
    size_t most = d->options.row_bytes_max, chunk = d->options.chunk_bytes;
    if (d->memory ? !lt_dataset_source_open_memory(&d->source, path, d->memory, d->memory_size, most, chunk, err)
                  : !lt_dataset_source_open(&d->source, path, most, chunk, err))
        return false;
    if (!lt_dataset_split_open(&d->split, &d->source, d->options.sample_by, err)) {
        lt_dataset_source_close(&d->source);
        return false;
    }
    d->opened = true;
    d->file_rows = 0;
    return true;
}

/* ---- rows ---- */

/* Makes room for integers beyond 64 bits, as hashes and ids of other systems have them: each gets an exponent, which
 * makes it a real number for jansson. Only they lose digits; other integers of the row stay what they are. */
static char *with_wide_integers_as_reals(const char *text, size_t size, size_t *new_size)
{
    char *out = malloc(size + size / 9 + 3), *to = out; /* at most two bytes more for 19 */
    bool in_string = false;
    for (size_t i = 0; out && i < size;) {
        size_t digits = 0;
        if (!in_string)
            while (i + digits < size && text[i + digits] >= '0' && text[i + digits] <= '9')
                digits++;
        if (digits) {
            bool whole = i + digits == size || !strchr(".eE", text[i + digits]);
            bool fraction = i > 0 && strchr(".+eE", text[i - 1]);
            memcpy(to, text + i, digits);
            to += digits;
            i += digits;
            if (digits >= 19 && whole && !fraction) {
                *to++ = 'e';
                *to++ = '0';
            }
            continue;
        }
        if (text[i] == '"')
            in_string = !in_string;
        else if (in_string && text[i] == '\\' && i + 1 < size)
            *to++ = text[i++];
        *to++ = text[i++];
    }
    *new_size = out ? (size_t)(to - out) : 0;
    return out;
}

/* A value takes up to a hundred times the memory of its text ("[],"), so their number is limited as well: the memory of
 * a hostile row stays within a few hundred megabytes. */
enum { LARGE_ROW_BYTES = 1 << 18, LISTS_MAX = 1 << 18, VALUES_MAX = 1 << 23 };

static bool check_value_count(const lt_dataset *d, const lt_dataset_piece *piece, lt_error *err)
{
    size_t lists = 0, commas = 0;
    bool in_string = false;
    for (size_t i = 0; i < piece->size && piece->size > LARGE_ROW_BYTES; i++) {
        char c = piece->data[i];
        if (in_string && c == '\\')
            i++;
        else if (c == '"')
            in_string = !in_string;
        else if (!in_string) {
            lists += c == '[' || c == '{';
            commas += c == ',';
        }
    }
    if (lists > LISTS_MAX || commas > VALUES_MAX)
        return lt_error_set(err, LT_ERR_FORMAT,
                            "%s:%lld: expected at most %d lists and objects and %d values in a row, found more",
                            d->source.path, (long long)piece->line, LISTS_MAX, VALUES_MAX);
    return true;
}

static json_t *parse_row(const lt_dataset *d, const lt_dataset_piece *piece, lt_error *err)
{
    const size_t flags = JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY;
    json_error_t at;
    if (!check_value_count(d, piece, err))
        return NULL;
    json_t *json = json_loadb(piece->data, piece->size, flags, &at);
    if (!json && json_error_code(&at) == json_error_numeric_overflow) {
        size_t size;
        char *text = with_wide_integers_as_reals(piece->data, piece->size, &size);
        if (text)
            json = json_loadb(text, size, flags, &at);
        free(text);
    }
    if (!json) {
        lt_error_set(err, LT_ERR_FORMAT, "%s:%lld: column %d: not valid JSON: %s%s", d->source.path,
                     (long long)piece->line + at.line - 1, at.column, at.text, lt_dataset_split_hint(&d->split, piece));
        return NULL;
    }
    if (!json_is_object(json)) {
        lt_error_set(err, LT_ERR_FORMAT, "%s:%lld: expected a row that is an object, found %s", d->source.path,
                     (long long)piece->line, lt_json_type_name(json));
        json_decref(json);
        return NULL;
    }
    return json;
}

static json_t *text_row(const lt_dataset *d, const lt_dataset_piece *piece, lt_error *err)
{
    json_t *json = json_object(), *text = json_stringn_nocheck(piece->data, piece->size);
    if (!json || !text || json_object_set_new(json, "text", text)) {
        json_decref(json);
        lt_error_set(err, LT_ERR_MEMORY, "%s:%lld: out of memory for a row", d->source.path, (long long)piece->line);
        return NULL;
    }
    return json;
}

/* Names the line and the byte in it of the first byte that is no UTF-8. */
static bool check_utf8(const lt_dataset *d, const lt_dataset_piece *piece, lt_error *err)
{
    size_t bad;
    if (lt_utf8_valid(piece->data, piece->size, &bad))
        return true;
    int64_t line = piece->line;
    size_t start = 0;
    for (const char *p = piece->data; (p = memchr(p, '\n', (size_t)(piece->data + bad - p))); line++)
        start = (size_t)(++p - piece->data);
    return lt_error_set(err, LT_ERR_FORMAT, "%s:%lld: expected UTF-8, found the byte 0x%02x as byte %zu of the line",
                        d->source.path, (long long)line, (unsigned char)piece->data[bad], bad - start + 1);
}

/* From the piece of the file to the row, which is checked and recognised. */
static bool make_row(lt_dataset *d, const lt_dataset_piece *piece, lt_dataset_row *row, lt_error *err)
{
    char where[512];
    snprintf(where, sizeof where, "%s:%lld", d->source.path, (long long)piece->line);
    if (!check_utf8(d, piece, err))
        return false;
    d->json = d->split.mode == LT_DATASET_SPLIT_TEXT ? text_row(d, piece, err) : parse_row(d, piece, err);
    if (!d->json || !lt_dataset_kind_rename(d->json, &d->options.fields, where, err) ||
        !lt_dataset_kind_find(d->json, d->accept, &d->options.fields, where, &row->kind, err))
        return false;
    if (!d->accept)
        d->accept = lt_dataset_kind_group(row->kind);
    row->json = d->json;
    row->path = d->source.path;
    row->line = piece->line;
    row->index = d->index++;
    row->begins = piece->begins;
    row->ends = piece->ends;
    d->file_rows++;
    return true;
}

bool lt_dataset_next(lt_dataset *d, lt_dataset_row *row, lt_error *err)
{
    json_decref(d->json);
    d->json = NULL;
    *row = (lt_dataset_row){.json = NULL};
    while (d->file < d->count) {
        if (!d->opened && !open_file(d, err))
            return false;
        lt_dataset_piece piece;
        bool end;
        if (!lt_dataset_split_next(&d->split, &piece, &end, err))
            return false;
        if (!end)
            return make_row(d, &piece, row, err);
        if (!d->file_rows)
            return lt_error_set(err, LT_ERR_FORMAT, "%s: expected at least one row, found none", d->source.path);
        close_file(d);
        d->file++;
    }
    return true;
}

/* ---- places ---- */

lt_dataset_position lt_dataset_tell(const lt_dataset *d)
{
    lt_dataset_position at = {.file = d->file, .line = 1, .index = d->index};
    if (d->opened && d->file_rows) {
        at.offset = d->source.offset;
        at.line = d->source.line;
        at.inside = d->split.inside;
    }
    return at;
}

bool lt_dataset_seek(lt_dataset *d, const lt_dataset_position *at, lt_error *err)
{
    json_decref(d->json);
    d->json = NULL;
    if (at->file < 0 || at->file > d->count || at->offset < 0 || at->line < 1 || at->index < 0)
        return lt_error_set(err, LT_ERR_FORMAT, "expected a place in %d data files, found file %d, byte %lld", d->count,
                            at->file, (long long)at->offset);
    if (!d->opened || d->file != at->file) {
        close_file(d);
        d->file = at->file;
        if (at->file < d->count && at->offset > 0 && !open_file(d, err))
            return false;
    }
    d->index = at->index;
    if (!d->opened)
        return true;
    if (at->offset == 0) { /* before the first row: how the file begins is looked at again */
        close_file(d);
        return true;
    }
    d->file_rows = 1;
    return lt_dataset_split_seek(&d->split, at->offset, at->line, at->inside, err);
}

bool lt_dataset_rewind(lt_dataset *d, lt_error *err)
{
    return lt_dataset_seek(d, &(lt_dataset_position){.line = 1}, err);
}

uint32_t lt_dataset_accepts(const lt_dataset *d)
{
    return d->accept;
}
