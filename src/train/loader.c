#include "train/loader.h"

#include <assert.h>

#include "core/rng.h"

/* Stream of the shuffle; epochs follow one another behind it. */
static const uint64_t SHUFFLE_STREAM = 0x73687566666c6500ull;

/* Streams of a mix's sources, each a block of passes. */
static const uint64_t MIX_STREAM = 0x6d697800ull, MIX_SOURCE = 1ull << 40;

static int64_t source_first(const lt_token_totals *totals, int32_t s) { return s ? totals->source_end[s - 1] : 0; }

static int64_t source_records(const lt_token_totals *totals, int32_t s)
{
    return totals->source_end[s] - source_first(totals, s);
}

/* What a record takes of a pass. */
static int64_t room_of(const lt_loader *loader, const lt_record_size *size)
{
    return size->tokens + size->sequences * loader->options.overhead;
}

/* How many places of an epoch each source has: cumulative shares, rounded, so that they add up. */
static bool share_out(lt_loader *loader, lt_error *err)
{
    const lt_mix *mix = &loader->options.mix;
    const lt_token_totals *totals = lt_token_store_totals(loader->store);
    double all = 0, whole = 0, sum = 0;
    int64_t whole_records = 0;
    if (mix->sources != totals->sources)
        return lt_error_set(err, LT_ERR_USAGE, "the rows come from %d data sets, but there are weights for %d", totals->sources,
                            mix->sources);
    for (int32_t s = 0; s < mix->sources; s++) {
        if (!(mix->weight[s] >= 0) || mix->weight[s] > 1e15)
            return lt_error_set(err, LT_ERR_USAGE, "weight %d of the data sets: expected 0 or more, found %g", s + 1, mix->weight[s]);
        if (mix->weight[s] > 0 && source_records(totals, s) == 0)
            return lt_error_set(err, LT_ERR_USAGE, "data set %d has a share, but no row of it trains anything", s + 1);
        all += mix->weight[s];
        whole += s < mix->whole ? mix->weight[s] : 0;
        whole_records += s < mix->whole ? source_records(totals, s) : 0;
    }
    if (!(all > 0) || (mix->whole && !(whole > 0)))
        return lt_error_set(err, LT_ERR_USAGE, "the weights of the data sets are all 0");
    loader->length = mix->whole ? (int64_t)((double)whole_records * all / whole + 0.5) : totals->records;
    for (int32_t s = 0; s < mix->sources; s++) {
        sum += mix->weight[s];
        loader->share_end[s] = (int64_t)((double)loader->length * sum / all + 0.5);
    }
    loader->share_end[mix->sources - 1] = loader->length;
    return true;
}

bool lt_loader_init(lt_loader *loader, lt_token_store *store, const lt_loader_options *options, lt_error *err)
{
    assert(options->rows_per_step > 0);
    *loader = (lt_loader){.store = store, .options = *options, .length = lt_token_store_totals(store)->records};
    if (options->mix.sources == 0)
        return true;
    if (!options->shuffle)
        return lt_error_set(err, LT_ERR_USAGE, "weights of data sets need shuffle: file order has no shares");
    return share_out(loader, err);
}

static int64_t record_count(const lt_loader *loader) { return loader->length; }

/* A keyed permutation of 0 … n-1: a Feistel network over the next power of four, walked until it lands below n (fewer
 * than four rounds of it on average). Philox is the round function, so a key is nothing but (seed, stream). */
static int64_t permute(uint64_t seed, uint64_t stream, int64_t n, int64_t x)
{
    enum { ROUNDS = 8 };
    int half = 1;
    while (((int64_t)1 << (2 * half)) < n)
        half++;
    const uint64_t mask = ((uint64_t)1 << half) - 1;
    do {
        uint64_t left = (uint64_t)x >> half, right = (uint64_t)x & mask;
        for (uint64_t round = 0; round < ROUNDS; round++) {
            uint32_t word[4];
            lt_rng_block(seed, stream, round << 32 | right, word);
            uint64_t next = left ^ (word[0] & mask);
            left = right;
            right = next;
        }
        x = (int64_t)(left << half | right);
    } while (x >= n);
    return x;
}

/* The record at an epoch's place, places sorted by source: each source is drawn from its own permutations, one behind the other
 * over all epochs. */
static int64_t mixed_record(const lt_loader *loader, int64_t epoch, int64_t place)
{
    const lt_token_totals *totals = lt_token_store_totals(loader->store);
    int32_t s = 0;
    while (place >= loader->share_end[s])
        s++;
    int64_t first = s ? loader->share_end[s - 1] : 0, share = loader->share_end[s] - first, records = source_records(totals, s);
    int64_t draw = epoch * share + place - first;
    uint64_t stream = MIX_STREAM + MIX_SOURCE * (uint64_t)(s + 1) + (uint64_t)(draw / records);
    return source_first(totals, s) + permute(loader->options.seed, stream, records, draw % records);
}

int64_t lt_loader_record(const lt_loader *loader, int64_t epoch, int64_t position)
{
    assert(position >= 0 && position < record_count(loader));
    if (!loader->options.shuffle)
        return position;
    int64_t place = permute(loader->options.seed, SHUFFLE_STREAM + (uint64_t)epoch, record_count(loader), position);
    return loader->options.mix.sources ? mixed_record(loader, epoch, place) : place;
}

int64_t lt_loader_steps_per_epoch(const lt_loader *loader)
{
    int64_t rows = loader->options.rows_per_step;
    return (record_count(loader) + rows - 1) / rows;
}

/* Takes one record from place and moves it on. The place of a finished epoch is the start of the next one. */
static int64_t take(const lt_loader *loader, lt_loader_place *place)
{
    int64_t record = lt_loader_record(loader, place->epoch, place->position);
    if (++place->position == record_count(loader))
        *place = (lt_loader_place){place->epoch + 1, 0};
    return record;
}

/* True when the step that began at `first` ends at `now`, having taken `rows`. */
static bool step_ends(const lt_loader *loader, const lt_loader_place *first, const lt_loader_place *now, int64_t rows)
{
    return rows == loader->options.rows_per_step || (!loader->options.wrap && now->epoch != first->epoch);
}

static void grow(int64_t *most, int64_t value)
{
    if (value > *most)
        *most = value;
}

bool lt_loader_measure(lt_loader *loader, int64_t steps, int64_t pass_tokens, lt_loader_extent *extent, lt_error *err)
{
    const lt_token_totals *totals = lt_token_store_totals(loader->store);
    *extent = (lt_loader_extent){.typed = totals->typed, .firsts = totals->firsts};
    lt_loader_place place = loader->place;
    double tokens = 0, sizes = 0, targets = 0, passes = 0, squares = 0;
    for (int64_t step = 0; step < steps; step++) {
        lt_loader_place first = place;
        lt_record_size pass = {0};
        int64_t rows = 0, pass_rows = 0, step_tokens = 0, pass_size = 0, pass_real = 0, pass_targets = 0, pass_sequences = 0;
        do {
            if (!lt_token_store_size(loader->store, take(loader, &place), &pass, err))
                return false;
            if (pass_rows == 0 || (pass_tokens && pass_size + room_of(loader, &pass) > pass_tokens)) {
                passes++;
                pass_rows = pass_size = pass_real = pass_targets = pass_sequences = 0;
            }
            rows++;
            pass_rows++;
            pass_real += pass.tokens;
            pass_size += room_of(loader, &pass);
            pass_targets += pass.targets;
            pass_sequences += pass.sequences;
            step_tokens += pass.tokens;
            targets += pass.targets;
            squares += pass.squares;
            sizes += (double)room_of(loader, &pass);
            grow(&extent->pass_tokens, pass_real);
            grow(&extent->pass_size, pass_size);
            grow(&extent->pass_targets, pass_targets);
            grow(&extent->pass_sequences, pass_sequences);
            grow(&extent->pass_rows, pass_rows);
        } while (!step_ends(loader, &first, &place, rows));
        tokens += (double)step_tokens;
        grow(&extent->step_tokens, step_tokens);
        grow(&extent->step_rows, rows);
    }
    if (steps > 0) {
        extent->mean_tokens = tokens / (double)steps;
        extent->mean_size = sizes / (double)steps;
        double share = totals->masking.probability;
        extent->mean_targets = targets / (double)steps * (share > 0 ? share : 1);
        extent->mean_passes = passes / (double)steps;
        extent->mean_squares = squares / (double)steps;
    }
    return true;
}

void lt_step_batch_layout(lt_step_batch *step, const lt_token_store *store, const lt_loader_extent *extent, lt_arena *arena)
{
    *step = (lt_step_batch){.extent = *extent};
    step->ids = LT_ARENA_NEW(arena, int32_t, extent->pass_tokens);
    step->targets = LT_ARENA_NEW(arena, int32_t, extent->pass_tokens);
    step->types = extent->typed ? LT_ARENA_NEW(arena, int32_t, extent->pass_tokens) : NULL;
    step->trained = LT_ARENA_NEW(arena, uint8_t, extent->pass_tokens);
    step->kinds = LT_ARENA_NEW(arena, uint8_t, extent->pass_targets);
    int64_t values = lt_token_store_values(store);
    step->values = values > 1 ? LT_ARENA_NEW(arena, float, extent->pass_rows * values) : NULL;
    step->starts = LT_ARENA_NEW(arena, int32_t, extent->pass_sequences + 1);
    step->firsts = extent->firsts ? LT_ARENA_NEW(arena, int32_t, extent->pass_sequences) : NULL;
    step->lengths = LT_ARENA_NEW(arena, int32_t, extent->pass_sequences);
    step->sequence_targets = LT_ARENA_NEW(arena, int64_t, extent->pass_sequences + 1);
    step->rows = LT_ARENA_NEW(arena, lt_objective_row, extent->pass_rows);
    step->records = LT_ARENA_NEW(arena, int64_t, extent->step_rows);
    step->epochs = LT_ARENA_NEW(arena, int64_t, extent->step_rows);
    step->sizes = LT_ARENA_NEW(arena, lt_record_size, extent->step_rows);
}

static lt_masking_place masking_place(const lt_loader *loader, const lt_step_batch *step, int64_t row)
{
    return (lt_masking_place){.seed = loader->options.seed, .epoch = step->epochs[row], .record = step->records[row]};
}

/* Targets of row `row` of the step, and of its first sequence. */
static void count_targets(const lt_loader *loader, lt_step_batch *step, int64_t row)
{
    const lt_masking *masking = &lt_token_store_totals(loader->store)->masking;
    const lt_record_size *size = &step->sizes[row];
    if (masking->probability > 0) {
        lt_masking_place place = masking_place(loader, step, row);
        step->step_targets += lt_masking_count(masking, &place, size->targets);
        step->step_first_targets += lt_masking_count(masking, &place, size->first_targets);
    } else {
        step->step_targets += size->targets;
        step->step_first_targets += size->first_targets;
    }
}

/* Masks the record behind what the pass has: of its labels those of the targets stay. */
static void mask(const lt_loader *loader, lt_step_batch *step, int64_t row, int64_t tokens)
{
    const lt_masking *masking = &lt_token_store_totals(loader->store)->masking;
    lt_masking_place place = masking_place(loader, step, row);
    int64_t begin = step->batch.T, number = 0, one = -1;
    if (row == 0 && step->mask_one)
        one = lt_masking_one_of(&place, step->sizes[row].targets);
    for (int64_t t = begin; t < begin + tokens; t++) {
        if (step->targets[t] < 0)
            continue;
        if (number == one)
            step->ids[t] = masking->mask_id;
        else if (!lt_masking_draw(masking, &place, number, &step->ids[t]))
            step->targets[t] = -1;
        number++;
    }
}

bool lt_loader_next_step(lt_loader *loader, lt_step_batch *step, lt_error *err)
{
    lt_loader_place first = loader->place, place = first;
    step->step_rows = step->step_targets = step->step_first_targets = step->step_tokens = step->next_row = step->passes = 0;
    do {
        assert(step->step_rows < step->extent.step_rows);
        lt_record_size *size = &step->sizes[step->step_rows];
        step->epochs[step->step_rows] = place.epoch;
        int64_t record = take(loader, &place);
        if (!lt_token_store_size(loader->store, record, size, err))
            return false;
        step->records[step->step_rows] = record;
        count_targets(loader, step, step->step_rows++);
        step->step_tokens += size->tokens;
    } while (!step_ends(loader, &first, &place, step->step_rows));
    loader->place = place;
    step->mask_one = step->step_targets == 0 && lt_token_store_totals(loader->store)->masking.probability > 0;
    if (step->mask_one)
        step->step_targets = step->step_first_targets = 1;
    return true;
}

/* Reads record number `row` of the step behind what the pass already has. */
static bool append(lt_loader *loader, lt_step_batch *step, int64_t row, lt_error *err)
{
    lt_batch *batch = &step->batch;
    float *values = step->values ? step->values + step->row_count * lt_token_store_values(loader->store) : NULL;
    lt_record record = {.lengths = step->lengths,
                        .ids = step->ids + batch->T,
                        .trained = step->trained + batch->T,
                        .labels = step->targets + batch->T,
                        .types = step->types ? step->types + batch->T : NULL,
                        .values = values};
    bool in_place = lt_token_store_totals(loader->store)->in_place;
    if (!lt_token_store_read(loader->store, step->records[row], &record, err))
        return false;
    if (lt_token_store_totals(loader->store)->masking.probability > 0)
        mask(loader, step, row, record.tokens);
    step->rows[step->row_count++] = (lt_objective_row){
        .row = step->records[row],
        .first_sequence = batch->sequences,
        .sequences = record.sequences,
        .value = record.value,
        .values = values,
    };
    for (int32_t s = 0; s < record.sequences; s++) {
        int64_t begin = batch->T, end = begin + record.lengths[s];
        if (step->firsts) {
            step->firsts[batch->sequences] = step->trained[begin] ? step->ids[begin] : -1;
            if (step->trained[begin])
                step->kinds[batch->target_count++] = step->trained[begin];
        }
        for (int64_t t = begin; t < end; t++) {
            bool counts = in_place ? step->targets[t] >= 0 : t + 1 < end && step->trained[t + 1];
            if (!in_place)
                step->targets[t] = counts ? step->ids[t + 1] : -1;
            if (counts)
                step->kinds[batch->target_count++] = in_place ? LT_TARGET_ANSWER : step->trained[t + 1];
        }
        batch->T = end;
        batch->sequences++;
        step->starts[batch->sequences] = (int32_t)end;
        step->sequence_targets[batch->sequences] = batch->target_count;
    }
    return true;
}

bool lt_loader_next_pass(lt_loader *loader, lt_step_batch *step, int64_t pass_tokens, bool *more, lt_error *err)
{
    *more = step->next_row < step->step_rows;
    if (!*more)
        return true;
    step->batch = (lt_batch){
        .ids = step->ids, .types = step->types, .starts = step->starts, .targets = step->targets, .firsts = step->firsts};
    step->row_count = 0;
    step->starts[0] = 0;
    step->sequence_targets[0] = 0;
    int64_t room = 0;
    do {
        assert(step->batch.T + step->sizes[step->next_row].tokens <= step->extent.pass_tokens);
        room += room_of(loader, &step->sizes[step->next_row]);
        if (!append(loader, step, step->next_row, err))
            return false;
        step->next_row++;
    } while (step->next_row < step->step_rows &&
             (!pass_tokens || room + room_of(loader, &step->sizes[step->next_row]) <= pass_tokens));
    step->passes++;
    return true;
}
