/* IA3Config. */
#include <string.h>

#include "formats/peft_internal.h"

/* PEFT compares the lists before it looks at the model. */
bool lt_peft_ia3_check(const lt_peft_config *config, lt_error *err)
{
    const lt_peft_names *targets = &config->lora.target_modules, *feedforward = &config->ia3.feedforward_modules;
    if (!targets->given)
        return lt_error_set(err, LT_ERR_USAGE, "target_modules: expected names of modules, found none");
    if (targets->regex || feedforward->regex)
        return true;
    for (int i = 0; i < feedforward->count; i++) {
        bool found = false;
        for (int t = 0; t < targets->count && !found; t++)
            found = !strcmp(targets->items[t], feedforward->items[i]);
        if (!found)
            return lt_error_set(err, LT_ERR_USAGE, "feedforward_modules: '%.200s' is not one of target_modules", feedforward->items[i]);
    }
    return true;
}

bool lt_peft_ia3_read(lt_peft_reading *reading)
{
    lt_lora_config *targets = &reading->config->lora;
    lt_ia3_config *ia3 = &reading->config->ia3;
    return lt_peft_read_names(reading, "target_modules", &targets->target_modules) &&
           lt_peft_read_names(reading, "exclude_modules", &targets->exclude_modules) &&
           lt_peft_read_names(reading, "feedforward_modules", &ia3->feedforward_modules) &&
           lt_json_get_bool(reading->top, "fan_in_fan_out", &targets->fan_in_fan_out, reading->err) &&
           lt_json_get_bool(reading->top, "init_ia3_weights", &ia3->init_weights, reading->err);
}

bool lt_peft_ia3_knows(const char *key)
{
    static const char *const known[] = {"target_modules", "exclude_modules", "feedforward_modules", "fan_in_fan_out",
                                        "init_ia3_weights"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(known[i], key))
            return true;
    return false;
}

bool lt_peft_ia3_write(const lt_peft_config *config, json_t *out)
{
    const lt_lora_config *targets = &config->lora;
    int failed = 0;
    failed |= json_object_set_new(out, "target_modules", lt_peft_names_json(&targets->target_modules));
    failed |= json_object_set_new(out, "feedforward_modules", lt_peft_names_json(&config->ia3.feedforward_modules));
    failed |= json_object_set_new(out, "fan_in_fan_out", json_boolean(targets->fan_in_fan_out));
    failed |= json_object_set_new(out, "init_ia3_weights", json_boolean(config->ia3.init_weights));
    if (targets->exclude_modules.given)
        failed |= json_object_set_new(out, "exclude_modules", lt_peft_names_json(&targets->exclude_modules));
    return !failed;
}
