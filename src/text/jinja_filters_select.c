/* map, select, reject, selectattr, rejectattr: they yield item by item, and find out about wrong arguments only when
 * the first is asked for. */
#include <string.h>

#include "text/jinja_builtin.h"
#include "text/jinja_getter.h"

typedef struct selection {
    lt_jv_iterator base;
    lt_jargs args;     /* behind the names that were taken */
    lt_jgetter getter; /* map(attribute=…), selectattr, rejectattr */
    bool use_getter, started, empty;
    bool attribute, keep; /* select and reject: keep what passes, or what does not */
    const lt_jfilter *filter;
    const lt_jtest *test; /* NULL: the truth of the value */
} selection;

static selection *new_selection(lt_jrun *run, lt_jv value, const lt_jargs *args)
{
    selection *s = lt_jinja_alloc_zero(run, sizeof *s);
    s->base.source = value;
    s->base.type_name = "generator";
    s->args = *args;
    return s;
}

/* True at the first call, when there is something to iterate. */
static bool start(lt_jrun *run, selection *s)
{
    s->started = true;
    s->empty = !lt_jv_truth(run, s->base.source);
    return !s->empty;
}

/* The next argument by position; LT_JV_MISSING when there is none. */
static lt_jv take(lt_jargs *args)
{
    if (args->count == 0)
        return lt_jv_missing();
    args->count--;
    return *args->positional++;
}

static lt_jv take_keyword(lt_jrun *run, lt_jargs *args, const char *name)
{
    for (int64_t i = 0; i < args->keyword_count; i++) {
        if (!lt_jv_is_text(args->keywords[i].name, name, strlen(name)))
            continue;
        lt_jkeyword found = args->keywords[i], *rest = lt_jinja_alloc(run, (size_t)args->keyword_count * sizeof *rest);
        memcpy(rest, args->keywords, (size_t)args->keyword_count * sizeof *rest);
        memmove(rest + i, rest + i + 1, (size_t)(args->keyword_count - i - 1) * sizeof *rest);
        args->keywords = rest;
        args->keyword_count--;
        return found.value;
    }
    return lt_jv_missing();
}

/* ---- map ------------------------------------------------------------------------------------------------------- */

static void prepare_map(lt_jrun *run, selection *s)
{
    lt_jv attribute = s->args.count ? lt_jv_missing() : take_keyword(run, &s->args, "attribute");
    if (attribute.type != LT_JV_MISSING) {
        lt_jv fallback = take_keyword(run, &s->args, "default");
        if (s->args.keyword_count)
            lt_jinja_raise(run, "map: unexpected keyword argument %s", lt_jv_brief(run, s->args.keywords[0].name));
        s->getter = lt_jgetter_make(run, attribute, fallback, false);
        s->use_getter = true;
    } else {
        lt_jv name = take(&s->args);
        if (name.type == LT_JV_MISSING)
            lt_jinja_raise(run, "map requires a filter argument");
        s->filter = name.type == LT_JV_STRING ? lt_jinja_find_filter(name.text, name.size) : NULL;
        if (!s->filter)
            lt_jinja_raise(run, "no filter named %s", lt_jv_brief(run, name));
    }
    s->base.inner = lt_jinja_iterate(run, s->base.source);
}

static bool next_mapped(lt_jrun *run, lt_jv_iterator *it, lt_jv *item)
{
    selection *s = (selection *)it;
    if (!s->started && start(run, s))
        prepare_map(run, s);
    if (s->empty || !lt_jinja_next(run, it->inner, item))
        return false;
    *item =
        s->use_getter ? lt_jgetter_get(run, &s->getter, *item) : lt_jinja_apply_filter(run, s->filter, *item, &s->args);
    return true;
}

static lt_jv filter_map(lt_jrun *run, lt_jv value, const lt_jargs *args)
{
    selection *s = new_selection(run, value, args);
    s->base.next = next_mapped;
    return lt_jv_from_iterator(&s->base);
}

/* ---- select, reject and their attr forms ----------------------------------------------------------------------- */

static void prepare_select(lt_jrun *run, selection *s)
{
    if (s->attribute) {
        lt_jv attribute = take(&s->args);
        if (attribute.type == LT_JV_MISSING)
            lt_jinja_raise(run, "missing parameter for attribute name");
        s->getter = lt_jgetter_make(run, attribute, lt_jv_missing(), false);
        s->use_getter = true;
    }
    lt_jv name = take(&s->args);
    if (name.type != LT_JV_MISSING) {
        s->test = name.type == LT_JV_STRING ? lt_jinja_find_test(name.text, name.size) : NULL;
        if (!s->test)
            lt_jinja_raise(run, "no test named %s", lt_jv_brief(run, name));
    }
    s->base.inner = lt_jinja_iterate(run, s->base.source);
}

static bool next_selected(lt_jrun *run, lt_jv_iterator *it, lt_jv *item)
{
    selection *s = (selection *)it;
    if (!s->started && start(run, s))
        prepare_select(run, s);
    while (!s->empty && lt_jinja_next(run, it->inner, item)) {
        lt_jv value = s->use_getter ? lt_jgetter_get(run, &s->getter, *item) : *item;
        bool passes = s->test ? lt_jinja_apply_test(run, s->test, value, &s->args) : lt_jv_truth(run, value);
        if (passes == s->keep)
            return true;
    }
    return false;
}

static lt_jv select_items(lt_jrun *run, lt_jv value, const lt_jargs *args, bool attribute, bool keep)
{
    selection *s = new_selection(run, value, args);
    s->base.next = next_selected;
    s->attribute = attribute;
    s->keep = keep;
    return lt_jv_from_iterator(&s->base);
}

static lt_jv filter_select(lt_jrun *run, lt_jv value, const lt_jargs *args)
{
    return select_items(run, value, args, false, true);
}

static lt_jv filter_reject(lt_jrun *run, lt_jv value, const lt_jargs *args)
{
    return select_items(run, value, args, false, false);
}

static lt_jv filter_selectattr(lt_jrun *run, lt_jv value, const lt_jargs *args)
{
    return select_items(run, value, args, true, true);
}

static lt_jv filter_rejectattr(lt_jrun *run, lt_jv value, const lt_jargs *args)
{
    return select_items(run, value, args, true, false);
}

const lt_jfilter lt_jinja_select_filters[] = {
    {"map", NULL, 0, NULL, filter_map},
    {"select", NULL, 0, NULL, filter_select},
    {"reject", NULL, 0, NULL, filter_reject},
    {"selectattr", NULL, 0, NULL, filter_selectattr},
    {"rejectattr", NULL, 0, NULL, filter_rejectattr},
    {0},
};
