/* The language, against what jinja2 printed (tests/data/jinja/language.json, made by scripts/check_templates.py
 * record), and the promises of the interface. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "text/jinja.h"

static json_t *load(const char *path)
{
    char *text;
    size_t size;
    lt_error err;
    cr_assert(lt_file_read(path, 16 << 20, &text, &size, &err), "%s", err.message);
    json_t *json = lt_jinja_parse_json(path, text, size, &err);
    cr_assert(json, "%s", err.message);
    free(text);
    return json;
}

/* Renders source with context (JSON text, or NULL for none); the result is valid until the next call. */
static const char *render(const char *source, const char *context, lt_error *err)
{
    static lt_jinja_buffer out;
    lt_jinja_template *template;
    lt_error unused;
    err = err ? err : &unused;
    err->status = LT_OK;
    json_t *json = context ? lt_jinja_parse_json("context", context, strlen(context), err) : json_object();
    cr_assert(json, "%s", err->message);
    const char *text = NULL;
    if (lt_jinja_compile(&template, "test", source, strlen(source), err)) {
        if (lt_jinja_render(template, json, NULL, &out, err))
            text = out.data ? out.data : "";
        lt_jinja_free(template);
    }
    json_decref(json);
    return text;
}

Test(jinja, every_recorded_template_prints_what_python_prints_or_fails_where_it_fails)
{
    struct tm now = {
        .tm_year = 124, .tm_mon = 6, .tm_mday = 26, .tm_hour = 13, .tm_min = 5, .tm_wday = 5, .tm_yday = 207};
    lt_jinja_options options = {.now = &now};
    json_t *file = load("tests/data/jinja/language.json"), *context = json_object_get(file, "context"), *one;
    lt_jinja_buffer out = {0};
    size_t i, failed = 0;
    json_array_foreach(json_object_get(file, "cases"), i, one)
    {
        const json_t *source = json_array_get(one, 0), *expected = json_array_get(one, 1);
        lt_jinja_template *template = NULL;
        lt_error err;
        bool ok = lt_jinja_compile(&template, "t", json_string_value(source), json_string_length(source), &err) &&
                  lt_jinja_render(template, context, &options, &out, &err);
        bool same = json_is_string(expected)
                        ? ok && out.size == json_string_length(expected) &&
                              (out.size == 0 || memcmp(out.data, json_string_value(expected), out.size) == 0)
                        : !ok;
        if (!same && failed++ < 5)
            cr_log_error("%s\n  python: %s\n  lathe:  %s", json_string_value(source),
                         json_is_string(expected) ? json_string_value(expected) : "(an error)",
                         ok ? out.data : err.message);
        lt_jinja_free(template);
    }
    cr_expect_eq(failed, 0, "%zu of %zu differ", failed, i);
    cr_expect_gt(i, 800);
    lt_jinja_buffer_free(&out);
    json_decref(file);
}

Test(jinja, an_error_names_template_and_line)
{
    lt_error err;
    cr_expect_null(render("a\n{% if x %}\nb\n{{ y.z }}\n{% endif %}", "{\"x\": 1}", &err));
    cr_expect_eq(err.status, LT_ERR_FORMAT);
    cr_expect_str_eq(err.message, "test, line 4: 'y' is undefined");
    cr_expect_null(render("\n\n{% for x in %}{% endfor %}", NULL, &err));
    cr_expect(strstr(err.message, "test, line 3: "), "%s", err.message);
    cr_expect_null(render("{% if a %}\n{% for x in y %}\n", NULL, &err));
    cr_expect(strstr(err.message, "line 2: the template ends inside the tag opened here; {% endfor %}"), "%s",
              err.message);
}

Test(jinja, raise_exception_has_a_status_of_its_own)
{
    lt_error err;
    cr_expect_null(render("{{ raise_exception('no ' ~ role ~ ' here') }}", "{\"role\": \"tool\"}", &err));
    cr_expect_eq(err.status, LT_ERR_USAGE);
    cr_expect_str_eq(err.message, "test, line 1: no tool here");
}

Test(jinja, integers_of_any_size_print_as_they_were_given)
{
    cr_expect_str_eq(
        render("{{ x }} {{ x | tojson }} {{ x is integer }} {{ [x] }}", "{\"x\": -123456789012345678901234567890}",
               NULL),
        "-123456789012345678901234567890 -123456789012345678901234567890 True [-123456789012345678901234567890]");
    cr_expect_str_eq(render("{{ x + 1 }}", "{\"x\": 9223372036854775806}", NULL), "9223372036854775807");
    cr_expect_null(render("{{ x + 1 }}", "{\"x\": 9223372036854775807}", NULL));
    cr_expect_null(render("{{ x + 1 }}", "{\"x\": 9223372036854775808}", NULL));
    cr_expect_str_eq(render("{{ s }}", "{\"s\": \"12345678901234567890123\"}", NULL), "12345678901234567890123");
}

Test(jinja, the_order_of_members_is_that_of_the_json)
{
    cr_expect_str_eq(render("{{ x | tojson }}",
                            "{\"x\": {\"z\": 1, \"a\": {\"y\": 2.0, \"b\": 1e-7}, \"m\": \"\\u00e9\\u0000\"}}", NULL),
                     "{\"z\": 1, \"a\": {\"y\": 2.0, \"b\": 1e-07}, \"m\": \"é\\u0000\"}");
}

Test(jinja, the_time_is_the_callers)
{
    struct tm now = {.tm_year = 125, .tm_mon = 0, .tm_mday = 9, .tm_hour = 7, .tm_wday = 4, .tm_yday = 8};
    lt_jinja_options options = {.now = &now};
    lt_jinja_template *template;
    lt_jinja_buffer out = {0};
    lt_error err;
    json_t *context = json_object();
    const char *source = "{{ strftime_now('%d %b %Y, %A %H:%M') }}";
    cr_assert(lt_jinja_compile(&template, "t", source, strlen(source), &err));
    cr_assert(lt_jinja_render(template, context, &options, &out, &err), "%s", err.message);
    cr_expect_str_eq(out.data, "09 Jan 2025, Thursday 07:00");
    lt_jinja_free(template);
    lt_jinja_buffer_free(&out);
    json_decref(context);
}

static void check_spans(const char *source, size_t count, const char *first, bool misplaced)
{
    lt_jinja_template *template;
    lt_jinja_buffer out = {0};
    lt_jinja_spans spans = {0};
    lt_jinja_options options = {.spans = &spans};
    lt_error err;
    json_t *context = json_pack("{s:[s, s]}", "l", "ä", "b");
    cr_assert(lt_jinja_compile(&template, "t", source, strlen(source), &err), "%s", err.message);
    cr_expect(lt_jinja_has_generation(template));
    cr_assert(lt_jinja_render(template, context, &options, &out, &err), "%s", err.message);
    cr_expect_eq(spans.count, count);
    cr_expect_eq(spans.misplaced, misplaced);
    if (first && spans.count)
        cr_expect(spans.items[0].end - spans.items[0].begin == strlen(first) &&
                      memcmp(out.data + spans.items[0].begin, first, strlen(first)) == 0,
                  "%s", source);
    lt_jinja_spans_free(&spans);
    lt_jinja_buffer_free(&out);
    lt_jinja_free(template);
    json_decref(context);
}

Test(jinja, generation_blocks_tell_their_bytes)
{
    check_spans("{% for x in l %}é{% generation %}{{ x }}!{% endgeneration %}{% endfor %}", 2, "ä!", false);
    check_spans("{% if no %}{% generation %}{% endgeneration %}{% endif %}", 0, NULL, false);
    check_spans("{% set t %}{% generation %}x{% endgeneration %}{% endset %}{{ t }}", 0, NULL, true);
    check_spans("{% macro m() %}{% generation %}x{% endgeneration %}{% endmacro %}{{ m() }}", 0, NULL, true);
    check_spans("{% generation %}a{% generation %}b{% endgeneration %}c{% endgeneration %}", 1, "abc", false);
}

Test(jinja, a_buffer_can_be_used_again)
{
    lt_jinja_template *template;
    lt_jinja_buffer out = {0};
    lt_error err;
    json_t *context = json_object();
    cr_assert(lt_jinja_compile(&template, "t", "{{ x }}abc", 10, &err));
    for (int i = 0; i < 3; i++) {
        cr_assert(lt_jinja_render(template, context, NULL, &out, &err));
        cr_expect_str_eq(out.data, "abc");
    }
    lt_jinja_free(template);
    cr_assert(lt_jinja_compile(&template, "t", "abc{{ x.y }}", 12, &err));
    cr_expect_not(lt_jinja_render(template, context, NULL, &out, &err));
    cr_expect_eq(out.size, 0);
    cr_expect_str_eq(out.data, "");
    lt_jinja_free(template);
    lt_jinja_buffer_free(&out);
    json_decref(context);
}
