#include <stdio.h>
#include <string.h>

#include "formats/peft.h"

static const char prefix[] = "base_model.model.";

/* Endings, longer ones before those that end them. */
static const struct {
    lt_peft_part part;
    const char *ending;
} endings[LT_PEFT_PARTS] = {
    {LT_PEFT_PART_LORA_A, ".lora_A.weight"},
    {LT_PEFT_PART_LORA_B, ".lora_B.weight"},
    {LT_PEFT_PART_LORA_B_BIAS, ".lora_B.bias"},
    {LT_PEFT_PART_EMBEDDING_A, ".lora_embedding_A"},
    {LT_PEFT_PART_EMBEDDING_B, ".lora_embedding_B"},
    {LT_PEFT_PART_MAGNITUDE, ".lora_magnitude_vector"},
    {LT_PEFT_PART_TOKENS, ".token_adapter.trainable_tokens_delta"},
    {LT_PEFT_PART_IA3, ".ia3_l"},
    {LT_PEFT_PART_BASE_WEIGHT, ".base_layer.weight"},
    {LT_PEFT_PART_BASE_BIAS, ".base_layer.bias"},
    {LT_PEFT_PART_WEIGHT, ".weight"},
    {LT_PEFT_PART_BIAS, ".bias"},
};

void lt_peft_key_compose(char out[LT_PEFT_KEY_MAX], const char *module, lt_peft_part part)
{
    for (int i = 0; i < LT_PEFT_PARTS; i++)
        if (endings[i].part == part)
            snprintf(out, LT_PEFT_KEY_MAX, "%s%s%s", prefix, module, endings[i].ending);
}

bool lt_peft_key_parse(const char *key, char module[LT_PEFT_KEY_MAX], lt_peft_part *part)
{
    size_t n = strlen(key), skip = sizeof prefix - 1;
    if (n <= skip || strncmp(key, prefix, skip))
        return false;
    for (int i = 0; i < LT_PEFT_PARTS; i++) {
        size_t m = strlen(endings[i].ending);
        if (n <= skip + m || strcmp(key + n - m, endings[i].ending))
            continue;
        if (n - m - skip >= LT_PEFT_KEY_MAX)
            return false;
        memcpy(module, key + skip, n - m - skip);
        module[n - m - skip] = '\0';
        *part = endings[i].part;
        return true;
    }
    return false;
}
