/* Where a chat template comes from: the model's folder, a file of the user's, or built in. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "formats/json.h"
#include "text/chat_internal.h"
#include "text/tokenizer_gguf.h"

enum { TEMPLATE_LIMIT_BYTES = 4 << 20, CONFIG_LIMIT_BYTES = 64 << 20 };

/* ChatML without anything model-specific: no default system message, no beginning-of-text token. */
static const char CHATML[] =
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

static bool out_of_memory(const lt_chat *chat, lt_error *err)
{
    return lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory", chat && chat->name ? chat->name : "chat template");
}

bool lt_chat_add_template(lt_chat *chat, const char *name, const char *shown, const char *source, size_t size,
                          lt_error *err)
{
    if (chat->count == LT_CHAT_TEMPLATES_MAX)
        return lt_error_set(err, LT_ERR_FORMAT, "%s: more than %d chat templates", chat->name, LT_CHAT_TEMPLATES_MAX);
    char *copy = strdup(name);
    if (!copy)
        return out_of_memory(chat, err);
    lt_jinja_template *template;
    if (!lt_jinja_compile(&template, shown, source, size, err)) {
        free(copy);
        return false;
    }
    chat->templates[chat->count].name = copy;
    chat->templates[chat->count++].template = template;
    return true;
}

static void drop_templates(lt_chat *chat, int from)
{
    while (chat->count > from) {
        chat->count--;
        free(chat->templates[chat->count].name);
        lt_jinja_free(chat->templates[chat->count].template);
    }
}

void lt_chat_close(lt_chat *chat)
{
    if (!chat)
        return;
    drop_templates(chat, 0);
    json_decref(chat->special_tokens);
    free(chat->name);
    free(chat);
}

static lt_chat *new_chat(const char *name, lt_error *err)
{
    lt_chat *chat = calloc(1, sizeof *chat);
    if (chat) {
        chat->name = strdup(name);
        chat->special_tokens = json_object();
        if (chat->name && chat->special_tokens)
            return chat;
    }
    lt_chat_close(chat);
    out_of_memory(NULL, err);
    return NULL;
}

static bool add_file(lt_chat *chat, const char *name, const char *path, lt_error *err)
{
    char *source;
    size_t size;
    if (!lt_file_read(path, TEMPLATE_LIMIT_BYTES, &source, &size, err))
        return false;
    bool ok = lt_chat_add_template(chat, name, path, source, size, err);
    free(source);
    return ok;
}

/* ---- special tokens -------------------------------------------------------------------------------------------- */

/* Takes bos_token … out of a configuration: strings, or objects with the string as `content`. Those that are known
 * already stay. */
static bool take_special_tokens(lt_chat *chat, const json_t *config, lt_error *err)
{
    static const char *const NAMES[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                        "pad_token", "cls_token", "mask_token"};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        json_t *value = json_object_get(config, NAMES[i]);
        if (json_is_object(value))
            value = json_object_get(value, "content");
        if (!json_is_string(value) || json_object_get(chat->special_tokens, NAMES[i]))
            continue;
        if (json_object_set(chat->special_tokens, NAMES[i], value) != 0)
            return out_of_memory(chat, err);
    }
    return true;
}

/* ---- the model's folder ---------------------------------------------------------------------------------------- */

/* chat_templates/NAME.jinja; a folder that is not there is fine. */
static bool add_folder(lt_chat *chat, const char *folder, lt_error *err)
{
    char path[4096], file[4096], name[256];
    if (!lt_file_join(path, sizeof path, folder, "chat_templates", err))
        return false;
    DIR *dir = opendir(path);
    if (!dir)
        return true;
    bool ok = true;
    for (const struct dirent *entry; ok && (entry = readdir(dir));) {
        size_t size = strlen(entry->d_name);
        if (size <= 6 || size - 6 >= sizeof name || strcmp(entry->d_name + size - 6, ".jinja") != 0)
            continue;
        snprintf(name, sizeof name, "%.*s", (int)(size - 6), entry->d_name);
        ok = lt_file_join(file, sizeof file, path, entry->d_name, err) && add_file(chat, name, file, err);
    }
    closedir(dir);
    return ok;
}

static bool add_entry(lt_chat *chat, const char *path, const json_t *name, const json_t *source, lt_error *err)
{
    char shown[4300];
    if (!json_is_string(name) || !json_is_string(source))
        return lt_error_set(err, LT_ERR_FORMAT, "%s: chat_template: expected a string or a list of {name, template}",
                            path);
    snprintf(shown, sizeof shown, "%s: chat_template '%.100s'", path, json_string_value(name));
    return lt_chat_add_template(chat, json_string_value(name), shown, json_string_value(source),
                                json_string_length(source), err);
}

/* The `chat_template` of tokenizer_config.json. */
static bool add_config(lt_chat *chat, const char *path, const json_t *value, lt_error *err)
{
    char shown[4200];
    if (!value || json_is_null(value))
        return true;
    snprintf(shown, sizeof shown, "%s: chat_template", path);
    if (json_is_string(value))
        return lt_chat_add_template(chat, "default", shown, json_string_value(value), json_string_length(value), err);
    if (!json_is_array(value))
        return lt_error_set(err, LT_ERR_FORMAT, "%s: expected a string or a list of {name, template}", shown);
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *entry = json_array_get(value, i);
        if (!add_entry(chat, path, json_object_get(entry, "name"), json_object_get(entry, "template"), err))
            return false;
    }
    return true;
}

/* Files beside the templates: reads one if it is there. */
static bool load_optional(const char *folder, const char *name, char path[4096], json_t **json, lt_error *err)
{
    *json = NULL;
    if (!lt_file_join(path, 4096, folder, name, err))
        return false;
    if (!lt_file_exists(path))
        return true;
    *json = lt_json_load(path, CONFIG_LIMIT_BYTES, err);
    return *json != NULL;
}

static bool open_gguf(lt_chat *chat, const char *path, bool with_templates, lt_error *err)
{
    lt_gguf *file;
    if (!lt_gguf_open(&file, path, err))
        return false;
    json_t *config = lt_tokenizer_gguf_has(file) ? lt_tokenizer_gguf_config(file, err) : json_object();
    lt_gguf_close(file);
    bool ok = config && take_special_tokens(chat, config, err) &&
              (!with_templates || add_config(chat, path, json_object_get(config, "chat_template"), err));
    json_decref(config);
    return ok;
}

static bool open_folder(lt_chat *chat, const char *folder, bool with_templates, lt_error *err)
{
    char path[4096], config_path[4096];
    json_t *config = NULL, *map = NULL;
    bool ok = load_optional(folder, "tokenizer_config.json", config_path, &config, err) &&
              load_optional(folder, "special_tokens_map.json", path, &map, err) &&
              take_special_tokens(chat, config, err) && take_special_tokens(chat, map, err);
    if (ok && with_templates) {
        ok = lt_file_join(path, sizeof path, folder, "chat_template.jinja", err) &&
             (!lt_file_exists(path) || add_file(chat, "default", path, err)) && add_folder(chat, folder, err);
        if (ok && chat->count == 0)
            ok = add_config(chat, config_path, json_object_get(config, "chat_template"), err);
    }
    json_decref(config);
    json_decref(map);
    return ok;
}

/* ---- the user's choice ----------------------------------------------------------------------------------------- */

/* Keeps the model's template of that name alone. */
static bool keep_named(lt_chat *chat, const char *name)
{
    for (int i = 0; i < chat->count; i++) {
        if (strcmp(chat->templates[i].name, name) != 0)
            continue;
        for (int k = 0; k < chat->count; k++) {
            if (k == i)
                continue;
            free(chat->templates[k].name);
            lt_jinja_free(chat->templates[k].template);
        }
        chat->templates[0] = chat->templates[i];
        chat->count = 1;
        chat->fixed = true;
        return true;
    }
    return false;
}

static bool choose(lt_chat *chat, const char *choice, lt_error *err)
{
    if (!choice) {
        if (chat->count)
            return true;
        return lt_error_set(err, LT_ERR_USAGE,
                            "%s: the model has no chat template; give one with --chat-template FILE, "
                            "or --chat-template chatml for the built-in one",
                            chat->name);
    }
    if (keep_named(chat, choice))
        return true;
    drop_templates(chat, 0);
    chat->fixed = true;
    if (strcmp(choice, "chatml") == 0)
        return lt_chat_add_template(chat, "chatml", "built-in template chatml", CHATML, sizeof CHATML - 1, err);
    if (!lt_file_exists(choice))
        return lt_error_set(err, LT_ERR_USAGE,
                            "--chat-template %s: neither a file, nor the name of one of the model's "
                            "templates, nor chatml",
                            choice);
    return add_file(chat, "default", choice, err);
}

/* True when the choice decides by itself, so that a broken template of the model does not matter. */
static bool is_override(const char *choice)
{
    return choice && (strcmp(choice, "chatml") == 0 || lt_file_exists(choice));
}

bool lt_chat_open(lt_chat **chat, const char *folder, const char *choice, lt_error *err)
{
    *chat = NULL;
    lt_chat *opened = new_chat(folder, err);
    if (!opened)
        return false;
    if (!(lt_gguf_is(folder) ? open_gguf : open_folder)(opened, folder, !is_override(choice), err) || !choose(opened, choice, err)) {
        lt_chat_close(opened);
        return false;
    }
    *chat = opened;
    return true;
}

bool lt_chat_open_source(lt_chat **chat, const char *name, const char *source, size_t size,
                         const json_t *special_tokens, const char *choice, lt_error *err)
{
    *chat = NULL;
    lt_chat *opened = new_chat(name, err);
    if (!opened)
        return false;
    bool ok = take_special_tokens(opened, special_tokens, err);
    if (ok && source && !is_override(choice))
        ok = lt_chat_add_template(opened, "default", name, source, size, err);
    if (!ok || !choose(opened, choice, err)) {
        lt_chat_close(opened);
        return false;
    }
    *chat = opened;
    return true;
}
