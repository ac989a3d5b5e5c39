#include "train/trainer_state.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"

/* Keys of a metrics row that are of no interest to transformers: its own rows do not have them. */
static const char *const ours[] = {"tokens", "tokens_per_second", "rss_bytes", "elapsed"};

static json_t *history_row(const char *line, size_t n, int64_t last_step)
{
    json_t *row = json_loadb(line, n, 0, NULL);
    if (!json_is_object(row) || json_integer_value(json_object_get(row, "step")) > last_step) {
        json_decref(row);
        return NULL;
    }
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        json_object_del(row, ours[i]);
    return row;
}

/* The entries of log_history, each on lines of its own as Python's json.dumps(indent=2, sort_keys=True) has them. */
static bool write_history(FILE *out, const char *metrics, int64_t last_step, lt_error *err)
{
    FILE *in = fopen(metrics, "re");
    char *line = NULL;
    size_t room = 0;
    bool first = true;
    if (!in)
        return errno == ENOENT || lt_error_errno(err, "%s: cannot open", metrics);
    for (ssize_t n; (n = getline(&line, &room, in)) > 0;) {
        json_t *row = history_row(line, (size_t)n, last_step);
        const char *key;
        json_t *value;
        if (!row)
            continue;
        fputs(first ? "\n    {" : ",\n    {", out);
        bool first_key = true;
        json_object_foreach(row, key, value)
        {
            char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(12));
            fprintf(out, "%s\n      \"%s\": %s", first_key ? "" : ",", key, text ? text : "null");
            free(text);
            first_key = false;
        }
        fputs("\n    }", out);
        json_decref(row);
        first = false;
    }
    bool ok = !ferror(in) || lt_error_errno(err, "%s: cannot read", metrics);
    free(line);
    fclose(in);
    if (!first)
        fputs("\n  ", out);
    return ok;
}

bool lt_trainer_state_write(const lt_trainer_state *state, const char *folder, const char *metrics, lt_error *err)
{
    char path[4096];
    lt_file_writer writer;
    if (!lt_file_join(path, sizeof path, folder, "trainer_state.json", err) || !lt_file_create(&writer, path, err))
        return false;
    FILE *out = writer.stream;
    fprintf(out,
            "{\n  \"best_global_step\": null,\n  \"best_metric\": null,\n  \"best_model_checkpoint\": null,\n"
            "  \"epoch\": %.12g,\n  \"eval_steps\": %lld,\n  \"global_step\": %lld,\n  \"is_hyper_param_search\": false,\n"
            "  \"is_local_process_zero\": true,\n  \"is_world_process_zero\": true,\n  \"log_history\": [",
            state->epoch, (long long)state->eval_steps, (long long)state->global_step);
    if (!write_history(out, metrics, state->global_step, err)) {
        lt_file_abort(&writer);
        return false;
    }
    fprintf(out,
            "],\n  \"logging_steps\": %lld,\n  \"max_steps\": %lld,\n  \"num_input_tokens_seen\": %lld,\n"
            "  \"num_train_epochs\": %lld,\n  \"save_steps\": %lld,\n  \"stateful_callbacks\": {},\n"
            "  \"total_flos\": %.12g,\n  \"train_batch_size\": %lld,\n  \"trial_name\": null,\n  \"trial_params\": null\n}\n",
            (long long)state->logging_steps, (long long)state->max_steps, (long long)state->tokens_seen,
            (long long)state->num_train_epochs, (long long)state->save_steps, state->total_flos,
            (long long)state->train_batch_size);
    if (ferror(out)) {
        lt_error_errno(err, "%s: cannot write", path);
        lt_file_abort(&writer);
        return false;
    }
    return lt_file_commit(&writer, err);
}
