#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/rng.h"
#include "formats/zst.h"

/* A frame with an empty last block. Window descriptor 0x90: 2^28 bytes, 0x88: 2^27 (RFC 8878, 3.1.1.1.2). */
static const char window_28[] = "\x28\xb5\x2f\xfd\x00\x90\x01\x00\x00";
static const char window_27[] = "\x28\xb5\x2f\xfd\x00\x88\x01\x00\x00";

/* "ab" as two raw blocks of one frame, then a skippable frame of 3 bytes, then "c" as another frame. */
static const char two_frames[] = "\x28\xb5\x2f\xfd\x00\x58\x08\x00\x00\x61\x09\x00\x00\x62"
                                 "\x50\x2a\x4d\x18\x03\x00\x00\x00\xff\xff\xff"
                                 "\x28\xb5\x2f\xfd\x00\x58\x09\x00\x00\x63";

/* One RLE block of 128 KiB of 'x' in 14 bytes, repeated: a small bomb. */
static const char rle_frame[] = "\x28\xb5\x2f\xfd\x00\x58\x03\x00\x10\x78";

static char *noise(size_t n, uint64_t seed)
{
    char *data = malloc(n ? n : 1);
    lt_rng rng = lt_rng_make(seed, 0);
    for (size_t i = 0; i < n; i++)
        data[i] = (char)(lt_rng_u32(&rng) % 7);
    return data;
}

static bool unpack(const void *data, size_t size, size_t limit, char **out, size_t *n, lt_error *err)
{
    void *got = NULL;
    bool ok = lt_zst_decompress("x.zst", data, size, limit, &got, n, err);
    *out = got;
    return ok;
}

Test(zst, buffers_of_any_size_survive_a_round_trip)
{
    static const size_t sizes[] = {0, 1, 100, 65536, 65537, 300000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char *data = noise(sizes[i], i), *back;
        void *packed;
        size_t packed_size, n;
        lt_error err = {0};
        cr_assert(lt_zst_compress(data, sizes[i], 0, &packed, &packed_size, &err));
        cr_assert(unpack(packed, packed_size, 300000, &back, &n, &err), "%s", err.message);
        cr_assert_eq(n, sizes[i]);
        cr_assert_arr_eq(back, data, n);
        free(back);
        if (sizes[i]) /* one byte too many is refused, and every flipped bit of the content is noticed */
            cr_assert_not(unpack(packed, packed_size, sizes[i] - 1, &back, &n, &err));
        ((char *)packed)[packed_size - 1] ^= 1;
        cr_assert_not(unpack(packed, packed_size, 300000, &back, &n, &err));
        cr_assert(strstr(err.message, "checksum"), "%s", err.message);
        free(packed);
        free(data);
    }
}

Test(zst, frames_in_a_row_are_one_stream_and_skippable_frames_are_skipped)
{
    lt_zst_reader *reader;
    lt_error err = {0};
    cr_assert(lt_zst_open_memory(&reader, "x.zst", two_frames, sizeof two_frames - 1, &err));
    for (int round = 0; round < 2; round++) {
        char all[8], *p = all;
        size_t got = 1;
        while (got) { /* a byte at a time */
            cr_assert(lt_zst_read(reader, p, 1, &got, &err), "%s", err.message);
            p += got;
        }
        cr_assert_eq(p - all, 3);
        cr_assert_arr_eq(all, "abc", 3);
        lt_zst_rewind(reader);
    }
    lt_zst_close(reader);
}

Test(zst, every_cut_of_a_stream_is_an_error_or_a_whole_number_of_frames)
{
    for (size_t cut = 0; cut < sizeof two_frames; cut++) {
        char *out;
        size_t n;
        lt_error err = {0};
        bool ok = unpack(two_frames, cut, 100, &out, &n, &err);
        bool whole = cut == 14 || cut == 25 || cut == 35;
        cr_assert_eq(ok, whole, "cut at %zu: %s", cut, err.message);
        if (ok)
            free(out);
        else
            cr_assert_eq(err.status, LT_ERR_FORMAT);
    }
}

Test(zst, a_window_above_2_to_the_27_is_refused)
{
    char *out;
    size_t n;
    lt_error err = {0};
    cr_assert(unpack(window_27, 9, 10, &out, &n, &err), "%s", err.message);
    cr_assert_eq(n, 0);
    free(out);
    cr_assert_not(unpack(window_28, 9, 10, &out, &n, &err));
    cr_assert_eq(err.status, LT_ERR_UNSUPPORTED);
    cr_assert(strstr(err.message, "x.zst") && strstr(err.message, "128 MiB"), "%s", err.message);
}

Test(zst, garbage_and_a_bomb_are_refused)
{
    char *out, bomb[1000];
    size_t n;
    lt_error err = {0};
    cr_assert_not(unpack("hello", 5, 100, &out, &n, &err));
    cr_assert_str_eq(err.message, "x.zst: expected a zstd frame at byte 0, found something else");
    for (int i = 0; i < 100; i++)
        memcpy(bomb + 10 * i, rle_frame, 10);
    cr_assert_not(unpack(bomb, sizeof bomb, 1 << 20, &out, &n, &err));
    cr_assert(strstr(err.message, "more than the 1048576 bytes"), "%s", err.message);
    cr_assert(unpack(bomb, sizeof bomb, 100 << 17, &out, &n, &err), "%s", err.message);
    cr_assert_eq(n, 100u << 17);
    free(out);
}

Test(zst, what_the_writer_writes_to_a_file_the_reader_reads)
{
    char path[] = "/tmp/lathe-zst-XXXXXX";
    int fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    close(fd);
    size_t n = 1000003, at = 0;
    char *data = noise(n, 9), *back = malloc(n + 1);
    lt_file_writer file;
    lt_zst_writer *writer;
    lt_zst_reader *reader;
    lt_error err = {0};
    cr_assert(lt_file_create(&file, path, &err));
    cr_assert(lt_zst_writer_open(&writer, &file, 3, &err));
    for (size_t step = 1; at < n; at += step, step = step * 2 < n - at ? step * 2 : n - at)
        cr_assert(lt_zst_writer_write(writer, data + at, step, &err));
    cr_assert(lt_zst_writer_finish(writer, &err));
    lt_zst_writer_close(writer);
    cr_assert(lt_file_commit(&file, &err));

    cr_assert(lt_zst_open(&reader, path, &err));
    size_t used = 0;
    for (size_t got = 1; got; used += got) {
        size_t room = n + 1 - used;
        cr_assert(lt_zst_read(reader, back + used, room < 4099 ? room : 4099, &got, &err), "%s", err.message);
    }
    lt_zst_close(reader);
    cr_assert_eq(used, n);
    cr_assert_arr_eq(back, data, n);
    free(data);
    free(back);
    unlink(path);
}
