#include <criterion/criterion.h>

#include "train/confusion.h"

Test(confusion, counts_classes)
{
    lt_confusion c;
    const int is[6] = {0, 0, 1, 2, 2, 2}, said[6] = {0, 1, 1, 2, 0, 2};
    cr_assert(lt_confusion_init(&c, 4, false)); /* the last class never occurs */
    for (int i = 0; i < 6; i++)
        lt_confusion_add(&c, is[i], said[i]);
    cr_assert_float_eq(lt_confusion_accuracy(&c), 4.0 / 6, 1e-12);
    cr_assert_float_eq(lt_confusion_f1_micro(&c), 4.0 / 6, 1e-12); /* with one class a row it is the accuracy */
    cr_assert_float_eq(lt_confusion_f1_macro(&c), (0.5 + 2.0 / 3 + 0.8 + 0) / 4, 1e-12);
    json_t *json = lt_confusion_json(&c);
    cr_assert_eq(json_integer_value(json_array_get(json_array_get(json_object_get(json, "confusion_matrix"), 2), 0)), 1);
    cr_assert_float_eq(json_number_value(json_object_get(json_array_get(json_object_get(json, "per_class"), 2), "recall")), 2.0 / 3, 1e-12);
    json_decref(json);
    lt_confusion_free(&c);
}

Test(confusion, counts_sets_of_labels)
{
    lt_confusion c;
    const float is[2][2] = {{1, 0}, {1, 1}}, score[2][2] = {{0.3f, -1}, {-0.2f, 2}};
    cr_assert(lt_confusion_init(&c, 2, true));
    for (int i = 0; i < 2; i++)
        lt_confusion_add_set(&c, is[i], score[i]);
    cr_assert_float_eq(lt_confusion_accuracy(&c), 0.5, 1e-12);
    cr_assert_float_eq(lt_confusion_f1_micro(&c), 2.0 * 2 / (2 * 2 + 0 + 1), 1e-12);
    lt_confusion_free(&c);
}
