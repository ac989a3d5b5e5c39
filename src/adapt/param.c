#include "adapt/param.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "simd/kernels.h"

int lt_param_list_add(lt_param_list *list, const char *name, int dims, const int64_t *shape, bool decay)
{
    assert(dims >= 1 && dims <= 4);
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? 2 * list->capacity : 64;
        list->items = realloc(list->items, (size_t)list->capacity * sizeof *list->items);
        assert(list->items && "out of memory for the list of trainable tensors");
    }
    lt_param *param = &list->items[list->count];
    *param = (lt_param){.name = strdup(name), .dims = dims, .elements = 1, .decay = decay, .learning_rate_scale = 1.0f};
    assert(param->name);
    for (int i = 0; i < dims; i++) {
        param->shape[i] = shape[i];
        param->elements *= shape[i];
    }
    return list->count++;
}

void lt_param_list_layout(lt_param_list *list, lt_arena *values, lt_arena *gradients)
{
    for (int i = 0; i < list->count; i++) {
        list->items[i].value = LT_ARENA_NEW(values, float, list->items[i].elements);
        list->items[i].gradient = LT_ARENA_NEW(gradients, float, list->items[i].elements);
    }
}

void lt_param_list_zero_gradients(lt_param_list *list)
{
#pragma omp parallel for schedule(dynamic)
    for (int i = 0; i < list->count; i++)
        memset(list->items[i].gradient, 0, (size_t)list->items[i].elements * sizeof(float));
}

int64_t lt_param_list_elements(const lt_param_list *list)
{
    int64_t n = 0;
    for (int i = 0; i < list->count; i++)
        n += list->items[i].elements;
    return n;
}

double lt_param_list_gradient_norm(const lt_param_list *list)
{
    enum { GROUP = 256 }; /* tensors: summed side by side, added in their order */
    double sum = 0, squares[GROUP];
    for (int first = 0; first < list->count; first += GROUP) {
        int n = list->count - first < GROUP ? list->count - first : GROUP;
#pragma omp parallel for schedule(dynamic)
        for (int i = 0; i < n; i++)
            squares[i] = lt_kernels_get()->sum_squares(list->items[first + i].gradient, list->items[first + i].elements);
        for (int i = 0; i < n; i++)
            sum += squares[i];
    }
    return sqrt(sum);
}

lt_param *lt_param_list_find(lt_param_list *list, const char *name)
{
    for (int i = 0; i < list->count; i++)
        if (!strcmp(list->items[i].name, name))
            return &list->items[i];
    return NULL;
}

void lt_param_list_free(lt_param_list *list)
{
    for (int i = 0; i < list->count; i++)
        free(list->items[i].name);
    free(list->items);
    *list = (lt_param_list){0};
}
