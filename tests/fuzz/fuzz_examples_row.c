/* Any row as prompts, answers and conversations, with and without a template: an error or two shapes that hold
 * together. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "formats/dataset.h"
#include "text/examples_row.h"
#include "text/examples_shots.h"

static void check(const json_t *value, bool chat)
{
    if (!value || (chat ? !json_is_array(value) : !json_is_string(value)))
        abort();
    for (size_t i = 0; i < json_array_size(value); i++)
        if (!json_is_string(json_object_get(json_array_get(value, i), "role")))
            abort();
}

static void make(const lt_dataset_row *row, lt_examples_row_options options)
{
    lt_examples_row r;
    lt_error err = {0};
    if (!lt_examples_row_make(&r, row, &options, &err)) {
        if (!*err.message)
            abort();
        return;
    }
    check(r.prompt, r.chat);
    for (int i = 0; i < r.answers; i++)
        check(r.answer[i], r.chat);
    lt_examples_row_free(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint32_t accepts[] = {0, LT_DATASET_FOR_LANGUAGE, LT_DATASET_FOR_PREFERENCE, LT_DATASET_FOR_UNPAIRED,
                                       LT_SHOTS_ACCEPT};
    lt_dataset *d;
    lt_dataset_row row;
    lt_shots shots;
    lt_error err;
    if (!size)
        return 0;
    lt_dataset_options options = {.accept = accepts[data[0] % 5]};
    if (!lt_dataset_open_memory(&d, "fuzz.jsonl", data + 1, size - 1, &options, &err))
        return 0;
    while (lt_dataset_next(d, &row, &err) && row.json) {
        bool is_ids = json_object_get(row.json, "input_ids") || json_object_get(row.json, "chosen_ids");
        for (int k = 0; k < 4 && !is_ids; k++)
            make(&row, (lt_examples_row_options){.has_template = k & 1, .calls_as_text = k & 2, .call_ids = k == 1});
    }
    if (options.accept == LT_SHOTS_ACCEPT && lt_dataset_rewind(d, &err) &&
        lt_shots_read(&shots, d, &(lt_shots_options){.count = 1 + data[0] % 3, .draw = data[0] & 1}, &err))
        lt_shots_free(&shots);
    lt_dataset_close(d);
    return 0;
}
