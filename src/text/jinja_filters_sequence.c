/* Filters on sequences as a whole: join, first, last, sort, unique, groupby, batch … */
#include <string.h>

#include "text/jinja_builtin.h"
#include "text/jinja_getter.h"
#include "text/jinja_string.h"

static bool given(lt_jv v)
{
    return v.type != LT_JV_MISSING && v.type != LT_JV_NONE;
}

static bool flag(lt_jrun *run, lt_jv v)
{
    return given(v) && lt_jv_truth(run, v);
}

/* ---- attribute paths ------------------------------------------------------------------------------------------- */

static lt_jv path_part(lt_jrun *run, lt_jv part)
{
    int64_t index;
    bool digits = part.size > 0;
    for (size_t at = 0; at < part.size;)
        digits &= lt_juni_is_digit(lt_jstr_next(part, &at));
    if (digits && lt_jinja_parse_int(run, part, 10, &index))
        return lt_jv_int(index);
    return part;
}

lt_jgetter lt_jgetter_make(lt_jrun *run, lt_jv attribute, lt_jv fallback, bool ignore_case)
{
    lt_jv_list *parts = lt_jv_list_new(run, 1);
    if (attribute.type == LT_JV_STRING) {
        size_t begin = 0;
        for (size_t i = 0; i <= attribute.size; i++) {
            if (i < attribute.size && attribute.text[i] != '.')
                continue;
            lt_jv_list_add(run, parts, path_part(run, lt_jv_part(attribute, begin, i)));
            begin = i + 1;
        }
    } else if (given(attribute)) {
        lt_jv_list_add(run, parts, attribute);
    }
    return (lt_jgetter){parts, fallback, ignore_case};
}

lt_jv lt_jgetter_get(lt_jrun *run, const lt_jgetter *getter, lt_jv value)
{
    for (int64_t i = 0; i < getter->parts->count; i++) {
        value = lt_jinja_get_item(run, value, getter->parts->items[i]);
        if (value.type == LT_JV_UNDEFINED && given(getter->fallback))
            value = getter->fallback;
    }
    return getter->ignore_case && value.type == LT_JV_STRING ? lt_jstr_lower(run, value) : value;
}

/* ---- iterators that are made late ------------------------------------------------------------------------------ */

typedef struct deferred {
    lt_jv_iterator base;
    lt_jv a[LT_JINJA_MAX_PARAMETERS];
    lt_jv_list *(*make)(lt_jrun *run, lt_jv value, const lt_jv *a);
    const lt_jv_list *list;
} deferred;

static bool next_deferred(lt_jrun *run, lt_jv_iterator *it, lt_jv *item)
{
    deferred *d = (deferred *)it;
    if (!d->list)
        d->list = d->make(run, it->source, d->a);
    if (it->index >= d->list->count)
        return false;
    *item = d->list->items[it->index++];
    return true;
}

lt_jv lt_jinja_deferred(lt_jrun *run, lt_jv value, const lt_jv *a, int count,
                        lt_jv_list *(*make)(lt_jrun *run, lt_jv value, const lt_jv *a))
{
    deferred *d = lt_jinja_alloc_zero(run, sizeof *d);
    d->base.next = next_deferred;
    d->base.source = value;
    d->base.type_name = "generator";
    d->make = make;
    memcpy(d->a, a, (size_t)count * sizeof *a);
    return lt_jv_from_iterator(&d->base);
}

/* ---- ends, joining, reversing ---------------------------------------------------------------------------------- */

static lt_jv filter_list(lt_jrun *run, lt_jv value, const lt_jv *a)
{
    (void)a;
    return lt_jv_from_list(lt_jinja_to_list(run, value));
}

static lt_jv filter_first(lt_jrun *run, lt_jv value, const lt_jv *a)
{
    (void)a;
    lt_jv item;
    if (lt_jinja_next(run, lt_jinja_iterate(run, value), &item))
        return item;
    return lt_jv_undefined_new(run, "No first item, sequence was empty.");
}

static lt_jv filter_last(lt_jrun *run, lt_jv value, const lt_jv *a)
{
    (void)a;
    lt_jv item;
    lt_jv_iterator *it = lt_jinja_reversed(run, value);
    if (!it)
        lt_jinja_raise(run, "last: '%s' object is not reversible", lt_jv_type_name(value));
    return lt_jinja_next(run, it, &item) ? item : lt_jv_undefined_new(run, "No last item, sequence was empty.");
}

static lt_jv filter_reverse(lt_jrun *run, lt_jv value, const lt_jv *a)
{
    (void)a;
    if (value.type == LT_JV_STRING)
        return lt_jinja_slice(run, value, lt_jv_missing(), lt_jv_missing(), lt_jv_int(-1));
    lt_jv_iterator *it = lt_jinja_reversed(run, value);
    if (it)
        return lt_jv_from_iterator(it);
    it = lt_jinja_reversed(run, lt_jv_from_list(lt_jinja_to_list(run, value)));
    return lt_jv_from_list(lt_jinja_to_list(run, lt_jv_from_iterator(it)));
}

static lt_jv filter_join(lt_jrun *run, lt_jv value, const lt_jv *a)
{
    lt_jv separator = a[0].type == LT_JV_MISSING ? lt_jv_string("", 0) : lt_jv_str(run, a[0]), item;
    lt_jgetter getter = lt_jgetter_make(run, a[1], lt_jv_missing(), false);
    lt_jv_iterator *it = lt_jinja_iterate(run, value);
    lt_jtext text = {0};
    for (bool first = true; lt_jinja_next(run, it, &item); first = false) {
        item = lt_jv_str(run, lt_jgetter_get(run, &getter, item));
        if (!first)
            lt_jtext_add(run, &text, separator.text, separator.size);
        lt_jtext_add(run, &text, item.text, item.size);
    }
    return lt_jtext_value(&text);
}

/* ---- sums and extremes ----------------------------------------------------------------------------------------- */

static lt_jv filter_sum(lt_jrun *run, lt_jv value, const lt_jv *a)
{
    lt_jgetter getter = lt_jgetter_make(run, a[0], lt_jv_missing(), false);
    lt_jv total = a[1].type == LT_JV_MISSING ? lt_jv_int(0) : a[1], item;
    if (total.type == LT_JV_STRING)
        lt_jinja_raise(run, "sum() can't sum strings, use join");
    lt_jv_iterator *it = lt_jinja_iterate(run, value);
    while (lt_jinja_next(run, it, &item))
        total = lt_jinja_arithmetic(run, LT_JN_ADD, total, lt_jgetter_get(run, &getter, item));
    return total;
}

static lt_jv extreme(lt_jrun *run, lt_jv value, const lt_jv *a, bool largest)
{
    lt_jgetter getter = lt_jgetter_make(run, a[1], lt_jv_missing(), !flag(run, a[0]));
    lt_jv_iterator *it = lt_jinja_iterate(run, value);
    lt_jv best, item;
    if (!lt_jinja_next(run, it, &best))
        return lt_jv_undefined_new(run, "No aggregated item, sequence was empty.");
    lt_jv best_key = lt_jgetter_get(run, &getter, best);
    while (lt_jinja_next(run, it, &item)) {
        lt_jv key = lt_jgetter_get(run, &getter, item);
        if (largest ? lt_jv_less(run, best_key, key) : lt_jv_less(run, key, best_key)) {
            best = item;
            best_key = key;
        }
    }
    return best;
}

static lt_jv filter_min(lt_jrun *run, lt_jv value, const lt_jv *a)
{
    return extreme(run, value, a, false);
}

static lt_jv filter_max(lt_jrun *run, lt_jv value, const lt_jv *a)
{
    return extreme(run, value, a, true);
}

/* ---- sorting and grouping -------------------------------------------------------------------------------------- */

static lt_jv_list *copy_list(lt_jrun *run, lt_jv value)
{
    const lt_jv_list *from = lt_jinja_to_list(run, value);
    lt_jv_list *copy = lt_jv_list_new(run, from->count);
    for (int64_t i = 0; i < from->count; i++)
        lt_jv_list_add(run, copy, from->items[i]);
    return copy;
}

/* "a,b" sorts by a, then by b: the keys are lists of the values. */
static lt_jv_list *make_getters(lt_jrun *run, lt_jv attribute)
{
    lt_jv_list *paths = lt_jv_list_new(run, 1);
    size_t begin = 0;
    if (attribute.type != LT_JV_STRING) {
        lt_jv_list_add(run, paths, attribute);
        return paths;
    }
    for (size_t i = 0; i <= attribute.size; i++) {
        if (i < attribute.size && attribute.text[i] != ',')
            continue;
        lt_jv_list_add(run, paths, lt_jv_part(attribute, begin, i));
        begin = i + 1;
    }
    return paths;
}

/* a: reverse, case_sensitive, attribute */
static lt_jv filter_sort(lt_jrun *run, lt_jv value, const lt_jv *a)
{
    lt_jv_list *items = copy_list(run, value), *paths = make_getters(run, a[2]);
    lt_jgetter *getters = lt_jinja_alloc(run, (size_t)paths->count * sizeof *getters);
    for (int64_t i = 0; i < paths->count; i++)
        getters[i] = lt_jgetter_make(run, paths->items[i], lt_jv_missing(), !flag(run, a[1]));
    lt_jv *keys = lt_jinja_alloc(run, (size_t)items->count * sizeof *keys);
    for (int64_t k = 0; k < items->count; k++) {
        lt_jv_list *key = lt_jv_list_new(run, paths->count);
        for (int64_t i = 0; i < paths->count; i++)
            lt_jv_list_add(run, key, lt_jgetter_get(run, &getters[i], items->items[k]));
        keys[k] = lt_jv_from_list(key);
    }
    lt_jv_sort(run, items->items, keys, items->count, flag(run, a[0]));
    return lt_jv_from_list(items);
}

/* a: case_sensitive, by, reverse */
static lt_jv filter_dictsort(lt_jrun *run, lt_jv value, const lt_jv *a)
{
    bool by_value = given(a[1]) && lt_jv_is_text(a[1], "value", 5);
    if (!by_value && a[1].type != LT_JV_MISSING && !lt_jv_is_text(a[1], "key", 3))
        lt_jinja_raise(run, "dictsort sorts by either \"key\" or \"value\"");
    if (value.type != LT_JV_DICT)
        lt_jinja_raise(run, "dictsort expects a mapping, got %s", lt_jv_type_name(value));
    const lt_jv_dict *dict = value.dict;
    lt_jv_list *items = lt_jv_list_new(run, dict->count);
    lt_jv *keys = lt_jinja_alloc(run, (size_t)dict->count * sizeof *keys);
    for (int64_t i = 0; i < dict->count; i++) {
        const lt_jv_entry *entry = &dict->entries[i];
        lt_jv_list_add(run, items, lt_jv_pair(run, entry->key, entry->value));
        keys[i] = by_value ? entry->value : entry->key;
        if (!flag(run, a[0]) && keys[i].type == LT_JV_STRING)
            keys[i] = lt_jstr_lower(run, keys[i]);
    }
    lt_jv_sort(run, items->items, keys, items->count, flag(run, a[2]));
    return lt_jv_from_list(items);
}

/* a: case_sensitive, attribute */
static lt_jv_list *make_unique(lt_jrun *run, lt_jv value, const lt_jv *a)
{
    lt_jgetter getter = lt_jgetter_make(run, a[1], lt_jv_missing(), !flag(run, a[0]));
    lt_jv_dict *seen = lt_jv_dict_new(run);
    lt_jv_list *unique = lt_jv_list_new(run, 0);
    lt_jv_iterator *it = lt_jinja_iterate(run, value);
    for (lt_jv item; lt_jinja_next(run, it, &item);) {
        lt_jv key = lt_jgetter_get(run, &getter, item);
        if (lt_jv_dict_get(run, seen, key))
            continue;
        lt_jv_dict_set(run, seen, key, lt_jv_none());
        lt_jv_list_add(run, unique, item);
    }
    return unique;
}

static lt_jv filter_unique(lt_jrun *run, lt_jv value, const lt_jv *a)
{
    return lt_jinja_deferred(run, value, a, 2, make_unique);
}

/* a: attribute, default, case_sensitive */
static lt_jv filter_groupby(lt_jrun *run, lt_jv value, const lt_jv *a)
{
    bool case_sensitive = flag(run, a[2]);
    lt_jgetter getter = lt_jgetter_make(run, a[0], a[1], !case_sensitive), shown = getter;
    lt_jv_list *items = copy_list(run, value), *groups = lt_jv_list_new(run, 0);
    lt_jv *keys = lt_jinja_alloc(run, (size_t)items->count * sizeof *keys);
    shown.ignore_case = false;
    for (int64_t i = 0; i < items->count; i++)
        keys[i] = lt_jgetter_get(run, &getter, items->items[i]);
    lt_jv_sort(run, items->items, keys, items->count, false);
    for (int64_t i = 0; i < items->count;) {
        lt_jv_list *members = lt_jv_list_new(run, 0);
        lt_jv key = keys[i], first = items->items[i];
        for (; i < items->count && lt_jv_equal(run, keys[i], key); i++)
            lt_jv_list_add(run, members, items->items[i]);
        if (members->count == 0) /* a NaN is not even equal to itself */
            lt_jv_list_add(run, members, items->items[i++]);
        lt_jv group = lt_jv_pair(run, lt_jgetter_get(run, &shown, first), lt_jv_from_list(members));
        group.list->grouped = true;
        lt_jv_list_add(run, groups, group);
    }
    return lt_jv_from_list(groups);
}

/* ---- cutting into pieces --------------------------------------------------------------------------------------- */

/* a: linecount, fill_with */
static lt_jv_list *make_batches(lt_jrun *run, lt_jv value, const lt_jv *a)
{
    lt_jv_list *batches = lt_jv_list_new(run, 0), *batch = lt_jv_list_new(run, 0);
    lt_jv_iterator *it = lt_jinja_iterate(run, value);
    /* Any value can be compared with a length; only an integer can be reached. */
    for (lt_jv item; lt_jinja_next(run, it, &item);) {
        if (lt_jv_equal(run, lt_jv_int(batch->count), a[0])) {
            lt_jv_list_add(run, batches, lt_jv_from_list(batch));
            batch = lt_jv_list_new(run, 0);
        }
        lt_jv_list_add(run, batch, item);
    }
    if (batch->count == 0)
        return batches;
    if (given(a[1])) {
        int64_t size = lt_jv_to_int(run, a[0], "the size of a batch");
        while (batch->count < size) {
            lt_jinja_charge(run, 1);
            lt_jv_list_add(run, batch, a[1]);
        }
    }
    lt_jv_list_add(run, batches, lt_jv_from_list(batch));
    return batches;
}

static lt_jv filter_batch(lt_jrun *run, lt_jv value, const lt_jv *a)
{
    return lt_jinja_deferred(run, value, a, 2, make_batches);
}

/* a: slices, fill_with */
static lt_jv_list *make_slices(lt_jrun *run, lt_jv value, const lt_jv *a)
{
    const lt_jv_list *from = lt_jinja_to_list(run, value);
    int64_t slices = lt_jv_to_int(run, a[0], "the number of slices"), at = 0;
    lt_jv_list *result = lt_jv_list_new(run, 0);
    if (slices == 0)
        lt_jinja_raise(run, "division by zero");
    for (int64_t i = 0; i < slices; i++) {
        bool extra = i < from->count % slices;
        int64_t count = from->count / slices + extra;
        lt_jv_list *slice = lt_jv_list_new(run, count + 1);
        for (int64_t k = 0; k < count; k++)
            lt_jv_list_add(run, slice, from->items[at++]);
        if (given(a[1]) && !extra)
            lt_jv_list_add(run, slice, a[1]);
        lt_jv_list_add(run, result, lt_jv_from_list(slice));
        lt_jinja_charge(run, 1);
    }
    return result;
}

static lt_jv filter_slice(lt_jrun *run, lt_jv value, const lt_jv *a)
{
    return lt_jinja_deferred(run, value, a, 2, make_slices);
}

static lt_jv_list *make_items(lt_jrun *run, lt_jv value, const lt_jv *a)
{
    (void)a;
    lt_jv_list *items = lt_jv_list_new(run, 0);
    if (value.type == LT_JV_UNDEFINED)
        return items;
    if (value.type != LT_JV_DICT)
        lt_jinja_raise(run, "items: can only get item pairs from a mapping, not from %s", lt_jv_type_name(value));
    for (int64_t i = 0; i < value.dict->count; i++)
        lt_jv_list_add(run, items, lt_jv_pair(run, value.dict->entries[i].key, value.dict->entries[i].value));
    return items;
}

static lt_jv filter_items(lt_jrun *run, lt_jv value, const lt_jv *a)
{
    return lt_jinja_deferred(run, value, a, 0, make_items);
}

const lt_jfilter lt_jinja_sequence_filters[] = {
    {"list", "", 0, filter_list, NULL},
    {"join", "d attribute", 0, filter_join, NULL},
    {"first", "", 0, filter_first, NULL},
    {"last", "", 0, filter_last, NULL},
    {"reverse", "", 0, filter_reverse, NULL},
    {"items", "", 0, filter_items, NULL},
    {"sum", "attribute start", 0, filter_sum, NULL},
    {"min", "case_sensitive attribute", 0, filter_min, NULL},
    {"max", "case_sensitive attribute", 0, filter_max, NULL},
    {"sort", "reverse case_sensitive attribute", 0, filter_sort, NULL},
    {"dictsort", "case_sensitive by reverse", 0, filter_dictsort, NULL},
    {"unique", "case_sensitive attribute", 0, filter_unique, NULL},
    {"groupby", "attribute default case_sensitive", 1, filter_groupby, NULL},
    {"batch", "linecount fill_with", 1, filter_batch, NULL},
    {"slice", "slices fill_with", 1, filter_slice, NULL},
    {0},
};
