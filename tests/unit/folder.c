#include "folder.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

test_folder test_folder_make(void)
{
    test_folder folder;
    const char *base = getenv("TMPDIR");
    snprintf(folder.path, sizeof folder.path, "%s/lathe-test-XXXXXX", base && *base ? base : "/tmp");
    cr_assert_not_null(mkdtemp(folder.path));
    return folder;
}

static void remove_tree(const char *path)
{
    struct stat st;
    DIR *dir = lstat(path, &st) == 0 && S_ISDIR(st.st_mode) ? opendir(path) : NULL;
    if (!dir) {
        unlink(path);
        return;
    }
    for (struct dirent *entry; (entry = readdir(dir));) {
        char inside[1024];
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        snprintf(inside, sizeof inside, "%s/%s", path, entry->d_name);
        remove_tree(inside);
    }
    closedir(dir);
    rmdir(path);
}

void test_folder_remove(const test_folder *folder)
{
    remove_tree(folder->path);
}

const char *test_folder_file(const test_folder *folder, const char *name)
{
    static char paths[8][1024];
    static int next;
    char *path = paths[next++ & 7];
    snprintf(path, sizeof paths[0], "%s/%s", folder->path, name);
    return path;
}

const char *test_folder_write(const test_folder *folder, const char *name, const void *data, size_t n)
{
    const char *path = test_folder_file(folder, name);
    FILE *file = fopen(path, "wb");
    cr_assert(file && fwrite(data, 1, n, file) == n && fclose(file) == 0);
    return path;
}

const char *test_folder_write_text(const test_folder *folder, const char *name, const char *text)
{
    return test_folder_write(folder, name, text, strlen(text));
}
