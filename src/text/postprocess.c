#include "text/postprocess.h"

#include <string.h>

#include "text/vocab.h"

enum { MAX_DEPTH = 20 };

/* Both frames while they are read. */
typedef struct reading {
    lt_frame *frame;
    lt_pair_frame *pair;
} reading;

static bool push_entry(lt_frame *frame, lt_ids *types, int32_t id, int32_t type, lt_error *err)
{
    return lt_ids_push(frame, id, err) && (!types || lt_ids_push(types, type, err));
}

static bool read_id(const lt_json *at, int32_t *id, lt_error *err)
{
    int64_t value = 0;
    bool ok = lt_json_int(at, 0, LT_VOCAB_MAX_ID, &value, err);
    *id = (int32_t)value;
    return ok;
}

/* {"SpecialToken": {"id": name}}: the ids that special_tokens gives for the name. */
static bool push_special(lt_frame *frame, lt_ids *types, int32_t type, const lt_json *processor, const lt_json *piece, lt_error *err)
{
    const char *name;
    size_t count;
    lt_json tokens, token, ids;
    if (!lt_json_need_string(piece, "id", &name, err) ||
        !lt_json_need_object(processor, "special_tokens", &tokens, err) ||
        !lt_json_need_object(&tokens, name, &token, err) || !lt_json_need_array(&token, "ids", &ids, &count, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        lt_json at = lt_json_element(&ids, i);
        int32_t id;
        if (!read_id(&at, &id, err) || !push_entry(frame, types, id, type, err))
            return false;
    }
    return true;
}

/* {"Sequence": {"id": "A" or "B"}}; types is NULL for single texts, which have no "B". */
static bool push_sequence(lt_frame *frame, lt_ids *types, int32_t type, const lt_json *part, lt_error *err)
{
    const char *id;
    if (!lt_json_need_string(part, "id", &id, err))
        return false;
    bool second = types && !strcmp(id, "B");
    if (strcmp(id, "A") && !second)
        return lt_json_error(part, err, LT_ERR_FORMAT, types ? "a pair has sequences \"A\" and \"B\", found \"%.20s\""
                                                             : "a single text has sequence \"A\" only, found \"%.20s\"", id);
    return push_entry(frame, types, second ? LT_FRAME_SECOND : LT_FRAME_TEXT, type, err);
}

static bool open_pieces(lt_frame *frame, lt_ids *types, const lt_json *at, const lt_json *list, size_t count, lt_error *err)
{
    for (size_t i = 0; i < count; i++) {
        lt_json piece = lt_json_element(list, i), part;
        int64_t type = 0;
        bool special = lt_json_member(&piece, "SpecialToken", &part);
        if (!special && !lt_json_member(&piece, "Sequence", &part))
            return lt_json_expected(&piece, "{\"SpecialToken\": …} or {\"Sequence\": …}", err);
        if (types && !lt_json_get_int(&part, "type_id", 0, INT32_MAX, &type, err))
            return false;
        if (special ? !push_special(frame, types, (int32_t)type, at, &part, err)
                    : !push_sequence(frame, types, (int32_t)type, &part, err))
            return false;
    }
    return true;
}

static bool open_template(const reading *r, const lt_json *at, lt_error *err)
{
    lt_json list;
    size_t count;
    if (!lt_json_need_array(at, "single", &list, &count, err) || !open_pieces(r->frame, NULL, at, &list, count, err))
        return false;
    if (!lt_json_has(at, "pair"))
        return true;
    return lt_json_need_array(at, "pair", &list, &count, err) &&
           open_pieces(&r->pair->frame, &r->pair->types, at, &list, count, err);
}

/* [token, id] */
static bool read_pair(const lt_json *at, const char *key, int32_t *id, lt_error *err)
{
    lt_json pair;
    size_t count;
    if (!lt_json_need_array(at, key, &pair, &count, err))
        return false;
    if (count != 2)
        return lt_json_expected(&pair, "[token, id]", err);
    lt_json second = lt_json_element(&pair, 1);
    return read_id(&second, id, err);
}

/* [CLS] a [SEP] and [CLS] a [SEP] b [SEP]; RoBERTa's has two [SEP] between, and knows one type. */
static bool open_classic(const reading *r, const lt_json *at, bool roberta, lt_error *err)
{
    int32_t cls, sep;
    lt_frame *pair = &r->pair->frame;
    lt_ids *types = &r->pair->types;
    return read_pair(at, "cls", &cls, err) && read_pair(at, "sep", &sep, err) && lt_ids_push(r->frame, cls, err) &&
           lt_ids_push(r->frame, LT_FRAME_TEXT, err) && lt_ids_push(r->frame, sep, err) && push_entry(pair, types, cls, 0, err) &&
           push_entry(pair, types, LT_FRAME_TEXT, 0, err) && push_entry(pair, types, sep, 0, err) &&
           (!roberta || push_entry(pair, types, sep, 0, err)) && push_entry(pair, types, LT_FRAME_SECOND, !roberta, err) &&
           push_entry(pair, types, sep, !roberta, err);
}

static bool open_step(const reading *r, const lt_json *at, int depth, lt_error *err)
{
    const char *type;
    if (!lt_json_need_string(at, "type", &type, err))
        return false;
    if (depth > MAX_DEPTH)
        return lt_json_error(at, err, LT_ERR_FORMAT, "post-processors nested more than %d deep", MAX_DEPTH);
    if (!strcmp(type, "ByteLevel")) /* trims offsets, which lathe does not need */
        return true;
    if (!strcmp(type, "Sequence")) {
        lt_json list;
        size_t count;
        bool ok = lt_json_need_array(at, "processors", &list, &count, err);
        for (size_t i = 0; ok && i < count; i++) {
            lt_json item = lt_json_element(&list, i);
            ok = open_step(r, &item, depth + 1, err);
        }
        return ok;
    }
    bool is_template = !strcmp(type, "TemplateProcessing");
    if (!is_template && strcmp(type, "BertProcessing") && strcmp(type, "RobertaProcessing"))
        return lt_json_error(at, err, LT_ERR_UNSUPPORTED, "no post-processor \"%.60s\" is known", type);
    if (r->frame->count)
        return lt_json_error(at, err, LT_ERR_UNSUPPORTED, "a second post-processor that adds tokens");
    return is_template ? open_template(r, at, err) : open_classic(r, at, !strcmp(type, "RobertaProcessing"), err);
}

void lt_pair_frame_free(lt_pair_frame *pair)
{
    lt_ids_free(&pair->frame);
    lt_ids_free(&pair->types);
}

bool lt_pair_frame_derive(lt_pair_frame *pair, const lt_frame *frame, lt_error *err)
{
    size_t at = 0;
    pair->frame.count = pair->types.count = 0;
    while (at < frame->count && frame->data[at] != LT_FRAME_TEXT)
        at++;
    bool closed = at > 0 && at + 1 < frame->count;
    for (size_t i = 0; i < frame->count; i++)
        if (!push_entry(&pair->frame, &pair->types, frame->data[i], 0, err))
            return false;
    for (size_t i = closed ? at : 0; i < frame->count; i++)
        if (!push_entry(&pair->frame, &pair->types, frame->data[i] == LT_FRAME_TEXT ? LT_FRAME_SECOND : frame->data[i], 1, err))
            return false;
    return true;
}

bool lt_frame_open(lt_frame *frame, lt_pair_frame *pair, const lt_json *root, lt_error *err)
{
    lt_json at;
    reading r = {frame, pair};
    if (!lt_json_member(root, "post_processor", &at) ||
        (open_step(&r, &at, 0, err) && (pair->frame.count || lt_pair_frame_derive(pair, frame, err))))
        return true;
    lt_ids_free(frame);
    lt_pair_frame_free(pair);
    return false;
}
