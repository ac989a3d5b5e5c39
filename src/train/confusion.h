/* What a classifier got right: counts of predictions, and what is made of them. */
#ifndef LT_TRAIN_CONFUSION_H
#define LT_TRAIN_CONFUSION_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

typedef struct lt_confusion {
    int32_t N;
    bool sets;      /* several labels may hold: matrix stays NULL */
    int64_t *matrix; /* (N,N) rows: what it is, columns: what was predicted */
    int64_t *right, *wrong, *missed; /* (N) predicted and so; predicted and not so; so and not predicted */
    int64_t rows, exact;             /* rows, and those without any error */
} lt_confusion;

/* False when out of memory. Free in every case. */
bool lt_confusion_init(lt_confusion *confusion, int32_t N, bool sets);
void lt_confusion_free(lt_confusion *confusion);

/* The class with the greatest score. */
int32_t lt_confusion_best(const float *score, int32_t N);

void lt_confusion_add(lt_confusion *confusion, int32_t is, int32_t predicted);
/* A label is predicted when its score is above 0 (probability above a half); it holds when values is above a half. */
void lt_confusion_add_set(lt_confusion *confusion, const float *values, const float *score);

double lt_confusion_accuracy(const lt_confusion *confusion); /* share of rows without error */
/* 2 right / (2 right + wrong + missed): of all classes together, and the mean of each class's (0 where there is none). */
double lt_confusion_f1_micro(const lt_confusion *confusion);
double lt_confusion_f1_macro(const lt_confusion *confusion);

/* {"accuracy", "f1_micro", "f1_macro", "confusion_matrix": [[…]] unless sets, "per_class": [{"precision", "recall", "f1", "rows"}]}.
 * New reference. */
json_t *lt_confusion_json(const lt_confusion *confusion);

#endif
