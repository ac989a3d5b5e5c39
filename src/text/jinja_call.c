/* Calling things that are built in: binding arguments to parameters, and finding a name in the tables. */
#include <string.h>

#include "text/jinja_builtin.h"

/* The index of `name` among the parameters, or -1. */
static int find_parameter(const char *parameters, lt_jv name)
{
    int index = 0;
    for (const char *p = parameters; *p; index++) {
        size_t size = strcspn(p, " ");
        if (size == name.size && memcmp(p, name.text, size) == 0)
            return index;
        p += size;
        p += strspn(p, " ");
    }
    return -1;
}

static int count_parameters(const char *parameters)
{
    int count = 0;
    for (const char *p = parameters; *p; count++) {
        p += strcspn(p, " ");
        p += strspn(p, " ");
    }
    return count;
}

void lt_jinja_bind(lt_jrun *run, const char *function, const char *parameters, int required, const lt_jargs *args,
                   lt_jv out[LT_JINJA_MAX_PARAMETERS])
{
    bool by_position = *parameters == '/';
    if (by_position)
        parameters += 1 + strspn(parameters + 1, " ");
    int count = count_parameters(parameters);
    if (args->count > count)
        lt_jinja_raise(run, "%s takes at most %d argument%s (%lld given)", function, count, count == 1 ? "" : "s",
                       (long long)args->count);
    for (int i = 0; i < LT_JINJA_MAX_PARAMETERS; i++)
        out[i] = i < args->count ? args->positional[i] : lt_jv_missing();
    for (int64_t k = 0; k < args->keyword_count; k++) {
        lt_jv name = args->keywords[k].name;
        int at = by_position ? -1 : find_parameter(parameters, name);
        if (at < 0)
            lt_jinja_raise(run, "%s takes no keyword argument %s", function, lt_jv_brief(run, name));
        if (out[at].type != LT_JV_MISSING)
            lt_jinja_raise(run, "%s got two values for %s", function, lt_jv_brief(run, name));
        out[at] = args->keywords[k].value;
    }
    for (int i = 0; i < required; i++)
        if (out[i].type == LT_JV_MISSING)
            lt_jinja_raise(run, "%s needs at least %d argument%s", function, required, required == 1 ? "" : "s");
}

const lt_jfilter *lt_jinja_find_filter(const char *name, size_t size)
{
    const lt_jfilter *const groups[] = {lt_jinja_value_filters, lt_jinja_text_filters, lt_jinja_sequence_filters,
                                        lt_jinja_select_filters};
    for (size_t g = 0; g < sizeof groups / sizeof *groups; g++)
        for (const lt_jfilter *f = groups[g]; f->name; f++)
            if (strlen(f->name) == size && memcmp(f->name, name, size) == 0)
                return f;
    return NULL;
}

lt_jv lt_jinja_apply_filter(lt_jrun *run, const lt_jfilter *filter, lt_jv value, const lt_jargs *args)
{
    lt_jinja_charge(run, 1);
    if (filter->free)
        return filter->free(run, value, args);
    lt_jv bound[LT_JINJA_MAX_PARAMETERS];
    lt_jinja_bind(run, filter->name, filter->parameters, filter->required, args, bound);
    return filter->bound(run, value, bound);
}

bool lt_jinja_apply_test(lt_jrun *run, const lt_jtest *test, lt_jv value, const lt_jargs *args)
{
    lt_jv bound[LT_JINJA_MAX_PARAMETERS];
    lt_jinja_charge(run, 1);
    lt_jinja_bind(run, test->name, test->parameters, test->required, args, bound);
    return test->test(run, value, bound);
}

static lt_jv call_method(lt_jrun *run, const lt_jv_method *method, const lt_jargs *args)
{
    const lt_jmethod_row *row = method->row;
    if (row->free)
        return row->free(run, method->self, args);
    lt_jv bound[LT_JINJA_MAX_PARAMETERS];
    lt_jinja_bind(run, row->name, row->parameters, row->required, args, bound);
    return row->bound(run, method->self, bound);
}

static lt_jv call_joiner(lt_jv_joiner *joiner)
{
    bool used = joiner->used;
    joiner->used = true;
    return used ? joiner->separator : lt_jv_string("", 0);
}

lt_jv lt_jinja_call(lt_jrun *run, lt_jv callee, const lt_jargs *args)
{
    lt_jinja_charge(run, 1);
    switch (callee.type) {
    case LT_JV_FUNCTION:
        return callee.function->call(run, args);
    case LT_JV_METHOD:
        return call_method(run, callee.method, args);
    case LT_JV_MACRO:
        return lt_jinja_call_macro(run, callee.macro, args);
    case LT_JV_LOOP:
        return lt_jinja_call_loop(run, callee.loop, args);
    case LT_JV_JOINER:
        if (args->count || args->keyword_count)
            lt_jinja_raise(run, "a joiner takes no arguments");
        return call_joiner(callee.joiner);
    case LT_JV_UNDEFINED:
        lt_jinja_raise(run, "%s", callee.undefined->message);
    default:
        lt_jinja_raise(run, "'%s' object is not callable", lt_jv_type_name(callee));
    }
}
