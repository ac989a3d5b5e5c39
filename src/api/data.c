#include "api/data.h"

#include <stdlib.h>

#include "core/file.h"
#include "core/log.h"
#include "text/tokenizer_gguf.h"

/* ---- tokenizer and template ---- */

bool lt_api_tokenizer_open(lt_tokenizer **tokenizer, const char *model, lt_error *err)
{
    lt_gguf *file;
    *tokenizer = NULL;
    if (lt_gguf_is(model)) {
        if (!lt_gguf_open(&file, model, err))
            return false;
        bool has = lt_tokenizer_gguf_has(file);
        lt_gguf_close(file);
        return !has || lt_tokenizer_open(tokenizer, model, err);
    }
    return !lt_tokenizer_exists(model) || lt_tokenizer_open(tokenizer, model, err);
}

/* A model without a template is fine until a row needs one; a template that is broken, or asked for and not there, is
 * not. */
static bool open_chat(lt_api_text *text, const char *model, const char *choice, lt_error *err)
{
    lt_error error;
    if (lt_chat_open(&text->chat, model, choice, &error))
        return true;
    text->chat = NULL;
    if (!choice && error.status == LT_ERR_USAGE)
        return true;
    if (err)
        *err = error;
    return false;
}

bool lt_api_text_open(lt_api_text **out, const char *model, const char *chat_template, lt_error *err)
{
    *out = NULL;
    lt_api_text *text = calloc(1, sizeof *text);
    if (!text)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    text->users = 1;
    if (!lt_api_tokenizer_open(&text->tokenizer, model, err) || !open_chat(text, model, chat_template, err)) {
        lt_api_text_close(text);
        return false;
    }
    *out = text;
    return true;
}

void lt_api_text_close(lt_api_text *text)
{
    if (!text || --text->users > 0)
        return;
    lt_chat_close(text->chat);
    lt_tokenizer_close(text->tokenizer);
    free(text);
}

lt_masking lt_api_masking(const lt_api_text *text, double probability)
{
    int32_t mask = text->tokenizer ? lt_tokenizer_special_id(text->tokenizer, LT_SPECIAL_MASK) : -1;
    if (mask < 0)
        return (lt_masking){0};
    return (lt_masking){.probability = probability, .mask_id = mask, .vocabulary = lt_tokenizer_vocab_size(text->tokenizer)};
}

/* ---- data sets ---- */

bool lt_api_data_open(lt_api_data **out, lt_api_text *text, const lt_api_data_options *options, lt_error *err)
{
    *out = NULL;
    lt_api_data *data = calloc(1, sizeof *data);
    if (!data)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    data->text = text;
    text->users++;
    lt_dataset_options rows = {.accept = options->any_kind ? 0 : options->shape ? lt_examples_shape_accepts(options->shape->objective->rows) : LT_DATASET_FOR_LANGUAGE,
                               .fields = {.text = options->fields.text,
                                          .messages = options->fields.messages,
                                          .prompt = options->fields.prompt,
                                          .completion = options->fields.completion,
                                          .chosen = options->fields.chosen,
                                          .rejected = options->fields.rejected,
                                          .label = options->fields.label}};
    lt_examples_options examples = {.tokenizer = text->tokenizer,
                                    .chat = text->chat,
                                    .max_length = options->max_length,
                                    .overflow = options->split ? LT_EXAMPLES_SPLIT : LT_EXAMPLES_TRUNCATE,
                                    .train_everything = options->train_everything};
    if (!lt_dataset_open(&data->dataset, options->files.items, options->files.count, &rows, err) ||
        !lt_examples_open(&data->examples, data->dataset, &examples, err) ||
        (options->shape && !lt_examples_shape_open(&data->shape, data->examples, options->shape, err))) {
        lt_api_data_close(data);
        return false;
    }
    *out = data;
    return true;
}

void lt_api_data_close(lt_api_data *data)
{
    if (!data)
        return;
    lt_examples_shape_close(data->shape);
    lt_examples_close(data->examples);
    lt_dataset_close(data->dataset);
    lt_api_text_close(data->text);
    free(data->special);
    free(data);
}

/* transformers' all_special_ids: added tokens that are marked so, and those that have a role. */
static bool is_special(const lt_tokenizer *tokenizer, int32_t id)
{
    for (int role = 0; role < LT_SPECIAL_COUNT; role++)
        if (lt_tokenizer_special_id(tokenizer, (lt_special)role) == id)
            return true;
    return lt_tokenizer_is_special(tokenizer, id);
}

static bool find_special(lt_api_data *data, lt_row *row, lt_error *err)
{
    const lt_tokenizer *tokenizer = data->text->tokenizer;
    int64_t tokens = 0;
    if (!tokenizer || data->shape || lt_tokenizer_special_id(tokenizer, LT_SPECIAL_MASK) < 0)
        return true;
    for (int32_t s = 0; s < row->sequences; s++)
        tokens += row->lengths[s];
    if (tokens > data->special_room) {
        uint8_t *grown = realloc(data->special, (size_t)tokens);
        if (!grown)
            return lt_error_set(err, LT_ERR_MEMORY, "out of memory for a row of %lld tokens", (long long)tokens);
        data->special = grown;
        data->special_room = tokens;
    }
    for (int64_t t = 0; t < tokens; t++)
        data->special[t] = is_special(tokenizer, row->ids[t]);
    row->special = data->special;
    return true;
}

static bool next_row(void *context, lt_row *row, bool *end, lt_error *err)
{
    lt_api_data *data = context;
    return data->rows.next(data->rows.context, row, end, err) && (*end || find_special(data, row, err));
}

static void close_rows(void *context)
{
    lt_api_data *data = context;
    lt_examples_warn(lt_examples_count(data->examples));
    if (data->shape && lt_examples_shape_count(data->shape)->one_sided)
        lt_log_warning("%lld rows have an answer that trains nothing and are left out",
                       (long long)lt_examples_shape_count(data->shape)->one_sided);
    lt_api_data_close(data);
}

void lt_api_data_source(lt_api_data *data, lt_row_source *source)
{
    if (data->shape)
        lt_examples_shape_source(data->shape, &data->rows);
    else
        lt_examples_source(data->examples, &data->rows);
    *source = (lt_row_source){.next = next_row, .close = close_rows, .context = data};
}
