#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/safetensors.h"
#include "rl/mix.h"

static char folder[64];

static const char *file(const char *name)
{
    static char path[64][128];
    static int turn;
    turn = (turn + 1) % 64;
    snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

static void make_folder(void)
{
    strcpy(folder, "/tmp/lathe-mix-XXXXXX");
    cr_assert(mkdtemp(folder));
}

static void write_rows(const char *name, const char *tag, int n)
{
    FILE *f = fopen(file(name), "w");
    for (int i = 0; i < n; i++)
        fprintf(f, "{\"text\": \"%s %d\"}\n", tag, i);
    fclose(f);
}

static int lines_with(const char *name, const char *text)
{
    char line[256];
    int n = 0;
    FILE *f = fopen(file(name), "r");
    cr_assert(f);
    while (fgets(line, sizeof line, f))
        n += strstr(line, text) != NULL;
    fclose(f);
    return n;
}

Test(mix, rows_come_at_their_shares_and_none_twice)
{
    lt_error err = {0};
    make_folder();
    write_rows("a.jsonl", "human", 30);
    write_rows("b.jsonl", "made", 100);
    lt_mix_source sources[2] = {{.path = file("a.jsonl"), .share = 1}, {.path = file("b.jsonl"), .share = 3}};
    cr_assert(lt_mix_rows(file("out.jsonl"), sources, 2, 0, 5, &err), "%s", err.message);
    cr_expect_eq(sources[0].taken, 30);
    cr_expect_eq(sources[1].taken, 90);
    cr_expect_eq(lines_with("out.jsonl", "human"), 30);
    cr_expect_eq(lines_with("out.jsonl", "made"), 90);
    cr_expect_eq(lines_with("out.jsonl", "human 7\""), 1);
    cr_assert(lt_mix_rows(file("out.jsonl"), sources, 2, 200, 5, &err), "%s", err.message);
    cr_expect_eq(lines_with("out.jsonl", "human"), 50, "with rows given, rows are taken again");
    cr_expect_leq(lines_with("out.jsonl", "human 7\""), 2);
    sources[0].share = 0;
    cr_expect_not(lt_mix_rows(file("bad.jsonl"), sources, 2, 0, 5, &err));
    cr_expect(access(file("bad.jsonl"), F_OK) != 0);
}

static void write_adapter(const char *name, int rank, float x, float y)
{
    lt_tensor_spec spec = {.name = "base_model.model.q.lora_A.weight", .dtype = LT_DTYPE_F32, .dims = 2, .shape = {rank, 1}};
    lt_safetensors_writer *writer;
    lt_error err = {0};
    char path[256];
    float values[2] = {x, y};
    cr_assert(mkdir(file(name), 0777) == 0);
    snprintf(path, sizeof path, "%s/%s/adapter_model.safetensors", folder, name);
    cr_assert(lt_safetensors_create(&writer, path, &spec, 1, NULL, &err), "%s", err.message);
    cr_assert(lt_safetensors_append(writer, values, rank * 4, &err) && lt_safetensors_finish(writer, &err));
    snprintf(path, sizeof path, "%s/%s/adapter_config.json", folder, name);
    FILE *f = fopen(path, "w");
    fprintf(f, "{\"peft_type\": \"LORA\", \"r\": %d}", rank);
    fclose(f);
}

Test(mix, adapters_are_averaged_tensor_by_tensor)
{
    lt_error err = {0};
    lt_safetensors *set;
    float values[2];
    make_folder();
    write_adapter("one", 2, 1, -2);
    write_adapter("two", 2, 5, 2);
    write_adapter("other", 1, 5, 2);
    const char *folders[2] = {file("one"), file("two")};
    double weights[2] = {3, 1};
    cr_assert(lt_mix_adapters(file("mean"), folders, weights, 2, &err), "%s", err.message);
    cr_assert(lt_safetensors_open(&set, file("mean/adapter_model.safetensors"), &err), "%s", err.message);
    cr_assert(lt_safetensors_read_f32(set, lt_safetensors_at(set, 0), values, &err));
    cr_expect_float_eq(values[0], 2, 1e-6);
    cr_expect_float_eq(values[1], -1, 1e-6);
    lt_safetensors_close(set);
    cr_expect(access(file("mean/adapter_config.json"), F_OK) == 0);
    folders[1] = file("other");
    cr_expect_not(lt_mix_adapters(file("bad"), folders, NULL, 2, &err));
    cr_expect(strstr(err.message, "no average"), "%s", err.message);
}
