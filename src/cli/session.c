#include "cli/session.h"

#include "cli/terminal.h"
#include "core/threads.h"
#include "train/memory.h"

enum { PROMPT_CHUNK = 256 }; /* tokens of a prompt that pass the layers at once */

bool lt_session_open(lt_api_model **model, const lt_options *options, lt_error *err)
{
    lathe_model_options how = {.adapter = options->train.adapter, .chat_template = options->train.chat_template,
                               .compute = options->train.compute, .max_memory = options->train.max_memory};
    lt_threads_set((int)options->threads);
    return lt_api_model_open(model, options->train.model, &how, err);
}

bool lt_session_decoder(const lt_api_model *model, int64_t capacity, lt_decoder **decoder, lt_error *err)
{
    enum { LEAST_WINDOW = 16 << 20 };
    lt_decoder_shape shape = {.compute = model->compute, .threads = lt_threads_count(), .sequences = 1, .capacity = capacity,
                              .chunk = capacity < PROMPT_CHUNK ? capacity : PROMPT_CHUNK};
    int64_t limit = model->max_memory_bytes ? model->max_memory_bytes : lt_memory_resident() + lt_memory_available();
    int64_t used = lt_memory_resident() + lt_decoder_bytes(model->base, &shape);
    if (used + LEAST_WINDOW > limit) {
        char need[LT_FIGURE], have[LT_FIGURE];
        return lt_error_set(err, LT_ERR_MEMORY, "generating up to %lld tokens needs at least %s, but the limit is %s", (long long)capacity,
                            lt_figure_bytes(used + LEAST_WINDOW, need), lt_figure_bytes(limit, have));
    }
    /* All weights stay when they fit: every token reads them all. */
    int64_t window = limit - used, all = 0;
    const lt_safetensors *set = lt_weights_set(model->base->weights);
    for (int i = 0; i < lt_safetensors_shard_count(set); i++)
        all += lt_safetensors_shard_bytes(set, i);
    lt_weights_set_window(model->base->weights, all <= window ? INT64_MAX : window);
    return lt_decoder_open(decoder, model->base, &shape, err);
}

lt_generate_options lt_session_sampling(const lt_api_model *model, const lt_options *options)
{
    const lt_sampling_options *o = &options->sampling;
    return (lt_generate_options){
        .max_new_tokens = o->max_new_tokens,
        .sample = {.greedy = o->greedy || o->temperature == 0, .temperature = o->temperature, .top_k = o->top_k, .top_p = o->top_p,
                   .min_p = o->min_p, .repetition_penalty = o->repetition_penalty},
        .seed = (uint64_t)options->train.seed,
        .stop_ids = model->stop_ids.data,
        .stop_id_count = o->ignore_eos ? 0 : model->stop_ids.count,
        .stop = (const char *const *)o->stop.items,
        .stop_count = (size_t)o->stop.count,
    };
}
