/* Keys and values: (tokens, K·D) for every layer and sequence, in bf16 or f32. */
#include <assert.h>
#include <string.h>

#include "nn/decode_internal.h"

static int64_t capacity_of(const lt_decoder_shape *shape, int64_t sequence)
{
    return sequence < shape->sequences ? shape->capacity : shape->prefix_capacity;
}

static int64_t token_bytes(const lt_decoder *d) { return lt_dtype_bytes(d->cache_dtype, d->model->config.K * d->model->config.D); }

void lt_decode_cache_layout(lt_decoder *d)
{
    for (int64_t l = 0; l < d->model->config.L; l++)
        for (int64_t s = 0; s < d->total; s++) {
            int64_t bytes = capacity_of(&d->shape, s) * token_bytes(d), at = l * d->total + s;
            char *k = lt_arena_alloc(&d->arena, bytes), *v = lt_arena_alloc(&d->arena, bytes);
            if (d->keys) {
                d->keys[at] = k;
                d->values[at] = v;
            }
        }
}

int64_t lt_decoder_prefix(const lt_decoder *d, int64_t i)
{
    assert(i >= 0 && i < d->shape.prefixes);
    return d->shape.sequences + i;
}

void lt_decoder_attach(lt_decoder *d, int64_t sequence, int64_t prefix)
{
    assert(sequence < d->shape.sequences && (prefix < 0 || prefix >= d->shape.sequences));
    d->sequences[sequence] = (lt_decode_sequence){.prefix = prefix, .shared = prefix < 0 ? 0 : d->sequences[prefix].own,
                                                  .rope_length = prefix < 0 ? 0 : d->sequences[prefix].rope_length};
}

int64_t lt_decoder_length(const lt_decoder *d, int64_t sequence)
{
    int64_t cached = d->sequences[sequence].shared + d->sequences[sequence].own;
    return cached ? cached - d->P : 0;
}

void lt_decoder_rewind(lt_decoder *d, int64_t sequence, int64_t length)
{
    lt_decode_sequence *s = &d->sequences[sequence];
    int64_t cached = length || s->shared ? length + d->P : 0; /* an empty sequence has no virtual tokens yet */
    assert(cached >= s->shared && cached <= s->shared + s->own);
    s->own = cached - s->shared;
}

void lt_decoder_copy(lt_decoder *d, int64_t from, int64_t to)
{
    size_t bytes = (size_t)(d->sequences[from].own * token_bytes(d));
    assert(d->sequences[from].own <= capacity_of(&d->shape, to));
    for (int64_t l = 0; l < d->model->config.L && from != to; l++) {
        memcpy(d->keys[l * d->total + to], d->keys[l * d->total + from], bytes);
        memcpy(d->values[l * d->total + to], d->values[l * d->total + from], bytes);
    }
    if (d->history && from != to)
        memcpy(d->history + to * lt_decode_longest(&d->shape), d->history + from * lt_decode_longest(&d->shape),
               (size_t)d->sequences[from].own * sizeof *d->history);
    d->sequences[to] = d->sequences[from];
}

void lt_decode_remember_row(const lt_decoder *d, int64_t layer, int64_t sequence, int64_t position, const float *key, const float *value)
{
    const lt_kernels *k = lt_kernels_get();
    int64_t KD = d->model->config.K * d->model->config.D, at = layer * d->total + sequence;
    int64_t offset = (position - d->sequences[sequence].shared) * token_bytes(d);
    if (d->cache_dtype == LT_DTYPE_BF16) {
        k->f32_to_bf16(key, (uint16_t *)(d->keys[at] + offset), KD);
        k->f32_to_bf16(value, (uint16_t *)(d->values[at] + offset), KD);
    } else {
        memcpy(d->keys[at] + offset, key, (size_t)KD * sizeof(float));
        memcpy(d->values[at] + offset, value, (size_t)KD * sizeof(float));
    }
}

void lt_decode_remember(const lt_decoder *d, int64_t layer, int64_t n)
{
    const lt_config *c = &d->model->config;
    int64_t QKV = (c->H + 2 * c->K) * c->D;
    for (int64_t i = 0; i < n; i++) {
        const float *key = d->run.qkv + i * QKV + c->H * c->D;
        lt_decode_remember_row(d, layer, d->row_sequence[i], d->positions[i], key, key + c->K * c->D);
    }
}
