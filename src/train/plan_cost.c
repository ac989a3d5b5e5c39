#include "train/plan_cost.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nn/weights.h"
#include "train/memory.h"

/* What a run adds to the process besides what is planned piece by piece: code that is touched for the first time, small
 * allocations, and for each thread its stack. Measured on runs from 20 KB to 2 GB of trained tensors. */
static const int64_t PROCESS_GROWTH_BYTES = 1 << 20, THREAD_BYTES = 64 << 10;

/* Of the time that a product of n rows takes at full speed, what fetching and packing the other operand adds: as much
 * as this many rows more. */
static const double PACKING_ROWS = 24;
static const double CACHE_BYTES_PER_SECOND = 8e9, DISK_BYTES_PER_SECOND = 1.2e9;
static const double SLAB_SECONDS = 80e-6; /* of a change of slabs: pages unmapped on all cores, a product cut in two */
static const double PRODUCT_EFFICIENCY = 0.75; /* of lt_gemm_peak, over everything a step does */

static void count_linear(lt_linear *linear, int64_t block, lt_linear_slot slot, void *context)
{
    lt_plan_facts *facts = context;
    (void)slot;
    const lt_model *model = facts->request->model;
    if (block == model->config.L) {
        facts->head_bytes = lt_weights_bytes(&linear->weight);
        return;
    }
    int64_t bytes = lt_weights_bytes(&linear->weight);
    int64_t parameters = linear->weight.matrix.rows * linear->weight.matrix.cols;
    facts->forward_bytes += bytes;
    facts->forward_parameters += parameters;
    if (block >= model->config.L - facts->trained_layers) {
        facts->backward_bytes += bytes;
        facts->trained_parameters += parameters;
    }
}

static void count_teacher(lt_linear *linear, int64_t block, lt_linear_slot slot, void *context)
{
    lt_plan_facts *facts = context;
    (void)slot;
    int64_t bytes = lt_weights_bytes(&linear->weight);
    if (block == facts->request->teacher->config.L)
        facts->teacher_head_bytes = bytes;
    else
        facts->teacher_forward_bytes += bytes;
}

static bool count_params(lt_plan_facts *facts, lt_error *err)
{
    const lt_plan_request *r = facts->request;
    if (!r->params)
        return true;
    lt_param_list copy = *r->params; /* the layout sets pointers; those of the list itself stay */
    lt_arena values = lt_arena_measure(), gradients = lt_arena_measure(), state = lt_arena_measure();
    copy.items = malloc((size_t)(copy.count + 1) * sizeof *copy.items);
    if (!copy.items)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for the list of trained tensors");
    memcpy(copy.items, r->params->items, (size_t)copy.count * sizeof *copy.items);
    lt_param_list_layout(&copy, &values, &gradients);
    bool ok = lt_optimizer_layout(r->optimizer, &copy, &state, err);
    free(copy.items);
    facts->parameter_bytes = values.used;
    facts->gradient_bytes = gradients.used;
    facts->optimizer_bytes = state.used;
    return ok;
}

static int max_int(int a, int b) { return a > b ? a : b; }

/* In coarse steps: a quarter of a megabyte comes and goes with the weather, and the same command must choose the same. */
static int64_t process_bytes(const lt_plan_facts *facts)
{
    const int64_t step = 2 << 20;
    int64_t now = facts->request->process_bytes ? facts->request->process_bytes : lt_memory_resident();
    int64_t bytes = now + PROCESS_GROWTH_BYTES + facts->threads * THREAD_BYTES;
    return (bytes + step - 1) / step * step;
}

bool lt_plan_facts_gather(lt_plan_facts *facts, const lt_plan_request *request, lt_error *err)
{
    *facts = (lt_plan_facts){.request = request, .training = request->params != NULL};
    lt_model *model = request->model;
    facts->trained_layers = facts->training ? model->config.L - lt_model_lowest_trained(model) : 0;
    if (!count_params(facts, err))
        return false;
    lt_model_each_linear(model, count_linear, facts);
    facts->block_bytes = (facts->forward_bytes + model->config.L - 1) / model->config.L;
    if (request->teacher) {
        lt_model_each_linear(request->teacher, count_teacher, facts);
        facts->teacher_block_bytes = (facts->teacher_forward_bytes + request->teacher->config.L - 1) / request->teacher->config.L;
    }
    int64_t memory = (int64_t)sysconf(_SC_PHYS_PAGES) * (int64_t)sysconf(_SC_PAGESIZE);
    facts->larger_than_memory = facts->forward_bytes + facts->head_bytes + facts->teacher_forward_bytes + facts->teacher_head_bytes > memory / 10 * 7;
    lt_memory_trim();
    facts->threads = max_int((int)sysconf(_SC_NPROCESSORS_ONLN), request->threads);
    facts->process_bytes = process_bytes(facts);
    facts->taken_bytes = request->process_bytes ? request->process_bytes : lt_memory_peak();
    return true;
}

/* A zstd compressor at level 1 with its buffers touches two megabytes, less when there is less to compress. */
static int64_t saving_bytes(const lt_plan_facts *facts)
{
    const int64_t most = 2 << 20, least = 192 << 10;
    int64_t some = least + facts->parameter_bytes + facts->optimizer_bytes;
    return !facts->training ? 0 : some < most ? some : most;
}

static int64_t max64(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }

lt_engine_shape lt_plan_shape(const lt_plan_facts *facts, const lt_plan_choice *choice, const lt_loader_extent *extent,
                              int threads)
{
    const lt_plan_request *r = facts->request;
    int64_t T = max64(extent->pass_size, r->least_tokens);
    int64_t virtual_tokens = lt_virtual_rows(r->model->virtual) + lt_virtual_keys(r->model->virtual);
    int64_t targets = max64(max64(extent->pass_targets, r->least_tokens), 1); /* prompts have no logits */
    return (lt_engine_shape){
        .compute = r->compute,
        .threads = threads,
        .training = facts->training,
        .max_T = T,
        .max_sequence = r->longest_sequence + virtual_tokens,
        .chunk = min64(choice->chunk, T),
        .head_chunk = min64(choice->head_chunk, min64(T, targets)),
        .activation_bits = choice->activation_bits,
        .input_bits = choice->input_bits,
        .keep_all = choice->keep_all,
        .keep_attention = choice->keep_attention,
    };
}

lt_engine_shape lt_plan_teacher_shape(const lt_plan_facts *facts, const lt_engine_shape *shape)
{
    const lt_virtual *v = facts->request->teacher->virtual;
    lt_engine_shape out = *shape;
    out.training = false;
    out.keep_all = out.keep_attention = 0;
    out.max_sequence = facts->request->longest_sequence + lt_virtual_rows(v) + lt_virtual_keys(v);
    return out;
}

int64_t lt_plan_teacher_window(const lt_plan_facts *facts, const lt_plan_choice *choice)
{
    const int64_t least = 1 << 20;
    double blocks = (double)choice->window_bytes / (double)max64(facts->block_bytes, 1);
    return max64((int64_t)((blocks < 2 ? blocks : 2) * (double)facts->teacher_block_bytes), least);
}

lt_plan_bytes lt_plan_count(const lt_plan_facts *facts, const lt_engine_shape *shape, const lt_plan_choice *choice,
                            const lt_loader_extent *extent)
{
    lt_engine_bytes engine = lt_engine_measure(facts->request->model, shape);
    lt_arena data = lt_arena_measure();
    lt_step_batch batch;
    lt_pass pass;
    static const lt_objective_options none;
    const lt_pass_means language = {.objective = &lt_objective_lm, .options = &none};
    const lt_plan_request *r = facts->request;
    if (r->loader) {
        lt_step_batch_layout(&batch, r->loader->store, extent, &data);
        lt_pass_layout(&pass, r->means ? r->means : &language, extent, r->model->config.C, &data);
    }
    lt_plan_bytes bytes = {
        .process = facts->process_bytes,
        .parameters = facts->parameter_bytes,
        .gradients = facts->gradient_bytes,
        .optimizer = facts->optimizer_bytes,
        .weights = min64(choice->window_bytes + lt_weights_overhang(choice->window_bytes), facts->forward_bytes + facts->head_bytes),
        .activations = engine.store,
        .workspace = engine.total - engine.store,
        .data = data.used,
        .saving = saving_bytes(facts),
    };
    if (r->teacher) {
        lt_engine_shape beside = lt_plan_teacher_shape(facts, shape);
        int64_t window = lt_plan_teacher_window(facts, choice);
        bytes.teacher = lt_engine_measure(r->teacher, &beside).total +
                        min64(window + lt_weights_overhang(window), facts->teacher_forward_bytes + facts->teacher_head_bytes);
    }
    if (facts->request->frozen)
        bytes.data += lt_frozen_cache_memory(facts->request->frozen);
    bytes.total = bytes.process + bytes.parameters + bytes.gradients + bytes.optimizer + bytes.weights +
                  bytes.activations + bytes.workspace + bytes.data + bytes.teacher + bytes.saving;
    return bytes;
}

/* Tokens and targets of a mean pass, and passes of a step; without a loader, of an evaluation pass. */
static void mean_pass(const lt_plan_facts *facts, const lt_loader_extent *extent, double *passes, double *tokens,
                      double *targets)
{
    *passes = facts->request->loader ? extent->mean_passes : 1;
    *tokens = facts->request->loader ? extent->mean_size / *passes : (double)facts->request->least_tokens;
    *targets = facts->request->loader ? extent->mean_targets / *passes : *tokens;
}

/* Bytes of a model that a pass goes through, and the window they go through. */
typedef struct streamed {
    double blocks, head, block, window;
} streamed;

static double pass_traffic(const streamed *s, double chunks, double heads)
{
    double blocks = s->blocks;
    if (blocks + s->head <= s->window)
        return 0; /* read once in the run, not once a step */
    /* The chunks of a block meet the same weights again: brought in anew where they do not stay in the window. */
    if (s->window < s->block && chunks > 1)
        blocks *= chunks;
    return blocks + s->head * (s->head > s->window ? heads : 1);
}

int64_t lt_plan_traffic(const lt_plan_facts *facts, const lt_plan_choice *choice, const lt_loader_extent *extent)
{
    double passes, tokens, targets;
    mean_pass(facts, extent, &passes, &tokens, &targets);
    double chunks = ceil(tokens / (double)choice->chunk), head_chunks = fmax(1, targets / (double)choice->head_chunk);
    streamed model = {(double)(facts->forward_bytes + facts->backward_bytes), (double)facts->head_bytes, (double)facts->block_bytes,
                      (double)choice->window_bytes};
    streamed teacher = {(double)facts->teacher_forward_bytes, (double)facts->teacher_head_bytes, (double)facts->teacher_block_bytes,
                        (double)lt_plan_teacher_window(facts, choice)};
    return (int64_t)(passes * (pass_traffic(&model, chunks, head_chunks * (facts->training ? 2 : 1)) +
                               pass_traffic(&teacher, chunks, head_chunks)));
}

double lt_plan_flops(const lt_plan_facts *facts, const lt_engine_shape *shape, const lt_loader_extent *extent, double *useful)
{
    double passes, tokens, targets;
    mean_pass(facts, extent, &passes, &tokens, &targets);
    /* The engine counts attention as if every token were in a sequence of max_sequence; what the data has is their mean
     * square. */
    lt_engine_shape mean = *shape;
    if (facts->request->loader && extent->mean_tokens > 0)
        mean.max_sequence = (int64_t)(extent->mean_squares / extent->mean_tokens + 0.5);
    double flops = lt_engine_flops(&mean, facts->request->model, (int64_t)(tokens + 0.5), (int64_t)(targets + 0.5), useful);
    if (useful)
        *useful *= passes;
    if (facts->request->teacher) {
        mean.training = false;
        flops += lt_engine_flops(&mean, facts->request->teacher, (int64_t)(tokens + 0.5), (int64_t)(targets + 0.5), NULL);
    }
    return flops * passes;
}

double lt_plan_seconds(const lt_plan_facts *facts, const lt_engine_shape *shape, const lt_plan_choice *choice,
                       const lt_loader_extent *extent, double flops_per_second)
{
    double passes, tokens, targets;
    mean_pass(facts, extent, &passes, &tokens, &targets);
    double rows = tokens < (double)shape->chunk ? tokens : (double)shape->chunk;
    double head_rows = targets < (double)shape->head_chunk ? targets : (double)shape->head_chunk;
    double head = passes * targets * 2 * (double)(facts->request->model->config.V * facts->request->model->config.C) *
                  (facts->training ? 2 : 1);
    double body = lt_plan_flops(facts, shape, extent, NULL) - head;
    double work = body * (1 + PACKING_ROWS / (rows + 1)) + head * (1 + PACKING_ROWS / (head_rows + 1));
    double compute = work / (flops_per_second * PRODUCT_EFFICIENCY);
    double traffic = (double)lt_plan_traffic(facts, choice, extent);
    if (!facts->larger_than_memory) { /* mapping pages takes a core from the products */
        double slabs = traffic / ((double)choice->window_bytes / 4);
        return compute + 0.5 * traffic / CACHE_BYTES_PER_SECOND + slabs * SLAB_SECONDS;
    }
    double disk = traffic / DISK_BYTES_PER_SECOND;
    return compute > disk ? compute : disk;
}
