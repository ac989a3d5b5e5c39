/* Statements: tags and the text between them. */
#include "text/jinja_parse.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static lt_jlist parse_body(lt_jparser *p, const char *const *ends);

/* ---- helpers for both halves ----------------------------------------------------------------------------------- */

void lt_jparse_fail(lt_jparser *p, int line, const char *format, ...)
{
    char message[800];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    p->run->line = line;
    lt_jinja_raise(p->run, "%s", message);
}

const char *lt_jparse_token_text(lt_jparser *p, const lt_jtoken *token)
{
    static const char *const KINDS[] = {
        [LT_JT_END] = "the end of the template", [LT_JT_DATA] = "text",        [LT_JT_VARIABLE_BEGIN] = "'{{'",
        [LT_JT_VARIABLE_END] = "'}}'",           [LT_JT_BLOCK_BEGIN] = "'{%'", [LT_JT_BLOCK_END] = "'%}'",
    };
    if (token->kind < sizeof KINDS / sizeof *KINDS)
        return KINDS[token->kind];
    size_t size = token->size < 60 ? token->size : 60;
    char *text = lt_jinja_alloc(p->run, size + 3);
    snprintf(text, size + 3, "'%.*s'", (int)size, token->text);
    return text;
}

lt_jnode *lt_jparse_node(lt_jparser *p, lt_jnode_kind kind, int line)
{
    lt_jnode *node = lt_jinja_alloc_zero(p->run, sizeof *node);
    lt_jinja_charge(p->run, 1);
    node->kind = kind;
    node->line = line;
    return node;
}

void lt_jparse_append(lt_jlist *list, lt_jnode *node)
{
    node->next = NULL;
    if (list->last)
        list->last->next = node;
    else
        list->first = node;
    list->last = node;
    list->count++;
}

static uint64_t hash_bytes(const char *text, size_t size)
{
    uint64_t h = 1469598103934665603u;
    for (size_t i = 0; i < size; i++)
        h = (h ^ (unsigned char)text[i]) * 1099511628211u;
    return h ^ h >> 32;
}

static void intern_insert(lt_jparser *p, const char *name)
{
    size_t mask = (size_t)p->name_capacity - 1, at = hash_bytes(name, strlen(name)) & mask;
    while (p->names[at])
        at = (at + 1) & mask;
    p->names[at] = name;
}

const char *lt_jparse_intern(lt_jparser *p, const char *text, size_t size)
{
    if (p->name_count * 2 >= p->name_capacity) {
        const char **old = p->names;
        int64_t count = p->name_capacity;
        p->name_capacity = count ? count * 2 : 64;
        p->names = lt_jinja_alloc_zero(p->run, (size_t)p->name_capacity * sizeof *p->names);
        for (int64_t i = 0; i < count; i++)
            if (old[i])
                intern_insert(p, old[i]);
    }
    size_t mask = (size_t)p->name_capacity - 1, at = hash_bytes(text, size) & mask;
    for (; p->names[at]; at = (at + 1) & mask) {
        lt_jinja_charge(p->run, 1);
        if (strncmp(p->names[at], text, size) == 0 && p->names[at][size] == '\0')
            return p->names[at];
    }
    char *name = lt_jinja_alloc(p->run, size + 1);
    memcpy(name, text, size);
    name[size] = '\0';
    p->names[at] = name;
    p->name_count++;
    return name;
}

void lt_jparse_next(lt_jparser *p)
{
    if (p->token->kind != LT_JT_END)
        p->token++;
    p->run->line = p->token->line;
}

bool lt_jparse_is_op(const lt_jparser *p, const char *op)
{
    return p->token->kind == LT_JT_OPERATOR && p->token->size == strlen(op) &&
           memcmp(p->token->text, op, p->token->size) == 0;
}

bool lt_jparse_is_name(const lt_jparser *p, const char *name)
{
    return p->token->kind == LT_JT_NAME && p->token->size == strlen(name) &&
           memcmp(p->token->text, name, p->token->size) == 0;
}

bool lt_jparse_skip_op(lt_jparser *p, const char *op)
{
    bool found = lt_jparse_is_op(p, op);
    if (found)
        lt_jparse_next(p);
    return found;
}

bool lt_jparse_skip_name(lt_jparser *p, const char *name)
{
    bool found = lt_jparse_is_name(p, name);
    if (found)
        lt_jparse_next(p);
    return found;
}

void lt_jparse_expect_op(lt_jparser *p, const char *op)
{
    if (!lt_jparse_skip_op(p, op))
        lt_jparse_fail(p, p->token->line, "expected '%s', got %s", op, lt_jparse_token_text(p, p->token));
}

const char *lt_jparse_expect_name(lt_jparser *p)
{
    if (p->token->kind != LT_JT_NAME)
        lt_jparse_fail(p, p->token->line, "expected a name, got %s", lt_jparse_token_text(p, p->token));
    const char *name = lt_jparse_intern(p, p->token->text, p->token->size);
    lt_jparse_next(p);
    return name;
}

void lt_jparse_enter(lt_jparser *p)
{
    if (++p->nesting > 4 * LT_JINJA_MAX_NESTING)
        lt_jparse_fail(p, p->token->line, "nested more than %d levels deep", LT_JINJA_MAX_NESTING);
}

static void expect(lt_jparser *p, lt_jtoken_kind kind, const char *what)
{
    if (p->token->kind != kind)
        lt_jparse_fail(p, p->token->line, "expected %s, got %s", what, lt_jparse_token_text(p, p->token));
    lt_jparse_next(p);
}

/* ---- statements ------------------------------------------------------------------------------------------------ */

static const char *const END_SET[] = {"endset", NULL}, *const END_FOR[] = {"endfor", NULL},
                         *const END_FOR_ELSE[] = {"endfor", "else", NULL}, *const END_IF[] = {"endif", NULL},
                         *const END_IF_ELSE[] = {"endif", "elif", "else", NULL}, *const END_WITH[] = {"endwith", NULL},
                         *const END_AUTOESCAPE[] = {"endautoescape", NULL}, *const END_BLOCK[] = {"endblock", NULL},
                         *const END_CALL[] = {"endcall", NULL}, *const END_FILTER[] = {"endfilter", NULL},
                         *const END_MACRO[] = {"endmacro", NULL}, *const END_GENERATION[] = {"endgeneration", NULL};

/* The body of a tag up to one of `ends`; the current token is then the name of the end tag. */
static lt_jlist parse_block(lt_jparser *p, const char *const *ends)
{
    lt_jparse_skip_op(p, ":");
    expect(p, LT_JT_BLOCK_END, "'%}'");
    return parse_body(p, ends);
}

static lt_jlist parse_block_to_end(lt_jparser *p, const char *const *ends)
{
    lt_jlist body = parse_block(p, ends);
    lt_jparse_next(p);
    return body;
}

/* A body that is a function of its own, so that loops outside cannot be left from inside. */
static lt_jlist parse_function_body(lt_jparser *p, const char *const *ends)
{
    int loops = p->loops;
    p->loops = 0;
    lt_jlist body = parse_block_to_end(p, ends);
    p->loops = loops;
    return body;
}

static lt_jnode *parse_for(lt_jparser *p, lt_jnode *node)
{
    lt_jfor *loop = node->loop = lt_jinja_alloc_zero(p->run, sizeof *node->loop);
    loop->target = lt_jparse_target(p, "in", false);
    if (!lt_jparse_skip_name(p, "in"))
        lt_jparse_fail(p, p->token->line, "expected 'in', got %s", lt_jparse_token_text(p, p->token));
    loop->iterable = lt_jparse_tuple(p, false, false, "recursive", false, false);
    if (lt_jparse_skip_name(p, "if"))
        loop->test = lt_jparse_expression(p, true);
    loop->recursive = lt_jparse_skip_name(p, "recursive");
    p->loops++;
    loop->body = parse_block(p, END_FOR_ELSE);
    p->loops--;
    bool otherwise = lt_jparse_is_name(p, "else");
    lt_jparse_next(p);
    if (otherwise)
        loop->otherwise = parse_block_to_end(p, END_FOR);
    return node;
}

static lt_jnode *parse_if(lt_jparser *p, lt_jnode *node)
{
    lt_jnode *part = node;
    for (;;) {
        part->a = lt_jparse_tuple(p, false, false, NULL, false, false);
        part->list = parse_block(p, END_IF_ELSE);
        int line = p->token->line;
        if (lt_jparse_skip_name(p, "elif")) {
            lt_jnode *next = lt_jparse_node(p, LT_JN_IF, line);
            lt_jparse_append(&part->otherwise, next);
            part = next;
            continue;
        }
        if (lt_jparse_skip_name(p, "else"))
            part->otherwise = parse_block_to_end(p, END_IF);
        else
            lt_jparse_next(p);
        return node;
    }
}

static lt_jnode *parse_set(lt_jparser *p, lt_jnode *node)
{
    node->a = lt_jparse_target(p, NULL, true);
    if (lt_jparse_skip_op(p, "=")) {
        node->b = lt_jparse_tuple(p, false, true, NULL, false, false);
        return node;
    }
    node->kind = LT_JN_SET_BLOCK;
    node->b = lt_jparse_filters(p, NULL, false);
    node->list = parse_block_to_end(p, END_SET);
    return node;
}

static lt_jnode *parse_with(lt_jparser *p, lt_jnode *node)
{
    /* Each member of `otherwise` is a target; its value is its b. */
    while (p->token->kind != LT_JT_BLOCK_END) {
        if (node->otherwise.count)
            lt_jparse_expect_op(p, ",");
        lt_jnode *target = lt_jparse_target(p, NULL, false);
        lt_jparse_expect_op(p, "=");
        target->b = lt_jparse_expression(p, true);
        lt_jparse_append(&node->otherwise, target);
    }
    node->list = parse_block_to_end(p, END_WITH);
    return node;
}

static lt_jnode *parse_autoescape(lt_jparser *p, lt_jnode *node)
{
    lt_jnode *value = lt_jparse_expression(p, true);
    if (value->kind != LT_JN_CONST || value->value.type != LT_JV_BOOL || value->value.boolean)
        lt_jparse_fail(p, node->line, "{%% autoescape %%} is supported with false only: chat templates are not HTML");
    node->list = parse_block_to_end(p, END_AUTOESCAPE);
    return node;
}

static void parse_parameters(lt_jparser *p, lt_jcallable *callable)
{
    lt_jparse_expect_op(p, "(");
    while (!lt_jparse_is_op(p, ")")) {
        if (callable->parameters.count)
            lt_jparse_expect_op(p, ",");
        lt_jnode *parameter = lt_jparse_node(p, LT_JN_NAME, p->token->line);
        parameter->name = lt_jparse_expect_name(p);
        for (const lt_jnode *other = callable->parameters.first; other; other = other->next) {
            lt_jinja_charge(p->run, 1);
            if (other->name == parameter->name)
                lt_jparse_fail(p, parameter->line, "the parameter '%s' is there twice", parameter->name);
        }
        if (lt_jparse_skip_op(p, "="))
            parameter->a = lt_jparse_expression(p, true);
        else if (callable->parameters.last && callable->parameters.last->a)
            lt_jparse_fail(p, parameter->line, "a parameter without default follows one with a default");
        lt_jparse_append(&callable->parameters, parameter);
    }
    lt_jparse_expect_op(p, ")");
}

static lt_jnode *parse_call_block(lt_jparser *p, lt_jnode *node)
{
    if (lt_jparse_is_op(p, "("))
        parse_parameters(p, node->callable);
    node->a = lt_jparse_expression(p, true);
    if (node->a->kind != LT_JN_CALL)
        lt_jparse_fail(p, node->line, "{%% call %%} expects a call of a macro");
    node->callable->body = parse_function_body(p, END_CALL);
    return node;
}

static lt_jnode *parse_macro(lt_jparser *p, lt_jnode *node)
{
    node->name = lt_jparse_expect_name(p);
    parse_parameters(p, node->callable);
    node->callable->body = parse_function_body(p, END_MACRO);
    return node;
}

static lt_jnode *parse_block_tag(lt_jparser *p, lt_jnode *node)
{
    node->name = lt_jparse_expect_name(p);
    for (const lt_jnode *other = p->blocks.first; other; other = other->a)
        if (other->name == node->name)
            lt_jparse_fail(p, node->line, "the block '%s' is defined twice", node->name);
    node->a = p->blocks.first;
    p->blocks.first = node;
    if (lt_jparse_is_name(p, "scoped") || lt_jparse_is_name(p, "required"))
        lt_jparse_fail(p, node->line, "{%% block %%} with 'scoped' or 'required' is not supported");
    p->template->has_blocks = true;
    node->callable->body = parse_function_body(p, END_BLOCK);
    lt_jparse_skip_name(p, node->name);
    return node;
}

static lt_jnode *parse_print(lt_jparser *p, lt_jnode *node)
{
    node->a = lt_jparse_node(p, LT_JN_CONST, node->line);
    node->a->value = lt_jv_bool(true);
    while (p->token->kind != LT_JT_BLOCK_END) {
        if (node->list.count)
            lt_jparse_expect_op(p, ",");
        lt_jnode *print = lt_jparse_node(p, LT_JN_PRINT, node->line);
        print->a = lt_jparse_expression(p, true);
        lt_jparse_append(&node->list, print);
    }
    return node;
}

static lt_jnode *parse_loop_control(lt_jparser *p, lt_jnode *node)
{
    if (p->loops == 0)
        lt_jparse_fail(p, node->line, "'%s' outside of a loop", node->kind == LT_JN_BREAK ? "break" : "continue");
    return node;
}

/* include, import and extends need other templates, which there are none of; jinja2 says so when it gets there. */
static lt_jnode *parse_no_loader(lt_jparser *p, lt_jnode *node)
{
    while (p->token->kind != LT_JT_BLOCK_END && p->token->kind != LT_JT_END)
        lt_jparse_next(p);
    return node;
}

static lt_jnode *parse_filter_block(lt_jparser *p, lt_jnode *node)
{
    node->a = lt_jparse_filters(p, NULL, true);
    node->list = parse_block_to_end(p, END_FILTER);
    return node;
}

static lt_jnode *parse_generation(lt_jparser *p, lt_jnode *node)
{
    p->template->has_generation = true;
    node->callable->body = parse_function_body(p, END_GENERATION);
    return node;
}

typedef struct tag {
    const char *name;
    lt_jnode_kind kind;
    lt_jnode *(*parse)(lt_jparser *p, lt_jnode *node);
    bool callable;
} tag;

static const tag TAGS[] = {
    {"for", LT_JN_FOR, parse_for, false},
    {"if", LT_JN_IF, parse_if, false},
    {"set", LT_JN_SET, parse_set, false},
    {"macro", LT_JN_MACRO, parse_macro, true},
    {"call", LT_JN_CALL_BLOCK, parse_call_block, true},
    {"generation", LT_JN_GENERATION, parse_generation, true},
    {"filter", LT_JN_FILTER_BLOCK, parse_filter_block, false},
    {"with", LT_JN_WITH, parse_with, false},
    {"autoescape", LT_JN_SCOPE, parse_autoescape, false},
    {"block", LT_JN_BLOCK, parse_block_tag, true},
    {"print", LT_JN_IF, parse_print, false},
    {"break", LT_JN_BREAK, parse_loop_control, false},
    {"continue", LT_JN_CONTINUE, parse_loop_control, false},
    {"include", LT_JN_NO_LOADER, parse_no_loader, false},
    {"import", LT_JN_NO_LOADER, parse_no_loader, false},
    {"from", LT_JN_NO_LOADER, parse_no_loader, false},
    {"extends", LT_JN_NO_LOADER, parse_no_loader, false},
};

static lt_jnode *parse_statement(lt_jparser *p)
{
    if (p->token->kind != LT_JT_NAME)
        lt_jparse_fail(p, p->token->line, "expected the name of a tag, got %s", lt_jparse_token_text(p, p->token));
    for (size_t i = 0; i < sizeof TAGS / sizeof *TAGS; i++) {
        if (!lt_jparse_is_name(p, TAGS[i].name))
            continue;
        lt_jnode *node = lt_jparse_node(p, TAGS[i].kind, p->token->line);
        if (TAGS[i].callable)
            node->callable = lt_jinja_alloc_zero(p->run, sizeof *node->callable);
        lt_jparse_next(p);
        lt_jparse_enter(p);
        node = TAGS[i].parse(p, node);
        p->nesting--;
        return node;
    }
    lt_jparse_fail(p, p->token->line, "unknown tag %s", lt_jparse_token_text(p, p->token));
}

static bool at_end_tag(const lt_jparser *p, const char *const *ends)
{
    for (; ends && *ends; ends++)
        if (lt_jparse_is_name(p, *ends))
            return true;
    return false;
}

/* Text and tags up to one of the end tags (whose name is then current), or to the end of the template. */
static lt_jlist parse_body(lt_jparser *p, const char *const *ends)
{
    lt_jlist body = {0};
    int begin = p->token->line;
    for (;;) {
        int line = p->token->line;
        if (p->token->kind == LT_JT_DATA) {
            lt_jnode *text = lt_jparse_node(p, LT_JN_TEXT, line);
            text->value = lt_jv_string(p->token->text, p->token->size);
            lt_jparse_next(p);
            lt_jparse_append(&body, text);
        } else if (p->token->kind == LT_JT_VARIABLE_BEGIN) {
            lt_jparse_next(p);
            lt_jnode *print = lt_jparse_node(p, LT_JN_PRINT, line);
            print->a = lt_jparse_tuple(p, false, true, NULL, false, false);
            expect(p, LT_JT_VARIABLE_END, "'}}'");
            lt_jparse_append(&body, print);
        } else if (p->token->kind == LT_JT_BLOCK_BEGIN) {
            lt_jparse_next(p);
            if (at_end_tag(p, ends))
                return body;
            lt_jparse_append(&body, parse_statement(p));
            expect(p, LT_JT_BLOCK_END, "'%}'");
        } else {
            if (ends)
                lt_jparse_fail(p, begin, "the template ends inside the tag opened here; {%% %s %%} is missing", *ends);
            return body;
        }
    }
}

void lt_jinja_parse(lt_jrun *run, lt_jinja_template *template, const char *source, size_t size)
{
    lt_jtokens tokens = lt_jinja_tokenize(run, source, size);
    lt_jparser p = {.run = run, .template = template, .token = tokens.items};
    run->line = p.token->line;
    template->loop_name = lt_jparse_intern(&p, "loop", 4);
    template->caller_name = lt_jparse_intern(&p, "caller", 6);
    template->kwargs_name = lt_jparse_intern(&p, "kwargs", 6);
    template->varargs_name = lt_jparse_intern(&p, "varargs", 7);
    template->body = parse_body(&p, NULL);
}
