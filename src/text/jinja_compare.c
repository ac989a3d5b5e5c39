/* Equality, order, hashing, membership, sorting, and the dictionary that rests on them. */
#include "text/jinja_value.h"

#include <math.h>
#include <string.h>

/* ---- numbers --------------------------------------------------------------------------------------------------- */

static int compare_int_float(int64_t i, double f)
{
    if (isnan(f))
        return 2;
    if (f >= 9223372036854775808.0)
        return -1;
    if (f < -9223372036854775808.0)
        return 1;
    /* Inside the range of int64 the whole part of f is exact. */
    int64_t whole = (int64_t)f;
    if (i != whole)
        return i < whole ? -1 : 1;
    double rest = f - (double)whole;
    return rest > 0 ? -1 : rest < 0 ? 1 : 0;
}

int lt_jv_compare_numbers(lt_jv a, lt_jv b)
{
    if (a.type != LT_JV_FLOAT && b.type != LT_JV_FLOAT) {
        int64_t x = lt_jv_integral(a), y = lt_jv_integral(b);
        return x < y ? -1 : x > y;
    }
    if (a.type != LT_JV_FLOAT)
        return compare_int_float(lt_jv_integral(a), b.real);
    if (b.type != LT_JV_FLOAT) {
        int c = compare_int_float(lt_jv_integral(b), a.real);
        return c == 2 ? 2 : -c;
    }
    if (isnan(a.real) || isnan(b.real))
        return 2;
    return a.real < b.real ? -1 : a.real > b.real;
}

static int compare_strings(lt_jrun *run, lt_jv a, lt_jv b)
{
    size_t size = a.size < b.size ? a.size : b.size;
    lt_jinja_charge_bytes(run, (int64_t)size);
    int c = size ? memcmp(a.text, b.text, size) : 0; /* the order of UTF-8 is that of code points */
    return c ? c : a.size < b.size ? -1 : a.size > b.size;
}

/* ---- equality -------------------------------------------------------------------------------------------------- */

bool lt_jv_same(lt_jv a, lt_jv b)
{
    if (a.type != b.type)
        return false;
    switch (a.type) {
    case LT_JV_MISSING:
    case LT_JV_NONE:
        return true;
    case LT_JV_BOOL:
        return a.boolean == b.boolean;
    case LT_JV_INT:
        return a.integer == b.integer;
    case LT_JV_FLOAT:
        return memcmp(&a.real, &b.real, sizeof a.real) == 0;
    case LT_JV_STRING:
    case LT_JV_BIGINT:
        return a.size == b.size && (a.text == b.text || memcmp(a.text, b.text, a.size) == 0);
    default:
        return a.object == b.object;
    }
}

static bool lists_equal(lt_jrun *run, const lt_jv_list *a, const lt_jv_list *b)
{
    if (a->count != b->count)
        return false;
    for (int64_t i = 0; i < a->count; i++)
        if (!lt_jv_equal(run, a->items[i], b->items[i]))
            return false;
    return true;
}

static bool dicts_equal(lt_jrun *run, lt_jv_dict *a, lt_jv_dict *b)
{
    if (a->count != b->count)
        return false;
    for (int64_t i = 0; i < a->count; i++) {
        const lt_jv *other = lt_jv_dict_get(run, b, a->entries[i].key);
        if (!other || !lt_jv_equal(run, a->entries[i].value, *other))
            return false;
    }
    return true;
}

/* keys() and items() are compared like sets, values() not at all. */
static bool views_equal(lt_jrun *run, const lt_jv_view *a, const lt_jv_view *b)
{
    if (a->kind != b->kind || a->kind == LT_JV_VALUES || a->dict->count != b->dict->count)
        return a == b;
    for (int64_t i = 0; i < a->dict->count; i++) {
        const lt_jv *other = lt_jv_dict_get(run, b->dict, a->dict->entries[i].key);
        if (!other || (a->kind == LT_JV_ITEMS && !lt_jv_equal(run, a->dict->entries[i].value, *other)))
            return false;
    }
    return true;
}

bool lt_jv_equal(lt_jrun *run, lt_jv a, lt_jv b)
{
    lt_jinja_charge(run, 1);
    if (lt_jv_is_number(a) && lt_jv_is_number(b))
        return lt_jv_compare_numbers(a, b) == 0;
    if (a.type != b.type)
        return false;
    bool equal;
    lt_jinja_enter(run);
    switch (a.type) {
    case LT_JV_UNDEFINED:
        equal = true;
        break;
    case LT_JV_STRING:
        equal = a.size == b.size && compare_strings(run, a, b) == 0;
        break;
    case LT_JV_LIST:
    case LT_JV_TUPLE:
        equal = a.list == b.list || lists_equal(run, a.list, b.list);
        break;
    case LT_JV_DICT:
        equal = a.dict == b.dict || dicts_equal(run, a.dict, b.dict);
        break;
    case LT_JV_VIEW:
        equal = views_equal(run, a.view, b.view);
        break;
    case LT_JV_RANGE:
        equal = a.range->count == b.range->count &&
                (a.range->count == 0 ||
                 (a.range->start == b.range->start && (a.range->count == 1 || a.range->step == b.range->step)));
        break;
    default:
        equal = lt_jv_same(a, b);
        break;
    }
    run->depth--;
    return equal;
}

bool lt_jv_less(lt_jrun *run, lt_jv a, lt_jv b)
{
    lt_jinja_charge(run, 1);
    if (lt_jv_is_number(a) && lt_jv_is_number(b))
        return lt_jv_compare_numbers(a, b) == -1;
    if (a.type == LT_JV_UNDEFINED || b.type == LT_JV_UNDEFINED)
        lt_jinja_raise(run, "%s", (a.type == LT_JV_UNDEFINED ? a : b).undefined->message);
    if (a.type == LT_JV_STRING && b.type == LT_JV_STRING)
        return compare_strings(run, a, b) < 0;
    if (a.type == b.type && (a.type == LT_JV_LIST || a.type == LT_JV_TUPLE)) {
        for (int64_t i = 0; i < a.list->count && i < b.list->count; i++) {
            if (lt_jv_equal(run, a.list->items[i], b.list->items[i]))
                continue;
            lt_jinja_enter(run);
            bool less = lt_jv_less(run, a.list->items[i], b.list->items[i]);
            run->depth--;
            return less;
        }
        return a.list->count < b.list->count;
    }
    lt_jinja_raise(run, "'%s' and '%s' cannot be put in order", lt_jv_type_name(a), lt_jv_type_name(b));
}

/* ---- membership ------------------------------------------------------------------------------------------------ */

static bool range_contains(lt_jrun *run, const lt_jv_range *range, lt_jv item)
{
    if (item.type == LT_JV_FLOAT) {
        if (item.real != floor(item.real) || fabs(item.real) > 1e18)
            return false;
        item = lt_jv_int((int64_t)item.real);
    }
    (void)run;
    if (!lt_jv_is_integral(item) || range->count == 0)
        return false;
    int64_t v = lt_jv_integral(item), last = range->start + (range->count - 1) * range->step;
    if (range->step > 0 ? v < range->start || v > last : v > range->start || v < last)
        return false;
    return (v - range->start) % range->step == 0;
}

bool lt_jv_contains(lt_jrun *run, lt_jv container, lt_jv item)
{
    switch (container.type) {
    case LT_JV_STRING:
        if (item.type != LT_JV_STRING)
            lt_jinja_raise(run, "'in <string>' needs a string on its left, not %s", lt_jv_type_name(item));
        lt_jinja_charge_bytes(run, (int64_t)container.size);
        return item.size == 0 ||
               (item.size <= container.size && memmem(container.text, container.size, item.text, item.size));
    case LT_JV_DICT:
        return lt_jv_dict_get(run, container.dict, item) != NULL;
    case LT_JV_VIEW:
        if (container.view->kind == LT_JV_KEYS)
            return lt_jv_dict_get(run, container.view->dict, item) != NULL;
        break;
    case LT_JV_RANGE:
        return range_contains(run, container.range, item);
    default:
        break;
    }
    lt_jv_iterator *it = lt_jinja_try_iterate(run, container);
    if (!it)
        lt_jinja_raise(run, "argument of type '%s' is not a container", lt_jv_type_name(container));
    for (lt_jv member; lt_jinja_next(run, it, &member);)
        if (lt_jv_same(member, item) || lt_jv_equal(run, member, item))
            return true;
    return false;
}

/* ---- hashing --------------------------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t h)
{
    h = (h ^ h >> 33) * 0xFF51AFD7ED558CCDu;
    h = (h ^ h >> 33) * 0xC4CEB9FE1A85EC53u;
    return h ^ h >> 33;
}

bool lt_jv_hashable(lt_jv value)
{
    if (value.type == LT_JV_TUPLE) {
        for (int64_t i = 0; i < value.list->count; i++)
            if (!lt_jv_hashable(value.list->items[i]))
                return false;
        return true;
    }
    return value.type != LT_JV_LIST && value.type != LT_JV_DICT && value.type != LT_JV_VIEW;
}

uint64_t lt_jv_hash(lt_jrun *run, lt_jv value)
{
    switch (value.type) {
    case LT_JV_NONE:
        return 0x9E3779B97F4A7C15u;
    case LT_JV_UNDEFINED:
        return 0x7F4A7C15u;
    case LT_JV_BOOL:
    case LT_JV_INT:
        return mix((uint64_t)lt_jv_integral(value));
    case LT_JV_FLOAT: {
        if (value.real == floor(value.real) && fabs(value.real) < 9e18)
            return mix((uint64_t)(int64_t)value.real); /* 1.0 is the key 1 */
        uint64_t bits;
        memcpy(&bits, &value.real, sizeof bits);
        return mix(bits + 1);
    }
    case LT_JV_STRING:
    case LT_JV_BIGINT: {
        uint64_t h = 1469598103934665603u;
        lt_jinja_charge_bytes(run, (int64_t)value.size);
        for (size_t i = 0; i < value.size; i++)
            h = (h ^ (unsigned char)value.text[i]) * 1099511628211u;
        return mix(h);
    }
    case LT_JV_TUPLE: {
        uint64_t h = (uint64_t)value.list->count;
        lt_jinja_enter(run);
        for (int64_t i = 0; i < value.list->count; i++)
            h = mix(h * 31 + lt_jv_hash(run, value.list->items[i]));
        run->depth--;
        return h;
    }
    case LT_JV_LIST:
    case LT_JV_DICT:
    case LT_JV_VIEW:
        lt_jinja_raise(run, "unhashable type: '%s'", lt_jv_type_name(value));
    default:
        return mix((uint64_t)(uintptr_t)value.object);
    }
}

/* ---- dictionaries ---------------------------------------------------------------------------------------------- */

enum { LINEAR = 8 }; /* up to here entries are searched one after the other */

lt_jv_dict *lt_jv_dict_new(lt_jrun *run)
{
    return lt_jinja_alloc_zero(run, sizeof(lt_jv_dict));
}

static void index_insert(lt_jv_dict *dict, int64_t entry)
{
    uint64_t mask = (uint64_t)dict->index_size - 1, at = dict->entries[entry].hash & mask;
    while (dict->index[at])
        at = (at + 1) & mask;
    dict->index[at] = (uint32_t)entry + 1;
}

static void rebuild_index(lt_jrun *run, lt_jv_dict *dict)
{
    dict->index_size = 4;
    while (dict->index_size < dict->capacity * 2)
        dict->index_size *= 2;
    dict->index = lt_jinja_alloc_zero(run, (size_t)dict->index_size * sizeof *dict->index);
    for (int64_t i = 0; i < dict->count; i++)
        index_insert(dict, i);
}

static bool same_key(lt_jrun *run, const lt_jv_entry *entry, uint64_t hash, lt_jv key)
{
    return entry->hash == hash && (lt_jv_same(entry->key, key) || lt_jv_equal(run, entry->key, key));
}

static lt_jv_entry *find_entry(lt_jrun *run, lt_jv_dict *dict, lt_jv key, uint64_t hash)
{
    if (!dict->index) {
        for (int64_t i = 0; i < dict->count; i++)
            if (same_key(run, &dict->entries[i], hash, key))
                return &dict->entries[i];
        return NULL;
    }
    uint64_t mask = (uint64_t)dict->index_size - 1;
    for (uint64_t at = hash & mask; dict->index[at]; at = (at + 1) & mask) {
        lt_jv_entry *entry = &dict->entries[dict->index[at] - 1];
        lt_jinja_charge(run, 1); /* keys may be chosen to collide */
        if (same_key(run, entry, hash, key))
            return entry;
    }
    return NULL;
}

lt_jv *lt_jv_dict_get(lt_jrun *run, lt_jv_dict *dict, lt_jv key)
{
    lt_jv_entry *entry = find_entry(run, dict, key, lt_jv_hash(run, key));
    return entry ? &entry->value : NULL;
}

lt_jv *lt_jv_dict_get_z(lt_jrun *run, lt_jv_dict *dict, const char *key)
{
    return lt_jv_dict_get(run, dict, lt_jv_string_z(key));
}

void lt_jv_dict_set(lt_jrun *run, lt_jv_dict *dict, lt_jv key, lt_jv value)
{
    uint64_t hash = lt_jv_hash(run, key);
    lt_jv_entry *entry = find_entry(run, dict, key, hash);
    lt_jinja_charge(run, 1);
    if (entry) {
        entry->value = value;
        return;
    }
    bool grown = dict->count == dict->capacity;
    if (grown)
        dict->entries = lt_jinja_grow(run, dict->entries, dict->count, &dict->capacity, sizeof *dict->entries);
    dict->entries[dict->count++] = (lt_jv_entry){key, value, hash};
    if (dict->count <= LINEAR)
        return;
    if (grown)
        rebuild_index(run, dict);
    else
        index_insert(dict, dict->count - 1);
}

/* ---- sorting --------------------------------------------------------------------------------------------------- */

/* Merges two sorted neighbours. An item of the right half goes first only if it is really smaller: equal ones keep
 * their order, as with Python's sorted, which also keeps it with reverse. */
static void merge(lt_jrun *run, lt_jv *const from[2], lt_jv *const to[2], int64_t low, int64_t middle, int64_t high,
                  bool reverse)
{
    int64_t left = low, right = middle;
    for (int64_t i = low; i < high; i++) {
        bool take_right = left == middle;
        if (!take_right && right < high)
            take_right = reverse ? lt_jv_less(run, from[1][left], from[1][right])
                                 : lt_jv_less(run, from[1][right], from[1][left]);
        int64_t source = take_right ? right++ : left++;
        to[0][i] = from[0][source];
        to[1][i] = from[1][source];
    }
}

void lt_jv_sort(lt_jrun *run, lt_jv *items, lt_jv *keys, int64_t count, bool reverse)
{
    size_t bytes = (size_t)count * sizeof *items;
    lt_jv *spare[2] = {lt_jinja_alloc(run, bytes), lt_jinja_alloc(run, bytes)}, *real[2] = {items, keys};
    lt_jv **from = real, **to = spare;
    for (int64_t width = 1; width < count; width *= 2) {
        for (int64_t low = 0; low < count; low += 2 * width) {
            int64_t middle = low + width < count ? low + width : count;
            int64_t high = low + 2 * width < count ? low + 2 * width : count;
            merge(run, (lt_jv *const *)from, (lt_jv *const *)to, low, middle, high, reverse);
        }
        lt_jv **swap = from;
        from = to;
        to = swap;
    }
    if (from != real && count) {
        memcpy(items, from[0], bytes);
        memcpy(keys, from[1], bytes);
    }
}
