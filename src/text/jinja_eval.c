/* Expressions. */
#include "text/jinja_eval.h"

#include <string.h>

static lt_jv eval_name(lt_jrun *run, lt_jactivation *act, const lt_jnode *node)
{
    lt_jv value = *lt_jinja_slot(act, node->ref);
    if (value.type == LT_JV_MISSING)
        return lt_jv_undefined_new(run, "'%.200s' is undefined", node->name);
    return value;
}

static lt_jv eval_sequence(lt_jrun *run, lt_jactivation *act, const lt_jnode *node)
{
    lt_jv_list *list = lt_jv_list_new(run, node->list.count);
    for (const lt_jnode *item = node->list.first; item; item = item->next)
        lt_jv_list_add(run, list, lt_jeval(run, act, item));
    return node->kind == LT_JN_LIST ? lt_jv_from_list(list) : lt_jv_tuple(list);
}

static lt_jv eval_dict(lt_jrun *run, lt_jactivation *act, const lt_jnode *node)
{
    lt_jv_dict *dict = lt_jv_dict_new(run);
    for (const lt_jnode *item = node->list.first; item; item = item->next->next) {
        lt_jv key = lt_jeval(run, act, item);
        lt_jv_dict_set(run, dict, key, lt_jeval(run, act, item->next));
    }
    return lt_jv_from_dict(dict);
}

static bool compare(lt_jrun *run, uint8_t how, lt_jv a, lt_jv b)
{
    bool numbers = lt_jv_is_number(a) && lt_jv_is_number(b);
    switch (how) {
    case LT_JC_EQUAL:
        return lt_jv_equal(run, a, b);
    case LT_JC_UNEQUAL:
        return !lt_jv_equal(run, a, b);
    case LT_JC_LESS:
        return lt_jv_less(run, a, b);
    case LT_JC_GREATER:
        return lt_jv_less(run, b, a);
    case LT_JC_LESS_EQUAL:
        return numbers ? lt_jv_compare_numbers(a, b) < 1 : !lt_jv_less(run, b, a);
    case LT_JC_GREATER_EQUAL:
        return numbers ? lt_jv_compare_numbers(b, a) < 1 : !lt_jv_less(run, a, b);
    case LT_JC_IN:
        return lt_jv_contains(run, b, a);
    default:
        return !lt_jv_contains(run, b, a);
    }
}

static lt_jv eval_comparison(lt_jrun *run, lt_jactivation *act, const lt_jnode *node)
{
    lt_jv left = lt_jeval(run, act, node->a);
    for (const lt_jnode *operand = node->list.first; operand; operand = operand->next) {
        lt_jv right = lt_jeval(run, act, operand->a);
        if (!compare(run, operand->compare, left, right))
            return lt_jv_bool(false);
        left = right;
    }
    return lt_jv_bool(true);
}

static lt_jv eval_concat(lt_jrun *run, lt_jactivation *act, const lt_jnode *node)
{
    lt_jtext text = {0};
    for (const lt_jnode *item = node->list.first; item; item = item->next) {
        lt_jv part = lt_jv_str(run, lt_jeval(run, act, item));
        lt_jtext_add(run, &text, part.text, part.size);
    }
    return lt_jtext_value(&text);
}

static lt_jv eval_condition(lt_jrun *run, lt_jactivation *act, const lt_jnode *node)
{
    if (lt_jv_truth(run, lt_jeval(run, act, node->b)))
        return lt_jeval(run, act, node->a);
    if (node->c)
        return lt_jeval(run, act, node->c);
    return lt_jv_undefined_new(
        run, "the inline if-expression on line %d evaluated to false and no else section was defined.", node->line);
}

static lt_jv eval_part(lt_jrun *run, lt_jactivation *act, const lt_jnode *node)
{
    return node ? lt_jeval(run, act, node) : lt_jv_missing();
}

static lt_jv eval_item(lt_jrun *run, lt_jactivation *act, const lt_jnode *node)
{
    lt_jv value = lt_jeval(run, act, node->a);
    const lt_jnode *index = node->b;
    if (index->kind != LT_JN_SLICE)
        return lt_jinja_get_item(run, value, lt_jeval(run, act, index));
    lt_jv start = eval_part(run, act, index->a), stop = eval_part(run, act, index->b);
    return lt_jinja_slice(run, value, start, stop, eval_part(run, act, index->c));
}

/* ---- calls ----------------------------------------------------------------------------------------------------- */

static void spread_positional(lt_jrun *run, lt_jv value, lt_jv_list *positional)
{
    lt_jv_iterator *it = lt_jinja_iterate(run, value);
    for (lt_jv item; lt_jinja_next(run, it, &item);)
        lt_jv_list_add(run, positional, item);
}

static void spread_keywords(lt_jrun *run, lt_jv value, lt_jargs *out, int64_t *capacity)
{
    if (value.type != LT_JV_DICT)
        lt_jinja_raise(run, "the argument after ** must be a mapping, not %s", lt_jv_type_name(value));
    for (int64_t i = 0; i < value.dict->count; i++) {
        const lt_jv_entry *entry = &value.dict->entries[i];
        if (entry->key.type != LT_JV_STRING)
            lt_jinja_raise(run, "keywords must be strings");
        for (int64_t k = 0; k < out->keyword_count; k++) {
            lt_jinja_charge(run, 1);
            if (lt_jv_same(out->keywords[k].name, entry->key))
                lt_jinja_raise(run, "two values for the keyword argument %s", lt_jv_brief(run, entry->key));
        }
        if (out->keyword_count == *capacity)
            out->keywords = lt_jinja_grow(run, out->keywords, out->keyword_count, capacity, sizeof *out->keywords);
        out->keywords[out->keyword_count++] = (lt_jkeyword){entry->key, entry->value};
    }
}

void lt_jeval_arguments(lt_jrun *run, lt_jactivation *act, const lt_jarguments *arguments, lt_jargs *out)
{
    *out = (lt_jargs){0};
    lt_jv_list *positional = lt_jv_list_new(run, arguments->positional.count);
    for (const lt_jnode *item = arguments->positional.first; item; item = item->next)
        lt_jv_list_add(run, positional, lt_jeval(run, act, item));
    if (arguments->star)
        spread_positional(run, lt_jeval(run, act, arguments->star), positional);
    out->positional = positional->items;
    out->count = positional->count;
    int64_t capacity = arguments->keywords.count;
    if (capacity)
        out->keywords = lt_jinja_alloc(run, (size_t)capacity * sizeof *out->keywords);
    for (const lt_jnode *keyword = arguments->keywords.first; keyword; keyword = keyword->next) {
        lt_jkeyword *k = &out->keywords[out->keyword_count++];
        k->name = lt_jv_string_z(keyword->name);
        k->value = lt_jeval(run, act, keyword->a);
    }
    if (arguments->star_star)
        spread_keywords(run, lt_jeval(run, act, arguments->star_star), out, &capacity);
}

static lt_jv eval_call(lt_jrun *run, lt_jactivation *act, const lt_jnode *node)
{
    lt_jargs args;
    lt_jv callee = lt_jeval(run, act, node->a);
    lt_jeval_arguments(run, act, node->arguments, &args);
    run->line = node->line;
    return lt_jinja_call(run, callee, &args);
}

static lt_jv eval_filter(lt_jrun *run, lt_jactivation *act, const lt_jnode *node)
{
    if (!node->builtin)
        lt_jinja_raise(run, "no filter named '%.100s'", node->name);
    lt_jargs args;
    lt_jv value = node->a ? lt_jeval(run, act, node->a) : *run->block_text;
    lt_jeval_arguments(run, act, node->arguments, &args);
    run->line = node->line;
    return lt_jinja_apply_filter(run, node->builtin, value, &args);
}

static lt_jv eval_test(lt_jrun *run, lt_jactivation *act, const lt_jnode *node)
{
    if (!node->builtin)
        lt_jinja_raise(run, "no test named '%.100s'", node->name);
    lt_jargs args;
    lt_jv value = lt_jeval(run, act, node->a);
    lt_jeval_arguments(run, act, node->arguments, &args);
    run->line = node->line;
    return lt_jv_bool(lt_jinja_apply_test(run, node->builtin, value, &args));
}

lt_jv lt_jeval_filters(lt_jrun *run, lt_jactivation *act, const lt_jnode *filters, lt_jv text)
{
    lt_jv *copy = lt_jinja_alloc(run, sizeof *copy);
    *copy = text;
    run->block_text = copy; /* read first thing by the innermost filter */
    return lt_jeval(run, act, filters);
}

static lt_jv eval_operator(lt_jrun *run, lt_jactivation *act, const lt_jnode *node)
{
    lt_jv a = lt_jeval(run, act, node->a);
    switch (node->kind) {
    case LT_JN_OR:
        return lt_jv_truth(run, a) ? a : lt_jeval(run, act, node->b);
    case LT_JN_AND:
        return lt_jv_truth(run, a) ? lt_jeval(run, act, node->b) : a;
    case LT_JN_NOT:
        return lt_jv_bool(!lt_jv_truth(run, a));
    case LT_JN_NEGATE:
    case LT_JN_PLUS:
        return lt_jinja_negate(run, a, node->kind == LT_JN_NEGATE);
    case LT_JN_ATTRIBUTE:
        return lt_jinja_get_attribute(run, a, node->name);
    default:
        return lt_jinja_arithmetic(run, node->kind, a, lt_jeval(run, act, node->b));
    }
}

lt_jv lt_jeval(lt_jrun *run, lt_jactivation *act, const lt_jnode *node)
{
    lt_jv value;
    lt_jinja_charge(run, 1);
    switch (node->kind) {
    case LT_JN_CONST:
        return node->value;
    case LT_JN_NAME:
        return eval_name(run, act, node);
    default:
        break;
    }
    lt_jinja_enter(run);
    run->line = node->line;
    switch (node->kind) {
    case LT_JN_TUPLE:
    case LT_JN_LIST:
        value = eval_sequence(run, act, node);
        break;
    case LT_JN_DICT:
        value = eval_dict(run, act, node);
        break;
    case LT_JN_CONCAT:
        value = eval_concat(run, act, node);
        break;
    case LT_JN_COMPARE:
        value = eval_comparison(run, act, node);
        break;
    case LT_JN_CONDITION:
        value = eval_condition(run, act, node);
        break;
    case LT_JN_ITEM:
        value = eval_item(run, act, node);
        break;
    case LT_JN_CALL:
        value = eval_call(run, act, node);
        break;
    case LT_JN_FILTER:
        value = eval_filter(run, act, node);
        break;
    case LT_JN_TEST:
        value = eval_test(run, act, node);
        break;
    default:
        value = eval_operator(run, act, node);
        break;
    }
    run->depth--;
    return value;
}
