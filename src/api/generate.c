/* Answers: from a prompt or a conversation to text. */
#include <jansson.h>
#include <string.h>

#include "api/api.h"
#include "api/model.h"
#include "core/threads.h"

static lt_sample_options sampling_of(const lathe_generate_options *options)
{
    lt_sample_options sample = lt_sample_defaults();
    sample.greedy = options->temperature <= 0;
    sample.temperature = sample.greedy ? 1 : options->temperature;
    sample.top_k = options->top_k;
    sample.top_p = options->top_p > 0 ? options->top_p : 1;
    sample.min_p = options->min_p;
    sample.repetition_penalty = options->repetition_penalty > 0 ? options->repetition_penalty : 1;
    return sample;
}

bool lt_api_generate(lt_api_model *model, const int32_t *prompt, size_t count, const lathe_generate_options *options,
                     lt_generated *out, lt_error *err)
{
    enum { NEW_TOKENS = 256, CHUNK = 256 };
    int64_t fresh = options->max_new_tokens > 0 ? options->max_new_tokens : NEW_TOKENS;
    lt_decoder_shape shape = {.compute = model->compute,
                              .threads = lt_threads_count(),
                              .sequences = 1,
                              .capacity = (int64_t)count + fresh,
                              .chunk = CHUNK};
    lt_generate_options generate = {.max_new_tokens = fresh,
                                    .sample = sampling_of(options),
                                    .seed = options->seed,
                                    .stop_ids = model->stop_ids.data,
                                    .stop_id_count = options->ignore_eos ? 0 : model->stop_ids.count,
                                    .stop = options->stop.items,
                                    .stop_count = (size_t)options->stop.count,
                                    .piece = options->piece,
                                    .context = options->context,
                                    .cancel = options->cancel};
    lt_decoder *decoder;
    if (count == 0)
        return lt_error_set(err, LT_ERR_USAGE, "the prompt has no tokens");
    if (!lt_decoder_open(&decoder, model->base, &shape, err))
        return false;
    bool ok = lt_generate(decoder, 0, shape.capacity, model->base->config.V, model->text->tokenizer, prompt, count,
                          &generate, out, err);
    lt_decoder_close(decoder);
    return ok;
}

bool lt_api_render(const lt_api_model *model, const json_t *messages, const json_t *tools, lt_ids *ids, lt_error *err)
{
    lt_chat_request request = {.messages = messages, .tools = tools, .add_generation_prompt = true};
    lt_jinja_buffer text = {0};
    if (!model->text->tokenizer || !model->text->chat)
        return lt_error_set(err, LT_ERR_USAGE,
                            "%s: a conversation needs a tokenizer and a chat template, and the model has none",
                            model->base->path);
    bool ok = lt_chat_render(model->text->chat, &request, &text, err) &&
              lt_tokenizer_encode(model->text->tokenizer, text.data, text.size, 0, ids, err);
    lt_jinja_buffer_free(&text);
    return ok;
}

/* ---- public ---- */

static bool finish(lt_api_model *model, const lt_ids *ids, const lathe_generate_options *options, lathe_generated *out,
                   lt_error *err)
{
    static const lathe_generate_options defaults;
    lt_generated generated;
    *out = (lathe_generated){0};
    if (!lt_api_generate(model, ids->data, ids->count, options ? options : &defaults, &generated, err)) {
        lt_generated_free(&generated);
        return false;
    }
    *out = (lathe_generated){.text = generated.text,
                             .size = generated.size,
                             .ids = generated.ids.data,
                             .count = generated.ids.count,
                             .stop_reason = lt_stop_reason_name(generated.reason),
                             .tokens_per_second = generated.tokens_per_second};
    return true;
}

bool lathe_generate(lathe_model *handle, const char *prompt, const lathe_generate_options *options,
                    lathe_generated *out, lathe_error *err)
{
    lt_error error;
    lt_api_model *model = lt_api_model_of(handle);
    lt_ids ids = {0};
    if (!model->text->tokenizer)
        return lt_api_fail(err, LT_ERR_USAGE, "%s: the model has no tokenizer", model->base->path);
    bool ok =
        lt_tokenizer_encode(model->text->tokenizer, prompt, strlen(prompt), LT_ENCODE_ADD_SPECIAL, &ids, &error) &&
        finish(model, &ids, options, out, &error);
    lt_ids_free(&ids);
    return ok || lt_api_error(err, &error);
}

bool lathe_answer(lathe_model *handle, const char *messages, const lathe_generate_options *options,
                  lathe_generated *out, lathe_error *err)
{
    lt_error error;
    json_error_t at;
    lt_api_model *model = lt_api_model_of(handle);
    lt_ids ids = {0};
    json_t *list = json_loads(messages, JSON_REJECT_DUPLICATES, &at);
    if (!json_is_array(list)) {
        json_decref(list);
        return lt_api_fail(err, LT_ERR_FORMAT, "messages: expected a JSON list, found %s",
                           list ? "something else" : at.text);
    }
    bool ok = lt_api_render(model, list, NULL, &ids, &error) && finish(model, &ids, options, out, &error);
    lt_ids_free(&ids);
    json_decref(list);
    return ok || lt_api_error(err, &error);
}
