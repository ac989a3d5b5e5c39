/* A folder of its own for a test that needs files; removed with everything in it at the end. */
#ifndef LT_TESTS_FOLDER_H
#define LT_TESTS_FOLDER_H

#include <stddef.h>

typedef struct test_folder {
    char path[256];
} test_folder;

test_folder test_folder_make(void);
void test_folder_remove(const test_folder *folder);

/* Path of a file inside it; the result is valid until the eighth next call. */
const char *test_folder_file(const test_folder *folder, const char *name);

/* Writes a file inside it and returns its path, as above. */
const char *test_folder_write(const test_folder *folder, const char *name, const void *data, size_t n);
const char *test_folder_write_text(const test_folder *folder, const char *name, const char *text);

#endif
