#include "train/snapshot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "core/log.h"
#include "train/run_folder.h"
#include "train/snapshot_state.h"

static const char state_file[] = "lathe_state.zst";

/* Size and hash of each file that was written, as the state keeps them. */
static json_t *file_table(const char *folder, const char *const *names, lt_error *err)
{
    json_t *files = json_object();
    for (int i = 0; files && names[i]; i++) {
        char path[4096];
        lt_file_digest digest;
        if (!lt_file_join(path, sizeof path, folder, names[i], err) || !lt_snapshot_digest(path, &digest, err)) {
            json_decref(files);
            return NULL;
        }
        json_object_set_new(files, names[i],
                            json_pack("{s:I,s:s}", "bytes", (json_int_t)digest.bytes, "xxh3", digest.hex));
    }
    if (!files)
        lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory for a checkpoint", folder);
    return files;
}

static bool check_files(const char *folder, const json_t *files, lt_error *err)
{
    const char *name;
    json_t *entry;
    json_object_foreach((json_t *)files, name, entry)
    {
        char path[4096];
        lt_file_digest digest;
        const char *hex = json_string_value(json_object_get(entry, "xxh3"));
        if (!lt_file_is_plain_name(name) || !hex)
            return lt_error_set(err, LT_ERR_FORMAT, "%s/%s: its list of files is broken", folder, state_file);
        if (!lt_file_join(path, sizeof path, folder, name, err) || !lt_snapshot_digest(path, &digest, err))
            return false;
        if (digest.bytes != json_integer_value(json_object_get(entry, "bytes")) || strcmp(digest.hex, hex))
            return lt_error_set(err, LT_ERR_FORMAT, "%s: its checksum is %s, expected %s (damaged?)", path, digest.hex, hex);
    }
    return true;
}

static bool write_parts(const char *folder, const lt_snapshot_parts *parts, lt_error *err)
{
    char path[4096];
    if (!parts->write(folder, parts->context, err) || !lt_file_join(path, sizeof path, folder, state_file, err))
        return false;
    json_t *files = file_table(folder, parts->names, err);
    if (!files)
        return false;
    json_t *head = json_pack("{s:O,s:o}", "state", parts->state, "files", files);
    bool ok = head && lt_snapshot_state_write(path, head, parts->params, parts->optimizer, err);
    if (!head)
        lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory for a checkpoint", folder);
    json_decref(head);
    return ok && lt_file_sync_folder(folder, err);
}

/* Puts the finished folder in its place; one of the same step that is there already goes. */
static bool put_in_place(const char *run, const char *temporary, const char *final, lt_error *err)
{
    char old[4400];
    snprintf(old, sizeof old, "%s-old", temporary);
    bool replaces = rename(final, old) == 0;
    if (!replaces && errno != ENOENT)
        return lt_error_errno(err, "%s: cannot replace it", final);
    if (rename(temporary, final)) {
        lt_error_errno(err, "%s: cannot rename %s to it", final, temporary);
        if (replaces)
            rename(old, final);
        return false;
    }
    if (replaces)
        lt_run_folder_remove_checkpoint(old);
    return lt_file_sync_folder(run, err);
}

bool lt_snapshot_save(const char *run, int64_t step, const lt_snapshot_parts *parts, lt_error *err)
{
    char name[64], final[4096], temporary[4200];
    snprintf(name, sizeof name, "checkpoint-%lld", (long long)step);
    if (!lt_file_join(final, sizeof final, run, name, err))
        return false;
    snprintf(temporary, sizeof temporary, "%s.tmp-%ld", final, (long)getpid());
    if (!lt_file_make_folder(temporary, err))
        return false;
    json_t *state = NULL;
    bool ok = write_parts(temporary, parts, err) && lt_snapshot_verify(temporary, &state, err) &&
              put_in_place(run, temporary, final, err);
    json_decref(state);
    if (!ok) {
        lt_run_folder_remove_checkpoint(temporary);
        return lt_error_context(err, "checkpoint of step %lld not saved", (long long)step);
    }
    return true;
}

bool lt_snapshot_verify(const char *folder, json_t **state, lt_error *err)
{
    char path[4096];
    json_t *head = NULL;
    if (!lt_file_join(path, sizeof path, folder, state_file, err) || !lt_snapshot_state_read(path, &head, NULL, NULL, err))
        return false;
    json_t *own = json_object_get(head, "state"), *files = json_object_get(head, "files");
    bool ok = json_is_object(own) && json_is_object(files);
    if (!ok)
        lt_error_set(err, LT_ERR_FORMAT, "%s: expected a state and a list of files", path);
    ok = ok && check_files(folder, files, err);
    *state = ok ? json_incref(own) : NULL;
    json_decref(head);
    return ok;
}

bool lt_snapshot_latest(const char *run, char folder[4096], json_t **state, lt_error *err)
{
    int64_t *steps;
    int64_t count = lt_run_folder_checkpoints(run, &steps);
    bool found = false;
    for (int64_t i = count - 1; !found && i >= 0; i--) {
        lt_error why;
        snprintf(folder, 4096, "%s/checkpoint-%lld", run, (long long)steps[i]);
        found = lt_snapshot_verify(folder, state, &why);
        if (!found)
            lt_log_warning("%s is passed over: %s", folder, why.message);
    }
    free(steps);
    return found || lt_error_set(err, LT_ERR_USAGE, "%s: there is no checkpoint to resume from%s", run,
                                 count ? " that is whole" : "");
}

bool lt_snapshot_load(const char *folder, const lt_param_list *params, lt_optimizer *optimizer, lt_error *err)
{
    char path[4096];
    json_t *head = NULL;
    bool ok = lt_file_join(path, sizeof path, folder, state_file, err) &&
              lt_snapshot_state_read(path, &head, params, optimizer, err);
    json_decref(head);
    return ok;
}

void lt_snapshot_prune(const char *run, int64_t keep, int64_t step)
{
    int64_t *steps;
    int64_t count = lt_run_folder_checkpoints(run, &steps), left = count;
    for (int64_t i = 0; keep > 0 && i < count && left > keep; i++) {
        char folder[4400];
        if (steps[i] == step)
            continue;
        snprintf(folder, sizeof folder, "%s/checkpoint-%lld", run, (long long)steps[i]);
        lt_run_folder_remove_checkpoint(folder);
        left--;
    }
    free(steps);
}
