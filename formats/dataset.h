/* Rows of data, read from files one by one, however large the files are.
 *
 * What a file holds is told by its name, without a .zst at the end, and by its first bytes:
 *
 *   .jsonl .ndjson .json   a JSON object on each line, or one JSON array of objects (the first byte decides); other
 * JSON values, also a single object that holds the rows under some key, are errors .txt .text .md         plain text
 *   other names            JSON when the file starts with { or with [ and {, otherwise plain text
 *
 * Any of them may be zstd-compressed, which the first bytes tell. JSON is strict: duplicate keys, NaN, comments and
 * trailing commas are errors; integers beyond 64 bits are read as real numbers. Text is UTF-8; a byte order mark, CRLF
 * line ends, blank lines between rows and a missing newline at the end are fine. A file without any row is an error.
 *
 * Errors name file, line and what was expected: "train.jsonl:17: …". Memory is one row of at most row_bytes_max, whose
 * values are limited in number as well. */
#ifndef LT_FORMATS_DATASET_H
#define LT_FORMATS_DATASET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "core/error.h"
#include "formats/dataset_kind.h"

/* What is one row of a plain text file; the names are those of the Hugging Face `datasets` library. */
typedef enum lt_dataset_sample_by {
    LT_DATASET_BY_DOCUMENT,  /* the file. It comes in pieces of about LT_DATASET_PIECE_BYTES, cut at line ends */
    LT_DATASET_BY_PARAGRAPH, /* what lies between blank lines */
    LT_DATASET_BY_LINE,      /* every line that is not blank */
} lt_dataset_sample_by;

enum { LT_DATASET_PIECE_BYTES = 1 << 20, LT_DATASET_ROW_BYTES_MAX = 64 << 20 };

typedef struct lt_dataset_options {
    uint32_t accept;          /* which kinds of rows, LT_DATASET_BIT(…) | …; 0: those of the first row's group */
    lt_dataset_fields fields; /* names of the data's own for the keys that lathe knows */
    lt_dataset_sample_by sample_by; /* plain text files */
    size_t row_bytes_max;           /* 0: LT_DATASET_ROW_BYTES_MAX */
    size_t chunk_bytes;             /* bytes read at a time; 0: 256 KiB */
} lt_dataset_options;

/* A row. Borrowed from the data set until its next call. */
typedef struct lt_dataset_row {
    json_t *json; /* an object; a row of plain text is {"text": …} */
    lt_dataset_kind kind;
    const char *path;
    int64_t line;      /* where it begins in its file, from 1 */
    int64_t index;     /* from 0, over all files */
    bool begins, ends; /* false at the cuts of a document that comes in pieces */
} lt_dataset_row;

/* A place between two rows. */
typedef struct lt_dataset_position {
    int32_t file;
    int64_t offset; /* of the file's content, decompressed */
    int64_t line, index;
    bool inside; /* within a document that comes in pieces */
} lt_dataset_position;

typedef struct lt_dataset lt_dataset;

/* paths (count ≥ 1) and what they hold are read in their order. options may be NULL. Everything is copied. */
bool lt_dataset_open(lt_dataset **out, const char *const *paths, int count, const lt_dataset_options *options,
                     lt_error *err);

/* One file in memory: data is borrowed, name says what it holds, as a path does. */
bool lt_dataset_open_memory(lt_dataset **out, const char *name, const void *data, size_t size,
                            const lt_dataset_options *options, lt_error *err);
void lt_dataset_close(lt_dataset *dataset); /* NULL is fine */

/* The next row; row->json is NULL after the last. After an error only lt_dataset_seek and _close may follow. */
bool lt_dataset_next(lt_dataset *dataset, lt_dataset_row *row, lt_error *err);

/* Where the next row will be read, and back there. Going back in a compressed file decompresses it from its start. */
lt_dataset_position lt_dataset_tell(const lt_dataset *dataset);
bool lt_dataset_seek(lt_dataset *dataset, const lt_dataset_position *position, lt_error *err);
bool lt_dataset_rewind(lt_dataset *dataset, lt_error *err);

/* The kinds that are accepted: options.accept, or once a row was read its group. */
uint32_t lt_dataset_accepts(const lt_dataset *dataset);

#endif
