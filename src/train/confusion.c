#include "train/confusion.h"

#include <stdlib.h>

bool lt_confusion_init(lt_confusion *c, int32_t N, bool sets)
{
    *c = (lt_confusion){.N = N, .sets = sets};
    c->right = calloc((size_t)N, sizeof *c->right);
    c->wrong = calloc((size_t)N, sizeof *c->wrong);
    c->missed = calloc((size_t)N, sizeof *c->missed);
    c->matrix = sets ? NULL : calloc((size_t)N * (size_t)N, sizeof *c->matrix);
    return c->right && c->wrong && c->missed && (sets || c->matrix);
}

void lt_confusion_free(lt_confusion *c)
{
    free(c->right);
    free(c->wrong);
    free(c->missed);
    free(c->matrix);
    *c = (lt_confusion){0};
}

int32_t lt_confusion_best(const float *score, int32_t N)
{
    int32_t best = 0;
    for (int32_t j = 1; j < N; j++)
        best = score[j] > score[best] ? j : best;
    return best;
}

void lt_confusion_add(lt_confusion *c, int32_t is, int32_t predicted)
{
    c->rows++;
    c->matrix[(int64_t)is * c->N + predicted]++;
    if (is == predicted) {
        c->exact++;
        c->right[is]++;
        return;
    }
    c->wrong[predicted]++;
    c->missed[is]++;
}

void lt_confusion_add_set(lt_confusion *c, const float *values, const float *score)
{
    bool exact = true;
    for (int32_t j = 0; j < c->N; j++) {
        bool is = values[j] > 0.5f, predicted = score[j] > 0;
        c->right[j] += is && predicted;
        c->wrong[j] += predicted && !is;
        c->missed[j] += is && !predicted;
        exact &= is == predicted;
    }
    c->rows++;
    c->exact += exact;
}

static double share(int64_t part, int64_t of) { return of ? (double)part / (double)of : 0; }
static double f1(int64_t right, int64_t wrong, int64_t missed) { return share(2 * right, 2 * right + wrong + missed); }

double lt_confusion_accuracy(const lt_confusion *c) { return share(c->exact, c->rows); }

double lt_confusion_f1_micro(const lt_confusion *c)
{
    int64_t right = 0, wrong = 0, missed = 0;
    for (int32_t j = 0; j < c->N; j++) {
        right += c->right[j];
        wrong += c->wrong[j];
        missed += c->missed[j];
    }
    return f1(right, wrong, missed);
}

double lt_confusion_f1_macro(const lt_confusion *c)
{
    double sum = 0;
    for (int32_t j = 0; j < c->N; j++)
        sum += f1(c->right[j], c->wrong[j], c->missed[j]);
    return sum / c->N;
}

json_t *lt_confusion_json(const lt_confusion *c)
{
    json_t *out = json_pack("{s:f, s:f, s:f}", "accuracy", lt_confusion_accuracy(c), "f1_micro", lt_confusion_f1_micro(c), "f1_macro",
                            lt_confusion_f1_macro(c));
    json_t *classes = json_array(), *matrix = json_array();
    for (int32_t j = 0; j < c->N; j++)
        json_array_append_new(classes, json_pack("{s:f, s:f, s:f, s:I}", "precision", share(c->right[j], c->right[j] + c->wrong[j]),
                                                 "recall", share(c->right[j], c->right[j] + c->missed[j]), "f1",
                                                 f1(c->right[j], c->wrong[j], c->missed[j]), "rows",
                                                 (json_int_t)(c->right[j] + c->missed[j])));
    for (int32_t i = 0; c->matrix && i < c->N; i++) {
        json_t *row = json_array();
        for (int32_t j = 0; j < c->N; j++)
            json_array_append_new(row, json_integer((json_int_t)c->matrix[(int64_t)i * c->N + j]));
        json_array_append_new(matrix, row);
    }
    json_object_set_new(out, "per_class", classes);
    if (c->matrix)
        json_object_set_new(out, "confusion_matrix", matrix);
    else
        json_decref(matrix);
    return out;
}
