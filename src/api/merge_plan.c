/* Which tensors the merged model has, and what goes into each. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/merge_internal.h"
#include "models/gguf.h"
#include "nn/config_tensors.h"

static bool fail(const lt_merge *m, lt_status status, const char *format, const char *a, const char *b)
{
    return lt_error_set(m->err, status, format, a, b);
}

static lt_merge_tensor *add(lt_merge *m, const char *name, int dims, const int64_t *shape)
{
    if (m->count == m->capacity) {
        int64_t capacity = m->capacity ? 2 * m->capacity : 256;
        lt_merge_tensor *grown = realloc(m->items, (size_t)capacity * sizeof *grown);
        if (!grown) {
            fail(m, LT_ERR_MEMORY, "out of memory for the list of tensors%s%s", "", "");
            return NULL;
        }
        m->items = grown;
        m->capacity = capacity;
    }
    lt_merge_tensor *item = &m->items[m->count++];
    *item = (lt_merge_tensor){.name = strdup(name), .dims = dims, .elements = 1, .expert = -1};
    for (int i = 0; i < dims; i++) {
        item->shape[i] = shape[i];
        item->elements *= shape[i];
    }
    if (!item->name)
        fail(m, LT_ERR_MEMORY, "out of memory for '%s'%s", name, "");
    return item->name ? item : NULL;
}

/* A base model saved by itself leaves a prefix out of its names; adapters name modules with it. */
static void full_name(const lt_merge *m, const char *stored, char out[512])
{
    const char *prefix = m->config.base_prefix;
    size_t n = strlen(prefix);
    bool head = !strncmp(stored, m->config.head_name, strlen(m->config.head_name)) && *m->config.head_name;
    bool bare = n && strncmp(stored, prefix, n) && !head;
    snprintf(out, 512, "%s%s", bare ? prefix : "", stored);
}

static bool strip(const char *name, const char *ending, char module[512])
{
    size_t n = strlen(name), k = strlen(ending);
    if (n <= k || n - k >= 512 || strcmp(name + n - k, ending))
        return false;
    memcpy(module, name, n - k);
    module[n - k] = '\0';
    return true;
}

/* ---- what the adapter has for a tensor ---- */

static bool look_up(lt_merge *m, lt_merge_tensor *item)
{
    char full[512], module[512];
    full_name(m, item->name, full);
    for (int i = 0; m->adapter && i < m->adapter->tensor_count; i++)
        if (!strcmp(m->adapter->tensors[i].name, full))
            item->whole = &m->adapter->tensors[i];
    for (int i = 0; m->adapter && i < m->adapter->row_count; i++)
        if (!strcmp(m->adapter->rows[i].name, full))
            item->rows = &m->adapter->rows[i];
    if (!m->adapter || item->whole)
        return true;
    if (strip(full, ".weight", module) && (item->module = lt_adapter_file_find(m->adapter, module))) {
        lt_lora_module *lora = lt_adapter_file_find(m->adapter, module);
        item->rows_are_inputs = m->config.conv1d && !lora->embedding && strcmp(module, m->config.head_name);
        bool turned = item->rows_are_inputs || lora->embedding;
        if (lora->factors && item->dims == 2) /* IA3 says one of its sizes */
            *(lora->of_inputs ? &lora->N : &lora->K) = item->shape[lora->of_inputs == item->rows_are_inputs];
        int64_t rows = turned ? lora->K : lora->N, cols = turned ? lora->N : lora->K;
        if (item->dims != 2 || item->shape[0] != rows || item->shape[1] != cols)
            return lt_error_set(m->err, LT_ERR_USAGE, "%s: '%s': the adapter is for a matrix (%" PRId64 ", %" PRId64 "), the base has (%" PRId64
                                ", %" PRId64 ")", m->adapter->path, module, rows, cols, item->shape[0], item->shape[1]);
    }
    if (strip(full, ".bias", module)) {
        const lt_lora_module *lora = lt_adapter_file_find(m->adapter, module);
        item->bias_of = lora && (lora->b_bias || (lora->factors && !lora->of_inputs)) ? lora : NULL;
    }
    if (item->rows && (item->dims != 2 || item->shape[1] != item->rows->C))
        return fail(m, LT_ERR_USAGE, "%s: the rows for '%s' have another width", m->adapter->path, full);
    return true;
}

static bool touched(const lt_merge_tensor *item)
{
    return item->module || item->bias_of || item->whole || item->rows;
}

/* ---- types ---- */

static bool is_plain(lt_dtype dtype)
{
    return dtype == LT_DTYPE_F32 || dtype == LT_DTYPE_F16 || dtype == LT_DTYPE_BF16;
}

static void set_dtype(const lt_merge *m, lt_merge_tensor *item)
{
    const lt_merge_options *o = m->options;
    lt_dtype stored = item->from ? item->from->dtype : LT_DTYPE_F32;
    if (item->from && !lt_dtype_get(stored)->is_float)
        item->dtype = stored; /* indices */
    else if (o->dtype != LT_DTYPE_COUNT)
        item->dtype = o->dtype;
    else if (is_plain(stored))
        item->dtype = stored;
    else
        item->dtype = o->gguf && !touched(item) ? stored : o->gguf ? LT_DTYPE_F16 : LT_DTYPE_BF16;
    if (o->gguf && (item->dims == 1 || item->plain))
        item->dtype = LT_DTYPE_F32; /* as every GGUF has its vectors and routers */
    if (o->gguf && lt_dtype_is_block(item->dtype) && item->dtype != stored &&
        item->shape[item->dims - 1] % lt_dtype_get(item->dtype)->block_elements)
        item->dtype = LT_DTYPE_F16;
    item->raw = item->from && !touched(item) && item->dtype == stored && item->from->view == item->view && !item->rows_are_inputs;
}

/* Experts that are one tensor have one type: that of those which the adapter changes. */
static void settle_expert_dtypes(lt_merge *m)
{
    for (int64_t first = 0, last; m->options->gguf && first < m->count; first = last) {
        lt_dtype dtype = m->items[first].dtype;
        for (last = first + 1; last < m->count && m->items[last].expert > 0; last++)
            dtype = touched(&m->items[last]) ? m->items[last].dtype : dtype;
        for (int64_t i = first; i < last; i++) {
            m->items[i].raw = m->items[i].raw && m->items[i].dtype == dtype;
            m->items[i].dtype = dtype;
        }
    }
}

/* One type for a folder made of a GGUF, whose vectors are wider than its matrices. */
static void settle_folder_dtypes(lt_merge *m)
{
    if (!m->source || m->options->gguf || m->options->dtype != LT_DTYPE_COUNT)
        return;
    const lt_tensor_info *embedding = NULL;
    for (int64_t i = 0; i < m->count; i++)
        if (m->items[i].from && m->items[i].dims == 2 && !embedding)
            embedding = m->items[i].from;
    lt_dtype dtype = embedding && is_plain(embedding->dtype) ? embedding->dtype : LT_DTYPE_BF16;
    for (int64_t i = 0; i < m->count; i++) {
        m->items[i].dtype = dtype;
        m->items[i].raw = m->items[i].raw && m->items[i].from->dtype == dtype;
    }
}

lt_dtype lt_merge_matrix_dtype(const lt_merge *m)
{
    for (int64_t i = 0; i < m->count; i++)
        if (m->items[i].module && m->items[i].dims == 2)
            return m->items[i].dtype;
    for (int64_t i = 0; i < m->count; i++)
        if (m->items[i].dims == 2)
            return m->items[i].dtype;
    return LT_DTYPE_F32;
}

/* ---- GGUF names and views ---- */

static int by_tensor_name(const void *a, const void *b)
{
    return strcmp(((const lt_config_tensor *)a)->name, ((const lt_config_tensor *)b)->name);
}

static int by_place(const void *a, const void *b)
{
    const lt_merge_tensor *x = a, *y = b;
    if (x->place != y->place)
        return x->place < y->place ? -1 : 1;
    return (x->expert > y->expert) - (x->expert < y->expert);
}

/* What the place of a tensor in the model means for how a GGUF has it. */
static bool set_item(const lt_merge *m, const lt_gguf_family *family, const lt_config_tensor *at, lt_merge_tensor *item)
{
    char name[LT_NAME_MAX];
    if (!lt_gguf_tensor_name(at, &m->config, name))
        return true;
    item->gguf = strdup(name);
    item->expert = at->expert;
    /* Behind the rest of a layer its experts, gates, ups and downs apart. */
    item->place = (int64_t)(at->layer + 1) << 40 | (at->expert >= 0 ? (int64_t)(at->part + 1) << 36 : item - m->items);
    bool linear = at->role == LT_ROLE_LINEAR || at->role == LT_ROLE_BIAS;
    if (at->role == LT_ROLE_NORM && family->norms_plus_one)
        item->view = LT_VIEW_PLUS_ONE;
    if (linear && family->paired_rows && (at->slot == LT_LINEAR_Q || at->slot == LT_LINEAR_K)) {
        item->view = LT_VIEW_PAIRED_ROWS;
        item->head_rows = m->config.D;
    }
    if (m->config.conv1d && at->role == LT_ROLE_LINEAR)
        item->rows_are_inputs = true;
    if (at->dims == 2 && at->shape[0] == 1) { /* a matrix of one row is a vector there */
        item->dims = 1;
        item->shape[0] = item->elements;
    }
    item->plain = at->role == LT_ROLE_ROUTER;
    return item->gguf || fail(m, LT_ERR_MEMORY, "out of memory for '%s'%s", item->name, "");
}

/* What no forward pass uses (rotary tables of old exports) has no place; a tensor of the adapter must have one. */
static bool drop_unplaced(lt_merge *m)
{
    int64_t kept = 0;
    for (int64_t i = 0; i < m->count; i++) {
        if (m->items[i].gguf) {
            m->items[kept++] = m->items[i];
            continue;
        }
        if (touched(&m->items[i]))
            return fail(m, LT_ERR_UNSUPPORTED, "%s: GGUF has no place for '%s'", m->options->model, m->items[i].name);
        free(m->items[i].name);
        m->items[i].name = NULL;
    }
    m->count = kept;
    return true;
}

/* All experts of a layer are there, or they would be one tensor too short. */
static bool check_experts(const lt_merge *m)
{
    int expected = 0, E = (int)m->config.experts;
    for (int64_t i = 0; i <= m->count; i++) {
        int found = i < m->count && m->items[i].expert >= 0 ? m->items[i].expert : -1;
        if (found >= 0 && found != expected)
            return fail(m, LT_ERR_FORMAT, "%s: an expert before '%s' is missing", m->options->model, m->items[i].name);
        if (found < 0 && expected > 0)
            return fail(m, LT_ERR_FORMAT, "%s: an expert after '%s' is missing", m->options->model, m->items[i - 1].name);
        if (found >= 0)
            expected = (expected + 1) % E;
    }
    return true;
}

static bool set_gguf(lt_merge *m)
{
    lt_config_tensor *list;
    int64_t count;
    const lt_gguf_family *family = lt_gguf_family_named(m->config.model_type);
    if (!family)
        return fail(m, LT_ERR_UNSUPPORTED, "%s: GGUF has no architecture for \"%s\" that lathe knows", m->options->model, m->config.model_type);
    lt_config untied = m->config;
    untied.tied_head = untied.tied_head && !m->untied;
    if (!lt_config_tensors(&untied, &list, &count, m->err))
        return false;
    qsort(list, (size_t)count, sizeof *list, by_tensor_name);
    bool ok = true;
    for (int64_t i = 0; ok && i < m->count; i++) {
        char full[512];
        lt_config_tensor wanted = {.expert = -1};
        full_name(m, m->items[i].name, full);
        snprintf(wanted.name, sizeof wanted.name, "%.*s", (int)sizeof wanted.name - 1, full);
        const lt_config_tensor *at = bsearch(&wanted, list, (size_t)count, sizeof *list, by_tensor_name);
        m->items[i].expert = -1;
        ok = !at || set_item(m, family, at, &m->items[i]);
    }
    free(list);
    if (!ok || !drop_unplaced(m))
        return false;
    if (m->config.experts > 0)
        qsort(m->items, (size_t)m->count, sizeof *m->items, by_place);
    return check_experts(m);
}

/* ---- the whole ---- */

/* An output head that is the embedding comes apart from it when only one of them changes. Single rows change both, as PEFT ties them. */
static bool untie(lt_merge *m)
{
    char name[512];
    const lt_merge_tensor *embedding = NULL;
    lt_lora_module *head = m->adapter ? lt_adapter_file_find(m->adapter, m->config.head_name) : NULL;
    if (!m->config.tied_head || !*m->config.head_name)
        return true;
    snprintf(name, sizeof name, "%s.weight", m->config.head_name);
    for (int64_t i = 0; i < m->count; i++) {
        if (!strcmp(m->items[i].name, name))
            return true; /* the file has one anyway */
        char full[512], module[512];
        full_name(m, m->items[i].name, full);
        if (strip(full, ".weight", module) && !strcmp(module, m->config.embed_name))
            embedding = &m->items[i];
    }
    const lt_adapter_tensor *whole = NULL;
    for (int i = 0; m->adapter && i < m->adapter->tensor_count; i++)
        if (!strcmp(m->adapter->tensors[i].name, name))
            whole = &m->adapter->tensors[i];
    if (!embedding || (!head && !whole && !embedding->module && !embedding->whole))
        return true;
    const lt_tensor_info *from = embedding->from;
    int64_t shape[2] = {embedding->shape[0], embedding->shape[1]};
    lt_merge_tensor *item = add(m, name, 2, shape);
    if (!item)
        return false;
    item->from = from;
    item->module = head;
    item->whole = whole;
    m->untied = true;
    return true;
}

/* Tensors that only the adapter has: a classifier's head. */
static bool add_new_tensors(lt_merge *m)
{
    for (int i = 0; m->adapter && i < m->adapter->tensor_count; i++) {
        const lt_adapter_tensor *t = &m->adapter->tensors[i];
        bool used = false;
        for (int64_t k = 0; !used && k < m->count; k++)
            used = m->items[k].whole == t;
        lt_merge_tensor *item = used ? NULL : add(m, t->name, t->dims, t->shape);
        if (!used && !item)
            return false;
        if (item)
            item->whole = t;
    }
    return true;
}

/* A module that met no tensor would be lost in silence. */
static bool check_used(const lt_merge *m)
{
    for (int i = 0; m->adapter && i < m->adapter->module_count; i++) {
        const lt_lora_module *lora = &m->adapter->modules[i];
        bool weight = false, bias = !lora->b_bias;
        for (int64_t k = 0; k < m->count; k++) {
            weight |= m->items[k].module == lora;
            bias |= m->items[k].bias_of == lora;
        }
        if (!weight)
            return fail(m, LT_ERR_USAGE, "%s: adapts '%s', which the base does not have", m->adapter->path, lora->name);
        if (!bias)
            return fail(m, LT_ERR_UNSUPPORTED, "%s: has a bias for '%s', which has none in the base", m->adapter->path, lora->name);
    }
    for (int i = 0; m->adapter && i < m->adapter->row_count; i++) {
        bool used = false;
        for (int64_t k = 0; k < m->count; k++)
            used |= m->items[k].rows == &m->adapter->rows[i];
        if (!used)
            return fail(m, LT_ERR_USAGE, "%s: replaces rows of '%s', which the base does not have", m->adapter->path, m->adapter->rows[i].name);
    }
    return true;
}

bool lt_merge_plan(lt_merge *m)
{
    for (int64_t i = 0; i < lt_safetensors_count(m->base); i++) {
        const lt_tensor_info *from = lt_safetensors_at(m->base, i);
        lt_merge_tensor *item = add(m, from->name, from->dims, from->shape);
        if (!item)
            return false;
        item->from = from;
        if (!look_up(m, item))
            return false;
        if (item->whole && (item->whole->dims != from->dims || item->whole->elements != from->elements))
            return fail(m, LT_ERR_USAGE, "%s: holds '%s' with another shape than the base", m->adapter->path, from->name);
    }
    if (!untie(m) || !add_new_tensors(m) || !check_used(m) || (m->options->gguf && !set_gguf(m)))
        return false;
    for (int64_t i = 0; i < m->count; i++)
        set_dtype(m, &m->items[i]);
    settle_expert_dtypes(m);
    settle_folder_dtypes(m);
    for (int64_t i = 0; i < m->count; i++)
        m->total_bytes += lt_dtype_bytes(m->items[i].dtype, m->items[i].elements);
    return true;
}
