/* Kinds of rows, told by their keys.
 *
 *   text                      {text}
 *   messages                  {messages} (+ tools)
 *   prompt and completion     {prompt, completion}: strings or lists of messages (+ tools)
 *   instruction               {instruction, output} (+ input, system, history)
 *   conversations             {conversations} (+ tools, system): ShareGPT
 *   preference                {chosen, rejected} (+ prompt or conversations, margin, tools)
 *   unpaired preference       {prompt, completion, label}, {messages, label} or {conversations, label}; label is a boolean
 *   labelled text             {text, label} (+ text_pair); label is a string, a number, or a list of either
 *   prompt                    {prompt}: a string or a list of messages
 *   token ids                 {input_ids} (+ labels, token_type_ids)
 *   labelled token ids        {input_ids, label} (+ token_type_ids)
 *   preference as ids         {prompt_ids, chosen_ids, rejected_ids}
 *   pair of ids               {chosen_ids, rejected_ids}: whole sequences
 *   unpaired ids              {prompt_ids, completion_ids, label}; label is a boolean
 *
 * A row may have other keys as well; a key that is null counts as absent. Where the keys of one row fit several kinds,
 * the accepted one that asks for most is taken, so a row {prompt, chosen, rejected, messages} serves preferences and
 * fine-tuning alike. */
#ifndef LT_FORMATS_DATASET_KIND_H
#define LT_FORMATS_DATASET_KIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "core/error.h"

typedef enum lt_dataset_kind {
    LT_DATASET_IDS_PREFERENCE,
    LT_DATASET_IDS_PAIR,
    LT_DATASET_IDS_UNPAIRED,
    LT_DATASET_IDS_LABEL,
    LT_DATASET_IDS,
    LT_DATASET_PREFERENCE,
    LT_DATASET_UNPAIRED,
    LT_DATASET_TEXT_LABEL,
    LT_DATASET_PROMPT_COMPLETION,
    LT_DATASET_MESSAGES,
    LT_DATASET_CONVERSATIONS,
    LT_DATASET_INSTRUCTION,
    LT_DATASET_TEXT,
    LT_DATASET_PROMPT,
    LT_DATASET_KINDS
} lt_dataset_kind;

#define LT_DATASET_BIT(kind) (UINT32_C(1) << (kind))

/* Groups: the kinds that one objective can learn from, mixed as they come. */
#define LT_DATASET_FOR_LANGUAGE                                                                                        \
    (LT_DATASET_BIT(LT_DATASET_TEXT) | LT_DATASET_BIT(LT_DATASET_MESSAGES) |                                           \
     LT_DATASET_BIT(LT_DATASET_PROMPT_COMPLETION) | LT_DATASET_BIT(LT_DATASET_INSTRUCTION) |                           \
     LT_DATASET_BIT(LT_DATASET_CONVERSATIONS) | LT_DATASET_BIT(LT_DATASET_IDS))
#define LT_DATASET_FOR_PREFERENCE                                                                                      \
    (LT_DATASET_BIT(LT_DATASET_PREFERENCE) | LT_DATASET_BIT(LT_DATASET_IDS_PREFERENCE) |                               \
     LT_DATASET_BIT(LT_DATASET_IDS_PAIR))
#define LT_DATASET_FOR_UNPAIRED (LT_DATASET_BIT(LT_DATASET_UNPAIRED) | LT_DATASET_BIT(LT_DATASET_IDS_UNPAIRED))
#define LT_DATASET_FOR_LABEL (LT_DATASET_BIT(LT_DATASET_TEXT_LABEL) | LT_DATASET_BIT(LT_DATASET_IDS_LABEL))
#define LT_DATASET_FOR_PROMPT LT_DATASET_BIT(LT_DATASET_PROMPT)

/* Names of the data's own: {.prompt = "question", .completion = "answer"} reads the key "question" as "prompt". NULL:
 * the key has its usual name. A row must have every key that is named here, and is of a kind that uses them all.
 * Strings are borrowed. */
typedef struct lt_dataset_fields {
    const char *text, *messages, *prompt, *completion, *chosen, *rejected, *label;
} lt_dataset_fields;

/* "prompt and completion", … for messages. */
const char *lt_dataset_kind_name(lt_dataset_kind kind);

/* The group that kind belongs to. */
uint32_t lt_dataset_kind_group(lt_dataset_kind kind);

/* Renames row's keys as fields says. LT_ERR_FORMAT when one is not there. `where` begins messages: "train.jsonl:17". */
bool lt_dataset_kind_rename(json_t *row, const lt_dataset_fields *fields, const char *where, lt_error *err);

/* The kind of row among those of `accept` (0: all of them) that use all of fields. */
bool lt_dataset_kind_find(const json_t *row, uint32_t accept, const lt_dataset_fields *fields, const char *where,
                          lt_dataset_kind *kind, lt_error *err);

#endif
