/* The search for the fastest choice that fits. Internal to the plan. */
#ifndef LT_TRAIN_PLAN_CHOOSE_H
#define LT_TRAIN_PLAN_CHOOSE_H

#include "train/plan_cost.h"

/* LT_ERR_MEMORY with the least that would do. */
bool lt_plan_choose(const lt_plan_facts *facts, int64_t limit_bytes, lt_plan_choice *choice, lt_error *err);

#endif
