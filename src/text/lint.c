#include "text/lint.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

/* ---- lengths ---- */

/* Lengths are counted exactly up to EXACT tokens, in 64 steps for each doubling above. */
enum { EXACT = 1 << 16, STEPS = 64, BUCKETS = EXACT + 16 * STEPS };

static int bucket_of(int64_t length)
{
    if (length < EXACT)
        return (int)length;
    int doublings = 63 - __builtin_clzll((uint64_t)length) - 16;
    int64_t step = ((length >> doublings) - EXACT) * STEPS / EXACT;
    int bucket = EXACT + doublings * STEPS + (int)step;
    return bucket < BUCKETS ? bucket : BUCKETS - 1;
}

/* The least length that falls into the bucket. */
static int64_t length_of(int bucket)
{
    if (bucket < EXACT)
        return bucket;
    int doublings = (bucket - EXACT) / STEPS, step = (bucket - EXACT) % STEPS;
    return ((int64_t)EXACT + (int64_t)step * EXACT / STEPS) << doublings;
}

/* The smallest length that at least share of all n have at most. */
static int64_t quantile(const int64_t *buckets, int64_t n, double share)
{
    int64_t seen = 0;
    for (int b = 0; b < BUCKETS; b++) {
        seen += buckets[b];
        if (seen && (double)seen >= share * (double)n)
            return length_of(b);
    }
    return 0;
}

/* ---- duplicates ---- */

/* Hashes of examples, and where each was first seen; open addressing, at most half full. */
typedef struct seen_table {
    uint64_t *hashes; /* 0: empty */
    int64_t *lines;
    int32_t *files; /* index into paths */
    size_t size, count;
    const char *paths[64]; /* borrowed from the data set; later files share the last */
    int path_count;
} seen_table;

static bool grow(seen_table *t, size_t size)
{
    seen_table next = *t;
    next.size = size;
    next.hashes = calloc(size, sizeof *next.hashes);
    next.lines = malloc(size * sizeof *next.lines);
    next.files = malloc(size * sizeof *next.files);
    if (!next.hashes || !next.lines || !next.files) {
        free(next.hashes);
        free(next.lines);
        free(next.files);
        return false;
    }
    for (size_t i = 0; i < t->size; i++) {
        size_t at = t->hashes[i] & (size - 1);
        if (!t->hashes[i])
            continue;
        while (next.hashes[at])
            at = (at + 1) & (size - 1);
        next.hashes[at] = t->hashes[i];
        next.lines[at] = t->lines[i];
        next.files[at] = t->files[i];
    }
    free(t->hashes);
    free(t->lines);
    free(t->files);
    *t = next;
    return true;
}

static int32_t path_index(seen_table *t, const char *path)
{
    for (int i = 0; i < t->path_count; i++)
        if (t->paths[i] == path || !strcmp(t->paths[i], path))
            return i;
    if (t->path_count == sizeof t->paths / sizeof *t->paths)
        return t->path_count - 1;
    t->paths[t->path_count] = path;
    return t->path_count++;
}

/* Finds or adds hash; *found is its place. False without memory. `full`: it is new and was not added. */
static bool look_up(seen_table *t, uint64_t hash, const lt_dataset_row *row, bool *known, size_t *found, bool *full)
{
    hash += hash == 0;
    *full = *known = false;
    if (t->count * 2 >= t->size && t->size < 2 * (size_t)LT_LINT_HASHES_MAX && !grow(t, t->size ? 2 * t->size : 1024))
        return false;
    size_t at = hash & (t->size - 1);
    while (t->hashes[at] && t->hashes[at] != hash)
        at = (at + 1) & (t->size - 1);
    *found = at;
    *known = t->hashes[at] != 0;
    if (*known)
        return true;
    *full = t->count >= LT_LINT_HASHES_MAX;
    if (!*full) {
        t->hashes[at] = hash;
        t->lines[at] = row->line;
        t->files[at] = path_index(t, row->path);
        t->count++;
    }
    return true;
}

static uint64_t hash_of(const lt_example *example)
{
    size_t n = (size_t)example->lengths[0] + (example->sequences == 2 ? (size_t)example->lengths[1] : 0);
    uint64_t hash = XXH3_64bits_withSeed(example->ids, n * sizeof *example->ids, (uint64_t)example->lengths[0]);
    hash = XXH3_64bits_withSeed(example->trained, n, hash);
    if (example->label_text)
        hash = XXH3_64bits_withSeed(example->label_text, strlen(example->label_text), hash);
    return XXH3_64bits_withSeed(&example->value, sizeof example->value, hash);
}

/* ---- shown rows ---- */

static bool add_piece(lt_lint_shown *shown, const char *text, size_t size, bool trained)
{
    lt_lint_piece *last = shown->count ? &shown->pieces[shown->count - 1] : NULL;
    if (!size)
        return true;
    if (last && last->trained == trained) {
        char *grown = realloc(last->text, last->size + size + 1);
        if (!grown)
            return false;
        memcpy(grown + last->size, text, size);
        last->text = grown;
        last->size += size;
        last->text[last->size] = '\0';
        return true;
    }
    lt_lint_piece *grown = realloc(shown->pieces, (shown->count + 1) * sizeof *grown);
    if (!grown)
        return false;
    shown->pieces = grown;
    lt_lint_piece *piece = &grown[shown->count];
    *piece = (lt_lint_piece){.text = malloc(size + 1), .size = size, .trained = trained};
    if (!piece->text)
        return false;
    memcpy(piece->text, text, size);
    piece->text[size] = '\0';
    shown->count++;
    return true;
}

/* Bytes of text and tokens side by side. What no token stands for (white space that was stripped) goes with the token
 * behind it; a token that was added is spelt out. */
static bool add_text(lt_lint_shown *shown, const lt_example *example, int32_t sequence, int32_t from,
                     const lt_tokenizer *tokenizer, size_t most)
{
    size_t at = 0, used = 0, size = example->text_size[sequence];
    const char *text = example->text[sequence];
    if (example->lengths[sequence] && example->spans[from].begin > 0 &&
        example->spans[from].end > example->spans[from].begin)
        at = example->spans[from].begin; /* a part of a longer text, or the end of a prompt */
    for (int32_t i = 0; i < example->lengths[sequence]; i++) {
        lt_span span = example->spans[from + i];
        size_t n = 0;
        const char *spelt = span.begin == span.end ? lt_tokenizer_token(tokenizer, example->ids[from + i], &n) : NULL;
        bool trained = example->trained[from + i];
        if (spelt ? !add_piece(shown, spelt, n, trained)
                  : span.end > at && !add_piece(shown, text + at, span.end - at, trained))
            return false;
        at = span.end > at && span.end <= size ? span.end : at;
        used += spelt ? n : span.end - span.begin;
        if (used > most) {
            shown->cut = i + 1 < example->lengths[sequence];
            break;
        }
    }
    return true;
}

/* Token ids alone, spelt by the tokenizer or as numbers. */
static bool add_ids(lt_lint_shown *shown, const lt_example *example, int32_t sequence, int32_t from,
                    const lt_tokenizer *tokenizer, size_t most)
{
    size_t used = 0;
    for (int32_t i = 0; i < example->lengths[sequence] && !shown->cut; i++) {
        char number[16], *decoded = NULL;
        size_t n = 0;
        lt_error unused;
        if (tokenizer && !lt_tokenizer_decode(tokenizer, example->ids + from + i, 1, 0, &decoded, &n, &unused))
            return false;
        if (!tokenizer)
            n = (size_t)snprintf(number, sizeof number, "%s%d", i ? " " : "", example->ids[from + i]);
        bool ok = add_piece(shown, decoded ? decoded : number, n, example->trained[from + i]);
        free(decoded);
        if (!ok)
            return false;
        used += n;
        shown->cut = used > most && i + 1 < example->lengths[sequence];
    }
    return true;
}

static bool show(lt_lint_report *report, const lt_example *example, const lt_tokenizer *tokenizer, size_t most)
{
    for (int32_t s = 0, from = 0; s < example->sequences; from += example->lengths[s], s++) {
        lt_lint_shown *grown = realloc(report->shown, (report->shown_count + 1) * sizeof *grown);
        if (!grown)
            return false;
        report->shown = grown;
        lt_lint_shown *shown = &grown[report->shown_count++];
        *shown = (lt_lint_shown){
            .line = example->row.line, .kind = example->row.kind, .sequence = s, .tokens = example->lengths[s]};
        snprintf(shown->path, sizeof shown->path, "%s", example->row.path);
        for (int32_t i = 0; i < example->lengths[s]; i++)
            shown->targets += example->trained[from + i];
        if (example->spans ? !add_text(shown, example, s, from, tokenizer, most)
                           : !add_ids(shown, example, s, from, tokenizer, most))
            return false;
    }
    return true;
}

/* ---- the pass ---- */

typedef struct linter {
    lt_lint_report *report;
    const lt_tokenizer *tokenizer;
    const lt_lint_options *options;
    int64_t *buckets, sequences;
    seen_table seen;
} linter;

static void count_lengths(linter *l, const lt_example *example)
{
    for (int32_t s = 0; s < example->sequences; s++) {
        int64_t n = example->lengths[s];
        l->report->shortest = l->sequences && l->report->shortest < n ? l->report->shortest : n;
        l->report->longest = l->report->longest > n ? l->report->longest : n;
        l->buckets[bucket_of(n)]++;
        l->sequences++;
    }
}

static bool count_duplicates(linter *l, const lt_example *example)
{
    lt_lint_report *r = l->report;
    bool known, full;
    size_t at;
    if (!look_up(&l->seen, hash_of(example), &example->row, &known, &at, &full))
        return false;
    if (full)
        r->duplicates_complete = false;
    if (known && !r->duplicates++) {
        snprintf(r->first_duplicate, sizeof r->first_duplicate, "%s:%lld", example->row.path,
                 (long long)example->row.line);
        snprintf(r->duplicate_of, sizeof r->duplicate_of, "%s:%lld", l->seen.paths[l->seen.files[at]],
                 (long long)l->seen.lines[at]);
    }
    return true;
}

/* Names and whole numbers; what is a list or a fraction has no count. Unpaired preferences have true and false. */
static bool count_label(linter *l, const lt_example *example)
{
    json_t *label = json_object_get(example->row.json, "label");
    bool labelled = LT_DATASET_BIT(example->row.kind) & (LT_DATASET_FOR_LABEL | LT_DATASET_FOR_UNPAIRED);
    if (!labelled || !(json_is_string(label) || json_is_integer(label) || json_is_boolean(label)))
        return true;
    char name[80];
    if (json_is_string(label))
        snprintf(name, sizeof name, "%s", json_string_value(label));
    else if (json_is_integer(label))
        snprintf(name, sizeof name, "%lld", (long long)json_integer_value(label));
    else
        snprintf(name, sizeof name, "%s", json_is_true(label) ? "true" : "false");
    if (!l->report->labels && !(l->report->labels = json_object()))
        return false;
    json_t *count = json_object_get(l->report->labels, name);
    if (count)
        return json_integer_set(count, json_integer_value(count) + 1) == 0;
    if (json_object_size(l->report->labels) < LT_LINT_LABELS_MAX)
        json_object_set_new(l->report->labels, name, json_integer(1)); /* a name that was cut inside a character is left out */
    return true;
}

static bool pass(linter *l, lt_examples *examples, lt_error *err)
{
    size_t most = l->options->show_bytes ? l->options->show_bytes : 64 << 10;
    lt_example example;
    for (int64_t rows = 0;; rows++) {
        bool end;
        if (!lt_examples_next(examples, &example, &end, err)) {
            /* That no row trains anything is the finding, not a failure to look. */
            return end && lt_examples_count(examples)->untrained ? true : false;
        }
        if (end)
            return true;
        l->report->kinds[example.row.kind]++;
        count_lengths(l, &example);
        if (!count_duplicates(l, &example) || !count_label(l, &example) ||
            (rows < l->options->show && !show(l->report, &example, l->tokenizer, most)))
            return lt_error_set(err, LT_ERR_MEMORY, "out of memory");
        if (l->options->progress && rows % 256 == 255 && !l->options->progress(rows + 1, l->options->context))
            return lt_error_set(err, LT_ERR_INTERRUPTED, "interrupted");
    }
}

bool lt_lint_run(lt_examples *examples, const lt_tokenizer *tokenizer, const lt_lint_options *options,
                 lt_lint_report *report, lt_error *err)
{
    *report = (lt_lint_report){.duplicates_complete = true};
    linter l = {
        .report = report, .tokenizer = tokenizer, .options = options, .buckets = calloc(BUCKETS, sizeof *l.buckets)};
    bool ok = l.buckets ? pass(&l, examples, err) : lt_error_set(err, LT_ERR_MEMORY, "out of memory");
    if (ok) {
        report->counts = *lt_examples_count(examples);
        report->median = quantile(l.buckets, l.sequences, 0.5);
        report->p95 = quantile(l.buckets, l.sequences, 0.95);
    } else {
        lt_lint_free(report);
    }
    free(l.buckets);
    free(l.seen.hashes);
    free(l.seen.lines);
    free(l.seen.files);
    return ok;
}

void lt_lint_free(lt_lint_report *report)
{
    for (size_t i = 0; i < report->shown_count; i++) {
        for (size_t k = 0; k < report->shown[i].count; k++)
            free(report->shown[i].pieces[k].text);
        free(report->shown[i].pieces);
    }
    free(report->shown);
    json_decref(report->labels);
    *report = (lt_lint_report){.shown = NULL};
}

bool lt_lint_failed(const lt_lint_report *report, lt_error *err)
{
    const lt_examples_counts *c = &report->counts;
    if (c->untrained)
        lt_error_set(err, LT_ERR_FORMAT, "%lld of %lld examples train nothing, the first is %s",
                     (long long)c->untrained, (long long)c->examples, c->first_untrained);
    else if (c->empty)
        lt_error_set(err, LT_ERR_FORMAT, "%lld of %lld rows have no text", (long long)c->empty, (long long)c->rows);
    return c->untrained || c->empty;
}
