#include "models/new_folder.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/file.h"
#include "formats/json.h"

static bool is_empty_folder(const char *path)
{
    DIR *dir = opendir(path);
    int entries = 0;
    if (!dir)
        return false;
    while (readdir(dir) && entries < 3)
        entries++;
    closedir(dir);
    return entries == 2;
}

bool lt_new_folder_begin(lt_new_folder *f, const char *output, int64_t bytes, lt_error *err)
{
    struct statvfs fs;
    size_t n = strlen(output);
    *f = (lt_new_folder){0};
    while (n > 1 && output[n - 1] == '/')
        n--;
    if (n == 0 || n >= sizeof f->output)
        return lt_error_set(err, LT_ERR_USAGE, "folder name of %zu bytes", n);
    memcpy(f->output, output, n);
    if (lt_file_exists(f->output) && !is_empty_folder(f->output))
        return lt_error_set(err, LT_ERR_USAGE, "%s: exists and is not an empty folder", f->output);
    snprintf(f->folder, sizeof f->folder, "%s.tmp-%ld", f->output, (long)getpid());
    if (!lt_file_make_folder(f->folder, err))
        return false;
    if (statvfs(f->folder, &fs) == 0 && (double)fs.f_bavail * (double)fs.f_frsize < (double)bytes)
        return lt_error_set(err, LT_ERR_IO, "%s: the weights need %" PRId64 " bytes, the disk has %.0f free", f->output, bytes,
                            (double)fs.f_bavail * (double)fs.f_frsize);
    return true;
}

bool lt_new_folder_write_json(const char *folder, const char *name, const json_t *root, bool sorted, lt_error *err)
{
    char path[4096];
    if (!lt_file_join(path, sizeof path, folder, name, err))
        return false;
    char *text = lt_json_text(root, 2, sorted), *line = text ? realloc(text, strlen(text) + 2) : NULL;
    if (!line) {
        free(text);
        return lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory", path);
    }
    strcat(line, "\n");
    bool ok = lt_file_replace(path, line, strlen(line), err);
    free(line);
    return ok;
}

void lt_new_folder_shard_name(int shard, int shards, char out[LT_SHARD_NAME])
{
    if (shards == 1)
        strcpy(out, "model.safetensors");
    else
        snprintf(out, LT_SHARD_NAME, "model-%05d-of-%05d.safetensors", shard + 1, shards);
}

bool lt_new_folder_publish(lt_new_folder *f, lt_error *err)
{
    char parent[4096];
    if (!lt_file_sync_folder(f->folder, err))
        return false;
    if (rename(f->folder, f->output))
        return lt_error_errno(err, "%s: cannot rename %s to it", f->output, f->folder);
    snprintf(parent, sizeof parent, "%s", f->folder);
    f->folder[0] = '\0';
    char *slash = strrchr(parent, '/');
    if (slash)
        slash[slash == parent] = '\0';
    return lt_file_sync_folder(slash ? parent : ".", err);
}

/* Only files of our own are in it. */
void lt_new_folder_abandon(lt_new_folder *f)
{
    DIR *dir = f->folder[0] ? opendir(f->folder) : NULL;
    if (!dir)
        return;
    for (struct dirent *entry; (entry = readdir(dir));)
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
            unlinkat(dirfd(dir), entry->d_name, 0);
    closedir(dir);
    rmdir(f->folder);
}
