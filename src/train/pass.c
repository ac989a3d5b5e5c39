#include "train/pass.h"

#include <assert.h>
#include <math.h>

#include "nn/pooler.h"

void lt_pass_layout(lt_pass *pass, const lt_pass_means *means, const lt_loader_extent *extent, int64_t C, lt_arena *arena)
{
    bool scored = means->objective->head != LT_HEAD_LM;
    int64_t T = extent->pass_targets, S = extent->pass_sequences, N = scored && means->score ? means->score->N : 0;
    *pass = (lt_pass){.means = *means, .C = C};
    pass->logp = LT_ARENA_NEW(arena, float, T);
    pass->weight = LT_ARENA_NEW(arena, float, T);
    if (means->objective->needs & LT_TARGET_BIT(LT_TARGET_REFERENCE_LOGP))
        pass->known = LT_ARENA_NEW(arena, float, T);
    if (means->objective->teacher) {
        pass->kl = LT_ARENA_NEW(arena, float, T);
        pass->kl_weight = LT_ARENA_NEW(arena, float, T);
    }
    if (!N)
        return;
    pass->score = LT_ARENA_NEW(arena, float, S * N);
    pass->score_gradient = LT_ARENA_NEW(arena, float, S * N);
    pass->hidden = LT_ARENA_NEW(arena, float, S * C);
    pass->gradient = LT_ARENA_NEW(arena, float, S * C);
    pass->pooled = LT_ARENA_NEW(arena, float, S * C);
    pass->rows = LT_ARENA_NEW(arena, int64_t, S);
}

static double weight_of_step(const lt_pass_means *means, const lt_step_batch *step)
{
    double sum = 0;
    if (!means->objective->row_weight)
        return (double)step->step_rows;
    for (int64_t i = 0; i < step->step_rows; i++)
        sum += means->objective->row_weight(means->options, step->sizes[i].value);
    return sum;
}

static void make_view(const lt_pass *pass, const lt_step_batch *step, lt_objective_pass *view)
{
    const lt_pass_means *means = &pass->means;
    *view = (lt_objective_pass){
        .rows = step->rows,
        .row_count = step->row_count,
        .sequence_targets = step->sequence_targets,
        .target_count = step->batch.target_count,
        .step_rows = step->step_rows,
        .step_targets = step->step_targets,
        .step_first_targets = step->step_first_targets,
        .step_weight = weight_of_step(means, step),
        .weight = pass->weight,
        .kl_weight = pass->kl_weight,
        .target_kind = step->kinds,
        .per_target = {[LT_TARGET_REFERENCE_LOGP] = pass->known},
        .score = pass->score,
        .score_gradient = pass->score_gradient,
        .score_count = pass->score ? step->batch.sequences : 0,
        .labels = pass->score ? (int32_t)means->score->N : 0,
    };
}

/* The reference's log-probabilities, row by row behind one another as the targets are. */
static bool read_reference(lt_pass *pass, const lt_step_batch *step, lt_error *err)
{
    if (!pass->known)
        return true;
    assert(pass->means.reference);
    for (int64_t i = 0; i < step->row_count; i++) {
        const lt_objective_row *row = &step->rows[i];
        int64_t first = step->sequence_targets[row->first_sequence];
        if (!lt_reference_read(pass->means.reference, row->row, pass->known + first, err))
            return false;
    }
    return true;
}

static void forward_scores(lt_pass *pass, lt_engine *engine, const lt_batch *batch)
{
    const lt_pass_means *means = &pass->means;
    for (int64_t s = 0; s < batch->sequences; s++) {
        int64_t begin = batch->starts[s], n = batch->starts[s + 1] - begin;
        pass->rows[s] = begin + (means->first_token ? 0 : lt_score_head_position(batch->ids + begin, n, means->pad_id));
        lt_engine_hidden(engine, pass->rows[s], pass->hidden + s * pass->C);
    }
    lt_pooler_forward(engine, pass->hidden, batch->sequences, pass->pooled);
    lt_score_head_forward(means->score, pass->pooled, batch->sequences, pass->score);
}

static void backward_scores(lt_pass *pass, lt_engine *engine, const lt_batch *batch)
{
    lt_score_head_backward(pass->means.score, pass->pooled, batch->sequences, pass->score_gradient, pass->gradient);
    lt_pooler_backward(engine, pass->hidden, pass->pooled, batch->sequences, pass->gradient);
    for (int64_t s = 0; s < batch->sequences; s++)
        lt_engine_add_hidden_gradient(engine, pass->rows[s], pass->gradient + s * pass->C);
}

/* The language model's head; with the weights that the objective gave, or without. */
static bool head(lt_pass *pass, lt_engine *engine, bool weighed, lt_error *err)
{
    const float *weight = weighed ? pass->weight : NULL;
    if (!pass->kl)
        return lt_engine_head(engine, weight, pass->logp, NULL, NULL, NULL, err);
    lt_engine_distill beside = {.teacher = lt_teacher_engine(pass->means.teacher),
                                .temperature = (float)pass->means.options->distill_temperature,
                                .weight = weight,
                                .kl_weight = weighed ? pass->kl_weight : NULL};
    return lt_engine_head_distill(engine, &beside, pass->logp, pass->kl, err);
}

static bool heads(lt_pass *pass, lt_engine *engine, const lt_step_batch *step, lt_objective_pass *view, bool wants_logp,
                    lt_error *err)
{
    make_view(pass, step, view);
    if (!read_reference(pass, step, err) || (pass->kl && !lt_teacher_forward(pass->means.teacher, &step->batch, err)))
        return false;
    if (pass->score) {
        forward_scores(pass, engine, &step->batch);
    } else if (wants_logp) {
        if (!head(pass, engine, false, err))
            return false;
        view->logp = pass->logp;
        view->kl = pass->kl;
    }
    return true;
}

bool lt_pass_evaluate(lt_pass *pass, lt_engine *engine, const lt_step_batch *step, lt_objective_sums *sums, lt_objective_pass *view,
                      lt_error *err)
{
    if (!heads(pass, engine, step, view, true, err))
        return false;
    view->step_rows = step->row_count;
    view->step_targets = step->batch.target_count;
    view->step_first_targets = 0;
    for (int64_t i = 0; i < step->row_count; i++) {
        int64_t first;
        view->step_first_targets += lt_objective_targets(view, &step->rows[i], 0, &first);
    }
    pass->means.objective->measure(pass->means.options, view, sums);
    return true;
}

bool lt_pass_train(lt_pass *pass, lt_engine *engine, const lt_step_batch *step, lt_objective_sums *sums, lt_error *err)
{
    const lt_objective *objective = pass->means.objective;
    lt_objective_pass view;
    if (!heads(pass, engine, step, &view, objective->logp_first, err))
        return false;
    objective->weigh(pass->means.options, &view);
    if (!pass->score && !head(pass, engine, true, err))
        return false;
    view.logp = pass->logp;
    view.kl = pass->kl;
    objective->measure(pass->means.options, &view, sums);
    if (!isfinite(sums->loss.sum))
        return true;
    if (pass->score)
        backward_scores(pass, engine, &step->batch);
    return lt_engine_backward(engine, err);
}
