/* Expressions, in jinja2's order of precedence:
 *
 *   a if b else c  ·  or  ·  and  ·  not  ·  == != < <= > >= in not-in  ·  + -  ·  ~  ·  * / // %  ·  **
 *   ·  unary + -  ·  .name [item] (call)  ·  |filter, is test
 */
#include "text/jinja_parse.h"

#include <string.h>

static lt_jnode *parse_or(lt_jparser *p);
static lt_jnode *parse_unary(lt_jparser *p, bool with_filters);
static lt_jnode *parse_primary(lt_jparser *p, bool namespaces);

static lt_jnode *binary(lt_jparser *p, lt_jnode_kind kind, int line, lt_jnode *a, lt_jnode *b)
{
    lt_jnode *node = lt_jparse_node(p, kind, line);
    node->a = a;
    node->b = b;
    return node;
}

lt_jnode *lt_jparse_expression(lt_jparser *p, bool with_condition)
{
    lt_jparse_enter(p);
    int line = p->token->line;
    lt_jnode *node = parse_or(p);
    while (with_condition && lt_jparse_skip_name(p, "if")) {
        lt_jnode *condition = lt_jparse_node(p, LT_JN_CONDITION, line);
        condition->a = node;
        condition->b = parse_or(p);
        if (lt_jparse_skip_name(p, "else"))
            condition->c = lt_jparse_expression(p, true);
        node = condition;
        line = p->token->line;
    }
    p->nesting--;
    return node;
}

/* ---- operators ------------------------------------------------------------------------------------------------ */

static lt_jnode *parse_power(lt_jparser *p)
{
    int line = p->token->line;
    lt_jnode *left = parse_unary(p, true);
    while (lt_jparse_skip_op(p, "**")) {
        left = binary(p, LT_JN_POWER, line, left, parse_unary(p, true));
        line = p->token->line;
    }
    return left;
}

static lt_jnode *parse_product(lt_jparser *p)
{
    int line = p->token->line;
    lt_jnode *left = parse_power(p);
    for (;;) {
        lt_jnode_kind kind;
        if (lt_jparse_skip_op(p, "*"))
            kind = LT_JN_MULTIPLY;
        else if (lt_jparse_skip_op(p, "/"))
            kind = LT_JN_DIVIDE;
        else if (lt_jparse_skip_op(p, "//"))
            kind = LT_JN_FLOOR_DIVIDE;
        else if (lt_jparse_skip_op(p, "%"))
            kind = LT_JN_MODULO;
        else
            return left;
        left = binary(p, kind, line, left, parse_power(p));
        line = p->token->line;
    }
}

static lt_jnode *parse_concat(lt_jparser *p)
{
    int line = p->token->line;
    lt_jnode *first = parse_product(p);
    if (!lt_jparse_is_op(p, "~"))
        return first;
    lt_jnode *node = lt_jparse_node(p, LT_JN_CONCAT, line);
    lt_jparse_append(&node->list, first);
    while (lt_jparse_skip_op(p, "~"))
        lt_jparse_append(&node->list, parse_product(p));
    return node;
}

static lt_jnode *parse_sum(lt_jparser *p)
{
    int line = p->token->line;
    lt_jnode *left = parse_concat(p);
    for (;;) {
        lt_jnode_kind kind;
        if (lt_jparse_skip_op(p, "+"))
            kind = LT_JN_ADD;
        else if (lt_jparse_skip_op(p, "-"))
            kind = LT_JN_SUBTRACT;
        else
            return left;
        left = binary(p, kind, line, left, parse_concat(p));
        line = p->token->line;
    }
}

/* Reads a comparison operator, if there is one. */
static bool skip_comparison(lt_jparser *p, uint8_t *compare)
{
    static const char *const OPS[] = {
        [LT_JC_EQUAL] = "==",   [LT_JC_UNEQUAL] = "!=", [LT_JC_LESS] = "<", [LT_JC_LESS_EQUAL] = "<=",
        [LT_JC_GREATER] = ">", [LT_JC_GREATER_EQUAL] = ">=",
    };
    for (uint8_t i = 0; i < sizeof OPS / sizeof *OPS; i++) {
        if (lt_jparse_skip_op(p, OPS[i])) {
            *compare = i;
            return true;
        }
    }
    if (lt_jparse_skip_name(p, "in")) {
        *compare = LT_JC_IN;
        return true;
    }
    const lt_jtoken *after = p->token + 1;
    if (lt_jparse_is_name(p, "not") && after->kind == LT_JT_NAME && after->size == 2 && memcmp(after->text, "in", 2) == 0) {
        lt_jparse_next(p);
        lt_jparse_next(p);
        *compare = LT_JC_NOT_IN;
        return true;
    }
    return false;
}

static lt_jnode *parse_comparison(lt_jparser *p)
{
    lt_jnode *first = parse_sum(p), *node = NULL;
    uint8_t compare;
    int line = p->token->line;
    while (skip_comparison(p, &compare)) {
        if (!node) {
            node = lt_jparse_node(p, LT_JN_COMPARE, line);
            node->a = first;
        }
        lt_jnode *operand = lt_jparse_node(p, LT_JN_OPERAND, line);
        operand->compare = compare;
        operand->a = parse_sum(p);
        lt_jparse_append(&node->list, operand);
        line = p->token->line;
    }
    return node ? node : first;
}

static lt_jnode *parse_not(lt_jparser *p)
{
    if (!lt_jparse_is_name(p, "not"))
        return parse_comparison(p);
    lt_jparse_enter(p);
    lt_jnode *node = lt_jparse_node(p, LT_JN_NOT, p->token->line);
    lt_jparse_next(p);
    node->a = parse_not(p);
    p->nesting--;
    return node;
}

static lt_jnode *parse_and(lt_jparser *p)
{
    int line = p->token->line;
    lt_jnode *left = parse_not(p);
    while (lt_jparse_skip_name(p, "and")) {
        left = binary(p, LT_JN_AND, line, left, parse_not(p));
        line = p->token->line;
    }
    return left;
}

static lt_jnode *parse_or(lt_jparser *p)
{
    int line = p->token->line;
    lt_jnode *left = parse_and(p);
    while (lt_jparse_skip_name(p, "or")) {
        left = binary(p, LT_JN_OR, line, left, parse_and(p));
        line = p->token->line;
    }
    return left;
}

/* ---- what follows a value: .name, [item], (call), |filter, is test --------------------------------------------- */

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
        return binary(p, LT_JN_ITEM, line, node, index);
    }
    if (p->token->kind != LT_JT_NAME)
        lt_jparse_fail(p, p->token->line, "expected a name or number after '.', got %s",
                       lt_jparse_token_text(p, p->token));
    lt_jnode *attribute = binary(p, LT_JN_ATTRIBUTE, line, node, NULL);
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
        return binary(p, LT_JN_ITEM, line, node, parts.first);
    for (const lt_jnode *part = parts.first; part; part = part->next)
        if (part->kind == LT_JN_SLICE)
            lt_jparse_fail(p, line, "a slice cannot be one of several subscripts");
    lt_jnode *tuple = lt_jparse_node(p, LT_JN_TUPLE, line);
    tuple->list = parts;
    return binary(p, LT_JN_ITEM, line, node, tuple);
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

static lt_jnode *parse_call(lt_jparser *p, lt_jnode *node)
{
    lt_jnode *call = binary(p, LT_JN_CALL, p->token->line, node, NULL);
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
        lt_jnode *filter = binary(p, LT_JN_FILTER, p->token->line, node, NULL);
        filter->name = parse_dotted_name(p);
        filter->arguments = lt_jparse_is_op(p, "(") ? parse_arguments(p)
                                                    : lt_jinja_alloc_zero(p->run, sizeof *filter->arguments);
        node = filter;
        start_inline = false;
    }
    return node;
}

static lt_jnode *parse_postfix(lt_jparser *p, lt_jnode *node)
{
    for (;;) {
        if (lt_jparse_is_op(p, "."))
            node = parse_dot(p, node);
        else if (lt_jparse_is_op(p, "["))
            node = parse_subscript(p, node);
        else if (lt_jparse_is_op(p, "("))
            node = parse_call(p, node);
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

static lt_jnode *parse_test(lt_jparser *p, lt_jnode *node)
{
    lt_jnode *test = binary(p, LT_JN_TEST, p->token->line, node, NULL);
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
            lt_jparse_append(&test->arguments->positional, parse_postfix(p, parse_primary(p, false)));
        }
    }
    return negated ? binary(p, LT_JN_NOT, test->line, test, NULL) : test;
}

static lt_jnode *parse_unary(lt_jparser *p, bool with_filters)
{
    int line = p->token->line;
    lt_jnode *node;
    bool minus = lt_jparse_is_op(p, "-");
    lt_jparse_enter(p);
    if (minus || lt_jparse_is_op(p, "+")) {
        lt_jparse_next(p);
        node = binary(p, minus ? LT_JN_NEGATE : LT_JN_PLUS, line, parse_unary(p, false), NULL);
    } else {
        node = parse_primary(p, false);
    }
    node = parse_postfix(p, node);
    while (with_filters) {
        if (lt_jparse_is_op(p, "|"))
            node = lt_jparse_filters(p, node, false);
        else if (lt_jparse_is_name(p, "is"))
            node = parse_test(p, node);
        else if (lt_jparse_is_op(p, "("))
            node = parse_call(p, node);
        else
            break;
    }
    p->nesting--;
    return node;
}

/* ---- literals and names ---------------------------------------------------------------------------------------- */

static lt_jnode *constant(lt_jparser *p, int line, lt_jv value)
{
    lt_jnode *node = lt_jparse_node(p, LT_JN_CONST, line);
    node->value = value;
    return node;
}

static lt_jnode *parse_name(lt_jparser *p, bool namespaces)
{
    int line = p->token->line;
    const char *name = lt_jparse_expect_name(p);
    if (strcmp(name, "true") == 0 || strcmp(name, "True") == 0)
        return constant(p, line, lt_jv_bool(true));
    if (strcmp(name, "false") == 0 || strcmp(name, "False") == 0)
        return constant(p, line, lt_jv_bool(false));
    if (strcmp(name, "none") == 0 || strcmp(name, "None") == 0)
        return constant(p, line, lt_jv_none());
    bool reference = namespaces && lt_jparse_skip_op(p, ".");
    lt_jnode *node = lt_jparse_node(p, reference ? LT_JN_NSREF : LT_JN_NAME, line);
    node->name = name;
    if (reference)
        node->a = constant(p, line, lt_jv_string_z(lt_jparse_expect_name(p)));
    return node;
}

static lt_jnode *parse_strings(lt_jparser *p)
{
    int line = p->token->line;
    lt_jv first = p->token->value;
    lt_jparse_next(p);
    if (p->token->kind != LT_JT_STRING)
        return constant(p, line, first);
    lt_jtext text = {0};
    lt_jtext_add(p->run, &text, first.text, first.size);
    for (; p->token->kind == LT_JT_STRING; lt_jparse_next(p))
        lt_jtext_add(p->run, &text, p->token->value.text, p->token->value.size);
    return constant(p, line, lt_jtext_value(&text));
}

/* [a, b] or {a: b}; a comma may follow the last. */
static lt_jnode *parse_display(lt_jparser *p, bool dict)
{
    lt_jnode *node = lt_jparse_node(p, dict ? LT_JN_DICT : LT_JN_LIST, p->token->line);
    const char *close = dict ? "}" : "]";
    lt_jparse_next(p);
    while (!lt_jparse_is_op(p, close)) {
        if (node->list.count) {
            lt_jparse_expect_op(p, ",");
            if (lt_jparse_is_op(p, close))
                break;
        }
        lt_jparse_append(&node->list, lt_jparse_expression(p, true));
        if (dict) {
            lt_jparse_expect_op(p, ":");
            lt_jparse_append(&node->list, lt_jparse_expression(p, true));
        }
    }
    lt_jparse_expect_op(p, close);
    return node;
}

static lt_jnode *parse_primary(lt_jparser *p, bool namespaces)
{
    switch (p->token->kind) {
    case LT_JT_NAME:
        return parse_name(p, namespaces);
    case LT_JT_STRING:
        return parse_strings(p);
    case LT_JT_INTEGER:
    case LT_JT_FLOAT: {
        lt_jnode *node = constant(p, p->token->line, p->token->value);
        lt_jparse_next(p);
        return node;
    }
    default:
        break;
    }
    if (lt_jparse_skip_op(p, "(")) {
        lt_jnode *node = lt_jparse_tuple(p, false, true, NULL, true, false);
        lt_jparse_expect_op(p, ")");
        return node;
    }
    if (lt_jparse_is_op(p, "[") || lt_jparse_is_op(p, "{"))
        return parse_display(p, lt_jparse_is_op(p, "{"));
    lt_jparse_fail(p, p->token->line, "expected an expression, got %s", lt_jparse_token_text(p, p->token));
}

static bool at_tuple_end(const lt_jparser *p, const char *stop)
{
    return p->token->kind == LT_JT_VARIABLE_END || p->token->kind == LT_JT_BLOCK_END || lt_jparse_is_op(p, ")") ||
           (stop && lt_jparse_is_name(p, stop));
}

lt_jnode *lt_jparse_tuple(lt_jparser *p, bool simple, bool with_condition, const char *stop, bool parentheses,
                          bool namespaces)
{
    int line = p->token->line;
    lt_jlist items = {0};
    bool is_tuple = false;
    lt_jparse_enter(p);
    for (;;) {
        if (items.count)
            lt_jparse_expect_op(p, ",");
        if (at_tuple_end(p, stop))
            break;
        lt_jparse_append(&items, simple ? parse_primary(p, namespaces) : lt_jparse_expression(p, with_condition));
        if (!lt_jparse_is_op(p, ","))
            break;
        is_tuple = true;
    }
    p->nesting--;
    if (!is_tuple && items.count)
        return items.first;
    if (!is_tuple && !parentheses)
        lt_jparse_fail(p, line, "expected an expression, got %s", lt_jparse_token_text(p, p->token));
    lt_jnode *node = lt_jparse_node(p, LT_JN_TUPLE, line);
    node->list = items;
    return node;
}

static void check_target(lt_jparser *p, const lt_jnode *node)
{
    if (node->kind == LT_JN_TUPLE) {
        for (const lt_jnode *item = node->list.first; item; item = item->next)
            check_target(p, item);
    } else if (node->kind != LT_JN_NAME && node->kind != LT_JN_NSREF) {
        lt_jparse_fail(p, node->line, "cannot assign to this expression: a name, a tuple of names or a namespace's "
                                      "attribute was expected");
    }
}

lt_jnode *lt_jparse_target(lt_jparser *p, const char *stop, bool namespaces)
{
    lt_jnode *node = lt_jparse_tuple(p, true, true, stop, false, namespaces);
    check_target(p, node);
    return node;
}
