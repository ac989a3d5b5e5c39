/* A whole safetensors file from a stranger that says to hold quantised matrices: opened, and every row decoded, read by itself
 * and through the mapping. */
#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "nn/weights.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const char *path, int64_t rows, int64_t cols)
{
    lt_weights *weights;
    lt_weight weight;
    lt_error err;
    float *alone = malloc((size_t)cols * sizeof *alone), *mapped = malloc((size_t)cols * sizeof *mapped);
    if (lt_weights_open(&weights, path, &err)) {
        if (lt_weights_find(weights, "w.weight", rows, cols, &weight, &err))
            for (int s = 0; s < lt_weights_slabs(&weight); s++) {
                int64_t first;
                lt_matrix m = lt_weights_use(&weight, s, &first);
                for (int64_t row = 0; row < m.rows; row++) {
                    if (!lt_weights_read_row(&weight, first + row, alone, &err))
                        abort();
                    lt_kernels_get()->decode_f32(&m, row, 0, cols, mapped);
                    for (int64_t i = 0; i < cols; i++)
                        assert(alone[i] == mapped[i] || isnan(alone[i]));
                }
            }
        lt_weights_close(weights);
    }
    free(alone);
    free(mapped);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    use(path, 4, 32);
    use(path, 3, 43); /* an odd number of elements, blocks across rows */
    close(fd);
    return 0;
}
