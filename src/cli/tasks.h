/* Answering questions of a task: accuracy over a data set (eval --task), or one question by majority (generate --task). */
#ifndef LT_CLI_TASKS_H
#define LT_CLI_TASKS_H

#include "api/model.h"
#include "cli/options.h"

bool lt_tasks_eval(lt_options *options, lt_api_model *model, lt_error *err);
bool lt_tasks_generate(lt_options *options, lt_api_model *model, lt_error *err);

/* Why an option of tasks has no effect, or NULL. */
const char *lt_tasks_idle(const lt_options *options, const lt_option *option);

#endif
