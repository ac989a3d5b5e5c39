/* Runs lathe on the golden cases beside this file and compares with the numbers that transformers and PEFT computed for them.
 *
 *     golden LATHE CASES [CASE …]
 *
 * A case folder holds model/, data.jsonl, expected.json, logits.safetensors and training runs train_*; see README.md. A line is
 * printed for each failed check; the last line counts. Exit status 0 when all passed. */
#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/file.h"
#include "formats/safetensors.h"

/* The numbers of DESIGN: what may differ between two correct programs in single precision. */
static const double LOSS = 1e-4, LOGITS = 2e-4, STEP_LOSS = 1e-3, STEP_NORM = 1e-2, GRADIENT = 1e-3, MOVED = 5e-3;

static const char *lathe;
static int passed, failed;
static char scratch[] = "/tmp/lathe-golden-XXXXXX";

static void say(bool ok, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(bool ok, const char *format, ...)
{
    *(ok ? &passed : &failed) += 1;
    if (ok)
        return;
    va_list args;
    va_start(args, format);
    printf("FAIL ");
    vprintf(format, args);
    putchar('\n');
    va_end(args);
}

/* A word list that grows: the command line. */
typedef struct words {
    char *items[96];
    int count;
} words;

static void add(words *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(words *w, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (w->count >= 95 || vasprintf(&w->items[w->count++], format, args) < 0)
        abort();
    va_end(args);
}

static char *slurp(const char *path)
{
    char *data;
    size_t size;
    lt_error err;
    if (lt_file_read(path, 1 << 28, &data, &size, &err))
        return data;
    return strdup("");
}

/* Runs a command; its standard output, or NULL (reported) when it failed. Frees the words. */
static char *run(const char *name, words *w)
{
    char out[64], log[64];
    snprintf(out, sizeof out, "%s/stdout", scratch);
    snprintf(log, sizeof log, "%s/stderr", scratch);
    pid_t pid = fork();
    if (pid == 0) {
        int o = open(out, O_WRONLY | O_CREAT | O_TRUNC, 0600), e = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        dup2(o, 1);
        dup2(e, 2);
        execv(lathe, w->items);
        _exit(127);
    }
    int status;
    waitpid(pid, &status, 0);
    for (int i = 0; i < w->count; i++)
        free(w->items[i]);
    *w = (words){0};
    char *text = slurp(status ? log : out);
    if (status == 0)
        return text;
    say(false, "%s: exit %d: %s", name, WIFEXITED(status) ? WEXITSTATUS(status) : -1, text);
    free(text);
    return NULL;
}

static json_t *load(const char *format, ...) __attribute__((format(printf, 1, 2)));
static json_t *load(const char *format, ...)
{
    char path[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(path, sizeof path, format, args);
    va_end(args);
    return json_load_file(path, 0, NULL);
}

/* got[i][field] (or got[i] itself when field is NULL) against want[i], relative. */
static void close_enough(const char *name, const char *what, json_t *got, const char *got_field, json_t *want, const char *want_field,
                         double allowed)
{
    size_t n = json_array_size(want);
    if (json_array_size(got) != n) {
        say(false, "%s %s: %zu values, expected %zu", name, what, json_array_size(got), n);
        return;
    }
    double worst = 0;
    for (size_t i = 0; i < n; i++) {
        json_t *g = json_array_get(got, i), *e = json_array_get(want, i);
        double x = json_number_value(got_field ? json_object_get(g, got_field) : g);
        double y = json_number_value(want_field ? json_object_get(e, want_field) : e);
        double error = fabs(x - y) / fmax(fabs(y), 1e-2);
        worst = error > worst || error != error ? error : worst;
    }
    say(worst <= allowed, "%s %s: largest relative difference %.2e (allowed %g)", name, what, worst, allowed);
}

static float *tensor(lt_safetensors *set, const char *key, int64_t *n)
{
    const lt_tensor_info *info = set ? lt_safetensors_find(set, key) : NULL;
    lt_error err;
    if (!info)
        return NULL;
    float *data = malloc((size_t)info->elements * sizeof *data + 1);
    *n = info->elements;
    if (lt_safetensors_read_f32(set, info, data, &err))
        return data;
    free(data);
    return NULL;
}

static lt_safetensors *open_set(const char *format, ...) __attribute__((format(printf, 1, 2)));
static lt_safetensors *open_set(const char *format, ...)
{
    char path[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(path, sizeof path, format, args);
    va_end(args);
    lt_safetensors *set = NULL;
    lt_error err;
    return lt_safetensors_open(&set, path, &err) ? set : NULL;
}

static void check_logits(const char *dir, const char *name)
{
    lt_safetensors *want = open_set("%s/logits.safetensors", dir), *got = open_set("%s/logits.safetensors", scratch);
    int64_t n = 0, m = -1;
    float *w = tensor(want, "logits", &n), *g = tensor(got, "logits", &m);
    double largest = 0, worst = n == m && w && g ? 0 : INFINITY;
    for (int64_t i = 0; i < n && worst != INFINITY; i++) {
        largest = fmax(largest, fabs(w[i]));
        worst = fmax(worst, fabs((double)g[i] - w[i]));
    }
    say(worst <= LOGITS * largest, "%s logits: largest difference %.2e of %.2e", name, worst, largest);
    free(w);
    free(g);
    lt_safetensors_close(want);
    lt_safetensors_close(got);
}

static void evaluate(const char *dir, const char *name)
{
    json_t *expected = load("%s/expected.json", dir);
    words w = {0};
    add(&w, "lathe");
    add(&w, "eval");
    add(&w, "--model");
    add(&w, "%s/model", dir);
    add(&w, "--data");
    add(&w, "%s/data.jsonl", dir);
    add(&w, "--compute=fp32");
    add(&w, "--json");
    add(&w, "--per-example");
    add(&w, "--save-logits");
    add(&w, "%s/logits.safetensors", scratch);
    char *text = run(name, &w);
    if (text) {
        json_t *out = json_loads(text, 0, NULL);
        close_enough(name, "loss", json_object_get(out, "per_example"), "loss", json_object_get(expected, "per_example_loss"), NULL, LOSS);
        double mean = json_number_value(json_object_get(expected, "mean_loss_token_weighted"));
        double got = json_number_value(json_object_get(out, "loss"));
        say(fabs(got - mean) <= LOSS * mean, "%s mean loss: %g, expected %g", name, got, mean);
        check_logits(dir, name);
        json_decref(out);
        free(text);
    }
    json_decref(expected);
}

static void greedy(const char *dir, const char *name)
{
    json_t *expected = load("%s/expected.json", dir), *cases = json_object_get(expected, "greedy"), *c;
    size_t i;
    json_array_foreach(cases, i, c) {
        char prompt[8192] = "";
        size_t k;
        json_t *id;
        json_array_foreach(json_object_get(c, "prompt_ids"), k, id)
            snprintf(prompt + strlen(prompt), sizeof prompt - strlen(prompt), "%s%d", k ? "," : "", (int)json_integer_value(id));
        words w = {0};
        add(&w, "lathe");
        add(&w, "generate");
        add(&w, "--model");
        add(&w, "%s/model", dir);
        add(&w, "--prompt-ids");
        add(&w, "%s", prompt);
        add(&w, "--max-new-tokens");
        add(&w, "%d", (int)json_integer_value(json_object_get(c, "max_new")));
        add(&w, "--greedy");
        add(&w, "--ignore-eos");
        add(&w, "--compute=fp32");
        add(&w, "--json");
        char *text = run(name, &w);
        if (!text)
            continue;
        json_t *out = json_loads(text, 0, NULL);
        say(json_equal(json_object_get(out, "output_ids"), json_object_get(c, "output_ids")), "%s greedy %zu: other tokens: %s", name, i, text);
        json_decref(out);
        free(text);
    }
    json_decref(expected);
}

static void number(words *w, const char *option, json_t *settings, const char *key)
{
    add(w, "%s", option);
    add(w, "%.17g", json_number_value(json_object_get(settings, key)));
}

static void training_command(words *w, const char *dir, const char *run_name, json_t *t)
{
    bool full = !strcmp(json_string_value(json_object_get(t, "method")), "full");
    add(w, "lathe");
    add(w, "sft");
    add(w, "--model");
    add(w, "%s/model", dir);
    add(w, "--data");
    add(w, "%s/%s/%s", dir, run_name, json_string_value(json_object_get(t, "data")));
    add(w, "--output");
    add(w, "%s/out", scratch);
    number(w, "--max-steps", t, "steps");
    number(w, "--batch-size", t, "batch_size");
    number(w, "--gradient-accumulation-steps", t, "grad_accum");
    number(w, "--learning-rate", t, "lr");
    number(w, "--adam-epsilon", t, "eps");
    number(w, "--weight-decay", t, "weight_decay");
    number(w, "--max-grad-norm", t, "max_grad_norm");
    number(w, "--warmup-steps", t, "warmup_steps");
    add(w, "--adam-beta1");
    add(w, "%.17g", json_number_value(json_array_get(json_object_get(t, "betas"), 0)));
    add(w, "--adam-beta2");
    add(w, "%.17g", json_number_value(json_array_get(json_object_get(t, "betas"), 1)));
    add(w, "--lr-scheduler-type");
    add(w, "%s", json_string_value(json_object_get(t, "lr_schedule")));
    add(w, "--no-shuffle");
    add(w, "--compute=fp32");
    add(w, "--activation-bits=32");
    add(w, "--logging-steps=1");
    add(w, "--save-gradients");
    add(w, "%s/gradients.safetensors", scratch);
    if (full) {
        add(w, "--method");
        add(w, "full");
    } else {
        add(w, "--adapter");
        add(w, "%s/%s/adapter_in", dir, run_name);
    }
}

static json_t *step_rows(void)
{
    char path[128];
    snprintf(path, sizeof path, "%s/out/metrics.jsonl", scratch);
    char *text = slurp(path), *save = NULL;
    json_t *rows = json_array();
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
        if (strstr(line, "\"loss\""))
            json_array_append_new(rows, json_loads(line, 0, NULL));
    free(text);
    return rows;
}

static void check_gradients(const char *dir, const char *run_name, const char *name)
{
    lt_safetensors *want = open_set("%s/%s/grads_step0.safetensors", dir, run_name), *got = open_set("%s/gradients.safetensors", scratch);
    double worst = want && got ? 0 : INFINITY;
    const char *where = "";
    for (int64_t i = 0; want && got && i < lt_safetensors_count(want); i++) {
        const char *key = lt_safetensors_at(want, i)->name;
        int64_t n = 0, m = -1;
        float *w = tensor(want, key, &n), *g = tensor(got, key, &m);
        double difference = 0, norm = 0;
        for (int64_t e = 0; e < n && n == m; e++) {
            difference += ((double)g[e] - w[e]) * ((double)g[e] - w[e]);
            norm += (double)w[e] * w[e];
        }
        double error = n == m ? sqrt(difference) / fmax(sqrt(norm), 1e-12) : INFINITY;
        if (error > worst || error != error) {
            worst = error;
            where = key;
        }
        free(w);
        free(g);
    }
    say(worst <= GRADIENT, "%s gradients: worst tensor %.2e relative (%s)", name, worst, where);
    lt_safetensors_close(want);
    lt_safetensors_close(got);
}

/* The trained tensors: how far from the reference's, relative to how far training moved them. */
static void check_result(const char *dir, const char *run_name, const char *name, bool full)
{
    const char *file = full ? "model.safetensors" : "adapter_model.safetensors";
    lt_safetensors *reference = open_set("%s/%s/%s/%s", dir, run_name, full ? "model_out" : "adapter_out", file);
    lt_safetensors *start = full ? open_set("%s/model/%s", dir, file) : open_set("%s/%s/adapter_in/%s", dir, run_name, file);
    lt_safetensors *got = open_set("%s/out/%s", scratch, file);
    double difference = 0, moved = 0;
    int missing = reference && start && got ? 0 : 1;
    for (int64_t i = 0; !missing && i < lt_safetensors_count(reference); i++) {
        const char *key = lt_safetensors_at(reference, i)->name;
        int64_t n = 0, m = -1, o = -1;
        float *r = tensor(reference, key, &n), *g = tensor(got, key, &m), *s = tensor(start, key, &o);
        if (n == m && n == o)
            for (int64_t e = 0; e < n; e++) {
                difference += ((double)g[e] - r[e]) * ((double)g[e] - r[e]);
                moved += ((double)s[e] - r[e]) * ((double)s[e] - r[e]);
            }
        else if (!strstr(key, "base_layer"))
            missing++;
        free(r);
        free(g);
        free(s);
    }
    double far = missing ? INFINITY : sqrt(difference / fmax(moved, 1e-30));
    say(far <= MOVED, "%s result: %.2e of the way moved (%d tensors missing)", name, far, missing);
    lt_safetensors_close(reference);
    lt_safetensors_close(start);
    lt_safetensors_close(got);
}

static void remove_tree(const char *path)
{
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));) {
        char inner[4096];
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
            continue;
        snprintf(inner, sizeof inner, "%s/%s", path, e->d_name);
        if (unlink(inner))
            remove_tree(inner);
    }
    if (d)
        closedir(d);
    rmdir(path);
}

static void train(const char *dir, const char *case_name, const char *run_name)
{
    json_t *t = load("%s/%s/train.json", dir, run_name);
    char name[600], out[64];
    snprintf(name, sizeof name, "%s/%s", case_name, run_name);
    snprintf(out, sizeof out, "%s/out", scratch);
    words w = {0};
    training_command(&w, dir, run_name, t);
    char *text = run(name, &w);
    if (text) {
        json_t *rows = step_rows(), *log = json_object_get(t, "log");
        close_enough(name, "loss per step", rows, "loss", log, "loss", STEP_LOSS);
        close_enough(name, "gradient norm per step", rows, "grad_norm", log, "grad_norm", STEP_NORM);
        check_gradients(dir, run_name, name);
        check_result(dir, run_name, name, !strcmp(json_string_value(json_object_get(t, "method")), "full"));
        json_decref(rows);
        free(text);
    }
    remove_tree(out);
    json_decref(t);
}

static int not_hidden(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

static void check_case(const char *cases, const char *name)
{
    char dir[2048];
    snprintf(dir, sizeof dir, "%s/%s", cases, name);
    evaluate(dir, name);
    greedy(dir, name);
    struct dirent **entries;
    int n = scandir(dir, &entries, not_hidden, alphasort);
    for (int i = 0; i < n; i++) {
        if (!strncmp(entries[i]->d_name, "train_", 6))
            train(dir, name, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
}

int main(int argc, char **argv)
{
    if (argc < 3 || !mkdtemp(scratch)) {
        fprintf(stderr, "usage: golden LATHE CASES [CASE …]\n");
        return 2;
    }
    lathe = argv[1];
    struct dirent **entries;
    int n = scandir(argv[2], &entries, not_hidden, alphasort);
    for (int i = 0; i < n; i++) {
        bool wanted = argc == 3;
        for (int a = 3; a < argc; a++)
            wanted |= !strcmp(argv[a], entries[i]->d_name);
        char probe[2048];
        snprintf(probe, sizeof probe, "%s/%s/case.json", argv[2], entries[i]->d_name);
        if (wanted && lt_file_exists(probe))
            check_case(argv[2], entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    remove_tree(scratch);
    printf("golden: %d passed, %d failed\n", passed, failed);
    return failed || !passed;
}
