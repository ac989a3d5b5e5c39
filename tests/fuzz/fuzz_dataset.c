/* Any bytes as a data file of every name and sampling. The size of the chunks it is read in must not matter, every row
 * must be found again from its place, and nothing may hang. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/dataset.h"
#include "formats/zst.h"

enum { ROWS = 64 };

typedef struct summary {
    int rows;
    bool ok;
    lt_dataset_position places[ROWS + 1];
    int64_t lines[ROWS];
    size_t sizes[ROWS];
    char message[1024];
} summary;

static void read_rows(lt_dataset *d, summary *s, int from)
{
    lt_dataset_row row;
    lt_error err = {0};
    for (s->rows = from, s->ok = true; s->rows < ROWS && s->ok; s->rows++) {
        s->places[s->rows] = lt_dataset_tell(d);
        s->ok = lt_dataset_next(d, &row, &err);
        if (!s->ok || !row.json)
            break;
        char *text = json_dumps(row.json, JSON_COMPACT);
        s->lines[s->rows] = row.line;
        s->sizes[s->rows] = text ? strlen(text) : 0;
        free(text);
    }
    memcpy(s->message, err.message, sizeof s->message);
}

static void differ(const summary *a, const summary *b, int from)
{
    if (a->rows != b->rows || a->ok != b->ok || (!a->ok && strcmp(a->message, b->message)))
        abort();
    for (int i = from; i < a->rows; i++)
        if (a->lines[i] != b->lines[i] || a->sizes[i] != b->sizes[i])
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"fuzz.jsonl", "fuzz.txt", "fuzz"};
    static summary whole, small, again;
    if (!size)
        return 0;
    const char *name = names[data[0] % 3];
    lt_dataset_options options = {.sample_by = (lt_dataset_sample_by)(data[0] / 3 % 3),
                                  .row_bytes_max = data[0] & 0x80 ? 64 : 4096,
                                  .chunk_bytes = 1 << 14};
    if (data[0] & 0x40)
        options.fields.prompt = "text";
    lt_dataset *d;
    lt_error err;
    if (!lt_dataset_open_memory(&d, name, data + 1, size - 1, &options, &err))
        return 0;
    read_rows(d, &whole, 0);
    if (whole.rows > 1) {
        int from = data[size / 2] % whole.rows;
        if (!lt_dataset_seek(d, &whole.places[from], &err))
            abort();
        read_rows(d, &again, from);
        differ(&whole, &again, from);
    }
    lt_dataset_close(d);
    options.chunk_bytes = 1 + data[size - 1] % 16;
    if (!lt_dataset_open_memory(&d, name, data + 1, size - 1, &options, &err))
        abort();
    read_rows(d, &small, 0);
    /* Broken compressed data is noticed when it is read, which larger chunks do sooner. */
    bool broken = lt_zst_is_frame(data + 1, size - 1) && !(whole.ok && small.ok);
    if (!broken)
        differ(&whole, &small, 0);
    lt_dataset_close(d);
    return 0;
}
