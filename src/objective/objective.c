#include "objective/objective.h"

#include <string.h>

/* The registry: a row per objective. */
static const lt_objective *const objectives[] = {
    &lt_objective_lm,       &lt_objective_distill,     &lt_objective_dpo,         &lt_objective_orpo,       &lt_objective_cpo, &lt_objective_kto,
    &lt_objective_reward, &lt_objective_classify, &lt_objective_multi_label, &lt_objective_regression, &lt_objective_grpo, &lt_objective_rloo, &lt_objective_ppo,
};

enum { OBJECTIVES = sizeof objectives / sizeof *objectives };

const lt_objective *lt_objective_find(const char *name)
{
    for (int i = 0; i < OBJECTIVES; i++)
        if (!strcmp(objectives[i]->name, name))
            return objectives[i];
    return NULL;
}

const char *const *lt_objective_names(void)
{
    static const char *names[OBJECTIVES + 1];
    for (int i = 0; i < OBJECTIVES; i++)
        names[i] = objectives[i]->name;
    return names;
}

int lt_objective_loss_type(const lt_objective *objective, const char *name)
{
    for (int i = 0; objective->loss_types && objective->loss_types[i]; i++)
        if (!strcmp(objective->loss_types[i], name))
            return i;
    return -1;
}

/* ORPO has one loss and gives it its own name; CPO's sigmoid is called after it. */
static const lt_objective *const preferences[] = {&lt_objective_dpo, &lt_objective_orpo, &lt_objective_cpo, &lt_objective_kto};

enum { PREFERENCES = sizeof preferences / sizeof *preferences };

const lt_objective *lt_objective_preference(const char *name, int *loss_type)
{
    for (int i = 0; i < PREFERENCES; i++)
        if ((*loss_type = lt_objective_loss_type(preferences[i], name)) >= 0)
            return preferences[i];
    return NULL;
}

const char *const *lt_objective_preferences(void)
{
    static const char *names[64];
    int n = 0;
    for (int i = 0; i < PREFERENCES; i++)
        for (const char *const *name = preferences[i]->loss_types; *name; name++)
            names[n++] = *name;
    names[n] = NULL;
    return names;
}

void lt_objective_sums_add(lt_objective_sums *into, const lt_objective_sums *from)
{
    into->loss.sum += from->loss.sum;
    into->loss.count += from->loss.count;
    for (int i = 0; i < LT_OBJECTIVE_METRICS; i++) {
        into->metric[i].sum += from->metric[i].sum;
        into->metric[i].count += from->metric[i].count;
    }
}
