/* Which variable a name means. jinja2 decides this when it compiles a template, and some of what it decides is
 * surprising, so the same analysis is done here:
 *
 * A template, macro, call block, recursive loop and loop test become functions; loops, set blocks, with … are scopes
 * within one. A name that a scope sets anywhere is the scope's own throughout: it starts as a copy of the variable around
 * (alias), or without a value. A name that is only read is looked up outwards, and at the outermost scope in the
 * context. The branches of an if share the scope around; a name set in one of them only starts as what it was before.
 *
 * Every variable gets a slot in its function. What entering a scope stores where is its list of loads. */
#include <string.h>

#include "text/jinja_builtin.h"

typedef struct variable {
    const char *name;
    lt_jcode *code;
    int slot;
    struct variable *next;
} variable;

typedef struct load {
    variable *target;
    lt_jload_kind kind;
    const variable *alias;
} load;

/* The names of one scope as known so far. The branches of an if work on copies, which share `own`. */
typedef struct symbols {
    struct symbols *parent;
    lt_jcode *code;
    variable **own; /* list of the variables of this scope */
    struct name_ref {
        const char *name;
        variable *target;
    } *refs;
    load *loads;
    const char **stores;
    int64_t ref_count, ref_capacity, load_count, load_capacity, store_count, store_capacity;
} symbols;

typedef struct resolver {
    lt_jrun *run;
    lt_jinja_template *template;
    const symbols *root;
    lt_jcode *code; /* the function being resolved */
    int for_depth;
} resolver;

static void resolve_list(resolver *r, symbols *s, const lt_jlist *list, bool soft);
static void resolve(resolver *r, symbols *s, lt_jnode *node, bool soft);
static void find_list(resolver *r, symbols *s, const lt_jlist *list);
static void find(resolver *r, symbols *s, const lt_jnode *node);

/* ---- tables of names -------------------------------------------------------------------------------------------- */

static symbols *new_symbols(resolver *r, symbols *parent, lt_jcode *code)
{
    symbols *s = lt_jinja_alloc_zero(r->run, sizeof *s);
    s->parent = parent;
    s->code = code;
    s->own = lt_jinja_alloc_zero(r->run, sizeof *s->own);
    return s;
}

static void *copy_array(resolver *r, const void *items, int64_t count, int64_t *capacity, size_t item_bytes)
{
    *capacity = count;
    void *copy = lt_jinja_alloc(r->run, (size_t)count * item_bytes);
    if (count)
        memcpy(copy, items, (size_t)count * item_bytes);
    lt_jinja_charge(r->run, count);
    return copy;
}

static symbols *copy_symbols(resolver *r, const symbols *from)
{
    symbols *s = lt_jinja_alloc(r->run, sizeof *s);
    *s = *from;
    s->refs = copy_array(r, from->refs, from->ref_count, &s->ref_capacity, sizeof *s->refs);
    s->loads = copy_array(r, from->loads, from->load_count, &s->load_capacity, sizeof *s->loads);
    s->stores = copy_array(r, from->stores, from->store_count, &s->store_capacity, sizeof *s->stores);
    return s;
}

static variable *find_own_ref(resolver *r, const symbols *s, const char *name)
{
    lt_jinja_charge(r->run, 1 + s->ref_count / 8);
    for (int64_t i = 0; i < s->ref_count; i++)
        if (s->refs[i].name == name)
            return s->refs[i].target;
    return NULL;
}

static variable *find_ref(resolver *r, const symbols *s, const char *name)
{
    for (; s; s = s->parent) {
        variable *found = find_own_ref(r, s, name);
        if (found)
            return found;
    }
    return NULL;
}

static void set_ref(resolver *r, symbols *s, const char *name, variable *target)
{
    if (find_own_ref(r, s, name))
        return; /* one scope has one variable of a name */
    if (s->ref_count == s->ref_capacity)
        s->refs = lt_jinja_grow(r->run, s->refs, s->ref_count, &s->ref_capacity, sizeof *s->refs);
    s->refs[s->ref_count++] = (struct name_ref){name, target};
}

static void set_load(resolver *r, symbols *s, load value)
{
    lt_jinja_charge(r->run, 1 + s->load_count / 8);
    for (int64_t i = 0; i < s->load_count; i++) {
        if (s->loads[i].target == value.target) {
            s->loads[i] = value;
            return;
        }
    }
    if (s->load_count == s->load_capacity)
        s->loads = lt_jinja_grow(r->run, s->loads, s->load_count, &s->load_capacity, sizeof *s->loads);
    s->loads[s->load_count++] = value;
}

static bool is_stored(resolver *r, const symbols *s, const char *name)
{
    lt_jinja_charge(r->run, 1 + s->store_count / 8);
    for (int64_t i = 0; i < s->store_count; i++)
        if (s->stores[i] == name)
            return true;
    return false;
}

static void add_store(resolver *r, symbols *s, const char *name)
{
    if (is_stored(r, s, name))
        return;
    if (s->store_count == s->store_capacity)
        s->stores = lt_jinja_grow(r->run, s->stores, s->store_count, &s->store_capacity, sizeof *s->stores);
    s->stores[s->store_count++] = name;
}

static variable *define(resolver *r, symbols *s, const char *name, lt_jload_kind kind, const variable *alias)
{
    variable *v = *s->own;
    while (v && v->name != name) {
        lt_jinja_charge(r->run, 1);
        v = v->next;
    }
    if (!v) {
        v = lt_jinja_alloc_zero(r->run, sizeof *v);
        *v = (variable){name, s->code, s->code->slots++, *s->own};
        *s->own = v;
    }
    set_ref(r, s, name, v);
    set_load(r, s, (load){v, kind, alias});
    return v;
}

static void note_load(resolver *r, symbols *s, const char *name)
{
    if (!find_ref(r, s, name))
        define(r, s, name, LT_JL_CONTEXT, NULL);
}

static void note_store(resolver *r, symbols *s, const char *name)
{
    add_store(r, s, name);
    if (find_own_ref(r, s, name))
        return;
    const variable *around = s->parent ? find_ref(r, s->parent, name) : NULL;
    define(r, s, name, around ? LT_JL_ALIAS : LT_JL_UNSET, around);
}

static variable *note_parameter(resolver *r, symbols *s, const char *name)
{
    add_store(r, s, name);
    return define(r, s, name, LT_JL_PARAMETER, NULL);
}

/* After an if: a name that only its branches set starts as what it is outside. */
static void merge_branches(resolver *r, symbols *s, symbols *const *branches, int count)
{
    symbols before = *s; /* the arrays may move, but what `before` sees of them stays */
    for (int b = 0; b < count; b++) {
        for (int64_t i = 0; i < branches[b]->ref_count; i++)
            set_ref(r, s, branches[b]->refs[i].name, branches[b]->refs[i].target);
        for (int64_t i = 0; i < branches[b]->load_count; i++)
            set_load(r, s, branches[b]->loads[i]);
        for (int64_t i = 0; i < branches[b]->store_count; i++)
            add_store(r, s, branches[b]->stores[i]);
    }
    for (int64_t i = before.store_count; i < s->store_count; i++) {
        const char *name = s->stores[i];
        const variable *around = s->parent ? find_ref(r, s->parent, name) : NULL;
        variable *target = find_ref(r, s, name);
        set_load(r, s, (load){target, around ? LT_JL_ALIAS : LT_JL_CONTEXT, around});
    }
}

/* ---- first pass: the names of one scope, without the scopes inside it --------------------------------------------- */

static void find_arguments(resolver *r, symbols *s, const lt_jarguments *arguments)
{
    find_list(r, s, &arguments->positional);
    find_list(r, s, &arguments->keywords);
    find(r, s, arguments->star);
    find(r, s, arguments->star_star);
}

static void find_target(resolver *r, symbols *s, const lt_jnode *target, bool parameter)
{
    if (target->kind == LT_JN_TUPLE) {
        for (const lt_jnode *item = target->list.first; item; item = item->next)
            find_target(r, s, item, parameter);
    } else if (target->kind == LT_JN_NSREF) {
        note_load(r, s, target->name);
    } else if (parameter) {
        note_parameter(r, s, target->name);
    } else {
        note_store(r, s, target->name);
    }
}

static void find_if(resolver *r, symbols *s, const lt_jnode *node)
{
    find(r, s, node->a);
    symbols *branches[2] = {copy_symbols(r, s), copy_symbols(r, s)};
    find_list(r, branches[0], &node->list);
    find_list(r, branches[1], &node->otherwise);
    merge_branches(r, s, branches, 2);
}

static void find_list(resolver *r, symbols *s, const lt_jlist *list)
{
    for (const lt_jnode *node = list->first; node; node = node->next)
        find(r, s, node);
}

static void find(resolver *r, symbols *s, const lt_jnode *node)
{
    if (!node)
        return;
    lt_jinja_charge(r->run, 1);
    lt_jinja_enter(r->run);
    switch (node->kind) {
    case LT_JN_NAME:
        note_load(r, s, node->name);
        break;
    case LT_JN_IF:
        find_if(r, s, node);
        break;
    case LT_JN_FOR:
        find(r, s, node->loop->iterable);
        break;
    case LT_JN_MACRO:
        note_store(r, s, node->name);
        break;
    case LT_JN_SET:
        find(r, s, node->b);
        find_target(r, s, node->a, false);
        break;
    case LT_JN_SET_BLOCK:
        find_target(r, s, node->a, false);
        break;
    case LT_JN_WITH:
        for (const lt_jnode *target = node->otherwise.first; target; target = target->next)
            find(r, s, target->b);
        break;
    case LT_JN_FILTER_BLOCK:
    case LT_JN_CALL_BLOCK:
        find(r, s, node->a);
        break;
    case LT_JN_CONST:
    case LT_JN_NSREF:
    case LT_JN_TEXT:
    case LT_JN_GENERATION:
    case LT_JN_SCOPE:
    case LT_JN_BLOCK:
    case LT_JN_BREAK:
    case LT_JN_CONTINUE:
    case LT_JN_NO_LOADER:
        break;
    case LT_JN_CALL:
    case LT_JN_FILTER:
    case LT_JN_TEST:
        find(r, s, node->a);
        find_arguments(r, s, node->arguments);
        break;
    default:
        find(r, s, node->a);
        find(r, s, node->b);
        find(r, s, node->c);
        find_list(r, s, &node->list);
        break;
    }
    r->run->depth--;
}

/* ---- does a body mention a name? ---------------------------------------------------------------------------------- */

/* Whether `name` is read in a body before anything of that name is assigned, in the order of the source and through
 * inner functions: what makes a loop offer `loop`, and a macro take `caller`, `kwargs`, `varargs`. */
typedef struct mention {
    resolver *r;
    const char *name;
    bool assigned, read;
} mention;

static void scan(mention *m, const lt_jnode *node, bool store);

static void scan_list(mention *m, const lt_jlist *list, bool store)
{
    for (const lt_jnode *node = list->first; node; node = node->next)
        scan(m, node, store);
}

static void scan_callable(mention *m, const lt_jcallable *callable)
{
    for (const lt_jnode *p = callable->parameters.first; p; p = p->next)
        if (strcmp(p->name, m->name) == 0)
            m->assigned = true;
    for (const lt_jnode *p = callable->parameters.first; p; p = p->next)
        scan(m, p->a, false);
    scan_list(m, &callable->body, false);
}

static void scan(mention *m, const lt_jnode *node, bool store)
{
    if (!node || m->read || m->assigned)
        return;
    lt_jinja_charge(m->r->run, 1);
    lt_jinja_enter(m->r->run);
    switch (node->kind) {
    case LT_JN_NAME:
        if (strcmp(node->name, m->name) == 0)
            *(store ? &m->assigned : &m->read) = true;
        break;
    case LT_JN_CONST:
    case LT_JN_TEXT:
    case LT_JN_NSREF:
    case LT_JN_BLOCK:
        break;
    case LT_JN_FOR:
        scan(m, node->loop->target, true);
        scan(m, node->loop->iterable, false);
        scan_list(m, &node->loop->body, false);
        scan_list(m, &node->loop->otherwise, false);
        scan(m, node->loop->test, false);
        break;
    case LT_JN_MACRO:
    case LT_JN_GENERATION:
        scan_callable(m, node->callable);
        break;
    case LT_JN_CALL_BLOCK:
        scan(m, node->a, false);
        scan_callable(m, node->callable);
        break;
    case LT_JN_CALL:
    case LT_JN_FILTER:
    case LT_JN_TEST:
        scan(m, node->a, false);
        scan_list(m, &node->arguments->positional, false);
        scan_list(m, &node->arguments->keywords, false);
        scan(m, node->arguments->star, false);
        scan(m, node->arguments->star_star, false);
        break;
    case LT_JN_WITH:
        scan_list(m, &node->otherwise, true);
        for (const lt_jnode *target = node->otherwise.first; target; target = target->next)
            scan(m, target->b, false);
        scan_list(m, &node->list, false);
        break;
    default:
        scan(m, node->a, store || node->kind == LT_JN_SET || node->kind == LT_JN_SET_BLOCK);
        scan(m, node->b, false);
        scan(m, node->c, false);
        scan_list(m, &node->list, store);
        scan_list(m, &node->otherwise, false);
        break;
    }
    m->r->run->depth--;
}

static bool mentions(resolver *r, const lt_jlist *body, const char *name)
{
    mention m = {.r = r, .name = name};
    scan_list(&m, body, false);
    return m.read;
}

/* ---- second pass: every name gets its slot ------------------------------------------------------------------------- */

static lt_jref reference(resolver *r, const variable *v)
{
    lt_jref ref = {0, v->slot};
    for (const lt_jcode *code = r->code; code != v->code; code = code->outer)
        ref.hops++;
    return ref;
}

static lt_jref resolve_name(resolver *r, symbols *s, const lt_jnode *node)
{
    const variable *v = find_ref(r, s, node->name);
    if (!v) {
        r->run->line = node->line;
        lt_jinja_raise(r->run, "the name '%s' cannot be used in the filter of a set block", node->name);
    }
    return reference(r, v);
}

/* The finished list of loads of a scope. Aliases are looked up from the function the scope is in. */
static lt_jscope *finish(resolver *r, const symbols *s)
{
    lt_jscope *scope = lt_jinja_alloc(r->run, sizeof *scope);
    scope->loads = lt_jinja_alloc(r->run, (size_t)s->load_count * sizeof *scope->loads);
    scope->count = (int)s->load_count;
    for (int64_t i = 0; i < s->load_count; i++) {
        const load *from = &s->loads[i];
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

static void resolve_target(resolver *r, symbols *s, lt_jnode *target)
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

static void resolve_for_test(resolver *r, symbols *s, lt_jfor *loop)
{
    lt_jcode *around = r->code;
    r->code = loop->test_code = new_code(r, around);
    symbols *test = new_symbols(r, s, loop->test_code);
    find_target(r, test, loop->target, true);
    find(r, test, loop->test);
    loop->test_target = clone_target(r, loop->target);
    resolve_target(r, test, loop->test_target);
    resolve(r, test, loop->test, false);
    loop->test_scope = finish(r, test);
    r->code = around;
}

static void resolve_for(resolver *r, symbols *s, lt_jnode *node, bool soft)
{
    lt_jfor *loop = node->loop;
    lt_jcode *around = r->code;
    resolve(r, s, loop->iterable, soft);
    r->for_depth++;
    if (loop->test)
        resolve_for_test(r, s, loop);
    if (loop->recursive)
        r->code = loop->code = new_code(r, around);
    symbols *body = new_symbols(r, s, r->code), *otherwise = new_symbols(r, s, r->code);
    loop->extended = loop->recursive || mentions(r, &loop->body, "loop");
    if (loop->extended)
        loop->loop = reference(r, note_parameter(r, body, r->template->loop_name));
    find_target(r, body, loop->target, true);
    find_list(r, body, &loop->body);
    find_list(r, otherwise, &loop->otherwise);
    resolve_target(r, body, loop->target);
    resolve_list(r, body, &loop->body, false);
    resolve_list(r, otherwise, &loop->otherwise, false);
    loop->body_scope = finish(r, body);
    loop->else_scope = finish(r, otherwise);
    r->code = around;
    r->for_depth--;
}

static void take_special(resolver *r, symbols *inner, lt_jcallable *callable, const char *name, bool *takes, lt_jref *ref)
{
    if (!mentions(r, &callable->body, name))
        return;
    for (const lt_jnode *p = callable->parameters.first; p; p = p->next) {
        if (strcmp(p->name, name) != 0)
            continue;
        if (strcmp(name, "caller") == 0 && !p->a)
            lt_jinja_raise(r->run, "the parameter 'caller' of a macro must have a default");
        return;
    }
    *takes = true;
    *ref = reference(r, note_parameter(r, inner, name));
}

/* A macro, call block or generation; a block, whose scope has nothing around it. */
static void resolve_callable(resolver *r, symbols *s, lt_jnode *node)
{
    lt_jcallable *callable = node->callable;
    lt_jcode *around = r->code;
    bool block = node->kind == LT_JN_BLOCK;
    r->code = callable->code = new_code(r, block ? NULL : around);
    symbols *inner = new_symbols(r, block ? NULL : s, callable->code);
    if (!block) {
        take_special(r, inner, callable, r->template->caller_name, &callable->takes_caller, &callable->caller);
        take_special(r, inner, callable, r->template->kwargs_name, &callable->takes_kwargs, &callable->kwargs);
        take_special(r, inner, callable, r->template->varargs_name, &callable->takes_varargs, &callable->varargs);
    }
    for (lt_jnode *p = callable->parameters.first; p; p = p->next)
        note_parameter(r, inner, p->name);
    for (lt_jnode *p = callable->parameters.first; p; p = p->next)
        find(r, inner, p->a);
    find_list(r, inner, &callable->body);
    for (lt_jnode *p = callable->parameters.first; p; p = p->next) {
        p->ref = resolve_name(r, inner, p);
        resolve(r, inner, p->a, false);
    }
    resolve_list(r, inner, &callable->body, false);
    callable->scope = finish(r, inner);
    r->code = around;
}

static void resolve_arguments(resolver *r, symbols *s, lt_jarguments *arguments, bool soft)
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
    node->builtin = filter ? (const void *)lt_jinja_find_filter(node->name, size) : lt_jinja_find_test(node->name, size);
    if (!node->builtin && !soft) {
        r->run->line = node->line;
        lt_jinja_raise(r->run, "no %s named '%s'", filter ? "filter" : "test", node->name);
    }
}

/* A set block, filter block, with or scope: statements in a scope of their own, in the same function. */
static void resolve_inner(resolver *r, symbols *s, lt_jnode *node, bool soft)
{
    symbols *inner = new_symbols(r, s, s->code);
    for (lt_jnode *target = node->kind == LT_JN_WITH ? node->otherwise.first : NULL; target; target = target->next) {
        resolve(r, s, target->b, soft);
        find_target(r, inner, target, true);
    }
    find_list(r, inner, &node->list);
    if (node->kind == LT_JN_FILTER_BLOCK)
        find(r, inner, node->a);
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

static void resolve_list(resolver *r, symbols *s, const lt_jlist *list, bool soft)
{
    for (lt_jnode *node = list->first; node; node = node->next)
        resolve(r, s, node, soft);
}

static void resolve(resolver *r, symbols *s, lt_jnode *node, bool soft)
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
    symbols *root = new_symbols(&r, NULL, &template->code);
    r.root = root;
    find_list(&r, root, &template->body);
    resolve_list(&r, root, &template->body, false);
    template->scope = finish(&r, root);
}
