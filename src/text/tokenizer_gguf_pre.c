/* Pre-tokenizers by the names that GGUF files have for them. */
#include <string.h>

#include "text/tokenizer_gguf.h"

/* The patterns of the models that these names stand for, as their tokenizer.json has them. Matches and what lies between them
 * are pieces alike. */
#define GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define SHORTENED "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define WORDS "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
#define SIGNS " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
#define SPACES "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define LLAMA3_OF(digits) SHORTENED "|" WORDS "|" digits "|" SIGNS "|" SPACES
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define CASED(ending, digits)                                                                                          \
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" ending "|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER "*" ending           \
    "|" digits "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define CONTRACTION SHORTENED "?"
#define BLOOM " ?[^(\\s|.,!?…。，、।۔،)]+"
#define DEEPSEEK3_WORDS(signs)                                                                                         \
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+" signs
#define CJK_KANA "[\\x{4E00}-\\x{9FA5}\\x{3040}-\\x{309F}\\x{30A0}-\\x{30FF}]+"
#define CJK "[\\x{4E00}-\\x{9FA5}\\x{0800}-\\x{4E00}\\x{AC00}-\\x{D7FF}]+"

/* Where llama.cpp's pattern and the model's own differ, the model's own is here: the ids of its training count. */
static const lt_gguf_pre table[] = {
    /* A file that does not say. */
    {.names = " default ", .patterns = {"[\\p{P}\\$\\+<=>\\^~\\|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]"}},
    {.names = " gpt-2 gpt2 phi-2 jina-es jina-de jina-v1-en jina-v2-es jina-v2-de jina-v2-code jina-v2-zh gigachat roberta-bpe jais "
              "trillion granite-docling a.x-4.0 mellum exaone4 ",
     .patterns = {GPT2}},
    {.names = " mpt olmo gptneox modern-bert ", .normalizer = "NFC", .patterns = {GPT2}},
    {.names = " llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano ",
     .patterns = {LLAMA3_OF("\\p{N}{1,3}")},
     .ignore_merges = true,
     .add_bos = true},
    {.names = " dbrx smaug-bpe chatglm-bpe glm4 ", .patterns = {LLAMA3_OF("\\p{N}{1,3}")}},
    {.names = " qwen2 deepseek-r1-qwen stablelm2 megrez hunyuan kormo f2llmv2 ", .normalizer = "NFC", .patterns = {LLAMA3_OF("\\p{N}")}},
    {.names = " solar-open grok-2 ", .patterns = {LLAMA3_OF("\\p{N}")}},
    {.names = " qwen35 ",
     .normalizer = "NFC",
     .patterns = {SHORTENED "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|" SPACES}},
    {.names = " ufakzeka ", .patterns = {WORDS "|\\p{N}|" SIGNS "|" SPACES}},
    {.names = " laguna ", .patterns = {"[^\\n]+|[\\n]+", LLAMA3_OF("\\p{N}")}},
    {.names = " minicpm5 ", .patterns = {"\\p{N}{1,3}", LLAMA3_OF("\\p{N}+")}, .ignore_merges = true},
    {.names = " jais-2 ",
     .patterns = {SHORTENED "|" WORDS "|\\p{N}{1,3}|" SIGNS
                            "|\\s*[\\r\\n]+|\\s{512}(?!\\S)|\\s{256}(?!\\S)|\\s{128}(?!\\S)|\\s{64}(?!\\S)|\\s{32}(?!\\S)"
                            "|\\s{16}(?!\\S)|\\s{8}(?!\\S)|\\s{4}(?!\\S)|\\s{1,2}(?!\\S)|\\s{1}"}},
    {.names = " seed-coder ",
     .patterns = {SHORTENED "|" WORDS "|\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\\r\\n]+|" SPACES}},
    {.names = " bailingmoe bailingmoe2 llada-moe ",
     .patterns = {"'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)"
                  "|\\s+"}},
    {.names = " exaone-moe ",
     .patterns = {SHORTENED "|[^\\r\\n\\p{L}\\p{N}]?(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]?"
                            "|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+"}},
    {.names = " smollm starcoder refact codeshell exaone minerva-7b mellum2 ", .patterns = {"\\p{N}", GPT2}},
    {.names = " command-r ", .normalizer = "NFC", .patterns = {"\\p{N}", GPT2}, .add_bos = true},
    {.names = " chameleon ",
     .patterns = {"<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", "([\\t\\n]|    |  )", "\\p{N}",
                  "[\\p{P}!-/:-@\\[-`{-~]", GPT2},
     .add_bos = true},
    {.names = " bloom poro-chat gpt3-finnish ", .patterns = {BLOOM}},
    {.names = " viking ", .patterns = {BLOOM, "\\p{N}"}},
    {.names = " falcon ",
     .steps = "[{\"type\":\"Punctuation\",\"behavior\":\"Contiguous\"},"
              "{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"trim_offsets\":true,\"use_regex\":true},"
              "{\"type\":\"Digits\",\"individual_digits\":false},"
              "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"[0-9][0-9][0-9]\"},\"behavior\":\"Isolated\",\"invert\":false}]"},
    {.names = " deepseek-coder ", .patterns = {"[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", CJK, "\\p{N}"}},
    {.names = " deepseek-llm ",
     /* Cased letters of the alphabets, which leaves out the mathematical ones. */
     .patterns = {"[\\r\\n]", "\\s?(?:(?![\\x{1D400}-\\x{1D7FF}])[\\p{Lu}\\p{Ll}\\p{Lt}])+",
                  "\\s?[!-/:-~\\x{FF01}-\\x{FF0F}\\x{FF1A}-\\x{FF5E}\\x{2018}-\\x{201F}\\x{3000}-\\x{3002}]+", "\\s+$", CJK, "\\p{N}"}},
    {.names = " deepseek-v3 hunyuan-dense joyai-llm hy_v4 ",
     .patterns = {"\\p{N}{1,3}", CJK_KANA, DEEPSEEK3_WORDS("[\\r\\n]*|") SPACES}},
    {.names = " spark2_5 ",
     .patterns = {"\\p{N}{1,3}", CJK_KANA, DEEPSEEK3_WORDS("|[\\r\\n]|\\s+(?!\\S)|\\s+"), "\\p{N}"}},
    {.names = " youtu ",
     .patterns = {"[\\x{AC00}-\\x{D7A3}\\x{3131}-\\x{318E}]+"
                  "|[\\x{FF01}\\x{2026}\\x{201C}\\x{201D}\\x{2018}\\x{2019}\\x{2014}\\x{FF1A}\\x{FF1B}\\x{FF0C}\\x{3001}-\\x{303F}"
                  "\\x{FE30}-\\x{FE4F}]+|[\\x{3105}-\\x{312F}]+|" CJK_KANA,
                  CASED(CONTRACTION, "\\p{N}")},
     .ignore_merges = true},
    {.names = " tekken ", .patterns = {CASED("", "\\p{N}")}, .ignore_merges = true, .add_bos = true},
    {.names = " gpt-4o llama4 kanana2 talkie minimax-m2 ", .patterns = {CASED(CONTRACTION, "\\p{N}{1,3}")}},
    {.names = " granite-embed-multi-97m ", .patterns = {CASED(CONTRACTION, "\\p{N}{1,3}")}, .ignore_merges = true},
    {.names = " tiny_aya cohere2moe ", .patterns = {"\\d{1,3}(?=(?:\\d{3})*\\b)", CASED(CONTRACTION, "\\p{N}{1,3}")}},
    {.names = " superbpe ", .patterns = {"\\p{N}+", "(?=(\\d{3})+(?!\\d))"}},
    {.names = " gemma4 granite-embed-multi-311m sarvam-moe ", .pieces = true},
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

bool lt_gguf_pre_nearest(const char *name, size_t size, char *nearest, size_t room)
{
    size_t best = 0, best_extra = SIZE_MAX;
    *nearest = '\0';
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        for (const char *at = table[i].names + 1; *at;) {
            size_t length = strcspn(at, " "), same = 0;
            while (same < length && same < size && at[same] == name[same])
                same++;
            if ((same > best || (same == best && length < best_extra) || !*nearest) && length < room) {
                memcpy(nearest, at, length);
                nearest[length] = '\0';
                best = same;
                best_extra = length;
            }
            at += length + 1;
        }
    return *nearest != '\0';
}
