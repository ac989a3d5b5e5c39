/* Iteration: one iterator type for everything that has items. */
#include "text/jinja_value.h"

#include "text/jinja_unicode.h"

static bool next_list(lt_jrun *run, lt_jv_iterator *it, lt_jv *item)
{
    (void)run;
    if (it->index >= it->source.list->count)
        return false;
    *item = it->source.list->items[it->index++];
    return true;
}

static bool next_character(lt_jrun *run, lt_jv_iterator *it, lt_jv *item)
{
    (void)run;
    size_t at = (size_t)it->index;
    if (at >= it->source.size)
        return false;
    int size;
    lt_juni_decode(it->source.text + at, it->source.size - at, &size);
    *item = lt_jv_string(it->source.text + at, (size_t)size);
    it->index += size;
    return true;
}

static bool next_entry(lt_jrun *run, lt_jv_iterator *it, lt_jv *item)
{
    lt_jv_dict *dict = it->source.type == LT_JV_VIEW ? it->source.view->dict : it->source.dict;
    if (it->index >= dict->count)
        return false;
    const lt_jv_entry *entry = &dict->entries[it->index++];
    if (it->source.type == LT_JV_VIEW && it->source.view->kind == LT_JV_VALUES)
        *item = entry->value;
    else if (it->source.type == LT_JV_VIEW && it->source.view->kind == LT_JV_ITEMS)
        *item = lt_jv_pair(run, entry->key, entry->value);
    else
        *item = entry->key;
    return true;
}

static bool next_range(lt_jrun *run, lt_jv_iterator *it, lt_jv *item)
{
    (void)run;
    if (it->index >= it->source.range->count)
        return false;
    *item = lt_jv_range_item(it->source.range, it->index++);
    return true;
}

static bool next_nothing(lt_jrun *run, lt_jv_iterator *it, lt_jv *item)
{
    (void)run, (void)it, (void)item;
    return false;
}

static lt_jv_iterator *new_iterator(lt_jrun *run, lt_jv source, const char *type_name,
                                    bool (*next)(lt_jrun *, lt_jv_iterator *, lt_jv *))
{
    lt_jv_iterator *it = lt_jinja_alloc_zero(run, sizeof *it);
    it->next = next;
    it->source = source;
    it->type_name = type_name;
    return it;
}

lt_jv_iterator *lt_jinja_try_iterate(lt_jrun *run, lt_jv value)
{
    switch (value.type) {
    case LT_JV_UNDEFINED:
        return new_iterator(run, value, "generator", next_nothing);
    case LT_JV_STRING:
        return new_iterator(run, value, "str_iterator", next_character);
    case LT_JV_LIST:
    case LT_JV_TUPLE:
        return new_iterator(run, value, "list_iterator", next_list);
    case LT_JV_DICT:
    case LT_JV_VIEW:
        return new_iterator(run, value, "dict_iterator", next_entry);
    case LT_JV_RANGE:
        return new_iterator(run, value, "range_iterator", next_range);
    case LT_JV_ITERATOR:
        return value.iterator;
    default:
        return NULL;
    }
}

lt_jv_iterator *lt_jinja_iterate(lt_jrun *run, lt_jv value)
{
    lt_jv_iterator *it = lt_jinja_try_iterate(run, value);
    if (!it)
        lt_jinja_raise(run, "'%s' object is not iterable", lt_jv_type_name(value));
    return it;
}

bool lt_jinja_next(lt_jrun *run, lt_jv_iterator *iterator, lt_jv *item)
{
    lt_jinja_charge(run, 1);
    /* Filters over filters: each level is a call inside the one before. */
    lt_jinja_enter(run);
    bool found = iterator->next(run, iterator, item);
    run->depth--;
    return found;
}

lt_jv_list *lt_jinja_to_list(lt_jrun *run, lt_jv value)
{
    if (value.type == LT_JV_LIST || value.type == LT_JV_TUPLE)
        return value.list;
    lt_jv_iterator *it = lt_jinja_iterate(run, value);
    int64_t length = lt_jv_length(value);
    lt_jv_list *list = lt_jv_list_new(run, length > 0 ? length : 0);
    for (lt_jv item; lt_jinja_next(run, it, &item);)
        lt_jv_list_add(run, list, item);
    return list;
}

/* ---- backwards ------------------------------------------------------------------------------------------------- */

static bool next_reversed(lt_jrun *run, lt_jv_iterator *it, lt_jv *item)
{
    (void)run;
    if (it->index <= 0)
        return false;
    *item = it->source.list->items[--it->index];
    return true;
}

lt_jv_iterator *lt_jinja_reversed(lt_jrun *run, lt_jv value)
{
    switch (value.type) {
    case LT_JV_UNDEFINED:
    case LT_JV_STRING:
    case LT_JV_LIST:
    case LT_JV_TUPLE:
    case LT_JV_DICT:
    case LT_JV_VIEW:
    case LT_JV_RANGE:
        break;
    default:
        return NULL;
    }
    lt_jv_iterator *it = new_iterator(run, lt_jv_from_list(lt_jinja_to_list(run, value)), "reversed", next_reversed);
    it->index = it->source.list->count;
    return it;
}
