/* The defaults of training commands: the one place where they stand. The command line's help shows them from here. */
#include <math.h>
#include <string.h>

#include "api/adapter.h"
#include "api/api.h"
#include "api/data.h"
#include "models/family.h"
#include "simd/kernels.h"

/* As transformers' TrainingArguments and PEFT have them, except: batches and logging are sized for a CPU, two
 * checkpoints are kept, and adapters go on every linear layer (Hu et al. put them on two; more layers at a lower rank
 * train better, Dettmers et al. 2023, section 4). */
bool lathe_train_options_init(lathe_train_options *options, const char *command, lathe_error *err)
{
    static const char *const commands[] = {"sft", "pretrain", "dpo", "reward", "classify"};
    bool pretrain = strcmp(command, "pretrain") == 0;
    const char *known = NULL;
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        known = strcmp(command, commands[i]) ? known : commands[i];
    if (!known)
        return lt_api_fail(err, LT_ERR_USAGE, "there is no training command '%s'; sft, pretrain, dpo, reward and classify are known",
                           command);
    bool compares = strcmp(command, "dpo") == 0 || strcmp(command, "reward") == 0;
    *options = (lathe_train_options){
        .command = known,
        .method = pretrain ? LATHE_METHOD_FULL : LATHE_METHOD_LORA,
        .lora_r = 16,
        .lora_alpha = 32,
        .num_virtual_tokens = 20,
        .encoder_num_layers = 2,
        .packing = pretrain,
        .shuffle = true,
        .batch_size = 8,
        .gradient_accumulation_steps = 1,
        .loss_type = "sigmoid",
        .beta = 0.1,
        .discopop_tau = 0.05,
        .simpo_gamma = 0.5,
        .cpo_alpha = NAN,
        .desirable_weight = 1,
        .undesirable_weight = 1,
        .distill_alpha = 0.5,
        .distill_temperature = 1,
        .pad_token_id = -1,
        .num_train_epochs = pretrain || compares ? 1 : 3,
        .replay_ratio = 0.25,
        .mlm_probability = LT_API_MLM_PROBABILITY,
        .seed = 42,
        .optim = "adamw_torch",
        .lr_scheduler_type = pretrain ? "cosine" : "linear",
        .learning_rate = NAN,
        .max_grad_norm = 1,
        .adam_beta1 = 0.9,
        .adam_beta2 = 0.999,
        .adam_epsilon = 1e-8,
        .muon_momentum = 0.95,
        .eval_strategy = LATHE_STRATEGY_AUTO,
        .save_strategy = LATHE_STRATEGY_AUTO,
        .eval_steps = 0,
        .logging_steps = 10,
        .save_steps = 500,
        .save_total_limit = 2,
    };
    return true;
}

lt_compute lt_api_compute(int compute)
{
    if (compute == LATHE_COMPUTE_AUTO)
        return lt_kernels_get()->bf16_products ? LT_COMPUTE_BF16 : LT_COMPUTE_F32;
    return compute == LATHE_COMPUTE_BF16 ? LT_COMPUTE_BF16 : LT_COMPUTE_F32;
}

/* The model's own context, up to a length that a CPU takes gladly. */
static bool choose_length(lathe_train_options *options, lt_error *err)
{
    enum { LENGTH_MOST = 1024 };
    lt_config config;
    if (!lt_family_load(options->model, &config, err))
        return false;
    options->max_length =
        config.max_position > 0 && config.max_position < LENGTH_MOST ? config.max_position : LENGTH_MOST;
    int64_t room = config.max_position - lt_api_adapter_virtual_tokens(options);
    if (config.max_position > 0 && options->max_length > room)
        options->max_length = room > 2 ? room : 2;
    lt_config_free(&config);
    return true;
}

/* What few parameters have to move far: T-Few's rate for IA3 (Liu et al. 2022, appendix), PEFT's examples for the others. */
static double small_rate_of(int method)
{
    switch (method) {
    case LATHE_METHOD_IA3: return 3e-3;
    case LATHE_METHOD_PROMPT_TUNING: return 3e-2;
    case LATHE_METHOD_PREFIX_TUNING: return 1e-2;
    default: return 1e-3;
    }
}

/* Preferences move a model that answers already: TRL's rate for them is a fiftieth of its rate for SFT, and adapters take about
 * ten times that of all parameters. */
static double rate_of(const lathe_train_options *options)
{
    bool full = options->method == LATHE_METHOD_FULL;
    if (options->method > LATHE_METHOD_FULL)
        return small_rate_of(options->method) * (strcmp(options->command, "dpo") == 0 ? 0.1 : 1);
    if (strcmp(options->command, "dpo") == 0)
        return full ? 1e-6 : 2e-5;
    if (strcmp(options->command, "reward") == 0)
        return full ? 1e-5 : 1e-4;
    if (strcmp(options->command, "pretrain") == 0)
        return full ? 5e-4 : 2e-4;
    return full ? 2e-5 : 2e-4;
}

bool lt_api_train_resolve(lathe_train_options *options, lt_error *err)
{
    if (options->max_length == 0 && !choose_length(options, err))
        return false;
    if (isnan(options->learning_rate))
        options->learning_rate = rate_of(options);
    if (isnan(options->cpo_alpha))
        options->cpo_alpha = strcmp(options->loss_type, "simpo") == 0 ? 0 : 1;
    if (options->eval_strategy == LATHE_STRATEGY_AUTO)
        options->eval_strategy = options->eval_data.count + options->eval_replay_data.count == 0 ? LATHE_STRATEGY_NO
                                 : options->eval_steps > 0     ? LATHE_STRATEGY_STEPS
                                                               : LATHE_STRATEGY_EPOCH;
    if (options->eval_strategy == LATHE_STRATEGY_STEPS && options->eval_steps == 0)
        options->eval_steps = options->logging_steps;
    if (options->save_strategy == LATHE_STRATEGY_AUTO)
        options->save_strategy = LATHE_STRATEGY_STEPS;
    options->compute = lt_api_compute(options->compute) == LT_COMPUTE_BF16 ? LATHE_COMPUTE_BF16 : LATHE_COMPUTE_FP32;
    return true;
}
