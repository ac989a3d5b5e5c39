/* The tensors of a GGUF model under the names of its family, still where they lie in their file or files. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "models/gguf.h"
#include "nn/config_tensors.h"

enum { WIDEST_PAIRED_HEAD = 1024, MOST_PARTS = 512 };

/* ---- names: one list for every architecture that lathe knows ---- */

const char *lt_gguf_linear_name(lt_linear_slot slot)
{
    static const char *const names[LT_LINEAR_SLOTS] = {
        [LT_LINEAR_Q] = "attn_q",      [LT_LINEAR_K] = "attn_k",      [LT_LINEAR_V] = "attn_v",
        [LT_LINEAR_QKV] = "attn_qkv",  [LT_LINEAR_O] = "attn_output", [LT_LINEAR_GATE] = "ffn_gate",
        [LT_LINEAR_UP] = "ffn_up",     [LT_LINEAR_GATE_UP] = "ffn_up", /* Phi-3: gate and up in one */
        [LT_LINEAR_DOWN] = "ffn_down",
    };
    return slot >= 0 && slot < LT_LINEAR_SLOTS ? names[slot] : NULL;
}

const char *lt_gguf_norm_name(lt_norm_slot slot)
{
    static const char *const names[LT_NORM_SLOTS] = {
        [LT_NORM_BEFORE_ATTENTION] = "attn_norm", [LT_NORM_AFTER_ATTENTION] = "post_attention_norm",
        [LT_NORM_BEFORE_MLP] = "ffn_norm",        [LT_NORM_AFTER_MLP] = "post_ffw_norm",
        [LT_NORM_Q] = "attn_q_norm",              [LT_NORM_K] = "attn_k_norm",
    };
    return slot >= 0 && slot < LT_NORM_SLOTS ? names[slot] : NULL;
}

/* Router and experts. All experts' matrices of a kind are one tensor (experts, rows, columns). */
static const char *expert_name(const lt_config_tensor *tensor)
{
    static const char *const of_all[] = {"ffn_gate_exps", "ffn_up_exps", "ffn_down_exps"};
    static const char *const shared[] = {"ffn_gate_shexp", "ffn_up_shexp", "ffn_down_shexp", "ffn_gate_inp_shexp"};
    if (tensor->role == LT_ROLE_ROUTER)
        return "ffn_gate_inp";
    return tensor->part < 0 ? NULL : tensor->expert == LT_SHARED_EXPERT ? shared[tensor->part] : of_all[tensor->part];
}

/* A tensor outside the blocks. */
static const char *outer_name(const lt_config_tensor *tensor, const lt_config *config)
{
    const struct {
        const char *module, *name;
    } known[] = {
        {config->embed_name, "token_embd"},      {config->position_name, "position_embd"},
        {config->type_name, "token_types"},      {config->embed_norm_name, "token_embd_norm"},
        {config->final_norm_name, "output_norm"}, {config->head_name, "output"},
    };
    const char *dot = strrchr(tensor->name, '.');
    size_t n = dot ? (size_t)(dot - tensor->name) : 0;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (n && strlen(known[i].module) == n && !memcmp(known[i].module, tensor->name, n))
            return known[i].name;
    return NULL;
}

bool lt_gguf_tensor_name(const lt_config_tensor *tensor, const lt_config *config, char out[LT_NAME_MAX])
{
    bool bias = tensor->role == LT_ROLE_BIAS || tensor->role == LT_ROLE_NORM_BIAS;
    bool norm = tensor->role == LT_ROLE_NORM || tensor->role == LT_ROLE_NORM_BIAS;
    const char *name = tensor->layer < 0 ? outer_name(tensor, config)
                       : tensor->slot < 0 ? expert_name(tensor)
                       : norm            ? lt_gguf_norm_name((lt_norm_slot)tensor->slot)
                                         : lt_gguf_linear_name((lt_linear_slot)tensor->slot);
    if (!name)
        return false;
    if (tensor->layer < 0)
        snprintf(out, LT_NAME_MAX, "%s.%s", name, bias ? "bias" : "weight");
    else
        snprintf(out, LT_NAME_MAX, "blk.%d.%s.%s", tensor->layer, name, bias ? "bias" : "weight");
    return true;
}

/* ---- files ---- */

/* A model in one file, or split over several: "name-00001-of-00003.gguf". */
typedef struct parts {
    const lt_gguf *files[MOST_PARTS];
    char *paths[MOST_PARTS];
    int count;
} parts;

static void close_parts(parts *p)
{
    for (int i = 0; i < p->count; i++) {
        if (i > 0)
            lt_gguf_close((lt_gguf *)p->files[i]);
        free(p->paths[i]);
    }
}

static bool add_part(parts *p, const lt_gguf *file, lt_error *err)
{
    p->files[p->count] = file;
    p->paths[p->count] = strdup(file->path);
    return p->paths[p->count++] || lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory", file->path);
}

static bool open_parts(parts *p, const lt_gguf *first, lt_error *err)
{
    int64_t count = 1, number = 0;
    if (!add_part(p, first, err) || !lt_gguf_get_int(first, "split.count", 0, MOST_PARTS, &count, err) ||
        !lt_gguf_get_int(first, "split.no", 0, MOST_PARTS, &number, err))
        return false;
    if (count <= 1)
        return true;
    char ending[32], path[4096];
    size_t n = strlen(first->path), tail = (size_t)snprintf(ending, sizeof ending, "-%05d-of-%05d.gguf", 1, (int)count);
    if (number != 0 || n < tail || strcmp(first->path + n - tail, ending) || n >= sizeof path)
        return lt_error_set(err, LT_ERR_USAGE, "%s: is one of %d parts of a model; name the first, which ends in \"%s\"", first->path,
                            (int)count, ending);
    for (int i = 2; i <= count; i++) {
        lt_gguf *file;
        snprintf(path, sizeof path, "%.*s-%05d-of-%05d.gguf", (int)(n - tail), first->path, i, (int)count);
        if (!lt_gguf_open(&file, path, err))
            return false;
        if (!add_part(p, file, err))
            return false;
    }
    return true;
}

static const lt_gguf_tensor *find(const parts *p, const char *name, int *part)
{
    for (*part = 0; *part < p->count; ++*part) {
        const lt_gguf_tensor *tensor = lt_gguf_find_tensor(p->files[*part], name);
        if (tensor)
            return tensor;
    }
    return NULL;
}

bool lt_gguf_parts_have(const lt_gguf *file, const char *name, bool *has, lt_error *err)
{
    parts p = {.count = 0};
    int part;
    bool ok = open_parts(&p, file, err);
    *has = ok && find(&p, name, &part);
    close_parts(&p);
    return ok;
}

/* ---- tensors ---- */

typedef struct gathering {
    const lt_config *config;
    const lt_gguf_family *family;
    const parts *parts;
    lt_tensor_info *infos;
    int64_t count;
    int64_t stored; /* tensors of the files that they are in: experts share one */
    lt_error *err;
} gathering;

static bool set_view(gathering *g, const lt_config_tensor *item, lt_tensor_info *info)
{
    int64_t D = g->config->D;
    bool linear = item->role == LT_ROLE_LINEAR || item->role == LT_ROLE_BIAS;
    if (item->role == LT_ROLE_NORM && g->family->norms_plus_one)
        info->view = LT_VIEW_PLUS_ONE;
    if (!linear || !g->family->paired_rows || (item->slot != LT_LINEAR_Q && item->slot != LT_LINEAR_K))
        return true;
    if (D % 2 || D > WIDEST_PAIRED_HEAD || info->shape[0] % D)
        return lt_error_set(g->err, LT_ERR_FORMAT, "%s: tensor '%s': %" PRId64 " rows are no whole heads of %" PRId64,
                            g->parts->files[info->shard]->path, info->name, info->shape[0], D);
    info->view = LT_VIEW_PAIRED_ROWS;
    info->head_rows = D;
    return true;
}

/* One expert's matrix out of the tensor of all. */
static bool take_expert(const gathering *g, const lt_config_tensor *item, const lt_gguf_tensor *tensor, lt_tensor_info *info)
{
    int64_t E = g->config->experts;
    if (tensor->dims != 3 || tensor->shape[0] != E || tensor->bytes % E)
        return lt_error_set(g->err, LT_ERR_FORMAT, "%s: tensor '%s': expected (%" PRId64 ", rows, columns) for as many experts",
                            g->parts->paths[info->shard], tensor->name, E);
    info->dims = 2;
    info->shape[0] = tensor->shape[1];
    info->shape[1] = tensor->shape[2];
    info->elements = tensor->elements / E;
    info->bytes = tensor->bytes / E;
    info->offset = tensor->offset + item->expert * info->bytes;
    return true;
}

/* The stored tensor, by its name of today, or that of early files, which have each expert's matrices apart. */
static const lt_gguf_tensor *find_item(const gathering *g, const lt_config_tensor *item, char name[LT_NAME_MAX], int *part, bool *of_all)
{
    static const char *const apart[] = {"ffn_gate", "ffn_up", "ffn_down"};
    char old[LT_NAME_MAX];
    const lt_gguf_tensor *tensor = find(g->parts, name, part);
    *of_all = item->expert >= 0;
    if (tensor || !*of_all)
        return tensor;
    snprintf(old, sizeof old, "blk.%d.%s.%d.weight", item->layer, apart[item->part], item->expert);
    if (!(tensor = find(g->parts, old, part)))
        return NULL;
    *of_all = false;
    return tensor;
}

static bool add(gathering *g, const lt_config_tensor *item)
{
    char name[LT_NAME_MAX];
    int part;
    bool of_all;
    if (!lt_gguf_tensor_name(item, g->config, name))
        return lt_error_set(g->err, LT_ERR_UNSUPPORTED, "%s: GGUF has no tensor for '%s'", g->parts->paths[0], item->name);
    const lt_gguf_tensor *tensor = find_item(g, item, name, &part, &of_all);
    if (!tensor)
        return lt_error_set(g->err, LT_ERR_FORMAT, "%s: tensor '%s' is missing", g->parts->paths[0], name);
    lt_tensor_info *info = &g->infos[g->count];
    *info = (lt_tensor_info){.name = strdup(item->name),
                             .dims = tensor->dims,
                             .elements = tensor->elements,
                             .shard = part,
                             .offset = tensor->offset,
                             .bytes = tensor->bytes};
    if (!info->name)
        return lt_error_set(g->err, LT_ERR_MEMORY, "%s: out of memory for its tensors", g->parts->paths[0]);
    g->count++;
    g->stored += !of_all || item->expert == 0;
    memcpy(info->shape, tensor->shape, sizeof tensor->shape);
    if (!lt_gguf_dtype(tensor->type, &info->dtype))
        return lt_error_set(g->err, LT_ERR_UNSUPPORTED,
                            "%s: tensor '%s': %s is not computed with (F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K "
                            "and Q6_K are)",
                            g->parts->paths[part], tensor->name, lt_gguf_tensor_type_get(tensor->type)->name);
    if (of_all && !take_expert(g, item, tensor, info))
        return false;
    if (item->dims == 2 && item->shape[0] == 1 && info->dims == 1) { /* a matrix of one row is a vector there */
        info->dims = 2;
        info->shape[1] = info->shape[0];
        info->shape[0] = 1;
    }
    return set_view(g, item, info);
}

/* Factors of the rope became part of the configuration. */
static bool needs_no_place(const char *name)
{
    return !strncmp(name, "rope_f", 6) || strstr(name, ".attn_rot_embd.");
}

/* A tensor that nothing reads would be a term left out of the model. */
static bool check_left(const gathering *g)
{
    int64_t left = -g->stored;
    for (int i = 0; i < g->parts->count; i++)
        for (int64_t k = 0; k < g->parts->files[i]->tensor_count; k++)
            left += !needs_no_place(g->parts->files[i]->tensors[k].name);
    if (left == 0)
        return true;
    for (int i = 0; i < g->parts->count; i++)
        for (int64_t k = 0; k < g->parts->files[i]->tensor_count; k++) {
            const lt_gguf_tensor *tensor = &g->parts->files[i]->tensors[k];
            bool used = needs_no_place(tensor->name);
            for (int64_t u = 0; !used && u < g->count; u++)
                used = g->infos[u].shard == i && g->infos[u].offset == tensor->offset;
            if (!used)
                return lt_error_set(g->err, LT_ERR_UNSUPPORTED, "%s: tensor '%.200s': %s has no place for it", g->parts->paths[i],
                                    tensor->name, g->family->model_type);
        }
    return lt_error_set(g->err, LT_ERR_FORMAT, "%s: two files have the same tensor", g->parts->paths[0]);
}

static int by_place(const void *a, const void *b)
{
    const lt_tensor_info *x = a, *y = b;
    if (x->shard != y->shard)
        return x->shard < y->shard ? -1 : 1;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

static void free_infos(lt_tensor_info *infos, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        free((char *)infos[i].name);
    free(infos);
}

bool lt_gguf_tensors_open(const lt_gguf *file, const lt_config *config, lt_safetensors **set, lt_error *err)
{
    parts p = {.count = 0};
    lt_config_tensor *list = NULL;
    int64_t count = 0;
    gathering g = {.config = config, .parts = &p, .err = err};
    bool ok = (g.family = lt_gguf_family_of(file, err)) && open_parts(&p, file, err) &&
              lt_config_tensors(config, &list, &count, err);
    if (ok && !(g.infos = calloc((size_t)count + 1, sizeof *g.infos)))
        ok = lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory for its tensors", file->path);
    for (int64_t i = 0; ok && i < count; i++)
        ok = add(&g, &list[i]);
    ok = ok && check_left(&g);
    free(list);
    if (ok) {
        qsort(g.infos, (size_t)g.count, sizeof *g.infos, by_place);
        ok = lt_safetensors_assemble(set, (const char *const *)p.paths, p.count, g.infos, g.count, err);
    } else
        free_infos(g.infos, g.count);
    close_parts(&p);
    return ok;
}

bool lt_gguf_tensors_raw(const lt_gguf *file, lt_safetensors **set, lt_error *err)
{
    const char *path = file->path;
    lt_tensor_info *infos = calloc((size_t)file->tensor_count + 1, sizeof *infos);
    int64_t count = 0;
    bool ok = infos || lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory for its tensors", path);
    for (; ok && count < file->tensor_count; count++) {
        const lt_gguf_tensor *tensor = &file->tensors[count];
        lt_tensor_info *info = &infos[count];
        *info = (lt_tensor_info){.name = strdup(tensor->name), .dims = tensor->dims, .elements = tensor->elements,
                                 .offset = tensor->offset, .bytes = tensor->bytes};
        memcpy(info->shape, tensor->shape, sizeof tensor->shape);
        if (!info->name)
            ok = lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory for its tensors", path);
        else if (!lt_gguf_dtype(tensor->type, &info->dtype))
            ok = lt_error_set(err, LT_ERR_UNSUPPORTED, "%s: tensor '%s': %s is not computed with", path, tensor->name,
                              lt_gguf_tensor_type_get(tensor->type)->name);
    }
    if (!ok) {
        free_infos(infos, infos ? count : 0);
        return false;
    }
    qsort(infos, (size_t)count, sizeof *infos, by_place);
    return lt_safetensors_assemble(set, &path, 1, infos, count, err);
}
