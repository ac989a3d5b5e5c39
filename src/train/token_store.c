/* Two unnamed files: the records one behind the other (lengths, ids, trained flags,
 * then labels and types where the store has them), and an index of fixed-size entries. */
#include "train/token_store.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "core/file.h"

struct lt_token_store {
    FILE *data, *index;
    lt_token_totals totals;
    int32_t values;
    char folder[4096]; /* for messages */
};

/* A record in the making, and the arrays it grows in. */
typedef struct builder {
    lt_token_store *store;
    const lt_token_store_options *options;
    lt_record record;
    int64_t sequence_room, token_room;
    int64_t offset, skipped;
    XXH3_state_t *hash;
} builder;

/* A file without a name. O_TMPFILE where the file system has it, otherwise made and unlinked at once. */
FILE *lt_token_store_temporary(const char *folder, lt_error *err)
{
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0) {
        char path[4096];
        if (!lt_file_join(path, sizeof path, folder, ".tokens-XXXXXX", err))
            return NULL;
        fd = mkostemp(path, O_CLOEXEC);
        if (fd >= 0)
            unlink(path);
    }
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w+b");
    if (!file) {
        lt_error_errno(err, "%s: cannot make a temporary file for the tokenised rows", folder);
        if (fd >= 0)
            close(fd);
    }
    return file;
}

static bool put(builder *b, FILE *file, const void *bytes, size_t n, lt_error *err)
{
    if (n && fwrite(bytes, 1, n, file) != n)
        return lt_error_errno(err, "%s: cannot write the tokenised rows", b->store->folder);
    return true;
}

static bool reserve_numbers(bool wanted, int32_t **numbers, int64_t room, lt_error *err)
{
    int32_t *grown = wanted ? realloc(*numbers, (size_t)room * sizeof *grown) : NULL;
    if (wanted && !grown)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for a row of %lld tokens", (long long)room);
    if (grown)
        *numbers = grown;
    return true;
}

/* Makes room for a record of that size. */
static bool reserve(builder *b, int64_t sequences, int64_t tokens, lt_error *err)
{
    lt_record *r = &b->record;
    if (sequences > b->sequence_room) {
        int64_t room = sequences + sequences / 2 + 16;
        int32_t *lengths = realloc(r->lengths, (size_t)room * sizeof *lengths);
        if (!lengths)
            return lt_error_set(err, LT_ERR_MEMORY, "out of memory for a row of %lld sequences", (long long)sequences);
        r->lengths = lengths;
        b->sequence_room = room;
    }
    if (tokens > b->token_room) {
        int64_t room = tokens + tokens / 2 + 256;
        int32_t *ids = realloc(r->ids, (size_t)room * sizeof *ids);
        if (ids)
            r->ids = ids;
        uint8_t *trained = ids ? realloc(r->trained, (size_t)room) : NULL;
        if (!trained)
            return lt_error_set(err, LT_ERR_MEMORY, "out of memory for a row of %lld tokens", (long long)tokens);
        r->trained = trained;
        if (!reserve_numbers(b->options->in_place, &r->labels, room, err) ||
            !reserve_numbers(b->options->typed, &r->types, room, err))
            return false;
        b->token_room = room;
    }
    return true;
}

/* Writes the record in the making, if it trains anything, and starts an empty one. */
static bool flush_record(builder *b, lt_error *err)
{
    lt_record *r = &b->record;
    lt_token_totals *totals = &b->store->totals;
    lt_record_size size = {.offset = b->offset, .tokens = r->tokens, .sequences = r->sequences};
    int64_t at = 0;
    for (int32_t s = 0; s < r->sequences; s++) {
        if (!b->options->in_place && !b->options->firsts)
            r->trained[at] = 0; /* nothing comes before it that could predict it */
        for (int32_t t = 0; t < r->lengths[s]; t++)
            size.targets += r->trained[at + t] != 0;
        if (s == 0)
            size.first_targets = size.targets;
        size.squares += (float)r->lengths[s] * (float)r->lengths[s];
        if (r->lengths[s] > totals->longest_sequence)
            totals->longest_sequence = r->lengths[s];
        at += r->lengths[s];
    }
    assert(at == r->tokens);
    size.value = r->values[0];
    if (size.targets || (b->options->keep_all && r->tokens)) {
        size_t values = (size_t)b->store->values * sizeof(float);
        size_t lengths = (size_t)r->sequences * sizeof(int32_t), ids = (size_t)r->tokens * sizeof(int32_t);
        if (!put(b, b->store->data, r->values, values, err) ||
            !put(b, b->store->data, r->lengths, lengths, err) || !put(b, b->store->data, r->ids, ids, err) ||
            !put(b, b->store->data, r->trained, (size_t)r->tokens, err) ||
            (b->options->in_place && !put(b, b->store->data, r->labels, ids, err)) ||
            (b->options->typed && !put(b, b->store->data, r->types, ids, err)) ||
            !put(b, b->store->index, &size, sizeof size, err))
            return false;
        XXH3_64bits_update(b->hash, r->values, values);
        XXH3_64bits_update(b->hash, r->lengths, lengths);
        XXH3_64bits_update(b->hash, r->ids, ids);
        XXH3_64bits_update(b->hash, r->trained, (size_t)r->tokens);
        b->offset += (int64_t)(values + lengths + ids) + r->tokens;
        if (b->options->in_place) {
            XXH3_64bits_update(b->hash, r->labels, ids);
            b->offset += (int64_t)ids;
        }
        if (b->options->typed) {
            XXH3_64bits_update(b->hash, r->types, ids);
            b->offset += (int64_t)ids;
        }
        totals->records++;
        totals->tokens += r->tokens;
        totals->targets += size.targets;
        if (r->tokens > totals->longest_record)
            totals->longest_record = r->tokens;
        if (r->sequences > totals->most_sequences)
            totals->most_sequences = r->sequences;
    } else if (r->tokens) {
        b->skipped++;
    }
    r->sequences = r->tokens = 0;
    memset(r->values, 0, (size_t)b->store->values * sizeof(float));
    return true;
}

static bool refuse(const builder *b, const lt_row *row, const char *what, lt_error *err)
{
    if (row->path)
        return lt_error_set(err, LT_ERR_FORMAT, "%s:%lld: %s", row->path, (long long)row->line, what);
    return lt_error_set(err, LT_ERR_FORMAT, "row %lld: %s", (long long)b->store->totals.rows, what);
}

static bool check_labels(const builder *b, const lt_row *row, int64_t tokens, lt_error *err)
{
    lt_masking *masking = &b->store->totals.masking;
    if (b->options->in_place && !row->labels) {
        if (!row->special || !(b->options->masking.probability > 0))
            return refuse(b, row,
                          "expected input_ids and labels, which a masked language model trains on, or a tokenizer with a mask token; "
                          "found no labels",
                          err);
        if (b->store->totals.rows > 1 && masking->probability == 0)
            return refuse(b, row, "expected labels, as the rows before have them", err);
        if (b->options->masking.mask_id >= b->options->vocabulary)
            return refuse(b, row, "the tokenizer's mask token is no token of the model", err);
        *masking = b->options->masking;
        if (masking->vocabulary > b->options->vocabulary)
            masking->vocabulary = (int32_t)b->options->vocabulary;
    } else if (masking->probability > 0) {
        return refuse(b, row, "expected no labels, as the rows before have none", err);
    }
    for (int64_t t = 0; t < tokens && row->labels; t++) {
        int32_t label = row->labels[t];
        if (label == -100)
            continue;
        if (!b->options->in_place && label != row->ids[t])
            return refuse(b, row, "expected labels that are the input_ids or -100, found others", err);
        if (label < 0 || label >= b->options->vocabulary)
            return refuse(b, row, "a label is no token of the model", err);
    }
    return true;
}

static bool check_row(const builder *b, const lt_row *row, int64_t *tokens, lt_error *err)
{
    int64_t number = b->store->totals.rows;
    *tokens = 0;
    if (row->sequences != b->options->sequences)
        return lt_error_set(err, LT_ERR_FORMAT, "row %lld: expected %d token sequences, found %d", (long long)number,
                            b->options->sequences, row->sequences);
    for (int32_t s = 0; s < row->sequences; s++) {
        if (row->lengths[s] <= 0)
            return lt_error_set(err, LT_ERR_FORMAT, "row %lld: sequence %d has no tokens", (long long)number, s);
        *tokens += row->lengths[s];
    }
    if (*tokens > INT32_MAX)
        return lt_error_set(err, LT_ERR_FORMAT, "row %lld: has %lld tokens", (long long)number, (long long)*tokens);
    for (int64_t t = 0; t < *tokens; t++)
        if (row->ids[t] < 0 || row->ids[t] >= b->options->vocabulary)
            return lt_error_set(err, LT_ERR_FORMAT, "row %lld: token %lld has id %d, but the model has ids 0 to %lld",
                                (long long)number, (long long)t, row->ids[t], (long long)b->options->vocabulary - 1);
    return check_labels(b, row, *tokens, err);
}

/* Labels and types of n tokens, from `from` of the row on. */
static void append_numbers(builder *b, const lt_row *row, int64_t from, int64_t n)
{
    lt_record *r = &b->record;
    for (int64_t t = 0; t < n && b->options->in_place; t++) {
        int32_t label = row->labels ? row->labels[from + t] : row->special[from + t] ? -100 : row->ids[from + t];
        r->labels[r->tokens + t] = label < 0 ? -1 : label;
        r->trained[r->tokens + t] = label >= 0;
    }
    for (int64_t t = 0; t < n && b->options->typed; t++)
        r->types[r->tokens + t] = row->types ? row->types[from + t] : 0;
}

/* The mark of a sequence's first token, which the record holds from `at` on. */
static void mark_first(builder *b, const lt_row *row, int32_t sequence, int64_t at)
{
    if (b->options->firsts)
        b->record.trained[at] = row->first ? row->first[sequence] : 0;
}

/* The row's sequences behind those that the record already has. */
static bool append_row(builder *b, const lt_row *row, int64_t tokens, lt_error *err)
{
    lt_record *r = &b->record;
    if (!reserve(b, r->sequences + row->sequences, r->tokens + tokens, err))
        return false;
    memcpy(r->lengths + r->sequences, row->lengths, (size_t)row->sequences * sizeof(int32_t));
    memcpy(r->ids + r->tokens, row->ids, (size_t)tokens * sizeof(int32_t));
    memcpy(r->trained + r->tokens, row->trained, (size_t)tokens);
    for (int64_t s = 0, at = r->tokens; s < row->sequences; at += row->lengths[s++])
        mark_first(b, row, (int32_t)s, at);
    append_numbers(b, row, 0, tokens);
    r->sequences += row->sequences;
    r->tokens += (int32_t)tokens;
    if (row->values)
        memcpy(r->values, row->values, (size_t)b->store->values * sizeof(float));
    else
        r->values[0] = row->value;
    return true;
}

/* A row as part of a stream of text, cut wherever a block is full. */
static bool append_stream(builder *b, const lt_row *row, lt_error *err)
{
    lt_record *r = &b->record;
    bool joined = b->options->packing == LT_PACKING_STREAM;
    for (int64_t done = 0, left = row->lengths[0]; left > 0;) {
        int64_t part = b->options->max_length - r->tokens;
        if (part > left)
            part = left;
        if (!reserve(b, r->sequences + 1, r->tokens + part, err))
            return false;
        memcpy(r->ids + r->tokens, row->ids + done, (size_t)part * sizeof(int32_t));
        memcpy(r->trained + r->tokens, row->trained + done, (size_t)part);
        append_numbers(b, row, done, part);
        if (done == 0)
            mark_first(b, row, 0, r->tokens);
        if (joined && done == 0)
            r->trained[r->tokens] = 1; /* the text goes on: the end of the last row predicts the start of this one */
        if (joined && r->sequences)
            r->lengths[0] += (int32_t)part;
        else
            r->lengths[r->sequences++] = (int32_t)part;
        r->tokens += (int32_t)part;
        done += part;
        left -= part;
        if (r->tokens == b->options->max_length && !flush_record(b, err))
            return false;
    }
    return true;
}

/* Records of one data set stay together: what is in the making ends with it. */
static bool change_source(builder *b, const lt_row *row, lt_error *err)
{
    lt_token_totals *totals = &b->store->totals;
    assert(row->source >= totals->sources - 1 && row->source < LT_ROW_SOURCES_MAX);
    if (row->source == totals->sources - 1)
        return true;
    if (!flush_record(b, err))
        return false;
    while (totals->sources - 1 < row->source)
        totals->source_end[totals->sources++ - 1] = totals->records;
    return true;
}

static bool add_row(builder *b, const lt_row *row, lt_error *err)
{
    int64_t tokens, skipped = b->skipped, targets = 0;
    b->store->totals.rows++;
    if (!check_row(b, row, &tokens, err) || !change_source(b, row, err))
        return false;
    switch (b->options->packing) {
    case LT_PACKING_NONE:
        return append_row(b, row, tokens, err) && flush_record(b, err);
    case LT_PACKING_ROWS:
        for (int64_t t = 0; t < tokens; t++)
            targets += row->trained[t] != 0;
        targets += b->options->firsts && row->first && row->first[0];
        if (targets == 0) { /* it would only cost time inside a block */
            b->skipped = skipped + 1;
            return true;
        }
        if (b->record.tokens + tokens > b->options->max_length && !flush_record(b, err))
            return false;
        return append_row(b, row, tokens, err);
    default:
        return append_stream(b, row, err);
    }
}

static bool take_rows(builder *b, const lt_row_source *source, lt_error *err)
{
    for (;;) {
        lt_row row;
        bool end = false;
        if (!source->next(source->context, &row, &end, err))
            return false;
        if (end)
            return flush_record(b, err);
        if (!add_row(b, &row, err))
            return false;
        if (b->options->progress && !b->options->progress(b->store->totals.rows, b->options->context))
            return lt_error_set(err, LT_ERR_INTERRUPTED, "stopped while the rows were being tokenised");
    }
}

bool lt_token_store_build(lt_token_store **out, const lt_row_source *source, const lt_token_store_options *options,
                          int64_t *skipped, lt_error *err)
{
    assert(options->packing == LT_PACKING_NONE || options->max_length > 1);
    assert(options->packing == LT_PACKING_NONE || options->sequences == 1);
    builder b = {.options = options};
    bool ok = false;
    b.store = calloc(1, sizeof *b.store);
    b.hash = XXH3_createState();
    b.record.values = calloc((size_t)(options->values > 0 ? options->values : 1), sizeof(float));
    if (!b.store || !b.hash || !b.record.values) {
        lt_error_set(err, LT_ERR_MEMORY, "out of memory for the token store");
        goto done;
    }
    b.store->totals.in_place = options->in_place;
    b.store->totals.sources = 1;
    b.store->totals.typed = options->typed;
    b.store->totals.firsts = options->firsts;
    b.store->values = options->values > 0 ? options->values : 1;
    snprintf(b.store->folder, sizeof b.store->folder, "%s", options->folder);
    XXH3_64bits_reset(b.hash);
    b.store->data = lt_token_store_temporary(options->folder, err);
    b.store->index = b.store->data ? lt_token_store_temporary(options->folder, err) : NULL;
    if (!b.store->index || !take_rows(&b, source, err))
        goto done;
    if (fflush(b.store->data) || fflush(b.store->index)) {
        lt_error_errno(err, "%s: cannot write the tokenised rows", options->folder);
        goto done;
    }
    if (b.store->totals.records == 0) {
        lt_error_set(err, LT_ERR_FORMAT, "none of the %lld rows trains anything: no token of theirs is a target",
                     (long long)b.store->totals.rows);
        goto done;
    }
    b.store->totals.source_end[b.store->totals.sources - 1] = b.store->totals.records;
    if (b.store->totals.masking.probability > 0) { /* other masks are other data */
        const lt_masking *m = &b.store->totals.masking;
        XXH3_64bits_update(b.hash, &m->probability, sizeof m->probability);
        XXH3_64bits_update(b.hash, &m->mask_id, sizeof m->mask_id);
        XXH3_64bits_update(b.hash, &m->vocabulary, sizeof m->vocabulary);
    }
    b.store->totals.hash = XXH3_64bits_digest(b.hash);
    ok = true;
done:
    if (source->close)
        source->close(source->context);
    if (skipped)
        *skipped = b.skipped;
    free(b.record.lengths);
    free(b.record.ids);
    free(b.record.trained);
    free(b.record.labels);
    free(b.record.types);
    free(b.record.values);
    XXH3_freeState(b.hash);
    if (!ok)
        lt_token_store_close(b.store);
    else
        *out = b.store;
    return ok;
}

void lt_token_store_close(lt_token_store *store)
{
    if (!store)
        return;
    if (store->data)
        fclose(store->data);
    if (store->index)
        fclose(store->index);
    free(store);
}

const lt_token_totals *lt_token_store_totals(const lt_token_store *store) { return &store->totals; }
int32_t lt_token_store_values(const lt_token_store *store) { return store->values; }

bool lt_token_store_size(lt_token_store *store, int64_t index, lt_record_size *size, lt_error *err)
{
    assert(index >= 0 && index < store->totals.records);
    return lt_file_pread(fileno(store->index), "index of the tokenised rows", size, sizeof *size,
                         index * (int64_t)sizeof *size, err);
}

bool lt_token_store_read(lt_token_store *store, int64_t index, lt_record *out, lt_error *err)
{
    static const char name[] = "tokenised rows";
    lt_record_size size;
    if (!lt_token_store_size(store, index, &size, err))
        return false;
    int fd = fileno(store->data);
    int64_t at = size.offset;
    size_t lengths = (size_t)size.sequences * sizeof(int32_t), ids = (size_t)size.tokens * sizeof(int32_t);
    if (out->values && !lt_file_pread(fd, name, out->values, (size_t)store->values * sizeof(float), at, err))
        return false;
    out->value = size.value;
    at += store->values * (int64_t)sizeof(float);
    int64_t behind = at + (int64_t)(lengths + ids) + size.tokens;
    if (!lt_file_pread(fd, name, out->lengths, lengths, at, err) ||
        !lt_file_pread(fd, name, out->ids, ids, at + (int64_t)lengths, err) ||
        !lt_file_pread(fd, name, out->trained, (size_t)size.tokens, at + (int64_t)(lengths + ids), err))
        return false;
    if (store->totals.in_place && !lt_file_pread(fd, name, out->labels, ids, behind, err))
        return false;
    if (store->totals.typed && !lt_file_pread(fd, name, out->types, ids, behind + (store->totals.in_place ? (int64_t)ids : 0), err))
        return false;
    out->sequences = size.sequences;
    out->tokens = size.tokens;
    out->targets = size.targets;
    return true;
}
