#include "text/postprocess.h"

#include <string.h>

#include "text/vocab.h"

enum { MAX_DEPTH = 20 };

static bool push_id(lt_frame *frame, const lt_field *field, lt_error *err)
{
    int64_t id = 0;
    return lt_field_int(field, 0, LT_VOCAB_MAX_ID, &id, err) && lt_ids_push(frame, (int32_t)id, err);
}

/* {"SpecialToken": {"id": name}}: the ids that special_tokens gives for the name. */
static bool push_special(lt_frame *frame, const lt_field *processor, const lt_field *piece, lt_error *err)
{
    const char *name = NULL;
    size_t count = 0;
    lt_field f_name = lt_field_get(piece, "id"), tokens = lt_field_get(processor, "special_tokens");
    if (!lt_field_object(piece, err) || !lt_field_string(&f_name, &name, NULL, err) || !lt_field_object(&tokens, err))
        return false;
    lt_field token = lt_field_get(&tokens, name);
    if (!token.value)
        return lt_field_error(&f_name, err, LT_ERR_FORMAT, "special_tokens has no \"%.60s\"", name);
    lt_field ids = lt_field_get(&token, "ids");
    if (!lt_field_object(&token, err) || !lt_field_array(&ids, &count, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        lt_field id = lt_field_at(&ids, i);
        if (!push_id(frame, &id, err))
            return false;
    }
    return true;
}

static bool open_template(lt_frame *frame, const lt_field *field, lt_error *err)
{
    lt_field single = lt_field_get(field, "single");
    size_t count = 0;
    if (!lt_field_array(&single, &count, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        lt_field piece = lt_field_at(&single, i);
        if (!lt_field_object(&piece, err))
            return false;
        lt_field special = lt_field_get(&piece, "SpecialToken"), sequence = lt_field_get(&piece, "Sequence");
        if (special.value) {
            if (!push_special(frame, field, &special, err))
                return false;
            continue;
        }
        const char *id = NULL;
        if (!sequence.value)
            return lt_field_expected(&piece, err, "{\"SpecialToken\": …} or {\"Sequence\": …}");
        lt_field f_id = lt_field_get(&sequence, "id");
        if (!lt_field_object(&sequence, err) || !lt_field_string(&f_id, &id, NULL, err))
            return false;
        if (strcmp(id, "A"))
            return lt_field_expected(&f_id, err, "\"A\", the only sequence of a single text");
        if (!lt_ids_push(frame, LT_FRAME_TEXT, err))
            return false;
    }
    return true;
}

/* "cls": [token, id], the text, "sep": [token, id]. */
static bool open_bert(lt_frame *frame, const lt_field *field, lt_error *err)
{
    lt_field cls = lt_field_get(field, "cls"), sep = lt_field_get(field, "sep");
    lt_field cls_id = lt_field_at(&cls, 1), sep_id = lt_field_at(&sep, 1);
    size_t count;
    return lt_field_array(&cls, &count, err) && lt_field_array(&sep, &count, err) && push_id(frame, &cls_id, err) &&
           lt_ids_push(frame, LT_FRAME_TEXT, err) && push_id(frame, &sep_id, err);
}

static bool open_step(lt_frame *frame, const lt_field *field, int depth, lt_error *err)
{
    const char *type = NULL;
    if (!lt_field_object(field, err))
        return false;
    lt_field f_type = lt_field_get(field, "type");
    if (!lt_field_string(&f_type, &type, NULL, err))
        return false;
    if (depth > MAX_DEPTH)
        return lt_field_error(field, err, LT_ERR_FORMAT, "post-processors nested more than %d deep", MAX_DEPTH);
    if (!strcmp(type, "ByteLevel")) /* trims offsets, which lathe does not need */
        return true;
    if (!strcmp(type, "Sequence")) {
        lt_field list = lt_field_get(field, "processors");
        size_t count = 0;
        bool ok = lt_field_array(&list, &count, err);
        for (size_t i = 0; ok && i < count; i++) {
            lt_field item = lt_field_at(&list, i);
            ok = open_step(frame, &item, depth + 1, err);
        }
        return ok;
    }
    bool is_template = !strcmp(type, "TemplateProcessing");
    if (!is_template && strcmp(type, "BertProcessing") && strcmp(type, "RobertaProcessing"))
        return lt_field_error(&f_type, err, LT_ERR_UNSUPPORTED, "no post-processor \"%.60s\" is known", type);
    if (frame->count)
        return lt_field_error(field, err, LT_ERR_UNSUPPORTED, "a second post-processor that adds tokens");
    return is_template ? open_template(frame, field, err) : open_bert(frame, field, err);
}

bool lt_frame_open(lt_frame *frame, const lt_field *field, lt_error *err)
{
    if (!lt_field_given(field))
        return true;
    if (open_step(frame, field, 0, err))
        return true;
    lt_ids_free(frame);
    return false;
}
