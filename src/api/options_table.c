/* The table. A row exists only while the commands it names really act on it. */
#include "api/options.h"

/* Types, each with its field in lt_options; numbers with their bounds. */
#define BOOL(member) .type = LT_OPTION_BOOL, .field = offsetof(lt_options, member)
#define TEXT(member, called) .type = LT_OPTION_TEXT, .field = offsetof(lt_options, member), .value = called
#define FILES(member, called) .type = LT_OPTION_FILES, .field = offsetof(lt_options, member), .value = called
#define NAMES(member, called) .type = LT_OPTION_NAMES, .field = offsetof(lt_options, member), .value = called
#define INTS(member, called, from, to)                                                                                 \
    .type = LT_OPTION_INTS, .field = offsetof(lt_options, member), .value = called, .low = from, .high = to
#define INT(member, from, to)                                                                                          \
    .type = LT_OPTION_INT, .field = offsetof(lt_options, member), .value = "N", .low = from, .high = to
#define NUMBER(member, from, to)                                                                                       \
    .type = LT_OPTION_NUMBER, .field = offsetof(lt_options, member), .value = "X", .low = from, .high = to
#define SIZE(member) .type = LT_OPTION_SIZE, .field = offsetof(lt_options, member), .value = "SIZE"
#define CHOICE(member, words) .type = LT_OPTION_CHOICE, .field = offsetof(lt_options, member), .value = words

#define INITIALLY(text) .initial = text
#define SHOWN(text) .shown = text /* a default that is worked out */
#define ALSO(name) .alias = name
#define FOR(set) .commands = set
#define NEEDED(set) .required = set
#define FLAGS(set) .flags = set
#define MANY 1e15 /* an upper bound that is none */

/* Sets of commands. */
#define ALL (~UINT64_C(0))
#define LANGUAGE (LT_ON(SFT) | LT_ON(PRETRAIN))
#define COMPARING (LT_ON(DPO) | LT_ON(REWARD))
#define HEADED (LT_ON(REWARD) | LT_ON(CLASSIFY)) /* commands that train a score head */
#define FITTING (LANGUAGE | COMPARING | LT_ON(CLASSIFY)) /* training on rows */
#define TRAINING (FITTING | LT_ON(RL))
#define USING (LT_ON(GENERATE) | LT_ON(CHAT) | LT_ON(EVAL)) /* commands that use a model without training it */
#define SAMPLING (LT_ON(GENERATE) | LT_ON(CHAT))
#define ASKING (LT_ON(EVAL) | LT_ON(GENERATE)) /* commands that answer questions of a task */
#define SCORING (LT_ON(SAMPLE) | LT_ON(RL)) /* commands that sample answers and score them */
#define ROWS (FITTING | LT_ON(LINT))             /* commands that read rows */
#define MERGING (LT_ON(MERGE) | LT_ON(EXPORT) | LT_ON(IMPORT))
#define THIS_CALL FLAGS(LT_OPTION_NOT_IN_RECIPE) /* about this call, not about what is done */

/* clang-format off */
static const lt_option table[] = {
#define GROUP .group = LT_GROUP_INPUT
    {"model", TEXT(train.model, "DIR"), GROUP, FOR(ROWS), NEEDED(ROWS),
     .help = "model folder as Hugging Face lays it out, or a GGUF file"},
    {"model", TEXT(model, "DIR"), GROUP, FOR(LT_ON(TOKENIZE) | LT_ON(TEMPLATE)), NEEDED(LT_ON(TOKENIZE)),
     .help = "model folder as Hugging Face lays it out, or a GGUF file"},
    {"model", TEXT(model, "DIR"), GROUP, THIS_CALL, FOR(LT_ON(QUANTIZE)), NEEDED(LT_ON(QUANTIZE)),
     .help = "model folder with plain weights (F32, BF16, F16)"},
    {"run", TEXT(model, "RUN"), GROUP, THIS_CALL, FOR(LT_ON(REPORT)), NEEDED(LT_ON(REPORT)), .help = "folder of a run"},
    {"model", TEXT(model, "PATH"), GROUP, THIS_CALL, FOR(LT_ON(INSPECT)), NEEDED(LT_ON(INSPECT)),
     .help = "folder of a model, an adapter or a run, or a .safetensors file"},
    {"data", FILES(train.data, "FILE"), GROUP, FOR(ROWS), NEEDED(ROWS),
     .help = "rows to train on: JSON lines, a JSON list or plain text, also .zst"},
    {"model", TEXT(train.model, "DIR"), GROUP, FOR(USING), NEEDED(USING), .help = "model folder as Hugging Face lays it out, or a GGUF file"},
    {"adapter", TEXT(train.adapter, "DIR"), GROUP, FOR(USING), .help = "adapter to apply: a PEFT folder such as a run, an MLX folder, or a GGUF file"},
    {"data", FILES(train.data, "FILE"), GROUP, FOR(LT_ON(EVAL)), NEEDED(LT_ON(EVAL)),
     .help = "rows to evaluate: JSON lines, a JSON list or plain text, also .zst"},
    {"chat-template", TEXT(train.chat_template, "FILE"), GROUP, FOR(USING),
     .help = "template to use instead of the model's: a file, the name of one of the model's, or chatml"},
    {"max-length", INT(train.max_length, 0, 1e8), SHOWN("the model's context"), GROUP, FOR(LT_ON(EVAL)),
     .help = "longer rows are cut"},
    {"prompt", TEXT(sampling.prompt, "TEXT"), GROUP, FOR(LT_ON(GENERATE)), .help = "text to continue"},
    {"prompt-ids", INTS(sampling.prompt_ids, "N", 0, 2147483647), GROUP, FOR(LT_ON(GENERATE)), .help = "token ids to continue"},
    {"messages", TEXT(messages, "FILE"), GROUP, FOR(LT_ON(GENERATE)),
     .help = "JSON file with a conversation to answer: a list of messages, or an object with messages (and tools)"},
    {"tools", TEXT(tools, "FILE"), GROUP, FOR(LT_ON(GENERATE)), .help = "JSON file: the list of tools"},
    {"system", TEXT(system, "TEXT"), GROUP, FOR(LT_ON(CHAT)), .help = "system message of the conversation"},
    {"examples", FILES(sampling.examples, "FILE"), GROUP, FOR(LT_ON(GENERATE)),
     .help = "rows to show the model before the question"},
    {"num-examples", INT(sampling.num_examples, 1, 1000), INITIALLY("4"), GROUP, FOR(LT_ON(GENERATE)),
     .help = "how many of them, drawn with the seed"},
    {"task", CHOICE(task.kind, "none|number|choice|label|regex|exact"), GROUP, FOR(ASKING),
     .help = "answer questions ({question, answer} or {text, label}) and read the answer: the last number, a letter A to J, a label, "
             "--answer-pattern's group, the whole text"},
    {"chain-of-thought", BOOL(task.chain_of_thought), GROUP, FOR(ASKING),
     .help = "step by step: examples keep their reasoning; without examples the model is told so"},
    {"fewshot-data", FILES(task.fewshot_data, "FILE"), GROUP, FOR(ASKING), .help = "rows that are shown before every question"},
    {"num-fewshot", INT(task.num_fewshot, 1, 1000), INITIALLY("4"), GROUP, FOR(ASKING), .help = "how many of them, drawn with the seed"},
    {"self-consistency", INT(task.self_consistency, 1, 1000), INITIALLY("1"), GROUP, FOR(ASKING),
     .help = "sample so many answers to a question and take what most of them say"},
    {"answer-pattern", TEXT(task.answer_pattern, "REGEX"), GROUP, FOR(ASKING), .help = "of --task regex: its last group, where it matches last"},
    {"max-examples", INT(task.max_examples, 0, MANY), SHOWN("all"), GROUP, FOR(LT_ON(EVAL)), .help = "questions that are asked"},
    {"prompt-field", TEXT(train.fields.prompt, "KEY"), GROUP, FOR(LT_ON(GENERATE)),
     .help = "key that the examples have instead of prompt"},
    {"completion-field", TEXT(train.fields.completion, "KEY"), GROUP, FOR(LT_ON(GENERATE)),
     .help = "key that the examples have instead of completion"},
    {"eval-data", FILES(train.eval_data, "FILE"), GROUP, FOR(FITTING), .help = "rows to evaluate on"},
    {"data-weights", NAMES(train.data_weights, "X"), GROUP, FOR(LANGUAGE), SHOWN("by size"),
     .help = "shares of the --data files in an epoch, one number each: small sets are seen more often"},
    {"replay-data", FILES(train.replay_data, "FILE"), GROUP, FOR(LANGUAGE),
     .help = "old data, mixed in against forgetting"},
    {"replay-ratio", NUMBER(train.replay_ratio, 0, 1), GROUP, FOR(LANGUAGE), .help = "its share of all rows"},
    {"eval-replay-data", FILES(train.eval_replay_data, "FILE"), GROUP, FOR(LANGUAGE), ALSO("eval-replay"),
     .help = "old data whose loss is watched before, during and after: the drift"},
    {"adapter", TEXT(train.adapter, "DIR"), GROUP, FOR(TRAINING), .help = "start from this PEFT adapter"},
    {"chat-template", TEXT(chat_template, "FILE"), GROUP, FOR(LT_ON(TEMPLATE)),
     .help = "template to use instead of the model's: a file, the name of one of the model's, or chatml"},
    {"chat-template", TEXT(train.chat_template, "FILE"), GROUP, FOR(LT_ON(SFT) | COMPARING | LT_ON(LINT)),
     .help = "template to use instead of the model's: a file, the name of one of the model's, or chatml"},
    {"text-field", TEXT(train.fields.text, "KEY"), GROUP, ALSO("dataset-text-field"), FOR(LT_ON(EVAL) | LANGUAGE | LT_ON(CLASSIFY) | LT_ON(LINT)),
     .help = "key that the rows have instead of text"},
    {"messages-field", TEXT(train.fields.messages, "KEY"), GROUP, FOR(LT_ON(EVAL) | LT_ON(SFT) | LT_ON(DPO) | LT_ON(LINT)),
     .help = "key that the rows have instead of messages"},
    {"prompt-field", TEXT(train.fields.prompt, "KEY"), GROUP, FOR(LT_ON(EVAL) | LT_ON(SFT) | COMPARING | LT_ON(LINT)),
     .help = "key that the rows have instead of prompt"},
    {"completion-field", TEXT(train.fields.completion, "KEY"), GROUP, FOR(LT_ON(EVAL) | LT_ON(SFT) | LT_ON(DPO) | LT_ON(LINT)),
     .help = "key that the rows have instead of completion"},
    {"chosen-field", TEXT(train.fields.chosen, "KEY"), GROUP, FOR(COMPARING | LT_ON(EVAL) | LT_ON(LINT)),
     .help = "key that the rows have instead of chosen"},
    {"rejected-field", TEXT(train.fields.rejected, "KEY"), GROUP, FOR(COMPARING | LT_ON(EVAL) | LT_ON(LINT)),
     .help = "key that the rows have instead of rejected"},
    {"label-field", TEXT(train.fields.label, "KEY"), GROUP, FOR(LT_ON(DPO) | LT_ON(CLASSIFY) | LT_ON(EVAL) | LT_ON(LINT)),
     .help = "key that the rows have instead of label"},
    {"ref-adapter", TEXT(train.ref_adapter, "DIR"), GROUP, FOR(LT_ON(DPO)),
     .help = "the reference is the base with this PEFT adapter, not the base alone"},
    {"teacher", TEXT(train.teacher, "DIR"), GROUP, FOR(LANGUAGE),
     .help = "distil from this model, a folder or a GGUF file with the same tokens: its logits at every trained token are learned too"},
    {"teacher-adapter", TEXT(train.teacher_adapter, "DIR"), GROUP, FOR(LANGUAGE), .help = "the teacher has this adapter"},
    {"show", INT(show, 0, 10000), INITIALLY("3"), GROUP, FOR(LT_ON(LINT)), .help = "rows to show"},
    {"text", TEXT(text, "TEXT"), GROUP, FOR(LT_ON(TOKENIZE)), .help = "the text"},
    {"text-file", TEXT(text_file, "FILE"), GROUP, FOR(LT_ON(TOKENIZE)), .help = "file with the text"},
    {"special", BOOL(special), INITIALLY("true"), GROUP, FOR(LT_ON(TOKENIZE)),
     .help = "with the tokens that the tokenizer puts around a text (BOS, [CLS])"},
    {"messages", TEXT(messages, "FILE"), GROUP, FOR(LT_ON(TEMPLATE)), NEEDED(LT_ON(TEMPLATE)),
     .help = "JSON file: a list of messages, or an object with messages (and tools)"},
    {"tools", TEXT(tools, "FILE"), GROUP, FOR(LT_ON(TEMPLATE)), .help = "JSON file: the list of tools"},
    {"add-generation-prompt", BOOL(add_generation_prompt), GROUP, FOR(LT_ON(TEMPLATE)),
     .help = "end with the header of the assistant's turn"},
    {"config", TEXT(model_config, "FILE"), GROUP, THIS_CALL, FOR(LT_ON(INIT)), NEEDED(LT_ON(INIT)),
     .help = "config.json of the model, or a folder that has one"},
#undef GROUP

#define GROUP .group = LT_GROUP_OUTPUT
    {"output", TEXT(train.output, "DIR"), GROUP, ALSO("output-dir"), FOR(TRAINING), NEEDED(TRAINING),
     .help = "folder of the run: adapter, recipe, metrics, checkpoints"},
    {"output", TEXT(train.output, "DIR"), GROUP, FOR(LT_ON(INIT) | LT_ON(QUANTIZE)), NEEDED(LT_ON(INIT) | LT_ON(QUANTIZE)),
     .help = "folder to make"},
    {"type", CHOICE(quant_type, "nf4|int8"), GROUP, FOR(LT_ON(QUANTIZE)),
     .help = "of the linear layers: nf4 (4.1 bits a weight) or int8 (8 bits)"},
    {"dtype", CHOICE(dtype, "auto|fp32|bf16|fp16"), GROUP, FOR(LT_ON(INIT)),
     .help = "type of the weights; auto: what the configuration says"},
    {"seed", INT(train.seed, 0, MANY), INITIALLY("42"), GROUP, FOR(LT_ON(INIT)), .help = "of the random weights"},
    {"overwrite", BOOL(train.overwrite), GROUP, ALSO("overwrite-output-dir"), THIS_CALL, FOR(TRAINING),
     .help = "replace an earlier run in that folder, once this one has something to keep"},
    {"resume", TEXT(resume, "DIR"), GROUP, ALSO("resume-from-checkpoint"),
     FLAGS(LT_OPTION_NOT_IN_RECIPE | LT_OPTION_VALUE_OPTIONAL), FOR(TRAINING),
     .help = "continue the run in DIR (or in --output) from its last checkpoint, or from the checkpoint DIR"},
    {"logging-steps", INT(train.logging_steps, 1, MANY), GROUP, FOR(TRAINING),
     .help = "steps from one row of metrics.jsonl to the next"},
    {"eval-strategy", CHOICE(train.eval_strategy, "auto|no|steps|epoch"), GROUP, FOR(FITTING),
     .help = "when to evaluate, besides at the end; auto: after each epoch, or every --eval-steps"},
    {"eval-steps", INT(train.eval_steps, 0, MANY), SHOWN("as logging"), GROUP, FOR(FITTING),
     .help = "steps from one evaluation to the next"},
    {"save-strategy", CHOICE(train.save_strategy, "auto|no|steps|epoch"), GROUP, FOR(TRAINING),
     .help = "when to write a checkpoint; auto: every --save-steps"},
    {"save-steps", INT(train.save_steps, 1, MANY), GROUP, FOR(TRAINING),
     .help = "steps from one checkpoint to the next"},
    {"save-total-limit", INT(train.save_total_limit, 0, MANY), GROUP, FOR(TRAINING),
     .help = "checkpoints that are kept; 0 keeps all"},
    {"save-gradients", TEXT(train.save_gradients, "FILE"), GROUP, THIS_CALL, FOR(TRAINING),
     .help = "write the first step's gradients, before clipping, as safetensors"},
#undef GROUP

#define GROUP .group = LT_GROUP_ADAPTER
    {"method", CHOICE(train.method, "lora|dora|full|ia3|prompt-tuning|p-tuning|prefix-tuning"), GROUP, FOR(TRAINING),
     .help = "what is trained"},
    {"lora-r", INT(train.lora_r, 1, 65536), GROUP, ALSO("r"), FOR(TRAINING), .help = "rank"},
    {"lora-alpha", NUMBER(train.lora_alpha, 0, MANY), GROUP, FOR(TRAINING),
     .help = "scale: the adapter counts alpha / r"},
    {"lora-dropout", NUMBER(train.lora_dropout, 0, 0.999), GROUP, FOR(TRAINING), .help = "dropout of its input"},
    {"use-rslora", BOOL(train.use_rslora), GROUP, FOR(TRAINING), .help = "scale by alpha / sqrt(r) instead"},
    {"init-lora-weights", TEXT(train.init_lora_weights, "NAME"), SHOWN("true"), GROUP, FOR(TRAINING),
     .help = "how it begins: true, false, gaussian, orthogonal, olora, pissa, pissa_niter_N"},
    {"loraplus-lr-ratio", NUMBER(train.loraplus_lr_ratio, 0, 1e6), SHOWN("off"), GROUP, FOR(TRAINING),
     .help = "LoRA+: rate of B over that of A; 16 is usual"},
    {"rank-pattern", NAMES(train.rank_pattern, "NAME=R"), GROUP, FOR(TRAINING), .help = "modules with another rank"},
    {"alpha-pattern", NAMES(train.alpha_pattern, "NAME=X"), GROUP, FOR(TRAINING), .help = "modules with another alpha"},
    {"target-modules", NAMES(train.target_modules, "NAME"), SHOWN("all-linear; of ia3 the family's"), GROUP, ALSO("lora-target-modules"), FOR(TRAINING),
     .help = "layers that get an adapter: names, a regular expression, or all-linear"},
    {"exclude-modules", NAMES(train.exclude_modules, "NAME"), GROUP, FOR(TRAINING), .help = "layers that get none"},
    {"layers-to-transform", INTS(train.layers_to_transform, "N", 0, 100000), GROUP, FOR(TRAINING),
     .help = "only these blocks, counted from 0"},
    {"layers-pattern", NAMES(train.layers_pattern, "NAME"), GROUP, FOR(TRAINING),
     .help = "name of the list of blocks, for --layers-to-transform"},
    {"top-layers", INT(train.top_layers, 0, 100000), SHOWN("all"), GROUP, FOR(TRAINING),
     .help = "only the uppermost N blocks: what lies below is computed once (see --frozen-cache)"},
    {"modules-to-save", NAMES(train.modules_to_save, "NAME"), GROUP, ALSO("lora-modules-to-save"), FOR(TRAINING),
     .help = "modules that are trained whole and saved with the adapter"},
    {"trainable-token-indices", INTS(train.trainable_token_indices, "ID", 0, 2147483647), GROUP, FOR(TRAINING),
     .help = "tokens whose rows of the embedding are trained too"},
    {"feedforward-modules", NAMES(train.feedforward_modules, "NAME"), SHOWN("the family's"), GROUP, FOR(TRAINING),
     .help = "ia3: target modules whose input is scaled instead of their output"},
    {"num-virtual-tokens", INT(train.num_virtual_tokens, 1, 65536), GROUP, FOR(TRAINING),
     .help = "tokens that prompt-tuning, p-tuning and prefix-tuning put before every row"},
    {"prompt-tuning-init", CHOICE(train.prompt_tuning_init, "random|text|sample_vocab"), GROUP, FOR(TRAINING),
     .help = "how the tokens of prompt-tuning begin"},
    {"prompt-tuning-init-text", TEXT(train.prompt_tuning_init_text, "TEXT"), GROUP, FOR(TRAINING),
     .help = "the text they begin as, repeated or cut to their number"},
    {"encoder-reparameterization-type", CHOICE(train.encoder_reparameterization_type, "mlp|lstm"), GROUP, FOR(TRAINING),
     .help = "the encoder that makes the tokens of p-tuning"},
    {"encoder-hidden-size", INT(train.encoder_hidden_size, 0, 1e6), SHOWN("the model's width"), GROUP, FOR(TRAINING),
     .help = "width inside that encoder, and inside the projection of a prefix"},
    {"encoder-num-layers", INT(train.encoder_num_layers, 1, 100), GROUP, FOR(TRAINING), .help = "layers of the LSTM"},
    {"encoder-dropout", NUMBER(train.encoder_dropout, 0, 0.999), GROUP, FOR(TRAINING), .help = "dropout between them"},
    {"prefix-projection", BOOL(train.prefix_projection), GROUP, FOR(TRAINING),
     .help = "the prefix is made by a trained two-layer network, of which its output is kept"},
    {"prefix-init-weights", CHOICE(train.prefix_init_weights, "random|zero"), GROUP, FOR(TRAINING),
     .help = "how a prefix begins"},
#undef GROUP

#define GROUP .group = LT_GROUP_TRAINING
    {"num-train-epochs", NUMBER(train.num_train_epochs, 0, MANY), GROUP, FOR(TRAINING), .help = "passes over the data"},
    {"max-steps", INT(train.max_steps, -1, MANY), SHOWN("by epochs"), GROUP, FOR(TRAINING),
     .help = "optimiser steps; above 0 it wins over epochs"},
    {"batch-size", INT(train.batch_size, 1, 1e6), GROUP, ALSO("per-device-train-batch-size"), FOR(TRAINING),
     .help = "rows of a batch"},
    {"gradient-accumulation-steps", INT(train.gradient_accumulation_steps, 1, 1e6), GROUP, FOR(TRAINING),
     .help = "batches of a step"},
    {"max-length", INT(train.max_length, 0, 1e8), SHOWN("the model's context, at most 1024"), GROUP,
     ALSO("max-seq-length"), FOR(ROWS),
     .help = "tokens of a row; longer ones are cut"},
    {"loss-type", TEXT(train.loss_type, "NAME"), GROUP, FOR(LT_ON(DPO)),
     .help = "sigmoid, hinge, ipo, robust, sigmoid_norm, orpo, simpo, cpo, kto, … (TRL's names)"},
    {"beta", NUMBER(train.beta, 0, 1e6), GROUP, FOR(LT_ON(DPO)), .help = "how strongly answers are held to the reference"},
    {"label-smoothing", NUMBER(train.label_smoothing, 0, 0.5), GROUP, FOR(LT_ON(DPO)),
     .help = "probability that a pair is the wrong way round"},
    {"discopop-tau", NUMBER(train.discopop_tau, 0, 1e6), GROUP, FOR(LT_ON(DPO)), .help = "temperature of discopop"},
    {"simpo-gamma", NUMBER(train.simpo_gamma, -1e6, 1e6), GROUP, FOR(LT_ON(DPO)), .help = "target margin of simpo"},
    {"cpo-alpha", NUMBER(train.cpo_alpha, 0, 1e6), SHOWN("1; 0 with simpo"), GROUP, FOR(LT_ON(DPO)),
     .help = "weight of the likelihood of chosen answers in cpo and simpo"},
    {"desirable-weight", NUMBER(train.desirable_weight, 0, 1e6), GROUP, FOR(LT_ON(DPO)), .help = "of good answers in kto"},
    {"undesirable-weight", NUMBER(train.undesirable_weight, 0, 1e6), GROUP, FOR(LT_ON(DPO)), .help = "of bad answers in kto"},
    {"distill-alpha", NUMBER(train.distill_alpha, 0, 1), GROUP, FOR(LANGUAGE),
     .help = "share of the divergence from the teacher in the loss, (1 - alpha) CE + alpha T^2 KL; 1: the data's tokens only say where"},
    {"distill-temperature", NUMBER(train.distill_temperature, 1e-3, 1e3), GROUP, FOR(LANGUAGE),
     .help = "of teacher and model in that divergence: above 1 the unlikely tokens count more"},
    {"center-rewards-coefficient", NUMBER(train.center_rewards_coefficient, 0, 1e6), GROUP, FOR(LT_ON(REWARD)),
     .help = "pull of the rewards of a pair towards 0; 0: none"},
    {"num-labels", INT(train.num_labels, 0, 4096), SHOWN("as the model or the data has them"), GROUP, FOR(LT_ON(CLASSIFY)),
     .help = "outputs of the classifier"},
    {"num-labels", INT(train.num_labels, 1, 1), INITIALLY("1"), GROUP, FOR(LT_ON(REWARD)), .help = "outputs of a reward model: one"},
    {"pad-token-id", INT(train.pad_token_id, -1, 2147483647), SHOWN("the model's"), GROUP, FOR(HEADED),
     .help = "the head reads the last token that is not this one"},
    {"problem-type", CHOICE(train.problem_type, "auto|single_label_classification|multi_label_classification|regression"), GROUP,
     FOR(LT_ON(CLASSIFY)), .help = "what labels are; auto: names and whole numbers are classes, lists are sets"},
    {"predictions", TEXT(train.predictions, "FILE"), GROUP, FOR(LT_ON(CLASSIFY)),
     .help = "what is predicted for each row of --eval-data, as JSON lines"},
    {"class-weights", NAMES(train.class_weights, "X"), GROUP, FOR(LT_ON(CLASSIFY)),
     .help = "balanced, or a number for each label: its weight in the loss"},
    {"neftune-noise-alpha", NUMBER(train.neftune_noise_alpha, 0, 1e6), GROUP, FOR(LANGUAGE),
     .help = "uniform noise on the embedding while training (NEFTune); 5 is usual, 0 none"},
    {"mlm-probability", NUMBER(train.mlm_probability, 0.0001, 1), GROUP, FOR(LANGUAGE),
     .help = "encoders: share of the tokens that are masked, anew in every epoch"},
    {"packing", BOOL(train.packing), GROUP, FOR(LANGUAGE),
     .help = "rows of a batch are filled up to --max-length with several rows of data"},
    {"shuffle", BOOL(train.shuffle), GROUP, FOR(TRAINING), .help = "another order of rows in every epoch; otherwise that of the files"},
    {"seed", INT(train.seed, 0, MANY), GROUP, FOR(TRAINING), .help = "of the adapter, the order of rows and dropout"},
    {"frozen-cache", CHOICE(train.frozen_cache, "auto|no|int8|bf16|fp32"), GROUP, FOR(FITTING),
     .help = "keep the output of the blocks below the lowest trained one on disk, so that later epochs start there; auto: where there are any"},
    {"cache-dir", TEXT(train.cache_dir, "DIR"), SHOWN("the run folder"), GROUP, FOR(FITTING), .help = "where that cache lies"},
    {"keep-cache", BOOL(train.keep_cache), GROUP, FOR(FITTING),
     .help = "leave it there, for further runs on the same rows and model"},
    {"dry-run", BOOL(dry_run), GROUP, THIS_CALL, FOR(FITTING), .help = "plan only: memory, time and disk traffic"},
#undef GROUP

#define GROUP .group = LT_GROUP_OPTIMIZER
    {"learning-rate", NUMBER(train.learning_rate, 0, MANY), SHOWN("2e-4; 2e-5 with --method full"), GROUP,
     FOR(LT_ON(SFT)), .help = "peak learning rate"},
    {"learning-rate", NUMBER(train.learning_rate, 0, MANY), SHOWN("2e-5; 1e-6 with --method full"), GROUP, FOR(LT_ON(DPO)),
     .help = "peak learning rate"},
    {"learning-rate", NUMBER(train.learning_rate, 0, MANY), SHOWN("1e-4; 1e-5 with --method full"), GROUP, FOR(LT_ON(REWARD)),
     .help = "peak learning rate"},
    {"learning-rate", NUMBER(train.learning_rate, 0, MANY), SHOWN("2e-4; 2e-5 with --method full"), GROUP, FOR(LT_ON(CLASSIFY)),
     .help = "peak learning rate"},
    {"learning-rate", NUMBER(train.learning_rate, 0, MANY), SHOWN("5e-4; 2e-4 with an adapter"), GROUP,
     FOR(LT_ON(PRETRAIN)), .help = "peak learning rate"},
    {"lr-scheduler-type", TEXT(train.lr_scheduler_type, "NAME"), GROUP, FOR(TRAINING),
     .help = "constant, linear, cosine, warmup_stable_decay, … as in transformers"},
    {"warmup-ratio", NUMBER(train.warmup_ratio, 0, 1), GROUP, FOR(TRAINING), .help = "share of all steps that warms up"},
    {"warmup-steps", INT(train.warmup_steps, 0, MANY), SHOWN("by ratio"), GROUP, FOR(TRAINING),
     .help = "steps that warm up"},
    {"num-decay-steps", INT(train.num_decay_steps, 0, MANY), SHOWN("a tenth"), GROUP, FOR(TRAINING),
     .help = "last steps of warmup_stable_decay"},
    {"min-lr-ratio", NUMBER(train.min_lr_ratio, 0, 1), GROUP, FOR(TRAINING),
     .help = "lowest share of the rate, of cosine_with_min_lr and warmup_stable_decay"},
    {"num-cycles", NUMBER(train.num_cycles, 0, 1e6), SHOWN("the schedule's"), GROUP, FOR(TRAINING),
     .help = "waves of the cosine schedules"},
    {"power", NUMBER(train.power, 0, 1e3), SHOWN("1"), GROUP, FOR(TRAINING), .help = "of the polynomial schedule"},
    {"optim", TEXT(train.optim, "NAME"), GROUP, FOR(TRAINING), .help = "optimiser: adamw_torch (adamw), lion, adafactor, muon"},
    {"adam-beta1", NUMBER(train.adam_beta1, 0, 1), GROUP, FOR(TRAINING), .help = "decay of the first moment"},
    {"adam-beta2", NUMBER(train.adam_beta2, 0, 1), GROUP, FOR(TRAINING), .help = "decay of the second moment"},
    {"adam-epsilon", NUMBER(train.adam_epsilon, 0, 1), GROUP, FOR(TRAINING), .help = "added to its square root"},
    {"muon-momentum", NUMBER(train.muon_momentum, 0, 0.9999), GROUP, FOR(TRAINING), .help = "of the matrices that Muon trains"},
    {"weight-decay", NUMBER(train.weight_decay, 0, 1e3), GROUP, FOR(TRAINING), .help = "decoupled weight decay"},
    {"max-grad-norm", NUMBER(train.max_grad_norm, 0, MANY), GROUP, FOR(TRAINING),
     .help = "larger gradients are scaled down to this norm; 0: never"},
#undef GROUP

#define GROUP .group = LT_GROUP_SAMPLING
    {"max-new-tokens", INT(sampling.max_new_tokens, 1, 1e7), INITIALLY("256"), GROUP, FOR(SAMPLING | LT_ON(EVAL)), .help = "longest answer"},
    {"greedy", BOOL(sampling.greedy), GROUP, FOR(SAMPLING), .help = "always the likeliest token"},
    {"temperature", NUMBER(sampling.temperature, 0, 1000), INITIALLY("0.7"), GROUP, FOR(SAMPLING | LT_ON(EVAL)),
     .help = "above 1 is more varied, below 1 less; 0 is greedy"},
    {"top-k", INT(sampling.top_k, 0, 1e9), INITIALLY("0"), GROUP, FOR(SAMPLING | LT_ON(EVAL)), .help = "only the k likeliest tokens; 0: all"},
    {"top-p", NUMBER(sampling.top_p, 0, 1), INITIALLY("0.95"), GROUP, FOR(SAMPLING | LT_ON(EVAL)),
     .help = "only the likeliest tokens that together reach this probability; 1: all"},
    {"min-p", NUMBER(sampling.min_p, 0, 1), INITIALLY("0"), GROUP, FOR(SAMPLING | LT_ON(EVAL)),
     .help = "only tokens at least this likely, relative to the likeliest; 0: all"},
    {"repetition-penalty", NUMBER(sampling.repetition_penalty, 0.01, 100), INITIALLY("1"), GROUP, FOR(SAMPLING | LT_ON(EVAL)),
     .help = "above 1 makes tokens that were there before less likely"},
    {"stop", FILES(sampling.stop, "TEXT"), GROUP, FOR(SAMPLING), .help = "end before this text; may be repeated"},
    {"ignore-eos", BOOL(sampling.ignore_eos), GROUP, FOR(SAMPLING), .help = "go on after an end-of-text token"},
    {"seed", INT(train.seed, 0, MANY), INITIALLY("42"), GROUP, FOR(SAMPLING | LT_ON(EVAL)), .help = "the same seed gives the same answer"},
    {"context", INT(sampling.context, 0, 1e9), SHOWN("4096, or the model's context if that is less"), GROUP, FOR(LT_ON(CHAT)),
     .help = "tokens of conversation that are kept"},
#undef GROUP

#define GROUP .group = LT_GROUP_MACHINE
    {"max-memory", SIZE(train.max_memory), SHOWN("what is available"), GROUP, FOR(USING | TRAINING),
     .help = "hard limit on resident memory, such as 512M or 3GiB"},
    {"compute", CHOICE(train.compute, "auto|fp32|bf16"), GROUP, FOR(USING | TRAINING),
     .help = "arithmetic; auto takes bf16 where the processor has it"},
    {"activation-bits", INT(train.activation_bits, 0, 32), SHOWN("8, with fp32 32"), GROUP, FOR(TRAINING),
     .help = "bits of a kept activation: 8|16|32"},
    {"threads", INT(threads, 0, 256), SHOWN("one per core"), GROUP, FOR(USING | TRAINING | LT_ON(DOCTOR)),
     .help = "threads that compute"},
#undef GROUP

#define GROUP .group = LT_GROUP_GENERAL
    {"config", TEXT(config, "FILE"), GROUP, THIS_CALL, FOR(ALL & ~LT_ON(INIT) & ~LT_ON(QUANTIZE) & ~LT_ON(PLAN) & ~LT_ON(ROUNDS)),
     .help = "recipe: a YAML file of these options, with underscores; flags win over it"},
    {"per-example", BOOL(per_example), GROUP, THIS_CALL, FOR(LT_ON(EVAL)), .help = "the loss of every row, too"},
    {"save-logits", TEXT(save_logits, "FILE"), GROUP, THIS_CALL, FOR(LT_ON(EVAL)),
     .help = "safetensors file for the logits of the first row"},
    {"json", BOOL(json), GROUP, THIS_CALL, FOR(LT_ON(GENERATE) | LT_ON(EVAL) | TRAINING | LT_ON(INIT) | LT_ON(QUANTIZE) | MERGING | LT_ON(LINT) | LT_ON(TOKENIZE) | LT_ON(INSPECT) | LT_ON(REPORT) | LT_ON(DOCTOR)),
     .help = "the result as one JSON object on standard output"},
    {"help", BOOL(help), GROUP, THIS_CALL, FOR(ALL), .help = "this page"},
#undef GROUP
/* Adapters merged and converted. */
#define GROUP .group = LT_GROUP_INPUT
    {"model", TEXT(train.model, "PATH"), GROUP, FOR(MERGING), NEEDED(LT_ON(MERGE)), .help = "the base: a model folder or a GGUF file"},
    {"adapter", FILES(merge.adapters, "PATH"), GROUP, FOR(LT_ON(MERGE)),
     .help = "adapters to merge: PEFT or MLX folders, GGUF files; none: the model is only rewritten"},
    {"adapter", TEXT(merge.source, "PATH"), GROUP, FOR(LT_ON(EXPORT) | LT_ON(IMPORT)), NEEDED(LT_ON(EXPORT) | LT_ON(IMPORT)),
     .help = "the adapter: a PEFT or MLX folder, or a GGUF file"},
#undef GROUP
#define GROUP .group = LT_GROUP_ADAPTER
    {"weights", NAMES(merge.weights, "X"), SHOWN("1 each"), GROUP, FOR(LT_ON(MERGE)), .help = "how much of each adapter"},
    {"combination", CHOICE(merge.combination, "sum|linear|ties|dare_linear|dare_ties|magnitude_prune"), GROUP, FOR(LT_ON(MERGE)),
     .help = "how several adapters become one"},
    {"density", NUMBER(merge.density, 0, 1), INITIALLY("0.5"), GROUP, FOR(LT_ON(MERGE)),
     .help = "share of values that ties, dare_linear, dare_ties and magnitude_prune keep"},
    {"seed", INT(train.seed, 0, MANY), INITIALLY("42"), GROUP, FOR(LT_ON(MERGE)), .help = "of the values that dare_linear and dare_ties keep"},
#undef GROUP
#define GROUP .group = LT_GROUP_OUTPUT
    {"output", TEXT(train.output, "PATH"), GROUP, FOR(MERGING), NEEDED(MERGING), .help = "folder to make; for GGUF a file"},
    {"format", CHOICE(merge.format, "safetensors|gguf"), GROUP, FOR(LT_ON(MERGE)), .help = "a Hugging Face folder, or one GGUF file"},
    {"format", CHOICE(merge.adapter_format, "peft|gguf|mlx"), GROUP, FOR(LT_ON(EXPORT)), NEEDED(LT_ON(EXPORT)), .help = "what to write"},
    {"dtype", CHOICE(merge.dtype, "auto|fp32|fp16|bf16|q8_0"), GROUP, FOR(LT_ON(MERGE)),
     .help = "of the weights; auto: as each is stored, bf16 (in GGUF fp16) where a merged matrix was quantised"},
#undef GROUP
/* Answers that are sampled and scored. */
#define GROUP .group = LT_GROUP_INPUT
    {"model", TEXT(train.model, "DIR"), GROUP, FOR(SCORING), NEEDED(SCORING), .help = "model folder as Hugging Face lays it out, or a GGUF file"},
    {"adapter", TEXT(train.adapter, "DIR"), GROUP, FOR(LT_ON(SAMPLE)), .help = "PEFT adapter that answers, such as a run folder"},
    {"committee", FILES(rl.committee, "DIR"), GROUP, FOR(LT_ON(SAMPLE)), .help = "more adapters that answer every prompt; the best of all counts"},
    {"data", FILES(train.data, "FILE"), GROUP, FOR(SCORING), NEEDED(SCORING),
     .help = "prompts: rows with prompt or messages, and an answer where the scorer compares"},
    {"chat-template", TEXT(train.chat_template, "FILE"), GROUP, FOR(SCORING),
     .help = "template to use instead of the model's: a file, the name of one of the model's, or chatml"},
    {"prompt-field", TEXT(train.fields.prompt, "KEY"), GROUP, FOR(SCORING), .help = "key that the rows have instead of prompt"},
    {"messages-field", TEXT(train.fields.messages, "KEY"), GROUP, FOR(SCORING), .help = "key that the rows have instead of messages"},
    {"answer-field", TEXT(rl.answer_field, "KEY"), INITIALLY("answer"), GROUP, FOR(SCORING),
     .help = "key of the row's own answer; without it the completion or the last assistant turn"},
    {"prompt-template", TEXT(rl.prompt_template, "TEXT"), GROUP, FOR(SCORING), .help = "text around string prompts, which stand where it says {prompt}"},
    {"conversation", BOOL(rl.conversation), GROUP, FOR(SCORING), .help = "string prompts become a user's turn"},
    {"system", TEXT(rl.system, "TEXT"), GROUP, FOR(SCORING), .help = "system message before the prompt; makes a conversation of a string"},
    {"max-prompt-length", INT(rl.max_prompt_length, 1, 1e7), INITIALLY("512"), GROUP, FOR(SCORING), .help = "tokens; longer prompts are left out"},
    {"max-prompts", INT(rl.max_prompts, 0, MANY), SHOWN("all"), GROUP, THIS_CALL, FOR(LT_ON(SAMPLE)), .help = "stop after so many prompts"},
#undef GROUP
#define GROUP .group = LT_GROUP_OUTPUT
    {"output", TEXT(train.output, "DIR"), GROUP, ALSO("output-dir"), FOR(LT_ON(SAMPLE)), NEEDED(LT_ON(SAMPLE)),
     .help = "folder for sft.jsonl, preferences.jsonl, samples.jsonl and summary.json"},
    {"overwrite", BOOL(train.overwrite), GROUP, ALSO("overwrite-output-dir"), THIS_CALL, FOR(LT_ON(SAMPLE)), .help = "replace earlier samples in that folder"},
    {"resume", TEXT(resume, "DIR"), GROUP, FLAGS(LT_OPTION_NOT_IN_RECIPE | LT_OPTION_VALUE_OPTIONAL), FOR(LT_ON(SAMPLE)),
     .help = "go on with the samples in DIR (or in --output)"},
    {"best-of", BOOL(rl.best_of), SHOWN("on without --threshold"), GROUP, FOR(LT_ON(SAMPLE)), .help = "keep the best answer of each prompt"},
    {"threshold", NUMBER(rl.threshold, -MANY, MANY), SHOWN("none"), GROUP, FOR(LT_ON(SAMPLE)), .help = "keep every answer with at least this score; with --best-of the best if it reaches it"},
    {"keep-truncated", BOOL(rl.keep_truncated), GROUP, FOR(LT_ON(SAMPLE)), .help = "keep answers that were cut, too"},
#undef GROUP
#define GROUP .group = LT_GROUP_SAMPLING
    {"scorer", NAMES(rl.scorer, "NAME"), GROUP, ALSO("reward-funcs"), FOR(SCORING), NEEDED(SCORING), .help = "exact, number, regex, json, command or reward; several add up"},
    {"reward-weights", NAMES(rl.reward_weights, "X"), SHOWN("1 each"), GROUP, FOR(SCORING), .help = "what each scorer counts"},
    {"scorer-pattern", TEXT(rl.scorer_pattern, "REGEX"), GROUP, FOR(SCORING), .help = "of the scorer regex; what its last group takes must be the row's answer"},
    {"scorer-schema", TEXT(rl.scorer_schema, "FILE"), GROUP, FOR(SCORING), .help = "JSON schema of the scorer json"},
    {"reward-command", FILES(rl.reward_command, "WORD"), GROUP, FOR(SCORING),
     .help = "program of the scorer command: JSON lines in, a number a line out; run without a shell"},
    {"reward-timeout", NUMBER(rl.reward_timeout, 0.01, 1e6), INITIALLY("60"), GROUP, FOR(SCORING), .help = "seconds that a call of it may take"},
    {"reward-model", TEXT(rl.reward_model, "DIR"), GROUP, FOR(SCORING),
     .help = "of the scorer reward: what lathe reward leaves, or a classifier folder with one label; it has the model's tokenizer"},
    {"num-generations", INT(rl.num_generations, 1, 10000), INITIALLY("8"), GROUP, FOR(SCORING), .help = "answers to every prompt"},
    {"max-new-tokens", INT(sampling.max_new_tokens, 1, 1e7), INITIALLY("256"), GROUP, ALSO("max-completion-length"), FOR(SCORING), .help = "longest answer"},
    {"temperature", NUMBER(sampling.temperature, 0, 1000), INITIALLY("1"), GROUP, FOR(SCORING), .help = "above 1 is more varied, below 1 less"},
    {"top-k", INT(sampling.top_k, 0, 1e9), INITIALLY("0"), GROUP, FOR(SCORING), .help = "only the k likeliest tokens; 0: all"},
    {"top-p", NUMBER(sampling.top_p, 0, 1), INITIALLY("1"), GROUP, FOR(SCORING), .help = "only the likeliest tokens that together reach this probability; 1: all"},
    {"min-p", NUMBER(sampling.min_p, 0, 1), INITIALLY("0"), GROUP, FOR(SCORING), .help = "only tokens at least this likely, relative to the likeliest; 0: all"},
    {"repetition-penalty", NUMBER(sampling.repetition_penalty, 0.01, 100), INITIALLY("1"), GROUP, FOR(SCORING), .help = "above 1 makes tokens that were there before less likely"},
    {"ignore-eos", BOOL(sampling.ignore_eos), GROUP, FOR(LT_ON(SAMPLE)), .help = "go on after an end-of-text token; needs --keep-truncated to keep anything"},
    {"seed", INT(train.seed, 0, MANY), INITIALLY("42"), GROUP, FOR(LT_ON(SAMPLE)), .help = "the same seed gives the same answers"},
#undef GROUP
#define GROUP .group = LT_GROUP_MACHINE
    {"decode-batch", INT(rl.decode_batch, 1, 4096), INITIALLY("64"), GROUP, FOR(SCORING), .help = "answers decoded at once, at most; fewer where memory says so"},
    {"decode-batch", INT(rl.decode_batch, 1, 4096), INITIALLY("32"), GROUP, FOR(ASKING), .help = "answers of a --task decoded at once, at most"},
    {"max-memory", SIZE(train.max_memory), SHOWN("what is available"), GROUP, FOR(LT_ON(SAMPLE)), .help = "hard limit on resident memory, such as 512M or 3GiB"},
    {"compute", CHOICE(train.compute, "auto|fp32|bf16"), GROUP, FOR(LT_ON(SAMPLE)), .help = "arithmetic; auto takes bf16 where the processor has it"},
    {"threads", INT(threads, 0, 256), SHOWN("one per core"), GROUP, FOR(LT_ON(SAMPLE)), .help = "threads that compute"},
#undef GROUP
#define GROUP .group = LT_GROUP_GENERAL
    {"json", BOOL(json), GROUP, THIS_CALL, FOR(LT_ON(SAMPLE)), .help = "the result as one JSON object on standard output"},
#undef GROUP
/* Reinforcement learning. */
#define GROUP .group = LT_GROUP_TRAINING
    {"algorithm", CHOICE(rl.algorithm, "grpo|rloo|ppo"), INITIALLY("grpo"), GROUP, FOR(LT_ON(RL)), .help = "policy gradient"},
    {"loss-type", TEXT(rl.loss_type, "NAME"), SHOWN("dapo; of rloo clip"), GROUP, FOR(LT_ON(RL)), .help = "of grpo: grpo, dapo, bnpo, dr_grpo; of rloo: clip, mirror"},
    {"beta", NUMBER(rl.beta, 0, 1e3), SHOWN("0; of rloo and ppo 0.05"), GROUP, ALSO("kl-coef"), FOR(LT_ON(RL)), .help = "weight of the divergence from the model without its adapter"},
    {"epsilon", NUMBER(rl.epsilon, 0, 1), INITIALLY("0.2"), GROUP, ALSO("cliprange"), FOR(LT_ON(RL)), .help = "ratios are clipped to 1 - epsilon"},
    {"epsilon-high", NUMBER(rl.epsilon_high, 0, 1e3), SHOWN("as epsilon"), GROUP, FOR(LT_ON(RL)), .help = "and to 1 + epsilon-high"},
    {"num-iterations", INT(rl.num_iterations, 1, 1000), SHOWN("1; of ppo 4"), GROUP, ALSO("num-ppo-epochs"), FOR(LT_ON(RL)), .help = "updates on the answers of one round"},
    {"scale-rewards", CHOICE(rl.scale_rewards, "group|batch|none"), INITIALLY("group"), GROUP, FOR(LT_ON(RL)), .help = "grpo: what deviation advantages are divided by"},
    {"normalize-advantages", BOOL(rl.normalize_advantages), GROUP, FOR(LT_ON(RL)), .help = "rloo: advantages of a round get mean 0 and deviation 1"},
    {"mirror-coef", NUMBER(rl.mirror_coef, 0, 1e6), INITIALLY("1"), GROUP, FOR(LT_ON(RL)), .help = "rloo, mirror descent: weight of the divergence from the policy that sampled"},
    {"mask-truncated-completions", BOOL(rl.mask_truncated), GROUP, FOR(LT_ON(RL)), .help = "answers that were cut train nothing"},
    {"dynamic-sampling", INT(rl.dynamic_sampling, 0, 1000), INITIALLY("0"), GROUP, FOR(LT_ON(RL)), .help = "so many times, prompts whose answers all score the same are replaced by others"},
    {"missing-eos-penalty", NUMBER(rl.missing_eos_penalty, 0, MANY), SHOWN("0"), GROUP, FOR(LT_ON(RL)), .help = "taken from the score of answers that were cut"},
    {"gamma", NUMBER(rl.gamma, 0, 1), INITIALLY("1"), GROUP, FOR(LT_ON(RL)), .help = "ppo: discount"},
    {"lam", NUMBER(rl.lam, 0, 1), INITIALLY("0.95"), GROUP, FOR(LT_ON(RL)), .help = "ppo: lambda of GAE"},
    {"vf-coef", NUMBER(rl.vf_coef, 0, 1e3), INITIALLY("0.1"), GROUP, FOR(LT_ON(RL)), .help = "ppo: weight of the value loss"},
    {"cliprange-value", NUMBER(rl.cliprange_value, 0, 1e3), INITIALLY("0.2"), GROUP, FOR(LT_ON(RL)), .help = "ppo: values may move so far in a round"},
    {"whiten-rewards", BOOL(rl.whiten_rewards), GROUP, FOR(LT_ON(RL)), .help = "ppo: rewards of tokens get deviation 1"},
    {"kl-target", NUMBER(rl.kl_target, 0, 1e6), SHOWN("beta is fixed"), GROUP, FOR(LT_ON(RL)), .help = "ppo: beta is adapted to reach this divergence of an answer"},
    {"kl-horizon", NUMBER(rl.kl_horizon, 1, MANY), INITIALLY("10000"), GROUP, FOR(LT_ON(RL)), .help = "ppo: answers that this takes"},
#undef GROUP
#define GROUP .group = LT_GROUP_OPTIMIZER
    {"learning-rate", NUMBER(train.learning_rate, 0, MANY), SHOWN("1e-5; 1e-6 with --method full"), GROUP, FOR(LT_ON(RL)), .help = "peak learning rate"},
#undef GROUP
/* Rounds. */
    {"recipe", TEXT(rounds_recipe, "FILE"), .group = LT_GROUP_INPUT, THIS_CALL, FOR(LT_ON(ROUNDS)), NEEDED(LT_ON(ROUNDS)), .help = "YAML file with the steps"},
    {"output", TEXT(train.output, "DIR"), .group = LT_GROUP_OUTPUT, ALSO("output-dir"), THIS_CALL, FOR(LT_ON(ROUNDS)), SHOWN("the recipe's"), .help = "folder of all rounds"},
    {"resume", BOOL(rounds_resume), .group = LT_GROUP_OUTPUT, THIS_CALL, FOR(LT_ON(ROUNDS)), .help = "go on with the rounds that are there"},
    {"json", BOOL(json), .group = LT_GROUP_GENERAL, THIS_CALL, FOR(LT_ON(ROUNDS)), .help = "the table as one JSON object on standard output"},
};
/* clang-format on */

_Static_assert(sizeof table / sizeof *table <= LT_OPTION_MAX, "lt_options.origin has no room for the table");

const lt_option *lt_option_at(int index)
{
    return index < (int)(sizeof table / sizeof *table) ? &table[index] : NULL;
}

int lt_option_index(const lt_option *option)
{
    return (int)(option - table);
}

const char *lt_option_group_heading(lt_option_group group)
{
    static const char *const headings[] = {
#define X(id, heading) heading,
        LT_OPTION_GROUPS(X)
#undef X
    };
    return headings[group];
}
