#include "cli/prompt.h"

#include <stdlib.h>
#include <string.h>

#include "cli/conversation.h"
#include "formats/dataset.h"
#include "text/examples_shots.h"

static bool need_tokenizer(const lt_api_model *model, lt_error *err)
{
    return model->text->tokenizer || lt_error_set(err, LT_ERR_USAGE, "%s has no tokenizer; give token ids (--prompt-ids)", model->base->path);
}

static bool read_shots(const lt_options *options, lt_shots *shots, lt_error *err)
{
    lt_dataset *dataset;
    lt_dataset_options how = {.fields = {.prompt = options->train.fields.prompt, .completion = options->train.fields.completion},
                              .accept = LT_SHOTS_ACCEPT};
    if (!lt_dataset_open(&dataset, (const char *const *)options->sampling.examples.items, options->sampling.examples.count, &how, err))
        return false;
    lt_shots_options pick = {.count = options->sampling.num_examples, .draw = true, .seed = (uint64_t)options->train.seed};
    bool ok = lt_shots_read(shots, dataset, &pick, err);
    lt_dataset_close(dataset);
    return ok;
}

static bool from_text(const lt_api_model *model, const lt_options *options, const lt_shots *shots, lt_ids *ids, lt_error *err)
{
    char *text = NULL;
    size_t size = strlen(options->sampling.prompt);
    const char *prompt = options->sampling.prompt;
    if (!need_tokenizer(model, err))
        return false;
    if (shots->count) {
        if (!lt_shots_text(shots, prompt, size, &text, &size, err))
            return false;
        prompt = text;
    }
    bool ok = lt_tokenizer_encode(model->text->tokenizer, prompt, size, LT_ENCODE_ADD_SPECIAL, ids, err);
    free(text);
    return ok;
}

static bool from_messages(const lt_api_model *model, const lt_options *options, const lt_shots *shots, lt_ids *ids, lt_error *err)
{
    json_t *document = NULL, *tools = NULL, *asked = NULL;
    lt_chat_request request = {0};
    bool ok = lt_conversation_load(options->messages, options->tools, &document, &tools, &request, err);
    const json_t *messages = request.messages;
    if (ok && shots->count) {
        asked = lt_shots_messages(shots, messages);
        messages = asked;
        ok = asked || lt_error_set(err, LT_ERR_MEMORY, "out of memory for the examples");
    }
    ok = ok && lt_api_render(model, messages, request.tools, ids, err);
    json_decref(asked);
    json_decref(tools);
    json_decref(document);
    return ok;
}

bool lt_prompt_make(const lt_api_model *model, const lt_options *options, lt_ids *ids, lt_error *err)
{
    const lt_sampling_options *o = &options->sampling;
    int given = (o->prompt != NULL) + (o->prompt_ids.count > 0) + (options->messages != NULL);
    if (given != 1)
        return lt_error_set(err, LT_ERR_USAGE, "give one of --prompt, --prompt-ids and --messages%s", given ? ", not several" : "");
    if (o->prompt_ids.count) {
        if (o->examples.count)
            return lt_error_set(err, LT_ERR_USAGE, "--examples go with --prompt or --messages, not with --prompt-ids");
        for (int i = 0; i < o->prompt_ids.count; i++)
            if (!lt_ids_push(ids, (int32_t)o->prompt_ids.items[i], err))
                return false;
        return true;
    }
    lt_shots shots = {0};
    bool ok = !o->examples.count || read_shots(options, &shots, err);
    ok = ok && (o->prompt ? from_text : from_messages)(model, options, &shots, ids, err);
    lt_shots_free(&shots);
    if (ok && ids->count == 0)
        return lt_error_set(err, LT_ERR_USAGE, "the prompt is empty: there is no token to continue");
    return ok;
}
