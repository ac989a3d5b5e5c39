/* Statements. */
#include "text/jinja_eval.h"

#include <stdlib.h>
#include <string.h>

void lt_jexec_print(lt_jrun *run, lt_jv value)
{
    lt_jv text = lt_jv_str(run, value);
    lt_jinja_write(run, text.text, text.size);
}

/* ---- assignment ------------------------------------------------------------------------------------------------ */

static void assign_tuple(lt_jrun *run, lt_jactivation *act, const lt_jnode *target, lt_jv value)
{
    lt_jv_iterator *it = lt_jinja_try_iterate(run, value);
    lt_jv item;
    if (!it)
        lt_jinja_raise(run, "cannot unpack '%s' into %d names", lt_jv_type_name(value), target->list.count);
    /* All items first: with the wrong number of them nothing is assigned. */
    lt_jv_list *items = lt_jv_list_new(run, target->list.count);
    while (items->count < target->list.count && lt_jinja_next(run, it, &item))
        lt_jv_list_add(run, items, item);
    if (items->count < target->list.count)
        lt_jinja_raise(run, "not enough values to unpack (expected %d, got %lld)", target->list.count,
                       (long long)items->count);
    if (lt_jinja_next(run, it, &item))
        lt_jinja_raise(run, "too many values to unpack (expected %d)", target->list.count);
    int64_t i = 0;
    for (const lt_jnode *part = target->list.first; part; part = part->next)
        lt_jexec_assign(run, act, part, items->items[i++]);
}

void lt_jexec_assign(lt_jrun *run, lt_jactivation *act, const lt_jnode *target, lt_jv value)
{
    if (target->kind == LT_JN_TUPLE) {
        lt_jinja_enter(run);
        assign_tuple(run, act, target, value);
        run->depth--;
    } else if (target->kind == LT_JN_NSREF) {
        lt_jv attribute = target->a->value;
        if (attribute.size && attribute.text[0] == '_')
            lt_jinja_raise(run, "a namespace takes no attribute that begins with an underscore");
        lt_jv_dict_set(run, lt_jinja_slot(act, target->ref)->dict, attribute, value);
    } else {
        *lt_jinja_slot(act, target->ref) = value;
    }
}

/* Before the value is evaluated: what stands in front of a dot must be a namespace. */
static void check_namespaces(lt_jrun *run, lt_jactivation *act, const lt_jnode *target)
{
    if (target->kind == LT_JN_NSREF && lt_jinja_slot(act, target->ref)->type != LT_JV_NAMESPACE)
        lt_jinja_raise(run, "cannot assign attribute '%s' of '%s': it is not a namespace", target->a->value.text,
                       target->name);
    for (const lt_jnode *part = target->list.first; part; part = part->next)
        check_namespaces(run, act, part);
}

/* Blocks see what the top of the template has set. */
static void export_names(lt_jrun *run, lt_jactivation *act, const lt_jnode *target)
{
    if (target->kind == LT_JN_NAME)
        lt_jv_dict_set(run, run->exported, lt_jv_string_z(target->name), *lt_jinja_slot(act, target->ref));
    for (const lt_jnode *part = target->list.first; part; part = part->next)
        export_names(run, act, part);
}

static lt_jflow exec_set(lt_jrun *run, lt_jactivation *act, const lt_jnode *node)
{
    check_namespaces(run, act, node->a);
    lt_jexec_assign(run, act, node->a, lt_jeval(run, act, node->b));
    if (node->exported)
        export_names(run, act, node->a);
    return LT_JF_NEXT;
}

/* ---- bodies whose text is taken -------------------------------------------------------------------------------- */

static lt_jflow capture_body(lt_jrun *run, lt_jactivation *act, const lt_jnode *node, lt_jv *text)
{
    size_t size, mark = lt_jinja_capture(run);
    lt_jinja_enter_scope(run, act, node->scope);
    lt_jflow flow = lt_jexec(run, act, &node->list);
    const char *bytes = lt_jinja_capture_end(run, mark, &size);
    *text = lt_jv_string(bytes, size);
    return flow;
}

static lt_jflow exec_set_block(lt_jrun *run, lt_jactivation *act, const lt_jnode *node)
{
    lt_jv text;
    lt_jflow flow = capture_body(run, act, node, &text);
    if (flow != LT_JF_NEXT)
        return flow;
    if (node->b)
        text = lt_jeval_filters(run, act, node->b, text);
    check_namespaces(run, act, node->a);
    lt_jexec_assign(run, act, node->a, text);
    if (node->exported)
        export_names(run, act, node->a);
    return LT_JF_NEXT;
}

/* What a call block or filter block gives must be text: it is not converted. */
static void write_text(lt_jrun *run, const lt_jnode *node, lt_jv value)
{
    run->line = node->line;
    if (value.type != LT_JV_STRING)
        lt_jinja_raise(run, "the block gives '%s', not a string", lt_jv_type_name(value));
    lt_jinja_write(run, value.text, value.size);
}

static lt_jflow exec_filter_block(lt_jrun *run, lt_jactivation *act, const lt_jnode *node)
{
    lt_jv text;
    lt_jflow flow = capture_body(run, act, node, &text);
    if (flow == LT_JF_NEXT)
        write_text(run, node, lt_jeval_filters(run, act, node->a, text));
    return flow;
}

static lt_jflow exec_call_block(lt_jrun *run, lt_jactivation *act, const lt_jnode *node)
{
    lt_jargs args;
    const lt_jnode *call = node->a;
    lt_jv caller = lt_jinja_macro_value(run, node, act), callee = lt_jeval(run, act, call->a);
    lt_jeval_arguments(run, act, call->arguments, &args);
    lt_jkeyword *keywords = lt_jinja_alloc(run, (size_t)(args.keyword_count + 1) * sizeof *keywords);
    for (int64_t i = 0; i < args.keyword_count; i++) {
        keywords[i] = args.keywords[i];
        if (lt_jv_is_text(keywords[i].name, "caller", 6))
            lt_jinja_raise(run, "a call block passes 'caller' itself");
    }
    keywords[args.keyword_count++] = (lt_jkeyword){lt_jv_string_z("caller"), caller};
    args.keywords = keywords;
    write_text(run, node, lt_jinja_call(run, callee, &args));
    return LT_JF_NEXT;
}

/* ---- {% generation %} ------------------------------------------------------------------------------------------ */

static void add_span(lt_jrun *run, size_t begin, size_t end)
{
    lt_jinja_spans *spans = run->spans;
    if (spans->count == spans->capacity) {
        size_t capacity = spans->capacity ? spans->capacity * 2 : 8;
        lt_jinja_span *items = realloc(spans->items, capacity * sizeof *items);
        if (!items)
            lt_jinja_raise_status(run, LT_ERR_MEMORY, "out of memory");
        spans->items = items;
        spans->capacity = capacity;
    }
    spans->items[spans->count++] = (lt_jinja_span){begin, end};
}

/* The body is a function of its own, as with a call block, but its text goes straight to the output. */
static lt_jflow exec_generation(lt_jrun *run, lt_jactivation *act, const lt_jnode *node)
{
    const lt_jcallable *callable = node->callable;
    lt_jactivation *inner = lt_jinja_activate(run, callable->code, act);
    size_t begin = run->out->size;
    if (callable->takes_caller)
        *lt_jinja_slot(inner, callable->caller) = lt_jv_undefined_new(run, "No caller defined");
    if (callable->takes_kwargs)
        *lt_jinja_slot(inner, callable->kwargs) = lt_jv_from_dict(lt_jv_dict_new(run));
    if (callable->takes_varargs)
        *lt_jinja_slot(inner, callable->varargs) = lt_jv_tuple(lt_jv_list_new(run, 0));
    lt_jinja_enter_scope(run, inner, callable->scope);
    run->generations++;
    lt_jexec(run, inner, &callable->body);
    run->generations--;
    if (run->spans && run->generations == 0 && run->captures == 0)
        add_span(run, begin, run->out->size);
    else if (run->spans && run->generations == 0)
        run->spans->misplaced = true;
    return LT_JF_NEXT;
}

/* ---- the rest -------------------------------------------------------------------------------------------------- */

static lt_jflow exec_if(lt_jrun *run, lt_jactivation *act, const lt_jnode *node)
{
    for (;;) {
        if (lt_jv_truth(run, lt_jeval(run, act, node->a)))
            return lt_jexec(run, act, &node->list);
        const lt_jnode *next = node->otherwise.first;
        if (!next || next != node->otherwise.last || next->kind != LT_JN_IF)
            return lt_jexec(run, act, &node->otherwise);
        node = next; /* an elif */
        run->line = node->line;
    }
}

static lt_jflow exec_with(lt_jrun *run, lt_jactivation *act, const lt_jnode *node)
{
    lt_jinja_enter_scope(run, act, node->scope);
    for (const lt_jnode *target = node->otherwise.first; target; target = target->next)
        lt_jexec_assign(run, act, target, lt_jeval(run, act, target->b));
    return lt_jexec(run, act, &node->list);
}

static lt_jflow exec_macro(lt_jrun *run, lt_jactivation *act, const lt_jnode *node)
{
    lt_jv macro = lt_jinja_macro_value(run, node, act);
    *lt_jinja_slot(act, node->ref) = macro;
    if (node->exported)
        lt_jv_dict_set(run, run->exported, lt_jv_string_z(node->name), macro);
    return LT_JF_NEXT;
}

static lt_jflow exec_block(lt_jrun *run, const lt_jnode *node)
{
    lt_jactivation *act = lt_jinja_activate(run, node->callable->code, NULL);
    lt_jinja_enter_scope(run, act, node->callable->scope);
    return lt_jexec(run, act, &node->callable->body);
}

static lt_jflow exec_statement(lt_jrun *run, lt_jactivation *act, const lt_jnode *node)
{
    switch (node->kind) {
    case LT_JN_TEXT:
        lt_jinja_write(run, node->value.text, node->value.size);
        return LT_JF_NEXT;
    case LT_JN_PRINT:
        lt_jexec_print(run, lt_jeval(run, act, node->a));
        return LT_JF_NEXT;
    case LT_JN_IF:
        return exec_if(run, act, node);
    case LT_JN_FOR:
        return lt_jinja_run_for(run, act, node);
    case LT_JN_SET:
        return exec_set(run, act, node);
    case LT_JN_SET_BLOCK:
        return exec_set_block(run, act, node);
    case LT_JN_MACRO:
        return exec_macro(run, act, node);
    case LT_JN_CALL_BLOCK:
        return exec_call_block(run, act, node);
    case LT_JN_FILTER_BLOCK:
        return exec_filter_block(run, act, node);
    case LT_JN_GENERATION:
        return exec_generation(run, act, node);
    case LT_JN_WITH:
        return exec_with(run, act, node);
    case LT_JN_SCOPE:
        lt_jinja_enter_scope(run, act, node->scope);
        return lt_jexec(run, act, &node->list);
    case LT_JN_BLOCK:
        return exec_block(run, node);
    case LT_JN_BREAK:
        return LT_JF_BREAK;
    case LT_JN_CONTINUE:
        return LT_JF_CONTINUE;
    default:
        lt_jinja_raise(run, "there is nothing to include or import from: a chat template stands alone");
    }
}

lt_jflow lt_jexec(lt_jrun *run, lt_jactivation *act, const lt_jlist *body)
{
    lt_jinja_enter(run);
    lt_jflow flow = LT_JF_NEXT;
    for (const lt_jnode *node = body->first; node && flow == LT_JF_NEXT; node = node->next) {
        lt_jinja_charge(run, 1);
        run->line = node->line;
        flow = exec_statement(run, act, node);
    }
    run->depth--;
    return flow;
}
