/* An adapter_config.json from a stranger, put to use on a few module names, written and read again. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "formats/peft.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const lt_peft_config *config)
{
    static const char *const modules[] = {"model.layers.0.self_attn.q_proj", "model.layers.11.mlp.up_proj", "lm_head",
                                          "model.embed_tokens"};
    lt_peft_matcher *matcher;
    lt_peft_match match;
    lt_error err;
    if (!lt_peft_matcher_create(&matcher, config, &err))
        abort(); /* reading has compiled every pattern */
    for (int i = 0; i < 4; i++)
        if (lt_peft_matcher_match(matcher, modules[i], i == 2 ? LT_PEFT_MODULE_HEAD : LT_PEFT_MODULE_LINEAR, &match, &err))
            assert(!match.adapts || match.rank >= 1);
    lt_peft_matcher_free(matcher);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), module[LT_PEFT_KEY_MAX], key[LT_PEFT_KEY_MAX];
    memcpy(text, data, size);
    text[size] = '\0';
    lt_peft_config config, again;
    lt_peft_part part;
    lt_error err;
    if (lt_peft_config_parse(&config, text, "adapter_config.json", LT_PEFT_CAN_ALL, &err)) {
        use(&config);
        char *written = lt_peft_config_text(&config);
        assert(written && lt_peft_config_parse(&again, written, "written", LT_PEFT_CAN_ALL, &err));
        char *rewritten = lt_peft_config_text(&again);
        assert(!strcmp(written, rewritten));
        free(written);
        free(rewritten);
        lt_peft_config_free(&again);
        lt_peft_config_free(&config);
    }
    if (lt_peft_key_parse(text, module, &part))
        lt_peft_key_compose(key, module, part);
    free(text);
    return 0;
}
