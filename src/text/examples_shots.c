#include "text/examples_shots.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/rng.h"
#include "text/examples_row.h"

enum { STREAM = 0x73686f74 }; /* of random numbers, "shot" */

/* ---- one row ---- */

static const char *role_of(const json_t *message)
{
    const char *role = json_string_value(json_object_get(message, "role"));
    return role ? role : "";
}

/* Appends the turns of list that are not the system's. */
static bool append_turns(json_t *to, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *message = json_array_get(list, i);
        if (strcmp(role_of(message), "system") && strcmp(role_of(message), "developer") &&
            json_array_append(to, message))
            return false;
    }
    return true;
}

static bool append_turn(json_t *to, const char *role, json_t *content)
{
    json_t *message = json_pack("{s:s,s:O}", "role", role, "content", content);
    return message && !json_array_append_new(to, message);
}

/* A label as the answer a model would write. New reference. */
static json_t *label_text(const json_t *label)
{
    return json_is_string(label) ? json_incref((json_t *)label)
                                 : json_sprintf("%lld", (long long)json_integer_value(label));
}

/* The row's turns; its prompt and answer are strings only for plain rows. */
static json_t *row_turns(const lt_dataset_row *row, const lt_examples_row *r)
{
    json_t *turns = json_array(), *label = NULL;
    bool ok = turns != NULL;
    if (ok && r->chat)
        ok = append_turns(turns, r->prompt) && append_turns(turns, r->answer[0]);
    else if (ok && row->kind == LT_DATASET_TEXT_LABEL) {
        label = label_text(json_object_get(row->json, "label"));
        ok = label && append_turn(turns, "user", r->answer[0]) && append_turn(turns, "assistant", label);
    } else if (ok)
        ok = append_turn(turns, "user", r->prompt) && append_turn(turns, "assistant", r->answer[0]);
    json_decref(label);
    if (ok)
        return turns;
    json_decref(turns);
    return NULL;
}

/* Writes the text of a turn, and something between it and the next one: a line break unless white space is there
 * already. */
static void write_turn(FILE *out, const json_t *turn, bool last)
{
    const json_t *content = json_object_get(turn, "content");
    size_t n = json_string_length(content);
    fwrite(json_string_value(content), 1, n, out);
    if (last)
        fputs("\n\n", out);
    else if (!n || !strchr(" \t\n", json_string_value(content)[n - 1]))
        fputc('\n', out);
}

/* ---- choosing rows ---- */

/* Rows to use, by their number: the first k, or k of all n drawn evenly (Knuth's selection sampling keeps file order).
 */
typedef struct chooser {
    bool draw;
    lt_rng rng;
    int64_t left, wanted; /* rows still to come, rows still to take */
} chooser;

static bool choose(chooser *c)
{
    bool take = c->wanted > 0 && (!c->draw || (double)c->left * lt_rng_uniform(&c->rng) < (double)c->wanted);
    c->left--;
    c->wanted -= take;
    return take;
}

static bool count_rows(lt_dataset *dataset, int64_t *rows, lt_error *err)
{
    lt_dataset_row row;
    for (*rows = 0;; ++*rows) {
        if (!lt_dataset_next(dataset, &row, err))
            return false;
        if (!row.json)
            return lt_dataset_rewind(dataset, err);
    }
}

/* ---- reading ---- */

static bool take_row(lt_shots *out, FILE *text, const lt_dataset_row *row, lt_error *err)
{
    lt_examples_row r;
    if (!lt_examples_row_make(&r, row, &(lt_examples_row_options){.has_template = true}, err))
        return false;
    json_t *turns = row_turns(row, &r);
    bool ok = turns && !json_array_extend(out->messages, turns);
    for (size_t i = 0; ok && i < json_array_size(turns); i++)
        write_turn(text, json_array_get(turns, i), i + 1 == json_array_size(turns));
    json_decref(turns);
    lt_examples_row_free(&r);
    out->count++;
    return ok || lt_error_set(err, LT_ERR_MEMORY, "%s:%lld: out of memory", row->path, (long long)row->line);
}

static bool read_rows(lt_shots *out, FILE *text, lt_dataset *dataset, const lt_shots_options *options, lt_error *err)
{
    chooser c = {.draw = options->draw, .rng = lt_rng_make(options->seed, STREAM), .wanted = options->count};
    lt_dataset_row row;
    if (options->draw && !count_rows(dataset, &c.left, err))
        return false;
    while (c.wanted > 0) {
        if (!lt_dataset_next(dataset, &row, err))
            return false;
        if (!row.json)
            return lt_error_set(err, LT_ERR_USAGE, "expected at least %lld examples, found %lld rows",
                                (long long)options->count, (long long)out->count);
        if (choose(&c) && !take_row(out, text, &row, err))
            return false;
    }
    return true;
}

bool lt_shots_read(lt_shots *out, lt_dataset *dataset, const lt_shots_options *options, lt_error *err)
{
    assert(options->count > 0);
    *out = (lt_shots){.messages = json_array()};
    FILE *text = open_memstream(&out->text, &out->text_size);
    bool ok = out->messages && text && read_rows(out, text, dataset, options, err);
    if (!out->messages || !text)
        lt_error_set(err, LT_ERR_MEMORY, "out of memory for examples");
    if (text && fclose(text) && ok)
        ok = lt_error_set(err, LT_ERR_MEMORY, "out of memory for examples");
    if (!ok)
        lt_shots_free(out);
    return ok;
}

void lt_shots_free(lt_shots *shots)
{
    json_decref(shots->messages);
    free(shots->text);
    *shots = (lt_shots){.count = 0};
}

/* ---- asking ---- */

json_t *lt_shots_messages(const lt_shots *shots, const json_t *messages)
{
    json_t *all = json_array();
    size_t n = json_array_size(messages), i = 0;
    bool ok = all != NULL;
    for (; ok && i < n &&
           (!strcmp(role_of(json_array_get(messages, i)), "system") ||
            !strcmp(role_of(json_array_get(messages, i)), "developer"));
         i++)
        ok = !json_array_append(all, json_array_get(messages, i));
    ok = ok && !json_array_extend(all, shots->messages);
    for (; ok && i < n; i++)
        ok = !json_array_append(all, json_array_get(messages, i));
    if (ok)
        return all;
    json_decref(all);
    return NULL;
}

bool lt_shots_text(const lt_shots *shots, const char *prompt, size_t size, char **text, size_t *text_size,
                   lt_error *err)
{
    bool open = size == 0 || !strchr(" \t\n", prompt[size - 1]);
    size_t n = shots->text_size;
    char *all = malloc(n + size + 2);
    if (!all)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for examples");
    memcpy(all, shots->text, n);
    memcpy(all + n, prompt, size);
    n += size;
    if (open)
        all[n++] = '\n';
    all[n] = '\0';
    *text = all;
    *text_size = n;
    return true;
}
