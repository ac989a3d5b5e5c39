#include "cli/rounds.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/command.h"
#include "cli/console.h"
#include "cli/options.h"
#include "core/file.h"
#include "formats/json.h"
#include "formats/yaml.h"
#include "rl/mix.h"
#include "train/run_folder.h"

/* What the rounds know while they go on. */
typedef struct rounds {
    const char *path;         /* of the recipe */
    json_t *recipe, *state;   /* state: {"recipe", "done": [...], "names": {name: folder}, "policy": folder or null} */
    char output[4096];
    int64_t seed;
} rounds;

static const char *const updating[] = {"sft", "dpo", "rl", "average", NULL}; /* steps whose output is the next policy */

static bool one_of(const char *name, const char *const *list)
{
    for (; *list; list++)
        if (!strcmp(name, *list))
            return true;
    return false;
}

/* ---- state ---- */

static bool save_state(const rounds *r, lt_error *err)
{
    return lt_run_folder_write_json(r->output, "rounds.json", r->state, err);
}

/* Recipes agree in all but the number of rounds. */
static bool same_recipe(const json_t *a, const json_t *b)
{
    json_t *x = json_copy((json_t *)a), *y = json_copy((json_t *)b);
    json_object_del(x, "rounds");
    json_object_del(y, "rounds");
    bool same = json_equal(x, y);
    json_decref(x);
    json_decref(y);
    return same;
}

static bool open_state(rounds *r, bool resume, lt_error *err)
{
    char path[4096];
    if (!lt_file_join(path, sizeof path, r->output, "rounds.json", err) || !lt_file_make_folder(r->output, err))
        return false;
    bool there = lt_file_exists(path);
    if (there && !resume)
        return lt_error_set(err, LT_ERR_USAGE, "%s: holds rounds already; --resume goes on with them", r->output);
    if (there) {
        r->state = lt_json_load(path, LT_JSON_CONFIG_LIMIT_BYTES, err);
        if (!r->state)
            return false;
        if (!json_is_array(json_object_get(r->state, "done")) || !json_is_object(json_object_get(r->state, "names")))
            return lt_error_set(err, LT_ERR_FORMAT, "%s: is no state of rounds", path);
        return same_recipe(json_object_get(r->state, "recipe"), r->recipe) ||
               lt_error_set(err, LT_ERR_USAGE, "%s: was begun with another recipe than %s is now", r->output, r->path);
    }
    r->state = json_pack("{s:O, s:[], s:{}, s:O?}", "recipe", r->recipe, "done", "names", "policy", json_object_get(r->recipe, "adapter"));
    return r->state ? save_state(r, err) : lt_error_set(err, LT_ERR_MEMORY, "out of memory");
}

/* ---- a step's options ---- */

/* ${name} becomes the folder that the last step of that name left, ${policy} the adapter now, ${round} the number. A missing one
 * is an error, with ${name?} the whole value is NULL. */
static json_t *fill_in(const rounds *r, const char *text, int64_t round, bool *drop, lt_error *err)
{
    char out[8192] = "";
    size_t n = 0;
    *drop = false;
    while (*text) {
        const char *end = !strncmp(text, "${", 2) ? strchr(text, '}') : NULL;
        char piece[4096], name[128] = "";
        if (!end) {
            snprintf(piece, sizeof piece, "%c", *text++);
        } else {
            bool optional = end[-1] == '?';
            snprintf(name, sizeof name, "%.*s", (int)(end - text - 2 - optional), text + 2);
            const char *folder = !strcmp(name, "policy") ? json_string_value(json_object_get(r->state, "policy"))
                                                         : json_string_value(json_object_get(json_object_get(r->state, "names"), name));
            if (!strcmp(name, "round"))
                snprintf(piece, sizeof piece, "%lld", (long long)round);
            else if (folder)
                snprintf(piece, sizeof piece, "%s", folder);
            else if (optional)
                *drop = true, *piece = '\0';
            else
                return lt_error_set(err, LT_ERR_USAGE, "%s: ${%s}: no step of that name was done before", r->path, name), NULL;
            text = end + 1;
        }
        size_t add = strlen(piece);
        if (n + add >= sizeof out)
            return lt_error_set(err, LT_ERR_USAGE, "%s: a value is longer than %zu bytes", r->path, sizeof out), NULL;
        memcpy(out + n, piece, add + 1);
        n += add;
    }
    return json_string(out);
}

static json_t *resolve(const rounds *r, const json_t *value, int64_t round, bool *drop, lt_error *err)
{
    *drop = false;
    if (json_is_string(value))
        return fill_in(r, json_string_value(value), round, drop, err);
    if (!json_is_array(value))
        return json_deep_copy(value);
    json_t *list = json_array();
    for (size_t i = 0; i < json_array_size(value); i++) {
        bool leave_out;
        json_t *item = resolve(r, json_array_get(value, i), round, &leave_out, err);
        if (!item) {
            json_decref(list);
            return NULL;
        }
        if (leave_out)
            json_decref(item);
        else
            json_array_append_new(list, item);
    }
    *drop = json_array_size(value) && !json_array_size(list);
    return list;
}

/* Options of the step as its command takes them: the recipe's model, the adapter now, and what the step says. */
static json_t *options_of(const rounds *r, const char *command, const json_t *step, int64_t round, const char *output, lt_error *err)
{
    static const char *const own[] = {"name", "rounds", "keep_policy", NULL};
    json_t *out = json_object(), *value;
    const char *key, *policy = json_string_value(json_object_get(r->state, "policy"));
    if (strcmp(command, "mix") && strcmp(command, "average")) {
        json_object_set_new(out, "command", json_string(command));
        json_object_set(out, "model", json_object_get(r->recipe, "model"));
        if (policy && strcmp(command, "reward"))
            json_object_set_new(out, "adapter", json_string(policy));
        json_object_set_new(out, "seed", json_integer(r->seed + round));
        json_object_set_new(out, "output", json_string(output));
    }
    json_object_foreach((json_t *)step, key, value)
    {
        bool drop;
        if (one_of(key, own))
            continue;
        if (json_is_null(value)) { /* adapter: null begins from the base */
            json_object_del(out, key);
            continue;
        }
        json_t *filled = resolve(r, value, round, &drop, err);
        if (!filled) {
            json_decref(out);
            return NULL;
        }
        if (drop)
            json_object_del(out, key);
        else
            json_object_set(out, key, filled);
        json_decref(filled);
    }
    return out;
}

/* ---- running a step ---- */

/* A command's own output is a message here. */
static bool run_quietly(lt_options *options, lt_error *err)
{
    fflush(stdout);
    int kept = dup(STDOUT_FILENO);
    if (kept < 0)
        return lt_error_errno(err, "standard output");
    dup2(STDERR_FILENO, STDOUT_FILENO);
    bool ok = options->command->run(options, err);
    fflush(stdout);
    dup2(kept, STDOUT_FILENO);
    close(kept);
    return ok;
}

/* True when the folder holds work that the command can go on with. */
static bool begun(const char *command, const char *output)
{
    char state[4096];
    if (!strcmp(command, "sample"))
        return lt_file_join(state, sizeof state, output, "state.json", NULL) && lt_file_exists(state);
    int64_t *steps = NULL, count = lt_run_folder_checkpoints(output, &steps);
    free(steps);
    return count > 0;
}

static bool run_command(const char *command, const json_t *options_json, const char *output, lt_error *err)
{
    char path[4096], *text;
    size_t size;
    const lt_command *c = lt_command_find(command);
    lt_options options;
    snprintf(path, sizeof path, "%.4000s.yaml", output);
    if (!lt_yaml_write(options_json, &text, &size, err))
        return false;
    bool ok = lt_file_replace(path, text, size, err);
    free(text);
    if (!ok)
        return false;
    char *argv[] = {"--config", path, "--output", (char *)output, begun(command, output) ? "--resume" : "--overwrite"};
    ok = lt_options_parse(&options, c, 5, argv, err) && run_quietly(&options, err);
    lt_options_free(&options);
    return ok;
}

static bool numbers(const json_t *list, int count, double *out)
{
    for (int i = 0; i < count; i++)
        out[i] = list ? json_number_value(json_array_get(list, (size_t)i)) : 1;
    return !list || (int)json_array_size(list) == count;
}

/* mix: {data: [files], shares: [numbers], rows: N}; average: {adapters: [folders], weights: [numbers]} */
static bool run_own(const rounds *r, const char *command, const json_t *o, const char *output, int64_t round, lt_error *err)
{
    enum { MOST = 64 };
    bool mix = !strcmp(command, "mix");
    const char *key = mix ? "data" : "adapters", *weights_key = mix ? "shares" : "weights", *names[MOST];
    const json_t *list = json_object_get(o, key);
    lt_mix_source sources[MOST];
    double weights[MOST];
    char path[4096];
    int count = (int)json_array_size(list);
    if (count < 1 || count > MOST || !numbers(json_object_get(o, weights_key), count, weights))
        return lt_error_set(err, LT_ERR_USAGE, "%s: %s: expected '%s', a list of 1 to %d, and as many '%s'", r->path, command, key, MOST, weights_key);
    for (int i = 0; i < count; i++) {
        names[i] = json_string_value(json_array_get(list, (size_t)i));
        if (!names[i])
            return lt_error_set(err, LT_ERR_USAGE, "%s: %s: '%s': expected strings", r->path, command, key);
        sources[i] = (lt_mix_source){.path = names[i], .share = weights[i]};
    }
    if (!mix)
        return lt_mix_adapters(output, names, weights, count, err);
    return lt_file_make_folder(output, err) && lt_file_join(path, sizeof path, output, "rows.jsonl", err) &&
           lt_mix_rows(path, sources, count, json_integer_value(json_object_get(o, "rows")), (uint64_t)(r->seed + round), err);
}

/* What a step's summary.json says of it, as far as it goes into the table. */
static json_t *row_of(const char *command, const char *name, int64_t round, const char *output)
{
    static const char *const figures[] = {"loss_last", "eval_loss", "eval_accuracy", "reward_last", "score_mean", "score_best_mean", "solved", "prompts", "sft_rows",
                                          "preference_rows", "seconds", NULL};
    char path[4096];
    json_t *row = json_pack("{s:I, s:s, s:s, s:s}", "round", (json_int_t)round, "step", command, "name", name, "output", output);
    json_t *summary = lt_file_join(path, sizeof path, output, "summary.json", NULL) ? lt_json_load(path, LT_JSON_CONFIG_LIMIT_BYTES, NULL) : NULL;
    for (int i = 0; summary && figures[i]; i++)
        if (json_is_number(json_object_get(summary, figures[i])))
            json_object_set(row, figures[i], json_object_get(summary, figures[i]));
    json_decref(summary);
    return row;
}

static bool in_round(const json_t *step, int64_t round)
{
    const json_t *list = json_object_get(step, "rounds");
    for (size_t i = 0; i < json_array_size(list); i++)
        if (json_integer_value(json_array_get(list, i)) == round)
            return true;
    return !list;
}

static bool do_step(rounds *r, const char *command, const json_t *step, int64_t round, size_t number, lt_error *err)
{
    char output[4200];
    const char *name = json_string_value(json_object_get(step, "name"));
    name = name ? name : command;
    snprintf(output, sizeof output, "%.4000s/round-%lld/%zu-%.100s", r->output, (long long)round, number, name);
    *strrchr(output, '/') = '\0';
    bool ok = lt_file_make_folder(output, err);
    output[strlen(output)] = '/';
    json_t *options = ok ? options_of(r, command, step, round, output, err) : NULL;
    if (!options)
        return false;
    lt_console_print("lathe: round %lld: %s", (long long)round, name);
    bool own = !strcmp(command, "mix") || !strcmp(command, "average");
    ok = own ? run_own(r, command, options, output, round, err) : run_command(command, options, output, err);
    json_decref(options);
    if (!ok)
        return *err->message && err->status != LT_ERR_INTERRUPTED ? lt_error_context(err, "round %lld, %s", (long long)round, name) : false;
    json_array_append_new(json_object_get(r->state, "done"), row_of(command, name, round, output));
    json_object_set_new(json_object_get(r->state, "names"), name, json_string(output));
    if (one_of(command, updating) && !json_is_true(json_object_get(step, "keep_policy")))
        json_object_set_new(r->state, "policy", json_string(output));
    return save_state(r, err);
}

/* ---- the recipe ---- */

static bool known(const char *command)
{
    static const char *const steps[] = {"reward", "sample", "sft", "dpo", "rl", "pretrain", "mix", "average", NULL};
    return one_of(command, steps);
}

/* Keys of a step: its command's options and our own. */
static bool check_keys(const rounds *r, const char *command, const json_t *step, size_t number, lt_error *err)
{
    static const char *const own[] = {"name", "rounds", "keep_policy", NULL}, *const mix[] = {"data", "shares", "rows", NULL},
                      *const average[] = {"adapters", "weights", NULL};
    const lt_command *c = lt_command_find(command);
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)step, key, value)
    {
        bool known_key = one_of(key, own) || (!strcmp(command, "mix") ? one_of(key, mix) : !strcmp(command, "average") ? one_of(key, average) : lt_option_find(c, key) != NULL);
        if (!known_key && !json_is_null(value))
            return lt_error_set(err, LT_ERR_USAGE, "%s: step %zu: %s has no option '%s'", r->path, number, command, key);
    }
    return true;
}

static bool check(const rounds *r, lt_error *err)
{
    static const char *const keys[] = {"command", "model", "adapter", "output", "rounds", "seed", "steps", "evaluate", NULL};
    const char *key;
    json_t *value;
    json_object_foreach(r->recipe, key, value)
        if (!one_of(key, keys))
            return lt_error_set(err, LT_ERR_USAGE, "%s: there is no key '%s'; known are model, adapter, output, rounds, seed, steps, evaluate", r->path, key);
    if (!json_is_string(json_object_get(r->recipe, "model")))
        return lt_error_set(err, LT_ERR_USAGE, "%s: 'model': expected a folder", r->path);
    const json_t *steps = json_object_get(r->recipe, "steps"), *evaluate = json_object_get(r->recipe, "evaluate");
    if (!json_array_size(steps))
        return lt_error_set(err, LT_ERR_USAGE, "%s: 'steps': expected a list of steps", r->path);
    for (size_t i = 0; i < json_array_size(steps); i++) {
        const json_t *step = json_array_get(steps, i);
        const char *command = json_object_iter_key(json_object_iter((json_t *)step));
        if (json_object_size(step) != 1 || !known(command) || !json_is_object(json_object_get(step, command)))
            return lt_error_set(err, LT_ERR_USAGE, "%s: step %zu: expected one of reward, sample, sft, dpo, rl, pretrain, mix, average with its options", r->path, i + 1);
        if (!check_keys(r, command, json_object_get(step, command), i + 1, err))
            return false;
    }
    if (evaluate && !json_is_object(evaluate))
        return lt_error_set(err, LT_ERR_USAGE, "%s: 'evaluate': expected options of lathe sample", r->path);
    return !evaluate || check_keys(r, "sample", evaluate, 0, err);
}

/* Steps of all rounds in their order; those that are done are passed over. Round 0 is the evaluation before the first. */
static bool go(rounds *r, lt_error *err)
{
    const json_t *steps = json_object_get(r->recipe, "steps"), *evaluate = json_object_get(r->recipe, "evaluate");
    int64_t count = json_object_get(r->recipe, "rounds") ? json_integer_value(json_object_get(r->recipe, "rounds")) : 1;
    size_t at = 0, done = json_array_size(json_object_get(r->state, "done"));
    for (int64_t round = 0; round <= count; round++) {
        for (size_t i = 0; round && i < json_array_size(steps); i++) {
            const json_t *entry = json_array_get(steps, i);
            const char *command = json_object_iter_key(json_object_iter((json_t *)entry));
            const json_t *step = json_object_get(entry, command);
            if (in_round(step, round) && at++ >= done && !do_step(r, command, step, round, i + 1, err))
                return false;
        }
        if (evaluate && at++ >= done) {
            json_t *step = json_copy((json_t *)evaluate);
            json_object_set_new(step, "name", json_string("evaluate"));
            json_object_set_new(step, "seed", json_integer(r->seed)); /* the same draws in every round */
            bool ok = do_step(r, "sample", step, round, json_array_size(steps) + 1, err);
            json_decref(step);
            if (!ok)
                return false;
        }
    }
    return true;
}

bool lt_rounds_run(const char *recipe, const char *output, bool resume, json_t **table, lt_error *err)
{
    rounds r = {.path = recipe, .seed = 42};
    bool ok = lt_yaml_read(recipe, &r.recipe, NULL, err);
    if (ok && !json_is_object(r.recipe))
        ok = lt_error_set(err, LT_ERR_USAGE, "%s: expected a mapping", recipe);
    ok = ok && check(&r, err);
    const char *folder = output ? output : json_string_value(json_object_get(r.recipe, "output"));
    if (ok && !folder)
        ok = lt_error_set(err, LT_ERR_USAGE, "%s: 'output' is missing: a folder, here or as --output", recipe);
    if (ok) {
        snprintf(r.output, sizeof r.output, "%s", folder);
        if (json_is_integer(json_object_get(r.recipe, "seed")))
            r.seed = json_integer_value(json_object_get(r.recipe, "seed"));
        ok = open_state(&r, resume, err) && go(&r, err);
    }
    *table = r.state ? json_incref(json_object_get(r.state, "done")) : json_array();
    json_decref(r.recipe);
    json_decref(r.state);
    return ok;
}

/* 95 % of Wilson's interval for a share of n. */
static void wilson(double p, double n, double *low, double *high)
{
    const double z = 1.959964;
    double centre = (p + z * z / (2 * n)) / (1 + z * z / n), half = z / (1 + z * z / n) * sqrt(p * (1 - p) / n + z * z / (4 * n * n));
    *low = centre - half;
    *high = centre + half;
}

void lt_rounds_print(const json_t *table)
{
    double before = NAN;
    printf("round  step        result\n");
    for (size_t i = 0; i < json_array_size(table); i++) {
        const json_t *row = json_array_get(table, i);
        const char *command = json_string_value(json_object_get(row, "step")), *name = json_string_value(json_object_get(row, "name"));
        printf("%5lld  %-10s ", (long long)json_integer_value(json_object_get(row, "round")), name);
        if (!strcmp(name, "evaluate")) {
            double score = json_number_value(json_object_get(row, "score_mean")), solved = json_number_value(json_object_get(row, "solved")), low, high;
            wilson(solved, fmax(1, json_number_value(json_object_get(row, "prompts"))), &low, &high);
            printf(" score %.4f, solved %.1f %% [%.1f, %.1f]", score, 100 * solved, 100 * low, 100 * high);
            if (!isnan(before))
                printf(", gained %+.4f", score - before);
            before = score;
        } else if (!strcmp(command, "sample")) {
            printf(" score %.4f, best %.4f; %lld rows for sft, %lld pairs", json_number_value(json_object_get(row, "score_mean")),
                   json_number_value(json_object_get(row, "score_best_mean")), (long long)json_integer_value(json_object_get(row, "sft_rows")),
                   (long long)json_integer_value(json_object_get(row, "preference_rows")));
        } else if (json_object_get(row, "reward_last")) {
            printf(" reward %.4f", json_number_value(json_object_get(row, "reward_last")));
        } else if (json_object_get(row, "loss_last")) {
            printf(" loss %.4f", json_number_value(json_object_get(row, "loss_last")));
        }
        putchar('\n');
    }
}
