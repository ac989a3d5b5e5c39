#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/yaml.h"

static json_t *parse(const char *text, lt_error *err)
{
    json_t *value = NULL;
    *err = (lt_error){0};
    return lt_yaml_parse("r.yaml", text, strlen(text), &value, NULL, err) ? value : NULL;
}

/* The value of text, written as compact JSON in key order. */
static void expect(const char *text, const char *json)
{
    lt_error err;
    json_t *value = parse(text, &err);
    cr_assert(value, "%s: %s", text, err.message);
    char *got = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    cr_assert_str_eq(got, json, "%s gave %s", text, got);
    free(got);
    json_decref(value);
}

static void expect_error(const char *text, const char *message)
{
    lt_error err;
    cr_assert_null(parse(text, &err), "%s", text);
    cr_assert_eq(err.status, LT_ERR_FORMAT);
    cr_assert_str_eq(err.message, message, "%s gave %s", text, err.message);
}

Test(yaml, plain_scalars_have_the_types_of_the_core_schema)
{
    expect("[1e-4, 2E5, .5, 1., -3.25, +0.0, 6.02e+23]", "[0.0001,200000.0,0.5,1.0,-3.25,0.0,6.02e23]");
    expect("[0, -12, +7, 007, 0o17, 0x1F, 9223372036854775807]", "[0,-12,7,7,15,31,9223372036854775807]");
    expect("[null, Null, NULL, ~, ]", "[null,null,null,null]");
    expect("[true, True, TRUE, false, False, FALSE]", "[true,true,true,false,false,false]");
    expect("[off, no, yes, on, y, tRue, nUll, 1_000, 0b11, 1:30, 2024-01-01, 1e, e5, ., -, 0x, 1.2.3, 0o8]",
           "[\"off\",\"no\",\"yes\",\"on\",\"y\",\"tRue\",\"nUll\",\"1_000\",\"0b11\",\"1:30\",\"2024-01-01\",\"1e\","
           "\"e5\",\".\","
           "\"-\",\"0x\",\"1.2.3\",\"0o8\"]");
    expect("['1', \"true\", !!str 5, !!float 3, !!int 4, !!bool true, !!null '']",
           "[\"1\",\"true\",\"5\",3.0,4,true,null]");
}

Test(yaml, a_recipe_keeps_its_order_and_knows_its_lines)
{
    const char *text =
        "# a run\nlearning_rate: 1e-4\ntarget_modules:\n  - q_proj\n  - v_proj\n\npacking: false\nmodel: ./m\n"
        "prompt: |\n  two\n  lines\nnested: {a: {b: 1}}\n";
    json_t *value, *lines;
    lt_error err;
    cr_assert(lt_yaml_parse("r.yaml", text, strlen(text), &value, &lines, &err), "%s", err.message);
    char *got = json_dumps(value, JSON_COMPACT), *at = json_dumps(lines, JSON_COMPACT);
    cr_assert_str_eq(got, "{\"learning_rate\":0.0001,\"target_modules\":[\"q_proj\",\"v_proj\"],\"packing\":false,"
                          "\"model\":\"./m\",\"prompt\":\"two\\nlines\\n\",\"nested\":{\"a\":{\"b\":1}}}");
    cr_assert_str_eq(at,
                     "{\"learning_rate\":2,\"target_modules\":3,\"packing\":7,\"model\":8,\"prompt\":9,\"nested\":12}");
    free(got);
    free(at);
    json_decref(value);
    json_decref(lines);
}

Test(yaml, empty_input_is_null_and_aliases_are_copies)
{
    expect("", "null");
    expect("# nothing\n", "null");
    expect("a: &x {k: [1, 2]}\nb: *x\nc: [*x, *x]\n",
           "{\"a\":{\"k\":[1,2]},\"b\":{\"k\":[1,2]},\"c\":[{\"k\":[1,2]},{\"k\":[1,2]}]}");
    lt_error err;
    json_t *value = parse("a: &x [1]\nb: *x\n", &err);
    json_array_append_new(json_object_get(value, "a"), json_integer(2));
    cr_assert_eq(json_array_size(json_object_get(value, "b")), 1);
    json_decref(value);
}

Test(yaml, an_error_names_line_and_column)
{
    expect_error("a: 1\nb: 2\na: 3\n", "r.yaml:3:1: the key 'a' appears twice");
    expect_error("a:\n  b: 99999999999999999999\n",
                 "r.yaml:2:6: expected an integer of 64 bits, found 99999999999999999999");
    expect_error("a: .inf\n", "r.yaml:1:4: expected a finite number, found .inf");
    expect_error("a: 1e999\n", "r.yaml:1:4: expected a finite number, found 1e999");
    expect_error("d: &d {a: 1}\ne:\n  <<: *d\n",
                 "r.yaml:3:3: merge keys ('<<') are not part of YAML 1.2; write the keys out");
    expect_error("[1, 2]: x\n", "r.yaml:1:1: expected a key that is a string, found a collection");
    expect_error("a: *nobody\n", "r.yaml:1:4: the alias '*nobody' names no finished anchor before it");
    expect_error("a: &x [*x]\n", "r.yaml:1:8: the alias '*x' names no finished anchor before it");
    expect_error("--- 1\n--- 2\n", "r.yaml:2:1: expected one document, found a second");
    expect_error("a: !!python/object:os.system x\n",
                 "r.yaml:1:4: expected a tag of the core schema, found 'tag:yaml.org,2002:python/object:os.system'");
    expect_error("a: !mine [1]\n", "r.yaml:1:4: expected a tag of the core schema, found '!mine'");
    expect_error("a: !!int x\n", "r.yaml:1:4: 'x' does not fit the tag !!int");
    lt_error err;
    cr_assert_null(parse("a: [1, 2\nb: 3\n", &err));
    cr_assert(strstr(err.message, "r.yaml:2:2: "), "%s", err.message);
    cr_assert_null(parse("a: \"\xff\"\n", &err));
    cr_assert(strstr(err.message, "r.yaml: byte 4: "), "%s", err.message);
    cr_assert_null(parse("a:\n\t- x\n", &err));
    cr_assert(strstr(err.message, "r.yaml:2:1: "), "%s", err.message);
}

Test(yaml, bombs_are_refused)
{
    char text[4096] = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
    for (int i = 1; i < 20; i++) {
        char line[128];
        snprintf(line, sizeof line, "a%d: &a%d [*a%d, *a%d, *a%d, *a%d, *a%d, *a%d]\n", i, i, i - 1, i - 1, i - 1,
                 i - 1, i - 1, i - 1);
        strcat(text, line);
    }
    lt_error err;
    cr_assert_null(parse(text, &err));
    cr_assert(strstr(err.message, "more than 100000 values, aliases included"), "%s", err.message);

    char deep[1001];
    memset(deep, '[', 1000);
    deep[1000] = '\0';
    cr_assert_null(parse(deep, &err));
    cr_assert_str_eq(err.message, "r.yaml:1:65: nested more than 64 deep");

    strcpy(text, "a0: &a0 [1]\n"); /* depth grows by aliases too */
    for (int i = 1; i < 70; i++) {
        char line[64];
        snprintf(line, sizeof line, "a%d: &a%d [*a%d]\n", i, i, i - 1);
        strcat(text, line);
    }
    cr_assert_null(parse(text, &err));
    cr_assert(strstr(err.message, "nested more than 64 deep"), "%s", err.message);
}

static void expect_round_trip(const json_t *value)
{
    char *text;
    size_t size;
    json_t *back;
    lt_error err = {0};
    cr_assert(lt_yaml_write(value, &text, &size, &err), "%s", err.message);
    cr_assert(lt_yaml_parse("w", text, size, &back, NULL, &err), "%s\n%s", err.message, text);
    char *a = json_dumps(value, JSON_ENCODE_ANY), *b = json_dumps(back, JSON_ENCODE_ANY);
    cr_assert(json_equal(value, back), "%s", text);
    cr_assert_str_eq(a, b); /* the order of keys as well */
    free(a);
    free(b);
    free(text);
    json_decref(back);
}

Test(yaml, what_is_written_reads_back_equal)
{
    static const char *const documents[] = {
        "{}",
        "[]",
        "null",
        "\"\"",
        "{\"a\":{},\"b\":[],\"c\":[[],[{}],{\"d\":[1,[2,{\"e\":3}]]}]}",
        "[0.1,1e-5,1.0,1e22,-0.0,123456789.125,5e-324,1.7976931348623157e308,3.0000000000000004,100.0]",
        "[0,-1,9223372036854775807,-9223372036854775808]",
        "[\"1\",\"1.0\",\"1e-4\",\"true\",\"Null\",\"~\",\"yes\",\"No\",\"off\",\"0x1\",\".inf\",\"2024-01-01\",\"1:"
        "30\",\"=\",\"<<\"]",
        "[\" lead\",\"trail \",\"a: b\",\"a #b\",\"- x\",\"? "
        "x\",\"*a\",\"&a\",\"!t\",\"%d\",\"@x\",\"`x\",\"{x\",\"[x\",\"'x'\",\"\\\"x\\\"\",\"|\","
        "\">\",\"x:\",\":x\",\"---\",\"...\",\"it's\"]",
        "[\"two\\nlines\",\"\\n\",\"\\ttab\\t\",\"cr\\r\\n\",\" \\n "
        "\\n\",\"end\\n\\n\",\"\\u0001\\u001b[31m\",\"\\u0085\\u00a0\\u2028\\u2029\\ufeff\\ufffe\"]",
        "[\"\\u00e9\\u20ac\\ud83d\\ude00\", \"{% for m in messages %}{{ m['content'] }}\\n{% endfor %}\"]",
        "{\"\":1,\"1\":2,\"yes\":3,\"a b\":4,\"a: b\":5,\"two\\nlines\":6,\"#\":7,\"\\u00e9\":8,\"<<\":9,\"~\":10}",
    };
    for (size_t i = 0; i < sizeof documents / sizeof *documents; i++) {
        json_error_t error;
        json_t *value = json_loads(documents[i], JSON_DECODE_ANY, &error);
        cr_assert(value, "%s: %s", documents[i], error.text);
        expect_round_trip(value);
        json_decref(value);
    }
    char long_key[400], *word = long_key;
    memset(word, 'k', sizeof long_key - 1);
    word[sizeof long_key - 1] = '\0';
    json_t *value = json_pack("{s:[s#,i]}", long_key, "nul\0inside", 10, 1);
    expect_round_trip(value);
    json_decref(value);
}

Test(yaml, a_written_recipe_looks_like_one_written_by_hand)
{
    json_t *value = json_pack("{s:s,s:f,s:[s,s],s:b,s:i,s:s,s:{}}", "model", "/models/smol-135M", "learning_rate", 2e-5,
                              "target_modules", "q_proj", "v_proj", "packing", 0, "seed", 42, "stop", "on", "extra");
    char *text;
    size_t size;
    lt_error err;
    cr_assert(lt_yaml_write(value, &text, &size, &err));
    cr_assert_str_eq(text,
                     "model: /models/smol-135M\nlearning_rate: 2.0e-05\ntarget_modules:\n- q_proj\n- v_proj\npacking: "
                     "false\nseed: 42\nstop: 'on'\nextra: {}\n");
    free(text);
    json_decref(value);
}
