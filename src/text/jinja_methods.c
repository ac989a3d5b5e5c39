/* Methods of lists, tuples, dictionaries and ranges. Those that would change the value are refused, as jinja2's
 * immutable sandbox does. */
#include "text/jinja_builtin.h"

/* ---- lists and tuples ------------------------------------------------------------------------------------------ */

static lt_jv list_index(lt_jrun *run, lt_jv self, const lt_jv *a)
{
    lt_jslice slice = lt_jinja_slice_indices(run, self.list->count, a[1], a[2], lt_jv_missing());
    for (int64_t i = slice.first; i < slice.first + slice.count; i++)
        if (lt_jv_equal(run, self.list->items[i], a[0]))
            return lt_jv_int(i);
    lt_jinja_raise(run, "%s is not in the %s", lt_jv_brief(run, a[0]), lt_jv_type_name(self));
}

static lt_jv list_count(lt_jrun *run, lt_jv self, const lt_jv *a)
{
    int64_t count = 0;
    for (int64_t i = 0; i < self.list->count; i++)
        count += lt_jv_equal(run, self.list->items[i], a[0]);
    return lt_jv_int(count);
}

static lt_jv list_copy(lt_jrun *run, lt_jv self, const lt_jv *a)
{
    (void)a;
    lt_jv_list *copy = lt_jinja_alloc(run, sizeof *copy);
    *copy = *self.list;
    return lt_jv_from_list(copy);
}

#define REFUSED(name)                                                                                                  \
    {                                                                                                                  \
        name, "", 0, NULL, NULL, true                                                                                  \
    }

const lt_jmethod_row lt_jinja_list_methods[] = {
    {"index", "/ value start stop", 1, list_index, NULL, false},
    {"count", "/ value", 1, list_count, NULL, false},
    {"copy", "", 0, list_copy, NULL, false},
    REFUSED("append"),
    REFUSED("clear"),
    REFUSED("extend"),
    REFUSED("insert"),
    REFUSED("pop"),
    REFUSED("remove"),
    REFUSED("reverse"),
    REFUSED("sort"),
    {0},
};

const lt_jmethod_row lt_jinja_tuple_methods[] = {
    {"index", "/ value start stop", 1, list_index, NULL, false},
    {"count", "/ value", 1, list_count, NULL, false},
    {0},
};

/* ---- dictionaries ---------------------------------------------------------------------------------------------- */

static lt_jv view(lt_jrun *run, lt_jv self, lt_jv_view_kind kind)
{
    lt_jv_view *v = lt_jinja_alloc(run, sizeof *v);
    *v = (lt_jv_view){self.dict, kind};
    return (lt_jv){.type = LT_JV_VIEW, .view = v};
}

static lt_jv dict_items(lt_jrun *run, lt_jv self, const lt_jv *a)
{
    return (void)a, view(run, self, LT_JV_ITEMS);
}

static lt_jv dict_keys(lt_jrun *run, lt_jv self, const lt_jv *a)
{
    return (void)a, view(run, self, LT_JV_KEYS);
}

static lt_jv dict_values(lt_jrun *run, lt_jv self, const lt_jv *a)
{
    return (void)a, view(run, self, LT_JV_VALUES);
}

static lt_jv dict_get(lt_jrun *run, lt_jv self, const lt_jv *a)
{
    const lt_jv *found = lt_jv_dict_get(run, self.dict, a[0]);
    if (found)
        return *found;
    return a[1].type == LT_JV_MISSING ? lt_jv_none() : a[1];
}

static lt_jv dict_copy(lt_jrun *run, lt_jv self, const lt_jv *a)
{
    (void)a;
    lt_jv_dict *copy = lt_jinja_alloc(run, sizeof *copy);
    *copy = *self.dict;
    return lt_jv_from_dict(copy);
}

static lt_jv dict_fromkeys(lt_jrun *run, lt_jv self, const lt_jv *a)
{
    (void)self;
    lt_jv_dict *dict = lt_jv_dict_new(run);
    lt_jv_iterator *it = lt_jinja_iterate(run, a[0]);
    for (lt_jv key; lt_jinja_next(run, it, &key);)
        lt_jv_dict_set(run, dict, key, a[1].type == LT_JV_MISSING ? lt_jv_none() : a[1]);
    return lt_jv_from_dict(dict);
}

const lt_jmethod_row lt_jinja_dict_methods[] = {
    {"items", "", 0, dict_items, NULL, false},
    {"keys", "", 0, dict_keys, NULL, false},
    {"values", "", 0, dict_values, NULL, false},
    {"get", "/ key default", 1, dict_get, NULL, false},
    {"copy", "", 0, dict_copy, NULL, false},
    {"fromkeys", "/ iterable value", 1, dict_fromkeys, NULL, false},
    REFUSED("clear"),
    REFUSED("pop"),
    REFUSED("popitem"),
    REFUSED("setdefault"),
    REFUSED("update"),
    {0},
};

/* ---- ranges ---------------------------------------------------------------------------------------------------- */

static lt_jv range_count(lt_jrun *run, lt_jv self, const lt_jv *a)
{
    return lt_jv_int(lt_jv_contains(run, self, a[0]));
}

static lt_jv range_index(lt_jrun *run, lt_jv self, const lt_jv *a)
{
    for (int64_t i = 0; i < self.range->count; i++) {
        lt_jinja_charge(run, 1);
        if (lt_jv_equal(run, lt_jv_range_item(self.range, i), a[0]))
            return lt_jv_int(i);
    }
    lt_jinja_raise(run, "%s is not in range", lt_jv_brief(run, a[0]));
}

const lt_jmethod_row lt_jinja_range_methods[] = {
    {"count", "/ value", 1, range_count, NULL, false},
    {"index", "/ value", 1, range_index, NULL, false},
    {0},
};
