/* A teacher beside the model that is trained: a second model with an engine that only goes forward. Its weights stream through a window
 * of their own; of what it computes only its last states are kept for a pass, and the head makes logits of both chunk by chunk
 * (lt_engine_head_distill). */
#ifndef LT_TRAIN_TEACHER_H
#define LT_TRAIN_TEACHER_H

#include "nn/engine.h"

typedef struct lt_teacher lt_teacher;

/* model: a folder or a GGUF file, plain or quantised; adapter: a PEFT folder on it, or NULL. */
bool lt_teacher_open(lt_teacher **teacher, const char *model, const char *adapter, lt_error *err);
void lt_teacher_close(lt_teacher *teacher); /* NULL is fine */

/* Opened for the plan, which sizes the engine. */
lt_model *lt_teacher_model(const lt_teacher *teacher);

/* Rows of the stream that it takes before every sequence. */
int64_t lt_teacher_overhead(const lt_teacher *teacher);

/* Takes the planned memory. */
bool lt_teacher_start(lt_teacher *teacher, const lt_engine_shape *shape, int64_t window_bytes, lt_error *err);

/* Reads the batch of a pass; what lt_engine_head_distill needs is then in its engine. */
bool lt_teacher_forward(lt_teacher *teacher, const lt_batch *batch, lt_error *err);
lt_engine *lt_teacher_engine(const lt_teacher *teacher);

#endif
