#include "train/plan.h"

#include <string.h>

#include "formats/json.h"
#include "simd/gemm.h"
#include "train/memory.h"
#include "train/plan_choose.h"

static const double SPEED_SECONDS = 0.15; /* how long lt_gemm_peak may take */

static const char *mode_name(const lt_plan_facts *facts, const lt_plan_choice *choice)
{
    if (!facts->training)
        return "forward";
    if (choice->keep_all == facts->trained_layers)
        return "keep-all";
    if (choice->keep_attention == facts->trained_layers)
        return "keep-attention";
    return choice->keep_all + choice->keep_attention == 0 ? "recompute" : "mixed";
}

static bool complete(lt_plan *plan, const lt_plan_facts *facts, lt_error *err)
{
    const lt_plan_request *r = facts->request;
    if (r->loader && !lt_loader_measure(r->loader, r->steps, plan->choice.pass_tokens, &plan->extent, err))
        return false;
    plan->shape = lt_plan_shape(facts, &plan->choice, &plan->extent, r->threads);
    if (r->teacher) {
        plan->teacher_shape = lt_plan_teacher_shape(facts, &plan->shape);
        plan->teacher_window_bytes = lt_plan_teacher_window(facts, &plan->choice);
    }
    plan->bytes = lt_plan_count(facts, &plan->shape, &plan->choice, &plan->extent);
    int64_t once = facts->taken_bytes;
    plan->peak_bytes = plan->bytes.total > once ? plan->bytes.total : once;
    plan->flops_per_step = lt_plan_flops(facts, &plan->shape, &plan->extent, &plan->useful_flops_per_step);
    plan->bytes_read_per_step = lt_plan_traffic(facts, &plan->choice, &plan->extent);
    plan->mode = mode_name(facts, &plan->choice);
    if (r->measure_speed) {
        plan->flops_per_second = lt_gemm_peak(r->compute, SPEED_SECONDS);
        plan->seconds_per_step =
            lt_plan_seconds(facts, &plan->shape, &plan->choice, &plan->extent, plan->flops_per_second);
    }
    if (r->frozen && r->loader) {
        const lt_token_totals *rows = lt_token_store_totals(r->loader->store);
        double blocks =
            2.0 * plan->extent.mean_tokens * (double)(facts->forward_parameters - facts->trained_parameters);
        plan->frozen_cache_bytes = lt_frozen_cache_disk(r->frozen, rows->records, rows->tokens);
        plan->seconds_per_cached_step = plan->seconds_per_step * (1 - blocks / plan->flops_per_step);
    }
    return true;
}

/* The limit: what was asked for, or all but a tenth of what is available. */
static int64_t limit_of(const lt_plan_request *request, const lt_plan_facts *facts)
{
    if (request->max_memory_bytes)
        return request->max_memory_bytes;
    int64_t available = lt_memory_available();
    return available == INT64_MAX ? available : facts->process_bytes + available / 10 * 9;
}

/* A hard limit that reading the rows has passed already cannot be kept any more. */
static bool still_below(const lt_plan_facts *facts, lt_error *err)
{
    int64_t once = facts->taken_bytes, limit = facts->request->max_memory_bytes;
    return limit == 0 || once <= limit ||
           lt_error_set(err, LT_ERR_MEMORY,
                        "opening the model and reading the data took %lld MiB, the limit is %lld MiB",
                        (long long)((once >> 20) + 1), (long long)(limit >> 20));
}

bool lt_plan_make(lt_plan *plan, const lt_plan_request *request, lt_error *err)
{
    lt_plan_facts facts;
    *plan = (lt_plan){0};
    if (!lt_plan_facts_gather(&facts, request, err))
        return false;
    plan->limit_bytes = limit_of(request, &facts);
    return lt_plan_choose(&facts, plan->limit_bytes, &plan->choice, err) && complete(plan, &facts, err);
}

bool lt_plan_restore(lt_plan *plan, const lt_plan_request *request, const lt_plan_choice *choice, lt_error *err)
{
    lt_plan_facts facts;
    *plan = (lt_plan){.choice = *choice};
    if (!lt_plan_facts_gather(&facts, request, err))
        return false;
    plan->limit_bytes = limit_of(request, &facts);
    if (!still_below(&facts, err) || !complete(plan, &facts, err))
        return false;
    if (plan->bytes.total > plan->limit_bytes)
        return lt_error_set(err, LT_ERR_MEMORY,
                            "resuming as the run began needs %lld MiB of memory, the limit is %lld MiB",
                            (long long)((plan->bytes.total >> 20) + 1), (long long)(plan->limit_bytes >> 20));
    return true;
}

json_t *lt_plan_choice_json(const lt_plan_choice *c)
{
    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:i,s:i}", "pass_tokens", (json_int_t)c->pass_tokens, "chunk",
                     (json_int_t)c->chunk, "head_chunk", (json_int_t)c->head_chunk, "keep_all", (json_int_t)c->keep_all,
                     "keep_attention", (json_int_t)c->keep_attention, "window_bytes", (json_int_t)c->window_bytes,
                     "activation_bits", c->activation_bits, "input_bits", c->input_bits);
}

bool lt_plan_choice_read(lt_plan_choice *choice, const json_t *json, const char *source, lt_error *err)
{
    lt_json at = lt_json_root(json, source);
    int64_t bits = 0, input_bits = 0;
    *choice = (lt_plan_choice){0};
    if (!lt_json_get_int(&at, "pass_tokens", 0, INT32_MAX, &choice->pass_tokens, err) ||
        !lt_json_get_int(&at, "chunk", 1, INT32_MAX, &choice->chunk, err) ||
        !lt_json_get_int(&at, "head_chunk", 1, INT32_MAX, &choice->head_chunk, err) ||
        !lt_json_get_int(&at, "keep_all", 0, INT32_MAX, &choice->keep_all, err) ||
        !lt_json_get_int(&at, "keep_attention", 0, INT32_MAX, &choice->keep_attention, err) ||
        !lt_json_get_int(&at, "window_bytes", 1, INT64_MAX, &choice->window_bytes, err) ||
        !lt_json_get_int(&at, "activation_bits", 8, 32, &bits, err) ||
        !lt_json_get_int(&at, "input_bits", 8, 32, &input_bits, err))
        return false;
    choice->activation_bits = (int)bits;
    choice->input_bits = (int)input_bits;
    if (choice->chunk < 1 || choice->head_chunk < 1 || (bits != 8 && bits != 16 && bits != 32) ||
        (input_bits != 8 && input_bits != 16 && input_bits != 32))
        return lt_error_set(err, LT_ERR_FORMAT, "%s: the plan in it is incomplete", source);
    return true;
}

json_t *lt_plan_json(const lt_plan *plan)
{
    const lt_plan_bytes *b = &plan->bytes;
    json_t *bytes = json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "process", (json_int_t)b->process, "parameters",
                              (json_int_t)b->parameters, "gradients", (json_int_t)b->gradients, "optimizer",
                              (json_int_t)b->optimizer, "weights", (json_int_t)b->weights, "activations",
                              (json_int_t)b->activations, "workspace", (json_int_t)b->workspace, "data",
                              (json_int_t)b->data, "teacher", (json_int_t)b->teacher, "saving", (json_int_t)b->saving);
    return json_pack("{s:I,s:o,s:f,s:I,s:s,s:f,s:f,s:f,s:f,s:I,s:f,s:o}", "peak_bytes", (json_int_t)plan->peak_bytes,
                     "bytes", bytes, "seconds_per_step", plan->seconds_per_step, "bytes_read_per_step",
                     (json_int_t)plan->bytes_read_per_step, "mode", plan->mode, "tokens_per_step",
                     plan->extent.mean_tokens, "flops_per_step", plan->flops_per_step, "useful_flops_per_step",
                     plan->useful_flops_per_step, "flops_per_second", plan->flops_per_second, "frozen_cache_bytes",
                     (json_int_t)plan->frozen_cache_bytes, "seconds_per_cached_step", plan->seconds_per_cached_step,
                     "choice", lt_plan_choice_json(&plan->choice));
}
