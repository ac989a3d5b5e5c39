/* What tests of the tokenizer share: files in a folder of their own, and short ways to open and to encode. */
#ifndef LT_TESTS_TOKENIZER_FIXTURE_H
#define LT_TESTS_TOKENIZER_FIXTURE_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "text/tokenizer.h"

/* A folder in /tmp; give it back with fixture_remove. */
static inline char *fixture_folder(void)
{
    char *path = strdup("/tmp/lathe-test-XXXXXX");
    cr_assert(mkdtemp(path));
    return path;
}

static inline void fixture_write(const char *folder, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *out = fopen(path, "wb");
    cr_assert(out && fwrite(text, 1, strlen(text), out) == strlen(text) && fclose(out) == 0);
}

static inline void fixture_remove(char *folder)
{
    static const char *const names[] = {"tokenizer.json",
                                        "tokenizer_config.json",
                                        "special_tokens_map.json",
                                        "generation_config.json",
                                        "config.json",
                                        "vocab.json",
                                        "merges.txt",
                                        "tokenizer.model"};
    char path[256];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
    free(folder);
}

/* Opens a tokenizer.json given as text; NULL with *err set when it is refused. */
static inline lt_tokenizer *fixture_try(const char *json, lt_error *err)
{
    char *folder = fixture_folder(), path[256];
    lt_tokenizer *t = NULL;
    fixture_write(folder, "tokenizer.json", json);
    snprintf(path, sizeof path, "%s/tokenizer.json", folder);
    if (!lt_tokenizer_open(&t, path, err))
        t = NULL;
    fixture_remove(folder);
    return t;
}

static inline lt_tokenizer *fixture_open(const char *json)
{
    lt_error err;
    lt_tokenizer *t = fixture_try(json, &err);
    cr_assert(t, "%s", err.message);
    return t;
}

/* Encodes size bytes and expects ids, written with spaces between. */
static inline void fixture_expect(const lt_tokenizer *t, const char *text, size_t size, unsigned flags,
                                  const char *expected)
{
    lt_error err;
    lt_ids ids = {0};
    char line[512] = "";
    cr_assert(lt_tokenizer_encode(t, text, size, flags, &ids, &err), "%s", err.message);
    for (size_t i = 0; i < ids.count; i++)
        snprintf(line + strlen(line), sizeof line - strlen(line), "%s%d", i ? " " : "", ids.data[i]);
    cr_expect_str_eq(line, expected, "\"%s\": expected %s, got %s", text, expected, line);
    lt_ids_free(&ids);
}

#endif
