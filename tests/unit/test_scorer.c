#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "rl/json_schema.h"
#include "rl/scorer.h"

static lt_scored_answer answer(const char *completion, const char *reference)
{
    return (lt_scored_answer){.prompt = "question", .prompt_size = 8, .completion = completion, .completion_size = strlen(completion),
                              .reference = reference, .reference_size = reference ? strlen(reference) : 0};
}

static double score_one(const char *kind, const lt_scorer_options *options, const char *completion, const char *reference)
{
    lt_scorer *scorer;
    lt_error err = {0};
    double score = -1;
    lt_scored_answer a = answer(completion, reference);
    cr_assert(lt_scorer_open(&scorer, &kind, NULL, 1, options, &err), "%s", err.message);
    cr_assert(lt_scorer_score(scorer, &a, 1, &score, NULL, &err), "%s", err.message);
    lt_scorer_close(scorer);
    return score;
}

Test(scorer, the_number_of_an_answer_is_found_however_it_is_written)
{
    static const struct { const char *text; double value; } cases[] = {
        {"She has 3 and 4.\n#### 42", 42}, {"#### 1,234", 1234}, {"#### $1,234.50", 1234.5}, {"so it is -7", -7},
        {"-$5", -5}, {"$-5", -5}, {"the total is $12.", 12}, {"10-3", 3}, {"10 - 3", 3}, {"x = -3", -3}, {"= - 3", -3},
        {"3/4 of it", 0.75}, {"2 1/2", 2.5}, {".5", 0.5}, {"50%", 50}, {"1,2,3", 3}, {"12,34", 34}, {"1,234,567 people", 1234567},
        {"#### 5 or 6", 5}, {"#### 9 #### 10", 10}, {"12.0", 12}, {"3.5.2", 3.5}, {"\xE2\x88\x92" "8", -8}, {"7 / 0", 0}, {"co-3", 3},
        {"1e3", 3}, {"0005", 5}, {"answer: 72 clips\n", 72}, {"(5)-3", 3}, {"12,345,6789", 6789},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double value = 1e99;
        cr_expect(lt_scorer_find_number(cases[i].text, strlen(cases[i].text), &value), "%s", cases[i].text);
        cr_expect_float_eq(value, cases[i].value, 1e-12, "%s: %g", cases[i].text, value);
    }
}

Test(scorer, text_without_a_number_has_none)
{
    static const char *const none[] = {"", "#", "####", "no number", "$", "-", "1 2 #### none", "....", ",,,"};
    double value;
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        cr_expect_not(lt_scorer_find_number(none[i], strlen(none[i]), &value), "%s", none[i]);
    char *digits = malloc(1 << 20);
    memset(digits, '9', 1 << 20);
    cr_expect_not(lt_scorer_find_number(digits, 1 << 20, &value), "a million digits are beyond the range");
    memset(digits, '#', 1 << 20);
    cr_expect_not(lt_scorer_find_number(digits, 1 << 20, &value));
    free(digits);
}

Test(scorer, numbers_are_compared_by_value)
{
    lt_scorer_options none = {0};
    cr_expect_eq(score_one("number", &none, "It is 1,000.00 dollars", "#### 1000"), 1);
    cr_expect_eq(score_one("number", &none, "#### 0.5", "1/2"), 1);
    cr_expect_eq(score_one("number", &none, "#### 41", "#### 42"), 0);
    cr_expect_eq(score_one("number", &none, "no idea", "#### 42"), 0);
    cr_expect_eq(score_one("exact", &none, "  Paris\n", "Paris"), 1);
    cr_expect_eq(score_one("exact", &none, "paris", "Paris"), 0);
}

Test(scorer, a_pattern_is_searched_and_its_group_compared)
{
    lt_scorer_options o = {.pattern = "^Answer: (\\w+)$"};
    cr_expect_eq(score_one("regex", &o, "thinking\nAnswer: blue", "blue"), 1);
    cr_expect_eq(score_one("regex", &o, "Answer: red", "blue"), 0);
    cr_expect_eq(score_one("regex", &o, "Answer: red", NULL), 1);
    cr_expect_eq(score_one("regex", &o, "none", "blue"), 0);
}

Test(scorer, an_answer_that_makes_a_pattern_explode_is_no_match_and_ends_soon)
{
    lt_scorer_options o = {.pattern = "^(a+)+$"};
    char text[4000];
    memset(text, 'a', sizeof text);
    text[sizeof text - 2] = 'b';
    text[sizeof text - 1] = '\0';
    clock_t begin = clock();
    cr_expect_eq(score_one("regex", &o, text, NULL), 0);
    cr_expect_lt((double)(clock() - begin) / CLOCKS_PER_SEC, 2);
    cr_expect_eq(score_one("regex", &(lt_scorer_options){.pattern = "x$"}, "\xff\xfe x", NULL), 1, "bytes that are no UTF-8");
}

/* ---- JSON ---- */

static bool accepts(const char *schema, const char *text)
{
    lt_json_schema *s;
    lt_error err = {0};
    json_t *value = json_loads(schema, JSON_DECODE_ANY, NULL), *instance = json_loads(text, JSON_DECODE_ANY, NULL);
    cr_assert(value && instance);
    cr_assert(lt_json_schema_open(&s, value, "schema", &err), "%s", err.message);
    json_decref(value);
    bool ok = lt_json_schema_accepts(s, instance);
    json_decref(instance);
    lt_json_schema_close(s);
    return ok;
}

Test(scorer, a_schema_accepts_what_it_describes)
{
    const char *person = "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\",\"minLength\":2,\"pattern\":\"^[A-Z]\"},"
                         "\"age\":{\"type\":\"integer\",\"minimum\":0,\"exclusiveMaximum\":150},\"tags\":{\"type\":\"array\",\"items\":"
                         "{\"enum\":[\"a\",\"b\",1]},\"maxItems\":2}},\"required\":[\"name\"],\"additionalProperties\":false}";
    cr_expect(accepts(person, "{\"name\":\"Ada\",\"age\":36.0,\"tags\":[\"a\",1.0]}"));
    cr_expect(accepts(person, "{\"name\":\"Ada\"}"));
    static const char *const wrong[] = {"{}", "[]", "{\"name\":\"A\"}", "{\"name\":\"ada\"}", "{\"name\":\"Ada\",\"age\":-1}",
                                        "{\"name\":\"Ada\",\"age\":150}", "{\"name\":\"Ada\",\"age\":1.5}", "{\"name\":\"Ada\",\"tags\":[\"c\"]}",
                                        "{\"name\":\"Ada\",\"tags\":[\"a\",\"a\",\"a\"]}", "{\"name\":\"Ada\",\"more\":1}", "{\"name\":null}"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        cr_expect_not(accepts(person, wrong[i]), "%s", wrong[i]);
    cr_expect(accepts("true", "3") && !accepts("false", "3"));
    cr_expect(accepts("{\"type\":[\"null\",\"number\"]}", "null") && !accepts("{\"type\":[\"null\",\"number\"]}", "\"x\""));
    cr_expect(accepts("{\"additionalProperties\":{\"type\":\"boolean\"}}", "{\"x\":true}"));
    cr_expect_not(accepts("{\"additionalProperties\":{\"type\":\"boolean\"}}", "{\"x\":1}"));
    cr_expect(accepts("{\"const\":{\"a\":[1]}}", "{\"a\":[1]}") && accepts("{\"maxLength\":1}", "\"\xC3\xA4\""));
}

Test(scorer, a_schema_with_a_rule_that_is_not_known_is_refused)
{
    static const char *const bad[] = {"{\"oneOf\":[]}", "{\"$ref\":\"#\"}", "{\"type\":\"strin\"}", "{\"type\":[]}", "3", "{\"required\":[1]}",
                                      "{\"minItems\":-1}", "{\"pattern\":\"(\"}", "{\"properties\":{\"x\":{\"not\":{}}}}", "{\"maximum\":\"9\"}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        lt_json_schema *s;
        lt_error err = {0};
        json_t *value = json_loads(bad[i], JSON_DECODE_ANY, NULL);
        cr_expect_not(lt_json_schema_open(&s, value, "schema.json", &err), "%s", bad[i]);
        cr_expect(strstr(err.message, "schema.json"), "%s", err.message);
        json_decref(value);
    }
}

Test(scorer, json_answers_are_read_bare_or_from_a_fenced_block)
{
    char path[] = "/tmp/lathe-schema-XXXXXX";
    int fd = mkstemp(path);
    cr_assert(fd >= 0 && write(fd, "{\"type\":\"object\",\"required\":[\"x\"]}", 34) == 34);
    close(fd);
    lt_scorer_options o = {.schema = path};
    cr_expect_eq(score_one("json", &o, " {\"x\": 1} ", NULL), 1);
    cr_expect_eq(score_one("json", &o, "Here:\n```json\n{\"x\": 1}\n```\nDone", NULL), 1);
    cr_expect_eq(score_one("json", &o, "{\"x\": 1} and more", NULL), 0);
    cr_expect_eq(score_one("json", &o, "{\"x\": 1, \"x\": 2}", NULL), 0, "a key twice");
    cr_expect_eq(score_one("json", &o, "```", NULL), 0);
    char deep[20001];
    memset(deep, '[', 20000);
    deep[20000] = '\0';
    cr_expect_eq(score_one("json", &o, deep, NULL), 0);
    unlink(path);
}

/* ---- commands ---- */

static bool run_command(const char *command, double seconds, int64_t count, double *scores, lt_error *err)
{
    lt_scorer *scorer;
    const char *kind = "command";
    lt_scored_answer a[64];
    for (int64_t i = 0; i < count; i++)
        a[i] = answer("some \"text\"\n", "1");
    lt_scorer_options o = {.command = &command, .command_count = 1, .command_seconds = seconds};
    if (!lt_scorer_open(&scorer, &kind, NULL, 1, &o, err))
        return false;
    bool ok = lt_scorer_score(scorer, a, count, scores, NULL, err);
    lt_scorer_close(scorer);
    return ok;
}

Test(scorer, a_command_gets_a_line_a_sample_and_gives_a_number_a_line)
{
    double scores[3];
    lt_error err = {0};
    cr_assert(run_command("sed -n 's/.*completion.*text.*/0.25/p'", 20, 3, scores, &err), "%s", err.message);
    cr_expect(scores[0] == 0.25 && scores[2] == 0.25);
    cr_assert(run_command("sh -c 'while read line; do echo -1e-3; done'", 20, 2, scores, &err), "%s", err.message);
    cr_expect_eq(scores[1], -1e-3);
    cr_assert(run_command("printf '1\\n2\\n3'", 20, 3, scores, &err), "it need not read its input: %s", err.message);
    cr_expect_eq(scores[2], 3);
}

Test(scorer, a_command_that_misbehaves_is_one_clear_error)
{
    static const struct { const char *command, *says; } cases[] = {
        {"/nonexistent/program", "cannot be started"}, {"false", "exit status 1"}, {"sh -c 'echo oh no >&2; exit 3'", "exit status 3: oh no"},
        {"sh -c 'kill -9 $$'", "signal 9"}, {"sleep 60", "not done after 0.5 seconds"}, {"echo 1", "expected 3 lines of output, one a sample, found 1"},
        {"echo good", "expected a number, found 'good'"}, {"printf '1\\nnan\\n2'", "line 2"}, {"printf '1\\n\\n2'", "line 2"},
        {"printf '1\\n2\\n3\\n4\\n'", "more than 3 lines"}, {"printf '0x10\\n1\\n2'", "line 1"}, {"printf '1e999\\n1\\n1'", "line 1"},
        {"yes", "wrote more than"}, {"sh -c 'sleep 60 & echo 1; echo 1; echo 1'", "not done after"}, {"'open", "a quote is not closed"}, {"  ", "empty"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double scores[3];
        lt_error err = {0};
        cr_expect_not(run_command(cases[i].command, strstr(cases[i].says, "not done") ? 0.5 : 20, 3, scores, &err), "%s", cases[i].command);
        cr_expect(strstr(err.message, cases[i].says), "%s: %s", cases[i].command, err.message);
    }
}

Test(scorer, words_are_cut_as_a_shell_cuts_them_and_nothing_is_expanded)
{
    char **words;
    int count;
    lt_error err = {0};
    cr_assert(lt_scorer_split(" a 'b c'  \"d \\\" e\" f\\ g $HOME;ls '' ", &words, &count, &err));
    const char *expected[] = {"a", "b c", "d \" e", "f g", "$HOME;ls", ""};
    cr_assert_eq(count, 6);
    for (int i = 0; i < count; i++)
        cr_expect_str_eq(words[i], expected[i]);
    lt_scorer_split_free(words, count);
}

Test(scorer, several_scorers_add_up_with_their_weights)
{
    lt_scorer *scorer;
    const char *names[2] = {"number", "regex"};
    double weights[2] = {2, -0.5}, scores[2], parts[4];
    lt_error err = {0};
    lt_scorer_options o = {.pattern = "####"};
    lt_scored_answer a[2] = {answer("#### 4", "4"), answer("4", "4")};
    cr_assert(lt_scorer_open(&scorer, names, weights, 2, &o, &err), "%s", err.message);
    cr_assert(lt_scorer_score(scorer, a, 2, scores, parts, &err));
    cr_expect(scores[0] == 1.5 && scores[1] == 2 && parts[0] == 1 && parts[2] == 1 && parts[3] == 0);
    cr_expect(lt_scorer_needs_reference(scorer));
    lt_scorer_close(scorer);
    const char *wrong = "numbr";
    cr_expect_not(lt_scorer_open(&scorer, &wrong, NULL, 1, &o, &err));
    cr_expect(strstr(err.message, "exact, number, regex, json, command, reward"), "%s", err.message);
}
