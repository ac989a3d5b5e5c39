/* A program of the user's scores the answers: one JSON object a line goes in, one number a line comes back.
 *
 *     {"prompt": …, "completion": …, "answer": the row's own or null, "row": the whole row}
 *
 * It is run once for every batch of answers, without a shell. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "rl/process.h"
#include "rl/scorer.h"

enum { SECONDS = 60, BYTES_PER_SCORE = 64, BYTES_BESIDE = 4096 };

typedef struct command {
    char **argv;
    int count;
    double seconds;
} command;

/* ---- words ---- */

void lt_scorer_split_free(char **words, int count)
{
    for (int i = 0; i < count; i++)
        free(words[i]);
    free(words);
}

/* The next word of *line into word, which has room for all of it. */
static bool next_word(const char **line, char *word)
{
    char quote = 0;
    for (; **line && (quote || !isspace((unsigned char)**line)); ++*line) {
        char c = **line;
        if (quote ? c == quote : c == '\'' || c == '"')
            quote = quote ? 0 : c;
        else if (c == '\\' && quote != '\'' && (*line)[1])
            *word++ = *++*line;
        else
            *word++ = c;
    }
    *word = '\0';
    return !quote;
}

bool lt_scorer_split(const char *line, char ***words, int *count, lt_error *err)
{
    size_t n = strlen(line);
    *words = calloc(n / 2 + 2, sizeof **words); /* no more words than that */
    *count = 0;
    if (!*words)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    for (const char *at = line;;) {
        while (isspace((unsigned char)*at))
            at++;
        if (!*at)
            return true;
        char *word = malloc(strlen(at) + 1);
        bool closed = word && next_word(&at, word);
        if (!closed) {
            free(word);
            lt_scorer_split_free(*words, *count);
            *words = NULL;
            return word ? lt_error_set(err, LT_ERR_USAGE, "%s: a quote is not closed", line) : lt_error_set(err, LT_ERR_MEMORY, "out of memory");
        }
        (*words)[(*count)++] = word;
    }
}

/* ---- the scorer ---- */

static void command_close(void *state)
{
    command *c = state;
    if (c)
        lt_scorer_split_free(c->argv, c->count);
    free(c);
}

static bool command_open(void **state, const lt_scorer_options *o, lt_error *err)
{
    if (o->command_count < 1 || !*o->command[0])
        return lt_error_set(err, LT_ERR_USAGE, "scorer command needs a program to run (reward_command)");
    command *c = calloc(1, sizeof *c);
    if (!c)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    c->seconds = o->command_seconds > 0 ? o->command_seconds : SECONDS;
    if (o->command_count == 1) {
        if (!lt_scorer_split(o->command[0], &c->argv, &c->count, err)) {
            free(c);
            return false;
        }
    } else {
        c->argv = calloc((size_t)o->command_count, sizeof *c->argv);
        for (int i = 0; c->argv && i < o->command_count && (c->argv[i] = strdup(o->command[i])); i++)
            c->count++;
    }
    if (c->count < 1) {
        command_close(c);
        return lt_error_set(err, LT_ERR_USAGE, "scorer command: reward_command is empty");
    }
    *state = c;
    return true;
}

/* One line. Text of a model may hold anything that is UTF-8. */
static json_t *line_of(const lt_scored_answer *a)
{
    json_t *completion = json_stringn(a->completion, a->completion_size), *prompt = json_stringn(a->prompt, a->prompt_size);
    json_t *answer = a->reference ? json_stringn(a->reference, a->reference_size) : json_null();
    json_t *row = a->row ? json_incref((json_t *)a->row) : json_null();
    return json_pack("{s:o, s:o, s:o, s:o}", "prompt", prompt, "completion", completion, "answer", answer, "row", row);
}

static bool append_line(char **text, size_t *size, size_t *capacity, const json_t *line)
{
    char *dumped = line ? json_dumps(line, JSON_COMPACT) : NULL;
    size_t n = dumped ? strlen(dumped) : 0;
    bool ok = dumped;
    if (ok && *size + n + 2 > *capacity) {
        size_t more = 2 * (*size + n + 2);
        char *grown = realloc(*text, more);
        ok = grown;
        if (grown) {
            *text = grown;
            *capacity = more;
        }
    }
    if (ok) {
        memcpy(*text + *size, dumped, n);
        (*text)[*size + n] = '\n';
        *size += n + 1;
    }
    free(dumped);
    return ok;
}

/* One finite number, alone on its line. */
static bool read_score(const char *line, size_t n, double *score)
{
    char text[BYTES_PER_SCORE + 1], *end;
    while (n && isspace((unsigned char)line[n - 1]))
        n--;
    while (n && isspace((unsigned char)*line))
        line++, n--;
    if (n == 0 || n > BYTES_PER_SCORE)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!strchr("+-.0123456789eE", line[i]) || !line[i])
            return false;
    memcpy(text, line, n);
    text[n] = '\0';
    *score = strtod(text, &end);
    return *end == '\0' && isfinite(*score);
}

static bool read_scores(const command *c, const char *output, size_t size, int64_t count, double *scores, lt_error *err)
{
    size_t at = 0;
    int64_t lines = 0;
    while (at < size) {
        const char *end = memchr(output + at, '\n', size - at);
        size_t n = end ? (size_t)(end - output) - at : size - at;
        if (lines >= count)
            return lt_error_set(err, LT_ERR_FORMAT, "%s: wrote more than %lld lines, one a sample", c->argv[0], (long long)count);
        if (!read_score(output + at, n, &scores[lines]))
            return lt_error_set(err, LT_ERR_FORMAT, "%s: line %lld of its output: expected a number, found '%.*s'", c->argv[0],
                                (long long)lines + 1, (int)(n > 80 ? 80 : n), output + at);
        lines++;
        at += n + 1;
    }
    return lines == count || lt_error_set(err, LT_ERR_FORMAT, "%s: expected %lld lines of output, one a sample, found %lld", c->argv[0],
                                          (long long)count, (long long)lines);
}

static bool command_score(void *state, const lt_scored_answer *a, int64_t count, double *scores, lt_error *err)
{
    const command *c = state;
    char *text = NULL, *output = NULL;
    size_t size = 0, capacity = 0, got = 0;
    bool ok = true;
    for (int64_t i = 0; ok && i < count; i++) {
        json_t *line = line_of(&a[i]);
        ok = append_line(&text, &size, &capacity, line) || lt_error_set(err, LT_ERR_FORMAT, "sample %lld is no text", (long long)i + 1);
        json_decref(line);
    }
    lt_process_request request = {.argv = (const char *const *)c->argv, .count = c->count, .input = text, .input_size = size,
                                  .output_max = (size_t)count * BYTES_PER_SCORE + BYTES_BESIDE, .seconds = c->seconds};
    ok = ok && lt_process_run(&request, &output, &got, err) && read_scores(c, output, got, count, scores, err);
    free(text);
    free(output);
    return ok || lt_error_context(err, "scorer command");
}

const lt_scorer_kind lt_scorer_command = {.name = "command", .open = command_open, .score = command_score, .close = command_close};
