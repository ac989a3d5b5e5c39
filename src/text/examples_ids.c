/* Rows that are token ids already. */
#include <stdio.h>
#include <string.h>

#include "formats/json.h"
#include "text/examples_encode.h"

enum { IGNORED = -100 };

/* Appends the integers at a key to out, each within [low, high]. Absent: *found false. */
static bool append_integers(const lt_json *row, const char *key, int64_t low, int64_t high, lt_ids *out, bool *found,
                            lt_error *err)
{
    lt_json at;
    *found = lt_json_member(row, key, &at);
    if (!*found)
        return true;
    if (!lt_json_array(&at, err))
        return false;
    for (size_t i = 0; i < json_array_size(at.value); i++) {
        lt_json element = lt_json_element(&at, i);
        int64_t value;
        if (!lt_json_int(&element, low, high, &value, err) || !lt_ids_push(out, (int32_t)value, err))
            return false;
    }
    return true;
}

/* How many rows the embedding has is known to whoever takes the ids. */
static bool needed_ids(lt_examples_encoder *e, const lt_json *row, const char *key, lt_error *err)
{
    bool found;
    if (!append_integers(row, key, 0, INT32_MAX, &e->ids, &found, err))
        return false;
    return found || lt_json_error(row, err, LT_ERR_FORMAT, "expected a field '%s', found none", key);
}

static bool same_length(const lt_json *row, const char *key, size_t found, size_t expected, lt_error *err)
{
    return found == expected || lt_json_error(row, err, LT_ERR_FORMAT,
                                              "expected %zu %s, as many as input_ids, found %zu", expected, key, found);
}

/* {input_ids, labels?, token_type_ids?} */
static bool encode_sequence(lt_examples_encoder *e, const lt_json *row, lt_example *out, lt_error *err)
{
    bool has_labels, has_types;
    if (!needed_ids(e, row, "input_ids", err) ||
        !append_integers(row, "labels", IGNORED, INT32_MAX, &e->labels, &has_labels, err) ||
        !append_integers(row, "token_type_ids", 0, INT32_MAX, &e->type_ids, &has_types, err))
        return false;
    size_t n = e->ids.count;
    if ((has_labels && !same_length(row, "labels", e->labels.count, n, err)) ||
        (has_types && !same_length(row, "token_type_ids", e->type_ids.count, n, err)))
        return false;
    bool trains = lt_examples_trains(out->row.kind);
    if (!lt_examples_mark_all(e, trains, err))
        return false;
    out->truncated = lt_examples_cut(e, 0, false, 0);
    for (size_t i = 0; has_labels && trains && i < e->ids.count; i++) {
        int32_t label = e->labels.data[i];
        if (label < 0 && label != IGNORED)
            return lt_json_error(row, err, LT_ERR_FORMAT,
                                 "expected labels that are token ids or -100, found %d as number %zu", label, i + 1);
        e->trained.data[i] = label != IGNORED;
        if (label != IGNORED && label != e->ids.data[i])
            out->labels = e->labels.data;
    }
    out->given_labels = has_labels && trains ? e->labels.data : NULL;
    out->type_ids = has_types ? e->type_ids.data : NULL;
    out->lengths[0] = (int32_t)e->ids.count;
    return true;
}

/* {prompt_ids, chosen_ids, rejected_ids}, or {chosen_ids, rejected_ids} whose common beginning is the prompt. */
static bool encode_pair(lt_examples_encoder *e, const lt_json *row, lt_example *out, lt_error *err)
{
    static const char *const keys[2] = {"chosen_ids", "rejected_ids"};
    bool has_prompt = out->row.kind == LT_DATASET_IDS_PREFERENCE;
    size_t prompt = 0, starts[3] = {0};
    out->sequences = 2;
    for (int s = 0; s < 2; s++) {
        if (has_prompt && !needed_ids(e, row, "prompt_ids", err))
            return false;
        prompt = has_prompt ? e->ids.count - starts[s] : 0;
        if (!needed_ids(e, row, keys[s], err) || !lt_examples_mark_all(e, 1, err))
            return false;
        out->truncated |= lt_examples_cut(e, starts[s], false, 0);
        starts[s + 1] = e->ids.count;
        out->lengths[s] = (int32_t)(starts[s + 1] - starts[s]);
    }
    size_t n[2] = {starts[1], starts[2] - starts[1]}, least = n[0] < n[1] ? n[0] : n[1], same = 0;
    while (same < least && e->ids.data[same] == e->ids.data[starts[1] + same])
        same++;
    e->counts->equal_pairs += same == n[0] && same == n[1];
    if (!has_prompt)
        prompt = same;
    for (int s = 0; s < 2; s++)
        memset(e->trained.data + starts[s], 0, prompt < n[s] ? prompt : n[s]);
    out->prompt = (int32_t)(prompt < least ? prompt : least);
    double margin = 0;
    if (!lt_json_get_real(row, "margin", &margin, err))
        return false;
    out->value = (float)margin;
    return true;
}

/* {prompt_ids, completion_ids, label}: one answer, good or bad. */
static bool encode_unpaired(lt_examples_encoder *e, const lt_json *row, lt_example *out, lt_error *err)
{
    bool good = false;
    if (!lt_json_get_bool(row, "label", &good, err) || !needed_ids(e, row, "prompt_ids", err) || !lt_examples_mark_all(e, 0, err) ||
        !needed_ids(e, row, "completion_ids", err) || !lt_examples_mark_all(e, 1, err))
        return false;
    out->truncated = lt_examples_cut(e, 0, false, 0);
    out->value = good ? 1.0f : 0.0f;
    out->lengths[0] = (int32_t)e->ids.count;
    return true;
}

bool lt_examples_encode_ids(lt_examples_encoder *e, const lt_dataset_row *row, lt_example *out, lt_error *err)
{
    char where[512];
    snprintf(where, sizeof where, "%s:%lld", row->path, (long long)row->line);
    lt_json root = lt_json_root(row->json, where);
    if (row->kind == LT_DATASET_IDS_UNPAIRED)
        return encode_unpaired(e, &root, out, err);
    bool is_pair = row->kind == LT_DATASET_IDS_PREFERENCE || row->kind == LT_DATASET_IDS_PAIR;
    return is_pair ? encode_pair(e, &root, out, err) : encode_sequence(e, &root, out, err);
}
