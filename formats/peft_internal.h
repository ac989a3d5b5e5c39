/* Shared by formats/peft*.c alone. */
#ifndef LT_FORMATS_PEFT_INTERNAL_H
#define LT_FORMATS_PEFT_INTERNAL_H

#include "formats/json.h"
#include "formats/peft.h"

/* Bounds far above any real adapter; matching is done for every module of a model. */
enum { LT_PEFT_MAX_NAMES = 1 << 18, LT_PEFT_MAX_PATTERNS = 1024, LT_PEFT_MAX_RANK = 1 << 20 };

/* One option of adapter_config.json: how to read it, and what it is when written. */
typedef struct lt_peft_reading {
    lt_peft_config *config;
    const lt_json *top;
    unsigned can;
    lt_error *err;
} lt_peft_reading;

/* formats/peft_lora.c. The reader also checks what `can` lacks; the writer adds its options to `out`. */
bool lt_peft_lora_read(lt_peft_reading *reading);
bool lt_peft_lora_write(const lt_peft_config *config, json_t *out);
void lt_peft_lora_init(lt_lora_config *lora);
void lt_peft_lora_free(lt_lora_config *lora);
bool lt_peft_lora_check(const lt_lora_config *lora, lt_error *err);
bool lt_peft_lora_knows(const char *key); /* an option that the reader has dealt with, or may pass over */

/* formats/peft_ia3.c */
bool lt_peft_ia3_read(lt_peft_reading *reading);
bool lt_peft_ia3_write(const lt_peft_config *config, json_t *out);
bool lt_peft_ia3_check(const lt_peft_config *config, lt_error *err);
bool lt_peft_ia3_knows(const char *key);

/* formats/peft_prompt.c: prompt tuning, P-tuning, prefix tuning. Which it is, the configuration's type says. */
bool lt_peft_prompt_read(lt_peft_reading *reading);
bool lt_peft_prompt_write(const lt_peft_config *config, json_t *out);
bool lt_peft_prompt_check(const lt_peft_config *config, lt_error *err);
bool lt_peft_prompt_knows(const char *key);

/* formats/peft_fields.c: fields that several types have. */
bool lt_peft_read_names(const lt_peft_reading *reading, const char *key, lt_peft_names *names);
bool lt_peft_read_text(const lt_peft_reading *reading, const char *key, char **text); /* null: NULL */
bool lt_peft_read_patterns(const lt_peft_reading *reading, const char *key, double low, lt_peft_patterns *patterns);
json_t *lt_peft_names_json(const lt_peft_names *names);
json_t *lt_peft_number_json(double value); /* an integer where it is one */
bool lt_peft_cannot(const lt_peft_reading *reading, const char *key,
                    unsigned needed); /* fills err when it is lacking */

#endif
