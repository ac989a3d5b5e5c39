#include "core/file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int lt_file_open(const char *path, int64_t *size_bytes, lt_error *err)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        lt_error_errno(err, "%s: cannot open", path);
        return -1;
    }
    struct stat st;
    if (fstat(fd, &st)) {
        lt_error_errno(err, "%s: cannot stat", path);
        goto fail;
    }
    if (!S_ISREG(st.st_mode)) {
        lt_error_set(err, LT_ERR_FORMAT, "%s: expected a regular file, found a %s", path,
                     S_ISDIR(st.st_mode) ? "folder" : S_ISFIFO(st.st_mode) ? "FIFO" : "special file");
        goto fail;
    }
    *size_bytes = st.st_size;
    return fd;
fail:
    close(fd);
    return -1;
}

bool lt_file_pread(int fd, const char *path, void *out, size_t n, int64_t offset, lt_error *err)
{
    for (size_t done = 0; done < n;) {
        ssize_t got = pread(fd, (char *)out + done, n - done, offset + (int64_t)done);
        if (got < 0) {
            if (errno == EINTR)
                continue;
            return lt_error_errno(err, "%s: cannot read %zu bytes at %lld", path, n, (long long)offset);
        }
        if (got == 0)
            return lt_error_set(err, LT_ERR_FORMAT, "%s: expected %zu bytes at offset %lld, but the file ends after %zu (did it shrink?)",
                                path, n, (long long)offset, done);
        done += (size_t)got;
    }
    return true;
}

bool lt_file_read(const char *path, int64_t limit_bytes, char **data, size_t *size, lt_error *err)
{
    int64_t bytes;
    int fd = lt_file_open(path, &bytes, err);
    if (fd < 0)
        return false;
    bool ok = false;
    char *text = NULL;
    if (bytes > limit_bytes) {
        lt_error_set(err, LT_ERR_FORMAT, "%s: has %lld bytes, at most %lld are accepted", path, (long long)bytes,
                     (long long)limit_bytes);
        goto done;
    }
    text = malloc((size_t)bytes + 1);
    if (!text) {
        lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory for its %lld bytes", path, (long long)bytes);
        goto done;
    }
    if (!lt_file_pread(fd, path, text, (size_t)bytes, 0, err))
        goto done;
    text[bytes] = '\0';
    *data = text;
    *size = (size_t)bytes;
    ok = true;
done:
    if (!ok)
        free(text);
    close(fd);
    return ok;
}

bool lt_file_create(lt_file_writer *writer, const char *path, lt_error *err)
{
    writer->stream = NULL;
    writer->buffer = NULL;
    if (strlen(path) >= sizeof writer->path)
        return lt_error_set(err, LT_ERR_USAGE, "path of %zu bytes is too long", strlen(path));
    strcpy(writer->path, path);
    snprintf(writer->temporary, sizeof writer->temporary, "%s.tmp-%ld", path, (long)getpid());
    int fd = open(writer->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return lt_error_errno(err, "%s: cannot create", writer->temporary);
    writer->stream = fdopen(fd, "wb");
    if (!writer->stream) {
        lt_error_errno(err, "%s: cannot create", writer->temporary);
        close(fd);
        unlink(writer->temporary);
        return false;
    }
    return true;
}

void lt_file_write_large(lt_file_writer *writer)
{
    enum { PIECE = 2 << 20 };
    writer->buffer = malloc(PIECE);
    if (writer->buffer)
        setvbuf(writer->stream, writer->buffer, _IOFBF, PIECE);
}

static int close_stream(lt_file_writer *writer)
{
    int result = fclose(writer->stream);
    writer->stream = NULL;
    free(writer->buffer);
    writer->buffer = NULL;
    return result;
}

bool lt_file_write(lt_file_writer *writer, const void *data, size_t n, lt_error *err)
{
    if (n && fwrite(data, 1, n, writer->stream) != n)
        return lt_error_errno(err, "%s: cannot write", writer->path);
    return true;
}

static void folder_of(const char *path, char out[4096])
{
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 0;
    if (!slash)
        strcpy(out, ".");
    else if (n == 0)
        strcpy(out, "/");
    else {
        memcpy(out, path, n);
        out[n] = '\0';
    }
}

bool lt_file_commit(lt_file_writer *writer, lt_error *err)
{
    char folder[4096];
    bool ok = fflush(writer->stream) == 0 && fsync(fileno(writer->stream)) == 0;
    if (!ok)
        lt_error_errno(err, "%s: cannot write", writer->path);
    if (close_stream(writer) && ok)
        ok = lt_error_errno(err, "%s: cannot write", writer->path);
    if (ok && rename(writer->temporary, writer->path))
        ok = lt_error_errno(err, "%s: cannot rename %s to it", writer->path, writer->temporary);
    if (!ok) {
        unlink(writer->temporary);
        return false;
    }
    folder_of(writer->path, folder);
    return lt_file_sync_folder(folder, err);
}

void lt_file_abort(lt_file_writer *writer)
{
    if (!writer->stream)
        return;
    close_stream(writer);
    unlink(writer->temporary);
}

bool lt_file_replace(const char *path, const void *data, size_t n, lt_error *err)
{
    lt_file_writer writer;
    if (!lt_file_create(&writer, path, err))
        return false;
    if (!lt_file_write(&writer, data, n, err)) {
        lt_file_abort(&writer);
        return false;
    }
    return lt_file_commit(&writer, err);
}

bool lt_file_make_folder(const char *path, lt_error *err)
{
    char partial[4096];
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof partial)
        return lt_error_set(err, LT_ERR_USAGE, "folder name of %zu bytes", n);
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(partial, path, i);
        partial[i] = '\0';
        if (mkdir(partial, 0777) && errno != EEXIST)
            return lt_error_errno(err, "%s: cannot make the folder", partial);
    }
    if (!lt_file_is_folder(path))
        return lt_error_set(err, LT_ERR_IO, "%s: expected a folder, found a file", path);
    return true;
}

bool lt_file_sync_folder(const char *path, lt_error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return lt_error_errno(err, "%s: cannot open the folder", path);
    /* Some file systems cannot sync a folder and say EINVAL; there is nothing more to do there. */
    bool ok = fsync(fd) == 0 || errno == EINVAL;
    if (!ok)
        lt_error_errno(err, "%s: cannot sync the folder", path);
    close(fd);
    return ok;
}

bool lt_file_is_folder(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool lt_file_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

bool lt_file_join(char *out, size_t capacity, const char *folder, const char *name, lt_error *err)
{
    size_t n = strlen(folder);
    const char *slash = n && folder[n - 1] == '/' ? "" : "/";
    if ((size_t)snprintf(out, capacity, "%s%s%s", folder, slash, name) >= capacity)
        return lt_error_set(err, LT_ERR_USAGE, "path %s%s%s is too long", folder, slash, name);
    return true;
}

bool lt_file_is_plain_name(const char *name)
{
    return *name && strcmp(name, ".") && strcmp(name, "..") && !strchr(name, '/');
}
