#include "adapt/token_rows.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct lt_token_rows {
    lt_embed_hook embed;
    lt_linear_hook head;
    lt_model *model;
    const int64_t *ids; /* count, the configuration's */
    int64_t count, C;
    int32_t *place; /* (V): the row of an id, or -1 */
    int param;
    float *rows, *drows; /* (count,C) f32 */
};

/* The hooks lie at different places in one struct. */
static lt_token_rows *of_head(lt_linear_hook *hook)
{
    return (lt_token_rows *)((char *)hook - offsetof(lt_token_rows, head));
}

static void embed_forward(lt_embed_hook *hook, const int32_t *ids, int64_t T, int64_t C, float *x)
{
    const lt_token_rows *l = (const lt_token_rows *)hook;
    for (int64_t t = 0; t < T; t++)
        if (ids[t] >= 0 && l->place[ids[t]] >= 0)
            memcpy(x + t * C, l->rows + l->place[ids[t]] * C, (size_t)C * sizeof *x);
}

static void embed_backward(lt_embed_hook *hook, const int32_t *ids, int64_t T, int64_t C, float scale, const float *dx)
{
    lt_token_rows *l = (lt_token_rows *)hook;
    for (int64_t t = 0; t < T; t++)
        if (ids[t] >= 0 && l->place[ids[t]] >= 0)
            lt_kernels_get()->axpy(l->drows + l->place[ids[t]] * C, scale, dx + t * C, C);
}

/* y[:, id] = x · row */
static void head_forward(lt_linear_hook *hook, const lt_linear *linear, lt_workspace *ws, const lt_linear_io *io)
{
    const lt_token_rows *l = of_head(hook);
    (void)linear, (void)ws;
#pragma omp parallel for schedule(static)
    for (int64_t t = 0; t < io->T; t++)
        for (int64_t i = 0; i < l->count; i++)
            io->y[t * io->y_stride + l->ids[i]] = lt_kernels_get()->dot(io->x + t * io->x_stride, l->rows + i * l->C, l->C);
}

/* drow += Σ_t dy[t][id] x[t], dx += dy[t][id] row; the base's own row gets nothing, so that dy is taken away from it. */
static void head_backward(lt_linear_hook *hook, const lt_linear *linear, lt_workspace *ws, const lt_linear_io *io)
{
    lt_token_rows *l = of_head(hook);
    const lt_kernels *k = lt_kernels_get();
    (void)linear, (void)ws;
#pragma omp parallel for schedule(static)
    for (int64_t i = 0; i < l->count; i++) /* one thread per row: its sum has one order */
        for (int64_t t = 0; t < io->T; t++)
            k->axpy(l->drows + i * l->C, io->y[t * io->y_stride + l->ids[i]], io->x + t * io->x_stride, l->C);
#pragma omp parallel for schedule(static)
    for (int64_t t = 0; t < io->T; t++)
        for (int64_t i = 0; i < l->count; i++) {
            float *dy = io->y + t * io->y_stride + l->ids[i];
            if (io->dx)
                k->axpy(io->dx + t * io->dx_stride, *dy, l->rows + i * l->C, l->C);
            *dy = 0;
        }
}

static int64_t head_scratch(const lt_linear_hook *hook, const lt_linear *linear, int64_t T)
{
    (void)hook, (void)linear, (void)T;
    return 0;
}

/* Is `module` the end of the embedding's name, whole components? */
static bool names_embedding(const lt_config *c, const char *module)
{
    size_t n = strlen(c->embed_name), k = strlen(module);
    return k <= n && !strcmp(c->embed_name + n - k, module) && (k == n || c->embed_name[n - k - 1] == '.');
}

/* What PEFT refuses, and what could only be done apart from the embedding. */
static bool check(const lt_model *m, const lt_peft_config *config, lt_error *err)
{
    const lt_config *c = &m->config;
    const struct lt_lora_tokens *given = config->lora.tokens;
    if (config->lora.token_modules > 1 || (given->module && !names_embedding(c, given->module)))
        return lt_error_set(err, LT_ERR_UNSUPPORTED, "trainable_token_indices: only rows of the embedding '%s' can be trained, found '%s'",
                            c->embed_name, given[config->lora.token_modules - 1].module);
    if (m->embed.hook || lt_peft_saves_module(config, c->embed_name))
        return lt_error_set(err, LT_ERR_USAGE, "trainable_token_indices: the embedding '%s' is in %s already", c->embed_name,
                            m->embed.hook ? "target_modules" : "modules_to_save");
    if (c->tied_head && m->head.module && (m->head.hook || m->head.bias))
        return lt_error_set(err, LT_ERR_UNSUPPORTED, "trainable_token_indices: the head '%s', which is the embedding's matrix, %s", c->head_name,
                            m->head.hook ? "is in target_modules already" : "has a bias");
    return true;
}

static bool place_ids(lt_token_rows *l, int64_t V, lt_error *err)
{
    l->place = malloc((size_t)V * sizeof *l->place);
    if (!l->place)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for the adapter");
    for (int64_t v = 0; v < V; v++)
        l->place[v] = -1;
    for (int64_t i = 0; i < l->count; i++) {
        if (l->ids[i] < 0 || l->ids[i] >= V)
            return lt_error_set(err, LT_ERR_USAGE, "trainable_token_indices: expected ids from 0 to %" PRId64 ", found %" PRId64, V - 1, l->ids[i]);
        if (l->place[l->ids[i]] >= 0)
            return lt_error_set(err, LT_ERR_USAGE, "trainable_token_indices: %" PRId64 " is there twice", l->ids[i]);
        l->place[l->ids[i]] = (int32_t)i;
    }
    return true;
}

bool lt_token_rows_attach(lt_token_rows **out, lt_model *m, const lt_peft_config *config, lt_param_list *params, lt_error *err)
{
    const lt_config *c = &m->config;
    *out = NULL;
    if (config->lora.token_modules == 0 || (config->lora.token_modules == 1 && config->lora.tokens->count == 0))
        return true;
    if (!check(m, config, err))
        return false;
    lt_token_rows *l = calloc(1, sizeof *l);
    if (!l)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for the adapter");
    *l = (lt_token_rows){.embed = {embed_forward, embed_backward, true},
                          .head = {.forward = head_forward, .backward = head_backward, .scratch_bytes = head_scratch, .changes_dy = true,
                                   .enabled = true},
                          .model = m, .ids = config->lora.tokens->ids, .count = config->lora.tokens->count, .C = c->C};
    if (!place_ids(l, c->V, err)) {
        free(l->place);
        free(l);
        return false;
    }
    char key[LT_PEFT_KEY_MAX];
    lt_peft_key_compose(key, c->embed_name, LT_PEFT_PART_TOKENS);
    l->param = lt_param_list_add(params, key, 2, (int64_t[]){l->count, l->C}, true);
    m->embed.hook = &l->embed;
    if (c->tied_head && m->head.module)
        m->head.hook = &l->head;
    *out = l;
    return true;
}

void lt_token_rows_bind(lt_token_rows *l, const lt_param_list *params)
{
    if (!l)
        return;
    l->rows = params->items[l->param].value;
    l->drows = params->items[l->param].gradient;
}

bool lt_token_rows_init(lt_token_rows *l, lt_error *err)
{
    for (int64_t i = 0; l && i < l->count; i++)
        if (!lt_weights_read_row(&l->model->embed.weight, l->ids[i], l->rows + i * l->C, err))
            return false;
    return true;
}

void lt_token_rows_enable(lt_token_rows *l, bool enabled)
{
    if (l)
        l->embed.enabled = l->head.enabled = enabled;
}

void lt_token_rows_detach(lt_token_rows *l)
{
    if (!l)
        return;
    l->model->embed.hook = NULL;
    if (l->model->head.hook == &l->head)
        l->model->head.hook = NULL;
    free(l->place);
    free(l);
}
