/* Virtual tokens: what prompt tuning, P-tuning and prefix tuning put before every sequence.
 *
 *     LT_VIRTUAL_INPUTS   P rows of the residual stream, (P,C), in place of embeddings: they pass every layer as tokens do
 *                         (Lester et al. 2021, arXiv 2104.08691; Liu et al. 2021, arXiv 2103.10385)
 *     LT_VIRTUAL_KEYS     P keys and values of every layer, which all tokens see (Li & Liang 2021, arXiv 2101.00190; P-tuning v2,
 *                         Liu et al. 2021, arXiv 2110.07602). Row p is layer 0's key, layer 0's value, layer 1's key … of K·D
 *                         elements each, as PEFT lays them out; keys are not rotated
 *
 * Either way the first real token of a sequence stands at position P. Virtual tokens have no ids, predict only what stands
 * behind them (the last input the sequence's first token), and are nobody's target. A batch names real tokens alone; the engine and the decoder put the virtual ones in. */
#ifndef LT_NN_VIRTUAL_H
#define LT_NN_VIRTUAL_H

#include <stdbool.h>
#include <stdint.h>

typedef enum lt_virtual_kind { LT_VIRTUAL_INPUTS, LT_VIRTUAL_KEYS } lt_virtual_kind;

/* Implementations live in src/adapt; the model holds a pointer to one. */
typedef struct lt_virtual lt_virtual;
struct lt_virtual {
    lt_virtual_kind kind;
    int64_t P;       /* virtual tokens of a sequence */
    float *values;   /* (P, C) or (P, L·2·K·D) f32 */
    float *gradient; /* the same; the backward pass adds to it. NULL when nothing is trained */
    /* Brings values up to date from what is trained (an encoder), once a pass; NULL: values are what is trained. dropout:
     * it applies, as a function of (seed, step). */
    void (*forward)(lt_virtual *virtual, uint64_t seed, uint64_t step, bool dropout);
    void (*backward)(lt_virtual *virtual); /* takes gradient back to what is trained, and clears it; NULL with forward */
    bool enabled;                          /* off: the model is its base */
};

/* Rows that a sequence takes in the stream beside its own. */
static inline int64_t lt_virtual_rows(const lt_virtual *v)
{
    return v && v->enabled && v->kind == LT_VIRTUAL_INPUTS ? v->P : 0;
}

/* Keys and values that every layer sees beside those of the stream. */
static inline int64_t lt_virtual_keys(const lt_virtual *v)
{
    return v && v->enabled && v->kind == LT_VIRTUAL_KEYS ? v->P : 0;
}

#endif
