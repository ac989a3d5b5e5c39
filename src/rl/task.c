#define PCRE2_CODE_UNIT_WIDTH 8
#include "rl/task.h"

#include <ctype.h>
#include <math.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/rng.h"
#include "rl/scorer.h"

static const char STEPS[] = "Let's think step by step.";

/* ---- rows ---- */

static bool add_label(lt_questions *q, const char *label, lt_error *err)
{
    for (int64_t i = 0; i < q->label_count; i++)
        if (!strcmp(q->labels[i], label))
            return true;
    char **grown = realloc(q->labels, (size_t)(q->label_count + 1) * sizeof *grown);
    if (grown)
        q->labels = grown;
    if (!grown || !(grown[q->label_count] = strdup(label)))
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for labels");
    q->label_count++;
    return true;
}

/* A string, or a number as text. malloc'ed. */
static char *text_of(const json_t *value)
{
    char number[40];
    if (json_is_string(value))
        return strdup(json_string_value(value));
    if (json_is_integer(value))
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(value));
    else if (json_is_real(value))
        snprintf(number, sizeof number, "%.15g", json_real_value(value));
    else
        return NULL;
    return strdup(number);
}

static bool add_row(lt_questions *q, lt_task_kind kind, const lt_dataset_row *row, const char *question, const char *answer, int64_t *room,
                    lt_error *err)
{
    const json_t *asked = json_object_get(row->json, question), *known = json_object_get(row->json, answer);
    if (!json_is_string(asked) || !*json_string_value(asked))
        return lt_error_set(err, LT_ERR_FORMAT, "%s:%lld: expected a question under the key '%s', found %s", row->path, (long long)row->line,
                            question, asked ? "something else" : "none");
    char *text = text_of(asked), *right = text_of(known);
    if (!right) {
        free(text);
        return lt_error_set(err, LT_ERR_FORMAT, "%s:%lld: expected an answer (text or number) under the key '%s', found %s", row->path,
                            (long long)row->line, answer, known ? "something else" : "none");
    }
    if (q->count == *room) {
        int64_t more = *room * 2 + 64;
        lt_question *grown = realloc(q->items, (size_t)more * sizeof *grown);
        if (!grown) {
            free(text);
            free(right);
            return lt_error_set(err, LT_ERR_MEMORY, "out of memory for %lld questions", (long long)more);
        }
        q->items = grown;
        *room = more;
    }
    q->items[q->count++] = (lt_question){text, right};
    return kind != LT_TASK_LABEL || add_label(q, right, err);
}

static bool read_with(lt_questions *out, lt_task_kind kind, const char *const *files, int count, const lt_dataset_fields *fields,
                      int64_t most, lt_error *err)
{
    bool labelled = kind == LT_TASK_LABEL;
    lt_dataset *data;
    lt_dataset_options how = {.fields = *fields,
                              .accept = labelled ? LT_DATASET_FOR_LABEL : LT_DATASET_BIT(LT_DATASET_PROMPT_COMPLETION)};
    int64_t room = 0;
    bool ok = lt_dataset_open(&data, files, count, &how, err);
    if (!ok)
        return false;
    for (lt_dataset_row row; ok && (most == 0 || out->count < most);) {
        ok = lt_dataset_next(data, &row, err);
        if (!ok || !row.json)
            break;
        /* The data set has renamed the fields already. */
        ok = add_row(out, kind, &row, labelled ? "text" : "prompt", labelled ? "label" : "completion", &room, err);
    }
    lt_dataset_close(data);
    return ok;
}

bool lt_questions_read(lt_questions *out, lt_task_kind kind, const char *const *files, int count, const lt_dataset_fields *fields,
                       int64_t most, lt_error *err)
{
    lt_dataset_fields names = *fields;
    *out = (lt_questions){0};
    if (kind != LT_TASK_LABEL && !names.prompt && !names.completion) { /* {question, answer}, unless the rows say otherwise */
        names.prompt = "question";
        names.completion = "answer";
        if (read_with(out, kind, files, count, &names, most, NULL))
            return true;
        lt_questions_free(out);
        names = *fields;
    }
    if (read_with(out, kind, files, count, &names, most, err))
        return true;
    lt_questions_free(out);
    return lt_error_context(err, "rows of a task ({question, answer} or {text, label})");
}

void lt_questions_free(lt_questions *q)
{
    for (int64_t i = 0; i < q->count; i++) {
        free(q->items[i].text);
        free(q->items[i].answer);
    }
    for (int64_t i = 0; i < q->label_count; i++)
        free(q->labels[i]);
    free(q->items);
    free(q->labels);
    *q = (lt_questions){0};
}

bool lt_task_draw(const lt_questions *from, int64_t k, uint64_t seed, lt_questions *out, lt_error *err)
{
    *out = (lt_questions){0};
    if (k > from->count)
        return lt_error_set(err, LT_ERR_USAGE, "%lld examples are wanted, but the file has %lld rows", (long long)k, (long long)from->count);
    out->items = calloc((size_t)k + 1, sizeof *out->items);
    if (!out->items)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for examples");
    lt_rng rng = lt_rng_make(seed, 0x73686f7473ull);
    for (int64_t i = 0; i < from->count && out->count < k; i++) /* Knuth's selection: every set of k is as likely */
        if ((int64_t)lt_rng_below(&rng, (uint32_t)(from->count - i)) < k - out->count)
            out->items[out->count++] = from->items[i];
    return true;
}

/* ---- what an answer says ---- */

static char *copy(const char *text, size_t n)
{
    while (n && isspace((unsigned char)text[n - 1]))
        n--;
    while (n && isspace((unsigned char)*text))
        text++, n--;
    char *out = n ? malloc(n + 1) : NULL;
    if (out) {
        memcpy(out, text, n);
        out[n] = '\0';
    }
    return out;
}

static char *find_number(const char *text, size_t n)
{
    double value;
    char out[40];
    if (!lt_scorer_find_number(text, n, &value))
        return NULL;
    snprintf(out, sizeof out, "%.12g", value);
    return strdup(out);
}

static char *find_choice(const char *text, size_t n)
{
    for (size_t i = n; i-- > 0;) {
        bool alone = (i == 0 || !isalnum((unsigned char)text[i - 1])) &&
                     (i + 1 == n || (!isalnum((unsigned char)text[i + 1]) && text[i + 1] != '\''));
        bool word = text[i] == 'A' && i + 2 < n && text[i + 1] == ' ' && islower((unsigned char)text[i + 2]); /* "A boat" */
        if (text[i] >= 'A' && text[i] <= 'J' && alone && !word)
            return copy(text + i, 1);
    }
    return NULL;
}

/* The label that stands first as a word, whatever its case; the longer one of two at the same place. */
static char *find_label(const lt_task *task, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *best = NULL;
        if (i && isalnum((unsigned char)text[i - 1]))
            continue;
        for (int64_t l = 0; l < task->label_count; l++) {
            size_t m = strlen(task->labels[l]);
            bool ends = m && i + m <= n && (i + m == n || !isalnum((unsigned char)text[i + m]));
            if (ends && !strncasecmp(text + i, task->labels[l], m) && (!best || m > strlen(best)))
                best = task->labels[l];
        }
        if (best)
            return strdup(best);
    }
    return NULL;
}

/* The last match's last group, or the match itself. Patterns come from the command line, answers from a model: the work is bounded. */
static bool find_pattern(const char *pattern, const char *text, size_t n, char **said, lt_error *err)
{
    int code;
    PCRE2_SIZE at;
    pcre2_code *re = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_MULTILINE, &code,
                                   &at, NULL);
    if (!re) {
        char why[160];
        pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof why);
        return lt_error_set(err, LT_ERR_USAGE, "answer_pattern, character %zu: %s", (size_t)at + 1, why);
    }
    pcre2_match_data *match = pcre2_match_data_create_from_pattern(re, NULL);
    pcre2_match_context *limits = pcre2_match_context_create(NULL);
    bool ok = (match && limits) || lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    if (ok) {
        pcre2_set_match_limit(limits, 1000000);
        pcre2_set_heap_limit(limits, 64 << 10);
    }
    for (size_t from = 0; ok && from <= n;) {
        int groups = pcre2_match(re, (PCRE2_SPTR)text, n, from, 0, match, limits);
        if (groups < 1)
            break;
        PCRE2_SIZE *v = pcre2_get_ovector_pointer(match);
        int g = groups - 1;
        if (v[2 * g] != PCRE2_UNSET && v[2 * g + 1] >= v[2 * g]) {
            free(*said);
            *said = copy(text + v[2 * g], v[2 * g + 1] - v[2 * g]);
        }
        from = v[1] > from ? v[1] : from + 1;
    }
    pcre2_match_context_free(limits);
    pcre2_match_data_free(match);
    pcre2_code_free(re);
    return ok;
}

bool lt_task_extract(const lt_task *task, const char *text, size_t size, char **said, lt_error *err)
{
    const char *next = memmem(text, size, "\nQuestion:", 10);
    size_t n = next ? (size_t)(next - text) : size;
    *said = NULL;
    switch (task->kind) {
    case LT_TASK_NUMBER:
        *said = find_number(text, n);
        return true;
    case LT_TASK_CHOICE:
        *said = find_choice(text, n);
        return true;
    case LT_TASK_LABEL:
        *said = find_label(task, text, n);
        return true;
    case LT_TASK_REGEX:
        return find_pattern(task->pattern, text, n, said, err);
    default:
        *said = copy(text, n);
        return true;
    }
}

bool lt_task_same(const lt_task *task, const char *a, const char *b)
{
    if (!a || !b)
        return false;
    if (task->kind == LT_TASK_NUMBER) {
        double x = strtod(a, NULL), y = strtod(b, NULL);
        return fabs(x - y) <= 1e-9 * fmax(1, fmax(fabs(x), fabs(y)));
    }
    return strcmp(a, b) == 0;
}

int64_t lt_task_majority(const lt_task *task, char *const *said, int64_t count, int64_t *votes)
{
    int64_t best = -1, most = 0;
    for (int64_t i = 0; i < count; i++) {
        int64_t here = 0;
        for (int64_t j = 0; said[i] && j < count; j++)
            here += lt_task_same(task, said[i], said[j]);
        if (here > most) {
            most = here;
            best = i;
        }
    }
    if (votes)
        *votes = most;
    return best;
}

void lt_task_interval(int64_t right, int64_t n, double *low, double *high)
{
    const double z = 1.959963984540054;
    *low = 0;
    *high = 1;
    if (n == 0)
        return;
    double p = (double)right / (double)n, zn = z * z / (double)n;
    double center = (p + zn / 2) / (1 + zn), half = z * sqrt(p * (1 - p) / (double)n + zn / (4 * (double)n)) / (1 + zn);
    *low = center - half > 0 && right > 0 ? center - half : 0;
    *high = center + half < 1 && right < n ? center + half : 1;
}

/* ---- prompts ---- */

/* An example's answer as it is shown. malloc'ed. */
static char *shown(const lt_task *task, const char *answer)
{
    char *said = NULL;
    if (!task->chain_of_thought && lt_task_extract(task, answer, strlen(answer), &said, NULL) && said)
        return said;
    return strdup(answer);
}

static bool asks_for_steps(const lt_task *task) { return task->chain_of_thought && (!task->shots || task->shots->count == 0); }

json_t *lt_task_messages(const lt_task *task, const char *question)
{
    json_t *list = json_array();
    for (int64_t i = 0; task->shots && i < task->shots->count; i++) {
        char *answer = shown(task, task->shots->items[i].answer);
        json_array_append_new(list, json_pack("{s:s,s:s}", "role", "user", "content", task->shots->items[i].text));
        json_array_append_new(list, json_pack("{s:s,s:s}", "role", "assistant", "content", answer ? answer : ""));
        free(answer);
    }
    char *asked = NULL;
    if (asprintf(&asked, "%s%s%s", question, asks_for_steps(task) ? "\n" : "", asks_for_steps(task) ? STEPS : "") < 0 || !list) {
        json_decref(list);
        return NULL;
    }
    json_array_append_new(list, json_pack("{s:s,s:s}", "role", "user", "content", asked));
    free(asked);
    return list;
}

char *lt_task_text(const lt_task *task, const char *question)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    for (int64_t i = 0; task->shots && i < task->shots->count; i++) {
        char *answer = shown(task, task->shots->items[i].answer);
        fprintf(out, "Question: %s\nAnswer: %s\n\n", task->shots->items[i].text, answer ? answer : "");
        free(answer);
    }
    fprintf(out, "Question: %s\nAnswer:%s%s", question, asks_for_steps(task) ? " " : "", asks_for_steps(task) ? STEPS : "");
    if (fclose(out)) {
        free(text);
        return NULL;
    }
    return text;
}
