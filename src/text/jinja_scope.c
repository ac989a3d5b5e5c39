/* Which variable a name means. jinja2 decides this when it compiles a template, and some of what it decides is
 * surprising, so the same analysis is done here:
 *
 * A template, macro, call block, recursive loop and loop test become functions; loops, set blocks, with … are scopes
 * within one. A name that a scope sets anywhere is the scope's own throughout: it starts as a copy of the variable
 * around (alias), or without a value. A name that is only read is looked up outwards, and at the outermost scope in the
 * context. The branches of an if share the scope around; a name set in one of them only starts as what it was before.
 *
 * Every variable gets a slot in its function. What entering a scope stores where is its list of loads. */
#include <string.h>

#include "text/jinja_builtin.h"
#include "text/jinja_names.h"

typedef struct resolver {
    lt_jrun *run;
    lt_jinja_template *template;
    const lt_jnames *root;
    lt_jcode *code; /* the function being resolved */
    int for_depth;
} resolver;

static void resolve_list(resolver *r, lt_jnames *s, const lt_jlist *list, bool soft);
static void resolve(resolver *r, lt_jnames *s, lt_jnode *node, bool soft);

static lt_jref reference(resolver *r, const lt_jvariable *v)
{
    lt_jref ref = {0, v->slot};
    for (const lt_jcode *code = r->code; code != v->code; code = code->outer)
        ref.hops++;
    return ref;
}

static lt_jref resolve_name(resolver *r, lt_jnames *s, const lt_jnode *node)
{
    const lt_jvariable *v = lt_jnames_find(r->run, s, node->name);
    if (!v) {
        r->run->line = node->line;
        lt_jinja_raise(r->run, "the name '%s' cannot be used in the filter of a set block", node->name);
    }
    return reference(r, v);
}

/* The finished list of loads of a scope. Aliases are looked up from the function the scope is in. */
static lt_jscope *finish(resolver *r, const lt_jnames *s)
{
    lt_jscope *scope = lt_jinja_alloc(r->run, sizeof *scope);
    scope->loads = lt_jinja_alloc(r->run, (size_t)s->start_count * sizeof *scope->loads);
    scope->count = (int)s->start_count;
    for (int64_t i = 0; i < s->start_count; i++) {
        const lt_jstart *from = &s->starts[i];
        scope->loads[i] = (lt_jload){from->target->slot, from->kind, from->target->name, {0, 0}};
        if (from->kind == LT_JL_ALIAS)
            scope->loads[i].alias = reference(r, from->alias);
    }
    return scope;
}

static lt_jcode *new_code(resolver *r, lt_jcode *outer)
{
    lt_jcode *code = lt_jinja_alloc_zero(r->run, sizeof *code);
    code->outer = outer;
    return code;
}

static void resolve_target(resolver *r, lt_jnames *s, lt_jnode *target)
{
    if (target->kind == LT_JN_TUPLE) {
        for (lt_jnode *item = target->list.first; item; item = item->next)
            resolve_target(r, s, item);
        return;
    }
    if (r->for_depth && target->kind == LT_JN_NAME && strcmp(target->name, "loop") == 0) {
        r->run->line = target->line;
        lt_jinja_raise(r->run, "cannot assign to the special variable 'loop' in a for loop");
    }
    target->ref = resolve_name(r, s, target);
}

static lt_jnode *clone_target(resolver *r, const lt_jnode *target)
{
    lt_jnode *copy = lt_jinja_alloc(r->run, sizeof *copy);
    *copy = *target;
    copy->list = (lt_jlist){0};
    for (const lt_jnode *item = target->list.first; item; item = item->next) {
        lt_jnode *part = clone_target(r, item);
        part->next = NULL;
        if (copy->list.last)
            copy->list.last->next = part;
        else
            copy->list.first = part;
        copy->list.last = part;
        copy->list.count++;
    }
    return copy;
}

static void resolve_for_test(resolver *r, lt_jnames *s, lt_jfor *loop)
{
    lt_jcode *around = r->code;
    r->code = loop->test_code = new_code(r, around);
    lt_jnames *test = lt_jnames_new(r->run, s, loop->test_code);
    lt_jnames_collect_target(r->run, test, loop->target, true);
    lt_jnames_collect(r->run, test, loop->test);
    loop->test_target = clone_target(r, loop->target);
    resolve_target(r, test, loop->test_target);
    resolve(r, test, loop->test, false);
    loop->test_scope = finish(r, test);
    r->code = around;
}

static void resolve_for(resolver *r, lt_jnames *s, lt_jnode *node, bool soft)
{
    lt_jfor *loop = node->loop;
    lt_jcode *around = r->code;
    resolve(r, s, loop->iterable, soft);
    r->for_depth++;
    if (loop->test)
        resolve_for_test(r, s, loop);
    if (loop->recursive)
        r->code = loop->code = new_code(r, around);
    lt_jnames *body = lt_jnames_new(r->run, s, r->code), *otherwise = lt_jnames_new(r->run, s, r->code);
    loop->extended = loop->recursive || lt_jnames_mentions(r->run, &loop->body, "loop");
    if (loop->extended)
        loop->loop = reference(r, lt_jnames_add_parameter(r->run, body, r->template->loop_name));
    lt_jnames_collect_target(r->run, body, loop->target, true);
    lt_jnames_collect_list(r->run, body, &loop->body);
    lt_jnames_collect_list(r->run, otherwise, &loop->otherwise);
    resolve_target(r, body, loop->target);
    resolve_list(r, body, &loop->body, false);
    resolve_list(r, otherwise, &loop->otherwise, false);
    loop->body_scope = finish(r, body);
    loop->else_scope = finish(r, otherwise);
    r->code = around;
    r->for_depth--;
}

static void take_special(resolver *r, lt_jnames *inner, lt_jcallable *callable, const char *name, bool *takes,
                         lt_jref *ref)
{
    if (!lt_jnames_mentions(r->run, &callable->body, name))
        return;
    for (const lt_jnode *p = callable->parameters.first; p; p = p->next) {
        if (strcmp(p->name, name) != 0)
            continue;
        if (strcmp(name, "caller") == 0 && !p->a)
            lt_jinja_raise(r->run, "the parameter 'caller' of a macro must have a default");
        return;
    }
    *takes = true;
    *ref = reference(r, lt_jnames_add_parameter(r->run, inner, name));
}

/* A macro, call block or generation; a block, whose scope has nothing around it. */
static void resolve_callable(resolver *r, lt_jnames *s, lt_jnode *node)
{
    lt_jcallable *callable = node->callable;
    lt_jcode *around = r->code;
    bool block = node->kind == LT_JN_BLOCK;
    r->code = callable->code = new_code(r, block ? NULL : around);
    lt_jnames *inner = lt_jnames_new(r->run, block ? NULL : s, callable->code);
    if (!block) {
        take_special(r, inner, callable, r->template->caller_name, &callable->takes_caller, &callable->caller);
        take_special(r, inner, callable, r->template->kwargs_name, &callable->takes_kwargs, &callable->kwargs);
        take_special(r, inner, callable, r->template->varargs_name, &callable->takes_varargs, &callable->varargs);
    }
    for (lt_jnode *p = callable->parameters.first; p; p = p->next)
        lt_jnames_add_parameter(r->run, inner, p->name);
    for (lt_jnode *p = callable->parameters.first; p; p = p->next)
        lt_jnames_collect(r->run, inner, p->a);
    lt_jnames_collect_list(r->run, inner, &callable->body);
    for (lt_jnode *p = callable->parameters.first; p; p = p->next) {
        p->ref = resolve_name(r, inner, p);
        resolve(r, inner, p->a, false);
    }
    resolve_list(r, inner, &callable->body, false);
    callable->scope = finish(r, inner);
    r->code = around;
}

static void resolve_arguments(resolver *r, lt_jnames *s, lt_jarguments *arguments, bool soft)
{
    resolve_list(r, s, &arguments->positional, soft);
    resolve_list(r, s, &arguments->keywords, soft);
    resolve(r, s, arguments->star, soft);
    resolve(r, s, arguments->star_star, soft);
}

static void resolve_builtin(resolver *r, lt_jnode *node, bool soft)
{
    bool filter = node->kind == LT_JN_FILTER;
    size_t size = strlen(node->name);
    node->builtin =
        filter ? (const void *)lt_jinja_find_filter(node->name, size) : lt_jinja_find_test(node->name, size);
    if (!node->builtin && !soft) {
        r->run->line = node->line;
        lt_jinja_raise(r->run, "no %s named '%s'", filter ? "filter" : "test", node->name);
    }
}

/* A set block, filter block, with or scope: statements in a scope of their own, in the same function. */
static void resolve_inner(resolver *r, lt_jnames *s, lt_jnode *node, bool soft)
{
    lt_jnames *inner = lt_jnames_new(r->run, s, s->code);
    for (lt_jnode *target = node->kind == LT_JN_WITH ? node->otherwise.first : NULL; target; target = target->next) {
        resolve(r, s, target->b, soft);
        lt_jnames_collect_target(r->run, inner, target, true);
    }
    lt_jnames_collect_list(r->run, inner, &node->list);
    if (node->kind == LT_JN_FILTER_BLOCK)
        lt_jnames_collect(r->run, inner, node->a);
    for (lt_jnode *target = node->kind == LT_JN_WITH ? node->otherwise.first : NULL; target; target = target->next)
        resolve_target(r, inner, target);
    resolve_list(r, inner, &node->list, false);
    if (node->kind == LT_JN_FILTER_BLOCK)
        resolve(r, inner, node->a, false);
    if (node->kind == LT_JN_SET_BLOCK) {
        resolve_target(r, s, node->a);
        resolve(r, inner, node->b, false);
    }
    node->scope = finish(r, inner);
}

static void resolve_list(resolver *r, lt_jnames *s, const lt_jlist *list, bool soft)
{
    for (lt_jnode *node = list->first; node; node = node->next)
        resolve(r, s, node, soft);
}

static void resolve(resolver *r, lt_jnames *s, lt_jnode *node, bool soft)
{
    if (!node)
        return;
    lt_jinja_charge(r->run, 1);
    lt_jinja_enter(r->run);
    node->exported = s == r->root && r->template->has_blocks;
    switch (node->kind) {
    case LT_JN_NAME:
        node->ref = resolve_name(r, s, node);
        break;
    case LT_JN_FILTER:
    case LT_JN_TEST:
        resolve_builtin(r, node, soft);
        /* fall through */
    case LT_JN_CALL:
        resolve(r, s, node->a, soft);
        resolve_arguments(r, s, node->arguments, soft);
        break;
    case LT_JN_IF:
    case LT_JN_CONDITION:
        resolve(r, s, node->a, true);
        resolve(r, s, node->b, true);
        resolve(r, s, node->c, true);
        resolve_list(r, s, &node->list, true);
        resolve_list(r, s, &node->otherwise, true);
        break;
    case LT_JN_FOR:
        resolve_for(r, s, node, soft);
        break;
    case LT_JN_CALL_BLOCK:
        resolve(r, s, node->a, soft);
        resolve_callable(r, s, node);
        break;
    case LT_JN_MACRO:
        resolve_callable(r, s, node);
        node->ref = resolve_name(r, s, node);
        break;
    case LT_JN_GENERATION:
    case LT_JN_BLOCK:
        resolve_callable(r, s, node);
        break;
    case LT_JN_SET:
        resolve(r, s, node->b, soft);
        resolve_target(r, s, node->a);
        break;
    case LT_JN_SET_BLOCK:
    case LT_JN_FILTER_BLOCK:
    case LT_JN_WITH:
    case LT_JN_SCOPE:
        resolve_inner(r, s, node, soft);
        break;
    default:
        resolve(r, s, node->a, soft);
        resolve(r, s, node->b, soft);
        resolve(r, s, node->c, soft);
        resolve_list(r, s, &node->list, soft);
        break;
    }
    r->run->depth--;
}

void lt_jinja_resolve(lt_jrun *run, lt_jinja_template *template)
{
    resolver r = {.run = run, .template = template, .code = &template->code};
    lt_jnames *root = lt_jnames_new(run, NULL, &template->code);
    r.root = root;
    lt_jnames_collect_list(run, root, &template->body);
    resolve_list(&r, root, &template->body, false);
    template->scope = finish(&r, root);
}
