/* What rejection sampling leaves: rows, and where it is. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/file.h"
#include "formats/json.h"
#include "formats/yaml.h"
#include "rl/sampling_internal.h"

static const char *const names[LT_SAMPLING_FILES] = {"sft.jsonl", "preferences.jsonl", "samples.jsonl"};
enum { SFT, PREFERENCES, SAMPLES };

/* ---- the folder ---- */

typedef struct counter {
    const char *name;
    size_t offset;
} counter;

#define COUNTER(member) {#member, offsetof(lt_sampling_result, member)}
static const counter counters[] = {COUNTER(prompts), COUNTER(answers), COUNTER(truncated), COUNTER(tokens), COUNTER(prompt_tokens),
                                   COUNTER(chosen), COUNTER(pairs), COUNTER(too_long), COUNTER(equal_scores), COUNTER(duplicates),
                                   COUNTER(solved)};
static const counter sums[] = {COUNTER(score_sum), COUNTER(best_sum), COUNTER(seconds), COUNTER(step_seconds)};
enum { COUNTERS = sizeof counters / sizeof *counters, SUMS = sizeof sums / sizeof *sums };

/* The recipe without what changes no row. */
static json_t *what_matters(const json_t *recipe)
{
    static const char *const free_to_change[] = {"threads", "decode_batch", "max_memory", "output", NULL};
    json_t *copy = json_copy((json_t *)recipe);
    for (int i = 0; copy && free_to_change[i]; i++)
        json_object_del(copy, free_to_change[i]);
    return copy;
}

static bool same_recipe(const lt_sampling_request *r, const json_t *then, lt_error *err)
{
    json_t *a = what_matters(then), *b = what_matters(r->recipe), *value;
    const char *key;
    bool ok = json_is_object(a) && json_is_object(b);
    if (!ok)
        lt_error_set(err, LT_ERR_FORMAT, "%s/state.json: has no recipe", r->output);
    json_object_foreach(b, key, value)
        if (ok && !json_equal(json_object_get(a, key), value))
            ok = lt_error_set(err, LT_ERR_USAGE, "%s: cannot be gone on with by these options: %s is another", r->output, key);
    json_decref(a);
    json_decref(b);
    return ok;
}

static bool write_recipe(const lt_sampling_request *r, lt_error *err)
{
    char path[4096], *text;
    size_t size;
    if (!lt_file_join(path, sizeof path, r->output, "recipe.yaml", err) || !lt_yaml_write(r->recipe, &text, &size, err))
        return false;
    bool ok = lt_file_replace(path, text, size, err);
    free(text);
    return ok;
}

static bool read_state(lt_sampling_folder *f, const lt_sampling_request *r, lt_sampling_result *result, int64_t bytes[LT_SAMPLING_FILES], lt_error *err)
{
    char path[4096];
    if (!lt_file_join(path, sizeof path, r->output, "state.json", err))
        return false;
    json_t *state = lt_json_load(path, 1 << 20, err);
    if (!state)
        return false;
    lt_json at = lt_json_root(state, path);
    bool ok = lt_json_get_int(&at, "rows", 0, INT64_MAX, &f->rows, err);
    ok = ok && (!r->recipe || same_recipe(r, json_object_get(state, "recipe"), err));
    for (int i = 0; ok && i < LT_SAMPLING_FILES; i++)
        ok = lt_json_get_int(&at, names[i], 0, INT64_MAX, &bytes[i], err);
    for (int i = 0; ok && i < COUNTERS; i++)
        ok = lt_json_get_int(&at, counters[i].name, 0, INT64_MAX, (int64_t *)((char *)result + counters[i].offset), err);
    for (int i = 0; ok && i < SUMS; i++)
        ok = lt_json_get_real(&at, sums[i].name, (double *)((char *)result + sums[i].offset), err);
    json_decref(state);
    return ok;
}

/* What a killed process wrote after its last state is dropped. */
static bool open_file(lt_sampling_folder *f, int i, int64_t bytes, lt_error *err)
{
    char path[4096];
    if (!lt_file_join(path, sizeof path, f->path, names[i], err))
        return false;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | (bytes == 0 ? O_TRUNC : 0), 0666);
    if (fd < 0)
        return lt_error_errno(err, "%s", path);
    if (lseek(fd, 0, SEEK_END) < bytes) {
        close(fd);
        return lt_error_set(err, LT_ERR_FORMAT, "%s: is shorter than state.json says", path);
    }
    if (ftruncate(fd, bytes) != 0 || lseek(fd, 0, SEEK_END) < 0 || !(f->files[i] = fdopen(fd, "a"))) {
        close(fd);
        return lt_error_errno(err, "%s", path);
    }
    return true;
}

bool lt_sampling_folder_open(lt_sampling_folder *f, const lt_sampling_request *r, lt_sampling_result *result, lt_error *err)
{
    char state[4096];
    int64_t bytes[LT_SAMPLING_FILES] = {0};
    *f = (lt_sampling_folder){.path = r->output, .lock = -1};
    if (!lt_file_join(state, sizeof state, r->output, "state.json", err) || !lt_file_make_folder(r->output, err))
        return false;
    f->lock = open(r->output, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (f->lock < 0)
        return lt_error_errno(err, "%s", r->output);
    if (flock(f->lock, LOCK_EX | LOCK_NB) != 0)
        return lt_error_set(err, LT_ERR_USAGE, "%s: another process writes there", r->output);
    bool there = lt_file_exists(state);
    if (there && !r->resume && !r->overwrite)
        return lt_error_set(err, LT_ERR_USAGE, "%s: holds samples already; --resume goes on with them, --overwrite replaces them", r->output);
    if (there && r->resume && !read_state(f, r, result, bytes, err))
        return false;
    for (int i = 0; i < LT_SAMPLING_FILES; i++)
        if (!open_file(f, i, bytes[i], err))
            return false;
    /* A state from the start on: a run that is killed in its first group is gone on with, too. */
    return (!r->recipe || write_recipe(r, err)) && ((there && r->resume) || lt_sampling_folder_keep(f, r, result, err));
}

void lt_sampling_folder_close(lt_sampling_folder *f)
{
    for (int i = 0; i < LT_SAMPLING_FILES; i++)
        if (f->files[i])
            fclose(f->files[i]);
    if (f->lock >= 0)
        close(f->lock);
    *f = (lt_sampling_folder){.lock = -1};
}

bool lt_sampling_folder_keep(lt_sampling_folder *f, const lt_sampling_request *r, const lt_sampling_result *result, lt_error *err)
{
    char path[4096];
    json_t *state = json_pack("{s:I, s:O*}", "rows", (json_int_t)f->rows, "recipe", r->recipe);
    bool ok = state && lt_file_join(path, sizeof path, f->path, "state.json", err);
    for (int i = 0; ok && i < LT_SAMPLING_FILES; i++) {
        if (fflush(f->files[i]) != 0 || fsync(fileno(f->files[i])) != 0)
            ok = lt_error_errno(err, "%s/%s", f->path, names[i]);
        json_object_set_new(state, names[i], json_integer((json_int_t)ftello(f->files[i])));
    }
    for (int i = 0; ok && i < COUNTERS; i++)
        json_object_set_new(state, counters[i].name, json_integer(*(const int64_t *)((const char *)result + counters[i].offset)));
    for (int i = 0; ok && i < SUMS; i++)
        json_object_set_new(state, sums[i].name, json_real(*(const double *)((const char *)result + sums[i].offset)));
    char *text = ok ? json_dumps(state, JSON_INDENT(1)) : NULL;
    ok = ok && (text ? lt_file_replace(path, text, strlen(text), err) : lt_error_set(err, LT_ERR_MEMORY, "out of memory"));
    free(text);
    json_decref(state);
    return ok;
}

/* ---- rows ---- */

/* Takes row over. */
static bool put(lt_sampling_folder *f, int file, json_t *row, lt_error *err)
{
    char *text = row ? json_dumps(row, JSON_COMPACT) : NULL;
    bool ok = text ? fputs(text, f->files[file]) >= 0 && putc('\n', f->files[file]) != EOF : lt_error_set(err, LT_ERR_MEMORY, "out of memory for a row");
    if (text && !ok)
        lt_error_errno(err, "%s/%s", f->path, names[file]);
    free(text);
    json_decref(row);
    return ok;
}

/* An answer in the shape that the prompt has. */
static json_t *completion(const lt_prompt *prompt, const char *text, size_t size)
{
    json_t *string = json_stringn(text, size);
    return json_is_array(prompt->asked) ? json_pack("[{s:s, s:o}]", "role", "assistant", "content", string) : string;
}

static bool reaches(const lt_sampling_request *r, double score) { return isnan(r->threshold) || score >= r->threshold; }

static bool put_chosen(lt_sampling_folder *f, const lt_prompt *p, const char *text, size_t size, double score, lt_sampling_result *result, lt_error *err)
{
    result->chosen++;
    return put(f, SFT, json_pack("{s:O, s:o, s:f}", "prompt", p->asked, "completion", completion(p, text, size), "score", score), err);
}

/* Index of the best (or worst) answer; among equals the first. chosen: only answers that may be trained on. */
static int64_t extreme(const lt_sampling_request *r, const lt_rollout_answer *const *answers, const double *scores, int64_t n, int sign, bool chosen)
{
    int64_t best = -1;
    for (int64_t i = 0; i < n; i++)
        if ((!chosen || answers[i]->ended || r->keep_truncated) && (best < 0 || sign * scores[i] > sign * scores[best]))
            best = i;
    return best;
}

static bool same_text(const char *const *texts, const size_t *sizes, int64_t a, int64_t b)
{
    return sizes[a] == sizes[b] && !memcmp(texts[a], texts[b], sizes[a]);
}

bool lt_sampling_write(lt_sampling_folder *f, const lt_sampling_request *r, const lt_scorer *scorer, const lt_prompt *p,
                       const lt_rollout_answer *const *answers, const char *const *texts, const size_t *sizes, const double *scores,
                       const double *parts, int64_t stride, int64_t n, lt_sampling_result *result, lt_error *err)
{
    int64_t best = extreme(r, answers, scores, n, 1, true), worst = extreme(r, answers, scores, n, -1, false);
    int64_t top = extreme(r, answers, scores, n, 1, false);
    for (int64_t i = 0; i < n; i++) {
        json_t *each = json_object();
        for (int s = 0; s < lt_scorer_count(scorer); s++)
            json_object_set_new(each, lt_scorer_name(scorer, s), json_real(parts[s * stride + i]));
        json_t *row = json_pack("{s:I, s:O, s:o, s:f, s:o, s:b, s:I}", "row", (json_int_t)p->index, "prompt", p->asked, "completion",
                                completion(p, texts[i], sizes[i]), "score", scores[i], "scores", each, "ended", (int)answers[i]->ended, "tokens",
                                (json_int_t)answers[i]->count);
        if (!put(f, SAMPLES, row, err))
            return false;
        result->score_sum += scores[i];
        result->truncated += !answers[i]->ended;
    }
    result->prompts++;
    result->answers += n;
    result->best_sum += scores[top];
    result->solved += isnan(r->threshold) ? scores[top] > 0 : scores[top] >= r->threshold;
    if (r->best_of && best >= 0 && reaches(r, scores[best]) && !put_chosen(f, p, texts[best], sizes[best], scores[best], result, err))
        return false;
    for (int64_t i = 0; !r->best_of && i < n; i++) {
        bool again = false;
        if (!(answers[i]->ended || r->keep_truncated) || !reaches(r, scores[i]))
            continue;
        for (int64_t k = 0; k < i && !again; k++)
            again = (answers[k]->ended || r->keep_truncated) && same_text(texts, sizes, i, k);
        result->duplicates += again;
        if (!again && !put_chosen(f, p, texts[i], sizes[i], scores[i], result, err))
            return false;
    }
    result->equal_scores += scores[top] == scores[worst];
    if (best < 0 || !(scores[best] > scores[worst]) || !reaches(r, scores[best]) || same_text(texts, sizes, best, worst))
        return true;
    result->pairs++;
    return put(f, PREFERENCES,
               json_pack("{s:O, s:o, s:o, s:f, s:f}", "prompt", p->asked, "chosen", completion(p, texts[best], sizes[best]), "rejected",
                         completion(p, texts[worst], sizes[worst]), "score_chosen", scores[best], "score_rejected", scores[worst]),
               err);
}
