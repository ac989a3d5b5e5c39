#include "models/open.h"

#include "models/family.h"
#include "models/fused_experts.h"
#include "models/gguf.h"

/* What a model is opened as: labels 0: as it is. */
typedef struct wanted {
    int64_t labels;
    uint64_t seed;
} wanted;

static bool shape(lt_config *config, const wanted *as, lt_error *err)
{
    if (!as->labels || lt_family_as_classifier(config, as->labels, as->seed, err))
        return true;
    lt_config_free(config);
    return false;
}

static bool open_gguf(lt_model **model, const char *path, const wanted *as, lt_error *err)
{
    lt_gguf *file;
    lt_config config;
    lt_safetensors *set;
    if (!lt_gguf_open(&file, path, err))
        return false;
    bool ok = lt_gguf_config_load(file, &config, err);
    if (ok && !lt_gguf_tensors_open(file, &config, &set, err)) {
        lt_config_free(&config);
        ok = false;
    }
    lt_gguf_close(file);
    if (ok && !shape(&config, as, err)) {
        lt_safetensors_close(set);
        return false;
    }
    return ok && lt_model_build_over(model, path, set, &config, err);
}

static bool open_as(lt_model **model, const char *path, const wanted *as, lt_error *err)
{
    lt_config config;
    if (lt_gguf_is(path))
        return open_gguf(model, path, as, err);
    if (!lt_family_load(path, &config, err) || !shape(&config, as, err))
        return false;
    lt_safetensors *set;
    if (lt_safetensors_open(&set, path, err) && lt_fused_experts_split(&set, &config, err))
        return lt_model_build_over(model, path, set, &config, err);
    lt_config_free(&config);
    return false;
}

bool lt_model_open(lt_model **model, const char *path, lt_error *err)
{
    return open_as(model, path, &(wanted){0}, err);
}

bool lt_model_open_classifier(lt_model **model, const char *path, int64_t labels, uint64_t seed, lt_error *err)
{
    return open_as(model, path, &(wanted){labels, seed}, err);
}
