/* OUTPUT/1-core, OUTPUT/2-long … are runs like any other; OUTPUT itself gets the whole recipe at the start, and at the end the last
 * stage's model, the metrics of all stages and a summary. A stage that has its summary.json is done. */
#include "cli/stages.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/api.h"
#include "cli/console.h"
#include "cli/output.h"
#include "cli/plan_view.h"
#include "cli/progress.h"
#include "cli/stop.h"
#include "cli/terminal.h"
#include "core/file.h"
#include "formats/json.h"
#include "formats/yaml.h"
#include "train/report.h"
#include "train/run_folder.h"

enum { STAGES_MOST = 99, PATH = 4096 };

typedef struct stage {
    const json_t *keys;
    char name[80], folder[PATH], base[PATH]; /* base: the folder whose rope differs, or "" */
    bool keeps_optimizer;
} stage;

/* ---- reading the list ---- */

static bool bad(int number, lt_error *err, const char *what)
{
    return lt_error_set(err, LT_ERR_USAGE, "stages: stage %d: %s", number + 1, what);
}

static bool read_stage(const lt_options *options, int number, stage *s, lt_error *err)
{
    static const char *const whole_run[] = {"stages", "command", "model", "output", "method", "adapter", "optim"};
    const json_t *keys = json_array_get(options->stages, (size_t)number);
    if (!json_is_object(keys))
        return bad(number, err, "expected a mapping of options");
    for (size_t i = 0; i < sizeof whole_run / sizeof *whole_run; i++)
        if (json_object_get(keys, whole_run[i]))
            return lt_error_set(err, LT_ERR_USAGE, "stages: stage %d: %s is the same for all stages and stands outside", number + 1,
                                whole_run[i]);
    const json_t *name = json_object_get(keys, "name"), *keep = json_object_get(keys, "keep_optimizer");
    if (name && (!json_is_string(name) || strlen(json_string_value(name)) > 60 || !lt_file_is_plain_name(json_string_value(name))))
        return bad(number, err, "name: expected a plain word");
    if (keep && !json_is_boolean(keep))
        return bad(number, err, "keep_optimizer: expected true or false");
    *s = (stage){.keys = keys, .keeps_optimizer = !json_is_false(keep)};
    snprintf(s->name, sizeof s->name, "%d-%s", number + 1, name ? json_string_value(name) : "stage");
    if (!lt_file_join(s->folder, sizeof s->folder, options->train.output ? options->train.output : ".", s->name, err))
        return false;
    return !json_object_get(keys, "rope_theta") && !json_object_get(keys, "rope_scaling")
               ? true
               : options->train.method == LATHE_METHOD_FULL ||
                     bad(number, err, "rope_theta and rope_scaling change the model, which an adapter cannot: they need method: full");
}

/* ---- the options of a stage: those of the run, and its own above them ---- */

static bool stage_options(const lt_options *run, const stage *s, lt_options *out, lt_error *err)
{
    static const char *const ours[] = {"name", "keep_optimizer", "rope_theta", "rope_scaling"};
    json_t *common = lt_options_recipe(run), *own = json_copy((json_t *)s->keys);
    bool ok = lt_options_init(out, run->command, err);
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        json_object_del(own, ours[i]);
    json_object_del(common, "stages");
    if (json_object_get(own, "max_steps")) /* each stage says how long it is in its own way */
        json_object_del(common, "num_train_epochs");
    if (json_object_get(own, "num_train_epochs"))
        json_object_del(common, "max_steps");
    const char *key;
    json_t *value;
    json_object_foreach(own, key, value)
    {
        const lt_option *option = lt_option_find(run->command, key);
        char name[LT_OPTION_NAME_MAX];
        if (option)
            json_object_del(common, lt_option_key(option, name));
    }
    char place[256];
    snprintf(place, sizeof place, "stages: %s", s->name);
    ok = ok && lt_options_apply(out, place, common, err) && lt_options_apply(out, place, own, err);
    json_decref(common);
    json_decref(own);
    if (!ok)
        return false;
    out->threads = out->train.threads = run->threads;
    out->train.overwrite = run->train.overwrite;
    return out->train.data.count > 0 || lt_error_set(err, LT_ERR_USAGE, "stages: %s has no data", s->name);
}

/* ---- the model that a stage starts from ---- */

/* The rope of the stage in a configuration, in whichever of the two forms it has. */
static void set_rope(json_t *config, const json_t *keys, int64_t length)
{
    json_t *parameters = json_object_get(config, "rope_parameters"), *theta = json_object_get(keys, "rope_theta");
    json_t *scaling = json_object_get(keys, "rope_scaling");
    if (theta)
        json_object_set(json_is_object(parameters) ? parameters : config, "rope_theta", theta);
    if (scaling && json_is_object(parameters))
        json_object_update(parameters, scaling);
    else if (scaling)
        json_object_set(config, "rope_scaling", scaling);
    static const char *const limits[] = {"max_position_embeddings", "n_positions"};
    for (int i = 0; i < 2; i++) {
        json_t *limit = json_object_get(config, limits[i]);
        if (json_is_integer(limit) && json_integer_value(limit) < length)
            json_object_set_new(config, limits[i], json_integer(length));
    }
}

/* A file under a second name, or a copy where the file system has no links. */
static bool link_file(const char *from, const char *to, lt_error *err)
{
    unlink(to);
    if (link(from, to) == 0)
        return true;
    FILE *in = fopen(from, "re");
    lt_file_writer out;
    static char buffer[1 << 16];
    if (!in)
        return lt_error_errno(err, "%s: cannot open", from);
    bool ok = lt_file_create(&out, to, err);
    for (size_t n; ok && (n = fread(buffer, 1, sizeof buffer, in)) > 0;)
        ok = lt_file_write(&out, buffer, n, err);
    if (ok && ferror(in))
        ok = lt_error_errno(err, "%s: cannot read", from);
    fclose(in);
    if (ok)
        return lt_file_commit(&out, err);
    lt_file_abort(&out);
    return false;
}

/* What makes a folder a model; runs have more in them. */
static bool belongs_to_model(const char *name)
{
    static const char *const files[] = {"adapter_model.safetensors", "adapter_config.json", "metrics.jsonl", "recipe.yaml",
                                        "summary.json", "trainer_state.json", "report.html"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (!strcmp(name, files[i]))
            return false;
    return name[0] != '.' && !(strlen(name) > 6 && !strcmp(name + strlen(name) - 6, ".cache"));
}

static bool link_model(const char *from, const char *to, lt_error *err)
{
    DIR *dir = opendir(from);
    bool ok = dir ? lt_file_make_folder(to, err) : lt_error_errno(err, "%s: cannot open", from);
    for (struct dirent *entry; ok && (entry = readdir(dir));) {
        char a[PATH + 300], b[PATH + 300];
        struct stat st;
        snprintf(a, sizeof a, "%s/%s", from, entry->d_name);
        snprintf(b, sizeof b, "%s/%s", to, entry->d_name);
        if (belongs_to_model(entry->d_name) && stat(a, &st) == 0 && S_ISREG(st.st_mode))
            ok = link_file(a, b, err);
    }
    if (dir)
        closedir(dir);
    return ok;
}

/* The model of the stage before with another rope: its files linked, its configuration written anew. */
static bool make_base(const char *from, stage *s, const lt_options *options, lt_error *err)
{
    char path[PATH];
    int64_t length = options->train.max_length;
    snprintf(s->base, sizeof s->base, "%.4000s.base", s->folder);
    if (!link_model(from, s->base, err) || !lt_file_join(path, sizeof path, from, "config.json", err))
        return false;
    json_t *config = lt_json_load(path, LT_JSON_CONFIG_LIMIT_BYTES, err);
    if (!config)
        return false;
    set_rope(config, s->keys, length);
    if (lt_file_join(path, sizeof path, s->base, "config.json", err)) {
        unlink(path); /* the link: the original must not be written through it */
        bool ok = lt_run_folder_write_json(s->base, "config.json", config, err);
        json_decref(config);
        return ok;
    }
    json_decref(config);
    return false;
}

static void remove_base(const stage *s)
{
    DIR *dir = *s->base ? opendir(s->base) : NULL;
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char path[PATH + 300];
        snprintf(path, sizeof path, "%s/%s", s->base, entry->d_name);
        if (belongs_to_model(entry->d_name))
            unlink(path);
    }
    if (dir) {
        closedir(dir);
        rmdir(s->base);
    }
}

/* Needs the context to be longer than the model's, or another rope? */
static bool changes_model(const stage *s)
{
    return json_object_get(s->keys, "rope_theta") || json_object_get(s->keys, "rope_scaling");
}

/* ---- a stage ---- */

static bool is_done(const stage *s)
{
    char path[PATH + 20];
    snprintf(path, sizeof path, "%s/summary.json", s->folder);
    return lt_file_exists(path);
}

static bool has_checkpoint(const stage *s)
{
    int64_t *steps;
    int64_t count = lt_run_folder_checkpoints(s->folder, &steps);
    free(steps);
    return count > 0;
}

/* The last checkpoint of the stage before, whose optimiser state goes on. */
static bool find_state(const stage *before, char out[PATH])
{
    int64_t *steps;
    int64_t count = lt_run_folder_checkpoints(before->folder, &steps);
    if (count > 0)
        snprintf(out, PATH, "%.4000s/checkpoint-%lld", before->folder, (long long)steps[count - 1]);
    free(steps);
    return count > 0;
}

/* before: NULL for the first stage. */
static bool run_stage(const lt_options *run, stage *s, const stage *before, const volatile sig_atomic_t *stop, lt_error *err)
{
    lt_options options;
    char state[PATH];
    bool ok = stage_options(run, s, &options, err);
    lathe_train_options train = options.train; /* what follows points into others' memory and must not be freed with options */
    bool full = run->train.method == LATHE_METHOD_FULL;
    const char *from = before && full ? before->folder : run->train.model;
    if (ok && changes_model(s)) {
        ok = make_base(from, s, &options, err);
        from = s->base;
    }
    train.model = from;
    train.output = s->folder;
    train.adapter = before && !full ? before->folder : run->train.adapter;
    train.start_state = before && s->keeps_optimizer && find_state(before, state) ? state : NULL;
    train.resume = run->train.resume && has_checkpoint(s);
    train.resume_from = NULL;
    lt_progress_view view = {.logging_steps = train.logging_steps};
    train.progress = lt_progress_show;
    train.progress_context = &view;
    train.stop = stop;
    if (ok) {
        lt_console_print("stage %s", s->name);
        ok = lt_api_train_resolve(&train, err);
        json_t *recipe = lt_options_recipe(&options);
        json_object_set_new(recipe, "model", json_string(train.model));
        json_object_set_new(recipe, "output", json_string(train.output));
        ok = ok && lt_api_train(&train, recipe, NULL, err);
        json_decref(recipe);
        lt_console_clear_status();
    }
    lt_options_free(&options);
    if (ok)
        remove_base(s);
    return ok;
}

/* ---- what the run leaves ---- */

static bool write_recipe(const lt_options *options, lt_error *err)
{
    char path[PATH], *text;
    size_t size;
    json_t *recipe = lt_options_recipe(options);
    bool ok = lt_file_make_folder(options->train.output, err) &&
              lt_file_join(path, sizeof path, options->train.output, "recipe.yaml", err) && lt_yaml_write(recipe, &text, &size, err);
    if (ok) {
        ok = lt_file_replace(path, text, size, err);
        free(text);
    }
    json_decref(recipe);
    return ok;
}

/* Rows of a stage's metrics with its name, steps and tokens counted over all stages. */
static bool append_metrics(lt_file_writer *out, const stage *s, int64_t steps, int64_t tokens, lt_error *err)
{
    char path[PATH + 20], *line = NULL;
    size_t room = 0;
    snprintf(path, sizeof path, "%s/metrics.jsonl", s->folder);
    FILE *in = fopen(path, "re");
    if (!in)
        return lt_error_errno(err, "%s: cannot open", path);
    bool ok = true;
    for (ssize_t n; ok && (n = getline(&line, &room, in)) > 0;) {
        json_t *row = json_loadb(line, (size_t)n, 0, NULL), *at = json_object_get(row, "step"), *seen = json_object_get(row, "tokens");
        if (!json_is_integer(at)) {
            json_decref(row);
            continue;
        }
        json_object_set_new(row, "stage", json_string(s->name));
        json_object_set_new(row, "stage_step", json_integer(json_integer_value(at)));
        json_object_set_new(row, "step", json_integer(json_integer_value(json_object_get(row, "stage_step")) + steps));
        if (json_is_integer(seen))
            json_object_set_new(row, "tokens", json_integer(json_integer_value(seen) + tokens));
        char *text = json_dumps(row, JSON_COMPACT | JSON_REAL_PRECISION(12));
        ok = text ? lt_file_write(out, text, strlen(text), err) && lt_file_write(out, "\n", 1, err)
                  : lt_error_set(err, LT_ERR_MEMORY, "out of memory");
        free(text);
        json_decref(row);
    }
    free(line);
    fclose(in);
    return ok;
}

static json_t *summary_of(const stage *s, lt_error *err)
{
    char path[PATH + 20];
    snprintf(path, sizeof path, "%s/summary.json", s->folder);
    return lt_json_load(path, LT_JSON_CONFIG_LIMIT_BYTES, err);
}

static double number_of(const json_t *object, const char *key) { return json_number_value(json_object_get(object, key)); }

/* metrics.jsonl and summary.json of the whole; *summary is a new reference. */
static bool write_results(const lt_options *options, const stage *stages, int count, json_t **summary, lt_error *err)
{
    char path[PATH];
    lt_file_writer out;
    int64_t steps = 0, tokens = 0;
    double seconds = 0;
    json_t *list = json_array();
    *summary = NULL;
    if (!lt_file_join(path, sizeof path, options->train.output, "metrics.jsonl", err) || !lt_file_create(&out, path, err)) {
        json_decref(list);
        return false;
    }
    for (int i = 0; i < count; i++) {
        json_t *own = summary_of(&stages[i], err);
        if (!own || !append_metrics(&out, &stages[i], steps, tokens, err)) {
            lt_file_abort(&out);
            json_decref(own);
            json_decref(list);
            return false;
        }
        steps += (int64_t)number_of(own, "steps");
        tokens += (int64_t)number_of(own, "tokens");
        seconds += number_of(own, "seconds");
        json_object_set_new(own, "stage", json_string(stages[i].name));
        json_array_append_new(list, own);
    }
    const json_t *first = json_array_get(list, 0), *last = json_array_get(list, (size_t)count - 1);
    *summary = json_pack("{s:s,s:s,s:O?,s:O?,s:I,s:I,s:f,s:f,s:O?,s:O?,s:O?,s:o}", "command", "pretrain", "model",
                         options->train.model, "method", json_object_get(last, "method"), "objective",
                         json_object_get(last, "objective"), "steps", (json_int_t)steps, "tokens", (json_int_t)tokens, "seconds",
                         seconds, "tokens_per_second", seconds > 0 ? (double)tokens / seconds : 0, "loss_first",
                         json_object_get(first, "loss_first"), "loss_last", json_object_get(last, "loss_last"), "eval_loss",
                         json_object_get(last, "eval_loss"), "stages", list);
    return lt_file_commit(&out, err) && *summary && lt_run_folder_write_json(options->train.output, "summary.json", *summary, err);
}

/* The last stage's model or adapter becomes the run's. */
static bool take_result(const lt_options *options, const stage *last, lt_error *err)
{
    static const char *const adapter[] = {"adapter_model.safetensors", "adapter_config.json"};
    if (options->train.method == LATHE_METHOD_FULL)
        return link_model(last->folder, options->train.output, err);
    for (int i = 0; i < 2; i++) {
        char from[PATH], to[PATH];
        if (!lt_file_join(from, sizeof from, last->folder, adapter[i], err) ||
            !lt_file_join(to, sizeof to, options->train.output, adapter[i], err) || !link_file(from, to, err))
            return false;
    }
    return true;
}

static void print_table(const lt_options *options, const json_t *summary)
{
    size_t i;
    json_t *own;
    printf("  %-24s %8s %10s %10s %10s %10s\n", "stage", "steps", "tokens", "loss", "at end", "eval");
    json_array_foreach(json_object_get(summary, "stages"), i, own)
    {
        char tokens[LT_FIGURE], eval[32] = "-";
        if (json_is_number(json_object_get(own, "eval_loss")))
            snprintf(eval, sizeof eval, "%.4f", number_of(own, "eval_loss"));
        printf("  %-24s %8.0f %10s %10.4f %10.4f %10s\n", json_string_value(json_object_get(own, "stage")), number_of(own, "steps"),
               lt_figure_count(number_of(own, "tokens"), tokens), number_of(own, "loss_first"), number_of(own, "loss_last"), eval);
    }
    printf("  %s: %s\n", options->train.method == LATHE_METHOD_FULL ? "model" : "adapter", options->train.output);
}

/* ---- planning ---- */

/* Every stage on the model as it is now: a later stage's has the same shapes. */
static bool plan_stages(const lt_options *options, const stage *stages, int count, lt_error *err)
{
    json_t *list = json_array();
    bool ok = true;
    for (int i = 0; ok && i < count; i++) {
        lt_options own;
        lt_plan plan;
        ok = stage_options(options, &stages[i], &own, err) && lt_api_train_resolve(&own.train, err) &&
             lt_api_train_plan(&own.train, &plan, err);
        lt_options_free(&own);
        if (ok && options->json) {
            json_t *one = lt_plan_json(&plan);
            json_object_set_new(one, "stage", json_string(stages[i].name));
            json_array_append_new(list, one);
        } else if (ok) {
            printf("%s%s\n", i ? "\n" : "", stages[i].name);
            lt_plan_view_print(&plan, stdout);
        }
    }
    if (ok && options->json)
        return lt_output_json(json_pack("{s:o}", "stages", list), err);
    json_decref(list);
    return ok;
}

/* ---- all together ---- */

static bool train_stages(lt_options *options, stage *stages, int count, lt_error *err)
{
    const volatile sig_atomic_t *stop = lt_stop_watch("stopping after this step, with a checkpoint");
    for (int i = 0; i < count; i++) {
        if (options->train.resume && is_done(&stages[i]))
            continue;
        if (run_stage(options, &stages[i], i ? &stages[i - 1] : NULL, stop, err))
            continue;
        if (err->status == LT_ERR_INTERRUPTED) {
            lt_console_print("lathe: %s", err->message);
            lt_console_print("go on with: lathe pretrain --resume %s", options->train.output);
            *err->message = '\0';
            return false;
        }
        return lt_error_context(err, "stage %s", stages[i].name);
    }
    json_t *summary;
    bool ok = take_result(options, &stages[count - 1], err) && write_results(options, stages, count, &summary, err) &&
              lt_report_write(options->train.output, err);
    if (!ok)
        return false;
    if (options->json)
        return lt_output_json(summary, err);
    print_table(options, summary);
    json_decref(summary);
    return true;
}

bool lt_stages_run(lt_options *options, lt_error *err)
{
    size_t count = json_array_size(options->stages);
    if (count == 0 || count > STAGES_MOST)
        return lt_error_set(err, LT_ERR_USAGE, "stages: expected a list of 1 to %d stages", STAGES_MOST);
    stage *stages = calloc(count, sizeof *stages);
    if (!stages)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++) {
        lt_options checked;
        ok = read_stage(options, (int)i, &stages[i], err);
        if (ok) { /* a mistake in the last stage is found before the first one has run */
            ok = stage_options(options, &stages[i], &checked, err);
            lt_options_free(&checked);
        }
    }
    if (ok && options->dry_run)
        ok = plan_stages(options, stages, (int)count, err);
    else if (ok) {
        if (!options->train.resume && !options->train.overwrite && lt_run_folder_is_run(options->train.output))
            ok = lt_error_set(err, LT_ERR_USAGE, "%s: there is a run already; --resume continues it, --overwrite-output-dir replaces it",
                              options->train.output);
        ok = ok && write_recipe(options, err) && train_stages(options, stages, (int)count, err);
    }
    free(stages);
    return ok;
}
