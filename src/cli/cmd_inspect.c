/* lathe inspect: what a model, an adapter, a run or a file of tensors holds. */
#include <stdio.h>
#include <string.h>

#include "cli/inspect.h"
#include "cli/metrics.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/terminal.h"
#include "core/utf8.h"

static const lt_command_example examples[] = {
    {"lathe inspect SmolLM2-135M-Instruct",
     "a model: sizes, tensors by layer, tokenizer, chat template, adapters in it"},
    {"lathe inspect run/", "a run: its adapter, its figures, its checkpoints"},
    {"lathe inspect model-00001-of-00002.safetensors --json", "every tensor of one file"},
    {NULL, NULL},
};

static void print_field(const char *name, const char *value)
{
    char shown[1024];
    lt_utf8_printable(value, shown, sizeof shown);
    printf("  %s%-15s%s%s\n", lt_style_on(stdout, LT_STYLE_CYAN), name, lt_style_off(stdout), shown);
}

static int64_t integer(const json_t *facts, const char *key)
{
    return json_integer_value(json_object_get(facts, key));
}

static const char *string(const json_t *facts, const char *key)
{
    const char *value = json_string_value(json_object_get(facts, key));
    return value ? value : "?";
}

/* A string or number itself; "a, b, c" of a list of strings. */
static const char *flat(const json_t *value, char *out, size_t capacity)
{
    size_t used = 0;
    *out = '\0';
    if (json_is_string(value))
        snprintf(out, capacity, "%s", json_string_value(value));
    else if (json_is_number(value))
        snprintf(out, capacity, "%.6g", json_number_value(value));
    for (size_t i = 0; i < json_array_size(value) && used < capacity; i++) {
        const char *item = json_string_value(json_array_get(value, i));
        used += (size_t)snprintf(out + used, capacity - used, "%s%s", i ? ", " : "", item ? item : "?");
    }
    return out;
}

static void print_weights(const json_t *facts)
{
    char text[256], count[LT_FIGURE], grouped[LT_FIGURE], size[LT_FIGURE];
    if (!json_object_get(facts, "parameters"))
        return;
    snprintf(text, sizeof text, "%s (%s)", lt_figure_count((double)integer(facts, "parameters"), count),
             lt_figure_grouped(integer(facts, "parameters"), grouped));
    print_field("parameters", text);
    snprintf(text, sizeof text, "%s in %lld file%s, %s", lt_figure_bytes(integer(facts, "bytes"), size),
             (long long)integer(facts, "files"), integer(facts, "files") == 1 ? "" : "s", string(facts, "dtypes"));
    print_field("on disk", text);
}

static void print_experts(const json_t *facts)
{
    char text[256];
    if (!integer(facts, "experts"))
        return;
    int used = snprintf(text, sizeof text, "%lld of width %lld, %lld for each token", (long long)integer(facts, "experts"),
                        (long long)integer(facts, "expert_width"), (long long)integer(facts, "experts_per_token"));
    if (integer(facts, "shared_expert_width"))
        used += snprintf(text + used, sizeof text - (size_t)used, "; a shared one of width %lld",
                         (long long)integer(facts, "shared_expert_width"));
    if (integer(facts, "sparse_layers") < integer(facts, "layers"))
        snprintf(text + used, sizeof text - (size_t)used, "; in %lld of %lld layers", (long long)integer(facts, "sparse_layers"),
                 (long long)integer(facts, "layers"));
    print_field("experts", text);
}

static void print_head(const json_t *facts)
{
    char text[256];
    const char *head = string(facts, "head");
    long long vocabulary = (long long)integer(facts, "vocabulary");
    if (!strcmp(head, "classifier"))
        snprintf(text, sizeof text, "%lld; a classifier of %lld labels in place of an output head", vocabulary,
                 (long long)integer(facts, "labels"));
    else if (!strcmp(head, "none"))
        snprintf(text, sizeof text, "%lld, no output head", vocabulary);
    else
        snprintf(text, sizeof text, "%lld, output head %s the embedding", vocabulary, !strcmp(head, "embedding") ? "is" : "apart from");
    print_field("vocabulary", text);
}

static void print_model(const json_t *facts)
{
    char text[512];
    if (json_object_get(facts, "problem"))
        print_field("problem", string(facts, "problem"));
    if (json_object_get(facts, "layers")) {
        snprintf(text, sizeof text, "%s (%s%s)", string(facts, "architecture"), string(facts, "model_type"),
                 json_is_true(json_object_get(facts, "encoder")) ? ", an encoder" : "");
        print_field("architecture", text);
        snprintf(text, sizeof text,
                 "%lld of width %lld; %lld heads of %lld, %lld for keys and values; feed-forward %lld",
                 (long long)integer(facts, "layers"), (long long)integer(facts, "width"),
                 (long long)integer(facts, "heads"), (long long)integer(facts, "head_width"),
                 (long long)integer(facts, "key_value_heads"), (long long)integer(facts, "feed_forward"));
        print_field("layers", text);
        print_experts(facts);
        print_head(facts);
        int used = snprintf(text, sizeof text, "%lld positions", (long long)integer(facts, "positions"));
        if (integer(facts, "window"))
            snprintf(text + used, sizeof text - (size_t)used, "; a window of %lld tokens in %lld of %lld layers",
                     (long long)integer(facts, "window"), (long long)integer(facts, "windowed_layers"), (long long)integer(facts, "layers"));
        print_field("context", text);
    }
    const json_t *tokenizer = json_object_get(facts, "tokenizer");
    snprintf(text, sizeof text, json_object_get(tokenizer, "vocabulary") ? "%s, %lld tokens" : "%s", string(tokenizer, "kind"),
             (long long)integer(tokenizer, "vocabulary"));
    print_field("tokenizer", tokenizer ? text : "none");
    print_field("chat template", json_is_true(json_object_get(facts, "chat_template")) ? "yes" : "none");
    if (json_array_size(json_object_get(facts, "adapters")) > 0)
        print_field("adapters", flat(json_object_get(facts, "adapters"), text, sizeof text));
}

/* In the words of --method. */
static const char *method_of(const json_t *config)
{
    static const char *const known[][2] = {{"IA3", "IA3"}, {"PROMPT_TUNING", "prompt tuning"}, {"P_TUNING", "P-tuning"},
                                           {"PREFIX_TUNING", "prefix tuning"}};
    const char *type = string(config, "peft_type");
    if (!strcmp(type, "LORA"))
        return json_is_true(json_object_get(config, "use_dora"))     ? "DoRA"
               : json_is_true(json_object_get(config, "use_rslora")) ? "LoRA, rank-stabilised (rsLoRA)"
                                                                     : "LoRA";
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(known[i][0], type))
            return known[i][1];
    return type;
}

static void print_adapter(const json_t *config)
{
    static const char *const keys[][2] = {
        {"base_model_name_or_path", "base model"},
        {"r", "rank"},
        {"lora_alpha", "alpha"},
        {"scale", "scale"},
        {"lora_dropout", "dropout"},
        {"target_modules", "targets"},
        {"target_parameters", "also targets"},
        {"feedforward_modules", "inputs of"},
        {"modules_to_save", "also saved"},
        {"num_virtual_tokens", "virtual tokens"},
    };
    char text[1024];
    print_field("method", method_of(config));
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const json_t *value = json_object_get(config, keys[i][0]);
        if (value && !json_is_null(value))
            print_field(keys[i][1], flat(value, text, sizeof text));
    }
}

static void print_run(const json_t *facts)
{
    char text[1024];
    const json_t *summary = json_object_get(facts, "summary"), *recipe = json_object_get(facts, "recipe");
    if (recipe) {
        snprintf(text, sizeof text, "lathe %s on %s", string(recipe, "command"), string(recipe, "model"));
        print_field("run", text);
    }
    if (summary) {
        snprintf(text, sizeof text, "%lld, loss %.4f to %.4f", (long long)integer(summary, "steps"),
                 json_number_value(json_object_get(summary, "loss_first")),
                 json_number_value(json_object_get(summary, "loss_last")));
        print_field("steps", text);
        if (json_is_number(json_object_get(summary, "eval_loss")))
            print_field("evaluation loss", flat(json_object_get(summary, "eval_loss"), text, sizeof text));
    } else
        print_field("steps", "not finished: there is no summary.json");
    if (json_array_size(json_object_get(facts, "checkpoints")) > 0)
        print_field("checkpoints", flat(json_object_get(facts, "checkpoints"), text, sizeof text));
}

static bool print_tensors(const lt_safetensors *set, lt_error *err)
{
    lt_tensor_groups groups;
    if (!lt_tensor_groups_make(&groups, set, err)) {
        lt_tensor_groups_free(&groups);
        return false;
    }
    printf("\n%s%lld tensor%s%s\n", lt_style_on(stdout, LT_STYLE_BOLD), (long long)lt_safetensors_count(set),
           lt_safetensors_count(set) == 1 ? "" : "s", lt_style_off(stdout));
    lt_tensor_groups_print(&groups, stdout);
    lt_tensor_groups_free(&groups);
    return true;
}

static bool print_all(const char *path, const json_t *facts, const lt_safetensors *set, lt_error *err)
{
    char shown[1024];
    lt_utf8_printable(path, shown, sizeof shown);
    printf("%s%s%s: %s\n", lt_style_on(stdout, LT_STYLE_BOLD), shown, lt_style_off(stdout), string(facts, "kind"));
    if (strcmp(string(facts, "kind"), "run") == 0)
        print_run(facts);
    const json_t *config = json_object_get(facts, "config");
    bool adapter = json_object_get(config, "peft_type") != NULL;
    if (adapter)
        print_adapter(config);
    else if (config)
        print_model(facts);
    print_weights(facts);
    if (strcmp(string(facts, "kind"), "run") == 0)
        lt_metrics_draw_run(path, stdout);
    return !set || print_tensors(set, err);
}

static bool run(lt_options *options, lt_error *err)
{
    lt_safetensors *set = NULL;
    json_t *facts = lt_inspect(options->model, &set, err);
    if (!facts)
        return false;
    bool ok;
    if (options->json)
        ok = lt_output_json(json_incref(facts), err);
    else
        ok = print_all(options->model, facts, set, err);
    json_decref(facts);
    lt_safetensors_close(set);
    return ok;
}

const lt_command lt_cli_inspect = {
    .id = LT_COMMAND_INSPECT,
    .name = "inspect",
    .section = "Look",
    .summary = "what a model, an adapter, a run or a file of tensors holds",
    .usage = "MODEL | ADAPTER | RUN | FILE.safetensors | FILE.gguf",
    .details =
        "Shows the configuration, the tensors by layer with their types and sizes, the number of parameters, tokenizer "
        "and chat template, and the adapters or checkpoints inside the folder.",
    .operand = "model",
    .examples = examples,
    .run = run,
};
