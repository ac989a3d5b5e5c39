#include "nn/sample.h"

#include <assert.h>
#include <math.h>

#include "simd/kernels.h"

typedef struct candidate {
    float logit;
    int32_t id;
} candidate;

lt_sample_options lt_sample_defaults(void)
{
    return (lt_sample_options){.temperature = 1, .top_p = 1, .repetition_penalty = 1};
}

int64_t lt_sample_scratch_bytes(int64_t V)
{
    return V * (int64_t)sizeof(candidate);
}

/* Each token counts once, however often it was seen: marked by walking the history backwards through the logits would need a
 * set, so the original value is kept beside and compared. */
static void penalise(float *logits, int64_t V, const int32_t *seen, int64_t n, double penalty, candidate *original)
{
    for (int64_t i = 0; i < n; i++)
        if (seen[i] >= 0 && seen[i] < V)
            original[seen[i]].logit = logits[seen[i]];
    for (int64_t i = 0; i < n; i++)
        if (seen[i] >= 0 && seen[i] < V) {
            float x = original[seen[i]].logit;
            logits[seen[i]] = x > 0 ? x / (float)penalty : x * (float)penalty;
        }
}

/* a before b: larger logit, lower id among equals. */
static bool before(candidate a, candidate b)
{
    return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

static void sift(candidate *heap, int64_t n, int64_t at)
{
    candidate moving = heap[at];
    for (int64_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && before(heap[child + 1], heap[child]))
            child++;
        if (!before(heap[child], moving))
            break;
        heap[at] = heap[child];
    }
    heap[at] = moving;
}

/* Takes the first from a heap of n; it comes to lie behind the remaining n-1. */
static candidate pop(candidate *heap, int64_t n)
{
    candidate first = heap[0];
    heap[0] = heap[n - 1];
    heap[n - 1] = first;
    sift(heap, n - 1, 0);
    return first;
}

static int32_t largest(const float *logits, int64_t V)
{
    int64_t best = 0;
    for (int64_t i = 1; i < V; i++)
        if (logits[i] > logits[best])
            best = i;
    return (int32_t)best;
}

/* Σ exp(x - max) in pieces that the kernels sum. */
enum { PIECE = 1024 };

static double total_of(const float *x, int64_t V, float max)
{
    double total = 0;
    for (int64_t i = 0; i < V; i += PIECE)
        total += lt_kernels_get()->sum_exp(x + i, max, V - i < PIECE ? V - i : PIECE);
    return total;
}

/* The candidates that top-k, then top-p, then min-p leave, largest first, at the end of heap (V): a heap gives just as many as are
 * asked for, which are few. Returns how many; the i-th is heap[V - 1 - i]. */
static int64_t select_candidates(const lt_sample_options *o, const float *logits, candidate *heap, int64_t V)
{
    int64_t k = o->top_k > 0 && o->top_k < V ? o->top_k : V, n = 0;
    double total = 0, sum = 0;
    for (int64_t i = V / 2 - 1; i >= 0; i--)
        sift(heap, V, i);
    float max = heap[0].logit;
    if (k == V) { /* all compete for top-p's share */
        total = total_of(logits, V, max);
    } else {
        for (int64_t i = 0; i < k; i++)
            total += exp((double)pop(heap, V - i).logit - max);
        n = k;
        while (n < V && heap[0].logit == heap[V - n].logit) /* the reference keeps what equals the k-th */
            total += exp((double)pop(heap, V - n++).logit - max);
        k = n;
    }
    int64_t keep = 0;
    for (; keep < k; keep++) {
        candidate c = keep < n ? heap[V - 1 - keep] : pop(heap, V - keep);
        double p = exp((double)c.logit - max);
        if (keep && ((o->top_p < 1 && sum >= o->top_p * total) || p < o->min_p))
            break;
        sum += p;
    }
    return keep;
}

/* One of all ids: the piece first, then the id within it. */
static int32_t draw_any(const float *x, int64_t V, float max, lt_rng *rng)
{
    double at = lt_rng_uniform(rng) * total_of(x, V, max), sum = 0;
    int64_t i = 0;
    for (; i + PIECE < V; i += PIECE) {
        double piece = lt_kernels_get()->sum_exp(x + i, max, PIECE);
        if (sum + piece > at)
            break;
        sum += piece;
    }
    int32_t last = 0;
    for (; i < V; i++) {
        double p = exp((double)x[i] - max);
        sum += p;
        if (p > 0)
            last = (int32_t)i;
        if (at < sum)
            return (int32_t)i;
    }
    return last; /* rounding */
}

static int32_t draw(const candidate *c, int64_t n, float max, lt_rng *rng)
{
    double total = 0, sum = 0;
    for (int64_t i = 0; i < n; i++)
        total += exp((double)c[i].logit - max);
    double at = lt_rng_uniform(rng) * total;
    for (int64_t i = 0; i < n; i++) {
        sum += exp((double)c[i].logit - max);
        if (at < sum)
            return c[i].id;
    }
    return c[n - 1].id; /* rounding */
}

int32_t lt_sample(const lt_sample_options *o, float *logits, int64_t V, const int32_t *seen, int64_t seen_count, lt_rng *rng,
                  void *scratch)
{
    candidate *c = scratch;
    if (o->repetition_penalty != 1)
        penalise(logits, V, seen, seen_count, o->repetition_penalty, c);
    int32_t best = largest(logits, V);
    if (o->greedy)
        return best;
    assert(o->temperature > 0);
    float max = logits[best] / (float)o->temperature;
    for (int64_t i = 0; i < V; i++)
        logits[i] /= (float)o->temperature;
    if ((o->top_k <= 0 || o->top_k >= V) && o->top_p >= 1 && o->min_p <= 0)
        return draw_any(logits, V, max, rng);
    for (int64_t i = 0; i < V; i++)
        c[i] = (candidate){logits[i], (int32_t)i};
    int64_t n = select_candidates(o, logits, c, V);
    return draw(c + V - n, n, max, rng);
}
