/* A random Llama in a Hugging Face folder, for tests that need a model on disk. */
#ifndef LT_TESTS_LLAMA_FOLDER_H
#define LT_TESTS_LLAMA_FOLDER_H

#include <stdint.h>

typedef struct test_llama {
    int width, layers, heads, vocabulary; /* feed-forward width is twice the width */
    uint64_t seed;
} test_llama;

/* Writes config.json and model.safetensors into path, an existing folder. */
void test_llama_write(const char *path, const test_llama *llama);

#endif
