#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "formats/json.h"

static json_t *parse(const char *text, lt_error *err)
{
    return lt_json_parse(text, strlen(text), "config.json", err);
}

Test(json, names_line_and_column_of_a_syntax_error)
{
    lt_error err;
    cr_assert_null(parse("{\"a\": 1,\n \"b\": }", &err));
    cr_assert_eq(err.status, LT_ERR_FORMAT);
    cr_assert(strstr(err.message, "config.json: line 2, column"), "%s", err.message);
}

Test(json, refuses_duplicates_nul_nesting_bombs_and_roots_that_are_no_object)
{
    lt_error err;
    char bomb[10001] = "{\"a\":";
    memset(bomb + 5, '[', 9995);
    cr_assert_null(parse("{\"a\":1,\"a\":2}", &err));
    cr_assert(strstr(err.message, "duplicate"), "%s", err.message);
    cr_assert_null(parse("{\"w\\u0000x\":1}", &err));
    cr_assert_null(parse(bomb, &err));
    cr_assert_null(parse("[]", &err));
    cr_assert(strstr(err.message, "expected an object, found a list"), "%s", err.message);
    cr_assert_null(parse("{\"a\":NaN}", &err));
    cr_assert_null(parse("{\"a\":\"\xff\"}", &err));
    cr_assert_null(parse("", &err));
}

Test(json, errors_say_which_field_what_was_expected_and_what_was_found)
{
    lt_error err;
    int64_t n = 7;
    bool flag;
    double real;
    const char *text;
    lt_json scaling, list, element;
    json_t *root = parse("{\"size\":\"big\",\"rope\":{\"factor\":[1,true]},\"none\":null,\"h\":2.5,\"f\":4.0}", &err);
    lt_json top = lt_json_root(root, "config.json");

    cr_assert_not(lt_json_get_int(&top, "size", 1, 10, &n, &err));
    cr_assert_str_eq(err.message, "config.json: field 'size': expected a positive integer, found the string \"big\"");
    cr_assert(lt_json_member(&top, "rope", &scaling) && lt_json_member(&scaling, "factor", &list));
    element = lt_json_element(&list, 1);
    cr_assert_not(lt_json_real(&element, &real, &err));
    cr_assert_str_eq(err.message, "config.json: field 'rope.factor[1]': expected a number, found true");
    cr_assert_not(lt_json_get_bool(&scaling, "factor", &flag, &err));
    cr_assert_str_eq(err.message, "config.json: field 'rope.factor': expected true or false, found a list");
    cr_assert_not(lt_json_get_string(&top, "rope", &text, &err));
    cr_assert_not(lt_json_get_int(&top, "h", 1, 10, &n, &err));
    element = lt_json_element(&list, 0);
    cr_assert_not(lt_json_int(&element, 2, 9, &n, &err));
    cr_assert_not(lt_json_int(&element, -9, 0, &n, &err));

    cr_assert(lt_json_get_int(&top, "none", 1, 10, &n, &err) && lt_json_get_int(&top, "absent", 1, 10, &n, &err));
    cr_assert_eq(n, 7, "a default stays when the field is null or absent");
    cr_assert(lt_json_get_int(&top, "f", 1, 10, &n, &err));
    cr_assert_eq(n, 4);
    json_decref(root);
}

Test(json, reads_integers_beyond_64_bits_as_numbers)
{
    lt_error err;
    double real = 0;
    int64_t n;
    json_t *root = parse("{\"model_max_length\":1000000000000000019884624838656,\"n\":12}", &err);
    cr_assert_not_null(root);
    lt_json top = lt_json_root(root, "tokenizer_config.json");
    cr_assert(lt_json_get_real(&top, "model_max_length", &real, &err));
    cr_assert_float_eq(real, 1e30, 1e16);
    cr_assert(lt_json_get_int(&top, "n", 0, 100, &n, &err));
    cr_assert_eq(n, 12);
    cr_assert_not(lt_json_get_int(&top, "model_max_length", 0, INT64_MAX, &n, &err));
    json_decref(root);
}

Test(json, a_long_name_does_not_overflow_the_message)
{
    lt_error err;
    char text[4000], name[3000];
    memset(name, 'x', sizeof name);
    name[sizeof name - 1] = '\0';
    snprintf(text, sizeof text, "{\"%s\":{\"%.900s\":1}}", name, name);
    json_t *root = parse(text, &err);
    lt_json top = lt_json_root(root, "s"), inner;
    bool flag;
    cr_assert(lt_json_member(&top, name, &inner));
    name[900] = '\0';
    cr_assert_not(lt_json_get_bool(&inner, name, &flag, &err));
    cr_assert(strstr(err.message, "expected true or false, found an integer"), "%s", err.message);
    json_decref(root);
}

Test(json, writes_as_python_does)
{
    static const struct {
        double value;
        const char *text;
    } numbers[] = {
        {0, "0.0"}, {-0.0, "-0.0"}, {16, "16.0"}, {0.05, "0.05"}, {1.0 / 3, "0.3333333333333333"}, {1e-4, "0.0001"}, {1e-5, "1e-05"},
        {123456.75, "123456.75"}, {1e15, "1000000000000000.0"}, {1e16, "1e+16"}, {1.2345678901234567e17, "1.2345678901234566e+17"},
        {5e-324, "5e-324"}, {1.7976931348623157e308, "1.7976931348623157e+308"}, {0.1 + 0.2, "0.30000000000000004"}, {100, "100.0"},
    };
    char number[32];
    lt_error err;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        lt_json_real_text(numbers[i].value, number);
        cr_assert_str_eq(number, numbers[i].text);
    }
    json_t *root = parse("{\"b\":[1,[],{},-2.5],\"a\":\"\\u00e9\\ud83d\\ude00\\u007f\\u0001\\n\\\"\\\\/\",\"c\":{\"d\":null}}", &err);
    char *sorted = lt_json_text(root, 2, true), *flat = lt_json_text(root, 0, false);
    cr_assert_str_eq(sorted, "{\n  \"a\": \"\\u00e9\\ud83d\\ude00\\u007f\\u0001\\n\\\"\\\\/\",\n  \"b\": [\n    1,\n    [],\n    {},\n"
                             "    -2.5\n  ],\n  \"c\": {\n    \"d\": null\n  }\n}");
    cr_assert_str_eq(flat, "{\"b\": [1, [], {}, -2.5], \"a\": \"\\u00e9\\ud83d\\ude00\\u007f\\u0001\\n\\\"\\\\/\", \"c\": {\"d\": null}}");
    free(sorted);
    free(flat);
    json_decref(root);
}
