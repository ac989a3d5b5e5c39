/* Templates that want to hang, to eat memory or to overflow the stack end with one error. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/jinja.h"

static const lt_jinja_limits SMALL = {.steps = 200000, .memory_bytes = 4 << 20, .output_bytes = 1 << 20};

/* The status with which a template ends within small limits. */
static lt_status status_of(const char *source, char message[1024])
{
    lt_jinja_template *template;
    lt_jinja_buffer out = {0};
    lt_jinja_options options = {.limits = SMALL};
    lt_error err = {.status = LT_OK};
    json_t *context = json_object();
    if (lt_jinja_compile(&template, "hostile", source, strlen(source), &err)) {
        if (lt_jinja_render(template, context, &options, &out, &err))
            err.status = LT_OK;
        lt_jinja_free(template);
    }
    cr_expect_leq(out.size, (size_t)SMALL.output_bytes);
    lt_jinja_buffer_free(&out);
    json_decref(context);
    if (message)
        snprintf(message, 1024, "%s", err.message);
    return err.status;
}

Test(jinja_limits, loops_and_growth_end_by_steps_memory_or_output)
{
    static const char *const SOURCES[] = {
        "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
        "{{ 'x' * 10**9 }}",
        "{{ 'x' * 10**18 }}",
        "{{ [1] * 10**9 }}",
        "{{ 'x'.center(10**15) }}",
        "{% set ns = namespace(s='x') %}{% for i in range(100) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
        "{% set ns = namespace(s='x' * 1000) %}{% for i in range(9999) %}{% set ns.s = ns.s + 'x' %}{% endfor %}",
        "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
        ("{% set ns = namespace(x=[1], y=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}"
         "{% set ns.y = [ns.y, ns.y] %}{% endfor %}{{ ns.x == ns.y }}"),
        "{% for i in range(9999) %}{{ 'x' * 999 }}{% endfor %}",
        "{{ [1] | batch(10**9, 'x') | list }}",
        "{{ [1] | slice(10**9) | list }}",
        "{{ ('a' * 10000) | replace('', 'b' * 10000) }}",
        "{{ range(9999) | join('x' * 9999) }}",
        "{{ ('a' * 100000).rfind('b' ~ 'a' * 50000) }}",
        "{{ ('Σ' * 30000) | lower }}",
    };
    for (size_t i = 0; i < sizeof SOURCES / sizeof *SOURCES; i++)
        cr_expect_eq(status_of(SOURCES[i], NULL), LT_ERR_MEMORY, "%s", SOURCES[i]);
}

/* before, then part repeated, then after */
static char *repeated(const char *before, const char *part, int times, const char *after)
{
    size_t size = strlen(before) + strlen(part) * (size_t)times + strlen(after) + 1;
    char *text = malloc(size), *at = stpcpy(text, before);
    for (int i = 0; i < times; i++)
        at = stpcpy(at, part);
    strcpy(at, after);
    return text;
}

Test(jinja_limits, deep_nesting_of_source_is_an_error)
{
    static const struct {
        const char *before, *part, *after;
    } SOURCES[] = {
        {"{{ ", "(", " }}"},
        {"{{ ", "[", " }}"},
        {"{{ ", "{1:", " }}"},
        {"{{ 1", "+1", " }}"},
        {"{{ ", "not ", "1 }}"},
        {"{{ ", "-", "1 }}"},
        {"{{ 1", "|string", " }}"},
        {"{{ a", ".b", " }}"},
        {"{{ a", "()", " }}"},
        {"", "{% if 1 %}", ""},
        {"{% if 0 %}", "{% elif 0 %}", "{% endif %}"},
        {"{{ 1", " if 1 else 2", " }}"},
        {"{{ 1 ", "is odd ", " }}"},
        {"{{ 2", "**2", " }}"},
        {"", "{% for a in b %}", ""},
        {"{{ a", "[0]", " }}"},
        {"", "{% macro m() %}", ""},
    };
    for (size_t i = 0; i < sizeof SOURCES / sizeof *SOURCES; i++) {
        char *source = repeated(SOURCES[i].before, SOURCES[i].part, 20000, SOURCES[i].after);
        cr_expect_eq(status_of(source, NULL), LT_ERR_FORMAT, "%s%s…", SOURCES[i].before, SOURCES[i].part);
        free(source);
    }
}

Test(jinja_limits, deep_recursion_at_run_time_is_an_error)
{
    static const char *const SOURCES[] = {
        "{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}",
        "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
        "{% set ns = namespace(x=[]) %}{% for i in range(2000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}",
        "{% set ns = namespace(x={}) %}{% for i in range(2000) %}{% set ns.x = {'a': ns.x} %}{% endfor %}{{ ns.x | "
        "tojson }}",
        "{% set ns = namespace(x=[]) %}{% for i in range(2000) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x < [ns.x] "
        "}}",
        "{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}",
        "{% set ns = namespace(x=[1]) %}{% for i in range(2000) %}{% set ns.x = ns.x | map('string') %}{% endfor %}{{ "
        "ns.x | list }}",
        "{% macro a() %}{{ caller() }}{% endmacro %}{% macro b() %}{% call a() %}{{ b() }}{% endcall %}{% endmacro "
        "%}{{ b() }}",
    };
    for (size_t i = 0; i < sizeof SOURCES / sizeof *SOURCES; i++) {
        char message[1024];
        cr_expect_eq(status_of(SOURCES[i], message), LT_ERR_FORMAT, "%s: %s", SOURCES[i], message);
    }
}

Test(jinja_limits, numbers_out_of_range_are_errors)
{
    static const char *const SOURCES[] = {
        "{{ 2 ** 64 }}",
        "{{ 9223372036854775807 + 1 }}",
        "{{ -9223372036854775807 - 2 }}",
        "{{ 4611686018427387904 * 2 }}",
        "{{ (-9223372036854775807 - 1) // -1 }}",
        "{{ -(-9223372036854775807 - 1) }}",
        "{{ 9223372036854775808 }}",
        "{{ 1e30 | int }}",
        "{{ ('9' * 30) | int }}",
        "{{ '%d' % 1e300 }}",
        "{{ '%.999999999f' % 1.5 }}",
        "{{ '%999999999999d' % 1 }}",
        "{{ '{:999999999999}'.format(1) }}",
        "{{ range(10**6) }}",
        "{{ range(0, 9223372036854775807) }}",
        "{{ (-9223372036854775807 - 1) | abs }}",
        "{{ 'x'[::0] }}",
        "{{ [][0:1:0] }}",
    };
    for (size_t i = 0; i < sizeof SOURCES / sizeof *SOURCES; i++)
        cr_expect_eq(status_of(SOURCES[i], NULL), LT_ERR_FORMAT, "%s", SOURCES[i]);
    cr_expect_eq(status_of("{{ (-9223372036854775807 - 1) % -1 }}{{ "
                           "range(5)[-9223372036854775807:9223372036854775807:9223372036854775807] }}",
                           NULL),
                 LT_OK);
}

Test(jinja_limits, broken_sources_are_errors)
{
    static const char *const SOURCES[] = {"\xff", "{{ '\xc3' }}", "{{ \x01 }}", "{{ 'a",  "{% raw %}x",
                                          "{# x", "{{",           "{%",         "{{ 1 }", "{{ a\x80 }}"};
    for (size_t i = 0; i < sizeof SOURCES / sizeof *SOURCES; i++)
        cr_expect_eq(status_of(SOURCES[i], NULL), LT_ERR_FORMAT, "source %zu", i);
    lt_jinja_template *template;
    lt_error err;
    cr_expect_not(lt_jinja_compile(&template, "t", "{{ \0 }}", 7, &err));
    size_t size = 5 << 20;
    char *big = malloc(size);
    memset(big, 'x', size);
    cr_expect_not(lt_jinja_compile(&template, "t", big, size, &err));
    free(big);
}

Test(jinja_limits, names_and_sizes_of_a_message_stay_in_bounds)
{
    char message[1024], *name = repeated("{{ ", "long", 5000, " + 1 }}");
    cr_expect_eq(status_of(name, message), LT_ERR_FORMAT);
    cr_expect_lt(strlen(message), 1000);
    free(name);
    char *text = repeated("{{ raise_exception('", "ä", 5000, "') }}");
    cr_expect_eq(status_of(text, message), LT_ERR_USAGE);
    free(text);
}

Test(jinja_limits, colliding_keys_and_deep_json_are_paid_for)
{
    lt_error err;
    char *deep = repeated("{\"x\": ", "[", 1500, "1");
    char *closed = repeated(deep, "]", 1500, "}");
    json_t *context = lt_jinja_parse_json("deep", closed, strlen(closed), &err);
    cr_assert(context, "%s", err.message);
    lt_jinja_template *template;
    lt_jinja_buffer out = {0};
    cr_assert(lt_jinja_compile(&template, "t", "ok", 2, &err));
    cr_expect_not(lt_jinja_render(template, context, NULL, &out, &err));
    lt_jinja_free(template);
    lt_jinja_buffer_free(&out);
    json_decref(context);
    free(deep);
    free(closed);
}
