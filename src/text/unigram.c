/* Unigram language model (Kudo 2018): of all ways to write a piece with tokens, the one of the greatest total score. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/utf8.h"
#include "text/token_model.h"

/* An edge of the trie of all tokens: from a node, by a byte, to a node. */
typedef struct edge {
    uint64_t key; /* node << 8 | byte, plus one; 0: empty slot */
    uint32_t to;
} edge;

typedef struct unigram {
    lt_token_model model;
    double *scores; /* by id */
    double unk_score;
    int32_t spelled_id[256]; /* "<0x00>" …, or -1 */
    bool byte_fallback;
    bool has_unmatched; /* some tokens are none that a text can give */
    bool single; /* sums are kept in single precision, as SentencePiece does; ways of nearly equal scores differ by that */
    edge *edges; /* open addressing */
    uint32_t edges_mask;
    uint32_t node_count;
    uint64_t seed;
    int32_t *token_at; /* by node: the token that ends there, or -1 */
    size_t token_at_capacity;
} unigram;

/* The best way to write the piece up to some place: its last token, where that begins, and the score of all. */
typedef struct best {
    double score;
    int32_t id;
    uint32_t begin;  /* UINT32_MAX: there is no way */
    int32_t next_id; /* once the best way is known: its token from this place, and where that ends */
    uint32_t next_end;
} best;

static const double unk_penalty = 10.0;

static void unigram_close(lt_token_model *model)
{
    unigram *u = (unigram *)model;
    lt_vocab_free(&u->model.vocab);
    free(u->scores);
    free(u->edges);
    free(u->token_at);
    free(u);
}

static uint32_t find_edge(const unigram *u, uint32_t node, unsigned char byte)
{
    uint64_t key = ((uint64_t)node << 8 | byte) + 1;
    uint64_t h = (key ^ u->seed) * 0x9E3779B97F4A7C15u;
    h = (h ^ h >> 29) * 0xBF58476D1CE4E5B9u;
    uint32_t i = (uint32_t)(h >> 32) & u->edges_mask;
    while (u->edges[i].key && u->edges[i].key != key)
        i = (i + 1) & u->edges_mask;
    return i;
}

static bool add_node(unigram *u, lt_error *err)
{
    if (!lt_grow(&u->token_at, &u->token_at_capacity, (size_t)u->node_count + 1, sizeof *u->token_at, err))
        return false;
    u->token_at[u->node_count++] = -1;
    return true;
}

/* "unmatched": ids that no text gives, as control pieces of a SentencePiece model. (This and "single_precision" are not known to the
 * package `tokenizers`.) */
static bool read_unmatched(unigram *u, const lt_json *at, bool *unmatched, lt_error *err)
{
    lt_json list;
    if (!lt_json_member(at, "unmatched", &list))
        return true;
    if (!lt_json_array(&list, err))
        return false;
    u->has_unmatched = true;
    for (size_t i = 0; i < json_array_size(list.value); i++) {
        lt_json item = lt_json_element(&list, i);
        int64_t id;
        if (!lt_json_int(&item, 0, u->model.vocab.end - 1, &id, err))
            return false;
        unmatched[id] = true;
    }
    return true;
}

static bool build_trie(unigram *u, const bool *unmatched, lt_error *err)
{
    size_t slots = 16;
    while (slots < 2 * (u->model.vocab.bytes.size + 1)) /* a token adds at most as many edges as it has bytes */
        slots *= 2;
    u->edges = calloc(slots, sizeof *u->edges);
    if (!u->edges || slots > UINT32_MAX)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for a trie of %zu slots", slots);
    u->edges_mask = (uint32_t)slots - 1;
    if (getrandom(&u->seed, sizeof u->seed, GRND_NONBLOCK) != sizeof u->seed)
        u->seed = (uintptr_t)u;
    if (!add_node(u, err))
        return false;
    double least = INFINITY;
    for (int32_t id = 0; id < u->model.vocab.end; id++) {
        size_t size = 0;
        const char *token = lt_vocab_token(&u->model.vocab, id, &size);
        uint32_t node = 0;
        if (!unmatched[id] && u->scores[id] < least)
            least = u->scores[id];
        for (size_t i = 0; !unmatched[id] && i < size; i++) {
            uint32_t e = find_edge(u, node, (unsigned char)token[i]);
            if (!u->edges[e].key) {
                u->edges[e] = (edge){((uint64_t)node << 8 | (unsigned char)token[i]) + 1, u->node_count};
                if (!add_node(u, err))
                    return false;
            }
            node = u->edges[e].to;
        }
        if (node)
            u->token_at[node] = id;
    }
    u->unk_score = isfinite(least) ? least - unk_penalty : -unk_penalty;
    return true;
}

/* One [token, score]. */
static bool read_token(unigram *u, const lt_json *item, size_t id, lt_error *err)
{
    const char *token;
    if (!json_is_array(item->value) || json_array_size(item->value) != 2)
        return lt_json_expected(item, "[token, score]", err);
    lt_json name = lt_json_element(item, 0), score = lt_json_element(item, 1);
    if (!lt_json_string(&name, &token, err) || !lt_json_real(&score, &u->scores[id], err))
        return false;
    lt_vocab_result result = lt_vocab_add(&u->model.vocab, (int32_t)id, token, strlen(token), err);
    if (result == LT_VOCAB_ADDED || result == LT_VOCAB_NO_MEMORY)
        return result == LT_VOCAB_ADDED;
    return lt_json_error(&name, err, LT_ERR_FORMAT, "\"%.60s\" is already token %d", token,
                         lt_vocab_find(&u->model.vocab, token, strlen(token)));
}

static bool read_tokens(unigram *u, const lt_json *at, lt_error *err)
{
    lt_json list;
    size_t count;
    if (!lt_json_need_array(at, "vocab", &list, &count, err) || !lt_vocab_init(&u->model.vocab, count, err))
        return false;
    if (count == 0 || count > LT_VOCAB_MAX_ID)
        return lt_json_error(&list, err, LT_ERR_FORMAT, "expected from 1 to %d tokens, found %zu", LT_VOCAB_MAX_ID,
                             count);
    u->scores = malloc(count * sizeof *u->scores);
    if (!u->scores)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for %zu tokens", count);
    for (size_t i = 0; i < count; i++) {
        lt_json item = lt_json_element(&list, i);
        if (!read_token(u, &item, i, err))
            return false;
    }
    return true;
}

static bool open_trie(unigram *u, const lt_json *at, lt_error *err)
{
    bool *unmatched = calloc((size_t)u->model.vocab.end + 1, sizeof *unmatched);
    bool ok = unmatched ? read_unmatched(u, at, unmatched, err) && build_trie(u, unmatched, err)
                        : lt_error_set(err, LT_ERR_MEMORY, "out of memory for a tokenizer");
    free(unmatched);
    return ok;
}

static bool unigram_open(lt_token_model **out, const lt_json *at, lt_error *err)
{
    int64_t unk_id = -1;
    unigram *u = calloc(1, sizeof *u);
    if (!u)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for a tokenizer");
    u->model.kind = &lt_token_model_unigram;
    bool ok = read_tokens(u, at, err) && lt_json_get_bool(at, "byte_fallback", &u->byte_fallback, err) &&
              lt_json_get_bool(at, "single_precision", &u->single, err) &&
              lt_json_get_int(at, "unk_id", 0, u->model.vocab.end - 1, &unk_id, err) && open_trie(u, at, err);
    if (ok) {
        if (u->single)
            u->unk_score = (float)u->unk_score;
        u->model.unk_id = (int32_t)unk_id;
        lt_token_model_byte_tokens(&u->model.vocab, u->spelled_id);
        *out = &u->model;
    } else {
        unigram_close(&u->model);
    }
    return ok;
}

static void improve(const unigram *u, best *at, double score, int32_t id, size_t begin)
{
    if (u->single)
        score = (float)score;
    if (at->begin == UINT32_MAX || score > at->score)
        *at = (best){score, id, (uint32_t)begin, -1, 0};
}

/* Fills paths[0 .. size]: the best way to every character boundary. */
static bool find_paths(const unigram *u, best *paths, const char *piece, size_t size, lt_error *err)
{
    for (size_t i = 0; i <= size; i++)
        paths[i] = (best){0, -1, UINT32_MAX, -1, 0};
    for (size_t at = 0; at < size;) {
        uint32_t c, node = 0;
        size_t char_size = (size_t)lt_utf8_decode(piece + at, size - at, &c);
        bool has_char = false;
        double here = paths[at].score;
        for (size_t end = at; end < size;) {
            uint32_t e = find_edge(u, node, (unsigned char)piece[end]);
            if (!u->edges[e].key)
                break;
            node = u->edges[e].to;
            end++;
            int32_t id = u->token_at[node];
            if (id < 0)
                continue;
            improve(u, &paths[end], here + u->scores[id], id, at);
            has_char = has_char || end - at == char_size;
        }
        if (!has_char) {
            if (u->model.unk_id < 0)
                return lt_error_set(err, LT_ERR_FORMAT, "the tokenizer has no token for U+%04X and no unk_id", c);
            improve(u, &paths[at + char_size], here + u->unk_score, u->model.unk_id, at);
        }
        at += char_size;
    }
    return true;
}

/* Appends the tokens of a run of unknown characters: the run may be a token that no path took, or is spelled in bytes.
 */
static bool put_unknown(const unigram *u, const char *run, size_t size, lt_tokens *out, lt_error *err)
{
    int32_t id = u->has_unmatched ? -1 : lt_vocab_find(&u->model.vocab, run, size);
    bool spelled = id < 0 && u->byte_fallback;
    for (size_t i = 0; spelled && i < size; i++)
        spelled = u->spelled_id[(unsigned char)run[i]] >= 0;
    if (!spelled)
        return lt_tokens_push(out, id < 0 ? u->model.unk_id : id, (uint32_t)size, err);
    for (size_t i = 0; i < size; i++)
        if (!lt_tokens_push(out, u->spelled_id[(unsigned char)run[i]], 1, err))
            return false;
    return true;
}

static bool unigram_encode(const lt_token_model *model, lt_token_model_scratch *s, const char *piece, size_t size,
                           bool bytes, lt_tokens *out, lt_error *err)
{
    (void)bytes;
    const unigram *u = (const unigram *)model;
    if (!lt_grow(&s->nodes, &s->nodes_capacity, size + 1, sizeof(best), err))
        return false;
    best *paths = s->nodes;
    if (!find_paths(u, paths, piece, size, err))
        return false;
    for (uint32_t end = (uint32_t)size; end > 0; end = paths[end].begin) {
        paths[paths[end].begin].next_id = paths[end].id;
        paths[paths[end].begin].next_end = end;
    }
    for (uint32_t at = 0; at < size;) {
        uint32_t end = paths[at].next_end;
        if (paths[at].next_id != model->unk_id) {
            if (!lt_tokens_push(out, paths[at].next_id, end - at, err))
                return false;
        } else {
            while (end < size && paths[end].next_id == model->unk_id)
                end = paths[end].next_end;
            if (!put_unknown(u, piece + at, end - at, out, err))
                return false;
        }
        at = end;
    }
    return true;
}

const lt_token_model_kind lt_token_model_unigram = {"Unigram", unigram_open, unigram_close, unigram_encode};
