/* A bidirectional LSTM layer over one sequence, as torch.nn.LSTM computes it (Hochreiter & Schmidhuber 1997), forward beside
 * backward. Gates stand in the order i, f, g, o:
 *
 *     a_t = W_ih x_t + b_ih + W_hh h_(t-1) + b_hh            i, f, o = sigmoid, g = tanh of their parts of a_t
 *     c_t = f c_(t-1) + i g          h_t = o tanh c_t        the second direction runs from the end; outputs side by side */
#ifndef LT_ADAPT_LSTM_H
#define LT_ADAPT_LSTM_H

#include "adapt/dense.h"

typedef struct lt_lstm_direction {
    lt_dense input;       /* W_ih (4H,I), b_ih */
    int hidden_w, hidden_b; /* parameters */
    float *w, *dw;        /* W_hh (4H,H) f32 */
    float *b, *db;        /* b_hh (4H) f32 */
    float *gates;         /* (T,4H) of the last forward pass: i, f, g, o; in the backward pass their gradients */
    float *cell;          /* (T,H) c */
} lt_lstm_direction;

typedef struct lt_lstm {
    int64_t I, H;
    lt_lstm_direction way[2]; /* forward, reverse */
    float *carry;             /* (2H) scratch of the backward pass */
} lt_lstm;

/* Registers prefix.weight_ih_lK, weight_hh_lK, bias_ih_lK, bias_hh_lK and the same with _reverse. */
void lt_lstm_add(lt_lstm *lstm, lt_param_list *params, const char *prefix, int layer, int64_t I, int64_t H);
void lt_lstm_bind(lt_lstm *lstm, lt_param_list *params);
void lt_lstm_init(lt_lstm *lstm, lt_param_list *params, uint64_t seed); /* uniform within 1 / sqrt(H), as torch begins */

/* What is kept between the passes, for T steps. */
void lt_lstm_layout(lt_lstm *lstm, int64_t T, lt_arena *arena);
int64_t lt_lstm_scratch_bytes(const lt_lstm *lstm, int64_t T);

/* y (T,2H) f32 from x (T,I). */
void lt_lstm_forward(lt_lstm *lstm, const float *x, int64_t T, float *y, void *scratch);

/* From dy (T,2H), and x and y of the forward pass: gradients +=, dx (T,I) =. part (T,I) is scratch. Once a forward pass. */
void lt_lstm_backward(lt_lstm *lstm, const float *x, const float *y, const float *dy, int64_t T, float *dx, float *part, void *scratch);

#endif
