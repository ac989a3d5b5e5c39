#include "models/open.h"

#include "models/family.h"

bool lt_model_open(lt_model **model, const char *path, lt_error *err)
{
    lt_config config;
    return lt_family_load(path, &config, err) && lt_model_build(model, path, &config, err);
}
