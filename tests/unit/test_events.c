#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "folder.h"
#include "formats/events.h"
#include "train/report.h"

/* RFC 3720, B.4 */
Test(events, crc32c_gives_the_values_of_its_standard)
{
    char zeros[32] = {0}, ones[32], rising[32];
    memset(ones, 0xff, sizeof ones);
    for (int i = 0; i < 32; i++)
        rising[i] = (char)i;
    cr_assert_eq(lt_events_crc32c(zeros, 32), 0x8a9136aau);
    cr_assert_eq(lt_events_crc32c(ones, 32), 0x62a8ab43u);
    cr_assert_eq(lt_events_crc32c(rising, 32), 0x46dd794eu);
}

/* Byte by byte what tensorboard's own writer makes of the same event. */
Test(events, a_scalar_is_a_record_of_an_event_with_a_summary)
{
    test_folder folder = test_folder_make();
    const char *path = test_folder_file(&folder, "events");
    lt_events events;
    lt_error err;
    char *data;
    size_t size;
    cr_assert(lt_events_create(&events, path, 2.0, &err), "%s", err.message);
    cr_assert(lt_events_add(&events, 3.0, 300, &(lt_event_value){"a/b", 1.5f}, 1, &err));
    cr_assert(lt_events_finish(&events, &err));
    cr_assert(lt_file_read(path, 1000, &data, &size, NULL));
    static const char message[] = "\x09\0\0\0\0\0\0\x08\x40\x10\xac\x02\x2a\x0c\x0a\x0a\x0a\x03"
                                  "a/b\x15\0\0\xc0\x3f";
    const size_t first = 8 + 4 + 24 + 4, n = sizeof message - 1;
    cr_assert_eq(size, first + 8 + 4 + n + 4);
    cr_assert_eq((size_t)data[0], 24);
    cr_assert_arr_eq(data + 12 + 11, "brain.Event:2", 13);
    cr_assert_eq((size_t)data[first], n);
    cr_assert_arr_eq(data + first + 12, message, n);
    free(data);
    test_folder_remove(&folder);
}

Test(events, a_report_holds_curves_and_nothing_of_a_hostile_recipe_gets_out_of_its_text)
{
    test_folder folder = test_folder_make();
    char *page;
    size_t size;
    lt_error err;
    test_folder_write_text(&folder, "metrics.jsonl",
                           "{\"step\": 1, \"loss\": 3.5, \"<b>\": 1, \"elapsed\": 1}\n{\"step\": 2, \"loss\": 2.5, \"eval_loss\": 2}\nbroken\n[1]\n{\"loss\": 9}\n");
    test_folder_write_text(&folder, "recipe.yaml", "model: \"<script>alert(1)</script>\"\n");
    test_folder_write_text(&folder, "summary.json", "{\"model\": \"a&b\", \"steps\": 2, \"loss_last\": 2.5}");
    cr_assert(lt_report_write(folder.path, &err), "%s", err.message);
    cr_assert(lt_file_read(test_folder_file(&folder, "report.html"), 1 << 20, &page, &size, NULL));
    cr_assert(strstr(page, "<polyline") && strstr(page, "a&amp;b") && strstr(page, "eval_loss"));
    cr_assert_not(strstr(page, "<script") || strstr(page, "<b>") || strstr(page, "http"));
    cr_assert(lt_file_exists(test_folder_file(&folder, "runs/events.out.tfevents.0.lathe")));
    free(page);
    cr_assert_not(lt_report_write("/nonexistent", &err));
    test_folder_remove(&folder);
}
