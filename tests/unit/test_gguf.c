#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "folder.h"
#include "core/file.h"
#include "formats/gguf_write.h"

enum { F32 = 0, Q8_0 = 8 };

static const lt_gguf_spec specs[] = {{"token_embd.weight", F32, 2, {3, 4}}, {"blk.0.attn_q.weight", Q8_0, 2, {2, 32}}};

static void fill(lt_gguf_metadata *m)
{
    const lt_gguf_string words[] = {{"a", 1}, {"", 0}, {"\xE2\x96\x81z", 4}};
    lt_gguf_set_string(m, "general.architecture", "llama", 5);
    lt_gguf_set_u32(m, "llama.block_count", 7);
    lt_gguf_set_f32(m, "llama.rope.freq_base", 0.25f);
    lt_gguf_set_bool(m, "flag", true);
    lt_gguf_set_strings(m, "words", words, 3);
    lt_gguf_set_f32s(m, "scores", (const float[]){1, -2.5f}, 2);
    lt_gguf_set_i32s(m, "types", (const int32_t[]){-1, 6, 7}, 3);
}

/* A file of the metadata above and two tensors of bytes 0, 1, 2 … */
static const char *write_file(const test_folder *folder, const char *name)
{
    const char *path = test_folder_file(folder, name);
    lt_gguf_metadata m = {0};
    lt_gguf_writer *writer;
    lt_error err;
    unsigned char bytes[68];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)i;
    fill(&m);
    cr_assert(lt_gguf_create(&writer, path, &m, specs, 2, &err), "%s", err.message);
    cr_assert(lt_gguf_append(writer, bytes, 20, &err) && lt_gguf_append(writer, bytes + 20, 28, &err));
    cr_assert(lt_gguf_append(writer, bytes, 68, &err) && lt_gguf_finish(writer, &err), "%s", err.message);
    lt_gguf_metadata_free(&m);
    return path;
}

static void read_back(const char *path, char **data, size_t *size)
{
    lt_error err;
    cr_assert(lt_file_read(path, 1 << 20, data, size, &err), "%s", err.message);
}

Test(gguf, what_was_written_is_read_back)
{
    test_folder folder = test_folder_make();
    const char *path = write_file(&folder, "a.gguf");
    lt_gguf *file;
    lt_gguf_string *words, text = {NULL, 0};
    lt_error err;
    int64_t layers = 0, integer;
    double base = 0, real;
    bool flag = false;
    cr_assert(lt_gguf_is(path));
    cr_assert(lt_gguf_open(&file, path, &err), "%s", err.message);
    cr_assert_eq(file->version, 3);
    cr_assert(lt_gguf_get_int(file, "llama.block_count", 1, 9, &layers, &err) && layers == 7);
    cr_assert(lt_gguf_get_real(file, "llama.rope.freq_base", &base, &err) && base == 0.25);
    cr_assert(lt_gguf_get_bool(file, "flag", &flag, &err) && flag);
    cr_assert(lt_gguf_get_string(file, "general.architecture", &text, &err) && text.size == 5 && !memcmp(text.data, "llama", 5));
    cr_assert(lt_gguf_strings(file, lt_gguf_find(file, "words"), &words, &err));
    cr_assert(words[0].size == 1 && words[1].size == 0 && words[2].size == 4);
    cr_assert(lt_gguf_number(lt_gguf_find(file, "types"), 0, &real, &integer) && real == -1 && integer == -1);
    cr_assert(lt_gguf_number(lt_gguf_find(file, "scores"), 1, &real, NULL) && real == -2.5);
    cr_assert_not(lt_gguf_number(lt_gguf_find(file, "scores"), 1, &real, &integer), "-2.5 is no integer");
    cr_assert_not(lt_gguf_number(lt_gguf_find(file, "types"), 3, &real, NULL));
    cr_assert_null(lt_gguf_find(file, "absent"));

    const lt_gguf_tensor *tensor = lt_gguf_find_tensor(file, "blk.0.attn_q.weight");
    unsigned char bytes[4];
    cr_assert(tensor && tensor->dims == 2 && tensor->shape[0] == 2 && tensor->shape[1] == 32 && tensor->bytes == 68);
    cr_assert_eq(tensor->offset % LT_GGUF_ALIGNMENT, 0);
    cr_assert(lt_file_pread(file->fd, path, bytes, 4, tensor->offset + 60, &err) && bytes[0] == 60);
    free(words);
    lt_gguf_close(file);
    test_folder_remove(&folder);
}

Test(gguf, a_value_of_another_kind_or_out_of_bounds_is_an_error)
{
    test_folder folder = test_folder_make();
    lt_gguf *file;
    lt_error err;
    int64_t integer = 5;
    cr_assert(lt_gguf_open(&file, write_file(&folder, "a.gguf"), &err));
    cr_assert_not(lt_gguf_get_int(file, "llama.block_count", 8, 9, &integer, &err));
    cr_assert(strstr(err.message, "expected 8 to 9, found 7"), "%s", err.message);
    cr_assert_not(lt_gguf_get_int(file, "general.architecture", 0, 9, &integer, &err));
    cr_assert(strstr(err.message, "expected an integer, found string"), "%s", err.message);
    cr_assert(lt_gguf_get_int(file, "absent", 0, 9, &integer, &err) && integer == 5);
    lt_gguf_close(file);
    test_folder_remove(&folder);
}

Test(gguf, a_file_cut_anywhere_is_refused)
{
    test_folder folder = test_folder_make();
    char *data;
    size_t size;
    lt_gguf *file;
    lt_error err;
    read_back(write_file(&folder, "a.gguf"), &data, &size);
    for (size_t n = 0; n < size - 28; n++) { /* the last padding may go */
        char *exact = malloc(n + 1); /* so that a sanitizer sees the end */
        memcpy(exact, data, n);
        cr_assert_not(lt_gguf_parse(&file, "cut", exact, n, (int64_t)n, &err), "%zu bytes were accepted", n);
        cr_assert_eq(err.status, LT_ERR_FORMAT, "%s", err.message);
        free(exact);
    }
    free(data);
    test_folder_remove(&folder);
}

Test(gguf, no_byte_of_a_header_leads_outside_the_file)
{
    test_folder folder = test_folder_make();
    char *data;
    size_t size;
    read_back(write_file(&folder, "a.gguf"), &data, &size);
    static const unsigned char values[] = {0, 1, 9, 0x7F, 0x80, 0xFF};
    for (size_t at = 0; at < size - 116; at++)
        for (size_t v = 0; v < sizeof values; v++) {
            char was = data[at];
            lt_gguf *file;
            lt_error err;
            data[at] = (char)values[v];
            if (lt_gguf_parse(&file, "changed", data, size, (int64_t)size, &err)) {
                for (int64_t i = 0; i < file->tensor_count; i++)
                    cr_assert(file->tensors[i].offset >= 0 && file->tensors[i].bytes > 0 &&
                              file->tensors[i].offset <= (int64_t)size - file->tensors[i].bytes);
                for (int64_t i = 0; i < file->entry_count; i++)
                    cr_assert(file->entries[i].value + file->entries[i].bytes <= (unsigned char *)data + size);
                lt_gguf_close(file);
            }
            data[at] = was;
        }
    free(data);
    test_folder_remove(&folder);
}

static void expect_refusal(const lt_gguf_metadata *m, const lt_gguf_spec *list, int64_t count, const char *part)
{
    test_folder folder = test_folder_make();
    const char *path = test_folder_file(&folder, "bad.gguf");
    lt_gguf_writer *writer;
    lt_gguf *file;
    lt_error err;
    static const char zeros[64];
    cr_assert(lt_gguf_create(&writer, path, m, list, count, &err), "%s", err.message);
    for (int64_t i = 0; i < count; i++)
        cr_assert(lt_gguf_append(writer, zeros, 16, &err));
    cr_assert(lt_gguf_finish(writer, &err));
    cr_assert_not(lt_gguf_open(&file, path, &err), "%s should be refused", part);
    cr_assert(strstr(err.message, part), "%s", err.message);
    test_folder_remove(&folder);
}

Test(gguf, names_that_come_twice_are_refused)
{
    const lt_gguf_spec twice[] = {{"w", F32, 1, {4}}, {"w", F32, 1, {4}}};
    lt_gguf_metadata m = {0};
    expect_refusal(&m, twice, 2, "'w' is there twice");
    lt_gguf_set_u32(&m, "key", 1);
    lt_gguf_set_u32(&m, "key", 2);
    expect_refusal(&m, twice, 1, "'key' is given twice");
    lt_gguf_metadata_free(&m);
}

Test(gguf, an_alignment_that_is_no_power_of_two_is_refused)
{
    lt_gguf_metadata m = {0};
    lt_gguf_set_u32(&m, "general.alignment", 24);
    expect_refusal(&m, NULL, 0, "power of two");
    lt_gguf_metadata_free(&m);
}

Test(gguf, arrays_nested_too_deep_are_refused)
{
    /* an entry "a" whose value is arrays of one array each */
    unsigned char data[512] = {'G', 'G', 'U', 'F', 3};
    size_t at = 24;
    lt_gguf *file;
    lt_error err;
    data[16] = 1;
    data[at] = 1;
    data[at + 8] = 'a';
    at += 9;
    data[at] = LT_GGUF_ARRAY;
    at += 4;
    for (int i = 0; i < 12; i++, at += 12) {
        data[at] = i < 11 ? LT_GGUF_ARRAY : LT_GGUF_U8;
        data[at + 4] = i < 11;
    }
    cr_assert_not(lt_gguf_parse(&file, "nested", data, at, (int64_t)at, &err));
    cr_assert(strstr(err.message, "deep"), "%s", err.message);
}

Test(gguf, an_array_longer_than_the_file_is_refused_at_once)
{
    unsigned char data[64] = {'G', 'G', 'U', 'F', 3};
    lt_gguf *file;
    lt_error err;
    data[16] = 1;
    data[24] = 1;
    data[32] = 'a';
    data[33] = LT_GGUF_ARRAY;
    data[37] = LT_GGUF_STRING;
    memset(data + 41, 0xFF, 8);
    cr_assert_not(lt_gguf_parse(&file, "long", data, sizeof data, sizeof data, &err));
    cr_assert(strstr(err.message, "elements, but the file has 64 bytes"), "%s", err.message);
}
