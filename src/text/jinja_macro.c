/* Macros and loops: the two things that carry a body and are values too. */
#include <string.h>

#include "text/jinja_eval.h"

lt_jactivation *lt_jinja_activate(lt_jrun *run, const lt_jcode *code, lt_jactivation *outer)
{
    lt_jactivation *act = lt_jinja_alloc(run, sizeof *act);
    lt_jinja_charge(run, 1 + code->slots);
    act->slots = lt_jinja_alloc_zero(run, (size_t)code->slots * sizeof *act->slots); /* zero is LT_JV_MISSING */
    act->outer = outer;
    return act;
}

static lt_jv context_variable(lt_jrun *run, const char *name)
{
    const lt_jv *found = run->exported ? lt_jv_dict_get_z(run, run->exported, name) : NULL;
    if (!found)
        found = lt_jv_dict_get_z(run, run->context, name);
    if (found)
        return *found;
    const lt_jinja_function *function = lt_jinja_find_function(name);
    return function ? (lt_jv){.type = LT_JV_FUNCTION, .function = function} : lt_jv_missing();
}

void lt_jinja_enter_scope(lt_jrun *run, lt_jactivation *act, const lt_jscope *scope)
{
    lt_jinja_charge(run, 1 + scope->count);
    for (int i = 0; i < scope->count; i++) {
        const lt_jload *load = &scope->loads[i];
        switch (load->kind) {
        case LT_JL_PARAMETER:
            break;
        case LT_JL_CONTEXT:
            act->slots[load->slot] = context_variable(run, load->name);
            break;
        case LT_JL_ALIAS:
            act->slots[load->slot] = *lt_jinja_slot(act, load->alias);
            break;
        case LT_JL_UNSET:
            act->slots[load->slot] = lt_jv_missing();
            break;
        }
    }
}

/* ---- macros ---------------------------------------------------------------------------------------------------- */

lt_jv lt_jinja_macro_value(lt_jrun *run, const lt_jnode *node, lt_jactivation *act)
{
    lt_jv_macro *macro = lt_jinja_alloc(run, sizeof *macro);
    *macro = (lt_jv_macro){node, act};
    return (lt_jv){.type = LT_JV_MACRO, .macro = macro};
}

/* Takes the keyword out of those that are left. */
static lt_jv pop_keyword(lt_jargs *left, const char *name)
{
    size_t size = strlen(name);
    for (int64_t i = 0; i < left->keyword_count; i++) {
        if (lt_jv_is_text(left->keywords[i].name, name, size)) {
            lt_jv value = left->keywords[i].value;
            left->keyword_count--;
            memmove(&left->keywords[i], &left->keywords[i + 1],
                    (size_t)(left->keyword_count - i) * sizeof *left->keywords);
            return value;
        }
    }
    return lt_jv_missing();
}

static void store_extra(lt_jrun *run, lt_jactivation *act, const lt_jv_macro *macro, lt_jargs *left, bool found_caller)
{
    const lt_jcallable *callable = macro->node->callable;
    const char *name = macro->node->name ? macro->node->name : "caller";
    int64_t parameters = callable->parameters.count;
    if (callable->takes_caller && !found_caller) {
        lt_jv caller = pop_keyword(left, "caller");
        if (caller.type == LT_JV_MISSING || caller.type == LT_JV_NONE)
            caller = lt_jv_undefined_new(run, "No caller defined");
        *lt_jinja_slot(act, callable->caller) = caller;
    }
    if (callable->takes_kwargs) {
        lt_jv_dict *dict = lt_jv_dict_new(run);
        for (int64_t i = 0; i < left->keyword_count; i++)
            lt_jv_dict_set(run, dict, left->keywords[i].name, left->keywords[i].value);
        *lt_jinja_slot(act, callable->kwargs) = lt_jv_from_dict(dict);
    } else if (left->keyword_count) {
        lt_jinja_raise(run, "macro '%s' takes no keyword argument %s", name, lt_jv_brief(run, left->keywords[0].name));
    }
    if (callable->takes_varargs) {
        lt_jv_list *rest = lt_jv_list_new(run, 0);
        for (int64_t i = parameters; i < left->count; i++)
            lt_jv_list_add(run, rest, left->positional[i]);
        *lt_jinja_slot(act, callable->varargs) = lt_jv_tuple(rest);
    } else if (left->count > parameters) {
        lt_jinja_raise(run, "macro '%s' takes not more than %lld argument(s)", name, (long long)parameters);
    }
}

static void store_arguments(lt_jrun *run, lt_jactivation *act, const lt_jv_macro *macro, const lt_jargs *args)
{
    const lt_jcallable *callable = macro->node->callable;
    lt_jargs left = *args;
    bool found_caller = false;
    int64_t i = 0;
    left.keywords = lt_jinja_alloc(run, (size_t)args->keyword_count * sizeof *left.keywords);
    if (args->keyword_count)
        memcpy(left.keywords, args->keywords, (size_t)args->keyword_count * sizeof *left.keywords);
    for (const lt_jnode *p = callable->parameters.first; p; p = p->next, i++) {
        bool given = i < args->count;
        act->slots[p->ref.slot] = given ? args->positional[i] : pop_keyword(&left, p->name);
        found_caller |= strcmp(p->name, "caller") == 0;
    }
    store_extra(run, act, macro, &left, found_caller);
    lt_jinja_enter_scope(run, act, callable->scope);
    for (const lt_jnode *p = callable->parameters.first; p; p = p->next) {
        lt_jv *slot = &act->slots[p->ref.slot];
        if (slot->type != LT_JV_MISSING)
            continue;
        lt_jv value =
            p->a ? lt_jeval(run, act, p->a) : lt_jv_undefined_new(run, "parameter '%.100s' was not provided", p->name);
        *slot = value;
    }
}

lt_jv lt_jinja_call_macro(lt_jrun *run, const lt_jv_macro *macro, const lt_jargs *args)
{
    const lt_jcallable *callable = macro->node->callable;
    lt_jinja_enter(run);
    int line = run->line;
    lt_jactivation *act = lt_jinja_activate(run, callable->code, macro->activation);
    store_arguments(run, act, macro, args);
    size_t size, mark = lt_jinja_capture(run);
    lt_jexec(run, act, &callable->body);
    const char *text = lt_jinja_capture_end(run, mark, &size);
    run->line = line;
    run->depth--;
    return lt_jv_string(text, size);
}

/* ---- loops ----------------------------------------------------------------------------------------------------- */

static bool peek(lt_jrun *run, lt_jv_loop *loop)
{
    if (!loop->has_after && !loop->ended) {
        loop->has_after = lt_jinja_next(run, loop->iterator, &loop->after);
        loop->ended = !loop->has_after;
    }
    return loop->has_after;
}

static int64_t loop_length(lt_jrun *run, lt_jv_loop *loop)
{
    if (loop->length < 0)
        loop->length = lt_jv_length(loop->iterable);
    if (loop->length < 0) {
        /* No length of its own: take the rest now. */
        lt_jv_list *rest = lt_jv_list_new(run, 0);
        for (lt_jv item; !loop->ended && lt_jinja_next(run, loop->iterator, &item);)
            lt_jv_list_add(run, rest, item);
        loop->iterator = lt_jinja_iterate(run, lt_jv_from_list(rest));
        loop->length = rest->count + loop->index0 + 1 + loop->has_after;
    }
    return loop->length;
}

lt_jv lt_jinja_loop_attribute(lt_jrun *run, lt_jv_loop *loop, const char *name, size_t size)
{
    static const char *const NAMES[] = {"index",     "index0", "first",  "last",     "length",  "revindex",
                                        "revindex0", "depth",  "depth0", "previtem", "nextitem"};
    size_t which = 0;
    while (which < sizeof NAMES / sizeof *NAMES &&
           (strlen(NAMES[which]) != size || memcmp(NAMES[which], name, size) != 0))
        which++;
    switch (which) {
    case 0:
        return lt_jv_int(loop->index0 + 1);
    case 1:
        return lt_jv_int(loop->index0);
    case 2:
        return lt_jv_bool(loop->index0 == 0);
    case 3:
        return lt_jv_bool(!peek(run, loop));
    case 4:
        return lt_jv_int(loop_length(run, loop));
    case 5:
        return lt_jv_int(loop_length(run, loop) - loop->index0);
    case 6:
        return lt_jv_int(loop_length(run, loop) - loop->index0 - 1);
    case 7:
        return lt_jv_int(loop->depth0 + 1);
    case 8:
        return lt_jv_int(loop->depth0);
    case 9:
        return loop->index0 == 0 ? lt_jv_undefined_new(run, "there is no previous item") : loop->before;
    case 10:
        return peek(run, loop) ? loop->after : lt_jv_undefined_new(run, "there is no next item");
    default:
        return lt_jv_missing();
    }
}

static bool loop_next(lt_jrun *run, lt_jv_loop *loop)
{
    if (!peek(run, loop))
        return false;
    loop->has_after = false;
    loop->index0++;
    loop->before = loop->current;
    loop->current = loop->after;
    return true;
}

/* The iterator of `for … if test`: items that pass. */
typedef struct filtered {
    lt_jv_iterator base;
    const lt_jfor *loop;
    lt_jactivation *act;
} filtered;

static bool next_passing(lt_jrun *run, lt_jv_iterator *it, lt_jv *item)
{
    filtered *f = (filtered *)it;
    while (lt_jinja_next(run, f->base.inner, item)) {
        lt_jexec_assign(run, f->act, f->loop->test_target, *item);
        if (lt_jv_truth(run, lt_jeval(run, f->act, f->loop->test)))
            return true;
    }
    return false;
}

static lt_jv filter_items(lt_jrun *run, lt_jactivation *outer, const lt_jfor *loop, lt_jv iterable)
{
    filtered *f = lt_jinja_alloc_zero(run, sizeof *f);
    f->base.next = next_passing;
    f->base.type_name = "generator";
    f->base.inner = lt_jinja_iterate(run, iterable);
    f->loop = loop;
    f->act = lt_jinja_activate(run, loop->test_code, outer);
    lt_jinja_enter_scope(run, f->act, loop->test_scope);
    return lt_jv_from_iterator(&f->base);
}

/* Runs the body for every item. outer is where the test of a `for … if` finds its variables. */
static lt_jflow run_loop(lt_jrun *run, lt_jactivation *act, lt_jactivation *outer, const lt_jnode *node, lt_jv iterable,
                         int64_t depth0)
{
    const lt_jfor *f = node->loop;
    bool completed = false; /* jinja2 runs the else part also when every body was left by break or continue */
    if (f->test)
        iterable = filter_items(run, outer, f, iterable);
    lt_jv_loop *loop = lt_jinja_alloc_zero(run, sizeof *loop);
    loop->iterable = iterable;
    loop->iterator = lt_jinja_iterate(run, iterable);
    loop->index0 = loop->length = -1;
    loop->depth0 = depth0;
    loop->recurse = f->recursive ? node : NULL;
    loop->activation = outer;
    while (f->extended ? loop_next(run, loop) : lt_jinja_next(run, loop->iterator, &loop->current)) {
        if (f->extended)
            *lt_jinja_slot(act, f->loop) = (lt_jv){.type = LT_JV_LOOP, .loop = loop};
        lt_jexec_assign(run, act, f->target, loop->current);
        lt_jinja_enter_scope(run, act, f->body_scope);
        lt_jflow flow = lt_jexec(run, act, &f->body);
        if (flow == LT_JF_BREAK)
            break;
        completed |= flow == LT_JF_NEXT;
    }
    if (completed || !f->otherwise.first)
        return LT_JF_NEXT;
    lt_jinja_enter_scope(run, act, f->else_scope);
    return lt_jexec(run, act, &f->otherwise);
}

static lt_jv recurse(lt_jrun *run, lt_jactivation *outer, const lt_jnode *node, lt_jv iterable, int64_t depth0)
{
    lt_jinja_enter(run);
    lt_jactivation *act = lt_jinja_activate(run, node->loop->code, outer);
    size_t size, mark = lt_jinja_capture(run);
    run_loop(run, act, outer, node, iterable, depth0);
    const char *text = lt_jinja_capture_end(run, mark, &size);
    run->depth--;
    return lt_jv_string(text, size);
}

lt_jflow lt_jinja_run_for(lt_jrun *run, lt_jactivation *act, const lt_jnode *node)
{
    lt_jv iterable = lt_jeval(run, act, node->loop->iterable);
    if (!node->loop->recursive)
        return run_loop(run, act, act, node, iterable, 0);
    lt_jv text = recurse(run, act, node, iterable, 0);
    lt_jinja_write(run, text.text, text.size);
    return LT_JF_NEXT;
}

lt_jv lt_jinja_call_loop(lt_jrun *run, lt_jv_loop *loop, const lt_jargs *args)
{
    lt_jv bound[LT_JINJA_MAX_PARAMETERS];
    lt_jinja_bind(run, "loop", "iterable", 1, args, bound);
    if (!loop->recurse)
        lt_jinja_raise(run, "the loop must have the 'recursive' marker to be called recursively");
    return recurse(run, loop->activation, loop->recurse, bound[0], loop->depth0 + 1);
}

static lt_jv loop_cycle(lt_jrun *run, lt_jv self, const lt_jargs *args)
{
    if (args->count == 0 || args->keyword_count)
        lt_jinja_raise(run, "no items for cycling given");
    return args->positional[self.loop->index0 % args->count];
}

static lt_jv loop_changed(lt_jrun *run, lt_jv self, const lt_jargs *args)
{
    lt_jv_list *list = lt_jv_list_new(run, args->count);
    if (args->keyword_count)
        lt_jinja_raise(run, "changed() takes no keyword arguments");
    for (int64_t i = 0; i < args->count; i++)
        lt_jv_list_add(run, list, args->positional[i]);
    lt_jv now = lt_jv_tuple(list), *last = &self.loop->last_changed;
    if (last->type != LT_JV_MISSING && lt_jv_equal(run, *last, now))
        return lt_jv_bool(false);
    *last = now;
    return lt_jv_bool(true);
}

const lt_jmethod_row lt_jinja_loop_methods[] = {
    {.name = "cycle", .free = loop_cycle},
    {.name = "changed", .free = loop_changed},
    {0},
};
