/* A whole safetensors file from a stranger: opened, every tensor looked up and read. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "formats/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    lt_safetensors *set;
    lt_error err;
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (lt_safetensors_open(&set, path, &err)) {
        for (int64_t i = 0; i < lt_safetensors_count(set); i++) {
            const lt_tensor_info *tensor = lt_safetensors_at(set, i);
            assert(lt_safetensors_find(set, tensor->name) == tensor);
            assert(tensor->offset >= 8 && tensor->bytes >= 0 && tensor->offset + tensor->bytes <= (int64_t)size);
            /* accepted sizes are backed by the file, so this memory is bounded by it */
            float *values = malloc((size_t)tensor->elements * sizeof *values + 1);
            lt_safetensors_read_f32(set, tensor, values, &err);
            free(values);
        }
        lt_safetensors_metadata(set, "format");
        lt_safetensors_close(set);
    }
    close(fd);
    return 0;
}
