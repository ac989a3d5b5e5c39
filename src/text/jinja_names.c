/* Which names a scope reads and sets; see jinja_scope.c for the rules. */
#include "text/jinja_names.h"

#include <string.h>

/* ---- tables of names ------------------------------------------------------------------------------------------- */

lt_jnames *lt_jnames_new(lt_jrun *run, lt_jnames *parent, lt_jcode *code)
{
    lt_jnames *s = lt_jinja_alloc_zero(run, sizeof *s);
    s->parent = parent;
    s->code = code;
    s->own = lt_jinja_alloc_zero(run, sizeof *s->own);
    return s;
}

static void *copy_array(lt_jrun *run, const void *items, int64_t count, int64_t *capacity, size_t item_bytes)
{
    *capacity = count;
    void *copy = lt_jinja_alloc(run, (size_t)count * item_bytes);
    if (count)
        memcpy(copy, items, (size_t)count * item_bytes);
    lt_jinja_charge(run, count);
    return copy;
}

static lt_jnames *copy_symbols(lt_jrun *run, const lt_jnames *from)
{
    lt_jnames *s = lt_jinja_alloc(run, sizeof *s);
    *s = *from;
    s->refs = copy_array(run, from->refs, from->ref_count, &s->ref_capacity, sizeof *s->refs);
    s->starts = copy_array(run, from->starts, from->start_count, &s->start_capacity, sizeof *s->starts);
    s->stores = copy_array(run, from->stores, from->store_count, &s->store_capacity, sizeof *s->stores);
    return s;
}

static lt_jvariable *find_own_ref(lt_jrun *run, const lt_jnames *s, const char *name)
{
    lt_jinja_charge(run, 1 + s->ref_count / 8);
    for (int64_t i = 0; i < s->ref_count; i++)
        if (s->refs[i].name == name)
            return s->refs[i].target;
    return NULL;
}

lt_jvariable *lt_jnames_find(lt_jrun *run, const lt_jnames *s, const char *name)
{
    for (; s; s = s->parent) {
        lt_jvariable *found = find_own_ref(run, s, name);
        if (found)
            return found;
    }
    return NULL;
}

static void set_ref(lt_jrun *run, lt_jnames *s, const char *name, lt_jvariable *target)
{
    if (find_own_ref(run, s, name))
        return; /* one scope has one variable of a name */
    if (s->ref_count == s->ref_capacity)
        s->refs = lt_jinja_grow(run, s->refs, s->ref_count, &s->ref_capacity, sizeof *s->refs);
    s->refs[s->ref_count++] = (lt_jname){name, target};
}

static void set_load(lt_jrun *run, lt_jnames *s, lt_jstart value)
{
    lt_jinja_charge(run, 1 + s->start_count / 8);
    for (int64_t i = 0; i < s->start_count; i++) {
        if (s->starts[i].target == value.target) {
            s->starts[i] = value;
            return;
        }
    }
    if (s->start_count == s->start_capacity)
        s->starts = lt_jinja_grow(run, s->starts, s->start_count, &s->start_capacity, sizeof *s->starts);
    s->starts[s->start_count++] = value;
}

static bool is_stored(lt_jrun *run, const lt_jnames *s, const char *name)
{
    lt_jinja_charge(run, 1 + s->store_count / 8);
    for (int64_t i = 0; i < s->store_count; i++)
        if (s->stores[i] == name)
            return true;
    return false;
}

static void add_store(lt_jrun *run, lt_jnames *s, const char *name)
{
    if (is_stored(run, s, name))
        return;
    if (s->store_count == s->store_capacity)
        s->stores = lt_jinja_grow(run, s->stores, s->store_count, &s->store_capacity, sizeof *s->stores);
    s->stores[s->store_count++] = name;
}

static lt_jvariable *define(lt_jrun *run, lt_jnames *s, const char *name, lt_jload_kind kind, const lt_jvariable *alias)
{
    lt_jvariable *v = *s->own;
    while (v && v->name != name) {
        lt_jinja_charge(run, 1);
        v = v->next;
    }
    if (!v) {
        v = lt_jinja_alloc_zero(run, sizeof *v);
        *v = (lt_jvariable){name, s->code, s->code->slots++, *s->own};
        *s->own = v;
    }
    set_ref(run, s, name, v);
    set_load(run, s, (lt_jstart){v, kind, alias});
    return v;
}

static void note_load(lt_jrun *run, lt_jnames *s, const char *name)
{
    if (!lt_jnames_find(run, s, name))
        define(run, s, name, LT_JL_CONTEXT, NULL);
}

static void note_store(lt_jrun *run, lt_jnames *s, const char *name)
{
    add_store(run, s, name);
    if (find_own_ref(run, s, name))
        return;
    const lt_jvariable *around = s->parent ? lt_jnames_find(run, s->parent, name) : NULL;
    define(run, s, name, around ? LT_JL_ALIAS : LT_JL_UNSET, around);
}

lt_jvariable *lt_jnames_add_parameter(lt_jrun *run, lt_jnames *s, const char *name)
{
    add_store(run, s, name);
    return define(run, s, name, LT_JL_PARAMETER, NULL);
}

/* After an if: a name that only its branches set starts as what it is outside. */
static void merge_branches(lt_jrun *run, lt_jnames *s, lt_jnames *const *branches, int count)
{
    lt_jnames before = *s; /* the arrays may move, but what `before` sees of them stays */
    for (int b = 0; b < count; b++) {
        for (int64_t i = 0; i < branches[b]->ref_count; i++)
            set_ref(run, s, branches[b]->refs[i].name, branches[b]->refs[i].target);
        for (int64_t i = 0; i < branches[b]->start_count; i++)
            set_load(run, s, branches[b]->starts[i]);
        for (int64_t i = 0; i < branches[b]->store_count; i++)
            add_store(run, s, branches[b]->stores[i]);
    }
    for (int64_t i = before.store_count; i < s->store_count; i++) {
        const char *name = s->stores[i];
        const lt_jvariable *around = s->parent ? lt_jnames_find(run, s->parent, name) : NULL;
        lt_jvariable *target = lt_jnames_find(run, s, name);
        set_load(run, s, (lt_jstart){target, around ? LT_JL_ALIAS : LT_JL_CONTEXT, around});
    }
}

/* ---- first pass: the names of one scope, without the scopes inside it ------------------------------------------ */

static void find_arguments(lt_jrun *run, lt_jnames *s, const lt_jarguments *arguments)
{
    lt_jnames_collect_list(run, s, &arguments->positional);
    lt_jnames_collect_list(run, s, &arguments->keywords);
    lt_jnames_collect(run, s, arguments->star);
    lt_jnames_collect(run, s, arguments->star_star);
}

void lt_jnames_collect_target(lt_jrun *run, lt_jnames *s, const lt_jnode *target, bool parameter)
{
    if (target->kind == LT_JN_TUPLE) {
        for (const lt_jnode *item = target->list.first; item; item = item->next)
            lt_jnames_collect_target(run, s, item, parameter);
    } else if (target->kind == LT_JN_NSREF) {
        note_load(run, s, target->name);
    } else if (parameter) {
        lt_jnames_add_parameter(run, s, target->name);
    } else {
        note_store(run, s, target->name);
    }
}

static void find_if(lt_jrun *run, lt_jnames *s, const lt_jnode *node)
{
    lt_jnames_collect(run, s, node->a);
    lt_jnames *branches[2] = {copy_symbols(run, s), copy_symbols(run, s)};
    lt_jnames_collect_list(run, branches[0], &node->list);
    lt_jnames_collect_list(run, branches[1], &node->otherwise);
    merge_branches(run, s, branches, 2);
}

void lt_jnames_collect_list(lt_jrun *run, lt_jnames *s, const lt_jlist *list)
{
    for (const lt_jnode *node = list->first; node; node = node->next)
        lt_jnames_collect(run, s, node);
}

void lt_jnames_collect(lt_jrun *run, lt_jnames *s, const lt_jnode *node)
{
    if (!node)
        return;
    lt_jinja_charge(run, 1);
    lt_jinja_enter(run);
    switch (node->kind) {
    case LT_JN_NAME:
        note_load(run, s, node->name);
        break;
    case LT_JN_IF:
        find_if(run, s, node);
        break;
    case LT_JN_FOR:
        lt_jnames_collect(run, s, node->loop->iterable);
        break;
    case LT_JN_MACRO:
        note_store(run, s, node->name);
        break;
    case LT_JN_SET:
        lt_jnames_collect(run, s, node->b);
        lt_jnames_collect_target(run, s, node->a, false);
        break;
    case LT_JN_SET_BLOCK:
        lt_jnames_collect_target(run, s, node->a, false);
        break;
    case LT_JN_WITH:
        for (const lt_jnode *target = node->otherwise.first; target; target = target->next)
            lt_jnames_collect(run, s, target->b);
        break;
    case LT_JN_FILTER_BLOCK:
    case LT_JN_CALL_BLOCK:
        lt_jnames_collect(run, s, node->a);
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
        lt_jnames_collect(run, s, node->a);
        find_arguments(run, s, node->arguments);
        break;
    default:
        lt_jnames_collect(run, s, node->a);
        lt_jnames_collect(run, s, node->b);
        lt_jnames_collect(run, s, node->c);
        lt_jnames_collect_list(run, s, &node->list);
        break;
    }
    run->depth--;
}

/* ---- does a body mention a name? ------------------------------------------------------------------------------- */

/* Whether `name` is read in a body before anything of that name is assigned, in the order of the source and through
 * inner functions: what makes a loop offer `loop`, and a macro take `caller`, `kwargs`, `varargs`. */
typedef struct mention {
    lt_jrun *run;
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
    lt_jinja_charge(m->run, 1);
    lt_jinja_enter(m->run);
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
    m->run->depth--;
}

bool lt_jnames_mentions(lt_jrun *run, const lt_jlist *body, const char *name)
{
    mention m = {.run = run, .name = name};
    scan_list(&m, body, false);
    return m.read;
}
