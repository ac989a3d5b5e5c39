/* Global functions: range, dict, namespace, cycler, joiner, raise_exception, strftime_now. */
#include <string.h>
#include <time.h>

#include "text/jinja_builtin.h"

enum { MAX_RANGE = 100000 }; /* as jinja2's sandbox */

static lt_jv call_range(lt_jrun *run, const lt_jargs *args)
{
    lt_jv a[LT_JINJA_MAX_PARAMETERS];
    lt_jinja_bind(run, "range", "/ start stop step", 1, args, a);
    lt_jv_range *r = lt_jinja_alloc(run, sizeof *r);
    int64_t first = lt_jv_to_int(run, a[0], "an argument of range");
    *r = (lt_jv_range){0, first, 1, 0};
    if (a[1].type != LT_JV_MISSING) {
        r->start = first;
        r->stop = lt_jv_to_int(run, a[1], "an argument of range");
    }
    if (a[2].type != LT_JV_MISSING)
        r->step = lt_jv_to_int(run, a[2], "an argument of range");
    if (r->step == 0)
        lt_jinja_raise(run, "the step of range must not be zero");
    /* In 128 bits nothing overflows. */
    __int128 distance = (__int128)r->stop - r->start, step = r->step;
    __int128 count = (step > 0) == (distance > 0) && distance != 0 ? (distance - (step > 0 ? 1 : -1)) / step + 1 : 0;
    if (count > MAX_RANGE)
        lt_jinja_raise(run, "range too big: templates may count up to %d", MAX_RANGE);
    r->count = (int64_t)count;
    return (lt_jv){.type = LT_JV_RANGE, .range = r};
}

/* What dict(…) makes: from a mapping or from pairs, then the keywords. */
static lt_jv_dict *make_dict(lt_jrun *run, const lt_jargs *args, const char *what)
{
    lt_jv_dict *dict = lt_jv_dict_new(run);
    if (args->count > 1)
        lt_jinja_raise(run, "%s expects at most 1 argument, got %lld", what, (long long)args->count);
    if (args->count == 1 && args->positional[0].type == LT_JV_DICT) {
        const lt_jv_dict *from = args->positional[0].dict;
        for (int64_t i = 0; i < from->count; i++)
            lt_jv_dict_set(run, dict, from->entries[i].key, from->entries[i].value);
    } else if (args->count == 1) {
        lt_jv_iterator *it = lt_jinja_iterate(run, args->positional[0]);
        for (lt_jv item; lt_jinja_next(run, it, &item);) {
            if (!lt_jinja_try_iterate(run, item))
                lt_jinja_raise(run, "%s expects pairs, got %s", what, lt_jv_type_name(item));
            const lt_jv_list *pair = lt_jinja_to_list(run, item);
            if (pair->count != 2)
                lt_jinja_raise(run, "%s expects pairs, got %lld items", what, (long long)pair->count);
            lt_jv_dict_set(run, dict, pair->items[0], pair->items[1]);
        }
    }
    for (int64_t i = 0; i < args->keyword_count; i++)
        lt_jv_dict_set(run, dict, args->keywords[i].name, args->keywords[i].value);
    return dict;
}

static lt_jv call_dict(lt_jrun *run, const lt_jargs *args)
{
    return lt_jv_from_dict(make_dict(run, args, "dict"));
}

static lt_jv call_namespace(lt_jrun *run, const lt_jargs *args)
{
    lt_jv_dict *dict = make_dict(run, args, "namespace");
    for (int64_t i = 0; i < dict->count; i++) {
        lt_jv key = dict->entries[i].key;
        if (key.type == LT_JV_STRING && key.size && key.text[0] == '_')
            lt_jinja_raise(run, "a namespace takes no attribute that begins with an underscore");
    }
    return (lt_jv){.type = LT_JV_NAMESPACE, .dict = dict};
}

static lt_jv call_cycler(lt_jrun *run, const lt_jargs *args)
{
    if (args->keyword_count)
        lt_jinja_raise(run, "cycler takes no keyword arguments");
    if (args->count == 0)
        lt_jinja_raise(run, "cycler: at least one item has to be provided");
    lt_jv_cycler *cycler = lt_jinja_alloc_zero(run, sizeof *cycler);
    cycler->items = lt_jv_list_new(run, args->count);
    for (int64_t i = 0; i < args->count; i++)
        lt_jv_list_add(run, cycler->items, args->positional[i]);
    return (lt_jv){.type = LT_JV_CYCLER, .cycler = cycler};
}

static lt_jv cycler_next(lt_jrun *run, lt_jv self, const lt_jv *a)
{
    (void)run, (void)a;
    lt_jv_cycler *cycler = self.cycler;
    lt_jv item = cycler->items->items[cycler->position];
    cycler->position = (cycler->position + 1) % cycler->items->count;
    return item;
}

static lt_jv cycler_reset(lt_jrun *run, lt_jv self, const lt_jv *a)
{
    (void)run, (void)a;
    self.cycler->position = 0;
    return lt_jv_none();
}

const lt_jmethod_row lt_jinja_cycler_methods[] = {
    {"next", "", 0, cycler_next, NULL, false},
    {"reset", "", 0, cycler_reset, NULL, false},
    {0},
};

static lt_jv call_joiner(lt_jrun *run, const lt_jargs *args)
{
    lt_jv a[LT_JINJA_MAX_PARAMETERS];
    lt_jinja_bind(run, "joiner", "sep", 0, args, a);
    lt_jv_joiner *joiner = lt_jinja_alloc_zero(run, sizeof *joiner);
    joiner->separator = a[0].type == LT_JV_MISSING ? lt_jv_string_z(", ") : a[0];
    return (lt_jv){.type = LT_JV_JOINER, .joiner = joiner};
}

static lt_jv call_raise_exception(lt_jrun *run, const lt_jargs *args)
{
    lt_jv a[LT_JINJA_MAX_PARAMETERS];
    lt_jinja_bind(run, "raise_exception", "message", 1, args, a);
    lt_jv text = lt_jv_str(run, a[0]);
    lt_jinja_raise_status(run, LT_ERR_USAGE, "%.*s", (int)(text.size < 900 ? text.size : 900), text.text);
}

/* One conversion of strftime. Python answers %f, %z and %Z itself; the rest is the C library's. */
static void add_time(lt_jrun *run, lt_jtext *text, const char *conversion, size_t size, const struct tm *now)
{
    char format[8] = {0}, piece[128];
    if (size == 2 && strchr("fzZ", conversion[1])) {
        lt_jtext_add_z(run, text, conversion[1] == 'f' ? "000000" : "");
        return;
    }
    memcpy(format, conversion, size);
    lt_jtext_add(run, text, piece, strftime(piece, sizeof piece, format, now));
}

static lt_jv call_strftime_now(lt_jrun *run, const lt_jargs *args)
{
    lt_jv a[LT_JINJA_MAX_PARAMETERS];
    lt_jinja_bind(run, "strftime_now", "format", 1, args, a);
    if (a[0].type != LT_JV_STRING)
        lt_jinja_raise(run, "strftime_now expects a format string, got %s", lt_jv_type_name(a[0]));
    struct tm now;
    if (run->now) {
        now = *run->now;
    } else {
        time_t seconds = time(NULL);
        localtime_r(&seconds, &now);
    }
    lt_jtext text = {0};
    const char *s = a[0].text;
    for (size_t i = 0; i < a[0].size;) {
        size_t size = 1;
        if (s[i] == '%') {
            while (i + size < a[0].size && size < 4 && strchr("-_0^#EO", s[i + size]) && s[i + size])
                size++;
            size += i + size < a[0].size;
        }
        if (size > 1 && s[i + size - 1] != '\0' && (unsigned char)s[i + size - 1] < 0x80)
            add_time(run, &text, s + i, size, &now);
        else
            lt_jtext_add(run, &text, s + i, size);
        i += size;
    }
    return lt_jtext_value(&text);
}

static const lt_jinja_function FUNCTIONS[] = {
    {"range", call_range},
    {"dict", call_dict},
    {"namespace", call_namespace},
    {"cycler", call_cycler},
    {"joiner", call_joiner},
    {"raise_exception", call_raise_exception},
    {"strftime_now", call_strftime_now},
};

const lt_jinja_function *lt_jinja_find_function(const char *name)
{
    for (size_t i = 0; i < sizeof FUNCTIONS / sizeof *FUNCTIONS; i++)
        if (strcmp(FUNCTIONS[i].name, name) == 0)
            return &FUNCTIONS[i];
    return NULL;
}
