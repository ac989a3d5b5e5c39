#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "text/tokenizer_internal.h"

bool lt_ids_push(lt_ids *ids, int32_t id, lt_error *err)
{
    return lt_ids_append(ids, &id, 1, err);
}

bool lt_ids_append(lt_ids *ids, const int32_t *more, size_t count, lt_error *err)
{
    if (!lt_grow(&ids->data, &ids->capacity, ids->count + count, sizeof *ids->data, err))
        return false;
    if (count)
        memcpy(ids->data + ids->count, more, count * sizeof *more);
    ids->count += count;
    return true;
}

void lt_ids_free(lt_ids *ids)
{
    free(ids->data);
    *ids = (lt_ids){0};
}

void lt_spans_free(lt_spans *spans)
{
    free(spans->data);
    *spans = (lt_spans){0};
}

static void scratch_free(lt_scratch *s)
{
    lt_ntext_free(&s->clean);
    free(s->raw.data);
    free(s->normal.data);
    lt_normalize_scratch_free(&s->normalize);
    lt_pretokenize_scratch_free(&s->pretokenize);
    lt_token_model_scratch_free(&s->model);
    lt_tokens_free(&s->tokens);
    lt_spans_free(&s->spans);
    free(s);
}

void lt_tokenizer_close(lt_tokenizer *t)
{
    if (!t)
        return;
    while (t->pool) {
        lt_scratch *s = t->pool;
        t->pool = s->next;
        scratch_free(s);
    }
    pthread_mutex_destroy(&t->lock);
    lt_normalizer_close(t->normalizer);
    lt_pretokenizer_close(t->pretokenizer);
    lt_token_model_close(t->model);
    lt_added_free(&t->added);
    lt_ids_free(&t->frame);
    lt_pair_frame_free(&t->pair);
    lt_token_decoder_close(t->decoder);
    for (size_t i = 0; i < t->named.count; i++) {
        free(t->named.data[i].name);
        free(t->named.data[i].text);
    }
    free(t->named.data);
    lt_ids_free(&t->stop_ids);
    free(t);
}

/* Every part of tokenizer.json. The model comes first, the others are checked against its vocabulary. */
static bool open_parts(lt_tokenizer *t, const lt_json *root, lt_error *err)
{
    const char *version = "1.0";
    if (!lt_json_get_string(root, "version", &version, err))
        return false;
    if (strcmp(version, "1.0"))
        return lt_json_error(root, err, LT_ERR_UNSUPPORTED, "its version is \"%.20s\", lathe reads \"1.0\"", version);
    return lt_token_model_open(&t->model, root, err) && lt_normalizer_open(&t->normalizer, root, err) &&
           lt_pretokenizer_open(&t->pretokenizer, root, t->model->takes_bytes, err) &&
           lt_added_open(&t->added, root, &t->model->vocab, t->normalizer, err) &&
           lt_frame_open(&t->frame, &t->pair, root, err) && lt_token_decoder_open(&t->decoder, root, err);
}

/* No id may come out of an encoding that an embedding of vocab_size rows does not have. */
static bool check_entries(const lt_tokenizer *t, const lt_frame *frame, const lt_json *root, lt_error *err)
{
    for (size_t i = 0; i < frame->count; i++)
        if (frame->data[i] >= 0 && !lt_tokenizer_token(t, frame->data[i], NULL))
            return lt_json_error(root, err, LT_ERR_FORMAT, "its post_processor adds id %d, which no token has", frame->data[i]);
    return true;
}

static bool check_frame(const lt_tokenizer *t, const lt_json *root, lt_error *err)
{
    return check_entries(t, &t->frame, root, err) && check_entries(t, &t->pair.frame, root, err);
}

static json_t *gguf_root(const char *path, lt_tokenizer_config *config, lt_error *err)
{
    lt_gguf *file;
    if (!lt_gguf_open(&file, path, err))
        return NULL;
    json_t *root = lt_tokenizer_gguf_root(file, err);
    bool ok = root && (config->config = lt_tokenizer_gguf_config(file, err)) &&
              (config->generation = lt_tokenizer_gguf_generation(file, err));
    lt_gguf_close(file);
    strcpy(config->path[0], path);
    strcpy(config->path[2], path);
    if (ok)
        return root;
    json_decref(root);
    return NULL;
}

/* Finds what there is at `path`: the tokenizer.json or what amounts to one, and its name in messages. NULL on failure.
 */
static json_t *find_root(const char *path, lt_tokenizer_config *config, char file[4096], lt_error *err)
{
    if (!lt_file_is_folder(path)) {
        if (strlen(path) >= 4096) {
            lt_error_set(err, LT_ERR_USAGE, "path of %zu bytes is too long", strlen(path));
            return NULL;
        }
        strcpy(file, path);
        return lt_gguf_is(path) ? gguf_root(path, config, err) : lt_tokenizer_json_load(file, err);
    }
    if (!lt_tokenizer_config_load(config, path, err) || !lt_file_join(file, 4096, path, "tokenizer.json", err))
        return NULL;
    json_t *root =
        lt_file_exists(file) ? lt_tokenizer_json_load(file, err) : lt_tokenizer_layout_load(path, config, file, err);
    if (root && !lt_tokenizer_config_add_tokens(config, root, err)) {
        json_decref(root);
        root = NULL;
    }
    return root;
}

bool lt_tokenizer_open(lt_tokenizer **out, const char *path, lt_error *err)
{
    char file[4096];
    json_t *root = NULL;
    bool ok = false;
    lt_tokenizer_config *config = calloc(1, sizeof *config);
    lt_tokenizer *t = calloc(1, sizeof *t);
    if (!config || !t) {
        lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory for a tokenizer", path);
        goto done;
    }
    pthread_mutex_init(&t->lock, NULL);
    root = find_root(path, config, file, err);
    if (!root)
        goto done;
    lt_json at = lt_json_root(root, file);
    if (!open_parts(t, &at, err) || !check_frame(t, &at, err))
        goto done;
    t->vocab_size = t->model->vocab.end > t->added.end ? t->model->vocab.end : t->added.end;
    ok = lt_tokenizer_config_apply(config, t, err);
done:
    json_decref(root);
    if (config)
        lt_tokenizer_config_free(config);
    free(config);
    if (ok)
        *out = t;
    else
        lt_tokenizer_close(t);
    return ok;
}

int32_t lt_tokenizer_vocab_size(const lt_tokenizer *t)
{
    return t->vocab_size;
}

const char *lt_tokenizer_token(const lt_tokenizer *t, int32_t id, size_t *size)
{
    const lt_added_token *added = lt_added_of(&t->added, id);
    if (!added)
        return lt_vocab_token(&t->model->vocab, id, size);
    if (size)
        *size = added->content_size;
    return added->content;
}

int32_t lt_tokenizer_id(const lt_tokenizer *t, const char *token, size_t size)
{
    int32_t index = lt_vocab_find(&t->added.index, token, size);
    return index >= 0 ? t->added.tokens[index].id : lt_vocab_find(&t->model->vocab, token, size);
}

bool lt_tokenizer_is_special(const lt_tokenizer *t, int32_t id)
{
    const lt_added_token *added = lt_added_of(&t->added, id);
    return added && added->special;
}

int32_t lt_tokenizer_special_id(const lt_tokenizer *t, lt_special which)
{
    return t->special_ids[which];
}

const char *lt_tokenizer_special_token(const lt_tokenizer *t, lt_special which)
{
    static const char *const names[] = {"bos_token", "eos_token", "pad_token", "unk_token",
                                        "sep_token", "cls_token", "mask_token"}; /* in the order of lt_special */
    for (size_t i = 0; i < t->named.count; i++)
        if (!strcmp(t->named.data[i].name, names[which]))
            return t->named.data[i].text;
    return lt_tokenizer_token(t, t->special_ids[which], NULL);
}

size_t lt_tokenizer_stop_ids(const lt_tokenizer *t, const int32_t **ids)
{
    *ids = t->stop_ids.data;
    return t->stop_ids.count;
}

size_t lt_tokenizer_named_count(const lt_tokenizer *t)
{
    return t->named.count;
}

const char *lt_tokenizer_named(const lt_tokenizer *t, size_t i, const char **name)
{
    *name = t->named.data[i].name;
    return t->named.data[i].text;
}
