#include "models/open.h"

#include "models/family.h"
#include "models/gguf.h"

static bool open_gguf(lt_model **model, const char *path, lt_error *err)
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
    return ok && lt_model_build_over(model, path, set, &config, err);
}

bool lt_model_open(lt_model **model, const char *path, lt_error *err)
{
    lt_config config;
    if (lt_gguf_is(path))
        return open_gguf(model, path, err);
    return lt_family_load(path, &config, err) && lt_model_build(model, path, &config, err);
}
