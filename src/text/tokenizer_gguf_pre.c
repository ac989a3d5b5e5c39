/* Pre-tokenizers by the names that GGUF files have for them. */
#include <string.h>

#include "text/tokenizer_gguf.h"

/* The patterns of the models that these names stand for, as their tokenizer.json has them. Matches and what lies between them
 * are pieces alike. */
#define GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define LLAMA3_OF(digits)                                                                                              \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits                                               \
    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define CASED(ending, digits)                                                                                          \
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" ending "|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER "*" ending           \
    "|" digits "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define CONTRACTION "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
#define CJK "[\\x{4E00}-\\x{9FA5}\\x{0800}-\\x{4E00}\\x{AC00}-\\x{D7FF}]+"

static const lt_gguf_pre table[] = {
    /* A file that does not say. */
    {" default ", NULL, {"[\\p{P}\\$\\+<=>\\^~\\|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]"}, false, false, NULL},
    {" gpt-2 gpt2 phi-2 jina-es jina-de jina-v1-en jina-v2-es jina-v2-de jina-v2-code jina-v2-zh gigachat roberta-bpe jais trillion "
     "granite-docling ",
     NULL,
     {GPT2},
     false,
     false,
     NULL},
    {" mpt olmo gptneox ", "NFC", {GPT2}, false, false, NULL},
    {" llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2 ", NULL, {LLAMA3_OF("\\p{N}{1,3}")}, true, true, NULL},
    {" dbrx smaug-bpe chatglm-bpe glm4 ", NULL, {LLAMA3_OF("\\p{N}{1,3}")}, false, false, NULL},
    {" qwen2 deepseek-r1-qwen stablelm2 megrez hunyuan ", "NFC", {LLAMA3_OF("\\p{N}")}, false, false, NULL},
    {" smollm starcoder refact codeshell exaone minerva-7b ", NULL, {"\\p{N}", GPT2}, false, false, NULL},
    {" command-r ", "NFC", {"\\p{N}", GPT2}, false, true, NULL},
    {" falcon ",
     NULL,
     {NULL},
     false,
     false,
     "[{\"type\":\"Punctuation\",\"behavior\":\"Contiguous\"},"
     "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true},"
     "{\"type\":\"Digits\",\"individual_digits\":false},"
     "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"[0-9][0-9][0-9]\"},\"behavior\":\"Isolated\",\"invert\":false}]"},
    {" deepseek-coder ", NULL, {"[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", CJK, "\\p{N}"}, false, false, NULL},
    {" deepseek-llm ",
     NULL,
     /* Cased letters of the alphabets, which leaves out the mathematical ones. */
     {"[\\r\\n]", "\\s?(?:(?![\\x{1D400}-\\x{1D7FF}])[\\p{Lu}\\p{Ll}\\p{Lt}])+",
      "\\s?[!-/:-~\\x{FF01}-\\x{FF0F}\\x{FF1A}-\\x{FF5E}\\x{2018}-\\x{201F}\\x{3000}-\\x{3002}]+", "\\s+$", CJK, "\\p{N}+"},
     false,
     false,
     NULL},
    {" deepseek-v3 hunyuan-dense ",
     NULL,
     {"\\p{N}{1,3}", "[\\x{4E00}-\\x{9FA5}\\x{3040}-\\x{309F}\\x{30A0}-\\x{30FF}]+",
      "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
      "| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"},
     false,
     false,
     NULL},
    {" tekken ", NULL, {CASED("", "\\p{N}")}, true, true, NULL},
    {" gpt-4o llama4 kanana2 ", NULL, {CASED(CONTRACTION, "\\p{N}{1,3}")}, false, false, NULL},
};

const lt_gguf_pre *lt_gguf_pre_find(const char *name, size_t size)
{
    char wanted[64];
    if (size == 0)
        return &table[0];
    if (size > sizeof wanted - 3 || memchr(name, ' ', size))
        return NULL;
    wanted[0] = ' ';
    memcpy(wanted + 1, name, size);
    memcpy(wanted + 1 + size, " ", 2);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strstr(table[i].names, wanted))
            return &table[i];
    return NULL;
}
