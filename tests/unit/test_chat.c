/* Conversations through templates, against what transformers gives (tests/data/chat/cases.json, made by
 * scripts/check_templates.py record), and where a template comes from. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "text/chat.h"

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

static lt_chat *open_data(const char *name, const json_t *special)
{
    char path[300], *source;
    size_t size;
    lt_error err;
    lt_chat *chat;
    snprintf(path, sizeof path, "tests/data/chat/%s", name);
    cr_assert(lt_file_read(path, 1 << 20, &source, &size, &err), "%s", err.message);
    cr_assert(lt_chat_open_source(&chat, path, source, size, special, NULL, &err), "%s", err.message);
    free(source);
    return chat;
}

Test(chat, conversations_are_rendered_or_refused_as_transformers_does)
{
    json_t *file = load("tests/data/chat/cases.json"), *one;
    lt_jinja_buffer out = {0};
    size_t i;
    json_array_foreach(json_object_get(file, "cases"), i, one)
    {
        const json_t *asked = json_object_get(one, "request"), *expected = json_object_get(one, "text");
        const char *name = json_string_value(json_object_get(one, "template"));
        lt_chat *chat = open_data(name, json_object_get(file, "special"));
        lt_error err;
        lt_chat_request request = {.messages = json_object_get(asked, "messages"),
                                   .tools = json_object_get(asked, "tools"),
                                   .variables = json_object_get(asked, "variables"),
                                   .add_generation_prompt =
                                       json_is_true(json_object_get(asked, "add_generation_prompt"))};
        bool ok = lt_chat_render(chat, &request, &out, &err);
        if (expected) {
            cr_expect(ok, "%s, case %zu: %s", name, i, err.message);
            cr_expect(ok && out.size == json_string_length(expected) &&
                          (!out.size || memcmp(out.data, json_string_value(expected), out.size) == 0),
                      "%s, case %zu: got\n%s\nexpected\n%s", name, i, ok ? out.data : "", json_string_value(expected));
        } else {
            const char *message = json_string_value(json_object_get(one, "error"));
            cr_expect(!ok && strstr(err.message, message), "%s, case %zu: %s", name, i, ok ? out.data : err.message);
            cr_expect(ok || !*message || err.status == LT_ERR_USAGE);
        }
        lt_chat_close(chat);
    }
    cr_expect_gt(i, 70);
    lt_jinja_buffer_free(&out);
    json_decref(file);
}

/* ---- where templates come from --------------------------------------------------------------------------------- */

static char folder[] = "/tmp/lathe-chat-XXXXXX";

static void make_folder(void)
{
    cr_assert(mkdtemp(folder));
}

static void write_file(const char *name, const char *text)
{
    char path[300];
    lt_error err;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    cr_assert(lt_file_replace(path, text, strlen(text), &err), "%s", err.message);
}

static void remove_folder(void)
{
    static const char *const NAMES[] = {"tokenizer_config.json",    "chat_template.jinja", "special_tokens_map.json",
                                        "chat_templates/rag.jinja", "chat_templates",      "mine.jinja"};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        char path[300];
        snprintf(path, sizeof path, "%s/%s", folder, NAMES[i]);
        remove(path);
    }
    rmdir(folder);
}

/* What the folder's template makes of one question; NULL with *err set when it cannot be opened. */
static const char *rendered(const char *choice, bool tools, lt_error *err)
{
    static lt_jinja_buffer out;
    lt_chat *chat;
    lt_error unused;
    err = err ? err : &unused;
    if (!lt_chat_open(&chat, folder, choice, err))
        return NULL;
    json_t *messages = lt_chat_messages_make(NULL, "Q", NULL), *list = tools ? json_pack("[{s:s}]", "name", "f") : NULL;
    bool ok = lt_chat_render(chat, &(lt_chat_request){.messages = messages, .tools = list}, &out, err);
    json_decref(messages);
    json_decref(list);
    lt_chat_close(chat);
    return ok ? out.data : NULL;
}

Test(chat, a_file_beats_the_configuration_and_the_users_choice_beats_both, .init = make_folder, .fini = remove_folder)
{
    char path[300];
    write_file("tokenizer_config.json", "{\"chat_template\": \"config {{ eos_token }}\", \"eos_token\": \"</s>\", "
                                        "\"model_max_length\": 1000000000000000019884624838656}");
    cr_expect_str_eq(rendered(NULL, false, NULL), "config </s>");
    write_file("chat_template.jinja", "file {{ eos_token }}");
    cr_expect_str_eq(rendered(NULL, false, NULL), "file </s>");
    write_file("mine.jinja", "mine {{ eos_token }}");
    snprintf(path, sizeof path, "%s/mine.jinja", folder);
    cr_expect_str_eq(rendered(path, false, NULL), "mine </s>");
    cr_expect_str_eq(rendered("chatml", false, NULL), "<|im_start|>user\nQ<|im_end|>\n");
    cr_expect_str_eq(rendered("default", false, NULL), "file </s>");
    write_file("chat_template.jinja", "{{ broken");
    cr_expect_null(rendered(NULL, false, NULL));
    cr_expect_str_eq(rendered("chatml", false, NULL), "<|im_start|>user\nQ<|im_end|>\n");
}

Test(chat, a_list_of_templates_is_picked_from_by_tools_and_by_name, .init = make_folder, .fini = remove_folder)
{
    char path[300];
    lt_error err;
    write_file("tokenizer_config.json",
               "{\"chat_template\": [{\"name\": \"default\", \"template\": \"D\"}, {\"name\": \"tool_use\", "
               "\"template\": \"T\"}, {\"name\": \"rag\", \"template\": \"R\"}]}");
    cr_expect_str_eq(rendered(NULL, false, NULL), "D");
    cr_expect_str_eq(rendered(NULL, true, NULL), "T");
    cr_expect_str_eq(rendered("rag", true, NULL), "R");
    cr_expect_str_eq(rendered("default", true, NULL), "D");
    write_file("tokenizer_config.json",
               "{\"chat_template\": [{\"name\": \"a\", \"template\": \"A\"}, {\"name\": \"b\", \"template\": \"B\"}]}");
    cr_expect_null(rendered(NULL, false, &err));
    cr_expect(strstr(err.message, "'a', 'b'") && err.status == LT_ERR_USAGE, "%s", err.message);
    write_file("tokenizer_config.json", "{\"chat_template\": [{\"name\": \"a\"}]}");
    cr_expect_null(rendered(NULL, false, &err));
    cr_expect(strstr(err.message, "tokenizer_config.json: chat_template: expected a string or a list"), "%s",
              err.message);
    write_file("tokenizer_config.json", "{}");
    write_file("chat_template.jinja", "F");
    snprintf(path, sizeof path, "%s/chat_templates", folder);
    cr_assert(lt_file_make_folder(path, &err));
    write_file("chat_templates/rag.jinja", "folder R");
    cr_expect_str_eq(rendered("rag", false, NULL), "folder R");
    cr_expect_str_eq(rendered(NULL, false, NULL), "F");
}

Test(chat, a_model_without_a_template_says_what_to_do, .init = make_folder, .fini = remove_folder)
{
    lt_error err;
    write_file("tokenizer_config.json", "{\"chat_template\": null, \"bos_token\": {\"content\": \"<b>\"}}");
    cr_expect_null(rendered(NULL, false, &err));
    cr_expect_eq(err.status, LT_ERR_USAGE);
    cr_expect(strstr(err.message, "--chat-template"), "%s", err.message);
    cr_expect_null(rendered("no-such-thing", false, &err));
    cr_expect(strstr(err.message, "no-such-thing") && strstr(err.message, "chatml"), "%s", err.message);
}

Test(chat, special_tokens_come_as_strings_objects_or_from_the_map, .init = make_folder, .fini = remove_folder)
{
    write_file("tokenizer_config.json",
               "{\"bos_token\": {\"__type\": \"AddedToken\", \"content\": \"<b>\"}, \"eos_token\": \"<e>\", "
               "\"unk_token\": null}");
    write_file("special_tokens_map.json", "{\"eos_token\": \"<other>\", \"pad_token\": {\"content\": \"<p>\"}}");
    write_file("chat_template.jinja", "{{ bos_token }}{{ eos_token }}{{ pad_token }}{{ unk_token is defined }}");
    cr_expect_str_eq(rendered(NULL, false, NULL), "<b><e><p>False");
    lt_chat *chat;
    lt_error err;
    cr_assert(lt_chat_open(&chat, folder, NULL, &err));
    cr_expect_str_eq(lt_chat_special_token(chat, "eos_token"), "<e>");
    cr_expect_null(lt_chat_special_token(chat, "unk_token"));
    lt_chat_close(chat);
}

/* ---- requests -------------------------------------------------------------------------------------------------- */

static bool renders(const char *messages, const char *tools, const char *variables, lt_error *err)
{
    lt_chat *chat = open_data("plain.jinja", NULL);
    lt_jinja_buffer out = {0};
    lt_chat_request request = {.messages = json_loads(messages, JSON_DECODE_ANY, NULL),
                               .tools = tools ? json_loads(tools, JSON_DECODE_ANY, NULL) : NULL,
                               .variables = variables ? json_loads(variables, JSON_DECODE_ANY, NULL) : NULL};
    bool ok = lt_chat_render(chat, &request, &out, err);
    json_decref((json_t *)request.messages);
    json_decref((json_t *)request.tools);
    json_decref((json_t *)request.variables);
    lt_jinja_buffer_free(&out);
    lt_chat_close(chat);
    return ok;
}

Test(chat, requests_of_the_wrong_shape_are_refused)
{
    static const char GOOD[] = "[{\"role\": \"user\", \"content\": \"x\"}]";
    lt_error err;
    cr_expect(renders(GOOD, NULL, NULL, &err), "%s", err.message);
    cr_expect(renders(GOOD, "null", "null", &err), "%s", err.message);
    cr_expect_not(renders("[]", NULL, NULL, &err));
    cr_expect_not(renders("{\"role\": \"user\"}", NULL, NULL, &err));
    cr_expect_not(renders("[\"hello\"]", NULL, NULL, &err));
    cr_expect(strstr(err.message, "message 0"), "%s", err.message);
    cr_expect_not(renders(GOOD, "[\"f\"]", NULL, &err));
    cr_expect_not(renders(GOOD, "{}", NULL, &err));
    cr_expect_not(renders(GOOD, NULL, "{\"messages\": []}", &err));
    cr_expect_not(renders(GOOD, NULL, "[1]", &err));
    cr_expect_eq(err.status, LT_ERR_USAGE);
}

Test(chat, a_request_is_only_read)
{
    json_t *messages = json_pack("[{s:s, s:n, s:s}]", "role", "user", "name", "content", "x");
    lt_chat *chat = open_data("plain.jinja", NULL);
    lt_jinja_buffer out = {0};
    lt_error err;
    char *before = json_dumps(messages, 0);
    cr_assert(lt_chat_render(chat, &(lt_chat_request){.messages = messages}, &out, &err), "%s", err.message);
    char *after = json_dumps(messages, 0);
    cr_expect_str_eq(before, after);
    free(before);
    free(after);
    json_decref(messages);
    lt_chat_close(chat);
    lt_jinja_buffer_free(&out);
}

Test(chat, rows_of_other_shapes_become_conversations)
{
    size_t first = 9;
    json_t *made = lt_chat_messages_make("S", "U", "A");
    char *text = json_dumps(made, JSON_COMPACT);
    cr_expect_str_eq(text, "[{\"role\":\"system\",\"content\":\"S\"},{\"role\":\"user\",\"content\":\"U\"},{\"role\":"
                           "\"assistant\",\"content\":\"A\"}]");
    free(text);
    json_t *prompt =
        json_pack("[{s:s, s:s}, {s:s, s:s}]", "role", "system", "content", "S", "role", "user", "content", "U");
    json_t *completion = json_string("A"), *joined = lt_chat_messages_join(prompt, completion, &first);
    cr_expect(json_equal(made, joined));
    cr_expect_eq(first, 2);
    cr_expect_null(lt_chat_messages_join(json_null(), completion, &first));
    cr_expect_null(lt_chat_messages_join(prompt, json_true(), &first));
    json_decref(made);
    json_decref(joined);
    json_decref(prompt);
    json_decref(completion);
}
