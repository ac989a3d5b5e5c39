#include <criterion/criterion.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder.h"
#include "formats/safetensors.h"

/* Writes a file with this header and so many bytes of data, 0, 1, 2 … */
static const char *write_raw(const test_folder *folder, const char *name, const char *header, size_t data_bytes)
{
    size_t n = strlen(header);
    unsigned char file[8192] = {(unsigned char)n, (unsigned char)(n >> 8)};
    cr_assert_lt(8 + n + data_bytes, sizeof file);
    memcpy(file + 8, header, n);
    for (size_t i = 0; i < data_bytes; i++)
        file[8 + n + i] = (unsigned char)i;
    return test_folder_write(folder, name, file, 8 + n + data_bytes);
}

static void expect_refusal(const char *path, lt_status status, const char *part)
{
    lt_safetensors *set = NULL;
    lt_error err = {0};
    cr_assert_not(lt_safetensors_open(&set, path, &err), "%s should be refused", part);
    cr_assert_eq(err.status, status, "%s", err.message);
    cr_assert(strstr(err.message, part), "expected '%s' in: %s", part, err.message);
    cr_assert_null(set);
}

#define U8(name, size, begin, end) "\"" name "\":{\"dtype\":\"U8\",\"shape\":[" size "],\"data_offsets\":[" begin "," end "]}"

Test(safetensors, refuses_every_malformed_header_and_names_the_place)
{
    static const struct {
        const char *header;
        size_t data;
        lt_status status;
        const char *part;
    } cases[] = {
        {"{" U8("a", "4", "0", "4"), 4, LT_ERR_FORMAT, "not valid JSON"},
        {"[]", 0, LT_ERR_FORMAT, "does not begin with '{'"},
        {"", 0, LT_ERR_FORMAT, "does not begin with '{'"},
        {"{} x", 0, LT_ERR_FORMAT, "not valid JSON"},
        {"{\"a\":1}", 0, LT_ERR_FORMAT, "tensor 'a': expected an object, found an integer"},
        {"{" U8("a", "4", "0", "4") "," U8("a", "4", "0", "4") "}", 4, LT_ERR_FORMAT, "duplicate object key"},
        {"{" U8("a", "4", "0", "4") "," U8("b", "4", "2", "6") "}", 6, LT_ERR_FORMAT, "tensor 'b': data_offsets begin at 2, inside"},
        {"{" U8("a", "4", "0", "4") "," U8("b", "4", "5", "9") "}", 9, LT_ERR_FORMAT, "tensor 'b': data_offsets begin at 5, leaving a hole"},
        {"{" U8("a", "4", "1", "5") "}", 5, LT_ERR_FORMAT, "leaving a hole"},
        {"{" U8("a", "4", "0", "4") "}", 5, LT_ERR_FORMAT, "its tensors end at 4 but 5 bytes"},
        {"{}", 1, LT_ERR_FORMAT, "its tensors end at 0 but 1 bytes"},
        {"{" U8("a", "4", "4", "0") "}", 4, LT_ERR_FORMAT, "tensor 'a': data_offsets: [4, 0] is not a range"},
        {"{" U8("a", "4", "-4", "0") "}", 4, LT_ERR_FORMAT, "is not a range"},
        {"{" U8("a", "4", "0", "5") "}", 5, LT_ERR_FORMAT, "tensor 'a': data_offsets span 5 bytes, its shape and dtype need 4"},
        {"{" U8("a", "8", "0", "8") "}", 4, LT_ERR_FORMAT, "data_offsets end at 8 but the file has 4 bytes of data"},
        {"{" U8("a", "4", "0", "9223372036854775807") "}", 4, LT_ERR_FORMAT, "data_offsets end at 9223372036854775807"},
        {"{" U8("a", "4", "0", "18446744073709551620") "}", 4, LT_ERR_FORMAT, "not valid JSON"},
        {"{" U8("a", "4", "0.0", "4") "}", 4, LT_ERR_FORMAT, "list of two integers"},
        {"{" U8("a", "4", "0", "4,4") "}", 4, LT_ERR_FORMAT, "list of two integers"},
        {"{" U8("a", "4294967296,4294967296,4", "0", "4") "}", 4, LT_ERR_FORMAT, "tensor 'a': shape: the number of elements exceeds 64 bits"},
        {"{\"a\":{\"dtype\":\"F64\",\"shape\":[2305843009213693953],\"data_offsets\":[0,8]}}", 8, LT_ERR_FORMAT, "number of bytes exceeds 64 bits"},
        {"{" U8("a", "-4", "0", "4") "}", 4, LT_ERR_FORMAT, "tensor 'a': shape[0]: expected an integer, not negative"},
        {"{" U8("a", "\"4\"", "0", "4") "}", 4, LT_ERR_FORMAT, "shape[0]"},
        {"{" U8("a", "1,1,1,1,1,1,1,1,1", "0", "1") "}", 1, LT_ERR_UNSUPPORTED, "at most 8 dimensions, found 9"},
        {"{\"a\":{\"dtype\":\"F7\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4, LT_ERR_UNSUPPORTED, "tensor 'a': dtype 'F7' is not known"},
        {"{\"a\":{\"shape\":[4],\"data_offsets\":[0,4]}}", 4, LT_ERR_FORMAT, "dtype: expected a string, found nothing"},
        {"{\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,4]}}", 4, LT_ERR_FORMAT, "shape: expected a list, found nothing"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4]}}", 4, LT_ERR_FORMAT, "list of two integers"},
        {"{" U8("a\\u0000b", "4", "0", "4") "}", 4, LT_ERR_FORMAT, "NUL byte in object key"},
        {"{" U8("a\\u001b[31m", "4", "0", "9") "}", 9, LT_ERR_FORMAT, "tensor 'a\\x1b[31m'"},
        {"{\"__metadata__\":[]}", 0, LT_ERR_FORMAT, "__metadata__: expected an object"},
        {"{\"__metadata__\":{\"k\":3}}", 0, LT_ERR_FORMAT, "__metadata__: 'k': expected a string"},
    };
    test_folder folder = test_folder_make();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_refusal(write_raw(&folder, "x.safetensors", cases[i].header, cases[i].data), cases[i].status, cases[i].part);
    test_folder_remove(&folder);
}

Test(safetensors, refuses_nesting_bombs_without_building_them)
{
    test_folder folder = test_folder_make();
    char header[6000];
    memset(header, '[', sizeof header);
    memcpy(header, "{\"a\":", 5);
    header[sizeof header - 1] = '\0';
    expect_refusal(write_raw(&folder, "x.safetensors", header, 0), LT_ERR_FORMAT, "a nest of empty values");
    for (size_t i = 5; i < sizeof header - 1; i++)
        header[i] = i % 16 ? ' ' : '[';
    expect_refusal(write_raw(&folder, "x.safetensors", header, 0), LT_ERR_FORMAT, "not valid JSON");
    test_folder_remove(&folder);
}

Test(safetensors, refuses_header_lengths_that_the_file_cannot_hold)
{
    test_folder folder = test_folder_make();
    unsigned char file[16] = {0};
    expect_refusal(test_folder_write(&folder, "a", file, 0), LT_ERR_FORMAT, "found 0 bytes");
    expect_refusal(test_folder_write(&folder, "a", file, 7), LT_ERR_FORMAT, "found 7 bytes");
    file[0] = 9;
    expect_refusal(test_folder_write(&folder, "a", file, 16), LT_ERR_FORMAT, "claims 9 bytes but the file has 16");
    memset(file, 0xff, 8);
    expect_refusal(test_folder_write(&folder, "a", file, 16), LT_ERR_FORMAT, "claims 18446744073709551615 bytes");
    memset(file, 0, 8);
    file[3] = 0x70; /* above 100 MB, in a sparse file that is long enough */
    const char *path = test_folder_write(&folder, "a", file, 16);
    cr_assert_eq(truncate(path, (off_t)3 << 30), 0);
    expect_refusal(path, LT_ERR_FORMAT, "at most 100000000 are accepted");
    test_folder_remove(&folder);
}

Test(safetensors, refuses_what_is_not_a_regular_file)
{
    test_folder folder = test_folder_make();
    const char *fifo = test_folder_file(&folder, "model.safetensors");
    cr_assert_eq(mkfifo(fifo, 0600), 0);
    expect_refusal(fifo, LT_ERR_FORMAT, "found a FIFO");
    expect_refusal(folder.path, LT_ERR_FORMAT, "found a FIFO");
    unlink(fifo);
    cr_assert_eq(mkdir(fifo, 0700), 0);
    expect_refusal(folder.path, LT_ERR_FORMAT, "found a folder");
    rmdir(fifo);
    expect_refusal(folder.path, LT_ERR_IO, "expected model.safetensors or model.safetensors.index.json");
    expect_refusal(fifo, LT_ERR_IO, "cannot open");
    test_folder_write_text(&folder, "pytorch_model.bin", "x");
    expect_refusal(folder.path, LT_ERR_UNSUPPORTED, "pickled weights are not read");
    test_folder_remove(&folder);
}

Test(safetensors, refuses_an_index_that_leaves_the_folder_or_disagrees_with_its_shards)
{
    static const struct {
        const char *index;
        lt_status status;
        const char *part;
    } cases[] = {
        {"{\"weight_map\":{\"a\":\"../one\"}}", LT_ERR_FORMAT, "field 'weight_map.a': expected a file name inside the folder"},
        {"{\"weight_map\":{\"a\":\"/etc/passwd\"}}", LT_ERR_FORMAT, "expected a file name inside the folder"},
        {"{\"weight_map\":{\"a\":\"..\"}}", LT_ERR_FORMAT, "expected a file name inside the folder"},
        {"{\"weight_map\":{\"a\":\"\"}}", LT_ERR_FORMAT, "expected a file name inside the folder"},
        {"{\"weight_map\":{\"a\":\"absent\"}}", LT_ERR_IO, "absent: cannot open"},
        {"{\"weight_map\":{\"a\":\"one\",\"b\":\"one\"}}", LT_ERR_FORMAT, "'weight_map.b': expected this tensor in one"},
        {"{\"weight_map\":{\"a\":\"two\",\"b\":\"one\"}}", LT_ERR_FORMAT, "expected this tensor in"},
        {"{\"weight_map\":{\"a\":\"one\",\"b\":\"again\"}}", LT_ERR_FORMAT, "tensor 'a' is also in"},
        {"{\"weight_map\":{\"a\":3}}", LT_ERR_FORMAT, "'weight_map.a': expected a string, found an integer"},
        {"{\"weight_map\":[]}", LT_ERR_FORMAT, "'weight_map': expected an object, found a list"},
        {"{\"weight_map\":{}}", LT_ERR_FORMAT, "expected at least one tensor"},
        {"{}", LT_ERR_FORMAT, "expected a field 'weight_map'"},
        {"{", LT_ERR_FORMAT, "not valid JSON"},
    };
    test_folder folder = test_folder_make();
    write_raw(&folder, "one", "{" U8("a", "4", "0", "4") "}", 4);
    write_raw(&folder, "two", "{" U8("b", "4", "0", "4") "}", 4);
    write_raw(&folder, "again", "{" U8("a", "1", "0", "1") "," U8("b", "3", "1", "4") "}", 4);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        test_folder_write_text(&folder, "model.safetensors.index.json", cases[i].index);
        expect_refusal(folder.path, cases[i].status, cases[i].part);
    }
    test_folder_remove(&folder);
}

Test(safetensors, opens_shards_through_links_and_finds_every_tensor)
{
    test_folder folder = test_folder_make(), blobs = test_folder_make();
    lt_safetensors *set;
    lt_error err;
    unsigned char bytes[4];
    write_raw(&blobs, "blob", "{" U8("b", "4", "3", "7") "," U8("zz", "3", "0", "3") "}", 7);
    cr_assert_eq(symlink(test_folder_file(&blobs, "blob"), test_folder_file(&folder, "two.safetensors")), 0);
    write_raw(&folder, "one.safetensors", "{\"__metadata__\":{\"format\":\"pt\"}," U8("a", "2,2", "0", "4") "}  ", 4);
    test_folder_write_text(&folder, "model.safetensors.index.json",
                           "{\"weight_map\":{\"b\":\"two.safetensors\",\"a\":\"one.safetensors\"}}");
    cr_assert(lt_safetensors_open(&set, folder.path, &err), "%s", err.message);
    cr_assert_eq(lt_safetensors_count(set), 3);
    cr_assert_eq(lt_safetensors_shard_count(set), 2);
    cr_assert_str_eq(lt_safetensors_at(set, 0)->name, "a");
    cr_assert_str_eq(lt_safetensors_at(set, 1)->name, "zz", "sorted by shard and offset");
    const lt_tensor_info *b = lt_safetensors_find(set, "b");
    cr_assert(b && b->dims == 1 && b->shape[0] == 4 && b->bytes == 4 && b->shard == 1 && b->dtype == LT_DTYPE_U8);
    cr_assert(lt_safetensors_read(set, b, bytes, &err));
    cr_assert_eq(bytes[0], 3);
    cr_assert_null(lt_safetensors_find(set, "bb"));
    cr_assert_str_eq(lt_safetensors_metadata(set, "format"), "pt");
    cr_assert_null(lt_safetensors_metadata(set, "absent"));
    lt_safetensors_close(set);
    test_folder_remove(&folder);
    test_folder_remove(&blobs);
}

Test(safetensors, a_file_that_shrinks_or_changes_after_opening_is_an_error)
{
    test_folder folder = test_folder_make();
    lt_safetensors *set;
    lt_error err;
    unsigned char bytes[4];
    const char *path = write_raw(&folder, "x", "{" U8("a", "4", "0", "4") "}", 4);
    cr_assert(lt_safetensors_open(&set, path, &err));
    cr_assert(lt_safetensors_unchanged(set, &err));
    cr_assert_eq(truncate(path, lt_safetensors_shard_bytes(set, 0) - 2), 0);
    cr_assert_not(lt_safetensors_read(set, lt_safetensors_at(set, 0), bytes, &err));
    cr_assert(strstr(err.message, "tensor 'a'") && strstr(err.message, "did it shrink?"), "%s", err.message);
    cr_assert_not(lt_safetensors_unchanged(set, &err));
    cr_assert(strstr(err.message, "bytes when it was opened"), "%s", err.message);
    lt_safetensors_close(set);

    write_raw(&folder, "x", "{" U8("a", "4", "0", "4") "}", 4);
    cr_assert(lt_safetensors_open(&set, path, &err));
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 1}};
    cr_assert_eq(utimensat(AT_FDCWD, path, times, 0), 0);
    cr_assert_not(lt_safetensors_unchanged(set, &err));
    cr_assert(strstr(err.message, "written to"), "%s", err.message);
    lt_safetensors_close(set);

    cr_assert(lt_safetensors_open(&set, path, &err));
    write_raw(&folder, "y", "{" U8("a", "4", "0", "4") "}", 4);
    cr_assert_eq(rename(test_folder_file(&folder, "y"), path), 0);
    cr_assert_not(lt_safetensors_unchanged(set, &err));
    cr_assert(strstr(err.message, "replaced"), "%s", err.message);
    unlink(path);
    cr_assert_not(lt_safetensors_unchanged(set, &err));
    lt_safetensors_close(set);
    test_folder_remove(&folder);
}

Test(safetensors, reads_back_what_it_wrote_and_widens_every_float_type)
{
    enum { N = 5000 };
    test_folder folder = test_folder_make();
    const char *path = test_folder_file(&folder, "x.safetensors");
    const lt_tensor_spec specs[] = {
        {"bytes \"quoted\"", LT_DTYPE_U8, 1, {3}}, {"bf16", LT_DTYPE_BF16, 2, {5, 1000}}, {"f16", LT_DTYPE_F16, 1, {N}},
        {"f64", LT_DTYPE_F64, 1, {N}},             {"f32", LT_DTYPE_F32, 1, {N}},         {"scalar", LT_DTYPE_F32, 0, {0}},
        {"none", LT_DTYPE_F32, 2, {0, 7}},
    };
    const char *const metadata[] = {"format", "pt", "note", "a\nb", NULL};
    static float f32[N], back[N];
    static double f64[N];
    static uint16_t bf16[N], f16[N];
    lt_safetensors_writer *writer;
    lt_safetensors *set;
    lt_error err;
    for (int i = 0; i < N; i++) {
        f32[i] = (float)(i - 2500) / 8;
        f64[i] = f32[i];
        bf16[i] = lt_f32_to_bf16(f32[i]);
        f16[i] = lt_f32_to_f16(f32[i]);
    }
    cr_assert(lt_safetensors_create(&writer, path, specs, 7, metadata, &err), "%s", err.message);
    cr_assert(lt_safetensors_append(writer, "abc", 3, &err) && lt_safetensors_append(writer, bf16, sizeof bf16, &err) &&
              lt_safetensors_append(writer, f16, sizeof f16, &err) && lt_safetensors_append(writer, f64, sizeof f64, &err) &&
              lt_safetensors_append(writer, f32, 100, &err) &&
              lt_safetensors_append(writer, (char *)f32 + 100, sizeof f32 - 100, &err) &&
              lt_safetensors_append(writer, f32, 4, &err));
    cr_assert_eq(access(path, F_OK), -1, "nothing appears under the final name before it is complete");
    cr_assert(lt_safetensors_finish(writer, &err));

    cr_assert(lt_safetensors_open(&set, path, &err), "%s", err.message);
    cr_assert_eq(lt_safetensors_count(set), 7);
    cr_assert_str_eq(lt_safetensors_metadata(set, "note"), "a\nb");
    cr_assert_eq(lt_safetensors_at(set, 0)->offset % 8, 0);
    for (int i = 1; i < 5; i++) {
        memset(back, 0xff, sizeof back);
        const lt_tensor_info *tensor = lt_safetensors_find(set, specs[i].name);
        cr_assert(lt_safetensors_read_f32(set, tensor, back, &err), "%s", err.message);
        for (int j = 0; j < N; j++)
            cr_assert_eq(back[j], i == 1 ? lt_bf16_to_f32(bf16[j]) : i == 2 ? lt_f16_to_f32(f16[j]) : f32[j],
                         "%s[%d]", specs[i].name, j);
    }
    cr_assert_not(lt_safetensors_read_f32(set, lt_safetensors_find(set, specs[0].name), back, &err));
    cr_assert(strstr(err.message, "expected floating-point numbers, found U8"), "%s", err.message);
    cr_assert_eq(lt_safetensors_find(set, "scalar")->elements, 1);
    cr_assert(lt_safetensors_read(set, lt_safetensors_find(set, "none"), back, &err));
    lt_safetensors_close(set);
    test_folder_remove(&folder);
}

Test(safetensors, writing_refuses_impossible_names_and_abort_leaves_nothing)
{
    test_folder folder = test_folder_make();
    const char *path = test_folder_file(&folder, "x");
    lt_tensor_spec specs[] = {{"a", LT_DTYPE_U8, 1, {3}}, {"a", LT_DTYPE_U8, 1, {3}}};
    lt_safetensors_writer *writer;
    lt_error err;
    cr_assert_not(lt_safetensors_create(&writer, path, specs, 2, NULL, &err));
    cr_assert(strstr(err.message, "two tensors are named 'a'"));
    specs[1].name = "\xff";
    cr_assert_not(lt_safetensors_create(&writer, path, specs, 2, NULL, &err));
    cr_assert(strstr(err.message, "cannot be the name"), "%s", err.message);
    specs[1].name = "b";
    cr_assert_not(lt_safetensors_create(&writer, test_folder_file(&folder, "no/x"), specs, 2, NULL, &err));
    cr_assert(lt_safetensors_create(&writer, path, specs, 2, NULL, &err));
    cr_assert(lt_safetensors_append(writer, "abc", 3, &err));
    lt_safetensors_abort(writer);
    cr_assert_eq(rmdir(folder.path), 0, "the folder is empty again");
}
