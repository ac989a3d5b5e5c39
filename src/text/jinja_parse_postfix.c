/* What follows a value: .name, [item], (call), |filter, is test. */
#include "text/jinja_parse.h"

/* One part between [ and ]: an expression or a slice. */
static lt_jnode *parse_subscript_part(lt_jparser *p)
{
    int line = p->token->line;
    lt_jnode *start = NULL;
    if (!lt_jparse_is_op(p, ":")) {
        start = lt_jparse_expression(p, true);
        if (!lt_jparse_is_op(p, ":"))
            return start;
    }
    lt_jparse_expect_op(p, ":");
    lt_jnode *slice = lt_jparse_node(p, LT_JN_SLICE, line);
    slice->a = start;
    if (!lt_jparse_is_op(p, ":") && !lt_jparse_is_op(p, "]") && !lt_jparse_is_op(p, ","))
        slice->b = lt_jparse_expression(p, true);
    if (lt_jparse_skip_op(p, ":") && !lt_jparse_is_op(p, "]") && !lt_jparse_is_op(p, ","))
        slice->c = lt_jparse_expression(p, true);
    return slice;
}

static lt_jnode *parse_dot(lt_jparser *p, lt_jnode *node)
{
    int line = p->token->line;
    lt_jparse_next(p);
    if (p->token->kind == LT_JT_INTEGER) {
        lt_jnode *index = lt_jparse_node(p, LT_JN_CONST, p->token->line);
        index->value = p->token->value;
        lt_jparse_next(p);
        return lt_jparse_binary(p, LT_JN_ITEM, line, node, index);
    }
    if (p->token->kind != LT_JT_NAME)
        lt_jparse_fail(p, p->token->line, "expected a name or number after '.', got %s",
                       lt_jparse_token_text(p, p->token));
    lt_jnode *attribute = lt_jparse_binary(p, LT_JN_ATTRIBUTE, line, node, NULL);
    attribute->name = lt_jparse_expect_name(p);
    return attribute;
}

static lt_jnode *parse_subscript(lt_jparser *p, lt_jnode *node)
{
    int line = p->token->line;
    lt_jparse_next(p);
    lt_jlist parts = {0};
    while (!lt_jparse_is_op(p, "]")) {
        if (parts.count)
            lt_jparse_expect_op(p, ",");
        lt_jparse_append(&parts, parse_subscript_part(p));
    }
    lt_jparse_expect_op(p, "]");
    if (parts.count == 1)
        return lt_jparse_binary(p, LT_JN_ITEM, line, node, parts.first);
    for (const lt_jnode *part = parts.first; part; part = part->next)
        if (part->kind == LT_JN_SLICE)
            lt_jparse_fail(p, line, "a slice cannot be one of several subscripts");
    lt_jnode *tuple = lt_jparse_node(p, LT_JN_TUPLE, line);
    tuple->list = parts;
    return lt_jparse_binary(p, LT_JN_ITEM, line, node, tuple);
}

static void require(lt_jparser *p, bool condition, int line)
{
    if (!condition)
        lt_jparse_fail(p, line, "invalid syntax for function call expression");
}

static void parse_keyword(lt_jparser *p, lt_jarguments *arguments)
{
    const char *keyword = lt_jparse_expect_name(p);
    lt_jparse_expect_op(p, "=");
    for (const lt_jnode *k = arguments->keywords.first; k; k = k->next) {
        lt_jinja_charge(p->run, 1);
        if (k->name == keyword)
            lt_jparse_fail(p, p->token->line, "the keyword argument '%s' is given twice", keyword);
    }
    /* The wrapper carries the keyword, so that the value keeps its own name. */
    lt_jnode *wrapper = lt_jparse_node(p, LT_JN_OPERAND, p->token->line);
    wrapper->name = keyword;
    wrapper->a = lt_jparse_expression(p, true);
    lt_jparse_append(&arguments->keywords, wrapper);
}

static lt_jarguments *parse_arguments(lt_jparser *p)
{
    lt_jarguments *arguments = lt_jinja_alloc_zero(p->run, sizeof *arguments);
    int line = p->token->line;
    bool comma = false;
    lt_jparse_expect_op(p, "(");
    while (!lt_jparse_is_op(p, ")")) {
        if (comma) {
            lt_jparse_expect_op(p, ",");
            if (lt_jparse_is_op(p, ")"))
                break;
        }
        const lt_jtoken *after = p->token + (p->token->kind != LT_JT_END);
        if (lt_jparse_skip_op(p, "*")) {
            require(p, !arguments->star && !arguments->star_star, line);
            arguments->star = lt_jparse_expression(p, true);
        } else if (lt_jparse_skip_op(p, "**")) {
            require(p, !arguments->star_star, line);
            arguments->star_star = lt_jparse_expression(p, true);
        } else if (p->token->kind == LT_JT_NAME && after->kind == LT_JT_OPERATOR && after->size == 1 &&
                   *after->text == '=') {
            require(p, !arguments->star_star, line);
            parse_keyword(p, arguments);
        } else {
            require(p, !arguments->star && !arguments->star_star && !arguments->keywords.count, line);
            lt_jparse_append(&arguments->positional, lt_jparse_expression(p, true));
        }
        comma = true;
    }
    lt_jparse_expect_op(p, ")");
    return arguments;
}

lt_jnode *lt_jparse_call(lt_jparser *p, lt_jnode *node)
{
    lt_jnode *call = lt_jparse_binary(p, LT_JN_CALL, p->token->line, node, NULL);
    call->arguments = parse_arguments(p);
    return call;
}

static const char *parse_dotted_name(lt_jparser *p)
{
    const char *name = lt_jparse_expect_name(p);
    while (lt_jparse_skip_op(p, ".")) {
        lt_jtext text = {0};
        lt_jtext_add_z(p->run, &text, name);
        lt_jtext_add_z(p->run, &text, ".");
        lt_jtext_add_z(p->run, &text, lt_jparse_expect_name(p));
        name = lt_jparse_intern(p, text.data, (size_t)text.size);
    }
    return name;
}

lt_jnode *lt_jparse_filters(lt_jparser *p, lt_jnode *node, bool start_inline)
{
    while (start_inline || lt_jparse_is_op(p, "|")) {
        if (!start_inline)
            lt_jparse_next(p);
        lt_jnode *filter = lt_jparse_binary(p, LT_JN_FILTER, p->token->line, node, NULL);
        filter->name = parse_dotted_name(p);
        filter->arguments =
            lt_jparse_is_op(p, "(") ? parse_arguments(p) : lt_jinja_alloc_zero(p->run, sizeof *filter->arguments);
        node = filter;
        start_inline = false;
    }
    return node;
}

lt_jnode *lt_jparse_postfix(lt_jparser *p, lt_jnode *node)
{
    for (;;) {
        if (lt_jparse_is_op(p, "."))
            node = parse_dot(p, node);
        else if (lt_jparse_is_op(p, "["))
            node = parse_subscript(p, node);
        else if (lt_jparse_is_op(p, "("))
            node = lt_jparse_call(p, node);
        else
            return node;
    }
}

/* True where a test's argument may follow without parentheses, as in `x is divisibleby 3`. */
static bool at_test_argument(const lt_jparser *p)
{
    switch (p->token->kind) {
    case LT_JT_NAME:
        return !lt_jparse_is_name(p, "else") && !lt_jparse_is_name(p, "or") && !lt_jparse_is_name(p, "and");
    case LT_JT_STRING:
    case LT_JT_INTEGER:
    case LT_JT_FLOAT:
        return true;
    default:
        return lt_jparse_is_op(p, "[") || lt_jparse_is_op(p, "{");
    }
}

lt_jnode *lt_jparse_test(lt_jparser *p, lt_jnode *node)
{
    lt_jnode *test = lt_jparse_binary(p, LT_JN_TEST, p->token->line, node, NULL);
    lt_jparse_next(p);
    bool negated = lt_jparse_skip_name(p, "not");
    test->name = parse_dotted_name(p);
    if (lt_jparse_is_op(p, "(")) {
        test->arguments = parse_arguments(p);
    } else {
        test->arguments = lt_jinja_alloc_zero(p->run, sizeof *test->arguments);
        if (at_test_argument(p)) {
            if (lt_jparse_is_name(p, "is"))
                lt_jparse_fail(p, p->token->line, "you cannot chain multiple tests with is");
            lt_jparse_append(&test->arguments->positional, lt_jparse_postfix(p, lt_jparse_primary(p, false)));
        }
    }
    return negated ? lt_jparse_binary(p, LT_JN_NOT, test->line, test, NULL) : test;
}
