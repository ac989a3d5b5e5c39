#include "rows_of.h"

static bool next(void *context, lt_row *row, bool *end, lt_error *err)
{
    test_rows *rows = context;
    if (rows->next == rows->count) {
        *end = true;
        return true;
    }
    const test_row *from = &rows->rows[rows->next++];
    if (rows->next == rows->fail_at)
        return lt_error_set(err, LT_ERR_FORMAT, "row %d is broken", rows->next);
    int n = 0;
    *row = (lt_row){
        .sequences = 1, .lengths = rows->lengths, .ids = rows->ids, .trained = rows->trained, .value = from->value};
    rows->lengths[0] = 0;
    for (int i = 0; from->text[i]; i++) {
        if (from->text[i] == '|') {
            rows->lengths[row->sequences++] = 0;
            continue;
        }
        int32_t *length = &rows->lengths[row->sequences - 1];
        rows->ids[n] = from->text[i] - 'a' + 1;
        rows->trained[n++] = from->trained ? from->trained[i] == 'x' : *length > 0;
        ++*length;
    }
    return true;
}

static void closed(void *context) { ((test_rows *)context)->closed++; }

lt_row_source test_rows_source(test_rows *rows)
{
    rows->next = rows->closed = 0;
    return (lt_row_source){next, closed, rows};
}
