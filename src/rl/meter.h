/* Named means between two rows of metrics.jsonl. Kept in checkpoints, so that a resumed run writes the rows of an uninterrupted
 * one. */
#ifndef LT_RL_METER_H
#define LT_RL_METER_H

#include <jansson.h>

#include "objective/objective.h"

enum { LT_METER_MAX = 64, LT_METER_NAME = 64 };

typedef struct lt_meter {
    char name[LT_METER_MAX][LT_METER_NAME];
    lt_mean mean[LT_METER_MAX];
    int count;
} lt_meter;

void lt_meter_add(lt_meter *meter, const char *name, double value);
void lt_meter_add_mean(lt_meter *meter, const char *name, const lt_mean *mean); /* as one value; nothing without a count */
double lt_meter_value(const lt_meter *meter, const char *name);                 /* NAN when there is none */

/* Sets row[name] for each, and forgets. */
void lt_meter_flush(lt_meter *meter, json_t *row);

json_t *lt_meter_json(const lt_meter *meter); /* new reference */
void lt_meter_read(lt_meter *meter, const json_t *json);

#endif
