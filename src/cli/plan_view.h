/* A plan for people. */
#ifndef LT_CLI_PLAN_VIEW_H
#define LT_CLI_PLAN_VIEW_H

#include <stdio.h>

#include "train/plan.h"

void lt_plan_view_print(const lt_plan *plan, FILE *out);

#endif
