/* A GGUF file from a stranger: as a model's configuration and tensors, and as a tokenizer. */
#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "models/gguf.h"
#include "text/tokenizer_gguf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use_model(const lt_gguf *file)
{
    lt_config config;
    lt_safetensors *set;
    lt_error err;
    if (!lt_gguf_config_load(file, &config, &err))
        return;
    if (lt_gguf_tensors_open(file, &config, &set, &err)) {
        for (int64_t i = 0; i < lt_safetensors_count(set); i++) {
            const lt_tensor_info *tensor = lt_safetensors_at(set, i);
            float *values = malloc((size_t)tensor->elements * sizeof *values);
            lt_safetensors_read_f32(set, tensor, values, &err);
            free(values);
        }
        lt_safetensors_close(set);
    }
    lt_config_free(&config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    lt_gguf *file;
    lt_error err;
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (lt_gguf_open(&file, path, &err)) {
        for (int64_t i = 0; i < file->tensor_count; i++)
            assert(file->tensors[i].offset >= 0 && file->tensors[i].offset + file->tensors[i].bytes <= (int64_t)size);
        use_model(file);
        json_decref(lt_tokenizer_gguf_root(file, &err));
        json_decref(lt_tokenizer_gguf_config(file, &err));
        lt_gguf_close(file);
    }
    close(fd);
    return 0;
}
