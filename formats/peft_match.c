/* Which modules an adapter goes on, as peft.tuners.tuners_utils.check_target_module_exists decides it, and with what
 * rank and alpha (peft.utils.other.get_pattern_key). Python's re and PCRE2 agree on the syntax that such patterns use.
 */
#define PCRE2_CODE_UNIT_WIDTH 8

#include <assert.h>
#include <math.h>
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/peft_internal.h"

/* A name of a list can be a module's whole name or its end after a dot: with the list sorted, each dot costs one
 * search. */
typedef struct name_set {
    const char **items;
    int count;
} name_set;

struct lt_peft_matcher {
    const lt_peft_config *config;
    bool all_linear;
    pcre2_code *target, *exclude, *feedforward; /* NULL: a list, or null */
    name_set targets, excludes;
    pcre2_code **saved;  /* of modules_to_save */
    pcre2_code **layers; /* layers_pattern, or one that takes the first number */
    pcre2_code **ranks, **alphas;
    int saved_count, layers_count, rank_count, alpha_count;
    pcre2_match_context *limits;
    pcre2_match_data *data;
};

/* ---- building ---- */

static pcre2_code *compile(const char *option, const char *before, const char *pattern, const char *after,
                           uint32_t options, lt_error *err)
{
    size_t n = strlen(before) + strlen(pattern) + strlen(after);
    char *text = malloc(n + 1);
    pcre2_code *code = NULL;
    int number;
    PCRE2_SIZE offset;
    if (!text) {
        lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory", option);
        return NULL;
    }
    snprintf(text, n + 1, "%s%s%s", before, pattern, after);
    code = pcre2_compile((PCRE2_SPTR)text, n, options | PCRE2_ANCHORED | PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C, &number,
                         &offset, NULL);
    if (!code) {
        char reason[128] = "";
        pcre2_get_error_message(number, (PCRE2_UCHAR *)reason, sizeof reason);
        lt_error_set(err, LT_ERR_USAGE, "%s: \"%.200s\" is not a regular expression: %s", option, pattern, reason);
    }
    free(text);
    return code;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool build_set(name_set *set, const lt_peft_names *names, lt_error *err)
{
    set->items = malloc((size_t)(names->count + 1) * sizeof *set->items);
    if (!set->items)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for %d module names", names->count);
    for (int i = 0; i < names->count; i++)
        set->items[i] = names->items[i];
    set->count = names->count;
    qsort(set->items, (size_t)set->count, sizeof *set->items, compare_names);
    return true;
}

static bool build_patterns(pcre2_code ***codes, int *count, const char *option, const lt_peft_patterns *patterns,
                           lt_error *err)
{
    *codes = calloc((size_t)patterns->count + 1, sizeof **codes);
    if (!*codes)
        return lt_error_set(err, LT_ERR_MEMORY, "%s: out of memory", option);
    for (; *count < patterns->count; (*count)++)
        if (!((*codes)[*count] = compile(option, "(.*\\.)?(", patterns->items[*count].key, ")$", 0, err)))
            return false;
    return true;
}

static bool build_saved(lt_peft_matcher *matcher, lt_error *err)
{
    const lt_peft_names *names = &matcher->config->modules_to_save;
    matcher->saved = calloc((size_t)names->count + 1, sizeof *matcher->saved);
    if (!matcher->saved)
        return lt_error_set(err, LT_ERR_MEMORY, "modules_to_save: out of memory");
    for (int *i = &matcher->saved_count; *i < names->count; (*i)++)
        if (!(matcher->saved[*i] = compile("modules_to_save", "(^|.*\\.)", names->items[*i], "($|\\..*)", 0, err)))
            return false;
    return true;
}

static bool build_layers(lt_peft_matcher *matcher, lt_error *err)
{
    const lt_peft_names *names = &matcher->config->lora.layers_pattern;
    int count = names->regex ? 1 : names->count;
    matcher->layers = calloc((size_t)count + 1, sizeof *matcher->layers);
    if (!matcher->layers)
        return lt_error_set(err, LT_ERR_MEMORY, "layers_pattern: out of memory");
    if (count == 0) {
        matcher->layers[0] = compile("layers_pattern", "", ".*?\\.[^.]*\\.(?P<idx>\\d+)\\.", "", 0, err);
        matcher->layers_count = matcher->layers[0] != NULL;
        return matcher->layers[0] != NULL;
    }
    for (int *i = &matcher->layers_count; *i < count; (*i)++)
        if (!(matcher->layers[*i] =
                  compile("layers_pattern", "(?:^|.*?\\.)", names->regex ? names->regex : names->items[*i],
                          "\\.(?P<idx>\\d+)\\.", 0, err)))
            return false;
    return true;
}

static bool build_targets(lt_peft_matcher *matcher, lt_error *err)
{
    const lt_lora_config *lora = &matcher->config->lora;
    if (lora->target_modules.regex && !strcasecmp(lora->target_modules.regex, "all-linear"))
        matcher->all_linear = true;
    else if (lora->target_modules.regex &&
             !(matcher->target = compile("target_modules", "", lora->target_modules.regex, "", PCRE2_ENDANCHORED, err)))
        return false;
    if (lora->exclude_modules.regex &&
        !(matcher->exclude = compile("exclude_modules", "", lora->exclude_modules.regex, "", PCRE2_ENDANCHORED, err)))
        return false;
    const lt_peft_names *feedforward = &matcher->config->ia3.feedforward_modules;
    if (feedforward->regex &&
        !(matcher->feedforward = compile("feedforward_modules", "", feedforward->regex, "", PCRE2_ENDANCHORED, err)))
        return false;
    return build_set(&matcher->targets, &lora->target_modules, err) &&
           build_set(&matcher->excludes, &lora->exclude_modules, err);
}

bool lt_peft_matcher_create(lt_peft_matcher **out, const lt_peft_config *config, lt_error *err)
{
    /* A pattern may not explode: module names are short, and honest patterns take some hundred steps. */
    enum { STEPS = 20000, HEAP_KIB = 4096 };
    lt_peft_matcher *matcher = calloc(1, sizeof *matcher);
    if (!matcher)
        return lt_error_set(err, LT_ERR_MEMORY, "out of memory for an adapter's patterns");
    matcher->config = config;
    matcher->limits = pcre2_match_context_create(NULL);
    matcher->data = pcre2_match_data_create(64, NULL);
    bool ok = matcher->limits && matcher->data;
    if (!ok) {
        lt_error_set(err, LT_ERR_MEMORY, "out of memory for an adapter's patterns");
        goto done;
    }
    pcre2_set_match_limit(matcher->limits, STEPS);
    pcre2_set_heap_limit(matcher->limits, HEAP_KIB);
    ok = build_targets(matcher, err) && build_saved(matcher, err) && build_layers(matcher, err) &&
         build_patterns(&matcher->ranks, &matcher->rank_count, "rank_pattern", &config->lora.rank_pattern, err) &&
         build_patterns(&matcher->alphas, &matcher->alpha_count, "alpha_pattern", &config->lora.alpha_pattern, err);
done:
    if (!ok) {
        lt_peft_matcher_free(matcher);
        return false;
    }
    *out = matcher;
    return true;
}

static void free_codes(pcre2_code **codes, int count)
{
    for (int i = 0; i < count; i++)
        pcre2_code_free(codes[i]);
    free(codes);
}

void lt_peft_matcher_free(lt_peft_matcher *matcher)
{
    if (!matcher)
        return;
    pcre2_code_free(matcher->target);
    pcre2_code_free(matcher->exclude);
    pcre2_code_free(matcher->feedforward);
    free_codes(matcher->saved, matcher->saved_count);
    free_codes(matcher->layers, matcher->layers_count);
    free_codes(matcher->ranks, matcher->rank_count);
    free_codes(matcher->alphas, matcher->alpha_count);
    free(matcher->targets.items);
    free(matcher->excludes.items);
    pcre2_match_data_free(matcher->data);
    pcre2_match_context_free(matcher->limits);
    free(matcher);
}

/* ---- matching ---- */

/* 1: matches, 0: does not, -1: *err is set. */
static int matches(const lt_peft_matcher *matcher, const pcre2_code *code, const char *module, const char *option,
                   lt_error *err)
{
    int n = pcre2_match(code, (PCRE2_SPTR)module, strlen(module), 0, 0, matcher->data, matcher->limits);
    if (n >= 0)
        return 1;
    if (n == PCRE2_ERROR_NOMATCH)
        return 0;
    char reason[128] = "";
    pcre2_get_error_message(n, (PCRE2_UCHAR *)reason, sizeof reason);
    lt_error_set(err, LT_ERR_FORMAT, "%s: cannot be matched against '%.200s': %s", option, module, reason);
    return -1;
}

static bool set_has(const name_set *set, const char *name)
{
    return bsearch(&name, set->items, (size_t)set->count, sizeof *set->items, compare_names) != NULL;
}

static bool set_has_end(const name_set *set, const char *module)
{
    for (const char *dot = strchr(module, '.'); dot; dot = strchr(dot + 1, '.'))
        if (set_has(set, dot + 1))
            return true;
    return false;
}

static int excluded(const lt_peft_matcher *matcher, const char *module, lt_error *err)
{
    int found = 0;
    if (matcher->exclude)
        found = matches(matcher, matcher->exclude, module, "exclude_modules", err);
    else
        found = set_has(&matcher->excludes, module) || set_has_end(&matcher->excludes, module);
    for (int i = 0; i < matcher->saved_count && found == 0; i++)
        found = matches(matcher, matcher->saved[i], module, "modules_to_save", err);
    return found;
}

/* Is the module in one of layers_to_transform? */
static int in_chosen_layer(const lt_peft_matcher *matcher, const char *module, lt_error *err)
{
    const lt_lora_config *lora = &matcher->config->lora;
    if (!lora->layers_given || lora->layer_count == 0)
        return 1;
    int found = 0;
    for (int i = 0; i < matcher->layers_count && found == 0; i++)
        found = matches(matcher, matcher->layers[i], module, "layers_pattern", err);
    if (found != 1)
        return found;
    char digits[16];
    PCRE2_SIZE n = sizeof digits;
    if (pcre2_substring_copy_byname(matcher->data, (PCRE2_SPTR) "idx", (PCRE2_UCHAR *)digits, &n))
        return 0;
    for (int i = 0; i < lora->layer_count; i++)
        if (lora->layers[i] == atoi(digits))
            return 1;
    return 0;
}

static int targeted(const lt_peft_matcher *matcher, const char *module, lt_peft_module_kind kind, lt_error *err)
{
    if (matcher->all_linear)
        return kind == LT_PEFT_MODULE_LINEAR;
    if (matcher->target)
        return matches(matcher, matcher->target, module, "target_modules", err);
    if (set_has(&matcher->targets, module))
        return 1; /* named in full: layers_to_transform is not asked */
    return set_has_end(&matcher->targets, module) ? in_chosen_layer(matcher, module, err) : 0;
}

/* IA3 compares ends of names without regard to dots. */
static int feedforward(const lt_peft_matcher *matcher, const char *module, lt_error *err)
{
    const lt_peft_names *names = &matcher->config->ia3.feedforward_modules;
    size_t n = strlen(module);
    if (matcher->feedforward)
        return matches(matcher, matcher->feedforward, module, "feedforward_modules", err);
    for (int i = 0; i < names->count; i++) {
        size_t m = strlen(names->items[i]);
        if (m <= n && !strcmp(module + n - m, names->items[i]))
            return 1;
    }
    return 0;
}

/* The value of the first pattern that matches, else *value as it is. */
static bool pick(const lt_peft_matcher *matcher, pcre2_code *const *codes, const lt_peft_patterns *patterns,
                 const char *option, const char *module, double *value, lt_error *err)
{
    for (int i = 0; i < patterns->count; i++) {
        int found = matches(matcher, codes[i], module, option, err);
        if (found < 0)
            return false;
        if (found) {
            *value = patterns->items[i].value;
            return true;
        }
    }
    return true;
}

bool lt_peft_matcher_match(const lt_peft_matcher *matcher, const char *module, lt_peft_module_kind kind,
                           lt_peft_match *match, lt_error *err)
{
    const lt_lora_config *lora = &matcher->config->lora;
    *match = (lt_peft_match){0};
    int out = excluded(matcher, module, err);
    int in = out == 0 ? targeted(matcher, module, kind, err) : 0;
    if (out < 0 || in < 0)
        return false;
    if (!in)
        return true;
    double rank = lora->rank, alpha = lora->alpha;
    if (!pick(matcher, matcher->ranks, &lora->rank_pattern, "rank_pattern", module, &rank, err) ||
        !pick(matcher, matcher->alphas, &lora->alpha_pattern, "alpha_pattern", module, &alpha, err))
        return false;
    *match = (lt_peft_match){.adapts = true, .rank = (int)rank, .alpha = alpha};
    match->scale = alpha / (lora->use_rslora ? sqrt(rank) : rank);
    int scales_input = feedforward(matcher, module, err);
    match->feedforward = scales_input > 0;
    return scales_input >= 0;
}

bool lt_peft_saves_module(const lt_peft_config *config, const char *module)
{
    size_t n = strlen(module);
    for (int i = 0; i < config->modules_to_save.count; i++) {
        size_t m = strlen(config->modules_to_save.items[i]);
        if (m && m <= n && !strcmp(module + n - m, config->modules_to_save.items[i]))
            return true;
    }
    return false;
}
