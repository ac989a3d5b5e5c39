#include "train/run_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/file.h"
#include "core/log.h"
#include "formats/yaml.h"

/* What makes a folder a run, and is set aside when another run takes its place. */
static const char *const run_files[] = {
    "adapter_model.safetensors", "adapter_config.json", "prompt_encoder.safetensors", "recipe.yaml",
    "metrics.jsonl",             "trainer_state.json",  "summary.json",               "report.html",
};

/* What full training leaves makes a folder a run too, but it is never moved or removed, only replaced as a whole: it may
 * be somebody's model. */
static const char *const model_files[] = {"model.safetensors", "model.safetensors.index.json"};

/* What a checkpoint consists of. */
static const char *const checkpoint_files[] = {
    "adapter_model.safetensors", "adapter_config.json", "prompt_encoder.safetensors", "model.safetensors",
    "config.json",               "trainer_state.json",  "lathe_state.zst",
};

#define COUNT(list) (int)(sizeof(list) / sizeof *(list))

static const char previous[] = ".previous";

bool lt_run_folder_checkpoint_name(const char *name, int64_t *step)
{
    static const char prefix[] = "checkpoint-";
    const char *digits = name + sizeof prefix - 1;
    if (strncmp(name, prefix, sizeof prefix - 1) || !*digits || strspn(digits, "0123456789") != strlen(digits) ||
        strlen(digits) > 15)
        return false;
    *step = strtoll(digits, NULL, 10);
    return true;
}

/* "checkpoint-12.tmp-345", left by a process that was killed while it saved. */
static bool is_unfinished(const char *name)
{
    char head[64];
    const char *dot = strchr(name, '.');
    int64_t step;
    if (!dot || strncmp(dot, ".tmp-", 5) || (size_t)(dot - name) >= sizeof head)
        return false;
    memcpy(head, name, (size_t)(dot - name));
    head[dot - name] = '\0';
    return lt_run_folder_checkpoint_name(head, &step);
}

/* Calls visit for every checkpoint folder in `path`; unfinished ones too when asked. Stops when visit returns false. */
static bool each_checkpoint(const char *path, bool unfinished, bool (*visit)(const char *name, void *context), void *context)
{
    DIR *dir = opendir(path);
    bool ok = true;
    int64_t step;
    if (!dir)
        return true;
    for (struct dirent *entry; ok && (entry = readdir(dir));)
        if (lt_run_folder_checkpoint_name(entry->d_name, &step) || (unfinished && is_unfinished(entry->d_name)))
            ok = visit(entry->d_name, context);
    closedir(dir);
    return ok;
}

static bool found_one(const char *name, void *context)
{
    (void)name;
    *(bool *)context = true;
    return false;
}

bool lt_run_folder_is_run(const char *path)
{
    char file[4352];
    bool found = false;
    for (int i = 0; !found && i < COUNT(run_files) + COUNT(model_files); i++) {
        bool own = i < COUNT(run_files);
        snprintf(file, sizeof file, "%s/%s", path, own ? run_files[i] : model_files[i - COUNT(run_files)]);
        found = lt_file_exists(file);
    }
    each_checkpoint(path, false, found_one, &found);
    return found;
}

void lt_run_folder_remove_checkpoint(const char *path)
{
    char file[4352];
    for (int i = 0; i < COUNT(checkpoint_files); i++) {
        snprintf(file, sizeof file, "%s/%s", path, checkpoint_files[i]);
        unlink(file);
    }
    if (rmdir(path) && errno != ENOENT)
        lt_log_warning("%s: not removed, there is something in it that lathe did not write", path);
}

static bool remove_unfinished(const char *name, void *context)
{
    char path[4352];
    snprintf(path, sizeof path, "%s/%s", (const char *)context, name);
    if (is_unfinished(name))
        lt_run_folder_remove_checkpoint(path);
    return true;
}

void lt_run_folder_remove_unfinished(const char *path) { each_checkpoint(path, true, remove_unfinished, (void *)path); }

typedef struct step_list {
    int64_t *items, count;
} step_list;

static bool add_step(const char *name, void *context)
{
    step_list *list = context;
    int64_t *grown = realloc(list->items, (size_t)(list->count + 1) * sizeof *grown);
    if (!grown)
        return false;
    list->items = grown;
    lt_run_folder_checkpoint_name(name, &grown[list->count++]);
    return true;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

int64_t lt_run_folder_checkpoints(const char *path, int64_t **steps)
{
    step_list list = {0};
    each_checkpoint(path, false, add_step, &list);
    if (list.count)
        qsort(list.items, (size_t)list.count, sizeof *list.items, by_value);
    *steps = list.items;
    return list.count;
}

/* Moves the files and checkpoints of a run from one folder into another on the same file system. */
typedef struct move {
    const char *from, *to;
    lt_error *err;
} move;

static bool move_one(const char *name, void *context)
{
    const move *m = context;
    char from[4352], to[4352];
    snprintf(from, sizeof from, "%s/%s", m->from, name);
    snprintf(to, sizeof to, "%s/%s", m->to, name);
    if (rename(from, to) && errno != ENOENT)
        return lt_error_errno(m->err, "%s: cannot move it to %s", from, to);
    return true;
}

static bool move_run(const char *from, const char *to, lt_error *err)
{
    move m = {from, to, err};
    for (int i = 0; i < COUNT(run_files); i++)
        if (!move_one(run_files[i], &m))
            return false;
    return each_checkpoint(from, false, move_one, &m);
}

static bool remove_one(const char *name, void *context)
{
    char path[4352];
    snprintf(path, sizeof path, "%s/%s", (const char *)context, name);
    lt_run_folder_remove_checkpoint(path);
    return true;
}

/* The files of a run, without the folder itself. */
static void remove_run(char *path)
{
    char file[4352];
    each_checkpoint(path, true, remove_one, path);
    for (int i = 0; i < COUNT(run_files); i++) {
        snprintf(file, sizeof file, "%s/%s", path, run_files[i]);
        unlink(file);
    }
}

static void previous_path(const lt_run_folder *folder, char out[4352])
{
    snprintf(out, 4352, "%s/%s", folder->path, previous);
}

static void remove_previous(const lt_run_folder *folder)
{
    char path[4352];
    previous_path(folder, path);
    remove_run(path);
    if (rmdir(path) && errno != ENOENT)
        lt_log_warning("%s: not removed, there is something in it that lathe did not write", path);
}

bool lt_run_folder_open(lt_run_folder *folder, const char *path, lt_run_mode mode, lt_error *err)
{
    *folder = (lt_run_folder){.lock = -1, .metrics = -1};
    if (strlen(path) >= sizeof folder->path - 64 || !*path)
        return lt_error_set(err, LT_ERR_USAGE, "output: a folder name of %zu bytes", strlen(path));
    strcpy(folder->path, path);
    if (mode == LT_RUN_RESUME && !lt_file_is_folder(path))
        return lt_error_set(err, LT_ERR_USAGE, "%s: there is no run to resume", path);
    if (mode == LT_RUN_NEW && lt_run_folder_is_run(path))
        return lt_error_set(err, LT_ERR_USAGE,
                            "%s: there is a run already; --resume continues it, --overwrite-output-dir replaces it", path);
    folder->made = !lt_file_exists(path);
    if (!lt_file_make_folder(path, err))
        return false;
    folder->lock = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder->lock < 0)
        return lt_error_errno(err, "%s: cannot open the folder", path);
    if (flock(folder->lock, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK) {
        close(folder->lock);
        folder->lock = -1;
        return lt_error_set(err, LT_ERR_USAGE, "%s: another process is running there", path);
    }
    return true;
}

/* Keeps the rows up to `step`; a last line that was cut short is dropped too. */
static bool cut_metrics(const char *path, int64_t step, lt_error *err)
{
    FILE *in = fopen(path, "re");
    lt_file_writer out;
    char *line = NULL;
    size_t room = 0;
    bool ok = true;
    if (!in)
        return errno == ENOENT || lt_error_errno(err, "%s: cannot open", path);
    if (!lt_file_create(&out, path, err)) {
        fclose(in);
        return false;
    }
    for (ssize_t n; ok && (n = getline(&line, &room, in)) > 0;) {
        json_t *row = json_loadb(line, (size_t)n, 0, NULL), *at = json_object_get(row, "step");
        if (line[n - 1] == '\n' && json_is_integer(at) && json_integer_value(at) <= step)
            ok = lt_file_write(&out, line, (size_t)n, err);
        json_decref(row);
    }
    if (ok && ferror(in))
        ok = lt_error_errno(err, "%s: cannot read", path);
    free(line);
    fclose(in);
    if (ok)
        return lt_file_commit(&out, err);
    lt_file_abort(&out);
    return false;
}

static bool write_recipe(const lt_run_folder *folder, const json_t *recipe, lt_error *err)
{
    char path[4352], *text = NULL;
    size_t size;
    if (!lt_yaml_write(recipe, &text, &size, err))
        return false;
    snprintf(path, sizeof path, "%s/recipe.yaml", folder->path);
    bool ok = lt_file_replace(path, text, size, err);
    free(text);
    return ok;
}

bool lt_run_folder_start(lt_run_folder *folder, lt_run_mode mode, const json_t *recipe, int64_t step, lt_error *err)
{
    char path[4352];
    if (mode == LT_RUN_OVERWRITE && lt_run_folder_is_run(folder->path)) {
        remove_previous(folder); /* of an overwriting run that was killed */
        previous_path(folder, path);
        if (!lt_file_make_folder(path, err))
            return false;
        folder->aside = true;
        if (!move_run(folder->path, path, err))
            return false;
    } else {
        previous_path(folder, path);
        folder->aside = mode == LT_RUN_RESUME && lt_file_is_folder(path);
        folder->kept = mode == LT_RUN_RESUME;
    }
    folder->started = true; /* nothing of an earlier run is left in the folder itself */
    if (recipe && !write_recipe(folder, recipe, err))
        return false;
    snprintf(path, sizeof path, "%s/metrics.jsonl", folder->path);
    if (mode == LT_RUN_RESUME && !cut_metrics(path, step, err))
        return false;
    folder->metrics = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    return folder->metrics >= 0 || lt_error_errno(err, "%s: cannot open", path);
}

bool lt_run_folder_log(lt_run_folder *folder, const json_t *row, lt_error *err)
{
    char *text = json_dumps(row, JSON_COMPACT | JSON_REAL_PRECISION(12));
    if (!text)
        return lt_error_set(err, LT_ERR_MEMORY, "%s/metrics.jsonl: out of memory for a row", folder->path);
    size_t n = strlen(text), done = 0;
    text[n] = '\n'; /* in place of the NUL: one write, one whole line */
    bool ok = true;
    while (ok && done <= n) {
        ssize_t put = write(folder->metrics, text + done, n + 1 - done);
        if (put < 0 && errno != EINTR)
            ok = lt_error_errno(err, "%s/metrics.jsonl: cannot write", folder->path);
        else if (put > 0)
            done += (size_t)put;
    }
    free(text);
    return ok;
}

bool lt_run_folder_sync(lt_run_folder *folder, lt_error *err)
{
    return fsync(folder->metrics) == 0 || lt_error_errno(err, "%s/metrics.jsonl: cannot sync", folder->path);
}

void lt_run_folder_keep(lt_run_folder *folder) { folder->kept = true; }

/* Back to how the folder was before the run. */
static void undo(lt_run_folder *folder)
{
    char path[4352];
    lt_error err;
    if (folder->started)
        remove_run(folder->path);
    if (folder->aside) {
        previous_path(folder, path);
        if (!move_run(path, folder->path, &err))
            lt_log_warning("the earlier run could not be put back: %s", err.message);
        rmdir(path);
    }
    if (folder->made)
        rmdir(folder->path);
}

void lt_run_folder_close(lt_run_folder *folder, bool finished)
{
    if (folder->lock < 0)
        return;
    if (finished && folder->aside)
        remove_previous(folder);
    else if (!finished && !folder->kept)
        undo(folder);
    if (folder->metrics >= 0)
        close(folder->metrics);
    close(folder->lock);
    folder->lock = folder->metrics = -1;
}

bool lt_run_folder_write_json(const char *folder, const char *name, const json_t *value, lt_error *err)
{
    char path[4096];
    if (!lt_file_join(path, sizeof path, folder, name, err))
        return false;
    char *text = json_dumps(value, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
    if (!text)
        return lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory", path);
    size_t n = strlen(text);
    text[n] = '\n';
    bool ok = lt_file_replace(path, text, n + 1, err);
    free(text);
    return ok;
}
