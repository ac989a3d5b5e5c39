#include <criterion/criterion.h>

#include <string.h>

#include "gradcheck.h"
#include "nn/score_head.h"

enum { C = 7, N = 3, ROWS = 5 };

typedef struct fixture {
    lt_score_head head;
    float x[ROWS * C], weight[N * C], bias[N], up[ROWS * N], dweight[N * C], dbias[N], dx[ROWS * C];
} fixture;

static fixture *make(void)
{
    static fixture f;
    memset(&f, 0, sizeof f);
    f.head = (lt_score_head){.C = C, .N = N, .weight = f.weight, .bias = f.bias, .dweight = f.dweight, .dbias = f.dbias};
    gradcheck_normal(f.x, ROWS * C, 1, 1);
    gradcheck_normal(f.weight, N * C, 2, 1);
    gradcheck_normal(f.bias, N, 3, 1);
    gradcheck_normal(f.up, ROWS * N, 4, 1);
    return &f;
}

/* Any of the inputs may have been moved: x is part of the fixture. */
static double value(const float *x, void *context)
{
    const fixture *f = context;
    float score[ROWS * N];
    (void)x;
    lt_score_head_forward(&f->head, f->x, ROWS, score);
    return gradcheck_dot(score, f->up, ROWS * N);
}

Test(score_head, gradients_match_finite_differences)
{
    fixture *f = make();
    lt_score_head_backward(&f->head, f->x, ROWS, f->up, f->dx);
    gradcheck_elements(value, f, f->x, ROWS * C, f->dx, 1e-2, 1e-3, 1);
    gradcheck_elements(value, f, f->weight, N * C, f->dweight, 1e-2, 1e-3, 1);
    gradcheck_elements(value, f, f->bias, N, f->dbias, 1e-2, 1e-3, 1);
}

Test(score_head, a_frozen_head_gives_the_gradient_of_its_input_alone)
{
    fixture *f = make();
    f->head.dweight = f->head.dbias = NULL;
    lt_score_head_backward(&f->head, f->x, ROWS, f->up, f->dx);
    gradcheck_elements(value, f, f->x, ROWS * C, f->dx, 1e-2, 1e-3, 1);
    for (int i = 0; i < N * C; i++)
        cr_assert_eq(f->dweight[i], 0);
}

Test(score_head, reads_the_last_token_that_is_no_padding)
{
    const int32_t ids[5] = {4, 9, 2, 9, 9};
    cr_assert_eq(lt_score_head_position(ids, 5, -1), 4);
    cr_assert_eq(lt_score_head_position(ids, 5, 9), 2);
    cr_assert_eq(lt_score_head_position(ids, 5, 2), 4);
    cr_assert_eq(lt_score_head_position(ids + 3, 2, 9), 0); /* all padding: transformers takes the first */
}

Test(score_head, a_new_head_depends_on_its_seed)
{
    float a[N * C], b[N * C], bias[N] = {1, 1, 1};
    lt_score_head_draw(a, bias, N, C, 1);
    lt_score_head_draw(b, NULL, N, C, 1);
    cr_assert_eq(memcmp(a, b, sizeof a), 0);
    cr_assert_eq(bias[2], 0);
    lt_score_head_draw(b, NULL, N, C, 2);
    cr_assert_neq(memcmp(a, b, sizeof a), 0);
}
