#include "text/tokenizer_added.h"

#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/utf8.h"
#include "text/unicode.h"

/* Searching takes as many steps per byte of text as the longest token has bytes, so that is bounded. */
enum { MAX_CONTENT = 1024 };

void lt_added_free(lt_added *added)
{
    for (size_t i = 0; i < added->count; i++) {
        if (added->tokens[i].form != added->tokens[i].content)
            free(added->tokens[i].form);
        free(added->tokens[i].content);
    }
    free(added->tokens);
    lt_vocab_free(&added->index);
    free(added->raw.nodes);
    free(added->normal.nodes);
    free(added->by_id);
    *added = (lt_added){0};
}

static uint32_t find_child(const lt_trie *trie, uint32_t node, unsigned char byte)
{
    if (node == 0)
        return trie->roots[byte];
    uint32_t child = trie->nodes[node].child;
    while (child && trie->nodes[child].byte != byte)
        child = trie->nodes[child].sibling;
    return child;
}

static bool trie_add(lt_trie *trie, const char *text, size_t size, int32_t token, lt_error *err)
{
    if (!lt_grow(&trie->nodes, &trie->capacity, trie->count + size + 1, sizeof *trie->nodes, err))
        return false;
    if (trie->count == 0)
        trie->nodes[trie->count++] = (lt_trie_node){0, 0, -1, 0};
    uint32_t node = 0;
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)text[i];
        uint32_t child = find_child(trie, node, byte);
        if (!child) {
            child = (uint32_t)trie->count++;
            trie->nodes[child] = (lt_trie_node){0, node ? trie->nodes[node].child : 0, -1, byte};
            if (node)
                trie->nodes[node].child = child;
            else
                trie->roots[byte] = child;
        }
        node = child;
    }
    if (node && trie->nodes[node].token < 0)
        trie->nodes[node].token = token;
    return true;
}

/* The longest token that starts at text[at], or -1; *end is where it ends. */
static int32_t longest_at(const lt_trie *trie, const char *text, size_t size, size_t at, size_t *end)
{
    int32_t found = -1;
    uint32_t node = 0;
    for (size_t i = at; i < size; i++) {
        node = find_child(trie, node, (unsigned char)text[i]);
        if (!node)
            break;
        if (trie->nodes[node].token >= 0) {
            found = trie->nodes[node].token;
            *end = i + 1;
        }
    }
    return found;
}

static bool is_word_at(const char *text, size_t size, size_t at)
{
    uint32_t c;
    return at < size && lt_utf8_decode(text + at, size - at, &c) && lt_unicode_is_word(c);
}

/* The start of the character that ends at `end` > 0. */
static size_t char_before(const char *text, size_t end)
{
    do
        end--;
    while (end > 0 && ((unsigned char)text[end] & 0xC0) == 0x80);
    return end;
}

static bool push(lt_stretches *out, size_t begin, size_t end, int32_t token, lt_error *err)
{
    if (!lt_grow(&out->data, &out->capacity, out->count + 1, sizeof *out->data, err))
        return false;
    out->data[out->count++] = (lt_stretch){begin, end, token};
    return true;
}

/* Widens a match over white space; `covered` is where the last token ended. */
static void strip(const lt_added_token *t, const char *text, size_t size, size_t covered, size_t *begin, size_t *end)
{
    uint32_t c;
    if (t->lstrip) {
        size_t at = *begin;
        while (at > covered) { /* the reference looks further back and then takes the greater: the same */
            size_t before = char_before(text, at);
            lt_utf8_decode(text + before, at - before, &c);
            if (!lt_unicode_is_space(c))
                break;
            at = before;
        }
        *begin = at > covered ? at : covered;
    }
    while (t->rstrip && *end < size) {
        int n = lt_utf8_decode(text + *end, size - *end, &c);
        if (!lt_unicode_is_space(c))
            break;
        *end += (size_t)n;
    }
}

bool lt_added_find(const lt_added *added, const lt_trie *trie, const char *text, size_t size, bool skip_special,
                   lt_stretches *out, lt_error *err)
{
    size_t covered = 0;
    out->count = 0;
    for (size_t at = 0; at < size && trie->count;) {
        if (!trie->roots[(unsigned char)text[at]]) {
            at++;
            continue;
        }
        size_t end = at, begin = at;
        int32_t token = longest_at(trie, text, size, at, &end);
        if (token < 0) {
            at++;
            continue;
        }
        at = end;
        const lt_added_token *t = &added->tokens[token];
        if (skip_special && t->special)
            continue;
        if (t->single_word &&
            ((begin > 0 && is_word_at(text, size, char_before(text, begin))) || is_word_at(text, size, end)))
            continue;
        strip(t, text, size, covered, &begin, &end);
        if ((covered < begin && !push(out, covered, begin, -1, err)) || !push(out, begin, end, token, err))
            return false;
        covered = end;
    }
    return covered == size || push(out, covered, size, -1, err);
}

/* The normal form of a token's content; NULL with *err set on failure. */
static char *normal_form(const lt_normalizer *normalizer, const char *text, size_t size, size_t *form_size,
                         lt_error *err)
{
    lt_normalize_scratch scratch = {0};
    lt_view view = {text, size, NULL, 1}; /* neither at the beginning of a text nor at its end */
    char *form = NULL;
    lt_normalize_begin(&scratch, size + 2, false);
    if (lt_normalize(normalizer, &scratch, &view, err)) {
        form = lt_text_copy(view.text, view.size, err);
        *form_size = view.size;
    }
    lt_normalize_scratch_free(&scratch);
    return form;
}

/* The token of that content, made when there is none yet. */
static lt_added_token *token_of(lt_added *added, const char *content, size_t size, lt_error *err)
{
    int32_t index = lt_vocab_find(&added->index, content, size);
    if (index >= 0)
        return &added->tokens[index];
    if (!lt_grow(&added->tokens, &added->capacity, added->count + 1, sizeof *added->tokens, err))
        return NULL;
    lt_added_token t = {.id = -1, .content_size = size, .content = lt_text_copy(content, size, err)};
    if (!t.content)
        return NULL;
    t.form = t.content;
    t.form_size = size;
    added->tokens[added->count++] = t;
    if (lt_vocab_add(&added->index, (int32_t)added->count - 1, content, size, err) != LT_VOCAB_ADDED)
        return NULL;
    return &added->tokens[added->count - 1];
}

static bool read_flags(lt_added_token *t, const lt_json *item, lt_error *err)
{
    static const char *const names[] = {"special", "single_word", "lstrip", "rstrip", "normalized"};
    bool *const flags[] = {&t->special, &t->single_word, &t->lstrip, &t->rstrip, &t->normalized};
    for (int i = 0; i < 5; i++)
        if (!lt_json_need_bool(item, names[i], flags[i], err))
            return false;
    return true;
}

static bool read_token(lt_added *added, const lt_json *item, const lt_vocab *model, const lt_normalizer *normalizer,
                       int32_t *next_id, lt_error *err)
{
    const char *content;
    int64_t said;
    if (!lt_json_need_string(item, "content", &content, err) ||
        !lt_json_need_int(item, "id", 0, LT_VOCAB_MAX_ID, &said, err))
        return false;
    size_t size = strlen(content);
    if (size == 0) /* the reference passes over it */
        return true;
    if (size > MAX_CONTENT)
        return lt_json_error(item, err, LT_ERR_FORMAT, "its content has %zu bytes, at most %d are accepted", size,
                             MAX_CONTENT);
    lt_added_token *t = token_of(added, content, size, err);
    if (!t || !read_flags(t, item, err))
        return false;
    if (t->id < 0) {
        t->id = lt_vocab_find(model, content, size);
        if (t->id < 0)
            t->id = (*next_id)++;
        if (t->id > LT_VOCAB_MAX_ID)
            return lt_json_error(item, err, LT_ERR_FORMAT, "there are more than %d tokens", LT_VOCAB_MAX_ID);
        size_t other_size = 0;
        const char *other = lt_vocab_token(model, t->id, &other_size);
        if (other && (other_size != size || memcmp(other, content, size)))
            return lt_json_error(item, err, LT_ERR_FORMAT, "id %d for \"%.60s\" is already that of \"%.60s\"", t->id,
                                 content, other);
    }
    if (t->id != said)
        lt_log_warning("added token %.60s says that its id is %lld, but it is %d", content, (long long)said, t->id);
    if (t->form != t->content)
        free(t->form);
    t->form = t->content;
    t->form_size = size;
    if (t->normalized && normalizer) {
        t->form = normal_form(normalizer, content, size, &t->form_size, err);
        if (!t->form) {
            t->form = t->content;
            return false;
        }
    }
    return true;
}

/* What is derived from the tokens once all are read. */
static bool build(lt_added *added, const lt_json *root, lt_error *err)
{
    for (size_t i = 0; i < added->count; i++)
        if (added->tokens[i].id >= added->end)
            added->end = added->tokens[i].id + 1;
    added->by_id = malloc(((size_t)added->end + 1) * sizeof *added->by_id);
    if (!added->by_id)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for added tokens");
    memset(added->by_id, -1, ((size_t)added->end + 1) * sizeof *added->by_id);
    for (size_t i = 0; i < added->count; i++) {
        lt_added_token *t = &added->tokens[i];
        int32_t same = lt_vocab_find(&added->index, t->form, t->form_size);
        t->skipped = same >= 0 && added->tokens[same].special;
        if (added->by_id[t->id] >= 0)
            return lt_json_error(root, err, LT_ERR_FORMAT, "added tokens \"%.60s\" and \"%.60s\" both have id %d",
                                 t->content, added->tokens[added->by_id[t->id]].content, t->id);
        added->by_id[t->id] = (int32_t)i;
        if (t->form_size &&
            !trie_add(t->normalized ? &added->normal : &added->raw, t->form, t->form_size, (int32_t)i, err))
            return false;
    }
    return true;
}

bool lt_added_open(lt_added *added, const lt_json *root, const lt_vocab *model, const lt_normalizer *normalizer,
                   lt_error *err)
{
    lt_json list;
    size_t count = 0;
    *added = (lt_added){0};
    bool ok = !lt_json_has(root, "added_tokens") || lt_json_need_array(root, "added_tokens", &list, &count, err);
    ok = ok && lt_vocab_init(&added->index, count, err);
    int32_t next_id = model->count;
    for (size_t i = 0; ok && i < count; i++) {
        lt_json item = lt_json_element(&list, i);
        ok = read_token(added, &item, model, normalizer, &next_id, err);
    }
    ok = ok && build(added, root, err);
    if (!ok)
        lt_added_free(added);
    return ok;
}
