/* lathe: fine-tuning language models on a CPU. The C API.
 *
 * A function that can fail returns false and fills a caller-owned lathe_error; nothing prints, nothing exits. Strings
 * are UTF-8. What a function hands out as `char **` or `int32_t **` is freed with lathe_free; handles have a close
 * function, which takes NULL. Pointers inside option structs are borrowed for the time of the call.
 *
 * Threads: a tokenizer may be used by any number of threads at once, a model by one at a time. Training and generating
 * use OpenMP threads of their own.
 *
 * Link with `pkg-config --cflags --libs lathe`. */
#ifndef LATHE_H
#define LATHE_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- version and errors ---- */

const char *lathe_version(void); /* "0.1.0" */

typedef enum lathe_status {
    LATHE_OK = 0,
    LATHE_ERR_USAGE,       /* the request makes no sense: options that contradict each other, an unknown name */
    LATHE_ERR_IO,          /* the system said no */
    LATHE_ERR_FORMAT,      /* a file is not what its format says */
    LATHE_ERR_UNSUPPORTED, /* well-formed, but beyond what lathe can do */
    LATHE_ERR_MEMORY,      /* out of memory, or over max_memory; the message names the least that would do */
    LATHE_ERR_NUMERIC,     /* NaN or infinity where a number was needed */
    LATHE_ERR_INTERRUPTED, /* `stop` was set; a training run has saved a checkpoint */
} lathe_status;

typedef struct lathe_error {
    lathe_status status;
    char message[1024]; /* one line: file, place, what was expected, what was found */
} lathe_error;

/* Frees what a function of this header handed out. NULL is fine. */
void lathe_free(void *memory);

/* Messages that are no errors ("warning" true or false), one line each; NULL silences them, which is the default. */
typedef void (*lathe_message_sink)(bool warning, const char *line, void *context);
void lathe_set_message_sink(lathe_message_sink sink, void *context);

/* ---- text ---- */

typedef struct lathe_tokenizer lathe_tokenizer;

/* path: a model folder or a tokenizer.json. */
bool lathe_tokenizer_open(lathe_tokenizer **tokenizer, const char *path, lathe_error *err);
void lathe_tokenizer_close(lathe_tokenizer *tokenizer);

/* Token ids of text[0 .. size). add_special: let the tokenizer add its own tokens around the text (BOS …). */
bool lathe_encode(const lathe_tokenizer *tokenizer, const char *text, size_t size, bool add_special, int32_t **ids,
                  size_t *count, lathe_error *err);

/* The text of ids, with a NUL after its *size bytes. skip_special: leave special tokens out. */
bool lathe_decode(const lathe_tokenizer *tokenizer, const int32_t *ids, size_t count, bool skip_special, char **text,
                  size_t *size, lathe_error *err);

/* ---- options shared by several calls ---- */

typedef struct lathe_strings {
    const char *const *items;
    int count;
} lathe_strings;

typedef struct lathe_integers {
    const int64_t *items;
    int count;
} lathe_integers;

typedef enum lathe_compute {
    LATHE_COMPUTE_AUTO, /* bf16 where the processor multiplies it natively, fp32 elsewhere */
    LATHE_COMPUTE_FP32,
    LATHE_COMPUTE_BF16,
} lathe_compute;

/* Names that the data's own keys have, for rows that do not use the usual ones; NULL: the usual name. */
typedef struct lathe_fields {
    const char *text, *messages, *prompt, *completion;
    const char *chosen, *rejected, *label;
} lathe_fields;

/* ---- training ---- */

typedef enum lathe_prompt_init {
    LATHE_PROMPT_INIT_RANDOM,       /* a standard normal */
    LATHE_PROMPT_INIT_TEXT,         /* the embeddings of a text's tokens */
    LATHE_PROMPT_INIT_SAMPLE_VOCAB, /* those of random tokens */
} lathe_prompt_init;

typedef enum lathe_method {
    LATHE_METHOD_LORA,
    LATHE_METHOD_DORA, /* LoRA with a trained magnitude for every output */
    LATHE_METHOD_FULL, /* no adapter: every parameter */
    LATHE_METHOD_IA3,  /* a trained factor for keys, values and the MLP's input */
    LATHE_METHOD_PROMPT_TUNING, /* trained embeddings before every row */
    LATHE_METHOD_P_TUNING,      /* the same, made by a trained encoder */
    LATHE_METHOD_PREFIX_TUNING, /* trained keys and values of every layer (P-tuning v2) */
} lathe_method;
typedef enum lathe_problem {
    LATHE_PROBLEM_AUTO, /* by the labels: one label is a number, whole numbers and names are classes, lists are sets */
    LATHE_PROBLEM_SINGLE_LABEL,
    LATHE_PROBLEM_MULTI_LABEL,
    LATHE_PROBLEM_REGRESSION,
} lathe_problem;
typedef enum lathe_strategy {
    LATHE_STRATEGY_AUTO,
    LATHE_STRATEGY_NO,
    LATHE_STRATEGY_STEPS,
    LATHE_STRATEGY_EPOCH
} lathe_strategy;

typedef enum lathe_frozen_cache {
    LATHE_FROZEN_CACHE_AUTO, /* where rows are seen more than once: bf16 with bf16 products, fp32 with fp32 */
    LATHE_FROZEN_CACHE_NO,
    LATHE_FROZEN_CACHE_INT8,
    LATHE_FROZEN_CACHE_BF16,
    LATHE_FROZEN_CACHE_FP32
} lathe_frozen_cache;

/* What is going on. Called after every step, and now and then while data is read or evaluated. */
typedef struct lathe_progress {
    const char *phase;   /* "tokenizing", "training", "evaluating", "saving" */
    int64_t done, total; /* rows, steps, tokens; total 0: not known */
    double epoch, loss, learning_rate, grad_norm;
    double tokens_per_second, elapsed_seconds, eta_seconds;
    int64_t rss_bytes, planned_bytes; /* resident memory now, and the plan's peak; 0: not known */
} lathe_progress;

typedef void (*lathe_progress_sink)(const lathe_progress *progress, void *context);

/* Names and meanings are those of the command line (`lathe sft --help`). Fill with lathe_train_options_init, then set
 * model, data and output at least. */
typedef struct lathe_train_options {
    const char *command; /* "sft", "pretrain", "dpo", "reward" or "classify" */

    /* from what, to where */
    const char *model;       /* folder as Hugging Face lays it out */
    const char *adapter;     /* start from this PEFT adapter, or NULL */
    lathe_strings data;      /* files of rows */
    lathe_strings eval_data; /* none: no evaluation */
    lathe_fields fields;
    const char *chat_template; /* NULL: the model's own */
    const char *output;        /* the run folder */
    bool overwrite;            /* an earlier run there is replaced once this one has succeeded */
    const char *start_state;   /* a checkpoint of another run, whose optimiser state this one begins with, or NULL */
    bool resume;               /* continue the run in `output` from its last checkpoint, or from resume_from */
    const char *resume_from;   /* a checkpoint folder, or NULL */

    /* what is trained */
    int method; /* lathe_method */
    int64_t lora_r;
    double lora_alpha, lora_dropout;
    bool use_rslora;
    const char *init_lora_weights; /* "true", "false", "gaussian", "orthogonal", "olora", "pissa", "pissa_niter_N"; NULL: true */
    double loraplus_lr_ratio;      /* rate of B over that of A (LoRA+); 0: one rate */
    lathe_strings target_modules, exclude_modules,
        modules_to_save; /* names; one entry with regex characters is a regex */
    lathe_integers layers_to_transform;
    lathe_integers trainable_token_indices;     /* rows of the embedding that are trained beside a LoRA, tied head included */
    lathe_strings layers_pattern;               /* name of the list of blocks, where it is not the first number in a module's name */
    lathe_strings rank_pattern, alpha_pattern;  /* "PATTERN=NUMBER": modules with another rank or alpha */
    lathe_strings feedforward_modules;          /* ia3: targets whose input is scaled; none: the family's */
    int64_t num_virtual_tokens;                 /* prompt-tuning, p-tuning, prefix-tuning */
    int prompt_tuning_init;                     /* lathe_prompt_init */
    const char *prompt_tuning_init_text;
    int encoder_reparameterization_type;        /* p-tuning: 0 MLP, 1 LSTM */
    int64_t encoder_hidden_size;                /* p-tuning, prefix_projection; 0: the width of what it makes */
    int64_t encoder_num_layers;                 /* of the LSTM */
    double encoder_dropout;
    bool prefix_projection;
    int prefix_init_weights;                    /* prefix-tuning: 0 random, 1 zero */
    int64_t top_layers; /* above 0: only the uppermost so many blocks, in place of layers_to_transform */

    /* preferences (dpo), as TRL names them */
    const char *loss_type;   /* "sigmoid", "ipo", "orpo", "kto" … */
    const char *ref_adapter; /* the reference is the base with this adapter; NULL: the base alone */
    double beta, label_smoothing, discopop_tau, simpo_gamma;
    double cpo_alpha; /* NAN: 1, with simpo 0 */
    double desirable_weight, undesirable_weight;

    /* distillation (sft, pretrain): loss (1 - alpha) CE + alpha T² KL(teacher || model) */
    const char *teacher;         /* folder or GGUF file of a model with the same tokens; NULL: none */
    const char *teacher_adapter; /* the teacher has this adapter; NULL: none */
    double distill_alpha, distill_temperature;

    /* reward models and classifiers */
    double center_rewards_coefficient;
    int64_t num_labels;          /* 0: as the model or the data has them */
    int64_t pad_token_id;        /* the last token that is not this one is what is read; -1: the model's own */
    int problem_type;            /* lathe_problem */
    lathe_strings class_weights; /* "balanced", or a number for each label; empty: all 1 */
    const char *predictions;     /* classify: a line for each evaluation row goes to this file; or NULL */

    /* rows and steps */
    int64_t max_length; /* tokens of a row; 0: the model's context, at most 1024 */
    bool packing, shuffle;
    lathe_strings data_weights;     /* numbers, one for each file of data: its share of the rows of an epoch; none: by size */
    lathe_strings replay_data;      /* old data, mixed in at replay_ratio of all rows */
    double replay_ratio;            /* 0 … below 1 */
    lathe_strings eval_replay_data; /* old data whose loss is watched: the drift */
    double neftune_noise_alpha;     /* 0: none */
    double mlm_probability;         /* encoders: share of the tokens that are masked, in rows without labels */
    int64_t batch_size, gradient_accumulation_steps;
    double num_train_epochs;
    int64_t max_steps; /* above 0 it wins over epochs */
    int64_t seed;

    /* optimiser and schedule */
    const char *optim, *lr_scheduler_type;
    double learning_rate; /* NAN: by method and command */
    double weight_decay, max_grad_norm, adam_beta1, adam_beta2, adam_epsilon;
    double muon_momentum; /* 0: 0.95 */
    double warmup_ratio;
    int64_t warmup_steps;
    int64_t num_decay_steps;                /* of warmup_stable_decay; 0: a tenth of all steps */
    double min_lr_ratio, num_cycles, power; /* of the schedules that have them; 0: the schedule's default */

    /* evaluating, saving, logging */
    int eval_strategy, save_strategy; /* lathe_strategy */
    int64_t eval_steps, logging_steps, save_steps, save_total_limit;
    const char *save_gradients; /* the first step's gradients go to this file, or NULL */

    /* what leaves the frozen blocks below the lowest trained one, kept on disk between epochs */
    int frozen_cache;      /* lathe_frozen_cache */
    const char *cache_dir; /* NULL: in output */
    bool keep_cache;       /* it stays for further runs on the same rows */

    /* machine */
    int64_t max_memory;      /* bytes; 0: what is available */
    int compute;             /* lathe_compute */
    int64_t activation_bits; /* 8, 16, 32; 0: chosen */
    int64_t threads;         /* 0: one per core */

    lathe_progress_sink progress; /* may be NULL */
    void *progress_context;
    const volatile sig_atomic_t *stop; /* set by the caller's signal handler; may be NULL */
} lathe_train_options;

typedef struct lathe_train_result {
    int64_t steps, tokens, trained_tokens;
    double seconds, tokens_per_second, loss_first, loss_last;
    double eval_accuracy, eval_f1_macro; /* of a classifier; NAN otherwise */
    double eval_loss; /* NAN when there was no evaluation */
    double eval_loss_before, replay_loss_before, replay_loss; /* with eval_replay_data; else NAN */
    int64_t peak_rss_bytes, planned_peak_bytes;
} lathe_train_result;

/* The defaults of a command. LATHE_ERR_USAGE when there is no such command. */
bool lathe_train_options_init(lathe_train_options *options, const char *command, lathe_error *err);

/* Trains, and leaves the adapter (or the model) and the run's records in `output`, with recipe.yaml, from which the program repeats the
 * run (lathe COMMAND --config). result may be NULL. */
bool lathe_train(const lathe_train_options *options, lathe_train_result *result, lathe_error *err);

/* ---- a model that answers ---- */

typedef struct lathe_model lathe_model; /* base, adapter, tokenizer and chat template */

typedef struct lathe_model_options {
    const char *adapter;       /* PEFT folder, or NULL */
    const char *chat_template; /* NULL: the model's own */
    int compute;               /* lathe_compute */
    int64_t max_memory;        /* bytes that the weights may occupy while they stream; 0: no limit */
} lathe_model_options;

/* options may be NULL. */
bool lathe_model_open(lathe_model **model, const char *path, const lathe_model_options *options, lathe_error *err);
void lathe_model_close(lathe_model *model);

/* The model's own tokenizer; closed with the model. */
const lathe_tokenizer *lathe_model_tokenizer(const lathe_model *model);

typedef struct lathe_generate_options {
    int64_t max_new_tokens;    /* 0: 256 */
    double temperature;        /* 0: the most probable token each time */
    int64_t top_k;             /* 0: all */
    double top_p, min_p;       /* 0: off */
    double repetition_penalty; /* 0 or 1: off */
    uint64_t seed;
    bool ignore_eos;
    lathe_strings stop;                                          /* the text ends before the first of these */
    void (*piece)(const char *text, size_t size, void *context); /* text as it becomes certain; may be NULL */
    void *context;
    const volatile sig_atomic_t *cancel; /* ends it when set; may be NULL */
} lathe_generate_options;

typedef struct lathe_generated {
    char *text; /* NUL-terminated; lathe_free */
    size_t size;
    int32_t *ids; /* lathe_free */
    size_t count;
    const char *stop_reason; /* "length", "eos", "stop", "capacity", "cancelled" */
    double tokens_per_second;
} lathe_generated;

/* Continues prompt. */
bool lathe_generate(lathe_model *model, const char *prompt, const lathe_generate_options *options, lathe_generated *out,
                    lathe_error *err);

/* Answers a conversation: messages is a JSON list such as [{"role": "user", "content": "…"}]. */
bool lathe_answer(lathe_model *model, const char *messages, const lathe_generate_options *options, lathe_generated *out,
                  lathe_error *err);

typedef struct lathe_evaluate_options {
    lathe_strings data;
    lathe_fields fields;
    int64_t max_length; /* 0: rows are taken whole */
} lathe_evaluate_options;

typedef struct lathe_evaluation {
    int64_t examples, tokens;
    double loss, perplexity; /* mean negative log-likelihood of the trained tokens in nats, and its exponential */
} lathe_evaluation;

bool lathe_evaluate(lathe_model *model, const lathe_evaluate_options *options, lathe_evaluation *out, lathe_error *err);

#ifdef __cplusplus
}
#endif

#endif
